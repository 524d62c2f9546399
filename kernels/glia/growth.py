"""Astrocytes grown by space colonisation: a simple model, where no synthesis of measured shapes is at hand.

Processes grow towards points that attract them, which are taken away once they are reached (Runions, Lane & Prusinkiewicz 2007,
doi:10.2312/NPH/NPH07/063-070). Trunks point away from each other and along the domain's long axes, as in ArchNGV. Nothing of
a shape is fitted to data: there are no barcodes of branching, and diameters follow from the number of tips alone.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, line, row_offsets
from ..draws import key_word, stream, truncated_normal, uniforms
from ..jit import jit, over_rows
from .planes import DomainPlanes, in_domain

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]

SOMA, PERIVASCULAR, PERISYNAPTIC = 1, 2, 3
_DIRECTIONS = 128
_STUBBORN = 4  # rounds in which nothing comes nearer to a point, after which it is given up


class GrowthRule(NamedTuple):
    """How astrocytes grow.

    Attributes
    ----------
    attractors
        Points that attract each cell: some of its synapses, and random places of its domain where these are fewer.
    step
        Length of a segment, in µm.
    reach
        A point is reached at this distance, in µm.
    trunks
        Mean and standard deviation of the number of perisynaptic trunks, at least 1.
    tip
        Diameter of tips, in µm.
    exponent
        Where processes part, the sum of the branches' diameters to this power is that of the stem.
    """

    attractors: int = 500
    step: float = 1.5
    reach: float = 2.0
    trunks: tuple[float, float] = (7.0, 1.0)
    tip: float = 0.4
    exponent: float = 3.0


class GrownCells(NamedTuple):
    """Sections of grown cells, cell by cell, in an order in which parents come first; section 0 of each cell is its soma.

    Attributes
    ----------
    points
        Relative to the soma's centre, float64[n_points, 3], in µm. The soma is one point; a section's first point is the
        last one of its parent, or on the soma's surface.
    diameter
        float64[n_points], in µm.
    offsets
        Section k has the points ``offsets[k]`` to ``offsets[k + 1]``, int64[n_sections + 1].
    parent
        Section of the same cell that each leaves, int64[n_sections]; -1 for the soma.
    type
        1 soma, 2 perivascular, 3 perisynaptic; uint8[n_sections].
    cells
        Cell c has the sections ``cells[c]`` to ``cells[c + 1]``, int64[n_cells + 1].
    """

    points: Reals
    diameter: Reals
    offsets: Whole
    parent: Whole
    type: NDArray[np.uint8]
    cells: Whole


class _Inputs(NamedTuple):
    """What cells grow from."""

    planes: DomainPlanes
    somata: Reals
    radii: Reals
    feet: Reals
    foot_offsets: Whole
    synapses: Reals
    synapse_offsets: Whole
    ids: Whole
    seed: np.uint64
    purpose: np.uint64


class _Tree(NamedTuple):
    """Nodes of one cell's processes: where they are, what they hang on, and their types."""

    place: Reals
    parent: Whole
    kind: NDArray[np.uint8]
    diameter: Reals


