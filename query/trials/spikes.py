"""Questions about spikes: histograms, counts, intervals, bursts and rates of chosen trials, with labels and units.

All take ``trials``, a condition on the table ``trials``, ``spikes``, one on the table of spikes, both in SQL, and
*table*, the one that holds the spikes; see `neurolake.query.trials.trains.trains` for these and what it raises.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ...kernels.activity.binning import bin_edges, temporal_counts_by
from ...kernels.checks import rising
from ...kernels.trains import bursts, rates, trains
from ...kernels.trains.features import network_features
from ..base import Snapshot
from ..derive.kernels import kernel
from .requirements import last_time
from .trains import SPIKES, Trains, input_errors, reads_trains
from .trains import trains as read_trains
from .voltages import blocks, reads_recordings, recording

Kind = Literal["count", "per_trial", "rate"]
_UNITS = {"count": ("1", "spikes"), "per_trial": ("1", "spikes per trial"), "rate": ("Hz", "firing rate")}


@kernel(version="1", whole=True, reads=reads_trains)
def psth(
    snapshot: Snapshot,
    by: str | None = "stimulus",
    *,
    edges: npt.ArrayLike | None = None,
    width: float = 1.0,
    t_min: float = 0.0,
    t_max: float | None = None,
    kind: Kind = "per_trial",
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> xr.DataArray:
    """Peri-stimulus time histogram of each group of trials.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        What groups trials: a column of ``trials``, or SQL over them; None for all trials together.
    edges
        Bin edges in ms, not decreasing; or *width*, *t_min* and *t_max* for even ones. By default bins of 1 ms from
        0 to the end of the longest trial.
    width
        Width of even bins in ms.
    t_min
        Begin of the first of them in ms.
    t_max
        End of the last of them in ms; the end of the longest trial by default.
    kind
        ``count`` (spikes), ``per_trial`` (spikes per trial of the group), or ``rate`` (of a trial, in Hz).
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Returns
    -------
    xarray.DataArray
        ``[group, time]``, the time being where a bin begins in ms; coordinate ``n_trials`` counts the trials of
        each group, those without spikes included. Bins are those of ``numpy.histogram``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`; edges make no sense, or the kind is unknown.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, by=by, table=table)
    with input_errors():
        borders = _edges(snapshot, edges, width, t_min, t_max)
        values = _histogram(found, borders, kind)
    units, name = _UNITS[kind]
    coords = {
        "group": ("group", np.array(found.labels, object), {"long_name": by or "all trials"}),
        "n_trials": ("group", found.sizes),
        "time": ("time", borders[:-1], {"units": "ms", "long_name": "begin of the bin"}),
        "time_end": ("time", borders[1:], {"units": "ms", "long_name": "end of the bin"}),
    }
    return xr.DataArray(values, coords, ("group", "time"), "psth", {"units": units, "long_name": name})


def _edges(
    snapshot: Snapshot, edges: npt.ArrayLike | None, width: float, t_min: float, t_max: float | None
) -> npt.NDArray[np.float64]:
    if edges is not None:
        return rising("edges", edges)
    return bin_edges(t_min, last_time(snapshot) if t_max is None else t_max, width)


def _histogram(found: Trains, edges: npt.NDArray[np.float64], kind: Kind) -> npt.NDArray[Any]:
    if kind not in _UNITS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(_UNITS)}")
    counts = temporal_counts_by(found.time, found.group[found.trial], len(found.labels), edges)
    if kind == "count":
        return counts
    per_trial = counts / found.sizes[:, None]
    if kind == "per_trial":
        return per_trial
    widths = np.diff(edges)
    if not widths.all():
        raise ValueError("a rate needs bins with a width; some edges are equal")
    return per_trial * (1000 / widths)


@kernel(version="1", whole=True, reads=reads_trains)
def spike_counts(
    snapshot: Snapshot,
    window: Sequence[float] = (-np.inf, np.inf),
    *,
    by: str | None = None,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> xr.DataArray:
    """Count the spikes of each trial at ``begin <= time < end``, int64 ``[trial]``; *by* adds a coordinate ``group``.

    Parameters
    ----------
    snapshot
        The commit to read.
    window
        ``(begin, end)`` in ms; all times by default.
    by
        Column of ``trials``, or SQL over them, that groups trials; by default all are one group. Trials where
        it is null are left out.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`; the window makes no sense.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, by=by, table=table)
    with input_errors():
        counts = trains.spike_counts(found.trial, found.time, _pair(window), n_trials=len(found.trials))
    attrs = {"units": "1", "long_name": "spikes", **_window_attrs(window)}
    return xr.DataArray(counts, found.coordinates(), ("trial",), "spike_counts", attrs)


