"""Garbage collection: deletes objects that no commit needs, safely beside running writers and readers.

It has two phases. Unreachable objects that are older than the grace period are *condemned*: a set of their keys is published in
``gc/``. When a set is as old as the grace period, those of its objects that are still unreachable are deleted. No process
loses an object, however long it waits between two steps:

- No commit refers to a condemned key for the first time. A writer reads the sets before it writes a record, and copies the condemned objects
  that it would refer to (`condemned.Condemned`, `placement.rescued`); so an object does not become reachable again after
  its set was published,
- except through a writer that read them earlier. Before the deletion every branch gets a record (a fence: a pointer to the
  branch's newest commit), so such a writer finds its number taken, and reads the sets again. The collector sees commits from before the
  fence, because it determines the reachable objects after the fence.
- A deleted key is not used again while its set exists, and sets stay for a week after the grace period. Keys whose set has less than half
  a week left are condemned once more before they are deleted, because another collector might remove the set meanwhile; and a
  collection that takes longer than that stops to delete.
- A transaction that takes longer than the grace period may find its objects deleted. It fails then.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from ..errors import CorruptObjectError, InputError
from ..history.log import Log
from ..history.trees import History
from ..objects.condemned import GRACE, publish, read_if_there, set_key, sets
from ..objects.store import ObjectStore
from ..storage.base import Storage, StoredObject
from ..storage.local import TEMPORARY
from ..threads import gathered
from .reachable import Reachable

KEPT = timedelta(days=7)
LONGEST_WRITE = timedelta(days=1)
_AT_ONCE = 1000


@dataclass(frozen=True)
class Garbage:
    """What a collection did, or would do.

    Parameters
    ----------
    condemned
        Keys and sizes of what is to be deleted after the grace period.
    deleted
        Keys and sizes of what was deleted.
    temporary
        The same of files that writers which died left behind.
    waiting
        Keys of what was condemned before, and is not old enough to be deleted.
    """

    condemned: tuple[tuple[str, int], ...]
    deleted: tuple[tuple[str, int], ...]
    temporary: tuple[tuple[str, int], ...]
    waiting: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("condemned", self.condemned), ("deleted", self.deleted), ("temporary", self.temporary))
        told = [f"{name} {len(rows)} ({sum(size for _, size in rows):,} bytes)" for name, rows in parts]
        return f"{', '.join(told)}, waiting {len(self.waiting)}"


def collect(
    history: History,
    *,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    author: str = "",
    pause: Callable[[str], None] = lambda step: None,
) -> Garbage:
    """Condemn the objects that no commit needs, and delete those condemned a grace period ago.

    Parameters
    ----------
    history
        Of which lake.
    grace
        How old garbage is when it is condemned, and a set when it is swept, by the storage's clock. Longer than
        any transaction takes; with zero everything goes at once, and transactions that are under way fail.
    dry_run
        Tell only what would be done.
    author
        Author of the fences.
    pause
        Called with the name of each step before it, for tests.

    Raises
    ------
    CorruptObjectError
        A manifest is missing or damaged, so that it is not known what is reachable: nothing is deleted.
    InputError
        *grace* is negative.
    """
    if grace < timedelta(0):
        raise InputError(f"the grace period must not be negative: {grace}")
    run = _Collection(history.objects.storage, grace, dry_run, author, pause)
    condemned = run.condemn()
    deleted, waiting = run.sweep(condemned)
    temporary = run.clear()
    return Garbage(_sized(condemned), _sized(deleted), _sized(temporary), tuple(sorted(waiting)))


class _Published(NamedTuple):
    """A set, and when it was published by the storage's clock, or earlier."""

    time: datetime
    keys: list[str]


