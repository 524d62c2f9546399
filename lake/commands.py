"""Commands on a lake as a store: its history, its health and its copies."""

from collections.abc import Container
from datetime import timedelta
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Branch, LakePath, Ref, err, out, progress, size_text
from .errors import CorruptObjectError

if TYPE_CHECKING:
    from .core import Lake
    from .history.log import Commit
    from .history.refs import Refs
    from .upkeep.verification import Findings

Move = Annotated[bool, typer.Option("--move", help="Let a name that exists mean --at.")]
Force = Annotated[bool, typer.Option(help="Move it also where it does not just go forward.")]
Delete = Annotated[bool, typer.Option("--delete", help="Forget the name; its commits stay.")]

app = typer.Typer()


@app.command("create")
def create_command(
    lake: Annotated[str, typer.Argument(help="A folder that is empty or not there yet, or an s3:// URL.")],
) -> None:
    """Make a new, empty lake.

    Example: neurolake create my-lake
    """
    from .core import Lake

    made = Lake.create(lake)
    out.print(f"Made a lake at {made.url}")


@app.command("log")
def log_command(
    lake: LakePath,
    at: Ref = "main",
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many commits.")] = 20,
) -> None:
    """List the commits, newest first.

    Example: neurolake log --lake my-lake
    """
    for record in _open(lake).log(at)[:number]:
        when = record.time.strftime("%Y-%m-%d %H:%M:%S")
        out.print(f"{record.id[:12]}  {when}  {record.author}  {record.message}")


@app.command("show")
def show_command(
    lake: LakePath, ref: Annotated[str, typer.Argument(help="Commit, branch or time.")] = "main"
) -> None:
    """Show one commit: who, when, from what, and which nodes it changed.

    Example: neurolake show main~1 --lake my-lake
    """
    opened = _open(lake)
    commit = opened.at(ref).commit
    before = opened.at(commit.parents[0].id).tree if commit.parents else {}
    describe_commit(commit, before)


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
    _change_ref(_open(lake).branches, name, at, move, force, delete)


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
    _change_ref(_open(lake).tags, name, at, move, force, delete)


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
    for change in _open(lake).diff(old, new):
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
    _print_commit(
        _open(lake).merge(source, into=into, message=message), f"{into} has all of {source} already"
    )


@app.command("revert")
def revert_command(
    commit: Annotated[str, typer.Argument(help="Commit whose work to undo.")],
    lake: LakePath,
    branch: Branch = "main",
) -> None:
    """Undo what one commit did, by a new commit.

    Example: neurolake revert main --lake my-lake
    """
    _print_commit(_open(lake).revert(commit, branch=branch), f"{branch} has nothing of {commit} left")


@app.command("cherry-pick")
def cherry_pick_command(
    commit: Annotated[str, typer.Argument(help="Commit whose work to do again.")],
    lake: LakePath,
    branch: Branch = "main",
) -> None:
    """Do in a branch what one commit did in another.

    Example: neurolake cherry-pick trial-17 --lake my-lake
    """
    _print_commit(_open(lake).cherry_pick(commit, branch=branch), f"{branch} has all of {commit} already")


def _print_commit(record: "Commit | None", otherwise: str) -> None:
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
    other = None if repair_from is None else _open(repair_from)
    with progress("Verifying") as advance:
        findings = _open(lake).verify(at, repair_from=other, progress=advance)
    print_findings(findings)
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
    found = _open(lake).collect_garbage(grace=timedelta(hours=grace_hours), dry_run=dry_run)
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
    done = _open(lake).compact(branch=branch, tables=table)
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
    done = _open(lake).expire(timedelta(days=older_than_days), dry_run=dry_run)
    out.print(f"{done.records} records {'would be' if dry_run else 'were'} dropped")


@app.command("copy")
def copy_command(
    target: Annotated[str, typer.Argument(help="Folder or URL of the new lake.")], lake: LakePath
) -> None:
    """Make a new lake with all commits, branches and tags of this one.

    Example: neurolake copy s3://lab/backup --lake my-lake
    """
    with progress("Copying", objects=True) as advance:
        made = _open(lake).copy_to(target, progress=advance)
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
        sent = _open(lake).push(_open(other), branch, to=to, progress=advance)
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
        record = _open(lake).pull(_open(other), branch, into=into, progress=advance)
    _print_commit(record, "Nothing new")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested objects by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flat(inner, f"{path}.{name}".strip(".")).items()
    }


def describe_commit(commit: "Commit", before: Container[str]) -> None:
    """Print who made a commit, when, from what, and the nodes it changed; *before* are those of its parent."""
    facts = {"commit": commit.id, "snapshot": commit.snapshot, "author": commit.author, "time": commit.time}
    facts["parents"] = ", ".join(parent.id for parent in commit.parents)
    for name, value in {**facts, **flat(commit.provenance)}.items():
        out.print(f"{name:<22} {value}")
    out.print(f"\n    {commit.message}\n")
    for name in commit.changed:
        deleted = commit.fields["changes"][name] is None
        out.print(f"  {'deleted' if deleted else 'changed' if name in before else 'added'}  {name}")


def print_findings(findings: "Findings") -> None:
    """Print what a verification found."""
    for damage in findings.damages:
        hurt = f"; hurts {', '.join(damage.nodes)} of {len(damage.commits)} commits" if damage.nodes else ""
        err.print(f"{damage.reason}: {damage.key}{hurt}", style="red")
    for told in findings.collisions:
        out.print(f"Names: {told}", style="yellow")
    for key in findings.repaired:
        out.print(f"repaired: {key}")
    rate = findings.bytes / 1e6 / max(findings.seconds, 1e-9)
    out.print(
        f"{len(findings.damages)} damaged of {findings.objects:,} objects and {findings.records:,} records "
        f"({size_text(findings.bytes)} in {findings.seconds:.1f} s, {rate:,.0f} MB/s)"
    )


def _open(url: str) -> "Lake":
    # Zarr, Arrow and DuckDB take a while to import; --help does without them.
    from .core import Lake

    return Lake.open(url)
