"""From a record to its tree, and from what a user calls a commit to its record."""

import json
import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..digest import Digest, canonical_json, digest_of
from ..errors import ExpiredError, InputError, MalformedError, NotFoundError
from ..names import ROOT, checked_name
from ..nodes.entry import ShardRef
from ..nodes.node import Node, Tree, changed_node, tree_digest, tree_json
from ..nodes.shards import Shard, parse_shard
from ..objects.store import ObjectStore, ObjectWriter, Place
from ..threads import Recent, gathered
from .log import MAIN, Commit, Log, Pointer, checked_ref_name

# What reading JSON that is not what it should be may raise.
MALFORMED = (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError)
_CACHED_SHARDS = 64
_CACHED_TREES = 8
_EMPTY_TREE = digest_of(b"{}")
_NTH_BEFORE = re.compile(r"(?P<ref>.+?)~(?P<steps>\d*)")


def store_tree(tree: Tree, writer: ObjectWriter) -> dict[str, Any]:
    """Store a whole tree; return what a record says of its location.

    Parameters
    ----------
    tree
        Nodes to store, by name.
    writer
        Stores the objects.
    """
    data = canonical_json(tree_json(tree))
    digest, place = writer.add_alone(data, ".tree")
    return {"object": digest, "size": len(data), **place.to_json()}


