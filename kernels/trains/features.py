"""Features of a population's activity, as network optimisations compare them with targets."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import rising, traces


class NetworkFeatures(NamedTuple):
    """What a population does.

    Attributes
    ----------
    firing_rate
        Mean over the active units of their mean rate, in spikes per second; 0 if none is active.
    fraction_active
        Share of the units that are active: their mean rate is above 0.
    mean_fraction_active, sd_fraction_active
        Mean and standard deviation over time bins of the share of units whose rate is above a threshold.
    """

    firing_rate: float
    fraction_active: float
    mean_fraction_active: float
    sd_fraction_active: float


def network_features(
    rates: ArrayLike, time: ArrayLike, *, bin_width: float = 2.0, threshold: float = 0.01
) -> NetworkFeatures:
    """Features of one population from the rates of its units.

    Parameters
    ----------
    rates
        Rate of every unit, silent ones included, in spikes per second, shape (n_units, n_time), as of
        `neurolake.kernels.trains.rates.bayesian_rates`.
    time
        Times of the rates in ms, shape (n_time,), rising, two or more.
    bin_width
        Width in ms of the time bins, which lie side by side from the first time to one step past the last. A
        bin's rate is that at its middle, interpolated linearly, and constant past the last time.
    threshold
        Rate above which a unit is active in a bin, in spikes per second.

    Returns
    -------
    NetworkFeatures
        All 0 for a population of no units.

    Raises
    ------
    ValueError
        If shapes do not match, a rate is NaN, times do not rise, or bin_width is not positive.

    Notes
    -----
    The objectives of MiV-Simulator's network optimisation, computed in float64 instead of float32.
    """
    rows, times = traces("rates", rates).astype(np.float64, copy=False), rising("time", time)
    if len(times) != rows.shape[1] or len(times) < 2 or not (np.diff(times) > 0).all():
        raise ValueError(
            f"rates have shape {rows.shape}, time {times.shape}; expected (n_units, n_time) and two times or more, rising"
        )
    unknown = np.argwhere(np.isnan(rows))
    if len(unknown):
        raise ValueError(f"rates[{unknown[0][0]}, {unknown[0][1]}] is NaN; expected a rate")
    if not bin_width > 0:
        raise ValueError(f"bin_width is {bin_width}; expected a positive number")
    if not len(rows):
        return NetworkFeatures(0.0, 0.0, 0.0, 0.0)
    mean = rows.mean(axis=1)
    active = mean > 0
    share = _active_share(rows, times, bin_width, threshold)
    rate = float(mean[active].mean()) if active.any() else 0.0
    return NetworkFeatures(rate, float(active.mean()), float(share.mean()), float(share.std()))


def _active_share(
    rates: NDArray[np.float64], time: NDArray[np.float64], bin_width: float, threshold: float
) -> NDArray[np.float64]:
    """Share of the units above the threshold in each bin."""
    middle = np.arange(time[0], time[-1] + (time[1] - time[0]), bin_width) + bin_width / 2
    active = np.zeros(len(middle))
    for rate in rates:
        active += np.interp(middle, time, rate) > threshold
    return active / len(rates)
