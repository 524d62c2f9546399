"""Identity of a lake: its marker, and the id in it."""

import hashlib
import json

from ..digest import HASH_NAME
from ..errors import FormatError, NotFoundError
from ..storage.base import Storage

FORMAT_VERSION = 1
MARKER = "neurolake.json"


def identity_at(storage: Storage) -> str:
    """Return the id of the lake in a storage, after a check of its marker.

    Parameters
    ----------
    storage
        Storage that holds the lake.

    Raises
    ------
    NotFoundError
        It holds no lake.
    FormatError
        The marker cannot be read, or a newer neurolake wrote it.
    """
    try:
        text = storage.read(MARKER)
    except NotFoundError:
        raise NotFoundError(
            f"{storage.url} is not a lake (it has no {MARKER}); make one with neurolake.create"
        ) from None
    try:
        marker = json.loads(text)
        version, name, identity = marker["format"], marker["hash"], str(marker["id"])
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{storage.url}: {MARKER} cannot be read: {error!r}") from error
    if version != FORMAT_VERSION or name != HASH_NAME:
        raise FormatError(
            f"{storage.url} has format {version} with {name}; this neurolake reads format {FORMAT_VERSION} "
            f"with {HASH_NAME}: install a newer one"
        )
    # The id names a folder of the user's cache; a hostile marker must not choose which.
    return identity if identity.isalnum() else hashlib.sha256(identity.encode()).hexdigest()


def check_identity(storage: Storage, lake: str) -> None:
    """Refuse to go on if another lake is where the one of that id was.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    lake
        Id of the lake.

    Raises
    ------
    NotFoundError
        One does.
    """
    try:
        there = identity_at(storage)
    except (NotFoundError, FormatError):
        # Only the marker is gone or damaged, as far as anybody can tell.
        return
    if there != lake:
        raise NotFoundError(
            f"{storage.url} holds another lake now: it was deleted and made again; open it anew and ask that"
        )
