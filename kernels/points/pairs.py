"""Statistics of pairs of points: Ripley's K, its transform L, and the pair correlation g.

K(r) is the expected number of further points within r of a point, divided by the density; for random places (Poisson)
K(r) = 4/3 π r³, L(r) = (3 K / 4π)^(1/3) = r, and g(r) = 1. Points near the border of the window miss neighbours
that were not observed, which one of two corrections makes up for (Baddeley, Moyeed, Howard & Boyde 1993,
doi:10.2307/2986181, for three dimensions):

- ``translation``: each pair counts for the inverse of the volume that the window shares with itself moved by the pair's
  difference (Ohser & Stoyan 1981);
- ``border``: only points at least r away from the border are asked (Ripley's reduced sample).
"""

from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bins import checked_edges
from ..checks import distances
from ..jit import jit, over_rows
from ..nearby import NearbyPoints, cell_of, point_grid
from .windows import Window, border_distances, observed, set_covariance, shared_volume

Reals = NDArray[np.float64]
Correction = Literal["translation", "border", "none"]
# Rows whose sums are taken together: what is added to what does not depend on the number of threads.
_BLOCK = 128


def ripley_k(
    points: ArrayLike,
    radii: ArrayLike,
    window: Window,
    others: ArrayLike | None = None,
    *,
    correction: Correction = "translation",
) -> Reals:
    """Estimate Ripley's K in µm³, float64[n_radii]; NaN where no point is far enough from the border.

    Parameters
    ----------
    points
        Places in the window in µm, shape (n, 3).
    radii
        Distances in µm, rising, shape (n_radii,).
    window
        Where points were observed.
    others
        Places of another kind in µm, shape (m, 3), to count around the points; by default the points themselves.
    correction
        ``"translation"``, ``"border"`` or ``"none"``; see the module.

    Raises
    ------
    ValueError
        A point is outside of the window, radii fall or are negative, or the correction is another.
    """
    reach = checked_edges(distances("radii", radii))
    sums, asked = _sums(points, reach, window, others, correction, shells=False)
    return _per_density(points, others, window, np.cumsum(sums) if asked is None else sums, asked)


def ripley_l(
    points: ArrayLike,
    radii: ArrayLike,
    window: Window,
    others: ArrayLike | None = None,
    *,
    correction: Correction = "translation",
) -> Reals:
    """Estimate L = (3 K / 4π)^(1/3) in µm, float64[n_radii]: the radius at which random places would have that K.

    Parameters
    ----------
    points, radii, window, others, correction
        As of `ripley_k`.

    Raises
    ------
    ValueError
        As `ripley_k`.
    """
    found: Reals = np.cbrt(0.75 / np.pi * ripley_k(points, radii, window, others, correction=correction))
    return found


def pair_correlation(
    points: ArrayLike,
    edges: ArrayLike,
    window: Window,
    others: ArrayLike | None = None,
    *,
    correction: Correction = "translation",
) -> Reals:
    """Estimate the pair correlation g in shells, float64[n_edges - 1]: pairs at a distance over those of random places.

    Parameters
    ----------
    points
        Places in the window in µm, shape (n, 3).
    edges
        Radii of the shells in µm, rising, shape (n_edges,). A shell holds its outer radius, and not its inner one.
    window, others, correction
        As of `ripley_k`.

    Raises
    ------
    ValueError
        As `ripley_k`, or a shell has no volume.
    """
    reach = checked_edges(distances("edges", edges))
    if (np.diff(reach) <= 0).any():
        at = int(np.flatnonzero(np.diff(reach) <= 0)[0])
        raise ValueError(
            f"edges[{at}] and edges[{at + 1}] are both {reach[at]}; expected shells with a volume"
        )
    sums, asked = _sums(points, reach, window, others, correction, shells=True)
    found = _per_density(points, others, window, sums, asked)[1:]
    expected: Reals = found / (4.0 / 3.0 * np.pi * np.diff(reach**3))
    return expected


