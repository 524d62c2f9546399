"""Repair: damaged objects are replaced by sound ones from another lake, which may keep them elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..digest import Digest, digest_of
from ..errors import CorruptObjectError, NeurolakeError, NotFoundError
from ..history.log import Commit, Pointer, Reference, parse_record, record_key
from ..history.trees import History
from ..nodes.entry import Entry
from ..nodes.shards import Shard
from ..objects.packs import PackWriter, pack_content
from ..storage.base import Storage
from .reachable import Reachable

Row = tuple[Digest, int, int]


def repair(history: History, keys: set[str], other: History) -> tuple[str, ...]:
    """Restore damaged objects from another lake where possible; return their keys.

    Whatever is written has its digest; an object that cannot be had whole is left as it is.

    Parameters
    ----------
    history
        History of the lake.
    keys
        Keys of the damaged objects.
    other
        History of the lake to copy from.
    """
    storage = history.objects.storage
    packs = {key: _rows(history, key) for key in keys if key.startswith("packs/")}
    alone = {_digest(key) for key in keys if key.startswith("objects/")}
    source = _Source(other, alone | {digest for rows in packs.values() for digest, _, _ in rows})
    restored = []
    for key in sorted(keys):
        if key in packs:
            data = _pack(history, key, packs[key], source)
        elif key.startswith("objects/"):
            data = source.get(_digest(key))
        else:
            data = _record(history, key, source)
        if data is not None and _restored(storage, key, data):
            restored.append(key)
    storage.flush()
    return tuple(restored)


def _restored(storage: Storage, key: str, data: bytes) -> bool:
    if storage.size(key) is None:
        # A record that is gone from the end of a branch may be followed by another one meanwhile.
        return storage.create(key, data)
    storage.replace(key, data)
    return True


class _Source:
    """A lake to take objects from, by digest."""

    def __init__(self, history: History, wanted: set[Digest]) -> None:
        self.history = history
        self._wanted = wanted
        self._found: dict[Digest, Entry] = {}
        reachable = Reachable(history, shard=self._look_in, entry=self._look_at)
        reachable.update()
        self._keys = {digest: key for key, digest in reachable.keys.items() if digest in wanted}

    def raw(self, key: str) -> bytes | None:
        """What the other lake has under the same key."""
        with suppress(NotFoundError):
            return self.history.objects.storage.read(key)
        return None

    def get(self, digest: Digest) -> bytes | None:
        """The object of that digest, verified; None if the other lake lacks it, or has it damaged."""
        with suppress(CorruptObjectError):
            if digest in self._found:
                entry = self._found[digest]
                return self.history.objects.read(digest, entry.size, entry.place)
        data = self.raw(self._keys[digest]) if digest in self._keys else None
        return data if data is not None and digest_of(data) == digest else None

    def _look_at(self, row: Mapping[str, Any]) -> None:
        if row["digest"] in self._wanted:
            self._found[row["digest"]] = Entry.from_json(row)

    def _look_in(self, shard: Shard) -> None:
        for entry in shard.values():
            if entry.digest in self._wanted:
                self._found[entry.digest] = entry


def _digest(key: str) -> Digest:
    """The digest that a key is named by."""
    return Digest(key.rpartition("/")[2].partition(".")[0])


def _rows(history: History, key: str) -> list[Row]:
    """What a pack holds: by its footer, or by what refers to it."""
    name = _digest(key)
    with suppress(NeurolakeError):
        return pack_content(history.objects.storage.read(key), name)
    rows: dict[int, Row] = {}

    def look_at(row: Mapping[str, Any]) -> None:
        if row.get("pack") == name:
            rows[row["offset"]] = (Digest(row["digest"]), row["offset"], row["size"])

    def look_in(shard: Shard) -> None:
        if key in shard.keys_stored():
            for entry in shard.values():
                if entry.place.pack == name:
                    rows[entry.place.offset] = (entry.digest, entry.place.offset, entry.size)

    Reachable(history, shard=look_in, entry=look_at).update()
    return [rows[offset] for offset in sorted(rows)]


def _pack(history: History, key: str, rows: list[Row], source: _Source) -> bytes | None:
    name, same = _digest(key), source.raw(key)
    with suppress(CorruptObjectError):
        if same is not None and all(
            digest_of(same[offset : offset + length]) == digest
            for digest, offset, length in pack_content(same, name)
            if length
        ):
            return same
    writer = PackWriter()
    salt = int(rows.pop()[0], 16) if rows and not rows[-1][2] else None
    for digest, offset, length in rows:
        data = _ours(history, key, offset, length)
        if digest_of(data) != digest:
            found = source.get(digest)
            if found is None:
                return None
            data = found
        writer.add(digest, data)
    made, whole = writer.finish(salt)
    return bytes(whole) if made == name else None


def _ours(history: History, key: str, offset: int, length: int) -> bytes:
    with suppress(NotFoundError):
        return history.objects.storage.read(key, offset, length)
    return b""


def _record(history: History, key: str, source: _Source) -> bytes | None:
    """The same record of the other lake, if it is certain that it is the same."""
    space, name, number = key.split("/")
    data = source.raw(key)
    if data is None:
        return None
    with suppress(CorruptObjectError):
        parse_record(data, key, name, int(number))
        found = data.partition(b"\n")[0]
        with suppress(NotFoundError):
            if history.objects.storage.read(key).partition(b"\n")[0] == found:
                return data
        if space == "log" and any(at.id.encode() == found for at in _references(history, key)):
            return data
    return None


def _references(history: History, key: str) -> Iterator[Reference]:
    """What sound records call the commit that stands, or should stand, at *key*."""
    log = history.log
    for space in ("log", "tags"):
        for name in log.all_names(space):
            for number in log.numbers(name, space):
                with suppress(NeurolakeError):
                    for at in _referred(log.record(name, number, space)):
                        if record_key(at.branch, at.number) == key:
                            yield at


def _referred(record: Commit | Pointer) -> tuple[Reference, ...]:
    if isinstance(record, Commit):
        return record.parents
    return () if record.target is None else (record.target,)
