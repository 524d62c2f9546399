"""ArchNGV's circuit configuration: SONATA's, with more files for each population."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...lake.errors import IngestError
from ..sonata.config import Config, Named, has_glia

GLIA = ("astrocytes", "vasculature", "gliovascular", "neuroglial", "glialglial")
"""Populations that are no neurons', and no edges between neurons."""

# Key of a population's configuration, and what its file is. Those of older versions come last.
_FILES = {
    "vasculature_file": "vessels",
    "vasculature_mesh": "mesh",
    "microdomains_file": "domains",
    "overlapping_microdomains_file": "domains",
    "endfeet_meshes_file": "endfeet",
    "microdomains": "domains",
    "endfeet_meshes": "endfeet",
}
_TYPES = (
    "vasculature",
    "astrocyte",
    "protoplasmic_astrocytes",
    "endfoot",
    "gliovascular",
    "synapse_astrocyte",
    "neuroglial",
    "glialglial",
)


class NGVConfig(Config):
    """The configuration of a circuit of neurons, glia and vessels.

    Parameters
    ----------
    path
        Where it is.

    Raises
    ------
    IngestError
        It is no JSON object, or its manifest goes in circles.
    """

    def files(self) -> Iterator[Named]:
        """Yield the files and folders that the configuration names: those of neurons are of kind ``neurons``.

        Raises
        ------
        IngestError
            A value is not of the kind that it should be.
        """
        if not has_glia(self.content):
            raise IngestError("no population of it is of vessels or astrocytes", self.path)
        for named in self._networks():
            neurons = named.kind in ("nodes", "edges") and not self._is_of_glia(named)
            yield replace(named, kind="neurons", name=named.kind) if neurons else named
        for where, population in self._populations():
            for key, kind in _FILES.items():
                if population.get(key):
                    yield Named(
                        kind, self.file(population[key], f"{where}.{key}"), f"{where}.{key}", self.path
                    )
            others = population.get("alternate_morphologies")
            if isinstance(others, dict) and others.get("h5v1") and population.get("type") in _TYPES:
                key = f"{where}.alternate_morphologies.h5v1"
                yield Named("morphologies", self.file(others["h5v1"], key), key, self.path)

    def _is_of_glia(self, named: Named) -> bool:
        entry = self._entry(named.key)
        told = entry.get("populations") or {}
        kinds = [each.get("type") for each in told.values() if isinstance(each, dict)]
        return any(kind in _TYPES for kind in kinds) or any(name in GLIA for name in told)

    def _entry(self, key: str) -> Mapping[str, Any]:
        """The network that a key such as ``networks.nodes[0].nodes_file`` is of."""
        _, kind, _ = key.split(".", 2)
        name, at = kind.removesuffix("]").split("[")
        found: Mapping[str, Any] = self.content["networks"][name][int(at)]
        return found

    def _populations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for kind in ("nodes", "edges"):
            for at, entry in enumerate(self.content["networks"].get(kind) or []):
                for name, told in (entry.get("populations") or {}).items():
                    if not isinstance(told, dict):
                        raise IngestError(
                            f"networks.{kind}[{at}].populations.{name} must be an object", self.path
                        )
                    yield f"networks.{kind}[{at}].populations.{name}", told


def missing(named: Named) -> IngestError | None:
    """Return the error that a file or folder of a configuration is missing; None if it is there.

    Parameters
    ----------
    named
        What the configuration names.
    """
    there = named.path.is_dir() if named.kind == "morphologies" else named.path.is_file()
    if there:
        return None
    return IngestError(f"{named.key} names {named.path}, which is missing", named.config or named.path)


def build_files(folder: Path) -> Iterator[Path]:
    """Yield what ArchNGV writes beside a configuration and does not name there: intermediate files and touches.

    Parameters
    ----------
    folder
        The folder of the configuration.
    """
    for name in ("sonata.tmp", "connectome"):
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file())
