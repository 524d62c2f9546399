"""The volume of a network: coordinates (u, v, l), points (x, y, z) in space, distances along its axes.

Volumes are parametric: a function from (u, v, l) to (x, y, z), sampled on a grid and linear in each coordinate
between the samples (trilinear). A rotated box is one with two samples along each axis, and exact.
All lengths are in µm, angles in degrees.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, rising
from ..jit import jit, over_rows

Reals = NDArray[np.float64]
Origin = Literal["median", "mean", "min", "max"] | float

# Newton's method has arrived when a step is this part of the volume's extent; each step doubles the digits.
_NEAR, _STEPS = 1e-11, 60


class Box(NamedTuple):
    """A layer between two corners ``(u, v, l)`` in µm, as ``Layer Extents`` of MiV have it.

    Attributes
    ----------
    low, high
        The corners.
    """

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
    """Return the matrix, float64[3, 3], that turns column vectors about x, then about y, then about z.

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
    turns = np.asarray(degrees, np.float64)
    if turns.shape != (3,) or not np.isfinite(turns).all():
        raise ValueError(f"the rotation is {degrees!r}; expected three finite angles in degrees")
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(turns)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def box_volume(low: ArrayLike, high: ArrayLike, degrees: ArrayLike = (0.0, 0.0, 0.0)) -> Volume:
    """Make the volume of a box, turned about the origin of coordinates by `rotation`.

    Parameters
    ----------
    low, high
        Opposite corners (x, y, z) in µm before the box is turned, shape (3,).
    degrees
        Angles of the rotation, shape (3,); not turned by default.

    Raises
    ------
    ValueError
        A side is not positive or not finite.
    """
    corners = np.array([low, high], np.float64)
    if corners.shape != (2, 3) or not np.isfinite(corners).all() or not (corners[1] > corners[0]).all():
        raise ValueError(
            f"the box is from {low!r} to {high!r}; expected three finite numbers each, the second larger"
        )
    matrix = rotation(degrees)
    return sampled_volume(lambda *uvl: np.tensordot(matrix, np.stack(uvl), 1), *corners.T)


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
    axes = []
    for name, samples in (("u", u), ("v", v), ("l", l)):
        axis = rising(name, samples)
        if len(axis) < 2 or not (np.diff(axis) > 0).all() or not np.isfinite(axis).all():
            raise ValueError(f"{name} is {axis.tolist()}; expected at least two finite numbers that rise")
        axes.append(axis)
    grid = np.meshgrid(*axes, indexing="ij")
    points = np.asarray(function(*grid), np.float64)
    if points.shape != (3, *grid[0].shape):
        raise ValueError(f"the function returned shape {points.shape}; expected {(3, *grid[0].shape)}")
    bad = np.argwhere(~np.isfinite(points).all(axis=0))
    if len(bad):
        place = [float(axis[i]) for axis, i in zip(axes, bad[0], strict=True)]
        raise ValueError(f"the function of (u, v, l) = {place} is not finite")
    return Volume(axes[0], axes[1], axes[2], np.ascontiguousarray(np.moveaxis(points, 0, -1)))


def volume_points(volume: Volume, uvl: ArrayLike) -> Reals:
    """Return the points (x, y, z) in µm of coordinates (u, v, l), float64[n, 3]; beyond the samples, extrapolated.

    Parameters
    ----------
    volume
        The volume.
    uvl
        Coordinates, shape (n, 3).

    Raises
    ------
    ValueError
        *uvl* has another shape.
    """
    given = in_space("uvl", uvl)
    xyz = np.empty_like(given)
    over_rows(partial(_points, *volume, given, xyz), len(given), len(given))
    return xyz


def volume_coordinates(volume: Volume, xyz: ArrayLike) -> Reals:
    """Return the coordinates (u, v, l) of points in space, float64[n, 3]: the inverse of `volume_points`.

    Newton's method from the volume's middle, else from the nearest sample; NaN where a point cannot be reached.

    Parameters
    ----------
    volume
        The volume.
    xyz
        Points in µm, shape (n, 3).

    Raises
    ------
    ValueError
        *xyz* has another shape.
    """
    given = in_space("xyz", xyz)
    uvl = np.empty_like(given)
    over_rows(partial(_coordinates, *volume, given, uvl), len(given), len(given))
    return uvl


