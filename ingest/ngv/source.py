"""ArchNGV as a format."""

from pathlib import Path

from ..source import Source
from .export import export_ngv
from .found import kind_of_file
from .ingest import ingest_ngv

_TOLD = {
    "config": "a configuration of a circuit of neurons, glia and vessels",
    "domains": "domains of astrocytes",
    "endfeet": "meshes of endfeet",
    "atlas": "a volume of an atlas",
    "vessel_sections": "vessels as sections",
    "vessel_graph": "vessels as a graph of points",
    "vtk": "vessels as polydata",
    "touches": "touches of cells",
}
_BUILT = (
    "microdomains.h5",
    "endfeet_meshes.h5",
    "sonata/networks/nodes/astrocytes",
    "sonata/networks/nodes/vasculature",
)


def _matches(path: Path) -> str | None:
    if path.is_dir():
        if (path / "ngv_config.json").is_file():
            return "a folder with ngv_config.json, a circuit of neurons, glia and vessels"
        found = next((name for name in _BUILT if (path / name).exists()), None)
        return None if found is None else f"a folder with {found}, a circuit of neurons, glia and vessels"
    kind = (
        kind_of_file(path)
        if path.suffix in (".json", ".h5", ".hdf5", ".nrrd", ".vtk") or "touches." in path.name
        else None
    )
    return _TOLD.get(kind or "")


NGV = Source(
    name="ngv",
    needs="an ngv_config.json, a folder with one or with microdomains.h5, or a file of domains, endfeet, vessels or an atlas",
    matches=_matches,
    ingest=ingest_ngv,
    export=export_ngv,
    several=True,
)
