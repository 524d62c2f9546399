"""Voltages of many trials: mean and SD, quantiles, density, averages around spikes, and pictures of all traces.

Traces stream from their chunks a block of trials at a time, so that memory does not grow with their number.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from ...catalog.traces import BY_TIME, Recording, Traces
from ...catalog.vocabulary.trials import SPIKE_TIMES, TRIALS
from ...kernels.traces.averages import TriggeredAverage
from ...kernels.traces.density import VoltageDensity
from ...kernels.traces.raster import trace_raster
from ...kernels.traces.voltages import Moments, quantiles
from ...lake.errors import InputError, QueryError
from ...lake.threads import mapped
from ..base import Snapshot
from ..derive.kernels import kernel
from .trains import tables_read

# Samples in memory at a time: few enough to be in the cache when they are counted.
BLOCK_BYTES = 8 * 2**20
# And what nearly stays in the cache of one core: of fewer, calls take longer than they save.
_WARM_BYTES = 2**20
# Trials and times of a chunk of `voltages_by_time`.
_TRIALS, _TIMES = 512, 128

Floats = npt.NDArray[np.float64]


def recording(snapshot: Snapshot, site: str) -> Recording:
    """Return the array of a recording site, with the trial of each row and the time of each sample in ms.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        ``soma``, another site's name, or the name of an array ``[trial, time]``.

    Raises
    ------
    QueryError
        There is no such site.
    InputError
        Its trials have different times and so are in several arrays; name one of them.
    """
    traces = Traces(snapshot.store)
    try:
        names = traces.arrays_of(site)
    except QueryError as error:
        # The error of trace() in SQL begins with its name.
        raise QueryError(str(error).removeprefix("trace: ")) from None
    if len(names) > 1:
        raise InputError(
            f"trials of site {site!r} were sampled at different times; name one of its arrays: {', '.join(names)}"
        )
    return traces.recording(names[0])


def sites_of(snapshot: Snapshot) -> list[str]:
    """Return what `recording` opens: names of sites, and of arrays where a site has several because times differ.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    traces = Traces(snapshot.store)
    arrays = {site: traces.arrays_of(site) for site in traces.sites}
    return [name for site, names in arrays.items() for name in ([site] if len(names) == 1 else names)]


