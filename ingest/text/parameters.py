"""Parameter files (`.param`): nested dictionaries as text, and as a table that loses nothing.

The simrun framework has written two dialects over the years: JSON, and the text of a Python dictionary
with tuples, comments, trailing commas and `None`. Both are read here without running anything.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...lake.errors import IngestError

DEEPEST = 100
"""Levels of nesting that a parameter file may have."""

SCHEMA = pa.schema(
    [("path", pa.string()), ("type", pa.string()), ("number", pa.float64()), ("text", pa.string())]
)

_CONSTANTS = {"null": None, "true": True, "false": False, "NaN": float("nan"), "Infinity": float("inf")}
_BEFORE = re.compile(r"\A(?:\s+|#[^\n]*\n)*")
_KEY = re.compile(r"((?:[^\\.\[]|\\.)*)", re.DOTALL)
_STEP = re.compile(r"\.((?:[^\\.\[]|\\.)*)|\[([0-9]+)\]", re.DOTALL)


def parse_parameters(data: bytes, path: str | Path) -> dict[str, Any]:
    """Read a parameter file.

    JSON is tried first, then a Python dictionary display (in which JSON's `null`, `true` and `false` are
    known too). Where a name is given twice in one dictionary, the last value holds, as in both languages.

    Parameters
    ----------
    data
        The bytes of the file: UTF-8.
    path
        Its name, for messages.

    Raises
    ------
    IngestError
        Text of neither dialect, anything but a dictionary at the top, names that are not text, numbers
        beyond the range of float64, or more than `DEEPEST` levels.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise IngestError("not UTF-8 text", path, data.count(b"\n", 0, error.start) + 1) from error
    try:
        value = _json_or_display(text, path)
    except (RecursionError, MemoryError) as error:
        raise IngestError(f"nested deeper than {DEEPEST} levels", path) from error
    if not isinstance(value, dict):
        raise IngestError(f"expected a dictionary of parameters, found a {type(value).__name__}", path, 1)
    _check(value, path, DEEPEST)
    return value


def _json_or_display(text: str, path: str | Path) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _value(_tree(text, path), path)


def _tree(text: str, path: str | Path) -> ast.expr:
    # Python takes no indentation before the first brace, as a file of parameters may have.
    text = _BEFORE.sub(lambda before: "\n" * before[0].count("\n"), text, count=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    # ValueError: null characters, in older versions of Python.
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise IngestError(
            f"neither JSON nor a Python dictionary: {error.args[0]}", path, line or None
        ) from error


def _value(node: ast.expr, path: str | Path) -> Any:
    match node:
        case ast.Dict(keys=keys, values=values):
            return {
                _name(key, node, path): _value(value, path) for key, value in zip(keys, values, strict=True)
            }
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item, path) for item in items]
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _value(operand, path)
            if type(value) in (int, float):
                return -value if isinstance(sign, ast.USub) else value
    raise IngestError(
        "expected a number, text, None, True, False, a list, a tuple or a dictionary", path, node.lineno
    )


def _name(key: ast.expr | None, owner: ast.Dict, path: str | Path) -> str:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    raise IngestError("the name of a parameter must be text", path, (key or owner).lineno)


def _check(value: Any, path: str | Path, levels: int) -> None:
    """Refuse what no table or number column could hold."""
    if levels < 0:
        raise IngestError(f"nested deeper than {DEEPEST} levels", path)
    try:
        match value:
            case dict():
                for key, item in value.items():
                    key.encode()
                    _check(item, path, levels - 1)
            case list():
                for item in value:
                    _check(item, path, levels - 1)
            case str():
                value.encode()
            case int():
                float(value)
    except UnicodeEncodeError as error:
        raise IngestError(f"text with half of a surrogate pair: {error.object!r}", path) from error
    except OverflowError as error:
        raise IngestError("a whole number beyond the range of float64", path) from error


