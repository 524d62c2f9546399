"""The lake as people meet it: the store's, with SQL, dask, xarray and derived results."""

import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from ..lake.history.log import MAIN
from ..lake.nodes.derived import Arguments
from . import base
from .base import Table

if TYPE_CHECKING:
    from .circuits.nouns import Circuits, Reports
    from .derive.lineage import Lineage
    from .derive.refreshing import Refreshed
    from .lfp.nouns import Lfp
    from .models.nouns import Models
    from .trials.nouns import ActivationAnalyses, SpikeAnalyses, VoltageAnalyses

__all__ = ["Lake", "Snapshot", "Table"]

_ANALYSES = {
    "batches": "activations.batches",
    "bin_activations": "activations.bin",
    "psth": "spikes.psth",
    "spike_triggered_average": "voltages.spike_triggered_average",
    "voltage_density": "voltages.density",
    "voltage_quantiles": "voltages.quantiles",
    "voltage_statistics": "voltages.statistics",
}
"""Methods of nouns by their former names, which the next version removes."""


class _Nouns:
    """What a snapshot holds, by its nouns: each is a property with the analyses of it."""

    # What an answer needs is imported when it is needed.

    @property
    def spikes(self) -> "SpikeAnalyses":
        """SpikeAnalyses of trials: PSTHs, counts, intervals, bursts, rates."""
        from .trials.nouns import SpikeAnalyses

        return SpikeAnalyses(self._asked())

    @property
    def voltages(self) -> "VoltageAnalyses":
        """VoltageAnalyses of trials: mean and SD, quantiles, density, averages around spikes."""
        from .trials.nouns import VoltageAnalyses

        return VoltageAnalyses(self._asked())

    @property
    def activations(self) -> "ActivationAnalyses":
        """Synapse activations of trials: counts by group, time and distance, and batches for machine learning."""
        from .trials.nouns import ActivationAnalyses

        return ActivationAnalyses(self._asked())

    @property
    def reports(self) -> "Reports":
        """Reports of populations, by name."""
        from .circuits.nouns import Reports

        return Reports(self._asked())

    @property
    def circuits(self) -> "Circuits":
        """Circuits, by name: their nodes, edges, node sets, spikes and reports."""
        from .circuits.nouns import Circuits

        return Circuits(self._asked())

    @property
    def lfp(self) -> "Lfp":
        """Extracellular potentials: electrodes, weights, coefficients and signals."""
        from .lfp.nouns import Lfp

        return Lfp(self._asked())

    @property
    def models(self) -> "Models":
        """Reduced models, by name, and fits to the trials."""
        from .models.nouns import Models

        return Models(self._asked())

    def _asked(self) -> "Snapshot":
        """The snapshot to read."""
        raise NotImplementedError


class Snapshot(_Nouns, base.Snapshot):
    """One commit, to be queried; as a mapping it holds tables, arrays and file contents by name."""

    def _asked(self) -> "Snapshot":
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _ANALYSES:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            noun, method = _ANALYSES[name].split(".")
            warnings.warn(
                f"snapshot.{name} goes with the next version: write snapshot.{_ANALYSES[name]}",
                FutureWarning,
                stacklevel=2,
            )
            return getattr(getattr(self, noun), method)


class Lake(_Nouns, base.Lake):
    """A versioned store of arrays, tables and files; as a mapping, the nodes of its newest commit."""

    snapshot_type = Snapshot

    def _asked(self) -> Snapshot:
        return self.head

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
        found = super().at(ref)
        assert isinstance(found, Snapshot), "of `snapshot_type`"
        return found

    def sql(self, query: str, **parameters: Any) -> duckdb.DuckDBPyRelation:
        """Ask the newest commit in SQL; see `Snapshot.sql`.

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
        CorruptObjectError
            A file that it reads is damaged.
        """
        return self.head.sql(query, **parameters)

    def derive(
        self,
        function: Callable[..., Any],
        inputs: Arguments | None = None,
        *,
        branch: str = MAIN,
        at: str | datetime | None = None,
        **params: Any,
    ) -> Any:
        """Return the result of a function on nodes of the lake: computed once, kept, and found again.

        It is kept under ``derived/<kernel>/<key>`` with a record of its inputs. The key follows from the
        function (its name and version or, without one, its code), the content of the inputs, and the
        parameters; not from names of nodes, commits, branches or lakes. Another call for the same result, on
        this or another branch, or in a lake that pulled it, returns the one that is kept.

        Parameters
        ----------
        function
            A function, best one that `neurolake.kernel` gave a version. It is called with each input
            (`Table`, `Array`, bytes, or what an earlier `derive` returned), or with one snapshot that holds
            only the inputs (``whole=True``), and with the parameters.
        inputs
            The name of a node, a list of names (given in this order), or a mapping of argument names to names
            of nodes (given by keyword). The coordinates of an array belong to it. Analyses of neurolake, and
            kernels that were registered with ``reads``, know their inputs: ``lake.derive(psth,
            by="stimulus")``, or ``lake.derive(lake.spikes.psth, by="stimulus")``, which reads the commit that
            the noun is of.
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
            refers to a value whose changes cannot be detected.
        ConflictError
            Too many other transactions were committed first.
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
        """Recompute stale results, each from its current inputs, and inputs before results that depend on them.

        A new result takes the place of the old one, which history keeps. Kernels are those that this process
        has registered or derived with; a lake never chooses code to run.

        Parameters
        ----------
        names
            Results to look at, with the results that they were derived from; all by default.
        branch
            The branch that holds the results.
        modules
            Modules of yours to import first, for the kernels they register and the functions they define.
        dry_run
            Whether to report what would be done and do nothing.

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
        """Trace what a node was made from, down to what was ingested and by which commits, and what was made from it.

        Parameters
        ----------
        name
            Name of the node.
        at
            The branch, tag, commit or time to look at.

        Raises
        ------
        NotFoundError
            There is no such node.
        """
        from .derive.lineage import lineage

        return lineage(self, name, at)
