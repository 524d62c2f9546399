// Tables a page at a time, and a box for SQL.

import { useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { address } from "./ask.js";
import { Field, html, Panel, Rows, shown, size, Told, useAnswer } from "./parts.js";
import { go, link } from "./route.js";

const PAGE = 100;

function Nodes({ now }) {
  const answer = useAnswer("nodes", { at: now.at });
  const [part, tell] = useState("");
  return html`<${Panel} title="Nodes">
    <label>Find <input type="search" value=${part} onInput=${(event) => tell(event.target.value)} /></label>
    <${Told} answer=${answer}>
      ${({ rows }) => {
        const found = rows.filter(([name]) => name.toLowerCase().includes(part.toLowerCase()));
        return html`<ul class="list scroll" tabindex="0" aria-label="nodes">
          ${found.slice(0, 500).map(([name, kind, doc, count, shape, type, bytes]) => {
            const about = kind === "table" ? `${Number(count).toLocaleString("en")} rows` : kind === "array" ? `${shape.join(" × ")} ${type}` : kind;
            const page = kind === "array" ? { page: "heat", array: name } : { page: "tables", node: name };
            return html`<li class=${name === now.node ? "chosen" : ""} title=${doc}>
              ${kind === "table" || kind === "array" ? html`<a href=${link({ at: now.at, ...page })}>${name}</a>` : name}
              <span class="soft"> ${about}, ${size(Number(bytes ?? 0))}</span>
            </li>`;
          })}
          ${found.length > 500 && html`<li class="soft">and ${found.length - 500} more; write a part of the name</li>`}
        </ul>`;
      }}
    <//>
  <//>`;
}

function Columns({ now }) {
  const answer = useAnswer("columns", { node: now.node, at: now.at });
  return html`<details>
    <summary>Columns: units and meanings</summary>
    <${Told} answer=${answer}>${({ columns, rows }) => html`<${Rows} columns=${columns} rows=${rows} label="columns" />`}<//>
  </details>`;
}

function Table({ now }) {
  const offset = Number(now.offset ?? 0);
  const given = { node: now.node, at: now.at, where: now.where, order: now.order, descending: now.descending, offset, limit: PAGE };
  const answer = useAnswer("rows", given);
  const set = (changed) => go({ ...now, offset: undefined, ...changed });
  const sort = (name) => set(now.order === name ? (now.descending ? { order: "", descending: "" } : { descending: "1" }) : { order: name, descending: "" });
  const query = `from "${now.node.replaceAll('"', '""')}"${now.where ? ` where ${now.where}` : ""}`;
  return html`<${Panel} title=${now.node}>
    <div class="row">
      <${Field} label="Where" value=${now.where} size="40" placeholder="a condition in SQL, such as trial_id < 10" onValue=${(where) => set({ where })} />
      <a href=${link({ page: "sql", at: now.at, query })}>Ask in SQL</a>
      <a href=${link({ page: "lineage", at: now.at, node: now.node })}>Lineage</a>
      ${["csv", "parquet", "arrow"].map((format) => html`<a download href=${address("sql", { query, at: now.at, format })}>${format.toUpperCase()}</a>`)}
    </div>
    <${Columns} now=${now} />
    <${Told} answer=${answer}>
      ${({ columns, rows, more, total, seconds }) => html`
        <div class="row">
          <button disabled=${!offset} onClick=${() => go({ ...now, offset: Math.max(0, offset - PAGE) })}>Before</button>
          <button disabled=${!more} onClick=${() => go({ ...now, offset: offset + PAGE })}>Next</button>
          <${Field} label="From row" value=${String(offset)} size="9" inputmode="numeric" onValue=${(text) => go({ ...now, offset: Math.max(0, Math.floor(Number(text) || 0)) })} />
          <span class="soft" role="status">
            ${rows.length ? `${(offset + 1).toLocaleString("en")} to ${(offset + rows.length).toLocaleString("en")}` : "no rows"}
            ${total !== null ? ` of ${total.toLocaleString("en")}` : ""}, ${(1000 * seconds).toFixed(0)} ms
          </span>
        </div>
        <${Rows} columns=${columns} rows=${rows} onHead=${sort} order=${now.order} descending=${now.descending} label=${`rows of ${now.node}`} cell=${(name, value) => trialLink(name, value, now)} />
      `}
    <//>
  <//>`;
}

function trialLink(name, value, now) {
  return name === "trial_id" && value !== null ? html`<a href=${link({ page: "trial", at: now.at, trial: value })}>${shown(value)}</a>` : undefined;
}

export function TablesPage({ now }) {
  return html`<div class="side">
    <${Nodes} now=${now} />
    ${now.node ? html`<${Table} key=${now.node} now=${now} />` : html`<p class="soft">Choose a table: its columns have units and meanings.</p>`}
  </div>`;
}

const KEPT = "neurolake-queries";

function history() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}

