// Cells in space: the segments of a run with what was recorded of them, trees of circuits, and where somata are.

import { useEffect, useRef, useState } from "./vendor/preact.js";
import { css, group, parts, rising } from "./colours.js";
import { Choice, Field, html, Panel, Told, useAnswer } from "./parts.js";
import { go, link } from "./route.js";

const BY = [
  ["label", "label"],
  ["distance", "distance from the soma"],
  ["section", "section"],
];
const LASTING = 3; // ms for which an activated synapse is lit

function tints(cell, by) {
  const { label, soma_distance, section_id } = cell.arrays;
  const made = new Float32Array(3 * label.length);
  let far = 1;
  for (const distance of soma_distance) if (distance > far) far = distance;
  for (let k = 0; k < label.length; k += 1) {
    const shade =
      by === "distance" ? rising(soma_distance[k] / far).map((part) => part / 255) : parts(group(by === "section" ? section_id[k] : label[k]));
    made.set(shade, 3 * k);
  }
  return made;
}

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

function useShown() {
  const canvas = useRef(null);
  const [shown, tell] = useState(null);
  const [wrong, fail] = useState(null);
  useEffect(() => {
    let made = null;
    let gone = false;
    // What draws in space is large and only needed here.
    import("./capsules.js").then(
      ({ Shown }) => {
        if (gone) return;
        try {
          made = new Shown(canvas.current);
          tell(made);
        } catch {
          fail("This browser cannot draw in three dimensions: WebGL 2 is missing or switched off.");
        }
      },
      (error) => fail(error.message),
    );
    return () => {
      gone = true;
      made?.dispose();
    };
  }, []);
  return { canvas, shown, wrong };
}

function Scene({ canvas, wrong, label }) {
  return html`${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    <div class="scene"><canvas ref=${canvas} tabindex="0" role="img" aria-label=${label}></canvas></div>`;
}

function Run({ now }) {
  const answer = useAnswer("cell", { run: now.run, at: now.at });
  return html`<${Told} answer=${answer}>${(cell) => html`<${Played} now=${now} cell=${cell} />`}<//>`;
}

