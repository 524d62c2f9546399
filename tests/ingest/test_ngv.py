"""A small circuit of glia that is made here: in and out, in old layouts too, in parts, and again."""

import gzip
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from lake_vocabulary import strangers
from ngv_files import (
    AREAS,
    CORNERS,
    FACES,
    domains,
    endfeet,
    segments,
    vessel_points,
    write_circuit,
    write_grouped,
    write_nodes,
    write_nrrd,
    write_shape,
    write_touches,
    write_vessels,
)
from sonata_files import contents
from typer.testing import CliRunner

import neurolake as nl
from neurolake.catalog.vocabulary import circuits, glia
from neurolake.cli import app
from neurolake.ingest.ngv.export import export_ngv
from neurolake.ingest.ngv.ingest import ingest_ngv
from neurolake.ingest.spatial.nrrd import nrrd_bytes, read_nrrd
from neurolake.ingest.spatial.obj import obj_text, read_obj
from neurolake.ingest.spatial.vtk import read_vtk, vtk_text
from neurolake.lake.data.ragged import read_ragged
from neurolake.lake.errors import IngestError, InputError, NotFoundError

CELLS = {"circuit": "c", "population": "astrocytes"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_circuit(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def lake(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The circuit, of its configuration and its atlas."""
    made = nl.create(tmp_path_factory.mktemp("ngv") / "lake", durable=False)
    report = ingest_ngv(made, [config, config.parents[1] / "atlas"], name="c")
    assert report.complete and report.notices == []
    return made


def new_lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


def rows(lake: Any, kind: Any, **parts: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake[kind.of(**{"circuit": "c", **parts})].to_arrow().to_pylist()
    return found


def equal_files(one: Path, other: Path) -> list[str]:
    """Paths of the files of two folders, after a look whether they hold the same."""
    names = [
        sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())
        for top in (one, other)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if name.endswith(".h5"):
            assert contents(one / name) == contents(other / name), name
        elif name.endswith(".nrrd"):
            first, second = read_nrrd(one / name), read_nrrd(other / name)
            assert np.array_equal(first.values, second.values) and first.header == second.header
        elif name.endswith(".obj"):
            first_mesh, second_mesh = read_obj(one / name), read_obj(other / name)
            for a, b in zip(first_mesh[:2], second_mesh[:2], strict=True):
                assert np.array_equal(a.values, b.values)
        else:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return names[0]


# In and out


def test_everything_comes_out_as_it_went_in(lake: Any, config: Path, tmp_path: Path) -> None:
    export_ngv(lake.head, tmp_path / "out", name="c")
    assert len(equal_files(config.parents[1], tmp_path / "out")) == 25


def test_the_lake_holds_what_the_vocabulary_says(lake: Any) -> None:
    assert list(strangers(lake)) == []
    field = lake[glia.VASCULATURE.of(circuit="c")].schema().field("type")
    assert b"1 vein" in field.metadata[b"meaning"]


def test_parts_are_told(lake: Any) -> None:
    assert {row["part"]: row["node"] for row in rows(lake, glia.PARTS)} == {
        "neurons": "nodes/c/All",
        "synapses": "edges/c/All",
        "astrocytes": "nodes/c/astrocytes",
        "vasculature": "nodes/c/vasculature",
        "gliovascular": "edges/c/gliovascular",
        "neuroglial": "edges/c/neuroglial",
        "glialglial": "edges/c/glialglial",
        "domains": "domains/c/astrocytes",
        "endfeet": "meshes/c/endfeet",
        "vessel_mesh": "meshes/c/vessels",
        "morphologies": "morphologies/c.points",
        "atlas": "atlas/c",
    }
    (circuit,) = lake[circuits.CIRCUITS.name].to_arrow().to_pylist()
    assert circuit["format"] == "ngv" and circuit["populations"] == ["All", "astrocytes", "vasculature"]
    assert json.loads(lake.head.files[circuit["configuration"]])["metadata"] == {"status": "partial"}


def test_what_intermediate_files_say_is_stored_once(lake: Any) -> None:
    assert not any(name.startswith(glia.STAGES.folder) for name in lake.head)
    layout = lake[glia.NGV_LAYOUT.of(circuit="c")].to_arrow().to_pylist()
    nodes = {row["node"] for row in layout if row["file"].startswith("build/sonata.tmp") and row["node"]}
    assert nodes == {"nodes/c/astrocytes", "edges/c/gliovascular", "edges/c/neuroglial"}


def test_domains(lake: Any) -> None:
    table = rows(lake, glia.DOMAINS, population="astrocytes")
    assert [row["volume"] for row in table] == pytest.approx([12**3 / 6] * 3)
    assert [row["area"] for row in table] == pytest.approx([144 * (1.5 + np.sqrt(3) / 2)] * 3)
    assert [row["scale"] for row in table] == [1.1, 1.2, 1.3] and [row["faces"] for row in table] == [4] * 3
    assert [row["boundary"] for row in table] == [True] * 3 and table[1]["min_x"] == 12
    faces = rows(lake, glia.DOMAIN_FACES, population="astrocytes")
    assert [row["neighbour"] for row in faces] == np.concatenate(domains()["neighbors"]).tolist()
    names = [kind.of(**CELLS) for kind in (glia.DOMAIN_TRIANGLES, glia.DOMAIN_TRIANGLE_OFFSETS)]
    assert np.array_equal(read_ragged(lake.head.arrays, (names[0], names[1]))[2], FACES)


def test_endfeet(lake: Any) -> None:
    table = rows(lake, glia.ENDFEET)
    assert [row["triangles"] for row in table] == [1, 0] and table[0]["surface_area"] == 4.5
    names = [kind.of(circuit="c", mesh="endfeet") for kind in (glia.MESH_POINTS, glia.MESH_POINT_OFFSETS)]
    points = read_ragged(lake.head.arrays, (names[0], names[1]))
    assert np.array_equal(points[0], CORNERS[:3] / 4) and len(points[1]) == 0


def test_vessels(lake: Any) -> None:
    points = rows(lake, glia.VESSEL_POINTS)
    assert [row["x"] for row in points] == [0, 4, 8, 12, 12, 16] and points[2]["diameter"] == 3
    sections = rows(lake, glia.VESSEL_SECTIONS)
    assert [row["segments"] for row in sections] == [2, 1, 2]
    assert [row["length"] for row in sections] == pytest.approx([8, np.sqrt(32), np.sqrt(32) + 4])
    # A cylinder of diameter 4, and a cone from there to diameter 3.
    cone = np.pi * 4 * (4 + 3 + 2.25) / 3
    assert sections[0]["volume"] == pytest.approx(np.pi * 4 * 4 + cone)
    assert sections[0]["area"] == pytest.approx(np.pi * 4 * 4 + np.pi * 3.5 * np.hypot(4, 0.5))
    assert [(row["parent_id"], row["child_id"]) for row in rows(lake, glia.VESSEL_LINKS)] == [(0, 1), (0, 2)]


def test_shapes(lake: Any) -> None:
    names = [f"GLIA_{cell:013}" for cell in range(3)]
    points = lake[circuits.POINTS.of(circuit="c")].to_arrow().to_pandas()
    assert points.morphology.unique().tolist() == names
    one = points[points.morphology == names[1]]
    assert one.parent_id.tolist() == [-1, 0, 1, 2, 3, 2, 5, 0, 7]
    assert (
        one.type.tolist() == [1, 2, 2, 2, 2, 2, 2, 3, 3]
        and one.perimeter.tolist() == (one.diameter * 3).tolist()
    )
    sections = lake[circuits.SECTIONS.of(circuit="c")].to_arrow().to_pandas()
    assert [list(each) for each in sections[sections.morphology == names[1]].points] == [
        [0],
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
    ]
    assert [row["section_id"] for row in rows(lake, glia.RETICULUM)] == [1, 3] * 3


def test_space(lake: Any) -> None:
    voxels = lake[glia.VOXELS.of(circuit="c", volume="[density]astrocytes")]
    assert voxels.attrs["voxel_size"] == [10, 10, 10] and voxels.attrs["offset"] == [-5, 0, 2.5]
    assert np.array_equal(voxels[...], np.arange(24, dtype="f4").reshape(2, 3, 4))
    assert [(row["acronym"], row["parent_id"], row["depth"]) for row in rows(lake, glia.REGIONS)] == [
        ("root", None, 0),
        ("L1", 1, 1),
    ]
    (mesh,) = rows(lake, glia.MESHES, mesh="vessels")
    assert (mesh["points"], mesh["triangles"]) == (4, 2) and mesh["area"] == pytest.approx(
        1.5 * 2.25 / 2 + 0.75
    )


def test_again_and_more(config: Path, tmp_path: Path) -> None:
    """What is there stays, and what is new is added; a file that says otherwise is refused."""
    lake, build = new_lake(tmp_path), config.parent
    first = ingest_ngv(lake, build / "sonata.tmp/nodes/glia.somata.h5", name="c")
    assert first.added == ["glia.somata.h5"]
    assert "model_template" not in lake[glia.ASTROCYTES.of(circuit="c")].columns
    more = ingest_ngv(lake, build, name="c")
    assert more.complete and more.unchanged == ["build/sonata.tmp/nodes/glia.somata.h5"]
    assert set(lake[glia.ASTROCYTES.of(circuit="c")].to_arrow()["model_template"].to_pylist()) == {
        "hoc:astrocyte"
    }
    assert ingest_ngv(lake, build, name="c").commit is None
    other = write_nodes(tmp_path / "other.h5", "astrocytes", {axis: np.zeros(3) for axis in "xyz"}, {})
    before = lake.head.commit.id
    with pytest.raises(IngestError, match="x, y, z differ from those of 'nodes/c/astrocytes'"):
        ingest_ngv(lake, other, name="c")
    with pytest.raises(IngestError, match="has a node 'domains/c/astrocytes' already, of another file"):
        ingest_ngv(lake, write_grouped(tmp_path / "microdomains.h5", domains(), {}), name="c")
    assert lake.head.commit.id == before


def test_an_intermediate_file_that_says_otherwise_is_kept_apart(config: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    shutil.copytree(config.parent / "sonata.tmp", build / "sonata.tmp")
    shutil.copytree(config.parent / "sonata", build / "sonata")
    with h5py.File(build / "sonata.tmp/nodes/glia.somata.h5", "r+") as file:
        file["nodes/astrocytes/0/radius"][0] = 99
    lake = new_lake(tmp_path)
    ingest_ngv(lake, build, name="c")
    assert [row["radius"] for row in rows(lake, glia.STAGES, stage="glia.somata")] == [99, 5.5, 6]
    assert [row["radius"] for row in rows(lake, glia.ASTROCYTES)] == [5, 5.5, 6]
    export_ngv(lake.head, tmp_path / "out")
    assert len(equal_files(build, tmp_path / "out")) == 9


def test_only_parts_are_written(lake: Any, tmp_path: Path) -> None:
    export_ngv(lake.head, tmp_path / "source", name="c", only=["domains", "morphologies"])
    found = sorted(path.name for path in (tmp_path / "source").rglob("*.h5"))
    assert found == [*(f"GLIA_{cell:013}.h5" for cell in range(3)), "microdomains.h5"]
    export_ngv(lake.head, tmp_path / "standard", name="c", only=["domains", "neurons"], dialect="archngv")
    found = sorted(
        str(path.relative_to(tmp_path / "standard")) for path in (tmp_path / "standard").rglob("*.h5")
    )
    assert found == ["circuit/edges.h5", "circuit/nodes.h5", "microdomains.h5"]
    with pytest.raises(InputError, match="there is no part 'domain'"):
        export_ngv(lake.head, tmp_path / "none", name="c", only=["domain"])
    with pytest.raises(NotFoundError, match="no circuit 'd' of glia; there are: c"):
        export_ngv(lake.head, tmp_path / "none", name="d")
    with pytest.raises(InputError, match="not an empty folder"):
        export_ngv(lake.head, tmp_path / "source", name="c")


def test_the_standard_tree_is_ingested_again_to_the_same(lake: Any, tmp_path: Path) -> None:
    """Also that the configuration written names files that are there."""
    export_ngv(lake.head, tmp_path / "out", name="c", dialect="archngv")
    again = new_lake(tmp_path)
    report = ingest_ngv(again, tmp_path / "out/ngv_config.json", name="c")
    assert report.complete and report.notices == []
    for kind, parts in (
        (glia.DOMAINS, CELLS),
        (glia.DOMAIN_FACES, CELLS),
        (glia.ENDFEET, {"circuit": "c"}),
        (glia.VESSEL_SECTIONS, {"circuit": "c"}),
        (circuits.POINTS, {"circuit": "c"}),
        (circuits.SECTIONS, {"circuit": "c"}),
        (glia.RETICULUM, {"circuit": "c"}),
        (glia.NEUROGLIAL, {"circuit": "c"}),
        (glia.PARTS, {"circuit": "c"}),
    ):
        one, other = (each[kind.of(**parts)].to_arrow() for each in (lake, again))
        if kind is glia.PARTS:
            one = one.filter([part != "atlas" for part in one["part"].to_pylist()])
        names = [name for name in other.column_names if name != "edge_type_id"]
        assert one.select(names).equals(other.select(names)), kind.name


def test_from_the_command_line(config: Path, tmp_path: Path) -> None:
    runner, lake = CliRunner(), str(tmp_path / "lake")
    told = runner.invoke(app, ["ingest", str(config.parent), "--lake", lake, "--name", "c"])
    assert told.exit_code == 0, told.output
    assert "ngv_config.json, a circuit of neurons, glia and vessels" in told.output
    out = ["export", "ngv", str(tmp_path / "out"), "--lake", lake, "--only", "domains"]
    told = runner.invoke(app, out)
    assert told.exit_code == 0 and "Wrote 1 files" in told.output
    assert contents(tmp_path / "out/build/microdomains.h5") == contents(config.parent / "microdomains.h5")
    (config.parent.parent / "gone.json").write_text(
        config.read_text().replace("$BASE_DIR/sonata", "$BASE_DIR/nothing")
    )
    told = runner.invoke(app, ["ingest", "ngv", str(config.parent.parent / "gone.json"), "--lake", lake])
    assert (
        told.exit_code != 0
        and "nodes_file names" in str(told.exception)
        and "which is missing" in str(told.exception)
    )


# Old layouts


def test_domains_of_version_1(tmp_path: Path) -> None:
    """Two files, before and after domains were enlarged; offsets of a file in one dataset."""
    source, parts = tmp_path / "source", domains()
    source.mkdir()
    for name, scale in (("microdomains.h5", 1.0), ("overlapping_microdomains.h5", 1.25)):
        with h5py.File(source / name, "w") as file:
            for part, pieces in parts.items():
                scaled = [(p - p.mean(0)) * scale + p.mean(0) if part == "points" else p for p in pieces]
                file[f"data/{part}"] = np.concatenate(scaled).astype(pieces[0].dtype)
            file["offsets"] = np.stack(
                [np.cumsum([0, *map(len, pieces)]) for pieces in parts.values()], axis=1
            )
    lake = new_lake(tmp_path)
    ingest_ngv(lake, source, name="c", message="old")
    assert [
        row["volume"] for row in rows(lake, glia.DOMAINS, population="astrocytes.regular")
    ] == pytest.approx([288] * 3)
    large = rows(lake, glia.DOMAINS, population="astrocytes")
    assert [row["volume"] for row in large] == pytest.approx([288 * 1.25**3] * 3)
    assert [row["scale"] for row in large] == pytest.approx([1.25] * 3)
    export_ngv(lake.head, tmp_path / "out")
    assert len(equal_files(source, tmp_path / "out")) == 2
    export_ngv(lake.head, tmp_path / "new", dialect="archngv")
    with h5py.File(tmp_path / "new/microdomains.h5") as file:
        assert sorted(file["offsets"]) == ["neighbors", "points", "triangle_data"]
        assert file["data/scaling_factors"][...] == pytest.approx([1.25] * 3)


def test_endfeet_of_version_1(tmp_path: Path) -> None:
    source, parts = tmp_path / "source", endfeet()
    source.mkdir()
    with h5py.File(source / "endfeet_areas.h5", "w") as file:
        for name, values in AREAS.items():
            file[f"attributes/{name}"] = values
        for foot in range(2):
            for part, pieces in parts.items():
                file[f"objects/endfoot_{foot}/{part}"] = pieces[foot]
    lake = new_lake(tmp_path)
    ingest_ngv(lake, source, name="c")
    assert [row["triangles"] for row in rows(lake, glia.ENDFEET)] == [1, 0]
    export_ngv(lake.head, tmp_path / "out")
    assert equal_files(source, tmp_path / "out") == ["endfeet_areas.h5"]
    export_ngv(lake.head, tmp_path / "new", dialect="archngv")
    write_grouped(tmp_path / "wanted.h5", parts, AREAS)
    assert contents(tmp_path / "new/endfeet_meshes.h5") == contents(tmp_path / "wanted.h5")


def test_placement_of_early_versions(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with h5py.File(tmp_path / "source/cell_data.h5", "w") as file:
        file["cell_ids"], file["positions"] = np.arange(3), np.arange(9.0).reshape(3, 3)
        file["radii"] = np.array([5.0, 6.0, 7.0])
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "source", name="c")
    assert [(row["y"], row["radius"]) for row in rows(lake, glia.ASTROCYTES)] == [(1, 5), (4, 6), (7, 7)]
    export_ngv(lake.head, tmp_path / "out")
    assert equal_files(tmp_path / "source", tmp_path / "out") == ["cell_data.h5"]


# Vessels


def same_segments(lake: Any) -> None:
    table = lake[glia.VASCULATURE.of(circuit="c")].to_arrow()
    for name, values in segments().items():
        assert table[name].to_numpy().tolist() == values.tolist(), name


def test_vessels_as_sections_and_back(tmp_path: Path) -> None:
    write_vessels(tmp_path / "source/vasculature.h5")
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "source", name="c")
    same_segments(lake)
    export_ngv(lake.head, tmp_path / "out")
    equal_files(tmp_path / "source", tmp_path / "out")
    layout = lake[glia.NGV_LAYOUT.of(circuit="c")].to_arrow().to_pylist()
    assert [row["value"] for row in layout if row["node"]] == [None] * 3


def test_sections_that_segments_do_not_give_back_are_kept(tmp_path: Path) -> None:
    points, structure, links = vessel_points()
    points[3, 3] = 2.5  # the same place with another diameter
    (tmp_path / "source").mkdir()
    with h5py.File(tmp_path / "source/vasculature.h5", "w") as file:
        file["points"], file["structure"], file["connectivity"] = points, structure, links[:1]
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "source", name="c")
    same_segments(lake)
    export_ngv(lake.head, tmp_path / "out")
    equal_files(tmp_path / "source", tmp_path / "out")


def graph_of_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = segments()
    ends = np.stack([columns["start_node"], columns["end_node"]], axis=1).astype("i8")
    points = np.zeros((6, 4), "f4")
    for at, end in enumerate(("start", "end")):
        for axis, name in enumerate(("x", "y", "z", "diameter")):
            points[ends[:, at], axis] = columns[f"{end}_{name}"]
    return points[:, :3], points[:, 3], ends


def test_vessels_as_a_graph_of_points(tmp_path: Path) -> None:
    places, thick, ends = graph_of_points()
    (tmp_path / "source").mkdir()
    with h5py.File(tmp_path / "source/graph.h5", "w") as file:
        file["points"], file["edges"], file["point_properties/diameter"] = places, ends, thick
        for name in ("type", "section_id", "segment_id"):
            file[f"edge_properties/{name}"] = segments()[name].astype("i4")
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "source", name="c")
    same_segments(lake)
    export_ngv(lake.head, tmp_path / "out")
    equal_files(tmp_path / "source", tmp_path / "out")


def vtk_bytes(places: np.ndarray, thick: np.ndarray, ends: np.ndarray, *, binary: bool) -> bytes:
    """A file as VTK 9 writes it, with a field of a name and metadata."""
    lines = np.column_stack([np.full(len(ends), 2), ends])

    def block(values: np.ndarray, kind: str) -> bytes:
        if binary:
            return values.astype(f">{kind}").tobytes() + b"\n"
        return (" ".join(map(str, values.reshape(-1).tolist())) + "\n").encode()

    parts = [
        b"# vtk DataFile Version 3.0\nvtk output\n",
        b"BINARY\n" if binary else b"ASCII\n",
        b"DATASET POLYDATA\n",
    ]
    parts += [b"POINTS 6 float\n", block(places, "f4"), b"METADATA\nINFORMATION 0\n\n"]
    parts += [b"LINES 5 15\n", block(lines, "i4"), b"CELL_DATA 5\nFIELD FieldData 2\ntype 1 5 int\n"]
    parts += [
        block(segments()["type"], "i4"),
        b"section_id 1 5 vtktypeint64\n",
        block(segments()["section_id"], "i8"),
    ]
    parts += [b"SCALARS segment_id int\nLOOKUP_TABLE default\n", block(segments()["segment_id"], "i4")]
    parts += [b"POINT_DATA 6\nSCALARS diameter float 1\nLOOKUP_TABLE default\n", block(thick, "f4")]
    return b"".join(parts)


@pytest.mark.parametrize("binary", [False, True])
def test_vessels_as_polydata(tmp_path: Path, binary: bool) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/graph.vtk").write_bytes(vtk_bytes(*graph_of_points(), binary=binary))
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "source", name="c")
    same_segments(lake)
    export_ngv(lake.head, tmp_path / "out")
    equal_files(tmp_path / "source", tmp_path / "out")


def test_vessels_are_converted(lake: Any, tmp_path: Path) -> None:
    """Each format that is written of the same vessels is read as them again."""
    parts = ["vessels", "graph", "vtk"]
    export_ngv(lake.head, tmp_path / "out", name="c", dialect="archngv", only=parts)
    files = {"vasculature.h5", "vasculature.graph.h5", "vasculature.vtk"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    for name in files:
        again = nl.create(tmp_path / f"lake of {name}", durable=False)
        ingest_ngv(again, tmp_path / "out" / name, name="c")
        same_segments(again)
    assert contents(tmp_path / "out/vasculature.h5") == contents(write_vessels(tmp_path / "wanted.h5"))


def test_the_files_that_came_in_open_in_others(config: Path, lake: Any, tmp_path: Path) -> None:
    libsonata, snap = pytest.importorskip("libsonata"), pytest.importorskip("bluepysnap")
    export_ngv(lake.head, tmp_path / "out", name="c")
    path = tmp_path / "out" / config.relative_to(config.parents[1])
    circuit = snap.Circuit(str(path))
    assert len(circuit.nodes["astrocytes"].get()) == 3 and circuit.edges["neuroglial"].size == 4
    opened = libsonata.CircuitConfig.from_file(path)
    edges = opened.edge_population("gliovascular")
    everything = edges.select_all()
    assert edges.source_nodes(everything).tolist() == [1, 3] and edges.afferent_edges(
        2
    ).flatten().tolist() == [1]
    assert edges.get_attribute("endfoot_id", everything).tolist() == [0, 1]


def test_polydata_are_written(tmp_path: Path) -> None:
    places, thick, ends = graph_of_points()
    kinds = {name: segments()[name].astype("i4") for name in ("type", "section_id")}
    (tmp_path / "out.vtk").write_text("".join(vtk_text(places / 3, ends, {"diameter": thick}, kinds)))
    read = read_vtk(tmp_path / "out.vtk")
    assert np.array_equal(read.points, places / np.float32(3)) and np.array_equal(read.lines, ends)
    assert np.array_equal(read.of_points["diameter"], thick)
    assert read.of_lines["section_id"].tolist() == kinds["section_id"].tolist()


# Touches, volumes, meshes


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("version", ["3.1", "4.99.2", "5.4.0"])
def test_touches_of_all_ages_and_orders_of_bytes(tmp_path: Path, version: str, swapped: bool) -> None:
    records = write_touches(tmp_path / "touches", version, swapped=swapped, number=7)
    lake = new_lake(tmp_path)
    ingest_ngv(lake, tmp_path / "touches", name="c")
    table = lake[glia.TOUCHES.of(circuit="c", touches="7")].to_arrow()
    assert table["post_section_id"].to_pylist() == records["post_ids"][:, 1].tolist()
    assert table["pre_segment_offset"].to_pylist() == records["distances"][:, 1].tolist()
    assert ("branch_type" in table.column_names) == (version > "4")
    if version > "5":
        assert table["post_z_surface"].to_pylist() == records["post_position_surface"][:, 2].tolist()
    cells = rows(lake, glia.TOUCH_CELLS, touches="7")
    assert [row["count"] for row in cells] == [1, 0, 3] and cells[2]["offset"] == records.dtype.itemsize
    export_ngv(lake.head, tmp_path / "out")
    assert equal_files(tmp_path / "touches", tmp_path / "out") == ["touches.7", "touchesData.7"]
    assert list(strangers(lake)) == []


def test_volumes_of_other_kinds(tmp_path: Path) -> None:
    """Big ends first, spacings, user's fields, several values of a voxel, several members of gzip."""
    path, values = tmp_path / "v.nrrd", np.arange(48, dtype=">u2").reshape(2, 2, 3, 4)
    head = (
        "NRRD0005\r\ntype: unsigned short\r\ndimension: 4\r\nsizes: 2 2 3 4\r\nspacings: nan 1 2 3.5\r\n"
        "endian: big\r\nencoding: gz\r\nmade by:=a test\r\n\r\n"
    )
    raw = values.tobytes(order="F")
    path.write_bytes(head.encode() + gzip.compress(raw[:50]) + gzip.compress(raw[50:]))
    read = read_nrrd(path)
    assert np.array_equal(read.values, values) and read.values.dtype == np.dtype("u2")
    assert read.voxel_size == (1, 2, 3.5) and read.header["made by:="] == "a test"
    (tmp_path / "again.nrrd").write_bytes(nrrd_bytes(read))
    again = read_nrrd(tmp_path / "again.nrrd")
    assert np.array_equal(again.values, values) and again.header["made by:="] == "a test"
    lake = new_lake(tmp_path)
    ingest_ngv(lake, path, name="c")
    assert lake[glia.VOXEL_VECTORS.of(circuit="c", volume="v")].metadata.dimension_names == (
        "component",
        "x",
        "y",
        "z",
    )
    plain = read_nrrd(write_nrrd(tmp_path / "p.nrrd", np.zeros((1, 2, 3), "f4"), encoding="raw"))
    assert plain.values.shape == (1, 2, 3) and plain.offset == (-5, 0, 2.5)


def test_meshes_with_all_that_obj_has(tmp_path: Path) -> None:
    path = tmp_path / "m.obj"
    path.write_text(
        "mtllib m.mtl\no thing\nv 0 0 0 1 1 1\nv 1e-3 0 0\nv 0 2.123456789 0\nv 0 0 3\nvn 0 0 1\nvt 0 1\n"
        "g part\nusemtl a\ns off\nf 1/1/1 2/1/1 3/1/1 4/1/1\nf -1 -2 -3\n"
    )
    points, triangles, notices = read_obj(path)
    assert triangles.values.tolist() == [[0, 1, 2], [0, 2, 3], [3, 2, 1]] and len(notices) == 2
    assert points[0][2].tolist() == [0, 2.123456789, 0]
    (tmp_path / "again.obj").write_text("".join(obj_text(points.values, triangles.values)))
    again = read_obj(tmp_path / "again.obj")
    assert np.array_equal(again[0].values, points.values) and np.array_equal(
        again[1].values, triangles.values
    )


def test_shapes_of_later_ingests_go_between(tmp_path: Path) -> None:
    lake, source = new_lake(tmp_path), tmp_path / "source"
    for cell in (1, 0, 2):
        write_shape(source / f"{cell}/morphologies/GLIA_{cell}.h5", cell)
        ingest_ngv(lake, source / str(cell), name="c")
    names = lake[circuits.POINTS.of(circuit="c")].to_arrow()["morphology"].to_pylist()
    assert names == sorted(names) and len(set(names)) == 3
    (tmp_path / "copy").mkdir()
    write_shape(tmp_path / "copy/GLIA_1.h5", 9)
    with pytest.raises(IngestError, match="has a shape 'GLIA_1' already"):
        ingest_ngv(lake, tmp_path / "copy/GLIA_1.h5", name="c")
    export_ngv(lake.head, tmp_path / "out")
    for cell in range(3):
        found = tmp_path / f"out/morphologies/GLIA_{cell}.h5"
        assert contents(found) == contents(source / f"{cell}/morphologies/GLIA_{cell}.h5")


def test_the_guide(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and code of the chapters on what goes in and out."""
    page = (Path(__file__).parents[2] / "docs/ngv.md").read_text(encoding="utf-8")
    chapter = page.split("\n## In and out\n")[1].split("\n## Questions in SQL\n")[0]
    for folder in ("build", "atlas", "circuit"):
        shutil.copytree(config.parents[1] / folder, tmp_path / folder)
    (tmp_path / "bioname").mkdir()
    (tmp_path / "bioname/MANIFEST.yaml").write_text("ngv:\n  common:\n    seed: 0\n")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL):
        exec(compile(code, "docs/ngv.md", "exec"), names)
    assert names["report"].complete and np.array_equal(names["points"][1], CORNERS + 12)
    for folder in ("my-lake", "copy", "standard"):
        shutil.rmtree(tmp_path / folder)
    (commands,) = re.findall(r"^```sh\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    runner = CliRunner()
    for line in commands.splitlines():
        told = runner.invoke(app, shlex.split(line)[1:])
        assert told.exit_code == 0, (line, told.output, told.exception)
    assert (tmp_path / "standard/ngv_config.json").is_file() and (
        tmp_path / "domains/build/microdomains.h5"
    ).is_file()
