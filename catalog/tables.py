"""The rows that describe a lake, as Arrow tables: of single nodes and shards, and of the log."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ..lake import Snapshot
from ..lake.errors import ExpiredError
from ..lake.history.log import Commit, Log, Space
from ..lake.nodes.content import attributes, content
from ..lake.nodes.entry import Entry
from ..lake.nodes.grid import Grid
from ..lake.nodes.node import Node, Tree
from ..lake.nodes.shards import Shard
from .schema import LOG, Description

Rows = list[dict[str, Any]]

_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT[]": pa.list_(pa.int64()),
    "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
}


def arrow(description: Description, rows: Rows) -> pa.Table:
    """Return rows as an Arrow table; what a row leaves out is null.

    Parameters
    ----------
    description
        The table that the rows belong to.
    rows
        A mapping of values by column for each row.
    """
    fields = [(column.name, _ARROW[column.type]) for column in description.columns]
    return pa.Table.from_pylist(rows, pa.schema(fields))


def node_rows(tree: Tree, array_bytes: Mapping[str, int]) -> Rows:
    """Return the rows of ``nodes``.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    array_bytes
        Bytes of the chunks of each array that has some, by its name.
    """
    return [{**_node(name, node), **_extent(name, node, array_bytes)} for name, node in tree.items()]


def column_rows(tree: Tree) -> Rows:
    """Return the rows of ``columns``.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return [row for name, node in tree.items() for row in _columns(name, node)]


def file_rows(tree: Tree) -> Rows:
    """Return the rows of ``files``.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return [row for name, node in tree.items() for row in _files(name, node)]


def parquet_file_rows(tree: Tree) -> Rows:
    """Return the rows of ``parquet_files``.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return [
        {**at, "digest": entry.digest, "size": entry.size, "rows": entry.stats.get("rows")}
        for at, entry in _parquet_files(tree)
    ]


def parquet_column_rows(tree: Tree) -> Rows:
    """Return the rows of ``parquet_columns``.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return [
        {**at, "column": column, "nulls": nulls, **_bound("min", low), **_bound("max", high)}
        for at, entry in _parquet_files(tree)
        for column, (low, high, nulls) in entry.stats.get("columns", {}).items()
    ]


def chunk_columns(array: str, meta: Mapping[str, Any], shard: Shard) -> pa.Table:
    """Return the columns of ``array_chunks`` for the chunks of a shard; digests are bytes still.

    Parameters
    ----------
    array
        Name of the array.
    meta
        Zarr v3 metadata of the array.
    shard
        Entries of the chunks.
    """
    stored = shard.columns
    numbers = stored["at"].to_numpy().astype(np.int64)
    counts = Grid.of(meta).counts
    parts = []
    for count in reversed(counts[1:]):
        numbers, part = np.divmod(numbers, max(count, 1))
        parts.append(part)
    axes = [numbers, *reversed(parts)] if counts else []
    flat = np.stack(axes, axis=1).ravel() if axes else np.empty(0, np.int64)
    offsets = np.arange(len(stored) + 1, dtype=np.int32) * len(counts)
    columns = {
        "array": pa.DictionaryArray.from_arrays(np.zeros(len(stored), np.int32), [array]).cast(pa.string()),
        "chunk": stored["at"].cast(pa.int64()),
        "coordinates": pa.ListArray.from_arrays(offsets, flat),
        **{name: stored[name] for name in ("digest", "size", "min", "max", "mean", "nan")},
    }
    return pa.table(columns)


def derived_rows(tree: Tree) -> Rows:
    """Return the rows of ``derived``: how each derived result was made, and whether it is stale.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    found = ((name, attributes(node).get("derived")) for name, node in tree.items())
    return [_derived(name, said, tree) for name, said in found if isinstance(said, dict)]


def commits(snapshot: Snapshot) -> pa.Table:
    """Return the rows of the snapshot's commit and those before it, newest first.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    rows = [
        {
            "id": record.id,
            "time": _utc(record),
            "author": record.author,
            "message": record.message,
            "parents": [parent.id for parent in record.parents],
            "snapshot": record.snapshot,
        }
        for record in snapshot.history()
    ]
    return arrow(LOG["commits"], rows)


def refs(log: Log) -> pa.Table:
    """Return the rows of branches and tags as they are now.

    Parameters
    ----------
    log
        Log of the lake.
    """
    spaces: tuple[tuple[Space, str], ...] = (("log", "branch"), ("tags", "tag"))
    rows = [
        {"name": name, "kind": kind, **_meant(log, name, space)}
        for space, kind in spaces
        for name in log.names(space)
    ]
    return arrow(LOG["refs"], rows)


def _meant(log: Log, name: str, space: Space) -> dict[str, Any]:
    target = log.points_at(name, space)
    if target is None:
        return {}
    try:
        record = log.read(target)
    except ExpiredError:
        return {}
    return {"commit": record.id, "time": _utc(record), "message": record.message}


def _utc(record: Commit) -> datetime:
    return record.time.astimezone(UTC).replace(tzinfo=None)


def _node(name: str, node: Node) -> dict[str, Any]:
    about, meta = attributes(node), node.meta if node.kind == "array" else {}
    return {
        "name": name,
        "kind": node.kind,
        "doc": _text(node.meta.get("doc") if node.kind == "table" else None)
        or _text(about.get("doc"))
        or _text(about.get("long_name")),
        "shape": meta.get("shape"),
        "data_type": _text(meta.get("data_type")),
        "digest": node.digest,
        "chunk_shape": list(Grid.of(meta).chunks) if meta else None,
        "dimension_names": meta.get("dimension_names"),
    }


def _extent(name: str, node: Node, array_bytes: Mapping[str, int]) -> dict[str, Any]:
    """Objects, bytes and rows of a node; what arrays store is told by their chunks."""
    if node.kind == "array":
        return {"objects": len(node.entries), "stored_bytes": array_bytes.get(name, 0)}
    entries = [entry for _, entry in node.entries.items()]
    extent = {"objects": len(entries), "stored_bytes": sum(entry.size for entry in entries)}
    rows = sum(entry.stats.get("rows", 0) for entry in entries)
    return {**extent, "rows": rows} if node.kind == "table" else extent


def _parquet_files(tree: Tree) -> Iterator[tuple[dict[str, Any], Entry]]:
    for name, node in tree.items():
        for number, entry in node.entries.items() if node.kind == "table" else ():
            yield {"table": name, "file": number}, entry


def _columns(name: str, node: Node) -> Iterable[dict[str, Any]]:
    for field in node.meta["fields"] if node.kind == "table" else ():
        doc = field.get("doc", {})
        said = {key: doc.get(key) for key in ("unit", "meaning", "source")}
        yield {"table": name, "column": field["name"], "type": field["type"], **said}


def _files(name: str, node: Node) -> Iterable[dict[str, Any]]:
    entry = node.entries.get(0) if node.kind == "file" else None
    if entry is not None:
        yield {"path": name, "size": entry.size, "digest": entry.digest, "node": name}


def _derived(name: str, said: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    inputs = said.get("inputs")
    made_from = {
        str(key): str(digest) for key, digest in (inputs if isinstance(inputs, dict) else {}).items()
    }
    return {
        "name": name,
        **{key: _text(said.get(key)) for key in ("kernel", "version", "code", "commit")},
        "inputs": list(made_from.items()),
        "params": json.dumps(said.get("params"), sort_keys=True),
        "stale": any(key not in tree or content(tree, key) != digest for key, digest in made_from.items()),
    }


def _bound(name: str, value: object) -> dict[str, Any]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {name: float(value) if number else None, f"{name}_text": _text(value)}  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
