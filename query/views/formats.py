"""Results of a query as a table on the screen, CSV, JSON or Parquet."""

import contextlib
import itertools
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ...catalog.schema import identifier
from ...lake.console import Listing, Terminal
from ...lake.errors import InputError
from ...lake.storage.local import appearing

SHOWN_ROWS = 1000
_BATCH_ROWS = 65536
_NUMBERS = (
    "boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint float double decimal"
)
_NOT_IN_PARQUET = frozenset(["interval", "union"])
_KEPT_TYPES = frozenset([*_NUMBERS.split(), "varchar"])


def write_relation(
    relation: duckdb.DuckDBPyRelation, form: str, output: Path | None, screen: Terminal
) -> None:
    """Write the rows of *relation*, a batch at a time.

    Columns with a name that is there already get a number. Text that stands for a real number reads back
    as that number.

    Parameters
    ----------
    relation
        The rows.
    form
        ``table`` (for the eye: at most `SHOWN_ROWS` rows and ten digits), ``csv``, ``json`` (an array of
        objects; null for NaN and infinity, which JSON does not have) or ``parquet``.
    output
        File to write; without it, what *screen* prints to.
    screen
        The terminal.

    Raises
    ------
    InputError
        *form* is another, or Parquet has no file to go to.
    QueryError
        DuckDB fails on a row, such as text that cannot be cast to a number.
    """
    writers = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}
    if form not in writers:
        raise InputError(f"--format {form}: choose {', '.join(writers)}")
    writers[form](relation, output, screen)


def rows_of(relation: duckdb.DuckDBPyRelation, *, as_text: bool) -> pa.RecordBatchReader:
    """Return the rows of a relation under distinct names, a batch at a time.

    Parameters
    ----------
    relation
        The rows.
    as_text
        Whether types that only databases have, such as times and UUIDs, become text, wherever in a type they stand.
        Dates do, too: those of databases go beyond the years of Python. Without it only what files of Parquet cannot hold does.
    """
    casts = [f"::{_in_text(kind, as_text)}" for kind in relation.types]
    names = [name.replace('"', '""') for name in _distinct(relation.columns)]
    columns = [
        f'#{at}{cast} as "{name}"' for at, (cast, name) in enumerate(zip(casts, names, strict=True), 1)
    ]
    return relation.project(", ".join(columns)).to_arrow_reader(_BATCH_ROWS)


def _in_text(kind: Any, everything: bool) -> str:
    """A type in SQL with text in the place of all, or of what Parquet lacks, that is neither number nor text."""
    if kind.id == "tuple":
        # Its parts have no names to cast them by.
        kept = not everything and all(_in_text(part, everything) == str(part) for _, part in kind.children)
        return str(kind) if kept else "varchar"
    if kind.id not in ("list", "array", "struct", "map"):
        kept = kind.id in _KEPT_TYPES if everything else kind.id not in _NOT_IN_PARQUET
        return str(kind) if kept else "varchar"
    parts = {
        name: part if isinstance(part, int) else _in_text(part, everything) for name, part in kind.children
    }
    if kind.id in ("list", "array"):
        return f"{parts['child']}[{parts.get('size', '')}]"
    if kind.id == "map":
        return f"map({parts['key']}, {parts['value']})"
    return "struct({})".format(", ".join(f"{identifier(name)} {part}" for name, part in parts.items()))


def _distinct(names: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        spellings = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
        # DuckDB does not distinguish upper and lower case.
        taken = {known.lower() for known in found}
        found[next(spelling for spelling in spellings if spelling.lower() not in taken)] = None
    return list(found)


def _table(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Terminal) -> None:
    rows = rows_of(relation.limit(SHOWN_ROWS + 1), as_text=True).read_all()
    listing = Listing(*rows.column_names)
    for row in rows.slice(0, SHOWN_ROWS).to_pylist():
        listing.add_row(*map(_cell, row.values()))
    if output is None:
        screen.print(listing)
    else:
        with appearing(output) as place, place.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in listing.lines())
    if len(rows) > SHOWN_ROWS:
        screen.print(f"… the first {SHOWN_ROWS} rows; --format csv gives all")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else str(value)


def _csv(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Terminal) -> None:
    _put(csv_texts(rows_of(relation, as_text=True)), output, screen)


def csv_texts(batches: pa.RecordBatchReader) -> Iterator[str]:
    """Return rows as CSV: the names, then a text for each batch; what has parts becomes JSON.

    Parameters
    ----------
    batches
        The rows.
    """
    yield _csv_text(batches.schema.empty_table(), include_header=True)
    for batch in batches:
        yield _csv_text(pa.Table.from_batches([batch]), include_header=False)


def _csv_text(table: pa.Table, *, include_header: bool) -> str:
    for at, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [None if value is None else _json_text(value) for value in table[at].to_pylist()]
            table = table.set_column(at, field.name, pa.array(texts, pa.string()))
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=include_header))
    return str(sink.getvalue().to_pybytes(), "utf-8")


def _json(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Terminal) -> None:
    _put(_json_texts(rows_of(relation, as_text=True)), output, screen)


def _json_texts(batches: pa.RecordBatchReader) -> Iterator[str]:
    rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
    yield "["
    for number, row in enumerate(rows):
        yield (",\n " if number else "") + _json_text(row)
    yield "]\n"


def _json_text(value: Any) -> str:
    return json.dumps(_json_value(value), default=str, ensure_ascii=False, allow_nan=False)


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _put(texts: Iterable[str], output: Path | None, screen: Terminal) -> None:
    if output is None:
        # Not through rich, which would wrap and mark up data.
        screen.file.writelines(texts)
        return
    with appearing(output) as place, place.open("w", encoding="utf-8", newline="") as file:
        file.writelines(texts)


def _parquet(relation: duckdb.DuckDBPyRelation, output: Path | None, screen: Terminal) -> None:
    if output is None and screen.is_terminal:
        raise InputError("--format parquet is not for the screen: give --output FILE, or pipe it")
    batches = rows_of(relation, as_text=False)
    # A name, or what is piped to.
    opened = contextlib.nullcontext(sys.stdout.buffer) if output is None else appearing(output)
    with opened as place, pq.ParquetWriter(place, batches.schema) as file:
        for batch in batches:
            file.write_batch(batch)
