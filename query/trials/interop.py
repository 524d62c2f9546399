"""Trials for the libraries of spike train analysis: as blocks of neo, and as spike trains for elephant.

Needs the extra ``neurolake[interop]`` (neo); elephant is needed only to call its functions.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.traces import Recording, Traces
from ...catalog.vocabulary.trials import TRIALS
from ...lake.errors import InputError
from ...lake.extras import needed
from ..base import Snapshot
from .trains import SPIKES, Trains, input_errors, trains
from .voltages import blocks

if TYPE_CHECKING:
    from neo import Block, SpikeTrain

Window = tuple[float, float]


def to_elephant(
    snapshot: Snapshot,
    *,
    trials: str = "true",
    spikes: str = "true",
    window: Window | None = None,
    table: str = SPIKES,
) -> "list[SpikeTrain]":
    """Return a spike train for each trial, in order of trial_id, as elephant's functions take them.

    Parameters
    ----------
    snapshot
        The commit to read.
    trials, spikes, table
        See `neurolake.query.trials.trains.trains`.
    window
        ``(begin, end)`` in ms: ``t_start`` and ``t_stop`` of all trains, and the spikes at ``begin <= time < end``; by
        default the columns ``t_start`` (or 0) and ``t_stop`` of ``trials``.

    Returns
    -------
    list of neo.SpikeTrain
        Times in ms, those of trials without spikes empty; ``trial_id`` is an annotation.

    Raises
    ------
    NotFoundError, QueryError
        As `trains`.
    InputError
        No trial meets the condition; the window makes no sense; a spike lies outside its trial, or it is not known how
        long trials are.
    ImportError
        neo is not installed; it comes with ``neurolake[interop]``.
    """
    make = _neo().SpikeTrain
    found = trains(snapshot, trials=trials, spikes=spikes, table=table)
    return list(_spike_trains(make, found, _bounds(snapshot, found, window), window))


def to_neo(
    snapshot: Snapshot,
    *,
    trials: str = "true",
    spikes: str = "true",
    sites: Sequence[str] = ("soma",),
    window: Window | None = None,
) -> "Block":
    """Return trials as a block of neo: a segment for each, with its spike train and the voltages of some sites.

    All is read into memory; choose trials with a condition.

    Parameters
    ----------
    snapshot
        The commit to read.
    trials, spikes, window
        See `to_elephant`; the window holds for voltages, too.
    sites
        Recording sites; none for spikes alone.

    Returns
    -------
    neo.Block
        Segments in order of trial_id, annotated with the columns of ``trials``. Voltages are AnalogSignals in mV with
        the site for a name, or IrregularlySampledSignals where samples are not evenly spaced. The block names lake
        and commit.

    Raises
    ------
    NotFoundError, QueryError, InputError, ImportError
        As `to_elephant`; there is no such site.
    """
    neo = _neo()
    found = trains(snapshot, trials=trials, spikes=spikes)
    bounds = _bounds(snapshot, found, window)
    origin = {"lake": snapshot.objects.storage.url, "commit": snapshot.commit.id}
    block = neo.Block(name=snapshot.objects.storage.url.rstrip("/").rsplit("/", 1)[-1], **origin)
    rows = snapshot.tables[TRIALS.name].to_pandas().set_index("trial_id").loc[found.trials].to_dict("records")
    made = _spike_trains(neo.SpikeTrain, found, bounds, window)
    for trial_id, train, facts in zip(found.trials.tolist(), made, rows, strict=True):
        known = {str(name): value for name, value in facts.items() if _is_plain(value)}
        segment = neo.Segment(name=f"trial {trial_id}", index=trial_id, trial_id=trial_id, **known)
        segment.spiketrains.append(train)
        block.segments.append(segment)
    for site in sites:
        for row, signal in _signals(neo, snapshot, site, found.trials, window):
            kind = "analogsignals" if isinstance(signal, neo.AnalogSignal) else "irregularlysampledsignals"
            getattr(block.segments[row], kind).append(signal)
    block.check_relationships()
    return block


def _spike_trains(
    make: Any, found: Trains, bounds: npt.NDArray[np.float64], window: Window | None
) -> Iterator[Any]:
    inside = np.ones(len(found.time), bool)
    if window is not None:
        inside = (found.time >= window[0]) & (found.time < window[1])
    time, trial = found.time[inside], found.trial[inside]
    borders = np.searchsorted(trial, np.arange(len(found.trials) + 1))
    for row, (begin, end) in enumerate(bounds.tolist()):
        mine = time[borders[row] : borders[row + 1]]
        trial_id = int(found.trials[row])
        with input_errors():
            yield make(
                mine, units="ms", t_start=begin, t_stop=end, name=f"trial {trial_id}", trial_id=trial_id
            )


def _bounds(snapshot: Snapshot, found: Trains, window: Window | None) -> npt.NDArray[np.float64]:
    """Begin and end of each trial, float64[n_trials, 2]."""
    if window is not None:
        if not (np.isfinite(window).all() and window[0] < window[1]):
            raise InputError(f"window is {window!r}; expected two finite numbers, the lower one first")
        return np.tile(np.array(window, np.float64), (len(found.trials), 1))
    columns = snapshot.tables[TRIALS.name].columns
    if "t_stop" not in columns:
        raise InputError("the table trials has no column t_stop; give window=(begin, end) in ms")
    frame = snapshot.tables[TRIALS.name].to_pandas().set_index("trial_id").loc[found.trials]
    begin = frame["t_start"].fillna(0) if "t_start" in columns else np.zeros(len(frame))
    bounds = np.column_stack([begin, frame["t_stop"]]).astype(np.float64)
    unknown = np.flatnonzero(np.isnan(bounds).any(axis=1))
    if len(unknown):
        raise InputError(f"trial {found.trials[unknown[0]]} has no t_stop; give window=(begin, end) in ms")
    return bounds


def _signals(
    neo: Any, snapshot: Snapshot, site: str, trials: npt.NDArray[np.int64], window: Window | None
) -> Iterator[tuple[int, Any]]:
    """Voltages of a site, with the position of the trial."""
    traces = Traces(snapshot.store)
    for name in traces.arrays_of(site):
        source = traces.recording(name)
        row = source.rows(trials)
        place = np.flatnonzero(row >= 0)
        place = place[np.argsort(row[place])]
        part = slice(None) if window is None else slice(*source.span(*window))
        positions = iter(place.tolist())
        for _, values in blocks(source, row[place]):
            for trace in values[:, part].copy():
                yield next(positions), _signal(neo, source, part, trace, site)


def _signal(neo: Any, source: Recording, part: slice, trace: npt.NDArray[Any], site: str) -> Any:
    times = source.times[part]
    steps = np.diff(times)
    about = {"units": "mV", "name": site}
    if len(steps) and np.ptp(steps) <= 1e-6 * steps.mean():
        import quantities  # type: ignore[import-untyped]

        step = (times[-1] - times[0]) / len(steps) * quantities.ms
        return neo.AnalogSignal(trace, t_start=times[0] * quantities.ms, sampling_period=step, **about)
    return neo.IrregularlySampledSignal(times, trace, time_units="ms", **about)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | np.integer | np.floating) and not pd.isna(value)


def _neo() -> Any:
    with needed("spike trains for other libraries", "interop"):
        import neo
    return neo
