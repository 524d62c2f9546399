"""Node and edge types of SONATA: tables of text whose columns hold for every node or edge of a type."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...lake.errors import IngestError

_NULL = "NULL"


@dataclass(frozen=True)
class Types:
    """Types by id.

    Parameters
    ----------
    path
        The file they came from.
    ids
        Ids in ascending order.
    columns
        What holds for each, in that order.
    """

    path: Path
    ids: NDArray[np.int64]
    columns: dict[str, pa.Array]

    def column(self, name: str, ids: NDArray[np.int64]) -> pa.Array:
        """Return a column for nodes or edges of these types.

        Parameters
        ----------
        name
            Name of the column.
        ids
            Type of each node or edge, int64.

        Raises
        ------
        IngestError
            A type is not in the file.
        """
        at = np.searchsorted(self.ids, ids)
        known = at < len(self.ids)
        known[known] = self.ids[at[known]] == ids[known]
        if not known.all():
            raise IngestError(f"type {ids[np.argmin(known)]} is used but missing", self.path)
        return self.columns[name].take(pa.array(at))


def read_types(path: Path, key: str) -> Types:
    """Read a file of types: a header line, then fields parted by blanks, or by commas.

    Parameters
    ----------
    path
        Path of the file.
    key
        Column of the ids: ``node_type_id`` or ``edge_type_id``.

    Raises
    ------
    IngestError
        It cannot be read, a row has other fields than the header, or an id is there twice or no number.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"cannot be read as text: {error}", path) from error
    parted = "," if lines and "," in lines[0] else " "
    rows = [
        (number, row)
        for number, line in enumerate(lines, 1)
        for row in csv.reader([line], delimiter=parted, skipinitialspace=True)
        if any(row)
    ]
    if not rows or key not in rows[0][1]:
        raise IngestError(f"the header has no column {key}", path, 1)
    header = rows[0][1]
    if len(set(header)) < len(header):
        raise IngestError("two columns have one name", path, 1)
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise IngestError(f"{len(row)} fields, the header has {len(header)}", path, number)
    return _types(path, key, header, rows[1:])


def _types(path: Path, key: str, header: list[str], rows: list[tuple[int, list[str]]]) -> Types:
    position, found = header.index(key), {}
    for number, row in rows:
        try:
            type_id = int(row[position])
        except ValueError:
            raise IngestError(f"{key} {row[position]!r} is not a whole number", path, number) from None
        if type_id in found:
            raise IngestError(f"type {type_id} is there twice", path, number)
        found[type_id] = row
    ids = sorted(found)
    columns = {
        name: _typed([found[type_id][at] for type_id in ids]) for at, name in enumerate(header) if name != key
    }
    return Types(path, np.array(ids, np.int64), columns)


def _typed(texts: list[str]) -> pa.Array:
    """Whole numbers, real numbers or text, whatever holds all of them."""
    known = [None if text == _NULL else text for text in texts]
    for kind, convert in ((pa.int64(), int), (pa.float64(), float)):
        try:
            values: list[Any] = [None if text is None else convert(text) for text in known]
            if any(value is not None for value in values):
                return pa.array(values, kind)
        except (ValueError, OverflowError):
            continue
    return pa.array(known, pa.string())
