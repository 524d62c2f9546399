"""The shape of the demo cell: a pyramidal neuron of layer 5, grown by a few rules and random numbers.

Invented for the demo, in the proportions of a thick-tufted cell: basal dendrites, a trunk with obliques, a tuft that
reaches 1.2 mm. z is the cortical depth axis, up towards the pia; the soma's centre is the origin. The numbers are
drawn by a counter-based generator: it is the same cell everywhere.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..cell.shapes import APICAL, DENDRITE, SOMA, Morphology, Shape, morphology

Reals = NDArray[np.float64]

SPACING_UM = 15.0
UP = np.array([0.0, 0.0, 1.0])

_KEY = (0x6E6575726F6C616B, 1)
_STEMS = 8
_TRUNK = (110.0, 130.0, 150.0, 160.0, 150.0)
_TRUNK_DIAMETERS = (6.0, 5.0, 4.4, 3.9, 3.4, 3.0)


@dataclass(frozen=True)
class _Kind:
    """How dendrites of a kind grow, level by level.

    Attributes
    ----------
    name, label
        Of the sections.
    lengths, diameters
        Mean length in um of the branches of each level, and diameters in um at their begin and end.
    rise
        How much they turn upwards at each step, as a share of a unit vector.
    spread
        Angle between two children in rad.
    """

    name: str
    label: str
    lengths: tuple[float, ...]
    diameters: tuple[tuple[float, float], ...]
    rise: float
    spread: float


_BASAL = _Kind("dend", DENDRITE, (35.0, 80.0, 120.0), ((2.4, 1.9), (1.5, 1.1), (1.0, 0.7)), -0.01, 0.9)
_OBLIQUE = _Kind("apical_oblique", APICAL, (60.0, 130.0), ((1.5, 1.1), (1.0, 0.7)), 0.02, 0.8)
_TUFT = _Kind("apical_tuft", APICAL, (90.0, 150.0, 190.0), ((2.2, 1.6), (1.4, 1.0), (0.9, 0.6)), 0.03, 0.9)


@cache
def demo_morphology() -> Morphology:
    """Return the cell: soma, trunk, obliques, tuft and basal dendrites, in this order."""
    growth = _Growth()
    tip = _soma(growth)
    for number, length in enumerate(_TRUNK):
        diameters = _TRUNK_DIAMETERS[number], _TRUNK_DIAMETERS[number + 1]
        tip = growth.branch("apical_trunk", APICAL, tip, UP, length, diameters, rise=0.1)
        if number < len(_TRUNK) - 1:
            growth.tree(_OBLIQUE, tip, _sideways(growth.angle(), 0.35))
    for side in (0.0, np.pi):
        growth.tree(_TUFT, tip, _sideways(side + growth.angle() / 8, 1.2))
    for stem in range(_STEMS):
        angle = 2 * np.pi * (stem + 0.3 * growth.share()) / _STEMS
        growth.tree(_BASAL, 0, _sideways(angle, -0.4 - growth.share()))
    return morphology(growth.shapes)


def _soma(growth: "_Growth") -> int:
    z = np.linspace(-10.0, 10.0, 5)
    points = np.column_stack([0 * z, 0 * z, z, [10.0, 17.0, 20.0, 16.0, 9.0]])
    growth.shapes.append(Shape("soma", SOMA, -1, 0.0, points))
    return 0


def _sideways(angle: float, height: float) -> Reals:
    return np.array([np.cos(angle), np.sin(angle), height])


@dataclass
class _Growth:
    """Sections so far, and the random numbers that decide about the next."""

    shapes: list[Shape] = field(default_factory=list)
    random: np.random.Generator = field(
        default_factory=lambda: np.random.Generator(np.random.Philox(key=np.array(_KEY, np.uint64)))
    )

    def share(self) -> float:
        return float(self.random.random())

    def angle(self) -> float:
        return 2 * np.pi * self.share()

    def tree(self, kind: _Kind, parent: int, heading: Reals, level: int = 0) -> None:
        """A branch on a parent's end, and two on its own until the levels are used up."""
        length = kind.lengths[level] * (0.75 + 0.5 * self.share())
        tip = self.branch(
            kind.name, kind.label, parent, heading, length, kind.diameters[level], rise=kind.rise
        )
        if level + 1 == len(kind.lengths):
            return
        onward = _heading(self.shapes[tip].points)
        aside = np.cross(onward, _sideways(self.angle(), self.share()))
        aside *= np.tan(kind.spread / 2) / np.linalg.norm(aside)
        for child in (onward + aside, onward - aside):
            self.tree(kind, tip, child, level + 1)

    def branch(
        self,
        name: str,
        label: str,
        parent: int,
        heading: Reals,
        length: float,
        diameters: tuple[float, float],
        *,
        rise: float,
    ) -> int:
        """A winding, tapering branch; its number."""
        steps = max(2, round(length / SPACING_UM))
        on_soma = self.shapes[parent].label == SOMA
        heading = heading / np.linalg.norm(heading)
        places = [9.0 * heading if on_soma else self.shapes[parent].points[-1, :3]]
        for _ in range(steps):
            heading = heading + rise * UP + 0.12 * self.random.standard_normal(3)
            heading = heading / np.linalg.norm(heading)
            places.append(places[-1] + heading * length / steps)
        points = np.column_stack([places, np.linspace(*diameters, steps + 1)]).round(6)
        number = sum(shape.name.startswith(f"{name}_") for shape in self.shapes)
        self.shapes.append(Shape(f"{name}_{number}", label, parent, 0.5 if on_soma else 1.0, points))
        return len(self.shapes) - 1


def _heading(points: Reals) -> Reals:
    step: Reals = points[-1, :3] - points[-2, :3]
    return step / np.linalg.norm(step)
