"""Which files of a table a query may need, by what it asks of columns and the bounds that manifests keep.

DuckDB rules files out too, but by their footers, which it reads from each. Here files are ruled out by statistics that are in
memory already, before DuckDB, or a check against digests, opens any.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from ..lake import Table
from ..lake.nodes.entry import Entry

MANY = 4
"""Of a table of fewer files all may be opened."""

_FLIPPED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}
_JOINS, _REFERENCES = ("INNER", "LEFT", "RIGHT", "OUTER"), ("REGULAR", "CROSS")
# Whole numbers up to these are compared exactly, whatever integer type a column has.
_LARGEST = 2**53


@dataclass(frozen=True)
class _Span:
    """What a column is asked to be within; both ends belong to it."""

    column: str
    low: float = float("-inf")
    high: float = float("inf")


def pruned_files(
    cursor: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Mapping[str, Any] | None,
    tables: Mapping[str, Table],
) -> dict[str, tuple[Entry, ...]]:
    """Return the files that a query may need, of those tables for which these are not all.

    Of a table that a query names more than once, or in a way that this does not understand, it needs all files.

    Parameters
    ----------
    cursor
        Parses the query.
    sql, parameters
        The query, one SELECT.
    tables
        Tables of many files that its text may name, by the name of their view.

    Returns
    -------
    dict
        Entries in order, one at least, by name of the view.
    """
    # All is fetched: a result that is not leaves the cursor in a transaction that sees no later views.
    tree = json.loads(cursor.execute("select json_serialize_sql(?)", [sql]).fetchall()[0][0])
    if tree.get("error") is not False:
        return {}
    objects = list(_objects(tree))
    named = [_name(each) for each in objects if each.get("type") == "BASE_TABLE"]
    common = {str(each.get("key")).lower() for each in objects if isinstance(each.get("value"), dict)}
    kept = {}
    for view, table in tables.items():
        # Of a table that grew columns each file may have some that others lack.
        if table.evolved or len({column.lower() for column in table.columns}) < len(table.columns):
            continue
        # A name that is put together, such as main.trials, is told by its last part.
        if view.lower() in common or sum(name.split(".")[-1] == view.lower() for name in named) != 1:
            continue
        own = {column.lower(): column for column in table.columns}
        spans = [
            replace(span, column=own[span.column])
            for each in objects
            if each.get("type") == "SELECT_NODE"
            for span in _spans(each, view.lower(), parameters or {})
            if span.column in own
        ]
        files = tuple(entry for entry in table.files if _may_match(entry, spans)) if spans else table.files
        if len(files) < len(table.files):
            kept[view] = files or table.files[:1]
    return kept


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _name(table: Mapping[str, Any]) -> str:
    parts = (table.get("catalog_name"), table.get("schema_name"), table.get("table_name"))
    return ".".join(str(part) for part in parts if part).lower()


def _spans(select: Mapping[str, Any], view: str, parameters: Mapping[str, Any]) -> Iterator[_Span]:
    """What one SELECT asks of the columns of a table in its FROM."""
    sources = list(_sources(select.get("from_table")))
    ours = [each for each in sources if each.get("type") == "BASE_TABLE" and _name(each) == view]
    if (
        len(ours) != 1
        or ours[0].get("sample")
        or ours[0].get("column_name_alias")
        or ours[0].get("at_clause")
    ):
        return
    alias = str(ours[0].get("alias") or ours[0].get("table_name")).lower()
    for asked in _conjuncts(select.get("where_clause")):
        yield from _asked(asked, alias, len(sources) == 1, parameters)


def _sources(source: Any) -> Iterator[Mapping[str, Any]]:
    """Tables that are joined; rows that a condition refuses may leave these before the join."""
    if not isinstance(source, dict):
        return
    if source.get("type") != "JOIN":
        yield source
    elif source.get("join_type") in _JOINS and source.get("ref_type") in _REFERENCES:
        yield from _sources(source.get("left"))
        yield from _sources(source.get("right"))


def _conjuncts(condition: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(condition, dict):
        return
    if condition.get("type") == "CONJUNCTION_AND":
        for child in condition["children"]:
            yield from _conjuncts(child)
    else:
        yield condition


def _asked(
    asked: Mapping[str, Any], alias: str, alone: bool, parameters: Mapping[str, Any]
) -> Iterator[_Span]:
    def column(part: Mapping[str, Any]) -> str | None:
        names = [str(name).lower() for name in part.get("column_names", ())]
        own = (len(names) == 2 and names[0] == alias) or (len(names) == 1 and alone)
        return names[-1] if part.get("type") == "COLUMN_REF" and own else None

    match asked.get("class"), asked.get("type"):
        case "COMPARISON", kind if kind in _FLIPPED:
            for one, other, how in (
                (asked["left"], asked["right"], kind),
                (asked["right"], asked["left"], _FLIPPED[kind]),
            ):
                name, number = column(one), _number(other, parameters)
                if name is not None and number is not None:
                    yield _compared(name, how, number)
        case "BETWEEN", "COMPARE_BETWEEN":
            name = column(asked["input"])
            ends = [_number(asked[end], parameters) for end in ("lower", "upper")]
            if name is not None and ends[0] is not None and ends[1] is not None:
                yield _Span(name, ends[0], ends[1])
        case "OPERATOR", "COMPARE_IN":
            first, *rest = asked["children"]
            name, numbers = column(first), [_number(each, parameters) for each in rest]
            known = [number for number in numbers if number is not None]
            if name is not None and known and len(known) == len(numbers):
                yield _Span(name, min(known), max(known))


def _compared(name: str, how: str, number: int) -> _Span:
    # What is bounded by whole numbers is whole itself.
    match how:
        case "COMPARE_GREATERTHAN":
            return _Span(name, low=number + 1)
        case "COMPARE_GREATERTHANOREQUALTO":
            return _Span(name, low=number)
        case "COMPARE_LESSTHAN":
            return _Span(name, high=number - 1)
        case "COMPARE_LESSTHANOREQUALTO":
            return _Span(name, high=number)
        case _:
            return _Span(name, number, number)


def _number(part: Mapping[str, Any], parameters: Mapping[str, Any]) -> int | None:
    value: Any = None
    if part.get("type") == "VALUE_CONSTANT" and part.get("literal", {}).get("kind") == "INTEGER":
        value = int(part["literal"]["text"])
    elif part.get("type") == "VALUE_PARAMETER":
        value = parameters.get(str(part.get("identifier")))
    return value if type(value) is int and abs(value) <= _LARGEST else None


def _may_match(entry: Entry, spans: Sequence[_Span]) -> bool:
    bounds = entry.stats.get("columns", {})
    for span in spans:
        low, high, _ = bounds.get(span.column, (None, None, None))
        # Text is compared with numbers by its digits, and a null by none.
        whole = type(low) is int and type(high) is int
        if whole and (high < span.low or low > span.high):
            return False
    return True
