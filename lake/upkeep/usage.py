"""Referrers of objects: the nodes and the commits that need a key of the storage."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import CorruptObjectError
from ..history.log import Commit, record_key
from ..history.trees import MALFORMED, History
from ..nodes.entry import ShardRef
from ..nodes.shards import parse_shard
from ..objects.store import Place, object_key, place_key
from .reachable import stored_tree

Needed = tuple[str, str]
"""A key, and the digest of the object in it that matters; or no digest, where everything in it does."""


class Referrers:
    """The referrers of some objects, found by a walk over commits for these objects only.

    Parameters
    ----------
    history
        Of which lake.
    wanted
        The objects.
    """

    def __init__(self, history: History, wanted: Collection[Needed]) -> None:
        self._history = history
        self._wanted = frozenset(wanted)
        self._keys = frozenset(key for key, _ in wanted)
        self._shards: dict[str, dict[int, Needed]] = {}

    def of(self, records: Iterable[Commit]) -> dict[Needed, tuple[set[str], list[str]]]:
        """Return names of nodes and ids of commits for each object, commits in the order of *records*.

        Parameters
        ----------
        records
            Commits, best in an order where each follows the one before.
        """
        found: dict[Needed, tuple[set[str], list[str]]] = {one: (set(), []) for one in self._wanted}
        previous: tuple[Commit, _State] | None = None
        for record in records:
            state = self._state(record, previous)
            previous = (record, state)
            for one, names in state.needed().items():
                found[one][0].update(names)
                found[one][1].append(record.id)
        return found

    def _state(self, record: Commit, previous: "tuple[Commit, _State] | None") -> "_State":
        if record.depth == 0:
            return self._base(record)
        if previous is not None and previous[0].id == record.parents[0].id:
            state = previous[1].copy()
        else:
            try:
                state = self._state(self._history.log.read(record.parents[0]), None)
            except CorruptObjectError:
                lost = record_key(record.parents[0].branch, record.parents[0].number)
                state = _State({}, {(lost, "")} & self._wanted)
        try:
            for name, value in record.fields["changes"].items():
                if value is None:
                    state.nodes.pop(name, None)
                else:
                    state.nodes[name] = self._node(value, state.nodes.get(name))
        except (CorruptObjectError, *MALFORMED):
            return _State({}, {(record_key(record.branch, record.number), "")} & self._wanted)
        return state

    def _base(self, record: Commit) -> "_State":
        needed = {record_key(record.branch, record.number)}
        try:
            at = record.fields["tree"]
            needed.add(object_key(at["object"], Place.from_json(at).suffix))
            nodes = stored_tree(self._history, at)
            return _State({name: self._node(value, None) for name, value in nodes.items()}, set())
        except (CorruptObjectError, *MALFORMED):
            return _State({}, {(key, "") for key in needed} & self._wanted)

    def _node(self, value: Mapping[str, Any], old: "_Use | None") -> "_Use":
        overlay = dict(old.overlay) if value.get("patch") and old is not None else {}
        shards = old.shards if value.get("patch") and old is not None else ()
        overlay |= {row["at"]: self._key(row["digest"], Place.from_json(row)) for row in value["entries"]}
        overlay |= dict.fromkeys(value.get("removed", ()))
        if "shards" in value:
            shards = tuple(self._shard(ShardRef.from_json(row)) for row in value["shards"])
        return _Use(overlay, shards)

    def _key(self, digest: str, place: Place) -> Needed | None:
        key = place_key(digest, place) or ""
        return next((one for one in ((key, ""), (key, digest)) if one in self._wanted), None)

    def _shard(self, ref: ShardRef) -> dict[int, Needed]:
        """By position, what an entry of the shard needs; at -1 what all need."""
        name = f"{ref.object} {place_key(ref.object, ref.place)}"
        if name not in self._shards:
            own = self._key(ref.object, ref.place)
            self._shards[name] = self._inside(ref) if own is None else {-1: own}
        return self._shards[name]

    def _inside(self, ref: ShardRef) -> dict[int, Needed]:
        shard = parse_shard(self._history.objects.read(ref.object, ref.size, ref.place), ref)
        if not shard.keys_stored() & self._keys:
            return {}
        needs = {at: self._key(entry.digest, entry.place) for at, entry in shard.items()}
        return {at: one for at, one in needs.items() if one is not None}


@dataclass(frozen=True)
class _Use:
    """A node: by position, what its overlay needs (None hides a shard's need) and its shards do."""

    overlay: dict[int, Needed | None]
    shards: tuple[dict[int, Needed], ...]

    @cached_property
    def needs(self) -> set[Needed]:
        """All that it needs."""
        found = {one for one in self.overlay.values() if one is not None}
        for shard in self.shards:
            found |= {one for at, one in shard.items() if at not in self.overlay}
        return found


@dataclass(frozen=True)
class _State:
    """The nodes of a commit, and that without which the commit cannot be read at all."""

    nodes: dict[str, _Use]
    lost: set[Needed]

    def copy(self) -> "_State":
        return _State(dict(self.nodes), self.lost)

    def needed(self) -> dict[Needed, set[str]]:
        """Names of nodes by the lost objects that they need."""
        found: dict[Needed, set[str]] = {one: set() for one in self.lost}
        for name, use in self.nodes.items():
            for one in use.needs:
                found.setdefault(one, set()).add(name)
        return found
