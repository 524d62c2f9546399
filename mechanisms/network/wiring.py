"""What connects the cells of a network: synapses by edges, and gap junctions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cells import Ids, Reals


@dataclass(frozen=True)
class SynapseKind:
    """A point process that stands at synapses, with what all of them share.

    Attributes
    ----------
    mechanism
        Its name in NEURON, such as LinExp2Syn.
    label
        What the configuration calls it, such as AMPA; reports name it so.
    parameters
        Values of its variables by name.
    shared
        Whether events of several edges may go to one point process, where they end at the same segment with the same
        weights: right for synapses that sum linearly.
    """

    mechanism: str
    label: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    shared: bool = False


@dataclass(frozen=True, eq=False)
class Connections:
    """Edges of one projection that end at synapses of one kind, in the order in which they are made.

    Attributes
    ----------
    name
        Of the projection, for messages: ``PYR__PVBC``.
    kind
        What stands at the synapses; None where edges end at artificial cells themselves.
    source, target
        Gids, int64[n].
    section, position
        Where the synapse is: place of the section in `NetworkCell.sections`, int32[n], and relative position on it,
        float64[n]. Without meaning where edges end at artificial cells.
    delay
        In ms, float64[n].
    weights
        What each NetCon's weight vector begins with, float64[n, k].
    number
        Number of the synapse or edge, for reports and messages, int64[n].
    parameters
        Values of the point process's variables that edges have of their own, float64[n] by name; not where `kind.shared`.
    observed
        Which records take the synapse of each edge, bool[n_records, n]; None where none takes any.
    seed
        Key of what is random in synapses that have a procedure ``setRNG``, besides their cell and number; None where nothing is.
    minis
        Times of the spontaneous events of each synapse in ms, object[n] of float64 arrays; None where there are none.
    replays
        Times of events that come besides those of the sources, with delays and weights of the edges, in ms, object[n] of float64 arrays;
        None where there are none.
    later
        First weights from a time on, by that time in ms of the simulation, float64[n] each; spontaneous and replayed events keep theirs.
    """

    name: str
    kind: SynapseKind | None
    source: Ids
    target: Ids
    section: NDArray[np.int32]
    position: Reals
    delay: Reals
    weights: Reals
    number: Ids
    parameters: Mapping[str, Reals] = field(default_factory=dict)
    observed: NDArray[np.bool_] | None = None
    seed: int | None = None
    minis: NDArray[np.object_] | None = None
    replays: NDArray[np.object_] | None = None
    later: Mapping[float, Reals] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: NDArray[np.bool_] | Ids) -> "Connections":
        """Return some of the edges.

        Parameters
        ----------
        rows
            Which, as a mask or as numbers.
        """
        return replace(
            self,
            source=self.source[rows],
            target=self.target[rows],
            section=self.section[rows],
            position=self.position[rows],
            delay=self.delay[rows],
            weights=self.weights[rows],
            number=self.number[rows],
            parameters={name: values[rows] for name, values in self.parameters.items()},
            observed=None if self.observed is None else self.observed[:, rows],
            minis=None if self.minis is None else self.minis[rows],
            replays=None if self.replays is None else self.replays[rows],
            later={time: weights[rows] for time, weights in self.later.items()},
        )


@dataclass(frozen=True, eq=False)
class MadeSynapses:
    """Synapses of one projection and kind that were made on this rank and are to be observed.

    Attributes
    ----------
    edges
        Their edges.
    processes
        NEURON's point process of each edge; several may share one.
    """

    edges: Connections
    processes: Sequence[Any]


@dataclass(frozen=True, eq=False)
class GapJunctions:
    """Gap junctions of one projection: each is two places whose voltages pull each other.

    Attributes
    ----------
    name
        Of the projection.
    gid, section, position
        The two cells, and where on them: int64[n, 2], int32[n, 2], float64[n, 2].
    conductance
        Seen by either side, in µS, float64[n, 2].
    """

    name: str
    gid: Ids
    section: NDArray[np.int32]
    position: Reals
    conductance: Reals

    def __len__(self) -> int:
        return len(self.gid)


def fewest_weights(connections: Sequence[Connections]) -> dict[str, int]:
    """Return how many numbers the weights of each mechanism have, by its name.

    Parameters
    ----------
    connections
        Edges of some projections.
    """
    found: dict[str, int] = {}
    for each in connections:
        if each.kind is not None:
            found[each.kind.mechanism] = max(each.weights.shape[1], found.get(each.kind.mechanism, 0))
    return found
