"""A small circuit of neurons, glia and vessels, as files that ArchNGV would write: three astrocytes, five segments, two endfeet."""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

TEXT = h5py.string_dtype()
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], "f4") * 12
FACES = np.array([[0, 0, 2, 1], [1, 0, 1, 3], [2, 0, 3, 2], [3, 1, 2, 3]])
"""Triangles of a tetrahedron: face and corners."""
SECTIONS = (
    ([[0, 0, 0, 4], [4, 0, 0, 4], [8, 0, 0, 3]], 2),
    ([[8, 0, 0, 3], [12, 4, 0, 2]], 6),
    ([[8, 0, 0, 3], [12, -4, 0, 2], [16, -4, 0, 2]], 6),
)
"""Points with diameters, and type, of each section of the vessels."""


def write_nodes(
    path: Path, population: str, columns: Mapping[str, Any], libraries: Mapping[str, str]
) -> Path:
    """A population of nodes; *libraries* has one word for each attribute that is coded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = len(next(iter(columns.values())))
    with h5py.File(path, "w") as file:
        group = file.create_group(f"nodes/{population}")
        group["node_type_id"] = np.full(size, -1)
        for name, values in columns.items():
            kind = TEXT if isinstance(values[0], str) else None
            group.create_dataset(f"0/{name}", data=values, dtype=kind)
        for name, word in libraries.items():
            group.create_dataset(f"0/{name}", data=np.zeros(size, "u4"))
            group.create_dataset(f"0/@library/{name}", data=[word], dtype=TEXT)
    return path


def write_edges(
    path: Path, population: str, ends: Sequence[tuple[str, Any, int]], columns: Mapping[str, Any]
) -> Path:
    """A population of edges with its indices; *ends* are population, nodes and number of nodes of source and target."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group(f"edges/{population}")
        size = len(ends[0][1])
        group["edge_type_id"] = np.full(size, -1, "i4")
        group.create_group("0")
        for (nodes, ids, count), side, other in zip(
            ends, ("source", "target"), ("source_to_target", "target_to_source"), strict=True
        ):
            dataset = group.create_dataset(f"{side}_node_id", data=np.array(ids, "u8"))
            dataset.attrs["node_population"] = nodes
            ranges, runs = [], list[list[int]]()
            for node in range(count):
                rows = np.flatnonzero(np.array(ids) == node)
                pieces = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(rows) else []
                ranges.append([len(runs), len(runs) + len(pieces)])
                runs += [[int(piece[0]), int(piece[-1]) + 1] for piece in pieces]
            group[f"indices/{other}/node_id_to_ranges"] = np.array(ranges, "u8").reshape(-1, 2)
            group[f"indices/{other}/range_to_edge_id"] = np.array(runs, "u8").reshape(-1, 2)
        for name, values in columns.items():
            group[f"0/{name}"] = values
    return path


def write_grouped(path: Path, data: Mapping[str, Sequence[Any]], single: Mapping[str, Any]) -> Path:
    """Grouped properties: a list of arrays for each ragged dataset, and values of one each."""
    with h5py.File(path, "w") as file:
        for name, pieces in data.items():
            file[f"data/{name}"] = np.concatenate(pieces)
            file[f"offsets/{name}"] = np.cumsum([0, *map(len, pieces)])
        for name, values in single.items():
            file[f"data/{name}"] = values
    return path


def write_shape(path: Path, at: int) -> Path:
    """A cell's shape: a soma, a process of two branches, and one without; numbers depend on *at*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.arange(9 * 4, dtype="f4").reshape(9, 4) / 8 + at
    with h5py.File(path, "w") as file:
        file.attrs.create("comment", ["made for a test"], dtype=TEXT)
        file["points"], file["perimeters"] = rows, rows[:, 3] * 3
        file["structure"] = np.array([[0, 1, -1], [1, 2, 0], [3, 2, 1], [5, 2, 1], [7, 3, 0]], "i4")
        metadata = file.create_group("metadata")
        metadata.attrs["cell_family"], metadata.attrs["version"] = np.array([0], "u4"), np.array([1, 3], "u4")
        for name, kind in (
            ("section_index", "u4"),
            ("volume", "f4"),
            ("surface_area", "f4"),
            ("filament_count", "u4"),
        ):
            file[f"organelles/endoplasmic_reticulum/{name}"] = np.array([1, 3], kind)
    return path


def vessel_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, structure and connectivity of the vessels as sections."""
    points = np.array([point for rows, _ in SECTIONS for point in rows], "f4")
    first = np.cumsum([0, *(len(rows) for rows, _ in SECTIONS)])[:-1]
    structure = np.array([[start, kind] for start, (_, kind) in zip(first, SECTIONS, strict=True)], "u8")
    return points, structure, np.array([[0, 1], [0, 2]])


