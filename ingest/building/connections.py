"""Edges of a network: which cell each synapse comes from, or which cells a rule connects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import column
from ...kernels import network as kernels
from ...kernels.compiled import code_digest
from ...kernels.network.weighting import Weighting
from ...lake.data.tables import Table
from ...lake.errors import InputError
from .blocks import ROWS, Workers, spans
from .cells import places
from .configuration import DEFAULT, Definitions, NetworkConfiguration, ProjectionRule
from .construction import Construction
from .steps import Outcome, Output, Parts, Step, table_of
from .synapses import synapse_outputs

STEP = Step("network.connections", "1")
RULES = Step("network.rules", "1")

_MORE = [
    column(
        "synapse_id", pa.int64(), "synapse of the target; key of `synapses` together with it", "", "syn_id"
    ),
    column("distance", pa.float32(), "|u| + |v| from the source to the target", "µm", "distance"),
]


def edge_outputs(circuit: str, source: str, target: str) -> dict[str, Output]:
    """Return the nodes of the edges from one population to another.

    Parameters
    ----------
    circuit
        Name of the circuit.
    source
        Population that the edges begin in.
    target
        Population that the edges end in.
    """
    node = circuits.EDGES.of(circuit=circuit, population=f"{source}__{target}")
    return {
        source: Output(circuits.EDGES, node),
        f"{source} by source": Output(circuits.BY_SOURCE, circuits.BY_SOURCE.beside(node)),
    }


def edge_attributes(source: str, target: str, kind: str = "") -> dict[str, str]:
    """Return the attributes of a table of edges.

    Parameters
    ----------
    source
        Population that the edges begin in.
    target
        Population that the edges end in.
    kind
        End of the name of the edges' population; empty by default.
    """
    return {
        "population": f"{source}__{target}{kind}",
        "source_population": source,
        "target_population": target,
    }


def build_connections(of: Construction, target: str) -> Outcome:
    """Store the edges that end at a population's synapses.

    Parameters
    ----------
    of
        The network under construction.
    target
        Population that the edges end in.

    Raises
    ------
    InputError
        A synapse has no source by the configuration; names the cell, the section and the layer.
    """
    wanted = [p for p in of.network.projections if p.target == target and p.places]
    sources = [projection.source for projection in wanted]
    nodes = {name: circuits.NODES.of(circuit=of.circuit, population=name) for name in (target, *sources)}
    synapses = synapse_outputs(of.circuit, target)["synapses"].node
    known = of.network.definitions
    params = {
        "target": target,
        "projections": [_described(of.network, projection, of.weightings) for projection in wanted],
        "partition seed": of.seed_of("Synapse Projection Partitions"),
        "seed": of.seed_of("Distance-Dependent Connectivity"),
        "arrangement": of.network.arrangement,
    }

    def make(parts: Parts) -> None:
        table = of.build.shared(synapses)
        counts = _synapse_counts(table, of.build.table(nodes[target]).rows)
        task = _Task(
            table,
            params,
            places(of, target),
            {name: places(of, name) for name in sources},
            int(of.build.table(nodes[target]).to_arrow(["gid"])["gid"][0].as_py()),
            {"gaussian": kernels.gaussian, "uniform": kernels.uniform, **of.weightings},
            _names(known),
        )
        blocks = spans(counts.tolist())
        try:
            found = list(of.workers.results(_counted, [(task, *block) for block in blocks]))
        except InputError as error:
            raise of.network.configuration.error(
                ("Connection Generator", "Synapses", target), str(error)
            ) from error
        firsts = np.cumsum([np.zeros(len(sources), np.int64), *(made.edges for made in found)], axis=0)
        tasks = [
            (task, first, end, dict(zip(sources, firsts[at].tolist(), strict=True)))
            for at, (first, end) in enumerate(blocks)
        ]
        files: dict[str, list[Any]] = {name: [] for name in sources}
        for block in of.workers.blocks(_connected, tasks, parts.storage):
            for name, made in block.items():
                files[name] += made
        for at, name in enumerate(sources):
            parts.write_files(name, _schema(), files[name], edge_attributes(name, target))
            by_source(parts, name, sum((made.out_degrees[at] for made in found), np.int64(0)), of.workers)
            lost = sum(int(made.lost[at]) for made in found)
            if lost:
                of.tell(f"{lost:,} synapses of {target} have no cell of {name} within reach, and so no edge")

    outputs = {
        part: output for name in sources for part, output in edge_outputs(of.circuit, name, target).items()
    }
    inputs = {
        "synapses": synapses,
        "target": nodes[target],
        **{f"source {name}": nodes[name] for name in sources},
    }
    return of.build.run(STEP, outputs, make, inputs=inputs, params=params)


def _described(
    network: NetworkConfiguration, projection: ProjectionRule, weightings: Mapping[str, Weighting]
) -> dict[str, Any]:
    """All of a projection that its edges follow from, in numbers."""
    known = network.definitions
    extents = network.extents.get(projection.source, {})
    return {
        "source": projection.source,
        "type": known.synapse_types[projection.type],
        "places": [
            [
                None if section == DEFAULT else known.swc_types[section],
                None if layer == DEFAULT else known.layers[layer],
                share,
            ]
            for section, layer, share in projection.places
        ],
        "contacts": projection.contacts,
        "rule": projection.rule,
        "parameters": list(projection.parameters),
        "code": code_digest(weightings[projection.rule]) if projection.rule in weightings else None,
        "extents": {
            str(-1 if layer == DEFAULT else known.layers[layer]): [*extent.width, *extent.offset]
            for layer, extent in extents.items()
        },
    }


@dataclass(frozen=True)
class _Task:
    """What tasks of a target population share.

    Parameters
    ----------
    synapses
        The table.
    params
        Of the step.
    at, sources
        Distances of the target's and of the sources' cells from the origin along u and v.
    start
        Gid of the target's first cell.
    weightings
        Functions of distance by rule.
    names
        Names of synapse types, sections and layers by number, for errors.
    """

    synapses: Table
    params: Mapping[str, Any]
    at: tuple[NDArray[np.float64], NDArray[np.float64]]
    sources: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    start: int
    weightings: Mapping[str, Weighting]
    names: tuple[Mapping[int, str], ...]

    def rows(self, first: int, end: int) -> pa.Table:
        names = ["node_id", "synapse_id", "layer", "type", "swc_type", "soma_distance"]
        within = (pc.field("node_id") >= first) & (pc.field("node_id") < end)
        return self.synapses.to_arrow(names, within)


@dataclass(frozen=True)
class _Counted:
    """Edges of a block by source population, those of each source cell, and synapses without source."""

    edges: NDArray[np.int64]
    out_degrees: Sequence[NDArray[np.int64]]
    lost: NDArray[np.int64]


@dataclass(frozen=True)
class _Edges:
    """Edges from one population to the synapses of a block: rows of these, and where they come from."""

    rows: NDArray[np.int64]
    source: NDArray[np.int32]
    distance: NDArray[np.float32]
    lost: int


def _chosen(task: _Task, rows: pa.Table, first: int, end: int) -> list[_Edges]:
    """Edges of the synapses of some cells, for each source population."""
    params, described = task.params, task.params["projections"]
    node, layer, kind, section = (rows[name].to_numpy() for name in ("node_id", "layer", "type", "swc_type"))
    cells = np.arange(first, end)
    offsets = np.searchsorted(node, np.arange(first, end + 1))
    key = (kind.astype(np.int32) << 16) | (section.astype(np.int32) << 8) | (layer.astype(np.int32) + 1)
    # There are a few kinds of synapses; a hash of them is faster than a sort.
    encoded = pa.array(key).dictionary_encode()
    keys, codes = encoded.dictionary.to_numpy(), encoded.indices.to_numpy()
    shares = np.array([[_share(one, int(key)) for one in described] for key in keys])
    try:
        populations = kernels.synapse_populations(
            codes,
            shares.reshape(len(keys), len(described)),
            offsets,
            cells + task.start,
            seed=params["partition seed"],
            population=params["target"],
        )
    except kernels.SourcelessError as error:
        numbers = (kind[error.row], section[error.row], layer[error.row])
        said = [
            known.get(int(number), str(number)) for known, number in zip(task.names, numbers, strict=True)
        ]
        raise InputError(
            f"no population is a source of {said[0]} synapses on {said[1]} in layer {said[2]}, as synapse "
            f"{rows['synapse_id'][error.row]} of cell {node[error.row]} of {params['target']} is"
        ) from None
    distance = rows["soma_distance"].to_numpy()
    found = []
    for one, ordered in zip(
        described, kernels.population_rows(populations, offsets, len(described)), strict=True
    ):
        extents, codes = _extents(one, layer[ordered.rows])
        made = kernels.synapse_sources(
            codes,
            distance[ordered.rows],
            ordered.offsets,
            cells,
            (task.at[0][first:end], task.at[1][first:end]),
            task.sources[one["source"]],
            extents,
            seed=params["seed"],
            projection=f"{one['source']}__{params['target']}",
            contacts=one["contacts"],
            arrangement=params["arrangement"],
            weighting=task.weightings[one["rule"]],
            parameters=np.tile(one["parameters"], (len(extents), 1)) if one["parameters"] else None,
            out_of_reach="drop",
        )
        kept = made.source_node_id >= 0
        lost = int(len(kept) - kept.sum())
        whole = not lost
        found.append(
            _Edges(
                ordered.rows if whole else ordered.rows[kept],
                made.source_node_id if whole else made.source_node_id[kept],
                made.distance if whole else made.distance[kept],
                lost,
            )
        )
    return found


def _share(described: Mapping[str, Any], key: int) -> float:
    """The proportion of a source population among synapses of a type, section and layer."""
    kind, section, layer = key >> 16, (key >> 8) & 0xFF, (key & 0xFF) - 1
    if described["type"] != kind:
        return 0.0
    return float(
        sum(
            share
            for on, within, share in described["places"]
            if on in (None, section) and within in (None, layer)
        )
    )


def _extents(
    described: Mapping[str, Any], layer: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How far axons reach in each layer, and the row of that for each synapse."""
    known = described["extents"] or {"-1": [np.inf, np.inf, 0.0, 0.0]}
    names = sorted(map(int, known))
    if -1 not in names:
        missing = set(np.unique(layer).tolist()) - set(names)
        if missing:
            raise InputError(
                f"Connection Generator / Axon Extent / {described['source']}: it says nothing of layer {min(missing)}, "
                "and has no default"
            )
    rows = np.zeros(256, np.int64)
    for at, name in enumerate(names):
        rows[name + 1] = at
    if -1 in names:
        for other in range(-1, 255):
            if other not in names:
                rows[other + 1] = names.index(-1)
    return np.array([known[str(name)] for name in names]), rows[layer.astype(np.int64) + 1]


