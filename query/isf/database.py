"""A lake as the database of the In Silico Framework (ISF): simulated results and anything stored, by key.

``open`` gives a `Database`. What simulations left is read from the lake's own tables and arrays under ISF's keys
(`isf_results`); what is assigned becomes nodes below ``isf/``, each assignment one commit (`isf_values`). A stored
key hides a result of the same name until it is deleted.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path as FilePath
from typing import Any

from ...lake import Commit, Lake
from ...lake.errors import InputError, NotFoundError
from ...lake.history.log import MAIN
from ...lake.objects.identity import check_identity
from ...lake.objects.store import Address
from . import values as isf_values
from .folders import ManagedFolder, checkout, working_folder
from .results import Path
from .session import Session, below, clear, database, folder, holds_keys, is_folder, stored, written_by
from .tables import note_of

Key = str | tuple[str, ...]

_PART = re.compile(r"[A-Za-z0-9_.-]{1,120}")


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
        A commit to read, such as ``main~3``, a tag or a time; what it gives cannot be written.
    branch
        Where assignments go, and what is read otherwise: always its newest commit.
    prefix
        What the names of stored nodes begin with.
    readonly
        Whether writing raises `ReadOnlyError`; ``"warning"`` for a warning only.
    allow_pickle
        Whether values that fit no other form are stored as pickles, and pickles are read. Reading one can run
        any code: only where everybody who writes to the lake is trusted.

    Raises
    ------
    NotFoundError
        There is no lake, and *nocreate*; or no commit *at*.
    """
    if not isinstance(lake, Lake):
        lake = _opened(lake, nocreate)
    pinned = None if at is None else lake.at(at).commit.id
    return Database(Session(lake, branch, pinned, prefix, readonly, nocreate, allow_pickle))


def _opened(path: str | FilePath, nocreate: bool) -> Lake:
    try:
        return Lake.open(path)
    except NotFoundError:
        if nocreate:
            raise
        return Lake.create(path)


