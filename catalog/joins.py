"""Views that join tables of a circuit of glia, so that questions about it need no joins of their own.

They are called ``glia/{circuit}.endfeet`` and so on, are made when a query first names them, and hold nothing: a view is a
query over tables that `vocabulary.glia` describes. Which tables those are is told by ``ngv/{circuit}.parts``, since neurons
may be those of another circuit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..lake import Snapshot
from ..lake.nodes.content import attributes
from .schema import identifier
from .vocabulary import circuits, glia

FOLDER = "glia/"


@dataclass(frozen=True)
class Columns:
    """The table of one part of a circuit, in a query.

    Parameters
    ----------
    table
        Name of the table.
    names
        Its columns.
    alias
        What the query calls it.
    """

    table: str
    names: frozenset[str]
    alias: str

    @property
    def named(self) -> str:
        """The table as the query names it first."""
        return f"{identifier(self.table)} as {self.alias}"

    def __call__(self, name: str, kind: str = "double", called: str = "") -> str:
        """Return a column of the result; a null of that type where the table has no such column."""
        value = f"{self.alias}.{identifier(name)}" if name in self.names else f"null::{kind}"
        return f"{value} as {identifier(called or name)}"


@dataclass(frozen=True)
class Join:
    """A view that joins tables of a circuit.

    Parameters
    ----------
    ending
        What follows the name of the circuit in that of the view.
    doc
        What one row is.
    needs
        Parts of the circuit that it reads.
    query
        Makes the query of these parts, in their order, and of those of *more* that there are.
    more
        Parts that it reads where they are there.
    reads
        Further parts that it needs, which the query names itself.
    """

    ending: str
    doc: str
    needs: tuple[str, ...]
    query: Callable[..., str]
    more: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def of(self, circuit: str) -> str:
        """Return the name of the view of a circuit.

        Parameters
        ----------
        circuit
            Name of the circuit.
        """
        return f"{FOLDER}{circuit}.{self.ending}"


def _vessels(segments: Columns) -> str:
    apart = " + ".join(f"power(end_{axis}::double - start_{axis}, 2)" for axis in "xyz")
    middle = ", ".join(f"(start_{axis}::double + end_{axis}) / 2 as {axis}" for axis in "xyz")
    return f"""
        with cones as (
            select *, start_diameter::double / 2 as r, end_diameter::double / 2 as s, sqrt({apart}) as length
            from {segments.named}
        )
        select * exclude (r, s), r + s as diameter, pi() * (r + s) * sqrt(length * length + power(r - s, 2)) as area,
            pi() * length / 3 * (r * r + r * s + s * s) as volume, {middle}
        from cones
    """


def _endfeet(edges: Columns, vessels: Columns | None = None, meshes: Columns | None = None) -> str:
    none = Columns("", frozenset(), "none")
    surface, of = meshes or none, vessels or none
    taken = {"edge_id", "source_node_id", "target_node_id", *(f"endfoot_surface_{axis}" for axis in "xyz")}
    taken |= {name for name in edges.names if name.startswith(("edge_type", "edge_group"))}
    columns = [
        "e.target_node_id as astrocyte_id",
        "e.source_node_id as vessel_id",
        *(edges(f"endfoot_surface_{axis}", called=axis) for axis in "xyz"),
        edges("astrocyte_section_id", "uinteger"),
        _section(edges),
        *(edges(f"endfoot_compartment_{name}", "float") for name in ("length", "diameter", "perimeter")),
        of("type", "integer", "vessel_type"),
        f"{'(v.start_diameter::double + v.end_diameter) / 2' if vessels else 'null::double'} as vessel_diameter",
        *(surface(name, "float") for name in ("surface_area", "unreduced_surface_area", "surface_thickness")),
    ]
    known = {column.rpartition(" as ")[2].strip('"') for column in columns}
    own = [identifier(name) for name in sorted(edges.names - taken - known)]
    joined = edges.named
    if vessels:
        joined += f" left join {vessels.named} on v.node_id = e.source_node_id"
    if meshes:
        joined += f" left join {meshes.named} on m.endfoot_id = e.endfoot_id"
    return f"select {', '.join([*(f'e.{name}' for name in own), *columns])} from {joined}"


def _section(edges: Columns) -> str:
    """The section of the astrocyte's tree, where sections are counted with the soma."""
    known = "astrocyte_section_id" in edges.names
    return f"{'e.astrocyte_section_id::bigint + 1' if known else 'null::bigint'} as section_id"


