"""The surface of vessels, made of their segments: where the distance from the nearest truncated cone is zero.

The distance is known at the points of a grid, near the surface only. Each cell of the grid through which the surface passes has a
vertex, at the mean of where the surface crosses the cell's edges, and each edge that it crosses has two triangles between the
vertices of the four cells around (naive surface nets; Gibson 1998, doi:10.1007/BFb0056277). So the surface is closed, and its
triangles are of about one size, which waves on it need. Blocks of the grid are made one by one: the whole grid is never in memory.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, line
from ..jit import jit, over_rows
from .fronts import TriangleMesh, triangle_mesh

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_BLOCK = 64  # cells along each axis of a block
_BAND = 2.5  # how far from a segment the distance is known, in cells


def vessel_surface(
    starts: ArrayLike, ends: ArrayLike, start_radii: ArrayLike, end_radii: ArrayLike, voxel: float
) -> TriangleMesh:
    """Return the surface around segments of vessels. Where vessels meet, it is that of both together; ends are round.

    Parameters
    ----------
    starts, ends
        Where the segments begin and end in µm, shape (n, 3).
    start_radii, end_radii
        Radii there in µm, shape (n,).
    voxel
        Edge of the grid's cells in µm; vessels that are thinner than about this are lost.

    Raises
    ------
    ValueError
        Shapes differ, a number is not finite or a radius not above 0, there are no segments, or all vessels are lost.
    """
    one, other = in_space("starts", starts), in_space("ends", ends)
    radii = np.stack([line("start_radii", start_radii), line("end_radii", end_radii)], axis=1)
    if not len(one) == len(other) == len(radii) or not len(one):
        raise ValueError(
            f"starts, ends and radii are {len(one)}, {len(other)} and {len(radii)}; expected as many, and some"
        )
    bad = np.flatnonzero(~(np.isfinite(radii) & (radii > 0.0)).all(axis=1))
    if bad.size:
        raise ValueError(f"radii of segment {bad[0]} are {radii[bad[0]].tolist()}; expected more than 0 um")
    if not (np.isfinite(voxel) and voxel > 0.0):
        raise ValueError(f"voxel is {voxel}; expected a length above 0 um")
    both = np.stack([one, other], axis=1)
    reach = radii.max(axis=1)[:, None] + _BAND * voxel
    low, high = both.min(axis=1) - reach, both.max(axis=1) + reach
    # One more cell around: the surface never touches the grid's sides.
    corner = low.min(axis=0) - voxel
    extent = np.ceil((high.max(axis=0) + voxel - corner) / voxel) + 1.0
    if float(np.prod(extent)) >= 2.0**62:
        raise ValueError(f"a grid of {extent.tolist()} cells of {voxel} um is too large; use a larger voxel")
    shape = extent.astype(np.int64)
    blocks, members = _blocks(low, high, corner, voxel, shape)
    field = _Field(both, radii, corner, voxel, shape)

    def make(begin: int, end: int) -> list[tuple[Reals, Integers, Integers]]:
        return [
            part for block in range(begin, end) for part in _surface_of(field, blocks[block], members[block])
        ]

    made = [part for parts in over_rows(partial(make), len(blocks)) for part in parts]
    keys = np.concatenate([part[1] for part in made])
    quads = np.concatenate([part[2] for part in made])
    if not len(quads):
        raise ValueError(f"no vessel is thick enough for a grid of {voxel} um; use a smaller voxel")
    order = np.argsort(keys, kind="stable")
    places, keys = np.concatenate([part[0] for part in made])[order], keys[order]
    found = np.searchsorted(keys, quads)
    return triangle_mesh(places, _split(places, found))


class _Field(NamedTuple):
    ends: Reals
    radii: Reals
    corner: Reals
    voxel: float
    shape: Integers


def _blocks(
    low: Reals, high: Reals, corner: Reals, voxel: float, shape: Integers
) -> tuple[Integers, list[Integers]]:
    """Blocks that a segment reaches into, by their place among all, and the segments of each."""
    counts = -(-shape // _BLOCK)
    # A block's distances are needed one cell beyond it, on both sides.
    first = np.maximum(np.floor((low - corner) / voxel).astype(np.int64) - 1, 0) // _BLOCK
    last = np.minimum((np.ceil((high - corner) / voxel).astype(np.int64) + 1) // _BLOCK, counts - 1)
    numbers, rows = _reached(first, last, counts)
    order = np.argsort(numbers, kind="stable")
    numbers, rows = numbers[order], rows[order]
    unique, starts = np.unique(numbers, return_index=True)
    place = np.stack(np.unravel_index(unique, tuple(counts)), axis=1).astype(np.int64)
    return place, np.split(rows, starts[1:])


@jit
def _reached(first: Integers, last: Integers, counts: Integers) -> tuple[Integers, Integers]:
    total = 0
    for n in range(len(first)):
        size = 1
        for axis in range(3):
            size *= max(last[n, axis] - first[n, axis] + 1, 0)
        total += size
    numbers, rows, at = np.empty(total, np.int64), np.empty(total, np.int64), 0
    for n in range(len(first)):
        for i in range(first[n, 0], last[n, 0] + 1):
            for j in range(first[n, 1], last[n, 1] + 1):
                for k in range(first[n, 2], last[n, 2] + 1):
                    numbers[at], rows[at] = (i * counts[1] + j) * counts[2] + k, n
                    at += 1
    return numbers, rows


def _surface_of(field: _Field, block: Integers, members: Integers) -> list[tuple[Reals, Integers, Integers]]:
    """Vertices of the block's cells, the cells' numbers, and the cells around each edge that the surface crosses."""
    start = block * _BLOCK
    stop = np.minimum(start + _BLOCK, field.shape - 1)
    if (stop <= start).any():
        return []
    values = np.full(tuple(stop - start + 1), np.inf)
    _distances(field, members, start, values)
    return [_nets(field, start, values)]


@jit
def _distances(field: _Field, members: Integers, start: Integers, values: Reals) -> None:
    """Least distance from the segments at each point of a block's grid, where it is within the band."""
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for n in members:
        a, b = field.ends[n, 0], field.ends[n, 1]
        ra, rb = field.radii[n, 0], field.radii[n, 1]
        reach = max(ra, rb) + _BAND * field.voxel
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        square = ux * ux + uy * uy + uz * uz
        for axis in range(3):
            low = (min(a[axis], b[axis]) - reach - field.corner[axis]) / field.voxel
            high = (max(a[axis], b[axis]) + reach - field.corner[axis]) / field.voxel
            first[axis] = max(int(np.floor(low)) - start[axis], 0)
            last[axis] = min(int(np.ceil(high)) - start[axis], values.shape[axis] - 1)
        for i in range(first[0], last[0] + 1):
            px = field.corner[0] + (start[0] + i) * field.voxel - a[0]
            for j in range(first[1], last[1] + 1):
                py = field.corner[1] + (start[1] + j) * field.voxel - a[1]
                for k in range(first[2], last[2] + 1):
                    pz = field.corner[2] + (start[2] + k) * field.voxel - a[2]
                    along = 0.0
                    if square > 0.0:
                        along = min(max((px * ux + py * uy + pz * uz) / square, 0.0), 1.0)
                    dx, dy, dz = px - along * ux, py - along * uy, pz - along * uz
                    away = np.sqrt(dx * dx + dy * dy + dz * dz) - ra - along * (rb - ra)
                    values[i, j, k] = min(values[i, j, k], away)


