"""Trees of samples, cut into sections by the rules of NEURON's ``Import3D``.

The rules are those of the reader of SWC files in NEURON 9 (``Import3d_SWC_read`` and ``Import3d_GUI.instantiate``), put
in other words; the tests compare each with NEURON itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

SOMA_TYPE = 1


@dataclass(frozen=True)
class Piece:
    """A section.

    Attributes
    ----------
    kind
        Type of its samples.
    first
        Its first sample.
    parent, parent_x
        Index of the section it starts on, -1 for the root, and where on it: 0, 0.5 or 1.
    points
        x, y, z and diameter in um, float64[n_points, 4].
    """

    kind: int
    first: int
    parent: int
    parent_x: float
    points: Reals


class Tree:
    """Samples in an order in which each comes after its parent.

    Parameters
    ----------
    kinds
        Type of each sample; 1 is the soma.
    parents
        Index of the parent of each, -1 for the first, which is the root of all.
    points
        x, y, z and diameter of each in um, float64[n, 4].
    """

    def __init__(self, kinds: Sequence[int], parents: Sequence[int], points: Reals) -> None:
        self.kinds, self.parents, self.points = tuple(kinds), tuple(parents), points
        self.children: list[list[int]] = [[] for _ in kinds]
        for sample, parent in enumerate(parents):
            if parent >= 0:
                self.children[parent].append(sample)

    @property
    def joins_strangers(self) -> bool:
        """Whether a section would join samples of which one is not the other's parent.

        That can be where children do not follow their parents at once; never in depth-first order.
        """
        return any(
            self.parents[sample] != sample - 1
            for first, last in self._runs()
            for sample in range(first + 1, last + 1)
            if sample not in self._ball
        )

    def pieces(self, told: Callable[[int, str], None] = lambda sample, what: None) -> list[Piece]:
        """Cut the samples into sections, in the order of their first samples.

        Parameters
        ----------
        told
            Called with the first sample of a section that is left out, and what became of it.
        """
        runs = list(self._runs())
        section = np.repeat(np.arange(len(runs)), [last - first + 1 for first, last in runs]).tolist()
        made: list[Piece] = []
        for first, last in runs:
            parent = self.parents[first]
            above = -1 if parent < 0 else section[parent]
            made.append(self._piece(first, last, above, runs[above], made))
        return _without_stubs(made, told)

    # Where sections end

    def _runs(self) -> Iterator[tuple[int, int]]:
        first = 0
        for sample in range(len(self.kinds)):
            if self._ends(sample):
                yield first, sample
                first = sample + 1

    def _ends(self, sample: int) -> bool:
        """Whether a sample is the last of its section: it has no child, several, or one of another type.

        So it is where the only child does not follow at once, as elsewhere in the file. Two exceptions keep sections
        of one sample away.
        """
        if sample in self._ball:
            return sample == self._ball[-1]
        children = self.children[sample]
        follower = sample + 1 if sample + 1 in children else None
        is_soma = self.kinds[sample] == SOMA_TYPE
        if is_soma and follower is not None and self.kinds[follower] == SOMA_TYPE:
            # A soma continues below its dendrites, and its first sample even where it branches.
            return sample > 0 and self._soma_children(sample) > 1
        if self._branches_at_its_start(sample) and any(child != sample + 1 for child in children):
            return self.kinds[children[-1]] != self.kinds[sample]
        return follower is None or len(children) > 1 or self.kinds[follower] != self.kinds[sample]

    def _soma_children(self, sample: int) -> int:
        return sum(self.kinds[child] == SOMA_TYPE for child in self.children[sample])

    def _branches_at_its_start(self, sample: int) -> bool:
        """Whether branches of this sample start at the 0-end of the section that it begins.

        So they do on the first sample of a dendrite on the soma (but for the second sample of the file), and on that of
        a tree without soma.
        """
        if self.kinds[sample] == SOMA_TYPE:
            return False
        return sample == 0 or (sample > 1 and self.kinds[self.parents[sample]] == SOMA_TYPE)

    @cached_property
    def _ball(self) -> range:
        """The three samples that represent a sphere, as neuromorpho.org writes somata of one sample; or none."""
        somatic = [sample for sample, kind in enumerate(self.kinds) if kind == SOMA_TYPE]
        if somatic != [0, 1, 2] or self.parents[1:3] != (0, 0) or self.children[1] or self.children[2]:
            return range(0)
        diameter = self.points[0, 3]
        across = np.linalg.norm(self.points[1:3, :3] - self.points[0, :3], axis=1).sum()
        round_ = (self.points[1:3, 3] == diameter).all() and abs(across / diameter - 1) < 0.01
        return range(3) if round_ else range(0)

    # What sections are

    def _piece(
        self, first: int, last: int, above: int, run_above: tuple[int, int], made: Sequence[Piece]
    ) -> Piece:
        kind = self.kinds[first]
        if above < 0:
            own = self.points[first : 1 if self._ball else last + 1]
            return Piece(kind, first, -1, 0.0, _sphere(own[0]) if len(own) == 1 else own)
        parent = self.parents[first]
        own, on_soma = self.points[first : last + 1], made[above].kind == SOMA_TYPE
        x, apart = self._attached(first, last, run_above) if on_soma else (1.0, False)
        if not on_soma and above == 0 and parent == 0:
            x = 0.0
        if self._branches_at_its_start(parent) and first != parent + 1:
            x = 0.0
        if apart:
            return Piece(kind, first, above, x, own)
        start = self.points[parent].copy()
        if on_soma and kind != SOMA_TYPE:
            start[3] = own[0, 3]
        return Piece(kind, first, above, x, np.vstack([start, own]))

    def _attached(self, first: int, last: int, soma: tuple[int, int]) -> tuple[float, bool]:
        """Where on a section of the soma a section starts, and whether a gap is between them."""
        parent, is_soma, several = self.parents[first], self.kinds[first] == SOMA_TYPE, last > first
        branching = self._soma_children(parent) > 1
        if soma[0] == 0:
            if not is_soma and (self._ball or soma[1] == 0):
                return 0.5, several
            if parent == 0:
                return 0.0, not is_soma and branching
        if parent < soma[1]:
            return 0.5, not is_soma and several
        return 1.0, not is_soma and several and branching


def _sphere(point: Reals) -> Reals:
    """A cylinder as long as wide, along x; its area is that of the sphere."""
    made = np.tile(point, (3, 1))
    made[:, 0] += np.array([-0.5, 0.0, 0.5]) * point[3]
    return made


def _without_stubs(pieces: list[Piece], told: Callable[[int, str], None]) -> list[Piece]:
    """Leave out sections of one point, and of two in one place; what starts on them starts where they do."""
    kept = list(range(len(pieces)))
    pieces = list(pieces)
    for at in reversed(range(len(pieces))):
        piece = pieces[at]
        alone = len(piece.points) == 1
        if piece.parent < 0 or not (alone or _same_place(piece.points)):
            continue
        told(piece.first, "has one point alone" if alone else "has two points in one place")
        kept.remove(at)
        for below in kept:
            if pieces[below].parent == at:
                pieces[below] = replace(pieces[below], parent=piece.parent, parent_x=piece.parent_x)
    number = {at: new for new, at in enumerate(kept)}
    return [replace(pieces[at], parent=number.get(pieces[at].parent, -1)) for at in kept]


def _same_place(points: Reals) -> bool:
    return len(points) == 2 and not np.ptp(points[:, :3], axis=0).any()
