"""Memory is bounded, whatever the size: each kind of work on a little, on much and on four times as much.

A process of its own works on the three one after the other, and tells the most memory it has had after each.
What it takes beyond that for a little stays below a stated bound, which is less than the data, and four times the
data take hardly more. docs/scale.md says what the bounds are made of. `tests/query/test_memory.py` has
the other ways to derive.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import memory_tasks
import pytest
from memory_tasks import COUNTS, ROWS, TRACE, TRIALS

MB = 1_000_000
SQL_LIMIT = 64


@dataclass(frozen=True)
class Bound:
    """What a task may take beyond little data, and how much more four times the data may take; MB."""

    task: str
    most: int
    more: int
    data: int


def of_trials(per_trial: int) -> int:
    return per_trial * TRIALS["more"]


BOUNDS = [
    Bound("sorting", 160, 64, of_trials(ROWS)),
    Bound("array_by_dask", 128, 64, of_trials(TRACE)),
    Bound("frame_by_dask", 160, 64, of_trials(ROWS)),
    Bound("derived_blocks", 224, 64, of_trials(TRACE)),
    Bound("derived_bins", 320, 160, of_trials(COUNTS)),
    Bound("derived_statistics", 160, 64, of_trials(TRACE)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of a process is read from /proc")
    folder = tmp_path_factory.mktemp("memory")
    memory_tasks.write(folder)
    return folder


def peaks(task: str, folder: Path) -> tuple[list[int], list[int]]:
    """The most memory after each of the three, and the spilled bytes that were seen."""
    environment = {**os.environ, "TMPDIR": str(folder), "NEUROLAKE_MEMORY": f"{SQL_LIMIT}MB"}
    command = [sys.executable, memory_tasks.__file__, task, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return [int(n) for name, n in lines if name == "peak"], [int(n) for name, n in lines if name == "spilled"]


def check(bound: Bound, found: list[int]) -> None:
    little, much, more = found
    told = f"{little / MB:.0f}, {much / MB:.0f}, {more / MB:.0f} MB for {bound.data / MB:.0f} MB"
    assert bound.most * MB < bound.data, "a bound above the data says nothing"
    assert more - little < bound.most * MB, told
    assert more - much < bound.more * MB, told


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: bound.task)
def test_memory_is_bounded(folder: Path, bound: Bound) -> None:
    found, spilled = peaks(bound.task, folder)
    check(bound, found)
    # All the rows do not fit into what DuckDB may have.
    assert bound.task != "sorting" or max(spilled) > SQL_LIMIT * MB


def test_memory_of_ingest_is_bounded(folder: Path) -> None:
    tree = folder / "more" / "tree"
    text = sum(path.stat().st_size for path in tree.rglob("*.csv"))
    found, _ = peaks("ingest", folder)
    check(Bound("ingest", 96, 48, text), found)
