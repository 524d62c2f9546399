"""Keys of an ISF database as parts of node names: any text and any number, each with a name of its own.

Letters that names of nodes may not have are written as ``%`` and two hexadecimal digits for each byte of UTF-8, as in
URLs; numbers as ``%n`` and their digits. Keys that the In Silico Framework allows stand as they are.
"""

import math
import re
import unicodedata
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from ...lake.errors import InputError
from ...lake.names import MAX_PART

Part = str | int | float
Key = Part | tuple[Part, ...]
Path = tuple[Part, ...]

_NUMBER = "%n"
_NUMBERED = re.compile(r"%n-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?")
_RESERVED = re.compile(r"\.{1,2}|zarr\.json|\.zarray|\.zattrs|\.zgroup")


def path_of(key: object) -> Path:
    """A key, or a tuple of keys that leads into sub-databases, as a path; numbers that are equal are one key.

    Parameters
    ----------
    key
        Text, number of Python or NumPy, or a tuple of these.

    Raises
    ------
    InputError
        It is neither text nor number, empty, or too long for the name of a node.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not parts:
        raise InputError(f"{key!r} is no key: a tuple of keys has at least one")
    return tuple(map(_checked, parts))


def encoded(part: Part) -> str:
    """Return the part of a node name that stands for a key.

    Parameters
    ----------
    part
        The key.
    """
    if not isinstance(part, str):
        return f"{_NUMBER}{part!r}"
    if _RESERVED.fullmatch(part):
        return f"%{ord(part[0]):02X}{part[1:]}"
    return "".join(map(_letter, part))


def decoded(name: str) -> Part:
    """Return the key that a part of a node name stands for; for a part that `encoded` did not make, its text.

    Parameters
    ----------
    name
        The part of the name.
    """
    if _NUMBERED.fullmatch(name):
        text = name.removeprefix(_NUMBER)
        return int(text) if text.lstrip("-").isdigit() else float(text)
    return unquote(name)


def _letter(letter: str) -> str:
    if letter in "/\\%" or unicodedata.category(letter) == "Cc":
        return quote(letter, safe="")
    return letter


def _checked(part: Any) -> Part:
    number: Any = part.item() if isinstance(part, np.generic) else part
    if isinstance(number, int | float) and math.isfinite(number):
        return int(number) if isinstance(number, int) or number == int(number) < 2**53 else number
    if not isinstance(part, str) or not part:
        raise InputError(f"{part!r} is no key: keys are texts and numbers, or tuples of these")
    if any(unicodedata.category(letter) == "Cs" for letter in part) or len(encoded(part)) > MAX_PART:
        raise InputError(
            f"{part[:40]!r} is no key: a key has at most {MAX_PART} letters, all of them of Unicode"
        )
    # A plain text: a managed folder, or a text of NumPy, is one as well.
    return str(part)
