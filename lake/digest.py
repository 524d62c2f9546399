"""Names of content: BLAKE3-256 digests, and the one JSON text that a value has."""

import json
from typing import Any, NewType

from blake3 import blake3

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal digits."""

HASH_NAME = "blake3-256"


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """BLAKE3-256 of *data*; any contiguous buffer will do."""
    return Digest(blake3(data).hexdigest())


def is_digest(text: object) -> bool:
    """Whether *text* is written as a digest is."""
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def canonical_json(value: Any) -> bytes:
    """The one UTF-8 JSON text of *value*: sorted keys, no blanks, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