def _counted(task: _Task, first: int, end: int) -> _Counted:
    """How many edges a block has; a task of workers."""
    found = _chosen(task, task.rows(first, end), first, end)
    sizes = [len(task.sources[one["source"]][0]) for one in task.params["projections"]]
    return _Counted(
        np.array([len(edges.rows) for edges in found], np.int64),
        [np.bincount(edges.source, minlength=size) for edges, size in zip(found, sizes, strict=True)],
        np.array([edges.lost for edges in found], np.int64),
    )


def _connected(task: _Task, first: int, end: int, firsts: Mapping[str, int]) -> dict[str, pa.Table]:
    """The edges of a block by source population, numbered from *firsts* on; a task of workers."""
    rows = task.rows(first, end)
    node, synapse = rows["node_id"].to_numpy(), rows["synapse_id"].to_numpy()
    made = {}
    for one, edges in zip(task.params["projections"], _chosen(task, rows, first, end), strict=True):
        start = firsts[one["source"]]
        columns = {
            "edge_id": np.arange(start, start + len(edges.rows)),
            "source_node_id": edges.source.astype(np.int64),
            "target_node_id": node[edges.rows],
            "synapse_id": synapse[edges.rows],
            "distance": edges.distance,
        }
        made[one["source"]] = table_of(circuits.EDGES, columns, _MORE)
    return made


