"""Binning against numpy.histogram, ties on edges included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels import jit
from neurolake.kernels.activity.binning import bin_edges, psth, temporal_counts, temporal_counts_by

WILD = st.floats(-1e3, 1e3) | st.sampled_from([np.inf, -np.inf])


@st.composite
def even_edges(draw):
    start = draw(st.floats(-500, 500))
    width = draw(st.sampled_from([0.1, 1.0, 0.025, 1 / 3, 7.3, 1e-9]))
    return bin_edges(start, start + draw(st.integers(0, 200)) * width, width)


UNEVEN = st.lists(st.floats(-100, 100), min_size=1, max_size=20).map(sorted).map(np.array)
EDGES = even_edges() | UNEVEN


@st.composite
def events(draw):
    """Times anywhere, on the edges, and one rounding step beside them."""
    edges = draw(EDGES)
    near = st.sampled_from([*edges, *np.nextafter(edges, np.inf), *np.nextafter(edges, -np.inf)])
    return np.array(draw(st.lists(near | WILD, max_size=60)), np.float64), edges


def histogram(times, edges):
    return np.histogram(times[np.isfinite(times)], edges)[0]


@settings(deadline=None)  # the first example compiles
@given(events())
def test_counts_are_those_of_numpy(case):
    times, edges = case
    found = temporal_counts(times, edges)
    assert found.dtype == np.int64
    assert found.tolist() == histogram(times, edges).tolist()


@settings(deadline=None)  # the first example compiles
@given(events(), st.integers(1, 4), st.data())
def test_counts_by_group_are_those_of_numpy(case, n_groups, data):
    times, edges = case
    group = np.array(
        data.draw(st.lists(st.integers(0, n_groups - 1), min_size=len(times), max_size=len(times))), np.int32
    )
    expected = [histogram(times[group == g], edges).tolist() for g in range(n_groups)]
    assert temporal_counts_by(times, group, n_groups, edges).tolist() == expected


def test_many_ties_on_edges_that_do_not_round_well():
    edges = bin_edges(0.0, 300.0, 0.1)
    times = np.concatenate([edges, np.arange(3001) * 0.1, np.cumsum(np.full(3000, 0.1))])
    assert np.array_equal(temporal_counts(times, edges), np.histogram(times, edges)[0])


@pytest.mark.parametrize(
    "edges", [[-np.inf, 0.0, 1.0, np.inf], [1.0, 1.0], [0.0, 1.0, 1.0, 2.0], [3.0], [0.0, 1.0, 1e9]]
)
def test_odd_edges_are_numpys(edges):
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e9, np.inf, -np.inf])
    assert temporal_counts(times, edges).tolist() == np.histogram(times, edges)[0].tolist()


@pytest.mark.parametrize("n", [1, 7, 300, 4097])
def test_evenly_spaced_by_linspace(n):
    edges = np.linspace(-0.3, 7.7, n + 1)
    times = np.concatenate([edges, np.nextafter(edges, 9), np.nextafter(edges, -9)])
    assert np.array_equal(temporal_counts(times, edges), np.histogram(times, edges)[0])


def test_float32_times():
    times, edges = (np.arange(50, dtype=np.float32) * np.float32(0.1)), bin_edges(0.0, 3.0, 0.1)
    assert np.array_equal(temporal_counts(times, edges), np.histogram(times.astype(float), edges)[0])


def test_threads_count_the_same(monkeypatch):
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    times, edges = np.random.default_rng(0).uniform(-1, 11, 5000), bin_edges(0.0, 10.0, 0.1)
    assert np.array_equal(temporal_counts(times, edges), np.histogram(times, edges)[0])


def test_integers_and_strides():
    times = np.arange(20)[::3]
    assert (
        temporal_counts(times, np.arange(0, 22, 2)).tolist()
        == np.histogram(times, np.arange(0, 22, 2))[0].tolist()
    )


def test_no_events():
    assert temporal_counts([], [0.0, 1.0, 2.0]).tolist() == [0, 0]
    assert temporal_counts_by([], [], 2, [0.0, 1.0]).tolist() == [[0], [0]]
    assert temporal_counts_by([], [], 0, [0.0, 1.0]).shape == (0, 1)
    assert psth([], [0.0, 1.0], n_trials=3).tolist() == [0.0]


def test_psth_is_per_trial_and_rate_per_ms():
    times, edges = [0.5, 1.0, 1.5, 4.0], [0.0, 1.0, 4.0]
    assert psth(times, edges, n_trials=4).tolist() == [0.25, 0.75]
    assert psth(times, edges, n_trials=4, rate=True).tolist() == [0.25, 0.25]


def test_bin_edges():
    assert bin_edges(0.0, 3.0, 1.0).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert bin_edges(-1.0, 1.5, 1.0).tolist() == [-1.0, 0.0, 1.0, 2.0]


BAD = [
    (lambda: temporal_counts([1.0, np.nan], [0.0, 1.0]), r"times\[1\] is NaN"),
    (lambda: temporal_counts_by([np.nan], [0], 1, [0.0, 1.0]), r"times\[0\] is NaN"),
    (lambda: psth([0.0], [0.0, 1.0, 1.0], n_trials=1, rate=True), r"edges\[2\] = edges\[1\] = 1.0"),
    (lambda: temporal_counts([[1.0]], [0.0, 1.0]), r"times has shape \(1, 1\); expected one dimension"),
    (lambda: temporal_counts([1.0], []), "edges are empty"),
    (lambda: temporal_counts([1.0], [np.nan, 1.0]), r"edges\[0\] is NaN"),
    (lambda: temporal_counts([1.0], [0.0, np.nan]), r"edges\[1\] = nan after edges\[0\] = 0.0"),
    (lambda: temporal_counts([1.0], [0.0, 2.0, 1.0]), r"edges\[2\] = 1.0 after edges\[1\] = 2.0"),
    (lambda: temporal_counts_by([1.0], [0, 1], 2, [0.0]), r"group has shape \(2,\), times \(1,\)"),
    (lambda: temporal_counts_by([1.0], [0.0], 2, [0.0]), "group has dtype float64; expected integers"),
    (
        lambda: temporal_counts_by([1.0, 5.0], [0, 2], 2, [0.0]),
        r"group\[1\] is 2; expected 0 <= group < 2",
    ),
    (lambda: temporal_counts_by([1.0], [-1], 2, [0.0]), r"group\[0\] is -1"),
    (lambda: temporal_counts_by([], [], -1, [0.0]), "n_groups is -1"),
    (lambda: psth([], [0.0], n_trials=0), "n_trials is 0; expected at least 1"),
    (lambda: bin_edges(0.0, 1.0, 0.0), "bin_size > 0"),
    (lambda: bin_edges(2.0, 1.0, 1.0), "t_min <= t_max"),
    (lambda: bin_edges(0.0, np.inf, 1.0), "finite"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()
