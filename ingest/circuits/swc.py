"""Trees as SWC, for tools that look for morphologies in a folder."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import POINTS, SECTIONS
from ...lake import Snapshot
from .trees import Forest


def swc_files(snapshot: Snapshot, circuit: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the text of every distinct tree of a circuit; none if it has no trees.

    Samples are numbered from 1, parents before their children. Numbers are the shortest that give the same single
    precision.

    Parameters
    ----------
    snapshot
        The commit to read.
    circuit
        Name of the circuit.
    """
    names = [kind.of(circuit=circuit) for kind in (POINTS, SECTIONS)]
    if any(name not in snapshot.tables for name in names):
        return
    forest, morphologies = Forest.of_tables(*(snapshot.tables[name].to_arrow() for name in names))
    for at, name in enumerate(morphologies):
        yield f"{name}.swc", swc_of(forest.take(np.array([at])))


def swc_of(tree: Forest) -> bytes:
    """Return the SWC text of a tree.

    Parameters
    ----------
    tree
        A forest of one tree.
    """
    order = np.arange(len(tree.parent))
    if not (tree.parent < order).all():
        order = np.argsort(_depths(tree.parent), kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(1, len(order) + 1)
    parents = np.where(tree.parent < 0, -1, number[tree.parent])
    radius = tree.diameter / np.float32(2)
    columns = (tree.type, *(values.astype(str) for values in (tree.x, tree.y, tree.z, radius)), parents)
    rows = zip(*(values[order].tolist() for values in columns), strict=True)
    lines = (f"{at} {' '.join(map(str, row))}\n" for at, row in enumerate(rows, 1))
    return "".join(lines).encode()


def _depths(parent: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many points each point is away from the root."""
    up = np.where(parent < 0, np.arange(len(parent)), parent)
    depth = (parent >= 0).astype(np.int64)
    for _ in range(len(parent).bit_length()):
        depth = depth + depth[up]
        up = up[up]
    return depth
