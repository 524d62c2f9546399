"""Addresses of files in databases: ``mdb://<id of the database>/<key>/<file>`` on any machine, by a register of lakes."""

from pathlib import Path
from posixpath import join

from ...lake import Lake
from ...lake.errors import InputError, NotFoundError
from ...lake.opened import register_lake, registered_lakes, registered_place
from .database import Database, open
from .folders import ManagedFolder
from .keys import decoded

_ANYWHERE, _WITHIN = "mdb://", "reldb://"


def register(lake: str | Path | Lake, name: str | None = None) -> None:
    """Remember where a lake is, so that addresses find it; `open` does this for every lake that it opens.

    Parameters
    ----------
    lake
        A lake, or its path or URL.
    name
        Another name for it besides its id, such as the id of the ISF database that it came from.

    Raises
    ------
    NotFoundError
        There is no such lake.
    InputError
        The name is not a plain file name.
    """
    register_lake(lake if isinstance(lake, Lake) else Lake.open(lake), name)


def registered() -> dict[str, str]:
    """Paths or URLs of the lakes that were registered here, by id or other name."""
    return registered_lakes()


def get_db_by_unique_id(unique_id: str, *, readonly: bool | str = False) -> Database:
    """Open the database of a registered lake.

    Parameters
    ----------
    unique_id
        Id of a lake, as of `Database.get_id`, or a name that it was registered under.
    readonly
        As of `open`.

    Raises
    ------
    NotFoundError
        No such lake is registered, or it is no longer where it was.
    """
    return open(registered_place(unique_id), nocreate=True, readonly=readonly)


def resolve_db_path(address: str, db: Database | None = None) -> str:
    """Return the path of a file that an address stands for; any other path is returned as it is.

    Parameters
    ----------
    address
        ``mdb://<id>/<key>/<file>`` or ``reldb://<key>/<file>``; several keys lead through sub-databases.
    db
        What addresses ``reldb://`` begin at.

    Returns
    -------
    str
        In a read-only copy of the managed folder on this machine.

    Raises
    ------
    NotFoundError
        No such lake is registered, or it has no such key.
    InputError
        An address ``reldb://`` without *db*, or one that does not lead to a managed folder.
    """
    if address.startswith(_ANYWHERE):
        unique_id, *parts = address.removeprefix(_ANYWHERE).split("/")
        found: object = get_db_by_unique_id(unique_id, readonly=True)
    elif address.startswith(_WITHIN):
        if db is None:
            raise InputError(f"{address}: say which database this address begins at")
        found, parts = db, address.removeprefix(_WITHIN).split("/")
    else:
        return address
    while isinstance(found, Database) and parts:
        key, *parts = decoded(parts[0]), *parts[1:]
        if key not in found:
            raise NotFoundError(f"{address}: there is no key {key!r}")
        found = found[key]
    if not isinstance(found, ManagedFolder) or ".." in parts:
        raise InputError(f"{address} does not lead to a managed folder")
    return join(found, *parts)
