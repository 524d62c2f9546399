"""Commands on a lake as a store: its history, its health and its copies."""

from collections import Counter
from collections.abc import Container
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import (
    UPKEEP,
    VERSIONS,
    WRITE,
    Branch,
    Json,
    LakePath,
    Ref,
    err,
    out,
    print_json,
    progress,
    size_text,
)
from .errors import CorruptObjectError, InputError

if TYPE_CHECKING:
    from .core import Lake
    from .history.log import Commit
    from .history.refs import Refs
    from .upkeep.verification import Findings

Move = Annotated[bool, typer.Option("--move", help="Let a name that exists mean --at.")]
Force = Annotated[bool, typer.Option(help="Move it also where it does not just go forward.")]
Delete = Annotated[bool, typer.Option("--delete", help="Forget the name; its commits stay.")]

app = typer.Typer()


@app.command("create", rich_help_panel=WRITE)
def create_command(
    lake: Annotated[str, typer.Argument(help="A folder that is empty or not there yet, or an s3:// URL.")],
) -> None:
    """Make a new, empty lake.

    Example: neurolake create my-lake
    """
    from .core import Lake

    made = Lake.create(lake)
    out.say(f"Made a lake at {made.url}")


@app.command("status", rich_help_panel=UPKEEP)
def status_command(lake: LakePath, at: Ref = "main", json: Json = False) -> None:
    """Say what a lake holds: its newest commit, branches, tags, nodes and stored bytes.

    Example: neurolake status --lake my-lake
    """
    opened = _open(lake)
    snapshot = opened.at(at)
    kinds = Counter(node.kind for node in snapshot.tree.values())
    stored = list(opened.storage.list(""))
    facts: dict[str, Any] = {
        "lake": opened.url,
        "id": opened.id,
        "format": opened.format,
        "commit": commit_json(snapshot.commit),
        "branches": list(opened.branches),
        "tags": list(opened.tags),
        "nodes": {f"{kind}s": kinds[kind] for kind in sorted(kinds)},
        "objects": len(stored),
        "bytes": sum(one.size for one in stored),
        "upkeep": {one.work: one.to_json() for one in reversed(opened.upkeep())},
    }
    if json:
        print_json(facts)
        return
    commit = snapshot.commit
    when = commit.time.strftime("%Y-%m-%d %H:%M:%S")
    names = {"branches": facts["branches"], "tags": facts["tags"]}
    nodes = ", ".join(f"{count} {kind}s" for kind, count in sorted(kinds.items()))
    told = {
        "lake": opened.url,
        "commit": f"{commit.id[:12]}  {when}  {commit.author}  {commit.message}",
        **{what: ", ".join(some) or "none" for what, some in names.items()},
        "nodes": nodes or "none",
        "stored": f"{size_text(facts['bytes'])} in {len(stored):,} files",
        **{f"last {one.work}": str(one) for one in reversed(opened.upkeep())},
    }
    for name, value in told.items():
        out.print(f"{name:<10} {value}")


@app.command("log", rich_help_panel=VERSIONS)
def log_command(
    lake: LakePath,
    at: Ref = "main",
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many commits.")] = 20,
    json: Json = False,
) -> None:
    """List the commits, newest first.

    Example: neurolake log --lake my-lake
    """
    commits = _open(lake).log(at)[:number]
    if json:
        print_json(*map(commit_json, commits))
        return
    for record in commits:
        when = record.time.strftime("%Y-%m-%d %H:%M:%S")
        out.print(f"{record.id[:12]}  {when}  {record.author}  {record.message}")


@app.command("show", rich_help_panel=VERSIONS)
def show_command(
    lake: LakePath,
    ref: Annotated[str, typer.Argument(help="Commit, branch or time.")] = "main",
    json: Json = False,
) -> None:
    """Show one commit: author, time, provenance, and the nodes that it changed.

    Example: neurolake show main~1 --lake my-lake
    """
    opened = _open(lake)
    commit = opened.at(ref).commit
    before = opened.at(commit.parents[0].id).tree if commit.parents else {}
    if json:
        print_json({**commit_json(commit), "changes": _changes(commit, before)})
    else:
        describe_commit(commit, before)


@app.command("branch", rich_help_panel=VERSIONS)
def branch_command(
    lake: LakePath,
    name: Annotated[str | None, typer.Argument(help="A branch; without it, all are listed.")] = None,
    at: Ref = "main",
    move: Move = False,
    force: Force = False,
    delete: Delete = False,
    json: Json = False,
) -> None:
    """List, make, move or delete branches.

    Example: neurolake branch trial-17 --at main~2 --lake my-lake
    """
    _change_ref(_open(lake).branches, name, at, move, force, delete, json)


@app.command("tag", rich_help_panel=VERSIONS)
def tag_command(
    lake: LakePath,
    name: Annotated[str | None, typer.Argument(help="A tag; without it, all are listed.")] = None,
    at: Ref = "main",
    move: Move = False,
    force: Force = False,
    delete: Delete = False,
    json: Json = False,
) -> None:
    """List, make, move or delete tags.

    Example: neurolake tag figure-3 --at main~2 --lake my-lake
    """
    _change_ref(_open(lake).tags, name, at, move, force, delete, json)


