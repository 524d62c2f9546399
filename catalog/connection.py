"""DuckDB connections that read only given places, write nothing, and spill into a private folder."""

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ..lake.data.memory import memory_setting
from .httpfs import Httpfs
from .schema import literal

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_open: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


def locked_connection(
    folders: Sequence[str],
    filesystem: "AbstractFileSystem | None" = None,
    httpfs: Httpfs | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database whose queries read the given places and nothing else.

    Through *httpfs*, what it is for.

    Parameters
    ----------
    folders
        Folders below which queries may read.
    filesystem
        File system of fsspec that queries may read, such as that of a remote lake.
    httpfs
        DuckDB's extension for S3, with what it may read.

    Raises
    ------
    InputError
        ``NEUROLAKE_MEMORY`` is no size.
    """
    limit = {"memory_limit": literal(setting)} if (setting := memory_setting()) else {}
    connection = duckdb.connect()
    _open.add(connection)
    if filesystem is not None:
        connection.register_filesystem(filesystem)
        folders = [*folders, f"{filesystem.protocol}://"]
    if httpfs is not None:
        httpfs.begin(connection)
        folders = [*folders, f"{httpfs.root}/objects/"]
    settings = {
        **limit,
        "allowed_directories": _list(folders),
        "temp_directory": literal(str(_spill_folder(os.getpid()) / uuid.uuid4().hex)),
        # DuckDB lets queries read its temporary files, so these have to be unreadable.
        "temp_file_encryption": "true",
        "parquet_metadata_cache": "true",
        "TimeZone": "'UTC'",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    with contextlib.suppress(duckdb.CatalogException):
        # It takes its own random numbers for too weak to guard a file for years; this one goes with the process.
        connection.execute("set force_mbedtls_unsafe = 'true'")
    for name in ("late_materialization_max_rows", "dynamic_or_filter_threshold"):
        # The first thousand rows by one column: other columns are read of these rows only. Cursors have what is set globally.
        connection.execute(f"set global {name} = 1000")
    connection.execute(";\n".join(f"set {name} = {value}" for name, value in settings.items()))
    return connection


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, texts))}]"


@functools.cache
def _spill_folder(process: int) -> Path:
    """Where *process*, which is this one, keeps what does not fit into memory; for this user's eyes only."""
    folder = Path(tempfile.mkdtemp(prefix="neurolake-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def abandon() -> None:
    """Remove what this process keeps on disk for queries, before it ends without waiting for them."""
    if _spill_folder.cache_info().currsize:
        shutil.rmtree(_spill_folder(os.getpid()), ignore_errors=True)


@atexit.register
def _close() -> None:
    """Let go of the functions and file systems that DuckDB was given, or its binding complains at the end."""
    for connection in list(_open):
        connection.close()
