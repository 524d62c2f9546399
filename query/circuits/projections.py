"""Projections of a circuit: which cells are connected, how often, and how far apart.

Every answer comes from the tables ``edges/…`` and ``nodes/…`` in SQL; docs/networks.md has each query as
plain SQL.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from ...catalog.joins import parts_of
from ...catalog.vocabulary import circuits, glia
from ...lake.errors import InputError
from ...lake.nodes.content import attributes
from ..base import Snapshot, Table

Side = Literal["target", "source"]
ELECTRICAL = "__electrical"
_OF_GLIA = (glia.GLIOVASCULAR, glia.NEUROGLIAL, glia.GLIALGLIAL)


@dataclass(frozen=True)
class CircuitProjection:
    """The edges from one population to another.

    Parameters
    ----------
    snapshot
        What is read.
    circuit, name
        The circuit, and the population of edges in it, such as ``STIM__PYR``.
    """

    snapshot: Snapshot
    circuit: str
    name: str

    def __repr__(self) -> str:
        return f"<CircuitProjection {self.name!r} of {self.circuit!r}: {self.table.rows:,} edges>"

    @property
    def node(self) -> str:
        """Name of the table of edges."""
        return circuits.EDGES.of(circuit=self.circuit, population=self.name)

    @property
    def table(self) -> Table:
        """The edges, sorted by target."""
        found = self.snapshot.tables[self.node]
        assert isinstance(found, Table), "of `table_type`"
        return found

    @property
    def electrical(self) -> bool:
        """Whether the edges are gap junctions."""
        return self.name.endswith(ELECTRICAL)

    @property
    def chemical(self) -> bool:
        """Whether the edges are synapses between neurons: neither gap junctions, nor endfeet, nor synapses in domains."""
        return not self.electrical and not any(kind.parts(self.node) for kind in _OF_GLIA)

    @cached_property
    def source(self) -> str:
        """Population that the edges come from."""
        return self._end("source", 0)

    @cached_property
    def target(self) -> str:
        """Population that the edges go to."""
        return self._end("target", 1)

    def _end(self, side: str, at: int) -> str:
        told = attributes(self.snapshot.tree[self.node]).get(f"{side}_population")
        parts = self.name.removesuffix(ELECTRICAL).split("__")
        if isinstance(told, str):
            return told
        if len(parts) < 2:
            raise InputError(f"{self.node!r} does not tell the population of its {side} nodes")
        return parts[at]

    def _count(self, side: Side) -> int:
        """How many cells a side has: rows of its nodes or, where the lake has none, one more than the greatest id."""
        node = circuits.NODES.of(
            circuit=self.circuit, population=self.target if side == "target" else self.source
        )
        if node not in self.snapshot.tables and side == "target" and glia.NEUROGLIAL.parts(self.node):
            # Neurons may be those of another circuit.
            node = parts_of(self.snapshot, self.circuit).get("neurons", node)
        if node in self.snapshot.tables:
            return self.snapshot.tables[node].rows
        found = self.snapshot.sql(f"select coalesce(max({side}_node_id) + 1, 0) from {quoted(self.node)}")
        return int(found.fetchall()[0][0])

    def degrees(self, side: Side = "target") -> pd.DataFrame:
        """Count the edges of each cell, those without any too.

        Parameters
        ----------
        side
            ``"target"``: edges that end at each target cell (in-degree). ``"source"``: that begin at each source cell
            (out-degree).

        Returns
        -------
        One cell a row: ``node_id``, ``edges`` and ``partners``, the distinct cells at the other end.

        Without nodes of the population, cells after the last one that has an edge are not known, and missing.

        Raises
        ------
        InputError
            *side* is neither of these.
        """
        if side not in ("target", "source"):
            raise InputError(f"side is 'target' or 'source', not {side!r}")
        other = "source" if side == "target" else "target"
        found: pd.DataFrame = self.snapshot.sql(
            f"""
            with found as (
                select {side}_node_id as node_id, count(*) as edges, count(distinct {other}_node_id) as partners
                from {quoted(self.node)} group by 1
            )
            select cells.node_id, coalesce(edges, 0) as edges, coalesce(partners, 0) as partners
            from range({self._count(side)}) as cells(node_id) left join found using (node_id)
            order by 1
            """
        ).df()
        return found

    def summary(self) -> dict[str, Any]:
        """Return counts and means over all cells.

        Returns
        -------
        dict
            ``source``, ``target``, ``edges``; ``in_degree`` and ``out_degree``, mean edges of a target and of a source
            cell; ``convergence``, mean sources of a target; ``divergence``, mean targets of a source; ``contacts``, mean
            edges of a connected pair; ``distance``, mean in µm, where edges have it.
        """
        sources, targets = self._count("source"), self._count("target")
        distance_of = "distance" if "distance" in self.table.columns else "null::double"
        edges, pairs, distance = self.snapshot.sql(
            f"""
            with pairs as (
                select count(*) as edges, sum({distance_of}) as total
                from {quoted(self.node)} group by source_node_id, target_node_id
            )
            select coalesce(sum(edges), 0), count(*), sum(total) / sum(edges) from pairs
            """
        ).fetchall()[0]
        return {
            "source": self.source,
            "target": self.target,
            "edges": int(edges),
            "in_degree": edges / targets if targets else 0.0,
            "out_degree": edges / sources if sources else 0.0,
            "convergence": pairs / targets if targets else 0.0,
            "divergence": pairs / sources if sources else 0.0,
            "contacts": edges / pairs if pairs else 0.0,
            "distance": distance,
        }

    def distances(self, width: float = 50.0) -> pd.DataFrame:
        """Count edges by distance.

        Parameters
        ----------
        width
            Width of a bin in µm.

        Returns
        -------
        One bin a row: ``begin`` (µm) and ``edges``.

        Raises
        ------
        InputError
            The edges have no distance, or the width is not positive.
        """
        if "distance" not in self.table.columns:
            raise InputError(f"the edges of {self.name} have no column 'distance'")
        if not width > 0:
            raise InputError(f"a bin must be wider than 0 µm, not {width}")
        found: pd.DataFrame = self.snapshot.sql(
            f"""
            select floor(distance / $width) * $width as begin, count(*) as edges
            from {quoted(self.node)} where distance is not null group by 1 order by 1
            """,
            width=float(width),
        ).df()
        return found

    def shared_inputs(self, least: int = 1) -> pd.DataFrame:
        """Count the sources that pairs of target cells share.

        Parameters
        ----------
        least
            Leave out pairs that share fewer.

        Returns
        -------
        One pair a row: ``first``, ``second`` (node ids, the smaller first) and ``shared``.
        """
        found: pd.DataFrame = self.snapshot.sql(
            f"""
            with pairs as (select distinct source_node_id, target_node_id from {quoted(self.node)})
            select one.target_node_id as first, other.target_node_id as second, count(*) as shared
            from pairs as one join pairs as other using (source_node_id)
            where one.target_node_id < other.target_node_id
            group by 1, 2 having count(*) >= $least order by 1, 2
            """,
            least=int(least),
        ).df()
        return found

    def motifs(self) -> dict[str, int]:
        """Count the pairs of cells of one population that are connected in neither, one, or both directions.

        Returns
        -------
        dict
            ``none``, ``one`` and ``both``; a cell's edges to itself are ``self``.

        Raises
        ------
        InputError
            Source and target are different populations.
        """
        if self.source != self.target:
            raise InputError(f"{self.name} connects two populations: motifs of two cells are of one")
        own, one, both = self.snapshot.sql(
            f"""
            with pairs as (select distinct source_node_id as a, target_node_id as b from {quoted(self.node)}),
            joined as (
                select least(a, b) as low, greatest(a, b) as high, count(*) as ways from pairs where a <> b group by 1, 2
            )
            select (select count(*) from pairs where a = b),
                count(*) filter (ways = 1), count(*) filter (ways = 2) from joined
            """
        ).fetchall()[0]
        cells = self._count("source")
        return {"none": cells * (cells - 1) // 2 - one - both, "one": one, "both": both, "self": own}


def reached(projections: list[CircuitProjection], population: str, node_id: int, steps: int) -> pd.DataFrame:
    """Return the cells that a spike of one cell can reach.

    Parameters
    ----------
    projections
        Edges that it may follow.
    population, node_id
        Where it starts.
    steps
        Synapses that it may cross.

    Returns
    -------
    One cell a row: ``population``, ``node_id``, ``steps`` (the fewest), and the cell before it, ``from_population`` and
    ``from_node_id``, which is missing for the first.

    Raises
    ------
    InputError
        A number is below zero.
    """
    if steps < 0 or node_id < 0:
        raise InputError("a node id and a number of steps are 0 or more")
    seen: dict[tuple[str, int], tuple[int, str | None, int | None]] = {(population, node_id): (0, None, None)}
    front = [(population, node_id)]
    for step in range(1, steps + 1):
        following: list[tuple[str, int]] = []
        for projection in projections:
            starts = [node for of, node in front if of == projection.source]
            if not starts:
                continue
            index = circuits.BY_SOURCE.beside(projection.node)
            table = index if index in projection.snapshot.tables else projection.node
            rows = projection.snapshot.sql(
                f"""
                select target_node_id, min(source_node_id) from {quoted(table)}
                where source_node_id in (select unnest($starts)) group by 1 order by 1
                """,
                starts=starts,
            ).fetchall()
            for target, source in rows:
                if (projection.target, target) not in seen:
                    seen[projection.target, target] = (step, projection.source, source)
                    following.append((projection.target, target))
        front = following
    rows = [(of, node, *said) for (of, node), said in seen.items()]
    names = ["population", "node_id", "steps", "from_population", "from_node_id"]
    return pd.DataFrame(rows, columns=names).astype({"from_node_id": "Int64"})


def quoted(name: str) -> str:
    """Return the name of a table as SQL writes it.

    Parameters
    ----------
    name
        Name of the table.
    """
    return '"' + name.replace('"', '""') + '"'
