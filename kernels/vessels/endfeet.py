"""Endfeet: parts of the vessels' surface that waves from their places have reached, reduced to areas of a distribution.

As in ArchNGV: a triangle belongs to the wave that two of its vertices agree on. Where a grown area is larger than what a truncated
normal distribution has at the same quantile, the triangles that were reached last are taken away until it is not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..draws import truncated_normal, truncated_normals
from ..jit import jit
from .fronts import TriangleMesh, Waves, triangle_areas

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class EndfootMeshes(NamedTuple):
    """Endfeet on the surface of vessels; points and triangles of endfoot i are in rows ``offsets[i]:offsets[i + 1]``.

    Attributes
    ----------
    points
        Vertices in µm, float64[n_points, 3].
    triangles
        Vertices of each triangle, numbered in its endfoot, int64[n_triangles, 3].
    point_offsets, triangle_offsets
        int64[n + 1].
    area
        Of its triangles in µm², float64[n]; 0 of an endfoot that did not grow.
    grown_area
        Before it was reduced, in µm², float64[n].
    thickness
        In µm, float64[n]; 0 of an endfoot that did not grow.
    """

    points: Reals
    triangles: Integers
    point_offsets: Integers
    triangle_offsets: Integers
    area: Reals
    grown_area: Reals
    thickness: Reals


def endfeet_of(
    mesh: TriangleMesh,
    waves: Waves,
    n: int,
    areas: Sequence[float],
    thickness: Sequence[float],
    *,
    seed: int,
    population: str = "endfeet",
) -> EndfootMeshes:
    """Return the endfeet that waves have become.

    Parameters
    ----------
    mesh
        Surface of the vessels.
    waves
        Wave and time of each of its vertices.
    n
        How many waves there are.
    areas, thickness
        Mean, standard deviation, least and largest, of areas in µm² and of thicknesses in µm.
    seed
        Of the random numbers.
    population
        Name of the population, for its own stream of random numbers.

    Raises
    ------
    ValueError
        A distribution is out of range.
    """
    for name, numbers in (("areas", areas), ("thickness", thickness)):
        if len(numbers) != 4 or not np.isfinite(numbers).all() or numbers[1] < 0.0 or numbers[2] > numbers[3]:
            raise ValueError(
                f"{name} is {list(numbers)}; expected mean, standard deviation, least and largest"
            )
    of = _waves_of_triangles(waves.wave, mesh.triangles)
    area = triangle_areas(mesh)
    grown: Reals = np.bincount(of[of >= 0], area[of >= 0], minlength=n)[:n].astype(np.float64)
    target = _targets(grown, areas)
    rows = np.flatnonzero(of >= 0)
    time = waves.time[mesh.triangles[rows]].mean(axis=1)
    # By endfoot, and by time; of equal ones, the first stays longest.
    order = rows[np.lexsort((rows, time, of[rows]))]
    bounds = np.searchsorted(of[order], np.arange(n + 1))
    kept = _kept(area[order], bounds, target)
    order = order[kept]
    order = order[np.lexsort((order, of[order]))]
    owner = of[order]
    triangle_offsets = np.searchsorted(owner, np.arange(n + 1)).astype(np.int64)
    # Vertices of each endfoot once, in their order on the surface.
    corners = mesh.triangles[order]
    width = len(mesh.points)
    keys, inverse = np.unique(np.repeat(owner, 3) * width + corners.reshape(-1), return_inverse=True)
    point_offsets = np.searchsorted(keys, np.arange(n + 1) * width).astype(np.int64)
    local = inverse.reshape(-1, 3) - point_offsets[owner][:, None] if len(order) else corners
    final: Reals = np.bincount(owner, area[order], minlength=n)[:n].astype(np.float64)
    drawn = truncated_normals(n, *thickness, seed=seed, purpose="thickness", population=population)
    thick = np.where(final > 0.0, drawn, 0.0)
    return EndfootMeshes(
        mesh.points[keys % width], local, point_offsets, triangle_offsets, final, grown, thick
    )


def _waves_of_triangles(wave: Integers, triangles: Integers) -> Integers:
    """The wave that two vertices of a triangle agree on, or -1."""
    a, b, c = (wave[triangles[:, corner]] for corner in range(3))
    return np.where((a == b) | (a == c), a, np.where(b == c, b, -1))


def _targets(grown: Reals, areas: Sequence[float]) -> Reals:
    """Areas of the distribution at the quantiles of the grown ones; no endfoot gets larger."""
    order = np.argsort(grown, kind="stable")
    order = order[grown[order] > 0.0]
    target = grown.copy()
    share = np.arange(1, len(order) + 1) / max(len(order), 1)
    target[order] = np.minimum(grown[order], _quantiles(share, *(float(number) for number in areas)))
    return target


@jit
def _quantiles(share: Reals, mean: float, deviation: float, low: float, high: float) -> Reals:
    found = np.empty(len(share))
    for n in range(len(share)):
        found[n] = truncated_normal(share[n], mean, deviation, low, high)
    return found


@jit
def _kept(area: Reals, bounds: Integers, target: Reals) -> NDArray[np.bool_]:
    """Whether each triangle, in the order of its time, still fits into the endfoot's area."""
    kept = np.zeros(len(area), np.bool_)
    for endfoot in range(len(target)):
        total = 0.0
        # Sums of the same numbers may differ by rounding.
        limit = target[endfoot] * (1.0 + 1e-12)
        for row in range(bounds[endfoot], bounds[endfoot + 1]):
            total += area[row]
            if total > limit:
                break
            kept[row] = True
    return kept