def _change_ref(
    refs: "Refs", name: str | None, at: str, move: bool, force: bool, delete: bool, json: bool
) -> None:
    if name is None:
        for known, record in refs.items():
            if json:
                print_json({"name": known, **commit_json(record)})
            else:
                out.print(f"{record.id[:12]}  {known}  {record.message}")
    elif delete:
        refs.delete(name)
        out.say(f"Deleted {name}")
    else:
        record = refs.move(name, at, force=force) if move else refs.create(name, at)
        if json:
            print_json({"name": name, **commit_json(record)})
        else:
            out.say(f"{name} is {record.id[:12]}: {record.message}")


@app.command("diff", rich_help_panel=VERSIONS)
def diff_command(
    lake: LakePath,
    old: Annotated[str, typer.Argument(help="Commit, branch, tag or time.")] = "main~1",
    new: Annotated[str, typer.Argument(help="Commit, branch, tag or time.")] = "main",
    json: Json = False,
) -> None:
    """Say what changed from one commit to another, node by node.

    Example: neurolake diff figure-3 main --lake my-lake
    """
    for change in _open(lake).diff(old, new):
        if json:
            print_json(change.to_json())
        else:
            out.print(str(change))


@app.command("merge", rich_help_panel=VERSIONS)
def merge_command(
    source: Annotated[str, typer.Argument(help="Branch, tag or commit to bring in.")],
    lake: LakePath,
    into: Annotated[str, typer.Option(help="Branch to bring it into.")] = "main",
    message: Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")] = None,
) -> None:
    """Merge into a branch what another has changed since their merge base.

    Example: neurolake merge trial-17 --lake my-lake
    """
    _print_commit(
        _open(lake).merge(source, into=into, message=message), f"{into} has all of {source} already"
    )


@app.command("revert", rich_help_panel=VERSIONS)
def revert_command(
    commit: Annotated[str, typer.Argument(help="Commit whose work to undo.")],
    lake: LakePath,
    branch: Branch = "main",
) -> None:
    """Undo what one commit did, by a new commit.

    Example: neurolake revert main --lake my-lake
    """
    _print_commit(_open(lake).revert(commit, branch=branch), f"{branch} has nothing of {commit} left")


@app.command("cherry-pick", rich_help_panel=VERSIONS)
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
    out.say(otherwise if record is None else f"Commit {record.id[:12]}: {record.message}")


