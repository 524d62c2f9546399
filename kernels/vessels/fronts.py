"""Waves on a surface of triangles: when each vertex is reached, and by which of several waves.

The fast marching method (Kimmel & Sethian 1998, doi:10.1073/pnas.95.15.8431): the vertex that is reached first is final, and
gives times to its neighbours; across a triangle as a round wave does that reached its two other vertices (Novotni & Klein 2002,
"Computing geodesic distances on triangular meshes"). ArchNGV grows endfeet by fast marching with straight fronts, and keeps the
first time that a vertex was given, even if a shorter way is found later. Round ones are exact on planes and on what
can be unrolled into one, such as a cylinder, but for the corners of triangles; and here the shorter way counts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..heaps import pop, push
from ..jit import jit
from ..nearby import nearest_points, point_grid

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

_RINGS = 5  # around the nearest vertex, in which a wave may find another one to start from


class TriangleMesh(NamedTuple):
    """A surface of triangles, and which of them meet in each vertex: ``around[offsets[v]:offsets[v + 1]]``.

    Attributes
    ----------
    points
        Vertices in µm, float64[n_points, 3].
    triangles
        Vertices of each triangle, int64[n_triangles, 3].
    around, offsets
        int64[3 n_triangles] and int64[n_points + 1].
    """

    points: Reals
    triangles: Integers
    around: Integers
    offsets: Integers


class Waves(NamedTuple):
    """Which wave reached each vertex first, and when.

    Attributes
    ----------
    wave
        Number of the wave; -1 where none came, int64[n_points].
    time
        Length of its way along the surface in µm; infinite where none came, float64[n_points].
    """

    wave: Integers
    time: Reals


def triangle_mesh(points: ArrayLike, triangles: ArrayLike) -> TriangleMesh:
    """Make a mesh, checked.

    Parameters
    ----------
    points
        Vertices in µm, shape (n_points, 3).
    triangles
        Vertices of each triangle, int[n_triangles, 3].

    Raises
    ------
    ValueError
        A shape is wrong, a vertex is not finite, or a triangle has a vertex that is not there.
    """
    places, corners = in_space("points", points), np.ascontiguousarray(triangles)
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise ValueError(f"triangles are {corners.dtype}{list(corners.shape)}; expected integers (n, 3)")
    corners = corners.astype(np.int64)
    bad = np.flatnonzero(((corners < 0) | (corners >= len(places))).any(axis=1))
    if bad.size:
        raise ValueError(
            f"triangles[{bad[0]}] is {corners[bad[0]].tolist()}; expected vertices from 0 to {len(places) - 1}"
        )
    flat = corners.reshape(-1)
    counts = np.bincount(flat, minlength=len(places))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return TriangleMesh(places, corners, np.argsort(flat, kind="stable") // 3, offsets)


def uneven_edges(mesh: TriangleMesh) -> Integers:
    """Return the edges that do not belong to exactly two triangles, int64[n, 3]: two vertices, and how many triangles.

    A surface without any is closed, and divides space into inside and outside.

    Parameters
    ----------
    mesh
        The surface.
    """
    pairs = np.sort(mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, counts = np.unique(pairs[:, 0] * len(mesh.points) + pairs[:, 1], return_counts=True)
    odd = counts != 2
    return np.stack([keys[odd] // len(mesh.points), keys[odd] % len(mesh.points), counts[odd]], axis=1)


def triangle_areas(mesh: TriangleMesh) -> Reals:
    """Return the area of each triangle in µm², float64[n_triangles].

    Parameters
    ----------
    mesh
        The surface.
    """
    a, b, c = (mesh.points[mesh.triangles[:, corner]] for corner in range(3))
    return np.asarray(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1))


def start_vertices(mesh: TriangleMesh, places: ArrayLike) -> Integers:
    """Return the vertex that a wave from each place starts from, int64[n]; -1 of one that finds no room.

    It is the nearest one. Where several have the same, the nearest of them keeps it; each other goes to the first vertex of the
    rings around, up to the fifth, whose neighbours are no neighbours of other starts. ArchNGV does the same, and stops with an
    error where there is no such vertex.

    Parameters
    ----------
    mesh
        The surface.
    places
        Where waves should start in µm, shape (n, 3).

    Raises
    ------
    ValueError
        Places have another shape or are not finite, or the surface has no vertices.
    """
    wanted = in_space("places", places)
    nearest, distance = nearest_points(point_grid(mesh.points), wanted)
    starts = nearest.copy()
    order = np.lexsort((distance, nearest))
    again = order[1:][nearest[order[1:]] == nearest[order[:-1]]]
    if not again.size:
        return starts
    taken = np.zeros(len(mesh.points), np.bool_)
    taken[nearest] = True
    for vertex in np.unique(nearest[again]):
        _take(mesh, int(vertex), taken)
    for row in again:
        starts[row] = _free_vertex(mesh, int(nearest[row]), taken)
        if starts[row] >= 0:
            _take(mesh, int(starts[row]), taken)
    return starts


@jit
def _take(mesh: TriangleMesh, vertex: int, taken: NDArray[np.bool_]) -> None:
    taken[vertex] = True
    for k in range(mesh.offsets[vertex], mesh.offsets[vertex + 1]):
        for corner in range(3):
            taken[mesh.triangles[mesh.around[k], corner]] = True


@jit
def _free_vertex(mesh: TriangleMesh, vertex: int, taken: NDArray[np.bool_]) -> int:
    seen = {vertex}
    ring = [vertex]
    for _ in range(_RINGS):
        wider = [vertex for _ in range(0)]
        for inner in ring:
            for k in range(mesh.offsets[inner], mesh.offsets[inner + 1]):
                for corner in range(3):
                    other = mesh.triangles[mesh.around[k], corner]
                    if other not in seen:
                        seen.add(other)
                        wider.append(other)
        for other in wider:
            free = True
            for k in range(mesh.offsets[other], mesh.offsets[other + 1]):
                for corner in range(3):
                    free = free and not taken[mesh.triangles[mesh.around[k], corner]]
            if free:
                return int(other)
        ring = wider
    return -1


def marched_waves(mesh: TriangleMesh, starts: ArrayLike, cutoff: float = np.inf) -> Waves:
    """Let waves run over a surface at one speed, until they meet.

    Parameters
    ----------
    mesh
        The surface.
    starts
        The vertex that each wave starts from, int[n_waves]; a wave of -1 does not start.
    cutoff
        Straight distance from its start in µm, up to which a wave runs.

    Raises
    ------
    ValueError
        A start is no vertex, two waves have one, or the cutoff is not above 0.
    """
    begins = np.ascontiguousarray(starts, np.int64)
    chosen = begins[begins >= 0]
    if begins.ndim != 1 or (begins < -1).any() or (begins >= len(mesh.points)).any():
        raise ValueError(f"starts are {begins}; expected vertices from 0 to {len(mesh.points) - 1}, or -1")
    if len(np.unique(chosen)) < len(chosen):
        raise ValueError("two waves start from one vertex; expected one wave from a vertex")
    if not cutoff > 0.0:
        raise ValueError(f"cutoff is {cutoff}; expected a distance above 0 um")
    wave, time = np.full(len(mesh.points), -1), np.full(len(mesh.points), np.inf)
    _march(mesh, begins, float(cutoff) ** 2, wave, time)
    return Waves(wave, time)


@jit
def _march(mesh: TriangleMesh, starts: Integers, limit: float, wave: Integers, time: Reals) -> None:
    known = np.zeros(len(wave), np.bool_)
    keys, values, n = np.empty(1024), np.empty(1024, np.int64), 0
    for k in range(len(starts)):
        if starts[k] >= 0:
            wave[starts[k]], time[starts[k]] = k, 0.0
            if n == len(keys):
                keys = np.concatenate((keys, np.empty_like(keys)))
                values = np.concatenate((values, np.empty_like(values)))
            push(keys, values, n, 0.0, starts[k])
            n += 1
    while n:
        at = values[0]
        n = pop(keys, values, n)
        if known[at]:
            continue
        known[at] = True
        source = starts[wave[at]]
        for k in range(mesh.offsets[at], mesh.offsets[at + 1]):
            triangle = mesh.around[k]
            for corner in range(3):
                to = mesh.triangles[triangle, corner]
                if to == at or known[to]:
                    continue
                other = (
                    mesh.triangles[triangle, 0] + mesh.triangles[triangle, 1] + mesh.triangles[triangle, 2]
                )
                other -= at + to
                dx = mesh.points[to, 0] - mesh.points[source, 0]
                dy = mesh.points[to, 1] - mesh.points[source, 1]
                dz = mesh.points[to, 2] - mesh.points[source, 2]
                if dx * dx + dy * dy + dz * dz >= limit:
                    continue
                both = known[other] and wave[other] == wave[at] and other != at
                found = _arrival(mesh.points, at, other, to, time[at], time[other], both)
                if found < time[to]:
                    time[to], wave[to] = found, wave[at]
                    if n == len(keys):
                        keys = np.concatenate((keys, np.empty_like(keys)))
                        values = np.concatenate((values, np.empty_like(values)))
                    push(keys, values, n, found, to)
                    n += 1


@jit
def _arrival(points: Reals, a: int, b: int, c: int, from_a: float, from_b: float, both: bool) -> float:
    """When a front that reached A, and perhaps B, reaches C: along an edge, or through the triangle."""
    fx, fy, fz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    best = float(from_a + np.sqrt(fx * fx + fy * fy + fz * fz))
    if not both:
        return best
    ex, ey, ez = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    square, along = ex * ex + ey * ey + ez * ez, ex * fx + ey * fy + ez * fz
    # Where the wave would come from in the plane of the triangle: from_a away from A, from_b from B, beyond AB.
    base = np.sqrt(square)
    at = (from_a * from_a - from_b * from_b + square) / (2.0 * base)
    depth = from_a * from_a - at * at
    if depth < 0.0:
        return best
    depth = np.sqrt(depth)
    along /= base
    height = np.sqrt(max(fx * fx + fy * fy + fz * fz - along * along, 0.0))
    crossing = at + (along - at) * depth / (depth + height) if depth + height > 0.0 else at
    if 0.0 <= crossing <= base:
        best = min(best, float(np.sqrt((along - at) ** 2 + (depth + height) ** 2)))
    return best
