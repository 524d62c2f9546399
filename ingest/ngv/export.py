"""Export of circuits of glia: the files that were ingested, or what the lake holds as ArchNGV has it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits, glia
from ...lake import Snapshot
from ...lake.data.ragged import read_ragged
from ...lake.errors import InputError, NotFoundError
from ...lake.nodes.derived import is_part
from ..circuits.vessels import SectionMorphology, VesselError, sections_of
from ..hdf5.layout import Item, hdf5, layout_items, make_dataset, write_attributes
from ..outgoing import Outgoing, new_folder
from ..sonata.export import fill_file
from ..source import Exported, Progress
from ..spatial.nrrd import nrrd_bytes
from ..spatial.obj import obj_text
from ..spatial.vtk import vtk_text
from .atlas import volume_of
from .canonical import CONVERSIONS, EDGE_PROPERTIES, standard_files
from .config import GLIA
from .found import MORPHOLOGIES
from .grouped import FLAT, PIECE, ragged_nodes
from .morphologies import StoredShapes, filled, standard_items, with_contour
from .parts import MESH_KINDS, touch_head, touch_records
from .populations import PLACES
from .vessels import GRAPH, SECTIONS

DIALECTS = ("source", "archngv")
PARTS = (
    "config",
    "neurons",
    *GLIA,
    "domains",
    "endfeet",
    "morphologies",
    "atlas",
    "mesh",
    "vessels",
    "touches",
    "files",
    *CONVERSIONS,
)
PARTS_BY_DEFAULT = tuple(part for part in PARTS if part not in CONVERSIONS)
_OF_KIND = {
    "morphology": "morphologies",
    "hierarchy": "atlas",
    "vessel_sections": "vessels",
    "vessel_graph": "vessels",
    "vtk": "vessels",
    "placement": "astrocytes",
    "touches_data": "touches",
    "file": "files",
}

Write = Callable[[Path], None]
"""Writes a file."""


def export_ngv(
    snapshot: Snapshot,
    folder: str | Path,
    *,
    name: str | None = None,
    dialect: str = "source",
    only: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a circuit of neurons, glia and vessels as files; all files or, on an error, none.

    Parameters
    ----------
    snapshot
        The commit to read.
    folder
        Where to write; empty or not there yet.
    name
        The circuit; may be left out if the snapshot has one.
    dialect
        ``"source"``: the files that were ingested, datasets equal to those of the source. ``"archngv"``: the tree that ArchNGV
        writes, whatever the circuit came from, with its configuration; also what a circuit becomes that did not come from files.
    only
        Parts to write: config, neurons, astrocytes, vasculature, gliovascular, neuroglial, glialglial, domains, endfeet, morphologies,
        atlas, mesh, vessels (sections of vessels), touches, files (other files); all by default. With ``"archngv"`` and if it is
        asked for, graph: vessels as a graph of points in HDF5; vtk: the same as polydata.
    progress
        Called with files done and files in all.

    Returns
    -------
    Exported
        Number of files and of bytes written.

    Raises
    ------
    NotFoundError
        The snapshot has no such circuit, or nothing of the parts.
    InputError
        The folder holds something already, an option is unknown, or the lake holds what the files cannot say.
    """
    if dialect not in DIALECTS:
        raise InputError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
    strange = set(only or ()) - set(PARTS)
    if strange:
        raise InputError(f"there is no part {min(strange)!r}; parts are: {', '.join(PARTS)}")
    circuit = _chosen(snapshot, name)
    ingested = glia.NGV_FILES.of(circuit=circuit) in snapshot.tables
    if dialect == "source" and ingested:
        files = _source_files(snapshot, circuit, only)
    else:
        files = _standard(snapshot, circuit, only)
    plan = list(files)
    if not plan:
        raise NotFoundError(f"the circuit {circuit!r} has nothing of {', '.join(only or ())}")
    with new_folder(Path(folder)) as outgoing:
        sizes = [
            _written(outgoing, path, write, at, len(plan), progress)
            for at, (path, write) in enumerate(plan, 1)
        ]
    return Exported(len(sizes), sum(sizes))


def _written(
    outgoing: Outgoing, path: str, write: Write, at: int, count: int, progress: Progress | None
) -> int:
    file = outgoing.file(path)
    write(file)
    if progress is not None:
        progress(at, count)
    return file.stat().st_size


