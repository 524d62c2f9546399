"""The lake as people meet it: the store's, with SQL, dask, xarray and derived results."""

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import duckdb

from ..lake.history.log import MAIN
from ..lake.nodes.derived import Arguments
from . import base
from .base import Array, Table

if TYPE_CHECKING:
    from .derive.lineage import Lineage
    from .derive.refreshing import Refreshed
    from .trials import activations as _activations
    from .trials import batching as _batches
    from .trials import spikes as _spikes
    from .trials import voltages as _voltages

__all__ = ["Array", "Lake", "Snapshot", "Table"]


class _Question:
    """A function of a snapshot as a method of it; its module is imported when it is asked for."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __get__(self, snapshot: Any, owner: type) -> Any:
        function = getattr(import_module(self._module, __package__), self._name)
        return function if snapshot is None else function.__get__(snapshot, owner)


class Snapshot(base.Snapshot):
    """One commit, to be asked; as a mapping it holds tables, arrays and file contents by name."""

    if TYPE_CHECKING:
        batches = _batches.batches
        bin_activations = _activations.bin_activations
        psth = _spikes.psth
        spike_triggered_average = _voltages.spike_triggered_average
        voltage_density = _voltages.voltage_density
        voltage_quantiles = _voltages.voltage_quantiles
        voltage_statistics = _voltages.voltage_statistics
    else:
        batches = _Question(".trials.batching", "batches")
        bin_activations = _Question(".trials.activations", "bin_activations")
        psth = _Question(".trials.spikes", "psth")
        spike_triggered_average = _Question(".trials.voltages", "spike_triggered_average")
        voltage_density = _Question(".trials.voltages", "voltage_density")
        voltage_quantiles = _Question(".trials.voltages", "voltage_quantiles")
        voltage_statistics = _Question(".trials.voltages", "voltage_statistics")


class Lake(base.Lake):
    """A versioned store of arrays, tables and files; as a mapping, the nodes of its newest commit."""

    snapshot_type = Snapshot

    @property
    def head(self) -> Snapshot:
        """The newest commit of the main branch, as of now."""
        return self.at(MAIN)

    def at(self, ref: str | datetime) -> Snapshot:
        """The commit that *ref* means, for reading; see `neurolake.lake.Lake.at`."""
        found = super().at(ref)
        assert isinstance(found, Snapshot), "of `snapshot_type`"
        return found

    def sql(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """Ask the newest commit in SQL; see `Snapshot.sql`."""
        return self.head.sql(query, **parameters)

    def derive(
        self,
        function: Callable[..., Any],
        inputs: Arguments,
        *,
        branch: str = MAIN,
        at: str | datetime | None = None,
        **params: Any,
    ) -> Any:
        """The result of a function on nodes of the lake: computed once, kept, and found again.

        It is kept under ``derived/<kernel>/<key>`` with a record of what it was made from. The key follows
        from the function (its name and version or, without one, its code), the content of the inputs, and the
        parameters; not from names of nodes, commits, branches or lakes. Whoever derives the same later, on
        this or another branch, or in a lake that pulled it, gets what is there.

        Parameters
        ----------
        function
            A function, best one that `neurolake.kernel` gave a version. It is called with each input
            (`Table`, `Array`, bytes, or what an earlier `derive` returned), or with one snapshot that holds nothing
            else (``whole=True``), and with the parameters.
        inputs
            The name of a node, a list of names (given in this order), or a mapping of argument names to
            names of nodes (given by keyword). The coordinates of an array belong to it.
        branch
            Where the result is kept, and the inputs are read unless *at* says otherwise.
        at
            The commit to read the inputs from.
        params
            Keywords for the function: text, numbers, truth values, None, lists, mappings by text and small
            NumPy arrays. The function gets them as they are kept: Python's numbers for NumPy's scalars, and lists for
            tuples.

        Returns
        -------
        The opened result: an `Array` for an array of NumPy, xarray or dask, or an iterator of blocks of
        NumPy (joined along the first axis); a `Table` for rows of pandas, Arrow, dask or DuckDB, or an iterator
        of such; bytes; a value of JSON for a number, text, list or mapping of those; and a mapping
        for a mapping, or xarray's dataset, of any of these. dask's collections and iterators are stored block
        by block, dask's by the workers of the current `distributed.Client`, if there is one.

        Raises
        ------
        NotFoundError
            An input, branch or commit is not there.
        InputError
            A parameter or the result is none of the above, or the code of a function without a version
            refers to something that nobody can tell has changed.
        ConflictError
            Too many others committed first.
        Exception
            What the function raises; then nothing is kept.
        """
        from .derive.derivation import derive

        return derive(self, function, inputs, branch=branch, at=at, params=params)

    def refresh(
        self,
        names: str | Sequence[str] | None = None,
        *,
        branch: str = MAIN,
        modules: Sequence[str] = (),
        dry_run: bool = False,
    ) -> "Refreshed":
        """Compute stale results anew, each from the inputs as they are now, those first that others are made of.

        A new result takes the place of the old one, which history keeps. Kernels are those that this process
        has registered or derived with; a lake never makes code of its own choice run.

        Parameters
        ----------
        names
            Results to look at, and those they are made of; all by default.
        modules
            Modules of yours to import first, for the kernels they register and the functions they define.
        dry_run
            Only say what would be done.

        Returns
        -------
        New names by old ones, and reasons by the names of those that stay stale.

        Raises
        ------
        NotFoundError
            There is no such result.
        InputError
            A module cannot be imported.
        """
        from .derive.refreshing import refresh

        return refresh(self, names, branch=branch, modules=modules, dry_run=dry_run)

    def lineage(self, name: str, *, at: str | datetime = MAIN) -> "Lineage":
        """What a node was made from, down to what was ingested and by which commits; and what was made from it.

        Raises
        ------
        NotFoundError
            There is no such node.
        """
        from .derive.lineage import lineage

        return lineage(self, name, at)
