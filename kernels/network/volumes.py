"""The volume in which a network lies: coordinates (u, v, l) along its axes, and points (x, y, z) in space.

Volumes are parametric: a function from (u, v, l) to (x, y, z), sampled on a grid and linear in each coordinate
between the samples (trilinear). A rotated box is one with two samples along each axis, and exact.
All lengths are in µm, angles in degrees.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


class Box(NamedTuple):
    """A layer between two corners ``(u, v, l)`` in µm, as ``Layer Extents`` of MiV have it."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


class Volume(NamedTuple):
    """A parametric volume.

    Attributes
    ----------
    u, v, l
        Rising coordinates of the samples along each axis, float64, at least two each.
    points
        Where the samples lie in space, float64[len(u), len(v), len(l), 3], in µm.
    """

    u: Reals
    v: Reals
    l: Reals
    points: Reals


def rotation(degrees: ArrayLike) -> Reals:
    """The matrix, float64[3, 3], that turns column vectors about x, then about y, then about z.

    Parameters
    ----------
    degrees
        One angle for each axis, counter-clockwise as seen from the axis' end. (MiV applies the last one that is
        not zero only.)

    Raises
    ------
    ValueError
        Not three finite numbers.
    """
    raise NotImplementedError


def box_volume(low: ArrayLike, high: ArrayLike, degrees: ArrayLike = (0.0, 0.0, 0.0)) -> Volume:
    """The volume of a box from corner *low* to *high*, turned about the origin of coordinates by `rotation`.

    Raises
    ------
    ValueError
        A side is not positive or not finite.
    """
    raise NotImplementedError


def sampled_volume(
    function: Callable[[Reals, Reals, Reals], ArrayLike], u: ArrayLike, v: ArrayLike, l: ArrayLike
) -> Volume:
    """A volume from its function, sampled at each combination of the coordinates given.

    Parameters
    ----------
    function
        Takes three float64 arrays of one shape and returns x, y and z of that shape, stacked along the first axis.
    u, v, l
        Rising coordinates, at least two each.

    Raises
    ------
    ValueError
        Coordinates do not rise, or points are not finite or of another shape.
    """
    raise NotImplementedError


def volume_points(volume: Volume, uvl: ArrayLike) -> Reals:
    """Points (x, y, z), float64[n, 3], of coordinates (u, v, l), shape (n, 3); beyond the samples, extrapolated.

    Raises
    ------
    ValueError
        *uvl* has another shape.
    """
    raise NotImplementedError


def volume_coordinates(volume: Volume, xyz: ArrayLike) -> Reals:
    """Coordinates (u, v, l), float64[n, 3], of points in space, shape (n, 3): the inverse of `volume_points`.

    Newton's method from the nearest sample; NaN where a point cannot be reached.

    Raises
    ------
    ValueError
        *xyz* has another shape.
    """
    raise NotImplementedError
