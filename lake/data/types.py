"""Types of columns and arrays: the one stored form of each, and those that are refused with what to use instead."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import InputError

BLOSC_LZ4: Mapping[str, Any] = {
    "name": "blosc",
    "configuration": {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0},
}
"""Default compression of chunks, as JSON of Zarr v3."""

_UNITS = ("s", "ms", "us", "ns")
_SCALARS = [
    *(pa.type_for_alias(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.null()),
    *(pa.date32(), pa.date64()),
    *(pa.timestamp(unit, zone) for unit in _UNITS for zone in (None, "UTC")),
    *(pa.duration(unit) for unit in _UNITS),
]
BY_NAME = {str(kind): kind for kind in (*_SCALARS, *map(pa.list_, _SCALARS))}
"""Types without parts of their own, by Arrow's names."""

# Parquet has no seconds.
_STORED_UNIT = {"s": "ms"}


def as_arrow(table: Any) -> pa.Table:
    """Return what a user gives as a table as Arrow's.

    Parameters
    ----------
    table
        A ``pyarrow.Table`` or a ``pandas.DataFrame``, whose index is left out.

    Raises
    ------
    InputError
        It is something else, or a column has values of several types.
    """
    if isinstance(table, pa.Table):
        return table
    if not (hasattr(table, "columns") and hasattr(table, "index")):
        raise InputError(f"a table is a pyarrow.Table or a pandas.DataFrame, not {type(table).__name__}")
    names = [str(name) for name in table.columns]
    _check_names(names)
    try:
        return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the frame is no table: {'; '.join(map(str, error.args))}") from error


def plain(table: pa.Table) -> pa.Table:
    """Return a table in the stored form of its columns, so that equal content is stored once.

    The stored form is the plainest type that says the same: no dictionaries, views, run lengths, large offsets or names of
    extensions, and no pandas' metadata.

    Parameters
    ----------
    table
        Rows with columns of any types.

    Raises
    ------
    InputError
        There are no columns, two of them have one name, or a column has a type that Parquet cannot hold.
    """
    if not table.num_columns:
        raise InputError("a table has at least one column")
    _check_names(table.column_names)
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = _plain_type(field.name, field.type)
        try:
            columns.append((field.with_type(kind), _cast(column, kind)))
        except (pa.ArrowException, ValueError) as error:
            raise InputError(
                f"column {field.name!r} of type {field.type} cannot be stored: {error}"
            ) from error
    schema = pa.schema([pa.field(f.name, f.type, f.nullable, f.metadata) for f, _ in columns])
    return pa.Table.from_arrays([column for _, column in columns], schema=schema).combine_chunks()


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return _cast(pa.chunked_array(chunks, column.type.storage_type), kind)
    if pa.types.is_run_end_encoded(column.type):
        # Arrow's functions take a while to import, and few columns need this one.
        from pyarrow.compute import run_end_decode

        chunks = [run_end_decode(chunk) for chunk in column.chunks]
        return _cast(pa.chunked_array(chunks, column.type.value_type), kind)
    if pa.types.is_list_view(column.type):
        # Arrow's cast of these to lists makes offsets of a wrong length (pyarrow 22).
        return pa.chunked_array([pa.array(chunk.to_pylist(), kind) for chunk in column.chunks], kind)
    return column if column.type == kind else column.cast(kind)


def _check_names(names: list[str]) -> None:
    if len(set(names)) < len(names):
        double = next(name for at, name in enumerate(names) if name in names[:at])
        raise InputError(f"columns need different names; two are called {double!r}")


def _plain_type(column: str, kind: pa.DataType) -> pa.DataType:
    is_a = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(column, kind.storage_type)
    if is_a.is_dictionary(kind) or is_a.is_run_end_encoded(kind):
        return _plain_type(column, kind.value_type)
    if is_a.is_large_string(kind) or is_a.is_string_view(kind):
        return pa.string()
    if is_a.is_large_binary(kind) or is_a.is_binary_view(kind):
        return pa.binary()
    if is_a.is_timestamp(kind):
        return pa.timestamp(_STORED_UNIT.get(kind.unit, kind.unit), kind.tz)
    if is_a.is_time32(kind):
        return pa.time32("ms")
    if is_a.is_decimal32(kind) or is_a.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if is_a.is_fixed_size_list(kind):
        return pa.list_(_plain_type(column, kind.value_type), kind.list_size)
    if (
        is_a.is_list(kind)
        or is_a.is_large_list(kind)
        or is_a.is_list_view(kind)
        or is_a.is_large_list_view(kind)
    ):
        return pa.list_(_plain_type(column, kind.value_type))
    if is_a.is_map(kind):
        return pa.map_(_plain_type(column, kind.key_type), _plain_type(column, kind.item_type))
    if is_a.is_struct(kind) and kind.num_fields:
        return pa.struct([field.with_type(_plain_type(column, field.type)) for field in kind])
    if is_a.is_struct(kind):
        raise InputError(
            f"column {column!r} has structs without fields, which Parquet cannot hold: leave it out"
        )
    if is_a.is_union(kind):
        raise InputError(
            f"column {column!r} is a union, which Parquet cannot hold: use one column for each type"
        )
    if is_a.is_interval(kind):
        raise InputError(
            f"column {column!r} has intervals of months, days and nanoseconds, which Parquet cannot hold: use a "
            "duration, or three columns of integers"
        )
    return kind


def as_array(values: Any, name: str) -> npt.NDArray[Any]:
    """Return what a user gives as the values of an array as NumPy's.

    Parameters
    ----------
    values
        An array, a number, or nested lists of one length each.
    name
        Of the array, for the error.

    Raises
    ------
    InputError
        They are no array: rows of different lengths, masked, or of a type that `stored_dtype` refuses.
    """
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise InputError(
            f"array {name!r} has masked values, which would become numbers: fill them, such as by NaN"
        )
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"array {name!r} has rows of different lengths: store all values in one array, and where each row "
            "begins in another (offsets), or use a table with a column of lists"
        ) from error
    return found.astype(stored_dtype(found.dtype, name), copy=False)


def stored_dtype(dtype: npt.DTypeLike, name: str) -> np.dtype[Any]:
    """Return the type by which an array is stored: the same numbers under NumPy's first name for their type.

    Parameters
    ----------
    dtype
        Type of the array that is given.
    name
        Name of the array, for the message.

    Raises
    ------
    InputError
        Zarr has no such type.
    """
    kind = np.dtype(dtype)
    if kind.kind in "biufc" and kind.itemsize <= (16 if kind.kind == "c" else 8):
        return np.dtype(kind.str)
    if kind.kind in "fc":
        raise InputError(f"array {name!r} is of {kind}, which Zarr does not have: use float64 or complex128")
    if kind.kind == "O":
        raise InputError(
            f"array {name!r} is of Python objects: store text as numpy.dtypes.StringDType() or in a table, rows of "
            "different lengths as values and offsets, and other things as JSON in attributes or files"
        )
    return kind
