"""Shards of entries as Parquet objects: written whole, read column-wise, one entry at a time."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from .digest import Digest, digest_of
from .entry import SHARD_SIZE, Entry, ShardRef, checked_stats
from .errors import CorruptObjectError
from .objects import Place, checked_length

_SCHEMA = pa.schema(
    [
        ("at", pa.uint64()),
        ("digest", pa.binary(32)),
        ("size", pa.uint64()),
        ("pack", pa.dictionary(pa.int32(), pa.string())),
        ("offset", pa.uint64()),
        ("inline", pa.binary()),
        ("suffix", pa.dictionary(pa.int32(), pa.string())),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("mean", pa.float64()),
        ("nan", pa.uint64()),
        ("rows", pa.uint64()),
        ("columns", pa.string()),
    ]
)
_NUMBERS = ("min", "max", "mean", "nan", "rows")


class Shard(Mapping[int, Entry]):
    """The entries of one stored shard; an `Entry` is made only when it is asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        for name in ("at", "digest", "size", "offset"):
            if self._table[name].null_count:
                raise ValueError(f"column {name!r} has gaps")
        self._at: npt.NDArray[np.uint64] = self._table["at"].to_numpy()
        if len(self._at) and not np.all(self._at[1:] > self._at[:-1]):
            raise ValueError("positions are not in increasing order")

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[int]:
        return iter(self._at.tolist())

    def __getitem__(self, position: int) -> Entry:
        row = int(np.searchsorted(self._at, np.uint64(position)))
        if row == len(self._at) or self._at[row] != position:
            raise KeyError(position)
        value = {name: self._table[name][row].as_py() for name in _SCHEMA.names}
        stats = {name: value[name] for name in _NUMBERS if value[name] is not None}
        if value["columns"] is not None:
            stats["columns"] = _parsed(value["columns"])
        place = Place(value["pack"], value["offset"], value["inline"], value["suffix"] or "")
        checked_length(value["size"] | value["offset"])
        return Entry(Digest(value["digest"].hex()), value["size"], place, checked_stats(stats))

    def digest(self) -> Digest:
        """`shard_digest` of these entries."""
        rows = np.empty(len(self), dtype=[("at", "<u8"), ("digest", "V32")])
        rows["at"] = self._at
        digests = pa.concat_arrays(self._table["digest"].chunks) if len(self) else None
        if digests is not None:
            offset = 32 * digests.offset
            rows["digest"] = np.frombuffer(digests.buffers()[1], "V32", len(self), offset)
        return digest_of(rows.tobytes())


def shard_digest(shard: Mapping[int, Entry]) -> Digest:
    """Identity of a shard: digest of (position as u64, digest) of its entries in order of position."""
    if isinstance(shard, Shard):
        return shard.digest()
    rows = (at.to_bytes(8, "little") + bytes.fromhex(entry.digest) for at, entry in sorted(shard.items()))
    return digest_of(b"".join(rows))


def shard_bytes(shard: Mapping[int, Entry]) -> bytes:
    """A shard as one Parquet object (columns: docs/format.md, Shards)."""
    positions = sorted(shard)
    entries = [shard[at] for at in positions]
    columns = {
        "at": positions,
        "digest": [bytes.fromhex(entry.digest) for entry in entries],
        "size": [entry.size for entry in entries],
        "pack": [entry.place.pack for entry in entries],
        "offset": [entry.place.offset for entry in entries],
        "inline": [entry.place.inline for entry in entries],
        "suffix": [entry.place.suffix for entry in entries],
        **{name: [entry.stats.get(name) for entry in entries] for name in _NUMBERS},
        "columns": [_json_or_none(entry.stats.get("columns")) for entry in entries],
    }
    table = pa.table([pa.array(columns[column.name], column.type) for column in _SCHEMA], schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1)
    return bytes(sink.getvalue())


def parse_shard(data: bytes, ref: ShardRef) -> Shard:
    """Entries of a stored shard.

    Raises
    ------
    CorruptObjectError
        It does not parse, is larger than a shard can be, or is not the shard that *ref* promises.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows != ref.count or ref.count > SHARD_SIZE:
            raise ValueError(f"{file.metadata.num_rows} entries where {ref.count} were promised")
        shard = Shard(file.read().cast(_SCHEMA))
        if {at // SHARD_SIZE for at in shard} - {ref.number}:
            raise ValueError(f"it has positions of another shard than {ref.number}")
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise CorruptObjectError(f"shard {ref.object} cannot be read: {error}") from error
    if shard.digest() != ref.digest:
        raise CorruptObjectError(f"shard {ref.object} does not hold the entries its digest promises")
    return shard


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptObjectError(f"a shard says {text!r:.80} where statistics belong: {error}") from error


def _json_or_none(value: object) -> str | None:
    return None if value is None else json.dumps(value)
