"""How long a person waits for the page of a large lake, in Chromium, and a program for the server's answers.

    python benchmarks/bench_serve.py --trials 18000 --work DIR

The lake is made by `lakes.py`. Each interaction is timed inside the browser, from the click to the frame after the last answer was drawn.
*New* ones ask what nobody asked before (other trials, another time in each round), *again* means that the answer was kept.
Needs chromium and chromedriver.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from lakes import STIMULI, template, write_lake
from measure import Figures, Timing, emptied, interleaved, seconds
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from trees import add_arguments, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
GO = """
const [path, done] = arguments;
const began = performance.now();
const link = document.createElement("a");
link.setAttribute("href", path);
document.body.append(link);
link.click();
link.remove();
let quiet = 0;
let last = began;
const look = () => {
  const busy = Number(document.documentElement.dataset.asking ?? 0) > 0;
  const loads = [...document.querySelectorAll("[role=status]")].some((one) => one.textContent.includes("Loading"));
  quiet = busy || loads ? 0 : quiet + 1;
  if (quiet < 2) last = performance.now();
  // A few quiet frames: what an answer brings may ask again.
  if (quiet < 8) requestAnimationFrame(look);
  else done([last - began, document.querySelector("[role=alert]")?.textContent ?? null]);
};
requestAnimationFrame(look);
"""
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


class Asker:
    """Asks the server as a program does."""

    def __init__(self, link: str) -> None:
        self._base = link.split("?")[0]
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))
        self._opener.open(link).read()

    def __call__(self, name: str, **given: Any) -> bytes:
        body: bytes = self._opener.open(f"{self._base}api/{name}?{urlencode(given, doseq=True)}").read()
        return body


class Page:
    """A page in Chromium."""

    def __init__(self, browser: Any, base: str) -> None:
        self._browser, self._base = browser, base

    def paint(self, path: str) -> float:
        """Load a page anew; seconds to the first paint of content."""
        self._browser.get("about:blank")
        self._browser.get(self._base + path)
        found: list[float] = []

        def painted() -> bool:
            found[:] = [self._browser.execute_script(PAINT)]
            return found[0] is not None

        WebDriverWait(self._browser, 60, 0.02).until(lambda _: painted())
        return found[0] / 1000

    def go(self, path: str) -> float:
        """Follow a link; seconds until all of the page is drawn.

        Raises
        ------
        RuntimeError
            The page shows an error.
        """
        took, wrong = self._browser.execute_async_script(GO, path)
        if wrong:
            raise RuntimeError(f"{path}: {wrong}")
        return float(took) / 1000


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a lake by the command, as users do; gives the link."""
    command = [sys.executable, "-m", "neurolake", "serve", "--lake", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if "http://" in line)
        finally:
            process.terminate()


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    browser.set_script_timeout(600)
    try:
        yield browser
    finally:
        browser.quit()


def interactions(at: str, first: str, middle: int) -> dict[str, Callable[[int], str]]:
    """What a person does, by name: the address that it leads to in each round."""

    def trials(turn: int, **given: Any) -> str:
        return "?" + urlencode({"page": "trials", "at": at, **given})

    def table(turn: int, **given: Any) -> str:
        return "?" + urlencode({"page": "tables", "at": at, "node": "synapse_activation", **given})

    def part(turn: int) -> dict[str, str]:
        return {"begin": f"{200 + turn}.125", "end": f"{260 + turn}.625"}

    query = (
        "select cell_type, count(*), avg(soma_distance) from synapse_activation where time < {} group by all"
    )
    return {
        "trials: all of them, again": lambda turn: trials(turn),
        "trials: zoom in on all, new": lambda turn: trials(turn, **part(turn)),
        "trials: zoom in, again": lambda turn: trials(turn, **part(0)),
        "trials: a stimulus, new": lambda turn: trials(turn, trials=f"stimulus = '{STIMULI[turn % 10]}'"),
        "trials: zoom in on a stimulus, new": lambda turn: trials(
            turn, trials=f"stimulus = '{STIMULI[turn % 10]}'", **part(turn)
        ),
        "trials: half of them, new": lambda turn: trials(
            turn, trials=f"trial_id % 16 in ({turn}, 1,3,5,7,9,11,13)"
        ),
        "trials: grouped by stimulus, again": lambda turn: trials(turn, by="stimulus"),
        "a trial": lambda turn: f"?page=trial&at={at}&trial={17 * turn + 5}",
        "table: first rows": lambda turn: table(turn),
        "table: rows in the middle": lambda turn: table(turn, offset=middle + 1000 * turn),
        "table: of one trial": lambda turn: table(turn, where=f"trial_id = {100 + turn}"),
        "table: rare rows": lambda turn: table(
            turn, where=f"soma_distance > {1500 + turn} and cell_type = 'L5tt'"
        ),
        "table: sorted by distance": lambda turn: table(
            turn, order="soma_distance", descending="1" if turn % 2 else ""
        ),
        "table: sorted by time": lambda turn: table(turn, order="time", descending="1" if turn % 2 else ""),
        "SQL: mean distance of each cell type": lambda turn: (
            "?" + urlencode({"page": "sql", "at": at, "query": query.format(300 + turn)})
        ),
        "lake: graph of commits": lambda turn: f"?page=lake&at={at}",
        "lake: difference of two commits": lambda turn: f"?page=lake&at={at}&commit={at}&before={first}",
    }


