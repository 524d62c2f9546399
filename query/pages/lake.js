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
  return html`<div class="scroll" tabindex="0" role="region" aria-label="commits, newest first" style=${{ maxHeight: "26rem" }}>
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

function spans(found) {
  return found.map(([first, last]) => (first === last ? `${first}` : last === first + 1 ? `${first}, ${last}` : `${first} to ${last}`)).join(", ");
}

// Which trials came, which went, and what of those that stayed is something else.
function Trials({ trials, before, after }) {
  const [added, removed, changed] = trials.counts;
  if (!added && !removed && !changed && !trials.unknown.length) return html`<p class="soft">All trials are the same.</p>`;
  const facts = [
    ["added", added, spans(trials.added)],
    ["removed", removed, spans(trials.removed)],
  ].filter(([, count]) => count);
  return html`<table class="facts">
      ${facts.map(([what, count, which]) => html`<tr><th scope="row">${what}</th><td class="number">${count.toLocaleString("en")}</td><td>${which}</td></tr>`)}
      ${changed > 0 && html`<tr><th scope="row">changed</th><td class="number">${changed.toLocaleString("en")}</td><td>${changed > trials.changed.length && `the first ${trials.changed.length} below`}</td></tr>`}
    </table>
    ${changed > 0 &&
    html`<${Rows}
      label="trials that changed"
      columns=${[{ name: "trial", type: "INT" }, { name: "in" }, { name: "look" }]}
      rows=${trials.changed.map((one) => [one.trial, one.in.join(", "), one.trial])}
      cell=${(name, value) => (name === "look" ? html`<a href=${link({ page: "trial", at: before, trial: value })}>before</a> <a href=${link({ page: "trial", at: after, trial: value })}>after</a>` : undefined)}
    />`}
    ${trials.unknown.length > 0 && html`<p class="soft">Not compared, because too many of their rows are in other files: ${trials.unknown.join(", ")}.</p>`}
    ${(added || removed || changed) > 0 && html`<p><a href=${link({ page: "trials", at: after, against: before })}>Spikes and voltages of both side by side</a></p>`}`;
}

function Changes({ before, after }) {
  const answer = useAnswer("changes", { old: before, new: after });
  return html`<${Told} answer=${answer}>
    ${({ changes, trials }) =>
      changes.length
        ? html`<div class="fold"><${Rows}
              label="changes"
              columns=${[{ name: "±" }, { name: "node" }, { name: "kind" }, { name: "what" }]}
              rows=${changes.map((change) => [SIGNS[change.change], change.name, change.kind, told(change)])}
            /></div>
            <h3>Trials</h3>
            <${Trials} trials=${trials} before=${before} after=${after} />`
        : html`<p class="soft">Nothing changed.</p>`}
  <//>`;
}

// Tables of trials hold those of all runs: each run has its part of them, by its number of trials.
const BY_RUN = `
  with held as (select name from nodes where name like 'voltage/%' or name in (select "table" from columns where "column" = 'trial_id')),
  parts as (select run, count(*) / sum(count(*)) over () as part from trials group by run)
  select run, part * (select sum(stored_bytes) from nodes where name in (from held)) as bytes, (select list(name) from held) as held from parts`;

function byRun(rows, at_, parts) {
  const found = new Map(parts.map(([run, bytes]) => [run, bytes]));
  const held = new Set(parts[0]?.[2] ?? []);
  for (const row of rows) {
    const name = row[at_.name];
    if (held.has(name)) continue;
    const run = name.split(/[/.]/).find((part, at) => at > 0 && found.has(part)) ?? "of no run";
    found.set(run, (found.get(run) ?? 0) + Number(row[at_.stored_bytes] ?? 0));
  }
  return found;
}

