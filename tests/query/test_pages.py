"""The pages of a lake in a browser: clicks, zoom, errors, space, small and large screens, keyboard, accessibility."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from browsers import Page, browsing, watched
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from served_lakes import HOSTILE, add_recorded_cell, serving

from neurolake.query.lake import Lake

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
    with browsing(link) as made:
        yield made


@pytest.fixture
def page(browser: Any, link: str) -> Iterator[Page]:
    with watched(browser, link.split("?")[0]) as own:
        yield own


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_all_screens_and_are_accessible(page: Page, path: str) -> None:
    for width, height in ((2560, 1400), (390, 844)):
        page.resize(width, height)
        page.open(path)
        page.until(lambda: page.beyond() == [])
    assert page.violations() == ""


def test_commits_and_what_changed(page: Page) -> None:
    page.open("?page=lake")
    page.click("button", "Ingest second")
    page.one("h3", "Ingest second")
    page.one("section[aria-label=Commits] td", "synapse_activation")
    assert "commit=" in page.address()
    page.click("button", "by kind")
    page.one("section td", "array")
    page.click("button", "by run")
    page.one("section td", "of no run")
    page.one("section th", "Verified")
    page.click("button", "Look for garbage")
    page.one("th", "condemned")


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
