"""Domains and meshes as rows: volume, area, box and faces of what ragged points and triangles are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.glia import DOMAIN_FACES, DOMAINS, ENDFEET, MESHES
from ...lake.data.ragged import Ragged

Reals = NDArray[np.float64]


def domain_tables(
    points: Ragged,
    triangles: Ragged,
    neighbours: Ragged,
    scales: Reals | None = None,
    first: int = 0,
) -> tuple[pa.Table, pa.Table]:
    """Return some domains as rows of `DOMAINS`, and their faces as rows of `DOMAIN_FACES`.

    The volume is the sum of the tetrahedra between each triangle and the mean of the points, which is that of a polyhedron all of whose
    surface is seen from there, as ArchNGV has it.

    Parameters
    ----------
    points
        Points of each domain, [point, 3] in µm.
    triangles
        Triangles of each, [triangle, 4]: face, and the numbers of its corners in the domain.
    neighbours
        Cell on the other side, one for each triangle or one for each face; negative at walls.
    scales
        By how much each was enlarged; None if that is not known.
    first
        Number of the first domain's cell.
    """
    count, owner = len(points), triangles.owners
    centroid = _means(points)
    corners = _corners(points, triangles.values[:, 1:], owner)
    areas = _areas(corners)
    arms = corners - centroid[owner][:, None, :]
    volumes = np.abs(np.einsum("ij,ij->i", arms[:, 0], np.cross(arms[:, 1], arms[:, 2]))) / 6
    low, high = _boxes(points)
    faces, per_domain, boundary = _faces(triangles, neighbours, areas, first)
    empty = points.sizes == 0
    columns: dict[str, Any] = {
        "node_id": np.arange(first, first + count),
        "volume": np.bincount(owner, volumes, count),
        "area": np.bincount(owner, areas, count),
        **{f"centroid_{axis}": pa.array(centroid[:, at], mask=empty) for at, axis in enumerate("xyz")},
        **{f"min_{axis}": pa.array(low[:, at], mask=empty) for at, axis in enumerate("xyz")},
        **{f"max_{axis}": pa.array(high[:, at], mask=empty) for at, axis in enumerate("xyz")},
        "scale": pa.nulls(count, pa.float64()) if scales is None else scales,
        "faces": per_domain,
        "boundary": boundary,
    }
    return pa.table(columns, DOMAINS.schema), faces


def _faces(
    triangles: Ragged, neighbours: Ragged, areas: Reals, first: int
) -> tuple[pa.Table, NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of the faces; how many each domain has, and whether one of them is a wall."""
    owner, face, count = triangles.owners, triangles.values[:, 0], len(triangles)
    order = np.lexsort((face, owner))
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(owner[order]) != 0) | (np.diff(face[order]) != 0)
    number = np.cumsum(begins) - 1
    at = order[begins]
    sizes = np.bincount(owner[at], minlength=count)
    beyond: Any = pa.nulls(len(at), pa.int64())
    walls = np.zeros(len(at), bool)
    for told, rows in ((triangles.sizes, at), (sizes, np.arange(len(at)))):
        # One for each triangle, as ArchNGV writes them, or one for each face.
        if np.array_equal(neighbours.sizes, told):
            beyond = neighbours.values[rows].astype(np.int64)
            walls = beyond < 0
            break
    columns = {
        "node_id": owner[at] + first,
        "face": face[at].astype(np.int64),
        "neighbour": beyond,
        "triangles": np.bincount(number, minlength=len(at)),
        "area": np.bincount(number, areas[order], len(at)),
    }
    boundary = np.bincount(owner[at], walls, count) > 0
    return pa.table(columns, DOMAIN_FACES.schema), sizes, boundary


def mesh_table(points: Ragged, triangles: Ragged, first: int = 0) -> pa.Table:
    """Return some meshes as rows of `MESHES`.

    Parameters
    ----------
    points
        Points of each mesh, [point, 3] in µm.
    triangles
        Triangles of each, [triangle, 3]: numbers of the corners in the mesh.
    first
        Number of the first mesh.
    """
    owner, count = triangles.owners, len(points)
    areas = _areas(_corners(points, triangles.values, owner))
    columns = {
        "mesh_id": np.arange(first, first + count),
        "points": points.sizes,
        "triangles": triangles.sizes,
        "area": np.bincount(owner, areas, count),
    }
    return pa.table(columns, MESHES.schema)


def endfoot_table(
    points: Ragged, triangles: Ragged, attributes: Mapping[str, NDArray[Any]], first: int = 0
) -> pa.Table:
    """Return some endfeet as rows of `ENDFEET`.

    Parameters
    ----------
    points, triangles
        Of each endfoot.
    attributes
        Columns besides: areas and thickness, of whatever type they are.
    first
        Number of the first endfoot.
    """
    columns: dict[str, Any] = {
        "endfoot_id": np.arange(first, first + len(points)),
        "points": points.sizes,
        "triangles": triangles.sizes,
        **attributes,
    }
    known = ENDFEET.schema
    fields = [
        known.field(name).with_type(pa.array(values).type)
        if name in known.names
        else pa.field(name, pa.array(values).type)
        for name, values in columns.items()
    ]
    return pa.table(columns, pa.schema(fields))


def _corners(points: Ragged, numbers: NDArray[Any], owner: NDArray[np.int64]) -> Reals:
    """Places of the corners of triangles, [triangle, 3, 3]."""
    at = numbers.astype(np.int64) + points.offsets[:-1][owner][:, None]
    found: Reals = points.values[at].astype(np.float64)
    return found


def _areas(corners: Reals) -> Reals:
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found: Reals = np.linalg.norm(normals, axis=1) / 2
    return found


def _means(points: Ragged) -> Reals:
    sums = [np.bincount(points.owners, points.values[:, axis], len(points)) for axis in range(3)]
    found: Reals = np.stack(sums, axis=1) / np.maximum(points.sizes, 1)[:, None]
    return found


def _boxes(points: Ragged) -> tuple[Reals, Reals]:
    low, high = np.full((len(points), 3), np.nan), np.full((len(points), 3), np.nan)
    some = np.flatnonzero(points.sizes)
    if len(some):
        low[some] = np.minimum.reduceat(points.values, points.offsets[:-1][some])
        high[some] = np.maximum.reduceat(points.values, points.offsets[:-1][some])
    return low, high