def _chosen(snapshot: Snapshot, name: str | None) -> str:
    tables = snapshot.tables
    known = {
        parts["circuit"]
        for kind in (glia.NGV_FILES, glia.PARTS, glia.ASTROCYTES, glia.VASCULATURE)
        for node in tables
        if (parts := kind.parts(node)) is not None
    }
    if name is None and len(known) == 1:
        return known.pop()
    if name not in known:
        asked = f"there is no circuit {name!r} of glia" if name else "say which circuit"
        raise NotFoundError(f"{asked}; there are: {', '.join(sorted(known)) or 'none'}")
    return name


# The files that were ingested


def _source_files(
    snapshot: Snapshot, circuit: str, only: Sequence[str] | None
) -> Iterator[tuple[str, Write]]:
    rows = snapshot.tables[glia.NGV_FILES.of(circuit=circuit)].to_arrow().to_pylist()
    laid: dict[str, list[Item]] = {}
    for item in layout_items(snapshot.tables[glia.NGV_LAYOUT.of(circuit=circuit)].to_arrow()):
        laid.setdefault(item.file, []).append(item)
    shapes = StoredShapes(
        snapshot, circuit, [Path(row["path"]).stem for row in rows if row["kind"] == "morphology"]
    )
    for row in rows:
        items = laid.get(row["layout"] or row["path"], [])
        if only is None or _part_of(row["kind"], items) in only:
            yield row["path"], _source_write(snapshot, circuit, row, items, shapes)


def _part_of(kind: str, items: Sequence[Item]) -> str:
    if kind not in ("nodes", "edges"):
        return _OF_KIND.get(kind, kind)
    names = [item.path.split("/")[2] for item in items if item.path.count("/") == 2]
    return next((name for name in names if name in GLIA), "neurons")


def _source_write(
    snapshot: Snapshot, circuit: str, row: Mapping[str, Any], items: Sequence[Item], shapes: StoredShapes
) -> Write:
    kind, node, path = row["kind"], row["node"], row["path"]
    if kind == "morphology":
        return lambda file: write_shape(file, filled(items, shapes[Path(path).stem]))
    if kind == "atlas":
        return volume_write(snapshot, node)
    if kind == "mesh":
        return mesh_write(snapshot, circuit, glia.MESHES.parts(node) or {})
    if kind == "touches":
        return lambda file: _put(file, [touch_head(snapshot, node)])
    if kind == "touches_data":
        touches = glia.TOUCHES.of(circuit=circuit, touches=path.rpartition(".")[2])
        return lambda file: _put(file, touch_records(snapshot, touches))
    if node is not None:
        return lambda file: _put(file, [snapshot.files[node]])
    return lambda file: write_hdf5(snapshot, file, items)


def _put(file: Path, blocks: Iterable[bytes]) -> None:
    with file.open("wb") as target:
        target.writelines(blocks)


def volume_write(snapshot: Snapshot, node: str) -> Write:
    """Return what writes a volume of voxels.

    Parameters
    ----------
    snapshot
        The commit to read.
    node
        The array.
    """
    return lambda file: _put(file, [nrrd_bytes(volume_of(snapshot.arrays[node]))])


def mesh_write(snapshot: Snapshot, circuit: str, parts: Mapping[str, str]) -> Write:
    """Return what writes a mesh.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.
    parts
        Parts of the mesh's name.
    """
    nodes = [ragged_nodes(kinds, {"circuit": circuit, "mesh": parts["mesh"]}) for kinds in MESH_KINDS]

    def write(file: Path) -> None:
        points, triangles = (read_ragged(snapshot.arrays, pair, (0, 1)) for pair in nodes)
        _put(file, (text.encode() for text in obj_text(points.values, triangles.values)))

    return write


def write_shape(file: Path, items: Sequence[tuple[Item, Any]]) -> None:
    """Write the file of a cell's shape.

    Parameters
    ----------
    file
        Where to write.
    items
        How it is laid out, with the values.
    """
    with hdf5().File(file, "w") as target:
        for item, values in items:
            if item.type is None:
                write_attributes(target.require_group(item.path), item.attributes)
                continue
            dataset = make_dataset(target, item)
            if values is not None and values.size:
                dataset[...] = values


def write_hdf5(snapshot: Snapshot, file: Path, items: Sequence[Item]) -> None:
    """Write an HDF5 file whose values are nodes of a lake.

    Parameters
    ----------
    snapshot
        The commit to read.
    file
        Where to write.
    items
        How it is laid out.
    """
    with hdf5().File(file, "w") as target:
        fill_file(snapshot, target, items, lambda size: None, lambda item: _own_values(snapshot, item))