function Sizes({ at, trials }) {
  const answer = useAnswer("nodes", { at });
  const [by, tell] = useState("node");
  const parts = useAnswer("sql", { query: BY_RUN, limit: 10000, at }, trials > 0 && by === "run");
  return html`<${Panel} title="What takes how much room">
    <div class="row" role="group" aria-label="size by">
      ${["node", "run", "first name", "kind"].map((each) => html`<button aria-pressed=${by === each} class=${by === each ? "main" : ""} onClick=${() => tell(each)}>by ${each}</button>`)}
    </div>
    <${Told} answer=${by === "run" && trials ? (parts.value || parts.error ? { ...answer, error: parts.error ?? answer.error } : {}) : answer}>
      ${({ columns, rows }) => {
        const at_ = Object.fromEntries(columns.map(({ name }, number) => [name, number]));
        const found = by === "run" ? byRun(rows, at_, parts.value?.rows ?? []) : new Map();
        for (const row of by === "run" ? [] : rows) {
          const name = row[at_.name];
          const key = by === "node" ? name : by === "kind" ? row[at_.kind] : name.split("/")[0].split(".")[0];
          found.set(key, (found.get(key) ?? 0) + Number(row[at_.stored_bytes] ?? 0));
        }
        const sorted = [...found].sort((a, b) => b[1] - a[1]);
        const most = sorted[0]?.[1] || 1;
        return html`<div class="scroll" style=${{ maxHeight: "420px" }} tabindex="0" role="region" aria-label="sizes">
            <table class="facts wide">
              ${sorted.slice(0, 200).map(([name, bytes]) => html`<tr>
                <td>${name}</td>
                <td class="number">${size(bytes)}</td>
                <td class="bars"><div class="bar" style=${{ width: `${(100 * bytes) / most}%` }}></div></td>
              </tr>`)}
            </table>
          </div>
          <p class="soft">${size(sorted.reduce((sum, [, bytes]) => sum + bytes, 0))} in all${sorted.length > 200 ? `; the largest 200 of ${sorted.length.toLocaleString("en")} are shown` : ""}. ${by === "run" ? "Each run has its part of the tables of trials by its number of trials." : "What is equal in several nodes is stored once, and counted in each."}</p>`;
      }}
    <//>
  <//>`;
}

const WORKS = { verify: "Verified", gc: "Garbage collected", compact: "Compacted", expire: "Old history dropped" };
const COMMANDS = { verify: "neurolake verify", gc: "neurolake gc", compact: "neurolake compact", expire: "neurolake expire" };

function Health({ round }) {
  const [wanted, tell] = useState(false);
  const notes = useAnswer("upkeep", { round });
  const answer = useAnswer("health", {}, wanted);
  return html`<${Panel} title="Health">
    <${Told} answer=${notes}>
      ${({ upkeep }) => html`<table class="facts">
        ${Object.entries(WORKS).map(([work, title]) => {
          const note = upkeep[work];
          return html`<tr>
            <th scope="row">${title}</th>
            <td>
              ${note
                ? html`<span class=${note.good ? "good" : "wrong"}>${note.good ? "✓" : "✗"} ${note.result}</span>
                    <div class="soft">${when(note.time)}, ${note.seconds < 1 ? "under a second" : `${Math.round(note.seconds)} s`}, by ${note.author} on ${note.host}: <code>${note.command}</code></div>`
                : html`<span class="soft">never noted; <code>${COMMANDS[work]}</code> does it</span>`}
            </td>
          </tr>`;
        })}
      </table>`}
    <//>
    ${!wanted
      ? html`<div><button onClick=${() => tell(true)}>Look for garbage</button> <span class="soft">what no commit needs any more; nothing is deleted from here</span></div>`
      : html`<${Told} answer=${answer}>
          ${(found) => html`<table class="facts">
            ${GARBAGE.map(([key, title]) => html`<tr><th scope="row">${title}</th><td class="number">${found[key].files.toLocaleString("en")} files</td><td class="number">${size(found[key].bytes)}</td></tr>`)}
            <tr><th scope="row">waiting for their time</th><td class="number">${found.waiting.toLocaleString("en")} files</td><td></td></tr>
          </table>`}
        <//>`}
  <//>`;
}

const GARBAGE = [
  ["condemned", "to be condemned"],
  ["deletable", "to be deleted now"],
  ["temporary", "left by writers that died"],
];

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
      <${Sizes} at=${now.at} trials=${lake.trials} />
      <${Health} round=${now.at} />
    </div>
  </div>`;
}
