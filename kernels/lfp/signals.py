"""Signals: coefficients times membrane currents."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..jit import jit


def signal(
    coefficients: ArrayLike,
    currents: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_groups: int | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Sum over segments of coefficient times current, for each contact and time.

    Parameters
    ----------
    coefficients
        Coefficients in mV/nA (or any unit per nA), shape (M, N).
    currents
        Membrane currents in nA, shape (T, N), as reports hold them. float32 stays float32, all else becomes
        float64: the dtype of the computation, to which the coefficients are converted.
    groups
        Group of each segment (a cell, a population, a layer, ...), integers from 0, shape (N,): one signal for
        each. Groups in rising order are summed without a copy of the currents.
    n_groups
        Number of groups, by default the largest and one; one without segments has a signal of zeros.
    out
        Filled and returned; of the currents' dtype and the result's shape.

    Returns
    -------
    numpy.ndarray
        [M, T], with groups [G, M, T], in mV, of the currents' dtype.

    Raises
    ------
    ValueError
        If shapes or dtypes do not match, or a group is out of range.

    Notes
    -----
    A product of matrices, done by BLAS. Blocks of segments are added by calling this for each, blocks of time
    fill ``out[..., begin:end]``. In float32 errors are about 1e-6 of the sum of what is added, regardless of sign.
    """
    values = np.asarray(currents)
    values = np.asarray(values, np.float32 if values.dtype == np.float32 else np.float64)
    factors = np.asarray(coefficients, values.dtype)
    _check_shapes(factors, values)
    shape = (len(factors), len(values))
    if groups is None:
        result = _result(out, shape, values.dtype)
        return np.matmul(factors, values.T, out=result)
    members = _groups(groups, values.shape[1])
    count = _count(members, n_groups)
    result = _result(out, (count, *shape), values.dtype)
    if (members[1:] < members[:-1]).any():
        order = np.argsort(members, kind="stable")
        members, factors, values = members[order], factors[:, order], values[:, order]
    bounds = np.searchsorted(members, np.arange(count + 1))
    for group, (begin, end) in enumerate(pairwise(bounds)):
        np.matmul(factors[:, begin:end], values[:, begin:end].T, out=result[group])
    return result


def signal_in_order(
    coefficients: ArrayLike,
    currents: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_groups: int | None = None,
) -> NDArray[np.float64]:
    """Sum over segments of coefficient times current, one segment after the other: the same bits wherever it runs.

    `signal` is several times faster, and its last digits depend on the number of threads and on how times are split.

    Parameters
    ----------
    coefficients
        Coefficients in mV/nA (or any unit per nA), shape (M, N).
    currents
        Membrane currents in nA, shape (T, N), float32 or float64.
    groups, n_groups
        Group of each segment, and how many groups there are, as of `signal`.

    Returns
    -------
    numpy.ndarray
        float64[T, M], with groups [T, G, M], in mV: time first, as it is recorded.

    Raises
    ------
    ValueError
        If shapes or dtypes do not match, or a group is out of range.
    """
    values = np.asarray(currents)
    values = np.ascontiguousarray(values, np.float32 if values.dtype == np.float32 else np.float64)
    factors = np.asarray(coefficients, np.float64)
    _check_shapes(factors, values)
    if groups is None:
        bounds, count = np.array([0, values.shape[1]]), 1
    else:
        members = _groups(groups, values.shape[1])
        count = _count(members, n_groups)
        if (members[1:] < members[:-1]).any():
            order = np.argsort(members, kind="stable")
            members, factors, values = members[order], factors[:, order], values[:, order]
        bounds = np.searchsorted(members, np.arange(count + 1))
    result = np.zeros((len(values), count, len(factors)))
    _add_in_order(np.ascontiguousarray(factors.T), values, bounds, result)
    return result[:, 0] if groups is None else result


@jit
def _add_in_order(
    factors: NDArray[np.float64], currents: NDArray[Any], bounds: NDArray[np.intp], out: NDArray[np.float64]
) -> None:
    """Fill [time, group, contact], which is zero, with sums of *factors* [segment, contact] times currents."""
    for time in range(out.shape[0]):
        for group in range(out.shape[1]):
            for segment in range(bounds[group], bounds[group + 1]):
                current = np.float64(currents[time, segment])
                for contact in range(out.shape[2]):
                    out[time, group, contact] += factors[segment, contact] * current


def _check_shapes(factors: NDArray[Any], values: NDArray[Any]) -> None:
    if factors.ndim != 2 or values.ndim != 2 or factors.shape[1] != values.shape[1]:
        raise ValueError(
            f"coefficients has shape {factors.shape}, currents {values.shape}; expected (n_contacts, n_segments) "
            "and (n_times, n_segments)"
        )


def _result(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out is {out.dtype}{list(out.shape)}; expected {dtype}{list(shape)}")
    return out


def _groups(groups: ArrayLike, n_segments: int) -> NDArray[np.intp]:
    members = np.asarray(groups)
    if members.shape != (n_segments,):
        raise ValueError(f"groups has shape {members.shape}; expected ({n_segments},), one per segment")
    if members.size and members.dtype.kind not in "iu":
        raise ValueError(f"groups has dtype {members.dtype}; expected integers")
    return members.astype(np.intp)


def _count(members: NDArray[np.intp], n_groups: int | None) -> int:
    count = int(members.max(initial=-1)) + 1 if n_groups is None else n_groups
    bad = np.flatnonzero((members < 0) | (members >= count))
    if bad.size:
        i = bad[0]
        raise ValueError(f"groups[{i}] is {members[i]}; expected 0 <= group < {count}")
    return count
