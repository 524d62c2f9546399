"""Verification: reads again every byte that commits need, reports damaged objects and their referrers, and repairs them."""

import base64
import contextlib
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from blake3 import blake3

from ..digest import Digest, digest_of
from ..errors import (
    CorruptObjectError,
    FormatError,
    InputError,
    MalformedError,
    MissingPackageError,
    NotFoundError,
    StorageError,
)
from ..history.log import Commit, Log, record_key
from ..history.trees import History
from ..names import listed
from ..nodes.naming import collisions
from ..nodes.shards import Shard
from ..nodes.shown import About, Shown
from ..objects.packs import pack_content, pack_key
from ..objects.store import ObjectStore
from ..storage.base import Storage
from ..threads import AT_ONCE, CORES, gathered, working
from .reachable import Reachable
from .repair import repair
from .usage import Needed, Referrers

Reason = Literal["missing", "damaged", "unreadable", "malformed"]
Progress = Callable[[int, int], None]
BLOCK = 4 * 2**20
FOOTERS = (2**16, 2**20)


@dataclass(frozen=True)
class Damage:
    """One object that is not what it was.

    Parameters
    ----------
    key
        Of the storage: a pack, an object that is a file of its own, or a record.
    digest
        What the object should have; in a pack, that of the object in it, or the pack's name where its footer
        is damaged or all of it is missing. Empty for a record.
    reason
        ``missing``; ``damaged``: it is there and other than it was; ``unreadable``: the storage fails; ``malformed``: it
        is as it was written, and not what it should be, so that no copy is any better.
    detail
        What exactly was found.
    nodes, commits
        Names of the nodes and ids of the commits that need it.
    """

    key: str
    digest: str
    reason: Reason
    detail: str = ""
    nodes: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"{self.key} is {self.reason}" + (f" ({self.detail})" if self.detail else "")
        return f"{what}, needed by {', '.join(self.nodes) or 'no node'} in {len(self.commits)} commits"


@dataclass(frozen=True, repr=False)
class Findings(Shown):
    """What a verification found.

    Parameters
    ----------
    damages
        What is damaged still.
    repaired
        Keys that were restored.
    collisions
        Names, in the newest commit of a branch, that mean two things, in words; a lake from before
        `nodes.naming` refused them may have some.
    records, objects, bytes
        What was read: records of the log, packs and objects that are files of their own, their length.
    seconds
        How long it took.
    unread
        Packs and objects that are there with some length, and were not in the sample.
    """

    damages: tuple[Damage, ...]
    repaired: tuple[str, ...]
    collisions: tuple[str, ...]
    records: int
    objects: int
    bytes: int
    seconds: float
    unread: int = 0

    def _about(self) -> About:
        read = f"{self.records:,} records and {self.objects:,} objects of {self.bytes:,} bytes"
        state = f"{len(self.damages)} damaged objects" if self.damages else "all sound"
        line = f"<Verified {read}: {state}, {len(self.repaired)} repaired>"
        facts = {
            "seconds": f"{self.seconds:.1f}",
            **({"not in the sample": f"{self.unread:,} objects"} if self.unread else {}),
            "names that mean two things": listed(self.collisions) or "none",
        }
        rows = [(d.key, d.reason, listed(d.nodes), len(d.commits)) for d in self.damages]
        return About(line, facts, ("object", "is", "nodes", "commits"), rows)

    def __bool__(self) -> bool:
        """Whether everything is as it should be."""
        return not self.damages


def verify(
    history: History,
    *,
    ref: str | datetime | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    repair_from: History | None = None,
    sample: float = 1.0,
) -> Findings:
    """Read again everything that commits need, and compare it with its digests.

    Nothing is taken from a cache: records, trees and shards are read anew, too. Packs are read once and whole, and
    every object in them is checked. Garbage is left alone.

    Of a sample, records, trees and shards are read all the same, and it is checked that every object is there; only the
    others are drawn, by chance and anew each time, so that many small samples come to see everything.

    Parameters
    ----------
    history
        Of which lake.
    ref
        The commit to verify; all commits of all branches by default.
    progress
        Called with bytes read and bytes in all, from any thread.
    threads
        How many read and hash at once; by default one for each processor, and more where the storage is far away.
    repair_from
        Another lake to copy damaged objects from: any object with their digest, at any location.
    sample
        Share of the packs and objects to read, above 0; all by default.

    Raises
    ------
    InputError
        *sample* is no share.
    """
    if not 0 < sample <= 1:
        raise InputError(f"a sample is a share of the objects, above 0 and at most 1, not {sample}")
    started = time.monotonic()
    scan = _Scan(history, ref, progress, threads)
    scan.choose(sample)
    damages = scan.damages()
    repaired: tuple[str, ...] = ()
    while damages and repair_from is not None:
        restored = repair(scan.history, {damage.key for damage in damages}, repair_from)
        # What a restored manifest refers to may be damaged, too.
        again = _Scan(history, ref, None, threads)
        again.chosen -= scan.sizes.keys() - scan.chosen
        scan = again
        damages, repaired = scan.damages(), repaired + restored
        if not restored:
            break
    records, objects, seconds = len(scan.reachable.records), len(scan.chosen), time.monotonic() - started
    unread = len(scan.sizes) - objects
    return Findings(
        tuple(damages), repaired, scan.collisions(), records, objects, scan.total, seconds, unread
    )


