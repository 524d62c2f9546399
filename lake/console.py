"""The terminal, for the commands of all rooms: what they print with, and the options that they share."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn
from unicodedata import east_asian_width

import typer
from typer.core import TyperGroup

from .errors import INTERRUPTED, NeurolakeError, StorageError

if TYPE_CHECKING:
    from rich.console import Console

# The groups of `neurolake --help`, in this order; a command names its own as `rich_help_panel`.
WRITE, ASK, SIMULATE, CIRCUITS = "Write", "Ask", "Simulate", "Circuits"
VERSIONS, UPKEEP = "Versions", "Upkeep"
GROUPS = (WRITE, ASK, SIMULATE, CIRCUITS, VERSIONS, UPKEEP)

_MARKER = "neurolake.json"
_UNKNOWN_LETTERS = "backslashreplace"


class Listing:
    """A table without borders; on a terminal its cells fold, and for other programs they are never cut.

    Parameters
    ----------
    columns
        The heads of the columns.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.rows: list[tuple[str, ...]] = []

    def add_row(self, *cells: object) -> None:
        """Append a row; what is not text becomes text.

        Parameters
        ----------
        cells
            One value for each column.
        """
        self.rows.append(tuple(map(str, cells)))

    def lines(self) -> Iterator[str]:
        """Return the lines of the table as plain text."""
        # A cell of several lines takes several lines of the table.
        rows = [tuple(cell.split("\n") for cell in row) for row in (self.columns, *self.rows)]
        widths = [max(_width(line) for row in rows for line in row[at]) for at in range(len(self.columns))]
        for row in rows:
            for number in range(max(map(len, row), default=0)):
                texts = (cell[number] if number < len(cell) else "" for cell in row)
                padded = (
                    text + " " * (width - _width(text)) for text, width in zip(texts, widths, strict=True)
                )
                yield "  ".join(padded).rstrip(" ")


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(1 + (east_asian_width(letter) in "WF") for letter in text)


