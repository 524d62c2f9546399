"""Where cells touch: capsule against capsule, on a grid."""

import math
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit, over_rows
from .segments import PlacedSections, PlacedSegments, placed_segments

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]
Keep = Literal["all", "sections", "cells"]
KEEP = ("all", "sections", "cells")

_MOST_CUBES = 1 << 24


class TouchSide(NamedTuple):
    """One side of touches.

    Attributes
    ----------
    cell, section, segment
        Where it is, int64[n].
    type
        SWC type of the section, uint8[n].
    offset
        From the segment's start, float64[n], in µm.
    position
        Along the section, from 0 to 1, float64[n]; 0 in one without length.
    centre, surface
        The place on the axis, and on the surface towards the other side, float64[n, 3], in µm.
    """

    cell: Whole
    section: Whole
    segment: Whole
    type: NDArray[np.uint8]
    offset: Reals
    position: Reals
    centre: Reals
    surface: Reals


class Touches(NamedTuple):
    """Places where cells are near each other, sorted by target, source, and their sections and segments.

    Attributes
    ----------
    source, target
        Both sides.
    distance
        Between the surfaces, float64[n], in µm; negative where they overlap.
    """

    source: TouchSide
    target: TouchSide
    distance: Reals


class _Cubes(NamedTuple):
    """Cubes of a grid that boxes around segments lie in: the first and the last one along each axis."""

    low: NDArray[np.int32]
    high: NDArray[np.int32]


class _Members(NamedTuple):
    """Segments in each cube of a grid: cube c has ``rows[starts[c]:starts[c + 1]]``."""

    shape: Whole
    starts: Whole
    rows: NDArray[np.int32]


class _Found(NamedTuple):
    """Pairs of segments that touch, where along them, and the distance of their surfaces."""

    rows: Whole
    parts: Reals


def touches(
    source: PlacedSections,
    target: PlacedSections | None = None,
    *,
    reach: float = 0.0,
    keep: Keep = "sections",
) -> Touches:
    """Find where two populations touch, or the cells of one population touch each other.

    Each segment is a capsule, whose radius is linear between those of its ends. Two touch where their axes come nearest to
    each other: the distance there, less both radii there, is at most *reach*.

    Parameters
    ----------
    source
        Sections of the first population.
    target
        Sections of the second one. By default the first is compared with itself: not within a cell, and each touch is
        there twice, once with each side as the source.
    reach
        Largest distance of surfaces, in µm.
    keep
        Of several touches between the same ``"sections"``, or the same ``"cells"``, only that of least distance; or
        ``"all"``.

    Returns
    -------
    Touches
        Both sides of each touch.

    Raises
    ------
    ValueError
        Sections are not consistent, the reach is negative, or there is no such thing to keep.

    Notes
    -----
    Nearest points of two straight pieces: Ericson, Real-Time Collision Detection (2005), 5.1.9. Of touches equally near, the
    one with the lower segments is kept.
    """
    if not 0 <= reach < np.inf:
        raise ValueError(f"reach is {reach}; expected a distance in um, 0 or more")
    if keep not in KEEP:
        raise ValueError(f"keep is {keep!r}; expected one of {', '.join(KEEP)}")
    one = placed_segments(source)
    other = one if target is None else placed_segments(target)
    found = _found(source, source if target is None else target, one, other, target is None, reach, keep)
    sides = [
        _side(segments, sections, found.rows[:, k], found.parts[:, k])
        for k, (segments, sections) in enumerate(
            ((one, source), (other, source if target is None else target))
        )
    ]
    sides = [_towards(sides[k], sides[1 - k], (one, other)[k], found, k) for k in range(2)]
    distance = found.parts[:, 2]
    if target is None:
        sides = [_joined(sides[0], sides[1]), _joined(sides[1], sides[0])]
        distance = np.concatenate([distance, distance])
    order = np.lexsort(
        (
            sides[1].segment,
            sides[0].segment,
            sides[1].section,
            sides[0].section,
            sides[0].cell,
            sides[1].cell,
        )
    )
    return Touches(_taken(sides[0], order), _taken(sides[1], order), distance[order])


