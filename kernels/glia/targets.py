"""Places along vessels that an endfoot may reach for, and those that lie in a domain."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, whole_numbers
from ..grid import CubeGrid, cube_grid
from ..jit import jit, over_rows
from .planes import DomainPlanes, rows_in_domain

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class VesselSegments(NamedTuple):
    """Segments of a vasculature.

    Attributes
    ----------
    start, end
        Their ends, float32[n, 3], in µm.
    start_diameter, end_diameter
        float32[n], in µm.
    start_node, end_node
        Points of the graph that they join, int64[n].
    section
        Section of each segment, int64[n].
    """

    start: NDArray[np.float32]
    end: NDArray[np.float32]
    start_diameter: NDArray[np.float32]
    end_diameter: NDArray[np.float32]
    start_node: Whole
    end_node: Whole
    section: Whole


class VesselTargets(NamedTuple):
    """Places along the axes of vessels.

    Attributes
    ----------
    points
        float64[n, 3], in µm.
    segment
        Segment that each lies on, int64[n].
    radius
        Smaller one of the segment's two radii, float32[n], in µm.
    section
        Section of the segment, int64[n].
    """

    points: Reals
    segment: Whole
    radius: NDArray[np.float32]
    section: Whole


class DomainTargets(NamedTuple):
    """Targets in each domain.

    Attributes
    ----------
    offsets
        Domain d has those from ``offsets[d]`` to ``offsets[d + 1]``, int64[n_domains + 1].
    targets
        Rows of the targets, rising in each domain, int64[n].
    """

    offsets: Whole
    targets: Whole


def checked_vessels(vessels: VesselSegments) -> VesselSegments:
    """Return segments of vessels in their documented types.

    Parameters
    ----------
    vessels
        The segments.

    Raises
    ------
    ValueError
        Columns have different lengths, or hold what is no number, diameter or node; the message names the segment.
    """
    n = len(vessels.start)
    start, end = (in_space(name, getattr(vessels, name)).astype(np.float32) for name in ("start", "end"))
    diameters = [_positive(name, getattr(vessels, name)) for name in ("start_diameter", "end_diameter")]
    numbers = [_from_zero(name, getattr(vessels, name)) for name in ("start_node", "end_node", "section")]
    columns: tuple[NDArray[Any], ...] = (start, end, *diameters, *numbers)
    for name, column in zip(VesselSegments._fields, columns, strict=True):
        if len(column) != n:
            raise ValueError(f"{name} has {len(column)} rows; expected {n}, one per segment")
    return VesselSegments(start, end, diameters[0], diameters[1], numbers[0], numbers[1], numbers[2])


def _positive(name: str, values: ArrayLike) -> NDArray[np.float32]:
    diameters = np.ascontiguousarray(values, np.float32)
    bad = np.flatnonzero(~((diameters >= 0) & np.isfinite(diameters)))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {diameters[bad[0]]}; expected a diameter in um")
    return diameters


def _from_zero(name: str, values: ArrayLike) -> Whole:
    numbers = whole_numbers(name, values).astype(np.int64)
    if len(numbers) and numbers.min() < 0:
        raise ValueError(f"{name}[{numbers.argmin()}] is {numbers.min()}; expected a number from 0 on")
    return numbers


def vessel_targets(vessels: VesselSegments, density: float) -> VesselTargets:
    """Place points along vessels, at equal distances of the length that has been walked.

    Parameters
    ----------
    vessels
        Segments, which are walked in the order of their rows.
    density
        Points per µm.

    Returns
    -------
    VesselTargets
        ``round(length * density)`` points, the first one at the start of the first segment.

    Raises
    ------
    ValueError
        Segments or density are wrong.

    Notes
    -----
    As ``graph_targeting`` of ArchNGV 3.3, with the same bits.
    """
    if not 0 < density < np.inf:
        raise ValueError(f"density is {density}; expected a positive number of points per um")
    known = checked_vessels(vessels)
    start = known.start.astype(np.float64)
    vector = known.end.astype(np.float64) - start
    lengths = np.linalg.norm(vector, axis=1)
    wanted = round(float(lengths.sum()) * density)
    points, segment = np.empty((wanted, 3)), np.empty(wanted, np.int64)
    n = _walk(start, vector, lengths, 1.0 / density, points, segment)
    points, segment = points[:n], segment[:n]
    half = np.float32(0.5)
    radius = np.minimum(half * known.start_diameter[segment], half * known.end_diameter[segment])
    return VesselTargets(points, segment, radius, known.section[segment])


@jit
def _walk(start: Reals, vector: Reals, lengths: Reals, step: float, points: Reals, segment: Whole) -> int:
    """Fill in points and their segments; how many there are."""
    at, n = -step, 0
    for s in range(len(lengths)):
        length = lengths[s]
        if length <= 0.0:
            continue
        while at + step <= length and n < len(points):
            at += step
            segment[n] = s
            for k in range(3):
                points[n, k] = start[s, k] + vector[s, k] / length * at
            n += 1
        at -= length
    return n


def targets_in_domains(targets: VesselTargets, planes: DomainPlanes) -> DomainTargets:
    """Find the targets whose spheres, of the vessel's radius, reach into each domain.

    Parameters
    ----------
    targets
        Places along vessels.
    planes
        The domains.

    Returns
    -------
    DomainTargets
        The rows of targets in each domain.
    """
    grid = cube_grid(targets.points, 15.0)
    points, radii = targets.points[grid.order], targets.radius[grid.order]
    n = len(planes.low)
    found = over_rows(partial(_candidates, planes, points, radii, grid), n)
    sizes = np.concatenate([part[0] for part in found])
    return DomainTargets(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.concatenate([part[1] for part in found])
    )


@jit
def _candidates(
    planes: DomainPlanes, points: Reals, radii: NDArray[np.float32], grid: CubeGrid, begin: int, end: int
) -> tuple[Whole, Whole]:
    sizes, rows = np.zeros(end - begin, np.int64), np.empty(len(points), np.int64)
    kept, n = np.empty(1024, np.int64), 0
    for d in range(begin, end):
        size = rows_in_domain(planes, d, points, radii, grid, rows)
        if n + size > len(kept):
            more = np.empty(2 * (n + size), np.int64)
            more[:n] = kept[:n]
            kept = more
        kept[n : n + size] = np.sort(rows[:size])
        sizes[d - begin] = size
        n += size
    return sizes, kept[:n]
