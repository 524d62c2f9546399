"""Where the objects of nodes stand, and the same nodes with some of their objects copied elsewhere.

Places are no part of identity: whatever moves here keeps every digest.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ..errors import ConflictError, CorruptObjectError
from ..objects.store import INLINE_SIZE, ObjectStore, ObjectWriter, place_key
from .entries import Entries
from .entry import Entry, ShardRef
from .node import Node, Tree

Leaving = Callable[[str], bool]
"""Whether nothing may stand in that key of the storage any more."""

_NOTHING = Entries()


def new_shards(entries: Entries, since: Entries) -> Iterator[ShardRef]:
    """Return the shards that *since* lacks.

    Parameters
    ----------
    entries
        Entries of the node.
    since
        Entries before, with which unchanged shards are shared.
    """
    yield from (ref for number, ref in entries.shards.items() if since.shards.get(number) != ref)


def new_overlay(entries: Entries, since: Entries) -> Iterator[tuple[int, Entry]]:
    """Return the entries of the overlay here that are not in that of *since*.

    Parameters
    ----------
    entries
        Entries of the node.
    since
        Entries before, with which unchanged shards are shared.
    """
    for position, entry in entries.overlay.items():
        if entry is not None and since.overlay.get(position) is not entry:
            yield position, entry


def new_keys(entries: Entries, since: Entries = _NOTHING) -> set[str]:
    """Return the keys of the storage that hold *entries*, without those shared with *since*.

    Parameters
    ----------
    entries
        Entries of the node.
    since
        Entries before, with which unchanged shards are shared.
    """
    found = {place_key(entry.digest, entry.place) for _, entry in new_overlay(entries, since)}
    for ref in new_shards(entries, since):
        found |= {place_key(ref.object, ref.place), *entries.read_shard(ref).keys_stored()}
    return {key for key in found if key is not None}


def moved(
    entries: Entries,
    leaving: Leaving,
    objects: ObjectStore,
    writer: ObjectWriter,
    since: Entries = _NOTHING,
) -> Entries:
    """Return the same entries with copies of the objects under keys to be emptied; objects of *since* stay.

    Nothing is flushed.

    Parameters
    ----------
    entries
        Entries of the node.
    leaving
        Whether a key of the storage is to be emptied.
    objects
        Reads the lake's objects.
    writer
        Stores the objects.
    since
        Entries whose objects stay where they are.
    """
    changes: dict[int, Entry | None] = {}
    shards = dict(entries.shards)
    for position, entry in _overlay_and_shards(entries, leaving, since):
        if leaving(place_key(entry.digest, entry.place) or ""):
            data = objects.read(entry.digest, entry.size, entry.place)
            changes[position] = replace(entry, place=writer.copy(data, entry.digest, entry.place))
    for ref in new_shards(entries, since):
        if leaving(place_key(ref.object, ref.place) or ""):
            data = objects.read(ref.object, ref.size, ref.place)
            shards[ref.number] = replace(ref, place=writer.copy(data, ref.object, ref.place))
    if not changes and shards == entries.shards:
        return entries
    return replace(entries, shards=shards).updated(changes)


def packed(node: Node, writer: ObjectWriter) -> Node:
    """Return the same node with small files of its overlay in packs, where they take less of what is read and written again.

    Records are written once, stored trees and shards anew by later commits: what is inline there is tiny. Nothing is
    flushed, and until then nothing is to be told of the new places.

    Parameters
    ----------
    node
        The node.
    writer
        Stores the objects.
    """
    changes: dict[int, Entry | None] = {
        position: replace(entry, place=writer.add(entry.place.inline, entry.digest))
        for position, entry in node.entries.overlay.items()
        if entry is not None and entry.place.inline is not None and len(entry.place.inline) > INLINE_SIZE
    }
    return Node(node.kind, node.meta, node.entries.updated(changes)) if changes else node


def _overlay_and_shards(entries: Entries, leaving: Leaving, since: Entries) -> Iterator[tuple[int, Entry]]:
    """New entries; of shards, only those that some entry has to leave."""
    yield from new_overlay(entries, since)
    for ref in new_shards(entries, since):
        shard = entries.read_shard(ref)
        if any(map(leaving, shard.keys_stored())):
            yield from ((at, entry) for at, entry in shard.items() if at not in entries.overlay)


def rescued(
    changes: Mapping[str, Node | None], tree: Tree, objects: ObjectStore, writer: ObjectWriter
) -> dict[str, Node]:
    """Return those of the *changes* that need condemned keys, with copies in their place.

    Parameters
    ----------
    changes
        New nodes by name; None removes one.
    tree
        The tree that they change.
    objects
        Reads the lake's objects.
    writer
        Stores the objects.

    Raises
    ------
    ConflictError
        Garbage collection has deleted an object already: the transaction took longer than the grace period.
    """
    found: dict[str, Node] = {}
    for name, node in changes.items():
        if node is None:
            continue
        since = tree[name].entries if name in tree else _NOTHING
        _require_there(name, node.entries, since, objects)
        try:
            entries = moved(node.entries, writer.condemned, objects, writer, since)
        except CorruptObjectError:
            # It may have been deleted while it was to be copied.
            _require_there(name, node.entries, since, objects)
            raise
        if entries is not node.entries:
            found[name] = Node(node.kind, node.meta, entries)
    return found


def _require_there(name: str, entries: Entries, since: Entries, objects: ObjectStore) -> None:
    keys = [*new_keys(entries, since)]
    for key, size in zip(keys, objects.storage.sizes(keys), strict=True):
        if size is None:
            raise ConflictError(
                f"garbage collection has removed {key}, which {name!r} was to hold: this transaction took "
                "longer than the grace period. Begin a new one and write it again",
                (name,),
            )
