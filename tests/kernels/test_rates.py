"""BAKS and network features against their formulas, and against an independent reading of MiV-Simulator's."""

from math import gamma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels import jit
from neurolake.kernels.trains.features import network_features
from neurolake.kernels.trains.rates import bayesian_rates

TRAINS = st.lists(st.lists(st.floats(-50, 550), max_size=8), max_size=4)
AT = np.arange(0.0, 501.0, 25.0)


def columns(trains):
    unit = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    return unit, np.array([time for train in trains for time in train], float)


def reference(train, at, alpha, beta):
    spikes = np.array([t for t in train if at[0] <= t <= at[-1]])[:, None] / 1000
    if len(spikes) < 2:
        return np.zeros(len(at))
    t = at / 1000
    x = (t - spikes) ** 2 / 2 + 1 / (beta or len(spikes) ** 0.8)
    h = gamma(alpha) / gamma(alpha + 0.5) * (x**-alpha).sum(axis=0) / (x ** (-alpha - 0.5)).sum(axis=0)
    return (np.exp(-((t - spikes) ** 2) / (2 * h**2)) / (np.sqrt(2 * np.pi) * h)).sum(axis=0)


@settings(deadline=None)  # the first example compiles
@given(TRAINS, st.sampled_from([4.77, 1.5]), st.sampled_from([None, 0.5, 40.0]))
def test_rates_are_the_formula(trains, alpha, beta):
    found = bayesian_rates(*columns(trains), AT, n_units=len(trains), alpha=alpha, beta=beta)
    expected = np.array([reference(train, AT, alpha, beta) for train in trains]).reshape(found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-300)


def test_a_regular_train_has_its_rate():
    spikes = np.arange(0, 10_000, 20.0)  # 50 per second
    found = bayesian_rates(np.zeros(len(spikes), int), spikes, np.arange(0, 10_000.0), n_units=1)
    assert abs(found[0, 3000:7000].mean() - 50) < 0.5


def test_at_a_lone_spike_the_width_is_that_of_the_prior():
    found = bayesian_rates([0], [100.0], [100.0], n_units=1, beta=400.0, fewest_spikes=1)
    width = gamma(4.77) / gamma(5.27) / np.sqrt(400.0)
    np.testing.assert_allclose(found, 1 / (np.sqrt(2 * np.pi) * width), rtol=1e-12)


def test_rates_move_with_the_spikes():
    spikes, unit = np.array([100.0, 180.0, 190.0]), np.zeros(3, int)
    there = bayesian_rates(unit, spikes + 4000, AT + 4000, n_units=1)
    np.testing.assert_allclose(there, bayesian_rates(unit, spikes, AT, n_units=1), rtol=1e-9)


def test_few_spikes_have_no_rate():
    assert not bayesian_rates([0], [10.0], AT, n_units=2).any()
    assert bayesian_rates([0], [10.0], AT, n_units=2, fewest_spikes=1)[0].all()
    assert bayesian_rates([], [], AT, n_units=0).shape == (0, len(AT))
    assert bayesian_rates([0], [1.0], [], n_units=1).shape == (1, 0)


def test_threads_find_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    unit, time = rng.integers(0, 9, 200), rng.uniform(0, 500, 200)
    serial = bayesian_rates(unit, time, AT, n_units=9)
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    assert np.array_equal(bayesian_rates(unit, time, AT, n_units=9), serial)


RATES = st.lists(
    st.lists(st.sampled_from([0.0, 0.005, 0.01, 0.02, 4.0, 50.0]), min_size=5, max_size=5), max_size=5
)


@given(RATES, st.sampled_from([1.0, 2.5, 7.0, 100.0]))
def test_features_are_their_definition(rates, bin_width):
    time = np.arange(5) * 3.0 + 10
    rates = np.array(rates, float).reshape(len(rates), 5)
    found = network_features(rates, time, bin_width=bin_width)
    middles = np.arange(10.0, 25.0, bin_width) + bin_width / 2
    share = [np.mean([np.interp(t, time, rate) > 0.01 for rate in rates] or [0.0]) for t in middles]
    means = [rate.mean() for rate in rates if rate.mean() > 0]
    expected = (np.mean(means or [0.0]), len(means) / max(len(rates), 1), np.mean(share), np.std(share))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


BAD = [
    (lambda: bayesian_rates([0, 1], [1.0], AT, n_units=2), r"unit has shape \(2,\), times \(1,\)"),
    (lambda: bayesian_rates([2], [1.0], AT, n_units=2), r"unit\[0\] is 2; expected 0 <= unit < 2"),
    (lambda: bayesian_rates([0], [np.nan], AT, n_units=2), r"time\[0\] is NaN"),
    (lambda: bayesian_rates([0], [1.0], AT[::-1], n_units=2), r"at\[1\] = 475.0 after at\[0\] = 500.0"),
    (lambda: bayesian_rates([0], [1.0], [0.0, np.inf], n_units=2), r"at\[1\] is inf"),
    (
        lambda: bayesian_rates([0], [1.0], AT, n_units=2, alpha=0.0),
        "alpha is 0.0, beta None; expected positive",
    ),
    (lambda: bayesian_rates([0], [1.0], AT, n_units=2, beta=-1.0), "alpha is 4.77, beta -1.0"),
    (lambda: network_features(np.zeros((1, 3)), [0.0, 1.0]), r"rates have shape \(1, 3\), time \(2,\)"),
    (lambda: network_features(np.zeros((1, 2)), [1.0, 1.0]), "two times or more, rising"),
    (lambda: network_features([[0.0, np.nan]], [0.0, 1.0]), r"rates\[0, 1\] is NaN"),
    (lambda: network_features(np.zeros((1, 2)), [0.0, 1.0], bin_width=0.0), "bin_width is 0.0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()
