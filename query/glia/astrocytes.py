"""Astrocytes: where they are, their domains, trees, endfeet, synapses and gap junctions, and whom these connect them to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.dataset as pds

from ...kernels.points.windows import Window, box_window, within
from ...lake.errors import InputError, NotFoundError
from ..base import Table
from .asking import GliaTables, among
from .atlas import CircuitAtlas
from .domains import AstrocyteDomains
from .patterns import PlacePattern
from .syncytium import Syncytium
from .trees import section_sizes, tree_segments

Reals = npt.NDArray[np.float64]
Frame = Literal["circuit", "own"]


@dataclass(frozen=True)
class Astrocytes:
    """The astrocytes of a circuit.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        return f"<Astrocytes of {self.tables.circuit!r}: {len(self):,}>"

    def __len__(self) -> int:
        return self.table.rows

    @property
    def table(self) -> Table:
        """The astrocytes, one a row."""
        return self.tables.table("astrocytes")

    @cached_property
    def domains(self) -> AstrocyteDomains:
        """Their domains, by the number of the astrocyte."""
        return AstrocyteDomains(self.tables)

    @cached_property
    def syncytium(self) -> Syncytium:
        """The graph of their gap junctions."""
        return Syncytium(self.tables)

    def rows(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return astrocytes with their attributes, one a row.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("astrocytes", "node_id", ids)

    def positions(self, ids: npt.ArrayLike | None = None) -> Reals:
        """Return the centres of somata in µm, float64[n, 3], by rising number of the astrocyte.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Raises
        ------
        InputError
            *ids* are not whole numbers.
        """
        found = self.tables.rows("astrocytes", "node_id", ids, ("x", "y", "z"), ("node_id",))
        return found.to_numpy(float)

    def pattern(self, volume: str | None = None) -> PlacePattern:
        """Return the places of somata for statistics: nearest neighbours, Ripley's K and L, pair correlation, densities by depth.

        Parameters
        ----------
        volume
            Volume of the atlas, such as ``brain_regions``, whose voxels that are not 0 are the window; by default the window is the
            box of the domains, which end at the walls of the region, or, without domains, of the somata.

        Raises
        ------
        NotFoundError
            There is no such volume.
        InputError
            The somata have no extent.
        """
        points = self.positions()
        window = self._box(points) if volume is None else CircuitAtlas(self.tables)[volume].window()
        held = within(window, points)
        return PlacePattern(points[held], window, int((~held).sum()))

    def _box(self, points: Reals) -> Window:
        low, high = points.min(axis=0, initial=np.inf), points.max(axis=0, initial=-np.inf)
        if self.tables.has("domains"):
            sizes = self.domains.sizes()
            corners = [sizes[[f"{end}_{axis}" for axis in "xyz"]].to_numpy(float) for end in ("min", "max")]
            low, high = np.minimum(low, corners[0].min(axis=0)), np.maximum(high, corners[1].max(axis=0))
        try:
            return box_window(low, high)
        except ValueError as error:
            raise InputError(f"astrocytes of {self.tables.circuit!r}: {error}") from error

    def endfeet(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the endfeet of astrocytes.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One endfoot a row, sorted by ``astrocyte_id``: columns of the view ``glia/….endfeet``.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:endfeet", "astrocyte_id", ids, order=("astrocyte_id", "endfoot_id"))

    def synapses(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the synapses in the domains of astrocytes.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One synapse and astrocyte a row, sorted by ``astrocyte_id``: columns of the view ``glia/….tripartite``.

        Raises
        ------
        NotFoundError
            The circuit has no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:tripartite", "astrocyte_id", ids, order=("astrocyte_id", "edge_id"))

    def gap_junctions(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the gap junctions of astrocytes; one that begins and one that ends at an astrocyte are both its own.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One gap junction and astrocyte a row, sorted by ``astrocyte_id``: columns of the view ``glia/….gap_junctions``.

        Raises
        ------
        NotFoundError
            The circuit has no gap junctions.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:gap_junctions", "astrocyte_id", ids, order=("astrocyte_id", "edge_id"))

    def astrocytes(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the astrocytes at the other ends of gap junctions.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One pair a row: ``astrocyte_id``, ``other_id`` and ``gap_junctions``, how many.

        Raises
        ------
        NotFoundError
            The circuit has no gap junctions.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select astrocyte_id, other_id, count(distinct edge_id) as gap_junctions
            from {self.tables.sql_name("view:gap_junctions")} where {among("astrocyte_id", ids)} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def neurons(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the neurons whose synapses are in the domains of astrocytes.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One pair a row: ``astrocyte_id``, ``neuron_id`` and ``synapses``, how many.

        Raises
        ------
        NotFoundError
            The circuit has no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select source_node_id as astrocyte_id, target_node_id as neuron_id, count(*) as synapses
            from {self.tables.sql_name("neuroglial")} where {among("source_node_id", ids)} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def vessels(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the segments of vessels that astrocytes have endfeet on.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One pair a row: ``astrocyte_id``, ``vessel_id`` and ``endfeet``, how many.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select astrocyte_id, vessel_id, count(*) as endfeet from {self.tables.sql_name("view:endfeet")}
            where {among("astrocyte_id", ids)} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def counts(self) -> pd.DataFrame:
        """Count the endfeet, synapses, neurons and gap junctions of each astrocyte, as far as the circuit has them.

        Returns
        -------
        One astrocyte a row: ``node_id``, ``endfeet``, ``synapses``, ``neurons`` and ``gap_junctions``.
        """
        counted = {
            "endfeet": ("gliovascular", "target_node_id", "count(*) as endfeet"),
            "synapses": (
                "neuroglial",
                "source_node_id",
                "count(*) as synapses, count(distinct target_node_id) as neurons",
            ),
            "gap_junctions": (
                "view:gap_junctions",
                "astrocyte_id",
                "count(distinct edge_id) as gap_junctions",
            ),
        }
        columns, joined = ["node_id"], self.tables.sql_name("astrocytes")
        for name, (part, by, said) in counted.items():
            if not self.tables.has("glialglial" if part.startswith("view:") else part):
                continue
            joined += (
                f" left join (select {by} as node_id, {said} from {self.tables.sql_name(part)} group by 1) as {name} "
                "using (node_id)"
            )
            names = ("synapses", "neurons") if name == "synapses" else (name,)
            columns += [f"coalesce({name}.{each}, 0) as {each}" for each in names]
        return self.tables.frame(f"select {', '.join(columns)} from {joined} order by 1")

    def sections(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the sections of astrocytes' trees with their sizes.

        Parameters
        ----------
        ids
            Astrocytes; all by default.

        Returns
        -------
        One section a row: ``node_id``, ``section_id``, ``parent_id`` (-1 at the root), ``type`` (1 soma, 2 perivascular, 3 perisynaptic),
        ``length`` (µm), ``area`` (µm²), ``volume`` (µm³), ``path_begin`` and ``path_end``, along the tree from the soma (µm).

        Raises
        ------
        NotFoundError
            The astrocytes have no trees.
        InputError
            *ids* are not whole numbers.
        """
        cells = self.tables.rows("astrocytes", "node_id", ids, ("node_id", "morphology"))
        sizes = section_sizes(
            self.tables, None if ids is None else cells["morphology"].dropna().unique().tolist()
        )
        found = cells.merge(sizes, on="morphology").drop(columns="morphology")
        return found.sort_values(["node_id", "section_id"], ignore_index=True)

    def morphology(self, node_id: int, *, frame: Frame = "circuit") -> pd.DataFrame:
        """Return the segments of an astrocyte's tree.

        Parameters
        ----------
        node_id
            The astrocyte.
        frame
            ``"circuit"``: where the cell is; ``"own"``: around its soma.

        Returns
        -------
        One segment a row: ``section_id``, ``type``, ``segment_id``, ``x0`` to ``z1`` (µm), ``length`` (µm), ``area`` (µm²), ``volume`` (µm³).

        Raises
        ------
        NotFoundError
            There is no such astrocyte, or it has no tree.
        InputError
            *frame* is neither of these.
        """
        if frame not in ("circuit", "own"):
            raise InputError(f"frame is 'circuit' or 'own', not {frame!r}")
        cells = self.table.to_arrow(where=pds.field("node_id") == int(node_id)).to_pylist()
        if not cells or cells[0].get("morphology") is None:
            raise NotFoundError(
                f"there is no astrocyte {node_id} with a tree; there are 0 to {len(self) - 1}"
            )
        found = tree_segments(self.tables, self.tables.circuit, [cells[0]["morphology"]])
        if not len(found):
            raise NotFoundError(f"the circuit has no tree {cells[0]['morphology']!r} of astrocyte {node_id}")
        if frame == "circuit":
            for axis in "xyz":
                found[[f"{axis}0", f"{axis}1", axis]] += float(cells[0][axis])
        return found.drop(columns="morphology")
