// Runs: what was simulated, and how far those are that go on.

import { useEffect, useState } from "./vendor/preact.js";
import { html, Panel, Rows, Told, useAnswer, when } from "./parts.js";
import { link } from "./route.js";

const AGAIN_MS = 5000;

function finished({ planned, done, failed }) {
  return planned !== null && done + (failed ?? 0) >= planned - 1e-9;
}

function span(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function left(run) {
  if (run.planned === null) return "";
  if (finished(run)) return run.failed ? "ended" : "done";
  return run.seconds_left === null ? "not known yet" : span(run.seconds_left);
}

function count(value) {
  return Number(value.toPrecision(6)).toLocaleString("en");
}

function Progress({ run }) {
  const { done, planned, failed, unit } = run;
  const of = planned === null ? "" : ` of ${count(planned)}`;
  const text = `${count(done)}${of} ${unit}`;
  if (!planned) return text;
  const part = (value) => `${Math.min(100, (100 * value) / planned)}%`;
  return html`<div class="progress">
    <div class="track" role="progressbar" aria-label=${run.run} aria-valuemin="0" aria-valuemax=${planned} aria-valuenow=${done} aria-valuetext=${text}>
      <div class="bar" style=${{ width: part(done) }}></div>
      ${failed > 0 && html`<div class="bar failed" style=${{ width: part(failed) }}></div>`}
    </div>
    <span>${text}</span>
  </div>`;
}

export function RunsPage() {
  const [round, next] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => next((old) => old + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  // Always the newest commit: a run is looked at while it goes on.
  const answer = useAnswer("runs", { at: "main", round });
  return html`<${Panel} title="Runs">
    <p class="soft">Runs of trials, runs of networks and sweeps, of the newest commit of main; looked at again every ${AGAIN_MS / 1000} s.</p>
    <${Told} answer=${answer}>
      ${({ runs }) => {
        if (!runs.length) return html`<p class="soft">Nothing was simulated into this lake yet: <code>neurolake run</code>, <code>neurolake run-network</code> and <code>neurolake sweep run</code> do.</p>`;
        const sorted = [...runs].sort((a, b) => Number(finished(a)) - Number(finished(b)) || (b.last ?? "").localeCompare(a.last ?? ""));
        return html`<${Rows}
          label="runs"
          columns=${[{ name: "run" }, { name: "what" }, { name: "done" }, { name: "failed", type: "INT" }, { name: "time left" }, { name: "last commit" }, { name: "seed", type: "INT" }, { name: "t_stop (ms)", type: "DOUBLE" }]}
          rows=${sorted.map((one) => [one, one.kind, one, one.failed, left(one), one.last && when(one.last), one.seed, one.t_stop])}
          cell=${(name, value) =>
            name === "run"
              ? html`<a href=${page(value)}>${value.run}</a>`
              : name === "done"
                ? html`<${Progress} run=${value} />`
                : name === "failed" && value
                  ? html`<span class="wrong">${value}</span>`
                  : undefined}
        />`;
      }}
    <//>
  <//>`;
}

// Where one looks closer at what it made.
function page({ run, unit }) {
  const quoted = `'${run.replaceAll("'", "''")}'`;
  if (unit === "trials") return link({ page: "trials", at: "main", trials: `run = ${quoted}` });
  if (unit === "combinations") return link({ page: "tables", at: "main", node: "sweeps", where: `sweep = ${quoted}` });
  return link({ page: "cell", at: "main", circuit: run });
}
