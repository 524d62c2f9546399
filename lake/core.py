"""A lake: create it, open it, write to it, read its commits."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..kernels.places import cache_folder
from .data.parquet import ROW_GROUP
from .errors import CorruptObjectError, InputError, NotFoundError
from .history.ancestry import ancestors
from .history.diff import Changes, diff
from .history.log import MAIN, Commit, Commits, Log, Reference, new_uuid
from .history.refs import Refs
from .history.trees import History, store_tree
from .nodes.node import tree_digest
from .nodes.shown import About, Shown
from .objects.condemned import GRACE
from .objects.identity import FORMAT_VERSION, MARKER, check_identity, marker_at, marker_bytes, raise_format
from .objects.store import ObjectStore, ObjectWriter, Verification
from .provenance import default_author, provenance
from .snapshot import NODE_COLUMNS, Snapshot, node_rows
from .storage.base import Storage
from .storage.locations import new_storage_at, storage_at

# Most of those who open a lake read it: what writes and looks after it is imported when it is asked for.
if TYPE_CHECKING:
    from .data.compression import Compression
    from .history.graph import CommitGraph
    from .transaction import Transaction
    from .upkeep.compaction import Compaction
    from .upkeep.expiry import Expiry
    from .upkeep.garbage import Garbage
    from .upkeep.notes import Note, Work
    from .upkeep.status import Status
    from .upkeep.verification import Findings, Progress


class Lake(Shown, Mapping[str, Any]):
    """A versioned store of arrays, tables and files.

    As a mapping it holds the nodes of the newest commit of its main branch.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    verification
        As of `open`.
    """

    snapshot_type: type[Snapshot] = Snapshot

    def __init__(self, storage: Storage, *, verification: Verification = "first") -> None:
        marker = marker_at(storage)
        self.id = marker.id
        self.storage = storage
        objects = ObjectStore(
            storage,
            cache=cache_folder() / self.id,
            verification=verification,
            lake=self.id,
            format=marker.format,
        )
        self._history = History(objects, Log(storage))

    @classmethod
    def create(cls, path: str | Path, *, durable: bool = True) -> Self:
        """Make a new lake.

        Parameters
        ----------
        path
            A folder that does not exist yet or is empty, or an ``s3://bucket/prefix`` with nothing below.
        durable
            Whether commits wait for the disk; see `LocalStorage`.

        Raises
        ------
        InputError
            There is something at *path* already.
        StorageError
            The folder cannot be made, or the server not be used.
        """
        storage = new_storage_at(path, durable=durable)
        _write_first_commit(storage)
        _mark(storage)
        return cls(storage)

    @classmethod
    def open(cls, path: str | Path, *, durable: bool = True, verification: Verification = "first") -> Self:
        """Open a lake.

        Parameters
        ----------
        path
            Its folder, or a ``file://`` or ``s3://`` URL.
        durable
            Whether commits wait for the disk; see `LocalStorage`.
        verification
            When Parquet files, which others read in place, are hashed: before their ``first`` use on this
            machine, ``always`` or ``never``.

        Raises
        ------
        NotFoundError
            There is no lake.
        FormatError
            It was written by a newer neurolake.
        """
        return cls(storage_at(path, durable=durable), verification=verification)

    @classmethod
    def of(cls, lake: "Lake | str | Path", *, create: bool = False) -> Self:
        """Return a lake that is open as it is, or open the one at a path or URL.

        Parameters
        ----------
        lake
            An open lake, or the folder or URL of one.
        create
            Whether to create a lake that is missing.

        Raises
        ------
        NotFoundError
            There is no lake.
        InputError
            There is something else where the lake is to be made.
        """
        if isinstance(lake, Lake):
            return (
                lake if isinstance(lake, cls) else cls(lake.storage, verification=lake.objects.verification)
            )
        try:
            return cls.open(lake)
        except NotFoundError:
            if not create:
                raise
            return cls.create(lake)

    def _about(self) -> About:
        tip = self._history.log.tip()
        tree = self._history.tree(tip)
        line = f"<Lake {self.storage.url}: {len(tree)} nodes at commit {tip.id[:8]}>"
        return About(line, self.status().facts, NODE_COLUMNS, node_rows(tree))

    def status(self) -> "Status":
        """Return where the lake stands: its branches and tags, what it holds, and what is condemned."""
        from .upkeep.status import status

        return status(self._history)

    def __eq__(self, other: object) -> bool:
        # Not as mappings: two lakes that hold the same are two lakes.
        return isinstance(other, Lake) and self.objects.address == other.objects.address

    def __hash__(self) -> int:
        return hash(self.objects.address)

    def __getitem__(self, name: str) -> Any:
        return self.head[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.head)

    def __len__(self) -> int:
        return len(self.head)

    @property
    def url(self) -> str:
        """What `open` takes to open this lake again."""
        return self.storage.url

    @property
    def objects(self) -> ObjectStore:
        """What reads and verifies the lake's bytes."""
        return self._history.objects

    @property
    def format(self) -> int:
        """Version of the format that writers of this lake keep to: docs/format.md."""
        return self.objects.format

    def upgrade(self) -> int:
        """Let writers use the newest format; return the version that the lake had.

        Nothing is written anew. An older neurolake says then that it has to be replaced by a newer one.

        Raises
        ------
        StorageError
            The marker cannot be written.
        """
        before = raise_format(self.storage)
        self.objects.format = marker_at(self.storage).format
        return before

    @property
    def head(self) -> Snapshot:
        """The newest commit of the main branch, as of now."""
        return self.at(MAIN)

    def at(self, ref: str | datetime) -> Snapshot:
        """Return the commit that *ref* refers to, for reading.

        Parameters
        ----------
        ref
            A branch, a commit id or its first digits, ``main~2``, a time (the last commit until then) or
            its ISO text, ``2026-11-20T14:30``, in UTC unless it says otherwise.

        Raises
        ------
        NotFoundError
            There is none.
        """
        return self.snapshot_type(self._history, self._resolved(ref))

    def _resolved(self, ref: str | datetime) -> Commit:
        """The commit that *ref* means.

        Raises
        ------
        NotFoundError
            There is none, or the lake was deleted and another one made in its place.
        """
        try:
            return self._history.resolve(ref)
        except (CorruptObjectError, NotFoundError):
            check_identity(self.storage, self.id)
            raise

    def pinned(self, reference: Reference) -> Snapshot:
        """Return a commit by its position in the log, which is faster than by its id alone.

        Parameters
        ----------
        reference
            Id of the commit, and its branch and number in the log.
        """
        return self.snapshot_type(self._history, self._history.log.read(reference))

    def log(self, ref: str | datetime = MAIN) -> Commits:
        """List the commits from *ref* back to the first, newest first.

        Parameters
        ----------
        ref
            A branch, tag, commit or time, as of `at`.

        Raises
        ------
        NotFoundError
            There is no such commit.
        """
        return Commits(ancestors(self._history.log, self._history.resolve(ref)))

    def graph(self, limit: int = 100) -> "CommitGraph":
        """Return the newest commits of all branches and tags as a graph, which a notebook shows as a picture.

        Parameters
        ----------
        limit
            How many commits at most.
        """
        from .history.graph import CommitGraph

        tips = [*self.branches.items(), *self.tags.items()]
        names: dict[str, list[str]] = {}
        found: dict[str, Commit] = {}
        for name, tip in tips:
            names.setdefault(tip.id, []).append(name)
            if tip.id not in found:
                found |= {record.id: record for record in self.log(tip.id)}
        ordered = sorted(found.values(), key=lambda record: (record.time, record.number), reverse=True)
        return CommitGraph(ordered[:limit], names)

    @property
    def branches(self) -> Refs:
        """Branches by name; made, moved and deleted through it."""
        return Refs(self._history, "log", default_author())

    @property
    def tags(self) -> Refs:
        """Tags by name; made, moved and deleted through it."""
        return Refs(self._history, "tags", default_author())

    def diff(self, old: str | datetime, new: str | datetime = MAIN) -> Changes:
        """Return what changed from one commit to another, node by node.

        Parameters
        ----------
        old, new
            Branches, tags, commits or times, as of `at`.

        Raises
        ------
        NotFoundError
            There is no such commit.
        """
        return diff(self.at(old).tree, self.at(new).tree)

    def verify(
        self,
        ref: str | datetime | None = None,
        *,
        progress: "Progress | None" = None,
        threads: int | None = None,
        repair_from: "Lake | str | Path | None" = None,
        sample: float = 1.0,
    ) -> "Findings":
        """Read again everything that commits need, and check it against its digests; see `verification.verify`.

        Parameters
        ----------
        ref
            The commit to verify, as of `at`; all commits by default.
        progress
            Called with bytes read and bytes in all, from any thread.
        threads
            How many read and hash at once; by default one for each processor, and more where the storage is far away.
        repair_from
            A lake with the same content, or its folder or URL: from there damaged objects are replaced.
        sample
            Share of the packs and objects to read, drawn by chance; all by default. Manifests are read all the same.

        Raises
        ------
        InputError
            *sample* is no share.
        """
        from .upkeep.verification import verify

        sound = None if repair_from is None else type(self).of(repair_from)
        other = None if sound is None else sound._history
        found = verify(
            self._history, ref=ref, progress=progress, threads=threads, repair_from=other, sample=sample
        )
        other_url = None if sound is None else sound.url
        options = {"at": ref, "repair_from": other_url, "sample": None if sample == 1 else sample}
        self._note("verify", options, found.seconds, bool(found), str(found).strip("<>"))
        return found

    def compact(
        self,
        *,
        branch: str = MAIN,
        tables: Sequence[str] | None = None,
        target_rows: int = ROW_GROUP,
        recompress: "Compression | None" = None,
        author: str | None = None,
    ) -> "Compaction":
        """Join small Parquet files, and move objects out of packs that are small or mostly dead; see `compaction.compact`.

        Parameters
        ----------
        branch
            The branch to compact.
        tables
            Names of the tables to join the files of; all by default.
        target_rows
            Rows of a joined file.
        recompress
            ``"auto"``, ``"fast"``, ``"small"`` or ``"portable"``: arrays get the codec that this chooses, and are encoded
            anew where they have another. By default they keep theirs.
        author
            Author of the commit; by default the user of this process.
        """
        from .upkeep.compaction import compact

        began = time.monotonic()
        done = compact(
            self._history,
            branch=branch,
            tables=tables,
            target_rows=target_rows,
            recompress=recompress,
            author=author or default_author(),
        )
        options = {"branch": None if branch == MAIN else branch, "recompress": recompress}
        self._note("compact", options, time.monotonic() - began, True, str(done))
        return done

    def expire(self, older_than: timedelta | datetime, *, dry_run: bool = False) -> "Expiry":
        """Drop history that is older than a time; see `expiry.expire`.

        Parameters
        ----------
        older_than
            A time, or how long ago that was.
        dry_run
            Whether to report what would be dropped and drop nothing.
        """
        from .upkeep.expiry import expire

        began = time.monotonic()
        done = expire(self._history, older_than, dry_run=dry_run)
        if not dry_run:
            days = older_than.total_seconds() / 86400 if isinstance(older_than, timedelta) else older_than
            options = {"older_than_days": f"{days:g}" if isinstance(days, float) else days}
            self._note(
                "expire", options, time.monotonic() - began, True, f"{done.records} records were dropped"
            )
        return done

    def collect_garbage(self, *, grace: timedelta = GRACE, dry_run: bool = False) -> "Garbage":
        """Delete, in two phases, the objects that no commit needs any more; see `garbage.collect`.

        Parameters
        ----------
        grace
            How long an object stays condemned before it is deleted.
        dry_run
            Whether to report what would be done and do nothing.
        """
        from .upkeep.garbage import collect

        began = time.monotonic()
        done = collect(self._history, grace=grace, dry_run=dry_run, author=default_author())
        if not dry_run:
            hours = None if grace == GRACE else f"{grace.total_seconds() / 3600:g}"
            self._note("gc", {"grace_hours": hours}, time.monotonic() - began, True, str(done))
        return done

    def upkeep(self) -> "tuple[Note, ...]":
        """List when the lake was verified, collected, compacted and expired, newest first; see `notes.Note`."""
        from .upkeep.notes import notes

        return tuple(notes(self.storage))

    def _note(
        self, work: "Work", options: Mapping[str, Any], seconds: float, good: bool, result: str
    ) -> None:
        from .upkeep.notes import note

        note(self.storage, work, options, seconds, good, result)

    def merge(
        self,
        source: str | datetime,
        *,
        into: str = MAIN,
        message: str | None = None,
        author: str | None = None,
    ) -> Commit | None:
        """Merge into a branch what *source* has changed since their merge base.

        A branch that has done nothing itself just moves on to *source*.

        Parameters
        ----------
        source
            A branch, tag, commit or time, as of `at`.
        into
            The branch to merge into.
        message
            Message of the merge commit; by default it names both sides.
        author
            Author of the merge commit; by default the user of this process.

        Returns
        -------
        The branch's new commit; None where it has all of *source* already.

        Raises
        ------
        ConflictError
            Both changed the same nodes in ways that do not commute; names them.
        """
        from . import versions

        message = message or f"Merge {source} into {into}"
        theirs = self._history.resolve(source)
        return versions.merge(self._history, theirs, into, message, author or default_author())

    def revert(
        self, commit: str | datetime, *, branch: str = MAIN, author: str | None = None
    ) -> Commit | None:
        """Undo in a branch what one commit did, by a new commit; None where nothing is left to undo.

        Parameters
        ----------
        commit
            The commit to undo, as of `at`.
        branch
            The branch to commit to.
        author
            Author of the new commit; by default the user of this process.

        Raises
        ------
        InputError
            It is the first commit, which did nothing.
        ConflictError
            Later commits changed the same nodes.
        """
        from . import versions

        record = self._history.resolve(commit)
        message = f"Revert {record.id[:12]}: {record.message}"
        begin = partial(self.transaction, message, branch=branch, author=author, attempts=1)
        return versions.revert(self._history, record, begin)

    def cherry_pick(
        self, commit: str | datetime, *, branch: str = MAIN, author: str | None = None
    ) -> Commit | None:
        """Repeat in a branch what one commit did elsewhere; None where the branch has it already.

        Parameters
        ----------
        commit
            The commit to repeat, as of `at`.
        branch
            The branch to commit to.
        author
            Author of the new commit; by default the user of this process.

        Raises
        ------
        InputError
            It is the first commit, which did nothing.
        ConflictError
            The branch changed the same nodes.
        """
        from . import versions

        record = self._history.resolve(commit)
        notes, author = {versions.PICKED: versions.origin(record)}, author or record.author
        begin = partial(
            self.transaction, record.message, branch=branch, author=author, notes=notes, attempts=1
        )
        return versions.cherry_pick(self._history, record, begin)

    def copy_to(
        self,
        path: str | Path,
        *,
        history: timedelta | datetime | None = None,
        progress: "Progress | None" = None,
    ) -> Self:
        """Make a new lake with all commits, branches and tags of this one.

        Run again after it was interrupted, it sends the rest.

        Parameters
        ----------
        path
            As of `create`.
        history
            A time, or how long ago that was: what `expire` would drop stays behind. With ``timedelta(0)`` go what branches
            and tags mean now, and up to 31 commits before, as changes of which these are stored; none from before a `compact` that
            joined files. All history goes by default.
        progress
            Called with objects done and objects in all.

        Raises
        ------
        InputError
            There is something else at *path* already, or the time is in the future.
        CorruptObjectError
            An object of this lake is damaged.
        """
        from .upkeep.transfer import copy_everything

        storage = new_storage_at(path)
        there = History(ObjectStore(storage), Log(storage))
        copy_everything(self._history, there, progress, history=history)
        _mark(storage, self.format)
        return type(self)(storage)

    def push(
        self,
        other: "Lake | str | Path",
        branch: str = MAIN,
        *,
        to: str | None = None,
        progress: "Progress | None" = None,
    ) -> int:
        """Send the commits of a branch to another lake and let its branch go forward to them.

        Parameters
        ----------
        other
            The lake to send to, or its folder or URL.
        branch
            The branch to send.
        to
            The other lake's branch; of the same name by default, made if it is not there.
        progress
            Called with the number of objects sent and to send.

        Returns
        -------
        Number of commits sent.

        Raises
        ------
        ConflictError
            The other branch has commits that are not here: pull, then push.
        """
        from .upkeep.transfer import push

        there = branch if to is None else to
        author = default_author()
        history = type(self).of(other)._history
        return push(self._history, history, branch, there, author=author, progress=progress)[1]

    def pull(
        self,
        other: "Lake | str | Path",
        branch: str = MAIN,
        *,
        into: str | None = None,
        progress: "Progress | None" = None,
    ) -> Commit | None:
        """Fetch the commits of another lake's branch and merge them.

        Parameters
        ----------
        other
            The lake to fetch from, or its folder or URL.
        branch
            Its branch.
        into
            The branch of this lake; of the same name by default, made if it is not there.
        progress
            Called with the number of objects fetched and to fetch.

        Returns
        -------
        The branch's new commit; None where it has all of them already.

        Raises
        ------
        ConflictError
            Both lakes changed the same nodes in ways that do not commute.
        """
        from .upkeep.transfer import send

        here, author = branch if into is None else into, default_author()
        other = type(self).of(other)
        tip = other._history.log.tip(branch)
        send(other._history, self._history, tip, author=author, progress=progress)
        message = f"Pull {branch} from {other.url}"
        number, target = self._history.log.state(here)
        if target is None and self._history.log.point(
            here, tip.reference, message=message, author=author, after=number
        ):
            return tip
        return self.merge(tip.id, into=here, message=message)

    def transaction(
        self,
        message: str,
        *,
        branch: str = MAIN,
        author: str | None = None,
        notes: Mapping[str, Any] | None = None,
        attempts: int = 100,
    ) -> "Transaction":
        """Begin a transaction; use it in a ``with`` statement.

        Parameters
        ----------
        message
            What changes and why; kept in the commit.
        branch
            What to commit to.
        author
            The user of this process by default.
        notes
            JSON to keep with the commit's provenance.
        attempts
            How often to try when other writers commit first.
        """
        from .transaction import Transaction

        return Transaction(
            self._history,
            branch,
            message,
            author=author or default_author(),
            notes=notes,
            attempts=attempts,
        )


def _mark(storage: Storage, version: int = FORMAT_VERSION) -> None:
    """Say that there is a lake. This comes last: what has a marker is complete."""
    if not storage.create(MARKER, marker_bytes(version, new_uuid())):
        raise InputError(f"{storage.url}: another process has just made a lake here")


def _write_first_commit(storage: Storage) -> None:
    tree = store_tree({}, ObjectWriter(storage))
    storage.flush()
    fields = {
        "uuid": new_uuid(),
        "parents": [],
        "time": datetime.now(UTC).isoformat(),
        "author": default_author(),
        "message": "Create the lake",
        "provenance": provenance({}),
        "snapshot": tree_digest({}),
        "depth": 0,
        "tree": tree,
        "changes": {},
    }
    Log(storage).append(MAIN, 0, fields)
