// Cells in space that play: what the page, films in a file and notebooks show. It knows no server and no framework.

import uPlot from "./vendor/uplot.js";
import { both, css, group, parts, rising } from "./colours.js";
import { decoded } from "./packed.js";
import { Scene } from "./scene.js";

const SPEEDS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const LONG = 10; // s, about, for all of it by default
const MOST_PICKED = 6;
const SLOW_MS = 45;
const COARSEST = 0.4; // of the pixels along each side
const HELP = "Drag turns, the wheel zooms, the right button moves; a click shows a segment's trace. Arrow keys move, with Shift they turn, + and - zoom, the space bar plays.";

function made(parent, kind, properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  parent?.append(element);
  return element;
}

function labelled(parent, text, field) {
  const label = made(parent, "label", {}, text);
  label.append(field);
  return field;
}

function options(select, values, chosen) {
  select.replaceChildren();
  for (const [value, text] of values) made(select, "option", { value, textContent: text, selected: value === chosen });
}

// A colour for each segment: by its label, distance, section or cell.
function tints(part, by, number) {
  const { label, soma_distance, section_id, node_id } = part;
  const count = (part.place ?? part.start).length / 3;
  const tint = new Float32Array(3 * count);
  const whole = !label && by === "label" ? "part" : by;
  let far = 1;
  for (const distance of soma_distance ?? []) if (distance > far) far = distance;
  for (let k = 0; k < count; k += 1) {
    const shade =
      whole === "distance" && soma_distance
        ? rising(soma_distance[k] / far).map((one) => one / 255)
        : parts(group(whole === "section" ? section_id[k] : whole === "cell" ? node_id[k] : whole === "part" ? number : (label?.[k] ?? 0)));
    tint.set(shade, 3 * k);
  }
  return tint;
}

function rounded(value) {
  return String(Number(value.toPrecision(4)));
}

// The greatest of 1, 2 and 5 times a power of ten that is not above a length.
function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return [5, 2, 1].map((part) => part * power).find((part) => part <= length) ?? power;
}

// Curves under each other over time, with a line at what is shown now.
class Charts {
  constructor(parent, onTime) {
    this.root = made(parent, "div", { className: "charts", hidden: true, tabIndex: 0 });
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", "curves over time");
    this.onTime = onTime;
    this.charts = [];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
  }

  show(panels) {
    for (const { plot, root } of this.charts) {
      plot.destroy();
      root.remove();
    }
    this.root.hidden = !panels.length;
    this.charts = panels.map((panel) => this.chart(panel));
    this.resize();
  }

  chart({ title, unit, series }) {
    const root = made(this.root, "figure", {}, made(null, "figcaption", { textContent: unit ? `${title} (${unit})` : title }));
    const style = getComputedStyle(this.root);
    const ink = (name, other) => style.getPropertyValue(name).trim() || other;
    const axis = { stroke: ink("--soft", "#a3adb7"), grid: { stroke: ink("--line", "#343c44"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const [data, drawn] = [[series[0].time], [{ label: "ms", value: (_, value) => value?.toFixed(2) ?? "" }]];
    const same = series.every(({ time }) => time.length === series[0].time.length && time[0] === series[0].time[0]);
    const shown = same ? series.map(({ values }) => values) : uPlot.join(series.map(({ time, values }) => [Array.from(time), Array.from(values)]));
    if (!same) [data[0]] = shown;
    series.forEach(({ label, colour }, at) => {
      data.push(shown[same ? at : at + 1]);
      drawn.push({ label, stroke: colour ?? group(at), width: 1.2, points: { show: false }, spanGaps: true, value: (_, value) => (value === null || value === undefined ? "" : rounded(value)) });
    });
    const plot = new uPlot(
      {
        width: 300,
        height: 140,
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 26 },
          { ...axis, size: 58, space: 24, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : String(Number(tick.toPrecision(6))))) },
        ],
        series: drawn,
        cursor: { drag: { x: true, y: false } },
        legend: { live: true },
      },
      data,
      root,
    );
    const line = made(plot.over, "div", { className: "now" });
    let pressed = 0;
    plot.over.addEventListener("pointerdown", (event) => {
      pressed = event.clientX;
    });
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - pressed) < 4) this.onTime(plot.posToVal(event.offsetX, "x"));
    });
    return { plot, root, line };
  }

  at(time) {
    for (const { plot, line } of this.charts) {
      const place = plot.valToPos(time, "x");
      line.style.transform = `translateX(${place}px)`;
      line.hidden = !(place >= 0 && place <= plot.over.clientWidth);
    }
  }

  resize() {
    const width = Math.floor(this.root.clientWidth);
    if (!width) return;
    // Beside the scene they share its height; below it they are as tall as they need to be.
    const room = this.root.offsetTop > 0 ? 0 : this.root.clientHeight / (this.charts.length || 1) - 74;
    const tall = Math.round(Math.min(260, Math.max(120, room)));
    for (const { plot } of this.charts) if (plot.width !== width || plot.height !== tall) plot.setSize({ width, height: tall });
  }

  dispose() {
    this.observer.disconnect();
    this.show([]);
    this.root.remove();
  }
}

