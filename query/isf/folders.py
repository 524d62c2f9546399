"""Managed folders: files of a lake as a local folder, and a local folder as files of a lake.

A folder that is read is a checkout: read-only files in the user's cache, named by their content. One that is
written is a working folder of its own, whose files are in the lake once it is committed.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...kernels.places import cache_folder
from ...lake import Snapshot
from ...lake.digest import canonical_json, digest_of
from ...lake.errors import InputError, NodeNameError
from ...lake.names import checked_name, listed


class ManagedFolder(str):
    """The path of a folder, usable as a plain ``str``.

    In another process it is just the path.
    """

    _commit: Callable[["ManagedFolder"], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ManagedFolder, (str(self),)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()

    def join(self, *parts: str) -> "ManagedFolder":  # type: ignore[override]
        """Return the path of something in the folder.

        Parameters
        ----------
        *parts
            Names from the folder on.
        """
        return ManagedFolder(os.path.join(self, *parts))  # noqa: PTH118

    def exists(self) -> bool:
        """Tell whether there is a file or folder here."""
        return Path(self).exists()

    def listdir(self) -> list[str]:
        """Return the names of the folder's content, sorted."""
        return sorted(entry.name for entry in Path(self).iterdir())

    def get_file(self, suffix: str) -> str:
        """Return the path of the one file whose name ends with *suffix*.

        Parameters
        ----------
        suffix
            End of the name.

        Raises
        ------
        InputError
            There is none, or more than one.
        """
        found = [name for name in self.listdir() if name.endswith(suffix)]
        if len(found) != 1:
            names = listed(found) or "none"
            raise InputError(f"{self}: expected one file that ends with {suffix!r}, found {names}")
        return str(Path(self, found[0]))

    def commit(self) -> Any:
        """Bring the lake's files of this folder to what is in it now, in one commit.

        Returns
        -------
        The commit; None where nothing has changed.

        Raises
        ------
        InputError
            This is not a working folder; only `Database.create_managed_folder` makes one.
        """
        if self._commit is None:
            raise InputError(f"{self} is not written to a lake; make a folder with create_managed_folder")
        return self._commit(self)


def working_folder(
    lake_id: str, name: str, files: Mapping[str, bytes], commit: Callable[[ManagedFolder], Any]
) -> ManagedFolder:
    """Make a new folder in this user's cache.

    Parameters
    ----------
    lake_id
        Id of the lake that the folder belongs to.
    name
        Name of the folder.
    files
        Content of its files by relative path.
    commit
        Stores the content of the folder in the lake.
    """
    parent = cache_folder() / lake_id / "working"
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=parent)) / name
    path.mkdir()
    for relative, content in files.items():
        _write(path / relative, content)
    folder = ManagedFolder(path)
    folder._commit = commit
    return folder


def files_of(folder: str) -> dict[str, Path]:
    """Return the files below a folder by relative path with slashes.

    Parameters
    ----------
    folder
        Path of the folder.

    Raises
    ------
    InputError
        The lake's format does not allow one of the names.
    """
    found = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
    try:
        return {checked_name(name): found[name] for name in sorted(found)}
    except NodeNameError as error:
        raise InputError(f"{folder} cannot be stored: {error}") from error


def checkout(snapshot: Snapshot, files: Mapping[str, str]) -> ManagedFolder:
    """Make a read-only folder in this user's cache with files of a snapshot.

    Equal content is checked out once.

    Parameters
    ----------
    snapshot
        The commit to read.
    files
        Name of the node by relative path.

    Raises
    ------
    CorruptObjectError
        A file is missing or damaged.
    """
    digests = {checked_name(name): snapshot.tree[node].digest for name, node in files.items()}
    parent = cache_folder() / "folders"
    path = parent / digest_of(canonical_json(digests))
    if not path.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=parent))
        for name, node in files.items():
            _write(making / name, snapshot.files[node], mode=0o444)
        try:
            making.rename(path)
        except OSError:
            # Another process has just made it.
            shutil.rmtree(making)
    return ManagedFolder(path)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
