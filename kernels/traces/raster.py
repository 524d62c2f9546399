"""Traces drawn into an image of counts: how many traces pass through each pixel."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import rising, traces
from ..jit import jit, over_rows


def trace_raster(
    voltage: ArrayLike,
    time: ArrayLike,
    *,
    width: int,
    height: int,
    v_min: float,
    v_max: float,
    window: tuple[float, float] | None = None,
    out: NDArray[np.uint32] | None = None,
) -> NDArray[np.uint32]:
    """Draw traces as lines from sample to sample, and count them in each pixel.

    Within a column of pixels a trace takes all voltages between the least and the greatest of its line there, the
    ends of the column included; it counts once in each pixel that they touch. Lines beside the image are cut off.
    No line is drawn to or from a sample that is NaN; such a sample between others leaves a gap.

    Parameters
    ----------
    voltage
        Voltages in mV, shape (n_trials, n_time), float32 or float64.
    time
        Times of the samples in ms, shape (n_time,), not decreasing.
    width, height
        Size of the image in pixels.
    v_min, v_max
        Voltages in mV at the lower edge and at the upper edge of the image; both belong to it.
    window
        ``(t_min, t_max)`` in ms, the times of the left edge and the right edge; those of the first sample and the
        last one by default.
    out
        Image to add to, uint32[height, width]: pass it from block to block of trials.

    Returns
    -------
    numpy.ndarray
        uint32[height, width], row 0 at the top; *out* itself if it was given.

    Raises
    ------
    ValueError
        If shapes do not match, times decrease, or the image or its bounds make no sense.
    """
    rows, samples = traces("voltage", voltage), rising("time", time)
    if rows.shape[1] != len(samples):
        raise ValueError(f"voltage has shape {rows.shape}, time {samples.shape}; expected (n_trials, n_time)")
    image = _image(width, height, v_min, v_max, out)
    if rows.size:
        edges = _column_edges(samples, window, width)
        first = np.searchsorted(samples, edges)
        share = _shares(samples, edges, first)
        kernel = partial(_draw, rows, first, share, float(v_min), float(v_max), image)
        over_rows(kernel, width, rows.size)
    return image


def _image(
    width: int, height: int, v_min: float, v_max: float, out: NDArray[np.uint32] | None
) -> NDArray[np.uint32]:
    if width < 1 or height < 1:
        raise ValueError(f"image of {width} x {height} pixels; expected at least one")
    if not (np.isfinite([v_min, v_max]).all() and v_min < v_max):
        raise ValueError(f"image from {v_min} to {v_max} mV; expected finite v_min < v_max")
    if out is None:
        return np.zeros((height, width), np.uint32)
    if out.dtype != np.uint32 or out.shape != (height, width):
        raise ValueError(f"out is {out.dtype}{list(out.shape)}; expected uint32[{height}, {width}]")
    return out


def _column_edges(
    time: NDArray[np.float64], window: tuple[float, float] | None, width: int
) -> NDArray[np.float64]:
    t_min, t_max = (time[0], time[-1]) if window is None else window
    if not (np.isfinite([t_min, t_max]).all() and t_min <= t_max and (window is None or t_min < t_max)):
        raise ValueError(f"window is ({t_min}, {t_max}); expected finite t_min < t_max")
    return np.linspace(t_min, t_max, width + 1)


def _shares(
    time: NDArray[np.float64], edges: NDArray[np.float64], first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How far each edge is from the sample before it to *first*, the one at it or after it; NaN beside the trace."""
    inside = (edges >= time[0]) & (edges <= time[-1])
    after = np.minimum(first, len(time) - 1)
    before = np.maximum(after - 1, 0)
    apart = time[after] - time[before]
    share = np.divide(edges - time[before], apart, out=np.ones_like(edges), where=apart > 0)
    return np.where(inside, share, np.nan)


@jit
def _at_edge(trace: NDArray[Any], first: int, share: float) -> float:
    """Voltage of the line at an edge of a column; NaN if there is none."""
    if np.isnan(share):
        return np.nan
    after = np.float64(trace[first])
    if share == 1.0:
        return after
    before = np.float64(trace[first - 1])
    return before + share * (after - before)


@jit
def _draw(
    voltage: NDArray[Any],
    first: NDArray[np.int64],
    share: NDArray[np.float64],
    v_min: float,
    v_max: float,
    image: NDArray[np.uint32],
    begin: int,
    end: int,
) -> None:
    """Columns [begin, end): spans are marked at their two ends, and summed down each column at last."""
    height = image.shape[0]
    scale = height / (v_max - v_min)
    change = np.zeros((end - begin, height + 1), np.int64)
    for row in range(len(voltage)):
        trace = voltage[row]
        left = _at_edge(trace, first[begin], share[begin])
        for column in range(begin, end):
            right = _at_edge(trace, first[column + 1], share[column + 1])
            low, high = _span(trace[first[column] : first[column + 1]], left, right)
            if high >= v_min and low <= v_max:
                change[column - begin, _pixel(high, v_max, scale, height)] += 1
                change[column - begin, _pixel(low, v_max, scale, height) + 1] -= 1
            left = right
    for column in range(begin, end):
        depth = 0
        for pixel in range(height):
            depth += change[column - begin, pixel]
            image[pixel, column] += np.uint32(depth)


@jit
def _span(samples: NDArray[Any], left: float, right: float) -> tuple[float, float]:
    """Least and greatest of what is not NaN; the other way round if there is nothing."""
    low, high = np.inf, -np.inf
    low = min(low, left)
    high = max(high, left)
    low = min(low, right)
    high = max(high, right)
    for i in range(len(samples)):
        value = np.float64(samples[i])
        low = min(low, value)
        high = max(high, value)
    return low, high


@jit
def _pixel(value: float, v_max: float, scale: float, height: int) -> int:
    return int(min(max(np.floor((v_max - value) * scale), 0.0), height - 1.0))
