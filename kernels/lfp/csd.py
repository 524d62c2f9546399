"""Current source density: which part of each segment's current flows into a volume.

With membrane currents in nA: `objective_csd_sphere` and its like return nA, as BlueRecording does;
`laminar_csd` and `volumetric_csd` divide by the volume and give nA/µm³. Sources: BlueRecording's ObjectiveCSD
(segments count by their middles) and LFPykit's ``LaminarCurrentSourceDensity`` and
``VolumetricCurrentSourceDensity`` (by their lengths), the lengths here being exact.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..jit import jit
from .arguments import Floats, finite, matrix, midpoints, position, positions, positive, segments

# Contacts closer than this along the probe, in µm, are at one depth (BlueRecording).
_SAME_DEPTH = 1e-3


def objective_csd_sphere(
    start: ArrayLike,
    end: ArrayLike,
    electrodes: ArrayLike,
    *,
    radius: float = 10.0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """1 for segments whose middle is within *radius* µm of the contact, else 0.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3).
    electrodes
        Contacts in µm, shape (M, 3).
    radius
        Radius of the spheres in µm.
    out
        float32 or float64 of shape (M, N), filled and returned.

    Returns
    -------
    numpy.ndarray
        [M, N], 0 or 1: times currents the current into each sphere, in nA.

    Raises
    ------
    ValueError
        If shapes do not match or a number is not finite or out of range.
    """
    middle, contacts = midpoints(start, end), positions("electrodes", electrodes)
    result = matrix(out, (len(contacts), len(middle)))
    limit = positive("radius", radius)
    for m, contact in enumerate(contacts):
        result[m] = np.linalg.norm(middle - contact, axis=1) <= limit
    return result


def objective_csd_disk(
    start: ArrayLike,
    end: ArrayLike,
    electrodes: ArrayLike,
    *,
    radius: float = 500.0,
    thickness: float | None = None,
    half_thickness: bool = False,
    array: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """1 for segments whose middle is in a disk about the contact, at right angles to the probe, else 0.

    Parameters
    ----------
    start, end, electrodes, out
        As for `objective_csd_sphere`.
    radius
        Radius of the disks in µm.
    thickness
        Thickness of the whole disk in µm, half of it to either side. By default the mean distance of
        neighbouring depths of the probe, so that disks touch.
    half_thickness
        *thickness* is what the disk reaches to either side: BlueRecording reads its numbers so, and a disk of
        "thickness 40" is 80 µm thick there. Its default is the same disk as ours.
    array
        Contacts of the probe, which determine its axis and its depths, shape (K, 3); by default the
        electrodes. The axis is the direction in which they spread most.

    Returns
    -------
    numpy.ndarray
        [M, N], 0 or 1: times currents the current into each disk, in nA.

    Raises
    ------
    ValueError
        As `objective_csd_sphere`, and if the probe has fewer than two depths.
    """
    limit = positive("radius", radius)
    return _slabs(start, end, electrodes, limit, thickness, half_thickness, array, out)


def objective_csd_plane(
    start: ArrayLike,
    end: ArrayLike,
    electrodes: ArrayLike,
    *,
    thickness: float | None = None,
    half_thickness: bool = False,
    array: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Return 1 for segments whose middle is in a layer about the contact, at right angles to the probe, else 0.

    A disk without end: everything else is as for `objective_csd_disk`.

    Parameters
    ----------
    start, end, electrodes, thickness, half_thickness, array, out
        As of `objective_csd_disk`.

    Raises
    ------
    ValueError
        As `objective_csd_disk`.
    """
    return _slabs(start, end, electrodes, np.inf, thickness, half_thickness, array, out)


