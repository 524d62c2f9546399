"""SQL on one snapshot: a DuckDB connection with views of its tables, and what describes the lake."""

import contextlib
import re
import threading
import weakref
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..lake import Snapshot, Table
from ..lake.errors import QueryError
from ..lake.nodes.entry import Entry, ShardRef
from ..lake.objects.store import ObjectStore
from .answers import Answer, told
from .build import SCHEMA, Descriptions, at_once
from .connection import locked_connection
from .joins import FOLDER, glia_circuits, joins
from .nearest import with_nearest
from .pruning import MANY, pruned_files
from .schema import (
    CONTENT,
    DESCRIPTIONS,
    LOG,
    column_comment,
    comments,
    description_texts,
    identifier,
    literal,
    runs_of,
    view_names,
)
from .tables import commits, refs
from .traces import Traces
from .vocabulary.trials import TRIALS

if TYPE_CHECKING:
    from .filesystem import RemoteFiles

_TRACE = re.compile(r'\btrace"?\s*\(')
_COLUMNS = {name: [column.name for column in made.columns] for name, made in DESCRIPTIONS.items()}
# What lists names without reading tables.
_LISTINGS = ("duckdb_", "information_schema", "pg_catalog", "sqlite_master", "sqlite_schema")


class Catalog:
    """SQL on one pinned snapshot.

    Every table of the lake is a view of its name. These describe the lake, unless tables of the lake have their
    names: ``nodes``, ``columns``, ``parquet_files``, ``parquet_columns``, ``array_chunks``, ``derived`` and
    ``files`` tell what the snapshot holds; ``commits`` and ``refs`` come from the log when they are asked for, refs
    as they stand then; ``trials``, ``runs`` and ``parameters`` have no rows where no ingester made them. ``trace``
    gives rows of arrays (see `traces`). ``glia/…`` are views that join tables of circuits (see `joins`). Queries can
    read the lake's own files and nothing else of the machine; they cannot write.

    Descriptions are made in memory when a query names them; of large arrays they are views of the lake's own manifests
    (`build.Descriptions`). Statistics stand in them, so that a question such as ``select max(max) from
    array_chunks where "array" = 'voltage/soma'`` reads no chunk.

    Queries take no more memory than ``NEUROLAKE_MEMORY`` says (such as ``4GB``; 80 % of the machine's by
    default); what does not fit goes, encrypted, to a private folder on disk.

    Parameters
    ----------
    snapshot
        What to ask.

    Raises
    ------
    InputError
        ``NEUROLAKE_MEMORY`` is no size.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        tables: Mapping[str, Table] = snapshot.tables
        self._tables = {view: tables[name] for name, view in view_names(tables).items()}
        taken = {name.lower() for name in self._tables}
        self._described = [name for name in CONTENT if name not in taken]
        self._logged = [name for name in LOG if name not in taken]
        self._files = _remote_files(snapshot.objects)
        self._unverified = set(self._tables)
        self._unmade = {*self._tables, *self._described, *self._logged}
        self._untraced = self._uncommented = self._unjoined = True
        self._joins: dict[str, tuple[str, Sequence[str]]] = {}
        self._unmade_joins: set[str] = set()
        self._lock = threading.Lock()
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        httpfs = None if self._files is None else self._files.httpfs
        folders = [f"{folder}/" for folder in snapshot.objects.folders]
        self._connection = locked_connection(folders, self._files, httpfs)
        self._connection.execute(f"attach ':memory:' as {SCHEMA}")
        self._descriptions = Descriptions(self._connection, snapshot.tree, self._shard_paths, f"{SCHEMA}.")

    @cached_property
    def _traces(self) -> Traces:
        """The labelled arrays. Questions that name none do without Zarr, which takes longer to import than they do."""
        return Traces(self._snapshot.store)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """Return the relation that one SELECT statement describes; nothing is read before rows are fetched.

        What fails then is told as what fails now (`answers.Answer`).

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
        with self._asking(sql, parameters) as cursor:
            relation = cursor.sql(sql, params=dict(parameters)) if parameters else cursor.sql(sql)
        assert relation is not None, "a SELECT has a result"
        # The rows of trace() come from it when they are asked for, and that may be after this catalog went.
        traces = None if self._untraced else self._traces
        return Answer(relation, partial(_explained, self._tables, sql), cursor, traces)

    def interrupt(self) -> None:
        """Stop the queries that other threads are waiting for; they end with a `QueryError`."""
        for cursor in list(self._cursors):
            cursor.interrupt()

    def explain(self, sql: str, parameters: Mapping[str, Any] | None = None) -> str:
        """Return DuckDB's plan of a query as text.

        Parameters
        ----------
        sql, parameters
            As of `query`.
        """
        with self._asking(sql, parameters) as cursor:
            rows = cursor.execute(f"explain {sql}", dict(parameters or {})).fetchall()
        return "\n".join(text for _, text in rows)

    @contextlib.contextmanager
    def _asking(self, sql: str, parameters: Mapping[str, Any] | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one SELECT, all that it names ready; errors are of neurolake."""
        cursor = self._connection.cursor()
        self._cursors.add(cursor)
        with told(partial(_explained, self._tables, sql)):
            self._require_select(cursor, sql)
            few = self._few_files(cursor, sql, parameters)
            self._prepare(sql, few)
            for name, files in few.items():
                # A view of this cursor's own, which the query finds before that of the whole table.
                table = self._tables[name]
                try:
                    cursor.execute(f"create temp {view(name, table, self._paths(table, files))}").fetchall()
                except duckdb.Error as error:
                    raise table.unreadable(error, files) from error
            if _TRACE.search(sql.lower()):
                self._check_traces(cursor, sql, parameters)
            yield cursor

    def _require_select(self, cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
        try:
            sql.encode()
        except UnicodeEncodeError as error:
            wrong = ascii(sql[error.start : error.end][:20])
            raise QueryError(f"a query is text, and this has bytes of another encoding: {wrong}") from None
        kinds = [statement.type for statement in cursor.extract_statements(sql)]
        if kinds != [duckdb.StatementType.SELECT]:
            what = " and ".join(str(kind).rsplit(".", 1)[-1] for kind in kinds) or "nothing"
            raise QueryError(
                f"a query is one SELECT, this is {what}; a lake changes through its transactions\n  in: {sql.strip()}"
            )

    def _check_traces(
        self, cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None
    ) -> None:
        """Let DuckDB plan the query, which evaluates what is constant: mistakes are told before it runs."""
        self._traces.mistake()
        with contextlib.suppress(duckdb.Error):
            cursor.execute(f"explain {sql}", dict(parameters or {}))
        if (mistake := self._traces.mistake()) is not None:
            raise QueryError(f"{mistake}\n  in: {sql.strip()}") from mistake

    def _few_files(
        self, cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None
    ) -> dict[str, tuple[Entry, ...]]:
        """By view, the files that a query may need, of tables of which it needs a part."""
        text = sql.lower()
        if "where" not in text or "query" in text or FOLDER in text:
            return {}
        tables = {
            name: table
            for name, table in self._tables.items()
            if len(table.files) >= MANY and name.lower() in text
            # Runs are a view of trials.
            if name != TRIALS.name or "runs" not in text
        }
        return pruned_files(cursor, sql, parameters, tables) if tables else {}

    def _prepare(self, sql: str, ready: Container[str] = ()) -> None:
        """Make what a query is the first to name, and verify the files that it may read; *ready* are tables that need nothing."""
        # What does not occur in the text cannot be read by it; but query() and query_table() put names together.
        text = sql.lower()
        listing = any(word in text for word in _LISTINGS)

        def named(name: str) -> bool:
            return "query" in text or name in text or name.replace('"', '""') in text

        with self._lock:
            if self._unjoined and (listing or "query" in text or FOLDER in text):
                self._find_joins()
            for name in self._tables:
                asked = named(name.lower()) or (name == "trials" and named("runs"))
                if name in self._unverified and name not in ready and asked:
                    self._verify(name)
            for name in self._unmade & self._tables.keys() if listing else ():
                # A file may be elsewhere still, or damaged. The other tables can be listed.
                with contextlib.suppress(duckdb.Error):
                    self._make_view(name, [str(path) for path in self._tables[name].unverified_paths()])
            for name in self._joins:
                if named(name.lower()):
                    self._join(name)
                elif listing:
                    # Tables may lack what a view joins them by.
                    with contextlib.suppress(duckdb.Error):
                        self._make_join(name)
            if described := [n for n in self._described if n in self._unmade and (listing or named(n))]:
                self._describe(described)
            for name in self._logged:
                if listing or named(name):
                    self._make_log(name)
            if self._untraced and ("query" in text or _TRACE.search(text)):
                self._traces.register(self._connection)
                self._untraced = False
            if self._uncommented and listing:
                self._comment()

    def _join(self, name: str) -> None:
        """Make a view that joins tables, all of these verified."""
        for table in self._unverified.intersection(self._joins[name][1]):
            self._verify(table)
        self._make_join(name)

    def _make_join(self, name: str) -> None:
        if name in self._unmade_joins:
            self._connection.execute(f"create view {identifier(name)} as {self._joins[name][0]}")
            self._unmade_joins.remove(name)

    def _find_joins(self) -> None:
        taken = {name.lower() for name in self._tables}
        for circuit in glia_circuits(self._tables):
            for name, query, tables in joins(self._snapshot, circuit):
                if name.lower() not in taken:
                    self._joins[name] = query, tables
        self._unmade_joins = set(self._joins)
        self._unjoined = False

    def _verify(self, name: str) -> None:
        table = self._tables[name]
        paths = self._paths(table)
        try:
            # What was made for a listing knew of no remote files.
            if name in self._unmade or self._files is not None:
                self._make_view(name, paths)
        except duckdb.Error as error:
            raise table.unreadable(error) from error
        self._unverified.remove(name)

    def _paths(self, table: Table, files: Sequence[Entry] | None = None) -> list[str]:
        return table.scan_paths(files) if self._files is None else self._files.paths(table, files)

    def _make_view(self, name: str, paths: Sequence[str]) -> None:
        again = "" if name in self._unmade else "or replace "
        self._connection.execute(f"create {again}{view(name, self._tables[name], paths)}")
        self._unmade.discard(name)

    def _describe(self, names: list[str]) -> None:
        """Make views of these names on what describes the snapshot."""
        trials = self._tables.get(TRIALS.name)
        runs = None if trials is None else runs_of(trials.columns)
        self._descriptions.make(names)
        for name in names:
            query = runs if runs and name == "runs" else f"from {SCHEMA}.{name}"
            self._connection.execute(f"create view {name} as {query}")
            self._unmade.remove(name)

    def _shard_paths(self, shards: Sequence[ShardRef]) -> Sequence[Path]:
        wanted = [(ref.object, ref.size, ref.place) for ref in shards]
        return self._snapshot.objects.verified_paths(wanted)

    def _make_log(self, name: str) -> None:
        if name == "commits" and name not in self._unmade:
            return
        rows = commits(self._snapshot) if name == "commits" else refs(self._snapshot.log)
        # What is registered is seen by one cursor only; a table is seen by all.
        self._connection.register("logged", rows)
        try:
            with at_once(self._connection):
                if name in self._unmade:
                    said = comments("table", name, *description_texts(name))
                    self._connection.execute(";\n".join([LOG[name].ddl(name), *said]))
                self._connection.execute(f"delete from {name}; insert into {name} by name from logged")  # noqa: S608
        finally:
            self._connection.unregister("logged")
        self._unmade.discard(name)

    def _comment(self) -> None:
        made = {name: table for name, table in self._tables.items() if name not in self._unmade}
        said = [text for name, table in made.items() for text in view_comments(name, table)]
        for name in self._described:
            said += comments("view", name, *description_texts(name))
        self._connection.execute(";\n".join(said))
        self._uncommented = False


def _remote_files(objects: ObjectStore) -> "RemoteFiles | None":
    """The remote files of a lake; None where it is local."""
    if objects.storage.local_path("objects") is not None:
        return None
    # Local lakes do without fsspec, which takes a while to import.
    from .filesystem import RemoteFiles

    return RemoteFiles(objects)


def _explained(tables: Mapping[str, Table], sql: str, message: str) -> str:
    """What to say of a query of these tables instead of DuckDB's message."""
    columns = {name: table.columns for name, table in tables.items()}
    return f"{with_nearest(message, {**_COLUMNS, **columns})}\n  in: {sql.strip()}"


def view(name: str, table: Table, paths: Sequence[str]) -> str:
    """Return the definition of a view on a table's Parquet files, without the word ``create``.

    Parameters
    ----------
    name
        Name of the view.
    table
        The table.
    paths
        What DuckDB reads for each of its files.
    """
    return f"view {identifier(name)} as {reading(table, paths)}"


def reading(table: Table, paths: Sequence[str]) -> str:
    """Return the query of all rows in Parquet files of a table.

    Parameters
    ----------
    table
        The table.
    paths
        What DuckDB reads for each file.
    """
    files = ", ".join(map(literal, paths))
    evolved = ", union_by_name = true" if table.evolved else ""
    return f"from read_parquet([{files}]{evolved})"


def view_comments(name: str, table: Table) -> list[str]:
    """Return statements that document a table's view, its rows and columns.

    Parameters
    ----------
    name
        Name of the view.
    table
        The table.
    """
    docs = [(field["name"], field.get("doc", {})) for field in table.fields]
    columns = [
        (column, column_comment(*(doc.get(key, "") for key in ("meaning", "unit", "source"))))
        for column, doc in docs
    ]
    return comments("view", identifier(name), table.doc, columns)
