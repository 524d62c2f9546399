"""Weights as BlueRecording 0.7 has them: written in its layout, and compared; beside BlueRecording itself where it is installed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app
from neurolake.ingest.lfp.weights import write_weights
from neurolake.lake.errors import InputError
from neurolake.query.circuits.reports import ElectrodeWeights

h5py = pytest.importorskip("h5py")

KEYS = {"node_id": [2, 2, 2, 5, 5], "section_id": [0, 1, 2, 0, 7], "segment_id": [0, 0, 0, 0, 3]}
SEGMENTS = {**KEYS, "label": ["Soma", "AIS", "Dendrite", "Soma", "Myelin"]}


def coefficients(values: Any, types: tuple[str, ...] = ("LineSource", "ObjectiveCSD_Sphere")) -> xr.DataArray:
    """Coefficients of two electrodes and five segments in mV/nA."""
    labels = {key: ("segment", np.array(ids)) for key, ids in KEYS.items()}
    places = {axis: ("electrode", np.array([1.5, 2])) for axis in "xyz"}
    return xr.DataArray(
        values,
        {"electrode": ["B", "A"], "type": ("electrode", list(types)), **places, **labels},
        ("electrode", "segment"),
        attrs={"units": "mV/nA or 1"},
    )


VALUES = np.arange(10.0).reshape(2, 5)


def test_weights_are_written_as_it_writes_them(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", units="V/nA", segments=SEGMENTS)
    with h5py.File(tmp_path / "w.h5") as file:
        found = {name: file[f"cells/{name}"][:].tolist() for name in ("node_ids", "offsets", "neurite_types")}
        assert found == {"node_ids": [2, 5], "offsets": [0, 3, 5], "neurite_types": [0, 1, 2, 0, 6]}
        assert file["cells/neurite_types"].dtype == np.int32
        # What is in a volume has no unit, so none is converted.
        expected = np.stack([VALUES[0] * 1e-3, VALUES[1]], axis=1)
        np.testing.assert_allclose(file["electrodes/cells/scaling_factors"][:], expected, rtol=1e-15)
        assert [file[f"electrodes/{name}/cells"][()] for name in "BA"] == [0, 1]
        assert file["electrodes/A/type"].asstr()[()] == "ObjectiveCSD_Sphere"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"units": "V"}, "units of weights are mV/nA or V/nA, not 'V'"),
        (
            {"segments": {**SEGMENTS, "segment_id": [0, 0, 0, 0, 2]}},
            "does not tell the neurite of node_id 5, section_id 7, segment_id 3",
        ),
        (
            {"segments": {**SEGMENTS, "label": ["Soma", "Ear", "Axon", "Soma", "Soma"]}},
            "neurite of node_id 2, section_id 1",
        ),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path: Path, options: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", **options)
    assert list(tmp_path.iterdir()) == []


def test_weights_come_back_as_they_went(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.h5", coefficients(VALUES), "cells", units="V/nA", segments=SEGMENTS)
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, tmp_path / "w.h5", name="run", electrodes="bluerecording")
    table = lake.head.tables["electrodes/run/w/cells.compartments"].to_arrow().to_pydict()
    assert table["neurite"] == ["soma", "axon", "dend", "soma", "myelin"]
    assert table["node_id"] == KEYS["node_id"]
    weights = ElectrodeWeights(lake.head, "electrodes/run/w/cells")
    np.testing.assert_allclose(weights.get(units="mV/nA").data[:, 0], VALUES[0], rtol=1e-15)


# Comparing


def weights_file(
    path: Path, weights: Any, names: list[str], nodes: Any = (2, 5), offsets: Any = (0, 3, 5)
) -> Path:
    """A file in BlueRecording's layout since 0.7: weights in V/nA, shape (n_rows, n_electrodes)."""
    with h5py.File(path, "w") as file:
        file["cells/node_ids"], file["cells/offsets"] = np.array(nodes, "u8"), np.array(offsets)
        file["electrodes/cells/scaling_factors"] = np.asarray(weights, "f8")
        for column, name in enumerate(names):
            group = file.create_group(f"electrodes/{name}")
            group["cells"], group["position"], group["type"] = column, np.zeros(3), "LineSource"
    return path


V = np.arange(1.0, 11).reshape(5, 2) * 1e-6
BOTH: Any = ("bluerecording", "bluerecording")


def test_order_of_nodes_and_electrodes_does_not_matter(tmp_path: Path) -> None:
    a = weights_file(tmp_path / "a.h5", V, ["x", "y"])
    b = weights_file(tmp_path / "b.h5", V[[3, 4, 0, 1, 2]][:, ::-1], ["y", "x"], (5, 2), (0, 2, 5))
    found = nl.compare_weights(a, b, rtol=0, atol=0)
    assert found.equal and (found.nodes, found.compartments) == (2, 5)
    assert [(each.name, each.absolute, each.node_id) for each in found.electrodes] == [
        ("x", 0, None),
        ("y", 0, None),
    ]


def test_the_greatest_differences_are_found_and_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = weights_file(tmp_path / "a.h5", V, ["x", "y"])
    changed = V.copy()
    changed[1, 0] += 2e-9  # of 3e-6, in node 2
    changed[4, 0] -= 4e-9  # of 9e-6, in node 5
    b = weights_file(tmp_path / "b.h5", changed, ["x", "y"])
    for block in (2**22, 4):
        monkeypatch.setattr("neurolake.ingest.lfp.comparing.BLOCK_VALUES", block)
        found = nl.compare_weights(a, b, origins=BOTH)
        x, y = found.electrodes
        assert (x.absolute, x.relative) == (pytest.approx(4e-6), pytest.approx(2 / 3002, rel=1e-6))
        assert (x.beyond, x.node_id, x.compartment) == (2, 5, 1)
        assert (y.absolute, y.beyond, found.equal) == (0, 0, False)
    # 2e-6 mV/nA are within, 4e-6 not.
    assert nl.compare_weights(a, b, origins=BOTH, atol=3e-6, rtol=0).electrodes[0].beyond == 1
    assert nl.compare_weights(a, b, origins=BOTH, atol=0, rtol=1e-3).equal


