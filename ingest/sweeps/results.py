"""Scalar results of a run: what SQL or a function of the user's says of it."""

from collections.abc import Callable, Mapping
from typing import Any

from ...catalog.views import Catalog
from ...lake import Lake
from ...lake.digest import plain_json
from ...lake.errors import InputError, NeurolakeError, QueryError

Result = str | Callable[[Any, str], Any]
"""SQL with ``$run`` or ``{run}``, or a function of a snapshot and the run's name."""

_RUN, _IN_NAMES = "run", "{run}"
"""The run's name as a value, and within names of tables: ``"spikes/{run}/PYR"``."""


def checked_results(results: Mapping[str, Result] | None) -> dict[str, Result]:
    """Return what is to be asked of each run, checked as far as it can be before there is one.

    Parameters
    ----------
    results
        SQL or functions by the name of the result.

    Raises
    ------
    InputError
        A query is not one SELECT, or does not say which run, or something is neither SQL nor a function; all are named.
    """
    wrong = []
    for name, result in (results or {}).items():
        told = _wrong(result)
        if told:
            wrong.append(f"result {name!r}: {told}")
    if wrong:
        raise InputError("; ".join(wrong))
    return dict(results or {})


def _wrong(result: Any) -> str | None:
    import duckdb

    if callable(result):
        return None
    if not isinstance(result, str):
        return f"expected SQL or a function, not {type(result).__name__}"
    try:
        statements = duckdb.extract_statements(result.replace(_IN_NAMES, _RUN))
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return "expected one SELECT"
    asked = {name.lower() for name in statements[0].named_parameters}
    if asked - {_RUN} or not (asked or _IN_NAMES in result):
        return 'say which run: where run = $run, or from "spikes/{run}/PYR"'
    return None


def asked(lake: Lake, run: str, results: Mapping[str, Result]) -> tuple[dict[str, Any], list[str]]:
    """Return the results of a run, and what went wrong with those that are None for it.

    Parameters
    ----------
    lake
        The lake that holds the run.
    run
        Name of the run.
    results
        SQL or functions by name, as `checked_results` returns them.
    """
    found: dict[str, Any] = {}
    wrong: list[str] = []
    if not results:
        return found, wrong
    snapshot = lake.head
    catalog = Catalog(snapshot)
    for name, result in results.items():
        try:
            value = _of_sql(catalog, result, run) if isinstance(result, str) else result(snapshot, run)
            found.update(_named(name, value))
        except NeurolakeError as error:
            found[name] = None
            wrong.append(f"result {name!r} of {run}: {error}")
        # A function is the user's code: its error costs its value, not what was simulated.
        except Exception as error:  # noqa: BLE001
            found[name] = None
            wrong.append(f"result {name!r} of {run}: {type(error).__name__}: {error}")
    return found, wrong


def _of_sql(catalog: Catalog, sql: str, run: str) -> Any:
    text = sql.replace(_IN_NAMES, run)
    relation = catalog.query(text, {_RUN: run} if f"${_RUN}" in text.lower() else {})
    columns, rows = relation.columns, relation.limit(2).fetchall()
    if len(rows) != 1:
        raise QueryError(f"expected one row, found {'several' if rows else 'none'}")
    return rows[0][0] if len(columns) == 1 else dict(zip(columns, rows[0], strict=True))


def _named(name: str, value: Any) -> dict[str, Any]:
    """One value under its name; several, of a mapping or of several columns, as ``name.part``."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, Mapping):
        return {f"{name}.{part}": plain_json(own, f"{name}.{part}") for part, own in value.items()}
    return {name: plain_json(value, f"result {name}")}