def write_vessels(path: Path) -> Path:
    """The vessels as sections."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["points"], file["structure"], file["connectivity"] = vessel_points()
    return path


def segments() -> dict[str, Any]:
    """The vessels as segments, whose branching point is one."""
    unique = np.array(
        [[0, 0, 0, 4], [4, 0, 0, 4], [8, 0, 0, 3], [12, 4, 0, 2], [12, -4, 0, 2], [16, -4, 0, 2]], "f4"
    )
    ends = np.array([[0, 1], [1, 2], [2, 3], [2, 4], [4, 5]], "u8")
    columns: dict[str, Any] = {}
    for at, end in enumerate(("start", "end")):
        for axis, name in enumerate(("x", "y", "z", "diameter")):
            columns[f"{end}_{name}"] = unique[ends[:, at], axis]
        columns[f"{end}_node"] = ends[:, at]
    columns["type"] = np.array([2, 2, 6, 6, 6], "i4")
    columns["section_id"] = np.array([0, 0, 1, 2, 2], "u4")
    columns["segment_id"] = np.array([0, 1, 0, 0, 1], "u4")
    return columns


def write_nrrd(path: Path, values: np.ndarray, *, encoding: str = "gzip", more: Sequence[str] = ()) -> Path:
    """A volume of voxels of 10 µm."""
    kind = {"float32": "float", "int32": "int"}[str(values.dtype)]
    head = [
        "NRRD0004",
        "# made for a test",
        f"type: {kind}",
        "dimension: 3",
        "space dimension: 3",
        f"sizes: {' '.join(map(str, values.shape))}",
        "space directions: (10,0,0) (0,10,0) (0,0,10)",
        "endian: little",
        f"encoding: {encoding}",
        "space origin: (-5,0,2.5)",
        *more,
    ]
    raw = values.tobytes(order="F")
    if encoding == "gzip":
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        raw = packer.compress(raw) + packer.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\n".join(head).encode() + b"\n\n" + raw)
    return path


def write_touches(folder: Path, version: str, *, swapped: bool = False, number: int = 0) -> np.ndarray:
    """Touches of three cells in the records of a version; returns the records."""
    folder.mkdir(parents=True, exist_ok=True)
    fields: list[Any] = [
        ("pre_ids", "i4", 3),
        ("post_ids", "i4", 3),
        ("branch_order", "i4"),
        ("distances", "f4", 3),
    ]
    if version >= "4.99":
        fields += [("pre_section_fraction", "f4"), ("post_section_fraction", "f4"), ("pre_position", "f4", 3)]
        fields += [("post_position", "f4", 3), ("spine_length", "f4"), ("branch_type", "u1")]
    if version >= "5.4":
        fields += [("pre_position_center", "f4", 3), ("post_position_surface", "f4", 3)]
    kind = np.dtype(fields, align=True)
    order = kind.newbyteorder() if swapped else kind
    # Between the last number of a record and the next record are bytes without a meaning.
    records = np.zeros(4 * kind.itemsize, "u1").view(order)
    for at, name in enumerate(kind.names or ()):
        records[name] = (np.arange(records[name].size).reshape(records[name].shape) + at) / 1
    head = np.zeros(1, np.dtype([("arch", "f8"), ("cells", "i8"), ("version", "S16")]))
    head[0] = (1.001, 3, version.encode())
    cells = np.zeros(3, np.dtype([("id", "i4"), ("count", "u4"), ("offset", "i8")]))
    cells["id"], cells["count"], cells["offset"] = range(3), [1, 0, 3], [0, kind.itemsize, kind.itemsize]
    if swapped:
        head, cells = (each.astype(each.dtype.newbyteorder()) for each in (head, cells))
    (folder / f"touches.{number}").write_bytes(head.tobytes() + cells.tobytes())
    (folder / f"touchesData.{number}").write_bytes(records.tobytes())
    return records


def domains() -> dict[str, list[np.ndarray]]:
    """Points, triangles and neighbours of three domains."""
    return {
        "points": [CORNERS + 12 * cell for cell in range(3)],
        "triangle_data": [FACES] * 3,
        "neighbors": [np.array([1, -1, -3, 2]), np.array([0, 0, 2, -6]), np.array([1, -2, 0, -4])],
    }


def endfeet() -> dict[str, list[np.ndarray]]:
    """Points and triangles of two endfeet, of which the second did not grow."""
    return {
        "points": [CORNERS[:3] / 4, np.empty((0, 3), "f4")],
        "triangles": [np.array([[0, 1, 2]]), np.empty((0, 3), "i8")],
    }


AREAS = {
    "surface_area": np.array([4.5, 0], "f4"),
    "unreduced_surface_area": np.array([9, 0], "f4"),
    "surface_thickness": np.array([1, 0], "f4"),
}


def write_circuit(folder: Path) -> Path:
    """The whole circuit, below *folder*: ``build``, with a configuration, ``circuit`` with the neurons, and ``atlas``; returns the configuration."""
    build, networks = folder / "build", folder / "build/sonata/networks"
    build.mkdir(parents=True)
    places = {axis: np.arange(3.0) * 12 + at for at, axis in enumerate("xyz")}
    somata = {
        **places,
        "radius": np.array([5.0, 5.5, 6.0]),
        "morphology": [f"GLIA_{cell:013}" for cell in range(3)],
    }
    words = {"mtype": "ASTROCYTE", "model_type": "astrocyte"}
    write_nodes(
        networks / "nodes/astrocytes/nodes.h5",
        "astrocytes",
        somata,
        words | {"model_template": "hoc:astrocyte"},
    )
    write_nodes(build / "sonata.tmp/nodes/glia.somata.h5", "astrocytes", somata, words)
    write_nodes(
        build / "sonata.tmp/nodes/glia.emodels.h5", "astrocytes", places, {"model_template": "hoc:astrocyte"}
    )
    write_nodes(
        networks / "nodes/vasculature/nodes.h5", "vasculature", segments(), {"model_type": "vasculature"}
    )
    neurons = {axis: np.arange(2.0) for axis in "xyz"}
    write_nodes(folder / "circuit/nodes.h5", "All", neurons, {"mtype": "L5"})
    synapses = {f"afferent_center_{axis}": np.arange(3.0) for axis in "xyz"}
    write_edges(folder / "circuit/edges.h5", "All", [("All", [1, 0, 0], 2), ("All", [0, 1, 1], 2)], synapses)
    feet = {
        "endfoot_id": np.arange(2, dtype="u8"),
        **{f"endfoot_surface_{axis}": np.array([1, 2], "f4") for axis in "xyz"},
        "vasculature_section_id": np.array([0, 2], "u4"),
        "vasculature_segment_id": np.array([1, 0], "u4"),
    }
    more = {
        "astrocyte_section_id": np.array([2, 3], "u4"),
        **{
            f"endfoot_compartment_{name}": np.array([3, 0], "f4")
            for name in ("length", "diameter", "perimeter")
        },
    }
    ends = [("vasculature", [1, 3], 5), ("astrocytes", [0, 2], 3)]
    write_edges(build / "sonata.tmp/edges/gliovascular.connectivity.h5", "gliovascular", ends, feet)
    write_edges(networks / "edges/gliovascular/edges.h5", "gliovascular", ends, feet | more)
    wrapped = {"synapse_id": np.array([0, 1, 2, 2], "u8")}
    told = {
        "astrocyte_section_id": np.array([1, 4, 4, 1], "u4"),
        "astrocyte_segment_id": np.zeros(4, "u4"),
        **{
            f"astrocyte_{name}": np.ones(4, "f4")
            for name in ("segment_offset", "section_pos", "center_x", "center_y", "center_z")
        },
    }
    ends = [("astrocytes", [0, 1, 0, 1], 3), ("All", [0, 1, 1, 1], 2)]
    write_edges(build / "sonata.tmp/edges/neuroglial.connectivity.h5", "neuroglial", ends, wrapped)
    write_edges(networks / "edges/neuroglial/edges.h5", "neuroglial", ends, wrapped | told)
    sides = {
        f"{side}_{name}": np.array([1, 2], kind)
        for side in ("efferent", "afferent")
        for name, kind in (
            ("section_id", "i4"),
            ("segment_id", "i4"),
            ("segment_offset", "f4"),
            ("section_pos", "f4"),
            ("section_type", "u1"),
        )
    }
    centres = {
        name: np.array([1, 2], "f4")
        for name in (
            *(f"efferent_center_{axis}" for axis in "xyz"),
            *(f"afferent_surface_{axis}" for axis in "xyz"),
            "spine_length",
        )
    }
    ends = [("astrocytes", [1, 0], 3), ("astrocytes", [0, 1], 3)]
    write_edges(networks / "edges/glialglial/edges.h5", "glialglial", ends, sides | centres)
    write_grouped(build / "microdomains.h5", domains(), {"scaling_factors": np.array([1.1, 1.2, 1.3])})
    write_grouped(build / "endfeet_meshes.h5", endfeet(), AREAS)
    for cell in range(3):
        write_shape(build / f"morphologies/GLIA_{cell:013}.h5", cell)
    (build / "morphologies/_DONE").write_bytes(b"")
    write_vessels(folder / "atlas/vasculature.h5")
    write_nrrd(folder / "atlas/[density]astrocytes.nrrd", np.arange(24, dtype="f4").reshape(2, 3, 4))
    write_nrrd(
        folder / "atlas/brain_regions.nrrd", np.arange(24, dtype="i4").reshape(2, 3, 4) % 2, encoding="raw"
    )
    regions = {
        "id": 1,
        "acronym": "root",
        "name": "all",
        "children": [{"id": 2, "acronym": "L1", "name": "one"}],
    }
    (folder / "atlas/hierarchy.json").write_text(json.dumps(regions))
    (folder / "atlas/vasculature.obj").write_text(
        "# a mesh\nv 0 0 0\nv 1.5 0 0\nv 0 2.25 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\n"
    )
    write_touches(build / "connectome/touches", "5.4.0")
    return write_config(build)


def write_config(build: Path) -> Path:
    """The configuration of the circuit."""
    here, networks = "$BASE_DIR", "$BASE_DIR/sonata/networks"
    populations: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
        "nodes": [
            (f"{here}/../circuit/nodes.h5", "All", {"type": "biophysical"}),
            (
                f"{networks}/nodes/vasculature/nodes.h5",
                "vasculature",
                {
                    "type": "vasculature",
                    "vasculature_file": f"{here}/../atlas/vasculature.h5",
                    "vasculature_mesh": f"{here}/../atlas/vasculature.obj",
                },
            ),
            (
                f"{networks}/nodes/astrocytes/nodes.h5",
                "astrocytes",
                {
                    "type": "astrocyte",
                    "alternate_morphologies": {"h5v1": f"{here}/morphologies"},
                    "microdomains_file": f"{here}/microdomains.h5",
                },
            ),
        ],
        "edges": [
            (f"{here}/../circuit/edges.h5", "All", {"type": "chemical"}),
            (f"{networks}/edges/neuroglial/edges.h5", "neuroglial", {"type": "synapse_astrocyte"}),
            (f"{networks}/edges/glialglial/edges.h5", "glialglial", {"type": "glialglial"}),
            (
                f"{networks}/edges/gliovascular/edges.h5",
                "gliovascular",
                {"type": "endfoot", "endfeet_meshes_file": f"{here}/endfeet_meshes.h5"},
            ),
        ],
    }
    content = {
        "manifest": {"$BASE_DIR": "."},
        "networks": {
            kind: [{f"{kind}_file": file, "populations": {name: told}} for file, name, told in entries]
            for kind, entries in populations.items()
        },
        "metadata": {"status": "partial"},
    }
    path = build / "ngv_config.json"
    path.write_text(json.dumps(content, indent=1))
    return path
