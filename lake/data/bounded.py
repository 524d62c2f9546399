"""zarr-python's codecs, for arrays whose codecs are not ours (`codecs`), so that none makes more than a chunk can be.

A few stored bytes may say that they are gigabytes. What they say, or what comes out of them, is compared with what the
chunk has room for, also within the chunks of a shard.
"""

import bz2
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import ShardingCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.metadata import ArrayV3Metadata

from .codecs import declared_size, unpacked

# What a codec may add to bytes that it does not make smaller, and what a chunk of texts may be.
_OVERHEAD = 64 * 2**10
_TEXTS = 2**30

_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "zstd": lambda data, most: unpacked("zstd", data, most),
    "gzip": lambda data, most: unpacked("gzip", data, most),
    "bz2": lambda data, most: bz2.BZ2Decompressor().decompress(data, most),
    "zlib": lambda data, most: zlib.decompressobj().decompress(data, most),
    "lzma": lambda data, most: lzma.LZMADecompressor().decompress(data, most),
}


def bounded_pipeline(metadata: ArrayV3Metadata) -> BatchedCodecPipeline:
    """Return what decodes the chunks of an array, bounded.

    Parameters
    ----------
    metadata
        Zarr v3 metadata of the array.
    """
    return BatchedCodecPipeline.from_codecs([_bounded(codec) for codec in metadata.codecs])


def _bounded(codec: Any) -> Any:
    if isinstance(codec, ShardingCodec):
        return replace(
            codec,
            codecs=tuple(map(_bounded, codec.codecs)),
            index_codecs=tuple(map(_bounded, codec.index_codecs)),
        )
    return _Bounded(codec) if isinstance(codec, BytesBytesCodec) else codec


@dataclass(frozen=True)
class _Bounded(BytesBytesCodec):
    """A codec that does not decode what would become larger than its chunk."""

    codec: BytesBytesCodec

    @property
    def is_fixed_size(self) -> bool:  # type: ignore[override]
        """Whether encoded chunks have a size of their own, as the codec says."""
        return self.codec.is_fixed_size

    def to_dict(self) -> dict[str, Any]:
        """The codec's JSON."""
        return self.codec.to_dict()

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Length of an encoded chunk, as the codec says."""
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> "_Bounded":
        """The same for arrays of that kind."""
        return _Bounded(self.codec.evolve_from_array_spec(array_spec))

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        most = _room(chunk_spec)
        name = str(self.codec.to_dict()["name"]).removeprefix("numcodecs.")
        data = chunk_data.to_bytes()
        told = declared_size(name, data)
        if told is not None and told > most:
            raise ValueError(f"it says that it is {told:,} bytes, where a chunk has {most:,}")
        if told is None and name in _UNPACK:
            found = _UNPACK[name](data, most + 1)
            if len(found) > most:
                raise ValueError(f"it becomes more than the {most:,} bytes of a chunk")
            return chunk_spec.prototype.buffer.from_bytes(found)
        decoded = next(iter(await self.codec.decode([(chunk_data, chunk_spec)])))
        assert decoded is not None, "of what is there"
        return decoded

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return next(iter(await self.codec.encode([(chunk_data, chunk_spec)])))


def _room(spec: ArraySpec) -> int:
    size = getattr(spec.dtype, "item_size", None)
    return _TEXTS if size is None else math.prod(spec.shape) * size * 9 // 8 + _OVERHEAD
