"""Storages that are far away: what does not depend on an answer is asked at the same time, and nothing is asked twice."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from remote_storage import Remote

import neurolake
from neurolake.lake.history.log import FOLD_AFTER, Log
from neurolake.lake.history.trees import History
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects.store import FILE_INLINE_SIZE, ObjectStore
from neurolake.lake.storage.base import StoredObject
from neurolake.lake.storage.locations import new_storage_at
from neurolake.lake.threads import AT_ONCE, gathered
from neurolake.lake.upkeep.garbage import collect
from neurolake.lake.upkeep.transfer import copy_everything

ARRAYS = 4


class Meeting(Remote):
    """Holds the first requests of one kind back until so many of them are under way; notes all.

    Parameters
    ----------
    root
        Folder of the lake.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[str, str]] = []
        self._held, self._left, self._barrier = "", 0, threading.Barrier(1)
        self._lock = threading.Lock()

    def hold(self, verb: str, count: int) -> None:
        """Hold *count* requests, such as ``read .shard``, until all of these wait; one after the other they never would."""
        self._held, self._left, self._barrier = verb, count, threading.Barrier(count, timeout=20)
        self.asked.clear()

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self._noted("read", key)
        return super().read(key, offset, length)

    def read_into(self, key: str, offset: int, room: memoryview) -> int:
        self._noted("read", key)
        return super().read_into(key, offset, room)

    def size(self, key: str) -> int | None:
        self._noted("size", key)
        return super().size(key)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        return list(gathered(self.size, keys))

    def _noted(self, verb: str, key: str) -> None:
        kind, _, part = self._held.partition(" ")
        with self._lock:
            self.asked.append((verb, key))
            held = self._left > 0 and verb == kind and part in key
            self._left -= held
        if held:
            self._barrier.wait()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._noted("list", prefix)
        yield from super().list(prefix)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of arrays in shards, each with a chunk that lies over them, and of a table of many files."""
    folder = tmp_path_factory.mktemp("far") / "lake"
    lake = neurolake.create(folder, durable=False)
    rng = np.random.default_rng(0)
    with lake.transaction("shards") as tx:
        for number in range(ARRAYS):
            tx.write_array(f"a{number}", rng.random((OVERLAY_SIZE + 1, 100)), chunks=(1, 100))
    for number in range(8):
        with lake.transaction("one more") as tx:
            tx.append_table("t", pa.table({"trial_id": [number], "x": [rng.bytes(FILE_INLINE_SIZE)]}))
            for array in range(ARRAYS) if not number else ():
                tx.append_array(f"a{array}", rng.random((1, 100)))
    return folder


@pytest.fixture
def storage(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    return Meeting(folder)


def test_results_come_in_order_and_few_are_held() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return -item

    found = gathered(work, range(100))
    assert next(found) == 0 and len(begun) <= AT_ONCE
    assert list(found) == [-item for item in range(1, 100)]


def test_an_error_is_raised_where_its_result_would_be() -> None:
    found = gathered(lambda item: 1 // item, [1, 0, 1])
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


@pytest.mark.parametrize(
    ("verb", "work"),
    [
        ("read .shard", lambda lake: lake.head.tree),
        ("read .shard", lambda lake: lake.collect_garbage(dry_run=True)),
        ("read .shard", lambda lake: lake.head.sql("select max(max) from array_chunks").fetchall()),
    ],
)
def test_shards_are_read_at_once(storage: Meeting, verb: str, work: Callable[[Any], object]) -> None:
    lake = neurolake.Lake(storage)
    storage.hold(verb, ARRAYS)
    work(lake)
    assert sum(key.endswith(".shard") for _, key in storage.asked) % ARRAYS == 0


def test_chunks_are_read_at_once(storage: Meeting) -> None:
    array = neurolake.Lake(storage)["a0"]
    storage.hold("read packs/", 8)
    array[:8]
    assert len(storage.asked) == 8


def test_what_is_to_be_sent_is_looked_for_at_once(storage: Meeting, tmp_path: Path) -> None:
    new_storage_at(tmp_path / "copy")
    source, target = neurolake.Lake(storage), Meeting(tmp_path / "copy")
    copy = History(ObjectStore(target), Log(target))
    sent = copy_everything(source._history, copy)
    assert sent > 8
    target.hold("size objects/", 8)
    # What is there is not sent again.
    assert copy_everything(source._history, copy) == 0
    assert sum(verb == "size" for verb, _ in target.asked) == sent


def test_a_collection_lists_at_once(storage: Meeting) -> None:
    """Objects, packs, sets and temporary files; and each branch is fenced beside the others."""
    lake = neurolake.Lake(storage)
    storage.hold("list ", 4)
    lake.collect_garbage(dry_run=True)
    assert {key for verb, key in storage.asked if verb == "list"} == {"packs/", "objects/", "gc/", "tmp/"}


def test_branches_are_fenced_at_once(storage: Meeting, tmp_path: Path) -> None:
    lake = neurolake.Lake(Meeting(shutil.copytree(storage.url, tmp_path / "lake")))
    far: Any = lake.storage
    for number in range(5):
        lake.branches.create(f"side{number}")
    tx = lake.transaction("never")
    tx.put_file("f", np.random.default_rng(1).bytes(1000))
    tx.writer.flush()

    def pause(step: str) -> None:
        # Of `main` and the others: what comes after the newest record that is known.
        far.hold("size log/", 6) if step == "fence" else None

    assert len(collect(lake._history, grace=timedelta(0), pause=pause).deleted) == 1
    assert all(len(list(lake.branches.reflog(name))) > 1 for name in lake.branches)


def test_what_is_to_be_kept_is_looked_for_at_once(storage: Meeting, tmp_path: Path) -> None:
    """A transaction that garbage collection may have overtaken."""
    lake = neurolake.Lake(Meeting(shutil.copytree(storage.url, tmp_path / "lake")))
    far: Any = lake.storage
    never = lake.transaction("never")
    never.put_file("f", np.random.default_rng(1).bytes(1000))
    never.writer.flush()
    assert lake.collect_garbage(grace=timedelta(0)).deleted
    tx = lake.transaction("two files")
    for number in range(2):
        tx.append_table("new", pa.table({"x": [np.random.default_rng(number).bytes(2**16)]}))
    far.hold("size objects/", 2)
    tx.commit()
    assert len(lake["new"]) == 2


def test_records_expire_at_once(storage: Meeting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = neurolake.Lake(Meeting(shutil.copytree(storage.url, tmp_path / "lake")))
    # Enough for a stored tree, before which nothing is needed.
    for number in range(FOLD_AFTER + 1):
        with lake.transaction("one more") as tx:
            tx.put_file("f", b"%d" % number)
    asked: list[list[str]] = []
    monkeypatch.setattr(Meeting, "delete_all", lambda self, keys: asked.append([*keys]))
    expired = lake.expire(timedelta(0))
    assert [len(keys) for keys in asked if keys] == [expired.records] and expired.records > 1


def test_records_are_read_once_and_not_looked_for(storage: Meeting) -> None:
    lake = neurolake.Lake(storage)
    storage.asked.clear()
    assert len(lake.log()) == 10
    keys = [key for _, key in storage.asked]
    assert len(keys) == len(set(keys)) == 10 and {verb for verb, _ in storage.asked} == {"read"}


def test_a_question_fetches_the_files_that_it_needs(storage: Meeting) -> None:
    head = neurolake.Lake(storage).head
    storage.asked.clear()
    assert head.sql("select trial_id from t where trial_id = 5").fetchall() == [(5,)]
    assert sum(key.endswith(".parquet") for _, key in storage.asked) == 1
