"""The log: a branch or tag is a row of numbered records, each created once and never changed.

A record's file is two lines: the digest of the second, and the record as canonical JSON. The digest is the
record's id. Creation is the one atomic step of every change of a lake (`Storage.create`).

A record is a commit, or it points at one (`Pointer`): that is how a branch begins, how it is moved, and how a
branch or tag ends. A row therefore tells all that ever happened to its name, unless its beginning has expired:
``expired/<branch>/<number>`` says that records before that one may be gone (`expiry.expire`).
"""

import contextlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, NamedTuple

from ..digest import Digest, canonical_json, checked_digest, digest_of, is_digest
from ..errors import (
    CorruptObjectError,
    ExpiredError,
    InputError,
    MalformedError,
    NotFoundError,
    StorageError,
)
from ..names import listed
from ..nodes.shown import About, Shown, ShownList
from ..storage.base import Storage
from ..threads import Recent, gathered

MAIN = "main"
IMPORTED = "import-"
EXPIRED = "expired/"
Space = Literal["log", "tags"]
FOLD_AFTER = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[0-9]{12}")
_RECORDS = 10**12
_KEPT_RECORDS = 4096
_ALWAYS = {"uuid": str, "branch": str, "number": int, "time": str, "author": str, "message": str}
_COMMIT = {
    **_ALWAYS,
    "parents": list,
    "provenance": dict,
    "snapshot": str,
    "depth": int,
    "changes": dict,
}


@dataclass(frozen=True, slots=True)
class Reference:
    """A commit: its id, and the branch and number it was made at."""

    id: Digest
    branch: str
    number: int

    def to_json(self) -> dict[str, Any]:
        """Return the reference in the form of records."""
        return {"id": self.id, "branch": self.branch, "number": self.number}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reference":
        """Return the reference of JSON from `to_json`, checked.

        Parameters
        ----------
        value
            JSON of a reference.

        Raises
        ------
        CorruptObjectError
            It is no reference.
        """
        branch, number = value["branch"], value["number"]
        if (
            not isinstance(branch, str)
            or not _NAME.fullmatch(branch)
            or type(number) is not int
            or not 0 <= number < _RECORDS
        ):
            raise MalformedError(f"a record refers to {value!r:.200}, which is not a commit")
        return cls(checked_digest(value["id"]), branch, number)


@dataclass(frozen=True, repr=False)
class Commit(Shown):
    """One commit.

    Parameters
    ----------
    branch, number
        Where it was made.
    id
        Digest of `fields`: the commit's id.
    fields
        ``uuid`` of the attempt, ``branch`` and ``number`` where it was made, ``parents`` (`Reference`), ``time`` (UTC, ISO 8601), ``author``,
        ``message``, ``provenance``, ``snapshot`` (digest of the tree), ``depth`` (how many first parents back
        a tree is stored whole), ``tree`` (that object, where depth is 0), ``changes`` (per node: None for
        deleted, else what `nodes.changed_node` reads, or ``{}`` where only the tree tells).
    """

    branch: str
    number: int
    id: Digest
    fields: Mapping[str, Any]

    def _about(self) -> About:
        line = f"<Commit {self.id[:12]} ({self.branch} {self.number}): {self.message!r}>"
        facts = {"id": self.id, "time": f"{self.time:%Y-%m-%d %H:%M:%S %Z}", "author": self.author}
        return About(line, {**facts, "message": self.message, "changed": listed(self.changed) or "nothing"})

    @property
    def reference(self) -> Reference:
        """What other records call it."""
        return Reference(self.id, self.branch, self.number)

    @property
    def uuid(self) -> str:
        """Tells this attempt to commit from all others."""
        return str(self.fields["uuid"])

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
        """Author of the commit."""
        return str(self.fields["author"])

    @property
    def parents(self) -> tuple[Reference, ...]:
        """Commits that this one follows; more than one where branches were merged."""
        return tuple(map(Reference.from_json, self.fields["parents"]))

    @property
    def depth(self) -> int:
        """How many first parents back a tree is stored whole."""
        return int(self.fields["depth"])

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


