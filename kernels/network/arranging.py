"""Drawing sources from weights, and arranging them along the cable of a cell. All of it for one cell at a time."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..draws import exponential, normal, uniforms
from ..jit import jit
from .ordering import rows_by_node
from .weighting import BAD_WEIGHT, Partners, Weighting

Reals = NDArray[np.float64]
Words = NDArray[np.uint64]
Names = NDArray[np.int32]

SHUFFLED, CLUSTERED, PLAIN = 0, 1, 2

_SHORT = 40  # fewer are sorted by insertion


class Scratch(NamedTuple):
    """Room for the sorts of a thread, as long as the synapses of a cell and its contacts.

    Attributes
    ----------
    keys, spare_keys
        Keys to sort, and room for as many.
    spare_names
        Room for the names that are sorted by the keys.
    reals
        Room for numbers, such as sums of weights.
    """

    keys: NDArray[np.uint32]
    spare_keys: NDArray[np.uint32]
    spare_names: Names
    reals: Reals


@jit
def rows_by_layer(layer: NDArray[np.int16], starts: NDArray[np.int64], rows: Names) -> None:
    """Group the synapses of a cell by layer, by a stable counting sort.

    Parameters
    ----------
    layer
        Layer of each synapse, int16[n].
    starts
        Gets where each layer begins, and the last one ends.
    rows
        Gets the rows of the synapses, layer by layer.
    """
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
    """Sort rows by their distance, stably.

    Parameters
    ----------
    distance
        Distance of each row of the cell in µm.
    rows
        Rows to sort, in place.
    scratch
        Room to work in.
    """
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
    """Sort keys, and names with them: a stable radix sort, a byte at a time.

    Parameters
    ----------
    keys
        The keys, of which the order is not kept.
    names
        Names to sort by the keys, in place.
    n
        How many of them to sort.
    spare_keys, spare_names
        Room for *n* of either.
    """
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
    """Find, for each of n equal parts of the total, the first running sum above its lower end (Chen & Asau 1974).

    Parameters
    ----------
    sums
        Running sums of the candidates' weights, float64[n].
    guide
        Gets the number of the running sum, one for each part.
    """
    i, n = 0, len(sums)
    for j in range(n):
        level = sums[n - 1] * (j / n)
        while sums[i] <= level:
            i += 1
        guide[j] = i


@jit
def candidate_at(number: float, sums: Reals, guide: Names) -> int:
    """Return the candidate that a number falls on; never one without weight.

    Parameters
    ----------
    number
        A number in (0, 1].
    sums
        Running sums of the candidates' weights, float64[n].
    guide
        As `guide_of` fills it.
    """
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
    """Draw candidates for the synapses of a cell, in the order of the synapses; return the number of draws so far.

    Parameters
    ----------
    sums
        Running sums of the candidates' weights, float64[n_candidates].
    guide
        As `guide_of` fills it.
    key
        Key of the random numbers: seed and stream.
    cell
        Id of the cell.
    drawn
        Number of draws before.
    contacts
        Synapses that a drawn candidate gets.
    arrangement
        `PLAIN`, `SHUFFLED` or another arrangement of this module.
    spread
        How far from their centre the contacts of a candidate lie; used by `SHUFFLED`.
    n
        Number of synapses.
    taken
        Gets the candidate of each synapse; longer than *n* by *contacts*, of which the last ones are left over.
    scratch
        Room to work in.
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


RISING, FEW = -3, -4
"""Why no partners were drawn: a weight rises with distance; it is better to look at all of them."""

# Bins along an axis on each side of a cell, as far as partners are in reach.
_PER_REACH = 8


class Bins(NamedTuple):
    """Partners in a grid over u and v: those of a bin in succession.

    Attributes
    ----------
    low
        Lowest u and v of the grid in µm.
    side
        Width of a bin along u and v in µm.
    shape
        Number of bins along u and v.
    offsets
        First partner of each bin, and the end of the last, int64[n_bins + 1].
    partners
        The partners, bin by bin.
    """

    low: tuple[float, float]
    side: tuple[float, float]
    shape: tuple[int, int]
    offsets: NDArray[np.int64]
    partners: Partners

    @classmethod
    def none(cls) -> "Bins":
        """No grid."""
        empty = Partners(np.empty(0, np.int32), np.empty(0), np.empty(0))
        return cls((0.0, 0.0), (1.0, 1.0), (0, 0), np.zeros(1, np.int64), empty)


