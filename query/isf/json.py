"""Python values as JSON from which they are read back as they were: tuples, sets, any keys, times, paths, arrays, labels.

What plain JSON has not is an object with the key ``$``: the name of its kind, and ``is``, what it is made from. Parts
that are better kept elsewhere, such as frames, are there by name.
"""

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

_KIND, _VALUE, _BESIDE = "$", "is", "beside"

Code = Callable[[Any], Any]


def dumps(value: Any, put_beside: Callable[[Any], str | None] = lambda value: None) -> bytes:
    """Write a value as JSON text in UTF-8.

    Parameters
    ----------
    value
        The value.
    put_beside
        Called with every part that plain JSON does not have; returns the name under which it stores the part,
        or None for a part that is to be written here.

    Raises
    ------
    TypeError
        A part of it has a type that would not be read back as it is.
    """

    def encode(value: Any) -> Any:
        # Exact types: a named tuple or an ordered dictionary would be read back as something less.
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            return [encode(item) for item in value]
        if kind is dict and all(type(key) is str for key in value) and _KIND not in value:
            return {key: encode(item) for key, item in value.items()}
        name = put_beside(value)
        if name is not None:
            return {_KIND: _BESIDE, _VALUE: name}
        name = _kind_of(value)
        return {_KIND: name, _VALUE: _KINDS[name].encode(value, encode)}

    return json.dumps(encode(value), separators=(",", ":"), allow_nan=False).encode()


def loads(data: bytes, beside: Callable[[str], Any] | None = None) -> Any:
    """Read a value from JSON, the inverse of `dumps`.

    Parameters
    ----------
    data
        The JSON, as `dumps` writes it.
    beside
        Called with the name of a part that is stored elsewhere; returns the part.

    Raises
    ------
    ValueError
        *data* is not what `dumps` makes.
    """

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return [decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if _KIND not in value:
            return {key: decode(item) for key, item in value.items()}
        if value[_KIND] == _BESIDE and beside is not None:
            return beside(value[_VALUE])
        if value[_KIND] not in _KINDS:
            raise ValueError(f"unknown kind of value {value[_KIND]!r}")
        return _KINDS[value[_KIND]].decode(value[_VALUE], decode)

    return decode(json.loads(data))


class _Kind(NamedTuple):
    """How a type is written and read; both get the function for the parts."""

    encode: Callable[[Any, Code], Any]
    decode: Callable[[Any, Code], Any]


def _kind_of(value: Any) -> str:
    kind = type(value)
    if kind in _TYPES:
        return _TYPES[kind]
    if value is pd.NaT or value is pd.NA:
        return "missing"
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return "scalar"
    if kind is np.ndarray and not value.dtype.hasobject:
        return "ndarray"
    if kind is np.ndarray and value.dtype == object:
        return "objects"
    # xarray takes a while to import, and a program that has labels has imported it.
    if kind.__module__.startswith("xarray.") and kind.__name__ in ("DataArray", "Dataset"):
        return kind.__name__
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__}")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _npy(value: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return _base64(buffer.getvalue())


def _array(text: str) -> Any:
    return np.load(io.BytesIO(_bytes(text)), allow_pickle=False)


def _items(value: Any, encode: Code) -> list[Any]:
    return [encode(item) for item in value]


def _sorted_items(value: Any, encode: Code) -> list[Any]:
    # Equal sets make equal text.
    return sorted(_items(value, encode), key=json.dumps)


def _objects(data: Any, decode: Code) -> Any:
    flat = np.empty(len(data["items"]), object)
    flat[:] = [None] * len(flat)
    for at, item in enumerate(data["items"]):
        flat[at] = decode(item)
    return flat.reshape(data["shape"])


# Times


def _zone(zone: Any) -> Any:
    """A zone of times: its seconds from UTC, or its name."""
    if zone is None:
        return None
    if type(zone) is timezone:
        return zone.utcoffset(None).total_seconds()
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    raise TypeError(f"a time in a zone of type {type(zone).__qualname__}")


