from .core import Lake as Lake
from .data.arrays import Array as Array
from .data.tables import Table as Table
from .history.log import Commit as Commit
from .snapshot import Snapshot as Snapshot
from .transaction import Transaction as Transaction
