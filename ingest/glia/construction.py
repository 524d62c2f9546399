"""A circuit of glia under construction: what every stage is given, and how it reads what others made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import glia
from ...catalog.vocabulary.kinds import ArrayKind, TableKind
from ...kernels.glia.planes import DomainPlanes, domain_planes
from ...kernels.glia.targets import VesselSegments
from ...lake.data.ragged import Ragged
from ..building.blocks import Workers
from ..building.steps import Build, Output, Parts
from .manifest import Manifest

POPULATION = "astrocytes"
AXES = "xyz"

Reals = NDArray[np.float64]


class Neurons(NamedTuple):
    """Where neurons and their synapses are.

    Attributes
    ----------
    circuit
        Circuit of the lake that has them.
    population
        Population of the neurons after the synapses.
    edges
        Table of the edges between neurons.
    places
        Columns of the edges that tell where synapses are.
    """

    circuit: str
    population: str
    edges: str
    places: tuple[str, str, str]


@dataclass(frozen=True)
class GliaConstruction:
    """A circuit of glia under construction.

    Parameters
    ----------
    build
        Where the results of stages go, and come from.
    manifest
        What is built.
    circuit
        Its name in the lake.
    seed
        Of all random numbers.
    workers
        The processes that do the work.
    neurons
        The neurons whose synapses astrocytes wrap; None without any.
    tell
        Called with what users should know of the result.
    """

    build: Build
    manifest: Manifest
    circuit: str
    seed: int
    workers: Workers
    neurons: Neurons | None
    tell: Callable[[str], None]

    def stage(self, name: str) -> str:
        """Return the name of the table that a stage leaves for later ones.

        Parameters
        ----------
        name
            What the table holds.
        """
        return glia.STAGES.of(circuit=self.circuit, stage=name)

    def table(self, kind: TableKind, parts: Mapping[str, str] | None = None) -> str:
        """Return the name of a table of the circuit.

        Parameters
        ----------
        kind
            What it is.
        parts
            Parts of its name besides the circuit.
        """
        return kind.of(circuit=self.circuit, **(parts or {}))

    def columns(self, node: str, names: Sequence[str]) -> list[NDArray[Any]]:
        """Return columns of a table that has been made.

        Parameters
        ----------
        node
            Name of the table.
        names
            Names of the columns.
        """
        rows = self.build.table(node).to_arrow(columns=list(names))
        return [rows[name].to_numpy() for name in names]

    def places(self, node: str, names: Sequence[str]) -> NDArray[Any]:
        """Return three columns of a table as points, in the type that they have.

        Parameters
        ----------
        node
            Name of the table.
        names
            Names of the columns.
        """
        return np.stack(self.columns(node, names), axis=1)

    def ragged(self, kinds: tuple[ArrayKind, ArrayKind], parts: Mapping[str, str]) -> Ragged:
        """Return ragged data that has been made.

        Parameters
        ----------
        kinds
            What values and offsets are.
        parts
            Parts of their names besides the circuit.
        """
        values, offsets = (self.build.array(kind.of(circuit=self.circuit, **parts)) for kind in kinds)
        return Ragged(values, offsets)


class RaggedKind(NamedTuple):
    """Values and offsets of ragged data, by part of a step.

    Attributes
    ----------
    part
        Name of the part; that of the offsets ends with ``_offsets``.
    values, offsets
        What they are.
    """

    part: str
    values: ArrayKind
    offsets: ArrayKind

    def outputs(self, parts: Mapping[str, str]) -> dict[str, Output]:
        """Return the nodes of values and offsets.

        Parameters
        ----------
        parts
            Parts of their names.
        """
        return {
            self.part: Output(self.values, self.values.of(**parts)),
            f"{self.part}_offsets": Output(self.offsets, self.offsets.of(**parts)),
        }

    def inputs(self, parts: Mapping[str, str]) -> dict[str, str]:
        """Return the names of values and offsets.

        Parameters
        ----------
        parts
            Parts of their names.
        """
        return {part: output.node for part, output in self.outputs(parts).items()}

    def write(self, parts: Parts, data: Ragged) -> None:
        """Write ragged data.

        Parameters
        ----------
        parts
            Writes the results of the step.
        data
            The data.
        """
        parts.write_array(self.part, data.values)
        parts.write_array(f"{self.part}_offsets", data.offsets)


DOMAIN_DATA = (
    RaggedKind("points", glia.DOMAIN_POINTS, glia.DOMAIN_POINT_OFFSETS),
    RaggedKind("triangles", glia.DOMAIN_TRIANGLES, glia.DOMAIN_TRIANGLE_OFFSETS),
    RaggedKind("neighbours", glia.DOMAIN_NEIGHBOURS, glia.DOMAIN_NEIGHBOUR_OFFSETS),
)
MESH_DATA = (
    RaggedKind("points", glia.MESH_POINTS, glia.MESH_POINT_OFFSETS),
    RaggedKind("triangles", glia.MESH_TRIANGLES, glia.MESH_TRIANGLE_OFFSETS),
)


def domain_inputs(of: GliaConstruction) -> dict[str, str]:
    """Return the nodes of points and triangles of the circuit's domains.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    found: dict[str, str] = {}
    for data in DOMAIN_DATA[:2]:
        named = data.inputs({"circuit": of.circuit, "population": POPULATION})
        found |= {f"domain_{part}": node for part, node in named.items()}
    return found


def planes_of(of: GliaConstruction) -> DomainPlanes:
    """Return the faces of the circuit's domains.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    points, triangles = (
        of.ragged((data.values, data.offsets), {"population": POPULATION}) for data in DOMAIN_DATA[:2]
    )
    return domain_planes(points.values, triangles.values[:, 1:], points.offsets, triangles.offsets)


def vessel_segments(of: GliaConstruction) -> VesselSegments:
    """Return the segments of the circuit's vessels.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    node = of.table(glia.VASCULATURE)
    names = ["start_diameter", "end_diameter", "start_node", "end_node", "section_id"]
    values = of.columns(node, names)
    start, end = (of.places(node, [f"{side}_{axis}" for axis in AXES]) for side in ("start", "end"))
    return VesselSegments(start, end, values[0], values[1], *(each.astype(np.int64) for each in values[2:]))


def columns_of(kind: TableKind, values: Mapping[str, Any]) -> pa.Table:
    """Return columns as a table, with types and documentation of a kind.

    Parameters
    ----------
    kind
        The kind whose columns these are.
    values
        Values by column.
    """
    fields = [kind.schema.field(name) for name in values]
    arrays = [
        values_of if isinstance(values_of, pa.Array) else pa.array(values_of) for values_of in values.values()
    ]
    return pa.Table.from_arrays(
        [array.cast(field.type) for array, field in zip(arrays, fields, strict=True)],
        schema=pa.schema(fields),
    )


def soma_names(n: int) -> list[str]:
    """Return what astrocytes' shapes are called, as by ArchNGV.

    Parameters
    ----------
    n
        How many there are.
    """
    return [f"GLIA_{number:013d}" for number in range(n)]
