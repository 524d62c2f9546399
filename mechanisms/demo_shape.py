"""The shape of the demo cell: a small pyramidal neuron with a tuft, as 3-D points.

Invented for the demo, in the proportions of a layer 5 cell at a third of its length. z is the cortical depth
axis, up towards the pia; the soma's centre is the origin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

POINT_SPACING_UM = 12.0


@dataclass(frozen=True)
class Branch:
    """One unbranched piece of the cell.

    Attributes
    ----------
    name
        Name of the section in NEURON and in the .hoc file.
    label
        ``Soma``, ``Dendrite`` (basal) or ``ApicalDendrite``.
    parent
        Index of the parent in the list of branches, -1 for the soma. Children of the soma start at its middle,
        all others at their parent's end.
    points
        x, y, z and diameter in um, float64[n_points, 4].
    """

    name: str
    label: str
    parent: int
    points: NDArray[np.float64]

    @cached_property
    def path(self) -> NDArray[np.float64]:
        """Length from the start to each point in um, float64[n_points]."""
        steps = np.linalg.norm(np.diff(self.points[:, :3], axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length(self) -> float:
        """Length in um."""
        return float(self.path[-1])

    @property
    def area(self) -> float:
        """Membrane area in um2, that of a tube of the mean diameter."""
        return float(np.pi * self.length * self.points[:, 3].mean())

    @property
    def segments(self) -> int:
        """Number of compartments: odd, of 52 um at most."""
        return 2 * int(self.length / 52) + 1

    def nearest_point(self, x: float) -> int:
        """Index of the 3-D point nearest to relative position *x* (the first of two equally near)."""
        return int(np.argmin(np.abs(self.path / self.length - x)))


def soma_distance(branches: Sequence[Branch], branch: int, x: float) -> float:
    """Path length in um from the soma to relative position *x* of a branch; 0 on the soma itself.

    Notes
    -----
    As in simrun results, the path starts where the dendrite does: the soma's radius is not part of it.
    """
    if branches[branch].label == "Soma":
        return 0.0
    distance = x * branches[branch].length
    while branches[branch := branches[branch].parent].label != "Soma":
        distance += branches[branch].length
    return distance


def _soma() -> Branch:
    z = np.linspace(-10.0, 10.0, 5)
    diameter = np.array([9.0, 16.0, 18.0, 15.0, 8.0])
    return Branch("soma", "Soma", -1, np.column_stack([0 * z, 0 * z, z, diameter]))


def _grown(
    name: str,
    parent: int,
    start: NDArray[np.float64],
    *,
    direction: tuple[float, float, float],
    length: float,
    diameters: tuple[float, float],
) -> Branch:
    """A gently winding, tapering dendrite of about *length* um."""
    heading = np.array(direction) / np.linalg.norm(direction)
    side = np.cross(heading, [0.48, 0.6, 0.64])
    s = np.linspace(0.0, 1.0, max(3, round(length / POINT_SPACING_UM) + 1))
    winding = 0.03 * length * np.sin(2 * np.pi * s)
    xyz = start + np.outer(s * length, heading) + np.outer(winding, side)
    label = "ApicalDendrite" if name.startswith("apical") else "Dendrite"
    points = np.column_stack([xyz, np.interp(s, [0.0, 1.0], diameters)])
    return Branch(name, label, parent, points.round(6))  # the digits of a .hoc file


def demo_branches() -> tuple[Branch, ...]:
    """The cell in section order: soma, trunk with an oblique and a two-branched tuft, eight basal dendrites."""
    cell = [_soma()]
    plan: list[tuple[str, int, tuple[float, float, float], float, tuple[float, float]]] = [
        ("apical_0", 0, (0.02, 0.0, 1.0), 180.0, (4.6, 3.8)),  # lower trunk
        ("apical_1", 1, (0.9, 0.3, 0.25), 150.0, (1.4, 0.8)),  # oblique
        ("apical_2", 1, (-0.03, 0.04, 1.0), 280.0, (3.6, 2.8)),  # upper trunk
        ("apical_3", 3, (-0.7, 0.1, 0.75), 210.0, (1.8, 0.9)),  # tuft
        ("apical_4", 3, (0.6, -0.3, 0.8), 230.0, (1.8, 0.9)),
        ("dend_0", 0, (0.9, 0.2, -0.4), 70.0, (2.4, 1.8)),
        ("dend_1", 6, (1.0, 0.5, -0.2), 120.0, (1.4, 0.8)),
        ("dend_2", 6, (0.7, -0.3, -0.9), 110.0, (1.4, 0.8)),
        ("dend_3", 0, (-0.8, 0.3, -0.5), 80.0, (2.4, 1.8)),
        ("dend_4", 9, (-1.0, 0.7, -0.3), 110.0, (1.4, 0.8)),
        ("dend_5", 9, (-0.6, -0.2, -1.0), 130.0, (1.4, 0.8)),
        ("dend_6", 0, (0.1, -0.9, -0.4), 150.0, (2.0, 0.8)),
        ("dend_7", 0, (-0.1, 0.8, -0.6), 140.0, (2.0, 0.8)),
    ]
    for name, parent, direction, length, diameters in plan:
        start = cell[parent].points[-1, :3] if parent else _soma_surface(name, direction)
        cell.append(_grown(name, parent, start, direction=direction, length=length, diameters=diameters))
    return tuple(cell)


def _soma_surface(name: str, direction: tuple[float, float, float]) -> NDArray[np.float64]:
    radius = 10.0 if name.startswith("apical") else 9.0
    return radius * np.array(direction) / np.linalg.norm(direction)
