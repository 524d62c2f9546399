"""Files of circuits of glia that are damaged or wrong: each is refused with file and place, and nothing of it is stored."""

import json
import random
import resource
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ngv_files import FACES, write_circuit, write_nrrd, write_touches

import neurolake as nl
from neurolake.ingest.ngv.ingest import ingest_ngv
from neurolake.lake.errors import IngestError

Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The HDF5 files of a circuit by what they are."""
    top = tmp_path_factory.mktemp("circuit")
    build = write_circuit(top).parent
    networks = build / "sonata/networks"
    with h5py.File(top / "graph.h5", "w") as file:
        file["points"], file["edges"] = np.zeros((3, 3), "f4"), np.array([[0, 1], [1, 2]])
        file["point_properties/diameter"] = np.ones(3, "f4")
        for name in ("type", "section_id", "segment_id"):
            file[f"edge_properties/{name}"] = np.arange(2, dtype="i4")
    with h5py.File(top / "cell_data.h5", "w") as file:
        file["cell_ids"], file["positions"], file["radii"] = np.arange(3), np.zeros((3, 3)), np.ones(3)
    with h5py.File(top / "endfeet_areas.h5", "w") as file:
        file["attributes/surface_area"] = np.ones(2, "f4")
        for foot in range(2):
            file[f"objects/endfoot_{foot}/points"] = np.zeros((3, 3), "f4")
            file[f"objects/endfoot_{foot}/triangles"] = np.array([[0, 1, 2]])
    return {
        "astrocytes": networks / "nodes/astrocytes/nodes.h5",
        "vasculature": networks / "nodes/vasculature/nodes.h5",
        **{
            name: networks / f"edges/{name}/edges.h5" for name in ("gliovascular", "neuroglial", "glialglial")
        },
        "domains": build / "microdomains.h5",
        "endfeet": build / "endfeet_meshes.h5",
        "shape": build / "morphologies/GLIA_0000000000000.h5",
        "vessels": top / "atlas/vasculature.h5",
        "graph": top / "graph.h5",
        "placement": top / "cell_data.h5",
        "endfeet_v1": top / "endfeet_areas.h5",
    }


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


def refused(lake: Any, path: Path, *, named: Path | None = None) -> str:
    """What the error of an ingest says, which leaves nothing behind and names the file."""
    before = lake.head.commit.id
    with pytest.raises(IngestError) as caught:
        ingest_ngv(lake, path, name="c")
    assert lake.head.commit.id == before and [*lake.head] == []
    assert caught.value.path == str(named or path) and str(named or path) in str(caught.value)
    return str(caught.value)


def changed(path: Path, folder: Path, change: Change) -> Path:
    """A copy of a file with a change."""
    folder.mkdir(exist_ok=True)
    copy = Path(shutil.copy(path, folder / path.name))
    with h5py.File(copy, "r+") as file:
        change(file)
    return copy


def replaced(name: str, values: Any, dtype: Any = None) -> Change:
    """A change that gives a dataset other values."""

    def change(file: Any) -> None:
        kind = file[name].dtype if dtype is None else dtype
        del file[name]
        file.create_dataset(name, data=np.asarray(values, kind))

    return change


def put(name: str, at: Any, value: Any) -> Change:
    """A change of one value."""

    def change(file: Any) -> None:
        file[name][at] = value

    return change


def linked(name: str, link: Any) -> Change:
    """A change of a group or dataset to a link."""

    def change(file: Any) -> None:
        del file[name]
        file[name] = link

    return change


# Single faults, with what is said of them

FOOT, ASTRO, VESSEL = "edges/gliovascular", "nodes/astrocytes", "nodes/vasculature"
CASES: dict[str, tuple[str, Change, str, str]] = {
    "offsets fall": (
        "domains",
        replaced("offsets/points", [0, 8, 4, 12]),
        "/offsets/points",
        "offset 4 at position 2 is less",
    ),
    "offsets begin late": (
        "domains",
        put("offsets/triangle_data", 0, 1),
        "/offsets/triangle_data",
        "they go from 1 to 12",
    ),
    "offsets end early": (
        "domains",
        put("offsets/neighbors", 3, 11),
        "/offsets/neighbors",
        "expected 0 to 12",
    ),
    "offsets are negative": (
        "domains",
        replaced("offsets/points", [0, -4, 4, 12]),
        "/offsets/points",
        "offset -4",
    ),
    "offsets of fewer cells": (
        "domains",
        replaced("offsets/points", [0, 12]),
        "/offsets",
        "have lengths 2, 4",
    ),
    "offsets are real": (
        "domains",
        replaced("offsets/points", [0, 4, 8, 12], "f8"),
        "/offsets/points",
        "whole numbers",
    ),
    "a corner beyond the points": (
        "domains",
        put("data/triangle_data", (5, 2), 4),
        "/data/triangle_data",
        "points 0 to 3",
    ),
    "a negative corner": (
        "domains",
        put("data/triangle_data", (5, 1), -1),
        "/data/triangle_data",
        "triangle [1, -1",
    ),
    "a negative face": (
        "domains",
        put("data/triangle_data", (0, 0), -2),
        "/data/triangle_data",
        "triangle [-2",
    ),
    "a point at no place": (
        "domains",
        put("data/points", (2, 1), np.nan),
        "/data/points",
        "a point at [0.0, nan",
    ),
    "a scale that is none": (
        "domains",
        put("data/scaling_factors", 1, np.inf),
        "/data/scaling_factors",
        "inf at position 1",
    ),
    "scales of other cells": (
        "domains",
        replaced("data/scaling_factors", [1.0]),
        "/data/scaling_factors",
        "shape is (1,)",
    ),
    "points of two axes": (
        "domains",
        replaced("data/points", np.zeros((12, 2))),
        "/data/points",
        "expected (None, 3)",
    ),
    "offsets of version 1, too few": (
        "domains",
        lambda file: (file.__delitem__("offsets"), file.__setitem__("offsets", np.zeros((4, 2), "i8"))),
        "/offsets",
        "expected (None, 3)",
    ),
    "an endfoot's corner beyond": ("endfeet", put("data/triangles", (0, 1), 3), "/data", "points 0 to 2"),
    "endfeet of two numbers": (
        "endfeet",
        replaced("offsets/triangles", [0, 1]),
        "/offsets",
        "different numbers",
    ),
    "areas of other endfeet": (
        "endfeet",
        replaced("data/surface_area", [1.0]),
        "/data/surface_area",
        "expected (2,)",
    ),
    "an endfoot of a strange name": (
        "endfeet_v1",
        lambda file: file.move("objects/endfoot_1", "objects/endfoot_7"),
        "/objects/endfoot_7",
        "endfoot_0 to endfoot_1",
    ),
    "an endfoot without points": (
        "endfeet_v1",
        lambda file: file.__delitem__("objects/endfoot_1/points"),
        "/objects/endfoot_1/points",
        "no such dataset",
    ),
    "sections begin late": (
        "shape",
        put("structure", (0, 0), 1),
        "/structure",
        "section 0 begins at point 1",
    ),
    "sections fall": ("shape", put("structure", (2, 0), 0), "/structure", "section 1 begins at point 1"),
    "a section beyond the points": ("shape", put("structure", (4, 0), 99), "/structure", "from 0 to 9"),
    "a parent beyond": ("shape", put("structure", (3, 2), 5), "/structure", "hangs on section 5 of 5"),
    "parents in a circle": ("shape", put("structure", (1, 2), 2), "/structure", "in a circle"),
    "a type that is none": ("shape", put("structure", (1, 1), 400), "/structure", "type 400"),
    "no sections": ("shape", replaced("structure", np.empty((0, 3))), "/structure", "no sections"),
    "a shape at no place": ("shape", put("points", (3, 0), np.inf), "/points", "point 3 is no place"),
    "perimeters of other points": (
        "shape",
        replaced("perimeters", [1.0, 2.0]),
        "/perimeters",
        "2 perimeters of 9 points",
    ),
    "reticulum of other sections": (
        "shape",
        replaced("organelles/endoplasmic_reticulum/volume", [1.0]),
        "/organelles/endoplasmic_reticulum/volume",
        "expected (2,)",
    ),
    "vessels begin late": (
        "vessels",
        put("structure", (0, 0), 1),
        "/structure",
        "section 0 begins at point 1",
    ),
    "a vessel of one point": (
        "vessels",
        put("structure", (1, 0), 1),
        "/structure",
        "section 0 begins at point 0",
    ),
    "a link of sections that are not": (
        "vessels",
        put("connectivity", (0, 1), 3),
        "/connectivity",
        "sections [0, 3] of 3",
    ),
    "a vessel at no place": ("vessels", put("points", (2, 2), np.nan), "/points", "point 2 is no place"),
    "a vessel's type beyond": (
        "vessels",
        put("structure", (0, 1), 2**40),
        "/structure",
        "type 1099511627776",
    ),
    "an edge of no point": ("graph", put("edges", (1, 1), 3), "edges", "edge 1 goes from 1 to 3 of 3 points"),
    "a point without an edge": (
        "graph",
        put("edges", (1, 1), 0),
        "edges",
        "no edge has point 2 of 3",
    ),
    "a section that is negative": ("graph", put("edge_properties/section_id", 0, -1), "section_id", "uint32"),
    "no properties": (
        "graph",
        lambda file: file.__delitem__("point_properties"),
        "/point_properties",
        "no such group",
    ),
    "segments of far points": (
        "vasculature",
        put(f"{VESSEL}/0/end_node", 4, 2**40),
        "/nodes/vasculature/0/start_node, end_node",
        "point 1099511627776 of 5 segments",
    ),
    "segments that skip a point": (
        "vasculature",
        put(f"{VESSEL}/0/end_node", 4, 6),
        "/nodes/vasculature/0/start_node, end_node",
        "no segment has point 5 of 7",
    ),
    "a segment at no place": (
        "vasculature",
        put(f"{VESSEL}/0/start_y", 1, np.nan),
        f"/{VESSEL}/0/start_y",
        "nan at position 1",
    ),
    "an astrocyte at no place": (
        "astrocytes",
        put(f"{ASTRO}/0/x", 2, np.inf),
        f"/{ASTRO}/0/x",
        "inf at position 2",
    ),
    "cells that are not numbered": ("placement", put("cell_ids", 1, 5), "/cell_ids", "not numbered 0, 1, 2"),
    "a cell at no place": (
        "placement",
        put("positions", (1, 0), np.nan),
        "/positions",
        "cell 1 is at no place",
    ),
    "an index beyond its edges": (
        "gliovascular",
        put(f"{FOOT}/indices/source_to_target/range_to_edge_id", (0, 1), 9),
        f"/{FOOT}/indices/source_to_target",
        "does not say what source_node_id says",
    ),
    "an index of other edges": (
        "gliovascular",
        replaced(f"{FOOT}/indices/target_to_source/range_to_edge_id", [[1, 2], [0, 1]]),
        f"/{FOOT}/indices/target_to_source",
        "does not say what target_node_id says",
    ),
    "an index that has an edge twice": (
        "gliovascular",
        replaced(f"{FOOT}/indices/target_to_source/range_to_edge_id", [[0, 1], [0, 1]]),
        f"/{FOOT}/indices/target_to_source",
        "does not say",
    ),
    "a link to another file": (
        "domains",
        linked("data/points", h5py.ExternalLink("/etc/passwd", "/")),
        "/data/points",
        "it leads to another file, /etc/passwd",
    ),
    "a group in another file": ("domains", linked("offsets", h5py.ExternalLink("x.h5", "/")), "/offsets", ""),
    "a soft link": (
        "shape",
        linked("perimeters", h5py.SoftLink("/points")),
        "/perimeters",
        "a link to /points",
    ),
    "a link to nowhere": (
        "endfeet",
        linked("data/surface_area", h5py.SoftLink("/gone")),
        "/data/surface_area",
        "a link to /gone",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_files(files: dict[str, Path], lake: Any, tmp_path: Path, case: str) -> None:
    name, change, place, reason = CASES[case]
    error = refused(lake, changed(files[name], tmp_path, change))
    assert place in error and reason in error, error


# Every dataset of every file

# Those that a file may lack: attributes that steps add, and what others tell as well.
MAY_LACK = (
    "edge_type_id", "indices/", "@library", "model_t", "mtype", "morphology", "radius", "astrocyte_", "endfoot_compartment",
    "section_type", "section_pos", "segment_offset", "scaling_factors", "surface_area", "surface_thickness", "perimeters",
    "cell_ids", "edge_properties",
)  # fmt: skip
# Attributes whose words stand for their numbers, and numbers that nobody reads.
MAY_BE_TEXT = ("@library",)


def datasets(path: Path) -> list[str]:
    """Names of the datasets of a file."""
    found: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def as_text(name: str) -> Change:
    """A change of numbers to words, or of words to numbers."""

    def change(file: Any) -> None:
        shape, words = file[name].shape, h5py.check_string_dtype(file[name].dtype) is not None
        del file[name]
        file.create_dataset(name, data=np.zeros(shape) if words else np.full(shape, b"word", "S4"))

    return change


def without_last(name: str) -> Change:
    """A change that cuts the last row off."""

    def change(file: Any) -> None:
        values, kind = file[name][:-1], file[name].dtype
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values, dtype=kind).attrs.update(attributes)

    return change


def huge(name: str) -> Change:
    """A change to a dataset of terabytes of which nothing is stored."""

    def change(file: Any) -> None:
        shape, kind = file[name].shape, file[name].dtype
        del file[name]
        file.create_dataset(name, (2**40 // max(1, shape[-1]), *shape[1:]), kind, chunks=(1024, *shape[1:]))

    return change


def as_group(name: str) -> Change:
    """A change of a dataset to a group of the same name."""

    def change(file: Any) -> None:
        del file[name]
        file.create_group(name)

    return change


def gone(name: str) -> Change:
    """A change that takes a dataset away."""

    def change(file: Any) -> None:
        del file[name]

    return change


SWEEPS: dict[str, tuple[Callable[[str], Change], tuple[str, ...]]] = {
    "gone": (gone, MAY_LACK),
    "a group": (as_group, MAY_LACK),
    "another type": (as_text, MAY_BE_TEXT),
    "too short": (
        without_last,
        (
            "@library",
            "connectivity",
            "structure",
            "vessels:points",
            "endfoot_0/tri",
            "endfoot_1/tri",
            "range_to",
            "node_id_to",
        ),
    ),
    "far too large": (huge, ()),
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_dataset(files: dict[str, Path], lake: Any, tmp_path: Path, sweep: str) -> None:
    """A dataset that lacks, or is of another type or shape, is named with its file; unless the file may lack it."""
    change, spared = SWEEPS[sweep]
    count = 0
    for what, path in files.items():
        for at, name in enumerate(datasets(path)):
            if any(part in f"{what}:{name}" for part in spared):
                continue
            error = refused(lake, changed(path, tmp_path / f"{what}{at}", change(name)))
            # Of two that do not fit together, either may be named.
            told = error.removeprefix(str(tmp_path))
            places = [f"/{each}" for each in datasets(path)] + [f"/{name.rpartition('/')[0]}:"]
            assert any(place in told for place in places) or "no file of a circuit" in told, error
            count += 1
    assert count >= 60, count


def test_files_cut_short_and_bytes_changed(files: dict[str, Path], tmp_path: Path) -> None:
    """Each is refused by its name, or is whole in the lake: HDF5's library may also end the process that reads it."""
    draw, folder = random.Random(15), tmp_path / "damaged"
    for at in range(100):
        path = draw.choice(sorted(files.values()))
        data = bytearray(path.read_bytes())
        if at % 2:
            data = data[: draw.randrange(len(data))]
        else:
            for _ in range(draw.choice([1, 8, 64])):
                data[draw.randrange(len(data))] = draw.randrange(256)
        place = folder / f"{at:03}" / path.name
        place.parent.mkdir(parents=True)
        place.write_bytes(data)
    script = """
        import sys
        from pathlib import Path
        import neurolake as nl
        from neurolake.ingest.ngv.ingest import ingest_ngv
        from neurolake.lake.errors import IngestError
        lake = nl.create(sys.argv[1], durable=False)
        for number, path in enumerate(sorted(Path(sys.argv[2]).rglob("*.h5"))):
            if number < int(sys.argv[3]):
                continue
            print(number, flush=True)
            before = lake.head.commit.id
            try:
                ingest_ngv(lake, path, name=f"c{number}")
                print("whole", flush=True)
            except IngestError as error:
                assert error.path == str(path) and lake.head.commit.id == before, error
                print("refused", flush=True)
        print("done", flush=True)
    """
    refusals, begin, ended = 0, 0, 0
    while ended < 5:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                textwrap.dedent(script),
                str(tmp_path / f"lake{begin}"),
                str(folder),
                str(begin),
            ],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30)),
        )
        lines = done.stdout.split()
        refusals += lines.count("refused")
        if lines and lines[-1] == "done":
            break
        # A signal is HDF5's; anything else would be an error of ours.
        assert done.returncode < 0, done.stderr[-2000:]
        begin, ended = int([line for line in lines if line.isdecimal()][-1]) + 1, ended + 1
    assert refusals >= 50 and ended < 5


