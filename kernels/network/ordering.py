"""Orders of edges: by target, by source, as stable counting sorts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    """Group rows by their node, int[n], in ``[0, n_nodes)``: the index of edges by source or by target.

    Raises
    ------
    ValueError
        A node id is out of range; the message names the row.
    """
    raise NotImplementedError
