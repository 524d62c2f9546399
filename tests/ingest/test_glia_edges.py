"""Edges of glia completed by where they are on the astrocytes' shapes, and trees of the lake in space."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from ngv_data import astrocyte_sections, opened, triples, vessels_of
from placed_cells import random_cells

from neurolake.catalog.vocabulary.circuits import POINTS, SECTIONS
from neurolake.catalog.vocabulary.glia import GLIALGLIAL
from neurolake.ingest.circuits.astrocytes import gap_junctions_of, with_compartments, with_segments
from neurolake.ingest.circuits.placed import placed_sections
from neurolake.lake.data.ragged import Ragged
from neurolake.lake.errors import InputError

PART = "functional_expected"


def rows_of(path: Path, population: str, without: str) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Edges of a file without the columns that begin so, and these."""
    with opened(path) as file:
        edges = file[f"edges/{population}"]
        columns = {name: values[:] for name, values in edges["0"].items()}
        rows = {name: edges[name][:] for name in ("source_node_id", "target_node_id")}
    rows |= {name: values for name, values in columns.items() if not name.startswith(without)}
    return pa.table(rows), {name: values for name, values in columns.items() if name.startswith(without)}


def test_synapses_are_on_the_shapes_as_archngv_has_them(shared_data: Path) -> None:
    folder = shared_data / "ngv"
    path = folder / PART / "sonata" / "networks" / "edges" / "neuroglial" / "edges.h5"
    edges, expected = rows_of(path, "neuroglial", "astrocyte_")
    with opened(folder / "functional_inputs" / "circuit" / "edges.h5") as file:
        places = triples(file["edges/All/0"], "efferent_center_{}")
    found = with_segments(edges, astrocyte_sections(folder / PART), places[edges["synapse_id"].to_numpy()])
    assert found.column_names[: edges.num_columns] == edges.column_names
    assert set(found.column_names) - set(edges.column_names) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-5)


def test_endfeet_are_compartments_as_archngv_has_them(shared_data: Path) -> None:
    folder = shared_data / "ngv" / PART
    networks = folder / "sonata" / "networks"
    path = networks / "edges" / "gliovascular" / "edges.h5"
    edges, expected = rows_of(path, "gliovascular", "endfoot_compartment")
    section = edges["astrocyte_section_id"]
    with opened(folder / "endfeet_meshes.h5") as file:
        surfaces = Ragged(file["data/points"][:], file["offsets/points"][:])
        areas, thicknesses = file["data/surface_area"][:], file["data/surface_thickness"][:]
    found = with_compartments(
        edges.drop_columns(["astrocyte_section_id"]),
        astrocyte_sections(folder),
        vessels_of(networks / "nodes" / "vasculature" / "nodes.h5"),
        surfaces,
        areas,
        thicknesses,
    )
    assert found["astrocyte_section_id"].to_pylist() == section.to_pylist()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-4)


def test_gap_junctions_are_rows_of_their_kind_twice_each() -> None:
    found = gap_junctions_of(random_cells(np.random.default_rng(4), 30), 0.5)
    assert found.schema.equals(GLIALGLIAL.schema_of(found.column_names))
    assert len(found) > 10 and len(found) % 2 == 0
    ends = [found[name].to_pylist() for name in ("source_node_id", "target_node_id")]
    assert sorted(zip(*ends, strict=True)) == sorted(zip(*ends[::-1], strict=True))
    assert ends[1] == sorted(ends[1])
    assert 0 <= min(found["spine_length"].to_pylist()) <= max(found["spine_length"].to_pylist()) <= 0.5


def two_trees() -> tuple[pa.Table, pa.Table]:
    """One of a soma and a neurite, and one of a soma alone."""
    points = {
        "morphology": ["a", "a", "a", "b"],
        "point_id": [0, 1, 2, 0],
        "parent_id": [-1, 0, 1, -1],
        "x": [0.0, 1, 4, 0],
        "y": [0.0, 0, 4, 0],
        "z": [0.0, 0, 0, 0],
        "diameter": [6.0, 2, 1, 8],
        "type": [1, 3, 3, 1],
        "layer": [-1] * 4,
    }
    sections = {
        "morphology": ["a", "a", "b"],
        "section_id": [0, 1, 0],
        "parent_id": [None, 0, None],
        "type": [1, 3, 1],
        "points": [[0], [1, 2], [0]],
    }
    return (
        pa.table(points, POINTS.schema_of(points)),
        pa.table(sections, SECTIONS.schema_of(sections)),
    )


def test_cells_that_share_a_tree_have_it_at_their_places() -> None:
    places = np.array([[10.0, 0, 0], [0, 20, 0], [0, 0, 30]])
    found = placed_sections(*two_trees(), pa.array(["b", "a", "a"]), places)
    np.testing.assert_array_equal(found.cell, [0, 1, 1, 2, 2])
    np.testing.assert_array_equal(found.section, [0, 0, 1, 0, 1])
    np.testing.assert_array_equal(found.type, [1, 1, 3, 1, 3])
    np.testing.assert_array_equal(found.offsets, [0, 1, 2, 4, 5, 7])
    np.testing.assert_array_equal(
        found.points,
        [[10, 0, 0], [0, 20, 0], [1, 20, 0], [4, 24, 0], [0, 0, 30], [1, 0, 30], [4, 4, 30]],
    )
    np.testing.assert_array_equal(found.diameter, [8, 6, 2, 1, 6, 2, 1])


def test_cells_are_turned_about_their_centres() -> None:
    quarter = np.array([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    found = placed_sections(*two_trees(), pa.array(["a"]), np.array([[5.0, 5, 5]]), quarter)
    np.testing.assert_allclose(found.points, [[5, 5, 5], [5, 6, 5], [1, 9, 5]])


def test_a_tree_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="cell 1 has the tree 'c'"):
        placed_sections(*two_trees(), pa.array(["a", "c"]), np.zeros((2, 3)))
