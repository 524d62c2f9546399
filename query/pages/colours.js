// Colours that people of all kinds of colour vision tell apart.

// Okabe and Ito, Color Universal Design (2008); black is left out, because pages may be dark.
export const GROUPS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6d00", "#7f7f7f"];

// Those beyond the eighth are the same in lighter, and then in darker: ten stimuli are ten colours.
export function group(at) {
  const base = GROUPS[at % GROUPS.length];
  const turn = Math.floor(at / GROUPS.length) % 3;
  if (!turn) return base;
  const to = turn === 1 ? 1 : 0;
  return `#${parts(base).map((part) => Math.round(255 * (part + (to - part) * 0.42)).toString(16).padStart(2, "0")).join("")}`;
}

// A colour such as #0072b2 as three parts from 0 to 1.
export function parts(text) {
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);
}

// From dark blue to yellow, lightness rising evenly; and from blue over grey to red, for values of both signs.
const RISING = [
  [66, 58, 150],
  [56, 88, 160],
  [44, 114, 152],
  [38, 138, 138],
  [66, 172, 118],
  [148, 200, 82],
  [248, 228, 52],
];
const BOTH = [
  [24, 72, 160],
  [112, 158, 212],
  [232, 232, 232],
  [222, 134, 96],
  [166, 32, 36],
];

function at(stops, part) {
  const place = Math.min(Math.max(part, 0), 1) * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2);
  return stops[first].map((value, axis) => Math.round(value + (place - first) * (stops[first + 1][axis] - value)));
}

export function rising(part) {
  return at(RISING, part);
}

export function both(part) {
  return at(BOTH, part);
}

// 256 colours as RGBA bytes, of which the last one stands for values that are missing.
export function palette(of = rising) {
  const made = new Uint8Array(256 * 4);
  for (let k = 0; k < 255; k += 1) made.set([...of(k / 254), 255], 4 * k);
  made.set([128, 128, 128, 255], 4 * 255);
  return made;
}

export function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}
