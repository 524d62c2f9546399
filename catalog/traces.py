"""SQL on labelled arrays: ``trace('voltage/soma', [0, 1, 2], 245, 265)`` as rows of trial, time and value.

An array of two axes whose last axis has a coordinate, the array of its name + ``.<dimension>`` (usually
``.time``), can be asked so. The rows of the array are trials: the coordinate of the first axis says which, or
else they count from 0.
"""

import difflib
import functools
import threading
import uuid
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..lake.errors import QueryError
from ..lake.nodes.content import content
from ..lake.nodes.derived import Origin
from .vocabulary.trials import VOLTAGE

# Zarr takes longer to import than most questions; those to tables do without it.
if TYPE_CHECKING:
    from ..lake.data.arrays import Array
    from ..lake.data.zarrstore import ZarrStore

FOLDER = VOLTAGE.folder
BY_TIME = ("voltages_by_time", "1")
"""Name and version of the kernel that derives what `Recording.by_time` is."""
# Samples in a list that DuckDB is handed; it takes 2,048 lists at a time.
_BLOCK = 1024
# Rows of an array that are planned as one: DuckDB makes lists of them one after the other.
_RUN = 16384
_CHECK, _PLAN, _READ = "neurolake_trace_check", "neurolake_trace_plan", "neurolake_trace_read"
_LABEL = "neurolake_trace_label"
_ARGUMENTS: Any = ["VARCHAR", "VARCHAR", "BIGINT[]", "DOUBLE", "DOUBLE"]
_RANGE = pa.struct(
    [
        ("array", pa.string()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
    ]
)
_SAMPLE = pa.struct([("time", pa.float64()), ("value", pa.float64())])
# The check is folded when a query is planned, if its arguments are constants: so mistakes are told early.
_MACRO = """create macro trace(site, trials := null, t0 := null, t1 := null) as table
  select trial_id, sample."time" as "time", sample."value" as "value" from (
    select trial_id,
      unnest({read}('{key}', part."array", "row", sample_0, least(sample_0 + {block}, part.stop))) as sample
    from (
      select part, "row", {label}('{key}', part."array", "row") as trial_id,
        unnest(range(part.start, part.stop, {block})) as sample_0
      from (
        select part, unnest(range(part.first, part.last)) as "row"
        from (select unnest({plan}('{key}', site, trials, t0, t1)) as part)
        where {check}('{key}', site, null, t0, t1) and {check}('{key}', site, trials, t0, t1)
      )
    )
  )"""


@dataclass(frozen=True)
class Recording:
    """A two-dimensional array with labels: trials along the first axis, times along the second."""

    array: "Array"
    trials: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]

    @cached_property
    def by_time(self) -> "Array | None":
        """The same values in chunks of many trials and few times, where that was derived of the array as it is now."""
        from ..lake.data.arrays import Array
        from ..lake.data.zarrstore import ZarrStore

        name, store = self.array.path, self.array.store_path.store
        assert isinstance(store, ZarrStore), "of a snapshot"
        now = content(store.tree, name)
        made = Origin(*BY_TIME, None, "", False, name, {name: now}, {}, "").result
        if made not in store.tree:
            return None
        found = Array.of(store, made)
        return found if (found.shape, found.dtype) == (self.array.shape, self.array.dtype) else None

    def cheapest(self, rows: npt.NDArray[np.int64], start: int, stop: int, step: int) -> "Array":
        """Return what a window is read from: the array or, where fewer values are decoded so, what is `by_time`.

        Parameters
        ----------
        rows
            Rows to read, int64[n].
        start, stop
            The samples to read.
        step
            How many of the rows are read at once.
        """
        # All samples of some rows: nothing is decoded for others.
        if stop - start == self.array.shape[1] or not len(rows) or self.by_time is None:
            return self.array
        return min((self.array, self.by_time), key=lambda array: _decoded(array, rows, start, stop, step))

    def rows(self, trials: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the row of each trial; -1 where there is none.

        Parameters
        ----------
        trials
            Numbers of the trials, int64.
        """
        if not len(self.trials):
            return np.full(len(trials), -1)
        # Mostly they are in order, and there may be many of them.
        order = None if np.all(self.trials[1:] > self.trials[:-1]) else np.argsort(self.trials, kind="stable")
        place = np.minimum(np.searchsorted(self.trials, trials, sorter=order), len(self.trials) - 1)
        rows = place if order is None else order[place]
        return np.where(self.trials[rows] == trials, rows, -1)

    def span(self, t0: float | None, t1: float | None) -> tuple[int, int]:
        """Return the first sample at or after *t0*, and the first at or after *t1*.

        Parameters
        ----------
        t0, t1
            Times in ms; None for the beginning and the end.
        """
        start = 0 if t0 is None else int(np.searchsorted(self.times, t0))
        stop = len(self.times) if t1 is None else int(np.searchsorted(self.times, t1))
        return start, max(start, stop)


def _decoded(array: "Array", rows: npt.NDArray[np.int64], start: int, stop: int, step: int) -> int:
    """How many values are decoded for a window of rows, so many of them at a time."""
    height, width = array.chunks
    places = np.stack([np.arange(len(rows)) // step, rows // height])
    visits = 1 + int(np.count_nonzero(np.any(np.diff(places), axis=0)))
    return int(visits * height * width) * (-(-stop // width) - start // width)


class Traces:
    """The labelled arrays of a snapshot, as functions of DuckDB.

    Parameters
    ----------
    store
        The snapshot's arrays.
    """

    def __init__(self, store: "ZarrStore") -> None:
        self._store = store
        self._tree = store.tree
        self._mistake = threading.local()
        self.recording = lru_cache(maxsize=64)(self._recording)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Offer ``trace`` to the queries of *connection* and its cursors, as long as this object lives.

        Parameters
        ----------
        connection
            An open connection of DuckDB.
        """
        how: Any = {"type": "arrow", "null_handling": "special"}
        part = 'STRUCT("array" VARCHAR, "first" BIGINT, "last" BIGINT, start BIGINT, stop BIGINT)[]'
        samples = 'STRUCT("time" DOUBLE, "value" DOUBLE)[]'
        ranges: Any = ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "BIGINT"]
        connection.create_function(_CHECK, _check, _ARGUMENTS, "BOOLEAN", **how)
        connection.create_function(_PLAN, _plan, _ARGUMENTS, part, side_effects=True, **how)
        connection.create_function(_READ, _read, ranges, samples, **how)
        connection.create_function(_LABEL, _label, ranges[:3], "BIGINT", **how)
        key = uuid.uuid4().hex
        _registered[key] = self
        connection.execute(
            _MACRO.format(key=key, check=_CHECK, plan=_PLAN, read=_READ, label=_LABEL, block=_BLOCK)
        )

    def told(self, error: QueryError) -> None:
        """Note an error in the arguments of a query that this thread plans.

        Parameters
        ----------
        error
            The error to raise in the end.
        """
        self._mistake.found = error

    def mistake(self) -> QueryError | None:
        """Return the error that was noted in this thread, and forget it."""
        found: QueryError | None = getattr(self._mistake, "found", None)
        self._mistake.found = None
        return found

    def arrays_of(self, site: str) -> list[str]:
        """Return the arrays that hold a site: it itself, or ``voltage/<site>`` and its other time axes.

        Parameters
        ----------
        site
            Name of a recording site, or of an array.

        Raises
        ------
        QueryError
            There is none.
        """
        if self._is_labelled(site):
            return [site]
        base = f"{FOLDER}{site}"
        found = sorted(
            name for name in self._tree if name == base or (name.startswith(f"{base}@") and "." not in name)
        )
        if labelled := [name for name in found if self._is_labelled(name)]:
            return labelled
        if site in self._tree:
            raise QueryError(
                f"trace: {site!r} is no array of two axes whose last one has a coordinate array, such as {site}.time"
            )
        known = self._known()
        near = difflib.get_close_matches(site, known, 3, 0.5) or known[:5]
        hint = (
            f"; did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"; this lake has no recordings, which are arrays {FOLDER}<site> of trials and times: ingest results, or "
            "simulate into it (nl.run, nl.record)"
        )
        raise QueryError(f"trace: there is no site or array {site!r}{hint}")

    @property
    def sites(self) -> list[str]:
        """Names of the recording sites that ingesters wrote: arrays of their own are left out."""
        labelled = (name for name in self._tree if name.startswith(FOLDER) and self._is_labelled(name))
        return sorted({name.removeprefix(FOLDER).split("@")[0] for name in labelled})

    def plan(
        self, site: str | None, trials: npt.NDArray[np.int64] | None, t0: float | None, t1: float | None
    ) -> pa.StructArray:
        """Return what to read: array, trial, row, and first and last sample, in the order of *trials*.

        It is as long as there are runs of rows, not as there are rows.

        Parameters
        ----------
        site
            Name of a recording site, or of an array.
        trials
            Numbers of the trials; None for all.
        t0, t1
            Times in ms between which samples are read; None for the beginning and the end.

        Raises
        ------
        QueryError
            There is no such site or trial, or *t0* is after *t1*.
        """
        if site is None:
            raise QueryError("trace: the site is null")
        if t0 is not None and t1 is not None and not t0 <= t1:
            raise QueryError(f"trace: t0 = {t0:g} ms is not before t1 = {t1:g} ms")
        names = self.arrays_of(site)
        if trials is not None:
            places = [self.recording(name).rows(trials) for name in names]
            self._require_trials(site, names, trials, functools.reduce(np.maximum, places))
            spans = [_runs(rows[rows >= 0]) for rows in places]
        else:
            spans = [_cut(np.array([[0, len(self.recording(name).trials)]])) for name in names]
        parts = [self._part(name, rows, t0, t1) for name, rows in zip(names, spans, strict=True)]
        return pa.concat_arrays(parts)

    def labels(self, arrays: Sequence[str], rows: npt.NDArray[np.int64]) -> pa.Array:
        """Return the trial of each row.

        Parameters
        ----------
        arrays
            Name of the array of each row.
        rows
            Rows in these arrays, int64.
        """
        names = np.asarray(arrays)
        found = np.empty(len(rows), np.int64)
        for name in set(arrays):
            found[names == name] = self.recording(name).trials[rows[names == name]]
        return pa.array(found)

    def _part(self, name: str, rows: npt.NDArray[np.int64], t0: float | None, t1: float | None) -> Any:
        """Spans of rows, shape (n, 2), of one array, as `plan` gives them."""
        start, stop = self.recording(name).span(t0, t1)
        columns = [
            pa.repeat(name, len(rows)),
            rows[:, 0],
            rows[:, 1],
            pa.repeat(start, len(rows)),
            pa.repeat(stop, len(rows)),
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _RANGE, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=list(_RANGE))

    def _require_trials(
        self, site: str, names: Sequence[str], asked: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> None:
        if np.all(rows >= 0):
            return
        missing = asked[rows < 0][0]
        known = np.concatenate([self.recording(name).trials for name in names])
        have = f"it has trials {known.min()} to {known.max()}" if len(known) else "it has no trials"
        near = known[np.argsort(np.abs(known - missing), kind="stable")[:3]].tolist()
        nearest = f", the nearest {', '.join(map(str, sorted(near)))}" if near else ""
        raise QueryError(f"trace: {site!r} has no trial {missing}; {have}{nearest}")

    def samples(
        self,
        arrays: Sequence[str],
        rows: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        stops: npt.NDArray[np.int64],
    ) -> pa.ListArray:
        """Return times and values of ranges of samples, one list for each; reads shared chunks once.

        Parameters
        ----------
        arrays
            Name of the array of each range.
        rows
            Row of each range, int64.
        starts, stops
            First sample of each range, and the one after its last, int64.
        """
        lengths = np.maximum(stops - starts, 0)
        ends = np.cumsum(lengths)
        times, values = np.empty(lengths.sum()), np.empty(lengths.sum())
        for first, last in _boxes(arrays, rows):
            recording = self.recording(arrays[first])
            low, high = int(starts[first:last].min()), int(stops[first:last].max())
            top, end = int(rows[first]), int(rows[last - 1]) + 1
            box = recording.cheapest(np.arange(top, end), low, high, end - top).read_box(
                [(top, end), (low, high)]
            )
            for at in range(first, last):
                place = slice(ends[at] - lengths[at], ends[at])
                part = slice(starts[at] - low, starts[at] - low + lengths[at])
                values[place] = box[rows[at] - top, part]
                times[place] = recording.times[starts[at] : starts[at] + lengths[at]]
        found = pa.StructArray.from_arrays([pa.array(times), pa.array(values)], fields=list(_SAMPLE))
        offsets = np.concatenate([[0], ends]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), found)

    def _is_labelled(self, name: str) -> bool:
        node = self._tree.get(name)
        if node is None or node.kind != "array" or len(node.meta["shape"]) != 2:
            return False
        dimensions = node.meta.get("dimension_names") or [None, None]
        times = self._tree.get(f"{name}.{dimensions[1]}")
        return times is not None and times.kind == "array" and times.meta["shape"] == node.meta["shape"][1:]

    def _known(self) -> list[str]:
        names = [name for name in self._tree if self._is_labelled(name)]
        return sorted({*names, *(name.removeprefix(FOLDER).split("@")[0] for name in names)})

    def _recording(self, name: str) -> Recording:
        from ..lake.data.arrays import Array

        array = Array.of(self._store, name)
        trial, time = self._tree[name].meta["dimension_names"]
        times = np.asarray(Array.of(self._store, f"{name}.{time}")[:], np.float64)
        if np.any(np.diff(times) < 0):
            raise QueryError(f"trace: the coordinate {name}.{time} does not increase")
        labels = f"{name}.{trial}"
        if labels in self._tree:
            trials = np.asarray(Array.of(self._store, labels)[:])
        else:
            trials = np.arange(array.shape[0])
        if trials.dtype.kind not in "iu" or trials.shape != array.shape[:1]:
            raise QueryError(f"trace: the coordinate {labels} is no row of {array.shape[0]} whole numbers")
        return Recording(array, trials.astype(np.int64, copy=False), times)


