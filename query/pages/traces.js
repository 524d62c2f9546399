// Traces of some trials, drawn in an element of any page: drag to look closer, double-click for all.

import { group } from "./colours.js";
import { decoded } from "./packed.js";
import uPlot from "./vendor/uplot.js";

// Show traces; returns what ends it.
export function traces(element, { arrays, labels, unit, style }) {
  const time = decoded(arrays.time);
  const values = decoded(arrays.values);
  const root = document.createElement("div");
  const css = document.createElement("style");
  css.textContent = style;
  root.append(css);
  element.append(root);
  const series = labels.map((label, k) => ({ label, stroke: group(k), width: 1.2 }));
  const axis = { stroke: "#7f7f7f", grid: { stroke: "#7f7f7f33" }, ticks: { stroke: "#7f7f7f55" } };
  const size = () => ({ width: Math.max(200, element.clientWidth || 700), height: 300 });
  const plot = new uPlot(
    {
      ...size(),
      scales: { x: { time: false } },
      axes: [
        { ...axis, label: "Time (ms)" },
        { ...axis, label: `Voltage (${unit})`, size: 62 },
      ],
      series: [{ label: "Time (ms)" }, ...series],
    },
    [time, ...labels.map((_, k) => values.subarray(k * time.length, (k + 1) * time.length))],
    root,
  );
  const seen = new ResizeObserver(() => plot.setSize(size()));
  seen.observe(element);
  return () => {
    seen.disconnect();
    plot.destroy();
    root.remove();
  };
}
