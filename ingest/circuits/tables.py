"""Tables that are written block by block, so that their size does not matter."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary.kinds import TableKind
from ...lake import Transaction


def write_blocks(
    transaction: Transaction,
    node: str,
    kind: TableKind,
    schema: pa.Schema,
    blocks: Iterable[pa.Table],
    *,
    sorted_by: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write a table from blocks of rows; an existing node of that name is replaced.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    kind
        What the table is.
    schema
        Its columns, for a table without blocks.
    blocks
        Rows in their order, all with that schema.
    sorted_by
        Columns by which they are in order; by default those of the kind.
    attributes
        Of the table.
    """
    order = kind.sorted_by if sorted_by is None else sorted_by
    if node in transaction.drafts:
        transaction.delete(node)

    def append(block: pa.Table) -> None:
        transaction.append_table(node, block, doc=kind.doc, sorted_by=order, attributes=attributes)

    # One block is encoded while the next is read.
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[None] | None = None
        for block in blocks:
            if waiting is not None:
                waiting.result()
            waiting = pool.submit(append, block)
        if waiting is not None:
            waiting.result()
    if node not in transaction.drafts:
        transaction.write_table(
            node, schema.empty_table(), doc=kind.doc, sorted_by=order, attributes=attributes
        )
