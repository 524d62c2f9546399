// A circuit in space: somata and vessels, the edges of a chosen cell, and astrocytes with their domains, endfeet and trees.

import { useEffect } from "./vendor/preact.js";
import { group, parts } from "./colours.js";
import { Choice, Field, html, Panel, Rows, Told, useAnswer } from "./parts.js";
import { go, link } from "./route.js";
import { usePlayer } from "./stage.js";

const CHOSEN = [0.98, 0.98, 0.98];
const LASTING = 5; // ms for which a cell that fired is lit

function shapes({ populations, arrays }, now, partners) {
  return populations.map(({ population, step, ids }, number) => {
    const own = parts(group(number));
    if (!arrays[population]) {
      const [start, end, diameter] = ["start", "end", "diameter"].map((name) => arrays[`${population}.${name}`]);
      return { name: population, start, end, diameter, step };
    }
    const place = arrays[population];
    const count = place.length / 3;
    const node_id = Int32Array.from({ length: count }, (_, k) => k * step);
    const connected = new Set(partners?.filter((one) => one.population === population).map((one) => Math.floor(one.node_id / step)));
    const tint = new Float32Array(3 * count);
    for (let k = 0; k < count; k += 1) {
      const chosen = population === now.population && Math.floor(Number(now.node) / step) === k;
      tint.set(chosen ? CHOSEN : now.spikes || (partners && !connected.has(k)) ? own.map((one) => 0.15 + 0.25 * one) : own, 3 * k);
    }
    // Small, where what a chosen astrocyte is made of would be behind them.
    const size = now.astrocytes ? 4 : count > 60000 ? 6 : 12;
    return { name: population, place, node_id, step, size, least: count > 60000 ? 2 : 4, tint: partners || now.spikes ? tint : undefined };
  });
}

// Where a node is: a cell's soma, the middle of a segment of a vessel; null where it is not drawn.
function placeOf(made, population, node) {
  const { place, start, end, step } = made.find(({ name }) => name === population) ?? {};
  const at = 3 * Math.floor(Number(node) / step);
  const all = place ?? start;
  if (!all || !(at >= 0 && at < all.length)) return null;
  return place ? [...place.subarray(at, at + 3)] : [0, 1, 2].map((axis) => (start[at + axis] + end[at + axis]) / 2);
}

// Where and when cells fired; those that are not drawn are left out.
function fired(made, { arrays }) {
  const [place, time, type] = [[], [], []];
  made.forEach(({ name }, number) => {
    const [nodes, times] = [arrays[`${name}.node_id`], arrays[`${name}.time`]];
    nodes?.forEach((node, k) => {
      const at = placeOf(made, name, node);
      if (!at) return;
      place.push(...at);
      time.push(times[k]);
      type.push(number);
    });
  });
  return { place: Float32Array.from(place), time: Float32Array.from(time), type, types: [], lasting: LASTING, size: 24 };
}

// Lines from a node to those that it is connected with.
function edges(made, partners, now) {
  const from = placeOf(made, now.population, now.node);
  const found = from ? partners.map(({ population, node_id, side }) => [placeOf(made, population, node_id), side]).filter(([to]) => to) : [];
  const flat = (of) => Float32Array.from(found.flatMap(of));
  // What comes in is blue, what goes out orange.
  const [incoming, outgoing] = [parts("#56b4e9"), parts("#e69f00")];
  return {
    start: flat(() => from),
    end: flat(([to]) => to),
    diameter: new Float32Array(found.length),
    tint: flat(([, side]) => (side === "source" ? incoming : outgoing)),
  };
}

function summary(rows) {
  const found = new Map();
  for (const { projection, side, edges: count } of rows) {
    const key = `${side === "source" ? "from" : "to"} ${projection}`;
    const old = found.get(key) ?? [0, 0];
    found.set(key, [old[0] + 1, old[1] + count]);
  }
  return [...found].map(([key, [cells, count]]) => `${key}: ${count.toLocaleString("en")} edges with ${cells.toLocaleString("en")} cells`).join("; ") || "It has no edges.";
}

function shownAs(value) {
  return value === null || value === undefined ? "" : typeof value === "number" ? Number(value.toPrecision(4)).toLocaleString("en") : String(value);
}

