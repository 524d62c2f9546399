"""Spikes in voltage traces: upward crossings of a threshold.

Semantics are those of the In Silico Framework's ``simple_spike_detection`` (ISF, mpinb/in_silico_framework):
the time of a spike is that of the first sample at or above the threshold, without interpolation and without a
refractory period.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import rising, traces
from ..jit import jit, over_rows

# Samples that are checked together, and those of them that are checked one by one if there is a crossing.
_BLOCK, _PIECE = 256, 32


class Spikes(NamedTuple):
    """Spikes of many trials, ordered by trial, then time.

    Attributes
    ----------
    trial
        Row of the trace that spiked, int64[n_spikes].
    ordinal
        0 for the first spike of a trial, 1 for the second and so on, int32[n_spikes].
    time
        Time of the spike in the unit of the time axis (ms), float64[n_spikes].
    """

    trial: NDArray[np.int64]
    ordinal: NDArray[np.int32]
    time: NDArray[np.float64]


def threshold_crossings(
    voltage: ArrayLike,
    time: ArrayLike,
    threshold: float,
    *,
    window: tuple[float, float] | None = None,
    mode: Literal["regular", "slope"] = "regular",
) -> Spikes:
    """Find where each trace crosses *threshold* from below.

    Parameters
    ----------
    voltage
        Membrane potential in mV, shape (n_trials, n_time); float32 stays float32, all else becomes float64.
    time
        Sample times in ms, shape (n_time,), not decreasing.
    threshold
        Threshold in mV (in ISF 0 for a soma, -30 for a dendrite); in mV/ms with ``mode="slope"``.
    window
        ``(t_begin, t_end)`` in ms: spikes at ``t_begin <= t < t_end`` only.
    mode
        ``"regular"``: a spike at ``time[i]``, i >= 1, iff ``v[i-1] < threshold <= v[i]``.
        ``"slope"``: the same test on the slopes ``d[i] = (v[i+1] - v[i]) / (time[i+1] - time[i])``, so that a
        spike at ``time[i]`` looks forward and the last sample has none.

    Returns
    -------
    Spikes
        Trials without a spike have no rows. NaN is on neither side of the threshold: it never crosses.

    Raises
    ------
    ValueError
        If shapes do not match, times decrease or are NaN, or the window, mode or threshold make no sense.

    Notes
    -----
    Two cases where ISF has no useful answer differ: a window that lies outside of the trace is empty (ISF falls
    back to the whole trace), and ``"slope"`` without a window stops before the last sample (ISF raises).
    """
    rows, times = _checked(voltage, time, threshold)
    begin, end = _window(times, window)
    if mode not in ("regular", "slope"):
        raise ValueError(f"mode is {mode!r}; expected 'regular' or 'slope'")
    if mode == "slope":
        kernel = partial(_slope_crossings, rows, times, float(threshold), begin, min(end, len(times) - 1))
    else:
        kernel = partial(_level_crossings, rows, _level(threshold, rows.dtype), begin, end)
    found = over_rows(kernel, len(rows), rows.size)
    counts = np.concatenate([count for count, _ in found])
    return _spikes(counts, times[np.concatenate([index for _, index in found])])


def _level(threshold: float, dtype: np.dtype[Any]) -> Any:
    """The least number of the type that is not below the threshold: it divides the type's numbers in the same way."""
    with np.errstate(over="ignore"):
        level = dtype.type(threshold)
    return np.nextafter(level, dtype.type(np.inf)) if float(level) < threshold else level


@jit
def _level_crossings(
    voltage: NDArray[Any], level: float, begin: int, end: int, row_begin: int, row_end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Crossings of each row, and their samples in order."""
    counts, index, n = np.zeros(row_end - row_begin, np.int64), np.empty(1024, np.int64), 0
    for row in range(row_begin, row_end):
        trace, before = voltage[row], n
        for start in range(begin, end, _BLOCK):
            stop = min(start + _BLOCK, end)
            crossings = _crossings(trace[start - 1 : stop], level)
            if crossings:
                index = _with_room(index, n + crossings + 1)
                n = _locate(trace, level, start, stop, index, n)
        counts[row - row_begin] = n - before
    return counts, index[:n]


@jit
def _crossings(samples: NDArray[Any], level: float) -> int:
    n = np.int32(0)  # as wide as a sample, and no exit: it vectorises
    for i in range(1, len(samples)):
        n = np.int32(n + np.int32((samples[i - 1] < level) & (samples[i] >= level)))
    return n  # type: ignore[return-value]


@jit
def _locate(trace: NDArray[Any], level: float, begin: int, end: int, index: NDArray[np.int64], n: int) -> int:
    """Write the crossings from *n* on, and one place past them; the new n."""
    for start in range(begin, end, _PIECE):
        stop = min(start + _PIECE, end)
        if _crossings(trace[start - 1 : stop], level):
            for i in range(start, stop):
                index[n] = i  # kept if it is one: a branch would be guessed wrong
                n += int((trace[i - 1] < level) & (trace[i] >= level))
    return n


@jit
def _slope_crossings(
    voltage: NDArray[Any],
    time: NDArray[np.float64],
    threshold: float,
    begin: int,
    end: int,
    row_begin: int,
    row_end: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `_level_crossings`, of slopes."""
    slopes = np.empty(voltage.shape[1], np.float64)
    counts, index, n = np.zeros(row_end - row_begin, np.int64), np.empty(1024, np.int64), 0
    for row in range(row_begin, row_end):
        for i in range(begin - 1, end):
            slopes[i] = (np.float64(voltage[row, i + 1]) - voltage[row, i]) / (time[i + 1] - time[i])
        for i in range(begin, end):
            if slopes[i - 1] < threshold and slopes[i] >= threshold:
                index = _with_room(index, n + 1)
                index[n] = i
                n += 1
                counts[row - row_begin] += 1
    return counts, index[:n]


@jit
def _with_room(index: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    if n <= len(index):
        return index
    larger = np.empty(max(n, 2 * len(index)), np.int64)
    larger[: len(index)] = index
    return larger


def _spikes(counts: NDArray[np.int64], time: NDArray[np.float64]) -> Spikes:
    trial = np.repeat(np.arange(len(counts)), counts)
    ordinal = np.arange(len(time)) - (np.cumsum(counts) - counts)[trial]
    return Spikes(trial, ordinal.astype(np.int32), time)


def _checked(
    voltage: ArrayLike, time: ArrayLike, threshold: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    rows, times = traces("voltage", voltage), rising("time", time)
    if len(times) != rows.shape[1]:
        raise ValueError(
            f"voltage has shape {rows.shape}, time {times.shape}; expected (n_trials, n_time) and (n_time,)"
        )
    if np.isnan(threshold):
        raise ValueError("threshold is NaN; expected a number")
    return rows, times


def _window(time: NDArray[np.float64], window: tuple[float, float] | None) -> tuple[int, int]:
    if window is None:
        return 1, len(time)
    t_begin, t_end = window
    if not t_begin <= t_end:
        raise ValueError(f"window is ({t_begin}, {t_end}); expected t_begin <= t_end")
    return max(1, int(np.searchsorted(time, t_begin))), int(np.searchsorted(time, t_end))
