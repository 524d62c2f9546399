"""Rewriting a table's files: rows deleted by a condition, columns renamed. Files that stay the same are kept."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from ..nodes.entry import Entry
from ..objects.store import ObjectWriter
from .parquet import write_file
from .tables import Table


def without_rows(table: Table, where: pc.Expression, writer: ObjectWriter) -> tuple[list[Entry], int]:
    """Return the files of a table without the rows that match, and the number of these.

    A row of which the condition is neither true nor false (it is null there) does not match.

    Parameters
    ----------
    table
        The table to rewrite.
    where
        Condition of the rows to leave out.
    writer
        Stores the objects.

    Raises
    ------
    InputError
        *where* asks of a column what its type cannot answer.
    """
    touched = {entry.digest for entry in table.matching(where)}
    kept: list[Entry] = []
    deleted = 0
    for entry in table.files:
        if entry.digest not in touched:
            kept.append(entry)
            continue
        rows = table.rows_of(entry)
        try:
            rest = rows.filter(~pc.coalesce(where, pc.scalar(False)))
        except (pa.ArrowException, OverflowError) as error:
            raise table.unreadable(error, [entry], asked=True) from error
        deleted += rows.num_rows - rest.num_rows
        if rest.num_rows == rows.num_rows:
            kept.append(entry)
        elif rest.num_rows:
            kept.append(write_file(rest, writer))
    # A table without rows has one file, which tells its columns.
    return kept or [write_file(table.schema().empty_table(), writer)], deleted


def renamed(table: Table, names: Mapping[str, str], writer: ObjectWriter) -> list[Entry]:
    """Return the files of a table with other column names.

    Parameters
    ----------
    table
        The table to rewrite.
    names
        New names by old ones.
    writer
        Stores the objects.

    Raises
    ------
    InputError
        A column is not there, or a name would be there twice.
    """
    table.check_columns(list(names))
    after = [names.get(column, column) for column in table.columns]
    if len(set(after)) < len(after):
        raise InputError(f"table {table.name!r} would have a column twice: {', '.join(after)}")
    return [write_file(_renamed(table.rows_of(entry), names), writer) for entry in table.files]


def _renamed(rows: pa.Table, names: Mapping[str, str]) -> pa.Table:
    return rows.rename_columns([names.get(column, column) for column in rows.column_names])
