"""Morphologies from files."""

from pathlib import Path

from ..errors import ModelError
from .hoc import parse_hoc
from .shapes import Morphology, Shape, morphology
from .swc import parse_swc

__all__ = ["Morphology", "Shape", "morphology", "read_morphology"]

_READERS = {".hoc": parse_hoc, ".swc": parse_swc}


def read_morphology(path: str | Path) -> Morphology:
    """Read a ``.hoc`` or ``.swc`` file; see `parse_hoc` and `parse_swc`.

    Raises
    ------
    ModelError
        A name of neither kind, a file that cannot be read, and what the parsers refuse.
    """
    kind = Path(path).suffix.lower()
    if kind not in _READERS:
        raise ModelError("expected a morphology in a .hoc or .swc file", path)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    return _READERS[kind](text, path)
