# ruff: noqa: S608 - names in statements are this module's own, values are bound or registered.
"""Bring the tables that describe a snapshot up to date, in time that goes with what changed.

Rows are made of pieces: the shards of entries of a node. A piece whose digest is the same has the same rows, so
only the others are read from the lake; ``pieces`` keeps what the rows were made of.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from ..lake.nodes.entry import SHARD_SIZE
from ..lake.nodes.grid import Grid
from ..lake.nodes.node import Node, Tree
from ..lake.nodes.shards import Shard
from .schema import CONTENT, comments, description_texts
from .tables import Rows, arrow, chunk_columns, derived_rows, file_rows, node_rows

SCHEMA = "described"
_BATCH = 2**20
_PIECES = f"""create table {SCHEMA}.pieces
  (node VARCHAR, shard BIGINT, digest VARCHAR, objects BIGINT, bytes BIGINT, rows BIGINT)"""
_PIECE = pa.schema([("node", pa.string()), ("shard", pa.int64()), ("digest", pa.string())])
_EXTENT = pa.schema([*_PIECE, ("objects", pa.int64()), ("bytes", pa.int64()), ("rows", pa.int64())])
# By table: its column with the node's name, and the one with the position of the entry.
_OF_PIECES = {
    "parquet_files": ("table", "file"),
    "parquet_columns": ("table", "file"),
    "array_chunks": ("array", "chunk"),
}
_OF_NODES = {"nodes": "name", "columns": "table", "files": "node"}


@dataclass(frozen=True)
class Piece:
    """A shard of a node, and what tells whether its rows would be others: its digest, and an array's grid."""

    node: str
    shard: int
    digest: str


def pieces(tree: Tree) -> set[Piece]:
    """Return what the rows of a tree are made of.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return {
        Piece(name, number, f"{digest}{grid}")
        for name, node in tree.items()
        for grid in [_grid(node)]
        for number, digest in node.entries.identity()
    }


def kept_pieces(connection: duckdb.DuckDBPyConnection) -> set[Piece]:
    """Return what the rows in the attached database `SCHEMA` were made of.

    Parameters
    ----------
    connection
        An open connection of DuckDB.
    """
    rows = connection.execute(f"select node, shard, digest from {SCHEMA}.pieces").fetchall()
    return {Piece(*row) for row in rows}


def fill(connection: duckdb.DuckDBPyConnection, tree: Tree, *, fresh: bool) -> None:
    """Make the attached database `SCHEMA` describe a tree.

    Parameters
    ----------
    connection
        An open connection of DuckDB.
    tree
        Nodes of a snapshot, by name.
    fresh
        Whether the database is empty; else it describes another tree.
    """
    if fresh:
        made = [description.ddl(f"{SCHEMA}.{name}") for name, description in CONTENT.items()]
        connection.execute(";\n".join([_PIECES, *made]))
    kept, known = (set(), set()) if fresh else (kept_pieces(connection), _kept_nodes(connection))
    wanted = pieces(tree)
    now = {(name, str(node.digest)) for name, node in tree.items()}
    connection.execute("begin")
    if kept - wanted:
        _drop_pieces(connection, kept - wanted)
    for batch in _batches(wanted - kept, tree):
        batch.insert(connection)
    if known - now:
        _drop_nodes(connection, {name for name, _ in known - now})
    _insert_nodes(connection, {name: tree[name] for name, _ in sorted(now - known)})
    connection.execute(f"delete from {SCHEMA}.derived")
    _insert(connection, "derived", arrow(CONTENT["derived"], derived_rows(tree)))
    connection.execute("commit")


def describe(connection: duckdb.DuckDBPyConnection) -> None:
    """Attach comments to the tables in `SCHEMA` that say what they mean.

    Parameters
    ----------
    connection
        An open connection of DuckDB.
    """
    said = [
        text for name in CONTENT for text in comments("table", f"{SCHEMA}.{name}", *description_texts(name))
    ]
    connection.execute(";\n".join(said))


class _Batch:
    """Rows of some pieces."""

    def __init__(self) -> None:
        self.rows = 0
        self._extents: Rows = []
        self._chunks: list[pa.Table] = []
        self._files: dict[str, Rows] = {"parquet_files": [], "parquet_columns": []}

    def add(self, piece: Piece, node: Node) -> None:
        """Take in the rows of a piece."""
        entries = node.entries.shard(piece.shard)
        self.rows += len(entries)
        extent = {"node": piece.node, "shard": piece.shard, "digest": piece.digest, "objects": len(entries)}
        if node.kind == "array":
            shard = entries if isinstance(entries, Shard) else Shard.of(entries)
            self._chunks.append(chunk_columns(piece.node, node.meta, shard))
            self._extents.append({**extent, "bytes": int(shard.columns["size"].to_numpy().sum())})
            return
        size = sum(entry.size for entry in entries.values())
        rows = sum(entry.stats.get("rows", 0) for entry in entries.values())
        self._extents.append({**extent, "bytes": size, "rows": rows if node.kind == "table" else None})
        if node.kind == "table":
            for name, found in file_rows(piece.node, sorted(entries.items())).items():
                self._files[name] += found

    def insert(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write the rows."""
        if not self._extents:
            return
        _insert(connection, "pieces", pa.Table.from_pylist(self._extents, _EXTENT))
        for name, rows in self._files.items():
            _insert(connection, name, arrow(CONTENT[name], rows))
        if self._chunks:
            chunks = pa.concat_tables(self._chunks)
            _insert(connection, "array_chunks", chunks, "* replace (lower(hex(digest)) as digest)")