# Other files

NRRD = {
    "not NRRD": (lambda text: b"XXXX" + text[4:], "NRRD000"),
    "no end of the header": (lambda text: text.split(b"\n\n")[0], "no empty line"),
    "no type": (lambda text: text.replace(b"type: int\n", b""), "no field 'type'"),
    "a strange type": (lambda text: text.replace(b"type: int", b"type: complex"), "'complex' are no numbers"),
    "no sizes": (lambda text: text.replace(b"sizes: 2 3 4\n", b""), "no field 'sizes'"),
    "sizes that are words": (lambda text: text.replace(b"2 3 4", b"2 x 4"), "no whole numbers"),
    "negative sizes": (lambda text: text.replace(b"2 3 4", b"2 -3 4"), "no whole numbers"),
    "no axis": (lambda text: text.replace(b"2 3 4", b"2 0 4"), "axes of lengths 2 0 4"),
    "other sizes": (lambda text: text.replace(b"2 3 4", b"2 3 5"), "sizes and type say 120"),
    "huge sizes": (lambda text: text.replace(b"2 3 4", b"200000 300000 400000"), "where the file has"),
    "longer than numbers": (lambda text: text.replace(b"2 3 4", b"2 3 " + b"9" * 30), "no whole numbers"),
    "two dimensions": (lambda text: text.replace(b"\ndimension: 3", b"\ndimension: 2"), "expected 2"),
    "another number of bytes": (
        lambda text: text.replace(b"type: int", b"type: double"),
        "sizes and type say 192",
    ),
    "no order of bytes": (lambda text: text.replace(b"endian: little\n", b""), "no field 'endian'"),
    "a strange order of bytes": (
        lambda text: text.replace(b"little", b"middle"),
        "'middle', expected little",
    ),
    "no encoding": (lambda text: text.replace(b"encoding: gzip\n", b""), "no field 'encoding'"),
    "a strange encoding": (lambda text: text.replace(b"gzip", b"bzip2"), "'bzip2', expected raw or gzip"),
    "raw that is packed": (lambda text: text.replace(b"encoding: gzip", b"encoding: raw"), "the data have"),
    "packed data cut short": (lambda text: text[:-10], "end too early"),
    "packed data that are none": (lambda text: text.split(b"\n\n")[0] + b"\n\nnothing", "no gzip"),
    "directions of words": (lambda text: text.replace(b"(10,0,0)", b"(ten,0,0)"), "'ten' is no number"),
    "directions of two": (lambda text: text.replace(b"(10,0,0)", b"(10,0)"), "no vector of three"),
    "two directions": (lambda text: text.replace(b"(10,0,0) ", b""), "2 of 3 axes"),
    "turned voxels": (lambda text: text.replace(b"(10,0,0)", b"(10,1,0)"), "not along x, y and z"),
    "negative voxels": (lambda text: text.replace(b"(10,0,0)", b"(-10,0,0)"), "voxels of edges"),
    "an origin that is none": (lambda text: text.replace(b"(-5,0,2.5)", b"(nan,0,2.5)"), "space origin"),
    "data elsewhere": (
        lambda text: text.replace(b"space origin", b"data file: x.raw\nspace origin"),
        "data file",
    ),
    "bytes to skip": (lambda text: text.replace(b"space origin", b"byte skip: 4\nspace origin"), "byte skip"),
    "a field twice": (
        lambda text: text.replace(b"space origin", b"type: int\nspace origin"),
        "'type' is there twice",
    ),
    "a line that is no field": (
        lambda text: text.replace(b"space origin", b"nonsense\nspace origin"),
        "'nonsense' is no field",
    ),
    "a header that is no ASCII": (lambda text: text.replace(b"# made", b"# m\xc3\xa4de"), "plain ASCII"),
}


