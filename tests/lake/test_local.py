"""The local storage: six verbs, exclusive creation, errors that say what failed."""

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from neurolake.lake import Lake
from neurolake.lake.errors import InputError, NotFoundError, StorageError
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage


@pytest.fixture(params=[True, False], ids=["durable", "quick"])
def storage(tmp_path: Path, request: pytest.FixtureRequest) -> LocalStorage:
    return LocalStorage(tmp_path, durable=request.param)


def keys(storage: Storage, prefix: str) -> set[str]:
    return {stored.key for stored in storage.list(prefix)}


class TestVerbs:
    def test_read(self, storage: LocalStorage) -> None:
        storage.write("a/b", b"0123456789")
        assert storage.read("a/b") == b"0123456789"
        assert storage.read("a/b", 3) == b"3456789"
        assert storage.read("a/b", 3, 4) == b"3456"
        assert storage.read("a/b", 8, 100) == b"89"
        assert storage.read("a/b", 11, 1) == b""
        assert storage.read("a/b", 2**62, 2**62) == b""

    def test_read_what_is_not_there(self, storage: LocalStorage) -> None:
        with pytest.raises(NotFoundError, match="no object a/b"):
            storage.read("a/b")

    def test_size(self, storage: LocalStorage) -> None:
        storage.write("a", b"123")
        storage.write("empty", b"")
        assert (storage.size("a"), storage.size("empty"), storage.size("b")) == (3, 0, None)

    def test_list(self, storage: LocalStorage) -> None:
        for key in ("a/1", "a/b/2", "ab/3"):
            storage.write(key, b"x")
        assert keys(storage, "a/") == {"a/1", "a/b/2"}
        assert keys(storage, "absent/") == set()

    def test_write_again_changes_nothing(self, storage: LocalStorage, tmp_path: Path) -> None:
        storage.write("a", b"123")
        before = (tmp_path / "a").stat()
        storage.write("a", b"123")
        assert (tmp_path / "a").stat().st_ino == before.st_ino

    def test_write_mends_what_was_cut_short(self, storage: LocalStorage, tmp_path: Path) -> None:
        storage.write("a", b"123")
        (tmp_path / "a").write_bytes(b"1")
        storage.write("a", b"123")
        assert storage.read("a") == b"123"

    def test_write_takes_any_buffer(self, storage: LocalStorage) -> None:
        storage.write("a", memoryview(b"123")[1:])
        assert storage.read("a") == b"23"

    def test_nothing_temporary_stays(self, storage: LocalStorage, tmp_path: Path) -> None:
        storage.write("a", b"1")
        storage.create("b", b"1")
        storage.create("b", b"2")
        assert not list((tmp_path / "tmp").iterdir())

    def test_local_path(self, storage: LocalStorage, tmp_path: Path) -> None:
        storage.write("a/b", b"1")
        assert storage.local_path("a/b") == tmp_path / "a/b"
        assert storage.url == str(tmp_path)

    def test_pickle(self, storage: LocalStorage) -> None:
        storage.write("a", b"1")
        copy = pickle.loads(pickle.dumps(storage))
        copy.write("b", b"2")
        copy.flush()
        assert copy.read("a") == b"1" and storage.read("b") == b"2"


CREATE = """
import sys
from pathlib import Path
from neurolake.lake.storage.local import LocalStorage
sys.exit(not LocalStorage(Path(sys.argv[1])).create("log/0", sys.argv[2].encode()))
"""


