"""Small trees of circuits, and what cells made of them do."""

from typing import Any

import numpy as np

from neurolake.mechanisms.network.cells import NetworkNode, TreeShape

# x, y, z, diameter, type, parent: a soma along z, a basal stem, an apical stem that forks, an axon.
POINTS = np.array(
    [
        (0, 0, 0, 16, 1, -1),
        (0, 0, 8, 16, 1, 0),
        (0, 0, 16, 16, 1, 1),
        (0, 0, -40, 2, 3, 0),
        (0, 0, -120, 1.5, 3, 3),
        (0, 0, 116, 3, 4, 2),
        (50, 0, 216, 2, 4, 5),
        (-50, 0, 216, 1.5, 4, 5),
        (20, 0, 8, 1, 2, 1),
        (60, 0, 8, 1, 2, 8),
    ],
    float,
)
SECTIONS = ([0, 1, 2], [0, 3, 4], [2, 5], [5, 6], [5, 7], [1, 8, 9])
LINKS = ([0, 0, 2, 2, 0], [1, 2, 3, 4, 5])


def small_tree(name: str = "small") -> TreeShape:
    """A tree of six sections; one hangs on the middle of the soma."""
    columns = dict(zip(("x", "y", "z", "diameter", "type", "parent"), POINTS.T, strict=True))
    columns["layer"] = np.full(len(POINTS), -1)
    return TreeShape.of(
        name,
        columns,
        [np.array(points, np.int32) for points in SECTIONS],
        (np.array(LINKS[0], np.int32), np.array(LINKS[1], np.int32)),
    )


def small_node(gid: int = 0, **attributes: Any) -> NetworkNode:
    """A node with that tree."""
    return NetworkNode(gid, "cells", gid, small_tree(), attributes=attributes)
