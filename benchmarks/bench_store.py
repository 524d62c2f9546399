"""How fast the store is at arrays, commits and tables, beside zarr, Icechunk, HDF5, Delta and DuckDB in one run."""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from subprocess import run as run_process
from typing import Any

import deltalake
import duckdb
import numpy as np
import numpy.typing as npt
import stores
from blake3 import blake3
from measure import Figures, Timing, emptied, interleaved, seconds, shown, tree_bytes
from signals import activations, voltages
from stores import CODECS, NAME, STORES, ArrayStore, encoded_bytes, forget_pages
from trees import work_folder
from writers import COMMITTERS, event, race

import neurolake as nl

MB = 1e6
SAMPLES = 25_000
CHUNKS = (10, SAMPLES)
SLICE = 250
TURNS = 10
SQL = {
    "count by type and ms": "select synapse_type, floor(time) ms, count(*) n from {} group by all",
    "one trial, one type": "select * from {} where trial_id = 7 and synapse_type = 'VPM'",
}
Cases = Mapping[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=0.5, help="of voltage (default: 0.5)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is timed (default: 5)")
    parser.add_argument("--commits", type=int, default=1000, help="in a row (default: 1000)")
    parser.add_argument("--peer-commits", type=int, default=300, help="at most, by others (default: 300)")
    parser.add_argument("--writers", type=int, default=4, help="that commit at once (default: 4)")
    parser.add_argument("--chunks", type=int, default=100_000, help="of an array of many (default: 100000)")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of activations (default: 5 million)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="of the parts; default: all")
    parser.add_argument("--work", type=Path, help="a folder to work in, kept; default: a temporary one")
    arguments = parser.parse_args()
    figures = Figures("store")
    figures.machine["packages"] |= stores.versions()
    figures.settings = {name: value for name, value in vars(arguments).items() if name != "work"}
    with work_folder(arguments.work) as work:
        for name in arguments.only or PARTS:
            PARTS[name](figures, work / name, arguments)
    figures.report()


# Arrays


