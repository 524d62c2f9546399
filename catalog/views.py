"""A DuckDB connection on one snapshot: a view for every table, and tables that describe the lake itself."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import duckdb
import pyarrow as pa

from ..lake import Snapshot, Table
from ..lake.errors import CorruptObjectError, QueryError

NODES = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("doc", pa.string()),
        ("rows", pa.int64()),
        ("shape", pa.list_(pa.int64())),
        ("data_type", pa.string()),
        ("stored_bytes", pa.int64()),
        ("objects", pa.int64()),
        ("digest", pa.string()),
    ]
)
COLUMNS = pa.schema(
    [(name, pa.string()) for name in ("table", "column", "type", "unit", "meaning", "source")]
)
COMMITS = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.timestamp("us")),
        ("author", pa.string()),
        ("message", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("snapshot", pa.string()),
    ]
)


class Catalog:
    """SQL on one pinned snapshot.

    Views have the tables' names. ``nodes``, ``columns`` and ``commits`` describe the snapshot, unless tables
    of the lake have these names. Queries can read the lake's own files and nothing else of the machine; they
    cannot write.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._tables: dict[str, Table] = dict(snapshot.tables)
        self._unverified = set(self._tables)
        self._lock = threading.Lock()
        self._connection = duckdb.connect()
        self._undescribed = {name: make for name, make in DESCRIPTIONS.items() if name not in self._tables}
        self._unmade = set(self._tables)
        for name in self._tables:
            # A file may be elsewhere still, or damaged. The other tables can be asked.
            with contextlib.suppress(duckdb.Error):
                self._make_view(name)
        self._lock_down()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
        """The relation that one SELECT statement describes; nothing is read before it is asked for.

        Parameters
        ----------
        sql
            DuckDB's SQL.
        parameters
            Values of ``$name`` in it.

        Raises
        ------
        QueryError
            It is no single SELECT, or DuckDB refuses it.
        CorruptObjectError
            A file that it would read is damaged.
        """
        cursor = self._connection.cursor()
        try:
            self._require_select(cursor, sql)
            self._prepare(sql)
            relation = cursor.sql(sql, params=dict(parameters)) if parameters else cursor.sql(sql)
        except duckdb.Error as error:
            raise QueryError(f"{error}\n  in: {sql.strip()}") from error
        assert relation is not None, "a SELECT has a result"
        return relation

    def _require_select(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
        statements = cursor.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            what = " and ".join(str(kind).rsplit(".", 1)[-1] for kind in kinds) or "nothing"
            raise QueryError(
                f"a query is one SELECT, this is {what}; a lake changes through its transactions\n  in: {sql.strip()}"
            )

    def _prepare(self, sql: str) -> None:
        """Verify the files, and make the descriptions, that a query is the first to need."""
        # A table whose name does not occur in the text cannot be read by it; one that does may be. But
        # the functions query() and query_table() put names together.
        text = sql.lower()
        any_name = "query" in text
        with self._lock:
            for name in [name for name in self._undescribed if any_name or name in text]:
                self._make_table(name, self._undescribed.pop(name)(self._snapshot))
            for name in [name for name in self._unverified if any_name or name.lower() in text]:
                self._verify(name)
                self._unverified.remove(name)

    def _verify(self, name: str) -> None:
        self._tables[name].paths()
        try:
            if name in self._unmade:
                self._make_view(name)
        except duckdb.Error as error:
            raise CorruptObjectError(f"table {name!r} cannot be read: {error}") from error

    def _make_view(self, name: str) -> None:
        self._connection.execute(_view(name, self._tables[name]))
        self._unmade.remove(name)

    def _make_table(self, name: str, rows: pa.Table) -> None:
        # What is registered is seen by one cursor only; a table is seen by all.
        self._connection.register("described", rows)
        self._connection.execute(f"create table {name} as from described")
        self._connection.unregister("described")

    def _lock_down(self) -> None:
        settings = [
            f"set allowed_directories = [{_quoted(f'{self._snapshot.objects.folder}/')}]",
            "set enable_external_access = false",
            "set TimeZone = 'UTC'",
            "set lock_configuration = true",
        ]
        for setting in settings:
            self._connection.execute(setting)


def nodes(snapshot: Snapshot) -> pa.Table:
    """Every node: kind, documentation, extent, and what it takes in the store."""
    return pa.Table.from_pylist([_node(name, snapshot) for name in snapshot], NODES)


def columns(snapshot: Snapshot) -> pa.Table:
    """Every column of every table with its documentation."""
    rows = [
        {"table": name, "column": field["name"], "type": field["type"], **field.get("doc", {})}
        for name, table in snapshot.tables.items()
        for field in table.fields
    ]
    return pa.Table.from_pylist(rows, COLUMNS)


def commits(snapshot: Snapshot) -> pa.Table:
    """The snapshot's commit and those before it; times are UTC."""
    rows = [
        {
            "id": record.id,
            "time": record.time.astimezone(UTC).replace(tzinfo=None),
            "author": record.author,
            "message": record.message,
            "parents": [parent.id for parent in record.parents],
            "snapshot": record.snapshot,
        }
        for record in snapshot.history()
    ]
    return pa.Table.from_pylist(rows, COMMITS)


DESCRIPTIONS: Mapping[str, Callable[[Snapshot], pa.Table]] = {
    "nodes": nodes,
    "columns": columns,
    "commits": commits,
}


def _node(name: str, snapshot: Snapshot) -> dict[str, Any]:
    node = snapshot.tree[name]
    entries = [entry for _, entry in node.entries.items()]
    rows = [entry.stats.get("rows") for entry in entries]
    return {
        "name": name,
        "kind": node.kind,
        "doc": node.meta.get("doc") or node.meta.get("attributes", {}).get("long_name"),
        "rows": sum(rows) if node.kind == "table" else None,
        "shape": node.meta.get("shape"),
        "data_type": node.meta.get("data_type") if node.kind == "array" else None,
        "stored_bytes": sum(entry.size for entry in entries),
        "objects": len(entries),
        "digest": node.digest,
    }


def _view(name: str, table: Table) -> str:
    files = ", ".join(_quoted(str(path)) for path in table.unverified_paths())
    evolved = ", union_by_name = true" if table.evolved else ""
    identifier = '"' + name.replace('"', '""') + '"'
    return f"create view {identifier} as from read_parquet([{files}]{evolved})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
