"""Finite differences of the bit patterns of numbers, as small words, and back: lossless for every bit pattern.

Bit patterns of IEEE 754 numbers become integers in the order of the numbers, so that close numbers have close integers
(P. Lindstrom and M. Isenburg, Fast and efficient compression of floating-point data, IEEE TVCG 12, 2006). Their k-th finite difference
along the series is written with its sign in the last bit (zigzag, as in Protocol Buffers). All arithmetic is modulo
2^bits, so nothing overflows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from ..jit import jit
from .decimals import HIGHEST_PLACES, POWERS

HIGHEST_ORDER = 15
"""The highest order that `summed` undoes; `best_order` looks no further than `TRIED_ORDER`."""

TRIED_ORDER = 10

_SIGNED = {np.dtype(f"u{size}"): np.dtype(f"i{size}") for size in (1, 2, 4, 8)}

# Values worked on while they are in the first cache, and windows of a series that are looked at to choose the order.
_BLOCK = 1024
_WINDOWS = 8
_SMALLEST_WINDOW, _LARGEST_WINDOW = 64, 512


def best_order(values: NDArray[Any]) -> int:
    """Choose the order of difference that needs the fewest bits, by a few hundred to a few thousand samples.

    Parameters
    ----------
    values
        Contiguous series of integers or reals of 1 to 8 bytes, shape (n,).

    Returns
    -------
    int
        0 (keep the bit patterns as they are) to `TRIED_ORDER`.

    Raises
    ------
    ValueError
        *values* are of another type or shape.
    """
    bits, mask = _ordered_bits(values)
    window = min(max(len(bits) // (16 * _WINDOWS), _SMALLEST_WINDOW), _LARGEST_WINDOW)
    return int(_best_order(bits, mask, window)) if len(bits) > 2 * TRIED_ORDER else 0


def finite_differences(values: NDArray[Any], order: int) -> NDArray[Any]:
    """Return the differences of a series as words.

    Parameters
    ----------
    values
        Contiguous series of integers or reals of 1 to 8 bytes, shape (n,).
    order
        Order of the difference, 1 to `HIGHEST_ORDER`. Before the series all is 0.

    Returns
    -------
    NDArray
        Unsigned integers as wide as the values, shape (n,).

    Raises
    ------
    ValueError
        *values* are of another type or shape, or there is no such order.
    """
    bits, mask = _ordered_bits(values)
    words = np.empty(len(bits), f"u{bits.itemsize}")
    _differences(bits, mask, _checked_order(order), words.view(bits.dtype))
    return words


def summed(words: NDArray[Any], order: int, *, reals: bool) -> None:
    """Undo `finite_differences` in place.

    Parameters
    ----------
    words
        Contiguous unsigned integers, shape (n,): replaced by the bit patterns of the values.
    order
        Order of the difference, 1 to `HIGHEST_ORDER`.
    reals
        Whether the values are reals.

    Raises
    ------
    ValueError
        *words* are of another type or shape, or there is no such order.
    """
    signed = _SIGNED.get(words.dtype)
    if signed is None or words.ndim != 1 or not words.flags.c_contiguous:
        raise ValueError(f"words are of {words.dtype}; expected a contiguous series of unsigned integers")
    bits = words.view(signed)
    _sums(bits, _checked_order(order), _magnitude(bits), reals)


def unpacked(stored: NDArray[np.uint8], bits: NDArray[Any], decompress: int, *, reals: bool) -> bool:
    """Decode a stored chunk of ``neurolake.differences`` (docs/format.md) in one call, for calls take as long as small chunks do.

    Parameters
    ----------
    stored
        The stored bytes, contiguous, shape (k,).
    bits
        Contiguous signed integers as wide as the values, shape (n,): replaced by the bit patterns of the values.
    decompress
        Address of Blosc's ``blosc_decompress_ctx``.
    reals
        Whether the values are reals.

    Returns
    -------
    bool
        False if the bytes are no chunk of that size; *bits* are anything then.

    Raises
    ------
    ValueError
        *bits* are of another type or shape.
    """
    if bits.dtype.kind != "i" or bits.ndim != 1 or not bits.flags.c_contiguous:
        raise ValueError(f"bits are of {bits.dtype}; expected a contiguous series of signed integers")
    return len(stored) >= _SHORTEST and bool(_unpacked(stored, bits, _magnitude(bits), reals, decompress))


def _checked_order(order: int) -> int:
    if not 1 <= order <= HIGHEST_ORDER:
        raise ValueError(f"order {order}; expected 1 to {HIGHEST_ORDER}")
    return order


def _ordered_bits(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The bit patterns as signed integers, and the bits to turn over in negative ones."""
    if values.dtype.kind not in "iuf" or values.itemsize > 8 or not values.dtype.isnative:
        raise ValueError(f"values are of {values.dtype}; expected integers or reals of 1 to 8 bytes")
    if values.ndim != 1 or not values.flags.c_contiguous:
        raise ValueError(f"values have shape {values.shape}; expected one contiguous series")
    bits = values.view(f"i{values.itemsize}")
    return bits, _magnitude(bits) if values.dtype.kind == "f" else 0


