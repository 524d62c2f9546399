"""Coefficients by reciprocity, from a field computed for a current through the electrode itself.

The potential that a unit current through an electrode makes at a place is the potential that a unit current at
that place makes at the electrode, in any medium that a field solver can describe. BlueRecording's ``Reciprocity`` and
``DipoleReciprocity``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import Floats, finite, matrix, midpoints, position, positions

_MV_PER_V_M_UM = 1e-3  # (V/m) µm = µV


def reciprocity_potential(
    start: ArrayLike,
    end: ArrayLike,
    axes: Sequence[ArrayLike],
    potential: ArrayLike,
    *,
    applied_current: float = 1.0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Potential at one electrode per membrane current of each segment, from the electrode's own field.

    Parameters
    ----------
    start, end
        Ends of the segments in µm, shape (N, 3); the field is taken at their middle.
    axes
        Three rising sequences of x, y and z in µm, of nx, ny and nz values.
    potential
        Potential in mV at the grid's points, shape (nx, ny, nz); linear between them.
    applied_current
        The current through the electrode that the field is of, in nA.
    out
        float32 or float64 of shape (N,), filled and returned.

    Returns
    -------
    numpy.ndarray
        [N] in mV/nA.

    Raises
    ------
    ValueError
        If the grid is not one, or segments are outside of it: the first, and how many.
    """
    grid, values = _grid(axes), np.asarray(potential, np.float64)
    middle = midpoints(start, end)
    result = matrix(out, (len(middle),))
    result[...] = _interpolated("the middle of segment", middle, grid, values) / _current(applied_current)
    return result


def dipole_reciprocity_potential(
    start: ArrayLike,
    end: ArrayLike,
    center: ArrayLike,
    axes: Sequence[ArrayLike],
    field: Sequence[ArrayLike],
    *,
    applied_current: float = 1.0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Potential at one electrode far away, from its electric field at the centre of each cell.

    ``-(m - c) . E(c) / I`` with m the middle of the segment and c the centre of its cell. What is constant over a
    cell is left out: the currents of a cell must add up to 0.

    Parameters
    ----------
    start, end, axes, applied_current, out
        As for `reciprocity_potential`.
    center
        Where the field is taken, in µm: shape (3,), or (N, 3) with each segment's own.
    field
        Ex, Ey, Ez in V/m. Each has shape (nx, ny, nz), or one less along its own axis: values between the grid's
        points, as solvers on staggered grids write them.

    Returns
    -------
    numpy.ndarray
        [N] in mV/nA.

    Raises
    ------
    ValueError
        If the grid is not one, shapes do not match, or centres are outside of the grid: the first, and how many.
    """
    grid, middle = _grid(axes), midpoints(start, end)
    given = np.asarray(center, np.float64)
    centers = position("center", given)[None] if given.ndim == 1 else positions("center", given)
    if len(centers) not in (1, len(middle)) or (given.ndim == 2 and len(centers) != len(middle)):
        raise ValueError(f"center has shape {given.shape}; expected (3,) or ({len(middle)}, 3)")
    if len(field) != 3:
        raise ValueError(f"field has {len(field)} components; expected Ex, Ey and Ez")
    along = np.zeros(len(middle))
    for axis in range(3):
        values = np.asarray(field[axis], np.float64)
        places = _staggered(grid, values, axis)
        along += (middle - centers)[:, axis] * _interpolated("the centre of cell", centers, places, values)
    result = matrix(out, (len(middle),))
    result[...] = -_MV_PER_V_M_UM * along / _current(applied_current)
    return result


def _grid(axes: Sequence[ArrayLike]) -> list[Floats]:
    if len(axes) != 3:
        raise ValueError(f"axes has {len(axes)} entries; expected x, y and z")
    grid = [np.asarray(axis, np.float64) for axis in axes]
    for name, axis in zip("xyz", grid, strict=True):
        if axis.ndim != 1 or len(axis) < 2:
            raise ValueError(f"axis {name} has shape {axis.shape}; expected two values or more")
        finite(f"axis {name}", axis)
        falling = np.flatnonzero(axis[1:] <= axis[:-1])
        if falling.size:
            i = falling[0]
            raise ValueError(f"axis {name} has {axis[i + 1]} after {axis[i]} at {i}; expected rising values")
    return grid


def _staggered(grid: list[Floats], values: Floats, axis: int) -> list[Floats]:
    """The places of one component: between the points along its own axis, if it has one value less there."""
    places = list(grid)
    if values.ndim == 3 and values.shape[axis] == len(grid[axis]) - 1:
        places[axis] = (grid[axis][1:] + grid[axis][:-1]) / 2
    return places


def _interpolated(what: str, places: Floats, grid: list[Floats], values: Floats) -> Floats:
    """Trilinear interpolation at each place."""
    shape = tuple(len(axis) for axis in grid)
    if values.shape != shape:
        raise ValueError(f"a field has shape {values.shape}; expected {shape}, as the axes have")
    low, high = (np.array([axis[end] for axis in grid]) for end in (0, -1))
    outside = np.flatnonzero(((places < low) | (places > high)).any(axis=1))
    if outside.size:
        i = outside[0]
        raise ValueError(
            f"{what} {i} at {places[i]} µm is outside of the grid, {low} to {high} µm; {outside.size:,} of "
            f"{len(places):,} are"
        )
    cells, parts = zip(*(_cells(axis, places[:, d]) for d, axis in enumerate(grid)), strict=True)
    found = np.zeros(len(places))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod([part if c else 1 - part for part, c in zip(parts, corner, strict=True)], axis=0)
        found += weight * values[tuple(cell + c for cell, c in zip(cells, corner, strict=True))]
    return found


def _cells(axis: Floats, at: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The interval of each value, and how far into it the value is."""
    cell = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, len(axis) - 2)
    return cell, (at - axis[cell]) / (axis[cell + 1] - axis[cell])


def _current(applied: float) -> float:
    if applied == 0 or not np.isfinite(applied):
        raise ValueError(f"applied_current is {applied}; expected a number of nA other than 0")
    return float(applied)
