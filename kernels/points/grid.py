"""Points sorted into the cells of a grid, so that those near a place are found without looking at all others."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


class PointGrid(NamedTuple):
    """Points in the order of the cells of a grid.

    Attributes
    ----------
    low
        Lowest corner in µm, float64[3].
    side
        Edge of a cell in µm.
    shape
        Number of cells along each axis, int64[3].
    offsets
        Where the points of each cell begin, int64[n_cells + 1].
    points
        The points in µm, cell by cell, float64[n, 3].
    rows
        Row that each of them had, int64[n]; it rises within a cell.
    """

    low: Reals
    side: float
    shape: Integers
    offsets: Integers
    points: Reals
    rows: Integers


def point_grid(points: Reals, side: float = 0.0) -> PointGrid:
    """Sort points into a grid.

    Parameters
    ----------
    points
        Places in µm, finite, float64[n, 3].
    side
        Edge of a cell in µm, which grows until there are few more cells than points; by default, about two points
        share a cell.
    """
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(3), np.zeros(3))
    extent = high - low
    # A pattern may be flat: an axis without an extent has one cell.
    wide = np.maximum(extent, 1e-3 * max(float(extent.max()), 1e-6))
    side = max(side, float(np.prod(wide) * 2.0 / max(len(points), 1)) ** (1 / 3))
    shape = np.maximum(np.ceil(extent / side), 1).astype(np.int64)
    place = np.clip(((points - low) / side).astype(np.int64), 0, shape - 1)
    cell = (place[:, 0] * shape[1] + place[:, 1]) * shape[2] + place[:, 2]
    rows = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=int(shape.prod()))
    return PointGrid(low, side, shape, np.concatenate([[0], np.cumsum(counts)]), points[rows], rows)


@jit
def grid_cell(grid: PointGrid, axis: int, x: float) -> int:
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
    place = (x - grid.low[axis]) / grid.side
    return int(min(max(place, 0.0), grid.shape[axis] - 1.0))