ENDPOINTS: dict[str, dict[str, Any]] = {
    "lake": {},
    "commits": {},
    "nodes": {},
    "runs": {},
    "words": {},
    "raster": {"by": "stimulus"},
    "psth": {"by": "stimulus"},
    "mean": {"by": "stimulus"},
    "traces": {},
    "trial": {"trial": 7},
    "trace": {"trial": 7},
    "activations": {"trial": 7},
    "changes": {"old": "main~3", "new": "main"},
    "lineage": {"node": "trials"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.set_defaults(trials=18_000)
    arguments = parser.parse_args()
    figures = Figures("serve")
    figures.settings = {name: vars(arguments)[name] for name in ("trials", "rounds")}
    with work_folder(arguments.work) as work:
        os.environ["NEUROLAKE_CACHE"] = str(emptied(work / "cache"))
        folder = _lake(arguments, work)
        lake = nl.open(folder)
        at, first = lake.head.commit.id, lake.log()[2].id
        rows = lake.head.tables["synapse_activation"].rows
        figures.add("lake", "trials", arguments.trials, "trials")
        figures.add("lake", "synapse activations", rows / 1e6, "M rows")
        with served(folder) as link, chromium() as browser:
            browser.get(link)
            page = Page(browser, link.split("?")[0])
            figures.add(
                "page", "trials: all of them, first look of a new server", page.go("?page=trials"), "s"
            )
            for path in ("?page=lake", "?page=trials", f"?page=trial&trial=7&at={at}"):
                spent = [page.paint(path) for _ in range(arguments.rounds)]
                figures.add_time("first paint", path.split("&at")[0], Timing(spent))
                page.go(f"?page=lake&at={at}")
            for name, path in interactions(at, first, rows // 2).items():
                spent = []
                for turn in range(arguments.rounds + name.endswith("again")):
                    page.go("?page=sql&query=select 1 as one&at=" + at)
                    spent.append(page.go(path(turn)))
                figures.add_time("page", name, Timing(spent[name.endswith("again") :]))
        with served(folder) as link:
            asker = Asker(link)
            cases = {
                name: lambda name=name, given=given: asker(name, **given) for name, given in ENDPOINTS.items()
            }
            once = {name: seconds(case) for name, case in cases.items()}
            for name, timing in interleaved(cases, arguments.rounds).items():
                figures.add("endpoint, first", name, 1000 * once[name], "ms")
                figures.add_time("endpoint, then", name, timing, "ms")
    figures.report()


def _lake(arguments: argparse.Namespace, work: Path) -> Path:
    """The lake, made where it is not there."""
    folder = work / f"lake-{arguments.trials}"
    if not folder.exists():
        source = run_source(arguments.data, work)
        small = nl.create(emptied(work / "small"))
        ingest_simrun(small, source.folder.parent, processes=1)
        # What was interrupted is made anew.
        part = emptied(folder.with_suffix(".part"))
        write_lake(part, template(small, arguments.data), arguments.trials)
        part.rename(folder)
    return folder


if __name__ == "__main__":
    main()
