"""Domains: space shared out between spheres as a power diagram does (Laguerre tessellation), within a box.

A point belongs to the sphere of least power distance, |x - c|² - r² (Aurenhammer 1987, doi:10.1137/0216006). ArchNGV makes
the domains of astrocytes so, by voro++. Each domain is cut out of the box by its neighbours in the order of their distance,
until no further one can reach it; so domains are made one by one, in any number of threads, and are the same.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, line
from ..heaps import pop, push
from ..jit import jit, over_rows
from ..nearby import NearbyPoints, point_grid
from .clipping import CUT, FULL, TORN, Cell, begin, cut, faces, reach, room

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_MARGIN = 1e-11  # of the box's size: coordinates are exact to 1e-16 of it, a vertex to some 1e-13
_MOST = 128  # vertices of a domain at first: usual are 27
_EQUAL = 4  # two centres are at one place


class Domains(NamedTuple):
    """Convex domains as triangulated polyhedra. Domain i has rows ``offsets[i]:offsets[i + 1]``.

    Attributes
    ----------
    points
        Vertices in µm, float64[n_points, 3].
    triangles
        Vertices of each triangle, numbered in its domain, counter-clockwise as seen from outside, int64[n_triangles, 3].
    faces
        Face of its domain that each triangle is part of, int64[n_triangles].
    neighbors
        Domain beyond each triangle; -1 to -6 for the box at low and high x, y and z, int64[n_triangles].
    point_offsets, triangle_offsets
        int64[n + 1].
    """

    points: Reals
    triangles: Integers
    faces: Integers
    neighbors: Integers
    point_offsets: Integers
    triangle_offsets: Integers

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.point_offsets) - 1


def power_domains(centres: ArrayLike, radii: ArrayLike, low: ArrayLike, high: ArrayLike) -> Domains:
    """Share out a box between spheres: each point goes to the sphere of least power distance.

    A sphere that is surrounded by larger ones may have an empty domain.

    Parameters
    ----------
    centres
        Centres of the spheres in µm, shape (n, 3).
    radii
        Their radii in µm, shape (n,).
    low, high
        Corners of the box in µm, shape (3,).

    Raises
    ------
    ValueError
        A shape is wrong, a number is not finite, the box is empty, or two spheres have one centre.
    """
    points, sizes = in_space("centres", centres), line("radii", radii)
    box = in_space("box", np.array([low, high], float))
    if sizes.shape != (len(points),) or not np.isfinite(sizes).all() or (sizes < 0).any():
        raise ValueError(f"radii has shape {sizes.shape}; expected {len(points)} radii of 0 um or more")
    if not (box[0] < box[1]).all():
        raise ValueError(f"the box runs from {box[0].tolist()} to {box[1].tolist()}; expected to rise")
    if not len(points):
        return _joined((), points)
    grid = point_grid(points)
    parts = over_rows(
        partial(_all_cells, points, sizes, box[0], box[1], grid), len(points), 4096 * len(points)
    )
    return _joined(parts, points)


def _joined(parts: Sequence[tuple[NDArray[Any], ...]], points: Reals) -> Domains:
    for *_, status in parts:
        if status[0] == _EQUAL:
            raise ValueError(
                f"centres[{status[1]}] and centres[{status[2]}] are both {points[status[1]].tolist()}; "
                "expected one sphere at a place"
            )
        if status[0] != CUT:
            raise ValueError(
                f"the domain of centres[{status[1]}] cannot be cut out: its neighbours lie too regularly"
            )
    if not len(points):
        nothing = np.zeros((0, 3))
        empty, first = np.zeros(0, np.int64), np.zeros(1, np.int64)
        return Domains(nothing, nothing.astype(np.int64), empty, empty, first, first)
    found = [np.concatenate([part[at] for part in parts]) for at in range(6)]
    starts = [np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) for counts in found[4:]]
    return Domains(found[0], found[1], found[2], found[3], starts[0], starts[1])


@jit
def _all_cells(
    points: Reals, radii: Reals, low: Reals, high: Reals, grid: NearbyPoints, start: int, stop: int
) -> tuple[Reals, Integers, Integers, Integers, Integers, Integers, Integers]:
    """Vertices, triangles, their faces and neighbours, and the counts of points and triangles of some domains."""
    n = stop - start
    vertices, triangles = np.empty((32 * n + 8, 3)), np.empty((64 * n + 12, 5), np.int64)
    n_vertices, n_triangles = 0, 0
    counts = np.zeros((2, n), np.int64)
    status = np.array([CUT, -1, -1])
    most = _MOST
    cell, sizes, loops = room(most), np.empty(most, np.int64), np.empty(3 * most, np.int64)
    heap = (np.empty(most), np.empty(most, np.int64))
    largest = radii.max()
    margin = _MARGIN * np.sqrt(((high - low) ** 2).sum())
    for i in range(start, stop):
        slack = margin
        while True:
            state, other, heap = _cell(cell, heap, i, points, radii, largest, low, high, grid, slack)
            corners = 0
            if state == CUT and cell.sizes[0]:
                corners = faces(cell, sizes, loops)
                state = TORN if corners < 0 else CUT
            if state == FULL:
                most *= 2
                cell, sizes, loops = room(most), np.empty(most, np.int64), np.empty(3 * most, np.int64)
            elif state == TORN and slack < 1e4 * margin:
                slack *= 10.0
            else:
                break
        if state != CUT:
            status[0], status[1], status[2] = state, i, other
            break
        while n_vertices + cell.sizes[0] > len(vertices):
            vertices = np.concatenate((vertices, np.empty_like(vertices)))
        for vertex in range(cell.sizes[0]):
            vertices[n_vertices + vertex] = cell.places[vertex] + points[i]
        while n_triangles + corners > len(triangles):
            triangles = np.concatenate((triangles, np.empty_like(triangles)))
        counts[0, i - start] = cell.sizes[0]
        counts[1, i - start] = _fans(cell, sizes, loops, triangles, n_triangles)
        n_vertices += counts[0, i - start]
        n_triangles += counts[1, i - start]
    kept = triangles[:n_triangles]
    return (
        vertices[:n_vertices].copy(),
        kept[:, 1:4].copy(),
        kept[:, 0].copy(),
        kept[:, 4].copy(),
        counts[0],
        counts[1],
        status,
    )


@jit
def _fans(cell: Cell, sizes: Integers, loops: Integers, triangles: Integers, row: int) -> int:
    """Write each face as a fan of triangles: face, three vertices, neighbour; return their number."""
    at, face, first = 0, 0, row
    if not cell.sizes[0]:
        return 0
    for plane in range(cell.sizes[1]):
        if not sizes[plane]:
            continue
        for k in range(1, sizes[plane] - 1):
            triangles[row, 0], triangles[row, 1] = face, loops[at]
            triangles[row, 2], triangles[row, 3] = loops[at + k], loops[at + k + 1]
            triangles[row, 4] = cell.owner[plane]
            row += 1
        at += sizes[plane]
        face += 1
    return row - first


@jit
def _cell(
    cell: Cell,
    heap: tuple[Reals, Integers],
    i: int,
    points: Reals,
    radii: Reals,
    largest: float,
    low: Reals,
    high: Reals,
    grid: NearbyPoints,
    margin: float,
) -> tuple[int, int, tuple[Reals, Integers]]:
    """Cut the domain of one sphere out of the box by its neighbours, the nearest first."""
    begin(cell, low, high, points[i])
    away = reach(cell)
    place = np.empty(3, np.int64)
    inset = grid.side
    for axis in range(3):
        within = points[i, axis] - grid.low[axis]
        place[axis] = min(int(within / grid.side), grid.shape[axis] - 1)
        inset = min(inset, within - place[axis] * grid.side, (place[axis] + 1) * grid.side - within)
    # Rounding may put a point a little beyond its cell.
    inset = max(inset - 1e-9 * grid.side, 0.0)
    rings = 0
    for axis in range(3):
        rings = max(rings, place[axis], grid.shape[axis] - 1 - place[axis])
    n, own = 0, radii[i] * radii[i]
    lead = own - largest * largest
    for ring in range(rings + 1):
        # Nothing farther away than this can cut off a vertex.
        far = away + np.sqrt(max(away * away - lead, 0.0))
        n, heap = _gather(heap, n, i, ring, place, points, grid, far * far)
        complete = np.inf if ring == rings else inset + ring * grid.side
        while n and heap[0][0] <= complete:
            distance, other = heap[0][0], heap[1][0]
            n = pop(heap[0], heap[1], n)
            if distance == 0.0:
                return _EQUAL, other, heap
            if distance * distance + lead > 2.0 * distance * away:
                return CUT, -1, heap
            offset = 0.5 * (distance * distance + own - radii[other] * radii[other]) / distance
            if offset > away:
                continue
            x = (points[other, 0] - points[i, 0]) / distance
            y = (points[other, 1] - points[i, 1]) / distance
            z = (points[other, 2] - points[i, 2]) / distance
            state = cut(cell, x, y, z, offset, other, margin)
            if state == CUT:
                away = reach(cell)
                if not cell.sizes[0]:
                    return CUT, -1, heap
            elif state in (FULL, TORN):
                return state, other, heap
        if complete * complete + lead > 2.0 * complete * away:
            break
    return CUT, -1, heap


@jit
def _gather(
    heap: tuple[Reals, Integers],
    n: int,
    i: int,
    ring: int,
    place: Integers,
    points: Reals,
    grid: NearbyPoints,
    limit: float,
) -> tuple[int, tuple[Reals, Integers]]:
    """Push the spheres of the cells at this many steps from a cell, to a limit of the squared distance, to a heap."""
    px, py, pz = points[i, 0], points[i, 1], points[i, 2]
    for x in range(max(place[0] - ring, 0), min(place[0] + ring, grid.shape[0] - 1) + 1):
        for y in range(max(place[1] - ring, 0), min(place[1] + ring, grid.shape[1] - 1) + 1):
            edge = abs(x - place[0]) == ring or abs(y - place[1]) == ring
            step = 1 if edge or ring == 0 else 2 * ring
            z = place[2] - ring
            while z <= place[2] + ring:
                if 0 <= z < grid.shape[2]:
                    k = (x * grid.shape[1] + y) * grid.shape[2] + z
                    for m in range(grid.offsets[k], grid.offsets[k + 1]):
                        other = grid.members[m]
                        dx, dy, dz = grid.places[m, 0] - px, grid.places[m, 1] - py, grid.places[m, 2] - pz
                        squared = dx * dx + dy * dy + dz * dz
                        if squared > limit or other == i:
                            continue
                        if n == len(heap[0]):
                            heap = (
                                np.concatenate((heap[0], np.empty_like(heap[0]))),
                                np.concatenate((heap[1], np.empty_like(heap[1]))),
                            )
                        push(heap[0], heap[1], n, np.sqrt(squared), other)
                        n += 1
                z += step
    return n, heap
