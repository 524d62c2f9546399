"""SONATA as a format."""

from pathlib import Path

from ..hdf5.reading import root_of
from ..source import Source
from .config import any_json, configuration_in, has_glia, kind_of
from .export import export_sonata
from .ingest import ingest_sonata

_GROUPS = ("nodes", "edges", "spikes", "report", "electrodes")


def _matches(path: Path) -> str | None:
    if path.is_dir():
        config = configuration_in(path)
        what = None if config is None else _matches(config)
        return None if config is None or what is None else f"a folder with {config.name}, {what}"
    if path.suffix == ".json":
        content = any_json(path)
        kind = kind_of(content) if isinstance(content, dict) and not has_glia(content) else None
        return None if kind is None else f"a SONATA {kind} configuration"
    found = root_of(path)
    held = [group for group in _GROUPS if group in found]
    return f"a SONATA file of {', '.join(held)}" if held else None


SONATA = Source(
    name="sonata",
    needs="a simulation_config.json or circuit_config.json of SONATA, a folder with one, or an HDF5 file with a group "
    f"{', '.join(_GROUPS[:-1])} or {_GROUPS[-1]}",
    matches=_matches,
    ingest=ingest_sonata,
    export=export_sonata,
)
