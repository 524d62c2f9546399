"""Endoplasmic reticulum of astrocytes, after the trees of measured ones that are most like theirs.

Trees are compared by their barcodes of path distances (Kanari et al. 2018, doi:10.1007/s12021-017-9341-1). ArchNGV 3.3 has the
same, and calls it a placeholder.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import row_offsets, whole_numbers

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class Bar(NamedTuple):
    """A bar of a tree's barcode: a way from a tip to where a longer one goes on.

    Attributes
    ----------
    length
        Of the way, in µm.
    paths
        Path distance of each section's end on it from the tree's beginning, in µm, from the tip on: float64[n].
    values
        What is measured in each of these sections, such as surface area, volume and number of filaments; NaN where there is no
        reticulum: float64[n, k].
    """

    length: float
    paths: Reals
    values: Reals


class Reticulum(NamedTuple):
    """What the sections of some cells have, section by section.

    Attributes
    ----------
    section
        Row of the section, int64[n], rising.
    values
        As those of the bars, float64[n, k].
    """

    section: Whole
    values: Reals


def reticulum_of(
    lengths: ArrayLike, parent: ArrayLike, cells: ArrayLike, measured: Sequence[Sequence[Bar]]
) -> Reticulum:
    """Return the reticulum of cells.

    Parameters
    ----------
    lengths
        Of each section, float[n_sections], in µm.
    parent
        Section of the same cell that each leaves, below it, int[n_sections]; -1 for the soma, which is the first one.
    cells
        Cell c has the sections ``cells[c]`` to ``cells[c + 1]``, int[n_cells + 1].
    measured
        Bars of each measured tree.

    Returns
    -------
    Reticulum
        Of the sections that have any.

    Raises
    ------
    ValueError
        Arrays do not fit, or nothing is measured.

    Notes
    -----
    A tree takes its values from the measured one whose number of bars is nearest; bars of both are matched by the rank of
    their lengths, the shortest with the shortest; and in a bar, a section has what the first measured section at no
    smaller path distance has, or else the last one.
    """
    size, above = np.ascontiguousarray(lengths, np.float64), whole_numbers("parent", parent).astype(np.int64)
    groups = whole_numbers("cells", cells).astype(np.int64)
    groups = row_offsets(groups, len(groups) - 1, len(above))
    if size.shape != above.shape:
        raise ValueError(f"lengths have shape {size.shape}; expected {above.shape}, one per section")
    if not measured or not all(measured):
        raise ValueError("nothing is measured; expected trees with bars")
    numbers = np.array([len(tree) for tree in measured])
    ranked = [sorted(tree, key=lambda bar: bar.length) for tree in measured]
    found: dict[int, Reals] = {}
    for begin, end in pairwise(groups.tolist()):
        for bars in _barcodes(size[begin:end], above[begin:end]):
            like = ranked[int(np.abs(numbers - len(bars)).argmin())]
            for (sections, paths, _), bar in zip(sorted(bars, key=lambda bar: bar[2]), like, strict=False):
                order = np.argsort(bar.paths, kind="stable")
                at = np.minimum(np.searchsorted(bar.paths[order], paths), len(order) - 1)
                for section, values in zip(sections, bar.values[order[at]], strict=True):
                    if not np.isnan(values).any():
                        found[begin + section] = values
    rows = np.array(sorted(found), np.int64)
    width = measured[0][0].values.shape[1]
    return Reticulum(rows, np.array([found[row] for row in rows.tolist()]).reshape(len(rows), width))


def _barcodes(lengths: Reals, parent: Whole) -> list[list[tuple[list[int], list[float], float]]]:
    """Bars of each tree of a cell: sections from the tip on, path distances of their ends, and the length."""
    n = len(parent)
    path, tree = np.zeros(n), np.zeros(n, np.int64)
    children: list[list[int]] = [[] for _ in range(n)]
    for k in range(1, n):
        path[k] = lengths[k] + (path[parent[k]] if parent[k] > 0 else 0.0)
        tree[k] = tree[parent[k]] if parent[k] > 0 else k
        children[parent[k]].append(k)
    reach, track = path.copy(), [[k] for k in range(n)]
    found: dict[int, list[tuple[list[int], list[float], float]]] = {k: [] for k in children[0]} if n else {}
    for k in range(n - 1, 0, -1):
        if not children[k]:
            continue
        longest = max(children[k], key=lambda c: (reach[c], -c))
        for c in children[k]:
            if c != longest:
                bar = float(reach[c] - path[k])
                found[int(tree[k])].append((track[c], [float(path[s]) for s in track[c]], bar))
        reach[k], track[k] = reach[longest], [*track[longest], k]
    for root, bars in found.items():
        bars.append((track[root], [float(path[s]) for s in track[root]], float(reach[root])))
    return list(found.values())
