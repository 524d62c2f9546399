"""What changed from one tree to another, node by node."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..digest import equal_json
from ..nodes.grid import Grid
from ..nodes.node import Kind, Node, Tree
from ..nodes.shown import About, ShownList
from .merge import changes_between


@dataclass(frozen=True)
class NodeChange:
    """How one node differs.

    Parameters
    ----------
    name, kind
        Which node; its kind after the change, or before it where it was removed.
    change
        ``added``, ``removed`` or ``changed``.
    rows_added, rows_removed
        Rows of the Parquet files that came and went, of a table.
    chunks_written, chunks_removed
        Chunks of an array with other content, or none any more.
    shape
        Shape before and after, of an array that has another.
    metadata
        Keys of the metadata that have another value.
    """

    name: str
    kind: Kind
    change: Literal["added", "removed", "changed"]
    rows_added: int = 0
    rows_removed: int = 0
    chunks_written: int = 0
    chunks_removed: int = 0
    shape: tuple[list[int], list[int]] | None = None
    metadata: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON, without fields that do not apply."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value not in (0, None, ())}

    def __str__(self) -> str:
        parts = [
            f"+{self.rows_added:,} rows" if self.rows_added else "",
            f"-{self.rows_removed:,} rows" if self.rows_removed else "",
            f"{self.chunks_written:,} chunks written" if self.chunks_written else "",
            f"{self.chunks_removed:,} chunks removed" if self.chunks_removed else "",
            f"shape {self.shape[0]} to {self.shape[1]}" if self.shape else "",
            f"metadata: {', '.join(self.metadata)}" if self.metadata else "",
        ]
        details = ", ".join(part for part in parts if part)
        return f"{self.change:<8} {self.kind:<6} {self.name}{'  ' if details else ''}{details}"


class Changes(ShownList[NodeChange]):
    """Changes of nodes, by name."""

    def _about(self) -> About:
        counts = Counter(one.change for one in self)
        said = ", ".join(f"{counts[kind]} {kind}" for kind in ("added", "changed", "removed") if counts[kind])
        lines = "".join(f"\n  {one}" for one in self[:20])
        more = f"\n  and {len(self) - 20:,} more" if len(self) > 20 else ""
        rows = [(one.change, one.kind, one.name, _details(one)) for one in self]
        return About(
            f"<{said or 'nothing changed'}>{lines}{more}", {}, ("change", "kind", "node", "what"), rows
        )


def _details(change: NodeChange) -> str:
    return str(change).partition(change.name)[2].strip()


def diff(old: Tree, new: Tree) -> Changes:
    """Return the changes from one tree to another, in order of names; nodes of equal digest are not read.

    Parameters
    ----------
    old
        Nodes before, by name.
    new
        Nodes after, by name.
    """
    names = sorted(changes_between(old, new))
    return Changes(_change(name, old.get(name), new.get(name)) for name in names)


def _change(name: str, old: Node | None, new: Node | None) -> NodeChange:
    if old is None or new is None or old.kind != new.kind:
        node = new or old
        assert node is not None, "a change has a side"
        change: Literal["added", "removed", "changed"] = (
            "added" if old is None else "removed" if new is None else "changed"
        )
        return NodeChange(name, node.kind, change, _rows(new), _rows(old), _chunks(new), _chunks(old))
    metadata = tuple(sorted(_other_keys(old, new) - {"shape"}))
    if new.kind == "table":
        added, removed = _file_rows(old, new)
        return NodeChange(name, new.kind, "changed", added, removed, metadata=metadata)
    if new.kind == "array":
        return _array_change(name, old, new, metadata)
    return NodeChange(name, new.kind, "changed", metadata=metadata)


def _array_change(name: str, old: Node, new: Node, metadata: tuple[str, ...]) -> NodeChange:
    written, removed = len(new.entries), len(old.entries)
    if _same_grid(old, new):
        differing = new.entries.difference(old.entries)
        written = sum(entry is not None for entry in differing.values())
        removed = len(differing) - written
    shapes = (list(old.meta["shape"]), list(new.meta["shape"]))
    return NodeChange(
        name,
        "array",
        "changed",
        chunks_written=written,
        chunks_removed=removed,
        shape=None if shapes[0] == shapes[1] else shapes,
        metadata=metadata,
    )


def _same_grid(old: Node, new: Node) -> bool:
    before, after = Grid.of(old.meta), Grid.of(new.meta)
    return before.chunks == after.chunks and before.counts[1:] == after.counts[1:]


def _other_keys(old: Node, new: Node) -> set[str]:
    keys = old.meta.keys() | new.meta.keys()
    return {key for key in keys if not equal_json(old.meta.get(key), new.meta.get(key))}


def _rows(node: Node | None) -> int:
    if node is None or node.kind != "table":
        return 0
    return sum(entry.stats["rows"] for _, entry in node.entries.items())


def _chunks(node: Node | None) -> int:
    return len(node.entries) if node is not None and node.kind == "array" else 0


def _file_rows(old: Node, new: Node) -> tuple[int, int]:
    before, after = Counter(_files(old)), Counter(_files(new))
    added, removed = after - before, before - after
    return sum(rows * n for (_, rows), n in added.items()), sum(rows * n for (_, rows), n in removed.items())


def _files(node: Node) -> Iterator[tuple[str, int]]:
    return ((entry.digest, entry.stats["rows"]) for _, entry in node.entries.items())
