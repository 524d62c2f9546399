"""Touches in the binary files of TouchDetector: ``touches.N`` with the cells, ``touchesData.N`` with a record a touch.

Records of three ages are read, of 40, 80 and 104 bytes, and both orders of bytes; the header tells which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary.glia import TOUCHES
from ...lake.errors import IngestError

ARCHITECTURE = 1.001
BLOCK_RECORDS = 2**18
_HEADER = np.dtype([("architecture", "<f8"), ("cells", "<i8"), ("version", "S16")])
_CELL = np.dtype([("node_id", "<i4"), ("count", "<u4"), ("offset", "<i8")])
_SIDES = ("pre", "post")
_IDS = ("node_id", "section_id", "segment_id")
_OLDEST = [("pre_ids", "<i4", 3), ("post_ids", "<i4", 3), ("branch_order", "<i4"), ("distances", "<f4", 3)]
_MIDDLE = [
    *_OLDEST,
    ("pre_section_fraction", "<f4"),
    ("post_section_fraction", "<f4"),
    ("pre_position", "<f4", 3),
    ("post_position", "<f4", 3),
    ("spine_length", "<f4"),
    ("branch_type", "u1"),
]
_NEWEST = [*_MIDDLE, ("pre_position_center", "<f4", 3), ("post_position_surface", "<f4", 3)]
_RECORDS = (
    ((5, 4), np.dtype(_NEWEST, align=True)),
    ((4, 99), np.dtype(_MIDDLE, align=True)),
    ((0,), np.dtype(_OLDEST, align=True)),
)
_DISTANCES = ("soma_distance", "pre_segment_offset", "post_segment_offset")


@dataclass(frozen=True, eq=False)
class TouchFile:
    """Touches of some cells.

    Attributes
    ----------
    version
        Of the detector, such as ``5.4.0``.
    swapped
        Whether bytes are in the order that this machine does not have: big end first.
    cells
        Cell, number of its touches and offset of the first in bytes.
    records
            Touches as they are in their file, in its order of bytes.
    """

    version: str
    swapped: bool
    cells: NDArray[Any]
    records: NDArray[Any]

    def tables(self) -> Iterator[pa.Table]:
        """Yield the touches as rows of `TOUCHES`, in blocks."""
        for start in range(0, max(len(self.records), 1), BLOCK_RECORDS):
            yield _table(self.records[start : start + BLOCK_RECORDS])


def data_file(path: Path) -> Path:
    """Return the file of the records beside that of the cells.

    Parameters
    ----------
    path
        ``touches.N``.
    """
    return path.with_name(path.name.replace("touches", "touchesData", 1))


def read_touches(path: Path) -> TouchFile:
    """Read touches.

    Parameters
    ----------
    path
        ``touches.N``; ``touchesData.N`` stands beside it.

    Raises
    ------
    IngestError
        A file lacks, is cut short, or the two do not fit together.
    """
    head, beside = _bytes(path), data_file(path)
    if len(head) < _HEADER.itemsize:
        raise IngestError(f"{len(head)} bytes, a header has {_HEADER.itemsize}", path)
    header, swapped = np.frombuffer(head, _HEADER, 1)[0], False
    if header["architecture"] != ARCHITECTURE:
        header, swapped = np.frombuffer(head, _HEADER.newbyteorder(), 1)[0], True
        if header["architecture"] != ARCHITECTURE:
            raise IngestError(
                f"it begins with {header['architecture']}, expected {ARCHITECTURE} in either order of bytes",
                path,
            )
    version = _version(bytes(header["version"]), path)
    kind = next(kind for least, kind in _RECORDS if version >= least)
    count, room = int(header["cells"]), len(head) - _HEADER.itemsize
    if count < 0 or count * _CELL.itemsize != room:
        raise IngestError(
            f"the header says {count} cells, which have {count * _CELL.itemsize} bytes, not {room}", path
        )
    cells = np.frombuffer(head, _CELL.newbyteorder() if swapped else _CELL, count, _HEADER.itemsize)
    kind = kind.newbyteorder() if swapped else kind
    try:
        size = beside.stat().st_size
        records = np.memmap(beside, kind, "r") if size and not size % kind.itemsize else np.empty(0, kind)
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", beside) from error
    if size % kind.itemsize:
        raise IngestError(
            f"{size} bytes are no records of {kind.itemsize}, which version {_told(version)} has", beside
        )
    _check_cells(cells, records, kind.itemsize, path)
    plain = cells.astype(_CELL)
    text = bytes(header["version"]).split(b"\0")[0].decode("ascii")
    return TouchFile(text, swapped, plain, records)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error


def _version(stored: bytes, path: Path) -> tuple[int, ...]:
    text = stored.split(b"\0")[0]
    parts = text.split(b".")
    if not text or not all(part.isdigit() for part in parts):
        raise IngestError(f"version {text!r} is none", path)
    return tuple(map(int, parts))


def _told(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _check_cells(cells: NDArray[Any], records: NDArray[Any], size: int, path: Path) -> None:
    begin, counts = cells["offset"].astype(np.int64), cells["count"].astype(np.int64)
    wrong = (begin < 0) | (begin % size != 0) | (begin // size + counts > len(records))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise IngestError(
            f"cell {cells['node_id'][at]}: {counts[at]} touches from byte {begin[at]}, of {len(records)} records of {size} bytes",
            path,
        )
    if int(counts.sum()) != len(records):
        raise IngestError(f"cells have {int(counts.sum())} touches, the file beside has {len(records)}", path)


def _table(records: NDArray[Any]) -> pa.Table:
    names = records.dtype.names or ()
    columns: dict[str, Any] = {}
    for side in _SIDES:
        columns |= {f"{side}_{name}": records[f"{side}_ids"][:, at] for at, name in enumerate(_IDS)}
    columns["branch_order"] = records["branch_order"]
    columns |= {name: records["distances"][:, at] for at, name in enumerate(_DISTANCES)}
    for side in _SIDES:
        if "spine_length" in names:
            columns[f"{side}_section_fraction"] = records[f"{side}_section_fraction"]
            columns |= {f"{side}_{axis}": records[f"{side}_position"][:, at] for at, axis in enumerate("xyz")}
    if "spine_length" in names:
        columns |= {name: records[name] for name in ("spine_length", "branch_type")}
    for name, ending in (("pre_position_center", "center"), ("post_position_surface", "surface")):
        if name in names:
            side = name.split("_")[0]
            columns |= {f"{side}_{axis}_{ending}": records[name][:, at] for at, axis in enumerate("xyz")}
    kept = [name for name in TOUCHES.schema.names if name in columns]
    arrays = [pa.array(columns[name].astype(columns[name].dtype.newbyteorder("="))) for name in kept]
    return pa.table(arrays, TOUCHES.schema_of(kept))


def records_of(table: pa.Table, version: str, *, swapped: bool = False) -> NDArray[Any]:
    """Return rows of `TOUCHES` as records of a file.

    Parameters
    ----------
    table
        The touches.
    version
        Of the detector; which columns there are depends on it.
    swapped
        Whether big ends of numbers come first.
    """
    told = tuple(map(int, version.split(".")))
    kind = next(kind for least, kind in _RECORDS if told >= least)
    names, records = kind.names or (), np.zeros(table.num_rows, kind)
    values = {name: table[name].to_numpy() for name in table.column_names}
    for side in _SIDES:
        records[f"{side}_ids"] = np.stack([values[f"{side}_{name}"] for name in _IDS], axis=1)
    records["branch_order"] = values["branch_order"]
    records["distances"] = np.stack([values[name] for name in _DISTANCES], axis=1)
    if "spine_length" in names:
        for side in _SIDES:
            records[f"{side}_section_fraction"] = values[f"{side}_section_fraction"]
            records[f"{side}_position"] = np.stack([values[f"{side}_{axis}"] for axis in "xyz"], axis=1)
        records["spine_length"], records["branch_type"] = values["spine_length"], values["branch_type"]
    for name, ending in (("pre_position_center", "center"), ("post_position_surface", "surface")):
        if name in names:
            side = name.split("_")[0]
            records[name] = np.stack([values[f"{side}_{axis}_{ending}"] for axis in "xyz"], axis=1)
    return _ordered(records, swapped)


def head_bytes(cells: NDArray[Any], version: str, *, swapped: bool = False) -> bytes:
    """Return the file of the cells.

    Parameters
    ----------
    cells
        As of `TouchFile`.
    version
        Of the detector.
    swapped
        Whether big ends of numbers come first.
    """
    header = np.array([(ARCHITECTURE, len(cells), version.encode())], _HEADER)
    return _ordered(header, swapped).tobytes() + _ordered(cells.astype(_CELL), swapped).tobytes()


def _ordered(values: NDArray[Any], swapped: bool) -> NDArray[Any]:
    if not swapped:
        return values
    # A cast would leave whatever memory holds in the gaps between numbers.
    found = np.zeros(len(values) * values.dtype.itemsize, np.uint8).view(values.dtype.newbyteorder())
    for name in values.dtype.names or ():
        found[name] = values[name]
    return found