@kernel(version="1", whole=True, reads=reads_trains)
def spikes_in(
    snapshot: Snapshot,
    begin: float,
    end: float,
    *,
    by: str | None = None,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> xr.DataArray:
    """Tell whether each trial has a spike at ``begin <= time < end``, bool ``[trial]``; ISF's ``spike_in_interval``.

    Parameters
    ----------
    snapshot
        The commit to read.
    begin, end
        Window in ms.
    by
        Column of ``trials``, or SQL over them, that groups trials; by default all are one group. Trials where
        it is null are left out.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `spike_counts`.
    """
    counts = spike_counts(snapshot, (begin, end), by=by, trials=trials, spikes=spikes, table=table)
    return (counts > 0).rename("spikes_in").assign_attrs(long_name="has a spike", units="")


@kernel(version="1", whole=True, reads=reads_trains)
def interspike_intervals(
    snapshot: Snapshot, *, trials: str = "true", spikes: str = "true", table: str = SPIKES
) -> pd.DataFrame:
    """Time since the spike before, a row for each spike: ``trial_id``, ``time``, ``interval``, times in ms.

    The interval of the first spike of a trial is NaN. Spikes that *spikes* leaves out do not count: intervals
    are between the spikes that are left.

    Parameters
    ----------
    snapshot
        The commit to read.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, table=table)
    with input_errors():
        intervals = trains.interspike_intervals(found.trial, found.time)
    columns = {"trial_id": found.trials[found.trial], "time": found.time, "interval": intervals}
    return _frame(columns, {"time": "ms", "interval": "ms"})


@kernel(version="1", whole=True, reads=reads_trains)
def burst_events(
    snapshot: Snapshot,
    longest: Sequence[float] = (10.0, 30.0),
    *,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> pd.DataFrame:
    """Find singlets, doublets, triplets and so on; see `neurolake.kernels.trains.bursts.burst_events`.

    Parameters
    ----------
    snapshot
        The commit to read.
    longest
        Longest duration of a doublet, triplet and so on in ms, from its first spike to its last.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Returns
    -------
    pandas.DataFrame
        A row for each event: ``trial_id``; ``time`` of its first spike in ms; ``n_spikes``; and ``interval_1``,
        ``interval_2`` … from the first spike to the next ones in ms, NaN where it has none.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`; a length is negative or NaN.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, table=table)
    with input_errors():
        events = bursts.burst_events(found.trial, found.time, longest=tuple(longest))
    later = {f"interval_{n + 1}": column for n, column in enumerate(events.intervals.T)}
    columns = {
        "trial_id": found.trials[events.trial],
        "time": events.time,
        "n_spikes": events.event_class + 1,
        **later,
    }
    return _frame(columns, dict.fromkeys(("time", *later), "ms"))


def _reads_both(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys([*reads_recordings(snapshot, given), *reads_trains(snapshot, given)])]


@kernel(version="1", whole=True, reads=_reads_both)
def voltage_bursts(
    snapshot: Snapshot,
    site: str,
    *,
    cutoff: float = -55.0,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> pd.DataFrame:
    """Find bursts during which a dendrite stays depolarised; see `neurolake.kernels.trains.bursts.voltage_bursts`.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        Recording site at the dendrite. Trials without a trace there have no bursts.
    cutoff
        The voltage in mV that it does not fall below within a burst.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Returns
    -------
    pandas.DataFrame
        A row for each burst: ``trial_id``, ``first`` and ``last`` spike in ms, ``n_spikes``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains` and `recording`; the cutoff is NaN.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, table=table)
    source = recording(snapshot, site)
    row = source.rows(found.trials)[found.trial]
    order = np.argsort(row, kind="stable")
    row, time = row[order], found.time[order]
    parts = [_no_bursts()]
    for part, values in blocks(source, np.unique(row[row >= 0])):
        ours = np.isin(row, part)
        with input_errors():
            seen = bursts.voltage_bursts(
                np.searchsorted(part, row[ours]), time[ours], values, source.times, cutoff=cutoff
            )
        parts.append(bursts.Bursts(source.trials[part][seen.trial], *seen[1:]))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = dict(zip(("trial_id", "first", "last", "n_spikes"), joined, strict=True))
    frame = _frame(columns, {"first": "ms", "last": "ms"})
    return frame.sort_values(["trial_id", "first"], ignore_index=True)


def _no_bursts() -> bursts.Bursts:
    whole, real = np.empty(0, np.int64), np.empty(0)
    return bursts.Bursts(whole, real, real, whole)


