"""Commands that ask a lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..lake.console import LakePath, Ref, listing, out, size_text

if TYPE_CHECKING:
    from .lake import Lake, Snapshot

app = typer.Typer()


@app.command("sql")
def sql_command(
    query: Annotated[str, typer.Argument(help="One SELECT, or - to read it from standard input.")],
    lake: LakePath,
    at: Ref = "main",
    format: Annotated[str, typer.Option("--format", "-f", help="table, csv, json or parquet.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; parquet needs one.")
    ] = None,
) -> None:
    """Ask a lake in SQL. Every table is a view of its name; nodes, columns and commits describe the lake.

    Example: neurolake sql "select stimulus, count(*) from trials group by all" --lake my-lake
    """
    from .formats import write_relation

    text = sys.stdin.read() if query == "-" else query
    write_relation(_open(lake).at(at).sql(text), format, output, out)


@app.command("ls")
def ls_command(lake: LakePath, at: Ref = "main", prefix: Annotated[str, typer.Argument()] = "") -> None:
    """List the nodes of a lake.

    Example: neurolake ls voltage/ --lake my-lake
    """
    rows = (
        _open(lake)
        .at(at)
        .sql(
            "select name, kind, coalesce(rows::varchar, array_to_string(shape, ' x '), '') as extent, stored_bytes "
            "from nodes where starts_with(name, $prefix) order by name",
            prefix=prefix,
        )
    )
    table = listing("node", "kind", "rows or shape", "stored")
    for name, kind, extent, size in rows.fetchall():
        table.add_row(name, kind, extent, size_text(size))
    out.print(table)


@app.command("describe")
def describe_command(
    lake: LakePath,
    node: Annotated[str | None, typer.Argument(help="A table or array; all tables by default.")] = None,
    at: Ref = "main",
) -> None:
    """Say what tables and columns mean: type, unit, meaning, source.

    Example: neurolake describe synapse_activation --lake my-lake
    """
    snapshot = _open(lake).at(at)
    if node is not None and node in snapshot.arrays:
        _describe_array(snapshot, node)
        return
    for name in [node] if node is not None else snapshot.tables:
        _describe_table(snapshot, name)


def _describe_array(snapshot: "Snapshot", name: str) -> None:
    """Print shape, type and attributes of an array."""
    array = snapshot.arrays[name]
    facts = {"shape": array.shape, "type": array.dtype, "chunks": array.chunks}
    facts["dimensions"] = snapshot.tree[name].meta.get("dimension_names")
    out.print(f"\n{name}", style="bold")
    for key, value in {**facts, **array.attrs.asdict()}.items():
        out.print(f"  {key:<12} {value}")


def _describe_table(snapshot: "Snapshot", name: str) -> None:
    """Print what a row of a table is, and what its columns are."""
    table = snapshot.tables[name]
    out.print(f"\n{name}: {table.doc}  ({table.rows:,} rows)", style="bold")
    columns = listing("column", "type", "unit", "meaning", "source")
    for column in table.fields:
        doc = column.get("doc", {})
        texts = [doc.get(key, "") for key in ("unit", "meaning", "source")]
        columns.add_row(column["name"], column["type"], *texts)
    out.print(columns)


def _open(url: str) -> "Lake":
    # Zarr, Arrow and DuckDB take a while to import; --help does without them.
    from .lake import Lake

    return Lake.open(url)
