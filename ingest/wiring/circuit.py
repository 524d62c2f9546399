"""A circuit of a lake, as a simulation needs it: cells with their trees and templates, numbered together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pds

from ...catalog.vocabulary import circuits
from ...lake import Snapshot
from ...lake.errors import InputError, NotFoundError
from ...mechanisms.errors import ModelError
from ...mechanisms.network.cells import Ids, NetworkNode, TreeShape
from ..building.configuration import NetworkConfiguration
from ..building.reading import network_configuration
from ..circuits.trees import Forest
from ..text.included import Configuration
from ..text.weights import with_network_values

VIRTUAL = "virtual"
"""Type of cells that only send spikes."""
_KNOWN = ("node_id", "gid", "x", "y", "z", "morphology")
_ELECTRICAL, _JUNCTION = ("electrical", "electrical_synapse"), "afferent_junction_id"
"""Last parts of the names of populations of gap junctions, and what those of the Blue Brain Project have."""


@dataclass(frozen=True, eq=False)
class NetworkPopulation:
    """A population of a circuit.

    Attributes
    ----------
    name
        Its name.
    gid
        Gid of each cell, int64[n], in the order of `node_id`.
    columns
        Its table of nodes: values by column, in the order of `node_id`.
    """

    name: str
    gid: Ids
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.gid)


@dataclass(frozen=True)
class NetworkProjection:
    """A table of edges.

    Attributes
    ----------
    node
        Name of the table in the lake.
    name
        What is after the circuit in that: ``PYR__PVBC``.
    source, target
        Populations.
    electrical
        Whether its edges are gap junctions.
    attributes
        Of the table.
    """

    node: str
    name: str
    source: str
    target: str
    electrical: bool
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class NetworkSource:
    """A circuit of a commit.

    Attributes
    ----------
    snapshot
        The commit.
    circuit
        Name of the circuit.
    format
        Where it came from: ``neuroh5``, ``network`` (built here) or ``sonata``.
    tree
        Its configuration, as JSON has it; empty without one.
    configuration
        The same, read, where it has MiV-Simulator's keys.
    """

    snapshot: Snapshot
    circuit: str
    format: str
    tree: Mapping[str, Any]
    configuration: NetworkConfiguration | None

    @classmethod
    def read(
        cls,
        snapshot: Snapshot,
        circuit: str,
        configuration: str | Path | Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> "NetworkSource":
        """Read what a lake says of a circuit.

        Parameters
        ----------
        snapshot
            The commit.
        circuit
            Name of the circuit.
        configuration
            A configuration to use instead of that which is kept with the circuit: a YAML file or a mapping.
        values
            New values of its parameters by path; see `with_network_values`.

        Raises
        ------
        NotFoundError
            There is no such circuit.
        IngestError
            The configuration cannot be read.
        InputError
            There is no parameter of a path.
        """
        table = snapshot.tables.get(circuits.CIRCUITS.name)
        rows = [] if table is None else table.to_arrow(where=pds.field("name") == circuit).to_pylist()
        nodes = [node for node in snapshot.tables if _of(circuits.NODES, node, circuit)]
        if not nodes:
            known = sorted(
                {parts["circuit"] for node in snapshot.tables if (parts := circuits.NODES.parts(node))}
            )
            raise NotFoundError(
                f"there is no circuit {circuit!r} with nodes; the lake has {', '.join(known) or 'none'}"
            )
        form = rows[0]["format"] if rows else "sonata"
        read = None
        if configuration is not None:
            read = Configuration.of(configuration)
        elif rows and rows[0]["configuration"] is not None:
            read = Configuration.of(json.loads(snapshot.files[rows[0]["configuration"]]))
        read = with_network_values(read, values or {})
        found = None
        if read is not None and (form != "sonata" or "Connection Generator" in read.tree):
            found = network_configuration(read)
        return cls(snapshot, circuit, form, {} if read is None else read.tree, found)

    @cached_property
    def populations(self) -> dict[str, NetworkPopulation]:
        """Populations by name, in the order of their gids.

        Where nodes have no gid, populations follow each other in the order of their names.

        Raises
        ------
        InputError
            Nodes of a population are not numbered from 0.
        """
        found, start = [], 0
        for node in sorted(self.snapshot.tables):
            parts = _of(circuits.NODES, node, self.circuit)
            if parts is None:
                continue
            table = self.snapshot.tables[node].to_arrow()
            columns = {name: table[name].to_numpy() for name in table.schema.names}
            order = np.argsort(columns["node_id"], kind="stable")
            columns = {name: values[order] for name, values in columns.items()}
            if not np.array_equal(columns["node_id"], np.arange(len(order))):
                raise InputError(f"{node}: nodes are not numbered from 0 on, each once")
            if self._types.get(parts["population"]) == VIRTUAL and "model_type" not in columns:
                columns["model_type"] = np.full(len(order), VIRTUAL, object)
            gid = columns.get("gid", start + columns["node_id"]).astype(np.int64)
            found.append(NetworkPopulation(parts["population"], gid, columns))
            start = max(start, int(gid.max(initial=-1)) + 1)
        return {each.name: each for each in sorted(found, key=lambda each: int(each.gid.min(initial=0)))}

    @property
    def _types(self) -> Mapping[str, Any]:
        """What a circuit's configuration of SONATA says that populations of nodes are, by name."""
        networks = self.tree.get("networks")
        listed = networks.get("nodes") if isinstance(networks, Mapping) else None
        found: dict[str, Any] = {}
        for entry in listed if isinstance(listed, list) else ():
            told = entry.get("populations") if isinstance(entry, Mapping) else None
            for name, each in (told or {}).items():
                found[name] = each.get("type") if isinstance(each, Mapping) else None
        return found

    @cached_property
    def projections(self) -> Sequence[NetworkProjection]:
        """Tables of edges, chemical before electrical, in the order of targets and sources."""
        found = []
        for node in self.snapshot.tables:
            parts = _of(circuits.EDGES, node, self.circuit)
            if parts is None or node.endswith(circuits.BY_SOURCE.ending):
                continue
            attributes = self.snapshot.tables[node].attributes
            names = parts["population"].split("__")
            source = str(attributes.get("source_population", names[0]))
            target = str(attributes.get("target_population", names[min(1, len(names) - 1)]))
            electrical = names[-1] in _ELECTRICAL or _JUNCTION in self.snapshot.tables[node].columns
            found.append(NetworkProjection(node, parts["population"], source, target, electrical, attributes))
        order = list(self.populations)

        def place(each: NetworkProjection) -> tuple[Any, ...]:
            at = [order.index(name) if name in order else len(order) for name in (each.target, each.source)]
            return each.electrical, *at, each.name

        return sorted(found, key=place)

    @cached_property
    def shapes(self) -> Mapping[str, TreeShape]:
        """Trees by name.

        Raises
        ------
        InputError
            A tree cannot be made of sections.
        """
        names = [kind.of(circuit=self.circuit) for kind in (circuits.POINTS, circuits.SECTIONS)]
        if any(name not in self.snapshot.tables for name in names):
            return {}
        forest, trees = Forest.of_tables(*(self.snapshot.tables[name].to_arrow() for name in names))
        found = {}
        for at, name in enumerate(trees):
            one = forest.take(np.array([at]))
            sections = one.sections()
            cuts = np.cumsum(sections.size)[:-1]
            points = {
                key: getattr(one, key) for key in ("x", "y", "z", "diameter", "layer", "type", "parent")
            }
            try:
                found[name] = TreeShape.of(
                    name, points, np.split(sections.points, cuts), (one.link_parent, one.link_child)
                )
            except ModelError as error:
                raise InputError(f"circuit {self.circuit}: {error}") from error
        return found

    def template_names(self, population: NetworkPopulation) -> Sequence[str | None]:
        """Return the template of each cell of a population: of its row, or else of the configuration.

        Parameters
        ----------
        population
            The population.
        """
        kind = None if self.configuration is None else self.configuration.cells.get(population.name)
        for column in ("model_template", "template"):
            if column in population.columns:
                return [
                    None if name in ("", None) else str(name) for name in population.columns[column].tolist()
                ]
        return [None if kind is None else kind.template] * len(population)

    def nodes(
        self, population: NetworkPopulation, chosen: Sequence[int] | None = None
    ) -> Iterator[NetworkNode]:
        """Yield the cells of a population.

        Parameters
        ----------
        population
            The population.
        chosen
            Their numbers; all by default.
        """
        columns = population.columns
        places = np.stack([columns.get(axis, np.zeros(len(population))) for axis in "xyz"], axis=1).astype(
            float
        )
        morphology = columns.get("morphology")
        more = {name: values for name, values in columns.items() if name not in _KNOWN}
        for at in range(len(population)) if chosen is None else chosen:
            name = None if morphology is None else morphology[at]
            yield NetworkNode(
                gid=int(population.gid[at]),
                population=population.name,
                node_id=at,
                shape=None if name is None else self.shapes.get(name),
                position=tuple(places[at].tolist()),
                attributes={key: values[at] for key, values in more.items()}
                | ({} if name is None else {"morphology": name}),
            )

    @property
    def equilibration(self) -> float:
        """How long the configuration's inputs begin before time 0, in ms; 0 without a configuration."""
        return 0.0 if self.configuration is None else self.configuration.stimulus.equilibration

    @property
    def celsius(self) -> float | None:
        """Temperature that the configuration says; None if it says none."""
        value = (self.tree.get("Global Parameters") or {}).get("celsius")
        return float(value) if isinstance(value, int | float) else None


def _of(kind: Any, node: str, circuit: str) -> dict[str, str] | None:
    parts: dict[str, str] | None = kind.parts(node)
    return parts if parts is not None and parts["circuit"] == circuit else None
