"""Synapse activations counted by group, trial and time: the tensor that reduced models are fitted to."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..bins import BLOCK, checked_edges, even_width, find_bins, tally
from ..checks import codes, event_times, is_rising
from ..jit import SERIAL_SIZE, jit, over_rows

# Largest count that each type holds and distinguishes from the next one.
_LIMITS = {np.dtype(np.uint16): 2**16 - 1, np.dtype(np.uint32): 2**32 - 1, np.dtype(np.float32): 2**24}


def activation_counts(
    trial: ArrayLike,
    group: ArrayLike,
    time: ArrayLike,
    edges: ArrayLike,
    *,
    n_trials: int,
    n_groups: int,
    dtype: DTypeLike = np.uint16,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Count activations per group, trial and time bin.

    Parameters
    ----------
    trial
        Trial of each activation, integers in ``[0, n_trials)``, shape (n,). Sorted as in a lake, two threads
        and more share the work.
    group
        Group of each activation (a cell type, a column, a distance bin, any combination), integers in
        ``[0, n_groups)``, shape (n,). Small types (int8, int16) are read faster.
    time
        When the synapse was activated in ms, shape (n,).
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing. Evenly spaced edges are faster. Bins are those of
        ``numpy.histogram``: the last one holds its right edge too; times outside of all are not counted.
    n_trials, n_groups
        Sizes of the result; trials and groups without activations have zeros.
    dtype
        uint16, uint32 or float32.
    out
        Array [n_groups, n_trials, n_bins] to add to, of one of these types: pass it from file to file, and a
        table of any size is counted in the memory of the result.

    Returns
    -------
    numpy.ndarray
        dtype[n_groups, n_trials, n_bins]; *out* itself if it was given.

    Raises
    ------
    ValueError
        If lengths differ, a code is out of range, times are NaN, edges decrease, or *out* or dtype does not fit.
        Nothing is counted then. Also if a count no longer fits its type; *out* is then of no more use.

    Notes
    -----
    ``synapse_activation_binning`` of the In Silico Framework counts in this way from 0 ms in bins of 1 ms, with
    the group axis spread over keys; trials without activations, which it leaves out, have zeros here.
    """
    moment, borders = event_times("time", time), checked_edges(edges)
    trials, groups = (
        codes("trial", trial, n_trials, len(moment)),
        codes("group", group, n_groups, len(moment)),
    )
    counts = _counts((n_groups, n_trials, len(borders) - 1), np.dtype(dtype), out)
    if moment.size == 0 or len(borders) == 1:
        return counts
    limit = _LIMITS[counts.dtype]
    kernel = partial(_add, trials, groups, moment, borders, even_width(borders), limit, counts)
    passed = max(_over_trials(kernel, trials))
    if passed >= 0:
        where = ", ".join(map(str, np.unravel_index(passed, counts.shape)))
        raise ValueError(
            f"counts[{where}] passes {limit:,}, the last that {counts.dtype} counts; expected a larger dtype"
        )
    return counts


def _counts(shape: tuple[int, ...], dtype: np.dtype[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    if (dtype if out is None else out.dtype) not in _LIMITS:
        raise ValueError(
            f"dtype is {dtype if out is None else out.dtype}; expected uint16, uint32 or float32"
        )
    if out is None:
        return np.zeros(shape, dtype)
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}; expected (n_groups, n_trials, n_bins) = {shape}")
    if not out.flags.c_contiguous:
        raise ValueError("out is not contiguous; expected an array in C order")
    return out


def _over_trials(kernel: Callable[[int, int], int], trial: NDArray[Any]) -> list[int]:
    """Threads get rows that begin with a trial: no two of them count in one place."""
    if len(trial) < SERIAL_SIZE or not is_rising(trial):
        return [kernel(0, len(trial))]

    def from_trial_on(begin: int, end: int) -> int:
        first, last = (np.searchsorted(trial, trial[i]) if i < len(trial) else i for i in (begin, end))
        return kernel(int(first), int(last))

    return over_rows(from_trial_on, len(trial))


@jit
def _add(
    trial: NDArray[Any],
    group: NDArray[Any],
    time: NDArray[Any],
    edges: NDArray[np.float64],
    width: float,
    limit: int,
    counts: NDArray[Any],
    begin: int,
    end: int,
) -> int:
    """A flat position where a count passed *limit*, or -1."""
    full, flat = -1, counts.reshape(-1)
    n_trials, n_bins = counts.shape[1], counts.shape[2]
    bins, position = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int64)
    for start in range(begin, end, BLOCK):
        n = min(BLOCK, end - start)
        find_bins(time[start : start + n], edges, width, bins)
        groups, trials = group[start : start + n], trial[start : start + n]
        for i in range(n):
            place = (np.int64(groups[i]) * n_trials + np.int64(trials[i])) * n_bins + bins[i]
            position[i] = place if bins[i] >= 0 else -1
        full = max(full, tally(flat, position[:n], limit))
    return full
