"""Event times counted in bins: histograms, histograms per group and peri-stimulus time histograms (PSTH).

Bins are those of ``numpy.histogram``: left-closed, except that the last one holds its right edge too. Times
outside of the edges and NaN are not counted. Events and edges share one unit, ms by convention.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .jit import jit


def temporal_counts(times: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Count events per bin, exactly as ``numpy.histogram(times, edges)`` does.

    Parameters
    ----------
    times
        Event times in ms, shape (n_events,), in any order; NaN is ignored.
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing. Evenly spaced edges are faster.

    Returns
    -------
    numpy.ndarray
        int64[n_bins].

    Raises
    ------
    ValueError
        If times or edges are not one-dimensional, or edges are empty, NaN or decrease.
    """
    events, borders = _line("times", times), _edges(edges)
    inverse_width = _inverse_width(borders)
    if inverse_width == 0.0:  # NumPy sorts with SIMD: faster than a binary search for each event
        return np.histogram(events, borders)[0].astype(np.int64, copy=False)
    counts = np.zeros(len(borders) - 1, np.int64)
    _count(events, borders, inverse_width, counts)
    return counts


def temporal_counts_by(
    times: ArrayLike, group: ArrayLike, n_groups: int, edges: ArrayLike
) -> NDArray[np.int64]:
    """Count events per group and bin in one pass.

    Parameters
    ----------
    times
        Event times in ms, shape (n_events,), in any order; NaN is ignored.
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
    events, borders = _line("times", times), _edges(edges)
    groups = _groups(group, len(events), n_groups)
    counts = np.zeros((n_groups, len(borders) - 1), np.int64)
    if counts.size:
        _count_by(events, groups, borders, _inverse_width(borders), counts)
    return counts


def psth(times: ArrayLike, edges: ArrayLike, *, n_trials: int, rate: bool = False) -> NDArray[np.float64]:
    """Events per trial and bin, or with *rate* per trial and ms.

    Parameters
    ----------
    times
        Event times of all trials in ms, shape (n_events,); NaN is ignored.
    edges
        Bin edges in ms, shape (n_bins + 1,), not decreasing.
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
        As `temporal_counts`, and if n_trials is not positive.

    Notes
    -----
    The ``temporal_binning`` of the In Silico Framework with ``normalize=True``.
    """
    if n_trials <= 0:
        raise ValueError(f"n_trials is {n_trials}; expected at least 1")
    borders = _edges(edges)
    per_trial = temporal_counts(times, borders) / n_trials
    return per_trial / np.diff(borders) if rate else per_trial


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


def _line(name: str, values: ArrayLike) -> NDArray[np.float64]:
    line = np.asarray(values, np.float64)
    if line.ndim != 1:
        raise ValueError(f"{name} has shape {line.shape}; expected one dimension")
    return np.ascontiguousarray(line)


def _edges(values: ArrayLike) -> NDArray[np.float64]:
    edges = _line("edges", values)
    if not edges.size:
        raise ValueError("edges are empty; expected n_bins + 1 of them")
    if np.isnan(edges[0]):
        raise ValueError("edges[0] is NaN; expected a number")
    falling = np.flatnonzero(~(edges[1:] >= edges[:-1]))
    if falling.size:
        i = falling[0]
        raise ValueError(
            f"edges[{i + 1}] = {edges[i + 1]} after edges[{i}] = {edges[i]}; expected rising edges"
        )
    return edges


def _groups(values: ArrayLike, n_events: int, n_groups: int) -> NDArray[np.int64]:
    groups = np.asarray(values)
    if n_groups < 0:
        raise ValueError(f"n_groups is {n_groups}; expected 0 or more")
    if groups.shape != (n_events,):
        raise ValueError(f"group has shape {groups.shape}, times ({n_events},); expected the same")
    if groups.size and groups.dtype.kind not in "iu":
        raise ValueError(f"group has dtype {groups.dtype}; expected integers")
    if groups.size and not (groups.min() >= 0 and groups.max() < n_groups):
        i = np.flatnonzero((groups < 0) | (groups >= n_groups))[0]
        raise ValueError(f"group[{i}] is {groups[i]}; expected 0 <= group < {n_groups}")
    return np.ascontiguousarray(groups, np.int64)


def _inverse_width(edges: NDArray[np.float64]) -> float:
    """1 / bin width of evenly spaced finite edges, else 0."""
    if len(edges) < 2 or not 0 < edges[-1] - edges[0] < np.inf:
        return 0.0
    even = np.linspace(edges[0], edges[-1], len(edges))
    width = (edges[-1] - edges[0]) / (len(edges) - 1)
    return float(1 / width) if np.all(np.abs(edges - even) < width / 2) else 0.0


@jit
def _even_bin(time: float, edges: NDArray[np.float64], inverse_width: float) -> int:
    last = len(edges) - 2
    # Rounding may put the guess next to the right bin; the edges themselves decide.
    guess = min(int((time - edges[0]) * inverse_width), last)
    while time < edges[guess]:
        guess -= 1
    while guess < last and time >= edges[guess + 1]:
        guess += 1
    return guess


@jit
def _uneven_bin(time: float, edges: NDArray[np.float64]) -> int:
    first, n = 0, len(edges) - 1
    while n > 1:
        half = n // 2
        first += half * int(edges[first + half] <= time)
        n -= half
    return first


@jit
def _count(
    times: NDArray[np.float64],
    edges: NDArray[np.float64],
    inverse_width: float,
    counts: NDArray[np.int64],
) -> None:
    for time in times:
        if edges[0] <= time <= edges[-1]:  # not so for NaN
            counts[_even_bin(time, edges, inverse_width)] += 1


@jit
def _count_by(
    times: NDArray[np.float64],
    groups: NDArray[np.int64],
    edges: NDArray[np.float64],
    inverse_width: float,
    counts: NDArray[np.int64],
) -> None:
    for i in range(len(times)):
        if edges[0] <= times[i] <= edges[-1]:
            if inverse_width > 0.0:
                found = _even_bin(times[i], edges, inverse_width)
            else:
                found = _uneven_bin(times[i], edges)
            counts[groups[i], found] += 1
