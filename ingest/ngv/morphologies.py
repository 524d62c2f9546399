"""Shapes of cells with a file each, HDF5 of version 1 as MorphIO writes it: many files as the tables of trees, and back."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import POINTS, SECTIONS
from ...catalog.vocabulary.glia import RETICULUM
from ...lake import Snapshot, Transaction
from ...lake.errors import IngestError, NotFoundError
from ..circuits.trees import Ids, rooted, starts_of, within
from ..hdf5.layout import Item, attributes_json
from ..hdf5.reading import HDF5File, opened

BLOCK_POINTS = 2**20
HELD_SHAPES = 1000
SHAPE = "@shape."
"""Part of the tables of trees that a dataset of a shape's file is."""
_CONTOUR = 8  # points of the circle that stands for a soma of one point

_RETICULUM = "organelles/endoplasmic_reticulum"
_ORGANELLE = {"section_index": "iu", "volume": "f", "surface_area": "f", "filament_count": "iu"}
_COLUMNS = {"section_index": "section_id"}


@dataclass(frozen=True, eq=False)
class CellShape:
    """What a file says of a cell's shape.

    Attributes
    ----------
    name
        Of the file, without suffix.
    points
        x, y, z and diameter in µm, [point, 4].
    structure
        First point, type and parent of each section, int64[section, 3].
    perimeters
        Of each point in µm; None where the file has none.
    reticulum
        Columns of the endoplasmic reticulum; empty where the file has none.
    items
        How the file is laid out, without what differs between cells.
    """

    name: str
    points: NDArray[Any]
    structure: Ids
    perimeters: NDArray[Any] | None
    reticulum: Mapping[str, NDArray[Any]]
    items: Sequence[Item]


Outline = tuple[Any, ...]
"""What files of shapes have in common whose layout is the same: names, types and attributes."""


def read_shape(path: Path, circuit: str, known: dict[Outline, Sequence[Item]] | None = None) -> CellShape:
    """Read the file of a cell's shape.

    Parameters
    ----------
    path
        The HDF5 file.
    circuit
        Name of the circuit, for the names of nodes in the layout.
    known
        Layouts by outline, to which that of the file is added: of thousands of files most are laid out like another.

    Raises
    ------
    IngestError
        It is damaged, or is no tree; names file and dataset.
    """
    layouts = {} if known is None else known
    with opened(path) as source:
        file, nodes = source.file, (POINTS.of(circuit=circuit), RETICULUM.of(circuit=circuit))
        outline = _outline(source)
        if outline is None:
            source.check_contents()
        points = source.dataset(file, "points", "f", shape=(None, 4))
        structure = source.dataset(file, "structure", shape=(None, 3))
        used = [points, structure]
        perimeters = None
        if "perimeters" in file:
            perimeters = source.dataset(file, "perimeters", "f")
            used.append(perimeters)
        for dataset in used:
            source.claim(dataset, nodes[0], SHAPE + dataset.name[1:])
        reticulum = {}
        if _RETICULUM in file:
            group, length = file[_RETICULUM], None
            for name, kinds in _ORGANELLE.items():
                dataset = source.dataset(group, name, kinds, length=length)
                source.claim(dataset, nodes[1], SHAPE + name)
                reticulum[name] = dataset[...]
                length = len(dataset)
        values = points[...]
        sections = structure[...].astype(np.int64)
        around = None if perimeters is None else perimeters[...]
        _check(source, values, sections, around)
        items = None if outline is None else layouts.get(outline)
        if items is None:
            items = [
                replace(item, file="", shape=[0, *item.shape[1:]])
                if item.shape and item.node
                else replace(item, file="")
                for item in source.layout("")
            ]
            if outline is not None:
                layouts[outline] = items
    return CellShape(path.stem, values, sections, around, reticulum, items)


_GROUPS = ("/", "metadata", "organelles", _RETICULUM)
_DATASETS = {"points", "structure", "perimeters", *(f"{_RETICULUM}/{name}" for name in _ORGANELLE)}


