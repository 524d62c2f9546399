"""Commands that ask a lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..lake.console import Branch, LakePath, Ref, listing, out, size_text
from .lfp import commands as lfp_commands
from .plots import commands as plot_commands

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from .lake import Lake, Snapshot

app = typer.Typer()
params_app = typer.Typer(help="Look at parameters of trials.", no_args_is_help=True)
app.add_typer(params_app, name="params")
app.add_typer(plot_commands.app)
app.add_typer(lfp_commands.app, name="lfp")

Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="table, csv, json or parquet; by default what --output says."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; parquet needs one.")]
Trial = Annotated[str, typer.Argument(help="trial_id or sim_trial_index.")]


@app.command("sql")
def sql_command(
    lake: LakePath,
    query: Annotated[
        str | None,
        typer.Argument(help="One SELECT, a file that has it, or - for standard input; none: a prompt."),
    ] = None,
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the plan and read nothing.")] = False,
) -> None:
    """Ask a lake in SQL. Every table is a view of its name; nodes, columns and commits describe the lake.

    Example: neurolake sql "select stimulus, count(*) from trials group by all" --lake my-lake
    """
    snapshot = _open(lake).at(at)
    if query is None and sys.stdin.isatty():
        from .prompt import ask

        ask(snapshot)
        return
    text = sys.stdin.read() if query in (None, "-") else _query_text(query)
    if explain:
        out.print(snapshot.explain(text))
        return
    _write(snapshot.sql(text), format, output)


def _query_text(query: str) -> str:
    path = Path(query)
    return path.read_text() if path.suffix.lower() == ".sql" and path.is_file() else query


def _write(rows: "DuckDBPyRelation", format: str | None, output: Path | None) -> None:
    from .views.formats import write_relation

    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    write_relation(rows, format or (suffix if suffix in ("csv", "json", "parquet") else "table"), output, out)


@app.command("attach")
def attach_command(
    lake: Annotated[str, typer.Argument(help="The lake's folder.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="The DuckDB file to write, such as lake.duckdb.")],
    at: Ref = "main",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a DuckDB file with which any DuckDB client (shell, DBeaver, R) asks a local lake, without Python.

    Example: neurolake attach my-lake lake.duckdb
    """
    from ..catalog import attach

    attach(_open(lake).at(at), output, replace=replace)
    out.print(f"Wrote {output}: ask it with any DuckDB client, such as: duckdb -readonly {output}")


@app.command("trials")
def trials_command(
    lake: LakePath,
    where: Annotated[
        str, typer.Option(help="Condition in SQL, such as \"stimulus='C2' and t_stop>=300\".")
    ] = "true",
    columns: Annotated[str, typer.Option(help="Columns of `trials`, with commas between.")] = "*",
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
) -> None:
    """List the trials that meet a condition.

    Example: neurolake trials --where "stimulus='C2' and t_stop>=300" --lake my-lake
    """
    query = f"select {columns} from trials where ({where}\n) order by trial_id"  # noqa: S608
    _write(_open(lake).at(at).sql(query), format, output)


@params_app.command("show")
def params_show_command(
    trial: Trial,
    lake: LakePath,
    prefix: Annotated[str, typer.Option(help="Only paths that begin so, such as neuron.Soma.")] = "",
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
) -> None:
    """List the parameters of a trial: of its cell and of its network.

    Example: neurolake params show 3 --prefix neuron.Soma --lake my-lake
    """
    from .trials.parameters import of_trial

    _write(of_trial(_open(lake).at(at), trial, prefix), format, output)


@params_app.command("diff")
def params_diff_command(
    old: Trial,
    new: Trial,
    lake: LakePath,
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
) -> None:
    """Say which parameters differ between two trials.

    Example: neurolake params diff 3 17 --lake my-lake
    """
    from .trials.parameters import difference

    _write(difference(_open(lake).at(at), old, new), format, output)


@app.command("find")
def find_command(
    lake: LakePath,
    hash: Annotated[str | None, typer.Option("--hash", help="First digits of a BLAKE3 digest.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file whose content to look for.")] = None,
    at: Ref = "main",
    history: Annotated[bool, typer.Option("--history", help="Look at all commits before, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each.")] = False,
) -> None:
    """Find what has a digest: commits, nodes, chunks, and files that were ingested.

    Example: neurolake find --hash 3c56ece1 --lake my-lake
    """
    from json import dumps

    from ..lake.errors import InputError, NotFoundError
    from .finding import digest_of_file, find

    if (hash is None) == (file is None):
        raise InputError("give --hash DIGITS or --file PATH")
    digits = hash if hash is not None else digest_of_file(file or Path())
    found = find(_open(lake), digits, branch=at, everywhere=history)
    if not found:
        raise NotFoundError(f"nothing in {lake} has a digest that begins with {digits}")
    table = listing("kind", "digest", "name", "place", "commit")
    for one in found:
        table.add_row(one.kind, one.digest[:12], one.name, one.place, one.commit[:12])
    out.print("\n".join(dumps(one.to_json()) for one in found) if json else table)


@app.command("lineage")
def lineage_command(
    lake: LakePath,
    node: Annotated[str, typer.Argument(help="A table, array, file or derived result.")],
    at: Ref = "main",
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say what a node was made from, down to what was ingested and by which commits, and what was made from it.

    Example: neurolake lineage voltage/soma --lake my-lake
    """
    from json import dumps

    found = _open(lake).lineage(node, at=at)
    if json:
        out.print(dumps(found.to_json()))
        return
    out.print("\n".join(found.lines()))
    if found.results:
        out.print("\nmade from it:")
        out.print("\n".join(f"    {made.name}{'  (stale)' * made.stale}" for made in found.results))


@app.command("refresh")
def refresh_command(
    lake: LakePath,
    names: Annotated[list[str] | None, typer.Argument(help="Derived results; all by default.")] = None,
    branch: Branch = "main",
    modules: Annotated[
        list[str] | None, typer.Option("--import", help="A module of yours to import first: it has kernels.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Compute derived results anew whose inputs have changed; exit code 1 where some could not be.

    Only functions of neurolake and of the modules that you name are called, whatever the lake says.

    Example: neurolake refresh --import my_kernels --lake my-lake
    """
    # As `python -m` does: modules of the user's are looked for in the current folder too.
    sys.path.insert(0, "")
    done = _open(lake).refresh(names or None, branch=branch, modules=modules or (), dry_run=dry_run)
    for old, new in done.done.items():
        out.print(f"would compute {old} anew" if new is None else f"{old} -> {new}")
    for name, reason in done.left.items():
        out.print(f"{name} stays stale: {reason}")
    if done.left:
        raise typer.Exit(1)


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
