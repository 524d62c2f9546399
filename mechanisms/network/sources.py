"""Cells that replay spike trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .cells import NetworkCell, NetworkNode, Reals

VECTOR = "VecStim"
"""Our mechanism that sends events at the times of a vector."""


@dataclass(frozen=True)
class TrainSource:
    """The template of cells that replay spike trains: one event at each time of a cell's train.

    Attributes
    ----------
    trains
        Times in ms, ascending, by gid; cells without a train are silent.
    name
        What circuits call it.
    """

    trains: Mapping[int, Reals] = field(default_factory=dict)
    name: str = VECTOR
    artificial: bool = True
    mechanisms: Sequence[str] = (VECTOR,)

    def check(self, node: NetworkNode) -> Sequence[str]:
        """Return what is wrong with the train of a cell.

        Parameters
        ----------
        node
            The cell.
        """
        train = self.trains.get(node.gid)
        if train is None or (np.isfinite(train).all() and (np.diff(train) >= 0).all()):
            return ()
        return (f"the spike train of {node.population} {node.node_id} does not ascend",)

    def build(self, node: NetworkNode) -> NetworkCell:
        """Make a cell that replays its train; times before 0 are passed over.

        Parameters
        ----------
        node
            The cell.
        """
        from neuron import h

        source = h.VecStim()
        train = self.trains.get(node.gid)
        times = h.Vector(np.empty(0) if train is None else train)
        source.play(times)
        return NetworkCell(node.gid, process=source, held=times)
