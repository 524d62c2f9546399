"""The front door: what a path is, which format brings it in, and what the report says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from neuroh5_files import write_types
from ngv_files import write_circuit
from simrun_trees import Run, digests, read_lake, read_tree, write_run

import neurolake as nl
from neurolake.ingest.formats import SOURCES, named, recognised
from neurolake.ingest.simrun.ingest import ingest_simrun

SWC = "1 1 0 0 0 5 -1\n2 3 0 5 0 1 1\n3 3 0 105 0 1 2\n"
PROBE = {
    "specification": "probeinterface",
    "probes": [
        {"ndim": 2, "si_units": "um", "contact_positions": [[0, 1], [2, 3]], "contact_ids": ["a", "b"]}
    ],
}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """A path of every format, by what it is in words."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path / "sources"
    write_run(folder / "tree" / "stim_C2", Run(seed=1))
    write_run(folder / "running" / "x_running", Run(seed=1))
    circuit, shapes = folder / "circuit", folder / "shapes"
    circuit.mkdir()
    shapes.mkdir()
    with h5py.File(circuit / "nodes.h5", "w") as file:
        group = file.create_group("nodes/cells")
        group["node_type_id"] = np.zeros(2, np.int64)
        group["0/x"] = np.array([0.0, 100.0])
        group["0/morphology"] = np.array([b"cell"] * 2)
    nodes = [{"nodes_file": "nodes.h5"}]
    (circuit / "circuit_config.json").write_text(json.dumps({"networks": {"nodes": nodes, "edges": []}}))
    (circuit / "simulation_config.json").write_text(json.dumps({"network": "circuit_config.json", "run": {}}))
    (shapes / "cell.swc").write_text(SWC)
    (folder / "probe.csv").write_text("name,x,y,z\na,50,0,0\nb,50,100,0\n")
    (folder / "bmtk.csv").write_text("channel x_pos y_pos z_pos\n0 50 0 0\n")
    (folder / "probe.json").write_text(json.dumps(PROBE))
    (folder / "contacts.json").write_text(json.dumps([{"name": "a", "x": 50, "y": 0, "z": 0}]))
    with h5py.File(folder / "field.h5", "w") as file:
        file["CurrentApplied"] = 1.0
        for axis in "xyz":
            file[f"Meshes/mesh/axis_{axis}"] = np.array([0.0, 1e-6])
        file["FieldGroups/g/AllFields/EM Potential(x,y,z,f0)/_Object/Snapshots/0/comp0"] = np.ones(
            (2, 2, 2, 2)
        )
    with h5py.File(folder / "net.h5", "w") as file:
        write_types(file)
        file.create_group("Projections")
    glia = write_circuit(folder / "glia")
    return {
        "a folder of simrun results of the In Silico Framework": folder / "tree",
        "a SONATA simulation configuration": circuit / "simulation_config.json",
        "a SONATA circuit configuration": circuit / "circuit_config.json",
        "a folder with simulation_config.json, a SONATA simulation configuration": circuit,
        "a SONATA file of nodes": circuit / "nodes.h5",
        "a NeuroH5 file of projections": folder / "net.h5",
        "electrodes in BlueRecording's CSV": folder / "probe.csv",
        "electrodes in BlueRecording's JSON": folder / "contacts.json",
        "electrodes in bmtk's CSV": folder / "bmtk.csv",
        "electrodes in probeinterface's JSON": folder / "probe.json",
        "a field that Sim4Life exported": folder / "field.h5",
        "a folder of 1 morphologies": shapes,
        "a configuration of a circuit of neurons, glia and vessels": glia,
        "a folder with ngv_config.json, a circuit of neurons, glia and vessels": glia.parent,
        "domains of astrocytes": glia.parent / "microdomains.h5",
    }


def test_every_format_is_recognised(sources: dict[str, Path]) -> None:
    assert {recognised(path)[1]: path for path in sources.values()} == sources
    assert {recognised(path)[0].name for path in sources.values()} == {source.name for source in SOURCES}
    running = next(iter(sources.values())).parent / "running"
    assert recognised(running)[0].name == "simrun"


