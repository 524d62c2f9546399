"""What commands print: tables, progress and reports."""

import sys
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from ..lake import Record
    from ..lake.verification import Findings
    from .lake import Snapshot

# Lines for a person fold at the edge of the screen; lines for another program are never cut.
_WIDTH = None if sys.stdout.isatty() else 1_000_000
# What names and messages say is never markup.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, width=_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def listing(*columns: str) -> Table:
    """A table without borders, whose cells fold rather than lose letters."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested objects by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in flat(inner, f"{path}.{name}".strip(".")).items()
    }


def describe_array(snapshot: "Snapshot", name: str) -> None:
    """Print shape, type and attributes of an array."""
    array = snapshot.arrays[name]
    facts = {"shape": array.shape, "type": array.dtype, "chunks": array.chunks}
    facts["dimensions"] = snapshot.tree[name].meta.get("dimension_names")
    out.print(f"\n{name}", style="bold")
    for key, value in {**facts, **array.attrs.asdict()}.items():
        out.print(f"  {key:<12} {value}")


def describe_table(snapshot: "Snapshot", name: str) -> None:
    """Print what a row of a table is, and what its columns are."""
    table = snapshot.tables[name]
    out.print(f"\n{name}: {table.doc}  ({table.rows:,} rows)", style="bold")
    columns = listing("column", "type", "unit", "meaning", "source")
    for column in table.fields:
        doc = column.get("doc", {})
        texts = [doc.get(key, "") for key in ("unit", "meaning", "source")]
        columns.add_row(column["name"], column["type"], *texts)
    out.print(columns)


def describe_commit(commit: "Record", before: Container[str]) -> None:
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
    for key in findings.repaired:
        out.print(f"repaired: {key}")
    rate = findings.bytes / 1e6 / max(findings.seconds, 1e-9)
    out.print(
        f"{len(findings.damages)} damaged of {findings.objects:,} objects and {findings.records:,} records "
        f"({size_text(findings.bytes)} in {findings.seconds:.1f} s, {rate:,.0f} MB/s)"
    )


@contextmanager
def progress(what: str, *, objects: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left, of bytes or of objects, on a terminal only."""
    counts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    counts = (MofNCompleteColumn(),) if objects else counts
    columns = (TextColumn(what), BarColumn(), *counts, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def size_text(size: float) -> str:
    """A number of bytes for a person."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
