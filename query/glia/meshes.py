"""Meshes of triangles, and their files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...lake.errors import InputError

Reals = npt.NDArray[np.float64]
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


@dataclass(frozen=True, eq=False)
class SurfaceMesh:
    """A surface of triangles.

    Parameters
    ----------
    points
        Places in µm, float64[n_points, 3].
    triangles
        Numbers of three points each, int64[n_triangles, 3].
    """

    points: Reals
    triangles: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        return f"<SurfaceMesh: {len(self.points):,} points, {len(self.triangles):,} triangles>"

    @property
    def _corners(self) -> Reals:
        return self.points[self.triangles]

    @property
    def vectors(self) -> Reals:
        """Vector across each triangle, as long as its area in µm², float64[n_triangles, 3]."""
        a, b, c = np.moveaxis(self._corners, 1, 0)
        found: Reals = np.cross(b - a, c - a) / 2.0
        return found

    @property
    def area(self) -> float:
        """Area of its triangles in µm²."""
        return float(np.linalg.norm(self.vectors, axis=1).sum())

    @property
    def volume(self) -> float:
        """Volume in µm³ that it encloses, if it is closed and its triangles turn the same way; negative if that is inwards."""
        if not len(self.triangles):
            return 0.0
        middle = self.points.mean(axis=0)
        return float(((self._corners.mean(axis=1) - middle) * self.vectors).sum() / 3.0)

    @property
    def bounding_box(self) -> Reals:
        """Low and high corner in µm, float64[2, 3]; NaN without points."""
        if not len(self.points):
            return np.full((2, 3), np.nan)
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)])

    def save(self, path: str | Path) -> Path:
        """Write the mesh as binary STL, which gmsh, MeshLab and Blender open.

        Parameters
        ----------
        path
            The file; its name ends in ``.stl``.

        Raises
        ------
        InputError
            The name has another ending, or the file is there already.
        """
        file = Path(path)
        if file.suffix.lower() != ".stl":
            raise InputError(f"{file}: meshes are written as .stl; end the name so")
        if file.exists():
            raise InputError(f"{file} is there already; nothing was written")
        records = np.zeros(len(self.triangles), _RECORD)
        vectors = self.vectors
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        records["normal"] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
        records["corners"] = self._corners
        head = b"neurolake, lengths in um".ljust(80) + np.uint32(len(records)).tobytes()
        file.write_bytes(head + records.tobytes())
        return file
