// The page: a head that says which lake and commit, and one of the pages below it.

import { render, useEffect, useState } from "./vendor/preact.js";
import { Choice, html, Told, useAnswer, useLoaded, when } from "./parts.js";
import { go, link, useRoute } from "./route.js";

// Each page is loaded when it is first looked at: what draws cells is larger than all else.
const PAGES = {
  lake: ["Lake", async () => (await import("./lake.js")).LakePage],
  tables: ["Tables", async () => (await import("./tables.js")).TablesPage],
  sql: ["SQL", async () => (await import("./tables.js")).SqlPage],
  trials: ["Trials", async () => (await import("./trials.js")).TrialsPage],
  cell: ["Cells", async () => (await import("./cell.js")).CellPage],
  lfp: ["Potentials", async () => (await import("./lfp.js")).LfpPage],
  heat: ["Arrays", async () => (await import("./heat.js")).HeatPage],
  lineage: ["Lineage", async () => (await import("./lineage.js")).LineagePage],
  runs: ["Runs", async () => (await import("./runs.js")).RunsPage],
};
const trialPage = async () => (await import("./trials.js")).TrialPage;

function Theme() {
  const [theme, tell] = useState(localStorage.getItem("neurolake-theme") ?? "system");
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem("neurolake-theme", theme);
  }, [theme]);
  return html`<${Choice} label="Theme" value=${theme} values=${["system", "light", "dark"]} onValue=${tell} />`;
}

function Head({ at, lake, page }) {
  const names = [...Object.keys(lake.branches), ...Object.keys(lake.tags)];
  const now = names.find((name) => (lake.branches[name] ?? lake.tags[name]) === lake.commit.id);
  const values = [...(now ? [] : [[lake.commit.id, `commit ${lake.commit.id.slice(0, 12)}`]]), ...names];
  return html`<header>
    <a class="skip" href="#main">To the content</a>
    <h1><img src="icon.svg" alt="" /> ${lake.name}</h1>
    <nav aria-label="pages">
      ${Object.entries(PAGES).map(
        ([key, [title]]) =>
          html`<a href=${link({ page: key, at })} aria-current=${page === key || (page === "trial" && key === "trials") ? "page" : undefined}>${title}</a>`,
      )}
    </nav>
    <div class="end">
      <${Choice} label="At" value=${now ?? lake.commit.id} values=${values} onValue=${(name) => go({ page, at: lake.branches[name] ?? lake.tags[name] ?? name })} />
      <span class="soft mono" title=${`${lake.commit.message}, ${when(lake.commit.time)}`}>${lake.commit.id.slice(0, 12)} <time>${when(lake.commit.time)}</time></span>
      <${Theme} />
    </div>
  </header>`;
}

function App() {
  const now = useRoute();
  const answer = useAnswer("lake", { at: now.at });
  // An address names its commit, so that it shows the same wherever it is opened.
  useEffect(() => {
    if (answer.value && !now.at) go({ ...now, at: answer.value.commit.id }, true);
  }, [answer.value, now.at]);
  useEffect(() => {
    document.title = `${answer.value?.name ?? "neurolake"} · ${PAGES[now.page]?.[0] ?? now.page}`;
  }, [answer.value, now.page]);
  const load = now.page === "trial" ? trialPage : PAGES[now.page]?.[1];
  const loaded = useLoaded(load);
  if (!answer.value && !answer.error) return html`<header><h1><img src="icon.svg" alt="" /> neurolake</h1></header><main><p class="soft" role="status">Loading …</p></main>`;
  return html`<${Told} answer=${answer}>
    ${(lake) => html`
      <${Head} at=${now.at} lake=${lake} page=${now.page} />
      <main id="main">
        ${load
          ? now.at && html`<${Told} answer=${loaded}>${(Page) => html`<${Page} key=${now.page} now=${now} lake=${lake} />`}<//>`
          : html`<p class="wrong" role="alert">There is no page ${now.page}; the pages are above.</p>`}
      </main>
    `}
  <//>`;
}

const page = document.getElementById("page");
page.replaceChildren();
render(html`<${App} />`, page);
