"""Rules of connection without synapses that are there beforehand: fixed degrees, one to one, all to all.

Rules that draw are keyed by (seed, projection, cell), where the cell is the one whose degree is fixed.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..draws import exponential, key_word, stream, uniforms
from ..jit import jit, over_rows
from .arguments import SourcelessError, cell_ids, coordinates
from .arranging import candidate_at, guide_of, sort_pairs
from .ordering import rows_by_node
from .weighting import BAD_WEIGHT, Partners, Targets, Weighting, candidates_by, falls, uniform

Reals = NDArray[np.float64]


class EdgeTable(NamedTuple):
    """Edges, sorted by target; those of one target are sorted by source where the rule draws nothing.

    Attributes
    ----------
    source_node_id, target_node_id
        int32[n].
    distance
        ``|du| + |dv|`` in µm, float32[n]; NaN where positions are not asked for.
    """

    source_node_id: NDArray[np.int32]
    target_node_id: NDArray[np.int32]
    distance: NDArray[np.float32]


def fixed_indegree(
    degree: int,
    cells: ArrayLike,
    target: tuple[ArrayLike, ArrayLike],
    source: tuple[ArrayLike, ArrayLike],
    *,
    seed: int,
    projection: str,
    reach: tuple[float, float] = (np.inf, np.inf),
    weighting: Weighting = uniform,
    parameters: ArrayLike = (),
    autapses: bool = True,
    multapses: bool = True,
) -> EdgeTable:
    """Draw *degree* sources for each target cell.

    Parameters
    ----------
    degree
        Edges that end at each target cell.
    cells
        Node ids of the target cells, rising, int[n_cells].
    target, source
        Positions (u, v) in µm of the target cells, float64[n_cells], and of all cells of the source population.
    seed, projection
        Key of the random numbers; the projection's name.
    reach
        Candidates have ``|du| < reach[0]`` and ``|dv| < reach[1]``, in µm.
    weighting, parameters
        Relative probability of a candidate, see `weighting`; float64[k].
    autapses
        Whether a cell may be its own source, where both populations are one.
    multapses
        Whether a source may be drawn more than once for a target.

    Raises
    ------
    SourcelessError
        A target has no candidate, or without multapses fewer than *degree*.
    ValueError
        Shapes differ, positions are not finite, or a number is out of range.
    """
    found = _drawn(
        degree,
        cells,
        target,
        source,
        seed,
        f"in {projection}",
        reach,
        weighting,
        parameters,
        autapses,
        multapses,
    )
    return EdgeTable(source_node_id=found[1], target_node_id=found[0], distance=found[2])


def fixed_outdegree(
    degree: int,
    cells: ArrayLike,
    source: tuple[ArrayLike, ArrayLike],
    target: tuple[ArrayLike, ArrayLike],
    *,
    seed: int,
    projection: str,
    reach: tuple[float, float] = (np.inf, np.inf),
    weighting: Weighting = uniform,
    parameters: ArrayLike = (),
    autapses: bool = True,
    multapses: bool = True,
) -> EdgeTable:
    """Draw *degree* targets for each source cell of *cells*: as `fixed_indegree` with the roles exchanged."""
    chosen = _drawn(
        degree,
        cells,
        source,
        target,
        seed,
        f"out {projection}",
        reach,
        weighting,
        parameters,
        autapses,
        multapses,
    )
    order = rows_by_node(chosen[1], len(np.asarray(target[0]))).rows
    return EdgeTable(chosen[0][order], chosen[1][order], chosen[2][order])


def one_to_one(n_sources: int, n_targets: int) -> EdgeTable:
    """Connect source k with target k.

    Raises
    ------
    ValueError
        The populations are not of one size.
    """
    if n_sources != n_targets or n_sources < 0:
        raise ValueError(f"{n_sources} sources and {n_targets} targets; expected as many of both")
    node = np.arange(n_sources, dtype=np.int32)
    return EdgeTable(node, node.copy(), np.full(n_sources, np.nan, np.float32))


def all_to_all(n_sources: int, n_targets: int, *, autapses: bool = True) -> EdgeTable:
    """Connect each source with each target; without autapses, not those of one number.

    Raises
    ------
    ValueError
        A number is negative.
    """
    if n_sources < 0 or n_targets < 0:
        raise ValueError(f"{n_sources} sources and {n_targets} targets; expected 0 or more")
    source = np.tile(np.arange(n_sources, dtype=np.int32), n_targets)
    target = np.repeat(np.arange(n_targets, dtype=np.int32), n_sources)
    if not autapses:
        other = source != target
        source, target = source[other], target[other]
    return EdgeTable(source, target, np.full(len(source), np.nan, np.float32))


def _drawn(
    degree: int,
    cells: ArrayLike,
    here: tuple[ArrayLike, ArrayLike],
    there: tuple[ArrayLike, ArrayLike],
    seed: int,
    projection: str,
    reach: tuple[float, float],
    weighting: Weighting,
    parameters: ArrayLike,
    autapses: bool,
    multapses: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Cells whose degree is fixed, each *degree* times; the partners drawn for them; distances."""
    if degree < 0:
        raise ValueError(f"degree is {degree}; expected 0 or more")
    if not (reach[0] > 0 and reach[1] > 0):
        raise ValueError(f"reach is {reach}; expected two positive distances in um")
    ids = cell_ids(cells)
    own, partner = coordinates("cells", here, len(ids)), coordinates("candidates", there)
    numbers = np.ascontiguousarray(parameters, np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"parameters have shape {numbers.shape}; expected one dimension")
    order = np.argsort(partner[0], kind="stable")
    bins = _binned(*partner, reach) if falls(weighting, numbers) else _Bins.none()
    key = np.array([key_word(seed, "seed"), stream("degrees", projection)], np.uint64)
    node, distance = np.empty(len(ids) * degree, np.int32), np.empty(len(ids) * degree, np.float32)
    kernel = partial(
        _partners_by(weighting),
        Targets(ids, *own),
        Partners(order.astype(np.int32), partner[0][order], partner[1][order]),
        bins,
        (float(reach[0]), float(reach[1])),
        numbers,
        key,
        int(degree),
        bool(autapses),
        bool(multapses),
        node,
        distance,
    )
    if degree:
        for cell, n in over_rows(kernel, len(ids)):
            if n == BAD_WEIGHT:
                raise ValueError(f"the weighting is negative or not finite for a partner of cell {ids[cell]}")
            if n == _RISING:
                raise ValueError(
                    f"the weighting, registered as falling, rises for a partner of cell {ids[cell]}"
                )
            if cell >= 0:
                wanted = 1 if multapses else degree
                raise SourcelessError(
                    f"cell {ids[cell]} has {n} candidates in reach; expected at least {wanted}", cell, -1
                )
    return np.repeat(ids.astype(np.int32), degree), node, distance


