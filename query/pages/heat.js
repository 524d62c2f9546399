// Arrays of two axes as heat maps, such as voltages of trials.

import { useMemo } from "./vendor/preact.js";
import { CONTRASTS, Scale, scaleOf } from "./lfp.js";
import { Choice, html, Panel, Told, useAnswer } from "./parts.js";
import { Picture } from "./plots.js";
import { go } from "./route.js";

function Map_({ now }) {
  const answer = useAnswer("heat", { array: now.array, columns: 1200, at: now.at });
  const made = useMemo(() => answer.value && scaleOf(answer.value.arrays.image, Number(now.contrast ?? 1)), [answer.value, now.contrast]);
  return html`<${Panel} title=${now.array}>
    <div class="row"><${Choice} label="Colours span" value=${now.contrast ?? "1"} values=${CONTRASTS} onValue=${(contrast) => go({ ...now, contrast }, true)} /></div>
    <${Told} answer=${answer}>
      ${(found) => html`<${Picture}
          values=${found.arrays.image}
          shape=${found.arrays.image.shape}
          x=${[found.begin, found.end]}
          y=${[found.rows[1] + 1, found.rows[0]]}
          xLabel="Time (ms)"
          yLabel=${found.row}
          height=${420}
          colour=${made.colour}
          label=${`heat map of ${found.array}`}
        />
        <${Scale} of=${made} unit=${found.unit} />`}
    <//>
  <//>`;
}

export function HeatPage({ now }) {
  const answer = useAnswer("nodes", { at: now.at });
  return html`<${Told} answer=${answer}>
    ${({ rows }) => {
      const arrays = rows.filter(([, kind, , , shape]) => kind === "array" && shape.length === 2).map(([name]) => name);
      if (!arrays.length) return html`<p class="soft">This commit has no array of two axes.</p>`;
      return html`<${Panel} title="Which array"><${Choice} label="Array" value=${now.array ?? ""} values=${[["", "…"], ...arrays]} onValue=${(array) => go({ ...now, array })} /><//>
        ${now.array && html`<${Map_} key=${now.array} now=${now} />`}`;
    }}
  <//>`;
}
