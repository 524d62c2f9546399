"""Three-way merge of trees: what one side did since a common base, done to the other side.

Transactions that lost a race, branches, reverts and cherry-picks all come down to this. Changes commute when
they touch different nodes, different chunks of an array, different files of a table, or different parts of
metadata; when they append rows to the same table, or whole chunks along the first axis of the same array;
and when both did the same, such as deriving one result, of which either record will do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..digest import Digest, equal_json
from ..errors import ConflictError, InputError
from ..nodes.derived import result_of
from ..nodes.entries import Entries
from ..nodes.entry import Entry
from ..nodes.fields import merged_fields
from ..nodes.grid import Grid
from ..nodes.node import Node, Tree
from . import filelists
from .filelists import ClashError

Changes = Mapping[str, Node | None]
"""New nodes by name; None for those that are gone."""


# All else that an array's metadata say is how its chunks are read.
_ABOUT_ARRAYS = ("attributes", "dimension_names", "shape")


def changes_between(old: Tree, new: Tree) -> dict[str, Node | None]:
    """Return what has to change in one tree to make it the other.

    Parameters
    ----------
    old
        Nodes before, by name.
    new
        Nodes after, by name.
    """
    gone: dict[str, Node | None] = {name: None for name in old if name not in new}
    changed = {name: node for name, node in new.items() if _digest(old.get(name)) != node.digest}
    return gone | changed


def merged(base: Tree, ours: Tree, theirs: Changes, *, repeats: bool = False) -> dict[str, Node | None]:
    """Return the changes that bring *theirs* into *ours*.

    Parameters
    ----------
    base
        What both sides started from.
    ours
        The side to add to.
    theirs
        What the other side changed since *base*.
    repeats
        Whether equal appends of both sides are two appends (two writers at work) or one (a commit that
        reached both branches).

    Raises
    ------
    ConflictError
        Changes of the same node do not commute; names all such nodes.
    """
    found: dict[str, Node | None] = {}
    clashes: dict[str, str] = {}
    for name, node in theirs.items():
        if result_of(name) and name not in base and name in ours:
            # Its name follows from all that decides a derived result: both sides made the same one.
            continue
        try:
            result = _merged_node(base.get(name), ours.get(name), node, repeats)
        except (ClashError, InputError) as error:
            clashes[name] = str(error)
            continue
        if _digest(result) != _digest(ours.get(name)):
            found[name] = result
    if clashes:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(clashes.items()))
        raise ConflictError(
            f"both sides changed {reasons}. Make the change again on what is there now",
            tuple(sorted(clashes)),
        )
    return found


def _merged_node(base: Node | None, ours: Node | None, theirs: Node | None, repeats: bool) -> Node | None:
    if _digest(base) == _digest(ours):
        return theirs
    if _digest(base) == _digest(theirs):
        return ours
    same = _digest(ours) == _digest(theirs)
    if base is None or ours is None or theirs is None or len({base.kind, ours.kind, theirs.kind}) > 1:
        if same and not (repeats and theirs is not None and theirs.kind == "table"):
            return ours
        raise ClashError("one side made or removed it")
    if same and not repeats:
        return ours
    if base.kind == "table":
        return _merged_table(base, ours, theirs, repeats)
    if base.kind == "array":
        return _merged_array(base, ours, theirs, repeats)
    if same:
        return ours
    raise ClashError(f"a {base.kind} has one content")


def _merged_table(base: Node, ours: Node, theirs: Node, repeats: bool) -> Node:
    here, there = _change(base, ours), _change(base, theirs)
    if there.edits and _digest(ours) == _digest(theirs):
        return ours
    if not repeats:
        there = there.without(here)
    before = _files(base) if here.edits or there.edits else []
    filelists.check(before, here, there, ours.meta.get("sorted_by", ()))
    fields = _merged_fields(base, ours, theirs)
    meta = {**_merged_meta(base.meta, ours.meta, theirs.meta, skip=("fields", "evolved")), "fields": fields}
    if fields != list(base.meta["fields"]):
        meta["evolved"] = True
    if not there.edits:
        return Node("table", meta, ours.entries.updated(dict(enumerate(there.appended, len(ours.entries)))))
    made = there.made(_files(ours))
    if not made:
        raise ClashError("together both sides removed all its rows")
    return Node("table", meta, Entries(read_shard=ours.entries.read_shard).updated(dict(enumerate(made))))


def _change(base: Node, side: Node) -> filelists.Change:
    """What one side did to the files; where it only appended some, however many there were before."""
    end, changed = len(base.entries), side.entries.difference(base.entries)
    appended = [entry for at, entry in sorted(changed.items()) if at >= end and entry is not None]
    if len(appended) == len(changed):
        return filelists.Change([], appended)
    return filelists.change(_files(base), _files(side))


def _merged_fields(base: Node, ours: Node, theirs: Node) -> Sequence[Mapping[str, Any]]:
    before, here, there = (node.meta["fields"] for node in (base, ours, theirs))
    if equal_json(before, there):
        return cast(Sequence[Mapping[str, Any]], here)
    if equal_json(before, here):
        return cast(Sequence[Mapping[str, Any]], there)
    return merged_fields("", here, there)


def _files(node: Node) -> list[Entry]:
    return [entry for _, entry in node.entries.items()]


def _merged_array(base: Node, ours: Node, theirs: Node, repeats: bool) -> Node:
    grids = [Grid.of(node.meta) for node in (base, ours, theirs)]
    _check_alike([base, ours, theirs], grids)
    meta = _merged_meta(base.meta, ours.meta, theirs.meta, skip=("shape",))
    here, there = ours.entries.difference(base.entries), theirs.entries.difference(base.entries)
    shift, rows, end = 0, max(grid.shape[0] if grid.shape else 0 for grid in grids), len(grids[0])
    if all(grid.shape != grids[0].shape for grid in grids[1:]):
        shift, rows = _growth(grids)
        if not repeats and _appended(here, end) & _appended(there, end):
            raise ClashError("both sides appended equal chunks, which may or may not be the same data")
    moved = {at + shift if at >= end else at: entry for at, entry in there.items()}
    if any(_content(moved[at]) != _content(here[at]) for at in moved.keys() & here.keys()):
        raise ClashError("both sides wrote the same chunks")
    shape = [rows, *grids[0].shape[1:]] if grids[0].shape else []
    return Node("array", {**meta, "shape": shape}, ours.entries.updated(moved))


def _check_alike(nodes: list[Node], grids: list[Grid]) -> None:
    """Chunks of both sides are read in the same way, and none of them fell away."""
    keys = {key for node in nodes for key in node.meta} - set(_ABOUT_ARRAYS)
    other = [key for key in sorted(keys) if not all(_agree(nodes[0].meta, node.meta, key) for node in nodes)]
    if other:
        raise ClashError(f"one side changed its {', '.join(other)}")
    if len({grid.shape[1:] for grid in grids}) > 1:
        raise ClashError("one side changed an axis other than the first")
    if any(grid.shape[:1] < grids[0].shape[:1] for grid in grids[1:]):
        raise ClashError("one side cut it short")


def _appended(changed: Mapping[int, Entry | None], end: int) -> set[Digest]:
    return {entry.digest for at, entry in changed.items() if entry is not None and at >= end}


def _content(entry: Entry | None) -> Digest | None:
    return None if entry is None else entry.digest


def _growth(grids: list[Grid]) -> tuple[int, int]:
    """How many chunks later their new rows come to stand, and the length of both together."""
    base, ours, theirs = grids
    start, middle, rows = base.shape[0], ours.shape[0], base.chunks[0]
    if start % rows or middle % rows:
        raise ClashError("both sides appended, and not by whole chunks")
    return len(ours) - len(base), middle + theirs.shape[0] - start


def _merged_meta(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], skip: tuple[str, ...]
) -> dict[str, Any]:
    meta = dict(ours)
    for key in (base.keys() | theirs.keys()) - set(skip):
        if _agree(base, theirs, key) or _agree(ours, theirs, key):
            continue
        if not _agree(base, ours, key):
            raise ClashError(f"both sides changed its {key}")
        meta.pop(key, None)
        meta |= {key: theirs[key]} if key in theirs else {}
    return meta


def _agree(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    """Whether both have the same value there, or none."""
    return (key in one) == (key in other) and equal_json(one.get(key), other.get(key))


def _digest(node: Node | None) -> str | None:
    return None if node is None else node.digest
