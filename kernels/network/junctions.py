"""Gap junctions between cells near each other."""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..draws import exponential, key_word, stream, uniforms
from ..jit import jit, over_rows
from .arguments import longer
from .crowding import CrowdGrid, cell_at, crowd

Reals = NDArray[np.float64]


class JunctionSites(NamedTuple):
    """Sections of a population's tree that may have gap junctions.

    Attributes
    ----------
    section_id
        int32[n].
    soma_distance, length
        Path from the soma to the section's 0 end, and its length, float64[n], in µm.
    """

    section_id: NDArray[np.int32]
    soma_distance: Reals
    length: Reals


class JunctionRule(NamedTuple):
    """How likely and how strong gap junctions are.

    Attributes
    ----------
    probability
        Fraction of the pairs in reach that are connected.
    reach
        Least and greatest distance of two somata, in µm.
    weight
        Relative probability of a pair by the distance of its somata in µm: coefficients of a polynomial, highest
        power first, as ``numpy.polyfit`` returns them. Negative values count as zero.
    coefficient
        Coupling of two somata.
    attenuation
        Factor of the coupling by path distance to the soma in µm: coefficients as of *weight*.
    """

    probability: float
    reach: tuple[float, float]
    weight: tuple[float, ...]
    coefficient: float
    attenuation: tuple[float, ...]


class Junctions(NamedTuple):
    """Gap junctions, sorted by target, then source.

    Attributes
    ----------
    source_node_id, target_node_id
        int32[n].
    source_section_id, target_section_id
        int32[n].
    source_section_pos, target_section_pos
        From 0 to 1 along the section, float32[n].
    source_coupling, target_coupling
        float32[n].
    """

    source_node_id: NDArray[np.int32]
    target_node_id: NDArray[np.int32]
    source_section_id: NDArray[np.int32]
    target_section_id: NDArray[np.int32]
    source_section_pos: NDArray[np.float32]
    target_section_pos: NDArray[np.float32]
    source_coupling: NDArray[np.float32]
    target_coupling: NDArray[np.float32]


def gap_junctions(
    source: ArrayLike,
    target: ArrayLike | None,
    source_sites: JunctionSites,
    target_sites: JunctionSites,
    rule: JunctionRule,
    *,
    seed: int,
    projection: str,
) -> Junctions:
    """Draw gap junctions between two populations, or within one.

    Parameters
    ----------
    source, target
        Somata in space, float64[n, 3], in µm. Without a target pairs are within the source population, each once.
    source_sites, target_sites
        Where junctions may be; sections are equally likely, and so are places along them.
    rule
        Probabilities and couplings.
    seed, projection
        Key of the random numbers.

    Returns
    -------
    Junctions
        ``round(probability * pairs in reach)`` pairs, drawn without replacement in proportion to their weights.

    Raises
    ------
    ValueError
        Shapes or numbers are wrong, there are no sites, or fewer pairs than asked for have a positive weight.

    Notes
    -----
    Of each pair an exponential deviate is divided by its weight, and the pairs with the smallest quotients are taken:
    the same distribution as drawing one after the other from those that are left (Efraimidis & Spirakis 2006,
    doi:10.1016/j.ipl.2005.11.003), and no pair's number depends on another's.
    """
    one = in_space("source", source)
    other = one if target is None else in_space("target", target)
    _check(rule, source_sites, target_sites)
    word, purpose = key_word(seed, "seed"), stream("gap junctions", projection)
    a, b, distance = _pairs(one, other, target is None, rule.reach)
    weight = np.maximum(np.polyval(rule.weight, distance), 0.0)
    wanted = int(np.rint(rule.probability * len(a)))
    if (weight > 0).sum() < wanted:
        raise ValueError(
            f"{wanted} of {len(a)} pairs are to be connected, and {(weight > 0).sum()} of them have a positive weight"
        )
    race = np.empty(len(a))
    _race(a, b, weight, word, purpose, race)
    # The pair itself decides between equals: the order of the somata's grid does not.
    taken = np.lexsort((a, b, race))[:wanted]
    taken = taken[np.lexsort((a[taken], b[taken]))]
    a, b = a[taken], b[taken]
    numbers = np.empty((4, wanted))
    _places(a, b, word, purpose, numbers)
    ends = [
        _end(sites, rule, *numbers[2 * k : 2 * k + 2]) for k, sites in enumerate((source_sites, target_sites))
    ]
    return Junctions(
        a.astype(np.int32),
        b.astype(np.int32),
        ends[0][0],
        ends[1][0],
        ends[0][1],
        ends[1][1],
        ends[0][2],
        ends[1][2],
    )


