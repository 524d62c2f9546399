"""Remote Parquet files for DuckDB, without any extension of it: ranges of objects, and copies of small ones.

DuckDB reads one handle from several threads at once, seeking and then reading; a handle's position is therefore
one for each thread, and reads name their offset.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from ..lake import Table
from ..lake.errors import CorruptObjectError, NotFoundError
from ..lake.nodes.entry import Entry
from ..lake.objects.store import ObjectStore, object_key
from ..lake.storage.base import Storage
from .httpfs import Httpfs

PROTOCOL = "neurolake"
BLOCK = 256 * 2**10
MEMORY = 256 * 2**20
# A file this small is copied whole: that takes no longer than the requests of a narrow question.
WHOLE = 8 * 2**20
# Of a larger one, this part may be fetched in ranges before it is copied.
SHARE = 0.5
_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)

_Key = tuple[str, int]


class Blocks:
    """Blocks of objects in memory, those that were asked for longest ago dropped; threads wait for one another.

    Parameters
    ----------
    storage
        Where the objects are.
    memory
        Bytes to keep. What is on its way comes on top.
    size
        Bytes in a block.
    """

    def __init__(self, storage: Storage, *, memory: int, size: int) -> None:
        self.size = size
        self._storage = storage
        self._most = max(1, memory // size)
        self._blocks: OrderedDict[_Key, Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._blocks)

    def read(self, key: str, offset: int, length: int) -> tuple[bytes, int]:
        """Return bytes of an object, and how many were fetched for them.

        Parameters
        ----------
        key
            Key of the object in the storage.
        offset
            Where the bytes begin.
        length
            Number of bytes.

        Raises
        ------
        CorruptObjectError
            The object is missing or shorter.
        """
        wanted = self._numbers(offset, length)
        with self._lock:
            found = {number: self._blocks.get((key, number)) for number in wanted}
            missing = [number for number, block in found.items() if block is None]
            for number in missing:
                found[number] = self._blocks[key, number] = Future()
            for number in wanted:
                self._blocks.move_to_end((key, number))
        fetched = sum(self._fetch(key, run, found) for run in _runs(missing))
        data = b"".join(block.result() for block in found.values() if block is not None)
        self._drop()
        start = offset - wanted.start * self.size
        if len(data) < start + length:
            raise CorruptObjectError(f"object {key} is shorter than its manifest says")
        return data[start : start + length], fetched

    def missing(self, key: str, offset: int, length: int) -> int:
        """Estimate how many bytes `read` would have to fetch.

        Parameters
        ----------
        key
            Key of the object in the storage.
        offset
            Where the bytes begin.
        length
            Number of bytes.
        """
        return self.size * sum((key, number) not in self._blocks for number in self._numbers(offset, length))

    def _numbers(self, offset: int, length: int) -> range:
        return range(offset // self.size, -(-(offset + length) // self.size))

    def _fetch(self, key: str, run: range, found: dict[int, Future[bytes] | None]) -> int:
        """Fill the blocks of a run, with one request."""
        blocks = [block for number in run if (block := found[number]) is not None]
        try:
            data = self._storage.read(key, run.start * self.size, len(run) * self.size)
        except BaseException as error:  # noqa: BLE001 - it is raised to the waiting threads
            with self._lock:
                for number in run:
                    self._blocks.pop((key, number), None)
            told = CorruptObjectError(f"object {key} is missing: {error}")
            for block in blocks:
                block.set_exception(told if isinstance(error, NotFoundError) else error)
            return 0
        for at, block in enumerate(blocks):
            block.set_result(data[at * self.size : (at + 1) * self.size])
        return len(data)

    def _drop(self) -> None:
        with self._lock:
            done = (key for key, block in self._blocks.items() if block.done())
            for key in [key for key, _ in zip(done, range(len(self._blocks) - self._most), strict=False)]:
                del self._blocks[key]


class RemoteFile:
    """An object that DuckDB reads: in ranges at first, from a verified copy before half of it was fetched.

    Parameters
    ----------
    entry, objects
        Which.
    blocks
        What fetches ranges.
    """

    def __init__(self, entry: Entry, objects: ObjectStore, blocks: Blocks) -> None:
        self.size = entry.size
        self._key = object_key(entry.digest, entry.place.suffix)
        self._copy: Callable[[], Path] = lambda: objects.verified_path(entry.digest, entry.size, entry.place)
        self._blocks = blocks
        self._fetched = 0
        self._copied: int | None = None
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if self._copied is not None:
            os.close(self._copied)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, fewer at the end of the file.

        Parameters
        ----------
        offset
            Where the bytes begin.
        length
            Number of bytes.
        """
        length = max(0, min(length, self.size - offset))
        copied = self._copied
        if copied is None and self._would_fetch(offset, length) > SHARE * self.size:
            copied = self._whole()
        if copied is not None:
            return os.pread(copied, length, offset)
        data, fetched = self._blocks.read(self._key, offset, length)
        with self._lock:
            self._fetched += fetched
        return data

    def _would_fetch(self, offset: int, length: int) -> int:
        return self._fetched + self._blocks.missing(self._key, offset, length)

    def _whole(self) -> int:
        with self._lock:
            if self._copied is None:
                self._copied = os.open(self._copy(), os.O_RDONLY)
            return self._copied


