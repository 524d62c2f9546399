"""Commits from one lake to another: only what is missing there, and the ref last.

Objects keep their names and records their bytes, hence commits their ids. What came from elsewhere stands in the
log of a branch ``import-…``, which ends deleted: it names nothing, and keeps the commits findable.

Beside garbage collection over there a sender is a writer like any other (see `garbage`). The branch begins before
anything is sent, so that it is fenced; before the first record, and after every fence, the sender looks whether
anything that it sent was condemned. Unlike other writers it cannot put that elsewhere, for records name places.
"""

import uuid
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Semaphore

from ..digest import Digest, digest_of
from ..errors import ConflictError, CorruptObjectError, FormatError, NeurolakeError, NotFoundError
from ..history.ancestry import ancestors
from ..history.log import EXPIRED, IMPORTED, Commit
from ..history.trees import History
from ..nodes.naming import check_names
from ..objects.condemned import Condemned
from ..objects.packs import pack_content
from ..threads import CORES, gathered
from .expiry import Needs
from .reachable import Reachable
from .verification import Progress


def copy_everything(
    source: History,
    target: History,
    progress: Progress | None = None,
    *,
    history: timedelta | datetime | None = None,
) -> int:
    """Copy all objects, branches and tags to an empty storage; return the number of objects sent.

    Run again after it was interrupted, it sends the rest.

    Parameters
    ----------
    source
        History of the lake to copy.
    target
        History of the new lake.
    progress
        Called with the number of objects sent and to send.
    history
        Older history stays behind, as if it had expired: see `expiry.Needs`. All is copied by default.
    """
    needs = None if history is None else Needs(source.log, history)
    reachable = Reachable(source)
    reachable.update(None if needs is None else needs.kept)
    _require_sound(reachable)
    sent = _send(source, target, reachable.keys, progress)
    storage = target.objects.storage
    storage.flush()
    # Nothing is a lake before it has its marker, so records may come in any order; but those that expire meanwhile
    # are below a horizon that is there by then.
    deque(gathered(partial(_copy_record, source, target), sorted(reachable.records)), maxlen=0)
    horizons = {stored.key for stored in source.objects.storage.list(EXPIRED)}
    deque(
        gathered(lambda key: storage.create(key, source.objects.storage.read(key)), sorted(horizons)),
        maxlen=0,
    )
    for branch, horizon in needs.lost.items() if needs is not None else ():
        horizons.add(target.log.expire(branch, horizon, datetime.now(UTC)))
    # A copy of less history may have been interrupted here.
    for stored in [*storage.list(EXPIRED)]:
        if stored.key not in horizons:
            storage.delete(stored.key)
    return sent


def _copy_record(source: History, target: History, key: str) -> None:
    try:
        target.objects.storage.create(key, source.objects.storage.read(key))
    except NotFoundError:
        space, name, number = key.split("/")
        if space != "log" or int(number) >= source.log.horizon(name):
            raise CorruptObjectError(f"record {key} is missing; verify this lake") from None


def push(
    source: History,
    target: History,
    branch: str,
    to: str,
    *,
    author: str,
    progress: Progress | None = None,
) -> tuple[Commit, int]:
    """Send the commits of a branch that the other lake lacks, then move its branch *to* forward to them.

    Parameters
    ----------
    source
        History of this lake.
    target
        History of the other lake.
    branch
        Branch of this lake.
    to
        Branch of the other lake.
    author
        Author of the pointers, for the reflog.
    progress
        Called with the number of objects sent and to send.

    Returns
    -------
    The commit that *to* means now, and the number of commits sent.

    Raises
    ------
    ConflictError
        The other branch has commits of its own: pull them first. Or garbage collection there has condemned, or
        deleted, what is to be sent.
    NodeNameError
        A name that is new there means two things; see `nodes.naming`.
    NotFoundError
        There is no branch *branch*.
    """
    tip, sent = source.log.tip(branch), 0
    while True:
        theirs, number = _head(target, to)
        ours = {record.id for record in ancestors(source.log, tip)}
        if theirs is not None and theirs.id not in ours:
            raise ConflictError(
                f"branch {to!r} of {target.objects.storage.url} has commits that are not here: pull, then push"
            )
        check_names(source.tree(tip), {} if theirs is None else target.tree(theirs))
        sent += send(source, target, tip, author=author, progress=progress)
        if theirs is not None and theirs.id == tip.id:
            return tip, sent
        message = f"Push {branch} from {source.objects.storage.url}"
        if target.log.point(to, tip.reference, message=message, author=author, after=number):
            return tip, sent


