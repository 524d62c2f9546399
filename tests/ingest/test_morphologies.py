"""Sections for segments of cells: SWC as NEURON reads it, asc and h5 by MorphIO; damaged files are told."""

import numpy as np
import pyarrow as pa
import pytest
from damage import flipped, mutated
from neuron_shapes import imported
from swc_files import BALL, FILES, SPHERE, swc
from typer.testing import CliRunner

import neurolake
from neurolake.cli import app
from neurolake.ingest.lfp.morphologies import cell_segments, default_counts, read_morphology
from neurolake.ingest.lfp.segments import place_segments

morphio = pytest.importorskip("morphio")

LABELS = {"soma": "Soma", "axon": "Axon", "apic": "ApicalDendrite"}
SOMALESS = [name for name in FILES if name.startswith("no_soma")]
ASC = """; a cell
("CellBody"
  (Color Blue)
  (CellBody)
  (8 0 0 0.5) (6 5 0 0.5) (0 7 0 0.5) (-6 5 0 0.5) (-8 0 0 0.5) (-6 -5 0 0.5) (0 -7 0 0.5) (6 -5 0 0.5)
)
((Dendrite)
  (0 7 0 2)
  (0 20 0 1.5)
  (
    (5 30 0 1)
    (6 40 0 1)
  |
    (-5 30 0 1)
    (-6 41 2 1)
  )
)
((Axon)
  (0 -7 0 1)
  (0 -20 1 0.5)
)
((Apical)
  (8 0 0 1)
  (20 0 1 0.5)
)
"""


def table_of(lake_at, folder, file, **columns):
    """The segments of one cell whose soma is placed at 0."""
    lake = neurolake.create(lake_at / "lake", durable=False)
    rows = {"node_id": [0], "morphology": [file], **{axis: [0.0] for axis in "xyz"}, **columns}
    with lake.transaction("nodes") as transaction:
        transaction.write_table("nodes/cells", pa.table(rows))
    (node,) = place_segments(lake, "nodes/cells", folder).nodes
    return lake[node].to_pandas()


@pytest.mark.parametrize("name", [name for name in FILES if name not in SOMALESS])
def test_sections_are_numbered_as_in_neurons_import(name, tmp_path):
    path = tmp_path / "cell.swc"
    path.write_bytes(FILES[name].encode())
    cell = read_morphology(path)
    # NEURON puts types below 1 before the soma; SONATA's soma is 0.
    made = sorted(imported(path), key=lambda own: not own["name"].startswith("soma"))
    somatic = np.concatenate([own["points"] for own in made if own["name"].startswith("soma")])
    np.testing.assert_allclose(cell.center, somatic[:, :3].mean(axis=0), rtol=1e-6, atol=1e-3)
    assert len(cell.sections) == len(made) - 1
    for section, own in zip(cell.sections, made[1:], strict=True):
        assert section.label == LABELS.get(own["name"].partition("[")[0], "Dendrite")
        there = section.points + np.array([*cell.center, 0])
        np.testing.assert_allclose(there, own["points"], rtol=1e-5, atol=1e-5)
    segments = cell_segments(cell, *default_counts(cell, 40.0))
    length = np.bincount(segments["section_id"], segments["length"], minlength=len(made))
    np.testing.assert_allclose(length[1:], [own["L"] for own in made[1:]], rtol=1e-5)
    assert length[0] == 0 and (segments["soma_distance"] >= 0).all()


@pytest.mark.parametrize(
    ("rows", "diameter"),
    [
        (SPHERE, 10),
        (BALL, 10),
        ([(1, 0, 0, 0, 2, -1), (1, 40, 0, 0, 2, 1)], 4),
        ([(1, 0, 0, 0, 10, -1), (1, 0, 0, 2, 10, 1), (1, 0, 0, 4, 10, 2)], 20),
        ([(1, 0, 0, 0, 2, -1), (1, 30, 0, 0, 4, 1), (1, 40, 0, 0, 4, 2)], 6.5),
    ],
)
def test_the_soma_is_as_thick_as_its_samples(rows, diameter, tmp_path):
    (tmp_path / "cell.swc").write_text(swc([*rows, (3, 0, 30, 0, 1, 1), (3, 0, 60, 0, 1, len(rows) + 1)]))
    assert table_of(tmp_path, tmp_path, "cell.swc").diameter[0] == pytest.approx(diameter)
    if len(rows) == 1:
        return
    # h5 of the same samples has them too; MorphIO reads no soma of one point there.
    morphio.mut.Morphology(str(tmp_path / "cell.swc")).write(str(tmp_path / "cell.h5"))
    assert read_morphology(tmp_path / "cell.h5").soma == pytest.approx(diameter)


FAR = "1 1 100 200 300 5 -1\n2 3 100 206 300 1 1\n3 3 100 220 300 1 2\n4 3 100 230 300 1 3\n"
STARTS = ["start_x", "start_y", "start_z"]


@pytest.mark.parametrize("suffix", [".swc", ".h5", ".asc"])
def test_the_soma_is_placed_where_the_node_is(suffix, tmp_path):
    (tmp_path / "cell.swc").write_text(FAR)
    far = ASC
    for place in ("8 0 0", "6 5 0", "0 7 0", "-6 5 0", "-8 0 0", "-6 -5 0", "0 -7 0", "6 -5 0", "0 20 0"):
        moved = " ".join(str(a + b) for a, b in zip(map(int, place.split()), (100, 200, 300), strict=True))
        far = far.replace(f"({place} ", f"({moved} ")
    (tmp_path / "cell.asc").write_text(far)
    morphio.mut.Morphology(str(tmp_path / "cell.asc")).write(str(tmp_path / "cell.h5"))
    found = table_of(tmp_path, tmp_path, f"cell{suffix}")
    assert found[STARTS].to_numpy()[0].tolist() == [0, 0, 0]
    dendrite = found[found.label == "Dendrite"][STARTS].to_numpy()[0]
    np.testing.assert_allclose(dendrite, [0, 6 if suffix == ".swc" else 7, 0], atol=1e-4)


