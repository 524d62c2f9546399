"""Potentials in a brain slice on a multi-electrode array, by the method of images.

Source: Ness et al., Neuroinformatics 13:403 (2015), as in LFPykit's ``RecMEAElectrode``.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import MinimumDistance, matrix, positions, positive, segments
from .sources import line_source_potential, point_source_potential


def slice_potential(
    start: ArrayLike,
    end: ArrayLike,
    diameter: ArrayLike | None,
    electrodes: ArrayLike,
    *,
    source: Literal["line", "point"] = "line",
    points: ArrayLike | None = None,
    sigma_tissue: float = 0.3,
    sigma_saline: float = 1.5,
    sigma_glass: float = 0.0,
    thickness: float = 300.0,
    bottom: float = 0.0,
    steps: int = 20,
    minimum_distance: MinimumDistance = "radius",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Potential in a flat slice: glass below ``z = bottom``, saline above ``z = bottom + thickness``.

    Each segment has mirror images in both faces, each a source of its own in unbounded tissue.

    Parameters
    ----------
    start, end, diameter, electrodes, minimum_distance, out
        As for `line_source_potential`. The rule of distance applies to each image separately.
    source
        ``"line"`` or ``"point"``.
    points
        As for `line_source_potential`, with which ``"point"`` has nothing to do.
    sigma_tissue, sigma_saline, sigma_glass
        In S/m; saline and glass may be 0.
    thickness, bottom
        Thickness of the slice and z of its lower face in µm.
    steps
        Orders of images: what is reflected this many times at both faces is left out.

    Returns
    -------
    numpy.ndarray
        [M, N] in mV/nA.

    Raises
    ------
    ValueError
        As `line_source_potential`, and if a contact or an end of a segment is outside of the slice.
    """
    begins, ends = segments(start, end)
    contacts = positions("electrodes", electrodes)
    height = positive("thickness", thickness)
    for name, places in (("start", begins), ("end", ends), ("electrodes", contacts)):
        _inside(name, places[:, 2], bottom, bottom + height)
    if source not in ("line", "point"):
        raise ValueError(f"source is {source!r}; expected 'line' or 'point'")
    potential: Callable[..., object] = point_source_potential
    if source == "line":
        potential = partial(line_source_potential, points=points)
    top = _reflection("sigma_saline", sigma_saline, sigma_tissue)
    below = _reflection("sigma_glass", sigma_glass, sigma_tissue)
    result = matrix(out, (len(contacts), len(begins)))
    result[...] = 0
    part = np.empty_like(result)
    for weight, sign, shift in _images(top, below, height, steps):
        if weight:
            a, b = (_image(places, sign, shift, bottom) for places in (begins, ends))
            potential(a, b, diameter, contacts, sigma_tissue, minimum_distance=minimum_distance, out=part)
            result += weight * part
    return result


def _images(top: float, below: float, height: float, steps: int) -> Iterator[tuple[float, int, float]]:
    """Strength of each image, and its place: ``sign * z + shift``, z counted from the glass."""
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected 1 or more")
    yield 1.0, 1, 0.0
    for n in range(steps):
        both = (top * below) ** n
        if n:
            yield both, 1, 2 * n * height
            yield both, 1, -2 * n * height
        yield both * top, -1, 2 * (n + 1) * height
        yield both * below, -1, -2 * n * height


def _image(places: NDArray[np.float64], sign: int, shift: float, bottom: float) -> NDArray[np.float64]:
    image = places.copy()
    image[:, 2] = sign * (places[:, 2] - bottom) + shift + bottom
    return image


def _reflection(name: str, sigma: float, sigma_tissue: float) -> float:
    tissue = positive("sigma_tissue", sigma_tissue)
    if not 0 <= sigma < np.inf:
        raise ValueError(f"{name} is {sigma}; expected a number of S/m, 0 or more")
    return (tissue - sigma) / (tissue + sigma)


def _inside(name: str, z: NDArray[np.float64], low: float, high: float) -> None:
    outside = np.flatnonzero((z < low) | (z > high))
    if outside.size:
        i = outside[0]
        more = f" ({outside.size - 1:,} more like it)" if outside.size > 1 else ""
        raise ValueError(f"{name}[{i}] has z = {z[i]} µm; expected the slice, {low} to {high} µm{more}")
