"""Spike trains of input cells: inhomogeneous Poisson processes, exact in time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


class InputSpikes(NamedTuple):
    """Spikes, sorted by cell, then trial, then time.

    Attributes
    ----------
    offsets
        Spikes of the k-th cell asked for are ``offsets[k]`` to ``offsets[k + 1]``, int64[n_cells + 1].
    node_id
        Number of the cell, int32[n].
    trial
        int32[n].
    time
        float64[n], in ms, on the time axis of the rates.
    """

    offsets: NDArray[np.int64]
    node_id: NDArray[np.int32]
    trial: NDArray[np.int32]
    time: Reals


def input_spikes(
    time: ArrayLike,
    rates: ArrayLike,
    cells: ArrayLike,
    *,
    seed: int,
    population: str,
    n_trials: int = 1,
    first_trial: int = 0,
    refractory: float = 0.0,
) -> InputSpikes:
    """Draw spikes of cells from their rates.

    Parameters
    ----------
    time
        Rising times in ms at which rates are given, float64[n_time], at least two; rates are linear between them.
    rates
        In Hz, float64[n_cells, n_time], or float64[n_time] for all cells alike.
    cells
        Numbers of the cells, int[n_cells].
    seed, population
        Key of the random numbers, with the trial and the cell.
    n_trials, first_trial
        Trials to draw: ``first_trial`` to ``first_trial + n_trials``.
    refractory
        Absolute refractory period in ms. The intensity outside of it is ``1 / (1 / rate - refractory)``, so that
        the mean rate is the one asked for, as long as rates change slowly.

    Returns
    -------
    InputSpikes
        Times from ``time[0]`` to before ``time[-1]``.

    Raises
    ------
    ValueError
        Shapes differ, times do not rise, or a rate is negative, not finite or not below 1 / refractory.

    Notes
    -----
    Thinning (Lewis & Shedler 1979, doi:10.1002/nav.3800260304) under the larger of the intensities at the ends of
    each interval. Times are real numbers: nothing is rounded to a grid. The first spike of a trial is drawn as if
    no spike came shortly before it.
    """
    raise NotImplementedError
