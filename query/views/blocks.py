"""Results block by block: dask's collections and iterators go into a transaction with little memory.

Workers store the blocks of dask's collections themselves and hand back where these went; a worker that dies
leaves bytes that nothing refers to.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ...lake import Transaction
from ...lake.data.arrays import CHUNK_BYTES, create_array, encode_chunks
from ...lake.data.codecs import Codec
from ...lake.data.parquet import write_files
from ...lake.data.types import plain as plain_table
from ...lake.errors import InputError
from ...lake.nodes.entry import Entry
from ...lake.nodes.fields import fields_of
from ...lake.nodes.grid import Grid
from ...lake.objects.store import ObjectWriter
from ...lake.storage.base import Storage

BLOCK_BYTES = 16 * 2**20


@dataclass
class ArrayBlocks(Iterator[npt.NDArray[Any]]):
    """Blocks of an array along its first axis, and how it is to be stored.

    Parameters
    ----------
    blocks
        Blocks of NumPy.
    chunks
        Shape of a chunk.
    dimension_names
        Name of each axis.
    """

    blocks: Iterator[npt.NDArray[Any]]
    chunks: tuple[int, ...]
    dimension_names: Sequence[str]

    def __next__(self) -> npt.NDArray[Any]:
        return next(self.blocks)


def storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values as a type that arrays of a lake have: text as NumPy's text of any length.

    Parameters
    ----------
    values
        The values, of any shape.

    Raises
    ------
    InputError
        There is none.
    """
    if values.dtype.kind == "U" or (
        values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat)
    ):
        return values.astype(np.dtypes.StringDType())
    if values.dtype.kind not in "biufcMmT":
        raise InputError(f"values of type {values.dtype} cannot be stored as an array of the lake")
    return values


def as_table(rows: Any) -> pa.Table:
    """Return rows as Arrow; an index of pandas that has a name, or says more than the position, becomes columns.

    Parameters
    ----------
    rows
        Rows of pandas, Arrow or DuckDB.

    Raises
    ------
    InputError
        Columns are not named by text, each once.
    """
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, pa.Table):
        return rows
    frame = rows.to_frame(rows.name or "value") if isinstance(rows, pd.Series) else rows
    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
        frame = frame.reset_index()
    if not all(isinstance(column, str) for column in frame.columns) or not frame.columns.is_unique:
        raise InputError(f"columns need different texts as names, not {list(frame.columns)}")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    except (pa.ArrowException, TypeError) as error:
        raise InputError(f"the rows cannot be stored as a table: {error}") from None


