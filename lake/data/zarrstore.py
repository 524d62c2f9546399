"""The lake as a Zarr v3 store: keys to nodes and chunks, for zarr-python and all that builds on it.

``<name>/zarr.json`` is the metadata of an array or group, ``<name>/c/…`` a chunk of an array; what describes
the root is the node ``/``. Any other key is a file node of that name. A folder that only holds arrays reads as
a group. Tables are no part of Zarr's view.

Consolidated metadata is a copy of what stands below a group, which goes stale as soon as something else writes there:
of it we keep only that the group has it, and put it together from the tree whenever it is read.
"""

from . import plugins, zarrcodec  # noqa: F401  # before zarr; and registers our codec

# isort: split
import json
import math
import operator
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import zarr
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from ..digest import canonical_json, digest_of, plain_json
from ..drafts import Draft, Drafts
from ..errors import InputError, ProcessBoundError, ReadOnlyStoreError
from ..history.log import Commit
from ..history.trees import History
from ..names import METADATA, ROOT, checked_name
from ..nodes.entry import Entry
from ..nodes.grid import Grid
from ..nodes.node import Kind, Node, tree_digest
from ..objects.store import ObjectStore, ObjectWriter

_A: Mapping[Kind, str] = {"array": "an array", "table": "a table", "file": "a file", "group": "a group"}
_IMPLICIT_GROUP: Mapping[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}
_NOT_WRITABLE = "a snapshot cannot be written; open a transaction and use its store"
_CONSOLIDATED = "consolidated_metadata"
_NOTHING_BELOW: Mapping[str, Any] = {"kind": "inline", "must_understand": False, "metadata": {}}


