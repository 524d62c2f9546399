"""Node names, checked at one door, and lists of names in words.

A node name is one or more parts joined by ``/``. A part has 1 to 200 characters, is not ``.`` or ``..``,
and holds no backslash and no control character; the whole name has at most 1,000 characters.
"""

import unicodedata
from collections.abc import Iterable

from .errors import NodeNameError

ROOT = "/"
"""The node that describes the root of the Zarr hierarchy; no user gives a node this name."""

METADATA = "zarr.json"
"""Where Zarr keeps the metadata of an array or group, below it."""

MAX_NAME = 1000
MAX_PART = 200


def checked_name(name: str) -> str:
    """Return *name* if the format allows it as the name of a node.

    Parameters
    ----------
    name
        The name that was given.

    Raises
    ------
    NodeNameError
        Naming the part at fault and the rule.
    """
    if not isinstance(name, str) or not name:
        raise NodeNameError(f"a node name is a non-empty text, not {name!r}")
    if len(name) > MAX_NAME:
        raise NodeNameError(f"a node name has at most {MAX_NAME} characters, this one has {len(name)}")
    for part in name.split("/"):
        _check_part(part, name)
    return name


def in_one_line(error: Exception) -> str:
    """Return what an error of another library says, which may take several lines, as part of a message of ours.

    Parameters
    ----------
    error
        The error.
    """
    return " ".join(str(error).split())


def listed(names: Iterable[object], most: int = 10) -> str:
    """Join names to one line, and say how many more there are.

    Parameters
    ----------
    names
        Names to list.
    most
        How many to show at most.
    """
    known = [str(name) for name in names]
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def _check_part(part: str, name: str) -> None:
    if part in ("", ".", ".."):
        raise NodeNameError(f"{name!r}: parts between '/' may not be empty, '.' or '..'")
    if len(part) > MAX_PART:
        raise NodeNameError(f"{name!r}: a part has at most {MAX_PART} characters")
    if "\\" in part or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in part):
        raise NodeNameError(f"{name!r}: backslashes and control characters are not allowed")
