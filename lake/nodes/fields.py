"""Fields of tables as JSON, and how they grow."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..errors import InputError

# Types that hold every value of another exactly.
_WIDER: Mapping[str, tuple[str, ...]] = {
    "int8": ("int16", "int32", "int64", "float", "double"),
    "int16": ("int32", "int64", "float", "double"),
    "int32": ("int64", "double"),
    "uint8": ("uint16", "uint32", "uint64", "int16", "int32", "int64", "float", "double"),
    "uint16": ("uint32", "uint64", "int32", "int64", "float", "double"),
    "uint32": ("uint64", "int64", "double"),
    "float": ("double",),
    "null": ("string", "int64", "double", "bool"),
}


def fields_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the fields of a schema as JSON: ``name``, ``type`` (Arrow's name), ``nullable``, and the documentation.

    Parameters
    ----------
    schema
        Arrow schema of the rows.
    """
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "nullable": field.nullable,
            **({"doc": _document(field)} if field.metadata else {}),
        }
        for field in schema
    ]


def _document(field: pa.Field) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in sorted(field.metadata.items())}


def merged_fields(
    name: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the fields of a table after files with *new* fields join those with *old*; new columns come last.

    Parameters
    ----------
    name
        Name of the table, for messages.
    old
        Fields of the table.
    new
        Fields of the files that join it.

    Raises
    ------
    InputError
        A column has a type that neither holds all values of the other.
    """
    later = {field["name"]: field for field in new}
    fields = [
        field if field["name"] not in later else {**field, "type": _wider(name, field, later[field["name"]])}
        for field in old
    ]
    have = {field["name"] for field in old}
    return [*fields, *(field for field in new if field["name"] not in have)]


def _wider(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old["type"] == new["type"]:
        return str(old["type"])
    for narrow, wide in ((old["type"], new["type"]), (new["type"], old["type"])):
        if wide in _WIDER.get(narrow, ()):
            return str(wide)
    raise InputError(
        f"table {name!r}: column {old['name']!r} is {old['type']}, what is appended has {new['type']}, and "
        "neither holds all values of the other; cast it first"
    )
