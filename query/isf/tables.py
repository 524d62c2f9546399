"""Frames of pandas and dask as tables of a lake from which they are read back as they were: labels, types and index.

A frame of plain columns becomes a table for SQL. One with more than 200 columns, categories or nested
values is kept as Arrow streams, one to a row of a table with a single binary column.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ...lake import Snapshot, Table, Transaction
from ...lake.data.parquet import write_file
from ...lake.data.types import plain as plain_table
from ...lake.errors import CorruptObjectError
from ...lake.names import in_one_line
from ...lake.nodes.entry import Entry
from ...lake.nodes.fields import fields_of
from ...lake.nodes.node import Tree
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage
from . import json as isf_json
from .trials import PinnedCommit, dask_frame

NOTE = "isf"
_MOST_COLUMNS = 200
_SLICE_BYTES = 256 * 2**20
_STREAM = "arrow_stream"
_PANDAS = b"pandas"


Put = Callable[[Transaction, str], None]
"""Makes a node of a transaction hold a value."""


def of_pandas(value: Any) -> Put:
    """Return what stores a DataFrame, Series or Index.

    Parameters
    ----------
    value
        The frame, series or index.

    Raises
    ------
    TypeError
        It would not be read back as it is, such as a column of mixed types.
    """
    frame, shape = _as_frame(value)
    rows = _arrow(frame, index=None if len(frame.columns) else True)
    note = {"format": "pandas", **shape, **_describe(rows)}
    stored = _checked(frame, rows, note)

    def put(transaction: Transaction, name: str) -> None:
        transaction.write_table(name, stored, doc="a pandas frame", attributes={NOTE: note})

    return put


def of_dask(value: Any, storage: Storage, client: Any = None) -> Put:
    """Return what stores a dask DataFrame or Series; every partition is computed and written now.

    Parameters
    ----------
    value
        The frame or series.
    storage
        Storage of the lake.
    client
        Client of `distributed` that computes it; by default dask decides.

    Raises
    ------
    TypeError
        It would not be read back as it is.
    """
    import dask

    shape = {"kind": "frame"}
    if value.ndim == 1:
        shape = {"kind": "series", "name": isf_json.dumps(value.name).decode()}
        value = value.to_frame("value")
    rows = _arrow(value._meta_nonempty, index=True)
    note = {"format": "dask", **shape, **_describe(rows)}
    # The partition that the columns are taken from. A stream without rows would have no categories.
    head = _stored(rows if note["streams"] else rows.slice(0, 0))
    write = dask.delayed(_WritePartition(storage, rows.schema, note), pure=False)
    entries = dask.compute(*map(write, value.to_delayed()), scheduler=client)
    edges = [edge.item() if isinstance(edge, np.generic) else edge for edge in value.divisions]
    known = all(type(edge) in (int, float, str) for edge in edges)
    note["partitions"] = [head.num_rows, *(entry.stats["rows"] for entry in entries)]
    note["divisions"] = edges if known else None

    def put(transaction: Transaction, name: str) -> None:
        transaction.write_table(name, head, doc="a dask frame", attributes={NOTE: note})
        transaction.append_files(name, entries, fields_of(head.schema))

    return put


def read_pandas(table: Table, note: Mapping[str, Any]) -> Any:
    """Read what `of_pandas` stored, or the rows of any other table as a DataFrame.

    Parameters
    ----------
    table
        The table.
    note
        The note beside it, as of `note_of`.
    """
    frame = _restored(table.to_arrow(), note)
    if note.get("kind") == "index":
        return frame.index
    if note.get("kind") == "series":
        return frame.iloc[:, 0].rename(isf_json.loads(note["name"].encode()))
    return frame


def read_dask(snapshot: Snapshot, name: str, note: Mapping[str, Any]) -> Any:
    """Read what `of_dask` stored: a dask DataFrame of the same partitions and divisions.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the table.
    note
        The note beside it, as of `note_of`.

    Raises
    ------
    CorruptObjectError
        The table's rows are not those that were stored.
    """
    table = snapshot.tables[name]
    head, *ends = accumulate(note["partitions"])
    if ends[-1] != table.rows:
        raise CorruptObjectError(f"table {name!r} has {table.rows} rows, of a dask frame with {ends[-1]}")
    divisions = note["divisions"]
    read = _ReadPartition(PinnedCommit.of(snapshot), name, table.digest)
    frame = dask_frame(
        read,
        list(pairwise([head, *ends])),
        meta=read((0, head)).iloc[:0],
        divisions=None if divisions is None else tuple(divisions),
        label="isf-frame",
    )
    if note.get("kind") == "series":
        series = frame["value"]
        renamed = partial(pd.Series.rename, index=isf_json.loads(note["name"].encode()))
        # dask's own renaming forgets the divisions.
        return series.map_partitions(renamed, meta=renamed(series._meta))
    return frame


@dataclass(frozen=True)
class _ReadPartition:
    """Reads a range of rows of a stored dask frame, whatever files they are in by now."""

    source: PinnedCommit
    name: str
    digest: str

    def __call__(self, ends: tuple[int, int]) -> pd.DataFrame:
        table = self.source.snapshot.tables[self.name]
        note = note_of(self.source.snapshot.tree, self.name)
        parts = [
            table.rows_of(entry).slice(start, stop - start) for entry, start, stop in _within(table, *ends)
        ]
        return _restored(pa.concat_tables([table.schema().empty_table(), *parts]), note)

    def __dask_tokenize__(self) -> Any:
        return self.digest


def _within(table: Table, first: int, last: int) -> Iterator[tuple[Entry, int, int]]:
    """Files that hold rows of a range, and which of their rows these are."""
    start = 0
    for entry in table.files:
        stop = start + entry.stats["rows"]
        if start < last and stop > first:
            yield entry, max(first - start, 0), min(last, stop) - start
        start = stop


def note_of(tree: Tree, name: str) -> Mapping[str, Any]:
    """Return the note in a node's attributes on the value that it holds; empty where there is no node, or no note.

    Parameters
    ----------
    tree
        Nodes by name.
    name
        Name of the node.
    """
    node = tree.get(name)
    if node is None:
        return {}
    attributes = node.meta if node.kind == "file" else node.meta.get("attributes", {})
    note: Mapping[str, Any] = attributes.get(NOTE, {})
    return note


# pandas and Arrow


def _as_frame(value: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    if isinstance(value, pd.DataFrame):
        return value, {"kind": "frame"}
    if isinstance(value, pd.Series):
        return value.to_frame("value"), {"kind": "series", "name": isf_json.dumps(value.name).decode()}
    return pd.DataFrame(index=value), {"kind": "index"}


def _arrow(frame: pd.DataFrame, index: bool | None = None) -> pa.Table:
    try:
        with warnings.catch_warnings():
            # Labels of mixed types become text; Arrow only warns of it.
            warnings.simplefilter("error", UserWarning)
            return pa.Table.from_pandas(frame, preserve_index=index)
    except (pa.ArrowException, ValueError, TypeError, UserWarning) as error:
        raise TypeError(f"a frame that Arrow cannot hold: {error}") from error


def _checked(frame: pd.DataFrame, rows: pa.Table, note: Mapping[str, Any]) -> pa.Table:
    """The table to store for *rows*, if it makes *frame* again.

    Raises
    ------
    TypeError
        It does not.
    """
    stored = _stored(rows)
    try:
        pd.testing.assert_frame_equal(
            _restored(stored, note), frame, check_exact=True, check_freq=False, check_flags=False
        )
    except AssertionError as error:
        what = in_one_line(error)
        raise TypeError(f"a frame that would not come back as it is ({what[:300]})") from error
    return stored


def _describe(rows: pa.Table) -> dict[str, Any]:
    streams = not _is_plain(rows.schema)
    return {"streams": streams, "pandas": None if streams else json.loads(rows.schema.metadata[_PANDAS])}


def _is_plain(schema: pa.Schema) -> bool:
    return len(schema) <= _MOST_COLUMNS and all(
        pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
        for kind in schema.types
    )


def _stored(rows: pa.Table) -> pa.Table:
    """The table to store: the rows as they are, or as streams of at most 256 MiB."""
    if _is_plain(rows.schema):
        return plain_table(rows)
    step = max(1, int(rows.num_rows * _SLICE_BYTES / max(rows.nbytes, 1)))
    starts = range(0, max(rows.num_rows, 1), step)
    streams = [_stream(rows.slice(start, step)) for start in starts]
    return pa.table({_STREAM: pa.array(streams, pa.binary())})


def _stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _restored(stored: pa.Table, note: Mapping[str, Any]) -> pd.DataFrame:
    """The frame that `_stored` rows hold."""
    if note.get("streams"):
        parts = [pa.ipc.open_stream(stream).read_all() for stream in stored[_STREAM].to_pylist()]
        return _retyped(pa.concat_tables(parts), pa.concat_tables(parts).to_pandas())
    metadata = {_PANDAS: json.dumps(note["pandas"])} if note.get("pandas") else None
    rows = stored.replace_schema_metadata(metadata)
    return _retyped(rows, rows.to_pandas())


def _retyped(rows: pa.Table, frame: pd.DataFrame) -> pd.DataFrame:
    """*frame* with Python objects and types of text as they were, where Arrow makes others of them."""
    described = json.loads((rows.schema.metadata or {}).get(_PANDAS, b"{}"))
    columns = {column["field_name"]: column["numpy_type"] for column in described.get("columns", ())}
    for at, column in enumerate(described.get("columns", ())[: frame.shape[1]]):
        if column["numpy_type"] == "object":
            values: Any = pd.Series(index=frame.index, dtype=object)
            values[:] = rows[column["field_name"]].to_pylist()
            frame.isetitem(at, values)
    kinds = [columns.get(name) for name in described.get("index_columns", ()) if isinstance(name, str)]
    if kinds in (["object"], ["string"]):
        frame.index = frame.index.astype(kinds[0])
    return frame


@dataclass(frozen=True)
class _WritePartition:
    """Stores a partition as one Parquet file."""

    storage: Storage
    schema: pa.Schema
    note: Mapping[str, Any]

    def __call__(self, part: pd.DataFrame) -> Entry:
        rows = _arrow(part, index=True)
        if rows.schema.names != self.schema.names:
            raise TypeError("a dask frame whose partitions differ in their columns")
        try:
            # A stream has types of its own; the partitions of a table share them.
            rows = rows if self.note["streams"] else rows.cast(self.schema)
        except pa.ArrowException as error:
            raise TypeError(f"a dask frame whose partitions differ in type: {error}") from error
        writer = ObjectWriter(self.storage)
        entry = write_file(_checked(part, rows, self.note), writer)
        writer.flush()
        return entry