def _tripartite(edges: Columns, synapses: Columns | None = None) -> str:
    drop = [
        identifier(name)
        for name in ("source_node_id", "target_node_id", "edge_type_id", "edge_group_id", "edge_group_index")
        if name in edges.names
    ]
    columns = [
        f"e.* exclude ({', '.join(drop)})",
        "e.source_node_id as astrocyte_id",
        "e.target_node_id as post_id",
        f"{'s.source_node_id' if synapses else 'null::bigint'} as pre_id",
        _section(edges),
    ]
    joined = edges.named
    if synapses:
        sides = [side for side in ("efferent", "afferent") if f"{side}_center_x" in synapses.names]
        # ArchNGV's place of a synapse is that on the axon and, where there is none, that on the dendrite.
        columns += [synapses(f"{sides[0]}_center_{axis}", called=axis) for axis in "xyz" if sides]
        joined += f" left join {synapses.named} on s.edge_id = e.synapse_id"
    return f"select {', '.join(columns)} from {joined}"


def _synapses(synapses: Columns, edges: Columns) -> str:
    sides = [side for side in ("efferent", "afferent") if f"{side}_center_x" in synapses.names]
    columns = [
        "s.edge_id as synapse_id",
        "s.source_node_id as pre_id",
        "s.target_node_id as post_id",
        *(synapses(f"{sides[0]}_center_{axis}", called=axis) for axis in "xyz" if sides),
        "coalesce(c.domains, 0) as domains",
    ]
    counted = f"(select synapse_id, count(*) as domains from {edges.named} group by 1)"
    return f"select {', '.join(columns)} from {synapses.named} left join {counted} as c on c.synapse_id = s.edge_id"


def _gap_junctions(edges: Columns) -> str:
    both = (("source", "target", "efferent", "afferent"), ("target", "source", "afferent", "efferent"))
    said = [
        f"""select edge_id, {one}_node_id as astrocyte_id, {other}_node_id as other_id,
            {edges(f"{here}_section_id", "integer", "section_id")}, {edges(f"{there}_section_id", "integer", "other_section_id")},
            {edges("spine_length", called="distance")} from {edges.named}"""
        for one, other, here, there in both
    ]
    return " union all ".join(said)


def branches(sections: str, points: str, cells: str = "", chosen: str = "true") -> str:
    """Return the query for the segments of trees: pairs of successive points of a section, as truncated cones.

    Parameters
    ----------
    sections, points
        Tables of the trees, quoted.
    cells
        Table of the cells that have them, quoted, to which the segments are moved: one row for each segment of each cell. Without
        it, one row for each of each tree, around its soma.
    chosen
        Condition on rows of *sections*.
    """
    keys, moved, joined = "morphology", dict.fromkeys("xyz", "0"), ""
    if cells:
        keys, joined = "node_id, morphology", f"join {cells} as c using (morphology)"
        moved = {axis: f"c.{axis}::double" for axis in "xyz"}
    ends = ", ".join(
        f"{axis}0 + {moved[axis]} as {axis}0, {axis}1 + {moved[axis]} as {axis}1" for axis in "xyz"
    )
    middle = ", ".join(f"({axis}0 + {axis}1) / 2 + {moved[axis]} as {axis}" for axis in "xyz")
    return f"""
        with cut as (
            select morphology, section_id, type, unnest(points) as point_id, generate_subscripts(points, 1) as place
            from {sections} where {chosen}
        ), placed as (
            select cut.*, p.x::double as x0, p.y::double as y0, p.z::double as z0, p.diameter::double / 2 as r0
            from cut join {points} as p using (morphology, point_id)
        ), paired as (
            select morphology, section_id, type, place - 1 as segment_id, x0, y0, z0, r0, lead(x0) over tree as x1,
                lead(y0) over tree as y1, lead(z0) over tree as z1, lead(r0) over tree as r1
            from placed window tree as (partition by morphology, section_id order by place)
        ), sized as (
            select *, sqrt(power(x1 - x0, 2) + power(y1 - y0, 2) + power(z1 - z0, 2)) as length
            from paired where x1 is not null
        )
        select {keys}, section_id, s.type, segment_id, {ends}, {middle}, length,
            pi() * (r0 + r1) * sqrt(length * length + power(r0 - r1, 2)) as area,
            pi() * length / 3 * (r0 * r0 + r0 * r1 + r1 * r1) as volume
        from sized as s {joined}
    """


def _branches(cells: Columns, sections: Columns) -> str:
    points = circuits.POINTS.of(circuit=str((circuits.SECTIONS.parts(sections.table) or {}).get("circuit")))
    return branches(identifier(sections.table), identifier(points), identifier(cells.table), "type <> 1")


