"""Kernels for tests; other processes import them too."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

import neurolake

CALLS: list[str] = []


@neurolake.kernel(version="1")
def mean_trace(voltage: Any, scale: float = 1.0) -> Any:
    CALLS.append("mean_trace")
    return voltage[...].mean(axis=0) * scale


@neurolake.kernel(version="1")
def largest(values: Any) -> float:
    CALLS.append("largest")
    return float(np.max(values[...]))


@neurolake.kernel(version="2", name="per-stimulus", whole=True)
def per_stimulus(snapshot: Any) -> Any:
    CALLS.append("per-stimulus")
    return snapshot.sql("select stimulus, count(*) as trials from trials group by all order by all")


def unversioned(table: Any) -> int:
    return table.rows


def fragile(block: Any, marker: str) -> Any:
    """The block; the first process that comes here dies."""
    try:
        Path(marker).open("x").close()
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)
