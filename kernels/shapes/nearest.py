"""What of a cell is nearest to places: segments near synapses, ends near endfeet; and what endfeet are as compartments."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import in_space, whole_numbers
from ..jit import jit, over_rows
from .segments import PlacedSections, PlacedSegments, placed_segments

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]


class NearestSegments(NamedTuple):
    """The segment of a cell that is nearest to each place.

    Attributes
    ----------
    section
        Number of the section in its cell, int64[n]; -1 where the cell has no segments.
    segment
        Number of the segment in its section, int64[n].
    offset
        Half of the segment's length, float64[n], in µm.
    position
        Of the segment's middle along the section, from 0 to 1, float64[n].
    centre
        The segment's middle, float64[n, 3], in µm.
    """

    section: Whole
    segment: Whole
    offset: Reals
    position: Reals
    centre: Reals


class FootCompartments(NamedTuple):
    """Cylinders that stand for endfeet.

    Attributes
    ----------
    length, diameter, perimeter
        float32[n], in µm; 0 for an endfoot without a surface.
    """

    length: NDArray[np.float32]
    diameter: NDArray[np.float32]
    perimeter: NDArray[np.float32]


def nearest_segments(sections: PlacedSections, cells: ArrayLike, places: ArrayLike) -> NearestSegments:
    """Find the segment whose middle is nearest to each place, among those of one cell.

    Parameters
    ----------
    sections
        Sections of cells; somata (type 1, and sections of one point) do not count.
    cells
        Cell of each place, int[n].
    places
        float[n, 3], in µm.

    Returns
    -------
    NearestSegments
        One for each place.

    Raises
    ------
    ValueError
        Sections are not consistent, or there is not one cell for each place.

    Notes
    -----
    As ``annotate_synapse_location`` of ArchNGV 3.3. Of middles equally near the first one is taken.
    """
    points = in_space("places", places)
    owner = whole_numbers("cells", cells).astype(np.int64)
    if len(owner) != len(points):
        raise ValueError(f"cells have shape {owner.shape}; expected ({len(points)},), one per place")
    segments = placed_segments(sections)
    kind, sizes = np.asarray(sections.type), np.diff(np.asarray(sections.offsets))
    counts = ((kind != 1) & (sizes > 1))[segments.row]
    rows = np.flatnonzero(counts)
    middle = 0.5 * (segments.start[rows] + segments.end[rows])
    cell = np.asarray(sections.cell, np.int64)[segments.row[rows]]
    found = np.full(len(points), -1, np.int64)
    # Places of a cell follow each other.
    order = np.argsort(owner, kind="stable")
    names, begins = np.unique(owner[order], return_index=True)
    bounds = np.append(begins, len(order))
    first, last = np.searchsorted(cell, names), np.searchsorted(cell, names, side="right")
    over_rows(partial(_nearest, middle, points, order, bounds, first, last, found), len(names))
    return _described(sections, segments, rows, middle, found)


def _described(
    sections: PlacedSections, segments: PlacedSegments, rows: Whole, middle: Reals, found: Whole
) -> NearestSegments:
    there = found >= 0
    at = rows[np.maximum(found, 0)] if len(rows) else np.zeros(len(found), np.int64)
    row = segments.row[at] if len(rows) else at
    if not len(rows):
        none = np.full(len(found), -1)
        return NearestSegments(
            none, none, np.zeros(len(found)), np.zeros(len(found)), np.full((len(found), 3), np.nan)
        )
    offset = 0.5 * np.linalg.norm(segments.end[at] - segments.start[at], axis=1)
    length = segments.lengths[row]
    position = np.divide(segments.path[at] + offset, length, out=np.zeros(len(at)), where=length > 0)
    return NearestSegments(
        np.where(there, np.asarray(sections.section, np.int64)[row], -1),
        np.where(there, segments.segment[at], -1),
        np.where(there, offset, 0.0),
        np.where(there, position, 0.0),
        np.where(there[:, None], middle[np.maximum(found, 0)], np.nan),
    )


@jit
def _nearest(
    middle: Reals,
    points: Reals,
    order: Whole,
    bounds: Whole,
    first: Whole,
    last: Whole,
    found: Whole,
    begin: int,
    end: int,
) -> None:
    """Look through a cell's middles along its longest axis, from the place outwards, till none can be nearer."""
    for c in range(begin, end):
        n = last[c] - first[c]
        if n == 0:
            continue
        own = middle[first[c] : last[c]]
        axis, widest = 0, -1.0
        for k in range(3):
            width = own[:, k].max() - own[:, k].min()
            if width > widest:
                axis, widest = k, width
        by = np.argsort(own[:, axis], kind="mergesort")
        along = own[by, axis]
        near = np.empty((n, 3))
        for i in range(n):
            near[i] = own[by[i]]
        for k in range(bounds[c], bounds[c + 1]):
            x, y, z = points[order[k]]
            place = points[order[k], axis]
            right = np.searchsorted(along, place)
            left = right - 1
            best, least = -1, np.inf
            while True:
                to_left = (place - along[left]) ** 2 if left >= 0 else np.inf
                to_right = (along[right] - place) ** 2 if right < n else np.inf
                if min(to_left, to_right) > least or (left < 0 and right >= n):
                    break
                i = left if to_left <= to_right else right
                if to_left <= to_right:
                    left -= 1
                else:
                    right += 1
                dx, dy, dz = near[i, 0] - x, near[i, 1] - y, near[i, 2] - z
                away = dx * dx + dy * dy + dz * dz
                if away < least or (away == least and by[i] < best):
                    best, least = by[i], away
            found[order[k]] = first[c] + best