@pytest.mark.parametrize("case", NRRD)
def test_wrong_volumes(lake: Any, tmp_path: Path, case: str) -> None:
    change, reason = NRRD[case]
    path = write_nrrd(tmp_path / "v.nrrd", np.arange(24, dtype="i4").reshape(2, 3, 4))
    path.write_bytes(change(path.read_bytes()))
    error = refused(lake, path)
    assert reason in error, error


def broken(text: str, keys: tuple[Any, ...], value: Any) -> str:
    """JSON with another value."""
    content = json.loads(text)
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return json.dumps(content)


NODES = ("networks", "nodes", 2)
CONFIGS: dict[str, tuple[Callable[[str], str], str]] = {
    "cut short": (lambda text: text[:-20], "no JSON"),
    "nothing": (lambda text: "", "no JSON"),
    "entries that are numbers": (lambda text: broken(text, (*NODES,), 3), "nodes[2] must be an object"),
    "a path that is a number": (
        lambda text: broken(text, (*NODES, "nodes_file"), 7),
        "must be a path, not 7",
    ),
    "a variable that is not": (
        lambda text: broken(text, (*NODES, "nodes_file"), "$GONE/x"),
        "the manifest has no $GONE",
    ),
    "variables in a circle": (
        lambda text: broken(text, ("manifest", "$BASE_DIR"), "$BASE_DIR/x"),
        "without end",
    ),
    "a manifest that is a list": (lambda text: broken(text, ("manifest",), []), ""),
    "a file that is not": (
        lambda text: broken(text, (*NODES, "nodes_file"), "gone.h5"),
        "gone.h5, which is missing",
    ),
    "domains that are not": (
        lambda text: broken(text, (*NODES, "populations", "astrocytes", "microdomains_file"), "gone.h5"),
        "populations.astrocytes.microdomains_file names",
    ),
    "a population that is a number": (
        lambda text: broken(text, (*NODES, "populations", "astrocytes"), 1),
        "populations.astrocytes must be an object",
    ),
    "edges that are text": (
        lambda text: broken(text, ("networks", "edges"), "x"),
        "networks.edges must be a list",
    ),
    "shapes that are a number": (
        lambda text: broken(
            text, (*NODES, "populations", "astrocytes", "alternate_morphologies"), {"h5v1": 3}
        ),
        "must be a path, not 3",
    ),
    "nested too deeply": (lambda text: "[" * 100_000, "cannot be read as JSON"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_wrong_configurations(lake: Any, tmp_path: Path, case: str) -> None:
    change, reason = CONFIGS[case]
    config = write_circuit(tmp_path / "circuit")
    config.write_text(change(config.read_text()))
    if case == "a manifest that is a list":
        # It is empty, as one that lacks; so its variables lack.
        reason = "manifest must be an object"
    error = refused(lake, config)
    assert reason in error, error


TEXTS: dict[str, tuple[str, str, str]] = {
    "regions without an id": ("h.json", '{"id": 1, "acronym": "a", "children": [{"acronym": "b"}]}', "not None, below region 1"),
    "a region twice": ("h.json", '{"id": 1, "acronym": "a", "children": [{"id": 1, "acronym": "b"}]}', "region 1 is there twice"),
    "children that are text": ("h.json", '{"id": 1, "acronym": "a", "children": "b"}', "a list, not 'b'"),
    "an acronym that is a number": ("h.json", '{"id": 1, "acronym": 5}', "acronym of region 1 is text"),
    "an id beyond numbers": ("h.json", '{"id": 99999999999999999999, "acronym": "a"}', "a whole number"),
    "JSON that is none": ("tns.json", '{"a": 1,}', "no JSON"),
    "YAML that is none": ("m.yaml", "a: [1, 2\nb: 3", "not YAML"),
    "YAML with a key twice": ("m.yaml", "a: 1\na: 2", "in line 1"),
    "YAML with a tag": ("m.yaml", "a: !!python/object/apply:os.system [ls]", "is not known"),
    "a bomb of YAML": ("m.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)), "values"),
    "a mesh without points": ("m.obj", "f 1 2 3\n", "there is no point"),
    "a face of no point": ("m.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "a point that is none of the 3"),
    "a face of point 0": ("m.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "a point that is none of the 3"),
    "a face of two": ("m.obj", "v 0 0 0\nv 1 0 0\nf 1 2\n", "at least three corners"),
    "a point of two": ("m.obj", "v 0 0\n", "three numbers"),
    "a point of words": ("m.obj", "v a b c\nf 1 1 1\n", "no number"),
    "a point at no place": ("m.obj", "v 0 nan 0\nf 1 1 1\n", "point 1 is no place"),
    "a line that is none": ("m.obj", "v 0 0 0\nhello\n", "'hello' begins no line"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_wrong_texts(lake: Any, tmp_path: Path, case: str) -> None:
    name, text, reason = TEXTS[case]
    path = tmp_path / name
    path.write_text(text)
    error = refused(lake, path)
    assert reason in error, error


VTK = (
    "# vtk DataFile Version 3.0\ntitle\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 0 0\n2 0 0\nLINES 2 6\n2 0 1\n2 1 2\n"
    "POINT_DATA 3\nSCALARS diameter float\nLOOKUP_TABLE default\n1 1 1\nCELL_DATA 2\nFIELD FieldData 1\ntype 1 2 int\n1 2\n"
)
POLYDATA: dict[str, tuple[str, str, str]] = {
    "not VTK": ("# vtk", "# xyz", "does not begin with"),
    "neither text nor binary": ("ASCII", "EBCDIC", "expected ASCII or BINARY"),
    "another dataset": ("POLYDATA", "STRUCTURED_GRID", "expected DATASET POLYDATA"),
    "points without number": ("POINTS 3", "POINTS x", "no number of things"),
    "points of words": ("POINTS 3 float", "POINTS 3 text", "values of type 'text'"),
    "a number that is none": ("2 0 0\n", "2 zero 0\n", "not float32"),
    "too many points": ("POINTS 3", "POINTS 4", "not float32"),
    "far too many points": ("POINTS 3", "POINTS 999999999999", "the file ends after"),
    "no lines": ("LINES 2 6\n2 0 1\n2 1 2\n", "", "CELL_DATA of 2, where there are 0"),
    "lines of three": ("LINES 2 6\n2 0 1\n2 1 2\n", "LINES 1 4\n3 0 1 2\n", "lines of two points have 3"),
    "lines of one point": ("2 1 2\n", "1 1 2\n", "a line of other than two points"),
    "a line to no point": ("2 1 2\n", "2 1 3\n", "line 1 goes from [1, 3] of 3 points"),
    "polygons": ("LINES 2 6", "POLYGONS 2 6", "vessels are lines"),
    "a strange word": ("POINT_DATA 3", "THING 3", "'THING' is not known"),
    "attributes of others": ("POINT_DATA 3", "POINT_DATA 5", "POINT_DATA of 5, where there are 3"),
    "a field of others": ("type 1 2 int", "type 1 3 int", "values"),
    "a field without a type": ("type 1 2 int", "type 1 2", "a name, two numbers and a type"),
    "no diameter": ("SCALARS diameter", "SCALARS thickness", "no attribute 'diameter'"),
    "a type that is real": ("type 1 2 int\n1 2", "type 1 2 float\n1.5 2", "type: its values are no int32"),
    "a place that is none": ("0 0 0 1 0 0", "0 nan 0 1 0 0", "one is no place"),
}


@pytest.mark.parametrize("case", POLYDATA)
def test_wrong_polydata(lake: Any, tmp_path: Path, case: str) -> None:
    old, new, reason = POLYDATA[case]
    path = tmp_path / "v.vtk"
    assert VTK.replace(old, new, 1) != VTK
    path.write_text(VTK.replace(old, new, 1))
    error = refused(lake, path)
    assert reason in error, error


def test_polydata_cut_anywhere(lake: Any, tmp_path: Path) -> None:
    """Text of which the end lacks is refused, unless only an attribute lacks that need not be there."""
    path, must = tmp_path / "v.vtk", VTK.index("CELL_DATA")
    for stop in range(0, must - 3, 7):
        path.write_text(VTK[:stop])
        refused(lake, path)


def touches_with(folder: Path, change: Callable[[bytearray, bytearray], None]) -> Path:
    """Touches of which bytes are changed."""
    write_touches(folder, "5.4.0")
    head, data = (bytearray((folder / name).read_bytes()) for name in ("touches.0", "touchesData.0"))
    change(head, data)
    (folder / "touches.0").write_bytes(head)
    (folder / "touchesData.0").write_bytes(data)
    return folder / "touches.0"


def at(place: int, data: bytes) -> Callable[[bytearray, bytearray], None]:
    """A change of the file of cells."""
    return lambda head, _: head.__setitem__(slice(place, place + len(data)), data)


TOUCHES: dict[str, tuple[Callable[[bytearray, bytearray], None], str, str]] = {
    "another architecture": (at(0, b"\0" * 8), "touches.0", "expected 1.001"),
    "more cells": (at(8, (9).to_bytes(8, "little")), "touches.0", "9 cells"),
    "negative cells": (at(8, b"\xff" * 8), "touches.0", "-1 cells"),
    "cells beyond memory": (at(8, (2**60).to_bytes(8, "little")), "touches.0", "cells"),
    "a version that is none": (at(16, b"five"), "touches.0", "version b'five"),
    "an older version": (at(16, b"4.99.0"), "touchesData.0", "no records of 80"),
    "a header cut short": (lambda head, _: head.__delitem__(slice(20, None)), "touches.0", "a header has 32"),
    "cells cut short": (
        lambda head, _: head.__delitem__(slice(-3, None)),
        "touches.0",
        "3 cells, which have 48 bytes",
    ),
    "records cut short": (
        lambda _, data: data.__delitem__(slice(-1, None)),
        "touchesData.0",
        "no records of 104",
    ),
    "a record less": (
        lambda _, data: data.__delitem__(slice(-104, None)),
        "touches.0",
        "3 touches from byte 104",
    ),
    "no records": (lambda _, data: data.clear(), "touches.0", "of 0 records"),
    "an offset between records": (at(40, (7).to_bytes(8, "little")), "touches.0", "from byte 7"),
    "an offset beyond": (at(40, (104 * 50).to_bytes(8, "little")), "touches.0", "from byte 5200"),
    "more touches": (at(36, (4000).to_bytes(4, "little")), "touches.0", "4000 touches"),
    "fewer touches": (at(36, (0).to_bytes(4, "little")), "touches.0", "cells have 3 touches"),
}


@pytest.mark.parametrize("case", TOUCHES)
def test_wrong_touches(lake: Any, tmp_path: Path, case: str) -> None:
    change, named, reason = TOUCHES[case]
    path = touches_with(tmp_path / "touches", change)
    error = refused(lake, path, named=path.with_name(named))
    assert reason in error, error


def test_touches_without_their_other_file(lake: Any, tmp_path: Path) -> None:
    path = touches_with(tmp_path / "touches", lambda head, data: None)
    path.with_name("touchesData.0").unlink()
    assert "No such file" in refused(lake, path, named=path.with_name("touchesData.0"))
    path = touches_with(tmp_path / "others", lambda head, data: None)
    path.unlink()
    assert "touches.N, is not beside it" in refused(lake, path.with_name("touchesData.0"))


def test_parts_that_do_not_fit_together(files: dict[str, Path], tmp_path: Path, lake: Any) -> None:
    """Domains and endfeet of another number than the circuit's cells and edges."""
    folder = tmp_path / "build"
    folder.mkdir()
    shutil.copy(files["astrocytes"], folder / "nodes.h5")

    def fewer(file: Any) -> None:
        for name in ("points", "triangle_data", "neighbors"):
            del file[f"offsets/{name}"]
            file[f"offsets/{name}"] = np.array([0, len(file[f"data/{name}"])])
        del file["data/scaling_factors"]

    one = changed(files["domains"], folder, fewer)
    with pytest.raises(IngestError, match=r"microdomains\.h5: /offsets: it is of 1 domains.*has 3 cells"):
        ingest_ngv(lake, folder, name="c")
    one.unlink()
    shutil.copy(files["gliovascular"], folder / "edges.h5")
    shutil.copy(files["endfeet_v1"], folder / "endfeet.h5")
    with h5py.File(folder / "endfeet.h5", "r+") as file:
        del file["objects/endfoot_1"], file["attributes/surface_area"]
    with pytest.raises(IngestError, match=r"endfeet\.h5: /: it is of 1 endfeet, the circuit has 2"):
        ingest_ngv(lake, folder, name="c")
    assert [*lake.head] == []


def test_what_is_bad_is_left_out_if_that_is_asked(files: dict[str, Path], tmp_path: Path) -> None:
    lake, folder = nl.create(tmp_path / "lake", durable=False), tmp_path / "build"
    folder.mkdir()
    changed(files["domains"], folder, put("data/triangle_data", (0, 1), len(FACES)))
    shutil.copy(files["endfeet"], folder / "endfeet.h5")
    shutil.copytree(files["shape"].parent, folder / "morphologies")
    (folder / "morphologies/GLIA_0000000000001.h5").write_bytes(b"nothing")
    report = ingest_ngv(lake, folder, name="c", on_error="skip")
    assert [name for name, _ in report.failures] == ["microdomains.h5", "morphologies/GLIA_0000000000001.h5"]
    assert not any(node.startswith("domains/") for node in lake.head) and "meshes/c/endfeet" in lake.head
    assert len(report.added) == 4
