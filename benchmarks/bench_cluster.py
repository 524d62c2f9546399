"""dask on a cluster of local processes, beside the same on threads of one process.

    python benchmarks/bench_cluster.py --workers 8 --trials 1000

Mean and SD over traces, a derived result that is stored, and an ingest. Answers are compared before anything is timed. On
a machine of fewer cores than workers this shows what the processes cost, and not what they gain.
"""

import argparse
import itertools
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from lakes import template, write_lake
from measure import Figures, Timing, emptied, interleaved, seconds
from trees import add_arguments, make_tree, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun

HERE, THERE = "one process", "cluster"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.set_defaults(trials=1000, rounds=3)
    parser.add_argument("--workers", type=int, default=8, help="processes (default: %(default)s)")
    arguments = parser.parse_args()
    figures = Figures("cluster")
    figures.settings = {name: vars(arguments)[name] for name in ("workers", "trials", "rounds")}
    with work_folder(arguments.work) as work:
        os.environ["NEUROLAKE_CACHE"] = str(work / "cache")
        source = run_source(arguments.data, work)
        small = nl.create(emptied(work / "small"))
        ingest_simrun(small, source.folder.parent)
        lake = write_lake(emptied(work / "lake"), template(small, arguments.data), arguments.trials)
        tree = make_tree(source, work / "tree", 160, distinct=True)
        cluster = LocalCluster(
            n_workers=arguments.workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
        with cluster, Client(cluster, set_as_default=False) as client:
            _mean(figures, lake, client, arguments.rounds)
            _derived(figures, lake, client, arguments.rounds)
            _ingested(figures, tree.root, work, cluster.scheduler_address)
    figures.report()


def _mean(figures: Figures, lake: Any, client: Client, rounds: int) -> None:
    """Mean and SD of all traces at every time."""

    def ask() -> np.ndarray:
        voltage = lake.head["voltage/soma"].dask()
        return np.stack([voltage.mean(axis=0), voltage.std(axis=0)]).compute()

    there = partial(_on, client, ask)
    np.testing.assert_allclose(there(), ask(), rtol=1e-12)
    _add(figures, "mean and SD of all traces", interleaved({HERE: ask, THERE: there}, rounds))


@nl.kernel(version="1")
def centred(voltage: Any, *, turn: int) -> Any:
    """Traces less their mean, computed anew for every turn."""
    values = voltage.dask()
    return values - values.mean(axis=1, keepdims=True)


def _derived(figures: Figures, lake: Any, client: Client, rounds: int) -> None:
    """A lazy result of the size of the traces, stored by those who compute it."""
    turns = itertools.count()

    def store() -> list[str]:
        made = lake.derive(centred, "voltage/soma", turn=next(turns))
        return [entry.digest for entry in made.entries().values()]

    there = partial(_on, client, store)
    assert there() == store()
    _add(figures, "traces less their mean, stored", interleaved({HERE: store, THERE: there}, rounds))


def _ingested(figures: Figures, tree: Path, work: Path, address: str) -> None:
    """160 trials of CSV, by the cluster's workers and by one process."""
    digests = {}

    def ingest(name: str, **how: Any) -> None:
        lake = nl.create(emptied(work / name))
        ingest_simrun(lake, tree, **how)
        digests[name] = {node: lake[node].digest for node in (*lake.head.tables, *lake.head.arrays)}

    times = {
        HERE: seconds(lambda: ingest("here", processes=1)),
        THERE: seconds(lambda: ingest("there", scheduler=address)),
    }
    assert digests["here"] == digests["there"]
    _add(figures, "ingest of 160 trials", {name: Timing([spent]) for name, spent in times.items()})
    shutil.rmtree(work / "here")


def _on(client: Client, work: Callable[[], Any]) -> Any:
    with client.as_current():
        return work()


def _add(figures: Figures, title: str, times: dict[str, Timing]) -> None:
    for name, timing in times.items():
        figures.add_time(title, name, timing)
    figures.add(title, f"{THERE} / {HERE}", times[THERE].median / times[HERE].median, "times")


if __name__ == "__main__":
    sys.exit(main())
