"""Places of synapses on the trees of cells."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..draws import exponential, key_word, normal, stream, uniforms
from ..jit import jit, over_rows
from .arguments import cell_ids
from .segments import CellTree, SegmentDensities, SegmentTable, checked_tree, point_paths, soma_paths

Reals = NDArray[np.float64]


class SynapseTable(NamedTuple):
    """Synapses of many cells, cell by cell.

    Attributes
    ----------
    offsets
        Rows of cell k are ``offsets[k]`` to ``offsets[k + 1]``, int64[n_cells + 1].
    synapse_id
        0-based within each cell, int32[n].
    section_id
        int32[n].
    section_pos
        From 0 to 1 (excluded) along the section, float32[n].
    layer
        Layer of the synapse's segment, int16[n].
    type
        Type of synapse, int8[n].
    section_type
        SWC type of the section, int8[n].
    soma_distance
        In µm, float32[n].
    """

    offsets: NDArray[np.int64]
    synapse_id: NDArray[np.int32]
    section_id: NDArray[np.int32]
    section_pos: NDArray[np.float32]
    layer: NDArray[np.int16]
    type: NDArray[np.int8]
    section_type: NDArray[np.int8]
    soma_distance: NDArray[np.float32]


def placed_synapses(
    tree: CellTree,
    segments: SegmentTable,
    densities: Sequence[SegmentDensities],
    cells: ArrayLike,
    *,
    seed: int,
    population: str,
    method: Literal["poisson", "poisson_miv", "uniform"] = "poisson",
    soma_distance: Literal["path", "radial"] = "path",
) -> SynapseTable:
    """Place synapses on cells that share a tree.

    Parameters
    ----------
    tree, segments
        The tree and its segments, from `tree_segments`.
    densities
        From `segment_densities`.
    cells
        Numbers of the cells, int[n_cells]; each is a key: a cell's synapses do not depend on which others are
        asked for.
    seed, population
        Key of the random numbers.
    method
        ``"poisson"``: a Poisson process of each segment's density. ``"uniform"``: in each segment
        ``floor(density * length)`` synapses, in the middles of as many equal parts. ``"poisson_miv"``: MiV-Simulator's process, which
        differs from a Poisson process in two ways: the first gap of a section is drawn again until it ends within
        the first segment, so that this is never empty; and at each later segment one gap is skipped.
    soma_distance
        ``"path"``: along the tree, from the middle of the root. ``"radial"``: as the crow flies from the origin of
        the tree's coordinates, which is MiV's ``syn_cdists``.

    Returns
    -------
    SynapseTable
        Synapses of a cell in the order of *densities*, then of sections, then along the section.

    Raises
    ------
    ValueError
        Arrays do not belong together, a cell's number is not in ``[0, 2**32)``, or an argument is none of those listed.
    """
    if method not in _METHODS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(map(repr, _METHODS))}")
    if soma_distance not in ("path", "radial"):
        raise ValueError(f"soma_distance is {soma_distance!r}; expected 'path' or 'radial'")
    tree = checked_tree(tree)
    ids = cell_ids(cells)
    values = _checked_densities(segments, densities)
    starts = soma_paths(tree) if soma_distance == "path" else np.empty(0)
    shape = _Shape(tree.offsets, tree.points, point_paths(tree), starts)
    segments = SegmentTable(
        *(
            np.ascontiguousarray(column, dtype)
            for column, dtype in zip(segments, (np.int32, float, float, np.int16, np.int16), strict=True)
        )
    )
    keys = np.array(
        [key_word(seed, "seed"), stream("densities", population), stream("synapses", population)], np.uint64
    )
    kernel = partial(
        _slice, ids, segments, shape, values, keys, _METHODS.index(method), _expected(segments, values)
    )
    parts = over_rows(kernel, len(ids))
    group, segment, position, away, counts = (np.concatenate([part[k] for part in parts]) for k in range(5))
    synapse_type = np.array([each.synapse_type for each in densities], np.int8)
    n = len(segment)
    found = SynapseTable(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        synapse_id=np.empty(n, np.int32),
        section_id=np.empty(n, np.int32),
        section_pos=position,
        layer=np.empty(n, np.int16),
        type=np.empty(n, np.int8),
        section_type=np.empty(n, np.int8),
        soma_distance=away,
    )
    over_rows(partial(_describe, segments, synapse_type, group, segment, found), len(ids))
    return found


_METHODS = ("poisson", "poisson_miv", "uniform")


class _Shape(NamedTuple):
    """A tree: points and paths of each section, and its distance from the soma, if that is along the tree."""

    offsets: NDArray[np.int64]
    points: Reals
    paths: Reals
    starts: Reals


def _checked_densities(segments: SegmentTable, densities: Sequence[SegmentDensities]) -> Reals:
    n = len(segments.section)
    for each in densities:
        if each.values.shape != (n, 2):
            raise ValueError(f"densities have shape {each.values.shape}, segments are {n}; expected ({n}, 2)")
        bad = np.flatnonzero(
            ~np.isnan(each.values[:, 0]) & ~((each.values >= 0) & (each.values < np.inf)).all(axis=1)
        )
        if bad.size:
            raise ValueError(
                f"the density of segment {bad[0]} is {each.values[bad[0]].tolist()}; expected mean and sd"
            )
    return np.array([each.values for each in densities], np.float64).reshape(-1, n, 2)


def _expected(segments: SegmentTable, values: Reals) -> float:
    """More synapses than a cell has on average."""
    per_segment = np.nan_to_num(values.sum(axis=2)) * (segments.end - segments.begin) + 1
    return float((per_segment * ~np.isnan(values[:, :, 0])).sum())


@jit
def _describe(
    segments: SegmentTable,
    synapse_type: NDArray[np.int8],
    group: NDArray[np.int16],
    segment: NDArray[np.int32],
    found: SynapseTable,
    begin: int,
    end: int,
) -> None:
    """Write the columns of synapses that follow from the group and the segment."""
    for k in range(begin, end):
        first = found.offsets[k]
        for row in range(first, found.offsets[k + 1]):
            at = segment[row]
            found.synapse_id[row] = row - first
            found.section_id[row] = segments.section[at]
            found.layer[row] = segments.layer[at]
            found.section_type[row] = segments.type[at]
            found.type[row] = synapse_type[group[row]]


def _slice(
    cells: NDArray[np.int64],
    segments: SegmentTable,
    shape: _Shape,
    values: Reals,
    keys: NDArray[np.uint64],
    method: int,
    expected: float,
    begin: int,
    end: int,
) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    size = int((end - begin) * expected + 10 * np.sqrt((end - begin) * expected)) + 16
    while True:
        group, segment = np.empty(size, np.int16), np.empty(size, np.int32)
        position, away = np.empty(size, np.float32), np.empty(size, np.float32)
        counts = np.empty(end - begin, np.int64)
        n = _place(
            cells[begin:end], segments, shape, values, keys, method, group, segment, position, away, counts
        )
        if n <= size:
            return group[:n], segment[:n], position[:n], away[:n], counts
        size = n


@jit
def _place(
    cells: NDArray[np.int64],
    segments: SegmentTable,
    shape: _Shape,
    values: Reals,
    keys: NDArray[np.uint64],
    method: int,
    group: NDArray[np.int16],
    segment: NDArray[np.int32],
    position: NDArray[np.float32],
    away: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> int:
    """Place the synapses of cells; more than fit are counted and not stored."""
    n_segments = len(segments.section)
    density, n = np.empty(n_segments), 0
    for k in range(len(cells)):
        first, drawn, used = n, 0, 0
        for g in range(len(values)):
            drawn = _draw_densities(values[g], keys, cells[k], drawn, density)
            if method == 0:
                n, used = _poisson(segments, density, keys, cells[k], used, g, n, group, segment, position)
            elif method == 1:
                n, used = _poisson_miv(
                    segments, density, keys, cells[k], used, g, n, group, segment, position
                )
            else:
                n = _evenly(segments, density, g, n, group, segment, position)
        counts[k] = n - first
    _locate(segments, shape, segment, position, away, min(n, len(segment)))
    return n


@jit
def _draw_densities(values: Reals, keys: NDArray[np.uint64], cell: int, drawn: int, density: Reals) -> int:
    """Draw each segment's density, again until it is positive; 0 where there is none."""
    for i in range(len(values)):
        mean, sd = values[i, 0], values[i, 1]
        density[i] = 0.0 if np.isnan(mean) else mean
        if sd > 0.0:
            density[i] = 0.0
            while density[i] <= 0.0:
                first, second = uniforms(keys[0], np.uint64(0), keys[1], cell, drawn)
                density[i] = mean + sd * normal(first, second)
                drawn += 1
    return drawn


