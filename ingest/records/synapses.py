"""What a network run records of synapses: a variable of the point processes at them, each for itself or summed by section or cell."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...catalog.vocabulary import reports as report_kinds
from ...lake import Transaction
from ...mechanisms.network.attached import FrameColumns, SynapseColumns
from ...mechanisms.network.cells import Ids, NetworkCell
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.network.wiring import MadeSynapses
from .requests import CELL, RecordRequest
from .traces import ReportPart, ReportRecord


class SynapseRecord(ReportRecord):
    """Observes one variable of point processes at the synapses of one population's cells.

    A column is a point process, or the sum over those of one mechanism on one section, or over those of a cell. Edges that share a point process share the
    column; the table ``.synapses`` names all of them.

    Parameters
    ----------
    request, population, cells, ranks, dt, shift, told
        As of `ReportRecord`.
    number
        Number of this record among those that edges know (`Connections.observed`).
    source_ids
        Population and number of each cell that edges may come from, by gid.
    units
        Unit of the variable; None where it is not known.

    Attributes
    ----------
    columns
        What the columns are, on rank 0, in the order of gids; of sums, the first of each.
    """

    def __init__(
        self,
        request: RecordRequest,
        population: str,
        cells: Mapping[int, int],
        ranks: Ranks,
        dt: float,
        shift: float,
        number: int,
        source_ids: Mapping[int, tuple[str, int]],
        units: str | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        told = {"type": "synapse", "sections": "all", **(told or {})}
        super().__init__(request, population, cells, ranks, dt, shift, told)
        self._number, self._sources = number, source_ids
        self._units = units
        self._groups: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def places(self, cell: NetworkCell) -> tuple[()]:
        """Return nothing: no segments are recorded.

        Parameters
        ----------
        cell
            A cell of this rank.
        """
        return ()

    def edges(self, made: MadeSynapses) -> NDArray[np.bool_]:
        """Return which synapses are recorded, bool[n_edges].

        Parameters
        ----------
        made
            Synapses of this rank.
        """
        observed = made.edges.observed
        assert observed is not None, "nothing else is kept"
        own: NDArray[np.bool_] = observed[self._number] & np.isin(made.edges.target, list(self._cells))
        return own

    def begin(self, columns: FrameColumns) -> None:
        """Group the columns of this rank if they are summed, and order those of all ranks by their cells.

        Parameters
        ----------
        columns
            Those of this rank.
        """
        assert isinstance(columns, SynapseColumns), "it is a SynapseObserver"
        column = columns.column
        chosen = np.arange(len(columns))
        if self.request.summed:
            keys: list[NDArray[Any]] = [columns.gid]
            if self.request.summed != CELL:
                keys = [np.unique(columns.label, return_inverse=True)[1], columns.section, *keys]
            order = np.lexsort(keys)
            new = np.ones(len(order), bool)
            if len(order):
                new[1:] = np.any([np.diff(key[order]) != 0 for key in keys], axis=0)
            starts = np.flatnonzero(new)
            group = np.empty(len(order), np.int64)
            group[order] = np.cumsum(new) - 1
            self._groups, chosen, column = (order, starts), order[starts], group[column]
        own = [
            getattr(columns, name)[chosen] for name in ("gid", "section", "segment", "x", "number", "label")
        ]
        found = self._gathered(len(chosen), own)
        # A column's place among those of all ranks is known on rank 0 alone.
        place = np.empty(len(self._order), np.int64)
        place[self._order] = np.arange(len(self._order))
        told = self._ranks.gather((len(chosen), column, columns.edge, columns.source))
        first = np.cumsum([0, *(count for count, *_ in told)])
        empty = [np.empty(0, np.int64)]
        at = np.concatenate(
            [*empty, *(place[part[1] + start] for part, start in zip(told, first, strict=False))]
        )
        edge, source = (np.concatenate([*empty, *(part[key] for part in told)]) for key in (2, 3))
        rows = np.argsort(at, kind="stable")
        gid, section, segment, x, number, label = found
        self.columns = SynapseColumns(
            gid, section, segment, x, number, label, column=at[rows], edge=edge[rows], source=source[rows]
        )

    def _values(self, frames: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        values = super()._values(frames)
        if self._groups is None:
            return values
        order, starts = self._groups
        if not len(starts):
            return values[:, :0]
        # Of double precision, and always in the same order, so that ranks change nothing.
        found = np.add.reduceat(values[:, order], starts, axis=1, dtype=np.float64)
        return found.astype(np.float32)

    def store(self, transaction: Transaction, run: str, part: ReportPart) -> None:
        """Append what waited to the report, which is made with its elements and synapses if it is missing.

        Parameters
        ----------
        transaction
            Writes the nodes.
        run
            Name of the run.
        part
            What `taken` has returned.
        """
        node = self._append(transaction, run, part, self._units)
        if node is None:
            return
        columns, kind = self.columns, report_kinds.SYNAPSES
        nodes = self.nodes_of(columns.gid)
        summed = bool(self.request.summed)
        element: Ids = columns.section.astype(np.int64) if summed else columns.number
        if self.request.summed == CELL:
            element = np.zeros(len(nodes), np.int64)
        position = pa.nulls(len(nodes), pa.float64()) if summed else columns.x
        self._write_elements(transaction, node, nodes, element, position)
        at = columns.column
        sources = [self._sources.get(gid, (None, None)) for gid in columns.source.tolist()]
        rows = [
            at,
            nodes[at],
            columns.edge,
            columns.section[at].astype(np.int64),
            columns.segment[at].astype(np.int64),
            columns.label[at].astype(object),
            [name for name, _ in sources],
            [number for _, number in sources],
        ]
        transaction.write_table(kind.beside(node), pa.table(rows, kind.schema), doc=kind.doc)
