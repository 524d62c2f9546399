"""Ancestors and merge bases: walks over the parents of commits that do not depend on the clocks of writers."""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..digest import Digest
from ..errors import ExpiredError
from .log import Commit, Log

_ONE, _OTHER, _BOTH = 1, 2, 3
# A long walk reads records by so many; a short one has read no more than twice what it needed.
_AHEAD = 256
# Sorts newest first.
_Dated = tuple[float, int, str, Commit]


@dataclass(frozen=True)
class Divergence:
    """The merge bases of two commits, and the commits since.

    Parameters
    ----------
    bases
        The newest commits that both follow: none of them follows another. There are several where branches
        were merged crosswise.
    one, other
        Commits that only one of them follows, and it itself; newest first.
    """

    bases: list[Commit]
    one: list[Commit]
    other: list[Commit]


def ancestors(log: Log, record: Commit, *, without: Collection[Digest] = ()) -> Iterator[Commit]:
    """Yield *record* and all commits before it, newest first, none before one that follows it.

    History that has expired is left out.

    Parameters
    ----------
    log
        Log of the lake.
    record
        The commit.
    without
        Ids of commits that are left out, with all before them that nothing else leads to.

    Raises
    ------
    CorruptObjectError
        A record is missing or damaged.
    """
    if record.id in without:
        return
    records = {record.id: record}
    followers = {record.id: 0}
    unseen = [record]
    while unseen:
        for parent in _parents(log, unseen.pop(), ahead=min(len(records), _AHEAD)):
            if parent.id in without:
                continue
            followers[parent.id] = followers.get(parent.id, 0) + 1
            if parent.id not in records:
                records[parent.id] = parent
                unseen.append(parent)
    ready = [_dated(record)]
    while ready:
        record = heapq.heappop(ready)[-1]
        yield record
        for reference in record.parents:
            if reference.id in records:
                followers[reference.id] -= 1
                if not followers[reference.id]:
                    heapq.heappush(ready, _dated(records[reference.id]))


def follows(log: Log, record: Commit, earlier: Commit) -> bool:
    """Return whether *earlier* is *record* or comes before it.

    Parameters
    ----------
    log
        Log of the lake.
    record
        The later commit.
    earlier
        The commit to look for.
    """
    return any(found.id == earlier.id for found in ancestors(log, record))


def divergence(log: Log, one: Sequence[Commit], other: Commit) -> Divergence:
    """Find the merge base of *one* (all together) and *other*; reads little more than the commits since.

    Parameters
    ----------
    log
        Log of the lake.
    one
        Commits of one side.
    other
        Commit of the other side.

    Raises
    ------
    CorruptObjectError
        A record is missing or damaged.
    """
    walk = _Walk(log)
    for record in one:
        walk.reach(record, _ONE)
    walk.reach(other, _OTHER)
    # What stands before a common commit is common too.
    walk.until(_BOTH)
    several = len(walk.bases()) > 1
    # Of several newest common commits, one may stand before another by a way that is not yet gone.
    while walk.ahead and several:
        walk.step()
    return Divergence(walk.bases(), walk.coloured(_ONE), walk.coloured(_OTHER))


def since_parted(log: Log, tips: Sequence[Commit]) -> list[Commit]:
    """Return what merges of any two commits depend on, back to what those have in common.

    A commit matters that some of them do not follow although they follow something before it, and what it follows
    itself. Where this ends at several commits, it depends on how these are related which of them is a merge base.

    Parameters
    ----------
    log
        Log of the lake.
    tips
        The commits that may be merged.

    Raises
    ------
    CorruptObjectError
        A record is missing or damaged.
    """
    found: dict[str, Commit] = {}
    while tips:
        walk = _Walk(log)
        for at, tip in enumerate(tips):
            walk.reach(tip, 1 << at)
        walk.until((1 << len(tips)) - 1)
        parted = walk.parted()
        ends = walk.parents_of(parted)
        found |= parted | ends
        tips = [*ends.values()]
    return [*found.values()]


class _Walk:
    """Commits reached so far, in the colours of those that follow them; `ahead` are those to go on from."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._records: dict[str, Commit] = {}
        self.colours: dict[str, int] = {}
        self.ahead: list[_Dated] = []

    def reach(self, record: Commit, colour: int) -> None:
        colour |= self.colours.get(record.id, 0)
        if colour != self.colours.get(record.id):
            self.colours[record.id] = colour
            self._records[record.id] = record
            heapq.heappush(self.ahead, _dated(record))

    def step(self) -> None:
        record = heapq.heappop(self.ahead)[-1]
        for parent in _parents(self._log, record):
            self.reach(parent, self.colours[record.id])

    def until(self, colour: int) -> None:
        """Go on until all that is ahead has a colour."""
        while any(self.colours[record.id] != colour for *_, record in self.ahead):
            self.step()

    def parted(self) -> dict[str, Commit]:
        """By id, the commits after one that has a colour which they lack."""
        below = dict(self.colours)
        followers: dict[str, list[Digest]] = {}
        for record in self._records.values():
            for parent in record.parents:
                followers.setdefault(parent.id, []).append(record.id)
        pending = [record.id for record in sorted(self._records.values(), key=_dated)]
        while pending:
            before = pending.pop()
            for after in followers.get(before, ()):
                if below[before] | below[after] != below[after]:
                    below[after] |= below[before]
                    pending.append(after)
        return {at: record for at, record in self._records.items() if below[at] != self.colours[at]}

    def parents_of(self, records: Mapping[str, Commit]) -> dict[str, Commit]:
        """By id, the parents of commits that are none of these themselves."""
        before = {parent.id for record in records.values() for parent in record.parents} - records.keys()
        return {at: self._records[at] for at in before if at in self._records}

    def coloured(self, colour: int) -> list[Commit]:
        found = (record for record in self._records.values() if self.colours[record.id] == colour)
        return sorted(found, key=_dated)

    def bases(self) -> list[Commit]:
        common = self.coloured(_BOTH)
        before = {parent.id for record in common for parent in record.parents}
        return [record for record in common if record.id not in before]


def _dated(record: Commit) -> _Dated:
    return -record.time.timestamp(), -record.number, record.id, record


def _parents(log: Log, record: Commit, ahead: int = 1) -> Iterator[Commit]:
    """Commits that *record* follows; where one is read, as many as *ahead* before it are read with it."""
    for reference in record.parents:
        log.read_back(reference, ahead)
        try:
            yield log.read(reference)
        except ExpiredError:
            continue
