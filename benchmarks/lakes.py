"""Lakes of any number of trials, with the statistics of one real run directory; and the same as ISF lays it out.

Trial k repeats trial k mod n of the source, n being its number of trials: activation and spike times are moved by a
draw of up to half a millisecond, voltages multiplied by 1 + 1e-6 k. So counts, distances, cell types, digits and
compressibility are those of the source, and no trace and no table equals another's. Somatic spikes are those of
18,000 real trials where they are at hand, trial by trial, and the source's otherwise.
"""

import gzip
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import neurolake as nl

STIMULI = ("A1", "B1", "B2", "B3", "C1", "C2", "C3", "D1", "D2", "D3")
BATCH = 400
SHIFT_MS = 0.5
# ISF writes at most so many partitions of a large database.
PARTITIONS = 5000
TRIALS_PER_RUN = 8


@dataclass(frozen=True)
class Template:
    """What a small ingested lake gives to a large one."""

    trials: pa.Table
    synapses: pa.Table
    cells: pa.Table
    voltage: np.ndarray
    time: np.ndarray
    attributes: dict[str, Any]
    spikes: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        return self.trials.num_rows


def template(small: Any, data: Path) -> Template:
    """Rows and traces of the lake *small*, and the spikes of the published study if *data* has them."""
    snapshot = small.head

    def rows(name: str) -> pa.Table:
        return snapshot[name].to_arrow()

    own = rows("spike_times")
    trials = snapshot["trials"].rows
    mine = tuple(own["time"].to_numpy()[own["trial_id"].to_numpy() == k] for k in range(trials))
    published = data / "isf" / "spike_times_18k" / "spike_times_18000_trials.csv.gz"
    return Template(
        rows("trials"),
        rows("synapse_activation"),
        rows("cell_activation"),
        snapshot["voltage/soma"][...],
        snapshot["voltage/soma.time"][...],
        dict(snapshot["voltage/soma"].attrs),
        tuple(_published(published)) if published.exists() else mine,
    )


def _published(path: Path) -> Iterator[np.ndarray]:
    with gzip.open(path, "rt") as lines:
        next(lines)
        for line in lines:
            yield np.array([float(part) for part in line.rstrip("\n").split(",")[1:] if part])


def write_lake(url: Path, source: Template, trials: int, *, voltages: bool = True, seed: int = 0) -> Any:
    """A lake of *trials*, one commit for each `BATCH` of them, then compacted."""
    lake = nl.create(url)
    for first in range(0, trials, BATCH):
        append(lake, source, np.arange(first, min(first + BATCH, trials)), voltages=voltages, seed=seed)
    # A commit for each batch leaves small files of small tables; whoever has many runs joins them.
    lake.compact(tables=["trials", "spike_times"])
    return lake


def append(
    lake: Any,
    source: Template,
    ids: np.ndarray,
    *,
    voltages: bool = True,
    seed: int = 0,
    branch: str = "main",
) -> None:
    """Commit the trials *ids*, which follow on those of the branch."""
    with lake.transaction(f"Trials {ids[0]} to {ids[-1]}") as tx:
        for name, table in tables_of(source, ids, seed):
            tx.append_table(name, table, sorted_by=["trial_id"])
        if voltages:
            block = source.voltage[ids % source.size] * (1 + 1e-6 * ids)[:, None]
            _append(tx, source, block)


def _append(tx: Any, source: Template, block: np.ndarray) -> None:
    if "voltage/soma" in tx.store.tree:
        tx.append_array("voltage/soma", block)
        return
    tx.write_array(
        "voltage/soma",
        block,
        chunks=(1, block.shape[1]),
        dimension_names=["trial", "time"],
        attributes=source.attributes,
    )
    tx.write_array("voltage/soma.time", source.time, dimension_names=["time"])


def tables_of(source: Template, ids: np.ndarray, seed: int) -> Iterator[tuple[str, pa.Table]]:
    """Names and rows of the tables of the trials *ids*."""
    yield "trials", _trials(source, ids)
    rng = np.random.default_rng([seed, int(ids[0])])
    yield "synapse_activation", _repeated(source.synapses, source.size, ids, rng)
    yield "cell_activation", _repeated(source.cells, source.size, ids, rng)
    spikes = [source.spikes[k % len(source.spikes)] for k in ids]
    counts = [len(times) for times in spikes]
    columns = {
        "trial_id": np.repeat(ids, counts),
        "spike": np.concatenate([np.arange(n, dtype=np.int32) for n in counts]),
        "time": np.concatenate(spikes),
        "threshold": np.zeros(sum(counts)),
    }
    yield "spike_times", pa.table(columns)


