"""Files on the way out: names that stay apart and below their folder, and nothing visible before it is whole.

What a lake holds has longer names than files have, somebody else may have chosen them, and a file system may take two
names for one. Every exporter asks here where a file goes, so that none is written over another.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..lake.errors import InputError, NeurolakeError, StorageError


def as_part(name: str, what: str) -> str:
    """Return *name* if it can be one part of the path of a file, or of a path within HDF5.

    Parameters
    ----------
    name
        The name to check.
    what
        What has the name, such as ``electrode``, for the message.

    Raises
    ------
    InputError
        It would be another part, or several.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InputError(f"{what} {name!r} cannot be written under its name: a part of a path has no '/'")
    return name


class Outgoing:
    """A folder that is being written.

    Parameters
    ----------
    folder
        Where it is until it is whole.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[Path, str] = {}

    def file(self, name: str) -> Path:
        """Return where to write a file of the lake; make its folder.

        Parameters
        ----------
        name
            Name of the file in the lake, a path with slashes.

        Raises
        ------
        InputError
            It is outside the folder, or is the same file as an earlier one, or as the folder of one.
        """
        parts = PurePosixPath(name).parts
        # The name comes from a lake, which another user may have made.
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise InputError(f"the lake names a file {name!r}, which is outside the folder to write")
        path = self._folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{name!r} would lie below a file: {self._same(path.parent)}") from error
        if os.path.lexists(path):
            raise InputError(f"{name!r} would be written over another file: {self._same(path)}")
        self._names[path] = name
        return path

    def _same(self, path: Path) -> str:
        """Other names of a file, or of one above it, as this file system sees it."""
        above = [path, *path.parents]
        found = [
            repr(name)
            for made, name in self._names.items()
            if any(place.exists() and made.exists() and place.samefile(made) for place in above)
        ]
        return f"{', '.join(found) or 'one that is there'}; rename one of them, or write them apart"


@contextmanager
def new_folder(path: Path) -> Iterator[Outgoing]:
    """Open a folder that appears with all its files when the block ends; an error leaves nothing of it.

    Parameters
    ----------
    path
        It is empty or not there yet.

    Raises
    ------
    InputError
        There is something already.
    StorageError
        It cannot be written.
    """
    target = path.expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists and is not an empty folder; choose another")
    with _mishaps(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            yield Outgoing(made)
            if target.exists():
                target.rmdir()
            shutil.move(made, target)


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Open a file to write in place of *path*, which it becomes when the block ends; an error leaves nothing of it.

    Parameters
    ----------
    path
        The file to write.

    Raises
    ------
    InputError
        There is something already.
    StorageError
        It cannot be written.
    """
    target = Path(path).expanduser()
    if os.path.lexists(target):
        raise InputError(f"{target} exists already; choose another name")
    with (
        _mishaps(target),
        tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch,
    ):
        partial = Path(scratch) / target.name
        yield partial
        if os.path.lexists(target):
            raise InputError(f"{target} has appeared meanwhile; choose another name")
        partial.replace(target)


@contextmanager
def _mishaps(target: Path) -> Iterator[None]:
    try:
        yield
    except NeurolakeError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error}") from error
