"""Questions about spikes: labelled, with units, and equal to NumPy's and pandas' answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurolake as nl
from neurolake.ingest.simrun.ingest import ingest_simrun
from neurolake.kernels.trains import bursts
from neurolake.kernels.trains.features import network_features
from neurolake.kernels.trains.rates import bayesian_rates
from neurolake.lake.errors import InputError, NotFoundError, QueryError
from neurolake.query.lake import Lake, Snapshot
from neurolake.query.trials import voltages
from neurolake.query.trials.spikes import (
    burst_events,
    firing_rates,
    interspike_intervals,
    psth,
    rate_features,
    spike_counts,
    spike_rates,
    spikes_in,
    voltage_bursts,
)
from neurolake.query.trials.trains import trains

# Numbers of trials with gaps: none may be taken for a row.
IDS = np.array([3, 4, 7, 10, 11, 20, 21, 22, 30, 40])
STIMULI = ["C2", "D1", "C2", "C2", None, "B1", "D1", "C2", "B1", "C2"]
DEPTHS = [10.0, 9.0, 100.0, 10.0, 9.0, 9.0, 10.0, 100.0, 10.0, 9.0]
SILENT = 22


def spike_frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    ids = rng.choice(IDS[IDS != SILENT], 120)
    # On a grid, so that many spikes lie on edges of bins and windows.
    return pd.DataFrame({"trial_id": ids, "time": rng.integers(0, 200, 120) / 2})


FRAME = spike_frame().sort_values(["trial_id", "time"], ignore_index=True)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = nl.create(tmp_path_factory.mktemp("spikes") / "lake")
    columns = {"trial_id": IDS, "stimulus": STIMULI, "depth": DEPTHS, "t_stop": np.full(10, 100.0)}
    shuffled = FRAME.sample(frac=1, random_state=1)
    with lake.transaction("tables") as tx:
        tx.write_table("trials", pa.table(columns))
        tx.write_table("spike_times", pa.Table.from_pandas(shuffled, preserve_index=False))
        tx.write_table(
            "dendritic_spike_times", pa.table({"trial_id": [3, 7], "time": [1.0, 2.0], "site": ["a", "b"]})
        )
    return lake


@pytest.fixture
def snapshot(lake: Lake) -> Snapshot:
    return lake.head


def of(*ids: int) -> pd.DataFrame:
    return FRAME[FRAME.trial_id.isin(ids)]


C2, D1, B1 = (3, 7, 10, 22, 40), (4, 21), (20, 30)
EDGES = np.array([0.0, 10.0, 10.5, 50.0, 99.5])


def test_trains_are_those_of_the_trials(snapshot: Snapshot) -> None:
    found = trains(snapshot, by="stimulus", trials="depth > 9", spikes="time >= 20")
    assert found.trials.tolist() == [3, 7, 10, 21, 22, 30] and found.labels == ("B1", "C2", "D1")
    assert [found.labels[k] for k in found.group] == ["C2", "C2", "C2", "D1", "C2", "B1"]
    expected = of(*found.trials)[lambda frame: frame.time >= 20]
    assert found.trials[found.trial].tolist() == expected.trial_id.tolist()
    assert found.time.tolist() == expected.time.tolist()


def test_groups_are_in_order_of_their_values(snapshot: Snapshot) -> None:
    assert trains(snapshot, by="depth").labels == ("9.0", "10.0", "100.0")


@pytest.mark.parametrize("kind", ["count", "per_trial", "rate"])
def test_psth(snapshot: Snapshot, kind: Any) -> None:
    found = psth(snapshot, edges=EDGES, kind=kind)
    assert found["group"].values.tolist() == ["B1", "C2", "D1"] and found["n_trials"].values.tolist() == [
        2,
        5,
        2,
    ]
    for label, ids in {"B1": B1, "C2": C2, "D1": D1}.items():
        expected = np.histogram(of(*ids).time, EDGES)[0].astype(float)
        expected /= 1 if kind == "count" else len(ids)
        expected /= np.diff(EDGES) / 1000 if kind == "rate" else 1
        np.testing.assert_allclose(found.sel(group=label), expected, rtol=1e-12)
    assert found.attrs["units"] == ("Hz" if kind == "rate" else "1") and found["time"].attrs["units"] == "ms"
    assert found["time"].values.tolist() == EDGES[:-1].tolist()
    assert found["time_end"].values.tolist() == EDGES[1:].tolist()


def test_psth_of_all_trials_in_even_bins(snapshot: Snapshot) -> None:
    found = psth(snapshot, None, kind="count")
    assert found.shape == (1, 100) and found["n_trials"].item() == 10
    assert found.values[0].tolist() == np.histogram(FRAME.time, np.arange(101))[0].tolist()
    part = psth(snapshot, None, width=5, t_min=20, t_max=40, kind="count")
    assert part.values[0].tolist() == np.histogram(FRAME.time, [20, 25, 30, 35, 40])[0].tolist()


def test_other_tables_of_spikes(snapshot: Snapshot) -> None:
    found = spike_counts(snapshot, table="dendritic_spike_times", spikes="site = 'a'")
    assert found.values.tolist() == [1] + [0] * 9


def test_counts_and_intervals_of_time(snapshot: Snapshot) -> None:
    begin, end = 20.0, 45.5
    inside = FRAME[(FRAME.time >= begin) & (FRAME.time < end)]
    expected = inside.groupby("trial_id").size().reindex(IDS, fill_value=0)
    counts = spike_counts(snapshot, (begin, end), by="depth")
    assert counts["trial"].values.tolist() == IDS.tolist() and counts.values.tolist() == expected.tolist()
    assert counts["group"].values.tolist() == [str(depth) for depth in DEPTHS]
    assert spikes_in(snapshot, begin, end).values.tolist() == (expected > 0).tolist()
    assert spike_counts(snapshot).sel(trial=SILENT) == 0 and spike_counts(snapshot).sum() == len(FRAME)


def test_interspike_intervals(snapshot: Snapshot) -> None:
    found = interspike_intervals(snapshot, trials="stimulus = 'C2'")
    expected = of(*C2).assign(interval=lambda frame: frame.groupby("trial_id").time.diff())
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True))
    assert found.attrs["units"] == {"time": "ms", "interval": "ms"}


def test_burst_events(snapshot: Snapshot) -> None:
    found = burst_events(snapshot, (2.0, 4.0, 8.0))
    events = bursts.burst_events(FRAME.trial_id, FRAME.time, longest=(2.0, 4.0, 8.0))
    assert found.trial_id.tolist() == events.trial.tolist() and found.time.tolist() == events.time.tolist()
    assert found.n_spikes.sum() == len(FRAME) and found.n_spikes.max() > 2
    np.testing.assert_array_equal(found[["interval_1", "interval_2", "interval_3"]], events.intervals)


def test_rates(snapshot: Snapshot) -> None:
    found = spike_rates(snapshot, ongoing=(0, 50), evoked=(50, 60), by="stimulus")
    c2 = found.groupby("group").mean()["evoked"].sel(group="C2").item()
    times = of(*C2).time
    assert c2 == pytest.approx(((times >= 50) & (times < 60)).sum() / len(C2) / 0.010)
    assert found["ongoing"].attrs == {"units": "Hz", "window_ms": [0.0, 50.0]}
    assert found.sizes["trial"] == 9  # one trial has no stimulus


def test_firing_rates_and_features(snapshot: Snapshot) -> None:
    at = np.arange(0.0, 100.0)
    found = firing_rates(snapshot, trials="stimulus = 'C2'")
    row = np.searchsorted(C2, of(*C2).trial_id)
    np.testing.assert_array_equal(found, bayesian_rates(row, of(*C2).time, at, n_units=5))
    assert found.attrs["units"] == "Hz" and found["time"].values.tolist() == at.tolist()
    features = rate_features(snapshot, by="stimulus").set_index("group").loc["C2"]
    assert tuple(features) == network_features(found, at)
    assert rate_features(snapshot)["group"].tolist() == ["all"]


@pytest.fixture(params=[1, 2**26], ids=["a trial at a time", "all at once"])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voltages, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("block_bytes")
def test_voltage_bursts(tmp_path: Path) -> None:
    """Rows of the array stand in another order than the trials, and one trial has none."""
    lake = nl.create(tmp_path / "lake")
    time = np.arange(100.0)
    high = np.full(100, -40.0)
    low = np.where((time > 30) & (time < 35), -70.0, -40.0)
    spikes = {"trial_id": [5, 5, 5, 6, 6, 6, 8, 8], "time": [10.0, 20, 50, 10, 20, 50, 10, 20]}
    with lake.transaction("all") as tx:
        tx.write_table("trials", pa.table({"trial_id": [5, 6, 7, 8]}))
        tx.write_table("spike_times", pa.table(spikes))
        tx.write_array("voltage/tuft", np.stack([high, high, low]), dimension_names=["trial", "time"])
        tx.write_array("voltage/tuft.time", time, dimension_names=["time"])
        tx.write_array("voltage/tuft.trial", np.array([7, 6, 5]), dimension_names=["trial"])
    found = voltage_bursts(lake.head, "tuft")
    assert found.to_numpy().tolist() == [[5, 10, 20, 2], [6, 10, 50, 3]]
    assert voltage_bursts(lake.head, "tuft", trials="trial_id = 5", cutoff=-80).n_spikes.tolist() == [3]
    assert voltage_bursts(lake.head, "tuft", trials="trial_id = 7").empty


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.integers(0, 20), max_size=30), seed=st.integers(0, 99))
def test_any_spikes(tmp_path_factory: pytest.TempPathFactory, times: list[int], seed: int) -> None:
    """Empty tables, one spike, and ties on edges, against pandas."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"trial_id": rng.integers(0, 3, len(times)), "time": np.array(times, float)})
    lake = nl.create(tmp_path_factory.mktemp("any") / "lake", durable=False)
    with lake.transaction("tables") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0, 1, 2], "kind": ["a", "b", "a"]}))
        tx.write_table("spike_times", pa.Table.from_pandas(frame, preserve_index=False))
    found = psth(lake.head, "kind", edges=[0, 5, 5, 12, 20], kind="count")
    for label, ids in {"a": (0, 2), "b": (1,)}.items():
        expected = np.histogram(frame[frame.trial_id.isin(ids)].time, [0, 5, 5, 12, 20])[0]
        assert found.sel(group=label).values.tolist() == expected.tolist()
    intervals = frame.sort_values(["trial_id", "time"]).groupby("trial_id").time.diff()
    np.testing.assert_array_equal(interspike_intervals(lake.head)["interval"], intervals)


