"""A browser without a screen, and what a person does with the pages of a lake."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
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


@contextmanager
def browsing(link: str) -> Iterator[Any]:
    """A browser that opened a link; skips where there is none."""
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


@contextmanager
def watched(browser: Any, base: str) -> Iterator["Page"]:
    """The browser at 1280 px; at the end, nothing went wrong that only its console told, and nothing came from elsewhere."""
    own = Page(browser, base)
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
            if (!from) return [];
            const to = document.createElement("canvas");
            to.width = 200; to.height = 200;
            const context = to.getContext("2d");
            context.drawImage(from, 0, 0, 200, 200);
            return [...context.getImageData(0, 0, 200, 200).data];
        """
        return list(self.browser.execute_script(script, selector))

    def violations(self) -> str:
        """What axe finds that people with disabilities cannot use, in both themes."""
        axe = (files("selenium_axe_python") / "axe-core" / "axe.min.js").read_text()
        # As the debugger says it: the page's own policy lets no text be run.
        self.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
        found = []
        for theme in ("light", "dark"):
            self.browser.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
            run = "axe.run().then((found) => JSON.stringify(found.violations.map((one) => [one.id, one.nodes.map((each) => each.html)])))"
            asked = {"expression": run, "awaitPromise": True}
            found.append(self.browser.execute_cdp_cmd("Runtime.evaluate", asked)["result"]["value"])
        return "".join(text for text in found if text != "[]")