def _magnitude(bits: NDArray[Any]) -> int:
    return (1 << (8 * bits.itemsize - 1)) - 1


# Loops run over slices, whose indices need no check: only then do they vectorise.


@jit
def _differences(bits: NDArray[Any], mask: int, order: int, words: NDArray[Any]) -> None:
    here, there = np.empty(_BLOCK + 1, bits.dtype), np.empty(_BLOCK + 1, bits.dtype)
    # The last difference of each order in the block before.
    last = np.zeros(HIGHEST_ORDER, bits.dtype)
    for begin in range(0, len(bits), _BLOCK):
        block = bits[begin : begin + _BLOCK]
        size = len(block)
        _turned(block, mask, here[1:])
        for at in range(order):
            here[0] = last[at]
            last[at] = here[size]
            _stepped(here[: size + 1], there[1:])
            here, there = there, here
        _zigzag(here[1 : size + 1], words[begin : begin + size])


@jit
def _turned(bits: NDArray[Any], mask: int, out: NDArray[Any]) -> None:
    for i in range(len(bits)):
        out[i] = bits[i] ^ ((bits[i] >> 63) & mask)


@jit
def _stepped(values: NDArray[Any], out: NDArray[Any]) -> None:
    later = values[1:]
    for i in range(len(later)):
        out[i] = later[i] - values[i]


@jit
def _zigzag(values: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(values)):
        out[i] = (values[i] << 1) ^ (values[i] >> 63)


# An encoded chunk: order, decimal places and one, two zero bytes, number of exceptions, a sum of it all; positions and
# bit patterns of the exceptions; Blosc's frame, whose head has the length of the content and its own.
_HEAD, _FRAME_HEAD = 12, 16
_SHORTEST = _HEAD + _FRAME_HEAD


