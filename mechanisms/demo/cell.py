"""The demo cell's membrane: our own channels on the shape of `demo_shape`, as a simrun cell parameter tree.

Densities are round numbers of the size that Hay E, Hill S, Schurmann F, Markram H, Segev I (2011) PLoS Comput Biol
7:e1002107 found for cells that fire regular trains and bursts.
"""

from typing import Any

from .shape import demo_morphology

T_STOP = 200.0
RECORDED = "apical_trunk_4"
"""The section of the recording site: the end of the trunk, where calcium spikes begin."""

_IONS = {"ek": -85.0, "ena": 50.0}
_CALCIUM = {"Ca_HVA": {"gCa_HVAbar": 0.0006}, "Ca_LVAst": {"gCa_LVAstbar": 0.004}}
_SOMA: dict[str, dict[str, float]] = {
    "pas": {"g": 3e-5, "e": -88.0},
    "NaTa_t": {"gNaTa_tbar": 2.2},
    "Nap_Et2": {"gNap_Et2bar": 0.003},
    "SKv3_1": {"gSKv3_1bar": 0.8},
    "K_Tst": {"gK_Tstbar": 0.05},
    "SK_E2": {"gSK_E2bar": 0.05},
    **_CALCIUM,
    "CaDynamics_E2": {"decay": 500.0, "gamma": 0.0006},
    "Ih": {"gIhbar": 1e-4},
}
_AIS = {**_SOMA, "NaTa_t": {"gNaTa_tbar": 3.0}, "K_Pst": {"gK_Pstbar": 0.5}}
_APICAL: dict[str, dict[str, Any]] = {
    "pas": {"g": 7e-5, "e": -88.0},
    "NaTa_t": {"gNaTa_tbar": 0.025},
    "SKv3_1": {"gSKv3_1bar": 0.01},
    "SK_E2": {"gSK_E2bar": 0.003},
    "Im": {"gImbar": 1.5e-4},
    "Ca_HVA": {
        "spatial": "uniform_range", "gCa_HVAbar": 0.003, "begin": 650.0, "end": 850.0, "outsidescale": 0.1
    },
    "Ca_LVAst": {
        "spatial": "uniform_range", "gCa_LVAstbar": 0.06, "begin": 650.0, "end": 850.0, "outsidescale": 0.01
    },
    "CaDynamics_E2": {"decay": 120.0, "gamma": 0.0005},
    "Ih": {
        "spatial": "exponential",
        "distance": "relative",
        "gIhbar": 2e-4,
        "offset": -0.87,
        "linScale": 2.09,
        "_lambda": 3.6,
        "xOffset": 0.0,
    },
}  # fmt: skip
_PARTS: dict[str, tuple[float, bool, dict[str, dict[str, Any]]]] = {
    "Soma": (1.0, True, _SOMA),
    "Dendrite": (1.8, False, {"pas": {"g": 6e-5, "e": -88.0}, "Ih": {"gIhbar": 1e-4}}),
    "ApicalDendrite": (1.8, True, _APICAL),
    "AIS": (1.0, True, _AIS),
    "Myelin": (0.03, False, {"pas": {"g": 4e-5, "e": -88.0}}),
}
"""Capacitance, whether there are sodium and potassium, and mechanisms, by label."""


def cell_parameters(*, morphology: str, recording_sites: str) -> dict[str, Any]:
    """Return the model as a simrun cell parameter tree that refers to two files.

    Parameters
    ----------
    morphology
        Path of the morphology.
    recording_sites
        Path of the landmarks of recording sites.
    """
    return {
        "info": {"name": "demo_cell", "author": "neurolake", "date": "2026"},
        "NMODL_mechanisms": {},
        "mech_globals": {},
        "neuron": {
            "filename": morphology,
            "discretization": {"f": 20.0, "max_seg_length": 60.0},
            **{label: _part(*values) for label, values in _PARTS.items()},
        },
        "sim": {
            "Vinit": -75.0,
            "tStart": 0.0,
            "tStop": T_STOP,
            "dt": 0.025,
            "T": 34.0,
            "recordingSites": [recording_sites],
        },
    }


def _part(capacitance: float, ions: bool, mechanisms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "properties": {"Ra": 100.0, "cm": capacitance, **({"ions": _IONS} if ions else {})},
        "mechanisms": {
            "global": {},
            "range": {name: {"spatial": "uniform", **values} for name, values in mechanisms.items()},
        },
    }


def recording_landmark() -> list[float]:
    """x, y, z in um of the recording site."""
    section = next(shape for shape in demo_morphology().shapes if shape.name == RECORDED)
    place: list[float] = section.points[-2, :3].tolist()
    return place
