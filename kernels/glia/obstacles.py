"""Vessels as truncated cones in a grid of cells: what somata must not overlap."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, line
from ..jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class Obstacles(NamedTuple):
    """Segments, and which of them reach into each cell of a grid: ``members[offsets[k]:offsets[k + 1]]``.

    Attributes
    ----------
    ends
        Where each segment begins and ends in µm, float64[n, 2, 3].
    radii
        Radius at both ends in µm, float64[n, 2].
    low, side, shape
        Corner of the grid in µm, edge of its cells in µm, and their numbers.
    offsets, members
        int64[n_cells + 1] and int64[m].
    """

    ends: Reals
    radii: Reals
    low: Reals
    side: float
    shape: Integers
    offsets: Integers
    members: Integers


def segment_obstacles(
    starts: ArrayLike, ends: ArrayLike, start_radii: ArrayLike, end_radii: ArrayLike
) -> Obstacles:
    """Put segments into a grid.

    Parameters
    ----------
    starts, ends
        Where the segments begin and end in µm, shape (n, 3); a segment that ends where it begins is a sphere.
    start_radii, end_radii
        Radii there in µm, shape (n,).

    Raises
    ------
    ValueError
        Shapes differ, or a number is not finite or a radius below 0.
    """
    one, other = in_space("starts", starts), in_space("ends", ends)
    radii = np.stack([line("start_radii", start_radii), line("end_radii", end_radii)], axis=1)
    if not len(one) == len(other) == len(radii):
        raise ValueError(
            f"starts, ends and radii are {len(one)}, {len(other)} and {len(radii)}; expected the same"
        )
    bad = np.flatnonzero(~(np.isfinite(radii) & (radii >= 0.0)).all(axis=1))
    if bad.size:
        raise ValueError(f"radii of segment {bad[0]} are {radii[bad[0]].tolist()}; expected 0 um or more")
    both = np.stack([one, other], axis=1)
    if not len(one):
        return Obstacles(
            both, radii, np.zeros(3), 1.0, np.ones(3, np.int64), np.zeros(2, np.int64), np.zeros(0, np.int64)
        )
    wide = radii.max(axis=1)[:, None]
    low, high = both.min(axis=1) - wide, both.max(axis=1) + wide
    corner, extent = low.min(axis=0), np.ptp(np.concatenate([low, high]), axis=0)
    # Cells of a few segments' size, and not many more cells than segments.
    side = max(
        float(np.median(high - low)),
        float(np.cbrt(np.prod(np.maximum(extent, 1e-3)) / (4.0 * len(one)))),
        1e-3,
    )
    shape = np.maximum(np.ceil(extent / side), 1).astype(np.int64)
    first, last = (np.clip((bound - corner) / side, 0, shape - 1).astype(np.int64) for bound in (low, high))
    offsets, members = _registered(first, last, shape)
    return Obstacles(both, radii, corner, side, shape, offsets, members)


@jit
def _registered(first: Integers, last: Integers, shape: Integers) -> tuple[Integers, Integers]:
    offsets = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    members = np.empty(0, np.int64)
    at = offsets.copy()
    for fill in range(2):
        for n in range(len(first)):
            for i in range(first[n, 0], last[n, 0] + 1):
                for j in range(first[n, 1], last[n, 1] + 1):
                    for k in range(first[n, 2], last[n, 2] + 1):
                        cell = (i * shape[1] + j) * shape[2] + k
                        if fill:
                            members[at[cell]] = n
                            at[cell] += 1
                        else:
                            offsets[cell + 1] += 1
        if not fill:
            offsets = np.cumsum(offsets)
            at, members = offsets.copy(), np.empty(offsets[-1], np.int64)
    return offsets, members


@jit
def obstructed(obstacles: Obstacles, x: float, y: float, z: float, radius: float) -> bool:
    """Tell whether a sphere overlaps a segment, whose radius is that at the nearest point of its axis.

    Parameters
    ----------
    obstacles
        The segments.
    x, y, z
        Centre of the sphere in µm.
    radius
        Its radius in µm.
    """
    if not len(obstacles.members):
        return False
    low, side, shape = obstacles.low, obstacles.side, obstacles.shape
    first, last = (0, 0, 0), (0, 0, 0)
    a, b = (x - radius - low[0]) / side, (x + radius - low[0]) / side
    c, d = (y - radius - low[1]) / side, (y + radius - low[1]) / side
    e, f = (z - radius - low[2]) / side, (z + radius - low[2]) / side
    if b < 0.0 or d < 0.0 or f < 0.0 or a >= shape[0] or c >= shape[1] or e >= shape[2]:
        return False
    first = (int(max(a, 0.0)), int(max(c, 0.0)), int(max(e, 0.0)))
    last = (
        int(min(b, shape[0] - 1.0)),
        int(min(d, shape[1] - 1.0)),
        int(min(f, shape[2] - 1.0)),
    )
    for i in range(first[0], last[0] + 1):
        for j in range(first[1], last[1] + 1):
            for k in range(first[2], last[2] + 1):
                cell = (i * shape[1] + j) * shape[2] + k
                for m in range(obstacles.offsets[cell], obstacles.offsets[cell + 1]):
                    if _overlaps(obstacles, obstacles.members[m], x, y, z, radius):
                        return True
    return False


@jit
def _overlaps(obstacles: Obstacles, n: int, x: float, y: float, z: float, radius: float) -> bool:
    ends, radii = obstacles.ends, obstacles.radii
    ux, uy, uz = ends[n, 1, 0] - ends[n, 0, 0], ends[n, 1, 1] - ends[n, 0, 1], ends[n, 1, 2] - ends[n, 0, 2]
    px, py, pz = x - ends[n, 0, 0], y - ends[n, 0, 1], z - ends[n, 0, 2]
    square = ux * ux + uy * uy + uz * uz
    along = min(max((px * ux + py * uy + pz * uz) / square, 0.0), 1.0) if square > 0.0 else 0.0
    dx, dy, dz = px - along * ux, py - along * uy, pz - along * uz
    reach = radius + radii[n, 0] + along * (radii[n, 1] - radii[n, 0])
    return bool(dx * dx + dy * dy + dz * dz < reach * reach)
