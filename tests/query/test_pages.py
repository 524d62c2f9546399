"""The pages of a lake in a browser: clicks, zoom, errors, space, small and large screens, keyboard, accessibility."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from served_lakes import HOSTILE, add_recorded_cell, serving

from neurolake.query.lake import Lake

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Without a graphics card, WebGL is drawn by the processor.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
PAGES = (
    "?page=lake",
    "?page=tables&node=trials",
    "?page=sql&query=select 1 as one&plan=1",
    "?page=trials&by=stimulus&site=voltage/soma",
    "?page=trial&trial=1",
    "?page=cell&run=cell",
    "?page=heat&array=voltage/soma",
    "?page=lineage&node=trials",
    "?page=runs",
)


@pytest.fixture(scope="module")
def folder(simrun_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("pages") / "lake"
    shutil.copytree(simrun_folder, copy)
    lake = Lake.open(copy)
    add_recorded_cell(lake)
    with lake.transaction(f"Say {HOSTILE}", author=HOSTILE) as tx:
        rows = pa.table({HOSTILE: [HOSTILE] * 3, "n": [1, 2, 3]})
        tx.write_table("odd", rows, doc=HOSTILE)
    return copy


@pytest.fixture(scope="module")
def link(folder: Path) -> Iterator[str]:
    with serving(folder) as found:
        yield found


@pytest.fixture(scope="module")
def browser(link: str) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        if os.environ.get("NEUROLAKE_REQUIRE_BROWSER"):
            pytest.fail("chromium or chromedriver is missing, which NEUROLAKE_REQUIRE_BROWSER asks for")
        pytest.skip("chromium and chromedriver are not installed")
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    try:
        made.get(link)
        yield made
    finally:
        made.quit()


@pytest.fixture
def page(browser: Any, link: str) -> Iterator["Page"]:
    """The browser at 1280 px; at the end, nothing went wrong that only its console told."""
    own = Page(browser, link.split("?")[0])
    own.resize(1280, 900)
    yield own
    wrong = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [text for text in wrong if " 400 " not in text and " 404 " not in text] == []
    assert browser.execute_script("return window.hacked") is None
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith((own.base, "data:", "blob:"))] == []


class Page:
    """What a person does with a page."""

    def __init__(self, browser: Any, base: str) -> None:
        self.browser, self.base = browser, base

    def open(self, path: str) -> None:
        self.browser.get(self.base + path)
        self.until(lambda: self.all("main section") and not self.all("[role=status]", "Loading"))

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def until(self, true: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, 60).until(lambda _: true())

    def all(self, selector: str, text: str = "") -> list[Any]:
        script = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.textContent.includes(arguments[1]))"
        return list(self.browser.execute_script(script, selector, text))

    def beyond(self) -> list[str]:
        """What reaches beyond the right edge: the page itself, or what cannot be scrolled to."""
        script = """
            const { scrollWidth, clientWidth } = document.documentElement;
            if (scrollWidth > clientWidth) return ["the page"];
            const all = [...document.querySelectorAll("body *")];
            const wide = all.filter((one) => one.getBoundingClientRect().right > clientWidth);
            const clipped = (one) => one && (getComputedStyle(one).overflowX !== "visible" || clipped(one.parentElement));
            return wide.filter((one) => !clipped(one.parentElement)).map((one) => one.outerHTML.slice(0, 120));
        """
        return list(self.browser.execute_script(script))

    def texts(self, selector: str) -> set[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent.trim())"
        return set(self.browser.execute_script(script, selector))

    def one(self, selector: str, text: str = "") -> Any:
        return self.until(lambda: self.all(selector, text))[0]

    def click(self, selector: str, text: str = "") -> None:
        self.one(selector, text).click()

    def fill(self, label: str, text: str) -> None:
        field = self.one("label", label).find_element(By.CSS_SELECTOR, "input")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)

    def address(self) -> str:
        return str(self.browser.current_url)

    def pixels(self, selector: str = ".scene canvas") -> list[int]:
        """Every how-manieth pixel of a canvas, as bytes."""
        script = """
            const from = document.querySelector(arguments[0]);
            const to = document.createElement("canvas");
            to.width = 200; to.height = 200;
            const context = to.getContext("2d");
            context.drawImage(from, 0, 0, 200, 200);
            return [...context.getImageData(0, 0, 200, 200).data];
        """
        return list(self.browser.execute_script(script, selector))


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_all_screens_and_are_accessible(page: Page, path: str) -> None:
    for width, height in ((2560, 1400), (390, 844)):
        page.resize(width, height)
        page.open(path)
        page.until(lambda: page.beyond() == [])
    axe = (files("selenium_axe_python") / "axe-core" / "axe.min.js").read_text()
    # As the debugger says it: the page's own policy lets no text be run.
    page.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    for theme in ("light", "dark"):
        page.browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        run = "axe.run().then((found) => JSON.stringify(found.violations.map((one) => [one.id, one.nodes.map((each) => each.html)])))"
        asked = {"expression": run, "awaitPromise": True}
        found = page.browser.execute_cdp_cmd("Runtime.evaluate", asked)["result"]["value"]
        assert found == "[]"


def test_commits_and_what_changed(page: Page) -> None:
    page.open("?page=lake")
    page.click("button", "Ingest second")
    page.one("h3", "Ingest second")
    page.one("section[aria-label=Commits] td", "synapse_activation")
    assert "commit=" in page.address()
    page.click("button", "by kind")
    page.one("section td", "array")
    page.click("button", "Look for garbage")
    page.one("td", "condemned")


def test_what_a_lake_says_is_text(page: Page) -> None:
    page.open("?page=lake")
    page.one("button", HOSTILE)
    page.open("?page=tables&node=odd")
    page.one("td", HOSTILE)
    page.one("th", HOSTILE)
    page.open("?page=sql&query=select * from odd")
    page.one("td", HOSTILE)
    page.open(f"?page=tables&node={'%3Cscript%3Ewindow.hacked%3D1%3C/script%3E'}")
    page.one("[role=alert]", "<script>")


def test_rows_are_sorted_chosen_and_paged(page: Page) -> None:
    page.open("?page=tables")
    page.click("li a", "synapse_activation")
    page.click("thead button", "time")
    page.until(lambda: "order=time" in page.address())
    page.fill("Where", "trial_id = 1")
    page.until(lambda: "where=" in page.address())
    page.until(lambda: page.texts("[aria-label^='table: rows'] tbody td:first-child") == {"1"})
    page.fill("Where", "trial_id = oops")
    page.one("[role=alert]", "oops")
    page.browser.back()
    page.until(lambda: not page.all("[role=alert]"))
    page.fill("From row", "20")
    page.one("[role=status]", "21 to")


def test_sql_answers_completes_and_tells_errors(page: Page) -> None:
    page.open("?page=sql")
    box = page.one("textarea")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("select count(*) as many from tri")
    page.click("[aria-label=completions] button", "trials")
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    page.one("td", "8")
    assert page.one("textarea").get_attribute("value").strip() == "select count(*) as many from trials"
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("select stimulos from trials", Keys.CONTROL, Keys.ENTER)
    page.one("[role=alert]", "stimulus")
    page.browser.back()
    page.one("td", "8")


def test_trials_zoom_and_lead_to_one(page: Page) -> None:
    page.open("?page=trials&by=stimulus&site=voltage/soma")
    canvas = page.one("canvas[aria-label^=Spikes]")
    ActionChains(page.browser).move_to_element(canvas).click_and_hold().move_by_offset(
        120, 0
    ).release().perform()
    page.until(lambda: "begin=" in page.address() and "end=" in page.address())
    page.click("button", "All times")
    page.until(lambda: "begin=" not in page.address())
    page.fill("Beside them", "stimulus = 'D1'")
    page.until(lambda: len(page.all("canvas[aria-label^=Spikes]")) == 2)
    page.click("section[aria-label=Trials] td a", "2")
    page.one("h2", "Trial 2")
    page.one("pre", "neurolake rerun")


def test_a_cell_is_seen_and_plays(page: Page) -> None:
    page.open("?page=cell&run=cell")
    page.one("output", "0.00 ms")

    def shades() -> int:
        data = page.pixels()
        return len({tuple(data[at : at + 3]) for at in range(0, len(data), 4)})

    page.until(lambda: shades() > 10)
    before = page.pixels()
    page.click("button", "Play")
    page.one("button", "Pause")
    page.until(lambda: page.pixels() != before)
    page.click("button", "Pause")
    slider = page.one("input[type=range]")
    slider.send_keys(Keys.END)
    page.one("output", "12.00 ms")
    slider.send_keys(Keys.HOME)
    page.one("output", "0.00 ms")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.until(lambda: page.texts("output") != {"0.00 ms"})
    select = page.one("label", "Colour by").find_element(By.CSS_SELECTOR, "select")
    played = page.pixels()
    select.send_keys("distance")
    page.until(lambda: page.pixels() != played)


def test_a_heat_map_and_a_graph(page: Page) -> None:
    page.open("?page=heat&array=voltage/soma")
    page.until(lambda: len({*page.pixels("canvas")}) > 10)
    page.open("?page=lineage&node=trials")
    page.one("svg text", "trials")


def test_the_keyboard_suffices(page: Page) -> None:
    page.open("?page=lake")
    page.one("nav a", "Runs").send_keys(Keys.ENTER)
    page.one("h2", "Runs")
    page.browser.execute_script("document.activeElement.blur()")
    ActionChains(page.browser).send_keys(Keys.TAB).perform()
    assert page.browser.execute_script("return document.activeElement.textContent") != ""


def test_a_page_without_its_token_says_so(page: Page, folder: Path) -> None:
    with serving(folder) as other:
        page.browser.get(other.split("?")[0])
        assert "open the link that it printed" in page.browser.page_source
    page.open("?page=lake")
    refused = page.browser.get_log("browser")
    assert {" 401 " in entry["message"] for entry in refused} == {True}
