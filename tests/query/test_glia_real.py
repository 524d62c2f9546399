"""Circuits of ArchNGV, asked: answers are those that its files give to an independent reader."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import neurolake as nl

morphio = pytest.importorskip("morphio")


@pytest.fixture(scope="module")
def lake(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The small circuit with its neurons and atlas, the same rebuilt, and parts of a larger one."""
    folder = tmp_path_factory.mktemp("real")
    data = shared_data / "ngv"
    for file in (data / "L2000").iterdir():
        if file.suffix == ".gz":
            with gzip.open(file) as packed, (folder / file.stem).open("wb") as out:
                shutil.copyfileobj(packed, out)
        else:
            shutil.copyfile(file, folder / file.name)
    lake = nl.create(tmp_path_factory.mktemp("lake") / "lake", durable=False)
    inputs = data / "functional_inputs"
    parts = [data / "functional_expected", inputs / "circuit", inputs / "atlas"]
    nl.ingest(lake, parts, format="ngv", name="small", on_error="skip")
    nl.ingest(lake, data / "rebuilt_3.3.0", format="ngv", name="again", on_error="skip")
    nl.ingest(lake, folder, format="ngv", name="large")
    return lake


def edges(shared_data: Path, name: str, build: str = "functional_expected") -> dict[str, Any]:
    path = shared_data / "ngv" / build / "sonata" / "networks" / "edges" / name / "edges.h5"
    with h5py.File(path) as file:
        group = file["edges"][name]
        found = {key: group[key][:] for key in ("source_node_id", "target_node_id")}
        return found | {key: values[:] for key, values in group["0"].items()}


def somata(shared_data: Path, build: str = "functional_expected") -> Any:
    path = shared_data / "ngv" / build / "sonata" / "networks" / "nodes" / "astrocytes" / "nodes.h5"
    with h5py.File(path) as file:
        return np.stack([file["nodes/astrocytes/0"][axis][:] for axis in "xyz"], axis=1)


def failing(lake: Any, name: str) -> dict[str, int]:
    return {check.name: check.failing for check in nl.circuit(lake, name).check() if not check.passed}


def test_what_fits_together_in_archngv_passes(lake: Any) -> None:
    """Its test circuit has 10 neurons, and edges to 50: that is all that fails; of the large one, nothing does."""
    assert failing(lake, "small") == {
        "edges of All end at cells that there are": 400,
        "edges of neuroglial end at cells that there are": 384,
        "synapses in domains are of neurons that there are": 384,
    }
    assert failing(lake, "large") == {}


def test_a_row_that_archngv_does_not_look_at_is_named(lake: Any, shared_data: Path) -> None:
    """`verify-circuit-integrity` looks at the endfeet of one astrocyte; that of another grew 20 µm away."""
    (check,) = [check for check in nl.circuit(lake, "again").check() if not check.passed]
    assert check.name == "surfaces of endfeet are within 5 µm of their place" and check.failing == 1
    feet = edges(shared_data, "gliovascular", "rebuilt_3.3.0")
    with h5py.File(shared_data / "ngv" / "rebuilt_3.3.0" / "endfeet_meshes.h5") as file:
        bounds, points = file["offsets/points"][:], file["data/points"][:]
    target = np.stack([feet[f"endfoot_surface_{axis}"] for axis in "xyz"], axis=1)
    away = [
        np.linalg.norm(points[a:b] - at, axis=1).min()
        for a, b, at in zip(bounds[:-1], bounds[1:], target, strict=True)
    ]
    row = check.rows.iloc[0]
    assert int(row["endfoot_id"]) == int(np.argmax(away)) and row["distance"] == pytest.approx(
        max(away), rel=1e-5
    )


def test_connections_are_those_of_the_files(lake: Any, shared_data: Path) -> None:
    small = nl.circuit(lake, "small")
    feet, covered = edges(shared_data, "gliovascular"), edges(shared_data, "neuroglial")
    touching = edges(shared_data, "glialglial")
    for cell in range(5):
        mine = feet["target_node_id"] == cell
        rows = small.astrocytes.endfeet([cell])
        assert rows["endfoot_id"].tolist() == feet["endfoot_id"][mine].tolist()
        assert (
            sorted(set(small.astrocytes.vessels([cell])["vessel_id"]))
            == np.unique(feet["source_node_id"][mine]).tolist()
        )
        own = covered["source_node_id"] == cell
        assert sorted(small.astrocytes.synapses([cell])["synapse_id"]) == sorted(covered["synapse_id"][own])
        neurons = small.astrocytes.neurons([cell])
        assert neurons["neuron_id"].tolist() == np.unique(covered["target_node_id"][own]).tolist()
        assert neurons["synapses"].sum() == own.sum()
        ends = np.stack([touching["source_node_id"], touching["target_node_id"]], axis=1)
        at = np.flatnonzero((ends == cell).any(axis=1))
        assert sorted(set(small.astrocytes.gap_junctions([cell])["edge_id"])) == at.tolist()
        assert set(small.astrocytes.astrocytes([cell])["other_id"]) == set(ends[at].ravel().tolist()) - {cell}
    for neuron in range(10):
        expected = np.unique(covered["source_node_id"][covered["target_node_id"] == neuron])
        assert small.neurons.astrocytes([neuron])["astrocyte_id"].tolist() == expected.tolist()
    vessel = int(feet["source_node_id"][0])
    assert small.vasculature.astrocytes([vessel])["astrocyte_id"].tolist() == [int(feet["target_node_id"][0])]


