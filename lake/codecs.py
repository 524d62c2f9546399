"""The codecs of chunks that we encode and decode ourselves; zarr-python does all others.

Encoding is deterministic: equal values have equal bytes, hence equal digests.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numcodecs.blosc
import numcodecs.zstd
import numpy as np
import numpy.typing as npt

from .errors import CorruptObjectError

BLOSC_LZ4: Mapping[str, Any] = {
    "name": "blosc",
    "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0},
}
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}

# Blosc's own threads encode the same bytes differently each time; our threads work on different chunks.
numcodecs.blosc.use_threads = False


@dataclass(frozen=True)
class Codec:
    """Little-endian C-order bytes, through nothing, ``blosc`` or ``zstd``."""

    name: str | None
    configuration: Mapping[str, Any]

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> "Codec | None":
        """The codec of a Zarr v3 array; None if it is not one of ours."""
        first, *others = meta["codecs"]
        endian = first.get("configuration", {}).get("endian", "little")
        if first["name"] != "bytes" or endian != "little" or len(others) > 1:
            return None
        if not others:
            return cls(None, {})
        name, configuration = others[0]["name"], others[0].get("configuration", {})
        known = name == "zstd" or (name == "blosc" and configuration.get("shuffle") in _SHUFFLES)
        return cls(name, configuration) if known else None

    def encode(self, chunk: npt.NDArray[Any]) -> bytes:
        """Stored bytes of a C-contiguous chunk."""
        if self.name == "blosc":
            settings = self.configuration
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
            level = self.configuration.get("level", 0)
            return bytes(numcodecs.zstd.compress(chunk, level, bool(self.configuration.get("checksum"))))
        return chunk.tobytes()

    def decode_into(self, data: bytes, chunk: npt.NDArray[Any]) -> None:
        """Fill a C-contiguous *chunk* from its stored bytes.

        Raises
        ------
        CorruptObjectError
            They are not a chunk of that size.
        """
        out = chunk.reshape(-1).view(np.uint8)
        try:
            if self.name == "blosc" and int.from_bytes(data[4:8], "little") == out.nbytes:
                numcodecs.blosc.decompress(data, out)
            elif self.name == "zstd":
                numcodecs.zstd.decompress(data, out)
            else:
                out[...] = np.frombuffer(data, np.uint8)
        except (RuntimeError, ValueError) as error:
            raise CorruptObjectError(f"a chunk of {chunk.nbytes} bytes does not decode: {error}") from error


def chunk_statistics(part: npt.NDArray[Any]) -> dict[str, float]:
    """``min, max, mean`` of the values that are not NaN, and how many are (``nan``); empty if unknown."""
    if part.dtype.kind not in "iuf" or not part.size:
        return {}
    nan = int(np.isnan(part).sum()) if part.dtype.kind == "f" else 0
    if nan == part.size:
        return {"nan": nan}
    values = part[~np.isnan(part)] if nan else part
    found = {
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean(dtype=np.float64)),
    }
    # JSON has no infinity, and bounds that are none help nobody.
    return {**found, "nan": nan} if all(map(math.isfinite, found.values())) else {"nan": nan}
