"""Parameters of trials, and what differs between two."""

from pathlib import Path

import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.lake.errors import NotFoundError
from neurolake.query.lake import Snapshot
from neurolake.query.trials.parameters import difference, of_trial, trial_id


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    lake = nl.create(tmp_path / "lake")
    trials = {
        "trial_id": [0, 1, 2],
        "sim_trial_index": ["a/000000", "a/000001", "7"],
        "neuron_parameters": ["soft", "hard", "soft"],
        "network_parameters": ["net", "net", "net"],
    }
    rows = [
        ("soft", "neuron.Soma.Ra", "int", 100.0, None),
        ("soft", "neuron.filename", "text", None, "a.hoc"),
        ("soft", "only.here", "float", 1.5, None),
        ("hard", "neuron.Soma.Ra", "float", 100.0, None),
        ("hard", "neuron.filename", "text", None, "b.hoc"),
        ("net", "network.L1", "int", 3.0, None),
    ]
    names = ["file", "path", "type", "number", "text"]
    with lake.transaction("parameters") as tx:
        tx.write_table("trials", pa.table(trials))
        tx.write_table(
            "parameters", pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
        )
    return lake.head


def test_of_one_trial(snapshot: Snapshot) -> None:
    assert of_trial(snapshot, 1).fetchall() == [
        ("network", "network.L1", "int", "3.0"),
        ("neuron", "neuron.Soma.Ra", "float", "100.0"),
        ("neuron", "neuron.filename", "text", "b.hoc"),
    ]
    assert len(of_trial(snapshot, "a/000001", "neuron.Soma").fetchall()) == 1


def test_difference(snapshot: Snapshot) -> None:
    assert difference(snapshot, 0, 1).fetchall() == [
        ("neuron", "neuron.Soma.Ra", "100.0", "100.0"),  # an int became a float
        ("neuron", "neuron.filename", "a.hoc", "b.hoc"),
        ("neuron", "only.here", "1.5", None),
    ]
    assert difference(snapshot, 0, 2).fetchall() == []


def test_a_trial_is_named_by_number_or_index(snapshot: Snapshot) -> None:
    assert trial_id(snapshot, "a/000001") == trial_id(snapshot, 1) == trial_id(snapshot, "1") == 1
    for name in ("9", "a", "0' or '1'='1"):
        with pytest.raises(NotFoundError, match="there is no trial"):
            trial_id(snapshot, name)
