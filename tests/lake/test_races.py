"""Many writers, lost answers, readers meanwhile; and media that fail: a clear error, and the lake as it was."""

import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commit_race import check_race
from failing_storage import FailingStorage
from lake_contents import commit, contents, rows

from neurolake.lake import Lake, Transaction
from neurolake.lake.errors import ConflictError, FormatError, NeurolakeError, StorageError
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage

WRITERS, COMMITS = (8, 50) if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else (4, 12)


def everything(tx: Transaction) -> None:
    tx.write_array("a", np.arange(1000), chunks=(100,))
    tx.write_table("t", rows(1, 2))
    tx.put_file("f", bytes(1000))


def more(tx: Transaction) -> None:
    tx.append_array("a", np.arange(500))
    tx.append_table("t", rows(3))
    tx.put_file("g", b"g" * 1000)


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


class FullStorage(FailingStorage):
    """A storage with room for so many bytes."""

    def __init__(self, inner: Storage, room: int) -> None:
        super().__init__(inner, 10**9, "stop")
        self.room = room

    def write(self, key: str, data: bytes | memoryview) -> bool:
        if len(data) > self.room:
            raise StorageError(f"cannot write {key}: No space left on device")
        self.room -= len(data)
        return super().write(key, data)


class TestRaces:
    def test_processes(self, tmp_path: Path) -> None:
        check_race(str(tmp_path / "lake"), WRITERS, COMMITS)

    @pytest.mark.parametrize("grace", [timedelta(0), timedelta(seconds=0.1)], ids=["none", "short"])
    def test_collecting_all_the_while(self, tmp_path: Path, grace: timedelta) -> None:
        """Garbage is collected without a grace period, or one that is shorter than some transactions."""
        check_race(str(tmp_path / "lake"), WRITERS, COMMITS, grace=grace)

    def test_branches_merge_at_once(self, lake: Lake) -> None:
        """Threads commit to branches of their own and merge these into main: every row is there once."""
        commit(lake, everything)

        def work(at: int) -> None:
            mine = Lake.open(lake.url, durable=False)
            mine.branches.create(f"b{at}")
            for step in range(4):
                value = 10 * (at + 1) + step
                with mine.transaction("own", branch=f"b{at}") as tx:
                    tx.append_table("t", rows(value))
                    tx.append_array("a", np.full(100, value))
                mine.merge(f"b{at}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        values = sorted(10 * (at + 1) + step for at in range(4) for step in range(4))
        found = contents(Lake.open(lake.url).head)
        assert sorted(row["x"] for row in found["t"]) == [1, 2, *values]
        assert sorted(found["a"][1000:]) == [value for value in values for _ in range(100)]

    def test_readers_meanwhile(self, lake: Lake) -> None:
        """What is written together is seen together, in every commit and through every handle."""
        commit(lake, lambda tx: (tx.write_table("t", rows(0)), tx.write_array("a", [0], chunks=(1,))))
        done = threading.Event()

        def read(handle: Lake) -> int:
            seen = 0
            while not done.is_set():
                found = contents(handle.head)
                assert [row["x"] for row in found["t"]] == found["a"] == list(range(len(found["a"])))
                seen = max(seen, len(found["a"]))
            return seen

        def write() -> None:
            try:
                for step in range(1, 40):
                    commit(
                        lake, lambda tx, s=step: (tx.append_table("t", rows(s)), tx.append_array("a", [s]))
                    )  # type: ignore[misc]
            finally:
                done.set()

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read, handle) for handle in (lake, Lake.open(lake.url))]
            pool.submit(write).result()
            assert max(reader.result() for reader in readers) > 1


