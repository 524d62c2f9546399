"""Spike trains as columns against the wide frames of the In Silico Framework, and its 18,000 real trials."""

from itertools import zip_longest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.kernels.activity.binning import bin_edges, psth, temporal_counts_by
from neurolake.kernels.trains.trains import (
    interspike_intervals,
    ongoing_and_evoked_rates,
    spike_counts,
    spike_rates,
    spikes_in_interval,
)

TIME = st.floats(-5, 15) | st.sampled_from([0.0, 2.0, 10.0, np.inf, -np.inf])
TRAINS = st.lists(st.lists(TIME, max_size=6).map(sorted), max_size=5)
WINDOW = st.tuples(TIME, TIME).map(sorted)


def columns(trains):
    trial = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    return trial, np.array([time for train in trains for time in train], float)


@given(TRAINS, WINDOW)
def test_spikes_in_a_window_are_isfs(trains, window):
    trial, time = columns(trains)
    wide = np.array(list(zip_longest(*trains, fillvalue=np.nan)), float)
    wide = wide.reshape(max(map(len, trains), default=0), len(trains)).T
    inside = (wide >= window[0]) & (wide < window[1])
    n = {"n_trials": len(trains)}
    assert spikes_in_interval(trial, time, window, **n).tolist() == inside.any(axis=1).tolist()
    assert spike_counts(trial, time, window, **n).tolist() == inside.sum(axis=1).tolist()


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=6).map(sorted), max_size=5))
def test_intervals_are_those_of_pandas(trains):
    trial, time = columns(trains)
    expected = pd.Series(time).groupby(trial).diff()
    assert np.array_equal(interspike_intervals(trial, time), expected, equal_nan=True)


def test_intervals_are_those_of_elephant():
    statistics = pytest.importorskip("elephant.statistics")
    time = np.sort(np.random.default_rng(0).uniform(0, 100, 50))
    assert np.array_equal(interspike_intervals(np.zeros(50, int), time)[1:], statistics.isi(time))


def test_rates_are_per_second():
    trial, time = [0, 0, 0, 2], [1.0, 240.0, 250.0, 260.0]
    rates = ongoing_and_evoked_rates(trial, time, ongoing=(0.0, 240.0), evoked=(240.0, 265.0), n_trials=3)
    assert rates.ongoing.tolist() == [1000 / 240, 0.0, 0.0]
    assert rates.evoked.tolist() == [80.0, 0.0, 40.0]


BAD = [
    (lambda: spike_counts([0, 1], [1.0], (0, 1), n_trials=2), r"trial has shape \(2,\), times \(1,\)"),
    (lambda: spike_counts([2], [1.0], (0, 1), n_trials=2), r"trial\[0\] is 2; expected 0 <= trial < 2"),
    (lambda: spike_counts([0], [np.nan], (0, 1), n_trials=2), r"time\[0\] is NaN"),
    (lambda: spike_counts([0], [1.0], (1, 0), n_trials=2), r"window is \(1, 0\); expected t_begin <= t_end"),
    (
        lambda: spike_rates([0], [1.0], (1, 1), n_trials=2),
        r"window is \(1, 1\); a rate needs one with a length",
    ),
    (lambda: interspike_intervals([1, 0], [1.0, 2.0]), r"trial\[1\] = 0 after trial\[0\] = 1"),
    (
        lambda: interspike_intervals([0, 1, 1], [3.0, 2.0, 1.0]),
        r"time\[2\] = 1.0 after time\[1\] = 2.0 in trial 1",
    ),
    (lambda: interspike_intervals([0], [np.inf]), r"time\[0\] is inf; expected a finite time"),
    (lambda: interspike_intervals([0, 1], [1.0]), r"trial has shape \(2,\), time \(1,\)"),
    (lambda: interspike_intervals([0.5], [1.0]), "trial has dtype float64; expected integers"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture(scope="module")
def wide(isf_data):
    """ISF's frame of spike times: a row for each trial, padded with NaN."""
    return pd.read_csv(isf_data / "spike_times_18k" / "spike_times_18000_trials.csv.gz", index_col=0)


def test_18000_real_trials(wide):
    values = wide.to_numpy(float)
    present = ~np.isnan(values)
    trial, time = np.repeat(np.arange(len(values)), present.sum(axis=1)), values[present]
    assert len(values) == 18_000
    n = {"n_trials": len(values)}
    inside = ((values >= 245) & (values < 295)).any(axis=1)
    assert np.array_equal(spikes_in_interval(trial, time, (245, 295), **n), inside)
    edges = bin_edges(0, 300, 1)
    counts = np.histogram(time, edges)[0]
    assert np.array_equal(psth(time, edges, n_trials=len(values)), counts / len(values))
    stimulus = wide.index.str.split("_").str[0]
    codes, names = pd.factorize(stimulus)
    found = temporal_counts_by(time, codes[trial], len(names), edges)
    for code in range(len(names)):
        rows = values[codes == code]
        assert np.array_equal(found[code], np.histogram(rows[~np.isnan(rows)], edges)[0])
