"""Rates of input cells: constant, or a function of a signal; trajectories, oscillations. Rates are in Hz."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Reals = NDArray[np.float64]


class Trajectory(NamedTuple):
    """A path through an arena at one velocity.

    Attributes
    ----------
    time
        float64[n_time], in ms; negative during equilibration, when the place is where the path would have come from.
    position
        float64[n_time, n_dimensions], in cm.
    distance
        Along the path from its beginning, float64[n_time], in cm.
    """

    time: Reals
    position: Reals
    distance: Reals


def chosen_features(
    cells: ArrayLike, probabilities: ArrayLike, *, seed: int, population: str
) -> NDArray[np.int16]:
    """Choose a type of feature for each cell.

    Parameters
    ----------
    cells
        Numbers of the cells, int[n_cells].
    probabilities
        Of each type, float64[n_types]; their sum is 1.
    seed, population
        Key of the random numbers.

    Returns
    -------
    numpy.ndarray
        Type of each cell, int16[n_cells].

    Raises
    ------
    ValueError
        Probabilities are negative or do not sum to 1.
    """
    raise NotImplementedError


def trajectory(path: ArrayLike, velocity: float, dt: float, equilibration: float = 0.0) -> Trajectory:
    """Follow straight lines from point to point.

    Parameters
    ----------
    path
        Points, shape (n_points, n_dimensions), in cm.
    velocity
        In cm/s.
    dt
        Between two samples, in ms.
    equilibration
        How long to run before the path begins, along the extension of its first line, in ms.

    Raises
    ------
    ValueError
        Fewer than two points, successive points that are equal, or numbers that are not positive.
    """
    raise NotImplementedError


def constant_rates(peak: ArrayLike, n_time: int) -> Reals:
    """The peak rate of each cell, float64[n_cells], at all times: float64[n_cells, n_time]."""
    raise NotImplementedError


def linear_rates(signal: ArrayLike, peak: ArrayLike) -> Reals:
    """Rates in proportion to a signal: 0 at 0, the peak rate at 1, and no further beyond.

    Parameters
    ----------
    signal
        float64[n_time] for all cells, or float64[n_cells, n_time].
    peak
        float64[n_cells], in Hz.

    Returns
    -------
    numpy.ndarray
        float64[n_cells, n_time].

    Raises
    ------
    ValueError
        Shapes differ, or a peak is negative or not finite.
    """
    raise NotImplementedError


def receptive_field_rates(signal: ArrayLike, centre: ArrayLike, width: ArrayLike, peak: ArrayLike) -> Reals:
    """Rates of cells that prefer a place or value: ``peak exp(-|signal - centre|² / (2 width²))``.

    Parameters
    ----------
    signal
        float64[n_time] or float64[n_time, n_dimensions].
    centre
        float64[n_cells] or float64[n_cells, n_dimensions].
    width
        Standard deviation, float64[n_cells], in the signal's unit.
    peak
        float64[n_cells], in Hz.

    Returns
    -------
    numpy.ndarray
        float64[n_cells, n_time].

    Raises
    ------
    ValueError
        Shapes differ, a width is not positive, or a peak is negative or not finite.
    """
    raise NotImplementedError


def preferred_phases(
    cells: ArrayLike, phase_range: tuple[float, float], *, seed: int, population: str
) -> Reals:
    """The phase of the oscillation at which each cell fires most, in degrees from 0 to 360, float64[n_cells].

    Normal with the mean in the middle of the range, and the standard deviation at which the density at its ends
    is a hundredth of the greatest; taken modulo 360.

    Raises
    ------
    ValueError
        The range is empty or not finite.
    """
    raise NotImplementedError


def phase_modulation(
    time: ArrayLike,
    phase: ArrayLike,
    *,
    frequency: float,
    depth: float,
    position: ArrayLike = 0.0,
    slope: float = 0.0,
    offset: float = 0.0,
) -> Reals:
    """Factors of rates that an oscillation modulates, of mean 1 over whole cycles.

    Parameters
    ----------
    time
        float64[n_time], in ms.
    phase
        Preferred phase, float64[n_cells], in degrees.
    frequency
        In Hz.
    depth
        From 0 (no modulation) to 1 (rates fall to zero).
    position
        Place of each cell along the axis on which the oscillation travels, in µm, float64[n_cells] or a number.
    slope, offset
        The oscillation's phase at a position in degrees: ``slope * position / 1000 + offset``.

    Returns
    -------
    numpy.ndarray
        ``((cos(2 pi f t - local phase - preferred phase) + 1) depth / 2 + 1 - depth) / (1 - depth / 2)``,
        float64[n_cells, n_time].

    Raises
    ------
    ValueError
        Shapes differ, or depth is not in [0, 1].
    """
    raise NotImplementedError


def equilibration_ramp(time: ArrayLike) -> Reals:
    """Factors of rates, float64[n_time], that rise from 0 at the first time to 1 at time 0 as half a Hann window.

    Times are in ms and rise; those that are not negative have the factor 1.

    Raises
    ------
    ValueError
        Times do not rise.
    """
    raise NotImplementedError