class TestLostAnswers:
    """The storage creates a record and says that it failed."""

    @pytest.fixture
    def lossy(self, lake: Lake) -> Callable[[int], Lake]:
        commit(lake, everything)

        def lossy(nth: int) -> Lake:
            return Lake(FailingStorage(LocalStorage(Path(lake.url), durable=False), nth, "lost", dead=False))

        return lossy

    def test_commit(self, lake: Lake, lossy: Callable[[int], Lake]) -> None:
        record = commit(lossy(0), more)
        assert record.id == lake.head.commit.id and len(lake.log()) == 3
        assert [row["x"] for row in contents(lake.head)["t"]] == [1, 2, 3]

    def test_commits_go_on(self, lake: Lake, lossy: Callable[[int], Lake]) -> None:
        handle = lossy(1)
        for _ in range(3):
            commit(handle, lambda tx: tx.append_table("t", rows(3)))
        assert [row["x"] for row in contents(lake.head)["t"]] == [1, 2, 3, 3, 3]
        assert len(lake.log()) == 5

    @pytest.mark.parametrize(
        "act",
        [
            lambda lake: lake.branches.create("side"),
            lambda lake: lake.tags.create("v1"),
            lambda lake: lake.revert("main"),
            lambda lake: lake.branches.move("main", "main~1", force=True),
        ],
        ids=["branch", "tag", "revert", "move"],
    )
    def test_names(self, lake: Lake, lossy: Callable[[int], Lake], act: Callable[[Lake], Any]) -> None:
        before = len(files(Path(lake.url)))
        act(lossy(0))
        names = [path for path in files(Path(lake.url)) if path.startswith(("log/", "tags/"))]
        assert len(names) == 3 and len(files(Path(lake.url))) == before + 1

    def test_when_nothing_answers_any_more(self, lake: Lake) -> None:
        """The outcome is not known; trying again, once the storage is back, makes no second commit."""
        commit(lake, everything)
        storage = FailingStorage(LocalStorage(Path(lake.url), durable=False), 0, "lost")
        tx = Lake(storage).transaction("more")
        more(tx)
        for _ in range(2):
            with pytest.raises(StorageError):
                tx.commit()
        assert len(lake.log()) == 3
        storage._dead = False
        tx.commit()
        assert len(lake.log()) == 3 and tx.committed == lake.head.commit
        tx.append_table("t", rows(4))
        tx.commit()
        assert [row["x"] for row in contents(lake.head)["t"]] == [1, 2, 3, 4] and len(lake.log()) == 4

    def test_what_was_edited_meanwhile(self, lake: Lake) -> None:
        commit(lake, everything)
        storage = FailingStorage(LocalStorage(Path(lake.url), durable=False), 0, "lost")
        tx = Lake(storage).transaction("more")
        more(tx)
        with pytest.raises(StorageError):
            tx.commit()
        storage._dead = False
        commit(lake, lambda other: other.append_table("t", rows(9)))
        tx.append_table("t", rows(4))
        tx.put_file("h", b"h")
        tx.commit()
        found = contents(Lake.open(lake.url).head)
        assert [row["x"] for row in found["t"]] == [1, 2, 3, 9, 4] and found["h"] == b"h"
        assert len(lake.log()) == 5

    def test_another_was_first(self, lake: Lake, lossy: Callable[[int], Lake]) -> None:
        tx = lossy(0).transaction("second")
        tx.append_table("t", rows(4))
        commit(lake, lambda other: other.append_table("t", rows(3)))
        tx.commit()
        assert [row["x"] for row in contents(lake.head)["t"]] == [1, 2, 3, 4] and len(lake.log()) == 4


