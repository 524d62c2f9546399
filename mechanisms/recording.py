"""What is recorded of sections while they are simulated: potentials at sites, variables of all segments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .sections import Cell

Reals = NDArray[np.float64]
Frames = NDArray[np.float32]

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
    """Places in um from a landmarkAscii file of Amira, float64[n, 3].

    The number of markers that its header promises is not looked at, as the In Silico Framework does not.

    Raises
    ------
    ModelError
        A file that cannot be read, lines after ``@1`` that are not three numbers, or none.
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
    """The segment nearest to a landmark, named as in simrun results.

    The 3-D point nearest to *place* (float64[3], um) gives a relative position on its section, and that the segment
    whose centre is nearest. The label tells the NEURON distance from the soma's 0-end to that centre.
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


class SegmentRecorder:
    """Reads variables of all segments of some sections, between the steps of a simulation with a fixed time step.

    Parameters
    ----------
    sections
        Sections, whose segments are taken from the 0-end on.
    variables
        ``v``, ``i_membrane`` or any range variable, such as ``ina`` or ``m_hh``.

    Raises
    ------
    ModelError
        A variable that no segment has.
    """

    def __init__(self, sections: Sequence[Any], variables: Sequence[str]) -> None:
        from neuron import h

        ask_for_currents(variables)
        segments = [segment for section in sections for segment in section]
        self._count = len(segments)
        self._gathers = {name: _gather(h, segments, name) for name in variables}
        self._h = h

    def begin(self, frames: int) -> None:
        """Make room for so many frames, and take the first."""
        self._time = np.empty(frames)
        self._values = {name: np.full((frames, self._count), np.nan, np.float32) for name in self._gathers}
        self._frame = 0
        self.take()

    def take(self) -> None:
        """Take a frame."""
        self._time[self._frame] = self._h.t
        for name, (where, pointers, buffer, view) in self._gathers.items():
            pointers.gather(buffer)
            self._values[name][self._frame, where] = view
        self._frame += 1

    def frames(self) -> SegmentFrames:
        """What was taken since `begin`."""
        taken = slice(self._frame)
        return SegmentFrames(self._time[taken], {name: own[taken] for name, own in self._values.items()})


def ask_for_currents(variables: Sequence[str]) -> bool:
    """Let NEURON compute membrane currents if they are among *variables*; whether it did before."""
    from neuron import h

    solver = h.CVode()
    before = bool(solver.use_fast_imem())
    if CURRENT in variables and not before:
        solver.use_fast_imem(True)
    return before


def reference(segment: Any, variable: str) -> Any:
    """NEURON's reference to a variable of a segment; None where it has none."""
    name = f"_ref_{variable}_" if variable == CURRENT else f"_ref_{variable}"
    return getattr(segment, name, None)


def _gather(h: Any, segments: Sequence[Any], variable: str) -> tuple[Any, Any, Any, Reals]:
    """Which segments have the variable, what reads them, and where it is read to, as NEURON's and as NumPy's."""
    found = [reference(segment, variable) for segment in segments]
    where = np.array([own is not None for own in found])
    if not where.any():
        raise ModelError(f"no segment has a variable {variable!r}")
    pointers, buffer = h.PtrVector(int(where.sum())), h.Vector(int(where.sum()))
    for at, own in enumerate(own for own in found if own is not None):
        pointers.pset(at, own)
    # A slice is written several times faster than a choice of columns.
    return slice(None) if where.all() else np.flatnonzero(where), pointers, buffer, buffer.as_numpy()
