"""Kernels that draw spike times: one function per way of firing (`populations.Firing`).

Each appends to ``cell`` and ``time`` behind the *n* spikes that are there and returns the new number, which may
exceed their length: then nothing more was stored, and the caller tries again with longer arrays. A draw is a pure
function of (seed, trial, stream, cell, number of the draw), see `draws`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ...kernels.draws import exponential, normal, uniforms
from ...kernels.jit import jit
from .populations import Firing

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
Words = NDArray[np.uint64]

# Numba compiles no enumeration into cached code; plain numbers are constants to it.
_TRAIN, _PSTH, _ABSOLUTE = int(Firing.TRAIN), int(Firing.PSTH), int(Firing.ABSOLUTE)
_RATES, _MODULATED = int(Firing.RATES), int(Firing.MODULATED)
_NORMAL, _UNIFORM = int(Firing.NORMAL), int(Firing.UNIFORM)


EARLIEST = 0.1
"""Single spikes drawn earlier than this, in ms, are moved to it, as in the In Silico Framework."""


@jit
def _emit(n: int, cell: Integers, time: Reals, which: int, at: float) -> int:
    """Append a spike of cell *which* at time *at*."""
    if n < len(cell):
        cell[n] = which
        time[n] = at
    return n + 1


@jit
def _train(n: int, cell: Integers, time: Reals, key: Words, cells: int, numbers: Reals, t_stop: float) -> int:
    """Intervals (1 - noise) * interval + noise * Exp(interval), up to t_stop or a given number of spikes."""
    interval, noise, start, count = numbers[0], numbers[1], numbers[2], numbers[3]
    regular = (1.0 - noise) * interval
    for one in range(cells):
        at, draw = start - regular, 0
        while count < 0 or draw < count:
            first, _ = uniforms(key[0], key[1], key[2], one, draw)
            at += regular + noise * interval * exponential(first)
            if count < 0 and at > t_stop:
                break
            if count > 0 and draw == 0:
                at = max(at, 0.0)
            n = _emit(n, cell, time, one, at)
            draw += 1
    return n


@jit
def _psth(
    n: int, cell: Integers, time: Reals, key: Words, cells: int, begin: Reals, width: Reals, hazard: Reals
) -> int:
    """Independent bins, at most one spike in each, without a draw per bin.

    The bin of a cell's next spike is where the summed hazard passes an exponential number: the chance to pass a
    bin is exp(-hazard) = 1 - probability, whatever came before.
    """
    for one in range(cells):
        draw = 0
        first, second = uniforms(key[0], key[1], key[2], one, draw)
        left = exponential(first)
        for k in range(len(begin)):
            if left >= hazard[k]:
                left -= hazard[k]
                continue
            n = _emit(n, cell, time, one, begin[k] + width[k] * second)
            draw += 1
            first, second = uniforms(key[0], key[1], key[2], one, draw)
            left = exponential(first)
    return n


@jit
def _single(n: int, cell: Integers, time: Reals, key: Words, cells: int, numbers: Reals, kind: int) -> int:
    """One spike in a fraction of the cells: normal, uniform or lognormal."""
    for one in range(cells):
        first, second = uniforms(key[0], key[1], key[2], one, 0)
        if first > numbers[0]:
            continue
        if kind == _UNIFORM:
            at = numbers[1] + numbers[2] * second
        else:
            deviate = normal(*uniforms(key[0], key[1], key[2], one, 1))
            if kind == _NORMAL:
                at = numbers[1] + numbers[2] * deviate
            else:
                at = numbers[1] + math.exp(numbers[2] + numbers[3] * deviate)
        n = _emit(n, cell, time, one, max(at, EARLIEST))
    return n


@jit
def _absolute(
    n: int, cell: Integers, time: Reals, key: Words, cells: int, begin: Reals, width: Reals, number: Reals
) -> int:
    """A given number of cells per bin, drawn without replacement; with replacement where cells are too few.

    Floyd's sampling (Bentley & Floyd 1987, doi:10.1145/30401.315746).
    """
    taken = np.full(cells, -1, np.int64)
    for k in range(len(begin)):
        wanted = int(number[k])
        distinct = wanted <= cells
        for j in range(wanted if cells else 0):
            choices = cells - wanted + j + 1 if distinct else cells
            first, second = uniforms(key[0], key[1], key[2], k, j)
            one = min(int(first * choices), choices - 1)
            if distinct and taken[one] == k:
                one = choices - 1
            taken[one] = k
            n = _emit(n, cell, time, one, begin[k] + width[k] * second)
    return n


@jit
def _rates(
    n: int, cell: Integers, time: Reals, key: Words, cells: int, begin: Reals, width: Reals, rate: Reals
) -> int:
    """A Poisson process in each bin: time runs at the bin's rate (Hz), spikes have unit exponential gaps."""
    for one in range(cells):
        draw = 0
        left = exponential(uniforms(key[0], key[1], key[2], one, draw)[0])
        for k in range(len(begin)):
            n, draw, left = _through_bin(n, cell, time, key, one, begin[k], width[k], rate[k], draw, left)
    return n