def grown_cells(
    planes: DomainPlanes,
    somata: ArrayLike,
    radii: ArrayLike,
    feet: tuple[ArrayLike, ArrayLike],
    synapses: tuple[ArrayLike, ArrayLike],
    rule: GrowthRule | None = None,
    *,
    seed: int = 0,
    first: int = 0,
) -> GrownCells:
    """Grow the processes of astrocytes: one to each endfoot, and others towards synapses.

    Parameters
    ----------
    planes
        The cells' domains.
    somata, radii
        Centres and radii of the somata, float[n, 3] and float[n], in µm.
    feet
        Places of the endfeet, float[n_feet, 3], in µm, and where those of each cell begin, int[n + 1].
    synapses
        The same of the synapses in the domains.
    rule
        How they grow; by default `GrowthRule()`.
    seed, first
        Key of the random numbers, and number of the first cell: each cell grows the same, whichever others are given.

    Returns
    -------
    GrownCells
        The cells' sections. A process to an endfoot ends at its place.

    Raises
    ------
    ValueError
        An array or the rule is wrong.
    """
    chosen = rule or GrowthRule()
    if not (chosen.attractors >= 0 and chosen.step > 0 and chosen.reach > 0 and chosen.tip > 0):
        raise ValueError(f"{chosen}: expected positive lengths")
    if not (chosen.exponent > 0 and chosen.trunks[1] >= 0 and 0 <= chosen.trunks[0] < 100):
        raise ValueError(f"{chosen}: expected a positive exponent, and up to 100 trunks")
    centres, sizes = in_space("somata", somata), line("radii", radii)
    n = len(planes.low)
    if not len(centres) == len(sizes) == n:
        raise ValueError(
            f"there are {len(centres)} somata, {len(sizes)} radii and {n} domains; expected as many"
        )
    if n and not (sizes.min() > 0 and np.isfinite(sizes).all()):
        raise ValueError(f"radii are from {sizes.min()} to {sizes.max()} um; expected positive ones")
    ends, places = in_space("feet", feet[0]), in_space("synapses", synapses[0])
    inputs = _Inputs(
        planes,
        centres,
        sizes,
        ends,
        row_offsets(feet[1], n, len(ends)),
        places,
        row_offsets(synapses[1], n, len(places)),
        first + np.arange(n),
        key_word(seed, "seed"),
        stream("growth", "astrocytes"),
    )
    numbers = (chosen.step, chosen.reach, *map(float, chosen.trunks), chosen.tip, chosen.exponent)
    found = over_rows(partial(_grown, inputs, int(chosen.attractors), numbers), n)
    points, diameter, sizes_, parent, kind, counts = (
        np.concatenate([part[k] for part in found]) for k in range(6)
    )
    return GrownCells(points, diameter, _bounds(sizes_), parent, kind, _bounds(counts))


def _bounds(sizes: Whole) -> Whole:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@jit
def _grown(
    inputs: _Inputs, n_attractors: int, numbers: tuple[float, ...], begin: int, end: int
) -> tuple[Reals, Reals, Whole, Whole, NDArray[np.uint8], Whole]:
    """Points, diameters, sizes of sections, their parents and types, and how many sections each cell has."""
    points, diameter, n = np.empty((4096, 3)), np.empty(4096), 0
    sizes, parent, kind, k = np.empty(512, np.int64), np.empty(512, np.int64), np.empty(512, np.uint8), 0
    counts = np.zeros(end - begin, np.int64)
    for cell in range(begin, end):
        tree, n_nodes = _processes(inputs, cell, n_attractors, numbers)
        _thicken(tree, n_nodes, numbers[4], numbers[5], 1.2 * inputs.radii[cell])
        # No section has more points than nodes and the one before them; no cell has more sections than nodes and a soma.
        if n + 2 * n_nodes + 1 > len(points):
            size = 2 * (n + 2 * n_nodes + 1)
            points, diameter = _longer_rows(points, size), _longer(diameter, size)
        if k + n_nodes + 1 > len(sizes):
            size = 2 * (k + n_nodes + 1)
            sizes, parent, kind = _longer(sizes, size), _longer(parent, size), _longer(kind, size)
        points[n], diameter[n] = 0.0, 2.0 * inputs.radii[cell]
        sizes[k], parent[k], kind[k] = 1, -1, SOMA
        made, filled = _sections(
            tree, n_nodes, points[n + 1 :], diameter[n + 1 :], sizes[k + 1 :], parent[k + 1 :], kind[k + 1 :]
        )
        n, k = n + 1 + filled, k + 1 + made
        counts[cell - begin] = 1 + made
    return (
        points[:n].copy(),
        diameter[:n].copy(),
        sizes[:k].copy(),
        parent[:k].copy(),
        kind[:k].copy(),
        counts,
    )


@jit
def _longer(values: NDArray[Any], size: int) -> NDArray[Any]:
    more = np.empty(size, values.dtype)
    more[: len(values)] = values
    return more


