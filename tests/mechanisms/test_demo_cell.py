"""The demo cell, simulated."""

import subprocess
import sys

import numpy as np
import pytest

from neurolake.mechanisms.demo_cell import STIMULI, DemoCell, cell_parameters, recording_site
from neurolake.mechanisms.demo_input import demo_embedding, demo_input
from neurolake.mechanisms.demo_shape import demo_branches


@pytest.fixture(scope="module")
def cell():
    return DemoCell()


@pytest.fixture(scope="module")
def trials(cell):
    return [cell.trial("C2", seed=1, trial=number) for number in range(3)]


def spikes(voltage):
    return np.flatnonzero((voltage[:-1] < 0) & (voltage[1:] >= 0))


def same(a, b):
    traces = [
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("time", "soma_voltage", "dendrite_voltage")
    ]
    tables = [
        np.array_equal(x[name], y[name])
        for x, y in ((a.synapses, b.synapses), (a.cells, b.cells))
        for name in x
    ]
    return all(traces + tables)


def test_neuron_agrees_on_the_geometry(cell):
    branches = demo_branches()
    assert [section.name() for section in cell.sections] == [branch.name for branch in branches]
    # NEURON keeps 3-D points in single precision.
    assert [section.L for section in cell.sections] == pytest.approx(
        [branch.length for branch in branches], rel=1e-6
    )
    assert 60 <= sum(section.nseg for section in cell.sections) <= 100


def test_the_recording_site_is_a_compartment_at_its_distance(cell):
    from neuron import h

    site = recording_site()
    section = cell.sections[site.section]
    assert list(section)[site.segment].x == pytest.approx(site.x)
    assert h.distance(cell.sections[0](0), section(site.x)) == pytest.approx(site.soma_distance, rel=1e-6)


def test_it_fires_and_the_spike_runs_up_the_dendrite(trials):
    for trial in trials:
        assert trial.time.shape == trial.soma_voltage.shape == trial.dendrite_voltage.shape == (8001,)
        assert trial.time[-1] == pytest.approx(200.0)
        assert -90 < trial.soma_voltage.min() < -60
        assert trial.soma_voltage.max() < 60
    fired = [spikes(trial.soma_voltage) for trial in trials]
    assert sum(map(len, fired)) >= 3
    assert any(trial.dendrite_voltage.max() > -30 for trial in trials)


def test_without_input_it_rests(cell, monkeypatch):
    monkeypatch.setattr(
        cell, "_connections", [type("Silent", (), {"event": lambda self, time: None})()] * 460
    )
    silent = cell.trial("C2", seed=1, trial=0, t_stop=100.0)
    assert silent.soma_voltage.max() < -60
    assert len(spikes(silent.soma_voltage)) == 0


def test_a_key_names_one_trial_whatever_ran_before(cell, trials):
    assert same(cell.trial("C2", seed=1, trial=0), trials[0])
    assert not same(trials[0], trials[1])
    assert not same(cell.trial("C2", seed=2, trial=0), trials[0])


def test_tables_are_the_input_in_words(trials):
    drawn, table, cells = demo_input("C2", 1, 0, 200.0), trials[0].synapses, trials[0].cells
    embedding = demo_embedding()
    assert np.array_equal(table["time"], drawn.activation_time)
    assert np.array_equal(table["soma_distance"], embedding.soma_distance[drawn.synapse])
    labels = [branch.label for branch in demo_branches()]
    assert table["dendrite_label"].tolist() == [labels[section] for section in table["section_id"]]
    assert table["synapse_type"].tolist() == sorted(table["synapse_type"])
    repeated = np.flatnonzero(table["activation"])
    assert len(repeated)
    assert np.array_equal(table["activation"][repeated], table["activation"][repeated - 1] + 1)
    assert np.array_equal(cells["time"], drawn.spike_time)
    assert set(table["synapse_type"]) <= set(cells["presynaptic_cell_type"])


def test_stimuli_differ(cell, trials):
    other = cell.trial("B1", seed=1, trial=0)
    assert not np.array_equal(other.soma_voltage, trials[0].soma_voltage)


def test_an_unknown_whisker_is_named(cell):
    with pytest.raises(ValueError, match=f"whisker is 'E9'; expected one of {', '.join(STIMULI)}"):
        cell.trial("E9", seed=1, trial=0)


def test_parameters_describe_what_was_built(cell):
    soma = cell_parameters(morphology="a.hoc", recording_sites="b")["neuron"]["Soma"]
    built = cell.sections[0](0.5)
    assert built.hh.gnabar == soma["mechanisms"]["range"]["hh"]["gnabar"]
    assert built.pas.e == soma["mechanisms"]["range"]["pas"]["e"]
    assert built.ek == soma["properties"]["ions"]["ek"]


def test_importing_it_does_not_import_neuron():
    code = "import sys, neurolake.mechanisms.demo_cell; sys.exit('neuron' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
