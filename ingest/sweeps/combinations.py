"""Combinations of parameters: a grid of all, or the rows of a table."""

import csv
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...lake.digest import plain_json
from ...lake.errors import IngestError, InputError

if TYPE_CHECKING:
    import pandas as pd

Values = dict[str, Any]
Over: TypeAlias = "Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]] | pd.DataFrame | str | Path"
"""What a sweep goes over: a grid, a table, or a file of one; see `sweeps.sweep`."""

_FILES = (".csv", ".json", ".yaml", ".yml")


def combinations(over: Over) -> list[Values]:
    """Return the combinations of a sweep, each as values by path, as JSON has them.

    Parameters
    ----------
    over
        A mapping of lists is a grid, of which the last parameter changes fastest; a list of mappings, a DataFrame and a
        CSV file are tables, whose rows are combinations; a JSON or YAML file is either. Cells without a value leave
        a parameter as it is.

    Raises
    ------
    InputError
        It is neither, a parameter has no values, or JSON cannot say a value.
    IngestError
        A file is missing or cannot be understood; names it.
    """
    if isinstance(over, str | Path):
        return _of_file(Path(over).expanduser())
    if isinstance(over, Mapping):
        return _grid(over)
    table: Any = over.to_dict("records") if hasattr(over, "to_dict") else over
    if not isinstance(table, Sequence) or not all(isinstance(row, Mapping) for row in table):
        raise InputError(
            "a sweep goes over a mapping of lists (a grid), or a list of mappings, a DataFrame or a file (a table)"
        )
    rows = [
        {_path(path): plain_json(value, f"{path}") for path, value in row.items() if not _absent(value)}
        for row in table
    ]
    if not rows:
        raise InputError("the table of a sweep has no rows")
    return rows


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _path(path: Any) -> str:
    if not isinstance(path, str) or not path.strip():
        raise InputError(f"parameters of a sweep are named by their paths, not {path!r}")
    return path.strip()


def _grid(over: Mapping[str, Any]) -> list[Values]:
    lists = {}
    for path, values in over.items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise InputError(f"{path}: a grid has a list of values for each parameter, not {values!r}")
        lists[_path(path)] = [plain_json(value, path) for value in values]
    if not lists:
        raise InputError("the grid of a sweep has no parameters")
    empty = [path for path, values in lists.items() if not values]
    if empty:
        raise InputError(f"the grid of a sweep has no values of {', '.join(empty)}")
    return [dict(zip(lists, chosen, strict=True)) for chosen in itertools.product(*lists.values())]


def _of_file(path: Path) -> list[Values]:
    if path.suffix.lower() not in _FILES:
        raise IngestError(f"a sweep's file is one of {', '.join(_FILES)}", path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"cannot be read: {getattr(error, 'strerror', None) or error}", path) from error
    made = _of_csv(text, path) if path.suffix.lower() == ".csv" else _parsed(text, path)
    if isinstance(made, str | Path):
        raise IngestError("a sweep's file holds a grid (lists by parameter) or a list of combinations", path)
    try:
        return combinations(made)
    except InputError as error:
        raise IngestError(str(error), path) from error


def _parsed(text: str, path: Path) -> Any:
    import yaml

    try:
        return json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = getattr(error, "lineno", None) if mark is None else mark.line + 1
        raise IngestError(f"cannot be understood: {str(error).splitlines()[0]}", path, line) from error


def _of_csv(text: str, path: Path) -> list[Values]:
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if not header or len(set(header)) != len(header):
        raise IngestError("the first line names each parameter once", path, 1)
    rows = []
    for cells in reader:
        if len(cells) not in (0, len(header)):
            raise IngestError(f"{len(cells)} values for {len(header)} parameters", path, reader.line_num)
        if cells:
            rows.append(
                {name: value_of(cell) for name, cell in zip(header, cells, strict=True) if cell.strip()}
            )
    return rows


def value_of(text: str) -> Any:
    """Return the value that a text means: JSON, or else the text.

    Parameters
    ----------
    text
        The text.
    """
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()
