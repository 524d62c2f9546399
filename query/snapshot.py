"""Snapshots as people meet them: the store's, with SQL, dask and xarray."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from .. import lake as store
from ..catalog import Catalog
from ..lake.content import parts
from ..lake.derived import Derived, derived
from ..lake.errors import NotFoundError
from ..lake.zarrstore import ZarrStore

if TYPE_CHECKING:
    import xarray as xr

    from .batches import Batches


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

    def xarray(self, chunks: Any = None) -> "xr.DataArray":
        """The array with its coordinates, dimensions and units; see `labelled.data_array`."""
        from . import labelled

        return labelled.data_array(self, chunks)


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

    def explain(self, query: str, **parameters: Any) -> str:
        """How DuckDB would answer a query, without answering it; raises as `sql` does."""
        return self._catalog.explain(query, parameters)

    def bin_activations(self, by: Any = "EI", **options: Any) -> "xr.DataArray":
        """Synapse activations per group, trial and time bin; see `activations.bin_activations`."""
        from .activations import bin_activations

        return bin_activations(self, by, **options)

    def psth(self, by: str | None = "stimulus", **options: Any) -> "xr.DataArray":
        """Peri-stimulus time histograms of groups of trials; see `spikes.psth`."""
        from .spikes import psth

        return psth(self, by, **options)

    def batches(self, **options: Any) -> "Batches":
        """Shuffled windows of activity and voltage, for machine learning; see `batches.batches`."""
        from .batches import batches

        return batches(self, **options)

    def voltage_statistics(self, site: str = "soma", **options: Any) -> "xr.Dataset":
        """Mean and SD of the voltage over trials; see `voltages.voltage_statistics`."""
        from .voltages import voltage_statistics

        return voltage_statistics(self, site, **options)

    def voltage_quantiles(
        self, q: Sequence[float] = (0.05, 0.5, 0.95), site: str = "soma", **options: Any
    ) -> "xr.DataArray":
        """Quantiles of the voltage over trials; see `voltages.voltage_quantiles`."""
        from .voltages import voltage_quantiles

        return voltage_quantiles(self, q, site, **options)

    def voltage_density(self, site: str = "soma", **options: Any) -> "xr.DataArray":
        """How often each voltage was seen at each time; see `voltages.voltage_density`."""
        from .voltages import voltage_density

        return voltage_density(self, site, **options)

    def spike_triggered_average(self, site: str = "soma", **options: Any) -> "xr.Dataset":
        """Mean voltage around spikes; see `voltages.spike_triggered_average`."""
        from .voltages import spike_triggered_average

        return spike_triggered_average(self, site, **options)

    def xarray(self, name: str) -> "xr.DataArray | xr.Dataset":
        """An array as xarray's, or the arrays below *name* as a dataset.

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
        from . import labelled

        if node is not None and node.kind == "array":
            return labelled.data_array(self._array(name))
        return labelled.data_set(self, name)

    @property
    def derived(self) -> list[Derived]:
        """Derived results, each after those it was made of."""
        return derived(self.tree)

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self)


class Selection(Snapshot):
    """Some nodes of a snapshot with all that belongs to them, under names of their own; nothing else.

    Parameters
    ----------
    whole
        The snapshot.
    names
        Names of its nodes by name here.

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
        # Other processes know arrays by their names in the commit.
        self._home = ZarrStore(
            self.objects,
            {name: everything[name] for name in self._names.values()},
            origin=(self._history, self.commit),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selection) and super().__eq__(other) and self._names == other._names

    def __hash__(self) -> int:
        return hash((self.commit.id, *sorted(self._names.items())))

    @property
    def store(self) -> ZarrStore:
        """The selection as a read-only Zarr store."""
        return ZarrStore(self.objects, self.tree)

    def _array(self, name: str) -> Array:
        return Array.of(self._home, self._names[name])
