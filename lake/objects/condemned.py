"""Condemned keys: garbage collection is going to delete them, and no new commit may refer to them.

``gc/<number>`` is a set of keys, published once, whole and for good (`garbage.collect`). Numbers are dense and only
grow: the newest set stays for ever, older ones go when nothing of them is left.
"""

import json
import re
from datetime import datetime, timedelta

from ..digest import canonical_json
from ..errors import CorruptObjectError, NotFoundError
from ..storage.base import Storage

FOLDER = "gc/"
GRACE = timedelta(days=7)
"""How long condemned objects stay, by default."""
_SET = re.compile(r"gc/([0-9]{12})")


class Condemned:
    """The sets of a storage, each read once.

    What was known to be condemned stays so, even if its set is gone since: that does no harm.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._read: set[int] = set()
        self._number_of: dict[str, int] = {}
        self._last: int | None = None
        self._fresh = False

    def refresh(self) -> bool:
        """Read the sets published since; return whether there ever was one."""
        self._fresh = True
        newest = self._storage.last(FOLDER)
        last = None if newest is None else _number(newest)
        if last is not None and last != self._last:
            for stored in sorted(self._storage.list(FOLDER), key=lambda stored: stored.key):
                self._learn(stored.key)
            self._last = last
        return last is not None

    def number(self, key: str) -> int | None:
        """Return the newest set that condemns *key*, as of the last `refresh`; None if it is not condemned.

        Parameters
        ----------
        key
            Key of the object in the storage.
        """
        if not self._fresh:
            self.refresh()
        return self._number_of.get(key)

    def _learn(self, key: str) -> None:
        number = _number(key)
        if number is None or number in self._read:
            return
        try:
            keys = read_set(self._storage, key)
        except NotFoundError:
            # Gone since it was listed: so is what it condemned.
            return
        self._read.add(number)
        self._number_of |= dict.fromkeys(keys, number)


def sets(storage: Storage) -> dict[int, datetime]:
    """Return the numbers of all sets, oldest first, with the time of their publication (the storage's clock).

    Parameters
    ----------
    storage
        Storage that holds the lake.
    """
    found = {_number(stored.key): stored.modified for stored in storage.list(FOLDER)}
    return {number: found[number] for number in sorted(n for n in found if n is not None)}


def set_key(number: int) -> str:
    """Return the storage's key of a set.

    Parameters
    ----------
    number
        Number of the set.
    """
    return f"{FOLDER}{number:012d}"


def publish(storage: Storage, keys: list[str], time: datetime) -> int:
    """Condemn *keys* from now on; return the number of their set.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    keys
        Keys of the storage to delete after the grace period.
    time
        When they were condemned.
    """
    number = max(sets(storage), default=-1) + 1
    data = canonical_json({"time": time.isoformat(), "keys": sorted(keys)}) + b"\n"
    while not storage.create(set_key(number), data):
        number += 1
    return number


def read_set(storage: Storage, key: str) -> list[str]:
    """Read the keys of a set.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    key
        Key of the set.

    Raises
    ------
    CorruptObjectError
        It cannot be read.
    NotFoundError
        It is gone.
    """
    try:
        keys = json.loads(storage.read(key))["keys"]
        if isinstance(keys, list) and all(isinstance(name, str) for name in keys):
            return keys
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptObjectError(f"{key} cannot be read: {error!r}") from error
    raise CorruptObjectError(f"{key} does not hold a list of keys")


def _number(key: str) -> int | None:
    match = _SET.fullmatch(key)
    return None if match is None else int(match[1])
