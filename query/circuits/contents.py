"""A circuit of a lake as one object: its populations of nodes and edges, its node sets, spikes, reports and weights."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import pyarrow.dataset as pds

from ...catalog.node_sets import Ids, known_sets, node_set
from ...catalog.vocabulary import circuits, reports
from ...catalog.vocabulary.kinds import Kind
from ...lake.core import Lake
from ...lake.errors import NotFoundError
from ...lake.names import listed as listed_names
from ...lake.nodes.shown import About, Shown
from ..base import Snapshot, Table, snapshot_of
from ..glia.asking import GliaTables
from ..glia.astrocytes import Astrocytes
from ..glia.atlas import CircuitAtlas
from ..glia.endfeet import AstrocyteEndfeet
from ..glia.neurons import CoveredNeurons
from ..glia.vessels import Vasculature
from .checks import Check, checks
from .projections import CircuitProjection, reached
from .reports import ElectrodeWeights, Report

Opened = TypeVar("Opened")


def circuit(
    lake: Lake | Snapshot | str | Path, name: str | None = None, *, at: str | datetime = "main"
) -> "Circuit":
    """Open a circuit of a lake.

    Parameters
    ----------
    lake
        An open lake, the path or URL of one, or a snapshot.
    name
        Name of the circuit, as it was given to the ingest; may be omitted if the lake has one.
    at
        Branch, commit or time to read; not used for a snapshot.

    Raises
    ------
    NotFoundError
        There is no such circuit, or several and no *name*.
    """
    snapshot = snapshot_of(lake, at)
    known = circuit_names(snapshot)
    if name is None and len(known) == 1:
        return Circuit(snapshot, known[0])
    if name not in known:
        asked = "say which circuit" if name is None and known else f"there is no circuit {name or ''!r}"
        raise NotFoundError(f"{asked}; there are: {', '.join(known) or 'none'}")
    return Circuit(snapshot, name)


def circuit_names(snapshot: Snapshot) -> list[str]:
    """Return the names of the circuits of a snapshot.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    populations = (kind.parts(node) for kind in (circuits.NODES, circuits.EDGES) for node in snapshot.tree)
    return sorted({parts["circuit"] for parts in populations if parts is not None})


