"""Which codec an array gets: by a sample of its values, as *compression* says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from . import differences
from .codecs import Codec
from .types import BLOSC_LZ4

Compression = Literal["auto", "fast", "small", "portable"]

_BLOSC_ZSTD: Mapping[str, Any] = {
    "name": "blosc",
    "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "blocksize": 0},
}
# Below this nothing is gained that is worth a sample, or a codec that only we have.
_SMALLEST = 16 * 2**10
_SAMPLED_CHUNKS, _SAMPLED_VALUES = 3, 2**17
# What a codec must save to take the place of one that is faster, or that more programs have.
_WORTH = 0.95


def checked_compression(text: str) -> Compression:
    """Return what a codec is to be chosen for, if it is one of the four.

    Parameters
    ----------
    text
        What the user says.

    Raises
    ------
    InputError
        It is none.
    """
    known: tuple[Compression, ...] = get_args(Compression)
    for name in known:
        if text == name:
            return name
    raise InputError(f"compression is {text!r}; expected one of {', '.join(known)}")


def chosen_codec(
    compression: Compression,
    values: npt.NDArray[Any],
    chunks: Sequence[int],
    dimension_names: Sequence[str | None] | None = None,
) -> Mapping[str, Any]:
    """Choose the codec of an array, by its first, middle and last chunk.

    Parameters
    ----------
    compression
        ``"auto"``: differences where they are smaller, otherwise as ``"fast"``. ``"fast"``: what is written and read
        fastest. ``"small"``: what is smallest. ``"portable"``: the smallest that all readers of Zarr have.
    values
        Values of the array, or a part of it.
    chunks
        Shape of a chunk.
    dimension_names
        Names of the axes: differences run along one called ``time``, or else along the first or the last.

    Returns
    -------
    Mapping
        Zarr v3 JSON of the codec.

    Raises
    ------
    InputError
        There is no such *compression*.
    """
    candidates = list(_candidates(checked_compression(compression), values, dimension_names))
    parts = list(_sample(values, chunks)) if len(candidates) > 1 and values.nbytes >= _SMALLEST else []
    best, least = candidates[0], _size(candidates[0], parts)
    for candidate in candidates[1:] if parts else ():
        size = _size(candidate, parts)
        if size < _WORTH * least:
            best, least = candidate, size
    return best


def _candidates(
    compression: str, values: npt.NDArray[Any], names: Sequence[str | None] | None
) -> Iterator[Mapping[str, Any]]:
    yield BLOSC_LZ4
    if compression in ("portable", "small"):
        yield _BLOSC_ZSTD
    if compression in ("auto", "small") and values.ndim and differences.takes(values.dtype):
        axes = [at for at, name in enumerate(names or ()) if name == "time"]
        for axis in axes[:1] or sorted({0, values.ndim - 1}, reverse=True):
            yield differences.configuration(axis, *(("zstd", 1) if compression == "small" else ()))


def _size(codec: Mapping[str, Any], parts: Sequence[npt.NDArray[Any]]) -> int:
    return sum(len(Codec.named(codec).encode(part)) for part in parts)


def _sample(values: npt.NDArray[Any], chunks: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
    """Chunks from begin, middle and end, cut to what is quickly encoded."""
    sides = list(map(min, chunks, values.shape))
    while np.prod(sides, dtype=float) > _SAMPLED_VALUES:
        longest = int(np.argmax(sides))
        sides[longest] //= 2
    steps = range(_SAMPLED_CHUNKS)
    places = {
        tuple((n // c * at // (_SAMPLED_CHUNKS - 1)) * c for n, c in zip(values.shape, chunks, strict=True))
        for at in steps
    }
    for place in sorted(places):
        part = values[tuple(slice(a, a + side) for a, side in zip(place, sides, strict=True))]
        if part.size:
            yield np.ascontiguousarray(part)
