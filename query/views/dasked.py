"""Arrays of a lake as dask collections.

A task carries the lake's folder and the digests of what it reads, so no data passes through the scheduler;
names come from content, so equal data has equal keys.
"""

import math
from functools import lru_cache
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from ...lake import Array, Lake
from ...lake.data.zarrstore import ZarrStore
from ...lake.errors import InputError
from ...lake.history.log import Reference
from ...lake.objects.store import Address
from ...lake.opened import opened

BLOCK_BYTES = 64 * 2**20
MOST_BLOCKS = 2**20


def array(source: Array, chunks: Any = None) -> da.Array:
    """Return an array of a lake as a dask array.

    Parameters
    ----------
    source
        The array.
    chunks
        Chunks of the dask array; by default runs of whole stored chunks of about 64 MiB.

    Raises
    ------
    InputError
        It is an array of a transaction, or would be of so many blocks that there is no memory for a list of them.
    """
    store = source.store_path.store
    if not isinstance(store, ZarrStore) or store.origin is None:
        raise InputError(f"array {source.path!r} is of no commit that others could read; commit it first")
    stored = _StoredArray(source, store.origin[1].reference)
    blocks = chunks or _blocks(source)
    _check_blocks(source, blocks)
    name = f"neurolake-{tokenize(source.digest, blocks)}"
    return da.from_array(stored, chunks=blocks, name=name, asarray=False, inline_array=True)


def _blocks(source: Array) -> tuple[int, ...]:
    """The stored chunk, repeated along the first axis up to `BLOCK_BYTES`."""
    chunk = [min(part, max(length, 1)) for part, length in zip(source.chunks, source.shape, strict=True)]
    if chunk:
        repeats = max(1, BLOCK_BYTES // (math.prod(chunk) * max(1, source.dtype.itemsize)))
        chunk[0] = min(chunk[0] * repeats, max(source.shape[0], 1))
    return tuple(chunk)


def _check_blocks(source: Array, blocks: Any) -> None:
    if not isinstance(blocks, tuple) or not all(isinstance(part, int) and part > 0 for part in blocks):
        return
    count = math.prod(-(-length // part) for length, part in zip(source.shape, blocks, strict=False))
    if count > MOST_BLOCKS:
        raise InputError(
            f"array {source.path!r} of shape {source.shape} would be {count:,} blocks of shape {blocks}, more than dask "
            f"can keep (at most {MOST_BLOCKS:,}): give larger chunks, or read a part of it"
        )


class _StoredArray:
    """An array that travels as the place and commit to read it from, and is named by its content."""

    def __init__(self, source: Array, commit: Reference) -> None:
        self._place = source.address, commit, source.path
        self._digest = source.digest
        self.shape, self.dtype, self.ndim = source.shape, source.dtype, source.ndim

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        return np.asarray(_array(*self._place)[selection])

    def __dask_tokenize__(self) -> Any:
        return self._digest


@lru_cache(maxsize=64)
def _array(address: Address, commit: Reference, name: str) -> Array:
    return Array.of(opened(address, Lake).pinned(commit).store, name)
