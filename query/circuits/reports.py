"""Reports and weights of electrodes: some nodes, a window of time, a stride; only the chunks needed are read.

A report is an array [time, element] with the tables ``.nodes`` (node_id, start, stop: the columns of each node) and
``.elements`` beside it, weights are an array [compartment, electrode] with ``.nodes`` and ``.electrodes``
(docs/sonata.md). What `Report.get` gives is what libsonata 0.2's ``ElementReportReader`` does, also for what that
refuses: float64, and bmtk's files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from ...catalog.vocabulary.reports import ELECTRODES, ELEMENTS, RANGES, REPORT_TIME
from ...lake import Array, Snapshot, Table
from ...lake.errors import InputError, NotFoundError
from ...lake.names import listed
from ...lake.nodes.shown import About, Shown

Ids = npt.NDArray[np.int64]

# libsonata takes times for equal that differ by less, in ms.
EPSILON = 1e-6
MOST_CHUNKS = 64


class Frames(NamedTuple):
    """A part of a report.

    Attributes
    ----------
    data
        Values in the report's unit, [time, element].
    ids
        Ids of the node and the element of each column, int64[element, 2].
    times
        Times in ms, float64[time].
    """

    data: npt.NDArray[Any]
    ids: Ids
    times: npt.NDArray[np.float64]


class Weights(NamedTuple):
    """A part of weights of electrodes.

    Attributes
    ----------
    data
        Weights in *units*, float64[compartment, electrode].
    ids
        Ids of the node and the compartment of each row, int64[compartment, 2].
    units
        ``mV/nA`` or ``V/nA``.
    """

    data: npt.NDArray[np.float64]
    ids: Ids
    units: str


def report(snapshot: Snapshot, name: str) -> "Report":
    """Return a population's report.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        The array, such as ``reports/run1/soma/cells``; ``reports/run1/soma`` where that has one population.

    Raises
    ------
    NotFoundError
        There is no such report.
    InputError
        Its frames are not equally far apart.
    """
    return Report(snapshot, _resolved(snapshot, name, "reports"))


def weights(snapshot: Snapshot, name: str) -> "ElectrodeWeights":
    """Return a population's weights of electrodes.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        The array, such as ``electrodes/run1/probe/cells``; ``electrodes/run1/probe`` with one population.

    Raises
    ------
    NotFoundError
        There are no such weights.
    """
    return ElectrodeWeights(snapshot, _resolved(snapshot, name, "electrodes"))


def report_names(snapshot: Snapshot) -> list[str]:
    """Return the names of the reports of a snapshot.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    return _names(snapshot, "reports")


