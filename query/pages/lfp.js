// Potentials at contacts: over depth with the probe beside, as current source density, and the traces of chosen contacts.

import { useMemo } from "./vendor/preact.js";
import { both, css, group, rising } from "./colours.js";
import { Choice, html, Panel, Told, useAnswer, useWidth } from "./parts.js";
import { Curves, Key, Picture } from "./plots.js";
import { go } from "./route.js";

const TALL = 420;
const MOST_CHOSEN = 8;

export const CONTRASTS = [
  ["1", "all values"],
  ["0.995", "99.5 % of them"],
  ["0.95", "95 % of them"],
];

// The colours of a picture: by sign where values have both, and what its ends are; `share` of the values lie within them.
export function scaleOf(image, share = 1) {
  const known = Float32Array.from(image.filter((value) => !Number.isNaN(value))).sort();
  const at = (part) => known[Math.round(part * (known.length - 1))] ?? 0;
  const [low, high] = [at((1 - share) / 2), at((1 + share) / 2)];
  const signed = low < 0 && high > 0 && Math.max(-low, high) < 4 * Math.min(-low, high);
  const most = Math.max(-low, high);
  const [least, greatest] = signed ? [-most, most] : [low, high];
  const scale = signed ? both : rising;
  return { least, greatest, scale, colour: (value) => (Number.isNaN(value) ? null : scale((value - least) / (greatest - least || 1))) };
}

