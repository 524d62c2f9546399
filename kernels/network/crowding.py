"""Somata that keep a distance: a grid over space, whose cells are chains of the somata in them."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit, over_rows

Reals = NDArray[np.float64]


class Crowd:
    """Somata in a grid.

    Parameters
    ----------
    points
        Their places, float64[capacity, 3], of which the first *n* are there.
    n
        How many there are.
    distance
        Least distance between two, in µm.
    bounds
        Corners of the grid, float64[2, 3]; what lies beyond belongs to the cells at its border.
    """

    def __init__(self, points: Reals, n: int, distance: float, bounds: Reals) -> None:
        self.points, self.n, self.distance, self.bounds = points, n, distance, bounds
        extent = np.maximum(bounds[1] - bounds[0], 1e-9)
        side = max(float(np.prod(extent) / (len(points) + 1)) ** (1 / 3), distance)
        shape = np.clip(np.ceil(extent / side), 1, 1 << 10).astype(np.int64)
        while shape.prod() > 4 * len(points) + 64:
            shape = np.maximum(shape // 2, 1)
        self.grid = CrowdGrid(
            bounds[0],
            shape / extent,
            shape,
            np.full(shape.prod(), -1, np.int32),
            np.full(len(points), -1, np.int32),
        )
        _settle(points[:n].copy(), self.grid, points, 0, np.empty(n, np.int64), -1.0)


class CrowdGrid(NamedTuple):
    """Cells of space, each with its first soma; each soma with the next one in its cell, or -1.

    Attributes
    ----------
    low
        Lowest corner in µm, float64[3].
    scale
        Cells per µm along each axis, float64[3].
    shape
        Number of cells along each axis, int64[3].
    first
        First soma of each cell, or -1, int32[n_cells].
    next
        The soma after each one in its cell, or -1, int32[capacity].
    """

    low: Reals
    scale: Reals
    shape: NDArray[np.int64]
    first: NDArray[np.int32]
    next: NDArray[np.int32]


def crowd(points: Reals, more: int, around: Sequence[Reals], distance: float) -> Crowd:
    """Make a crowd of somata, with room for more in a grid around further points.

    Parameters
    ----------
    points
        Places of the somata in µm, float64[n, 3].
    more
        How many may come in later.
    around
        Further points in µm, float64[m, 3] each, that the grid holds, too.
    distance
        Least distance between two somata in µm.
    """
    everything = np.concatenate([points, *around])
    capacity = np.empty((len(points) + more, 3))
    capacity[: len(points)] = points
    return Crowd(capacity, len(points), distance, np.array([everything.min(axis=0), everything.max(axis=0)]))


def settle(room: Crowd, candidates: Reals, wanted: int) -> tuple[NDArray[np.int64], int]:
    """Let candidates in, one after the other, if they keep the distance.

    Parameters
    ----------
    room
        The crowd to let them into.
    candidates
        Places in µm, float64[n, 3]; rows of NaN are skipped.
    wanted
        How many to let in at most.

    Returns
    -------
    tuple
        Rows of those that came in, at most *wanted*, and how many candidates were tried for them.
    """
    rows = np.empty(wanted, np.int64)
    found, tried = _settle(candidates, room.grid, room.points, room.n, rows, room.distance)
    room.n += found
    return rows[:found], tried


def pushed(room: Crowd, first: int, spacing: Reals) -> Reals:
    """Return where somata go when each moves away from its neighbours, float64[room.n - first, 3] in µm.

    No move is longer than a tenth of the *spacing*, nor than half of what the nearest neighbour
    is farther away than the least distance, so that two which approach each other still keep it.

    Parameters
    ----------
    room
        The crowd; it stays as it is.
    first
        Number of the first soma that moves.
    spacing
        Usual distance of neighbours around each of them in µm, float64[room.n - first].
    """
    moved = np.empty((room.n - first, 3))
    kernel = partial(_push, room.grid, room.points, first, room.distance, spacing, moved)
    over_rows(kernel, len(moved), 32 * len(moved))
    return moved


@jit
def cell_at(grid: CrowdGrid, axis: int, x: float) -> int:
    """Return the cell along an axis that a place belongs to; beyond the grid, the last one.

    Parameters
    ----------
    grid
        The grid.
    axis
        0, 1 or 2 for x, y or z.
    x
        Coordinate along that axis in µm.
    """
    # Compared as numbers before the cast: places far beyond the grid would overflow.
    place = (x - grid.low[axis]) * grid.scale[axis]
    return int(min(max(place, 0.0), grid.shape[axis] - 1.0))


@jit
def _settle(
    candidates: Reals, grid: CrowdGrid, points: Reals, n: int, rows: NDArray[np.int64], distance: float
) -> tuple[int, int]:
    found = 0
    for k in range(len(candidates)):
        if found == len(rows):
            return found, k
        x, y, z = candidates[k]
        if np.isnan(x) or (distance > 0.0 and _crowded(grid, points, x, y, z, distance)):
            continue
        cell = (cell_at(grid, 0, x) * grid.shape[1] + cell_at(grid, 1, y)) * grid.shape[2] + cell_at(
            grid, 2, z
        )
        points[n, 0], points[n, 1], points[n, 2] = x, y, z
        grid.next[n] = grid.first[cell]
        grid.first[cell] = n
        rows[found] = k
        n, found = n + 1, found + 1
    return found, len(candidates)


@jit
def _crowded(grid: CrowdGrid, points: Reals, x: float, y: float, z: float, distance: float) -> bool:
    for i in range(cell_at(grid, 0, x - distance), cell_at(grid, 0, x + distance) + 1):
        for j in range(cell_at(grid, 1, y - distance), cell_at(grid, 1, y + distance) + 1):
            for k in range(cell_at(grid, 2, z - distance), cell_at(grid, 2, z + distance) + 1):
                m = grid.first[(i * grid.shape[1] + j) * grid.shape[2] + k]
                while m >= 0:
                    dx, dy, dz = points[m, 0] - x, points[m, 1] - y, points[m, 2] - z
                    if dx * dx + dy * dy + dz * dz < distance * distance:
                        return True
                    m = grid.next[m]
    return False


@jit
def _push(
    grid: CrowdGrid,
    points: Reals,
    first: int,
    distance: float,
    spacing: Reals,
    moved: Reals,
    begin: int,
    end: int,
) -> None:
    for n in range(begin, end):
        x, y, z = points[first + n]
        reach, nearest = 1.5 * spacing[n], np.inf
        fx = fy = fz = 0.0
        for i in range(cell_at(grid, 0, x - reach), cell_at(grid, 0, x + reach) + 1):
            for j in range(cell_at(grid, 1, y - reach), cell_at(grid, 1, y + reach) + 1):
                for k in range(cell_at(grid, 2, z - reach), cell_at(grid, 2, z + reach) + 1):
                    m = grid.first[(i * grid.shape[1] + j) * grid.shape[2] + k]
                    while m >= 0:
                        dx, dy, dz = x - points[m, 0], y - points[m, 1], z - points[m, 2]
                        away = np.sqrt(dx * dx + dy * dy + dz * dz)
                        if m != first + n and 0.0 < away < reach:
                            nearest = min(nearest, away)
                            more = reach / away - 1.0
                            force = more * more / away
                            fx, fy, fz = fx + force * dx, fy + force * dy, fz + force * dz
                        m = grid.next[m]
        size = np.sqrt(fx * fx + fy * fy + fz * fz)
        step = min(0.1 * spacing[n] * min(size, 1.0), max(nearest - distance, 0.0) / 2.0)
        share = step / size if size > 0.0 else 0.0
        moved[n, 0], moved[n, 1], moved[n, 2] = x + share * fx, y + share * fy, z + share * fz
