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
    """Bytes by key. Everything but a log record is immutable and named by its content."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where this is; opening it again gives the same bytes."""

    @abstractmethod
    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of *key*, or *length* of them from *offset*; fewer where the object ends sooner.

        Raises
        ------
        NotFoundError
            There is no such key.
        """

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Bytes of several small objects, None for those that are not there; faster than one after the other."""
        return [self._read_if_there(key) for key in keys]

    def _read_if_there(self, key: str) -> bytes | None:
        try:
            return self.read(key)
        except NotFoundError:
            return None

    @abstractmethod
    def write(self, key: str, data: bytes | memoryview) -> bool:
        """Store an immutable object; False if one of that key and length was there, which is left alone."""

    @abstractmethod
    def create(self, key: str, data: bytes) -> bool:
        """Store *data* durably if *key* is absent, in one atomic step; False if it was present."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    @abstractmethod
    def replace(self, key: str, data: bytes) -> None:
        """Store an object in the place of what is there, in one atomic step: readers get the one or the other.

        For repair only. What is there is damaged, *data* is what belongs there by its digest, and nobody else
        stores anything under a key that is taken: whoever repairs the same at once stores the same.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose keys start with *prefix* (a folder, ending in ``/``), in no particular order."""

    @abstractmethod
    def last(self, folder: str) -> str | None:
        """The greatest key directly in *folder* (ending in ``/``); None if it holds nothing."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders directly below *prefix*, which ends in ``/``."""
        keys = (stored.key for stored in self.list(prefix))
        return iter({key.removeprefix(prefix).split("/", 1)[0] for key in keys})

    @abstractmethod
    def now(self) -> datetime:
        """The storage's clock, which `StoredObject.modified` is told by (UTC)."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Length of the object in bytes; None if there is none."""

    @abstractmethod
    def flush(self) -> None:
        """Return when everything written so far survives a power failure."""

    def local_path(self, key: str) -> Path | None:
        """The file that holds *key*, where the storage is a local disk that others may read in place."""
        return None