def _outline(source: HDF5File) -> Outline | None:
    """What decides how a file is laid out; None if it has anything that MorphIO does not write, such as links."""
    names: list[str] = []
    source.file.visit(names.append)
    groups = [source.file[name] for name in _GROUPS if name == "/" or name in names]
    inner = [name for name in names if name not in _GROUPS]
    datasets = [source.file[name] for name in inner]
    if any(hasattr(group, "dtype") for group in groups) or not all(
        hasattr(each, "shape") for each in datasets
    ):
        return None
    if not _DATASETS.issuperset(inner) or sum(map(len, groups)) != len(names):
        return None
    for dataset in datasets:
        if not dataset.shape or dataset.chunks is not None or len(dataset.attrs):
            return None
        source.bounded(dataset)
    try:
        told = [attributes_json(group.attrs) for group in groups]
    except ValueError:
        return None
    return (*names, *((str(dataset.dtype), dataset.shape[1:]) for dataset in datasets), *told)


def _check(source: HDF5File, points: NDArray[Any], structure: Ids, perimeters: NDArray[Any] | None) -> None:
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise source.error(
            "/points", f"point {int(np.argmin(finite))} is no place: {points[np.argmin(finite)].tolist()}"
        )
    if not len(structure):
        raise source.error("/structure", "it has no sections")
    first, kinds, parents = structure.T
    sizes = np.diff(np.append(first, len(points)))
    if first[0] != 0 or (sizes < 0).any():
        at = 0 if first[0] else int(np.argmax(sizes < 0))
        raise source.error(
            "/structure",
            f"section {at} begins at point {first[at]}; sections follow each other from 0 to {len(points)}",
        )
    if ((kinds < 0) | (kinds > 127)).any():
        raise source.error(
            "/structure", f"type {kinds[int(np.argmax((kinds < 0) | (kinds > 127)))]}, expected 0 to 127"
        )
    wrong = (parents < -1) | (parents >= len(structure))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise source.error("/structure", f"section {at} hangs on section {parents[at]} of {len(structure)}")
    if not rooted(parents).all():
        raise source.error("/structure", "its sections hang on each other in a circle")
    if perimeters is not None and len(perimeters) not in (0, len(points)):
        raise source.error("/perimeters", f"{len(perimeters)} perimeters of {len(points)} points")


# Into the lake


def ingest_shapes(
    transaction: Transaction,
    circuit: str,
    paths: Iterable[Path],
    advance: Callable[[Path], None],
    unfit: Callable[[Path, IngestError], None],
) -> list[tuple[Path, Sequence[Item]]]:
    """Write shapes as tables of trees, which are called as their files are; those that the circuit has stay.

    Parameters
    ----------
    transaction
        Writes the nodes.
    circuit
        Name of the circuit.
    paths
        The files.
    advance
        Called with the path of each file that was read.
    unfit
        Called with the path of a file that is damaged or no tree, or called like another, and the error; such a file is left out
        unless it raises the error.

    Returns
    -------
    list
        For each file its layout.
    """
    nodes = {kind: kind.of(circuit=circuit) for kind in _KINDS}
    old = [table.to_arrow() for node in nodes.values() if (table := transaction.table(node)) is not None]
    taken = set(old[0]["morphology"].unique().to_pylist()) if old else set[str]()
    layouts: list[tuple[Path, Sequence[Item]]] = []
    known: dict[Outline, Sequence[Item]] = {}

    def shapes() -> Iterator[CellShape]:
        for path in sorted(paths, key=lambda path: path.stem):
            try:
                if path.stem in taken:
                    raise IngestError(f"the circuit has a shape {path.stem!r} already", path)
                shape = read_shape(path, circuit, known)
            except IngestError as error:
                unfit(path, error)
                continue
            taken.add(path.stem)
            layouts.append((path, shape.items))
            advance(path)
            yield shape

    blocks: Iterable[Sequence[pa.Table]] = (shape_tables(block) for block in _blocks(shapes()))
    if old:
        # Rows are in the order of the shapes' names, so the old ones go between the new ones.
        missing = [kind.schema.empty_table() for kind in _KINDS[len(old) :]]
        joined = [[*old, *missing], *blocks]
        blocks = [
            [
                pa.concat_tables(tables, promote_options="permissive").sort_by(
                    [(name, "ascending") for name in kind.sorted_by]
                )
                for kind, tables in zip(_KINDS, zip(*joined, strict=True), strict=True)
            ]
        ]
        for node in nodes.values():
            if node in transaction.drafts:
                transaction.delete(node)
    for block in blocks:
        for kind, table in zip(_KINDS, block, strict=True):
            if table.num_rows or kind is not RETICULUM:
                transaction.append_table(nodes[kind], table, doc=kind.doc, sorted_by=kind.sorted_by)
    return layouts


