"""Three-way merge of trees: what one side did since a common base, done to the other side.

Transactions that lost a race, branches, reverts and cherry-picks all come down to this. Changes commute when
they touch different nodes, different chunks of an array, different files of a table, or different parts of
metadata; when they append rows to the same table, or whole chunks along the first axis of the same array.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .digest import Digest
from .entries import Entries
from .entry import Entry
from .errors import ConflictError, InputError
from .grid import Grid
from .nodes import Node, Tree
from .tables import merged_fields

Changes = Mapping[str, Node | None]
"""New nodes by name; None for those that are gone."""


class _ClashError(Exception):
    """Two changes of a node that do not commute; the text says why."""


def changes_between(old: Tree, new: Tree) -> dict[str, Node | None]:
    """What has to change in *old* to make it *new*."""
    gone: dict[str, Node | None] = {name: None for name in old if name not in new}
    changed = {name: node for name, node in new.items() if _digest(old.get(name)) != node.digest}
    return gone | changed


def merged(base: Tree, ours: Tree, theirs: Changes, *, repeats: bool = False) -> dict[str, Node | None]:
    """What has to change in *ours* for it to hold *theirs* too.

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
        try:
            result = _merged_node(base.get(name), ours.get(name), node, repeats)
        except (_ClashError, InputError) as error:
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
    same = _digest(ours) == _digest(theirs)
    if base is None or ours is None or theirs is None or len({base.kind, ours.kind, theirs.kind}) > 1:
        if same and not (repeats and theirs is not None and theirs.kind == "table"):
            return ours
        raise _ClashError("one side made or removed it")
    if same and not repeats:
        return ours
    if base.kind == "table":
        return _merged_table(base, ours, theirs, repeats)
    if base.kind == "array":
        return _merged_array(base, ours, theirs)
    if same:
        return ours
    raise _ClashError(f"a {base.kind} has one content")


def _merged_table(base: Node, ours: Node, theirs: Node, repeats: bool) -> Node:
    """A table is a row of files: each side took some away and added some at the end."""
    before, here = _files(base), _files(ours)
    removed, added = _taken(before, _files(theirs))
    removed_here, added_here = _taken(before, here)
    if not repeats:
        have = {entry.digest for entry in added_here}
        added = [entry for entry in added if entry.digest not in have]
    if removed & removed_here:
        raise _ClashError("both sides rewrote the same rows")
    replaced = [side for side in (removed, removed_here) if before and side.total() == len(before)]
    if replaced and added and added_here:
        raise _ClashError("one side replaced the rows, the other appended some")
    _check_order(ours.meta.get("sorted_by", ()), added_here, added)
    fields = merged_fields("", ours.meta["fields"], theirs.meta["fields"])
    meta = {**_merged_meta(base.meta, ours.meta, theirs.meta, skip=("fields", "evolved")), "fields": fields}
    if len(fields) > len(base.meta["fields"]):
        meta["evolved"] = True
    if not removed:
        return Node("table", meta, ours.entries.updated(dict(enumerate(added, len(here)))))
    kept = [*_without(here, removed), *added]
    return Node("table", meta, Entries(read_shard=ours.entries.read_shard).updated(dict(enumerate(kept))))


def _files(node: Node) -> list[Entry]:
    return [entry for _, entry in node.entries.items()]


def _taken(before: list[Entry], after: list[Entry]) -> tuple[Counter[Digest], list[Entry]]:
    """Digests of the files of *before* that *after* lacks, and the files that it has beyond them."""
    old = Counter(entry.digest for entry in before)
    return old - Counter(entry.digest for entry in after), _without(after, old)


def _without(entries: list[Entry], gone: Counter[Digest]) -> list[Entry]:
    left = gone.copy()
    kept = []
    for entry in entries:
        if left[entry.digest] > 0:
            left[entry.digest] -= 1
        else:
            kept.append(entry)
    return kept


def _check_order(sorted_by: Sequence[str], here: list[Entry], there: list[Entry]) -> None:
    """A table that is kept in order takes from both sides only what does not interleave."""
    for column in list(sorted_by)[:1]:
        ours, theirs = (
            [entry.stats["columns"][column] for entry in side if column in entry.stats.get("columns", {})]
            for side in (here, there)
        )
        if ours and theirs and None not in (theirs[0][0], ours[-1][1]) and theirs[0][0] < ours[-1][1]:
            raise _ClashError(f"both sides appended, and {column} would be out of order")


def _merged_array(base: Node, ours: Node, theirs: Node) -> Node:
    grids = [Grid.of(node.meta) for node in (base, ours, theirs)]
    if len({(grid.chunks, grid.shape[1:]) for grid in grids}) > 1:
        raise _ClashError("one side changed its chunks or an axis other than the first")
    if any(grid.shape and grid.shape[0] < grids[0].shape[0] for grid in grids[1:]):
        raise _ClashError("one side cut it short")
    meta = _merged_meta(base.meta, ours.meta, theirs.meta, skip=("shape",))
    ours_changed, theirs_changed = (
        ours.entries.difference(base.entries),
        theirs.entries.difference(base.entries),
    )
    shift, rows = 0, max(grid.shape[0] if grid.shape else 0 for grid in grids)
    if len({grid.shape for grid in grids}) == 3 or grids[1].shape == grids[2].shape != grids[0].shape:
        shift, rows = _growth(grids)
    end = len(grids[0])
    moved = {at + shift if at >= end else at: entry for at, entry in theirs_changed.items()}
    if moved.keys() & ours_changed.keys():
        raise _ClashError("both sides wrote the same chunks")
    shape = [rows, *grids[0].shape[1:]] if grids[0].shape else []
    return Node("array", {**meta, "shape": shape}, ours.entries.updated(moved))


def _growth(grids: list[Grid]) -> tuple[int, int]:
    """How many chunks later their new rows come to stand, and the length of both together."""
    base, ours, theirs = grids
    start, middle, rows = base.shape[0], ours.shape[0], base.chunks[0]
    if start % rows or middle % rows:
        raise _ClashError("both sides appended, and not by whole chunks")
    return len(ours) - len(base), middle + theirs.shape[0] - start


def _merged_meta(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], skip: tuple[str, ...]
) -> dict[str, Any]:
    meta = dict(ours)
    for key in (base.keys() | theirs.keys()) - set(skip):
        old, here, there = base.get(key), ours.get(key), theirs.get(key)
        if there in (old, here):
            continue
        if here != old:
            raise _ClashError(f"both sides changed its {key}")
        meta[key] = there
    return meta


def _digest(node: Node | None) -> str | None:
    return None if node is None else node.digest
