"""Event times counted in bins: histograms, histograms per group and peri-stimulus time histograms (PSTH).

Bins are those of ``numpy.histogram``: left-closed, except that the last one holds its right edge too. Times
outside of the edges are not counted. Events and edges share one unit, ms by convention. The tables of a lake
have no padding; that of an ISF frame goes with ``times[~numpy.isnan(times)]``.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bins import BLOCK, checked_edges, even_width, find_bins, tally
from ..checks import codes, event_times
from ..jit import jit, over_rows


def temporal_counts(times: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Count events per bin, exactly as ``numpy.histogram(times, edges)`` does.

    Parameters
    ----------
    times
        Event times in ms, shape (n_events,), in any order.
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing. Evenly spaced edges are faster.

    Returns
    -------
    numpy.ndarray
        int64[n_bins].

    Raises
    ------
    ValueError
        If times or edges are not one-dimensional or hold NaN, or edges are empty or decrease.
    """
    events, borders = event_times("times", times), checked_edges(edges)
    width = even_width(borders)
    if width == 0.0:  # NumPy sorts with SIMD: faster than a binary search for each event
        return np.histogram(events, borders)[0].astype(np.int64, copy=False)
    parts = over_rows(partial(_count, events, borders, width), len(events), len(events))
    return np.sum(parts, axis=0)  # type: ignore[no-any-return]


def temporal_counts_by(
    times: ArrayLike, group: ArrayLike, n_groups: int, edges: ArrayLike
) -> NDArray[np.int64]:
    """Count events per group and bin in one pass; with trials for groups, the counts of each trial.

    Parameters
    ----------
    times
        Event times in ms, shape (n_events,), in any order.
    group
        Group of each event (a trial, a cell type, ...), integers in ``[0, n_groups)``, shape (n_events,).
    n_groups
        Number of groups; one without events has a row of zeros.
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing.

    Returns
    -------
    numpy.ndarray
        int64[n_groups, n_bins].

    Raises
    ------
    ValueError
        As `temporal_counts`, and if group does not match times or holds a number out of range.
    """
    events, borders = event_times("times", times), checked_edges(edges)
    groups = codes("group", group, n_groups, len(events))
    counts = np.zeros((n_groups, len(borders) - 1), np.int64)
    if counts.size:
        _count_by(events, groups, borders, even_width(borders), counts)
    return counts


def psth(times: ArrayLike, edges: ArrayLike, *, n_trials: int, rate: bool = False) -> NDArray[np.float64]:
    """Events per trial and bin, or with *rate* per trial and ms.

    Parameters
    ----------
    times
        Event times of all trials in ms, shape (n_events,).
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing; with *rate* rising.
    n_trials
        Number of trials, those without events included.
    rate
        Divide by the bin widths: events per ms.

    Returns
    -------
    numpy.ndarray
        float64[n_bins].

    Raises
    ------
    ValueError
        As `temporal_counts`, if n_trials is not positive, and with *rate* if a bin has no width.

    Notes
    -----
    The ``temporal_binning`` of the In Silico Framework with ``normalize=True``.
    """
    if n_trials <= 0:
        raise ValueError(f"n_trials is {n_trials}; expected at least 1")
    borders = checked_edges(edges)
    per_trial = temporal_counts(times, borders) / n_trials
    return per_trial / _widths(borders) if rate else per_trial


def bin_edges(t_min: float, t_max: float, bin_size: float) -> NDArray[np.float64]:
    """Edges ``arange(t_min, t_max + bin_size, bin_size)``, the default of ISF's ``temporal_binning``.

    Parameters
    ----------
    t_min, t_max
        First edge, and the time that the last bin reaches at least (up to rounding), in ms.
    bin_size
        Width of a bin in ms.

    Returns
    -------
    numpy.ndarray
        float64[n_bins + 1].

    Raises
    ------
    ValueError
        If a bound is not finite, t_max < t_min or bin_size is not positive.
    """
    if not (np.isfinite([t_min, t_max, bin_size]).all() and t_min <= t_max and bin_size > 0):
        raise ValueError(
            f"bin_edges({t_min}, {t_max}, {bin_size}): expected finite t_min <= t_max and bin_size > 0"
        )
    return np.arange(t_min, t_max + bin_size, bin_size, dtype=np.float64)


def _widths(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    widths = np.diff(edges)
    empty = np.flatnonzero(widths == 0)
    if empty.size:
        i = empty[0]
        raise ValueError(f"edges[{i + 1}] = edges[{i}] = {edges[i]}; a rate needs bins with a width")
    return widths


@jit
def _count(
    times: NDArray[Any], edges: NDArray[np.float64], width: float, begin: int, end: int
) -> NDArray[np.int64]:
    counts = np.zeros(len(edges) - 1, np.int64)
    bins, position = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int64)
    for start in range(begin, end, BLOCK):
        n = min(BLOCK, end - start)
        find_bins(times[start : start + n], edges, width, bins)
        for i in range(n):
            position[i] = bins[i]
        tally(counts, position[:n], 1 << 62)
    return counts


@jit
def _count_by(
    times: NDArray[Any],
    groups: NDArray[Any],
    edges: NDArray[np.float64],
    width: float,
    counts: NDArray[np.int64],
) -> None:
    flat, n_bins = counts.reshape(-1), counts.shape[1]
    bins, position = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int64)
    for start in range(0, len(times), BLOCK):
        n = min(BLOCK, len(times) - start)
        find_bins(times[start : start + n], edges, width, bins)
        group = groups[start : start + n]
        for i in range(n):
            position[i] = np.int64(group[i]) * n_bins + bins[i] if bins[i] >= 0 else -1
        tally(flat, position[:n], 1 << 62)
