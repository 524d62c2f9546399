"""Python values as JSON that gives them back as they were: tuples, sets, any keys, bytes and small arrays.

What plain JSON has not is an object with the key ``$``: the name of its kind, and ``is``, what it is made from.
"""

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_KIND, _VALUE = "$", "is"


def dumps(value: Any) -> bytes:
    """*value* as JSON text in UTF-8.

    Raises
    ------
    TypeError
        Some part of it is of another type than None, bool, int, float, str, bytes, list, tuple, set, frozenset,
        dict, or an array or scalar of NumPy without Python objects.
    """
    return json.dumps(_encoded(value), separators=(",", ":"), allow_nan=False).encode()


def loads(data: bytes) -> Any:
    """The inverse of `dumps`.

    Raises
    ------
    ValueError
        *data* is not what `dumps` makes.
    """
    return _decoded(json.loads(data))


def _encoded(value: Any) -> Any:
    # Exact types: a named tuple or an ordered dictionary would come back as something less.
    kind = type(value)
    if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
        return value
    if kind is list:
        return [_encoded(item) for item in value]
    if kind is dict and all(type(key) is str for key in value) and _KIND not in value:
        return {key: _encoded(item) for key, item in value.items()}
    name = kind.__name__ if kind in _PARTS else _numpy_kind(value)
    return {_KIND: name, _VALUE: _ENCODERS[name](value)}


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _KIND not in value:
        return {key: _decoded(item) for key, item in value.items()}
    if value[_KIND] not in _DECODERS:
        raise ValueError(f"unknown kind of value {value[_KIND]!r}")
    return _DECODERS[value[_KIND]](value[_VALUE])


def _numpy_kind(value: Any) -> str:
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return "scalar"
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return "ndarray"
    raise TypeError(f"a value of type {type(value).__module__}.{type(value).__qualname__}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _npy(value: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return _text(buffer.getvalue())


def _array(text: str) -> Any:
    return np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False)


def _items(value: Any) -> list[Any]:
    return [_encoded(item) for item in value]


def _sorted_items(value: Any) -> list[Any]:
    # Equal sets make equal text.
    return sorted(_items(value), key=json.dumps)


_PARTS = (float, tuple, set, frozenset, dict, bytes)
_ENCODERS: Mapping[str, Callable[[Any], Any]] = {
    "float": repr,
    "tuple": _items,
    "set": _sorted_items,
    "frozenset": _sorted_items,
    "dict": lambda value: [[_encoded(key), _encoded(item)] for key, item in value.items()],
    "bytes": _text,
    "ndarray": _npy,
    "scalar": _npy,
}
_DECODERS: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    "tuple": lambda items: tuple(map(_decoded, items)),
    "set": lambda items: set(map(_decoded, items)),
    "frozenset": lambda items: frozenset(map(_decoded, items)),
    "dict": lambda pairs: {_decoded(key): _decoded(item) for key, item in pairs},
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "ndarray": _array,
    "scalar": lambda text: _array(text)[()],
}
