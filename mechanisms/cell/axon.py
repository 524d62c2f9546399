"""The axon that is added to cells whose own was not reconstructed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .shapes import SOMA, Shape

AIS, MYELIN = "AIS", "Myelin"


def with_axon(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """Return the sections, followed by axon hillock and initial segment (``AIS``) and an internode (``Myelin``).

    They go straight down (-z) from the soma's surface and start on the soma's middle: a hillock of 20 um, tapering
    from 3 to 1.75 um; an initial segment of 30 um, from 1.75 to 1 um; myelin of 1,000 um, 1 um thick. Dimensions
    after Hay E, Schurmann F, Markram H, Segev I (2013) J Neurophysiol 109:2972-2981.

    Parameters
    ----------
    shapes
        Sections of the cell, the soma among them.
    """
    soma = next(at for at, shape in enumerate(shapes) if shape.label == SOMA)
    middle = shapes[soma].points[len(shapes[soma].points) // 2]
    top, first = middle[:3] - [0.0, 0.0, middle[3] / 2], len(shapes)
    hillock = _cone(top, length=20.0, diameters=(3.0, 1.75), points=5)
    initial = _cone(hillock[-1], length=30.0, diameters=(1.75, 1.0), points=7)
    myelin = _cone(initial[-1], length=1000.0, diameters=(1.0, 1.0), points=21)
    return (
        *shapes,
        Shape("hillock", AIS, soma, 0.5, hillock, segments=5),
        Shape("ais", AIS, first, 1.0, initial, segments=7),
        Shape("myelin", MYELIN, first + 1, 1.0, myelin, segments=21),
    )


def _cone(
    top: NDArray[np.float64], *, length: float, diameters: tuple[float, float], points: int
) -> NDArray[np.float64]:
    """A cone from a place downwards: x, y, z, diameter."""
    share = np.linspace(0.0, 1.0, points)
    cone = np.empty((points, 4))
    cone[:, :2] = top[:2]
    cone[:, 2] = top[2] - share * length
    cone[:, 3] = np.interp(share, [0.0, 1.0], diameters)
    return cone
