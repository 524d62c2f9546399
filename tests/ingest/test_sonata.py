"""Ingest of SONATA: what files become, and what is refused, with file and place."""

import json
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.dataset as pds
import pytest
from sonata_files import contents, write_edges, write_nodes, write_report, write_spikes

import neurolake
from neurolake.ingest.sonata.export import export_sonata
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import IngestError, InputError


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def columns(lake: Any, table: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = lake.head.tables[table].to_arrow().to_pydict()
    return found


def refused(lake: Any, source: Path, match: str, **options: Any) -> IngestError:
    """The error of an ingest that leaves nothing behind."""
    before = lake.head.commit.id
    with pytest.raises(IngestError, match=match) as caught:
        ingest_sonata(lake, source, **options)
    assert lake.head.commit.id == before
    return caught.value


# Nodes and edges


def test_several_groups_make_one_table(lake: Any, folder: Path) -> None:
    path = folder / "nodes.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("nodes/v1")
        group["node_id"] = np.array([4, 2, 0, 1, 3], "u8")
        group["node_type_id"] = np.array([7, 8, 7, 8, 7], "u8")
        group["node_group_id"] = np.array([0, 1, 0, 1, 0], "u4")
        group["node_group_index"] = np.array([2, 0, 1, 1, 0], "u8")
        group["0/x"] = np.array([1.0, 2.0, 3.0])
        group["0/dynamics_params/tau"] = np.array([10, 20, 30], "i2")
        group["1/x"] = np.array([4.0, 5.0], "f4")
        group["1/layer"] = ["L2", "L4"]
    (folder / "types.csv").write_text(
        'node_type_id model_type layer pop\n8 point NULL "a b"\n7 biophysical L5 c\n'
    )
    entry = {"nodes_file": "nodes.h5", "node_types_file": "types.csv"}
    ingest_sonata(lake, write_json(folder / "c.json", {"networks": {"nodes": [entry]}}), name="n")
    found = columns(lake, "nodes/n/v1")
    assert found["node_id"] == [4, 2, 0, 1, 3]
    assert found["x"] == [3.0, 4.0, 2.0, 5.0, 1.0]
    assert found["dynamics_params.tau"] == [30, None, 20, None, 10]
    # What a node says of itself comes before what its type says.
    assert found["layer"] == ["L5", "L2", "L5", "L4", "L5"]
    assert found["pop"] == ["c", "a b", "c", "a b", "c"]


def test_words_for_codes(lake: Any, folder: Path) -> None:
    codes = np.array([2, 0, 9], "u1")
    path = write_nodes(folder / "n.h5", mtype=codes, **{"@library__mtype": ["a", "b", "c"]})
    report = ingest_sonata(lake, path, name="n")
    found = columns(lake, "nodes/n/cells")
    assert found["mtype"] == ["c", "a", None] and found["mtype.code"] == [2, 0, 9]
    assert "code 9 of 3 words" in report.notices[0]


def test_edges_are_found_by_either_end(lake: Any, folder: Path) -> None:
    rng = np.random.default_rng(3)
    source, target = rng.integers(0, 50, 4000), rng.integers(0, 40, 4000)
    path = write_edges(folder / "e.h5", source, target, delay=np.arange(4000, dtype="f4"))
    ingest_sonata(lake, path, name="n")
    table = lake.head.tables["edges/n/joined"]
    assert table.sorted_by == ["target_node_id"]
    afferent = lake.sql('select edge_id, delay from "edges/n/joined" where target_node_id = 7').fetchall()
    assert sorted(edge for edge, _ in afferent) == np.flatnonzero(target == 7).tolist()
    assert all(edge == delay for edge, delay in afferent)
    efferent = lake.sql(
        'select edge_id, delay from "edges/n/joined.by_source" join "edges/n/joined" '
        "using (source_node_id, target_node_id, edge_id) where source_node_id = 9"
    ).fetchall()
    assert sorted(edge for edge, _ in efferent) == np.flatnonzero(source == 9).tolist()


def test_bounds_rule_out_files_of_edges(lake: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurolake.ingest.sonata.populations.BLOCK_ROWS", 100)
    target = np.repeat(np.arange(10), 100)[::-1].copy()
    ingest_sonata(lake, write_edges(folder / "e.h5", np.zeros(1000), target), name="n")
    table = lake.head.tables["edges/n/joined"]
    assert len(table.files) == 10
    assert len(table.matching(pds.field("target_node_id") == 3)) == 1
    assert columns(lake, "edges/n/joined")["edge_id"][:100] == list(range(900, 1000))


def lying_index(path: Path, ranges: Any, edges: Any) -> Path:
    return write_edges(path, [0, 1, 0], [1, 1, 0], index=(ranges, edges))


def test_an_index_is_checked(lake: Any, folder: Path) -> None:
    ingest_sonata(lake, lying_index(folder / "right.h5", [[0, 1], [1, 2]], [[2, 3], [0, 2]]), name="right")
    for at, (ranges, edges) in enumerate(
        (
            ([[0, 1], [1, 2]], [[0, 1], [1, 3]]),
            ([[0, 1], [1, 2]], [[2, 3], [0, 1]]),
            ([[0, 1], [1, 3]], [[2, 3], [0, 2]]),
            ([[0, 1], [2, 1]], [[2, 3], [0, 2]]),
            ([[0, 1], [1, 2]], [[2, 3], [0, 2**62]]),
        )
    ):
        path = lying_index(folder / f"{at}.h5", ranges, edges)
        error = refused(lake, path, "does not say what target_node_id says")
        assert error.path == str(path) and "/edges/joined/indices/target_to_source" in str(error)


# Spikes


@pytest.mark.parametrize(
    ("sorting", "times", "kept", "notices"),
    [
        (2, [0.1, 0.2, 0.3], ["time"], 0),
        ("by_id", [0.3, 0.2, 0.1], ["node_id"], 0),
        ("none", [0.3, 0.1, 0.2], ["node_id"], 0),
        (None, [0.1, 0.1, 0.2], ["time"], 0),
        ("by_time", [0.3, 0.1, 0.2], ["node_id"], 1),
    ],
)
def test_sorting_is_what_the_spikes_are(
    lake: Any, folder: Path, sorting: Any, times: list[float], kept: list[str], notices: int
) -> None:
    report = ingest_sonata(lake, write_spikes(folder / "s.h5", [1, 1, 2], times, sorting=sorting), name="n")
    assert columns(lake, "spikes/n/cells") == {"node_id": [1, 1, 2], "time": times}
    assert lake.head.tables["spikes/n/cells"].sorted_by == kept
    assert len(report.notices) == notices


# Reports


def test_what_stands_beside_a_report(lake: Any, folder: Path) -> None:
    data = np.arange(15, dtype="f8").reshape(3, 5)
    path = write_report(folder / "v.h5", data, (8, 2, 5), (0, 4, 4, 5), [0, 1, 1, 0, 3], units="nA")
    ingest_sonata(lake, path, name="n")
    name = "reports/n/v/cells"
    array = lake.head.arrays[name]
    assert array.dtype == np.float64 and array.attrs["units"] == "nA"
    np.testing.assert_array_equal(array[...], data)
    assert columns(lake, f"{name}.nodes") == {"node_id": [8, 2, 5], "start": [0, 4, 4], "stop": [4, 4, 5]}
    elements = columns(lake, f"{name}.elements")
    assert elements["node_id"] == [8, 8, 8, 8, 5] and elements["element_id"] == [0, 1, 1, 0, 3]
    assert elements["segment_index"] == [0, 0, 1, 1, 0] and elements["element_pos"] == [None] * 5
    np.testing.assert_allclose(lake.head.arrays[f"{name}.time"][...], [0, 0.1, 0.2])


def test_every_bit_of_a_real_number_is_kept(lake: Any, folder: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, (40, 30), np.uint32)
    path = write_report(folder / "v.h5", bits.view(np.float32))
    ingest_sonata(lake, path, name="n")
    assert (lake.head.arrays["reports/n/v/cells"][...].view(np.uint32) == bits).all()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set by Linux' ways")
def test_a_report_larger_than_memory(folder: Path) -> None:
    """1.6 GB of a report, in a process that may take 500 MB more than it does for a small one."""
    # As large as it takes for a codec to be chosen, which compiles what the large one needs.
    write_report(folder / "small.h5", np.zeros((100, 100), "f4"))
    with h5py.File(write_report(folder / "large.h5", np.zeros((2, 4000), "f4")), "a") as file:
        del file["report/cells/data"]
        # Contiguous, and never written: it takes no room on the disk.
        file["report/cells"].create_dataset("data", (100_000, 4000), "f4")
        file["report/cells/mapping/time"][...] = [0, 10_000, 0.1]
    script = """
        import resource, sys, pathlib
        import neurolake
        from neurolake.ingest.sonata import ingest_sonata
        folder = pathlib.Path(sys.argv[1])
        lake = neurolake.create(folder / "lake", durable=False)
        ingest_sonata(lake, folder / "small.h5", name="small")
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 500 * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        ingest_sonata(lake, folder / "large.h5", name="large")
        print(lake.head.arrays["reports/large/large/cells"].shape)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(100000, 4000)\n", done.stderr


# Weights


def write_weights(path: Path, weights: Any, names: dict[str, int], kind: str = "LineSource") -> Path:
    with h5py.File(path, "w") as file:
        file["cells/node_ids"], file["cells/offsets"] = [3, 1], [0, 1, len(weights)]
        file["electrodes/cells/scaling_factors"] = np.asarray(weights, "f8")
        for name, column in names.items():
            group = file.create_group(f"electrodes/{name}")
            group["cells"], group["position"], group["type"] = column, np.zeros(3, "f4"), kind
    return path


def test_units_and_columns_of_weights(lake: Any, folder: Path) -> None:
    weights = np.array([[1e-6, 2e-6, 1], [3e-6, 4e-6, 1], [5e-6, 6e-6, 1]])
    path = write_weights(folder / "w.h5", weights, {"B": 0, "A": 1})
    plain = ingest_sonata(lake, path, name="plain")
    assert "are these V/nA, of BlueRecording?" in plain.notices[0]
    told = ingest_sonata(lake, path, name="told", electrodes="bluerecording")
    assert told.notices == []
    for name, order, units in (("plain", ["B", "A", None], "mV/nA"), ("told", ["A", "B", None], "V/nA")):
        found = columns(lake, f"electrodes/{name}/w/cells.electrodes")
        assert found["name"] == order and found["all_ones"] == [False, False, True]
        array = lake.head.arrays[f"electrodes/{name}/w/cells"]
        np.testing.assert_array_equal(array[...], weights)
        assert array.attrs["units"] == units
    path = write_weights(folder / "mv.h5", weights * 1e4, {"B": 0, "A": 1})
    assert not ingest_sonata(lake, path, name="mv").notices
    assert "are these mV/nA" in ingest_sonata(lake, path, name="v", electrodes="bluerecording").notices[0]
    path = write_weights(folder / "far.h5", weights, {"B": 0, "A": 1}, "Reciprocity")
    assert not ingest_sonata(lake, path, name="far").notices


def test_weights_of_bluerecording_since_0_7(lake: Any, folder: Path) -> None:
    """No column of ones, columns as the file says, nodes in the order of processes, neurites of each row."""
    weights = np.array([[1e-6, 2e-6], [3e-6, 4e-6], [5e-6, 6e-6]])
    path = write_weights(folder / "w.h5", weights, {"B": 0, "A": 1})
    with h5py.File(path, "a") as file:
        file["cells/neurite_types"] = np.array([0, 6, 9], "i4")
        del file["electrodes/B/position"]
        file["electrodes/B/position"] = np.array([0.1, 2, 3])
    done = ingest_sonata(lake, path, name="new", electrodes="bluerecording")
    assert [notice.split(": ", 1)[1] for notice in done.notices] == [
        "/cells/neurite_types has codes that neurodamus does not name: 9"
    ]
    name = "electrodes/new/w/cells"
    found = columns(lake, f"{name}.electrodes")
    assert (found["name"], found["x"]) == (["B", "A"], [0.1, 0])
    assert lake.head.arrays[name].attrs["units"] == "V/nA"
    assert columns(lake, f"{name}.compartments") == {
        "node_id": [3, 1, 1],
        "neurite_type": [0, 6, 9],
        "neurite": ["soma", "myelin", None],
    }
    assert "electrodes/new/w/cells.compartments" not in neurolake.open(lake.url).lfp.electrodes
    export_sonata(lake.head, folder / "copy")
    assert contents(folder / "copy" / "w.h5") == contents(path)
    with h5py.File(path, "a") as file:
        del file["cells/neurite_types"]
        file["cells/neurite_types"] = np.array([0, 1], "i4")
    refused(lake, path, r"cells/neurite_types: its shape is \(2,\), expected \(3,\)")


def test_weights_that_do_not_agree(lake: Any, folder: Path) -> None:
    refused(
        lake, write_weights(folder / "a.h5", np.ones((3, 2)), {"B": 2}), "electrodes/B/cells: column 2 of 2"
    )
    refused(
        lake, write_weights(folder / "b.h5", np.ones((3, 2)), {"B": 1, "C": 1}), "column 1 of 2, or another"
    )
    path = write_weights(folder / "c.h5", np.ones((3, 2)), {})
    with h5py.File(path, "a") as file:
        file["cells/offsets"][...] = [0, 1, 4]
    refused(lake, path, "cells/offsets: pointers must ascend from 0 to 3")


# Malformed datasets


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    with h5py.File(path, "a") as file:
        change(file)
    return path


def put(name: str, values: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values

    return change


REPORT = "report/cells/"
MAPPING = f"{REPORT}mapping/"


@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        (f"{MAPPING}index_pointers", np.array([0, 9, 4]), "pointers must ascend from 0 to 4"),
        (f"{MAPPING}index_pointers", np.array([0, 2, 5]), "pointers must ascend from 0 to 4"),
        (f"{MAPPING}index_pointers", np.array([0, 4]), r"its shape is \(2,\), expected \(3,\)"),
        (f"{MAPPING}index_pointers", None, "there is no such dataset"),
        (f"{MAPPING}node_ids", np.array([1, 1]), "a node is there twice"),
        (f"{MAPPING}node_ids", np.array([1, -1]), "id -1 at position 1, expected 0 or more"),
        (f"{MAPPING}node_ids", np.array([1.0, 2.0]), "its type is float64, expected whole numbers"),
        (f"{MAPPING}element_ids", np.array([0, 1, 2]), r"its shape is \(3,\), expected \(4,\)"),
        (f"{MAPPING}element_pos", np.zeros(5), r"its shape is \(5,\), expected \(4,\)"),
        (f"{MAPPING}time", np.array([0.0, 1.0, 0.0]), "not times with a step above 0"),
        (f"{MAPPING}time", np.array([0.0, np.nan, 0.1]), "not times with a step above 0"),
        (f"{MAPPING}time", np.array([0.0, 9.0, 0.1]), "are not the 3 frames of the data"),
        (f"{REPORT}data", np.zeros(12, "f4"), "expected 2 axes"),
        (f"{REPORT}data", np.zeros((3, 4), "i4"), "its type is int32"),
        (f"{REPORT}mapping", None, "there is no such group"),
        (f"{REPORT}odd", np.zeros(2, [("a", "i4")]), "expected numbers, text or an enumeration"),
    ],
)
def test_malformed_reports(lake: Any, folder: Path, name: str, values: Any, match: str) -> None:
    path = changed(write_report(folder / "v.h5", np.zeros((3, 4), "f4")), put(name, values))
    error = refused(lake, path, match)
    assert error.path == str(path) and f"/{name}" in error.reason


@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        ("nodes/cells/node_type_id", None, "there is no such dataset"),
        ("nodes/cells/node_id", [0, 1, 1], "an id is there twice"),
        ("nodes/cells/0/x", np.zeros(4), r"its shape is \(4,\), expected \(3,\)"),
        ("nodes/cells/0/node_id", np.zeros(3), "an attribute may not be named node_id"),
        ("nodes/cells/0/x", np.zeros(3, [("a", "i4")]), "expected numbers"),
        ("nodes/cells/1/x", np.zeros(3), "2 groups of attributes and no node_group_id"),
        ("nodes/cells/node_group_id", [0, 0, 5], "node_group_index: there is no such dataset"),
    ],
)
def test_malformed_nodes(lake: Any, folder: Path, name: str, values: Any, match: str) -> None:
    path = changed(write_nodes(folder / "n.h5", y=np.zeros(3)), put(name, values))
    assert refused(lake, path, match).path == str(path)


def test_groups_that_do_not_hold_their_rows(lake: Any, folder: Path) -> None:
    path = write_nodes(folder / "n.h5", y=np.zeros(3))
    with h5py.File(path, "a") as file:
        file["nodes/cells/node_group_id"], file["nodes/cells/node_group_index"] = [0, 0, 5], [0, 1, 2]
    refused(lake, path, "node_group_id: there is no group 5")
    changed(path, put("nodes/cells/node_group_id", [0, 0, 0]))
    changed(path, put("nodes/cells/node_group_index", [0, 1, 1]))
    refused(lake, path, "node_group_index: it does not number the rows of group 0")


def test_malformed_spikes(lake: Any, folder: Path) -> None:
    refused(
        lake, write_spikes(folder / "a.h5", [1, 2], [0.1]), r"node_ids: its shape is \(2,\), expected \(1,\)"
    )
    refused(lake, write_spikes(folder / "b.h5", [1], [np.nan]), "timestamps: spike 0 has no time")


def test_something_else(lake: Any, folder: Path) -> None:
    with h5py.File(folder / "x.h5", "w") as file:
        file["something"] = 1
    refused(lake, folder / "x.h5", "there is no group nodes, edges, spikes, report or electrodes")
    (folder / "y.h5").write_bytes(b"nothing of HDF5")
    refused(lake, folder / "y.h5", "HDF5 cannot read it")
    refused(lake, folder / "z.h5", "there is no such file")


def whole(folder: Path) -> Path:
    """A file with nodes, edges, spikes and a report."""
    path = write_nodes(folder / "all.h5", mtype=["a", "b", "c"], x=np.arange(3.0))
    write_edges(path, [0, 1, 2], [1, 1, 0], index=([[0, 1], [1, 2]], [[2, 3], [0, 2]]), delay=np.arange(3.0))
    write_spikes(path, [1, 1, 2], [0.1, 0.2, 0.3], sorting=2)
    return write_report(path, np.arange(40, dtype="f4").reshape(4, 10), compressed=True)


def test_files_cut_short(lake: Any, folder: Path) -> None:
    data = whole(folder).read_bytes()
    cut = folder / "cut.h5"
    for length in sorted({0, 1, 8, 100, *range(512, len(data), 1500), len(data) - 1}):
        cut.write_bytes(data[:length])
        assert refused(lake, cut, "HDF5 cannot read it").path == str(cut)


def numbers_in(path: Path) -> list[tuple[int, int, int]]:
    """Offset, count and size of the numbers of each dataset that stands in one piece."""
    found: list[tuple[int, int, int]] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.id.get_offset():
            found.append((item.id.get_offset(), item.size, item.dtype.itemsize))

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_damaged_numbers_are_refused_or_read(lake: Any, folder: Path) -> None:
    """Damage to HDF5's own structures may end the process, which no reader in it can help."""
    data, places = whole(folder).read_bytes(), numbers_in(folder / "all.h5")
    assert len(places) > 12
    rng, path, refusals = random.Random(5), folder / "bad.h5", 0
    for at in range(60):
        damaged = bytearray(data)
        start, count, size = rng.choice(places)
        place = start + size * rng.randrange(count)
        damaged[place : place + size] = rng.choice((rng.randbytes(size), (2).to_bytes(size, "little")))
        path.write_bytes(damaged)
        before = lake.head.commit.id
        try:
            ingest_sonata(lake, path, name=f"n{at}")
        except IngestError as error:
            assert error.path == str(path) and lake.head.commit.id == before
            refusals += 1
    assert 5 < refusals < 60


def test_names_that_are_no_text(lake: Any, folder: Path) -> None:
    with h5py.File(write_nodes(folder / "n.h5"), "a") as file:
        file["nodes/cells/0"].create_dataset(b"\xff\xfe", data=np.zeros(3))
    refused(lake, folder / "n.h5", "the name is not UTF-8")


# Configurations


def circuit(folder: Path) -> dict[str, Any]:
    """A circuit of three cells and three edges between them."""
    write_nodes(folder / "nodes.h5", x=np.arange(3.0))
    write_edges(folder / "edges.h5", [0, 1, 2], [1, 1, 0])
    populations = {"cells": {"type": "biophysical"}}
    return {
        "manifest": {"$BASE": ".", "$NETWORK": "${BASE}/"},
        "networks": {
            "nodes": [
                {"nodes_file": "$NETWORK/nodes.h5", "node_types_file": None, "populations": populations}
            ],
            "edges": [{"edges_file": "$NETWORK/edges.h5"}],
        },
    }


def simulation(folder: Path) -> dict[str, Any]:
    """A simulation of that circuit with all that a configuration names."""
    write_json(folder / "circuit.json", circuit(folder))
    (folder / "out").mkdir()
    write_spikes(folder / "out" / "spikes.h5", [0, 2], [0.1, 0.2], sorting=2)
    write_spikes(folder / "stimulus.h5", [0], [0.1], population="virtual")
    write_report(folder / "out" / "soma.h5", np.ones((3, 2), "f4"))
    write_report(folder / "out" / "i.h5", np.ones((3, 4), "f4"))
    write_weights(folder / "probe.h5", np.ones((3, 2)), {"A": 0})
    with h5py.File(folder / "probe.h5", "a") as file:
        file["cells/node_ids"][...] = [2, 1]
    write_json(folder / "sets.json", {"All": {"population": "cells"}})
    compartments = {"s": {"population": "cells", "compartment_set": [[0, 1, 0.5], [2, 0, 1]]}}
    write_json(folder / "compartments.json", compartments)
    return {
        "network": "circuit.json",
        "run": {"dt": 0.1, "tstop": 0.3, "random_seed": 1},
        "node_sets_file": "sets.json",
        "compartment_sets_file": "compartments.json",
        "inputs": {
            "drive": {"input_type": "spikes", "module": "synapse_replay", "spike_file": "stimulus.h5"}
        },
        "output": {"output_dir": "out", "spikes_file": "spikes.h5"},
        "reports": {
            "soma": {"type": "compartment", "sections": "soma", "variable_name": "v", "unit": "mV"},
            "currents": {"type": "summation", "file_name": "i", "unit": "nA"},
            "lfp": {"type": "lfp", "electrodes_file": "probe.h5", "enabled": False},
        },
    }


def test_all_that_a_simulation_names(lake: Any, folder: Path) -> None:
    path = write_json(folder / "simulation.json", simulation(folder))
    report = ingest_sonata(lake, path, name="n")
    assert not report.notices
    record = lake.head.commit
    assert record.provenance["notes"]["ingest"]["format"] == "sonata"
    kept = {name for name in lake.head if "." not in name.rsplit("/", 1)[-1]}
    assert kept == {
        *("circuits", "nodes/n/cells", "edges/n/joined", "spikes/n/cells", "inputs/n/drive/virtual"),
        *(
            "reports/n/soma/cells",
            "reports/n/currents/cells",
            "electrodes/n/probe/cells",
            "compartment_sets/n",
        ),
    }
    assert lake.head.files["sonata/n/simulation.json"] == path.read_bytes()
    assert {"sonata/n/circuit.json", "sonata/n/sets.json"} <= set(lake.head.files)
    assert columns(lake, "circuits")["configuration"] == ["sonata/n/circuit.json"]
    assert columns(lake, "circuits")["format"] == ["sonata"]
    # The unit is that of the configuration: writers put mV into every file.
    assert lake.head.arrays["reports/n/currents/cells"].attrs["units"] == "nA"
    assert lake.head.arrays["reports/n/soma/cells"].attrs["report"]["sections"] == "soma"
    assert columns(lake, "compartment_sets/n")["offset"] == [0.5, 1.0]
    again = ingest_sonata(lake, path, name="n")
    assert again.commit is None and lake.head.commit.id == record.id and len(again.unchanged) == 11


def test_a_simulation_that_has_not_run_yet(lake: Any, folder: Path) -> None:
    path = write_json(folder / "simulation.json", simulation(folder))
    (folder / "out").rename(folder / "later")
    report = ingest_sonata(lake, path, name="stop")
    assert report.complete and f"none of the results is there ({folder}/out/spikes.h5)" in report.notices[0]
    assert {"nodes/stop/cells", "inputs/stop/drive/virtual"} <= lake.head.keys()
    assert not [name for name in lake.head if name.startswith(("reports/", "spikes/"))]
    report = ingest_sonata(lake, path, name="skip", on_error="skip")
    assert len(report.failures) == 3 and not report.notices and "nodes/skip/cells" in lake.head
    (folder / "later").rename(folder / "out")
    report = ingest_sonata(lake, path, name="stop")
    assert not report.notices and {"spikes/stop/cells", "reports/stop/soma/cells"} <= lake.head.keys()
    (folder / "out" / "i.h5").unlink()
    refused(
        lake, path, f"reports.currents.file_name names {folder}/out/i.h5, which is missing", name="stopped"
    )


def test_a_new_report_joins_its_run(lake: Any, folder: Path) -> None:
    path = write_json(folder / "simulation.json", simulation(folder))
    ingest_sonata(lake, path, name="n")
    wrong = write_report(folder / "later.h5", np.ones((3, 4), "f4"), nodes=(1, 3))
    refused(lake, wrong, "id 3 at position 1, expected 0 to 2", name="n")
    later = write_report(folder / "late.h5", np.ones((3, 4), "f4"))
    report = ingest_sonata(lake, later, name="n")
    assert report.added == ["late.h5"] and "reports/n/late/cells" in lake.head


def test_changed_files_want_another_name(lake: Any, folder: Path) -> None:
    path = write_report(folder / "v.h5", np.ones((3, 4), "f4"))
    ingest_sonata(lake, path, name="n")
    path.unlink()
    write_report(path, np.zeros((3, 4), "f4"))
    refused(lake, path, "changed since it was ingested as 'n'", name="n")
    (folder / "other").mkdir()
    other = write_nodes(write_report(folder / "other" / "w.h5", np.zeros((3, 4), "f4")))
    ingest_sonata(lake, write_nodes(folder / "n.h5"), name="n")
    refused(lake, other, "has a node 'nodes/n/cells' with other content", name="n")


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (["network"], "gone.json", r"network names .*gone\.json, which is missing"),
        (["node_sets_file"], "gone.json", r"node_sets_file names .*gone\.json"),
        (["output", "spikes_file"], "gone.h5", r"output\.spikes_file names .*out/gone\.h5"),
        (["reports", "soma", "file_name"], "gone", r"reports\.soma\.file_name names .*out/gone\.h5"),
        (["reports", "lfp", "electrodes_file"], "gone.h5", r"reports\.lfp\.electrodes_file names"),
        (["inputs", "drive", "spike_file"], "gone.h5", r"inputs\.drive\.spike_file names"),
        (["node_sets_file"], "$NOWHERE/x.json", r"node_sets_file: the manifest has no \$NOWHERE"),
        (["node_sets_file"], 7, "node_sets_file must be a path, not 7"),
        (["output"], [], "output must be an object"),
        (["reports", "soma"], "v", r"reports\.soma must be an object"),
        (["manifest"], {"$A": "$B", "$B": "$A"}, None),
        (["network"], "simulation.json", "network names this file itself"),
    ],
)
def test_configurations_that_name_what_is_not_there(
    lake: Any, folder: Path, keys: list[str], value: Any, match: str | None
) -> None:
    content = simulation(folder)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    if match is None:
        content["node_sets_file"], match = "$A/x.json", "name each other without end"
    path = write_json(folder / "simulation.json", content)
    assert refused(lake, path, match).path == str(path)


