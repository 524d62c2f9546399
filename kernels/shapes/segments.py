"""Segments of cells in space: straight pieces between the points of their sections."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import in_space, row_offsets, whole_numbers
from ..jit import jit

Whole = NDArray[np.int64]
Reals = NDArray[np.float64]


class PlacedSections(NamedTuple):
    """Sections of cells where these are in space, cell by cell.

    Attributes
    ----------
    points
        Points of all sections, section by section, float64[n_points, 3], in µm. A child's first point is where it leaves
        its parent.
    diameter
        At each point, float64[n_points], in µm.
    offsets
        Section k has the points ``offsets[k]`` to ``offsets[k + 1]``, int64[n_sections + 1]. A section of one point is a
        sphere, such as a soma.
    cell
        Cell of each section, int64[n_sections], rising.
    section
        Number of the section in its cell, int64[n_sections].
    type
        SWC type of the section, uint8[n_sections].
    """

    points: Reals
    diameter: Reals
    offsets: Whole
    cell: Whole
    section: Whole
    type: NDArray[np.uint8]


class PlacedSegments(NamedTuple):
    """Segments of cells, section by section.

    Attributes
    ----------
    start, end
        float64[n, 3], in µm.
    start_radius, end_radius
        float64[n], in µm.
    row
        Row of the section that each is part of, int64[n].
    segment
        Number of the segment in its section, int64[n].
    path
        Path along the section to the segment's start, float64[n], in µm.
    bounds
        Section k has the segments ``bounds[k]`` to ``bounds[k + 1]``, int64[n_sections + 1].
    lengths
        Length of each section, float64[n_sections], in µm.
    """

    start: Reals
    end: Reals
    start_radius: Reals
    end_radius: Reals
    row: Whole
    segment: Whole
    path: Reals
    bounds: Whole
    lengths: Reals


def checked_sections(sections: PlacedSections) -> PlacedSections:
    """Return sections in their documented types.

    Parameters
    ----------
    sections
        The sections.

    Raises
    ------
    ValueError
        Columns do not fit, points or diameters are no such, or cells do not rise; the message names the first that is wrong.
    """
    points = in_space("points", sections.points)
    n = len(np.atleast_1d(sections.cell))
    offsets = row_offsets(sections.offsets, n, len(points))
    empty = np.flatnonzero(np.diff(offsets) < 1)
    if empty.size:
        raise ValueError(f"section {empty[0]} has no points; expected at least one")
    diameter = np.ascontiguousarray(sections.diameter, np.float64)
    if diameter.shape != (len(points),):
        raise ValueError(f"diameter has shape {diameter.shape}; expected ({len(points)},)")
    bad = np.flatnonzero(~((diameter >= 0) & np.isfinite(diameter)))
    if bad.size:
        raise ValueError(f"diameter[{bad[0]}] is {diameter[bad[0]]}; expected a diameter in um")
    cell, section = (
        whole_numbers(name, getattr(sections, name)).astype(np.int64) for name in ("cell", "section")
    )
    kind = np.ascontiguousarray(sections.type, np.uint8)
    if not len(cell) == len(section) == len(kind):
        raise ValueError(f"there are {len(cell)} cells, {len(section)} sections and {len(kind)} types")
    falls = np.flatnonzero(np.diff(cell) < 0)
    if falls.size:
        raise ValueError(
            f"cell[{falls[0] + 1}] is {cell[falls[0] + 1]} after {cell[falls[0]]}; expected rising cells"
        )
    return PlacedSections(points, diameter, offsets, cell, section, kind)


def placed_segments(sections: PlacedSections) -> PlacedSegments:
    """Return the segments of sections; one of a single point has one segment without length.

    Parameters
    ----------
    sections
        The sections.

    Raises
    ------
    ValueError
        The sections are not consistent.
    """
    known = checked_sections(sections)
    sizes = np.maximum(np.diff(known.offsets) - 1, 1)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    row = np.repeat(np.arange(len(sizes)), sizes)
    segment = np.arange(len(row)) - bounds[row]
    begin = known.offsets[row] + segment
    end = np.minimum(begin + 1, known.offsets[row + 1] - 1)
    start, stop = known.points[begin], known.points[end]
    path, lengths = np.empty(len(row)), np.empty(len(sizes))
    _paths(start, stop, bounds, path, lengths)
    return PlacedSegments(
        start,
        stop,
        0.5 * known.diameter[begin],
        0.5 * known.diameter[end],
        row,
        segment,
        path,
        bounds,
        lengths,
    )


@jit
def _paths(start: Reals, end: Reals, bounds: Whole, path: Reals, lengths: Reals) -> None:
    for k in range(len(lengths)):
        at = 0.0
        for i in range(bounds[k], bounds[k + 1]):
            path[i] = at
            x, y, z = end[i, 0] - start[i, 0], end[i, 1] - start[i, 1], end[i, 2] - start[i, 2]
            at += np.sqrt(x * x + y * y + z * z)
        lengths[k] = at
