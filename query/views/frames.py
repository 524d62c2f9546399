"""Tables of a lake as dask collections.

A task carries the lake's folder and the digests of what it reads, so no data passes through the scheduler;
names come from content, so equal data has equal keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
from dask.dataframe.dask_expr import new_collection
from dask.dataframe.utils import pyarrow_strings_enabled

from ...lake import Lake, Table
from ...lake.data.tables import matching, scanned, unreadable
from ...lake.errors import InputError
from ...lake.nodes.entry import Entry
from ...lake.objects.store import Address
from ...lake.opened import opened
from .pushdown import TableRows

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


def frame(table: Table, columns: Sequence[str] | None = None, where: Any = None) -> Any:
    """Return a table as a dask DataFrame, one partition for each file.

    Parameters
    ----------
    table
        The table.
    columns
        Names of the columns to read, all by default; dask narrows them further to those that are used.
    where
        A pyarrow expression such as ``pyarrow.dataset.field("cell_type") == "L5tt"``, or tuples as dask's
        readers take for ``filters``: ``[("cell_type", "==", "L5tt"), ("time", "<", 300)]`` (all of these), or
        a list of such lists (any of these). It is applied while reading: files and row groups that cannot match
        are not read. Comparisons that dask applies to the frame later, such as
        ``frame[frame["time"] < 300]``, join it where all of them are of columns with numbers or texts.

    Returns
    -------
    dask.dataframe.DataFrame
        Indexed by the first column the table is sorted by (``trial_id``), with known divisions, where there
        is one and no value of it is in two files; by position in the file otherwise. Columns of whole
        numbers with missing values have pandas' nullable types.

    Raises
    ------
    InputError
        A column is missing, or *where* is not a condition on columns of the table.
    CorruptObjectError
        When a partition is computed: its file is damaged.
    """
    table.check_columns(columns)
    condition = _condition(where)
    files = [entry for entry in table.matching(condition) if entry.stats["rows"]] or list(table.files[:1])
    index = table.sorted_by[0] if table.sorted_by else None
    divisions = None if index is None else _divisions(files, index)
    schema = pa.schema([pa.field(field.name, field.type, field.nullable) for field in table.schema()])
    # Types of columns are those of the whole table, whatever is read of it.
    nulls = _with_nulls(schema, [entry for entry in table.files if entry.stats["rows"]])
    texts = pyarrow_strings_enabled()
    read = _ReadFile(
        table.address,
        table.digest,
        index if divisions else None,
        condition,
        schema,
        nulls,
        texts,
        name=table.name,
    )
    chosen = [name for name in columns or table.columns if name != read.index]
    meta = read.finish(schema.empty_table(), chosen)
    rows = TableRows(read, [files], chosen, [], {}, True, meta, False, divisions, f"neurolake-{table.name}")
    return new_collection(rows)


def _condition(where: Any) -> pds.Expression | None:
    if where is None or isinstance(where, pds.Expression):
        return where
    try:
        return pq.filters_to_expression(where)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"{where!r} is no condition such as [('time', '<', 300)]: {error}") from None


@dataclass(frozen=True)
class _ReadFile:
    """Reads one file of a table; dask hands it the columns that are needed.

    `schema` is that of the whole table, and `with_nulls` its columns that pandas would give another type in
    a file where a value is missing: all partitions have the same types. `where` selects rows, and
    `keep` which of them to return. `name` is the table's, for errors.
    """

    lake: Address
    digest: str
    index: str | None
    where: pds.Expression | None
    schema: pa.Schema
    with_nulls: frozenset[str]
    arrow_texts: bool
    keep: pds.Expression | None = None
    name: str = ""

    def __call__(self, entry: Entry, columns: Sequence[str]) -> pd.DataFrame:
        conditions = [part for part in (self.where, self.keep) if part is not None]
        if not all(matching([entry], self.schema, part) for part in conditions):
            return self.finish(self.schema.empty_table(), columns)
        source = opened(self.lake, Lake).objects.readable(entry.digest, entry.size, entry.place)
        try:
            return self._read(source, columns)
        except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
            files = {source: entry} if isinstance(source, Path) else {}
            raise unreadable(error, f"table {self.name!r}", files, asked=bool(conditions)) from error

    def _read(self, source: Path | bytes, columns: Sequence[str]) -> pd.DataFrame:
        dataset = scanned([source], self.schema)
        if self.keep is not None:
            return self._kept(dataset, columns)
        names = [*columns, *([self.index] if self.index else [])]
        return self.finish(dataset.to_table(columns=names, filter=self.where), columns)

    def narrowed(self, condition: pds.Expression) -> "_ReadFile":
        """A reader of those rows only, under the labels that they have among all."""
        name = "where" if self.index else "keep"
        before = getattr(self, name)
        return replace(self, **{name: condition if before is None else before & condition})

    def _kept(self, dataset: pds.Dataset, columns: Sequence[str]) -> pd.DataFrame:
        # Labels are positions here, which Arrow would not know of rows that it had left out.
        wanted = {f"column {name}": pds.field(name) for name in columns} | {"keep": self.keep}
        rows = dataset.to_table(columns=wanted, filter=self.where)
        kept = rows["keep"].fill_null(False)
        data = rows.drop_columns("keep").filter(kept).rename_columns(list(columns))
        return self.finish(data, columns).set_axis(np.flatnonzero(kept))

    def finish(self, rows: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
        """Rows as pandas, indexed."""
        data: pd.DataFrame = rows.replace_schema_metadata().to_pandas(types_mapper=self._text)
        for name in self.with_nulls.intersection(columns):
            data[name] = rows[name].to_pandas(types_mapper=_NULLABLE.get)
        return (data.set_index(self.index) if self.index else data)[list(columns)]

    def _text(self, kind: pa.DataType) -> Any:
        # As dask would convert texts after reading, but then conditions on missing ones change their meaning.
        return pd.StringDtype("pyarrow") if self.arrow_texts and kind == pa.string() else None

    def __dask_tokenize__(self) -> Any:
        return (self.digest, self.index, str(self.where), str(self.keep), self.arrow_texts)


def _with_nulls(schema: pa.Schema, files: Sequence[Entry]) -> frozenset[str]:
    """Columns of whole numbers or truth values that are missing in some file, or have a missing value."""
    known = [entry.stats.get("columns", {}) for entry in files]
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
