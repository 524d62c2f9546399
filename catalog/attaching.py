"""A DuckDB file with which any client of DuckDB asks a local lake: its shell, DBeaver, R; no Python."""

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import duckdb

from ..lake import Snapshot, Table
from ..lake.errors import InputError, StorageError
from ..lake.nodes.entry import ShardRef
from .build import CHUNKS, PARTS, SCHEMA, Descriptions
from .joins import JOINS, glia_circuits, joins
from .schema import (
    CONTENT,
    DESCRIPTIONS,
    LOG,
    comments,
    description_texts,
    identifier,
    literal,
    runs_of,
    view_names,
)
from .tables import commits, refs
from .views import reading, view_comments
from .vocabulary.trials import TRIALS

# What the first DuckDB with a stable format reads, all later ones read.
_STORAGE = "v1.0.0"


def attach(snapshot: Snapshot, path: str | Path, *, replace: bool = False) -> None:
    """Write a DuckDB file with a view for every table of a snapshot, and the tables that describe it.

    The views read the lake's Parquet files by their absolute paths; rows of small files, which stand in manifests and
    packs, are copied into tables of the schema ``parts``. Files are not hashed (`Lake.verify` does), and the file is to be made again when the lake has moved or when garbage collection has
    removed the snapshot. Comments on views and columns say what they mean. ``commits`` and ``refs`` are those of
    now. What `views.Catalog` computes in Python, ``trace``, is not in it. Writers of the lake and readers of the
    file do not hinder one another.

    Parameters
    ----------
    snapshot
        Of a lake on a local disk.
    path
        The file to write; it appears at once and complete.
    replace
        Whether a file that is there may be replaced.

    Raises
    ------
    InputError
        The lake is remote, or there is a file already.
    StorageError
        The file cannot be written.
    """
    target = Path(path)
    if snapshot.objects.storage.local_path("objects") is None:
        raise InputError(
            f"{snapshot.objects.storage.url} is not on this machine: DuckDB reads local files in place; "
            "copy the lake first (neurolake copy), or ask it with neurolake sql"
        )
    if target.exists() and not replace:
        raise InputError(f"{target} exists; choose another name, or say --replace")
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        _write(snapshot, part)
        part.replace(target)
    except (duckdb.IOException, OSError) as error:
        raise StorageError(f"cannot write {target}: {error}") from error
    finally:
        for rest in (part, part.with_name(f"{part.name}.wal")):
            with contextlib.suppress(OSError):
                rest.unlink()


def _write(snapshot: Snapshot, path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(str(path))} as {SCHEMA} (storage_version '{_STORAGE}')")
        connection.execute(f"use {SCHEMA}")
        Descriptions(connection, snapshot.tree, partial(_shard_paths, snapshot)).make(CONTENT)
        _add_log(connection, snapshot)
        said = comments("table", f"{PARTS}.{CHUNKS}", *description_texts(CHUNKS))
        said += _add_views(connection, dict(snapshot.tables))
        said += _add_joins(connection, snapshot)
        connection.execute(";\n".join(said))
        connection.execute("use memory")
        connection.execute(f"checkpoint {SCHEMA}")
        connection.execute(f"detach {SCHEMA}")


def _shard_paths(snapshot: Snapshot, shards: Sequence[ShardRef]) -> list[Path]:
    return [snapshot.objects.local_path(ref.object, ref.place) for ref in shards]


def _add_log(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    for name, rows in (("commits", commits(snapshot)), ("refs", refs(snapshot.log))):
        connection.execute(LOG[name].ddl(name))
        connection.register("logged", rows)
        connection.execute(f"insert into {name} by name from logged")
        connection.unregister("logged")


def _add_joins(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> list[str]:
    """Make views that join tables of circuits of glia; what to say of them."""
    taken, said = {name.lower() for name in snapshot.tables}, []
    for circuit in glia_circuits(snapshot.tables):
        docs = {join.of(circuit): join.doc for join in JOINS}
        for name, query, _ in joins(snapshot, circuit):
            # Tables may lack what a view joins them by.
            with contextlib.suppress(duckdb.Error):
                if name.lower() not in taken:
                    connection.execute(f"create view {identifier(name)} as {query}")
                    said += comments("view", identifier(name), docs[name], [])
    return said


def _add_views(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> list[str]:
    """Make views of the lake's tables in the place of descriptions of that name; what to say of all."""
    runs = runs_of(tables[TRIALS.name].columns) if TRIALS.name in tables else None
    taken = {name.lower() for name in tables}
    said = []
    for name in DESCRIPTIONS:
        computed = name == "runs" and runs is not None
        kind = "view" if computed or name == CHUNKS else "table"
        if name in taken or computed:
            connection.execute(f"drop {'view' if name == CHUNKS else 'table'} {name}")
        if name not in taken:
            said += comments(kind, name, *description_texts(name))
    for name, shown in view_names(tables).items():
        connection.execute(f"create view {identifier(shown)} as {_rows(connection, shown, tables[name])}")
        said += view_comments(shown, tables[name])
    if runs is not None and "runs" not in {name.lower() for name in tables}:
        connection.execute(f"create view runs as {runs}")
    return said


def _rows(connection: duckdb.DuckDBPyConnection, shown: str, table: Table) -> str:
    """Copy the rows of small files of a table; the query of all its rows in their order."""
    parts = []
    paths = [str(path) for path in table.unverified_paths()]
    files = zip(paths, table.files, strict=True)
    for number, (alone, some) in enumerate(groupby(files, lambda one: one[1].place.alone)):
        query = reading(table, [path for path, _ in some])
        if not alone:
            copied = f"{PARTS}.{identifier(f'{shown} {number}')}"
            connection.execute(f"create table {copied} as {query}")
            query = f"from {copied}"
        parts.append(query)
    return " union all by name ".join(parts)
