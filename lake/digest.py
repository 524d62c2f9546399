"""Names of content: BLAKE3-256 digests, and the one JSON text that a value has."""

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from datetime import time as clock
from pathlib import Path
from typing import Any, NewType

import numpy as np
from blake3 import blake3

from .errors import InputError, MalformedError

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal digits."""

HASH_NAME = "blake3-256"
LARGEST_ARRAY = 4096
"""Elements of an array that may stand among attributes or parameters."""
_DIGEST = re.compile("[0-9a-f]{64}")


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """Return the BLAKE3-256 digest of *data*.

    Parameters
    ----------
    data
        Any contiguous buffer.
    """
    return Digest(blake3(data).hexdigest())


def has_digest(data: bytes | memoryview, digest: bytes) -> bool:
    """Return whether bytes have a digest.

    Parameters
    ----------
    data
        Any contiguous buffer.
    digest
        The 32 bytes of the digest.
    """
    return blake3(data).digest() == digest


def digest_of_file(path: Path) -> Digest:
    """Return the BLAKE3-256 digest of a file's bytes.

    Parameters
    ----------
    path
        A local file.
    """
    return Digest(blake3().update_mmap(path).hexdigest())


def is_digest(text: object) -> bool:
    """Return whether *text* has the form of a digest.

    Parameters
    ----------
    text
        Any value.
    """
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def checked_digest(text: object) -> Digest:
    """Return *text* if it is a digest.

    Parameters
    ----------
    text
        A value read from storage.

    Raises
    ------
    MalformedError
        It is not. Names of files are made of digests: a path must never pass for one.
    """
    if not is_digest(text):
        raise MalformedError(f"a manifest names {text!r:.80} where a digest belongs")
    return Digest(str(text))


def canonical_json(value: Any) -> bytes:
    """Return the one UTF-8 JSON text of *value*: sorted keys, no blanks, so that equal values have equal digests.

    Parameters
    ----------
    value
        A value that JSON can hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def equal_json(one: Any, other: Any) -> bool:
    """Return whether two values have the same JSON; Python's ``==`` would take 1 for 1.0 and for true.

    Parameters
    ----------
    one, other
        Values that JSON can hold.
    """
    return canonical_json(one) == canonical_json(other)


def plain_json(value: Any, what: str) -> Any:
    """Return *value* as it will be when it is read back.

    NumPy's scalars become Python's, small arrays and tuples lists; dates and times their ISO 8601 text, paths their text; keys
    of objects become text as JSON writes them.

    Parameters
    ----------
    value
        Value to store.
    what
        What the value is, for the error.

    Raises
    ------
    InputError
        JSON cannot say it.
    """
    try:
        text = json.dumps(_plain(value), ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} must be JSON in UTF-8, which cannot say {error.object[error.start]!r}, half of a character"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} must be JSON (text, numbers, lists, objects): {error}") from None
    return json.loads(text)


def plain_value(value: Any) -> Any:
    """Return the plain value of a scalar of NumPy, a date, a time or a path; every other value itself.

    Parameters
    ----------
    value
        Any value.
    """
    if isinstance(value, np.generic) and value.dtype.kind in "biufSU":
        return value.item()
    if isinstance(value, np.datetime64):
        return str(value)
    if isinstance(value, date | clock):
        return value.isoformat()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _plain(value: Any) -> Any:
    value = plain_value(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        if value.size > LARGEST_ARRAY:
            raise ValueError(
                f"an array of {value.size} elements is too large; store it as an array of the lake"
            )
        return _plain(value.tolist())
    return value


def _key(key: Any) -> Any:
    key = plain_value(key)
    if isinstance(key, str | int | float | bool) or key is None:
        return key
    raise TypeError(f"a key is text or a number, not {type(key).__name__}")
