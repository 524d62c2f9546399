"""Reads of many objects: where they stand as columns, and their bytes, verified, in memory that is used again."""

import bisect
import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..digest import Digest, has_digest
from ..errors import NotFoundError, StorageError
from ..threads import CORES
from .packs import pack_key
from .store import RUN_SIZE, ObjectStore, Place, checked_length

NOWHERE = -1
"""In `ObjectPlaces.pack`: not in a pack."""

Columns = tuple[
    npt.NDArray[np.integer],
    Sequence[str],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.uint8],
]


class ObjectPlaces:
    """Locations of objects by their index, to be filled; nothing stands anywhere at first.

    Parameters
    ----------
    size
        How many objects.

    Attributes
    ----------
    packs
        Names of packs.
    pack
        Number of each object's pack among *packs*, int32[size]; `NOWHERE` for what is in `others`, or is not there.
    offset, length
        Where the bytes begin in the pack, and how many there are, int64[size].
    digest
        Digests of the bytes, uint8[size, 32].
    others
        Digest, length and location of objects that stand in no pack, by index.
    """

    def __init__(self, size: int) -> None:
        self.packs: list[str] = []
        self.pack = np.full(size, NOWHERE, np.int32)
        self.offset, self.length = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.digest = np.zeros((size, 32), np.uint8)
        self.others: dict[int, tuple[Digest, int, Place]] = {}

    def __len__(self) -> int:
        return len(self.pack)

    def put(self, at: int, digest: Digest, length: int, place: Place) -> None:
        """Locate one object.

        Parameters
        ----------
        at
            Its index.
        digest, length, place
            Digest, length in bytes, and location.
        """
        self.clear(at)
        # What is not written yet is read from the memory of its writer.
        if place.pack is None or place.held is not None:
            self.others[at] = digest, length, place
            return
        if not self.packs or self.packs[-1] != place.pack:
            self.packs.append(place.pack)
        self.pack[at], self.offset[at], self.length[at] = len(self.packs) - 1, place.offset, length
        self.digest[at] = np.frombuffer(bytes.fromhex(digest), np.uint8)

    def clear(self, at: int) -> None:
        """Let no object be at an index.

        Parameters
        ----------
        at
            The index.
        """
        self.pack[at] = NOWHERE
        self.others.pop(at, None)

    def put_all(self, at: npt.NDArray[np.int64], columns: Columns) -> None:
        """Locate objects of packs.

        Parameters
        ----------
        at
            Their indices.
        columns
            Number of each one's pack, names of these packs, offset, length and digest.

        Raises
        ------
        MalformedError
            An offset or a length is none.
        """
        pack, names, offset, length, digest = columns
        if len(at):
            checked_length(int(min(offset.min(), length.min())))
            # Both are below 2^63, and so is their sum as an unsigned number.
            checked_length(int((offset.view(np.uint64) + length.view(np.uint64)).max()))
        self.pack[at] = pack + len(self.packs)
        self.packs += names
        self.offset[at], self.length[at], self.digest[at] = offset, length, digest

    def somewhere(self, at: int) -> bool:
        """Return whether there is an object at an index.

        Parameters
        ----------
        at
            The index.
        """
        return at in self.others or self.pack[at] != NOWHERE

    def object(self, at: int) -> tuple[Digest, int, Place]:
        """Return digest, length and location of an object.

        Parameters
        ----------
        at
            The index of one that is somewhere.
        """
        if at in self.others:
            return self.others[at]
        place = Place(self.packs[self.pack[at]], int(self.offset[at]))
        return Digest(self.digest[at].tobytes().hex()), int(self.length[at]), place

    def runs(self, first: int, last: int, size: int, most: int) -> Iterator[tuple[int, int]]:
        """Yield half-open ranges of indices that are read as one: neighbours in a pack, or objects in no pack.

        Parameters
        ----------
        first, last
            Half-open range of indices to divide.
        size
            Bytes of a pack that are read at once, at most `RUN_SIZE`; an object that is larger is a run of its own.
        most
            Objects of a run.
        """
        edges, ends = self._neighbours
        while first < last:
            stop = min(first + most, last, edges[bisect.bisect_right(edges, first)])
            if self.pack[first] != NOWHERE:
                fit = int(np.searchsorted(ends[first:stop], self.offset[first] + size, "right"))
                stop = first + max(fit, 1)
            yield first, stop
            first = stop

    @cached_property
    def _neighbours(self) -> tuple[list[int], npt.NDArray[np.int64]]:
        """Where others begin than those that follow the one before, and where each one ends in its pack."""
        ends = self.offset + self.length
        nowhere = self.pack[1:] == NOWHERE
        follows = (self.pack[1:] == self.pack[:-1]) & ((ends[:-1] == self.offset[1:]) | nowhere)
        return [*(np.flatnonzero(~follows) + 1).tolist(), len(self)], ends


_MOST_FREE = 4 * CORES
_free: list[bytearray] = []


@contextlib.contextmanager
def borrowed() -> Iterator[bytearray]:
    """Lend `RUN_SIZE` bytes of memory that was used before: the system takes longer to make fresh memory than to fill it."""
    try:
        room = _free.pop()
    except IndexError:
        room = bytearray(RUN_SIZE)
    try:
        yield room
    finally:
        if len(_free) < _MOST_FREE:
            _free.append(room)


def contents(
    objects: ObjectStore, located: ObjectPlaces, first: int, last: int
) -> Iterator[memoryview | bytes | None]:
    """Yield the bytes of objects, verified; None for those that are nowhere. Neighbours in a pack are read as one.

    What is yielded lasts until the next is asked for.

    Parameters
    ----------
    objects
        What reads them.
    located
        Where they stand.
    first, last
        A range of *located* that is one of its `ObjectPlaces.runs`, of at most `RUN_SIZE` bytes.

    Raises
    ------
    CorruptObjectError
        An object is missing, cut short, or does not have its digest.
    """
    if first == last:
        return
    if located.pack[first] == NOWHERE or located.length[first] > RUN_SIZE:
        for at in range(first, last):
            yield objects.read(*located.object(at)) if located.somewhere(at) else None
        return
    start = int(located.offset[first])
    begins = (located.offset[first:last] - start).tolist()
    lengths = located.length[first:last].tolist()
    digests = located.digest[first:last].tobytes()
    size = begins[-1] + lengths[-1]
    with borrowed() as room:
        span = memoryview(room)[:size]
        try:
            filled = objects.storage.read_into(pack_key(located.packs[located.pack[first]]), start, span)
        except (NotFoundError, StorageError):
            filled = 0
        for at, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
            data: memoryview | bytes = span[begin : min(begin + length, filled)]
            if not has_digest(data, digests[32 * at : 32 * at + 32]):
                # What is wrong with it is told as if it had been read alone.
                data = objects.read(*located.object(first + at))
            yield data


def read_all(objects: ObjectStore, wanted: Sequence[tuple[Digest, int, Place]]) -> list[bytes]:
    """Return several objects, verified; neighbours in a pack are read as one.

    Parameters
    ----------
    objects
        What reads them.
    wanted
        Digest, length and location of each.

    Raises
    ------
    CorruptObjectError
        As `contents` does.
    """
    located = ObjectPlaces(len(wanted))
    for at, one in enumerate(wanted):
        located.put(at, *one)
    runs = located.runs(0, len(wanted), RUN_SIZE, len(wanted))
    return [bytes(data) for run in runs for data in contents(objects, located, *run) if data is not None]
