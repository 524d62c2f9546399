"""What figures show, read from a snapshot: curves of groups, bars, images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalog.traces import Recording
from ...kernels.traces.raster import trace_raster
from ...kernels.traces.voltages import Moments
from ...lake.errors import InputError
from ..base import Snapshot
from ..models.lda import LdaModel
from ..models.stored import Model
from ..trials.activations import activation_totals, bin_activations
from ..trials.requirements import last_time
from ..trials.spikes import psth, spike_counts
from ..trials.trains import EVERYTHING, grouped, input_errors
from ..trials.voltages import blocks, drawn, moments, recording, voltage_density

Floats = npt.NDArray[np.float64]
Limits = tuple[float, float]
ACTIVATIONS = "Activations per trial and ms"
_AT_ONCE = 4_000  # rows between two pauses
_SAMPLE = 200  # rows that limits are guessed from


@dataclass(frozen=True, eq=False)
class Curves:
    """A curve for each group.

    Attributes
    ----------
    labels
        Names of the groups.
    x
        Where values stand, shape (n,), or edges of bins, (n + 1,).
    values, spread
        Shape (n_groups, n).
    unit
        What the values are.
    """

    labels: tuple[str, ...]
    x: Floats
    values: Floats
    spread: Floats
    unit: str = ""


def expression(by: Sequence[str]) -> str | None:
    """Return what groups trials, as one expression of SQL; None for one group.

    Parameters
    ----------
    by
        Columns of ``trials``, or SQL over them.
    """
    return by[0] if len(by) == 1 else f"concat_ws('__', {', '.join(by)})" if by else None


def spike_histograms(
    snapshot: Snapshot, *, by: Sequence[str], trials: str, window: Limits | None, width: float
) -> Curves:
    """Compute the firing rate of each group of trials in Hz.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        Columns of ``trials``, or SQL over them, that group trials.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms; None for all times.
    width
        Width of a bin in ms.
    """
    edges = whole_bins(snapshot, window, width)
    found = psth(snapshot, expression(by), edges=edges, kind="rate", trials=trials)
    return _curves(found, found.values, "Firing rate (Hz)")


def activation_histograms(
    snapshot: Snapshot, *, by: Sequence[str], trials: str, window: Limits | None, width: float
) -> Curves:
    """Compute activations of each group of synapses per trial and ms.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        What groups synapses; see `neurolake.query.trials.activations.keys`.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms; None for all times.
    width
        Width of a bin in ms.
    """
    edges = whole_bins(snapshot, window, width)
    ids, _, _ = grouped(snapshot, trials, None)
    labels, counts = activation_totals(
        snapshot, by or "EI", begin=edges[0], width=width, bins=len(edges) - 1, trials=trials
    )
    values = counts / len(ids) / np.diff(edges)
    return Curves(tuple(labels), edges, values, np.zeros_like(values), ACTIVATIONS)


def _curves(found: xr.DataArray, values: Floats, unit: str) -> Curves:
    edges = np.append(found["time"].values, found["time_end"].values[-1:])
    return Curves(tuple(found["group"].values.tolist()), edges, values, np.zeros_like(values), unit)


def spike_bars(snapshot: Snapshot, *, by: Sequence[str], trials: str, window: Limits | None) -> Curves:
    """Compute mean and standard error over trials of the spikes of each group of trials.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        Columns of ``trials``, or SQL over them, that group trials.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms; None for all times.
    """
    found = spike_counts(snapshot, window or (-np.inf, np.inf), by=expression(by), trials=trials)
    names = found["group"].values if by else np.full(found.size, EVERYTHING, object)
    labels = grouped(snapshot, trials, expression(by))[1]
    return _bars(labels, [found.values[names == label] for label in labels], "Spikes per trial")


def activation_bars(snapshot: Snapshot, *, by: Sequence[str], trials: str, window: Limits | None) -> Curves:
    """Compute mean and standard error over trials of the activations of each group of synapses.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        What groups synapses; see `neurolake.query.trials.activations.keys`.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms; None for all times.
    """
    edges = window or (0.0, last_time(snapshot))
    counts = bin_activations(snapshot, by or "EI", edges=edges, trials=trials, dtype=np.uint32)
    labels = tuple(counts["group"].values.tolist())
    return _bars(labels, list(counts.values[:, :, 0]), "Activations per trial")


def _bars(labels: tuple[str, ...], samples: Sequence[npt.NDArray[np.integer]], unit: str) -> Curves:
    means = np.array([[part.mean()] for part in samples])
    errors = [part.std(ddof=1) / np.sqrt(len(part)) if len(part) > 1 else np.nan for part in samples]
    return Curves(labels, np.zeros(1), means, np.array(errors)[:, None], unit)


def whole_bins(snapshot: Snapshot, window: Limits | None, width: float) -> Floats:
    """Return the edges of as many bins as a window holds, at least one: a bin that the window cuts would show too low a rate.

    Parameters
    ----------
    snapshot
        The commit to read.
    window
        ``(begin, end)`` in ms; None for 0 to the end of the longest trial.
    width
        Width of a bin in ms.

    Raises
    ------
    InputError
        The width is not positive.
    """
    begin, end = window or (0.0, last_time(snapshot))
    if not width > 0:
        raise InputError(f"bins of {width} ms; expected a width above 0")
    bins = max(1, int((end - begin) / width + 1e-9))
    return begin + width * np.arange(bins + 1, dtype=np.float64)


def voltage_means(
    snapshot: Snapshot,
    site: str,
    *,
    by: Sequence[str],
    trials: str,
    window: Limits | None,
    most: int | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Curves:
    """Compute mean and SD over the trials of each group that have a trace, in mV.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        Recording site.
    by
        Columns of ``trials``, or SQL over them, that group trials.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms; None for all times.
    most
        How many traces of a group at most, evenly chosen; None for all.
    pause
        Called from time to time; may raise an error to end it.

    Raises
    ------
    InputError
        No trial that meets the condition has a trace, or the window holds fewer than two samples.
    """
    source = recording(snapshot, site)
    ids, labels, group = grouped(snapshot, trials, expression(by))
    row, part = source.rows(ids), span(source, window)
    kept = [k for k in range(len(labels)) if (row[group == k] >= 0).any()]
    if not kept:
        raise InputError(f"no trial that meets {trials!r} has a trace in {source.array.path}")
    rows = [np.sort(row[(group == k) & (row >= 0)]) for k in kept]
    found = [
        _moments(source, some[:: -(-len(some) // (most or len(some)))], part, pause).finish() for some in rows
    ]
    mean, sd = (np.stack(list(arrays)) for arrays in zip(*((f.mean, f.sd) for f in found), strict=True))
    return Curves(tuple(labels[k] for k in kept), source.times[part], mean, sd, "mV")


def _moments(
    source: Recording, rows: npt.NDArray[np.int64], part: slice, pause: Callable[[], None]
) -> Moments:
    found = Moments.empty(part.stop - part.start)
    for first in range(0, len(rows), _AT_ONCE):
        pause()
        found.merge(moments(source, rows[first : first + _AT_ONCE], part))
    return found


def span(source: Recording, window: Limits | None) -> slice:
    """Return the samples in a window, at least two.

    Parameters
    ----------
    source
        The recording.
    window
        ``(begin, end)`` in ms; None for all times.

    Raises
    ------
    InputError
        There are fewer.
    """
    if window is None:
        return slice(0, len(source.times))
    start, stop = source.span(*window)
    if stop - start < 2:
        raise InputError(
            f"{source.array.path} has {stop - start} samples from {window[0]:g} to {window[1]:g} ms; it goes from "
            f"{source.times[0]:g} to {source.times[-1]:g} ms"
        )
    return slice(start, stop)


def trace_image(
    source: Recording,
    rows: npt.NDArray[np.int64],
    *,
    width: int,
    height: int,
    window: Limits,
    voltage: Limits | None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[npt.NDArray[np.uint32], Limits]:
    """Count traces by pixels, uint32[height, width], and return the voltages at the lower and upper edge in mV, too.

    Voltages are first guessed from some traces, so that one pass over all is mostly enough.

    Parameters
    ----------
    source
        The recording.
    rows
        Rows of the traces to draw, int64[n].
    width, height
        Size of the image in pixels.
    window
        ``(begin, end)`` in ms.
    voltage
        Lowest and highest voltage in mV; by default tens of mV around all samples.
    pause
        Called from time to time; may raise an error to end it.
    """
    part, lines = span(source, window), drawn(source, window)
    if voltage is None:
        few = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64))]
        guess = _tens(_extremes(np.concatenate([values.copy() for _, values in blocks(source, few, part)])))
    while True:
        limits = voltage or guess
        image, seen = np.zeros((height, width), np.uint32), limits
        for _, values in blocks(source, rows, lines):
            pause()
            with input_errors():
                trace_raster(
                    values,
                    source.times[lines],
                    width=width,
                    height=height,
                    v_min=limits[0],
                    v_max=limits[1],
                    window=window,
                    out=image,
                )
            low, high = _extremes(values[:, part.start - lines.start : part.stop - lines.start])
            seen = min(low, seen[0]), max(high, seen[1])
        if voltage or seen == limits:
            return image, limits
        guess = _tens(seen)


def _extremes(values: npt.NDArray[np.floating]) -> Limits:
    # Unlike nanmin, these copy nothing.
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    if not np.isfinite([low, high]).all():
        raise InputError(f"voltages go from {low} to {high}; say which to draw")
    return float(low), float(high)


def _tens(limits: Limits) -> Limits:
    low, high = np.floor(limits[0] / 10) * 10, np.ceil(limits[1] / 10) * 10
    return float(low), float(max(high, low + 10))


def pooled_density(
    snapshot: Snapshot, site: str, *, trials: str, window: Limits, voltage: Limits | None, columns: int
) -> tuple[Floats, Limits]:
    """Compute the density of the voltage in even parts of a window, ``[time, voltage]`` in 1/mV, and the voltages it spans.

    Columns without samples are NaN.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        Recording site.
    trials
        Condition on ``trials`` in SQL.
    window
        ``(begin, end)`` in ms.
    voltage
        Lowest and highest voltage in mV; by default from the first to the last that occurs.
    columns
        Number of parts of the window.

    Raises
    ------
    InputError
        No sample lies in the range of voltages.
    """
    low, high = voltage or (-120.0, 80.0)
    # Of the last column, both ends belong to it.
    times = (window[0], float(np.nextafter(window[1], np.inf)))
    found = voltage_density(snapshot, site, trials=trials, v_min=low, v_max=high, width=1.0, window=times)
    edges = np.linspace(*window, columns + 1)
    column = np.digitize(found["time"].values, edges) - 1
    column[found["time"].values == edges[-1]] = columns - 1
    pooled = np.full((columns, found.shape[1]), np.nan)
    for k in np.unique(column[(column >= 0) & (column < columns)]):
        pooled[k] = found.values[column == k].mean(axis=0)
    if voltage is not None:
        return pooled, voltage
    seen = np.flatnonzero(np.nan_to_num(pooled).any(axis=0))
    if not len(seen):
        raise InputError(f"no sample lies between {low} and {high} mV; say which voltages to draw")
    return pooled[:, seen[0] : seen[-1] + 1], (low + seen[0], low + seen[-1] + 1)


@dataclass(frozen=True, eq=False)
class KernelWeights:
    """Kernels of a model along one axis.

    Parameters
    ----------
    name
        Text of the axis.
    x
        Places along the axis, float64[n].
    values
        Weights, float64[n_groups, repetitions, n].
    """

    name: str
    x: Floats
    values: Floats


def model_weights(model: Model) -> list[KernelWeights]:
    """Return the kernels of a model over time, and over space if the model has these.

    Parameters
    ----------
    model
        A reduced model.
    """
    if isinstance(model, LdaModel):
        first, last = model.window
        before = np.arange(first - last, 0, dtype=float)
        return [
            KernelWeights("Time before the end of the window (ms)", before, np.moveaxis(model.kernels, 0, 1))
        ]
    before = np.arange(-model.width, 0, dtype=float)
    bins = np.arange(model.bins, dtype=float)
    return [
        KernelWeights("Soma distance (bin)", bins, model.spatial_kernels[:, None]),
        KernelWeights("Time before the end of the window (ms)", before, model.temporal_kernels[:, None]),
    ]