@jit
def cell_of(axis: Reals, x: float) -> tuple[int, float]:
    """Return the interval of an axis that holds *x*, or is nearest to it, and how far along it *x* is: 0 to 1 inside.

    Parameters
    ----------
    axis
        Borders of the intervals, rising, float64[n].
    x
        The coordinate.
    """
    low, high = 0, len(axis) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if axis[middle] <= x:
            low = middle
        else:
            high = middle
    return low, (x - axis[low]) / (axis[low + 1] - axis[low])


@jit
def interpolated(table: Reals, i: int, j: int, k: int, a: float, b: float, c: float) -> float:
    """Return a table's value within a cell of the grid, interpolated linearly along each axis.

    Parameters
    ----------
    table
        Values at the samples, float64[n_u, n_v, n_l].
    i, j, k
        Number of the cell along each axis.
    a, b, c
        Place within the cell along each axis, 0 to 1.
    """
    low = (table[i, j, k] * (1 - b) + table[i, j + 1, k] * b) * (1 - c) + (
        table[i, j, k + 1] * (1 - b) + table[i, j + 1, k + 1] * b
    ) * c
    high = (table[i + 1, j, k] * (1 - b) + table[i + 1, j + 1, k] * b) * (1 - c) + (
        table[i + 1, j, k + 1] * (1 - b) + table[i + 1, j + 1, k + 1] * b
    ) * c
    value: float = low * (1 - a) + high * a
    return value


@jit
def jacobian(u: Reals, v: Reals, l: Reals, points: Reals, at: Reals, matrix: Reals) -> None:
    """Compute the derivatives of x, y and z (rows) by u, v and l (columns) at a place.

    Parameters
    ----------
    u, v, l
        Samples of each axis, rising.
    points
        Points in space of the samples in µm, float64[n_u, n_v, n_l, 3].
    at
        The coordinates (u, v, l), float64[3].
    matrix
        Gets the derivatives, float64[3, 3].
    """
    i, a = cell_of(u, at[0])
    j, b = cell_of(v, at[1])
    k, c = cell_of(l, at[2])
    for axis in range(3):
        # What is linear between its ends has their difference as its derivative.
        table = points[:, :, :, axis]
        low, high = interpolated(table, i, j, k, 0.0, b, c), interpolated(table, i, j, k, 1.0, b, c)
        matrix[axis, 0] = (high - low) / (u[i + 1] - u[i])
        low, high = interpolated(table, i, j, k, a, 0.0, c), interpolated(table, i, j, k, a, 1.0, c)
        matrix[axis, 1] = (high - low) / (v[j + 1] - v[j])
        low, high = interpolated(table, i, j, k, a, b, 0.0), interpolated(table, i, j, k, a, b, 1.0)
        matrix[axis, 2] = (high - low) / (l[k + 1] - l[k])


@jit
def _points(
    u: Reals, v: Reals, l: Reals, points: Reals, uvl: Reals, xyz: Reals, begin: int, end: int
) -> None:
    for n in range(begin, end):
        point_at(u, v, l, points, uvl[n], xyz[n])


@jit
def point_at(u: Reals, v: Reals, l: Reals, points: Reals, at: Reals, xyz: Reals) -> None:
    """Compute the point in space of some coordinates.

    Parameters
    ----------
    u, v, l
        Samples of each axis, rising.
    points
        Points in space of the samples in µm, float64[n_u, n_v, n_l, 3].
    at
        The coordinates (u, v, l), float64[3].
    xyz
        Gets the point in µm, float64[3].
    """
    i, a = cell_of(u, at[0])
    j, b = cell_of(v, at[1])
    k, c = cell_of(l, at[2])
    for axis in range(3):
        xyz[axis] = interpolated(points[:, :, :, axis], i, j, k, a, b, c)


@jit
def _coordinates(
    u: Reals, v: Reals, l: Reals, points: Reals, xyz: Reals, uvl: Reals, begin: int, end: int
) -> None:
    matrix, here = np.empty((3, 3)), np.empty(3)
    for n in range(begin, end):
        at = uvl[n]
        at[0], at[1], at[2] = (u[0] + u[-1]) / 2, (v[0] + v[-1]) / 2, (l[0] + l[-1]) / 2
        if not _approach(u, v, l, points, xyz[n], at, matrix, here):
            least = np.inf
            for i in range(len(u)):
                for j in range(len(v)):
                    for k in range(len(l)):
                        away = 0.0
                        for axis in range(3):
                            away += (points[i, j, k, axis] - xyz[n, axis]) ** 2
                        if away < least:
                            least = away
                            at[0], at[1], at[2] = u[i], v[j], l[k]
            if not _approach(u, v, l, points, xyz[n], at, matrix, here):
                at[:] = np.nan


