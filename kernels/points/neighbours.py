"""Nearest neighbours of points."""

from functools import partial
from math import gamma, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..jit import jit, over_rows
from ..nearby import NearbyPoints, cell_of, point_grid

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]


class Neighbours(NamedTuple):
    """The nearest neighbours of each point, nearest first.

    Attributes
    ----------
    distance
        How far away they are in µm, float64[n, k]; inf where there are fewer.
    row
        Their rows, int64[n, k]; -1 where there are fewer. Of two at one distance, the lower row comes first.
    """

    distance: Reals
    row: Integers


def nearest_neighbours(points: ArrayLike, others: ArrayLike | None = None, *, k: int = 1) -> Neighbours:
    """Find the nearest neighbours of points.

    Parameters
    ----------
    points
        Places in µm, shape (n, 3).
    others
        Places among which neighbours are, in µm, shape (m, 3); by default the points themselves, each without itself.
    k
        How many neighbours.

    Raises
    ------
    ValueError
        A shape is another, a point is not finite, or *k* is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 or more neighbours")
    rows = in_space("points", points)
    among = rows if others is None else in_space("others", others)
    found = Neighbours(np.full((len(rows), k), np.inf), np.full((len(rows), k), -1, np.int64))
    if len(among):
        grid = point_grid(among)
        kernel = partial(_nearest, grid, rows, others is None, found.distance, found.row)
        over_rows(kernel, len(rows), 64 * k * len(rows))
    return found


def poisson_nearest(density: float) -> tuple[float, float]:
    """Return mean and standard deviation of the distance to the nearest neighbour if places were random (Poisson).

    In three dimensions the volume up to the nearest neighbour is exponential (Clark & Evans 1979, Science 1954 for the
    plane): the mean is Γ(4/3) (4π density / 3)^(-1/3).

    Parameters
    ----------
    density
        Points in a µm³.

    Raises
    ------
    ValueError
        The density is not positive.
    """
    if not density > 0:
        raise ValueError(f"density is {density}; expected a positive number in 1/um3")
    scale = (4.0 * pi * density / 3.0) ** (-1 / 3)
    mean = gamma(4 / 3)
    return scale * mean, scale * (gamma(5 / 3) - mean * mean) ** 0.5


@jit
def _nearest(
    grid: NearbyPoints, points: Reals, own: bool, distance: Reals, row: Integers, begin: int, end: int
) -> None:
    for n in range(begin, end):
        x, y, z = points[n]
        i0, j0, k0 = cell_of(grid, 0, x), cell_of(grid, 1, y), cell_of(grid, 2, z)
        best, names = distance[n], row[n]  # squared until all are found
        last = max(
            max(i0, grid.shape[0] - 1 - i0),
            max(max(j0, grid.shape[1] - 1 - j0), max(k0, grid.shape[2] - 1 - k0)),
        )
        for shell in range(last + 1):
            # What is in this shell of cells or beyond is at least so far away.
            gap = (1.0 - 1e-9) * ((shell - 1) * grid.side + _to_side(grid, x, y, z, i0, j0, k0))
            if shell > 0 and gap * gap > best[-1]:
                break
            for i in range(max(i0 - shell, 0), min(i0 + shell + 1, grid.shape[0])):
                for j in range(max(j0 - shell, 0), min(j0 + shell + 1, grid.shape[1])):
                    on_side = shell == 0 or abs(i - i0) == shell or abs(j - j0) == shell
                    for k in range(k0 - shell, k0 + shell + 1, 1 if on_side else 2 * shell):
                        if 0 <= k < grid.shape[2]:
                            _look(
                                grid,
                                (i * grid.shape[1] + j) * grid.shape[2] + k,
                                x,
                                y,
                                z,
                                n if own else -1,
                                best,
                                names,
                            )
        for m in range(len(best)):
            best[m] = np.sqrt(best[m])


@jit
def _to_side(grid: NearbyPoints, x: float, y: float, z: float, i: int, j: int, k: int) -> float:
    """Distance of a point to the nearest side of its cell; 0 for one beyond the grid."""
    least = grid.side
    for axis, at, cell in ((0, x, i), (1, y, j), (2, z, k)):
        part = at - grid.low[axis] - cell * grid.side
        least = min(least, min(part, grid.side - part))
    return max(least, 0.0)


@jit
def _look(
    grid: NearbyPoints, cell: int, x: float, y: float, z: float, own: int, best: Reals, names: Integers
) -> None:
    """Put the points of a cell among the nearest ones, if they are."""
    for m in range(grid.offsets[cell], grid.offsets[cell + 1]):
        name = grid.members[m]
        if name == own:
            continue
        dx, dy, dz = grid.places[m, 0] - x, grid.places[m, 1] - y, grid.places[m, 2] - z
        far = dx * dx + dy * dy + dz * dz
        at = len(best)
        while at > 0 and (far < best[at - 1] or (far == best[at - 1] and name < names[at - 1])):
            at -= 1
        # An empty place has the distance inf and the row -1, which no point beats by its row: nothing is that far.
        for later in range(len(best) - 1, at, -1):
            best[later], names[later] = best[later - 1], names[later - 1]
        if at < len(best):
            best[at], names[at] = far, name
