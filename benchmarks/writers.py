"""Many small commits: what appends, in one process after another or in several at once, and what is there after.

neurolake's commits are on the disk when they return (fsync); those of Icechunk and Delta are not.
"""

import multiprocessing
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import icechunk
import numpy as np
import pyarrow as pa
import zarr
from stores import local_icechunk

import neurolake as nl

ROW = 100
WARMING = 3
_CHUNKS = (1, ROW)


@dataclass
class Committer(ABC):
    """A store that many writers append to."""

    folder: Path

    @abstractmethod
    def create(self, writers: int) -> None:
        """Make the store, with something for every writer to append to."""

    @abstractmethod
    def writer(self, number: int) -> Callable[[int], object]:
        """What commits one append of writer *number*; it is told how many it made before."""

    @abstractmethod
    def count(self) -> int:
        """How many appends of all writers are there."""


class NeurolakeArrays(Committer):
    """One row of 100 float32, to an array of the writer's own."""

    def create(self, writers: int) -> None:
        with nl.create(self.folder).transaction("begin") as transaction:
            for number in range(writers):
                transaction.write_array(f"writer_{number}", np.zeros((0, ROW), np.float32), chunks=_CHUNKS)

    def writer(self, number: int) -> Callable[[int], object]:
        lake = nl.open(self.folder)

        def commit(turn: int) -> None:
            with lake.transaction("append") as transaction:
                transaction.append_array(f"writer_{number}", row(turn))

        return commit

    def count(self) -> int:
        return sum(array.shape[0] for array in nl.open(self.folder).head.arrays.values())


class IcechunkArrays(Committer):
    """The same; a lost race is rebased, as often as it takes."""

    def create(self, writers: int) -> None:
        session = icechunk.Repository.create(local_icechunk(self.folder)).writable_session("main")
        for number in range(writers):
            zarr.create_array(
                session.store, name=f"writer_{number}", shape=(0, ROW), dtype=np.float32, chunks=_CHUNKS
            )
        session.commit("begin")

    def writer(self, number: int) -> Callable[[int], object]:
        repository = icechunk.Repository.open(local_icechunk(self.folder))

        def commit(turn: int) -> None:
            session = repository.writable_session("main")
            zarr.open_array(session.store, path=f"writer_{number}").append(row(turn))
            session.commit("append", rebase_with=icechunk.BasicConflictSolver(), rebase_tries=1000)

        return commit

    def count(self) -> int:
        session = icechunk.Repository.open(local_icechunk(self.folder)).readonly_session("main")
        return sum(array.shape[0] for _, array in zarr.open_group(session.store, mode="r").arrays())


class NeurolakeTable(Committer):
    """100 rows, to one table."""

    def create(self, writers: int) -> None:
        with nl.create(self.folder).transaction("begin") as transaction:
            transaction.write_table("rows", _rows(0).slice(0, 0))

    def writer(self, number: int) -> Callable[[int], object]:
        lake = nl.open(self.folder)

        def commit(turn: int) -> None:
            with lake.transaction("append") as transaction:
                transaction.append_table("rows", _rows(turn))

        return commit

    def count(self) -> int:
        return nl.open(self.folder).head.tables["rows"].rows // ROW


class DeltaTable(Committer):
    """The same."""

    def create(self, writers: int) -> None:
        deltalake.write_deltalake(str(self.folder), _rows(0).slice(0, 0))

    def writer(self, number: int) -> Callable[[int], object]:
        return lambda turn: deltalake.write_deltalake(str(self.folder), _rows(turn), mode="append")

    def count(self) -> int:
        return deltalake.DeltaTable(str(self.folder)).to_pyarrow_table().num_rows // ROW


COMMITTERS: Mapping[str, type[Committer]] = {
    "neurolake, array": NeurolakeArrays,
    "icechunk, array": IcechunkArrays,
    "neurolake, table": NeurolakeTable,
    "delta, table": DeltaTable,
}


def row(turn: int) -> Any:
    """One row that no other equals."""
    return np.random.default_rng(turn).random((1, ROW), np.float32)


def event(turn: int) -> pa.Table:
    """A table of one row that no other equals."""
    return pa.table({"trial_id": [turn], "time": [turn * 0.5], "cell": ["L5tt"]})


def _rows(turn: int) -> pa.Table:
    return pa.table({"turn": np.full(ROW, turn), "value": row(turn)[0]})


@dataclass(frozen=True)
class Race:
    """What became of some writers that committed at once."""

    seconds: float
    rate: float
    promised: int
    there: int
    failed: int


def race(name: str, folder: Path, writers: int, commits: int) -> Race:
    """Let processes that have imported, opened and committed already begin together."""
    committer = COMMITTERS[name](folder)
    committer.create(writers)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(writers + 1), context.Queue()
    processes = [
        context.Process(target=_run, args=(name, folder, number, commits, start, results))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    done = [results.get() for _ in processes]
    seconds = time.perf_counter() - began
    for process in processes:
        process.join()
    promised = sum(done) + WARMING * writers
    return Race(
        seconds, sum(done) / seconds, promised, committer.count(), sum(count < commits for count in done)
    )


def _run(name: str, folder: Path, number: int, commits: int, start: Any, results: Any) -> None:
    done = 0
    try:
        commit = COMMITTERS[name](folder).writer(number)
        for turn in range(WARMING):
            _insist(commit, 10**6 * (number + 1) + turn)
        start.wait()
        for turn in range(commits):
            commit(10**6 * (number + 1) + WARMING + turn)
            done += 1
    finally:
        # A store that gives up in the middle counts with what it had acknowledged.
        results.put(done)


def _insist(commit: Callable[[int], object], turn: int) -> None:
    """Warm up; a store that is not safe for several writers may take more than one attempt."""
    for _ in range(100):
        try:
            commit(turn)
        except Exception:  # noqa: BLE001
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("no commit succeeded")
