"""The same work on a little, on much and on four times as much, in a process of its own, which prints its peaks.

A folder has a lake and a simrun tree for each of the three, made by `write`.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
from large_derivations import peak
from simrun_trees import Run, synapse_text, trace_text, write_run

import neurolake
from neurolake.ingest.simrun import ingest as simrun
from neurolake.query.trials.activations import bin_activations
from neurolake.query.trials.voltages import voltage_statistics

TRIALS = {"little": 40, "much": 1000, "more": 4000}
SAMPLES = 12_000
ACTIVATIONS = 2000
CELL_TYPES = 30
LAST_MS = 300.0
BIN_MS = 0.2
# Bytes for each trial: of its trace, of three columns of its activations, and of its binned counts.
TRACE = 8 * SAMPLES
ROWS = 24 * ACTIVATIONS
COUNTS = 2 * CELL_TYPES * round(LAST_MS / BIN_MS)
RUNS = {"little": 1, "much": 8, "more": 32}


def ingest(lake: Any, folder: Path) -> None:
    # A process holds what it encodes of one group of run directories; that shows only with trees of gigabytes.
    simrun._LARGEST_GROUP = 8_000_000
    assert simrun.ingest_simrun(
        neurolake.create(folder / "ingested", durable=False), folder / "tree", processes=1
    ).trials


def sorting(lake: Any, folder: Path) -> None:
    query = "select trial_id, time, soma_distance from synapse_activation order by soma_distance"
    begun = 0
    for batch in lake.sql(query).to_arrow_reader(100_000):
        found = batch["soma_distance"].to_numpy()
        np.testing.assert_array_equal(found, np.arange(begun, begun + len(found)))
        if not begun:
            print("spilled", spilled())
        begun += len(found)
    assert begun == lake["synapse_activation"].rows


def spilled() -> int:
    """Bytes that DuckDB has on the disk now."""
    folders = Path(tempfile.gettempdir()).glob("neurolake-*")
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def array_by_dask(lake: Any, folder: Path) -> None:
    mean = lake["voltage/soma"].dask((100, SAMPLES)).mean(axis=0).compute()
    np.testing.assert_allclose(mean, trace(np.arange(lake["trials"].rows).mean()))


def frame_by_dask(lake: Any, folder: Path) -> None:
    found = (
        lake["synapse_activation"].dask().groupby("trial_id").agg({"time": "count", "soma_distance": "max"})
    )
    rows = found.compute()
    assert (rows["time"] == ACTIVATIONS).all() and rows["soma_distance"].max() == len(rows) * ACTIVATIONS - 1


@neurolake.kernel(version="1")
def doubled(voltage: Any) -> Iterator[Any]:
    for start in range(0, voltage.shape[0], 100):
        yield voltage[start : start + 100] * 2


def derived_blocks(lake: Any, folder: Path) -> None:
    found = lake.derive(doubled, "voltage/soma")
    np.testing.assert_array_equal(found[-1], 2 * trace(lake["trials"].rows - 1))


def derived_bins(lake: Any, folder: Path) -> None:
    inputs = ["trials", "synapse_activation"]
    found = lake.derive(bin_activations, inputs, by="cell_type", width=BIN_MS, t_max=LAST_MS, lazy=True)
    assert found.shape == (CELL_TYPES, lake["trials"].rows, round(LAST_MS / BIN_MS))
    assert found[:, -1].sum() == ACTIVATIONS


def derived_statistics(lake: Any, folder: Path) -> None:
    found = lake.derive(voltage_statistics, "voltage/soma")
    np.testing.assert_allclose(found["mean"][...], trace(np.arange(lake["trials"].rows).mean()))


def trace(trial: float) -> np.ndarray:
    """The voltage of a trial, mV."""
    return np.arange(SAMPLES) % 997 / 16 - 80 + trial / 1024


def main(task: str, folder: Path) -> None:
    for name in TRIALS:
        lake = neurolake.open(folder / name / "lake", durable=False)
        with dask.config.set(scheduler="threads", num_workers=2):
            globals()[task](lake, folder / name)
        print("peak", peak())


def write(folder: Path) -> None:
    """The lakes and trees."""
    for name, trials in TRIALS.items():
        lake = neurolake.create(folder / name / "lake", durable=False)
        with lake.transaction("all") as tx:
            tx.write_table("trials", pa.table({"trial_id": range(trials), "t_stop": [LAST_MS] * trials}))
            for first in range(0, trials, 250):
                _append(tx, np.arange(first, min(first + 250, trials)), trials)
        _write_tree(folder / name / "tree", RUNS[name])


def _append(tx: Any, ids: np.ndarray, trials: int) -> None:
    rows = np.arange(ids[0] * ACTIVATIONS, (ids[-1] + 1) * ACTIVATIONS)
    # A prime beyond all counts makes an order of its own.
    place = rows * 1_000_003 % (trials * ACTIVATIONS)
    kinds = pa.array([f"L{kind}" for kind in range(CELL_TYPES)])
    columns = {
        "trial_id": rows // ACTIVATIONS,
        "time": place / (trials * ACTIVATIONS) * LAST_MS,
        "soma_distance": place.astype(np.float64),
        "cell_type": pa.DictionaryArray.from_arrays(pa.array(rows % CELL_TYPES, pa.int32()), kinds),
    }
    tx.append_table("synapse_activation", pa.table(columns), sorted_by=["trial_id"])
    voltage = np.stack([trace(trial) for trial in ids])
    if ids[0]:
        tx.append_array("voltage/soma", voltage)
        return
    names = ["trial", "time"]
    tx.write_array("voltage/soma", voltage, chunks=(1, SAMPLES), dimension_names=names)
    tx.write_array("voltage/soma.time", np.arange(SAMPLES) / 40, dimension_names=["time"])


def _write_tree(root: Path, runs: int) -> None:
    """Runs of some 5 MB, no trace of which equals another's."""
    run = Run(trials=range(8), samples=SAMPLES)
    first, rng = write_run(root, run), np.random.default_rng(1)
    for path in first.glob("*_synapses.csv"):
        path.write_text(synapse_text(random.Random(path.name), run, 1500))
    for path in first.glob("*_traces.csv"):
        voltage = rng.uniform(-69, -60, (SAMPLES, 8))
        voltage[::3000] = 20
        path.write_text(trace_text(np.column_stack([np.arange(SAMPLES) / 40, voltage])))
    for number in range(1, runs):
        name = f"seed{number + 1}"
        copy = root / first.name.replace("seed1", name)
        copy.mkdir()
        for path in first.iterdir():
            data = path.read_bytes()
            if path.name.endswith("_traces.csv"):
                data = data.replace(b"\t-6", b"\t-%d6" % number)
            (copy / path.name.replace("seed1", name)).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
