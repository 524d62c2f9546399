"""Random numbers that are a function of what they are for: a counter-based generator.

Threefry-2x64 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, doi:10.1145/2063384.2063405) turns a key of two
64-bit words and a counter of two into two random words. The key is (seed, trial); the counter is (stream, place),
where a stream is a digest of text such as ``spiketrain/L5tt_C2`` and a place is (cell, draw). So every number can
be drawn alone, in any order, in any process, and adding a population changes no other's.
"""

import math
from hashlib import blake2b

import numpy as np

from .jit import jit

_PARITY = np.uint64(0x1BD11BDAA9FC1A22)
_ROUNDS = (16, 42, 12, 31, 16, 32, 24, 21)
_TO_UNIT = 2.0**-53


def stream(purpose: str, population: str) -> np.uint64:
    """Return the stream of one purpose in one population.

    Parameters
    ----------
    purpose
        What the numbers are for, such as ``release``.
    population
        Name of the population.
    """
    return np.uint64(
        int.from_bytes(blake2b(f"{purpose}/{population}".encode(), digest_size=8).digest(), "little")
    )


def key_word(number: int, name: str) -> np.uint64:
    """Return a seed or trial number as half of a key.

    Parameters
    ----------
    number
        The seed or trial number.
    name
        What it is, for the message.

    Raises
    ------
    ValueError
        The number is not in ``[0, 2**64)``.
    """
    if not 0 <= number < 2**64:
        raise ValueError(f"{name} is {number}, expected a whole number from 0 to 2**64 - 1")
    return np.uint64(number)


@jit
def threefry(
    key_0: np.uint64, key_1: np.uint64, counter_0: np.uint64, counter_1: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Return two random words of 64 bits for a key and a counter of two words each.

    Parameters
    ----------
    key_0, key_1
        Words of the key.
    counter_0, counter_1
        Words of the counter.
    """
    # A signed integer among unsigned ones would turn all into floats.
    keys = (np.uint64(key_0), np.uint64(key_1), np.uint64(key_0) ^ np.uint64(key_1) ^ _PARITY)
    x, y = np.uint64(counter_0) + keys[0], np.uint64(counter_1) + keys[1]
    for block in range(5):
        for step in range(4):
            turn = np.uint64(_ROUNDS[4 * (block % 2) + step])
            x = x + y
            y = ((y << turn) | (y >> (np.uint64(64) - turn))) ^ x
        x = x + keys[(block + 1) % 3]
        y = y + keys[(block + 2) % 3] + np.uint64(block + 1)
    return x, y


@jit
def uniforms(
    seed: np.uint64, trial: np.uint64, stream: np.uint64, cell: int | np.int64, draw: int | np.int64
) -> tuple[float, float]:
    """Return two independent numbers in (0, 1], multiples of 2**-53.

    Parameters
    ----------
    seed
        Seed of the run.
    trial
        Number of the trial.
    stream
        Stream of the purpose, as of `stream`.
    cell
        Number of the cell.
    draw
        Number of the draw, below 2**32.
    """
    place = (np.uint64(cell) << np.uint64(32)) | np.uint64(draw)
    x, y = threefry(seed, trial, stream, place)
    eleven = np.uint64(11)
    return (float(x >> eleven) + 1.0) * _TO_UNIT, (float(y >> eleven) + 1.0) * _TO_UNIT


@jit
def exponential(uniform: float) -> float:
    """Return an exponentially distributed number of mean 1, at most 36.8.

    Parameters
    ----------
    uniform
        A uniform number in (0, 1].
    """
    return -math.log(uniform)


@jit
def normal(first: float, second: float) -> float:
    """Return a standard normal number (Box & Muller 1958, doi:10.1214/aoms/1177706645).

    Parameters
    ----------
    first, second
        Independent uniform numbers in (0, 1].
    """
    return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)