def write_dask_array(
    transaction: Transaction,
    name: str,
    values: Any,
    dims: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Make *name* an array of a dask array's values, each block stored where it is computed.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    values
        A dask array.
    dims
        Names of the dimensions; none by default.
    attributes
        Attributes of the node; none by default.

    Raises
    ------
    InputError
        Its shape is not known, or it holds neither numbers nor times.
    """
    if any(math.isnan(length) for length in values.shape):
        raise InputError("the shape of the dask array is not known; call its compute_chunk_sizes first")
    if values.dtype.kind not in "biufcMm":
        raise InputError(f"a dask array of type {values.dtype} cannot be stored as an array of the lake")
    values = values.rechunk(values.chunksize)
    array = create_array(
        transaction.store,
        name,
        values.shape,
        values.dtype.newbyteorder("="),
        chunks=_chunk_within(values.chunksize, values.dtype.itemsize),
        dimension_names=dims,
        attributes=attributes,
    )
    storage = transaction.store.objects.storage
    codec, grid = Codec.of(array.metadata.to_dict()), Grid(array.shape, array.chunks)
    assert codec is not None, "made with the usual codec"
    blocks = values.to_delayed()
    store = dask.delayed(_store_block, pure=False)
    settings = (array.dtype, array.chunks, codec, array.fill_value, storage)
    stored = dask.compute(*(store(block, *settings) for block in blocks.flat))
    draft = transaction.drafts.edit(name)
    assert draft is not None, "just made"
    for at, entries in zip(np.ndindex(blocks.shape), stored, strict=True):
        draft.changes.update(zip(_chunks_of(at, values.chunksize, grid), entries, strict=True))


def _chunks_of(at: Sequence[int], block: Sequence[int], grid: Grid) -> Iterator[int]:
    """Numbers of the stored chunks in a block of dask's, in C order."""
    low = [index * length for index, length in zip(at, block, strict=True)]
    box = [(a, min(a + b, n)) for a, b, n in zip(low, block, grid.shape, strict=True)]
    return map(grid.number, grid.overlapping(box))


def _chunk_within(block: Sequence[int], itemsize: int) -> list[int]:
    """About a MiB, as whole rows as can be; each side divides that of *block*."""
    chunk, room = [1] * len(block), max(CHUNK_BYTES // itemsize, 1)
    for axis in reversed(range(len(block))):
        small = [n for n in range(1, math.isqrt(block[axis]) + 1) if block[axis] % n == 0] or [1]
        sizes = sorted({*small, *(max(block[axis], 1) // n for n in small)})
        fitting, larger = [n for n in sizes if n <= room], [n for n in sizes if n > room]
        # A prime number of rows would be cut into single ones.
        chunk[axis] = fitting[-1] if 16 * fitting[-1] > room or not larger else larger[0]
        room = max(room // chunk[axis], 1)
    return chunk


def _store_block(
    block: Any,
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    codec: Codec,
    fill_value: Any,
    storage: Storage,
) -> list[Entry]:
    writer = ObjectWriter(storage)
    entries = encode_chunks(np.asarray(block, dtype), chunks, codec, fill_value, writer)
    writer.flush()
    return entries


def write_dask_frame(
    transaction: Transaction, name: str, frame: Any, attributes: Mapping[str, Any] | None = None
) -> None:
    """Make *name* a table of a dask DataFrame's rows, each partition stored where it is computed.

    An index with a name becomes a column, by which the table is sorted where divisions are known.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    frame
        A dask DataFrame.
    attributes
        Attributes of the node; none by default.

    Raises
    ------
    InputError
        A partition has columns of other types than the frame says.
    """
    frame = frame.to_frame(frame.name or "value") if not hasattr(frame, "columns") else frame
    index, divided = frame.index.name, frame.known_divisions
    frame = frame if index is None else frame.reset_index()
    schema = plain_table(as_table(frame._meta_nonempty.reset_index(drop=True))).schema
    store = dask.delayed(_store_partition, pure=False)
    storage = transaction.store.objects.storage
    stored = dask.compute(*(store(part, schema, storage) for part in frame.to_delayed()))
    files = [file for part in stored for file in part]
    transaction.drafts.delete(name)
    transaction.append_files(
        name,
        [file for file in files if file.stats["rows"]] or files[:1],
        fields_of(schema),
        sorted_by=[index] if divided and index is not None else [],
        attributes=dict(attributes or {}),
    )


def _store_partition(part: pd.DataFrame, schema: pa.Schema, storage: Storage) -> list[Entry]:
    rows = _cast(as_table(part.reset_index(drop=True)), schema)
    writer = ObjectWriter(storage)
    files = write_files(rows, writer)
    writer.flush()
    return files


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    try:
        return plain_table(rows).select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise InputError(f"a part of the rows has other columns than the first: {error}") from None


def write_blocks(
    transaction: Transaction,
    name: str,
    blocks: Iterator[Any],
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Make *name* an array of blocks along the first axis, or a table of blocks of rows; few are held at a time.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    blocks
        Blocks of NumPy, or of rows of pandas, Arrow or DuckDB.
    attributes
        Attributes of the node; none by default.

    Raises
    ------
    InputError
        There are none, or one does not fit the first.
    """
    how = blocks if isinstance(blocks, ArrayBlocks) else None
    first = next(blocks, None)
    if first is None:
        raise InputError("there are no blocks; yield at least one, if only an empty one")
    everything = itertools.chain([first], blocks)
    if isinstance(first, np.ndarray):
        _write_array_blocks(transaction, name, map(_checked_block, everything), attributes, how)
    elif isinstance(first, pa.Table | pa.RecordBatch | pd.DataFrame):
        _write_row_blocks(transaction, name, map(as_table, everything), attributes)
    else:
        raise InputError(f"blocks are NumPy arrays or tables, not {type(first).__name__}")


def _write_array_blocks(
    transaction: Transaction,
    name: str,
    blocks: Iterator[npt.NDArray[Any]],
    attributes: Mapping[str, Any] | None,
    how: ArrayBlocks | None = None,
) -> None:
    first = next(blocks)
    chunks = _chunk_within((2**20, *first.shape[1:]), first.dtype.itemsize) if how is None else how.chunks
    names = None if how is None else how.dimension_names
    made = False
    for values in _runs(itertools.chain([first], blocks), chunks[0]):
        if made:
            transaction.append_array(name, values)
        else:
            # What is shorter than a chunk is all there is.
            fitting = chunks if len(values) >= chunks[0] else None
            transaction.write_array(
                name, values, attributes=attributes, chunks=fitting, dimension_names=names
            )
        made = True


def _runs(blocks: Iterator[npt.NDArray[Any]], rows: int) -> Iterator[npt.NDArray[Any]]:
    """The blocks joined to larger ones, of a multiple of *rows* but for the last."""
    held = [next(blocks)]
    for block in blocks:
        if block.shape[1:] != held[0].shape[1:] or block.dtype != held[0].dtype:
            raise InputError(
                f"a block of shape {block.shape} and type {block.dtype} does not follow the first"
            )
        held.append(block)
        if sum(part.nbytes for part in held) >= BLOCK_BYTES:
            values = np.concatenate(held)
            whole = len(values) - len(values) % rows
            if whole:
                yield values[:whole]
            held = [values[whole:].copy()]
    yield np.concatenate(held)


def _checked_block(block: Any) -> npt.NDArray[Any]:
    if not isinstance(block, np.ndarray) or not block.ndim:
        raise InputError("blocks of an array are arrays of NumPy with at least one axis")
    return storable(block)


def _write_row_blocks(
    transaction: Transaction, name: str, blocks: Iterator[pa.Table], attributes: Mapping[str, Any] | None
) -> None:
    first = plain_table(next(blocks))
    files: list[Entry] = []
    held: list[pa.Table] = []
    for block in itertools.chain([first], blocks):
        held.append(_cast(block, first.schema))
        if sum(part.nbytes for part in held) >= BLOCK_BYTES:
            files += write_files(pa.concat_tables(held).combine_chunks(), transaction.writer)
            held = []
    if held:
        files += write_files(pa.concat_tables(held).combine_chunks(), transaction.writer)
    transaction.drafts.delete(name)
    transaction.append_files(name, files, fields_of(first.schema), attributes=dict(attributes or {}))
