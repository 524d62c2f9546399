"""Checks of what the LFP kernels are given: every refusal names the argument, the index and the value."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
MinimumDistance: TypeAlias = Literal["radius"] | float | None


def positions(name: str, values: ArrayLike) -> Floats:
    """Return coordinates in µm as float64[K, 3], all finite.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        Coordinates, shape (K, 3).

    Raises
    ------
    ValueError
        The shape is another, or a coordinate is not finite.
    """
    points = np.ascontiguousarray(values, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name} has shape {points.shape}; expected (n, 3): x, y, z in µm")
    finite(name, points)
    return points


def position(name: str, values: ArrayLike) -> Floats:
    """Return one point or vector as float64[3], finite.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        Coordinates, shape (3,).

    Raises
    ------
    ValueError
        The shape is another, or a coordinate is not finite.
    """
    point = np.ascontiguousarray(values, np.float64)
    if point.shape != (3,):
        raise ValueError(f"{name} has shape {point.shape}; expected (3,): x, y, z")
    finite(name, point)
    return point


def segments(start: ArrayLike, end: ArrayLike) -> tuple[Floats, Floats]:
    """Return both ends of each segment as float64[N, 3].

    Parameters
    ----------
    start, end
        Ends in µm, shape (N, 3).

    Raises
    ------
    ValueError
        Shapes differ or are wrong, or a coordinate is not finite.
    """
    begins, ends = positions("start", start), positions("end", end)
    if begins.shape != ends.shape:
        raise ValueError(f"start has shape {begins.shape}, end {ends.shape}; expected the same")
    return begins, ends


def midpoints(start: ArrayLike, end: ArrayLike) -> Floats:
    """Return the middle of each segment, float64[N, 3] in µm.

    Parameters
    ----------
    start, end
        Ends in µm, shape (N, 3).

    Raises
    ------
    ValueError
        As `segments`.
    """
    begins, ends = segments(start, end)
    return (begins + ends) / 2


def nearest(rule: MinimumDistance, diameter: ArrayLike | None, n_segments: int) -> Floats:
    """Return the distance in µm below which the rule lets no contact come, float64[N].

    Parameters
    ----------
    rule
        The rule, see `MinimumDistance`.
    diameter
        Diameters of the segments in µm, shape (N,); None where the rule reads none.
    n_segments
        Number of segments, N.

    Raises
    ------
    ValueError
        The rule is unknown or needs diameters, or a distance is negative or not finite.
    """
    if rule == "radius":
        if diameter is None:
            raise ValueError("diameter is None; minimum_distance='radius' needs one for each segment")
        wide = np.asarray(diameter, np.float64)
        if wide.shape != (n_segments,):
            raise ValueError(f"diameter has shape {wide.shape}; expected ({n_segments},), one per segment")
        finite("diameter", wide)
        _refuse("diameter", wide, wide < 0, "0 or more µm")
        return wide / 2
    if isinstance(rule, str) or (rule is not None and not 0 <= rule < np.inf):
        raise ValueError(f"minimum_distance is {rule!r}; expected 'radius', None or a number of µm")
    return np.full(n_segments, 0.0 if rule is None else float(rule))


def chosen(name: str, values: ArrayLike | None, n: int) -> NDArray[np.bool_]:
    """Return which of some things are selected, bool[n].

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        A mask, bool[n]; indices; or None for none of them.
    n
        Number of things.

    Raises
    ------
    ValueError
        A mask has another length, or an index is out of range.
    """
    if values is None:
        return np.zeros(n, np.bool_)
    which = np.asarray(values)
    if which.dtype == np.bool_:
        if which.shape != (n,):
            raise ValueError(f"{name} has shape {which.shape}; expected ({n},) booleans, or indices")
        return which
    if which.ndim != 1 or (which.size and which.dtype.kind not in "iu"):
        raise ValueError(f"{name} has dtype {which.dtype}, shape {which.shape}; expected booleans or indices")
    _refuse(name, which, (which < 0) | (which >= n), f"0 or more and less than {n}")
    mask = np.zeros(n, np.bool_)
    mask[which.astype(np.intp)] = True
    return mask


def positive(name: str, value: float) -> float:
    """Return a number, checked to be above 0 and finite.

    Parameters
    ----------
    name
        Name of the number in messages.
    value
        The number.

    Raises
    ------
    ValueError
        It is not above 0, or not finite.
    """
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value}; expected a number above 0")
    return float(value)


def conductivity(sigma: ArrayLike) -> Floats:
    """Return a conductivity in S/m as float64[1], or float64[3] along x, y and z.

    Parameters
    ----------
    sigma
        One conductivity, or three, in S/m.

    Raises
    ------
    ValueError
        It has another shape, or is not above 0 and finite.
    """
    values = np.atleast_1d(np.asarray(sigma, np.float64))
    if values.shape not in ((1,), (3,)):
        raise ValueError(f"sigma has shape {values.shape}; expected one number, or three along x, y, z")
    _refuse("sigma", values, ~((values > 0) & (values < np.inf)), "a number of S/m above 0")
    return values


def matrix(out: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array for the result: *out*, or a new float64 array.

    Parameters
    ----------
    out
        An array that the user gave for the result; None for a new one.
    shape
        Shape of the result.

    Raises
    ------
    ValueError
        *out* cannot hold the result.
    """
    if out is None:
        return np.empty(shape, np.float64)
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}; expected {shape}")
    if out.dtype not in (np.float32, np.float64):
        raise ValueError(f"out has dtype {out.dtype}; expected float32 or float64")
    if not out.flags.writeable:
        raise ValueError("out cannot be written to")
    return out


def finite(name: str, values: NDArray[Any]) -> None:
    """Refuse NaN and infinity.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        A value is NaN or infinite.
    """
    if not np.isfinite(values).all():
        _refuse(name, values, ~np.isfinite(values), "finite numbers")


def _refuse(name: str, values: NDArray[Any], bad: NDArray[np.bool_], expected: str) -> None:
    where = np.argwhere(bad)
    if len(where):
        index = ", ".join(str(i) for i in where[0])
        more = f" ({len(where) - 1:,} more like it)" if len(where) > 1 else ""
        raise ValueError(f"{name}[{index}] is {values[tuple(where[0])]}; expected {expected}{more}")
