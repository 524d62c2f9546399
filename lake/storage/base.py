"""What the lake needs of a storage: a few verbs on keys and bytes, and nothing about their meaning.

Keys are relative POSIX paths that the lake makes itself (digests, numbers, checked branch names).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import NotFoundError


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object in a storage: `modified` is when it was last written, by the storage's clock (UTC)."""

    key: str
    size: int
    modified: datetime


class Storage(ABC):
    """Bytes by key. Everything but a log record is immutable and named by its content.

    Attributes
    ----------
    far
        Whether requests take long because of the way to the storage, so that many are made at once.
    """

    far: bool = True

    run_size = 2 * 2**20
    """Bytes that are best read at once: enough for a store far away to be worth one request."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where this is; opening it again gives the same bytes."""

    @abstractmethod
    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read the bytes of an object, or a part of them; fewer where the object ends sooner.

        Parameters
        ----------
        key
            Key of the object in the storage.
        offset
            Where the bytes begin.
        length
            How many bytes; None for all up to the end.

        Raises
        ------
        NotFoundError
            There is no such key.
        StorageError
            The medium failed.
        """

    def read_into(self, key: str, offset: int, room: memoryview) -> int:
        """Read a part of an object into memory; return how many bytes there were.

        Parameters
        ----------
        key
            Key of the object in the storage.
        offset
            Where the bytes begin.
        room
            Where they go, as many as fit.

        Raises
        ------
        NotFoundError
            There is no such key.
        StorageError
            The medium failed.
        """
        data = self.read(key, offset, len(room))
        room[: len(data)] = data
        return len(data)

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read several small objects at once; None for those that are missing.

        Parameters
        ----------
        keys
            Keys of the storage.
        """
        return [self._read_if_there(key) for key in keys]

    def _read_if_there(self, key: str) -> bytes | None:
        try:
            return self.read(key)
        except NotFoundError:
            return None

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Return the lengths of several objects, asked at once; None for those that are missing.

        Parameters
        ----------
        keys
            Keys of the storage.

        Raises
        ------
        StorageError
            The medium failed.
        """
        return [self.size(key) for key in keys]

    @abstractmethod
    def write(self, key: str, data: bytes | memoryview) -> bool:
        """Store an immutable object; False if one of that key and length exists, which stays.

        Parameters
        ----------
        key
            Key of the object in the storage.
        data
            All bytes of the object.
        """

    @abstractmethod
    def create(self, key: str, data: bytes) -> bool:
        """Store *data* durably if *key* is absent, in one atomic step; False if it was present.

        Parameters
        ----------
        key
            Key of the object in the storage.
        data
            All bytes of the object.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is missing is no error.

        Parameters
        ----------
        key
            Key of the object in the storage.
        """

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete several objects at once; those that are missing are no error.

        Parameters
        ----------
        keys
            Keys of the storage.

        Raises
        ------
        StorageError
            The medium failed; some of them may be left.
        """
        for key in keys:
            self.delete(key)

    @abstractmethod
    def replace(self, key: str, data: bytes) -> None:
        """Replace an object in one atomic step: readers get either the old or the new bytes.

        For repair only: the old bytes are damaged, and *data* has the digest of the key. No other process writes to an existing
        key, and two processes that repair the same object store the same bytes.

        Parameters
        ----------
        key
            Key of the object in the storage.
        data
            All bytes of the object.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """List the objects whose keys start with *prefix*, in no particular order.

        Parameters
        ----------
        prefix
            First part of the keys; ends in ``/``.
        """

    @abstractmethod
    def last(self, folder: str) -> str | None:
        """Return the greatest key directly in a folder; None if it is empty.

        Parameters
        ----------
        folder
            First part of the keys; ends in ``/``.

        Raises
        ------
        StorageError
            The medium failed.
        """

    def folders(self, prefix: str) -> Iterator[str]:
        """List the names of the folders directly below *prefix*.

        Parameters
        ----------
        prefix
            First part of the keys; ends in ``/``.

        Raises
        ------
        StorageError
            The medium failed.
        """
        keys = (stored.key for stored in self.list(prefix))
        return iter({key.removeprefix(prefix).split("/", 1)[0] for key in keys})

    @abstractmethod
    def now(self) -> datetime:
        """Return the time (UTC) by the storage's clock, which `StoredObject.modified` uses."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the length of an object in bytes; None if it is missing.

        Parameters
        ----------
        key
            Key of the object in the storage.

        Raises
        ------
        StorageError
            The medium failed.
        """

    @abstractmethod
    def flush(self) -> None:
        """Return when everything written so far survives a power failure."""

    def secure(self, key: str) -> None:
        """Make a record that another process has created survive a power failure: its creator may not have done so yet.

        Parameters
        ----------
        key
            Key of the record in the storage.

        Raises
        ------
        NotFoundError
            There is no such key.
        """
        self.write(key, self.read(key))
        self.flush()

    def local_path(self, key: str) -> Path | None:
        """Return the file that holds an object, if the storage is a local disk that others may read in place.

        Parameters
        ----------
        key
            Key of the object in the storage.
        """
        return None
