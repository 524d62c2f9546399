"""NRRD, volumes of voxels with a header of text (teem.sourceforge.net/nrrd/format.html): raw and gzip, header and data in one file."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import IngestError, InputError

MAGIC = b"NRRD000"
_LARGEST_HEADER = 2**16
_MOST_COMPRESSED = 1100
"""Bytes of values that a byte of gzip may stand for, and a little more."""
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_KIND = {name: kind for kind, names in _TYPES.items() for name in names}
_ENDIAN: Mapping[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_GZIP = ("gzip", "gz")


@dataclass(frozen=True, eq=False)
class VoxelVolume:
    """Values of voxels, and where they are.

    Attributes
    ----------
    values
        Indexed by x, y and z; by the component before these where voxels have several values.
    voxel_size
        Edges of a voxel along x, y, z, in µm.
    offset
        Corner of the first voxel, in µm.
    header
        Fields of the header in their order, without those that the values themselves tell.
    """

    values: NDArray[Any]
    voxel_size: tuple[float, float, float]
    offset: tuple[float, float, float]
    header: Mapping[str, str]


def read_nrrd(path: Path) -> VoxelVolume:
    """Read a volume of three axes in space.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    IngestError
        It is damaged, or what it says of itself cannot be; names the file, and the line or field.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error
    fields, begin = _header(content, path)
    shape, kind = _shape(fields, path), _kind(fields, path)
    size = math.prod(shape) * kind.itemsize
    data = _data(content[begin:], fields, size, path)
    values = np.frombuffer(data, kind).reshape(shape, order="F")
    voxel_size, offset = _space(fields, len(shape), path)
    kept = {name: text for name, text in fields.items() if name not in ("sizes", "dimension")}
    return VoxelVolume(values.astype(kind.newbyteorder("="), order="C"), voxel_size, offset, kept)


def _header(content: bytes, path: Path) -> tuple[dict[str, str], int]:
    """Fields by name, and where the data begin."""
    if not content.startswith(MAGIC):
        raise IngestError("no NRRD file: it does not begin with NRRD000", path, 1)
    head = content[:_LARGEST_HEADER]
    ends = [at for at in (head.find(b"\n\n"), head.find(b"\r\n\r\n")) if at >= 0]
    if not ends:
        raise IngestError("no empty line ends the header", path)
    stop = min(ends)
    begin = stop + (4 if head[stop : stop + 2] == b"\r\n" else 2)
    fields: dict[str, str] = {}
    for number, line in enumerate(head[:stop].split(b"\n"), 1):
        try:
            text = line.rstrip(b"\r").decode("ascii")
        except UnicodeDecodeError as error:
            raise IngestError("a header is plain ASCII", path, number) from error
        if number == 1 or not text or text.startswith("#"):
            continue
        name, parted, value = text.partition(": ")
        if ":=" in name or not parted:
            # What users add; its name keeps what parts it from the value.
            name, parted, value = text.partition(":=")
            name += parted
        else:
            name = name.strip().lower()
        if not parted:
            raise IngestError(f"{text!r} is no field", path, number)
        if name in fields:
            raise IngestError(f"the field {name!r} is there twice", path, number)
        fields[name] = value.strip()
    return fields, begin


def _shape(fields: Mapping[str, str], path: Path) -> tuple[int, ...]:
    axes, sizes = (_needed(fields, name, path) for name in ("dimension", "sizes"))
    numbers = sizes.split()
    if not axes.isdecimal() or not all(text.isdecimal() and len(text) < 19 for text in numbers):
        raise IngestError(f"dimension: {axes!r} and sizes: {sizes!r} are no whole numbers", path)
    shape = tuple(map(int, numbers))
    if len(shape) != int(axes) or len(shape) not in (3, 4) or 0 in shape:
        raise IngestError(
            f"sizes: {len(shape)} axes of lengths {sizes}, expected {axes}, which are x, y and z, perhaps after one of components",
            path,
        )
    return shape


def _kind(fields: Mapping[str, str], path: Path) -> np.dtype[Any]:
    name = _needed(fields, "type", path).lower()
    if name not in _KIND:
        raise IngestError(f"type: {name!r} are no numbers that are known", path)
    kind = np.dtype(_KIND[name])
    if kind.itemsize == 1:
        return kind
    order = _needed(fields, "endian", path).lower()
    if order not in _ENDIAN:
        raise IngestError(f"endian: {order!r}, expected little or big", path)
    return kind.newbyteorder(_ENDIAN[order])


def _data(stored: bytes, fields: Mapping[str, str], size: int, path: Path) -> bytes:
    for name in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, "0") != "0":
            raise IngestError(f"{name}: data in other files, or after other bytes, are not read", path)
    encoding = _needed(fields, "encoding", path).lower()
    if encoding == "raw":
        data = stored
    elif encoding in _GZIP:
        # The header may say more than memory holds.
        if size > _MOST_COMPRESSED * (len(stored) + 64):
            raise IngestError(
                f"sizes: {size:,} bytes of values, where the file has {len(stored):,} compressed", path
            )
        data = _unzipped(stored, size, path)
    else:
        raise IngestError(f"encoding: {encoding!r}, expected raw or gzip", path)
    if len(data) != size:
        raise IngestError(f"the data have {len(data):,} bytes, sizes and type say {size:,}", path)
    return data


