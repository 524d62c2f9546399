"""The codecs of chunks that we encode and decode ourselves; zarr-python does all others (`bounded`).

Encoding is deterministic: equal values have equal bytes, hence equal digests. Decoding never makes more bytes than the
chunk has, whatever the stored bytes say.
"""

import gzip
import math

from . import plugins  # noqa: F401  # before numcodecs

# isort: split
# numcodecs imports this when it decodes its first chunk, which somebody waits for.
import multiprocessing.synchronize  # noqa: F401
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numcodecs.blosc
import numcodecs.zstd
import numpy as np
import numpy.typing as npt

from ..errors import InputError, MalformedError
from . import differences

# Zstandard, which packs tightest, makes at most 128 KiB of a block of four bytes.
_EXPANSION = 2**15
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}

# Blosc's own threads encode the same bytes differently each time; our threads work on different chunks.
numcodecs.blosc.use_threads = False


@dataclass(frozen=True)
class Codec:
    """Little-endian C-order bytes, through nothing, ``blosc``, ``zstd`` or ``gzip``; or `differences`."""

    name: str | None
    configuration: Mapping[str, Any]

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> "Codec | None":
        """Return the codec of a Zarr v3 array; None if the lake has no codec of its own for it.

        Parameters
        ----------
        meta
            Zarr v3 metadata of the array.
        """
        (first, order), *others = map(_named, meta["codecs"])
        if first == differences.NAME:
            return None if others or not differences.configured(order) else cls(first, order)
        if first != "bytes" or order.get("endian", "little") != "little" or len(others) > 1:
            return None
        if not others:
            return cls(None, {})
        name, configuration = others[0]
        known = name in ("zstd", "gzip") or (name == "blosc" and configuration.get("shuffle") in _SHUFFLES)
        return cls(name, configuration) if known else None

    @classmethod
    def named(cls, codec: Mapping[str, Any]) -> "Codec":
        """Return what encodes values of one type by `differences` or Blosc.

        Parameters
        ----------
        codec
            Zarr v3 JSON of the codec.
        """
        return cls(codec["name"], codec["configuration"])

    def encode(self, chunk: npt.NDArray[Any]) -> bytes:
        """Stored bytes of a C-contiguous chunk.

        Parameters
        ----------
        chunk
            Values of the chunk, in C order.

        Raises
        ------
        InputError
            The codec is configured in a way that this build of it does not have.
        """
        settings = self.configuration
        try:
            if self.name == differences.NAME:
                return differences.encode(chunk, settings)
            if self.name == "blosc":
                return bytes(
                    numcodecs.blosc.compress(
                        chunk.reshape(-1).view(np.uint8),
                        settings["cname"].encode(),
                        settings["clevel"],
                        _SHUFFLES[settings["shuffle"]],
                        settings.get("blocksize", 0),
                        typesize=settings.get("typesize", chunk.itemsize),
                    )
                )
            if self.name == "zstd":
                level = settings.get("level", 0)
                return bytes(numcodecs.zstd.compress(chunk, level, bool(settings.get("checksum"))))
            if self.name == "gzip":
                return gzip.compress(chunk.tobytes(), settings.get("level", 5), mtime=0)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"codec {self.name!r} cannot encode: {error}") from error
        return chunk.tobytes()

    def check_size(self, data: bytes | memoryview, size: int) -> None:
        """Return if stored bytes may be a chunk of *size* bytes: before there is memory for it.

        Parameters
        ----------
        data
            The stored bytes.
        size
            Length of the chunk in bytes.

        Raises
        ------
        MalformedError
            They cannot.
        """
        try:
            if self.name is None and len(data) != size:
                raise ValueError(f"it has {len(data)} bytes")
            told = declared_size(self.name or "", data)
            if told not in (None, size) or len(data) * _EXPANSION < size:
                raise ValueError(f"{len(data)} bytes, which say that they are {told}, are no {size}")
        except ValueError as error:
            raise MalformedError(f"a chunk of {size:,} bytes does not decode: {error}") from error

    def decode_into(self, data: bytes | memoryview, chunk: npt.NDArray[Any]) -> None:
        """Fill a C-contiguous *chunk* from its stored bytes.

        Parameters
        ----------
        data
            The stored bytes.
        chunk
            Where the values go, in C order.

        Raises
        ------
        MalformedError
            They are not a chunk of that size.
        """
        try:
            if self.name == differences.NAME:
                differences.decode_into(data, chunk, self.configuration["axis"])
                return
            out = chunk.reshape(-1).view(np.uint8)
            told = declared_size(self.name or "", data)
            # Both libraries believe the header, read beyond what is cut and leave the rest of a short chunk.
            if self.name is None:
                _copy(data, out)
            elif told is None:
                _copy(unpacked(self.name, data, out.nbytes), out)
            elif told != out.nbytes:
                raise ValueError(f"{len(data)} bytes, which say that they are {told}, are no {out.nbytes}")
            elif self.name == "blosc":
                numcodecs.blosc.decompress(data, out)
            else:
                numcodecs.zstd.decompress(data, out)
        except (RuntimeError, ValueError, OSError) as error:
            raise MalformedError(f"a chunk of {chunk.nbytes:,} bytes does not decode: {error}") from error


