"""Names of content: BLAKE3-256 digests, and the one JSON text that a value has."""

import json
import re
from pathlib import Path
from typing import Any, NewType

from blake3 import blake3

from .errors import CorruptObjectError, InputError

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal digits."""

HASH_NAME = "blake3-256"
_DIGEST = re.compile("[0-9a-f]{64}")


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """BLAKE3-256 of *data*; any contiguous buffer will do."""
    return Digest(blake3(data).hexdigest())


def digest_of_file(path: Path) -> Digest:
    """BLAKE3-256 of a file's bytes."""
    return Digest(blake3().update_mmap(path).hexdigest())


def is_digest(text: object) -> bool:
    """Whether *text* is written as a digest is."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def checked_digest(text: object) -> Digest:
    """*text* itself, which was read somewhere, if it is written as a digest is.

    Raises
    ------
    CorruptObjectError
        It is not. Names of files are made of digests: a path must never pass for one.
    """
    if not is_digest(text):
        raise CorruptObjectError(f"a manifest names {text!r:.80} where a digest belongs")
    return Digest(str(text))


def canonical_json(value: Any) -> bytes:
    """The one UTF-8 JSON text of *value*: sorted keys, no blanks, so that equal values have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def equal_json(one: Any, other: Any) -> bool:
    """Whether two values have the same JSON; Python's ``==`` would take 1 for 1.0 and for true."""
    return canonical_json(one) == canonical_json(other)


def plain_json(value: Any, what: str) -> Any:
    """*value* as it will be when it is read back: lists for tuples, text for the keys of objects.

    Raises
    ------
    InputError
        JSON cannot say it.
    """
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} must be JSON (text, numbers, lists, objects): {error}") from None
    return json.loads(text)
