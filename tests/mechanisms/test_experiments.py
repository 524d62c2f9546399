"""Cells that are stimulated answer as cells do: physiology, not the numbers of the last run."""

import gc

import neuron
import numpy as np
import pytest

from neurolake.ingest.text.parameters import parse_parameters
from neurolake.mechanisms.cell.create import create_cell
from neurolake.mechanisms.cell.morphology import read_morphology
from neurolake.mechanisms.trial.experiments import Conditions, bac_response, run, step_response


def spikes(time, voltage, threshold=0.0):
    return time[1:][(voltage[:-1] < threshold) & (voltage[1:] >= threshold)]


def real_cell(morphology, parameters):
    from neuron import h

    gc.collect()
    assert not list(h.allsec()), "another cell would be simulated too"
    return create_cell(parse_parameters(parameters.read_bytes(), parameters), read_morphology(morphology))


@pytest.fixture
def cell_86(isf_data, library):
    folder = isf_data / "example_86_C2"
    return lambda: real_cell(
        folder / "anatomical" / "86_C2_center.hoc", folder / "biophysical" / "86_C2_center.param"
    )


@pytest.fixture
def fitted_cell(isf_data, library):
    """A cell whose channel densities were fitted to BAC firing, among others."""
    folder = isf_data / "publication"
    model = folder / "biophysical_models" / "WR64_Cell8" / "0.param"
    return lambda: real_cell(folder / "morphologies" / "WR64_Cell8.hoc", model)


def test_it_rests_where_a_layer_5_cell_does(cell_86):
    cell = cell_86()
    recorded = run(150.0, {"soma": cell.soma(0.5)._ref_v})
    voltage = recorded.traces["soma"]
    assert len(recorded.time) == len(voltage) == 6001 and recorded.time[-1] == pytest.approx(150.0)
    assert voltage[0] == -75.0
    assert -90 < voltage[-1] < -70 and abs(voltage[-1] - voltage[-400]) < 0.2


def test_a_step_above_threshold_makes_spikes_of_the_right_shape(cell_86):
    recorded = step_response(cell_86(), 1.507, delay=80, duration=80, after=20)
    time, voltage = recorded.time, recorded.traces["soma"]
    found = spikes(time, voltage)
    assert len(found) >= 4 and found.min() > 80 and found.max() < 160
    first = np.searchsorted(time, found[0])
    rise = np.diff(voltage) / 0.025
    assert 20 < voltage[first : first + 40].max() < 50, "peak in mV"
    half = (voltage[first - 40 : first + 80] > (voltage[first : first + 40].max() - 50) / 2).sum() * 0.025
    assert 0.3 < half < 2.0, "width at half height in ms"
    assert rise[first - 40 : first + 40].max() > 100, "mV/ms"
    assert voltage[first : first + 200].min() < -55, "it repolarises"
    assert len(found) > 1 and np.all(np.diff(found) > 2), "it is refractory"


def test_a_step_below_threshold_only_charges_the_membrane(cell_86):
    recorded = step_response(cell_86(), 0.3, delay=80, duration=80, after=20)
    time, voltage = recorded.time, recorded.traces["soma"]
    assert len(spikes(time, voltage)) == 0
    before, during = voltage[np.searchsorted(time, 79)], voltage[np.searchsorted(time, 159)]
    assert 20 < (during - before) / 0.3 < 60, "input resistance in megaohm"


def test_a_spike_that_meets_an_epsp_makes_a_burst(fitted_cell):
    recorded = bac_response(fitted_cell(), 853.0, delay=100, after=70)
    soma, apical = recorded.traces["soma"], recorded.traces["apical"]
    found = spikes(recorded.time, soma)
    assert 2 <= len(found) <= 4 and 100 < found[0] < 106 and np.diff(found).max() < 20
    plateau = recorded.time[apical > -30]
    assert apical.max() > 0 and np.ptp(plateau) > 20, "a calcium spike in the tuft outlasts the somatic ones"


def test_neither_half_of_it_does_alone(fitted_cell):
    from neurolake.mechanisms.cell.compartments import apical_place
    from neurolake.mechanisms.cell.modify import apical_epsp_injection, soma_current_injection

    alone = {
        "step": lambda cell: soma_current_injection(cell, 1.9, 100.0, 5.0),
        "epsp": lambda cell: apical_epsp_injection(cell, 853.0, 0.5, 105.0),
    }
    counts = {}
    for name, stimulate in alone.items():
        cell = fitted_cell()
        stimulate(cell)
        section, x = apical_place(cell.branches, 853.0)
        recorded = run(170.0, {"soma": cell.soma(0.5)._ref_v, "apical": cell.sections[section](x)._ref_v})
        counts[name] = len(spikes(recorded.time, recorded.traces["soma"]))
        assert recorded.traces["apical"].max() < 0, "no calcium spike"
        del cell
    assert counts == {"step": 1, "epsp": 0}


def test_smaller_steps_in_time_give_the_same_spikes(parameters, pyramid, library):
    parameters["neuron"]["cell_modify_functions"] = {
        "soma_current_injection": {"amplitude": 0.4, "delay": 20.0, "duration": 50.0}
    }
    found = []
    for dt in (0.025, 0.0125):
        cell = create_cell(parameters, pyramid)
        recorded = run(80.0, {"soma": cell.soma(0.5)._ref_v}, Conditions(dt=dt))
        found.append(spikes(recorded.time, recorded.traces["soma"]))
        del cell
    assert len(found[0]) == len(found[1]) >= 2
    assert np.abs(found[0] - found[1]).max() < 0.5


def test_a_run_begins_anew(parameters, pyramid, library):
    cell = create_cell(parameters, pyramid)
    record = {"soma": cell.soma(0.5)._ref_v}
    first, second = run(5.0, record), run(5.0, record)
    assert np.array_equal(first.traces["soma"], second.traces["soma"])
    third = run(5.0, record, Conditions(v_init=-60.0))
    assert third.traces["soma"][0] == -60.0


def test_one_cell_does_for_many_experiments(pyramid, parameters, library):
    gc.collect()
    cell = create_cell(parameters, pyramid)
    times = {"delay": 20, "duration": 30, "after": 10}
    before = step_response(cell, 0.0, **times).traces["soma"]
    first = step_response(cell, 0.3, **times).traces["soma"]
    assert np.abs(first - before).max() > 1, "the step is felt"
    np.testing.assert_array_equal(step_response(cell, 0.3, **times).traces["soma"], first)
    np.testing.assert_array_equal(step_response(cell, 0.0, **times).traces["soma"], before)


def test_variable_steps_agree_with_short_fixed_ones(pyramid, parameters, library):
    gc.collect()
    cell = create_cell(parameters, pyramid)
    times = {"delay": 20, "duration": 30, "after": 10}
    fixed = step_response(cell, -0.1, conditions=Conditions(dt=0.005), **times)
    solver = neuron.h.CVode()
    tolerance = solver.atol()
    solver.atol(0.5)
    variable = step_response(cell, -0.1, conditions=Conditions(variable_step=True), **times)
    assert not solver.active() and solver.atol() == 0.5, "the solver is as before"
    solver.atol(tolerance)
    assert len(variable.time) < len(fixed.time) / 10 and variable.time[-1] == pytest.approx(60.0)
    expected = np.interp(variable.time, fixed.time, fixed.traces["soma"])
    np.testing.assert_allclose(variable.traces["soma"], expected, atol=0.1)
    again = step_response(cell, -0.1, conditions=Conditions(dt=0.005), **times)
    np.testing.assert_array_equal(again.traces["soma"], fixed.traces["soma"])
