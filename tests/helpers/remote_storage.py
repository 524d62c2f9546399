"""A storage that is remote as far as anybody can tell, and a process that uses copies of its objects."""

from pathlib import Path
from typing import Any

from neurolake.lake.objects.copies import Copies
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage


class Remote(LocalStorage):
    """A storage whose files are not to be read in place; it notes what is read."""

    far = True
    reads = 0

    def local_path(self, key: str) -> None:  # type: ignore[override]
        return None

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        return super().read(key, offset, length)

    def __reduce__(self) -> tuple[Any, ...]:
        return Remote, (self._root,)


def hold_until_told(storage: Storage, cache: Path, what: Any, ready: Any, done: Any) -> None:
    Copies(storage, cache).fetch(*what)
    ready.set()
    done.wait()