def _unzipped(stored: bytes, size: int, path: Path) -> bytes:
    # Several members may follow each other.
    found, left = bytearray(), stored
    try:
        while left and len(found) <= size:
            inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            found += inflater.decompress(left, size + 1 - len(found))
            if not inflater.eof:
                if len(found) <= size:
                    raise IngestError("encoding: the compressed data end too early", path)
                break
            left = inflater.unused_data
    except zlib.error as error:
        raise IngestError(f"encoding: the data are no gzip: {error}", path) from error
    return bytes(found)


def _space(
    fields: Mapping[str, str], axes: int, path: Path
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Edges of voxels and corner of the first."""
    offset = (0.0, 0.0, 0.0)
    if "space origin" in fields:
        offset = _vector(fields["space origin"], "space origin", path)
    if "space directions" in fields:
        texts = fields["space directions"].split()
        vectors = [_vector(text, "space directions", path) for text in texts[axes - 3 :]]
        if len(texts) != axes or any(text != "none" for text in texts[: axes - 3]):
            raise IngestError(f"space directions: {len(texts)} of {axes} axes", path)
        turned = [
            value
            for at, vector in enumerate(vectors)
            for axis, value in enumerate(vector)
            if axis != at and value
        ]
        if turned:
            raise IngestError("space directions: voxels whose edges are not along x, y and z", path)
        sizes = tuple(vector[at] for at, vector in enumerate(vectors))
    elif "spacings" in fields:
        texts = fields["spacings"].split()
        sizes = tuple(_real(text, "spacings", path) for text in texts[axes - 3 :])
        if len(texts) != axes:
            raise IngestError(f"spacings: {len(texts)} of {axes} axes", path)
    else:
        sizes = (1.0, 1.0, 1.0)
    if any(size <= 0 for size in sizes):
        raise IngestError(f"space directions: voxels of edges {sizes}", path)
    return (sizes[0], sizes[1], sizes[2]), offset


def _vector(text: str, field: str, path: Path) -> tuple[float, float, float]:
    parts = text.strip().removeprefix("(").removesuffix(")").split(",")
    if len(parts) != 3:
        raise IngestError(f"{field}: {text!r} is no vector of three numbers", path)
    x, y, z = (_real(part, field, path) for part in parts)
    return x, y, z


def _real(text: str, field: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise IngestError(f"{field}: {text!r} is no number", path)
    return value


def _needed(fields: Mapping[str, str], name: str, path: Path) -> str:
    if name not in fields:
        raise IngestError(f"the header has no field {name!r}", path)
    return fields[name]


def nrrd_bytes(volume: VoxelVolume) -> bytes:
    """Return a volume as an NRRD file, with gzip where its header does not say raw.

    Parameters
    ----------
    volume
        The volume.

    Raises
    ------
    InputError
        Its values are of a type that NRRD has not.
    """
    values = volume.values
    kind = f"{values.dtype.kind}{values.dtype.itemsize}"
    if kind not in _TYPES:
        raise InputError(f"NRRD has no values of type {values.dtype}")
    told = dict(volume.header)
    order = told.get("endian", "little").lower()
    name = told.get("type", _TYPES[kind][0])
    fields = {
        "type": name if _KIND.get(name.lower()) == kind else _TYPES[kind][0],
        "dimension": str(values.ndim),
        "space dimension": "3",
        "sizes": " ".join(map(str, values.shape)),
        "endian": order if order in _ENDIAN else "little",
        "encoding": "gzip",
    }
    fields |= {key: text for key, text in told.items() if key not in ("type", "sizes", "dimension", "endian")}
    if not {"space directions", "spacings"} & fields.keys():
        steps = ["none"] * (values.ndim - 3) + [
            f"({','.join(repr(size) if axis == at else '0' for axis in range(3))})"
            for at, size in enumerate(volume.voxel_size)
        ]
        fields["space directions"] = " ".join(steps)
    fields.setdefault("space origin", f"({','.join(map(repr, volume.offset))})")
    if "space" in fields:
        fields.pop("space dimension")
    lines = [
        "NRRD0005",
        *(f"{key}{text}" if key.endswith(":=") else f"{key}: {text}" for key, text in fields.items()),
    ]
    raw = values.astype(values.dtype.newbyteorder(_ENDIAN[fields["endian"]])).tobytes(order="F")
    if fields["encoding"].lower() in _GZIP:
        packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        raw = packer.compress(raw) + packer.flush()
    return "\n".join(lines).encode("ascii") + b"\n\n" + raw
