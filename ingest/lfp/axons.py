"""The stub that replaces an axon in circuits of the Blue Brain Project: positions of its pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Piece: TypeAlias = tuple[str, float, float, Callable[[Floats], Floats]]

RULES = ("keep", "stub", "bluerecording")
LABELS = ("AIS", "AIS", "Myelin")
BOUNDS = (0.0, 30.0, 60.0, 1060.0)
"""Path lengths in µm from the soma's centre at which initial segment, initial segment and myelin meet."""
MYELIN_SEGMENTS = 5


@dataclass(frozen=True)
class AxonTree:
    """The tree of an axon: points of each section (x, y, z, diameter in µm), parents, and tips in order."""

    points: Sequence[Floats]
    parents: Sequence[int]
    tips: Sequence[int]

    @classmethod
    def of(cls, tree: Sequence[tuple[Floats, int]], is_axon: Sequence[bool]) -> "AxonTree":
        """Make the tree from all sections of a morphology.

        Parameters
        ----------
        tree
            Points and diameters of each section in µm, and the number of its parent (-1: the soma).
        is_axon
            Whether each section belongs to the axon.
        """
        parents = [parent for _, parent in tree]
        tips = [at for at, axon in enumerate(is_axon) if axon and at not in parents]
        return cls([points for points, _ in tree], parents, tips)

    def branches(self) -> list[tuple[Floats, Floats]]:
        """Return, from the soma's centre to each tip, points, float64[n, 4], and their path lengths, float64[n]."""
        return [self._branch(tip) for tip in self.tips]

    def _branch(self, tip: int) -> tuple[Floats, Floats]:
        chain = []
        while tip >= 0:
            chain.append(self.points[tip])
            tip = self.parents[tip]
        points = np.concatenate([np.zeros((1, 4)), *chain[::-1]])
        points[0, 3] = points[1, 3]
        steps = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
        new = np.concatenate([[True], steps > 0])
        return points[new], np.concatenate([[0.0], np.cumsum(steps)])[new]


def stub_axon(tree: AxonTree, rule: str, rotation: Floats | None = None) -> list[Piece]:
    """Return two pieces of axon initial segment of 30 µm and a myelin of 1,000 µm, along one branch of the axon.

    The branch is the first whose tip is more than 1,060 µm from the soma's centre or, where there is none, the
    longest, which goes straight on at its end.

    Parameters
    ----------
    tree
        Sections of the morphology's axon.
    rule
        ``"stub"``: the pieces follow the branch. ``"bluerecording"``: each is interpolated between those points of
        the branch that are within it (in the myelin: behind its start) and goes straight on beyond them. Where
        there are fewer than two it is on a line through two others, of the points as they are sorted by their x
        once the cell is placed: the first two for the first piece, those whose path lengths are nearest to its ends
        for the second, the only one and that before it for the myelin. BlueRecording 0.2.1 and 0.7 compute so;
        neighbouring pieces may not meet then, and cells of one shape differ.
    rotation
        Of the cell, float64[3, 3]; only ``"bluerecording"`` looks at it.

    Returns
    -------
    list
        For each piece its label, the path lengths between which it is, and what gives the points (x, y, z, diameter)
        at path lengths.

    Raises
    ------
    ValueError
        There is no axon, or none that has a length; or the rule is unknown.
    """
    if rule not in RULES[1:]:
        raise ValueError(f"axon is {rule!r}; expected one of {', '.join(RULES)}")
    branches = [(points, path) for points, path in tree.branches() if len(path) > 1]
    if not branches:
        raise ValueError("the morphology has no axon for the stub to follow")
    long = [branch for branch in branches if branch[1][-1] > BOUNDS[-1]]
    points, path = long[0] if long else max(branches, key=lambda branch: float(branch[1][-1]))
    # One point beyond the end is all that a piece needs, and all that BlueRecording looks at.
    reached = int(np.searchsorted(path, BOUNDS[-1], side="right")) + 1
    points, path = points[:reached], path[:reached]
    if rule == "bluerecording" and path[-1] < BOUNDS[-1]:
        # It adds the end as a point, which may be one of the two below.
        points = np.concatenate([points, _line(points, path)(np.array(BOUNDS[-1:]))])
        path = np.append(path, BOUNDS[-1])
    turned = points[:, :3] if rotation is None else points[:, :3] @ rotation.T
    pieces: list[Piece] = []
    for number, (first, last) in enumerate(pairwise(BOUNDS)):
        some = np.arange(len(path))
        if rule == "bluerecording":
            some = _bluerecording(turned, path, number)
        pieces.append((LABELS[number], first, last, _line(points[some], path[some])))
    return pieces


def _bluerecording(points: Floats, path: Floats, number: int) -> NDArray[np.intp]:
    """Which points of the branch tell where a piece is, in the order of their path lengths."""
    first, last = BOUNDS[number : number + 2]
    within = np.flatnonzero((path >= first) & (path <= (np.inf if number == 2 else last)))
    if len(within) >= 2:
        return within
    order = np.lexsort(points[:, ::-1].T)
    low, high = 0, 1
    if number == 1:
        low, high = (int(np.abs(path[order] - end).argmin()) for end in (first, last))
        if low == high:
            low, high = (low, high + 1) if high + 1 < len(order) else (low - 1, high)
    elif number == 2:
        # Where it is the first of all, the one before it is the last.
        high = int(np.flatnonzero(order == within[0])[0])
        low = high - 1
    return np.sort(order[[low, high]])


def _line(points: Floats, path: Floats) -> Callable[[Floats], Floats]:
    """Linear interpolation, and extrapolation beyond the ends."""

    def at(where: Floats) -> Floats:
        i = np.clip(np.searchsorted(path, where, side="right") - 1, 0, len(path) - 2)
        share = (where - path[i]) / (path[i + 1] - path[i])
        found: Floats = points[i] + (points[i + 1] - points[i]) * share[:, None]
        found[:, 3] = np.maximum(found[:, 3], 0.0)
        return found

    return at
