"""The register of lakes of this user, by which addresses ``mdb://<id>/<key>/<file>`` are resolved.

It is a folder in the user's cache with one small file for each lake, named by its id: whoever opens a lake as a
database says where it is, and writers cannot get in each other's way.
"""

import os
import tempfile
from pathlib import Path

from ...lake import Lake, cache_folder
from ...lake.errors import InputError, NotFoundError


def add(lake: Lake, name: str | None = None) -> None:
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
    folder, name = _folder(), lake.id if name is None else name
    if not name or name.startswith(".") or Path(name).name != name:
        raise InputError(f"{name!r} is no name of a database")
    path = folder / name
    url = str(Path(lake.url).resolve()) if _is_local(lake.url) else lake.url
    if not path.is_file() or path.read_text() != url:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".")
        with os.fdopen(handle, "w") as file:
            file.write(url)
        Path(temporary).replace(path)


def known() -> dict[str, str]:
    """Paths or URLs of the registered lakes, by id or other name."""
    folder = _folder()
    files = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return {path.name: path.read_text() for path in sorted(files)}


def place_of(name: str) -> str:
    """The path or URL of a registered lake.

    Raises
    ------
    NotFoundError
        None is registered by that name.
    """
    places = known()
    if name not in places:
        raise NotFoundError(
            f"no lake {name!r} is registered; open it once with neurolake.query.isf.open(PATH), "
            f"or give it this name with neurolake.query.isf.register(PATH, {name!r})"
        )
    return places[name]


def _folder() -> Path:
    return cache_folder() / "register"


def _is_local(url: str) -> bool:
    return "://" not in url
