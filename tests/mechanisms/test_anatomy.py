"""Anatomical input on synthetic densities: cutting a cell along voxels, drawing synapses, choosing among realisations."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurolake.ingest.simrun.anatomy import format_con, format_syn
from neurolake.mechanisms.anatomy.files import read_affinities, read_axons, read_cell_numbers
from neurolake.mechanisms.anatomy.lattice import Lattice
from neurolake.mechanisms.anatomy.mapping import Axons, InputMapper, Realisation, representative, summary
from neurolake.mechanisms.anatomy.targets import STRUCTURES, Affinity, candidates, densities, extent
from neurolake.mechanisms.cell.sites import branches
from neurolake.mechanisms.errors import ModelError
from neurolake.mechanisms.input.connectivity import embed, read_connections, read_synapses

SIGNIFICANT = 1e-4
UNIFORM = {name: Affinity(1.0, 0.0) for name in STRUCTURES}


def field(value, shape=(4, 4, 4), origin=(-20.0, -20, -20), size=10.0):
    return Lattice(np.full(shape, float(value)), np.array(origin), np.full(3, size))


def cell_of(*lines, labels=None):
    labels = labels or ["Soma", *["Dendrite"] * (len(lines) - 1)]
    parents = [-1, *[0] * (len(lines) - 1)]
    return branches(
        [np.array(line, float) for line in lines], labels=labels, parents=parents, parent_x=[0.5] * len(lines)
    )


@pytest.fixture(scope="module")
def cell():
    """A soma and two dendrites with points every 0.5 um."""
    along = np.arange(0, 18.1, 0.5)[:, None]
    return cell_of(
        [[-1, 0.5, 0.5], [0, 0.5, 0.5], [1, 0.5, 0.5]],
        np.array([1.0, 0.5, 0.5]) + along * [1, 0, 0],
        np.array([-1.0, 0.5, 0.5]) - along * [1, 0, 0],
        labels=["Soma", "Dendrite", "ApicalDendrite"],
    )


def brute_force(cell, grid, structure, steps=20_000):
    """Length per voxel by walking along every piece in small steps."""
    length = np.zeros((len(STRUCTURES), *grid.values.shape))
    for section, label in enumerate(cell.labels):
        points = cell.points[cell.of(section)]
        for one, two in pairwise(points):
            middle = one + (np.arange(steps)[:, None] + 0.5) / steps * (two - one)
            index = grid.voxels(middle)
            np.add.at(length[STRUCTURES.index(label)], tuple(index.T), np.linalg.norm(two - one) / steps)
    return length.reshape(len(STRUCTURES), -1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_pieces_are_cut_where_they_cross_voxels(seed):
    """Beside a walk in small steps; nothing is lost or counted twice."""
    rng = np.random.default_rng(seed)
    lines = [np.cumsum(rng.normal(0, 8, (4, 3)), axis=0) for _ in range(3)]
    made = cell_of(*lines, labels=list(STRUCTURES))
    own = extent(made, np.ones(12), field(0, size=7.0))
    expected = brute_force(made, own.grid, STRUCTURES)
    np.testing.assert_allclose(own.length.sum(axis=1), [made.length[k] for k in range(3)], rtol=1e-6)
    longest = max(np.linalg.norm(np.diff(line, axis=0), axis=1).max() for line in lines)
    np.testing.assert_allclose(own.length, expected, atol=4 * longest / 20_000)


def test_a_line_in_a_face_belongs_to_one_voxel():
    made = cell_of([[0, 0, 0], [0, 0, 10]], [[0, 0, 0], [10, 10, 10], [20, 20, 20]])
    own = extent(made, np.ones(5), field(0))
    np.testing.assert_allclose(own.length.sum(axis=1), [10, 0, 20 * np.sqrt(3)])


def test_the_area_is_that_of_cones_with_the_diameter_for_a_radius():
    made = cell_of([[0, 0, 0], [0, 0, 1]], [[1, 1, 1], [1, 1, 25]])
    own = extent(made, np.array([1.0, 1.0, 2.0, 8.0]), field(0))
    slant = np.hypot(24, 6)
    assert own.area[2].sum() == pytest.approx(np.pi * (2 + 8) * slant)
    at = own.grid.voxels(np.array([[1.0, 1, 5], [1, 1, 15], [1, 1, 24]]))
    ends = 2 + 6 * (np.array([1.0, 10, 20, 25]) - 1) / 24
    expected = np.pi * (ends[:-1] + ends[1:]) * slant * np.diff([1.0, 10, 20, 25]) / 24
    np.testing.assert_allclose(own.area[2].reshape(own.grid.values.shape)[tuple(at.T)], expected)


def test_boutons_go_to_a_cell_by_its_share_of_the_targets(cell):
    own = extent(cell, np.ones(len(cell.points)), field(0))
    affinity = {"Dendrite": Affinity(2.0, 0.0)}
    expected = densities(own, affinity, field(100.0), field(50.0))
    np.testing.assert_allclose(expected[2], 50 * 2 * own.length[2] / 100)
    assert expected[:2].sum() == 0
    assert densities(own, UNIFORM, field(0.0), field(50.0)).sum() == 0
    assert densities(own, UNIFORM, field(100.0), field(50.0, origin=(500.0, 0, 0))).sum() == 0


def test_candidates_are_the_points_of_a_structure_in_a_voxel(cell):
    grid = field(0).around(cell.points)
    some = candidates(cell, grid)
    for group in np.flatnonzero(np.diff(some.first)):
        structure, voxel = divmod(group, grid.values.size)
        rows = some.points[some.first[group] : some.first[group + 1]]
        assert (
            np.ravel_multi_index(tuple(grid.voxels(cell.points[rows]).T), grid.values.shape) == voxel
        ).all()
        sections = np.searchsorted(cell.first, rows, side="right") - 1
        assert {cell.labels[section] for section in sections} == {STRUCTURES[structure]}
    assert sorted(some.points.tolist()) == list(range(len(cell.points)))


def mapper(cell, boutons, cells=2000, **more):
    axons = {"L5tt_C2": Axons(cells, "EXC", boutons), **more}
    targets = {"EXC": field(100.0), "INH": field(100.0)}
    return InputMapper(cell, np.ones(len(cell.points)), axons, {"EXC": UNIFORM, "INH": UNIFORM}, targets)


def test_synapses_per_voxel_are_poisson(cell):
    """2,000 cells: an expected number that is off by 5 % fails (power > 0.99)."""
    boutons = field(20.0)
    boutons.values[2:] = 60.0
    own = extent(cell, np.ones(len(cell.points)), field(0))
    expected = densities(own, UNIFORM, field(100.0), boutons).reshape(3, -1)
    made = mapper(cell, [boutons]).realisation(3, 0)
    rows = cell.first[made.section] + made.point
    voxel = np.ravel_multi_index(tuple(own.grid.voxels(cell.points[rows]).T), own.grid.values.shape)
    structure = np.array([STRUCTURES.index(cell.labels[section]) for section in made.section])
    counts = np.zeros_like(expected)
    np.add.at(counts, (structure, voxel), 1)
    some = expected > 0
    mean = 2000 * expected[some]
    assert counts[~some].sum() == 0
    assert stats.chi2.sf(((counts[some] - mean) ** 2 / mean).sum(), some.sum()) > SIGNIFICANT
    assert stats.chi2.sf(((counts[some] * 1.05 - mean) ** 2 / mean).sum(), some.sum()) < SIGNIFICANT
    per_cell = np.bincount(made.cell, minlength=2000)
    assert abs(per_cell.var() / per_cell.mean() - 1) < 4 * np.sqrt(2 / 2000), (
        "Poisson: the variance is the mean"
    )


def test_a_cell_takes_each_point_once_as_long_as_there_are(cell):
    made = mapper(cell, [field(100.0)], cells=50).realisation(1, 0)
    for one in range(50):
        rows = (cell.first[made.section] + made.point)[made.cell == one]
        some = candidates(cell, field(0).around(cell.points))
        place = np.empty(len(cell.points), int)
        place[some.points] = np.repeat(np.arange(len(some.first) - 1), np.diff(some.first))
        for group in np.unique(place[rows]):
            here = rows[place[rows] == group]
            size = some.first[group + 1] - some.first[group]
            assert len(np.unique(here)) == min(len(here), size)


def test_more_synapses_than_points_use_points_again():
    made = cell_of([[0, 0, 0], [0, 0, 1]], [[1, 1, 1], [2, 1, 1]], labels=["Soma", "Dendrite"])
    drawn = mapper(made, [field(5000.0)], cells=3).realisation(1, 0)
    assert len(drawn.section) > 200
    assert set(zip(drawn.section.tolist(), drawn.point.tolist(), strict=True)) == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    }


def test_each_cell_has_one_of_the_bouton_fields(cell):
    left, right = field(0.0), field(0.0)
    left.values[:2], right.values[2:] = 100.0, 100.0
    made = mapper(cell, [left, right], cells=400).realisation(5, 0)
    side = cell.points[cell.first[made.section] + made.point][:, 0] >= 0
    per_cell = {one: set(side[made.cell == one].tolist()) for one in np.unique(made.cell)}
    assert all(len(sides) == 1 for sides in per_cell.values())
    right_cells = sum(True in sides for sides in per_cell.values())
    assert stats.binomtest(right_cells, len(per_cell), 0.5).pvalue > SIGNIFICANT


def test_a_realisation_is_a_function_of_seed_and_number(cell):
    alone = mapper(cell, [field(20.0)], cells=40)
    company = mapper(cell, [field(20.0)], cells=40, L2_C2=Axons(30, "INH", [field(9.0)]))
    one, two = alone.realisation(1, 2), company.realisation(1, 2)
    ours = two.population == two.populations.index("L5tt_C2")
    assert np.array_equal(one.point, two.point[ours]) and np.array_equal(one.cell, two.cell[ours])
    assert not np.array_equal(one.point, alone.realisation(1, 3).point)
    assert not np.array_equal(one.point, alone.realisation(2, 2).point)


def test_files_of_a_realisation_embed_as_drawn(cell, tmp_path):
    made = mapper(cell, [field(3.0)], cells=60, L2_C2=Axons(30, "INH", [field(2.0)])).realisation(1, 0)
    (tmp_path / "a.syn").write_text(format_syn("a", made.synapse_rows()))
    (tmp_path / "a.con").write_text(format_con("a.syn", made.connection_rows()))
    read = embed(read_synapses(tmp_path / "a.syn"), read_connections(tmp_path / "a.con"), cell)
    assert read.populations == made.populations
    assert np.array_equal(read.section_id, made.section)
    assert np.array_equal(read.section_pt_id, made.point)
    np.testing.assert_array_equal(read.soma_distance, made.soma_distance)
    assert read.cells().tolist() == made.connected().tolist()
    for code in range(2):
        ours = made.population == code
        same = made.cell[ours][:, None] == made.cell[ours]
        assert np.array_equal(same, read.cell_id[ours][:, None] == read.cell_id[ours])


def counted(*counts):
    names = tuple(f"T{k}_C2" for k in range(len(counts)))
    population = np.repeat(np.arange(len(counts)), counts)
    zeros = np.zeros(len(population), np.int64)
    return Realisation(
        names, population, zeros, zeros, zeros, zeros.astype(float), np.full(len(population), 5.0)
    )


def test_the_representative_is_the_nearest_to_the_mean():
    assert representative([counted(10, 20), counted(11, 21), counted(18, 35), counted(3, 8)]) == 1
    assert representative([counted(4, 7)] * 3) == 0


def test_the_nearest_is_passed_over_if_one_type_is_extraordinary():
    """It deviates in one of nine types only, by 2.4 standard deviations; the others in all, by one each."""
    nearest = counted(22, *[10] * 8)
    others = [counted(*(10 + 4 * (-1) ** (number + kind) for kind in range(9))) for number in range(19)]
    assert representative([nearest, *others]) > 0


def test_among_extraordinary_ones_the_nearest_is_taken():
    one_each = [counted(*([10] * k + [16 + k] + [10] * (7 - k))) for k in range(8)]
    counts = np.array([each.counts() for each in one_each])
    score = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    assert (np.abs(score).max(axis=1) > 2).all()
    assert representative(one_each) == np.linalg.norm(score, axis=1).argmin()


def test_the_summary_tells_of_all_and_of_one(cell):
    several = mapper(cell, [field(3.0)], cells=60, L5tt_B1=Axons(30, "EXC", [field(2.0)]))
    made = [several.realisation(1, number) for number in range(12)]
    table = summary(made)
    chosen = made[representative(made)]
    assert table["cell_type"].tolist() == ["L5tt"]
    assert table["synapses"][0] == len(chosen.section)
    assert table["cells"][0] == chosen.connected().sum()
    assert table["synapses_mean"][0] == np.mean([len(each.section) for each in made])
    assert table["synapses_sd"][0] == pytest.approx(np.std([len(each.section) for each in made]))
    assert table["soma_distance"][0] == pytest.approx(chosen.soma_distance.mean())


def test_inputs_that_cannot_be(cell):
    with pytest.raises(ModelError, match="60 cells, but no bouton field"):
        mapper(cell, [], cells=60)
    with pytest.raises(ModelError, match="axons of kind 'MOD' have no field"):
        mapper(cell, [field(1.0)], L2_C2=Axons(3, "MOD", [field(1.0)]))
    with pytest.raises(ModelError, match="different grids"):
        other = {"EXC": field(1.0), "INH": field(1.0, size=5.0)}
        InputMapper(cell, np.ones(len(cell.points)), {}, {}, other)
    with pytest.raises(ModelError, match="2 diameters for 77 3-D points"):
        extent(cell, np.ones(2), field(1.0))
    bare = cell_of([[0, 0, 0], [0, 0, 1]], labels=["Axon"])
    with pytest.raises(ModelError, match="no section labelled Soma"):
        extent(bare, np.ones(2), field(1.0))


CONSTANTS = "PRE\tPOST\t...\nALL_EXCITATORY\tL5tt\t0\t1\t2\t3\t4\t5\nALL_INHIBITORY\tL5tt\t0\t0\t0\t1\t1\t1\n"


def test_tables_of_the_framework_are_read(tmp_path):
    (tmp_path / "c.csv").write_text(CONSTANTS)
    found = read_affinities(tmp_path / "c.csv", "L5tt")
    assert found["EXC"] == {
        "Soma": Affinity(0, 3), "ApicalDendrite": Affinity(1, 4), "Dendrite": Affinity(2, 5)
    }  # fmt: skip
    (tmp_path / "n.csv").write_text("CELL TYPE\tA1\tC2\nL2\t0\t3\n")
    assert read_cell_numbers(tmp_path / "n.csv") == {"L2": {"A1": 0, "C2": 3}}


def test_axons_are_read_with_their_bouton_fields(tmp_path):
    place = tmp_path / "C2" / "L1"
    place.mkdir(parents=True)
    for k in range(2):
        head = "define Lattice 2 2 2\nBoundingBox 0 1 0 1 0 1\n@1\n"
        (place / f"{k}.am").write_text(head + f"{k}\n" * 8)
    axons = read_axons(tmp_path, {"L1": {"C2": 3, "A1": 0}}, inhibitory={"L1"})
    assert axons.keys() == {"L1_C2"}
    assert (axons["L1_C2"].cells, axons["L1_C2"].kind) == (3, "INH")
    assert [boutons.values.max() for boutons in axons["L1_C2"].boutons] == [0, 1]
    with pytest.raises(ModelError, match="2 cells of L2 in C2, but no bouton field"):
        read_axons(tmp_path, {"L2": {"C2": 2}}, inhibitory=())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (CONSTANTS.replace("\t5", ""), "c.csv:2: expected 6 constants"),
        (CONSTANTS.replace("\t5", "\tx"), "c.csv:2: expected 6 constants"),
        (CONSTANTS.replace("INH", "MOD"), "no rows of both EXCITATORY and INHIBITORY axons for 'L5tt'"),
    ],
)
def test_constants_that_do_not_read(tmp_path, text, reason):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(ModelError, match=reason):
        read_affinities(tmp_path / "c.csv", "L5tt")


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("TYPE\tA1\n", 1), ("CELL TYPE\tA1\nL2\n", 2), ("CELL TYPE\tA1\nL2\t-1\n", 2)]
)
def test_numbers_that_do_not_read(tmp_path, text, line):
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(ModelError, match="expected") as caught:
        read_cell_numbers(tmp_path / "n.csv")
    assert caught.value.line == line