class ZarrStore(Store):
    """A tree as a Zarr store.

    Parameters
    ----------
    objects
        What reads the bytes.
    tree
        Nodes by name: drafts for a store that can be written, any mapping otherwise.
    writer
        Where written bytes go; None where nothing can be written.
    origin
        History and record of a snapshot's store: what another process opens it from.
    read_only
        Whether this handle refuses to write even so.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(
        self,
        objects: ObjectStore,
        tree: Mapping[str, Node],
        writer: ObjectWriter | None = None,
        *,
        origin: tuple[History, Commit] | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__(read_only=read_only or writer is None)
        self.objects = objects
        self.tree = tree
        self.writer = writer
        self.origin = origin

    @classmethod
    def of(cls, history: History, record: Commit) -> Self:
        """Open the tree of a commit, read-only.

        Parameters
        ----------
        history
            History of the lake.
        record
            The commit to read.
        """
        return cls(history.objects, history.tree(record), origin=(history, record))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise ProcessBoundError(
                "a transaction's store cannot be sent to another process, where what is written would be lost: commit, "
                "and send the store of a snapshot (lake.head.store); or write by threads of this process "
                "(dask.config.set(scheduler='threads'))"
            )
        return type(self).of, self.origin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ZarrStore) or self.read_only != other.read_only or str(self) != str(other):
            return False
        drafts = isinstance(self.tree, Drafts) or isinstance(other.tree, Drafts)
        return self.tree is other.tree or (not drafts and tree_digest(self.tree) == tree_digest(other.tree))

    def __hash__(self) -> int:
        return hash((str(self), self.read_only))

    def __str__(self) -> str:
        return f"neurolake+{self.objects.storage.url}"

    def __repr__(self) -> str:
        return f"ZarrStore({str(self)!r})"

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return the same store, open for reading only or, if it has a writer, for writing.

        Raises
        ------
        ReadOnlyStoreError
            The store has no writer.
        """
        if not read_only and self.writer is None:
            raise ReadOnlyStoreError(_NOT_WRITABLE)
        return type(self)(self.objects, self.tree, self.writer, origin=self.origin, read_only=read_only)

    # Reading

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a chunk or file key.

        Parameters
        ----------
        key
            Key of Zarr: the node's name and the key of the chunk.
        """
        found = self._chunk(key)
        if found is not None:
            name, number = found
            array = self._look(name)
            return None if array is None else array.get(number)
        file = self._look(key)
        return file.get(0) if file is not None and file.kind == "file" else None

    def value(self, key: str) -> bytes | None:
        """Read the bytes of *key*, verified; None if there are none.

        Parameters
        ----------
        key
            Key of Zarr.
        """
        described = self._described(key)
        if described is not None:
            return canonical_json(self._whole(_owner(key), described.meta))
        entry = self.entry(key)
        if entry is not None:
            return self.objects.read(entry.digest, entry.size, entry.place)
        return canonical_json(_IMPLICIT_GROUP) if self._holds_arrays(_owner(key)) else None

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read one key, whole or in part.

        Parameters
        ----------
        key
            Key of Zarr.
        prototype
            Makes the buffer.
        byte_range
            Part of the value; all of it by default.
        """
        return self._read(key, prototype or default_buffer_prototype(), byte_range)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read one key, whole or in part."""
        if not self._is_open:
            await self._open()
        return self._read(key, prototype, byte_range)

    def _read(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None) -> Buffer | None:
        data = self.value(key)
        return None if data is None else prototype.buffer.from_bytes(_part(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read several parts."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether a key exists."""
        return self._size(key) is not None

    async def getsize(self, key: str) -> int:
        """Length of the value in bytes."""
        size = self._size(key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    def _size(self, key: str) -> int | None:
        if self._described(key) is None and (entry := self.entry(key)) is not None:
            return entry.size
        metadata = self.value(key)
        return None if metadata is None else len(metadata)

    # Writing

    def _check_writable(self) -> None:
        if self.read_only:
            # Zarr's own words first: what knows Zarr's stores may look for them.
            raise ReadOnlyStoreError(
                f"store was opened in read-only mode and does not support writing: {_NOT_WRITABLE}"
            )
        self.drafts.check_open()

    async def set(self, key: str, value: Buffer) -> None:
        """Write one key."""
        self._check_writable()
        if not self._is_open:
            await self._open()
        self._write(key, value)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write one key.

        Parameters
        ----------
        key
            Key of Zarr.
        value
            The new bytes.

        Raises
        ------
        InputError
            The key is the name of a table, which Zarr does not see.
        """
        self._check_writable()
        self._write(key, value)

    def _write(self, key: str, value: Buffer) -> None:
        if not isinstance(value, Buffer):
            raise TypeError(f"a value is a zarr Buffer, not {type(value).__name__}")
        self._put(key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Delete one key; a missing one is no error."""
        self.delete_sync(key)

    def delete_sync(self, key: str) -> None:
        """Delete one key; a missing one is no error.

        Parameters
        ----------
        key
            Key of Zarr.
        """
        self._check_writable()
        if self._change_chunk(key, None):
            return
        if self._described(key) is not None:
            self.drafts.delete(_owner(key))
        elif self._is_file(key):
            self.drafts.delete(key)

    async def delete_dir(self, prefix: str) -> None:
        """Delete everything below *prefix*."""
        self._check_writable()
        folder = prefix.rstrip("/")
        for name in [name for name, node in self.tree.items() if node.kind != "table"]:
            if not folder or _within(name, folder):
                self.drafts.delete(name)
        # The folder may lie within an array; then what is below are chunks.
        for key in [key for key in self._keys() if not folder or _within(key, folder)]:
            self.delete_sync(key)

    # Listing

    async def list(self) -> AsyncIterator[str]:
        """List all keys."""
        for key in list(self._keys()):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the keys that start with *prefix*."""
        for key in list(self._keys()):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the names directly below *prefix*."""
        folder = prefix.rstrip("/")
        start = f"{folder}/" if folder else ""
        inside = self._array_above(start + "x") is not None
        # Chunks are listed only for a listing inside an array.
        keys = self._keys() if inside else self._key_heads()
        seen = {key[len(start) :].split("/", 1)[0] for key in keys if key.startswith(start)}
        for child in sorted(seen):
            yield child

    # Keys and nodes

    @property
    def drafts(self) -> Drafts:
        """The tree, of a store that can be written.

        Raises
        ------
        ReadOnlyStoreError
            The store is that of a commit.
        """
        if not isinstance(self.tree, Drafts):
            raise ReadOnlyStoreError(_NOT_WRITABLE)
        return self.tree

    def _look(self, name: str) -> Draft | None:
        if isinstance(self.tree, Drafts):
            return self.tree.look(name)
        node = self.tree.get(name)
        return None if node is None else Draft(node.kind, node.meta, node.entries)

    def _is_file(self, name: str) -> bool:
        draft = self._look(name)
        return draft is not None and draft.kind == "file"

    def _described(self, key: str) -> Draft | None:
        """The array or group whose metadata *key* is."""
        owner = _owner(key)
        draft = self._look(owner) if owner else None
        return draft if draft is not None and draft.kind in ("array", "group") else None

    def _whole(self, name: str, meta: Mapping[str, Any]) -> Mapping[str, Any]:
        """The metadata of a node as it is read: of a group that has it consolidated, with what stands below now."""
        if meta["node_type"] != "group" or not isinstance(meta.get(_CONSOLIDATED), Mapping):
            return meta
        found = {other: node.meta for other, node in self.tree.items() if node.kind in ("array", "group")}
        start = "" if name == ROOT else f"{name}/"
        below = {
            other[len(start) :]: {**part, _CONSOLIDATED: _NOTHING_BELOW}
            if part["node_type"] == "group"
            else part
            for other, part in (dict.fromkeys(self._implicit_groups(), _IMPLICIT_GROUP) | found).items()
            # Zarr looks for nothing below an array.
            if other != ROOT and other.startswith(start) and self._array_above(other) is None
        }
        return {**meta, _CONSOLIDATED: {**_NOTHING_BELOW, "metadata": below}}

    def _holds_arrays(self, folder: str) -> bool:
        return bool(folder) and any(
            node.kind == "array" and (folder == ROOT or _within(name, folder))
            for name, node in self.tree.items()
        )

    def _array_above(self, key: str) -> str | None:
        parts = key.split("/")
        for length in range(len(parts) - 1, -1, -1):
            name = "/".join(parts[:length]) or ROOT
            draft = self._look(name)
            if draft is not None and draft.kind == "array":
                return name
        return None

    def _chunk(self, key: str) -> tuple[str, int] | None:
        """The array's name and the number of the chunk that *key* names."""
        name = self._array_above(key)
        draft = None if name is None else self._look(name)
        if name is None or draft is None:
            return None
        number = Grid.of(draft.meta).parse(key if name == ROOT else key[len(name) + 1 :])
        return None if number is None else (name, number)

    def _change_chunk(self, key: str, entry: Entry | None) -> bool:
        found = self._chunk(key)
        draft = None if found is None else self.drafts.edit(found[0])
        if found is None or draft is None:
            return False
        draft.changes[found[1]] = entry
        return True

    def _put(self, key: str, data: bytes) -> None:
        meta = _zarr_document(data) if _owner(key) else None
        if meta is not None:
            owner = _owner(key)
            plain = plain_json(meta, f"{key}: metadata")
            self._describe(owner if owner == ROOT else checked_name(owner), plain)
            return
        if self._described(key) is not None:
            raise InputError(
                f"{key}: not the metadata of a Zarr v3 array or group that can replace the one there"
            )
        assert self.writer is not None, "checked by the caller"
        digest = digest_of(data)
        entry = Entry(digest, len(data), self.writer.add(data, digest))
        if not self._change_chunk(key, entry):
            self._make_room(key, "file")
            self.drafts.put(checked_name(key), "file", {}, {0: entry})

    def _make_room(self, name: str, kind: Kind) -> None:
        there = self._look(name)
        if there is not None and there.kind != kind and {there.kind, kind} != {"array", "group"}:
            raise InputError(
                f"{name!r} is {_A[there.kind]}; delete it before you make {_A[kind]} of that name"
            )

    def _describe(self, name: str, meta: Mapping[str, Any]) -> None:
        kind: Kind = meta["node_type"]
        if kind == "group" and isinstance(meta.get(_CONSOLIDATED), Mapping):
            meta = {**meta, _CONSOLIDATED: dict(_NOTHING_BELOW)}
        self._make_room(name, kind)
        draft = self.drafts.edit(name)
        if draft is None or draft.kind != kind:
            self.drafts.put(name, kind, meta, {})
            self._adopt(name)
            return
        if kind == "array":
            draft = self._regridded(name, draft, Grid.of(draft.meta), Grid.of(meta))
        draft.meta = meta

    def _adopt(self, name: str) -> None:
        """Take over what was written before the metadata, and was kept as files meanwhile."""
        prefix = "" if name == ROOT else f"{name}/"
        for key in [key for key in self.tree if key.startswith(prefix) and self._is_file(key)]:
            file = self._look(key)
            assert file is not None, "just listed"
            if self._described(key) is not None or self._change_chunk(key, file.get(0)):
                self.drafts.delete(key)

    def _regridded(self, name: str, draft: Draft, old: Grid, new: Grid) -> Draft:
        """The chunks of *draft* by their numbers in another grid."""
        if old == new:
            return draft
        if old.counts[1:] != new.counts[1:] or old.chunks != new.chunks:
            kept = {old.coordinates(number): entry for number, entry in draft.items()}
            inside = {at: _cut(entry, at, old, new) for at, entry in kept.items() if _inside(at, new.counts)}
            meta, numbered = draft.meta, {new.number(at): entry for at, entry in inside.items()}
            return self.drafts.put(name, "array", meta, numbered)
        for number in _last_rows(old, new):
            if (entry := draft.get(number)) is not None:
                draft.changes[number] = _cut(entry, old.coordinates(number), old, new)
        return draft

    def _implicit_groups(self) -> Iterator[str]:
        arrays = (name for name, node in self.tree.items() if node.kind == "array" and name != ROOT)
        folders = {folder for name in arrays for folder in _folders(name)}
        yield from (name for name in folders if self._described(_key(name, METADATA)) is None)

    def _key_heads(self) -> Iterator[str]:
        """Keys of all nodes, of chunks only the folder."""
        yield from (_key(name, METADATA) for name in self._implicit_groups())
        for name, node in self.tree.items():
            if node.kind in ("array", "group"):
                yield _key(name, METADATA)
            if node.kind == "array" and len(node.entries):
                yield _key(name, Grid.of(node.meta).key(0).split("/", 1)[0])
            if node.kind == "file":
                yield name

    def _keys(self) -> Iterator[str]:
        yield from (_key(name, METADATA) for name in self._implicit_groups())
        for name, node in self.tree.items():
            if node.kind in ("array", "group"):
                yield _key(name, METADATA)
            if node.kind == "array":
                grid = Grid.of(node.meta)
                yield from (_key(name, grid.key(number)) for number, _ in node.entries.items())
            if node.kind == "file":
                yield name


def metadata_document(array: zarr.Array[Any]) -> dict[str, Any]:
    """Return the Zarr v3 metadata of an array as stored: plain JSON.

    Parameters
    ----------
    array
        An open array of zarr-python.
    """
    buffers = array.metadata.to_buffer_dict(default_buffer_prototype())
    document: dict[str, Any] = json.loads(buffers[METADATA].to_bytes())
    return document


def _owner(key: str) -> str:
    """Name of the node that *key* would describe; empty if it is no metadata key."""
    name, _, last = key.rpartition("/")
    return ROOT if key == METADATA else name if last == METADATA else ""


def _folders(name: str) -> list[str]:
    parts = name.split("/")
    return [ROOT, *("/".join(parts[:length]) for length in range(1, len(parts)))]


def _key(name: str, rest: str) -> str:
    return rest if name == ROOT else f"{name}/{rest}"


def _zarr_document(data: bytes) -> Mapping[str, Any] | None:
    """The metadata of an array whose chunks we can number, or of a group."""
    try:
        meta = json.loads(data)
        if meta["zarr_format"] != 3 or meta["node_type"] not in ("array", "group"):
            return None
        if meta["node_type"] == "array":
            Grid.of(meta)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return dict(meta)


def _within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + "/")


def _inside(at: tuple[int, ...], counts: tuple[int, ...]) -> bool:
    return len(at) == len(counts) and all(map(operator.lt, at, counts))


def _last_rows(old: Grid, new: Grid) -> Iterator[int]:
    """Numbers of the chunks that the end of the first axis cuts, before or after it moves."""
    for grid in (old, new):
        if grid.shape and grid.shape[0] % grid.chunks[0]:
            width = math.prod(grid.counts[1:])
            first = grid.shape[0] // grid.chunks[0] * width
            yield from range(first, first + width)


def _cut(entry: Entry, at: tuple[int, ...], old: Grid, new: Grid) -> Entry:
    """*entry* without its statistics where the part of the chunk within the array has changed."""
    return entry if old.extent(at) == new.extent(at) else replace(entry, stats={})


def _part(data: bytes, request: ByteRequest | None) -> bytes:
    match request:
        case None:
            return data
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:] if suffix else b""
        case _:
            raise TypeError(f"Unexpected byte_range, got {request!r}")
