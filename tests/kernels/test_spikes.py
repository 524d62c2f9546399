"""Threshold crossings against a plain reading of the definition, and against ISF's own answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from neurolake.kernels import jit
from neurolake.kernels.trains.spikes import threshold_crossings

LEVELS = st.sampled_from([-75.0, -30.0, -1e-9, 0.0, 1e-9, 20.0, np.nan, np.inf, -np.inf])
TRACES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12), elements=LEVELS)
RUN = "stim_C2/results/20261120-2051_seed268801449_pid15792"


def reference(voltage, time, threshold, window=(-np.inf, np.inf), slope=False):
    rows = []
    for trial, v in enumerate(voltage):
        signal = [(v[i + 1] - v[i]) / (time[i + 1] - time[i]) for i in range(len(v) - 1)] if slope else v
        hits = [
            time[i]
            for i in range(1, len(signal))
            if signal[i - 1] < threshold <= signal[i] and window[0] <= time[i] < window[1]
        ]
        rows += [(trial, n, t) for n, t in enumerate(hits)]
    return rows


def as_rows(found):
    return list(zip(found.trial.tolist(), found.ordinal.tolist(), found.time.tolist(), strict=True))


@settings(deadline=None)  # the first example compiles
@given(TRACES, st.sampled_from([-30.0, 0.0]))
def test_level_crossings_are_the_definition(voltage, threshold):
    time = np.arange(voltage.shape[1]) * 0.5
    assert as_rows(threshold_crossings(voltage, time, threshold)) == reference(voltage, time, threshold)


@settings(deadline=None)  # the first example compiles
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 3), st.integers(0, 12)),
        elements=st.sampled_from([0.0, 1.0, 5.0, np.nan]),
    ),
    st.sampled_from([0.0, 2.0]),
)
def test_slope_crossings_are_the_definition(voltage, threshold):
    time = np.arange(voltage.shape[1]) * 0.5
    found = threshold_crossings(voltage, time, threshold, mode="slope")
    assert as_rows(found) == reference(voltage, time, threshold, slope=True)


@settings(deadline=None)  # the first example compiles
@given(st.floats(-2, 12), st.floats(-2, 12), st.sampled_from(["regular", "slope"]))
def test_window_is_left_closed_and_right_open(a, b, mode):
    voltage, time = np.tile([-1.0, -1.0, 4.0], (2, 4)), np.arange(12) * 0.75
    window = (min(a, b), max(a, b))
    found = threshold_crossings(voltage, time, 1.0, window=window, mode=mode)
    assert as_rows(found) == reference(voltage, time, 1.0, window, slope=mode == "slope")


def test_window_edges_on_samples():
    voltage, time = np.array([[-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]]), np.arange(6.0)
    assert threshold_crossings(voltage, time, 0.0, window=(1.0, 5.0)).time.tolist() == [1.0, 3.0]
    assert threshold_crossings(voltage, time, 0.0, window=(1.5, 5.5)).time.tolist() == [3.0, 5.0]


def test_a_window_beside_the_trace_is_empty():
    voltage, time = np.array([[-1.0, 1.0, -1.0, 1.0]]), np.arange(4.0)
    for window in [(10.0, 20.0), (-20.0, -10.0)]:
        assert threshold_crossings(voltage, time, 0.0, window=window).time.size == 0


def test_dtypes():
    found = threshold_crossings([[-1, 1]], [0, 1], 0.0)
    assert [array.dtype for array in found] == [np.int64, np.int32, np.float64]


def test_float32_is_compared_with_the_exact_threshold():
    below = np.float32(-54.9)  # -54.900001525...
    found = threshold_crossings(np.array([[-60.0, below]], np.float32), [0.0, 1.0], -54.9)
    assert found.time.size == 0


def test_columns_of_a_time_major_array():
    voltage = np.random.default_rng(0).normal(size=(100, 3))
    time = np.arange(100.0)
    assert as_rows(threshold_crossings(voltage.T, time, 0.0)) == reference(voltage.T, time, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.0, 0.001, 0.5])
def test_long_traces_have_every_crossing(dtype, rate):
    voltage = np.where(np.random.default_rng(0).random((5, 3000)) < rate, 1.0, -1.0).astype(dtype)
    trial, sample = np.nonzero((voltage[:, :-1] < 0) & (voltage[:, 1:] >= 0))
    found = threshold_crossings(voltage, np.arange(3000.0), 0.0)
    assert np.array_equal(found.trial, trial)
    assert np.array_equal(found.time, sample + 1.0)


@pytest.mark.parametrize("threshold", [1e300, -1e300, np.inf, -np.inf])
def test_thresholds_beyond_float32(threshold):
    voltage, time = np.array([[-np.inf, -3e38, 0.0, 3e38, np.inf]], np.float32), np.arange(5.0)
    found = threshold_crossings(voltage, time, threshold)
    assert as_rows(found) == reference(voltage.astype(float), time, threshold)


def test_threads_find_the_same(monkeypatch):
    voltage, time = np.random.default_rng(1).normal(size=(7, 200)), np.arange(200.0)
    serial = threshold_crossings(voltage, time, 0.0)
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    with ThreadPoolExecutor(4) as pool:  # callers may themselves be threads
        for threaded in pool.map(lambda _: threshold_crossings(voltage, time, 0.0), range(8)):
            assert as_rows(threaded) == as_rows(serial)
    assert as_rows(threshold_crossings(voltage[:0], time, 0.0)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voltage": np.zeros(4)}, r"voltage has shape \(4,\); expected"),
        ({"time": np.arange(3.0)}, r"voltage has shape \(2, 4\), time \(3,\)"),
        ({"time": [0.0, 1.0, 0.5, 2.0]}, r"time\[2\] = 0.5 after time\[1\] = 1.0"),
        ({"time": [0.0, np.nan, 0.5, 2.0]}, r"time\[1\] = nan"),
        ({"threshold": np.nan}, "threshold is NaN"),
        ({"window": (5.0, 1.0)}, r"window is \(5.0, 1.0\)"),
        ({"window": (np.nan, 1.0)}, "t_begin <= t_end"),
        ({"mode": "steep"}, "mode is 'steep'; expected 'regular' or 'slope'"),
    ],
)
def test_errors_say_what_and_where(change, message):
    given_ = {"voltage": np.zeros((2, 4)), "time": np.arange(4.0), "threshold": 0.0} | change
    with pytest.raises(ValueError, match=message):
        threshold_crossings(**given_)


@pytest.fixture(scope="module")
def run(isf_data: Path) -> Path:
    return isf_data / "simrun_2026"


@pytest.fixture(scope="module")
def expected(run: Path) -> dict:
    return json.loads((run / "expected.json").read_text())


def spike_times(run: Path, pattern: str, threshold: float) -> dict[str, list[float]]:
    (path,) = (run / RUN).glob(pattern)
    table = np.loadtxt(path, skiprows=1, delimiter="\t")
    found = threshold_crossings(table[:, 1:].T, table[:, 0], threshold)
    trials = range(table.shape[1] - 1)
    return {f"{RUN}/{trial:06d}": found.time[found.trial == trial].tolist() for trial in trials}


def test_isf_soma_spikes(run, expected):
    assert spike_times(run, "*_vm_all_traces.csv", 0.0) == expected["spike_times_soma_0mV"]


def test_isf_dendritic_spikes(run, expected):
    assert (
        spike_times(run, "*_vm_dend_traces.csv", -30.0)
        == expected["dendritic_spike_times_minus30mV"]["times"]
    )