def test_malformed_text_has_its_line(lake: Any, folder: Path) -> None:
    (folder / "a.json").write_text('{"run": {},\n "network": }\n')
    assert refused(lake, folder / "a.json", "no JSON").line == 2
    refused(lake, write_json(folder / "b.json", [1]), "expected a JSON object")
    refused(lake, write_json(folder / "c.json", {"a": 1}), "neither a circuit")
    content = circuit(folder)
    content["networks"]["nodes"][0]["node_types_file"] = "types.csv"
    path = write_json(folder / "d.json", content)
    for text, line, match in (
        ("node_type_id a\n-1 2 3\n", 2, "3 fields, the header has 2"),
        ("a b\n1 2\n", 1, "no column node_type_id"),
        ("node_type_id a\n1 2\n\nx 3\n", 4, "'x' is not a whole number"),
        ("node_type_id a\n1 2\n1 3\n", 3, "type 1 is there twice"),
        ("node_type_id a\n1 2\n", None, "type -1 is used but missing"),
    ):
        (folder / "types.csv").write_text(text)
        error = refused(lake, path, match)
        assert (error.path, error.line) == (str(folder / "types.csv"), line)


def test_ids_beyond_their_population(lake: Any, folder: Path) -> None:
    content = circuit(folder)
    (folder / "edges.h5").unlink()
    write_edges(folder / "edges.h5", [0, 3], [1, 1])
    path = write_json(folder / "c.json", content)
    error = refused(lake, path, "/edges/joined/source_node_id: id 3 at position 1, expected 0 to 2")
    assert error.path == str(folder / "edges.h5")


