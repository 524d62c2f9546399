"""A small pyramidal cell: trunk with an oblique and a two-branched tuft, eight basal dendrites."""

import numpy as np
from numpy.typing import NDArray

from neurolake.mechanisms.cell.shapes import Morphology, Shape, morphology

PLAN: tuple[tuple[str, int, tuple[float, float, float], float, tuple[float, float]], ...] = (
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
)
"""Name, parent, direction, length in um, and diameters at begin and end."""


def small_pyramid() -> Morphology:
    """The cell; the soma's centre is the origin, and z points up to the pia."""
    z = np.linspace(-10.0, 10.0, 5)
    shapes = [
        Shape("soma", "Soma", -1, 1.0, np.column_stack([0 * z, 0 * z, z, [9.0, 16.0, 18.0, 15.0, 8.0]]))
    ]
    for name, parent, direction, length, diameters in PLAN:
        heading = np.array(direction) / np.linalg.norm(direction)
        start = shapes[parent].points[-1, :3] if parent else (10.0 if name == "apical_0" else 9.0) * heading
        label = "ApicalDendrite" if name.startswith("apical") else "Dendrite"
        points = winding(start, heading, length, diameters)
        shapes.append(Shape(name, label, parent, 1.0 if parent else 0.5, points))
    return morphology(shapes)


def winding(
    start: NDArray[np.float64], heading: NDArray[np.float64], length: float, diameters: tuple[float, float]
) -> NDArray[np.float64]:
    """A gently winding, tapering dendrite: x, y, z, diameter."""
    side = np.cross(heading, [0.48, 0.6, 0.64])
    s = np.linspace(0.0, 1.0, max(3, round(length / 12.0) + 1))
    xyz = start + np.outer(s * length, heading) + np.outer(0.03 * length * np.sin(2 * np.pi * s), side)
    return np.column_stack([xyz, np.interp(s, [0.0, 1.0], diameters)]).round(6)