def nearest_ends(sections: PlacedSections, cells: ArrayLike, places: ArrayLike, kind: int = 2) -> Whole:
    """Find the section whose end is nearest to each place, among the last sections of one type of one cell.

    Parameters
    ----------
    sections
        Sections of cells. A last one is where no other section of the cell begins at its end.
    cells
        Cell of each place, int[n].
    places
        float[n, 3], in µm.
    kind
        SWC type of the sections: 2, which astrocytes have for processes with endfeet.

    Returns
    -------
    int64[n]
        Number of the section in its cell; -1 where the cell has none.

    Raises
    ------
    ValueError
        Sections are not consistent, or there is not one cell for each place.

    Notes
    -----
    As ``annotate_endfoot_location`` of ArchNGV 3.3.
    """
    points = in_space("places", places)
    owner = whole_numbers("cells", cells).astype(np.int64)
    if len(owner) != len(points):
        raise ValueError(f"cells have shape {owner.shape}; expected ({len(points)},), one per place")
    segments = placed_segments(sections)
    offsets = np.asarray(sections.offsets, np.int64)
    start, end = segments.start[segments.bounds[:-1]], segments.end[segments.bounds[1:] - 1]
    cell = np.asarray(sections.cell, np.int64)
    usable = (np.asarray(sections.type) == kind) & (np.diff(offsets) > 1)
    found = np.full(len(points), -1, np.int64)
    for name in np.unique(owner):
        own = np.arange(np.searchsorted(cell, name), np.searchsorted(cell, name, side="right"))
        begun = {place.tobytes() for place in start[own]}
        last = [k for k in own[usable[own]] if end[k].tobytes() not in begun]
        if last:
            rows = np.flatnonzero(owner == name)
            away = np.linalg.norm(end[last] - points[rows][:, None], axis=2)
            found[rows] = np.asarray(sections.section, np.int64)[np.asarray(last)[away.argmin(axis=1)]]
    return found


def foot_compartments(
    starts: ArrayLike,
    ends: ArrayLike,
    points: ArrayLike,
    offsets: ArrayLike,
    areas: ArrayLike,
    thicknesses: ArrayLike,
) -> FootCompartments:
    """Return cylinders of the endfeet's extents along their vessels, volumes and areas.

    Parameters
    ----------
    starts, ends
        Of the vessel's segment at each endfoot, float[n, 3], in µm.
    points
        Points of the endfeet's surfaces, float[n_points, 3], in µm.
    offsets
        Endfoot i has the points ``offsets[i]`` to ``offsets[i + 1]``, int[n + 1].
    areas, thicknesses
        Of each endfoot, float[n], in µm² and µm.

    Returns
    -------
    FootCompartments
        The length L is the extent of the points along the segment; the diameter is ``2 sqrt(V / (pi L))`` of the
        volume V, which is area times thickness; the perimeter is the area over L.

    Raises
    ------
    ValueError
        Shapes do not fit, or a segment has no length.

    Notes
    -----
    As ``endfoot_compartment`` of ArchNGV 3.3.
    """
    first, last = in_space("starts", starts), in_space("ends", ends)
    vertices, bounds = in_space("points", points), whole_numbers("offsets", offsets).astype(np.int64)
    area, thickness = (np.ascontiguousarray(each, np.float64) for each in (areas, thicknesses))
    n = len(first)
    if not len(last) == len(area) == len(thickness) == len(bounds) - 1 == n:
        raise ValueError(
            f"there are {n} starts, {len(last)} ends, {len(bounds) - 1} surfaces, {len(area)} areas and "
            f"{len(thickness)} thicknesses; expected as many of each"
        )
    vector = last - first
    length = np.linalg.norm(vector, axis=1)
    flat = np.flatnonzero(length == 0)
    if flat.size:
        raise ValueError(f"segment {flat[0]} has no length; expected one with a direction")
    extent = np.zeros(n)
    _extents(vertices, bounds, vector / length[:, None], extent)
    grown = extent > 1e-8
    safe = np.where(grown, extent, 1.0)
    diameter = np.where(grown, 2.0 * np.sqrt(area * thickness / (math.pi * safe)), 0.0)
    perimeter = np.where(grown, area / safe, 0.0)
    return FootCompartments(*(each.astype(np.float32) for each in (extent * grown, diameter, perimeter)))


@jit
def _extents(points: Reals, bounds: Whole, axis: Reals, extent: Reals) -> None:
    for i in range(len(axis)):
        low, high = np.inf, -np.inf
        for p in range(bounds[i], bounds[i + 1]):
            along = points[p, 0] * axis[i, 0] + points[p, 1] * axis[i, 1] + points[p, 2] * axis[i, 2]
            low, high = min(low, along), max(high, along)
        extent[i] = max(high - low, 0.0)
