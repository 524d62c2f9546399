"""The command line: arguments and printing; everything it does can be done from Python."""

import sys
from datetime import timedelta
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from . import __version__, create, open
from .lake.errors import CorruptObjectError, InputError, NeurolakeError, NotFoundError, StorageError
from .query import screen
from .query.screen import err, listing, out, progress, size_text

if TYPE_CHECKING:
    from .lake import Record
    from .lake.refs import Refs

LEFT_OUT = 3

app = typer.Typer(
    name="neurolake",
    help="A versioned, content-addressed data lake for neural simulation.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ingest_app = typer.Typer(help="Bring results into a lake.", no_args_is_help=True)
export_app = typer.Typer(
    help="Write results out of a lake, in the format they came in.", no_args_is_help=True
)
app.add_typer(ingest_app, name="ingest")
app.add_typer(export_app, name="export")

LakePath = Annotated[
    str, typer.Option("--lake", "-l", help="The lake's folder, or a URL of it.", envvar="NEUROLAKE_LAKE")
]
Ref = Annotated[
    str, typer.Option("--at", help="Branch, commit id, main~2, or a time such as 2026-11-20T14:30.")
]
Move = Annotated[bool, typer.Option("--move", help="Let a name that exists mean --at.")]
Force = Annotated[bool, typer.Option(help="Move it also where it does not just go forward.")]
Delete = Annotated[bool, typer.Option("--delete", help="Forget the name; its commits stay.")]
Branch = Annotated[str, typer.Option(help="Branch to change.")]


def main() -> None:
    """Run the command line; an error of neurolake's becomes one line and an exit code."""
    try:
        app(prog_name="neurolake")
    except NeurolakeError as error:
        _exit(str(error), error.exit_code)
    except OSError as error:
        # The terminal or pipe, an output file, a network: the lake's own mishaps come as StorageError.
        _exit(str(error), StorageError.exit_code)


def _exit(reason: str, code: int) -> NoReturn:
    err.print(f"neurolake: {reason}", style="red")
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"neurolake {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("create")
def create_command(
    lake: Annotated[str, typer.Argument(help="A folder that is empty or not there yet, or an s3:// URL.")],
) -> None:
    """Make a new, empty lake.

    Example: neurolake create my-lake
    """
    made = create(lake)
    out.print(f"Made a lake at {made.url}")


@ingest_app.command("simrun")
def ingest_simrun_command(
    results: Annotated[Path, typer.Argument(help="A folder with simrun directories at any depth.")],
    lake: LakePath,
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=REGEX: a column of `trials`, cut from sim_trial_index. May be repeated."),
    ] = None,
    on_error: Annotated[
        str, typer.Option(help="stop: at the first bad file, with nothing stored; skip: leave its run out.")
    ] = "stop",
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes of this machine; default: cores.")
    ] = None,
    soma_threshold: Annotated[float, typer.Option(help="Somatic spike threshold in mV.")] = 0.0,
    dendrite_threshold: Annotated[float, typer.Option(help="Dendritic spike threshold in mV.")] = -30.0,
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
) -> None:
    """Ingest simrun results of the In Silico Framework, in one commit.

    The lake is made if it is not there. Run again, it adds what is new and nothing else.

    Example: neurolake ingest simrun results/ --lake my-lake --label whisker='stim_([A-E][1-4])'
    """
    from .ingest.simrun import ingest_simrun

    try:
        target = open(lake)
    except NotFoundError:
        target = create(lake)
    with progress("Ingesting") as advance:
        report = ingest_simrun(
            target,
            results,
            labels=dict(map(_label, label or [])),
            on_error=on_error,
            scheduler=scheduler,
            processes=processes,
            soma_threshold=soma_threshold,
            dendrite_threshold=dendrite_threshold,
            message=message,
            progress=advance,
        )
    for notice in report.notices():
        err.print(notice, style="yellow")
    out.print(report.summary(target.url))
    if not report.complete:
        raise typer.Exit(LEFT_OUT)


