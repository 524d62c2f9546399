"""Synapse and connection files become an embedding, or an error that names the line."""

import csv
import gzip
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.mechanisms.cell.sites import branches
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.connectivity import embed, read_connections, read_synapses

SYN = "# Synapse distribution file\n# corresponding to cell: c\n# Type - section - section.x\n\n"
CON = "# Anatomical connectivity realization file\n# c.syn\n# Type - cell ID - synapse ID\n\n"
PLACE = re.compile(r"\{connect (\S+)\(0\), (\S+)\((\S+)\)\}")
POINT = re.compile(r"\{pt3dadd\((.*)\)\}")


@pytest.fixture(scope="module")
def cell():
    """A soma, a trunk from its middle, and two twigs from the trunk's end."""
    lines = [[(0, 0, 0), (0, 0, 10)], [(0, 0, 10), (0, 0, 40), (0, 0, 110)], [(0, 0, 110), (30, 0, 150)]]
    lines.append([(0, 0, 110), (0, 40, 110), (0, 40, 110)])
    return branches(
        [np.array(line, float) for line in lines],
        labels=["Soma", "ApicalDendrite", "ApicalDendrite", "Dendrite"],
        parents=[-1, 0, 1, 1],
        parent_x=[0, 0.5, 1.0, 0.25],
    )


@pytest.fixture
def files(tmp_path):
    def write(syn, con, name="c.syn"):
        (tmp_path / name).write_text(SYN + syn)
        (tmp_path / "c.con").write_text(CON + con)
        return tmp_path / name, tmp_path / "c.con"

    return write


def read(paths, cell):
    return embed(read_synapses(paths[0]), read_connections(paths[1]), cell)


def hoc_cell(path):
    """Sections of an exported hoc file; the soma's children start at its surface."""
    names, points, parents, at = [], [], [], []
    for line in path.read_text().splitlines():
        if line.startswith("{create"):
            names.append(line.split()[1].rstrip("}"))
            points.append([])
            parents.append(-1)
            at.append(0.0)
        elif match := PLACE.search(line):
            parents[-1], at[-1] = names.index(match[2]), float(match[3])
        elif match := POINT.search(line):
            points[-1].append([float(value) for value in match[1].split(",")])
    labels = ["Soma" if "soma" in name else "Dendrite" for name in names]
    return branches([np.array(each) for each in points], labels=labels, parents=parents, parent_x=at)


def test_every_synapse_of_cell_86_sits_where_the_framework_puts_it(isf_data):
    folder = isf_data / "example_86_C2" / "anatomical"
    stem = folder / "example_embedding_86_C2_center" / "example_embedding_86_C2_center"
    with pytest.warns(UserWarning, match=r"belongs to 86_C2_center.syn, and is used with example_embedding"):
        made = read((f"{stem}.syn", f"{stem}.con"), hoc_cell(folder / "86_C2_center.hoc"))
    with gzip.open(isf_data / "golden" / "synapses_86_C2_center.csv.gz", "rt") as file:
        golden = list(csv.DictReader(file))
    key = {(row["synapse_type"], int(row["synapse_ID"])): row for row in golden}
    names = [made.populations[code] for code in made.population]
    rows = [key[name, number] for name, number in zip(names, made.synapse_id.tolist(), strict=True)]
    assert len(made) == len(key) == 24780
    assert made.section_id.tolist() == [int(row["section_ID"]) for row in rows]
    assert made.section_pt_id.tolist() == [int(row["section_pt_ID"]) for row in rows]
    assert made.x.tolist() == [float(row["x"]) for row in rows]
    np.testing.assert_allclose(made.soma_distance, [float(row["soma_distance"]) for row in rows], rtol=1e-12)
    np.testing.assert_array_equal(
        made.xyz, [[float(row[axis]) for axis in ("px", "py", "pz")] for row in rows]
    )
    assert (made.cell_id >= 0).all()


def test_rows_become_synapses_in_order_of_population_and_number(files, cell):
    syn = "L2_C2\t1\t0.1\nL1_C2\t2\t1.0\nL2_C2\t0\t0.3\nL2_C2\t3\t0.5\n"
    con = "L2_C2\t0\t2\nL2_C2\t1\t0\nL1_C2\t0\t0\n"
    made = read(files(syn, con), cell)
    assert made.populations == ("L1_C2", "L2_C2")
    assert made.population.tolist() == [0, 1, 1, 1]
    assert made.synapse_id.tolist() == [0, 0, 1, 2]
    assert made.section_id.tolist() == [2, 1, 0, 3]
    assert made.cell_id.tolist() == [0, 1, -1, 0]
    assert made.cells().tolist() == [1, 2]
    np.testing.assert_allclose(made.soma_distance, [100 + 50, 10, 0, 25 + 20])
    np.testing.assert_array_equal(made.xyz[:, 2], [150, 10, 0, 110])


def test_of_points_equally_near_the_first_is_taken(cell):
    assert cell.nearest_points(np.array([3, 0, 3]), np.array([1.0, 0.5, 0.5])).tolist() == [1, 0, 0]


