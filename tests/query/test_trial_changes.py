"""Trials of two commits compared: added, removed, and changed in which table, column or array."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from neurolake.query.lake import Lake
from neurolake.query.trials import changes as module
from neurolake.query.trials.changes import TrialChanges, trial_changes


def trials(ids: range, stimulus: str = "A1") -> pa.Table:
    return pa.table({"trial_id": [*ids], "stimulus": [stimulus] * len(ids)})


def spikes(ids: range, shift: float = 0.0) -> pa.Table:
    return pa.table(
        {"trial_id": [k for k in ids for _ in "ab"], "time": [shift + t for _ in ids for t in (1.0, 2.0)]}
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.create(tmp_path / "lake", durable=False)
    for ids in (range(4), range(4, 6)):
        with made.transaction("Add trials") as tx:
            tx.append_table("trials", trials(ids))
            tx.append_table("spike_times", spikes(ids))
            values = np.array([np.arange(10.0) + k for k in ids])
            if ids[0]:
                tx.append_array("voltage/soma", values)
            else:
                tx.write_array("voltage/soma", values, chunks=(1, 10), dimension_names=["trial", "time"])
                tx.write_array("voltage/soma.time", np.arange(10.0), dimension_names=["time"])
    return made


def compared(lake: Lake, old: str = "main~1", new: str = "main") -> TrialChanges:
    return trial_changes(lake.at(old), lake.at(new))


def test_trials_come_and_go(lake: Lake) -> None:
    assert compared(lake) == TrialChanges([4, 5], [], {}, [])
    assert compared(lake, "main", "main~1") == TrialChanges([], [4, 5], {}, [])
    assert compared(lake, "main~2", "main").added == [*range(6)]
    assert compared(lake, "main", "main") == TrialChanges([], [], {}, [])


def test_rows_that_only_moved_to_other_files_are_no_change(lake: Lake) -> None:
    before = lake.head.commit.id
    with lake.transaction("Join files") as tx:
        tx.write_table("trials", trials(range(6)))
        tx.write_table("spike_times", spikes(range(6)))
    assert {one.name for one in lake.diff(before)} >= {"trials", "spike_times"}
    assert compared(lake, before) == TrialChanges([], [], {}, [])


def test_what_changed_is_named(lake: Lake) -> None:
    with lake.transaction("Change") as tx:
        tx.write_table("trials", pa.concat_tables([trials(range(2)), trials(range(2, 6), "B1")]))
        tx.write_table(
            "spike_times", pa.concat_tables([spikes(range(3)), spikes(range(3, 4), 9.0), spikes(range(4, 5))])
        )
        values = np.array([np.arange(10.0) + k for k in range(6)])
        values[1] = 0
        tx.write_array("voltage/soma", values, chunks=(1, 10), dimension_names=["trial", "time"])
    assert compared(lake).changed == {
        1: ["voltage/soma"],
        2: ["stimulus"],
        3: ["stimulus", "spike_times"],
        4: ["stimulus"],
        5: ["stimulus", "spike_times"],
    }


def test_an_array_that_is_new_is_a_change_of_its_trials(lake: Lake) -> None:
    with lake.transaction("Record") as tx:
        tx.write_array("voltage/dend", np.zeros((2, 3)), chunks=(1, 3), dimension_names=["trial", "time"])
        tx.write_array("voltage/dend.time", np.arange(3.0), dimension_names=["time"])
        tx.write_array("voltage/dend.trial", np.array([3, 5]), dimension_names=["trial"])
    assert compared(lake).changed == {3: ["voltage/dend"], 5: ["voltage/dend"]}


def test_too_many_rows_are_not_compared(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    found: Any = compared(lake)
    assert found == TrialChanges([4, 5], [], {}, ["spike_times"])
