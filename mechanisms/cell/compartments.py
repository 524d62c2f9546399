"""Finer places of a pyramidal cell: trunk, tuft, oblique and basal dendrites, and the apical dendrite by distance."""

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .shapes import APICAL, DENDRITE
from .sites import Branches

TUFT_UM = 1000.0
"""A tuft reaches farther than this from the soma."""


def detailed_labels(cell: Branches) -> tuple[str, ...]:
    """Label every section in detail.

    The main bifurcation is the end of the apical section, nearest to the soma, with two children that both lead
    farther than `TUFT_UM` from the soma's 0-end. What comes after it is ``tuft``, what leads to it ``trunk``, other
    apical dendrites are ``oblique``; ``Dendrite`` becomes ``basal``, other labels stay.

    Parameters
    ----------
    cell
        The cell.

    Raises
    ------
    ModelError
        There is no such bifurcation.
    """
    fork = _main_bifurcation(cell)
    trunk = {fork, *_ancestors(cell, fork)}
    names = {APICAL: "oblique", DENDRITE: "basal"}
    labels = [names.get(label, label) for label in cell.labels]
    for section, label in enumerate(cell.labels):
        if label == APICAL and section in trunk:
            labels[section] = "trunk"
        elif fork in _ancestors(cell, section):
            labels[section] = "tuft"
    return tuple(labels)


def apical_place(cell: Branches, distance: float) -> tuple[int, float]:
    """Return the section and relative position on the way to the tuft, at a path length from the soma's 0-end.

    Parameters
    ----------
    cell
        The cell.
    distance
        Path length in um.

    Raises
    ------
    ModelError
        The cell's apical dendrite does not reach so far, or not beyond `TUFT_UM`; or the place would be on the soma.
    """
    end, reach = _ends(cell), _reach(cell)
    on_way = [
        section for section, label in enumerate(cell.labels) if label == APICAL and reach[section] > TUFT_UM
    ]
    farther = [section for section in on_way if end[section] > distance]
    section = min(farther, key=lambda at: float(end[at]), default=-1)
    x = 1 - (end[section] - distance) / cell.length[section] if farther else -1.0
    if x < 0:
        raise ModelError(
            f"no apical dendrite at {distance:g} um from the soma that leads farther than {TUFT_UM:g} um"
        )
    return section, float(x)


def _main_bifurcation(cell: Branches) -> int:
    far = _reach(cell) > TUFT_UM
    forks = [
        section
        for section, label in enumerate(cell.labels)
        if label == APICAL and np.count_nonzero((cell.parent == section) & far) >= 2
    ]
    if not forks:
        raise ModelError(
            f"no apical section forks into two that lead farther than {TUFT_UM:g} um from the soma, as trunk and "
            "tuft are told apart by"
        )
    return min(forks, key=lambda section: float(cell.start[section]))


def _ends(cell: Branches) -> NDArray[np.float64]:
    """Path length from the soma's 0-end to the end of each section."""
    return cell.start + cell.length + cell.stem


def _reach(cell: Branches) -> NDArray[np.float64]:
    """The longest path from the soma's 0-end to an end of each section or of what grows on it."""
    ends = _ends(cell)
    reach = ends.copy()
    for section in range(len(cell)):
        for ancestor in _ancestors(cell, section):
            reach[ancestor] = max(reach[ancestor], ends[section])
    return reach


def _ancestors(cell: Branches, section: int) -> list[int]:
    path = []
    while (section := int(cell.parent[section])) >= 0:
        path.append(section)
    return path
