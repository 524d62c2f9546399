"""How the row of a table's files changed on two sides, and both changes made to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ..digest import Digest
from ..nodes.entry import Entry


class ClashError(Exception):
    """Two changes of a node that do not commute; the text says why."""


@dataclass(frozen=True)
class Edit:
    """Neighbouring files that went, and what came in their place; or only came, before the file `follower`."""

    removed: tuple[Digest, ...]
    added: tuple[Entry, ...]
    follower: Digest | None = None


@dataclass(frozen=True)
class Change:
    """What one side did: files replaced where they stood, and files added at the end."""

    edits: list[Edit]
    appended: list[Entry]

    @property
    def removed(self) -> Counter[Digest]:
        """Digests of the files that went."""
        return Counter(digest for edit in self.edits for digest in edit.removed)

    @property
    def put(self) -> list[Entry]:
        """Files that came before the end."""
        return [entry for edit in self.edits for entry in edit.added]

    @property
    def followers(self) -> set[Digest]:
        """Files before which others were put."""
        return {edit.follower for edit in self.edits if edit.follower is not None}

    def without(self, other: "Change") -> "Change":
        """Return this change without what the other side did, too.

        Parameters
        ----------
        other
            The other side's change of the same files.
        """
        edits = [edit for edit in self.edits if edit not in other.edits]
        return Change(edits, _without(self.appended, other.appended))

    def made(self, files: list[Entry]) -> list[Entry]:
        """Return *files* with this change made.

        Parameters
        ----------
        files
            Entries before.
        """
        for edit in self.edits:
            files = _edited(files, edit)
        return [*files, *self.appended]


def change(before: list[Entry], after: list[Entry]) -> Change:
    """Return the change that makes *after* of *before*.

    Parameters
    ----------
    before
        Entries before the change.
    after
        Entries after it.
    """
    old, new = _digests(before), _digests(after)
    left = iter(new)
    if new[: len(old)] == old or not (all(digest in left for digest in old) or Counter(old) - Counter(new)):
        # At worst, in another order: so it is where branches were merged crosswise.
        return Change([], _without(after, before))
    edits, appended = [], []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "insert" and i == len(before):
            appended = after[k:m]
        elif kind != "equal":
            edits.append(Edit(tuple(old[i:j]), tuple(after[k:m]), old[i] if kind == "insert" else None))
    return Change(edits, appended)


def check(before: list[Entry], here: Change, there: Change, sorted_by: Sequence[str]) -> None:
    """Check that both changes can be made, and leave a sorted table in order.

    Parameters
    ----------
    before
        Entries before the change.
    here, there
        The changes of the two sides.
    sorted_by
        Columns by which the table is sorted; empty if by none.

    Raises
    ------
    ClashError
        They cannot.
    """
    if here.removed & there.removed:
        raise ClashError("both sides rewrote the same rows")
    for one, other in ((here, there), (there, here)):
        if before and one.removed.total() == len(before) and other.appended:
            raise ClashError("one side replaced the rows, the other appended some")
    if not sorted_by:
        return
    if here.followers & there.followers:
        raise ClashError("both sides put rows at the same position")
    # What is appended comes last: here's, then there's.
    for first, second in (
        (here.appended, there.appended),
        (there.put, here.appended),
        (here.put, there.appended),
    ):
        _check_order(sorted_by, first, second)


def _check_order(sorted_by: Sequence[str], first: list[Entry], second: list[Entry]) -> None:
    column = sorted_by[0]
    highest, lowest = _bounds(first, column, 1), _bounds(second, column, 0)
    if not (highest and lowest):
        return
    # Equal values in the first column leave the order to the others, of which this knows nothing.
    ordered = None not in highest + lowest and (
        max(highest) < min(lowest) or (max(highest) == min(lowest) and len(sorted_by) == 1)
    )
    if not ordered:
        raise ClashError(f"both sides appended, and {column} would be out of order")


def _bounds(files: list[Entry], column: str, which: int) -> list[Any]:
    """Least (0) or greatest (1) values of a column, None where not known; files without values have none."""
    known = [
        (entry.stats.get("columns", {}).get(column, (None, None, 0)), entry.stats["rows"]) for entry in files
    ]
    return [bounds[which] for bounds, rows in known if bounds[2] < rows]


def _edited(files: list[Entry], edit: Edit) -> list[Entry]:
    gone = Counter(edit.removed)
    left: list[Entry] = []
    place = len(files)
    for entry in files:
        if gone[entry.digest] > 0 or entry.digest == edit.follower:
            place = min(place, len(left))
        if gone[entry.digest] > 0:
            gone[entry.digest] -= 1
        else:
            left.append(entry)
    return [*left[:place], *edit.added, *left[place:]]


def _without(entries: list[Entry], others: list[Entry]) -> list[Entry]:
    left = Counter(_digests(others))
    kept = []
    for entry in entries:
        left[entry.digest] -= 1
        if left[entry.digest] < 0:
            kept.append(entry)
    return kept


def _digests(entries: list[Entry]) -> list[Digest]:
    return [entry.digest for entry in entries]
