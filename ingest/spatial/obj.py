"""Meshes of triangles as Wavefront's OBJ: points and faces, in and out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...lake.data.ragged import Ragged, offsets_of
from ...lake.errors import IngestError

_SILENT = (b"#", b"mtllib", b"usemtl", b"o", b"g", b"s", b"vn", b"vt")


def read_obj(path: Path) -> tuple[Ragged, Ragged, list[str]]:
    """Read the points and triangles of a mesh; faces of more corners become fans of triangles.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple
        Points in µm, float64[point, 3], and triangles, int64[triangle, 3], as ragged data of one mesh; and what was left out.

    Raises
    ------
    IngestError
        A line is none of OBJ, or a face has a corner that there is not; names file and line.
    """
    points, corners, sizes, lines = list[list[bytes]](), list[bytes](), list[int](), list[int]()
    left: dict[bytes, int] = {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.startswith(b"v "):
            points.append(line.split()[1:4])
            if len(points[-1]) != 3:
                raise IngestError("a point has three numbers", path, number)
        elif line.startswith(b"f "):
            found = [text.partition(b"/")[0] for text in line.split()[1:]]
            if len(found) < 3:
                raise IngestError("a face has at least three corners", path, number)
            corners += found
            sizes.append(len(found))
            lines.append(number)
        elif line.strip():
            word = line.split()[0]
            if not word.startswith(b"#") and word not in _SILENT:
                raise IngestError(
                    f"{word[:20].decode(errors='replace')!r} begins no line of a mesh", path, number
                )
            if word in (b"vn", b"vt"):
                left[word] = left.get(word, 0) + 1
    if not points:
        raise IngestError("there is no point (a line that begins with 'v ')", path)
    places = _numbers(points, np.float64, path).reshape(-1, 3)
    if not np.isfinite(places).all():
        raise IngestError(f"point {int(np.argmin(np.isfinite(places).all(axis=1))) + 1} is no place", path)
    at = _numbers(corners, np.int64, path)
    counts = np.array(sizes, np.int64)
    # Points are numbered from 1; negative numbers count from the end.
    at = np.where(at < 0, at + len(places), at - 1)
    wrong = (at < 0) | (at >= len(places))
    if wrong.any():
        face = int(np.repeat(np.arange(len(counts)), counts)[int(np.argmax(wrong))])
        raise IngestError(f"a face with a point that is none of the {len(places)}", path, lines[face])
    notices = [
        f"{path}: {count:,} lines {word.decode()!r}, of normals or textures, were left out"
        for word, count in left.items()
    ]
    whole = np.array([0, len(places)])
    triangles = _fans(at, counts)
    return Ragged(places, whole), Ragged(triangles, np.array([0, len(triangles)])), notices


def _numbers(texts: Any, kind: type, path: Path) -> NDArray[Any]:
    try:
        return np.array(texts, "S").astype(kind) if len(texts) else np.empty(0, kind)
    except (ValueError, OverflowError) as error:
        raise IngestError(f"a point or a corner is no number: {error}", path) from error


def _fans(corners: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Triangles from the first corner of each face to each of its other edges."""
    first = offsets_of(sizes)[:-1]
    count = sizes - 2
    owner = np.repeat(np.arange(len(sizes)), count)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    second = first[owner] + 1 + step
    found: NDArray[np.int64] = np.stack([corners[first[owner]], corners[second], corners[second + 1]], axis=1)
    return found


def obj_text(points: NDArray[Any], triangles: NDArray[Any]) -> Iterator[str]:
    """Yield the text of a mesh in blocks; numbers are the shortest that give the same again.

    Parameters
    ----------
    points
        Of shape [point, 3], in µm.
    triangles
        Numbers of the corners, from 0, [triangle, 3].
    """
    block = 2**16
    for start in range(0, len(points), block):
        yield "".join(f"v {x} {y} {z}\n" for x, y, z in points[start : start + block].tolist())
    for start in range(0, len(triangles), block):
        yield "".join(f"f {a} {b} {c}\n" for a, b, c in (triangles[start : start + block] + 1).tolist())
