"""Cell models of ours, which take any tree: a pyramidal cell, a basket cell and an OLM interneuron.

Each puts published currents on a tree. They are models to begin with, not fits to a cell.

PyramidalCell
    Sodium and potassium of Traub and Miles in the form of Pospischil et al. (2008), at their densities on the soma and a fifth of the
    sodium on dendrites; the M current of Adams et al. (1982), which keeps rates low; the h current of Kole et al. (2006), which
    rises along the apical dendrite. It rests at -70 mV and fires regularly.
BasketCell
    The currents of Wang and Buzsaki (1996) at their densities, everywhere: a cell that rests at -64 mV, with short spikes and rates
    of hundreds of Hz.
OLMCell
    The currents of Tort et al. (2007) at their densities, everywhere: the h current makes it fire by itself, at 9 Hz on the example
    network's tree of a basket cell, and the A current delays its spikes.

Full references are in the mechanisms `TraubMiles`, `WangBuzsaki`, `TortOLM`, `Im` and `Ih`; rates of the currents are those that
they state, at every temperature.
"""

from collections.abc import Mapping
from typing import Any

from ..cell.shapes import APICAL, AXON, DENDRITE, SOMA
from .parameters import ParameterTemplate

_Mechanisms = dict[str, dict[str, Any]]
_LABELS = (SOMA, DENDRITE, APICAL, AXON)


def _model(
    ions: Mapping[str, float], properties: Mapping[str, float], parts: Mapping[str, _Mechanisms]
) -> dict[str, Any]:
    return {
        "neuron": {
            "discretization": {"f": 20.0},
            **{
                label: {
                    "properties": {**properties, "ions": dict(ions)},
                    "mechanisms": {
                        "range": {name: {"spatial": "uniform", **values} for name, values in own.items()}
                    },
                }
                for label, own in parts.items()
            },
        }
    }


def _pyramidal() -> dict[str, Any]:
    leak = {"g": 3e-5, "e": -70.0}
    soma: _Mechanisms = {
        "pas": leak,
        "TraubMiles": {"gnabar": 0.05, "gkbar": 0.005, "vt": -58.0},
        "Im": {"gImbar": 1e-3},
        "Ih": {"gIhbar": 1e-5},
    }
    dendrite: _Mechanisms = {
        "pas": leak,
        "TraubMiles": {"gnabar": 0.01, "gkbar": 0.003, "vt": -58.0},
        "Im": {"gImbar": 1e-4},
        "Ih": {"gIhbar": 1e-5},
    }
    rising = {"prox_value": 1e-5, "dist_value": 7e-5, "dist_value_distance": 350.0}
    apical = {**dendrite, "Ih": {"spatial": "linear_capped", "param_name": "gIhbar", **rising}}
    return _model(
        {"ena": 50.0, "ek": -90.0},
        {"Ra": 150.0, "cm": 1.0},
        {"Soma": soma, "Dendrite": dendrite, "ApicalDendrite": apical, "Axon": soma},
    )


def _basket() -> dict[str, Any]:
    everywhere: _Mechanisms = {
        "pas": {"g": 1e-4, "e": -65.0},
        "WangBuzsaki": {"gnabar": 0.035, "gkbar": 0.009},
    }
    return _model({"ena": 55.0, "ek": -90.0}, {"Ra": 100.0, "cm": 1.0}, dict.fromkeys(_LABELS, everywhere))


def _olm() -> dict[str, Any]:
    everywhere: _Mechanisms = {
        "pas": {"g": 5e-5, "e": -70.0},
        "TortOLM": {"gnabar": 0.03, "gkbar": 0.023, "gabar": 0.016, "ghbar": 0.012},
    }
    return _model({"ena": 90.0, "ek": -100.0}, {"Ra": 150.0, "cm": 1.3}, dict.fromkeys(_LABELS, everywhere))


DOCUMENTED: Mapping[str, ParameterTemplate] = {
    name: ParameterTemplate(name, parameters)
    for name, parameters in (
        ("PyramidalCell", _pyramidal()),
        ("BasketCell", _basket()),
        ("OLMCell", _olm()),
    )
}
"""Templates of ours by the names that circuits have for them."""