@intrinsic  # type: ignore[untyped-decorator]
def _decompressed(context: Any, function: Any, source: Any, target: Any, size: Any) -> tuple[Any, Any]:
    """Call ``blosc_decompress_ctx(source, target, size, 1)`` by its address; the bytes that it made, or less than 1."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, memory = ir.IntType(32), ir.IntType(8).as_pointer()
        called = ir.FunctionType(number, [memory, memory, arguments[3].type, number])
        address, *places = arguments[:3]
        return builder.call(
            builder.inttoptr(address, called.as_pointer()),
            [*(builder.inttoptr(at, memory) for at in places), arguments[3], number(1)],
        )

    return types.int32(types.uintp, types.uintp, types.uintp, types.uintp), code


@jit
def _unpacked(
    stored: NDArray[np.uint8], bits: NDArray[Any], magnitude: int, reals: bool, decompress: int
) -> bool:
    order, places = int(stored[0]), int(stored[1])
    count = _number(stored[4:8])
    first = _HEAD + 4 * count
    frame = first + 8 * count
    if (
        order > HIGHEST_ORDER
        or places > HIGHEST_PLACES + 1
        or stored[2]
        or stored[3]
        or (places and not (order and reals and bits.itemsize == 8))
        or (count and not places)
        or len(stored) < frame + _FRAME_HEAD
        # Blosc believes what its frame says.
        or _number(stored[frame + 4 : frame + 8]) != bits.nbytes
        or _number(stored[frame + 12 : frame + 16]) != len(stored) - frame
        or _decompressed(decompress, stored.ctypes.data + frame, bits.ctypes.data, bits.nbytes) != bits.nbytes
    ):
        return False
    if order:
        _sums(bits, order, magnitude, reals and not places)
    if places:
        _divide(bits, POWERS[places - 1])
    for k in range(count):
        at = _number(stored[_HEAD + 4 * k : _HEAD + 4 * k + 4])
        if at >= len(bits):
            return False
        bits[at] = _number(stored[first + 8 * k : first + 8 * k + 8])
    return True


@jit
def _number(stored: NDArray[np.uint8]) -> int:
    """A little-endian integer of 4 or 8 bytes, modulo 2^64."""
    number = 0
    for k in range(len(stored)):
        number |= int(stored[k]) << (8 * k)
    return number


@jit
def _divide(bits: NDArray[Any], power: float) -> None:
    values = bits.view(np.float64)
    for i in range(len(bits)):
        values[i] = bits[i] / power


# Several sums run in registers, in one pass over the values; each waits for its own last value only. Narrow values wrap when
# they are stored.


def _step(number: int) -> Callable[..., Any]:
    """Add a value to the first of so many sums, that sum to the second, and so on; the sums, and the last of them."""
    if number == 1:

        @jit
        def added(sums: tuple[int, ...], value: int) -> tuple[tuple[int, ...], int]:
            first = sums[0] + value
            return (first,), first

        return added
    later = _step(number - 1)

    @jit
    def carried(sums: tuple[int, ...], value: int) -> tuple[tuple[int, ...], int]:
        first = sums[0] + value
        others, last = later(sums[1:], first)
        return (first, *others), last

    return carried


def _summing(number: int) -> Callable[[NDArray[Any], NDArray[np.int64]], None]:
    """Replace values by their so many-fold sums, which begin with those of *last* and leave their last there."""
    step = _step(number)

    @jit
    def summing(values: NDArray[Any], last: NDArray[np.int64]) -> None:
        sums = to_fixed_tuple(last, number)
        for i in range(len(values)):
            sums, values[i] = step(sums, np.int64(values[i]))
        for k in range(number):
            last[k] = sums[k]

    return summing


_sum_ten, _sum_eight, _sum_seven, _sum_six, _sum_four, _sum_two, _sum_one = map(
    _summing, (10, 8, 7, 6, 4, 2, 1)
)


@jit
def _sums(bits: NDArray[Any], order: int, magnitude: int, reals: bool) -> None:
    last = np.zeros(HIGHEST_ORDER, np.int64)
    for begin in range(0, len(bits), _BLOCK):
        values = bits[begin : begin + _BLOCK]
        _from_zigzag(values, magnitude)
        left = order
        if left >= 10:
            _sum_ten(values, last[left - 10 : left])
            left -= 10
        if left >= 8:
            _sum_eight(values, last[left - 8 : left])
            left -= 8
        elif left == 7:
            _sum_seven(values, last[:7])
            left = 0
        elif left == 6:
            _sum_six(values, last[:6])
            left = 0
        if left >= 4:
            _sum_four(values, last[left - 4 : left])
            left -= 4
        if left >= 2:
            _sum_two(values, last[left - 2 : left])
            left -= 2
        if left:
            _sum_one(values, last[:1])
        if reals:
            _turn(values, magnitude)


# In place: of two arrays that are one memory, a loop does not vectorise.


@jit
def _from_zigzag(values: NDArray[Any], magnitude: int) -> None:
    for i in range(len(values)):
        values[i] = ((values[i] >> 1) & magnitude) ^ -(values[i] & 1)


@jit
def _turn(values: NDArray[Any], magnitude: int) -> None:
    for i in range(len(values)):
        values[i] ^= (values[i] >> 63) & magnitude


@jit
def _best_order(bits: NDArray[Any], mask: int, window: int) -> int:
    lead = TRIED_ORDER
    window = min(window, len(bits) - lead)
    costs = np.zeros(TRIED_ORDER + 1, np.int64)
    here, there = np.empty(window + lead, bits.dtype), np.empty(window + lead, bits.dtype)
    lengths = np.empty(window, np.float64)
    for at in range(_WINDOWS):
        begin = (len(bits) - lead - window) * at // (_WINDOWS - 1)
        part = bits[begin : begin + lead + window]
        # The bit patterns themselves cost the bits that differ from those of the value before.
        _unlike(part[lead - 1 :], here)
        costs[0] += _bits_needed(here[:window], lengths)
        _turned(part, mask, here)
        for order in range(1, TRIED_ORDER + 1):
            _stepped(here[: window + lead - order + 1], there)
            here, there = there, here
            # A sign takes one bit more.
            costs[order] += _bits_needed(here[lead - order : lead - order + window], lengths) + window
    best = 0
    for order in range(1, TRIED_ORDER + 1):
        if costs[order] < costs[best]:
            best = order
    return best


@jit
def _unlike(values: NDArray[Any], out: NDArray[Any]) -> None:
    later = values[1:]
    for i in range(len(later)):
        out[i] = later[i] ^ values[i]


@jit
def _bits_needed(values: NDArray[Any], lengths: NDArray[np.float64]) -> int:
    """Sum of the lengths in bits; the exponent of a real is the length of an integer."""
    for i in range(len(values)):
        value = np.int64(values[i])
        lengths[i] = np.float64(value ^ (value >> 63))
    exponents = lengths.view(np.int64)
    total = 0
    for i in range(len(exponents)):
        total += max((exponents[i] >> 52) - 1022, 0)
    return total
