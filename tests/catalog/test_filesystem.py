"""Remote files for DuckDB: the same answers as on a local disk, from the ranges that they need."""

import functools
import gc
import os
import random
import re
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake import CorruptObjectError, QueryError, StorageError
from neurolake.catalog import filesystem
from neurolake.catalog.filesystem import Blocks, Handle, RemoteFile
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage

ROWS = 60_000


class Faraway(LocalStorage):
    """A folder that nobody may read in place; it counts what is read."""

    def __init__(self, root: Path, *, durable: bool = False) -> None:
        super().__init__(root, durable=durable)
        self.read_bytes: Counter[str] = Counter()
        self.requests = 0
        self.failing = False
        self._counting = threading.Lock()

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if self.failing and key.endswith(".parquet"):
            raise StorageError("the line is dead")
        data = super().read(key, offset, length)
        with self._counting:
            self.read_bytes[key] += len(data)
            self.requests += 1
        return data

    def local_path(self, key: str) -> Path | None:
        return None

    def parquet_bytes(self) -> int:
        """Bytes of Parquet files that were read."""
        return sum(count for key, count in self.read_bytes.items() if key.endswith(".parquet"))


@pytest.fixture(scope="module")
def folder(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a table in three files of several row groups, and a small table."""
    folder = tmp_path_factory.mktemp("remote") / "lake"
    lake = neurolake.create(folder, durable=False)
    rng = np.random.default_rng(2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurolake.lake.data.parquet.ROW_GROUP", 10_000)
        for file in range(3):
            with lake.transaction("rows") as tx:
                columns = {
                    "trial_id": np.repeat(np.arange(file * 600, file * 600 + 600), ROWS // 600),
                    "time": rng.random(ROWS),
                    "kind": rng.choice(["L4ss", "L5tt", "VPM"], ROWS),
                    "noise": rng.integers(0, 2**62, ROWS),
                }
                tx.append_table("spikes", pa.table(columns))
    with pytest.MonkeyPatch.context() as patch, lake.transaction("small") as tx:
        patch.setattr("neurolake.lake.objects.store.FILE_INLINE_SIZE", -1)
        tx.write_table("kinds", pa.table({"kind": ["L4ss", "VPM"], "weight": [1.0, 2.0]}))
    return folder


@pytest.fixture
def storage(folder: Path) -> Faraway:
    return Faraway(folder)


@pytest.fixture
def lake(storage: Faraway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """That lake far away, with nothing of it in the cache, and files taken for large from 16 kB on."""
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(filesystem, "WHOLE", 16_000)
    monkeypatch.setattr(filesystem, "BLOCK", 4096)
    return type(neurolake.open(storage._root))(storage)


def copies(lake: Any) -> list[Path]:
    return sorted(path for folder in lake.objects.folders for path in folder.glob("*.parquet"))


QUESTIONS = [
    "select count(*), sum(noise::hugeint), max(time) from spikes",
    "select kind, count(*), min(time) from spikes group by kind order by kind",
    "select noise from spikes where trial_id = {trial} order by noise limit 20",
    "select count(*) from spikes where trial_id between {trial} and {trial} + 20 and kind = 'VPM'",
    "select sum(weight) from spikes join kinds using (kind) where trial_id % 50 = {trial} % 50",
    "select trial_id, max(noise) from spikes where time > 0.999 group by all order by all",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_those_of_a_local_lake(lake: Any, folder: Path, question: str) -> None:
    query = question.format(trial=777)
    found = lake.sql(query).fetchall()
    assert found and found == neurolake.open(folder).sql(query).fetchall()


def test_eight_threads_and_four_cursors_at_once(
    lake: Any, storage: Faraway, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few blocks, so that they come and go; and no copies.
    monkeypatch.setattr(filesystem, "MEMORY", 40 * 4096)
    monkeypatch.setattr(filesystem, "SHARE", 10**9)
    monkeypatch.setattr(duckdb, "connect", functools.partial(duckdb.connect, config={"threads": 8}))
    remote = type(lake)(storage).head
    assert remote.sql("select current_setting('threads')").fetchall() == [(8,)]
    local = neurolake.open(folder).head
    asked = [question.format(trial=trial) for question in QUESTIONS for trial in (3, 777, 1799)]
    expected = {query: local.sql(query).fetchall() for query in asked}

    def ask(seed: int) -> int:
        queries = random.Random(seed).choices(asked, k=12)
        for query in queries:
            assert remote.sql(query).fetchall() == expected[query], query
        return len(queries)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(8))) == 96
    assert copies(lake) != [] and len(copies(lake)) == 1


def test_a_narrow_question_reads_little(lake: Any, storage: Faraway) -> None:
    size = sum(entry.size for entry in lake["spikes"].files)
    assert len(lake.sql("select time from spikes where trial_id = 700").fetchall()) == 100
    assert storage.parquet_bytes() < size / 10
    assert copies(lake) == []
    before = storage.parquet_bytes()
    assert len(lake.sql("select time from spikes where trial_id = 701").fetchall()) == 100
    assert storage.parquet_bytes() == before


def test_a_query_outlives_its_snapshot(lake: Any, storage: Faraway) -> None:
    snapshot = type(lake)(storage).head
    relation = snapshot.sql("select count(*), max(trial_id) from spikes")
    catalog = weakref.ref(snapshot._catalog)
    del snapshot
    gc.collect()
    assert catalog() is None and relation.fetchall() == [(3 * ROWS, 1799)]


def test_small_files_are_copied_whole(lake: Any, storage: Faraway) -> None:
    assert lake.sql("select sum(weight) from kinds").fetchall() == [(3.0,)]
    (entry,) = lake["kinds"].files
    assert [path.name for path in copies(lake)] == [f"{entry.digest}.parquet"]
    assert storage.parquet_bytes() == entry.size
    again = type(lake)(Faraway(storage._root))
    assert again.sql("select sum(weight) from kinds").fetchall() == [(3.0,)]
    assert again.storage.parquet_bytes() == 0


def test_what_is_read_mostly_is_copied_and_verified(lake: Any, storage: Faraway) -> None:
    query = "select sum(noise::hugeint), sum(time) > 0, count(distinct kind) from spikes"
    for _ in range(3):
        ((first, *_),) = lake.sql(query).fetchall()
    assert len(copies(lake)) == 3
    size = sum(entry.size for entry in lake["spikes"].files)
    assert storage.parquet_bytes() <= 2 * size
    # The next process uses the copies, by their paths.
    again = type(lake)(Faraway(storage._root))
    assert again.sql(query).fetchall()[0][0] == first
    assert again.storage.parquet_bytes() == 0
    assert "neurolake://" not in again.head._catalog.explain("from spikes")


def test_always_means_always(storage: Faraway, lake: Any) -> None:
    careful = type(lake)(storage, verification="always")
    assert len(careful.sql("select time from spikes where trial_id = 700").fetchall()) == 100
    assert len(copies(careful)) == 3


def test_damage_in_what_is_read_mostly_is_told(lake: Any, storage: Faraway, tmp_path: Path) -> None:
    import shutil

    moved = Faraway(shutil.copytree(storage._root, tmp_path / "lake"))
    entry = lake["spikes"].files[0]
    path = tmp_path / "lake" / "objects" / entry.digest[:2] / f"{entry.digest}.parquet"
    data = bytearray(path.read_bytes())
    # A stored number: no checksum of Parquet's or zstd's own would tell.
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    damaged = type(lake)(moved)
    with pytest.raises(Exception, match=rf"{entry.digest}.*is damaged|orrupt|nvalid") as caught:
        for _ in range(3):
            damaged.sql(
                "select sum(noise::hugeint), max(time), max(kind), max(trial_id) from spikes"
            ).fetchall()
    assert type(caught.value).__module__.startswith(("neurolake", "_duckdb"))


def test_a_file_that_is_gone(lake: Any, storage: Faraway, tmp_path: Path) -> None:
    import shutil

    moved = Faraway(shutil.copytree(storage._root, tmp_path / "lake"))
    for entry in lake["spikes"].files:
        (tmp_path / "lake" / "objects" / entry.digest[:2] / f"{entry.digest}.parquet").unlink()
    broken = type(lake)(moved)
    with pytest.raises(CorruptObjectError, match="is missing"):
        broken.sql("from spikes")
    assert broken.sql("select sum(weight) from kinds").fetchall() == [(3.0,)]


def test_a_line_that_was_dead_is_tried_again(lake: Any, storage: Faraway) -> None:
    storage.failing = True
    with pytest.raises((StorageError, CorruptObjectError), match=r"the line is dead"):
        lake.sql("select max(time) from spikes")
    storage.failing = False
    assert lake.sql("select count(*) from spikes").fetchall() == [(3 * ROWS,)]


@pytest.mark.parametrize(
    "place",
    [
        *("neurolake://../neurolake.json", "neurolake://*", "neurolake:///etc/passwd", "neurolake://"),
        *("neurolake://objects", "neurolake://log/main/000000000000"),
    ],
)
def test_only_what_was_given_out_is_there(lake: Any, place: str) -> None:
    lake.sql("select count(*) from spikes").fetchall()
    for reader in ("read_text", "read_blob", "read_parquet", "read_csv"):
        try:
            assert lake.sql(f"from {reader}('{place}')").fetchall() == []
        except QueryError as error:
            assert re.search("No files found|does not exist|Permission", str(error))
    assert lake.sql(f"from glob('{place}')").fetchall() == []


class Slow(Storage):
    """One object of numbers, handed out slowly."""

    def __init__(self, size: int) -> None:
        self.data = np.random.default_rng(0).bytes(size)
        self.asked: list[tuple[int, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    url = "slow://"

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.asked.append((offset, length or 0))
        self.gate.wait(10)
        return self.data[offset : None if length is None else offset + length]

    def _never(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("only read")

    write = replace = create = delete = list = last = now = size = flush = _never


class TestBlocks:
    def test_reads_are_right_whatever_comes_and_goes(self) -> None:
        slow = Slow(100_003)
        blocks = Blocks(slow, memory=5 * 1000, size=1000)

        def check(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(300):
                offset = rng.randrange(len(slow.data))
                length = min(rng.choice([0, 1, 999, 1000, 5000]), len(slow.data) - offset)
                assert blocks.read("k", offset, length)[0] == slow.data[offset : offset + length]
                assert len(blocks) <= 5 + 8 * 6

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, range(8)))
        blocks.read("k", 0, 1)
        assert len(blocks) <= 5

    def test_a_run_of_blocks_is_one_request(self) -> None:
        slow = Slow(100_000)
        blocks = Blocks(slow, memory=10**6, size=1000)
        blocks.read("k", 5500, 1)
        data, fetched = blocks.read("k", 2500, 6000)
        assert data == slow.data[2500:8500] and fetched == 6000
        assert slow.asked == [(5000, 1000), (2000, 3000), (6000, 3000)]
        assert blocks.read("k", 3000, 2000) == (slow.data[3000:5000], 0)

    def test_threads_that_want_the_same_fetch_it_once(self) -> None:
        slow = Slow(10_000)
        slow.gate.clear()
        blocks = Blocks(slow, memory=10**6, size=1000)
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(blocks.read, "k", 2000, 1000) for _ in range(8)]
            threading.Timer(0.1, slow.gate.set).start()
            assert {future.result()[0] for future in found} == {slow.data[2000:3000]}
        assert slow.asked == [(2000, 1000)]

    def test_an_object_that_ends_too_soon(self) -> None:
        with pytest.raises(CorruptObjectError, match="shorter than"):
            Blocks(Slow(1500), memory=10**6, size=1000).read("k", 1000, 1000)


class TestHandle:
    @pytest.fixture
    def handle(self, lake: Any) -> Iterator[tuple[Handle, bytes]]:
        entry = lake["spikes"].files[1]
        file = RemoteFile(entry, lake.objects, Blocks(lake.objects.storage, memory=10**5, size=1000))
        yield Handle(file), lake.objects.read(entry.digest, entry.size, entry.place)

    def test_threads_have_positions_of_their_own(self, handle: tuple[Handle, bytes]) -> None:
        opened, data = handle

        def check(seed: int) -> None:
            rng = random.Random(seed)
            for _ in range(200):
                offset, length = rng.randrange(len(data)), rng.randrange(3000)
                opened.seek(offset)
                assert opened.read(length) == data[offset : offset + length]
                assert opened.tell() == min(offset + length, len(data))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, range(8)))

    def test_it_reads_as_files_do(self, handle: tuple[Handle, bytes]) -> None:
        opened, data = handle
        assert opened.read(4) == b"PAR1" and opened.tell() == 4
        assert opened.seek(-4, os.SEEK_END) == len(data) - 4 and opened.read() == b"PAR1"
        assert opened.read(10) == b"" and opened.seek(-8, os.SEEK_CUR) == len(data) - 8
        assert opened.seek(0) == 0 and opened.read() == data
        assert opened.readable() and opened.seekable() and not opened.closed
        opened.close()
        assert opened.closed


def test_on_s3(s3: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(filesystem, "WHOLE", 16_000)
    remote = neurolake.open(folder).copy_to(s3)
    query = "select kind, count(*), max(noise) from spikes where trial_id = 42 group by kind order by kind"
    assert neurolake.open(s3).sql(query).fetchall() == neurolake.open(folder).sql(query).fetchall()
    assert copies(remote) == []
