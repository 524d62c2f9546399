"""What astrocytes are in contact with: vessels, on which they have endfeet, and synapses, which are in their domains."""

from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import glia
from ...kernels.draws import truncated_normals
from ...kernels.glia.projection import endfeet
from ...kernels.glia.reachout import reached_targets
from ...kernels.glia.synapses import wrapped_synapses
from ...kernels.glia.targets import targets_in_domains, vessel_targets
from ...kernels.vessels.endfeet import endfeet_of
from ...kernels.vessels.fronts import marched_waves, start_vertices, triangle_mesh
from ...lake.data.ragged import Ragged
from ..building.steps import Outcome, Output, Parts, Step
from ..circuits.polyhedra import endfoot_table
from ..ngv.parts import VESSEL_MESH
from .cells import SOMATA
from .construction import (
    AXES,
    MESH_DATA,
    POPULATION,
    GliaConstruction,
    columns_of,
    domain_inputs,
    planes_of,
    vessel_segments,
)

GLIOVASCULAR = Step("ngv.gliovascular", "1")
NEUROGLIAL = Step("ngv.neuroglial", "1")
ENDFEET = Step("ngv.endfeet", "1")

FEET = "endfeet"
SURFACE_PLACE = tuple(f"endfoot_surface_{axis}" for axis in AXES)


def build_gliovascular(of: GliaConstruction) -> Outcome:
    """Find where astrocytes touch vessels.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    rules = of.manifest.feet
    inputs = {SOMATA: of.stage(SOMATA), "vessels": of.table(glia.VASCULATURE), **domain_inputs(of)}
    params = {
        "density": rules.density,
        "strategy": rules.strategy,
        "reproduce": rules.reproduce,
        "count": list(rules.count.numbers),
        "seed": of.seed,
    }

    def make(parts: Parts) -> None:
        vessels, planes = vessel_segments(of), planes_of(of)
        centres = of.places(of.stage(SOMATA), AXES)
        numbers = rules.count
        wanted = truncated_normals(
            len(centres), *numbers.numbers, seed=of.seed, purpose="endfeet", population=POPULATION
        )
        targets = vessel_targets(vessels, rules.density)
        candidates = targets_in_domains(targets, planes)
        reached = reached_targets(
            targets,
            candidates,
            planes,
            np.round(wanted).astype(np.int64),
            rules.strategy,  # type: ignore[arg-type]
            seed=of.seed,
        )
        found = endfeet(centres, targets, reached, vessels, reproduce=rules.reproduce)
        sections, segments = of.columns(of.table(glia.VASCULATURE), ["section_id", "segment_id"])
        columns: dict[str, Any] = {
            "edge_id": np.arange(len(found.astrocyte)),
            "source_node_id": found.segment,
            "target_node_id": found.astrocyte,
            "endfoot_id": np.arange(len(found.astrocyte)),
            **{name: found.surface[:, at] for at, name in enumerate(SURFACE_PLACE)},
            "vasculature_section_id": sections[found.segment],
            "vasculature_segment_id": segments[found.segment],
        }
        parts.write("gliovascular", columns_of(glia.GLIOVASCULAR, columns))

    outputs = {"gliovascular": Output(glia.STAGES, of.stage("gliovascular"))}
    return of.build.run(GLIOVASCULAR, outputs, make, inputs=inputs, params=params)


def build_neuroglial(of: GliaConstruction) -> Outcome:
    """Find the synapses in the astrocytes' domains.

    Parameters
    ----------
    of
        The circuit under construction, with neurons.
    """
    neurons = of.neurons
    assert neurons is not None, "the driver leaves this stage out without neurons"

    def make(parts: Parts) -> None:
        planes = planes_of(of)
        identity, targets = of.columns(neurons.edges, ["edge_id", "target_node_id"])
        found = wrapped_synapses(planes, of.places(neurons.edges, neurons.places), targets)
        columns = {
            "edge_id": np.arange(len(found.synapse)),
            "source_node_id": found.astrocyte,
            "target_node_id": found.neuron,
            "synapse_id": identity[found.synapse],
        }
        parts.write("neuroglial", columns_of(glia.NEUROGLIAL, columns))

    outputs = {"neuroglial": Output(glia.STAGES, of.stage("neuroglial"))}
    inputs = {"synapses": neurons.edges, **domain_inputs(of)}
    return of.build.run(NEUROGLIAL, outputs, make, inputs=inputs, params={"places": list(neurons.places)})


def surface_inputs(of: GliaConstruction) -> dict[str, str]:
    """Return the nodes of the vessels' surface.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    found: dict[str, str] = {}
    for data in MESH_DATA:
        named = data.inputs({"circuit": of.circuit, "mesh": VESSEL_MESH})
        found |= {f"surface_{part}": node for part, node in named.items()}
    return found


def build_endfeet(of: GliaConstruction) -> Outcome:
    """Grow endfeet on the vessels' surface.

    Parameters
    ----------
    of
        The circuit under construction.
    """
    rules = of.manifest.feet
    outputs = {FEET: Output(glia.ENDFEET, of.table(glia.ENDFEET))}
    for data in MESH_DATA:
        outputs |= data.outputs({"circuit": of.circuit, "mesh": FEET})
    params = {
        "cutoff": rules.cutoff,
        "area": list(rules.area.numbers),
        "thickness": list(rules.thickness.numbers),
        "seed": of.seed,
    }

    def make(parts: Parts) -> None:
        points, triangles = (
            of.ragged((data.values, data.offsets), {"mesh": VESSEL_MESH}) for data in MESH_DATA
        )
        mesh = triangle_mesh(points.values, triangles.values)
        places = of.places(of.stage("gliovascular"), SURFACE_PLACE).astype(np.float64)
        waves = marched_waves(mesh, start_vertices(mesh, places), rules.cutoff)
        found = endfeet_of(
            mesh, waves, len(places), rules.area.numbers, rules.thickness.numbers, seed=of.seed
        )
        data = (
            Ragged(found.points.astype(np.float32), found.point_offsets),
            Ragged(found.triangles, found.triangle_offsets),
        )
        for kind, values in zip(MESH_DATA, data, strict=True):
            kind.write(parts, values)
        told = {
            "surface_area": found.area,
            "unreduced_surface_area": found.grown_area,
            "surface_thickness": found.thickness,
        }
        columns = {name: pa.array(values.astype(np.float32)) for name, values in told.items()}
        parts.write(FEET, endfoot_table(*data, columns))

    inputs = {"gliovascular": of.stage("gliovascular"), **surface_inputs(of)}
    return of.build.run(ENDFEET, outputs, make, inputs=inputs, params=params)