class Database:
    """ISF's database dictionary on a lake; made by `open`.

    Keys are 1 to 120 letters, digits, ``-``, ``_`` and ``.``, or tuples of these, which reach into sub-databases.
    """

    def __init__(self, session: Session, path: Path = ()) -> None:
        self._session = session
        self._path = path

    def __repr__(self) -> str:
        where = "/".join((self._session.lake.url, *self._path))
        return f"<Database {where}: {', '.join(self.keys()) or 'empty'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        session = self._session
        options = (session.branch, session.pinned, session.prefix, session.readonly)
        return _reopened, (
            session.lake.objects.address,
            self._path,
            *options,
            session.nocreate,
            session.allow_pickle,
        )

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
        close = difflib.get_close_matches(path[-1], self._children(path[:-1]), 3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise NotFoundError(f"there is no key {key!r}{hint}")

    def get(self, key: Key) -> Any:
        """``db[key]``; raises where there is no such key, as ISF's does."""
        return self[key]

    def __contains__(self, key: object) -> bool:
        try:
            path = self._at(key)
        except InputError:
            return False
        return path[-1] in self._children(path[:-1])

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self, recurse: bool = False) -> list[Any]:
        """Keys in order of name; with *recurse* those of sub-databases too, as tuples."""
        found: list[Any] = []
        for key in self._children(self._path):
            found.append(key)
            if recurse and self._is_database((*self._path, key)):
                rest = Database(self._session, (*self._path, key)).keys(recurse=True)
                found += [(key, *(part if isinstance(part, tuple) else (part,))) for part in rest]
        return found

    def ls(self) -> None:
        """Print the keys as a tree."""
        for key in self.keys(recurse=True):
            depth, last = (0, key) if isinstance(key, str) else (len(key) - 1, key[-1])
            print("    " * depth + last)

    @property
    def metadata(self) -> "Metadata":
        """Who wrote each key, when and with what."""
        return Metadata(self)

    def get_id(self) -> str:
        """What tells this database from all others: the lake's id, and the path of a sub-database."""
        return "/".join((self._session.lake.id, *self._path))

    # Writing

    def __setitem__(self, key: Key, value: Any) -> None:
        self.set(key, value)

    def set(self, key: Key, value: Any, dumper: Any = None, client: Any = None) -> None:
        """Store a value under a key, in one commit, whatever the key held before.

        Assigning what is there already changes nothing and makes no commit.

        Parameters
        ----------
        dumper
            Form to store it in, by the name (or module) of ISF's dumper; by default what fits: Zarr for arrays,
            Parquet for frames of pandas and dask, JSON for all else.
        client
            A ``distributed.Client`` (or name of a scheduler) that computes dask frames; dask's default otherwise.

        Raises
        ------
        TypeError
            No form holds it, and pickles are not allowed.
        InputError
            The key breaks the rules, lies below a value, or the dumper is unknown or does not fit.
        ReadOnlyError
            This database is for reading.
        """
        path, session = self._at(key), self._session
        form = isf_values.form_of(dumper)
        storage, trusting = session.lake.storage, session.allow_pickle
        put = isf_values.prepared(value, form, storage, allow_pickle=trusting, client=client)
        session.replace(path, put, f"set {'/'.join(path)}")
        self._forget(path)

    def maybe_calculate(
        self,
        key: Key,
        fun: Callable[[], Any],
        force_calculation: bool = False,
        dumper: Any = None,
        client: Any = None,
    ) -> Any:
        """The value of a key; where there is none (or by force), what *fun* gives, stored as `set` stores it."""
        if force_calculation or key not in self:
            self.set(key, fun(), dumper, client)
        return self[key]

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
        session.commit(f"delete {'/'.join(path)}", lambda transaction: clear(transaction, name))
        self._forget(path)

    def rename(self, old: Key, new: Key) -> None:
        """Give what is stored under a key another key, in one commit.

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

    def remove(self) -> None:
        """Delete all that is stored here; results of simulations stay in the lake's tables."""
        name = self._session.name(self._path)
        self._session.commit(f"remove {name}", lambda transaction: clear(transaction, name))
        self._forget(self._path)

    def create_sub_db(self, key: Key, raise_: bool = True) -> "Database":
        """A new sub-database; without *raise_* also one that is there.

        Raises
        ------
        InputError
            There is something under that key.
        """
        path = self._at(key)
        if key not in self:
            self._session.replace(path, database(), f"create sub-database {'/'.join(path)}")
        elif raise_ or not self._is_database(path):
            raise InputError(f"there is a key {key!r} already")
        return Database(self._session, path)

    def create_managed_folder(self, key: Key, raise_: bool = True) -> ManagedFolder:
        """A folder to put files into; without *raise_* also one that is there, with its files.

        It is a working folder in this user's cache. Its files are in the lake when ``.commit()`` has been
        called, or the ``with`` statement that it was used in has ended.

        Raises
        ------
        InputError
            There is something under that key.
        """
        path, session = self._at(key), self._session
        snapshot, name = session.snapshot, session.name(path)
        if key not in self:
            session.replace(path, folder(), f"create folder {'/'.join(path)}")
        elif raise_ or not is_folder(snapshot.tree, name):
            raise InputError(f"there is a key {key!r} already")
        files = {relative: snapshot.files[node] for relative, node in below(snapshot.tree, name).items()}

        def commit(working: ManagedFolder) -> Commit | None:
            return session.replace(path, folder(working), f"write folder {'/'.join(path)}")

        session.folders[name] = working_folder(session.lake.id, path[-1], files, commit)
        return session.folders[name]

    # Paths

    def _at(self, key: object) -> Path:
        parts = key if isinstance(key, tuple) else (key,)
        if not parts or not all(isinstance(part, str) and _PART.fullmatch(part) for part in parts):
            raise InputError(
                f"{key!r} is no key: 1 to 120 letters, digits, '-', '_' and '.', or a tuple of such texts"
            )
        return (*self._path, *parts)

    def _children(self, path: Path) -> list[str]:
        """Keys directly below a path, stored or results."""
        tree, name, depth = self._session.snapshot.tree, self._session.name(path), len(path)
        found = {key.partition("/")[0] for key in below(tree, name)} if holds_keys(tree, name) else set()
        results = self._session.results.by_path
        return sorted(found | {key[depth] for key in results if key[:depth] == path and len(key) > depth})

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


class Metadata(Mapping[Key, dict[str, Any]]):
    """Who wrote each key of a database, when and with what, as its commit tells."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getitem__(self, key: Key) -> dict[str, Any]:
        """Provenance of a key.

        Returns
        -------
        dict
            ``dumper`` (form it is stored in), ``time`` (UTC, as `time.gmtime` has it), ``hostname``, ``version``
            (neurolake's), ``full-revisionid`` and ``dirty`` (of the writer's git checkout; None outside of one),
            ``module_versions``, ``author``, ``commit`` and ``message``.

        Raises
        ------
        NotFoundError
            There is no such key, or its history has expired.
        """
        node, form = self._database._node(key)
        record = written_by(self._database._session.snapshot, node)
        made, code = record.provenance, record.provenance.get("code") or {}
        return {
            "dumper": form,
            "time": tuple(record.time.utctimetuple()),
            "hostname": made.get("host"),
            "version": made.get("neurolake"),
            "full-revisionid": code.get("commit"),
            "dirty": code.get("dirty"),
            "module_versions": {name: made.get(name) for name in ("neurolake", "python")},
            "author": record.author,
            "commit": record.id,
            "message": record.message,
        }

    def __iter__(self) -> Iterator[Key]:
        return iter(self._database)

    def __len__(self) -> int:
        return len(self._database)


def _reopened(address: Address, path: Path, *options: Any) -> Database:
    lake = Lake.open(address.url)
    check_identity(lake.storage, address.lake)
    return Database(Session(lake, *options), path)
