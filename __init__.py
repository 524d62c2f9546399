"""neurolake: a versioned, content-addressed data lake for neural simulation.

``create`` and ``open`` give a `Lake`; what it holds is read through its snapshots and changed through its
transactions.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .lake.errors import (
    ConflictError,
    CorruptObjectError,
    FormatError,
    IngestError,
    InputError,
    NeurolakeError,
    NotFoundError,
    QueryError,
    ReadOnlyError,
    StorageError,
)
from .lake.moved import install as _install
from .query.derive.kernels import kernel

if TYPE_CHECKING:
    from .ingest.runs.recordings import record
    from .ingest.runs.reruns import rerun
    from .ingest.runs.runs import run
    from .lake.objects.store import Verification
    from .query import lfp
    from .query.lake import Lake

__version__ = "0.1.0"


def create(path: str | Path, *, durable: bool = True) -> "Lake":
    """Make a new lake in an empty folder, or at ``s3://bucket/prefix``; see `neurolake.lake.Lake.create`."""
    # Zarr, Arrow and DuckDB take a while to import; whoever only needs an error or the version does not wait.
    from .query.lake import Lake

    return Lake.create(path, durable=durable)


def open(path: str | Path, *, durable: bool = True, verification: "Verification" = "first") -> "Lake":
    """Open a lake; see `neurolake.lake.Lake.open`."""
    from .query.lake import Lake

    return Lake.open(path, durable=durable, verification=verification)


_install()

# NEURON, Zarr, Arrow and numba take a while to import, and most of what people do needs few of them.
_HOMES = {
    "lfp": ("query.lfp", None),
    "record": ("ingest.runs.recordings", "record"),
    "rerun": ("ingest.runs.reruns", "rerun"),
    "run": ("ingest.runs.runs", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    found = import_module(f".{module}", __name__)
    return found if attribute is None else getattr(found, attribute)


__all__ = [
    "ConflictError",
    "CorruptObjectError",
    "FormatError",
    "IngestError",
    "InputError",
    "NeurolakeError",
    "NotFoundError",
    "QueryError",
    "ReadOnlyError",
    "StorageError",
    "create",
    "kernel",
    "lfp",
    "open",
    "record",
    "rerun",
    "run",
]
