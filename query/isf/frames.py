"""The wide frames of the In Silico Framework (ISF), made from the long tables and the arrays of a lake.

Layout, column names, dtypes and order are those of ISF's database: ``voltage_traces`` has a column for each
time, labelled with the time as a float, ``synapse_activation`` and ``cell_activation`` have columns ``"0"`` to
``"k"`` for a row with k times at most, and ``spike_times`` integer columns 0 to k - 1; rows with fewer are padded with NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds

from ...catalog.vocabulary.trials import (
    CELL_ACTIVATION,
    SPIKE_TIMES,
    SYNAPSE_ACTIVATION,
    TRACES,
    VOLTAGE_TIME,
)
from ...lake import Array, Snapshot
from .trials import TRIAL, PinnedCommit, Trials, dask_frame, divisions, trial_rows

INDEX = "sim_trial_index"
_MOST_PARTITIONS, _ONE_EACH = 5000, 10000
# Columns of the lake's tables under ISF's names, in ISF's order.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    SYNAPSE_ACTIVATION.name: {
        "synapse_type": "synapse_type",
        "synapse_ID": "synapse_id",
        "soma_distance": "soma_distance",
        "section_ID": "section_id",
        "section_pt_ID": "section_pt_id",
        "dendrite_label": "dendrite_label",
    },
    CELL_ACTIVATION.name: {"presynaptic_cell_type": "presynaptic_cell_type", "cell_ID": "cell_id"},
}


def index_of(keys: Any) -> Any:
    """Return keys of trials as ISF's index: of pandas' own type of text, named ``sim_trial_index``.

    Parameters
    ----------
    keys
        The keys, texts.
    """
    return pd.Index(keys, dtype="str", name=INDEX)


# Activations


def activations(snapshot: Snapshot, name: str) -> Any:
    """Return ``synapse_activation`` or ``cell_activation`` as ISF has it.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the table.

    Returns
    -------
    dask.dataframe.DataFrame
        A row for each active synapse (cell) of a trial, in the source's order, indexed by ``sim_trial_index``;
        its times (ms) in columns ``"0"``, ``"1"`` …, one more than any row has times, and two at least. A partition
        for each trial, or 5,000 for more than 10,000.
    """
    trials, table = Trials.of(snapshot), snapshot.tables[name]
    size = 1 if len(trials) <= _ONE_EACH else -(-len(trials) // _MOST_PARTITIONS)
    blocks = [slice(start, start + size) for start in range(0, len(trials), size)]
    last = [entry.stats["columns"]["activation"][1] for entry in table.files if entry.stats["rows"]]
    # ISF counts commas: the one that ends a line makes one column more, and a header alone counts for one time.
    width = max(last, default=0) + 2
    read = _ReadActivations(PinnedCommit.of(snapshot), name, width, table.digest)
    keys = [trials.index[block] for block in blocks]
    columns = [*_COLUMNS[name], *map(str, range(read.width))]
    return dask_frame(
        read,
        [tuple(trials.ids[block].tolist()) for block in blocks],
        keys,
        columns=columns,
        meta=read.wide(table.schema().empty_table(), pa.array([], pa.string()), columns),
        divisions=divisions(keys),
        label=f"isf-{name}",
    )


@dataclass(frozen=True)
class _ReadActivations:
    """Makes the partition of some trials; `width` is the number of columns of times."""

    source: PinnedCommit
    name: str
    width: int
    digest: str

    def __call__(
        self, trial_ids: tuple[int, ...], keys: tuple[str, ...], columns: Sequence[str]
    ) -> pd.DataFrame:
        rows = trial_rows(self.source, self.name, trial_ids)
        order = np.argsort(trial_ids)
        at = order[np.searchsorted(trial_ids, rows[TRIAL].to_numpy(), sorter=order)]
        return self.wide(rows, pa.array(keys).take(pa.array(at)), columns)

    def wide(self, rows: pa.Table, keys: pa.Array, columns: Sequence[str]) -> pd.DataFrame:
        """Long rows, each with its trial's key, as wide ones: a new row begins where ``activation`` is 0."""
        ordinal = rows["activation"].to_numpy()
        first = pa.array(np.flatnonzero(ordinal == 0))
        named = {
            label: _values(rows[column].take(first))
            for label, column in _COLUMNS[self.name].items()
            if label in columns
        }
        numbers = [int(column) for column in columns if column not in named]
        times = np.full((len(first), self.width if numbers else 0), np.nan)
        if numbers:
            times[np.cumsum(ordinal == 0) - 1, ordinal] = rows["time"].to_numpy()
        frame = pd.DataFrame(
            times[:, numbers], index_of(keys.take(first).to_pandas()), list(map(str, numbers))
        )
        for at, (label, values) in enumerate(named.items()):
            frame.insert(at, label, values)
        return frame[list(columns)]

    def __dask_tokenize__(self) -> Any:
        return (self.digest, self.width)


