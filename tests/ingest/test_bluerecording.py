"""Weights as BlueRecording 0.7 has them: written in its layout, and compared; beside BlueRecording itself where it is installed."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app
from neurolake.ingest.lfp.electrodes import read_electrodes, write_electrodes
from neurolake.ingest.lfp.morphologies import cell_segments, read_morphology
from neurolake.ingest.lfp.segments import placed
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
            "lacks the neurite of node_id 5, section_id 7, segment_id 3",
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


# BlueRecording itself


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Modules of BlueRecording by name; it comes with the extra ``bench``."""
    if importlib.util.find_spec("bluerecording") is None:
        pytest.skip("bluerecording is not installed (pip install -e '.[bench]')")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    found: Callable[[str], Any] = importlib.import_module("bluerecording_parts").part
    return found


def contacts(electrodes: Any) -> list[Any]:
    """Two contacts of BlueRecording, one with sizes."""
    kinds = electrodes.ElectrodeType
    disk = electrodes.ObjectiveCSDParams(kinds.OBJECTIVE_CSD_DISK, 200.0, 15.0)
    return [
        electrodes.Electrode("B", np.array([1.5, 2, -3]), kinds.POINT_SOURCE, "S1", "L5"),
        electrodes.Electrode("10", np.array([0.1, 0, 0]), disk),
    ]


def test_its_electrodes_go_through_ours(theirs: Callable[[str], Any], tmp_path: Path) -> None:
    module = theirs("electrodes")
    module.Electrode.to_json(contacts(module), tmp_path / "theirs.json")
    write_electrodes(tmp_path / "ours.json", read_electrodes(tmp_path / "theirs.json"))
    assert repr(module.Electrode.from_json(tmp_path / "ours.json")) == repr(contacts(module))


def test_its_weights_go_through_ours(theirs: Callable[[str], Any], tmp_path: Path) -> None:
    module = theirs("weights")
    columns = np.column_stack([KEYS["node_id"], KEYS["section_id"]]).astype(np.uint64)
    values = pd.DataFrame(VALUES * np.array([[1e-3], [1]]))
    codes = np.array([0, 1, 2, 0, 6], np.int32)
    file = tmp_path / "theirs.h5"
    module.save_weights(values, columns, "cells", str(file), contacts(theirs("electrodes")), codes)
    lake = nl.create(tmp_path / "lake", durable=False)
    nl.ingest(lake, file, name="run", electrodes="bluerecording")
    nl.export(lake, tmp_path / "copy", format="sonata")
    own = coefficients(VALUES, ("PointSource", "ObjectiveCSD_Disk")).assign_coords(electrode=["B", "10"])
    write_weights(tmp_path / "ours.h5", own, "cells", units="V/nA", segments=SEGMENTS)
    for mine in (tmp_path / "copy" / "theirs.h5", tmp_path / "ours.h5"):
        match, told = theirs("compare").compare_weights(str(file), str(mine), rtol=1e-14, atol=0)
        assert match, told
        found = nl.compare_weights(mine, "electrodes/run/theirs/cells", lake=lake, origins=BOTH, rtol=1e-14)
        assert found.equal, str(found)
        with h5py.File(mine) as read:
            assert read["cells/neurite_types"][:].tolist() == codes.tolist()


def morphology(path: Path, rng: np.random.Generator, step: float) -> Path:
    """A soma at 0, an axon that branches, in steps of that length, and a dendrite."""

    def branch(start: Any, count: int) -> Any:
        moves = rng.normal(size=(count, 3))
        return start + np.cumsum(step * moves / np.linalg.norm(moves, axis=1, keepdims=True), axis=0)

    def text(points: Any) -> str:
        return "".join(f"({x:.4f} {y:.4f} {z:.4f} 1.0)\n" for x, y, z in points)

    angles = np.arange(8) * np.pi / 4
    soma = np.stack([5 * np.cos(angles), 5 * np.sin(angles), 0 * angles], axis=1)
    trunk = np.concatenate([[[0.0, -5, 0]], branch([0.0, -5, 0], 4)])
    tips = [text(branch(trunk[-1], int(rng.integers(2, 40)))) for _ in range(2)]
    axon = f"((Axon)\n{text(trunk)}(\n{tips[0]}|\n{tips[1]}))\n"
    dendrite = f"((Dendrite)\n{text(np.concatenate([[[5.0, 0, 0]], branch([5.0, 0, 0], 6)]))})\n"
    path.write_text(f'("CellBody"\n(CellBody)\n{text(soma)})\n{axon}{dendrite}')
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("step", [4.0, 25.0, 60.0])
def test_its_positions_are_ours(theirs: Callable[[str], Any], tmp_path: Path, step: float) -> None:
    pytest.importorskip("morphio")
    rng = np.random.default_rng(int(step))
    sections, counts = np.array([0, 1, 2, 4, 5]), np.array([1, 2, 1, 3, 5])
    names = ["soma[0]", "axon[0]", "axon[1]", "dend[0]", "myelin[0]"]
    for number in range(10):
        morphology(tmp_path / f"{number}.asc", rng, step)
        turn, place = np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.normal(0, 100, 3)
        cell = SimpleNamespace(
            raw_gid=3,
            local_to_global_coord_mapping=lambda points, turn=turn, place=place: points @ turn.T + place,
            local_to_global_matrix=np.c_[turn, place],
            get_sec=lambda section: SimpleNamespace(
                name=lambda: f"Cell[0].{names[sections.tolist().index(section)]}"
            ),
        )
        columns = np.column_stack([np.full(counts.sum(), 3), np.repeat(sections, counts)]).astype(np.uint64)
        population = SimpleNamespace(get_attribute=lambda key, node, number=number: str(number))
        found, _, codes = theirs("positions").get_positions([cell], columns, population, str(tmp_path))
        assert codes.tolist() == np.repeat([0, 1, 1, 2, 6], counts).tolist()
        own = cell_segments(
            read_morphology(tmp_path / f"{number}.asc"), sections, counts, "bluerecording", turn
        )
        at = placed(own, turn, place)
        ids = found.columns.get_level_values(1).to_numpy().astype(int)
        for section in sections[1:].tolist():
            points = found.to_numpy()[:, ids == section].T
            mine = own["section_id"] == section
            for end, part in (("start", points[:-1]), ("end", points[1:])):
                ours = np.stack([at[f"{end}_{axis}"][mine] for axis in "xyz"], axis=1)
                np.testing.assert_allclose(
                    ours, part, rtol=0, atol=2e-2, err_msg=f"{number}, section {section}"
                )