export function told(value) {
  const size = Math.abs(value);
  return size && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

export function Scale({ of: { least, greatest, scale }, unit }) {
  return html`<div class="row soft">
    <span>${told(least)} ${unit}</span>
    <span style=${{ width: "160px", height: "10px", background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => css(scale(part))).join(", ")})` }}></span>
    <span>${told(greatest)} ${unit}</span>
  </div>`;
}

// Rows of a picture are as far apart as their depths: each reaches to the middle between it and the next, or half as far beyond.
function stretched(image, depth, [low, high], rows) {
  const columns = image.shape[1];
  const made = Object.assign(new Float32Array(rows * columns).fill(NaN), { shape: [rows, columns] });
  const beyond = depth.length > 1 ? Math.abs(depth[0] - depth.at(-1)) / (depth.length - 1) / 2 : Infinity;
  let at = 0;
  for (let row = 0; row < rows; row += 1) {
    const here = high - ((row + 0.5) / rows) * (high - low);
    while (at + 1 < depth.length && Math.abs(depth[at + 1] - here) <= Math.abs(depth[at] - here)) at += 1;
    if (here <= depth[0] + beyond && here >= depth.at(-1) - beyond) made.set(image.subarray(at * columns, (at + 1) * columns), row * columns);
  }
  return made;
}

// The probe from the side, on the picture's axis of depth; a click chooses a contact.
function Probe({ depths, across, names, limits, chosen, onChosen }) {
  const [at, width] = useWidth();
  const inner = { left: 10, top: 6, bottom: 38 };
  const tall = TALL - inner.top - inner.bottom;
  const [low, high] = limits;
  const y = (value) => inner.top + tall * (1 - (value - low) / (high - low || 1));
  const [least, most] = [Math.min(...across), Math.max(...across)];
  const narrow = width < 110;
  const room = narrow ? 30 : 60;
  const x = (value) => (narrow ? 12 : inner.left + 12) + (most > least ? ((value - least) / (most - least)) * Math.max(0, width - room) : Math.max(0, width - room) / 2);
  const radius = Math.max(3, Math.min(7, tall / depths.length / 2.4));
  return html`<div ref=${at} class="chart">
    <svg width="100%" height=${TALL} role="group" aria-label="the probe">
      <line x1=${x((least + most) / 2)} x2=${x((least + most) / 2)} y1=${inner.top} y2=${inner.top + tall} stroke="var(--line)" stroke-width=${Math.max(10, 2.6 * radius)} stroke-linecap="round" />
      ${depths.map((depth, number) => {
        const place = chosen.indexOf(number);
        const told = () => onChosen(number);
        return html`<circle
            cx=${x(across[number])}
            cy=${y(depth)}
            r=${place < 0 ? radius : radius + 2}
            fill=${place < 0 ? "var(--soft)" : group(place)}
            stroke="var(--panel)"
            tabindex="0"
            role="button"
            aria-pressed=${place >= 0}
            aria-label=${`contact ${names[number]}, ${depth.toFixed(0)} µm`}
            style=${{ cursor: "pointer" }}
            onClick=${told}
            onKeyDown=${(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), told())}
            ><title>${names[number]}, ${depth.toFixed(0)} µm</title></circle
          >
          ${place >= 0 && !narrow && html`<text x=${x(across[number]) + radius + 6} y=${y(depth) + 4} fill="var(--ink)" font-size="12">${names[number]}</text>`}`;
      })}
      <text x=${width / 2} y=${TALL - 22} text-anchor="middle" fill="var(--soft)" font-size="12">${most > least ? `${(most - least).toFixed(0)} µm${narrow ? "" : " across"}` : "probe"}</text>
    </svg>
  </div>`;
}

// How far contacts are from each other to the side, along the axis in which they spread second most.
function across(place) {
  const count = place.length / 3;
  const along = [0, 1, 2].map((axis) => Array.from({ length: count }, (_, k) => place[3 * k + axis]));
  return along.sort((a, b) => Math.max(...b) - Math.min(...b) - (Math.max(...a) - Math.min(...a)))[1];
}

function Signal({ now, groups }) {
  const of = now.of ?? "values";
  const set = (changed) => go({ ...now, ...changed }, true);
  const zoom = (part) => go({ ...now, begin: part?.[0].toFixed(3), end: part?.[1].toFixed(3) });
  const given = { signal: now.signal, group: now.group, begin: now.begin, end: now.end, columns: 1500, at: now.at };
  const answer = useAnswer("potential", { ...given, of });
  const found = answer.value;
  const made = useMemo(() => {
    if (!found) return null;
    const { image, depth, level, traces, time, place } = found.arrays;
    const count = found.contacts.length;
    const given = now.contacts ? now.contacts.split(",").map(Number).filter((k) => k >= 0 && k < count) : [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * (count - 1)));
    const few = [...new Set(given)].slice(0, MOST_CHOSEN);
    const series = few.map((k) => ({ label: found.contacts[k], values: traces.subarray(k * time.length, (k + 1) * time.length) }));
    const scale = scaleOf(image, Number(now.contrast ?? 1));
    if (!level.length) return { scale, picture: image, limits: [count, 0], few, series };
    const [low, high] = [Math.min(...level), Math.max(...level)];
    const half = (high - low) / Math.max(1, new Set(level).size - 1) / 2 || 1;
    const limits = [low - half, high + half];
    return { scale, picture: stretched(image, depth, limits, TALL), limits, few, series, depths: [...level], across: across(place) };
  }, [found, now.contacts, now.contrast]);
  const toggle = (number) => {
    const few = made.few.includes(number) ? made.few.filter((one) => one !== number) : [...made.few, number].slice(-MOST_CHOSEN);
    set({ contacts: few.join(",") || "-1" });
  };
  return html`<${Panel} title=${now.signal}>
      <div class="row">
        <${Choice} label="Show" value=${of} values=${[["values", "potential"], ["csd", "current source density"]]} onValue=${(chosen) => set({ of: chosen })} />
        <${Choice} label="Colours span" value=${now.contrast ?? "1"} values=${CONTRASTS} onValue=${(contrast) => set({ contrast })} />
        ${groups.length > 0 && html`<${Choice} label="Of" value=${now.group ?? ""} values=${[["", "all together"], ...groups]} onValue=${(one) => set({ group: one })} />`}
        ${(now.begin || now.end) && html`<button onClick=${() => zoom(null)}>All times</button>`}
        ${answer.loading && html`<span class="soft" role="status">Loading …</span>`}
      </div>
      <${Told} answer=${answer}>
        ${({ arrays, begin, end, unit, samples }) => html`<div class="probed">
            <${Picture}
              values=${made.picture}
              shape=${made.picture.shape}
              x=${[begin, end]}
              y=${made.limits}
              xLabel="Time (ms)"
              yLabel=${arrays.depth.length ? "Depth (µm)" : "Contact"}
              height=${TALL}
              colour=${made.scale.colour}
              onSpan=${zoom}
              label=${`${of === "csd" ? "current source density" : "potential"} over depth and time`}
            />
            ${made.depths && html`<${Probe} depths=${made.depths} across=${made.across} names=${found.contacts} limits=${made.limits} chosen=${made.few} onChosen=${toggle} />`}
          </div>
          <${Scale} of=${made.scale} unit=${unit} />
          <p class="soft">
            ${samples.toLocaleString("en")} samples${samples > arrays.time.length ? `, means of about ${Math.round(samples / arrays.time.length)} in a column` : ""}.
            Drag to look closer, double-click for all, click contacts for their traces.
            ${of === "csd" && " Minus the conductivity (0.3 S/m) times the second difference of neighbouring depths; blue is a sink, red a source."}
          </p>`}
      <//>
    <//>
    ${made &&
    html`<${Panel} title="Traces of contacts">
      ${made.few.length
        ? html`<${Key} groups=${made.series.map((one) => one.label)} /><${Curves} x=${found.arrays.time} series=${made.series} xLabel="Time (ms)" yLabel=${`Potential (${found.potential})`} height=${280} onSpan=${zoom} label="potentials of contacts over time" />`
        : html`<p class="soft">Click contacts of the probe.</p>`}
    <//>`}`;
}

export function LfpPage({ now }) {
  const answer = useAnswer("signals", { at: now.at });
  return html`<${Told} answer=${answer}>
    ${({ signals }) => {
      if (!signals.length)
        return html`<p class="soft">This commit has no potentials at contacts. <code>neurolake run --lfp electrodes/probe</code> records them, <code>neurolake lfp signal</code> computes them of stored currents.</p>`;
      const known = signals.find(({ signal }) => signal === now.signal);
      return html`<${Panel} title="Which potentials">
          <${Choice} label="Signal" value=${now.signal ?? ""} values=${[["", "…"], ...signals.map(({ signal, shape }) => [signal, `${signal} (${shape.join(" × ")})`])]} onValue=${(signal) => go({ page: "lfp", at: now.at, signal })} />
        <//>
        ${known && html`<${Signal} key=${now.signal} now=${now} groups=${known.groups} />`}
        ${now.signal && !known && html`<p class="wrong" role="alert">There is no signal ${now.signal} in this commit.</p>`}`;
    }}
  <//>`;
}
