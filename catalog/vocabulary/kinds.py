"""What a table of the lake is: its name, what one row is, and its columns with units, meanings and sources."""

from dataclasses import dataclass

import pyarrow as pa

TEXT = pa.string()


REAL = pa.float64()


WHOLE = pa.int64()


def column(name: str, kind: pa.DataType, meaning: str, unit: str = "", source: str = "") -> pa.Field:
    """A documented column; the documentation travels in the schema."""
    document = {"meaning": meaning, "unit": unit, "source": source}
    return pa.field(name, kind, metadata={key: text for key, text in document.items() if text})


@dataclass(frozen=True)
class TableKind:
    """A table of the lake: name, what one row is, columns, and the columns it is sorted by."""

    name: str
    doc: str
    schema: pa.Schema
    sorted_by: tuple[str, ...] = ()
