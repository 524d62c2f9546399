"""Spike trains as columns ``trial`` and ``time``: intervals between spikes, spikes in a window, rates.

Rows are those of a lake's ``spike_times``, ordered by trial and then time where a docstring says so. A trial
without spikes has no row, so that the number of trials is always an argument.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, event_times, is_rising, whole_numbers


class Rates(NamedTuple):
    """Rates of each trial before a stimulus and after it.

    Attributes
    ----------
    ongoing, evoked
        Rate before and after it in spikes per second, float64[n_trials].
    """

    ongoing: NDArray[np.float64]
    evoked: NDArray[np.float64]


def spike_counts(
    trial: ArrayLike, time: ArrayLike, window: tuple[float, float], *, n_trials: int
) -> NDArray[np.int64]:
    """Count the spikes of each trial in a window.

    Parameters
    ----------
    trial, time
        Trial of each spike, integers in ``[0, n_trials)``, and its time in ms, shape (n_spikes,), in any order.
    window
        ``(t_begin, t_end)`` in ms: spikes at ``t_begin <= time < t_end``.
    n_trials
        Number of trials, those without spikes included.

    Returns
    -------
    numpy.ndarray
        int64[n_trials].

    Raises
    ------
    ValueError
        If lengths differ, a trial is out of range, times are NaN, or the window makes no sense.
    """
    moment = event_times("time", time)
    trials = codes("trial", trial, n_trials, len(moment))
    t_begin, t_end = _checked_window("window", window)
    inside = (moment >= t_begin) & (moment < t_end)
    return np.bincount(trials[inside], minlength=n_trials)


def spikes_in_interval(
    trial: ArrayLike, time: ArrayLike, window: tuple[float, float], *, n_trials: int
) -> NDArray[np.bool_]:
    """Tell whether each trial has a spike in a window, bool[n_trials]: ISF's ``spike_in_interval``.

    Parameters
    ----------
    trial, time, window, n_trials
        As of `spike_counts`.

    Raises
    ------
    ValueError
        As `spike_counts`.
    """
    return spike_counts(trial, time, window, n_trials=n_trials) > 0


def spike_rates(
    trial: ArrayLike, time: ArrayLike, window: tuple[float, float], *, n_trials: int
) -> NDArray[np.float64]:
    """Return the rate of each trial in a window, in spikes per second, float64[n_trials].

    Parameters
    ----------
    trial, time, n_trials
        As of `spike_counts`.
    window
        ``(begin, end)`` in ms, finite and not of length zero.

    Raises
    ------
    ValueError
        As `spike_counts`; the window has no finite length.
    """
    t_begin, t_end = _checked_window("window", window)
    if not 0 < t_end - t_begin < np.inf:
        raise ValueError(f"window is ({t_begin}, {t_end}); a rate needs one with a length")
    counts = spike_counts(trial, time, window, n_trials=n_trials)
    return counts.astype(np.float64) * (1000.0 / (t_end - t_begin))


def ongoing_and_evoked_rates(
    trial: ArrayLike,
    time: ArrayLike,
    *,
    ongoing: tuple[float, float],
    evoked: tuple[float, float],
    n_trials: int,
) -> Rates:
    """Return `spike_rates` in a window before a stimulus and in one after it.

    Parameters
    ----------
    trial, time, n_trials
        As of `spike_counts`.
    ongoing, evoked
        Windows ``(begin, end)`` in ms, finite and not of length zero.

    Raises
    ------
    ValueError
        As `spike_rates`.
    """
    before = spike_rates(trial, time, ongoing, n_trials=n_trials)
    return Rates(before, spike_rates(trial, time, evoked, n_trials=n_trials))


def interspike_intervals(trial: ArrayLike, time: ArrayLike) -> NDArray[np.float64]:
    """Time since the spike before, NaN for the first one of a trial.

    Parameters
    ----------
    trial, time
        Trial of each spike, integers, and its time in ms, shape (n_spikes,), ordered by trial, then time.

    Returns
    -------
    numpy.ndarray
        float64[n_spikes] in ms, a value beside each spike.

    Raises
    ------
    ValueError
        If lengths differ, times are NaN or infinite, or the order is another.
    """
    trials, moment = ordered_trains(trial, time)
    intervals = np.full(len(moment), np.nan)
    if moment.size:
        intervals[1:] = np.where(trials[1:] == trials[:-1], np.diff(moment), np.nan)
    return intervals


def ordered_trains(trial: ArrayLike, time: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return both columns, checked to be of one length, finite, and ordered by trial, then time.

    Parameters
    ----------
    trial, time
        Trial of each spike, integers, and its time in ms, shape (n_spikes,).

    Raises
    ------
    ValueError
        They are not.
    """
    moment = event_times("time", time).astype(np.float64, copy=False)
    trials = whole_numbers("trial", trial)
    if len(trials) != len(moment):
        raise ValueError(f"trial has shape {trials.shape}, time {moment.shape}; expected the same")
    endless = np.flatnonzero(np.isinf(moment))
    if endless.size:
        raise ValueError(f"time[{endless[0]}] is {moment[endless[0]]}; expected a finite time")
    if not is_rising(trials):
        i = np.flatnonzero(trials[1:] < trials[:-1])[0]
        raise ValueError(
            f"trial[{i + 1}] = {trials[i + 1]} after trial[{i}] = {trials[i]}; expected rising trials"
        )
    early = np.flatnonzero((moment[1:] < moment[:-1]) & (trials[1:] == trials[:-1]))
    if early.size:
        i = early[0]
        raise ValueError(
            f"time[{i + 1}] = {moment[i + 1]} after time[{i}] = {moment[i]} in trial {trials[i]}; "
            "expected rising times in each trial"
        )
    return trials, moment


def _checked_window(name: str, window: tuple[float, float]) -> tuple[float, float]:
    t_begin, t_end = window
    if not t_begin <= t_end:
        raise ValueError(f"{name} is ({t_begin}, {t_end}); expected t_begin <= t_end")
    return t_begin, t_end
