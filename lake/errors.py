"""The errors of neurolake, grouped by what a caller would do about them.

::

    NeurolakeError
    ├── NotFoundError (KeyError)      no such lake, ref, commit or node: check the name
    │   └── ExpiredError              a commit that was dropped because it was old
    ├── ConflictError                 another writer changed the same nodes: reopen and retry
    ├── ReadOnlyError (PermissionError)  a pinned snapshot or a read-only medium: open a transaction
    │   └── ReadOnlyStoreError (ValueError)  the same, written through Zarr: use the store of a transaction
    ├── InputError (ValueError)       what was given cannot be used: mend the input
    │   ├── NodeNameError             a node name that is not allowed
    │   ├── IngestError               a source file, with file and line
    │   ├── ProcessBoundError (TypeError)  what cannot be sent to another process: commit, then send
    │   ├── MissingPackageError (ImportError)  an optional package: install the extra
    │   ├── UnstorableError (TypeError)  a value that would not come back as it is: convert it
    │   ├── SelectionError (IndexError)   a part of an array that is not there
    │   ├── TooLargeError (MemoryError)   what was asked for does not fit into memory: ask for a part
    │   └── QueryError                a query that DuckDB or the schema refuses
    │       └── QueryTimeoutError     a query that took longer than it was given
    ├── CorruptObjectError            stored bytes do not have their digest: restore the object
    │   └── MalformedError            they have it, but make no sense: their writer wrote them so
    ├── FormatError                   not a lake, or written by a newer neurolake
    └── StorageError (OSError)        the medium failed: often transient, retry

The command line ends with the ``exit_code`` of an error; `EXIT_CODES` lists them all.
"""

from pathlib import Path

INCOMPLETE = 3
INTERRUPTED = 130


class NeurolakeError(Exception):
    """Base of every error that neurolake raises on purpose."""

    exit_code = 1


class NotFoundError(NeurolakeError, KeyError):
    """No lake, ref, commit or node of that name."""

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0]) if self.args else ""


class ExpiredError(NotFoundError):
    """A commit that is gone because history as old as it was dropped."""


class ConflictError(NeurolakeError):
    """Another writer committed a change that does not commute with this one.

    Parameters
    ----------
    message
        What changed on both sides, and what to do.
    nodes
        Names of the nodes in conflict.
    """

    def __init__(self, message: str, nodes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nodes = nodes


class ReadOnlyError(NeurolakeError, PermissionError):
    """The lake, snapshot or store cannot be written through this handle."""


class ReadOnlyStoreError(ReadOnlyError, ValueError):
    """A Zarr store that cannot be written; a ValueError, too, as zarr-python's stores raise."""


class InputError(NeurolakeError, ValueError):
    """The input cannot be used; the message says what to change."""

    exit_code = 2


class NodeNameError(InputError):
    """A node name that the format does not allow."""


class ProcessBoundError(InputError, TypeError):
    """An object that works in its own process alone; a TypeError, too, as of all that cannot be pickled."""


class IngestError(InputError):
    """A source file cannot be ingested.

    Parameters
    ----------
    reason
        What is wrong and what was expected.
    path
        The file (or directory) at fault.
    line
        The line number, counted from 1, where that is known.
    """

    def __init__(self, reason: str, path: str | Path, line: int | None = None) -> None:
        super().__init__(reason, str(path), line)
        self.reason = reason
        self.path = str(path)
        self.line = line

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.reason}"


class MissingPackageError(InputError, ImportError):
    """A package that is not installed, because most users do not need it."""


class UnstorableError(InputError, TypeError):
    """A value that no form of the lake gives back as it is.

    Parameters
    ----------
    message
        Why, and what to do.
    value
        The value, so that what took long to compute is not lost.
    """

    def __init__(self, message: str, value: object = None) -> None:
        super().__init__(message)
        self.value = value


class SelectionError(InputError, IndexError):
    """A part of an array that is not there, or cannot be asked for so."""


class TooLargeError(InputError, MemoryError):
    """What was asked for does not fit into memory; the message says how large it is, and how to ask for a part."""


class QueryError(InputError):
    """A query that cannot be answered: refused, malformed, or about something that is not there."""


class QueryTimeoutError(QueryError):
    """A query that took longer than it was given."""

    exit_code = 124


class CorruptObjectError(NeurolakeError):
    """Stored bytes do not have the digest they are named by, or are not there."""

    exit_code = 4


class MalformedError(CorruptObjectError):
    """Stored bytes have their digest, and are not what they should be: no copy of them is any better."""


class FormatError(NeurolakeError):
    """The path is not a lake, or its format version is newer than this neurolake."""


class StorageError(NeurolakeError, OSError):
    """The storage medium failed; nothing was made visible."""

    exit_code = 5


EXIT_CODES = {
    0: "Done.",
    NeurolakeError.exit_code: "No lake, commit or node of that name, a conflict, a read-only lake, "
    "or a lake of a newer format; for `refresh`, a result that stays stale.",
    InputError.exit_code: "Wrong usage, or input that cannot be used; the message says what to change.",
    INCOMPLETE: "Done in part: files were left out, or trials failed; the messages say which.",
    CorruptObjectError.exit_code: "Stored bytes are damaged or missing.",
    StorageError.exit_code: "The disk, network, terminal or an output file failed.",
    QueryTimeoutError.exit_code: "A query took longer than `--timeout`.",
    INTERRUPTED: "Interrupted by Ctrl-C.",
}
"""What the exit codes of the command line mean."""
