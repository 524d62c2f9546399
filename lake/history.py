"""From a record to its tree, and from what a user calls a commit to its record."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from .digest import Digest
from .entry import Entry, ShardRef
from .errors import CorruptObjectError, InputError, NotFoundError
from .log import MAIN, Log, Record
from .names import ROOT, checked_name
from .nodes import Node, Tree, changed_node, tree_digest
from .objects import ObjectStore, Place
from .shards import parse_shard

_CACHED_SHARDS = 64
_NTH_BEFORE = re.compile(r"(?P<ref>.+?)~(?P<steps>\d*)")


class History:
    """Trees of all commits of a lake; what has been read is kept."""

    def __init__(self, objects: ObjectStore, log: Log) -> None:
        self.objects = objects
        self.log = log
        self._trees: dict[Digest, Tree] = {}
        self._shards: dict[Digest, Mapping[int, Entry]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return History, (self.objects, self.log)

    def tree(self, record: Record) -> Tree:
        """The nodes as of *record*.

        Raises
        ------
        CorruptObjectError
            What the record refers to is missing, damaged, or not what its digest promises.
        """
        tree = self._trees.get(record.id)
        if tree is None:
            tree = self._read(record)
            if tree_digest(tree) != record.snapshot:
                raise CorruptObjectError(f"commit {record.id}: its tree does not have the digest it names")
            self.keep(record, tree)
        return tree

    def keep(self, record: Record, tree: Tree) -> None:
        """Remember the tree of *record*, and forget those of long ago."""
        while len(self._trees) >= 8:
            del self._trees[next(iter(self._trees))]
        self._trees[record.id] = tree

    def read_shard(self, ref: ShardRef) -> Mapping[int, Entry]:
        """The shard that *ref* names, verified."""
        shard = self._shards.get(ref.digest)
        if shard is None:
            shard = parse_shard(self.objects.read(ref.object, ref.size, ref.place), ref)
            while len(self._shards) >= _CACHED_SHARDS:
                self._shards.pop(next(iter(self._shards)), None)
            self._shards[ref.digest] = shard
        return shard

    def resolve(self, ref: str | datetime) -> Record:
        """The commit that *ref* means: branch, id (4 digits or more), ``ref~2``, a time or its ISO text.

        Raises
        ------
        NotFoundError
            Nothing of that name, or nothing yet at that time.
        InputError
            An id that several commits begin with.
        """
        if isinstance(ref, datetime):
            return self._at_time(ref)
        if nth := _NTH_BEFORE.fullmatch(ref):
            record = self.resolve(nth["ref"])
            number = record.number - int(nth["steps"] or 1)
            if number < 0:
                raise NotFoundError(f"{ref}: there are only {record.number} commits before {nth['ref']}")
            return self.log.read(record.branch, number)
        if re.fullmatch(r"[0-9a-f]{4,64}", ref):
            return self._by_id(ref)
        if re.match(r"\d{4}-\d\d-\d\d", ref):
            return self._at_time(_parsed_time(ref))
        return self.log.tip(ref)

    def _by_id(self, prefix: str) -> Record:
        found = [record for record in self.log.back_from(self.log.tip()) if record.id.startswith(prefix)]
        if len(found) > 1:
            raise InputError(f"{prefix}: {len(found)} commits begin so; give more digits")
        if not found:
            raise NotFoundError(f"{prefix}: no commit of branch {MAIN!r} begins so")
        return found[0]

    def _at_time(self, time: datetime) -> Record:
        moment = time if time.tzinfo else time.replace(tzinfo=UTC)
        for record in self.log.back_from(self.log.tip()):
            if record.time <= moment:
                return record
        raise NotFoundError(f"there is no commit as early as {moment.isoformat()}")

    def _read(self, record: Record) -> Tree:
        folded = record.fields["folded"]
        if not isinstance(folded, int) or not 0 <= folded <= record.number:
            raise CorruptObjectError(f"commit {record.id}: record {folded!r} cannot hold its tree")
        *later, stored = islice(self.log.back_from(record), record.number - folded + 1)
        tree = self._stored(stored)
        for change in reversed(later):
            tree = self._changed(tree, change)
        return tree

    def _stored(self, record: Record) -> Tree:
        try:
            at = record.fields["tree"]
            data = self.objects.read(Digest(at["object"]), at["size"], Place.from_json(at))
            values: dict[str, Any] = json.loads(data)
            return {
                _checked(name): changed_node(value, None, self.read_shard) for name, value in values.items()
            }
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptObjectError(f"commit {record.id}: its tree cannot be read: {error!r}") from error

    def _changed(self, tree: Tree, record: Record) -> Tree:
        nodes: dict[str, Node] = dict(tree)
        try:
            for name, change in record.fields["changes"].items():
                if change is None:
                    nodes.pop(name, None)
                else:
                    nodes[_checked(name)] = changed_node(change, nodes.get(name), self.read_shard)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CorruptObjectError(f"commit {record.id}: its changes cannot be read: {error!r}") from error
        return nodes


def _checked(name: str) -> str:
    return name if name == ROOT else checked_name(name)


def _parsed_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a time: write 2026-11-20 or 2026-11-20T14:30:00") from None
