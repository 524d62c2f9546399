"""Checks of what the LFP kernels are given: every refusal names the argument, the index and the value."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
MinimumDistance: TypeAlias = Literal["radius"] | float | None


def positions(name: str, values: ArrayLike) -> Floats:
    """Coordinates in µm as float64[K, 3], all finite."""
    points = np.ascontiguousarray(values, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name} has shape {points.shape}; expected (n, 3): x, y, z in µm")
    finite(name, points)
    return points


def position(name: str, values: ArrayLike) -> Floats:
    """One point or vector as float64[3], finite."""
    point = np.ascontiguousarray(values, np.float64)
    if point.shape != (3,):
        raise ValueError(f"{name} has shape {point.shape}; expected (3,): x, y, z")
    finite(name, point)
    return point


def segments(start: ArrayLike, end: ArrayLike) -> tuple[Floats, Floats]:
    """Both ends of each segment as float64[N, 3]."""
    begins, ends = positions("start", start), positions("end", end)
    if begins.shape != ends.shape:
        raise ValueError(f"start has shape {begins.shape}, end {ends.shape}; expected the same")
    return begins, ends


def midpoints(start: ArrayLike, end: ArrayLike) -> Floats:
    """Middle of each segment, float64[N, 3] in µm."""
    begins, ends = segments(start, end)
    return (begins + ends) / 2


def nearest(rule: MinimumDistance, diameter: ArrayLike | None, n_segments: int) -> Floats:
    """The distance in µm below which the rule lets no contact come, float64[N]."""
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
    """Which of *n* things are meant: a mask, indices, or None for none of them."""
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
    """A number above 0, and finite."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value}; expected a number above 0")
    return float(value)


def conductivity(sigma: ArrayLike) -> Floats:
    """S/m as float64[1], or float64[3] along x, y and z."""
    values = np.atleast_1d(np.asarray(sigma, np.float64))
    if values.shape not in ((1,), (3,)):
        raise ValueError(f"sigma has shape {values.shape}; expected one number, or three along x, y, z")
    _refuse("sigma", values, ~((values > 0) & (values < np.inf)), "a number of S/m above 0")
    return values


def matrix(out: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """*out* if it can hold the result, or a new float64 array."""
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
    """Refuse NaN and infinity."""
    if not np.isfinite(values).all():
        _refuse(name, values, ~np.isfinite(values), "finite numbers")


def _refuse(name: str, values: NDArray[Any], bad: NDArray[np.bool_], expected: str) -> None:
    where = np.argwhere(bad)
    if len(where):
        index = ", ".join(str(i) for i in where[0])
        more = f" ({len(where) - 1:,} more like it)" if len(where) > 1 else ""
        raise ValueError(f"{name}[{index}] is {values[tuple(where[0])]}; expected {expected}{more}")
