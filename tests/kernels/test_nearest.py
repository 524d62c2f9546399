"""What of astrocytes is nearest to synapses and endfeet: as ArchNGV has it, and as looking at everything finds it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ngv_data import astrocyte_sections, opened, triples, vessels_of
from placed_cells import random_cells

from neurolake.kernels.shapes.nearest import foot_compartments, nearest_ends, nearest_segments
from neurolake.kernels.shapes.segments import placed_segments


def test_synapses_are_at_archngvs_segments(shared_data: Path) -> None:
    folder = shared_data / "ngv" / "functional_expected"
    with opened(shared_data / "ngv" / "functional_inputs" / "circuit" / "edges.h5") as file:
        places = triples(file["edges/All/0"], "efferent_center_{}")
    with opened(folder / "sonata" / "networks" / "edges" / "neuroglial" / "edges.h5") as file:
        edges = file["edges/neuroglial"]
        cells, own = edges["source_node_id"][:].astype(np.int64), edges["0"]
        found = nearest_segments(astrocyte_sections(folder), cells, places[own["synapse_id"][:]])
        # ArchNGV numbers sections without the soma.
        np.testing.assert_array_equal(found.section - 1, own["astrocyte_section_id"])
        np.testing.assert_array_equal(found.segment, own["astrocyte_segment_id"])
        np.testing.assert_allclose(found.offset, own["astrocyte_segment_offset"], rtol=1e-5)
        np.testing.assert_allclose(found.position, own["astrocyte_section_pos"], rtol=1e-5)
        np.testing.assert_allclose(found.centre, triples(own, "astrocyte_center_{}"), rtol=1e-5)


def test_endfeet_are_archngvs_compartments_at_its_sections(shared_data: Path) -> None:
    folder = shared_data / "ngv" / "functional_expected"
    networks = folder / "sonata" / "networks"
    vessels = vessels_of(networks / "nodes" / "vasculature" / "nodes.h5")
    with (
        opened(networks / "edges" / "gliovascular" / "edges.h5") as file,
        opened(folder / "endfeet_meshes.h5") as meshes,
    ):
        edges = file["edges/gliovascular"]
        own = edges["0"]
        cells = edges["target_node_id"][:].astype(np.int64)
        surface = triples(own, "endfoot_surface_{}")
        segment = edges["source_node_id"][:].astype(np.int64)
        found = nearest_ends(astrocyte_sections(folder), cells, surface)
        np.testing.assert_array_equal(found - 1, own["astrocyte_section_id"])
        data = meshes["data"]
        feet = foot_compartments(
            vessels.start[segment],
            vessels.end[segment],
            data["points"][:],
            meshes["offsets/points"][:],
            data["surface_area"][:],
            data["surface_thickness"][:],
        )
        for name in feet._fields:
            np.testing.assert_allclose(getattr(feet, name), own[f"endfoot_compartment_{name}"], rtol=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_nearest_segments_are_those_of_every_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sections = random_cells(rng, 5)
    segments = placed_segments(sections)
    cells, places = rng.integers(0, 6, 60), rng.uniform(-10, 30, (60, 3))
    found = nearest_segments(sections, cells, places)
    middle = (segments.start + segments.end) / 2
    for k in range(60):
        own = np.flatnonzero((sections.cell[segments.row] == cells[k]) & (sections.type[segments.row] == 3))
        if not len(own):
            assert found.section[k] == found.segment[k] == -1
            continue
        best = own[np.linalg.norm(middle[own] - places[k], axis=1).argmin()]
        assert found.section[k] == sections.section[segments.row[best]]
        assert found.segment[k] == segments.segment[best]
        np.testing.assert_array_equal(found.centre[k], middle[best])


def test_a_cylinders_surface_is_its_own_compartment() -> None:
    along, round_ = np.meshgrid(np.linspace(0, 7, 8), np.linspace(0, 2 * np.pi, 20))
    points = np.stack([3 + along, 2 * np.cos(round_), 2 * np.sin(round_)], axis=2).reshape(-1, 3)
    feet = foot_compartments(
        np.zeros((2, 3)),
        np.array([[9.0, 0, 0]] * 2),
        points,
        [0, len(points), len(points)],
        [28 * np.pi, 0],
        [0.5, 0],
    )
    np.testing.assert_allclose(feet.length, [7, 0])
    np.testing.assert_allclose(feet.perimeter, [4 * np.pi, 0], rtol=1e-6)
    np.testing.assert_allclose(np.pi * feet.diameter**2 / 4 * feet.length, [14 * np.pi, 0], rtol=1e-6)


def test_a_segment_without_direction_is_named() -> None:
    with pytest.raises(ValueError, match="segment 0 has no length"):
        foot_compartments(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)), [0, 1], [1.0], [1.0])
