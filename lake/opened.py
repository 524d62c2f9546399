"""Lakes that are found again: by tasks, one for each address and process, and by users, by a register of ids.

The register is a folder in the user's cache with one small file for each lake, named by its id, so that writers cannot
get in each other's way.
"""

from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from ..kernels.places import cache_folder
from .core import Lake
from .errors import InputError, NotFoundError
from .objects.identity import check_identity
from .objects.store import Address
from .storage.local import write_whole

Opened = TypeVar("Opened", bound=Lake)


def opened(address: Address, kind: type[Opened]) -> Opened:
    """Open the lake at *address*, or return the one that this process has open.

    What is verified and read once is not read again for every task.

    Parameters
    ----------
    address
        What `ObjectStore.address` gave.
    kind
        Class of the lake.

    Raises
    ------
    NotFoundError
        There is no lake, or another one, which was made there later.
    """
    found = _opened(address, kind)
    assert isinstance(found, kind), "made by it"
    return found


@lru_cache(maxsize=16)
def _opened(address: Address, kind: type[Lake]) -> Lake:
    lake = kind.open(address.url)
    check_identity(lake.storage, address.lake)
    return lake


def register_lake(lake: Lake, name: str | None = None) -> None:
    """Remember where a lake is.

    Parameters
    ----------
    lake
        Which.
    name
        Another name for it besides its id, such as the id of the ISF database that it came from.

    Raises
    ------
    InputError
        The name is no plain file name.
    """
    folder, name = _register(), lake.id if name is None else name
    if not name or name.startswith(".") or Path(name).name != name:
        raise InputError(f"{name!r} is no name of a database")
    path = folder / name
    url = lake.url if "://" in lake.url else str(Path(lake.url).resolve())
    if not path.is_file() or path.read_text() != url:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, url.encode())


def registered_lakes() -> dict[str, str]:
    """Return the paths or URLs of the registered lakes, by id or other name."""
    folder = _register()
    files = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return {path.name: path.read_text() for path in sorted(files)}


def registered_place(name: str) -> str:
    """Return the path or URL of a registered lake.

    Parameters
    ----------
    name
        Its id, or another name that it was registered by.

    Raises
    ------
    NotFoundError
        None is registered by that name.
    """
    places = registered_lakes()
    if name not in places:
        raise NotFoundError(
            f"no lake {name!r} is registered; open it once with neurolake.query.isf.open(PATH), "
            f"or give it this name with neurolake.query.isf.register(PATH, {name!r})"
        )
    return places[name]


def _register() -> Path:
    return cache_folder() / "register"
