"""Vessels: segments, sections, the graph of their points, their surface, and who touches them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.schema import identifier
from ...catalog.vocabulary import glia
from ...lake.errors import InputError, NotFoundError
from ..base import Table
from .asking import GliaTables, Ids, among
from .meshes import SurfaceMesh

Reals = npt.NDArray[np.float64]
VESSEL_TYPES = {
    1: "vein",
    2: "artery",
    3: "venule",
    4: "arteriole",
    5: "venous capillary",
    6: "arterial capillary",
    7: "transitional",
}
"""Types of vessels by their numbers."""
_GROUPS = {"type": "vessel_type", "section": "section_id", "segment": "node_id", "diameter": ""}


@dataclass(frozen=True, eq=False)
class VesselGraph:
    """Points of vessels, and the segments between them.

    Parameters
    ----------
    points
        Places in µm, float64[n_points, 3].
    diameters
        Of the vessel at each point in µm, float64[n_points].
    edges
        Points that each segment begins and ends at, int64[n_segments, 2]; a row is a segment's ``node_id``.
    """

    points: Reals
    diameters: Reals
    edges: Ids

    @property
    def degrees(self) -> Ids:
        """How many segments meet in each point, int64[n_points]: 1 at an end, 3 and more at a branching."""
        return np.bincount(self.edges.ravel(), minlength=len(self.points)).astype(np.int64)


@dataclass(frozen=True)
class Vasculature:
    """The vessels of a circuit.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        return f"<Vasculature of {self.tables.circuit!r}: {len(self):,} segments>"

    def __len__(self) -> int:
        return self.table.rows

    @property
    def table(self) -> Table:
        """The segments, one a row."""
        return self.tables.table("vasculature")

    def segments(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return segments with their middle (``x``, ``y``, ``z``), ``diameter``, ``length``, ``area`` and ``volume``.

        Parameters
        ----------
        ids
            Segments; all by default.

        Returns
        -------
        One segment a row: columns of the view ``glia/….vessels``, in µm.

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:vessels", "node_id", ids)

    def sections(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return sections, vessels between two branching or end points.

        Parameters
        ----------
        ids
            Sections; all by default.

        Returns
        -------
        One section a row: ``section_id``, ``type``, ``segments`` (how many), ``length`` (µm), ``area`` (µm²) and ``volume`` (µm³).

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select section_id::bigint as section_id, min(type) as type, count(*) as segments, sum(length) as length,
                sum(area) as area, sum(volume) as volume
            from {self.tables.sql_name("view:vessels")} where {among("section_id", ids)} group by 1 order by 1
            """,
            ids,
        )

    def graph(self) -> VesselGraph:
        """Return the graph of points and segments."""
        names = [f"{end}_{what}" for end in ("start", "end") for what in ("node", "x", "y", "z", "diameter")]
        rows = self.table.to_arrow(["node_id", *names]).sort_by("node_id")
        values = np.stack([rows[name].to_numpy().astype(float) for name in names], axis=1)
        edges = values[:, [0, 5]].astype(np.int64)
        points = np.full((int(edges.max(initial=-1)) + 1, 4), np.nan)
        for end in (1, 0):
            points[edges[:, end]] = values[:, 5 * end + 1 : 5 * end + 5]
        return VesselGraph(points[:, :3].copy(), points[:, 3].copy(), edges)

    def surface(self) -> SurfaceMesh:
        """Return the surface of the vessels as a mesh.

        Raises
        ------
        NotFoundError
            The circuit has no mesh of its vessels.
        """
        name = self.tables.name("vessel_mesh")
        mesh = name.rpartition("/")[2]
        points, triangles = (
            self.tables.ragged(kind, mesh).values for kind in (glia.MESH_POINTS, glia.MESH_TRIANGLES)
        )
        return SurfaceMesh(points.astype(float), triangles.astype(np.int64))

    def endfeet(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the endfeet on segments.

        Parameters
        ----------
        ids
            Segments; all by default.

        Returns
        -------
        One endfoot a row, sorted by ``vessel_id``, the segment: columns of the view ``glia/….endfeet``.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:endfeet", "vessel_id", ids, order=("vessel_id", "endfoot_id"))

    def astrocytes(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the astrocytes that have endfeet on segments.

        Parameters
        ----------
        ids
            Segments; all by default.

        Returns
        -------
        One pair a row: ``vessel_id``, ``astrocyte_id`` and ``endfeet``, how many.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select vessel_id, astrocyte_id, count(*) as endfeet from {self.tables.sql_name("view:endfeet")}
            where {among("vessel_id", ids)} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def neurons(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the neurons whose synapses are in domains of astrocytes that have endfeet on segments.

        Parameters
        ----------
        ids
            Segments; all by default.

        Returns
        -------
        One pair a row: ``vessel_id``, ``neuron_id``, and ``synapses``, how many of these.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet, or no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            with touching as (
                select distinct vessel_id, astrocyte_id from {self.tables.sql_name("view:endfeet")}
                where {among("vessel_id", ids)}
            ), covered as (
                select source_node_id as astrocyte_id, target_node_id as neuron_id, count(*) as synapses
                from {self.tables.sql_name("neuroglial")}
                where source_node_id in (select astrocyte_id from touching) group by 1, 2
            )
            select vessel_id, neuron_id, sum(synapses)::bigint as synapses
            from touching join covered using (astrocyte_id) group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def coverage(self, by: str | None = "type", width: float = 2.0) -> pd.DataFrame:
        """Compute how much of the vessels' surface endfeet cover.

        Parameters
        ----------
        by
            ``"type"``, ``"section"``, ``"segment"`` or ``"diameter"`` (in bins); None for all vessels together.
        width
            Width of a bin of diameters in µm.

        Returns
        -------
        One group a row: the group, unless there is one, ``length`` (µm), ``area`` (µm²), ``endfeet`` (how many), ``covered``
        (µm², the area of the endfeet), ``coverage`` (of the area, 0 to 1), and ``per_100_um`` (endfeet on 100 µm). Without
        surfaces of endfeet, what is covered is missing.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *by* is another, or the width is not positive.
        """
        if by is not None and by not in _GROUPS:
            raise InputError(f"vessels are grouped by {', '.join(_GROUPS)} or None, not {by!r}")
        if not width > 0:
            raise InputError(f"a bin must be wider than 0 µm, not {width}")
        value = {
            None: "1",
            "type": "type",
            "section": "section_id::bigint",
            "segment": "node_id",
            "diameter": f"floor(diameter / {float(width)}) * {float(width)}",
        }[by]
        covered = "coalesce(sum(covered), 0.0)" if self.tables.has("endfeet") else "null::double"
        found = self.tables.frame(
            f"""
            with feet as (
                select vessel_id as node_id, count(*) as endfeet, sum(surface_area::double) as covered
                from {self.tables.sql_name("view:endfeet")} group by 1
            )
            select {value} as {identifier(by or "all")}, sum(length) as length, sum(area) as area,
                coalesce(sum(endfeet), 0)::bigint as endfeet, {covered} as covered,
                {covered} / sum(area) as coverage, 100 * coalesce(sum(endfeet), 0) / sum(length) as per_100_um
            from {self.tables.sql_name("view:vessels")} left join feet using (node_id) group by 1 order by 1
            """
        )
        return found if by else found.drop(columns="all")

    def near(self, points: npt.ArrayLike) -> pd.DataFrame:
        """Find the segment whose middle is nearest to each place.

        Parameters
        ----------
        points
            Places in µm, shape (n, 3).

        Returns
        -------
        One place a row: ``vessel_id``, and ``distance`` in µm to the middle of the segment.

        Raises
        ------
        NotFoundError
            The circuit has no segment.
        InputError
            The places have another shape, or are not finite.
        """
        from ...kernels.points.neighbours import nearest_neighbours

        if not len(self):
            raise NotFoundError(f"the circuit {self.tables.circuit!r} has no segment of a vessel")
        rows = self.segments()
        try:
            found = nearest_neighbours(points, rows[["x", "y", "z"]].to_numpy(float))
        except ValueError as error:
            raise InputError(str(error)) from error
        return pd.DataFrame(
            {"vessel_id": rows["node_id"].to_numpy()[found.row[:, 0]], "distance": found.distance[:, 0]}
        )
