"""Drawing sources from weights, and arranging them along the cable of a cell. All of it for one cell at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..draws import exponential, normal, uniforms
from ..jit import jit

Reals = NDArray[np.float64]
Words = NDArray[np.uint64]
Names = NDArray[np.int32]

SHUFFLED, CLUSTERED, PLAIN = 0, 1, 2

_SHORT = 40  # fewer are sorted by insertion


class Scratch(NamedTuple):
    """Room for the sorts of a thread, as long as the synapses of a cell and its contacts."""

    keys: NDArray[np.uint32]
    spare_keys: NDArray[np.uint32]
    spare_names: Names
    reals: Reals


@jit
def rows_by_layer(layer: NDArray[np.int16], starts: NDArray[np.int64], rows: Names) -> None:
    """Group the synapses of a cell by layer, a stable counting sort; *starts* gets where each layer begins."""
    starts[:] = 0
    for i in range(len(layer)):
        starts[layer[i] + 1] += 1
    for code in range(1, len(starts)):
        starts[code] += starts[code - 1]
    at = starts.copy()
    for i in range(len(layer)):
        rows[at[layer[i]]] = i
        at[layer[i]] += 1


@jit
def cable_order(distance: NDArray[np.float32], rows: Names, scratch: Scratch) -> None:
    """Sort rows by their distance, stably."""
    bits = distance.view(np.uint32)
    sign, all_bits = np.uint32(0x80000000), np.uint32(0xFFFFFFFF)
    for i in range(len(rows)):
        word = bits[rows[i]]
        # Negative numbers have their order reversed as integers, and come first.
        scratch.keys[i] = word ^ (all_bits if word & sign else sign)
    sort_pairs(scratch.keys, rows, len(rows), scratch.spare_keys, scratch.spare_names)


@jit
def sort_pairs(
    keys: NDArray[np.uint32], names: Names, n: int, spare_keys: NDArray[np.uint32], spare_names: Names
) -> None:
    """Sort the first *n* keys, and names with them: a stable radix sort, a byte at a time."""
    if n < _SHORT:
        for i in range(1, n):
            key, name, j = keys[i], names[i], i
            while j > 0 and keys[j - 1] > key:
                keys[j], names[j] = keys[j - 1], names[j - 1]
                j -= 1
            keys[j], names[j] = key, name
        return
    counts = np.zeros((4, 256), np.int32)
    low = np.uint32(255)
    for i in range(n):
        key = keys[i]
        counts[0, key & low] += 1
        counts[1, (key >> np.uint32(8)) & low] += 1
        counts[2, (key >> np.uint32(16)) & low] += 1
        counts[3, key >> np.uint32(24)] += 1
    from_keys, from_names, to_keys, to_names = keys[:n], names[:n], spare_keys[:n], spare_names[:n]
    for byte in range(4):
        shift, at = np.uint32(8 * byte), counts[byte]
        if at.max() == n:
            continue
        total = 0
        for digit in range(256):
            here = at[digit]
            at[digit] = total
            total += here
        for i in range(n):
            key = from_keys[i]
            digit = (key >> shift) & low
            to_keys[at[digit]], to_names[at[digit]] = key, from_names[i]
            at[digit] += 1
        from_keys, from_names, to_keys, to_names = to_keys, to_names, from_keys, from_names
    names[:n] = from_names


@jit
def guide_of(sums: Reals, guide: Names) -> None:
    """For each of n equal parts of the total, the first running sum above its lower end (Chen & Asau 1974)."""
    i, n = 0, len(sums)
    for j in range(n):
        level = sums[n - 1] * (j / n)
        while sums[i] <= level:
            i += 1
        guide[j] = i


@jit
def candidate_at(number: float, sums: Reals, guide: Names) -> int:
    """The candidate that a number in (0, 1] falls on; one without weight never."""
    n = len(sums)
    i = int(guide[min(int(number * n), n - 1)])
    level = number * sums[n - 1]
    while sums[i] < level:
        i += 1
    return i


@jit
def arranged(
    sums: Reals,
    guide: Names,
    key: Words,
    cell: int,
    drawn: int,
    contacts: int,
    arrangement: int,
    spread: float,
    n: int,
    taken: Names,
    scratch: Scratch,
) -> int:
    """Draw candidates for *n* synapses of a cell, in the order of the synapses; the number of draws so far.

    ``taken`` is longer than n by contacts, of which the last ones are left over.
    """
    groups = (n + contacts - 1) // contacts
    if arrangement == SHUFFLED:
        return _shuffled(sums, guide, key, cell, drawn, contacts, spread, groups, taken, scratch)
    spare = -1.0
    for g in range(groups):
        if spare >= 0.0:
            number, spare = spare, -1.0
        else:
            number, spare = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
            drawn += 1
        candidate = candidate_at(number, sums, guide)
        for c in range(contacts):
            taken[g * contacts + c] = candidate
    if arrangement == PLAIN and contacts > 1:
        for i in range(groups * contacts - 1, 0, -1):
            number, _ = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
            drawn += 1
            j = min(int(number * (i + 1)), i)
            taken[i], taken[j] = taken[j], taken[i]
    return drawn


@jit
def _shuffled(
    sums: Reals,
    guide: Names,
    key: Words,
    cell: int,
    drawn: int,
    contacts: int,
    spread: float,
    groups: int,
    taken: Names,
    scratch: Scratch,
) -> int:
    """Each candidate's contacts lie about a centre of its own; sorted along the line."""
    spare = -1.0
    for g in range(groups):
        if spare >= 0.0:
            number, spare = spare, -1.0
        else:
            number, spare = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
            drawn += 1
        taken[g] = candidate_at(number, sums, guide)
        scratch.keys[g] = taken[g]
    sort_pairs(scratch.keys, taken, groups, scratch.spare_keys, scratch.spare_names)
    names = scratch.spare_names
    names[:groups] = taken[:groups]
    # Sorted uniform numbers are sums of exponential ones over their total. Of candidates that were not drawn only
    # the sum over those in a row is needed: a number of the gamma distribution.
    gaps, distinct, before, total = scratch.reals, 0, -1, 0.0
    for g in range(groups):
        if names[g] != before:
            value, drawn = _gamma(names[g] - before, key, cell, drawn)
            total += value
            gaps[distinct] = total
            distinct, before = distinct + 1, names[g]
    value, drawn = _gamma(len(sums) - before, key, cell, drawn)
    total += value
    # Fixed point: no deviate is beyond 8.6 standard deviations.
    reach = 1.0 + 9.0 * spread
    scale = 4294967295.0 / (2.0 * reach)
    distinct, before, n, sine, centre = -1, -1, 0, np.nan, 0.0
    for g in range(groups):
        if names[g] != before:
            distinct, before = distinct + 1, names[g]
            centre = 2.0 * gaps[distinct] / total - 1.0 + reach
        for _ in range(contacts):
            if np.isnan(sine):
                first, second = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
                drawn += 1
                radius, angle = np.sqrt(-2.0 * np.log(first)), 2.0 * np.pi * second
                deviate, sine = radius * np.cos(angle), radius * np.sin(angle)
            else:
                deviate, sine = sine, np.nan
            scratch.keys[n] = np.uint32((centre + spread * deviate) * scale)
            taken[n] = names[g]
            n += 1
    sort_pairs(scratch.keys, taken, n, scratch.spare_keys, scratch.spare_names)
    return drawn


@jit
def _gamma(shape: int, key: Words, cell: int, drawn: int) -> tuple[float, int]:
    """A number of the gamma distribution of a whole shape, the sum of as many exponential ones.

    Large shapes by Marsaglia & Tsang 2000 (doi:10.1145/358407.358414).
    """
    if shape <= 4:
        product = 1.0
        for k in range(0, shape, 2):
            first, second = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
            drawn += 1
            product *= first * (second if k + 1 < shape else 1.0)
        return exponential(product), drawn
    d = shape - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    while True:
        first, second = uniforms(key[0], np.uint64(0), key[1], cell, drawn)
        number, _ = uniforms(key[0], np.uint64(0), key[1], cell, drawn + 1)
        drawn += 2
        x = normal(first, second)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and np.log(number) < 0.5 * x * x + d * (1.0 - v + np.log(v)):
            return d * v, drawn