def _schema() -> pa.Schema:
    names = ("edge_id", "source_node_id", "target_node_id")
    return pa.schema([*(circuits.EDGES.schema.field(name) for name in names), *_MORE])


def _names(known: Definitions) -> tuple[Mapping[int, str], ...]:
    named = (known.synapse_types, known.swc_types, known.layers)
    return tuple({number: name for name, number in names.items()} for names in named)


def _synapse_counts(table: Table, cells: int) -> NDArray[np.int64]:
    """How many synapses each cell has."""
    counts = np.zeros(cells, np.int64)
    for entry in table.files:
        rows = table.rows_of(entry)
        counts += np.bincount(rows["node_id"].to_numpy(), minlength=cells)
    return counts


# Rules


def build_rule(of: Construction, projection: ProjectionRule) -> Outcome:
    """Store the edges of a projection without synapses: fixed degrees, one to one, all to all.

    Parameters
    ----------
    of
        The network under construction.
    projection
        Populations and rule.
    """
    source, target = projection.source, projection.target
    inputs = {
        "source": circuits.NODES.of(circuit=of.circuit, population=source),
        "target": circuits.NODES.of(circuit=of.circuit, population=target),
    }
    extent = of.network.extents.get(source, {}).get(DEFAULT)
    params = {
        "source": source,
        "target": target,
        "rule": projection.rule,
        "degree": projection.degree,
        "extent": None if extent is None else [*extent.width, *extent.offset],
        "seed": of.seed_of("Distance-Dependent Connectivity"),
    }

    def make(parts: Parts) -> None:
        try:
            edges = _ruled(params, places(of, source), places(of, target))
        except ValueError as error:
            raise of.network.configuration.error(
                ("Connection Generator", "Synapses", target, source), str(error)
            ) from error
        columns = {
            "edge_id": np.arange(len(edges.source_node_id)),
            "source_node_id": edges.source_node_id.astype(np.int64),
            "target_node_id": edges.target_node_id.astype(np.int64),
            "distance": edges.distance,
        }
        parts.write(
            source,
            table_of(circuits.EDGES, columns, _MORE),
            edge_attributes(source, target),
        )
        sources = of.build.table(inputs["source"]).rows
        by_source(parts, source, np.bincount(edges.source_node_id, minlength=sources), of.workers)

    return of.build.run(RULES, edge_outputs(of.circuit, source, target), make, inputs=inputs, params=params)


