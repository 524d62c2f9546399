"""What must hold for the glia of a circuit: the checks of ArchNGV, for all rows and in SQL, and more.

ArchNGV (`verify-circuit-integrity`) looks at the first, middle and last cell, and at one astrocyte's endfeet and synapses; here
every row is looked at.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...catalog.schema import identifier
from ...catalog.vocabulary import circuits, glia
from .asking import GliaTables

Rule = tuple[str, str]
"""What must hold, and the query for the rows for which it does not."""
TARGET_UM, MESH_UM, CENTRE_UM = 1e-3, 5.0, 1e-5
"""Tolerances of ArchNGV: of an endfoot's place and the tree, of it and its surface, of a place along a section."""


def rules(tables: GliaTables) -> Iterator[Rule]:
    """Yield what must hold for the parts that a circuit has, as SQL.

    Parameters
    ----------
    tables
        The circuit.
    """
    if tables.has("astrocytes"):
        yield from _astrocytes(tables)
    if tables.has("gliovascular"):
        yield from _endfeet(tables)
    if tables.has("neuroglial"):
        yield from _synapses(tables)
    if tables.has("vasculature"):
        yield from _vessels(tables)
    if tables.has("domains"):
        yield from _domains(tables)


def surfaces_off_target(tables: GliaTables) -> pd.DataFrame | None:
    """Return the endfeet whose surface is nowhere near their place on the vessel; None if the circuit has no surfaces.

    Surfaces are arrays, so this is no query.

    Parameters
    ----------
    tables
        The circuit.

    Returns
    -------
    One such endfoot a row: ``endfoot_id``, ``astrocyte_id``, and ``distance`` in µm of the nearest point of the surface.
    """
    values = glia.MESH_POINTS.of(circuit=tables.circuit, mesh="endfeet")
    if not tables.has("gliovascular", "endfeet") or values not in tables.snapshot.arrays:
        return None
    feet = tables.rows("view:endfeet", "endfoot_id", None, ("endfoot_id", "astrocyte_id", "x", "y", "z"))
    points = tables.ragged(glia.MESH_POINTS, "endfeet")
    known = feet[(feet["endfoot_id"] < len(points)).to_numpy()]
    numbers = known["endfoot_id"].to_numpy(np.int64)
    mine = points.take(numbers)
    apart = mine.values.astype(float) - known[["x", "y", "z"]].to_numpy(float)[mine.owners]
    nearest = np.full(len(known), np.inf)
    np.minimum.at(nearest, mine.owners, np.linalg.norm(apart, axis=1))
    grown = mine.sizes > 0
    made = known[["endfoot_id", "astrocyte_id"]].assign(distance=nearest)
    return made[grown & (nearest >= MESH_UM)].reset_index(drop=True)


def _astrocytes(tables: GliaTables) -> Iterator[Rule]:
    cells = tables.sql_name("astrocytes")
    columns = tables.table("astrocytes").columns
    if tables.has("domains"):
        domains = tables.sql_name("domains")
        yield (
            "astrocytes have a domain with faces",
            f"select c.node_id from {cells} as c left join {domains} as d using (node_id) where coalesce(d.faces, 0) = 0",
        )
        yield (
            "domains are of astrocytes that there are",
            f"select node_id from {domains} anti join {cells} using (node_id)",
        )
    if "morphology" in columns:
        yield (
            "trees of astrocytes are named for their number",
            f"""
            select node_id, morphology from {cells}
            where regexp_full_match(morphology, 'GLIA_\\d+') and regexp_extract(morphology, '\\d+')::bigint <> node_id
            """,
        )
        if tables.has("trees"):
            nodes = [
                name
                for name in tables.snapshot.tables
                if (parts := circuits.NODES.parts(name)) is not None
                and parts["circuit"] == tables.circuit
                and "morphology" in tables.snapshot.tables[name].columns
            ]
            used = " union all ".join(f"select morphology from {identifier(name)}" for name in nodes)
            yield (
                "trees are of cells that there are",
                f"""
                select distinct morphology from {tables.sql_name("trees")}
                where morphology not in (select morphology from ({used}) where morphology is not null)
                """,
            )


