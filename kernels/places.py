"""Where on this machine what can be made again is kept for this user: copies, compiled mechanisms and kernels."""

import os
import stat
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def cache_place() -> Path:
    """Return this user's cache, which may be missing or not be writable: ``NEUROLAKE_CACHE``, or neurolake's folder in the usual place."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurolake"
    return Path(os.environ.get("NEUROLAKE_CACHE") or usual)


def cache_folder() -> Path:
    """Return this user's cache on this machine: ``NEUROLAKE_CACHE``, or neurolake's folder in the usual place.

    Where that cannot be written, as on some nodes of clusters, it is a folder that ends with this process.
    """
    place = cache_place()
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    return place if there.is_dir() and os.access(there, os.W_OK) else Path(_own_cache().name)


def is_private(folder: Path) -> bool:
    """Tell whether a folder is this user's, and nobody else may write to it: what lies in it may be run.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    OSError
        There is no such folder, or it cannot be reached.
    """
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & _BY_OTHERS


@cache
def _own_cache() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="neurolake-")