class Terminal:
    """Standard output or standard error, for persons and for programs.

    Rich is imported only for a terminal: it takes longer than many answers.

    Parameters
    ----------
    stderr
        Whether this is standard error.
    """

    quiet = False
    verbose = False

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @property
    def file(self) -> IO[str]:
        """The stream, as it is now."""
        return sys.stderr if self._stderr else sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Return whether a person is looking."""
        return self.file.isatty()

    @cached_property
    def rich(self) -> "Console":
        """Rich's console of this stream."""
        from rich.console import Console

        if isinstance(self.file, io.TextIOWrapper):
            self.file.reconfigure(errors=_UNKNOWN_LETTERS)
        # What names and messages say is never markup.
        return Console(stderr=self._stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def print(self, what: "str | Listing" = "", style: str | None = None) -> None:
        """Print a line of text or a table.

        Parameters
        ----------
        what
            Text, or the table.
        style
            Colour or weight on a terminal: ``red``, ``yellow``, ``bold``, ``dim``.
        """
        if self.is_terminal:
            self.rich.print(_rich_table(what) if isinstance(what, Listing) else what, style=style)
            return
        encoding = getattr(self.file, "encoding", None) or "utf-8"
        for line in [what] if isinstance(what, str) else what.lines():
            # It is for the eye; what is not, such as JSON, is not changed.
            shown = line if line.isascii() else line.encode(encoding, _UNKNOWN_LETTERS).decode(encoding)
            self.file.write(f"{shown}\n")

    def say(self, what: str, style: str | None = None) -> None:
        """Print what was done, unless ``--quiet`` is given.

        Parameters
        ----------
        what
            One line or more, without markup.
        style
            Rich's style of the text; none by default.
        """
        if not Terminal.quiet:
            self.print(what, style)

    def detail(self, what: str) -> None:
        """Print a detail, if ``--verbose`` is given.

        Parameters
        ----------
        what
            One line or more, without markup.
        """
        if Terminal.verbose:
            self.print(what, "dim")


def _rich_table(listing: Listing) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in listing.columns:
        table.add_column(column, overflow="fold")
    for row in listing.rows:
        table.add_row(*row)
    return table


out = Terminal()
err = Terminal(stderr=True)


def print_json(*values: object) -> None:
    """Print each value as JSON, one a line.

    Parameters
    ----------
    values
        Of text, numbers, truth values, None, lists and mappings; times and paths become text.
    """
    for value in values:
        out.file.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return list(value) if isinstance(value, Iterable) else str(value)


def taken_lake(context: typer.Context, lake: str) -> str:
    """Return the lake that a command is about; without a name, the one that the current folder is in.

    Parameters
    ----------
    lake
        The value of ``--lake``; empty where it is not given.
    """
    if context.resilient_parsing:
        return lake
    source = "NEUROLAKE_LAKE" if _source(context) == "ENVIRONMENT" else "--lake"
    if not lake:
        source = "the current folder"
        here = Path.cwd()
        found = next((folder for folder in (here, *here.parents) if (folder / _MARKER).is_file()), None)
        if found is None:
            raise typer.BadParameter("give --lake, set NEUROLAKE_LAKE, or go to the folder of a lake")
        lake = str(found)
    err.detail(f"lake: {lake} (from {source})")
    return lake


def _source(context: typer.Context) -> str:
    source = context.get_parameter_source("lake")
    return "" if source is None else source.name


LakePath = Annotated[
    str,
    typer.Option(
        "--lake",
        "-l",
        help="The lake's folder, or a URL of it.",
        envvar="NEUROLAKE_LAKE",
        default_factory=str,
        show_default="the lake that the current folder is in",
        callback=taken_lake,
    ),
]
Ref = Annotated[
    str, typer.Option("--at", help="Branch, commit id, main~2, or a time such as 2026-11-20T14:30.")
]
Branch = Annotated[str, typer.Option(help="Branch to change.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def _loudness(context: typer.Context, parameter: typer.CallbackParam, given: bool) -> None:
    if given and not context.resilient_parsing:
        setattr(Terminal, str(parameter.name), True)


def _silent(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            is_eager=True,
            expose_value=False,
            callback=_loudness,
            help="Print answers, warnings and errors only.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            is_eager=True,
            expose_value=False,
            callback=_loudness,
            help="Print also which lake is taken, and where in the program an error comes from.",
        ),
    ] = False,
) -> None:
    """Have the options that all commands share."""


def _shared_options() -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(_silent)
    return list(typer.main.get_command(app).params)


class Commands(TyperGroup):
    """The commands of neurolake, in named groups; every one takes ``--quiet`` and ``--verbose``."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params += _shared_options()

    def get_params(self, ctx: Any) -> Any:
        """Return the options of all commands together."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            _take_as_it_is(parameter)
        return parameters

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, with the options that all commands share."""
        return _prepared(super().get_command(ctx, cmd_name), ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the heads of their groups."""
        commands = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        width = max((len(name) for name, _ in commands), default=0)
        for group in (*GROUPS, None):
            own = [
                (name.ljust(width), command.get_short_help_str(1000))
                for name, command in commands
                if getattr(command, "rich_help_panel", None) == group
                or (group is None and getattr(command, "rich_help_panel", None) not in GROUPS)
            ]
            if own:
                with formatter.section(group or "Other commands"):
                    formatter.write_dl(own)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it with one line and the exit code of interrupted programs."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, RuntimeError) as error:
            # DuckDB turns an interruption of the main thread into a RuntimeError.
            if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
                raise
            raise typer.Exit(tell(error)) from None


def tell(error: BaseException | None) -> int:
    """Print an error, or that Ctrl-C was pressed, in one line; return the exit code.

    Parameters
    ----------
    error
        The error; None stands for Ctrl-C.
    """
    if isinstance(error, NeurolakeError | OSError):
        err.print(f"neurolake: {error}", "red")
        return error.exit_code if isinstance(error, NeurolakeError) else StorageError.exit_code
    err.print(f"neurolake: {' '.join(getattr(error, '__notes__', ['interrupted']))}", "yellow")
    return INTERRUPTED


def leave_now(error: BaseException | None) -> NoReturn:
    """Print an error and end the process without waiting for threads that do not end.

    Parameters
    ----------
    error
        The error; None stands for Ctrl-C.
    """
    code = tell(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _prepared(command: Any, ctx: Any) -> Any:
    """Return a command with the options that all commands share, or a group whose commands have them."""
    if command is None or any(parameter.name == "quiet" for parameter in command.params):
        return command
    for inner in getattr(command, "commands", {}).values():
        _prepared(inner, ctx)
    if not hasattr(command, "commands"):
        command.params += _shared_options()
        # A function raises its error to the caller; a command prints it.
        command.help = (command.help or "").partition("\n\nRaises\n")[0]
    for parameter in command.get_params(ctx):
        _take_as_it_is(parameter)
    return command


def _take_as_it_is(parameter: Any) -> None:
    """Let a parameter take text that is to be text, and what was not given, without a conversion.

    Typer converts these too, by pydantic, whose import takes longer than most answers.
    """
    if "process_value" in vars(parameter):
        return
    wanted = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    convert = parameter.process_value

    def process_value(context: typer.Context, value: Any) -> Any:
        absent = value is None and not (parameter.required or parameter.multiple or parameter.nargs != 1)
        if not absent and type(value) is not wanted:
            taken = convert(context, value)
            for number in taken if isinstance(taken, list | tuple) else (taken,):
                # `float` reads these too, and no limit rules out what is not a number.
                if isinstance(number, float) and not isfinite(number):
                    raise typer.BadParameter(f"{number} is not a finite number", ctx=context, param=parameter)
            return taken
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    parameter.process_value = process_value


@contextmanager
def progress(what: str, *, objects: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with rate and time left, of bytes or of objects, on a terminal only.

    Parameters
    ----------
    what
        What is done, such as ``Copying``.
    objects
        Whether objects are counted rather than bytes.

    Yields
    ------
    A function that is told how much is done, and of how much.
    """
    if Terminal.quiet or not err.is_terminal:
        yield lambda done, total: None
        return
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

    counts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    counts = (MofNCompleteColumn(),) if objects else counts
    columns = (TextColumn(what), BarColumn(), *counts, TimeRemainingColumn())
    with Progress(*columns, console=err.rich, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def size_text(size: float) -> str:
    """Return a number of bytes for a person, such as ``1.5 MB``.

    Parameters
    ----------
    size
        Number of bytes.
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