export class Player {
  // `told` may have colour(by), limits(low, high), picked(part, element) and time(ms), which are called when a user chooses so.
  constructor(element, told = {}) {
    this.told = told;
    this.root = made(element, "div", { className: "player" });
    this.head = made(this.root, "div", { className: "controls" });
    const stage = made(this.root, "div", { className: "stage" });
    const scene = made(stage, "div", { className: "scene" });
    const canvas = made(scene, "canvas", { tabIndex: 0, title: HELP });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `cells in space. ${HELP}`);
    this.bar = made(scene, "div", { className: "length" });
    this.status = made(scene, "output", { className: "found" });
    this.charts = new Charts(stage, (time) => this.move(time));
    this.foot = made(this.root, "div", { className: "controls" });
    this.legend = made(this.root, "div", { className: "controls" });
    try {
      this.scene = new Scene(canvas);
    } catch {
      this.foot.textContent = "This browser cannot draw in three dimensions: WebGL 2 is missing or switched off.";
      return;
    }
    this.scene.drawn = () => this.measure();
    this.parts = [];
    this.layers = [];
    this.played = null;
    this.curves = [];
    this.marked = [];
    this.picked = [];
    this.others = new Map();
    this.now = 0;
    [this.first, this.last] = [0, 0];
    this.running = false;
    this.controls();
    this.listen(canvas);
  }

  controls() {
    this.by = labelled(this.head, "Colour by ", made(null, "select"));
    this.by.onchange = () => {
      this.chosen = this.by.value;
      this.told.colour?.(this.by.value);
      this.paint();
    };
    made(this.head, "button", { textContent: "Whole view", type: "button" }).onclick = () => {
      this.turned = false;
      this.fit();
    };
    this.play = made(this.foot, "button", { className: "main", textContent: "Play", type: "button" });
    this.play.onclick = () => this.toggle();
    this.slider = made(this.foot, "input", { type: "range" });
    this.slider.setAttribute("aria-label", "time in ms");
    this.slider.oninput = () => this.move(Number(this.slider.value));
    this.clock = made(this.foot, "output");
    this.speed = labelled(this.foot, "", made(null, "select"));
    this.speed.setAttribute("aria-label", "speed");
    options(this.speed, SPEEDS.map((each) => [String(each), `${each} ms a second`]), "20");
    this.low = made(null, "input", { type: "number", step: "any" });
    this.high = made(null, "input", { type: "number", step: "any" });
    for (const [field, name] of [[this.low, "least"], [this.high, "greatest"]]) {
      field.setAttribute("aria-label", `${name} value of the colours`);
      field.onchange = () => this.limit();
    }
  }

  listen(canvas) {
    let pressed = null;
    // What a user looks at stays; what nobody turned yet shows all that comes.
    for (const kind of ["pointerdown", "wheel", "keydown"]) {
      canvas.addEventListener(kind, () => {
        this.turned = true;
      });
    }
    canvas.addEventListener("pointerdown", ({ offsetX, offsetY }) => {
      pressed = [offsetX, offsetY];
    });
    canvas.addEventListener("pointerup", ({ offsetX, offsetY, button }) => {
      if (pressed && button === 0 && Math.hypot(offsetX - pressed[0], offsetY - pressed[1]) < 4) this.pick(offsetX, offsetY);
      pressed = null;
    });
    canvas.addEventListener("keydown", (event) => {
      const done = { "+": () => this.scene.zoom(1.2), "=": () => this.scene.zoom(1.2), "-": () => this.scene.zoom(1 / 1.2), " ": () => this.toggle() }[event.key];
      if (!done) return;
      event.preventDefault();
      done();
    });
  }

  // What is seen: parts have a name and start, end, diameter of segments, or place and size of points; if known also label
  // with labels, soma_distance, section_id, node_id, and a tint of their own.
  cells(given, fit = true) {
    this.scene.remove(...this.layers);
    this.parts = given;
    this.layers = given.map((part, number) => this.scene[part.place ? "points" : "segments"]({ ...part, tint: part.tint ?? tints(part, "label", number) }));
    this.played = null;
    this.choices();
    this.paint();
    if (fit) this.fit();
  }

  fit() {
    const places = this.parts.flatMap(({ start, end, place }) => (place ? [place] : [start, end]));
    this.scene.fit([...places, ...this.marked.map(({ place }) => place)]);
  }

  // Layers besides, which are put in the place of those of the same name.
  beside(name, layers) {
    this.scene.remove(...(this.others.get(name) ?? []));
    this.others.set(name, layers);
    this.show();
  }

  // What changes: for each part {time, frames, low, high}, or null; bytes of 0 and 254 mean low and high, in units of the quantity.
  values(given, quantity) {
    const known = given.filter(Boolean);
    const low = Math.min(...known.map((one) => one.low));
    const high = Math.max(...known.map((one) => one.high));
    given.forEach((one, at) => one && this.layers[at].frames(one.frames, one.time, this.scale(low, high, quantity)));
    this.played = { given, low, high, quantity };
    [this.low.value, this.high.value] = [rounded(low), rounded(high)];
    this.span(Math.min(...known.map(({ time }) => time[0])), Math.max(...known.map(({ time }) => time[time.length - 1])));
    this.choices(this.chosen ?? "value");
    this.paint();
    this.draw();
  }

  // Voltages rise; what has both signs, as currents have, is seen by its sign.
  scale(low, high, quantity) {
    this.signed = low < 0 && high > 0 && !quantity.includes("mV");
    return this.signed ? both : rising;
  }

  choices(chosen = this.by.value) {
    const has = (name) => this.parts.some((part) => part[name]);
    const known = [
      this.played && ["value", this.played.quantity],
      has("label") && ["label", "label"],
      has("soma_distance") && ["distance", "distance from the soma"],
      has("section_id") && ["section", "section"],
      this.parts.some(({ place, node_id }) => !place && node_id && node_id[0] !== node_id[node_id.length - 1]) && ["cell", "cell"],
      this.parts.length && !has("label") && ["part", "population"],
      this.parts.length > 1 && has("label") && ["part", "population"],
    ].filter(Boolean);
    this.by.parentElement.hidden = known.length < 2;
    options(this.by, known, known.some(([key]) => key === chosen) ? chosen : known[0]?.[0]);
  }

  // Colour by what a user, or an address, chose.
  colour(by) {
    this.chosen = by;
    if (![...this.by.options].some(({ value }) => value === by)) return;
    this.by.value = by;
    this.paint();
  }

  paint() {
    const by = this.by.value;
    this.layers.forEach((layer, at) => {
      const one = this.played?.given[at];
      if (by === "value" && one) layer.uniforms.played.value = true;
      else layer.tint(this.parts[at].tint ?? tints(this.parts[at], by === "value" ? "label" : by, at));
    });
    if (by === "value") this.limit(true);
    this.key();
    this.show();
  }

  // Colours span what the two fields say.
  limit(quiet = false) {
    if (!this.played) return;
    let [low, high] = [Number(this.low.value), Number(this.high.value)];
    if (!(low < high)) [low, high] = [this.played.low, this.played.high];
    if (this.signed && quiet) {
      const most = Math.max(-low, high);
      [low, high] = [-most, most];
      [this.low.value, this.high.value] = [rounded(low), rounded(high)];
    }
    this.played.given.forEach((one, at) => {
      if (!one) return;
      const byte = (value) => ((value - one.low) / (one.high - one.low || 1)) * 254;
      this.layers[at].range(byte(low), byte(high));
    });
    if (!quiet) this.told.limits?.(low, high);
    this.show();
  }

  key() {
    this.legend.replaceChildren();
    const entry = (colour, text) => {
      const one = made(this.legend, "span", { className: "key" });
      made(one, "i").style.background = colour;
      one.append(text);
    };
    const by = this.by.value;
    if (by === "value") {
      const bar = made(null, "span", { className: "bar" });
      const scale = this.signed ? both : rising;
      bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((part) => css(scale(part))).join(", ")})`;
      this.legend.append(this.low, bar, this.high, ` ${this.played.quantity}`);
    } else if (by === "distance") entry(css(rising(0)), "at the soma"), entry(css(rising(1)), "farthest");
    else if (by === "label") new Map(this.parts.flatMap(({ labels = [] }) => labels.map((name, at) => [name, at]))).forEach((at, name) => entry(group(at), name));
    if (by === "part" || (by === "label" && !this.parts.some(({ labels }) => labels))) this.parts.forEach(({ name }, at) => entry(group(at), name));
    this.lit?.types.forEach((name, at) => entry(group(at), name));
  }

  // Synapses as they are activated, or cells as they fire: {place, time, type, types, lasting, size}, or null for none.
  synapses(found) {
    this.scene.remove(this.lit?.layer);
    this.lit = found && {
      types: found.types,
      layer: this.scene.points({
        place: found.place,
        tint: Float32Array.from({ length: found.place.length }, (_, k) => parts(group(found.type[Math.floor(k / 3)]))[k % 3]),
        time: found.time,
        lasting: found.lasting,
        size: found.size ?? 12,
        least: 5,
      }),
    };
    if (found?.time.length && !this.played) {
      let last = found.time[0];
      for (const time of found.time) if (time > last) last = time;
      this.span(0, last + found.lasting);
    }
    this.key();
    this.show();
  }

  // Places that are pointed out, with the colours of their curves: [{place, colour}].
  marks(given) {
    const more = given.length > this.marked.length;
    this.marked = given;
    this.point();
    if (more && !this.turned) this.fit();
  }

  point() {
    this.scene.remove(this.pins);
    const picked = this.picked.map(([part, element], at) => ({ place: this.layers[part].middle(element), colour: group(at) }));
    const all = [...this.marked, ...picked];
    this.pins = all.length
      ? this.scene.points({
          place: Float32Array.from(all.flatMap(({ place }) => [...place])),
          tint: Float32Array.from(all.flatMap(({ colour }) => parts(colour))),
          size: 6,
          least: 11,
          ringed: true,
        })
      : null;
    this.show();
  }

  // Curves beside the scene: [{title, unit, series: [{label, time, values, colour}]}].
  traces(panels) {
    this.curves = panels;
    this.draw();
  }

  draw() {
    const own = this.pickedPanel();
    this.charts.show(own ? [own, ...this.curves] : this.curves);
    this.charts.at(this.now);
  }

  pickedPanel() {
    if (!this.played) return null;
    const { given, quantity } = this.played;
    const series = this.picked.flatMap(([part, element], at) => {
      const one = given[part];
      if (!one) return [];
      const { low, high } = one;
      const count = one.frames.shape[1];
      const values = Float32Array.from(one.time, (_, frame) => {
        const byte = one.frames[frame * count + element];
        return byte === 255 ? NaN : low + (byte / 254) * (high - low);
      });
      return [{ label: this.said(part, element), time: one.time, values, colour: group(at) }];
    });
    return series.length ? { title: quantity, series } : null;
  }

  said(number, element) {
    const { name, label, labels, section_id, soma_distance, node_id, place } = this.parts[number];
    if (place) return `${name} ${node_id[element]}`;
    return [
      this.parts.length > 1 ? name : "",
      node_id && node_id[0] !== node_id[node_id.length - 1] ? `cell ${node_id[element]}` : "",
      labels ? labels[label[element]] : "",
      section_id ? `section ${section_id[element]}` : "",
      soma_distance ? `${Math.round(soma_distance[element])} µm` : "",
    ]
      .filter(Boolean)
      .join(", ");
  }

  pick(x, y) {
    const found = this.scene.pick(x, y, this.layers);
    this.status.textContent = "";
    if (!found) return;
    const [part, { element }] = [this.layers.indexOf(found.layer), found];
    this.status.textContent = this.said(part, element);
    if (this.told.picked) {
      this.told.picked(part, element);
      return;
    }
    const at = this.picked.findIndex(([a, b]) => a === part && b === element);
    if (at >= 0) this.picked.splice(at, 1);
    else this.picked = [...this.picked, [part, element]].slice(-MOST_PICKED);
    this.point();
    this.draw();
  }

  span(first, last) {
    [this.first, this.last] = [first, last];
    Object.assign(this.slider, { min: first, max: last, step: (last - first) / 2000 || 1 });
    const wanted = (last - first) / LONG;
    if (!this.hurried) this.speed.value = String(SPEEDS.reduce((best, each) => (Math.abs(Math.log(each / wanted)) < Math.abs(Math.log(best / wanted)) ? each : best)));
    this.hurried = true;
    this.move(Math.min(Math.max(this.now, first), last));
  }

  move(time) {
    this.now = Math.min(Math.max(time, this.first), this.last);
    this.show();
  }

  show() {
    this.foot.hidden = !(this.last > this.first);
    this.scene.at(this.now);
    this.slider.value = this.now;
    this.clock.textContent = `${this.now.toFixed(2)} ms`;
    this.charts.at(this.now);
  }

  toggle() {
    if (!(this.last > this.first)) return;
    this.running = !this.running;
    this.play.textContent = this.running ? "Pause" : "Play";
    let before = performance.now();
    let steps = [];
    const step = (present) => {
      if (!this.running) return;
      const passed = Math.max(0, present - before);
      const next = this.now + (passed / 1000) * Number(this.speed.value);
      before = present;
      // Where drawing is slow, smooth playing comes before sharp pictures.
      steps.push(passed);
      if (steps.length === 8) {
        const [middle] = steps.sort((a, b) => a - b).slice(4);
        if (middle > SLOW_MS) this.scene.coarse(Math.max(COARSEST, 0.75 * this.scene.quality));
        steps = [];
      }
      this.move(next > this.last ? this.first : next);
      requestAnimationFrame(step);
    };
    if (this.running) requestAnimationFrame(step);
    else this.scene.coarse(1);
  }

  // A bar of a round length, as long as it is where the eye looks at.
  measure() {
    if (!this.bar) return;
    const scale = this.scene.scale();
    const length = roundLength(100 * scale);
    if (!Number.isFinite(length) || !length) return;
    this.bar.style.width = `${length / scale}px`;
    this.bar.textContent = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
  }

  dispose() {
    this.running = false;
    this.charts.dispose();
    this.scene?.dispose();
    this.root.remove();
  }
}

// Show a film that came as one piece, in a file or a notebook; returns what ends it.
export function player(element, film) {
  const arrays = Object.fromEntries(Object.entries(film.arrays).map(([name, one]) => [name, decoded(one)]));
  // Notebooks have no page of ours around it that would bring its style.
  const style = film.style ? made(element, "style", { textContent: film.style }) : null;
  const own = new Player(element);
  const close = () => {
    own.dispose();
    style?.remove();
  };
  if (!own.scene) return close;
  const { start, end, diameter, label, soma_distance, section_id, node_id, time, frames } = arrays;
  own.cells([{ start, end, diameter, label, soma_distance, section_id, node_id, labels: film.labels }]);
  own.values([{ time, frames, low: film.low, high: film.high }], film.quantity);
  if (arrays.place) own.synapses({ place: arrays.place, time: arrays.at, type: arrays.type, types: film.types, lasting: film.lasting });
  own.marks(film.sites.map(({ place }, at) => ({ place, colour: group(at) })));
  own.traces(
    film.sites.length
      ? [{ title: "Voltage", unit: "mV", series: film.sites.map(({ label }, at) => ({ label, time: arrays.recorded, values: arrays.sites.subarray(at * arrays.recorded.length, (at + 1) * arrays.recorded.length), colour: group(at) })) }]
      : [],
  );
  return close;
}
