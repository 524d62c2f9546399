"""Densities of points: by depth along an axis, and by what voxels are labelled, such as layers."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bins import checked_edges
from ..checks import in_space
from .windows import Window, observed

Reals = NDArray[np.float64]
PER_MM3 = 1e9
"""µm³ in a mm³."""


class DepthProfile(NamedTuple):
    """Points by depth.

    Attributes
    ----------
    points
        Number of points in each bin, int64[n_bins].
    volume
        Volume of the window in each bin in µm³, float64[n_bins].
    density
        Points in a mm³, float64[n_bins]; NaN where the window has no volume.
    """

    points: NDArray[np.int64]
    volume: Reals
    density: Reals


class LabelDensities(NamedTuple):
    """Points by label.

    Attributes
    ----------
    label
        The labels that voxels have, rising, int64[n_labels].
    points
        Number of points in voxels of each, int64[n_labels].
    volume
        Volume of these voxels in µm³, float64[n_labels].
    density
        Points in a mm³, float64[n_labels].
    """

    label: NDArray[np.int64]
    points: NDArray[np.int64]
    volume: Reals
    density: Reals


def density_profile(points: ArrayLike, edges: ArrayLike, window: Window, axis: int = 1) -> DepthProfile:
    """Count points by depth, and divide by the volume that the window has there.

    Parameters
    ----------
    points
        Places in the window in µm, shape (n, 3).
    edges
        Edges of bins along the axis in µm, rising, shape (n_bins + 1,); bins are left-closed, the last one closed.
    window
        Where points were observed.
    axis
        0, 1 or 2 for x, y or z.

    Raises
    ------
    ValueError
        A point is outside of the window, edges fall, or there is no such axis.
    """
    if axis not in (0, 1, 2):
        raise ValueError(f"axis is {axis}; expected 0, 1 or 2")
    bounds, rows = checked_edges(edges), observed(window, points)
    count = np.histogram(rows[:, axis], bounds)[0].astype(np.int64)
    across = tuple(other for other in range(3) if other != axis)
    slabs = window.inside.sum(axis=across) * window.size[list(across)].prod()
    begin = window.low[axis] + np.arange(len(slabs)) * window.size[axis]
    shared = np.minimum(bounds[1:, None], begin + window.size[axis]) - np.maximum(bounds[:-1, None], begin)
    volume = np.maximum(shared, 0.0) @ slabs
    return DepthProfile(count, volume, _density(count, volume))


def label_densities(points: ArrayLike, labels: ArrayLike, low: ArrayLike, size: ArrayLike) -> LabelDensities:
    """Count points by the label of their voxel, and divide by the volume of that label; points beyond the voxels do not count.

    Parameters
    ----------
    points
        Places in µm, shape (n, 3).
    labels
        Label of each voxel, such as the number of a layer, int[nx, ny, nz].
    low
        Lowest corner of the first voxel in µm, shape (3,).
    size
        Edge or edges of a voxel in µm, shape () or (3,).

    Raises
    ------
    ValueError
        Shapes or types are others, or a number is not finite.
    """
    rows, voxels = in_space("points", points), np.asarray(labels)
    if voxels.ndim != 3 or voxels.dtype.kind not in "iub":
        raise ValueError(f"labels are {voxels.dtype}{list(voxels.shape)}; expected integers (nx, ny, nz)")
    edges = np.broadcast_to(np.asarray(size, float), (3,))
    start, edges = in_space("low and size", [np.asarray(low, float), edges])
    if not (edges > 0).all():
        raise ValueError(f"size is {edges.tolist()} um; expected positive edges")
    known, numbers = np.unique(voxels, return_inverse=True)
    volume = np.bincount(numbers.ravel(), minlength=len(known)) * edges.prod()
    place = np.floor((rows - start) / edges)
    held = ((place >= 0) & (place < voxels.shape)).all(axis=1)
    i, j, k = place[held].astype(np.int64).T
    count = np.bincount(numbers.reshape(voxels.shape)[i, j, k], minlength=len(known)).astype(np.int64)
    return LabelDensities(known.astype(np.int64), count, volume, _density(count, volume))


def _density(count: NDArray[np.int64], volume: Reals) -> Reals:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Reals = np.where(volume > 0, count * PER_MM3 / volume, np.nan)
    return found
