"""Spikes in voltage traces: upward crossings of a threshold.

Semantics are those of the In Silico Framework's ``simple_spike_detection`` (ISF, mpinb/in_silico_framework):
the time of a spike is that of the first sample at or above the threshold, without interpolation and without a
refractory period.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .jit import jit, over_rows

# Below this many samples (about 2 ms of work) starting threads costs more than it gains.
SERIAL_SAMPLES = 1 << 22


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
        In mV (0 for a soma, -30 for a dendrite are ISF's habits); in mV/ms with ``mode="slope"``.
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
    slope = mode == "slope"
    trace = (rows, times, float(threshold), slope, begin, min(end, len(times) - slope))
    first = np.zeros(len(rows) + 1, np.int64)
    _over(rows, partial(_count, *trace, first[1:]))
    np.cumsum(first, out=first)
    index = np.empty(first[-1], np.int64)
    _over(rows, partial(_fill, *trace, first, index))
    return _spikes(first, times[index])


@jit
def _crosses(v: NDArray[Any], time: NDArray[np.float64], threshold: float, slope: bool, i: int) -> bool:
    if slope:
        before = (np.float64(v[i]) - v[i - 1]) / (time[i] - time[i - 1])
        after = (np.float64(v[i + 1]) - v[i]) / (time[i + 1] - time[i])
    else:
        before, after = np.float64(v[i - 1]), np.float64(v[i])
    # Not `and`: without a branch the loop over samples vectorises.
    return bool((before < threshold) & (after >= threshold))


@jit
def _count(
    voltage: NDArray[Any],
    time: NDArray[np.float64],
    threshold: float,
    slope: bool,
    begin: int,
    end: int,
    count: NDArray[np.int64],
    row_begin: int,
    row_end: int,
) -> None:
    for row in range(row_begin, row_end):
        n = 0
        for i in range(begin, end):
            n += int(_crosses(voltage[row], time, threshold, slope, i))
        count[row] = n


@jit
def _fill(
    voltage: NDArray[Any],
    time: NDArray[np.float64],
    threshold: float,
    slope: bool,
    begin: int,
    end: int,
    first: NDArray[np.int64],
    index: NDArray[np.int64],
    row_begin: int,
    row_end: int,
) -> None:
    for row in range(row_begin, row_end):
        n = first[row]
        for i in range(begin, end):
            if n == first[row + 1]:
                break
            if _crosses(voltage[row], time, threshold, slope, i):
                index[n] = i
                n += 1


def _over(rows: NDArray[Any], kernel: Callable[[int, int], object]) -> None:
    if rows.size < SERIAL_SAMPLES:
        kernel(0, len(rows))
    else:
        over_rows(kernel, len(rows))


def _spikes(first: NDArray[np.int64], time: NDArray[np.float64]) -> Spikes:
    trial = np.repeat(np.arange(len(first) - 1), np.diff(first))
    ordinal = np.arange(len(time)) - first[trial]
    return Spikes(trial, ordinal.astype(np.int32), time)


def _checked(
    voltage: ArrayLike, time: ArrayLike, threshold: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    rows = np.asarray(voltage)
    rows = np.ascontiguousarray(rows, rows.dtype if rows.dtype == np.float32 else np.float64)
    times = np.ascontiguousarray(time, np.float64)
    if rows.ndim != 2 or times.shape != rows.shape[1:]:
        raise ValueError(
            f"voltage has shape {rows.shape}, time {times.shape}; expected (n_trials, n_time) and (n_time,)"
        )
    unordered = np.flatnonzero(~(times[1:] >= times[:-1]))
    if unordered.size:
        i = unordered[0]
        raise ValueError(
            f"time[{i + 1}] = {times[i + 1]} after time[{i}] = {times[i]}; expected rising times"
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