@app.command("verify", rich_help_panel=UPKEEP)
def verify_command(
    lake: LakePath,
    at: Annotated[str | None, typer.Option(help="Only this commit, branch or tag.")] = None,
    repair_from: Annotated[str | None, typer.Option(help="A lake that has sound copies.")] = None,
    sample: Annotated[
        float, typer.Option(help="Share of the objects to read, drawn by chance, such as 0.01.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Read again every byte that commits need, and report damaged objects and their referrers.

    Example: neurolake verify --lake my-lake --repair-from backup
    """
    other = None if repair_from is None else _open(repair_from)
    with progress("Verifying") as advance:
        findings = _open(lake).verify(at, repair_from=other, progress=advance, sample=sample)
    if json:
        print_json(asdict(findings))
    else:
        print_findings(findings)
    if findings.damages:
        raise typer.Exit(CorruptObjectError.exit_code)


@app.command("gc", rich_help_panel=UPKEEP)
def gc_command(
    lake: LakePath,
    grace_hours: Annotated[float, typer.Option(min=0, help="How old garbage must be.")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Delete the objects that no commit needs, a grace period after they are condemned. Writers may go on.

    Example: neurolake gc --dry-run --lake my-lake
    """
    found = _open(lake).collect_garbage(grace=_lasting(grace_hours, "hours"), dry_run=dry_run)
    if json:
        print_json(asdict(found))
        return
    if dry_run:
        for key, size in (*found.condemned, *found.deleted, *found.temporary):
            out.print(f"{size_text(size):>8}  {key}")
    out.say(str(found))


@app.command("compact", rich_help_panel=UPKEEP)
def compact_command(
    lake: LakePath,
    table: Annotated[list[str] | None, typer.Option(help="Only this table. May be repeated.")] = None,
    recompress: Annotated[
        str | None,
        typer.Option(help="Encode arrays anew for this: auto, fast, small or portable. Takes long."),
    ] = None,
    branch: Branch = "main",
    json: Json = False,
) -> None:
    """Join small files of tables, and packs that are mostly dead or small; encode arrays anew.

    Example: neurolake compact --recompress small --lake my-lake
    """
    from .data.compression import checked_compression

    asked = None if recompress is None else checked_compression(recompress)
    done = _open(lake).compact(branch=branch, tables=table, recompress=asked)
    if json:
        commits = [commit.id for commit in done.commits]
        arrays = dict(done.recompressed)
        print_json(
            {
                "joined": dict(done.joined),
                "recompressed": arrays,
                "commits": commits,
                "repacked": done.repacked,
            }
        )
        return
    for name, (before, after) in done.joined.items():
        out.say(f"{name}: {before} files are {after} now")
    for name, (before, after) in done.recompressed.items():
        out.say(f"{name}: {before:,} bytes are {after:,} now")
    out.say(f"{len(done.commits)} commits, {done.repacked} packs")


@app.command("upgrade", rich_help_panel=UPKEEP)
def upgrade_command(lake: LakePath) -> None:
    """Let a lake of an older format have the newest one; nothing is written anew, and an older neurolake then refuses it.

    Example: neurolake upgrade --lake my-lake
    """
    opened = _open(lake)
    before = opened.upgrade()
    how = "already" if before == opened.format else f"now; it had format {before}"
    out.say(f"{opened.url} has format {opened.format} {how}")


@app.command("expire", rich_help_panel=UPKEEP)
def expire_command(
    lake: LakePath,
    older_than_days: Annotated[float, typer.Option(min=0, help="Age of the history to drop.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Drop old history, except what tags mean; gc then frees what only that stood on.

    Example: neurolake expire --older-than-days 365 --dry-run --lake my-lake
    """
    done = _open(lake).expire(_lasting(older_than_days, "days"), dry_run=dry_run)
    if json:
        print_json(asdict(done))
    else:
        out.say(f"{done.records} records {'would be' if dry_run else 'were'} dropped")


@app.command("copy", rich_help_panel=VERSIONS)
def copy_command(
    target: Annotated[str, typer.Argument(help="Folder or URL of the new lake.")],
    lake: LakePath,
    history_days: Annotated[
        float | None,
        typer.Option(min=0, help="Leave older history behind; 0: copy what branches and tags mean now."),
    ] = None,
) -> None:
    """Make a new lake with all commits, branches and tags of this one.

    Example: neurolake copy s3://lab/backup --lake my-lake
    """
    history = None if history_days is None else _lasting(history_days, "days")
    with progress("Copying", objects=True) as advance:
        made = _open(lake).copy_to(target, history=history, progress=advance)
    out.say(f"Copied to {made.url}")


@app.command("push", rich_help_panel=VERSIONS)
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
    out.say(f"Sent {sent} commits")


@app.command("pull", rich_help_panel=VERSIONS)
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
    """Return the leaves of nested objects by dotted path.

    Parameters
    ----------
    value
        Objects of JSON, nested to any depth.
    path
        Path of *value* itself; empty at the top.
    """
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flat(inner, f"{path}.{name}".strip(".")).items()
    }


def commit_json(commit: "Commit") -> dict[str, Any]:
    """Return the fields of a commit that scripts use.

    Parameters
    ----------
    commit
        The commit.
    """
    return {
        "commit": commit.id,
        "branch": commit.branch,
        "author": commit.author,
        "time": commit.time,
        "message": commit.message,
        "parents": [parent.id for parent in commit.parents],
        "snapshot": commit.snapshot,
        "provenance": commit.provenance,
    }


def _changes(commit: "Commit", before: Container[str]) -> dict[str, str]:
    """Return ``added``, ``changed`` or ``deleted`` by the names of nodes."""
    gone = {name for name, value in commit.fields["changes"].items() if value is None}
    return {
        name: "deleted" if name in gone else "changed" if name in before else "added"
        for name in commit.changed
    }


def describe_commit(commit: "Commit", before: Container[str]) -> None:
    """Print who made a commit, when and from what, and the nodes it changed.

    Parameters
    ----------
    commit
        The commit.
    before
        Names of the nodes of its parent.
    """
    facts = {"commit": commit.id, "snapshot": commit.snapshot, "author": commit.author, "time": commit.time}
    facts["parents"] = ", ".join(parent.id for parent in commit.parents)
    for name, value in {**facts, **flat(commit.provenance)}.items():
        out.print(f"{name:<22} {value}")
    out.print(f"\n    {commit.message}\n")
    for name, change in _changes(commit, before).items():
        out.print(f"  {change}  {name}")


def print_findings(findings: "Findings") -> None:
    """Print what a verification found.

    Parameters
    ----------
    findings
        What the verification found.
    """
    for damage in findings.damages:
        needed = (
            f"; needed by {', '.join(damage.nodes)} in {len(damage.commits)} commits" if damage.nodes else ""
        )
        err.print(f"{damage.reason}: {damage.key}{needed}", style="red")
    for told in findings.collisions:
        out.print(f"Names: {told}", style="yellow")
    for key in findings.repaired:
        out.print(f"repaired: {key}")
    rate = findings.bytes / 1e6 / max(findings.seconds, 1e-9)
    out.print(
        f"{len(findings.damages)} damaged of {findings.objects:,} objects and {findings.records:,} records "
        f"({size_text(findings.bytes)} in {findings.seconds:.1f} s, {rate:,.0f} MB/s)"
    )


def _lasting(number: float, unit: str) -> timedelta:
    """So many days or hours."""
    try:
        return timedelta(**{unit: number})
    except OverflowError:
        raise InputError(f"{number:g} {unit} are longer than any calendar; give fewer") from None


def _open(url: str) -> "Lake":
    # Zarr, Arrow and DuckDB take a while to import; --help does without them.
    from .core import Lake

    return Lake.open(url)