class TestMedia:
    @pytest.fixture
    def built(self, lake: Lake) -> Lake:
        commit(lake, everything)
        return lake

    def unchanged(self, lake: Lake, before: dict[str, bytes], old: dict[str, Any]) -> None:
        assert contents(Lake.open(lake.url, verification="always").head) == old
        records = {
            name: data for name, data in files(Path(lake.url)).items() if name.startswith(("log", "tags"))
        }
        assert records == {name: data for name, data in before.items() if name.startswith(("log", "tags"))}

    @pytest.mark.parametrize("room", [0, 100, 1000])
    def test_disk_full(self, built: Lake, room: int) -> None:
        before, old = files(Path(built.url)), contents(built.head)
        storage = FullStorage(LocalStorage(Path(built.url), durable=False), room)
        handle = Lake(storage)
        with pytest.raises(StorageError, match="No space left on device"):
            commit(handle, more)
        self.unchanged(built, before, old)
        storage.room = 10**9
        commit(handle, more)
        assert contents(built.head)["g"] == b"g" * 1000

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """A file system of 1 MiB."""
        folder = tmp_path / "small"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
            pytest.skip("mounting a small file system needs root")
        yield folder
        subprocess.run(["umount", str(folder)], check=True)

    def test_a_disk_that_is_full(self, small_disk: Path) -> None:
        lake = Lake.create(small_disk / "lake")
        commit(lake, everything)
        old = contents(lake.head)
        before = files(small_disk / "lake")
        for step in range(3):
            large = np.random.default_rng(step).bytes(2 * 2**20)
            with (
                pytest.raises(StorageError, match="No space left on device"),
                lake.transaction("large") as tx,
            ):
                tx.put_file("large", large)
            self.unchanged(lake, before, old)
        assert not list((small_disk / "lake/tmp").iterdir())
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(2**21))
        with pytest.raises(StorageError, match="No space left on device"):
            commit(lake, more)
        self.unchanged(lake, before, old)
        filler.unlink()
        commit(lake, more)
        assert not Lake.open(small_disk / "lake").verify().damages

    def test_read_only(self, small_disk: Path) -> None:
        lake = Lake.create(small_disk / "lake")
        commit(lake, everything)
        before, old = files(small_disk / "lake"), contents(lake.head)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        acts: tuple[Callable[[Lake], Any], ...] = (
            lambda handle: commit(handle, more),
            lambda handle: handle.tags.create("v1"),
            lambda handle: handle.revert("main"),
        )
        for handle, act in itertools.product((lake, Lake.open(small_disk / "lake")), acts):
            assert contents(handle.head) == old and not handle.verify().damages
            with pytest.raises(StorageError, match="Read-only file system"):
                act(handle)
        with pytest.raises(StorageError, match="Read-only file system"):
            Lake.create(small_disk / "other")
        assert files(small_disk / "lake") == before

    def test_permission_denied(self, built: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        before, old = files(Path(built.url)), contents(built.head)

        def refuse(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        for name, act in (
            ("rename", lambda: commit(built, more)),
            ("link", lambda: commit(built, more)),
            ("link", lambda: built.branches.create("side")),
            ("mkdir", lambda: built.branches.create("other")),
        ):
            with monkeypatch.context() as patch, pytest.raises(StorageError, match="Permission denied"):
                patch.setattr(os, name, refuse)
                act()
            self.unchanged(built, before, old)
        commit(built, more)

    @pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root may write everywhere")
    def test_permissions(self, built: Lake) -> None:
        folder = Path(built.url) / "log/main"
        old = contents(built.head)
        folder.chmod(0o500)
        try:
            with pytest.raises(StorageError, match="Permission denied"):
                commit(built, more)
            assert contents(Lake.open(built.url).head) == old
        finally:
            folder.chmod(0o700)

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"mine")
        for act in (
            Lake.create,
            Lake.open,
            lambda where: Lake.create(where / "lake"),
            lambda where: Lake.open(where / "x"),
        ):
            with pytest.raises(NeurolakeError):
                act(path)
        assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("folder", ["packs", "objects", "log/side", "tags", "tmp"])
    def test_a_file_where_a_folder_belongs(self, built: Lake, folder: str) -> None:
        path = Path(built.url) / folder
        if path.is_dir():
            shutil.move(path, path.with_name("aside"))
        path.write_bytes(b"in the way")

        def act() -> None:
            commit(
                built, lambda tx: (tx.put_file("large", np.random.default_rng(0).bytes(9 * 2**20)), more(tx))
            )
            built.branches.create("side")
            built.tags.create("v1")

        with pytest.raises(NeurolakeError):
            act()
        path.unlink()
        if path.with_name("aside").exists():
            shutil.move(path.with_name("aside"), path)
        assert not Lake.open(built.url).verify().damages

    def test_a_newer_format(self, built: Lake) -> None:
        marker = Path(built.url) / "neurolake.json"
        marker.write_bytes(marker.read_bytes().replace(b'"format":2', b'"format":3'))
        before = files(Path(built.url))
        with pytest.raises(
            FormatError, match=r"has format 3 .* reads formats 1 to 2 .*: install a newer one"
        ):
            Lake.open(built.url)
        assert files(Path(built.url)) == before


def test_a_lake_that_went(lake: Lake) -> None:
    """Nothing is acknowledged of a lake whose folder is gone, as when a file server is."""
    commit(lake, everything)
    shutil.rmtree(lake.url)
    with pytest.raises(StorageError):
        commit(lake, more)
    assert not Path(lake.url).exists()


def test_conflicts_leave_no_trace(lake: Lake) -> None:
    commit(lake, everything)
    loser = lake.transaction("loser")
    loser.put_file("f", b"loser")
    loser.put_file("new", b"new")
    commit(lake, lambda tx: tx.put_file("f", b"winner"))
    before = contents(lake.head)
    with pytest.raises(ConflictError):
        loser.commit()
    records = lake.log()
    assert contents(Lake.open(lake.url).head) == before and len(records) == 3
    assert all(one.parents == (other.reference,) for one, other in itertools.pairwise(records))
