"""Questions to simulation results, each answered by neurolake from a lake and by pandas from the CSV files.

``python benchmarks/questions.py {neurolake|pandas} NUMBER LAKE TREE`` answers one and prints nothing: what a new
process takes for it.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import peer

import neurolake as nl

THRESHOLD = 0.0


@dataclass(frozen=True)
class Subject:
    """What the questions are about: one trial, and a window [begin, end) in ms."""

    trial_id: int
    run: str
    trial_number: int
    begin: float
    end: float


@dataclass(frozen=True)
class Question:
    """A question, and two ways to its answer: a table, whose rows may come in any order."""

    title: str
    lake: Callable[[Any, Subject], pd.DataFrame]
    csv: Callable[[Path, Subject], pd.DataFrame]


def a_subject(lake: Any) -> Subject:
    """The trial in the middle, and a window that holds about half of the spikes."""
    trials = lake.sql("select trial_id, run, trial_number from trials order by trial_id").fetchall()
    window = "select floor(quantile_cont(time, 0.25)), ceil(quantile_cont(time, 0.75)) from spike_times"
    ((low, high),) = lake.sql(window).fetchall()
    return Subject(*trials[len(trials) // 2], low, high)


# From the CSV files, with pandas


def _spikes(root: Path) -> Iterator[tuple[str, int, np.ndarray]]:
    """Stimulus, number of trials, and (trial, time) of the somatic spikes, of each run directory."""
    for run in peer.run_folders(root):
        traces = peer.read_traces(next(run.glob("*_vm_all_traces.csv")))
        voltage = traces.to_numpy()
        step, trial = np.nonzero((voltage[:-1] < THRESHOLD) & (voltage[1:] >= THRESHOLD))
        stimulus = run.relative_to(root).parts[0].removeprefix("stim_")
        yield stimulus, voltage.shape[1], np.array([trial, traces.index.to_numpy()[step + 1]])


def _lists(root: Path, columns: list[int]) -> pd.DataFrame:
    """Some columns of all synapse files, the times as text."""
    paths = [path for run in peer.run_folders(root) for path in run.glob("simulation_run*_synapses.csv")]
    names = [*peer.SYNAPSES, "times"]
    return pd.concat(
        [pd.read_csv(path, sep="\t", skiprows=1, names=names, usecols=columns) for path in paths]
    )


def _times(lists: pd.DataFrame) -> pd.DataFrame:
    """One row per time."""
    split = lists.assign(time=lists["times"].str.rstrip(",").str.split(",")).drop(columns="times")
    return split.explode("time").astype({"time": float})


def _csv_distance(root: Path, subject: Subject) -> pd.DataFrame:
    rows = _lists(root, [0, 2, 6])
    rows["count"] = rows["times"].str.count(",")
    rows["sum"] = rows["soma_distance"] * rows["count"]
    sums = rows.groupby(rows["synapse_type"].str.split("_").str[0])[["sum", "count"]].sum()
    return pd.DataFrame({"cell_type": sums.index, "distance": (sums["sum"] / sums["count"]).to_numpy()})


def _csv_spiking(root: Path, subject: Subject) -> pd.DataFrame:
    counts: dict[str, int] = {}
    for stimulus, _, (trial, time) in _spikes(root):
        inside = trial[(time >= subject.begin) & (time < subject.end)]
        counts[stimulus] = counts.get(stimulus, 0) + len(np.unique(inside))
    return pd.DataFrame(counts.items(), columns=["stimulus", "trials"])


def _csv_psth(root: Path, subject: Subject) -> pd.DataFrame:
    found = list(_spikes(root))
    trials = sum(number for _, number, _ in found)
    bins = np.floor(np.concatenate([time for _, _, (_, time) in found]))
    values, counts = np.unique(bins, return_counts=True)
    return pd.DataFrame({"bin": values, "spikes": counts / trials})


def _csv_binned(root: Path, subject: Subject) -> pd.DataFrame:
    rows = _times(_lists(root, [0, 6]))
    cell_type, at = rows["synapse_type"].str.split("_").str[0], np.floor(rows["time"])
    counts = rows.groupby([cell_type, at]).size().reset_index()
    return counts.set_axis(["cell_type", "bin", "activations"], axis=1)


def _csv_voltage(root: Path, subject: Subject) -> pd.DataFrame:
    path = next((root / subject.run).glob("*_vm_all_traces.csv"))
    rows = pd.read_csv(path, sep="\t", usecols=[0, 1 + subject.trial_number])
    return rows.set_axis(["time", "voltage"], axis=1)


def _csv_moments(root: Path, subject: Subject) -> pd.DataFrame:
    paths = [next(run.glob("*_vm_all_traces.csv")) for run in peer.run_folders(root)]
    voltage = np.concatenate([peer.read_traces(path).to_numpy().ravel() for path in paths])
    return pd.DataFrame({"mean": [voltage.mean()], "sd": [voltage.std()]})


def _csv_synapses(root: Path, subject: Subject) -> pd.DataFrame:
    path = root / subject.run / f"simulation_run{subject.trial_number:04d}_synapses.csv"
    return _times(pd.read_csv(path, sep="\t", skiprows=1, names=[*peer.SYNAPSES, "times"]))


# From the lake


def _sql(query: str, lake: Any, subject: Subject) -> pd.DataFrame:
    wanted = {name: value for name, value in asdict(subject).items() if f"${name}" in query}
    rows: pd.DataFrame = lake.sql(query, **wanted).df()
    return rows


def _lake_voltage(lake: Any, subject: Subject) -> pd.DataFrame:
    snapshot = lake.head
    query = """select "array", "row" from traces where site = 'soma' and trial_id = $trial"""
    ((array, row),) = snapshot.sql(query, trial=subject.trial_id).fetchall()
    return pd.DataFrame({"time": snapshot[f"{array}.time"][...], "voltage": snapshot[array][row]})


def _lake_moments(lake: Any, subject: Subject) -> pd.DataFrame:
    voltage = lake.head["voltage/soma"][...]
    return pd.DataFrame({"mean": [voltage.mean()], "sd": [voltage.std()]})


def _lake_moments_dask(lake: Any, subject: Subject) -> pd.DataFrame:
    import dask

    voltage = lake.head["voltage/soma"].dask()
    mean, sd = dask.compute(voltage.mean(), voltage.std())
    return pd.DataFrame({"mean": [mean], "sd": [sd]})


DISTANCE = "select cell_type, avg(soma_distance) as distance from synapse_activation group by cell_type"
SPIKING = """
select stimulus, count(distinct s.trial_id) as trials
from trials t left join spike_times s on s.trial_id = t.trial_id and s.time >= $begin and s.time < $end
group by stimulus
"""
PSTH = """
select floor(time) as bin, count(*) / (select count(*) from trials) as spikes from spike_times group by bin
"""
BINNED = """
select cell_type, floor(time) as bin, count(*) as activations from synapse_activation group by cell_type, bin
"""
SYNAPSES = """
select synapse_type, synapse_id, soma_distance, section_id, section_pt_id, dendrite_label, time
from synapse_activation where trial_id = $trial_id
"""

QUESTIONS = (
    Question("SQL: mean soma distance per cell type", partial(_sql, DISTANCE), _csv_distance),
    Question("SQL: trials with a spike in [a, b) per stimulus", partial(_sql, SPIKING), _csv_spiking),
    Question("SQL: PSTH of somatic spikes, 1 ms", partial(_sql, PSTH), _csv_psth),
    Question("SQL: synapse activations per cell type, 1 ms", partial(_sql, BINNED), _csv_binned),
    Question("SQL: synapses of one trial", partial(_sql, SYNAPSES), _csv_synapses),
    Question("array: voltage of one trial", _lake_voltage, _csv_voltage),
    Question("array: mean and SD of all somatic voltages", _lake_moments, _csv_moments),
    Question("dask: mean and SD of all somatic voltages", _lake_moments_dask, _csv_moments),
)


def check_equal(question: Question, ours: pd.DataFrame, theirs: pd.DataFrame) -> int:
    """Raise AssertionError unless both answers have the same rows; how many there are.

    Real numbers may differ by 1e-12 of their size: sums in another order, and pandas' parser of numbers.
    """
    left, right = (
        rows.sort_values(list(rows.columns)).reset_index(drop=True)
        for rows in (ours, theirs[list(ours.columns)])
    )
    pd.testing.assert_frame_equal(left, right, check_dtype=False, rtol=1e-12, atol=0, obj=question.title)
    if not len(ours):
        raise AssertionError(f"{question.title}: no rows, which compares nothing")
    return len(ours)


def main() -> None:
    who, number, lake, tree, subject = sys.argv[1:]
    question, about = QUESTIONS[int(number)], Subject(**json.loads(subject))
    if who == "pandas":
        question.csv(Path(tree), about)
    else:
        question.lake(nl.open(lake), about)


if __name__ == "__main__":
    main()
