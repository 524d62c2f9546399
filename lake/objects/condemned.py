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
from ..threads import gathered

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
            new = [number for number in sets(self._storage) if number not in self._read]
            read = gathered(lambda number: read_if_there(self._storage, number), new)
            for number, keys in zip(new, read, strict=True):
                if keys is not None:
                    self._read.add(number)
                    self._number_of |= dict.fromkeys(keys, number)
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


def read_if_there(storage: Storage, number: int) -> list[str] | None:
    """Read the keys of a set; None if it is gone since it was listed, for so is what it condemned.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    number
        Number of the set.

    Raises
    ------
    CorruptObjectError
        It cannot be read.
    """
    key = set_key(number)
    try:
        keys = json.loads(storage.read(key))["keys"]
        if isinstance(keys, list) and all(isinstance(name, str) for name in keys):
            return keys
    except NotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptObjectError(f"{key} cannot be read: {error!r}") from error
    raise CorruptObjectError(f"{key} does not hold a list of keys")


def _number(key: str) -> int | None:
    match = _SET.fullmatch(key)
    return None if match is None else int(match[1])
