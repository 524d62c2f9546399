"""Ingest of simrun trees: the lake holds exactly what the files say, all of it or nothing."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simrun_trees import (
    NETWORK,
    OLD,
    OTHER_SITE,
    SITE,
    THIRD,
    Run,
    digests,
    read_lake,
    read_tree,
    write_run,
)

import neurolake
from neurolake import ConflictError, IngestError, InputError, StorageError
from neurolake.ingest.simrun import ingest as simrun
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.ingest.source import Ingested


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three namings, two time axes, other sites, an empty trial, a running directory, and files beside."""
    root = tmp_path / "tree"
    write_run(root / "stim_C2" / "results", Run(seed=1, trials=(0, 1, 10)))
    write_run(root / "stim_C2" / "results", Run(seed=2, empty=(1,)))
    old = {"naming": OLD, "start": 100.0, "sites": (SITE, OTHER_SITE), "columns": 6}
    write_run(root / "D1_evoked" / "results", Run(seed=3, populations=("VPM", "L1"), **old))
    write_run(root / "third", Run(seed=4, naming=THIRD, npz=True, digits=7, sites=(), trials=(3, 12)))
    write_run(root / "alone", Run(seed=5, naming=("x_running", "seed1_pid2")))
    for name in (
        "anatomy/cell.hoc",
        "anatomy/cell.syn",
        "anatomy/cell.con",
        "sites.landmarkAscii",
        "b.param",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"what {name} holds")
    return root


def ingest(lake: Any, tree: Path, **options: Any) -> Ingested:
    return ingest_simrun(lake, tree, **{"processes": 1, **options})


