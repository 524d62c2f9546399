"""Traces in chunks of many trials and few times: other chunks are read, and no answer changes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neurolake as nl
from neurolake.lake.data import arrays
from neurolake.lake.errors import InputError
from neurolake.query.lake import Lake, Snapshot
from neurolake.query.trials import voltages
from neurolake.query.trials.voltages import (
    voltage_density,
    voltage_picture,
    voltage_quantiles,
    voltage_statistics,
    voltage_window,
    voltages_by_time,
)

TIME = 0.5 * np.arange(200)


def write(lake: Lake, values: np.ndarray) -> None:
    ids = np.arange(100, 100 + len(values))
    with lake.transaction("traces") as tx:
        tx.write_array("voltage/soma", values, chunks=(1, 200), dimension_names=["trial", "time"])
        tx.write_array("voltage/soma.time", TIME, dimension_names=["time"])
        tx.write_array("voltage/soma.trial", ids, dimension_names=["trial"])
        tx.write_table(
            "trials", pa.table({"trial_id": ids, "stimulus": np.where((ids - 100) % 3, "C2", "D1")})
        )


def answers(snapshot: Snapshot, window: tuple[float, float], trials: str) -> Iterator[Any]:
    """What can be asked of a window."""
    yield from voltage_statistics(snapshot, window=window, trials=trials).values()
    yield voltage_window(snapshot, window, trials=trials)
    for exact in (True, False):
        yield voltage_quantiles(snapshot, [0.1, 0.5], exact=exact, window=window, trials=trials, width=1)
    yield voltage_density(snapshot, window=window, trials=trials, width=5)
    if window[0] < window[1]:
        yield voltage_picture(snapshot, window=window, trials=trials, width=20, height=10)
    query = "from trace('soma', (select list(trial_id) from trials where {}), $begin, $end) order by all"
    yield snapshot.sql(query.format(trials), begin=window[0], end=window[1]).df()


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Lake]:
    """The same traces without the copy and with it."""
    made = []
    for name in ("without", "with"):
        lake = nl.create(tmp_path_factory.mktemp("by_time") / name)
        values = np.random.default_rng(1).normal(0, 0.5, (70, 200)).cumsum(axis=1) - 65
        values[3, 50:60] = np.nan
        write(lake, values)
        made.append(lake)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voltages, "_TRIALS", 16)
        patch.setattr(voltages, "_TIMES", 8)
        copy = made[1].derive(voltages_by_time, "voltage/soma")
    assert copy.chunks == (16, 8) and np.array_equal(copy[...], values, equal_nan=True)
    return made[0], made[1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.tuples(st.floats(-5, 105), st.floats(-5, 105)).map(sorted),
    trials=st.sampled_from(["true", "stimulus = 'D1'", "trial_id = 103", "trial_id % 20 < 3"]),
    aligned=st.booleans(),
)
def test_answers_are_the_same_to_the_last_bit(
    lakes: tuple[Lake, Lake], window: list[float], trials: str, aligned: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voltages, "_TRIALS", 16 if aligned else 512)
        one, other = ([*answers(lake.head, tuple(window), trials)] for lake in lakes)
    for left, right in zip(one, other, strict=True):
        if isinstance(left, pd.DataFrame):
            pd.testing.assert_frame_equal(left, right, check_exact=True)
        else:
            assert np.array_equal(np.asarray(left), np.asarray(right), equal_nan=True)


def test_windows_are_parts_of_the_whole(lakes: tuple[Lake, Lake]) -> None:
    for lake in lakes:
        values = lake["voltage/soma"][...]
        found = voltage_window(lake.head, (5, 9), trials="stimulus = 'D1'")
        assert np.array_equal(found, values[::3, 10:18]) and found["time"].values[0] == 5.0
        assert found["trial"].values.tolist() == list(range(100, 170, 3))
        whole, part = (voltage_statistics(lake.head, window=each) for each in (None, (25, 30)))
        np.testing.assert_allclose(part["mean"], whole["mean"][50:60], rtol=1e-12)
        assert part["n"].values.tolist() == [69] * 10


def test_few_chunks_are_read_as_long_as_the_copy_is_of_the_array(
    lakes: tuple[Lake, Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    contents = arrays.contents

    def counted(*which: Any) -> Any:
        for data in contents(*which):
            sizes.append(len(data))
            yield data

    monkeypatch.setattr(arrays, "contents", counted)
    monkeypatch.setattr(voltages, "BLOCK_BYTES", 2**26)

    def chunks(lake: Lake) -> int:
        sizes.clear()
        voltage_window(lake.head, (4, 8))
        return len(sizes)

    plain, copied = lakes
    source = voltages.recording(copied.head, "soma")
    assert chunks(plain) == 70 + 2 and chunks(copied) == 5 + 2, "and the labels"
    # One trial is cheaper in the array itself, and so is all of every trial.
    assert source.cheapest(np.array([5]), 0, 100, 1) is source.array
    assert source.cheapest(np.arange(70), 0, 200, 70) is source.array
    assert source.cheapest(np.arange(70), 0, 8, 70) is source.by_time
    with copied.transaction("one more") as tx:
        tx.append_array("voltage/soma", np.zeros((1, 200)))
        tx.append_array("voltage/soma.trial", np.array([170]))
    assert [made.stale for made in copied.derived()] == [True]
    assert voltages.recording(copied.head, "soma").by_time is None
    assert len(voltage_window(copied.head, (4, 8))) == 71
    (new,) = copied.refresh().done.values()
    found = voltages.recording(copied.head, "soma").by_time
    assert found is not None and found.path == new and found.shape == (71, 200)


def test_only_traces_are_kept_by_time(lakes: tuple[Lake, Lake]) -> None:
    with pytest.raises(InputError, match=r"is not \[trial, time\]"):
        voltages_by_time(lakes[0]["voltage/soma.time"])
