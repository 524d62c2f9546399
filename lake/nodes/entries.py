"""The entries of a node: its chunks, Parquet files or bytes by position, in shards that are shared.

A position is a number: the C-order number of a chunk in an array's chunk grid, the ordinal of a file in a
table, 0 for a file. Shard *n* covers positions ``n * SHARD_SIZE`` and on. Changes lie over the shards until
there are enough of them to be worth rewriting (`Entries.folded`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..digest import Digest
from ..objects.bulk import ObjectPlaces
from ..objects.store import ObjectWriter
from .entry import SHARD_SIZE, Entry, ShardRef
from .shards import Shard, shard_digest

OVERLAY_SIZE = 256

ReadShard = Callable[[ShardRef], Shard]
KeepShard = Callable[[ShardRef, Shard], None]


def _no_shards(ref: ShardRef) -> Shard:
    raise LookupError(f"shard {ref.number} belongs to no lake")


def _no_care(ref: ShardRef, shard: Shard) -> None:
    return None


@dataclass(frozen=True)
class Entries:
    """An immutable mapping of position to `Entry`: shards, and changes that lie over them (None removes)."""

    shards: Mapping[int, ShardRef] = field(default_factory=dict)
    overlay: Mapping[int, Entry | None] = field(default_factory=dict)
    read_shard: ReadShard = field(default=_no_shards, repr=False, compare=False)

    def get(self, position: int) -> Entry | None:
        """Return the entry at *position*; None if there is none.

        Parameters
        ----------
        position
            Position in the manifest: the number of the chunk or file.
        """
        if position in self.overlay:
            return self.overlay[position]
        ref = self.shards.get(position // SHARD_SIZE)
        return None if ref is None else self.read_shard(ref).get(position)

    def located(self, positions: npt.NDArray[np.int64]) -> ObjectPlaces:
        """Return where the entries at *positions* stand, by their index among these: all that a read needs, and quickly told.

        Parameters
        ----------
        positions
            Positions in the manifest, int64[n]: the numbers of chunks or files.
        """
        found = ObjectPlaces(len(positions))
        numbers = positions // SHARD_SIZE
        for number in np.unique(numbers).tolist():
            if ref := self.shards.get(number):
                self.read_shard(ref).locate(positions, np.flatnonzero(numbers == number), found)
        if self.overlay:
            for at, position in enumerate(positions.tolist()):
                if position in self.overlay:
                    entry = self.overlay[position]
                    found.clear(at)
                    if entry is not None:
                        found.put(at, entry.digest, entry.size, entry.place)
        return found

    def items(self) -> Iterator[tuple[int, Entry]]:
        """Positions and entries in order of position."""
        for number in self._numbers:
            ref, changes = self.shards.get(number), self._dirty.get(number, {})
            # A shard is shared by the commits after it, and keeps what it has made of its rows.
            entries: dict[int, Entry | None] = {} if ref is None else dict(self.read_shard(ref).items())
            for at, entry in sorted((entries | changes).items()):
                if entry is not None:
                    yield at, entry

    def shard(self, number: int) -> Shard | dict[int, Entry]:
        """Return the entries of shard *number* by position.

        Parameters
        ----------
        number
            Number of the shard.
        """
        ref, changes = self.shards.get(number), self._dirty.get(number, {})
        if ref is None:
            return {at: entry for at, entry in changes.items() if entry is not None}
        stored = self.read_shard(ref)
        return stored.updated(changes) if changes else stored

    def __len__(self) -> int:
        return sum(map(self._count, self._numbers))

    def updated(self, changes: Mapping[int, Entry | None]) -> "Entries":
        """Return these entries with *changes* made.

        Parameters
        ----------
        changes
            Entries by position; None removes one.
        """
        overlay = {**self.overlay, **changes}
        # What no shard has needs no mark of removal.
        gone = [at for at in changes if overlay[at] is None and at // SHARD_SIZE not in self.shards]
        for position in gone:
            del overlay[position]
        return replace(self, overlay=overlay)

    def difference(self, old: "Entries") -> dict[int, Entry | None]:
        """Return the entries that differ from *old* by position, None where one is gone; equal shards are not read.

        Parameters
        ----------
        old
            Entries of the same node before.
        """
        found: dict[int, Entry | None] = {}
        for number in sorted({*self._numbers, *old._numbers}):
            if self.shards.get(number) == old.shards.get(number):
                found |= self._difference_above(old, number)
            elif self._identity(number) != old._identity(number):
                new, before = self.shard(number), old.shard(number)
                found |= {at: None for at in before if at not in new}
                found |= {at: e for at, e in new.items() if at not in before or before[at].digest != e.digest}
        return found

    def _difference_above(self, old: "Entries", number: int) -> dict[int, Entry | None]:
        """The same where both lie over one shard, however large that is."""
        positions = self._dirty.get(number, {}).keys() | old._dirty.get(number, {}).keys()
        pairs = ((at, self.get(at), old.get(at)) for at in sorted(positions))
        return {at: new for at, new, was in pairs if (new and new.digest) != (was and was.digest)}

    def changed_shards(self) -> list[ShardRef]:
        """Return the shards over which changes lie, so that the identity of these entries needs them."""
        return [ref for number in self._dirty if (ref := self.shards.get(number)) is not None]

    def identity(self) -> list[tuple[int, Digest]]:
        """Return number and digest of every shard that is not empty; equal for equal entries, however stored."""
        found = ((number, self._identity(number)) for number in self._numbers)
        return [(number, digest) for number, digest in found if digest is not None]

    def _identity(self, number: int) -> Digest | None:
        """Digest of a shard as it is now; None if it is empty."""
        ref, changes = self.shards.get(number), self._dirty.get(number, {})
        if not self._count(number):
            return None
        if ref is None:
            return shard_digest({at: entry for at, entry in changes.items() if entry is not None})
        return self.read_shard(ref).digest(changes) if changes else ref.digest

    def folded(self, writer: ObjectWriter, keep: KeepShard = _no_care) -> "Entries":
        """Return the same entries without an overlay: shards with changes are written anew.

        Parameters
        ----------
        writer
            Stores the objects.
        keep
            Called with the reference and content of each new shard.
        """
        shards = {number: ref for number, ref in self.shards.items() if number not in self._dirty}
        for number in self._dirty:
            if shard := self.shard(number):
                made = Shard.of(shard) if isinstance(shard, dict) else shard
                data = made.to_bytes()
                object_, place = writer.add_alone(data, ".shard")
                shards[number] = ShardRef(number, made.digest(), len(made), object_, len(data), place)
                keep(shards[number], made)
        return replace(self, shards=shards, overlay={})

    @cached_property
    def _dirty(self) -> dict[int, dict[int, Entry | None]]:
        """Changes by the number of the shard that they lie over."""
        dirty: dict[int, dict[int, Entry | None]] = {}
        for position, entry in self.overlay.items():
            dirty.setdefault(position // SHARD_SIZE, {})[position] = entry
        return dirty

    @property
    def _numbers(self) -> list[int]:
        return sorted({*self.shards, *self._dirty})

    def _count(self, number: int) -> int:
        ref, changes = self.shards.get(number), self._dirty.get(number, {})
        if ref is None:
            return sum(entry is not None for entry in changes.values())
        return self.read_shard(ref).count(changes) if changes else ref.count
