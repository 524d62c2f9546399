"""Checks of a node's metadata, made where JSON becomes a node, so that all readers can rely on them.

What only zarr-python can judge (types, fill values and codecs of arrays) is checked where an array is opened.
"""

from collections.abc import Mapping
from typing import Any

from .grid import Grid

_FIELD: Mapping[str, type] = {"name": str, "type": str, "nullable": bool, "doc": dict}
_TABLE: Mapping[str, type] = {"sorted_by": list, "evolved": bool, "attributes": dict}


def checked_meta(kind: str, meta: Any) -> Mapping[str, Any]:
    """Return *meta* itself, if it can be the metadata of a node of that kind.

    Parameters
    ----------
    kind
        Kind of the node.
    meta
        JSON that was read.

    Raises
    ------
    ValueError, KeyError, TypeError
        It cannot.
    """
    if not isinstance(meta, dict):
        raise TypeError("metadata is a JSON object")
    if kind == "array":
        _check_array(meta)
    elif kind == "table":
        _check_table(meta)
    if kind != "file" and not isinstance(meta.get("attributes", {}), dict):
        raise TypeError("attributes are a JSON object")
    return meta


def _check_array(meta: Mapping[str, Any]) -> None:
    grid, names = Grid.of(meta), meta.get("dimension_names")
    if (meta["zarr_format"], meta["node_type"]) != (3, "array") or type(meta["zarr_format"]) is not int:
        raise ValueError("it is no Zarr v3 array")
    if names is not None and not (
        isinstance(names, list)
        and len(names) == len(grid.shape)
        and all(name is None or isinstance(name, str) for name in names)
    ):
        raise TypeError(f"dimensions of {len(grid.shape)} axes are not called {names!r:.80}")


def _check_table(meta: Mapping[str, Any]) -> None:
    _check_types(meta, _TABLE)
    fields = meta["fields"]
    if not isinstance(fields, list):
        raise TypeError("a table has a list of fields")
    for field in fields:
        if not isinstance(field, dict):
            raise TypeError(f"a field is a JSON object, not {field!r:.80}")
        _check_types(field, _FIELD)
        if not all(isinstance(text, str) for pair in field.get("doc", {}).items() for text in pair):
            raise TypeError("the documentation of a field is text")
    if len({field["name"] for field in fields if field["type"]}) < len(fields):
        raise ValueError("fields have types and different names")
    if not all(isinstance(name, str) for name in meta.get("sorted_by", ())):
        raise TypeError("a table is sorted by names of columns")


def _check_types(value: Mapping[str, Any], types: Mapping[str, type]) -> None:
    for key, kind in types.items():
        if key in value and type(value[key]) is not kind:
            raise TypeError(f"{key!r} is {kind.__name__}, not {value[key]!r:.80}")