def test_what_only_one_side_has_is_told(tmp_path: Path) -> None:
    a = weights_file(tmp_path / "a.h5", np.ones((6, 2)), ["x", "y"], (2, 5, 7), (0, 3, 5, 6))
    b = weights_file(tmp_path / "b.h5", np.ones((4, 2)), ["y", "z"], (9, 2, 5), (0, 1, 2, 4))
    found = nl.compare_weights(a, b)
    assert (found.nodes_only_in, found.electrodes_only_in) == (((7,), (9,)), (("x",), ("z",)))
    assert found.shapes == ((2, 3, 1),) and not found.equal
    assert [electrode.name for electrode in found.electrodes] == ["y"] and found.compartments == 2
    assert found.problems() == [
        "nodes only in A: 7",
        "nodes only in B: 9",
        "electrodes only in A: x",
        "electrodes only in B: z",
        "nodes with other numbers of compartments: 2 (3 and 1)",
    ]


@pytest.mark.parametrize(
    ("a", "b", "absolute", "beyond"),
    [
        (np.nan, np.nan, 0, 0),
        (np.inf, np.inf, 0, 0),
        (np.nan, 1, np.inf, 1),
        (np.inf, 1, np.inf, 1),
        (0, 0, 0, 0),
    ],
)
def test_values_that_are_no_numbers(tmp_path: Path, a: float, b: float, absolute: float, beyond: int) -> None:
    files = [
        weights_file(tmp_path / f"{at}.h5", [[value]], ["x"], [0], [0, 1]) for at, value in enumerate((a, b))
    ]
    found = nl.compare_weights(*files)
    assert (found.electrodes[0].absolute, found.electrodes[0].beyond) == (absolute, beyond)
    assert found.to_dict()["electrodes"][0]["absolute"] in (0, "inf")


def test_files_and_nodes_are_compared_in_one_unit(tmp_path: Path) -> None:
    array = coefficients(V.T * 1e3, ("LineSource",) * 2)
    file = weights_file(tmp_path / "theirs.h5", V, ["B", "A"])
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, file, name="run", electrodes="bluerecording")
    with lake.transaction("Store") as transaction:
        order = [4, 0, 2, 1, 3]
        values = array.values[:, order]
        transaction.write_array(
            "mine", values, dimension_names=["electrode", "segment"], attributes=array.attrs
        )
        for key in KEYS:
            own = array[key].values[order]
            transaction.write_array(f"mine.{key}", own, dimension_names=["segment"])
        names = np.array(["B", "A"], np.dtypes.StringDType())
        transaction.write_array("mine.electrode", names, dimension_names=["electrode"])
    write_weights(tmp_path / "ours.h5", array, "cells")
    sides = [file, "electrodes/run/theirs/cells", "mine", tmp_path / "ours.h5"]
    for a in sides:
        for b in sides:
            origins: Any = tuple("bluerecording" if side is file else "sonata" for side in (a, b))
            found = nl.compare_weights(a, b, lake=lake, rtol=1e-14, atol=0, origins=origins)
            assert found.equal and found.compartments == 5, (a, b, str(found))
    with pytest.raises(nl.NotFoundError, match="neither a file 'none' nor, in the lake"):
        nl.compare_weights("none", file, lake=lake)


def test_columns_of_ones_and_volumes_have_no_unit(tmp_path: Path) -> None:
    old = weights_file(tmp_path / "old.h5", np.c_[V, np.ones(5)], ["B", "A"])
    new = weights_file(tmp_path / "new.h5", np.c_[V[:, ::-1] * 1e3, np.ones(5)], ["B", "A"])
    found = nl.compare_weights(old, new, origins=("bluerecording", "sonata"))
    assert found.equal and [electrode.name for electrode in found.electrodes] == ["A", "B", "[2]"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"population": "birds"}, "there is no population 'birds'; it has weights of: cells"),
        ({"rtol": -1}, "rtol and atol at least 0"),
        ({"origins": ("sonata", "other")}, "origins are sonata or bluerecording"),
    ],
)
def test_comparisons_that_make_no_sense(tmp_path: Path, options: Any, reason: str) -> None:
    file = weights_file(tmp_path / "a.h5", V, ["x", "y"])
    with pytest.raises(InputError, match=reason):
        nl.compare_weights(file, file, **options)


def test_the_command_tells_by_its_exit_code(tmp_path: Path) -> None:
    a = weights_file(tmp_path / "a.h5", V, ["x", "y"])
    b = weights_file(tmp_path / "b.h5", V * (1 + 1e-5), ["x", "y"])
    same = CliRunner().invoke(app, ["lfp", "compare", str(a), str(a)])
    assert (
        same.exit_code == 0 and "equal (rtol 1e-06, atol 1e-09 mV/nA): 2 nodes, 5 compartments" in same.output
    )
    other = CliRunner().invoke(app, ["lfp", "compare", str(a), str(b), "--atol", "0", "--json"])
    told = json.loads(other.output)
    assert other.exit_code == 1 and told["equal"] is False
    assert [electrode["beyond"] for electrode in told["electrodes"]] == [5, 5]
    loose = ["--rtol", "1e-4", "--electrodes", "bluerecording", "--electrodes", "bluerecording"]
    assert CliRunner().invoke(app, ["lfp", "compare", str(a), str(b), *loose]).exit_code == 0
