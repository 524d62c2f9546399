"""A storage on a local or network file system, safe for any number of processes."""

import contextlib
import functools
import os
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import NotFoundError, StorageError
from .base import Storage, StoredObject

TEMPORARY = "tmp"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside others of a user's so that no reader sees a part of it, not even after a crash.

    Parameters
    ----------
    path
        The file; one that is there is replaced and its permissions kept, and where it is a link, the file that it leads to.
    content
        What it is to hold.

    Raises
    ------
    OSError
        The folder is not there or cannot be written; what was there is as it was.
    """
    with appearing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Give the place where to write a file of a user's, which takes its own place when the block ends; after an error nothing does.

    Parameters
    ----------
    path
        The file; as of `write_whole`. A device or a pipe is written as it is, and so is a file in a folder where no other can be made.

    Raises
    ------
    OSError
        The folder is not there or cannot be written; what was there is as it was.
    """
    path = path.resolve()
    if path.exists() and not (path.is_file() and os.access(path.parent, os.W_OK)):
        yield path
        return
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        # The user knows the file by its own name.
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class LocalStorage(Storage):
    """Objects as files below *root*.

    Parameters
    ----------
    root
        An existing directory.
    durable
        Whether `write` and `create` wait for the disk. Without it a power failure may lose the last
        commits or leave damaged objects, which verified reads then report.
    """

    far = False

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root
        self._durable = durable
        # What is hashed and decoded while it is in the cache of a core.
        self.run_size = 2**19
        self._unsynced: set[Path] = set()
        # Folders whose names this process has flushed, or is going to.
        self._settled = {root}
        self._flushing = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(LocalStorage, self._root, durable=self._durable), ()

    @property
    def url(self) -> str:
        return str(self._root)

    def local_path(self, key: str) -> Path:
        return self._root / key

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._opened(key) as file:
            end = os.fstat(file).st_size
            wanted = end - offset if length is None else min(length, end - offset)
            return _pread_exactly(file, wanted, offset) if wanted > 0 else b""

    def read_into(self, key: str, offset: int, room: memoryview) -> int:
        filled = 0
        with self._opened(key) as file:
            # One call reads at most 2 GiB on Linux; the rest follows.
            while filled < len(room) and (more := os.preadv(file, [room[filled:]], offset + filled)):
                filled += more
        return filled

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        """The descriptor of an object's file."""
        try:
            # Small chunks are read by the thousand: a Path and a file object would take a third of the time.
            file = os.open(f"{self._root}/{key}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield file
            finally:
                os.close(file)
        except FileNotFoundError:
            raise NotFoundError(f"{self._root}: no object {key}") from None
        except OSError as error:
            raise StorageError(f"cannot read {self._root / key}: {error.strerror}") from error

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        for key in keys:
            self._announce(key)
        return super().read_all(keys)

    def _announce(self, key: str) -> None:
        """Let the system read a file ahead: several at a time, where its disk would otherwise wait for each."""
        with contextlib.suppress(OSError, AttributeError):
            descriptor = os.open(self._root / key, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)

    def write(self, key: str, data: bytes | memoryview) -> bool:
        target = self._root / key
        # Objects are named by their content: one of the right length is the one we would write.
        absent = self.size(key) != len(data)
        if absent:
            with _mishaps(f"cannot write {target}"), self._temporary(data) as temporary:
                self._make_folder(target.parent)
                # The bytes reach the disk before the name does: a crash never leaves a hollow object.
                temporary.rename(target)
        # The first writer may not have flushed its name yet, and this process is going to refer to it.
        self._unsynced.add(target.parent)
        return absent

    def replace(self, key: str, data: bytes) -> None:
        target = self._root / key
        with _mishaps(f"cannot write {target}"), self._temporary(data) as temporary:
            self._make_folder(target.parent)
            temporary.rename(target)
        self._unsynced.add(target.parent)

    def create(self, key: str, data: bytes) -> bool:
        target = self._root / key
        with _mishaps(f"cannot write {target}"), self._temporary(data) as temporary:
            self._make_folder(target.parent)
            try:
                # link(2) fails if the name exists, atomically, on NFS too; rename(2) would replace it.
                os.link(temporary, target)
            except FileExistsError:
                return False
        self._unsynced.add(target.parent)
        self.flush()
        return True

    def delete(self, key: str) -> None:
        with _mishaps(f"cannot delete {self._root / key}"):
            (self._root / key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._root / prefix
        for parent, _, files in os.walk(folder, onerror=_unless_absent):
            relative = Path(parent).relative_to(self._root).as_posix()
            for file in files:
                # What another process deletes meanwhile is not there.
                with contextlib.suppress(FileNotFoundError):
                    status = Path(parent, file).stat()
                    modified = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield StoredObject(f"{relative}/{file}", status.st_size, modified)

    def last(self, folder: str) -> str | None:
        try:
            names = [entry.name for entry in os.scandir(self._root / folder) if not entry.is_dir()]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot list {self._root / folder}: {error.strerror}") from error
        return folder + max(names) if names else None

    def folders(self, prefix: str) -> Iterator[str]:
        try:
            return iter([entry.name for entry in os.scandir(self._root / prefix) if entry.is_dir()])
        except FileNotFoundError:
            return iter(())
        except OSError as error:
            raise StorageError(f"cannot list {self._root / prefix}: {error.strerror}") from error

    def now(self) -> datetime:
        # A file server's clock is not ours: what it says of a file written now is.
        with _mishaps(f"cannot write to {self._root}"), self._temporary(b"") as probe:
            return datetime.fromtimestamp(probe.stat().st_mtime, UTC)

    def size(self, key: str) -> int | None:
        try:
            return (self._root / key).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"cannot look at {self._root / key}: {error.strerror}") from error

    def flush(self) -> None:
        # The lock keeps a thread from returning while another one still syncs a folder that both need.
        with self._flushing, _mishaps(f"cannot flush {self._root}"):
            while self._unsynced:
                folder = self._unsynced.pop()
                try:
                    self._sync_folder(folder)
                except OSError:
                    # No later call may report that it was flushed.
                    self._unsynced.add(folder)
                    raise

    @contextlib.contextmanager
    def _temporary(self, data: bytes | memoryview) -> Iterator[Path]:
        """A file with *data*, on the disk; gone afterwards unless it was renamed."""
        folder = self._root / TEMPORARY
        self._make_folder(folder)
        path = folder / uuid.uuid4().hex
        try:
            with path.open("xb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) :]
                if self._durable:
                    os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        if folder in self._settled:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        # Its writer may not have flushed its name, and may never do so.
        self._unsynced |= {folder, folder.parent}
        self._settled.add(folder)

    def _sync_folder(self, folder: Path) -> None:
        if self._durable:
            _sync(folder)


def make_root(root: Path, *, durable: bool) -> None:
    """Make the folder of a new lake, and flush its name to the disk.

    Parameters
    ----------
    root
        The folder.
    durable
        Whether writes wait for the disk; see `LocalStorage`.

    Raises
    ------
    StorageError
        It cannot be made.
    """
    made = [folder for folder in (root, *root.parents) if not folder.exists()]
    with _mishaps(f"cannot make the folder {root}"):
        root.mkdir(parents=True, exist_ok=True)
        for folder in made if durable else ():
            _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _mishaps(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror}") from error


def _unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise StorageError(f"cannot list {error.filename}: {error.strerror}") from error


def _pread_exactly(descriptor: int, length: int, offset: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    # One call reads at most 2 GiB on Linux; the rest follows.
    while 0 < len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