def _trials(source: Template, ids: np.ndarray) -> pa.Table:
    table = source.trials.take(ids % source.size)
    stimuli = [STIMULI[k // TRIALS_PER_RUN % len(STIMULI)] for k in ids]
    runs = [f"stim_{s}/results/run{k // TRIALS_PER_RUN:06d}" for s, k in zip(stimuli, ids, strict=True)]
    new = {
        "trial_id": ids,
        "stimulus": stimuli,
        "run": runs,
        "sim_trial_index": [f"{run}/{k % TRIALS_PER_RUN:06d}" for run, k in zip(runs, ids, strict=True)],
    }
    for name, values in new.items():
        column = table.schema.get_field_index(name)
        table = table.set_column(column, table.field(column), pa.array(values))
    return table


def _repeated(table: pa.Table, size: int, ids: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """The rows of trial k mod *size* for each k of *ids*, with times of their own."""
    starts = np.searchsorted(table["trial_id"].to_numpy(), np.arange(size + 1))
    pieces = [np.arange(starts[k % size], starts[k % size + 1]) for k in ids]
    taken = table.take(np.concatenate(pieces))
    owner = np.repeat(ids, [len(piece) for piece in pieces])
    later = pc.add(taken["time"], pa.array(rng.uniform(0, SHIFT_MS, taken.num_rows)))
    for name, values in (("trial_id", pa.array(owner)), ("time", later)):
        column = taken.schema.get_field_index(name)
        taken = taken.set_column(column, taken.field(column), values)
    return taken


# As ISF lays it out


def write_isf_layout(folder: Path, lake: Any, trials: int, voltage_trials: int) -> None:
    """The first *trials* of a lake as files of an ISF database.

    ``spike_times.parquet`` is one wide frame; ``synapse_activation`` has wide, NaN-padded frames, at most 5,000;
    ``voltage_traces`` has frames of one run directory, times as columns, pickled (one of ISF's formats, and the
    fastest to read: Parquet needs seconds for 12,000 columns), of the first *voltage_trials* only.
    """
    folder.mkdir(parents=True)
    snapshot = lake.head
    names = snapshot.sql("select sim_trial_index from trials order by trial_id").df()["sim_trial_index"]
    _wide_spikes(snapshot, names).iloc[:trials].to_parquet(folder / "spike_times.parquet")
    _write_activations(folder / "synapse_activation", snapshot, names, trials)
    _write_traces(folder / "voltage_traces", snapshot, names, voltage_trials)


def _wide_spikes(snapshot: Any, names: pd.Series) -> pd.DataFrame:
    rows = snapshot["spike_times"].to_arrow().to_pandas()
    wide = rows.pivot_table(index="trial_id", columns="spike", values="time")
    wide = wide.reindex(range(len(names)))
    wide.columns = wide.columns.astype(str)
    return wide.set_index(pd.Index(names, name="sim_trial_index"))


def _write_activations(folder: Path, snapshot: Any, names: pd.Series, trials: int) -> None:
    folder.mkdir()
    per = -(-trials // PARTITIONS)
    keys = ["synapse_type", "synapse_id", "soma_distance", "section_id", "section_pt_id", "dendrite_label"]
    ((widest,),) = snapshot.sql("select max(activation) + 1 from synapse_activation").fetchall()
    block = max(per, BATCH // per * per)
    for first in range(0, trials, block):
        query = "from synapse_activation where trial_id >= $first and trial_id < $last"
        rows = snapshot.sql(query, first=first, last=min(first + block, trials)).df()
        head = rows["activation"].to_numpy() == 0
        wide = rows.loc[head, ["trial_id", *keys]].reset_index(drop=True)
        times = np.full((len(wide), widest), np.nan)
        times[np.cumsum(head) - 1, rows["activation"]] = rows["time"]
        wide = pd.concat([wide, pd.DataFrame(times, columns=[str(k) for k in range(widest)])], axis=1)
        for _, part in wide.groupby(wide.pop("trial_id").rename("trial") // per):
            index = names.to_numpy()[rows.loc[head, "trial_id"].to_numpy()[part.index]]
            part = part.set_index(pd.Index(index, name="sim_trial_index"))
            number = len(list(folder.iterdir()))
            part.to_parquet(folder / f"pandas_to_parquet.{PARTITIONS}.{number}.parquet", compression="snappy")


def _write_traces(folder: Path, snapshot: Any, names: pd.Series, trials: int) -> None:
    folder.mkdir()
    time = snapshot["voltage/soma.time"][...]
    for first in range(0, trials, TRIALS_PER_RUN):
        rows = snapshot["voltage/soma"][first : min(first + TRIALS_PER_RUN, trials)]
        frame = pd.DataFrame(rows, index=names[first : first + len(rows)], columns=time)
        with (folder / f"{first // TRIALS_PER_RUN}.pickle").open("wb") as file:
            pickle.dump(frame, file, protocol=5)
