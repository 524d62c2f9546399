"""Shards of entries as Parquet objects: written whole, read column-wise, one entry at a time."""

import json
from collections.abc import Collection, ItemsView, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from ..digest import Digest, digest_of
from ..errors import MalformedError
from ..objects.bulk import Columns, ObjectPlaces
from ..objects.packs import pack_key
from ..objects.store import Place, checked_length, object_key
from .entry import SHARD_SIZE, Entry, ShardRef, checked_stats

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


_KEY = np.dtype([("at", "<u8"), ("digest", "V32")])
_ROW = np.dtype(("V", _KEY.itemsize))
_FEW = 64

Changes = Mapping[int, Entry | None]


class Shard(Mapping[int, Entry]):
    """The entries of one stored shard, as columns; an `Entry` is made only when it is asked for.

    Parameters
    ----------
    table
        Columns of the shard's entries.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        for name in ("at", "digest", "size", "offset"):
            if self._table[name].null_count:
                raise ValueError(f"column {name!r} has gaps")
        self._at: npt.NDArray[np.uint64] = self._table["at"].to_numpy()
        if len(self._at) and not np.all(self._at[1:] > self._at[:-1]):
            raise ValueError("positions are not in increasing order")
        self._asked = 0
        self._made: dict[int, Entry] = {}

    @classmethod
    def of(cls, entries: Mapping[int, Entry]) -> Self:
        """Make a shard of entries.

        Parameters
        ----------
        entries
            Entries by position.
        """
        return cls(_table(dict(sorted(entries.items()))))

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[int]:
        return iter(self._at.tolist())

    def __getitem__(self, position: int) -> Entry:
        row = int(np.searchsorted(self._at, np.uint64(position)))
        if row == len(self._at) or self._at[row] != position:
            raise KeyError(position)
        self._asked += 1
        if self._asked > _FEW:
            return self._whole(row)
        # A cell of a column costs more than one of a list, and a list of all cells more than a few of these.
        return _entry(*(self._table[name][row].as_py() for name in _SCHEMA.names))

    def _whole(self, row: int) -> Entry:
        """An entry by its row; those of tables, which are asked for whole and take long to make, are kept."""
        entry = self._made.get(row)
        if entry is None:
            entry = _entry(*self._rows[row])
            if "columns" in entry.stats:
                self._made[row] = entry
        return entry

    def locate(
        self, positions: npt.NDArray[np.int64], at: npt.NDArray[np.int64], found: ObjectPlaces
    ) -> None:
        """Tell where the entries at some positions stand, if they are here.

        Parameters
        ----------
        positions
            Positions in the manifest, int64.
        at
            Which of them to look for: indices of *positions*, and of *found*.
        found
            Where to tell it.

        Raises
        ------
        MalformedError
            An offset or a length is none.
        """
        asked = positions[at].astype(np.uint64)
        rows = np.searchsorted(self._at, asked)
        here = rows < len(self._at)
        here[here] = self._at[rows[here]] == asked[here]
        rows, at = rows[here], at[here]
        codes, packs, offset, length, digest = self._places
        packed = codes[rows] >= 0
        inside = rows[packed]
        found.put_all(
            at[packed],
            (
                codes[inside],
                packs,
                offset[inside],
                length[inside],
                digest[inside].view(np.uint8).reshape(-1, 32),
            ),
        )
        for index, row in zip(at[~packed].tolist(), rows[~packed].tolist(), strict=True):
            entry = self[int(self._at[row])]
            found.put(index, entry.digest, entry.size, entry.place)

    def items(self) -> ItemsView[int, Entry]:
        """Positions and entries; all rows are read at once."""
        self._asked = max(self._asked, _FEW)
        return super().items()

    @property
    def columns(self) -> pa.Table:
        """One row for each entry: ``at``, ``digest``, ``size``, where it stands, and its statistics."""
        return self._table

    def digest(self, changes: Changes | None = None) -> Digest:
        """Return `shard_digest` of these entries, or of them with *changes* made.

        Parameters
        ----------
        changes
            Entries by position; None removes one.
        """
        changes = changes or {}
        if self._precedes(changes):
            # What is here is hashed once, however often something is appended.
            hasher = self._hasher.copy()
            hasher.update(_new_keys(changes))
            return Digest(hasher.hexdigest())
        return digest_of(self._keys_with(changes).view(np.uint8).data)

    def count(self, changes: Changes) -> int:
        """Return the number of entries with *changes* made.

        Parameters
        ----------
        changes
            Entries by position; None removes one.
        """
        kept = len(self) if self._precedes(changes) else int(self._untouched(changes).sum())
        return kept + sum(entry is not None for entry in changes.values())

    def updated(self, changes: Changes) -> "Shard":
        """Return these entries with *changes* made (None removes).

        Parameters
        ----------
        changes
            Entries by position; None removes one.
        """
        new = _table({at: entry for at, entry in changes.items() if entry is not None})
        kept = self._table.filter(pa.array(self._untouched(changes)))
        return Shard(pa.concat_tables([kept, new]).unify_dictionaries().sort_by("at"))

    def keys_stored(self) -> set[str]:
        """Return the keys of the storage that hold the entries: packs, and objects that are files of their own."""
        packs = {pack_key(pack) for pack in self._table["pack"].unique().to_pylist() if pack is not None}
        unpacked = self._table.filter(self._table["pack"].is_null())
        rows = unpacked.filter(unpacked["inline"].is_null())
        pairs = zip(rows["digest"].to_pylist(), rows["suffix"].to_pylist(), strict=True)
        return packs | {object_key(digest.hex(), suffix or "") for digest, suffix in pairs}

    def extents(self, hidden: Collection[int] = ()) -> dict[str, npt.NDArray[np.uint64]]:
        """Return offset and size of the entries in each pack, shape (entries, 2), without *hidden* positions.

        Parameters
        ----------
        hidden
            Positions to leave out.
        """
        table = self._table.filter(pa.array(self._untouched(dict.fromkeys(hidden))))
        rows = np.stack([table[name].to_numpy() for name in ("offset", "size")], axis=1)
        codes, packs = _coded(table["pack"])
        return {pack: rows[codes == code] for code, pack in enumerate(packs) if np.any(codes == code)}

    def numbers(self) -> set[int]:
        """Return the numbers of the shards that the positions belong to: one, in a sound shard."""
        return set(np.unique(self._at // np.uint64(SHARD_SIZE)).tolist())

    def to_bytes(self) -> bytes:
        """Return the shard as one Parquet object (columns: docs/format.md, Shards)."""
        sink = pa.BufferOutputStream()
        pq.write_table(self._table, sink, compression="zstd", compression_level=1)
        return bytes(sink.getvalue())

    @cached_property
    def _keys(self) -> npt.NDArray[np.void]:
        keys = np.empty(len(self), _KEY)
        keys["at"] = self._at
        if len(self):
            digests = pa.concat_arrays(self._table["digest"].chunks)
            keys["digest"] = np.frombuffer(digests.buffers()[1], "V32", len(self), 32 * digests.offset)
        return keys

    @cached_property
    def _places(self) -> Columns:
        offset, length = (self._table[name].to_numpy().view(np.int64) for name in ("offset", "size"))
        return *_coded(self._table["pack"]), offset, length, self._keys["digest"]

    @cached_property
    def _hasher(self) -> blake3:
        return blake3(self._keys.view(np.uint8).data)

    @cached_property
    def _rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*(self._table[name].to_pylist() for name in _SCHEMA.names), strict=True))

    def _precedes(self, changes: Changes) -> bool:
        return not changes or not len(self) or min(changes) > self._at[-1]

    def _untouched(self, changes: Changes) -> npt.NDArray[np.bool_]:
        untouched = np.ones(len(self), bool)
        positions = np.fromiter(changes, np.uint64, len(changes))
        rows = np.searchsorted(self._at, positions)
        inside = rows < len(self)
        rows, positions = rows[inside], positions[inside]
        untouched[rows[self._at[rows] == positions]] = False
        return untouched

    def _keys_with(self, changes: Changes) -> npt.NDArray[np.void]:
        untouched = self._untouched(changes)
        kept = self._keys if untouched.all() else self._keys[untouched]
        # Rows without fields are copied several times faster.
        keys = np.concatenate([kept.view(_ROW), np.frombuffer(_new_keys(changes), _ROW)])
        return keys[np.argsort(keys.view(_KEY)["at"], kind="stable")]


def shard_digest(entries: Mapping[int, Entry]) -> Digest:
    """Return the digest of a shard: that of (position as u64, digest) of its entries in order of position.

    Parameters
    ----------
    entries
        Entries by position.
    """
    if isinstance(entries, Shard):
        return entries.digest()
    return digest_of(_new_keys(entries))


def _new_keys(changes: Changes) -> bytes:
    """Position and digest of what the changes put there, in order of position."""
    return b"".join(
        at.to_bytes(8, "little") + bytes.fromhex(entry.digest)
        for at, entry in sorted(changes.items())
        if entry is not None
    )


def _coded(packs: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Number of each row's pack among their names, or -1."""
    whole = packs.combine_chunks()
    encoded = whole if isinstance(whole, pa.DictionaryArray) else whole.chunk(0)
    return encoded.indices.fill_null(-1).to_numpy(), encoded.dictionary.to_pylist()