function Played({ now, cell }) {
  const { canvas, shown, wrong } = useShown();
  const trials = cell.trials;
  const trial = now.trial ?? trials?.[0];
  const numbered = cell.reports.filter((one) => String(trialNumber(one.trial)) === String(trial) || cell.reports.length === 1);
  const reports = numbered.length ? numbered : cell.reports;
  const by = now.colour ?? (reports.length ? reports[0].node : "label");
  const report = reports.find(({ node }) => node === by) ?? cell.reports.find(({ node }) => node === by);
  const frames = useAnswer("frames", { report: report?.node, begin: now.begin, end: now.end, frames: 2000, at: now.at }, Boolean(report));
  const synapses = useAnswer("activations", { trial, types: now.types ? now.types.split(",") : [], at: now.at }, trial !== undefined && now.synapses === "1");
  const [time, move] = useState(0);
  const [playing, play] = useState(false);
  const [speed, hurry] = useState("20");
  const [problem, fail] = useState(null);
  const points = useRef(null);
  useEffect(() => {
    if (!shown || shown.mesh) return;
    const { start, end, diameter } = cell.arrays;
    shown.capsules({ start, end, diameter, tint: tints(cell, "label"), fine: diameter.length < 30000 });
    shown.fit([start, end]);
  }, [shown]);
  useEffect(() => {
    if (!shown?.mesh) return;
    try {
      if (report && frames.value) {
        shown.frames(frames.value.arrays.frames);
        move((old) => Math.min(Math.max(old, frames.value.arrays.time[0]), frames.value.arrays.time.at(-1)));
      } else if (!report) shown.tint(tints(cell, by));
      fail(null);
    } catch (error) {
      fail(error.message);
    }
    shown.draw();
  }, [shown, by, frames.value]);
  useEffect(() => {
    if (!shown) return;
    if (points.current) {
      shown.scene.remove(points.current);
      shown.parts = shown.parts.filter((part) => part !== points.current);
      points.current = null;
    }
    if (synapses.value && now.synapses === "1") {
      const tint = new Float32Array(3 * synapses.value.arrays.type.length);
      synapses.value.arrays.type.forEach((type, k) => tint.set(parts(group(type)), 3 * k));
      points.current = shown.points({ place: places(cell, synapses.value), tint, time: synapses.value.arrays.time, lasting: LASTING, size: 12, least: 5 });
    }
    shown.draw();
  }, [shown, synapses.value, now.synapses]);
  const times = report ? frames.value?.arrays.time : undefined;
  const last = times?.at(-1) ?? (synapses.value ? Math.max(1, ...sampled(synapses.value.arrays.time)) : 0);
  const first = times?.[0] ?? 0;
  const frame = times ? Math.min(times.length - 1, Math.max(0, Math.round(((time - times[0]) / (last - times[0] || 1)) * (times.length - 1)))) : 0;
  useEffect(() => shown?.at(frame, time), [shown, frame, time]);
  useEffect(() => {
    if (!playing) return undefined;
    let before = performance.now();
    let running = true;
    const step = (present) => {
      if (!running) return;
      const passed = ((present - before) / 1000) * Number(speed);
      before = present;
      move((old) => (old + passed > last ? first : old + passed));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    return () => {
      running = false;
    };
  }, [playing, speed, last, first]);
  const choices = [...BY, ...reports.map(({ node, variable, trial: of }) => [node, `${variable}, trial ${of}`])];
  const set = (changed) => go({ ...now, ...changed }, true);
  const playable = last > first;
  return html`<${Panel} title=${`Run ${cell.run}`}>
    <div class="row">
      <${Choice} label="Colour by" value=${by} values=${choices} onValue=${(colour) => set({ colour })} />
      ${trials?.length > 0 && html`<${Choice} label="Trial" value=${String(trial)} values=${trials.map(String)} onValue=${(chosen) => set({ trial: chosen, colour: undefined })} />`}
      ${trials?.length > 0 && html`<label><input type="checkbox" checked=${now.synapses === "1"} onChange=${(event) => set({ synapses: event.target.checked ? "1" : "" })} />Synapses as they fire</label>`}
      ${now.synapses === "1" && html`<${Field} label="of types" value=${now.types} placeholder="all, or VPM,L4ss" onValue=${(types) => set({ types })} />`}
      <button onClick=${() => shown?.fit([cell.arrays.start, cell.arrays.end])}>Whole cell</button>
    </div>
    ${!cell.reports.length && html`<p class="soft">No variable of all segments was recorded. To see voltages, simulate a trial again with them: <code>neurolake rerun --record all-segments:v</code></p>`}
    ${problem && html`<p class="wrong" role="alert">${problem}</p>`}
    ${report && html`<${Told} answer=${frames}>${() => null}<//>`}
    <${Scene} canvas=${canvas} wrong=${wrong} label=${`segments of ${cell.run}`} />
    ${playable &&
    html`<div class="row">
      <button class="main" aria-pressed=${playing} onClick=${() => play(!playing)}>${playing ? "Pause" : "Play"}</button>
      <input type="range" aria-label="time in ms" min=${first} max=${last} step=${(last - first) / 2000} value=${time} onInput=${(event) => move(Number(event.target.value))} />
      <output class="mono">${time.toFixed(2)} ms</output>
      <${Choice} label="Speed" value=${speed} values=${["1", "5", "20", "100", "500"].map((each) => [each, `${each} ms a second`])} onValue=${hurry} />
    </div>`}
    ${report && frames.value
      ? html`<div class="row soft">
          <span>${frames.value.low.toPrecision(4)} ${frames.value.unit}</span>
          <span style=${{ width: "160px", height: "10px", background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => css(rising(part))).join(", ")})` }}></span>
          <span>${frames.value.high.toPrecision(4)} ${frames.value.unit}</span>
        </div>`
      : by === "label" && html`<div class="row">${cell.labels.map((name, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${name}</span>`)}</div>`}
    ${synapses.error && html`<p class="wrong" role="alert">${synapses.error}</p>`}
    ${synapses.value && html`<div class="row">${synapses.value.types.map((name, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${name}</span>`)}</div>`}
  <//>`;
}

function trialNumber(text) {
  return /\d+/.exec(text)?.[0] ?? text;
}

function sampled(values) {
  const step = Math.ceil(values.length / 10000) || 1;
  return values.filter((_, at) => at % step === 0 || at === values.length - 1);
}

function Tree({ now }) {
  const { canvas, shown, wrong } = useShown();
  const answer = useAnswer("cell", { circuit: now.circuit, population: now.population, node: now.node ?? 0, at: now.at });
  const [by, choose] = useState("label");
  useEffect(() => {
    if (!shown || !answer.value) return;
    shown.clear();
    const { start, end, diameter } = answer.value.arrays;
    shown.capsules({ start, end, diameter, tint: tints(answer.value, by), fine: diameter.length < 20000 });
    shown.fit([start, end]);
  }, [shown, answer.value]);
  useEffect(() => {
    if (!shown?.mesh || !answer.value) return;
    shown.tint(tints(answer.value, by));
    shown.draw();
  }, [by]);
  return html`<${Panel} title=${`${now.population} ${now.node ?? 0}`}>
    <div class="row"><${Choice} label="Colour by" value=${by} values=${BY} onValue=${choose} /></div>
    ${answer.error && html`<p class="wrong" role="alert">${answer.error}</p>`}
    <${Scene} canvas=${canvas} wrong=${wrong} label=${`tree of ${now.population} ${now.node ?? 0}`} />
    ${by === "label" && answer.value && html`<div class="row">${answer.value.labels.map((name, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${name}</span>`)}</div>`}
  <//>`;
}

function Somata({ now }) {
  const { canvas, shown, wrong } = useShown();
  const answer = useAnswer("somata", { circuit: now.circuit, at: now.at });
  const partners = useAnswer("partners", { circuit: now.circuit, population: now.population, node: now.node, at: now.at }, Boolean(now.population && now.node !== undefined));
  useEffect(() => {
    if (!shown || !answer.value) return;
    shown.clear();
    const all = [];
    answer.value.populations.forEach(({ population, step }, number) => {
      const place = answer.value.arrays[population];
      if (!place) {
        const [start, end, diameter] = ["start", "end", "diameter"].map((part) => answer.value.arrays[`${population}.${part}`]);
        all.push(start, end);
        const tint = new Float32Array(start.length);
        for (let k = 0; k < start.length; k += 3) tint.set(parts(group(number)), k);
        shown.capsules({ start, end, diameter, tint, fine: diameter.length < 30000 });
        return;
      }
      all.push(place);
      const chosen = new Set(partners.value?.partners.filter((one) => one.population === population).map((one) => Math.floor(one.node_id / step)) ?? []);
      const tint = new Float32Array(place.length);
      for (let k = 0; k < place.length / 3; k += 1) {
        const own = population === now.population && String(Math.floor(Number(now.node) / step)) === String(k);
        const shade = parts(group(number));
        tint.set(own ? [0.9, 0.1, 0.1] : partners.value && !chosen.has(k) ? shade.map((part) => 0.75 + 0.1 * part) : shade, 3 * k);
      }
      shown.points({ place, tint, size: place.length > 60000 ? 6 : 12, least: 2 });
    });
    shown.fit(all);
  }, [shown, answer.value, partners.value]);
  const set = (changed) => go({ ...now, ...changed }, true);
  return html`<${Panel} title=${`Circuit ${now.circuit}`}>
    <${Told} answer=${answer}>
      ${(found) => html`
        <div class="row">
          ${found.populations.map(({ population, cells, step }, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${population}: ${cells.toLocaleString("en")}${step > 1 ? `, every ${step}th drawn` : ""}</span>`)}
        </div>
        <div class="row">
          <${Choice} label="Edges of a cell of" value=${now.population ?? ""} values=${[["", "no cell"], ...found.populations.map(({ population }) => population)]} onValue=${(population) => set({ population, node: population ? (now.node ?? 0) : "" })} />
          ${now.population && html`<${Field} label="number" value=${String(now.node ?? 0)} size="8" onValue=${(node) => set({ node })} />
            <a href=${link({ page: "cell", at: now.at, circuit: now.circuit, population: now.population, node: now.node ?? 0, tree: "1" })}>Its tree</a>`}
        </div>
      `}
    <//>
    <${Scene} canvas=${canvas} wrong=${wrong} label=${`somata of ${now.circuit}`} />
    ${partners.error && html`<p class="wrong" role="alert">${partners.error}</p>`}
    ${partners.value && html`<p>${summary(partners.value.partners)}</p>`}
  <//>`;
}

function summary(rows) {
  const found = new Map();
  for (const { projection, side, edges } of rows) {
    const key = `${side === "source" ? "from" : "to"} ${projection}`;
    const old = found.get(key) ?? [0, 0];
    found.set(key, [old[0] + 1, old[1] + edges]);
  }
  return [...found].map(([key, [cells, edges]]) => `${key}: ${edges.toLocaleString("en")} edges with ${cells.toLocaleString("en")} cells`).join("; ") || "It has no edges.";
}

export function CellPage({ now }) {
  const answer = useAnswer("cells", { at: now.at });
  return html`<div class="side">
    <${Panel} title="Cells">
      <${Told} answer=${answer}>
        ${({ runs, circuits }) => html`
          ${!runs.length && !circuits.length && html`<p class="soft">This commit has no run with segments and no circuit.</p>`}
          ${runs.length > 0 && html`<h3>Runs</h3>`}
          <ul class="list scroll" style=${{ maxHeight: "40vh" }}>
            ${runs.map((run) => html`<li class=${run === now.run ? "chosen" : ""}><a href=${link({ page: "cell", at: now.at, run })}>${run}</a></li>`)}
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
      ? html`<${Run} key=${now.run} now=${now} />`
      : now.circuit
        ? now.tree
          ? html`<${Tree} key=${now.circuit + now.population} now=${now} />`
          : html`<${Somata} key=${now.circuit} now=${now} />`
        : html`<p class="soft">Choose a run or a circuit.</p>`}
  </div>`;
}
