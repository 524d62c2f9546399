"""The formats that `neurolake.ingest` and `neurolake.export` know. A new one is one line here."""

from pathlib import Path

from ..lake.errors import InputError
from .lfp.sources import ELECTRODES, FIELD, SEGMENTS
from .neuroh5.source import NEUROH5
from .ngv.source import NGV
from .simrun.source import SIMRUN
from .sonata.source import SONATA
from .source import Source

SOURCES: tuple[Source, ...] = (SIMRUN, SONATA, NEUROH5, NGV, ELECTRODES, FIELD, SEGMENTS)


def recognised(path: Path) -> tuple[Source, str]:
    """Return the format of a path, and what the path is in words.

    Parameters
    ----------
    path
        A file or folder.

    Raises
    ------
    InputError
        There is no such path, or none or several of the formats recognise it.
    IngestError
        It cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    found = [(source, what) for source in SOURCES if (what := source.matches(path)) is not None]
    if len(found) > 1:
        readings = "; ".join(f"{what} (format {source.name!r})" for source, what in found)
        raise InputError(f"{path} may be several things: {readings}. Say which: format={found[0][0].name!r}")
    if not found:
        known = "\n".join(f"  {source.name}: {source.needs}" for source in SOURCES)
        raise InputError(f"{path}: no format recognises it. These were looked for:\n{known}")
    return found[0]


def named(name: str) -> Source:
    """Return a format by its name.

    Parameters
    ----------
    name
        Name of the format, such as ``sonata``.

    Raises
    ------
    InputError
        There is none.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise InputError(f"there is no format {name!r}; there are: {', '.join(s.name for s in SOURCES)}")
