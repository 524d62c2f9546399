"""Edges of a circuit as connections: which reader understands a table of edges, and what all of them are given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow.dataset as pds
from numpy.typing import NDArray

from ...mechanisms.errors import ModelError
from ...mechanisms.network.cells import Ids, NetworkNode, TreeShape
from ...mechanisms.network.templates import CellTemplate, Search
from ...mechanisms.network.wiring import Connections
from ...mechanisms.templates.reach import shapes_of
from ..circuits.weights import SynapseWeights
from .circuit import NetworkProjection, NetworkSource
from .faults import Faults

Columns = Mapping[str, NDArray[Any]]

_MANY = 2**31


@dataclass(frozen=True, eq=False)
class EdgeTargets:
    """What edges end at, and what else decides where.

    Attributes
    ----------
    nodes, templates
        Cells that are to be made, and what makes them, by gid.
    search
        Where files are that edges name.
    seed
        Of what is random in the run.
    weights
        Weights that synapses have of their own, by population, as far as they were read.
    notices
        What users should know is added to it.
    """

    nodes: Mapping[int, NetworkNode] = field(default_factory=dict)
    templates: Mapping[int, CellTemplate] = field(default_factory=dict)
    search: Search = field(default_factory=Search)
    seed: int = 0
    weights: dict[str, SynapseWeights] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class EdgeRows:
    """Edges of one projection that end at the cells that are simulated here.

    Attributes
    ----------
    source
        The circuit.
    projection
        The table that they are of.
    columns
        Values by column, in the order of the table.
    source_gid, target_gid
        Cells that they join, int64[n].
    shapes
        Tree of each target, or None; by the number of the target in its population.
    dt
        Time step in ms: the shortest delay that there may be.
    faults
        What is wrong is added to it.
    targets
        What they end at.
    """

    source: NetworkSource
    projection: NetworkProjection
    columns: Columns
    source_gid: Ids
    target_gid: Ids
    shapes: Mapping[int, TreeShape | None]
    dt: float
    faults: Faults
    targets: EdgeTargets = field(default_factory=EdgeTargets)

    def __len__(self) -> int:
        return len(self.source_gid)

    @property
    def numbers(self) -> Ids:
        """Number of each edge."""
        found: Ids = self.columns["edge_id"].astype(np.int64)
        return found

    def take(self, chosen: NDArray[np.bool_]) -> "EdgeRows":
        """Return some of the edges.

        Parameters
        ----------
        chosen
            Which, bool[n].
        """
        return replace(
            self,
            columns={name: values[chosen] for name, values in self.columns.items()},
            source_gid=self.source_gid[chosen],
            target_gid=self.target_gid[chosen],
        )

    def turned(self) -> "EdgeRows":
        """Return the same edges as seen from their sources: what is efferent and afferent, source and target, change places.

        An edge that says nothing of its efferent end has that where its afferent one is.
        """
        columns = dict(self.columns)
        for name, values in self.columns.items():
            if name.startswith("efferent_"):
                columns[name.replace("efferent", "afferent", 1)] = values
        columns["target_node_id"], columns["source_node_id"] = (
            self.columns["source_node_id"],
            self.columns["target_node_id"],
        )
        population = self.source.populations[self.projection.source]
        names = population.columns.get("morphology")
        nodes = np.unique(columns["target_node_id"]).tolist()
        shapes = {node: None if names is None else self.source.shapes.get(names[node]) for node in nodes}
        projection = replace(self.projection, source=self.projection.target, target=self.projection.source)
        return replace(
            self,
            projection=projection,
            columns=columns,
            source_gid=self.target_gid,
            target_gid=self.source_gid,
            shapes=shapes,
        )

    def check_delays(self, delay: NDArray[np.float64]) -> None:
        """Note delays that are negative, or shorter than a time step.

        Parameters
        ----------
        delay
            Of each edge, in ms.
        """
        bad = np.flatnonzero(~(delay >= self.dt))
        if len(bad):
            edge, value = int(self.numbers[bad[0]]), float(delay[bad[0]])
            what = "is negative" if value < 0 else f"is shorter than the time step of {self.dt:g} ms"
            self.faults.add(
                f"{self.projection.node}: edge {edge}: its delay of {value:g} ms {what} (so are {len(bad)} of {len(self)})"
            )

    def check_sections(self, section: NDArray[Any], position: NDArray[Any]) -> None:
        """Note synapses on sections that their cell does not have, and positions that are not within 0 and 1.

        Parameters
        ----------
        section, position
            Of each edge.
        """
        target = self.columns["target_node_id"]
        counts = {node: self._sections_of(node, shape) for node, shape in self.shapes.items()}
        most = np.array([counts.get(node, _MANY) for node in np.unique(target).tolist()], np.int64)
        limit = most[np.searchsorted(np.unique(target), target)] if len(target) else most
        for bad, told in (
            ((section < 0) | (section >= limit), "a section that its cell does not have"),
            (~((position >= 0) & (position <= 1)), "a position that is not within 0 and 1"),
        ):
            if bad.any():
                at = int(np.argmax(bad))
                self.faults.add(
                    f"{self.projection.node}: edge {int(self.numbers[at])} to cell {int(target[at])} ends at {told}: section "
                    f"{int(section[at])}, position {float(position[at]):g} (so do {int(bad.sum())} of {len(self)})"
                )

    def _sections_of(self, node: int, shape: TreeShape | None) -> int:
        """How many sections a target has; more than any has where that is not known before it is made."""
        if shape is not None:
            return len(shape.sections)
        gid = int(self.source.populations[self.projection.target].gid[node])
        cell = self.targets.nodes.get(gid)
        try:
            known = None if cell is None else shapes_of(self.targets.templates.get(gid), cell)
        except ModelError:  # told where templates are checked
            known = None
        return _MANY if known is None else len(known)


EdgeReader = Callable[[EdgeRows], Sequence[Connections]]
"""Makes connections of edges; what is wrong with them goes to `EdgeRows.faults`, and bad edges are left out."""


def edge_rows(
    source: NetworkSource,
    projection: NetworkProjection,
    chosen: Ids | None,
    dt: float,
    faults: Faults,
    targets: EdgeTargets | None = None,
) -> EdgeRows | None:
    """Return the edges of a projection that end at some cells; None if a population is not there.

    Parameters
    ----------
    source
        The circuit.
    projection
        The table of edges.
    chosen
        Numbers of the targets in their population, int64; all by default.
    dt
        Time step in ms.
    faults
        What is wrong is added to it.
    targets
        What they end at, for those who want to know.
    """
    for end in (projection.source, projection.target):
        if end not in source.populations:
            faults.add(f"{projection.node}: there is no population {end!r} in the circuit {source.circuit}")
            return None
    table = source.snapshot.tables[projection.node]
    where = None if chosen is None else pds.field("target_node_id").isin(chosen.tolist())
    arrow = table.to_arrow(where=where)
    columns = {name: arrow[name].to_numpy() for name in arrow.schema.names}
    populations = [source.populations[end] for end in (projection.source, projection.target)]
    gids = []
    for name, population in zip(("source_node_id", "target_node_id"), populations, strict=True):
        bad = (columns[name] < 0) | (columns[name] >= len(population))
        if bad.any():
            at = int(np.argmax(bad))
            faults.add(
                f"{projection.node}: edge {int(columns['edge_id'][at])}: {population.name} has no cell {int(columns[name][at])}"
            )
            return None
        gids.append(population.gid[columns[name]])
    target = populations[1]
    names = target.columns.get("morphology")
    nodes = np.unique(columns["target_node_id"]).tolist()
    shapes = {node: None if names is None else source.shapes.get(names[node]) for node in nodes}
    where_to = EdgeTargets() if targets is None else targets
    return EdgeRows(source, projection, columns, gids[0], gids[1], shapes, dt, faults, where_to)


def distinct(values: NDArray[Any]) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """Yield each distinct value and the rows that have it, in the order of the values.

    Parameters
    ----------
    values
        Numbers or text.
    """
    found, inverse = np.unique(values, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    yield from zip(found.tolist(), parts, strict=True)
