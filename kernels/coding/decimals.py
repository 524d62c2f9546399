"""Reals that were printed with a few digits, as integers times a power of ten; lossless, exceptions are named.

The way is that of ALP (A. Afroozeh, L. Kuffo and P. Boncz, Adaptive lossless floating-point compression, SIGMOD 2023),
with a division in place of its second product: a text of at most 15 digits is the double nearest to n / 10^k, which is what IEEE 754 division gives.
"""

import numpy as np
from numpy.typing import NDArray

from ..jit import jit

HIGHEST_PLACES = 22
"""Powers of ten up to this one are doubles."""

SHARE_OF_EXCEPTIONS = 1 / 100

# By text: a power that is computed may be off by a digit.
POWERS = np.array([float(f"1e{places}") for places in range(HIGHEST_PLACES + 1)])
"""Powers of ten by their exponents."""

_TRIED_PLACES = 15
_LARGEST = 2.0**53
# Values of which half must be decimals before more of them are looked at, and how many these are.
_FEW, _SOME = 16, 128


def decimal_places(values: NDArray[np.float64]) -> int | None:
    """Find the fewest decimal places that 99 of 100 values have, by a sample.

    Parameters
    ----------
    values
        Contiguous reals, shape (n,).

    Returns
    -------
    int or None
        0 to 15; None if most values have more digits.

    Raises
    ------
    ValueError
        *values* are no contiguous series of float64.
    """
    _check(values)
    found = _TRIED_PLACES + 1
    for count, share in ((_FEW, 1 / 2), (_SOME, SHARE_OF_EXCEPTIONS)):
        places = np.sort(_places(np.ascontiguousarray(values[:: max(len(values) // count, 1)])))
        found = int(places[len(places) - 1 - int(len(places) * share)]) if len(places) else found
        if found > _TRIED_PLACES:
            return None
    return found


def as_decimals(values: NDArray[np.float64], places: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return integers n with values n / 10^places, bit by bit, and where there is none.

    Parameters
    ----------
    values
        Contiguous reals, shape (n,) of fewer than 2^32.
    places
        Decimal places, 0 to `HIGHEST_PLACES`.

    Returns
    -------
    tuple
        Integers, shape (n,), and the positions of exceptions in increasing order; the integer of an exception is the one
        before it.

    Raises
    ------
    ValueError
        *values* are no contiguous series of float64, or *places* out of range.
    """
    _check(values)
    integers = np.empty(len(values), np.int64)
    exact = np.empty(len(values), np.bool_)
    _as_decimals(values, values.view(np.int64), _power(places), integers, exact)
    return integers, np.flatnonzero(~exact).astype(np.uint32)


def from_decimals(integers: NDArray[np.int64], places: int) -> None:
    """Undo `as_decimals` in place, but for exceptions.

    Parameters
    ----------
    integers
        Contiguous integers, shape (n,): replaced by the bit patterns of n / 10^places.
    places
        Decimal places, 0 to `HIGHEST_PLACES`.

    Raises
    ------
    ValueError
        *places* are out of range.
    """
    np.divide(integers, _power(places), out=integers.view(np.float64))


def _power(places: int) -> float:
    if not 0 <= places <= HIGHEST_PLACES:
        raise ValueError(f"{places} decimal places; expected 0 to {HIGHEST_PLACES}")
    return float(POWERS[places])


def _check(values: NDArray[np.float64]) -> None:
    if values.dtype != np.float64 or values.ndim != 1 or not values.flags.c_contiguous:
        raise ValueError(
            f"values are of {values.dtype} and shape {values.shape}; expected a series of float64"
        )


@jit
def _places(values: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.full(len(values), _TRIED_PLACES + 1, np.int64)
    for i in range(len(values)):
        for places in range(_TRIED_PLACES + 1):
            number = np.rint(values[i] * POWERS[places])
            if abs(number) < _LARGEST and number / POWERS[places] == values[i]:
                found[i] = places
                break
    return found


@jit
def _as_decimals(
    values: NDArray[np.float64],
    bits: NDArray[np.int64],
    power: float,
    integers: NDArray[np.int64],
    exact: NDArray[np.bool_],
) -> None:
    back = np.empty(1, np.float64)
    pattern = back.view(np.int64)
    before = np.int64(0)
    for i in range(len(values)):
        number = np.rint(values[i] * power)
        # Of NaN the comparison is false.
        fits = abs(number) < _LARGEST
        integer = np.int64(number) if fits else np.int64(0)
        back[0] = np.float64(integer) / power
        exact[i] = fits and pattern[0] == bits[i]
        before = integer if exact[i] else before
        integers[i] = before
