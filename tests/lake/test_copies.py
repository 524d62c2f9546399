"""Copies of remote objects: verified, bounded, shared by processes, and kept while somebody uses them."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from remote_storage import Remote, hold_until_told

from neurolake.lake.digest import digest_of
from neurolake.lake.errors import CorruptObjectError, InputError, StorageError
from neurolake.lake.objects.copies import Copies, trim
from neurolake.lake.objects.store import ObjectStore, ObjectWriter, Place, object_key
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> Remote:
    (tmp_path / "remote").mkdir()
    return Remote(tmp_path / "remote")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "lake"


def put(storage: Storage, data: bytes) -> tuple[str, str, int]:
    digest, place = ObjectWriter(storage).add_alone(data, ".parquet")
    return object_key(digest, place.suffix), digest, len(data)


def names(cache: Path) -> set[str]:
    return {path.name for path in (cache / "objects").iterdir()}


class TestFetch:
    @pytest.mark.parametrize("size", [0, 1, 40_000_000])
    def test_content(self, storage: Remote, cache: Path, size: int) -> None:
        data = os.urandom(size)
        copies, (key, digest, size) = Copies(storage, cache), put(storage, data)
        assert copies.fetch(key, digest, size) is True
        assert copies.path(key).read_bytes() == data
        assert names(cache) == {f"{digest}.parquet"}

    def test_once(self, storage: Remote, cache: Path) -> None:
        copies, what = Copies(storage, cache), put(storage, b"data")
        copies.fetch(*what)
        reads = storage.reads
        assert copies.fetch(*what) is Copies(storage, cache).fetch(*what) is False
        assert storage.reads == reads

    def test_cut_short(self, storage: Remote, cache: Path) -> None:
        copies, what = Copies(storage, cache), put(storage, b"data")
        copies.fetch(*what)
        copies.path(what[0]).write_bytes(b"dat")
        assert copies.fetch(*what) is True
        assert copies.path(what[0]).read_bytes() == b"data"

    @pytest.mark.parametrize("damage", [b"dat", b"dati", None], ids=["cut", "flipped", "missing"])
    def test_damaged_object(self, storage: Remote, cache: Path, damage: bytes | None) -> None:
        key, digest, size = put(storage, b"data")
        path = LocalStorage.local_path(storage, key)
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(CorruptObjectError, match=digest):
            Copies(storage, cache).fetch(key, digest, size)
        assert names(cache) == set()

    def test_no_room(self, storage: Remote, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StorageError, match=r"cannot keep a copy of objects/.*NEUROLAKE_CACHE names"):
            Copies(storage, tmp_path / "file" / "lake").fetch(*put(storage, b"data"))

    def test_threads(self, storage: Remote, cache: Path) -> None:
        copies, what = Copies(storage, cache), put(storage, os.urandom(100_000))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: copies.fetch(*what), range(32)))
        assert digest_of(copies.path(what[0]).read_bytes()) == what[1]
        assert len(names(cache)) == 1


class TestVerifiedPath:
    @pytest.fixture
    def entry(self, storage: Remote) -> tuple[Any, int, Place]:
        digest, place = ObjectWriter(storage).add_alone(b"data", ".parquet")
        return digest, 4, place

    @pytest.mark.parametrize("verification", ["first", "always", "never"])
    def test_path(self, storage: Remote, cache: Path, entry: Any, verification: Any) -> None:
        objects = ObjectStore(storage, cache=cache, verification=verification)
        path = objects.verified_path(*entry)
        assert path.read_bytes() == b"data"
        assert path == objects.verified_path(*entry) == objects.local_path(entry[0], entry[2])
        assert any(path.is_relative_to(folder) for folder in objects.folders)

    @pytest.mark.parametrize("verification", ["first", "always"])
    def test_damaged_copy_is_replaced(
        self, storage: Remote, cache: Path, entry: Any, verification: Any
    ) -> None:
        objects = ObjectStore(storage, cache=cache, verification=verification)
        path = objects.verified_path(*entry)
        path.write_bytes(b"dada")
        assert objects.verified_path(*entry).read_bytes() == b"data"

    def test_first_use_remembers(self, storage: Remote, cache: Path, entry: Any, monkeypatch: Any) -> None:
        ObjectStore(storage, cache=cache).verified_path(*entry)
        monkeypatch.setattr(
            "neurolake.lake.objects.store.digest_of_file", lambda path: pytest.fail("hashed again")
        )
        ObjectStore(storage, cache=cache).verified_path(*entry)


class TestTrim:
    @pytest.fixture
    def old(self, storage: Remote, cache: Path) -> list[Path]:
        """Copies that processes of long ago left, the oldest first."""
        folder = cache / "objects"
        folder.mkdir(parents=True)
        (cache.parent / "users").mkdir()
        paths = [folder / f"old{at}.parquet" for at in range(5)]
        for at, path in enumerate(paths):
            path.write_bytes(bytes(100))
            os.utime(path, (at, at))
        return paths

    def test_oldest_go(self, cache: Path, old: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "250")
        trim(cache.parent)
        assert [path.exists() for path in old] == [False, False, False, True, True]

    def test_all_lakes_count(self, cache: Path, old: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        other = cache.parent / "other" / "objects" / "new.parquet"
        other.parent.mkdir(parents=True)
        other.write_bytes(bytes(200))
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "0.4kB")
        trim(cache.parent)
        assert [path.exists() for path in [*old, other]] == [False, False, False, True, True, True]

    def test_fetching_trims(
        self, storage: Remote, cache: Path, old: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "1")
        copies, what = Copies(storage, cache), put(storage, b"data")
        copies.fetch(*what)
        # What this process uses stays, whatever the size.
        assert names(cache) == {copies.path(what[0]).name}

    def test_asking_keeps_young(
        self, storage: Remote, cache: Path, old: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Copies(storage, cache).fetch(f"objects/{old[0].name}", digest_of(bytes(100)), 100)
        # As if that had been another process, which has ended.
        (users,) = (cache.parent / "users").iterdir()
        users.write_bytes(b"")
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "150")
        trim(cache.parent)
        assert [path.exists() for path in old] == [True, False, False, False, False]

    def test_other_processes_keep_theirs(
        self, storage: Remote, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "0")
        context = multiprocessing.get_context("spawn")
        ready, done, what = context.Event(), context.Event(), put(storage, b"data")
        process = context.Process(target=hold_until_told, args=(storage, cache, what, ready, done))
        process.start()
        assert ready.wait(60)
        trim(cache.parent)
        assert len(names(cache)) == 1
        done.set()
        process.join()
        trim(cache.parent)
        assert names(cache) == set() and not any((cache.parent / "users").iterdir())

    def test_what_is_still_loading_stays(
        self, cache: Path, old: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", "0")
        loading = cache / "objects" / "new.parquet.0123.part"
        abandoned = cache / "objects" / "old.parquet.0123.part"
        for path in (loading, abandoned):
            path.write_bytes(b"half")
        os.utime(abandoned, (0, 0))
        trim(cache.parent)
        assert names(cache) == {loading.name}

    @pytest.mark.parametrize("size", ["", "much", "20 GiB", "-1"])
    def test_no_size(self, cache: Path, old: list[Path], size: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NEUROLAKE_CACHE_SIZE", size)
        with pytest.raises(InputError, match="NEUROLAKE_CACHE_SIZE is a size such as 50GB"):
            trim(cache.parent)
