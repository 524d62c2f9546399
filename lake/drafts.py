"""Drafts: the nodes of a tree under change, edited freely and frozen at commit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConflictError, InputError, ReadOnlyError
from .history.diff import Changes, diff
from .history.merge import changes_between, merged
from .nodes.entries import Entries, ReadShard
from .nodes.entry import Entry
from .nodes.metadata import checked_meta
from .nodes.naming import check_place
from .nodes.node import Kind, Node, Tree


@dataclass
class Draft:
    """A node being edited: `changes` (None removes) lie over the `base` entries."""

    kind: Kind
    meta: Mapping[str, Any]
    base: Entries
    changes: dict[int, Entry | None] = field(default_factory=dict)

    def get(self, position: int) -> Entry | None:
        """Return the entry at *position* as edited so far.

        Parameters
        ----------
        position
            Position in the manifest: the number of the chunk or file.
        """
        return self.changes[position] if position in self.changes else self.base.get(position)

    def items(self) -> Iterator[tuple[int, Entry]]:
        """Positions and entries as edited so far."""
        return self.frozen().entries.items()

    def frozen(self) -> Node:
        """Return the node as edited so far."""
        return Node(self.kind, self.meta, self.base.updated(self.changes) if self.changes else self.base)


class Drafts(Mapping[str, Node]):
    """A tree with edits on top; as a mapping, the nodes as they stand.

    Parameters
    ----------
    tree
        What the edits start from.
    read_shard
        How new nodes read their shards once they have some.
    """

    def __init__(self, tree: Tree, read_shard: ReadShard) -> None:
        self._tree = tree
        self._read_shard = read_shard
        self._drafts: dict[str, Draft | None] = {}
        self.depends: set[str] = set()
        self._ended: str | None = None

    def __getitem__(self, name: str) -> Node:
        draft = self._drafts.get(name)
        if draft is not None:
            return draft.frozen()
        if name in self._drafts:
            raise KeyError(name)
        return self._tree[name]

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self._tree if name not in self._drafts)
        yield from (name for name, draft in self._drafts.items() if draft is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def end(self, how: str) -> None:
        """Refuse all edits from now on.

        Parameters
        ----------
        how
            How the transaction ended, for the message of later edits.
        """
        self._ended = how

    def check_open(self) -> None:
        """Return if edits can still become part of a commit.

        Raises
        ------
        ReadOnlyError
            They cannot, for the transaction has ended.
        """
        if self._ended is not None:
            raise ReadOnlyError(
                f"this transaction {self._ended}: nothing more can be written into it; open a new one"
            )

    def edit(self, name: str) -> Draft | None:
        """Return the draft of a node, created if need be; None if there is no such node.

        Parameters
        ----------
        name
            Name of the node.
        """
        self.check_open()
        if name not in self._drafts and name in self._tree:
            node = self._tree[name]
            self._drafts[name] = Draft(node.kind, node.meta, node.entries)
        return self._drafts.get(name)

    def look(self, name: str) -> Draft | None:
        """Return a node in its present state, for reading only.

        Parameters
        ----------
        name
            Name of the node.
        """
        if name in self._drafts:
            return self._drafts[name]
        node = self._tree.get(name)
        return None if node is None else Draft(node.kind, node.meta, node.entries)

    def put(self, name: str, kind: Kind, meta: Mapping[str, Any], entries: Mapping[int, Entry]) -> Draft:
        """Replace or add a node.

        Parameters
        ----------
        name
            Name of the node.
        kind
            Kind of the node.
        meta
            Metadata of the node.
        entries
            Entries by position.

        Raises
        ------
        NodeNameError
            The name is a key of an array above it.
        """
        self.check_open()
        check_place(name, self)
        draft = Draft(kind, meta, Entries(read_shard=self._read_shard), dict(entries))
        self._drafts[name] = draft
        return draft

    def append(self, name: str, entries: list[Entry], meta: Mapping[str, Any]) -> None:
        """Append entries to a table.

        Parameters
        ----------
        name
            Name of the node.
        entries
            Entries of the new files, in order.
        meta
            Metadata of the table with them.
        """
        draft = self.edit(name)
        if draft is None:
            raise KeyError(name)
        draft.meta = meta
        start = len(draft.frozen().entries)
        draft.changes.update(enumerate(entries, start))

    def delete(self, name: str) -> None:
        """Remove a node.

        Parameters
        ----------
        name
            Name of the node.
        """
        self.check_open()
        self._drafts[name] = None

    def changes(self) -> dict[str, Node | None]:
        """Return the edits by name, where a node differs from the tree: the new node, or None.

        Raises
        ------
        InputError
            A node has metadata that no reader could read.
        """
        found: dict[str, Node | None] = {}
        for name, draft in self._drafts.items():
            node, old = None if draft is None else draft.frozen(), self._tree.get(name)
            if (node and node.digest) != (old and old.digest):
                found[name] = node
                if node is not None:
                    _check_metadata(name, node)
        return found

    def summary(self) -> Changes:
        """Summarise the edits, node by node."""
        return diff(self._tree, dict(self))

    def rebase(self, tree: Tree) -> None:
        """Make the edits start from *tree*, which another writer committed meanwhile.

        Parameters
        ----------
        tree
            The tree that another writer committed meanwhile.

        Raises
        ------
        ConflictError
            The edits do not commute with what was committed, or depend on it.
        """
        stale = changes_between(self._tree, tree).keys() & self.depends
        if stale:
            raise ConflictError(
                f"another writer changed {', '.join(sorted(stale))} meanwhile, which this change depends on; "
                "open a new transaction on what is there now and make the change again",
                tuple(sorted(stale)),
            )
        changes = merged(self._tree, tree, self.changes(), repeats=True)
        self._tree, self._drafts = tree, {}
        self.apply(changes)

    def apply(self, changes: Mapping[str, Node | None]) -> None:
        """Replace nodes by other ones, or by nothing.

        Parameters
        ----------
        changes
            New nodes by name; None removes one.
        """
        self.check_open()
        for name, node in changes.items():
            self._drafts[name] = None if node is None else Draft(node.kind, node.meta, node.entries)

    def stand_on(self, tree: Tree) -> None:
        """Go on from *tree*, which holds what had been edited some time ago.

        Parameters
        ----------
        tree
            A tree that holds earlier edits of these drafts.
        """
        self._tree = tree

    def settle(self, tree: Tree) -> None:
        """Start again from a tree that holds all edits.

        Parameters
        ----------
        tree
            The tree just committed.
        """
        self._tree = tree
        self._drafts.clear()
        self.depends.clear()


def _check_metadata(name: str, node: Node) -> None:
    try:
        checked_meta(node.kind, node.meta)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name!r} cannot be stored: {error}") from error
