"""The demo: a model of our own as simrun files, and a simrun tree of its trials that can be read."""

import numpy as np
import pytest
from nerves import delete_all_sections

from neurolake.ingest.demo import write_demo_model, write_demo_tree
from neurolake.ingest.simrun.layout import survey
from neurolake.ingest.simrun.text import parse_cells, parse_synapses
from neurolake.ingest.simrun.traces import parse_traces
from neurolake.ingest.text.parameters import parse_parameters
from neurolake.ingest.trials.names import sim_trial_index, stimulus
from neurolake.lake.errors import IngestError, InputError
from neurolake.mechanisms.demo.input import POPULATIONS
from neurolake.mechanisms.trial.simulation import Simulation


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_demo_tree(folder, trials=2, seed=3, processes=1)
    return folder


@pytest.fixture(scope="module")
def runs(tree):
    return survey(tree).runs


def read(parse, path):
    return parse(path.read_bytes(), path)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_layout(tree, runs):
    found = survey(tree)
    assert found.failures == () and found.running == ()
    assert [stimulus(sim_trial_index(run.name, 0)) for run in runs] == ["B1", "C2"]
    for run, seed in zip(runs, (4, 3), strict=True):
        assert run.path.name == run.prefix == f"seed{seed}"
        assert (run.seed, run.pid, run.date) == (seed, None, None)
        assert [trial.number for trial in run.trials] == [0, 1]
        assert [file.name for file in run.others] == [f"hostname_{run.hostname}"]
    assert {file.name for file in found.attachments if "anatomy" in file.parts} == {
        "demo_cell.hoc",
        "demo_cell.syn",
        "demo_cell.con",
        "demo_sites.landmarkAscii",
    }


def test_it_holds_what_this_process_simulates(tmp_path, runs):
    model = write_demo_model(tmp_path)
    cell = read(parse_parameters, model.cell)
    run = next(run for run in runs if run.name.startswith("stim_C2"))
    simulation = Simulation(cell, read(parse_parameters, model.networks["C2"]), tmp_path)
    soma = read(parse_traces, run.soma)
    (site,) = run.sites
    dendrite = read(parse_traces, run.sites[site])
    files = run.trials[1]
    trial = simulation.trial(3, 1)
    assert np.array_equal(soma.time, trial.time)
    assert np.array_equal(soma.voltage[1], trial.voltage["soma"])
    assert np.array_equal(dendrite.voltage[1], trial.voltage[site])
    for table, expected in (
        (read(parse_synapses, files.synapses), trial.synapses),
        (read(parse_cells, files.cells), trial.cells),
    ):
        for name, values in expected.items():
            assert table.column(name).to_pylist() == values.tolist()


def test_the_cell_fires_and_trials_differ(runs):
    traces = [read(parse_traces, run.soma).voltage for run in runs]
    assert max(voltage.max() for voltage in traces) > 0
    assert not any(np.array_equal(*voltage) for voltage in traces)


def test_equal_arguments_give_equal_models(tmp_path):
    for name in ("first", "second"):
        write_demo_model(tmp_path / name)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_parameters_refer_to_files_of_the_tree(tree, runs):
    for run in runs:
        neuron = read(parse_parameters, run.neuron_parameters)
        network = read(parse_parameters, run.network_parameters)["network"]
        assert list(network) == [population.name for population in POPULATIONS]
        paths = [neuron["neuron"]["filename"], *neuron["sim"]["recordingSites"]]
        paths += [
            kind["synapses"][file]
            for kind in network.values()
            for file in ("distributionFile", "connectionFile")
        ]
        assert all((tree / path).is_file() for path in paths)


def test_anatomy_lists_every_synapse(tree):
    synapses = sum(population.synapses for population in POPULATIONS)
    for name in ("demo_cell.syn", "demo_cell.con"):
        (file,) = tree.rglob(name)
        lines = file.read_text().splitlines()
        assert len([line for line in lines if line and not line.startswith("#")]) == synapses


def test_it_does_not_overwrite(tree):
    before = contents(tree)
    with pytest.raises(IngestError, match="choose another folder"):
        write_demo_tree(tree, trials=2, seed=3)
    assert contents(tree) == before


def test_no_trials_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected 1 or more"):
        write_demo_tree(tmp_path / "tree", trials=0)
    assert contents(tmp_path) == {}
