"""A storage that fails at an operation of choice, and a disk whose power can be cut."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from neurolake.lake.errors import StorageError
from neurolake.lake.storage.base import Storage, StoredObject

_COUNTED = {"half": ("write",), "late": ("write", "create", "delete", "flush"), "lost": ("create",)}


class FailingStorage(Storage):
    """A storage whose *nth* operation (from 0) fails, and all after it if it is *dead* then.

    Parameters
    ----------
    inner
        Where everything goes until then, and afterwards unless it is dead.
    how
        ``stop``: it is not done. ``half``: of what is to be written, half is. ``late``: it is done, and reported
        as failed; what only reads is not counted then. ``lost``: as ``late``, where something is created.
    """

    far = False

    def __init__(self, inner: Storage, nth: int, how: str, *, dead: bool = True) -> None:
        self._inner = inner
        self._left = nth
        self._how = how
        self._dead = dead
        self.failed = False

    def _do(self, what: Callable[[], Any], kind: str = "read", half: Callable[[], Any] | None = None) -> Any:
        if self.failed and self._dead:
            raise StorageError("nothing works any more")
        if self.failed or kind not in _COUNTED.get(self._how, (kind,)):
            return what()
        self._left -= 1
        if self._left >= 0:
            return what()
        self.failed = True
        if self._how in ("late", "lost"):
            what()
        elif self._how == "half" and half is not None:
            half()
        raise StorageError("it failed just now")

    @property
    def url(self) -> str:
        return self._inner.url

    def local_path(self, key: str) -> Path | None:
        return self._inner.local_path(key)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data: bytes = self._do(lambda: self._inner.read(key, offset, length))
        return data

    def write(self, key: str, data: bytes | memoryview) -> bool:
        def half() -> None:
            # What is there already is left alone.
            if self._inner.size(key) != len(data):
                self._inner.write(key, memoryview(data)[: len(data) // 2])

        return bool(self._do(lambda: self._inner.write(key, data), "write", half))

    def replace(self, key: str, data: bytes) -> None:
        self._do(lambda: self._inner.replace(key, data), "write")

    def create(self, key: str, data: bytes) -> bool:
        return bool(self._do(lambda: self._inner.create(key, data), "create"))

    def delete(self, key: str) -> None:
        self._do(lambda: self._inner.delete(key), "delete")

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return iter(self._do(lambda: list(self._inner.list(prefix))))

    def last(self, folder: str) -> str | None:
        found: str | None = self._do(lambda: self._inner.last(folder))
        return found

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._do(lambda: list(self._inner.folders(prefix))))

    def now(self) -> datetime:
        found: datetime = self._do(self._inner.now)
        return found

    def size(self, key: str) -> int | None:
        found: int | None = self._do(lambda: self._inner.size(key))
        return found

    def flush(self) -> None:
        self._do(self._inner.flush, "flush")


class Disk:
    """What of a folder would survive a cut of the power: the content of synced files, the names in synced folders.

    Parameters
    ----------
    root
        A folder that is there already, empty.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, int]] = {}

    @contextlib.contextmanager
    def watched(self, moment: Callable[[], None]) -> Iterator[None]:
        """Notice what is synced; *moment* is called before everything that changes the disk."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("fsync", "fdatasync", "link", "rename", "replace", "mkdir", "unlink"):
                patch.setattr(os, name, self._noticed(name, getattr(os, name), moment))
            yield

    def _noticed(self, name: str, call: Callable[..., Any], moment: Callable[[], None]) -> Callable[..., Any]:
        def noticed(*args: Any, **options: Any) -> Any:
            path = Path(f"/proc/self/fd/{args[0]}").readlink() if name.endswith("sync") else Path(args[0])
            ours = path.is_relative_to(self._root)
            if ours:
                moment()
            result = call(*args, **options)
            if ours and name.endswith("sync"):
                self._synced(path)
            return result

        return noticed

    def _synced(self, path: Path) -> None:
        if path.is_dir():
            self._folders[path.stat().st_ino] = {each.name: each.stat().st_ino for each in path.iterdir()}
        else:
            self._files[path.stat().st_ino] = path.read_bytes()

    def survived(self, target: Path, chance: random.Random | None = None) -> None:
        """Make a folder with what survives: what must, and of the rest what chance wills."""
        self._copy(self._root, target, chance)

    def _copy(self, folder: Path, target: Path, chance: random.Random | None) -> None:
        target.mkdir()
        synced = self._folders.get(folder.stat().st_ino, {})
        for path in folder.iterdir():
            inode = path.stat().st_ino
            if synced.get(path.name) != inode and (chance is None or chance.random() < 0.5):
                continue
            if path.is_dir():
                self._copy(path, target / path.name, chance)
            else:
                (target / path.name).write_bytes(self._files.get(inode, b""))
