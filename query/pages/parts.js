// What pages are made of: answers that load, tables, errors in words.

import { h, htm, useEffect, useRef, useState } from "./vendor/preact.js";
import { ask, remembered } from "./ask.js";

export const html = htm.bind(h);

// An answer of the server: {value}, {error}, or neither while it loads; the last value stays until the next one is there.
export function useAnswer(name, given, wanted = true) {
  const key = JSON.stringify([name, given, wanted]);
  const [state, tell] = useState(() => (wanted && remembered(name, given) ? { value: remembered(name, given) } : {}));
  useEffect(() => {
    const known = wanted ? remembered(name, given) : undefined;
    if (!wanted || known) {
      tell((old) => (known && old.value === known && !old.loading ? old : known ? { value: known } : {}));
      return undefined;
    }
    const stop = new AbortController();
    tell((old) => ({ value: old.value, loading: true }));
    ask(name, given, stop.signal).then(
      (value) => tell({ value }),
      (error) => {
        if (error.name !== "AbortError") tell({ error: error.message });
      },
    );
    return () => stop.abort();
  }, [key]);
  return state;
}

// Answers to several questions, [name, given] each, in one state; one that failed is {error} in the list of values.
export function useAnswers(questions) {
  const [state, tell] = useState({});
  const key = JSON.stringify(questions);
  useEffect(() => {
    const stop = new AbortController();
    tell((old) => ({ value: questions.length ? old.value : [], loading: questions.length > 0 }));
    if (!questions.length) return undefined;
    Promise.allSettled(questions.map((one) => (one ? ask(one[0], one[1], stop.signal) : Promise.resolve(null)))).then((found) => {
      if (!stop.signal.aborted) tell({ value: found.map(({ value, reason }) => (reason ? { error: reason.message } : value)), of: key });
    });
    return () => stop.abort();
  }, [key]);
  return state.of === key || state.loading || !questions.length ? state : {};
}

const SOON_MS = 400;

// An answer that may take long: until it is there, that of `few` of the trials, if it comes sooner.
export function useSoonAnswer(name, given, few) {
  const whole = useAnswer(name, given);
  const [late, tell] = useState(false);
  const key = JSON.stringify([name, given]);
  useEffect(() => {
    tell(false);
    const timer = setTimeout(() => tell(key), SOON_MS);
    return () => clearTimeout(timer);
  }, [key]);
  const waits = whole.loading && late === key;
  const part = useAnswer(name, { ...given, most: few }, Boolean(waits));
  return waits && part.value && !part.loading ? { value: part.value, loading: true } : whole;
}

// A part of the page that is loaded when it is needed.
export function useLoaded(load) {
  const [state, tell] = useState({});
  useEffect(() => {
    let wanted = true;
    load?.().then(
      (part) => wanted && tell({ load, value: part }),
      () => wanted && tell({ load, error: "This part of the page could not be loaded: is neurolake serve still running?" }),
    );
    return () => {
      wanted = false;
    };
  }, [load]);
  return state.load === load ? state : {};
}

export function Told({ answer, children }) {
  if (answer.error) return html`<p class="wrong" role="alert">${answer.error}</p>`;
  if (answer.value === undefined) return html`<p class="soft" role="status">Loading …</p>`;
  return children(answer.value);
}

export function Panel({ title, children, ...rest }) {
  return html`<section aria-label=${title} ...${rest}><h2>${title}</h2>${children}</section>`;
}

const NUMBER = /INT|DOUBLE|FLOAT|DECIMAL/;

export function shown(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(8)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// A value for the eye: digests are cut, and whole where one points at them.
export function seen(value) {
  const text = shown(value);
  return /^[0-9a-f]{40,64}$/.test(text) ? html`<span class="mono" title=${text}>${text.slice(0, 12)}…</span>` : text;
}

// Rows as a table; `cell` may show a value in another way, `onHead` makes the names of columns buttons.
export function Rows({ columns, rows, cell, onHead, order, descending, chosen, label }) {
  const kinds = columns.map(({ type }) => (NUMBER.test(type ?? "") ? "number" : ""));
  const mark = (name) => (order === name ? (descending ? " ▼" : " ▲") : "");
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`table: ${label}`}>
    <table>
      <thead>
        <tr>
          ${columns.map(
            ({ name, title }, at) =>
              html`<th class=${kinds[at]} scope="col" title=${title}>
                ${onHead
                  ? html`<button class="plain" onClick=${() => onHead(name)}>${name}${mark(name)}</button>`
                  : name}
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, number) =>
            html`<tr class=${chosen?.(row) ? "chosen" : ""}>
              ${row.map(
                (value, at) => html`<td class=${kinds[at]}>${cell?.(columns[at].name, value, row) ?? seen(value)}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = bytes;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at ? value.toPrecision(3) : value} ${units[at]}`;
}

export function when(text) {
  return text.slice(0, 19).replace("T", " ");
}

// A field that tells its value when it is left or Enter is pressed.
export function Field({ label, value, onValue, list, size: wide = 24, ...rest }) {
  const [text, tell] = useState(value ?? "");
  useEffect(() => tell(value ?? ""), [value]);
  const given = () => text !== (value ?? "") && onValue(text);
  return html`<label
    >${label}<input
      value=${text}
      size=${wide}
      list=${list}
      onInput=${(event) => tell(event.target.value)}
      onBlur=${given}
      onKeyDown=${(event) => event.key === "Enter" && given()}
      ...${rest}
  /></label>`;
}

export function Choice({ label, value, values, onValue }) {
  return html`<label
    >${label}<select value=${value} onChange=${(event) => onValue(event.target.value)}>
      ${values.map((each) => {
        const [key, text] = Array.isArray(each) ? each : [each, each];
        return html`<option value=${key} selected=${key === value}>${text}</option>`;
      })}
    </select></label
  >`;
}

// Changes when the page becomes light or dark: what is drawn has to be drawn anew.
export function useTheme() {
  const [round, next] = useState(0);
  useEffect(() => {
    const changed = () => next((old) => old + 1);
    const seen = new MutationObserver(changed);
    seen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", changed);
    return () => {
      seen.disconnect();
      dark.removeEventListener("change", changed);
    };
  }, []);
  return round;
}

// The width of an element in pixels, as it is now.
export function useWidth() {
  const at = useRef(null);
  const [width, tell] = useState(0);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => tell(Math.floor(entry.contentRect.width)));
    seen.observe(at.current);
    return () => seen.disconnect();
  }, []);
  return [at, width];
}
