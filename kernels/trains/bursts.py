"""Bursts of spikes: by the voltage of a dendrite between them, and by the time that they take."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, rising, traces
from ..jit import jit
from .trains import ordered_trains


class Bursts(NamedTuple):
    """Bursts of many trials, ordered by trial, then time.

    Attributes
    ----------
    trial
        Trial of the burst, int64[n_bursts].
    first, last
        Times of its first and its last spike in ms, float64[n_bursts].
    n_spikes
        Its spikes, two or more, int64[n_bursts].
    """

    trial: NDArray[np.int64]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    n_spikes: NDArray[np.int64]


class Events(NamedTuple):
    """Singlets, doublets, triplets and so on, ordered by trial, then time.

    Attributes
    ----------
    trial
        Trial of the event, int64[n_events].
    time
        Time of its first spike in ms, float64[n_events].
    event_class
        0 for a singlet, 1 for a doublet, 2 for a triplet, int64[n_events].
    intervals
        Times of its other spikes after the first one in ms, NaN where it has none, float64[n_events, n_classes].
    """

    trial: NDArray[np.int64]
    time: NDArray[np.float64]
    event_class: NDArray[np.int64]
    intervals: NDArray[np.float64]


def voltage_bursts(
    trial: ArrayLike,
    time: ArrayLike,
    voltage: ArrayLike,
    sample_times: ArrayLike,
    *,
    cutoff: float = -55.0,
) -> Bursts:
    """Join spikes between which a dendrite stays depolarised.

    Two spikes in succession belong to one burst if the voltage at the samples ``time[k] <= t < time[k + 1]`` is
    nowhere below the cutoff. Samples that are NaN do not count; without any sample there is no burst.

    Parameters
    ----------
    trial, time
        Trial of each spike, a row of *voltage*, and its time in ms, shape (n_spikes,), ordered by trial, then
        time.
    voltage
        Membrane potential of the proximal dendrite in mV, shape (n_trials, n_time).
    sample_times
        Times of the samples in ms, shape (n_time,), not decreasing.
    cutoff
        Voltage in mV.

    Returns
    -------
    Bursts
        Spikes that stand alone are in none.

    Raises
    ------
    ValueError
        If shapes do not match, spikes are not ordered, a trial has no row, sample times decrease, or the cutoff is
        NaN.

    Notes
    -----
    The "hot zone" criterion of the In Silico Framework's former ``burst_detection``. That looked at no trial of
    fewer than three spikes; here two can be a burst in any.
    """
    trials, spikes = ordered_trains(trial, time)
    rows, samples = traces("voltage", voltage), rising("sample_times", sample_times)
    if rows.shape[1] != len(samples):
        raise ValueError(
            f"voltage has shape {rows.shape}, sample_times {samples.shape}; expected (n_trials, n_time)"
        )
    if np.isnan(cutoff):
        raise ValueError("cutoff is NaN; expected a number")
    trials = codes("trial", trials, len(rows), len(spikes)).astype(np.int64)
    joined = np.zeros(len(spikes) + 1, np.bool_)
    if spikes.size:
        _join(trials, np.searchsorted(samples, spikes), rows, cutoff, joined[1:-1])
    return _bursts(trials, spikes, joined)


def _bursts(trial: NDArray[np.int64], time: NDArray[np.float64], joined: NDArray[np.bool_]) -> Bursts:
    """*joined[k]*: whether spike k belongs to the spike before it."""
    first = np.flatnonzero(~joined[:-1] & joined[1:])
    last = np.flatnonzero(joined[:-1] & ~joined[1:])
    return Bursts(trial[first], time[first], time[last], last - first + 1)


def burst_events(trial: ArrayLike, time: ArrayLike, *, longest: tuple[float, ...] = (10.0, 30.0)) -> Events:
    """Class each spike as a singlet, or with the next ones as a doublet or triplet.

    From left to right, a spike begins the largest event that fits: one of n + 1 spikes whose last comes at most
    ``longest[n - 1]`` after the first. The scan goes on after it.

    Parameters
    ----------
    trial, time
        Trial of each spike, integers, and its time in ms, shape (n_spikes,), ordered by trial, then time.
    longest
        Longest doublet, triplet and so on in ms.

    Returns
    -------
    Events
        Every spike is in one of them.

    Raises
    ------
    ValueError
        If spikes are not ordered or not finite, or a length is NaN or negative.

    Notes
    -----
    The burst classification of the In Silico Framework's ``spike_analysis``.
    """
    trials, spikes = ordered_trains(trial, time)
    limits = np.array(longest, np.float64)
    wrong = np.flatnonzero(~(limits >= 0))
    if wrong.size:
        raise ValueError(f"longest[{wrong[0]}] is {limits[wrong[0]]}; expected 0 ms or more")
    sizes = _event_sizes(trials, spikes, limits)
    first = np.flatnonzero(sizes)
    intervals = np.full((len(first), len(limits)), np.nan)
    for n in range(1, len(limits) + 1):
        long = sizes[first] > n
        intervals[long, n - 1] = spikes[first[long] + n] - spikes[first[long]]
    return Events(trials[first].astype(np.int64), spikes[first], sizes[first] - 1, intervals)


@jit
def _join(
    trial: NDArray[np.int64],
    sample: NDArray[np.int64],
    voltage: NDArray[Any],
    cutoff: float,
    joined: NDArray[np.bool_],
) -> None:
    for k in range(len(trial) - 1):
        if trial[k] == trial[k + 1]:
            seen, low = 0, 0
            for v in voltage[trial[k], sample[k] : sample[k + 1]]:
                seen += int(not np.isnan(v))
                low += int(v < cutoff)
            joined[k] = seen > 0 and low == 0


@jit
def _event_sizes(
    trial: NDArray[Any], time: NDArray[np.float64], longest: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Number of spikes of the event that begins at each spike; 0 inside of one."""
    sizes = np.zeros(len(time), np.int64)
    k = 0
    while k < len(time):
        n = min(len(longest), len(time) - 1 - k)
        while n > 0 and not (trial[k + n] == trial[k] and time[k + n] - time[k] <= longest[n - 1]):
            n -= 1
        sizes[k] = n + 1
        k += n + 1
    return sizes
