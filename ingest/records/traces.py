"""What a network run records, gathered from all ranks into reports [time, element]: variables of segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import reports as report_kinds
from ...lake import Transaction
from ...mechanisms.network.attached import FrameColumns, Observer
from ...mechanisms.network.cells import Ids, NetworkCell, Reals
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.trial.recording import SegmentFrames
from ..sonata.reports import ordinals
from .requests import ALL, RecordRequest

RecordPlaces = Sequence[tuple[int, float]] | None
"""Sections and positions of one cell; None for the soma or all segments, as the request says."""
_CHUNK_VALUES, _CHUNK_ELEMENTS = 2**18, 1024
UNITS = {"v": "mV", "i_membrane": "nA", "ina": "mA/cm2", "ik": "mA/cm2", "ica": "mA/cm2", "cai": "mM"}


class NetworkRecord(Observer, Protocol):
    """An observer whose frames are stored with the run.

    Attributes
    ----------
    waiting
        Bytes of the frames that wait to be stored, the same on all ranks.
    """

    waiting: int

    def taken(self) -> Any:
        """Return what waits on rank 0, and wait no longer with it; None if that is nothing."""

    def store(self, transaction: Transaction, run: str, part: Any) -> None:
        """Write what waited into the lake.

        Parameters
        ----------
        transaction
            Writes the nodes.
        run
            Name of the run.
        part
            What `taken` has returned.
        """


@dataclass(frozen=True, eq=False)
class ReportPart:
    """Frames that wait to be stored: times in ms of the lake, and values float32[n_frames, n_elements] on rank 0."""

    time: NDArray[np.float64]
    values: NDArray[np.float32]


class ReportRecord:
    """What all records have in common: they take one variable of the cells of one population, and hold on rank 0 what is not stored yet.

    Parameters
    ----------
    request
        What is recorded.
    population
        The population.
    cells
        Number of each of its cells that are recorded in the population, by gid.
    ranks
        This process among others.
    dt
        Time step in ms.
    shift
        What is taken from the simulation's time for that of the lake, in ms.
    told
        What else the report says of itself: how its cells were chosen, for example.

    Attributes
    ----------
    parts
        Frames that wait, on rank 0.
    waiting
        Bytes of the frames that wait, on all ranks.
    """

    def __init__(
        self,
        request: RecordRequest,
        population: str,
        cells: Mapping[int, int],
        ranks: Ranks,
        dt: float,
        shift: float,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self.request, self.population, self._cells = request, population, cells
        self._ranks, self._shift, self._told = ranks, shift, dict(told or {})
        self.variables: Sequence[str] = (request.variable,)
        self.dt = dt if request.dt is None else request.dt
        self.start, self.stop = max(0.0, request.start + shift), request.stop + shift
        self.parts: list[ReportPart] = []
        self.waiting = 0
        self._order = np.empty(0, np.int64)
        self._frame_bytes = 0

    def _gathered(self, size: int, columns: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Columns of all ranks in the order of gids, which come first among them, on rank 0; empty on others."""
        told = self._ranks.gather(tuple(columns))
        self._frame_bytes = np.float32().itemsize * sum(self._ranks.all(size))
        if not told:
            return [values[:0] for values in columns]
        joined = [np.concatenate(parts) for parts in zip(*told, strict=True)]
        self._order = np.argsort(joined[0], kind="stable")
        return [values[self._order] for values in joined]

    def nodes_of(self, gid: Ids) -> Ids:
        """Return the numbers of cells in their population, int64[n].

        Parameters
        ----------
        gid
            Their gids.
        """
        return np.array([self._cells[each] for each in gid.tolist()], np.int64)

    def take(self, frames: SegmentFrames) -> None:
        """Gather a block on rank 0.

        Parameters
        ----------
        frames
            Of this rank.
        """
        self.waiting += len(frames.time) * self._frame_bytes
        told = self._ranks.gather(self._values(frames.values[self.request.variable]))
        if told:
            joined = told[0] if len(told) == 1 else np.concatenate(told, axis=1)
            self.parts.append(
                ReportPart(frames.time - self._shift, np.ascontiguousarray(joined[:, self._order]))
            )

    def _values(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is kept of a block."""
        return values

    def finish(self) -> None:
        """Do nothing: what waits is stored with the last commit."""

    def taken(self) -> ReportPart | None:
        """Return what waits, and wait no longer with it; None if that is nothing."""
        self.waiting = 0
        if not self.parts:
            return None
        parts, self.parts = self.parts, []
        return ReportPart(
            np.concatenate([part.time for part in parts]), np.concatenate([part.values for part in parts])
        )

    def _append(self, transaction: Transaction, run: str, part: ReportPart, units: str | None) -> str | None:
        """Append what waited to the report; return its name if it was made now, and has to get its elements."""
        kind, axis = report_kinds.REPORT, report_kinds.REPORT_TIME
        node = kind.of(circuit=run, report=self.request.name, population=self.population)
        if node in transaction.drafts:
            transaction.append_array(node, part.values)
            transaction.append_array(axis.beside(node), part.time)
            return None
        wide = max(1, min(part.values.shape[1], _CHUNK_ELEMENTS))
        attributes = {
            "population": self.population,
            "units": units,
            "t_start": float(part.time[0]),
            "dt": self.dt,
            "report": {"variable_name": self.request.variable, **self._told},
        }
        transaction.write_array(
            node,
            part.values,
            chunks=(max(1, _CHUNK_VALUES // wide), wide),
            dimension_names=kind.axes,
            attributes=attributes,
        )
        transaction.write_array(
            axis.beside(node),
            part.time,
            chunks=(_CHUNK_VALUES,),
            dimension_names=axis.axes,
            attributes={"units": axis.unit},
        )
        return node

    def _write_elements(
        self, transaction: Transaction, node: str, nodes: Ids, element: Ids, position: Reals | pa.Array
    ) -> None:
        elements, ranges = report_kinds.ELEMENTS, report_kinds.RANGES
        columns = [nodes, element, ordinals(nodes, element), position]
        transaction.write_table(elements.beside(node), pa.table(columns, elements.schema), doc=elements.doc)
        found, start, count = np.unique(nodes, return_index=True, return_counts=True)
        columns = [found, start, start + count]
        transaction.write_table(ranges.beside(node), pa.table(columns, ranges.schema), doc=ranges.doc)


class TraceRecord(ReportRecord):
    """Observes one variable of segments.

    Parameters
    ----------
    request, population, cells, ranks, dt, shift, told
        As of `ReportRecord`.
    places
        Where cells are recorded, by gid, where that is neither the soma nor all segments.

    Attributes
    ----------
    columns
        What the elements are, on rank 0, in the order of gids; empty on others.
    """

    def __init__(
        self,
        request: RecordRequest,
        population: str,
        cells: Mapping[int, int],
        ranks: Ranks,
        dt: float,
        shift: float,
        places: Mapping[int, RecordPlaces] | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        told = {"type": "compartment", "sections": request.place, **(told or {})}
        super().__init__(request, population, cells, ranks, dt, shift, told)
        self._places = places or {}

    def places(self, cell: NetworkCell) -> Sequence[tuple[int, float]] | None:
        """Return where a cell is recorded.

        Parameters
        ----------
        cell
            A cell of this rank.
        """
        if cell.gid not in self._cells:
            return ()
        own = self._places.get(cell.gid)
        if own is not None:
            return own
        return None if self.request.place == ALL else [(cell.soma, 0.5)]

    def begin(self, columns: FrameColumns) -> None:
        """Order the columns of all ranks by their cells.

        Parameters
        ----------
        columns
            Those of this rank.
        """
        own = (columns.gid, columns.section, columns.segment, columns.x)
        self.columns = FrameColumns(*self._gathered(len(columns), own))

    def store(self, transaction: Transaction, run: str, part: ReportPart) -> None:
        """Append what waited to the report, which is made with its elements if it is missing.

        Parameters
        ----------
        transaction
            Writes the nodes.
        run
            Name of the run.
        part
            What `taken` has returned.
        """
        node = self._append(transaction, run, part, UNITS.get(self.request.variable))
        if node is not None:
            nodes, section = self.nodes_of(self.columns.gid), self.columns.section.astype(np.int64)
            self._write_elements(transaction, node, nodes, section, self.columns.x)
