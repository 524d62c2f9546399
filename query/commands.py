"""Commands that ask a lake."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..lake.console import (
    ASK,
    CIRCUITS,
    UPKEEP,
    Branch,
    Json,
    LakePath,
    Listing,
    Ref,
    err,
    leave_now,
    out,
    print_json,
    size_text,
    taken_lake,
)
from ..lake.extras import needed
from .animations.commands import app as animations_app
from .circuits.commands import app as circuit_app
from .lfp import commands as lfp_commands
from .plots import commands as plot_commands
from .serving.commands import app as serving_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyRelation

    from .lake import Lake, Snapshot

app = typer.Typer()
params_app = typer.Typer(help="Look at parameters of trials.", no_args_is_help=True)
app.add_typer(params_app, name="params", rich_help_panel=ASK)
app.add_typer(plot_commands.app)
app.add_typer(animations_app)
app.add_typer(serving_app)
app.add_typer(circuit_app, name="circuit", rich_help_panel=CIRCUITS)
app.add_typer(lfp_commands.app, name="lfp", rich_help_panel=CIRCUITS)

Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help="table, csv, json or parquet; by default what --output says."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; parquet needs one.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Trial = Annotated[str, typer.Argument(help="trial_id or sim_trial_index.")]


@app.command("sql", rich_help_panel=ASK)
def sql_command(
    lake: LakePath,
    query: Annotated[
        str | None,
        typer.Argument(help="One SELECT, a file that has it, or - for standard input; none: a prompt."),
    ] = None,
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
    json: AsJson = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which to give up, with exit code 124.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the plan and read nothing.")] = False,
) -> None:
    """Ask a lake in SQL. Every table is a view of its name; nodes, columns and commits describe the lake.

    Example: neurolake sql "select stimulus, count(*) from trials group by all" --lake my-lake
    """
    snapshot = _open(lake).at(at)
    if query is None and sys.stdin.isatty():
        with needed("prompts", "prompt"):
            from .prompt import ask

        ask(snapshot)
        return
    text = sys.stdin.read() if query in (None, "-") else _query_text(query)
    if explain:
        out.print(snapshot.explain(text))
        return
    _write(snapshot, lambda: snapshot.sql(text), format, output, json, timeout)


def _query_text(query: str) -> str:
    path = Path(query)
    return path.read_text() if path.suffix.lower() == ".sql" and path.is_file() else query


def _write(
    snapshot: "Snapshot",
    ask: "Callable[[], DuckDBPyRelation]",
    format: str | None,
    output: Path | None,
    json: bool,
    timeout: float | None = None,
) -> None:
    """Print or store the rows that *ask* returns; Ctrl-C and *timeout* stop it whatever DuckDB is doing."""
    from .views.formats import write_relation
    from .waiting import StuckError, wait_for

    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    by_name = suffix if suffix in ("csv", "json", "parquet") else "table"
    form = format or ("json" if json else by_name)
    try:
        wait_for(lambda: write_relation(ask(), form, output, out), snapshot.interrupt, timeout)
    except StuckError as error:
        from ..catalog.connection import abandon

        # DuckDB looks for interruptions between vectors only, and one vector may take minutes.
        abandon()
        leave_now(error.__cause__)


@app.command("attach", rich_help_panel=ASK)
def attach_command(
    output: Annotated[Path, typer.Argument(help="The DuckDB file to write, such as lake.duckdb.")],
    context: typer.Context,
    formerly: Annotated[Path | None, typer.Argument(hidden=True)] = None,
    lake: Annotated[
        str | None, typer.Option("--lake", "-l", help="The lake's folder.", envvar="NEUROLAKE_LAKE")
    ] = None,
    at: Ref = "main",
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a DuckDB file with which any DuckDB client (shell, DBeaver, R) asks a local lake, without Python.

    Example: neurolake attach lake.duckdb --lake my-lake
    """
    if formerly is not None:
        # Until 0.1 the lake came first, as an argument.
        err.print(f"write: neurolake attach {formerly} --lake {output}", style="yellow")
        lake, output = str(output), formerly
    from ..catalog import attach

    attach(_open(taken_lake(context, lake or "")).at(at), output, replace=replace)
    out.say(f"Wrote {output}: ask it with any DuckDB client, such as: duckdb -readonly {output}")


