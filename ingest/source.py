"""What brings a path into a lake: the protocol that every format follows, and the report of what was done."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..lake.errors import IngestError, InputError
from ..lake.history.log import Commit

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""
OnError = Literal["stop", "skip"]
"""What a bad file does: end the ingest, with nothing stored; or be left out, and be listed in the report."""


@dataclass(repr=False)
class Ingested:
    """What an ingest did, whatever the format.

    Attributes
    ----------
    format
        Name of the format, such as ``simrun``.
    lake
        URL of the lake.
    name
        What the names of the nodes contain; empty if the format has no such name.
    unit
        What *added*, *unchanged*, *changed* and *running* name: run directories or files.
    added, unchanged, changed, running
        What is in the lake now; what was there already; what differs from what was ingested, and was left as it
        was; what is still being written, and was left out.
    nodes
        Nodes that were made.
    failures
        What was left out because it is bad, with the reason.
    notices
        What is odd and harmless.
    trials, source_bytes
        How many trials and how many bytes of the source were added.
    seconds
        How long it took.
    commit
        Id of the commit; None if there was nothing to add.
    """

    format: str
    lake: str = ""
    name: str = ""
    unit: str = "files"
    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    failures: list[tuple[str, IngestError]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    trials: int = 0
    source_bytes: int = 0
    seconds: float = 0.0
    commit: str | None = None

    @property
    def complete(self) -> bool:
        """Whether the lake now holds all that the source does."""
        return not (self.changed or self.failures)

    def finish(self, commit: Commit | None, began: float) -> "Ingested":
        """Note the commit and the seconds that the ingest took.

        Parameters
        ----------
        commit
            The commit; None if nothing was new.
        began
            Start of the ingest, by `time.perf_counter`.
        """
        if commit is None:
            self.unchanged, self.added, self.nodes = [*self.unchanged, *self.added], [], []
        self.commit = None if commit is None else commit.id
        self.seconds = time.perf_counter() - began
        return self

    def problems(self) -> list[str]:
        """Return a line, or more, for each thing that is odd or was left out."""
        return [
            *self.notices,
            *(f"still running, left out: {name}" for name in self.running),
            *(f"changed since it was ingested, left as it was: {name}" for name in self.changed),
            *(f"left out: {name}\n  {error}" for name, error in self.failures),
        ]

    def summary(self) -> str:
        """Return what was done, in a few lines."""
        if self.commit is None:
            there = len(self.unchanged)
            return f"Nothing new: the lake has {there:,} of these {self.unit} already."
        size, seconds = self.source_bytes / 1e6, max(self.seconds, 1e-9)
        rate = f"{size:,.1f} MB in {self.seconds:.1f} s, {size / seconds:,.0f} MB/s"
        name = f" as {self.name}" if self.name else ""
        kept = f"{len(self.unchanged):,} {self.unit} were there already.\n" if self.unchanged else ""
        return f"Ingested {self._count()} ({rate}){name} into {self.lake}\n{kept}Commit {self.commit[:12]}"

    def __str__(self) -> str:
        return "\n".join([*self.problems(), self.summary()])

    def __repr__(self) -> str:
        commit = "nothing new" if self.commit is None else f"commit {self.commit[:12]}"
        return f"<Ingested {self.format}: {self._count()}, {commit}>"

    def _count(self) -> str:
        found = f"{len(self.added):,} {self.unit if len(self.added) != 1 else _singular(self.unit)}"
        return f"{self.trials:,} trials of {found}" if self.trials else found


def _singular(unit: str) -> str:
    return "run directory" if unit == "run directories" else unit.removesuffix("s")


class Exported(NamedTuple):
    """What an export wrote: how many files, and how many bytes they have."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Source:
    """A format: what recognises it, brings it in and, if there is such a thing, writes it out.

    Attributes
    ----------
    name
        What it is called in ``format=`` and on the command line.
    needs
        What a path must be to be of this format, for the message that nothing recognises one.
    matches
        Says in words what a path is, such as "a SONATA circuit configuration"; None if it is of another format. It reads
        no more than it must: the names in a folder, the head of a file.
    ingest
        Called with a lake, a path and keywords of `neurolake.ingest`, those that it has; gives an `Ingested`.
    export
        Called with a snapshot, a path and keywords of `neurolake.export`, those that it has; gives an `Exported`.
    several
        Whether *ingest* takes several paths together.
    """

    name: str
    needs: str
    matches: Callable[[Path], str | None]
    ingest: Callable[..., Ingested]
    export: Callable[..., Exported] | None = None
    several: bool = False


def heeded(
    name: str, function: Callable[..., Any], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return those of the options that a format's function has.

    Parameters
    ----------
    name
        Of the format.
    function
        The format's function.
    given, defaults
        All options with the values that a user gave, and with those that they have otherwise.

    Raises
    ------
    InputError
        An option was given that the function does not have.
    """
    known = signature(function).parameters
    foreign = [option for option, value in given.items() if option not in known and value != defaults[option]]
    if foreign:
        has = ", ".join(option for option in given if option in known)
        raise InputError(f"the format {name} has no option {foreign[0]!r}; it has: {has}")
    return {option: value for option, value in given.items() if option in known}
