"""One entry of a node, and the reference to a shard of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..digest import Digest, checked_digest
from ..errors import MalformedError
from ..objects.store import Place, checked_length

SHARD_SIZE = 65536
_BOUND = (int, float)
_BOUNDS, _COUNTS = ("min", "max", "mean"), ("nan", "rows")
_STATISTICS = {
    "min": _BOUND,
    "max": _BOUND,
    "mean": _BOUND,
    "nan": (int,),
    "rows": (int,),
    "columns": (dict,),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored object of a node.

    Parameters
    ----------
    digest, size
        BLAKE3-256 and length in bytes of what is stored.
    place
        Where it is; no part of its identity.
    stats
        What the writer knew of the content. Chunks: ``min, max, mean`` (of what is not NaN), ``nan``.
        Parquet files: ``rows``, ``columns`` (name to ``[min, max, nulls]``).
    """

    digest: Digest
    size: int
    place: Place
    stats: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, position: int) -> dict[str, Any]:
        """Return the entry in the form of log records and snapshots.

        Parameters
        ----------
        position
            Position in the manifest: the number of the chunk or file.
        """
        value = {"at": position, "digest": self.digest, "size": self.size, **self.place.to_json()}
        return {**value, "stats": dict(self.stats)} if self.stats else value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Entry":
        """Return the entry of JSON from `to_json`, without its position; checked.

        Parameters
        ----------
        value
            JSON of an entry.
        """
        digest, size = checked_digest(value["digest"]), checked_length(value["size"])
        return cls(digest, size, Place.from_json(value), checked_stats(value.get("stats", {})))


@dataclass(frozen=True, slots=True)
class ShardRef:
    """A shard that an object holds: `digest` is its identity, `object`, `size`, `place` where it is now."""

    number: int
    digest: Digest
    count: int
    object: Digest
    size: int
    place: Place

    def to_json(self) -> dict[str, Any]:
        """Return the reference in the form of log records and snapshots."""
        fields = {"number": self.number, "digest": self.digest, "count": self.count}
        return {**fields, "object": self.object, "size": self.size, **self.place.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ShardRef":
        """Return the reference of JSON from `to_json`, checked.

        Parameters
        ----------
        value
            JSON of a reference to a shard.
        """
        number, count = checked_length(value["number"]), checked_length(value["count"])
        digest, stored = checked_digest(value["digest"]), checked_digest(value["object"])
        return cls(number, digest, count, stored, checked_length(value["size"]), Place.from_json(value))


def checked_stats(value: Any) -> Mapping[str, Any]:
    """Return *value* if it can be the statistics of an entry.

    Parameters
    ----------
    value
        A value read from storage.

    Raises
    ------
    MalformedError
        It cannot.
    """
    if (
        not isinstance(value, dict)
        or not all(type(value[name]) in kinds for name, kinds in _STATISTICS.items() if name in value)
        or not all(0 <= value.get(name, 0) < 2**63 for name in _COUNTS)
        or not all(map(_is_bound, (value.get(name) for name in _BOUNDS)))
        or not all(map(_is_column, value.get("columns", {}).values()))
    ):
        raise MalformedError(f"a manifest says {value!r:.80} where statistics belong")
    return value


def _is_column(value: Any) -> bool:
    """Whether *value* is ``[min, max, nulls]``."""
    if not isinstance(value, list) or len(value) != 3 or type(value[2]) is not int:
        return False
    low, high, nulls = value
    return 0 <= nulls < 2**63 and (low is None) == (high is None) and _is_bound(low) and _is_bound(high)


def _is_bound(value: Any) -> bool:
    # Of integers, those that a column can hold.
    return value is None or isinstance(value, str | float) or (isinstance(value, int) and abs(value) <= 2**64)
