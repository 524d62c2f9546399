"""The codec ``neurolake.differences``: a chunk as differences along one axis, in a Blosc frame (docs/format.md)."""

from . import plugins  # noqa: F401  # before numcodecs

# isort: split
import ctypes
import functools
import struct
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import google_crc32c
import numcodecs.blosc
import numpy as np
import numpy.typing as npt

NAME = "neurolake.differences"
COMPRESSORS = ("lz4", "lz4hc", "zstd", "blosclz", "zlib")

# Order, decimal places and one, two zero bytes, number of exceptions, CRC-32C of all other bytes.
_HEAD = struct.Struct("<BBHII")
_CHECKED = 8
_HIGHEST_ORDER, _HIGHEST_PLACES = 15, 22
_SHUFFLE = 1
# Zstandard packs tighter where a block has more of one byte of the words.
_BLOCKSIZES = {"zstd": 2**18}
# numba takes as long to import as NumPy takes to decode this many values.
_FEW_VALUES = 2**21
_decoded = 0
_NO_POSITIONS, _NO_EXCEPTIONS = np.empty(0, np.uint32), np.empty(0, np.uint64)


class _Parts(NamedTuple):
    """An encoded chunk taken apart."""

    order: int
    places: int | None
    positions: npt.NDArray[np.uint32]
    exceptions: npt.NDArray[np.uint64]
    size: int
    frame: npt.NDArray[np.uint8]


def takes(dtype: np.dtype[Any]) -> bool:
    """Return whether the codec encodes values of a type: integers and reals of 1 to 8 bytes.

    Parameters
    ----------
    dtype
        Type of the values.
    """
    return dtype.kind in "iuf" and dtype.itemsize <= 8


def configuration(axis: int, cname: str = "lz4", clevel: int = 9) -> dict[str, Any]:
    """Return the codec's JSON in Zarr.

    Parameters
    ----------
    axis
        The axis along which differences are taken, from 0.
    cname, clevel
        Blosc's compressor, and its level from 0 to 9.
    """
    return {"name": NAME, "configuration": {"axis": axis, "cname": cname, "clevel": clevel}}


def checked(settings: Mapping[str, Any], dimensions: int | None = None) -> dict[str, Any]:
    """Return the codec's configuration if it is one.

    Parameters
    ----------
    settings
        Members ``axis``, ``cname`` and ``clevel``.
    dimensions
        Number of axes of the array; not known by default.

    Raises
    ------
    ValueError
        A member is missing, unknown or out of range.
    """
    if set(settings) != {"axis", "cname", "clevel"}:
        raise ValueError(
            f"{NAME} is configured by axis, cname and clevel, not {', '.join(sorted(map(str, settings)))}"
        )
    axis, cname, clevel = (settings[name] for name in ("axis", "cname", "clevel"))
    # An array without axes has one value, and axis 0.
    if type(axis) is not int or axis < 0 or (dimensions is not None and axis >= max(dimensions, 1)):
        raise ValueError(f"{NAME}: axis is {axis!r}, which the array does not have")
    if cname not in COMPRESSORS:
        raise ValueError(f"{NAME}: cname is {cname!r}; expected one of {', '.join(COMPRESSORS)}")
    if type(clevel) is not int or not 0 <= clevel <= 9:
        raise ValueError(f"{NAME}: clevel is {clevel!r}; expected 0 to 9")
    return {"axis": axis, "cname": cname, "clevel": clevel}


def configured(settings: Any) -> bool:
    """Return whether metadata configure the codec as they should, so that a chunk can be decoded.

    Parameters
    ----------
    settings
        What stands in the place of a configuration.
    """
    try:
        return isinstance(settings, Mapping) and bool(checked(settings))
    except ValueError:
        return False


def encode(chunk: npt.NDArray[Any], settings: Mapping[str, Any]) -> bytes:
    """Return the stored bytes of a chunk.

    Parameters
    ----------
    chunk
        Values of the chunk, integers or reals.
    settings
        The codec's configuration.

    Raises
    ------
    ValueError, RuntimeError
        Blosc cannot encode the chunk, which has 2 GiB or more.
    """
    from ...kernels.coding import as_decimals, best_order, decimal_places, finite_differences

    axis = settings["axis"]
    turned = chunk if axis >= chunk.ndim - 1 else np.moveaxis(chunk, axis, -1)
    series = np.ascontiguousarray(turned, chunk.dtype.newbyteorder("=")).reshape(-1)
    values, places = series, None
    positions, exceptions = _NO_POSITIONS, _NO_EXCEPTIONS
    if series.dtype == np.float64 and len(series) < 2**32:
        found = decimal_places(series)
        if found is not None:
            integers, at = as_decimals(series, found)
            # A sample may not have seen where the digits are more.
            if len(at) * 32 <= len(series):
                values, places, positions, exceptions = integers, found, at, series[at].view(np.uint64)
    order = best_order(values)
    words = finite_differences(values, order) if order else values
    if places is not None and not order:
        order, words = 1, finite_differences(values, 1)
    frame: bytes = numcodecs.blosc.compress(
        words.view(np.uint8),
        settings["cname"].encode(),
        settings["clevel"],
        _SHUFFLE,
        _BLOCKSIZES.get(settings["cname"], 0),
        typesize=series.itemsize,
    )
    body = positions.tobytes() + exceptions.tobytes() + frame
    head = _HEAD.pack(order, 0 if places is None else places + 1, 0, len(positions), 0)[:_CHECKED]
    return head + struct.pack("<I", google_crc32c.extend(google_crc32c.value(head), body)) + body


