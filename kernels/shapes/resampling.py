"""Sections with points at equal distances."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, row_offsets
from ..jit import jit

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


def resampled(
    points: ArrayLike, diameter: ArrayLike, offsets: ArrayLike, density: float
) -> tuple[Reals, Reals, Whole]:
    """Return sections with as many points per µm as wanted, at equal distances along each.

    Parameters
    ----------
    points
        Points of all sections, float[n, 3], in µm.
    diameter
        At each of them, float[n], in µm.
    offsets
        Section k has the points ``offsets[k]`` to ``offsets[k + 1]``, int[n_sections + 1].
    density
        Points per µm.

    Returns
    -------
    tuple
        Points, diameters and offsets as they were given. A section of length L has ``floor(1 + L * density)`` points, two
        at least, and keeps its first and last one; in between all is linear. One of a single point stays as it is.

    Raises
    ------
    ValueError
        Arrays do not fit, or the density is not positive.

    Notes
    -----
    As ``resample_linear_density`` of morph-tool, which ArchNGV 3.3 uses.
    """
    if not 0 < density < np.inf:
        raise ValueError(f"density is {density}; expected a positive number of points per um")
    places, across = in_space("points", points), np.ascontiguousarray(diameter, np.float64)
    if across.shape != (len(places),):
        raise ValueError(f"diameter has shape {across.shape}; expected ({len(places)},)")
    bounds = row_offsets(offsets, len(np.atleast_1d(offsets)) - 1, len(places))
    sizes = np.diff(bounds)
    way = np.zeros(len(places))
    way[1:] = np.linalg.norm(np.diff(places, axis=0), axis=1)
    if len(bounds) > 1:
        way[bounds[:-1][sizes > 0]] = 0.0
    total = np.cumsum(way)
    lengths = np.zeros(len(sizes))
    some = sizes > 0
    lengths[some] = total[bounds[1:][some] - 1] - total[bounds[:-1][some]]
    wanted = np.where(sizes > 1, np.maximum(np.floor(1.0 + lengths * density), 2), sizes).astype(np.int64)
    after = np.concatenate([[0], np.cumsum(wanted)]).astype(np.int64)
    found, thick = np.empty((after[-1], 3)), np.empty(after[-1])
    _resample(places, across, bounds, way, after, lengths, found, thick)
    return found, thick, after


@jit
def _resample(
    points: Reals,
    diameter: Reals,
    bounds: Whole,
    way: Reals,
    after: Whole,
    lengths: Reals,
    found: Reals,
    thick: Reals,
) -> None:
    for k in range(len(lengths)):
        begin, end = bounds[k], bounds[k + 1]
        first, last = after[k], after[k + 1] - 1
        if end - begin < 2:
            found[first : last + 1], thick[first : last + 1] = points[begin:end], diameter[begin:end]
            continue
        i, walked = begin, 0.0
        for p in range(first, last + 1):
            wanted = lengths[k] * (p - first) / (last - first)
            while i < end - 2 and walked + way[i + 1] < wanted:
                i += 1
                walked += way[i]
            part = min((wanted - walked) / way[i + 1], 1.0) if way[i + 1] > 0.0 else 0.0
            found[p] = points[i] + part * (points[i + 1] - points[i])
            thick[p] = diameter[i] + part * (diameter[i + 1] - diameter[i])
        # Children begin with the very bits of this point.
        found[first], thick[first] = points[begin], diameter[begin]
        found[last], thick[last] = points[end - 1], diameter[end - 1]
