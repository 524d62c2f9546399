"""Synapse activations and presynaptic spikes of a simrun trial: ragged lists of times in tab separated text.

`simulation_run<N>_synapses.csv` has one line per synapse that was active in the trial, and
`simulation_run<N>_presynaptic_cells.csv` one per presynaptic cell that spiked. The last field of a line is a
list of times in ms with a comma after each. Here a table has one row per time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...lake.errors import IngestError
from ..text.delimited import (
    integer,
    join_lines,
    number,
    number_texts,
    read_columns,
    shown,
    split_header,
    unix_lines,
)

TEXT = pa.dictionary(pa.int32(), pa.string())

SYNAPSE_SCHEMA = pa.schema(
    [
        ("synapse_type", TEXT),
        ("cell_type", TEXT),
        ("column", TEXT),
        ("synapse_id", pa.int64()),
        ("soma_distance", pa.float64()),
        ("section_id", pa.int64()),
        ("section_pt_id", pa.int64()),
        ("dendrite_label", TEXT),
        ("activation", pa.int32()),
        ("time", pa.float64()),
    ]
)

CELL_SCHEMA = pa.schema(
    [
        ("presynaptic_cell_type", TEXT),
        ("cell_type", TEXT),
        ("column", TEXT),
        ("cell_id", pa.int64()),
        ("activation", pa.int32()),
        ("time", pa.float64()),
    ]
)


@dataclass(frozen=True)
class _Column:
    """A column of the file: its title, its name in the table, and its type."""

    title: str
    name: str
    type: pa.DataType


# The last column of each holds the lists.
_SYNAPSES = (
    _Column("synapse type", "synapse_type", TEXT),
    _Column("synapse ID", "synapse_id", pa.int64()),
    _Column("soma distance", "soma_distance", pa.float64()),
    _Column("section ID", "section_id", pa.int64()),
    _Column("section pt ID", "section_pt_id", pa.int64()),
    _Column("dendrite label", "dendrite_label", TEXT),
    _Column("activation times", "time", pa.string()),
)
_OLD_SYNAPSES = tuple(column for column in _SYNAPSES if column.name != "synapse_id")
_CELLS = (
    _Column("presynaptic cell type", "presynaptic_cell_type", TEXT),
    _Column("cell ID", "cell_id", pa.int64()),
    _Column("spike times", "time", pa.string()),
)


@dataclass(frozen=True)
class _Lists:
    """The lines of a file: the fields before the list, the length of each list, and all times."""

    fields: dict[str, pa.Array]
    lengths: NDArray[np.int64]
    times: NDArray[np.float64]


def parse_synapses(data: bytes, path: str | Path) -> pa.Table:
    """Read the synapse activations of one trial.

    Files without the column `synapse ID`, as very old versions wrote, give -1 for it.

    Parameters
    ----------
    data
        The bytes of the file.
    path
        Its name, for messages.

    Returns
    -------
    pa.Table
        Columns of `SYNAPSE_SCHEMA`, one row per activation: `cell_type` and `column` are the first and the
        second part of the synapse type (null where there is no second), distance in um, `activation` the
        position in the line's list, `time` in ms. A file of a header alone gives no rows.

    Raises
    ------
    IngestError
        An empty, cut or undecodable file, another header, a line with another number of fields, an empty
        label, a field that is no number of its kind, or a line without times.
    """
    lists = _parse(data, path, (_SYNAPSES, _OLD_SYNAPSES))
    missing = pa.array(np.full(len(lists.lengths), -1))
    return _table({"synapse_id": missing} | lists.fields, lists, SYNAPSE_SCHEMA)


def parse_cells(data: bytes, path: str | Path) -> pa.Table:
    """Read the presynaptic spikes of one trial.

    Like `parse_synapses`, with the columns of `CELL_SCHEMA`.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        The file, for messages.
    """
    lists = _parse(data, path, (_CELLS,))
    return _table(lists.fields, lists, CELL_SCHEMA)


def _parse(data: bytes, path: str | Path, layouts: tuple[tuple[_Column, ...], ...]) -> _Lists:
    text = unix_lines(data, path)
    titles = [_normal(title) for title in split_header(text)]
    for columns in layouts:
        if titles == [_normal(column.title) for column in columns]:
            return _read_with_arrow(text, columns) or _read_with_python(text, columns, path)
    expected = "<TAB>".join(column.title for column in layouts[0])
    raise IngestError(f"expected the header '# {expected}'", path, 1)


def _normal(title: str) -> str:
    return " ".join(title.lstrip("# ").split()).lower()


def _read_with_arrow(text: bytes, columns: tuple[_Column, ...]) -> _Lists | None:
    table = read_columns(text, {column.name: column.type for column in columns}, header=True)
    if table is None or not table.num_rows:
        return None
    chunks = [column.chunks for column in table.unify_dictionaries().combine_chunks().columns]
    if any(len(chunk) != 1 for chunk in chunks):
        return None
    fields = {column.name: chunk[0] for column, chunk in zip(columns[:-1], chunks, strict=False)}
    listed = _read_lists(chunks[-1][0])
    if listed is None or not all(_sound(field) for field in fields.values()):
        return None
    return _Lists(fields, *listed)


def _read_lists(lists: pa.StringArray) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Lengths and items of the lists, or None where Python has to judge one."""
    offsets = np.frombuffer(lists.buffers()[1], np.int32)[lists.offset : lists.offset + len(lists) + 1]
    ends = offsets[1:] - offsets[0]
    if not ends[-1]:
        return None
    items = lists.buffers()[2].slice(int(offsets[0]), int(ends[-1]))
    is_comma = np.frombuffer(items, np.uint8) == ord(",")
    commas = np.flatnonzero(is_comma)
    lengths = np.diff(np.searchsorted(commas, ends), prepend=0)
    if not (is_comma[ends - 1].all() and lengths.all()):
        return None
    times = _cast_items(items, commas)
    return None if times is None else (lengths, times)


