"""Rates of input cells: constant, or a function of a signal; trajectories, oscillations. Rates are in Hz."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import line, rising
from ..draws import key_word, stream, uniforms
from ..jit import jit
from .arguments import cell_ids

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
        Probability of each type, float64[n_types]; their sum is 1.
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
    parts = np.ascontiguousarray(probabilities, np.float64)
    if parts.ndim != 1 or not (parts >= 0).all() or not np.isclose(parts.sum(), 1.0, rtol=0, atol=1e-9):
        raise ValueError(
            f"probabilities are {parts.tolist()}; expected numbers that are not negative, of sum 1"
        )
    number = _numbers(cell_ids(cells), key_word(seed, "seed"), stream("features", population))[0]
    # A number is in (0, 1]: a type without a probability has an empty range.
    sums = np.cumsum(parts)
    chosen: NDArray[np.int16] = np.searchsorted(sums, number * sums[-1], side="left").astype(np.int16)
    return chosen


@jit
def _numbers(cells: NDArray[np.int64], seed: np.uint64, purpose: np.uint64) -> Reals:
    """Two uniform numbers for each cell, float64[2, n_cells]."""
    numbers = np.empty((2, len(cells)))
    for k in range(len(cells)):
        numbers[0, k], numbers[1, k] = uniforms(seed, np.uint64(0), purpose, cells[k], 0)
    return numbers


def trajectory(path: ArrayLike, velocity: float, dt: float, equilibration: float = 0.0) -> Trajectory:
    """Follow straight lines from point to point.

    Parameters
    ----------
    path
        Points, shape (n_points, n_dimensions), in cm.
    velocity
        Speed in cm/s.
    dt
        Between two samples, in ms.
    equilibration
        How long to run before the path begins, along the extension of its first line, in ms.

    Raises
    ------
    ValueError
        Fewer than two points, successive points that are equal, or numbers that are not positive.
    """
    points = np.ascontiguousarray(path, np.float64)
    if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(
            f"path has shape {points.shape}; expected at least two finite points (n, n_dimensions)"
        )
    if not (0 < velocity < np.inf and 0 < dt < np.inf and 0 <= equilibration < np.inf):
        raise ValueError(
            f"velocity is {velocity}, dt {dt}, equilibration {equilibration}; expected positive numbers"
        )
    lengths = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
    same = np.flatnonzero(lengths == 0)
    if same.size:
        raise ValueError(
            f"points {same[0]} and {same[0] + 1} of the path are equal; expected a way between them"
        )
    arcs = np.concatenate([[0.0], np.cumsum(lengths)])
    per_ms = velocity / 1000.0
    # Both counts err on the side of one more sample when the quotient is whole but for rounding.
    before = int(np.floor(equilibration / dt * (1 + 1e-12)))
    after = int(np.floor(arcs[-1] / per_ms / dt * (1 + 1e-12)))
    time: Reals = np.arange(-before, after + 1, dtype=np.float64) * float(dt)
    distance = np.minimum(time * per_ms, arcs[-1])
    leg = np.clip(np.searchsorted(arcs, distance, side="right") - 1, 0, len(lengths) - 1)
    part = (distance - arcs[leg]) / lengths[leg]
    position = points[leg] + part[:, None] * (points[leg + 1] - points[leg])
    return Trajectory(time, position, distance)


def _peaks(peak: ArrayLike) -> Reals:
    rates = line("peak", peak)
    bad = np.flatnonzero(~((rates >= 0) & (rates < np.inf)))
    if bad.size:
        raise ValueError(
            f"peak[{bad[0]}] is {rates[bad[0]]}; expected a finite rate in Hz that is not negative"
        )
    return rates


def constant_rates(peak: ArrayLike, n_time: int) -> Reals:
    """Return the peak rate of each cell at all times, float64[n_cells, n_time].

    Parameters
    ----------
    peak
        Peak rates in Hz, float64[n_cells].
    n_time
        Number of times.
    """
    return np.repeat(_peaks(peak)[:, None], n_time, axis=1)


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
    rates = _peaks(peak)
    values = np.asarray(signal, np.float64)
    if values.ndim not in (1, 2) or (values.ndim == 2 and len(values) != len(rates)):
        raise ValueError(f"signal has shape {values.shape}; expected (n_time,) or ({len(rates)}, n_time)")
    result: Reals = np.clip(values, 0.0, 1.0) * rates[:, None]
    return result


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
    rates, widths = _peaks(peak), line("width", width)
    values, centres = (np.asarray(each, np.float64) for each in (signal, centre))
    values = values[:, None] if values.ndim == 1 else values
    centres = centres[:, None] if centres.ndim == 1 else centres
    if not len(rates) == len(widths) == len(centres):
        raise ValueError(
            f"{len(centres)} centres, {len(widths)} widths and {len(rates)} peaks; expected one per cell"
        )
    if values.ndim != 2 or centres.ndim != 2 or values.shape[1] != centres.shape[1]:
        raise ValueError(
            f"signal has shape {values.shape}, centre {centres.shape}; expected as many dimensions"
        )
    bad = np.flatnonzero(~((widths > 0) & (widths < np.inf)))
    if bad.size:
        raise ValueError(f"width[{bad[0]}] is {widths[bad[0]]}; expected a positive number")
    away = sum(((values[:, k] - centres[:, k, None]) / widths[:, None]) ** 2 for k in range(values.shape[1]))
    result: Reals = rates[:, None] * np.exp(-0.5 * np.asarray(away))
    return result


def preferred_phases(
    cells: ArrayLike, phase_range: tuple[float, float], *, seed: int, population: str
) -> Reals:
    """Draw the phase of the oscillation at which each cell fires most, in degrees from 0 to 360, float64[n_cells].

    Normal with the mean in the middle of the range, and the standard deviation at which the density at its ends
    is a hundredth of the greatest; taken modulo 360.

    Parameters
    ----------
    cells
        Ids of the cells, int[n_cells].
    phase_range
        Lowest and highest phase in degrees.
    seed, population
        Key of the random numbers; the population's name.

    Raises
    ------
    ValueError
        The range is empty or not finite.
    """
    low, high = phase_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(
            f"phase_range is {phase_range}; expected two finite angles in degrees, the second larger"
        )
    first, second = _numbers(cell_ids(cells), key_word(seed, "seed"), stream("phases", population))
    deviate = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    sd = (high - low) / 2.0 / np.sqrt(2.0 * np.log(100.0))
    result: Reals = ((low + high) / 2.0 + sd * deviate) % 360.0
    return result


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
    if not 0 <= depth <= 1:
        raise ValueError(f"depth is {depth}; expected a number from 0 to 1")
    if not np.isfinite(frequency):
        raise ValueError(f"frequency is {frequency}; expected a finite number of Hz")
    phases = line("phase", phase)
    place = np.asarray(position, np.float64)
    if place.shape not in ((), phases.shape):
        raise ValueError(f"position has shape {place.shape}; expected one number, or {phases.shape}")
    local = np.radians(slope * place / 1000.0 + offset + phases)
    cycle = 2.0 * np.pi * frequency / 1000.0 * line("time", time) - local[:, None]
    factor: Reals = ((np.cos(cycle) + 1.0) * depth / 2.0 + 1.0 - depth) / (1.0 - depth / 2.0)
    return factor


def equilibration_ramp(time: ArrayLike) -> Reals:
    """Return factors of rates that rise from 0 at the first time to 1 at time 0 as half a Hann window, float64[n_time].

    Times that are not negative have the factor 1.

    Parameters
    ----------
    time
        Times in ms, float64[n_time], rising.

    Raises
    ------
    ValueError
        Times do not rise.
    """
    times = rising("time", time)
    if not len(times) or times[0] >= 0:
        return np.ones(len(times))
    part = np.clip(1.0 - times / times[0], 0.0, 1.0)
    factor: Reals = 0.5 - 0.5 * np.cos(np.pi * part)
    return factor
