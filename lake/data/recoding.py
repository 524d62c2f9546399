"""Chunks of an array encoded anew: the same values, by another codec."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..digest import Digest, digest_of
from ..nodes.entry import Entry
from ..nodes.grid import Grid
from ..nodes.node import Node
from ..objects.store import ObjectStore, ObjectWriter
from ..threads import mapped
from .arrays import codecs_json
from .codecs import Codec
from .compression import Compression, chosen_codec
from .memory import room

_BATCH = 4096
_SAMPLED = 3


def recoded(
    entries: Sequence[Entry],
    meta: Mapping[str, Any],
    codec: Codec,
    objects: ObjectStore,
    writer: ObjectWriter,
) -> Iterator[Entry]:
    """Encode stored chunks anew; statistics stay.

    Parameters
    ----------
    entries
        The chunks.
    meta
        Zarr v3 metadata of the array that they are of, with a codec of ours.
    codec
        Encodes them from now on.
    objects
        Reads the chunks.
    writer
        Stores the objects.

    Raises
    ------
    CorruptObjectError
        A chunk is missing or damaged.
    MalformedError
        A chunk does not decode, although it has its digest.
    """
    before, grid = Codec.of(meta), Grid.of(meta)
    assert before is not None, "checked by the caller"
    kind = np.dtype(meta["data_type"])

    def encode(entry: Entry) -> tuple[bytes, Digest]:
        stored = objects.read(entry.digest, entry.size, entry.place)
        chunk = room(grid.chunks, kind, f"a chunk of shape {grid.chunks}")
        before.check_size(stored, chunk.nbytes)
        before.decode_into(stored, chunk)
        data = codec.encode(chunk)
        return data, digest_of(data)

    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        for entry, (data, digest) in zip(batch, mapped(encode, batch), strict=True):
            yield replace(entry, digest=digest, size=len(data), place=writer.add(data, digest))


def recompressed(
    name: str, node: Node, compression: Compression, objects: ObjectStore, writer: ObjectWriter
) -> tuple[Mapping[str, Any], dict[int, Entry]] | None:
    """Return metadata and chunks of an array under the codec that *compression* chooses; None if it has that one.

    Arrays without chunks, of values other than numbers, or with codecs that are not ours stay as they are.

    Parameters
    ----------
    name, node
        The array.
    compression
        What the codec is chosen for, as `chosen_codec` says.
    objects
        Reads the chunks.
    writer
        Stores the objects.

    Raises
    ------
    CorruptObjectError, MalformedError
        As of `recoded`.
    """
    found, before = dict(node.entries.items()), Codec.of(node.meta)
    if before is None or not found or not isinstance(node.meta["data_type"], str):
        return None
    kind, grid = np.dtype(node.meta["data_type"]), Grid.of(node.meta)
    if kind.kind not in "biufc":
        return None
    numbers = list(found)
    chunks = []
    for number in sorted({numbers[len(numbers) * at // _SAMPLED] for at in range(_SAMPLED)}):
        entry = found[number]
        chunk = room(grid.chunks, kind, f"a chunk of shape {grid.chunks}")
        stored = objects.read(entry.digest, entry.size, entry.place)
        before.check_size(stored, chunk.nbytes)
        before.decode_into(stored, chunk)
        chunks.append(chunk)
    sample = np.concatenate(chunks) if grid.chunks else chunks[0]
    chosen = chosen_codec(compression, sample, grid.chunks, node.meta.get("dimension_names"))
    meta = {**node.meta, "codecs": codecs_json(name, kind, grid.chunks, chosen)}
    codec = Codec.of(meta)
    if codec is None or codec == before:
        return None
    return meta, dict(
        zip(found, recoded(list(found.values()), node.meta, codec, objects, writer), strict=True)
    )