class _Scan:
    """One pass over everything."""

    def __init__(
        self, history: History, ref: str | datetime | None, progress: Progress | None, threads: int | None
    ) -> None:
        # What others hold in memory does not show what is on the disk.
        storage = history.objects.storage
        self.history = History(ObjectStore(storage), Log(storage))
        self.reachable = Reachable(self.history, shard=_check_inline_shard, entry=_check_inline)
        self._storage = storage
        self._progress = progress
        self._threads = threads or (AT_ONCE if storage.far else CORES)
        self._only = None if ref is None else self.history.resolve(ref)
        self._done = self._all = 0
        self._lock = threading.Lock()
        if self._only is None:
            self.reachable.update()
        else:
            self.reachable.add(self._only)
        lists = gathered(lambda folder: [*storage.list(folder)], ("packs/", "objects/"))
        lengths = {stored.key: stored.size for listed in lists for stored in listed}
        self.sizes = {key: lengths.get(key) for key in self.reachable.keys}
        self.chosen = set(self.sizes)

    @property
    def total(self) -> int:
        """Bytes to read."""
        return sum(self.sizes[key] or 0 for key in self.chosen)

    def choose(self, sample: float) -> None:
        """Leave out of `chosen` what is there, all but a share of it."""
        present = sorted(key for key, size in self.sizes.items() if size is not None)
        kept = random.sample(present, math.ceil(sample * len(present)))
        self.chosen -= set(present) - set(kept)

    def collisions(self) -> tuple[str, ...]:
        """Names that mean two things, in words."""
        told: dict[str, None] = {}
        # What cannot be read is told as damaged.
        for tip in self._tips():
            with contextlib.suppress(CorruptObjectError):
                told |= dict.fromkeys(collisions(self.history.tree(tip)))
        return tuple(told)

    def _tips(self) -> Iterator[Commit]:
        """The newest commits of the branches that can be read, or the one that is verified."""
        if self._only is not None:
            yield self._only
            return
        for name in self.history.log.all_names():
            with contextlib.suppress(CorruptObjectError, NotFoundError):
                yield self.history.log.tip(name)

    def _malformed(self) -> Iterator[Damage]:
        """Newest commits whose bytes are sound, with nodes that are not what they should be."""
        # Zarr takes longer to import than most of what is done without it.
        from ..data.arrays import Array
        from ..data.zarrstore import ZarrStore

        for tip in self._tips():
            key = record_key(tip.branch, tip.number)
            try:
                store = ZarrStore.of(self.history, tip)
                for name in [name for name, node in store.tree.items() if node.kind == "array"]:
                    Array.of(store, name)
            except (MalformedError, FormatError) as error:
                yield Damage(key, "", "malformed", str(error))
            # What else is wrong was told, object by object; a codec whose package is missing here is sound.
            except (CorruptObjectError, MissingPackageError):
                continue

    def damages(self) -> list[Damage]:
        """The damaged objects and their referrers, in order of keys."""
        found = {damage for damages in self._checked() for damage in damages}
        told = {damage.key for damage in found}
        found |= {_of_manifest(key, error) for key, error in self.reachable.broken.items() if key not in told}
        told |= self.reachable.broken.keys()
        found |= {damage for damage in self._malformed() if damage.key not in told}
        if not found:
            return []
        referrers = Referrers(self.history, {_name(damage) for damage in found}).of(self._commits())
        return [
            replace(damage, nodes=tuple(sorted(nodes)), commits=tuple(commits))
            for damage in sorted(found, key=lambda damage: (damage.key, damage.digest))
            for nodes, commits in [referrers[_name(damage)]]
        ]

    def _checked(self) -> Iterator[list[Damage]]:
        self._all = self.total
        with working(ThreadPoolExecutor(self._threads, thread_name_prefix="verify")) as pool:
            yield from pool.map(self._check, [key for key in self.sizes if key in self.chosen])

    def _check(self, key: str) -> list[Damage]:
        digest, size = self.reachable.keys[key], self.sizes[key]
        if size is None:
            return [Damage(key, digest, "missing")]
        try:
            return (
                self._pack(key, digest, size) if key.startswith("packs/") else self._alone(key, digest, size)
            )
        except NotFoundError:
            return [Damage(key, digest, "missing")]
        except StorageError as error:
            return [Damage(key, digest, "unreadable", str(error))]

    def _alone(self, key: str, digest: Digest, size: int) -> list[Damage]:
        found = blake3()
        for start in range(0, size, BLOCK):
            found.update(self._block(key, start, min(BLOCK, size - start)))
        return [] if found.hexdigest() == digest else [Damage(key, digest, "damaged", f"{size} bytes")]

    def _pack(self, key: str, pack: Digest, size: int) -> list[Damage]:
        try:
            rows = stored_rows(self._storage, key, pack, size)
        except CorruptObjectError:
            return [Damage(key, pack, "damaged", "its footer")]
        found = []
        for run in runs(rows):
            start, stop = run[0][1], run[-1][1] + run[-1][2]
            block = memoryview(self._block(key, start, stop - start))
            for digest, offset, length in run:
                if digest_of(block[offset - start : offset - start + length]) != digest:
                    found.append(Damage(key, digest, "damaged", f"bytes {offset} to {offset + length}"))
        return found

    def _block(self, key: str, start: int, length: int) -> bytes:
        block = self._storage.read(key, start, length)
        if self._progress is not None:
            with self._lock:
                self._done += length
                self._progress(self._done, self._all)
        return block

    def _commits(self) -> Iterator[Commit]:
        """Commits that can be read, each after those before it."""
        if self._only is not None:
            yield self._only
            return
        log = self.history.log
        for branch in log.all_names():
            for number in reversed(log.numbers(branch)):
                if record_key(branch, number) in self.reachable.records:
                    record = log.record(branch, number)
                    if isinstance(record, Commit):
                        yield record


