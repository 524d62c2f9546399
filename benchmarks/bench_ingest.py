"""How fast, how lean and how small the ingest of a simrun tree is, beside pandas in the same run."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import peer
from distributed import Client, LocalCluster
from measure import Figures, Timing, emptied, interleaved, peak_memory, run, tree_bytes
from trees import Tree, add_arguments, make_tree, run_source, work_folder

import neurolake as nl
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun

MB = 1e6
WORKERS = 2
# (what, value, unit): ISF on a tree of 160 trials made in the same way. Recorded earlier, on a busy machine of
# this kind with two cores and two warm dask workers; 81 to 123 s within three repeats. Not from this run.
ISF_RECORDED = (
    ("ISF, whole database of 160 trials", 121.0, "s"),
    ("ISF, whole database of 160 trials", 1.5, "MB/s of CSV"),
    ("ISF, size of that database", 79.0, "MB"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--large",
        type=int,
        default=4,
        help="memory is measured on this many times the trials, too (default: 4)",
    )
    arguments = parser.parse_args()
    figures = Figures("ingest")
    with work_folder(arguments.work) as work:
        source = run_source(arguments.data, work)
        distinct = make_tree(source, work / "distinct", arguments.trials, distinct=True)
        equal = make_tree(source, work / "equal", arguments.trials, distinct=False)
        figures.settings = {"source": source.origin, "trials": distinct.trials, "rounds": arguments.rounds}
        _sources(figures, distinct, equal)
        _speed(figures, distinct, equal, work / "out", arguments.rounds)
        _commands(figures, distinct, work / "out", arguments.rounds)
        _again_and_back(figures, distinct, work / "out", arguments.rounds)
        _size(figures, distinct, equal, work / "out")
        _memory(figures, distinct, work / "out")
        if arguments.large > 1:
            trials = arguments.large * arguments.trials
            _memory(figures, make_tree(source, work / "large", trials, distinct=True), work / "out")
    for name, value, unit in ISF_RECORDED:
        figures.add("recorded earlier, not from this run", name, value, unit, "two cores, busy machine")
    figures.report()


def _sources(figures: Figures, distinct: Tree, equal: Tree) -> None:
    for name, tree in (("distinct trials", distinct), ("equal trials", equal)):
        note = f"{tree.csv_bytes / MB:.1f} MB of it CSV"
        figures.add("source", f"{tree.trials} {name}", tree.bytes / MB, "MB", note)


# Speed


def _speed(figures: Figures, distinct: Tree, equal: Tree, out: Path, rounds: int) -> None:
    section = f"ingest, {WORKERS} warm workers"
    with _cluster() as scheduler, ProcessPoolExecutor(WORKERS) as pool:
        cases: dict[str, Callable[[], object]] = {
            "neurolake, distinct trials": lambda: ingest(distinct, out / "lake", scheduler),
            "neurolake, equal trials": lambda: ingest(equal, out / "lake", scheduler),
            "pandas to Parquet, 1 process": lambda: _convert(distinct, out / "peer", map),
            f"pandas to Parquet, {WORKERS} processes": lambda: _convert(distinct, out / "peer", pool.map),
        }
        # Untimed: workers import and compile what they will need.
        ingest(distinct, emptied(out) / "lake", scheduler)
        _convert(distinct, out / "peer", pool.map)
        figures.add("size", "pandas' Parquet, distinct trials", tree_bytes(out / "peer") / MB, "MB")
        timings = interleaved(cases, rounds, between=partial(emptied, out))
    for name, timing in timings.items():
        tree = equal if "equal" in name else distinct
        _add_rate(figures, section, name, timing, tree)
    own = timings["neurolake, distinct trials"].median
    for name, timing in timings.items():
        if name.startswith("pandas"):
            figures.add(section, f"{name}: times neurolake's time", timing.median / own, "")


def ingest(tree: Tree, lake: Path, scheduler: str | None = None) -> None:
    """Ingest a tree into a new lake."""
    report = ingest_simrun(nl.create(lake), tree.root, scheduler=scheduler)
    if report.trials != tree.trials:
        raise RuntimeError(f"{report.trials} trials ingested of {tree.trials}")


@contextmanager
def _cluster() -> Iterator[str]:
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        Client(cluster),
    ):
        yield cluster.scheduler_address


def _convert(tree: Tree, target: Path, mapped: Callable[..., Iterator[None]]) -> None:
    list(mapped(partial(peer.convert, target=target), peer.run_folders(tree.root)))


def _add_rate(figures: Figures, section: str, name: str, timing: Timing, tree: Tree) -> None:
    figures.add_time(section, name, timing)
    figures.add(section, name, tree.csv_bytes / MB / timing.median, "MB/s of CSV")
    figures.add(section, name, tree.trials / timing.median, "trials/s")


def _command(tree: Tree, lake: Path) -> list[str]:
    return [sys.executable, "-m", "neurolake", "ingest", "simrun", str(tree.root), "--lake", str(lake)]


def _commands(figures: Figures, tree: Tree, out: Path, rounds: int) -> None:
    """The command line from nothing: Python starts, imports, starts its workers, ingests."""
    cases = {"neurolake ingest simrun": lambda: run(_command(tree, out / "lake"))}
    for name, timing in interleaved(cases, rounds, between=partial(emptied, out)).items():
        _add_rate(figures, "command line, cold", name, timing, tree)


def _again_and_back(figures: Figures, tree: Tree, out: Path, rounds: int) -> None:
    lake = emptied(out) / "lake"
    ingest(tree, lake)
    snapshot = nl.open(lake).head
    cases: dict[str, Callable[[], object]] = {
        "nothing new, from Python": lambda: ingest_simrun(nl.open(lake), tree.root),
        "nothing new, command line": lambda: run(_command(tree, lake)),
        "export simrun": lambda: export_simrun(snapshot, out / "back"),
    }
    timings = interleaved(cases, rounds, between=lambda: shutil.rmtree(out / "back", ignore_errors=True))
    for name, timing in timings.items():
        section = "export" if name.startswith("export") else "ingest again"
        figures.add_time(section, name, timing)
        figures.add(section, name, tree.bytes / MB / timing.median, "MB/s of files")


# Size and memory


def _size(figures: Figures, distinct: Tree, equal: Tree, out: Path) -> None:
    for name, tree in (("distinct trials", distinct), ("equal trials, stored once", equal)):
        ingest(tree, emptied(out) / "lake")
        size = tree_bytes(out / "lake")
        note = (
            f"{100 * size / tree.bytes:.1f} % of the source, {100 * size / tree.csv_bytes:.1f} % of its CSV"
        )
        figures.add("size", f"lake, {name}", size / MB, "MB", note)
        if tree is distinct:
            _add_parts(figures, out / "lake")


def _add_parts(figures: Figures, lake: Path) -> None:
    query = "select name, stored_bytes from nodes where stored_bytes > 100_000 order by stored_bytes desc"
    for name, size in nl.open(lake).sql(query).fetchall():
        figures.add("size", f"  {name[:50]}", size / MB, "MB")


def _memory(figures: Figures, tree: Tree, out: Path) -> None:
    peak = peak_memory(_command(tree, emptied(out) / "lake"))
    note = f"all processes of the command; {tree.csv_bytes / MB:.0f} MB of CSV"
    figures.add("peak memory", f"{tree.trials} distinct trials", peak / MB, "MB", note)


if __name__ == "__main__":
    main()
