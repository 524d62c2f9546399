"""Closed triangulated surfaces: made of points, and which points are inside. All lengths in µm."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space
from ..jit import jit, over_rows

Reals = NDArray[np.float64]


class Surface(NamedTuple):
    """Triangles that close a volume, in any orientation.

    Attributes
    ----------
    vertices
        float64[n_vertices, 3].
    triangles
        Vertices of each triangle, int64[n_triangles, 3].
    """

    vertices: Reals
    triangles: NDArray[np.int64]


def closed_surface(vertices: ArrayLike, triangles: ArrayLike) -> Surface:
    """Make a surface of a mesh, checked: each edge belongs to an even number of triangles.

    Parameters
    ----------
    vertices
        Places in µm, shape (n_vertices, 3).
    triangles
        Numbers of the three vertices of each triangle, int[n_triangles, 3].

    Raises
    ------
    ValueError
        Shapes or vertex numbers are wrong, a vertex is not finite, or an edge is open: the message names the edge.
    """
    points, corners = in_space("vertices", vertices), np.ascontiguousarray(triangles)
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu" or not len(corners):
        raise ValueError(
            f"triangles are {corners.dtype}{list(corners.shape)}; expected integers (n, 3), n > 0"
        )
    corners = corners.astype(np.int64)
    bad = np.flatnonzero(((corners < 0) | (corners >= len(points))).any(axis=1))
    if bad.size:
        raise ValueError(
            f"triangle {bad[0]} is {corners[bad[0]].tolist()}; expected vertices below {len(points)}"
        )
    edges = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    odd = np.flatnonzero(counts % 2)
    if odd.size:
        raise ValueError(
            f"the edge from vertex {unique[odd[0], 0]} to {unique[odd[0], 1]} belongs to {counts[odd[0]]} triangles: "
            "the surface is not closed"
        )
    return Surface(points, corners)


def convex_hull(points: ArrayLike) -> Surface:
    """Return the convex hull of points.

    Parameters
    ----------
    points
        Places in µm, shape (n, 3).

    Raises
    ------
    ValueError
        There are fewer than four points, all lie in one plane, or scipy is not installed.
    """
    found = in_space("points", points)
    hull = _scipy("ConvexHull", found)
    return closed_surface(found, hull.simplices)


def alpha_shape(points: ArrayLike, radius: float) -> Surface:
    """Return the boundary of those Delaunay tetrahedra of points whose circumscribed radius is below *radius*.

    Parameters
    ----------
    points
        Places in µm, shape (n, 3).
    radius
        Limit of the radius in µm.

    Raises
    ------
    ValueError
        As `convex_hull`, or no tetrahedron is that small.
    """
    found = in_space("points", points)
    if not radius > 0:
        raise ValueError(f"radius is {radius}; expected a positive length in um")
    cells = _scipy("Delaunay", found).simplices.astype(np.int64)
    # The circumcentre is at the same distance from all corners: three linear equations.
    sides = found[cells[:, 1:]] - found[cells[:, :1]]
    flat = abs(np.linalg.det(sides)) <= 1e-12 * np.prod(np.linalg.norm(sides, axis=2), axis=1)
    sides[flat] = np.eye(3)
    centre = np.linalg.solve(sides, (sides**2).sum(axis=2, keepdims=True) / 2)[..., 0]
    kept = cells[~flat & (np.linalg.norm(centre, axis=1) < radius)]
    if not len(kept):
        raise ValueError(
            f"no tetrahedron of the points fits into a sphere of radius {radius} um; use a larger one"
        )
    faces = np.sort(kept[:, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]].reshape(-1, 3), axis=1)
    unique, counts = np.unique(faces, axis=0, return_counts=True)
    return closed_surface(found, unique[counts == 1])


def _scipy(name: str, points: Reals) -> Any:
    try:
        from scipy import spatial
    except ImportError as error:
        raise ValueError(
            "surfaces of points need scipy: install neurolake[analysis], or give triangles"
        ) from error
    try:
        return getattr(spatial, name)(points)
    except (spatial.QhullError, ValueError) as error:
        raise ValueError(
            f"{len(points)} points make no volume: expected four or more, not all in a plane"
        ) from error


def inside(surface: Surface, points: ArrayLike) -> NDArray[np.bool_]:
    """Tell whether each point lies within a closed surface, bool[n]; for a point on it the answer may be either.

    Parameters
    ----------
    surface
        The surface.
    points
        Places in µm, shape (n, 3).

    Raises
    ------
    ValueError
        *points* has another shape or is not finite.
    """
    found = in_space("points", points)
    corners = np.ascontiguousarray(surface.vertices[surface.triangles])
    low, high = corners[:, :, :2].min(axis=(0, 1)), corners[:, :, :2].max(axis=(0, 1))
    side = max(1, int(np.sqrt(len(corners))))
    scale = side / np.maximum(high - low, np.finfo(float).tiny)
    first, last = (
        _bin(bound, low, scale, side) for bound in (corners[:, :, :2].min(1), corners[:, :, :2].max(1))
    )
    offsets, members = _registered(first, last, side)
    result = np.empty(len(found), np.bool_)
    kernel = partial(
        _inside, corners, surface.triangles, low, high, scale, side, offsets, members, found, result
    )
    over_rows(kernel, len(found), len(found))
    return result


def _bin(place: Reals, low: Reals, scale: Reals, side: int) -> NDArray[np.int64]:
    return np.clip((place - low) * scale, 0, side - 1).astype(np.int64)


@jit
def _registered(
    first: NDArray[np.int64], last: NDArray[np.int64], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles of each column of the grid over x and y, as offsets and members."""
    offsets = np.zeros(side * side + 1, np.int64)
    for t in range(len(first)):
        for i in range(first[t, 0], last[t, 0] + 1):
            for j in range(first[t, 1], last[t, 1] + 1):
                offsets[i * side + j + 1] += 1
    for column in range(side * side):
        offsets[column + 1] += offsets[column]
    members, at = np.empty(offsets[-1], np.int64), offsets.copy()
    for t in range(len(first)):
        for i in range(first[t, 0], last[t, 0] + 1):
            for j in range(first[t, 1], last[t, 1] + 1):
                members[at[i * side + j]] = t
                at[i * side + j] += 1
    return offsets, members


