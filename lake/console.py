"""The terminal, for the commands of all rooms: what they print with, and the options that they share."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
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

LakePath = Annotated[
    str, typer.Option("--lake", "-l", help="The lake's folder, or a URL of it.", envvar="NEUROLAKE_LAKE")
]
Ref = Annotated[
    str, typer.Option("--at", help="Branch, commit id, main~2, or a time such as 2026-11-20T14:30.")
]
Branch = Annotated[str, typer.Option(help="Branch to change.")]

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
