"""Points sorted into the cells of a grid, so that those near a place follow each other in memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import jit

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]

_MOST_CELLS = 1 << 24


class CubeGrid(NamedTuple):
    """A grid of cubes, and the points in each.

    Attributes
    ----------
    low
        Lowest corner, float64[3], in µm.
    scale
        Cells per µm.
    shape
        Number of cells along x, y and z, int64[3].
    starts
        Where the points of each cell begin in *order*, int64[n_cells + 1]; cells in C order.
    order
        Rows of the points, cell by cell, rising within each, int64[n_points].
    """

    low: Reals
    scale: float
    shape: Whole
    starts: Whole
    order: Whole


def cube_grid(points: NDArray[np.floating], edge: float) -> CubeGrid:
    """Sort points into cubes.

    Parameters
    ----------
    points
        Finite coordinates in µm, float[n, 3].
    edge
        Length of a cube's edges in µm; longer ones are taken where there would be more than 2**24 cubes.

    Returns
    -------
    CubeGrid
        The cubes around all points.
    """
    n = len(points)
    low = points.min(axis=0).astype(np.float64) if n else np.zeros(3)
    extent = points.max(axis=0).astype(np.float64) - low if n else np.zeros(3)
    shape = np.floor(extent / edge).astype(np.int64) + 1
    while np.prod(shape.astype(np.float64)) > _MOST_CELLS:
        edge *= 1.5
        shape = np.floor(extent / edge).astype(np.int64) + 1
    starts = np.zeros(int(np.prod(shape)) + 1, np.int64)
    order = np.empty(n, np.int64)
    _sort(points, low, 1.0 / edge, shape, starts, order)
    return CubeGrid(low, 1.0 / edge, shape, starts, order)


@jit
def cell_along(low: float, scale: float, size: int | np.int64, x: float) -> int:
    """Return the cell along one axis that a coordinate lies in; beyond the grid, the nearest one.

    Parameters
    ----------
    low, scale, size
        Lowest coordinate of the grid in µm, cells per µm, and number of cells along this axis.
    x
        The coordinate in µm.
    """
    # Compared as numbers before the cast: places far beyond the grid would overflow.
    return int(min(max((x - low) * scale, 0.0), size - 1.0))


@jit
def _sort(
    points: NDArray[np.floating], low: Reals, scale: float, shape: Whole, starts: Whole, order: Whole
) -> None:
    cells = np.empty(len(points), np.int64)
    for i in range(len(points)):
        p = cell_along(low[0], scale, shape[0], points[i, 0])
        q = cell_along(low[1], scale, shape[1], points[i, 1])
        r = cell_along(low[2], scale, shape[2], points[i, 2])
        cells[i] = (p * shape[1] + q) * shape[2] + r
        starts[cells[i] + 1] += 1
    for c in range(len(starts) - 1):
        starts[c + 1] += starts[c]
    place = starts[:-1].copy()
    for i in range(len(points)):
        order[place[cells[i]]] = i
        place[cells[i]] += 1
