"""Standard experiments on a cell: run it, step it, make it fire a burst."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cell.compartments import apical_place
from ..cell.modify import BAC_injection, soma_current_injection
from ..cell.sections import Cell

Reals = NDArray[np.float64]

TOLERANCE = 1e-3
"""Absolute tolerance of variable time steps, NEURON's own default."""


@dataclass(frozen=True)
class ExperimentTraces:
    """What a run recorded.

    Attributes
    ----------
    time
        In ms, float64[n_time], as NEURON accumulates it.
    traces
        What was asked for, by name, float64[n_time] each.
    """

    time: Reals
    traces: Mapping[str, Reals]


@dataclass(frozen=True)
class Conditions:
    """What an experiment is done under.

    Attributes
    ----------
    dt, v_init, celsius
        Time step in ms, initial potential in mV, temperature in degC.
    variable_step
        Whether NEURON's CVODE chooses the time steps, with an absolute tolerance of `TOLERANCE`, and *dt* is not used.
    """

    dt: float = 0.025
    v_init: float = -75.0
    celsius: float = 34.0
    variable_step: bool = False


def run(t_stop: float, record: Mapping[str, Any], conditions: Conditions = Conditions()) -> ExperimentTraces:
    """Simulate what is in this process's NEURON with a fixed or a variable time step.

    Parameters
    ----------
    t_stop
        End in ms, which is recorded too.
    record
        References to record at every step, such as ``{"soma": cell.soma(0.5)._ref_v}``.
    conditions
        Step, initial potential and temperature. The solver is as before in the end.
    """
    from neuron import h

    h.load_file("stdrun.hoc")
    references = {"t": h._ref_t, **record}
    vectors = {name: h.Vector().record(reference) for name, reference in references.items()}
    solver = h.CVode()
    active, tolerance = solver.active(), solver.atol()
    solver.active(conditions.variable_step)
    if conditions.variable_step:
        solver.atol(TOLERANCE)
    h.celsius, h.dt, h.steps_per_ms = conditions.celsius, conditions.dt, 1 / conditions.dt
    try:
        h.finitialize(conditions.v_init)
        if conditions.variable_step:
            solver.solve(t_stop)
        else:
            h.continuerun(t_stop)
        if vectors["t"][-1] < h.t:
            # The last of the variable steps goes beyond the end, where NEURON interpolates but does not record.
            for name, vector in vectors.items():
                vector.append(references[name][0])
    finally:
        solver.active(active)
        solver.atol(tolerance)
    traces = {name: vector.as_numpy().copy() for name, vector in vectors.items()}
    return ExperimentTraces(traces.pop("t"), traces)


def step_response(
    cell: Cell,
    amplitude: float,
    *,
    delay: float = 700.0,
    duration: float = 2000.0,
    after: float = 300.0,
    conditions: Conditions = Conditions(),
    record: Mapping[str, Any] | None = None,
) -> ExperimentTraces:
    """Inject a step of current into the soma and record its potential (``soma``, mV).

    Parameters
    ----------
    cell
        The cell; the electrode is taken away in the end.
    amplitude
        In nA. Hay et al. (2011) PLoS Comput Biol 7:e1002107 use 0.619, 0.793 and 1.507 nA with the default times.
    delay, duration, after
        In ms: before, during and after the step.
    conditions
        As of `run`.
    record
        References to record besides.
    """
    with cell.restored():
        soma_current_injection(cell, amplitude, delay, duration)
        return run(
            delay + duration + after,
            {"soma": cell.soma(0.5)._ref_v, **(record or {})},
            conditions,
        )


def bac_response(
    cell: Cell,
    distance: float,
    *,
    delay: float = 295.0,
    after: float = 200.0,
    conditions: Conditions = Conditions(),
    record: Mapping[str, Any] | None = None,
) -> ExperimentTraces:
    """Make a cell fire a burst by a spike that meets an apical EPSP; see `modify.BAC_injection`.

    Parameters
    ----------
    cell
        The cell; the electrodes are taken away in the end.
    distance
        Of the EPSP from the soma, in um along the apical dendrite.
    delay, after
        In ms: before the somatic step, and from it to the end.
    conditions
        As of `run`.
    record
        References to record besides.

    Returns
    -------
    ExperimentTraces
        Potentials in mV: ``soma``, and ``apical`` at the place of the EPSP.
    """
    section, x = apical_place(cell.branches, distance)
    sites = {"soma": cell.soma(0.5)._ref_v, "apical": cell.sections[section](x)._ref_v}
    with cell.restored():
        BAC_injection(cell, distance, delay)
        return run(
            delay + after,
            {**sites, **(record or {})},
            conditions,
        )
