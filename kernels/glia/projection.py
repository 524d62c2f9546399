"""From targets on the axes of vessels to their surfaces, towards the somata."""

import math
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..jit import jit, over_rows
from .reachout import Reached
from .targets import VesselSegments, VesselTargets, checked_vessels

Whole = NDArray[np.int64]

_HOPS = 10
_EQUAL = 1e-6  # radii that differ by less make a cylinder; coefficients smaller than this are zero
_BEYOND = 0.1  # how far before the target or behind the soma the surface may be, as a part of the way


class Endfeet(NamedTuple):
    """Where endfeet touch vessels, astrocyte by astrocyte.

    Attributes
    ----------
    astrocyte
        int64[n], rising.
    segment
        Segment of the vasculature, int64[n].
    surface
        The place on the segment's surface, float32[n, 3], in µm.
    target
        Row of the target that was projected, int64[n].
    """

    astrocyte: Whole
    segment: Whole
    surface: NDArray[np.float32]
    target: Whole


class _Onwards(NamedTuple):
    """Segment before the start and after the end of each segment, -1 for none."""

    before: Whole
    after: Whole


class _Room(NamedTuple):
    """Vectors that a segment needs: their type is that of the arithmetic."""

    base: NDArray[Any]
    axis: NDArray[Any]
    way: NDArray[Any]
    target: NDArray[Any]
    place: NDArray[Any]
    turned: NDArray[Any]
    matrix: NDArray[Any]


def endfeet(
    somata: ArrayLike,
    targets: VesselTargets,
    reached: Reached,
    vessels: VesselSegments,
    *,
    reproduce: Literal["archngv"] | None = None,
) -> Endfeet:
    """Project targets to the surface of their vessels, towards the soma.

    Parameters
    ----------
    somata
        Centres of the astrocytes' somata, float[n_cells, 3], in µm; taken as float32.
    targets
        Places along vessels.
    reached
        Which astrocyte reaches for which of them.
    vessels
        The segments that the targets lie on.
    reproduce
        ``"archngv"``: compute in float32, and take the root that the quadratic formula gives first, if it is in
        (-0.1, 1.1). So some endfeet are behind the vessel as the soma sees it, and of cones that are nearly
        cylinders some are lost or off by some 0.01 µm. By default the arithmetic is float64, and the surface is on the
        soma's side.

    Returns
    -------
    Endfeet
        One for each target whose way to the soma meets a surface; the others are left out.

    Raises
    ------
    ValueError
        A column is wrong, or there is nothing of that name to reproduce.

    Notes
    -----
    As ``surface_intersection`` of ArchNGV 3.3. The way is ``T + t (C - T)`` from the target T to the soma's centre C. It
    meets a cylinder of radius r about the axis (B, a) where ``|p - (p·a) a| = r`` with p from B, and a cone of tip V and opening
    angle w where ``(p·a)² = cos²w |p|²`` with p from V. Where it lies beyond the segment's end, the first neighbouring segment
    there is tried, ten segments at most. A cone's axis runs from its thin end to its thick end; ArchNGV takes what
    precedes the segment in the graph to be before the thin end, whichever end that is.
    """
    if reproduce not in (None, "archngv"):
        raise ValueError(f"reproduce is {reproduce!r}; expected 'archngv' or None")
    known, theirs = checked_vessels(vessels), reproduce is not None
    kind: Any = np.float32 if theirs else np.float64
    centres = in_space("somata", somata).astype(np.float32)
    at = targets.points.astype(np.float32)
    n = len(reached.target)
    segment, surface = np.empty(n, np.int64), np.empty((n, 3), kind)
    onwards = _onwards(known)
    work = partial(_project, centres, at, targets.segment, reached, known, onwards, theirs, segment, surface)
    over_rows(work, n, 64 * n)
    kept = np.flatnonzero(segment >= 0)
    return Endfeet(
        reached.astrocyte[kept], segment[kept], surface[kept].astype(np.float32), reached.target[kept]
    )


def _onwards(vessels: VesselSegments) -> _Onwards:
    rows = np.arange(len(vessels.start_node))
    return _Onwards(
        _first_at(vessels.end_node, vessels.start_node, rows, vessels.start_node),
        _first_at(vessels.start_node, vessels.end_node, rows, vessels.end_node),
    )


def _first_at(key: Whole, other: Whole, rows: Whole, asked: Whole) -> Whole:
    """Of the segments with a node as their *key*, the one whose *other* node is the least."""
    order = np.lexsort((rows, other, key))
    place = np.searchsorted(key[order], asked)
    place = np.minimum(place, max(len(order) - 1, 0))
    found = order[place]
    return np.where(key[found] == asked, found, -1)


