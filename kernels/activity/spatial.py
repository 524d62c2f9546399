"""Activations counted by distance from the soma, alone or with time."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bins import BLOCK, checked_edges, even_width, find_bins, tally
from ..checks import distances, event_times
from ..jit import jit, over_rows
from .binning import temporal_counts

_MOST_BINS = 1 << 20  # made by default


def distance_bins(distance: ArrayLike, *, width: float = 50.0) -> NDArray[np.int32]:
    """Number of the bin of each distance: ``floor(distance / width)``.

    Parameters
    ----------
    distance
        Path length to the soma in µm, shape (n,).
    width
        Width of a bin in µm.

    Returns
    -------
    numpy.ndarray
        int32[n]; bin k is ISF's ``binned_somadist`` from ``k * width`` to ``(k + 1) * width``.

    Raises
    ------
    ValueError
        If a distance is negative or not finite, or lies in a bin past 2,147,483,647, or width is not positive.
    """
    path = distances("distance", distance).astype(np.float64, copy=False)
    bins = np.floor(path / _checked_width(width))
    far = np.flatnonzero(bins > np.iinfo(np.int32).max)
    if far.size:
        i = far[0]
        raise ValueError(f"distance[{i}] is {path[i]}: too far for bins of {width}")
    return bins.astype(np.int32)


def spatial_counts(
    distance: ArrayLike,
    edges: ArrayLike,
    *,
    time: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
) -> NDArray[np.int64]:
    """Count activations per distance, bins right-closed and the first one closed on both sides.

    Parameters
    ----------
    distance
        Path length to the soma in µm of each activation, shape (n,).
    edges
        Bin edges in µm, shape (n_bins + 1,), not decreasing.
    time, window
        Times of the activations in ms, shape (n,), and ``(t_min, t_max)``: only those with
        ``t_min <= time <= t_max`` are counted. Both or neither.

    Returns
    -------
    numpy.ndarray
        int64[n_bins].

    Raises
    ------
    ValueError
        If lengths differ, distances are negative or not finite, times are NaN, or edges decrease.

    Notes
    -----
    The ``spatial_binning`` of the In Silico Framework, whose bins are those of ``pandas.cut`` with
    ``include_lowest``: an activation on an inner edge is in the bin below, other than in time.
    """
    path = distances("distance", distance)
    if (time is None) != (window is None):
        raise ValueError("time and window go together; one of them is missing")
    if time is not None and window is not None:
        moment = event_times("time", time, len(path))
        path = path[(moment >= window[0]) & (moment <= window[1])]
    # Mirrored, right-closed bins are NumPy's left-closed ones, and its last bin is the first.
    return temporal_counts(-path.astype(np.float64), -checked_edges(edges)[::-1])[::-1]


def spatiotemporal_counts(
    distance: ArrayLike,
    time: ArrayLike,
    edges: ArrayLike,
    *,
    width: float = 50.0,
    n_distance_bins: int | None = None,
) -> NDArray[np.int64]:
    """Count activations per distance from the soma and time.

    Parameters
    ----------
    distance, time
        Path length to the soma in µm and time in ms of each activation, shape (n,).
    edges
        Edges of the time bins in ms, shape (n_bins + 1,), not decreasing; bins as those of ``numpy.histogram``.
        ISF's default is ``bin_edges(0, 300, 1)``.
    width
        Width in µm of a distance bin; an activation is in bin ``floor(distance / width)``.
    n_distance_bins
        Number of distance bins, those beyond are not counted; by default up to the last one that holds an
        activation, in time or not.

    Returns
    -------
    numpy.ndarray
        int64[n_distance_bins, n_bins].

    Raises
    ------
    ValueError
        If lengths differ, distances are negative or not finite, times are NaN, edges decrease, width is not
        positive, or n_distance_bins is negative.

    Notes
    -----
    The ``spatiotemporal_binning`` of the In Silico Framework; counts of parts of the data are added by
    `padded_sum`.
    """
    path = distances("distance", distance)
    moment = event_times("time", time, len(path))
    borders, step = checked_edges(edges), _checked_width(width)
    if n_distance_bins is None:
        n_distance_bins = _bins_to_the_last(path, step)
    if n_distance_bins < 0:
        raise ValueError(f"n_distance_bins is {n_distance_bins}; expected 0 or more")
    if n_distance_bins == 0 or len(borders) == 1:
        return np.zeros((n_distance_bins, len(borders) - 1), np.int64)
    kernel = partial(_count, path, moment, borders, even_width(borders), step, n_distance_bins)
    return np.sum(over_rows(kernel, len(path), len(path)), axis=0)  # type: ignore[no-any-return]


def padded_sum(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Add arrays of one number of dimensions, the smaller ones as if filled up with zeros at their ends.

    Parameters
    ----------
    parts
        The arrays to add, of any shapes.

    Raises
    ------
    ValueError
        If there are no parts, or their dimensions are not of one number.
    """
    if not parts or len({part.ndim for part in parts}) > 1:
        raise ValueError(
            f"parts have shapes {[part.shape for part in parts]}; expected one number of dimensions"
        )
    shape = np.max([part.shape for part in parts], axis=0)
    total = np.zeros(shape, np.result_type(*parts))
    for part in parts:
        total[tuple(map(slice, part.shape))] += part
    return total


def _bins_to_the_last(distance: NDArray[Any], width: float) -> int:
    if not distance.size:
        return 0
    bins = np.floor(float(distance.max()) / width) + 1
    if bins > _MOST_BINS:
        i = int(distance.argmax())
        raise ValueError(f"distance[{i}] is {distance[i]}, {bins:,.0f} bins of {width}; give n_distance_bins")
    return int(bins)


def _checked_width(width: float) -> float:
    if not 0 < width < np.inf:
        raise ValueError(f"width is {width}; expected a positive number")
    return float(width)


@jit
def _count(
    distance: NDArray[Any],
    time: NDArray[Any],
    edges: NDArray[np.float64],
    even_width: float,
    distance_width: float,
    n_distance_bins: int,
    begin: int,
    end: int,
) -> NDArray[np.int64]:
    counts = np.zeros((n_distance_bins, len(edges) - 1), np.int64)
    flat, n_bins = counts.reshape(-1), counts.shape[1]
    bins, position = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int64)
    for start in range(begin, end, BLOCK):
        n = min(BLOCK, end - start)
        find_bins(time[start : start + n], edges, even_width, bins)
        path = distance[start : start + n]
        for i in range(n):
            away = np.floor(np.float64(path[i]) / distance_width)
            inside = (bins[i] >= 0) & (away < n_distance_bins)
            position[i] = np.int64(away if inside else 0.0) * n_bins + bins[i] if inside else -1
        tally(flat, position[:n], 1 << 62)
    return counts
