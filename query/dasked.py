"""Tables and arrays of a lake as dask collections.

A task carries the lake's folder and the digests of what it reads, so no data passes through the scheduler;
names come from content, so equal data has equal keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
from dask.base import tokenize

from ..lake import Array, Lake, Table
from ..lake.entry import Entry
from ..lake.errors import InputError
from ..lake.history import History
from ..lake.log import Log, Reference
from ..lake.zarrstore import ZarrStore

BLOCK_BYTES = 64 * 2**20

_NULLABLE: Mapping[pa.DataType, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def frame(table: Table, columns: Sequence[str] | None = None, where: pds.Expression | None = None) -> Any:
    """A table as a dask DataFrame, one partition for each file.

    Parameters
    ----------
    columns
        Those to read; dask narrows them further to what is used.
    where
        A pyarrow expression such as ``pyarrow.dataset.field("cell_type") == "L5tt"``, applied while reading:
        row groups that cannot match are not read.

    Returns
    -------
    dask.dataframe.DataFrame
        Indexed by the first column the table is sorted by (``trial_id``), with known divisions, where there
        is one and no value of it lies in two files; by position in the file otherwise. Columns of whole
        numbers that lack values have pandas' nullable types.

    Raises
    ------
    InputError
        A column is not there.
    """
    table.check_columns(columns)
    files = [entry for entry in table.files if entry.stats["rows"]] or list(table.files[:1])
    index = table.sorted_by[0] if table.sorted_by else None
    divisions = None if index is None else _divisions(files, index)
    schema = table.schema()
    read = _ReadFile(
        table.url, table.digest, index if divisions else None, where, schema, _with_nulls(schema, files)
    )
    chosen = [name for name in columns or table.columns if name != read.index]
    meta = read.finish(schema.empty_table(), chosen)
    return dd.from_map(
        read, files, columns=chosen, meta=meta, divisions=divisions, label=f"neurolake-{table.name}"
    )


@dataclass(frozen=True)
class _ReadFile:
    """Reads one file of a table; dask hands it the columns that are needed.

    `schema` is that of the whole table, and `with_nulls` its columns that pandas would give another type in
    a file where a value is missing: every file gives the same types.
    """

    lake: str
    digest: str
    index: str | None
    where: pds.Expression | None
    schema: pa.Schema
    with_nulls: frozenset[str]

    def __call__(self, entry: Entry, columns: Sequence[str]) -> pd.DataFrame:
        path = _lake(self.lake).objects.verified_path(entry.digest, entry.size, entry.place)
        names = [*columns, *([self.index] if self.index else [])]
        dataset = pds.dataset(str(path), self.schema, format="parquet")
        return self.finish(dataset.to_table(columns=names, filter=self.where), columns)

    def finish(self, rows: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
        """Rows as pandas, indexed."""
        data: pd.DataFrame = rows.replace_schema_metadata().to_pandas()
        for name in self.with_nulls.intersection(columns):
            data[name] = rows[name].to_pandas(types_mapper=_NULLABLE.get)
        return (data.set_index(self.index) if self.index else data)[list(columns)]

    def __dask_tokenize__(self) -> Any:
        return (self.digest, self.index, str(self.where))


def _with_nulls(schema: pa.Schema, files: Sequence[Entry]) -> frozenset[str]:
    """Columns of whole numbers or truth values that some file lacks, or lacks a value of."""
    known = [entry.stats["columns"] for entry in files if entry.stats["rows"]]
    return frozenset(
        field.name
        for field in schema
        if field.type in _NULLABLE
        and not all(field.name in file and not file[field.name][2] for file in known)
    )


def _divisions(files: Sequence[Entry], index: str) -> tuple[Any, ...] | None:
    bounds = [entry.stats.get("columns", {}).get(index) for entry in files]
    if not all(bound and bound[0] is not None for bound in bounds):
        return None
    if any(later[0] <= earlier[1] for earlier, later in pairwise(bounds)):
        return None
    return (*(low for low, _, _ in bounds), bounds[-1][1])


def array(source: Array, chunks: Any = None) -> da.Array:
    """An array of a lake as a dask array.

    Parameters
    ----------
    chunks
        Dask's; by default runs of whole stored chunks of about 64 MiB.

    Raises
    ------
    InputError
        It is an array of a transaction.
    """
    store = source.store_path.store
    if not isinstance(store, ZarrStore) or store.origin is None:
        raise InputError(f"array {source.path!r} is of no commit that others could read; commit it first")
    stored = _StoredArray(source, store.origin[1].reference)
    blocks = chunks or _blocks(source)
    name = f"neurolake-{tokenize(source.digest, blocks)}"
    return da.from_array(stored, chunks=blocks, name=name, asarray=False, inline_array=True)


def _blocks(source: Array) -> tuple[int, ...]:
    """The stored chunk, repeated along the first axis up to `BLOCK_BYTES`."""
    chunk = [min(part, max(length, 1)) for part, length in zip(source.chunks, source.shape, strict=True)]
    if chunk:
        repeats = max(1, BLOCK_BYTES // (int(np.prod(chunk)) * source.dtype.itemsize))
        chunk[0] = min(chunk[0] * repeats, max(source.shape[0], 1))
    return tuple(chunk)


class _StoredArray:
    """An array that travels as the place and commit to read it from, and is named by its content."""

    def __init__(self, source: Array, commit: Reference) -> None:
        self._place = source.url, commit, source.path
        self._digest = source.digest
        self.shape, self.dtype, self.ndim = source.shape, source.dtype, source.ndim

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        return np.asarray(_array(*self._place)[selection])

    def __dask_tokenize__(self) -> Any:
        return self._digest


@lru_cache(maxsize=64)
def _array(url: str, commit: Reference, name: str) -> Array:
    history = _history(url)
    return Array.of(ZarrStore.of(history, history.log.read(commit)), name)


@lru_cache(maxsize=8)
def _history(url: str) -> History:
    lake = _lake(url)
    return History(lake.objects, Log(lake.storage))


@lru_cache(maxsize=8)
def _lake(url: str) -> Lake:
    return Lake.open(url)
