"""What a snapshot holds, as plain Python values, edits in one line, and time that passes."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from neurolake.lake import Array, Commit, Lake, Snapshot, Table, Transaction
from neurolake.lake.nodes.node import Node, tree_digest

Edit = Callable[[Transaction], Any]


def commit(lake: Lake, edit: Edit, branch: str = "main", message: str = "edit") -> Commit:
    with lake.transaction(message, branch=branch) as tx:
        edit(tx)
    assert tx.committed is not None
    return tx.committed


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


def age(lake: Lake, by: timedelta) -> None:
    """Let time pass, for all that the storage has."""
    for path in Path(lake.url).rglob("*"):
        if path.is_file():
            moment = path.stat().st_mtime - by.total_seconds()
            os.utime(path, (moment, moment))