class _Collection:
    """One run."""

    def __init__(
        self, storage: Storage, grace: timedelta, dry_run: bool, author: str, pause: Callable[[str], None]
    ) -> None:
        self._storage = storage
        self._log = Log(storage)
        self._grace = grace
        self._dry_run = dry_run
        self._author = author
        self._pause = pause
        self._reachable = Reachable(History(ObjectStore(storage), self._log))
        self._began = time.time()
        # All at once: what is reachable is determined again before anything is deleted, and it may be condemned.
        looks = (self._tell_time, self._read_sets, self._list, self._list_temporary, self._mark)
        deque(gathered(lambda look: look(), looks), maxlen=0)

    def _tell_time(self) -> None:
        self._started = self._storage.now()

    def _read_sets(self) -> None:
        published = sets(self._storage)
        found = gathered(lambda number: read_if_there(self._storage, number), [*published])
        self._sets = {
            number: _Published(published[number], keys)
            for number, keys in zip(published, found, strict=True)
            if keys is not None
        }

    def _list(self) -> None:
        lists = gathered(lambda folder: [*self._storage.list(folder)], ("packs/", "objects/"))
        self._present = {stored.key: stored for listed in lists for stored in listed}

    def _list_temporary(self) -> None:
        self._temporary = [*self._storage.list(f"{TEMPORARY}/")]

    def condemn(self) -> list[StoredObject]:
        """Publish a set of what is unreachable, old enough, and in no set yet; and of what will soon be in none."""
        known = {key for one in self._sets.values() for key in one.keys}
        found = [
            stored
            for key, stored in self._present.items()
            if key not in known and key not in self._reachable.keys and self._older(stored, self._grace)
        ]
        self._pause("publish")
        keys = {stored.key for stored in found} | self._ending()
        if keys and not self._dry_run:
            self._publish(sorted(keys))
        return found

    def _ending(self) -> set[str]:
        """What is going to be deleted, and in no set that another collector is sure to leave meanwhile."""
        young = [n for n, one in self._sets.items() if self._started - one.time < KEPT / 2]
        return self._garbage_in(self._ripe()) - self._garbage_in(young)

    def _ripe(self) -> set[int]:
        """Sets whose grace period is over."""
        return {n for n, one in self._sets.items() if self._started - one.time >= self._grace}

    def _publish(self, keys: list[str]) -> None:
        number = publish(self._storage, keys, self._started)
        self._sets[number] = _Published(self._started, keys)

    def sweep(self, condemned: Iterable[StoredObject]) -> tuple[list[StoredObject], set[str]]:
        """Delete what is in sets that are old enough; what was deleted, and the keys that wait."""
        ripe = self._ripe()
        doomed = self._garbage_in(ripe)
        if self._dry_run and self._grace == timedelta(0):
            doomed |= {stored.key for stored in condemned}
        waiting = self._garbage_in(self._sets.keys() - ripe) - doomed
        if doomed and not self._dry_run:
            self._pause("fence")
            self._fence()
            self._mark()
            doomed = self._delete(sorted(key for key in doomed if self._is_garbage(key)))
        if not self._dry_run:
            self._retire(doomed)
        return [self._present[key] for key in sorted(doomed)], waiting

    def clear(self) -> list[StoredObject]:
        """Delete temporary files that no process can still be writing."""
        age = max(self._grace, LONGEST_WRITE)
        found = [stored for stored in self._temporary if self._older(stored, age)]
        if not self._dry_run:
            self._storage.delete_all([stored.key for stored in found])
        return found

    def _mark(self) -> None:
        self._reachable.update()
        for key, error in self._reachable.broken.items():
            raise CorruptObjectError(
                f"nothing was deleted, for what is reachable is not known: {key}: {error}; "
                "verify the lake, and repair it"
            )

    def _fence(self) -> None:
        """Take the next number of every branch: a commit that was prepared before has to be prepared again."""
        # Looked up again: who has taken a number since the sets were published knows them.
        deque(gathered(self._fence_one, self._log.all_names()), maxlen=0)

    def _fence_one(self, branch: str) -> None:
        number, target = self._log.state(branch)
        # No writer commits to a branch that does not exist.
        if target is not None:
            self._log.point(branch, target, message="Collect garbage", author=self._author, after=number)

    def _delete(self, keys: Sequence[str]) -> set[str]:
        """Delete objects; the keys of those that were."""
        deleted: set[str] = set()
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            self._pause(f"delete {some[0]}")
            if time.time() - self._began > KEPT.total_seconds() / 2:
                break
            self._storage.delete_all(some)
            deleted.update(some)
        return deleted

    def _retire(self, deleted: AbstractSet[str]) -> None:
        """Remove the sets that are old enough, and of which nothing is left."""
        old = {n for n, one in self._sets.items() if self._started - one.time - KEPT > self._grace}
        retired = {number for number in old if self._garbage_in([number]) <= deleted}
        # The newest stays: its number tells writers that there were sets, and the next one goes on from it.
        newest = max(self._sets, default=-1)
        if newest in retired:
            if self._sets[newest].keys:
                self._publish([])
            else:
                retired.remove(newest)
        self._storage.delete_all([set_key(number) for number in sorted(retired)])

    def _garbage_in(self, numbers: Iterable[int]) -> set[str]:
        """What is garbage of some sets."""
        return {key for number in numbers for key in self._sets[number].keys if self._is_garbage(key)}

    def _is_garbage(self, key: str) -> bool:
        return key in self._present and key not in self._reachable.keys

    def _older(self, stored: StoredObject, age: timedelta) -> bool:
        return self._started - stored.modified >= age


def _sized(found: Iterable[StoredObject]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((stored.key, stored.size) for stored in found))
