"""What every storage must do: inherit `StorageSuite` and give it a fixture ``storage``, empty and new."""

import multiprocessing
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from neurolake.lake.errors import NotFoundError
from neurolake.lake.storage.base import Storage

LARGE = 40 * 2**20


def keys(storage: Storage, prefix: str) -> set[str]:
    return {stored.key for stored in storage.list(prefix)}


def raced(storage: Storage, key: str, racers: int) -> list[bytes]:
    """What those wrote who were told that they created *key*, of *racers* threads at one start."""
    won: list[bytes] = []
    start = threading.Barrier(racers)

    def create(mine: bytes) -> None:
        start.wait()
        if storage.create(key, mine):
            won.append(mine)

    with ThreadPoolExecutor(racers) as pool:
        list(pool.map(create, [bytes([at]) * 1000 for at in range(racers)]))
    return won


def create_many(storage: Storage, mine: bytes, won: Any) -> None:
    """A process of its own that tries to create ten keys."""
    won.put([at for at in range(10) if storage.create(f"log/{at}", mine)])


class StorageSuite:
    def test_read(self, storage: Storage) -> None:
        storage.write("a/b", b"0123456789")
        assert storage.read("a/b") == b"0123456789"
        assert storage.read("a/b", 3) == b"3456789"
        assert storage.read("a/b", 3, 4) == b"3456"
        assert storage.read("a/b", 8, 100) == b"89"
        assert type(storage.read("a/b", 1, 2)) is bytes

    def test_read_beyond_the_end(self, storage: Storage) -> None:
        storage.write("a", b"0123456789")
        storage.write("empty", b"")
        assert storage.read("a", 10) == storage.read("a", 11, 1) == storage.read("a", 2**62, 2**62) == b""
        assert storage.read("a", 3, 0) == b""
        assert storage.read("empty") == storage.read("empty", 0, 5) == storage.read("empty", 5) == b""

    @pytest.mark.parametrize("part", [(), (3,), (0, 0), (3, 4)])
    def test_read_what_is_not_there(self, storage: Storage, part: tuple[int, ...]) -> None:
        with pytest.raises(NotFoundError, match="no object a/b"):
            storage.read("a/b", *part)

    def test_read_all(self, storage: Storage) -> None:
        """More at once than threads, in the order asked for; what is not there is None."""
        names = [f"log/{at}" for at in range(40)]
        for name in names[::2]:
            storage.write(name, name.encode())
        found = storage.read_all(names[::-1])
        assert found[1::2] == [name.encode() for name in names[-2::-2]] and found[::2] == [None] * 20
        assert storage.read_all([]) == []

    def test_size(self, storage: Storage) -> None:
        storage.write("a", b"123")
        storage.write("empty", b"")
        assert (storage.size("a"), storage.size("empty"), storage.size("b")) == (3, 0, None)

    def test_sizes(self, storage: Storage) -> None:
        names = [f"log/{at}" for at in range(40)]
        for at, name in enumerate(names[::2]):
            storage.write(name, bytes(at))
        assert storage.sizes(names)[::2] == [*range(20)] and storage.sizes(names)[1::2] == [None] * 20
        assert storage.sizes([]) == []

    def test_secure(self, storage: Storage) -> None:
        assert storage.create("log/0", b"record")
        storage.secure("log/0")
        assert storage.read("log/0") == b"record" and keys(storage, "log/") == {"log/0"}

    def test_write_says_whether_it_wrote(self, storage: Storage) -> None:
        assert storage.write("a", b"123") is True
        assert storage.write("a", b"123") is False

    def test_write_leaves_alone_what_has_the_length(self, storage: Storage) -> None:
        """Names are digests: the same name and length is the same content, or damage that reading reports."""
        storage.write("a", b"123")
        storage.write("a", b"456")
        assert storage.read("a") == b"123"

    def test_write_mends_what_was_cut_short(self, storage: Storage) -> None:
        storage.write("a", b"1")
        assert storage.write("a", b"123") is True
        assert storage.read("a") == b"123"

    def test_replace(self, storage: Storage) -> None:
        storage.write("a", b"damaged")
        for data in (b"as long", b"shorter"[:3]):
            storage.replace("a", data)
            assert storage.read("a") == data

    def test_write_takes_any_buffer(self, storage: Storage) -> None:
        storage.write("a", memoryview(b"123")[1:])
        storage.write("b", memoryview(b"123").cast("b"))
        assert (storage.read("a"), storage.read("b")) == (b"23", b"123")

    def test_large(self, storage: Storage) -> None:
        data = bytes(range(256)) * (LARGE // 256) + b"end"
        storage.write("large", data)
        assert storage.size("large") == len(data)
        assert storage.read("large") == data
        assert storage.read("large", LARGE - 1) == b"\xffend"

    def test_delete(self, storage: Storage) -> None:
        storage.write("a/b", b"1")
        storage.delete("a/b")
        storage.delete("a/b")
        storage.delete("never/there")
        assert storage.size("a/b") is None

    def test_delete_all(self, storage: Storage) -> None:
        """More than one request takes; what is not there is no error."""
        names = [f"objects/{at}" for at in range(20)]
        for name in names:
            storage.write(name, b"x")
        storage.delete_all([*names[:18], *(f"never/{at}" for at in range(1990))])
        assert keys(storage, "objects/") == set(names[18:])
        storage.delete_all([])

    def test_list(self, storage: Storage) -> None:
        for key in ("a/1", "a/b/2", "ab/3"):
            storage.write(key, b"x")
        assert keys(storage, "a/") == {"a/1", "a/b/2"}
        assert {"a/1", "a/b/2", "ab/3"} <= keys(storage, "")
        assert keys(storage, "absent/") == set()

    def test_list_tells_size_and_time(self, storage: Storage) -> None:
        before = storage.now()
        storage.write("a/b", b"123")
        after = storage.now()
        (stored,) = storage.list("a/")
        assert (stored.key, stored.size) == ("a/b", 3)
        # A clock may tell whole seconds only.
        second = timedelta(seconds=1)
        assert before - second <= stored.modified <= after + second

    def test_clock_leaves_nothing(self, storage: Storage) -> None:
        assert storage.now().utcoffset() == timedelta(0)
        assert keys(storage, "") == set()

    def test_folders(self, storage: Storage) -> None:
        for key in ("log/main/0", "log/main/1", "log/other/0", "logs/x/0"):
            storage.write(key, b"x")
        assert sorted(storage.folders("log/")) == ["main", "other"]
        assert list(storage.folders("absent/")) == []

    def test_last(self, storage: Storage) -> None:
        assert storage.last("log/main/") is None
        for key in ("log/main/000000000007", "log/main/000000000010", "log/main/9/x", "log/main2/99"):
            storage.write(key, b"x")
        assert storage.last("log/main/") == "log/main/000000000010"

    def test_second_create_is_refused(self, storage: Storage) -> None:
        assert storage.create("log/0", b"first") is True
        assert storage.create("log/0", b"second") is False
        assert storage.create("log/0", b"first") is False
        assert storage.read("log/0") == b"first"

    def test_create_leaves_nothing_else(self, storage: Storage) -> None:
        storage.create("log/0", b"first")
        storage.create("log/0", b"second")
        assert keys(storage, "") == {"log/0"}

    def test_one_thread_creates(self, storage: Storage) -> None:
        for race in range(5):
            won = raced(storage, f"log/{race}", 16)
            assert len(won) == 1
            assert storage.read(f"log/{race}") == won[0]

    def test_one_process_creates(self, storage: Storage) -> None:
        context = multiprocessing.get_context("spawn")
        won: multiprocessing.Queue[list[int]] = context.Queue()
        run = [context.Process(target=create_many, args=(storage, bytes([at]), won)) for at in range(3)]
        for process in run:
            process.start()
        created = [at for _ in run for at in won.get(timeout=60)]
        for process in run:
            process.join()
        assert sorted(created) == list(range(10))

    def test_pickle(self, storage: Storage) -> None:
        storage.write("a", b"1")
        copy = pickle.loads(pickle.dumps(storage))
        copy.write("b", b"2")
        copy.flush()
        assert copy.url == storage.url
        assert copy.read("a") == b"1" and storage.read("b") == b"2"

    def test_opened_by_its_url(self, storage: Storage, reopen: Callable[[str], Storage]) -> None:
        storage.write("a", b"1")
        storage.flush()
        assert reopen(storage.url).read("a") == b"1"

    @pytest.fixture
    def reopen(self) -> Callable[[str], Storage]:
        from neurolake.lake.storage.locations import storage_at

        return storage_at