@jit
def _approach(
    u: Reals, v: Reals, l: Reals, points: Reals, goal: Reals, at: Reals, matrix: Reals, here: Reals
) -> bool:
    """Newton's steps towards the coordinates of a point; whether they arrived."""
    for _ in range(_STEPS):
        point_at(u, v, l, points, at, here)
        x, y, z = goal[0] - here[0], goal[1] - here[1], goal[2] - here[2]
        jacobian(u, v, l, points, at, matrix)
        size = determinant(matrix)
        if size == 0.0:
            return False
        step = 0.0
        for axis in range(3):
            # Cramer's rule: the column of the axis replaced by what is missing.
            p, q = matrix[:, (axis + 1) % 3], matrix[:, (axis + 2) % 3]
            move = x * (p[1] * q[2] - p[2] * q[1]) + y * (p[2] * q[0] - p[0] * q[2])
            move = (move + z * (p[0] * q[1] - p[1] * q[0])) / size
            extent = (u[-1] - u[0], v[-1] - v[0], l[-1] - l[0])[axis]
            move = min(max(move, -extent), extent)
            at[axis] += move
            step = max(step, abs(move) / extent)
        if step < _NEAR:
            return True
    return False


@jit
def determinant(matrix: Reals) -> float:
    """Return the determinant of a matrix: of a `jacobian`, the volume that a unit of (u, v, l) takes up in space.

    Parameters
    ----------
    matrix
        The matrix, float64[3, 3].
    """
    p, q, r = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    size: float = (
        p[0] * (q[1] * r[2] - q[2] * r[1])
        + p[1] * (q[2] * r[0] - q[0] * r[2])
        + p[2] * (q[0] * r[1] - q[1] * r[0])
    )
    return size


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
    """Compute how far along the axes u and v each cell is from the origin.

    Parameters
    ----------
    uvl
        Coordinates of the cells, shape (n, 3).
    volume
        The volume; its samples are its extent.
    origin
        Origin of each axis: median, mean, minimum or maximum of its samples, or a coordinate.

    Returns
    -------
    ArcDistances
        For a box ``u - origin_u`` and ``v - origin_v``, to rounding.

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
    given = in_space("uvl", uvl)
    start = np.array(
        [_origin(name, axis, at) for name, axis, at in zip("uvl", volume[:3], origin, strict=True)]
    )
    found = []
    for axis in (0, 1):
        steps = np.sqrt((np.diff(volume.points, axis=axis) ** 2).sum(axis=-1))
        arcs = np.cumsum(np.insert(steps, 0, 0.0, axis=axis), axis=axis)
        length = np.take(arcs, [-1], axis=axis)
        if not (length > 0).all():
            raise ValueError(
                f"a line along {'uv'[axis]} has no length: expected a volume of three dimensions"
            )
        place = np.ascontiguousarray(arcs / length)
        whole = np.ascontiguousarray(np.broadcast_to(length, arcs.shape))
        extent, zero = (_value(*volume[:3], table, start) for table in (whole, place))
        distance = np.empty(len(given))
        over_rows(
            partial(_distances, *volume[:3], place, extent, zero, given, distance), len(given), len(given)
        )
        found.append((distance, (-zero * extent, (1.0 - zero) * extent)))
    return ArcDistances(found[0][0], found[1][0], found[0][1], found[1][1])


def _origin(name: str, axis: Reals, at: Origin) -> float:
    if isinstance(at, str):
        if at not in ("median", "mean", "min", "max"):
            raise ValueError(f"the origin of {name} is {at!r}; expected median, mean, min, max or a number")
        return float(getattr(np, at)(axis))
    if not axis[0] <= at <= axis[-1]:
        raise ValueError(f"the origin of {name} is {at}, outside of the volume: {axis[0]} to {axis[-1]}")
    return float(at)


@jit
def _value(u: Reals, v: Reals, l: Reals, table: Reals, at: Reals) -> float:
    i, a = cell_of(u, at[0])
    j, b = cell_of(v, at[1])
    k, c = cell_of(l, at[2])
    return interpolated(table, i, j, k, a, b, c)


@jit
def _distances(
    u: Reals,
    v: Reals,
    l: Reals,
    place: Reals,
    extent: float,
    zero: float,
    uvl: Reals,
    distance: Reals,
    begin: int,
    end: int,
) -> None:
    for n in range(begin, end):
        distance[n] = extent * (_value(u, v, l, place, uvl[n]) - zero)
