"""How much memory this process may take for one answer."""

import math
import os
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, TooLargeError

MEMORY = "NEUROLAKE_MEMORY"
_SIZE = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?) ?(?P<unit>[kKMGT]i?)B")
_POWERS = "KMGT"
_IN_PARTS = "read a part after the other, such as array[:1000], or let dask do so, by array.dask()"


def memory_setting() -> str:
    """Return what ``NEUROLAKE_MEMORY`` says, such as ``4GB``; empty if it says nothing.

    Raises
    ------
    InputError
        It is no size.
    """
    text = os.environ.get(MEMORY, "").strip()
    if text and not _SIZE.fullmatch(text):
        raise InputError(f"{MEMORY} is a size such as 4GB or 500MB, not {text!r}")
    return text


def memory_limit() -> int:
    """Return how many bytes one answer may take: as ``NEUROLAKE_MEMORY`` says, else as much as the machine has.

    Raises
    ------
    InputError
        ``NEUROLAKE_MEMORY`` is no size.
    """
    match = _SIZE.fullmatch(memory_setting())
    if match is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    unit = match["unit"].upper()
    return int(
        float(match["number"]) * (1024 if unit.endswith("I") else 1000) ** (1 + _POWERS.index(unit[0]))
    )


def room(shape: tuple[int, ...], dtype: npt.DTypeLike, what: str) -> npt.NDArray[Any]:
    """Return an array to be filled, if there is memory for it.

    Parameters
    ----------
    shape
        Length of each axis.
    dtype
        Type of the values.
    what
        The answer, for the error.

    Raises
    ------
    TooLargeError
        It takes more memory than there is.
    """
    require_room(shape, dtype, what)
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise TooLargeError(f"{what} does not fit into memory: {_IN_PARTS}; {error}") from error


def require_room(shape: tuple[int, ...], dtype: npt.DTypeLike, what: str) -> None:
    """Return if an answer of that shape and type may fit into memory.

    Parameters
    ----------
    shape
        Length of each axis.
    dtype
        Type of the values.
    what
        The answer, for the error.

    Raises
    ------
    TooLargeError
        It takes more than `memory_limit`.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > (limit := memory_limit()):
        raise TooLargeError(
            f"{what} takes {_told(size)}, more than the {_told(limit)} that there may be (what the machine "
            f"has, or {MEMORY}): {_IN_PARTS}"
        )


def _told(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
