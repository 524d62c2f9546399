"""Morphologies from files."""

import codecs
import re
from pathlib import Path

from ..errors import ModelError
from .hoc import parse_hoc
from .shapes import Morphology, Shape, morphology
from .swc import parse_swc

__all__ = ["Morphology", "Shape", "morphology", "read_morphology", "read_text"]

_READERS = {".hoc": parse_hoc, ".swc": parse_swc}
_LINE_END = re.compile(r"\r\n?")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_morphology(path: str | Path) -> Morphology:
    """Read a ``.hoc`` or ``.swc`` file; see `parse_hoc` and `parse_swc`.

    Text is UTF-8, or what a byte-order mark says; bytes that are not are passed over within comments.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        The name ends in neither, the file cannot be read, or the parsers refuse it.
    """
    kind = Path(path).suffix.lower()
    if kind not in _READERS:
        raise ModelError("expected a morphology in a .hoc or .swc file", path)
    return _READERS[kind](read_text(path), path)


def read_text(path: str | Path) -> str:
    """Read a file as text in the encoding of its byte-order mark, or else in UTF-8; lines end with ``\\n``.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        The file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig", errors="replace")
    return _LINE_END.sub("\n", text)
