"""What a network run records: variables of segments, gathered from all ranks into reports [time, element]."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import reports as report_kinds
from ...lake import Transaction
from ...lake.errors import InputError
from ...mechanisms.network.attached import FrameColumns, Observer
from ...mechanisms.network.cells import NetworkCell
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.trial.recording import SegmentFrames
from ..building.configuration import SWC_TYPES
from ..sonata.reports import ordinals

SOMA, ALL, SET = "soma", "all", "set "
RecordPlaces = Sequence[tuple[int, float]] | None
"""Sections and positions of one cell; None for the soma or all segments, as the request says."""
_CHUNK_VALUES, _CHUNK_ELEMENTS = 2**18, 1024
UNITS = {"v": "mV", "i_membrane": "nA", "ina": "mA/cm2", "ik": "mA/cm2", "ica": "mA/cm2", "cai": "mM"}


@dataclass(frozen=True)
class RecordRequest:
    """A variable that is recorded.

    Attributes
    ----------
    variable
        NEURON's range variable.
    place
        ``soma``: the middle of the soma; ``all``: every segment; a type of sections, such as ``apical``: the middle of each of
        them; ``set NAME``: the places of a compartment set.
    population
        Whose cells: a population or a node set; all populations that have sections by default.
    nodes
        Numbers of the cells in their population; all by default.
    dt
        How far frames are apart, in ms; the time step by default.
    start, stop
        First and last time in ms; all by default.
    """

    variable: str
    place: str = "soma"
    population: str | None = None
    nodes: tuple[int, ...] | None = None
    dt: float | None = None
    start: float = -math.inf
    stop: float = math.inf

    @property
    def name(self) -> str:
        """Name of its reports in the lake."""
        return f"{self.place.removeprefix(SET)} {self.variable}"

    @classmethod
    def parse(cls, text: str, dt: float | None = None) -> "RecordRequest":
        """Read a request from a text: ``[WHOSE:]PLACE[:VARIABLE][@DT]``, such as ``soma``, ``PYR:all:i_membrane@0.1`` or ``set:NAME``.

        Parameters
        ----------
        text
            The text.
        dt
            How far frames are apart, where the text does not say it.

        Raises
        ------
        InputError
            It says something else.
        """
        body, at, step = text.strip().partition("@")
        parts = [part.strip() for part in body.split(":")]
        population = None
        if len(parts) > 1 and not _is_place(parts[0]):
            population, parts = parts[0], parts[1:]
        if parts[0] == SET.strip() and len(parts) > 1:
            parts = [f"{SET}{parts[1]}", *parts[2:]]
        if not 1 <= len(parts) <= 2 or not _is_place(parts[0]) or not all(parts):
            raise InputError(
                f"--record {text}: write [POPULATION or node set:]PLACE, then :VARIABLE and @DT if wanted; a place is soma, all, set:NAME "
                f"or a type of sections: {', '.join(SWC_TYPES)}"
            )
        try:
            interval = float(step) if at else dt
        except ValueError:
            raise InputError(f"--record {text}: {step!r} is no interval in ms") from None
        if interval is not None and not interval > 0:
            raise InputError(f"--record {text}: an interval is above 0 ms")
        return cls(parts[1] if len(parts) == 2 else "v", parts[0], population, None, interval)


def _is_place(text: str) -> bool:
    return text == ALL or text in SWC_TYPES or text.startswith(SET) or text == SET.strip()


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


class TraceRecord:
    """Observes one variable of the cells of one population, and holds on rank 0 what is not stored yet.

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
    places
        Where cells are recorded, by gid, where that is neither the soma nor all segments.

    Attributes
    ----------
    columns
        What the elements are, on rank 0, in the order of gids; empty on others.
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
        places: Mapping[int, RecordPlaces] | None = None,
    ) -> None:
        self.request, self.population, self._cells = request, population, cells
        self._places = places or {}
        self._ranks, self._shift = ranks, shift
        self.variables: Sequence[str] = (request.variable,)
        self.dt = dt if request.dt is None else request.dt
        self.start, self.stop = max(0.0, request.start + shift), request.stop + shift
        self.parts: list[ReportPart] = []
        self.waiting = 0

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
        told = self._ranks.gather((columns.gid, columns.section, columns.segment, columns.x))
        self._frame_bytes = 4 * sum(self._ranks.all(len(columns)))
        if not told:
            none = np.empty(0, np.int32)
            self.columns = FrameColumns(none.astype(np.int64), none, none, none.astype(np.float64))
            return
        gid, section, segment, x = (np.concatenate(parts) for parts in zip(*told, strict=True))
        self._order = np.argsort(gid, kind="stable")
        self.columns = FrameColumns(*(values[self._order] for values in (gid, section, segment, x)))

    @property
    def node_ids(self) -> NDArray[np.int64]:
        """Number of each element's cell in its population, int64[n_elements]."""
        return np.array([self._cells[gid] for gid in self.columns.gid.tolist()], np.int64)

    def take(self, frames: SegmentFrames) -> None:
        """Gather a block on rank 0.

        Parameters
        ----------
        frames
            Of this rank.
        """
        self.waiting += len(frames.time) * self._frame_bytes
        told = self._ranks.gather(frames.values[self.request.variable])
        if told:
            joined = told[0] if len(told) == 1 else np.concatenate(told, axis=1)
            self.parts.append(
                ReportPart(frames.time - self._shift, np.ascontiguousarray(joined[:, self._order]))
            )

    def finish(self) -> None:
        """Do nothing: what waits is stored with the last commit."""

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
        kind, axis = report_kinds.REPORT, report_kinds.REPORT_TIME
        node = kind.of(circuit=run, report=self.request.name, population=self.population)
        if node in transaction.drafts:
            transaction.append_array(node, part.values)
            transaction.append_array(axis.beside(node), part.time)
            return
        wide = max(1, min(part.values.shape[1], _CHUNK_ELEMENTS))
        attributes = {
            "population": self.population,
            "units": UNITS.get(self.request.variable),
            "t_start": float(part.time[0]),
            "dt": self.dt,
            "report": {
                "type": "compartment",
                "variable_name": self.request.variable,
                "sections": self.request.place,
            },
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
        nodes, section = self.node_ids, self.columns.section.astype(np.int64)
        elements, ranges = report_kinds.ELEMENTS, report_kinds.RANGES
        columns = [nodes, section, ordinals(nodes, section), self.columns.x]
        transaction.write_table(elements.beside(node), pa.table(columns, elements.schema), doc=elements.doc)
        found, start, count = np.unique(nodes, return_index=True, return_counts=True)
        columns = [found, start, start + count]
        transaction.write_table(ranges.beside(node), pa.table(columns, ranges.schema), doc=ranges.doc)

    def taken(self) -> ReportPart | None:
        """Return what waits, and wait no longer with it; None if that is nothing."""
        self.waiting = 0
        if not self.parts:
            return None
        parts, self.parts = self.parts, []
        return ReportPart(
            np.concatenate([part.time for part in parts]), np.concatenate([part.values for part in parts])
        )