def test_one_call_brings_every_format_in(sources: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("morphio")
    lake, made = nl.create(tmp_path / "lake", durable=False), {}
    for path in sources.values():
        options: dict[str, Any] = {"nodes": "nodes/circuit/cells"} if path.name == "shapes" else {}
        report = nl.ingest(lake, path, **options)
        assert report.complete and report.lake == lake.url and set(report.nodes) <= set(lake)
        # The files of a circuit are there already when another configuration names them.
        assert report.commit is None or lake.head.commit.id == report.commit
        made[path.name] = report
    assert lake["electrodes/probe"].to_pandas()["x"].tolist() == [0.0, 2.0]  # probe.json came last
    assert lake["electrodes/bmtk"].to_pandas()["x"].tolist() == [50.0]
    assert lake["nodes/circuit/cells"].to_pandas()["x"].tolist() == [0.0, 100.0]
    assert lake["fields/field/potential"][...].tolist() == np.full((2, 2, 2), 1e3).tolist()
    assert made["shapes"].nodes == ["segments/cells"] and made["shapes"].added == ["cell.swc"]
    assert lake["segments/cells"].to_pandas()["node_id"].value_counts().to_dict() == {0: 4, 1: 4}
    assert made["tree"].trials == 2 and made["tree"].unit == "run directories"
    for path in sources.values():
        if path.name != "probe.csv":  # another probe has its name now
            options = {"nodes": "nodes/circuit/cells"} if path.name == "shapes" else {}
            again = nl.ingest(lake, path, **options)
            assert again.commit is None and again.added == [] and again.unchanged
            assert again.summary().startswith("Nothing new: the lake has ")


def test_the_door_does_what_the_format_does(sources: dict[str, Path], tmp_path: Path) -> None:
    """A lake at a path that is missing is made; labels and thresholds arrive; export writes the tree again."""
    tree = next(iter(sources.values()))
    labels = {"whisker": "stim_(..)"}
    report = nl.ingest(tmp_path / "lake", tree, labels=labels, soma_threshold=-40.0, message="Mine")
    lake, other = nl.open(tmp_path / "lake"), nl.create(tmp_path / "other", durable=False)
    ingest_simrun(other, tree, labels=labels, soma_threshold=-40.0, message="Mine")
    assert digests(lake.head) == digests(other.head) and lake.head.commit.message == "Mine"
    assert lake.sql("select distinct whisker from trials").fetchall() == [("C2",)]
    assert read_lake(lake.head) == read_tree(tree)
    written = nl.export(lake, tmp_path / "copy", format="simrun")
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert written == (len(files), sum(path.stat().st_size for path in files))
    assert nl.ingest(lake, tmp_path / "copy").commit is None
    assert nl.export(tmp_path / "lake", tmp_path / "again", format="simrun", at="main") == written
    assert nl.export(lake.head, tmp_path / "third", format="simrun") == written
    assert str(report).splitlines()[0].startswith("Ingested 2 trials of 1 run directory (")
    assert (
        repr(report) == f"<Ingested simrun: 2 trials of 1 run directory, commit {lake.head.commit.id[:12]}>"
    )


def test_branches(sources: dict[str, Path], tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    lake.branches.create("new")
    for path in sources.values():
        if path.name != "shapes":
            nl.ingest(lake, path, branch="new")
    assert list(lake) == [] and {"trials", "nodes/circuit/cells", "electrodes/probe"} <= set(lake.at("new"))


def test_what_nothing_recognises(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "list.json").write_text('{"a": 1}')
    (tmp_path / "empty").mkdir()
    for name in ("notes.txt", "table.csv", "list.json", "empty"):
        with pytest.raises(nl.InputError, match=f"{name}: no format recognises it") as told:
            nl.ingest(tmp_path / "lake", tmp_path / name)
        assert [line.split(":")[0].strip() for line in str(told.value).splitlines()[1:]] == [
            source.name for source in SOURCES
        ]
    with pytest.raises(nl.InputError, match="no such file or folder"):
        nl.ingest(tmp_path / "lake", tmp_path / "gone")
    assert not (tmp_path / "lake").exists()


def test_what_several_recognise(sources: dict[str, Path], tmp_path: Path) -> None:
    tree = next(iter(sources.values()))
    (tree / "cell.swc").write_text(SWC)
    with pytest.raises(nl.InputError, match=r"several things: .*'simrun'.*morphologies.*format='simrun'"):
        nl.ingest(tmp_path / "lake", tree)
    assert nl.ingest(tmp_path / "lake", tree, format="simrun").trials == 2
    circuit = sources["a SONATA circuit configuration"]
    (circuit.parent / "other.json").write_text((circuit.parent / "simulation_config.json").read_text())
    with pytest.raises(nl.IngestError, match=r"several SONATA configurations: other.json, simulation_config"):
        nl.ingest(tmp_path / "lake", circuit.parent)


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(nl.IngestError, match=r"cut.h5: HDF5 cannot read it"):
        nl.ingest(tmp_path / "lake", tmp_path / "cut.h5")
    (tmp_path / "cut.json").write_text('{"run": {')
    with pytest.raises(nl.IngestError, match=r"cut.json:1: no JSON"):
        nl.ingest(tmp_path / "lake", tmp_path / "cut.json")


def test_options_of_another_format(sources: dict[str, Path], tmp_path: Path) -> None:
    tree = next(iter(sources.values()))
    with pytest.raises(nl.InputError, match=r"format simrun has no option 'electrodes'; it has: .*labels"):
        nl.ingest(tmp_path / "lake", tree, electrodes="bluerecording")
    with pytest.raises(nl.InputError, match="no format 'csv'; there are: simrun, sonata"):
        nl.ingest(tmp_path / "lake", tree, format="csv")
    assert not (tmp_path / "lake").exists()
    nl.ingest(tmp_path / "lake", tree)
    with pytest.raises(nl.InputError, match="format simrun has no option 'dialect'"):
        nl.export(tmp_path / "lake", tmp_path / "copy", format="simrun", dialect="libsonata")
    with pytest.raises(nl.InputError, match="nothing is written in the format field"):
        nl.export(tmp_path / "lake", tmp_path / "copy", format="field")  # type: ignore[arg-type]
    with pytest.raises(nl.NotFoundError):
        nl.export(tmp_path / "nowhere", tmp_path / "copy", format="simrun")
    with pytest.raises(nl.InputError, match="needs coefficients"):
        nl.export(tmp_path / "lake", tmp_path / "copy", format="electrodes")


def test_morphologies_without_cells_say_which_there_are(sources: dict[str, Path], tmp_path: Path) -> None:
    lake, shapes = nl.create(tmp_path / "lake", durable=False), sources["a folder of 1 morphologies"]
    with pytest.raises(nl.InputError, match="ingest the circuit first"):
        nl.ingest(lake, shapes)
    with lake.transaction("Store") as transaction:
        transaction.write_table("nodes/c/cells", pa.table({"node_id": [0], "morphology": ["cell"]}))
        transaction.write_table("nodes/c/points", pa.table({"node_id": [0]}))
    with pytest.raises(nl.InputError, match=r"those with morphologies are: nodes/c/cells$"):
        nl.ingest(lake, shapes)


def test_names_of_formats_differ() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert [named(source.name) for source in SOURCES] == list(SOURCES)