_KINDS = (POINTS, SECTIONS, RETICULUM)


def _blocks(shapes: Iterable[CellShape]) -> Iterator[list[CellShape]]:
    held, size = list[CellShape](), 0
    for shape in shapes:
        held.append(shape)
        size += len(shape.points)
        if size >= BLOCK_POINTS:
            yield held
            held, size = [], 0
    if held:
        yield held


def shape_tables(shapes: Sequence[CellShape]) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return shapes as rows of `POINTS`, `SECTIONS` and `RETICULUM`.

    Parameters
    ----------
    shapes
        Shapes in the order of their names.
    """
    names = [shape.name for shape in shapes]
    sizes = np.array([len(shape.points) for shape in shapes])
    counts = np.array([len(shape.structure) for shape in shapes])
    structure = np.concatenate([shape.structure for shape in shapes])
    places = np.concatenate([shape.points for shape in shapes])
    if places.dtype != np.float32 and np.array_equal(places.astype(np.float32), places):
        places = places.astype(np.float32)
    owner = np.repeat(np.arange(len(shapes)), counts)
    begin = structure[:, 0] + starts_of(sizes)[owner]
    length = np.diff(np.append(begin, len(places)))
    parent = structure[:, 2]
    points = {
        "morphology": _repeated(names, sizes),
        "point_id": within(sizes),
        "parent_id": _parents(begin, length, parent, owner, starts_of(counts), starts_of(sizes)),
        **{name: places[:, at] for at, name in enumerate(("x", "y", "z", "diameter"))},
        "type": np.repeat(structure[:, 1], length).astype(np.int8),
        "layer": np.full(len(places), -1, np.int8),
        "perimeter": pa.concat_arrays([_perimeters(shape) for shape in shapes]),
    }
    bounds = np.append(0, np.cumsum(length)).astype(np.int32)
    root = parent < 0
    rank = np.cumsum(~root) - 1
    rank -= np.append(0, np.cumsum(np.bincount(owner[~root], minlength=len(shapes))))[owner]
    sections = {
        "morphology": _repeated(names, counts),
        "section_id": within(counts),
        "parent_id": pa.array(parent, mask=root),
        "type": structure[:, 1].astype(np.int8),
        "points": pa.ListArray.from_arrays(
            pa.array(bounds),
            pa.array((np.arange(len(places)) - np.repeat(starts_of(sizes), sizes)).astype(np.int32)),
        ),
        "rank": pa.array(rank, mask=root),
    }
    rows = np.array([len(shape.reticulum.get("volume", ())) for shape in shapes])
    reticulum = {
        "morphology": _repeated(names, rows),
        **{
            _COLUMNS.get(name, name): np.concatenate(
                [np.empty(0, np.uint32 if kinds == "iu" else np.float32)]
                + [shape.reticulum[name] for shape in shapes if shape.reticulum]
            )
            for name, kinds in _ORGANELLE.items()
        },
    }
    single = places.dtype == np.float32
    fields = [
        each.with_type(pa.float32()) if single and each.name in POINTS.single else each
        for each in POINTS.schema
    ]
    return (
        pa.table(points, pa.schema(fields)),
        pa.table(sections, SECTIONS.schema),
        pa.table(reticulum).cast(RETICULUM.schema),
    )


def _parents(begin: Ids, length: Ids, parent: Ids, owner: Ids, first: Ids, start: Ids) -> Ids:
    """Point that each point hangs on: the one before it in its section or, for the first, the last of the parent section."""
    total = int(length.sum())
    found = np.arange(-1, total - 1)
    some = np.flatnonzero(length)
    last = begin + length - 1
    # A section without points passes on what it hangs on.
    above = np.where(parent < 0, -1, parent + first[owner])
    while (hollow := (above >= 0) & (length[above] == 0)).any():
        above = np.where(hollow, above[above], above)
    found[begin[some]] = np.where(above[some] < 0, -1, last[above[some]])
    points = np.repeat(start[owner], length)
    return np.where(found < 0, -1, found - points)


def _perimeters(shape: CellShape) -> pa.Array:
    if shape.perimeters is None or len(shape.perimeters) != len(shape.points):
        return pa.nulls(len(shape.points), pa.float32())
    return pa.array(shape.perimeters.astype(np.float32))


def _repeated(names: Sequence[str], sizes: Ids) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(np.repeat(np.arange(len(names)), sizes)))


# Out of the lake


class StoredShapes:
    """Shapes of a circuit of the lake, as the datasets of their files.

    Parameters
    ----------
    snapshot, circuit
        The commit to read, and the circuit.
    names
        Shapes that will be asked for, in their order: they are read some at a time.
    """

    def __init__(self, snapshot: Snapshot, circuit: str, names: Sequence[str]) -> None:
        self.snapshot, self.names = snapshot, sorted(names)
        self.nodes = {kind: kind.of(circuit=circuit) for kind in _KINDS}
        self.held: dict[str, dict[str, NDArray[Any]]] = {}

    def __getitem__(self, name: str) -> dict[str, NDArray[Any]]:
        """Datasets of a shape by name: points, structure, perimeters, and columns of the reticulum where there are such.

        Raises
        ------
        NotFoundError
            The circuit has no such shape.
        """
        if name not in self.held:
            at = bisect_left(self.names, name)
            self.held = self._read(self.names[at : at + HELD_SHAPES])
        if name not in self.held:
            raise NotFoundError(f"{self.nodes[POINTS]} has no shape {name!r}")
        return self.held[name]

    def _read(self, names: Sequence[str]) -> dict[str, dict[str, NDArray[Any]]]:
        if not names or self.nodes[POINTS] not in self.snapshot.tables:
            return {}
        column = pds.field("morphology")
        between = (column >= names[0]) & (column <= names[-1])
        tables = {
            kind: self.snapshot.tables[node].to_arrow(where=between)
            for kind, node in self.nodes.items()
            if node in self.snapshot.tables
        }
        points = tables[POINTS]
        columns = np.stack([points[name].to_numpy() for name in ("x", "y", "z", "diameter")], axis=1)
        around = (
            points["perimeter"] if "perimeter" in points.column_names else pa.nulls(len(points), pa.float32())
        )
        perimeters = (
            around.to_numpy(zero_copy_only=False) if isinstance(around, pa.Array) else around.to_numpy()
        )
        sections = tables[SECTIONS]
        lengths = pc.list_value_length(sections["points"]).to_numpy()
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for name, rows in _ranges(points["morphology"]).items():
            found[name] = {"points": columns[rows]}
            if around.null_count < len(around) and not np.isnan(perimeters[rows]).all():
                found[name]["perimeters"] = perimeters[rows]
        kinds, parents = sections["type"].to_numpy(), sections["parent_id"].fill_null(-1).to_numpy()
        for name, rows in _ranges(sections["morphology"]).items():
            first = starts_of(lengths[rows].astype(np.int64))
            found[name]["structure"] = np.stack([first, kinds[rows], parents[rows]], axis=1)
        if RETICULUM in tables:
            for name, rows in _ranges(tables[RETICULUM]["morphology"]).items():
                for part in _ORGANELLE:
                    found[name][part] = tables[RETICULUM][_COLUMNS.get(part, part)].to_numpy()[rows]
        return found


def _ranges(column: pa.ChunkedArray) -> dict[str, slice]:
    """Rows of each value of a sorted column of text."""
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    stops = np.cumsum(np.bincount(encoded.indices.to_numpy(), minlength=len(encoded.dictionary))).tolist()
    return {
        name: slice(start, stop)
        for name, start, stop in zip(encoded.dictionary.to_pylist(), [0, *stops], stops, strict=False)
    }


def standard_items(version: tuple[int, int] = (1, 3)) -> list[Item]:
    """Return how a file of a shape is laid out where none says it, as MorphIO reads it; datasets without their numbers of rows.

    Parameters
    ----------
    version
        Of the format that the file says it is of.
    """

    def dataset(path: str, kind: str, part: str, *more: int) -> Item:
        return Item("", path, json.dumps(kind), [0, *more], node="", part=SHAPE + part)

    told = {
        "cell_family": {"type": "<u4", "shape": [1], "value": [0]},
        "version": {"type": "<u4", "shape": [2], "value": list(version)},
    }
    return [
        Item("", "/"),
        Item("", "/metadata", attributes=json.dumps(told)),
        dataset("/points", "<f4", "points", 4),
        dataset("/structure", "<i4", "structure", 3),
        dataset("/perimeters", "<f4", "perimeters"),
        Item("", "/organelles"),
        Item("", f"/{_RETICULUM}"),
        dataset(f"/{_RETICULUM}/section_index", "<u4", "section_index"),
        dataset(f"/{_RETICULUM}/volume", "<f4", "volume"),
        dataset(f"/{_RETICULUM}/surface_area", "<f4", "surface_area"),
        dataset(f"/{_RETICULUM}/filament_count", "<u4", "filament_count"),
    ]


def with_contour(shape: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Return a shape whose soma is a contour, as MorphIO wants it in HDF5: one that is a sphere gets a circle around it.

    Parameters
    ----------
    shape
        Datasets of the shape.
    """
    structure = shape["structure"]
    if not len(structure) or structure[0, 1] != 1 or (structure[1:2, 0] != 1).any():
        return shape
    *centre, diameter = shape["points"][0]
    angle = 2.0 * np.pi * np.arange(_CONTOUR) / _CONTOUR
    circle = np.zeros((_CONTOUR, 4), shape["points"].dtype)
    circle[:, :3] = centre
    circle[:, 0] += diameter / 2.0 * np.cos(angle)
    circle[:, 1] += diameter / 2.0 * np.sin(angle)
    later = structure.copy()
    later[1:, 0] += _CONTOUR - 1
    found = {**shape, "points": np.concatenate([circle, shape["points"][1:]]), "structure": later}
    if "perimeters" in shape:
        around = np.zeros(_CONTOUR, shape["perimeters"].dtype)
        found["perimeters"] = np.concatenate([around, shape["perimeters"][1:]])
    return found


def filled(
    items: Sequence[Item], shape: Mapping[str, NDArray[Any]], *, lenient: bool = False
) -> list[tuple[Item, Any]]:
    """Return the items of a shape's file with their numbers of rows and their values.

    Parameters
    ----------
    items
        How the file is laid out.
    shape
        Datasets of the shape.
    lenient
        Whether what the shape does not have is left out, with the groups of the reticulum.
    """
    found: list[tuple[Item, Any]] = []
    for item in items:
        part = (item.part or "").removeprefix(SHAPE)
        if not (item.part or "").startswith(SHAPE):
            if not (lenient and item.path.startswith("/organelles") and "volume" not in shape):
                found.append((item, None))
            continue
        values = shape.get(part)
        if values is None:
            if lenient:
                continue
            values = np.empty((0, *(item.shape or [0])[1:]))
        found.append((replace(item, shape=list(values.shape)), values))
    return found
