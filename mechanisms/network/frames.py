"""FrameTaker of a network: variables of its segments and synapses while it runs, handed to observers in blocks of time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..trial.recording import SegmentFrames, SegmentReader
from .attached import FrameColumns, Observer, SynapseColumns, SynapseObserver
from .cells import NetworkCell
from .ranks import Ranks
from .wiring import MadeSynapses

BLOCK_BYTES = 2**20
"""How large a block of frames is on the rank that has most columns."""
_TOLERANCE = 1e-6


def steps_of(time: float, dt: float, what: str) -> int:
    """Return how many time steps a time is.

    Parameters
    ----------
    time, dt
        The time and the step, in ms.
    what
        What it is, for the message.

    Raises
    ------
    ModelError
        It is no multiple of the step.
    """
    steps = round(time / dt)
    if abs(steps * dt - time) > _TOLERANCE * max(dt, abs(time)):
        raise ModelError(f"{what} of {time:g} ms is no multiple of the time step {dt:g} ms")
    return steps


class FrameTaker:
    """What one observer is given.

    Parameters
    ----------
    observer
        Takes the blocks.
    cells
        Cells of this rank, in the order of their gids.
    made
        Synapses of this rank that are to be observed.
    ranks
        This process among others.
    dt
        Time step in ms.

    Raises
    ------
    ModelError
        Nothing that is observed on any rank has a variable, or the interval is no multiple of the time step.
    """

    def __init__(
        self,
        observer: Observer,
        cells: Sequence[NetworkCell],
        made: Sequence[MadeSynapses],
        ranks: Ranks,
        dt: float,
    ) -> None:
        self._observer = observer
        self.every = steps_of(observer.dt, dt, "a recording interval")
        if self.every < 1:
            raise ModelError(f"a recording interval of {observer.dt:g} ms is shorter than the time step")
        self._first = max(0, int(np.ceil(observer.start / dt - _TOLERANCE)))
        self._last = int(np.floor(min(observer.stop / dt, 2.0**62) + _TOLERANCE))
        points, columns = (
            _synapses(observer, made) if isinstance(observer, SynapseObserver) else _segments(observer, cells)
        )
        self._reader = SegmentReader(points, observer.variables)
        told = ranks.all((len(points), self._reader.missing))
        for variable in observer.variables:
            if all(variable in missing or not n for n, missing in told):
                raise ModelError(f"nothing that is recorded has a variable {variable!r}")
        widest = max(1, *(n for n, _ in told)) if told else 1
        size = BLOCK_BYTES // (np.float32().itemsize * widest * max(1, len(observer.variables)))
        self._block = int(max(1, min(size, 2**16)))
        self._time, self._values = np.empty(self._block), self._reader.frames(self._block)
        self._frame = 0
        observer.begin(columns)

    def next(self, step: int) -> int | None:
        """Return the first step, from *step* on, at which a frame is due; None if there is none.

        Parameters
        ----------
        step
            Number of the step.
        """
        since = max(step, self._first) - self._first
        due = self._first + -(-since // self.every) * self.every
        return due if due <= self._last else None

    def take(self, time: float) -> None:
        """Take a frame.

        Parameters
        ----------
        time
            In ms.
        """
        self._time[self._frame] = time
        self._reader.read(self._values, self._frame)
        self._frame += 1
        if self._frame == self._block:
            self.flush()

    def flush(self) -> None:
        """Hand on what was taken since the last block."""
        if self._frame:
            taken = slice(self._frame)
            values = {name: own[taken] for name, own in self._values.items()}
            self._observer.take(SegmentFrames(self._time[taken], values))
        self._frame = 0

    def finish(self) -> None:
        """Hand on the rest, and say that there is no more."""
        self.flush()
        self._observer.finish()


def _segments(observer: Observer, cells: Sequence[NetworkCell]) -> tuple[list[Any], FrameColumns]:
    segments: list[Any] = []
    gid: list[int] = []
    place: list[int] = []
    number: list[int] = []
    x: list[float] = []
    for cell in cells:
        if cell.artificial:
            continue
        wanted = observer.places(cell)
        if wanted is None:
            found = [(at, segment) for at, section in enumerate(cell.sections) for segment in section]
        else:
            found = [(at, cell.sections[at](position)) for at, position in wanted]
        for at, segment in found:
            segments.append(segment)
            gid.append(cell.gid)
            place.append(at)
            count = cell.sections[at].nseg
            number.append(min(int(segment.x * count), count - 1))
            x.append(float(segment.x))
    columns = FrameColumns(
        np.array(gid, np.int64),
        np.array(place, np.int32),
        np.array(number, np.int32),
        np.array(x, np.float64),
    )
    return segments, columns


def _synapses(observer: SynapseObserver, made: Sequence[MadeSynapses]) -> tuple[list[Any], SynapseColumns]:
    """Point processes, each once, and what they are; cell by cell, and of a cell in the order in which they were made."""
    processes: list[Any] = []
    known: dict[int, int] = {}
    column: list[int] = []
    first: list[tuple[int, int, int, float, int, str]] = []
    edge: list[int] = []
    source: list[int] = []
    for each in made:
        own, kind = each.edges, each.edges.kind
        assert kind is not None, "edges to artificial cells have no synapses"
        for row in np.flatnonzero(observer.edges(each)).tolist():
            process = each.processes[row]
            at = known.setdefault(id(process), len(processes))
            if at == len(processes):
                processes.append(process)
                segment = process.get_segment()
                count = segment.sec.nseg
                where = int(own.section[row]), min(int(segment.x * count), count - 1), float(segment.x)
                first.append((int(own.target[row]), *where, int(own.number[row]), kind.label))
            column.append(at)
            edge.append(int(own.number[row]))
            source.append(int(own.source[row]))
    order = sorted(range(len(processes)), key=lambda at: first[at][0])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    gid, section, number, x, synapse, label = (
        zip(*(first[at] for at in order), strict=True) if order else ((),) * 6
    )
    columns = place[np.array(column, np.int64)]
    rows = np.argsort(columns, kind="stable")
    return [processes[at] for at in order], SynapseColumns(
        gid=np.array(gid, np.int64),
        section=np.array(section, np.int32),
        segment=np.array(number, np.int32),
        x=np.array(x, np.float64),
        number=np.array(synapse, np.int64),
        label=np.array(label, np.str_),
        column=columns[rows],
        edge=np.array(edge, np.int64)[rows],
        source=np.array(source, np.int64)[rows],
    )