def _zone_of(data: Any) -> Any:
    return (
        ZoneInfo(data)
        if isinstance(data, str)
        else None
        if data is None
        else timezone(timedelta(seconds=data))
    )


def _naive(value: Any, encode: Code) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), _zone(value.tzinfo), value.fold]


def _of_naive(kind: Any) -> Callable[[Any, Code], Any]:
    return lambda data, decode: kind.fromisoformat(data[0]).replace(tzinfo=_zone_of(data[1]), fold=data[2])


def _stamp(value: Any, encode: Code) -> list[Any]:
    return [int(value.asm8.astype(np.int64)), value.unit, _zone(value.tzinfo)]


def _of_stamp(data: Any, decode: Code) -> Any:
    ticks, unit, zone = data
    stamp = pd.Timestamp(np.datetime64(ticks, unit))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(_zone_of(zone))


# Labelled arrays


def _labelled(value: Any, encode: Code) -> Any:
    from .labelled import description

    return encode(description(value))


def _of_labelled(data: Any, decode: Code) -> Any:
    from .labelled import described

    return described(decode(data))


_KINDS: Mapping[str, _Kind] = {
    "float": _Kind(lambda value, encode: repr(value), lambda data, decode: float(data)),
    "complex": _Kind(
        lambda value, encode: [repr(value.real), repr(value.imag)],
        lambda data, decode: complex(float(data[0]), float(data[1])),
    ),
    "tuple": _Kind(_items, lambda data, decode: tuple(map(decode, data))),
    "set": _Kind(_sorted_items, lambda data, decode: set(map(decode, data))),
    "frozenset": _Kind(_sorted_items, lambda data, decode: frozenset(map(decode, data))),
    "dict": _Kind(
        lambda value, encode: [[encode(key), encode(item)] for key, item in value.items()],
        lambda data, decode: {decode(key): decode(item) for key, item in data},
    ),
    "bytes": _Kind(lambda value, encode: _base64(value), lambda data, decode: _bytes(data)),
    "ndarray": _Kind(lambda value, encode: _npy(value), lambda data, decode: _array(data)),
    "scalar": _Kind(lambda value, encode: _npy(value), lambda data, decode: _array(data)[()]),
    "objects": _Kind(
        lambda value, encode: {"shape": list(value.shape), "items": _items(value.flat, encode)}, _objects
    ),
    "date": _Kind(lambda value, encode: value.isoformat(), lambda data, decode: date.fromisoformat(data)),
    "datetime": _Kind(_naive, _of_naive(datetime)),
    "time": _Kind(_naive, _of_naive(time)),
    "timedelta": _Kind(
        lambda value, encode: [value.days, value.seconds, value.microseconds],
        lambda data, decode: timedelta(*data),
    ),
    "timestamp": _Kind(_stamp, _of_stamp),
    "pandas_timedelta": _Kind(
        lambda value, encode: [int(value.asm8.astype(np.int64)), value.unit],
        lambda data, decode: pd.Timedelta(np.timedelta64(*data)),
    ),
    "missing": _Kind(
        lambda value, encode: "NaT" if value is pd.NaT else "NA",
        lambda data, decode: pd.NaT if data == "NaT" else pd.NA,
    ),
    "path": _Kind(lambda value, encode: str(value), lambda data, decode: Path(data)),
    "posix_path": _Kind(lambda value, encode: str(value), lambda data, decode: PurePosixPath(data)),
    "windows_path": _Kind(lambda value, encode: str(value), lambda data, decode: PureWindowsPath(data)),
    "DataArray": _Kind(_labelled, _of_labelled),
    "Dataset": _Kind(_labelled, _of_labelled),
}
_TYPES: Mapping[type, str] = {
    **{kind: kind.__name__ for kind in (float, complex, tuple, set, frozenset, dict, bytes)},
    **{kind: kind.__name__ for kind in (date, datetime, time, timedelta)},
    pd.Timestamp: "timestamp",
    pd.Timedelta: "pandas_timedelta",
    type(Path()): "path",
    PurePosixPath: "posix_path",
    PureWindowsPath: "windows_path",
}
