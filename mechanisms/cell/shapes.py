"""The shape of a cell: sections of 3-D points.

A section is an unbranched piece. Labels are simrun's: ``Soma``, ``Dendrite`` (basal), ``ApicalDendrite``, ``Axon``.
"""

from collections import defaultdict
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
        x, y, z and diameter in um as the file has them, float64[n_points, 4].
    segments
        Number of segments, where it is not for the discretisation to choose.
    kind
        Type of its samples in an SWC file.
    """

    name: str
    label: str
    parent: int
    parent_x: float
    points: NDArray[np.float64]
    segments: int | None = None
    kind: int | None = None


@dataclass(frozen=True)
class Morphology:
    """The shape of a cell.

    Attributes
    ----------
    shapes
        Sections in the order of their IDs; all grow from one of them.
    path
        The file, if there is one.
    notices
        What the file says and is not part of the shape, with its lines.
    """

    shapes: tuple[Shape, ...]
    path: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each section."""
        return tuple(shape.label for shape in self.shapes)


def morphology(
    shapes: Sequence[Shape],
    path: str | Path | None = None,
    lines: Sequence[int] | None = None,
    notices: Sequence[str] = (),
) -> Morphology:
    """Put a cell together.

    Parameters
    ----------
    shapes
        Its sections.
    path, lines
        The file and the line of each section in it, for messages.
    notices
        See `Morphology`.

    Raises
    ------
    ModelError
        Names given twice, more than one section without parent, or none, a section that is its own ancestor, one of
        fewer than two points or of no length, diameters that are not above 0, or numbers that are not finite.
    """

    def refuse(at: int, reason: str) -> ModelError:
        return ModelError(reason, path, None if lines is None else lines[at])

    known: set[str] = set()
    for at, shape in enumerate(shapes):
        if shape.name in known:
            raise refuse(at, f"section {shape.name!r} is there twice")
        known.add(shape.name)
        with np.errstate(over="ignore"):
            kept = shape.points.astype(np.float32)  # as NEURON keeps them
        if not np.isfinite(kept).all() or not (kept[:, 3] > 0).all():
            raise refuse(at, f"section {shape.name!r}: a diameter not above 0, or a number not finite")
        if len(kept) < 2 or not np.ptp(kept[:, :3], axis=0).any():
            raise refuse(at, f"section {shape.name!r}: expected two 3-D points or more, not all in one place")
    roots = [at for at, shape in enumerate(shapes) if shape.parent < 0]
    if len(roots) != 1:
        found = ", ".join(shapes[at].name for at in roots) or "none"
        reason = f"expected one soma from which all grows; sections without parent: {found}"
        raise refuse(roots[1], reason) if roots else ModelError(reason, path)
    strangers = set(range(len(shapes))) - _rooted(shapes)
    if strangers:
        at = min(strangers)
        raise refuse(at, f"section {shapes[at].name!r} is its own ancestor, or grows on one that is")
    return Morphology(tuple(shapes), path if path is None else str(path), tuple(notices))


def _rooted(shapes: Sequence[Shape]) -> set[int]:
    children: dict[int, list[int]] = defaultdict(list)
    for at, shape in enumerate(shapes):
        children[shape.parent].append(at)
    rooted: set[int] = set()
    stack = list(children[-1])
    while stack:
        rooted.add(at := stack.pop())
        stack += children[at]
    return rooted