def _ruled(
    params: Mapping[str, Any],
    source: tuple[NDArray[np.float64], NDArray[np.float64]],
    target: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> kernels.EdgeTable:
    rule, sources, targets = params["rule"], len(source[0]), len(target[0])
    if rule == "one-to-one":
        return kernels.one_to_one(sources, targets)
    if rule == "all-to-all":
        return kernels.all_to_all(sources, targets)
    extent = params["extent"]
    near = (
        {}
        if extent is None
        else {
            "reach": (extent[0] / 2.0, extent[1] / 2.0),
            "weighting": kernels.gaussian,
            "parameters": extent,
        }
    )
    named = f"{params['source']}__{params['target']}"
    if rule == "fixed in-degree":
        return kernels.fixed_indegree(
            params["degree"],
            np.arange(targets),
            target,
            source,
            seed=params["seed"],
            projection=named,
            **near,
        )
    return kernels.fixed_outdegree(
        params["degree"], np.arange(sources), source, target, seed=params["seed"], projection=named, **near
    )


# The index by source


def by_source(parts: Parts, source: str, out_degrees: Any, workers: Workers) -> None:
    """Write the index by source of edges that are written already.

    Parameters
    ----------
    parts
        The parts of the step, edges among them.
    source
        Population that the edges begin in.
    out_degrees
        Edges of each source cell, int64[n_sources].
    workers
        The processes that sort.
    """
    edges = parts.written(source)
    blocks = spans(np.asarray(out_degrees).tolist(), 16 * ROWS)
    files = workers.blocks(_indexed, [(edges, first, end) for first, end in blocks], parts.storage)
    made = [file for block in files for file in block["edges"]]
    parts.write_files(f"{source} by source", circuits.BY_SOURCE.schema, made)


def _indexed(edges: Table, first: int, end: int) -> dict[str, pa.Table]:
    """Edges of some source cells, by source; a task of workers."""
    within = (pc.field("source_node_id") >= first) & (pc.field("source_node_id") < end)
    names = circuits.BY_SOURCE.schema.names
    rows = edges.to_arrow(names, within)
    ordered = kernels.rows_by_node(rows["source_node_id"].to_numpy() - first, end - first)
    return {"edges": rows.take(pa.array(ordered.rows)).cast(circuits.BY_SOURCE.schema)}
