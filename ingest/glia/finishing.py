"""What is known of contacts once cells have shapes: where on the cell they are; and gap junctions between cells."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import glia
from ...catalog.vocabulary.circuits import BY_SOURCE, POINTS, SECTIONS
from ...catalog.vocabulary.kinds import TableKind
from ...kernels.shapes.segments import PlacedSections
from ..building.steps import Outcome, Output, Parts, Step, table_of
from ..circuits.astrocytes import gap_junctions_of, with_compartments, with_segments
from ..circuits.placed import placed_sections
from .construction import AXES, MESH_DATA, POPULATION, GliaConstruction, vessel_segments
from .contacts import FEET

GLIOVASCULAR = Step("ngv.gliovascular_edges", "1")
NEUROGLIAL = Step("ngv.neuroglial_edges", "1")
GLIALGLIAL = Step("ngv.glialglial_edges", "1")


def build_gliovascular_edges(of: GliaConstruction) -> Outcome:
    """Store the edges of endfeet: with the section that ends at each, and its compartment.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    stage = of.stage("gliovascular")
    inputs = {"gliovascular": stage, "vessels": of.table(glia.VASCULATURE), FEET: of.table(glia.ENDFEET)}
    inputs |= MESH_DATA[0].inputs({"circuit": of.circuit, "mesh": FEET})

    def edges() -> pa.Table:
        meshes = of.ragged((MESH_DATA[0].values, MESH_DATA[0].offsets), {"mesh": FEET})
        areas, thicknesses = of.columns(of.table(glia.ENDFEET), ["surface_area", "surface_thickness"])
        if (areas == 0).any():
            of.tell(f"{(areas == 0).sum():,} of {len(areas):,} endfeet did not grow")
        rows = of.build.table(stage).to_arrow()
        return with_compartments(rows, _placed(of), vessel_segments(of), meshes, areas, thicknesses)

    return _finished(of, GLIOVASCULAR, glia.GLIOVASCULAR, ("vasculature", POPULATION), edges, inputs, {})


def build_neuroglial_edges(of: GliaConstruction) -> Outcome:
    """Store the edges to synapses: with the segment of the astrocyte that is nearest to each.

    Parameters
    ----------
    of
        The circuit under construction, with neurons.
    """
    neurons = of.neurons
    assert neurons is not None, "the driver leaves this stage out without neurons"

    def edges() -> pa.Table:
        rows = of.build.table(of.stage("neuroglial")).to_arrow()
        synapses = rows["synapse_id"].to_numpy().astype(np.int64)
        return with_segments(rows, _placed(of), of.places(neurons.edges, neurons.places)[synapses])

    inputs = {"neuroglial": of.stage("neuroglial"), "synapses": neurons.edges}
    ends = (POPULATION, neurons.population)
    params = {"places": list(neurons.places), "population": neurons.population}
    return _finished(of, NEUROGLIAL, glia.NEUROGLIAL, ends, edges, inputs, params)


def build_glialglial_edges(of: GliaConstruction) -> Outcome:
    """Store gap junctions: where processes of two astrocytes touch.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    reach = of.manifest.reach

    def edges() -> pa.Table:
        return gap_junctions_of(_placed(of), reach)

    return _finished(of, GLIALGLIAL, glia.GLIALGLIAL, (POPULATION, POPULATION), edges, {}, {"reach": reach})


def _finished(
    of: GliaConstruction,
    step: Step,
    kind: TableKind,
    ends: tuple[str, str],
    edges: Callable[[], pa.Table],
    inputs: dict[str, str],
    params: Mapping[str, object],
) -> Outcome:
    """Store edges whose astrocytes have shapes, and the index by their source."""
    node = of.table(kind)
    outputs = {"edges": Output(kind, node), "by_source": Output(BY_SOURCE, BY_SOURCE.beside(node))}
    shapes = {
        "astrocytes": of.table(glia.ASTROCYTES),
        "points": of.table(POINTS),
        "sections": of.table(SECTIONS),
    }

    def make(parts: Parts) -> None:
        rows = edges()
        told = {
            "population": node.rpartition("/")[2],
            "source_population": ends[0],
            "target_population": ends[1],
        }
        parts.write("edges", rows, told)
        source, target, edge = (
            rows[name].to_numpy() for name in ("source_node_id", "target_node_id", "edge_id")
        )
        order = np.argsort(source, kind="stable")
        columns = {"source_node_id": source[order], "target_node_id": target[order], "edge_id": edge[order]}
        parts.write("by_source", table_of(BY_SOURCE, columns))

    return of.build.run(step, outputs, make, inputs={**inputs, **shapes}, params=params)


def _placed(of: GliaConstruction) -> PlacedSections:
    """Sections of all astrocytes where they are in the circuit."""
    points, sections = (of.build.table(of.table(kind)).to_arrow() for kind in (POINTS, SECTIONS))
    names = of.build.table(of.table(glia.ASTROCYTES)).to_arrow(columns=["morphology"])["morphology"]
    return placed_sections(points, sections, names, of.places(of.table(glia.ASTROCYTES), AXES))