def flatten(parameters: Mapping[str, Any]) -> pa.Table:
    r"""Make a table with one row per leaf, in the order of the file.

    Parameters
    ----------
    parameters
        Nested dictionaries and lists, as `parse_parameters` returns them.

    Returns
    -------
    pa.Table
        Columns of `SCHEMA`:

        `path`
            Names joined by dots, and `[i]` for the items of a list: `network.L5tt_C2.cellNr`. A backslash
            stands before each `.`, `[` or backslash that is part of a name.
        `type`
            'float', 'int', 'bool', 'text', 'null', 'list' or 'dict'.
        `number`
            float64: the value of a 'float' or 'int', else null.
        `text`
            The repr of a number, a text as it is, and JSON for the other types.

        A list (or tuple) that holds no dictionary at any depth is one row of type 'list'; one that does is
        expanded. An empty dictionary is one row of type 'dict' with the text '{}'.
    """
    rows = [(path, *_leaf(value)) for path, value in _leaves(parameters, None)]
    columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _leaves(value: Any, path: str | None) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            name = re.sub(r"([\\.\[])", r"\\\1", key)
            yield from _branch(item, name if path is None else f"{path}.{name}")
    else:
        for index, item in enumerate(value):
            yield from _branch(item, f"{path}[{index}]")


def _branch(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if value and _holds_dict(value):
        yield from _leaves(value, path)
    else:
        yield path, value


def _holds_dict(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_dict(item) for item in value)
    return isinstance(value, Mapping)


def _leaf(value: Any) -> tuple[str, float | None, str]:
    """Type, number and text of a leaf."""
    match value:
        case bool():
            return "bool", None, json.dumps(value)
        case int():
            return "int", float(value), repr(value)
        case float():
            return "float", value, repr(value)
        case str():
            return "text", None, value
        case None:
            return "null", None, "null"
        case list() | tuple():
            return "list", None, json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "dict", None, "{}"
    raise ValueError(f"a parameter of type {type(value).__name__}")


def unflatten(table: pa.Table) -> dict[str, Any]:
    """Rebuild the dictionary of a table made by `flatten`; tuples have become lists.

    Parameters
    ----------
    table
        What `flatten` returned.

    Raises
    ------
    ValueError
        A path or a type that `flatten` does not write.
    """
    tree: dict[str | int, Any] = {}
    for row in table.select(["path", "type", "text"]).to_pylist():
        *parents, last = _split(row["path"])
        branch = tree
        for step in parents:
            branch = branch.setdefault(step, _Branch())
            if type(branch) is not _Branch:
                raise ValueError(f"a value and a group of values at once: {row['path']!r}")
        if last in branch:
            raise ValueError(f"given twice: {row['path']!r}")
        branch[last] = _read_leaf(row["type"], row["text"])
    return {str(key): _assembled(value) for key, value in tree.items()}


class _Branch(dict[str | int, Any]):
    """A dictionary or list in the making; leaves of type 'dict' are plain dictionaries."""


def _split(path: str) -> list[str | int]:
    steps: list[str | int] = []
    match = _KEY.match(path)
    while match is not None:
        name, index = (match[1], None) if not steps else (match[1], match[2])
        steps.append(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) if index is None else int(index))
        if match.end() == len(path):
            return steps
        match = _STEP.match(path, match.end())
    raise ValueError(f"not a parameter path: {path!r}")


def _read_leaf(kind: str, text: str) -> Any:
    match kind:
        case "float":
            return float(text)
        case "text":
            return text
        case "int" | "bool" | "null" | "list" | "dict":
            return json.loads(text)
    raise ValueError(f"not a type of parameter: {kind!r}")


def _assembled(value: Any) -> Any:
    if not isinstance(value, _Branch):
        return value
    if all(isinstance(step, str) for step in value):
        return {key: _assembled(item) for key, item in value.items()}
    if set(value) != set(range(len(value))):
        raise ValueError(f"items of a list are missing: {list(value)}")
    return [_assembled(value[index]) for index in range(len(value))]