# DuckDB does not keep the functions that it is given: they stay, and find what they work on by its key.
_registered: weakref.WeakValueDictionary[str, Traces] = weakref.WeakValueDictionary()


def _of(key: pa.ChunkedArray) -> Traces:
    try:
        return _registered[key[0].as_py()]
    except KeyError:
        raise QueryError(
            "trace: the snapshot is gone; hold on to it, or to the query, while you read"
        ) from None


def _check(
    key: pa.ChunkedArray,
    site: pa.ChunkedArray,
    trials: pa.ChunkedArray,
    t0: pa.ChunkedArray,
    t1: pa.ChunkedArray,
) -> pa.Array:
    traces = _of(key)
    try:
        _plan(key, site, trials, t0, t1)
    except QueryError as error:
        traces.told(error)
        raise
    return pa.repeat(True, len(site))


def _plan(
    key: pa.ChunkedArray,
    site: pa.ChunkedArray,
    trials: pa.ChunkedArray,
    t0: pa.ChunkedArray,
    t1: pa.ChunkedArray,
) -> pa.Array:
    traces = _of(key)
    parts = [
        traces.plan(name, _numbers(asked), begin, end)
        for name, asked, begin, end in zip(
            site.to_pylist(), _lists(trials), t0.to_pylist(), t1.to_pylist(), strict=True
        )
    ]
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.concat_arrays(parts))


