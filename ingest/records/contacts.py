"""What electrodes record of each cell of a network: reports of SONATA's type ``lfp``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...kernels.lfp import signal_in_order
from ...lake import Transaction
from ...lake.errors import InputError
from ...mechanisms.network.attached import FrameColumns
from ...mechanisms.network.cells import Ids, NetworkCell
from ...mechanisms.network.ranks import Ranks
from ...mechanisms.trial.recording import CURRENT
from ..lfp.online import NodeWeights
from .requests import RecordRequest
from .traces import ReportPart, ReportRecord


class ContactsOfCells(ReportRecord):
    """Observes membrane currents of cells, and keeps what electrodes record of each cell: weights times currents, summed over its segments.

    Parameters
    ----------
    request, population, cells, ranks, dt, shift, told
        As of `ReportRecord`.
    weights
        Of the electrodes; they have all cells.
    """

    def __init__(
        self,
        request: RecordRequest,
        population: str,
        cells: Mapping[int, int],
        ranks: Ranks,
        dt: float,
        shift: float,
        weights: NodeWeights,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(request, population, cells, ranks, dt, shift, {"type": "lfp", **(told or {})})
        self._weights = weights
        self._factors = np.empty((len(weights.columns), 0))
        self._groups = np.empty(0, np.intp)
        self._elements: tuple[Ids, Ids] = np.empty(0, np.int64), np.empty(0, np.int64)

    def places(self, cell: NetworkCell) -> tuple[()] | None:
        """Return that all segments of its cells are observed.

        Parameters
        ----------
        cell
            A cell of this rank.
        """
        return None if cell.gid in self._cells else ()

    def begin(self, columns: FrameColumns) -> None:
        """Read the weights of this rank's cells, and order those of all ranks.

        Parameters
        ----------
        columns
            Those of this rank.

        Raises
        ------
        InputError
            Weights are not of as many segments as a cell has; on all ranks.
        """
        gids, start, count = np.unique(columns.gid, return_index=True, return_counts=True)
        # Segments come cell by cell.
        order = np.argsort(start)
        gids, count = gids[order], count[order]
        nodes = self.nodes_of(gids)
        wrong = self._weights.wrong(dict(zip(nodes.tolist(), count.tolist(), strict=True)))
        if every := sorted({node for part in self._ranks.all(wrong) for node in part}):
            raise InputError(
                f"{self.request.told}: weights of {self.request.contacts} are not of as many segments as cells of {self.population} have: "
                f"{', '.join(map(str, every[:10]))} ({len(every)} in all)"
            )
        parts = [self._weights.of(node) for node in nodes.tolist()]
        wide = len(self._weights.columns)
        self._factors = np.concatenate([np.empty((0, wide)), *parts]).T
        self._groups = np.repeat(np.arange(len(gids)), count).astype(np.intp)
        own = np.repeat(gids, wide), np.tile(np.arange(wide), len(gids))
        gid, element = self._gathered(len(own[0]), own)
        self._elements = self.nodes_of(gid), element.astype(np.int64)

    def _values(self, frames: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        currents, cells = frames[CURRENT], int(self._groups.max(initial=-1)) + 1
        if not cells:
            return currents[:, :0]
        # Segment by segment in double precision, so that ranks change nothing.
        made = signal_in_order(self._factors, currents, self._groups, n_groups=cells)
        return made.reshape(len(made), -1).astype(np.float32)

    def store(self, transaction: Transaction, run: str, part: ReportPart) -> None:
        """Append what waited to the report, which is made with its elements if it is missing.

        Parameters
        ----------
        transaction
            Writes the nodes.
        run
            Name of the run.
        part
            What `taken` has returned.
        """
        node = self._append(
            transaction, run, part, self.request.unit or "mV", {"weights": self.request.contacts}
        )
        if node is not None:
            nodes, element = self._elements
            self._write_elements(transaction, node, nodes, element, pa.nulls(len(nodes), pa.float64()))
