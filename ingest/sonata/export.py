"""Export of SONATA: the files of an ingest, or what the lake holds in the dialect of libsonata."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...lake import Array, Snapshot, Table
from ...lake.errors import InputError, NotFoundError
from ..hdf5.layout import Item, hdf5, layout_items, make_dataset, type_of, write_attributes
from ..outgoing import new_folder
from ..source import Exported, Progress
from .canonical import FROM, canonical_files
from .populations import RANGES, made_index

DIALECTS = ("source", "libsonata")
BLOCK_VALUES = 2**23

Advance = Callable[[int], None]


def export_sonata(
    snapshot: Snapshot,
    folder: str | Path,
    *,
    runs: Sequence[str] | None = None,
    dialect: str = "source",
    progress: Progress | None = None,
) -> Exported:
    """Write what was ingested from SONATA as SONATA again; all files or, on an error, none.

    Parameters
    ----------
    snapshot
        The commit to read.
    folder
        Where to write; empty or not there yet. Several runs get a folder each.
    runs
        Which ingests; all by default.
    dialect
        ``"source"``: the files that were ingested, with their types, attributes and dialect; datasets equal those of
        the source. ``"libsonata"``: one group of attributes, plain text, float32 reports, indices of edges, and
        configurations, for any dialect of the source, and for what came into the lake by other ways.
    progress
        Called with bytes done and bytes in all.

    Returns
    -------
    Exported
        Number of files and of bytes written.

    Raises
    ------
    NotFoundError
        The snapshot has nothing of SONATA, or not that run.
    InputError
        The folder holds something already, or the dialect cannot say what the lake holds.
    """
    if dialect not in DIALECTS:
        raise InputError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
    chosen = _chosen(snapshot, runs, dialect)
    plans = {
        run: _files(snapshot, run) if dialect == "source" else canonical_files(snapshot, run)
        for run in chosen
    }
    total = sum(_size(snapshot, content) for plan in plans.values() for content in plan.values())
    done = 0

    def advance(amount: int) -> None:
        nonlocal done
        done += amount
        if progress is not None:
            progress(done, total)

    with new_folder(Path(folder)) as outgoing:
        sizes = [
            _write(snapshot, outgoing.file(name if len(plans) == 1 else f"{run}/{name}"), content, advance)
            for run, plan in plans.items()
            for name, content in plan.items()
        ]
    return Exported(len(sizes), sum(sizes))


Content = str | bytes | list[Item]
"""What a file holds: the file node of that name, these bytes, or what is laid out so."""


def _chosen(snapshot: Snapshot, runs: Sequence[str] | None, dialect: str) -> list[str]:
    found = {parts["circuit"] for name in snapshot.tables if (parts := circuits.FILES.parts(name))}
    if dialect == "libsonata":
        found |= {
            name.split("/")[1] for name in snapshot if name.split("/")[0] in circuits.ROOMS and "/" in name
        }
    if not found:
        raise NotFoundError("this snapshot holds nothing of SONATA")
    missing = set(runs or ()) - found
    if missing:
        raise NotFoundError(f"there is no run {min(missing)!r}; there are: {', '.join(sorted(found))}")
    return sorted(runs or found)


def _files(snapshot: Snapshot, run: str) -> dict[str, Content]:
    rows = snapshot.tables[circuits.FILES.of(circuit=run)].to_arrow().to_pylist()
    laid: dict[str, list[Item]] = {}
    for item in layout_items(snapshot.tables[circuits.LAYOUT.of(circuit=run)].to_arrow()):
        laid.setdefault(item.file, []).append(item)
    return {row["path"]: row["node"] or laid[row["path"]] for row in rows}


def _size(snapshot: Snapshot, content: Content) -> int:
    if isinstance(content, list):
        return sum(_dataset_size(item) for item in content if item.node is not None)
    return len(snapshot.files[content] if isinstance(content, str) else content)


def _dataset_size(item: Item) -> int:
    return int(np.prod(item.shape or ())) * type_of(json.loads(item.type or "null")).itemsize


def _write(snapshot: Snapshot, path: Path, content: Content, advance: Advance) -> int:
    """Write one file; gives its size."""
    if isinstance(content, list):
        with hdf5().File(path, "w") as file:
            fill_file(snapshot, file, content, advance)
    else:
        data = snapshot.files[content] if isinstance(content, str) else content
        path.write_bytes(data)
        advance(len(data))
    return path.stat().st_size


def fill_file(
    snapshot: Snapshot,
    file: Any,
    items: Sequence[Item],
    advance: Advance,
    own: Callable[[Item], NDArray[Any] | None] = lambda item: None,
) -> None:
    """Write groups and datasets into an HDF5 file, with the values that a lake holds of them.

    Parameters
    ----------
    snapshot
        The commit to read.
    file
        Open file of h5py.
    items
        What is in the file, groups before what is in them.
    advance
        Called with the number of bytes written.
    own
        Values of a dataset whose part is of a format of its own; None for all others.
    """
    for item in items:
        if item.type is None:
            write_attributes(file.require_group(item.path), item.attributes)
            continue
        dataset = make_dataset(file, item)
        if item.node is None:
            continue
        values = own(item)
        node = None if values is not None else snapshot[item.node]
        if isinstance(node, Array):
            first = (item.part or "").removeprefix(FROM)
            _copy(node, dataset, advance, int(first or 0))
        else:
            dataset[...] = _values(node, item, np.dtype(dataset.dtype)) if values is None else values
            advance(_dataset_size(item))


def _copy(array: Array, dataset: Any, advance: Advance, first: int) -> None:
    """Copy an array from a row on, whole chunks at a time."""
    rows, columns = array.shape[0], array.shape[1] if array.ndim > 1 else 1
    high, wide = array.chunks[0], array.chunks[1] if array.ndim > 1 else 1
    step = wide * max(1, BLOCK_VALUES // (high * wide))
    for top in range(first // high * high, rows, high):
        above = max(top, first)
        for left in range(0, columns, step):
            low = min(top + high, rows)
            across = (slice(left, min(left + step, columns)),) if array.ndim > 1 else ()
            values = array[(slice(above, low), *across)]
            dataset[(slice(above - first, low - first), *across)] = values.astype(dataset.dtype, copy=False)
            advance(values.size * dataset.dtype.itemsize)


# Parts of tables


def _values(table: Any, item: Item, kind: np.dtype[Any]) -> NDArray[Any]:
    """The values of a dataset whose place is in a table, as the dataset's type."""
    part = item.part or ""
    if part == "@pointers":
        rows = table.to_arrow(["start", "stop"])
        found = np.r_[rows["start"].to_numpy()[:1], rows["stop"].to_numpy()] if len(rows) else np.zeros(1)
        return found.astype(kind)
    if part.startswith("@rows."):
        name = part.removeprefix("@rows.")
        return _typed(_filled(_ordered(table, [name])[name], table.name, name), kind)
    if part.startswith("@"):
        return _index(table, part[1:], tuple(item.shape or ())).astype(kind)
    return _typed(_column(table, part, item.path), kind)


