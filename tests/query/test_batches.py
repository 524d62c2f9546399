"""Batches: each trial once an epoch, with its own numbers, in an order that a seed repeats; made ahead, not too far."""

import itertools
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Lake, Snapshot
from neurolake.query.prefetch import prefetched
from neurolake.query.trials import activations
from neurolake.query.trials.activations import bin_activations
from neurolake.query.trials.batching import Batch, batches
from neurolake.query.trials.spikes import spike_counts

TRIALS, TIME = np.arange(100, 123), 0.5 * np.arange(100)
VOLTAGE = np.random.default_rng(0).normal(-65, 5, (25, 100))
ROWS = np.random.default_rng(1).permutation(np.arange(98, 123))  # trial of each row; two are in no table


def fill(lake: Lake) -> None:
    rng = np.random.default_rng(2)
    with lake.transaction("all") as tx:
        stimulus = ["C2" if k % 3 else "D1" for k in TRIALS]
        tx.write_table(
            "trials", pa.table({"trial_id": TRIALS, "stimulus": stimulus, "t_stop": np.full(23, 50.0)})
        )
        tx.write_table(
            "synapse_activation",
            pa.table(
                {
                    "trial_id": np.sort(rng.choice(TRIALS, 3000)),
                    "cell_type": rng.choice(["VPM", "L1"], 3000).tolist(),
                    "column": ["C2"] * 3000,
                    "soma_distance": rng.uniform(0, 900, 3000),
                    "time": rng.uniform(0, 50, 3000),
                }
            ),
        )
        spikes = {"trial_id": np.sort(rng.choice(TRIALS, 50)), "time": rng.uniform(0, 50, 50)}
        tx.write_table("spike_times", pa.table(spikes))
        tx.write_array("voltage/soma", VOLTAGE, dimension_names=["trial", "time"])
        tx.write_array("voltage/soma.time", TIME, dimension_names=["time"])
        tx.write_array("voltage/soma.trial", ROWS, dimension_names=["trial"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = nl.create(tmp_path_factory.mktemp("batches") / "lake", durable=False)
    fill(lake)
    return lake


@pytest.fixture
def snapshot(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    monkeypatch.setattr(activations, "_ROWS", 3000 * 5 // 23 + 1)  # blocks of five trials
    return lake.head


def order(made: Any) -> list[int]:
    return [int(trial) for batch in made for trial in batch.trial]


WINDOW = (10.0, 40.0)


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("size", [1, 4, 23, 100])
def test_each_trial_comes_once_with_its_own_numbers(snapshot: Snapshot, size: int, seed: int | None) -> None:
    by = ["EI", "proximal"]
    made = batches(
        snapshot, size=size, window=WINDOW, by=by, width=2, voltage="soma", target=(20, 30), seed=seed
    )
    counts = bin_activations(snapshot, by, width=2, t_min=10, t_max=40)
    spikes = spike_counts(snapshot, (20, 30))
    found = list(made)
    assert [len(batch) for batch in found] == [min(size, 23 - first) for first in range(0, 23, size)]
    assert len(made) == len(found) and sorted(order(found)) == TRIALS.tolist()
    for batch in found:
        expected = counts.sel(trial=batch.trial).transpose("trial", "group", "time")
        np.testing.assert_array_equal(batch.activity, expected)
        np.testing.assert_array_equal(batch.target, spikes.sel(trial=batch.trial))
        inside = (TIME >= 10) & (TIME < 40)
        rows = [ROWS.tolist().index(trial) for trial in batch.trial]
        np.testing.assert_array_equal(batch.voltage, VOLTAGE[rows][:, inside].astype(np.float32))
    assert made.groups == counts["group"].values.tolist() and made.times.tolist() == list(range(10, 40, 2))
    assert made.sample_times is not None and made.sample_times.tolist() == TIME[20:80].tolist()


def test_types(snapshot: Snapshot) -> None:
    (batch,) = batches(snapshot, size=50, window=WINDOW, voltage="soma", target=WINDOW)
    assert (batch.activity.dtype, batch.voltage.dtype) == (np.float32, np.float32)
    assert batch.trial.dtype == batch.target.dtype == np.int64
    assert batch.activity.shape == (23, 2, 30) and batch.activity.flags.c_contiguous
    (bare,) = batches(snapshot, size=50, window=WINDOW)
    assert bare.voltage is None and bare.target is None


def test_a_seed_repeats_the_order(snapshot: Snapshot) -> None:
    made = batches(snapshot, size=4, window=WINDOW, seed=3, epochs=2)
    once, again = order(made), order(made)
    assert once == again == order(batches(snapshot, size=4, window=WINDOW, seed=3, epochs=2, prefetch=0))
    assert sorted(once[:23]) == sorted(once[23:]) == TRIALS.tolist() and once[:23] != once[23:]
    assert once != order(batches(snapshot, size=4, window=WINDOW, seed=4, epochs=2))
    assert order(batches(snapshot, size=4, window=WINDOW)) == TRIALS.tolist()


def test_blocks_are_mixed_and_trials_within(snapshot: Snapshot) -> None:
    """What the order promises: whole blocks in another order, each of them mixed."""
    found = order(batches(snapshot, size=4, window=WINDOW, seed=0))
    block = [(trial - 100) // 5 for trial in found]
    visits = [key for key, _ in itertools.groupby(block)]
    assert sorted(visits) == [0, 1, 2, 3, 4] and visits != sorted(visits)
    assert any(np.diff(found)[np.diff(block) == 0] != 1)


def test_trials_and_activations_are_chosen(snapshot: Snapshot) -> None:
    made = batches(
        snapshot, size=9, window=WINDOW, trials="stimulus = 'D1'", where="soma_distance < 100", seed=1
    )
    ids = TRIALS[TRIALS % 3 == 0]
    assert sorted(order(made)) == ids.tolist()
    total = bin_activations(
        snapshot, t_min=10, t_max=40, trials="stimulus = 'D1'", where="soma_distance < 100"
    ).sum()
    assert sum(batch.activity.sum() for batch in made) == total


def test_arrays_are_handed_over_without_a_copy(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """DLPack takes every array of a batch; PyTorch's place is taken by NumPy's own importer."""
    (batch,) = batches(snapshot, size=50, window=WINDOW, voltage="soma", target=WINDOW)
    taken = batch.map(np.from_dlpack)
    for name, values in vars(batch).items():
        assert np.shares_memory(getattr(taken, name), values)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(from_dlpack=np.from_dlpack))
    (tensors,) = batches(snapshot, size=50, window=WINDOW, torch=True)
    np.testing.assert_array_equal(tensors.activity, batch.activity)
    assert tensors.voltage is None


def test_without_pytorch_it_is_named(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch"):
        batches(snapshot, size=1, window=WINDOW, torch=True)


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.integers(), max_size=20), ahead=st.integers(0, 5))
def test_prefetching_changes_nothing(items: list[int], ahead: int) -> None:
    assert list(prefetched(iter(items), ahead)) == items


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_more_is_made_than_asked_for(ahead: int) -> None:
    made: list[int] = []

    def items() -> Any:
        for k in range(100):
            made.append(k)
            yield k

    source = prefetched(items(), ahead)
    for k in range(10):
        assert next(source) == k
        assert len(made) <= k + 1 + ahead
    source.close()
    # One item may be in the making.
    for thread in threading.enumerate():
        if thread.name.startswith("neurolake-batches"):
            thread.join()
    assert len(made) <= 10 + ahead


def test_an_error_comes_in_its_turn() -> None:
    def items() -> Any:
        yield 1
        raise InputError("broken")

    source = prefetched(items(), 3)
    assert next(source) == 1
    with pytest.raises(InputError, match="broken"):
        next(source)


def test_few_blocks_are_in_memory(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch holds on to the block that it is of, and no block is read before its turn."""
    made = batches(snapshot, size=2, window=WINDOW, voltage="soma", prefetch=1)
    read: list[int] = []
    block = type(made)._block
    monkeypatch.setattr(type(made), "_block", lambda self, k: read.append(k) or block(self, k))
    source = iter(made)
    batch = next(source)
    assert read == [0] or read == [0, 1]
    assert all(values.base is None for values in vars(batch).values() if values is not None)
    source.close()  # type: ignore[attr-defined]


def test_batches_join() -> None:
    one, two = (Batch(np.full(n, n), np.full((n, 1, 2), n)) for n in (2, 3))
    both = one.joined(two)
    assert (
        both.trial.tolist() == [2, 2, 3, 3, 3] and both.activity.shape == (5, 1, 2) and both.voltage is None
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 0}, InputError, "size is 0; expected 1 or more"),
        ({"epochs": 0}, InputError, "epochs is 0"),
        ({"prefetch": -1}, InputError, "prefetch is -1; expected 0 or more"),
        ({"window": (5, 5)}, InputError, "from 5 to 5 ms; expected begin < end"),
        ({"width": 0}, InputError, "a width above 0"),
        ({"width": 7}, InputError, "10.0 to 40.0 ms is no whole number of bins of 7 ms"),
        ({"trials": "trial_id < 0"}, InputError, "no trial meets 'trial_id < 0'"),
        ({"by": "whisker"}, QueryError, "whisker"),
        ({"voltage": "tuft"}, QueryError, "no site or array 'tuft'"),
        ({"target": (5, 4)}, InputError, r"window is \(5.0, 4.0\)"),
    ],
)
def test_what_makes_no_sense(
    snapshot: Snapshot, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        batches(snapshot, **{"size": 4, "window": WINDOW, **options})


def test_trials_without_a_trace_are_told(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    fill(lake)
    with lake.transaction("fewer") as tx:
        tx.write_array("voltage/soma.trial", np.where(ROWS == 105, 999, ROWS), dimension_names=["trial"])
    with pytest.raises(
        InputError, match="1 of 23 trials have no trace in voltage/soma, the first of them trial_id 105"
    ):
        batches(lake.head, size=4, window=WINDOW, voltage="soma")
    assert len(list(batches(lake.head, size=4, window=WINDOW, voltage="soma", trials="trial_id <> 105"))) == 6


def test_a_lake_without_activations(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake")
    with lake.transaction("trials") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0]}))
    with pytest.raises(NotFoundError, match="no table synapse_activation"):
        batches(lake.head, size=1, window=WINDOW)


def test_real_trials(isf_data: Path, tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    options: dict[str, Any] = {
        "window": (200, 300),
        "by": "cell_type",
        "voltage": "soma",
        "target": (245, 295),
    }
    made = list(batches(lake.head, size=3, seed=0, **options))
    counts = bin_activations(lake.head, "cell_type", t_min=200, t_max=300)
    assert sum(batch.activity.sum() for batch in made) == counts.sum()
    assert sum(batch.target.sum() for batch in made) == spike_counts(lake.head, (245, 295)).sum()
    assert {batch.voltage.shape[1] for batch in made} == {4000}
