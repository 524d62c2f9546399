"""Voltages of many trials: NumPy's answers, from blocks of any size."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.kernels.traces.raster import trace_raster
from neurolake.lake.errors import InputError, QueryError
from neurolake.query.lake import Lake, Snapshot
from neurolake.query.trials import voltages
from neurolake.query.trials.voltages import (
    spike_triggered_average,
    voltage_density,
    voltage_picture,
    voltage_quantiles,
    voltage_statistics,
)

TIME = 0.5 * np.arange(200)


def traces() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.5, (30, 200)).cumsum(axis=1) - 65
    values[3, 50:60] = np.nan
    return values


def write(lake: Lake, name: str, values: np.ndarray, trial: list[int], time: np.ndarray) -> None:
    with lake.transaction(name) as tx:
        tx.write_array(name, values, chunks=(1, 200), dimension_names=["trial", "time"])
        tx.write_array(f"{name}.time", time, dimension_names=["time"])
        tx.write_array(f"{name}.trial", np.array(trial), dimension_names=["trial"])


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    lake = nl.create(tmp_path_factory.mktemp("voltages") / "lake")
    ids = list(range(100, 130))
    write(lake, "voltage/soma", traces(), ids, TIME)
    for suffix in ("", "@100-200ms"):
        write(lake, f"voltage/tuft{suffix}", traces(), ids, TIME + (100 if suffix else 0))
    spikes = {"trial_id": [100, 100, 115, 129, 999], "time": [30.0, 1.0, 60.2, 99.4, 50.0]}
    with lake.transaction("tables") as tx:
        trials = {"trial_id": ids, "stimulus": ["C2" if k % 3 else "D1" for k in ids]}
        tx.write_table("trials", pa.table(trials))
        tx.write_table("spike_times", pa.table(spikes))
    return lake.head


@pytest.fixture(params=[1, 7 * 1600, 2**26], ids=["one trial", "seven", "all"], autouse=True)
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voltages, "BLOCK_BYTES", request.param)


D1 = np.array([k % 3 == 0 for k in range(100, 130)])


@pytest.mark.parametrize("ddof", [0, 1])
def test_statistics(snapshot: Snapshot, ddof: int) -> None:
    found = voltage_statistics(snapshot, ddof=ddof)
    np.testing.assert_allclose(found["mean"], np.nanmean(traces(), axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["sd"], np.nanstd(traces(), axis=0, ddof=ddof), rtol=1e-10)
    assert found["n"].values.tolist() == [29 if 50 <= k < 60 else 30 for k in range(200)]
    assert np.array_equal(found["time"], TIME) and found["mean"].attrs["units"] == "mV"


def test_of_some_trials(snapshot: Snapshot) -> None:
    found = voltage_statistics(snapshot, trials="stimulus = 'D1'")
    np.testing.assert_allclose(found["mean"], np.nanmean(traces()[D1], axis=0), rtol=1e-12)
    assert found["n"].max() == D1.sum()


def test_quantiles(snapshot: Snapshot) -> None:
    q = [0.1, 0.5, 0.9]
    expected = np.nanquantile(traces(), q, axis=0)
    np.testing.assert_allclose(voltage_quantiles(snapshot, q, exact=True), expected, rtol=1e-12)
    near = voltage_quantiles(snapshot, q, width=0.5)
    # The estimate lies within a bin of the two samples that the quantile stands between.
    low, high = (np.nanquantile(traces(), q, axis=0, method=how) for how in ("lower", "higher"))
    assert np.all((near >= low - 0.5) & (near <= high + 0.5))
    assert near.dims == ("quantile", "time") and near["quantile"].values.tolist() == q


def test_density(snapshot: Snapshot) -> None:
    found = voltage_density(snapshot, v_min=-100, v_max=50, width=2.5)
    edges = np.linspace(-100, 50, 61)
    for k in (0, 55, 199):
        sample = traces()[:, k]
        sample = sample[~np.isnan(sample)]
        expected = np.histogram(sample, edges)[0] / len(sample) / 2.5
        np.testing.assert_allclose(found[k], expected, rtol=1e-12)
    assert found["voltage"].values[:2].tolist() == [-98.75, -96.25]


def test_spike_triggered_average(snapshot: Snapshot) -> None:
    found = spike_triggered_average(snapshot, before=5, after=2)
    windows = [traces()[0, 50:65], traces()[15, 111:126]]
    np.testing.assert_allclose(found["mean"], np.mean(windows, axis=0), rtol=1e-12)
    assert found.attrs == {"n_used": 2, "n_dropped": 2} and found["lag"].values[[0, -1]].tolist() == [-5, 2]
    only = spike_triggered_average(snapshot, before=5, after=2, spikes="time > 50", trials="trial_id = 115")
    assert only.attrs == {"n_used": 1, "n_dropped": 0}
    np.testing.assert_allclose(only["mean"], windows[1], rtol=1e-12)


def test_picture(snapshot: Snapshot) -> None:
    size: dict[str, Any] = {"width": 40, "height": 30, "v_min": -90.0, "v_max": -50.0}
    found = voltage_picture(snapshot, **size, window=(10, 80))
    expected = trace_raster(traces(), TIME, **size, window=(10, 80))
    np.testing.assert_array_equal(found, expected)
    assert found.any()


def test_a_site_of_several_time_axes_must_be_told_apart(snapshot: Snapshot) -> None:
    with pytest.raises(InputError, match="name one of its arrays: voltage/tuft, voltage/tuft@100-200ms"):
        voltage_statistics(snapshot, "tuft")
    found = voltage_statistics(snapshot, "voltage/tuft@100-200ms")
    assert found["time"].values[0] == 100


@pytest.mark.parametrize(
    ("ask", "error", "reason"),
    [
        (lambda s: voltage_statistics(s, "some"), QueryError, "did you mean"),
        (
            lambda s: voltage_statistics(s, trials="stimulus = 'E9'"),
            InputError,
            "no trial of voltage/soma meets",
        ),
        (lambda s: voltage_statistics(s, trials="no_column = 1"), QueryError, "no_column"),
        (lambda s: voltage_quantiles(s, [1.5]), InputError, r"1\.5"),
        (lambda s: voltage_density(s, width=0.7), InputError, "no whole number of bins"),
        (lambda s: voltage_picture(s, width=0), InputError, "image of 0 x 600 pixels"),
        (lambda s: spike_triggered_average(s, before=-5), InputError, "0 or more"),
    ],
)
def test_what_makes_no_sense(snapshot: Snapshot, ask: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        ask(snapshot)
