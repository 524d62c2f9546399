"""Threads of this process, for work that leaves Python's lock to others: codecs, hashes, Parquet."""

import functools
import math
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, local
from typing import Generic, TypeVar

CORES = os.cpu_count() or 1
AT_ONCE = 16
"""Requests that are under way at a storage at once: each waits longer than it works, where that is far away."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Pool = TypeVar("Pool", bound=Executor)
Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """The values that were put last, by key; threads may share it.

    Parameters
    ----------
    size
        How many to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """Return the value of *key*; None if it is not kept any more.

        Parameters
        ----------
        key
            Key of the value.
        """
        return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and drop the oldest.

        Parameters
        ----------
        key
            Key of the value.
        value
            The value to keep.
        """
        with self._lock:
            self._values.pop(key, None)
            while len(self._values) >= self._size:
                del self._values[next(iter(self._values))]
            self._values[key] = value

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()


def mapped(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Return results in the order of *items*, computed by threads; holds few at a time.

    Work that calls this itself does its part alone: a thread that waited for others of its pool would wait for ever.

    Parameters
    ----------
    work
        Called with each item.
    items
        What to work on.
    """
    if len(items) < 2 or workers() == 1:
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


def workers() -> int:
    """Return how many threads `mapped` would use here: one within its own work."""
    return 1 if getattr(_here, "inside", False) else CORES


_here = local()


def _enter() -> None:
    _here.inside = True


@contextmanager
def working(pool: Pool) -> Iterator[Pool]:
    """Use a pool in a generator: wait for it at the end and after an error, but not where the generator is abandoned.

    Python closes an abandoned generator wherever it happens to look for garbage: also while it starts a thread, with a
    lock held that the end of a thread needs. Who waited for threads there would wait for ever.

    Parameters
    ----------
    pool
        The pool; what it has not begun is cancelled at an error, or where the generator is abandoned.
    """
    try:
        yield pool
    except GeneratorExit:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    else:
        pool.shutdown()


def gathered(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Return results in the order of *items*, of work that waits for a storage: `AT_ONCE` at a time.

    Parameters
    ----------
    work
        Called with each item.
    items
        What to work on.
    """
    if len(items) < 2:
        yield from map(work, items)
        return
    pending = deque[Future[Result]]()
    with working(
        ThreadPoolExecutor(min(AT_ONCE, len(items)), thread_name_prefix="neurolake-storage")
    ) as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= AT_ONCE:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:
    # A forked child has none of its parent's threads, hence one pool for each process.
    return ThreadPoolExecutor(CORES, thread_name_prefix="neurolake", initializer=_enter)


def _all(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


def pause(attempt: int) -> None:
    """Wait for a short random time before another attempt, so that the losers of a race do not collide again.

    Parameters
    ----------
    attempt
        Number of attempts so far; the first does not wait.
    """
    if attempt:
        time.sleep(random.uniform(0, 0.005 * min(attempt, 20)))  # noqa: S311