def _arrays(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    values, rounds = voltages(int(chosen.gigabytes * 1e9 / 4 / SAMPLES)), chosen.rounds
    places = {name: store(emptied(work / name)) for name, store in STORES.items()}
    for name, store in places.items():
        places[name] = store if name == "neurolake" else _with_best_codec(figures, store, values[:500])
    size = values.nbytes / MB
    _add_rates(figures, "write", _in_turns(places, partial(_write, values), rounds), size)
    for name, store in places.items():
        figures.add("write", f"{name}: stored", store.bytes / MB, "MB")
    opened = {name: store.open() for name, store in places.items()}
    for name, array in opened.items():
        _check(name, array[...], values)
    _add_rates(
        figures, "read all", interleaved({n: partial(_read, a) for n, a in opened.items()}, rounds), size
    )
    _slices(figures, opened, 20 * rounds)
    _openings(figures, places, rounds)
    _verification(figures, places["neurolake"].folder, rounds)


def _write(values: npt.NDArray[Any], store: ArrayStore) -> None:
    store.write(values, CHUNKS)


def _read(array: Any) -> None:
    array[...]


def _in_turns(
    places: Mapping[str, ArrayStore], work: Callable[[ArrayStore], None], rounds: int
) -> dict[str, Timing]:
    """Like `interleaved`, each into a folder emptied just before, untimed."""
    found: dict[str, list[float]] = {name: [] for name in places}
    names = list(places)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            places[name].clear()
            found[name].append(seconds(partial(work, places[name])))
    return {name: Timing(times) for name, times in found.items()}


def _with_best_codec(figures: Figures, store: ArrayStore, sample: npt.NDArray[Any]) -> ArrayStore:
    """With the codec that writes and reads a sample fastest, of those that make it no larger than ours does."""
    most = encoded_bytes(sample[:100], CODECS["lz4-5 shuffle"])
    allowed = {name: codec for name, codec in CODECS.items() if encoded_bytes(sample[:100], codec) <= most}

    def attempt(codec: Mapping[str, Any]) -> float:
        tried = replace(store, codec=codec)
        tried.clear()
        return seconds(lambda: (tried.write(sample, CHUNKS), tried.open()[...]))

    took = {name: min(attempt(codec) for _ in range(3)) for name, codec in allowed.items()}
    best = min(took, key=lambda name: took[name])
    megabytes = 2 * sample.nbytes / MB
    figures.add(
        "codec", f"{type(store).__name__.lower()}: {best}", megabytes / took[best], "MB/s", "of a sample"
    )
    return replace(store, codec=CODECS[best])


def _check(name: str, found: Any, expected: npt.NDArray[Any]) -> None:
    if not np.array_equal(found, expected):
        raise RuntimeError(f"{name} reads other values than were written")


def _add_rates(figures: Figures, section: str, timings: Mapping[str, Timing], amount: float) -> None:
    for name, timing in timings.items():
        low, high = (amount / extreme(timing.seconds) for extreme in (max, min))
        note = f"{shown(low)} to {shown(high)} in {len(timing.seconds)} rounds"
        figures.add(section, name, amount / timing.median, "MB/s", note)
    ours = timings["neurolake"].seconds
    for name, timing in timings.items():
        if name != "neurolake":
            ratios = [theirs / own for theirs, own in zip(timing.seconds, ours, strict=True)]
            note = "median of the rounds' ratios"
            figures.add(section, f"neurolake / {name}", statistics.median(ratios), "times", note)


def _slices(figures: Figures, opened: Mapping[str, Any], times: int) -> None:
    generator = np.random.default_rng(3)

    def one(array: Any) -> None:
        at = generator.integers(0, array.shape[0]), generator.integers(0, SAMPLES - SLICE)
        array[int(at[0]), int(at[1]) : int(at[1]) + SLICE]

    cases = {name: partial(one, array) for name, array in opened.items()}
    for name, timing in interleaved(cases, times).items():
        figures.add_time(f"random slice of {SLICE} samples, warm", name, timing, "ms")


def _openings(figures: Figures, places: Mapping[str, ArrayStore], rounds: int) -> None:
    def first_value(store: ArrayStore) -> None:
        store.open()[0, 0]

    cases = {name: partial(first_value, store) for name, store in places.items()}
    for name, timing in interleaved(cases, 10 * rounds).items():
        figures.add_time("open to first value, same process", name, timing, "ms")
    found: dict[str, list[float]] = {name: [] for name in places}
    os.sync()
    for _ in range(rounds):
        for name, store in places.items():
            forget_pages(store.folder)
            command = [sys.executable, str(stores.__file__), name, str(store.folder)]
            found[name].append(float(run_process(command, check=True, capture_output=True, text=True).stdout))
    for name, times in found.items():
        figures.add_time("open to first value, new process, cold files", name, Timing(times), "ms")


# Verification


def _verification(figures: Figures, folder: Path, rounds: int) -> None:
    lake = nl.open(folder)
    cases: Cases = {
        "verify": lake.verify,
        "disk": partial(_read_files, folder),
        "hash": partial(_hash, folder),
    }
    timings = interleaved(cases, rounds, between=lambda: forget_pages(folder))
    size = tree_bytes(folder) / MB
    for name, timing in timings.items():
        figures.add(
            "verify", name, size / timing.median, "MB/s", "cold files" if name != "hash" else "in memory"
        )
    slower = max(timings["disk"].median, timings["hash"].median)
    figures.add("verify", "verify / the slower of disk and hash", slower / timings["verify"].median, "times")


def _read_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(4 * 2**20):
                    pass


def _hash(folder: Path) -> None:
    """BLAKE3 of as many bytes on all cores, a MiB at a time."""
    block = bytes(2**20)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(lambda _: blake3(block).digest(), range(tree_bytes(folder) // len(block))):
            pass


# Commits


def _commits(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    """Appends one after the other; the stores take turns, a tenth each."""
    times: dict[str, list[float]] = {name: [] for name in COMMITTERS}
    writers = {}
    for name, committer in COMMITTERS.items():
        folder = emptied(work / name)
        committer(folder).create(1)
        writers[name] = committer(folder).writer(0)
    for _ in range(TURNS):
        for name, commit in writers.items():
            most = chosen.commits if "neurolake" in name else min(chosen.commits, chosen.peer_commits)
            for _ in range(most // TURNS):
                times[name].append(seconds(partial(commit, len(times[name]))))
    for name, found in times.items():
        _check_count(name, COMMITTERS[name](work / name).count(), len(found))
        section = f"{len(found)} commits in a row"
        figures.add_time(section, name, Timing(found), "ms")
        first, last = (statistics.median(part) for part in (found[:100], found[-100:]))
        figures.add(
            section, f"{name}: last hundred / first hundred", last / first, "times", _span(first, last)
        )


def _span(first: float, last: float) -> str:
    return f"{shown(1e3 * first)} ms, then {shown(1e3 * last)} ms"


def _check_count(name: str, there: int, expected: int) -> None:
    if there != expected:
        raise RuntimeError(f"{name}: {there} commits are there of {expected}")


def _races(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    section = f"{chosen.writers} writers, one branch"
    for name in COMMITTERS:
        each = max(1, (chosen.commits if "neurolake" in name else chosen.peer_commits) // chosen.writers)
        found = race(name, emptied(work / name), chosen.writers, each)
        note = f"{found.promised} acknowledged, {found.there} there; {found.failed} writers gave up"
        figures.add(section, name, found.rate, "commits/s", note)
        if "neurolake" in name:
            _check_count(name, found.there, found.promised)


# Many chunks


def _many_chunks(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    """An array of 4 kB chunks, and the next commit, which changes one of them."""
    chunks = chosen.chunks
    values = voltages(-(-chunks * 1000 // SAMPLES)).reshape(-1, 1000)[:chunks]
    section = f"array of {chunks:,} chunks"
    _neurolake_chunks(figures, section, emptied(work / "neurolake"), values)
    _icechunk_chunks(figures, section, emptied(work / "icechunk"), values)


def _neurolake_chunks(figures: Figures, section: str, folder: Path, values: npt.NDArray[Any]) -> None:
    lake = nl.create(folder)

    def first() -> None:
        with lake.transaction("write") as transaction:
            transaction.write_array(NAME, values, chunks=(1, values.shape[1]))

    def change(lake: Any, at: int) -> None:
        with lake.transaction("change") as transaction:
            transaction.array(NAME)[at] = values[at] + 1

    figures.add(section, "neurolake: first write", len(values) / seconds(first), "chunks/s")
    _one_chunk(figures, section, "neurolake", folder, partial(change, lake))
    _one_chunk(
        figures, section, "neurolake, opened anew", folder, lambda at: change(nl.open(folder), 100 + at)
    )


def _icechunk_chunks(figures: Figures, section: str, folder: Path, values: npt.NDArray[Any]) -> None:
    store = STORES["icechunk"](folder)
    took = seconds(lambda: store.write(values, (1, values.shape[1])))
    figures.add(section, "icechunk: first write", len(values) / took, "chunks/s")
    repository = stores.open_icechunk(folder)
    _one_chunk(
        figures, section, "icechunk", folder, lambda at: stores.change_row(repository, at, values[at] + 1)
    )
    _one_chunk(
        figures,
        section,
        "icechunk, opened anew",
        folder,
        lambda at: stores.change_row(stores.open_icechunk(folder), 100 + at, values[at] + 1),
    )


def _one_chunk(
    figures: Figures, section: str, name: str, folder: Path, change: Callable[[int], object]
) -> None:
    before, times = tree_bytes(folder), []
    for at in range(20):
        times.append(seconds(partial(change, at)))
    figures.add_time(section, f"{name}: a commit of one chunk", Timing(times), "ms")
    written = (tree_bytes(folder) - before) / len(times) / 1e3
    figures.add(section, f"{name}: a commit of one chunk", written, "kB", "written, mean")


# Tables


def _tables(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    for quantised in (False, True):
        _table(figures, emptied(work), chosen.rows, chosen.rounds, quantised=quantised)


def _table(figures: Figures, work: Path, rows: int, rounds: int, *, quantised: bool) -> None:
    section = f"{rows:,} activations, times {'in steps' if quantised else 'in full'}"
    rounds = max(1, min(rounds, 3))
    batches = list(activations(rows, quantised=quantised, batch=max(1, min(rows, 5_000_000))))
    targets = {"neurolake": work / "neurolake", "delta": work / "delta"}
    appends = {"neurolake": _append_lake, "delta": _append_delta}
    times: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, folder in targets.items():
            emptied(folder)
            times[name].append(seconds(partial(appends[name], folder, batches)))
    for name, found in times.items():
        figures.add(section, f"{name}: append", rows / MB / Timing(found).median, "M rows/s")
        figures.add(section, f"{name}: size", tree_bytes(targets[name]) / rows, "B/row")
    ratio = statistics.median(d / n for n, d in zip(times["neurolake"], times["delta"], strict=True))
    figures.add(section, "neurolake / delta: append", ratio, "times", "median of the rounds' ratios")
    _queries(figures, section, targets["neurolake"], 3 * rounds)


def _append_lake(folder: Path, batches: Iterable[Any]) -> None:
    lake = nl.create(folder)
    for batch in batches:
        with lake.transaction("append") as transaction:
            transaction.append_table("activations", batch)


def _append_delta(folder: Path, batches: Iterable[Any]) -> None:
    properties = deltalake.WriterProperties(compression="ZSTD", compression_level=1)
    for batch in batches:
        deltalake.write_deltalake(str(folder), batch, mode="append", writer_properties=properties)


def _queries(figures: Figures, section: str, folder: Path, rounds: int) -> None:
    """The lake's SQL, and DuckDB's on the very same Parquet files."""
    lake, connection = nl.open(folder), duckdb.connect()
    files = f"read_parquet({lake['activations'].paths()!r})"
    for title, query in SQL.items():
        bare, asked = query.format(files), query.format("activations")
        cases: Cases = {
            "neurolake": lambda asked=asked: lake.sql(asked).fetchall(),
            "DuckDB on the files": lambda bare=bare: connection.sql(bare).fetchall(),
        }
        answers: Sequence[Any] = [sorted(case()) for case in cases.values()]
        if answers[0] != answers[1]:
            raise RuntimeError(f"{title}: two answers")
        timings = interleaved(cases, rounds)
        for name, timing in timings.items():
            figures.add_time(section, f"{title}: {name}", timing, "ms")
        ratio = timings["neurolake"].median / timings["DuckDB on the files"].median
        figures.add(section, f"{title}: neurolake / DuckDB", ratio, "times", "of its time")


# Many small commits, asked


def _small(figures: Figures, work: Path, chosen: argparse.Namespace) -> None:
    """Questions to a table of as many commits as rows, beside DuckDB on a file for each."""
    folder = emptied(work / "neurolake")
    lake = nl.create(folder, durable=False)
    for number in range(chosen.commits):
        with lake.transaction("append") as transaction:
            transaction.append_table("events", event(number))
    section = f"a table of {chosen.commits:,} commits of one row"
    ask = "select count(*), avg(time) from {}"
    opened = seconds(lambda: nl.open(folder).sql(ask.format("events")).fetchall())
    figures.add(section, "neurolake: first question of a lake that was opened anew", 1e3 * opened, "ms")
    connection, files = duckdb.connect(), f"read_parquet({lake['events'].paths()!r})"
    cases: Cases = {
        "neurolake": lambda: lake.sql(ask.format("events")).fetchall(),
        "DuckDB on a file for each": lambda: connection.sql(ask.format(files)).fetchall(),
        "neurolake, to_arrow": lambda: lake["events"].to_arrow(),
    }
    for name, timing in interleaved(cases, 3 * chosen.rounds).items():
        figures.add_time(section, name, timing, "ms")


PARTS: Mapping[str, Callable[[Figures, Path, argparse.Namespace], None]] = {
    "arrays": _arrays,
    "commits": _commits,
    "writers": _races,
    "chunks": _many_chunks,
    "tables": _tables,
    "small": _small,
}


if __name__ == "__main__":
    main()
