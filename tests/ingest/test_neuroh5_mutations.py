"""Files of NeuroH5 that are damaged or wrong: each is refused with file and place, and nothing of it is stored."""

import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from neuroh5_files import PROJECTIONS, write_network, write_types

import neurolake as nl
from neurolake.ingest.neuroh5.ingest import ingest_neuroh5
from neurolake.lake.errors import IngestError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The network of eight files, by name."""
    return {path.stem: path for path in write_network(tmp_path_factory.mktemp("network"))}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return nl.create(tmp_path_factory.mktemp("mutations") / "lake", durable=False)


def refused(lake: Any, path: Path) -> IngestError:
    """The error of an ingest that leaves nothing behind, and names the file."""
    before = lake.head.commit.id
    with pytest.raises(IngestError) as caught:
        ingest_neuroh5(lake, path, name="net")
    assert lake.head.commit.id == before and [*lake.head] == []
    assert caught.value.path == str(path) and str(path) in str(caught.value)
    return caught.value


def changed(path: Path, tmp_path: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a file with a change."""
    copy = shutil.copy(path, tmp_path / path.name)
    with h5py.File(copy, "r+") as file:
        change(file)
    return Path(copy)


def replaced(name: str, values: Any, dtype: Any = None) -> Callable[[Any], None]:
    """A change that gives a dataset other values."""

    def change(file: Any) -> None:
        kind = file[name].dtype if dtype is None else dtype
        del file[name]
        file.create_dataset(name, data=np.asarray(values, kind))

    return change


def deleted(name: str) -> Callable[[Any], None]:
    """A change that takes something away."""

    def change(file: Any) -> None:
        del file[name]

    return change


