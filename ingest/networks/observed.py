"""Which synapses records take, chosen among the edges of a network before it is made, and which weights of electrodes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.reports import WEIGHTS
from ...lake.nodes.content import content
from ...mechanisms.network.cells import Ids, TreeShape
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.network.wiring import Connections
from ..building.configuration import SWC_TYPES, SYNAPSE_TYPES
from ..lfp.online import NodeWeights
from ..records.requests import RecordRequest
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults
from .known import KnownMechanisms
from .selection import numbers_of_layers

_SHOWN = 5
Rows = NDArray[np.bool_]


def observed_synapses(
    source: NetworkSource,
    requests: Sequence[RecordRequest],
    recorded: Sequence[Mapping[str, Ids]],
    connections: Sequence[Connections],
    ranks: Ranks,
    known: KnownMechanisms,
    faults: Faults,
    notices: list[str],
) -> tuple[list[Connections], list[str | None]]:
    """Return the connections of this rank, which know now which requests take them (`Connections.observed`), and units.

    The units are those of each request's variable; None where synapses differ in it, or say none.

    A request that takes no synapse at all, or a variable that none of its synapses has, is a fault; cells of it that have no
    such synapses are told.

    Parameters
    ----------
    source
        The circuit.
    requests
        Requests of synapses.
    recorded
        Numbers of the cells of each request that are simulated, by population.
    connections
        All of this rank.
    ranks
        This process among others.
    known
        Mechanisms that NEURON has.
    faults
        What is wrong is added to it.
    notices
        What users should know is added to it.
    """
    if not requests:
        return list(connections), []
    chooser = _Chooser(source)
    gids = [
        np.concatenate(
            [np.empty(0, np.int64), *(source.populations[name].gid[own] for name, own in each.items())]
        )
        for each in recorded
    ]
    # For each request: mechanisms that its synapses have, those among them with the variable, and cells with such synapses.
    mechanisms: list[set[str]] = [set() for _ in requests]
    cells: list[list[Ids]] = [[] for _ in requests]
    found = []
    for each in connections:
        if each.kind is None:
            found.append(each)
            continue
        taken = np.zeros((len(requests), len(each)), bool)
        for at, (request, own) in enumerate(zip(requests, gids, strict=True)):
            wanted = request.synapses.mechanisms
            if wanted and not {each.kind.label, each.kind.mechanism} & set(wanted):
                continue
            rows = np.isin(each.target, own)
            rows &= chooser.rows(request, each, rows)
            if rows.any():
                mechanisms[at].add(each.kind.mechanism)
                if request.variable in known.of_process(each.kind.mechanism):
                    taken[at] = rows
                    cells[at].append(np.unique(each.target[rows]))
        found.append(replace(each, observed=taken) if taken.any() else each)
    own_part = [
        (sorted(names), [gid for part in parts for gid in part.tolist()])
        for names, parts in zip(mechanisms, cells, strict=True)
    ]
    told = ranks.all((own_part, sorted(chooser.faults)))
    units: list[str | None] = []
    for at, request in enumerate(requests):
        names = sorted({name for part, _ in told for name in part[at][0]})
        there = np.unique(np.array([gid for part, _ in told for gid in part[at][1]], np.int64))
        units.append(_check(source, request, recorded[at], names, there, known, faults, notices))
    faults.add(*(sentence for _, sentences in told for sentence in sentences))
    return found, units


def _check(
    source: NetworkSource,
    request: RecordRequest,
    recorded: Mapping[str, Ids],
    mechanisms: Sequence[str],
    there: Ids,
    known: KnownMechanisms,
    faults: Faults,
    notices: list[str],
) -> str | None:
    """Note what is wrong with a request; return the unit of its variable."""
    if request.samples and not recorded:
        return None
    if not mechanisms:
        of = ", ".join(recorded) or request.population or "the circuit"
        faults.add(f"{request.told}: no cell of {of} that is simulated has such a synapse")
        return None
    having = {name: known.of_process(name) for name in mechanisms if name in known.names}
    lacking = [name for name, own in having.items() if request.variable not in own]
    named = bool(request.synapses.mechanisms)
    if having and (len(lacking) == len(having) or (named and lacking)):
        has = "; ".join(f"{name} has {', '.join(sorted(having[name]))}" for name in lacking)
        faults.add(f"{request.told}: no variable {request.variable!r} at these synapses: {has}")
        return None
    for name, own in recorded.items():
        population = source.populations[name]
        without = own[~np.isin(population.gid[own], there)]
        if len(without):
            shown = ", ".join(map(str, without[:_SHOWN].tolist())) + (" …" if len(without) > _SHOWN else "")
            notices.append(
                f"{request.told}: {len(without)} of {len(own)} cells of {name} have no such synapse: {shown}"
            )
    told = {known.unit(name, request.variable) for name, own in having.items() if request.variable in own}
    return told.pop() if len(told) == 1 else None


def weights_of(
    source: NetworkSource,
    request: RecordRequest,
    population: str,
    cells: Mapping[int, int],
    notices: list[str],
) -> tuple[NodeWeights | None, dict[int, int]]:
    """Return the weights of electrodes that a request records with, and the cells that they are of; None where they are of none.

    Parameters
    ----------
    source
        The circuit.
    request
        A request with `contacts`.
    population
        The population.
    cells
        Number of each cell that the request takes in its population, by gid.
    notices
        Cells that have no weights are told there.
    """
    node = WEIGHTS.of(circuit=source.circuit, file=request.contacts, population=population)
    found = NodeWeights.read(source.snapshot, node) if node in source.snapshot.arrays else None
    there = {gid: node_id for gid, node_id in cells.items() if found is not None and node_id in found.rows}
    absent = [str(node_id) for gid, node_id in sorted(cells.items()) if gid not in there]
    if absent:
        shown = ", ".join(absent[:_SHOWN]) + (" …" if len(absent) > _SHOWN else "")
        notices.append(
            f"{request.told}: {request.contacts} has no weights of {len(absent)} of {len(cells)} cells of {population}, which are left "
            f"out: {shown}"
        )
    return (found if there else None), there


def contacts_told(source: NetworkSource, records: Sequence[RecordRequest]) -> dict[str, Any]:
    """Return the digests of all weights of electrodes that requests record with, as the settings of a run have them; empty without any.

    Parameters
    ----------
    source
        The circuit.
    records
        The requests.
    """
    files = {each.contacts for each in records}
    found = {}
    for node in sorted(source.snapshot.arrays):
        parts = WEIGHTS.parts(node)
        if parts is not None and parts["circuit"] == source.circuit and parts["file"] in files:
            found[node] = str(content(source.snapshot.tree, node))
    return {"contacts": found} if found else {}


class _Chooser:
    """Chooses edges by what a request says of their synapses."""

    def __init__(self, source: NetworkSource) -> None:
        self.source, self.faults = source, set[str]()
        self._sources = {each.name: each.source for each in source.projections}
        self._targets = {each.name: each.target for each in source.projections}
        self._with_trees = {
            name
            for name, each in source.populations.items()
            if any(tree in source.shapes for tree in set(each.columns.get("morphology", ())))
        }
        self._tables: dict[str, dict[str, NDArray[np.int64]] | None] = {}

    def rows(self, request: RecordRequest, edges: Connections, among: Rows) -> Rows:
        """Which edges a request takes, bool[n_edges]; only those *among* are looked at where that takes time."""
        chosen, population = request.synapses, self._targets[edges.name]
        if (chosen.sources and self._sources[edges.name] not in chosen.sources) or not among.any():
            return np.zeros(len(edges), bool)
        found = among.copy()
        if chosen.sections:
            if population not in self._with_trees:
                self.faults.add(
                    f"{request.told}: cells of {population} have no trees in the lake, by which sections could be chosen"
                )
            found &= np.isin(
                self._section_types(population, edges), [SWC_TYPES[name] for name in chosen.sections]
            )
        configuration = self.source.configuration
        types = {
            **SYNAPSE_TYPES,
            **({} if configuration is None else configuration.definitions.synapse_types),
        }
        for column, names, numbers in (
            ("type", chosen.types, {types[name] for name in chosen.types if name in types}),
            ("layer", chosen.layers, numbers_of_layers(self.source, chosen.layers)),
        ):
            if names:
                values = self._column(population, column, edges, request)
                found &= np.zeros(len(edges), bool) if values is None else np.isin(values, list(numbers))
        return found

    def _section_types(self, population: str, edges: Connections) -> NDArray[np.int64]:
        """SWC type of the section of each edge's synapse; -1 where the target has no tree."""
        cells = self.source.populations[population]
        names = cells.columns.get("morphology")
        numbers = _numbers(cells.gid, edges.target)
        found = np.full(len(edges), -1, np.int64)
        if names is None:
            return found
        trees = names[numbers]
        for name in {each for each in trees.tolist() if each is not None}:
            shape: TreeShape | None = self.source.shapes.get(name)
            if shape is not None:
                own = trees == name
                types = shape.section_types.astype(np.int64)
                section = edges.section[own]
                found[own] = np.where(section < len(types), types[np.minimum(section, len(types) - 1)], -1)
        return found

    def _column(
        self, population: str, column: str, edges: Connections, request: RecordRequest
    ) -> NDArray[np.int64] | None:
        """A column of the table of synapses for each edge; None, and a fault, where there is none."""
        node = circuits.SYNAPSES.of(circuit=self.source.circuit, population=population)
        if population not in self._tables:
            self._tables[population] = self._read(node)
        table = self._tables[population]
        if table is None or column not in table:
            self.faults.add(
                f"{request.told}: {node} has no column {column}, by which synapses could be chosen"
            )
            return None
        cells = self.source.populations[population]
        asked = _key(_numbers(cells.gid, edges.target), edges.number)
        at = np.minimum(np.searchsorted(table["key"], asked), max(len(table["key"]) - 1, 0))
        return table[column][at]

    def _read(self, node: str) -> dict[str, NDArray[np.int64]] | None:
        if node not in self.source.snapshot.tables:
            return None
        table = self.source.snapshot.tables[node]
        names = [name for name in ("type", "layer") if name in table.schema().names]
        read: pa.Table = table.to_arrow(["node_id", "synapse_id", *names])
        key = _key(read["node_id"].to_numpy(), read["synapse_id"].to_numpy())
        order = np.argsort(key, kind="stable")
        return {"key": key[order], **{name: read[name].to_numpy()[order].astype(np.int64) for name in names}}


def _key(node: NDArray[np.int64], synapse: NDArray[np.int64]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = node.astype(np.int64) * 2**32 + synapse.astype(np.int64)
    return found


def _numbers(gids: Ids, wanted: Ids) -> Ids:
    """Place of each gid among those of a population."""
    order = np.argsort(gids, kind="stable")
    found: Ids = order[np.minimum(np.searchsorted(gids[order], wanted), max(len(order) - 1, 0))]
    return found