@jit
def _inside(
    corners: Reals,
    names: NDArray[np.int64],
    low: Reals,
    high: Reals,
    scale: Reals,
    side: int,
    offsets: NDArray[np.int64],
    members: NDArray[np.int64],
    points: Reals,
    result: NDArray[np.bool_],
    begin: int,
    end: int,
) -> None:
    """Whether the ray from each point along z crosses the surface an odd number of times."""
    for n in range(begin, end):
        x, y, z = points[n]
        odd = False
        if low[0] <= x <= high[0] and low[1] <= y <= high[1]:
            column = min(int((x - low[0]) * scale[0]), side - 1) * side
            column += min(int((y - low[1]) * scale[1]), side - 1)
            for m in range(offsets[column], offsets[column + 1]):
                odd ^= _above(corners[members[m]], names[members[m]], x, y, z)
        result[n] = odd


@jit
def _above(corner: Reals, name: NDArray[np.int64], x: float, y: float, z: float) -> bool:
    """Whether the ray along z from a point crosses a triangle.

    A ray through an edge counts for one of the two triangles beside it: each edge is looked at from the same end.
    """
    within = False
    for k in range(3):
        a, b = k, (k + 1) % 3
        if name[a] > name[b]:
            a, b = b, a
        if (corner[a, 1] > y) != (corner[b, 1] > y):
            part = (y - corner[a, 1]) / (corner[b, 1] - corner[a, 1])
            within ^= x < corner[a, 0] + part * (corner[b, 0] - corner[a, 0])
    if not within:
        return False
    e, f = corner[1] - corner[0], corner[2] - corner[0]
    area = e[0] * f[1] - e[1] * f[0]
    if area == 0.0:
        return False
    s = ((x - corner[0, 0]) * f[1] - (y - corner[0, 1]) * f[0]) / area
    t = ((y - corner[0, 1]) * e[0] - (x - corner[0, 0]) * e[1]) / area
    return bool(corner[0, 2] + s * e[2] + t * f[2] > z)
