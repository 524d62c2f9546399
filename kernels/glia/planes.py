"""Domains of astrocytes as half-spaces, and the points in them.

A point is in a domain where it is on the inner side of every face. The arithmetic is that of ArchNGV 3.3
(``archngv.spatial.collision.convex_shape_with_spheres``): faces are float32, a difference is as wide as the points are, and
what exceeds a face by no more than 1e-8 µm is inside. So points on the boundary are in the same domains as there.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, row_offsets
from ..grid import CubeGrid, cell_along
from ..jit import jit

Single = NDArray[np.float32]
Whole = NDArray[np.int64]

_NEAR = 1e-8  # NumPy's isclose to zero, which ArchNGV takes for zero
_MARGIN = 1e-3  # far more than float32 differences within a domain are off by, in µm


class DomainPlanes(NamedTuple):
    """Faces of domains, one after another.

    Attributes
    ----------
    offsets
        Domain d has the faces ``offsets[d]`` to ``offsets[d + 1]``, int64[n_domains + 1].
    points, normals
        A point on each face in µm, and the unit normal to its outer side, float32[n_faces, 3].
    low, high
        Corners of the box around each domain's vertices in µm, float32[n_domains, 3].
    centroids
        Mean of each domain's vertices in µm, float32[n_domains, 3].
    """

    offsets: Whole
    points: Single
    normals: Single
    low: Single
    high: Single
    centroids: Single


def domain_planes(
    points: ArrayLike, triangles: ArrayLike, point_offsets: ArrayLike, triangle_offsets: ArrayLike
) -> DomainPlanes:
    """Return the half-spaces of polyhedra.

    Parameters
    ----------
    points
        Vertices of all polyhedra in µm, float[n_points, 3]; they are taken as float32.
    triangles
        Three vertices of each triangle, counted from the first vertex of its polyhedron, int[n_triangles, 3].
    point_offsets, triangle_offsets
        Where the vertices and the triangles of each polyhedron begin, and the last ones end, int[n_domains + 1].

    Returns
    -------
    DomainPlanes
        A half-space for each triangle. Where a normal points to the mean of the vertices the triangle is turned round.

    Raises
    ------
    ValueError
        Offsets do not fit, or a triangle has a vertex that its polyhedron does not have.
    """
    vertices = in_space("points", points).astype(np.float32)
    faces = np.ascontiguousarray(triangles)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise ValueError(f"triangles have shape {faces.shape} of {faces.dtype}; expected integers (n, 3)")
    n_domains = len(np.atleast_1d(point_offsets)) - 1
    first = row_offsets(point_offsets, n_domains, len(vertices))
    offsets = row_offsets(triangle_offsets, n_domains, len(faces))
    sizes = np.repeat(np.diff(first), np.diff(offsets))
    bad = np.flatnonzero(((faces < 0) | (faces >= sizes[:, None])).any(axis=1))
    if bad.size:
        raise ValueError(
            f"triangles[{bad[0]}] is {faces[bad[0]].tolist()}; expected vertices below {sizes[bad[0]]}"
        )
    shape = (len(first) - 1, 3)
    planes = DomainPlanes(
        offsets,
        np.empty((len(faces), 3), np.float32),
        np.empty((len(faces), 3), np.float32),
        np.full(shape, np.inf, np.float32),
        np.full(shape, -np.inf, np.float32),
        np.zeros(shape, np.float32),
    )
    _planes(vertices, faces.astype(np.int64), first, planes)
    return planes


@jit
def _planes(vertices: Single, faces: Whole, first: Whole, planes: DomainPlanes) -> None:
    e1, e2, normal = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for d in range(len(first) - 1):
        for k in range(3):
            total = np.float32(0.0)
            for v in range(first[d], first[d + 1]):
                total += vertices[v, k]
                planes.low[d, k] = min(planes.low[d, k], vertices[v, k])
                planes.high[d, k] = max(planes.high[d, k], vertices[v, k])
            planes.centroids[d, k] = total / np.float32(first[d + 1] - first[d])
        for f in range(planes.offsets[d], planes.offsets[d + 1]):
            a, b, c = first[d] + faces[f, 0], first[d] + faces[f, 1], first[d] + faces[f, 2]
            _normal(vertices, a, b, c, e1, e2, normal)
            away = np.float32(0.0)
            for k in range(3):
                away += (vertices[a, k] - planes.centroids[d, k]) * normal[k]
            if away < 0.0 and abs(away) > _NEAR:
                a, c = c, a
                _normal(vertices, a, b, c, e1, e2, normal)
            for k in range(3):
                planes.points[f, k] = vertices[a, k]
                planes.normals[f, k] = normal[k]


@jit
def _normal(
    vertices: Single, a: np.int64, b: np.int64, c: np.int64, e1: Single, e2: Single, normal: Single
) -> None:
    for k in range(3):
        e1[k] = vertices[b, k] - vertices[a, k]
        e2[k] = vertices[c, k] - vertices[a, k]
    normal[0] = e1[1] * e2[2] - e1[2] * e2[1]
    normal[1] = e1[2] * e2[0] - e1[0] * e2[2]
    normal[2] = e1[0] * e2[1] - e1[1] * e2[0]
    size = np.float32(math.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]))
    for k in range(3):
        normal[k] = normal[k] / size


@jit
def in_domain(
    planes: DomainPlanes,
    domain: int | np.int64,
    points: NDArray[np.floating],
    row: int | np.int64,
    radius: float,
) -> bool:
    """Tell whether a sphere reaches into a domain: no face is farther inside of its centre than its radius.

    Parameters
    ----------
    planes, domain
        The domains, and which of them.
    points, row
        Centres of spheres in µm, and which of them.
    radius
        Of the sphere in µm; 0 for a point.
    """
    for k in range(3):
        x = np.float32(points[row, k])
        if x < planes.low[domain, k] or x > planes.high[domain, k]:
            return False
    for f in range(planes.offsets[domain], planes.offsets[domain + 1]):
        px = (points[row, 0] - planes.points[f, 0]) * planes.normals[f, 0]
        py = (points[row, 1] - planes.points[f, 1]) * planes.normals[f, 1]
        pz = (points[row, 2] - planes.points[f, 2]) * planes.normals[f, 2]
        if px + py + pz - radius > _NEAR:
            return False
    return True


@jit
def rows_in_domain(
    planes: DomainPlanes,
    domain: int | np.int64,
    points: NDArray[np.floating],
    radii: NDArray[np.floating],
    grid: CubeGrid,
    rows: Whole,
) -> int:
    """Find the points in a domain.

    Parameters
    ----------
    planes, domain
        The domains, and which of them.
    points
        The points in the order of the grid, in µm.
    radii
        Of the spheres around them in the same order, in µm; empty for points.
    grid
        Where they are.
    rows
        Takes the rows of the points found, before they were sorted into the grid, int64[n_points] at least.

    Returns
    -------
    int
        How many were found.
    """
    n = 0
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(3):
        low[k] = cell_along(grid.low[k], grid.scale, grid.shape[k], planes.low[domain, k])
        high[k] = cell_along(grid.low[k], grid.scale, grid.shape[k], planes.high[domain, k])
    for p in range(low[0], high[0] + 1):
        for q in range(low[1], high[1] + 1):
            row = (p * grid.shape[1] + q) * grid.shape[2]
            for r in range(low[2], high[2] + 1):
                begin, end = grid.starts[row + r], grid.starts[row + r + 1]
                if begin == end:
                    continue
                side = 0 if len(radii) or end - begin < 3 else _side(planes, domain, grid, p, q, r)
                if side > 0:
                    continue
                for i in range(begin, end):
                    radius = float(radii[i]) if len(radii) else 0.0
                    if side < 0 or in_domain(planes, domain, points, i, radius):
                        rows[n] = grid.order[i]
                        n += 1
    return n


@jit
def _side(planes: DomainPlanes, domain: int | np.int64, grid: CubeGrid, p: int, q: int, r: int) -> int:
    """1 for a cell outside of the domain, -1 for one inside, 0 for one that may be cut."""
    edge = 1.0 / grid.scale
    half = 0.5 * edge + _MARGIN
    x, y, z = (
        grid.low[0] + (p + 0.5) * edge,
        grid.low[1] + (q + 0.5) * edge,
        grid.low[2] + (r + 0.5) * edge,
    )
    inside = (
        x - half >= planes.low[domain, 0]
        and x + half <= planes.high[domain, 0]
        and y - half >= planes.low[domain, 1]
        and y + half <= planes.high[domain, 1]
        and z - half >= planes.low[domain, 2]
        and z + half <= planes.high[domain, 2]
    )
    for f in range(planes.offsets[domain], planes.offsets[domain + 1]):
        nx, ny, nz = (
            float(planes.normals[f, 0]),
            float(planes.normals[f, 1]),
            float(planes.normals[f, 2]),
        )
        away = (
            (x - planes.points[f, 0]) * nx + (y - planes.points[f, 1]) * ny + (z - planes.points[f, 2]) * nz
        )
        reach = half * (abs(nx) + abs(ny) + abs(nz))
        if away - reach > _MARGIN:
            return 1
        inside = inside and away + reach < -_MARGIN
    return -1 if inside else 0
