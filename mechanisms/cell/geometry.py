"""Where the sections and segments of a cell are: arrays for tables and for field potentials."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sections import Cell

Columns = dict[str, NDArray[Any]]


def section_table(cell: Cell) -> Columns:
    """Return the sections of a cell, one row each, as columns.

    Parameters
    ----------
    cell
        The cell.

    Returns
    -------
    dict[str, NDArray]
        `section_id` (int64), `name`, `label`, `parent_id` (-1 for the soma), `parent_x`, `length` (um), `area` (um2,
        without that of spines), `n_segments`, `n_points`, `soma_distance` (um from the soma's surface to the section's
        0-end along the dendrite, 0 for the soma, as in simrun results).
    """
    shape = cell.branches
    return {
        "section_id": np.arange(len(shape)),
        "name": np.array([own.name for own in cell.shapes]),
        "label": np.array(shape.labels),
        "parent_id": shape.parent.copy(),
        "parent_x": shape.parent_x.copy(),
        "length": cell.lengths,
        "area": cell.areas,
        "n_segments": cell.n_segments,
        "n_points": np.diff(shape.first),
        "soma_distance": shape.start.copy(),
    }


def segment_table(cell: Cell) -> Columns:
    """Return the segments of a cell, one row each, in the order of sections and from their 0-ends.

    Parameters
    ----------
    cell
        The cell.

    Returns
    -------
    dict[str, NDArray]
        `section_id`, `segment_id` (within the section), `x` (relative position of the centre); `start_x`, `start_y`,
        `start_z`, `end_x`, `end_y`, `end_z` (um: where the segment starts and ends on the section's line of 3-D
        points); `diameter` (um), `length` (um), `area` (um2, without that of spines); `soma_distance` (um: path length
        from the soma's surface to the centre, 0 on the soma, as in simrun results).
    """
    n_segments = cell.n_segments
    section = np.repeat(np.arange(len(n_segments)), n_segments)
    within = np.arange(len(section)) - np.repeat(np.cumsum(n_segments) - n_segments, n_segments)
    x = (within + 0.5) / n_segments[section]
    ends = [_ends(cell, number, count) for number, count in enumerate(n_segments.tolist())]
    start, end = np.concatenate([each[:-1] for each in ends]), np.concatenate([each[1:] for each in ends])
    segments = [segment for own in cell.sections for segment in own]
    return {
        "section_id": section,
        "segment_id": within,
        "x": x,
        **{f"start_{axis}": start[:, column] for column, axis in enumerate("xyz")},
        **{f"end_{axis}": end[:, column] for column, axis in enumerate("xyz")},
        "diameter": np.array([segment.diam for segment in segments]),
        "length": (cell.lengths / n_segments)[section],
        "area": np.array([segment.area() for segment in segments]),
        "soma_distance": cell.branches.soma_distances(section, x),
    }


def _ends(cell: Cell, section: int, count: int) -> NDArray[np.float64]:
    """Borders of the segments of a section, float64[count + 1, 3]."""
    points = cell.branches.of(section)
    at = np.linspace(0.0, 1.0, count + 1)
    relative, xyz = cell.branches.relative[points], cell.branches.points[points]
    return np.column_stack([np.interp(at, relative, xyz[:, axis]) for axis in range(3)])
