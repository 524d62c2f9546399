"""The lake as people meet it: the store's, with SQL and dask."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import duckdb

from .. import lake as store
from ..catalog import Catalog
from ..lake.log import MAIN


class Table(store.Table):
    """A table of a snapshot."""

    def dask(self, columns: Sequence[str] | None = None, where: Any = None) -> Any:
        """The table as a dask DataFrame; see `dasked.frame`."""
        from . import dasked

        return dasked.frame(self, columns, where)


class Array(store.Array):
    """A Zarr array of a snapshot."""

    def dask(self, chunks: Any = None) -> Any:
        """The array as a dask array; see `dasked.array`."""
        # dask takes a while to import, and most questions do without it.
        from . import dasked

        return dasked.array(self, chunks)


class Snapshot(store.Snapshot):
    """One commit, to be asked.

    As a mapping it holds tables, arrays and file contents by name.
    """

    array_type = Array
    table_type = Table

    def sql(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """Ask the snapshot in SQL.

        Parameters
        ----------
        query
            One SELECT in DuckDB's SQL; every table of the lake is a view of its name, and ``nodes``,
            ``columns`` and ``commits`` describe the lake.
        parameters
            Values of ``$name`` in the query.

        Returns
        -------
        A DuckDB relation: ``.df()``, ``.arrow()``, ``.pl()``, ``.fetchall()``.

        Raises
        ------
        QueryError
            The query is no single SELECT, or DuckDB refuses it.
        CorruptObjectError
            A file that it reads is damaged.
        """
        return self._catalog.query(query, parameters)

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self)


class Lake(store.Lake):
    """A versioned store of arrays, tables and files; as a mapping, the nodes of its newest commit."""

    snapshot_type = Snapshot

    @property
    def head(self) -> Snapshot:
        """The newest commit of the main branch, as of now."""
        return self.at(MAIN)

    def at(self, ref: str | datetime) -> Snapshot:
        """The commit that *ref* means, for reading; see `neurolake.lake.Lake.at`."""
        record = self._history.resolve(ref)
        # Views are not made anew for every question to the same commit. Threads may share a lake.
        snapshot = self._latest
        if snapshot is None or snapshot.commit.id != record.id:
            snapshot = self._latest = Snapshot(self._history, record)
        return snapshot

    def sql(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """Ask the newest commit in SQL; see `Snapshot.sql`."""
        return self.head.sql(query, **parameters)

    _latest: Snapshot | None = None
