"""Segments from morphologies and placements, against numbers worked out by hand and BlueRecording's positions."""

import numpy as np
import pyarrow as pa
import pytest
from lake_vocabulary import strangers

import neurolake
from neurolake.catalog.vocabulary.space import SEGMENTS
from neurolake.ingest.lfp.axons import AxonTree, stub_axon
from neurolake.ingest.lfp.morphologies import cell_segments, default_counts, read_morphology
from neurolake.ingest.lfp.segments import place_segments, placed, rotations, segments_table

pytest.importorskip("morphio")

# A soma of radius 5; an apical dendrite first, a basal one of two branches, an axon of 20 µm.
SWC = """1 1 0 0 0 5 -1
2 4 0 5 0 1 1
3 4 0 105 0 1 2
4 3 5 0 0 0.5 1
5 3 15 0 0 0.5 4
6 3 15 0 30 0.5 5
7 3 15 -10 0 0.5 5
8 2 0 -5 0 2 1
9 2 0 -15 0 1 8
10 2 10 -15 0 1 9
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cell.swc").write_text(SWC)
    return tmp_path


def test_sections_have_the_ids_of_neurons_import(folder):
    cell = read_morphology(folder / "cell.swc")
    assert [section.label for section in cell.sections] == ["Axon", *["Dendrite"] * 3, "ApicalDendrite"]
    assert [section.distance for section in cell.sections] == [0, 0, 10, 10, 0]
    assert cell.soma == 10


def test_segments_divide_the_path(folder):
    cell = read_morphology(folder / "cell.swc")
    found = cell_segments(cell, np.array([0, 1, 3]), np.array([2, 2, 3]))
    assert found["section_id"].tolist() == [0, 0, 1, 1, 3, 3, 3]
    assert found["segment_id"].tolist() == [0, 1, 0, 1, 0, 1, 2]
    ends = [np.stack([found[f"{end}_{axis}"] for axis in "xyz"], axis=1) for end in ("start", "end")]
    np.testing.assert_allclose(
        ends[0], [[0] * 3] * 2 + [[0, -5, 0], [0, -15, 0], [15, 0, 0], [15, 0, 10], [15, 0, 20]]
    )
    np.testing.assert_allclose(
        ends[1][2:], [[0, -15, 0], [10, -15, 0], [15, 0, 10], [15, 0, 20], [15, 0, 30]]
    )
    np.testing.assert_allclose(found["diameter"], [10, 10, 3, 2, 1, 1, 1])
    np.testing.assert_allclose(found["length"], [0, 0, 10, 10, 10, 10, 10])
    np.testing.assert_allclose(found["soma_distance"], [0, 0, 5, 15, 15, 25, 35])
    assert set(found["label"][:2]) == {"Soma"}


def test_counts_are_odd_and_segments_not_longer_than_asked(folder):
    cell = read_morphology(folder / "cell.swc")
    sections, counts = default_counts(cell, 40.0)
    assert dict(zip(sections.tolist(), counts.tolist(), strict=True)) == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 3}


def test_a_section_that_is_not_there(folder):
    cell = read_morphology(folder / "cell.swc")
    with pytest.raises(ValueError, match="section 6 is not in the morphology, which has 5"):
        cell_segments(cell, np.array([6]), np.array([1]))


# Placement


def test_quaternions_and_angles_turn():
    half = np.sqrt(0.5)
    about_z = {
        f"orientation_{axis}": np.array([2 * value])
        for axis, value in zip("wxyz", [half, 0, 0, half], strict=True)
    }
    np.testing.assert_allclose(rotations(about_z, 1)[0] @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    # bmtk's rotation about z goes the other way.
    bmtk = rotations({"rotation_angle_zaxis": np.array([np.pi / 2])}, 1)[0]
    np.testing.assert_allclose(bmtk @ [1, 0, 0], [0, -1, 0], atol=1e-12)
    both = rotations({f"rotation_angle_{axis}axis": np.array([np.pi / 2]) for axis in "xy"}, 1)[0]
    np.testing.assert_allclose(both @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_array_equal(rotations({}, 2), np.stack([np.eye(3)] * 2))


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ({"orientation_w": np.ones(1)}, "part of a quaternion"),
        ({f"orientation_{axis}": np.zeros(1) for axis in "wxyz"}, "not a rotation"),
    ],
)
def test_rotations_that_are_none(nodes, reason):
    with pytest.raises(ValueError, match=reason):
        rotations(nodes, 1)


def test_placing_keeps_lengths(folder):
    cell = read_morphology(folder / "cell.swc")
    own = cell_segments(cell, np.array([0, 2, 3, 4, 5]), np.array([1, 1, 3, 3, 11]))
    turn = rotations(
        {f"orientation_{axis}": np.array([value]) for axis, value in zip("wxyz", [1, 2, 3, 4], strict=True)},
        1,
    )
    there = placed(own, turn[0], np.array([10.0, 20, 30]))
    ends = [np.stack([there[f"{end}_{axis}"] for axis in "xyz"], axis=1) for end in ("start", "end")]
    np.testing.assert_allclose(ends[0][0], [10, 20, 30])
    np.testing.assert_allclose(np.linalg.norm(ends[1] - ends[0], axis=1)[1:], own["length"][1:], rtol=1e-6)


# The stub axon


def straight(length, bend=20.0):
    points = np.array([[0.0, 0, 0, 1], [0, -bend, 0, 1], [length - bend, -bend, 0, 1]])
    return AxonTree.of([(points[:2], -1), (points[1:], 0)], [True, True])


def test_the_stub_follows_the_branch_and_goes_on_straight():
    pieces = stub_axon(straight(100.0), "stub")
    assert [piece[:3] for piece in pieces] == [("AIS", 0, 30), ("AIS", 30, 60), ("Myelin", 60, 1060)]
    np.testing.assert_allclose(
        pieces[0][3](np.array([0.0, 20, 30]))[:, :3], [[0, 0, 0], [0, -20, 0], [10, -20, 0]]
    )
    np.testing.assert_allclose(pieces[2][3](np.array([1060.0]))[0, :3], [1040, -20, 0])


def test_bluerecordings_pieces_use_their_own_points_alone():
    pieces = stub_axon(straight(1100.0, bend=40.0), "bluerecording")
    # One point is within the first piece: the line through the two lowest in x, which are the first two here.
    np.testing.assert_allclose(pieces[0][3](np.array([30.0]))[0, :3], [0, -30, 0])
    turned = rotations({"rotation_angle_yaxis": np.array([np.pi])}, 1)[0]
    pieces = stub_axon(straight(1100.0, bend=40.0), "bluerecording", turned)
    np.testing.assert_allclose(pieces[0][3](np.array([30.0]))[0, :3], [-10, -40, 0], atol=1e-9)


def test_bluerecordings_sparse_pieces_lie_between_the_points_it_chooses():
    # Path lengths 0, 45, 145; where x falls along the axon, its sorted points are 145, 45, 0 (and the end at 1060 first).
    points = np.array([[0.0, 0, 0, 1], [-45, 0, 0, 1], [-145, 0, 0, 1]])
    first, second, myelin = stub_axon(AxonTree.of([(points, -1)], [True]), "bluerecording")
    ends = [piece[3](np.array(piece[1:3]))[:, 0].tolist() for piece in (first, second, myelin)]
    np.testing.assert_allclose(ends, [[0, -30], [-30, -60], [-60, -1060]], atol=1e-9)
    # Bent: the second piece is on the line through those points that are nearest to 30 and 60, here 0 and 50.
    bent = np.array([[0.0, 0, 0, 1], [0, 10, 0, 1], [50, 10, 0, 1], [50, 1100, 0, 1]])
    pieces = stub_axon(AxonTree.of([(bent, -1)], [True]), "bluerecording")
    np.testing.assert_allclose(pieces[1][3](np.array([30.0, 60.0]))[:, :2], [[20, 10], [50, 10]], atol=1e-9)


@pytest.mark.parametrize(("rule", "reason"), [("stub", "no axon"), ("none", "axon is 'none'")])
def test_no_axon_to_follow(rule, reason):
    with pytest.raises(ValueError, match=reason):
        stub_axon(AxonTree.of([(np.zeros((2, 4)), -1)], [False]), rule)


# In a lake


def lake_of_nodes(path, **columns):
    lake = neurolake.create(path / "lake", durable=False)
    rows = {
        "node_id": [4, 2],
        "morphology": ["cell"] * 2,
        "x": [100.0, 0.0],
        "y": [0.0, 0.0],
        "z": [0.0, 1.0],
    }
    with lake.transaction("nodes") as transaction:
        transaction.write_table("nodes/circuit/cells", pa.table({**rows, **columns}))
    return lake


def write_elements(lake, node_id, element_id):
    with lake.transaction("report") as transaction:
        transaction.write_table(
            "reports/r/cells.elements", pa.table({"node_id": node_id, "element_id": element_id})
        )


def test_segments_of_a_population_are_one_documented_table(folder):
    lake = lake_of_nodes(folder)
    name = place_segments(lake, "nodes/circuit/cells", folder, segment_length=1000.0).nodes[0]
    table = lake[name]
    assert (name, table.rows, table.sorted_by) == ("segments/cells", 12, ["node_id"])
    frame = table.to_pandas()
    assert frame["node_id"].tolist() == [2] * 6 + [4] * 6
    places = frame[["start_x", "start_y", "start_z"]].to_numpy()
    np.testing.assert_allclose(places[6:] - places[:6], [[100, 0, -1]] * 6)
    assert all(field["doc"]["meaning"] for field in table.fields)
    assert place_segments(lake, "nodes/circuit/cells", folder, segment_length=10.0).nodes == [name]
    assert lake[name].rows == 40
    assert list(strangers(lake, "nodes/")) == []


def test_a_report_tells_cells_sections_and_counts(folder):
    lake = lake_of_nodes(folder)
    write_elements(lake, [4, 4, 4], [0, 5, 5])
    name = place_segments(lake, "nodes/circuit/cells", folder, report="reports/r/cells", name="some").nodes[0]
    frame = lake[name].to_pandas()
    assert frame[["node_id", "section_id", "segment_id"]].values.tolist() == [[4, 0, 0], [4, 5, 0], [4, 5, 1]]
    assert frame["end_y"].tolist() == [0, 55, 105]


def test_a_stub_needs_no_report(folder):
    swc = "1 1 0 0 0 5 -1\n2 2 0 -5 0 1 1\n3 2 0 -65 0 1 2\n4 2 50 -65 0 1 3\n5 2 -50 -65 0 1 3\n6 3 0 5 0 1 1\n7 3 0 105 0 1 6\n"
    (folder / "cell.swc").write_text(swc)
    lake = lake_of_nodes(folder, node_id=[0, 1])
    for axon, sections in (("keep", [0, 1, 2, 3, 4]), ("stub", [0, 1, 2, 4, 5])):
        name = place_segments(lake, "nodes/circuit/cells", folder, axon=axon, segment_length=20.0).nodes[0]
        frame = lake[name].to_pandas()
        own = frame[frame["node_id"] == 1]
        assert own["section_id"].drop_duplicates().tolist() == sections
    # 30 and 30 µm of initial segment, the dendrite of 100 µm, the myelin of 1,000 µm.
    assert own.groupby("section_id").size().tolist() == [1, 1, 1, 5, 5]
    assert own.groupby("section_id")["label"].first().tolist() == ["Soma", "AIS", "AIS", "Dendrite", "Myelin"]
    np.testing.assert_allclose(own.groupby("section_id")["length"].sum(), [0, 30, 30, 100, 1000])
    (folder / "cell.swc").write_text("1 1 0 0 0 5 -1\n2 2 0 -5 0 1 1\n3 2 0 -65 0 1 2\n")
    with pytest.raises(neurolake.IngestError, match="sections 1 and 2 are not of an axon"):
        place_segments(lake, "nodes/circuit/cells", folder, axon="stub")


@pytest.mark.parametrize(
    ("nodes", "sections", "options", "reason"),
    [
        ([7], [0], {}, "1 nodes that are not in the table, the first is 7"),
        ([4], [9], {}, "node 4: section 9 is not in the morphology"),
        ([4], [0], {"axon": "cut"}, "axon is one of"),
        ([4], [0], {"segment_length": 0}, "segment_length above 0"),
    ],
)
def test_what_does_not_fit_is_told(folder, nodes, sections, options, reason):
    lake = lake_of_nodes(folder)
    write_elements(lake, nodes, sections)
    with pytest.raises(neurolake.InputError, match=reason):
        place_segments(lake, "nodes/circuit/cells", folder, report="reports/r/cells", **options)
    assert "segments/cells" not in lake


def test_morphologies_that_are_not_there_or_none(folder):
    with pytest.raises(neurolake.IngestError, match="node 2 has morphology 'gone'"):
        place_segments(lake_of_nodes(folder, morphology=["cell", "gone"]), "nodes/circuit/cells", folder)
    (folder / "bad.swc").write_text("1 1 0 0 zero 5 -1\n")
    with pytest.raises(neurolake.IngestError, match=r"bad\.swc:1: '1 1 0 0 zero 5 -1': expected ID, type"):
        read_morphology(folder / "bad.swc")
    (folder / "bad.asc").write_text('("CellBody"\n (CellBody)\n (1 2 x 4)\n)\n')
    with pytest.raises(
        neurolake.IngestError, match=r"bad\.asc:3: MorphIO cannot read it: Error converting: \"x\""
    ):
        read_morphology(folder / "bad.asc")
    lake = neurolake.create(folder / "other", durable=False)
    with lake.transaction("nodes") as transaction:
        transaction.write_table("nodes/n", pa.table({"node_id": [1]}))
    with pytest.raises(neurolake.InputError, match="no column 'morphology'"):
        place_segments(lake, "nodes/n", folder)


def test_segments_need_all_columns():
    with pytest.raises(neurolake.InputError, match="no column 'segment_id'"):
        segments_table(1, {"section_id": np.zeros(1)})
    assert SEGMENTS.schema.names[:3] == ["node_id", "section_id", "segment_id"]


# BlueRecording


def test_bluerecordings_positions(shared_data, tmp_path):
    h5py = pytest.importorskip("h5py")
    folder = shared_data / "lfp" / "br_e2e"
    known = np.load(folder / "positions.npz")
    with h5py.File(folder / "nodes.h5") as file:
        group = file["nodes/S1nonbarrel_neurons/0"]
        axes = [*"xyz", *(f"orientation_{axis}" for axis in "wxyz")]
        columns = {name: group[name][:].astype(float) for name in axes}
        morphology = group["morphology"].asstr()[:].tolist()
    with h5py.File(folder / "reporting" / "voltage.h5") as file:
        elements = file["report/S1nonbarrel_neurons/mapping/element_ids"][:].astype(np.int64)
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("nodes") as transaction:
        rows = {"node_id": [0, 1, 2], "morphology": morphology, **columns}
        transaction.write_table("nodes/circuit/cells", pa.table(rows))
    write_elements(lake, np.repeat([0, 1, 2], 1099), elements)
    shapes = folder / "morphologies" / "ascii"
    options = {"report": "reports/r/cells", "axon": "bluerecording"}
    found = lake[place_segments(lake, "nodes/circuit/cells", shapes, **options).nodes[0]].to_pandas()
    # Theirs has a point more than a section has segments, but for the soma.
    kinds = np.stack([known["id"], known["section"]], axis=1)
    last = np.concatenate([(kinds[1:] != kinds[:-1]).any(axis=1), [True]])
    first = np.concatenate([[True], last[:-1]])
    soma = known["section"] == 0
    for end, left_out in (("start", last), ("end", first)):
        ours = found[[f"{end}_{axis}" for axis in "xyz"]].to_numpy()
        np.testing.assert_allclose(ours, known["xyz"].T[soma | ~left_out], rtol=0, atol=1e-9)