class TestCreate:
    def test_second_is_refused(self, storage: LocalStorage) -> None:
        assert storage.create("log/0", b"first") is True
        assert storage.create("log/0", b"second") is False
        assert storage.read("log/0") == b"first"

    def test_one_thread_wins(self, storage: LocalStorage) -> None:
        won: list[bytes] = []
        start = threading.Barrier(8)

        def create(mine: bytes) -> None:
            start.wait()
            if storage.create("log/0", mine):
                won.append(mine)

        threads = [threading.Thread(target=create, args=(bytes([at]) * 1000,)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert storage.read("log/0") == won[0]

    def test_one_process_wins(self, tmp_path: Path) -> None:
        mine = [str(at) * 1000 for at in range(3)]
        processes = [subprocess.Popen([sys.executable, "-c", CREATE, str(tmp_path), text]) for text in mine]
        won = [text for text, process in zip(mine, processes, strict=True) if process.wait() == 0]
        assert [LocalStorage(tmp_path).read("log/0").decode()] == won


class TestFlush:
    @pytest.fixture
    def synced(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        folders: list[Path] = []
        monkeypatch.setattr(LocalStorage, "_sync_folder", lambda self, folder: folders.append(folder))
        return folders

    def test_every_new_name_is_flushed(self, tmp_path: Path, synced: list[Path]) -> None:
        """The folder of the object, and each folder made for it."""
        storage = LocalStorage(tmp_path)
        storage.write("objects/ab/x", b"1")
        assert not synced
        storage.flush()
        assert {tmp_path, tmp_path / "objects", tmp_path / "objects/ab"} <= set(synced)

    def test_a_created_record_is_flushed_at_once(self, tmp_path: Path, synced: list[Path]) -> None:
        LocalStorage(tmp_path).create("log/main/0", b"1")
        assert {tmp_path, tmp_path / "log", tmp_path / "log/main"} <= set(synced)

    def test_what_others_wrote_is_flushed_too(self, tmp_path: Path, synced: list[Path]) -> None:
        """Another process may have written the object and not flushed its name yet."""
        LocalStorage(tmp_path).write("objects/ab/x", b"1")
        storage = LocalStorage(tmp_path)
        storage.write("objects/ab/x", b"1")
        storage.flush()
        assert tmp_path / "objects/ab" in synced

    def test_threads_flush_together(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path)

        def work(at: int) -> None:
            for step in range(20):
                storage.write(f"{at}/{step}/x", b"1")
                storage.flush()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert len(keys(storage, "")) == 80


class TestMishaps:
    """The tests may run as root, whom no permission stops: a path below a file stops everybody."""

    @pytest.fixture
    def blocked(self, tmp_path: Path) -> LocalStorage:
        (tmp_path / "objects").write_bytes(b"a file where a folder should be")
        return LocalStorage(tmp_path)

    @pytest.mark.parametrize(
        ("do", "message"),
        [
            (lambda storage: storage.write("objects/ab/x", b"1"), "objects/ab/x"),
            (lambda storage: storage.create("objects/ab/x", b"1"), "objects/ab/x"),
            (lambda storage: storage.read("objects/ab/x"), "cannot read .*objects/ab/x: Not a directory"),
            (lambda storage: storage.size("objects/ab/x"), "cannot look at .*: Not a directory"),
            (
                lambda storage: [stored.key for stored in storage.list("objects/ab")],
                "cannot list .*: Not a directory",
            ),
        ],
        ids=["write", "create", "read", "size", "list"],
    )
    def test_below_a_file(
        self, blocked: LocalStorage, do: Callable[[LocalStorage], object], message: str
    ) -> None:
        with pytest.raises(StorageError, match=message):
            do(blocked)

    def test_read_a_folder(self, storage: LocalStorage, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        with pytest.raises(StorageError, match="Is a directory"):
            storage.read("folder")

    def test_no_room_for_the_temporary(self, tmp_path: Path) -> None:
        (tmp_path / "tmp").write_bytes(b"")
        with pytest.raises(StorageError, match=r"cannot write .*x"):
            LocalStorage(tmp_path).write("x", b"1")
        assert not (tmp_path / "x").exists()

    def test_failed_commit_changes_nothing(self, lake: Lake) -> None:
        root = Path(lake.url)
        with lake.transaction("first") as tx:
            tx.put_file("a", b"1")
        before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        (root / "packs").write_bytes(b"in the way")
        with pytest.raises(StorageError, match="packs"), lake.transaction("second") as tx:
            tx.put_file("a", bytes(1000))
        (root / "packs").unlink()
        assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
        assert Lake.open(root)["a"] == b"1"

    def test_lake_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(InputError, match="exists and is not an empty folder"):
            Lake.create(tmp_path / "file")
        with pytest.raises(StorageError, match="cannot make the folder"):
            Lake.create(tmp_path / "file/lake")
        with pytest.raises(NotFoundError, match="is not a lake"):
            Lake.open(tmp_path / "file/lake")
        with pytest.raises(NotFoundError, match="is not a lake"):
            Lake.open(tmp_path / "file")
