"""Parameters as a tree that is read, changed, shown and saved."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ...lake.errors import InputError
from .parameters import parse_parameters


class Parameters(dict[str, Any]):
    """A dictionary of parameters whose names are attributes, too.

    ``p.neuron.Soma.properties.Ra`` is ``p["neuron"]["Soma"]["properties"]["Ra"]``. Dictionaries at any depth, in
    lists too, are `Parameters`. A name that is a method of dictionaries (``items``) is read in brackets.

    Parameters
    ----------
    tree
        Names and values; it is copied.
    """

    def __init__(self, tree: Mapping[str, Any] | None = None) -> None:
        super().__init__({key: _branch(value) for key, value in (tree or {}).items()})

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, _branch(value))

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(self) or "none"
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

        Parameters
        ----------
        path
            The file; one that is there is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InputError
            A value that is no number, text, None, truth value, list or dictionary.
        """
        path = Path(path)
        try:
            text = json.dumps(self, indent=4, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: these parameters cannot be written: {error}") from error
        path.write_text(text + "\n", "utf-8")
        return path


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
        case Parameters():
            return value
        case Mapping():
            return Parameters(value)
        case list() | tuple():
            return [_branch(item) for item in value]
    return value


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
