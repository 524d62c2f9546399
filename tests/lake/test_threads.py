"""Eight threads share lakes, snapshots, caches and logs, and each reads what it would read alone."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake.lake import Lake
from neurolake.lake.history.trees import History
from neurolake.lake.threads import Recent, gathered, mapped, workers, working
from neurolake.query.prefetch import prefetched

THREADS = 8


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Let threads change places as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def hammer(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Let each thread do *work* with its number, all at once; what one raises fails the test."""
    errors: list[BaseException] = []
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


def test_recent_values() -> None:
    recent: Recent[int, int] = Recent(8)

    def work(number: int) -> None:
        for n in range(20_000):
            key = (n * 7 + number) % 32
            recent.put(key, key)
            assert recent.get(key) in (key, None) and len(recent) <= 8
            if not n % 1000:
                recent.clear()

    hammer(work)
    for key in range(20):
        recent.put(key, key)
    assert [key in recent for key in range(20)] == [False] * 12 + [True] * 8


def test_trees_that_are_kept(lake: Lake) -> None:
    for n in range(12):
        with lake.transaction(f"commit {n}") as tx:
            tx.write_array("a", np.full(3, n))
    records = lake.log()
    history = History(lake.objects, lake._history.log)
    trees = {record.id: history.tree(record) for record in records}

    def work(number: int) -> None:
        for n in range(3_000):
            record = records[(n + number) % len(records)]
            history.keep(record, trees[record.id])
            if not n % 100:
                assert history.tree(record) == trees[record.id]

    hammer(work)


def test_one_lake_for_writers_and_readers(lake: Lake) -> None:
    """Appends of all threads are there once, and what is read meanwhile is of one commit."""
    with lake.transaction("begin") as tx:
        tx.write_table("t", pa.table({"n": pa.array([], pa.int64())}))
        tx.write_array("a", np.zeros((0, 4)), chunks=(1, 4))

    def work(number: int) -> None:
        for n in range(8):
            with lake.transaction(f"{number}: {n}", attempts=1000) as tx:
                tx.append_table("t", pa.table({"n": [number * 100 + n]}))
                tx.write_array(f"own/{number}", np.full(200, n))
            snapshot = lake.head
            assert (snapshot[f"own/{number}"][:] == n).all()
            assert snapshot["t"].rows == len(snapshot.history()) - 2
            assert lake.log()[0].depth >= 0 and len(lake.branches) == 1

    hammer(work)
    assert sorted(lake["t"].to_pandas()["n"]) == [t * 100 + n for t in range(THREADS) for n in range(8)]
    assert len(lake.log()) == THREADS * 8 + 2 and not lake.verify().damages


def test_one_transaction(lake: Lake) -> None:
    with lake.transaction("many nodes") as tx:

        def work(number: int) -> None:
            for n in range(10):
                tx.write_array(f"{number}/{n}", np.arange(100) + n * 1000 + number)
                tx.put_file(f"files/{number}/{n}", f"{number} {n}".encode() * 200)

        hammer(work)
    for number in range(THREADS):
        for n in range(10):
            assert (lake[f"{number}/{n}"][:] == np.arange(100) + n * 1000 + number).all()
            assert lake[f"files/{number}/{n}"] == f"{number} {n}".encode() * 200
    assert not lake.verify().damages


def test_one_snapshot_for_all_questions(simrun_folder: Path) -> None:
    """Arrays, tables, SQL with all its descriptions, and traces."""
    lake: Any = neurolake.open(simrun_folder)
    alone = answers(neurolake.open(simrun_folder).head)

    def work(number: int) -> None:
        for _ in range(3):
            assert answers(lake.head) == alone

    hammer(work)


def answers(snapshot: Any) -> list[Any]:
    queries = (
        "select count(*), round(sum(time), 3) from synapse_activation",
        "select name, kind from nodes order by name",
        "select count(*) from commits",
        "select name from refs",
        "select table_name from duckdb_columns() where table_name = 'trials' limit 1",
        "select count(*), round(sum(value)) from trace('soma', t0 := 0, t1 := 5)",
    )
    return [
        *(snapshot.sql(query).fetchall() for query in queries),
        float(snapshot["voltage/soma"][:].sum()),
        snapshot["trials"].to_arrow().num_rows,
        snapshot.activations.bin("EI").values.sum(),
        snapshot.store.value("voltage/soma/zarr.json"),
    ]


def test_work_of_threads_may_be_divided_again() -> None:
    """What runs in the pool does not wait for the pool, however deep it goes."""

    def total(depth: int) -> int:
        inside = 1 if depth == 3 else sum(mapped(total, [depth + 1] * 4))
        assert workers() == 1
        return inside

    assert sum(mapped(total, [0] * 50)) == 50 * 4**3
    assert list(mapped(len, [])) == [] and list(mapped(len, ["ab"])) == [2]


def waiting_for(event: threading.Event) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number:
            event.wait()
        return number

    return work


def by_threads(work: Callable[[int], int]) -> Iterator[int]:
    with working(ThreadPoolExecutor(2)) as pool:
        yield from pool.map(work, range(100))


@pytest.mark.parametrize(
    "begin",
    [
        lambda work: gathered(work, range(100)),
        lambda work: prefetched(map(work, range(100)), 1),
        lambda work: by_threads(work),
    ],
    ids=["gathered", "prefetched", "working"],
)
def test_what_is_abandoned_is_not_waited_for(begin: Callable[[Callable[[int], int]], Iterator[int]]) -> None:
    """Python closes generators in garbage anywhere, also where it holds what the end of a thread needs."""
    event = threading.Event()
    made = begin(waiting_for(event))
    assert next(made) == 0
    closing = threading.Thread(target=made.close)  # type: ignore[attr-defined]
    closing.start()
    closing.join(60)
    ended = not closing.is_alive()
    event.set()
    closing.join()
    assert ended


def test_what_fails_is_waited_for() -> None:
    """Nothing is written any more once an error was told."""
    began, event, done = threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        if number == 1:
            began.set()
            event.wait()
            done.append(number)
        elif number == 0:
            began.wait()
            threading.Timer(0.2, event.set).start()
            raise ValueError

    with pytest.raises(ValueError):
        list(gathered(work, range(100)))
    assert 1 in done
