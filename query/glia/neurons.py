"""Neurons of a circuit of glia: which astrocytes cover their synapses, and which vessels these reach."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...catalog.joins import branches
from ...catalog.schema import identifier
from ...catalog.vocabulary import circuits
from ...lake.errors import NotFoundError
from ..base import Table
from .asking import GliaTables, among
from .syncytium import Syncytium


@dataclass(frozen=True)
class CoveredNeurons:
    """The neurons of a circuit, which may be those of another.

    Parameters
    ----------
    tables
        The circuit.
    """

    tables: GliaTables

    def __repr__(self) -> str:
        count = f"{len(self):,}" if self.tables.has("neurons") else "not in the lake"
        return f"<CoveredNeurons of {self.tables.circuit!r}: {count}>"

    def __len__(self) -> int:
        return self.table.rows

    @property
    def table(self) -> Table:
        """The neurons, one a row."""
        return self.tables.table("neurons")

    def synapses(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the synapses of neurons that are in domains.

        Parameters
        ----------
        ids
            Neurons after the synapse; all by default.

        Returns
        -------
        One synapse and astrocyte a row, sorted by ``post_id``: columns of the view ``glia/….tripartite``.

        Raises
        ------
        NotFoundError
            The circuit has no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.rows("view:tripartite", "post_id", ids, order=("post_id", "edge_id"))

    def astrocytes(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the astrocytes whose domains have synapses of neurons.

        Parameters
        ----------
        ids
            Neurons; all by default.

        Returns
        -------
        One pair a row: ``neuron_id``, ``astrocyte_id`` and ``synapses``, how many.

        Raises
        ------
        NotFoundError
            The circuit has no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            select target_node_id as neuron_id, source_node_id as astrocyte_id, count(*) as synapses
            from {self.tables.sql_name("neuroglial")} where {among("target_node_id", ids)} group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def vessels(self, ids: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Return the segments of vessels on which those astrocytes have endfeet.

        Parameters
        ----------
        ids
            Neurons; all by default.

        Returns
        -------
        One pair a row: ``neuron_id``, ``vessel_id``, and ``synapses``, how many in the domains of astrocytes with endfeet there.

        Raises
        ------
        NotFoundError
            The circuit has no endfeet, or no synapses in domains.
        InputError
            *ids* are not whole numbers.
        """
        return self.tables.frame(
            f"""
            with covered as (
                select target_node_id as neuron_id, source_node_id as astrocyte_id, count(*) as synapses
                from {self.tables.sql_name("neuroglial")} where {among("target_node_id", ids)} group by 1, 2
            ), touching as (select distinct vessel_id, astrocyte_id from {self.tables.sql_name("view:endfeet")})
            select neuron_id, vessel_id, sum(synapses)::bigint as synapses
            from covered join touching using (astrocyte_id) group by 1, 2 order by 1, 2
            """,
            ids,
        )

    def path_to_vessel(self, neuron_id: int) -> pd.DataFrame:
        """Return a shortest way from a neuron to a vessel: over a synapse, gap junctions, and an endfoot.

        Parameters
        ----------
        neuron_id
            The neuron.

        Returns
        -------
        One step a row: ``part`` (neurons, astrocytes or vasculature), ``node_id``, and ``edge_id``, the synapse in a domain, gap
        junction or endfoot that leads there (missing for the first). No row if no vessel can be reached. Of equally short ways
        it is one over the lowest numbers.

        Raises
        ------
        NotFoundError
            There is no such neuron; or the circuit has no endfeet, or no synapses in domains.
        """
        if "neurons" in self.tables.parts and not 0 <= neuron_id < len(self):
            raise NotFoundError(f"there is no neuron {neuron_id}; there are 0 to {len(self) - 1}")
        near = self.astrocytes([neuron_id])["astrocyte_id"].to_numpy()
        feet = self.tables.frame(
            f"""
            select astrocyte_id, min(endfoot_id)::bigint as endfoot_id, arg_min(vessel_id, endfoot_id) as vessel_id
            from {self.tables.sql_name("view:endfeet")} group by 1 order by 1
            """
        ).set_index("astrocyte_id")
        direct = near[np.isin(near, feet.index)]
        way = direct[:1]
        if not len(way) and len(near) and self.tables.has("glialglial", "astrocytes"):
            way = Syncytium(self.tables).path(near, feet.index.to_numpy())
        if not len(way):
            return _steps([])
        first = self.tables.frame(
            f"""
            select min(edge_id) as edge_id from {self.tables.sql_name("neuroglial")}
            where target_node_id = $neuron and source_node_id = $astrocyte
            """,
            None,
            {"neuron": int(neuron_id), "astrocyte": int(way[0])},
        )
        steps = [
            ("neurons", int(neuron_id), None),
            ("astrocytes", int(way[0]), int(first["edge_id"].to_numpy()[0])),
        ]
        for one, other in zip(way[:-1].tolist(), way[1:].tolist(), strict=True):
            crossed = self.tables.frame(
                f"""
                select min(edge_id) as edge_id from {self.tables.sql_name("view:gap_junctions")}
                where astrocyte_id = $one and other_id = $other
                """,
                None,
                {"one": one, "other": other},
            )
            steps.append(("astrocytes", other, int(crossed["edge_id"].to_numpy()[0])))
        last = feet[feet.index == way[-1]].to_numpy(np.int64)[0]
        return _steps([*steps, ("vasculature", int(last[1]), int(last[0]))])


def _steps(rows: list[tuple[str, int, int | None]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["part", "node_id", "edge_id"]).astype(
        {"node_id": "int64", "edge_id": "Int64"}
    )


def neurites(tables: GliaTables) -> pd.DataFrame:
    """Return middle and size of the segments of neurons' trees; none if the neurons have no trees in the lake.

    Parameters
    ----------
    tables
        The circuit.

    Returns
    -------
    One segment of a neuron a row: ``x``, ``y``, ``z`` (µm), ``length`` (µm), ``area`` (µm²) and ``volume`` (µm³).
    """
    columns = ("x", "y", "z", "length", "area", "volume")
    none = pd.DataFrame({name: np.empty(0) for name in columns})
    if not tables.has("neurons"):
        return none
    cells = tables.table("neurons")
    parts = circuits.NODES.parts(cells.name) or {}
    trees = [kind.of(circuit=parts.get("circuit", "")) for kind in (circuits.SECTIONS, circuits.POINTS)]
    if not {"morphology", "x", "y", "z"} <= set(cells.columns) or any(
        name not in tables.snapshot.tables for name in trees
    ):
        return none
    query = branches(identifier(trees[0]), identifier(trees[1]), identifier(cells.name), "type <> 1")
    return tables.frame(f"select {', '.join(columns)} from ({query})")
