// Arrays of two axes as heat maps: potentials and current source density over depth, voltages of trials.

import { useMemo } from "./vendor/preact.js";
import { both, css, rising } from "./colours.js";
import { Choice, html, Panel, Told, useAnswer } from "./parts.js";
import { Picture } from "./plots.js";
import { go } from "./route.js";

function Map_({ now }) {
  const of = now.of ?? "values";
  const answer = useAnswer("heat", { array: now.array, of, columns: 1200, at: now.at });
  const made = useMemo(() => {
    if (!answer.value) return null;
    const { image } = answer.value.arrays;
    let low = Infinity;
    let high = -Infinity;
    for (const value of image) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const signed = low < 0 && high > 0 && Math.max(-low, high) < 4 * Math.min(-low, high);
    const most = Math.max(-low, high);
    const [least, greatest] = signed ? [-most, most] : [low, high];
    const scale = signed ? both : rising;
    return { least, greatest, scale, colour: (value) => (Number.isNaN(value) ? null : scale((value - least) / (greatest - least || 1))) };
  }, [answer.value]);
  return html`<${Panel} title=${now.array}>
    <div class="row"><${Choice} label="Show" value=${of} values=${[["values", "values"], ["csd", "current source density along the probe"]]} onValue=${(chosen) => go({ ...now, of: chosen }, true)} /></div>
    <${Told} answer=${answer}>
      ${(found) => html`<${Picture}
          values=${found.arrays.image}
          shape=${found.arrays.image.shape}
          x=${[found.begin, found.end]}
          y=${found.row === "depth" ? [found.rows[0], found.rows[1]] : [found.rows[1] + 1, found.rows[0]]}
          xLabel="Time (ms)"
          yLabel=${found.row === "depth" ? "Depth (µm)" : found.row}
          height=${420}
          colour=${made.colour}
          label=${`heat map of ${found.array}`}
        />
        <div class="row soft">
          <span>${made.least.toPrecision(4)} ${found.unit}</span>
          <span style=${{ width: "160px", height: "10px", background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => css(made.scale(part))).join(", ")})` }}></span>
          <span>${made.greatest.toPrecision(4)} ${found.unit}</span>
        </div>`}
    <//>
  <//>`;
}

export function HeatPage({ now }) {
  const answer = useAnswer("nodes", { at: now.at });
  return html`<${Told} answer=${answer}>
    ${({ rows }) => {
      const arrays = rows.filter(([, kind, , , shape]) => kind === "array" && shape.length === 2).map(([name]) => name);
      if (!arrays.length) return html`<p class="soft">This commit has no array of two axes.</p>`;
      return html`<${Panel} title="Which array"><${Choice} label="Array" value=${now.array ?? ""} values=${[["", "…"], ...arrays]} onValue=${(array) => go({ ...now, array, of: undefined })} /><//>
        ${now.array && html`<${Map_} key=${now.array} now=${now} />`}`;
    }}
  <//>`;
}
