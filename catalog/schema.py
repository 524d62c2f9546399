"""What every catalog holds: its tables, and what their columns mean."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .vocabulary.kinds import TableKind
from .vocabulary.trials import FILES, PARAMETERS, TRIALS


@dataclass(frozen=True)
class Column:
    """A column: DuckDB's name of its type, and what it means."""

    name: str
    type: str
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Description:
    """A table that every lake can be asked for."""

    doc: str
    columns: Sequence[Column]

    def ddl(self, name: str) -> str:
        """Return the statement that makes the empty table.

        Parameters
        ----------
        name
            Name of the table, with its schema.
        """
        columns = ", ".join(f"{identifier(column.name)} {column.type}" for column in self.columns)
        return f"create table {name} ({columns})"


_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE"}


def _described(kind: TableKind, doc: str) -> Description:
    """The description of a table of the vocabulary."""
    units, meanings = kind.units, kind.meanings
    return Description(
        doc,
        [Column(own.name, _TYPES[str(own.type)], meanings[own.name], units[own.name]) for own in kind.schema],
    )


_COLUMNS = {column.name: column for column in _described(TRIALS, TRIALS.doc).columns}

# Made of the log, which goes on while snapshots stay.
LOG = {
    "commits": Description(
        "a commit of the snapshot's history, itself included",
        [
            Column("id", "VARCHAR", "digest of the record: the commit's id"),
            Column("time", "TIMESTAMP", "when it was committed, by the writer's clock", "UTC"),
            Column("author", "VARCHAR", "author of the commit"),
            Column("message", "VARCHAR", "what its author said"),
            Column("parents", "VARCHAR[]", "commits it follows"),
            Column("snapshot", "VARCHAR", "digest of its content: equal for equal content"),
        ],
    ),
    "refs": Description(
        "a branch or tag of the lake as it stands now",
        [
            Column("name", "VARCHAR", "name of the branch or tag"),
            Column("kind", "VARCHAR", "branch or tag"),
            Column("commit", "VARCHAR", "the commit it means; null if that has expired"),
            Column("time", "TIMESTAMP", "when that commit was made", "UTC"),
            Column("message", "VARCHAR", "that commit's message"),
        ],
    ),
}

# Made of the snapshot's manifests alone.
CONTENT = {
    "nodes": Description(
        "a node: array, table, file or group",
        [
            Column("name", "VARCHAR", "name of the node"),
            Column("kind", "VARCHAR", "array, table, file or group"),
            Column("doc", "VARCHAR", "what it holds"),
            Column("rows", "BIGINT", "rows of a table"),
            Column("shape", "BIGINT[]", "length of each axis of an array"),
            Column("data_type", "VARCHAR", "Zarr's name of an array's type"),
            Column("stored_bytes", "BIGINT", "length of what is stored", "bytes"),
            Column("objects", "BIGINT", "chunks, Parquet files or contents that it consists of"),
            Column("digest", "VARCHAR", "identity of the node: equal for equal content"),
            Column("chunk_shape", "BIGINT[]", "length of a chunk along each axis of an array"),
            Column("dimension_names", "VARCHAR[]", "names of an array's axes"),
        ],
    ),
    "columns": Description(
        "a column of a table",
        [
            Column("table", "VARCHAR", "the table"),
            Column("column", "VARCHAR", "name of the column"),
            Column("type", "VARCHAR", "Arrow's name of its type"),
            Column("unit", "VARCHAR", "unit of its values"),
            Column("meaning", "VARCHAR", "what its values mean"),
            Column("source", "VARCHAR", "where they come from"),
        ],
    ),
    "parquet_files": Description(
        "a Parquet file of a table",
        [
            Column("table", "VARCHAR", "the table"),
            Column("file", "BIGINT", "number of the file in its table, from 0"),
            Column("digest", "VARCHAR", "BLAKE3 of the file, which is also its name"),
            Column("size", "BIGINT", "length of the file", "bytes"),
            Column("rows", "BIGINT", "rows in it"),
        ],
    ),
    "parquet_columns": Description(
        "what is known of the values that a Parquet file has in a column; nothing is known of columns left out",
        [
            Column("table", "VARCHAR", "the table"),
            Column("file", "BIGINT", "number of the file in its table, from 0"),
            Column("column", "VARCHAR", "name of the column"),
            Column("min", "DOUBLE", "least number; of what is not NaN"),
            Column("max", "DOUBLE", "greatest number; of what is not NaN"),
            Column("min_text", "VARCHAR", "least value as text, exactly"),
            Column("max_text", "VARCHAR", "greatest value as text, exactly"),
            Column("nulls", "BIGINT", "rows without a value"),
        ],
    ),
    "array_chunks": Description(
        "a stored chunk of an array; one that is not stored holds the fill value",
        [
            Column("array", "VARCHAR", "the array"),
            Column("chunk", "BIGINT", "number of the chunk in C order"),
            Column("coordinates", "BIGINT[]", "number of the chunk along each axis"),
            Column("digest", "VARCHAR", "BLAKE3 of the encoded chunk"),
            Column("size", "BIGINT", "length of the encoded chunk", "bytes"),
            Column("min", "DOUBLE", "least value that is not NaN, in the array's unit; null if not known"),
            Column("max", "DOUBLE", "greatest value that is not NaN, in the array's unit; null if not known"),
            Column("mean", "DOUBLE", "mean of what is not NaN, in the array's unit; null if not known"),
            Column("nan", "BIGINT", "values that are NaN; null if not known"),
        ],
    ),
    "derived": Description(
        "a result that neurolake computed and keeps",
        [
            Column("name", "VARCHAR", "node that holds it"),
            Column("kernel", "VARCHAR", "what computed it"),
            Column("version", "VARCHAR", "version of the kernel"),
            Column("code", "VARCHAR", "identity of the code that ran"),
            Column(
                "inputs", "MAP(VARCHAR, VARCHAR)", "nodes it was made from, and digests of their content then"
            ),
            Column("params", "VARCHAR", "parameters of the kernel, as JSON"),
            Column("commit", "VARCHAR", "commit that was asked"),
            Column("stale", "BOOLEAN", "whether an input has other content now, or is gone"),
        ],
    ),
    "files": _described(FILES, "a file; in a lake without ingested folders, a file node"),
    "trials": _described(TRIALS, f"{TRIALS.doc}; a lake without trials has none"),
    "parameters": _described(PARAMETERS, f"{PARAMETERS.doc}; a lake without parameter files has none"),
    "runs": Description(
        "one run: the trials that one process simulated, as the table trials tells",
        [
            _COLUMNS["run"],
            Column("trials", "BIGINT", "number of its trials"),
            Column("first_trial_id", "BIGINT", "its first trial"),
            Column("last_trial_id", "BIGINT", "its last trial"),
            Column("stimulus", "VARCHAR", "what was applied; null if that varies"),
            *(_COLUMNS[name] for name in ("date", "seed", "hostname")),
        ],
    ),
}

