"""Rows of tables a page at a time, answers to SQL, and both as files."""

import bisect
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

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
        found = answer(snapshot, query, offset=offset, limit=limit, seconds=seconds or SECONDS)
    else:
        # DuckDB would read all rows before the page.
        found = answer(snapshot, f"{query} limit 0")
        part = _page(table, offset, limit)
        found["rows"] = [[*row.values()] for row in part.to_pylist()]
        found["more"] = offset + part.num_rows < table.rows
    return Json({**found, "total": None if where else table.rows})


def _page(table: Table, offset: int, limit: int) -> pa.Table:
    """Rows of a table by their numbers: only the row groups that hold them are read."""
    ends = [*itertools.accumulate(entry.stats["rows"] for entry in table.files)]
    schema = table.schema()
    parts = [schema.empty_table()]
    at, stop = offset, min(offset + limit, table.rows)
    while at < stop:
        number = bisect.bisect_right(ends, at)
        begin = ends[number - 1] if number else 0
        first, last = at - begin, min(stop, ends[number]) - begin
        (path,) = table.paths([table.files[number]])
        parts.append(_rows_in(path, first, last))
        at = begin + last
    joined = pa.concat_tables(parts, promote_options="permissive")
    return joined.select(schema.names)


def _rows_in(path: str, first: int, last: int) -> pa.Table:
    with pq.ParquetFile(path) as file:
        counts = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
        ends = [*itertools.accumulate(counts)]
        groups = range(bisect.bisect_right(ends, first), bisect.bisect_left(ends, last) + 1)
        before = ends[groups[0]] - counts[groups[0]]
        return file.read_row_groups([*groups]).slice(first - before, last - first)


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
        return Json(answer(snapshot, query, offset=offset, limit=limit, seconds=seconds))
    if form not in _WRITERS:
        raise InputError(f"format is {form!r}; expected json, {', '.join(_WRITERS)}")
    asked = snapshot.sql(query)
    assert isinstance(asked, Answer), "of a catalog"
    return _file(asked, form, f"neurolake-{snapshot.commit.id[:12]}.{form}", seconds)


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


def _file(asked: Answer, form: str, name: str, seconds: float) -> Response:
    """Rows as a file, which is complete before any of it is sent."""
    with tempfile.NamedTemporaryFile(prefix="neurolake-", suffix=f"-{name}", delete=False) as made:
        path = Path(made.name)
    try:
        # To ask for the first row is to compute, for some queries all of it.
        with within(asked, seconds):
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
