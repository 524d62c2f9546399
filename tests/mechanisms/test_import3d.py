"""SWC files as NEURON's Import3D reads them, over a matrix of files; and as MorphIO reads them, where it does."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from neuron import h
from neuron_shapes import imported
from swc_files import BALL, CHAIN, FILES, SPHERE, swc

from neurolake.mechanisms.cell.import3d import Tree
from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.cell.sections import Cell
from neurolake.mechanisms.cell.shapes import Morphology
from neurolake.mechanisms.cell.swc import parse_swc

LABELS = {"soma": "Soma", "axon": "Axon", "apic": "ApicalDendrite"}


def place(points):
    return tuple(map(tuple, np.asarray(points, np.float32).round(3).tolist()))


def assert_neurons(read: Morphology, path):
    """Compare points, labels, lengths, areas, parents and places on them with NEURON's import of a file."""
    made = imported(path)
    assert len({place(own["points"]) for own in made}) == len(made), "sections cannot be told apart"
    by_name = {own["name"]: own for own in made}
    cell = Cell(read.shapes)
    ours = {place(shape.points): at for at, shape in enumerate(read.shapes)}
    assert sorted(ours) == sorted(place(own["points"]) for own in made)
    for own in made:
        at = ours[place(own["points"])]
        shape = read.shapes[at]
        assert shape.label == LABELS.get(own["name"].partition("[")[0], "Dendrite")
        assert cell.lengths[at] == pytest.approx(own["L"], rel=1e-6)
        assert cell.areas[at] == pytest.approx(own["area"], rel=1e-5)
        if own["parent"] is None:
            assert shape.parent == -1
        else:
            parent = ours[place(by_name[own["parent"]]["points"])]
            assert (shape.parent, shape.parent_x) == (parent, own["parent_x"])


@pytest.mark.parametrize("name", FILES)
def test_sections_are_those_of_neurons_import(name, tmp_path):
    path = tmp_path / f"{name}.swc"
    path.write_bytes(FILES[name].encode())
    assert_neurons(parse_swc(FILES[name], path), path)


MORPHIO_REFUSES = {
    *("star_branching_later", "soma_in_the_middle", "soma_at_the_end", "soma_in_a_dendrite"),
    *("no_soma_two_types", "type_changes_on_the_way", "type_changes_in_every_sample", "type_5_within_3"),
    *("a_branch_without_length", "type_-1", "floats", "parent_below_0", "parent_0_of_the_first"),
}
OTHER_SOMATA = {
    "ball_too_long",
    "ball_tapering",
    *(name for name in FILES if name.startswith(("star", "no_soma"))),
}
"""Files whose soma has another area in MorphIO than in NEURON."""


@pytest.mark.parametrize("name", FILES)
def test_morphio_reads_dendrites_as_long_and_somata_as_large(name, tmp_path):
    morphio = pytest.importorskip("morphio")
    path = tmp_path / "cell.swc"
    path.write_bytes(FILES[name].encode())
    options = {"warning_handler": morphio.WarningHandlerCollector()}
    if name in MORPHIO_REFUSES:
        with pytest.raises(morphio.MorphioError):
            morphio.Morphology(str(path), **options)
        return
    theirs, shapes = morphio.Morphology(str(path), **options), parse_swc(FILES[name]).shapes
    soma = {place([point]) for point in theirs.soma.points}
    # NEURON's dendrites may begin on a sample of the soma, MorphIO's never do.
    own = [
        shape.points[place([shape.points[0, :3]]) in soma :, :3] for shape in shapes if shape.label != "Soma"
    ]
    length = sum(np.linalg.norm(np.diff(section.points, axis=0), axis=1).sum() for section in theirs.sections)
    assert sum(np.linalg.norm(np.diff(each, axis=0), axis=1).sum() for each in own) == pytest.approx(
        length, rel=1e-5
    )
    if name not in OTHER_SOMATA:
        area = sum(Cell(shapes).areas[[shape.label == "Soma" for shape in shapes]])
        assert area == pytest.approx(theirs.soma.surface, rel=1e-5)


def test_the_matrix_is_large():
    assert len(FILES) >= 60


FORKED = swc(
    [
        *CHAIN,
        (3, 9, 30, 0, 1, 4),
        (3, 9, 40, 1, 1, 5),
        (4, -9, 0, 0, 1, 1),
        (4, -19, 0, 0, 1, 7),
        (2, 1, 50, 0, 1, 6),
    ]
)


@pytest.mark.parametrize(
    "lines",
    [[8, 0, 7, 1, 2, 6, 3, 5, 4], list(range(8, -1, -1)), [3, 2, 1, 0, 4, 5, 6, 7, 8]],
)
def test_the_order_of_lines_says_nothing(lines, tmp_path):
    path = tmp_path / "sorted.swc"
    path.write_text(FORKED)
    rows = FORKED.splitlines()
    assert_neurons(parse_swc("\n".join(rows[at] for at in lines)), path)