def _batches(wanted: set[Piece], tree: Tree) -> Iterator[_Batch]:
    batch = _Batch()
    for piece in sorted(wanted, key=lambda piece: (piece.node, piece.shard)):
        batch.add(piece, tree[piece.node])
        if batch.rows >= _BATCH:
            yield batch
            batch = _Batch()
    yield batch


def _drop_pieces(connection: duckdb.DuckDBPyConnection, gone: set[Piece]) -> None:
    rows = [vars(piece) for piece in gone]
    with _registered(connection, pa.Table.from_pylist(rows, _PIECE)):
        connection.execute(
            f"delete from {SCHEMA}.pieces p using rows r where p.node = r.node and p.shard = r.shard"
        )
        for table, (name, position) in _OF_PIECES.items():
            connection.execute(
                f'delete from {SCHEMA}.{table} t using rows r where t."{name}" = r.node '
                f'and t."{position}" // {SHARD_SIZE} = r.shard'
            )


def _drop_nodes(connection: duckdb.DuckDBPyConnection, gone: set[str]) -> None:
    with _registered(connection, pa.table({"node": sorted(gone)})):
        for table, name in _OF_NODES.items():
            connection.execute(f'delete from {SCHEMA}.{table} t using rows r where t."{name}" = r.node')


def _insert_nodes(connection: duckdb.DuckDBPyConnection, new: Mapping[str, Node]) -> None:
    extents = connection.execute(
        f"select node, sum(rows), sum(bytes), sum(objects) from {SCHEMA}.pieces group by node"
    ).fetchall()
    by_node = {name: extent for name, *extent in extents}
    found = node_rows(new)
    for row in found["nodes"]:
        row["rows"], row["stored_bytes"], row["objects"] = by_node.get(row["name"], (None, 0, 0))
    for table, rows in found.items():
        _insert(connection, table, arrow(CONTENT[table], rows))


def _kept_nodes(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    return set(connection.execute(f"select name, digest from {SCHEMA}.nodes").fetchall())


def _grid(node: Node) -> str:
    """What of an array's grid the coordinates of a chunk depend on."""
    if node.kind != "array":
        return ""
    return f" {Grid.of(node.meta).counts[1:]} of {len(node.meta['shape'])}"


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, columns: str = "*") -> None:
    if not rows.num_rows:
        return
    with _registered(connection, rows):
        connection.execute(f"insert into {SCHEMA}.{table} by name select {columns} from rows")


@contextlib.contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> Iterator[None]:
    connection.register("rows", rows)
    try:
        yield
    finally:
        connection.unregister("rows")