def _lists(column: pa.ChunkedArray) -> Iterator[pa.ListScalar]:
    return (scalar for chunk in column.chunks for scalar in chunk)


def _numbers(asked: pa.ListScalar) -> npt.NDArray[np.int64] | None:
    """Trials that were asked for, without nulls; None for all. There may be many: none becomes an object."""
    if not asked.is_valid:
        return None
    found: npt.NDArray[np.int64] = asked.values.drop_null().cast(pa.int64()).to_numpy()
    return found


def _label(key: pa.ChunkedArray, arrays: pa.ChunkedArray, rows: pa.ChunkedArray) -> pa.Array:
    return _of(key).labels(arrays.to_pylist(), rows.to_numpy())


def _read(
    key: pa.ChunkedArray,
    arrays: pa.ChunkedArray,
    rows: pa.ChunkedArray,
    starts: pa.ChunkedArray,
    stops: pa.ChunkedArray,
) -> pa.Array:
    return _of(key).samples(arrays.to_pylist(), rows.to_numpy(), starts.to_numpy(), stops.to_numpy())


def _runs(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Half-open spans of rows that follow each other, shape (n, 2), in the order of *rows*."""
    if not len(rows):
        return np.empty((0, 2), np.int64)
    breaks = np.flatnonzero(np.diff(rows) != 1)
    firsts, lasts = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(rows) - 1]])
    return _cut(np.stack([rows[firsts], rows[lasts] + 1], axis=1))


def _cut(spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same rows in spans of at most `_RUN`."""
    counts = -(-(spans[:, 1] - spans[:, 0]) // _RUN)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.repeat(spans[:, 0], counts) + number * _RUN
    return np.stack([first, np.minimum(first + _RUN, np.repeat(spans[:, 1], counts))], axis=1)


def _boxes(arrays: Sequence[str], rows: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of ranges, as half-open spans of them, that lie in rows of one array that follow one another."""
    same = np.array([one == other for one, other in zip(arrays[1:], arrays[:-1], strict=True)], bool)
    breaks = np.flatnonzero(~same | ~np.isin(np.diff(rows), (0, 1))) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return list(pairwise(edges)) if len(rows) else []