def _cast_items(items: pa.Buffer, commas: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """The numbers before the commas, or None where one is not finite."""
    # Items and commas by turns are an array of texts without a copy; as nulls, the commas are not read.
    bounds = np.zeros(2 * len(commas) + 1, np.int32)
    bounds[1::2], bounds[2::2] = commas, commas + 1
    validity = np.full(len(commas) // 4 + 1, 0b01010101, np.uint8)
    texts = pa.Array.from_buffers(
        pa.string(), 2 * len(commas), [pa.py_buffer(validity), pa.py_buffer(bounds), items]
    )
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    times = np.frombuffer(numbers.buffers()[1], np.float64)[: 2 * len(commas) : 2].copy()
    return times if np.isfinite(times).all() else None


def _sound(field: pa.Array) -> bool:
    if pa.types.is_dictionary(field.type):
        return "" not in field.dictionary.to_pylist()
    return bool(np.isfinite(field.to_numpy()).all())


def _read_with_python(text: bytes, columns: tuple[_Column, ...], path: str | Path) -> _Lists:
    lines = text.decode().split("\n")[1:-1]
    closed = any(line.endswith(",") for line in lines)
    rows: list[list[Any]] = []
    for line_number, line in enumerate(lines, 2):
        try:
            rows.append(list(_read_line(line, columns, closed)))
        except ValueError as error:
            raise IngestError(str(error), path, line_number) from error
    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    *fields, times = values
    return _Lists(
        {
            column.name: pa.array(field, pa.string()).dictionary_encode()
            if column.type == TEXT
            else pa.array(field, column.type)
            for column, field in zip(columns, fields, strict=False)
        },
        np.array([len(items) for items in times], np.int64),
        np.array([item for items in times for item in items], np.float64),
    )


def _read_line(line: str, columns: tuple[_Column, ...], closed: bool) -> Iterator[Any]:
    """The values of one line; `closed` says whether this file has a comma after the last time, too."""
    fields = line.split("\t")
    if len(fields) != len(columns):
        raise ValueError(f"expected {len(columns)} fields, found {len(fields)}")
    for column, field in zip(columns[:-1], fields, strict=False):
        yield _READERS[column.type](field, column.title)
    title, listed = columns[-1].title, fields[-1]
    if not listed.strip(", "):
        raise ValueError(f"no {title}: expected at least one number")
    if closed and not listed.endswith(","):
        raise ValueError(f"the {title} do not end with a comma: cut short")
    yield [_finite(item, title) for item in (listed[:-1] if closed else listed).split(",")]


def _label(field: str, title: str) -> str:
    if not field:
        raise ValueError(f"{title} is empty")
    return field


def _integer(field: str, title: str) -> int:
    try:
        return integer(field)
    except ValueError:
        raise ValueError(f"{title} is {shown(field)}, expected an integer") from None


def _finite(field: str, title: str) -> float:
    try:
        value = number(field)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"{title}: {shown(field)} is not a finite number")
    return value


_READERS: dict[pa.DataType, Callable[[str, str], Any]] = {
    TEXT: _label,
    pa.int64(): _integer,
    pa.float64(): _finite,
}


def _table(fields: dict[str, pa.Array], lists: _Lists, schema: pa.Schema) -> pa.Table:
    kind = fields[schema.names[0]]
    columns = fields | {"cell_type": _derived(kind, 0), "column": _derived(kind, 1)}
    starts = np.cumsum(lists.lengths) - lists.lengths
    lines = np.repeat(np.arange(len(starts)), lists.lengths)
    repeated = {name: column.take(pa.array(lines)) for name, column in columns.items()}
    activation = (np.arange(len(lines)) - starts[lines]).astype(np.int32)
    repeated |= {"activation": pa.array(activation), "time": pa.array(lists.times)}
    return pa.Table.from_arrays([repeated[name] for name in schema.names], schema=schema)


def _derived(names: pa.DictionaryArray, part: int) -> pa.DictionaryArray:
    """Part 0 or 1 of each name, between its underscores; null where there is none."""
    parts = pa.array([_name_parts(name)[part] for name in names.dictionary.to_pylist()], pa.string())
    encoded = parts.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(names.indices), encoded.dictionary)


