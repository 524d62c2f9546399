// What the server is asked: JSON, or arrays of numbers behind a head of JSON (docs/serve.md).

import { KINDS } from "./packed.js";

export function address(name, given) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given)) {
    const values = Array.isArray(value) ? value : [value];
    for (const each of values) if (each !== undefined && each !== null && each !== "") query.append(key, each);
  }
  return `api/${name}?${query}`;
}

async function fetched(name, given, signal) {
  let response;
  try {
    response = await fetch(address(name, given), { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is neurolake serve still running?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let told = text;
  try {
    told = JSON.parse(text).error;
  } catch {
    // Not ours; shown as it is.
  }
  throw new Error(told);
}

export async function ask(name, given = {}, signal) {
  asking(1);
  try {
    return await asked(name, given, signal);
  } finally {
    asking(-1);
  }
}

// How many answers are on their way stands in the document, for whoever drives the page by a program.
let open = 0;

function asking(more) {
  open += more;
  document.documentElement.dataset.asking = String(open);
}

async function asked(name, given, signal) {
  const response = await fetched(name, given, signal);
  const type = response.headers.get("content-type");
  const value = type.startsWith("application/json")
    ? await response.json()
    : type.startsWith("image/")
      ? await response.text()
      : framed(await response.arrayBuffer());
  if (COMMIT.test(given.at)) remember(address(name, given), value);
  return value;
}

// What was told of a commit stays so: the last answers are there at once when one goes back.
const COMMIT = /^[0-9a-f]{64}$/;
const MOST = 60;
const answers = new Map();

function remember(key, value) {
  answers.delete(key);
  answers.set(key, value);
  if (answers.size > MOST) answers.delete(answers.keys().next().value);
}

export function remembered(name, given = {}) {
  return answers.get(address(name, given));
}

function framed(body) {
  const length = new DataView(body).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, length)));
  const begin = 4 + length;
  const arrays = {};
  for (const { name, type, shape, start } of head.arrays) {
    const count = shape.reduce((product, part) => product * part, 1);
    arrays[name] = Object.assign(new KINDS[type](body, begin + start, count), { shape });
  }
  return { ...head, arrays };
}
