# ruff: noqa: S608 - names in statements are this module's own, other text is quoted.
"""Describe a snapshot: tables of what its manifest says, and a view of the shards in which chunks stand.

Shards of entries are Parquet files of the lake. DuckDB reads them in place, so that nothing is made of the chunks of large
arrays, and nothing kept: a snapshot of millions of chunks is described as soon as one of a few.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import duckdb
import pyarrow as pa

from ..lake.nodes.entry import SHARD_SIZE, Entry, ShardRef
from ..lake.nodes.grid import Grid
from ..lake.nodes.node import Node, Tree
from ..lake.nodes.shards import Shard
from .schema import CONTENT, identifier, literal
from .tables import (
    Rows,
    arrow,
    chunk_columns,
    column_rows,
    derived_rows,
    file_rows,
    node_rows,
    parquet_column_rows,
    parquet_file_rows,
)

SCHEMA = "described"
PARTS = "parts"
CHUNKS = "array_chunks"
_COLUMNS = ", ".join(identifier(column.name) for column in CONTENT[CHUNKS].columns)


@contextlib.contextmanager
def at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Make in a database all that the block makes, or nothing: after an error it can be made again.

    Parameters
    ----------
    connection
        An open connection, without a transaction.
    """
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # What fails to be committed is gone already.
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise


ShardPaths = Callable[[Sequence[ShardRef]], Sequence[object]]


class Descriptions:
    """The tables of `schema.CONTENT` that describe one tree, each made when it is asked for.

    Parameters
    ----------
    connection
        An open connection of DuckDB.
    tree
        Nodes of a snapshot, by name.
    shard_paths
        Returns the local files of shards.
    database
        What stands before names of tables: an attached database and a dot, or nothing for the one in use.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, tree: Tree, shard_paths: ShardPaths, database: str = ""
    ) -> None:
        self._connection = connection
        self._tree = tree
        self._shard_paths = shard_paths
        self._database = database
        self._made: set[str] = set()

    def make(self, names: Iterable[str]) -> None:
        """Make the tables of these names, of `schema.CONTENT`.

        Parameters
        ----------
        names
            Names of tables.
        """
        rows: Mapping[str, Callable[[], Rows]] = {
            "nodes": lambda: node_rows(self._tree, self._stored_bytes),
            "columns": lambda: column_rows(self._tree),
            "files": lambda: file_rows(self._tree),
            "derived": lambda: derived_rows(self._tree),
            "parquet_files": lambda: parquet_file_rows(self._tree),
            "parquet_columns": lambda: parquet_column_rows(self._tree),
        }
        for name in names:
            if name == CHUNKS:
                self._make_chunks()
            elif name not in self._made:
                made = arrow(CONTENT[name], rows[name]()) if name in rows else None
                with at_once(self._connection):
                    self._make_table(name, CONTENT[name].ddl(f"{self._database}{name}"), made)
                self._made.add(name)

    def _make_table(self, name: str, ddl: str, rows: pa.Table | None, columns: str = "*") -> None:
        self._connection.execute(ddl)
        if rows is not None and rows.num_rows:
            self._connection.register("rows", rows)
            try:
                self._connection.execute(
                    f"insert into {self._database}{name} by name select {columns} from rows"
                )
            finally:
                self._connection.unregister("rows")

    @cached_property
    def _stored_bytes(self) -> Mapping[str, int]:
        """Bytes of arrays, by name."""
        self._make_chunks()
        query = f'select "array", sum(size) from {self._database}{CHUNKS} group by all'
        return {name: int(size) for name, size in self._connection.execute(query).fetchall()}

    def _make_chunks(self) -> None:
        """Make the view of all chunks: those in shards, and those that lie over them."""
        if CHUNKS in self._made:
            return
        arrays = {name: node for name, node in sorted(self._tree.items()) if node.kind == "array"}
        # What is damaged is told here, before anything is made.
        shards = {name: [*node.entries.shards.values()] for name, node in arrays.items()}
        paths = iter(self._shard_paths([ref for refs in shards.values() for ref in refs]))
        stored = [
            _stored(name, arrays[name], [str(next(paths)) for _ in refs])
            for name, refs in shards.items()
            if refs
        ]
        above = [chunk_columns(name, node.meta, Shard.of(_above(node))) for name, node in arrays.items()]
        part = f"{PARTS}.{CHUNKS}"
        with at_once(self._connection):
            self._connection.execute(f"create schema {self._database}{PARTS}")
            self._make_table(
                part,
                CONTENT[CHUNKS].ddl(f"{self._database}{part}"),
                pa.concat_tables(above) if above else None,
                "* replace (lower(hex(digest)) as digest)",
            )
            parts = [f"select {_COLUMNS} from {self._database}{part}", *stored]
            self._connection.execute(
                f"create view {self._database}{CHUNKS} as {' union all by name '.join(parts)}"
            )
        self._made.add(CHUNKS)


def _stored(name: str, node: Node, paths: Sequence[str]) -> str:
    """The query for chunks of an array in its shards, but for those that something lies over."""
    hidden = [str(at) for at in sorted(node.entries.overlay) if at // SHARD_SIZE in node.entries.shards]
    where = f' where "at" not in ({", ".join(hidden)})' if hidden else ""
    return (
        f'select {literal(name)} as "array", "at"::BIGINT as chunk, {_coordinates(node)} as coordinates, '
        f"lower(hex(digest)) as digest, size::BIGINT as size, min, max, mean, nan::BIGINT as nan "
        f"from read_parquet([{', '.join(map(literal, paths))}]){where}"
    )


def _above(node: Node) -> Mapping[int, Entry]:
    return {at: entry for at, entry in node.entries.overlay.items() if entry is not None}


def _coordinates(node: Node) -> str:
    """A list of the number along each axis, of the number of a chunk."""
    counts = Grid.of(node.meta).counts
    below = [math.prod(max(count, 1) for count in counts[axis + 1 :]) for axis in range(len(counts))]
    parts = [
        f'"at" // {step} % {max(count, 1)}' if axis else f'"at" // {step}'
        for axis, (step, count) in enumerate(zip(below, counts, strict=True))
    ]
    return f"[{', '.join(parts)}]::BIGINT[]"