@jit
def _poisson(
    segments: SegmentTable,
    density: Reals,
    keys: NDArray[np.uint64],
    cell: int,
    used: int,
    g: int,
    n: int,
    group: NDArray[np.int16],
    segment: NDArray[np.int32],
    position: NDArray[np.float32],
) -> tuple[int, int]:
    """A process of rate 1 along the integral of the density over all segments."""
    first, second = uniforms(keys[0], np.uint64(0), keys[2], cell, used)
    used += 1
    left, spare = exponential(first), exponential(second)
    for i in range(len(density)):
        rate, at = density[i], segments.begin[i]
        if rate <= 0.0:
            continue
        mass = (segments.end[i] - at) * rate
        done = 0.0
        while left < mass - done:
            done += left
            if n < len(group):
                group[n], segment[n], position[n] = g, i, at + done / rate
            n += 1
            if spare >= 0.0:
                left, spare = spare, -1.0
            else:
                first, second = uniforms(keys[0], np.uint64(0), keys[2], cell, used)
                used += 1
                left, spare = exponential(first), exponential(second)
        left -= mass - done
    return n, used


@jit
def _poisson_miv(
    segments: SegmentTable,
    density: Reals,
    keys: NDArray[np.uint64],
    cell: int,
    used: int,
    g: int,
    n: int,
    group: NDArray[np.int16],
    segment: NDArray[np.int32],
    position: NDArray[np.float32],
) -> tuple[int, int]:
    """Gaps as MiV-Simulator draws them, see `placed_synapses`."""
    at = 0.0
    for i in range(len(density)):
        begin, end, rate = segments.begin[i], segments.end[i], density[i]
        if begin == 0.0:
            at = 0.0
        if rate <= 0.0:
            at = end
            continue
        first, second = uniforms(keys[0], np.uint64(0), keys[2], cell, used)
        used += 1
        if at > 0.0:
            at += exponential(first) / rate
        else:
            # An exponential number that is known to be below the segment's length: no draws are thrown away.
            at = -np.log1p(first * np.expm1(-rate * end)) / rate
            at = min(at, np.nextafter(end, 0.0))
        while at < end:
            if at >= begin:
                if n < len(group):
                    group[n], segment[n], position[n] = g, i, at
                n += 1
            if second >= 0.0:
                at, second = at + exponential(second) / rate, -1.0
            else:
                first, second = uniforms(keys[0], np.uint64(0), keys[2], cell, used)
                used += 1
                at += exponential(first) / rate
    return n, used


