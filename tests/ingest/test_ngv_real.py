"""Real circuits of ArchNGV: into a lake and out again, equal in every dataset, and open in what others read them with."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from lake_vocabulary import strangers
from sonata_files import contents

import neurolake as nl
from neurolake.catalog.vocabulary import circuits, glia
from neurolake.ingest.ngv.export import export_ngv
from neurolake.ingest.ngv.ingest import ingest_ngv
from neurolake.ingest.spatial.nrrd import read_nrrd
from neurolake.lake.data.ragged import read_ragged
from neurolake.lake.errors import IngestError

L2000 = ("astrocytes_nodes.h5", "gliovascular.connectivity.h5", "microdomains.h5", "vasculature_nodes.h5")


@pytest.fixture(scope="module")
def ngv_data(shared_data: Path) -> Path:
    return shared_data / "ngv"


@pytest.fixture(scope="module")
def sources(ngv_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Circuits by name; what is packed is unpacked."""
    large = tmp_path_factory.mktemp("large") / "L2000"
    large.mkdir()
    for name in L2000:
        packed = ngv_data / "L2000" / f"{name}.gz"
        if packed.is_file():
            with gzip.open(packed) as source, (large / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            shutil.copy(ngv_data / "L2000" / name, large / name)
    inputs = tmp_path_factory.mktemp("inputs") / "inputs"
    shutil.copytree(ngv_data / "functional_inputs", inputs, ignore=shutil.ignore_patterns("*.gz", "*.spi"))
    # The surface of the vessels, of which a part is enough here.
    with gzip.open(ngv_data / "functional_inputs/atlas/vasculature_remeshed.obj.gz", "rt") as packed_mesh:
        lines = packed_mesh.readlines()
    points = [line for line in lines if line.startswith("v ")][:2000]
    faces = [
        line for line in lines if line.startswith("f ") and max(map(int, line.split()[1:])) <= len(points)
    ]
    (inputs / "atlas/vasculature.obj").write_text("".join([*points, *faces]))
    return {
        "inputs": inputs,
        "expected": ngv_data / "functional_expected",
        "rebuilt": ngv_data / "rebuilt_3.3.0",
        "L2000": large,
    }


@pytest.fixture(scope="module")
def lake(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = nl.create(tmp_path_factory.mktemp("ngv") / "lake", durable=False)
    for name, folder in sources.items():
        # The neurons are those of the inputs, where they are asked for.
        neurons = "inputs" if name in ("expected", "rebuilt") else None
        report = ingest_ngv(made, folder, name=name, neurons=neurons)
        assert report.complete and report.commit is not None
    return made


@pytest.mark.parametrize("name", ["expected", "rebuilt", "L2000", "inputs"])
def test_a_circuit_comes_out_as_it_went_in(
    lake: Any, sources: dict[str, Path], tmp_path: Path, name: str
) -> None:
    export_ngv(lake.head, tmp_path / "out", name=name)
    written = sorted(
        path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    left = {".msh"}
    wanted = sorted(
        path.relative_to(sources[name])
        for path in sources[name].rglob("*")
        if path.is_file() and path.suffix not in left
    )
    assert written == wanted and len(wanted) >= 4
    for path in wanted:
        before, after = sources[name] / path, tmp_path / "out" / path
        if path.suffix == ".h5":
            assert contents(after) == contents(before), path
        elif path.suffix == ".nrrd":
            one, other = read_nrrd(before), read_nrrd(after)
            assert np.array_equal(one.values, other.values) and one.values.dtype == other.values.dtype
            assert (one.voxel_size, one.offset, one.header) == (other.voxel_size, other.offset, other.header)
        elif path.suffix == ".obj":
            assert numbers(after) == numbers(before)
        else:
            assert after.read_bytes() == before.read_bytes(), path


def numbers(path: Path) -> list[list[Any]]:
    """Numbers of a mesh by their lines."""
    return [[line.split()[0], *map(float, line.split()[1:])] for line in path.read_text().splitlines()]


def test_a_second_run_adds_nothing(lake: Any, sources: dict[str, Path]) -> None:
    before = lake.head.commit.id
    report = ingest_ngv(lake, sources["expected"], name="expected")
    assert report.commit is None and lake.head.commit.id == before and len(report.unchanged) == 18


def test_the_vocabulary_says_what_the_lake_holds(lake: Any) -> None:
    assert list(strangers(lake)) == []


def test_domains_are_those_of_the_file(lake: Any, ngv_data: Path) -> None:
    with h5py.File(ngv_data / "functional_expected/microdomains.h5") as file:
        points, triangles, neighbours, scales = (
            file[f"data/{name}"][...] for name in ("points", "triangle_data", "neighbors", "scaling_factors")
        )
        offsets = {name: file[f"offsets/{name}"][...] for name in file["offsets"]}
    parts = {"circuit": "expected", "population": "astrocytes"}
    rows = lake[glia.DOMAINS.of(**parts)].to_arrow().to_pylist()
    faces = lake[glia.DOMAIN_FACES.of(**parts)].to_arrow().to_pandas()
    assert len(rows) == 5 and [row["scale"] for row in rows] == scales.tolist()
    for cell, row in enumerate(rows):
        own = points[offsets["points"][cell] : offsets["points"][cell + 1]].astype(float)
        some = slice(offsets["triangle_data"][cell], offsets["triangle_data"][cell + 1])
        corners = own[triangles[some, 1:]]
        middle = own.mean(axis=0)
        volume = sum(abs(np.linalg.det(corner - middle)) / 6 for corner in corners)
        area = sum(np.linalg.norm(np.cross(b - a, c - a)) / 2 for a, b, c in corners)
        assert row["volume"] == pytest.approx(volume) and row["area"] == pytest.approx(area)
        assert [row[f"min_{axis}"] for axis in "xyz"] == own.min(axis=0).tolist()
        assert [row[f"max_{axis}"] for axis in "xyz"] == own.max(axis=0).tolist()
        assert np.allclose([row[f"centroid_{axis}"] for axis in "xyz"], middle)
        mine = faces[faces.node_id == cell]
        assert row["faces"] == len(mine) == len(np.unique(triangles[some, 0]))
        assert row["boundary"] == bool((neighbours[some] < 0).any())
        assert mine.area.sum() == pytest.approx(area) and mine.triangles.sum() == some.stop - some.start
        assert dict(zip(mine.face, mine.neighbour, strict=True)) == dict(
            zip(triangles[some, 0].tolist(), neighbours[some].tolist(), strict=True)
        )


def test_vessels_of_sections_are_those_that_vascpy_made(lake: Any) -> None:
    """The inputs have sections, the circuit that was built of them has segments."""
    made, expected = (lake[glia.VASCULATURE.of(circuit=name)].to_arrow() for name in ("inputs", "expected"))
    names = [name for name in made.column_names if name != "node_type_id"]
    assert len(names) == 15 and made.select(names).equals(expected.select(names))
    for kind in (glia.VESSEL_POINTS, glia.VESSEL_SECTIONS, glia.VESSEL_LINKS):
        assert lake[kind.of(circuit="inputs")].to_arrow().equals(lake[kind.of(circuit="expected")].to_arrow())


def test_shapes_join_their_cells_and_hold_what_morphio_reads(lake: Any, ngv_data: Path) -> None:
    morphio = pytest.importorskip("morphio")
    points, sections, reticulum = (
        lake[kind.of(circuit="rebuilt")].to_arrow().to_pandas()
        for kind in (circuits.POINTS, circuits.SECTIONS, glia.RETICULUM)
    )
    cells = lake[glia.ASTROCYTES.of(circuit="rebuilt")].to_arrow(["morphology"])["morphology"].to_pylist()
    assert sorted(cells) == points.morphology.unique().tolist()
    for name in cells:
        read = morphio.Morphology(str(ngv_data / f"rebuilt_3.3.0/morphologies/{name}.h5"))
        mine, own = points[points.morphology == name], sections[sections.morphology == name]
        for section in read.sections:
            # MorphIO does not count the soma.
            rows = mine.iloc[own.iloc[section.id + 1].points]
            assert np.array_equal(rows[["x", "y", "z"]].to_numpy(), section.points)
            assert np.array_equal(rows.diameter, section.diameters)
            assert np.array_equal(rows.perimeter, section.perimeters)
            assert (rows.type == int(section.type)).all()
        inside = reticulum[reticulum.morphology == name]
        stored = read.endoplasmic_reticulum
        assert inside.volume.tolist() == list(stored.volumes) and inside.section_id.tolist() == list(
            stored.section_indices
        )


@pytest.mark.parametrize("name", ["expected", "rebuilt"])
def test_what_archngv_would_write_opens_in_libsonata_and_bluepysnap(
    lake: Any, sources: dict[str, Path], tmp_path: Path, name: str
) -> None:
    libsonata, snap = pytest.importorskip("libsonata"), pytest.importorskip("bluepysnap")
    morphio = pytest.importorskip("morphio")
    export_ngv(lake.head, tmp_path / "out", name=name, dialect="archngv")
    config = libsonata.CircuitConfig.from_file(tmp_path / "out/ngv_config.json")
    assert config.node_populations == {"All", "astrocytes", "vasculature"}
    assert {"gliovascular", "neuroglial"} <= config.edge_populations
    circuit = snap.Circuit(str(tmp_path / "out/ngv_config.json"))
    source = sources[name]
    for population in ("astrocytes", "vasculature"):
        same(
            config.node_population(population),
            source / f"sonata/networks/nodes/{population}/nodes.h5",
            "nodes",
        )
    for population in ("gliovascular", "neuroglial"):
        same(
            config.edge_population(population),
            source / f"sonata/networks/edges/{population}/edges.h5",
            "edges",
        )
        edges = circuit.edges[population]
        assert edges.size == config.edge_population(population).size > 0
    cells = circuit.nodes["astrocytes"].get()
    assert len(cells) == 5
    for shape in cells.morphology:
        one, other = (
            morphio.Morphology(str(folder / f"morphologies/{shape}.h5"))
            for folder in (tmp_path / "out", source)
        )
        assert np.array_equal(one.points, other.points) and np.array_equal(one.perimeters, other.perimeters)
        assert np.array_equal(one.section_offsets, other.section_offsets)
    feet = libsonata.Selection([0, 1])
    assert len(config.edge_population("gliovascular").source_nodes(feet)) == 2


def same(population: Any, path: Path, kind: str) -> None:
    """Compare what libsonata reads of a population with the file that it came from."""
    import libsonata

    storage = (libsonata.NodeStorage if kind == "nodes" else libsonata.EdgeStorage)(path)
    other = storage.open_population(population.name)
    everything = other.select_all()
    assert (
        population.attribute_names | population.enumeration_names
        == other.attribute_names | other.enumeration_names
    )
    for name in other.attribute_names:
        one, two = (each.get_attribute(name, everything) for each in (population, other))
        assert np.array_equal(one, two), name
    if kind == "edges":
        for name in ("source_nodes", "target_nodes"):
            assert np.array_equal(getattr(population, name)(everything), getattr(other, name)(everything))
        cell = int(other.target_nodes(libsonata.Selection([0]))[0])
        assert population.afferent_edges(cell) == other.afferent_edges(cell)


def test_neurons_of_another_circuit(ngv_data: Path, sources: dict[str, Path], tmp_path: Path) -> None:
    """A configuration whose neurons have gone elsewhere is taken where the lake has them."""
    shutil.copytree(ngv_data / "rebuilt_3.3.0", tmp_path / "circuit/build")
    lake = nl.create(tmp_path / "lake", durable=False)
    config = tmp_path / "circuit/build/ngv_config.json"
    with pytest.raises(
        IngestError, match=r"networks\.nodes\[0\]\.nodes_file names .*which is missing.*neurons="
    ):
        ingest_ngv(lake, config, name="glia")
    assert [*lake.head] == []
    ingest_ngv(lake, sources["inputs"] / "circuit", name="neurons")
    report = ingest_ngv(lake, config, name="glia", neurons="neurons", on_error="skip")
    told = [str(error) for _, error in report.failures]
    assert len(told) == 3 and all(
        any(key in text for text in told) for key in ("glialglial", "vasculature_file", "mesh")
    )
    rows = lake[glia.PARTS.of(circuit="glia")].to_arrow().to_pylist()
    parts = {row["part"]: row["node"] for row in rows}
    assert parts["neurons"] == circuits.NODES.of(circuit="neurons", population="All")
    assert parts["synapses"] == circuits.EDGES.of(circuit="neurons", population="All")
    assert parts["neuroglial"] == glia.NEUROGLIAL.of(circuit="glia")
    assert not any(name.startswith("nodes/glia/All") for name in lake.head)


def test_endfeet_have_the_meshes_of_their_file(lake: Any, ngv_data: Path) -> None:
    nodes = [
        kind.of(circuit="expected", mesh="endfeet") for kind in (glia.MESH_POINTS, glia.MESH_POINT_OFFSETS)
    ]
    points = read_ragged(lake.head.arrays, (nodes[0], nodes[1]))
    with h5py.File(ngv_data / "functional_expected/endfeet_meshes.h5") as file:
        bounds = file["offsets/points"][...]
        for foot in range(len(points)):
            assert np.array_equal(points[foot], file["data/points"][bounds[foot] : bounds[foot + 1]])
        areas = file["data/surface_area"][...]
    rows = lake[glia.ENDFEET.of(circuit="expected")].to_arrow()
    assert rows["surface_area"].to_numpy().tolist() == areas.tolist() and len(rows) == 9


def test_the_atlas_and_its_regions(lake: Any) -> None:
    regions = lake[glia.REGIONS.of(circuit="inputs")].to_arrow().to_pylist()
    assert [row["acronym"] for row in regions] == ["H", "L1", "L2", "L3", "L4", "L5", "L6"]
    assert [row["parent_id"] for row in regions] == [None, *[65535] * 6]
    voxels = lake[glia.VOXELS.of(circuit="inputs", volume="brain_regions")]
    assert voxels.shape == (10, 10, 10) and voxels.attrs["voxel_size"] == [7.0, 7.0, 7.0]
    assert sorted(np.unique(voxels[...]).tolist()) == [1, 2, 3, 4, 5, 6]


def test_sql_reaches_from_vessels_to_neurons(lake: Any) -> None:
    rows = lake.sql(
        f"""select count(*) as n, count(distinct v.section_id) as sections
        from "{glia.GLIOVASCULAR.of(circuit="expected")}" e
        join "{glia.VASCULATURE.of(circuit="expected")}" v on v.node_id = e.source_node_id
        join "{glia.DOMAINS.of(circuit="expected", population="astrocytes")}" d on d.node_id = e.target_node_id
        where e.vasculature_section_id = v.section_id and e.vasculature_segment_id = v.segment_id"""
    ).df()
    assert rows.n[0] == 9