def test_populations_that_are_not_there(lake: Any, folder: Path) -> None:
    content = circuit(folder)
    content["networks"]["nodes"][0]["populations"]["others"] = {}
    refused(lake, write_json(folder / "c.json", content), "has no population 'others'")


@pytest.mark.parametrize("entry", [[3, 0, 0.5], [0, 0, 1.5], [0, 0], [0, -1, 0.5], ["a", 0, 0]])
def test_malformed_compartment_sets(lake: Any, folder: Path, entry: list[Any]) -> None:
    content = simulation(folder)
    sets = {"s": {"population": "cells", "compartment_set": [[0, 0, 0], entry]}}
    path = write_json(folder / "compartments.json", sets)
    error = refused(lake, write_json(folder / "simulation.json", content), "s: entry 1 is")
    assert error.path == str(path)


def test_what_is_bad_can_be_skipped(lake: Any, folder: Path) -> None:
    content = simulation(folder)
    content["reports"]["soma"]["file_name"] = "gone"
    changed(folder / "out" / "i.h5", put(f"{MAPPING}node_ids", np.array([1, 1])))
    changed(folder / "nodes.h5", put("nodes/cells/0/x", np.zeros(9)))
    path = write_json(folder / "simulation.json", content)
    report = ingest_sonata(lake, path, name="n", on_error="skip")
    assert [str(error).rsplit(": ", 1)[-1].split(",")[0] for _, error in report.failures] == [
        f"reports.soma.file_name names {folder}/out/gone.h5",
        "a node is there twice",
    ]
    assert "no column" in report.notices[0] and not report.complete
    assert not [name for name in lake.head if name.startswith("reports/")]
    assert "x" not in lake.head.tables["nodes/n/cells"].columns


