"""Rolling kernels, lookup tables and raised cosines against NumPy and pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurolake.kernels import jit
from neurolake.kernels.activity.cosines import projections, raised_cosines
from neurolake.kernels.activity.reduced import Lookup, causal_convolution, spike_lookup

WEIGHTS = arrays(np.float64, st.integers(0, 6), elements=st.floats(-5, 5))


@settings(deadline=None)  # the first example compiles
@given(st.data(), WEIGHTS, st.sampled_from([np.uint16, np.int8, np.float32, np.float64]))
def test_convolution_is_numpys(data, kernel, dtype):
    shape = st.tuples(st.integers(0, 3), st.integers(0, 9))
    activity = data.draw(arrays(dtype, shape, elements=st.sampled_from([0, 1, 2, 7])))
    found = causal_convolution(activity, kernel)
    n_time = activity.shape[1]
    for row, result in zip(activity.astype(float), found, strict=True):
        whole = np.convolve(row, kernel[::-1])[:n_time] if n_time and len(kernel) else np.zeros(n_time)
        np.testing.assert_allclose(result, whole, rtol=1e-12, atol=1e-12)
    assert causal_convolution(activity, kernel, out=found) is found


def test_the_last_bin_of_a_window_has_the_models_value():
    rng = np.random.default_rng(0)
    activity, kernel = rng.poisson(2, (5, 400)).astype(np.uint16), rng.normal(size=80)
    groups = causal_convolution(activity, kernel)
    np.testing.assert_allclose(groups[:, 264], activity[:, 185:265] @ kernel, rtol=1e-12)


def test_threads_find_the_same(monkeypatch):
    activity = np.random.default_rng(0).poisson(2, (9, 50)).astype(np.uint16)
    serial = causal_convolution(activity, np.arange(5.0))
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    assert np.array_equal(causal_convolution(activity, np.arange(5.0)), serial)


@given(
    st.lists(st.tuples(st.floats(-300, 300), st.booleans()), min_size=2, max_size=60),
    st.sampled_from([1, 3, 5]),
)
def test_lookup_is_the_pandas_series(trials, step):
    values, spike = (np.array(column) for column in zip(*trials, strict=True))
    keys = (pd.Series(values) / step).round().astype(int) * step
    shares = pd.Series(spike.astype(float)).groupby(keys).mean()
    span = shares.index.max() - shares.index.min()
    assume(span > 0)
    start, stop = int(shares.index.min() - 0.3 * span), int(shares.index.max() + 0.3 * span)
    series = pd.Series(np.nan, index=np.arange(start, max(stop, shares.index.max() + 1)))
    series.iloc[0] = 0
    series[shares.index] = shares
    series = series.interpolate(method="linear")
    found = spike_lookup(values, spike, step=step)
    assert found.first == series.index[0]
    np.testing.assert_allclose(found.probability, series, rtol=1e-12, atol=1e-15)
    ask = np.array([-1e6, *values, 1e6])
    nearest = np.clip(np.round(ask), series.index[0], series.index[-1]).astype(int)
    np.testing.assert_allclose(found(ask), series[nearest], rtol=1e-12, atol=1e-15)


@given(arrays(np.float64, st.integers(0, 9), elements=st.floats(0, 200)))
def test_cosines_are_the_formula(u):
    found = raised_cosines(u)
    assert found.shape == (20, len(u))
    for row, phi in zip(found, np.arange(1, 11, 0.5), strict=True):
        angle = 2 * np.log(u + 1) - phi
        expected = [0.5 * np.cos(x) + 0.5 if abs(x) < np.pi else 0.0 for x in angle]
        np.testing.assert_allclose(row, expected, rtol=1e-12, atol=1e-15)


def test_cosines_in_half_steps_sum_to_a_constant():
    between = np.exp(np.linspace(2, 3, 50)) - 1  # where all functions that reach are there: angle 4 to 6
    total = raised_cosines(between, phi=np.arange(0, 13, 0.5 * np.pi)).sum(axis=0)
    np.testing.assert_allclose(total, 2.0, rtol=1e-12)


@given(st.data(), st.sampled_from([np.uint16, np.float32]))
def test_projections_are_the_sum(data, dtype):
    n, t, s, i, j = (data.draw(st.integers(0, 4)) for _ in range(5))
    rng = np.random.default_rng(0)
    activity, spatial, temporal = (
        rng.poisson(3, (n, t, s)).astype(dtype),
        rng.normal(size=(i, s)),
        rng.normal(size=(j, t)),
    )
    expected = np.einsum("nts,is,jt->ijn", activity.astype(float), spatial, temporal)
    np.testing.assert_allclose(projections(activity, spatial, temporal), expected, rtol=1e-10, atol=1e-12)


def test_projections_in_blocks(monkeypatch):
    from neurolake.kernels.activity import cosines

    rng = np.random.default_rng(0)
    activity, spatial, temporal = rng.poisson(3, (7, 5, 3)), rng.normal(size=(2, 3)), rng.normal(size=(4, 5))
    whole = projections(activity, spatial, temporal)
    monkeypatch.setattr(cosines, "_BLOCK", 30)
    np.testing.assert_allclose(projections(activity, spatial, temporal), whole, rtol=1e-14)


TWO = np.array([True, False])
BAD = [
    (lambda: causal_convolution(np.zeros(3), [1.0]), r"activity has shape \(3,\)"),
    (
        lambda: causal_convolution(np.zeros((1, 3)), [1.0, np.nan]),
        r"kernel\[1\] is nan; expected a finite weight",
    ),
    (lambda: causal_convolution(np.zeros((1, 3)), [1.0], out=np.zeros((3, 1))), r"out is float64\[3, 1\]"),
    (lambda: spike_lookup([1.0, np.inf], TWO), r"values\[1\] is inf; expected a finite number"),
    (lambda: spike_lookup([1.0], TWO), r"spike is bool\[2\]; expected bool\[1\]"),
    (lambda: spike_lookup([1.0, 9.0], [0, 1]), r"spike is int64\[2\]; expected bool\[2\]"),
    (lambda: spike_lookup([1.0, 2.0], TWO), "values fall into 1 bin of 5"),
    (lambda: spike_lookup([], np.zeros(0, bool)), "values fall into 0 bin"),
    (lambda: spike_lookup([1.0, 9.0], TWO, step=0), "step is 0; expected 1 or more"),
    (lambda: Lookup(0, np.zeros(2))([[1.0, np.nan]]), r"values\[0, 1\] is NaN"),
    (lambda: raised_cosines([0.0, -1.0]), r"u\[1\] is -1.0 \(c is 1.0\)"),
    (lambda: raised_cosines([0.0], phi=[np.nan]), r"phi\[0\] is nan"),
    (lambda: projections(np.zeros((2, 3)), [[1.0]], [[1.0]]), r"activity has shape \(2, 3\)"),
    (lambda: projections(np.zeros((1, 2, 3)), np.zeros((1, 2)), np.zeros((1, 2))), r"spatial \(1, 2\)"),
    (lambda: projections(np.zeros((1, 2, 3)), np.zeros((1, 3)), np.zeros((1, 3))), r"temporal \(1, 3\)"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()
