"""The log: a branch is a row of numbered records, each created once and never changed.

A record's file is two lines: the digest of the second, and the record as canonical JSON. The digest is the
commit's id. Creation is the one atomic step of a commit (`Storage.create`).
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .digest import Digest, canonical_json, digest_of, is_digest
from .errors import CorruptObjectError, InputError, NotFoundError
from .storage import Storage

MAIN = "main"
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[0-9]{12}")
_FIELDS = {
    "uuid": str,
    "parents": list,
    "time": str,
    "author": str,
    "message": str,
    "provenance": dict,
    "snapshot": str,
    "folded": int,
    "changes": dict,
}


@dataclass(frozen=True)
class Record:
    """One commit.

    Parameters
    ----------
    branch, number
        Where it stands.
    id
        Digest of `fields`: the commit's id.
    fields
        ``uuid`` of the attempt, ``parents`` (commit ids), ``time`` (UTC, ISO 8601), ``author``,
        ``message``, ``provenance``, ``snapshot`` (digest of the tree), ``folded`` (number of the record
        whose tree is stored whole), ``tree`` (that object, in a folding record), ``changes`` (per node: None
        for deleted, else what `nodes.changed_node` reads, or ``{}`` where only the tree tells).
    """

    branch: str
    number: int
    id: Digest
    fields: Mapping[str, Any]

    @property
    def time(self) -> datetime:
        """When it was committed, by the writer's clock."""
        return datetime.fromisoformat(self.fields["time"])

    @property
    def message(self) -> str:
        """What its author said."""
        return str(self.fields["message"])

    @property
    def author(self) -> str:
        """Who committed."""
        return str(self.fields["author"])

    @property
    def parents(self) -> tuple[Digest, ...]:
        """Commits that this one follows."""
        return tuple(self.fields["parents"])

    @property
    def snapshot(self) -> Digest:
        """Digest of the tree: equal for equal content."""
        return Digest(self.fields["snapshot"])

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What made it: versions, code, host, and what the writer adds."""
        found: Mapping[str, Any] = self.fields["provenance"]
        return found

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the nodes it touched."""
        return tuple(sorted(self.fields["changes"]))


class Log:
    """The records of all branches of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._records: dict[tuple[str, int], Record] = {}
        self._tips: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Log, (self._storage,)

    def tip(self, branch: str = MAIN) -> Record:
        """The newest record of *branch*.

        Raises
        ------
        NotFoundError
            There is no such branch.
        """
        known = self._tips.get(branch)
        if known is None:
            numbers = self._numbers(branch)
            if not numbers:
                raise NotFoundError(f"{self._storage.url}: there is no branch {branch!r}")
            known = max(numbers)
        # Records are dense: whoever wrote one after another left no gap.
        while self._storage.size(_key(branch, known + 1)) is not None:
            known += 1
        self._tips[branch] = known
        return self.read(branch, known)

    def _numbers(self, branch: str) -> list[int]:
        last = self._storage.last(_folder(branch))
        keys = [last] if last is not None and _NUMBER.fullmatch(_name(last)) else []
        # Whatever else lies in the folder is not ours, and hides the records only from a hasty look.
        keys = keys or [stored.key for stored in self._storage.list(_folder(branch))]
        return [int(_name(key)) for key in keys if _NUMBER.fullmatch(_name(key))]

    def read(self, branch: str, number: int) -> Record:
        """Record *number* of *branch*, verified."""
        record = self._records.get((branch, number))
        if record is None:
            try:
                data = self._storage.read(_key(branch, number))
            except NotFoundError as error:
                raise CorruptObjectError(
                    f"commit record {number} of branch {branch!r} is missing: {error}"
                ) from error
            record = _parse(data, branch, number)
            self._records[branch, number] = record
        return record

    def back_from(self, record: Record) -> Iterator[Record]:
        """*record* and those before it, newest first.

        Raises
        ------
        CorruptObjectError
            One is missing, damaged, or not the one that its successor followed.
        """
        yield record
        for number in range(record.number - 1, -1, -1):
            before = self.read(record.branch, number)
            if before.id not in record.parents:
                raise CorruptObjectError(
                    f"commit {record.id} does not follow {before.id}, which stands before it"
                )
            yield (record := before)

    def append(self, branch: str, number: int, fields: Mapping[str, Any]) -> Record | None:
        """Create record *number*; None if another writer has created it already."""
        line = canonical_json(fields)
        record = Record(checked_branch(branch), number, digest_of(line), fields)
        created = self._storage.create(_key(branch, number), record.id.encode() + b"\n" + line + b"\n")
        # A lost response: the create succeeded, and only its answer did not arrive.
        if not created and self.read(branch, number).fields["uuid"] != fields["uuid"]:
            return None
        self._records[branch, number] = record
        self._tips[branch] = number
        return record


def checked_branch(name: str) -> str:
    """*name*, if a branch may be called so."""
    if not _BRANCH.fullmatch(name):
        raise InputError(f"a branch name is letters, digits, '.', '_' and '-', not {name!r}")
    return name


def new_uuid() -> str:
    """An identity for one attempt to commit."""
    return uuid.uuid4().hex


def _folder(branch: str) -> str:
    return f"log/{checked_branch(branch)}/"


def _name(key: str) -> str:
    return key.rsplit("/", 1)[1]


def _key(branch: str, number: int) -> str:
    return f"{_folder(branch)}{number:012d}"


def _parse(data: bytes, branch: str, number: int) -> Record:
    where = f"commit record {number} of branch {branch!r} ({_key(branch, number)})"
    digest, _, line = data.partition(b"\n")
    if digest_of(line[:-1]).encode() != digest or not line.endswith(b"\n"):
        raise CorruptObjectError(f"{where} is damaged")
    try:
        fields = json.loads(line)
        wrong = [name for name, kind in _FIELDS.items() if not isinstance(fields[name], kind)]
        datetime.fromisoformat(fields["time"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CorruptObjectError(f"{where} cannot be read: {error!r}") from error
    if wrong or not all(map(is_digest, [fields["snapshot"], *fields["parents"]])):
        raise CorruptObjectError(f"{where} has a wrong {wrong[0] if wrong else 'digest'}")
    return Record(branch, number, Digest(digest.decode()), fields)
