"""The nearest of many points, found in the cells of a grid around."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import in_space
from .grid import cell_along, cube_grid
from .jit import jit, over_rows

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class NearbyPoints(NamedTuple):
    """Points by cells of space: those of cell k, and where they are, are in rows ``offsets[k]:offsets[k + 1]``.

    Attributes
    ----------
    low
        Corner of the grid in µm, float64[3].
    side
        Edge of a cell in µm.
    scale
        Cells per µm, by which points were sorted.
    shape
        Numbers of cells along the axes, int64[3].
    offsets
        int64[n_cells + 1].
    members
        Number of each point, by cell, int64[n].
    places
        Place of each point in µm, by cell, float64[n, 3].
    """

    low: Reals
    side: float
    scale: float
    shape: Integers
    offsets: Integers
    members: Integers
    places: Reals


def point_grid(points: ArrayLike, usual: float = 2.0, least: float = 0.0) -> NearbyPoints:
    """Sort points into cells.

    Parameters
    ----------
    points
        Places in µm, shape (n, 3).
    usual
        Points of a cell, if they fill their box.
    least
        Least edge of a cell in µm.

    Raises
    ------
    ValueError
        There are no points, or they have another shape or are not finite.
    """
    found = in_space("points", points)
    if not len(found):
        raise ValueError("points are none; expected one or more")
    extent = np.ptp(found, axis=0)
    # Where points lie in a plane, no cells without end.
    wide = np.maximum(extent, extent.max() / 100 + 1e-9)
    cubes = cube_grid(found, max(least, float(np.cbrt(usual * np.prod(wide) / len(found)))))
    return NearbyPoints(
        cubes.low, 1.0 / cubes.scale, cubes.scale, cubes.shape, cubes.starts, cubes.order, found[cubes.order]
    )


@jit
def cell_of(grid: NearbyPoints, axis: int, x: float) -> int:
    """Return the cell along an axis that a place belongs to; beyond the grid, the nearest one.

    Parameters
    ----------
    grid
        The points.
    axis
        0, 1 or 2 for x, y or z.
    x
        Coordinate along that axis in µm.
    """
    return cell_along(grid.low[axis], grid.scale, grid.shape[axis], x)


def nearest_points(grid: NearbyPoints, queries: ArrayLike) -> tuple[Integers, Reals]:
    """Return the number of the point that is nearest to each place, and its distance in µm; of equals, the first.

    Parameters
    ----------
    grid
        The points.
    queries
        Places in µm, shape (m, 3).

    Raises
    ------
    ValueError
        Places have another shape or are not finite.
    """
    wanted = in_space("queries", queries)
    found, distance = np.empty(len(wanted), np.int64), np.empty(len(wanted))
    over_rows(partial(_nearest, grid, wanted, found, distance), len(wanted), 256 * len(wanted))
    return found, distance


@jit
def _nearest(
    grid: NearbyPoints, queries: Reals, found: Integers, distance: Reals, begin: int, end: int
) -> None:
    place = np.empty(3, np.int64)
    for n in range(begin, end):
        # Cells are searched ring by ring around the one that is nearest to the place.
        inset, rings, best, number = np.inf, 0, np.inf, -1
        for axis in range(3):
            within = queries[n, axis] - grid.low[axis]
            at = min(max(within / grid.side, 0.0), grid.shape[axis] - 1.0)
            place[axis] = int(at)
            below, above = within - place[axis] * grid.side, (place[axis] + 1) * grid.side - within
            inset = min(inset, max(below, 0.0), max(above, 0.0))
            rings = max(rings, place[axis], grid.shape[axis] - 1 - place[axis])
        for ring in range(rings + 1):
            for x in range(max(place[0] - ring, 0), min(place[0] + ring, grid.shape[0] - 1) + 1):
                for y in range(max(place[1] - ring, 0), min(place[1] + ring, grid.shape[1] - 1) + 1):
                    edge = abs(x - place[0]) == ring or abs(y - place[1]) == ring
                    step = 1 if edge or ring == 0 else 2 * ring
                    for z in range(place[2] - ring, place[2] + ring + 1, step):
                        if z < 0 or z >= grid.shape[2]:
                            continue
                        k = (x * grid.shape[1] + y) * grid.shape[2] + z
                        for m in range(grid.offsets[k], grid.offsets[k + 1]):
                            dx = grid.places[m, 0] - queries[n, 0]
                            dy = grid.places[m, 1] - queries[n, 1]
                            dz = grid.places[m, 2] - queries[n, 2]
                            squared = dx * dx + dy * dy + dz * dz
                            if squared < best or (squared == best and grid.members[m] < number):
                                best, number = squared, grid.members[m]
            # Rounding may put a point a little beyond its cell.
            seen = (1.0 - 1e-9) * (inset + ring * grid.side)
            if number >= 0 and best <= seen * seen:
                break
        found[n], distance[n] = number, np.sqrt(best)
