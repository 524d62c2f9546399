"""What answers are made of: JSON that JavaScript reads without loss, and numbers as bytes behind a JSON head."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.responses import Response

_EXACT = 2**53


def json_body(value: Any) -> bytes:
    """Return a value as JSON: NaN and infinity are null, whole numbers that JavaScript would round are text.

    Parameters
    ----------
    value
        Numbers of Python or NumPy, text, lists, mappings; anything else becomes its text.
    """
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | np.integer):
        return int(value) if -_EXACT <= value <= _EXACT else str(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


class Json(Response):
    """A value as JSON.

    Parameters
    ----------
    value
        See `json_body`.
    status
        HTTP's status code.
    """

    media_type = "application/json"

    def __init__(self, value: Any, status: int = 200) -> None:
        super().__init__(json_body(value), status)


def framed(head: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays as bytes: the length of a JSON head (uint32), the head, filled up to a multiple of 8, then the arrays.

    All numbers are little-endian. ``arrays`` in the head tells of each array its ``name``, ``type`` (NumPy's name), ``shape`` and
    ``start``, in bytes from the end of the head; each starts at a multiple of 8.

    Parameters
    ----------
    head
        What else to tell.
    arrays
        Arrays by name.
    """
    told, parts, start = [], [], 0
    for name, array in arrays.items():
        kept = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        told.append({"name": name, "type": kept.dtype.name, "shape": list(kept.shape), "start": start})
        data = kept.tobytes()
        parts.append(data + bytes(-len(data) % 8))
        start += len(parts[-1])
    text = json_body({**head, "arrays": told})
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def unframed(body: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the head, without ``arrays``, and the arrays that `framed` made bytes of; they cannot be written to.

    Parameters
    ----------
    body
        The bytes.
    """
    begin = 4 + int.from_bytes(body[:4], "little")
    head = json.loads(body[4:begin])
    arrays = {
        one["name"]: np.frombuffer(
            body, np.dtype(one["type"]).newbyteorder("<"), math.prod(one["shape"]), begin + one["start"]
        ).reshape(one["shape"])
        for one in head.pop("arrays")
    }
    return head, arrays


class Framed(Response):
    """Arrays behind a JSON head; see `framed`.

    Parameters
    ----------
    head
        What else to tell.
    arrays
        Arrays by name.
    """

    media_type = "application/octet-stream"

    def __init__(self, head: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        super().__init__(framed(head, arrays))


class Ready(Response):
    """Arrays behind a JSON head that are bytes already.

    Parameters
    ----------
    body
        What `framed` returned.
    """

    media_type = Framed.media_type

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
