"""Merge branches, revert commits, pick them: what one side did, done to a branch by a new commit.

Where another writer commits first, all is computed anew from what the branch holds then: what both sides have
in common may be more.
"""

from collections.abc import Callable, Iterator, Mapping

from .errors import ConflictError, InputError, NotFoundError
from .history.ancestry import Divergence, ancestors, divergence
from .history.log import Commit
from .history.merge import changes_between, merged
from .history.trees import History
from .nodes.naming import check_names
from .nodes.node import Node, Tree
from .threads import pause
from .transaction import Transaction

PICKED = "picked"
_ATTEMPTS = 100

Begin = Callable[[], Transaction]
"""Begins a transaction on what the branch holds now, with one attempt."""


def merge(history: History, theirs: Commit, branch: str, message: str, author: str) -> Commit | None:
    """Merge into a branch what a commit has changed since the merge base; see `Lake.merge`.

    Parameters
    ----------
    history
        History of the lake.
    theirs
        The commit to merge.
    branch
        The branch to merge into.
    message
        Message of the commit.
    author
        Author of the commit.
    """
    for _ in _attempts():
        ours, number = history.log.head(branch)
        diverged = divergence(history.log, [ours], theirs)
        if not diverged.other:
            return None
        if not diverged.one:
            check_names(history.tree(theirs), history.tree(ours))
            if history.log.point(branch, theirs.reference, message=message, author=author, after=number):
                return theirs
            continue
        transaction = Transaction(history, branch, message, author=author, attempts=1)
        if transaction.tip.id == ours.id:
            base = _common_tree(history, diverged)
            changes = changes_between(base, history.tree(theirs))
            transaction.merge(base, changes, parent=theirs.reference)
            if _won(transaction):
                return transaction.committed
    raise AssertionError("the attempts end with an error")


def revert(history: History, record: Commit, begin: Begin) -> Commit | None:
    """Undo what one commit did; see `Lake.revert`.

    Parameters
    ----------
    history
        History of the lake.
    record
        The commit to undo.
    begin
        Begins a transaction with that message.
    """
    return _applied(history, record, _parent(history, record), begin)


def cherry_pick(history: History, record: Commit, begin: Begin) -> Commit | None:
    """Repeat what one commit did; see `Lake.cherry_pick`.

    Parameters
    ----------
    history
        History of the lake.
    record
        The commit to repeat.
    begin
        Begins a transaction with that message.
    """
    return _applied(history, _parent(history, record), record, begin)


def origin(record: Commit) -> str:
    """Return the id of the commit that this one was first picked from; its own id otherwise.

    Parameters
    ----------
    record
        The commit.
    """
    notes = record.provenance.get("notes")
    return str(notes[PICKED]) if isinstance(notes, dict) and PICKED in notes else record.id


def _applied(history: History, base: Commit, side: Commit, begin: Begin) -> Commit | None:
    before = history.tree(base)
    changes = changes_between(before, history.tree(side))
    for _ in _attempts():
        transaction = begin()
        transaction.merge(before, changes)
        if _won(transaction):
            return transaction.committed
    raise AssertionError("the attempts end with an error")


def _attempts() -> Iterator[int]:
    for attempt in range(_ATTEMPTS):
        pause(attempt)
        yield attempt
    raise ConflictError(f"{_ATTEMPTS} other commits came first; try again later")


def _won(transaction: Transaction) -> bool:
    """Commit; False if another writer was first."""
    try:
        transaction.commit()
    except ConflictError as error:
        if error.nodes:
            raise
        return False
    return True


def _parent(history: History, record: Commit) -> Commit:
    if not record.parents:
        raise InputError(f"commit {record.id[:12]} is the first; there is nothing before it")
    return history.log.read(record.parents[0])


def _common_tree(history: History, diverged: Divergence) -> Tree:
    """What both sides have in common: their bases merged, and the commits that were picked from one to the other."""
    if not diverged.bases:
        raise NotFoundError(f"the two have no commit in common{history.expired_too()}")
    tree = history.tree(diverged.bases[0])
    for at, base in enumerate(diverged.bases[1:], 1):
        below = _common_tree(history, divergence(history.log, diverged.bases[:at], base))
        tree = _with(tree, merged(below, tree, changes_between(below, history.tree(base))))
    for record in _shared_picks(history, diverged):
        before = history.tree(_parent(history, record))
        for name, node in changes_between(before, history.tree(record)).items():
            try:
                tree = _with(tree, merged(before, tree, {name: node}))
            except ConflictError:
                # It depends on what only one side has: then both sides' own changes must agree.
                continue
    return tree


def _shared_picks(history: History, diverged: Divergence) -> list[Commit]:
    """Commits of one side that the other has too, under another id; oldest first."""
    have = {origin(record) for record in diverged.one}
    shared = [record for record in diverged.other if origin(record) in have]
    if not shared:
        return []
    before = {record.id for base in diverged.bases for record in ancestors(history.log, base)}
    return [record for record in reversed(shared) if record.id not in before]


def _with(tree: Tree, changes: Mapping[str, Node | None]) -> Tree:
    kept = {name: node for name, node in tree.items() if name not in changes}
    return kept | {name: node for name, node in changes.items() if node is not None}
