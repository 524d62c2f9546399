"""The branches of a cell as flat arrays, and where on them a synapse sits.

Conventions are those of the In Silico Framework (``single_cell_parser``): a synapse is given as (section, x) and
sits at the section's 3-D point whose relative position is nearest to x; its soma distance is the path length to
the soma's surface, taken at x.
"""

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
    """

    labels: tuple[str, ...]
    points: NDArray[np.float64]
    relative: NDArray[np.float64]
    first: NDArray[np.int64]
    length: NDArray[np.float64]
    parent: NDArray[np.int64]
    parent_x: NDArray[np.float64]
    start: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, section: int) -> slice:
        """Rows of a section's points."""
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
        """Path length in um from each place (int64[n], float64[n]) to the soma's surface; 0 on the soma."""
        on_soma = np.array([label == SOMA for label in self.labels])[section]
        return np.where(on_soma, 0.0, x * self.length[section] + self.start[section])


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
        3-D points of each section in um as the morphology file gives them, float64[n, 3] (further columns, such
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
    return Branches(
        labels=tuple(labels),
        points=np.concatenate(shapes),
        relative=np.concatenate([_relative(*each) for each in zip(shapes, length, strict=True)]),
        first=np.cumsum([0, *map(len, shapes)]),
        length=length,
        parent=np.array(parents, np.int64),
        parent_x=np.array(parent_x, np.float64),
        start=_starts(labels, parents, parent_x, length),
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


def _starts(
    labels: Sequence[str], parents: Sequence[int], parent_x: Sequence[float], length: NDArray[np.float64]
) -> NDArray[np.float64]:
    starts = np.full(len(labels), np.nan)
    for section in range(len(labels)):
        path = [section]
        while np.isnan(starts[path[-1]]):
            at, parent = path[-1], parents[path[-1]]
            if parent < 0 or labels[parent] == SOMA or labels[at] == SOMA:
                starts[at] = 0.0
            elif parent >= len(labels) or parent in path:
                raise ModelError(f"section {section}: its parents do not lead to a root")
            else:
                path.append(parent)
        for child, parent in zip(path[-2::-1], path[:0:-1], strict=True):
            starts[child] = starts[parent] + parent_x[child] * length[parent]
    return starts
