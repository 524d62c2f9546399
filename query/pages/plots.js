// Curves (uPlot), dots and pictures (canvas), each as wide as there is room.

import { useEffect, useRef } from "./vendor/preact.js";
import uPlot from "./vendor/uplot.js";
import { group, rising } from "./colours.js";
import { html, useTheme, useWidth } from "./parts.js";

// All charts begin and end at the same places, so that times stand below one another.
const LEFT = 62;
const RIGHT = 16;

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const LABEL = 18;

function axis(label, size) {
  return {
    label,
    size: size - LABEL,
    labelSize: LABEL,
    labelGap: 0,
    gap: 4,
    stroke: ink("--soft"),
    grid: { stroke: ink("--line"), width: 1 },
    ticks: { stroke: ink("--line"), size: 5 },
    font: "12px system-ui",
    labelFont: "12px system-ui",
  };
}

// What the curves are where the pointer is: so many of them at most.
const READ = 8;

// Curves over one axis: `series` are {label, values, low, high}; a band is filled between low and high.
// `onSpan` is told the part that was dragged over, or null for a double click.
// `range` is what of x is shown, if not all of it; of steps, `x` are the edges, one more than there are values.
export function Curves({ x, series, range, xLabel, yLabel, height = 260, steps = false, onSpan, marks = [], label }) {
  const [at, width] = useWidth();
  const theme = useTheme();
  const read = useRef(null);
  const told = useRef(onSpan);
  told.current = onSpan;
  useEffect(() => {
    if (!width) return undefined;
    const data = [x];
    const drawn = [{ label: xLabel }];
    const bands = [];
    series.forEach((one, number) => {
      const stroke = one.colour ?? group(number);
      const paths = steps ? uPlot.paths.stepped({ align: 1 }) : undefined;
      data.push(steps && x.length > one.values.length ? [...one.values, one.values.at(-1)] : one.values);
      drawn.push({ label: one.label, stroke, width: 1.4, paths, points: { show: x.length < 3 } });
      if (one.low) {
        const first = data.length;
        data.push(one.high, one.low);
        const quiet = { stroke: "transparent", label: "", points: { show: false } };
        drawn.push({ ...quiet, label: `${one.label} + SD` }, { ...quiet, label: `${one.label} − SD` });
        bands.push({ series: [first, first + 1], fill: `${stroke}33` });
      }
    });
    const plot = new uPlot(
      {
        width,
        height,
        scales: { x: { time: false, ...(range ? { range: () => range } : {}) } },
        padding: [6, RIGHT, 0, 0],
        axes: [axis(xLabel, 44), axis(yLabel, LEFT)],
        series: drawn,
        bands,
        cursor: { drag: { x: true, y: false, setScale: !told.current } },
        legend: { show: false },
        hooks: {
          setCursor: [
            (own) => {
              const { idx } = own.cursor;
              const unit = xLabel.match(/\((.*)\)/)?.[1] ?? "";
              const parts = idx === null || idx === undefined ? [] : [`${short(x[idx])} ${unit}`, ...series.slice(0, READ).map((one) => `${series.length > 1 ? `${one.label} ` : ""}${short(one.values[idx])}`)];
              if (read.current) read.current.textContent = parts.join("  ·  ");
            },
          ],
          setSelect: [
            (own) => {
              if (!told.current || own.select.width < 3) return;
              const begin = own.posToVal(own.select.left, "x");
              const end = own.posToVal(own.select.left + own.select.width, "x");
              own.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              told.current([begin, end]);
            },
          ],
          draw: [
            (own) => {
              const { ctx, bbox } = own;
              ctx.save();
              ctx.strokeStyle = ink("--wrong");
              for (const mark of marks) {
                const place = own.valToPos(mark, "x", true);
                if (place < bbox.left || place > bbox.left + bbox.width) continue;
                ctx.beginPath();
                ctx.moveTo(place, bbox.top);
                ctx.lineTo(place, bbox.top + bbox.height);
                ctx.stroke();
              }
              ctx.restore();
            },
          ],
        },
      },
      data,
      at.current,
    );
    const whole = () => told.current?.(null);
    plot.over.addEventListener("dblclick", whole);
    return () => plot.destroy();
  }, [width, x, series, height, String(range), String(marks), theme]);
  return html`<div class="chart-read" ref=${read} aria-hidden="true"></div>
    <div class="chart" ref=${at} role="img" aria-label=${label ?? yLabel}></div>`;
}

export function Key({ groups }) {
  if (groups.length < 2) return null;
  return html`<div class="row">${groups.map((name, at) => html`<span class="key"><i style=${{ background: group(at) }}></i>${name}</span>`)}</div>`;
}

