"""Rows of single trials out of the long tables of a snapshot, read in this or another process.

A task carries the lake's URL and a commit, so no data passes through a scheduler; row groups that neighbouring
trials share are decoded once.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...catalog.vocabulary.trials import TRIALS
from ...lake import Lake, Snapshot
from ...lake.errors import InputError
from ...lake.objects.store import Address
from ...lake.opened import opened

TRIAL = "trial_id"
_LOADING = threading.Lock()


@dataclass(frozen=True)
class PinnedCommit:
    """A commit of a lake, to be read anywhere.

    Parameters
    ----------
    address
        Address of the lake.
    commit
        Id of the commit.
    """

    address: Address
    commit: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return the address of a snapshot, by which other processes read it again.

        Parameters
        ----------
        snapshot
            The snapshot.
        """
        return cls(snapshot.objects.address, snapshot.commit.id)

    @property
    def snapshot(self) -> Snapshot:
        """The commit; one open lake serves all tasks of a process."""
        return _snapshot(self)


@lru_cache(maxsize=8)
def _snapshot(source: PinnedCommit) -> Snapshot:
    return opened(source.address, Lake).at(source.commit)


@dataclass(frozen=True)
class Trials:
    """The trials of a snapshot that have a ``sim_trial_index``, sorted by it: a dask index needs that order.

    Parameters
    ----------
    ids
        trial_id of each trial, int64[n_trials].
    index
        Their keys.
    runs
        Their run directories.
    """

    ids: npt.NDArray[np.int64]
    index: tuple[str, ...]
    runs: tuple[str, ...]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return the trials of a snapshot; none where it holds no trials.

        Parameters
        ----------
        snapshot
            The commit to read.

        Raises
        ------
        InputError
            Two trials have the same key, as after a merge of lakes that both ingested them.
        """
        if TRIALS.name not in snapshot.tables:
            return cls(np.empty(0, np.int64), (), ())
        rows = snapshot.tables[TRIALS.name].to_arrow([TRIAL, "sim_trial_index", "run"])
        rows = rows.filter(pc.is_valid(rows["sim_trial_index"])).sort_by("sim_trial_index")
        keys = tuple(rows["sim_trial_index"].to_pylist())
        twice = next((one for one, other in pairwise(keys) if one == other), None)
        if twice is not None:
            raise InputError(f"two trials have the sim_trial_index {twice!r}; ISF's frames need one each")
        return cls(rows[TRIAL].to_numpy().astype(np.int64), keys, tuple(rows["run"].to_pylist()))

    def __len__(self) -> int:
        return len(self.index)

    def rows_of(self, trial_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the position here of each trial, int64[n]; -1 for those that are not here.

        Parameters
        ----------
        trial_ids
            Ids of trials, int64[n].
        """
        order = np.argsort(self.ids)
        at = np.searchsorted(self.ids, trial_ids, sorter=order)
        found = order[np.minimum(at, len(order) - 1)] if len(order) else np.full(len(trial_ids), -1)
        return np.where(self.ids[found] == trial_ids, found, -1) if len(order) else found

    def by_run(self, chosen: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Yield positions, in order, in blocks of neighbours from one run directory.

        Parameters
        ----------
        chosen
            The positions, int64[n].
        """
        keyed = [(self.runs[at], at) for at in chosen.tolist()]
        for _, block in groupby(keyed, key=itemgetter(0)):
            yield np.array([at for _, at in block])


def divisions(blocks: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the first keys of partitions, and the last key: what dask calls divisions.

    Parameters
    ----------
    blocks
        Keys of each partition.
    """
    return (*(block[0] for block in blocks), blocks[-1][-1])


def dask_frame(
    read: Any,
    *parts: Sequence[Any],
    meta: Any,
    divisions: Any,
    label: str,
    columns: Sequence[str] | None = None,
) -> Any:
    """Return a dask DataFrame of partitions that a function reads.

    Parameters
    ----------
    read
        Called with an element of each of *parts*; returns a partition.
    *parts
        Arguments of *read* for each partition, as of ``map``.
    meta
        An empty frame with the types of the partitions.
    divisions
        Divisions of dask; None where they are not known.
    label
        Name of the task in dask's graph.
    columns
        Names of all columns, where *read* takes ``columns``; then dask asks for those that it needs.
    """
    import dask
    import dask.dataframe as dd

    wanted = {} if columns is None else {"columns": columns}
    # dask would make Arrow's type of text out of pandas' own.
    with dask.config.set({"dataframe.convert-string": False}):
        return dd.from_map(read, *parts, meta=meta, divisions=divisions, label=label, **wanted)


def trial_rows(source: PinnedCommit, table: str, trial_ids: Sequence[int]) -> pa.Table:
    """Return rows of some trials in the order of their ids, names as dictionaries.

    Parameters
    ----------
    source
        The commit to read.
    table
        A table that is sorted by ``trial_id``.
    trial_ids
        Ids of the trials.

    Raises
    ------
    CorruptObjectError
        A file is missing or damaged.
    """
    snapshot = source.snapshot
    found = snapshot.tables[table]
    low, high = min(trial_ids), max(trial_ids)
    files = [entry for entry in found.files if _meets(entry.stats["columns"].get(TRIAL), low, high)]
    groups = [
        _row_group(path, number)
        for entry in files
        for path in [str(snapshot.objects.verified_path(entry.digest, entry.size, entry.place))]
        for number, bounds in enumerate(_bounds(path))
        if _meets(bounds, low, high)
    ]
    parts = [part for trial in trial_ids for group in groups if len(part := group.rows_of(trial))]
    return pa.concat_tables(parts) if parts else found.schema().empty_table()


def _meets(bounds: Sequence[Any] | None, low: int, high: int) -> bool:
    return bounds is None or (bounds[0] is not None and bounds[0] <= high and bounds[1] >= low)


@lru_cache(maxsize=1024)
def _bounds(path: str) -> tuple[Sequence[int] | None, ...]:
    """Least and greatest trial of each row group of a file."""
    metadata = pq.ParquetFile(path).metadata
    at = metadata.schema.names.index(TRIAL)
    groups = [metadata.row_group(number).column(at).statistics for number in range(metadata.num_row_groups)]
    return tuple(None if part is None or not part.has_min_max else (part.min, part.max) for part in groups)


@dataclass(frozen=True)
class _RowGroup:
    """Decoded rows, sorted by trial."""

    trials: npt.NDArray[np.int64]
    rows: pa.Table

    def rows_of(self, trial: int) -> pa.Table:
        first, stop = np.searchsorted(self.trials, [trial, trial + 1]).tolist()
        return self.rows.slice(first, stop - first)


def _row_group(path: str, number: int) -> _RowGroup:
    # Partitions that start together wait for one decoding instead of each doing it.
    with _LOADING:
        return _decoded(path, number)


@lru_cache(maxsize=3)
def _decoded(path: str, number: int) -> _RowGroup:
    names = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
    rows = pq.ParquetFile(path, read_dictionary=names).read_row_group(number)
    return _RowGroup(rows[TRIAL].to_numpy(), rows)
