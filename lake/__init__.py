"""The store: versioned, content-addressed arrays, tables and files."""

from .arrays import Array
from .core import Lake, cache_folder
from .log import Record
from .snapshot import Snapshot
from .tables import Table
from .transaction import Transaction

__all__ = ["Array", "Lake", "Record", "Snapshot", "Table", "Transaction", "cache_folder"]
