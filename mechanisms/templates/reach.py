"""Which stretches of a cell's sections lie at some distances from its soma, and places that are drawn on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cell.shapes import APICAL, AXON, DENDRITE, SOMA, Shape
from ..network.cells import NetworkNode
from ..network.templates import CellTemplate
from .allen import AllenTemplate
from .trees import tree_morphology

PARTS = {SOMA: "soma", AXON: "axon", DENDRITE: "dend", APICAL: "apic"}
"""Short names of parts, by label."""


@dataclass(frozen=True, eq=False)
class Reach:
    """Stretches of sections.

    Attributes
    ----------
    section
        Number of the section of each, int32[n].
    begin, end
        Where on the section it begins and ends, relative positions, float64[n].
    length
        How long it is, in µm, float64[n].
    """

    section: NDArray[np.int32]
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    length: NDArray[np.float64]

    def place(self, draws: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return places, each anywhere with equal probability: section, int32[n], and position, float64[n].

        Parameters
        ----------
        draws
            A uniform number in (0, 1] for each, float64[n].
        """
        until = np.cumsum(self.length)
        way = draws * until[-1]
        at = np.minimum(np.searchsorted(until, way), len(until) - 1)
        share = 1.0 - (until[at] - way) / self.length[at]
        return self.section[at], self.begin[at] + share * (self.end[at] - self.begin[at])


def reach(shapes: Sequence[Shape], parts: Collection[str], low: float, high: float) -> Reach:
    """Return the stretches of some parts of a cell that lie within distances from the soma's middle, along the tree.

    All of the soma is at distance 0.

    Parameters
    ----------
    shapes
        Sections of the cell, parents before their children.
    parts
        Names of parts, as of `PARTS`.
    low, high
        Least and greatest distance in µm.
    """
    lengths = np.array([_length(shape) for shape in shapes])
    begins = np.zeros(len(shapes))
    for at, shape in enumerate(shapes):
        if shape.parent >= 0:
            above = shapes[shape.parent]
            way = abs(shape.parent_x - 0.5) if above.label == SOMA else shape.parent_x
            begins[at] = begins[shape.parent] + way * lengths[shape.parent]
    rows = []
    for at, shape in enumerate(shapes):
        if PARTS.get(shape.label) not in parts or lengths[at] <= 0:
            continue
        if shape.label == SOMA:
            begin, end = (0.0, 1.0) if low <= 0 <= high else (1.0, 0.0)
        else:
            begin = max(0.0, (low - begins[at]) / lengths[at])
            end = min(1.0, (high - begins[at]) / lengths[at])
        if end > begin:
            rows.append((at, begin, end, (end - begin) * lengths[at]))
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    return Reach(columns[0].astype(np.int32), columns[1], columns[2], columns[3])


def _length(shape: Shape) -> float:
    return float(np.linalg.norm(np.diff(shape.points[:, :3], axis=0), axis=1).sum())


def shapes_of(template: CellTemplate | None, node: NetworkNode) -> Sequence[Shape] | None:
    """Return the sections that a template will make of a node, as far as they are known before; else None.

    Parameters
    ----------
    template
        What makes the cell.
    node
        The cell.

    Raises
    ------
    ModelError
        The node's morphology cannot be read.
    """
    if isinstance(template, AllenTemplate):
        return template.shapes(node)
    if node.shape is not None:
        return tree_morphology(node.shape).shapes
    return None
