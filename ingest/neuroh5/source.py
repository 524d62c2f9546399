"""NeuroH5 as a format."""

from pathlib import Path

from ..hdf5.reading import root_of
from ..source import Source
from .export import export_neuroh5
from .ingest import files_in, ingest_neuroh5
from .types import NAME

_GROUPS = {"Populations": "cells", "Projections": "projections"}


def _matches(path: Path) -> str | None:
    if path.is_dir():
        found = files_in(path)
        return f"a folder of {len(found):,} NeuroH5 files" if found else None
    root = root_of(path)
    if NAME not in root:
        return None
    held = [what for group, what in _GROUPS.items() if group in root]
    return f"a NeuroH5 file of {' and '.join(held) or 'types'}"


NEUROH5 = Source(
    name="neuroh5",
    needs="an HDF5 file of NeuroH5, which has a group H5Types, or a folder with such files",
    matches=_matches,
    ingest=ingest_neuroh5,
    export=export_neuroh5,
    several=True,
)