def _found(
    source: PlacedSections,
    target: PlacedSections,
    one: PlacedSegments,
    other: PlacedSegments,
    within: bool,
    reach: float,
    keep: Keep,
) -> _Found:
    if not len(one.row) or not len(other.row):
        return _Found(np.empty((0, 2), np.int64), np.empty((0, 3)))
    corners = _corners(other, reach)
    low = np.minimum(corners[0].min(axis=0), _corners(one, reach)[0].min(axis=0))
    high = np.maximum(corners[1].max(axis=0), _corners(one, reach)[1].max(axis=0))
    edge = max(float((corners[1] - corners[0]).mean()), 1e-6)
    shape = np.floor((high - low) / edge).astype(np.int64) + 1
    while np.prod(shape.astype(np.float64)) > _MOST_CUBES:
        edge *= 1.3
        shape = np.floor((high - low) / edge).astype(np.int64) + 1
    theirs = _cubes(corners, low, edge, shape)
    mine = theirs if within else _cubes(_corners(one, reach), low, edge, shape)
    members = _members(theirs, shape)
    owners = [
        np.asarray(sections.cell, np.int64)[segments.row]
        for sections, segments in ((source, one), (target, other))
    ]
    # Threads share whole sections, or cells, so that each can keep the nearest touch of a pair.
    groups = _cell_bounds(source, one) if keep == "cells" else one.bounds
    partner = other.row if keep == "sections" else owners[1]
    work = partial(
        _find,
        one,
        other,
        mine,
        theirs,
        members,
        owners[0],
        owners[1],
        partner,
        groups,
        within,
        reach,
        keep == "all",
    )
    parts = over_rows(work, len(groups) - 1)
    return _Found(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
    )


def _cell_bounds(sections: PlacedSections, segments: PlacedSegments) -> Whole:
    """Where the segments of each cell begin, and the last ones end."""
    cell = np.asarray(sections.cell)
    first = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    return np.concatenate([segments.bounds[first], segments.bounds[-1:]])


def _corners(segments: PlacedSegments, reach: float) -> tuple[Reals, Reals]:
    """Boxes that meet where the surfaces of two segments are within reach."""
    room = (np.maximum(segments.start_radius, segments.end_radius) + 0.5 * reach)[:, None]
    low = np.minimum(segments.start, segments.end) - room
    return low, np.maximum(segments.start, segments.end) + room


def _cubes(corners: tuple[Reals, Reals], low: Reals, edge: float, shape: Whole) -> _Cubes:
    first, last = (
        np.clip(np.floor((corner - low) / edge), 0, shape - 1).astype(np.int32) for corner in corners
    )
    return _Cubes(first, last)


def _members(cubes: _Cubes, shape: Whole) -> _Members:
    starts = np.zeros(int(np.prod(shape)) + 1, np.int64)
    _tally(cubes, shape, starts)
    starts = np.cumsum(starts)
    rows = np.empty(starts[-1], np.int32)
    _enter(cubes, shape, starts[:-1].copy(), rows)
    return _Members(shape, starts, rows)


@jit
def _tally(cubes: _Cubes, shape: Whole, starts: Whole) -> None:
    for i in range(len(cubes.low)):
        for p in range(cubes.low[i, 0], cubes.high[i, 0] + 1):
            for q in range(cubes.low[i, 1], cubes.high[i, 1] + 1):
                for r in range(cubes.low[i, 2], cubes.high[i, 2] + 1):
                    starts[(p * shape[1] + q) * shape[2] + r + 1] += 1


@jit
def _enter(cubes: _Cubes, shape: Whole, place: Whole, rows: NDArray[np.int32]) -> None:
    for i in range(len(cubes.low)):
        for p in range(cubes.low[i, 0], cubes.high[i, 0] + 1):
            for q in range(cubes.low[i, 1], cubes.high[i, 1] + 1):
                for r in range(cubes.low[i, 2], cubes.high[i, 2] + 1):
                    cube = (p * shape[1] + q) * shape[2] + r
                    rows[place[cube]] = i
                    place[cube] += 1


@jit
def _find(
    one: PlacedSegments,
    other: PlacedSegments,
    mine: _Cubes,
    theirs: _Cubes,
    members: _Members,
    owner: Whole,
    their_owner: Whole,
    partner: Whole,
    groups: Whole,
    within: bool,
    reach: float,
    every: bool,
    begin: int,
    end: int,
) -> tuple[Whole, Reals]:
    rows, parts, n = np.empty((256, 2), np.int64), np.empty((256, 3)), 0
    shape = members.shape
    for group in range(begin, end):
        first = n
        for i in range(groups[group], groups[group + 1]):
            for p in range(mine.low[i, 0], mine.high[i, 0] + 1):
                for q in range(mine.low[i, 1], mine.high[i, 1] + 1):
                    for r in range(mine.low[i, 2], mine.high[i, 2] + 1):
                        cube = (p * shape[1] + q) * shape[2] + r
                        for k in range(members.starts[cube], members.starts[cube + 1]):
                            j = members.rows[k]
                            # Two boxes share several cubes: they are looked at in the first one.
                            if (
                                (within and their_owner[j] <= owner[i])
                                or p != max(mine.low[i, 0], theirs.low[j, 0])
                                or q != max(mine.low[i, 1], theirs.low[j, 1])
                                or r != max(mine.low[i, 2], theirs.low[j, 2])
                            ):
                                continue
                            s, t, away = _nearest_parts(one, i, other, j)
                            away -= one.start_radius[i] + s * (one.end_radius[i] - one.start_radius[i])
                            away -= other.start_radius[j] + t * (other.end_radius[j] - other.start_radius[j])
                            if away > reach:
                                continue
                            if n == len(rows):
                                more, much = np.empty((2 * n, 2), np.int64), np.empty((2 * n, 3))
                                more[:n], much[:n] = rows, parts
                                rows, parts = more, much
                            rows[n, 0], rows[n, 1] = i, j
                            parts[n, 0], parts[n, 1], parts[n, 2] = s, t, away
                            n += 1
        if not every and n - first > 1:
            n = _keep_nearest(rows, parts, partner, first, n)
    return rows[:n].copy(), parts[:n].copy()


