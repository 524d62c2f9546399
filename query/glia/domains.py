"""Domains of astrocytes: polyhedra that share out the space between them, with a little overlap."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.dataset as pds

from ...catalog.schema import identifier
from ...catalog.vocabulary import glia
from ...kernels.points.polyhedra import Polytopes, polytopes, segments_inside, shared_volumes
from ...lake.errors import InputError, MalformedError, NotFoundError
from .asking import GliaTables, Ids, among, whole
from .meshes import SurfaceMesh

Reals = npt.NDArray[np.float64]
_POPULATION = "astrocytes"


@dataclass(frozen=True, eq=False)
class Domain:
    """The domain of one astrocyte.

    Parameters
    ----------
    node_id
        The astrocyte.
    mesh
        Its surface in µm.
    faces
        Face that each triangle is part of, int64[n_triangles].
    neighbours
        Astrocyte on the other side of each triangle, int64[n_triangles]; -1 to -6 are walls: low and high x, y and z.
    scale
        By how much it was enlarged about the mean of its points, to overlap with its neighbours; NaN if unknown.
    """

    node_id: int
    mesh: SurfaceMesh
    faces: Ids
    neighbours: Ids
    scale: float

    def __repr__(self) -> str:
        return f"<Domain of astrocyte {self.node_id}: {self.volume:,.0f} µm³, {len(self.neighbour_ids)} neighbours>"

    @property
    def points(self) -> Reals:
        """Its points in µm, float64[n_points, 3]."""
        return self.mesh.points

    @property
    def triangles(self) -> Ids:
        """Numbers of three points each, int64[n_triangles, 3]."""
        return self.mesh.triangles

    @property
    def volume(self) -> float:
        """Its volume in µm³."""
        vectors = self._outward
        heights = self.points[self.triangles].mean(axis=1) - self.centroid
        return float((heights * vectors).sum() / 3.0)

    @property
    def area(self) -> float:
        """Area of its surface in µm²."""
        return self.mesh.area

    @property
    def centroid(self) -> Reals:
        """Mean of its points in µm, float64[3]."""
        found: Reals = self.points.mean(axis=0)
        return found

    @property
    def bounding_box(self) -> Reals:
        """Low and high corner in µm, float64[2, 3]."""
        return self.mesh.bounding_box

    @property
    def face_areas(self) -> Reals:
        """Area of each triangle in µm², float64[n_triangles]."""
        found: Reals = np.linalg.norm(self.mesh.vectors, axis=1)
        return found

    @property
    def face_normals(self) -> Reals:
        """Outward unit normal of each triangle, float64[n_triangles, 3]."""
        return self._outward / self.face_areas[:, None]

    @property
    def neighbour_ids(self) -> Ids:
        """Astrocytes whose domains have a face in common with it, rising, without walls."""
        found: Ids = np.unique(self.neighbours[self.neighbours >= 0])
        return found

    @property
    def is_boundary(self) -> bool:
        """Whether one of its faces is a wall."""
        return bool((self.neighbours < 0).any())

    @property
    def inscribed_sphere(self) -> tuple[Reals, float]:
        """Centroid in µm, and distance in µm from it to the nearest plane of a face."""
        heights = ((self.points[self.triangles[:, 0]] - self.centroid) * self.face_normals).sum(axis=1)
        return self.centroid, float(heights.min())

    @property
    def _outward(self) -> Reals:
        vectors = self.mesh.vectors
        heights = ((self.points[self.triangles].mean(axis=1) - self.centroid) * vectors).sum(axis=1)
        return np.where(heights < 0, -1.0, 1.0)[:, None] * vectors

    def contains(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which places are inside, or on its surface: on the inner side of all its triangles.

        Parameters
        ----------
        points
            Places in µm, shape (n, 3).
        """
        normals = self.face_normals
        offsets = (self.points[self.triangles[:, 0]] * normals).sum(axis=1)
        found: npt.NDArray[np.bool_] = (np.asarray(points, float) @ normals.T <= offsets + 1e-9).all(axis=1)
        return found