JOINS: tuple[Join, ...] = (
    Join(
        "vessels",
        "one segment of a vessel, with its middle, and its length, area of mantle and volume as a truncated cone",
        ("vasculature",),
        _vessels,
    ),
    Join(
        "endfeet",
        "one endfoot, with its astrocyte, its vessel, and the area and thickness of its surface",
        ("gliovascular",),
        _endfeet,
        ("vasculature", "endfeet"),
    ),
    Join(
        "tripartite",
        "one synapse in the domain of an astrocyte, with the neurons before and after it",
        ("neuroglial",),
        _tripartite,
        ("synapses",),
    ),
    Join(
        "synapses",
        "one synapse between neurons, with its place, and in how many domains it is",
        ("synapses", "neuroglial"),
        _synapses,
    ),
    Join(
        "gap_junctions",
        "one side of a gap junction: an astrocyte and the other one; each junction has two rows",
        ("glialglial",),
        _gap_junctions,
    ),
    Join(
        "branches",
        "one segment of an astrocyte's tree, where the cell is, with its middle, length, area of mantle and volume",
        ("astrocytes", "trees"),
        _branches,
        reads=("tree_points",),
    ),
)
"""The views, by what they join."""

_ALIASES = {"gliovascular": "e", "neuroglial": "e", "glialglial": "e", "vasculature": "v", "endfeet": "m"}
_PARTS = {
    "astrocytes": glia.ASTROCYTES,
    "vasculature": glia.VASCULATURE,
    "gliovascular": glia.GLIOVASCULAR,
    "neuroglial": glia.NEUROGLIAL,
    "glialglial": glia.GLIALGLIAL,
    "endfeet": glia.ENDFEET,
}


def glia_circuits(tables: Mapping[str, object]) -> list[str]:
    """Return the names of the circuits that have glia or vessels.

    Parameters
    ----------
    tables
        Tables by name.
    """
    likely = [name for name in tables if name.endswith(tuple(kind.ending for kind in _PARTS.values()))]
    found = (kind.parts(name) for kind in _PARTS.values() for name in likely)
    return sorted({parts["circuit"] for parts in found if parts is not None})


def parts_of(snapshot: Snapshot, circuit: str) -> dict[str, str]:
    """Return the tables of a circuit of glia by what they are in it, as ``ngv/{circuit}.parts`` and their names tell.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.

    Returns
    -------
    dict
        Names of tables that are there, by part: ``neurons``, ``synapses``, ``astrocytes``, ``vasculature``, ``gliovascular``,
        ``neuroglial``, ``glialglial``, ``domains``, ``endfeet``, ``vessel_mesh``, ``trees`` (sections of trees) and
        ``tree_points``; as ``atlas``, the beginning of the names of its nodes.
    """
    tables = snapshot.tables
    usual = {part: kind.of(circuit=circuit) for part, kind in _PARTS.items()}
    usual["domains"] = glia.DOMAINS.of(circuit=circuit, population="astrocytes")
    usual["vessel_mesh"] = glia.MESHES.of(circuit=circuit, mesh="vessels")
    usual["trees"] = circuits.SECTIONS.of(circuit=circuit)
    usual["tree_points"] = circuits.POINTS.of(circuit=circuit)
    found = {part: name for part, name in usual.items() if name in tables}
    listed = glia.PARTS.of(circuit=circuit)
    if listed in tables and {"part", "node"} <= set(tables[listed].columns):
        found |= {row["part"]: row["node"] for row in tables[listed].to_arrow(["part", "node"]).to_pylist()}
    if "neuroglial" in found and "neurons" not in found:
        told = attributes(snapshot.tree[found["neuroglial"]]).get("target_population")
        of = circuits.NODES.of(circuit=circuit, population=told) if isinstance(told, str) else ""
        if of in tables:
            found["neurons"] = of
            between = [name for name in tables if _connects(snapshot, name, circuit, str(told))]
            if len(between) == 1 and "synapses" not in found:
                found["synapses"] = between[0]
    return found


def _connects(snapshot: Snapshot, table: str, circuit: str, population: str) -> bool:
    """Whether a table has the edges among the cells of one population."""
    parts = circuits.EDGES.parts(table)
    if parts is None or parts["circuit"] != circuit or table.endswith(circuits.BY_SOURCE.ending):
        return False
    told = attributes(snapshot.tree[table])
    return all(told.get(f"{side}_population") == population for side in ("source", "target"))


def joins(snapshot: Snapshot, circuit: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield the views of a circuit: name, query, and names of the tables that it reads.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.
    """
    parts = {part: name for part, name in parts_of(snapshot, circuit).items() if name in snapshot.tables}
    for join in JOINS:
        if not {*join.needs, *join.reads} <= parts.keys():
            continue
        read = {
            part: Columns(
                parts[part], frozenset(snapshot.tables[parts[part]].columns), _ALIASES.get(part, part[0])
            )
            for part in (*join.needs, *join.more)
            if part in parts
        }
        needed = [read[part] for part in join.needs]
        query = join.query(*needed, *(read.get(part) for part in join.more))
        also = [parts[part] for part in join.reads]
        yield join.of(circuit), query, [*(each.table for each in read.values()), *also]
