"""What kernels ask of their input. Every complaint names the array and the first index that is wrong.

Columns may be large, so each check reads its column once and allocates nothing.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .jit import jit, over_rows

_BLOCK = 4096  # elements checked before the first bad one is searched: a loop without exits vectorises


def line(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return values as one dimension of float64.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        They have another number of dimensions.
    """
    return _one_dimension(name, np.ascontiguousarray(values, np.float64))


def reals(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return values as one dimension, contiguous; float32 stays float32, all else becomes float64.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        They have another number of dimensions.
    """
    column = np.asarray(values)
    kind = np.float32 if column.dtype == np.float32 else np.float64
    return _one_dimension(name, np.ascontiguousarray(column, kind))


def event_times(name: str, values: ArrayLike, n: int | None = None) -> NDArray[Any]:
    """Return `reals` without NaN; an infinite time lies outside of every window.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        Times, shape (n,).
    n
        How many there must be; any number by default.

    Raises
    ------
    ValueError
        The shape is another, or a time is NaN.
    """
    column = reals(name, values)
    if n is not None and len(column) != n:
        raise ValueError(f"{name} has shape {column.shape}; expected ({n},), one per row")
    i = _first(_nan, column)
    if i >= 0:
        raise ValueError(f"{name}[{i}] is NaN; expected a time")
    return column


def distances(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `reals` that are finite and not negative.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        Distances, shape (n,).

    Raises
    ------
    ValueError
        The shape is another, or a distance is negative or not finite.
    """
    column = reals(name, values)
    i = _first(_beyond, column, 0.0, np.inf)
    if i >= 0:
        raise ValueError(f"{name}[{i}] is {column[i]}; expected a finite distance that is not negative")
    return column


def rising(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return a `line` that never decreases and holds no NaN.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        They have another number of dimensions, decrease, or hold NaN.
    """
    column = line(name, values)
    if column.size and np.isnan(column[0]):
        raise ValueError(f"{name}[0] is NaN; expected a number")
    i = _first(_fall, column)
    if i >= 0:
        raise ValueError(
            f"{name}[{i + 1}] = {column[i + 1]} after {name}[{i}] = {column[i]}; expected rising {name}"
        )
    return column


def whole_numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return one dimension of integers, in the type that they have.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        They have another number of dimensions, or are not integers.
    """
    column = _one_dimension(name, np.ascontiguousarray(values))
    if column.dtype.kind not in "iu":
        if column.size:
            raise ValueError(f"{name} has dtype {column.dtype}; expected integers")
        return column.astype(np.int64)
    return column


def codes(name: str, values: ArrayLike, n_codes: int, n: int) -> NDArray[Any]:
    """Return integers in ``[0, n_codes)``.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.
    n_codes
        Number of codes.
    n
        How many values there must be.

    Raises
    ------
    ValueError
        The shape is another, or a value is no such integer.
    """
    if n_codes < 0:
        raise ValueError(f"n_{name}s is {n_codes}; expected 0 or more")
    column = whole_numbers(name, values)
    if len(column) != n:
        raise ValueError(f"{name} has shape {column.shape}, times ({n},); expected the same")
    i = _first(_beyond, column, 0, n_codes)
    if i >= 0:
        raise ValueError(f"{name}[{i}] is {column[i]}; expected 0 <= {name} < {n_codes}")
    return column


def is_rising(column: NDArray[Any]) -> bool:
    """Tell whether no element is smaller than the one before it.

    Parameters
    ----------
    column
        The elements, shape (n,).
    """
    return bool(_first(_fall, column) < 0)


def traces(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return two dimensions ``[trial, time]``, contiguous; float32 stays float32, all else becomes float64.

    Parameters
    ----------
    name
        Name of the array in messages.
    values
        The values to check.

    Raises
    ------
    ValueError
        They have another number of dimensions.
    """
    rows = np.asarray(values)
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}; expected (n_trials, n_time)")
    return np.ascontiguousarray(rows, np.float32 if rows.dtype == np.float32 else np.float64)


def in_space(name: str, points: ArrayLike) -> NDArray[np.float64]:
    """Return finite points as float64[n, 3].

    Parameters
    ----------
    name
        Name of the points in messages.
    points
        Coordinates, shape (n, 3).

    Raises
    ------
    ValueError
        The shape is another, or a coordinate is not finite; the message names the point.
    """
    rows = np.ascontiguousarray(points, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ValueError(f"{name} has shape {rows.shape}; expected (n, 3)")
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {rows[bad[0]].tolist()}; expected finite coordinates")
    return rows


def row_offsets(offsets: ArrayLike, n_cells: int, n_rows: int) -> NDArray[np.int64]:
    """Return the offsets of the rows of each cell, checked, int64[n_cells + 1].

    Parameters
    ----------
    offsets
        Where the rows of each cell begin, and the last ones end, int[n_cells + 1].
    n_cells
        Number of cells.
    n_rows
        Number of rows.

    Raises
    ------
    ValueError
        There is not one more than there are cells, they decrease, or do not run from 0 to the number of rows.
    """
    bounds = whole_numbers("offsets", offsets).astype(np.int64)
    if len(bounds) != n_cells + 1:
        raise ValueError(f"offsets has shape {bounds.shape}; expected ({n_cells + 1},) for {n_cells} cells")
    if bounds[0] != 0 or bounds[-1] != n_rows or (np.diff(bounds) < 0).any():
        raise ValueError(f"offsets run from {bounds[0]} to {bounds[-1]}; expected to rise from 0 to {n_rows}")
    return bounds


def _one_dimension(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if column.ndim != 1:
        raise ValueError(f"{name} has shape {column.shape}; expected one dimension")
    return column


def _first(find: Callable[..., int], column: NDArray[Any], *bounds: float) -> int:
    """The first index that *find* complains about, or -1."""
    found = over_rows(partial(find, column, *bounds), len(column), len(column))
    return next((i for i in found if i >= 0), -1)


@jit
def _nan(column: NDArray[Any], begin: int, end: int) -> int:
    for start in range(begin, end, _BLOCK):
        block = column[start : min(start + _BLOCK, end)]
        good = 0
        for i in range(len(block)):
            good += int(not np.isnan(block[i]))
        if good < len(block):
            for i in range(len(block)):
                if np.isnan(block[i]):
                    return start + i
    return -1


@jit
def _beyond(column: NDArray[Any], low: float, high: float, begin: int, end: int) -> int:
    """First that is not ``low <= value < high``."""
    for start in range(begin, end, _BLOCK):
        block = column[start : min(start + _BLOCK, end)]
        good = 0
        for i in range(len(block)):
            good += int((block[i] >= low) & (block[i] < high))
        if good < len(block):
            for i in range(len(block)):
                if not (block[i] >= low and block[i] < high):
                    return start + i
    return -1


@jit
def _fall(column: NDArray[Any], begin: int, end: int) -> int:
    """First i of which it does not hold that ``column[i] <= column[i + 1]``."""
    for start in range(begin, min(end, len(column) - 1), _BLOCK):
        block = column[start : min(start + _BLOCK, end) + 1]
        good = 0
        for i in range(len(block) - 1):
            good += int(block[i] <= block[i + 1])
        if good < len(block) - 1:
            for i in range(len(block) - 1):
                if not block[i] <= block[i + 1]:
                    return start + i
    return -1
