"""What is recorded of sections while they are simulated: potentials at sites, variables of all segments."""

import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..cell.sections import Cell
from ..errors import ModelError

Reals = NDArray[np.float64]
Frames = NDArray[np.float32]

BLOCK_BYTES = 2**20

CURRENT = "i_membrane"
"""The one variable that NEURON computes only when asked: transmembrane current of a segment, in nA."""


@dataclass(frozen=True)
class Site:
    """A place where the potential is recorded.

    Attributes
    ----------
    label
        Its name in simrun results.
    section, segment
        IDs; the segment counts from the section's 0-end.
    x
        Relative position of the segment's centre.
    """

    label: str
    section: int
    segment: int
    x: float


def read_landmarks(path: str | Path) -> Reals:
    """Read places in um from a landmarkAscii file of Amira, float64[n, 3].

    The number of markers in its header is ignored, as in the In Silico Framework.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        The file cannot be read, or has no lines after ``@1``, or one that is not three numbers.
    """
    try:
        lines = Path(path).read_text("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    begin = next((row for row, line in enumerate(lines) if line.startswith("@1")), len(lines))
    rows = [_place(line, path, row) for row, line in enumerate(lines[begin + 1 :], begin + 2) if line.strip()]
    if not rows:
        raise ModelError("no landmarks after a line '@1'", path)
    return np.array(rows)


def _place(line: str, path: str | Path, row: int) -> list[float]:
    try:
        place = [float(word) for word in line.split()]
    except ValueError:
        place = []
    if len(place) != 3 or not all(map(math.isfinite, place)):
        raise ModelError(f"{line.strip()[:60]!r}, expected three numbers", path, row)
    return place


def site_at(cell: Cell, place: Reals, landmark: str, number: int) -> Site:
    """Return the segment nearest to a landmark, named as in simrun results.

    The 3-D point nearest to *place* (float64[3], um) determines a relative position on its section, and that
    the segment whose centre is nearest. The label states the NEURON distance from the soma's 0-end to that
    centre.

    Parameters
    ----------
    cell
        The cell.
    place
        The landmark in um, float64[3].
    landmark
        Name of the landmark file.
    number
        Number of the landmark in it.
    """
    shape = cell.branches
    point = int(((shape.points - place) ** 2).sum(axis=1).argmin())
    section = int(np.searchsorted(shape.first, point, side="right")) - 1
    count = cell.sections[section].nseg
    centres = (np.arange(count) + 0.5) / count
    segment = int(np.abs(centres - shape.relative[point]).argmin())
    x = float(centres[segment])
    where = f"sec_{section:03d}_seg_{segment:03d}_x_{x:.3f}_somaDist_{cell.distance(section, x):.1f}"
    return Site(f"{landmark}_ID_{number:03d}_{where}", section, segment, x)


@dataclass(frozen=True)
class SegmentFrames:
    """Variables of all segments over time.

    Attributes
    ----------
    time
        In ms, float64[n_frames].
    values
        By name of the variable, float32[n_frames, n_segments]: ``v`` in mV, ``i_membrane`` in nA, others in NEURON's
        unit; NaN where a segment does not have the variable.
    """

    time: Reals
    values: dict[str, Frames]


class SegmentReader:
    """Reads variables of some segments, or of point processes, as they are now.

    Parameters
    ----------
    segments
        NEURON's segments or point processes, in the order of the columns.
    variables
        ``v``, ``i_membrane`` or any range variable, such as ``ina`` or ``m_hh``; of point processes their own, such as ``g``.

    Attributes
    ----------
    variables
        Names of the variables.
    missing
        Those that none has.
    """

    def __init__(self, segments: Sequence[Any], variables: Sequence[str]) -> None:
        from neuron import h

        # A reader that is dropped no longer needs its currents.
        weakref.finalize(self, MembraneCurrents(variables).release).atexit = False
        self.variables, self._h, self._n = tuple(variables), h, len(segments)
        # Segment by segment: where NEURON keeps one variable of a node, it keeps the others.
        found = [[reference(segment, name) for name in variables] for segment in segments]
        there = np.array([[own is not None for own in row] for row in found], bool)
        there = there.reshape(len(segments), len(self.variables))
        self._places = {name: _places(there, at) for at, name in enumerate(self.variables)}
        self.missing = tuple(
            name for at, name in enumerate(self.variables) if self._n and not there[:, at].any()
        )
        self._pointers, self._buffer = h.PtrVector(max(int(there.sum()), 1)), h.Vector(int(there.sum()))
        self._view: Reals = self._buffer.as_numpy() if there.any() else np.empty(0)
        for at, own in enumerate(own for row in found for own in row if own is not None):
            self._pointers.pset(at, own)

    def frames(self, n_frames: int) -> dict[str, Frames]:
        """Return memory for frames: NaN, float32[n_frames, n_segments], by name of the variable.

        Parameters
        ----------
        n_frames
            How many.
        """
        return {name: np.full((n_frames, self._n), np.nan, np.float32) for name in self.variables}

    def read(self, frames: dict[str, Frames], at: int) -> None:
        """Read all variables into one frame.

        Parameters
        ----------
        frames
            Memory as of `frames`.
        at
            Number of the frame.
        """
        if not len(self._view):
            return
        self._pointers.gather(self._buffer)
        for name, (where, position) in self._places.items():
            frames[name][at, where] = self._view[position]


class SegmentRecorder:
    """Reads variables of all segments of some sections, between the steps of a simulation with a fixed time step.

    Frames are handed on in blocks of about a MiB, so that a trial of any length needs no more memory than that.

    Parameters
    ----------
    sections
        Sections, whose segments are taken from the 0-end on.
    variables
        As of `SegmentReader`.

    Attributes
    ----------
    n_segments
        Number of segments.
    block
        Frames in a block.

    Raises
    ------
    ModelError
        A variable that no segment has.
    """

    def __init__(self, sections: Sequence[Any], variables: Sequence[str]) -> None:
        from neuron import h

        segments = [segment for section in sections for segment in section]
        self.n_segments, self._h = len(segments), h
        self.block = max(1, BLOCK_BYTES // (np.float32().itemsize * self.n_segments))
        self._reader = SegmentReader(segments, variables)
        if self._reader.missing:
            raise ModelError(f"no segment has a variable {self._reader.missing[0]!r}")
        self._time = np.empty(self.block)
        self._values = self._reader.frames(self.block)

    def begin(self, sink: "Sink") -> None:
        """Record the first frame.

        Parameters
        ----------
        sink
            Called with each block of frames.
        """
        self._sink, self._frame = sink, 0
        self.take()

    def take(self) -> None:
        """Take a frame."""
        self._time[self._frame] = self._h.t
        self._reader.read(self._values, self._frame)
        self._frame += 1
        if self._frame == self.block:
            self.finish()

    def finish(self) -> None:
        """Hand on what was taken since the last block."""
        if self._frame:
            taken = slice(self._frame)
            self._sink(
                SegmentFrames(self._time[taken], {name: own[taken] for name, own in self._values.items()})
            )
        self._frame = 0


Sink = Callable[[SegmentFrames], None]
"""Takes a block of frames, which it may not keep: the memory is used again."""


class Collected:
    """A sink that keeps all frames."""

    def __init__(self) -> None:
        self._blocks: list[SegmentFrames] = []

    def __call__(self, block: SegmentFrames) -> None:
        """Keep a copy of a block."""
        self._blocks.append(
            SegmentFrames(block.time.copy(), {name: own.copy() for name, own in block.values.items()})
        )

    def frames(self) -> SegmentFrames:
        """Return all frames that were recorded."""
        values = {
            name: np.concatenate([block.values[name] for block in self._blocks])
            for name in self._blocks[0].values
        }
        return SegmentFrames(np.concatenate([block.time for block in self._blocks]), values)


class MembraneCurrents:
    """Lets NEURON compute membrane currents while they are needed, and then leaves the switch as it was.

    Parameters
    ----------
    variables
        What is recorded; currents are wanted if `CURRENT` is among it.
    """

    _wanted: ClassVar[int] = 0
    _off_before: ClassVar[bool] = False

    def __init__(self, variables: Iterable[str]) -> None:
        self._wants = CURRENT in variables
        if not self._wants:
            return
        solver = _solver()
        if not MembraneCurrents._wanted:
            MembraneCurrents._off_before = not solver.use_fast_imem()
        MembraneCurrents._wanted += 1
        # To switch on what is on would take away what others refer to.
        if not solver.use_fast_imem():
            solver.use_fast_imem(True)

    def release(self) -> None:
        """Want them no longer."""
        if self._wants:
            self._wants = False
            MembraneCurrents._wanted -= 1
            if not MembraneCurrents._wanted and MembraneCurrents._off_before:
                _solver().use_fast_imem(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _solver() -> Any:
    from neuron import h

    return h.CVode()


def reference(segment: Any, variable: str) -> Any:
    """Return NEURON's reference to a variable of a segment; None where it has none.

    Parameters
    ----------
    segment
        A segment of NEURON's.
    variable
        Name of a range variable.
    """
    name = f"_ref_{variable}_" if variable == CURRENT else f"_ref_{variable}"
    return getattr(segment, name, None)


def _places(there: NDArray[np.bool_], variable: int) -> tuple[Any, Any]:
    """Segments that have a variable, and where it stands among all that are read, bool[n_segments, n_variables]."""
    # A slice is written several times faster than a choice of columns.
    if there.all():
        return slice(None), slice(variable, None, there.shape[1])
    position = np.cumsum(there).reshape(there.shape) - 1
    where = np.flatnonzero(there[:, variable])
    return where, position[where, variable]