@dataclass(frozen=True)
class AstrocyteDomains:
    """The domains of a circuit's astrocytes, by the number of the astrocyte.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        return f"<AstrocyteDomains of {self.tables.circuit!r}: {len(self):,}>"

    def __len__(self) -> int:
        return self.tables.table("domains").rows

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __getitem__(self, node_id: int) -> Domain:
        """Return the domain of an astrocyte; only its own part of the arrays is read.

        Raises
        ------
        NotFoundError
            There is no such astrocyte.
        """
        if not 0 <= node_id < len(self):
            raise NotFoundError(f"there is no domain of astrocyte {node_id}; there are 0 to {len(self) - 1}")
        here = (int(node_id), int(node_id) + 1)
        points, triangles, neighbours = (
            self.tables.ragged(kind, _POPULATION, here).values
            for kind in (glia.DOMAIN_POINTS, glia.DOMAIN_TRIANGLES, glia.DOMAIN_NEIGHBOURS)
        )
        scale = self.tables.table("domains").to_arrow(["scale"], pds.field("node_id") == int(node_id))
        known = scale["scale"].to_pylist()
        return Domain(
            int(node_id),
            SurfaceMesh(points.astype(float), triangles[:, 1:].astype(np.int64)),
            triangles[:, 0].astype(np.int64),
            neighbours.astype(np.int64),
            float(known[0]) if known and known[0] is not None else float("nan"),
        )

    @cached_property
    def polytopes(self) -> Polytopes:
        """All of them as half-spaces, for kernels.

        Raises
        ------
        MalformedError
            Triangles name points that a domain does not have.
        """
        points, triangles = (
            self.tables.ragged(kind, _POPULATION) for kind in (glia.DOMAIN_POINTS, glia.DOMAIN_TRIANGLES)
        )
        corners = triangles.values.astype(np.int64)
        try:
            return polytopes(points.values, corners[:, 1:], corners[:, 0], points.offsets, triangles.offsets)
        except ValueError as error:
            raise MalformedError(f"{self.tables.name('domains')}: {error}") from error

    def sizes(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return sizes and places of domains, one a row: columns of the table ``domains/…``.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("domains", "node_id", ids)

    def neighbours(self, ids: npt.ArrayLike | None = None, *, walls: bool = False) -> pd.DataFrame:
        """Return which domains have a face in common.

        Parameters
        ----------
        ids
            Astrocytes; all by default.
        walls
            Whether walls count as neighbours, with numbers -1 to -6.

        Returns
        -------
        One pair a row: ``node_id``, ``neighbour`` and ``area``, that of the face in µm².

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        faces = glia.DOMAIN_FACES.beside(self.tables.name("domains"))
        return self.tables.frame(
            f"""
            select node_id, neighbour, sum(area) as area from {identifier(faces)}
            where {among("node_id", ids)} and {"true" if walls else "neighbour >= 0"} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def overlap(self) -> pd.DataFrame:
        """Compute the volumes that neighbours share.

        Of a domain that is not convex, as those at walls that were drawn into their region, the part within all planes of its
        faces counts.

        Returns
        -------
        One pair of neighbours a row, the smaller number first: ``node_id``, ``neighbour``, ``volume`` in µm³, and
        ``share``, that volume over the mean of the two domains'.

        Raises
        ------
        MalformedError
            Triangles name points that a domain does not have.
        """
        pairs = self.neighbours()
        pairs = pairs[pairs["node_id"] < pairs["neighbour"]].reset_index(drop=True)
        both = pairs[["node_id", "neighbour"]].to_numpy(np.int64)
        volumes = self.sizes()["volume"].to_numpy(float)
        found = pairs[["node_id", "neighbour"]].copy()
        found["volume"] = shared_volumes(self.polytopes, both)
        found["share"] = found["volume"] / volumes[both].mean(axis=1)
        return found

    def segments(self, starts: npt.ArrayLike, ends: npt.ArrayLike) -> pd.DataFrame:
        """Find the parts of any segments, such as those of neurites, that are within domains; see `overlap` of those that are not convex.

        Parameters
        ----------
        starts, ends
            Ends of the segments in µm, shape (n, 3).

        Returns
        -------
        One part of a segment a row: ``node_id`` (the astrocyte), ``segment`` (row of the segment), ``begin`` and ``end`` (along it, 0 to
        1), and ``length`` in µm within the domain.

        Raises
        ------
        InputError
            There are not as many starts as ends, or places have another shape.
        MalformedError
            Triangles name points that a domain does not have.
        """
        shapes = self.polytopes
        try:
            found = segments_inside(shapes, starts, ends)
        except ValueError as error:
            raise InputError(str(error)) from error
        whole_one = np.linalg.norm(np.asarray(ends, float) - np.asarray(starts, float), axis=1)
        return pd.DataFrame(
            {
                "node_id": found.polytope,
                "segment": found.segment,
                "begin": found.begin,
                "end": found.end,
                "length": whole_one[found.segment] * (found.end - found.begin),
            }
        )

    def vessels(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Find the parts of vessels that run through domains; see `overlap` of domains that are not convex.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One part of a segment a row: ``node_id`` (the astrocyte), ``vessel_id`` (the segment), ``type``, and ``length`` in
        µm and ``area`` in µm² within the domain.

        Raises
        ------
        NotFoundError
            The circuit has no vessels.
        InputError
            *ids* are not whole numbers.
        MalformedError
            Triangles name points that a domain does not have.
        """
        rows = self.tables.frame(f"select * from {self.tables.sql_name('view:vessels')} order by node_id")
        starts, ends = (rows[[f"{end}_{axis}" for axis in "xyz"]].to_numpy(float) for end in ("start", "end"))
        found = self.segments(starts, ends)
        segment = found["segment"].to_numpy()
        part = (found["end"] - found["begin"]).to_numpy()
        # Along a truncated cone the mantle grows with the diameter in the middle of the part.
        wide = rows[["start_diameter", "end_diameter"]].to_numpy(float)[segment]
        middle = wide[:, 0] + (wide[:, 1] - wide[:, 0]) * (found["begin"] + found["end"]).to_numpy() / 2
        mean = wide.mean(axis=1)
        made = pd.DataFrame(
            {
                "node_id": found["node_id"],
                "vessel_id": rows["node_id"].to_numpy()[segment],
                "type": rows["type"].to_numpy()[segment],
                "length": rows["length"].to_numpy(float)[segment] * part,
                "area": rows["area"].to_numpy(float)[segment] * part * middle / np.where(mean > 0, mean, 1),
            }
        )
        return made if ids is None else made[made["node_id"].isin(whole(ids))].reset_index(drop=True)

    def mesh(self, ids: npt.ArrayLike | None = None) -> SurfaceMesh:
        """Return the surfaces of domains as one mesh, to be saved as STL.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Raises
        ------
        NotFoundError
            There is no such astrocyte.
        InputError
            *ids* are not whole numbers.
        """
        chosen = np.arange(len(self)) if ids is None else whole(ids)
        strange = chosen[(chosen < 0) | (chosen >= len(self))]
        if len(strange):
            raise NotFoundError(
                f"there is no domain of astrocyte {strange[0]}; there are 0 to {len(self) - 1}"
            )
        points, triangles = (
            self.tables.ragged(kind, _POPULATION).take(chosen)
            for kind in (glia.DOMAIN_POINTS, glia.DOMAIN_TRIANGLES)
        )
        corners = triangles.values[:, 1:].astype(np.int64) + points.offsets[:-1][triangles.owners][:, None]
        return SurfaceMesh(points.values.astype(float), corners)
