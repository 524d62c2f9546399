"""Trees of the example network: a pyramidal and a basket cell of the hippocampus, grown by a few rules, as SWC.

Invented for the example, in the proportions of such cells. z is the depth axis, the soma's centre is the origin, and the
layer of each point follows from its z, for a cell whose soma is in the pyramidal layer.
"""

import numpy as np

from ..cell.shapes import APICAL, DENDRITE, SOMA, Shape
from .shape import UP, _Growth, _Kind, _sideways, _soma

LAYERS = {"SO": 5, "SP": 6, "SR": 8, "SLM": 9}
"""Numbers of the layers: oriens, pyramidale, radiatum, lacunosum-moleculare."""

_TYPES = {SOMA: 1, DENDRITE: 3, APICAL: 4}
_TOPS = ((-25.0, "SO"), (25.0, "SP"), (225.0, "SR"))

_BASAL = _Kind("dend", DENDRITE, (40.0, 70.0), ((1.8, 1.3), (1.1, 0.7)), -0.06, 0.8)
_OBLIQUE = _Kind("apical_oblique", APICAL, (50.0, 90.0), ((1.2, 0.9), (0.8, 0.6)), 0.0, 0.8)
_TUFT = _Kind("apical_tuft", APICAL, (60.0, 90.0), ((1.6, 1.2), (1.0, 0.6)), 0.05, 0.8)
_BASKET_UP = _Kind("apical", APICAL, (90.0, 120.0), ((1.8, 1.3), (1.1, 0.8)), 0.08, 0.6)
_BASKET_DOWN = _Kind("dend", DENDRITE, (60.0, 70.0), ((1.6, 1.2), (1.0, 0.8)), -0.08, 0.6)


def pyramidal_swc() -> str:
    """Return the pyramidal cell: four basal stems, a trunk with obliques, and a tuft; the same text everywhere."""
    growth = _Growth()
    tip = _soma(growth)
    for stem in range(4):
        growth.tree(_BASAL, 0, _sideways(2 * np.pi * (stem + 0.3 * growth.share()) / 4, -1.2))
    for length in (70.0, 70.0, 80.0):
        tip = growth.branch("apical_trunk", APICAL, tip, UP, length, (3.0, 2.4), rise=0.1)
        growth.tree(_OBLIQUE, tip, _sideways(growth.angle(), 0.3))
    for side in (0.0, np.pi):
        growth.tree(_TUFT, tip, _sideways(side + growth.angle() / 8, 1.0))
    return _swc(growth.shapes)


def basket_swc() -> str:
    """Return the basket cell: stems up through the radiatum, and down into the oriens; the same text everywhere."""
    growth = _Growth()
    _soma(growth)
    for kind, height in ((_BASKET_UP, 1.5), (_BASKET_UP, 1.5), (_BASKET_DOWN, -1.5), (_BASKET_DOWN, -1.5)):
        growth.tree(kind, 0, _sideways(growth.angle(), height))
    return _swc(growth.shapes)


def _swc(shapes: list[Shape]) -> str:
    """Sections as SWC with a layer in the eighth column."""
    lines: list[str] = []
    last: list[int] = []
    for shape in shapes:
        # A branch begins with the last point of its parent, which is there already; a stem begins on the soma.
        begin = 1 if shape.parent >= 0 and shape.parent_x == 1.0 else 0
        above = -1 if shape.parent < 0 else last[shape.parent] if begin else 0
        for x, y, z, diameter in shape.points[begin:].tolist():
            layer = next((name for top, name in _TOPS if z < top), "SLM")
            numbers = f"{x:.4f} {y:.4f} {z:.4f} {diameter / 2:.4f}"
            lines.append(f"{len(lines)} {_TYPES[shape.label]} {numbers} {above} {LAYERS[layer]}")
            above = len(lines) - 1
        last.append(above)
    return "\n".join(lines) + "\n"
