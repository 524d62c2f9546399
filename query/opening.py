"""The front door to what a lake holds: make it, open it, look at a circuit, draw."""

from pathlib import Path

from ..lake.objects.store import Verification
from .lake import Lake


def create(path: str | Path, *, durable: bool = True) -> Lake:
    """Make a new lake.

    Parameters
    ----------
    path
        A folder that is missing or empty, or ``s3://bucket/prefix`` with nothing below.
    durable
        Whether commits wait for the disk.

    Raises
    ------
    InputError
        There is something at *path* already.
    StorageError
        The folder cannot be made, or the server cannot be used.
    """
    return Lake.create(path, durable=durable)


def open(path: str | Path, *, durable: bool = True, verification: Verification = "first") -> Lake:
    """Open a lake.

    Parameters
    ----------
    path
        Its folder, or a ``file://`` or ``s3://`` URL.
    durable
        Whether commits wait for the disk.
    verification
        When Parquet files, which others read in place, are hashed: before their ``first`` use on this machine,
        ``always`` or ``never``.

    Raises
    ------
    NotFoundError
        There is no lake.
    FormatError
        It was written by a newer neurolake.
    """
    return Lake.open(path, durable=durable, verification=verification)
