"""Rules of connection without synapses that are there beforehand: fixed degrees, one to one, all to all.

Rules that draw are keyed by (seed, projection, cell), where the cell is the one whose degree is fixed.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..draws import exponential, key_word, stream, uniforms
from ..jit import jit, over_rows
from .arguments import SourcelessError, cell_ids, coordinates, longer
from .arranging import FEW, RISING, Bins, binned, candidate_at, guide_of, sort_pairs, thinned_by
from .ordering import rows_by_node
from .weighting import BAD_WEIGHT, Partners, Targets, Weighting, candidates_by, falls, uniform, weights_by

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
    """Draw *degree* targets for each source cell: as `fixed_indegree` with the roles exchanged.

    Parameters
    ----------
    degree
        Edges that begin at each source cell.
    cells
        Node ids of the source cells, rising, int[n_cells].
    source, target
        Positions (u, v) in µm of the source cells, float64[n_cells], and of all cells of the target population.
    seed, projection, reach, weighting, parameters
        As of `fixed_indegree`.
    autapses
        Whether a cell may be its own target, where both populations are one.
    multapses
        Whether a target may be drawn more than once for a source.

    Raises
    ------
    SourcelessError, ValueError
        As `fixed_indegree`.
    """
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


def pairwise_bernoulli(
    cells: ArrayLike,
    target: tuple[ArrayLike, ArrayLike],
    source: tuple[ArrayLike, ArrayLike],
    *,
    seed: int,
    projection: str,
    reach: tuple[float, float] = (np.inf, np.inf),
    weighting: Weighting,
    parameters: ArrayLike = (),
    autapses: bool = True,
) -> EdgeTable:
    """Connect each pair with a probability of its own.

    Parameters
    ----------
    cells
        Node ids of the target cells, rising, int[n_cells].
    target, source
        Positions (u, v) in µm of the target cells, float64[n_cells], and of all cells of the source population.
    seed, projection
        Key of the random numbers, with both cells: no pair's number depends on another's.
    reach
        Pairs farther apart than ``|du| < reach[0]`` and ``|dv| < reach[1]``, in µm, are not connected.
    weighting, parameters
        Probability of a pair, see `weighting`; float64[k].
    autapses
        Whether a cell may be its own source, where both populations are one.

    Returns
    -------
    EdgeTable
        Edges of one target in the order of the sources' u.

    Raises
    ------
    ValueError
        Shapes differ, positions are not finite, or a probability is negative or above 1.
    """
    ids, own, others, numbers = _checked(cells, target, source, reach, weighting, parameters)
    key = np.array([key_word(seed, "seed"), stream("pairs", projection)], np.uint64)
    ends = (float(reach[0]), float(reach[1]))
    kernel = partial(_pairs_by(weighting), Targets(ids, *own), others, ends, numbers, key, bool(autapses))
    parts = over_rows(kernel, len(ids))
    for *_, bad in parts:
        if bad >= 0:
            raise ValueError(
                f"the probability of a source of cell {ids[bad]} is negative, above 1 or not finite"
            )
    counts, node, distance = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return EdgeTable(node, np.repeat(ids.astype(np.int32), counts), distance)


def one_to_one(n_sources: int, n_targets: int) -> EdgeTable:
    """Connect source k with target k.

    Parameters
    ----------
    n_sources, n_targets
        Number of cells of either population.

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
    """Connect each source with each target.

    Parameters
    ----------
    n_sources, n_targets
        Number of cells of either population.
    autapses
        Whether a source is connected with the target of its own number.

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


def _checked(
    cells: ArrayLike,
    here: tuple[ArrayLike, ArrayLike],
    there: tuple[ArrayLike, ArrayLike],
    reach: tuple[float, float],
    weighting: Weighting,
    parameters: ArrayLike,
) -> tuple[NDArray[np.int64], tuple[Reals, Reals], Partners, Reals]:
    """Node ids and positions of cells, their partners in the order of u, and parameters of the weighting."""
    if not (reach[0] > 0 and reach[1] > 0):
        raise ValueError(f"reach is {reach}; expected two positive distances in um")
    ids = cell_ids(cells)
    own, partner = coordinates("cells", here, len(ids)), coordinates("candidates", there)
    numbers = np.ascontiguousarray(parameters, np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"parameters have shape {numbers.shape}; expected one dimension")
    falls(weighting, numbers)
    order = np.argsort(partner[0], kind="stable")
    return ids, own, Partners(order.astype(np.int32), partner[0][order], partner[1][order]), numbers


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
    ids, own, others, numbers = _checked(cells, here, there, reach, weighting, parameters)
    partner = tuple(np.asarray(axis, np.float64) for axis in there)
    bins = binned(partner[0], partner[1], reach) if falls(weighting, numbers) else Bins.none()
    key = np.array([key_word(seed, "seed"), stream("degrees", projection)], np.uint64)
    node, distance = np.empty(len(ids) * degree, np.int32), np.empty(len(ids) * degree, np.float32)
    kernel = partial(
        _partners_by(weighting),
        Targets(ids, *own),
        others,
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
            if n == RISING:
                raise ValueError(
                    f"the weighting, registered as falling, rises for a partner of cell {ids[cell]}"
                )
            if cell >= 0:
                wanted = 1 if multapses else degree
                raise SourcelessError(
                    f"cell {ids[cell]} has {n} candidates in reach; expected at least {wanted}", cell, -1
                )
    return np.repeat(ids.astype(np.int32), degree), node, distance


@cache
def _partners_by(weighting: Weighting) -> Any:
    """The kernel that draws partners, with a weighting compiled into it."""
    candidates, thinned = candidates_by(weighting), thinned_by(weighting)

    @jit
    def partners(
        cells: Targets,
        others: Partners,
        bins: Bins,
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
            drawn, state = node[k * degree : (k + 1) * degree], FEW
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
            if state != FEW:
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


@cache
def _pairs_by(weighting: Weighting) -> Any:
    """The kernel that decides pair by pair, with a weighting compiled into it."""
    weights = weights_by(weighting)

    @jit
    def pairs(
        cells: Targets,
        others: Partners,
        reach: tuple[float, float],
        numbers: Reals,
        key: NDArray[np.uint64],
        autapses: bool,
        begin: int,
        end: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32], int]:
        """Edges of cells: numbers, sources, distances; at last a cell with a probability that is none, or -1."""
        n_others, size, n = len(others.u), 1024, 0
        place, away, weight = np.empty(n_others, np.int32), np.empty((2, n_others)), np.empty(n_others)
        counts, node, distance = (
            np.zeros(end - begin, np.int64),
            np.empty(size, np.int32),
            np.empty(size, np.float32),
        )
        for k in range(begin, end):
            excluded, first = -1 if autapses else cells.ids[k], n
            found = weights(
                others, cells.u[k], cells.v[k], reach[0], reach[1], numbers, excluded, place, away, weight
            )
            if found < 0:
                return counts, node[:n], distance[:n], k
            if n + found > size:
                size = 2 * (n + found)
                node, distance = longer(node, size), longer(distance, size)
            good = True
            for i in range(found):
                good &= weight[i] <= 1.0
                source = others.node[place[i]]
                number, _ = uniforms(key[0], np.uint64(0), key[1], cells.ids[k], source)
                node[n], distance[n] = source, abs(away[0, i]) + abs(away[1, i])
                n += int(number <= weight[i])  # overwritten if it is no edge
            if not good:
                return counts, node[:n], distance[:n], k
            counts[k - begin] = n - first
        return counts, node[:n], distance[:n], -1

    return pairs


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
