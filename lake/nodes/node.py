"""Nodes and trees: what a snapshot holds, its identity, and its JSON form.

A node is a kind, metadata and entries. Its digest is that of its kind, metadata and shard digests; the digest
of a tree is that of its node names and node digests: the same content has the same digest, wherever and
however it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from ..digest import Digest, canonical_json, digest_of, equal_json
from ..objects.store import checked_length
from .entries import Entries, ReadShard
from .entry import Entry, ShardRef
from .metadata import checked_meta

Kind = Literal["array", "table", "file", "group"]
KINDS: tuple[Kind, ...] = ("array", "table", "file", "group")


@dataclass(frozen=True)
class Node:
    """An array (entries are chunks), table (Parquet files), file (one entry) or group (none).

    `meta` is JSON: for an array and a group the Zarr v3 metadata document, for a table its fields, sort
    order and attributes, for a file its attributes.
    """

    kind: Kind
    meta: Mapping[str, Any]
    entries: Entries = field(default_factory=Entries)

    @cached_property
    def digest(self) -> Digest:
        """Identity of the node's content."""
        return digest_of(canonical_json([self.kind, self.meta, self.entries.identity()]))

    def to_json(self) -> dict[str, Any]:
        """Return the node in the form of log records and snapshots."""
        shards = [ref.to_json() for _, ref in sorted(self.entries.shards.items())]
        return {"kind": self.kind, "meta": self.meta, "shards": shards, **_overlay_json(self.entries.overlay)}

    def change_from(self, old: "Node | None") -> dict[str, Any]:
        """Return the smallest JSON from which `changed_node` makes this node out of *old*.

        Parameters
        ----------
        old
            The node before; None if it is new.
        """
        if old is None or old.kind != self.kind or old.entries.shards != self.entries.shards:
            return self.to_json()
        before, after = old.entries.overlay, self.entries.overlay
        if before.keys() - after.keys():
            return self.to_json()
        new = {at: entry for at, entry in after.items() if at not in before or before[at] is not entry}
        meta = {} if equal_json(old.meta, self.meta) else {"meta": self.meta}
        return {"patch": True, **meta, **_overlay_json(new)}


def _overlay_json(overlay: Mapping[int, Entry | None]) -> dict[str, Any]:
    entries = [entry.to_json(at) for at, entry in sorted(overlay.items()) if entry is not None]
    removed = sorted(at for at, entry in overlay.items() if entry is None)
    return {"entries": entries, **({"removed": removed} if removed else {})}


def changed_node(value: Mapping[str, Any], old: Node | None, read_shard: ReadShard) -> Node:
    """Return the node that JSON from `Node.change_from` or `Node.to_json` describes.

    Parameters
    ----------
    value
        JSON from `Node.change_from` or `Node.to_json`.
    old
        The node before; None if it is new.
    read_shard
        Reads the shards that the JSON refers to.

    Raises
    ------
    ValueError, KeyError, TypeError, MalformedError
        *value* is not such a description.
    """
    overlay: dict[int, Entry | None] = {
        checked_length(row["at"]): Entry.from_json(row) for row in value["entries"]
    }
    kind = old.kind if value.get("patch") and old is not None else value["kind"]
    if kind == "table" and any(entry is not None and "rows" not in entry.stats for entry in overlay.values()):
        raise ValueError("a table has a file without a number of rows")
    overlay |= dict.fromkeys(map(checked_length, value.get("removed", ())))
    if value.get("patch"):
        if old is None:
            raise ValueError("a change of a node that is not there")
        meta = checked_meta(old.kind, value["meta"]) if "meta" in value else old.meta
        return Node(old.kind, meta, replace(old.entries, overlay={**old.entries.overlay, **overlay}))
    if value["kind"] not in KINDS:
        raise ValueError(f"unknown kind of node {value['kind']!r:.80}")
    shards = {ref.number: ref for ref in map(ShardRef.from_json, value["shards"])}
    return Node(
        value["kind"], checked_meta(value["kind"], value["meta"]), Entries(shards, overlay, read_shard)
    )


Tree = Mapping[str, Node]
"""Node names and nodes of one snapshot."""


def tree_digest(tree: Tree) -> Digest:
    """Return the digest of a snapshot.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return digest_of(canonical_json({name: node.digest for name, node in tree.items()}))


def tree_json(tree: Tree) -> dict[str, Any]:
    """Return the JSON of a tree, as a snapshot object holds it.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    return {name: node.to_json() for name, node in sorted(tree.items())}
