"""What is written opens in libsonata and bluepysnap, and says what the source said."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import h5py
import libsonata
import numpy as np
import pytest
from lake_vocabulary import strangers
from sonata_files import write_edges, write_nodes, write_report, write_spikes

import neurolake
from neurolake.ingest.sonata.export import export_sonata
from neurolake.ingest.sonata.ingest import ingest_sonata
from neurolake.lake.errors import InputError, NotFoundError, StorageError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import bluepysnap

RING = "sonata/neurodamus_ringtest"
KINDS = {
    "compartment_v": ("compartment", "v", "mV"),
    "compartment_i_membrane": ("compartment", "i_membrane", "nA"),
    "compartment_set_A_v": ("compartment_set", "v", "mV"),
    "summation_i_membrane_IClamp": ("summation", "i_membrane,IClamp", "nA"),
    "summation_v": ("summation", "v", "mV"),
}


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


@pytest.fixture
def ring(shared_data: Path, tmp_path: Path) -> Path:
    """The ring test with reports of all kinds, spikes, stimuli, weights and sets: its configuration."""
    folder = tmp_path / "ring"
    shutil.copytree(shared_data / RING, folder, copy_function=shutil.copyfile)
    sets, cells = {"compartment_set": "csA"}, {"cells": "Mosaic", "sections": "all"}
    times = {"dt": 1.0, "start_time": 0.0, "end_time": 40.0}
    reports = {
        name: {
            "type": kind,
            "variable_name": variable,
            "unit": unit,
            **(sets if kind == "compartment_set" else cells),
            **times,
        }
        for name, (kind, variable, unit) in KINDS.items()
    }
    content = json.loads((folder / "simulation_config.json").read_text())
    content |= {
        "output": {"output_dir": "reference/reports", "spikes_file": "../../input_spikes.h5"},
        "compartment_sets_file": "compartment_sets.json",
        "reports": reports,
    }
    reports["lfp"] = {
        "type": "lfp",
        "unit": "mV",
        "cells": "Mosaic",
        "dt": 0.1,
        "start_time": 0.0,
        "end_time": 2.0,
        "electrodes_file": "lfp_file.h5",
        "file_name": "../lfp_reports/lfp_single_A",
    }
    (folder / "simulation_config.json").write_text(json.dumps(content))
    return folder / "simulation_config.json"


def same_report(one: Path, other: Path, population: str, atol: float = 0) -> None:
    """Equal data, ids and times, as libsonata reads them."""
    first, second = (libsonata.ElementReportReader(str(path))[population].get() for path in (one, other))
    np.testing.assert_array_equal(first.data, second.data)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.times, second.times, rtol=0, atol=atol)


@pytest.mark.parametrize("dialect", ["source", "libsonata"])
def test_the_ring_opens(lake: Any, ring: Path, tmp_path: Path, dialect: str) -> None:
    ingest_sonata(lake, ring, name="ring")
    out = tmp_path / "out"
    export_sonata(lake.head, out, dialect=dialect)
    before, after = (
        bluepysnap.Simulation(str(path / "simulation_config.json")) for path in (ring.parent, out)
    )
    # bluepysnap makes all reports at once, and knows neither sets of compartments nor lfp.
    config = libsonata.SimulationConfig.from_file(str(out / "simulation_config.json"))
    assert config.list_report_names == {*KINDS, "lfp"}
    assert set(after.circuit.nodes) == set(before.circuit.nodes) == {"RingA", "RingB"}
    for population in ("RingA", "RingB"):
        nodes = before.circuit.nodes[population].get()
        names = set(nodes) - {"population", "node_id"}
        found = after.circuit.nodes[population].get(properties=sorted(names))
        assert found.equals(nodes[sorted(names)])
    for population in before.circuit.edges:
        edges, found = (one.circuit.edges[population] for one in (before, after))
        for node in (0, 1):
            assert found.afferent_nodes(node).tolist() == edges.afferent_nodes(node).tolist()
            assert found.efferent_nodes(node).tolist() == edges.efferent_nodes(node).tolist()
        names = sorted(edges.property_names)
        assert found.get(range(edges.size), names).equals(edges.get(range(edges.size), names))
    assert after.spikes["RingA"].get().equals(before.spikes["RingA"].get())
    folder = out / ("reference/reports" if dialect == "source" else "reports")
    for name, (kind, _, unit) in KINDS.items():
        for population in libsonata.ElementReportReader(str(folder / f"{name}.h5")).get_population_names():
            same_report(ring.parent / f"reference/reports/{name}.h5", folder / f"{name}.h5", population, 1e-9)
        found = config.report(name)
        assert found.type.name == kind and found.unit == unit
    weights = out / ("lfp_file.h5" if dialect == "source" else "electrodes/lfp_file.h5")
    for population in ("RingA", "RingB"):
        first, second = (
            libsonata.ElectrodeReader(str(path)).open_population(population).get()
            for path in (ring.parent / "lfp_file.h5", weights)
        )
        np.testing.assert_array_equal(first.data, second.data)
        np.testing.assert_array_equal(first.ids, second.ids)
    assert list(strangers(lake)) == []


@pytest.mark.parametrize("dialect", ["source", "libsonata"])
def test_a_compartment_report_opens(lake: Any, shared_data: Path, tmp_path: Path, dialect: str) -> None:
    source = shared_data / "lfp" / "br_e2e" / "simulation_config.json"
    ingest_sonata(lake, source, on_error="skip")
    export_sonata(lake.head, tmp_path / "out", dialect=dialect)
    before, after = (
        bluepysnap.Simulation(str(path))
        .reports["compartment"]["S1nonbarrel_neurons"]
        .get(group={"mtype": "L5_TPC:A"})
        for path in (source, tmp_path / "out" / "simulation_config.json")
    )
    assert before.shape == (5, 3297)
    np.testing.assert_array_equal(after.to_numpy(), before.to_numpy())
    assert after.columns.equals(before.columns)


def test_a_bmtk_circuit_opens_in_libsonatas_tools(lake: Any, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "sonata" / "bmtk_bio_1cell"
    ingest_sonata(lake, folder / "config.simulation_syns.json", name="syns")
    export_sonata(lake.head, tmp_path / "out", dialect="libsonata")
    simulation = bluepysnap.Simulation(str(tmp_path / "out" / "simulation_config.json"))
    cell = simulation.circuit.nodes["biocell"].get().iloc[0]
    assert cell["model_template"] == "nml:Cell_472363762.cell.nml" and cell["tuning_angle"] > 195
    edges = simulation.circuit.edges["virt_to_biocell"]
    assert edges.afferent_edges(0).tolist() == list(range(12))
    with h5py.File(folder / "network" / "virt_biocell_edges.h5") as file:
        positions = file["edges/virt_to_biocell/0/afferent_section_pos"][...]
    np.testing.assert_array_equal(edges.get(range(12), "afferent_section_pos"), positions)
    assert set(edges.get(range(12), "syn_weight")) == {0.035}
    with h5py.File(folder / "output_syns" / "spikes.h5") as file:
        times = file["spikes/biocell/timestamps"][...]
    np.testing.assert_array_equal(sorted(simulation.spikes["biocell"].get().index), sorted(times))
    with h5py.File(folder / "output_syns" / "membrane_potential.h5") as file:
        voltage = file["report/biocell/data"][...]
    found = simulation.reports["membrane_potential"]["biocell"].get()
    np.testing.assert_array_equal(found.to_numpy(), voltage.astype(np.float32))


def test_weights_open(lake: Any, shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "lfp" / "neuron_sonata" / "electrodes_line.h5"
    ingest_sonata(lake, path, name="probe")
    export_sonata(lake.head, tmp_path / "out", dialect="libsonata")
    first, second = (
        libsonata.ElectrodeReader(str(file)).open_population("cell")
        for file in (path, tmp_path / "out" / "electrodes" / "electrodes_line.h5")
    )
    assert first.electrode_names == second.electrode_names and first.electrode_types == second.electrode_types
    np.testing.assert_array_equal(first.electrode_positions, second.electrode_positions)
    np.testing.assert_array_equal(first.get().data, second.get().data)


def test_what_libsonatas_dialect_cannot_say(lake: Any, shared_data: Path, tmp_path: Path) -> None:
    ingest_sonata(
        lake, shared_data / "lfp" / "br_e2e" / "coeffs.h5", name="volts", electrodes="bluerecording"
    )
    with pytest.raises(InputError, match="is in V/nA, SONATA has mV/nA"):
        export_sonata(lake.head, tmp_path / "out", runs=["volts"], dialect="libsonata")
    path = tmp_path / "odd.h5"
    with h5py.File(write_nodes(path), "a") as file:
        file["nodes/cells/node_id"] = [2, 0, 1]
    ingest_sonata(lake, path, name="odd")
    with pytest.raises(InputError, match="libsonata numbers nodes 0, 1, 2"):
        export_sonata(lake.head, tmp_path / "out", runs=["odd"], dialect="libsonata")


def test_gaps_in_attributes(lake: Any, tmp_path: Path) -> None:
    """Several groups become one, in which text and real numbers can lack, and whole numbers cannot."""
    for name, values in (("real", np.array([1.5])), ("whole", np.array([1]))):
        path = tmp_path / f"{name}.h5"
        with h5py.File(write_nodes(path), "a") as file:
            group = file["nodes/cells"]
            group["node_group_id"], group["node_group_index"] = [1, 0, 0], [0, 1, 0]
            group["0/label"] = ["b", "a"]
            group["1/v"] = values
        ingest_sonata(lake, path, name=name)
    export_sonata(lake.head, tmp_path / "out", runs=["real"], dialect="libsonata")
    nodes = libsonata.NodeStorage(str(tmp_path / "out" / "nodes.h5")).open_population("cells")
    assert nodes.get_attribute("label", nodes.select_all()).tolist() == ["", "a", "b"]
    np.testing.assert_array_equal(nodes.get_attribute("v", nodes.select_all()), [1.5, np.nan, np.nan])
    with pytest.raises(InputError, match="some nodes or edges have no v"):
        export_sonata(lake.head, tmp_path / "no", runs=["whole"], dialect="libsonata")
    assert not (tmp_path / "no").exists()


def test_edges_of_any_order_keep_their_numbers(lake: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    source, target = rng.integers(0, 9, 300), rng.integers(0, 7, 300)
    path = write_edges(tmp_path / "e.h5", source, target, nodes="cells", delay=rng.random(300))
    ingest_sonata(lake, path, name="e")
    export_sonata(lake.head, tmp_path / "out", dialect="libsonata")
    edges = libsonata.EdgeStorage(str(tmp_path / "out" / "edges.h5")).open_population("joined")
    for node in range(9):
        assert edges.efferent_edges(node).flatten().tolist() == np.flatnonzero(source == node).tolist()
        assert edges.afferent_edges(node).flatten().tolist() == np.flatnonzero(target == node).tolist()
    with h5py.File(path) as file:
        delay = file["edges/joined/0/delay"][...]
    np.testing.assert_array_equal(edges.get_attribute("delay", edges.select_all()), delay)


def test_all_files_or_none(lake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        path = write_spikes(write_report(tmp_path / f"{name}.h5", np.ones((3, 4), "f4")), [1], [0.1])
        ingest_sonata(lake, path, name=name)
    files, size = export_sonata(lake.head, tmp_path / "both")
    assert files == 2 and size == sum(
        (tmp_path / "both" / name / f"{name}.h5").stat().st_size for name in "ab"
    )
    with pytest.raises(InputError, match="not an empty folder"):
        export_sonata(lake.head, tmp_path / "both")
    with pytest.raises(NotFoundError, match="no run 'c'; there are: a, b"):
        export_sonata(lake.head, tmp_path / "c", runs=["c"])
    with pytest.raises(InputError, match="dialect is one of"):
        export_sonata(lake.head, tmp_path / "c", dialect="nest")

    def full(*_: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr("neurolake.ingest.sonata.export._copy", full)
    with pytest.raises(StorageError, match="no room"):
        export_sonata(lake.head, tmp_path / "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5", "both", "lake"]


def test_nothing_of_sonata(lake: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing of SONATA"):
        export_sonata(lake.head, tmp_path / "out")


def test_commands(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from neurolake.cli import app

    write_nodes(tmp_path / "n.h5")
    lake, out = str(tmp_path / "made"), str(tmp_path / "out")
    ingest = ["ingest", "sonata", str(tmp_path / "n.h5"), "--lake", lake, "--name", "n"]
    assert "Ingested 1 file " in CliRunner().invoke(app, ingest).output
    assert "Nothing new" in CliRunner().invoke(app, ingest).output
    wrote = CliRunner().invoke(app, ["export", "sonata", out, "--lake", lake, "--dialect", "libsonata"])
    assert "Wrote 3 files" in wrote.output and (tmp_path / "out" / "nodes.h5").is_file()
    simulation = {"run": {}, "output": {"spikes_file": "gone.h5"}}
    (tmp_path / "s.json").write_text(json.dumps(simulation))
    skipped = [
        "ingest",
        "sonata",
        str(tmp_path / "s.json"),
        "--lake",
        lake,
        "--name",
        "s",
        "--on-error",
        "skip",
    ]
    done = CliRunner().invoke(app, skipped)
    assert done.exit_code == 3 and "output.spikes_file names" in done.output
