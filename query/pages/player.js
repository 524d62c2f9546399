// A film of one cell, played in space: in a page of its own, and in notebooks.

import { Shown } from "./capsules.js";
import { css, group, parts, rising } from "./colours.js";
import { decoded } from "./packed.js";

const SPEEDS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

function made(parent, kind, properties = {}) {
  const element = Object.assign(document.createElement(kind), properties);
  parent.append(element);
  return element;
}

// Show a film in an element; returns what ends it.
export function player(element, film) {
  const arrays = Object.fromEntries(Object.entries(film.arrays).map(([name, one]) => [name, decoded(one)]));
  const { start, end, diameter, time, frames } = arrays;
  const root = made(element, "div", { className: "player" });
  const scene = made(root, "div", { className: "scene" });
  const canvas = made(scene, "canvas", { tabIndex: 0 });
  canvas.setAttribute("aria-label", `a cell in space, coloured by ${film.quantity}`);
  const controls = made(root, "div", { className: "controls" });
  let shown;
  try {
    shown = new Shown(canvas);
  } catch {
    controls.textContent = "This browser cannot draw in three dimensions: WebGL 2 is missing or switched off.";
    return () => root.remove();
  }
  shown.capsules({ start, end, diameter, tint: new Float32Array(3 * diameter.length).fill(0.6), fine: diameter.length < 30000 });
  shown.frames(frames);
  if (arrays.place) {
    const tint = new Float32Array(arrays.place.length);
    arrays.type.forEach((kind, k) => tint.set(parts(group(kind)), 3 * k));
    shown.points({ place: arrays.place, tint, time: arrays.at, lasting: film.lasting, size: 12, least: 5 });
  }
  const [first, last] = [time[0], time[time.length - 1]];
  const play = made(controls, "button", { textContent: "Play" });
  const slider = made(controls, "input", { type: "range", min: first, max: last, step: (last - first) / 2000 || 1, value: first });
  slider.setAttribute("aria-label", "time in ms");
  const clock = made(controls, "output");
  const speed = made(controls, "select");
  speed.setAttribute("aria-label", "speed");
  for (const each of SPEEDS) made(speed, "option", { value: each, textContent: `${each} ms a second` });
  speed.value = "20";
  made(controls, "span", { textContent: film.low.toPrecision(3) });
  const bar = made(controls, "span", { className: "bar" });
  bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => css(rising(part))).join(", ")})`;
  made(controls, "span", { textContent: `${film.high.toPrecision(3)} ${film.quantity}` });
  film.types.forEach((name, at) => {
    const key = made(controls, "span");
    made(key, "i").style.background = group(at);
    key.append(` ${name}`);
  });
  let now = first;
  let running = false;
  let before = 0;
  const show = () => {
    const frame = Math.round(((now - first) / (last - first || 1)) * (time.length - 1));
    shown.at(frame, now);
    slider.value = now;
    clock.textContent = `${now.toFixed(2)} ms`;
  };
  const step = (present) => {
    if (!running) return;
    now += ((present - before) / 1000) * Number(speed.value);
    before = present;
    if (now > last) now = first;
    show();
    requestAnimationFrame(step);
  };
  play.onclick = () => {
    running = !running;
    play.textContent = running ? "Pause" : "Play";
    before = performance.now();
    if (running) requestAnimationFrame(step);
  };
  slider.oninput = () => {
    now = Number(slider.value);
    show();
  };
  shown.resize();
  shown.fit([start, end]);
  show();
  return () => {
    running = false;
    shown.dispose();
    root.remove();
  };
}
