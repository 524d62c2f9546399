"""FrameTaker of a network: variables of its segments while it runs, handed to observers in blocks of time."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..trial.recording import SegmentFrames, SegmentReader
from .attached import FrameColumns, Observer
from .cells import NetworkCell
from .ranks import Ranks

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
    ranks
        This process among others.
    dt
        Time step in ms.

    Raises
    ------
    ModelError
        No segment of any rank has a variable, or the interval is no multiple of the time step.
    """

    def __init__(self, observer: Observer, cells: Sequence[NetworkCell], ranks: Ranks, dt: float) -> None:
        self._observer = observer
        self.every = steps_of(observer.dt, dt, "a recording interval")
        if self.every < 1:
            raise ModelError(f"a recording interval of {observer.dt:g} ms is shorter than the time step")
        self._first = max(0, int(np.ceil(observer.start / dt - _TOLERANCE)))
        self._last = int(np.floor(min(observer.stop / dt, 2.0**62) + _TOLERANCE))
        segments, columns = _columns(observer, cells)
        self._reader = SegmentReader(segments, observer.variables)
        told = ranks.all((len(segments), self._reader.missing))
        for variable in observer.variables:
            if all(variable in missing or not n for n, missing in told):
                raise ModelError(f"no segment that is recorded has a variable {variable!r}")
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


def _columns(observer: Observer, cells: Sequence[NetworkCell]) -> tuple[list[Any], FrameColumns]:
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
