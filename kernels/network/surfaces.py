"""Closed triangulated surfaces: made of points, asked for what lies inside. All lengths in µm."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    """A surface of a mesh, checked: each edge belongs to an even number of triangles.

    Raises
    ------
    ValueError
        Shapes or vertex numbers are wrong, a vertex is not finite, or an edge is open: the message names the edge.
    """
    raise NotImplementedError


def convex_hull(points: ArrayLike) -> Surface:
    """The convex hull of points, shape (n, 3).

    Raises
    ------
    ValueError
        Fewer than four points, all in one plane, or scipy is not installed.
    """
    raise NotImplementedError


def alpha_shape(points: ArrayLike, radius: float) -> Surface:
    """The boundary of those Delaunay tetrahedra of points, shape (n, 3), whose circumscribed radius is below *radius*.

    Raises
    ------
    ValueError
        As `convex_hull`, or no tetrahedron is that small.
    """
    raise NotImplementedError


def inside(surface: Surface, points: ArrayLike) -> NDArray[np.bool_]:
    """Whether each point, shape (n, 3), lies within a closed surface; a point on it may be told either way.

    Raises
    ------
    ValueError
        *points* has another shape or is not finite.
    """
    raise NotImplementedError
