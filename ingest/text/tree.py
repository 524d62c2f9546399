"""Parameters as a tree that is read, changed, shown and saved."""

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Self, SupportsIndex

from ...lake.digest import plain_json
from ...lake.errors import InputError
from ...lake.names import listed
from ...lake.storage.local import write_whole
from .parameters import parse_parameters


class Parameters(dict[str, Any]):
    """A dictionary of parameters whose names are attributes, too.

    ``p.neuron.Soma.properties.Ra`` is ``p["neuron"]["Soma"]["properties"]["Ra"]``. Dictionaries at any depth, in
    lists too, are `Parameters`, however they come into it. A name that is a method of dictionaries (``items``) is read in
    brackets. As of any dictionary, a copy has the same branches; ``copy.deepcopy`` gives a tree of its own.

    Parameters
    ----------
    tree
        Names and values; other dictionaries and lists than `Parameters` and theirs are copied.
    """

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        super().__init__({key: _branch(value) for key, value in (tree or {}).items()})

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, _branch(value))

    def update(self, *given: Any, **named: Any) -> None:
        """Set values as `dict.update` does.

        Parameters
        ----------
        given
            A mapping, or pairs of name and value.
        named
            Values by name.
        """
        for key, value in dict(*given, **named).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a name; set it to *default* if it is missing.

        Parameters
        ----------
        key
            Name of the parameter.
        default
            Its value if it is missing.
        """
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> "Parameters":
        """Return parameters with the same branches."""
        return Parameters(self)

    def __or__(self, other: Any) -> "Parameters":  # type: ignore[override]
        return Parameters(super().__or__(other)) if isinstance(other, dict) else NotImplemented

    def __ror__(self, other: Any) -> "Parameters":  # type: ignore[override]
        return Parameters(super().__ror__(other)) if isinstance(other, dict) else NotImplemented

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]
        self.update(other)
        return self

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = listed(self) or "none"
            raise AttributeError(f"no parameter {name!r}; there are: {known}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a method of dictionaries: write p[{name!r}] = …")
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"no parameter {name!r}")
        del self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(key for key in self if key.isidentifier())]

    def __repr__(self) -> str:
        return "\n".join(_lines(self, "")) or "{}"

    def _repr_html_(self) -> str:
        return _html(self)

    def save(self, path: str | Path) -> Path:
        """Write the parameters as JSON, which `parameters` and the simrun framework read.

        NumPy's scalars and small arrays, dates and paths are written as their plain values.

        Parameters
        ----------
        path
            The file; one that is there is replaced at once and as a whole.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            A value that is no number, text, None, truth value, list or dictionary, a name that is no text, or a file that cannot be
            written. What was there is as it was.
        """
        path = Path(path)
        for key in _names(self):
            if not isinstance(key, str):
                raise InputError(f"{path}: parameters have text as names, not {key!r}")
        plain = plain_json(self, f"{path}: parameters")
        try:
            write_whole(path, (json.dumps(plain, indent=4, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        return path


class _Branches(list[Any]):
    """A list of parameters, whose dictionaries are `Parameters`."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__(map(_branch, values))

    def append(self, value: Any) -> None:
        super().append(_branch(value))

    def extend(self, values: Iterable[Any]) -> None:
        super().extend(map(_branch, values))

    def insert(self, at: SupportsIndex, value: Any) -> None:
        super().insert(at, _branch(value))

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[misc]
        self.extend(values)
        return self

    def __setitem__(self, at: Any, value: Any) -> None:
        super().__setitem__(at, map(_branch, value) if isinstance(at, slice) else _branch(value))


def parameters(path: str | Path) -> Parameters:
    """Read a parameter file (``.param``), JSON or the text of a Python dictionary; nothing in it is run.

    Parameters
    ----------
    path
        The file, UTF-8.

    Returns
    -------
    Parameters
        Its tree; tuples have become lists.

    Raises
    ------
    InputError
        A file that cannot be read.
    IngestError
        With file and line: text of neither dialect.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return Parameters(parse_parameters(data, path))


def _branch(value: Any) -> Any:
    match value:
        case Parameters() | _Branches():
            return value
        case Mapping():
            return Parameters(value)
        case list() | tuple():
            return _Branches(value)
    return value


def _names(value: Any) -> Iterator[Any]:
    """All names in a tree."""
    match value:
        case Mapping():
            yield from value
            for part in value.values():
                yield from _names(part)
        case list():
            for part in value:
                yield from _names(part)


def _lines(tree: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{key}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value!r}")
    return lines


def _html(tree: Mapping[str, Any]) -> str:
    items = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            items.append(f"<li><details><summary>{escape(key)}</summary>{_html(value)}</details></li>")
        else:
            items.append(f"<li>{escape(key)}: <code>{escape(repr(value))}</code></li>")
    return f"<ul>{''.join(items)}</ul>"
