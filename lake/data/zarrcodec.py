"""`differences` as zarr-python runs codecs: for arrays that Zarr creates, and for lakes that were exported to Zarr."""

from . import plugins  # noqa: F401  # before zarr

# isort: split
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.registry import register_codec

from . import differences


@dataclass(frozen=True)
class Differences(ArrayBytesCodec):
    """The codec ``neurolake.differences`` (docs/format.md).

    Parameters
    ----------
    axis
        The axis along which differences are taken, from 0.
    cname, clevel
        Blosc's compressor, and its level from 0 to 9.
    """

    is_fixed_size = False

    axis: int
    cname: str = "lz4"
    clevel: int = 9

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the codec of its JSON.

        Parameters
        ----------
        data
            Name and configuration.

        Raises
        ------
        ValueError
            The configuration is none.
        """
        return cls(**differences.checked(data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """Return the codec's JSON."""
        return differences.configuration(self.axis, self.cname, self.clevel)

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Refuse arrays that the codec does not encode.

        Parameters
        ----------
        shape, dtype, chunk_grid
            Of the array, as Zarr has them.

        Raises
        ------
        ValueError
            They have no such axis, or values of another type.
        """
        differences.checked(self.to_dict()["configuration"], len(shape))
        if not differences.takes(dtype.to_native_dtype()):
            raise ValueError(f"{differences.NAME} takes integers and reals, not {dtype}")

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Refuse to tell: it is not known before a chunk is encoded.

        Parameters
        ----------
        input_byte_length, chunk_spec
            Length of the chunk in bytes, and its description.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        kind = chunk_spec.dtype.to_native_dtype().newbyteorder("=")
        data = chunk_data.to_bytes()
        differences.check_sum(data)
        size = math.prod(chunk_spec.shape) * kind.itemsize
        # Before there is memory for it.
        if differences.declared_size(data) != size:
            raise ValueError(f"it says that it is {differences.declared_size(data):,} bytes, not {size:,}")
        chunk: Any = np.empty(chunk_spec.shape, kind)
        differences.decode_into(data, chunk, self.axis)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(chunk)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        chunk = np.asarray(chunk_data.as_ndarray_like())
        data = differences.encode(chunk, differences.checked(self.to_dict()["configuration"], chunk.ndim))
        return chunk_spec.prototype.buffer.from_bytes(data)


register_codec(differences.NAME, Differences)
