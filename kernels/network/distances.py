"""Distances along the axes of a volume, from an origin."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .volumes import Volume

Reals = NDArray[np.float64]
Origin = Literal["median", "mean", "min", "max"] | float


class ArcDistances(NamedTuple):
    """Signed distances of cells from the origin along u and v.

    Attributes
    ----------
    u, v
        float64[n], in µm.
    reference_u, reference_v
        The least and greatest distance along the lines through the origin, in µm: ``Reference U Min/Max`` of MiV.
    """

    u: Reals
    v: Reals
    reference_u: tuple[float, float]
    reference_v: tuple[float, float]


def arc_distances(
    uvl: ArrayLike, volume: Volume, origin: tuple[Origin, Origin, Origin] = ("median", "median", "max")
) -> ArcDistances:
    """How far along the axes u and v each cell is from the origin.

    Parameters
    ----------
    uvl
        Coordinates of the cells, shape (n, 3).
    volume
        The volume; its samples are its extent.
    origin
        Of each axis' samples the median, mean, minimum or maximum, or a coordinate.

    Returns
    -------
    ArcDistances
        For a box ``u - origin_u`` and ``v - origin_v``, exactly.

    Raises
    ------
    ValueError
        Shapes are wrong, or the origin lies outside of the volume.

    Notes
    -----
    The line through a cell along u, at its v and l, has length ``d1`` from the volume's first u to the cell and
    ``d2`` from there to its last one. With ``p = d1 / (d1 + d2)`` and the length E of the line through the origin the
    distance is ``E (p(cell) - p(origin))``, and for v alike. Lengths come from tables of cumulative arcs at the
    samples, interpolated linearly in each coordinate.
    """
    raise NotImplementedError
