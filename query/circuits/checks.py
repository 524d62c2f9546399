"""Checks of a circuit: whether its tables fit together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...catalog.vocabulary import circuits
from ..base import Snapshot
from ..glia.checks import rules, surfaces_off_target
from .projections import CircuitProjection, quoted

if TYPE_CHECKING:
    from .contents import Circuit

_SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name
        What must hold, such as ``edges of STIM__PYR end at cells that there are``.
    failing
        How many rows it does not hold for.
    rows
        Some of these.
    """

    name: str
    failing: int = 0
    rows: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether it holds for all rows."""
        return not self.failing

    def __str__(self) -> str:
        if self.passed:
            return f"pass  {self.name}"
        return f"FAIL  {self.name}: {self.failing:,} rows, such as\n{self.rows.to_string(index=False)}"


def checks(circuit: "Circuit") -> list[Check]:
    """Check a circuit; see `Circuit.check`.

    Parameters
    ----------
    circuit
        The circuit.
    """
    return [
        *_nodes(circuit),
        *_edges(circuit),
        *_synapses(circuit),
        *_glia(circuit),
        *_declared(circuit),
    ]


def _failing(snapshot: Snapshot, name: str, query: str) -> Check:
    """A check that no row answers *query*."""
    count = snapshot.sql(f"select count(*) from ({query})").fetchall()[0][0]
    return Check(name, count, snapshot.sql(f"{query} limit {_SHOWN}").df() if count else pd.DataFrame())


def _nodes(circuit: "Circuit") -> Iterator[Check]:
    for population, table in circuit.nodes.items():
        yield _failing(
            circuit.snapshot,
            f"cells of {population} are numbered from 0 without a gap",
            f"select node_id from (select node_id, row_number() over (order by node_id) - 1 as place from {quoted(table.name)}) "
            "where node_id <> place",
        )
        if "morphology" in table.columns and circuit.has_trees:
            trees = f"(select morphology from {quoted(circuits.SECTIONS.of(circuit=circuit.name))})"
            # A population none of whose trees is there came without them.
            yield _failing(
                circuit.snapshot,
                f"trees of {population} are there",
                f"select node_id, morphology from {quoted(table.name)} where morphology is not null and morphology not in {trees} "
                f"and exists (select 1 from {quoted(table.name)} where morphology in {trees})",
            )


def _edges(circuit: "Circuit") -> Iterator[Check]:
    for name, projection in circuit.projections.items():
        sides: Mapping[str, Callable[[], str]] = {
            "source": lambda of=projection: of.source,  # type: ignore[misc]
            "target": lambda of=projection: of.target,  # type: ignore[misc]
        }
        for side, population in sides.items():
            node = circuits.NODES.of(circuit=circuit.name, population=population())
            if node in circuit.snapshot.tables:
                verb = "begin" if side == "source" else "end"
                yield _failing(
                    circuit.snapshot,
                    f"edges of {name} {verb} at cells that there are",
                    f"select edge_id, {side}_node_id from {quoted(projection.node)} where {side}_node_id < 0 or "
                    f"{side}_node_id >= (select count(*) from {quoted(node)})",
                )
        index = circuits.BY_SOURCE.beside(projection.node)
        if index in circuit.snapshot.tables:
            have, listed = projection.table.rows, circuit.snapshot.tables[index].rows
            rows = pd.DataFrame([{"edges": have, "in the index": listed}])
            yield Check(f"the index by source of {name} has all edges", abs(have - listed), rows)


def _synapses(circuit: "Circuit") -> Iterator[Check]:
    for population, table in circuit.synapses.items():
        node = circuits.NODES.of(circuit=circuit.name, population=population)
        if node in circuit.snapshot.tables:
            yield _failing(
                circuit.snapshot,
                f"synapses of {population} are on cells that there are",
                f"select node_id, synapse_id from {quoted(table.name)} where node_id < 0 or "
                f"node_id >= (select count(*) from {quoted(node)})",
            )
        into = [
            p for p in circuit.projections.values() if p.target == population and p.chemical and _named(p)
        ]
        if not into:
            continue
        edges = " union all ".join(
            f"select target_node_id as node_id, synapse_id, '{p.name}' as projection from {quoted(p.node)}"
            for p in into
        )
        yield _failing(
            circuit.snapshot,
            f"edges to {population} are at synapses that there are",
            f"select * from ({edges}) anti join {quoted(table.name)} using (node_id, synapse_id)",
        )
        yield _failing(
            circuit.snapshot,
            f"synapses of {population} have one source",
            f"select node_id, synapse_id, count(*) as sources from ({edges}) group by 1, 2 having count(*) > 1",
        )


def _glia(circuit: "Circuit") -> Iterator[Check]:
    for name, query in rules(circuit.glia):
        yield _failing(circuit.snapshot, name, query)
    off = surfaces_off_target(circuit.glia)
    if off is not None:
        yield Check("surfaces of endfeet are within 5 µm of their place", len(off), off.head(_SHOWN))


def _named(projection: CircuitProjection) -> bool:
    return "synapse_id" in projection.table.columns


def _declared(circuit: "Circuit") -> Iterator[Check]:
    """What the tables of populations and projections say."""
    tables = circuit.snapshot.tables
    populations = circuits.POPULATIONS.of(circuit=circuit.name)
    if populations in tables:
        rows = tables[populations].to_arrow(["population", "count"]).to_pylist()
        found = [
            {
                **row,
                "rows": circuit.nodes[row["population"]].rows if row["population"] in circuit.nodes else 0,
            }
            for row in rows
        ]
        wrong = [row for row in found if row["count"] != row["rows"]]
        yield Check("populations have as many cells as is said", len(wrong), pd.DataFrame(wrong))
    declared = circuits.PROJECTIONS.of(circuit=circuit.name)
    if declared in tables:
        known = {(row["source"], row["target"]) for row in tables[declared].to_arrow().to_pylist()}
        strange: list[dict[str, Any]] = [
            {"projection": name, "source": p.source, "target": p.target}
            for name, p in circuit.projections.items()
            if (p.source, p.target) not in known
        ]
        yield Check("populations are connected that may be", len(strange), pd.DataFrame(strange))
