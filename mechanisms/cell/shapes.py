"""The shape of a cell: sections of 3-D points.

A section is an unbranched piece. Labels are simrun's: ``Soma``, ``Dendrite`` (basal), ``ApicalDendrite``, ``Axon``;
whatever starts on the soma starts at its middle, wherever the file attaches it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

SOMA, DENDRITE, APICAL, AXON = "Soma", "Dendrite", "ApicalDendrite", "Axon"


@dataclass(frozen=True)
class Shape:
    """The shape of one section.

    Attributes
    ----------
    name, label
        The section's name, and the part of the cell that it belongs to.
    parent, parent_x
        Index of the section it starts on, -1 for the root, and where on it from 0 to 1.
    points
        x, y, z and diameter in um as the file gives them, float64[n_points, 4].
    segments
        Number of segments, where it is not for the discretisation to choose.
    """

    name: str
    label: str
    parent: int
    parent_x: float
    points: NDArray[np.float64]
    segments: int | None = None


@dataclass(frozen=True)
class Morphology:
    """The shape of a cell.

    Attributes
    ----------
    shapes
        Sections in the order that gives them their IDs; the soma is the root of all others.
    path
        The file, if there is one.
    """

    shapes: tuple[Shape, ...]
    path: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each section."""
        return tuple(shape.label for shape in self.shapes)


def morphology(shapes: Sequence[Shape], path: str | Path | None = None) -> Morphology:
    """Put a cell together.

    Raises
    ------
    ModelError
        No soma, more than one, sections that do not grow from it, names given twice, fewer than two points in a
        section, diameters that are not above 0, or numbers that are not finite.
    """
    names = [shape.name for shape in shapes]
    roots = [shape for shape in shapes if shape.parent < 0]
    if [shape.label for shape in shapes].count(SOMA) != 1 or len(roots) != 1 or roots[0].label != SOMA:
        found = ", ".join(shape.name for shape in roots) or "none"
        raise ModelError(f"expected one soma from which all grows; sections without parent: {found}", path)
    for at, shape in enumerate(shapes):
        if names.index(shape.name) != at:
            raise ModelError(f"section {shape.name!r} is there twice", path)
        if len(shape.points) < 2 or not np.ptp(shape.points[:, :3], axis=0).any():
            raise ModelError(
                f"section {shape.name!r}: expected two 3-D points or more, not all in one place", path
            )
        if not np.isfinite(shape.points).all() or not (shape.points[:, 3] > 0).all():
            raise ModelError(f"section {shape.name!r}: a diameter not above 0, or a number not finite", path)
    _check_rooted(shapes, path)
    return Morphology(tuple(shapes), path if path is None else str(path))


def _check_rooted(shapes: Sequence[Shape], path: str | Path | None) -> None:
    rooted = {at for at, shape in enumerate(shapes) if shape.parent < 0}
    while grown := {at for at, shape in enumerate(shapes) if shape.parent in rooted} - rooted:
        rooted |= grown
    for at, shape in enumerate(shapes):
        if at not in rooted:
            raise ModelError(f"section {shape.name!r} is its own ancestor", path)
