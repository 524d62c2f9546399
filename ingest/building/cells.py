"""Cells of a network: where they are, how far from the origin, and what they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import column
from ...kernels import network as kernels
from ...lake.data.tables import Table
from ...lake.errors import InputError
from .configuration import Geometry, NetworkConfiguration
from .construction import Construction
from .steps import Outcome, Output, Parts, Step, table_of
from .trees import tree_names

POSITIONS = Step("network.positions", "1")
DISTANCES = Step("network.distances", "1")
NODES = Step("network.nodes", "1")

_NODE_COLUMNS = [
    column("gid", pa.int64(), "number of the cell among those of all populations"),
    *(field for field in circuits.POSITIONS.schema if field.name != "node_id"),
    *(field for field in circuits.DISTANCES.schema if field.name != "node_id"),
    column("morphology", pa.string(), "tree of the cell; key of `morphologies`"),
    column("model_template", pa.string(), "template of the cell's model"),
]


def volume(geometry: Geometry) -> kernels.Volume:
    """Return the box that holds all layers, turned as the configuration says.

    Parameters
    ----------
    geometry
        Layers and their extents in µm.
    """
    low = np.min([box[0] for box in geometry.layers.values()], axis=0)
    high = np.max([box[1] for box in geometry.layers.values()], axis=0)
    return kernels.box_volume(low, high, geometry.rotation)


def build_positions(of: Construction, population: str) -> Outcome:
    """Store the somata of a population.

    Parameters
    ----------
    of
        The network under construction.
    population
        Name of the population.

    Raises
    ------
    InputError
        They find no room.
    """
    geometry = of.network.geometry
    counts = {layer: count for layer, count in geometry.counts[population].items() if count}
    before = (
        of.network.populations[: of.network.populations.index(population)]
        if geometry.minimum_distance
        else []
    )
    inputs = {name: circuits.POSITIONS.of(circuit=of.circuit, population=name) for name in before}
    ranges = [geometry.constraints.get(population, {}).get(layer) for layer in counts]
    labels = [of.network.definitions.layers[layer] for layer in counts]
    step_seed = of.seed_of("Soma Locations")
    # The whole volume decides how u turns into x, and so where cells are.
    params = {
        "population": population,
        "layers": {layer: [*map(list, geometry.layers[layer])] for layer in geometry.layers},
        "rotation": list(geometry.rotation),
        "counts": counts,
        "surfaces": {layer: list(geometry.surfaces[layer]) for layer in counts if layer in geometry.surfaces},
        "labels": dict(zip(counts, labels, strict=True)),
        "z": {layer: reach and list(reach) for layer, reach in zip(counts, ranges, strict=True)},
        "minimum_distance": geometry.minimum_distance,
        "relaxation": geometry.relaxation,
        "seed": step_seed,
    }

    def make(parts: Parts) -> None:
        taken = [_points(of.build.table(node)) for node in inputs.values()]
        try:
            found = kernels.soma_positions(
                [_layer(geometry, layer) for layer in counts],
                list(counts.values()),
                volume(geometry),
                seed=step_seed,
                population=population,
                z_ranges=ranges,  # type: ignore[arg-type]
                minimum_distance=geometry.minimum_distance,
                taken=np.concatenate(taken) if taken else None,
                relaxation=geometry.relaxation,
            )
        except ValueError as error:
            keys = ("Geometry", "Cell Distribution", population)
            reason = str(error)
            for at, layer in enumerate(counts):
                reason = reason.replace(f"layer {at} ", f"layer {layer} ")
            raise of.network.configuration.error(keys, reason) from error
        columns: dict[str, Any] = {"node_id": np.arange(len(found.uvl))}
        columns |= {axis: found.xyz[:, at].astype(np.float32) for at, axis in enumerate("xyz")}
        columns |= {axis: found.uvl[:, at].astype(np.float32) for at, axis in enumerate("uvl")}
        columns["layer"] = np.array(labels, np.int8)[found.layer]
        parts.write("positions", table_of(circuits.POSITIONS, columns))

    node = circuits.POSITIONS.of(circuit=of.circuit, population=population)
    return of.build.run(
        POSITIONS, {"positions": Output(circuits.POSITIONS, node)}, make, inputs=inputs, params=params
    )


def _layer(geometry: Geometry, layer: str) -> kernels.Box | kernels.Surface:
    """Where a layer is: within its surface, if it has one, or else its box."""
    if layer in geometry.surfaces:
        return kernels.closed_surface(*geometry.surfaces[layer])
    low, high = geometry.layers[layer]
    return kernels.Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def build_distances(of: Construction, population: str) -> Outcome:
    """Store the distances of a population's somata from the origin.

    Parameters
    ----------
    of
        The network under construction.
    population
        Name of the population.
    """
    geometry = of.network.geometry
    positions = circuits.POSITIONS.of(circuit=of.circuit, population=population)
    params = {
        "layers": {layer: [*map(list, box)] for layer, box in geometry.layers.items()},
        "rotation": list(geometry.rotation),
        "origin": dict(geometry.origin),
    }

    def make(parts: Parts) -> None:
        table = of.build.table(positions)
        uvl = _columns(table, "uvl")
        origin = tuple(geometry.origin[axis] for axis in "UVL")
        try:
            found = kernels.arc_distances(uvl, volume(geometry), origin)  # type: ignore[arg-type]
        except ValueError as error:
            keys = ("Geometry", "Parametric Surface", "Origin")
            raise of.network.configuration.error(keys, str(error)) from error
        columns = {
            "node_id": np.arange(len(uvl)),
            "u_distance": found.u.astype(np.float32),
            "v_distance": found.v.astype(np.float32),
        }
        parts.write(
            "distances",
            table_of(circuits.DISTANCES, columns),
            {"reference_u": list(found.reference_u), "reference_v": list(found.reference_v)},
        )

    node = circuits.DISTANCES.of(circuit=of.circuit, population=population)
    outputs = {"distances": Output(circuits.DISTANCES, node)}
    return of.build.run(DISTANCES, outputs, make, inputs={"positions": positions}, params=params)


def build_nodes(of: Construction, population: str, files: Sequence[Path]) -> Outcome:
    """Store the table of a population's cells, with all that is known of each.

    Parameters
    ----------
    of
        The network under construction.
    population
        Name of the population.
    files
        Files of the population's trees, which cells take in turn; none for cells without any.

    Raises
    ------
    NotFoundError
        The trees of these files have not been built.
    """
    known = tree_names(of, files) if files else {}
    trees = [name for path in files for name in known[path]]
    positions = circuits.POSITIONS.of(circuit=of.circuit, population=population)
    distances = circuits.DISTANCES.of(circuit=of.circuit, population=population)
    kind = of.network.cells.get(population)
    params = {
        "start": of.network.starts[population],
        "template": None if kind is None else kind.template,
        "morphologies": list(trees),
    }

    def make(parts: Parts) -> None:
        table = of.build.table(positions).to_arrow()
        columns: dict[str, Any] = {
            "node_id": table["node_id"].combine_chunks(),
            "gid": table["node_id"].to_numpy() + params["start"],
        }
        columns |= {name: table[name].combine_chunks() for name in table.column_names if name != "node_id"}
        further = of.build.table(distances).to_arrow()
        columns |= {name: further[name].combine_chunks() for name in ("u_distance", "v_distance")}
        if trees:
            turns = pa.array(np.arange(table.num_rows) % len(trees))
            columns["morphology"] = pa.array(list(trees), pa.string()).take(turns)
        if params["template"] is not None:
            columns["model_template"] = pa.repeat(str(params["template"]), table.num_rows)
        more = [field.with_type(pa.float32()) if field.name in _SINGLE else field for field in _NODE_COLUMNS]
        references = of.build.tree[distances].meta["attributes"]
        parts.write(
            "nodes",
            table_of(circuits.NODES, columns, more),
            {
                "population": population,
                "size": table.num_rows,
                **{name: references[name] for name in ("reference_u", "reference_v")},
            },
        )

    node = circuits.NODES.of(circuit=of.circuit, population=population)
    inputs = {"positions": positions, "distances": distances}
    return of.build.run(NODES, {"nodes": Output(circuits.NODES, node)}, make, inputs=inputs, params=params)


_SINGLE = (*circuits.POSITIONS.single, *circuits.DISTANCES.single)


def places(of: Construction, population: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances of a population's cells from the origin along u and v, float64, in µm.

    Parameters
    ----------
    of
        The network under construction.
    population
        Name of the population.

    Raises
    ------
    InputError
        The cells have no distances from the origin.
    """
    table = of.build.table(circuits.NODES.of(circuit=of.circuit, population=population))
    if not {"u_distance", "v_distance"} <= set(table.columns):
        raise InputError(f"the cells of {population} have no distances from the origin")
    rows = table.to_arrow(["u_distance", "v_distance"])
    return tuple(rows[name].to_numpy().astype(np.float64) for name in rows.column_names)


def _points(table: Table) -> NDArray[np.float64]:
    return _columns(table, "xyz")


def _columns(table: Table, names: str) -> NDArray[np.float64]:
    rows = table.to_arrow(list(names))
    return np.stack([rows[name].to_numpy().astype(np.float64) for name in names], axis=1)


def projections_of(network: NetworkConfiguration) -> list[Mapping[str, str]]:
    """Return the pairs of populations that may be connected, one for each row of the table of projections.

    Parameters
    ----------
    network
        The configuration.
    """
    chemical = [{"source": p.source, "target": p.target, "kind": "chemical"} for p in network.projections]
    return [
        *chemical,
        *({"source": j.source, "target": j.target, "kind": "electrical"} for j in network.junctions),
    ]
