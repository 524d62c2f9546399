// Cells in space: the segments of runs with what was recorded of them, and trees of circuits.

import { useEffect, useMemo, useState } from "./vendor/preact.js";
import { group } from "./colours.js";
import { Circuit } from "./circuit.js";
import { Choice, Field, html, Panel, Told, useAnswer, useAnswers } from "./parts.js";
import { go, link } from "./route.js";
import { usePlayer } from "./stage.js";

const LASTING = 3; // ms for which an activated synapse is lit
const MOST_BYTES = 48e6; // of values over time that are asked for at once
const MOST_CONTACTS = 6;

// Where a synapse is: on its section, at the distance from the soma that is told of it.
function places(cell, found) {
  const { section_id, soma_distance, start, end } = cell.arrays;
  const bySection = new Map();
  section_id.forEach((id, at) => {
    if (!bySection.has(id)) bySection.set(id, []);
    bySection.get(id).push(at);
  });
  const made = new Float32Array(3 * found.arrays.time.length);
  found.arrays.section_id.forEach((id, k) => {
    let best = -1;
    let least = Infinity;
    for (const at of bySection.get(id) ?? []) {
      const off = Math.abs(soma_distance[at] - found.arrays.soma_distance[k]);
      if (off < least) [best, least] = [at, off];
    }
    for (let axis = 0; axis < 3; axis += 1) {
      made[3 * k + axis] = best < 0 ? 0 : (start[3 * best + axis] + end[3 * best + axis]) / 2;
    }
  });
  return made;
}

function part(name, { arrays, labels }) {
  return { name, labels, ...arrays };
}

function Run({ now, run, parts }) {
  const cells = useAnswers(parts.map((name) => ["cell", { run: name, at: now.at }]));
  const wrong = cells.value?.find(({ error }) => error);
  if (wrong) return html`<p class="wrong" role="alert">${wrong.error}</p>`;
  return html`<${Told} answer=${cells}>${(found) => html`<${Played} now=${now} run=${run} cells=${found} names=${parts} />`}<//>`;
}

function shortOf(name) {
  return name.split("/").at(-1);
}

