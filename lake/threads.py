"""Threads of this process, for work that leaves Python's lock to others: codecs, hashes, Parquet."""

import functools
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

CORES = os.cpu_count() or 1

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results in the order of *items*, made by threads; few at a time are held."""
    if len(items) < 2:
        yield from map(work, items)
        return
    # A task is a run of items: handing over single small chunks costs more than they do.
    size = min(16, math.ceil(len(items) / (2 * CORES)))
    runs = [items[start : start + size] for start in range(0, len(items), size)]
    pool, pending = _threads(os.getpid()), deque[Future[list[Result]]]()
    for run in runs:
        pending.append(pool.submit(_all, work, run))
        if len(pending) > 2 * CORES:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:
    # A forked child has none of its parent's threads, hence one pool for each process.
    return ThreadPoolExecutor(CORES, thread_name_prefix="neurolake")


def _all(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]