def _table(entries: Mapping[int, Entry]) -> pa.Table:
    rows = list(entries.values())
    columns = {
        "at": list(entries),
        "digest": [bytes.fromhex(entry.digest) for entry in rows],
        "size": [entry.size for entry in rows],
        "pack": [entry.place.pack for entry in rows],
        "offset": [entry.place.offset for entry in rows],
        "inline": [entry.place.inline for entry in rows],
        "suffix": [entry.place.suffix for entry in rows],
        **{name: [entry.stats.get(name) for entry in rows] for name in _NUMBERS},
        "columns": [_json_or_none(entry.stats.get("columns")) for entry in rows],
    }
    return pa.table([pa.array(columns[column.name], column.type) for column in _SCHEMA], schema=_SCHEMA)


def _entry(
    at: int,
    digest: bytes,
    size: int,
    pack: str | None,
    offset: int,
    inline: bytes | None,
    suffix: str | None,
    low: float | None,
    high: float | None,
    mean: float | None,
    nan: int | None,
    rows: int | None,
    columns: str | None,
) -> Entry:
    numbers = {"min": low, "max": high, "mean": mean, "nan": nan, "rows": rows}
    stats: dict[str, Any] = {name: number for name, number in numbers.items() if number is not None}
    if columns is not None:
        stats["columns"] = _parsed(columns)
    checked_length(size | offset)
    return Entry(Digest(digest.hex()), size, Place(pack, offset, inline, suffix or ""), checked_stats(stats))


def parse_shard(data: bytes, ref: ShardRef) -> Shard:
    """Read the entries of a stored shard.

    Parameters
    ----------
    data
        Bytes of the shard.
    ref
        What a manifest says of the shard.

    Raises
    ------
    MalformedError
        It does not parse, is larger than a shard can be, or is not the shard that *ref* promises.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows != ref.count or ref.count > SHARD_SIZE:
            raise ValueError(f"{file.metadata.num_rows} entries, expected {ref.count}")
        shard = Shard(file.read().cast(_SCHEMA))
        if shard.numbers() - {ref.number}:
            raise ValueError(f"it has positions of another shard than {ref.number}")
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        raise MalformedError(f"shard {ref.object} cannot be read: {error}") from error
    if shard.digest() != ref.digest:
        raise MalformedError(f"shard {ref.object} does not have the entries of its digest")
    return shard


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"a shard says {text!r:.80} where statistics belong: {error}") from error


def _json_or_none(value: object) -> str | None:
    return None if value is None else json.dumps(value)