def laminar_csd(
    start: ArrayLike,
    end: ArrayLike,
    layers: ArrayLike,
    radius: ArrayLike,
    *,
    center: tuple[float, float] = (0.0, 0.0),
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Part of each segment's length in each of some upright cylinders, by the cylinder's volume.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3).
    layers
        Lower and upper z of each cylinder in µm, shape (M, 2).
    radius
        Radius of the cylinders in µm: one, or shape (M,).
    center
        x and y of their axis, in µm.
    out
        float32 or float64 of shape (M, N), filled and returned.

    Returns
    -------
    numpy.ndarray
        [M, N] in 1/µm³: times currents in nA the current source density in nA/µm³.

    Raises
    ------
    ValueError
        If shapes do not match or a number is not finite or out of range.

    Notes
    -----
    A segment without length, or flat on a face, belongs to the layer above. Segments that cross a cylinder with
    both ends outside of it count, unlike in LFPykit.
    """
    begins, ends = segments(start, end)
    bounds = np.ascontiguousarray(layers, np.float64)
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ValueError(f"layers has shape {bounds.shape}; expected (n, 2): lower and upper z in µm")
    finite("layers", bounds)
    for m in np.flatnonzero(bounds[:, 0] >= bounds[:, 1])[:1]:
        raise ValueError(f"layers[{m}] is {bounds[m]}; expected a lower z, then a higher one")
    if np.ndim(radius) and np.shape(radius) != (len(bounds),):
        raise ValueError(f"radius has shape {np.shape(radius)}; expected one, or ({len(bounds)},)")
    radii = np.array(np.broadcast_to(np.asarray(radius, np.float64), len(bounds)))
    for m, value in enumerate(radii):
        positive(f"radius[{m}]", value)
    axis = position("center", [*center, 0.0])
    result = matrix(out, (len(bounds), len(begins)))
    _laminar(begins - axis, ends - axis, bounds, radii, result)
    return result


def volumetric_csd(
    start: ArrayLike,
    end: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Part of each segment's length in each box of a grid, by the box's volume.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3).
    x, y, z
        Rising edges of the boxes in µm, of nx + 1, ny + 1 and nz + 1 values.
    out
        float32 or float64 of shape (nx, ny, nz, N), filled and returned.

    Returns
    -------
    numpy.ndarray
        [nx, ny, nz, N] in 1/µm³: times currents in nA the current source density in nA/µm³.

    Raises
    ------
    ValueError
        If shapes do not match, edges do not rise or a number is not finite.

    Notes
    -----
    A segment without length, or flat on a face, belongs to the box above. LFPykit's class of this name counts
    points instead of lengths, and does not divide by the volume.
    """
    begins, ends = segments(start, end)
    edges = [_edges(name, values) for name, values in (("x", x), ("y", y), ("z", z))]
    boxes = tuple(len(axis) - 1 for axis in edges)
    result = matrix(out, (*boxes, len(begins)))
    result[...] = 0
    _volumetric(begins, ends, edges[0], edges[1], edges[2], result)
    volume = np.diff(edges[0])[:, None, None] * np.diff(edges[1])[:, None] * np.diff(edges[2])
    result /= volume[..., None].astype(result.dtype)
    return result


