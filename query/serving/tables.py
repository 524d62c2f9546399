"""Rows of tables a page at a time, answers to SQL, and both as files."""

import bisect
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from ...catalog.answers import Answer
from ...catalog.schema import identifier
from ...lake.data.tables import Table
from ...lake.errors import InputError, NotFoundError
from ..views.formats import csv_texts, rows_of
from .asking import MOST_ROWS, MOST_SECONDS, SECONDS, Question, answer, within
from .bodies import Json
from .kept import Leave

_ANYWHERE = 10**15


def rows(question: Question) -> Response:
    """Return a page of a table: some rows of those that meet a condition, in an order.

    Parameters
    ----------
    question
        ``node``, ``where`` (a condition in SQL), ``order`` (a column), ``descending``, ``offset``, ``limit``, ``seconds`` and ``at``.

    Raises
    ------
    NotFoundError
        There is no such table.
    InputError
        It has no such column to sort by.
    QueryError
        The condition is wrong.
    """
    snapshot, name = question.snapshot, question.text("node")
    if name not in snapshot.tables:
        raise NotFoundError(f"there is no table {name!r} in commit {snapshot.commit.id[:12]}")
    table = snapshot.tables[name]
    offset = question.whole("offset", 0, 0, _ANYWHERE)
    limit = question.whole("limit", 100, 1, MOST_ROWS)
    where, order = question.text("where", ""), question.text("order", "")
    query = f"from {identifier(name)}"
    if where:
        query += f" where ({where}\n)"
    if order:
        if order not in table.columns:
            raise InputError(f"{name} has no column {order!r} to sort by")
        query += f" order by {identifier(order)}{' desc' if question.flag('descending') else ''} nulls last"
    seconds = question.real("seconds", SECONDS, 0.001, MOST_SECONDS)
    if where or order or offset == 0:
        # In the text: DuckDB then sorts by one column, and reads the others of the rows that it shows.
        query += f" limit {limit + 1} offset {offset}"
        found = answer(snapshot, query, limit=limit, seconds=seconds or SECONDS, leave=question.leave)
    else:
        # DuckDB would read all rows before the page.
        found = answer(snapshot, f"{query} limit 0")
        began = time.perf_counter()
        found["rows"] = _page(table, offset, limit)
        found["more"] = offset + len(found["rows"]) < table.rows
        found["seconds"] += time.perf_counter() - began
    return Json({**found, "total": None if where else table.rows})


def _page(table: Table, offset: int, limit: int) -> list[list[Any]]:
    """Rows of a table by their numbers: of the files that hold them, only the pages that do are decoded."""
    ends = [*itertools.accumulate(entry.stats["rows"] for entry in table.files)]
    rows: list[list[Any]] = []
    at, stop = offset, min(offset + limit, table.rows)
    # A cursor of its own, because one answers one question at a time.
    with duckdb.cursor() as cursor:
        while at < stop:
            number = bisect.bisect_right(ends, at)
            begin = ends[number - 1] if number else 0
            first, last = at - begin, min(stop, ends[number]) - begin
            (path,) = table.paths([table.files[number]])
            part = _rows_in(cursor, path, first, last)
            # A file from before a column was added lacks it.
            rows += [[row.get(name) for name in table.columns] for row in part]
            at = begin + last
    return rows


def _rows_in(cursor: duckdb.DuckDBPyConnection, path: str, first: int, last: int) -> list[dict[str, Any]]:
    number = "file_row_number"
    query = f"from read_parquet([$path], {number} = true) where {number} >= $first and {number} < $last"
    asked = cursor.sql(query, params={"path": path, "first": first, "last": last})
    rows: list[dict[str, Any]] = rows_of(asked, as_text=True).read_all().to_pylist()
    return rows


def sql(question: Question) -> Response:
    """Answer one SELECT: a page as JSON, or all rows as a file.

    Parameters
    ----------
    question
        ``query``, ``offset``, ``limit``, ``seconds``, ``format`` (``json``, ``csv``, ``parquet`` or ``arrow``, which is a stream of Arrow's IPC)
        and ``at``.

    Raises
    ------
    InputError
        The format is none of these.
    QueryError
        It is not a single SELECT, or DuckDB refuses it.
    QueryTimeoutError
        It took too long.
    """
    snapshot, query = question.snapshot, question.text("query")
    seconds = question.real("seconds", SECONDS, 0.001, MOST_SECONDS) or SECONDS
    form = question.text("format", "json")
    if form == "json":
        offset = question.whole("offset", 0, 0, _ANYWHERE)
        limit = question.whole("limit", 200, 1, MOST_ROWS)
        return Json(
            answer(snapshot, query, offset=offset, limit=limit, seconds=seconds, leave=question.leave)
        )
    if form not in _WRITERS:
        raise InputError(f"format is {form!r}; expected json, {', '.join(_WRITERS)}")
    asked = snapshot.sql(query)
    assert isinstance(asked, Answer), "of a catalog"
    return _file(asked, form, f"neurolake-{snapshot.commit.id[:12]}.{form}", seconds, question.leave)


class _Csv:
    """Writes batches of rows to a file of CSV."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._file.writelines(csv_texts(pa.RecordBatchReader.from_batches(schema, [])))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        texts = csv_texts(pa.RecordBatchReader.from_batches(batch.schema, [batch]))
        self._file.writelines(itertools.islice(texts, 1, None))


_WRITERS: dict[str, Callable[[Path, pa.Schema], Any]] = {
    "csv": _Csv,
    "parquet": pq.ParquetWriter,
    "arrow": lambda path, schema: pa.ipc.new_stream(str(path), schema),
}


def _file(asked: Answer, form: str, name: str, seconds: float, leave: Leave) -> Response:
    """Rows as a file, which is complete before any of it is sent."""
    with tempfile.NamedTemporaryFile(prefix="neurolake-", suffix=f"-{name}", delete=False) as made:
        path = Path(made.name)
    try:
        # To ask for the first row is to compute, for some queries all of it.
        with within(asked, seconds, leave):
            reader = rows_of(asked, as_text=form == "csv")
            with _WRITERS[form](path, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
    except BaseException:
        path.unlink()
        raise
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return FileResponse(path, headers=headers, background=BackgroundTask(path.unlink))


def plan(question: Question) -> Response:
    """Return DuckDB's plan of a query as text; nothing is read.

    Parameters
    ----------
    question
        ``query`` and ``at``.
    """
    return Json({"plan": question.snapshot.explain(question.text("query"))})


def words(question: Question) -> Response:
    """Return what a query may be made of: tables with their columns, and the keywords of SQL.

    Parameters
    ----------
    question
        ``at``.
    """
    snapshot = question.snapshot
    keywords = [
        word for (word,) in snapshot.sql("select keyword_name from duckdb_keywords() order by 1").fetchall()
    ]
    tables = {name: list(table.columns) for name, table in snapshot.tables.items()}
    return Json({"tables": tables, "keywords": keywords})
