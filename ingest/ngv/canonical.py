"""The tree that ArchNGV writes: how what a lake holds of a circuit is laid out in files, whatever it came from."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...catalog.vocabulary import circuits, glia
from ...catalog.vocabulary.kinds import ArrayKind
from ...lake import Snapshot
from ..hdf5.layout import Item
from ..sonata.canonical import edge_items, laid_item, node_items
from .grouped import ENDFEET_MESH, ragged_nodes
from .parts import VESSEL_MESH
from .vessels import GRAPH, SECTIONS

JOINED = {
    "gliovascular": ("vasculature", "astrocytes"),
    "neuroglial": ("astrocytes", ""),
    "glialglial": ("astrocytes", "astrocytes"),
}
"""Populations that edges of glia go from and to; empty: the neurons."""
_TYPES = {
    "vasculature": "vasculature",
    "astrocytes": "astrocyte",
    "gliovascular": "endfoot",
    "neuroglial": "synapse_astrocyte",
    "glialglial": "glialglial",
}
_NETWORKS = "sonata/networks"
_CONFIG, _DOMAINS, _ENDFEET = "ngv_config.json", "microdomains.h5", "endfeet_meshes.h5"
CONVERSIONS = ("graph", "vtk")
"""Parts that say what others say, in other formats."""
EDGE_PROPERTIES = ("type", "section_id", "segment_id")
_GRAPH, _VTK = "vasculature.graph.h5", "vasculature.vtk"
_VESSELS, _MESH, _NEURONS, _ATLAS = "vasculature.h5", "vasculature.obj", "circuit", "atlas"

Content = bytes | str | list[Item]
"""What is in a file: these bytes, a node, or what is laid out so."""


def standard_files(snapshot: Snapshot, circuit: str) -> Iterator[tuple[str, str, Content]]:
    """Yield the part, the path and the content of the files of a circuit, but for its shapes.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.

    Raises
    ------
    InputError
        Nodes are not numbered 0, 1, 2 …
    """
    nodes, edges = list[dict[str, Any]](), list[dict[str, Any]]()
    populations, synapses = _neurons(snapshot, circuit)
    for part, names, networks in (("nodes", populations, nodes), ("edges", synapses, edges)):
        items = [Item("", "/"), Item("", f"/{part}")]
        for node, population in names:
            items += (
                node_items(snapshot.tables[node], population)
                if part == "nodes"
                else edge_items(snapshot, node, population)
            )
        if names:
            path = f"{_NEURONS}/{part}.h5"
            kind = "biophysical" if part == "nodes" else "chemical"
            networks.append(
                {
                    f"{part}_file": f"$BASE_DIR/{path}",
                    "populations": {name: {"type": kind} for _, name in names},
                }
            )
            yield "neurons", path, items
    neurons = populations[0][1] if populations else "All"
    for table in (glia.VASCULATURE, glia.ASTROCYTES):
        node, name = table.of(circuit=circuit), table.name.rpartition("/")[2]
        if node in snapshot.tables:
            path = f"{_NETWORKS}/nodes/{name}/nodes.h5"
            nodes.append(_network(snapshot, circuit, "nodes", path, name))
            yield name, path, [Item("", "/"), Item("", "/nodes"), *node_items(snapshot.tables[node], name)]
    for name, (source, target) in JOINED.items():
        node = circuits.EDGES.of(circuit=circuit, population=name)
        if node in snapshot.tables:
            path = f"{_NETWORKS}/edges/{name}/edges.h5"
            edges.append(_network(snapshot, circuit, "edges", path, name))
            joined = {"source_population": source, "target_population": target or neurons}
            yield name, path, [Item("", "/"), Item("", "/edges"), *edge_items(snapshot, node, name, joined)]
    yield from _grouped(snapshot, circuit)
    yield from _space(snapshot, circuit)
    if nodes or edges:
        told = {
            "manifest": {"$BASE_DIR": "."},
            "networks": {"nodes": nodes, "edges": edges},
            "metadata": {"status": "partial"},
        }
        yield "config", _CONFIG, json.dumps(told, indent=2).encode()


def _neurons(snapshot: Snapshot, circuit: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Tables of neurons and of synapses between them, with the names of their populations."""
    table = glia.PARTS.of(circuit=circuit)
    rows = snapshot.tables[table].to_arrow().to_pylist() if table in snapshot.tables else []
    found = [
        [
            (row["node"], (kind.parts(row["node"]) or {})["population"])
            for row in rows
            if row["part"] == part and row["node"] in snapshot.tables
        ]
        for part, kind in (("neurons", circuits.NODES), ("synapses", circuits.EDGES))
    ]
    return found[0], found[1]