def _slabs(
    start: ArrayLike,
    end: ArrayLike,
    electrodes: ArrayLike,
    radius: float,
    thickness: float | None,
    half_thickness: bool,
    array: ArrayLike | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    middle, contacts = midpoints(start, end), positions("electrodes", electrodes)
    probe = contacts if array is None else positions("array", array)
    result = matrix(out, (len(contacts), len(middle)))
    if not len(contacts):
        return result
    axis, pitch = _axis(probe)
    if thickness is None:
        reach = pitch / 2
    else:
        reach = positive("thickness", thickness) / (1 if half_thickness else 2)
    for m, contact in enumerate(contacts):
        away = middle - contact
        along = away @ axis
        result[m] = np.abs(along) <= reach
        if radius < np.inf:
            result[m] *= np.linalg.norm(away - along[:, None] * axis, axis=1) <= radius
    return result


def _axis(probe: Floats) -> tuple[Floats, float]:
    """First principal component of the contacts' places, and the mean distance of neighbouring depths along it."""
    axis: Floats = np.linalg.svd(probe - probe.mean(axis=0), full_matrices=False)[2][0]
    steps = np.diff(np.sort(probe @ axis))
    steps = steps[steps > _SAME_DEPTH]
    if not steps.size:
        raise ValueError(
            f"the probe has {len(probe)} contacts at one depth; expected two depths, to have an axis"
        )
    return axis, float(steps.mean())


def _edges(name: str, values: ArrayLike) -> Floats:
    edges = np.ascontiguousarray(values, np.float64)
    if edges.ndim != 1 or len(edges) < 2:
        raise ValueError(f"{name} has shape {edges.shape}; expected two edges or more")
    finite(name, edges)
    for i in np.flatnonzero(edges[1:] <= edges[:-1])[:1]:
        raise ValueError(f"{name}[{i + 1}] is {edges[i + 1]} after {edges[i]}; expected rising edges")
    return edges


@jit
def _between(start: float, end: float, low: float, high: float) -> tuple[float, float]:
    """The part of a segment where a coordinate is between two values; the end is before the begin if none is."""
    if start == end:
        return (0.0, 1.0) if low <= start < high else (1.0, 0.0)
    a, b = (low - start) / (end - start), (high - start) / (end - start)
    return max(0.0, min(a, b)), min(1.0, max(a, b))


@jit
def _within_circle(x: float, y: float, vx: float, vy: float, radius: float) -> tuple[float, float]:
    """The part of the line (x, y) + t (vx, vy) that is in a circle about the origin."""
    a, b, c = vx * vx + vy * vy, x * vx + y * vy, x * x + y * y - radius * radius
    if a == 0.0:
        return (0.0, 1.0) if c <= 0.0 else (1.0, 0.0)
    inside = b * b - a * c
    if inside <= 0.0:
        return 1.0, 0.0
    root = math.sqrt(inside)
    # The root that does not cancel, and the other from their product.
    q = -b - root if b > 0.0 else -b + root
    one, other = q / a, c / q
    return min(one, other), max(one, other)


@jit
def _laminar(start: Floats, end: Floats, layers: Floats, radii: Floats, out: NDArray[Any]) -> None:
    for m in range(len(layers)):
        low, high = layers[m, 0], layers[m, 1]
        volume = math.pi * radii[m] ** 2 * (high - low)
        for n in range(len(start)):
            x, y = start[n, 0], start[n, 1]
            first, last = _between(start[n, 2], end[n, 2], low, high)
            if first < last:
                enters, leaves = _within_circle(x, y, end[n, 0] - x, end[n, 1] - y, radii[m])
                first, last = max(first, enters), min(last, leaves)
            out[m, n] = max(last - first, 0.0) / volume


@jit
def _volumetric(start: Floats, end: Floats, x: Floats, y: Floats, z: Floats, out: NDArray[Any]) -> None:
    """Add to *out* the part of each segment in each box, looking only at boxes around it."""
    for n in range(len(start)):
        first_x, last_x = _touched(start[n, 0], end[n, 0], x)
        first_y, last_y = _touched(start[n, 1], end[n, 1], y)
        first_z, last_z = _touched(start[n, 2], end[n, 2], z)
        for i in range(first_x, last_x):
            from_x, to_x = _between(start[n, 0], end[n, 0], x[i], x[i + 1])
            for j in range(first_y, last_y):
                from_y, to_y = _between(start[n, 1], end[n, 1], y[j], y[j + 1])
                for k in range(first_z, last_z):
                    from_z, to_z = _between(start[n, 2], end[n, 2], z[k], z[k + 1])
                    part = min(to_x, to_y, to_z) - max(from_x, from_y, from_z)
                    out[i, j, k, n] = max(part, 0.0)


@jit
def _touched(start: float, end: float, edges: Floats) -> tuple[int, int]:
    """The bins that a coordinate passes: first, and one after the last."""
    first = int(np.searchsorted(edges, min(start, end), side="right")) - 1
    last = int(np.searchsorted(edges, max(start, end), side="right"))
    return max(first, 0), min(last, len(edges) - 1)