def stored_rows(storage: Storage, key: str, pack: Digest, size: int) -> list[tuple[Digest, int, int]]:
    """Return digest, offset and length of the objects in a pack, without the row of a salt.

    The footer is looked for in the last bytes; only where these do not do, the pack is read whole for it.

    Parameters
    ----------
    storage
        Storage that holds the lake.
    key
        Key of the object in the storage.
    pack
        Name of the pack.
    size
        Length of the pack in bytes.

    Raises
    ------
    CorruptObjectError
        The footer is damaged.
    """
    for length in FOOTERS:
        if length < size:
            with contextlib.suppress(CorruptObjectError):
                return [row for row in pack_content(storage.read(key, size - length, length), pack) if row[2]]
    return [row for row in pack_content(storage.read(key), pack) if row[2]]


def runs(rows: list[tuple[Digest, int, int]]) -> Iterator[list[tuple[Digest, int, int]]]:
    """Group rows that are read at once: about a block each.

    Parameters
    ----------
    rows
        Digest, offset and length, in order of offset.
    """
    run: list[tuple[Digest, int, int]] = []
    for row in rows:
        if run and row[1] + row[2] - run[0][1] > BLOCK:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _check_inline(row: Mapping[str, Any]) -> None:
    """Compare what stands in an overlay with its digest; that of the manifest tells only that it is as it was written."""
    if "inline" in row:
        _require_digest(base64.b64decode(row["inline"], validate=True), row["digest"], row["size"])


def _check_inline_shard(shard: Shard) -> None:
    rows = shard.columns.filter(shard.columns["inline"].is_valid())
    columns = (rows[name].to_pylist() for name in ("inline", "digest", "size"))
    for data, digest, size in zip(*columns, strict=True):
        _require_digest(data, digest.hex(), size)


def _require_digest(data: bytes, digest: str, size: int) -> None:
    if len(data) != size or digest_of(data) != digest:
        raise MalformedError(f"object {digest} is inline, with bytes of another digest")


def _name(damage: Damage) -> Needed:
    in_pack = damage.key.startswith("packs/") and pack_key(damage.digest) != damage.key
    return (damage.key, damage.digest) if in_pack else (damage.key, "")


def _of_manifest(key: str, error: CorruptObjectError) -> Damage:
    if isinstance(error, MalformedError):
        return Damage(key, "", "malformed", str(error))
    missing = isinstance(error.__context__, NotFoundError)
    return Damage(key, "", "missing" if missing else "damaged", str(error))