def weights_names(snapshot: Snapshot) -> list[str]:
    """Return the names of the weights of electrodes of a snapshot.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    return _names(snapshot, "electrodes")


def _names(snapshot: Snapshot, room: str) -> list[str]:
    return [
        name
        for name in snapshot.arrays
        if name.startswith(f"{room}/") and RANGES.beside(name) in snapshot.tree
    ]


def _resolved(snapshot: Snapshot, name: str, room: str) -> str:
    found = _names(snapshot, room)
    below = [other for other in found if other == name or other.startswith(f"{name}/")]
    if name in below or len(below) == 1:
        return name if name in below else below[0]
    choice = listed(below or found) or "none"
    raise NotFoundError(f"there is no one array {name!r} of {room}; there are: {choice}")


@dataclass(frozen=True)
class _Ranges:
    """Nodes of an array and their ranges along one axis, as the table ``.nodes`` has them."""

    node_id: Ids
    start: Ids
    stop: Ids

    @classmethod
    def of(cls, table: Table) -> "_Ranges":
        rows = table.to_arrow(["node_id", "start", "stop"])
        return cls(*(rows[name].to_numpy() for name in rows.column_names))

    def chosen(self, node_ids: npt.ArrayLike | None) -> "_Ranges":
        """Those of some nodes, in that order; unknown ones are left out, as libsonata does."""
        if node_ids is None:
            return self
        wanted = _whole(node_ids, "node_ids")
        order = np.argsort(self.node_id, kind="stable")
        at = np.searchsorted(self.node_id, wanted, sorter=order)
        known = at < len(order)
        known[known] = self.node_id[order[at[known]]] == wanted[known]
        rows = order[at[known]]
        return _Ranges(self.node_id[rows], self.start[rows], self.stop[rows])

    def positions(self) -> Ids:
        """Numbers along the axis, node by node."""
        lengths = self.stop - self.start
        before = np.cumsum(lengths) - lengths
        found: Ids = np.arange(int(lengths.sum())) + np.repeat(self.start - before, lengths)
        return found

    def repeated(self) -> Ids:
        """The node of each of these."""
        return np.repeat(self.node_id, self.stop - self.start)


def _whole(values: npt.ArrayLike, what: str) -> Ids:
    found = np.atleast_1d(np.asarray(values))
    if found.size and found.dtype.kind not in "iu":
        raise InputError(f"{what} must be whole numbers, not {found.dtype}")
    return found.astype(np.int64)


class Report(Shown):
    """A report of one population.

    Parameters
    ----------
    snapshot, name
        Which array of which snapshot; see `report`.

    Raises
    ------
    InputError
        Its frames are not equally far apart.
    """

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self.name = name
        self.array: Array = snapshot.arrays[name]
        self._nodes = snapshot.tables[RANGES.beside(name)]
        self.elements: Table = snapshot.tables[ELEMENTS.beside(name)]
        attributes: dict[str, Any] = self.array.attrs.asdict()
        self.units: str | None = attributes["units"]
        if "dt" not in attributes:
            raise InputError(
                f"frames of {name!r} are not equally far apart: read the array and {REPORT_TIME.beside(name)}"
            )
        self.t_start, self.dt = float(attributes["t_start"]), float(attributes["dt"])

    def _about(self) -> About:
        frames, elements = self.array.shape
        size = f"{frames:,} frames of {self.dt:g} ms, {elements:,} elements of {len(self.node_ids):,} nodes"
        line = f"<Report {self.name!r}: {size}, {self.units or 'no unit'}>"
        last = self.t_start + max(0, frames - 1) * self.dt
        return About(line, {"from": f"{self.t_start:g} to {last:g} ms", "bytes": f"{self.array.nbytes:,}"})

    @cached_property
    def _ranges(self) -> _Ranges:
        return _Ranges.of(self._nodes)

    @cached_property
    def _element_ids(self) -> Ids:
        found: Ids = self.elements.to_arrow(["element_id"])["element_id"].to_numpy()
        return found

    @property
    def node_ids(self) -> Ids:
        """Its nodes, in the order of its columns."""
        return self._ranges.node_id

    def get(
        self,
        node_ids: npt.ArrayLike | None = None,
        t_start: float | None = None,
        t_stop: float | None = None,
        t_stride: int | None = None,
    ) -> Frames:
        """A part of the report.

        Parameters
        ----------
        node_ids
            Nodes to read, in that order; those that are not in the report are left out. All by default.
        t_start, t_stop
            First and last time (ms), both included, within 1e-6 ms.
        t_stride
            Every how many frames.

        Returns
        -------
        Frames
            Nothing at all where no node is in the report.

        Raises
        ------
        InputError
            No frame lies in the window, or the stride is not above 0.
        """
        first, stop, stride = self._window(t_start, t_stop, t_stride)
        chosen = self._ranges.chosen(node_ids)
        positions = chosen.positions()
        if not len(positions):
            return Frames(np.empty((0, 0), self.array.dtype), np.empty((0, 2), np.int64), np.empty(0))
        ids = np.stack([chosen.repeated(), self._element_ids[positions]], axis=1)
        times = self.t_start + np.arange(first, stop, stride, dtype=np.float64) * self.dt
        return Frames(self._read(range(first, stop, stride), positions), ids, times)

    def to_pandas(
        self,
        node_ids: npt.ArrayLike | None = None,
        t_start: float | None = None,
        t_stop: float | None = None,
        t_stride: int | None = None,
    ) -> pd.DataFrame:
        """Return a part as a frame: rows by time (ms), columns by node_id and element_id.

        Parameters
        ----------
        node_ids, t_start, t_stop, t_stride
            As of `get`.

        Raises
        ------
        InputError
            As `get`.
        """
        data, ids, times = self.get(node_ids, t_start, t_stop, t_stride)
        columns = pd.MultiIndex.from_arrays([*ids.T], names=["node_id", "element_id"])
        return pd.DataFrame(data, pd.Index(times, name="time"), columns)

    def to_xarray(
        self,
        node_ids: npt.ArrayLike | None = None,
        t_start: float | None = None,
        t_stop: float | None = None,
        t_stride: int | None = None,
    ) -> xr.DataArray:
        """Return a part as a labelled array: time (ms), and node_id and element_id of elements.

        Parameters
        ----------
        node_ids, t_start, t_stop, t_stride
            As of `get`.

        Raises
        ------
        InputError
            As `get`.
        """
        data, ids, times = self.get(node_ids, t_start, t_stop, t_stride)
        coordinates = {
            "time": ("time", times, {"units": "ms"}),
            "node_id": ("element", ids[:, 0]),
            "element_id": ("element", ids[:, 1]),
        }
        attributes = {} if self.units is None else {"units": self.units}
        return xr.DataArray(data, coordinates, ("time", "element"), name=self.name, attrs=attributes)

    def _window(
        self, t_start: float | None, t_stop: float | None, t_stride: int | None
    ) -> tuple[int, int, int]:
        stride = 1 if t_stride is None else t_stride
        if stride < 1:
            raise InputError(f"t_stride must be 1 or more, not {t_stride}")
        times = self.t_start + np.arange(self.array.shape[0]) * self.dt
        first = 0 if t_start is None else int(np.searchsorted(times + EPSILON, t_start, "right"))
        stop = len(times) if t_stop is None else int(np.searchsorted(times - EPSILON, t_stop, "left"))
        if first >= stop:
            known = f"{times[0]:g} to {times[-1]:g} ms by {self.dt:g}" if len(times) else "none at all"
            raise InputError(
                f"{self.name} has no frame from {t_start} to {t_stop} ms; its frames are {known}"
            )
        return first, stop, stride

    def _read(self, frames: range, positions: Ids) -> npt.NDArray[Any]:
        """Columns at *positions* of some frames, a row of chunks after the other."""
        out = np.empty((len(frames), len(positions)), self.array.dtype)
        order = np.argsort(positions, kind="stable")
        high, wide = self.array.chunks
        for top in range(frames.start // high * high, frames.stop, high):
            # Which of the frames these chunks hold: none, where the stride is longer than they are.
            span = [max(0, -(-(edge - frames.start) // frames.step)) for edge in (top, top + high)]
            rows = slice(*(min(edge, len(frames)) for edge in span))
            if rows.start < rows.stop:
                lines = frames[rows]
                for part in _by_chunks(positions[order], wide):
                    place = order[part]
                    low, last = int(positions[place[0]]), int(positions[place[-1]]) + 1
                    block = self.array.read_box([(lines.start, lines[-1] + 1), (low, last)])
                    out[rows, place] = block[:: frames.step, positions[place] - low]
        return out


def _by_chunks(ascending: Ids, wide: int) -> Iterator[slice]:
    """Parts of ascending positions, each in chunks side by side, not too many of them."""
    chunks = ascending // wide
    apart = np.r_[True, np.diff(chunks) > 1][: len(chunks)]
    first = np.maximum.accumulate(np.where(apart, np.arange(len(chunks)), 0))
    blocks = (chunks - chunks[first]) // MOST_CHUNKS
    starts = np.flatnonzero(apart | (np.diff(blocks, prepend=0) != 0))
    yield from map(slice, starts.tolist(), [*starts[1:].tolist(), len(chunks)])


class ElectrodeWeights(Shown):
    """Weights of electrodes for one population.

    Parameters
    ----------
    snapshot, name
        Which array of which snapshot; see `weights`.
    """

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self.name = name
        self.array: Array = snapshot.arrays[name]
        self._nodes = snapshot.tables[RANGES.beside(name)]
        self.electrodes: Table = snapshot.tables[ELECTRODES.beside(name)]
        self.units = str(self.array.attrs["units"])

    def _about(self) -> About:
        rows, columns = self.array.shape
        line = (
            f"<ElectrodeWeights {self.name!r}: {rows:,} compartments, {columns:,} electrodes, {self.units}>"
        )
        names = ("column", "name", "x", "y", "z", "type")
        contacts = self.electrodes.to_arrow([name for name in names if name in self.electrodes.columns])
        return About(line, {}, contacts.column_names, [tuple(row.values()) for row in contacts.to_pylist()])

    @cached_property
    def _ranges(self) -> _Ranges:
        return _Ranges.of(self._nodes)

    @property
    def node_ids(self) -> Ids:
        """Its nodes, in the order of its rows."""
        return self._ranges.node_id

    def get(
        self,
        node_ids: npt.ArrayLike | None = None,
        columns: npt.ArrayLike | None = None,
        *,
        units: str | None = None,
    ) -> Weights:
        """A part of the weights.

        Parameters
        ----------
        node_ids
            Nodes to read, in that order; those that are not there are left out. All by default.
        columns
            Columns of electrodes, in that order; all by default.
        units
            ``"mV/nA"`` or ``"V/nA"``, to be converted to; as they are stored by default.

        Raises
        ------
        InputError
            A column or a unit is not known.
        """
        chosen = self._ranges.chosen(node_ids)
        wanted = np.arange(self.array.shape[1]) if columns is None else _whole(columns, "columns")
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < self.array.shape[1]):
            raise InputError(f"{self.name} has columns 0 to {self.array.shape[1] - 1}, not {wanted.tolist()}")
        factor = _factor(self.units, self.units if units is None else units)
        positions = chosen.positions()
        data = np.empty((len(positions), len(wanted)))
        order = np.argsort(positions, kind="stable")
        for part in _by_chunks(positions[order], self.array.chunks[0]):
            place = order[part]
            low, last = int(positions[place[0]]), int(positions[place[-1]]) + 1
            block = self.array.read_box([(low, last), (0, self.array.shape[1])])
            data[place] = block[positions[place] - low][:, wanted]
        ids = np.stack(
            [chosen.repeated(), positions - np.repeat(chosen.start, chosen.stop - chosen.start)], axis=1
        )
        return Weights(data if factor == 1 else data * factor, ids, units or self.units)


_VOLTS = {"mV/nA": 1.0, "V/nA": 1000.0}


def _factor(stored: str, wanted: str) -> float:
    if stored not in _VOLTS or wanted not in _VOLTS:
        raise InputError(f"units of weights are {' or '.join(_VOLTS)}, not {wanted!r}")
    return _VOLTS[stored] / _VOLTS[wanted]
