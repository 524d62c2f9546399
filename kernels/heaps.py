"""Binary heaps of keys with values: the least key first, and of equal keys the least value."""

import numpy as np
from numpy.typing import NDArray

from .jit import jit

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@jit
def push(keys: Reals, values: Integers, n: int, key: float, value: int) -> None:
    """Put a key and a value into a heap that has room for them.

    Parameters
    ----------
    keys, values
        The heap, float64[m] and int64[m].
    n
        How many are in it before, n < m.
    key, value
        What comes in.
    """
    at = n
    while at:
        up = (at - 1) >> 1
        if keys[up] < key or (keys[up] == key and values[up] <= value):
            break
        keys[at], values[at] = keys[up], values[up]
        at = up
    keys[at], values[at] = key, value


@jit
def pop(keys: Reals, values: Integers, n: int) -> int:
    """Take the first out of a heap, and return how many are left.

    Parameters
    ----------
    keys, values
        The heap, float64[m] and int64[m]; the first is at 0.
    n
        How many are in it before, n > 0.
    """
    n -= 1
    key, value, at = keys[n], values[n], 0
    while True:
        down = 2 * at + 1
        if down >= n:
            break
        if down + 1 < n and (
            keys[down + 1] < keys[down] or (keys[down + 1] == keys[down] and values[down + 1] < values[down])
        ):
            down += 1
        if key < keys[down] or (key == keys[down] and value <= values[down]):
            break
        keys[at], values[at] = keys[down], values[down]
        at = down
    keys[at], values[at] = key, value
    return n
