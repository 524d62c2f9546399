"""Whether a lake holds what the vocabulary says."""

from collections.abc import Iterator
from typing import Any

from neurolake.catalog.vocabulary.kinds import ArrayKind, Kind, TableKind
from neurolake.catalog.vocabulary.known import kinds_of


def strangers(lake: Any, *own: str) -> Iterator[str]:
    """Nodes that are not what the vocabulary says, and why; those whose names begin with *own* aside."""
    for name, node in lake.head.tree.items():
        if name.startswith(own) or name == "/" or node.kind == "group":
            continue
        kinds = list(kinds_of(name, node.kind))
        if not any(not difference(lake, name, kind) for kind in kinds):
            yield f"{name}: {[difference(lake, name, kind) for kind in kinds] or 'no kind has such a name'}"


def difference(lake: Any, name: str, kind: Kind) -> str:
    if isinstance(kind, TableKind):
        found = {field["name"]: field for field in lake[name].fields}
        for column in kind.schema:
            if column.name in kind.optional and column.name not in found:
                continue
            if column.name not in found:
                return f"no column {column.name}"
            field = found.pop(column.name)
            told = {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}
            kinds = {str(column.type), *(["float"] if column.name in kind.single else [])}
            if field["type"] not in kinds or field.get("doc", {}) != told:
                return f"{column.name} is {field}, not {column.type} {told}"
        return f"further columns {', '.join(found)}" if found and not kind.more else ""
    if isinstance(kind, ArrayKind):
        array = lake[name]
        axes = tuple(array.metadata.dimension_names or ())
        expected = tuple(axis.format(**kind.parts(name) or {}) for axis in kind.axes)
        if len(axes) != len(expected) or not all(
            a == b or a == f"{b}_between" for a, b in zip(axes, expected, strict=True)
        ):
            return f"axes {axes}, not {expected}"
        if kind.dtype and str(array.dtype) != kind.dtype:
            return f"{array.dtype}, not {kind.dtype}"
        if kind.unit and array.attrs.get("units") != kind.unit:
            return f"in {array.attrs.get('units')}, not {kind.unit}"
        unknown = set(array.attrs) - {"units", "long_name", *kind.attributes}
        return f"attributes {unknown}" if unknown else ""
    return ""