def send(
    source: History, target: History, tip: Commit, *, author: str, progress: Progress | None = None
) -> int:
    """Send a commit and all before it to another lake; return the number of commits that it lacked.

    Parameters
    ----------
    source
        History of this lake.
    target
        History of the other lake.
    tip
        The commit to send.
    author
        Author of the pointers, for the reflog.
    progress
        Called with the number of objects sent and to send.

    Raises
    ------
    FormatError
        The other lake keeps to an older format, in which commits cannot be what they are here.
    """
    _require_format(source, target)
    known = {record.id for record in target.commits()}
    missing = list(_missing(source, tip, known))
    if not missing:
        return 0
    reachable = Reachable(source)
    for record in missing:
        reachable.add(record)
    _require_sound(reachable)
    arrival = _Arrival(target, reachable.keys, f"From {source.objects.storage.url}", author)
    here = known | {record.id for record in missing}
    try:
        if any(parent.id not in here for record in missing for parent in record.parents):
            arrival.lack_history()
        arrival.require_kept(sent=False)
        _send(source, target, reachable.keys, progress)
        target.objects.storage.flush()
        arrival.require_kept()
        for record in reversed(missing):
            arrival.append(record)
    except BaseException:
        with suppress(NeurolakeError):
            arrival.end()
        raise
    arrival.end()
    return len(missing)


class _Arrival:
    """The branch that receives commits, and the keys that they need."""

    def __init__(self, target: History, keys: Collection[str], message: str, author: str) -> None:
        self._target = target
        self._keys = keys
        self._condemned = Condemned(target.objects.storage)
        self._branch, self._number = f"{IMPORTED}{uuid.uuid4().hex}", 0
        self._point = partial(target.log.point, self._branch, message=message, author=author)
        # Until it ends it exists, and what exists is fenced.
        self._point(target.log.tip().reference, after=None)

    def require_kept(self, *, sent: bool = True) -> None:
        """Refuse to build on what garbage collection has condemned there, or deleted since it was *sent*."""
        if not self._condemned.refresh():
            return
        storage = self._target.objects.storage
        lost = {key for key in self._keys if self._condemned.number(key) is not None}
        if sent:
            keys = [*self._keys]
            lost |= {key for key, size in zip(keys, storage.sizes(keys), strict=True) if size is None}
        if lost:
            # Objects that commits there need stay, whatever condemned them before.
            known = Reachable(self._target)
            known.update()
            lost -= known.keys.keys()
        if lost:
            raise ConflictError(
                f"garbage collection of {storage.url} has condemned {min(lost)}, which is to be sent: its name "
                "can be used again once that was deleted and another week has passed. Collect the garbage there "
                "then, and send again"
            )

    def lack_history(self) -> None:
        """Declare that what is before the commits may be missing: it has expired where they come from."""
        self._target.log.expire(self._branch, 1, datetime.now(UTC))

    def append(self, record: Commit) -> None:
        """Make a commit known."""
        while self._target.log.append(self._branch, self._number + 1, record.fields) is None:
            # Garbage collection was first, and is going to delete what it has condemned before.
            self._number += 1
            self.require_kept()
        self._number += 1

    def end(self) -> None:
        """Name nothing any more."""
        while not self._point(None, after=self._number):
            self._number += 1


def _require_format(source: History, target: History) -> None:
    ours, theirs = source.objects.format, target.objects.format
    if ours > theirs:
        place = target.objects.storage.url
        raise FormatError(
            f"{place} has format {theirs}, and the commits to be sent have format {ours}: "
            f"neurolake upgrade --lake {place} lets it have them, and asks for a newer neurolake where an older one is used"
        )


def _missing(source: History, tip: Commit, known: set[Digest]) -> Iterator[Commit]:
    """Commits that are not *known*, none before one that follows it."""
    return ancestors(source.log, tip, without=known)


def _head(history: History, branch: str) -> tuple[Commit | None, int | None]:
    try:
        return history.log.head(branch)
    except NotFoundError:
        return None, history.log.last(branch)


def _require_sound(reachable: Reachable) -> None:
    for error in reachable.broken.values():
        raise error


def _send(source: History, target: History, keys: Iterable[str], progress: Progress | None = None) -> int:
    """Copy objects that the other storage lacks, checked; how many."""
    there, known = target.objects.storage, [*keys]
    wanted = [key for key, size in zip(known, gathered(there.size, known), strict=True) if size is None]
    # Packs are large: few of them are in memory at once.
    room = Semaphore(2 * CORES)

    def copy(key: str) -> None:
        with room if key.startswith("packs/") else nullcontext():
            there.write(key, _checked(key, source.objects.storage.read(key)))

    for done, _ in enumerate(gathered(copy, wanted), 1):
        if progress is not None:
            progress(done, len(wanted))
    return len(wanted)


def _checked(key: str, data: bytes) -> bytes:
    """*data*, if it is what an object of that key must be: damage does not travel."""
    name = key.rsplit("/", 1)[1].split(".", 1)[0]
    if not key.startswith("packs/"):
        if digest_of(data) != name:
            raise CorruptObjectError(f"object {key} is damaged; verify this lake")
        return data
    view = memoryview(data)
    for digest, offset, length in pack_content(data, name):
        if length and digest_of(view[offset : offset + length]) != digest:
            raise CorruptObjectError(f"object {digest} in {key} is damaged; verify this lake")
    return data
