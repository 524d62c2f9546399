"""Kernels for tests; other processes import them too."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

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
    """Twice the block; the process that comes to the second one first dies."""
    if np.max(block, initial=0) >= 5000:
        try:
            Path(marker).open("x").close()
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return 2 * block


def fragile_rows(part: Any, marker: str) -> Any:
    """The rows that are even; the first process that comes to later ones dies."""
    fragile(part.index.to_numpy(), marker)
    return part[part.index % 2 == 0]


@neurolake.kernel(version="1")
def doubled(array: Any, marker: str) -> Any:
    return array.dask((1000, 5)).map_blocks(fragile, marker, dtype=array.dtype)


@neurolake.kernel(version="1")
def even_rows(table: Any, marker: str) -> Any:
    frame = table.dask()
    return frame.map_partitions(fragile_rows, marker, meta=frame._meta)


@neurolake.kernel(version="1")
def slow_rows(array: Any) -> Any:
    time.sleep(0.2)
    return pa.table({"x": array[:3, 0]})


def derive_slow_rows(url: str, number: int) -> str:
    """The name of the result, derived in this process."""
    return str(neurolake.open(url, durable=False).derive(slow_rows, "a").name)