def test_trees_are_those_of_morphio(lake: Any, shared_data: Path) -> None:
    small, places = nl.circuit(lake, "small"), somata(shared_data)
    feet = edges(shared_data, "gliovascular")
    paths = small.endfeet.path_lengths().set_index("endfoot_id")["path_length"]
    for cell in range(5):
        file = shared_data / "ngv" / "functional_expected" / "morphologies" / f"GLIA_{cell:013d}.h5"
        tree = morphio.Morphology(str(file))
        sections = small.astrocytes.sections([cell]).set_index("section_id")
        for section in tree.iter():
            length = np.linalg.norm(np.diff(section.points.astype(float), axis=0), axis=1).sum()
            # Sections of MorphIO are numbered without the soma.
            assert sections.loc[section.id + 1, "length"] == pytest.approx(length, rel=1e-6, abs=1e-9)
            assert sections.loc[section.id + 1, "type"] == int(section.type)
        segments = small.astrocytes.morphology(cell)
        first = segments[segments["section_id"] == 1].iloc[0]
        np.testing.assert_allclose(
            first[["x0", "y0", "z0"]].to_numpy(float), tree.section(0).points[0] + places[cell], rtol=1e-6
        )
        for endfoot in np.flatnonzero(feet["target_node_id"] == cell):
            section = tree.section(int(feet["astrocyte_section_id"][endfoot]))
            way = sum(
                np.linalg.norm(np.diff(each.points.astype(float), axis=0), axis=1).sum()
                for each in section.iter(morphio.IterType.upstream)
            )
            assert paths[endfoot] == pytest.approx(way, rel=1e-6)


def test_domains_are_those_of_the_file(lake: Any, shared_data: Path) -> None:
    small = nl.circuit(lake, "small")
    with h5py.File(shared_data / "ngv" / "functional_expected" / "microdomains.h5") as file:
        points, triangles, neighbours = (
            file[f"data/{name}"][:] for name in ("points", "triangle_data", "neighbors")
        )
        bounds = {name: file[f"offsets/{name}"][:] for name in ("points", "triangle_data", "neighbors")}
        scale = file["data/scaling_factors"][:]
    for cell, domain in ((cell, small.astrocytes.domains[cell]) for cell in range(5)):
        at = {name: slice(*bounds[name][cell : cell + 2]) for name in bounds}
        np.testing.assert_array_equal(domain.points, points[at["points"]])
        np.testing.assert_array_equal(domain.triangles, triangles[at["triangle_data"], 1:])
        np.testing.assert_array_equal(domain.neighbours, neighbours[at["neighbors"]])
        assert domain.scale == scale[cell]
        assert domain.volume == pytest.approx(small.astrocytes.domains.sizes()["volume"][cell], rel=1e-6)
        assert domain.contains([domain.centroid]).all()
        assert set(domain.neighbour_ids) == {each for each in neighbours[at["neighbors"]] if each >= 0}


def test_the_large_circuit_has_the_statistics_that_are_known_of_it(lake: Any) -> None:
    large = nl.circuit(lake, "large")
    nearest = large.astrocytes.pattern().nearest()["distance"]
    assert nearest.mean() == pytest.approx(28.9, abs=0.05) and nearest.std() == pytest.approx(4.3, abs=0.05)
    assert large.astrocytes.domains.sizes()["volume"].mean() == pytest.approx(61_864, abs=1)
    assert large.astrocytes.counts()["endfeet"].sum() == 4217
    # Domains were enlarged so that a tenth of each is shared, were it not for walls.
    shared = large.astrocytes.domains.overlap()
    sizes = large.astrocytes.domains.sizes().set_index("node_id")
    inner = sizes.index[~sizes["boundary"]]
    both = (
        shared.melt(["volume"], ["node_id", "neighbour"], value_name="cell").groupby("cell")["volume"].sum()
    )
    share = (both / sizes["volume"]).loc[inner]
    assert share.median() == pytest.approx(0.1, abs=0.01)
    assert large.vasculature.sections()["length"].sum() == pytest.approx(
        large.vasculature.segments()["length"].sum()
    )
    assert (
        large.astrocytes.domains.vessels()["length"].sum()
        > 0.9 * large.vasculature.segments()["length"].sum()
    )
