"""Trees of circuits as sections of a cell, in the order of the tree's own."""

import numpy as np
from numpy.typing import NDArray

from ..cell.shapes import APICAL, AXON, DENDRITE, SOMA, Morphology, Shape, morphology
from ..errors import ModelError
from ..network.cells import TreeShape

LABELS = {1: SOMA, 2: AXON, 3: DENDRITE, 4: APICAL, 5: APICAL, 6: APICAL, 7: AXON, 8: AXON}
"""Part of the cell by SWC type: trunk and tuft are apical, initial segment and hillock are axon, all else is dendrite."""

_NAMES = {SOMA: "soma", AXON: "axon", DENDRITE: "dend", APICAL: "apic"}


def tree_morphology(tree: TreeShape) -> Morphology:
    """Return the sections of a tree, each at the place that it has in the tree.

    A section hangs on its parent where the tree says, at the share of the parent's length that lies before that point. A
    soma of one point is a cylinder along x, as long as wide.

    Parameters
    ----------
    tree
        The tree.

    Raises
    ------
    ModelError
        Not all grows from one section, or a section has no length.
    """
    rows = [_rows(tree, points) for points in tree.sections]
    above = np.full(len(rows), -1)
    place = np.zeros(len(rows))
    for parent, child, at in zip(
        tree.source.tolist(), tree.destination.tolist(), tree.location.tolist(), strict=True
    ):
        above[child], place[child] = parent, _share(rows[parent], at)
    shapes = []
    for at, (kind, points) in enumerate(zip(tree.section_types.tolist(), rows, strict=True)):
        label = LABELS.get(kind, DENDRITE)
        if above[at] < 0 and len(points) == 1:
            points = _cylinder(points[0])
        shapes.append(
            Shape(f"{_NAMES[label]}_{at}", label, int(above[at]), float(place[at]), points, kind=kind)
        )
    try:
        return morphology(shapes)
    except ModelError as error:
        raise ModelError(f"tree {tree.name}: {error.reason}") from error


def _rows(tree: TreeShape, points: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.stack([getattr(tree, name)[points] for name in ("x", "y", "z", "diameter")], axis=1)


def _share(points: NDArray[np.float64], at: int) -> float:
    """Share of a section's length that lies before one of its points; the middle of a section of one point."""
    if len(points) == 1:
        return 0.5
    if at in (0, len(points) - 1):
        return float(at > 0)
    path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))])
    return float(path[at] / path[-1]) if path[-1] > 0 else 0.0


def _cylinder(point: NDArray[np.float64]) -> NDArray[np.float64]:
    made = np.tile(point, (3, 1))
    made[:, 0] += np.array([-0.5, 0.0, 0.5]) * point[3]
    return made
