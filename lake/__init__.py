"""The store: versioned, content-addressed arrays, tables and files."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core import Lake, cache_folder
    from .data.arrays import Array
    from .data.tables import Table
    from .history.log import Record
    from .snapshot import Snapshot
    from .transaction import Transaction

__all__ = ["Array", "Lake", "Record", "Snapshot", "Table", "Transaction", "cache_folder"]

_HOMES = {
    "Array": "data.arrays",
    "Lake": "core",
    "Record": "history.log",
    "Snapshot": "snapshot",
    "Table": "data.tables",
    "Transaction": "transaction",
    "cache_folder": "core",
}


def __getattr__(name: str) -> Any:
    # Zarr and Arrow take most of a second to import; who only needs the errors does not wait for them.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