def test_the_pruned_variant_has_a_fourth_column(files, cell):
    made = read(files("L2_C2\t1\t0.1\t1\nL2_C2\t1\t0.2\t0\n", "L2_C2\t0\t0\n"), cell)
    assert made.pruned.tolist() == [1, 0]


def test_a_con_of_another_syn_only_warns(files, cell):
    paths = files("L2_C2\t1\t0.1\n", "L2_C2\t0\t0\n", name="renamed.syn")
    with pytest.warns(UserWarning, match=r"belongs to c.syn, and is used with renamed.syn"):
        assert len(read(paths, cell)) == 1


def test_matching_files_do_not_warn(files, cell):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(files("L2_C2\t1\t0.1\n", "L2_C2\t0\t0\n"), cell)


@pytest.mark.parametrize(
    ("syn", "con", "reason", "at", "line"),
    [
        ("L2_C2\t9\t0.1\n", "L2_C2\t0\t0\n", "section 9: the cell has 4 sections", "syn", 5),
        ("L2_C2\t1\t1.5\n", "L2_C2\t0\t0\n", "x is 1.5, expected 0 to 1", "syn", 5),
        ("L2_C2\t1\tnan\n", "L2_C2\t0\t0\n", "x is nan", "syn", 5),
        ("L2_C2\t1\t0\n\nL2_C2\t1\tx\n", "L2_C2\t0\t0\n", "x is 'x', expected a number", "syn", 7),
        ("L2_C2\t1.0\t0.1\n", "L2_C2\t0\t0\n", "section is '1.0', expected a whole", "syn", 5),
        ("L2_C2 1 0.1\n", "L2_C2\t0\t0\n", "1 tab-separated columns, expected type, section, x", "syn", 5),
        ("", "L2_C2\t0\t0\n", "no rows", "syn", None),
        ("L2_C2\t1\t0.1\n", "", "no rows", "con", None),
        ("L2_C2\t1\t0.1\n", "L2_C2\t0\t0\nL3_C2\t0\t0\n", "type L3_C2 has no synapses in", "con", 6),
        ("L2_C2\t1\t0.1\n", "L2_C2\t0\t0\nL2_C2\t0\t1\n", "synapse 1 of L2_C2: .* has 1 of", "con", 6),
        ("L2_C2\t1\t0.1\n", "L2_C2\t0\t0\nL2_C2\t0\t0\n", "synapse 0 is connected before", "con", 6),
        ("L2_C2\t1\t0.1\n", "L2_C2\t-1\t0\n", "cell ID is '-1'", "con", 5),
        (
            "L2_C2\t1\t0.1\nL2_C2\t1\t0\n",
            "L2_C2\t0\t1\nL2_C2\t2\t0\n",
            "cell 2 of L2_C2, but only 2",
            "con",
            6,
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(files, cell, syn, con, reason, at, line):
    paths = files(syn, con)
    with pytest.raises(ModelError, match=reason) as caught:
        read(paths, cell)
    assert caught.value.path == str(paths[at == "con"])
    assert caught.value.line == line


def test_files_without_a_header_read_alike(tmp_path, cell):
    (tmp_path / "bare.syn").write_text("L2_C2\t1\t0.1\n")
    (tmp_path / "bare.con").write_text("L2_C2\t0\t0\n")
    assert len(read((tmp_path / "bare.syn", tmp_path / "bare.con"), cell)) == 1


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"none.syn: cannot be read: No such file"):
        read_synapses(tmp_path / "none.syn")


def test_sections_that_cannot_be():
    line = np.array([[0.0, 0, 0], [0, 0, 1]])
    with pytest.raises(ModelError, match="differ in number"):
        branches([line], labels=["Soma"], parents=[-1], parent_x=[])
    with pytest.raises(ModelError, match="section 0 has no length"):
        branches([line[:1]], labels=["Soma"], parents=[-1], parent_x=[0])
    with pytest.raises(ModelError, match="section 0: its parents do not lead"):
        branches([line, line], labels=["a", "a"], parents=[1, 0], parent_x=[0, 0])


@settings(max_examples=40, deadline=None)
@given(parents=st.lists(st.integers(0, 10**6), min_size=1, max_size=12), seed=st.integers(0, 2**32 - 1))
def test_distances_add_up_along_any_tree_in_any_order(parents, seed):
    """The sum over ancestors of parent_x * length, whatever the order of the sections."""
    rng = np.random.default_rng(seed)
    n = len(parents) + 1
    up = [-1, *(parent % child for child, parent in enumerate(parents, 1))]
    order = rng.permutation(n)
    place = np.argsort(order)
    lines = [np.cumsum(rng.integers(1, 9, (4, 3)), axis=0).astype(float) for _ in range(n)]
    at = rng.random(n)
    made = branches(
        [lines[k] for k in order],
        labels=["Soma" if k == 0 else "Dendrite" for k in order],
        parents=[-1 if up[k] < 0 else int(place[up[k]]) for k in order],
        parent_x=at[order],
    )
    lengths = [np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines]
    for k in range(1, n):
        expected, above = 0.5 * lengths[k], k
        while up[above] > 0:
            expected += at[above] * lengths[up[above]]
            above = up[above]
        found = made.soma_distances(np.array([place[k]]), np.array([0.5]))
        np.testing.assert_allclose(found, expected, rtol=1e-12)
