"""Spike trains of input cells: inhomogeneous Poisson processes, exact in time."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import rising
from ..draws import exponential, key_word, stream, uniforms
from ..jit import jit, over_rows
from .arguments import cell_ids

Reals = NDArray[np.float64]


class InputSpikes(NamedTuple):
    """Spikes, sorted by cell, then trial, then time.

    Attributes
    ----------
    offsets
        Spikes of the k-th cell are ``offsets[k]`` to ``offsets[k + 1]``, int64[n_cells + 1].
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
        the mean rate is the given one, as long as rates change slowly.

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
    times = rising("time", time)
    if len(times) < 2 or not (np.diff(times) > 0).all() or not np.isfinite(times).all():
        raise ValueError("time does not rise, or has fewer than two samples; expected times in ms")
    ids = cell_ids(cells)
    table = np.ascontiguousarray(rates, np.float64)
    shared = table.ndim == 1
    if table.shape != ((len(times),) if shared else (len(ids), len(times))):
        raise ValueError(
            f"rates have shape {table.shape}; expected ({len(ids)}, {len(times)}) or ({len(times)},)"
        )
    if not (0 <= refractory < np.inf and n_trials >= 0 and 0 <= first_trial < 2**31 - n_trials):
        raise ValueError(
            f"refractory is {refractory}, trials {first_trial} and {n_trials} more; expected 0 or more"
        )
    table = np.atleast_2d(table) / 1000.0
    bad = np.argwhere(~((table >= 0) & (table * refractory < 1) & (table < np.inf)))
    if len(bad):
        raise ValueError(
            f"the rate of row {bad[0, 0]} at {times[bad[0, 1]]} ms is {table[tuple(bad[0])] * 1000} Hz; expected it "
            f"not to be negative, and below one spike in {refractory} ms"
        )
    key = np.array([key_word(seed, "seed"), stream("spikes", population)], np.uint64)
    expected = np.broadcast_to(np.trapezoid(table, times, axis=1) * n_trials, len(ids))
    kernel = partial(
        _slice,
        times,
        table / (1.0 - table * refractory),
        expected,
        ids,
        key,
        (first_trial, n_trials),
        float(refractory),
        shared,
    )
    parts = over_rows(kernel, len(ids))
    counts = np.concatenate([part[2] for part in parts])
    return InputSpikes(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        node_id=np.repeat(ids.astype(np.int32), counts),
        trial=np.concatenate([part[0] for part in parts]),
        time=np.concatenate([part[1] for part in parts]),
    )


def _slice(
    time: Reals,
    intensities: Reals,
    expected: Reals,
    cells: NDArray[np.int64],
    key: NDArray[np.uint64],
    trials: tuple[int, int],
    refractory: float,
    shared: bool,
    begin: int,
    end: int,
) -> tuple[NDArray[np.int32], Reals, NDArray[np.int64]]:
    mean = float(expected[begin:end].sum())
    size = int(1.05 * mean + 10 * np.sqrt(mean)) + 64
    while True:
        trial, when, counts = np.empty(size, np.int32), np.empty(size), np.empty(end - begin, np.int64)
        n = _spikes(
            time, intensities, cells, key, trials, refractory, shared, trial, when, counts, begin, end
        )
        if n <= size:
            return trial[:n], when[:n], counts
        size = n


@jit
def _spikes(
    time: Reals,
    intensities: Reals,
    cells: NDArray[np.int64],
    key: NDArray[np.uint64],
    trials: tuple[int, int],
    refractory: float,
    shared: bool,
    trial: NDArray[np.int32],
    when: Reals,
    counts: NDArray[np.int64],
    begin: int,
    end: int,
) -> int:
    """Spikes of cells; more than fit are counted and not stored."""
    n = 0
    for k in range(begin, end):
        intensity, first = intensities[0 if shared else k], n
        for t in range(trials[0], trials[0] + trials[1]):
            drawn, i, at = 0, 0, time[0]
            number, chance = uniforms(key[0], np.uint64(t), key[1], cells[k], drawn)
            left = exponential(number)
            while i < len(time) - 1:
                # The greatest intensity of the interval bounds it; what is left of an exponential number over its
                # end goes on in the next one.
                low, high = intensity[i], intensity[i + 1]
                bound = max(low, high)
                mass = (time[i + 1] - at) * bound
                if left >= mass:
                    left -= mass
                    i += 1
                    at = time[i]
                    continue
                at += left / bound
                if at >= time[i + 1]:
                    at = np.nextafter(time[i + 1], at)
                # It is the rate that is linear.
                low, high = low / (1.0 + low * refractory), high / (1.0 + high * refractory)
                here = low + (high - low) * (at - time[i]) / (time[i + 1] - time[i])
                if chance * bound <= here / (1.0 - here * refractory):
                    if n < len(trial):
                        trial[n], when[n] = t, at
                    n += 1
                    at += refractory
                    while i < len(time) - 1 and time[i + 1] <= at:
                        i += 1
                drawn += 1
                number, chance = uniforms(key[0], np.uint64(t), key[1], cells[k], drawn)
                left = exponential(number)
        counts[k - begin] = n - first
    return n
