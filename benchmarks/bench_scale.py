"""How questions grow with the number of trials, beside pandas and dask on the layout that ISF keeps its data in.

    python benchmarks/bench_scale.py --sizes 1000 18000 100000 --work DIR

Every lake is made by `lakes.py`. Answers are checked to be equal before anything is timed. At the end comes one table
of times against sizes, with the power of the size that each grows with.
"""

import argparse
import math
import os
import pickle
import resource
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
from growth import Growth
from lakes import BATCH, PARTITIONS, TRIALS_PER_RUN, Template, template, write_isf_layout, write_lake
from measure import HERE, Figures, Timing, emptied, interleaved, seconds, tree_bytes
from trees import add_arguments, run_source, work_folder
from upkeep import add_bytes, upkeep

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.data.codecs import Codec
from neurolake.lake.threads import mapped
from neurolake.query.trials.activations import bin_activations
from neurolake.query.trials.voltages import (
    BLOCK_BYTES,
    voltage_quantiles,
    voltage_statistics,
    voltage_window,
    voltages_by_time,
)

BEGIN, END = 245.0, 265.0
LAST_MS = 345
TERABYTE = 1e12
BY_TIME = "by-time"
OURS, THEIRS = "neurolake", "ISF's layout"


@dataclass(frozen=True)
class Question:
    """A question to a lake, and to the same trials as ISF keeps them; *theirs* says whether it can ask them."""

    title: str
    ours: Callable[[Any, int], pd.DataFrame]
    isf: Callable[[Path, int], pd.DataFrame]
    needs_voltages: bool = False


SPIKING = """
select stimulus, count(distinct s.trial_id) as trials
from trials t left join spike_times s on s.trial_id = t.trial_id and s.time >= $begin and s.time < $end
group by stimulus
"""
PSTH = """
with n as (select stimulus, count(*) as trials from trials group by stimulus)
select t.stimulus, floor(s.time)::bigint as bin, count(*) / any_value(n.trials) as spikes
from spike_times s join trials t using (trial_id) join n on n.stimulus = t.stimulus group by all
"""
DISTANCE = """
select cell_type, avg(soma_distance) as distance from synapse_activation where activation = 0 group by cell_type
"""
SYNAPSES = """
select synapse_type, synapse_id, soma_distance, section_id, section_pt_id, dendrite_label, time
from synapse_activation where trial_id = $trial
"""


def _spiking(lake: Any, trial: int) -> pd.DataFrame:
    return lake.sql(SPIKING, begin=BEGIN, end=END).df()


def _psth(lake: Any, trial: int) -> pd.DataFrame:
    return lake.sql(PSTH).df()


def _distance(lake: Any, trial: int) -> pd.DataFrame:
    return lake.sql(DISTANCE).df()


def _synapses(lake: Any, trial: int) -> pd.DataFrame:
    return lake.sql(SYNAPSES, trial=trial).df()


def _voltage(lake: Any, trial: int) -> pd.DataFrame:
    snapshot = lake.head
    return pd.DataFrame({"time": snapshot["voltage/soma.time"][...], "v": snapshot["voltage/soma"][trial]})


# As ISF's users ask