@app.command("trials", rich_help_panel=ASK)
def trials_command(
    lake: LakePath,
    where: Annotated[
        str, typer.Option(help="Condition in SQL, such as \"stimulus='C2' and t_stop>=300\".")
    ] = "true",
    columns: Annotated[str, typer.Option(help="Columns of `trials`, with commas between.")] = "*",
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """List the trials that meet a condition.

    Example: neurolake trials --where "stimulus='C2' and t_stop>=300" --lake my-lake
    """
    query = f"select {columns} from trials where ({where}\n) order by trial_id"  # noqa: S608
    snapshot = _open(lake).at(at)
    _write(snapshot, lambda: snapshot.sql(query), format, output, json)


@params_app.command("show")
def params_show_command(
    trial: Trial,
    lake: LakePath,
    prefix: Annotated[str, typer.Option(help="Only paths that begin so, such as neuron.Soma.")] = "",
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """List the parameters of a trial: of its cell and of its network.

    Example: neurolake params show 3 --prefix neuron.Soma --lake my-lake
    """
    from .trials.parameters import of_trial

    snapshot = _open(lake).at(at)
    _write(snapshot, lambda: of_trial(snapshot, trial, prefix), format, output, json)


@params_app.command("diff")
def params_diff_command(
    old: Trial,
    new: Trial,
    lake: LakePath,
    at: Ref = "main",
    format: Format = None,
    output: Output = None,
    json: AsJson = False,
) -> None:
    """Say which parameters differ between two trials.

    Example: neurolake params diff 3 17 --lake my-lake
    """
    from .trials.parameters import difference

    snapshot = _open(lake).at(at)
    _write(snapshot, lambda: difference(snapshot, old, new), format, output, json)


@app.command("find", rich_help_panel=ASK)
def find_command(
    lake: LakePath,
    hash: Annotated[str | None, typer.Option("--hash", help="First digits of a BLAKE3 digest.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file whose content to look for.")] = None,
    at: Ref = "main",
    history: Annotated[bool, typer.Option("--history", help="Look at all commits before, too.")] = False,
    json: Json = False,
) -> None:
    """Find what has a digest: commits, nodes, chunks, and files that were ingested.

    Example: neurolake find --hash 3c56ece1 --lake my-lake

    Raises
    ------
    InputError
        Neither a digest nor a file is given.
    NotFoundError
        Nothing has such a digest.
    """
    from ..lake.errors import InputError, NotFoundError
    from .finding import digest_of_file, find

    if (hash is None) == (file is None):
        raise InputError("give --hash DIGITS or --file PATH")
    digits = hash if hash is not None else digest_of_file(file or Path())
    found = find(_open(lake), digits, branch=at, everywhere=history)
    if not found:
        raise NotFoundError(f"nothing in {lake} has a digest that begins with {digits}")
    if json:
        print_json(*(one.to_json() for one in found))
        return
    table = Listing("kind", "digest", "name", "place", "commit")
    for one in found:
        table.add_row(one.kind, one.digest[:12], one.name, one.place, one.commit[:12])
    out.print(table)


@app.command("lineage", rich_help_panel=ASK)
def lineage_command(
    lake: LakePath,
    node: Annotated[str, typer.Argument(help="A table, array, file or derived result.")],
    at: Ref = "main",
    json: Json = False,
) -> None:
    """Say what a node was made from, down to what was ingested and by which commits, and what was made from it.

    Example: neurolake lineage voltage/soma --lake my-lake
    """
    found = _open(lake).lineage(node, at=at)
    if json:
        print_json(found.to_json())
        return
    out.print("\n".join(found.lines()))
    if found.results:
        out.print("\nmade from it:")
        out.print("\n".join(f"    {made.name}{'  (stale)' * made.stale}" for made in found.results))


@app.command("refresh", rich_help_panel=UPKEEP)
def refresh_command(
    lake: LakePath,
    names: Annotated[list[str] | None, typer.Argument(help="Derived results; all by default.")] = None,
    branch: Branch = "main",
    modules: Annotated[
        list[str] | None, typer.Option("--import", help="A module of yours to import first: it has kernels.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    json: Json = False,
) -> None:
    """Recompute derived results whose inputs have changed; exit code 1 if some could not be.

    Only functions of neurolake and of the modules that you name are called, whatever the lake says.

    Example: neurolake refresh --import my_kernels --lake my-lake
    """
    # As `python -m` does: modules of the user's are looked for in the current folder too.
    sys.path.insert(0, "")
    done = _open(lake).refresh(names or None, branch=branch, modules=modules or (), dry_run=dry_run)
    if json:
        print_json({"done": dict(done.done), "left": dict(done.left)})
    else:
        for old, new in done.done.items():
            out.say(f"would compute {old} anew" if new is None else f"{old} -> {new}")
        for name, reason in done.left.items():
            out.print(f"{name} stays stale: {reason}")
    if done.left:
        raise typer.Exit(1)


@app.command("ls", rich_help_panel=ASK)
def ls_command(
    lake: LakePath,
    at: Ref = "main",
    prefix: Annotated[str, typer.Argument(help="Only names that begin so, such as voltage/.")] = "",
    json: Json = False,
) -> None:
    """List the nodes of a lake.

    Example: neurolake ls voltage/ --lake my-lake
    """
    columns = ("name", "kind", "rows", "shape", "stored_bytes")
    query = f"select {', '.join(columns)} from nodes where starts_with(name, $prefix) order by name"  # noqa: S608
    rows = _open(lake).at(at).sql(query, prefix=prefix).fetchall()
    if json:
        print_json(*(dict(zip(columns, row, strict=True)) for row in rows))
        return
    table = Listing("node", "kind", "rows or shape", "stored")
    for name, kind, count, shape, size in rows:
        extent = " x ".join(map(str, shape or ())) if count is None else count
        table.add_row(name, kind, extent, size_text(size))
    out.print(table)


@app.command("usage", rich_help_panel=UPKEEP)
def usage_command(lake: LakePath, at: Ref = "main", json: Json = False) -> None:
    """List how many bytes each node stores, the largest first; equal content of several nodes is stored once.

    Example: neurolake usage --lake my-lake
    """
    columns = ("name", "kind", "objects", "stored_bytes")
    query = f"select {', '.join(columns)} from nodes order by stored_bytes desc, name"  # noqa: S608
    rows = _open(lake).at(at).sql(query).fetchall()
    if json:
        print_json(*(dict(zip(columns, row, strict=True)) for row in rows))
        return
    table = Listing("stored", "objects", "kind", "node")
    for name, kind, objects, size in rows:
        table.add_row(size_text(size), objects, kind, name)
    out.print(table)


@app.command("describe", rich_help_panel=ASK)
def describe_command(
    lake: LakePath,
    node: Annotated[str | None, typer.Argument(help="A table or array; all tables by default.")] = None,
    at: Ref = "main",
    json: Json = False,
) -> None:
    """Say what tables and columns mean: type, unit, meaning, source.

    Example: neurolake describe synapse_activation --lake my-lake
    """
    snapshot = _open(lake).at(at)
    names = list(snapshot.tables) if node is None else [node]
    for name in names:
        if name in snapshot.arrays:
            _describe_array(snapshot, name, json)
        else:
            _describe_table(snapshot, name, json)


def _describe_array(snapshot: "Snapshot", name: str, json: bool) -> None:
    """Print shape, type and attributes of an array."""
    array = snapshot.arrays[name]
    facts = {"shape": array.shape, "type": array.dtype, "chunks": array.chunks}
    facts["dimensions"] = snapshot.tree[name].meta.get("dimension_names")
    if json:
        print_json({"name": name, "kind": "array", **facts, "attributes": array.attrs.asdict()})
        return
    out.print(f"\n{name}", style="bold")
    for key, value in {**facts, **array.attrs.asdict()}.items():
        out.print(f"  {key:<12} {value}")


def _describe_table(snapshot: "Snapshot", name: str, json: bool) -> None:
    """Print what a row of a table is, and what its columns are."""
    table = snapshot.tables[name]
    if json:
        fields = [{"name": one["name"], "type": one["type"], **one.get("doc", {})} for one in table.fields]
        print_json({"name": name, "kind": "table", "doc": table.doc, "rows": table.rows, "columns": fields})
        return
    out.print(f"\n{name}: {table.doc}  ({table.rows:,} rows)", style="bold")
    columns = Listing("column", "type", "unit", "meaning", "source")
    for column in table.fields:
        doc = column.get("doc", {})
        texts = [doc.get(key, "") for key in ("unit", "meaning", "source")]
        columns.add_row(column["name"], column["type"], *texts)
    out.print(columns)


def _open(url: str) -> "Lake":
    # Zarr, Arrow and DuckDB take a while to import; --help does without them.
    from .lake import Lake

    return Lake.open(url)