@lru_cache(maxsize=4096)
def _name_parts(name: str) -> tuple[str, str | None]:
    first, underscore, rest = name.partition("_")
    return first, rest.partition("_")[0] if underscore else None


def format_synapses(table: pa.Table, *, columns: Literal[6, 7] = 7) -> bytes:
    """Write synapse activations as the framework does; `parse_synapses` reads back the same table.

    Parameters
    ----------
    table
        Columns of `SYNAPSE_SCHEMA` (`cell_type` and `column` are not looked at). Rows with `activation` 0, 1,
        2, ... make one line.
    columns
        6 leaves the synapse ID out, as very old files do.

    Raises
    ------
    ValueError
        Activations out of order, a line whose rows differ in more than the time, times or distances that are
        not finite, or labels that are empty or hold tabs or line ends.
    """
    return _format(table, _SYNAPSES if columns == 7 else _OLD_SYNAPSES)


def format_cells(table: pa.Table) -> bytes:
    """Write presynaptic spikes as the framework does; like `format_synapses`, with `CELL_SCHEMA`.

    Parameters
    ----------
    table
        Rows with the columns of `CELL_SCHEMA`.
    """
    return _format(table, _CELLS)


def _format(table: pa.Table, columns: tuple[_Column, ...]) -> bytes:
    header = "# " + "\t".join(column.title for column in columns) + "\n"
    if not len(table):
        return header.encode()
    table = table.unify_dictionaries().combine_chunks()
    fields = [_encoded(table.column(column.name).chunk(0), column) for column in columns[:-1]]
    starts = _line_starts(table.column("activation").to_numpy(), fields)
    times = table.column("time").to_numpy()
    _check_finite(times, "time")
    offsets = pa.array(np.append(starts, len(times)).astype(np.int32))
    lists = pc.binary_join(pa.ListArray.from_arrays(offsets, number_texts(times)), ",")
    firsts = pa.array(starts)
    return header.encode() + join_lines([*(_texts(field.take(firsts)) for field in fields), lists], ",\n")


def _encoded(field: pa.Array, column: _Column) -> pa.Array:
    if field.null_count:
        raise ValueError(f"{column.name} has nulls")
    if column.type != TEXT:
        _check_finite(field.to_numpy(), column.name)
        return field
    field = field.dictionary_encode()
    for label in field.dictionary.to_pylist():
        if not label or set(label) & set("\t\r\n"):
            raise ValueError(f"{column.name} {label!r} is empty, or has a tab or a line end")
    return field


def _check_finite(values: NDArray[Any], name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are not finite")


def _line_starts(activation: NDArray[np.int32], fields: list[pa.Array]) -> NDArray[np.int64]:
    """First row of each line; ValueError unless the rows of a line count from 0 and are alike."""
    first = activation == 0
    later = np.flatnonzero(~first)
    if not first[0] or (activation[later] != activation[later - 1] + 1).any():
        raise ValueError("activation must count from 0 within each line")
    for field in fields:
        codes = (field.indices if isinstance(field, pa.DictionaryArray) else field).to_numpy()
        if (codes[later] != codes[later - 1]).any():
            raise ValueError("the rows of one line differ in more than the time")
    return np.flatnonzero(first)


def _texts(field: pa.Array) -> pa.Array:
    if field.type == pa.float64():
        return number_texts(field.to_numpy())
    return field.cast(pa.string())
