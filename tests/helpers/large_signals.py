"""A signal of a report whose length is told, in a process of its own, which prints the memory it took beyond a short one."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

import neurolake
from neurolake.lake.data.arrays import create_array
from neurolake.query import lfp
from neurolake.query.lfp import products as lfp_products

ELEMENTS, FRAMES, CONTACTS = 1024, 1024, 8


def write(lake, name, blocks):
    """Write a report of so many equal blocks of 4 MB, which the lake stores once, and coefficients of 1."""
    block = np.random.default_rng(0).normal(size=(FRAMES, ELEMENTS)).astype(np.float32)
    elements = {"node_id": np.arange(ELEMENTS) // 64, "element_id": np.arange(ELEMENTS) % 64}
    with lake.transaction(f"Write {name}") as transaction:
        array = create_array(
            transaction.store,
            f"reports/{name}",
            (blocks * FRAMES, ELEMENTS),
            np.float32,
            chunks=(256, ELEMENTS),
            dimension_names=["time", "element"],
            attributes={"units": "nA"},
        )
        for first in range(0, blocks * FRAMES, FRAMES):
            array.write_rows(block, first)
        times = np.arange(blocks * FRAMES) * 0.1
        transaction.write_array(f"reports/{name}.time", times, dimension_names=["time"])
        columns = {**elements, "segment_index": np.zeros(ELEMENTS, np.int64)}
        transaction.write_table(f"reports/{name}.elements", pa.table(columns))
        ones = np.ones((CONTACTS, ELEMENTS), np.float32)
        transaction.write_array("ones", ones, dimension_names=["electrode", "segment"])
        names = {"node_id": "node_id", "section_id": "element_id", "segment_id": "segment_index"}
        for key, own in names.items():
            transaction.write_array(f"ones.{key}", columns[own], dimension_names=["segment"])
    return block


def peak() -> int:
    """The most memory that this process has had so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main(url: str) -> None:
    """Sum the short report, then the long one."""
    lfp_products.BLOCK_BYTES = 2**21
    lake = neurolake.open(url, durable=False)
    for name in ("short", "long"):
        before = peak()
        made = lake.derive(lfp.signal, report=f"reports/{name}", coefficients="ones", by="cell")
    print(peak() - before, lake[f"reports/{name}"].nbytes, made.nbytes)


if __name__ == "__main__":
    main(sys.argv[1])
