"""What a query answers: DuckDB's relation, whose errors are neurolake's whenever its rows are fetched."""

import atexit
import contextlib
import re
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from ..lake import errors
from ..lake.errors import NeurolakeError, QueryError
from ..lake.nodes.shown import framed_html, table_html

# How DuckDB tells of an error in a function of ours.
_OURS = re.compile(
    r"Python exception occurred while executing the UDF: (?P<kind>\w+): (?P<said>.*)", re.DOTALL
)

Explained = Callable[[str], str]

MOST_ROWS = 20
"""Rows that a notebook shows."""

_read: weakref.WeakSet[Generator[pa.RecordBatch, None, None]] = weakref.WeakSet()

if TYPE_CHECKING:
    Relation = duckdb.DuckDBPyRelation
else:
    Relation = object


class Answer(Relation):
    """A DuckDB relation: everything that one has, and what comes of it.

    Rows are computed when they are asked for, and what fails then is told as what fails at once: `QueryError`, with the
    query.

    Parameters
    ----------
    relation
        DuckDB's.
    explained
        What to say instead of DuckDB's message.
    cursor
        DuckDB's connection that computes it.
    keeps
        What has to live as long as rows may be asked for.
    """

    def __init__(
        self,
        relation: duckdb.DuckDBPyRelation,
        explained: Explained,
        cursor: duckdb.DuckDBPyConnection,
        keeps: Any = None,
    ) -> None:
        self._relation = relation
        self._explained = explained
        self._cursor = cursor
        self._keeps = keeps

    def interrupt(self) -> None:
        """Stop what another thread computes of it; that ends with a `QueryError`."""
        self._cursor.interrupt()

    def __getattr__(self, name: str) -> Any:
        with told(self._explained):
            found = getattr(self._relation, name)
        return self._telling(found) if callable(found) else self._answered(found)

    def __dir__(self) -> list[str]:
        return dir(self._relation)

    def __repr__(self) -> str:
        with told(self._explained):
            return repr(self._relation)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The first rows as a table, with the types of the columns."""
        with told(self._explained):
            rows = self._relation.limit(MOST_ROWS + 1).fetchall()
            columns = [*zip(self._relation.columns, map(str, self._relation.types), strict=True)]
        more = f"<p>the first {MOST_ROWS} rows</p>" if len(rows) > MOST_ROWS else ""
        return framed_html(table_html(columns, rows[:MOST_ROWS]) + more)

    def __len__(self) -> int:
        with told(self._explained):
            return len(self._relation)

    def __contains__(self, name: str) -> bool:
        return name in self._relation

    def __getitem__(self, name: str) -> duckdb.DuckDBPyRelation:
        found: duckdb.DuckDBPyRelation = self._telling(self._relation.__getitem__)(name)
        return found

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        return self.to_arrow_reader().__arrow_c_stream__(requested_schema)

    def _telling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method of the relation, whose answers are of this kind, too."""

        def call(*args: Any, **kwargs: Any) -> Any:
            plain = [arg._relation if isinstance(arg, Answer) else arg for arg in args]
            with told(self._explained):
                found = method(*plain, **kwargs)
            return self._answered(found)

        call.__doc__ = method.__doc__
        return call

    def _answered(self, found: Any) -> Any:
        if isinstance(found, duckdb.DuckDBPyRelation):
            return Answer(found, self._explained, self._cursor, self._keeps)
        if isinstance(found, pa.RecordBatchReader):
            batches = self._batches(found)
            _read.add(batches)
            return pa.RecordBatchReader.from_batches(found.schema, batches)
        return found

    def _batches(self, reader: pa.RecordBatchReader) -> Generator[pa.RecordBatch, None, None]:
        while True:
            # Holding on to self holds on to what the rows come from.
            with told(self._explained):
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            yield batch


@contextlib.contextmanager
def told(explained: Explained) -> Iterator[None]:
    """Turn errors of DuckDB, and of Arrow while it reads from DuckDB, into errors of neurolake.

    Parameters
    ----------
    explained
        Turns an error's text into a better one.
    """
    try:
        yield
    except NeurolakeError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _as_ours(str(error), explained) from error
    except RuntimeError as error:
        # What DuckDB makes of Ctrl-C, where the main thread waits for it.
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _as_ours(message: str, explained: Explained) -> NeurolakeError:
    match = _OURS.search(message)
    kind = None if match is None else getattr(errors, match["kind"], None)
    if match is not None and isinstance(kind, type) and issubclass(kind, NeurolakeError):
        found: NeurolakeError = kind(explained(match["said"]))
        return found
    return QueryError(explained(message))


@atexit.register
def _let_go() -> None:
    """Close answers that are still being read, or DuckDB's binding complains at the end."""
    for batches in list(_read):
        batches.close()
