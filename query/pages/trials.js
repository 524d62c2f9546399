// Trials: those that meet a condition, as spikes, rates and voltages; two conditions side by side; and one trial.

import { useMemo, useState } from "./vendor/preact.js";
import { Choice, Field, html, Panel, Rows, seen, Told, useAnswer, useSoonAnswer } from "./parts.js";
import { Counts, Curves, Dots, Key } from "./plots.js";
import { go, link } from "./route.js";

const SOMA = /(^|\/)soma(@|$)/;
const HEIGHT = 300;
// So many traces are drawn first, where all take longer.
const FEW = 1000;

function span(now) {
  return { begin: now.begin, end: now.end };
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
  return html`<div class="columns plots">
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
            height=${Math.min(HEIGHT, 60 + Math.max(120, arrays.trial.length * 8))}
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
      <${Told} answer=${rates}>${({ arrays, unit, groups }) => html`<${Key} groups=${groups} /><${Curves} x=${arrays.x} series=${rateSeries} range=${window} height=${HEIGHT} steps xLabel="Time (ms)" yLabel=${unit} onSpan=${zoom} label="firing rates over time" />`}<//>
    <//>
    <${Panel} title=${`All voltages at ${site}${title}`}>
      <${Told} answer=${traces}>
        ${(found) => html`<${Counts} image=${found.arrays.image} span=${[found.begin, found.end]} limits=${[found.low, found.high]} unit=${found.unit} height=${HEIGHT} onSpan=${zoom} />
          <p class="soft" role="status">${counted(found)}</p>`}
      <//>
    <//>
    <${Panel} title=${`Mean ± SD${title}`}>
      <${Told} answer=${mean}>${({ arrays, unit, groups }) => html`<${Key} groups=${groups} /><${Curves} x=${arrays.x} series=${meanSeries} range=${window} height=${HEIGHT} xLabel="Time (ms)" yLabel=${`Voltage (${unit})`} onSpan=${zoom} label="mean voltage" />`}<//>
    <//>
    <${Panel} title=${`Activations of synapses${title}`}>
      <${Told} answer=${bars}>${({ arrays, unit, groups }) => html`<${Key} groups=${groups} /><${Curves} x=${arrays.x} series=${barSeries} range=${window} height=${HEIGHT} steps xLabel="Time (ms)" yLabel=${unit} onSpan=${zoom} label="activations over time" />`}<//>
    <//>
  </div>`;
}

