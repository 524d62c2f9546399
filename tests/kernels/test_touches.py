"""Where cells touch: equal to looking at every pair, the same from both sides, and as TouchDetector found it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngv_data import astrocyte_sections, opened, triples
from placed_cells import random_cells

from neurolake.kernels.shapes.segments import PlacedSections, placed_segments
from neurolake.kernels.shapes.touches import KEEP, Touches, touches


def pairs_of(found: Touches) -> dict[tuple[int, ...], float]:
    ends = (
        zip(side.cell.tolist(), side.section.tolist(), side.segment.tolist(), strict=True)
        for side in (found.source, found.target)
    )
    return {a + b: d for a, b, d in zip(*ends, found.distance.tolist(), strict=True)}


def apart(p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Least distance of two straight pieces, by the ends and the one place within both."""
    best = (np.inf, 0.0, 0.0)

    def tried(s: float, t: float) -> None:
        nonlocal best
        best = min(best, (float(np.linalg.norm(p + s * (q - p) - a - t * (b - a))), s, t))

    def beside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> float:
        d = y - x
        return float(np.clip((z - x) @ d / (d @ d), 0, 1)) if d @ d > 0 else 0.0

    for s in (0.0, 1.0):
        tried(s, beside(a, b, p + s * (q - p)))
        tried(beside(p, q, a + s * (b - a)), s)
    u, v = q - p, b - a
    matrix = np.array([[u @ u, -u @ v], [-u @ v, v @ v]])
    if np.linalg.det(matrix) > 1e-9:
        s, t = np.linalg.solve(matrix, [-(p - a) @ u, (p - a) @ v])
        if 0 <= s <= 1 and 0 <= t <= 1:
            tried(s, t)
    return best


def every_pair(
    one: PlacedSections, other: PlacedSections, within: bool, reach: float
) -> dict[tuple[int, ...], float]:
    a, b = placed_segments(one), placed_segments(other)
    found = {}
    for i in range(len(a.row)):
        for j in range(len(b.row)):
            if within and one.cell[a.row[i]] == other.cell[b.row[j]]:
                continue
            away, s, t = apart(a.start[i], a.end[i], b.start[j], b.end[j])
            away -= a.start_radius[i] * (1 - s) + a.end_radius[i] * s
            away -= b.start_radius[j] * (1 - t) + b.end_radius[j] * t
            if away <= reach:
                ends = (
                    (sections.cell[row], sections.section[row])
                    for sections, row in ((one, a.row[i]), (other, b.row[j]))
                )
                first, last = (tuple(map(int, end)) for end in ends)
                found[*first, int(a.segment[i]), *last, int(b.segment[j])] = away
    return found


def agree(found: dict[tuple[int, ...], float], expected: dict[tuple[int, ...], float], reach: float) -> None:
    """The same pairs at the same distances, but for those at the reach, where rounding decides."""
    for pair in set(found) | set(expected):
        if pair in found and pair in expected:
            assert abs(found[pair] - expected[pair]) < 1e-6
        else:
            assert abs(found.get(pair, expected.get(pair, 0.0)) - reach) < 1e-9


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 3.0]))
def test_touches_are_those_of_every_pair(seed: int, reach: float) -> None:
    cells = random_cells(np.random.default_rng(seed), 6)
    found = touches(cells, reach=reach, keep="all")
    # Of tapering segments that are parallel or of no length, the place is not unique, and so the radius is not.
    expected = every_pair(cells, cells, True, reach)
    agree(pairs_of(found), expected, reach)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_touches_of_two_populations_are_those_of_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = random_cells(rng, 4), random_cells(rng, 5)
    agree(pairs_of(touches(one, other, reach=0.3, keep="all")), every_pair(one, other, False, 0.3), 0.3)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(KEEP))
def test_touches_are_the_same_from_both_sides(seed: int, keep: str) -> None:
    found = touches(random_cells(np.random.default_rng(seed), 8), reach=1.0, keep=keep)  # type: ignore[arg-type]
    there = pairs_of(found)
    assert {pair[3:] + pair[:3]: distance for pair, distance in there.items()} == there
    order = np.lexsort((found.source.cell, found.target.cell))
    np.testing.assert_array_equal(order, np.arange(len(order)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["sections", "cells"]))
