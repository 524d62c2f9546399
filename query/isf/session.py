"""The stored side of an ISF database: nodes below a prefix, edited one commit at a time."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...lake import Commit, Lake, Snapshot, Transaction
from ...lake.errors import ConflictError, InputError, NotFoundError, ReadOnlyError
from ...lake.nodes.node import Tree
from .folders import ManagedFolder, files_of
from .keys import Path, encoded
from .results import Results
from .tables import NOTE, Put, note_of

_ATTEMPTS = 20
DATABASE, FOLDER, MODEL, PARTS = "database", "folder", "model", "parts"
"""What groups hold: keys, files, a reduced model, or a value of several nodes."""


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
    def options(self) -> tuple[str, str | None, str, bool | str, bool, bool]:
        """What makes the session again on the same lake."""
        return self.branch, self.pinned, self.prefix, self.readonly, self.nocreate, self.allow_pickle

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
        """Return the name of the node of a path.

        Parameters
        ----------
        path
            Keys from the outermost database on.
        """
        return "/".join((self.prefix, *map(encoded, path)))

    def replace(self, puts: Mapping[Path, Put], message: str) -> Commit | None:
        """Replace what is stored at paths, and below them, all in one commit.

        Parameters
        ----------
        puts
            What stores the new content, by path.
        message
            Message of the commit.

        Raises
        ------
        InputError
            A path leads through a value.
        ReadOnlyError
            The database is for reading.
        """

        def edit(transaction: Transaction) -> None:
            for path, put in puts.items():
                self._make_parents(transaction, path)
                clear(transaction, self.name(path))
                put(transaction, self.name(path))

        return self.commit(message, edit)

    def check_place(self, path: Path) -> None:
        """Check that something may be stored at a path.

        Parameters
        ----------
        path
            Keys from the outermost database on.

        Raises
        ------
        InputError
            The path leads through a value.
        ReadOnlyError
            The database is for reading.
        """
        self._check_writing()
        self._check_parents(self.snapshot.tree, path)

    def move(self, source: Path, target: Path) -> None:
        """Move what is stored at a path, and below it, to another one, in one commit.

        Parameters
        ----------
        source, target
            Keys from the outermost database on.

        Raises
        ------
        InputError
            The target leads through a value.
        ReadOnlyError
            The database is for reading.
        """
        old, new = self.name(source), self.name(target)

        def edit(transaction: Transaction) -> None:
            self._make_parents(transaction, target)
            for name in stored(transaction.drafts, old):
                transaction.drafts.apply({new + name[len(old) :]: transaction.drafts[name], name: None})

        self.commit(f"rename {told(source)} to {told(target)}", edit)

    def commit(self, message: str, edit: Callable[[Transaction], None]) -> Commit | None:
        """Commit an edit; repeat it on the newest content where another writer changed the same key first.

        Parameters
        ----------
        message
            Message of the commit.
        edit
            Makes the changes in a transaction.

        Raises
        ------
        ReadOnlyError
            The database is for reading.
        ConflictError
            Other writers were faster each time.
        """
        self._check_writing()
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

    def _check_writing(self) -> None:
        if self.pinned or self.readonly is True:
            raise ReadOnlyError("this database was opened for reading: open the branch, without readonly")

    def _check_parents(self, tree: Tree, path: Path) -> None:
        for depth in range(1, len(path)):
            if path[:depth] in self.results.by_path or not holds_keys(tree, self.name(path[:depth])):
                raise InputError(f"{told(path[:depth])!r} holds a value, and is no sub-database")

    def _make_parents(self, transaction: Transaction, path: Path) -> None:
        self._check_parents(transaction.drafts, path)
        for depth in range(1, len(path)):
            name = self.name(path[:depth])
            if name not in transaction.drafts:
                make_group(transaction, name, DATABASE)


def told(path: Path) -> str:
    """Return a path as text for messages.

    Parameters
    ----------
    path
        Keys from the outermost database on.
    """
    return "/".join(map(str, path))


def stored(tree: Iterable[str], name: str) -> list[str]:
    """Return the names of the nodes at a name and below it.

    Parameters
    ----------
    tree
        Names of nodes.
    name
        The name.
    """
    return [node for node in tree if node == name or node.startswith(f"{name}/")]


def below(tree: Iterable[str], name: str) -> dict[str, str]:
    """Return the nodes below a name, by the rest of their names.

    Parameters
    ----------
    tree
        Names of nodes.
    name
        The name.
    """
    return {node[len(name) + 1 :]: node for node in tree if node.startswith(f"{name}/")}


def clear(transaction: Transaction, name: str) -> None:
    """Delete the nodes at a name and below it.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        The name.
    """
    for node in stored(transaction.drafts, name):
        transaction.delete(node)


def is_folder(tree: Tree, name: str) -> bool:
    """Tell whether a managed folder is stored at a name.

    Parameters
    ----------
    tree
        Nodes by name.
    name
        The name.
    """
    return note_of(tree, name).get("format") == FOLDER


def holds_keys(tree: Tree, name: str) -> bool:
    """Tell whether a sub-database is stored at a name, or nothing that would be in the way of one.

    Parameters
    ----------
    tree
        Nodes by name.
    name
        The name.
    """
    if name not in tree:
        return True
    return tree[name].kind == "group" and note_of(tree, name).get("format") in (None, DATABASE)


def folder(files: ManagedFolder) -> Put:
    """Return what stores a managed folder with some files.

    Parameters
    ----------
    files
        The folder.
    """

    def put(transaction: Transaction, name: str) -> None:
        make_group(transaction, name, FOLDER)
        for relative, path in files_of(files).items():
            transaction.put_file(f"{name}/{relative}", path)

    return put


def make_group(transaction: Transaction, name: str, kind: str, suffix: str = "") -> None:
    """Make a node a group with a mark of what it holds.

    Parameters
    ----------
    transaction
        The transaction to write in.
    name
        Name of the node.
    kind
        What it holds, such as `DATABASE` or `FOLDER`.
    suffix
        End of the names of the nodes below that hold its content.
    """
    attributes = {NOTE: {"format": kind, **({"suffix": suffix} if suffix else {})}}
    meta = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    transaction.drafts.put(name, "group", meta, {})


def written_by(snapshot: Snapshot, name: str) -> Commit:
    """Return the commit that last wrote a node or one below it; commits that only moved content are passed over if possible.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the node.

    Raises
    ------
    NotFoundError
        That history has expired.
    """
    touched = [record for record in snapshot.history() if stored(record.fields["changes"], name)]
    if not touched:
        raise NotFoundError(f"no commit is left that wrote {name!r}: that history has expired")
    return next((record for record in touched if record.provenance.get("notes")), touched[0])
