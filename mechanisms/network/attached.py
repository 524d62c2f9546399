"""What is attached to a network besides its synapses: clamps and fields before it runs, records while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..trial.recording import SegmentFrames
from .cells import Ids, NetworkCell, NetworkNode, Reals
from .wiring import MadeSynapses


@dataclass(frozen=True)
class Timing:
    """When and how a network is simulated.

    Attributes
    ----------
    t_stop, dt
        End and time step, in ms.
    v_init
        Membrane potential at the start, in mV.
    celsius
        Temperature.
    second_order
        NEURON's ``secondorder``: 0 implicit Euler, 2 Crank-Nicolson with currents at the time of the voltage.
    adjust_events
        NEURON's ``nrn_netrec_state_adjust``: what an event adds to a state of a synapse decays for the half step that it
        comes early.
    own_celsius
        Whether the temperature is that which templates have set in the end.
    values
        Values of variables that all instances of a mechanism share, by NEURON's names of them.
    """

    t_stop: float
    dt: float = 0.025
    v_init: float = -65.0
    celsius: float = 35.0
    second_order: int = 0
    adjust_events: bool = False
    own_celsius: bool = False
    values: Mapping[str, float] = field(default_factory=dict)


class Clamp(Protocol):
    """Something that acts on cells from outside: current and voltage clamps, extracellular fields."""

    @property
    def name(self) -> str:
        """Of the input."""

    @property
    def mechanisms(self) -> Sequence[str]:
        """Point processes and mechanisms that it needs, without those of NEURON itself."""

    @property
    def identity(self) -> str:
        """What decides what it does to cells, as a digest: a run goes on only with the same clamps."""

    def check(self, nodes: Mapping[int, NetworkNode], timing: Timing) -> Sequence[str]:
        """Return what hinders it, each in a sentence.

        Parameters
        ----------
        nodes
            All cells of the network by gid, on every rank.
        timing
            When the network is simulated.
        """

    def attach(self, cells: Mapping[int, NetworkCell], timing: Timing) -> Any:
        """Attach it to those of its cells that are there, and return what has to live as long as the network.

        It is called once, after all cells and synapses were made and before the initialisation.

        Parameters
        ----------
        cells
            The cells of this rank, by gid.
        timing
            When the network is simulated.
        """


@dataclass(frozen=True, eq=False)
class FrameColumns:
    """What the columns of frames are on one rank: segments, cell by cell, section by section, from the 0-end on.

    Attributes
    ----------
    gid
        The cell, int64[n].
    section
        Place of the section in `NetworkCell.sections`, int32[n].
    segment
        Number of the segment on its section, int32[n].
    x
        Relative position of its middle, float64[n].
    """

    gid: Ids
    section: NDArray[np.int32]
    segment: NDArray[np.int32]
    x: Reals

    def __len__(self) -> int:
        return len(self.gid)


@dataclass(frozen=True, eq=False)
class SynapseColumns(FrameColumns):
    """What the columns of a `SynapseObserver`'s frames are on one rank: point processes, cell by cell, as they were made.

    Attributes
    ----------
    number
        Number of the first synapse or edge that ends at it, int64[n].
    label
        What the configuration calls it, such as AMPA.
    column, edge, source
        One for each edge that ends at one of them: its column, the number of its synapse or edge, and the gid that it comes
        from, int64[n_edges].
    """

    number: Ids
    label: NDArray[np.str_]
    column: Ids
    edge: Ids
    source: Ids


class Observer(Protocol):
    """Takes variables of segments while the network runs, in blocks of time; on every rank, those of the rank's cells.

    Attributes
    ----------
    variables
        NEURON's range variables, such as ``v`` (mV) or ``i_membrane`` (nA).
    dt
        How far frames are apart in ms: a multiple of the time step.
    start, stop
        First and last time of frames in ms; *stop* may be after the end.
    """

    variables: Sequence[str]
    dt: float
    start: float
    stop: float

    def places(self, cell: NetworkCell) -> Sequence[tuple[int, float]] | None:
        """Return where a cell is observed: section and position; None for all segments, an empty list for not at all.

        Parameters
        ----------
        cell
            A cell of this rank that is not artificial.
        """

    def begin(self, columns: FrameColumns) -> None:
        """Take notice of what will be observed on this rank. All ranks call it at the same time.

        Parameters
        ----------
        columns
            What the columns of all blocks are.
        """

    def take(self, frames: SegmentFrames) -> None:
        """Take a block of frames, float32[n_frames, n_columns] by variable; the memory is used again afterwards.

        All ranks call it at the same time with the same number of frames, also those without any columns, so that
        ranks may add up or gather here.

        Parameters
        ----------
        frames
            Times and values.
        """

    def finish(self) -> None:
        """Take notice that there are no more frames."""


@runtime_checkable
class SynapseObserver(Observer, Protocol):
    """An observer of point processes at synapses: `variables` are theirs, and `begin` is told `SynapseColumns`."""

    def edges(self, made: MadeSynapses) -> NDArray[np.bool_]:
        """Return which synapses are observed, bool[n_edges]. A point process is observed if one of its edges is.

        Parameters
        ----------
        made
            Synapses of this rank, of one projection and kind.
        """