def _network(snapshot: Snapshot, circuit: str, kind: str, path: str, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {"type": _TYPES[name]}
    if name == "astrocytes":
        if circuits.POINTS.of(circuit=circuit) in snapshot.tables:
            told["alternate_morphologies"] = {"h5v1": "$BASE_DIR/morphologies"}
        if glia.DOMAINS.of(circuit=circuit, population=name) in snapshot.tables:
            told["microdomains_file"] = f"$BASE_DIR/{_DOMAINS}"
    if name == "vasculature":
        told["vasculature_file"] = f"$BASE_DIR/{_VESSELS}"
        if glia.MESHES.of(circuit=circuit, mesh=VESSEL_MESH) in snapshot.tables:
            told["vasculature_mesh"] = f"$BASE_DIR/{_MESH}"
    if name == "gliovascular" and glia.ENDFEET.of(circuit=circuit) in snapshot.tables:
        told["endfeet_meshes_file"] = f"$BASE_DIR/{_ENDFEET}"
    return {f"{kind}_file": f"$BASE_DIR/{path}", "populations": {name: told}}


def _grouped(snapshot: Snapshot, circuit: str) -> Iterator[tuple[str, str, Content]]:
    """Domains, and meshes of endfeet."""
    parts = {"circuit": circuit, "population": "astrocytes"}
    table = glia.DOMAINS.of(**parts)
    if table in snapshot.tables:
        items = _groups()
        for name, kinds in (
            ("points", (glia.DOMAIN_POINTS, glia.DOMAIN_POINT_OFFSETS)),
            ("triangle_data", (glia.DOMAIN_TRIANGLES, glia.DOMAIN_TRIANGLE_OFFSETS)),
            ("neighbors", (glia.DOMAIN_NEIGHBOURS, glia.DOMAIN_NEIGHBOUR_OFFSETS)),
        ):
            items += _ragged(snapshot, name, kinds, parts)
        scales = snapshot.tables[table].to_arrow(["scale"])["scale"]
        if not scales.null_count:
            items.append(laid_item("/data/scaling_factors", "<f8", (len(scales),), table, "scale"))
        yield "domains", _DOMAINS, items
    table = glia.ENDFEET.of(circuit=circuit)
    if table in snapshot.tables:
        items = _groups()
        for name, kinds in (
            ("points", (glia.MESH_POINTS, glia.MESH_POINT_OFFSETS)),
            ("triangles", (glia.MESH_TRIANGLES, glia.MESH_TRIANGLE_OFFSETS)),
        ):
            items += _ragged(snapshot, name, kinds, {"circuit": circuit, "mesh": ENDFEET_MESH})
        rows = snapshot.tables[table]
        for name in glia.ENDFEET.optional:
            if name in rows.columns:
                items.append(laid_item(f"/data/{name}", "<f4", (len(rows),), table, name))
        yield "endfeet", _ENDFEET, items


def _groups() -> list[Item]:
    return [Item("", "/"), Item("", "/data"), Item("", "/offsets")]


def _ragged(
    snapshot: Snapshot, name: str, kinds: tuple[ArrayKind, ArrayKind], parts: dict[str, str]
) -> Iterator[Item]:
    for group, node in zip(("data", "offsets"), ragged_nodes(kinds, parts), strict=True):
        array = snapshot.arrays[node]
        yield laid_item(f"/{group}/{name}", np.dtype(array.dtype).str, array.shape, node, "")


def _space(snapshot: Snapshot, circuit: str) -> Iterator[tuple[str, str, Content]]:
    """Sections and surface of the vessels, volumes of the atlas and its regions."""
    node = glia.VASCULATURE.of(circuit=circuit)
    if node in snapshot.tables:
        yield "vessels", _VESSELS, _section_items(snapshot, circuit, node)
        if glia.VESSEL_POINTS.of(circuit=circuit) in snapshot.tables:
            yield "graph", _GRAPH, _graph_items(snapshot, circuit, node)
            yield "vtk", _VTK, []
    mesh = glia.MESHES.of(circuit=circuit, mesh=VESSEL_MESH)
    if mesh in snapshot.tables:
        yield "mesh", _MESH, mesh
    for name in snapshot.arrays:
        parts = glia.VOXELS.parts(name)
        if parts is not None and parts["circuit"] == circuit:
            yield "atlas", f"{_ATLAS}/{parts['volume']}.nrrd", name
    regions = glia.REGIONS.of(circuit=circuit)
    if regions in snapshot.tables:
        rows = snapshot.tables[regions].to_arrow().to_pylist()
        yield "atlas", f"{_ATLAS}/hierarchy.json", json.dumps(_tree(rows), indent=2).encode()


def _section_items(snapshot: Snapshot, circuit: str, node: str) -> list[Item]:
    sections, links = (kind.of(circuit=circuit) for kind in (glia.VESSEL_SECTIONS, glia.VESSEL_LINKS))
    segments = len(snapshot.tables[node])
    if sections in snapshot.tables and links in snapshot.tables:
        count, pairs = len(snapshot.tables[sections]), len(snapshot.tables[links])
    else:
        count, pairs = 0, 0
    told = (
        ("points", "<f4", (segments + count, 4)),
        ("structure", "<u8", (count, 2)),
        ("connectivity", "<i8", (pairs, 2)),
    )
    return [
        Item("", "/"),
        *(laid_item(f"/{name}", kind, shape, node, SECTIONS + name) for name, kind, shape in told),
    ]


def _graph_items(snapshot: Snapshot, circuit: str, node: str) -> list[Item]:
    points = glia.VESSEL_POINTS.of(circuit=circuit)
    count, segments = len(snapshot.tables[points]), len(snapshot.tables[node])
    return [
        Item("", "/"),
        laid_item("/points", "<f4", (count, 3), points, f"{GRAPH}points"),
        laid_item("/edges", "<i8", (segments, 2), node, f"{GRAPH}edges"),
        Item("", "/point_properties"),
        laid_item("/point_properties/diameter", "<f4", (count,), points, "diameter"),
        Item("", "/edge_properties"),
        *(laid_item(f"/edge_properties/{name}", "<i4", (segments,), node, name) for name in EDGE_PROPERTIES),
    ]


def _tree(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Regions within each other, as hierarchy.json has them."""
    made = {
        row["region_id"]: {"id": row["region_id"], "acronym": row["acronym"], "name": row["name"]}
        for row in rows
    }
    root: dict[str, Any] = {}
    for row in rows:
        region = made[row["region_id"]]
        if row["parent_id"] in made:
            made[row["parent_id"]].setdefault("children", []).append(region)
        else:
            root = root or region
    return root
