"""Convex cells cut out of a box by half-spaces, as cells of Voronoi and power diagrams are.

A cell is kept in dual form: each vertex is the three planes that meet in it, in the order in which they lie around it as seen
from outside (Ray, Sokolov, Lefebvre & Lévy 2018, doi:10.1145/3272127.3275092). A further plane removes the vertices beyond it;
what borders on them is one cycle of edges, and each edge of it has a new vertex on the plane. A plane that passes through a
vertex, as in a lattice, leaves it: so the cell stays one of simple vertices, some of which coincide.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

BOX_PLANES = 6
"""Planes 0 to 5 are the sides of the box: low and high x, y and z."""

CUT, UNTOUCHED, FULL, TORN = 0, 1, 2, 3
"""What became of a cell: changed, not reached by the plane, too large for its room, or in pieces by rounding."""


class Cell(NamedTuple):
    """Room for a convex cell; how many vertices and planes it has is in *sizes*.

    Attributes
    ----------
    sizes
        Vertices, and planes, int64[2].
    planes
        Outward unit normal and offset of each plane, float64[n, 4]: x is inside where normal · x <= offset.
    owner
        What each plane separates the cell from, int64[n].
    corners
        Planes of each vertex, int64[m, 3].
    places
        Place of each vertex in µm, from the centre of the cell, float64[m, 3].
    beyond
        How far each vertex is beyond a plane in µm, float64[m].
    spare
        Room for vertices that come in, float64[m, 3] and int64[m, 3].
    """

    sizes: Integers
    planes: Reals
    owner: Integers
    corners: Integers
    places: Reals
    beyond: Reals
    spare: tuple[Reals, Integers]


@jit
def room(most: int) -> Cell:
    """Return room for a cell of at most this many vertices, and as many planes.

    Parameters
    ----------
    most
        Number of vertices.
    """
    return Cell(
        np.zeros(2, np.int64),
        np.empty((most, 4)),
        np.empty(most, np.int64),
        np.empty((most, 3), np.int64),
        np.empty((most, 3)),
        np.empty(most),
        (np.empty((most, 3)), np.empty((most, 3), np.int64)),
    )


@jit
def begin(cell: Cell, low: Reals, high: Reals, centre: Reals) -> None:
    """Make a cell the whole box.

    Parameters
    ----------
    cell
        The cell.
    low, high
        Corners of the box in µm, float64[3].
    centre
        Where the cell's coordinates begin, float64[3].
    """
    cell.planes[:BOX_PLANES] = 0.0
    for axis in range(3):
        cell.planes[2 * axis, axis], cell.planes[2 * axis, 3] = -1.0, centre[axis] - low[axis]
        cell.planes[2 * axis + 1, axis], cell.planes[2 * axis + 1, 3] = 1.0, high[axis] - centre[axis]
        cell.owner[2 * axis], cell.owner[2 * axis + 1] = -1 - 2 * axis, -2 - 2 * axis
    for vertex in range(8):
        x, y, z = vertex & 1, (vertex >> 1) & 1, vertex >> 2
        cell.places[vertex, 0] = (high[0] if x else low[0]) - centre[0]
        cell.places[vertex, 1] = (high[1] if y else low[1]) - centre[1]
        cell.places[vertex, 2] = (high[2] if z else low[2]) - centre[2]
        # Three outward normals of a corner are right-handed where an even number of them is turned.
        cell.corners[vertex, 0] = x
        even = (x + y + z) % 2 == 1
        cell.corners[vertex, 1 if even else 2] = 2 + y
        cell.corners[vertex, 2 if even else 1] = 4 + z
    cell.sizes[0], cell.sizes[1] = 8, BOX_PLANES


@jit
def reach(cell: Cell) -> float:
    """Return the largest distance of a vertex from the cell's centre in µm; 0 of an empty cell.

    Parameters
    ----------
    cell
        The cell.
    """
    most = 0.0
    for vertex in range(cell.sizes[0]):
        x, y, z = cell.places[vertex, 0], cell.places[vertex, 1], cell.places[vertex, 2]
        most = max(most, x * x + y * y + z * z)
    return float(np.sqrt(most))


@jit
def cut(cell: Cell, x: float, y: float, z: float, offset: float, owner: int, margin: float) -> int:
    """Cut a cell by a plane, and tell what became of it.

    Parameters
    ----------
    cell
        The cell.
    x, y, z
        Outward unit normal of the plane.
    offset
        Distance of the plane from the cell's centre along it in µm.
    owner
        What lies beyond the plane.
    margin
        A vertex that is no farther beyond the plane than this stays, in µm.
    """
    vertices, planes = cell.sizes[0], cell.sizes[1]
    gone = 0
    for vertex in range(vertices):
        along = cell.places[vertex, 0] * x + cell.places[vertex, 1] * y + cell.places[vertex, 2] * z
        cell.beyond[vertex] = along - offset
        gone += int(cell.beyond[vertex] > margin)
    if gone == 0:
        return UNTOUCHED
    if gone == vertices:
        cell.sizes[0] = 0
        return CUT
    if planes == len(cell.owner):
        return FULL
    cell.planes[planes, 0], cell.planes[planes, 1], cell.planes[planes, 2] = x, y, z
    cell.planes[planes, 3], cell.owner[planes] = offset, owner
    fresh = 0
    for vertex in range(vertices):
        if cell.beyond[vertex] <= margin:
            continue
        for side in range(3):
            one, other = cell.corners[vertex, side], cell.corners[vertex, (side + 1) % 3]
            twin = _with_edge(cell, other, one)
            if twin < 0:
                return TORN
            if cell.beyond[twin] > margin:
                continue
            if vertices - gone + fresh >= len(cell.beyond):
                return FULL
            # The nearer of two almost equal distances could be beyond the plane by the margin.
            share = min(max(cell.beyond[twin] / (cell.beyond[twin] - cell.beyond[vertex]), 0.0), 1.0)
            for axis in range(3):
                start = cell.places[twin, axis]
                cell.spare[0][fresh, axis] = start + share * (cell.places[vertex, axis] - start)
            cell.spare[1][fresh, 0], cell.spare[1][fresh, 1], cell.spare[1][fresh, 2] = one, other, planes
            fresh += 1
    kept = 0
    for vertex in range(vertices):
        if cell.beyond[vertex] <= margin:
            for axis in range(3):
                cell.places[kept, axis] = cell.places[vertex, axis]
                cell.corners[kept, axis] = cell.corners[vertex, axis]
            kept += 1
    for vertex in range(fresh):
        for axis in range(3):
            cell.places[kept + vertex, axis] = cell.spare[0][vertex, axis]
            cell.corners[kept + vertex, axis] = cell.spare[1][vertex, axis]
    cell.sizes[0], cell.sizes[1] = kept + fresh, planes + 1
    return CUT


@jit
def _with_edge(cell: Cell, one: int, other: int) -> int:
    """The vertex in which the planes *one* and *other* follow each other, or -1."""
    for vertex in range(cell.sizes[0]):
        a, b, c = cell.corners[vertex, 0], cell.corners[vertex, 1], cell.corners[vertex, 2]
        if (a == one and b == other) or (b == one and c == other) or (c == one and a == other):
            return vertex
    return -1


@jit
def faces(cell: Cell, sizes: Integers, loops: Integers) -> int:
    """Write the vertices around each face, counter-clockwise as seen from outside; return their number, or -1 if it is torn.

    Parameters
    ----------
    cell
        The cell.
    sizes
        How many vertices each plane's face has, int64[n_planes]; 0 of a plane without a face.
    loops
        The vertices, face after face, int64[3 * n_vertices].
    """
    sizes[: cell.sizes[1]] = 0
    for vertex in range(cell.sizes[0]):
        for side in range(3):
            sizes[cell.corners[vertex, side]] += 1
    at = 0
    for plane in range(cell.sizes[1]):
        if not sizes[plane]:
            continue
        first = -1
        for vertex in range(cell.sizes[0]):
            corner = cell.corners[vertex, 0], cell.corners[vertex, 1], cell.corners[vertex, 2]
            if corner[0] == plane or corner[1] == plane or corner[2] == plane:
                first = vertex
                break
        vertex = first
        for step in range(sizes[plane]):
            loops[at] = vertex
            at += 1
            before = -1
            for side in range(3):
                if cell.corners[vertex, side] == plane:
                    before = cell.corners[vertex, (side + 2) % 3]
            vertex = _with_edge(cell, plane, before)
            if vertex < 0 or (vertex == first) != (step == sizes[plane] - 1):
                return -1
    return at
