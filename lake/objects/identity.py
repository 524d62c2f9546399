"""Identity of a lake: its marker, the id in it, and the version of the format that its writers keep to."""

import hashlib
import json
from typing import NamedTuple

from ..digest import HASH_NAME, canonical_json
from ..errors import FormatError, NotFoundError
from ..storage.base import Storage

FORMAT_VERSION = 2
SMALL_FILES = 2
"""From this version on, a small Parquet file may stand where its entry is, or in a pack."""
MARKER = "neurolake.json"


class Marker(NamedTuple):
    """What a lake says of itself.

    Parameters
    ----------
    format
        Version of the format that its writers keep to.
    id
        Tells it from other lakes.
    """

    format: int
    id: str


def marker_bytes(version: int, identity: str) -> bytes:
    """Return the content of a marker.

    Parameters
    ----------
    version
        Version of the format.
    identity
        Id of the lake.
    """
    return canonical_json({"format": version, "hash": HASH_NAME, "id": identity}) + b"\n"


def marker_at(storage: Storage) -> Marker:
    """Return the marker of the lake in a storage, checked.

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
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION or name != HASH_NAME:
        raise FormatError(
            f"{storage.url} has format {version} with {name}; this neurolake reads formats 1 to {FORMAT_VERSION} "
            f"with {HASH_NAME}: install a newer one"
        )
    # The id names a folder of the user's cache; a hostile marker must not choose which.
    safe = identity if identity.isalnum() else hashlib.sha256(identity.encode()).hexdigest()
    return Marker(version, safe)


def raise_format(storage: Storage) -> int:
    """Let writers of a lake use the newest format; return the version that it had.

    Parameters
    ----------
    storage
        Storage that holds the lake.

    Raises
    ------
    NotFoundError, FormatError
        As `marker_at` does.
    """
    before = marker_at(storage).format
    if before < FORMAT_VERSION:
        # The id as it stands there, which need not be the safe one.
        identity = json.loads(storage.read(MARKER))["id"]
        storage.replace(MARKER, marker_bytes(FORMAT_VERSION, identity))
        storage.flush()
    return before


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
        there = marker_at(storage).id
    except (NotFoundError, FormatError):
        # Only the marker is gone or damaged, as far as anybody can tell.
        return
    if there != lake:
        raise NotFoundError(
            f"{storage.url} holds another lake now: it was deleted and made again; open it anew and ask that"
        )
