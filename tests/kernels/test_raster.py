"""The rasteriser against one that asks of each pixel whether a line passes through it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurolake.kernels import jit
from neurolake.kernels.traces.raster import trace_raster

V_MIN, V_MAX = -80.0, 40.0
LEVELS = st.floats(-100, 60, width=32) | st.sampled_from([V_MIN, V_MAX, -20.0, np.nan])


def line_at(trace, time, t):
    """Voltage of the line at a time, NaN where there is none."""
    if not time[0] <= t <= time[-1]:
        return np.nan
    i = next(i for i in range(len(time)) if time[i] >= t)
    if time[i] == t:
        return trace[i]
    return trace[i - 1] + (t - time[i - 1]) / (time[i] - time[i - 1]) * (trace[i] - trace[i - 1])


def reference(voltage, time, width, height, window):
    image = np.zeros((height, width), int)
    edges = np.linspace(*window, width + 1)
    for trace in voltage.astype(np.float64):
        for column in range(width):
            left, right = edges[column], edges[column + 1]
            inside = [v for v, t in zip(trace, time, strict=True) if left <= t < right]
            seen = [
                v
                for v in (line_at(trace, time, left), *inside, line_at(trace, time, right))
                if not np.isnan(v)
            ]
            if not seen or max(seen) < V_MIN or min(seen) > V_MAX:
                continue
            for pixel in range(height):
                depths = [np.floor((V_MAX - v) * (height / (V_MAX - V_MIN))) for v in (max(seen), min(seen))]
                top, bottom = np.clip(depths, 0, height - 1)
                image[pixel, column] += top <= pixel <= bottom
    return image


@st.composite
def drawings(draw):
    n_time = draw(st.integers(1, 12))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    voltage = draw(arrays(dtype, (draw(st.integers(0, 3)), n_time), elements=LEVELS))
    steps = draw(arrays(np.float64, n_time, elements=st.sampled_from([0.25, 0.5, 1.0])))
    time = np.cumsum(steps) - steps[0]
    window = draw(st.sampled_from([None, (0.3, 2.5), (-1.0, 0.6), (0.0, 20.0), (50.0, 60.0)]))
    return voltage, time, draw(st.integers(1, 6)), draw(st.integers(1, 7)), window


@settings(deadline=None)  # the first example compiles
@given(drawings())
def test_every_pixel_is_the_references(case):
    voltage, time, width, height, window = case
    size = {"width": width, "height": height, "v_min": V_MIN, "v_max": V_MAX}
    found = trace_raster(voltage, time, window=window, **size)
    assert found.dtype == np.uint32
    assert found.tolist() == reference(voltage, time, width, height, window or (time[0], time[-1])).tolist()
    if len(voltage):
        image = trace_raster(voltage[:1], time, window=window, **size)
        assert trace_raster(voltage[1:], time, window=window, out=image, **size) is image
        assert np.array_equal(image, found)


def test_a_steep_line_leaves_no_hole():
    image = trace_raster([[-79.0, 39.0]], [0.0, 1.0], width=3, height=60, v_min=V_MIN, v_max=V_MAX)
    assert (image.sum(axis=0) >= 20).all()
    assert (image.sum(axis=1) >= 1).all()


def test_threads_draw_the_same(monkeypatch):
    voltage, time = (
        np.random.default_rng(0).normal(-40, 30, (20, 900)).astype(np.float32),
        np.arange(900) * 0.025,
    )
    size = {"width": 111, "height": 40, "v_min": V_MIN, "v_max": V_MAX}
    serial = trace_raster(voltage, time, **size)
    monkeypatch.setattr(jit, "SERIAL_SIZE", 0)
    assert np.array_equal(trace_raster(voltage, time, **size), serial)


GOOD = {
    "voltage": np.zeros((1, 3)),
    "time": np.arange(3.0),
    "width": 2,
    "height": 2,
    "v_min": -1.0,
    "v_max": 1.0,
}
BAD = [
    ({"voltage": np.zeros((1, 4))}, r"voltage has shape \(1, 4\), time \(3,\)"),
    ({"voltage": np.zeros(3)}, r"voltage has shape \(3,\)"),
    ({"time": [0.0, np.nan, 1.0]}, r"time\[1\] = nan"),
    ({"width": 0}, "image of 0 x 2 pixels"),
    ({"v_max": -1.0}, "image from -1.0 to -1.0 mV"),
    ({"window": (1.0, 1.0)}, r"window is \(1.0, 1.0\); expected finite t_min < t_max"),
    ({"window": (np.nan, 1.0)}, "expected finite t_min < t_max"),
    ({"out": np.zeros((2, 2))}, r"out is float64\[2, 2\]; expected uint32\[2, 2\]"),
    ({"out": np.zeros((2, 3), np.uint32)}, r"out is uint32\[2, 3\]"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message for _, message in BAD])
def test_errors_say_what_and_where(change, message):
    with pytest.raises(ValueError, match=message):
        trace_raster(**GOOD | change)
