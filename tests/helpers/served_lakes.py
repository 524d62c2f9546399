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
import pyarrow as pa

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


def add_activations(lake: Lake, trial: int) -> None:
    """Add activated synapses on that cell's dendrite: two of a type A at 1 and 9 ms, one of a type B at 5 ms."""
    from neurolake.catalog.vocabulary.trials import SYNAPSE_ACTIVATION

    kinds, distances, times = ["A", "A", "B"], [30.0, 250.0, 140.0], [1.0, 9.0, 5.0]
    rows = {
        "trial_id": [trial] * 3,
        "synapse_type": kinds,
        "cell_type": kinds,
        "column": [None] * 3,
        "synapse_id": [0, 1, 2],
        "soma_distance": distances,
        "section_id": [1] * 3,
        "section_pt_id": [0] * 3,
        "dendrite_label": ["Dendrite"] * 3,
        "activation": [0] * 3,
        "time": times,
    }
    table = pa.table(rows, SYNAPSE_ACTIVATION.schema)
    with lake.transaction("Activate synapses") as tx:
        if SYNAPSE_ACTIVATION.name in lake.head.tables:
            tx.append_table(SYNAPSE_ACTIVATION.name, table)
        else:
            tx.write_table(SYNAPSE_ACTIVATION.name, table)


def add_circuit(lake: Lake) -> None:
    """Add a circuit ``c``: three cells, of which 0 and 1 have edges to 2, and two segments of vessels."""
    cells = {"node_id": [0, 1, 2], "x": [0.0, 10.0, 20.0], "y": [0.0, 5.0, 0.0], "z": [1.0, 2.0, 3.0]}
    vessels: dict[str, Any] = {"node_id": [0, 1]}
    for at, end in enumerate(("start", "end")):
        vessels |= {f"{end}_{axis}": [float(at), float(at + 1)] for axis in "xyz"}
        vessels[f"{end}_diameter"] = [4.0, 5.0]
    edges = {"edge_id": [0, 1, 2], "source_node_id": [0, 0, 1], "target_node_id": [2, 2, 2]}
    with lake.transaction("Add a circuit") as tx:
        tx.write_table("nodes/c/cells", pa.table(cells))
        tx.write_table("nodes/c/vessels", pa.table(vessels))
        tx.write_table("edges/c/cells__cells", pa.table(edges))


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
