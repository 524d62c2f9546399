"""Items of an iterator made ahead of time, by a thread."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..lake.threads import working

Item = TypeVar("Item")


def prefetched(items: Iterator[Item], ahead: int) -> Iterator[Item]:
    """Yield the same items, made ahead of time by a thread; errors come in their turn.

    Parameters
    ----------
    items
        The items.
    ahead
        How many of them are made ahead; 0 for none, without a thread.
    """
    if not ahead:
        yield from items
        return
    end: Any = object()
    with working(ThreadPoolExecutor(1, thread_name_prefix="neurolake-batches")) as thread:
        waiting = deque(thread.submit(next, items, end) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item