function Played({ now, run, cells, names }) {
  const set = (changed) => go({ ...now, ...changed }, true);
  const [player, view] = usePlayer({ colour: (colour) => set({ colour }), limits: (low, high) => set({ low, high }) });
  const [problem, fail] = useState(null);
  const trials = cells[0].trials;
  const [reported] = cells[0].reports.filter(({ trial_id }) => trials.includes(trial_id));
  const trial = now.trial === undefined ? (reported?.trial_id ?? trials[0]) : Number(now.trial);
  const reports = cells.map((cell) => cell.reports.filter(({ trial_id }) => trial_id === null || trial_id === trial));
  const variables = [...new Set(reports.flat().map(({ variable }) => variable))];
  const variable = variables.includes(now.variable) ? now.variable : (variables.find((name) => /(^| )v$/.test(name)) ?? variables[0]);
  const chosen = reports.map((known) => known.find((one) => one.variable === variable));
  const window = { begin: now.begin, end: now.end };
  const count = cells.reduce((sum, cell) => sum + cell.arrays.diameter.length, 0);
  const most = Math.max(20, Math.min(3000, Math.floor(MOST_BYTES / count)));
  const frames = useAnswers(
    variable ? chosen.map((one, at) => one && ["frames", { report: one.node, run: names[at], ...window, low: now.low, high: now.high, frames: most, at: now.at }]) : [],
  );
  const synapses = useAnswer("activations", { trial, types: now.types ? now.types.split(",") : [], at: now.at }, trial !== undefined && now.synapses === "1");
  const sites = cells[0].sites;
  const voltages = useAnswers(trial === undefined ? [] : sites.map(({ site }) => ["trace", { trial, site, ...window, at: now.at }]));
  const probes = cells[0].potentials.filter((name) => !cells[0].reports.length || trial === undefined || !/\/\d{6}\//.test(name) || name.includes(cells[0].reports.find(({ trial_id }) => trial_id === trial)?.trial ?? ""));
  const probe = probes.includes(now.probe) ? now.probe : undefined;
  const potential = useAnswer("potential", { signal: probe, ...window, columns: 2000, at: now.at }, Boolean(probe));
  useEffect(() => player?.cells(cells.map((cell, at) => part(shortOf(names[at]), cell))), [player]);
  useEffect(() => {
    if (!player || !frames.value?.some((one) => one?.arrays)) return;
    try {
      const given = frames.value.map((one) => (one?.arrays ? { ...one.arrays, low: one.low, high: one.high } : null));
      const unit = frames.value.find((one) => one?.arrays).unit;
      player.chosen = now.colour;
      player.values(given, `${variable === "v" ? "Voltage" : variable}${unit ? ` (${unit})` : ""}`);
      fail(null);
    } catch (error) {
      fail(error.message);
    }
  }, [player, frames.value]);
  useEffect(() => now.colour && player?.colour(now.colour), [player, now.colour]);
  useEffect(() => {
    const { arrays, types } = (now.synapses === "1" && synapses.value) || {};
    player?.synapses(arrays ? { place: places(cells[0], synapses.value), time: arrays.time, type: arrays.type, types, lasting: LASTING } : null);
  }, [player, synapses.value, now.synapses]);
  useEffect(() => {
    if (!player) return;
    const marks = [];
    const panels = [];
    const curves = sites.flatMap(({ label, place }, at) => {
      const found = voltages.value?.[at]?.arrays;
      if (!found) return [];
      const colour = group(marks.length);
      marks.push({ place, colour });
      return [{ label, time: found.time, values: found.value, colour }];
    });
    if (curves.length) panels.push({ title: "Voltage at recorded sites", unit: "mV", series: curves });
    if (probe && potential.value) {
      const { arrays, contacts, unit } = potential.value;
      const step = Math.max(1, Math.ceil(contacts.length / MOST_CONTACTS));
      const series = contacts.flatMap((name, at) => (at % step ? [] : [{ label: name, time: arrays.time, values: arrays.traces.subarray(at * arrays.time.length, (at + 1) * arrays.time.length), colour: group(Math.floor(at / step)) }]));
      contacts.forEach((_, at) => arrays.place.length && marks.push({ place: arrays.place.subarray(3 * at, 3 * at + 3), colour: at % step ? "#7f7f7f" : group(Math.floor(at / step)) }));
      panels.push({ title: "Potential at contacts", unit, series });
    }
    player.marks(marks);
    player.traces(panels);
  }, [player, voltages.value, potential.value, probe]);
  const told = frames.value?.find((one) => one?.error);
  return html`<${Panel} title=${`Run ${run}`}>
    <div class="row">
      ${variables.length > 1 && html`<${Choice} label="Variable" value=${variable} values=${variables} onValue=${(name) => set({ variable: name, low: undefined, high: undefined })} />`}
      ${trials?.length > 0 && html`<${Choice} label="Trial" value=${String(trial)} values=${trials.map(String)} onValue=${(one) => set({ trial: one, probe: undefined })} />`}
      ${trials?.length > 0 && html`<label><input type="checkbox" checked=${now.synapses === "1"} onChange=${(event) => set({ synapses: event.target.checked ? "1" : "" })} />Synapses as they fire</label>`}
      ${now.synapses === "1" && html`<${Field} label="of types" value=${now.types} placeholder="all, or VPM,L4ss" onValue=${(types) => set({ types })} />`}
      ${probes.length > 0 && html`<${Choice} label="Electrodes" value=${probe ?? ""} values=${[["", "none"], ...probes.map((name) => [name, name.replace(/^lfp\//, "")])]} onValue=${(name) => set({ probe: name })} />`}
      ${probe && html`<a href=${link({ page: "lfp", at: now.at, signal: probe })}>Over depth</a>`}
      <${Field} label="From ms" value=${now.begin} size="6" onValue=${(begin) => set({ begin })} />
      <${Field} label="to" value=${now.end} size="6" onValue=${(end) => set({ end })} />
    </div>
    ${!variables.length && html`<p class="soft">No variable of all segments was recorded in this trial. To see voltages, simulate it again with them: <code>neurolake rerun --record soma,site,all-segments:v</code></p>`}
    ${(problem ?? told?.error) && html`<p class="wrong" role="alert">${problem ?? told.error}</p>`}
    ${frames.loading && html`<p class="soft" role="status">Loading …</p>`}
    ${view}
    ${synapses.error && html`<p class="wrong" role="alert">${synapses.error}</p>`}
    <p class="soft">${count.toLocaleString("en")} segments${frames.value?.[0]?.arrays ? `, ${frames.value[0].arrays.time.length.toLocaleString("en")} frames` : ""}. Click a segment for its trace; the space bar plays.</p>
  <//>`;
}

function Tree({ now }) {
  const [player, view] = usePlayer({ picked: () => {} });
  const answer = useAnswer("cell", { circuit: now.circuit, population: now.population, node: now.node ?? 0, at: now.at });
  const set = (changed) => go({ ...now, ...changed }, true);
  useEffect(() => {
    if (player && answer.value) player.cells([part(now.population, answer.value)]);
  }, [player, answer.value]);
  return html`<${Panel} title=${`Tree of ${now.population} ${now.node ?? 0}`}>
    <div class="row">
      <${Field} label="Number" value=${String(now.node ?? 0)} size="8" onValue=${(node) => set({ node })} />
      <a href=${link({ page: "cell", at: now.at, circuit: now.circuit, population: now.population, node: now.node ?? 0 })}>Where it is</a>
    </div>
    ${answer.error && html`<p class="wrong" role="alert">${answer.error}</p>`}
    ${view}
  <//>`;
}

export function CellPage({ now }) {
  const answer = useAnswer("cells", { at: now.at });
  const parts = useMemo(() => {
    const known = answer.value?.runs.find(({ run }) => run === now.run);
    return known?.parts ?? [now.run];
  }, [answer.value, now.run]);
  return html`<div class="side">
    <${Panel} title="Cells">
      <${Told} answer=${answer}>
        ${({ runs, circuits }) => html`
          ${!runs.length && !circuits.length && html`<p class="soft">This commit has no run with segments and no circuit.</p>`}
          ${runs.length > 0 && html`<h3>Runs</h3>`}
          <ul class="list scroll" style=${{ maxHeight: "40vh" }}>
            ${runs.map(
              ({ run, parts: of }) => html`<li class=${run === now.run ? "chosen" : ""}>
                <a href=${link({ page: "cell", at: now.at, run })}>${run}</a>${of.length > 1 && html`<span class="soft"> ${of.map(shortOf).join(", ")}</span>`}
              </li>`,
            )}
          </ul>
          ${circuits.map(
            ({ circuit, populations }) => html`
              <h3><a href=${link({ page: "cell", at: now.at, circuit })}>Circuit ${circuit}</a></h3>
              <ul class="list">
                ${populations.map(({ population, nodes, trees }) => html`<li>
                  ${trees ? html`<a href=${link({ page: "cell", at: now.at, circuit, population, node: 0, tree: "1" })}>${population}</a>` : population}
                  <span class="soft"> ${nodes.toLocaleString("en")}</span>
                </li>`)}
              </ul>
            `,
          )}
        `}
      <//>
    <//>
    ${now.run
      ? answer.value && html`<${Run} key=${now.run} now=${now} run=${now.run} parts=${parts} />`
      : now.circuit
        ? now.tree
          ? html`<${Tree} key=${now.circuit + now.population} now=${now} />`
          : html`<${Circuit} key=${now.circuit} now=${now} />`
        : html`<p class="soft">Choose a run or a circuit.</p>`}
  </div>`;
}