@jit
def _project(
    centres: NDArray[np.float32],
    at: NDArray[np.float32],
    own: Whole,
    reached: Reached,
    vessels: VesselSegments,
    onwards: _Onwards,
    theirs: bool,
    segment: Whole,
    surface: NDArray[Any],
    begin: int,
    end: int,
) -> None:
    none = np.empty((9, 3), surface.dtype)
    room = _Room(none[0], none[1], none[2], none[3], none[4], none[5], none[6:9])
    for i in range(begin, end):
        s = own[reached.target[i]]
        segment[i] = -1
        for k in range(3):
            room.target[k] = at[reached.target[i], k]
            room.way[k] = centres[reached.astrocyte[i], k] - room.target[k]
        for _ in range(_HOPS):
            length, part, back = _meet(vessels, s, room, theirs)
            if math.isnan(part):
                break
            for k in range(3):
                surface[i, k] = room.target[k] + room.way[k] * part
                room.place[k] = surface[i, k] - room.base[k]
            from_base = _dot(room.axis, room.place)
            for k in range(3):
                room.place[k] = room.place[k] - room.axis[k] * length
            from_end = _dot(room.axis, room.place)
            if from_base > 0.0 > from_end:
                segment[i] = s
                break
            if from_base < 0.0 and from_end < 0.0:
                s = onwards.after[s] if back and not theirs else onwards.before[s]
            elif from_base > 0.0 and from_end > 0.0:
                s = onwards.before[s] if back and not theirs else onwards.after[s]
            else:
                break
            if s < 0:
                break


@jit
def _meet(vessels: VesselSegments, s: int | np.int64, room: _Room, theirs: bool) -> tuple[float, float, bool]:
    """Length of a segment, which part of the way leads to its surface, NaN for none, and whether its thin end comes last.

    Fills in its base and axis.
    """
    base, axis, way, place, turned, matrix = (
        room.base,
        room.axis,
        room.way,
        room.place,
        room.turned,
        room.matrix,
    )
    # Of the arithmetic's type: a local variable would be as wide as the widest thing it holds.
    place[0], place[1] = vessels.start_diameter[s], vessels.end_diameter[s]
    place[0], place[1] = place[0] / 2, place[1] / 2
    back = place[0] - place[1] > _EQUAL
    thin, thick = (place[1], place[0]) if back else (place[0], place[1])
    for k in range(3):
        base[k] = vessels.end[s, k] if back else vessels.start[s, k]
        axis[k] = (vessels.start[s, k] if back else vessels.end[s, k]) - base[k]
    place[2] = math.sqrt(_dot(axis, axis))
    length = place[2]
    if length == 0.0:
        return 0.0, math.nan, back
    cone = abs(thick - thin) >= _EQUAL
    place[2] = length * thin / (thick - thin) if cone else 0.0
    tip = place[2]
    for k in range(3):
        axis[k] = axis[k] / length
    for k in range(3):
        place[k] = room.target[k] - (base[k] - tip * axis[k])
    if cone:
        cosine = math.cos(math.atan2(float(thin), float(tip))) ** 2
        for p in range(3):
            for q in range(3):
                matrix[p, q] = axis[p] * axis[q]
            matrix[p, p] = float(matrix[p, p]) - cosine
        for k in range(3):
            turned[k] = _dot(way, matrix[k])
        a, b = _dot(turned, way), _dot(turned, place)
        for k in range(3):
            turned[k] = _dot(place, matrix[k])
        c = float(_dot(turned, place))
    else:
        along_way, along = _dot(way, axis), _dot(place, axis)
        for k in range(3):
            turned[k] = way[k] - axis[k] * along_way
            place[k] = place[k] - axis[k] * along
        a, b = _dot(turned, turned), _dot(turned, place)
        c = float(_dot(place, place)) - float(thick) * float(thick)
    one, other = _roots(float(a), 2.0 * float(b), c)
    if not theirs and other > one:
        # One root is on either side of the axis; the target is within the vessel, or nearly so.
        one, other = other, one
    if -_BEYOND < one < 1.0 + _BEYOND:
        return length, one, back
    if -_BEYOND < other < 1.0 + _BEYOND:
        return length, other, back
    return length, math.nan, back


@jit
def _dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(one[0]) * float(other[0]) + float(one[1]) * float(other[1]) + float(one[2]) * float(other[2])


@jit
def _roots(a: float, b: float, c: float) -> tuple[float, float]:
    """Roots of a quadratic, NaN where there are none."""
    b = 0.0 if abs(b) < _EQUAL else b
    if abs(a) < _EQUAL:
        return (-c / b if b != 0.0 else math.nan), math.nan
    delta = b * b - 4.0 * a * c
    if abs(delta) < _EQUAL:
        return -b / (2.0 * a), math.nan
    if delta < 0.0:
        return math.nan, math.nan
    sum_ = -b - math.sqrt(delta) if b >= 0.0 else -b + math.sqrt(delta)
    return 0.5 * sum_ / a, 2.0 * c / sum_
