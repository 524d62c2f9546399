// Trials: those that meet a condition, as spikes, rates and voltages; two conditions side by side; and one trial.

import { useMemo } from "./vendor/preact.js";
import { group } from "./colours.js";
import { Choice, Field, html, Panel, Rows, shown, Told, useAnswer, useSoonAnswer } from "./parts.js";
import { Counts, Curves, Dots } from "./plots.js";
import { go, link } from "./route.js";

// So many traces are drawn first, where all take longer.
const FEW = 1000;

function span(now) {
  return { begin: now.begin, end: now.end };
}

function Key({ groups }) {
  if (groups.length < 2) return null;
  return html`<div class="row">${groups.map((name, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${name}</span>`)}</div>`;
}

// What one condition chooses, at one commit; two of them stand side by side.
function Chosen({ now, trials, at, site, title }) {
  const by = now.by || undefined;
  const zoom = (part) => go({ ...now, begin: part?.[0].toFixed(3), end: part?.[1].toFixed(3) });
  const raster = useAnswer("raster", { at, trials, by });
  const rates = useAnswer("psth", { at, trials, by, bin: now.bin, ...span(now) });
  const mean = useSoonAnswer("mean", { at, trials, by, site, ...span(now) }, FEW);
  const traces = useSoonAnswer("traces", { at, trials, site, ...span(now) }, FEW);
  const bars = useAnswer("psth", { at, trials, of: "activations", bin: now.bin ?? 5, ...span(now) });
  const rateSeries = useMemo(() => rates.value && curves(rates.value, false), [rates.value]);
  const meanSeries = useMemo(() => mean.value && curves(mean.value, true), [mean.value]);
  const barSeries = useMemo(() => bars.value && curves(bars.value, false), [bars.value]);
  const end = traces.value?.end ?? rates.value?.arrays.x.at(-1) ?? 1;
  const window = [Number(now.begin ?? traces.value?.begin ?? 0), Number(now.end ?? end)];
  return html`<div class="columns" style=${{ gridTemplateColumns: "minmax(0, 1fr)" }}>
    <${Panel} title=${`Spikes${title}`}>
      <${Told} answer=${raster}>
        ${({ arrays, groups, spikes, drawn }) => html`
          <${Key} groups=${groups} />
          <${Dots}
            x=${arrays.time}
            y=${arrays.row}
            limits=${[arrays.trial.length, 0]}
            colourOf=${(k) => arrays.group[arrays.row[k]]}
            span=${window}
            yLabel="Trial"
            height=${Math.min(460, 60 + Math.max(120, arrays.trial.length * 4))}
            tall=${Math.max(1.2, Math.min(6, 400 / arrays.trial.length))}
            onSpan=${zoom}
            onPoint=${(_, y) => y >= 0 && y < arrays.trial.length && go({ page: "trial", at, trial: arrays.trial[Math.floor(y)] })}
            label=${`Spikes of ${arrays.trial.length} trials`}
          />
          <p class="soft">${arrays.trial.length.toLocaleString("en")} trials, ${spikes.toLocaleString("en")} spikes${drawn < spikes ? `, of which ${drawn.toLocaleString("en")} are drawn` : ""}. Drag to look closer, double-click for all, click a row for its trial.</p>
        `}
      <//>
    <//>
    <${Panel} title=${`Rates${title}`}>
      <${Told} answer=${rates}>${({ arrays, unit }) => html`<${Curves} x=${centred(arrays)} series=${rateSeries} steps xLabel="Time (ms)" yLabel=${unit} onSpan=${zoom} label="firing rates over time" />`}<//>
    <//>
    <${Panel} title=${`All voltages at ${site}${title}`}>
      <${Told} answer=${traces}>
        ${(found) => html`<${Counts} image=${found.arrays.image} span=${[found.begin, found.end]} limits=${[found.low, found.high]} unit=${found.unit} height=${320} onSpan=${zoom} />
          <p class="soft" role="status">${counted(found)}</p>`}
      <//>
    <//>
    <${Panel} title=${`Mean ± SD${title}`}>
      <${Told} answer=${mean}>${({ arrays, unit }) => html`<${Curves} x=${arrays.x} series=${meanSeries} xLabel="Time (ms)" yLabel=${`Voltage (${unit})`} onSpan=${zoom} label="mean voltage" />`}<//>
    <//>
    <${Panel} title=${`Activations of synapses${title}`}>
      <${Told} answer=${bars}>${({ arrays, unit }) => html`<${Curves} x=${centred(arrays)} series=${barSeries} steps xLabel="Time (ms)" yLabel=${unit} onSpan=${zoom} label="activations over time" />`}<//>
    <//>
  </div>`;
}

function counted({ traces, drawn }) {
  const all = `${traces.toLocaleString("en")} trace${traces === 1 ? "" : "s"}`;
  return drawn < traces ? `${drawn.toLocaleString("en")} of ${all}; the others follow` : all;
}

function centred({ x, values }) {
  const count = values.shape[1];
  return x.length === count ? x : x.slice(0, count);
}

function curves({ arrays, groups }, bands) {
  const [, count] = arrays.values.shape;
  return groups.map((label, k) => {
    const values = arrays.values.subarray(k * count, (k + 1) * count);
    if (!bands) return { label, values };
    const spread = arrays.spread.subarray(k * count, (k + 1) * count);
    return { label, values, low: values.map((value, at) => value - spread[at]), high: values.map((value, at) => value + spread[at]) };
  });
}

function List({ now }) {
  const answer = useAnswer("rows", { node: "trials", where: now.trials, limit: 200, at: now.at });
  return html`<${Panel} title="Trials">
    <${Told} answer=${answer}>
      ${({ columns, rows }) => html`<${Rows} columns=${columns} rows=${rows} label="trials" cell=${(name, value) => (name === "trial_id" ? html`<a href=${link({ page: "trial", at: now.at, trial: value })}>${value}</a>` : undefined)} />`}
    <//>
  <//>`;
}