@jit
def _longer_rows(values: Reals, size: int) -> Reals:
    more = np.empty((size, values.shape[1]))
    more[: len(values)] = values
    return more


@jit
def _processes(
    inputs: _Inputs, cell: int, n_attractors: int, numbers: tuple[float, ...]
) -> tuple[_Tree, int]:
    """Nodes of one cell, relative to its soma, perivascular processes first."""
    step, centre, radius = numbers[0], inputs.somata[cell], inputs.radii[cell]
    feet = inputs.feet[inputs.foot_offsets[cell] : inputs.foot_offsets[cell + 1]] - centre
    room = 8 * n_attractors + 4 * _DIRECTIONS
    for f in range(len(feet)):
        room += int(math.sqrt((feet[f] ** 2).sum()) / step) + 3
    tree = _Tree(np.empty((room, 3)), np.empty(room, np.int64), np.empty(room, np.uint8), np.empty(room))
    n = 0
    for f in range(len(feet)):
        n = _to_foot(inputs, cell, f, feet[f], radius, step, tree, n)
    trunks = _trunks(inputs, cell, feet, numbers[2], numbers[3])
    first = n
    for t in range(len(trunks)):
        for k in range(2):
            for axis in range(3):
                tree.place[n, axis] = trunks[t, axis] * (radius + k * step)
            tree.parent[n], tree.kind[n] = n - 1 if k else -1, PERISYNAPTIC
            n += 1
    attractors = _attractors(inputs, cell, n_attractors, radius)
    return tree, _colonised(attractors, tree, first, n, step, numbers[1])


@jit
def _to_foot(
    inputs: _Inputs, cell: int, f: int, foot: Reals, radius: float, step: float, tree: _Tree, n: int
) -> int:
    """A process to an endfoot, bent to one side."""
    size = math.sqrt((foot**2).sum())
    if size == 0.0:
        return n
    axis = foot / size
    a, b = uniforms(inputs.seed, np.uint64(1), inputs.purpose, inputs.ids[cell], 2 * f)
    c, _ = uniforms(inputs.seed, np.uint64(1), inputs.purpose, inputs.ids[cell], 2 * f + 1)
    side = np.array([a - 0.5, b - 0.5, c - 0.5])
    side = side - axis * (side * axis).sum()
    begin = min(radius, 0.5 * size)
    pieces = max(math.ceil((size - begin) / step), 1)
    for p in range(pieces + 1):
        part = p / pieces
        bend = 0.2 * (size - begin) * math.sin(math.pi * part)
        for k in range(3):
            tree.place[n, k] = axis[k] * (begin + (size - begin) * part) + bend * side[k]
            if p == pieces:
                tree.place[n, k] = foot[k]
        tree.parent[n], tree.kind[n] = n - 1 if p else -1, PERIVASCULAR
        n += 1
    return n


@jit
def _trunks(inputs: _Inputs, cell: int, feet: Reals, mean: float, deviation: float) -> Reals:
    """Directions that are far from each other and from the endfeet, and have much of the domain before them."""
    number, turn = uniforms(inputs.seed, np.uint64(0), inputs.purpose, inputs.ids[cell], 0)
    wanted = int(np.rint(truncated_normal(number, mean, deviation, 1.0, 99.0)))
    ways, length = np.empty((_DIRECTIONS, 3)), np.empty(_DIRECTIONS)
    for i in range(_DIRECTIONS):
        z = 1.0 - (2.0 * i + 1.0) / _DIRECTIONS
        angle = 2.0 * math.pi * (turn + i * 0.6180339887498949)
        ways[i] = math.sqrt(1.0 - z * z) * math.cos(angle), math.sqrt(1.0 - z * z) * math.sin(angle), z
        length[i] = _before_wall(inputs.planes, cell, inputs.somata[cell], ways[i])
    longest = max(length.max(), 1e-9)
    penalty, taken = np.zeros(_DIRECTIONS), np.zeros(_DIRECTIONS, np.bool_)
    for f in range(len(feet)):
        size = math.sqrt((feet[f] ** 2).sum())
        if size > 0.0:
            for i in range(_DIRECTIONS):
                penalty[i] += _crowding((ways[i] * feet[f]).sum() / size)
    others, chosen = len(feet), np.empty((wanted, 3))
    for t in range(wanted):
        best, least = 0, np.inf
        for i in range(_DIRECTIONS):
            cost = 0.95 * penalty[i] / max(others, 1) + 0.05 * (longest - length[i]) / longest
            if cost < least and not taken[i]:
                best, least = i, cost
        chosen[t], taken[best] = ways[best], True
        for i in range(_DIRECTIONS):
            penalty[i] += _crowding((ways[i] * ways[best]).sum())
        others += 1
    return chosen


