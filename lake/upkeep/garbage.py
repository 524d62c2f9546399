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
- A deleted key is not used again while its set exists, and sets stay for a week after the grace period: a
  collection that needs longer for its deletions stops.
- A transaction that takes longer than the grace period may find its objects deleted. It fails then.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import CorruptObjectError, InputError
from ..history.log import Log
from ..history.trees import History
from ..objects.condemned import GRACE, publish, read_set, set_key, sets
from ..objects.store import ObjectStore
from ..storage.base import Storage, StoredObject
from ..storage.local import TEMPORARY
from ..threads import gathered
from .reachable import Reachable

KEPT = timedelta(days=7)
LONGEST_WRITE = timedelta(days=1)


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
        # Listed before it is marked: what is written and committed meanwhile is not in the list.
        self._started = storage.now()
        lists = gathered(lambda folder: [*storage.list(folder)], ("packs/", "objects/"))
        self._present = {stored.key: stored for listed in lists for stored in listed}
        self._reachable = Reachable(History(ObjectStore(storage), self._log))
        self._mark()

    def condemn(self) -> list[StoredObject]:
        """Publish a set of what is unreachable, old enough, and in no set yet."""
        known = {key for number in sets(self._storage) for key in read_set(self._storage, set_key(number))}
        found = [
            stored
            for key, stored in self._present.items()
            if key not in known and key not in self._reachable.keys and self._older(stored, self._grace)
        ]
        self._pause("publish")
        if found and not self._dry_run:
            publish(self._storage, [stored.key for stored in found], self._started)
        return found

    def sweep(self, condemned: Iterable[StoredObject]) -> tuple[list[StoredObject], set[str]]:
        """Delete what is in sets that are old enough; what was deleted, and the keys that wait."""
        now = self._storage.now()
        published = sets(self._storage)
        keys = {number: read_set(self._storage, set_key(number)) for number in published}
        ripe = {number for number, time in published.items() if now - time >= self._grace}
        doomed = {key for number in ripe for key in keys[number] if self._is_garbage(key)}
        if self._dry_run and self._grace == timedelta(0):
            doomed |= {stored.key for stored in condemned}
        waiting = {
            key for number in keys.keys() - ripe for key in keys[number] if self._is_garbage(key)
        } - doomed
        if doomed and not self._dry_run:
            self._pause("fence")
            self._fence()
            self._mark()
            doomed = {key for key in doomed if self._is_garbage(key)}
            self._delete(doomed)
        if not self._dry_run:
            self._retire(now, {n: published[n] for n in ripe}, keys)
        return [self._present[key] for key in sorted(doomed)], waiting

    def clear(self) -> list[StoredObject]:
        """Delete temporary files that no process can still be writing."""
        age = max(self._grace, LONGEST_WRITE)
        found = [stored for stored in self._storage.list(f"{TEMPORARY}/") if self._older(stored, age)]
        for stored in found if not self._dry_run else ():
            self._storage.delete(stored.key)
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
        for branch in self._log.all_names():
            number, target = self._log.state(branch)
            # No writer commits to a branch that does not exist.
            if target is not None:
                self._log.point(branch, target, message="Collect garbage", author=self._author, after=number)

    def _delete(self, keys: Iterable[str]) -> None:
        decided = time.time()
        for key in sorted(keys):
            if time.time() - decided > KEPT.total_seconds() / 2:
                break
            self._pause(f"delete {key}")
            self._storage.delete(key)

    def _retire(self, now: datetime, ripe: dict[int, datetime], keys: dict[int, list[str]]) -> None:
        old = {number for number, published in ripe.items() if now - published > self._grace + KEPT}
        retired = {
            number
            for number in old
            if not any(self._storage.size(key) is not None for key in keys[number] if self._is_garbage(key))
        }
        # The newest stays: its number tells writers that there were sets, and the next one goes on from it.
        newest = max(keys, default=-1)
        if newest in retired:
            if keys[newest]:
                publish(self._storage, [], now)
            else:
                retired.remove(newest)
        for number in retired:
            self._storage.delete(set_key(number))

    def _is_garbage(self, key: str) -> bool:
        return key in self._present and key not in self._reachable.keys

    def _older(self, stored: StoredObject, age: timedelta) -> bool:
        return self._started - stored.modified >= age


def _sized(found: Iterable[StoredObject]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((stored.key, stored.size) for stored in found))
