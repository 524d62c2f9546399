"""What a node of a lake is: the names it may have, what it holds, and its columns or axes with units and meanings."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import pyarrow as pa

from ...lake.errors import NodeNameError

TEXT = pa.string()
REAL = pa.float64()
WHOLE = pa.int64()

_PART = re.compile(r"\{(?P<name>[a-z_]+)(?P<path>:path)?\}")


def column(name: str, kind: pa.DataType, meaning: str, unit: str = "", source: str = "") -> pa.Field:
    """Return a documented column; the documentation travels in the schema.

    Parameters
    ----------
    name, kind
        Of the column.
    meaning
        What its values are.
    unit
        Of its values; empty for numbers without one, and for text.
    source
        Where the values come from: a file, or a dataset of it.
    """
    document = {"meaning": meaning, "unit": unit, "source": source}
    return pa.field(name, kind, metadata={key: text for key, text in document.items() if text})


@dataclass(frozen=True)
class Kind:
    """What nodes of one kind are.

    Parameters
    ----------
    name
        Name of the node; or a pattern, in which ``{circuit}`` stands for a part of a name and ``{run:path}`` for one or
        more parts.
    doc
        What the node holds: for a table, what one row is.
    """

    stored_as: ClassVar[Literal["array", "table", "file", "group"]]

    name: str
    doc: str

    def of(self, **parts: object) -> str:
        """Return the name of the node for these parts of the pattern; KeyError where one is missing.

        Parameters
        ----------
        parts
            Text of each part of the pattern.

        Raises
        ------
        NodeNameError
            A part would be several, so that `parts` could not find it in the name.
        """
        return _PART.sub(lambda part: self._part(part, str(parts[part["name"]])), self.name)

    def _part(self, part: re.Match[str], value: str) -> str:
        if "/" in value and not part["path"]:
            raise NodeNameError(
                f"{part['name']} {value!r} is one part of a node's name, so it may not have a '/'"
            )
        return value

    def parts(self, node: str) -> dict[str, str] | None:
        """Return the parts of the pattern that a node's name has; None if the node has no such name.

        Parameters
        ----------
        node
            Name of the node.
        """
        match = self._pattern.fullmatch(node)
        return None if match is None else match.groupdict()

    def beside(self, node: str) -> str:
        """Return the name of the node of this kind that belongs to another: that name with this kind's ending.

        Parameters
        ----------
        node
            Name of the other node.
        """
        return node + self.ending

    @property
    def ending(self) -> str:
        """What follows the last part of the pattern, such as ``.time``."""
        return self.name.rpartition("}")[2] if "{" in self.name else ""

    @property
    def folder(self) -> str:
        """What stands before the first part of the pattern, such as ``voltage/``."""
        return self.name.partition("{")[0] if "{" in self.name else ""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        pattern, at = "", 0
        for part in _PART.finditer(self.name):
            pattern += re.escape(self.name[at : part.start()])
            pattern += f"(?P<{part['name']}>{'.+' if part['path'] else '[^/]+'})"
            at = part.end()
        return re.compile(pattern + re.escape(self.name[at:]))


@dataclass(frozen=True)
class TableKind(Kind):
    """A table: its columns, and those that it is sorted by.

    Parameters
    ----------
    schema
        The columns.
    sorted_by
        Columns by which rows are in order.
    optional
        Columns of the schema that a table need not have.
    more
        What further columns there may be; empty where there are none.
    single
        Columns of reals that are float32 where the source has them so.
    """

    stored_as = "table"

    schema: pa.Schema
    sorted_by: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    more: str = ""
    single: tuple[str, ...] = ()

    def schema_of(self, names: Iterable[str]) -> pa.Schema:
        """Return the columns of these names, in their order; KeyError where the kind has no such column.

        Parameters
        ----------
        names
            Names of the columns.
        """
        return pa.schema([self.schema.field(name) for name in names])

    @property
    def meanings(self) -> Mapping[str, str]:
        """Meaning of each column."""
        return {field.name: (field.metadata or {}).get(b"meaning", b"").decode() for field in self.schema}

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each column, empty where there is none."""
        return {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in self.schema}


@dataclass(frozen=True)
class ArrayKind(Kind):
    """An array: its axes, and the type and unit of its values.

    Parameters
    ----------
    axes
        Names of its dimensions; ``{axis}`` stands for that part of the node's name.
    dtype
        NumPy's name of the type of its values; empty where that is the source's.
    unit
        Of its values; empty where they have none, or where the attribute ``units`` tells.
    attributes
        Meaning of the attributes that it has besides ``units`` and ``long_name``.
    """

    stored_as = "array"

    axes: tuple[str, ...]
    dtype: str = ""
    unit: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileKind(Kind):
    """A file, kept byte for byte."""

    stored_as = "file"


@dataclass(frozen=True)
class GroupKind(Kind):
    """A group: what stands below it belongs together."""

    stored_as = "group"
