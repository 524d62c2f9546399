"""A lake as the database of the In Silico Framework (ISF): simulated results and anything stored, by key.

``open`` returns a `Database`. What simulations left is read from the lake's own tables and arrays under ISF's
keys (`results`); what is assigned becomes nodes below ``isf/``, each assignment one commit (`values`). A
stored key hides a result of the same name until it is deleted.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from ...lake import Commit, Lake
from ...lake.errors import InputError, NotFoundError
from ...lake.history.log import MAIN
from ...lake.objects.identity import check_identity
from ...lake.objects.store import Address
from ...lake.opened import register_lake
from . import values as isf_values
from .folders import ManagedFolder, checkout, working_folder
from .keys import Key, Path, decoded, encoded, path_of
from .listing import print_tree
from .metadata import Metadata
from .session import (
    DATABASE,
    FOLDER,
    Session,
    below,
    clear,
    folder,
    holds_keys,
    is_folder,
    make_group,
    stored,
    told,
)
from .tables import Put, note_of

_NOTHING: Any = object()
_LONGEST_MESSAGE = 200


def open(
    lake: str | FilePath | Lake,
    *,
    at: str | datetime | None = None,
    branch: str = MAIN,
    prefix: str = "isf",
    readonly: bool | str = False,
    nocreate: bool = False,
    allow_pickle: bool = False,
) -> "Database":
    """A lake as a dictionary in the manner of ISF's database.

    Parameters
    ----------
    lake
        A lake, or its path or URL; one is made where there is none, unless *nocreate*.
    at
        A commit to read, such as ``main~3``, a tag or a time; the database is read-only then.
    branch
        Where assignments go, and what is read otherwise: always its newest commit.
    prefix
        What the names of stored nodes begin with.
    readonly
        Whether writing raises `ReadOnlyError`; ``"warning"`` for a warning only.
    allow_pickle
        Whether values that fit no other form are stored as pickles, and pickles are read. Reading one can run
        any code: allow it only if you trust everyone who can write to the lake.
    nocreate
        Whether a path without a lake is an error.

    Returns
    -------
    Database
        The lake's place is remembered, so that addresses ``mdb://…`` find it; see `resolve_db_path`.

    Raises
    ------
    NotFoundError
        There is no lake, and *nocreate*; or no commit *at*.
    """
    if not isinstance(lake, Lake):
        lake = _opened(lake, nocreate)
    # A user who cannot write to the cache can still read the lake.
    with suppress(OSError):
        register_lake(lake)
    pinned = None if at is None else lake.at(at).commit.id
    return Database(Session(lake, branch, pinned, prefix, readonly, nocreate, allow_pickle))


def _opened(path: str | FilePath, nocreate: bool) -> Lake:
    try:
        return Lake.open(path)
    except NotFoundError:
        if nocreate:
            raise
        return Lake.create(path)


class Database(MutableMapping[Key, Any]):
    """ISF's database dictionary on a lake; made by `open`.

    Keys are texts and numbers, or tuples of these, which reach into sub-databases.

    Parameters
    ----------
    session
        The lake, and where in it the database is.
    path
        Keys from the outermost database to this one.
    """

    def __init__(self, session: Session, path: Path = ()) -> None:
        self._session = session
        self._path = path

    def __repr__(self) -> str:
        where = "/".join((self._session.lake.url, *map(str, self._path)))
        return f"<Database {where}: {', '.join(map(str, self.keys())) or 'empty'}>"

    def __eq__(self, other: object) -> bool:
        # Comparing values would read them all, and arrays compare element by element.
        return isinstance(other, Database) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @property
    def _place(self) -> tuple[Any, ...]:
        session = self._session
        return session.lake, session.branch, session.pinned, session.prefix, self._path

    def __reduce__(self) -> tuple[Any, ...]:
        session = self._session
        return _reopened, (session.lake.objects.address, self._path, *session.options)

    # Reading

    def __getitem__(self, key: Key) -> Any:
        """The value of a key, or the sub-database.

        Raises
        ------
        NotFoundError
            There is no such key; a `KeyError`.
        InputError
            It is a pickle, and these are not allowed.
        """
        path, session = self._at(key), self._session
        snapshot, name = session.snapshot, session.name(path)
        if name in session.folders:
            return session.folders[name]
        if is_folder(snapshot.tree, name):
            return checkout(snapshot, below(snapshot.tree, name))
        if not holds_keys(snapshot.tree, name):
            return isf_values.read(snapshot, name, allow_pickle=session.allow_pickle)
        if path in session.results.by_path:
            return session.results.by_path[path].read()
        if key in self:
            return Database(session, path)
        others = [other for other in self._children(path[:-1]) if isinstance(other, str)]
        close = difflib.get_close_matches(str(path[-1]), others, 3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise NotFoundError(f"there is no key {key!r}{hint}")

    def get(self, key: Key, default: Any = _NOTHING) -> Any:
        """Return the value of a key, or *default* where there is no such key.

        Parameters
        ----------
        key
            Text, number or tuple of these.
        default
            What to return for a missing key; by default that is an error.

        Raises
        ------
        NotFoundError
            There is no such key and no default, as in ISF; a `KeyError`.
        InputError
            It is a pickle, and these are not allowed.
        """
        return self[key] if default is _NOTHING or key in self else default

    def __contains__(self, key: object) -> bool:
        try:
            path = self._at(key)
        except InputError:
            return False
        return path[-1] in self._children(path[:-1])

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self, recurse: bool = False) -> list[Any]:  # type: ignore[override]
        """Return the keys in order of name.

        Parameters
        ----------
        recurse
            Whether to return keys of sub-databases too, as tuples.
        """
        found: list[Any] = []
        for key in self._children(self._path):
            found.append(key)
            if recurse and (below := self.sub_database(key)) is not None:
                rest = below.keys(recurse=True)
                found += [(key, *(part if isinstance(part, tuple) else (part,))) for part in rest]
        return found

    def sub_database(self, key: Key) -> "Database | None":
        """Return the sub-database of a key; None where the key holds a value, which is not read.

        Parameters
        ----------
        key
            Text, number or tuple of these.
        """
        path = self._at(key)
        return Database(self._session, path) if self._is_database(path) else None

    def ls(
        self, *, max_depth: int | None = 2, max_lines: int | None = 20, max_lines_per_key: int | None = 3
    ) -> None:
        """Print the keys as a tree.

        Parameters
        ----------
        max_depth
            How many levels of keys are printed.
        max_lines
            How many lines, apart from the one that counts the keys left out.
        max_lines_per_key
            How many keys of each sub-database.

        None means all.
        """
        print_tree(self, max_depth, max_lines, max_lines_per_key)

    @property
    def metadata(self) -> Metadata:
        """Author, time and provenance of each key."""
        return Metadata(self)

    def get_id(self) -> str:
        """Return what identifies this database: the lake's id, and the path of a sub-database."""
        return "/".join((self._session.lake.id, *map(encoded, self._path)))

    def address(self, key: Key, *parts: str) -> str:
        """Return the address of a managed folder, or of a file in it, that `resolve_db_path` finds on any machine.

        Parameters
        ----------
        key
            Key of the folder.
        parts
            Names from the folder to the file; none for the folder itself.

        Raises
        ------
        NotFoundError
            There is no such key.
        """
        if key not in self:
            raise NotFoundError(f"there is no key {key!r}")
        return "/".join(("mdb:/", self._session.lake.id, *map(encoded, self._at(key)), *parts))

    # Writing

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value)

    def set(
        self, key: Key, value: Any, dumper: Any = None, client: Any = None, overwrite: bool = True
    ) -> None:
        """Store a value under a key, in one commit, whatever the key held before.

        Assigning what is there already changes nothing and makes no commit.

        Parameters
        ----------
        key
            Text or number, or a tuple of these; sub-databases on the way are made.
        value
            A value of a type that `isf_values.prepared` supports.
        dumper
            Form to store it in, by the name (or module) of ISF's dumper; by default what fits: Zarr for
            arrays of NumPy and dask, Parquet for frames of pandas and dask, JSON for all else, with the
            arrays and frames within it as nodes of their own.
        client
            A ``distributed.Client`` (or name of a scheduler) that computes dask frames; dask's default otherwise.
        overwrite
            Whether the key may be there already.

        Raises
        ------
        UnstorableError
            No form holds it, and pickles are not allowed; a `TypeError`.
        InputError
            The key breaks the rules, is below a value, or exists and may not; the dumper is unknown or does
            not fit the value.
        ReadOnlyError
            This database is for reading.
        """
        if not overwrite and key in self:
            raise InputError(f"there is a key {key!r} already")
        self._assign({self._at(key): self._prepared(value, isf_values.form_of(dumper), client)})

    setitem = set

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Store several values, all in one commit.

        Parameters
        ----------
        other
            A mapping, or pairs of key and value.
        values
            More of them, by keyword.

        Raises
        ------
        UnstorableError, InputError, ReadOnlyError
            As of `set`; nothing is stored then.
        """
        pairs: dict[Any, Any] = dict(other, **values)
        self._assign({self._at(key): self._prepared(value) for key, value in pairs.items()})

    def maybe_calculate(
        self,
        key: Key,
        fun: Callable[[], Any],
        force_calculation: bool = False,
        dumper: Any = None,
        client: Any = None,
    ) -> Any:
        """Return the value of a key; if it is missing (or *force*), call *fun*, and store its result as `set` does.

        The function is not called where nothing could be stored.

        Parameters
        ----------
        key, dumper, client
            As of `set`.
        fun
            Computes the value; takes nothing.
        force_calculation
            Whether it is called although the key is there.

        Raises
        ------
        UnstorableError
            No form holds what the function gave; the error's ``value`` has it.
        InputError, ReadOnlyError
            As of `set`.
        """
        if not force_calculation and key in self:
            return self[key]
        path, form = self._at(key), isf_values.form_of(dumper)
        isf_values.check_form(form, allow_pickle=self._session.allow_pickle)
        self._session.check_place(path)
        self._assign({path: self._prepared(fun(), form, client)})
        return self[key]

    def _prepared(self, value: Any, form: str | None = None, client: Any = None) -> Put:
        storage, trusting = self._session.lake.storage, self._session.allow_pickle
        return isf_values.prepared(value, form, storage, allow_pickle=trusting, client=client)

    def _assign(self, puts: Mapping[Path, Put]) -> None:
        if puts:
            self._session.replace(puts, f"set {', '.join(map(told, puts))}"[:_LONGEST_MESSAGE])
        for path in puts:
            self._forget(path)

    def __delitem__(self, key: Key) -> None:
        """Delete what is stored under a key, with all below it.

        Raises
        ------
        NotFoundError
            There is no such key.
        InputError
            It is a result of simulations, which stays in the lake's tables.
        """
        path, session = self._at(key), self._session
        name = session.name(path)
        if not stored(session.snapshot.tree, name):
            if key in self:
                raise InputError(
                    f"{key!r} is read from the lake's own tables; there is nothing stored to delete"
                )
            raise NotFoundError(f"there is no key {key!r}")
        session.commit(f"delete {told(path)}", lambda transaction: clear(transaction, name))
        self._forget(path)

    def rename(self, old: Key, new: Key) -> None:
        """Give what is stored under a key another key, in one commit.

        Parameters
        ----------
        old
            The key to rename.
        new
            Its new name.

        Raises
        ------
        NotFoundError, InputError
            There is nothing stored under the old key, or something under the new one.
        """
        source, target = self._at(old), self._at(new)
        if not stored(self._session.snapshot.tree, self._session.name(source)):
            raise NotFoundError(f"there is nothing stored under {old!r}")
        if new in self:
            raise InputError(f"there is a key {new!r} already")
        self._session.move(source, target)
        self._forget(source)

    def clear(self) -> None:
        """Delete all that is stored here; results of simulations stay in the lake's tables."""
        name = self._session.name(self._path)
        self._session.commit(f"remove {name}", lambda transaction: clear(transaction, name))
        self._forget(self._path)

    remove = clear

    def create_sub_db(self, key: Key, raise_: bool = False) -> "Database":
        """A new sub-database, or the one that is there, as in ISF since 2025.

        Parameters
        ----------
        key
            Its key.
        raise_
            Whether one that is there is an error.

        Raises
        ------
        InputError
            There is a value under that key.
        """
        path = self._at(key)
        if key not in self:
            put = partial(make_group, kind=DATABASE)
            self._session.replace({path: put}, f"create sub-database {told(path)}")
        elif raise_ or not self._is_database(path):
            raise InputError(f"there is a key {key!r} already")
        return Database(self._session, path)

    def create_managed_folder(self, key: Key, raise_: bool = True) -> ManagedFolder:
        """Create a folder to put files into.

        It is a working folder in this user's cache. Its files are in the lake when ``.commit()`` has been
        called, or the ``with`` statement that it was used in has ended.

        Parameters
        ----------
        key
            Text, number or tuple of these.
        raise_
            Whether a folder that exists is an error; else it is opened, with its files.

        Raises
        ------
        InputError
            There is something under that key.
        """
        path, session = self._at(key), self._session
        snapshot, name = session.snapshot, session.name(path)
        if key not in self:
            session.replace({path: partial(make_group, kind=FOLDER)}, f"create folder {told(path)}")
        elif raise_ or not is_folder(snapshot.tree, name):
            raise InputError(f"there is a key {key!r} already")
        files = {relative: snapshot.files[node] for relative, node in below(snapshot.tree, name).items()}

        def commit(working: ManagedFolder) -> Commit | None:
            return session.replace({path: folder(working)}, f"write folder {told(path)}")

        session.folders[name] = working_folder(session.lake.id, encoded(path[-1]), files, commit)
        return session.folders[name]

    def get_managed_folder(self, key: Key) -> ManagedFolder:
        """Return a folder to put files into; create it if it is missing.

        Parameters
        ----------
        key
            Text, number or tuple of these.

        Raises
        ------
        InputError
            There is something else under that key.
        """
        return self.create_managed_folder(key, raise_=False)

    # Paths

    def _at(self, key: object) -> Path:
        return (*self._path, *path_of(key))

    def _children(self, path: Path) -> list[Any]:
        """Keys directly below a path, stored or results."""
        tree, name, depth = self._session.snapshot.tree, self._session.name(path), len(path)
        nodes = below(tree, name) if holds_keys(tree, name) else {}
        found = {decoded(node.partition("/")[0]) for node in nodes}
        results = self._session.results.by_path
        found |= {key[depth] for key in results if key[:depth] == path and len(key) > depth}
        return sorted(found, key=encoded)

    def _node(self, key: Key) -> tuple[str, str]:
        """The node that a key's value comes from, and the form it is stored in."""
        path, session = self._at(key), self._session
        name, tree = session.name(path), session.snapshot.tree
        if name in tree and not (holds_keys(tree, name) and path in session.results.by_path):
            return name, str(note_of(tree, name).get("format", tree[name].kind))
        for known, result in session.results.by_path.items():
            if known[: len(path)] == path:
                return result.node, "simulation results"
        raise NotFoundError(f"there is no key {key!r}")

    def _is_database(self, path: Path) -> bool:
        tree, name = self._session.snapshot.tree, self._session.name(path)
        return holds_keys(tree, name) and path not in self._session.results.by_path

    def _forget(self, path: Path) -> None:
        """Let go of working folders of keys that hold something else now."""
        for name in stored(list(self._session.folders), self._session.name(path)):
            del self._session.folders[name]


def _reopened(address: Address, path: Path, *options: Any) -> Database:
    lake = Lake.open(address.url)
    check_identity(lake.storage, address.lake)
    return Database(Session(lake, *options), path)
