"""Snapshots: the nodes of one commit, to be read."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .data.tables import Table
from .errors import CorruptObjectError, NotFoundError
from .history.ancestry import ancestors
from .history.log import Commit, Commits, Log
from .history.trees import History
from .nodes.node import Kind, Node, Tree
from .nodes.shown import About, Shown
from .objects.store import ObjectStore

# Zarr takes longer to import than most questions; those to tables and files do without it.
if TYPE_CHECKING:
    from .data.arrays import Array
    from .data.zarrstore import ZarrStore

Opened = TypeVar("Opened")


NODE_COLUMNS = ("node", "kind", "size")


def node_rows(tree: Mapping[str, Node]) -> list[tuple[str, str, str]]:
    """Return a row for each node, in order of names: its name, kind and size, without reading any of it.

    Parameters
    ----------
    tree
        Nodes by name.
    """
    return [(name, tree[name].kind, _size(tree[name])) for name in sorted(tree)]


def _size(node: Node) -> str:
    """Shape or rows of a node, without reading any of it."""
    if node.kind == "array":
        return " x ".join(map(str, node.meta["shape"]))
    return f"{len(node.meta['fields'])} columns" if node.kind == "table" else ""


class Nodes(Mapping[str, Opened], Generic[Opened]):
    """The nodes of one kind by name; opened when asked for.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    kind
        Kind of the nodes.
    open_node
        Opens one of them by name.
    """

    def __init__(self, tree: Tree, kind: Kind, open_node: Callable[[str], Opened]) -> None:
        self._names = [name for name, node in sorted(tree.items()) if node.kind == kind]
        self._kind = kind
        self._open = open_node

    def __getitem__(self, name: str) -> Opened:
        if name not in self._names:
            raise NotFoundError(
                f"there is no {self._kind} {name!r}; there are: {', '.join(self._names) or 'none'}"
            )
        return self._open(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{len(self)} of kind {self._kind}: {', '.join(self._names)}>"


class Snapshot(Shown, Mapping[str, Any]):
    """One commit's nodes by name: `Array`, `Table` and file bytes.

    Parameters
    ----------
    history, record
        Which commit of which lake.
    """

    table_type: type[Table] = Table

    def __init__(self, history: History, record: Commit) -> None:
        self._history = history
        self.commit = record
        self.tree = history.tree(record)

    def _about(self) -> About:
        kinds = {
            kind: sum(node.kind == kind for node in self.tree.values()) for kind in ("array", "table", "file")
        }
        counts = ", ".join(f"{count} {kind}s" for kind, count in kinds.items())
        line = f"<Snapshot {self.commit.id[:8]} of {self.objects.storage.url}: {counts}>"
        commit = self.commit
        facts = {"commit": commit.id, "time": f"{commit.time:%Y-%m-%d %H:%M:%S %Z}", "author": commit.author}
        return About(line, {**facts, "message": commit.message}, NODE_COLUMNS, node_rows(self.tree))

    def __getitem__(self, name: str) -> Any:
        node = self.tree.get(name)
        if node is None:
            raise NotFoundError(
                f"there is no node {name!r} in commit {self.commit.id[:8]}{self._nearest(name)}"
            )
        kinds: dict[Kind, Callable[[str], Any]] = {
            "array": self._array,
            "table": self._table,
            "file": self._file,
            "group": self._node,
        }
        return kinds[node.kind](name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.tree))

    def __len__(self) -> int:
        return len(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.commit.id == other.commit.id

    def __hash__(self) -> int:
        return hash(self.commit.id)

    @property
    def objects(self) -> ObjectStore:
        """What reads the lake's bytes."""
        return self._history.objects

    @property
    def log(self) -> Log:
        """The log of its lake, which goes on."""
        return self._history.log

    @property
    def arrays(self) -> "Nodes[Array]":
        """Arrays by name."""
        return Nodes(self.tree, "array", self._array)

    @property
    def tables(self) -> Nodes[Table]:
        """Tables by name."""
        return Nodes(self.tree, "table", self._table)

    @property
    def files(self) -> Nodes[bytes]:
        """Bytes of files by name."""
        return Nodes(self.tree, "file", self._file)

    @property
    def store(self) -> "ZarrStore":
        """The snapshot as a read-only Zarr store, for zarr, xarray and dask."""
        from .data.zarrstore import ZarrStore

        return ZarrStore.of(self._history, self.commit)

    def history(self) -> Commits:
        """This commit and those before it, newest first."""
        return Commits(ancestors(self._history.log, self.commit))

    def _array(self, name: str) -> "Array":
        from .data.arrays import Array

        return Array.of(self.store, name)

    def _table(self, name: str) -> Table:
        return self.table_type(name, self.tree[name], self.objects)

    def _file(self, name: str) -> bytes:
        entry = self.tree[name].entries.get(0)
        if entry is None:
            raise CorruptObjectError(f"file {name!r} has no content in commit {self.commit.id}")
        return self.objects.read(entry.digest, entry.size, entry.place)

    def _node(self, name: str) -> Node:
        return self.tree[name]

    def _nearest(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.tree, 3)
        return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