def _named(codec: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and configuration of a codec, which may be its name alone."""
    return (codec["name"], codec.get("configuration") or {}) if isinstance(codec, dict) else (codec, {})


def _copy(data: bytes | memoryview, out: npt.NDArray[np.uint8]) -> None:
    # NumPy would spread a single byte over all of a chunk.
    if len(data) != len(out):
        raise ValueError(f"it has {len(data)} bytes")
    out[...] = np.frombuffer(data, np.uint8)


def declared_size(codec: str, data: bytes | memoryview) -> int | None:
    """Return the length of the content by the header of its stored form; None if unknown.

    Parameters
    ----------
    codec
        ``blosc``, ``zstd``, ``lz4`` or `differences`; of others nothing is known.
    data
        The stored bytes.

    Raises
    ------
    ValueError
        It is no such form, or was cut.
    """
    if codec == "blosc":
        size, stored = _blosc_sizes(data)
        if stored != len(data):
            raise ValueError(f"its header says {stored} bytes where there are {len(data)}")
        return size
    if codec == differences.NAME:
        return differences.declared_size(data)
    if codec == "lz4":
        return int.from_bytes(data[:4], "little")
    return _zstd_size(data) if codec == "zstd" else None


def unpacked(codec: str, data: bytes | memoryview, most: int) -> bytes:
    """Return the content of ``zstd``, ``gzip`` or ``bz2``, but at most *most* + 1 bytes of it.

    Parameters
    ----------
    codec
        ``zstd``, ``gzip`` or ``bz2``.
    data
        The stored bytes.
    most
        Largest length in bytes that the content may have.

    Raises
    ------
    ValueError, OSError
        It is no such form, or was cut.
    """
    import pyarrow as pa  # few arrays are packed so

    with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
        return bytes(stream.read(most + 1))


def _blosc_sizes(data: bytes | memoryview) -> tuple[int, int]:
    """Lengths of content and of the whole by a Blosc header (c-blosc, README_CHUNK_FORMAT)."""
    if len(data) < 16:
        raise ValueError("no Blosc header")
    return int.from_bytes(data[4:8], "little"), int.from_bytes(data[12:16], "little")


def _zstd_size(data: bytes | memoryview) -> int | None:
    """Length of the content by a Zstandard frame header (RFC 8878, 3.1.1.1); None if it does not tell."""
    if len(data) < 6 or data[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("no Zstandard frame")
    descriptor = data[4]
    single_segment, field = descriptor >> 5 & 1, descriptor >> 6
    start = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3]
    length = (single_segment, 2, 4, 8)[field]
    size = int.from_bytes(data[start : start + length], "little") + (256 if field == 1 else 0)
    return size if length else None


def chunk_statistics(part: npt.NDArray[Any]) -> dict[str, float]:
    """Return ``min, max, mean`` of the values that are not NaN, and the number of NaN (``nan``); empty if unknown.

    Parameters
    ----------
    part
        Values of the chunk that lie within the array.
    """
    if part.dtype.kind not in "iuf" or not part.size:
        return {}
    low, nan, values = part.min(), 0, part
    # A minimum is NaN if any value is: mostly there is no need to look at all of them again.
    if np.isnan(low):
        known = ~np.isnan(part)
        values = part[known]
        nan = part.size - values.size
        if not values.size:
            return {"nan": nan}
        low = values.min()
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean(dtype=np.float64))
    found = {"min": float(low), "max": float(values.max()), "mean": mean}
    # JSON has no infinity, and infinite bounds rule nothing out.
    return {**found, "nan": nan} if all(map(math.isfinite, found.values())) else {"nan": nan}
