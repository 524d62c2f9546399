"""Edges by their source: the index that every table of edges has beside it."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import BY_SOURCE
from ...lake import Transaction
from .tables import write_blocks

Ids = NDArray[np.int64]
Ends = tuple[Ids, Ids, Ids]
"""Source, target and number of some edges."""

HELD_EDGES = 2**24
"""Edges that are sorted at a time, 24 bytes each and as much again."""


def write_by_source(
    transaction: Transaction, node: str, blocks: Callable[[], Iterator[Ends]], *, held: int = HELD_EDGES
) -> None:
    """Write the table ``.by_source`` of a table of edges.

    Edges are sorted in parts, each of which goes through all blocks again: memory is bounded, whatever their number.

    Parameters
    ----------
    node
        Name of the table of edges.
    blocks
        Called for each pass: all edges, in blocks in any order.
    held
        How many edges may be held.
    """
    counts = np.zeros(0, np.int64)
    for source, _, _ in blocks():
        found = np.bincount(source, minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    total = np.cumsum(counts)

    def parts() -> Iterator[pa.Table]:
        low = 0
        while low < len(counts):
            high = max(low + 1, int(np.searchsorted(total, (total[low - 1] if low else 0) + held, "right")))
            found = [
                tuple(ends[chosen] for ends in block)
                for block in blocks()
                if (chosen := (block[0] >= low) & (block[0] < high)).any()
            ]
            if found:
                source, target, edge = (np.concatenate(ends) for ends in zip(*found, strict=True))
                order = np.lexsort((edge, target, source))
                yield pa.table([ends[order] for ends in (source, target, edge)], BY_SOURCE.schema)
            low = high

    write_blocks(transaction, BY_SOURCE.beside(node), BY_SOURCE, BY_SOURCE.schema, parts())
