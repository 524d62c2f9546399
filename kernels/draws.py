"""Random numbers that are a function of what they are for: a counter-based generator.

Threefry-2x64 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, doi:10.1145/2063384.2063405) turns a key of two
64-bit words and a counter of two into two random words. The key is (seed, trial); the counter is (stream, place),
where a stream is a digest of text such as ``spiketrain/L5tt_C2`` and a place is (cell, draw). So every number can
be drawn alone, in any order, in any process, and adding a population changes no other's.
"""

import math
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from .jit import jit

_PARITY = np.uint64(0x1BD11BDAA9FC1A22)
_ROUNDS = (16, 42, 12, 31, 16, 32, 24, 21)
_TO_UNIT = 2.0**-53

# AS 241: numerator and denominator near the mean, in the tails, and far out in them.
_NEAR = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_FAR = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


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


@jit
def normal_quantile(probability: float) -> float:
    """Return the number that a standard normal one stays below with this probability (Wichura 1988, AS 241, PPND16).

    Parameters
    ----------
    probability
        Between 0 and 1; at 0 and 1 the result is infinite.
    """
    centred = probability - 0.5
    if abs(centred) <= 0.425:
        return centred * _ratio(_NEAR, 0.180625 - centred * centred)
    tail = min(probability, 1.0 - probability)
    if tail <= 0.0:
        return math.inf if centred > 0.0 else -math.inf
    root = math.sqrt(-math.log(tail))
    found = _ratio(_MIDDLE, root - 1.6) if root <= 5.0 else _ratio(_FAR, root - 5.0)
    return found if centred > 0.0 else -found


@jit
def truncated_normal(uniform: float, mean: float, deviation: float, low: float, high: float) -> float:
    """Return a number of a normal distribution that is cut off below *low* and above *high*, by inversion.

    Parameters
    ----------
    uniform
        A uniform number in [0, 1].
    mean, deviation
        Of the distribution before it is cut; of deviation 0, the mean, or the bound nearest to it.
    low, high
        Bounds, *low* <= *high*.
    """
    if deviation <= 0.0:
        return min(max(mean, low), high)
    one, other = (low - mean) / deviation, (high - mean) / deviation
    # In the upper tail probabilities are taken from above, where they are small and so exact.
    turned = one > 0.0
    if turned:
        one, other = -other, -one
    below, above = 0.5 * math.erfc(-one / math.sqrt(2.0)), 0.5 * math.erfc(-other / math.sqrt(2.0))
    found = normal_quantile(below + (1.0 - uniform if turned else uniform) * (above - below))
    return min(max(mean + deviation * (-found if turned else found), low), high)


def truncated_normals(
    n: int,
    mean: float,
    deviation: float,
    low: float,
    high: float,
    *,
    seed: int,
    purpose: str,
    population: str,
) -> NDArray[np.float64]:
    """Return a number of a truncated normal distribution for each cell of a population, float64[n].

    Parameters
    ----------
    n
        Number of cells.
    mean, deviation, low, high
        The distribution, as of `truncated_normal`; *low* and *high* may be infinite.
    seed
        Seed of the run.
    purpose, population
        What the numbers are for, as of `stream`.

    Raises
    ------
    ValueError
        The distribution is none.
    """
    if not (np.isfinite([mean, deviation]).all() and deviation >= 0.0 and low <= high):
        raise ValueError(
            f"mean {mean}, standard deviation {deviation}, from {low} to {high}; expected finite numbers that rise"
        )
    key = np.array([key_word(seed, "seed"), stream(purpose, population)], np.uint64)
    return _truncated_normals(key, n, float(mean), float(deviation), float(low), float(high))


@jit
def _truncated_normals(
    key: NDArray[np.uint64], n: int, mean: float, deviation: float, low: float, high: float
) -> NDArray[np.float64]:
    found = np.empty(n)
    for cell in range(n):
        one, _spare = uniforms(key[0], np.uint64(0), key[1], cell, 0)
        found[cell] = truncated_normal(one, mean, deviation, low, high)
    return found


@jit
def _ratio(terms: tuple[tuple[float, ...], tuple[float, ...]], x: float) -> float:
    """A ratio of two polynomials of degree seven, the highest power first."""
    upper, lower = 0.0, 0.0
    for k in range(8):
        upper, lower = upper * x + terms[0][k], lower * x + terms[1][k]
    return upper / lower