def test_the_nearest_touch_is_kept(seed: int, keep: str) -> None:
    cells = random_cells(np.random.default_rng(seed), 8)
    size = 2 if keep == "sections" else 1
    least: dict[tuple[int, ...], float] = {}
    for pair, distance in pairs_of(touches(cells, reach=1.0, keep="all")).items():
        key = pair[:size] + pair[3 : 3 + size]
        least[key] = min(least.get(key, np.inf), distance)
    found = pairs_of(touches(cells, reach=1.0, keep=keep))  # type: ignore[arg-type]
    assert {pair[:size] + pair[3 : 3 + size]: distance for pair, distance in found.items()} == least
    assert len(found) == len(least)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_places_are_on_the_segments_and_surfaces_at_their_radius(seed: int) -> None:
    cells = random_cells(np.random.default_rng(seed), 8)
    segments, found = placed_segments(cells), touches(cells, reach=1.0, keep="all")
    for side, other in ((found.source, found.target), (found.target, found.source)):
        rows = {
            (int(cells.cell[row]), int(cells.section[row]), int(k)): i
            for i, (row, k) in enumerate(zip(segments.row, segments.segment, strict=True))
        }
        at = [
            rows[key]
            for key in zip(side.cell.tolist(), side.section.tolist(), side.segment.tolist(), strict=True)
        ]
        if not at:
            continue
        vector = segments.end[at] - segments.start[at]
        length = np.linalg.norm(vector, axis=1)
        part = np.divide(side.offset, length, out=np.zeros(len(at)), where=length > 0)
        np.testing.assert_allclose(side.centre, segments.start[at] + part[:, None] * vector, atol=1e-9)
        radius = segments.start_radius[at] + part * (segments.end_radius[at] - segments.start_radius[at])
        np.testing.assert_allclose(np.linalg.norm(side.surface - side.centre, axis=1), radius, atol=1e-9)
        whole = segments.lengths[segments.row[at]]
        np.testing.assert_allclose(
            side.position * whole, segments.path[at] * (whole > 0) + side.offset, atol=1e-9
        )
        assert (side.type == np.where(side.section == 0, 1, 3)).all()
        gap = np.linalg.norm(side.centre - other.centre, axis=1)
        assert (found.distance < gap).all()


def test_five_astrocytes_touch_where_touchdetector_found_it(shared_data: Path) -> None:
    folder = shared_data / "ngv" / "functional_expected" / "sonata" / "networks" / "edges"
    with opened(folder / "glialglial" / "edges.h5") as file:
        group = file["edges/glialglial"]
        expected = {
            (
                *(int(group[f"{end}_node_id"][k]) for end in ("source", "target")),
                *(
                    int(group[f"0/{side}_{name}"][k])
                    for side in ("efferent", "afferent")
                    for name in ("section_id", "segment_id")
                ),
            )
            for k in range(len(group["source_node_id"]))
        }
    found = touches(astrocyte_sections(shared_data / "ngv" / "functional_expected"), keep="cells")
    columns = (
        found.source.cell,
        found.target.cell,
        found.source.section,
        found.source.segment,
        found.target.section,
        found.target.segment,
    )
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert expected <= set(rows)
    # What it did not find overlaps by less than its surfaces, which are polyhedra, are off.
    others = [k for k, row in enumerate(rows) if row not in expected]
    assert (found.distance[others] > -0.01).all()
    # In its files the place on the axis is that of the target, whatever the column is called.
    with opened(folder / "glialglial" / "edges.h5") as file:
        axis = triples(file["edges/glialglial/0"], "afferent_surface_{}")
    order = [rows.index(row) for row in expected]
    theirs = {tuple(np.round(place, 1)) for place in axis.tolist()}
    assert {tuple(np.round(place, 1)) for place in found.target.centre[order].tolist()} == theirs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": np.array([1, 0])}, r"cell\[1\] is 0 after 1"),
        ({"diameter": np.array([1.0, -2.0, 1.0])}, r"diameter\[1\] is -2"),
        ({"points": np.array([[0, 0, 0], [1, np.nan, 0], [2, 0, 0]])}, r"points\[1\]"),
        ({"offsets": np.array([0, 0, 3])}, "section 0 has no points"),
    ],
)
def test_wrong_sections_are_named(change: dict[str, np.ndarray], message: str) -> None:
    sections = PlacedSections(
        np.arange(9.0).reshape(3, 3),
        np.ones(3),
        np.array([0, 1, 3]),
        np.array([0, 1]),
        np.array([0, 0]),
        np.uint8([1, 3]),
    )
    with pytest.raises(ValueError, match=message):
        touches(sections._replace(**change))


def test_a_negative_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="reach is -1"):
        touches(random_cells(np.random.default_rng(0), 2), reach=-1)
