"""A prompt for SQL: history, completion of the names there are, and how long an answer took."""

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from ..kernels.places import cache_folder
from ..lake.console import err, out
from ..lake.errors import NeurolakeError
from .views.formats import write_relation

if TYPE_CHECKING:
    from .lake import Snapshot

WELCOME = "One SELECT, ended by a semicolon. Tab completes, \\d lists the tables, \\q leaves."
_NAME = re.compile(r"[\w./]+$")


class Names(Completer):
    """Completes keywords, tables, and columns: of the tables that the text names, or of all.

    Parameters
    ----------
    snapshot
        The commit to query.
    """

    def __init__(self, snapshot: "Snapshot") -> None:
        self._columns = {name: list(table.columns) for name, table in snapshot.tables.items()}
        words = snapshot.sql("select keyword_name from duckdb_keywords() order by 1").fetchall()
        self._keywords = [word for (word,) in words]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may follow the letters before the cursor.

        Parameters
        ----------
        document
            The text, and where the cursor is.
        complete_event
            Why completion was asked for; not used.
        """
        begun = _NAME.search(document.text_before_cursor)
        letters = begun.group() if begun else ""
        table, dot, start = letters.rpartition(".")
        if dot and table in self._columns:
            yield from _matching(self._columns[table], start)
            return
        yield from _matching(self.candidates(document.text), letters)

    def candidates(self, text: str) -> list[str]:
        """Return the words that fit a text: tables first, then columns, then keywords.

        Parameters
        ----------
        text
            The query so far.
        """
        words = set(re.findall(r"[\w./]+", text))
        named = [table for table in self._columns if table in words] or list(self._columns)
        columns = dict.fromkeys(column for table in named for column in self._columns[table])
        return [*self._columns, *columns, *self._keywords]


def _matching(names: Iterable[str], start: str) -> Iterator[Completion]:
    for name in names:
        if name.lower().startswith(start.lower()):
            yield Completion(_quoted(name), start_position=-len(start))


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else f'"{name}"'


def ask(snapshot: "Snapshot", *, keys: Input | None = None, screen: Output | None = None) -> None:
    """Ask until the end of the input or ``\\q``.

    Parameters
    ----------
    snapshot
        The commit to query.
    keys, screen
        The terminal; that of the process by default.
    """
    history = _history_file()
    session: PromptSession[str] = PromptSession(
        completer=Names(snapshot),
        history=FileHistory(str(history)) if history else InMemoryHistory(),
        complete_while_typing=False,
        input=keys,
        output=screen,
    )
    out.print(f"{snapshot.commit.id[:12]} of {snapshot.objects.storage.url}\n{WELCOME}")
    lines: list[str] = []
    while True:
        try:
            line = session.prompt("...> " if lines else "sql> ")
        except KeyboardInterrupt:
            lines = []
            continue
        except EOFError:
            return
        if not lines and line.strip() in ("\\q", "exit", "quit"):
            return
        lines.append(line)
        text = "\n".join(lines).strip()
        if text.endswith(";") or text.startswith("\\") or not text:
            _answer(snapshot, text.rstrip(";"))
            lines = []


def _answer(snapshot: "Snapshot", text: str) -> None:
    if not text:
        return
    query = "select name, rows, doc from nodes where kind = 'table' order by name" if text == "\\d" else text
    began = time.perf_counter()
    try:
        write_relation(snapshot.sql(query), "table", None, out)
    except NeurolakeError as error:
        # One wrong question does not end the conversation.
        err.print(str(error), style="red")
        return
    out.print(f"{1e3 * (time.perf_counter() - began):,.1f} ms", style="dim")


def _history_file() -> Path | None:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / "sql_history"
