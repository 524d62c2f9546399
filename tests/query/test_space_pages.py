"""Space in a browser: networks that play, chosen cells and astrocytes, potentials with their probe, films in a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import Page, browsing, watched
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from served_lakes import (
    add_activations,
    add_circuit,
    add_network_run,
    add_potentials,
    add_recorded_cell,
    serving,
)
from small_glia import write_small_glia

import neurolake as nl

PAGES = (
    "?page=cell&run=net",
    "?page=cell&run=cell&synapses=1&probe=lfp/cell/000000/probe",
    "?page=cell&circuit=g&astrocytes=4,13&population=astrocytes&node=4",
    "?page=lfp&signal=lfp/cell/000000/probe&of=csd",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("space") / "lake"
    lake = nl.create(made, durable=False)
    add_recorded_cell(lake)
    add_activations(lake, 0)
    add_potentials(lake)
    add_circuit(lake)
    add_network_run(lake)
    write_small_glia(lake, "g")
    return made


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


def shades(page: Page) -> set[tuple[int, ...]]:
    data = page.pixels()
    return {tuple(data[at : at + 3]) for at in range(0, len(data), 4)}


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_all_screens_and_are_accessible(page: Page, path: str) -> None:
    for width, height in ((2560, 1400), (390, 844)):
        page.resize(width, height)
        page.open(path)
        page.until(lambda: page.beyond() == [])
    page.one(".player canvas" if "page=cell" in path else "canvas")
    assert page.violations() == ""


def test_a_network_plays(page: Page) -> None:
    page.open("?page=cell&run=net")
    page.one("output", "0.00 ms")
    page.until(lambda: len(shades(page)) > 5)
    before = page.pixels()
    page.one(".player canvas").send_keys(Keys.SPACE)
    page.one("button", "Pause")
    page.until(lambda: page.pixels() != before)
    page.one(".player canvas").send_keys(Keys.SPACE)
    page.one("button", "Play")
    assert page.one("[aria-label^=least]").get_attribute("value") == "-70"
    # Other limits are asked for, and are in the address.
    high = page.one("[aria-label^=greatest]")
    high.send_keys(Keys.CONTROL, "a")
    high.send_keys("-50", Keys.TAB)
    page.until(lambda: "high=-50" in page.address())
    select = page.one("label", "Colour by").find_element("css selector", "select")
    select.send_keys("pop")
    page.one(".key", "B")
    page.until(lambda: "colour=part" in page.address())


def test_a_click_shows_the_trace_of_a_segment(page: Page) -> None:
    page.open("?page=cell&run=cell&synapses=1")
    page.one("figcaption", "Voltage at recorded sites")
    page.one(".key", "B")
    ActionChains(page.browser).move_to_element(page.one(".player canvas")).click().perform()
    page.one(".found", "Dendrite, section 1")
    page.until(lambda: len(page.all("figcaption")) == 2)
    page.one(".u-legend", "Dendrite, section 1")
    select = page.one("label", "Electrodes").find_element("css selector", "select")
    select.send_keys("cell")
    page.one("figcaption", "Potential at contacts")
    # A click on a curve goes to its time.
    curve = page.all(".charts .u-over")[0]
    ActionChains(page.browser).move_to_element(curve).click().perform()
    page.until(lambda: page.texts(".controls output") != {"0.00 ms"})


def test_a_cell_of_a_circuit_is_chosen_by_a_click(page: Page) -> None:
    page.open("?page=cell&circuit=c&population=cells&node=2")
    page.one("p", "from cells__cells: 3 edges with 2 cells")
    page.open("?page=cell&circuit=g")
    ActionChains(page.browser).move_to_element(page.one(".player canvas")).click().perform()
    page.until(lambda: "node=" in page.address())


def test_somata_light_up_as_they_fire(page: Page) -> None:
    page.open("?page=cell&circuit=c")
    select = page.one("label", "Spikes of").find_element("css selector", "select")
    select.send_keys("net")
    page.until(lambda: "spikes=net" in page.address())
    slider = page.one("input[type=range]")
    quiet = page.pixels()
    slider.send_keys(Keys.END)
    page.one("output", "8.00 ms")
    slider.send_keys(Keys.HOME)
    slider.send_keys(*[Keys.PAGE_UP] * 2)
    page.until(lambda: page.texts(".controls output") != {"0.00 ms"})
    page.until(lambda: page.pixels() != quiet)


def test_astrocytes_are_seen_as_they_are_grown(page: Page) -> None:
    page.open("?page=cell&circuit=g")
    page.until(lambda: len(shades(page)) > 3)
    before = shades(page)
    page.fill("Astrocytes", "4, 13")
    page.until(
        lambda: page.texts("[aria-label='table: chosen astrocytes'] tbody td:first-child") == {"4", "13"}
    )
    page.until(lambda: len(shades(page) - before) > 20)
    page.click("button", "Look at them")
    page.fill("Astrocytes", "99")
    page.one("[role=alert]", "there are 0 to 26")


def test_potentials_zoom_and_contacts_are_chosen(page: Page) -> None:
    page.open("?page=lfp&signal=lfp/cell/000000/probe")
    picture = page.one("canvas[aria-label^=potential]")
    page.until(lambda: len({*page.pixels("canvas")}) > 10)
    ActionChains(page.browser).move_to_element(picture).click_and_hold().move_by_offset(
        100, 0
    ).release().perform()
    page.until(lambda: "begin=" in page.address() and "end=" in page.address())
    page.click("button", "All times")
    page.one("p", "120 samples")
    page.one("circle[aria-label^='contact e2,']").send_keys(Keys.ENTER)
    page.until(lambda: "contacts=" in page.address())
    page.one("circle[aria-label^='contact e2,'][aria-pressed=true]")
    page.one(".key", "e2")
    select = page.one("label", "Show").find_element("css selector", "select")
    select.send_keys("current")
    page.one("p", "a sink")
    page.open("?page=lfp&signal=nothing")
    page.one("[role=alert]", "no signal nothing")


def test_a_film_in_a_file_plays_without_a_server(folder: Path, browser: Any, tmp_path: Path) -> None:
    film = nl.animate(folder, 0, tmp_path / "cell.html", synapses=True)
    browser.get(f"file://{film}")
    page = Page(browser, "")
    page.until(lambda: len(shades(page)) > 5)
    page.one(".key", "A")
    page.one("figcaption", "Voltage (mV)")
    before = page.pixels()
    page.click("button", "Play")
    page.until(lambda: page.pixels() != before)
    page.click("button", "Pause")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