@kernel(version="1", name="ongoing_and_evoked_rates", whole=True, reads=reads_trains)
def spike_rates(
    snapshot: Snapshot,
    *,
    ongoing: Sequence[float],
    evoked: Sequence[float],
    by: str | None = None,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> xr.Dataset:
    """Rate of each trial before a stimulus and after it, ``ongoing`` and ``evoked`` over ``trial``, in Hz.

    Parameters
    ----------
    snapshot
        The commit to read.
    ongoing, evoked
        Windows ``(begin, end)`` in ms: spikes at ``begin <= time < end``.
    by
        Adds a coordinate ``group``: ``.groupby("group").mean()`` follows.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`; a window has no length.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, by=by, table=table)
    n = len(found.trials)
    with input_errors():
        both = trains.ongoing_and_evoked_rates(
            found.trial, found.time, ongoing=_pair(ongoing), evoked=_pair(evoked), n_trials=n
        )
    windows = {"ongoing": ongoing, "evoked": evoked}
    data = {
        name: ("trial", values, {"units": "Hz", **_window_attrs(windows[name])})
        for name, values in both._asdict().items()
    }
    return xr.Dataset(data, found.coordinates())


@kernel(version="1", whole=True, reads=reads_trains)
def firing_rates(
    snapshot: Snapshot,
    *,
    at: npt.ArrayLike | None = None,
    alpha: float = 4.77,
    beta: float | None = None,
    by: str | None = None,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> xr.DataArray:
    """Firing rate of each trial as a function of time by BAKS, ``[trial, time]`` in Hz.

    Parameters
    ----------
    snapshot
        The commit to read.
    at
        Times in ms, not decreasing; every ms from 0 to the end of the longest trial by default.
    alpha, beta
        See `neurolake.kernels.trains.rates.bayesian_rates`.
    by
        Column of ``trials``, or SQL over them: adds a coordinate ``group``. Trials where it is null are left
        out.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `trains`; times, alpha or beta make no sense.
    """
    found = read_trains(snapshot, trials=trials, spikes=spikes, by=by, table=table)
    with input_errors():
        times = np.arange(0.0, last_time(snapshot)) if at is None else rising("at", at)
        values = rates.bayesian_rates(
            found.trial, found.time, times, n_units=len(found.trials), alpha=alpha, beta=beta
        )
    coords = {**found.coordinates(), "time": ("time", times, {"units": "ms", "long_name": "time"})}
    attrs = {"units": "Hz", "long_name": "firing rate (BAKS)"}
    return xr.DataArray(values, coords, ("trial", "time"), "firing_rates", attrs)


@kernel(version="1", whole=True, reads=reads_trains)
def rate_features(
    snapshot: Snapshot,
    *,
    by: str | None = None,
    bin_width: float = 2.0,
    threshold: float = 0.01,
    trials: str = "true",
    spikes: str = "true",
    table: str = SPIKES,
) -> pd.DataFrame:
    """Features of each group's rates by BAKS, trials in place of units.

    Parameters
    ----------
    snapshot
        The commit to read.
    by
        Column of ``trials``, or SQL over them, that groups trials; by default all are one group. Trials where
        it is null are left out.
    bin_width
        Width of the time bins in ms.
    threshold
        Rate above which a trial is active in a bin, in Hz.
    trials
        Condition on ``trials`` in SQL, such as ``"stimulus = 'C2'"``; all trials by default.
    spikes
        Condition on *table* in SQL, such as ``"time >= 245"``; all spikes by default.
    table
        Table with columns ``trial_id`` and ``time`` (ms): ``spike_times`` or ``dendritic_spike_times``.

    Returns
    -------
    pandas.DataFrame
        A row for each ``group``, with the columns of `neurolake.kernels.trains.features.NetworkFeatures`.

    Raises
    ------
    NotFoundError, QueryError, InputError
        As `firing_rates`; the width is not positive.
    """
    found = firing_rates(snapshot, by=by, trials=trials, spikes=spikes, table=table)
    group = found["group"].values if by is not None else np.full(found.sizes["trial"], "all", object)
    with input_errors():
        rows = [
            network_features(
                found.values[group == one], found["time"], bin_width=bin_width, threshold=threshold
            )
            for one in pd.unique(group)
        ]
    frame = pd.DataFrame([row._asdict() for row in rows])
    frame.insert(0, "group", pd.unique(group))
    frame.attrs["units"] = {"firing_rate": "Hz"}
    return frame


def _pair(window: Sequence[float]) -> tuple[float, float]:
    if len(window) != 2:
        raise ValueError(f"a window is (begin, end) in ms, not {window!r}")
    return float(window[0]), float(window[1])


def _window_attrs(window: Sequence[float]) -> dict[str, Any]:
    """What a lake can keep of a window."""
    return {"window_ms": [float(end) for end in window]} if np.isfinite(list(window)).all() else {}


def _frame(columns: dict[str, Any], units: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    frame.attrs["units"] = units
    return frame
