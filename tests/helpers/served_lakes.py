"""Lakes to be looked at in a browser, and what asks their servers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import numpy as np

from neurolake.query.lake import Lake

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def add_recorded_cell(lake: Lake, run: str = "cell") -> None:
    """Add a run of one trial: a soma and a dendrite that fire, with the potential of all segments."""
    from neuron import h

    import neurolake as nl

    h.load_file("stdrun.hoc")
    soma, dendrite = h.Section(name="soma"), h.Section(name="dend")
    soma.L = soma.diam = 20.0
    dendrite.L, dendrite.diam, dendrite.nseg = 300.0, 2.0, 15
    dendrite.connect(soma(1))
    for section in (soma, dendrite):
        section.insert("hh")
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = 2.0, 1.0, 1.0
    with nl.record(lake, run, sections=[soma, dendrite]):
        h.finitialize(-65.0)
        h.continuerun(12.0)
    del clamp, soma, dendrite


class Asker:
    """Asks a server as a program of a user would."""

    def __init__(self, link: str) -> None:
        self.base = link.split("?")[0]
        self.jar = CookieJar()
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(self.jar))
        self.page = self._opener.open(link).read().decode()

    def get(self, path: str) -> HTTPResponse:
        """Open an address of the server."""
        found: HTTPResponse = self._opener.open(f"{self.base}{path}", timeout=60)
        return found

    def raw(self, name: str, **given: Any) -> bytes:
        """The body of an answer."""
        try:
            return self.get(f"api/{name}?{urlencode(given, doseq=True)}").read()
        except HTTPError as error:
            error.msg = f"{error.msg}: {error.read().decode()}"
            raise

    def json(self, name: str, **given: Any) -> Any:
        """An answer in JSON."""
        return json.loads(self.raw(name, **given))

    def framed(self, name: str, **given: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """An answer in arrays, read as docs/serve.md says."""
        body = self.raw(name, **given)
        length = int.from_bytes(body[:4], "little")
        head = json.loads(body[4 : 4 + length])
        arrays = {}
        for one in head.pop("arrays"):
            count = int(np.prod(one["shape"]))
            kind = np.dtype(one["type"]).newbyteorder("<")
            values = np.frombuffer(body, kind, count, 4 + length + one["start"])
            arrays[one["name"]] = values.reshape(one["shape"])
        return head, arrays

    def refused(self, name: str, **given: Any) -> tuple[int, str]:
        """Status and text of an error."""
        try:
            self.raw(name, **given)
        except HTTPError as error:
            return error.code, json.loads(error.msg.partition(": ")[2])["error"]
        raise AssertionError(f"{name} answered")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a lake from a thread; gives the link."""
    from neurolake.query.serving.server import Server

    server = Server(Lake.open(folder))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.link
    finally:
        server.stop()
        thread.join(30)
