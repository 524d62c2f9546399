"""Compaction: fewer and fuller files for the same content.

Two commits at most. The first joins neighbouring small Parquet files, which merges with what other writers append
meanwhile, and encodes arrays anew where that is asked. The second only moves chunks and small files to other places, out of packs that are mostly dead or very
small, and stores the tree whole: its snapshot has the digest of the one before. Both leave the old objects to
garbage collection, which takes them once the history that needs them has expired.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..data.compression import Compression, checked_compression
from ..data.parquet import ROW_GROUP, write_file
from ..data.recoding import recompressed
from ..data.types import plain
from ..errors import NotFoundError
from ..history.log import MAIN, Commit
from ..history.trees import History
from ..nodes.entry import Entry
from ..nodes.node import Node, Tree, tree_digest
from ..nodes.placement import moved, packed
from ..objects.packs import pack_key
from ..objects.store import ObjectStore, ObjectWriter
from ..transaction import Transaction

LIVE = 0.5
SMALL_PACK = 4 * 2**20
MANY = 16


@dataclass(frozen=True)
class Compaction:
    """What a compaction did.

    Parameters
    ----------
    joined
        Tables, and how many files they had and have.
    recompressed
        Arrays that have another codec now, and how many bytes their chunks had and have.
    repacked
        How many packs the branch has left.
    commits
        The commits that were made.
    """

    joined: Mapping[str, tuple[int, int]]
    recompressed: Mapping[str, tuple[int, int]]
    repacked: int
    commits: tuple[Commit, ...]

    def __str__(self) -> str:
        parts = [f"{name}: {before} files are {after}" for name, (before, after) in self.joined.items()]
        parts += [
            f"{name}: {before:,} bytes are {after:,}" for name, (before, after) in self.recompressed.items()
        ]
        return "; ".join([*parts, f"{self.repacked} packs were left"])


def compact(
    history: History,
    *,
    branch: str = MAIN,
    tables: Sequence[str] | None = None,
    target_rows: int = ROW_GROUP,
    recompress: Compression | None = None,
    author: str,
) -> Compaction:
    """Join small Parquet files of a branch, and move objects out of packs that are small or mostly dead.

    The values of arrays that are encoded anew stay, but not their digests: what was derived of them is computed again
    when it is asked for.

    Parameters
    ----------
    history
        History of the lake.
    branch
        The branch to compact.
    tables
        Names of the tables; all by default.
    target_rows
        How many rows a file should have. Files of less than half as many are joined with their neighbours.
    recompress
        What codecs of arrays are chosen for (`compression.chosen_codec`): arrays that have another one are encoded
        anew. By default all keep theirs.
    author
        Author of the commit.

    Raises
    ------
    NotFoundError
        There is no such table.
    ConflictError
        Another writer rewrote the same files meanwhile, or wrote to an array that was encoded anew.
    """
    joining = Transaction(
        history,
        branch,
        "Compact tables" if recompress is None else "Compact tables and arrays",
        author=author,
    )
    names = [name for name, node in joining.drafts.items() if node.kind == "table"]
    joined = {}
    for name in names if tables is None else tables:
        counts = _join(joining, name, target_rows)
        if counts[0] > counts[1]:
            joined[name] = counts
    encoded = (
        {} if recompress is None else _recompress(joining, checked_compression(recompress), history.objects)
    )
    if joined or encoded:
        # Its tree is stored whole: then nothing before is needed to read it, and history can be dropped up to it.
        joining.lay_out(lambda tree, writer: tree)
    first = joining.commit()
    moving = Transaction(history, branch, "Move what lies in mostly dead or small packs", author=author)
    packs = _packs_to_leave(dict(moving.drafts), history)
    if packs or any(_overlaid(node) for node in moving.drafts.values()):
        layout = _Layout(frozenset(map(pack_key, packs)), history.objects)
        moving.lay_out(layout)
    second = moving.commit()
    commits = tuple(record for record in (first, second) if record is not None)
    return Compaction(joined, encoded, len(packs), commits)


# Tables


def _join(transaction: Transaction, name: str, target: int) -> tuple[int, int]:
    """Join files of a table; how many there were and are."""
    table = transaction.table(name)
    if table is None:
        raise NotFoundError(f"there is no table {name!r} to compact")
    files: list[Entry] = []
    for run in _runs(table.files, target):
        if len(run) == 1:
            files += run
            continue
        # Files from before a column was added or widened stay apart from those that came after.
        for _, alike in itertools.groupby([(entry, table.rows_of(entry)) for entry in run], _schema):
            entries, parts = zip(*alike, strict=True)
            joined = len(entries) > 1
            files += [_written(parts, transaction.writer)] if joined else entries
    if len(files) < len(table.files):
        node = transaction.drafts[name]
        transaction.drafts.put(name, "table", node.meta, dict(enumerate(files)))
    return len(table.files), len(files)


def _schema(part: tuple[Entry, pa.Table]) -> bytes:
    return bytes(part[1].schema.serialize())


def _written(parts: Iterable[pa.Table], writer: ObjectWriter) -> Entry:
    return write_file(plain(pa.concat_tables(parts)), writer)


def _runs(files: Sequence[Entry], target: int) -> Iterator[list[Entry]]:
    """Files in order, those to be joined together."""
    run: list[Entry] = []
    rows = 0
    # The last file stays: to replace all of a table would be to overwrite it, which does not go with appends.
    for entry in files[:-1]:
        count = entry.stats["rows"]
        if run and (count >= target / 2 or rows + count > target):
            yield run
            run, rows = [], 0
        run.append(entry)
        rows += count
        if count >= target / 2:
            yield run
            run, rows = [], 0
    if run:
        yield run
    yield [*files[-1:]]


# Arrays


def _recompress(
    transaction: Transaction, compression: Compression, objects: ObjectStore
) -> dict[str, tuple[int, int]]:
    """Encode arrays anew; how many bytes each had and has."""
    found = {}
    for name, node in [(name, node) for name, node in transaction.drafts.items() if node.kind == "array"]:
        made = recompressed(name, node, compression, objects, transaction.writer)
        if made is not None:
            sizes = [
                sum(entry.size for _, entry in entries) for entries in (node.entries.items(), made[1].items())
            ]
            found[name] = (sizes[0], sizes[1])
            transaction.drafts.put(name, "array", *made)
    return found


# Places


@dataclass(frozen=True)
class _Layout:
    """Lays out a tree: nothing in the packs to be left, nothing over shards."""

    leaving: frozenset[str]
    objects: ObjectStore

    def __call__(self, tree: Tree, writer: ObjectWriter) -> Tree:
        elsewhere = {}
        for name, node in tree.items():
            entries = moved(packed(node, writer).entries, self.leaving.__contains__, self.objects, writer)
            elsewhere[name] = entries
        # A shard tells places, which a pack has only once it is closed.
        writer.flush()
        laid = {}
        for name, node in tree.items():
            entries = elsewhere[name]
            folded = entries.folded(writer) if entries.shards and entries.overlay else entries
            laid[name] = node if folded is node.entries else Node(node.kind, node.meta, folded)
        writer.flush()
        assert tree_digest(laid) == tree_digest(tree), "places are no part of identity"
        return laid


def _overlaid(node: Node) -> bool:
    return bool(node.entries.shards and node.entries.overlay)


def _packs_to_leave(tree: Tree, history: History) -> set[str]:
    live = {pack: _bytes(parts) for pack, parts in _extents(tree).items()}
    found = history.objects.storage.sizes([pack_key(pack) for pack in live])
    sizes = {pack: size or 0 for pack, size in zip(live, found, strict=True)}
    small = {pack for pack, size in sizes.items() if size < SMALL_PACK}
    dead = {pack for pack, size in sizes.items() if live[pack] < LIVE * size}
    return dead | (small if len(small) > MANY else set())


def _extents(tree: Tree) -> dict[str, list[npt.NDArray[np.uint64]]]:
    """By pack, offset and size of what the tree has in it."""
    found: dict[str, list[npt.NDArray[np.uint64]]] = {}
    for node in tree.values():
        for ref in node.entries.shards.values():
            for pack, rows in node.entries.read_shard(ref).extents(node.entries.overlay).items():
                found.setdefault(pack, []).append(rows)
        for entry in node.entries.overlay.values():
            if entry is not None and entry.place.pack is not None:
                row = np.array([[entry.place.offset, entry.size]], np.uint64)
                found.setdefault(entry.place.pack, []).append(row)
    return found


def _bytes(parts: list[npt.NDArray[np.uint64]]) -> int:
    return int(np.unique(np.concatenate(parts), axis=0)[:, 1].sum())