export function Circuit({ now }) {
  const set = (changed) => go({ ...now, ...changed }, true);
  const answer = useAnswer("somata", { circuit: now.circuit, at: now.at });
  const glia = answer.value?.astrocytes;
  const astrocytes = now.astrocytes ? now.astrocytes.split(",").filter((text) => /^\d+$/.test(text)) : [];
  const look = () => player?.scene.fit(Object.entries(grown.value.arrays).flatMap(([name, values]) => (/points$|start$/.test(name) ? [values] : [])));
  const [player, view] = usePlayer({
    picked: (part, element) => {
      const { population, step } = answer.value.populations[part];
      const node = element * step;
      if (population === glia) {
        const text = String(node);
        const chosen = astrocytes.includes(text) ? astrocytes.filter((one) => one !== text) : [...astrocytes, text];
        set({ astrocytes: chosen.join(","), population, node: text });
      } else set({ population, node: String(node) });
    },
  });
  const chosen = Boolean(now.population && now.node !== undefined);
  const partners = useAnswer("partners", { circuit: now.circuit, population: now.population, node: now.node, at: now.at }, chosen);
  const grown = useAnswer("astrocytes", { circuit: now.circuit, node: astrocytes, at: now.at }, astrocytes.length > 0 && Boolean(glia));
  useEffect(() => {
    if (!player || !answer.value) return;
    const first = !player.parts.length;
    const found = chosen ? partners.value?.partners : undefined;
    const made = shapes(answer.value, now, found);
    player.cells(made, first);
    const lines = found ? edges(made, found, now) : null;
    player.beside("edges", lines?.diameter.length ? [player.scene.segments(lines)] : []);
    const place = chosen && placeOf(made, now.population, now.node);
    player.marks(place ? [{ place, colour: "#ffffff" }] : []);
  }, [player, answer.value, partners.value, chosen, now.spikes]);
  const spikes = useAnswer("spikes", { run: now.spikes, at: now.at }, Boolean(now.spikes));
  useEffect(() => {
    if (!player || !answer.value) return;
    player.synapses(now.spikes && spikes.value ? fired(shapes(answer.value, now), spikes.value) : null);
  }, [player, answer.value, spikes.value, now.spikes]);
  useEffect(() => {
    if (!player) return;
    const layers = [];
    for (const [at, one] of (astrocytes.length ? (grown.value?.astrocytes ?? []) : []).entries()) {
      const { arrays } = grown.value;
      const colour = parts(group(at));
      const surface = (name, opacity) => {
        const [points, triangles] = [arrays[`${one.node_id}.${name}.points`], arrays[`${one.node_id}.${name}.triangles`]];
        if (triangles?.length) layers.push(player.scene.surface({ points, triangles, tint: colour, opacity }));
      };
      surface("domain", 0.14);
      surface("endfeet", 1);
      const [start, end, diameter] = ["start", "end", "diameter"].map((name) => arrays[`${one.node_id}.tree.${name}`]);
      if (diameter?.length) layers.push(player.scene.segments({ start, end, diameter, tint: Float32Array.from({ length: start.length }, (_, k) => colour[k % 3]) }));
    }
    player.beside("astrocytes", layers);
  }, [player, grown.value, now.astrocytes]);
  return html`<${Panel} title=${`Circuit ${now.circuit}`}>
    <${Told} answer=${answer}>
      ${(found) => html`
        <div class="row">
          <${Choice} label="Edges of a cell of" value=${now.population ?? ""} values=${[["", "no cell"], ...found.populations.map(({ population }) => population)]} onValue=${(population) => set({ population, node: population ? (now.node ?? 0) : "" })} />
          ${now.population &&
          html`<${Field} label="number" value=${String(now.node ?? 0)} size="8" onValue=${(node) => set({ node })} />
            <a href=${link({ page: "cell", at: now.at, circuit: now.circuit, population: now.population, node: now.node ?? 0, tree: "1" })}>Its tree</a>`}
          ${found.runs.length > 0 && html`<${Choice} label="Spikes of" value=${now.spikes ?? ""} values=${[["", "no run"], ...found.runs]} onValue=${(run) => set({ spikes: run })} />`}
          ${glia && html`<${Field} label="Astrocytes" value=${now.astrocytes ?? ""} placeholder="3,17,20" onValue=${(text) => set({ astrocytes: text.replaceAll(" ", "") })} />`}
          ${astrocytes.length > 0 && grown.value && html`<button onClick=${look}>Look at them</button>`}
        </div>
        <p class="soft">
          ${found.populations.map(({ population, cells, step }) => `${population}: ${cells.toLocaleString("en")}${step > 1 ? `, every ${step}th drawn` : ""}`).join("; ")}. Click a cell for its edges${glia ? "; an astrocyte also for its domain, endfeet and tree, again to leave it out" : ""}.
        </p>
      `}
    <//>
    ${view}
    ${partners.error && html`<p class="wrong" role="alert">${partners.error}</p>`}
    ${spikes.error && html`<p class="wrong" role="alert">${spikes.error}</p>`}
    ${grown.error && html`<p class="wrong" role="alert">${grown.error}</p>`}
    ${chosen && partners.value && html`<p><strong>${now.population} ${now.node}</strong>: ${summary(partners.value.partners)}. <span class="soft">Lines to it are blue, from it orange.</span></p>`}
    ${astrocytes.length > 0 &&
    grown.value &&
    html`<${Rows}
      label="chosen astrocytes"
      columns=${Object.keys(grown.value.astrocytes[0] ?? {}).map((name) => ({ name, type: "DOUBLE" }))}
      rows=${grown.value.astrocytes.map((one) => Object.values(one).map(shownAs))}
    />`}
  <//>`;
}
