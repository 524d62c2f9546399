"""From what a user calls a place to the storage there: a folder, ``file://…`` or ``s3://…``."""

from pathlib import Path

from ..errors import InputError, NotFoundError
from ..extras import needed
from .base import Storage
from .local import LocalStorage, make_root

_UNFINISHED = frozenset({"expired", "log", "objects", "packs", "tags", "tmp"})
_FILE, _S3 = "file://", "s3://"


def storage_at(place: str | Path, *, durable: bool = True) -> Storage:
    """Return the storage at an existing folder, or at a URL.

    Parameters
    ----------
    place
        The folder, or a ``file://`` or ``s3://`` URL.
    durable
        For a folder, whether writing waits for the disk; see `LocalStorage`.

    Raises
    ------
    InputError
        It is no such place.
    NotFoundError
        There is no such folder.
    """
    if _is_s3(place):
        return _s3(str(place))
    root = _folder(place)
    if not root.is_dir():
        raise NotFoundError(f"{root} is not a lake, nor a folder; make one with neurolake.create")
    return LocalStorage(root.resolve(), durable=durable)


def new_storage_at(place: str | Path, *, durable: bool = True) -> Storage:
    """Return the storage of a new lake: a folder, made if need be, or a URL with nothing below.

    Parameters
    ----------
    place
        The folder, or a ``file://`` or ``s3://`` URL.
    durable
        Whether writes wait for the disk; see `LocalStorage`.

    Raises
    ------
    InputError
        There is something already.
    StorageError
        The folder cannot be made, or the bucket not be reached.
    """
    if _is_s3(place):
        storage = _s3(str(place))
        if not all(stored.key.split("/", 1)[0] in _UNFINISHED for stored in storage.list("")):
            raise InputError(f"{storage.url} is not empty; choose another prefix for the new lake")
        return storage
    root = _folder(place)
    # A lake whose making was interrupted has no marker yet: making it again goes on with it.
    if root.exists() and (not root.is_dir() or {path.name for path in root.iterdir()} - _UNFINISHED):
        raise InputError(f"{root} exists and is not an empty folder; choose another path for the new lake")
    make_root(root, durable=durable)
    return LocalStorage(root.resolve(), durable=durable)


def _is_s3(place: str | Path) -> bool:
    return isinstance(place, str) and place.startswith(_S3)


def _s3(url: str) -> Storage:
    with needed("lakes on S3", "s3"):
        from .s3 import S3Storage
    return S3Storage(url)


def _folder(place: str | Path) -> Path:
    text = str(place)
    if "://" in text.removeprefix(_FILE):
        scheme = text.partition("://")[0]
        raise InputError(f"{scheme}://: a lake is in a folder, or at a file:// or s3:// URL")
    return Path(text.removeprefix(_FILE)).expanduser()
