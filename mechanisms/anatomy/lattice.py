"""Numbers on a regular grid of voxels, and Amira's text format for them."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """A scalar field, one value per voxel.

    Attributes
    ----------
    values
        float64[nx, ny, nz].
    origin
        Lowest corner of the first voxel in um, float64[3].
    spacing
        Size of a voxel in um, float64[3].
    """

    values: Reals
    origin: Reals
    spacing: Reals

    def voxels(self, points: Reals) -> NDArray[np.int64]:
        """Return the indices of the voxels that hold points, int64[n, 3]; not clipped to the grid.

        Parameters
        ----------
        points
            Places in um, float64[n, 3].
        """
        indices: NDArray[np.int64] = np.floor((points - self.origin) / self.spacing).astype(np.int64)
        return indices

    def at(self, points: Reals) -> Reals:
        """Return the value at each point, 0 outside the grid, float64[n].

        Parameters
        ----------
        points
            Places in um, float64[n, 3].
        """
        index = self.voxels(points)
        inside = ((index >= 0) & (index < self.values.shape)).all(axis=1)
        result = np.zeros(len(points))
        result[inside] = self.values[tuple(index[inside].T)]
        return result

    def centres(self) -> Reals:
        """Centres of all voxels in um, float64[nx * ny * nz, 3], in the order of ``values.ravel()``."""
        axes = [
            self.origin[k] + (np.arange(n) + 0.5) * self.spacing[k] for k, n in enumerate(self.values.shape)
        ]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

    def around(self, points: Reals) -> "Lattice":
        """Return an empty lattice of those voxels of this one's grid that hold the bounding box of points.

        Parameters
        ----------
        points
            Places in um, float64[n, 3].
        """
        first, last = self.voxels(np.array([points.min(axis=0), points.max(axis=0)]))
        return Lattice(np.zeros(last - first + 1), self.origin + first * self.spacing, self.spacing)


def read_lattice(path: str | Path) -> Lattice:
    """Read a scalar field that Amira saved as text (``# AmiraMesh ... ASCII``, uniform coordinates).

    Its bounding box is that of the voxels' centres; values follow a line ``@1``, x varying fastest.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        The message names the file, and the line if one is wrong: no lattice of three sizes, no bounding box,
        fewer than two voxels along an axis, a value that is not a number, or more or fewer values than
        voxels.
    """
    try:
        lines = Path(path).read_text("utf-8-sig", errors="replace").split("\n")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error
    data = next((number for number, line in enumerate(lines) if line.startswith("@1")), len(lines))
    header = "\n".join(lines[:data])
    shape = tuple(int(size) for size in _numbers(header, r"define\s+Lattice", 3, path))
    box = np.array(_numbers(header, r"BoundingBox", 6, path)).reshape(3, 2)
    if min(shape) < 2 or (box[:, 1] <= box[:, 0]).any():
        raise ModelError(f"a lattice of {shape} voxels in the box {box.tolist()} has no voxel size", path)
    values = _values(lines, data + 1, path)
    if len(values) != np.prod(shape):
        raise ModelError(f"{len(values)} values, expected {np.prod(shape)} for {shape} voxels", path)
    spacing = (box[:, 1] - box[:, 0]) / (np.array(shape) - 1)
    return Lattice(values.reshape(shape, order="F"), box[:, 0] - spacing / 2, spacing)


def _numbers(header: str, name: str, count: int, path: str | Path) -> list[float]:
    match = re.search(rf"{name}((?:\s+[-+.\deE]+){{{count}}})", header)
    try:
        return [float(word) for word in match[1].split()] if match else _none(name, count, path)
    except ValueError:
        return _none(name, count, path)


def _none(name: str, count: int, path: str | Path) -> list[float]:
    plain = name.replace(r"\s+", " ")
    raise ModelError(f"no {plain!r} with {count} numbers in the header", path)


def _values(lines: list[str], first: int, path: str | Path) -> Reals:
    values = []
    for number, line in enumerate(lines[first:], first + 1):
        if line.strip():
            try:
                values.append(float(line))
            except ValueError:
                raise ModelError(f"{line.strip()!r}, expected one number", path, number) from None
    return np.array(values)