function counted({ traces, drawn }) {
  const all = `${traces.toLocaleString("en")} trace${traces === 1 ? "" : "s"}`;
  return drawn < traces ? `${drawn.toLocaleString("en")} of ${all}; the others follow` : all;
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

// Columns in which all rows have the same say so once, and not in each row.
function split(columns, rows) {
  const same = (at) => rows.length > 1 && rows.every((row) => row[at] === rows[0][at]);
  const all = columns.map((column, at) => [column, at]).filter(([{ name }, at]) => name !== "trial_id" && same(at));
  const constant = new Set(all.map(([, at]) => at));
  const kept = columns.map((_, at) => at).filter((at) => !constant.has(at));
  return { columns: kept.map((at) => columns[at]), rows: rows.map((row) => kept.map((at) => row[at])), all: all.map(([{ name }, at]) => [name, rows[0][at]]) };
}

const PAGE = 100;

function List({ now, set }) {
  const offset = Number(now.row ?? 0);
  const answer = useAnswer("rows", { node: "trials", where: now.trials, order: "trial_id", offset, limit: PAGE, at: now.at });
  return html`<${Panel} title="Trials">
    <${Told} answer=${answer}>
      ${(found) => {
        const { columns, rows, all } = split(found.columns, found.rows);
        const told = found.rows.length ? `${(offset + 1).toLocaleString("en")} to ${(offset + rows.length).toLocaleString("en")}` : "none";
        return html`
          <div class="row">
            <button disabled=${!offset} onClick=${() => set({ row: Math.max(0, offset - PAGE) || "" })}>Before</button>
            <button disabled=${!found.more} onClick=${() => set({ row: offset + PAGE })}>Next</button>
            <span class="soft" role="status">${told}${found.total !== null ? ` of ${found.total.toLocaleString("en")}` : ""}</span>
          </div>
          <${Rows} columns=${columns} rows=${rows} label="trials" cell=${(name, value) => (name === "trial_id" ? html`<a href=${link({ page: "trial", at: now.at, trial: value })}>${value}</a>` : undefined)} />
          ${all.length > 0 && html`<p class="soft same">The same in all of these: ${all.map(([name, value], k) => html`${k ? ", " : ""}<b>${name}</b> ${value === null ? "null" : seen(value)}`)}</p>`}
        `;
      }}
    <//>
  <//>`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

// Conditions that most want, without SQL: a stimulus, and the value of a parameter.
function Filters({ now, set }) {
  const stimuli = useAnswer("sql", { query: "select stimulus, count(*) from trials group by 1 order by 1", limit: 500, at: now.at });
  const parameters = useAnswer("sql", { query: "select distinct path from parameters order by 1", limit: 5000, at: now.at });
  const [path, tell] = useState("");
  const values = useAnswer(
    "sql",
    { query: `select coalesce(number::varchar, text) as value, count(*) as files from parameters where path = ${quoted(path)} group by 1 order by any_value(number), 1`, limit: 500, at: now.at },
    Boolean(path),
  );
  const add = (condition) => set({ trials: now.trials ? `(${now.trials}) and ${condition}` : condition, row: "" });
  const holds = (value) => {
    const files = `select file from parameters where path = ${quoted(path)} and coalesce(number::varchar, text) is not distinct from ${value === null ? "null" : quoted(value)}`;
    add(`(neuron_parameters in (${files}) or network_parameters in (${files}))`);
  };
  const found = (stimuli.value?.rows ?? []).filter(([name]) => name !== null);
  const known = (parameters.value?.rows ?? []).map(([name]) => name);
  return html`
    ${found.length > 1 && html`<${Choice} label="Stimulus" value="" values=${[["", "…"], ...found.map(([name, count]) => [name, `${name} (${Number(count).toLocaleString("en")})`])]} onValue=${(name) => name && add(`stimulus = ${quoted(name)}`)} />`}
    ${known.length > 0 && html`<${Field} label="Parameter" value=${path} size="28" list="paths" onValue=${(text) => tell(known.includes(text) ? text : "")} />
      <datalist id="paths">${known.map((name) => html`<option value=${name}></option>`)}</datalist>`}
    ${path && values.value && html`<${Choice} label="is" value="" values=${[["", "…"], ...values.value.rows.map(([value], at) => [String(at), value ?? "null"])]} onValue=${(at) => at !== "" && holds(values.value.rows[Number(at)][0])} />`}
    ${now.trials && html`<button onClick=${() => set({ trials: "", row: "" })}>All trials</button>`}
  `;
}

export function TrialsPage({ now, lake }) {
  if (!lake.trials) return html`<p>This commit has no trials. neurolake ingest brings results, neurolake run simulates.</p>`;
  const set = (changed) => go({ ...now, ...changed });
  const site = now.site ?? (lake.sites.find((name) => SOMA.test(name)) ?? lake.sites[0]);
  const compared = now.other !== undefined || now.against !== undefined;
  return html`
    <${Panel} title="Which trials">
      <div class="row">
        <${Field} label="Trials where" value=${now.trials} size="36" placeholder="stimulus = 'C2'" onValue=${(trials) => set({ trials, row: "" })} />
        <${Field} label="Group by" value=${now.by} size="16" placeholder="stimulus" onValue=${(by) => set({ by })} />
        <${Choice} label="Site" value=${site} values=${lake.sites} onValue=${(chosen) => set({ site: chosen })} />
        <${Field} label="Bin (ms)" value=${now.bin} size="5" placeholder="5" onValue=${(bin) => set({ bin })} />
        <${Field} label="From (ms)" value=${now.begin} size="8" onValue=${(begin) => set({ begin })} />
        <${Field} label="to" value=${now.end} size="8" onValue=${(end) => set({ end })} />
        ${(now.begin || now.end) && html`<button onClick=${() => set({ begin: "", end: "" })}>All times</button>`}
      </div>
      <div class="row"><${Filters} now=${now} set=${set} /></div>
      <div class="row">
        <${Field} label="Beside them, trials where" value=${now.other} size="30" onValue=${(other) => set({ other })} />
        <${Field} label="at" value=${now.against} size="14" placeholder="branch, tag, commit" onValue=${(against) => set({ against })} />
      </div>
    <//>
    <div class="columns">
      <${Chosen} now=${now} trials=${now.trials} at=${now.at} site=${site} title=${compared ? ` of ${now.trials || "all"}` : ""} />
      ${compared && html`<${Chosen} now=${now} trials=${now.other ?? now.trials} at=${now.against ?? now.at} site=${site} title=${` of ${now.other ?? now.trials ?? "all"}${now.against ? ` at ${now.against.slice(0, 12)}` : ""}`} />`}
    </div>
    <${List} now=${now} set=${set} />
  `;
}

function Trace({ now, site, spikes }) {
  const zoom = (part) => go({ ...now, begin: part?.[0].toFixed(3), end: part?.[1].toFixed(3) });
  const answer = useAnswer("trace", { trial: now.trial, site, at: now.at, ...span(now) });
  const series = useMemo(() => answer.value && [{ label: site, values: answer.value.arrays.value }], [answer.value]);
  return html`<${Panel} title=${site}>
    <${Told} answer=${answer}>
      ${({ arrays, unit }) => html`<${Curves} x=${arrays.time} series=${series} xLabel="Time (ms)" yLabel=${`Voltage (${unit})`} height=${220} onSpan=${zoom} marks=${SOMA.test(site) ? spikes : []} label=${`voltage at ${site}`} />`}
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
        ${[...found.sites].sort((a, b) => Number(SOMA.test(b)) - Number(SOMA.test(a))).map((site) => html`<${Trace} key=${site} now=${now} site=${site} spikes=${found.spikes} />`)}
        ${found.activations.length > 0 && html`<${Synapses} now=${now} />`}
        <${Panel} title="What it is">
          <table class="facts">${Object.entries(found.facts).filter(([, value]) => value !== null).map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${seen(value)}</td></tr>`)}
            <tr><th scope="row">spikes (ms)</th><td>${found.spikes.map((time) => time.toFixed(2)).join(", ") || "none"}</td></tr>
          </table>
          ${found.rerun && html`<p>Simulate it again:</p><pre class="command" tabindex="0" aria-label="command">${found.rerun}</pre>`}
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