DESCRIPTIONS = {**LOG, **CONTENT}

_RUN = {
    "trials": "count(*)",
    "first_trial_id": "min(trial_id)",
    "last_trial_id": "max(trial_id)",
    "stimulus": "case when count(distinct stimulus) = 1 then min(stimulus) end",
    "date": 'min("date")',
    "seed": "min(seed)",
    "hostname": "min(hostname)",
}


def runs_of(trials: Sequence[str]) -> str | None:
    """Return the query for ``runs`` from a table ``trials``; None if its columns do not suffice.

    Parameters
    ----------
    trials
        Names of the columns of ``trials``.
    """
    if not {"run", "trial_id"} <= set(trials):
        return None
    own = {"trials", "first_trial_id", "last_trial_id", *trials}
    parts = [
        f"{_RUN[column.name] if column.name in own else f'null::{column.type}'} as {identifier(column.name)}"
        for column in CONTENT["runs"].columns
        if column.name in _RUN
    ]
    return f"select run, {', '.join(parts)} from trials group by run"  # noqa: S608


def identifier(name: str) -> str:
    """Quote a name for SQL.

    Parameters
    ----------
    name
        Any name.
    """
    return '"' + name.replace('"', '""') + '"'


def view_names(tables: Iterable[str]) -> dict[str, str]:
    """Return names of views by names of tables: SQL ignores case, so all but the first equal names get a number.

    New lakes refuse such names (`lake.nodes.naming`); lakes from before may have them.

    Parameters
    ----------
    tables
        Names of tables.
    """
    taken: set[str] = set()
    found = {}
    for name in sorted(tables):
        candidates = (f"{name}_{number}" if number else name for number in itertools.count())
        found[name] = next(text for text in candidates if text.lower() not in taken)
        taken.add(found[name].lower())
    return found


def literal(text: str) -> str:
    """Quote a text for SQL.

    Parameters
    ----------
    text
        Any text.
    """
    return "'" + text.replace("'", "''") + "'"


def comments(kind: str, name: str, doc: str, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return statements that attach comments to a table or view and its columns.

    Parameters
    ----------
    kind
        ``table`` or ``view``.
    name
        Its name, quoted.
    doc
        What one row is.
    columns
        Name of each column and its comment.
    """
    said = [f"comment on {kind} {name} is {literal(doc)}"] if doc else []
    return said + [
        f"comment on column {name}.{identifier(column)} is {literal(text)}"
        for column, text in columns
        if text
    ]


def description_texts(name: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what `comments` takes of a table of `DESCRIPTIONS`, and of its columns.

    Parameters
    ----------
    name
        Name of the table.
    """
    columns = DESCRIPTIONS[name].columns
    return DESCRIPTIONS[name].doc, [(c.name, column_comment(c.meaning, c.unit)) for c in columns]


def column_comment(meaning: str, unit: str = "", source: str = "") -> str:
    """Return the comment of a column: ``when the cell fired [ms]; from <file>``.

    Parameters
    ----------
    meaning
        What the column means.
    unit
        Its unit; empty if it has none.
    source
        Where its values come from; empty if unknown.
    """
    text = f"{meaning} [{unit}]" if unit else meaning
    return f"{text}; from {source}" if source else text
