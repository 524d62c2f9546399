"""Requests as questions to a snapshot: their parameters, and SQL within limits of rows, time and bytes."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa
from starlette.datastructures import QueryParams

from ...catalog.answers import Answer
from ...lake.errors import InputError, QueryError, QueryTimeoutError
from ...lake.history.log import MAIN
from ..views.formats import rows_of
from .bodies import framed, json_body
from .kept import Kept, Leave

if TYPE_CHECKING:
    from ..lake import Lake, Snapshot

SECONDS = 30.0
"""After which a query is given up, unless a request says otherwise."""
MOST_SECONDS = 600.0
MOST_ROWS = 10_000
"""In one answer; downloads have no such limit."""
MOST_BYTES = 32 * 2**20
"""Of the rows of one answer in memory."""
LONGEST_TEXT = 2_000
"""Of a cell; longer text is cut, and says so. Downloads have all of it."""
_KEPT = 4

Made = tuple[Mapping[str, Any], Mapping[str, npt.NDArray[Any]]]
"""A head of JSON and arrays by name."""


class Served:
    """A lake that is served, with the snapshots that pages are looking at, and answers that do not change.

    Parameters
    ----------
    lake
        The lake.
    """

    def __init__(self, lake: "Lake") -> None:
        self.lake = lake
        cache = lake.objects.cache
        self.kept = Kept(None if cache is None else cache / "answers")
        self._kept: OrderedDict[str, Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def snapshot(self, ref: str) -> "Snapshot":
        """Return a commit, with its views where they were made before.

        Parameters
        ----------
        ref
            Branch, tag, commit or time.

        Raises
        ------
        NotFoundError
            There is no such commit.
        """
        with self._lock:
            found = self.lake.at(ref)
            found = self._kept.setdefault(found.commit.id, found)
            self._kept.move_to_end(found.commit.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def interrupt(self) -> None:
        """Stop what is asked now; it ends with an error."""
        with self._lock:
            kept = [*self._kept.values()]
        for snapshot in kept:
            snapshot.interrupt()


class Question:
    """A request to a lake: the commit it is about, and its other parameters, checked as they are read.

    Parameters
    ----------
    given
        Its parameters.
    served
        The lake.
    leave
        What tells that whoever asked has gone; also an attribute.
    """

    def __init__(self, given: QueryParams, served: Served, leave: Leave | None = None) -> None:
        self._given = given
        self._served = served
        self.lake = served.lake
        self.leave = Leave() if leave is None else leave

    def kept(self, name: str, given: Mapping[str, Any], make: Callable[[Callable[[], None]], Made]) -> bytes:
        """Return an answer about the commit as `bodies.framed` has it, computed once.

        Parameters
        ----------
        name
            What is asked.
        given
            All that the answer depends on beside the commit, as JSON has it.
        make
            Computes it; it is given what to call from time to time, which raises an error when nobody waits.
        """
        key = [self.snapshot.commit.id, name, dict(given)]
        return self._served.kept.get(key, lambda pause: framed(*make(pause)), self.leave)

    def kept_json(self, name: str, given: Mapping[str, Any], make: Callable[[], Any]) -> bytes:
        """Return an answer about commits that *given* names as `bodies.json_body` has it, computed once.

        Parameters
        ----------
        name
            What is asked.
        given
            All that the answer depends on.
        make
            Computes it.
        """
        return self._served.kept.get([name, dict(given)], lambda pause: json_body(make()), self.leave)

    def found(self, name: str, given: Mapping[str, Any]) -> bytes | None:
        """Return what `kept` kept, if it did.

        Parameters
        ----------
        name, given
            As of `kept`.
        """
        return self._served.kept.found([self.snapshot.commit.id, name, dict(given)])

    @cached_property
    def snapshot(self) -> "Snapshot":
        """The commit that ``at`` means, by default the newest one of the main branch."""
        return self._served.snapshot(self._given.get("at") or MAIN)

    def at(self, name: str) -> "Snapshot":
        """Return the commit that a parameter means.

        Parameters
        ----------
        name
            Name of the parameter.
        """
        return self._served.snapshot(self.text(name))

    def text(self, name: str, default: str | None = None) -> str:
        """Return a parameter.

        Parameters
        ----------
        name
            Name of the parameter.
        default
            Its value where it is missing or empty; without one it is needed.

        Raises
        ------
        InputError
            It is missing.
        """
        found = self._given.get(name) or default
        if found is None:
            raise InputError(f"say which {name}: the parameter is missing")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter.

        Parameters
        ----------
        name
            Name of the parameter.
        """
        return tuple(value for value in self._given.getlist(name) if value)

    def flag(self, name: str) -> bool:
        """Return whether a parameter is ``1`` or ``true``.

        Parameters
        ----------
        name
            Name of the parameter.
        """
        return self._given.get(name) in ("1", "true")

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a parameter as a whole number.

        Parameters
        ----------
        name
            Name of the parameter.
        default
            Its value where it is missing.
        least, most
            What it may be.

        Raises
        ------
        InputError
            It is no such number.
        """
        return int(self._number(name, default, least, most, whole=True))

    def real(self, name: str, default: float | None, least: float, most: float) -> float | None:
        """Return a parameter as a number.

        Parameters
        ----------
        name
            Name of the parameter.
        default
            Its value where it is missing.
        least, most
            What it may be.

        Raises
        ------
        InputError
            It is no such number.
        """
        return (
            None
            if default is None and not self._given.get(name)
            else self._number(name, default, least, most)
        )

    def span(self, begin: str, end: str) -> tuple[float, float] | None:
        """Return two numbers, the lower one first; None where both are missing.

        Parameters
        ----------
        begin, end
            Names of the parameters.

        Raises
        ------
        InputError
            One of them is missing or no number, or they are not in order.
        """
        low, high = (self.real(name, None, -1e12, 1e12) for name in (begin, end))
        if low is None and high is None:
            return None
        if low is None or high is None or not low < high:
            raise InputError(
                f"{begin} and {end} are {low} and {high}; expected two numbers, the lower one first"
            )
        return low, high

    def _number(
        self, name: str, default: float | None, least: float, most: float, whole: bool = False
    ) -> float:
        text = self._given.get(name)
        try:
            found = float(default if not text and default is not None else text or "")
        except ValueError:
            found = float("nan")
        if not least <= found <= most or (whole and found != int(found)):
            kind = "a whole number" if whole else "a number"
            raise InputError(f"{name} is {text!r}; expected {kind} from {least:g} to {most:g}")
        return found


@contextmanager
def within(answer: Answer, seconds: float, leave: Leave | None = None) -> Iterator[None]:
    """Stop a query whose rows the block computes, when it has taken too long, or whoever asked has gone.

    Parameters
    ----------
    answer
        The query.
    seconds
        How long it may take.
    leave
        What tells that they have gone.

    Raises
    ------
    QueryTimeoutError
        It took longer.
    """
    late = threading.Event()

    def stop() -> None:
        late.set()
        answer.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        with (leave or Leave()).telling(answer.interrupt):
            yield
    except QueryError as error:
        if late.is_set():
            raise QueryTimeoutError(f"no answer within {seconds:g} s; ask for less, or for longer") from error
        raise
    finally:
        timer.cancel()


def answer(
    snapshot: "Snapshot",
    query: str,
    *,
    offset: int = 0,
    limit: int = MOST_ROWS,
    seconds: float = SECONDS,
    leave: Leave | None = None,
) -> dict[str, Any]:
    """Return some rows of a query as JSON has them.

    Parameters
    ----------
    snapshot
        The commit to ask.
    query
        One SELECT.
    offset, limit
        How many rows to leave out, and how many to return at most.
    seconds
        How long it may take.
    leave
        What tells that whoever asked has gone; the query ends then.

    Returns
    -------
    ``columns`` (name and type of each), ``rows``, ``more`` (whether there are rows after these; memory bounds them, too), ``seconds`` and
    ``commit``.

    Raises
    ------
    QueryError
        It is not a single SELECT, or DuckDB refuses it.
    QueryTimeoutError
        It took too long.
    """
    began = time.perf_counter()
    asked = snapshot.sql(query)
    assert isinstance(asked, Answer), "of a catalog"
    types = [str(kind) for kind in asked.types]
    part = asked.limit(limit + 1, offset)
    with within(asked, seconds, leave):
        reader = rows_of(part, as_text=True)
        rows, complete = _bounded(reader)
    columns = [{"name": name, "type": kind} for name, kind in zip(reader.schema.names, types, strict=True)]
    return {
        "columns": columns,
        "rows": [[_cut(value) for value in row.values()] for row in rows.slice(0, limit).to_pylist()],
        "more": len(rows) > limit or not complete,
        "seconds": time.perf_counter() - began,
        "commit": snapshot.commit.id,
    }


def records(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an answer as mappings from names of columns.

    Parameters
    ----------
    found
        What `answer` returned.
    """
    names = [column["name"] for column in found["columns"]]
    return [dict(zip(names, row, strict=True)) for row in found["rows"]]


def _bounded(reader: pa.RecordBatchReader) -> tuple[pa.Table, bool]:
    """Rows up to `MOST_BYTES`, and whether these are all."""
    kept: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        size += batch.nbytes
        if size > MOST_BYTES and kept:
            reader.close()
            return pa.Table.from_batches(kept, reader.schema), False
        kept.append(batch)
    return pa.Table.from_batches(kept, reader.schema), True


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:LONGEST_TEXT]}… ({len(value):,} letters)"
    return value