_RISING = -3
_FEW = -4

# Bins along an axis on each side of a cell, as far as partners are in reach.
_BINS = 8


class _Bins(NamedTuple):
    """Partners in a grid over u and v: those of a bin in succession."""

    low: tuple[float, float]
    side: tuple[float, float]
    shape: tuple[int, int]
    offsets: NDArray[np.int64]
    partners: Partners

    @classmethod
    def none(cls) -> "_Bins":
        """No grid."""
        empty = Partners(np.empty(0, np.int32), np.empty(0), np.empty(0))
        return cls((0.0, 0.0), (1.0, 1.0), (0, 0), np.zeros(1, np.int64), empty)


def _binned(u: Reals, v: Reals, reach: tuple[float, float]) -> _Bins:
    if not len(u):
        return _Bins.none()
    low, side, shape, place = [], [], [], np.zeros(len(u), np.int64)
    for values, far in ((u, reach[0]), (v, reach[1])):
        extent = max(float(np.ptp(values)), 1e-9)
        # No more bins than there are partners, together.
        n = int(np.clip(np.ceil(extent / min(far, extent) * _BINS), 1, max(1, int(np.sqrt(len(u))))))
        low.append(float(values.min()))
        side.append(extent / n)
        shape.append(n)
        place = place * n + np.minimum((values - low[-1]) / side[-1], n - 1).astype(np.int64)
    rows, offsets = rows_by_node(place, shape[0] * shape[1])
    partners = Partners(rows.astype(np.int32), u[rows], v[rows])
    return _Bins((low[0], low[1]), (side[0], side[1]), (shape[0], shape[1]), offsets, partners)


@jit
def _first_bin(place: float, n: int) -> int:
    return int(min(max(place, 0.0), n - 1.0))


@jit
def _gap(x: float, low: float, high: float) -> float:
    """How far *x* is from an interval."""
    return max(low - x, x - high, 0.0)