def _spike_frame(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    wide = pd.read_parquet(folder / "spike_times.parquet")
    stimulus = wide.index.str.split("/").str[0].str.removeprefix("stim_")
    return wide, stimulus


def _isf_spiking(folder: Path, trial: int) -> pd.DataFrame:
    wide, stimulus = _spike_frame(folder)
    inside = ((wide >= BEGIN) & (wide < END)).any(axis=1)
    return inside.groupby(stimulus).sum().rename("trials").rename_axis("stimulus").reset_index()


def _isf_psth(folder: Path, trial: int) -> pd.DataFrame:
    wide, stimulus = _spike_frame(folder)
    edges = np.arange(0, LAST_MS + 2)
    parts = []
    for name, rows in wide.groupby(stimulus):
        values = rows.to_numpy().ravel()
        counts, _ = np.histogram(values[~np.isnan(values)], edges)
        bins = np.flatnonzero(counts)
        parts.append(pd.DataFrame({"stimulus": name, "bin": bins, "spikes": counts[bins] / len(rows)}))
    return pd.concat(parts)


def _isf_distance(folder: Path, trial: int) -> pd.DataFrame:
    frame = dd.read_parquet(folder / "synapse_activation", columns=["synapse_type", "soma_distance"])
    cell_type = frame["synapse_type"].str.split("_", expand=True, n=1)[0]
    mean = frame["soma_distance"].groupby(cell_type).mean().compute()
    return mean.rename("distance").rename_axis("cell_type").reset_index()


def _isf_synapses(folder: Path, trial: int) -> pd.DataFrame:
    per = -(-_count(folder) // PARTITIONS)
    name = f"pandas_to_parquet.{PARTITIONS}.{trial // per}.parquet"
    rows = pd.read_parquet(folder / "synapse_activation" / name)
    names = rows.index.unique()
    rows = rows.loc[[names[trial % per]]].reset_index(drop=True)
    times = [name for name in rows.columns if name.isdigit()]
    long = rows.melt([name for name in rows.columns if name not in times], times, value_name="time")
    return long.dropna(subset="time").drop(columns="variable")


def _isf_voltage(folder: Path, trial: int) -> pd.DataFrame:
    with (folder / "voltage_traces" / f"{trial // TRIALS_PER_RUN}.pickle").open("rb") as file:
        row = pickle.load(file).iloc[trial % TRIALS_PER_RUN]
    return pd.DataFrame({"time": row.index.to_numpy(), "v": row.to_numpy()})


def _count(folder: Path) -> int:
    return int((folder / "trials").read_text())


QUESTIONS = (
    Question("trials with a spike in [245, 265) per stimulus", _spiking, _isf_spiking),
    Question("PSTH per stimulus, 1 ms", _psth, _isf_psth),
    Question("mean soma distance of active synapses per cell type", _distance, _isf_distance),
    Question("synapses of one trial", _synapses, _isf_synapses),
    Question("voltage of one trial", _voltage, _isf_voltage, needs_voltages=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.set_defaults(trials=None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 18_000], help="of lakes, in trials")
    parser.add_argument("--voltages-up-to", type=int, default=18_000, help="larger lakes have none")
    parser.add_argument("--isf-up-to", type=int, default=18_000, help="larger lakes have nothing beside them")
    parser.add_argument(
        "--slow",
        type=float,
        default=20.0,
        help="seconds beyond which what stands beside is timed once, as it is checked (default: %(default)s)",
    )
    arguments = parser.parse_args()
    figures, growth = Figures("scale"), Growth()
    figures.settings = {name: vars(arguments)[name] for name in ("sizes", "rounds", "slow")}
    with work_folder(arguments.work) as work:
        os.environ["NEUROLAKE_CACHE"] = str(work / "cache")
        source = run_source(arguments.data, work)
        figures.settings["source"] = source.origin
        small = nl.create(emptied(work / "small"))
        ingest_simrun(small, source.folder.parent)
        pattern = template(small, arguments.data)
        for size in arguments.sizes:
            Scale(figures, growth, arguments, work, pattern, size).measure()
        paper = _of_a_terabyte(work, [size for size in arguments.sizes if size <= arguments.voltages_up_to])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures.add("all", "memory of this benchmark, at most", most / 1e9, "GB")
    figures.add("all", "trials of a terabyte", paper, "trials")
    growth.report(figures, HERE / "results", paper)
    figures.report()


def _of_a_terabyte(work: Path, sizes: list[int]) -> int:
    """How many trials make a terabyte, voltages and all: as many as the largest lake that has them says."""
    if not sizes:
        return 0
    largest = max(sizes)
    return round(TERABYTE / (tree_bytes(work / f"lake-{largest}") / largest))


@dataclass(frozen=True)
class Scale:
    """One lake and what is asked of it."""

    figures: Figures
    growth: Growth
    arguments: argparse.Namespace
    work: Path
    pattern: Template
    size: int

    @property
    def section(self) -> str:
        return f"{self.size:,} trials"

    @property
    def folder(self) -> Path:
        return self.work / f"lake-{self.size}"

    @property
    def voltages(self) -> bool:
        return self.size <= self.arguments.voltages_up_to

    def measure(self) -> None:
        """Make the lake where it is not there; ask, and count its bytes."""
        self._made()
        lake = nl.open(self.folder)
        ((rows,),) = lake.sql("select count(*) from synapse_activation").fetchall()
        self.figures.add(self.section, "synapse activations", rows / 1e6, "M rows")
        self.figures.add(self.section, "stored", tree_bytes(self.folder) / 1e9, "GB")
        isf = self._beside(lake)
        for question in QUESTIONS:
            if self.voltages or not question.needs_voltages:
                self._ask(question, lake, isf)
        few = min(self.arguments.rounds, 3)
        if self.voltages:
            _moments(self, lake, self.arguments.rounds)
            _binned(self, lake, few)
        add_bytes(self.figures, self.section, self.folder, self.size)
        for name, timing in upkeep(self.folder, self.pattern, self.size, few):
            self.timed(name, timing)
        if self.voltages:
            _windows(self, nl.open(self.folder), few)

    def timed(self, name: str, timing: Timing, unit: str = "s") -> None:
        """Note the times of one thing that every size has."""
        self.figures.add_time(self.section, name, timing, unit)
        self.growth.add(name, self.size, timing)

    def _made(self) -> None:
        if self.folder.exists():
            return
        # What was interrupted is made anew.
        part = emptied(self.folder.with_suffix(".part"))
        spent = seconds(lambda: write_lake(part, self.pattern, self.size, voltages=self.voltages))
        part.rename(self.folder)
        self.figures.add(self.section, "written", spent, "s", f"{-(-self.size // BATCH)} commits")

    def _beside(self, lake: Any) -> Path | None:
        """The same trials in ISF's layout, if they are to be compared."""
        if self.size > self.arguments.isf_up_to:
            return None
        folder = self.work / f"isf-{self.size}"
        if not (folder / "trials").exists():
            emptied(folder).rmdir()
            write_isf_layout(folder, lake, self.size, min(self.size, 160) if self.voltages else 0)
            (folder / "trials").write_text(str(self.size))
        return folder

    def _ask(self, question: Question, lake: Any, isf: Path | None) -> None:
        trial = min(self.size, 160) // 2
        cases: dict[str, Callable[[], pd.DataFrame]] = {OURS: lambda: question.ours(lake, trial)}
        if isf is not None:
            cases[THEIRS] = lambda: question.isf(isf, trial)
        answers: dict[str, pd.DataFrame] = {}
        first = {
            name: seconds(lambda name=name, ask=ask: answers.update({name: ask()}))
            for name, ask in cases.items()
        }
        if isf is not None:
            _check_equal(question.title, answers[OURS], answers[THEIRS])
        timings = {
            name: Timing([first[name]])
            for name in cases
            if name != OURS and first[name] > self.arguments.slow
        }
        quick = {name: ask for name, ask in cases.items() if name not in timings}
        timings = interleaved(quick, self.arguments.rounds) | timings
        for name, timing in timings.items():
            self.timed(f"{question.title}: {name}", timing, "ms")
        if isf is not None:
            ratio = timings[THEIRS].median / timings[OURS].median
            self.figures.add(self.section, f"{question.title}: {THEIRS} / {OURS}", ratio, "times")


def _check_equal(title: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    left, right = (
        rows.sort_values(list(ours.columns)).reset_index(drop=True)[list(ours.columns)]
        for rows in (ours, theirs)
    )
    pd.testing.assert_frame_equal(
        left, right, check_dtype=False, check_column_type=False, rtol=1e-12, obj=title
    )
    if ours.empty:
        raise AssertionError(f"{title}: no rows, which compares nothing")


def _moments(scale: Scale, lake: Any, rounds: int) -> None:
    """Mean and SD over trials at every time, beside what nothing can do without: reading and decoding."""
    array = lake.head["voltage/soma"]
    chunks, rows = Chunks(array), np.arange(array.shape[0])
    block = np.empty(
        (max(1, BLOCK_BYTES // (array.shape[1] * array.dtype.itemsize)), array.shape[1]), array.dtype
    )
    cases = {
        "mean and SD over trials": lambda: voltage_statistics(lake.head),
        "reading, checking and decoding alone, chunk by chunk as before": chunks.read_and_decode,
        "the same in batches": lambda: deque(array.row_parts(rows, block), maxlen=0),
        "decoding alone, from memory": chunks.decode,
    }
    timings = interleaved(cases, rounds)
    for name, timing in timings.items():
        scale.timed(name, timing)
    ours = timings["mean and SD over trials"].median
    for name in list(cases)[1:]:
        scale.figures.add(scale.section, f"{name} / mean and SD", timings[name].median / ours, "times")
    scale.figures.add(scale.section, "of traces", array.nbytes / ours / 1e9, "GB/s")


def _windows(scale: Scale, lake: Any, rounds: int) -> None:
    """Questions to 20 ms of all trials, from chunks of one trial and from those of many, which are derived on a branch."""
    if BY_TIME not in lake.branches:
        lake.branches.create(BY_TIME)
    made = seconds(lambda: lake.derive(voltages_by_time, "voltage/soma", branch=BY_TIME))
    scale.figures.add(scale.section, f"{BY_TIME}: derived", made, "s")
    window = (BEGIN, END)
    ask: dict[str, Callable[[Any], Any]] = {
        "voltages in 20 ms": lambda snapshot: voltage_window(snapshot, window).values,
        "median in 20 ms": lambda snapshot: (
            voltage_quantiles(snapshot, [0.5], exact=True, window=window).values
        ),
        "mean in 20 ms": lambda snapshot: voltage_statistics(snapshot, window=window)["mean"].values,
    }
    for title, question in ask.items():
        cases = {
            f"{title}: by trial": lambda question=question: question(lake.head),
            f"{title}: by time": lambda question=question: question(lake.at(BY_TIME)),
        }
        one, other = (case() for case in cases.values())
        if not np.array_equal(one, other):
            raise AssertionError(f"{title}: other answers from {BY_TIME}")
        timings = interleaved(cases, rounds)
        for name, timing in timings.items():
            scale.timed(name, timing, "ms")
        first, second = (timing.median for timing in timings.values())
        scale.figures.add(scale.section, f"{title}: by trial / by time", first / second, "times")


class Chunks:
    """All chunks of an array, decoded on all cores into one buffer of a thread, and forgotten."""

    def __init__(self, array: Any) -> None:
        node = array.store_path.store.tree[array.path]
        self._shape, self._dtype = array.chunks, array.dtype
        self._objects, self._codec = array.store_path.store.objects, Codec.of(node.meta)
        self._entries = [entry for _, entry in node.entries.items()]
        # What fits into memory; the rest is as the first.
        self._stored = [self._read(entry) for entry in self._entries[:4000]]
        self._buffers = threading.local()

    def decode(self) -> None:
        """Decode as many chunks as there are, from memory."""
        rounds = math.ceil(len(self._entries) / len(self._stored))
        stored = (self._stored * rounds)[: len(self._entries)]
        deque(mapped(self._decode, stored), maxlen=0)

    def read_and_decode(self) -> None:
        """Read, check and decode all chunks."""
        deque(mapped(lambda entry: self._decode(self._read(entry)), self._entries), maxlen=0)

    def _read(self, entry: Any) -> bytes:
        return self._objects.read(entry.digest, entry.size, entry.place)

    def _decode(self, data: bytes) -> None:
        if not hasattr(self._buffers, "chunk"):
            self._buffers.chunk = np.empty(self._shape, self._dtype)
        self._codec.decode_into(data, self._buffers.chunk)


def _binned(scale: Scale, lake: Any, rounds: int) -> None:
    """Activations by EI, 50 µm of soma distance and ms: ISF took 12.8 s for 160 trials."""
    cases = {"EI x 50 µm x 1 ms": lambda: bin_activations(lake.head, ["EI", "soma_distance"], t_max=300)}
    for name, timing in interleaved(cases, rounds).items():
        scale.timed(f"binning {name}", timing)


if __name__ == "__main__":
    sys.exit(main())
