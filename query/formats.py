"""Results of a query as a table on the screen, CSV, JSON lines or Parquet."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from ..lake.errors import InputError

SHOWN_ROWS = 1000


def write_relation(
    relation: duckdb.DuckDBPyRelation, form: str, output: Path | None, screen: Console
) -> None:
    """Write the rows of *relation*.

    Parameters
    ----------
    form
        ``table`` (at most `SHOWN_ROWS` rows), ``csv``, ``json`` (an array of objects) or ``parquet``.
    output
        File to write; without it, what *screen* prints to.

    Raises
    ------
    InputError
        *form* is another, or Parquet has no file to go to.
    """
    writers = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}
    if form not in writers:
        raise InputError(f"--format {form}: choose {', '.join(writers)}")
    writers[form](relation, output, screen)


def _table(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Console) -> None:
    rows = relation.limit(SHOWN_ROWS + 1).fetchall()
    listing = Table(*relation.columns, box=None, pad_edge=False)
    for row in rows[:SHOWN_ROWS]:
        listing.add_row(*("" if value is None else _shown(value) for value in row))
    if output is None:
        screen.print(listing)
    else:
        with output.open("w") as file:
            Console(file=file, width=10_000, highlight=False).print(listing)
    if len(rows) > SHOWN_ROWS:
        screen.print(f"… the first {SHOWN_ROWS} rows; --format csv gives all")


def _shown(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text.replace("[", "\\[")


def _csv(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Console) -> None:
    table = relation.to_arrow_table()
    for at, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [json.dumps(value, default=str) for value in table[at].to_pylist()]
            table = table.set_column(at, field.name, pa.array(texts))
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    _put(bytes(sink.getvalue()).decode(), output, screen)


def _json(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Console) -> None:
    names = relation.columns
    rows = [dict(zip(names, map(_finite, row), strict=True)) for row in relation.fetchall()]
    _put(json.dumps(rows, default=str, ensure_ascii=False, allow_nan=False) + "\n", output, screen)


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _put(text: str, output: Path | None, screen: Console) -> None:
    if output is not None:
        output.write_text(text)
    else:
        # Not through rich, which would wrap and mark up data.
        screen.file.write(text)


def _parquet(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Console) -> None:
    if output is None and screen.is_terminal:
        raise InputError("--format parquet is not for the screen: give --output FILE, or pipe it")
    # A name, or what is piped to.
    pq.write_table(relation.to_arrow_table(), sys.stdout.buffer if output is None else output)
