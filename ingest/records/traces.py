"""What a network run records, gathered from all ranks into reports [time, element]: variables of segments."""

import re
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
from ...mechanisms.trial.recording import CURRENT, SegmentFrames
from ..building.configuration import SWC_TYPES
from ..sonata.reports import ordinals
from .requests import ALL, ANY, NONE, SOMA, OnSection, RecordRequest, section_places

RecordPlaces = Sequence[tuple[int, OnSection]] | None
"""Sections and positions of one cell, or all segments of a section; None for what the request's place says of the cell in NEURON."""
_WORDS = {"soma": 1, "axon": 2, "dend": 3, "apic": 4}
"""SONATA's words for types of sections, which are the names of sections in NEURON as Import3d gives them."""
_NAMED = {**SWC_TYPES, **_WORDS}
_NAME = re.compile("[a-z]+")
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
        self.variables: Sequence[str] = request.variables
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
        told = self._ranks.gather(self._values(frames.values))
        if told:
            joined = told[0] if len(told) == 1 else np.concatenate(told, axis=1)
            self.parts.append(
                ReportPart(frames.time - self._shift, np.ascontiguousarray(joined[:, self._order]))
            )

    def _values(self, frames: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """What is kept of a block."""
        return frames[self.variables[0]]

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

    def _append(
        self,
        transaction: Transaction,
        run: str,
        part: ReportPart,
        units: str | None,
        more: Mapping[str, Any] | None = None,
    ) -> str | None:
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
            "report": {"variable_name": ", ".join(self.variables), **self._told},
            **(more or {}),
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
    """Observes one variable of segments, or a sum of variables, of each segment or of all of a cell.

    What a segment does not have adds nothing to a sum, as in neurodamus.

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
        told = {**_told_kind(request), **(told or {})}
        super().__init__(request, population, cells, ranks, dt, shift, told)
        self._places = places or {}
        self._wanted = {ANY: ALL} if request.place == ALL else section_places(request.place)
        self._areas: list[float] = []
        self._starts = np.empty(0, np.int64)

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
        if own is None:
            if self.request.place == ALL and not self.request.scaling:
                return None
            own = [(cell.soma, 0.5)] if self.request.place == SOMA else _named_sections(cell, self._wanted)
        found: list[tuple[int, float]] = []
        for section, x in own:
            found += [(section, each.x) for each in cell.sections[section]] if x == ALL else [(section, x)]
        if self.request.scaling:
            self._areas += [cell.sections[section](x).area() for section, x in found]
        return found

    def begin(self, columns: FrameColumns) -> None:
        """Order the columns of all ranks by their cells.

        Parameters
        ----------
        columns
            Those of this rank.
        """
        own: Sequence[NDArray[Any]] = (columns.gid, columns.section, columns.segment, columns.x)
        if self.request.summed:
            # Segments come cell by cell.
            self._starts = np.unique(columns.gid, return_index=True)[1]
            self._starts.sort()
            own = (columns.gid[self._starts], *(0 * each[self._starts] for each in own[1:]))
        self.columns = FrameColumns(*self._gathered(len(own[0]), own))

    def _values(self, frames: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        if not _added(self.request):
            return super()._values(frames)
        total = np.zeros(frames[self.variables[0]].shape)
        for name in self.variables:
            values = frames[name]
            own = np.where(np.isnan(values), 0.0, values.astype(np.float64))
            # mA/cm2 times um2 is 0.01 nA.
            total += own * (np.array(self._areas) / 100) if self.request.scaling and name != CURRENT else own
        if self.request.summed:
            total = np.add.reduceat(total, self._starts, axis=1) if len(self._starts) else total[:, :0]
        return total.astype(np.float32)

    def _units(self) -> str | None:
        units = {UNITS.get(name) for name in self.variables}
        if self.request.scaling:
            units = {"nA" if unit in ("nA", "mA/cm2") else None for unit in units}
        return (units.pop() if len(units) == 1 else None) or self.request.unit

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
        node = self._append(transaction, run, part, self._units())
        if node is not None:
            nodes, section = self.nodes_of(self.columns.gid), self.columns.section.astype(np.int64)
            position = pa.nulls(len(nodes), pa.float64()) if self.request.summed else self.columns.x
            self._write_elements(transaction, node, nodes, section, position)


def _named_sections(cell: NetworkCell, wanted: Mapping[int, OnSection]) -> list[tuple[int, OnSection]]:
    """Sections of some types by their names in NEURON, such as ``Template[0].dend[3]``, of a cell without a tree."""
    found: list[tuple[int, OnSection]] = []
    for at, section in enumerate(cell.sections):
        name = _NAME.match(str(section.name()).rpartition(".")[2].lower())
        x = wanted.get(_NAMED.get(name[0], 0) if name else 0, wanted.get(ANY))
        if x is not None:
            found.append((at, x))
    return found


def _added(request: RecordRequest) -> bool:
    """Whether values are added up or scaled: a summation, as SONATA calls it."""
    return bool(request.summed or request.scaling or len(request.variables) > 1)


def _told_kind(request: RecordRequest) -> dict[str, str]:
    """What a report says of what it is, in SONATA's words: a sum over a cell is one of its soma."""
    if not _added(request):
        return {"type": "compartment", **_told_place(request.place)}
    place = SOMA if request.summed and request.place == ALL else request.place
    return {"type": "summation", **_told_place(place), "scaling": request.scaling or NONE}


def _told_place(place: str) -> dict[str, str]:
    """What a report says of where it is, in SONATA's words where it has them."""
    places = section_places(place)
    if place in (ALL, SOMA) or len(places) != 1:
        return {"sections": place}
    ((kind, x),) = places.items()
    word = next((word for word, number in ((ALL, ANY), *_WORDS.items()) if number == kind), None)
    if word is None or x not in (ALL, 0.5):
        return {"sections": place}
    return {"sections": word, "compartments": ALL if x == ALL else "center"}
