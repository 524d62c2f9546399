"""Real trials of the In Silico Framework, run again with our mechanisms: the same spikes, and the same potentials."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pds
import pytest
from nerves import delete_all_sections

import neurolake
from neurolake.ingest.runs.reruns import rerun
from neurolake.ingest.simrun.ingest import ingest_simrun

# A trial takes five seconds: all eight are for who has time.
TRIALS = 8 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 2
STEP_MS = 0.025
LARGEST_RMS_MV = 0.1


@pytest.fixture(scope="module", autouse=True)
def alone() -> None:
    delete_all_sections()


@pytest.fixture(scope="module")
def lake(isf_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    lake = neurolake.create(tmp_path_factory.mktemp("real") / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    trials = lake.sql("select sim_trial_index from trials order by trial_number").fetchall()[:TRIALS]
    chosen = [index for (index,) in trials]
    (report,) = rerun(lake, chosen, name="again", paths=[isf_data / "example_86_C2"], processes=2)
    assert (report.trials, report.failures) == (TRIALS, [])
    return lake


def pairs(lake: Any) -> list[tuple[int, int]]:
    """trial_id of each trial and of its run again."""
    query = (
        "select a.trial_id, b.trial_id from trials a join trials b "
        "on b.sim_trial_index = 'again/' || a.sim_trial_index order by all"
    )
    return lake.sql(query).fetchall()


def times(lake: Any, table: str, trial: int) -> np.ndarray:
    return np.sort(
        lake.head.tables[table].to_arrow(["time"], pds.field("trial_id") == trial)["time"].to_numpy()
    )


@pytest.mark.parametrize("table", ["spike_times", "dendritic_spike_times"])
def test_every_spike_is_there_at_its_time(lake: Any, table: str) -> None:
    spikes = 0
    for stored, again in pairs(lake):
        was, now = times(lake, table, stored), times(lake, table, again)
        assert len(was) == len(now)
        assert (np.abs(was - now) < STEP_MS + 1e-9).all()
        spikes += len(was)
    assert spikes >= TRIALS


def test_potentials_are_those_of_the_framework(lake: Any) -> None:
    sites = [
        name
        for name in lake.head.arrays
        if name.startswith("voltage/") and f"{name}.time" in lake.head.arrays
    ]
    assert len(sites) == 2
    for site in sites:
        row = {trial: at for at, trial in enumerate(lake.head.arrays[f"{site}.trial"][...].tolist())}
        array = lake.head.arrays[site]
        for stored, again in pairs(lake):
            difference = array[row[stored]] - array[row[again]]
            # No spike differs, so "before the first difference" is the whole trial.
            assert np.sqrt((difference**2).mean()) < LARGEST_RMS_MV
            # What a step computes is rounded differently; nothing else is.
            assert np.abs(difference[:4000]).max() < 1e-6


def test_the_input_is_stored_as_it_was(lake: Any) -> None:
    columns = [
        "synapse_type",
        "synapse_id",
        "section_id",
        "section_pt_id",
        "soma_distance",
        "activation",
        "time",
    ]
    for stored, again in pairs(lake):
        tables = [
            lake.head.tables["synapse_activation"].to_arrow(columns, pds.field("trial_id") == trial)
            for trial in (stored, again)
        ]
        assert tables[0].num_rows and tables[0].equals(tables[1])
