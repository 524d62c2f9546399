"""What commits refer to: keys of the storage (the way back, from a key to commits, is `usage.Referrers`).

Records are read newest first and each once; of a commit only what it changed is looked at, of stored trees only
the nodes that differ from those of the tree before, and every shard once. What is kept is one text for each pack
and each object that is a file of its own.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from ..digest import Digest
from ..errors import CorruptObjectError, ExpiredError, MalformedError
from ..history.log import Commit, Log, Pointer, Row, Space, record_key
from ..history.trees import MALFORMED, History
from ..nodes.entry import ShardRef
from ..nodes.shards import Shard, parse_shard
from ..objects.packs import pack_key
from ..objects.store import Place, object_key, place_key
from ..threads import gathered

_AHEAD = 256

Read = TypeVar("Read")


class Reachable:
    """Keys that the commits of a lake need.

    Parameters
    ----------
    history
        Of which lake.
    shard
        Called with each shard once.
    entry
        Called with each entry, as JSON, in the overlay of a node; often more than once with the same.

    Attributes
    ----------
    keys
        Key to the digest of the object (of a pack: its name).
    records
        Keys of the records that were read.
    broken
        Keys of manifests that cannot be read, and why: what only these refer to is not among `keys`.
    """

    def __init__(
        self,
        history: History,
        *,
        shard: Callable[[Shard], None] | None = None,
        entry: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._history = history
        self._on_shard, self._on_entry = shard, entry
        self.keys: dict[str, Digest] = {}
        self.records: set[str] = set()
        self.broken: dict[str, CorruptObjectError] = {}
        self._shards: set[str] = set()
        self._unread: dict[str, ShardRef] = {}
        self._nodes: dict[str, Any] = {}
        self._coming: Iterator[tuple[str, bytes | CorruptObjectError]] = iter(())

    def update(self, only: Collection[str] | None = None) -> None:
        """Add what all commits of all branches need, including deleted branches, as of now.

        Parameters
        ----------
        only
            Keys of the records to look at; all by default.
        """
        log = self._history.log
        rows = log.rows()
        keys = {
            key: (row.space, row.name, number)
            for row in rows
            for number in row.numbers
            if (key := record_key(row.name, number, row.space)) not in self.records
            and (only is None or key in only)
        }
        records = [*keys.items()]
        for start in range(0, len(records), _AHEAD):
            some = dict(records[start : start + _AHEAD])
            log.read_ahead(some.values())
            self._coming = self._trees_of(log, some.values())
            for key, (space, name, number) in some.items():
                self._read(key, partial(log.record, name, number, space))
            self._read_shards()
        for row in rows if only is None else ():
            self._follow(row)

    def add(self, record: Commit) -> None:
        """Add what one commit needs.

        Parameters
        ----------
        record
            The commit.
        """
        while record.depth:
            self._record(record)
            record = self._history.log.read(record.parents[0])
        self._record(record)
        self._read_shards()

    def _trees_of(
        self, log: Log, records: Iterable[tuple[Space, str, int]]
    ) -> Iterator[tuple[str, bytes | CorruptObjectError]]:
        """The stored trees of some records, as keys and bytes, in the order of the records; several are read at once."""
        wanted: dict[str, Mapping[str, Any]] = {}
        for space, name, number in records:
            # What is wrong with a record is told when its turn comes.
            with suppress(CorruptObjectError, ExpiredError, *MALFORMED):
                record = log.record(name, number, space)
                if isinstance(record, Commit) and record.depth == 0:
                    wanted.setdefault(_tree_key(record.fields["tree"]), record.fields["tree"])
        return gathered(
            lambda one: (one[0], _attempt(lambda: tree_bytes(self._history, one[1]))),
            [(key, at) for key, at in wanted.items() if key not in self.keys],
        )

    def _follow(self, row: Row) -> None:
        """Make sure that what a branch or tag means is there."""
        target = None
        # A record that cannot be read is among the broken already.
        with suppress(CorruptObjectError):
            target = self._history.log.meant_by(row.name, row.numbers[0], row.space) if row.numbers else None
        if target is None:
            return
        try:
            self._history.log.read(target)
        except (CorruptObjectError, ExpiredError) as error:
            self.broken.setdefault(
                record_key(target.branch, target.number), CorruptObjectError(f"{row.name} means it: {error}")
            )

    def _read(self, key: str, read: Callable[[], Commit | Pointer]) -> None:
        try:
            record = read()
        except ExpiredError:
            return
        except CorruptObjectError as error:
            self.broken[key] = error
            return
        self.records.add(key)
        if isinstance(record, Commit):
            self._record(record)

    def _record(self, record: Commit) -> None:
        key = record_key(record.branch, record.number)
        self.records.add(key)
        try:
            if record.depth == 0:
                self._tree(record.fields["tree"])
            self._nodes_of([value for value in record.fields["changes"].values() if value])
        except MALFORMED as error:
            self.broken[key] = MalformedError(f"commit {record.id} cannot be read: {error!r}")
        except CorruptObjectError as error:
            self.broken[key] = error

    def _tree(self, at: Mapping[str, Any]) -> None:
        key = _tree_key(at)
        if key in self.keys:
            return
        self.keys[key] = Digest(at["object"])
        try:
            nodes = parsed_tree(self._tree_bytes(key, at))
            self._nodes_of([value for name, value in nodes.items() if self._nodes.get(name) != value])
            self._nodes = nodes
        except CorruptObjectError as error:
            self.broken[key] = error
        except MALFORMED as error:
            self.broken[key] = MalformedError(f"tree {at['object']} cannot be read: {error!r}")

    def _tree_bytes(self, key: str, at: Mapping[str, Any]) -> bytes:
        for coming, data in self._coming:
            if coming == key:
                if isinstance(data, CorruptObjectError):
                    raise data
                return data
        return tree_bytes(self._history, at)

    def _nodes_of(self, values: Sequence[Mapping[str, Any]]) -> None:
        for value in values:
            for row in value["entries"]:
                if self._on_entry is not None:
                    self._on_entry(row)
                if "pack" in row:
                    self.keys.setdefault(pack_key(row["pack"]), row["pack"])
                elif "inline" not in row:
                    self.keys.setdefault(object_key(row["digest"], row.get("suffix", "")), row["digest"])
        refs = [ShardRef.from_json(row) for value in values for row in value.get("shards", ())]
        self._unread |= {key: ref for ref in refs if (key := _shard_key(ref)) not in self._shards}

    def _read_shards(self) -> None:
        """Look at the shards that were met since, all at once."""
        new, self._unread = self._unread, {}
        self._shards |= new.keys()
        for (key, ref), shard in zip(new.items(), gathered(self._read_shard, [*new.values()]), strict=True):
            if ref.place.inline is None:
                self.keys[key] = ref.object if ref.place.pack is None else Digest(ref.place.pack)
            if isinstance(shard, CorruptObjectError):
                self.broken[key] = shard
                continue
            try:
                self._shard(shard)
            except CorruptObjectError as error:
                self.broken[key] = error

    def _read_shard(self, ref: ShardRef) -> Shard | CorruptObjectError:
        read = self._history.objects.read
        try:
            return _attempt(lambda: parse_shard(read(ref.object, ref.size, ref.place), ref))
        except MALFORMED as error:
            return MalformedError(f"shard {ref.object} cannot be read: {error!r}")

    def _shard(self, shard: Shard) -> None:
        for stored in shard.keys_stored():
            self.keys.setdefault(stored, Digest(stored.rpartition("/")[2].partition(".")[0]))
        if self._on_shard is not None:
            self._on_shard(shard)


def _attempt(read: Callable[[], Read]) -> Read | CorruptObjectError:
    """What is read, or why it cannot be."""
    try:
        return read()
    except CorruptObjectError as error:
        return error


def _tree_key(at: Mapping[str, Any]) -> str:
    return object_key(at["object"], Place.from_json(at).suffix)


def _shard_key(ref: ShardRef) -> str:
    return place_key(ref.object, ref.place) or f"shard {ref.object}"


def stored_tree(history: History, at: Mapping[str, Any]) -> dict[str, Any]:
    """Read the nodes, as JSON, of a stored tree.

    Parameters
    ----------
    history
        History of the lake.
    at
        What a record says of the tree's location.

    Raises
    ------
    CorruptObjectError
        It is missing or damaged.
    ValueError, KeyError, TypeError
        It is no tree.
    """
    return parsed_tree(tree_bytes(history, at))


def tree_bytes(history: History, at: Mapping[str, Any]) -> bytes:
    """Read the bytes of a stored tree; parameters and errors as of `stored_tree`.

    Parameters
    ----------
    history
        History of the lake.
    at
        What a record says of the tree's location.
    """
    return history.objects.read(Digest(at["object"]), at["size"], Place.from_json(at))


def parsed_tree(data: bytes) -> dict[str, Any]:
    """Return the nodes, as JSON, of a stored tree.

    Parameters
    ----------
    data
        Bytes of the tree.

    Raises
    ------
    ValueError, TypeError
        It is no tree.
    """
    nodes = json.loads(data)
    if not isinstance(nodes, dict):
        raise TypeError("a tree is an object of nodes")
    return nodes
