"""Activations per group, trial and time against pandas and NumPy, and on ISF's real trees."""

from itertools import zip_longest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurolake.kernels import jit
from neurolake.kernels.activity import activations
from neurolake.kernels.activity.activations import activation_counts
from neurolake.kernels.activity.binning import bin_edges
from neurolake.kernels.activity.spatial import distance_bins, spatiotemporal_counts

EDGES = st.sampled_from([bin_edges(0, 10, 1), np.array([0.0, 0.1, 4.0, 4.0, 10.0]), np.array([2.0])])
TIME = st.floats(-5, 15) | st.sampled_from([0.0, 0.1, 1.0, 4.0, 10.0, np.nextafter(10, 11), np.inf])
N_TRIALS, N_GROUPS = 4, 3
ROW = st.tuples(st.integers(0, N_TRIALS - 1), st.integers(0, N_GROUPS - 1), TIME)


def columns(rows):
    trial, group, time = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(trial, int), np.array(group, np.int8), np.array(time, float)


def reference(trial, group, time, edges):
    """As the In Silico Framework: group the rows by pandas, and a histogram of each group's times."""
    counts = np.zeros((N_GROUPS, N_TRIALS, len(edges) - 1), int)
    frame = pd.DataFrame({"trial": trial, "group": group, "time": time})
    for (t, g), rows in frame[np.isfinite(frame.time)].groupby(["trial", "group"]):
        counts[g, t] = np.histogram(rows.time, edges)[0]
    return counts


@settings(deadline=None)  # the first example compiles
@given(st.lists(ROW, max_size=60), EDGES, st.sampled_from(["uint16", "uint32", "float32"]))
def test_counts_are_those_of_pandas_and_numpy(rows, edges, dtype):
    trial, group, time = columns(rows)
    sizes = {"n_trials": N_TRIALS, "n_groups": N_GROUPS}
    expected = reference(trial, group, time, edges)
    found = activation_counts(trial, group, time, edges, dtype=dtype, **sizes)
    assert found.dtype == dtype
    assert np.array_equal(found, expected)
    half = len(rows) // 2
    out = np.zeros_like(found)
    for part in (slice(half), slice(half, None)):
        assert activation_counts(trial[part], group[part], time[part], edges, out=out, **sizes) is out
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_threads_count_the_same(monkeypatch, order):
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    monkeypatch.setattr(activations, "SERIAL_SIZE", 0)
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 5000):
        trial, group, time = (
            rng.integers(0, N_TRIALS, n),
            rng.integers(0, N_GROUPS, n),
            rng.uniform(-1, 11, n),
        )
        trial = np.sort(trial) if order == "sorted" else trial
        edges = bin_edges(0, 10, 0.1)
        found = activation_counts(trial, group, time, edges, n_trials=N_TRIALS, n_groups=N_GROUPS)
        assert np.array_equal(found, reference(trial, group, time, edges))


def test_empty_sizes():
    assert activation_counts([], [], [], [0.0, 1.0], n_trials=0, n_groups=2).shape == (2, 0, 1)


def test_a_full_count_is_an_error_not_a_small_number():
    out = np.zeros((1, 2, 3), np.uint16)
    out[0, 1, 2] = 65535
    once = {"trial": [1], "group": [0], "time": [2.5], "edges": [0, 1, 2, 3], "n_trials": 2, "n_groups": 1}
    with pytest.raises(ValueError, match=r"counts\[0, 1, 2\] passes 65,535, the last that uint16 counts"):
        activation_counts(**once, out=out)
    out = np.full((1, 2, 3), 2**24, np.float32)
    with pytest.raises(ValueError, match=r"counts\[0, 1, 2\] passes 16,777,216"):
        activation_counts(**once, out=out)


GOOD = {
    "trial": [0, 1],
    "group": [0, 1],
    "time": [0.5, 1.5],
    "edges": [0.0, 1.0, 2.0],
    "n_trials": 2,
    "n_groups": 2,
}
BAD = [
    ({"trial": [0]}, r"trial has shape \(1,\), times \(2,\)"),
    ({"trial": [0, 2]}, r"trial\[1\] is 2; expected 0 <= trial < 2"),
    ({"group": [-1, 0]}, r"group\[0\] is -1; expected 0 <= group < 2"),
    ({"group": [0.0, 1.0]}, "group has dtype float64; expected integers"),
    ({"time": [0.5, np.nan]}, r"time\[1\] is NaN"),
    ({"edges": [0.0, 2.0, 1.0]}, r"edges\[2\] = 1.0 after edges\[1\] = 2.0"),
    ({"n_trials": -1}, "n_trials is -1"),
    ({"dtype": np.int8}, "dtype is int8; expected uint16, uint32 or float32"),
    ({"out": np.zeros((2, 2, 2))}, "dtype is float64; expected uint16"),
    ({"out": np.zeros((2, 2, 3), np.uint16)}, r"out has shape \(2, 2, 3\); expected .* = \(2, 2, 2\)"),
    ({"out": np.zeros((2, 2, 2), np.uint16).T}, "out is not contiguous"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where_and_count_nothing(change, message):
    with pytest.raises(ValueError, match=message):
        activation_counts(**GOOD | change)
    out = np.zeros((2, 2, 2), np.uint16)
    if not change.keys() & {"dtype", "out", "n_trials"}:
        with pytest.raises(ValueError, match=message):
            activation_counts(**GOOD | change, out=out)
        assert not out.any()


EXCITATORY = "L6cc|L2|VPM|L4py|L4ss|L4sp|L5st|L6ct|L34|L6ccinv|L5tt|Generic"


@pytest.fixture(scope="module")
def synapses(isf_data):
    """The synapses of two real trials in ISF's wide form: one row a synapse, its times in columns 0, 1, ..."""
    frames = []
    for trial, path in enumerate(sorted((isf_data / "simrun_2026").rglob("*run000[01]_synapses.csv"))):
        lines = [line.rstrip("\n").split("\t") for line in path.read_text().splitlines()[1:]]
        ragged = ([float(t) for t in line[-1].split(",") if t] for line in lines)
        times = pd.DataFrame(list(zip_longest(*ragged, fillvalue=np.nan))).T
        names = {
            "trial": trial,
            "type": [line[0] for line in lines],
            "distance": [float(line[2]) for line in lines],
        }
        frames.append(pd.concat([pd.DataFrame(names), times], axis=1))
    return pd.concat(frames, ignore_index=True)


def test_binning_of_real_trials_is_isfs(synapses, isf_data):
    ei = synapses.type.str.fullmatch(rf"({EXCITATORY})_.*").to_numpy(np.int8)
    code = ei * 40 + distance_bins(synapses.distance)
    edges, times = bin_edges(0, 300, 1), synapses.filter(range(100)).to_numpy()
    present = ~np.isnan(times)
    row = np.repeat(np.arange(len(synapses)), present.sum(axis=1))
    found = activation_counts(
        synapses.trial.to_numpy()[row], code[row], times[present], edges, n_trials=2, n_groups=80
    )
    for (trial, group), rows in synapses.groupby(["trial", code]):
        values = rows.filter(range(100)).to_numpy()
        assert np.array_equal(found[group, trial], np.histogram(values[~np.isnan(values)], edges)[0])
    assert found.sum() == ((times >= 0) & (times <= 300)).sum() > 9000
    assert np.array_equal(
        spatiotemporal_counts(synapses.distance.to_numpy()[row], times[present], edges),
        found.reshape(2, 40, 2, 300).sum(axis=(0, 2))[: int(synapses.distance.max() // 50) + 1],
    )
