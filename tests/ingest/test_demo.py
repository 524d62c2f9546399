"""The demo tree: a simrun tree that can be read, and the same one each time."""

import numpy as np
import pytest

from neurolake.ingest.demo import write_demo_tree
from neurolake.ingest.parameters import parse_parameters
from neurolake.ingest.simrun_layout import sim_trial_index, stimulus, survey
from neurolake.ingest.simrun_text import parse_cells, parse_synapses
from neurolake.ingest.simrun_traces import parse_traces
from neurolake.lake.errors import IngestError, InputError
from neurolake.mechanisms.demo_cell import DemoCell
from neurolake.mechanisms.demo_input import POPULATIONS


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_demo_tree(folder, trials=2, runs=1, seed=3)
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
    for run in runs:
        assert run.path.parent.name == "results"
        assert run.path.name == f"20260101-0000_seed{run.seed}_pid{run.pid}"
        assert run.prefix == f"seed{run.seed}_pid{run.pid}"
        assert run.hostname == "demo"
        assert [trial.number for trial in run.trials] == [0, 1]
        assert [file.name for file in run.others] == ["hostname_demo"]
    assert {file.name for file in found.attachments if "anatomy" in file.parts} == {
        "demo_cell.hoc",
        "demo_cell.syn",
        "demo_cell.con",
        "demo_sites.landmarkAscii",
    }


def test_it_holds_what_this_process_simulates(runs):
    cell = DemoCell()
    for run in runs:
        soma = read(parse_traces, run.soma)
        (site,) = run.sites
        dendrite = read(parse_traces, run.sites[site])
        whisker = stimulus(sim_trial_index(run.name, 0))
        for files in run.trials:
            trial = cell.trial(whisker, seed=run.seed, trial=files.number)
            assert np.array_equal(soma.time, trial.time)
            assert np.array_equal(soma.voltage[files.number], trial.soma_voltage)
            assert np.array_equal(dendrite.voltage[files.number], trial.dendrite_voltage)
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


def test_equal_arguments_give_equal_files(tree, tmp_path):
    write_demo_tree(tmp_path / "again", trials=2, runs=1, seed=3, processes=1)
    assert contents(tmp_path / "again") == contents(tree)


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
        lines = (tree / "anatomy" / name).read_text().splitlines()
        assert len([line for line in lines if line and not line.startswith("#")]) == synapses


def test_it_does_not_overwrite(tree):
    before = contents(tree)
    with pytest.raises(IngestError, match="already there"):
        write_demo_tree(tree, trials=2, runs=1, seed=3)
    assert contents(tree) == before


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"runs": 0}, {"trials": 1, "runs": 2}, {"seed": -1}])
def test_arguments_are_checked(tmp_path, wrong):
    with pytest.raises(InputError, match="expected 1 <= runs <= trials"):
        write_demo_tree(tmp_path, **wrong)
    assert contents(tmp_path) == {}