// What may follow the letters before the cursor: tables first, then columns of the tables that are named, then keywords.
export function completions(text, words) {
  const begun = /(?:"([^"]*)|([\w./]+))$/.exec(text);
  const letters = (begun?.[1] ?? begun?.[2] ?? "").toLowerCase();
  if (!letters) return [];
  const named = Object.entries(words.tables).filter(([name]) => text.includes(name));
  const columns = new Set((named.length ? named : Object.entries(words.tables)).flatMap(([, list]) => list));
  const all = [...Object.keys(words.tables), ...columns, ...words.keywords];
  return [...new Set(all)].filter((word) => word.toLowerCase().startsWith(letters) && word.toLowerCase() !== letters).slice(0, 12);
}

export function SqlPage({ now }) {
  const box = useRef(null);
  const [text, tell] = useState(now.query ?? history()[0] ?? "select name, kind, rows, doc from nodes order by name");
  const [cursor, move] = useState(0);
  const words = useAnswer("words", { at: now.at });
  const offset = Number(now.offset ?? 0);
  const answer = useAnswer("sql", { query: now.query, at: now.at, offset, limit: 200 }, Boolean(now.query));
  const plan = useAnswer("plan", { query: now.query, at: now.at }, Boolean(now.query && now.plan));
  useEffect(() => now.query && tell(now.query), [now.query]);
  const run = (more = {}) => {
    const kept = [text, ...history().filter((old) => old !== text)].slice(0, 50);
    localStorage.setItem(KEPT, JSON.stringify(kept));
    go({ page: "sql", at: now.at, query: text, ...more });
  };
  const offered = useMemo(() => (words.value ? completions(text.slice(0, cursor), words.value) : []), [text, cursor, words.value]);
  const take = (word) => {
    const before = text.slice(0, cursor).replace(/(?:"[^"]*|[\w./]+)$/, "");
    const quoted = /^\w+$/.test(word) ? word : `"${word}"`;
    tell(`${before}${quoted} ${text.slice(cursor)}`);
    box.current.focus();
  };
  const key = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  };
  return html`<${Panel} title="SQL">
    <label for="query" class="soft">One SELECT; every table of the lake is a view of its name, and nodes, columns and commits describe the lake. Ctrl+Enter answers.</label>
    <textarea
      id="query"
      ref=${box}
      value=${text}
      spellcheck="false"
      autocomplete="off"
      onInput=${(event) => {
        tell(event.target.value);
        move(event.target.selectionStart);
      }}
      onKeyUp=${(event) => move(event.target.selectionStart)}
      onClick=${(event) => move(event.target.selectionStart)}
      onKeyDown=${key}
    ></textarea>
    <div class="row" aria-label="completions" role="group">${offered.map((word) => html`<button class="mono" onClick=${() => take(word)}>${word}</button>`)}</div>
    <div class="row">
      <button class="main" onClick=${() => run()}>Answer</button>
      <button onClick=${() => run({ plan: "1" })}>Plan</button>
      <label
        >Before
        <select onChange=${(event) => event.target.value && tell(event.target.value)}>
          <option value="">…</option>
          ${history().map((old) => html`<option value=${old}>${old.slice(0, 90)}</option>`)}
        </select></label
      >
      ${now.query && ["csv", "parquet", "arrow"].map((format) => html`<a download href=${address("sql", { query: now.query, at: now.at, format, seconds: 600 })}>${format.toUpperCase()}</a>`)}
    </div>
    ${now.plan && html`<${Told} answer=${plan}>${(found) => html`<pre tabindex="0" aria-label="plan">${found.plan}</pre>`}<//>`}
    ${now.query &&
    html`<${Told} answer=${answer}>
      ${({ columns, rows, more, seconds, commit }) => html`
        <div class="row">
          <button disabled=${!offset} onClick=${() => go({ ...now, offset: Math.max(0, offset - 200) })}>Before</button>
          <button disabled=${!more} onClick=${() => go({ ...now, offset: offset + 200 })}>Next</button>
          <span class="soft" role="status">${rows.length} rows${more ? ", and more" : ""}, ${(1000 * seconds).toFixed(0)} ms, commit ${commit.slice(0, 12)}</span>
        </div>
        <${Rows} columns=${columns} rows=${rows} label="answer" cell=${(name, value) => trialLink(name, value, now)} />
      `}
    <//>`}
  <//>`;
}
