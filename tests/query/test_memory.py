"""Memory of derived results: bounded by blocks, whatever the size of the input and of the result."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import large_derivations
import pytest

import neurolake

MB = 1_000_000
BLOCKS = 24
LIMIT = 128 * MB


@pytest.fixture(scope="module")
def lake(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of a process is read from /proc")
    lake = neurolake.create(tmp_path_factory.mktemp("large") / "lake", durable=False)
    large_derivations.write(lake, "small", 2)
    large_derivations.write(lake, "large", BLOCKS)
    return lake


@pytest.mark.parametrize("kernel", ["by_iterator", "by_dask", "by_xarray", "rows_by_dask", "rows_by_sql"])
def test_memory_is_bounded_by_blocks(lake: Any, kernel: str) -> None:
    """Input and result have 192 MB each; what they take beyond a result of 16 MB stays below two thirds of one."""
    command = [sys.executable, large_derivations.__file__, lake.url, kernel]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, size = map(int, done.stdout.split())
    assert size == (BLOCKS * 500_000 if kernel.startswith("rows") else BLOCKS * 8 * MB)
    assert taken < LIMIT, f"{taken / MB:.0f} MB"
