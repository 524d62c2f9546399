"""Rows of the table of sweeps, and commits that put them there."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary.sweeps import SWEEPS
from ...lake import Lake, Transaction
from ..runs.stage import committed

Row = dict[str, Any]
DONE, FAILED = "done", "failed"


def stored_rows(lake: Lake) -> list[Row]:
    """Return all rows of the table of sweeps.

    Parameters
    ----------
    lake
        The lake.
    """
    table = lake.head.tables.get(SWEEPS.name)
    return [] if table is None else table.to_arrow().to_pylist()


def put_rows(lake: Lake, rows: Sequence[Row], planned: int) -> str:
    """Commit rows in place of those of the same sweep and key; return the commit's id.

    Parameters
    ----------
    lake
        The lake.
    rows
        The rows, which are added in their order.
    planned
        How many combinations the sweep is to have, which the commit's provenance tells.
    """
    new = {(row["sweep"], row["key"]): row for row in rows}
    [sweep, *_] = [row["sweep"] for row in rows]

    def stage(transaction: Transaction) -> None:
        transaction.depends_on(SWEEPS.name)
        table = transaction.table(SWEEPS.name)
        there = [] if table is None else table.to_arrow().to_pylist()
        known = {(row["sweep"], row["key"]): row for row in there}
        # A row keeps its place: the order is that in which combinations came first.
        whole = pa.Table.from_pylist(list({**known, **new}.values()), SWEEPS.schema)
        transaction.write_table(SWEEPS.name, whole, doc=SWEEPS.doc)

    count = f"{len(new)} combination{'s' if len(new) != 1 else ''}"
    return committed(lake, f"Note {count} of sweep {sweep}", stage, {"sweep": sweep, "planned": planned})


def as_text(values: Mapping[str, Any]) -> str:
    """Return values as the JSON of a column.

    Parameters
    ----------
    values
        Values by name.
    """
    return json.dumps(values, ensure_ascii=False)
