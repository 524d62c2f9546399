"""Tab separated text of simulators: what its readers and writers share.

Arrow reads the text fast. Where Arrow refuses it, or where Arrow's notion of a number is wider than Python's,
the readers fall back on plain Python, which alone decides what is an error and on which line.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from ...lake.errors import IngestError

# Hexadecimal integers and nan(...): numbers to Arrow, not to Python.
_ARROW_ONLY = re.compile(rb"0x|nan\(", re.IGNORECASE)
# Looked for first: single bytes are found ten times faster.
_ARROW_ONLY_SIGNS = (b"x", b"X", b"(")
_BLOCK = 1 << 24


def unix_lines(data: bytes, path: str | Path) -> bytes:
    """Check that `data` is whole lines of UTF-8 text, and end each with a line feed alone.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        The file, for messages.

    Raises
    ------
    IngestError
        An empty file, a last line that does not end (a file cut short), a carriage return that does not
        belong to the line ends of the whole file, or bytes that are not UTF-8.
    """
    if not data:
        raise IngestError("the file is empty, expected a header line", path)
    if not data.endswith(b"\n"):
        raise IngestError("the last line does not end: the file is cut short", path, data.count(b"\n") + 1)
    if not data.isascii():
        _check_utf8(data, path)
    return _without_returns(data, path) if b"\r" in data else data


def _check_utf8(data: bytes, path: str | Path) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise IngestError("not UTF-8 text", path, data.count(b"\n", 0, error.start) + 1) from error


def _without_returns(data: bytes, path: str | Path) -> bytes:
    lines = data.split(b"\n")[:-1]
    end = b"\r" if lines[0].endswith(b"\r") else b""
    for number, line in enumerate(lines, 1):
        if not line.endswith(end) or line.count(b"\r") != len(end):
            raise IngestError("a carriage return that does not end every line", path, number)
    return data.replace(b"\r\n", b"\n")


def split_header(text: bytes) -> tuple[str, ...]:
    """Return the titles in the first line.

    Parameters
    ----------
    text
        Content of a file.
    """
    return tuple(text[: text.index(b"\n")].decode().split("\t"))


def read_columns(text: bytes, types: Mapping[str, pa.DataType], *, header: bool) -> pa.Table | None:
    """Read tab separated lines with Arrow, or give None where Python has to judge.

    Parameters
    ----------
    text
        Lines as `unix_lines` returns them.
    types
        Name and type of each column in the table.
    header
        Whether the first line is to be skipped.

    Returns
    -------
    pa.Table | None
        The columns, or None for text that Arrow does not read as Python would.
    """
    if any(sign in text for sign in _ARROW_ONLY_SIGNS) and _ARROW_ONLY.search(text):
        return None
    try:
        return csv.read_csv(
            pa.py_buffer(text),
            read_options=csv.ReadOptions(
                use_threads=False,
                column_names=list(types),
                skip_rows=int(header),
                block_size=min(len(text) + 1, _BLOCK),
            ),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None


def number(token: str) -> float:
    """Parse a decimal number; ValueError for Python's underscores and foreign digits, too.

    Parameters
    ----------
    token
        Text without blanks.
    """
    return float(_plain(token))


def integer(token: str) -> int:
    """Parse a decimal integer of 64 bits, else ValueError.

    Parameters
    ----------
    token
        Text without blanks.
    """
    value = int(_plain(token))
    if not -(2**63) <= value < 2**63:
        raise ValueError(token)
    return value


def _plain(token: str) -> str:
    if "_" in token or not token.isascii():
        raise ValueError(token)
    return token


def shown(token: str) -> str:
    """Quote a token for a message, cut if it is long.

    Parameters
    ----------
    token
        Text without blanks.
    """
    return repr(token if len(token) <= 40 else f"{token[:37]}...")


def number_texts(values: NDArray[np.float64]) -> pa.Array:
    """Return the shortest texts that read back as the values, as Python's repr writes them.

    Parameters
    ----------
    values
        Numbers, float64.
    """
    # Arrow finds the same digits, but lays out whole numbers and exponents in its own way.
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        alike = (size >= 1e-4) & (size < 1e9) & (values != np.trunc(values))
    texts = pa.array(values).cast(pa.string())
    if alike.all():
        return texts
    others = pa.array([repr(value) for value in values[~alike].tolist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(~alike), others)


def join_lines(columns: list[pa.Array], end: str) -> bytes:
    """Join text of string columns by tabs, with `end` after each line.

    Parameters
    ----------
    columns
        Columns of text, all of one length.
    end
        End of each line.
    """
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*columns, "\t"), "", end)
    return lines.buffers()[2].to_pybytes() if len(lines) else b""