def reads_recordings(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    """Name the nodes that an analysis of a site reads: its arrays and, where there is a condition on trials, the trials.

    Parameters
    ----------
    snapshot
        The commit to read.
    given
        Arguments of the analysis by name, ``site`` among them.
    """
    trials = [] if given["trials"] == "true" else [TRIALS.name]
    return [*Traces(snapshot.store).arrays_of(given["site"]), *tables_read(snapshot, trials, given)]


def blocks(
    source: Recording, rows: npt.NDArray[np.int64], part: slice | None = None
) -> Iterator[tuple[npt.NDArray[np.int64], Any]]:
    """Read rows of an array a block at a time: their numbers, and their values in mV, shape (block, samples).

    The values are overwritten by the next block.

    Parameters
    ----------
    source
        The recording to read.
    rows
        Numbers of the rows, int64[n].
    part
        Samples to read, as of `Recording.span`; all by default.
    """
    ends = _ends(source, part)
    size = _block_rows(source, rows, ends)
    array = source.cheapest(rows, *ends, size)
    memory = np.empty((size, ends[1] - ends[0]), array.dtype)
    yield from zip(_parts(rows, size), array.row_parts(rows, memory, within=[ends]), strict=True)


def _ends(source: Recording, part: slice | None) -> tuple[int, int]:
    return (0, source.array.shape[1]) if part is None else (part.start, part.stop)


def _parts(rows: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _block_rows(source: Recording, rows: npt.NDArray[np.int64], ends: tuple[int, int]) -> int:
    """Rows of a block: the same whatever they are read from, and many of them end where `by_time` has a chunk end."""
    size = BLOCK_BYTES // max(1, (ends[1] - ends[0]) * source.array.dtype.itemsize)
    return max(1, min(len(rows), size if size < _TRIALS else size - size % _TRIALS))


def moments(source: Recording, rows: npt.NDArray[np.int64], part: slice | None = None) -> Moments:
    """Return mean and variance of rows, each block of them by one thread, which sums what it decodes while it is in its cache.

    Parameters
    ----------
    source
        The recording to read.
    rows
        Numbers of the rows, int64[n].
    part
        Samples to read, as of `Recording.span`; all by default.
    """
    ends = _ends(source, part)
    size = _block_rows(source, rows, ends)
    array, n_time = source.cheapest(rows, *ends, size), ends[1] - ends[0]
    # A chunk of many trials is decoded once.
    few = size if array is not source.array else _WARM_BYTES // max(1, n_time * array.dtype.itemsize)

    # Memory of blocks that are done, for the next: fresh memory costs as much as reading a few trials.
    free: list[tuple[Any, Floats]] = []

    def of_block(block: npt.NDArray[np.int64]) -> Moments:
        try:
            memory, sums = free.pop()
        except IndexError:
            memory = np.empty((max(1, min(few, len(rows))), n_time), array.dtype)
            sums = np.empty((4, n_time))
        parts = array.row_parts(block, memory, within=[ends])
        made = Moments.empty(n_time).update_parts(parts, sums)
        free.append((memory, sums))
        return made

    found = Moments.empty(n_time)
    # In order of the blocks, whichever thread is first: sums are the same each time.
    for each in mapped(of_block, _parts(rows, size)):
        found.merge(each)
    return found


@kernel(version="1", name=BY_TIME[0])
def voltages_by_time(voltage: Any) -> Iterator[npt.NDArray[Any]]:
    """Store the same values in chunks of many trials and few times, so that a window of time over all trials is read in few chunks.

    ``lake.derive(voltages_by_time, "voltage/soma")`` makes it. From then on windows, quantiles, and means over a window
    (in Python, in SQL's ``trace`` and in figures) are read from it as long as the array is what it was made of;
    answers are the same. ``lake.refresh()`` makes it anew.

    Parameters
    ----------
    voltage
        An array ``[trial, time]`` of a lake.

    Returns
    -------
    Iterator
        Blocks of the array's rows.

    Raises
    ------
    InputError
        The array has another number of axes.
    """
    from ..views.blocks import ArrayBlocks

    if voltage.ndim != 2:
        raise InputError(f"array {voltage.path!r} of shape {voltage.shape} is not [trial, time]")
    shape = tuple(max(1, min(pair)) for pair in zip((_TRIALS, _TIMES), voltage.shape, strict=True))
    size = max(1, min(_TRIALS, voltage.shape[0]))
    memory = np.empty((size, voltage.shape[1]), voltage.dtype)
    parts = voltage.row_parts(np.arange(voltage.shape[0]), memory)
    # Of no trials there is one block, too.
    found = (part.copy() for part in parts) if voltage.shape[0] else iter([memory[:0]])
    return ArrayBlocks(found, shape, ("trial", "time"))


def rows_of(snapshot: Snapshot, source: Recording, trials: str) -> npt.NDArray[np.int64]:
    """Return the numbers of the rows whose trials meet a condition, in order of the rows, int64[n].

    Parameters
    ----------
    snapshot
        The commit to read.
    source
        The recording of the site.
    trials
        Condition on ``trials`` in SQL.

    Raises
    ------
    QueryError
        The condition is not valid SQL.
    InputError
        No trial meets it.
    """
    if trials == "true":
        return np.arange(source.array.shape[0])
    query = f"select trial_id from trials where ({trials}\n)"  # noqa: S608
    ids = snapshot.sql(query).to_arrow_table()["trial_id"].to_numpy()
    rows = np.flatnonzero(np.isin(source.trials, ids))
    if not len(rows):
        raise InputError(f"no trial of {source.array.path} meets {trials!r}")
    return rows


@kernel(version="1", whole=True, reads=reads_recordings)
def voltage_statistics(
    snapshot: Snapshot,
    site: str = "soma",
    *,
    trials: str = "true",
    ddof: int = 0,
    window: tuple[float, float] | None = None,
) -> xr.Dataset:
    """Mean and standard deviation over trials at every sample.

    Parameters
    ----------
    snapshot
        The commit to read.
    site
        See `recording`.
    trials
        Condition on trials in SQL, such as ``"stimulus = 'C2'"``.
    ddof
        The divisor of the variance is n - ddof: 0 as in NumPy, 1 as in pandas.
    window
        Times ``begin <= time < end`` in ms; all by default.

    Returns
    -------
    xarray.Dataset
        ``mean`` and ``sd`` in mV and ``n``, over ``time`` in ms. NaN samples are left out.

    Raises
    ------
    QueryError, InputError
        As `recording` and `rows_of` say.
    """
    source = recording(snapshot, site)
    part = _window(source, window)
    found = moments(source, rows_of(snapshot, source, trials), part).finish(ddof=ddof)
    return _over_time(source, part, {"mean": found.mean, "sd": found.sd, "n": found.n})


@kernel(version="1", whole=True, reads=reads_recordings)
def voltage_quantiles(
    snapshot: Snapshot,
    q: Sequence[float] = (0.05, 0.5, 0.95),
    site: str = "soma",
    *,
    trials: str = "true",
    exact: bool = False,
    width: float = 0.05,
    window: tuple[float, float] | None = None,
) -> xr.DataArray:
    """Quantiles over trials at every sample, ``[quantile, time]`` in mV.

    Parameters
    ----------
    snapshot
        The commit to read.
    q
        Between 0 and 1.
    site, trials
        See `voltage_statistics`.
    exact
        Whether to sort all samples, for which they are read in as many passes as they do not fit into memory at a
        time. By default they are counted in bins of *width* mV from -100 to 50 mV, and the answer is right to
        within a bin; -inf or inf beyond.
    width
        Width of the bins in mV, unless *exact*.
    window
        Times ``begin <= time < end`` in ms; all by default.

    Raises
    ------
    QueryError, InputError
        As `voltage_statistics`; a quantile is not between 0 and 1.
    """
    source = recording(snapshot, site)
    rows, part = rows_of(snapshot, source, trials), _window(source, window)
    try:
        found = (
            _exact_quantiles(source, rows, q, part)
            if exact
            else _density(source, rows, part, -100, 50, width).quantiles(q)
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    coords = {"quantile": np.asarray(q, float), "time": _time(source, part)}
    attrs = {"units": "mV", "long_name": f"quantiles of the voltage over {len(rows)} trials"}
    return xr.DataArray(found, coords, ("quantile", "time"), "quantiles", attrs)


def _exact_quantiles(
    source: Recording, rows: npt.NDArray[np.int64], q: Sequence[float], part: slice | None
) -> Floats:
    first, last = _ends(source, part)
    step = max(1, 32 * BLOCK_BYTES // max(1, len(rows) * source.array.dtype.itemsize))
    found = np.empty((len(q), last - first))
    for start in range(first, last, step):
        stop = min(start + step, last)
        # Where a chunk holds all samples of a trial, each pass decodes all and keeps a window.
        array = source.cheapest(rows, start, stop, len(rows))
        found[:, start - first : stop - first] = quantiles(array.read_rows(rows, within=[(start, stop)]), q)
    return found


@kernel(version="1", whole=True, reads=reads_recordings)
def voltage_density(
    snapshot: Snapshot,
    site: str = "soma",
    *,
    trials: str = "true",
    v_min: float = -100.0,
    v_max: float = 50.0,
    width: float = 0.05,
    window: tuple[float, float] | None = None,
) -> xr.DataArray:
    """Compute how often each voltage occurred at each time: probability density ``[time, voltage]`` in 1/mV.

    Parameters
    ----------
    snapshot
        The commit to read.
    site, trials
        See `voltage_statistics`.
    v_min, v_max, width
        Bins in mV; ISF's by default.
    window
        Times ``begin <= time < end`` in ms; all by default.

    Raises
    ------
    QueryError, InputError
        As `voltage_statistics`; the bins make no sense.
    """
    source = recording(snapshot, site)
    part = _window(source, window)
    density = _density(source, rows_of(snapshot, source, trials), part, v_min, v_max, width)
    coords = {
        "time": _time(source, part),
        "voltage": (
            "voltage",
            density.edges[:-1] + width / 2,
            {"units": "mV", "long_name": "middle of the bin"},
        ),
    }
    attrs = {"units": "1/mV", "long_name": "density of the voltage over trials"}
    return xr.DataArray(density.finish(), coords, ("time", "voltage"), "density", attrs)


def _density(
    source: Recording,
    rows: npt.NDArray[np.int64],
    part: slice | None,
    v_min: float,
    v_max: float,
    width: float,
) -> VoltageDensity:
    first, last = _ends(source, part)
    try:
        density = VoltageDensity.empty(last - first, v_min=v_min, v_max=v_max, width=width)
    except ValueError as error:
        raise InputError(str(error)) from error
    for _, values in blocks(source, rows, part):
        density.update(values)
    return density


def _reads_spikes_too(snapshot: Snapshot, given: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys([*reads_recordings(snapshot, given), SPIKE_TIMES.name])]


@kernel(version="1", whole=True, reads=_reads_spikes_too)
def spike_triggered_average(
    snapshot: Snapshot,
    site: str = "soma",
    *,
    before: float = 50.0,
    after: float = 10.0,
    trials: str = "true",
    spikes: str = "true",
    ddof: int = 0,
) -> xr.Dataset:
    """Mean and SD of a site's voltage around somatic spikes.

    Parameters
    ----------
    snapshot
        The commit to read.
    site, trials
        See `voltage_statistics`.
    before, after
        Window around each spike in ms; windows that would leave the trace are left out.
    spikes
        Condition on ``spike_times`` in SQL, such as ``"time >= 245"``.
    ddof
        The divisor of the variance is n - ddof: 0 as in NumPy, 1 as in pandas.

    Returns
    -------
    xarray.Dataset
        ``mean`` and ``sd`` in mV and ``n`` over ``lag`` in ms; attributes ``n_used`` and ``n_dropped`` count spikes.

    Raises
    ------
    QueryError, InputError
        As `voltage_statistics`; the trace has fewer than two samples, or a window is negative.
    """
    source = recording(snapshot, site)
    if len(source.times) < 2:
        raise InputError(f"{source.array.path} has {len(source.times)} samples; two are needed")
    step = float(np.median(np.diff(source.times)))
    try:
        average = TriggeredAverage.empty(round(before / step), round(after / step))
    except ValueError as error:
        raise InputError(str(error)) from error
    query = f"select trial_id, time from spike_times where ({spikes}\n) order by trial_id, time"  # noqa: S608
    found = snapshot.sql(query).to_arrow_table()
    row = source.rows(found["trial_id"].to_numpy())
    time = found["time"].to_numpy()
    for part, values in blocks(source, rows_of(snapshot, source, trials)):
        ours = np.isin(row, part)
        average.update(values, source.times, np.searchsorted(part, row[ours]), time[ours])
    result = average.finish(ddof=ddof)
    lag = step * np.arange(-average.before, average.after + 1)
    return xr.Dataset(
        {
            "mean": ("lag", result.mean, {"units": "mV"}),
            "sd": ("lag", result.sd, {"units": "mV"}),
            "n": ("lag", result.n),
        },
        {"lag": ("lag", lag, {"units": "ms", "long_name": "time from the spike"})},
        {"n_used": average.n_used, "n_dropped": average.n_dropped},
    )


def voltage_picture(
    snapshot: Snapshot,
    site: str = "soma",
    *,
    trials: str = "true",
    width: int = 1200,
    height: int = 600,
    v_min: float = -90.0,
    v_max: float = 40.0,
    window: tuple[float, float] | None = None,
) -> npt.NDArray[np.uint32]:
    """Draw all traces into an image of counts, uint32[height, width], row 0 at *v_max*.

    See `neurolake.kernels.traces.raster.trace_raster` for what a pixel counts.

    Parameters
    ----------
    snapshot
        The commit to read.
    site, trials
        See `voltage_statistics`.
    width, height
        Size of the image in pixels.
    v_min, v_max
        Voltages at the lower and upper edge in mV.
    window
        ``(begin, end)`` in ms; the whole recording by default.

    Raises
    ------
    QueryError, InputError
        As `voltage_statistics`; the image or its bounds make no sense.
    """
    source = recording(snapshot, site)
    image, part = np.zeros((height, width), np.uint32), drawn(source, window)
    draw = partial(trace_raster, width=width, height=height, v_min=v_min, v_max=v_max, window=window)
    try:
        for _, values in blocks(source, rows_of(snapshot, source, trials), part):
            draw(values, source.times[part], out=image)
    except ValueError as error:
        raise InputError(str(error)) from error
    return image


@kernel(version="1", whole=True, reads=reads_recordings)
def voltage_window(
    snapshot: Snapshot, window: tuple[float, float], site: str = "soma", *, trials: str = "true"
) -> xr.DataArray:
    """Voltages of all trials in a window of time, ``[trial, time]`` in mV.

    Parameters
    ----------
    snapshot
        The commit to read.
    window
        Times ``begin <= time < end`` in ms.
    site, trials
        See `voltage_statistics`.

    Raises
    ------
    QueryError, InputError
        As `voltage_statistics`.
    TooLargeError
        The values do not fit into memory.
    """
    source = recording(snapshot, site)
    rows, part = rows_of(snapshot, source, trials), _window(source, window)
    ends = _ends(source, part)
    values = source.cheapest(rows, *ends, len(rows)).read_rows(rows, within=[ends])
    coords = {"trial": source.trials[rows], "time": _time(source, part)}
    return xr.DataArray(values, coords, ("trial", "time"), "voltage", {"units": "mV"})


def _window(source: Recording, window: tuple[float, float] | None) -> slice | None:
    return None if window is None else slice(*source.span(*window))


def drawn(source: Recording, window: tuple[float, float] | None) -> slice:
    """Return the samples that lines within a window are drawn between: one more at either end, where there is one.

    Parameters
    ----------
    source
        The recording.
    window
        ``(begin, end)`` in ms; None for all times.
    """
    if window is None:
        return slice(0, len(source.times))
    start, stop = source.span(*window)
    return slice(max(start - 1, 0), min(stop + 1, len(source.times)))


def _time(source: Recording, part: slice | None) -> Any:
    return ("time", source.times[part or slice(None)], {"units": "ms", "long_name": "time"})


def _over_time(source: Recording, part: slice | None, columns: dict[str, npt.NDArray[Any]]) -> xr.Dataset:
    data = {
        name: ("time", values, {} if name == "n" else {"units": "mV"}) for name, values in columns.items()
    }
    return xr.Dataset(data, {"time": _time(source, part)}, {"site": source.array.path})
