"""Regions of space given by voxels: which points are in, and the pieces that do not touch each other."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


class Region(NamedTuple):
    """Voxels that belong to a region.

    Attributes
    ----------
    mask
        Whether each voxel does, bool[x, y, z].
    offset
        Corner of the first voxel in µm, float64[3].
    voxel
        Edges of a voxel in µm, float64[3]; below zero where an axis of the array runs against that of space.
    """

    mask: NDArray[np.bool_]
    offset: Reals
    voxel: Reals

    @property
    def bounds(self) -> tuple[Reals, Reals]:
        """Corners of the array in µm, that of the first voxel and the one opposite."""
        return self.offset, self.offset + self.voxel * self.mask.shape

    def holds(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which points are in the region, bool[n].

        Parameters
        ----------
        points
            Places in µm, shape (n, 3).

        Raises
        ------
        ValueError
            Points have another shape or are not finite.
        """
        at, inside = self.voxels(points)
        return np.asarray(inside & self.mask[at[:, 0], at[:, 1], at[:, 2]])

    def voxels(self, points: ArrayLike) -> tuple[Integers, NDArray[np.bool_]]:
        """Return the voxel that each point is in, int64[n, 3], and whether it is in the array; else, a voxel at its edge.

        Parameters
        ----------
        points
            Places in µm, shape (n, 3).

        Raises
        ------
        ValueError
            Points have another shape or are not finite.
        """
        place = np.floor((in_space("points", points) - self.offset) / self.voxel)
        inside: NDArray[np.bool_] = np.all((place >= 0) & (place < self.mask.shape), axis=1)
        return np.clip(place, 0, np.array(self.mask.shape) - 1).astype(np.int64), inside


class Piece(NamedTuple):
    """Voxels of a region that touch each other.

    Attributes
    ----------
    size
        How many there are.
    low, high
        Corners of the box around them in µm, float64[3].
    """

    size: int
    low: Reals
    high: Reals


def region_of(mask: ArrayLike, offset: ArrayLike, voxel: ArrayLike) -> Region:
    """Make a region, checked.

    Parameters
    ----------
    mask
        Voxels that belong to it, shape (x, y, z): all that are not 0.
    offset
        Corner of the first voxel in µm, shape (3,).
    voxel
        Edges of a voxel in µm, shape (3,); below zero where an axis of the array runs against that of space.

    Raises
    ------
    ValueError
        A shape is wrong, an edge is 0 or not finite, or no voxel belongs to the region.
    """
    voxels = np.ascontiguousarray(mask)
    corner, edges = in_space("offset and voxel", np.array([offset, voxel], float))
    if voxels.ndim != 3 or not voxels.size:
        raise ValueError(f"mask has shape {voxels.shape}; expected (x, y, z)")
    if not edges.all():
        raise ValueError(f"voxel is {edges.tolist()}; expected edges that are not 0 um")
    chosen = voxels.astype(np.bool_)
    if not chosen.any():
        raise ValueError("no voxel belongs to the region")
    return Region(chosen, corner, edges)


def pieces(region: Region, least: int = 1) -> tuple[list[Piece], Integers]:
    """Return the pieces of a region, and the number of the piece of each voxel.

    Voxels touch each other if they share a side, an edge or a corner.

    Parameters
    ----------
    region
        The region.
    least
        Fewest voxels of a piece; smaller ones are left out.

    Returns
    -------
    tuple
        The pieces, in the order of their first voxels, and int64[x, y, z] with -1 where there is none.
    """
    labels, sizes, low, high = _labelled(region.mask)
    kept = np.flatnonzero(sizes >= least)
    number = np.full(len(sizes) + 1, -1, np.int64)
    number[kept] = np.arange(len(kept))
    found = []
    for at in kept:
        ends = np.sort(
            [region.offset + region.voxel * low[at], region.offset + region.voxel * (high[at] + 1)], axis=0
        )
        found.append(Piece(int(sizes[at]), ends[0], ends[1]))
    return found, number[labels]


@jit
def _labelled(mask: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers, Integers]:
    """Piece of each voxel (-1: none), and voxels, lowest and highest index of each piece."""
    labels = np.full(mask.shape, -1, np.int64)
    stack = np.empty((mask.size, 3), np.int32)
    sizes, low, high = [0 for _ in range(0)], [(0, 0, 0) for _ in range(0)], [(0, 0, 0) for _ in range(0)]
    shape = mask.shape
    for x in range(shape[0]):
        for y in range(shape[1]):
            for z in range(shape[2]):
                if not mask[x, y, z] or labels[x, y, z] >= 0:
                    continue
                piece, size, n = len(sizes), 0, 1
                stack[0, 0], stack[0, 1], stack[0, 2] = x, y, z
                labels[x, y, z] = piece
                a, b, c, d, e, f = x, y, z, x, y, z
                while n:
                    n -= 1
                    i, j, k = int(stack[n, 0]), int(stack[n, 1]), int(stack[n, 2])
                    size += 1
                    a, b, c, d, e, f = min(a, i), min(b, j), min(c, k), max(d, i), max(e, j), max(f, k)
                    for p in range(max(i - 1, 0), min(i + 2, shape[0])):
                        for q in range(max(j - 1, 0), min(j + 2, shape[1])):
                            for r in range(max(k - 1, 0), min(k + 2, shape[2])):
                                if mask[p, q, r] and labels[p, q, r] < 0:
                                    labels[p, q, r] = piece
                                    stack[n, 0], stack[n, 1], stack[n, 2] = p, q, r
                                    n += 1
                sizes.append(size)
                low.append((a, b, c))
                high.append((d, e, f))
    lows, highs = np.empty((len(sizes), 3), np.int64), np.empty((len(sizes), 3), np.int64)
    counts = np.empty(len(sizes), np.int64)
    for piece in range(len(sizes)):
        counts[piece] = sizes[piece]
        lows[piece, 0], lows[piece, 1], lows[piece, 2] = low[piece]
        highs[piece, 0], highs[piece, 1], highs[piece, 2] = high[piece]
    return labels, counts, lows, highs
