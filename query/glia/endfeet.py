"""Endfeet: where astrocytes touch vessels, and the part of the vessel's surface that each covers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.vocabulary import glia
from ...lake.errors import NotFoundError
from .asking import GliaTables, whole
from .meshes import SurfaceMesh

_MESH = "endfeet"


@dataclass(frozen=True)
class AstrocyteEndfeet:
    """The endfeet of a circuit, by their number.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        return f"<AstrocyteEndfeet of {self.tables.circuit!r}: {len(self):,}>"

    def __len__(self) -> int:
        return self.tables.table("gliovascular").rows

    def __getitem__(self, endfoot_id: int) -> SurfaceMesh:
        """Return the surface of an endfoot; one that did not grow has no triangles.

        Raises
        ------
        NotFoundError
            There is no such endfoot, or the circuit has no surfaces of endfeet.
        """
        n = self.tables.table("endfeet").rows
        if not 0 <= endfoot_id < n:
            raise NotFoundError(f"there is no endfoot {endfoot_id}; there are 0 to {n - 1}")
        here = (int(endfoot_id), int(endfoot_id) + 1)
        points, triangles = (
            self.tables.ragged(kind, _MESH, here).values for kind in (glia.MESH_POINTS, glia.MESH_TRIANGLES)
        )
        return SurfaceMesh(points.astype(float), triangles.astype(np.int64))

    def rows(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return what is known of endfeet, one a row: columns of the view ``glia/….endfeet``.

        Parameters
        ----------
        ids
            Endfeet; all by default.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:endfeet", "endfoot_id", ids)

    def mesh(self, ids: npt.ArrayLike | None = None) -> SurfaceMesh:
        """Return the surfaces of endfeet as one mesh, to be saved as STL.

        Parameters
        ----------
        ids
            Endfeet; all by default.

        Raises
        ------
        NotFoundError
            There is no such endfoot, or the circuit has no surfaces of endfeet.
        InputError
            *ids* are not whole numbers.
        """
        n = self.tables.table("endfeet").rows
        chosen = np.arange(n) if ids is None else whole(ids)
        strange = chosen[(chosen < 0) | (chosen >= n)]
        if len(strange):
            raise NotFoundError(f"there is no endfoot {strange[0]}; there are 0 to {n - 1}")
        points, triangles = (
            self.tables.ragged(kind, _MESH).take(chosen) for kind in (glia.MESH_POINTS, glia.MESH_TRIANGLES)
        )
        corners = triangles.values.astype(np.int64) + points.offsets[:-1][triangles.owners][:, None]
        return SurfaceMesh(points.values.astype(float), corners)

    def targets(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return where endfeet are on the surface of vessels, in µm: ``endfoot_id``, ``x``, ``y``, ``z``.

        Parameters
        ----------
        ids
            Endfeet; all by default.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:endfeet", "endfoot_id", ids, ("endfoot_id", "x", "y", "z"))

    def path_lengths(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Compute the length of the perivascular process of endfeet: along the tree, from its first point to the end of its section.

        Trees begin at the surface of the soma, so a straight process is shorter than the distance by the soma's radius.

        Parameters
        ----------
        ids
            Endfeet; all by default.

        Returns
        -------
        One endfoot a row: ``endfoot_id``, ``astrocyte_id``, ``path_length`` and ``distance`` (from the centre of the soma as the crow
        flies), in µm. Endfeet of astrocytes without a tree have no row.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet, or no trees.
        InputError
            *ids* are not whole numbers.
        """
        from .trees import section_sizes

        feet = self.rows(ids)[["endfoot_id", "astrocyte_id", "section_id", "x", "y", "z"]]
        cells = self.tables.table("astrocytes").to_arrow(["node_id", "morphology", "x", "y", "z"]).to_pandas()
        sections = section_sizes(self.tables)[["morphology", "section_id", "path_end"]]
        found = feet.merge(cells, left_on="astrocyte_id", right_on="node_id", suffixes=("", "_soma"))
        found = found.dropna(subset="section_id").astype({"section_id": "int64"})
        found = found.merge(sections, on=["morphology", "section_id"])
        gap = found[["x", "y", "z"]].to_numpy(float) - found[["x_soma", "y_soma", "z_soma"]].to_numpy(float)
        found["distance"] = np.linalg.norm(gap, axis=1)
        found = found.rename(columns={"path_end": "path_length"}).sort_values("endfoot_id", ignore_index=True)
        return found[["endfoot_id", "astrocyte_id", "path_length", "distance"]]