def test_ids_in_any_order_are_read_as_depth_first(tmp_path):
    """NEURON reads no file whose IDs are not in the order of the tree; it reads the same tree renumbered."""
    rows = [row.split() for row in FORKED.splitlines()]
    names = {str(number): str(100 - 7 * number) for number in range(1, 10)} | {"-1": "-1"}
    text = "\n".join(" ".join([names[row[0]], *row[1:6], names[row[6]]]) for row in rows)
    path = tmp_path / "sorted.swc"
    path.write_text(
        swc(
            [
                *CHAIN,
                (4, -9, 0, 0, 1, 1),
                (4, -19, 0, 0, 1, 5),
                (3, 9, 30, 0, 1, 4),
                (3, 9, 40, 1, 1, 7),
                (2, 1, 50, 0, 1, 8),
            ]
        )
    )
    assert_neurons(parse_swc(text), path)


def test_samples_of_different_branches_are_never_joined(tmp_path):
    """Breadth first on a soma of one sample: NEURON would make a section of samples 3 and 4, on different branches."""
    text = swc([*SPHERE, (3, 0, 9, 0, 1, 1), (3, 9, 0, 0, 1, 1), (3, 0, 19, 0, 1, 2), (3, 19, 0, 0, 1, 3)])
    shapes = parse_swc(text).shapes
    assert [shape.points[:, :2].tolist() for shape in shapes[1:]] == [[[0, 9], [0, 19]], [[9, 0], [19, 0]]]
    path = tmp_path / "depth_first.swc"
    path.write_text(
        swc([*SPHERE, (3, 0, 9, 0, 1, 1), (3, 0, 19, 0, 1, 2), (3, 9, 0, 0, 1, 1), (3, 19, 0, 0, 1, 4)])
    )
    assert_neurons(parse_swc(text), path)


@pytest.mark.parametrize("name", ["fork", "comments", "ball", "soma_of_two"])
@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff# made by hand\n", "\ufeff\n"])
def test_a_byte_order_mark_says_nothing(name, mark):
    plain, marked = parse_swc(FILES[name]).shapes, parse_swc(mark + FILES[name]).shapes
    assert [shape.points.tolist() for shape in marked] == [shape.points.tolist() for shape in plain]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_files_of_other_encodings(encoding, tmp_path):
    (tmp_path / "cell.swc").write_bytes(("# K\u00f6ln\r\n" + FILES["crlf"]).encode(encoding))
    assert len(read_morphology(tmp_path / "cell.swc").shapes) == len(parse_swc(FILES["fork"]).shapes)


def test_carriage_returns_end_lines():
    plain, bare = parse_swc(FILES["fork"]), parse_swc(FILES["fork"].replace("\n", "\r"))
    assert [shape.points.tolist() for shape in bare.shapes] == [
        shape.points.tolist() for shape in plain.shapes
    ]


def test_sections_without_length_are_told():
    read = parse_swc(FILES["a_branch_without_length"])
    assert len(read.shapes) == 4
    assert read.notices == (
        "line 4: the section that begins here has two points in one place, and is left out, as NEURON leaves it out",
    )
    (notice,) = parse_swc(FILES["star_stub_on_centre"]).notices
    assert notice.startswith("line 5: the section that begins here has one point alone")


@st.composite
def rows(draw):
    """A tree of random types, on a soma of any form, in an order in which parents come before their children."""
    soma = draw(
        st.sampled_from([SPHERE, BALL, CHAIN, CHAIN[:2], [*CHAIN, (1, 9, 9, 9, 2, 2)], [(3, 0, 0, 0, 1, -1)]])
    )
    made = list(soma)
    kinds = st.sampled_from([1, 2, 3, 3, 3, 4, 5])
    for at in range(draw(st.integers(0, 9))):
        near = draw(st.booleans())
        parent = len(made) if near else draw(st.integers(1, len(made)))
        kind = made[parent - 1][0] if draw(st.booleans()) else draw(kinds)
        made.append(
            (
                kind,
                20.0 + at * at,
                draw(st.integers(-3, 3)) * 5.0,
                3.0 * at,
                draw(st.sampled_from([0.5, 1, 5])),
                parent,
            )
        )
    return made


@settings(max_examples=150, deadline=None)
@given(rows())
def test_random_trees_are_neurons(tmp_path_factory, rows):
    tree = Tree(
        [row[0] for row in rows], [row[5] - 1 if at else -1 for at, row in enumerate(rows)], points(rows)
    )
    assume(not tree.joins_strangers)
    path = tmp_path_factory.mktemp("random") / "cell.swc"
    path.write_text(swc(rows))
    assert_neurons(parse_swc(swc(rows)), path)


@settings(max_examples=100, deadline=None)
@given(rows())
def test_paths_to_the_soma_are_neurons_distances(rows):
    cell = Cell(parse_swc(swc(rows)).shapes)
    soma = [at for at, label in enumerate(cell.labels) if label == "Soma"]
    # All of the soma in one piece, wherever in the tree.
    assume(soma and all(cell.shapes[at].parent in soma for at in soma[1:]))
    for section in set(range(len(cell.shapes))) - set(soma):
        at, x = np.full(3, section), np.array([0.0, 0.25, 1.0])
        path = cell.branches.soma_distances(at, x) + cell.branches.stem[section]
        known = [h.distance(cell.soma(0), cell.sections[section](each)) for each in x[[0, 2]]]
        assert path[[0, 2]] == pytest.approx(known, abs=1e-4)
        assert (
            path[1] == pytest.approx(path[0] + (path[2] - path[0]) / 4) or 0 < cell.branches.near[section] < 1
        )


def points(rows):
    return np.array([[x, y, z, 2 * radius] for _, x, y, z, radius, _ in rows], float)
