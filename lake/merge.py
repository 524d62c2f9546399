"""Three-way merge of trees: what one side did since a common base, done to the other side.

Transactions that lost a race, branches, reverts and cherry-picks all come down to this. Changes commute when
they touch different nodes, different chunks of an array, different files of a table, or different parts of
metadata; when they append rows to the same table, or whole chunks along the first axis of the same array.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
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
    """A table is a row of files: each side took some away, put others in their place, and added some at the end."""
    before, here = _files(base), _files(ours)
    edits, appended = _edits(before, _files(theirs))
    edits_here, appended_here = _edits(before, here)
    if not repeats:
        have = {entry.digest for entry in appended_here}
        appended = [entry for entry in appended if entry.digest not in have]
        edits = [edit for edit in edits if edit not in edits_here]
    removed, removed_here = (
        Counter(digest for edit in side for digest in edit.removed) for side in (edits, edits_here)
    )
    if removed & removed_here:
        raise _ClashError("both sides rewrote the same rows")
    for side, other in ((removed, appended_here), (removed_here, appended)):
        if before and side.total() == len(before) and other:
            raise _ClashError("one side replaced the rows, the other appended some")
    _check_order(ours.meta.get("sorted_by", ()), appended_here, appended)
    fields = merged_fields("", ours.meta["fields"], theirs.meta["fields"])
    meta = {**_merged_meta(base.meta, ours.meta, theirs.meta, skip=("fields", "evolved")), "fields": fields}
    if fields != list(base.meta["fields"]):
        meta["evolved"] = True
    if not edits:
        return Node("table", meta, ours.entries.updated(dict(enumerate(appended, len(here)))))
    files = [*_edited(here, edits), *appended]
    return Node("table", meta, Entries(read_shard=ours.entries.read_shard).updated(dict(enumerate(files))))


@dataclass(frozen=True)
class _Edit:
    """Neighbouring files that went, and what came in their place."""

    removed: tuple[Digest, ...]
    added: tuple[Entry, ...]


def _files(node: Node) -> list[Entry]:
    return [entry for _, entry in node.entries.items()]


def _edits(before: list[Entry], after: list[Entry]) -> tuple[list[_Edit], list[Entry]]:
    """How *before* became *after*: files replaced where they stood, and files added at the end."""
    matcher = SequenceMatcher(None, _digests(before), _digests(after), autojunk=False)
    edits, appended = [], []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "insert" and i == len(before):
            appended = after[k:m]
        elif kind == "insert":
            # What was put between files stands for the one that follows it.
            edits.append(_Edit((before[i].digest,), (*after[k:m], before[i])))
        elif kind != "equal":
            edits.append(_Edit(tuple(_digests(before[i:j])), tuple(after[k:m])))
    return edits, appended


def _edited(files: list[Entry], edits: list[_Edit]) -> list[Entry]:
    for edit in edits:
        gone = Counter(edit.removed)
        left: list[Entry] = []
        place = len(files)
        for entry in files:
            if gone[entry.digest] > 0:
                gone[entry.digest] -= 1
                place = min(place, len(left))
            else:
                left.append(entry)
        files = [*left[:place], *edit.added, *left[place:]]
    return files


def _digests(entries: list[Entry]) -> list[Digest]:
    return [entry.digest for entry in entries]


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