class Handle:
    """An open remote file, with a position for each thread.

    Parameters
    ----------
    file
        The file to read.
    """

    mode = "rb"

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._position = threading.local()
        self.closed = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset.

        Parameters
        ----------
        offset
            Number of bytes from where *whence* says.
        whence
            As of `io.IOBase.seek`.
        """
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._file.size}[whence]
        self._position.at = base + offset
        return self.tell()

    def tell(self) -> int:
        """This thread's position."""
        return int(getattr(self._position, "at", 0))

    def read(self, length: int = -1) -> bytes:
        """Read bytes from this thread's position on.

        Parameters
        ----------
        length
            Number of bytes; negative for all up to the end.
        """
        at = self.tell()
        data = self._file.read(at, self._file.size - at if length < 0 else length)
        self._position.at = at + len(data)
        return data

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Nothing is kept open."""
        self.closed = True


class RemoteFiles(AbstractFileSystem):  # type: ignore[misc]
    """The remote files that a catalog has given out, as ``neurolake://<digest>.parquet``; nothing else.

    Which way a file is read is decided by what it costs. A file of at most `WHOLE` bytes is copied to this
    machine and verified; it stays in the user's cache for the next time. Of a larger one only the ranges that
    DuckDB asks for are fetched, by way of at most `MEMORY` bytes of blocks: these have no digest of their own
    and are not verified beyond what the server and the transport do. Before half of it has been fetched, it is
    copied, verified and read from here. With the policy ``always`` of `lake.objects.ObjectStore` every file
    is copied and verified first. Where DuckDB reads S3 itself (`httpfs.Httpfs`), it does so in the place of ranges.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, objects: ObjectStore) -> None:
        super().__init__()
        self.httpfs = Httpfs.of(objects.storage.url)
        self._objects = objects
        self._blocks = Blocks(objects.storage, memory=MEMORY, size=BLOCK)
        self._files: dict[str, RemoteFile] = {}

    def paths(self, table: Table, files: Sequence[Entry] | None = None) -> list[str]:
        """Return what DuckDB is to read for the rows of a table: verified copies, and URLs of this file system.

        Parameters
        ----------
        table
            The table to read.
        files
            Entries of the table; all by default.
        """

        def single(some: Sequence[Entry]) -> list[str]:
            whole = [entry for entry in some if self._is_copied_first(entry)]
            copies = {entry.digest: path for entry, path in zip(whole, table.paths(whole), strict=True)}
            return [copies.get(entry.digest) or self._url(entry) for entry in some]

        return table.scan_paths(files, single)

    def _is_copied_first(self, entry: Entry) -> bool:
        if entry.size <= WHOLE or not entry.place.alone or self._objects.verification == "always":
            return True
        return self._objects.local_path(entry.digest, entry.place).exists()

    def _url(self, entry: Entry) -> str:
        if self.httpfs is not None:
            return f"{self.httpfs.root}/{object_key(entry.digest, entry.place.suffix)}"
        url = f"{PROTOCOL}://{entry.digest}.parquet"
        self._files.setdefault(url, RemoteFile(entry, self._objects, self._blocks))
        return url

    def open(self, path: str, mode: str = "rb", **_: Any) -> Handle:
        """Open a file for reading."""
        if mode != "rb" or path not in self._files:
            raise FileNotFoundError(path)
        return Handle(self._files[path])

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name and size of a file."""
        if path not in self._files:
            raise FileNotFoundError(path)
        return {"name": path, "size": self._files[path].size, "type": "file"}

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether `paths` has returned a file of that name."""
        return path in self._files

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the file itself: names have no patterns."""
        return [path] if path in self._files else []

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Nothing: files are not listed."""
        return []

    def modified(self, path: str) -> datetime:
        """Return always the same time: objects never change."""
        return _MOMENT


def _runs(numbers: list[int]) -> Iterator[range]:
    """Runs of numbers that follow one another."""
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield range(numbers[start], numbers[at - 1] + 1)
            start = at
