"""Accumulators over trials against NumPy on all trials at once."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from neurolake.kernels import jit
from neurolake.kernels.traces.averages import TriggeredAverage
from neurolake.kernels.traces.density import VoltageDensity
from neurolake.kernels.traces.voltages import Moments, quantiles

LEVELS = st.floats(-120, 60, width=32) | st.sampled_from([-100.0, -99.95, 0.0, 50.0, np.nan])
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)
TRACES = arrays(np.float64, SHAPES, elements=LEVELS) | arrays(
    np.float32, SHAPES, elements=st.floats(-120, 60, width=32)
)


def in_blocks(empty, voltage, cut):
    """Some trials by update, the others by merge."""
    return empty().update(voltage[:cut]).merge(empty().update(voltage[cut:]))


@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:Mean of empty slice")
@settings(deadline=None)  # the first example compiles
@given(TRACES, st.integers(0, 9), st.sampled_from([0, 1]))
def test_moments_are_numpys(voltage, cut, ddof):
    found = in_blocks(lambda: Moments.empty(voltage.shape[1]), voltage, cut).finish(ddof=ddof)
    exact = voltage.astype(np.float64)
    assert found.n.tolist() == (~np.isnan(exact)).sum(axis=0).tolist()
    np.testing.assert_allclose(found.mean, np.nanmean(exact, axis=0), rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(found.sd, np.nanstd(exact, axis=0, ddof=ddof), rtol=1e-9, atol=1e-11)


@settings(deadline=None)
@given(TRACES, st.lists(st.integers(0, 9), max_size=4))
def test_moments_of_parts_are_those_of_the_whole_to_the_last_bit(voltage, cuts):
    """Whatever the first samples of a part are, none among them."""
    before = Moments.empty(voltage.shape[1]).update(voltage[:2] / 3)
    whole, parts = (Moments.empty(voltage.shape[1]).merge(before) for _ in range(2))
    memory = np.empty_like(voltage)

    def overwritten():
        for part in np.split(voltage, sorted(cuts)):
            memory[: len(part)] = part
            yield memory[: len(part)]

    whole.update(voltage)
    parts.update_parts(overwritten(), np.full((4, voltage.shape[1]), np.nan))
    for name in ("count", "mean", "squares"):
        assert getattr(whole, name).tobytes() == getattr(parts, name).tobytes()


def test_a_large_mean_costs_no_digits():
    deviation = np.random.default_rng(0).normal(size=(1000, 3))
    found = in_blocks(lambda: Moments.empty(3), 1e9 + deviation, 400).finish()
    np.testing.assert_allclose(found.sd, (1e9 + deviation - 1e9).std(axis=0), rtol=1e-7)
    assert Moments.empty(2).update(np.full((50, 2), 0.1)).finish().sd.tolist() == [0.0, 0.0]


def test_one_trial_and_none():
    one = Moments.empty(2).update([[1.0, np.nan]])
    assert one.finish().mean.tolist()[0] == one.finish().mean[0] == 1.0
    assert one.finish().sd[0] == 0.0
    assert np.isnan(one.finish(ddof=1).sd).all()
    assert np.isnan(one.finish().mean[1])
    assert np.isnan(Moments.empty(1).finish().mean).all()


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@settings(deadline=None)
@given(TRACES, st.lists(st.floats(0, 1), max_size=4))
def test_quantiles_are_numpys(voltage, q):
    found = quantiles(voltage, q)
    if voltage.size:
        exact = np.nanquantile(voltage.astype(np.float64), np.array(q), axis=0)
        np.testing.assert_allclose(found, exact, rtol=1e-15, atol=1e-300, equal_nan=True)
    assert found.shape == (len(q), voltage.shape[1])


def density():
    return VoltageDensity.empty(9, v_min=-100, v_max=50, width=0.05)


NINE = arrays(np.float64, st.tuples(st.integers(0, 8), st.just(9)), elements=LEVELS)


@settings(deadline=None, max_examples=50)
@given(NINE, st.integers(0, 8))
def test_density_is_a_histogram_for_each_time(voltage, cut):
    found = in_blocks(density, voltage, cut)
    assert np.array_equal(found.edges, np.linspace(-100, 50, 3001))
    for time in range(9):
        column = voltage[:, time]
        column = column[~np.isnan(column)]
        assert np.array_equal(found.counts[time], np.histogram(column, found.edges)[0])
        assert (found.below[time], found.above[time]) == ((column < -100).sum(), (column > 50).sum())
        if column.size:
            expected = found.counts[time] / column.size / np.diff(found.edges)
            assert np.array_equal(found.finish()[time], expected)


@settings(deadline=None, max_examples=50)
@given(NINE, st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_quantiles_of_a_density_are_right_to_a_bin(voltage, q):
    found = density().update(voltage).quantiles(q)
    for time in range(9):
        column = voltage[:, time]
        column = column[~np.isnan(column)]
        if not column.size:
            assert np.isnan(found[:, time]).all()
            continue
        exact = np.quantile(column, q, method="inverted_cdf")
        within = np.abs(found[:, time] - exact) <= 0.05 + 1e-12
        below, above = (
            np.isneginf(found[:, time]) & (exact < -100),
            np.isposinf(found[:, time]) & (exact > 50),
        )
        assert (within | below | above).all()


@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:Mean of empty slice")
@settings(deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 3), st.just(12)), elements=LEVELS),
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([-1.0, 0.0, 2.5, 3.0, 6.0, 11.0, 40.0])), max_size=9
    ),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_triggered_average_is_the_mean_of_the_windows(voltage, spikes, before, after):
    samples = np.arange(12.0)
    spikes = [(trial, time) for trial, time in spikes if trial < len(voltage)]
    windows = []
    for trial, time in spikes:
        i = next((i for i in range(12) if samples[i] >= time), 12)
        if i - before >= 0 and i + after < 12:
            windows.append(voltage[trial, i - before : i + after + 1])
    average = TriggeredAverage.empty(before, after)
    for part in (spikes[::2], spikes[1::2]):
        trial, time = [s[0] for s in part], [s[1] for s in part]
        average.merge(TriggeredAverage.empty(before, after).update(voltage, samples, trial, time))
    found = average.finish()
    assert (average.n_used, average.n_dropped) == (len(windows), len(spikes) - len(windows))
    expected = np.array(windows).reshape(len(windows), before + 1 + after)
    np.testing.assert_allclose(found.mean, np.nanmean(expected, axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.sd, np.nanstd(expected, axis=0), rtol=1e-9, atol=1e-11)


def test_threads_find_the_same(monkeypatch):
    voltage = np.random.default_rng(0).normal(-60, 5, (50, 2000)).astype(np.float32)
    accumulators = (Moments.empty, VoltageDensity.empty)
    serial = [make(2000).update(voltage).finish() for make in accumulators] + [quantiles(voltage, [0.1, 0.5])]
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    threaded = [make(2000).update(voltage).finish() for make in accumulators] + [
        quantiles(voltage, [0.1, 0.5])
    ]
    assert all(np.array_equal(a, b) for a, b in zip(serial, threaded, strict=True))


EMPTY = TriggeredAverage.empty(1, 1)
BAD = [
    (
        lambda: Moments.empty(3).update(np.zeros((2, 4))),
        r"voltage has shape \(2, 4\); expected \(n_trials, 3\)",
    ),
    (lambda: Moments.empty(3).update(np.zeros(3)), r"voltage has shape \(3,\)"),
    (lambda: Moments.empty(3).update_parts([], np.empty((3, 3))), r"expected float64\[4, 3\]"),
    (lambda: Moments.empty(3).merge(Moments.empty(2)), "other has 2 times; expected 3"),
    (lambda: quantiles(np.zeros((2, 2)), [0.5, 1.5]), r"q\[1\] is 1.5; expected 0 <= q <= 1"),
    (lambda: quantiles(np.zeros((2, 2)), [np.nan]), r"q\[0\] is nan"),
    (lambda: density().update(np.zeros((2, 4))), r"voltage has shape \(2, 4\); expected \(n_trials, 9\)"),
    (
        lambda: density().merge(VoltageDensity.empty(9, width=0.1)),
        "other has 9 times and 1500 bins from -100.0",
    ),
    (lambda: density().quantiles([2.0]), r"q\[0\] is 2.0"),
    (lambda: VoltageDensity.empty(1, width=0.07), "is no whole number of bins of 0.07 mV"),
    (lambda: VoltageDensity.empty(1, v_min=50.0), "expected finite v_min < v_max, width > 0"),
    (lambda: TriggeredAverage.empty(-1, 2), "window of -1 samples before and 2 after"),
    (lambda: EMPTY.merge(TriggeredAverage.empty(1, 2)), r"other has windows of 1 \+ 1 \+ 2 samples"),
    (lambda: EMPTY.update(np.zeros((1, 3)), [0.0, 1.0], [0], [1.0]), r"sample_times \(2,\)"),
    (
        lambda: EMPTY.update(np.zeros((1, 2)), [0.0, 1.0], [1], [1.0]),
        r"trial\[0\] is 1; expected 0 <= trial < 1",
    ),
    (lambda: EMPTY.update(np.zeros((1, 2)), [0.0, 1.0], [0], [np.nan]), r"time\[0\] is NaN"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_real_spikes_are_where_the_average_peaks(isf_data):
    (path,) = (isf_data / "simrun_2026").rglob("*_vm_all_traces.csv")
    table = np.loadtxt(path, skiprows=1, delimiter="\t")
    voltage, samples = table[:, 1:].T, table[:, 0]
    times = json.loads((isf_data / "simrun_2026" / "expected.json").read_text())[
        "spike_times_soma_0mV"
    ].values()
    trial = np.repeat(np.arange(len(times)), [len(train) for train in times])
    average = TriggeredAverage.empty(200, 200).update(voltage, samples, trial, np.concatenate(list(times)))
    found = average.finish()
    assert average.n_used == len(trial)
    assert found.mean[199] < 0 <= found.mean[200]
    assert 0 <= found.mean.argmax() - 200 < 20  # within half a millisecond of the crossing
    moments = Moments.empty(len(samples)).update(voltage[:3]).update(voltage[3:]).finish(ddof=1)
    np.testing.assert_allclose(moments.mean, voltage.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.sd, voltage.std(axis=0, ddof=1), rtol=1e-9, atol=1e-12)