def test_results_are_kept(lake: Lake) -> None:
    inputs = ["trials", "spike_times"]
    kept = lake.derive(psth, inputs, by="stimulus", width=5.0, t_max=100.0).xarray()
    fresh = psth(lake.head, width=5.0, t_max=100.0)
    np.testing.assert_array_equal(kept, fresh)
    assert kept["group"].values.tolist() == fresh["group"].values.tolist() and kept.attrs["units"] == "1"
    pd.testing.assert_frame_equal(
        lake.derive(interspike_intervals, inputs).to_pandas(),
        interspike_intervals(lake.head),
        check_dtype=False,
    )
    rates = lake.derive(spike_rates, inputs, ongoing=(0, 50), evoked=[50, 60])
    np.testing.assert_array_equal(
        rates["evoked"][...], spike_rates(lake.head, ongoing=(0, 50), evoked=(50, 60))["evoked"]
    )


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda s: psth(s, trials="depth > 1000"),
            InputError,
            "no trial meets 'depth > 1000' and has a stimulus",
        ),
        (lambda s: spikes_in(s, 1, 2, trials="depth > 1000"), InputError, "no trial meets 'depth > 1000'$"),
        (lambda s: psth(s, "null"), InputError, "no trial meets 'true' and has a null"),
        (lambda s: psth(s, "whisker"), QueryError, "whisker"),
        (lambda s: psth(s, edges=[3, 2]), InputError, r"edges\[1\]"),
        (lambda s: psth(s, width=-1), InputError, "bin_size > 0"),
        (lambda s: psth(s, kind="sum"), InputError, "'sum'; expected one of count, per_trial, rate"),
        (lambda s: psth(s, edges=[1, 1], kind="rate"), InputError, "some edges are equal"),
        (lambda s: psth(s, table="sodium"), NotFoundError, "no table sodium"),
        (lambda s: spike_counts(s, (5, 4)), InputError, r"window is \(5.0, 4.0\)"),
        (lambda s: spike_counts(s, (5,)), InputError, r"a window is \(begin, end\) in ms"),
        (lambda s: spike_rates(s, ongoing=(0, 0), evoked=(0, 1)), InputError, "needs one with a length"),
        (lambda s: burst_events(s, (-1.0,)), InputError, r"longest\[0\] is -1.0"),
        (lambda s: firing_rates(s, alpha=0), InputError, "alpha is 0"),
        (lambda s: voltage_bursts(s, "tuft"), QueryError, "no site or array 'tuft'"),
    ],
)
def test_errors_say_what_is_wrong(snapshot: Snapshot, ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(snapshot)


def test_a_real_tree(isf_data: Path, tmp_path: Path) -> None:
    """Spikes of the In Silico Framework's own trials, counted from its traces."""
    lake = nl.create(tmp_path / "lake", durable=False)
    ingest_simrun(lake, isf_data / "simrun_2026", processes=1)
    frame = lake.head.tables["spike_times"].to_pandas()
    n_trials = lake.head.tables["trials"].rows
    found = psth(lake.head, width=5.0, kind="count")
    edges = np.append(found["time"].values, found["time_end"].values[-1])
    assert found.sum() == len(frame) > 0 and found["n_trials"].sum() == n_trials
    assert found.values.sum(axis=0).tolist() == np.histogram(frame.time, edges)[0].tolist()
    voltage = lake.head.arrays["voltage/soma"][...]
    upwards = ((voltage[:, 1:] >= 0) & (voltage[:, :-1] < 0)).sum(axis=1)
    assert sorted(spike_counts(lake.head).values.tolist()) == sorted(upwards.tolist())
