"""Names on the way out: nothing is written over something else, and names that cannot be kept are told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import xarray as xr

import neurolake as nl
from neurolake.ingest.lfp.weights import write_weights
from neurolake.ingest.outgoing import as_part, new_file, new_folder
from neurolake.ingest.simrun.of_runs import with_written
from neurolake.lake.errors import InputError, StorageError

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["a/b.csv", "a/b.csv"], "'a/b.csv' would be written over another file: 'a/b.csv'; rename"),
        (["a/b.csv", "a//b.csv"], "'a//b.csv' would be written over another file: 'a/b.csv'"),
        (["a/b.csv", "./a/b.csv"], r"'\./a/b.csv' would be written over another file"),
        (["a", "a/b.csv"], "'a/b.csv' would lie below a file: 'a'"),
        (["a", "a/b/c.csv"], "'a/b/c.csv' would lie below a file: 'a'"),
        (["a/b.csv", "a"], "'a' would be written over another file: one that is there"),
        (["../a"], "is outside the folder"),
        (["/a"], "is outside the folder"),
        ([""], "is outside the folder"),
    ],
)
def test_two_names_that_would_be_one_file(tmp_path: Path, names: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason), new_folder(tmp_path / "out") as outgoing:
        for name in names:
            outgoing.file(name).write_text(name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_does_not_tell_letters_by_case(tmp_path: Path) -> None:
    """A link stands for what such a file system does: the second name leads to the first file."""
    told = r"'A.csv' would be written over another file: 'a.csv'"
    with pytest.raises(InputError, match=told), new_folder(tmp_path / "out") as outgoing:
        first = outgoing.file("a.csv")
        first.write_text("a")
        (first.parent / "A.csv").hardlink_to(first)
        outgoing.file("A.csv")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with new_folder(target) as outgoing:
        outgoing.file("x/y.txt").write_text("y")
        assert not target.exists()
    assert (target / "x" / "y.txt").read_text() == "y"
    with pytest.raises(InputError, match="is not an empty folder"), new_folder(target):
        pass
    with pytest.raises(StorageError, match=r"cannot write .*no room"), new_folder(tmp_path / "b"):
        raise OSError("no room")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_appears_whole_and_never_over_another(tmp_path: Path) -> None:
    target = tmp_path / "w.h5"
    with pytest.raises(StorageError, match="no room"), new_file(target) as partial:
        partial.write_text("half")
        raise OSError("no room")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="has appeared meanwhile"), new_file(target) as partial:
        partial.write_text("mine")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    with pytest.raises(InputError, match="exists already"), new_file(target):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="exists already"), new_file(tmp_path / "link"):
        pass
    with pytest.raises(StorageError, match="cannot write"), new_file(tmp_path / "none" / "w.h5"):
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_names_that_are_paths(name: str) -> None:
    with pytest.raises(InputError, match=r"site .* cannot be written under its name"):
        as_part(name, "site")


# Electrodes


def coefficients(*names: str) -> Any:
    return xr.DataArray(
        np.ones((len(names), 2)),
        {
            "electrode": [*names],
            "node_id": ("segment", [0, 0]),
            **{a: ("electrode", np.zeros(len(names))) for a in "xyz"},
        },
        ("electrode", "segment"),
        attrs={"units": "mV/nA"},
    )


@pytest.mark.parametrize(
    ("electrode", "population", "reason"),
    [
        ("shank/1", "cells", "electrode 'shank/1' cannot be written under its name"),
        ("a", "v1/cells", "population 'v1/cells' cannot be written"),
        ("cells", "cells", "is called like the population"),
    ],
)
def test_names_that_hdf5_takes_for_paths(
    tmp_path: Path, electrode: str, population: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        write_weights(tmp_path / "w.h5", coefficients(electrode), population)
    assert list(tmp_path.iterdir()) == []


def weights_file(path: Path, value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["cells/node_ids"], file["cells/offsets"] = [0, 1], [0, 1, 2]
        file["electrodes/cells/scaling_factors"] = np.full((2, 1), float(value))
        file["electrodes/e/cells"], file["electrodes/e/position"] = 0, np.zeros(3)


def lfp_report(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["report/cells/data"] = np.ones((3, 2), "f4")
        mapping = file.create_group("report/cells/mapping")
        mapping["node_ids"], mapping["index_pointers"] = [0, 1], [0, 1, 2]
        mapping["element_ids"], mapping["time"] = [0, 0], [0.0, 0.3, 0.1]


@pytest.fixture
def two_probes(tmp_path: Path) -> Path:
    """A simulation with two lfp reports, whose files of electrodes differ by their folder alone; a third by case."""
    folder = tmp_path / "simulation"
    places = {"near": "probes/near/coeffs.h5", "far": "probes/far/coeffs.h5", "odd": "probes/odd/Coeffs.h5"}
    for number, (name, place) in enumerate(places.items(), start=1):
        weights_file(folder / place, number)
        (folder / "output").mkdir(exist_ok=True)
        lfp_report(folder / "output" / f"{name}.h5")
    with h5py.File(folder / "nodes.h5", "w") as file:
        file["nodes/cells/node_type_id"], file["nodes/cells/0/x"] = np.zeros(2, int), np.zeros(2)
    reports = {
        name: {
            "type": "lfp",
            "electrodes_file": place,
            "unit": "mV",
            "dt": 0.1,
            "start_time": 0,
            "end_time": 0.3,
        }
        for name, place in places.items()
    }
    circuit = {"networks": {"nodes": [{"nodes_file": "nodes.h5"}], "edges": []}}
    simulation = {"network": "circuit_config.json", "run": {"tstop": 0.3}, "reports": reports}
    (folder / "circuit_config.json").write_text(json.dumps(circuit))
    (folder / "simulation_config.json").write_text(json.dumps(simulation))
    return folder


def test_electrode_files_of_equal_stems_stay_apart(two_probes: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    done = nl.ingest(lake, two_probes / "simulation_config.json", name="run")
    told = {
        f"probes-{name}-{stem}" for name, stem in (("near", "coeffs"), ("far", "coeffs"), ("odd", "Coeffs"))
    }
    assert {name.split("/")[2] for name in lake.head.arrays if name.startswith("electrodes/run/")} == told
    assert len([notice for notice in done.notices if "other files of electrodes are called" in notice]) == 3
    nl.export(lake, tmp_path / "copy", format="sonata", dialect="libsonata")
    config = json.loads((tmp_path / "copy" / "simulation_config.json").read_text())
    for number, (name, report) in enumerate(
        (name, config["reports"][name]) for name in ("near", "far", "odd")
    ):
        with h5py.File(tmp_path / "copy" / report["electrodes_file"]) as file:
            assert (file["electrodes/cells/scaling_factors"][:] == number + 1).all(), name
    nl.export(lake, tmp_path / "same", format="sonata")
    assert sorted(
        path.relative_to(tmp_path / "same") for path in (tmp_path / "same").rglob("?oeffs.h5")
    ) == sorted(path.relative_to(two_probes) for path in two_probes.rglob("?oeffs.h5"))


def test_a_report_keeps_the_weights_of_its_whole_simulation(two_probes: Path, tmp_path: Path) -> None:
    """`run.electrodes_file` is where SONATA had it before."""
    path = two_probes / "simulation_config.json"
    config = json.loads(path.read_text())
    config["run"]["electrodes_file"] = config["reports"]["far"].pop("electrodes_file")
    path.write_text(json.dumps(config))
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, path, name="run")
    nl.export(lake, tmp_path / "copy", format="sonata", dialect="libsonata")
    reports = json.loads((tmp_path / "copy" / "simulation_config.json").read_text())["reports"]
    assert reports["far"]["electrodes_file"] == "electrodes/probes-far-coeffs.h5"


def test_attributes_that_would_be_one_dataset(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    with lake.transaction("Store") as transaction:
        columns = {
            "node_id": [0],
            "node_type_id": [-1],
            "dynamics_params.tau": [1.0],
            "dynamics_params/tau": [2.0],
        }
        transaction.write_table("nodes/run/cells", pa.table(columns))
    with pytest.raises(
        InputError, match=r"'dynamics_params.tau' and 'dynamics_params/tau' would both be /nodes/cells/0"
    ):
        nl.export(lake, tmp_path / "out", format="sonata", dialect="libsonata")
    assert not (tmp_path / "out").exists()


def test_a_recording_site_that_is_a_path(tmp_path: Path) -> None:
    trials = pa.table({"run": ["r"], "trial_id": [1], "trial_number": [0], "hostname": [None]})
    traces = pa.table({"trial_id": [1, 1], "site": ["soma", "dend/1"]})
    with pytest.raises(InputError, match="recording site 'dend/1' cannot be written under its name"):
        with_written([], trials, traces)