def test_options_are_checked(lake: Any, folder: Path) -> None:
    path = write_nodes(folder / "n.h5")
    for options in ({"on_error": "go"}, {"electrodes": "volts"}):
        with pytest.raises(InputError, match="on_error is"):
            ingest_sonata(lake, path, **options)


def test_without_h5py(lake: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nodes(folder / "n.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'neurolake\[sonata\]'"):
        ingest_sonata(lake, path)


# What became nothing is told


def test_spikes_from_before_populations(lake: Any, folder: Path, tmp_path: Path) -> None:
    import h5py

    path = folder / "spikes.h5"
    with h5py.File(path, "w") as file:
        file["spikes/gids"] = np.array([3, 1, 2], np.uint64)
        file["spikes/timestamps"] = np.array([0.5, 1.5, 2.5])
    done = ingest_sonata(lake, path, name="old")
    assert not done.notices and lake["spikes/old/unknown"].to_arrow().to_pydict() == {
        "node_id": [3, 1, 2],
        "time": [0.5, 1.5, 2.5],
    }
    neurolake.export(lake, tmp_path / "out", format="sonata")
    with h5py.File(tmp_path / "out" / "spikes.h5") as file:
        assert file["spikes/gids"][:].tolist() == [3, 1, 2] and file["spikes/gids"].dtype == np.uint64


def test_a_dataset_that_nothing_was_made_of_is_told(lake: Any, folder: Path) -> None:
    import h5py

    path = folder / "spikes.h5"
    with h5py.File(path, "w") as file:
        file["spikes/A/node_ids"] = np.array([1], np.uint64)
        file["spikes/A/timestamps"] = np.array([0.5])
        file["spikes/A/amplitudes"] = np.array([7.0])
    (notice,) = ingest_sonata(lake, path, name="n").notices
    assert "no table or array was made of /spikes/A/amplitudes" in notice


def test_inputs_of_several_sessions(lake: Any, folder: Path) -> None:
    import h5py

    for number in (0, 1):
        with h5py.File(folder / f"in{number}.h5", "w") as file:
            file["spikes/A/node_ids"] = np.array([number], np.uint64)
            file["spikes/A/timestamps"] = np.array([0.5])
    inputs = {
        "lgn": {"input_type": "spikes", "module": "h5", "input_file": ["in0.h5", "in1.h5"], "node_set": "all"}
    }
    write_json(folder / "simulation_config.json", {"inputs": inputs, "run": {"tstop": 1.0, "dt": 0.1}})
    ingest_sonata(lake, folder / "simulation_config.json", name="s")
    assert [lake[f"inputs/s/lgn_{number}/A"].to_arrow()["node_id"].to_pylist() for number in (0, 1)] == [
        [0],
        [1],
    ]
