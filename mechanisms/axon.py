"""The axon that is added to cells whose own was not reconstructed."""

from collections.abc import Sequence

import numpy as np

from .shapes import SOMA, Shape

AIS, MYELIN = "AIS", "Myelin"


def with_axon(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """The sections, followed by axon hillock and initial segment (``AIS``) and an internode (``Myelin``).

    They go straight down (-z) from the soma's surface and start on the soma's middle: a hillock of 20 um, tapering
    from 3 to 1.75 um; an initial segment of 30 um, from 1.75 to 1 um; myelin of 1,000 um, 1 um thick. Dimensions
    after Hay E, Schurmann F, Markram H, Segev I (2013) J Neurophysiol 109:2972-2981.
    """
    soma = next(at for at, shape in enumerate(shapes) if shape.label == SOMA)
    middle = shapes[soma].points[len(shapes[soma].points) // 2]
    top, first = middle[:3] - [0.0, 0.0, middle[3] / 2], len(shapes)
    hillock = _cone("hillock", AIS, soma, top, length=20.0, diameters=(3.0, 1.75), segments=5)
    initial = _cone("ais", AIS, first, hillock.points[-1], length=30.0, diameters=(1.75, 1.0), segments=7)
    myelin = _cone(
        "myelin", MYELIN, first + 1, initial.points[-1], length=1000.0, diameters=(1.0, 1.0), segments=21
    )
    return (*shapes, hillock, initial, myelin)


def _cone(
    name: str,
    label: str,
    parent: int,
    top: np.ndarray[tuple[int], np.dtype[np.float64]],
    *,
    length: float,
    diameters: tuple[float, float],
    segments: int,
) -> Shape:
    """A cone downwards, with as many points as segments."""
    share = np.linspace(0.0, 1.0, segments)
    points = np.empty((segments, 4))
    points[:, :2] = top[:2]
    points[:, 2] = top[2] - share * length
    points[:, 3] = np.interp(share, [0.0, 1.0], diameters)
    return Shape(name, label, parent, 0.5 if label == AIS and name == "hillock" else 1.0, points, segments)