class History:
    """Trees of all commits of a lake; what has been read is kept.

    Parameters
    ----------
    objects
        Reads and verifies the lake's objects.
    log
        Log of the lake.
    """

    def __init__(self, objects: ObjectStore, log: Log) -> None:
        self.objects = objects
        self.log = log
        self._trees: Recent[Digest, Tree] = Recent(_CACHED_TREES)
        self._shards: Recent[Digest, Shard] = Recent(_CACHED_SHARDS)

    def __reduce__(self) -> tuple[Any, ...]:
        return History, (self.objects, self.log)

    def tree(self, record: Commit) -> Tree:
        """Return the nodes of a commit.

        Parameters
        ----------
        record
            The commit.

        Raises
        ------
        CorruptObjectError
            What the record refers to is missing or damaged.
        MalformedError
            It has its digest, and is no tree.
        """
        tree = self._trees.get(record.id)
        if tree is None:
            tree = self._read(record)
            self._read_shards_of(tree)
            if tree_digest(tree) != record.snapshot:
                raise MalformedError(f"commit {record.id}: its tree does not have the digest it names")
            self.keep(record, tree)
        return tree

    def keep(self, record: Commit, tree: Tree) -> None:
        """Keep the tree of a commit in memory, and drop those not used lately.

        Parameters
        ----------
        record
            The commit.
        tree
            Nodes of that commit, by name.
        """
        self._trees.put(record.id, tree)

    def read_shard(self, ref: ShardRef) -> Shard:
        """Return a shard, verified.

        Parameters
        ----------
        ref
            What a manifest says of the shard.
        """
        shard = self._shards.get(ref.digest)
        if shard is None:
            shard = parse_shard(self.objects.read(ref.object, ref.size, ref.place), ref)
            self.keep_shard(ref, shard)
        return shard

    def keep_shard(self, ref: ShardRef, shard: Shard) -> None:
        """Keep a shard in memory, and drop those not used lately.

        Parameters
        ----------
        ref
            What a manifest says of the shard.
        shard
            The shard itself.
        """
        self._shards.put(ref.digest, shard)

    def resolve(self, ref: str | datetime) -> Commit:
        """Return the commit that *ref* refers to.

        Parameters
        ----------
        ref
            A branch, a tag, an id or its first digits (4 or more), ``main~2``, a time or its ISO text.

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
            return self._before(self.resolve(nth["ref"]), int(nth["steps"] or 1), ref)
        dated = re.match(r"\d{4}-\d\d-\d\d", ref) is not None
        # A branch or tag may be called after a day; a time of day has a colon, which no name has.
        if dated and ":" in ref:
            return self._at_time(_parsed_time(ref))
        name = checked_ref_name(ref)
        target = self.log.points_at(name) or self.log.points_at(name, "tags")
        if target is not None:
            return self.log.read(target)
        return self._at_time(_parsed_time(ref)) if dated else self._by_id(ref)

    def commits(self) -> Iterator[Commit]:
        """Yield every commit in the log of any branch, including deleted branches."""
        for branch in self.log.all_names():
            for number in self.log.numbers(branch):
                try:
                    record = self.log.record(branch, number)
                except ExpiredError:
                    continue
                if isinstance(record, Commit):
                    yield record

    def _before(self, record: Commit, steps: int, ref: str) -> Commit:
        for done in range(steps):
            if not record.parents:
                raise NotFoundError(f"{ref}: there are only {done} commits before {ref.rsplit('~', 1)[0]}")
            try:
                record = self.log.read(record.parents[0])
            except ExpiredError as error:
                before = ref.rsplit("~", 1)[0]
                raise ExpiredError(f"{ref}: only {done} commits before {before} are left; {error}") from None
        return record

    def _by_id(self, prefix: str) -> Commit:
        if not re.fullmatch(r"[0-9a-f]{4,64}", prefix):
            raise NotFoundError(f"there is no branch, tag or commit {prefix!r}")
        found = [record for record in self.commits() if record.id.startswith(prefix)]
        if len(found) > 1:
            raise InputError(f"{prefix}: {len(found)} commits begin with it; give more digits")
        if not found:
            raise NotFoundError(f"{prefix}: no commit begins with it{self.expired_too()}")
        return found[0]

    def _at_time(self, time: datetime) -> Commit:
        """What the main branch meant at that time."""
        moment = time if time.tzinfo else time.replace(tzinfo=UTC)
        for record in self.log.reflog(MAIN):
            if record.time <= moment and isinstance(record, Commit):
                return record
            if record.time <= moment and isinstance(record, Pointer) and record.target is not None:
                return self.log.read(record.target)
        kind = ExpiredError if self.log.horizon(MAIN) else NotFoundError
        raise kind(f"there is no commit as early as {moment.isoformat()}{self.expired_too()}")

    def expired_too(self) -> str:
        """Return an addition to the message that something was not found: it may have expired."""
        expired = [branch for branch in self.log.all_names() if self.log.horizon(branch)]
        return f"; early history of {', '.join(expired)} has expired" if expired else ""

    def _read_shards_of(self, tree: Tree) -> None:
        """Read at once the shards that the digest of a tree needs, as far as they can be kept."""
        wanted = [
            ref
            for node in tree.values()
            for ref in node.entries.changed_shards()
            if ref.digest not in self._shards
        ]
        deque(gathered(self.read_shard, wanted[:_CACHED_SHARDS]), maxlen=0)

    def _read(self, record: Commit) -> Tree:
        later: list[Commit] = []
        # Looked up once for each commit: other threads may make this forget a tree at any time.
        while (known := self._trees.get(record.id)) is None and record.depth:
            parent = record.parents[0]
            if not later and parent.id not in self._trees:
                # They stand one before the other, unless branches began or commits came from elsewhere.
                self.log.read_back(parent, record.depth)
            later.append(record)
            before = self.log.read(record.parents[0])
            # Depth falls by one from commit to commit, so no chain is endless.
            if before.depth != record.depth - 1:
                raise MalformedError(f"commit {record.id}: its depth is not one more than its parent's")
            record = before
        tree = self._stored(record) if known is None else known
        for change in reversed(later):
            tree = self._changed(tree, change)
        return tree

    def _stored(self, record: Commit) -> Tree:
        try:
            at = record.fields["tree"]
            # Every lake begins with an empty tree, and needs no file to know what it holds.
            digest, place = Digest(at["object"]), Place.from_json(at)
            data = b"{}" if digest == _EMPTY_TREE else self.objects.read(digest, at["size"], place)
            values: dict[str, Any] = json.loads(data)
            return {name: self._node(name, value, None, record) for name, value in values.items()}
        except MALFORMED as error:
            raise MalformedError(f"commit {record.id}: its tree cannot be read: {error!r:.300}") from error

    def _changed(self, tree: Tree, record: Commit) -> Tree:
        nodes: dict[str, Node] = dict(tree)
        try:
            for name, change in record.fields["changes"].items():
                if change is None:
                    nodes.pop(name, None)
                else:
                    nodes[name] = self._node(name, change, nodes.get(name), record)
        except MALFORMED as error:
            raise MalformedError(f"commit {record.id}: its changes cannot be read: {error!r:.300}") from error
        return nodes

    def _node(self, name: str, value: Any, old: Node | None, record: Commit) -> Node:
        """A node as a record or a stored tree describes it."""
        try:
            node = changed_node(value, old, self.read_shard)
            if name != ROOT:
                checked_name(name)
            # What JSON read, but UTF-8 cannot say, would fail later.
            canonical_json([name, node.meta])
            return node
        except (*MALFORMED, MalformedError) as error:
            raise MalformedError(
                f"node {name!r:.200} in commit {record.id} cannot be read: {error}"
            ) from error


def _parsed_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is not a time: write 2026-11-20 or 2026-11-20T14:30:00") from None
