"""Distributions that the configuration of a circuit of glia asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import erf, inf, sqrt
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.glia import NGV_FILE
from ..base import Snapshot

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Configured:
    """A normal distribution, truncated at both ends.

    Parameters
    ----------
    mean, deviation
        Of the normal distribution.
    low, high
        Where it is truncated.
    whole
        Whether values are rounded to whole numbers.
    """

    mean: float
    deviation: float
    low: float = -inf
    high: float = inf
    whole: bool = False

    def shares(self, edges: Reals) -> Reals:
        """Return the share of each bin, float64[n_edges - 1].

        Parameters
        ----------
        edges
            Edges of bins, rising.
        """
        below = np.array([self._below(float(edge)) for edge in edges])
        whole = self._below(self.high) - self._below(self.low)
        return np.diff(below) / whole if whole > 0 else np.zeros(len(edges) - 1)

    def _below(self, value: float) -> float:
        at = min(max(value, self.low), self.high)
        if self.deviation <= 0:
            return float(at >= self.mean)
        return 0.5 * (1.0 + erf((at - self.mean) / (self.deviation * sqrt(2.0))))


_KEYS: Mapping[str, tuple[str, ...]] = {
    "radius": ("cell_placement", "soma_radius"),
    "overlap": ("microdomains", "overlap_distribution", "values"),
    "endfeet": ("gliovascular_connectivity", "connection", "endfeet_distribution"),
    "area": ("endfeet_surface_meshes", "area_distribution"),
    "thickness": ("endfeet_surface_meshes", "thickness_distribution"),
}


def configured(snapshot: Snapshot, circuit: str) -> dict[str, Configured]:
    """Return what the configuration of a circuit asks for; nothing if the lake has none.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.

    Returns
    -------
    dict
        ``radius``, ``overlap``, ``endfeet``, ``area`` and ``thickness``, of those that are there.
    """
    own = circuits.CONFIGURATION.of(circuit=circuit)
    files = [own] if own in snapshot.files else []
    files += [
        name
        for name in snapshot.files
        if (parts := NGV_FILE.parts(name)) is not None and parts["circuit"] == circuit and _is_manifest(name)
    ]
    found: dict[str, Configured] = {}
    for name in files:
        try:
            document = yaml.safe_load(snapshot.files[name])
        except yaml.YAMLError:
            continue
        # A manifest may stand under a key of its own.
        held = document.get("ngv", document) if isinstance(document, dict) else {}
        for key, path in _KEYS.items():
            values = _at(held, path)
            if key not in found and isinstance(values, list) and len(values) in (2, 4):
                mean, deviation, low, high = [*map(float, values), -inf, inf][:4]
                found[key] = Configured(mean, deviation, low, high, whole=key == "endfeet")
    return found


def _is_manifest(name: str) -> bool:
    return name.rpartition("/")[2].lower().endswith((".yaml", ".yml"))


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document