def check_sum(data: bytes) -> None:
    """Return if stored bytes have the sum that they tell.

    Parameters
    ----------
    data
        The stored bytes.

    Raises
    ------
    ValueError
        They have another.
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are no chunk")
    told = struct.unpack_from("<I", data, _CHECKED)[0]
    if google_crc32c.extend(google_crc32c.value(data[:_CHECKED]), data[_HEAD.size :]) != told:
        raise ValueError("it is damaged: its bytes do not have their CRC-32C")


def declared_size(data: bytes | memoryview) -> int:
    """Return the length of the chunk by its stored bytes.

    Parameters
    ----------
    data
        The stored bytes.

    Raises
    ------
    ValueError
        They are no chunk, or were cut.
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are no chunk")
    frame = _HEAD.size + 12 * int.from_bytes(data[4:_CHECKED], "little")
    # The frame's header has its own length last.
    if len(data) < frame + 16 or int.from_bytes(data[frame + 12 : frame + 16], "little") != len(data) - frame:
        raise ValueError("its frame was cut")
    return int.from_bytes(data[frame + 4 : frame + 8], "little")


def decode_into(data: bytes | memoryview, chunk: npt.NDArray[Any], axis: int) -> None:
    """Fill a C-contiguous chunk from its stored bytes; takes no more memory than one chunk more.

    Parameters
    ----------
    data
        The stored bytes.
    chunk
        Where the values go.
    axis
        The axis along which differences were taken.

    Raises
    ------
    ValueError, RuntimeError
        They are no chunk of that size.
    """
    turned = chunk if axis >= chunk.ndim - 1 else np.moveaxis(chunk, axis, -1)
    target = turned if turned.flags.c_contiguous else np.empty(turned.shape, chunk.dtype)
    words = target.reshape(-1).view(f"u{chunk.itemsize}")
    # What is wrong with it is told by the other way.
    if not _decoded_at_once(data, words, reals=chunk.dtype.kind == "f"):
        _decode_by_parts(data, words, chunk.dtype)
    if target is not turned:
        turned[...] = target


def _decoded_at_once(data: bytes | memoryview, words: npt.NDArray[Any], *, reals: bool) -> bool:
    """Decode by one kernel; False where that is not there, or the bytes are no chunk of that size."""
    if _plain() or (decompress := _blosc_function()) is None:
        return False
    stored = np.frombuffer(data, np.uint8)
    # One kernel for memory that can be written and for such that cannot.
    stored.flags.writeable = False
    done: bool = _kernels().unpacked(stored, words.view(f"i{words.itemsize}"), decompress, reals=reals)
    return done


@functools.cache
def _blosc_function() -> int | None:
    """Address of what numcodecs decompresses with; None where its library does not show it."""
    try:
        function = ctypes.CDLL(numcodecs.blosc.__file__).blosc_decompress_ctx
    except (OSError, AttributeError):
        return None
    return ctypes.cast(function, ctypes.c_void_p).value


def _decode_by_parts(data: bytes | memoryview, words: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
    parts = _taken_apart(data)
    # Blosc believes the header.
    if parts.size != words.nbytes:
        raise ValueError(f"{len(data)} bytes, which say that they are {parts.size}, are no {words.nbytes}")
    if parts.places is not None and dtype != np.float64:
        raise ValueError(f"decimals are no {dtype}")
    if len(parts.positions) and int(parts.positions.max()) >= len(words):
        raise ValueError("an exception lies outside of the chunk")
    numcodecs.blosc.decompress(parts.frame, words)
    _undo(words, parts, reals=dtype.kind == "f")
    if len(parts.positions):
        words[parts.positions] = parts.exceptions


def _taken_apart(data: bytes | memoryview) -> _Parts:
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are no chunk")
    order, places, zero, count, _ = _HEAD.unpack_from(data)
    if order > _HIGHEST_ORDER or places > _HIGHEST_PLACES + 1 or zero or (places and not order):
        raise ValueError(f"its head says order {order} and {places - 1} decimal places")
    if count and not places:
        raise ValueError("it has exceptions of no decimals")
    first = _HEAD.size + 4 * count
    size = declared_size(data)
    # numcodecs looks at an array faster than at bytes.
    frame = np.frombuffer(data, np.uint8, offset=first + 8 * count)
    positions, exceptions = _NO_POSITIONS, _NO_EXCEPTIONS
    if count:
        positions = np.frombuffer(data, "<u4", count, _HEAD.size)
        exceptions = np.frombuffer(data, "<u8", count, first)
    return _Parts(order, places - 1 if places else None, positions, exceptions, size, frame)


def _undo(words: npt.NDArray[Any], parts: _Parts, *, reals: bool) -> None:
    """From words to bit patterns, in place: by kernels once they are there, or many values are decoded."""
    global _decoded
    if not parts.order:
        return
    undo = _sum_plainly if _plain() else _kernels().summed
    _decoded += len(words)
    undo(words, parts.order, reals=reals and parts.places is None)
    if parts.places is not None:
        np.divide(words.view(np.int64), float(f"1e{parts.places}"), out=words.view(np.float64))


def _plain() -> bool:
    """Whether numba is not worth its import yet."""
    return _decoded < _FEW_VALUES and "neurolake.kernels.jit" not in sys.modules


@functools.cache
def _kernels() -> ModuleType:
    from ...kernels.coding import differences

    return differences


def _sum_plainly(words: npt.NDArray[Any], order: int, *, reals: bool) -> None:
    """What `summed` does, by NumPy."""
    one = words.dtype.type(1)
    words[...] = (words >> one) ^ (~(words & one) + one)
    for _ in range(order):
        np.cumsum(words, dtype=words.dtype, out=words)
    if reals:
        signed = words.view(f"i{words.itemsize}")
        signed ^= (signed >> (8 * words.itemsize - 1)) & np.iinfo(signed.dtype).max
