"""Values as JSON that says all of them, and back: parameters of derived results, and small results themselves."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..lake.digest import LARGEST_ARRAY, plain_json, plain_value
from ..lake.errors import InputError

_FLOAT, _ARRAY = "$float", "$array"


def plain(value: Any, what: str) -> Any:
    """Return a value as JSON: text, numbers, truth values, None, lists, mappings by text, and small NumPy arrays.

    NumPy's scalars become Python's, tuples lists, dates and times ISO 8601 text, paths text; NaN, infinities
    and arrays are objects that `restored` recognises.

    Parameters
    ----------
    value
        The value.
    what
        What the value is, for the error.

    Raises
    ------
    InputError
        The value, or something in it, is of another kind, or an array has more than `LARGEST_ARRAY` elements.
    """
    return plain_json(_plain(value, what), what)


def restored(value: Any) -> Any:
    """Return the value that `plain` wrote as JSON.

    Parameters
    ----------
    value
        The JSON, parsed.
    """
    if isinstance(value, list):
        return [restored(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_FLOAT}:
        return float(value[_FLOAT])
    if value.keys() == {_ARRAY, "dtype"}:
        return np.array(restored(value[_ARRAY]), np.dtype(str(value["dtype"])))
    return {key: restored(part) for key, part in value.items()}


def _plain(value: Any, what: str) -> Any:
    if isinstance(value, np.ndarray):
        return _plain_array(value, what)
    scalar = plain_value(value)
    if isinstance(scalar, float):
        return float(scalar) if math.isfinite(scalar) else {_FLOAT: str(float(scalar))}
    if scalar is None or isinstance(scalar, bool | int | str):
        return scalar
    if isinstance(scalar, list | tuple):
        return [_plain(part, what) for part in scalar]
    if isinstance(scalar, Mapping) and all(isinstance(key, str) for key in scalar):
        if scalar.keys() & {_FLOAT, _ARRAY}:
            raise InputError(f"{what}: the keys {_FLOAT!r} and {_ARRAY!r} have a meaning of their own")
        return {key: _plain(part, what) for key, part in scalar.items()}
    raise InputError(
        f"{what} must be text, a number, a truth value, None, a list, a mapping by text or a small array of "
        f"these, not {type(value).__name__}; larger things are nodes of the lake, to be named as inputs"
    )


def _plain_array(value: np.ndarray[Any, Any], what: str) -> Any:
    if value.size > LARGEST_ARRAY or value.dtype.kind not in "biufU":
        raise InputError(
            f"{what} is an array of {value.size} elements of type {value.dtype}; at most {LARGEST_ARRAY} numbers or "
            "texts are allowed here: store it in the lake and name it as an input"
        )
    return {_ARRAY: _plain(value.tolist(), what), "dtype": value.dtype.newbyteorder("=").str.lstrip("<=|")}
