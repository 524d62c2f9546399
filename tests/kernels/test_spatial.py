"""Binning in space against pandas, whose functions the In Silico Framework uses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels import jit
from neurolake.kernels.activity.binning import bin_edges
from neurolake.kernels.activity.spatial import (
    distance_bins,
    padded_sum,
    spatial_counts,
    spatiotemporal_counts,
)

DISTANCE = st.floats(0, 400) | st.sampled_from([0.0, 50.0, 100.0, np.nextafter(50, 0), np.nextafter(50, 99)])
TIME = st.floats(-5, 15) | st.sampled_from([0.0, 1.0, 10.0, 10.5, np.inf, -np.inf])
ROWS = st.lists(st.tuples(DISTANCE, TIME), max_size=40).map(
    lambda rows: np.array(rows, float).reshape(-1, 2).T
)


def reference(distance, time, edges, width):
    z = np.floor(distance / width).astype(int)
    rows = [np.histogram(time[(z == k) & np.isfinite(time)], edges)[0] for k in range(max(z, default=-1) + 1)]
    return np.array(rows, int).reshape(len(rows), len(edges) - 1)


@settings(deadline=None)  # the first example compiles
@given(
    ROWS, st.sampled_from([50.0, 33.3]), st.sampled_from([bin_edges(0, 10, 1), np.array([0.0, 1.0, 10.0])])
)
def test_spatiotemporal_counts_are_the_definition(rows, width, edges):
    distance, time = rows
    found = spatiotemporal_counts(distance, time, edges, width=width)
    assert found.tolist() == reference(distance, time, edges, width).tolist()


@settings(deadline=None)  # the first example compiles
@given(ROWS, st.lists(DISTANCE, min_size=2, max_size=6, unique=True).map(sorted))
def test_spatial_counts_are_those_of_pandas_cut(rows, edges):
    distance, time = rows
    inside = (time >= 0) & (time <= 10)
    cut = pd.cut(pd.Series(distance[inside]), edges, include_lowest=True, labels=False)
    expected = [(cut == k).sum() for k in range(len(edges) - 1)]
    assert spatial_counts(distance, edges, time=time, window=(0, 10)).tolist() == expected


def test_spatial_counts_without_time():
    assert spatial_counts([0.0, 50.0, 50.1, 100.0, 100.1], [0.0, 50.0, 100.0]).tolist() == [2, 2]
    assert spatial_counts([], [0.0, 50.0]).tolist() == [0]


@settings(deadline=None)
@given(st.lists(DISTANCE, max_size=20), st.sampled_from([50.0, 0.1, 7.3]))
def test_distance_bins_are_pandas_floor(distance, width):
    expected = np.floor(pd.Series(distance, dtype=float) / width).astype(int)
    found = distance_bins(distance, width=width)
    assert found.dtype == np.int32
    assert found.tolist() == expected.tolist()


def test_a_fixed_number_of_distance_bins():
    found = spatiotemporal_counts([10.0, 60.0, 110.0], [0.5, 0.5, 1.5], [0.0, 1.0, 2.0], n_distance_bins=2)
    assert found.tolist() == [[1, 0], [1, 0]]
    assert spatiotemporal_counts([], [], [0.0, 1.0]).shape == (0, 1)
    assert spatiotemporal_counts([1.0], [0.5], [0.0]).shape == (1, 0)
    assert spatiotemporal_counts([], [], [0.0, 1.0], n_distance_bins=3).tolist() == [[0], [0], [0]]


def test_an_activation_out_of_time_still_makes_its_row():
    assert spatiotemporal_counts([10.0, 160.0], [0.5, 99.0], [0.0, 1.0]).tolist() == [[1], [0], [0], [0]]


def test_threads_count_the_same(monkeypatch):
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    rng = np.random.default_rng(0)
    distance, time, edges = rng.uniform(0, 900, 5000), rng.uniform(-5, 305, 5000), bin_edges(0, 300, 1)
    assert np.array_equal(
        spatiotemporal_counts(distance, time, edges), reference(distance, time, edges, 50.0)
    )


def test_parts_are_added_as_if_padded():
    total = padded_sum([np.ones((1, 2), int), np.ones((3, 1), int), np.zeros((0, 2), int)])
    assert total.tolist() == [[2, 1], [1, 0], [1, 0]]


BAD = [
    (lambda: spatiotemporal_counts([1.0], [1.0, 2.0], [0.0, 1.0]), r"time has shape \(2,\); expected \(1,\)"),
    (lambda: spatiotemporal_counts([1.0, -1.0], [1.0, 2.0], [0.0, 1.0]), r"distance\[1\] is -1.0"),
    (lambda: spatiotemporal_counts([1.0], [np.nan], [0.0, 1.0]), r"time\[0\] is NaN"),
    (lambda: spatiotemporal_counts([1.0], [1.0], [1.0, 0.0]), r"edges\[1\] = 0.0 after edges\[0\] = 1.0"),
    (lambda: spatiotemporal_counts([1.0], [1.0], [0.0, 1.0], width=0.0), "width is 0.0; expected a positive"),
    (lambda: spatiotemporal_counts([1.0], [1.0], [0.0, 1.0], n_distance_bins=-1), "n_distance_bins is -1"),
    (
        lambda: spatiotemporal_counts([1.0, 1e12], [1.0, 1.0], [0.0]),
        r"distance\[1\] is 1000000000000.0, 20,000,000,001 bins",
    ),
    (lambda: spatial_counts([np.nan], [0.0, 1.0]), r"distance\[0\] is nan"),
    (lambda: spatial_counts([1.0], [0.0, 1.0], time=[1.0]), "time and window go together"),
    (lambda: distance_bins([1e300]), r"distance\[0\] is 1e\+300: too far"),
    (lambda: padded_sum([np.zeros(2), np.zeros((2, 2))]), r"parts have shapes \[\(2,\), \(2, 2\)\]"),
    (lambda: padded_sum([]), r"parts have shapes \[\]"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(call, message):
    with pytest.raises(ValueError, match=message):
        call()