def _endfeet(tables: GliaTables) -> Iterator[Rule]:
    edges = tables.sql_name("gliovascular")
    columns = set(tables.table("gliovascular").columns)
    yield (
        "endfeet are numbered as their edges",
        f"select edge_id, endfoot_id from {edges} where endfoot_id <> edge_id",
    )
    if tables.has("endfeet"):
        meshes = tables.sql_name("endfeet")
        yield (
            "endfeet have an entry among the surfaces",
            f"select edge_id, endfoot_id from {edges} where endfoot_id not in (select endfoot_id from {meshes})",
        )
        yield (
            "surfaces are of endfeet that there are",
            f"select endfoot_id from {meshes} where endfoot_id not in (select endfoot_id from {edges})",
        )
    if tables.has("vasculature") and {"vasculature_section_id", "vasculature_segment_id"} <= columns:
        yield (
            "endfeet tell section and segment of their vessel",
            f"""
            select e.edge_id, v.node_id as vessel_id, e.vasculature_section_id, v.section_id,
                e.vasculature_segment_id, v.segment_id
            from {edges} as e join {tables.sql_name("vasculature")} as v on v.node_id = e.source_node_id
            where e.vasculature_section_id <> v.section_id or e.vasculature_segment_id <> v.segment_id
            """,
        )
    if tables.has("astrocytes", "trees", "tree_points"):
        points = tables.sql_name("tree_points")
        # ArchNGV compares each coordinate by NumPy's isclose: an absolute and a relative tolerance.
        near = " and ".join(
            f"abs(c.{axis} + p.{axis}::double - e.{axis}) <= {TARGET_UM} + 1e-5 * abs(e.{axis})"
            for axis in "xyz"
        )
        yield (
            "endfeet are at a point of their astrocyte's tree",
            f"""
            with feet as (
                select e.endfoot_id, e.astrocyte_id, e.x::double as x, e.y::double as y, e.z::double as z, c.morphology
                from {tables.sql_name("view:endfeet")} as e join {tables.sql_name("astrocytes")} as c
                on c.node_id = e.astrocyte_id where c.morphology in (select morphology from {points})
            ), reached as (
                select distinct e.endfoot_id from feet as e join {tables.sql_name("astrocytes")} as c
                on c.node_id = e.astrocyte_id join {points} as p on p.morphology = c.morphology where {near}
            )
            select endfoot_id, astrocyte_id, x, y, z from feet anti join reached using (endfoot_id)
            """,
        )
        if "astrocyte_section_id" in columns:
            yield (
                "endfeet are at the end of a perivascular section",
                f"""
                select e.endfoot_id, e.astrocyte_id, e.section_id, s.type
                from {tables.sql_name("view:endfeet")} as e join {tables.sql_name("astrocytes")} as c
                on c.node_id = e.astrocyte_id left join {tables.sql_name("trees")} as s
                on s.morphology = c.morphology and s.section_id = e.section_id
                where c.morphology in (select morphology from {points}) and coalesce(s.type, 0) <> 2
                """,
            )


def _synapses(tables: GliaTables) -> Iterator[Rule]:
    edges = tables.sql_name("neuroglial")
    yield (
        "astrocytes have each synapse once",
        f"""
        select source_node_id as astrocyte_id, synapse_id, count(*) as times from {edges}
        group by 1, 2 having count(*) > 1
        """,
    )
    if tables.has("neurons"):
        yield (
            "synapses in domains are of neurons that there are",
            f"""
            select edge_id, target_node_id from {edges}
            where target_node_id not in (select node_id from {tables.sql_name("neurons")})
            """,
        )
    if tables.has("synapses"):
        synapses = tables.sql_name("synapses")
        yield (
            "synapses in domains are there",
            f"select edge_id, synapse_id from {edges} where synapse_id not in (select edge_id from {synapses})",
        )
        yield (
            "synapses in domains are of the neuron after them",
            f"""
            select e.edge_id, e.synapse_id, e.target_node_id, s.target_node_id as post_id
            from {edges} as e join {synapses} as s on s.edge_id = e.synapse_id
            where s.target_node_id <> e.target_node_id
            """,
        )
    said = {"astrocyte_section_id", "astrocyte_segment_id", "astrocyte_segment_offset", "astrocyte_center_x"}
    if tables.has("astrocytes", "trees", "tree_points") and said <= set(tables.table("neuroglial").columns):
        where = {
            axis: f"b.{axis}0 + e.astrocyte_segment_offset * (b.{axis}1 - b.{axis}0) / greatest(b.length, 1e-30)"
            for axis in "xyz"
        }
        # NumPy's assert_allclose: an absolute and a relative tolerance.
        off = " or ".join(
            f"abs({where[axis]} - e.astrocyte_center_{axis}) > {CENTRE_UM} + 1e-7 * abs(e.astrocyte_center_{axis})"
            for axis in "xyz"
        )
        yield (
            "places along sections are those told in space",
            f"""
            select e.edge_id, e.astrocyte_id, e.section_id, e.astrocyte_segment_id, e.astrocyte_segment_offset
            from {tables.sql_name("view:tripartite")} as e left join {tables.sql_name("view:branches")} as b
            on b.node_id = e.astrocyte_id and b.section_id = e.section_id and b.segment_id = e.astrocyte_segment_id
            where e.astrocyte_id in (
                select node_id from {tables.sql_name("astrocytes")}
                where morphology in (select morphology from {tables.sql_name("trees")})
            ) and (b.node_id is null or {off})
            """,
        )


def _vessels(tables: GliaTables) -> Iterator[Rule]:
    vessels = tables.sql_name("vasculature")
    yield (
        "points of vessels are in one place",
        f"""
        with ends as (
            select start_node as point_id, start_x as x, start_y as y, start_z as z from {vessels}
            union all select end_node, end_x, end_y, end_z from {vessels}
        )
        select point_id, count(distinct (x, y, z)) as places from ends group by 1 having count(distinct (x, y, z)) > 1
        """,
    )
    yield (
        "points of vessels are numbered without a gap",
        f"""
        with used as (select start_node as point_id from {vessels} union select end_node from {vessels}),
        placed as (select point_id, row_number() over (order by point_id) - 1 as place from used)
        select point_id, place from placed where point_id <> place
        """,
    )


def _domains(tables: GliaTables) -> Iterator[Rule]:
    faces = identifier(glia.DOMAIN_FACES.beside(tables.name("domains")))
    if glia.DOMAIN_FACES.beside(tables.name("domains")) not in tables.snapshot.tables:
        return
    yield (
        "neighbours of domains are astrocytes or walls",
        f"""
        select node_id, face, neighbour from {faces}
        where neighbour < -6 or neighbour >= (select count(*) from {tables.sql_name("domains")})
        """,
    )
    yield (
        "domains are neighbours of their neighbours",
        f"""
        with pairs as (select distinct node_id, neighbour from {faces} where neighbour >= 0)
        select one.node_id, one.neighbour from pairs as one
        anti join pairs as other on other.node_id = one.neighbour and other.neighbour = one.node_id
        """,
    )
