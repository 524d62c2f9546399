"""Other point processes at synapses than edges say: ``modoverride`` of an override of connections.

neurodamus runs a helper in hoc of that name, which says what the process gets of an edge's numbers. No hoc of a configuration is run here: what the
helpers that come with neurodamus do is known by name. Semantics: neurodamus 4 (Exp2SynHelper, GluSynapseHelper).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from .edges import EdgeRows
from .sonata_edges import EXP2SYN, by_calcium

Numbers = dict[str, NDArray[np.float64]]

_PLASTIC: Mapping[str, str] = {
    "Use_d": "Use_d_TM",
    "Use_p": "Use_p_TM",
    "theta_d_GB": "theta_d",
    "theta_p_GB": "theta_p",
    "rho0_GB": "rho0_GB",
    "volume_CR": "volume_CR",
    "gmax_d_AMPA": "gmax_d_AMPA",
    "gmax_p_AMPA": "gmax_p_AMPA",
    "tau_d_AMPA": "decay_time",
    "Dep": "depression_time",
    "Fac": "facilitation_time",
    "gmax_NMDA": "conductance_scale_factor",
}
"""Columns of edges by the variables of GluSynapse."""
_POTENTIATED = "rho_star_GB"
_HALF = 0.5
"""Of ``rho_star_GB``, where the configuration says nothing of it: above it a synapse begins as a potentiated one."""


def own_numbers(rows: EdgeRows, process: str, edges: NDArray[np.int64]) -> Numbers:
    """Return the variables of a point process by what edges say, float64[n] by name.

    Parameters
    ----------
    rows
        Edges of a projection.
    process
        Name of the point process, one of `KNOWN`.
    edges
        Numbers of the edges that are asked for, int64[n].

    Raises
    ------
    InputError
        Edges lack what it gets of them.
    """
    columns, make = KNOWN[process]
    absent = [name for name in columns.values() if name not in rows.columns]
    if absent:
        raise InputError(
            f"modoverride {process}: edges of {rows.projection.name} have no {', '.join(absent)}"
        )
    order = np.argsort(rows.numbers, kind="stable")
    at = order[np.searchsorted(rows.numbers[order], edges)]
    return make(
        rows, at, {name: rows.columns[column][at].astype(np.float64) for name, column in columns.items()}
    )


def _as_they_are(rows: EdgeRows, at: NDArray[np.int64], numbers: Numbers) -> Numbers:
    return numbers


def _plastic(rows: EdgeRows, at: NDArray[np.int64], numbers: Numbers) -> Numbers:
    settings = rows.targets.search.settings.get("conditions") or {}
    star = ((settings.get("mechanisms") or {}).get("GluSynapse") or {}).get(_POTENTIATED, _HALF)
    strong = numbers["rho0_GB"] > (float(star) if is_number(star) else _HALF)
    scale = by_calcium(rows, at)
    found = {**numbers, "Use_d": numbers["Use_d"] * scale, "Use_p": numbers["Use_p"] * scale}
    found |= {name: np.abs(numbers[name]) for name in ("Dep", "Fac")}
    found["Use"] = np.where(strong, found["Use_p"], found["Use_d"])
    found["gmax0_AMPA"] = np.where(strong, found["gmax_p_AMPA"], found["gmax_d_AMPA"])
    found["gmax_NMDA"] = found["gmax0_AMPA"] * numbers["gmax_NMDA"]
    if "n_rrp_vesicles" in rows.columns:
        vesicles = rows.columns["n_rrp_vesicles"][at].astype(np.float64)
        found["Nrrp"] = np.maximum(vesicles, 1.0)
    return found


KNOWN: Mapping[str, tuple[Mapping[str, str], Callable[[EdgeRows, NDArray[np.int64], Numbers], Numbers]]] = {
    "Exp2Syn": (EXP2SYN, _as_they_are),
    "GluSynapse": (_PLASTIC, _plastic),
}
"""Columns by variables, and what is made of them, by the name of the point process."""
