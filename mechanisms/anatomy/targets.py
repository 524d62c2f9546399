"""How much dendrite of a cell is in each voxel, and how many synapses an axon's boutons make there.

Method of the In Silico Framework's single-cell input mapper (Egger, Dercksen, Udvary, Hege & Oberlaender 2014,
doi:10.3389/fnana.2014.00129): boutons find their targets in proportion to each cell's share of the postsynaptic
targets (PST) that a voxel offers, a weighted sum of length and membrane area of the cell's structures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels.jit import jit
from ..cell.sites import SOMA, Branches
from ..errors import ModelError
from .lattice import Lattice

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

STRUCTURES = (SOMA, "ApicalDendrite", "Dendrite")
"""Labels of the structures that can be targets."""


@dataclass(frozen=True)
class Affinity:
    """Targets that a structure offers to one kind of axon.

    Attributes
    ----------
    per_length, per_area
        Targets per um and per um2, the constants of the framework's connections table.
    """

    per_length: float
    per_area: float


@dataclass(frozen=True)
class Extent:
    """How much of each structure of a cell is in each voxel.

    Attributes
    ----------
    grid
        The voxels around the cell; its values are not used.
    length, area
        In um and um2, float64[n_structures, nx * ny * nz], structures as in `STRUCTURES`. The area is that of
        truncated cones with the DIAMETER in place of the radius, as in the framework, whose constants and
        normalising fields were made so.
    """

    grid: Lattice
    length: Reals
    area: Reals


def extent(cell: Branches, diameter: Reals, field: Lattice) -> Extent:
    """Cut a cell along the voxels of *field*.

    Parameters
    ----------
    cell
        Its sections; those of other labels than `STRUCTURES` are left out.
    diameter
        At each 3-D point in um, float64[n_points].
    field
        A lattice whose grid is used, also beyond its edges.

    Raises
    ------
    ModelError
        A cell without any of the structures, or not one diameter per point.
    """
    if len(diameter) != len(cell.points):
        raise ModelError(f"{len(diameter)} diameters for {len(cell.points)} 3-D points")
    structure = structures(cell)
    used = structure >= 0
    if not used.any():
        raise ModelError(f"the cell has no section labelled {', '.join(STRUCTURES)}")
    grid = field.around(cell.points[used])
    voxels = grid.values.size
    length, area = np.zeros((len(STRUCTURES), voxels)), np.zeros((len(STRUCTURES), voxels))
    scaled = (cell.points - grid.origin) / grid.spacing
    shape = np.array(grid.values.shape)
    cut(length, area, scaled, cell.points, diameter, _same_section(cell) & used[:-1], structure, shape)
    return Extent(grid, length, area)


def structures(cell: Branches) -> Integers:
    """Return the index into `STRUCTURES` of each 3-D point, -1 for other labels, int64[n_points].

    Parameters
    ----------
    cell
        The postsynaptic cell.
    """
    codes = [STRUCTURES.index(label) if label in STRUCTURES else -1 for label in cell.labels]
    return np.repeat(np.array(codes, np.int64), np.diff(cell.first))


def densities(extent: Extent, affinity: Mapping[str, Affinity], targets: Lattice, boutons: Lattice) -> Reals:
    """Expected synapses of an axon in each structure and voxel, float64[n_structures, nx * ny * nz].

    Parameters
    ----------
    extent
        Of the postsynaptic cell.
    affinity
        Of each structure to axons of this kind (excitatory or inhibitory).
    targets
        All postsynaptic targets per voxel for this kind; where there are none, no synapses are made.
    boutons
        Boutons of the axon per voxel.
    """
    centres = extent.grid.centres()
    offered, available = targets.at(centres), boutons.at(centres)
    constants = [affinity.get(name, Affinity(0.0, 0.0)) for name in STRUCTURES]
    length = np.array([each.per_length for each in constants])[:, None] * extent.length
    own = length + np.array([each.per_area for each in constants])[:, None] * extent.area
    share = np.divide(own, offered, out=np.zeros_like(own), where=offered > 0)
    result: Reals = available * share
    return result


@dataclass(frozen=True)
class Candidates:
    """The 3-D points of each structure in each voxel.

    Attributes
    ----------
    points
        Rows of the cell's points, grouped by structure and voxel, int64[n].
    first
        First of each group, int64[n_structures * n_voxels + 1].
    """

    points: Integers
    first: Integers


def candidates(cell: Branches, grid: Lattice) -> Candidates:
    """Sort a cell's points by structure and voxel.

    Parameters
    ----------
    cell
        The postsynaptic cell.
    grid
        Lattice whose voxels count.
    """
    structure = structures(cell)
    rows = np.flatnonzero(structure >= 0)
    shape: Sequence[int] = grid.values.shape
    voxel = np.ravel_multi_index(tuple(grid.voxels(cell.points[rows]).T), tuple(shape))
    group = structure[rows] * grid.values.size + voxel
    count = np.bincount(group, minlength=len(STRUCTURES) * grid.values.size)
    return Candidates(rows[np.argsort(group, kind="stable")], np.concatenate([[0], np.cumsum(count)]))


def _same_section(cell: Branches) -> NDArray[np.bool_]:
    """Whether each point and the next belong to one section, bool[n_points - 1]."""
    section = np.repeat(np.arange(len(cell)), np.diff(cell.first))
    same: NDArray[np.bool_] = section[1:] == section[:-1]
    return same


@jit
def cut(
    length: Reals,
    area: Reals,
    scaled: Reals,
    points: Reals,
    diameter: Reals,
    joined: NDArray[np.bool_],
    structure: Integers,
    shape: Integers,
) -> None:
    """Add length and area of the piece between each point and the next to the voxels that it runs through.

    Parameters
    ----------
    length, area
        Sums, float64[n_structures, n_voxels].
    scaled
        Points in units of voxels, float64[n_points, 3].
    points, diameter
        In um, float64[n_points, 3] and float64[n_points].
    joined
        Whether there is a piece between a point and the next, bool[n_points - 1].
    structure
        Row of *length* for each point, int64[n_points].
    shape
        Voxels along each axis, int64[3].
    """
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(len(joined)):
        if not joined[k]:
            continue
        one, two = scaled[k], scaled[k + 1]
        whole = math.sqrt(((points[k + 1] - points[k]) ** 2).sum())
        for axis in range(3):
            low[axis] = max(math.floor(min(one[axis], two[axis])), 0)
            high[axis] = min(math.floor(max(one[axis], two[axis])), shape[axis] - 1)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for m in range(low[2], high[2] + 1):
                    enter, leave = inside(one, two, i, j, m)
                    if leave > enter:
                        voxel = (i * shape[1] + j) * shape[2] + m
                        change = diameter[k + 1] - diameter[k]
                        first, last = diameter[k] + enter * change, diameter[k] + leave * change
                        piece = (leave - enter) * whole
                        length[structure[k], voxel] += piece
                        slant = math.sqrt(piece * piece + (last - first) ** 2)
                        area[structure[k], voxel] += math.pi * (first + last) * slant


@jit
def inside(one: Reals, two: Reals, i: int, j: int, k: int) -> tuple[float, float]:
    """Return where a line enters and leaves a voxel, as fractions of the line.

    Liang & Barsky 1984 (doi:10.1145/357332.357333). A line in a face belongs to the voxel above the face.

    Parameters
    ----------
    one, two
        Ends of the line, in units of voxels, float64[3].
    i, j, k
        Indices of the voxel.
    """
    enter, leave = 0.0, 1.0
    for axis in range(3):
        floor = float(i if axis == 0 else (j if axis == 1 else k))
        step = two[axis] - one[axis]
        if step == 0.0:
            if not floor <= one[axis] < floor + 1.0:
                return 1.0, 0.0
            continue
        near, far = (floor - one[axis]) / step, (floor + 1.0 - one[axis]) / step
        if near > far:
            near, far = far, near
        enter, leave = max(enter, near), min(leave, far)
    return enter, leave
