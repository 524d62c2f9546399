// Runs: what was simulated, and how far those are that go on.

import { useEffect, useState } from "./vendor/preact.js";
import { html, Panel, Rows, Told, useAnswer, when } from "./parts.js";
import { link } from "./route.js";

const AGAIN_MS = 5000;

function left({ planned, trials, failed, seconds_left: seconds }) {
  if (planned === null || planned === undefined) return "";
  if (trials + failed >= planned) return "done";
  return seconds === null ? "not known yet" : seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

export function RunsPage({ now }) {
  const [round, next] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => next((old) => old + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  // Always the newest commit: a run is looked at while it goes on.
  const answer = useAnswer("runs", { at: "main", round });
  return html`<${Panel} title="Runs">
    <p class="soft">Of the newest commit of main; looked at again every ${AGAIN_MS / 1000} s.</p>
    <${Told} answer=${answer}>
      ${({ runs }) =>
        runs.length
          ? html`<${Rows}
              label="runs"
              columns=${[{ name: "run" }, { name: "kind" }, { name: "seed", type: "INT" }, { name: "t_stop (ms)", type: "DOUBLE" }, { name: "trials", type: "INT" }, { name: "planned", type: "INT" }, { name: "failed", type: "INT" }, { name: "last commit" }, { name: "time left" }]}
              rows=${runs.map((one) => [one.run, one.kind, one.seed, one.t_stop, one.trials, one.planned, one.failed, one.last && when(one.last), left(one)])}
              cell=${(name, value) => (name === "run" ? html`<a href=${link({ page: "trials", at: "main", trials: `run = '${value.replaceAll("'", "''")}'` })}>${value}</a>` : undefined)}
            />`
          : html`<p class="soft">No simulated runs.</p>`}
    <//>
  <//>`;
}
