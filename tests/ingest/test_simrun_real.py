"""Real simrun results: the framework's own answers, and export and ingest again without a bit changed."""

import json
from filecmp import cmp
from pathlib import Path
from typing import Any

import pytest
from simrun_trees import digests, read_lake, read_tree

import neurolake
from neurolake.ingest.simrun.export import export_simrun
from neurolake.ingest.simrun.ingest import ingest_simrun

TREES = ("simrun_2026", "simrun_2015_C2center")


def lake_of(folder: Path, tree: Path, **options: Any) -> Any:
    lake = neurolake.create(folder, durable=False)
    ingest_simrun(lake, tree, processes=1, **options)
    return lake


@pytest.fixture(scope="module")
def lakes(isf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("lakes")
    return {name: lake_of(folder / name, isf_data / name) for name in TREES}


@pytest.fixture(scope="module")
def both(isf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Both trees in one lake, by one ingest."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "trees").mkdir()
    for name in TREES:
        (folder / "trees" / name).symlink_to(isf_data / name)
    return lake_of(folder / "lake", folder / "trees")


def by_trial(lake: Any, query: str) -> dict[str, Any]:
    return dict(lake.sql(query).fetchall())


def test_2026_gives_the_frameworks_answers(isf_data: Path, lakes: dict[str, Any]) -> None:
    lake = lakes["simrun_2026"]
    expected = json.loads((isf_data / "simrun_2026" / "expected.json").read_text())
    spikes = (
        "select sim_trial_index, list(s.time order by spike) filter (s.time is not null) "
        "from trials left join {} s using (trial_id) {} group by all"
    )
    somatic = by_trial(lake, spikes.format("spike_times", ""))
    assert {trial: times or [] for trial, times in somatic.items()} == expected["spike_times_soma_0mV"]
    dendritic = expected["dendritic_spike_times_minus30mV"]
    assert lake.sql("select distinct site || '_' || threshold from dendritic_spike_times").fetchall() == [
        (dendritic["site"],)
    ]
    found = by_trial(lake, spikes.format("dendritic_spike_times", ""))
    assert {trial: times or [] for trial, times in found.items()} == dendritic["times"]
    # The framework counts lines: an active synapse, a cell that spiked.
    for table, key in (("synapse_activation", "synapse_rows"), ("cell_activation", "cell_rows")):
        lines = f"select sim_trial_index, count(*) from {table} join trials using (trial_id) where activation = 0 group by all"
        assert by_trial(lake, lines) == expected[key]


def test_2015(lakes: dict[str, Any]) -> None:
    lake = lakes["simrun_2015_C2center"]
    assert lake["trials"].rows == 6
    ((lines,),) = lake.sql("select count(*) from synapse_activation where activation = 0").fetchall()
    # The six files have 26,146 lines, headers included.
    assert lines + 6 == 26_146
    sites = lake.sql("select landmark_id, section_id from recording_sites where site <> 'soma' order by all")
    assert sites.fetchall() == [(0, 38), (1, 25)]
    assert lake.sql("select distinct t_start, round(t_stop, 3), dt from trials").fetchall() == [
        (100.0, 345.025, 0.025)
    ]


@pytest.mark.parametrize("name", TREES)
def test_all_is_as_a_plain_reader_reads_it(isf_data: Path, lakes: dict[str, Any], name: str) -> None:
    assert read_lake(lakes[name].head) == read_tree(isf_data / name)


@pytest.mark.parametrize("name", TREES)
def test_export_and_ingest_again(isf_data: Path, lakes: dict[str, Any], tmp_path: Path, name: str) -> None:
    lake, copy = lakes[name], tmp_path / "copy"
    files, size = export_simrun(lake.head, copy)
    written = [path for path in copy.rglob("*") if path.is_file()]
    assert (len(written), sum(path.stat().st_size for path in written)) == (files, size)
    root = isf_data if name == "simrun_2015_C2center" else isf_data / name
    for path in written:
        assert cmp(path, root / path.relative_to(copy), shallow=False), path
    again = lake_of(tmp_path / "lake", copy)
    assert digests(again.head) == digests(lake.head)


def test_both_trees_in_one_lake(isf_data: Path, both: Any, tmp_path: Path) -> None:
    head = both.head
    assert head["trials"].rows == 14
    shapes = {
        name: array.shape for name, array in head.arrays.items() if name.endswith(("soma", "300.025ms"))
    }
    site = "apical_proximal_distal_rec_sites_ID_000_sec_038_seg_032_x_0.929_somaDist_920.7"
    assert shapes == {
        "voltage/soma": (6, 9802),
        "voltage/soma@0-300.025ms": (8, 12002),
        f"voltage/{site}@0-300.025ms": (8, 12002),
    }
    export_simrun(head, tmp_path / "copy")
    again = lake_of(tmp_path / "lake", tmp_path / "copy")
    assert digests(again.head) == digests(head)
    assert again.head.commit.snapshot == head.commit.snapshot


def test_trees_ingested_one_after_the_other(isf_data: Path, both: Any, tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", isf_data / "simrun_2015_C2center")
    report = ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    assert report.trials == 8
    one_by_one = {(trial.run, trial.number): trial for trial in read_lake(lake.head)}
    for trial in read_lake(both.head):
        other = one_by_one[trial.run.removeprefix("simrun_2026/"), trial.number]
        assert (other.synapses, other.traces, other.spikes) == (trial.synapses, trial.traces, trial.spikes)
    export_simrun(lake.head, tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        relative = path.relative_to(tmp_path / "copy")
        source = next(
            root / relative for root in (isf_data, isf_data / "simrun_2026") if (root / relative).exists()
        )
        assert path.is_dir() or cmp(path, source, shallow=False), path