def rows(lake: Any, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return lake.sql(query, **parameters).fetchall()


def test_the_lake_holds_what_the_files_say(lake: Any, tree: Path) -> None:
    report = ingest(lake, tree)
    expected = read_tree(tree)
    assert len(expected) == report.trials == 9
    assert read_lake(lake.head) == expected
    assert report.complete and report.commit == lake.head.commit.id
    assert report.running == ["alone/x_running"]
    assert report.added == sorted({trial.run for trial in expected})
    assert report.unchanged == report.changed == report.failures == []
    sizes = [path.stat().st_size for trial in expected for path in (tree / trial.run).iterdir()]
    assert 0 < report.source_bytes < sum(sizes)
    assert len(lake.log()) == 2


def test_trials_are_described(lake: Any, tree: Path) -> None:
    ingest(lake, tree, labels={"whisker": r"^(?:stim_)?([A-E]\d)", "day": r"\d{8}", "none": "(x)|y"})
    found = rows(
        lake,
        'select trial_id, sim_trial_index, stimulus, seed, pid, date, hostname, whisker, day, "none" from trials',
    )
    old, third, new = "20150815-1530", "20181120-2051", "20261120-2051"
    d1 = ("D1", None, 1003, old, "node7", "D1", "20150815", None)
    c2 = [("C2", seed, seed + 1000, new, "node7", "C2", "20261120", None) for seed in (1, 2)]
    no_whisker = ("third", 4, None, third, "node7", None, "20181120", None)
    assert found == [
        (0, f"D1_evoked/results/{old}_1003/000000", *d1),
        (1, f"D1_evoked/results/{old}_1003/000001", *d1),
        (2, f"stim_C2/results/{new}_seed1_pid1001/000000", *c2[0]),
        (3, f"stim_C2/results/{new}_seed1_pid1001/000001", *c2[0]),
        (4, f"stim_C2/results/{new}_seed1_pid1001/000010", *c2[0]),
        (5, f"stim_C2/results/{new}_seed2_pid1002/000000", *c2[1]),
        (6, f"stim_C2/results/{new}_seed2_pid1002/000001", *c2[1]),
        (7, f"third/{third}_seed_4/000003", *no_whisker),
        (8, f"third/{third}_seed_4/000012", *no_whisker),
    ]
    axes = rows(lake, "select distinct t_start, round(t_stop, 6), dt from trials order by all")
    assert axes == [(0.0, 4.975, 0.025), (100.0, 104.975, 0.025)]
    assert rows(lake, "select distinct threshold from spike_times") == [(0.0,)]
    assert rows(lake, "select distinct threshold from dendritic_spike_times") == [(-30.0,)]


def test_an_empty_trial_is_a_trial(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    ((trial,),) = rows(lake, "select trial_id from trials where seed = 2 and trial_number = 1")
    for table in ("synapse_activation", "cell_activation"):
        assert rows(lake, f"select count(*) from {table} where trial_id = $trial", trial=trial) == [(0,)]
    assert rows(lake, "select count(*) from traces where trial_id = $trial", trial=trial) == [(2,)]


PUBLISHED = (
    "# synapse type\tsynapse ID\tsoma distance\tsection ID\tsection pt ID\tdendrite label\tactivation times\n"
    "INH\t0\t2.5\t1\t2\tDendrite\t5.5,7.25,\n"
)


@pytest.mark.parametrize("name", ["synapse_activation.csv", "simulation_run0000_synapses.csv"])
def test_a_trial_is_published_without_voltages(lake: Any, tmp_path: Path, name: str) -> None:
    run = "20221209-1850_seed7_pid1"
    (tmp_path / "tree" / run).mkdir(parents=True)
    (tmp_path / "tree" / run / name).write_text(PUBLISHED)
    for kind in ("neuron", "network"):
        (tmp_path / "tree" / run / f"{run}_{kind}_model.param").write_text(f'{{"{kind}": {{"a": 1}}}}')
    report = ingest(lake, tmp_path / "tree")
    assert (report.trials, report.notices) == (1, [f"{run}: both parameter files, and no voltages"])
    assert rows(lake, "select synapse_type, time from synapse_activation") == [("INH", 5.5), ("INH", 7.25)]
    assert len(rows(lake, "select * from parameters")) == 2
    export_simrun(lake.head, tmp_path / "copy")
    assert (tmp_path / "copy" / run / name).read_text() == PUBLISHED


def test_each_time_axis_has_arrays_of_its_own(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    arrays = {name: array.shape for name, array in lake.head.arrays.items() if array.ndim == 2}
    assert arrays == {
        # D1_evoked comes first by name.
        "voltage/soma": (2, 200),
        f"voltage/{SITE}": (2, 200),
        f"voltage/{OTHER_SITE}": (2, 200),
        "voltage/soma@0-4.975ms": (7, 200),
        f"voltage/{SITE}@0-4.975ms": (5, 200),
    }
    soma = lake["voltage/soma"]
    assert soma.metadata.dimension_names == ("trial", "time")
    assert soma.attrs["units"] == "mV" and lake["voltage/soma.time"].attrs["units"] == "ms"
    assert lake["voltage/soma.trial"][:].tolist() == [0, 1]


def test_axes_of_one_span_have_arrays_of_their_own(lake: Any, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        folder = write_run(tmp_path / "tree", Run(seed=seed, sites=()))
        file = folder / f"seed{seed}_pid{seed + 1000}_vm_all_traces.csv"
        file.write_text(file.read_text().replace("\n0.1\t", f"\n0.10000000{seed}\t"))
    ingest(lake, tmp_path / "tree")
    assert read_lake(lake.head) == read_tree(tmp_path / "tree")
    names = sorted(name for name, array in lake.head.arrays.items() if array.ndim == 2)
    assert [name.rpartition("-")[0] for name in names] == ["", "voltage/soma@0", "voltage/soma@0-4.975ms"]


def test_sites_are_read_from_their_labels(lake: Any, tmp_path: Path) -> None:
    alike = SITE.replace("0.929", "0.9.9")
    write_run(tmp_path / "tree", Run(sites=(SITE, "bAP.020", alike)))
    ingest(lake, tmp_path / "tree")
    assert rows(lake, "from recording_sites") == [
        ("soma", None, None, None, None, None, None),
        ("bAP.020", None, None, None, None, None, None),
        (alike, None, None, None, None, None, None),
        (SITE, "sites", 0, 38, 32, 0.929, 920.7),
    ]


@pytest.mark.parametrize("site", ["soma", "a\\b", "a" * 196])
def test_sites_that_cannot_name_an_array_are_refused(lake: Any, tmp_path: Path, site: str) -> None:
    write_run(tmp_path / "tree", Run(sites=(site,)))
    with pytest.raises(IngestError, match="recording site"):
        ingest(lake, tmp_path / "tree")


def test_files_are_listed_and_kept_once(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    listed = lake["files"].to_arrow().to_pylist()
    source = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    assert {row["path"] for row in listed} == {name for name in source if "_running" not in name}
    assert len({row["path"] for row in listed}) == len(listed)
    assert {row["path"] for row in listed if row["run"] is None} == {
        *("anatomy/cell.hoc", "anatomy/cell.syn", "anatomy/cell.con", "sites.landmarkAscii", "b.param")
    }
    for row in listed:
        data = source[row["path"]].read_bytes()
        assert len(data) == row["size"]
        if row["kind"] in ("synapses", "cells", "soma_traces", "site_traces"):
            assert row["node"] is None
        else:
            assert lake[row["node"]] == data
    # Four runs have the same parameter files, and an empty host name.
    assert len(lake.head.files) == 5 + 2 + 1
    parameters = rows(lake, "select distinct file from parameters")
    assert len(parameters) == 2


def test_running_it_again_does_nothing(lake: Any, tree: Path) -> None:
    first = ingest(lake, tree)
    again = ingest(lake, tree)
    assert (again.commit, again.trials, again.added) == (None, 0, [])
    assert again.unchanged == first.added and again.complete
    assert lake.head.commit.id == first.commit


def test_new_runs_are_added(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    before = lake.head
    write_run(tree / "a_first_by_name", Run(seed=7, sites=(OTHER_SITE,)))
    (tree / "late.hoc").write_text("late")
    report = ingest(lake, tree)
    assert len(report.unchanged) == 4 and len(report.added) == 1
    assert rows(lake, "select trial_id from trials where seed = 7") == [(9,), (10,)]
    assert lake["voltage/soma@0-4.975ms"].shape == (9, 200)
    assert lake["voltage/soma@0-4.975ms.trial"][-2:].tolist() == [9, 10]
    assert read_lake(lake.head) == read_tree(tree)
    assert read_lake(before) == [trial for trial in read_tree(tree) if "a_first" not in trial.run]
    assert rows(lake, "select count(*) from recording_sites") == [(3,)]
    assert rows(lake, "select count(*) from files where path = 'late.hoc'") == [(1,)]


def test_runs_are_added_to_arrays_of_another_codec(lake: Any, tree: Path) -> None:
    """Lakes from before the codec of differences keep Blosc, and so may others (`compact`)."""
    codecs = {}
    ingest(lake, tree)
    lake.compact(recompress="fast")
    for name, array in lake.head.arrays.items():
        codecs[name] = array.metadata.to_dict()["codecs"]
    assert {each[-1]["name"] for name, each in codecs.items() if name.startswith("voltage/")} == {"blosc"}
    write_run(tree / "a_first_by_name", Run(seed=7, sites=(OTHER_SITE,)))
    ingest(lake, tree)
    assert read_lake(lake.head) == read_tree(tree) and not lake.verify().damages
    assert {name: lake[name].metadata.to_dict()["codecs"] for name in codecs} == codecs


def test_a_running_directory_is_added_when_it_is_done(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    (tree / "alone" / "x_running").rename(tree / "alone" / "x")
    report = ingest(lake, tree)
    assert (report.added, report.running) == (["alone/x"], [])
    assert read_lake(lake.head) == read_tree(tree)


def test_labels_may_come_later(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    write_run(tree / "z", Run(seed=7))
    ingest(lake, tree, labels={"letter": "^z"})
    assert rows(lake, "select letter, count(*) from trials group by all order by all") == [
        ("z", 2),
        (None, 9),
    ]
    frame = lake["trials"].dask().compute()
    assert frame["letter"].isna().tolist() == [True] * 9 + [False] * 2
    assert frame["seed"].tolist() == [
        row[0] if row[0] is not None else frame["seed"].iloc[0]
        for row in rows(lake, "select seed from trials order by trial_id")
    ]


@pytest.mark.parametrize("change", ["edited", "file more", "file less"])
def test_changed_runs_are_left_as_they_were(lake: Any, tree: Path, change: str) -> None:
    ingest(lake, tree)
    head = lake.head
    folder = tree / "stim_C2" / "results" / "20261120-2051_seed1_pid1001"
    if change == "edited":
        (folder / "seed1_pid1001_network_model.param").write_text(NETWORK.replace("12", "13"))
    elif change == "file more":
        (folder / "new.hoc").write_text("new")
    else:
        (folder / "hostname_node7").unlink()
    report = ingest(lake, tree)
    assert report.changed == ["stim_C2/results/20261120-2051_seed1_pid1001"]
    assert (report.commit, report.complete) == (None, False)
    assert lake.head == head


def test_changed_files_beside_are_left_as_they_were(lake: Any, tree: Path) -> None:
    ingest(lake, tree)
    head = lake.head
    (tree / "anatomy" / "cell.hoc").write_text("another")
    report = ingest(lake, tree)
    assert (report.changed, report.commit) == (["anatomy/cell.hoc"], None)
    assert lake.head == head


def damage(tree: Path) -> Path:
    file = tree / "stim_C2/results/20261120-2051_seed1_pid1001/simulation_run0001_synapses.csv"
    file.write_text(file.read_text().replace("\t1\t", "\tone\t", 1))
    return file


def test_one_bad_file_stops_all(lake: Any, tree: Path) -> None:
    head = lake.head
    file = damage(tree)
    with pytest.raises(IngestError, match="synapse ID is 'one', expected an integer") as caught:
        ingest(lake, tree)
    assert (caught.value.path, caught.value.line) == (str(file), 3)
    assert lake.head == head and list(lake.head) == []


def test_a_bad_run_can_be_skipped(lake: Any, tree: Path) -> None:
    expected = read_tree(tree)
    file = damage(tree)
    (file.parent / "inner").mkdir()
    (file.parent / "inner" / "x.hoc").write_text("belongs to it")
    report = ingest(lake, tree, on_error="skip")
    ((name, error),) = report.failures
    assert name == "stim_C2/results/20261120-2051_seed1_pid1001" and not report.complete
    assert (error.path, error.line) == (str(file), 3)
    assert lake.head.commit.provenance["notes"]["ingest"]["left_out"] == [name]
    assert read_lake(lake.head) == [trial for trial in expected if trial.run != name]
    assert not any(name in row["path"] for row in lake["files"].to_arrow().to_pylist())
    file.write_text(file.read_text().replace("\tone\t", "\t1\t"))
    assert ingest(lake, tree).added == [name]
    assert read_lake(lake.head) == expected


@pytest.mark.parametrize("itself", [False, True])
def test_nothing_is_committed_where_all_is_bad(lake: Any, tmp_path: Path, itself: bool) -> None:
    folder = write_run(tmp_path / "tree", Run())
    (folder / "simulation_run0000_synapses.csv").write_text("")
    head = lake.head
    report = ingest(lake, folder if itself else tmp_path / "tree", on_error="skip")
    assert (len(report.failures), report.commit, report.trials) == (1, None, 0)
    assert lake.head == head
    shutil.rmtree(folder)
    write_run(tmp_path / "tree", Run())
    assert ingest(lake, folder if itself else tmp_path / "tree").trials == 2


def test_a_directory_that_makes_no_run_is_left_out_with_all_it_holds(lake: Any, tree: Path) -> None:
    folder = tree / "third" / "20181120-2051_seed_4"
    (folder / "other_vm_all_traces.csv").write_text("t\tVm run 00\n")
    with pytest.raises(IngestError, match="expected one soma trace file"):
        ingest(lake, tree)
    report = ingest(lake, tree, on_error="skip")
    assert [name for name, _ in report.failures] == ["third/20181120-2051_seed_4"]
    assert not any("third" in row["path"] for row in lake["files"].to_arrow().to_pylist())


BAD = {
    "too few traces": ("vm_all_traces.csv", lambda text: text.replace("\tVm run 01", "", 1), "fields"),
    "cut": ("vm_all_traces.csv", lambda text: text[:-20], "cut short"),
    "no number": (
        "vm_all_traces.csv",
        lambda text: text.replace("\n0.05\t", "\n0.05\tx", 1),
        "expected a number",
    ),
    "other times": (
        f"{SITE}_vm_dend_traces.csv",
        lambda text: text.replace("\n0.05\t", "\n0.051\t"),
        "times are not",
    ),
    "fewer times": (
        f"{SITE}_vm_dend_traces.csv",
        lambda text: text[: text.index("\n4.9") + 1],
        "times are not",
    ),
    "parameters": ("neuron_model.param", lambda text: text.replace("}", "", 1), "neither JSON"),
    "code": ("network_model.param", lambda text: "{'a': print()}", "expected a number, text"),
    "empty": ("presynaptic_cells.csv", lambda text: "", "the file is empty"),
    "column": ("presynaptic_cells.csv", lambda text: text.replace("\tcell ID", "", 1), "expected the header"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_file(lake: Any, tmp_path: Path, case: str) -> None:
    name, change, reason = BAD[case]
    file = next(write_run(tmp_path / "tree", Run()).glob(f"*{name}"))
    file.write_text(change(file.read_text()))
    with pytest.raises(IngestError, match=reason) as caught:
        ingest(lake, tmp_path / "tree")
    assert caught.value.path == str(file)
    assert list(lake.head) == []


def test_traces_must_be_as_many_as_trials(lake: Any, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "tree", Run())
    for file in folder.glob("simulation_run0001*"):
        file.unlink()
    with pytest.raises(IngestError, match="2 traces for 1 trials"):
        ingest(lake, tmp_path / "tree")


def after_survey(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    survey = simrun.survey

    def surveyed(root: Path) -> Any:
        found = survey(root)
        action()
        return found

    monkeypatch.setattr(simrun, "survey", surveyed)


@pytest.mark.parametrize("name", ["seed1_pid1001_vm_all_traces.csv", "hostname_node7"])
def test_a_file_that_vanishes(lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file = tree / "stim_C2/results/20261120-2051_seed1_pid1001" / name
    after_survey(monkeypatch, lambda: file.unlink(missing_ok=True))
    with pytest.raises(IngestError, match="cannot be read: No such file") as caught:
        ingest(lake, tree)
    assert caught.value.path == str(file)
    assert list(lake.head) == []
    file.write_text("")
    report = ingest(lake, tree, on_error="skip")
    assert [name for name, _ in report.failures] == ["stim_C2/results/20261120-2051_seed1_pid1001"]
    assert report.trials == 6


def test_a_file_beside_that_vanishes(lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tree / "b.param"
    after_survey(monkeypatch, lambda: file.unlink(missing_ok=True))
    with pytest.raises(IngestError, match="cannot be read: No such file"):
        ingest(lake, tree)
    file.write_text("")
    report = ingest(lake, tree, on_error="skip")
    assert [name for name, _ in report.failures] == ["b.param"]
    assert report.trials == 9


def test_a_known_file_that_cannot_be_read(lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(lake, tree)
    file = tree / "stim_C2/results/20261120-2051_seed1_pid1001/hostname_node7"
    after_survey(monkeypatch, lambda: file.unlink(missing_ok=True))
    with pytest.raises(IngestError, match="cannot be read"):
        ingest(lake, tree)
    file.write_text("")
    report = ingest(lake, tree, on_error="skip")
    assert (len(report.failures), len(report.unchanged), report.commit) == (1, 3, None)


def test_a_file_that_changes_meanwhile(lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tree / "stim_C2/results/20261120-2051_seed1_pid1001/notes.txt"
    file.write_text("before")
    stage = simrun.stage

    def staged(*arguments: Any, **options: Any) -> Any:
        file.write_text("changed")
        return stage(*arguments, **options)

    monkeypatch.setattr(simrun, "stage", staged)
    with pytest.raises(IngestError, match="changed while it was ingested"):
        ingest(lake, tree)
    assert list(lake.head) == []


def test_names_that_are_not_utf_8(lake: Any, tree: Path) -> None:
    folder = os.fsencode(tree / "stim_C2/results/20261120-2051_seed1_pid1001")
    Path(os.fsdecode(folder + b"/caf\xe9")).write_text("")
    Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9.hoc")).write_text("")
    with pytest.raises(IngestError, match="name is not UTF-8") as caught:
        ingest(lake, tree)
    assert str(caught.value).encode()
    report = ingest(lake, tree, on_error="skip")
    assert len(report.failures) == 2 and report.trials == 6
    other = Path(os.fsdecode(os.fsencode(tree.parent) + b"/caf\xe9"))
    write_run(other, Run(seed=9))
    assert ingest(lake, other).trials == 2
    assert lake.head.commit.message == "Ingest simrun results from caf\\udce9"


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"a b": "x"}, "letters, digits and '_'"),
        ({"": "x"}, "letters, digits and '_'"),
        ({"seed": "x"}, "not taken"),
        ({"a": "("}, "no regular expression"),
    ],
)
def test_bad_labels(lake: Any, tree: Path, labels: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        ingest(lake, tree, labels=labels)


def test_bad_options(lake: Any, tree: Path) -> None:
    with pytest.raises(InputError, match="'stop' or 'skip'"):
        ingest(lake, tree, on_error="ignore")
    with pytest.raises(InputError, match="no dask scheduler answers at nowhere"):
        ingest(lake, tree, scheduler="nowhere://x")
    with pytest.raises(IngestError, match="expected a directory"):
        ingest(lake, tree / "gone")


def test_thresholds(lake: Any, tree: Path) -> None:
    ingest(lake, tree, soma_threshold=-62.5, dendrite_threshold=15.0)
    for table, threshold, sites in (
        ("spike_times", -62.5, "site = 'soma'"),
        ("dendritic_spike_times", 15.0, "site <> 'soma'"),
    ):
        found = 0
        for array, row in rows(lake, f'select "array", row from traces where {sites}'):
            voltage = lake[array][row]
            found += int(np.sum((voltage[:-1] < threshold) & (voltage[1:] >= threshold)))
        assert rows(lake, f"select count(*), min(threshold) from {table}") == [(found, threshold)]


def test_two_run_directories_ingested_as_folders_keep_their_files_apart(lake: Any, tree: Path) -> None:
    folders = sorted((tree / "stim_C2" / "results").iterdir())
    for folder in folders:
        assert ingest(lake, folder).added == [folder.name]
    assert read_lake(lake.head) == read_tree(tree / "stim_C2" / "results")
    paths = lake["files"].to_arrow()["path"].to_pylist()
    assert len(set(paths)) == len(paths) == sum(len(list(folder.iterdir())) for folder in folders)
    assert ingest(lake, folders[0]).commit is None


def test_a_run_directory_inside_one_of_the_same_name(lake: Any, tmp_path: Path) -> None:
    outer = write_run(tmp_path, Run(naming=("same", "1")))
    write_run(outer, Run(naming=("same", "2")))
    with pytest.raises(IngestError, match="holds 'same'; ingest the folder above it"):
        ingest(lake, outer)
    assert ingest(lake, tmp_path).added == ["same", "same/same"]
    assert read_lake(lake.head) == read_tree(tmp_path)


def test_a_lake_inside_the_results(tree: Path) -> None:
    lake = neurolake.create(tree / "lake", durable=False)
    ingest(lake, tree)
    assert read_lake(lake.head) == read_tree(tree)
    assert ingest(lake, tree).commit is None


def test_relative_paths_spaces_and_foreign_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("ein Ordner/Großhirn 大脑"), Run(others={"hostname_ä ö": "", "Notiz é.txt": "ü"}))
    lake = neurolake.create("ein See, 湖", durable=False)
    ingest(lake, Path("ein Ordner"))
    assert read_lake(lake.head) == read_tree(Path("ein Ordner"))
    assert rows(lake, "select distinct stimulus, hostname from trials") == [("Großhirn 大脑", "ä ö")]


def test_one_of_two_racing_ingests_is_told(lake: Any, tree: Path) -> None:
    other = tree.parent / "other"
    write_run(other, Run(seed=8))
    progress: list[tuple[int, int]] = []

    def overtake(done: int, total: int) -> None:
        progress.append((done, total))
        ingest(neurolake.open(lake.url, durable=False), other)

    with pytest.raises(ConflictError, match="trials"):
        ingest(lake, tree, progress=overtake)
    assert progress[-1][0] == progress[-1][1] > 0
    assert ingest(lake, tree).trials == 9
    assert rows(lake, "select count(*), count(distinct trial_id), max(trial_id) from trials") == [
        (11, 11, 10)
    ]
    assert read_lake(lake.head) == sorted(
        [*read_tree(tree), *read_tree(other)], key=lambda trial: (trial.run, trial.number)
    )


def test_a_full_disk_is_a_storage_error(lake: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = lake.head

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(StorageError, match="No space left"):
        ingest(lake, tree)
    monkeypatch.undo()
    assert lake.head == head
    assert ingest(lake, tree).trials == 9


def snapshot_of(tmp_path: Path, name: str, tree: Path, **options: Any) -> str:
    lake = neurolake.create(tmp_path / name, durable=False)
    ingest(lake, tree, **options)
    return lake.head.commit.snapshot


def test_processes_make_the_same_lake(
    tmp_path: Path, tree: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simrun, "_SMALLEST_GROUP", 1)
    alone = snapshot_of(tmp_path, "one", tree)
    assert snapshot_of(tmp_path, "two", tree, processes=2) == alone
    assert snapshot_of(tmp_path, "cluster", tree, scheduler=scheduler) == alone
    # More than one group was made, so there was something to share.
    assert len(neurolake.open(tmp_path / "two")["synapse_activation"].files) == 4


def test_an_error_of_a_worker_names_file_and_line(
    lake: Any, tree: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simrun, "_SMALLEST_GROUP", 1)
    file = damage(tree)
    with pytest.raises(IngestError) as caught:
        ingest(lake, tree, scheduler=scheduler)
    assert (caught.value.path, caught.value.line) == (str(file), 3)
    assert list(lake.head) == []
    report = ingest(lake, tree, scheduler=scheduler, on_error="skip")
    assert [error.path for _, error in report.failures] == [str(file)]
    assert report.trials == 6


KILLED = """
import os, signal, sys
import neurolake
from neurolake.ingest.simrun import ingest_simrun
from neurolake.lake.storage.local import LocalStorage

method, count = sys.argv[3], int(sys.argv[4])
original, calls = getattr(LocalStorage, method), []

def deadly(*arguments):
    calls.append(None)
    if len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

setattr(LocalStorage, method, deadly)
ingest_simrun(neurolake.open(sys.argv[1], durable=False), sys.argv[2], processes=1)
"""


@pytest.mark.parametrize(("method", "count"), [("write", 2), ("write", 5), ("create", 1)])
def test_killed_and_run_again(lake: Any, tree: Path, tmp_path: Path, method: str, count: int) -> None:
    command = [sys.executable, "-c", KILLED, lake.url, str(tree), method, str(count)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    opened = neurolake.open(lake.url, durable=False)
    assert list(opened) == []
    ingest(opened, tree)
    assert opened.head.commit.snapshot == snapshot_of(tmp_path, "undisturbed", tree)
    assert read_lake(opened.head) == read_tree(tree)


def test_digests_do_not_depend_on_where_the_tree_lies(lake: Any, tree: Path, tmp_path: Path) -> None:
    ingest(lake, tree)
    moved = shutil.copytree(tree, tmp_path / "elsewhere" / "moved")
    other = neurolake.create(tmp_path / "other lake", durable=False)
    ingest(other, moved)
    assert digests(other.head) == digests(lake.head)