@jit
def _crowding(cosine: float) -> float:
    return (math.acos(min(max(cosine, -1.0), 1.0)) / math.pi - 1.0) ** 2


@jit
def _before_wall(planes: DomainPlanes, cell: int, centre: Reals, way: Reals) -> float:
    """How far it is from the soma's centre to the domain's surface."""
    least = np.inf
    for f in range(planes.offsets[cell], planes.offsets[cell + 1]):
        along = away = 0.0
        for k in range(3):
            along += way[k] * planes.normals[f, k]
            away += (planes.points[f, k] - centre[k]) * planes.normals[f, k]
        if along > 1e-9:
            least = min(least, max(away, 0.0) / along)
    return least if least < np.inf else 0.0


@jit
def _attractors(inputs: _Inputs, cell: int, wanted: int, radius: float) -> Reals:
    """Points that attract a cell, relative to its soma, none of them in it."""
    low, high = inputs.synapse_offsets[cell], inputs.synapse_offsets[cell + 1]
    centre, found, n = inputs.somata[cell], np.empty((wanted, 3)), 0
    taken = min(high - low, wanted)
    for i in range(taken):
        found[n] = inputs.synapses[low + i * (high - low) // taken] - centre
        if (found[n] ** 2).sum() > (1.2 * radius) ** 2:
            n += 1
    place, left = np.empty((1, 3)), wanted - taken
    corner, size = inputs.planes.low[cell], inputs.planes.high[cell] - inputs.planes.low[cell]
    for draw in range(30 * left):
        if left == 0:
            break
        a, b = uniforms(inputs.seed, np.uint64(2), inputs.purpose, inputs.ids[cell], 2 * draw)
        c, _ = uniforms(inputs.seed, np.uint64(2), inputs.purpose, inputs.ids[cell], 2 * draw + 1)
        place[0, 0], place[0, 1], place[0, 2] = (
            corner[0] + a * size[0],
            corner[1] + b * size[1],
            corner[2] + c * size[2],
        )
        if in_domain(inputs.planes, cell, place, 0, 0.0):
            found[n] = place[0] - centre
            left -= 1
            if (found[n] ** 2).sum() > (1.2 * radius) ** 2:
                n += 1
    return found[:n]


@jit
def _colonised(points: Reals, tree: _Tree, first: int, n: int, step: float, reach: float) -> int:
    """Grow nodes from *first* on towards the points, till all are reached or given up; how many nodes there are."""
    near, away = np.full(len(points), -1, np.int64), np.full(len(points), np.inf)
    waits, alive = np.zeros(len(points), np.int64), np.ones(len(points), np.bool_)
    _look(points, tree, first, n, near, away, alive)
    room = len(tree.parent)
    pull, useful = np.zeros((room, 3)), np.zeros(room, np.int64)
    branches = np.zeros(room, np.int64)
    for i in range(first, n):
        if tree.parent[i] < 0:
            branches[i] = 3  # a trunk's first section has two points at least
    while alive.any():
        pull[first:n], useful[first:n] = 0.0, 0
        for a in range(len(points)):
            if not alive[a]:
                continue
            size = math.sqrt(away[a])
            for k in range(3):
                pull[near[a], k] += (points[a, k] - tree.place[near[a], k]) / size
        for i in range(first, n):
            size = math.sqrt((pull[i] ** 2).sum())
            for k in range(3):
                pull[i, k] = tree.place[i, k] + step * pull[i, k] / size if size > 1e-6 else tree.place[i, k]
        # A node grows where one of its points comes nearer, and has three branches at most.
        for a in range(len(points)):
            if alive[a]:
                d = 0.0
                for k in range(3):
                    d += (points[a, k] - pull[near[a], k]) ** 2
                if d < away[a]:
                    useful[near[a]] = 1
        before = n
        for i in range(first, before):
            if useful[i] and branches[i] < 3 and n < room:
                tree.place[n], tree.parent[n], tree.kind[n] = pull[i], i, PERISYNAPTIC
                branches[i] += 1
                n += 1
        for a in range(len(points)):
            waits[a] += 1
        _look(points, tree, before, n, near, away, alive, waits)
        for a in range(len(points)):
            if away[a] < reach * reach or waits[a] > _STUBBORN or n >= room:
                alive[a] = False
    return n


@jit
def _look(
    points: Reals,
    tree: _Tree,
    begin: int,
    end: int,
    near: Whole,
    away: Reals,
    alive: NDArray[np.bool_],
    waits: Whole | None = None,
) -> None:
    """Let points know of new nodes that are nearer to them."""
    for a in range(len(points)):
        if not alive[a]:
            continue
        x, y, z = points[a]
        best, least = near[a], away[a]
        for i in range(begin, end):
            dx, dy, dz = tree.place[i, 0] - x, tree.place[i, 1] - y, tree.place[i, 2] - z
            d = dx * dx + dy * dy + dz * dz
            if d < least:
                best, least = i, d
        if best != near[a]:
            near[a], away[a] = best, least
            if waits is not None:
                waits[a] = 0


@jit
def _thicken(tree: _Tree, n: int, tip: float, exponent: float, most: float) -> None:
    """Diameters from the tips on; children have higher numbers than what they hang on."""
    tree.diameter[:n] = 0.0
    for i in range(n - 1, -1, -1):
        mine = tree.diameter[i]
        # Processes to endfeet are thicker than others, for they end in them.
        least = 3.0 * tip if tree.kind[i] == PERIVASCULAR else tip
        if mine == 0.0:
            mine = least**exponent
        if tree.parent[i] >= 0:
            tree.diameter[tree.parent[i]] += mine
        tree.diameter[i] = min(mine ** (1.0 / exponent), most)


@jit
def _sections(
    tree: _Tree,
    n: int,
    points: Reals,
    diameter: Reals,
    sizes: Whole,
    parent: Whole,
    kind: NDArray[np.uint8],
) -> tuple[int, int]:
    """Cut a tree where it branches; how many sections and points there are. Section 0 is the soma, so they begin with 1."""
    first, following = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    several = np.zeros(n, np.int64)
    for i in range(n - 1, -1, -1):
        p = tree.parent[i]
        if p >= 0:
            following[i], first[p] = first[p], i
            several[p] += 1
    waiting, under, top = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64), 0
    for i in range(n - 1, -1, -1):
        if tree.parent[i] < 0:
            waiting[top], under[top] = i, 0
            top += 1
    made = filled = 0
    while top > 0:
        top -= 1
        at, stem = waiting[top], under[top]
        begin = filled
        if tree.parent[at] >= 0:
            points[filled], diameter[filled] = tree.place[tree.parent[at]], tree.diameter[at]
            filled += 1
        while True:
            points[filled], diameter[filled] = tree.place[at], tree.diameter[at]
            filled += 1
            if several[at] != 1:
                break
            at = first[at]
        sizes[made], parent[made], kind[made] = filled - begin, stem, tree.kind[at]
        made += 1
        children, child = np.empty(several[at], np.int64), first[at]
        for k in range(several[at]):
            children[k], child = child, following[child]
        for k in range(several[at] - 1, -1, -1):
            waiting[top], under[top] = children[k], made
            top += 1
    return made, filled