def _check(rule: JunctionRule, *sites: JunctionSites) -> None:
    if not 0 <= rule.probability <= 1:
        raise ValueError(f"probability is {rule.probability}; expected a number from 0 to 1")
    if not 0 <= rule.reach[0] <= rule.reach[1] < np.inf:
        raise ValueError(f"reach is {rule.reach}; expected the least and the greatest distance in um")
    for each in sites:
        n = len(each.section_id)
        if not n or len(each.soma_distance) != n or len(each.length) != n:
            raise ValueError(
                f"{n} sections may have junctions, with {len(each.length)} lengths; expected some"
            )


def _pairs(
    one: Reals, other: Reals, within: bool, reach: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals]:
    """Pairs of somata in reach and their distances; within a population each once, the smaller number first."""
    if not len(one) or not len(other):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    room = crowd(other, 0, [other], reach[1])
    found = over_rows(partial(_near, one, other, room.grid, within, reach), len(one), 64 * len(one))
    a, b, distance = (np.concatenate([part[k] for part in found]) for k in range(3))
    return a, b, distance


@jit
def _near(
    one: Reals, other: Reals, grid: CrowdGrid, within: bool, reach: tuple[float, float], begin: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals]:
    size, n = 1024, 0
    a, b, distance = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
    for i in range(begin, end):
        x, y, z = one[i]
        for p in range(cell_at(grid, 0, x - reach[1]), cell_at(grid, 0, x + reach[1]) + 1):
            for q in range(cell_at(grid, 1, y - reach[1]), cell_at(grid, 1, y + reach[1]) + 1):
                for r in range(cell_at(grid, 2, z - reach[1]), cell_at(grid, 2, z + reach[1]) + 1):
                    j = grid.first[(p * grid.shape[1] + q) * grid.shape[2] + r]
                    while j >= 0:
                        dx, dy, dz = x - other[j, 0], y - other[j, 1], z - other[j, 2]
                        away = np.sqrt(dx * dx + dy * dy + dz * dz)
                        if reach[0] <= away <= reach[1] and not (within and j <= i):
                            if n == size:
                                size *= 2
                                a, b, distance = longer(a, size), longer(b, size), longer(distance, size)
                            a[n], b[n], distance[n] = i, j, away
                            n += 1
                        j = grid.next[j]
    return a[:n], b[:n], distance[:n]


@jit
def _race(
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    weight: Reals,
    seed: np.uint64,
    purpose: np.uint64,
    race: Reals,
) -> None:
    """An exponential number over its weight for each pair; infinite without a weight."""
    for k in range(len(a)):
        number, _ = uniforms(seed, np.uint64(b[k]), purpose, a[k], 0)
        race[k] = exponential(number) / weight[k] if weight[k] > 0.0 else np.inf


@jit
def _places(
    a: NDArray[np.int64], b: NDArray[np.int64], seed: np.uint64, purpose: np.uint64, numbers: Reals
) -> None:
    for k in range(len(a)):
        for side in range(2):
            first, second = uniforms(seed, np.uint64(b[k]), purpose, a[k], 1 + side)
            numbers[2 * side, k], numbers[2 * side + 1, k] = first, second


def _end(
    sites: JunctionSites, rule: JunctionRule, which: Reals, where: Reals
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Section, place and coupling on one side."""
    n = len(sites.section_id)
    site = np.minimum((which * n).astype(np.int64), n - 1)
    away = np.asarray(sites.soma_distance)[site] + where * np.asarray(sites.length)[site]
    coupling = rule.coefficient * np.polyval(rule.attenuation, away)
    return np.asarray(sites.section_id, np.int32)[site], where.astype(np.float32), coupling.astype(np.float32)