@jit
def _modulated(
    n: int, cell: Integers, time: Reals, key: Words, cells: int, numbers: Reals, t_stop: float
) -> int:
    """A Poisson process of rate mean * (1 + modulation * sin(phase of the bin)), each cell with its own phase.

    Bins have their width from the offset on; the first begins at 0 with a rate of its own, the last ends at t_stop.
    """
    before, mean, depth = numbers[0], numbers[1], numbers[2]
    frequency, size, offset = numbers[3], numbers[4], numbers[5]
    duration = t_stop - offset
    bins = max(1, math.ceil(duration / size))
    turns = 2.0 * math.pi * duration * frequency / 1000.0
    for one in range(cells):
        first, second = uniforms(key[0], key[1], key[2], one, 0)
        phase = 2.0 * math.pi * first if numbers[7] < 0 else numbers[6] + numbers[7] * normal(first, second)
        draw = 1
        left = exponential(uniforms(key[0], key[1], key[2], one, draw)[0])
        for k in range(bins):
            begin = offset + k * size if k > 0 else 0.0
            end = offset + (k + 1) * size if k < bins - 1 else t_stop
            rate = mean * (1.0 + depth * math.sin(turns * k / (bins - 1) + phase)) if k > 0 else before
            n, draw, left = _through_bin(n, cell, time, key, one, begin, end - begin, rate, draw, left)
    return n


@jit
def _through_bin(
    n: int,
    cell: Integers,
    time: Reals,
    key: Words,
    one: int,
    begin: float,
    width: float,
    rate: float,
    draw: int,
    left: float,
) -> tuple[int, int, float]:
    expected = rate * width / 1000.0
    passed = 0.0
    while left < expected - passed:
        passed += left
        n = _emit(n, cell, time, one, begin + width * passed / expected)
        draw += 1
        left = exponential(uniforms(key[0], key[1], key[2], one, draw)[0])
    return n, draw, left - (expected - passed)


@jit
def draw(
    cell: Integers,
    time: Reals,
    key: Words,
    t_stop: float,
    kind: Integers,
    first_cell: Integers,
    cells: Integers,
    streams: Words,
    numbers: Reals,
    first_bin: Integers,
    bins: Reals,
) -> int:
    """Draw all spikes of a trial, source by source: cells numbered through all populations.

    Parameters
    ----------
    cell, time
        Where they go, int64 and float64 of one length.
    key
        Seed, trial, and room for a stream, uint64[3]; overwritten.
    t_stop
        End of Poisson trains in ms.
    kind, first_cell, cells, streams, numbers
        One row per source: `Firing`, number of the population's first cell, its cells, its stream, its numbers.
    first_bin, bins
        First bin of each source, int64[n_sources + 1]; begin, width, value of all, float64[3, n_bins].

    Returns
    -------
    int
        The number of spikes; beyond the length of *cell* they are counted only.
    """
    n = 0
    for s in range(len(kind)):
        key[2] = streams[s]
        begin, width, value = bins[:, first_bin[s] : first_bin[s + 1]]
        before = n
        if kind[s] == _TRAIN:
            n = _train(n, cell, time, key, cells[s], numbers[s], t_stop)
        elif kind[s] == _PSTH:
            n = _psth(n, cell, time, key, cells[s], begin, width, value)
        elif kind[s] == _ABSOLUTE:
            n = _absolute(n, cell, time, key, cells[s], begin, width, value)
        elif kind[s] == _RATES:
            n = _rates(n, cell, time, key, cells[s], begin, width, value)
        elif kind[s] == _MODULATED:
            n = _modulated(n, cell, time, key, cells[s], numbers[s], t_stop)
        else:
            n = _single(n, cell, time, key, cells[s], numbers[s], kind[s])
        cell[before:n] += first_cell[s]
    return n


@jit
def by_cell(cell: Integers, time: Reals, cells: int) -> tuple[Integers, Reals]:
    """Order spikes by cell, then time: return the first spike of each cell, int64[cells + 1], and all times.

    Parameters
    ----------
    cell
        Number of the cell of each spike, int64[n_spikes].
    time
        Time of each spike in ms, float64[n_spikes].
    cells
        Number of cells.
    """
    first = np.zeros(cells + 1, np.int64)
    for one in cell:
        first[one + 1] += 1
    first = np.cumsum(first)
    filled = np.zeros(cells, np.int64)
    ordered = np.empty(len(time))
    for k in range(len(cell)):
        one = cell[k]
        at = first[one] + filled[one]
        while at > first[one] and ordered[at - 1] > time[k]:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = time[k]
        filled[one] += 1
    return first, ordered


@jit
def release(
    out: Integers,
    when: Reals,
    key: Words,
    streams: Words,
    population: Integers,
    synapse_id: Integers,
    cell: Integers,
    probability: Reals,
    first: Integers,
    time: Reals,
) -> int:
    """Each synapse passes each spike of its cell with its probability; every spike is a draw of its own.

    Parameters
    ----------
    out, when
        Where rows of synapses and times go, long enough for all.
    key, streams
        Seed and trial; the stream of each population.
    population, synapse_id, cell, probability
        One row per synapse; *cell* is numbered through all populations.
    first, time
        From `by_cell`.

    Returns
    -------
    int
        The number of activations.
    """
    n = 0
    for s in range(len(cell)):
        if probability[s] == 0.0:
            continue
        for k in range(first[cell[s]], first[cell[s] + 1]):
            draw = k - first[cell[s]]
            chance, _ = uniforms(key[0], key[1], streams[population[s]], synapse_id[s], draw)
            if chance <= probability[s]:
                out[n] = s
                when[n] = time[k]
                n += 1
    return n