@jit
def _evenly(
    segments: SegmentTable,
    density: Reals,
    g: int,
    n: int,
    group: NDArray[np.int16],
    segment: NDArray[np.int32],
    position: NDArray[np.float32],
) -> int:
    for i in range(len(density)):
        length = segments.end[i] - segments.begin[i]
        count = int(density[i] * length)
        for k in range(count):
            if n < len(group):
                group[n], segment[n], position[n] = g, i, segments.begin[i] + (k + 0.5) / count * length
            n += 1
    return n


@jit
def _locate(
    segments: SegmentTable,
    shape: _Shape,
    segment: NDArray[np.int32],
    position: NDArray[np.float32],
    away: NDArray[np.float32],
    n: int,
) -> None:
    """Make paths along sections relative to their length, and find how far from the soma they are."""
    section, point, last, length = -1, 0, 0, 0.0
    for k in range(n):
        at = float(position[k])
        now = segments.section[segment[k]]
        if now != section or at < shape.paths[point - 1]:
            section, point, last = now, shape.offsets[now] + 1, shape.offsets[now + 1] - 1
            length = shape.paths[last]
        if len(shape.starts):
            away[k] = abs(shape.starts[section] + at)
        else:
            while point < last and shape.paths[point] < at:
                point += 1
            step = shape.paths[point] - shape.paths[point - 1]
            part = (at - shape.paths[point - 1]) / step if step > 0.0 else 0.0
            square = 0.0
            for axis in range(3):
                x = shape.points[point - 1, axis]
                x += part * (shape.points[point, axis] - x)
                square += x * x
            away[k] = np.sqrt(square)
        position[k] = min(np.float32(at / length), _LAST)


_LAST = np.float32(1.0) - np.finfo(np.float32).epsneg