def _own_values(snapshot: Snapshot, item: Item) -> NDArray[Any] | None:
    """Values of a dataset that are a part of a node as only circuits of glia have them."""
    part, node = item.part or "", item.node or ""
    if part.startswith(FLAT):
        columns = [snapshot.arrays[name][...] for name in part.removeprefix(FLAT).split(",")]
        return np.stack(columns, axis=1)
    if part.startswith(PIECE):
        at = int(part.removeprefix(PIECE))
        return read_ragged(snapshot.arrays, (node, node + glia.OFFSETS), (at, at + 1)).values
    if part == PLACES or part == GRAPH + "points":
        rows = snapshot.tables[node].to_arrow([*"xyz"])
        return np.stack([rows[axis].to_numpy() for axis in "xyz"], axis=1)
    if part == GRAPH + "edges":
        rows = snapshot.tables[node].to_arrow(["start_node", "end_node"])
        return np.stack([rows[name].to_numpy() for name in ("start_node", "end_node")], axis=1)
    if part.startswith(SECTIONS):
        values: NDArray[Any] = getattr(_sections(snapshot, node), part.removeprefix(SECTIONS))
        return values
    return None


def _sections(snapshot: Snapshot, node: str) -> SectionMorphology:
    try:
        return sections_of(snapshot.tables[node].to_arrow())
    except VesselError as error:
        raise InputError(f"{node} cannot be written as sections: {error}") from error


# What ArchNGV writes


def _standard(snapshot: Snapshot, circuit: str, only: Sequence[str] | None) -> Iterator[tuple[str, Write]]:
    for part, path, content in standard_files(snapshot, circuit):
        if part not in (PARTS_BY_DEFAULT if only is None else only):
            continue
        if isinstance(content, bytes):
            yield path, _bytes_write(content)
        elif part == "vtk":
            yield path, _vtk_write(snapshot, circuit)
        elif isinstance(content, str):
            yield path, _node_write(snapshot, circuit, content)
        else:
            yield path, _items_write(snapshot, content)
    if only is not None and "morphologies" not in only:
        return
    table = circuits.SECTIONS.of(circuit=circuit)
    if table in snapshot.tables:
        names = snapshot.tables[table].to_arrow(["morphology"])["morphology"].unique().to_pylist()
        shapes, items = StoredShapes(snapshot, circuit, names), standard_items()
        # What construction has made has spheres for somata; what came from files has what MorphIO wrote.
        spheres = is_part(snapshot.tree[table])
        for name in names:
            yield f"{MORPHOLOGIES}/{name}.h5", _shape_write(shapes, items, name, spheres)


def _vtk_write(snapshot: Snapshot, circuit: str) -> Write:
    def write(file: Path) -> None:
        points = snapshot.tables[glia.VESSEL_POINTS.of(circuit=circuit)].to_arrow()
        segments = snapshot.tables[glia.VASCULATURE.of(circuit=circuit)].to_arrow()
        places, ends = (
            np.stack([table[name].to_numpy() for name in names], axis=1)
            for table, names in ((points, (*"xyz",)), (segments, ("start_node", "end_node")))
        )
        # Legacy VTK files have no unsigned numbers that vascpy would read as ids.
        of_lines = {name: segments[name].to_numpy().astype(np.int32) for name in EDGE_PROPERTIES}
        text = vtk_text(places, ends, {"diameter": points["diameter"].to_numpy()}, of_lines)
        _put(file, (block.encode() for block in text))

    return write


def _bytes_write(content: bytes) -> Write:
    return lambda file: _put(file, [content])


def _items_write(snapshot: Snapshot, items: Sequence[Item]) -> Write:
    return lambda file: write_hdf5(snapshot, file, items)


def _shape_write(shapes: StoredShapes, items: Sequence[Item], name: str, spheres: bool) -> Write:
    def write(file: Path) -> None:
        shape = with_contour(shapes[name]) if spheres else shapes[name]
        write_shape(file, filled(items, shape, lenient=True))

    return write


def _node_write(snapshot: Snapshot, circuit: str, node: str) -> Write:
    mesh = glia.MESHES.parts(node)
    return volume_write(snapshot, node) if mesh is None else mesh_write(snapshot, circuit, mesh)
