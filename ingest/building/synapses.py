"""Places of synapses on the cells of a network."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...kernels import network as kernels
from .blocks import spans
from .configuration import DEFAULT, CellType, NetworkConfiguration
from .construction import Construction
from .steps import Outcome, Output, Parts, Step, table_of
from .trees import cell_trees, tree_outputs

STEP = Step("network.synapses", "1")

Prepared = tuple[kernels.CellTree, kernels.SegmentTable, list[kernels.SegmentDensities]]
"""A tree, its segments, and the densities of synapses on them."""


def synapse_outputs(circuit: str, population: str) -> dict[str, Output]:
    """Return the node of a population's synapses.

    Parameters
    ----------
    circuit
        Name of the circuit.
    population
        Name of the population.
    """
    kind = circuits.SYNAPSES
    return {"synapses": Output(kind, kind.of(circuit=circuit, population=population))}


def build_synapses(of: Construction, population: str) -> Outcome:
    """Store the synapses of a population's cells.

    Parameters
    ----------
    of
        The network under construction.
    population
        Name of the population.

    Raises
    ------
    InputError
        A density cannot be used.
    """
    kind, placement = of.network.cells[population], of.network.placement
    trees = tree_outputs(of.circuit)
    inputs = {part: output.node for part, output in trees.items()}
    inputs["nodes"] = circuits.NODES.of(circuit=of.circuit, population=population)
    lines = _lines(of.network, kind)
    params = {
        "population": population,
        "densities": [list(line) for line in lines],
        "segments": dict(kind.segments),
        "distribution": placement.distribution,
        "values": placement.densities,
        "soma_distance": placement.soma_distance,
        "seed": of.seed_of("Synapse Locations"),
    }

    def make(parts: Parts) -> None:
        nodes = of.build.table(inputs["nodes"]).to_arrow(["node_id", "gid", "morphology"])
        owner = nodes["morphology"].to_numpy()
        names = sorted(set(owner.tolist()))
        known = cell_trees(of.build.table(inputs["points"]), of.build.table(inputs["sections"]))
        prepared: dict[str, Prepared] = {}
        for name in names:
            tree = known[name]
            cut = kernels.tree_segments(tree, segment_counts(tree, kind.segments))
            try:
                prepared[name] = (tree, cut, kernels.segment_densities(cut, lines, placement.densities))
            except ValueError as error:
                raise of.network.configuration.error(
                    ("Cell Types", population, "synapses", "density"), str(error)
                ) from error
        per_tree = {name: _expected(*prepared[name][1:]) for name in names}
        gids = nodes["gid"].to_numpy()
        blocks = spans([per_tree[name] for name in owner.tolist()])
        tasks = [
            (
                {name: prepared[name] for name in set(owner[first:end].tolist())},
                owner[first:end].tolist(),
                first,
                gids[first:end],
                params,
            )
            for first, end in blocks
        ]
        files = [made.get("synapses", []) for made in of.workers.blocks(_placed, tasks, parts.storage)]
        parts.write_files("synapses", _schema(), [file for made in files for file in made])

    return of.build.run(STEP, synapse_outputs(of.circuit, population), make, inputs=inputs, params=params)


def segment_counts(tree: kernels.CellTree, rule: Mapping[str, Any]) -> NDArray[np.int32] | int:
    """Return the number of segments of each section of a tree.

    Parameters
    ----------
    tree
        Points and sections of one cell.
    rule
        The key ``segments`` of the population.
    """
    if rule["rule"] == "d_lambda":
        return kernels.segments_by_lambda(
            tree,
            rule["value"],
            frequency=rule["frequency"],
            axial_resistance=rule["Ra"],
            capacitance=rule["cm"],
        )
    if rule["rule"] == "length":
        return kernels.segments_by_length(tree, rule["value"])
    return int(rule["value"])


def _lines(network: NetworkConfiguration, kind: CellType) -> list[kernels.Density]:
    known = network.definitions
    return [
        kernels.Density(
            known.swc_types[section],
            known.synapse_types[synapse],
            None if layer == DEFAULT else known.layers[layer],
            density.mean,
            density.deviation,
        )
        for section, types in kind.density.items()
        for synapse, layers in types.items()
        for layer, density in layers.items()
    ]


def _expected(cut: kernels.SegmentTable, densities: Sequence[kernels.SegmentDensities]) -> float:
    """About how many synapses a cell gets."""
    length = cut.end - cut.begin
    return float(sum(np.nansum(np.nansum(values, axis=1) * length) for _, _, values in densities)) + 1.0


def _placed(
    prepared: Mapping[str, Prepared],
    owner: Sequence[str],
    first: int,
    gids: NDArray[np.int64],
    params: Mapping[str, Any],
) -> dict[str, pa.Table]:
    """The synapses of some cells that follow each other; a task of workers."""
    names = np.array(owner)
    made: list[tuple[NDArray[np.int64], kernels.SynapseTable]] = []
    for name, (tree, cut, densities) in sorted(prepared.items()):
        cells = np.flatnonzero(names == name)
        table = kernels.placed_synapses(
            tree,
            cut,
            densities,
            gids[cells],
            seed=params["seed"],
            population=params["population"],
            method=cast(Literal["poisson", "poisson_miv", "uniform"], params["distribution"]),
            soma_distance=cast(Literal["path", "radial"], params["soma_distance"]),
        )
        made.append((np.repeat(cells, np.diff(table.offsets)), table))
    owners = np.concatenate([rows for rows, _ in made])
    # Cells of one tree are in order already.
    order = np.argsort(owners, kind="stable") if len(made) > 1 else slice(None)
    columns: dict[str, Any] = {"node_id": first + owners[order]}
    for name, field in _COLUMNS.items():
        columns[name] = np.concatenate([getattr(table, field) for _, table in made])[order]
    return {"synapses": table_of(circuits.SYNAPSES, columns)}


_COLUMNS = {
    "synapse_id": "synapse_id",
    "section_id": "section_id",
    "section_pos": "section_pos",
    "layer": "layer",
    "type": "type",
    "swc_type": "section_type",
    "soma_distance": "soma_distance",
}


def _schema() -> pa.Schema:
    empty = {name: pa.array([], circuits.SYNAPSES.schema.field(name).type) for name in ("node_id", *_COLUMNS)}
    return table_of(circuits.SYNAPSES, empty).schema
