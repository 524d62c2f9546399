"""Firing rates as functions of time: the Bayesian adaptive kernel smoother (BAKS)."""

from functools import partial
from math import exp, lgamma

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, event_times, rising
from ..jit import jit, over_rows


def bayesian_rates(
    unit: ArrayLike,
    time: ArrayLike,
    at: ArrayLike,
    *,
    n_units: int,
    alpha: float = 4.77,
    beta: float | None = None,
    fewest_spikes: int = 2,
) -> NDArray[np.float64]:
    """Estimate the firing rate of each unit by a Gaussian kernel whose width adapts to the spikes around.

    Parameters
    ----------
    unit, time
        Unit (a cell, a trial) of each spike, integers in ``[0, n_units)``, and its time in ms, shape (n_spikes,), in
        any order. Spikes before ``at[0]`` and after ``at[-1]`` are left out.
    at
        Times in ms to estimate the rate at, shape (n_at,), not decreasing.
    n_units
        Number of units, those without spikes included.
    alpha
        Shape of the prior of the width.
    beta
        Its scale in 1/s², by default ``n ** (4 / 5)`` for a unit of n spikes.
    fewest_spikes
        A unit with fewer spikes has rate 0. A single spike says little about the rate.

    Returns
    -------
    numpy.ndarray
        float64[n_units, n_at] in spikes per second.

    Raises
    ------
    ValueError
        If lengths differ, a unit is out of range, times are NaN, *at* decreases or is infinite, or alpha or beta is not
        positive.

    Notes
    -----
    With time in seconds, the width at t is ``h = G(alpha) / G(alpha + 1/2) * sum(x ** -alpha) /
    sum(x ** (-alpha - 1/2))`` with ``x = (t - spike)² / 2 + 1 / beta``, and the rate is the sum of
    the normal densities of that width around the spikes.

    References
    ----------
    Ahmadi, Constandinou & Bouganis (2018), PLoS ONE 13(11): e0206794; default values and the choice of spikes are
    those of MiV-Simulator.
    """
    moment, places = event_times("time", time), rising("at", at)
    units = codes("unit", unit, n_units, len(moment))
    if not (alpha > 0 and (beta is None or beta > 0)):
        raise ValueError(f"alpha is {alpha}, beta {beta}; expected positive numbers")
    if not np.isfinite(places).all():
        i = np.flatnonzero(~np.isfinite(places))[0]
        raise ValueError(f"at[{i}] is {places[i]}; expected a finite time")
    rates = np.zeros((n_units, len(places)))
    if rates.size:
        inside = (moment >= places[0]) & (moment <= places[-1])
        spikes, first = _by_unit(units[inside], moment[inside], n_units)
        ratio = exp(lgamma(alpha) - lgamma(alpha + 0.5))
        kernel = partial(
            _smooth, spikes, first, places / 1000, alpha, beta or 0.0, ratio, fewest_spikes, rates
        )
        over_rows(kernel, n_units, len(spikes) * len(places))
    return rates


def _by_unit(
    unit: NDArray[np.int64], time: NDArray[np.float64], n_units: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times in seconds, ordered by unit, and where each unit begins."""
    order = np.argsort(unit, kind="stable")
    first = np.zeros(n_units + 1, np.int64)
    np.cumsum(np.bincount(unit, minlength=n_units), out=first[1:])
    return time[order].astype(np.float64) / 1000, first


@jit
def _smooth(
    spikes: NDArray[np.float64],
    first: NDArray[np.int64],
    at: NDArray[np.float64],
    alpha: float,
    beta: float,
    ratio: float,
    fewest: int,
    rates: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    for unit in range(begin, end):
        train = spikes[first[unit] : first[unit + 1]]
        if 0 < len(train) >= fewest:
            offset = 1.0 / (beta if beta > 0.0 else len(train) ** 0.8)
            for i in range(len(at)):
                rates[unit, i] = _rate(train, at[i], alpha, offset, ratio)


@jit
def _rate(train: NDArray[np.float64], at: float, alpha: float, offset: float, ratio: float) -> float:
    above, below = 0.0, 0.0
    for spike in train:
        x = (at - spike) ** 2 / 2 + offset
        power = x**-alpha
        above += power
        below += power / np.sqrt(x)
    width = ratio * above / below
    rate = 0.0
    for spike in train:
        rate += np.exp(-(((at - spike) / width) ** 2) / 2)
    return rate / (np.sqrt(2 * np.pi) * width)  # type: ignore[no-any-return]
