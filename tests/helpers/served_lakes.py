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


def add_potentials(lake: Lake) -> None:
    """Add what six contacts recorded of that cell: of contact k, (k - 2)² · sin(t) mV, at 0, 25, … 125 µm."""
    times = np.arange(0.0, 12.0, 0.1)
    values = (np.arange(6.0) - 2.0) ** 2 * np.sin(times)[:, None]
    name = "lfp/cell/000000/probe"
    with lake.transaction("Record potentials") as tx:
        tx.write_array(
            name, values.astype(np.float32), dimension_names=["time", "electrode"], attributes={"units": "mV"}
        )
        tx.write_array(f"{name}.time", times, dimension_names=["time"])
        tx.write_array(
            f"{name}.electrode",
            np.array([f"e{k}" for k in range(6)], np.dtypes.StringDType()),
            dimension_names=["electrode"],
        )
        for axis, places in (("x", np.full(6, 40.0)), ("y", np.zeros(6)), ("z", np.arange(6) * 25.0)):
            tx.write_array(f"{name}.{axis}", places, dimension_names=["electrode"])


def add_network_run(lake: Lake) -> None:
    """Add a run ``net`` of two populations: A with two cells of three segments, all recorded, B with one of two, of which the soma is.

    Cells 2 and 0 of the population ``cells`` fire at 3 and 1 ms.
    """
    from neurolake.catalog.vocabulary import reports, runs

    row = {"run": "net", "circuit": "c", "content": "0", "cells": 3, "edges": 0, "t_start": 0.0}
    row |= {"t_stop": 4.0, "t_done": 4.0, "dt": 1.0, "ranks": 1, "threads": 1, "seconds": 0.0}
    with lake.transaction("Run a network") as tx:
        tx.write_table(runs.NETWORK_RUNS.name, pa.Table.from_pylist([row], runs.NETWORK_RUNS.schema))
        tx.write_table("spikes/net/cells", pa.table({"node_id": [2, 0], "time": [3.0, 1.0]}))
        for population, cells, sections, recorded in (("A", 2, 3, 3), ("B", 1, 2, 1)):
            ids = [(cell, section) for cell in range(cells) for section in range(sections)]
            segments = []
            for cell, section in ids:
                one = {"node_id": cell, "section_id": section, "segment_id": 0, "x": 0.5, "area": 1.0}
                one |= {"label": "Dendrite" if section else "Soma", "diameter": 1.0 if section else 8.0}
                one |= {"length": 10.0, "soma_distance": 10.0 * section}
                for end, at in (("start", 0.0), ("end", 10.0)):
                    one |= {f"{end}_x": 30.0 * cell + (60.0 if population == "B" else 0.0)}
                    one |= {f"{end}_y": 10.0 * section + at, f"{end}_z": 5.0 * section}
                segments.append(one)
            table = pa.Table.from_pylist(segments, runs.SEGMENTS.schema)
            tx.write_table(runs.SEGMENTS.of(run=f"net/{population}"), table)
            kept = [(cell, section) for cell, section in ids if section < recorded]
            node = reports.REPORT.of(circuit="net", report="all v", population=population)
            # Of column k at time t: -70 + 10 k + t.
            values = (-70.0 + 10.0 * np.arange(len(kept)) + np.arange(5.0)[:, None]).astype(np.float32)
            attributes = {"units": "mV", "variable": "v", "t_start": 0.0, "dt": 1.0}
            tx.write_array(node, values, dimension_names=reports.REPORT.axes, attributes=attributes)
            elements = [
                {"node_id": cell, "element_id": section, "segment_index": 0, "element_pos": 0.5}
                for cell, section in kept
            ]
            rows = [
                {"node_id": cell, "start": cell * recorded, "stop": (cell + 1) * recorded}
                for cell in range(cells)
            ]
            for kind, part in ((reports.ELEMENTS, elements), (reports.RANGES, rows)):
                tx.write_table(kind.beside(node), pa.Table.from_pylist(part, kind.schema))


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