def _label(text: str) -> tuple[str, str]:
    name, equals, expression = text.partition("=")
    if not equals:
        raise InputError(f"--label {text}: write NAME=REGEX, such as whisker='stim_([A-E][1-4])'")
    return name, expression


@export_app.command("simrun")
def export_simrun_command(
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there yet.")],
    lake: LakePath,
    at: Ref = "main",
    run: Annotated[list[str] | None, typer.Option(help="Only this run directory. May be repeated.")] = None,
) -> None:
    """Write ingested results out as the simrun tree they came from.

    Example: neurolake export simrun copy/ --lake my-lake
    """
    from .ingest.simrun_export import export_simrun

    with progress("Exporting") as advance:
        files, size = export_simrun(open(lake).at(at), folder, runs=run, progress=advance)
    out.print(f"Wrote {files} files ({size / 1e6:,.1f} MB) to {folder}")


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
    from .query.formats import write_relation

    text = sys.stdin.read() if query == "-" else query
    write_relation(open(lake).at(at).sql(text), format, output, out)


@app.command("ls")
def ls_command(lake: LakePath, at: Ref = "main", prefix: Annotated[str, typer.Argument()] = "") -> None:
    """List the nodes of a lake.

    Example: neurolake ls voltage/ --lake my-lake
    """
    rows = (
        open(lake)
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


@app.command("log")
def log_command(
    lake: LakePath,
    at: Ref = "main",
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many commits.")] = 20,
) -> None:
    """List the commits, newest first.

    Example: neurolake log --lake my-lake
    """
    for record in open(lake).log(at)[:number]:
        when = record.time.strftime("%Y-%m-%d %H:%M:%S")
        out.print(f"{record.id[:12]}  {when}  {record.author}  {record.message}")


@app.command("show")
def show_command(
    lake: LakePath, ref: Annotated[str, typer.Argument(help="Commit, branch or time.")] = "main"
) -> None:
    """Show one commit: who, when, from what, and which nodes it changed.

    Example: neurolake show main~1 --lake my-lake
    """
    opened = open(lake)
    commit = opened.at(ref).commit
    before = opened.at(commit.parents[0].id).tree if commit.parents else {}
    screen.describe_commit(commit, before)


@app.command("branch")
def branch_command(
    lake: LakePath,
    name: Annotated[str | None, typer.Argument(help="A branch; without it, all are listed.")] = None,
    at: Ref = "main",
    move: Move = False,
    force: Force = False,
    delete: Delete = False,
) -> None:
    """List, make, move or delete branches.

    Example: neurolake branch trial-17 --at main~2 --lake my-lake
    """
    _change_ref(open(lake).branches, name, at, move, force, delete)


@app.command("tag")
def tag_command(
    lake: LakePath,
    name: Annotated[str | None, typer.Argument(help="A tag; without it, all are listed.")] = None,
    at: Ref = "main",
    move: Move = False,
    force: Force = False,
    delete: Delete = False,
) -> None:
    """List, make, move or delete tags.

    Example: neurolake tag figure-3 --at main~2 --lake my-lake
    """
    _change_ref(open(lake).tags, name, at, move, force, delete)


def _change_ref(refs: "Refs", name: str | None, at: str, move: bool, force: bool, delete: bool) -> None:
    if name is None:
        for known, record in refs.items():
            out.print(f"{record.id[:12]}  {known}  {record.message}")
    elif delete:
        refs.delete(name)
        out.print(f"Deleted {name}")
    else:
        record = refs.move(name, at, force=force) if move else refs.create(name, at)
        out.print(f"{name} is {record.id[:12]}: {record.message}")


@app.command("diff")
def diff_command(
    lake: LakePath,
    old: Annotated[str, typer.Argument(help="Commit, branch, tag or time.")] = "main~1",
    new: Annotated[str, typer.Argument(help="Commit, branch, tag or time.")] = "main",
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each node.")] = False,
) -> None:
    """Say what changed from one commit to another, node by node.

    Example: neurolake diff figure-3 main --lake my-lake
    """
    for change in open(lake).diff(old, new):
        out.print(dumps(change.to_json()) if json else str(change))


@app.command("merge")
def merge_command(
    source: Annotated[str, typer.Argument(help="Branch, tag or commit to bring in.")],
    lake: LakePath,
    into: Annotated[str, typer.Option(help="Branch to bring it into.")] = "main",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
) -> None:
    """Bring into a branch what another has done since they parted.

    Example: neurolake merge trial-17 --lake my-lake
    """
    _print_commit(open(lake).merge(source, into=into, message=message), f"{into} has all of {source} already")


@app.command("revert")
def revert_command(
    commit: Annotated[str, typer.Argument(help="Commit whose work to undo.")],
    lake: LakePath,
    branch: Branch = "main",
) -> None:
    """Undo what one commit did, by a new commit.

    Example: neurolake revert main --lake my-lake
    """
    _print_commit(open(lake).revert(commit, branch=branch), f"{branch} has nothing of {commit} left")


@app.command("cherry-pick")
def cherry_pick_command(
    commit: Annotated[str, typer.Argument(help="Commit whose work to do again.")],
    lake: LakePath,
    branch: Branch = "main",
) -> None:
    """Do in a branch what one commit did in another.

    Example: neurolake cherry-pick trial-17 --lake my-lake
    """
    _print_commit(open(lake).cherry_pick(commit, branch=branch), f"{branch} has all of {commit} already")


def _print_commit(record: "Record | None", otherwise: str) -> None:
    out.print(otherwise if record is None else f"Commit {record.id[:12]}: {record.message}")


@app.command("verify")
def verify_command(
    lake: LakePath,
    at: Annotated[str | None, typer.Option(help="Only this commit, branch or tag.")] = None,
    repair_from: Annotated[str | None, typer.Option(help="A lake that has sound copies.")] = None,
) -> None:
    """Read again every byte that commits stand on, and say what is damaged and whom it hurts.

    Example: neurolake verify --lake my-lake --repair-from backup
    """
    other = None if repair_from is None else open(repair_from)
    with progress("Verifying") as advance:
        findings = open(lake).verify(at, repair_from=other, progress=advance)
    screen.print_findings(findings)
    if findings.damages:
        raise typer.Exit(CorruptObjectError.exit_code)


@app.command("gc")
def gc_command(
    lake: LakePath,
    grace_hours: Annotated[float, typer.Option(min=0, help="How old garbage must be.")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete what no commit stands on: once condemned, after the grace period. Writers may go on.

    Example: neurolake gc --dry-run --lake my-lake
    """
    found = open(lake).collect_garbage(grace=timedelta(hours=grace_hours), dry_run=dry_run)
    if dry_run:
        for key, size in (*found.condemned, *found.deleted, *found.temporary):
            out.print(f"{size_text(size):>8}  {key}")
    out.print(str(found))


@app.command("compact")
def compact_command(
    lake: LakePath,
    table: Annotated[list[str] | None, typer.Option(help="Only this table. May be repeated.")] = None,
    branch: Branch = "main",
) -> None:
    """Join small files of tables, and packs that are mostly dead or small.

    Example: neurolake compact --table spike_times --lake my-lake
    """
    done = open(lake).compact(branch=branch, tables=table)
    for name, (before, after) in done.joined.items():
        out.print(f"{name}: {before} files are {after} now")
    out.print(f"{len(done.commits)} commits, {done.repacked} packs")


@app.command("expire")
def expire_command(
    lake: LakePath,
    older_than_days: Annotated[float, typer.Option(min=0, help="Age of the history to drop.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop old history, except what tags mean; gc then frees what only that stood on.

    Example: neurolake expire --older-than-days 365 --dry-run --lake my-lake
    """
    done = open(lake).expire(timedelta(days=older_than_days), dry_run=dry_run)
    out.print(f"{done.records} records {'would be' if dry_run else 'were'} dropped")


@app.command("copy")
def copy_command(
    target: Annotated[str, typer.Argument(help="Folder or URL of the new lake.")], lake: LakePath
) -> None:
    """Make a new lake with all commits, branches and tags of this one.

    Example: neurolake copy s3://lab/backup --lake my-lake
    """
    with progress("Copying", objects=True) as advance:
        made = open(lake).copy_to(target, progress=advance)
    out.print(f"Copied to {made.url}")


@app.command("push")
def push_command(
    other: Annotated[str, typer.Argument(help="The lake to send to.")],
    lake: LakePath,
    branch: Annotated[str, typer.Option(help="Branch to send.")] = "main",
    to: Annotated[str | None, typer.Option(help="Its name there, if another.")] = None,
) -> None:
    """Send the commits of a branch that another lake lacks.

    Example: neurolake push s3://lab/central --lake my-lake
    """
    with progress("Sending", objects=True) as advance:
        sent = open(lake).push(open(other), branch, to=to, progress=advance)
    out.print(f"Sent {sent} commits")


@app.command("pull")
def pull_command(
    other: Annotated[str, typer.Argument(help="The lake to fetch from.")],
    lake: LakePath,
    branch: Annotated[str, typer.Option(help="Branch to fetch.")] = "main",
    into: Annotated[str | None, typer.Option(help="Branch of this lake, if of another name.")] = None,
) -> None:
    """Fetch the commits of another lake's branch and merge them.

    Example: neurolake pull s3://lab/central --lake my-lake
    """
    with progress("Fetching", objects=True) as advance:
        record = open(lake).pull(open(other), branch, into=into, progress=advance)
    _print_commit(record, "Nothing new")


@app.command("describe")
def describe_command(
    lake: LakePath,
    node: Annotated[str | None, typer.Argument(help="A table or array; all tables by default.")] = None,
    at: Ref = "main",
) -> None:
    """Say what tables and columns mean: type, unit, meaning, source.

    Example: neurolake describe synapse_activation --lake my-lake
    """
    snapshot = open(lake).at(at)
    if node is not None and node in snapshot.arrays:
        screen.describe_array(snapshot, node)
        return
    for name in [node] if node is not None else snapshot.tables:
        screen.describe_table(snapshot, name)


@app.command("demo")
def demo_command(
    folder: Annotated[Path, typer.Argument(help="Where results, lake and figure go.")],
    trials: Annotated[int, typer.Option(min=2, help="Trials for each of the two stimuli.")] = 24,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes to simulate in; default: cores.")
    ] = None,
) -> None:
    """Simulate a small neuron with synapses, ingest the results, ask the lake, and draw a figure.

    Example: neurolake demo demo
    """
    from .ingest.demo import write_demo_tree
    from .mechanisms.demo_input import STIMULUS_MS
    from .query.overview import DEMO_QUERIES, save_overview

    results, lake, figure = folder / "results", str(folder / "lake"), folder / "overview.png"
    if not results.exists():
        out.print(f"Simulating {2 * trials} trials with NEURON …")
        write_demo_tree(results, trials=trials, runs=max(2, trials // 12), processes=processes)
    _step(f"neurolake ingest simrun {results} --lake {lake}")
    ingest_simrun_command(results, lake)
    for query in DEMO_QUERIES:
        _step(f'neurolake sql "{query}" --lake {lake}')
        sql_command(query, lake)
    save_overview(open(lake).head, figure, stimulus_time=STIMULUS_MS)
    out.print(f"\nThe figure is {figure}; ask more with: neurolake describe --lake {lake}")


def _step(command: str) -> None:
    out.print(f"\n$ {command}", style="bold")
