"""Astrocytes grown and their perimeters: trees within their domains, ends at the endfeet, the same whichever others grow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from neurolake.kernels.glia.growth import GrownCells, GrowthRule, grown_cells
from neurolake.kernels.glia.planes import DomainPlanes, domain_planes
from neurolake.kernels.shapes.perimeters import PerimeterRule, perimeters

FEW = GrowthRule(attractors=60)


def hulls(rng: np.random.Generator, n: int) -> tuple[DomainPlanes, list[ConvexHull]]:
    found = [ConvexHull(rng.normal(60 * k, 22, (14, 3))) for k in range(n)]
    planes = domain_planes(
        np.concatenate([hull.points for hull in found]),
        np.concatenate([hull.simplices for hull in found]),
        14 * np.arange(n + 1),
        np.concatenate([[0], np.cumsum([len(hull.simplices) for hull in found])]),
    )
    return planes, found


def grown(
    rng: np.random.Generator, n: int = 3
) -> tuple[GrownCells, list[ConvexHull], np.ndarray, np.ndarray]:
    """Cells, their domains, somata and endfeet, of which each has two."""
    planes, found = hulls(rng, n)
    somata = np.array([hull.points[hull.vertices].mean(axis=0) for hull in found])
    feet = np.concatenate(
        [somata[k] + 0.6 * (hull.points[hull.vertices[:2]] - somata[k]) for k, hull in enumerate(found)]
    )
    synapses = np.concatenate([somata[k] + rng.normal(0, 5, (20, 3)) for k in range(n)])
    cells = grown_cells(
        planes,
        somata,
        np.full(n, 4.0),
        (feet, 2 * np.arange(n + 1)),
        (synapses, 20 * np.arange(n + 1)),
        FEW,
        seed=5,
    )
    return cells, found, somata, feet


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_cells_are_trees_in_their_domains_that_end_at_their_endfeet(seed: int) -> None:
    cells, found, somata, feet = grown(np.random.default_rng(seed))
    for c, hull in enumerate(found):
        rows = np.arange(cells.cells[c], cells.cells[c + 1])
        parent, kind = cells.parent[rows], cells.type[rows]
        assert parent[0] == -1 and kind[0] == 1
        assert (parent[1:] >= 0).all() and (parent[1:] < np.arange(1, len(rows))).all()
        # MorphIO and NEURON want a process of one type to be as a whole of it, and the first type first.
        inner = parent > 0
        np.testing.assert_array_equal(kind[inner], kind[parent[inner]])
        assert (np.diff(kind[1:].astype(int)) >= 0).all()
        children = np.bincount(parent[inner], minlength=len(rows))
        assert (children[1:] != 1).all()
        ends = []
        for k, row in enumerate(rows[1:], start=1):
            own = cells.points[cells.offsets[row] : cells.offsets[row + 1]]
            assert len(own) >= 2
            assert (np.linalg.norm(np.diff(own, axis=0), axis=1) > 0).all()
            if parent[k] > 0:
                above = cells.offsets[rows[parent[k]] + 1] - 1
                np.testing.assert_array_equal(own[0], cells.points[above])
            else:
                assert np.linalg.norm(own[0]) <= 4 + 1e-9
            outside = ((own + somata[c]) @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=1)
            # Trunks leave the soma by a step, and processes to endfeet are bent; all else is between points of the domain.
            if kind[k] == 3 and parent[k] > 0:
                assert outside[1:].max() < 1e-6 + 4 + FEW.step
            if kind[k] == 2:
                ends.append(own[-1] + somata[c])
        np.testing.assert_allclose(np.array(ends), feet[2 * c : 2 * c + 2], atol=1e-9)


def test_a_cell_grows_the_same_alone() -> None:
    rng = np.random.default_rng(1)
    planes, found = hulls(rng, 4)
    somata = np.array([hull.points.mean(axis=0) for hull in found])
    none = (np.empty((0, 3)), np.zeros(5, np.int64))
    every = grown_cells(planes, somata, np.full(4, 4.0), none, none, FEW, seed=9)
    alone, _ = hulls(np.random.default_rng(1), 4)
    own = slice(alone.offsets[2], alone.offsets[3])
    third = DomainPlanes(
        np.array([0, own.stop - own.start]),
        alone.points[own],
        alone.normals[own],
        alone.low[2:3],
        alone.high[2:3],
        alone.centroids[2:3],
    )
    nothing = (np.empty((0, 3)), np.zeros(2, np.int64))
    one = grown_cells(third, somata[2:3], [4.0], nothing, nothing, FEW, seed=9, first=2)
    rows = slice(every.cells[2], every.cells[3])
    points = slice(every.offsets[every.cells[2]], every.offsets[every.cells[3]])
    np.testing.assert_array_equal(one.points, every.points[points])
    np.testing.assert_array_equal(one.diameter, every.diameter[points])
    np.testing.assert_array_equal(one.parent, every.parent[rows])
    assert (every.points[points] != 0).any()


def test_more_attractors_make_more_of_a_cell_and_stems_are_thicker() -> None:
    planes, found = hulls(np.random.default_rng(2), 1)
    centre, none = found[0].points.mean(axis=0)[None], (np.empty((0, 3)), [0, 0])
    few, many = (
        grown_cells(planes, centre, [4.0], none, none, GrowthRule(attractors=n), seed=1) for n in (50, 400)
    )
    assert len(many.parent) > 2 * len(few.parent)
    roots = many.diameter[many.offsets[:-1][many.parent == 0]]
    tips = np.setdiff1d(np.arange(1, len(many.parent)), many.parent)
    assert roots.mean() > 2 * many.diameter[many.offsets[1:][tips] - 1].mean()
    np.testing.assert_allclose(many.diameter[many.offsets[1:][tips] - 1], 0.4)


def test_what_cannot_grow_is_refused() -> None:
    planes, _ = hulls(np.random.default_rng(2), 1)
    none = (np.empty((0, 3)), [0, 0])
    with pytest.raises(ValueError, match="positive lengths"):
        grown_cells(planes, np.zeros((1, 3)), [4.0], none, none, GrowthRule(step=0))
    with pytest.raises(ValueError, match="radii are from 0"):
        grown_cells(planes, np.zeros((1, 3)), [0.0], none, none)
    with pytest.raises(ValueError, match="1 somata, 2 radii"):
        grown_cells(planes, np.zeros((1, 3)), [1.0, 2.0], none, none)


# Perimeters


def test_perimeters_follow_diameters_and_are_positive() -> None:
    cells, *_ = grown(np.random.default_rng(3))
    rule = PerimeterRule(window=(1.0,))
    found = perimeters(cells.diameter, cells.offsets, cells.parent, cells.cells, rule, seed=1)
    assert (found >= 0).all()
    own = np.repeat(cells.type != 1, np.diff(cells.offsets))
    expected = rule.slope * cells.diameter[own] + rule.intercept
    # A truncated normal number is larger than the mean of what is cut.
    assert 0 <= (found[own] - expected).mean() < 0.2
    np.testing.assert_allclose(found[~own], np.pi * cells.diameter[~own])
    smooth = perimeters(cells.diameter, cells.offsets, cells.parent, cells.cells, seed=1)
    np.testing.assert_allclose(smooth[own].sum(), found[own].sum(), rtol=1e-9)
    assert np.abs(np.diff(smooth[own])).mean() < 0.5 * np.abs(np.diff(found[own])).mean()


def test_smoothing_goes_on_in_neighbouring_sections() -> None:
    # A soma, a root of three points, and two children of it, the second one longer.
    diameter = np.array([8.0, 1, 2, 3, 3, 4, 3, 5, 6, 7])
    offsets, parent = [0, 1, 4, 6, 10], [-1, 0, 1, 1]
    rule = PerimeterRule(slope=1, intercept=0, deviation=0, window=(1, 1, 1))
    found = perimeters(diameter, offsets, parent, [0, 4], rule)
    plain = [
        *((2 + 1 + 2) / 3, (1 + 2 + 3) / 3, (2 + 3 + 5) / 3),
        *((2 + 3 + 4) / 3, (3 + 4 + 4) / 3),
        *((2 + 3 + 5) / 3, (3 + 5 + 6) / 3, (5 + 6 + 7) / 3, (6 + 7 + 7) / 3),
    ]
    scale = diameter[1:].sum() / np.sum(plain)
    np.testing.assert_allclose(found, [np.pi * 8, *(scale * np.array(plain))])


def test_a_window_without_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="odd number"):
        perimeters([1.0], [0, 1], [-1], [0, 1], PerimeterRule(window=(1, 1)))
    with pytest.raises(ValueError, match=r"parent\[2\] is 2"):
        perimeters(np.ones(5), [0, 1, 3, 5], [-1, 0, 2], [0, 3])