def test_recenter_0_places_the_morphology_as_it_is_in_its_file(tmp_path):
    (tmp_path / "cell.swc").write_text(FAR)
    half = np.sqrt(0.5)
    turned = {f"orientation_{axis}": [value] for axis, value in zip("wxyz", [half, 0, 0, half], strict=True)}
    found = table_of(tmp_path, tmp_path, "cell.swc", recenter=[0], **turned)
    np.testing.assert_allclose(found[STARTS].to_numpy()[:2], [[-200, 100, 300], [-206, 100, 300]])
    for number, recenter in enumerate(([1], [1.0], pa.array([None], pa.int64()))):
        there = tmp_path / str(number)
        there.mkdir()
        assert table_of(there, tmp_path, "cell.swc", recenter=recenter)[STARTS].to_numpy()[0].tolist() == [
            0,
            0,
            0,
        ]


def test_distances_to_a_soma_in_the_middle_of_the_tree(tmp_path):
    (tmp_path / "cell.swc").write_text(FILES["soma_in_the_middle"])
    cell = read_morphology(tmp_path / "cell.swc")
    found = cell_segments(cell, np.array([0, 1, 2]), np.array([1, 2, 2]))
    # The soma begins with the dendrite's end, from x = -20 to 6; the dendrite leads to it from -30.
    np.testing.assert_allclose(found["soma_distance"][:3], [0, 7.5, 2.5])
    assert found["soma_distance"][3] > 0 and found["length"][1] == pytest.approx(5)


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("negative.swc", "1 1 0 0 0 5 -1\n2 3 0 6 0 1 1\n3 3 0 20 0 -1 2\n", "negative.swc:3: radius -1"),
        ("zero.swc", "1 1 0 0 0 5 -1\n2 3 0 6 0 0 1\n", "zero.swc:2: radius 0"),
        ("empty.swc", "# nothing\n", "empty.swc: no sample"),
        ("soma.swc", "1 3 0 0 0 5 -1\n2 3 9 0 0 1 1\n", "soma.swc: no soma"),
        (
            "long.swc",
            "1 1 0 0 0 5 -1\n2 3 0 0 0 1 1\n3 3 1e20 0 0 1 2\n",
            "long.swc: node 0: section 1 is 1e.20 µm long",
        ),
        (
            "negative.asc",
            ASC.replace("6 40 0 1", "6 40 0 -1"),
            "negative.asc: section . has a diameter that is not above 0",
        ),
        ("empty.asc", "; nothing\n", "empty.asc:2: MorphIO cannot read it"),
        ("soma.asc", ASC[ASC.index("((Dend") :], "soma.asc: no soma"),
        ("line.asc", ASC.replace("6 40 0 1", "6 40 0"), "line.asc:13: MorphIO cannot read it: Error"),
        ("text.h5", "no h5", "text.h5: not a morphology in h5"),
    ],
)
def test_files_that_make_no_cell_are_told_by_name_and_line(file, text, place, tmp_path):
    (tmp_path / file).write_text(text)
    with pytest.raises(neurolake.IngestError, match=place) as refused:
        table_of(tmp_path, tmp_path, file)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_asc_of_any_system(end, mark, tmp_path):
    """With carriage returns alone a comment would go on to the end of the file."""
    text = mark + ASC.replace("((Axon)", "; the axon\n((Axon)")
    (tmp_path / "cell.asc").write_bytes(text.replace("\n", end).encode())
    labels = [section.label for section in read_morphology(tmp_path / "cell.asc").sections]
    assert labels == ["Axon", *["Dendrite"] * 3, "ApicalDendrite"]


def test_carriage_returns_alone_end_lines(tmp_path):
    (tmp_path / "cell.swc").write_text(FILES["fork"].replace("\n", "\r"))
    assert table_of(tmp_path, tmp_path, "cell.swc").label.tolist() == ["Soma", *["Dendrite"] * 3]


def test_what_is_left_out_is_told(tmp_path):
    (tmp_path / "cell.swc").write_text(FILES["a_branch_without_length"])
    table_of(tmp_path, tmp_path, "cell.swc")
    (notice,) = place_segments(neurolake.open(tmp_path / "lake"), "nodes/cells", tmp_path).notices
    assert notice.startswith("cell.swc: line 4: the section that begins here has two points in one place")
    done = CliRunner().invoke(
        app, ["ingest", "segments", "nodes/cells", str(tmp_path), "--lake", str(tmp_path / "lake")]
    )
    assert done.exit_code == 0 and notice in done.output


@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
def test_damaged_files_are_read_or_told(suffix, tmp_path):
    whole = tmp_path / f"whole{suffix}"
    (tmp_path / "whole.asc").write_text(ASC)
    (tmp_path / "whole.swc").write_text(FILES["forks_on_forks"])
    morphio.mut.Morphology(str(tmp_path / "whole.asc")).write(str(tmp_path / "whole.h5"))
    data, read = whole.read_bytes(), 0
    for seed in range(200):
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(flipped(data, seed) if suffix == ".h5" and seed % 2 else mutated(data, seed))
        try:
            cell = read_morphology(path)
        except neurolake.IngestError as told:
            assert told.path == str(path)
            continue
        read += 1
        assert 0 < cell.soma < np.inf
        for section in cell.sections:
            assert np.isfinite(section.points).all() and (section.points[:, 3] > 0).all()
    assert 10 < read < 190