export function TrialsPage({ now, lake }) {
  if (!lake.trials) return html`<p>This commit has no trials. neurolake ingest brings results, neurolake run simulates.</p>`;
  const set = (changed) => go({ ...now, ...changed });
  const site = now.site ?? (lake.sites.find((name) => /(^|\/)soma(@|$)/.test(name)) ?? lake.sites[0]);
  const compared = now.other !== undefined || now.against !== undefined;
  return html`
    <${Panel} title="Which trials">
      <div class="row">
        <${Field} label="Trials where" value=${now.trials} size="36" placeholder="stimulus = 'C2'" onValue=${(trials) => set({ trials })} />
        <${Field} label="Group by" value=${now.by} size="16" placeholder="stimulus" onValue=${(by) => set({ by })} />
        <${Choice} label="Site" value=${site} values=${lake.sites} onValue=${(chosen) => set({ site: chosen })} />
        <${Field} label="Bin (ms)" value=${now.bin} size="5" placeholder="5" onValue=${(bin) => set({ bin })} />
        <${Field} label="From (ms)" value=${now.begin} size="8" onValue=${(begin) => set({ begin })} />
        <${Field} label="to" value=${now.end} size="8" onValue=${(end) => set({ end })} />
        ${(now.begin || now.end) && html`<button onClick=${() => set({ begin: "", end: "" })}>All times</button>`}
      </div>
      <div class="row">
        <${Field} label="Beside them, trials where" value=${now.other} size="30" onValue=${(other) => set({ other })} />
        <${Field} label="at" value=${now.against} size="14" placeholder="branch, tag, commit" onValue=${(against) => set({ against })} />
      </div>
    <//>
    <div class="columns">
      <${Chosen} now=${now} trials=${now.trials} at=${now.at} site=${site} title=${compared ? ` of ${now.trials || "all"}` : ""} />
      ${compared && html`<${Chosen} now=${now} trials=${now.other ?? now.trials} at=${now.against ?? now.at} site=${site} title=${` of ${now.other ?? now.trials ?? "all"}${now.against ? ` at ${now.against.slice(0, 12)}` : ""}`} />`}
    </div>
    <${List} now=${now} />
  `;
}

