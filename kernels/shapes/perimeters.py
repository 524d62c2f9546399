"""Perimeters of processes, which are not round, from their diameters."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import row_offsets, whole_numbers
from ..draws import key_word, stream, truncated_normal, uniforms
from ..jit import jit, over_rows

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class PerimeterRule(NamedTuple):
    """A linear model of perimeters, with noise that is smoothed along the processes.

    Attributes
    ----------
    slope, intercept
        The mean is ``slope * diameter + intercept``, in µm.
    deviation
        Standard deviation of what is added, in µm; no perimeter is negative.
    window
        Weights of neighbouring points, an odd number of them; they are divided by their sum.
    """

    slope: float = 2.06
    intercept: float = 1.022
    deviation: float = 1.1161
    window: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)


def perimeters(
    diameter: ArrayLike,
    offsets: ArrayLike,
    parent: ArrayLike,
    cells: ArrayLike,
    rule: PerimeterRule | None = None,
    *,
    seed: int = 0,
    first: int = 0,
) -> Reals:
    """Draw perimeters of the points of cells.

    Parameters
    ----------
    diameter
        Of each point, float[n_points], in µm.
    offsets
        Section k has the points ``offsets[k]`` to ``offsets[k + 1]``, int[n_sections + 1]; a child's first point is its
        parent's last one.
    parent
        Section of the same cell that each leaves, below it, int[n_sections]; -1 for the first one, which is the soma, and
        0 for those that leave it.
    cells
        Cell c has the sections ``cells[c]`` to ``cells[c + 1]``, int[n_cells + 1].
    rule
        The model; by default `PerimeterRule()`.
    seed, first
        Key of the random numbers, and number of the first cell.

    Returns
    -------
    float64[n_points]
        In µm; of a soma the circumference.

    Raises
    ------
    ValueError
        Arrays do not fit, a parent does not come first, or the window has no middle.

    Notes
    -----
    As ``perimeters`` of ArchNGV 3.3. A point's neighbours are those of its section; before it, those of the sections that it
    leaves; behind it, those of the longest way to a tip. Where a process ends the last value goes on, and at a root the first
    ones are reflected. Each cell's sum is the same before and after smoothing.
    """
    chosen = rule or PerimeterRule()
    weights = np.asarray(chosen.window, np.float64)
    if len(weights) % 2 != 1 or not weights.sum() > 0 or (weights < 0).any():
        raise ValueError(f"window is {list(chosen.window)}; expected an odd number of weights")
    if not 0 <= chosen.deviation < np.inf:
        raise ValueError(f"deviation is {chosen.deviation}; expected 0 or more")
    across = np.ascontiguousarray(diameter, np.float64)
    above = whole_numbers("parent", parent).astype(np.int64)
    bounds = row_offsets(offsets, len(above), len(across))
    groups = whole_numbers("cells", cells).astype(np.int64)
    groups = row_offsets(groups, len(groups) - 1, len(above))
    own = np.arange(len(above)) - np.repeat(groups[:-1], np.diff(groups))
    bad = np.flatnonzero((above >= own) | (above < -1) | ((above < 0) != (own == 0)))
    if bad.size:
        raise ValueError(
            f"parent[{bad[0]}] is {above[bad[0]]}; expected a section of the cell before {own[bad[0]]}"
        )
    empty = np.flatnonzero(np.diff(bounds) < np.where(above < 0, 1, 2))
    if empty.size:
        raise ValueError(f"section {empty[0]} has too few points; expected two, and one of a soma")
    found = np.empty(len(across))
    numbers = (float(chosen.slope), float(chosen.intercept), float(chosen.deviation))
    word, purpose = key_word(seed, "seed"), stream("perimeters", "astrocytes")
    work = partial(
        _drawn, across, bounds, above, groups, numbers, weights / weights.sum(), word, purpose, first, found
    )
    over_rows(work, len(groups) - 1)
    return found


@jit
def _drawn(
    diameter: Reals,
    offsets: Whole,
    parent: Whole,
    cells: Whole,
    numbers: tuple[float, float, float],
    weights: Reals,
    seed: np.uint64,
    purpose: np.uint64,
    first: int,
    found: Reals,
    begin: int,
    end: int,
) -> None:
    half = len(weights) // 2
    for cell in range(begin, end):
        low, high = cells[cell], cells[cell + 1]
        if low == high:
            continue
        start = offsets[low]
        raw = np.empty(offsets[high] - start)
        for k in range(low, high):
            for i in range(offsets[k], offsets[k + 1]):
                if parent[k] < 0:
                    raw[i - start] = np.pi * diameter[i]
                elif parent[k] > 0 and i == offsets[k]:
                    raw[i - start] = raw[offsets[low + parent[k] + 1] - 1 - start]
                else:
                    number, _ = uniforms(seed, np.uint64(0), purpose, first + cell, i - start)
                    mean = numbers[0] * diameter[i] + numbers[1]
                    raw[i - start] = truncated_normal(number, mean, numbers[2], 0.0, np.inf)
        heir = _longest(offsets, parent, low, high)
        before = after = 0.0
        values = np.empty(0)
        for k in range(low, high):
            one, last = offsets[k] - start, offsets[k + 1] - start
            if parent[k] < 0:
                found[start + one : start + last] = raw[one:last]
                continue
            values = np.empty(last - one + 2 * half)
            values[half : half + last - one] = raw[one:last]
            _upstream(raw, offsets, parent, low, k, start, values[:half])
            _downstream(raw, offsets, heir, low, k, start, values[half + last - one :])
            for i in range(last - one):
                total = 0.0
                for w in range(len(weights)):
                    total += weights[w] * values[i + w]
                found[start + one + i] = total
                before, after = before + raw[one + i], after + total
        if after > 0.0:
            for k in range(low, high):
                if parent[k] >= 0:
                    found[offsets[k] : offsets[k + 1]] *= before / after


@jit
def _longest(offsets: Whole, parent: Whole, low: int | np.int64, high: int | np.int64) -> Whole:
    """The child of each section on the way to the tip that has the most points before it, -1 at tips."""
    heir, most = np.full(high - low, -1, np.int64), np.zeros(high - low, np.int64)
    for k in range(high - 1, low, -1):
        p = parent[k]
        size = offsets[k + 1] - offsets[k] + most[k - low]
        # Going backwards, so of equal ones the first is left.
        if size >= most[p]:
            most[p], heir[p] = size, k - low
    return heir


@jit
def _upstream(
    raw: Reals, offsets: Whole, parent: Whole, low: int | np.int64, k: int, start: int | np.int64, room: Reals
) -> None:
    """Values before a section, the nearest one last."""
    n = len(room)
    if parent[k] == 0:
        one, size = offsets[k] - start, offsets[k + 1] - offsets[k]
        for i in range(n):
            room[n - 1 - i] = raw[one + min(1 + i, size - 1)]
        return
    at, section = 0, parent[k]
    while section > 0 and at < n:
        one, last = offsets[low + section] - start, offsets[low + section + 1] - start
        for i in range(last - 2, one - 1, -1):
            if at < n:
                room[n - 1 - at] = raw[i]
                at += 1
        section = parent[low + section]
    for i in range(at, n):
        room[n - 1 - i] = room[n - at]


@jit
def _downstream(
    raw: Reals, offsets: Whole, heir: Whole, low: int | np.int64, k: int, start: int | np.int64, room: Reals
) -> None:
    """Values behind a section."""
    at, section = 0, heir[k - low]
    while section >= 0 and at < len(room):
        one, last = offsets[low + section] - start, offsets[low + section + 1] - start
        for i in range(one + 1, last):
            if at < len(room):
                room[at] = raw[i]
                at += 1
        section = heir[section]
    last_value = room[at - 1] if at else raw[offsets[k + 1] - 1 - start]
    for i in range(at, len(room)):
        room[i] = last_value
