"""Which of the targets in its domain an astrocyte reaches for."""

from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import whole_numbers
from ..draws import exponential, key_word, stream, uniforms
from ..jit import jit, over_rows
from .planes import DomainPlanes
from .targets import DomainTargets, VesselTargets

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]
Strategy = Literal["maximum_reachout", "random_selection"]
STRATEGIES = ("maximum_reachout", "random_selection")


class Reached(NamedTuple):
    """Targets that astrocytes reach for, astrocyte by astrocyte.

    Attributes
    ----------
    astrocyte
        int64[n], rising.
    target
        Row of the target, int64[n].
    """

    astrocyte: Whole
    target: Whole


def reached_targets(
    targets: VesselTargets,
    candidates: DomainTargets,
    planes: DomainPlanes,
    counts: ArrayLike,
    strategy: Strategy = "maximum_reachout",
    *,
    seed: int = 0,
) -> Reached:
    """Choose as many targets as each astrocyte wants, or all of its candidates where they are fewer.

    Parameters
    ----------
    targets
        Places along vessels.
    candidates
        Those in each domain.
    planes
        The domains; distances are from the means of their vertices.
    counts
        How many targets each astrocyte wants, int[n_domains].
    strategy
        ``"maximum_reachout"``: sections of vessels are in the order of their nearest candidates. If there are as many as
        wanted, the nearest candidate of each of the first ones is taken. Else they share the number evenly, as far as they
        have candidates, and what is left goes to the first ones; of a section the nearest candidate is taken first, then
        always the one farthest from those taken. ``"random_selection"``: without replacement.
    seed
        Key of the random numbers of ``"random_selection"``.

    Returns
    -------
    Reached
        In the order of choice; all candidates in the order of their rows.

    Raises
    ------
    ValueError
        There is no such strategy, or counts do not fit.

    Notes
    -----
    As ``graph_reachout`` of ArchNGV 3.3 (Zisis et al. 2021, doi:10.1093/cercor/bhab254), which keeps the same targets in
    the order of its R-tree and of Python's sets.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is {strategy!r}; expected one of {', '.join(STRATEGIES)}")
    n = len(candidates.offsets) - 1
    wanted = whole_numbers("counts", counts).astype(np.int64)
    if len(wanted) != n or (n and wanted.min() < 0):
        raise ValueError(f"counts have shape {wanted.shape}, least {wanted.min(initial=0)}; expected ({n},)")
    sizes = np.minimum(wanted, np.diff(candidates.offsets))
    begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    target = np.empty(begins[-1], np.int64)
    if strategy == "random_selection":
        word, purpose = key_word(seed, "seed"), stream("reachout", "astrocytes")
        work = partial(_at_random, candidates, begins, target, word, purpose)
    else:
        work = partial(_farthest, targets, candidates, planes.centroids, begins, target)
    over_rows(work, n)
    return Reached(np.repeat(np.arange(n), sizes), target)


@jit
def _at_random(
    candidates: DomainTargets,
    begins: Whole,
    target: Whole,
    seed: np.uint64,
    purpose: np.uint64,
    begin: int,
    end: int,
) -> None:
    for d in range(begin, end):
        own = candidates.targets[candidates.offsets[d] : candidates.offsets[d + 1]]
        n = begins[d + 1] - begins[d]
        if n == len(own):
            target[begins[d] : begins[d + 1]] = own
            continue
        # Each candidate has a number of its own: those with the least ones are a uniform choice.
        race = np.empty(len(own))
        for i in range(len(own)):
            number, _ = uniforms(seed, np.uint64(0), purpose, d, i)
            race[i] = exponential(number)
        target[begins[d] : begins[d + 1]] = own[np.argsort(race, kind="mergesort")[:n]]


@jit
def _farthest(
    targets: VesselTargets,
    candidates: DomainTargets,
    centres: NDArray[np.float32],
    begins: Whole,
    target: Whole,
    begin: int,
    end: int,
) -> None:
    for d in range(begin, end):
        own = candidates.targets[candidates.offsets[d] : candidates.offsets[d + 1]]
        chosen = target[begins[d] : begins[d + 1]]
        if len(chosen) == len(own):
            chosen[:] = own
            continue
        away = np.empty(len(own))
        for i in range(len(own)):
            x = centres[d, 0] - targets.points[own[i], 0]
            y = centres[d, 1] - targets.points[own[i], 1]
            z = centres[d, 2] - targets.points[own[i], 2]
            away[i] = np.sqrt(x * x + y * y + z * z)
        by_section = np.argsort(targets.section[own], kind="mergesort")
        starts = np.empty(len(own) + 1, np.int64)
        nearest, least = np.empty(len(own), np.int64), np.empty(len(own), np.float32)
        n = 0
        for k in range(len(own)):
            i = by_section[k]
            if k == 0 or targets.section[own[i]] != targets.section[own[by_section[k - 1]]]:
                starts[n], nearest[n] = k, i
                n += 1
            elif away[i] < away[nearest[n - 1]]:
                nearest[n - 1] = i
        starts[n] = len(own)
        for g in range(n):
            least[g] = away[nearest[g]]
        order = np.argsort(least[:n], kind="mergesort")
        if len(chosen) <= n:
            for k in range(len(chosen)):
                chosen[k] = own[nearest[order[k]]]
            continue
        shares = _shares(len(chosen), starts, order)
        at = 0
        for k in range(n):
            g = order[k]
            rows = by_section[starts[g] : starts[g + 1]]
            _spread(targets.points, own, rows, nearest[g], chosen[at : at + shares[k]])
            at += shares[k]


@jit
def _shares(wanted: int, starts: Whole, order: Whole) -> Whole:
    """How many targets each section gets, in order: even shares, and what does not fit goes to the first ones."""
    n = len(order)
    shares = np.full(n, wanted // n, np.int64)
    left = wanted % n
    for k in range(n):
        room = starts[order[k] + 1] - starts[order[k]]
        if shares[k] > room:
            left += shares[k] - room
            shares[k] = room
    for k in range(n):
        more = min(left, starts[order[k] + 1] - starts[order[k]] - shares[k])
        shares[k] += more
        left -= more
    return shares


@jit
def _spread(points: Reals, own: Whole, rows: Whole, first: int, chosen: Whole) -> None:
    """Take the first candidate of a section, and then always the one farthest from those taken."""
    scores = np.full(len(rows), np.inf)
    last = first
    for k in range(len(chosen)):
        chosen[k] = own[last]
        best = -1
        for i in range(len(rows)):
            if rows[i] == last:
                scores[i] = -1.0
            if scores[i] < 0.0:
                continue
            x = points[own[rows[i]], 0] - points[own[last], 0]
            y = points[own[rows[i]], 1] - points[own[last], 1]
            z = points[own[rows[i]], 2] - points[own[last], 2]
            scores[i] = min(scores[i], x * x + y * y + z * z)
            if best < 0 or scores[i] > scores[best]:
                best = i
        if best >= 0:
            last = rows[best]
