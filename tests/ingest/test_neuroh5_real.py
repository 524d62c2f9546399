"""Real NeuroH5, which MiV-Simulator wrote: every value in the lake, every dataset out again."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from neuroh5_checks import check_cells, check_edges, check_trees
from neuroh5_files import contents, read_network

import neurolake as nl
from neurolake.ingest.lfp.segments import place_segments
from neurolake.ingest.neuroh5.export import export_neuroh5
from neurolake.ingest.neuroh5.ingest import ingest_neuroh5
from neurolake.ingest.sonata.export import export_sonata

# Their trees are those of other cells than the network's.
APART = ("synthetic_trees",)
EDGES = {
    ("STIM", "PYR"): 9759,
    ("PYR", "PYR"): 9766,
    ("PVBC", "PYR"): 367,
    ("OLM", "PYR"): 659,
    ("STIM", "PVBC"): 1322,
    ("PYR", "PVBC"): 1271,
    ("PVBC", "PVBC"): 929,
    ("OLM", "PVBC"): 25,
    ("PYR", "OLM"): 1241,
    ("PVBC", "OLM"): 408,
}


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "neuroh5"


@pytest.fixture(scope="module")
def lake(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lake with all files of the network together, and the others under names of their own."""
    lake = nl.create(tmp_path_factory.mktemp("miv") / "lake", durable=False)
    files = sorted(folder.glob("*.h5"))
    report = ingest_neuroh5(lake, [path for path in files if path.stem not in APART], name="net")
    assert len(report.added) == 8 and report.notices == []
    for name in APART:
        ingest_neuroh5(lake, folder / f"{name}.h5", name=name)
    return lake


def test_counts(lake: Any) -> None:
    circuit = nl.circuit(lake, "net")
    assert circuit.counts["nodes"] == {"STIM": 8, "PYR": 4, "PVBC": 3, "OLM": 3}
    assert circuit.counts["edges"] == {
        f"{source}__{target}": count for (source, target), count in EDGES.items()
    }
    rows = {name: table.rows for name, table in lake.head.tables.items()}
    assert {name: rows[f"synapses/net/{name}"] for name in ("PYR", "PVBC", "OLM")} == {
        "PYR": 20551,
        "PVBC": 3547,
        "OLM": 1649,
    }
    assert {name: rows[f"spikes/net/{name}"] for name in ("STIM", "PYR", "PVBC", "OLM")} == {
        "STIM": 292,
        "PYR": 29,
        "PVBC": 59,
        "OLM": 58,
    }
    # Ten cells have three distinct trees, which files of a forest repeat for each.
    morphologies = lake.sql('select count(distinct morphology) from "morphologies/net.points"').fetchall()
    assert morphologies == [(3,)] and rows["morphologies/net.points"] == 10346 + 1820 + 954


def test_every_value_is_that_of_the_file(lake: Any, folder: Path) -> None:
    seen = {
        table
        for path in sorted(folder.glob("*.h5"))
        if path.stem not in APART
        for table in check_cells(lake, path)
    }
    assert len(seen) == 4 + 3 + 4 + 1 + 4 + 2
    assert check_edges(lake, folder / "connections.h5") == EDGES
    assert check_trees(lake, folder / "cells.h5") == 10


def test_recordings(lake: Any, folder: Path) -> None:
    cells = read_network(folder / "results.h5")["cells"]
    for population, namespace in (("PYR", "soma.0"), ("PYR", "soma.1"), ("PVBC", "soma"), ("OLM", "soma")):
        name = f"Intracellular {namespace}"
        report = nl.circuit(lake, "net").reports[f"{name} v/{population}"]
        assert (report.t_start, report.dt) == (-250.0, 0.1)
        data, ids, _ = report.get()
        axis = lake.head.arrays[f"reports/net/{name} v/{population}.time"][:]
        for column, cell in enumerate(ids[:, 0].tolist()):
            assert data[:, column].tolist() == cells[population, name, "v"][cell]
            assert axis.tolist() == cells[population, name, "t"][cell]
    potentials = lake.head.arrays["lfp/net/electrodes"]
    with h5py.File(folder / "results.h5") as file:
        for column in range(2):
            group = file[f"Local Field Potential Electrode {column}"]
            assert np.array_equal(potentials[:, column], group["v"][()])
            assert np.array_equal(lake.head.arrays["lfp/net/electrodes.time"][:], group["t"][()])


def test_files_come_out_as_they_went_in(lake: Any, folder: Path, tmp_path: Path) -> None:
    """Values, types with their names, links, attributes; of every dataset of every file."""
    for name in ("net", *APART):
        export_neuroh5(lake.head, tmp_path / name, name=name)
    written = sorted(path for path in tmp_path.rglob("*.h5"))
    assert len(written) == len([*folder.glob("*.h5")]) == 9
    for path in written:
        assert contents(path) == contents(folder / path.name), path.name


def test_collapsed_files_say_the_same(lake: Any, folder: Path, tmp_path: Path) -> None:
    """Cells and Connections that are made of the tables hold what MiV's files hold."""
    export_neuroh5(lake.head, tmp_path / "out", name="net", dialect="collapsed")
    made = {path.stem: read_network(path) for path in (tmp_path / "out").iterdir()}
    cells = {key: values for found in made.values() for key, values in found["cells"].items()}
    for name in ("cells", "connections", "input_spikes", "results"):
        source = read_network(folder / f"{name}.h5")
        assert made[name]["gids"] == source["gids"] and made[name]["valid"] == source["valid"]
        assert source["cells"] == {key: cells[key] for key in source["cells"]}
        assert {
            pair: [{**edge, "edge": 0} for edge in told] for pair, told in made[name]["edges"].items()
        } == {pair: [{**edge, "edge": 0} for edge in told] for pair, told in source["edges"].items()}


def test_each_file_alone(folder: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    for path in sorted(folder.glob("*.h5")):
        nl.ingest(lake, path)
        nl.export(lake, tmp_path / path.stem, format="neuroh5", name=path.stem)
        assert contents(tmp_path / path.stem / path.name) == contents(path), path.name


def test_other_verbs(lake: Any, tmp_path: Path) -> None:
    """libsonata and bluepysnap open what is exported; segments and coefficients are made of the trees."""
    snap = pytest.importorskip("bluepysnap")
    export_sonata(lake.head, tmp_path / "sonata", runs=["net"], dialect="libsonata")
    circuit = snap.Circuit(str(tmp_path / "sonata/circuit_config.json"))
    assert circuit.nodes["PYR"].size == 4 and circuit.edges["STIM__PYR"].size == 9759
    table = lake.head.tables["edges/net/STIM__PYR"].to_arrow().to_pandas()
    edges = circuit.edges["STIM__PYR"].afferent_edges(2, properties=["synapse_id", "distance"])
    mine = table[table["target_node_id"] == 2]
    assert sorted(edges["synapse_id"]) == sorted(mine["synapse_id"])
    morphology = circuit.nodes["PVBC"].morph.get(1)
    assert len(morphology.points) + len(morphology.soma.points) == 1820
    place_segments(lake, "nodes/net/PYR")
    segments = lake.head.tables["segments/PYR"].to_arrow().to_pandas()
    assert segments.groupby("node_id")["section_id"].nunique().tolist() == [167] * 4
    assert np.isfinite(
        np.asarray(lake.head.lfp.coefficients("segments/PYR", [[0.0, 0.0, 0.0]], "line"))
    ).all()
