"""Orders of edges: by target, by source, as stable counting sorts."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import codes
from ..jit import jit, over_rows


class Ordered(NamedTuple):
    """Rows grouped by a node.

    Attributes
    ----------
    rows
        Rows of node 0, of node 1 and so on, each in rising order, int64[n].
    offsets
        Those of node k are ``rows[offsets[k]:offsets[k + 1]]``, int64[n_nodes + 1].
    """

    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]


def rows_by_node(node_id: ArrayLike, n_nodes: int) -> Ordered:
    """Group rows by their node: the index of edges by source or by target.

    Parameters
    ----------
    node_id
        Node of each row, int[n], in ``[0, n_nodes)``.
    n_nodes
        Number of nodes.

    Raises
    ------
    ValueError
        A node id is out of range; the message names the row.
    """
    nodes = codes("node_id", node_id, n_nodes, np.shape(node_id)[0])
    counts = over_rows(
        lambda begin, end: (begin, end, _tally(nodes, n_nodes, begin, end)), len(nodes), len(nodes)
    )
    # Rows of a node that lie in an earlier slice come first: the sort is stable, however many threads there are.
    starts, offsets = _starts(np.array([count for _, _, count in counts]))
    slices = [(begin, end) for begin, end, _ in counts]
    rows = np.empty(len(nodes), np.int64)
    over_rows(
        lambda first, last: [_scatter(nodes, starts[k], rows, *slices[k]) for k in range(first, last)],
        len(slices),
    )
    return Ordered(rows, offsets)


def _starts(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each slice puts its first row of each node, and where each node begins; counts[slice, node]."""
    ends = np.cumsum(counts, axis=0)
    offsets = np.concatenate([[0], np.cumsum(ends[-1])])
    return ends - counts + offsets[:-1], offsets


@jit
def _tally(nodes: NDArray[Any], n_nodes: int, begin: int, end: int) -> NDArray[np.int64]:
    counts = np.zeros(n_nodes, np.int64)
    for i in range(begin, end):
        counts[nodes[i]] += 1
    return counts


@jit
def _scatter(
    nodes: NDArray[Any], start: NDArray[np.int64], rows: NDArray[np.int64], begin: int, end: int
) -> None:
    for i in range(begin, end):
        rows[start[nodes[i]]] = i
        start[nodes[i]] += 1