// A canvas with axes: `draw(context, box, toX, toY)` fills it; dragging over it tells a part of x.
function Framed({ x, y, xLabel, yLabel, height, draw, onSpan, onPoint, label, deps }) {
  const [at, width] = useWidth();
  const canvas = useRef(null);
  const pressed = useRef(null);
  const theme = useTheme();
  const box = { left: LEFT, top: 6, right: RIGHT, bottom: 38 };
  const inner = { width: Math.max(1, width - box.left - box.right), height: height - box.top - box.bottom };
  const toX = (value) => box.left + ((value - x[0]) / (x[1] - x[0] || 1)) * inner.width;
  const toY = (value) => box.top + inner.height - ((value - y[0]) / (y[1] - y[0] || 1)) * inner.height;
  const fromX = (place) => x[0] + ((place - box.left) / inner.width) * (x[1] - x[0]);
  const fromY = (place) => y[0] + ((box.top + inner.height - place) / inner.height) * (y[1] - y[0]);
  useEffect(() => {
    if (!width) return;
    const scale = devicePixelRatio || 1;
    canvas.current.width = width * scale;
    canvas.current.height = height * scale;
    const context = canvas.current.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, { ...box, ...inner }, toX, toY);
    context.fillStyle = ink("--soft");
    context.strokeStyle = ink("--line");
    context.font = "12px system-ui";
    context.strokeRect(box.left + 0.5, box.top + 0.5, inner.width, inner.height);
    context.textAlign = "center";
    for (const tick of ticks(x, Math.max(2, inner.width / 90))) {
      context.fillText(text(tick), Math.min(toX(tick), width - 4 - context.measureText(text(tick)).width / 2), height - 22);
    }
    context.fillText(xLabel, box.left + inner.width / 2, height - 6);
    context.textAlign = "right";
    for (const tick of ticks(y, Math.max(2, inner.height / 40))) context.fillText(text(tick), box.left - 6, toY(tick) + 4);
    context.save();
    context.translate(12, box.top + inner.height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = "center";
    context.fillText(yLabel, 0, 0);
    context.restore();
  }, [width, height, ...x, ...y, ...deps, theme]);
  const place = (event) => event.clientX - canvas.current.getBoundingClientRect().left;
  const down = (event) => {
    pressed.current = place(event);
  };
  const up = (event) => {
    if (pressed.current === null) return;
    const [from, to] = [pressed.current, place(event)].sort((a, b) => a - b);
    pressed.current = null;
    if (to - from > 4) onSpan?.([Math.max(x[0], fromX(from)), Math.min(x[1], fromX(to))]);
    else onPoint?.(fromX(to), fromY(event.clientY - canvas.current.getBoundingClientRect().top));
  };
  return html`<div class="chart" ref=${at}>
    <canvas
      ref=${canvas}
      role="img"
      aria-label=${label}
      style=${{ width: "100%", height: `${height}px` }}
      onPointerDown=${down}
      onPointerUp=${up}
      onDblClick=${() => onSpan?.(null)}
    ></canvas>
  </div>`;
}

export function ticks(ends, most) {
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const raw = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= raw) ?? raw;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(tick);
  return found;
}

function short(value) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : String(Number(value.toPrecision(5)));
}

function text(value) {
  return String(Number(value.toPrecision(6)));
}

// Events as dots: spikes by trial, activations by distance. `colourOf` gives the number of each one's group.
export function Dots({ x, y, span, limits, colourOf, yLabel, height, onSpan, onPoint, label, tall = 2 }) {
  const draw = (context, box, toX, toY) => {
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    for (let k = 0; k < x.length; k += 1) {
      context.fillStyle = group(colourOf(k));
      context.fillRect(toX(x[k]) - 0.8, toY(y[k]) - tall / 2, 1.6, tall);
    }
    context.restore();
  };
  return html`<${Framed} x=${span} y=${limits} xLabel="Time (ms)" ...${{ yLabel, height, draw, onSpan, onPoint, label }} deps=${[x, y]} />`;
}

// An image of numbers: each is `colour(part)`, or nothing where part is null.
export function Picture({ values, shape, x, y, xLabel, yLabel, height, colour, onSpan, label }) {
  const draw = (context, box) => {
    const [rows, columns] = shape;
    const image = new ImageData(columns, rows);
    for (let k = 0, to = 0; k < rows * columns; k += 1, to += 4) {
      const shade = colour(values[k]);
      if (!shade) continue;
      image.data[to] = shade[0];
      image.data[to + 1] = shade[1];
      image.data[to + 2] = shade[2];
      image.data[to + 3] = 255;
    }
    const made = new OffscreenCanvas(columns, rows);
    made.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(made, box.left, box.top, box.width, box.height);
  };
  return html`<${Framed} ...${{ x, y, xLabel, yLabel, height, draw, onSpan, label }} deps=${[values, colour]} />`;
}

// How many traces pass through each pixel, drawn darker where there are more.
export function Counts({ image, span, limits, height, onSpan, unit }) {
  let most = 1;
  for (const count of image) if (count > most) most = count;
  const scale = 1 / Math.log1p(most);
  const known = [null];
  const colour = (count) => (known[count] === undefined ? (known[count] = rising(1 - 0.95 * Math.log1p(count) * scale * 0.9)) : known[count]);
  return html`<${Picture}
    values=${image}
    shape=${image.shape}
    x=${span}
    y=${limits}
    xLabel="Time (ms)"
    yLabel=${`Voltage (${unit})`}
    height=${height}
    colour=${colour}
    onSpan=${onSpan}
    label="All voltage traces, counted by pixels"
  />`;
}