def _index(table: Table, part: str, shape: tuple[int, ...]) -> NDArray[Any]:
    name, which = part.split(".")
    ends = _ordered(table, [name])[name].to_numpy()
    # How many nodes the source's index had; the population may have more.
    nodes = shape[0] if which == RANGES[0] else int(ends.max(initial=-1)) + 1
    # An index that had fewer nodes had fewer runs, too; those of higher nodes come last.
    return made_index(ends, nodes)[0 if which == RANGES[0] else 1][: shape[0]]


def _column(table: Table, name: str, path: str) -> pa.ChunkedArray:
    """A column in the order of the source; of a group's attribute, the rows of the group in its order."""
    kind = path.split("/")[1].removesuffix("s")
    ids, index = f"{kind}_group_id", f"{kind}_group_index"
    parts = path.split("/")
    if ids not in table.columns or len(parts) < 5 or not parts[3].isdecimal():
        return _ordered(table, [name])[name]
    rows = _ordered(table, dict.fromkeys([name, ids, index]))
    return rows.filter(pc.field(ids) == int(parts[3])).sort_by(index)[name]


def _ordered(table: Table, columns: Sequence[str] | Mapping[str, None]) -> pa.Table:
    """Columns in the order of the source, which for edges is that of their ids."""
    if "edge_id" not in table.columns:
        return table.to_arrow([*columns])
    return table.to_arrow([*dict.fromkeys([*columns, "edge_id"])]).sort_by("edge_id")


def _filled(column: pa.ChunkedArray, table: str, name: str) -> pa.ChunkedArray:
    """A column whose gaps are empty texts, or no numbers."""
    if not column.null_count:
        return column
    if not (pa.types.is_string(column.type) or pa.types.is_floating(column.type)):
        raise InputError(f"{table}: some nodes or edges have no {name}, which libsonata's dialect cannot say")
    return column.fill_null("" if pa.types.is_string(column.type) else float("nan"))


def _typed(column: pa.ChunkedArray, kind: np.dtype[Any]) -> NDArray[Any]:
    names = hdf5().check_enum_dtype(kind)
    if names is not None:
        return np.array([names[word] for word in column.to_pylist()], kind)
    if pa.types.is_string(column.type):
        texts = column.to_pylist()
        encoded = [text.encode() for text in texts] if kind.kind == "S" else texts
        return np.array(encoded, kind.kind if kind.kind == "S" else object)
    values: NDArray[Any] = column.to_numpy().astype(kind)
    return values