class Commits(ShownList[Commit]):
    """Commits, newest first."""

    def _about(self) -> About:
        rows = [(one.id[:12], f"{one.time:%Y-%m-%d %H:%M:%S}", one.author, one.message) for one in self]
        lines = "".join(f"\n  {'  '.join(row)}" for row in rows[:20])
        more = f"\n  and {len(self) - 20:,} more" if len(self) > 20 else ""
        return About(f"<{len(self)} commits>{lines}{more}", {}, ("commit", "time", "author", "message"), rows)


@dataclass(frozen=True)
class Pointer:
    """A record that makes its name mean another commit; or none, where the name is deleted."""

    uuid: str
    time: datetime
    author: str
    message: str
    target: Reference | None


class Row(NamedTuple):
    """The records of one branch or tag.

    Parameters
    ----------
    space
        ``"log"`` for branches, ``"tags"`` for tags.
    name
        Name of the branch or tag.
    numbers
        Numbers of all records that should exist, newest first; of expired history those that still exist.
    """

    space: Space
    name: str
    numbers: list[int]


class Log:
    """The records of all branches and tags of one storage.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._records: Recent[str, Commit | Pointer] = Recent(_KEPT_RECORDS)
        self._last: dict[tuple[Space, str], int] = {}
        self._places: dict[Digest, tuple[int, str]] = {}
        self._scanned: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Log, (self._storage,)

    def names(self, space: Space = "log") -> list[str]:
        """List the branches, or tags, that exist.

        Parameters
        ----------
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        return [name for name in self.all_names(space) if self.points_at(name, space)]

    def all_names(self, space: Space = "log") -> list[str]:
        """List the branches, or tags, that exist or have existed.

        Parameters
        ----------
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        return sorted(name for name in self._storage.folders(f"{space}/") if _NAME.fullmatch(name))

    def points_at(self, name: str, space: Space = "log") -> Reference | None:
        """Return the commit that a branch or tag refers to now; None if the name does not exist.

        Parameters
        ----------
        name
            Name of a branch or tag.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        return self.state(name, space)[1]

    def state(self, name: str, space: Space = "log") -> tuple[int | None, Reference | None]:
        """Return the number of a name's newest record and the commit that it refers to; None for what is missing.

        Parameters
        ----------
        name
            Name of a branch or tag.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        last = self.last(name, space)
        return last, None if last is None else self.meant_by(name, last, space)

    def meant_by(self, name: str, number: int, space: Space = "log") -> Reference | None:
        """Return the commit that one record of a branch or tag refers to; None if that ends it.

        Parameters
        ----------
        name
            Name of a branch or tag.
        number
            Number of the record.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        record = self.record(name, number, space)
        return record.target if isinstance(record, Pointer) else record.reference

    def tip(self, branch: str = MAIN) -> Commit:
        """Return the newest commit of a branch.

        Parameters
        ----------
        branch
            Name of the branch.

        Raises
        ------
        NotFoundError
            There is no such branch.
        """
        return self.head(branch)[0]

    def head(self, branch: str = MAIN) -> tuple[Commit, int]:
        """Return the newest commit of a branch, and the number of the record that refers to it.

        Parameters
        ----------
        branch
            Name of the branch.

        Raises
        ------
        NotFoundError
            There is no such branch.
        """
        last, target = self.state(branch)
        if last is None or target is None:
            raise NotFoundError(f"{self._storage.url}: there is no branch {branch!r}")
        return self.read(target), last

    def read(self, reference: Reference) -> Commit:
        """Read a commit, verified.

        Parameters
        ----------
        reference
            Id of the commit, and its branch and number in the log.

        Raises
        ------
        ExpiredError
            It is gone because history that old was dropped.
        CorruptObjectError
            It is missing, damaged, or another commit stands in its place.
        """
        # The place is that of the lake where the commit was made: here another may stand there, or nothing.
        record: Commit | Pointer | None = None
        expired = None
        if self._reaches(reference.branch, reference.number):
            try:
                record = self.record(reference.branch, reference.number)
            except ExpiredError as error:
                expired = error
        if not isinstance(record, Commit) or record.id != reference.id:
            record = self._elsewhere(reference.id)
        if record is None and expired is not None:
            raise expired
        if record is None and self._came_without_history():
            raise ExpiredError(
                f"commit {reference.id[:12]} of branch {reference.branch} has expired, in the lake that it came from or in this one"
            )
        if record is None:
            place = record_key(reference.branch, reference.number)
            raise CorruptObjectError(f"commit {reference.id} is not at {place}, where it should be")
        return record

    def _came_without_history(self) -> bool:
        """Whether commits came from another lake without all that is before them, or that has expired since."""
        return any(name.startswith(IMPORTED) for name in self._storage.folders(EXPIRED))

    def _reaches(self, branch: str, number: int) -> bool:
        """Whether a branch has a record of that number, or had it before it expired."""
        # Rows of records only grow: the storage is asked where more is meant than was seen.
        known = self._last.get(("log", branch))
        if known is None or number > known:
            known = self.last(branch)
        return known is not None and number <= known

    def _elsewhere(self, commit: Digest) -> Commit | None:
        """A commit by its id alone, for it or its follower came from another lake."""
        names = sorted(self.all_names(), key=lambda name: (not name.startswith(IMPORTED), name))
        for name in names:
            if commit in self._places:
                break
            last, first = self.last(name), max(self._scanned.get(name, 0), self.horizon(name))
            for number in range(first, -1 if last is None else last + 1):
                record = self.record(name, number)
                if isinstance(record, Commit):
                    self._places[record.id] = record.number, record.branch
                self._scanned[name] = number + 1
        place = self._places.get(commit)
        return None if place is None else self._commit(*place)

    def _commit(self, number: int, branch: str) -> Commit | None:
        record = self.record(branch, number)
        return record if isinstance(record, Commit) else None

    def reflog(self, name: str, space: Space = "log") -> Iterator[Commit | Pointer]:
        """List the records of a branch or tag, newest first, without those that have expired.

        Parameters
        ----------
        name
            Name of a branch or tag.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        last, horizon = self.last(name, space), self.horizon(name, space)
        for number in range(-1 if last is None else last, horizon - 1, -1):
            try:
                yield self.record(name, number, space)
            except ExpiredError:
                return

    def horizon(self, name: str, space: Space = "log") -> int:
        """Return the number of the first record that has not expired; 0 if none has.

        Parameters
        ----------
        name
            Name of a branch.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        newest = self._storage.last(f"{EXPIRED}{checked_ref_name(name)}/") if space == "log" else None
        return int(_file(newest)) if newest is not None and _NUMBER.fullmatch(_file(newest)) else 0

    def expire(self, name: str, horizon: int, time: datetime) -> str:
        """Declare that records of a branch before a number may be missing; return the key that says so.

        Parameters
        ----------
        name
            Name of a branch.
        horizon
            Number of the first record that stays.
        time
            When this was decided.
        """
        data = canonical_json({"time": time.isoformat()}) + b"\n"
        key = f"{EXPIRED}{checked_ref_name(name)}/{horizon:012d}"
        self._storage.create(key, data)
        return key

    def forget(self) -> None:
        """Read every record again when it is needed next."""
        self._records.clear()

    def numbers(self, name: str, space: Space = "log") -> list[int]:
        """Return the numbers of all records that should exist, newest first; of expired history those that still exist.

        Parameters
        ----------
        name
            Name of a branch or tag.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        return self._dense(name, space, self.last(name, space), self.horizon(name, space))

    def rows(self) -> list[Row]:
        """Return all names that exist or have existed with their `numbers`, branches first; asked at once."""
        spaces: tuple[Space, ...] = ("log", "tags")
        lists = zip(spaces, gathered(self.all_names, spaces), strict=True)
        found = [(space, name) for space, names in lists for name in names]
        asked = [partial(ask, name, space) for ask in (self.last, self.horizon) for space, name in found]
        answers = list(gathered(lambda ask: ask(), asked))
        ends = zip(found, answers[: len(found)], answers[len(found) :], strict=True)
        return [
            Row(space, name, self._dense(name, space, last, horizon or 0))
            for (space, name), last, horizon in ends
        ]

    def _dense(self, name: str, space: Space, last: int | None, horizon: int) -> list[int]:
        kept = self._numbers(space, name, everything=True) if horizon else []
        earlier = sorted((number for number in kept if number < horizon), reverse=True)
        return [*range(-1 if last is None else last, horizon - 1, -1), *earlier]

    def last(self, name: str, space: Space = "log") -> int | None:
        """Return the number of the newest record of a name; None if there is none.

        Parameters
        ----------
        name
            Name of a branch or tag.
        space
            ``"log"`` for branches, ``"tags"`` for tags.
        """
        known = self._last.get((space, name))
        if known is None:
            numbers = self._numbers(space, checked_ref_name(name))
            if not numbers:
                return None
            known = max(numbers)
        else:
            # Records are dense: writers leave no gap.
            while self._storage.size(record_key(name, known + 1, space)) is not None:
                known += 1
        self._last[space, name] = known
        return known

    def append(
        self, name: str, number: int, fields: Mapping[str, Any], space: Space = "log"
    ) -> Commit | Pointer | None:
        """Create record *number*; None if another writer has created it already.

        The record says where it was made; one that came from another lake says so already.

        Parameters
        ----------
        name
            Name of a branch or tag.
        number
            Number of the new record.
        fields
            Fields of the record, without those that say where it is.
        space
            ``"log"`` for branches, ``"tags"`` for tags.

        Raises
        ------
        StorageError
            The storage failed, and did not create it, or does not say.
        """
        fields = {"branch": name, "number": number, **fields}
        line = canonical_json(fields)
        key = record_key(checked_ref_name(name), number, space)
        try:
            created = self._storage.create(key, digest_of(line).encode() + b"\n" + line + b"\n")
        except StorageError:
            if self._storage.size(key) is None:
                raise
            created = False
        if created:
            record = self._keep(key, _record(fields, name, number, digest_of(line)))
        else:
            record = self.record(name, number, space)
            # A lost response: the create succeeded, and only its answer did not arrive.
            if record.uuid != fields["uuid"]:
                return None
            self._storage.secure(key)
        self._last[space, name] = number
        return record

    def secure(self, reference: Reference) -> None:
        """Make a commit that another process may just have made survive a power failure.

        Parameters
        ----------
        reference
            Id of the commit, and its branch and number in the log.
        """
        record = self.read(reference)
        self._storage.secure(record_key(record.branch, record.number))

    def point(
        self,
        name: str,
        target: Reference | None,
        *,
        message: str,
        author: str,
        after: int | None,
        space: Space = "log",
    ) -> bool:
        """Make a branch or tag refer to another commit, or to none.

        Parameters
        ----------
        name
            Name of a branch or tag.
        target
            The commit; None ends the name.
        message
            Why, for the reflog.
        author
            Author of the pointer, for the reflog.
        after
            The record that the name must still end with; None if it must have none.
        space
            ``"log"`` for branches, ``"tags"`` for tags.

        Returns
        -------
        False, with nothing done, if the name ends with another record.
        """
        fields = {
            "uuid": new_uuid(),
            "time": datetime.now(UTC).isoformat(),
            "author": author,
            "message": message,
            "target": None if target is None else target.to_json(),
        }
        if target is not None:
            self.secure(target)
        return self.append(name, 0 if after is None else after + 1, fields, space) is not None

    def _numbers(self, space: Space, name: str, *, everything: bool = False) -> list[int]:
        last = None if everything else self._storage.last(f"{space}/{name}/")
        keys = [last] if last is not None and _NUMBER.fullmatch(_file(last)) else []
        # Whatever else lies in the folder is not ours, and hides the records only from a hasty look.
        keys = keys or [stored.key for stored in self._storage.list(f"{space}/{name}/")]
        return [int(_file(key)) for key in keys if _NUMBER.fullmatch(_file(key))]

    def record(self, name: str, number: int, space: Space = "log") -> Commit | Pointer:
        """One record, verified.

        Parameters
        ----------
        name
            Name of a branch or tag.
        number
            Number of the record.
        space
            ``"log"`` for branches, ``"tags"`` for tags.

        Raises
        ------
        ExpiredError
            It is gone because history that old was dropped.
        CorruptObjectError
            It is missing or damaged.
        """
        key = record_key(name, number, space)
        record = self._records.get(key)
        if record is not None:
            return record
        try:
            data = self._storage.read(key)
        except NotFoundError as error:
            if number < (horizon := self.horizon(name, space)):
                raise ExpiredError(
                    f"commit {number} of branch {name} has expired: its history before {horizon} was dropped"
                ) from None
            raise CorruptObjectError(f"record {key} is missing: {error}") from error
        return self._keep(key, parse_record(data, key, name, number))

    def read_back(self, reference: Reference, count: int) -> None:
        """Read at once a commit and those that stand before it in its branch, if it is not known yet.

        Parameters
        ----------
        reference
            A commit that is needed next.
        count
            How many commits.
        """
        if record_key(reference.branch, reference.number) not in self._records:
            first = max(0, reference.number + 1 - count)
            numbers = range(first, reference.number + 1)
            self.read_ahead(("log", reference.branch, number) for number in numbers)

    def read_ahead(self, wanted: Iterable[tuple[Space, str, int]]) -> None:
        """Read several records at once that will be needed one by one.

        Parameters
        ----------
        wanted
            Of each record whether it is a branch's (``"log"``) or a tag's (``"tags"``), the name, and the number.
        """
        ahead = {record_key(name, number, space): (name, number) for space, name, number in wanted}
        keys = [key for key in ahead if key not in self._records]
        for key, data in zip(keys, self._storage.read_all(keys) if keys else (), strict=True):
            # A later read of it reports what is wrong.
            with contextlib.suppress(CorruptObjectError):
                if data is not None:
                    self._keep(key, parse_record(data, key, *ahead[key]))

    def _keep(self, key: str, record: Commit | Pointer) -> Commit | Pointer:
        self._records.put(key, record)
        return record


def checked_ref_name(name: str) -> str:
    """Return *name* if it is allowed as the name of a branch or tag.

    Parameters
    ----------
    name
        The name that was given.

    Raises
    ------
    InputError
        It is not allowed.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"the name of a branch or tag is letters, digits, '.', '_' and '-', not {name!r}")
    return name


