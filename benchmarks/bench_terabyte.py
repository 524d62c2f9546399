"""A lake of a terabyte, or of as much as is asked for: what it takes to open it, to ask it, to commit to it and to keep it.

    python benchmarks/bench_terabyte.py --bytes 1e12 --work DIR      # minutes to hours; DIR needs 15 GB
    python benchmarks/bench_terabyte.py --bytes 1e9                  # a minute or two

`terabyte.py` says how such a lake fits on the disk. Everything is done in a new process, once for its first time
and then again, with the peak of the process's memory.
"""

import argparse
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from lakes import TRIALS_PER_RUN, Template, template
from measure import Figures, emptied, seconds, shown, tree_bytes
from terabyte import append, chunks_of, logical_bytes, thinned, write
from trees import add_arguments, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun

SPIKES = """
select stimulus, count(distinct s.trial_id) as trials from trials t
left join spike_times s on s.trial_id = t.trial_id and s.time >= 245 and s.time < 265 and s.trial_id between $low and $high
where t.trial_id between $low and $high group by stimulus
"""
ALL_SPIKES = """
select stimulus, count(distinct s.trial_id) as trials from trials t
left join spike_times s on s.trial_id = t.trial_id and s.time >= 245 and s.time < 265 group by stimulus
"""
SYNAPSES = "select * from synapse_activation where trial_id = $trial"
CHUNKS = 'select "array", count(*), max(max) from array_chunks group by all'
SAMPLE = 0.002
LONG = 10.0
SETTINGS, TEMPLATE = "settings.json", "template.pickle"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--bytes", type=float, default=1e9, help="logical size (default: %(default)g)")
    parser.add_argument("--task", choices=sorted(TASKS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(_done(arguments.work, arguments.task, arguments.rounds)))
        return
    figures = Figures("terabyte")
    figures.settings = {"bytes": arguments.bytes, "rounds": arguments.rounds}
    with work_folder(arguments.work) as work:
        os.environ["NEUROLAKE_CACHE"] = str(work / "cache")
        _make(figures, arguments, work)
        for task in TASKS:
            _measure(figures, work, task, arguments.rounds)
    figures.report()


def _make(figures: Figures, arguments: argparse.Namespace, work: Path) -> None:
    """The lake, unless it is there."""
    if not (work / SETTINGS).exists():
        small = nl.create(emptied(work / "small"))
        ingest_simrun(small, run_source(arguments.data, work).folder.parent)
        source = template(small, arguments.data)
        made = write(emptied(work / "lake"), source, arguments.bytes)
        (work / TEMPLATE).write_bytes(pickle.dumps(thinned(source)))
        (work / SETTINGS).write_text(json.dumps({"trials": made.trials, "seconds": made.seconds}))
    settings = json.loads((work / SETTINGS).read_text())
    lake = nl.open(work / "lake")
    figures.add("the lake", "logical size", logical_bytes(lake) / 1e9, "GB")
    figures.add("the lake", "on the disk", tree_bytes(work / "lake") / 1e9, "GB")
    figures.add("the lake", "trials", settings["trials"], "")
    figures.add("the lake", "chunks", sum(len(node.entries) for node in lake.head.tree.values()) / 1e6, "M")
    figures.add("the lake", "commits", len(lake.log()), "")
    figures.add("the lake", "made in", settings["seconds"], "s")


def _measure(figures: Figures, work: Path, task: str, rounds: int) -> None:
    command = [sys.executable, __file__, "--task", task, "--work", str(work), "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    _add_time(figures, task, "first in a new process", [found["first"]])
    if found["again"]:
        _add_time(figures, task, "again", found["again"])
    figures.add(task, "peak memory", found["memory"] / 1e6, "MB", f"{found['imported'] / 1e6:.0f} MB before")


def _add_time(figures: Figures, task: str, name: str, times: Sequence[tuple[float, float]]) -> None:
    wall, spent = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    figures.add(task, name, wall, "ms", f"{shown(spent)} ms of processors, {len(times)} rounds")


def _done(work: Path, task: str, rounds: int) -> Mapping[str, Any]:
    """What a process of its own finds."""
    trials = json.loads((work / SETTINGS).read_text())["trials"]
    imported = _peak()
    work_once = TASKS[task](work, trials)
    first = _timed(work_once)
    again = [_timed(work_once) for _ in range(rounds if first[0] < LONG else 0)]
    return {"first": first, "again": again, "memory": _peak(), "imported": imported}


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time, and that of the processor, which tells more where others use the machine."""
    before = time.process_time()
    return seconds(work), time.process_time() - before


def _peak() -> int:
    """The most memory that this process has had: what `getrusage` tells is its parent's at first."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return 1024 * int(line.split()[1])


# Each returns what is timed


Task = Callable[[Path, int], Callable[[], object]]


def _open(work: Path, trials: int) -> Callable[[], object]:
    return lambda: nl.open(work / "lake").head.tree


def _asked(ask: Callable[[Any, int], object]) -> Task:
    """A question to the lake as it is opened before, each time about another trial."""

    def task(work: Path, trials: int) -> Callable[[], object]:
        lake, rng = nl.open(work / "lake"), np.random.default_rng(0)
        assert lake.head.tree
        return lambda: ask(lake, int(rng.integers(trials)))

    return task


def _spikes(lake: Any, trial: int) -> object:
    low = trial // 1000 * 1000
    return lake.sql(SPIKES, low=low, high=low + 999).fetchall()


def _commit(work: Path, trials: int) -> Callable[[], object]:
    """Commits of runs to a copy, which is linked: no file of a lake is ever changed."""
    lake, source = _copy(work), _source(work)
    chunks = chunks_of(lake, TRIALS_PER_RUN)

    def commit() -> None:
        first = lake["voltage/soma"].shape[0]
        append(lake, source, np.arange(first, first + TRIALS_PER_RUN), chunks, np.random.default_rng(first))

    return commit


def _described_after_a_commit(work: Path, trials: int) -> Callable[[], object]:
    commits, lake = _commit(work, trials), nl.open(work / "copy")
    lake.sql(CHUNKS).fetchall()
    commits()
    return lambda: lake.sql("select count(*), sum(size) from parquet_files").fetchall()


def _verify(work: Path, trials: int) -> Callable[[], object]:
    return lambda: nl.open(work / "lake").verify(sample=SAMPLE)


def _garbage(work: Path, trials: int) -> Callable[[], object]:
    return lambda: nl.open(work / "lake").collect_garbage(dry_run=True)


def _copied(history: timedelta | None) -> Task:
    """Copy to another folder of the disk."""

    def task(work: Path, trials: int) -> Callable[[], object]:
        def copy() -> None:
            shutil.rmtree(work / "other", ignore_errors=True)
            nl.open(work / "lake").copy_to(work / "other", history=history)
            shutil.rmtree(work / "other")

        return copy

    return task


def _copy(work: Path) -> Any:
    shutil.rmtree(work / "copy", ignore_errors=True)
    shutil.copytree(work / "lake", work / "copy", copy_function=os.link)
    return nl.open(work / "copy")


def _source(work: Path) -> Template:
    found: Template = pickle.loads((work / TEMPLATE).read_bytes())
    return found


TASKS: Mapping[str, Task] = {
    "open": _open,
    "voltage of one trial": _asked(lambda lake, trial: lake["voltage/soma"][trial]),
    "synapses of one trial": _asked(lambda lake, trial: lake.sql(SYNAPSES, trial=trial).fetchall()),
    "trials with a spike in a window, of 1,000 trials": _asked(_spikes),
    "trials with a spike in a window, of all": _asked(lambda lake, _: lake.sql(ALL_SPIKES).fetchall()),
    "chunks and their greatest value, by array": _asked(lambda lake, _: lake.sql(CHUNKS).fetchall()),
    "nodes": _asked(lambda lake, _: lake.sql("from nodes").fetchall()),
    "commit of a run (8 trials)": _commit,
    "files in SQL after one more commit": _described_after_a_commit,
    f"verify a sample of {SAMPLE:.1%}": _verify,
    "gc, dry run": _garbage,
    "copy": _copied(None),
    "copy of the newest commits": _copied(timedelta(0)),
}


if __name__ == "__main__":
    main()