def binned(u: Reals, v: Reals, reach: tuple[float, float]) -> Bins:
    """Sort partners into bins that are small against the reach.

    Parameters
    ----------
    u, v
        Positions of the partners in µm, float64[n].
    reach
        Greatest |du| and |dv| of a partner in µm.
    """
    if not len(u):
        return Bins.none()
    low, side, shape, place = [], [], [], np.zeros(len(u), np.int64)
    for values, far in ((u, reach[0]), (v, reach[1])):
        extent = max(float(np.ptp(values)), 1e-9)
        # No more bins than there are partners, together.
        n = int(np.clip(np.ceil(extent / min(far, extent) * _PER_REACH), 1, max(1, int(np.sqrt(len(u))))))
        low.append(float(values.min()))
        side.append(extent / n)
        shape.append(n)
        place = place * n + np.minimum((values - low[-1]) / side[-1], n - 1).astype(np.int64)
    rows, offsets = rows_by_node(place, shape[0] * shape[1])
    partners = Partners(rows.astype(np.int32), u[rows], v[rows])
    return Bins((low[0], low[1]), (side[0], side[1]), (shape[0], shape[1]), offsets, partners)


@jit
def _first_bin(place: float, n: int) -> int:
    return int(min(max(place, 0.0), n - 1.0))


@jit
def _gap(x: float, low: float, high: float) -> float:
    """How far *x* is from an interval."""
    return max(low - x, x - high, 0.0)


@cache
def thinned_by(weighting: Weighting) -> Any:
    """Return the kernel that draws partners without looking at all, with a weighting that falls compiled into it.

    Parameters
    ----------
    weighting
        The weighting, a compiled kernel.
    """

    @jit
    def thinned(
        bins: Bins,
        u: float,
        v: float,
        reach: tuple[float, float],
        numbers: Reals,
        key: NDArray[np.uint64],
        cell: int,
        excluded: int,
        most: int,
        multapses: bool,
        mark: NDArray[np.int64],
        stamp: int,
        guide: NDArray[np.int32],
        bin_of: NDArray[np.int32],
        sums: Reals,
        drawn: NDArray[np.int32],
    ) -> int:
        """Draw a bin by the greatest weight that its place allows, and one of its partners; keep it by its weight.

        Returns 0, or why nothing came of it: `FEW` where looking at all partners is better.
        """
        n, total, n_candidates = 0, 0.0, 0
        for i in range(
            _first_bin((u - reach[0] - bins.low[0]) / bins.side[0], bins.shape[0]),
            _first_bin((u + reach[0] - bins.low[0]) / bins.side[0], bins.shape[0]) + 1,
        ):
            du = _gap(u, bins.low[0] + i * bins.side[0], bins.low[0] + (i + 1) * bins.side[0])
            for j in range(
                _first_bin((v - reach[1] - bins.low[1]) / bins.side[1], bins.shape[1]),
                _first_bin((v + reach[1] - bins.low[1]) / bins.side[1], bins.shape[1]) + 1,
            ):
                dv = _gap(v, bins.low[1] + j * bins.side[1], bins.low[1] + (j + 1) * bins.side[1])
                here = i * bins.shape[1] + j
                count = bins.offsets[here + 1] - bins.offsets[here]
                if count > 0 and du < reach[0] and dv < reach[1]:
                    total += weighting(du, dv, numbers) * count
                    n_candidates += count
                    bin_of[n], sums[n] = here, total
                    n += 1
        if n_candidates <= most or not (total > 0.0 and total < np.inf):
            return FEW
        guide_of(sums[:n], guide)
        d, others = 0, bins.partners
        for attempt in range(64 * len(drawn) + 1000):
            number, chance = uniforms(key[0], np.uint64(0), key[1], cell, attempt)
            b = candidate_at(number, sums[:n], guide)
            before = sums[b - 1] if b > 0 else 0.0
            first, count = bins.offsets[bin_of[b]], bins.offsets[bin_of[b] + 1] - bins.offsets[bin_of[b]]
            # The rest of the number selects the partner of the bin.
            part = (number * total - before) / (sums[b] - before)
            row = first + min(max(int(part * count), 0), count - 1)
            du, dv = u - others.u[row], v - others.v[row]
            if abs(du) < reach[0] and abs(dv) < reach[1] and others.node[row] != excluded:
                bound, weight = (sums[b] - before) / count, weighting(du, dv, numbers)
                if not weight >= 0.0:
                    return BAD_WEIGHT
                if weight > bound * (1.0 + 1e-6) + 1e-12 * total:
                    return RISING
                if chance * bound <= weight and (multapses or mark[row] != stamp):
                    mark[row], drawn[d] = stamp, row
                    d += 1
                    if d == len(drawn):
                        return 0
        return FEW

    return thinned
