"""Morphologies that a lake holds: trees of a circuit as sections, numbered as the tree numbers them."""

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import POINTS, SECTIONS
from ...lake import Snapshot
from ...lake.errors import InputError
from ..circuits.trees import Forest, starts_of
from .axons import AxonTree
from .morphologies import Cell, Section

_SOMA, _AXON = 1, 2
_LABELS = {
    1: "Soma",
    2: "Axon",
    4: "ApicalDendrite",
    5: "ApicalDendrite",
    6: "ApicalDendrite",
    7: "AIS",
    8: "Axon",
}
"""Labels of segments by type of tree; any other is Dendrite."""


class StoredMorphologies:
    """The distinct trees of a circuit.

    Parameters
    ----------
    snapshot, circuit
        Which circuit of which snapshot.

    Raises
    ------
    InputError
        It has no trees.
    """

    def __init__(self, snapshot: Snapshot, circuit: str) -> None:
        self.name = POINTS.of(circuit=circuit)
        if self.name not in snapshot.tables:
            raise InputError(f"the lake has no {self.name!r}: give the folder of the morphologies")
        sections = snapshot.tables[SECTIONS.of(circuit=circuit)].to_arrow()
        self._forest, names = Forest.of_tables(snapshot.tables[self.name].to_arrow(), sections)
        self._places = {name: at for at, name in enumerate(names)}

    def find(self, node: int, morphology: str) -> str:
        """Return the name of a node's tree.

        Parameters
        ----------
        node
            Id of the node.
        morphology
            Name of its morphology.

        Raises
        ------
        InputError
            There is none.
        """
        if morphology not in self._places:
            raise InputError(f"node {node} has morphology {morphology!r}, which is not in {self.name!r}")
        return morphology

    def read(self, name: str) -> Cell:
        """Read a tree, its soma moved to 0.

        Parameters
        ----------
        name
            A name that `find` returned.

        Raises
        ------
        InputError
            Its first section is no soma, a section has fewer than two points, or a diameter is not above 0.
        """
        try:
            return cell_of(self._forest.take(np.array([self._places[name]])))
        except ValueError as error:
            raise InputError(f"{self.name!r}, morphology {name}: {error}") from error


def cell_of(tree: Forest) -> Cell:
    """Return a forest of one tree as a cell whose section k is section k of the tree; its section 0 is the soma.

    A section is the line of its own points; path lengths go along parents to the point that a section hangs on.

    Parameters
    ----------
    tree
        One tree.

    Raises
    ------
    ValueError
        The first section is no soma, a section has fewer than two points, or a diameter is not above 0.
    """
    found = tree.sections()
    starts = starts_of(found.size)
    lists = [
        found.points[low : low + size] for low, size in zip(starts.tolist(), found.size.tolist(), strict=True)
    ]
    kinds = [int(tree.type[points[-1]]) for points in lists]
    above = np.full(len(lists), -1, np.int64)
    above[tree.link_child] = tree.link_parent
    if above[0] >= 0 or kinds[0] != _SOMA:
        raise ValueError("its section 0 is not the soma that others hang on, from which a cell is placed")
    if min(map(len, lists)) < 2 or not (tree.diameter > 0).all():
        raise ValueError("a section has fewer than two points, or a diameter that is not above 0")
    points = np.stack([tree.x, tree.y, tree.z, tree.diameter], axis=1).astype(np.float64)
    somatic = np.unique(
        np.concatenate([own for own, kind in zip(lists, kinds, strict=True) if kind == _SOMA])
    )
    center = points[somatic, :3].mean(axis=0)
    points[:, :3] -= center
    lines = [points[own] for own in lists]
    distance = _distances(tree, lists, lines, above, kinds)
    sections = [
        Section(_LABELS.get(kinds[at], "Dendrite"), lines[at], distance[at]) for at in range(1, len(lists))
    ]
    rest = [(lines[at], int(above[at]) - 1) for at in range(1, len(lists))]
    axon = AxonTree.of(rest, [kind == _AXON for kind in kinds[1:]])
    steps = np.linalg.norm(np.diff(lines[0][:, :3], axis=0), axis=1)
    soma = float(lines[0][:, 3].mean())
    if steps.sum() > 0:
        soma = float(steps @ (lines[0][1:, 3] + lines[0][:-1, 3]) / 2 / steps.sum())
    return Cell(sections, soma, axon, center)


def _distances(
    tree: Forest,
    lists: list[NDArray[np.int32]],
    lines: list[NDArray[np.float64]],
    above: NDArray[np.int64],
    kinds: list[int],
) -> list[float]:
    """Path length from the soma to the start of each section."""
    found = [-1.0] * len(lists)
    found[0] = 0.0
    for first in range(len(lists)):
        chain = [first]
        while found[chain[-1]] < 0:
            chain.append(int(above[chain[-1]]))
        for at in reversed(chain[:-1]):
            parent = int(above[at])
            if kinds[parent] == _SOMA:
                found[at] = 0.0
                continue
            place = np.flatnonzero(lists[parent] == _attached(tree, lists[at], lists[parent]))
            steps = np.linalg.norm(np.diff(lines[parent][:, :3], axis=0), axis=1)
            last = int(place[0]) if len(place) else len(steps)
            found[at] = found[parent] + float(steps[:last].sum())
    return found


def _attached(tree: Forest, own: NDArray[np.int32], parent: NDArray[np.int32]) -> int:
    """The point of its parent that a section hangs on."""
    return int(own[0] if own[0] in parent else tree.parent[own[0]])
