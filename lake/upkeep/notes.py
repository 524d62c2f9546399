"""Notes of upkeep: when a lake was verified, collected, compacted or expired, by which command, and with what result.

They stand in ``upkeep/``, outside of the history: nothing depends on them, and a lake without them is whole. The newest hundred stay.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

from ..digest import canonical_json
from ..errors import NeurolakeError, StorageError
from ..provenance import default_author, provenance
from ..storage.base import Storage

FOLDER = "upkeep/"
KEPT = 100

Work = Literal["verify", "gc", "compact", "expire"]


@dataclass(frozen=True)
class Note:
    """One work of upkeep that was done.

    Parameters
    ----------
    work
        ``verify``, ``gc``, ``compact`` or ``expire``.
    command
        The command that does it.
    time
        When it ended (UTC, ISO 8601).
    seconds
        How long it took.
    good
        Whether all is as it should be.
    result
        What it found or did, in words.
    author, host, neurolake
        Who did it, where, and with which version.
    """

    work: Work
    command: str
    time: str
    seconds: float
    good: bool
    result: str
    author: str
    host: str
    neurolake: str

    def to_json(self) -> dict[str, Any]:
        """Return the note as plain JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.time[:16].replace('T', ' ')}: {self.result} ({self.command}, {self.author} on {self.host})"


def note(
    storage: Storage, work: Work, options: Mapping[str, Any], seconds: float, good: bool, result: str
) -> bool:
    """Note a work of upkeep; return False where the storage cannot be written, which is no error.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    work
        What was done.
    options
        Options of its command; those that are None were not given.
    seconds
        How long it took.
    good
        Whether all is as it should be.
    result
        What it found or did, in words.
    """
    given = [f"--{name.replace('_', '-')} {value}" for name, value in options.items() if value is not None]
    process = provenance({})
    made = Note(
        work,
        " ".join(["neurolake", work, *given]),
        datetime.now(UTC).isoformat(timespec="seconds"),
        round(seconds, 1),
        good,
        result,
        default_author(),
        str(process["host"]),
        str(process["neurolake"]),
    )
    data = canonical_json(made.to_json()) + b"\n"
    try:
        newest = storage.last(FOLDER)
        number = 0 if newest is None else _number(newest) + 1
        while not storage.create(_key(number), data):
            number += 1
        kept = storage.list(FOLDER) if number >= KEPT else ()
        storage.delete_all([stored.key for stored in kept if _number(stored.key) <= number - KEPT])
    except (StorageError, OSError):
        return False
    return True


def notes(storage: Storage) -> Iterator[Note]:
    """List the notes, newest first; what cannot be read is passed over.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    """
    keys = sorted((stored.key for stored in storage.list(FOLDER)), reverse=True)
    names = {field.name for field in fields(Note)}
    for data in storage.read_all(keys):
        with contextlib.suppress(ValueError, TypeError, AttributeError, NeurolakeError):
            told = json.loads(data or b"")
            yield Note(**{name: told[name] for name in names if name in told})


def _key(number: int) -> str:
    return f"{FOLDER}{number:012d}"


def _number(key: str) -> int:
    digits = key.removeprefix(FOLDER)
    return int(digits) if digits.isdecimal() else 0