class Part(Mapping[str, Opened], Generic[Opened]):
    """Parts of a circuit by name, opened on access.

    Parameters
    ----------
    what
        Kind of the parts, for messages, such as ``edges``.
    names
        Names of the parts.
    open_part
        Called with a name; returns the part.
    """

    def __init__(self, what: str, names: list[str], open_part: Callable[[str], Opened]) -> None:
        self._what, self._names, self._open = what, names, open_part

    def __getitem__(self, name: str) -> Opened:
        if name not in self._names:
            raise NotFoundError(
                f"there is no {self._what} {name!r}; there are: {', '.join(self._names) or 'none'}"
            )
        return self._open(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{len(self)} of kind {self._what}: {', '.join(self._names)}>"


class Circuit(Shown):
    """A circuit of one commit.

    Parameters
    ----------
    snapshot, name
        Which circuit of which snapshot; see `circuit`.
    """

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self.snapshot = snapshot
        self.name = name

    def _about(self) -> About:
        def listed(tables: Mapping[str, Table]) -> str:
            return ", ".join(f"{name} ({table.rows:,})" for name, table in tables.items()) or "none"

        more = f"{len(self.reports)} reports, {len(self.node_sets)} node sets"
        line = f"<Circuit {self.name!r}: nodes {listed(self.nodes)}; edges {listed(self.edges)}; {more}>"
        rows = [
            (name, kind, table.rows, ", ".join(table.columns))
            for kind, tables in (("nodes", self.nodes), ("edges", self.edges))
            for name, table in tables.items()
        ]
        facts = {
            "reports": listed_names(self.reports) or "none",
            "node sets": listed_names(self.node_sets) or "none",
        }
        return About(line, facts, ("population", "kind", "rows", "columns"), rows)

    @cached_property
    def nodes(self) -> Part[Table]:
        """Tables of nodes by population, one node a row."""
        return self._tables("population of nodes", circuits.NODES)

    @cached_property
    def edges(self) -> Part[Table]:
        """Tables of edges by population, one edge a row, sorted by target."""
        return self._tables("population of edges", circuits.EDGES)

    @cached_property
    def projections(self) -> Part[CircuitProjection]:
        """Projections by population of edges: degrees, distances, shared inputs, motifs."""
        return Part(
            "projection", list(self.edges), lambda name: CircuitProjection(self.snapshot, self.name, name)
        )

    @cached_property
    def synapses(self) -> Part[Table]:
        """Tables of places for synapses by population of nodes."""
        return self._tables("population with synapses", circuits.SYNAPSES)

    @cached_property
    def glia(self) -> GliaTables:
        """Which tables are the circuit's astrocytes, vessels, and what connects them."""
        return GliaTables(self.snapshot, self.name)

    @cached_property
    def astrocytes(self) -> Astrocytes:
        """Astrocytes: domains, trees, endfeet, synapses, gap junctions, and whom they connect to.

        Raises
        ------
        NotFoundError
            The circuit has none.
        """
        return Astrocytes(self._with("astrocytes"))

    @cached_property
    def vasculature(self) -> Vasculature:
        """Vessels: segments, sections, graph, surface, coverage, and who touches them.

        Raises
        ------
        NotFoundError
            The circuit has none.
        """
        return Vasculature(self._with("vasculature"))

    @cached_property
    def endfeet(self) -> AstrocyteEndfeet:
        """Endfeet: surfaces, areas, targets, and path lengths.

        Raises
        ------
        NotFoundError
            The circuit has none.
        """
        return AstrocyteEndfeet(self._with("gliovascular"))

    @cached_property
    def neurons(self) -> CoveredNeurons:
        """Neurons whose synapses are in domains: their astrocytes and vessels, and the way to these.

        Raises
        ------
        NotFoundError
            The circuit has no synapses in domains.
        """
        return CoveredNeurons(self._with("neuroglial"))

    @cached_property
    def atlas(self) -> CircuitAtlas:
        """Voxels and regions, and what of cells and vessels lies in each region or in a box."""
        return CircuitAtlas(self.glia)

    def _with(self, part: str) -> GliaTables:
        self.glia.name(part)
        return self.glia

    @property
    def has_trees(self) -> bool:
        """Whether the circuit has trees of its cells."""
        return circuits.SECTIONS.of(circuit=self.name) in self.snapshot.tables

    @cached_property
    def spikes(self) -> Part[Table]:
        """Tables of spikes by population of nodes: ``node_id`` and ``time`` (ms)."""
        return self._tables("population with spikes", circuits.SPIKES)

    @cached_property
    def inputs(self) -> Part[Table]:
        """Tables of spikes that inputs replay, by ``input/population``."""
        return self._tables("input", circuits.INPUTS)

    @cached_property
    def reports(self) -> Part[Report]:
        """Reports by ``report/population``."""
        return Part("report", self._arrays(reports.REPORT), self._report)

    @cached_property
    def weights(self) -> Part[ElectrodeWeights]:
        """Weights of electrodes by ``file/population``."""
        return Part("weights", self._arrays(reports.WEIGHTS), self._weights)

    @cached_property
    def node_sets(self) -> dict[str, Any]:
        """Rules of node sets by name; none if the circuit was ingested without."""
        return known_sets(self.snapshot, self.name)

    def node_ids(self, node_set_name: str | Mapping[str, Any], population: str) -> Ids:
        """Return the ids of the nodes of a population that are in a node set, or that match a rule, ascending, int64.

        Parameters
        ----------
        node_set_name
            Name of the node set; or a rule, such as ``{"layer": {"$gte": 2}}``.
        population
            Population of the nodes.

        Raises
        ------
        NotFoundError
            There is no such node set or population.
        InputError
            The rule is malformed, or names a property that the nodes do not have.
        """
        return node_set(self.snapshot, self.name, node_set_name, population)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many ``nodes`` and how many ``edges`` there are, by population."""
        return {
            "nodes": {name: table.rows for name, table in self.nodes.items()},
            "edges": {name: table.rows for name, table in self.edges.items()},
        }

    @property
    def populations(self) -> pd.DataFrame:
        """One population a row: ``kind`` (nodes or edges), ``population`` and ``count``."""
        rows = [(kind, name, count) for kind, counts in self.counts.items() for name, count in counts.items()]
        return pd.DataFrame(rows, columns=["kind", "population", "count"])

    def connectivity(self) -> pd.DataFrame:
        """Return counts and means of all projections, one a row; columns are those of `CircuitProjection.summary`."""
        return pd.DataFrame([projection.summary() for projection in self.projections.values()])

    def reached(self, population: str, node_id: int, steps: int = 2) -> pd.DataFrame:
        """Return the cells that a spike of one cell can reach over chemical synapses.

        Parameters
        ----------
        population, node_id
            Where it starts.
        steps
            Synapses that it may cross.

        Returns
        -------
        One cell a row: ``population``, ``node_id``, ``steps`` (the fewest), and the cell before it, ``from_population``
        and ``from_node_id``.

        Raises
        ------
        NotFoundError
            There is no such population.
        InputError
            A number is below zero.
        """
        self.nodes[population]
        chemical = [projection for projection in self.projections.values() if projection.chemical]
        return reached(chemical, population, node_id, steps)

    def morphology(self, population: str, node_id: int) -> pd.DataFrame:
        """Return the points of a cell's tree, section by section, where the cell is.

        Parameters
        ----------
        population, node_id
            The cell.

        Returns
        -------
        One point of one section a row: ``section_id``, ``parent_id`` (of the section), ``type``, ``x``, ``y``, ``z`` and
        ``diameter`` in µm; the tree is moved to the soma of the cell.

        Raises
        ------
        NotFoundError
            There is no such cell, or it has no tree.
        """
        table = self.nodes[population]
        if "morphology" not in table.columns or not self.has_trees:
            raise NotFoundError(f"the cells of {population} have no trees in this circuit")
        cells = table.to_arrow(where=pds.field("node_id") == node_id).to_pylist()
        if not cells or cells[0]["morphology"] is None:
            raise NotFoundError(f"{population} has no cell {node_id} with a tree")
        found: pd.DataFrame = self.snapshot.sql(
            f"""
            with cut as (
                select section_id, parent_id, unnest(points) as point_id, generate_subscripts(points, 1) as place
                from "{circuits.SECTIONS.of(circuit=self.name)}" where morphology = $tree
            )
            select cut.section_id, cut.parent_id, p.type, p.x + $x as x, p.y + $y as y, p.z + $z as z, p.diameter
            from cut join "{circuits.POINTS.of(circuit=self.name)}" as p on p.point_id = cut.point_id
            where p.morphology = $tree order by cut.section_id, cut.place
            """,
            tree=cells[0]["morphology"],
            **{axis: float(cells[0].get(axis) or 0.0) for axis in "xyz"},
        ).df()
        return found

    def check(self) -> list[Check]:
        """Check whether the tables of the circuit fit together: ids, synapses, sources, counts, and what is declared."""
        return checks(self)

    def _tables(self, what: str, kind: Kind) -> Part[Table]:
        tables, beside = self.snapshot.tables, circuits.BY_SOURCE.ending
        names = [name for name in self._below(kind) if not (kind is circuits.EDGES and name.endswith(beside))]
        folder = self._folder(kind)
        return Part(what, [name for name in names if folder + name in tables], partial(self._table, folder))

    def _arrays(self, kind: Kind) -> list[str]:
        # The arrays of times beside reports have no nodes.
        folder = self._folder(kind)
        return [
            name for name in self._below(kind) if reports.RANGES.beside(folder + name) in self.snapshot.tree
        ]

    def _below(self, kind: Kind) -> list[str]:
        folder = self._folder(kind)
        return [name.removeprefix(folder) for name in self.snapshot if name.startswith(folder)]

    def _folder(self, kind: Kind) -> str:
        return f"{kind.folder}{self.name}/"

    def _table(self, folder: str, name: str) -> Table:
        found = self.snapshot.tables[folder + name]
        assert isinstance(found, Table), "of `table_type`"
        return found

    def _report(self, name: str) -> Report:
        return Report(self.snapshot, self._folder(reports.REPORT) + name)

    def _weights(self, name: str) -> ElectrodeWeights:
        return ElectrodeWeights(self.snapshot, self._folder(reports.WEIGHTS) + name)