def _sums(
    points: ArrayLike,
    reach: Reals,
    window: Window,
    others: ArrayLike | None,
    correction: Correction,
    *,
    shells: bool,
) -> tuple[Reals, NDArray[np.int64] | None]:
    """Weight of the pairs up to each radius that are beyond the one before; of ``border``, all pairs for K, and how many points are asked."""
    if correction not in ("translation", "border", "none"):
        raise ValueError(f"correction is {correction!r}; expected 'translation', 'border' or 'none'")
    rows = observed(window, points)
    among = rows if others is None else observed(window, others, "others")
    furthest = float(reach[-1]) if len(reach) else 0.0
    if not len(rows) or not len(among):
        return np.zeros(len(reach)), None
    grid = point_grid(among, least=furthest / 3.0)
    starts = point_grid(rows) if others is not None else grid
    covariance, near = np.ones((1, 1, 1)), np.empty(0)
    if correction == "translation":
        covariance = set_covariance(window, furthest)
    elif correction == "border":
        near = border_distances(window, starts.places, furthest)
    blocks = -(-len(rows) // _BLOCK)
    sums = np.zeros((blocks, len(reach)))
    kernel = partial(
        _count,
        grid,
        starts,
        others is None,
        reach,
        ("none", "translation", "border").index(correction),
        shells,
        covariance,
        window.size,
        near,
        sums,
    )
    over_rows(kernel, blocks, 64 * len(rows))
    total = sums.sum(axis=0)
    if correction == "none":
        return total / window.volume, None
    if correction == "translation":
        return total, None
    ends = np.sort(near)
    return total, len(ends) - np.searchsorted(ends, reach, side="left")


def _per_density(
    points: ArrayLike,
    others: ArrayLike | None,
    window: Window,
    sums: Reals,
    asked: NDArray[np.int64] | None,
) -> Reals:
    n = len(np.asarray(points))
    m = n - 1 if others is None else len(np.asarray(others))
    volume = window.volume
    with np.errstate(divide="ignore", invalid="ignore"):
        if asked is not None:
            found: Reals = sums * volume / (asked * float(m))
        else:
            found = sums * volume * volume / (float(n) * float(m))
    return found


@jit
def _count(
    grid: NearbyPoints,
    starts: NearbyPoints,
    own: bool,
    reach: Reals,
    correction: int,
    shells: bool,
    covariance: Reals,
    size: Reals,
    near: Reals,
    sums: Reals,
    begin: int,
    end: int,
) -> None:
    furthest = reach[-1] if len(reach) else -1.0
    for block in range(begin, end):
        total = sums[block]
        for n in range(block * _BLOCK, min((block + 1) * _BLOCK, len(starts.places))):
            x, y, z = starts.places[n]
            # The last radius that this point is asked for.
            last = np.searchsorted(reach, near[n], side="right") - 1 if correction == 2 else len(reach) - 1
            for i in range(cell_of(grid, 0, x - furthest), cell_of(grid, 0, x + furthest) + 1):
                for j in range(cell_of(grid, 1, y - furthest), cell_of(grid, 1, y + furthest) + 1):
                    row = (i * grid.shape[1] + j) * grid.shape[2]
                    first = grid.offsets[row + cell_of(grid, 2, z - furthest)]
                    stop = grid.offsets[row + cell_of(grid, 2, z + furthest) + 1]
                    for m in range(first, stop):
                        dx, dy, dz = grid.places[m, 0] - x, grid.places[m, 1] - y, grid.places[m, 2] - z
                        far = np.sqrt(dx * dx + dy * dy + dz * dz)
                        if far > furthest or (own and m == n):
                            continue
                        at = np.searchsorted(reach, far)
                        if correction == 1:
                            shared = shared_volume(covariance, size, dx, dy, dz)
                            total[at] += 1.0 / shared if shared > 0.0 else 0.0
                        elif correction == 0:
                            total[at] += 1.0
                        elif shells:
                            total[at] += 1.0 if at <= last else 0.0
                        else:
                            for one in range(at, last + 1):
                                total[one] += 1.0