def _values(column: pa.ChunkedArray) -> Any:
    text = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
    return column.cast(pa.string()).to_pandas().array if text else column.to_numpy()


# Voltages


def voltage_traces(snapshot: Snapshot, site: str) -> Any:
    """Return the voltages of a recording site as ISF has them.

    Where trials differ in their times, columns are those of all, and what a trial does not have is NaN.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        ``"soma"``, or the label of another site.

    Returns
    -------
    dask.dataframe.DataFrame
        A row (mV) for each trial, indexed by ``sim_trial_index``; a column for each time, labelled with it
        (ms, float). A partition for each run directory, with known divisions.
    """
    trials = Trials.of(snapshot)
    places = snapshot.tables[TRACES.name].to_arrow(where=pds.field("site") == site)
    at = trials.rows_of(places[TRIAL].to_numpy())
    order = np.argsort(at)[np.count_nonzero(at < 0) :]
    names, rows = places["array"].to_numpy()[order], places["row"].to_numpy()[order]
    arrays = tuple(sorted(set(names.tolist())))
    starts = np.searchsorted(at[order], [block[0] for block in trials.by_run(at[order])])
    blocks = [slice(*ends) for ends in zip(starts, [*starts[1:], len(order)], strict=True)]
    keys = [tuple(trials.index[row] for row in at[order][block]) for block in blocks]
    read = _ReadTraces(
        PinnedCommit.of(snapshot), arrays, tuple(snapshot.arrays[name].digest for name in arrays)
    )
    return dask_frame(
        read,
        [tuple(zip(names[block].tolist(), rows[block].tolist(), strict=True)) for block in blocks],
        keys,
        meta=pd.DataFrame(np.empty((0, len(read.times))), index_of([]), pd.Index(read.times)),
        divisions=divisions(keys),
        label="isf-voltage",
    )


@dataclass(frozen=True)
class _ReadTraces:
    """Makes the partition of the trials at some rows of some of the `arrays`."""

    source: PinnedCommit
    arrays: tuple[str, ...]
    digests: tuple[str, ...]

    @property
    def times(self) -> npt.NDArray[np.float64]:
        axes = [self.source.snapshot.arrays[VOLTAGE_TIME.beside(name)][...] for name in self.arrays]
        return axes[0] if len(axes) == 1 else np.unique(np.concatenate(axes))

    def __call__(self, places: tuple[tuple[str, int], ...], keys: tuple[str, ...]) -> pd.DataFrame:
        times, snapshot = self.times, self.source.snapshot
        if len(self.arrays) == 1:
            values = _rows(snapshot.arrays[self.arrays[0]], [row for _, row in places])
            return pd.DataFrame(values, index_of(keys), pd.Index(times))
        values = np.full((len(places), len(times)), np.nan)
        for at, (name, row) in enumerate(places):
            own = snapshot.arrays[VOLTAGE_TIME.beside(name)][...]
            values[at, np.searchsorted(times, own)] = snapshot.arrays[name][row]
        return pd.DataFrame(values, index_of(keys), pd.Index(times))

    def __dask_tokenize__(self) -> Any:
        return (self.arrays, self.digests)


def _rows(array: Array, rows: Sequence[int]) -> npt.NDArray[Any]:
    """Rows of an array; those of a run directory mostly are neighbours, which threads decode at once."""
    low, high = min(rows), max(rows) + 1
    if high - low == len(rows):
        values: npt.NDArray[Any] = array[low:high][np.argsort(np.argsort(rows))]
        return values
    return np.stack([array[row] for row in rows])


# Spikes


def spike_times(
    snapshot: Snapshot, table: str = SPIKE_TIMES.name, where: pds.Expression | None = None
) -> pd.DataFrame:
    """Return spike times of all trials as ISF has them.

    Parameters
    ----------
    snapshot
        The commit to read.
    table
        Table of the spikes.
    where
        Condition on its rows; all by default.

    Returns
    -------
    pandas.DataFrame
        A row for each trial, indexed by ``sim_trial_index``; columns 0 to m, the times (ms) of its spikes, NaN
        where it has fewer. No columns if there are no spikes at all.
    """
    trials = Trials.of(snapshot)
    rows = snapshot.tables[table].to_arrow([TRIAL, "spike", "time"], where)
    ordinal = rows["spike"].to_numpy()
    times = np.full((len(trials) + 1, ordinal.max(initial=-1) + 1), np.nan)
    # Spikes of trials without a key end up in the last row.
    times[trials.rows_of(rows[TRIAL].to_numpy()), ordinal] = rows["time"].to_numpy()
    return pd.DataFrame(times[:-1], index_of(trials.index))
