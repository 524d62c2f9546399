"""Expiry: drops history older than a time; garbage collection then deletes what only that history needed.

Records are deleted, oldest first, so that a branch keeps its newest ones without a gap. What stays:

- every commit since the time, and the one that was current then;
- the newest commit of every branch, and the newest record of one that was deleted;
- whatever these need to be read: commits store what changed, back to one that stores its tree whole;
- what branches that exist did since they parted, and what they had in common then, so that any two can be merged;
- tagged commits, as islands with what they need to be read, but without what came before or after.

``expired/<branch>/<number>`` is published before anything is deleted, so that a reader knows that a missing earlier
record of the branch has expired and is not lost. Numbers only grow.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import InputError
from ..history.ancestry import since_parted
from ..history.log import Commit, Log, Pointer, record_key
from ..history.trees import History


@dataclass(frozen=True)
class Expiry:
    """What expired, or would.

    Parameters
    ----------
    horizons
        By branch that loses history, the number of the first record that it keeps in a row.
    records
        How many records were deleted.
    islands
        Keys of earlier records that stay because of tags.
    """

    horizons: dict[str, int]
    records: int
    islands: tuple[str, ...]


def expire(history: History, older_than: timedelta | datetime, *, dry_run: bool = False) -> Expiry:
    """Drop history that is no longer needed.

    Times are those of the commits, by their writers' clocks.

    Parameters
    ----------
    history
        Of which lake.
    older_than
        A time, in UTC unless it says otherwise, or how long ago.
    dry_run
        Tell only what would be done.

    Raises
    ------
    InputError
        The time is in the future, or longer ago than a calendar goes back.
    CorruptObjectError
        A record is missing or damaged; nothing was deleted.
    """
    log, storage = Log(history.objects.storage), history.objects.storage
    needs = Needs(log, older_than)
    doomed = needs.doomed()
    # Every horizon is there before anything is gone.
    for branch, horizon in needs.lost.items() if not dry_run else ():
        log.expire(branch, horizon, datetime.now(UTC))
    storage.flush()
    storage.delete_all([] if dry_run else doomed)
    history.log.forget()
    return Expiry(needs.lost, len(doomed), tuple(sorted(record_key(*at) for at in needs.islands)))


class Needs:
    """Which records have to stay where history older than a time is dropped.

    Parameters
    ----------
    log
        Log of the lake.
    older_than
        A time, in UTC unless it says otherwise, or how long ago.

    Attributes
    ----------
    horizons
        By branch, the first of the records that stay in a row.
    lost
        Those of the branches that lose history.
    islands
        Branch and number of further records that stay.
    kept
        Keys of all records that stay, those of tags among them; they refer to no others that are there now.

    Raises
    ------
    InputError
        The time is in the future, or longer ago than a calendar goes back.
    CorruptObjectError
        A record is missing or damaged.
    """

    def __init__(self, log: Log, older_than: timedelta | datetime) -> None:
        now = datetime.now(UTC)
        try:
            time = now - older_than if isinstance(older_than, timedelta) else older_than
        except OverflowError:
            raise InputError(f"no calendar goes back {older_than}; give a later time") from None
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        if time > now:
            raise InputError(f"{time.isoformat()} is in the future; give a time in the past")
        self._log = log
        self.horizons: dict[str, int] = {}
        self.islands: set[tuple[str, int]] = set()
        self.kept: set[str] = set()
        for branch in self._log.all_names():
            last = self._log.last(branch)
            if last is not None:
                self._keep(branch, self._since(branch, last, time))
        for record in since_parted(self._log, [self._log.tip(branch) for branch in self._log.names()]):
            self._keep(record.branch, record.number)
        for tag in self._log.all_names("tags"):
            numbers = self._log.numbers(tag, "tags")
            self.kept |= {record_key(tag, number, "tags") for number in numbers}
            newest = self._log.record(tag, numbers[0], "tags")
            if isinstance(newest, Pointer) and newest.target is not None:
                self._keep_island(self._log.read(newest.target))
        self.islands = {at for at in self.islands if at[1] < self.horizons[at[0]]}
        self.lost = {name: first for name, first in self.horizons.items() if first > log.horizon(name)}

    def doomed(self) -> list[str]:
        """Return the keys of the records that need not stay, oldest first in each branch."""
        return [
            record_key(branch, number)
            for branch, horizon in self.horizons.items()
            for number in sorted(self._log.numbers(branch))
            if number < horizon and (branch, number) not in self.islands
        ]

    def _since(self, branch: str, last: int, time: datetime) -> int:
        """The record that was current at *time*: what follows is newer throughout."""
        for number in range(last, self._log.horizon(branch), -1):
            if self._log.record(branch, number).time < time:
                return number
        return self._log.horizon(branch)

    def _keep(self, branch: str, first: int) -> None:
        """Keep a branch from a record on, and what these records need."""
        pending = [(branch, first)]
        while pending:
            branch, first = pending.pop()
            last = self._log.last(branch)
            assert last is not None, "only branches with records are referred to"
            done = self.horizons.get(branch, last + 1)
            self.horizons[branch] = min(first, done)
            for number in range(first, done):
                self.kept.add(record_key(branch, number))
                pending += self._needed_by(self._log.record(branch, number))

    def _keep_island(self, record: Commit) -> None:
        self.islands.add((record.branch, record.number))
        self.kept.add(record_key(record.branch, record.number))
        for branch, number in self._needed_by(record):
            before = self._log.record(branch, number)
            if isinstance(before, Commit):
                self._keep_island(before)

    def _needed_by(self, record: Commit | Pointer) -> Iterator[tuple[str, int]]:
        if isinstance(record, Commit):
            targets = record.parents[:1] if record.depth else ()
        else:
            targets = () if record.target is None else (record.target,)
        for target in targets:
            # Where it stands here: it may have come from another lake.
            found = self._log.read(target)
            yield found.branch, found.number