function Trace({ now, site, spikes }) {
  const zoom = (part) => go({ ...now, begin: part?.[0].toFixed(3), end: part?.[1].toFixed(3) });
  const answer = useAnswer("trace", { trial: now.trial, site, at: now.at, ...span(now) });
  const series = useMemo(() => answer.value && [{ label: site, values: answer.value.arrays.value }], [answer.value]);
  return html`<${Panel} title=${site}>
    <${Told} answer=${answer}>
      ${({ arrays, unit }) => html`<${Curves} x=${arrays.time} series=${series} xLabel="Time (ms)" yLabel=${`Voltage (${unit})`} height=${220} onSpan=${zoom} marks=${/(^|\/)soma(@|$)/.test(site) ? spikes : []} label=${`voltage at ${site}`} />`}
    <//>
  <//>`;
}

function Synapses({ now }) {
  const zoom = (part) => go({ ...now, begin: part?.[0].toFixed(3), end: part?.[1].toFixed(3) });
  const answer = useAnswer("activations", { trial: now.trial, at: now.at });
  return html`<${Panel} title="Synapse activations by distance from the soma">
    <${Told} answer=${answer}>
      ${({ arrays, types }) => {
        let far = 1;
        let last = 1;
        for (const distance of arrays.soma_distance) far = Math.max(far, distance);
        for (const time of arrays.time) last = Math.max(last, time);
        const inSpan = [Number(now.begin ?? 0), Number(now.end ?? last)];
        return html`<${Key} groups=${types} />
          <${Dots} x=${arrays.time} y=${arrays.soma_distance} limits=${[0, far]} colourOf=${(k) => arrays.type[k]} span=${inSpan} height=${300} yLabel="Soma distance (µm)" onSpan=${zoom} label="synapse activations" />`;
      }}
    <//>
  <//>`;
}

export function TrialPage({ now }) {
  const answer = useAnswer("trial", { trial: now.trial, at: now.at });
  return html`<${Told} answer=${answer}>
    ${(found) => html`
      <div class="row">
        <h2>Trial ${found.trial}</h2>
        <a href=${link({ page: "trials", at: now.at })}>All trials</a>
        <a href=${link({ page: "trial", at: now.at, trial: found.trial - 1 })}>Before</a>
        <a href=${link({ page: "trial", at: now.at, trial: found.trial + 1 })}>Next</a>
        <a href=${link({ page: "cell", at: now.at, run: found.facts.run, trial: found.trial })}>In space</a>
        <a href=${link({ page: "lineage", at: now.at, node: "trials" })}>Lineage</a>
        ${(now.begin || now.end) && html`<button onClick=${() => go({ ...now, begin: "", end: "" })}>All times</button>`}
      </div>
      <div class="columns">
        ${found.sites.map((site) => html`<${Trace} key=${site} now=${now} site=${site} spikes=${found.spikes} />`)}
        ${found.activations.length > 0 && html`<${Synapses} now=${now} />`}
        <${Panel} title="What it is">
          <table class="facts">${Object.entries(found.facts).map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${shown(value)}</td></tr>`)}
            <tr><th scope="row">spikes (ms)</th><td>${found.spikes.map((time) => time.toFixed(2)).join(", ") || "none"}</td></tr>
          </table>
          ${found.rerun && html`<p>Simulate it again:</p><pre tabindex="0" aria-label="command">${found.rerun}</pre>`}
        <//>
        <${Panel} title="Activations by cell type">
          <${Rows} label="activations" columns=${[{ name: "cell_type" }, { name: "activations", type: "INT" }, { name: "synapses", type: "INT" }, { name: "soma_distance", type: "DOUBLE", title: "µm" }]} rows=${found.activations.map((one) => [one.cell_type, one.activations, one.synapses, one.soma_distance])} />
        <//>
        <${Panel} title="Parameters">
          ${found.parameters.length ? html`<${Rows} label="parameters" columns=${found.parameters[0].map((_, at) => ({ name: ["of", "parameter", "type", "value"][at] ?? "" }))} rows=${found.parameters} />` : html`<p class="soft">None are stored.</p>`}
        <//>
      </div>
    `}
  <//>`;
}