@jit
def _nets(field: _Field, start: Integers, values: Reals) -> tuple[Reals, Integers, Integers]:
    shape = field.shape
    n_cells, n_edges = 0, 0
    for fill in range(2):
        if fill:
            places, keys = np.empty((n_cells, 3)), np.empty(n_cells, np.int64)
            quads = np.empty((n_edges, 4), np.int64)
        else:
            places, keys, quads = np.empty((0, 3)), np.empty(0, np.int64), np.empty((0, 4), np.int64)
        n_cells, n_edges = 0, 0
        for i in range(values.shape[0] - 1):
            for j in range(values.shape[1] - 1):
                for k in range(values.shape[2] - 1):
                    inside = 0
                    for corner in range(8):
                        x, y, z = corner & 1, (corner >> 1) & 1, corner >> 2
                        inside += int(values[i + x, j + y, k + z] < 0.0)
                    if inside == 0 or inside == 8:
                        continue
                    cell = ((start[0] + i) * shape[1] + start[1] + j) * shape[2] + start[2] + k
                    if fill:
                        _vertex(field, start, values, i, j, k, places[n_cells])
                        keys[n_cells] = cell
                    n_cells += 1
                    here = values[i, j, k] < 0.0
                    for axis in range(3):
                        there = values[i + int(axis == 0), j + int(axis == 1), k + int(axis == 2)] < 0.0
                        if here == there:
                            continue
                        if fill:
                            _quad(shape, cell, axis, here, quads[n_edges])
                        n_edges += 1
    return places, keys, quads


@jit
def _quad(shape: Integers, cell: int, axis: int, here: bool, quad: Integers) -> None:
    """The cells around the edge that leaves a cell's first corner along an axis, counter-clockwise as seen from outside."""
    steps = (shape[1] * shape[2], shape[2], 1)
    one, other = steps[(axis + 1) % 3], steps[(axis + 2) % 3]
    quad[0], quad[2] = cell, cell - one - other
    quad[1], quad[3] = (cell - one, cell - other) if here else (cell - other, cell - one)


@jit
def _vertex(field: _Field, start: Integers, values: Reals, i: int, j: int, k: int, place: Reals) -> None:
    place[0] = place[1] = place[2] = 0.0
    n = 0
    for axis in range(3):
        for corner in range(8):
            if (corner >> axis) & 1:
                continue
            x, y, z = corner & 1, (corner >> 1) & 1, corner >> 2
            one = values[i + x, j + y, k + z]
            other = values[i + x + int(axis == 0), j + y + int(axis == 1), k + z + int(axis == 2)]
            if (one < 0.0) == (other < 0.0):
                continue
            share = one / (one - other)
            place[0] += x + (share if axis == 0 else 0.0)
            place[1] += y + (share if axis == 1 else 0.0)
            place[2] += z + (share if axis == 2 else 0.0)
            n += 1
    place[0] = field.corner[0] + field.voxel * (start[0] + i + place[0] / n)
    place[1] = field.corner[1] + field.voxel * (start[1] + j + place[1] / n)
    place[2] = field.corner[2] + field.voxel * (start[2] + k + place[2] / n)


def _split(places: Reals, quads: Integers) -> Integers:
    """Two triangles of each quad, along its shorter diagonal."""
    one = ((places[quads[:, 0]] - places[quads[:, 2]]) ** 2).sum(axis=1)
    other = ((places[quads[:, 1]] - places[quads[:, 3]]) ** 2).sum(axis=1)
    turned = np.where((one <= other)[:, None], quads, quads[:, [1, 2, 3, 0]])
    return turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
