"""The stored side of an ISF database: nodes below a prefix, edited one commit at a time."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ...lake import Commit, Lake, Snapshot, Transaction
from ...lake.errors import ConflictError, InputError, NotFoundError, ReadOnlyError
from ...lake.nodes.node import Tree
from .folders import ManagedFolder, files_of
from .results import Path, Results
from .tables import NOTE, Put, note_of

_ATTEMPTS = 20
_DATABASE, _FOLDER = "database", "folder"


@dataclass(frozen=True)
class Session:
    """What a database and its sub-databases share.

    Parameters
    ----------
    lake, branch, pinned, prefix
        Where to read and write; a `pinned` commit is read instead of the branch's newest.
    readonly, nocreate, allow_pickle
        As of `isf.open`.
    folders
        Working folders that were made here, by node.
    """

    lake: Lake
    branch: str
    pinned: str | None
    prefix: str
    readonly: bool | str
    nocreate: bool
    allow_pickle: bool
    folders: dict[str, ManagedFolder] = field(default_factory=dict)
    _known: dict[str, Results] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        """What is read now."""
        return self.lake.at(self.pinned or self.branch)

    @property
    def results(self) -> Results:
        """The simulations' keys of that snapshot."""
        snapshot = self.snapshot
        if snapshot.commit.id not in self._known:
            self._known.clear()
            self._known[snapshot.commit.id] = Results(snapshot)
        return self._known[snapshot.commit.id]

    def name(self, path: Path) -> str:
        """The node of a path."""
        return "/".join((self.prefix, *path))

    def replace(self, path: Path, put: Put, message: str) -> Commit | None:
        """Make what is stored at a path, and below it, what *put* puts there; in one commit.

        Raises
        ------
        InputError
            The path leads through a value.
        ReadOnlyError
            The database is for reading.
        """
        name = self.name(path)

        def edit(transaction: Transaction) -> None:
            self._make_parents(transaction, path)
            clear(transaction, name)
            put(transaction, name)

        return self.commit(message, edit)

    def move(self, source: Path, target: Path) -> None:
        """Give what is stored at a path, and below it, another one; in one commit."""
        old, new = self.name(source), self.name(target)

        def edit(transaction: Transaction) -> None:
            self._make_parents(transaction, target)
            for name in stored(transaction.drafts, old):
                transaction.drafts.apply({new + name[len(old) :]: transaction.drafts[name], name: None})

        self.commit(f"rename {'/'.join(source)} to {'/'.join(target)}", edit)

    def commit(self, message: str, edit: Callable[[Transaction], None]) -> Commit | None:
        """Commit an edit; where another writer changed the same key first, once more on what is there then."""
        if self.pinned or self.readonly is True:
            raise ReadOnlyError("this database was opened for reading: open the branch, without readonly")
        if self.readonly:
            warnings.warn(f"writing to a database opened with readonly={self.readonly!r}", stacklevel=4)
        for left in reversed(range(_ATTEMPTS)):
            transaction = self.lake.transaction(f"isf: {message}", branch=self.branch, notes={NOTE: message})
            edit(transaction)
            try:
                return transaction.commit()
            except ConflictError:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _make_parents(self, transaction: Transaction, path: Path) -> None:
        for depth in range(1, len(path)):
            name = self.name(path[:depth])
            if path[:depth] in self.results.by_path or not holds_keys(transaction.drafts, name):
                raise InputError(f"{'/'.join(path[:depth])!r} holds a value, and is no sub-database")
            if name not in transaction.drafts:
                database()(transaction, name)


def stored(tree: Iterable[str], name: str) -> list[str]:
    """Nodes at a name and below it."""
    return [node for node in tree if node == name or node.startswith(f"{name}/")]


def below(tree: Iterable[str], name: str) -> dict[str, str]:
    """Nodes below a name, by the rest of theirs."""
    return {node[len(name) + 1 :]: node for node in tree if node.startswith(f"{name}/")}


def clear(transaction: Transaction, name: str) -> None:
    """Delete the nodes at a name and below it."""
    for node in stored(transaction.drafts, name):
        transaction.delete(node)


def is_folder(tree: Tree, name: str) -> bool:
    """Whether a managed folder is stored there."""
    return note_of(tree, name).get("format") == _FOLDER


def holds_keys(tree: Tree, name: str) -> bool:
    """Whether a sub-database is stored there, or nothing that would be in the way of one."""
    return name not in tree or (tree[name].kind == "group" and not is_folder(tree, name))


def database() -> Put:
    """What makes an empty sub-database."""
    return partial(_put_group, kind=_DATABASE)


def folder(files: ManagedFolder | None = None) -> Put:
    """What makes a managed folder with these files."""

    def put(transaction: Transaction, name: str) -> None:
        _put_group(transaction, name, kind=_FOLDER)
        for relative, path in files_of(files).items() if files else ():
            transaction.put_file(f"{name}/{relative}", path)

    return put


def _put_group(transaction: Transaction, name: str, *, kind: str) -> None:
    meta = {"zarr_format": 3, "node_type": "group", "attributes": {NOTE: {"format": kind}}}
    transaction.drafts.put(name, "group", meta, {})


def written_by(snapshot: Snapshot, name: str) -> Commit:
    """The commit that last wrote a node: one that says for what, rather than one that only moved its content.

    Raises
    ------
    NotFoundError
        That history has expired.
    """
    touched = [record for record in snapshot.history() if name in record.fields["changes"]]
    if not touched:
        raise NotFoundError(f"no commit is left that wrote {name!r}: that history has expired")
    return next((record for record in touched if record.provenance.get("notes")), touched[0])
