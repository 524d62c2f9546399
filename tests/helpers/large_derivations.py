"""Derives of a size that is told, in a process of its own, which prints how much memory they took beyond small ones."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np

import neurolake
from neurolake.lake.objects import store as objects

ROWS = 2000


@neurolake.kernel(version="1")
def by_iterator(array: Any) -> Iterator[Any]:
    for start in range(0, array.shape[0], ROWS):
        yield array[start : start + ROWS] * 2


@neurolake.kernel(version="1")
def by_dask(array: Any) -> Any:
    return array.dask((ROWS, array.shape[1])) * 2


@neurolake.kernel(version="1")
def by_xarray(array: Any) -> Any:
    return array.xarray(chunks=(ROWS, array.shape[1])) * 2


@neurolake.kernel(version="1")
def rows_by_dask(rows: Any) -> Any:
    return rows.dask().assign(y=lambda frame: frame["x"] * 2)


@neurolake.kernel(version="1", whole=True)
def rows_by_sql(snapshot: Any) -> Any:
    return snapshot.sql("select n, x * 2 as y from rows")


def peak() -> int:
    """The most memory that this process has had so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main(url: str, kernel: str) -> None:
    # A writer holds three packs of 64 MiB at most; that shows only with results much larger than it.
    objects.PACK_SIZE = 8 * 2**20
    lake = neurolake.open(url, durable=False)
    function = globals()[kernel]
    with dask.config.set(scheduler="threads", num_workers=2):
        for size in ("small", "large"):
            before = peak()
            inputs = {"rows": f"{size}/rows"} if "rows" in kernel else f"{size}/by"
            made = lake.derive(function, inputs)
    print(peak() - before, made.nbytes if hasattr(made, "nbytes") else made.rows)


def write(lake: Any, size: str, blocks: int) -> None:
    """An array and a table of that many blocks of 8 MB."""
    import pyarrow as pa

    random = np.random.default_rng(1)
    for at in range(blocks):
        with lake.transaction(f"{size} {at}") as tx:
            values = random.random((ROWS, 500))
            rows = {"n": np.arange(at * 500_000, (at + 1) * 500_000), "x": random.random(500_000)}
            tx.append_table(f"{size}/rows", pa.table(rows), sorted_by=["n"])
            if at:
                tx.append_array(f"{size}/by", values)
            else:
                tx.write_array(f"{size}/by", values, chunks=(250, 500))


if __name__ == "__main__":
    main(*sys.argv[1:])