@cache
def _thinned_by(weighting: Weighting) -> Any:
    """The kernel that draws partners without looking at all, with a weighting that falls compiled into it."""

    @jit
    def thinned(
        bins: _Bins,
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

        Returns 0, or why nothing came of it: `_FEW` where looking at all partners is better.
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
            return _FEW
        guide_of(sums[:n], guide)
        d, others = 0, bins.partners
        for attempt in range(64 * len(drawn) + 1000):
            number, chance = uniforms(key[0], np.uint64(0), key[1], cell, attempt)
            b = candidate_at(number, sums[:n], guide)
            before = sums[b - 1] if b > 0 else 0.0
            first, count = bins.offsets[bin_of[b]], bins.offsets[bin_of[b] + 1] - bins.offsets[bin_of[b]]
            # What is left of the number says which partner of the bin.
            part = (number * total - before) / (sums[b] - before)
            row = first + min(max(int(part * count), 0), count - 1)
            du, dv = u - others.u[row], v - others.v[row]
            if abs(du) < reach[0] and abs(dv) < reach[1] and others.node[row] != excluded:
                bound, weight = (sums[b] - before) / count, weighting(du, dv, numbers)
                if not weight >= 0.0:
                    return BAD_WEIGHT
                if weight > bound * (1.0 + 1e-6) + 1e-12 * total:
                    return _RISING
                if chance * bound <= weight and (multapses or mark[row] != stamp):
                    mark[row], drawn[d] = stamp, row
                    d += 1
                    if d == len(drawn):
                        return 0
        return _FEW

    return thinned


@cache
def _partners_by(weighting: Weighting) -> Any:
    """The kernel that draws partners, with a weighting compiled into it."""
    candidates, thinned = candidates_by(weighting), _thinned_by(weighting)

    @jit
    def partners(
        cells: Targets,
        others: Partners,
        bins: _Bins,
        reach: tuple[float, float],
        numbers: Reals,
        key: NDArray[np.uint64],
        degree: int,
        autapses: bool,
        multapses: bool,
        node: NDArray[np.int32],
        distance: NDArray[np.float32],
        begin: int,
        end: int,
    ) -> tuple[int, int]:
        """Draw the partners of cells; the first cell that has too few candidates, and how many."""
        n_others, n_bins = len(others.u), len(bins.offsets) - 1
        size = max(n_others, n_bins)
        place, sums, guide = np.empty(n_others, np.int32), np.empty(size), np.empty(size, np.int32)
        away = np.empty((2, n_others))
        race, spare = np.empty(n_others, np.float32), np.empty(n_others, np.uint32)
        names, spare_names = np.empty(size, np.int32), np.empty(n_others, np.int32)
        mark = np.full(n_others, -1, np.int64)
        for k in range(begin, end):
            excluded = -1 if autapses else cells.ids[k]
            drawn, state = node[k * degree : (k + 1) * degree], _FEW
            if n_bins > 0:
                state = thinned(
                    bins,
                    cells.u[k],
                    cells.v[k],
                    reach,
                    numbers,
                    key,
                    cells.ids[k],
                    excluded,
                    (_MANY if multapses else _SOME) * degree,
                    multapses,
                    mark,
                    k,
                    guide,
                    names,
                    sums,
                    drawn,
                )
            if state == 0:
                _named(drawn, bins.partners, cells.u[k], cells.v[k], distance[k * degree : (k + 1) * degree])
                continue
            if state != _FEW:
                return k, state
            n = candidates(
                others, cells.u[k], cells.v[k], reach[0], reach[1], numbers, excluded, place, away, sums
            )
            if n <= 0:
                return k, n
            if multapses:
                guide_of(sums[:n], guide)
                for d in range(0, degree, 2):
                    pair = uniforms(key[0], np.uint64(1), key[1], cells.ids[k], d)
                    for e in range(min(2, degree - d)):
                        drawn[d + e] = place[candidate_at(pair[e], sums[:n], guide)]
            else:
                few = _raced(sums[:n], key, cells.ids[k], race, spare, names, spare_names)
                if few < degree:
                    return k, few
                for d in range(degree):
                    drawn[d] = place[names[d]]
            _named(drawn, others, cells.u[k], cells.v[k], distance[k * degree : (k + 1) * degree])
        return -1, 0

    return partners


# Candidates for each edge from which on it is faster not to look at all of them, with and without multapses.
_MANY, _SOME = 8, 4


@jit
def _named(
    drawn: NDArray[np.int32], others: Partners, u: float, v: float, distance: NDArray[np.float32]
) -> None:
    """Put nodes in the place of rows of partners, and find their distances."""
    for d in range(len(drawn)):
        row = drawn[d]
        drawn[d] = others.node[row]
        distance[d] = abs(u - others.u[row]) + abs(v - others.v[row])


@jit
def _raced(
    sums: Reals,
    key: NDArray[np.uint64],
    cell: int,
    race: NDArray[np.float32],
    spare: NDArray[np.uint32],
    names: NDArray[np.int32],
    spare_names: NDArray[np.int32],
) -> int:
    """Put candidates in the order in which draws without replacement take them; how many have a weight.

    The order of exponential numbers over weights (Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003).
    """
    n, before = 0, 0.0
    for i in range(len(sums)):
        weight = sums[i] - before
        before = sums[i]
        if weight > 0.0:
            number, _ = uniforms(key[0], np.uint64(1), key[1], cell, i)
            race[n], names[n] = exponential(number) / weight, i
            n += 1
    sort_pairs(race.view(np.uint32), names, n, spare, spare_names)
    return n
