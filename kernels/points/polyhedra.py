"""Convex polyhedra as half-spaces: what length of a line is in each, and what volume two share.

A polyhedron is given by its surface, triangles that are parts of flat faces. Each face becomes one plane, whose normal is the
mean of those of its triangles and points away from the mean of the polyhedron's points. Where a polyhedron is not quite convex,
as a domain that was pulled back into its region, the planes describe the convex part of it.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes, in_space
from ..jit import jit, over_rows
from ..nearby import NearbyPoints, cell_of, point_grid

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]
_BLOCK = 64
_CORNERS = 256


class Polytopes(NamedTuple):
    """Polyhedra as planes.

    Attributes
    ----------
    planes
        Outward unit normal and offset of each face in µm, polyhedron by polyhedron, float64[n_planes, 4]: x is inside where
        normal · x <= offset.
    offsets
        Where the planes of each polyhedron begin, int64[n + 1].
    low, high
        Corners of the bounding boxes in µm, float64[n, 3].
    """

    planes: Reals
    offsets: Integers
    low: Reals
    high: Reals

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.low)


class Pieces(NamedTuple):
    """Parts of segments that lie in polyhedra, polyhedron by polyhedron.

    Attributes
    ----------
    polytope, segment
        Numbers of both, int64[n].
    begin, end
        Where the part begins and ends along the segment, 0 to 1, float64[n].
    """

    polytope: Integers
    segment: Integers
    begin: Reals
    end: Reals


def polytopes(
    points: ArrayLike,
    triangles: ArrayLike,
    faces: ArrayLike,
    point_offsets: ArrayLike,
    triangle_offsets: ArrayLike,
) -> Polytopes:
    """Make polyhedra of their surfaces.

    Parameters
    ----------
    points
        Points in µm, polyhedron by polyhedron, shape (n_points, 3).
    triangles
        Three points of each triangle by their number in the polyhedron, int[n_triangles, 3].
    faces
        Face of its polyhedron that each triangle is part of, int[n_triangles].
    point_offsets, triangle_offsets
        Where those of each polyhedron begin, int[n + 1].

    Raises
    ------
    ValueError
        Shapes are others, a point is not finite, or a triangle names a point that its polyhedron does not have.
    """
    places, corners = in_space("points", points), np.asarray(triangles)
    of_points, of_triangles = (np.asarray(each, np.int64) for each in (point_offsets, triangle_offsets))
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise ValueError(f"triangles are {corners.dtype}{list(corners.shape)}; expected integers (n, 3)")
    of_face = codes("face", faces, np.iinfo(np.int32).max, len(corners)).astype(np.int64)
    if len(of_points) != len(of_triangles):
        raise ValueError(
            f"point_offsets are of {len(of_points) - 1} polyhedra, others of {len(of_triangles) - 1}"
        )
    owner = np.repeat(np.arange(len(of_triangles) - 1), np.diff(of_triangles))
    sizes = np.diff(of_points)
    bad = np.flatnonzero(((corners < 0) | (corners >= sizes[owner][:, None])).any(axis=1))
    if bad.size:
        raise ValueError(
            f"triangles[{bad[0]}] is {corners[bad[0]].tolist()}; its polyhedron has {sizes[owner[bad[0]]]} points"
        )
    a, b, c = places[corners.astype(np.int64).T + of_points[owner]]
    vectors = np.cross(b - a, c - a)
    middle = _means(places, of_points)
    # A triangle's corners may be in any order; outwards is away from the middle.
    away = np.where(((a - middle[owner]) * vectors).sum(axis=1) < 0, -1.0, 1.0)
    keys, face = np.unique(np.stack([owner, of_face], axis=1), axis=0, return_inverse=True)
    face = face.ravel()
    normals = np.stack([np.bincount(face, axis, len(keys)) for axis in (vectors * away[:, None]).T], axis=1)
    length = np.linalg.norm(normals, axis=1)
    flat = length > 0
    normals[flat] /= length[flat, None]
    heights = ((a + b + c) / 3.0 * normals[face]).sum(axis=1)
    area = np.linalg.norm(vectors, axis=1)
    total = np.bincount(face, area, len(keys))
    offsets = np.bincount(face, heights * area, len(keys)) / np.where(total > 0, total, 1.0)
    planes = np.column_stack([normals, offsets])[flat]
    bounds = np.searchsorted(keys[flat, 0], np.arange(len(sizes) + 1))
    low, high = np.full((len(sizes), 3), np.inf), np.full((len(sizes), 3), -np.inf)
    of = np.repeat(np.arange(len(sizes)), sizes)
    np.minimum.at(low, of, places)
    np.maximum.at(high, of, places)
    return Polytopes(np.ascontiguousarray(planes), bounds.astype(np.int64), low, high)


def _means(places: Reals, offsets: Integers) -> Reals:
    of = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    total = np.stack([np.bincount(of, axis, len(offsets) - 1) for axis in places.T], axis=1)
    means: Reals = total / np.maximum(np.diff(offsets), 1)[:, None]
    return means


def segments_inside(shapes: Polytopes, starts: ArrayLike, ends: ArrayLike) -> Pieces:
    """Find the parts of segments that lie in each polyhedron.

    Parameters
    ----------
    shapes
        The polyhedra.
    starts, ends
        Ends of the segments in µm, shape (n, 3).

    Raises
    ------
    ValueError
        Shapes are others, or a coordinate is not finite.
    """
    first, last = in_space("starts", starts), in_space("ends", ends)
    if len(first) != len(last):
        raise ValueError(f"there are {len(first)} starts and {len(last)} ends; expected as many")
    if not len(first):
        return Pieces(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    half = np.linalg.norm(last - first, axis=1) / 2
    grid = point_grid((first + last) / 2)
    reach = float(half.max(initial=0.0))
    blocks = -(-shapes.size // _BLOCK)
    found: list[list[Pieces]] = over_rows(
        lambda begin, end: [_pieces(shapes, grid, first, last, reach, block) for block in range(begin, end)],
        blocks,
    )
    pieces = [piece for part in found for piece in part]
    if not pieces:
        return Pieces(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    joined: list[Any] = [np.concatenate(columns) for columns in zip(*pieces, strict=True)]
    order = np.lexsort((joined[1], joined[0]))
    return Pieces(*(column[order] for column in joined))


def _pieces(
    shapes: Polytopes, grid: NearbyPoints, first: Reals, last: Reals, reach: float, block: int
) -> Pieces:
    begin, end = block * _BLOCK, min((block + 1) * _BLOCK, shapes.size)
    room = 1024
    while True:
        names, parts = np.empty((room, 2), np.int64), np.empty((room, 2))
        n = _inside(
            shapes.planes,
            shapes.offsets,
            shapes.low,
            shapes.high,
            grid,
            first,
            last,
            reach,
            begin,
            end,
            names,
            parts,
        )
        if n <= room:
            return Pieces(names[:n, 0], names[:n, 1], parts[:n, 0], parts[:n, 1])
        room = n


@jit
def _inside(
    planes: Reals,
    offsets: Integers,
    low: Reals,
    high: Reals,
    grid: NearbyPoints,
    first: Reals,
    last: Reals,
    reach: float,
    begin: int,
    end: int,
    names: Integers,
    parts: Reals,
) -> int:
    n = 0
    for p in range(begin, end):
        a, b = low[p] - reach, high[p] + reach
        for i in range(cell_of(grid, 0, a[0]), cell_of(grid, 0, b[0]) + 1):
            for j in range(cell_of(grid, 1, a[1]), cell_of(grid, 1, b[1]) + 1):
                row = (i * grid.shape[1] + j) * grid.shape[2]
                start = grid.offsets[row + cell_of(grid, 2, a[2])]
                stop = grid.offsets[row + cell_of(grid, 2, b[2]) + 1]
                for m in range(start, stop):
                    s = grid.members[m]
                    t0, t1 = _clipped(planes, offsets[p], offsets[p + 1], first[s], last[s])
                    if t0 < t1:
                        if n < len(names):
                            names[n, 0], names[n, 1] = p, s
                            parts[n, 0], parts[n, 1] = t0, t1
                        n += 1
    return n


@jit
def _clipped(planes: Reals, begin: int, end: int, a: Reals, b: Reals) -> tuple[float, float]:
    """Part of the line from a to b within half-spaces; nothing if the first number is not below the second."""
    t0, t1 = 0.0, 1.0
    for k in range(begin, end):
        x, y, z, offset = planes[k]
        height = x * a[0] + y * a[1] + z * a[2] - offset
        rise = x * (b[0] - a[0]) + y * (b[1] - a[1]) + z * (b[2] - a[2])
        if rise > 0.0:
            t1 = min(t1, -height / rise)
        elif rise < 0.0:
            t0 = max(t0, -height / rise)
        elif height > 0.0:
            return 1.0, 0.0
        if t0 >= t1:
            return 1.0, 0.0
    return (t0, t1) if end > begin else (1.0, 0.0)


def shared_volumes(shapes: Polytopes, pairs: ArrayLike) -> Reals:
    """Compute the volume that two polyhedra share, in µm³, float64[n_pairs]; that of one with itself is its own.

    The faces of what two share are parts of their faces: each face is cut by all other planes, and the volume is a third of the
    sum of their areas times their heights (divergence theorem).

    Parameters
    ----------
    shapes
        The polyhedra.
    pairs
        Numbers of two polyhedra, int[n_pairs, 2].

    Raises
    ------
    ValueError
        *pairs* has another shape, or names a polyhedron that is not there.
    """
    two = np.asarray(pairs)
    if two.ndim != 2 or two.shape[1] != 2 or two.dtype.kind not in "iu":
        raise ValueError(f"pairs are {two.dtype}{list(two.shape)}; expected integers (n, 2)")
    bad = np.flatnonzero(((two < 0) | (two >= shapes.size)).any(axis=1))
    if bad.size:
        raise ValueError(f"pairs[{bad[0]}] is {two[bad[0]].tolist()}; there are {shapes.size} polyhedra")
    result = np.empty(len(two))
    kernel = partial(
        _share, shapes.planes, shapes.offsets, shapes.low, shapes.high, two.astype(np.int64), result
    )
    over_rows(kernel, len(two), 4096 * len(two))
    return result


@jit
def _share(
    planes: Reals,
    offsets: Integers,
    low: Reals,
    high: Reals,
    pairs: Integers,
    result: Reals,
    begin: int,
    end: int,
) -> None:
    most = 0
    for p in range(len(offsets) - 1):
        most = max(most, offsets[p + 1] - offsets[p])
    both = np.empty((2 * most, 4))
    room, spare, corner = np.empty((_CORNERS, 3)), np.empty((_CORNERS, 3)), np.empty(3)
    for n in range(begin, end):
        p, q = pairs[n]
        result[n] = 0.0
        size = 0.0
        apart = False
        for axis in range(3):
            bottom, top = max(low[p, axis], low[q, axis]), min(high[p, axis], high[q, axis])
            apart |= not bottom < top
            corner[axis] = (bottom + top) / 2.0
            size = max(size, top - bottom)
        if apart:
            continue
        count = 0
        for side in range(1 if p == q else 2):
            of = q if side else p
            for k in range(offsets[of], offsets[of + 1]):
                both[count] = planes[k]
                # Seen from the middle of what the boxes share, numbers are small.
                for axis in range(3):
                    both[count, 3] -= planes[k, axis] * corner[axis]
                count += 1
        total = 0.0
        for k in range(count):
            total += both[k, 3] * _face_area(both, count, k, 2.0 * size, room, spare)
        result[n] = total / 3.0


@jit
def _face_area(planes: Reals, count: int, face: int, size: float, room: Reals, spare: Reals) -> float:
    """Area of what all other half-spaces leave of one of the planes, near the origin."""
    x, y, z, offset = planes[face]
    if abs(offset) > size:
        return 0.0
    # A square on the plane, around the foot of the origin.
    if abs(x) < 0.6:
        ux, uy, uz = 0.0, z, -y
    else:
        ux, uy, uz = -z, 0.0, x
    length = np.sqrt(ux * ux + uy * uy + uz * uz)
    ux, uy, uz = ux / length, uy / length, uz / length
    vx, vy, vz = y * uz - z * uy, z * ux - x * uz, x * uy - y * ux
    for c in range(4):
        s, t = (-size if c in (0, 3) else size), (-size if c < 2 else size)
        room[c, 0] = x * offset + s * ux + t * vx
        room[c, 1] = y * offset + s * uy + t * vy
        room[c, 2] = z * offset + s * uz + t * vz
    n = 4
    for k in range(count):
        if k == face:
            continue
        a, b, c, d = planes[k]
        if x * a + y * b + z * c > 1.0 - 1e-12 and abs(offset - d) < 1e-12 * size:
            # Of two planes in one place, the first has the face.
            if k < face:
                return 0.0
            continue
        beyond = 0
        for m in range(n):
            beyond += int(a * room[m, 0] + b * room[m, 1] + c * room[m, 2] > d)
        if beyond == n:
            return 0.0
        if beyond:
            n = _cut_polygon(room, n, a, b, c, d, spare)
            room, spare = spare, room
    twice = 0.0
    for m in range(1, n - 1):
        ax, ay, az = room[m, 0] - room[0, 0], room[m, 1] - room[0, 1], room[m, 2] - room[0, 2]
        bx, by, bz = room[m + 1, 0] - room[0, 0], room[m + 1, 1] - room[0, 1], room[m + 1, 2] - room[0, 2]
        twice += x * (ay * bz - az * by) + y * (az * bx - ax * bz) + z * (ax * by - ay * bx)
    return abs(twice) / 2.0


@jit
def _cut_polygon(corners: Reals, n: int, a: float, b: float, c: float, d: float, out: Reals) -> int:
    """Write the part of a polygon within a half-space (Sutherland & Hodgman 1974), and return its number of corners."""
    m, last = 0, n - 1
    before = a * corners[last, 0] + b * corners[last, 1] + c * corners[last, 2] - d
    for k in range(n):
        height = a * corners[k, 0] + b * corners[k, 1] + c * corners[k, 2] - d
        if (before < 0.0 < height or height < 0.0 < before) and m < len(out):
            part = before / (before - height)
            for axis in range(3):
                out[m, axis] = corners[last, axis] + part * (corners[k, axis] - corners[last, axis])
            m += 1
        if height <= 0.0 and m < len(out):
            for axis in range(3):
                out[m, axis] = corners[k, axis]
            m += 1
        before, last = height, k
    return m
