"""A network that is to be simulated: its cells, edges and inputs, read from a lake and checked before anything is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...catalog.vocabulary import circuits
from ...lake.digest import canonical_json, digest_of
from ...lake.nodes.content import content
from ...mechanisms.errors import ModelError
from ...mechanisms.network.attached import Clamp, Timing
from ...mechanisms.network.cells import Ids, NetworkNode
from ...mechanisms.network.placement import spread
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.network.sources import VECTOR, TrainSource
from ...mechanisms.network.templates import CellTemplate, Search, complexity
from ...mechanisms.network.wiring import Connections, GapJunctions
from ...mechanisms.templates.files import hoc_files
from ...mechanisms.templates.finders import find_template
from ..circuits.weights import weight_nodes
from ..records.profiles import told_request
from ..records.requests import RecordRequest
from ..wiring.circuit import VIRTUAL, NetworkSource
from ..wiring.edges import EdgeTargets, edge_rows
from ..wiring.faults import Faults
from ..wiring.junctions import are_junctions, gap_junctions, may_have_junctions
from ..wiring.overrides import overridden, overrides_of
from ..wiring.readers import connections_of
from ..wiring.replays import Replay, replayed, replays_of
from .acting import identities
from .inputs import Trains, replayed_run, trains_of
from .known import KnownMechanisms
from .observed import contacts_told, observed_synapses
from .selection import Chosen, check_names, check_records, chosen_cells, recorded_cells


@dataclass(frozen=True)
class NetworkOptions:
    """How a circuit is simulated; see `runs.run_network`."""

    t_stop: float
    dt: float
    v_init: float
    celsius: float
    own_celsius: bool
    second_order: int
    adjust_events: bool
    equilibration: float
    inputs: Sequence[str] | None
    trial: int
    inputs_from: str | None
    cells: Chosen | None
    records: Sequence[RecordRequest]
    probes: Mapping[str, str] = field(default_factory=dict)
    probe_dt: float | None = None
    seed: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    sample_seed: int = 0
    one_more: bool = False

    @property
    def timing(self) -> Timing:
        """The same for the simulation, whose time begins at 0."""
        return Timing(
            self.t_stop + self.equilibration,
            self.dt,
            self.v_init,
            self.celsius,
            self.second_order,
            self.adjust_events,
            self.own_celsius,
            self.values,
        )


@dataclass(frozen=True, eq=False)
class PlannedNetwork:
    """A network that can be made: all of its cells, and the edges that end at those of this rank.

    Attributes
    ----------
    nodes
        All cells, in the order of their gids.
    templates
        What makes each, by gid.
    costs
        Guess of what each costs, in the order of *nodes*.
    connections
        By projection and mechanism, of this rank.
    junctions
        All gap junctions.
    chosen
        Numbers of the cells that are simulated as such, by population; others only replay spikes.
    edges
        How many edges end at cells, on all ranks.
    recorded
        Numbers of the cells that each record takes, by population.
    units
        Units of the variables of records of synapses.
    notices
        What users should know.
    """

    nodes: Sequence[NetworkNode]
    templates: Mapping[int, CellTemplate]
    costs: Sequence[float]
    connections: Sequence[Connections]
    junctions: Sequence[GapJunctions]
    chosen: Mapping[str, Ids]
    edges: int
    recorded: Sequence[Mapping[str, Ids]] = ()
    units: Sequence[str | None] = ()
    notices: Sequence[str] = field(default_factory=list)


def planned_network(
    source: NetworkSource,
    options: NetworkOptions,
    search: Search,
    ranks: Ranks,
    known: KnownMechanisms,
    clamps: Sequence[Clamp] = (),
    faults: Faults | None = None,
) -> PlannedNetwork:
    """Read all of a network that this rank simulates, and check it.

    Parameters
    ----------
    source
        The circuit.
    options
        How it is simulated.
    search
        Where templates are.
    ranks
        This process among others.
    known
        Mechanisms that NEURON has.
    clamps
        What acts on cells from outside.
    faults
        What is known to be wrong already.

    Raises
    ------
    InputError
        The network cannot be run; tells everything that is wrong, on all ranks.
    """
    faults, notices = faults or Faults(), list[str]()
    chosen = chosen_cells(source, options.cells)
    nodes = [
        node
        for name, population in source.populations.items()
        if name in chosen
        for node in source.nodes(population, chosen[name].tolist())
    ]
    templates = _templates(source, nodes, search, faults)
    _check_gids(source, faults)
    alone = options.cells is not None
    extra = _sources(source, chosen, faults) if alone and options.inputs_from else []
    nodes += extra
    sending = sorted({node.population for node in nodes if isinstance(templates.get(node.gid), TrainSource)})
    replays = [] if options.inputs_from else _replay_inputs(source, options, search, sending, faults)
    parts = {(each.name, each.population) for each in replays}
    trains = _trains(source, options, sending, extra, parts, faults)
    replaying = TrainSource(trains)
    for node in [*extra, *(node for node in nodes if isinstance(templates.get(node.gid), TrainSource))]:
        templates[node.gid] = replaying
    nodes.sort(key=lambda node: node.gid)
    for node in nodes:
        if node.gid in templates:
            who = f"{node.population} {node.node_id}"
            faults.add(*(f"{who}: {said}" for said in templates[node.gid].check(node)))
    costs = _costs(source, nodes, templates, chosen)
    where = spread(costs, ranks.size)
    own = {node.gid for node, rank in zip(nodes, where.tolist(), strict=True) if rank == ranks.rank}
    targets = EdgeTargets(
        {node.gid: node for node in nodes}, templates, search, options.seed, notices=notices
    )
    connections, edges = _connections(source, chosen, own, options, replays, faults, targets)
    present = {node.gid for node in nodes}
    connections = [_between(each, present, notices) for each in connections]
    junctions = _junctions(source, chosen, present, options.dt, faults, notices, targets)
    known.check(templates.values(), connections, junctions, clamps, options.records, faults)
    known.check_synapses(connections, faults)
    known.check_values(options.values, faults)
    for clamp in clamps:
        faults.add(*(f"{clamp.name}: {said}" for said in clamp.check(targets.nodes, options.timing)))
    check_records(source, options.records, faults)
    recorded = _recorded(source, options, search, chosen, nodes, templates)
    check_names(options.records, recorded, faults)
    for request, cells in zip(options.records, recorded, strict=True):
        if not any(map(len, cells.values())):
            how = "drawn" if request.samples else "among its cells"
            notices.append(
                f"{request.told}: none of the cells that are simulated was {how}, so it records nothing"
            )
    at_synapses = [at for at, request in enumerate(options.records) if request.of_synapses]
    connections, units = observed_synapses(
        source,
        [options.records[at] for at in at_synapses],
        [recorded[at] for at in at_synapses],
        connections,
        ranks,
        known,
        faults,
        notices,
    )
    faults.check(source.circuit, ranks.all(list(faults)))
    return PlannedNetwork(
        nodes=nodes,
        templates=templates,
        costs=costs,
        connections=connections,
        junctions=junctions,
        chosen=chosen,
        edges=sum(ranks.all(edges)),
        recorded=recorded,
        units=units,
        notices=notices,
    )


def content_of(source: NetworkSource) -> str:
    """Return the digest of all tables and files of a circuit that a run of it may read.

    Parameters
    ----------
    source
        The circuit.
    """
    kinds = (
        circuits.NODES,
        circuits.EDGES,
        circuits.SYNAPSES,
        circuits.POINTS,
        circuits.SECTIONS,
        circuits.INPUTS,
    )
    digests = {}
    for node in sorted(source.snapshot.tables):
        for kind in kinds:
            parts = kind.parts(node)
            if parts is not None and parts["circuit"] == source.circuit:
                digests[node] = source.snapshot.tables[node].digest
    if source.configuration is not None:
        own = source.configuration.configuration
        wanted = [node for name in source.populations for node in weight_nodes(own, source.circuit, name)]
        digests |= {
            node: source.snapshot.tables[node].digest for node in wanted if node in source.snapshot.tables
        }
    return digest_of(canonical_json([digests, source.tree]))


def run_settings(
    options: NetworkOptions,
    search: Search,
    source: NetworkSource,
    inputs: Sequence[str] | None,
    clamps: Sequence[Clamp],
) -> dict[str, Any]:
    """Return what decides what a run does, as JSON has it: a run goes on only with the same.

    Parameters
    ----------
    options
        How the circuit is simulated.
    search
        Where templates are.
    source
        The circuit.
    inputs
        Names of inputs that were asked for; None for all.
    clamps
        What acts on cells from outside.
    """
    tree = source.snapshot.tree
    probes = {name: [node, str(content(tree, node))] for name, node in options.probes.items()}
    templates = {name: digest_of(path.read_bytes()) for name, path in hoc_files(search.folders).items()}
    cells = (
        None
        if options.cells is None
        else {
            name: None if numbers is None else [int(each) for each in numbers]
            for name, numbers in options.cells.items()
        }
    )
    return {
        "circuit": content_of(source),
        "dt": options.dt,
        "v_init": options.v_init,
        "celsius": options.celsius,
        "second_order": options.second_order,
        "reproduce": search.reproduce,
        "equilibration": options.equilibration,
        "inputs": None if inputs is None else list(inputs),
        "trial": options.trial,
        "inputs_from": options.inputs_from,
        "cells": cells,
        "record": [told_request(each, options.sample_seed) for each in options.records],
        "templates": {**templates, **dict.fromkeys(search.given, "given")},
        **({"lfp": {"probes": probes, "dt": options.probe_dt}} if probes else {}),
        **contacts_told(source, options.records),
        **({"clamps": identities(clamps)} if clamps else {}),
    }


def _templates(
    source: NetworkSource, nodes: Sequence[NetworkNode], search: Search, faults: Faults
) -> dict[int, CellTemplate]:
    names = {name: source.template_names(each) for name, each in source.populations.items()}
    found: dict[str, CellTemplate | None] = {}
    made: dict[int, CellTemplate] = {}
    silent = TrainSource()
    for node in nodes:
        name = names[node.population][node.node_id]
        if _replays(source, node, name, search):
            made[node.gid] = silent
            continue
        if name is None:
            faults.add(f"nothing says what makes cells of {node.population}: they have no template")
            continue
        if name not in found:
            try:
                found[name] = find_template(name, search)
            except ModelError as error:
                faults.add(f"{node.population}: {error}")
                found[name] = None
        template = found[name]
        if template is not None:
            made[node.gid] = template
    return made


def _recorded(
    source: NetworkSource,
    options: NetworkOptions,
    search: Search,
    chosen: Mapping[str, Ids],
    nodes: Sequence[NetworkNode],
    templates: Mapping[int, CellTemplate],
) -> list[Mapping[str, Ids]]:
    """Cells that each request records: of those that are simulated, chosen as if all of the circuit were."""
    if options.cells is not None and any(request.samples for request in options.records):
        nodes = [node for each in source.populations.values() for node in source.nodes(each)]
        templates = {**_templates(source, nodes, search, Faults()), **templates}
    own: dict[str, list[int]] = {}
    for node in nodes:
        template = templates.get(node.gid)
        if template is not None and not template.artificial:
            own.setdefault(node.population, []).append(node.node_id)
    candidates = {name: np.array(sorted(numbers), np.int64) for name, numbers in own.items()}
    found: list[Mapping[str, Ids]] = []
    for request in options.records:
        cells = recorded_cells(
            source,
            request,
            candidates,
            options.sample_seed,
            one_more=options.one_more and request.profile is not None,
        )
        there = {name: np.intersect1d(each, chosen[name]) for name, each in cells.items() if name in chosen}
        found.append({name: each for name, each in there.items() if len(each)})
    return found


def _replays(source: NetworkSource, node: NetworkNode, name: str | None, search: Search) -> bool:
    """Whether a cell replays spikes rather than being simulated."""
    if name in search.given:
        return False
    kind = None if source.configuration is None else source.configuration.cells.get(node.population)
    return (
        bool(kind is not None and kind.input)
        or name == VECTOR
        or node.attributes.get("model_type") == VIRTUAL
    )


def _check_gids(source: NetworkSource, faults: Faults) -> None:
    every = np.concatenate([np.empty(0, np.int64), *(each.gid for each in source.populations.values())])
    found, counts = np.unique(every, return_counts=True)
    if (counts > 1).any():
        gid = int(found[int(np.argmax(counts > 1))])
        owners = [name for name, each in source.populations.items() if gid in each.gid]
        faults.add(
            f"the gid {gid} is that of several cells, of {' and '.join(owners)} (so are {int((counts > 1).sum())} gids)"
        )


def _sources(source: NetworkSource, chosen: Mapping[str, Ids], faults: Faults) -> list[NetworkNode]:
    """Cells that send to those that are chosen, and are none of them."""
    wanted: dict[str, list[Ids]] = {}
    found: list[NetworkNode] = []
    for projection in source.projections:
        if projection.target not in chosen or projection.electrical:
            continue
        rows = edge_rows(source, projection, chosen[projection.target], 0.0, faults)
        if rows is not None:
            wanted.setdefault(projection.source, []).append(np.unique(rows.columns["source_node_id"]))
    for name, parts in wanted.items():
        numbers = np.setdiff1d(np.unique(np.concatenate(parts)), chosen.get(name, np.empty(0, np.int64)))
        found += source.nodes(source.populations[name], numbers.tolist())
    return found


def _trains(
    source: NetworkSource,
    options: NetworkOptions,
    sending: Sequence[str],
    extra: Sequence[NetworkNode],
    without: Collection[tuple[str, str]],
    faults: Faults,
) -> Trains:
    shift, run = options.equilibration, options.inputs_from
    if run is None:
        return trains_of(source, sending, options.inputs, options.trial, shift, faults, without)
    wanted = sorted({*sending, *(node.population for node in extra)})
    return replayed_run(source, run, wanted, shift, faults)


def _replay_inputs(
    source: NetworkSource, options: NetworkOptions, search: Search, sending: Sequence[str], faults: Faults
) -> list[Replay]:
    shift = options.equilibration
    return replays_of(source, search.settings, sending, options.inputs, options.trial, shift, faults)


def _costs(
    source: NetworkSource,
    nodes: Sequence[NetworkNode],
    templates: Mapping[int, CellTemplate],
    chosen: Mapping[str, Ids],
) -> list[float]:
    degrees = {name: np.zeros(len(each), np.int64) for name, each in source.populations.items()}
    for projection in source.projections:
        if projection.target in chosen:
            column = source.snapshot.tables[projection.node].to_arrow(["target_node_id"])[0].to_numpy()
            counted = np.bincount(column[column >= 0], minlength=len(degrees[projection.target]))
            degrees[projection.target] += counted[: len(degrees[projection.target])]
    default = TrainSource()
    return [
        complexity(templates.get(node.gid, default), node, int(degrees[node.population][node.node_id]))
        for node in nodes
    ]


def _connections(
    source: NetworkSource,
    chosen: Mapping[str, Ids],
    own: set[int],
    options: NetworkOptions,
    replays: Sequence[Replay],
    faults: Faults,
    targets: EdgeTargets,
) -> tuple[list[Connections], int]:
    made: list[Connections] = []
    edges, dt, t_stop = 0, options.dt, options.timing.t_stop
    settings, shift = targets.search.settings, options.equilibration
    overrides = overrides_of(source, settings, dt, faults, targets.notices, shift)
    for projection in source.projections:
        if projection.electrical or projection.target not in chosen:
            continue
        population = source.populations[projection.target]
        numbers = chosen[projection.target]
        here = numbers[np.isin(population.gid[numbers], list(own))]
        everything = None if len(here) == len(population) else here
        rows = edge_rows(source, projection, everything, dt, faults, targets)
        if rows is not None and may_have_junctions(source, projection):
            rows = rows.take(~are_junctions(rows))
        if rows is not None and len(rows):
            edges += len(rows)
            own_part = list(overridden(rows, connections_of(rows), overrides, t_stop))
            made += replayed(own_part, replays)
    return made, edges


def _between(connections: Connections, present: set[int], notices: list[str]) -> Connections:
    """Leave out edges from cells that are not simulated."""
    there = np.isin(connections.source, list(present))
    if there.all():
        return connections
    notices.append(
        f"{connections.name}: {int((~there).sum()):,} edges from cells that are not simulated are left out"
    )
    return connections.take(there)


def _junctions(
    source: NetworkSource,
    chosen: Mapping[str, Ids],
    present: set[int],
    dt: float,
    faults: Faults,
    notices: list[str],
    targets: EdgeTargets,
) -> list[GapJunctions]:
    made = []
    for projection in source.projections:
        if not {projection.source, projection.target} <= chosen.keys() or not may_have_junctions(
            source, projection
        ):
            continue
        rows = edge_rows(source, projection, None, dt, faults, targets)
        if rows is None:
            continue
        junctions = gap_junctions(rows.take(are_junctions(rows)))
        there = np.isin(junctions.gid, list(present)).all(axis=1)
        if not there.all():
            notices.append(
                f"{projection.name}: {int((~there).sum()):,} gap junctions with cells that are not simulated are left out"
            )
        made.append(
            GapJunctions(
                junctions.name,
                junctions.gid[there],
                junctions.section[there],
                junctions.position[there],
                junctions.conductance[there],
            )
        )
    return made
