// Curves (uPlot), dots and pictures (canvas), each as wide as there is room.

import { useEffect, useRef } from "./vendor/preact.js";
import uPlot from "./vendor/uplot.js";
import { group, rising } from "./colours.js";
import { html, useWidth } from "./parts.js";

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axis(label) {
  return { label, stroke: ink("--soft"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line") }, font: "12px system-ui", labelFont: "12px system-ui" };
}

// Curves over one axis: `series` are {label, values, low, high}; a band is filled between low and high.
// `onSpan` is told the part that was dragged over, or null for a double click.
export function Curves({ x, series, xLabel, yLabel, height = 260, steps = false, onSpan, marks = [], label }) {
  const [at, width] = useWidth();
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
      data.push(one.values);
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
        scales: { x: { time: false } },
        axes: [axis(xLabel), { ...axis(yLabel), size: 62 }],
        series: drawn,
        bands,
        cursor: { drag: { x: true, y: false, setScale: !told.current } },
        legend: { live: x.length < 200000 },
        hooks: {
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
  }, [width, x, series, height, String(marks)]);
  return html`<div class="chart" ref=${at} role="img" aria-label=${label ?? yLabel}></div>`;
}

// A canvas with axes: `draw(context, box, toX, toY)` fills it; dragging over it tells a part of x.
function Framed({ x, y, xLabel, yLabel, height, draw, onSpan, onPoint, label, deps }) {
  const [at, width] = useWidth();
  const canvas = useRef(null);
  const pressed = useRef(null);
  const box = { left: 62, top: 6, right: 8, bottom: 38 };
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
  }, [width, height, ...x, ...y, ...deps]);
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

export function ticks([low, high], most) {
  const raw = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= raw) ?? raw;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) found.push(tick);
  return found;
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
    for (let k = 0; k < rows * columns; k += 1) {
      const shade = colour(values[k]);
      if (shade) image.data.set([...shade, 255], 4 * k);
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
  const colour = (count) => (count ? rising(1 - 0.95 * Math.log1p(count) * scale * 0.9) : null);
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
