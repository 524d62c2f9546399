"""A lake and its snapshots that can be queried: the store's, with SQL, dask and xarray. All analyses build on this."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..catalog import Catalog
from ..lake.core import Lake as StoredLake
from ..lake.data.tables import Table as StoredTable
from ..lake.errors import NotFoundError
from ..lake.history.log import MAIN, Reference
from ..lake.nodes.content import parts
from ..lake.nodes.derived import Derived, derived
from ..lake.snapshot import Snapshot as StoredSnapshot

# Zarr takes longer to import than most questions; those to tables do without it.
if TYPE_CHECKING:
    import xarray as xr

    from ..lake.data.zarrstore import ZarrStore
    from .arrays import Array


class Table(StoredTable):
    """A table of a snapshot."""

    def dask(self, columns: Sequence[str] | None = None, where: Any = None) -> Any:
        """Return the table as a dask DataFrame; see `frames.frame`.

        Parameters
        ----------
        columns
            Names of the columns to read; all by default.
        where
            Condition on rows: a pyarrow expression, or tuples such as ``[("cell_type", "==", "L5tt")]``.

        Raises
        ------
        InputError
            A column is missing, or *where* is not a condition on columns of the table.
        """
        from .views import frames

        return frames.frame(self, columns, where)


class Snapshot(StoredSnapshot):
    """One commit, to be queried.

    As a mapping it holds tables, arrays and file contents by name.
    """

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
            The query is not a single SELECT, or DuckDB refuses it.
        CorruptObjectError
            A file that it reads is damaged.
        """
        return self._catalog.query(query, parameters)

    def explain(self, query: str, **parameters: Any) -> str:
        """Return DuckDB's plan of a query, without running it.

        Parameters
        ----------
        query
            One SELECT in DuckDB's SQL.
        **parameters
            Values of ``$name`` in the query.

        Raises
        ------
        QueryError
            The query is not a single SELECT, or DuckDB refuses it.
        """
        return self._catalog.explain(query, parameters)

    def interrupt(self) -> None:
        """Stop the queries of this snapshot that other threads are waiting for; they end with a `QueryError`."""
        self._catalog.interrupt()

    def xarray(self, name: str) -> "xr.DataArray | xr.Dataset":
        """Return an array as xarray's, or the arrays below *name* as a dataset.

        Parameters
        ----------
        name
            Name of an array or group.

        Returns
        -------
        Values are read when they are needed; see `labelled.data_array` and `labelled.data_set`.

        Raises
        ------
        NotFoundError
            There is neither.
        InputError
            The arrays below *name* do not fit together.
        """
        node = self.tree.get(name)
        if node is not None and node.kind not in ("array", "group"):
            raise NotFoundError(f"{name!r} is a {node.kind}, not an array")
        from .views import labelled

        if node is not None and node.kind == "array":
            return labelled.data_array(self._array(name))
        return labelled.data_set(self, name)

    @property
    def derived(self) -> list[Derived]:
        """Derived results, each after those it was made of."""
        return derived(self.tree)

    def _array(self, name: str) -> "Array":
        from .arrays import Array

        return Array.of(self.store, name)

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self)


class Selection(Snapshot):
    """Some nodes of a snapshot, with their attributes and coordinates, under names of their own.

    Parameters
    ----------
    whole
        The snapshot.
    names
        Names of its nodes by their names in the selection.

    Raises
    ------
    NotFoundError
        There is no such node.
    """

    def __init__(self, whole: Snapshot, names: Mapping[str, str]) -> None:
        super().__init__(whole._history, whole.commit)
        everything = self.tree
        self._names = {
            alias + part.removeprefix(name): part
            for alias, name in names.items()
            for part in parts(everything, name)
        }
        self.tree = {alias: everything[name] for alias, name in self._names.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and super().__eq__(other) and self._names == other._names

    def __hash__(self) -> int:
        return hash((self.commit.id, *sorted(self._names.items())))

    @property
    def store(self) -> "ZarrStore":
        """The selection as a read-only Zarr store."""
        from ..lake.data.zarrstore import ZarrStore

        return ZarrStore(self.objects, self.tree)

    @cached_property
    def _home(self) -> "ZarrStore":
        """The nodes by their names in the commit, under which other processes find them."""
        from ..lake.data.zarrstore import ZarrStore

        nodes = {self._names[alias]: node for alias, node in self.tree.items()}
        return ZarrStore(self.objects, nodes, origin=(self._history, self.commit))

    def _array(self, name: str) -> "Array":
        from .arrays import Array

        return Array.of(self._home, self._names[name])


class Lake(StoredLake):
    """A lake whose snapshots can be queried."""

    snapshot_type = Snapshot

    @property
    def head(self) -> Snapshot:
        """The newest commit of the main branch, as of now."""
        return self.at(MAIN)

    def at(self, ref: str | datetime) -> Snapshot:
        """Return the commit that *ref* means, for reading; see `neurolake.lake.Lake.at`.

        Parameters
        ----------
        ref
            A branch, tag, commit or time.

        Raises
        ------
        NotFoundError
            There is no such commit.
        """
        record = self._resolved(ref)
        # Views are not created again for every query of the same commit. Threads may share a lake.
        snapshot = self._latest
        if snapshot is None or snapshot.commit.id != record.id:
            snapshot = self._latest = self.snapshot_type(self._history, record)
        return snapshot

    def pinned(self, reference: Reference) -> Snapshot:
        """Return a commit by its position in the log, which is faster than by its id alone.

        Parameters
        ----------
        reference
            Id of the commit, and its branch and number in the log.
        """
        found = super().pinned(reference)
        assert isinstance(found, Snapshot), "of `snapshot_type`"
        return found

    def derived(self, branch: str = MAIN) -> list[Derived]:
        """List the derived results of a branch, each after those it was made of; stale ones are marked.

        Parameters
        ----------
        branch
            Name of the branch.

        Raises
        ------
        CorruptObjectError
            The record of a result's origin is malformed.
        """
        return self.at(branch).derived

    _latest: Snapshot | None = None


def snapshot_of(lake: StoredLake | Snapshot | str | Path, at: str | datetime = MAIN) -> Snapshot:
    """Return a commit to query: the snapshot itself, or a commit of a lake that is open or at a path or URL.

    Parameters
    ----------
    lake
        A snapshot, an open lake, or the folder or URL of one.
    at
        Branch, tag, commit or time; not used where *lake* is a snapshot.

    Raises
    ------
    NotFoundError
        There is no such lake or commit.
    """
    return lake if isinstance(lake, Snapshot) else Lake.of(lake).at(at)
