"""Vessels as a legacy VTK file of polydata: points, lines of two, and attributes of both; text and binary."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import IngestError

MAGIC = b"# vtk DataFile Version"
_TYPES = {
    "char": "i1",
    "unsigned_char": "u1",
    "short": "i2",
    "unsigned_short": "u2",
    "int": "i4",
    "unsigned_int": "u4",
    "long": "i8",
    "unsigned_long": "u8",
    "vtktypeint64": "i8",
    "vtkidtype": "i8",
    "float": "f4",
    "double": "f8",
}


@dataclass(eq=False)
class PolyData:
    """Points and lines of a file.

    Attributes
    ----------
    points
        Places in µm, [point, 3].
    lines
        Points that each line goes from and to, int64[line, 2].
    of_points, of_lines
        Attributes by name.
    """

    points: NDArray[Any] = field(default_factory=lambda: np.empty((0, 3), np.float32))
    lines: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    of_points: dict[str, NDArray[Any]] = field(default_factory=dict)
    of_lines: dict[str, NDArray[Any]] = field(default_factory=dict)


def read_vtk(path: Path) -> PolyData:
    """Read the points and lines of a legacy VTK file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    IngestError
        It is cut short, or no polydata of lines of two points; names file, and line or keyword.
    """
    return _Reader(path).read()


class _Reader:
    """Goes through a file; what is text and what is binary alternates."""

    def __init__(self, path: Path) -> None:
        self.path, self.at, self.number = path, 0, 0
        try:
            self.content = path.read_bytes()
        except OSError as error:
            raise IngestError(f"cannot be read: {error.strerror}", path) from error
        self.binary = False
        self.found = PolyData()

    def error(self, reason: str) -> IngestError:
        return IngestError(reason, self.path, None if self.binary else self.number)

    def line(self) -> str | None:
        """The next line with something in it; None at the end."""
        while self.at < len(self.content):
            stop = self.content.find(b"\n", self.at)
            stop = len(self.content) if stop < 0 else stop
            text, self.at = self.content[self.at : stop], stop + 1
            self.number += 1
            if text.strip():
                if len(text) > 1000:
                    raise self.error("a line of keywords is no longer than 1,000 bytes")
                return text.decode("ascii", "replace").strip()
        return None

    def read(self) -> PolyData:
        if not self.content.startswith(MAGIC):
            raise IngestError(f"no legacy VTK file: it does not begin with {MAGIC.decode()!r}", self.path, 1)
        self.line()
        # The title may be empty.
        self.at = self.content.find(b"\n", self.at) + 1 or len(self.content)
        self.number += 1
        written, kind = self.line(), self.line()
        if written not in ("ASCII", "BINARY"):
            raise self.error(f"{written!r}, expected ASCII or BINARY")
        self.binary = written == "BINARY"
        if kind is None or kind.upper().split() != ["DATASET", "POLYDATA"]:
            raise self.error(f"{kind!r}, expected DATASET POLYDATA")
        of: dict[str, NDArray[Any]] | None = None
        size = 0
        while (text := self.line()) is not None:
            words = text.split()
            word = words[0].upper()
            if word == "POINTS":
                count, dtype = self.count(words, 1), self.type(words, 2)
                self.found.points = self.values(count * 3, dtype).reshape(-1, 3)
            elif word == "LINES":
                self.lines(words)
            elif word in ("POINT_DATA", "CELL_DATA"):
                size = self.count(words, 1)
                points = word == "POINT_DATA"
                of = self.found.of_points if points else self.found.of_lines
                have = len(self.found.points) if points else len(self.found.lines)
                if size != have:
                    raise self.error(f"{word} of {size}, where there are {have}")
            elif word == "SCALARS" and of is not None:
                self.scalars(words, size, of)
            elif word == "FIELD":
                self.fields(words, of, size)
            elif word == "METADATA":
                # It ends with an empty line.
                stop = self.content.find(b"\n\n", self.at)
                self.at = len(self.content) if stop < 0 else stop + 2
            elif word in ("VERTICES", "POLYGONS", "TRIANGLE_STRIPS"):
                raise self.error(f"{word}: vessels are lines")
            else:
                raise self.error(f"the keyword {words[0]!r} is not known here")
        self.check()
        return self.found

    def check(self) -> None:
        if not len(self.found.points) or not len(self.found.lines):
            raise IngestError("it has no POINTS or no LINES", self.path)
        if not np.isfinite(self.found.points).all():
            raise IngestError("POINTS: one is no place", self.path)
        wrong = ((self.found.lines < 0) | (self.found.lines >= len(self.found.points))).any(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise IngestError(
                f"LINES: line {at} goes from {self.found.lines[at].tolist()} of {len(self.found.points)} points",
                self.path,
            )

    def lines(self, words: list[str]) -> None:
        count, size = self.count(words, 1), self.count(words, 2)
        mark = self.at
        following = self.line() or ""
        if following.upper().startswith("OFFSETS"):
            # From version 5 on; the first number counts offsets.
            offsets = self.values(count, self.type(following.split(), 1))
            told = (self.line() or "").split()
            if not told or told[0].upper() != "CONNECTIVITY":
                raise self.error("CONNECTIVITY is expected after OFFSETS")
            flat = self.values(size, self.type(told, 1))
            if len(offsets) and not np.array_equal(offsets, np.arange(len(offsets)) * 2):
                raise self.error("LINES: a line of other than two points")
            if len(flat) % 2:
                raise self.error("LINES: a line of other than two points")
            self.found.lines = flat.astype(np.int64).reshape(-1, 2)
            return
        self.at = mark
        if size != 3 * count:
            raise self.error(f"LINES: {count} lines of {size} numbers; lines of two points have {3 * count}")
        rows = self.values(size, "i4").reshape(-1, 3)
        if (rows[:, 0] != 2).any():
            raise self.error("LINES: a line of other than two points")
        self.found.lines = rows[:, 1:].astype(np.int64)

    def scalars(self, words: list[str], size: int, of: dict[str, NDArray[Any]]) -> None:
        if len(words) not in (3, 4) or (len(words) == 4 and words[3] != "1"):
            raise self.error(f"{' '.join(words)!r}: expected SCALARS, a name, a type, and one value of each")
        mark = self.at
        if not (self.line() or "").upper().startswith("LOOKUP_TABLE"):
            self.at = mark
        of[words[1]] = self.values(size, self.type(words, 2))

    def fields(self, words: list[str], of: dict[str, NDArray[Any]] | None, size: int) -> None:
        for _ in range(self.count(words, 2)):
            told = (self.line() or "").split()
            if told and told[0].upper() == "METADATA":
                stop = self.content.find(b"\n\n", self.at)
                self.at = len(self.content) if stop < 0 else stop + 2
                told = (self.line() or "").split()
            if len(told) != 4:
                raise self.error(f"{' '.join(told)!r}: expected a name, two numbers and a type")
            wide, rows = self.count(told, 1), self.count(told, 2)
            values = self.values(wide * rows, self.type(told, 3))
            if of is not None and wide == 1:
                if rows != size:
                    raise self.error(f"{told[0]}: {rows} values of {size}")
                of[told[0]] = values

    def count(self, words: list[str], at: int) -> int:
        text = words[at] if at < len(words) else ""
        if not text.isdecimal() or len(text) > 15:
            raise self.error(f"{' '.join(words)!r}: {text!r} is no number of things")
        return int(text)

    def type(self, words: list[str], at: int) -> str:
        text = words[at].lower() if at < len(words) else ""
        if text not in _TYPES:
            raise self.error(f"{' '.join(words)!r}: values of type {text!r}")
        return _TYPES[text]

    def values(self, count: int, kind: str) -> NDArray[Any]:
        dtype = np.dtype(kind)
        if self.binary:
            size = count * dtype.itemsize
            if size > len(self.content) - self.at:
                raise self.error(
                    f"{count} values of {dtype}, and the file ends after {len(self.content) - self.at} bytes"
                )
            found = np.frombuffer(self.content, dtype.newbyteorder(">"), count, self.at)
            self.at += size
            return found.astype(dtype)
        # A number and what parts it from the next have two bytes.
        if count * 2 - 1 > len(self.content) - self.at:
            raise self.error(f"{count} values, and the file ends after {len(self.content) - self.at} bytes")
        words = list[bytes]()
        while len(words) < count:
            stop = self.content.find(b"\n", self.at)
            stop = len(self.content) if stop < 0 else stop
            if self.at >= len(self.content):
                raise self.error(f"it ends after {len(words)} of {count} values")
            words += self.content[self.at : stop].split()
            self.at, self.number = stop + 1, self.number + 1
        if len(words) > count:
            raise self.error(f"{len(words)} values where {count} are expected")
        try:
            return np.array(words, "S").astype(dtype) if words else np.empty(0, dtype)
        except (ValueError, OverflowError) as error:
            raise self.error(f"not {dtype}: {error}") from error


def vtk_text(points: NDArray[Any], lines: NDArray[Any], of_points: Any, of_lines: Any) -> Iterator[str]:
    """Yield a legacy VTK file as text, which vascpy reads.

    Parameters
    ----------
    points
        Places in µm, [point, 3].
    lines
        Points that each line goes from and to, [line, 2].
    of_points, of_lines
        Attributes by name.
    """
    names = {kind: name for name, kind in reversed(list(_TYPES.items()))}
    yield f"# vtk DataFile Version 4.2\nvessels\nASCII\nDATASET POLYDATA\nPOINTS {len(points)} float\n"
    yield "".join(f"{x} {y} {z}\n" for x, y, z in points.astype(np.float32).astype(str))
    yield f"\nLINES {len(lines)} {3 * len(lines)}\n"
    yield "".join(f"2 {a} {b}\n" for a, b in lines.tolist())
    for word, size, attributes in (
        ("POINT_DATA", len(points), of_points),
        ("CELL_DATA", len(lines), of_lines),
    ):
        yield f"\n{word} {size}\nFIELD FieldData {len(attributes)}\n"
        for name, values in attributes.items():
            kind = names[f"{values.dtype.kind}{values.dtype.itemsize}"]
            yield f"{name} 1 {len(values)} {kind}\n{' '.join(values.astype(str))}\n"