def new_uuid() -> str:
    """Return an identity for one attempt to commit."""
    return uuid.uuid4().hex


def _file(key: str) -> str:
    return key.rsplit("/", 1)[1]


def record_key(name: str, number: int, space: Space = "log") -> str:
    """Return the storage's key of a record.

    Parameters
    ----------
    name
        Name of a branch or tag.
    number
        Number of the record.
    space
        ``"log"`` for branches, ``"tags"`` for tags.
    """
    return f"{space}/{name}/{number:012d}"


def parse_record(data: bytes, key: str, name: str, number: int) -> Commit | Pointer:
    """Parse and check the bytes of a record.

    Parameters
    ----------
    data
        Bytes of the record.
    key
        Its key, for messages.
    name
        Name of the branch or tag that holds it.
    number
        Its number there.

    Raises
    ------
    CorruptObjectError
        It does not have its digest, or is no record.
    """
    digest, _, line = data.partition(b"\n")
    if digest_of(line[:-1]).encode() != digest or not line.endswith(b"\n"):
        raise CorruptObjectError(f"record {key} is damaged")
    try:
        fields = json.loads(line)
        kinds = _ALWAYS if "target" in fields else _COMMIT
        wrong = [field for field, kind in kinds.items() if type(fields[field]) is not kind]
        if not name.startswith(IMPORTED) and (fields["branch"], fields["number"]) != (name, number):
            raise MalformedError(f"record {key} is not where it was created")
        if datetime.fromisoformat(fields["time"]).tzinfo is None:
            raise ValueError("a time without offset")
        if not wrong:
            return _checked(_record(fields, name, number, Digest(digest.decode())), key)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedError(f"record {key} cannot be read: {error!r}") from error
    raise MalformedError(f"record {key} has a wrong {wrong[0]}")


def _record(fields: Mapping[str, Any], name: str, number: int, digest: Digest) -> Commit | Pointer:
    if "target" not in fields:
        return Commit(name, number, digest, fields)
    target = None if fields["target"] is None else Reference.from_json(fields["target"])
    time = datetime.fromisoformat(fields["time"])
    return Pointer(fields["uuid"], time, fields["author"], fields["message"], target)


def _checked(record: Commit | Pointer, key: str) -> Commit | Pointer:
    if isinstance(record, Commit):
        stored = "tree" in record.fields
        possible = 0 <= record.depth <= FOLD_AFTER and (record.depth == 0) == stored
        if not possible or not is_digest(record.snapshot) or (record.depth and not record.parents):
            raise MalformedError(f"record {key} has a wrong snapshot, depth or parents")
    return record
