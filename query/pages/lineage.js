// What a node was made from, as a graph: inputs on the left, results on the right.

import { useMemo } from "./vendor/preact.js";
import * as dagre from "./vendor/dagre.js";
import { Field, html, Panel, Told, useAnswer, when } from "./parts.js";
import { go, link } from "./route.js";

function laidOut(root) {
  const { Graph } = dagre.graphlib ?? dagre.default.graphlib;
  const layout = dagre.layout ?? dagre.default.layout;
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 46 });
  graph.setDefaultEdgeLabel(() => ({}));
  const add = (name, details) => {
    const old = graph.node(name);
    if (!old || (details && !old.details)) graph.setNode(name, { width: 24 + 7 * Math.min(46, name.length), height: 44, details });
  };
  const walk = (one) => {
    const known = graph.node(one.name)?.details;
    add(one.name, one);
    if (known) return;
    for (const input of one.inputs ?? []) {
      walk(input);
      graph.setEdge(input.name, one.name);
    }
  };
  walk(root);
  for (const { name } of root.results ?? []) {
    add(name);
    graph.setEdge(root.name, name);
  }
  layout(graph);
  return graph;
}

function Graph({ now, root }) {
  const graph = useMemo(() => laidOut(root), [root]);
  const { width, height } = graph.graph();
  const nodes = graph.nodes().map((name) => [name, graph.node(name)]);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="graph of the lineage">
    <svg class="graph" width=${width + 4} height=${height + 4} viewBox=${`-2 -2 ${width + 4} ${height + 4}`}>
      ${graph.edges().map((edge) => html`<path class="edge" d=${`M${graph.edge(edge).points.map(({ x, y }) => `${x} ${y}`).join(" L")}`} />`)}
      ${nodes.map(
        ([name, { x, y, width: wide, height: tall, details }]) => html`<a href=${link({ page: "lineage", at: now.at, node: name })} class=${name === root.name ? "chosen" : ""}>
          <title>${name}</title>
          <rect x=${x - wide / 2} y=${y - tall / 2} width=${wide} height=${tall} rx="6" />
          <text x=${x - wide / 2 + 10} y=${y - 3}>${name.length > 46 ? `${name.slice(0, 45)}…` : name}</text>
          <text class="soft" x=${x - wide / 2 + 10} y=${y + 14}>${details?.derived?.kernel ?? details?.kind ?? "result"}</text>
        </a>`,
      )}
    </svg>
  </div>`;
}

function Facts({ found }) {
  const { derived, commits = [] } = found;
  return html`<${Panel} title="How it was made">
    ${derived && html`<p>By ${derived.kernel}, version ${derived.version ?? "of its code"}, with</p><pre tabindex="0" aria-label="parameters">${JSON.stringify(derived.params, null, 2)}</pre>`}
    <table class="facts">
      ${commits.slice(0, 50).map(({ id, time, author, message }) => html`<tr>
        <td class="mono"><a href=${link({ page: "lake", commit: id })}>${id.slice(0, 12)}</a></td>
        <td>${when(time)}</td>
        <td>${author}</td>
        <td>${message}</td>
      </tr>`)}
    </table>
    ${commits.length > 50 && html`<p class="soft">and ${commits.length - 50} commits before</p>`}
  <//>`;
}

export function LineagePage({ now }) {
  const answer = useAnswer("lineage", { node: now.node, at: now.at }, Boolean(now.node));
  const nodes = useAnswer("nodes", { at: now.at });
  return html`
    <${Panel} title="Lineage">
      <${Field} label="Of the node" value=${now.node} size="48" list="nodes" onValue=${(node) => go({ ...now, node })} />
      <datalist id="nodes">${nodes.value?.rows.map(([name]) => html`<option value=${name}></option>`)}</datalist>
      ${now.node && html`<${Told} answer=${answer}>${(found) => html`<${Graph} now=${now} root=${found} />`}<//>`}
    <//>
    ${now.node && answer.value && html`<${Facts} found=${answer.value} />`}
  `;
}
