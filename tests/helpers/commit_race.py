"""Processes that commit to one branch, garbage collection beside them, and the proof that every commit is there once."""

import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from lake_contents import contents

import neurolake
from neurolake.lake import Transaction
from neurolake.lake.errors import ConflictError

CONTENTS = 6


def commit_some(url: str, writer: int, commits: int) -> None:
    lake = neurolake.open(url)
    for number in range(commits):
        with lake.transaction(f"{writer} {number}") as tx:
            tx.append_table("rows", _row(writer, number))


def commit_some_again(url: str, writer: int, commits: int) -> int:
    """The same, with content that others write too and abandon: much of it is condemned while it is reused.

    A transaction that garbage collection was too fast for is made again; how many were.
    """
    lake, chance, again = neurolake.open(url), random.Random(writer), 0
    for number in range(commits):
        while True:
            tx = lake.transaction(f"{writer} {number}", attempts=1000)
            _write(tx, writer, chance.randrange(CONTENTS))
            if chance.random() < 0.3:
                tx.put_file("abandoned", chance.randbytes(1000))
                tx.writer.flush()
                continue
            tx.append_table("rows", _row(writer, number))
            try:
                tx.commit()
                break
            except ConflictError as error:
                assert "longer than the grace period" in str(error), error
                again += 1
    return again


def collect_all_the_while(url: str, grace: timedelta, done: Any, deleted: Any) -> None:
    """Collect garbage, and read everything, until told and twice more; *deleted* counts."""

    def collect() -> None:
        deleted.value += len(neurolake.open(url).collect_garbage(grace=grace).deleted)
        contents(neurolake.open(url, verification="always").head)

    while not done.is_set():
        collect()
    for _ in range(2):
        # S3 tells times in seconds.
        time.sleep(grace.total_seconds() and grace.total_seconds() + 1)
        collect()


def check_race(url: str, writers: int, commits: int, *, grace: timedelta | None = None) -> None:
    """Processes that commit to one branch: every commit is there, in one line, every row once.

    With a *grace* period another process collects garbage all the while.
    """
    lake = neurolake.create(url)
    with lake.transaction("begin") as tx:
        tx.write_table("rows", _row(-1, -1))
    context = multiprocessing.get_context("spawn")
    work = [(url, writer, commits) for writer in range(writers)]
    with context.Pool(writers) as pool:
        if grace is None:
            pool.starmap(commit_some, work)
        else:
            with _collecting(context, url, grace):
                pool.starmap(commit_some_again, work)
        pool.close()
        pool.join()
    _check_history(url, writers, commits)


@contextmanager
def _collecting(context: Any, url: str, grace: timedelta) -> Iterator[None]:
    done, deleted = context.Event(), context.Value("l", 0)
    process = context.Process(target=collect_all_the_while, args=(url, grace, done, deleted))
    process.start()
    try:
        yield
    finally:
        done.set()
        process.join()
    assert process.exitcode == 0 and deleted.value


def _check_history(url: str, writers: int, commits: int) -> None:
    lake = neurolake.open(url)
    records = lake.log()
    assert len(records) == writers * commits + 2
    parents = [[parent.id for parent in record.parents] for record in records]
    assert parents == [*([record.id] for record in records[1:]), []]
    rows = lake["rows"].to_arrow().to_pydict()
    expected = [(writer, number) for writer in range(writers) for number in range(commits)]
    assert sorted(zip(rows["writer"], rows["number"], strict=True)) == [(-1, -1), *expected]
    messages = [record.message for record in reversed(records[:-2])]
    for writer in range(writers):
        mine = [message for message in messages if message.split()[0] == str(writer)]
        assert mine == [f"{writer} {number}" for number in range(commits)]
    assert not lake.verify().damages


def _row(writer: int, number: int) -> pa.Table:
    return pa.table({"writer": [writer], "number": [number]})


def _write(tx: Transaction, writer: int, seed: int) -> None:
    """A file, an array and a table of the writer's own, of one of a few contents."""
    generator = np.random.default_rng(seed)
    tx.put_file(f"file/{writer}", generator.bytes(3000))
    tx.write_array(f"array/{writer}", generator.random((20, 100)), chunks=(1, 100))
    tx.write_table(f"table/{writer}", pa.table({"x": generator.random(100)}))
