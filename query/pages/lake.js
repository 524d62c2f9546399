// A lake: its commits as a graph, what changed between two, what takes how much room, and its health.

import { useState } from "./vendor/preact.js";
import { group } from "./colours.js";
import { Panel, Rows, size, Told, useAnswer, when, html } from "./parts.js";
import { go, link } from "./route.js";

const STEP = 34;
const LANE = 16;

function Commits({ commits, chosen, onChosen }) {
  const lane = commits.map((commit) => commit.lane);
  const place = Object.fromEntries(commits.map(({ id }, at) => [id, at]));
  const x = (at) => 12 + LANE * lane[at];
  const y = (at) => STEP * (at + 0.5);
  const wide = 24 + LANE * Math.max(...lane);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="commits, newest first">
    <div style=${{ display: "grid", gridTemplateColumns: `${wide}px minmax(0, 1fr)` }}>
      <svg class="graph" width=${wide} height=${STEP * commits.length} aria-hidden="true">
        ${commits.flatMap(({ parents }, at) =>
          parents
            .filter((parent) => parent in place)
            .map((parent) => {
              const to = place[parent];
              const middle = y(at) + STEP / 2;
              return html`<path class="edge" d=${`M${x(at)} ${y(at)} C${x(at)} ${middle} ${x(to)} ${middle} ${x(to)} ${y(at) + STEP} L${x(to)} ${y(to)}`} />`;
            }),
        )}
        ${commits.map((_, at) => html`<circle cx=${x(at)} cy=${y(at)} r="5" style=${{ fill: group(lane[at]) }} />`)}
      </svg>
      <ul class="list">
        ${commits.map(
          (commit) =>
            html`<li class=${commit.id === chosen ? "chosen" : ""} style=${{ height: `${STEP}px`, overflow: "hidden", whiteSpace: "nowrap", textOverflow: "ellipsis" }}>
              <button class="plain" aria-pressed=${commit.id === chosen} onClick=${() => onChosen(commit.id)}>
                <span class="mono">${commit.id.slice(0, 8)}</span>
                ${commit.refs.map(({ kind, name }) => html` <strong>[${kind === "tag" ? "tag " : ""}${name}]</strong>`)} ${commit.message}
              </button>
              <span class="soft"> ${commit.author}, ${when(commit.time)}</span>
            </li>`,
        )}
      </ul>
    </div>
  </div>`;
}

function Details({ commit }) {
  const { code, host, python, neurolake } = commit.provenance;
  return html`<div class="row soft">
      <span>${commit.author}, ${when(commit.time)}</span>
      ${host && html`<span>on ${host}</span>`} ${neurolake && html`<span>neurolake ${neurolake}</span>`} ${python && html`<span>Python ${python}</span>`}
      ${code?.commit && html`<span>code <span class="mono">${code.commit.slice(0, 12)}</span>${code.dirty ? " with changes" : ""}</span>`}
    </div>
    <div class="row"><a href=${link({ page: "tables", at: commit.id })}>Tables of this commit</a><a href=${link({ page: "trials", at: commit.id })}>its trials</a></div>`;
}

const SIGNS = { added: "+", removed: "−", changed: "~" };

function told(change) {
  const { rows_added, rows_removed, chunks_written, chunks_removed, shape, metadata } = change;
  return [
    rows_added && `+${rows_added.toLocaleString("en")} rows`,
    rows_removed && `−${rows_removed.toLocaleString("en")} rows`,
    chunks_written && `${chunks_written.toLocaleString("en")} chunks written`,
    chunks_removed && `${chunks_removed.toLocaleString("en")} chunks removed`,
    shape && `shape ${shape[0].join("×")} to ${shape[1].join("×")}`,
    metadata && `metadata: ${metadata.join(", ")}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function Changes({ before, after }) {
  const answer = useAnswer("changes", { old: before, new: after });
  return html`<${Told} answer=${answer}>
    ${({ changes }) =>
      changes.length
        ? html`<${Rows}
            label="changes"
            columns=${[{ name: "±" }, { name: "node" }, { name: "kind" }, { name: "what" }]}
            rows=${changes.map((change) => [SIGNS[change.change], change.name, change.kind, told(change)])}
          />`
        : html`<p class="soft">Nothing changed.</p>`}
  <//>`;
}

function Sizes({ at }) {
  const answer = useAnswer("nodes", { at });
  const [by, tell] = useState("node");
  return html`<${Panel} title="What takes how much room">
    <div class="row" role="group" aria-label="size by">
      ${["node", "first name", "kind"].map((each) => html`<button aria-pressed=${by === each} class=${by === each ? "main" : ""} onClick=${() => tell(each)}>by ${each}</button>`)}
    </div>
    <${Told} answer=${answer}>
      ${({ columns, rows }) => {
        const at_ = Object.fromEntries(columns.map(({ name }, number) => [name, number]));
        const found = new Map();
        for (const row of rows) {
          const name = row[at_.name];
          const key = by === "node" ? name : by === "kind" ? row[at_.kind] : name.split("/")[0].split(".")[0];
          found.set(key, (found.get(key) ?? 0) + Number(row[at_.stored_bytes] ?? 0));
        }
        const sorted = [...found].sort((a, b) => b[1] - a[1]);
        const most = sorted[0]?.[1] || 1;
        return html`<div class="scroll" style=${{ maxHeight: "420px" }} tabindex="0" role="region" aria-label="sizes">
          <table class="facts">
            ${sorted.slice(0, 200).map(([name, bytes]) => html`<tr>
              <td>${name}</td>
              <td class="number">${size(bytes)}</td>
              <td style=${{ width: "40%" }}><div class="bar" style=${{ width: `${(100 * bytes) / most}%` }}></div></td>
            </tr>`)}
          </table>
        </div>`;
      }}
    <//>
  <//>`;
}

function Health() {
  const [wanted, tell] = useState(false);
  const answer = useAnswer("health", {}, wanted);
  return html`<${Panel} title="Health">
    <p class="soft">What no commit needs any more; nothing is deleted from here (neurolake gc does, neurolake verify reads everything again).</p>
    ${!wanted
      ? html`<div><button onClick=${() => tell(true)}>Look for garbage</button></div>`
      : html`<${Told} answer=${answer}>
          ${(found) => html`<table class="facts">
            ${["condemned", "deletable", "temporary"].map((key) => html`<tr><td>${key}</td><td class="number">${found[key].files} files</td><td class="number">${size(found[key].bytes)}</td></tr>`)}
            <tr><td>waiting</td><td class="number">${found.waiting} files</td><td></td></tr>
          </table>`}
        <//>`}
  <//>`;
}

export function LakePage({ now, lake }) {
  const [limit, more] = useState(200);
  const answer = useAnswer("commits", { limit });
  const chosen = now.commit ?? lake.commit.id;
  return html`<div class="columns">
    <${Panel} title="Commits">
      <${Told} answer=${answer}>
        ${(found) => {
          const commit = found.commits.find(({ id }) => id === chosen);
          const before = now.before ?? commit?.parents[0];
          return html`<${Commits} commits=${found.commits} chosen=${chosen} onChosen=${(id) => go({ page: "lake", at: now.at, commit: id })} />
            ${found.more && html`<div><button onClick=${() => more(limit * 4)}>Older ones</button></div>`}
            ${commit &&
            html`<h3>${commit.message}</h3>
              <${Details} commit=${commit} />
              <label
                >What changed since
                <select value=${before} onChange=${(event) => go({ ...now, commit: chosen, before: event.target.value })}>
                  ${found.commits.filter(({ id }) => id !== chosen).map((one) => html`<option value=${one.id} selected=${one.id === before}>${one.id.slice(0, 8)} ${one.message.slice(0, 60)}</option>`)}
                </select></label
              >
              ${before ? html`<${Changes} before=${before} after=${chosen} />` : html`<p class="soft">The first commit.</p>`}`}`;
        }}
      <//>
    <//>
    <div class="columns" style=${{ gridTemplateColumns: "minmax(0, 1fr)" }}>
      <${Panel} title=${lake.name}>
        <div class="row soft">
          <span class="mono">${lake.url}</span>
          ${Object.entries(lake.nodes).map(([kind, count]) => html`<span>${count} ${kind}s</span>`)}
          <span>${lake.trials.toLocaleString("en")} trials</span>
          ${lake.circuits.map((name) => html`<span>circuit ${name}</span>`)}
        </div>
      <//>
      <${Sizes} at=${now.at} />
      <${Health} />
    </div>
  </div>`;
}