SYNAPSES = "Populations/PYR/Synapse Attributes"
TREES = "Populations/PYR/Trees"
EDGES = "Projections/PYR/STIM/Edges"
# File, change, place that the error names, and what it says.
CASES: dict[str, tuple[str, Callable[[Any], None], str, str]] = {
    "no types": ("coords", deleted("H5Types"), "/H5Types", "there is no such group"),
    "no populations": ("coords", deleted("H5Types/Populations"), "/H5Types/Populations", "no such dataset"),
    "populations are numbers": (
        "coords",
        replaced("H5Types/Populations", [1, 2], "u4"),
        "/H5Types/Populations",
        "expected a compound",
    ),
    "labels are a group": (
        "coords",
        lambda file: (
            file.__delitem__("H5Types/Population labels"),
            file.create_group("H5Types/Population labels"),
        ),
        "/H5Types/Population labels",
        "there is no such enumeration",
    ),
    "a type instead of values": (
        "cells",
        lambda file: (
            file.__delitem__(f"{SYNAPSES}/syn_ids/Attribute Value"),
            file.__setitem__(f"{SYNAPSES}/syn_ids/Attribute Value", np.dtype("f4")),
        ),
        f"{SYNAPSES}/syn_ids/Attribute Value",
        "no such dataset",
    ),
    "overlapping gids": (
        "coords",
        lambda file: file["H5Types/Populations"].write_direct(
            np.array([(0, 4, 0), (2, 3, 7), (7, 5, 100)], file["H5Types/Populations"].dtype)
        ),
        "/H5Types/Populations",
        "overlap",
    ),
    "a label without a name": (
        "coords",
        lambda file: file["H5Types/Populations"].write_direct(
            np.array([(0, 4, 0), (4, 3, 8), (7, 5, 100)], file["H5Types/Populations"].dtype)
        ),
        "/H5Types/Populations",
        "has no name",
    ),
    "a population twice": (
        "coords",
        lambda file: file["H5Types/Populations"].write_direct(
            np.array([(0, 4, 0), (4, 3, 0), (7, 5, 100)], file["H5Types/Populations"].dtype)
        ),
        "/H5Types/Populations",
        "is there twice",
    ),
    "a projection without a name": (
        "connections",
        lambda file: file["H5Types/Valid population projections"].write_direct(
            np.array(
                [(0, 100), (100, 100), (7, 100), (9, 7)], file["H5Types/Valid population projections"].dtype
            )
        ),
        "/H5Types/Valid population projections",
        "population 9 has no name",
    ),
    "an unknown population": (
        "coords",
        lambda file: file.move("Populations/INT", "Populations/XYZ"),
        "/Populations/XYZ",
        "no population 'XYZ'",
    ),
    "no cell index": (
        "cells",
        deleted(f"{SYNAPSES}/syn_ids/Cell Index"),
        f"{SYNAPSES}/syn_ids/Cell Index",
        "no such dataset",
    ),
    "no pointers": (
        "cells",
        deleted(f"{SYNAPSES}/syn_ids/Attribute Pointer"),
        f"{SYNAPSES}/syn_ids/Attribute Pointer",
        "no such dataset",
    ),
    "no values": (
        "cells",
        deleted(f"{SYNAPSES}/syn_ids/Attribute Value"),
        f"{SYNAPSES}/syn_ids/Attribute Value",
        "no such dataset",
    ),
    "no synapse locations": (
        "cells",
        deleted(f"{SYNAPSES}/syn_locs"),
        f"{SYNAPSES}/syn_locs",
        "no such group",
    ),
    "a cell beyond its population": (
        "cells",
        replaced(f"{SYNAPSES}/syn_secs/Cell Index", [4, 0, 5, 1]),
        f"{SYNAPSES}/syn_secs/Cell Index",
        "id 5 at position 2, expected 0 to 4",
    ),
    "pointers fall": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Pointer", [0, 8, 3, 8, 15]),
        f"{SYNAPSES}/syn_locs/Attribute Pointer",
        "pointers must ascend: 3 at position 2 follows 8",
    ),
    "pointers beyond the end": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Pointer", [0, 3, 8, 8, 16]),
        f"{SYNAPSES}/syn_locs/Attribute Pointer",
        "from 0 to 15, the number of values; these go from 0 to 16",
    ),
    "pointers that leave some out": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Pointer", [1, 3, 8, 8, 15]),
        f"{SYNAPSES}/syn_locs/Attribute Pointer",
        "these go from 1 to 15",
    ),
    "pointers too few": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Pointer", [0, 3, 15]),
        f"{SYNAPSES}/syn_locs/Attribute Pointer",
        "its shape is (3,), expected (5,)",
    ),
    "pointers are reals": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Pointer", [0, 3, 8, 8, 15], "f8"),
        f"{SYNAPSES}/syn_locs/Attribute Pointer",
        "expected whole numbers",
    ),
    "values are text": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Value", [b"x"] * 15, "S1"),
        f"{SYNAPSES}/syn_locs/Attribute Value",
        "expected numbers",
    ),
    "values of two axes": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Attribute Value", np.zeros((15, 1)), "f4"),
        f"{SYNAPSES}/syn_locs/Attribute Value",
        "expected 1 axes",
    ),
    "synapses of other cells": (
        "cells",
        replaced(f"{SYNAPSES}/syn_locs/Cell Index", [4, 0, 3, 1]),
        f"{SYNAPSES}/syn_locs",
        "its cells or pointers are not those of syn_ids",
    ),
    "no radius": ("cells", deleted(f"{TREES}/Radius"), f"{TREES}/Radius", "no such group"),
    "radii are whole": (
        "cells",
        replaced(f"{TREES}/Radius/Attribute Value", np.ones(50), "i4"),
        f"{TREES}/Radius/Attribute Value",
        "expected real numbers",
    ),
    "radii of other cells": (
        "cells",
        replaced(f"{TREES}/Radius/Cell Index", [4, 3, 2, 0, 1]),
        f"{TREES}/Radius/Cell Index",
        "not those of X Coordinate",
    ),
    "a parent beyond the tree": (
        "cells",
        lambda file: file[f"{TREES}/Parent Point/Attribute Value"].__setitem__(33, 10),
        f"{TREES}/Parent Point/Attribute Value",
        "cell 1: a parent that is not one of its points",
    ),
    "points in a circle": (
        "cells",
        lambda file: file[f"{TREES}/Parent Point/Attribute Value"].__setitem__(slice(0, 2), [1, 0]),
        f"{TREES}/Parent Point/Attribute Value",
        "cell 4: its points hang on each other in a circle",
    ),
    "sections in a circle": (
        "cells",
        lambda file: (
            file[f"{TREES}/Source Section/Attribute Value"].__setitem__(slice(0, 2), [1, 2]),
            file[f"{TREES}/Destination Section/Attribute Value"].__setitem__(slice(0, 2), [2, 1]),
        ),
        f"{TREES}/Destination Section/Attribute Value",
        "cell 4: its sections hang on each other in a circle",
    ),
    "two roots": (
        "cells",
        lambda file: (
            file[f"{TREES}/Source Section/Attribute Value"].__setitem__(slice(0, 2), [0, 0]),
            file[f"{TREES}/Destination Section/Attribute Value"].__setitem__(slice(0, 2), [1, 1]),
        ),
        f"{TREES}/Destination Section/Attribute Value",
        "cell 4: a section that hangs on two others",
    ),
    "a link to no section": (
        "cells",
        lambda file: file[f"{TREES}/Destination Section/Attribute Value"].__setitem__(0, 9),
        f"{TREES}/Destination Section/Attribute Value",
        "cell 4: a section that it does not have",
    ),
    "a section of no point": (
        "cells",
        lambda file: file[f"{TREES}/Section/Attribute Value"].__setitem__(2, 10),
        f"{TREES}/Section/Attribute Value",
        "cell 4: a section with a point that it does not have",
    ),
    "a point in no section": (
        "cells",
        lambda file: file[f"{TREES}/Section/Attribute Value"].__setitem__(2, 1),
        f"{TREES}/Section/Attribute Value",
        "cell 4: a point that is in no section",
    ),
    "too many sections": (
        "cells",
        lambda file: file[f"{TREES}/Section/Attribute Value"].__setitem__(0, 4),
        f"{TREES}/Section/Attribute Value",
        "cell 4: it ends within its sections",
    ),
    "too few sections": (
        "cells",
        lambda file: file[f"{TREES}/Section/Attribute Value"].__setitem__(0, 2),
        f"{TREES}/Section/Attribute Value",
        "cell 4: its sections end before or after it does",
    ),
    "no sections": (
        "cells",
        lambda file: file[f"{TREES}/Section/Attribute Value"].__setitem__(0, 0),
        f"{TREES}/Section/Attribute Value",
        "cell 4: a number of sections that cannot be",
    ),
    "a projection that is not valid": (
        "connections",
        lambda file: (
            file.__delitem__("H5Types"),
            write_types(file, projections=PROJECTIONS[1:]),
        ),
        "/Projections/PYR/STIM",
        "STIM to PYR is none of the valid projections",
    ),
    "no valid projections": (
        "connections",
        deleted("H5Types/Valid population projections"),
        "/Projections/INT/PYR",
        "none of the valid",
    ),
    "a projection of no population": (
        "connections",
        lambda file: file.move("Projections/PYR/STIM", "Projections/PYR/XYZ"),
        "/Projections/PYR/XYZ",
        "no population 'XYZ'",
    ),
    "no edges": ("connections", deleted(EDGES), EDGES, "no such group"),
    "no sources": (
        "connections",
        deleted(f"{EDGES}/Source Index"),
        f"{EDGES}/Source Index",
        "no such dataset",
    ),
    "no destinations": (
        "connections",
        deleted(f"{EDGES}/Destination Pointer"),
        f"{EDGES}/Destination Pointer",
        "no such dataset",
    ),
    "no blocks": (
        "connections",
        deleted(f"{EDGES}/Destination Block Pointer"),
        f"{EDGES}/Destination Block Pointer",
        "no such dataset",
    ),
    "a source beyond its population": (
        "connections",
        replaced(f"{EDGES}/Source Index", [0, 1, 2, 4, 3, 1]),
        f"{EDGES}/Source Index",
        "id 4 at position 3, expected 0 to 3",
    ),
    "a destination beyond its population": (
        "connections",
        replaced(f"{EDGES}/Destination Block Index", [4, 0]),
        f"{EDGES}/Destination Block Index",
        "a block goes to cell 5, the population has 5",
    ),
    "destination pointers fall": (
        "connections",
        replaced(f"{EDGES}/Destination Pointer", [0, 3, 2, 6]),
        f"{EDGES}/Destination Pointer",
        "pointers must ascend",
    ),
    "destination pointers beyond the end": (
        "connections",
        replaced(f"{EDGES}/Destination Pointer", [0, 2, 3, 7]),
        f"{EDGES}/Destination Pointer",
        "these go from 0 to 7",
    ),
    "block pointers beyond the end": (
        "connections",
        replaced(f"{EDGES}/Destination Block Pointer", [0, 2, 5]),
        f"{EDGES}/Destination Block Pointer",
        "these go from 0 to 5",
    ),
    "block pointers fall": (
        "connections",
        replaced(f"{EDGES}/Destination Block Pointer", [0, 5, 4]),
        f"{EDGES}/Destination Block Pointer",
        "pointers must ascend",
    ),
    "attributes of other edges": (
        "connections",
        replaced("Projections/PYR/STIM/Synapses/syn_id", [0, 1, 2]),
        "/Projections/PYR/STIM/Synapses/syn_id",
        "its shape is (3,), expected (6,)",
    ),
    "potentials of another length": (
        "results",
        replaced("Local Field Potential Electrode 0/v", [0.0], "f4"),
        "/Local Field Potential Electrode 0/v",
        "expected (50,)",
    ),
    "no times": (
        "results",
        deleted("Local Field Potential Electrode 1/t"),
        "/Local Field Potential Electrode 1/t",
        "no such dataset",
    ),
    "a path of another length": (
        "inputs",
        replaced("Trajectory A Diag/x", [0.0], "f4"),
        "/Trajectory A Diag/x",
        "expected (7,)",
    ),
    "a link out of the file": (
        "coords",
        lambda file: file.__setitem__("Populations/far", h5py.ExternalLink("/etc/passwd", "/")),
        "/Populations/far",
        "",
    ),
    "a link to nowhere": (
        "coords",
        lambda file: file.__setitem__("Nodes", h5py.SoftLink("/nothing")),
        "/Nodes",
        "it leads nowhere",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files(files: dict[str, Path], lake: Any, tmp_path: Path, case: str) -> None:
    name, change, place, reason = CASES[case]
    error = str(refused(lake, changed(files[name], tmp_path, change)))
    assert place.lstrip("/") in error and reason in error, error


def _datasets(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return [name for name in found if not name.startswith("H5Types")]


INDEXES = ("Cell Index", "Pointer", "Block Index", "Source Index")


def test_a_hundred_wrong_indexes(files: dict[str, Path], lake: Any, tmp_path: Path) -> None:
    """An index of which one number is far too large, or which lacks its last, names its dataset, whichever it is."""
    draw = random.Random(7)
    places = [
        (name, dataset)
        for name in ("coords", "cells", "connections", "gaps", "features", "inputs", "results")
        for dataset in _datasets(files[name])
        if dataset.endswith(INDEXES)
    ]
    done = 0
    for name, dataset in draw.sample(places, 100):
        with h5py.File(files[name]) as file:
            values = file[dataset][()]
        if len(values) < 2 and dataset.startswith("Projections/INT/PYR"):
            continue  # it has no edges, and says so with one 0 or with nothing
        at = draw.randrange(len(values))
        wrong = np.delete(values, -1) if done % 3 == 0 else np.r_[values[:at], 2**31, values[at + 1 :]]
        error = str(refused(lake, changed(files[name], tmp_path, replaced(dataset, wrong, values.dtype))))
        group = dataset.rsplit("/", 1)[0]
        assert group in error or group.rsplit("/", 1)[0] in error, error
        done += 1
    assert done > 90


def test_a_hundred_files_cut_short(files: dict[str, Path], tmp_path: Path) -> None:
    """Each is refused, or ends the process that reads it: HDF5's library trusts what it finds; none is half in the lake."""
    script = """
        import sys
        from pathlib import Path
        import neurolake as nl
        from neurolake.ingest.neuroh5.ingest import ingest_neuroh5
        from neurolake.lake.errors import IngestError
        lake = nl.create(sys.argv[1], durable=False)
        refused = 0
        for path in sorted(Path(sys.argv[2]).iterdir()):
            try:
                ingest_neuroh5(lake, path, name="net")
            except IngestError as error:
                assert str(path) in str(error)
                refused += 1
        assert [*lake.head] == []
        print(refused)
    """
    folder, draw = tmp_path / "short", random.Random(3)
    folder.mkdir()
    for number in range(100):
        path = files[draw.choice([*files])]
        content = path.read_bytes()
        (folder / f"{number:03}.h5").write_bytes(content[: draw.randrange(1, len(content) - 1)])
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "lake"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0 and done.stdout.strip() == "100", done.stderr[-2000:]
