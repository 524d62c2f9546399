"""The branches of a cell as flat arrays, and where on them a synapse sits.

Conventions are those of the In Silico Framework (``single_cell_parser``): a synapse is given as (section, x) and
sits at the section's 3-D point whose relative position is nearest to x; its soma distance is the path length to
the soma's surface, taken at x.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

SOMA = "Soma"


@dataclass(frozen=True)
class Branches:
    """Sections of one cell; a section's 3-D points are rows ``first[s]:first[s + 1]`` of `points`.

    Attributes
    ----------
    labels
        Label of each section: ``Soma``, ``Dendrite``, ``ApicalDendrite``, ``AIS``, ``Myelin`` ...
    points
        3-D points in um, float64[n_points, 3].
    relative
        Relative path position of each point on its section, 0 to 1, float64[n_points].
    first
        First point of each section, int64[n_sections + 1].
    length
        Path length in um, float64[n_sections].
    parent
        Section that each starts from, -1 for a root, int64[n_sections].
    parent_x
        Where on the parent, 0 to 1, float64[n_sections].
    start
        Path length from the soma's surface to the 0-end in um, 0 for the soma, float64[n_sections].
    near
        Relative position that is nearest to the soma along the section: 0, but where the soma grows on the section or
        on what grows on it, float64[n_sections].
    stem
        Path length in um within the soma, from its 0-end to where the way to the section leaves it; for a section of
        the soma itself, to its 0-end; float64[n_sections].
    """

    labels: tuple[str, ...]
    points: NDArray[np.float64]
    relative: NDArray[np.float64]
    first: NDArray[np.int64]
    length: NDArray[np.float64]
    parent: NDArray[np.int64]
    parent_x: NDArray[np.float64]
    start: NDArray[np.float64]
    near: NDArray[np.float64]
    stem: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, section: int) -> slice:
        """Return the rows of a section's points.

        Parameters
        ----------
        section
            ID of the section.
        """
        return slice(int(self.first[section]), int(self.first[section + 1]))

    def nearest_points(self, section: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index, within its section, of the 3-D point nearest to each relative position; the first of equals.

        Parameters
        ----------
        section, x
            Places, int64[n] and float64[n].

        Returns
        -------
        NDArray[np.int64]
            Point indices, int64[n].
        """
        nearest = np.empty(len(section), np.int64)
        for one in np.unique(section):
            rows = section == one
            nearest[rows] = np.abs(self.relative[self.of(one)] - x[rows, None]).argmin(axis=1)
        return nearest

    def soma_distances(self, section: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the path length in um from each place to the soma's surface, float64[n]; 0 on the soma.

        Parameters
        ----------
        section
            ID of the section of each place, int64[n].
        x
            Relative position of each place on its section, float64[n].
        """
        on_soma = np.array([label == SOMA for label in self.labels])[section]
        near, length = self.near[section], self.length[section]
        return np.where(on_soma, 0.0, np.abs(x - near) * length + (self.start[section] - near * length))


def branches(
    points: Sequence[NDArray[np.float64]],
    *,
    labels: Sequence[str],
    parents: Sequence[int],
    parent_x: Sequence[float],
) -> Branches:
    """Lay out the sections of a cell.

    Parameters
    ----------
    points
        3-D points of each section in um as the morphology file has them, float64[n, 3] (further columns, such
        as the diameter, are ignored).
    labels
        Label of each section; paths to the soma end where the label is ``Soma``.
    parents
        Section that each starts from, -1 for a root.
    parent_x
        Where on the parent, 0 to 1.

    Raises
    ------
    ModelError
        Lists of unequal length, a section without length, or parents that never reach a root.
    """
    if not len(points) == len(labels) == len(parents) == len(parent_x):
        raise ModelError("sections: points, labels, parents and parent_x differ in number")
    shapes = [np.asarray(each, np.float64)[:, :3] for each in points]
    length = np.array([_length(shape) for shape in shapes])
    if (flat := np.flatnonzero(length <= 0)).size:
        raise ModelError(f"section {flat[0]} has no length: it needs two 3-D points that differ")
    start, near, stem = _ways(labels, parents, parent_x, length)
    return Branches(
        labels=tuple(labels),
        points=np.concatenate(shapes),
        relative=np.concatenate([_relative(*each) for each in zip(shapes, length, strict=True)]),
        first=np.cumsum([0, *map(len, shapes)]),
        length=length,
        parent=np.array(parents, np.int64),
        parent_x=np.array(parent_x, np.float64),
        start=start,
        near=near,
        stem=stem,
    )


def _length(points: NDArray[np.float64]) -> float:
    # NEURON keeps 3-D points in single precision and sums in double.
    steps = np.diff(points.astype(np.float32), axis=0).astype(np.float64)
    return float(np.cumsum(np.sqrt((steps * steps).sum(axis=1)))[-1]) if len(steps) else 0.0


def _relative(points: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Relative positions, rounded as in the In Silico Framework, for x may lie midway between two points."""
    steps = np.diff(points, axis=0)
    arc = np.concatenate([[0.0], np.cumsum(np.sqrt((steps * steps).sum(axis=1)))])
    relative = arc / length
    relative *= 1.0 / relative[-1]
    relative[-1] = 1.0
    return relative


def _ways(
    labels: Sequence[str], parents: Sequence[int], parent_x: Sequence[float], length: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Path length from the soma to each section's 0-end, the place nearest to the soma, and the way in the soma."""
    start, near, stem = np.zeros(len(labels)), np.zeros(len(labels)), np.zeros(len(labels))
    order = _from_the_root(parents)
    above = _above_the_soma(labels, parents)
    distance = 0.0
    for below, section in above:
        near[section] = parent_x[below]
        start[section] = distance = distance + near[section] * length[section]
    done = {section for _, section in above}
    for section in order:
        parent = parents[section]
        if parent < 0 or section in done:
            continue
        along = abs(parent_x[section] - near[parent]) * length[parent]
        if labels[parent] == SOMA:
            stem[section] = stem[parent] + along
        elif labels[section] != SOMA:
            start[section] = start[parent] - near[parent] * length[parent] + along
            stem[section] = stem[parent]
    return start, near, stem


def _above_the_soma(labels: Sequence[str], parents: Sequence[int]) -> list[tuple[int, int]]:
    """From the soma up to the root: each section that grows towards the soma, after what grows on it on that way."""
    section, way = labels.index(SOMA) if SOMA in labels else -1, []
    while section >= 0 and parents[section] >= 0:
        way.append((section, parents[section]))
        section = parents[section]
        if labels[section] == SOMA:
            way = []
    return way


def _from_the_root(parents: Sequence[int]) -> list[int]:
    """Sections in an order in which parents come before what grows on them."""
    children: dict[int, list[int]] = defaultdict(list)
    for section, parent in enumerate(parents):
        children[parent].append(section)
    order, stack = [], list(children[-1])
    while stack:
        order.append(stack.pop())
        stack += children[order[-1]]
    if len(order) != len(parents):
        section = min(set(range(len(parents))) - set(order))
        raise ModelError(f"section {section}: its parents do not lead to a root")
    return order
