"""Copies of objects that are no files on this machine, for programs that read files in place: DuckDB, Arrow, dask.

Those of remote lakes are copied, and of local ones the Parquet files that are so small that they stand in manifests and packs.

They lie in the user's cache, and may be deleted at any time. Beyond ``NEUROLAKE_CACHE_SIZE`` (20 GB) those go that
were not asked for longest, except what a running process has asked for: each keeps a list of that, with a lock on
it that ends with the process.
"""

import atexit
import contextlib
import fcntl
import functools
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..digest import Digest, digest_of_file
from ..errors import CorruptObjectError, InputError, NotFoundError, StorageError
from ..storage.base import Storage

SIZE = 20 * 10**9
_BLOCK = 16 * 2**20
_AT_ONCE = 4
# Copies may take this part more than they should before room is made.
_SHARE = 100
_PART = ".part"
_ABANDONED = 24 * 3600
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Copies:
    """Copies of the objects of one storage.

    Parameters
    ----------
    storage
        Where the objects are.
    cache
        The lake's folder in the user's cache; the folders beside it are other lakes' and count for the size.
    """

    def __init__(self, storage: Storage, cache: Path) -> None:
        self.folder = cache / "objects"
        self._storage = storage
        self._root = cache.parent
        self._added = 0

    def path(self, key: str) -> Path:
        """Return the path of the copy of *key*, which may be missing.

        Parameters
        ----------
        key
            Key of the object in the storage.
        """
        return self.folder / Path(key).name

    def fetch(self, key: str, digest: Digest, size: int) -> bool:
        """Copy an object to this machine until this process ends; return whether it was copied, and so verified, now.

        Parameters
        ----------
        key
            Key of the object in the storage.
        digest
            Digest of the bytes.
        size
            Length in bytes.

        Raises
        ------
        CorruptObjectError
            The object is missing or damaged.
        StorageError
            There is no room for it, or it cannot be read.
        """

        def download(part: Path) -> None:
            self._download(key, size, part)
            if digest_of_file(part) != digest:
                raise CorruptObjectError(f"object {digest} in {key} is damaged")

        return self._have(key, size, download)

    def keep(
        self, key: str, size: int | None, read: Callable[[], bytes | memoryview], *, anew: bool = False
    ) -> bool:
        """Keep a copy of what *read* returns, which is verified, until this process ends; return whether it was made now.

        Parameters
        ----------
        key
            Key that the object would have as a file of its own.
        size
            Length in bytes; None for a copy of any length.
        read
            Returns the bytes.
        anew
            Whether to replace a copy that is there.

        Raises
        ------
        StorageError
            There is no room for it.
        """
        return self._have(key, size, lambda part: part.write_bytes(read()), anew=anew)

    def _have(
        self, key: str, size: int | None, make: Callable[[Path], object], *, anew: bool = False
    ) -> bool:
        path = self.path(key)
        with _mishaps(f"cannot keep a copy of {key} in {self.folder}"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with _lock(self._root, fcntl.LOCK_SH):
                _using(self._root, os.getpid()).hold(path.name)
                if not anew and _touched(path, size):
                    return False
            part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_PART}")
            try:
                make(part)
                made = part.stat().st_size
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)
            self._trim(made)
        return True

    def _trim(self, size: int) -> None:
        """Make room, but not after each of many small copies: to look at all of them takes longer than to make one."""
        self._added += size
        if self._added * _SHARE >= _limit():
            self._added = 0
            trim(self._root)

    def _download(self, key: str, size: int, part: Path) -> None:
        with part.open("xb") as file, ThreadPoolExecutor(_AT_ONCE) as pool:

            def copy(offset: int) -> None:
                data = self._storage.read(key, offset, min(_BLOCK, size - offset))
                os.pwrite(file.fileno(), data, offset)

            try:
                list(pool.map(copy, range(0, size, _BLOCK)))
            except NotFoundError as error:
                raise CorruptObjectError(f"object {key} is missing: {error}") from error


def trim(root: Path) -> None:
    """Delete the oldest unused copies of all lakes below *root* until the rest is small enough.

    Parameters
    ----------
    root
        Folder of the copies.
    """
    limit = _limit()
    with _lock(root, fcntl.LOCK_EX):
        found = sorted(_copies(root))
        excess = sum(size for _, size, _ in found) - limit
        used = _used(root) if excess > 0 else set()
        for used_at, size, path in found:
            if excess <= 0:
                break
            loading = path.suffix == _PART and used_at > time.time() - _ABANDONED
            if path.name not in used and not loading:
                path.unlink(missing_ok=True)
                excess -= size


class _Using:
    """The list of copies that this process uses."""

    def __init__(self, root: Path) -> None:
        folder = root / "users"
        folder.mkdir(exist_ok=True)
        # It stays open, and locked, as long as the process lives.
        self._file = (folder / uuid.uuid4().hex).open("ab", buffering=0)
        atexit.register(self._file.close)
        self._held: set[str] = set()
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def hold(self, name: str) -> None:
        """Add a copy."""
        if name not in self._held:
            self._file.write(f"{name}\n".encode())
            self._held.add(name)


@functools.cache
def _using(root: Path, process: int) -> _Using:
    """The list of *process*, which is this one: a fork makes its own."""
    return _Using(root)


def _used(root: Path) -> set[str]:
    names: set[str] = set()
    for path in (root / "users").glob("*"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                names.update(file.read().decode().splitlines())
            else:
                path.unlink()
    return names


def _copies(root: Path) -> Iterator[tuple[float, int, Path]]:
    for path in root.glob("*/objects/*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            yield status.st_atime, status.st_size, path


def _touched(path: Path, size: int | None) -> bool:
    try:
        status = path.stat()
        # Many file systems do not note when a file is read.
        os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
    except FileNotFoundError:
        return False
    return size is None or status.st_size == size


def _limit() -> int:
    text = os.environ.get("NEUROLAKE_CACHE_SIZE", str(SIZE))
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([kMGT]?)B?", text.strip())
    if match is None:
        raise InputError(f"NEUROLAKE_CACHE_SIZE is a size such as 50GB or 500MB, not {text!r}")
    return int(float(match[1]) * _UNITS[match[2]])


@contextlib.contextmanager
def _lock(root: Path, kind: int) -> Iterator[None]:
    with (root / "lock").open("ab") as file:
        # A file system without locks has to do without: then a copy may go that is about to be read.
        with contextlib.suppress(OSError):
            fcntl.flock(file, kind)
        yield


@contextlib.contextmanager
def _mishaps(what: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror}; NEUROLAKE_CACHE names another place") from error
