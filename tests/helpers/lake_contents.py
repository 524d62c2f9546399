"""What a snapshot holds, as plain Python values, and edits in one line."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from neurolake.lake import Array, Lake, Record, Snapshot, Table, Transaction
from neurolake.lake.nodes import Node, tree_digest

Edit = Callable[[Transaction], Any]


def commit(lake: Lake, edit: Edit, branch: str = "main", message: str = "edit") -> Record:
    with lake.transaction(message, branch=branch) as tx:
        edit(tx)
    assert tx.record is not None
    return tx.record


def rows(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def plain(value: Any) -> Any:
    match value:
        case Array():
            return value[...].tolist()
        case Table():
            return value.to_arrow().to_pylist()
        case Node():
            return dict(value.meta)
        case _:
            return value


def contents(snapshot: Snapshot) -> dict[str, Any]:
    """All values by name; whatever is reachable is read and verified."""
    assert tree_digest(snapshot.tree) == snapshot.commit.snapshot
    return {name: plain(value) for name, value in snapshot.items()}
