"""Discovery of simrun results: every layout, every defect, and a large tree."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from neurolake.ingest.simrun.layout import RunDirectory, Survey, survey
from neurolake.ingest.trials.names import sim_trial_index, stimulus
from neurolake.lake.errors import IngestError


def make(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


def trial_names(numbers: Sequence[int], digits: int = 4) -> list[str]:
    kinds = ("synapses", "presynaptic_cells")
    return [f"simulation_run{number:0{digits}d}_{kind}.csv" for number in numbers for kind in kinds]


def only_run(tree: Path) -> RunDirectory:
    found = survey(tree)
    assert not found.failures
    (run,) = found.runs
    return run


def only_failure(tree: Path) -> IngestError:
    found = survey(tree)
    assert not found.runs
    ((_, error),) = found.failures
    assert error.line is None
    return error


def test_todays_layout(tmp_path: Path) -> None:
    prefix = "seed268_pid157"
    directory = make(
        tmp_path / "stim_C2" / "results" / f"20261120-2051_{prefix}",
        *trial_names([10, 2]),
        f"{prefix}_vm_all_traces.csv",
        f"{prefix}_b_vm_dend_traces.csv",
        f"{prefix}_a_x_0.929_vm_dend_traces.csv",
        f"{prefix}_neuron_model.param",
        f"{prefix}_network_model.param",
        "hostname_vm",
        "synapse_file_paths.csv",
    )
    run = only_run(tmp_path)
    assert (run.path, run.name) == (directory, f"stim_C2/results/20261120-2051_{prefix}")
    assert (run.prefix, run.date, run.seed, run.pid, run.hostname) == (
        prefix,
        "20261120-2051",
        268,
        157,
        "vm",
    )
    assert [trial.number for trial in run.trials] == [2, 10]
    assert run.trials[0].synapses == directory / "simulation_run0002_synapses.csv"
    assert run.trials[0].cells == directory / "simulation_run0002_presynaptic_cells.csv"
    assert run.soma == directory / f"{prefix}_vm_all_traces.csv"
    assert list(run.sites) == ["a_x_0.929", "b"]
    assert run.sites["b"] == directory / f"{prefix}_b_vm_dend_traces.csv"
    assert run.neuron_parameters == directory / f"{prefix}_neuron_model.param"
    assert run.network_parameters == directory / f"{prefix}_network_model.param"
    assert run.others == (directory / "hostname_vm", directory / "synapse_file_paths.csv")
    assert set(run.files) == set(directory.iterdir())
    assert len(run.files) == 11
    assert pickle.loads(pickle.dumps(run)) == run
    assert survey(tmp_path).attachments == (run.network_parameters, run.neuron_parameters)


@pytest.mark.parametrize(
    ("directory", "prefix", "date", "seed", "pid"),
    [
        ("20150815-1530_20240", "20240", "20150815-1530", None, 20240),
        ("20150815-1530_20240", "seed_20240", "20150815-1530", 20240, None),
        ("20150815-1530_seed_7", "seed_7", "20150815-1530", 7, None),
        ("20261120-2051_seed00000_pid5", "seed00000_pid5", "20261120-2051", 0, 5),
        ("20261120-2051_seed12_pid15792", "pid15792", "20261120-2051", 12, 15792),
        ("simrun_2015_C2center", "20240", None, None, 20240),
        ("anything", "model", None, None, None),
    ],
)
def test_names_tell(
    tmp_path: Path, directory: str, prefix: str, date: str | None, seed: int | None, pid: int | None
) -> None:
    make(
        tmp_path / directory,
        *trial_names([0], digits=7),
        f"{prefix}_vm_all_traces.csv",
        f"{prefix}_d_vm_dend_traces.csv",
    )
    run = only_run(tmp_path)
    assert (run.prefix, run.date, run.seed, run.pid) == (prefix, date, seed, pid)
    assert (run.hostname, list(run.sites), run.trials[0].number) == (None, ["d"], 0)


def test_results_can_be_a_run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make(tmp_path / "simrun", *trial_names([0]))
    assert only_run(directory).name == "simrun"
    monkeypatch.chdir(directory)
    assert only_run(Path()).name == "simrun"


def test_activations_without_simulation_are_a_run(tmp_path: Path) -> None:
    make(tmp_path / "a", "simulation_run0000_synapses.csv", "7_network_model.param")
    run = only_run(tmp_path)
    assert (run.soma, run.neuron_parameters, run.prefix, run.pid) == (None, None, "7", 7)
    assert run.trials[0].cells is None
    assert set(run.files) == set((tmp_path / "a").iterdir())


def test_npz_traces_are_soma_traces(tmp_path: Path) -> None:
    directory = make(tmp_path / "a", "7_vm_all_traces.npz")
    assert only_run(tmp_path).soma == directory / "7_vm_all_traces.npz"
    assert only_run(tmp_path).trials == ()


def test_running_directories_are_left_out(tmp_path: Path) -> None:
    tree = tmp_path / "x_running"
    make(tree / "done", *trial_names([0]))
    make(tree / "b_running" / "deeper", *trial_names([0]), "c.hoc")
    make(tree / "a" / "20261120-2051_seed1_pid2_running_copy", *trial_names([0]))
    found = survey(tree)
    assert [run.name for run in found.runs] == ["done"]
    assert found.running == (tree / "a" / "20261120-2051_seed1_pid2_running_copy", tree / "b_running")
    assert found.attachments == ()


def test_only_running_directories_is_no_error(tmp_path: Path) -> None:
    make(tmp_path / "a_running", *trial_names([0]))
    assert survey(tmp_path) == Survey(tmp_path, (), (tmp_path / "a_running",), ())


def test_all_is_sorted_by_relative_path(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a", "a-b", "B"):
        make(tmp_path / name, *trial_names([0]), "x.SYN", "w.con", "notes.txt")
    make(tmp_path / "c", "sites.landmarkAscii", "cell.hoc", "m.Param")
    found = survey(tmp_path)
    assert [run.name for run in found.runs] == sorted(["b", "a/z", "a", "a-b", "B"])
    attachments = [path.relative_to(tmp_path).as_posix() for path in found.attachments]
    assert attachments == sorted(attachments)
    assert len(attachments) == 13


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree" / "m" / "run", *trial_names([0])).parents[1]
    elsewhere = make(tmp_path / "elsewhere" / "run", *trial_names([1]))
    (tree / "a").symlink_to(tree / "m")
    (tree / "m" / "run" / "up").symlink_to(tree)
    (tree / "itself").symlink_to(tree / "itself")
    (tree / "z").symlink_to(elsewhere.parent)
    (elsewhere / "back").symlink_to(tree)
    assert [run.name for run in survey(tree).runs] == ["m/run", "z/run"]


def test_a_broken_link_does_not_make_a_trial_vanish(tmp_path: Path) -> None:
    directory = make(tmp_path / "run", "simulation_run0000_synapses.csv")
    (directory / "simulation_run0001_synapses.csv").symlink_to("gone.csv")
    assert [trial.number for trial in only_run(tmp_path).trials] == [0, 1]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["1_vm_all_traces.csv", "2_vm_all_traces.csv"],
            "expected one soma trace file, found 1_vm_all_traces.csv, 2",
        ),
        (["1_vm_all_traces.csv", "1_vm_all_traces.npz"], "expected one soma trace file"),
        (
            ["1_vm_all_traces.csv", "1_neuron_model.param", "2_neuron_model.param"],
            "expected one neuron_model.param",
        ),
        (
            ["1_vm_all_traces.csv", "1_network_model.param", "2_network_model.param"],
            "expected one network_model.param",
        ),
        (["1_a_vm_dend_traces.csv"], "no soma traces"),
        ([*trial_names([0]), "1_neuron_model.param"], "no soma traces"),
        (
            ["1_vm_all_traces.csv", "2_a_vm_dend_traces.csv"],
            "expected the name 1_<recording site>_vm_dend_traces.csv",
        ),
        (
            ["1_vm_all_traces.csv", "1_vm_dend_traces.csv"],
            "expected the name 1_<recording site>_vm_dend_traces.csv",
        ),
        ([*trial_names([3]), *trial_names([3], digits=7)], "trial 3 is there twice: simulation_run000"),
        ([*trial_names([0]), "simulation_run0001_synapses.csv"], "no presynaptic_cells file for trial 1"),
        (
            [*trial_names([0]), "simulation_run0001_presynaptic_cells.csv"],
            "without the synapses file of trial 1",
        ),
        (["simulation_run0001_presynaptic_cells.csv"], "without the synapses file of trial 1"),
    ],
)
def test_defects_of_a_run_directory(tmp_path: Path, names: list[str], reason: str) -> None:
    directory = make(tmp_path / "a", *names)
    error = only_failure(tmp_path)
    assert reason in error.reason
    assert Path(error.path).is_relative_to(directory)


def test_a_defect_does_not_hide_other_runs(tmp_path: Path) -> None:
    make(tmp_path / "a", "1_a_vm_dend_traces.csv")
    make(tmp_path / "b", *trial_names([0]))
    make(tmp_path / "c", "1_vm_all_traces.csv", "2_vm_all_traces.csv")
    found = survey(tmp_path)
    assert [run.name for run in found.runs] == ["b"]
    assert [name for name, _ in found.failures] == ["a", "c"]


def test_a_directory_that_cannot_be_listed_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "b", *trial_names([0]))
    locked = make(tmp_path / "locked")
    scan = os.scandir

    def refusing(path: Path) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = survey(tmp_path)
    assert [run.name for run in found.runs] == ["b"]
    assert [(name, str(error)) for name, error in found.failures] == [
        ("locked", f"{locked}: cannot be listed: Permission denied")
    ]


def test_nothing_found(tmp_path: Path) -> None:
    make(tmp_path / "a", "1_neuron_model.param", "notes.csv", "old_simulation_run0000_synapses.csv")
    with pytest.raises(IngestError, match="no simrun results: expected simulation_run<N>_synapses"):
        survey(tmp_path)
    with pytest.raises(IngestError, match="expected a directory"):
        survey(tmp_path / "gone")


@pytest.mark.parametrize(
    "names",
    [
        ["1_vm_all_traces.csv", "simulation_run99999999999999999999_synapses.csv"],
        ["seed99999999999999999999_pid1_vm_all_traces.csv"],
        ["9223372036854775808_vm_all_traces.csv"],
    ],
)
def test_numbers_too_large_for_a_column(tmp_path: Path, names: list[str]) -> None:
    make(tmp_path / "run", *names)
    assert "below 2^63" in only_failure(tmp_path).reason


def test_keys() -> None:
    assert sim_trial_index("stim_C2/results/20261120-2051_seed1_pid2", 3) == (
        "stim_C2/results/20261120-2051_seed1_pid2/000003"
    )
    assert stimulus("stim_C2/results/20261120-2051_seed1_pid2/000003") == "C2"
    assert stimulus("C2_evoked/results/a/000003") == "C2"
    assert stimulus("D1/results/a/000003") == "D1"
    assert stimulus("stimulus_C2/000003") == "stimulus"
    assert stimulus("stim") == "stim"


def test_real_trees(isf_data: Path) -> None:
    today = only_run(isf_data / "simrun_2026")
    assert (today.seed, today.pid, today.date, today.hostname) == (268801449, 15792, "20261120-2051", "vm")
    assert stimulus(sim_trial_index(today.name, 0)) == "C2"
    label = "apical_proximal_distal_rec_sites_ID_000_sec_038_seg_032_x_0.929_somaDist_920.7"
    assert (len(today.trials), list(today.sites)) == (8, [label])
    old = only_run(isf_data / "simrun_2015_C2center")
    assert (old.name, old.prefix, old.seed, old.pid) == ("simrun_2015_C2center", "20240", None, 20240)
    assert (len(old.trials), len(old.sites), next(iter(old.sites))) == (6, 2, label)
    for run in (today, old):
        assert set(run.files) == set(run.path.iterdir())
