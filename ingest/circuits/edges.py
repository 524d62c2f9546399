"""Edges by their source: the index that every table of edges has beside it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.circuits import BY_SOURCE
from ...lake import Transaction
from .tables import write_blocks

Ids = NDArray[np.int64]
Ends = tuple[Ids, Ids, Ids]
"""Source, target and number of some edges."""

HELD_EDGES = 2**23
"""Edges that are sorted at a time, 24 bytes each and as much again."""


def write_by_source(
    transaction: Transaction, node: str, blocks: Callable[[], Iterator[Ends]], *, held: int = HELD_EDGES
) -> None:
    """Write the table ``.by_source`` of a table of edges.

    Edges are sorted in parts, each of which goes through all blocks again: memory is bounded, whatever their number.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the table of edges.
    blocks
        Called for each pass: all edges in blocks, by target, those of one target by their numbers.
    held
        How many edges may be held.
    """
    counts, kept, total = np.zeros(0, np.int64), list[Ends](), 0
    for block in blocks():
        found = np.bincount(block[0], minlength=len(counts))
        found[: len(counts)] += counts
        counts, total = found, total + len(block[0])
        kept = [*kept, block] if total <= held else []
    tables = _sorted(kept) if total <= held else _in_parts(blocks, counts, held)
    write_blocks(transaction, BY_SOURCE.beside(node), BY_SOURCE, BY_SOURCE.schema, tables)


def _in_parts(blocks: Callable[[], Iterator[Ends]], counts: Ids, held: int) -> Iterator[pa.Table]:
    total, low = np.cumsum(counts), 0
    while low < len(counts):
        high = max(low + 1, int(np.searchsorted(total, (total[low - 1] if low else 0) + held, "right")))
        parts = []
        for source, target, edge in blocks():
            own = (source >= low) & (source < high)
            parts.append((source[own], target[own], edge[own]))
        yield from _sorted(parts)
        low = high


def _sorted(blocks: Sequence[Ends]) -> Iterator[pa.Table]:
    """Edges by source, then as they are."""
    if not any(len(source) for source, _, _ in blocks):
        return
    source, target, edge = (np.concatenate(ends) for ends in zip(*blocks, strict=True))
    # Small numbers are sorted by their digits, which is faster.
    order = np.argsort(source.astype(np.min_scalar_type(int(source.max()))), kind="stable")
    yield pa.table([ends[order] for ends in (source, target, edge)], BY_SOURCE.schema)