@jit
def _keep_nearest(rows: Whole, parts: Reals, partner: Whole, first: int, n: int) -> int:
    """Of the touches from *first* on, keep the nearest one with each partner; where they end."""
    order = np.argsort(partner[rows[first:n, 1]], kind="mergesort") + first
    best = np.empty(n - first, np.int64)
    kept = 0
    for k in range(len(order)):
        i = order[k]
        if k == 0 or partner[rows[i, 1]] != partner[rows[order[k - 1], 1]]:
            best[kept] = i
            kept += 1
            continue
        b = best[kept - 1]
        if parts[i, 2] < parts[b, 2] or (
            parts[i, 2] == parts[b, 2]
            and (rows[i, 0] < rows[b, 0] or (rows[i, 0] == rows[b, 0] and rows[i, 1] < rows[b, 1]))
        ):
            best[kept - 1] = i
    chosen_rows, chosen_parts = rows[best[:kept]], parts[best[:kept]]
    rows[first : first + kept] = chosen_rows
    parts[first : first + kept] = chosen_parts
    return first + kept


@jit
def _nearest_parts(
    one: PlacedSegments, i: int | np.int64, other: PlacedSegments, j: int | np.int64
) -> tuple[float, float, float]:
    """Where two axes are nearest, as parts of their lengths, and how far from each other."""
    aa = bb = ab = ar = br = 0.0
    for k in range(3):
        a, b = one.end[i, k] - one.start[i, k], other.end[j, k] - other.start[j, k]
        r = one.start[i, k] - other.start[j, k]
        aa, bb, ab, ar, br = aa + a * a, bb + b * b, ab + a * b, ar + a * r, br + b * r
    s = t = 0.0
    if aa > 0.0 and bb > 0.0:
        area = aa * bb - ab * ab
        # Of parallel ones any place will do that lies beside both.
        s = min(max((ab * br - ar * bb) / area, 0.0), 1.0) if area > 1e-12 * aa * bb else 0.0
        t = (ab * s + br) / bb
        if t < 0.0:
            t, s = 0.0, min(max(-ar / aa, 0.0), 1.0)
        elif t > 1.0:
            t, s = 1.0, min(max((ab - ar) / aa, 0.0), 1.0)
    elif aa > 0.0:
        s = min(max(-ar / aa, 0.0), 1.0)
    elif bb > 0.0:
        t = min(max(br / bb, 0.0), 1.0)
    away = 0.0
    for k in range(3):
        d = (one.start[i, k] + s * (one.end[i, k] - one.start[i, k])) - (
            other.start[j, k] + t * (other.end[j, k] - other.start[j, k])
        )
        away += d * d
    return s, t, math.sqrt(away)


def _side(segments: PlacedSegments, sections: PlacedSections, rows: Whole, parts: Reals) -> TouchSide:
    """One side of touches, without its surface."""
    row = segments.row[rows]
    vector = segments.end[rows] - segments.start[rows]
    offset = parts * np.linalg.norm(vector, axis=1)
    length = segments.lengths[row]
    position = np.divide(segments.path[rows] + offset, length, out=np.zeros(len(row)), where=length > 0)
    centre = segments.start[rows] + parts[:, None] * vector
    return TouchSide(
        np.asarray(sections.cell, np.int64)[row],
        np.asarray(sections.section, np.int64)[row],
        segments.segment[rows],
        np.asarray(sections.type, np.uint8)[row],
        offset,
        np.minimum(position, 1.0),
        centre,
        centre,
    )


def _towards(side: TouchSide, other: TouchSide, segments: PlacedSegments, found: _Found, k: int) -> TouchSide:
    """Add the place on the surface; where two axes cross there is no direction, and it is the centre."""
    way = other.centre - side.centre
    away = np.linalg.norm(way, axis=1)
    rows, part = found.rows[:, k], found.parts[:, k]
    radius = segments.start_radius[rows] + part * (segments.end_radius[rows] - segments.start_radius[rows])
    share = np.divide(radius, away, out=np.zeros(len(away)), where=away > 0)
    return side._replace(surface=side.centre + share[:, None] * way)


def _joined(one: TouchSide, other: TouchSide) -> TouchSide:
    return TouchSide._make(np.concatenate([getattr(one, name), getattr(other, name)]) for name in one._fields)


def _taken(side: TouchSide, rows: Whole) -> TouchSide:
    return TouchSide._make(column[rows] for column in side)
