"""Synaptic input of the demo cell: who connects where, and when they fire.

Definitions are those of simrun's network parameters: presynaptic cells fire as Poisson processes with a mean
``interval``, and additionally, after a stimulus, with a probability per bin (a ``PSTH``); every synapse then
lets each spike of its cell through with ``releaseProb``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .demo_shape import demo_branches, soma_distance

STIMULUS_MS = 100.0
SURROUND = 0.2
"""Evoked firing of a column whose own whisker is not the deflected one, relative to one whose whisker is."""

TUFT, OBLIQUE, TRUNK, SOMA = (4, 5), (2,), (1, 3), (0,)
BASAL = tuple(range(6, 14))
WIRING_KEY = (0x6E6575726F6C616B, 0)


@dataclass(frozen=True)
class Receptor:
    """Parameters of an ``Exp2Syn``: time constants in ms, reversal potential in mV, weight in uS."""

    tau1: float
    tau2: float
    e: float
    weight: float


@dataclass(frozen=True)
class Population:
    """Presynaptic cells of one type in one cortical column.

    Attributes
    ----------
    celltype, column
        For example ``L4ss`` and ``C2``.
    cells, synapses_per_cell
        Sizes; synapse k belongs to cell ``k // synapses_per_cell``.
    branches
        Indices of the branches where its synapses sit, as many per membrane area on each.
    receptor
        The postsynaptic conductance.
    release_probability
        Probability that a synapse passes a spike on.
    interval
        Mean interval of background spikes in ms.
    evoked
        Bins (begin, end, probability) of evoked firing, ms after the stimulus.
    """

    celltype: str
    column: str
    cells: int
    synapses_per_cell: int
    branches: tuple[int, ...]
    receptor: Receptor
    release_probability: float
    interval: float
    evoked: tuple[tuple[float, float, float], ...]

    @property
    def name(self) -> str:
        """``<celltype>_<column>``, the synapse type of simrun results."""
        return f"{self.celltype}_{self.column}"

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return self.cells * self.synapses_per_cell

    def evoked_by(self, whisker: str) -> tuple[tuple[float, float, float], ...]:
        """Bins of evoked firing when *whisker* is deflected."""
        gain = 1.0 if self.column == whisker else SURROUND
        return tuple((begin, end, gain * p) for begin, end, p in self.evoked)


EXCITATORY = Receptor(tau1=0.3, tau2=3.0, e=0.0, weight=0.0007)
INHIBITORY = Receptor(tau1=1.0, tau2=10.0, e=-80.0, weight=0.0010)


def _volley(latency: float, *probabilities: float) -> tuple[tuple[float, float, float], ...]:
    """Evoked firing in bins of 5 ms from *latency* on."""
    return tuple((latency + 5 * k, latency + 5 * k + 5, p) for k, p in enumerate(probabilities))


POPULATIONS = (
    Population("L1", "C2", 8, 4, TUFT, INHIBITORY, 0.25, 160.0, _volley(9, 0.05, 0.1, 0.05)),
    Population("L2", "C2", 14, 3, (*TUFT, *OBLIQUE), EXCITATORY, 0.6, 360.0, _volley(11, 0.03, 0.07, 0.07)),
    Population("L4ss", "B1", 12, 3, BASAL, EXCITATORY, 0.6, 200.0, _volley(12, 0.03, 0.08, 0.08, 0.05)),
    Population("L4ss", "C2", 18, 3, (*BASAL, *OBLIQUE), EXCITATORY, 0.6, 200.0, _volley(8, 0.07, 0.18, 0.14)),
    Population("L5tt", "B1", 10, 4, (*BASAL, *TRUNK), EXCITATORY, 0.6, 100.0, _volley(14, 0.03, 0.06, 0.08)),
    Population("L5tt", "C2", 14, 4, (*BASAL, *TRUNK), EXCITATORY, 0.6, 100.0, _volley(9, 0.07, 0.1, 0.07)),
    Population("L6cc", "D2", 12, 3, BASAL, EXCITATORY, 0.6, 120.0, _volley(8, 0.1, 0.14, 0.07)),
    Population(
        "SymLocal1", "B1", 6, 6, (*SOMA, *BASAL), INHIBITORY, 0.25, 55.0, _volley(14, 0.15, 0.2, 0.15)
    ),
    Population("SymLocal1", "C2", 8, 6, (*SOMA, *BASAL), INHIBITORY, 0.25, 55.0, _volley(10, 0.2, 0.3, 0.2)),
    Population("VPM", "B1", 8, 4, (*BASAL, *TRUNK), EXCITATORY, 0.6, 240.0, _volley(9, 0.08, 0.14, 0.05)),
    Population("VPM", "C2", 12, 4, (*BASAL, *TRUNK), EXCITATORY, 0.6, 240.0, _volley(6, 0.18, 0.25, 0.1)),
)
"""In alphabetical order, the order of simrun's tables."""


@dataclass(frozen=True)
class Embedding:
    """Where synapses sit; one row per synapse, populations one after the other.

    Attributes
    ----------
    population
        Index into `POPULATIONS`, int64.
    synapse_id, cell_id
        Running numbers within the population, int64.
    section_id, section_pt_id
        Branch, and its 3-D point nearest to the synapse, int64.
    x
        Relative position on the branch, float64.
    soma_distance
        Path length to the soma in um, float64.
    """

    population: NDArray[np.int64]
    synapse_id: NDArray[np.int64]
    cell_id: NDArray[np.int64]
    section_id: NDArray[np.int64]
    section_pt_id: NDArray[np.int64]
    x: NDArray[np.float64]
    soma_distance: NDArray[np.float64]


@cache
def demo_embedding() -> Embedding:
    """The demo cell's one wiring diagram, the same for every stimulus, seed and trial."""
    rng, branches = _generator(*WIRING_KEY), demo_branches()
    sections, positions = [], []
    for kind in POPULATIONS:
        share = np.array([branches[b].area for b in kind.branches])
        sections.append(rng.choice(kind.branches, kind.synapses, p=share / share.sum()))
        positions.append(rng.random(kind.synapses))
    section, x = np.concatenate(sections), np.concatenate(positions)
    places = list(zip(section.tolist(), x.tolist(), strict=True))
    synapse = np.concatenate([np.arange(kind.synapses) for kind in POPULATIONS])
    fan_out = np.concatenate([np.full(kind.synapses, kind.synapses_per_cell) for kind in POPULATIONS])
    return Embedding(
        population=np.repeat(np.arange(len(POPULATIONS)), [kind.synapses for kind in POPULATIONS]),
        synapse_id=synapse,
        cell_id=synapse // fan_out,
        section_id=section,
        section_pt_id=np.array([branches[b].nearest_point(at) for b, at in places]),
        x=x,
        soma_distance=np.array([soma_distance(branches, b, at) for b, at in places]),
    )


@dataclass(frozen=True)
class Input:
    """The input of one trial.

    Attributes
    ----------
    spike_population, spike_cell, spike_time
        One row per presynaptic spike (index into `POPULATIONS`, cell ID, ms), ordered by these three.
    synapse, activation_time
        One row per activation of a synapse (row of the `Embedding`, ms), ordered by both.
    """

    spike_population: NDArray[np.int64]
    spike_cell: NDArray[np.int64]
    spike_time: NDArray[np.float64]
    synapse: NDArray[np.int64]
    activation_time: NDArray[np.float64]


def demo_input(whisker: str, seed: int, trial: int, t_stop: float) -> Input:
    """Draw the input of one trial: a pure function of its arguments.

    Parameters
    ----------
    whisker
        The deflected whisker; columns of this name respond fully, others by `SURROUND`.
    seed, trial
        The key of the counter-based generator (Philox), each in ``[0, 2**64)``.
    t_stop
        End of the trial in ms: spikes at ``0 <= t < t_stop``.
    """
    rng = _generator(seed, trial)
    spikes, activations, first_synapse = [], [], 0
    for number, population in enumerate(POPULATIONS):
        cell, time = _spikes(rng, population, whisker, t_stop)
        spikes.append((np.full(len(cell), number), cell, time))
        synapse, released = _released(rng, population, cell, time)
        activations.append((synapse + first_synapse, released))
        first_synapse += population.synapses
    columns = [
        np.concatenate(column) for column in (*zip(*spikes, strict=True), *zip(*activations, strict=True))
    ]
    return Input(*columns)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))


def _spikes(
    rng: np.random.Generator, population: Population, whisker: str, t_stop: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    background = np.repeat(
        np.arange(population.cells), rng.poisson(t_stop / population.interval, population.cells)
    )
    bins = np.array(population.evoked_by(whisker))
    evoked, which = np.nonzero(rng.random((population.cells, len(bins))) < bins[:, 2])
    cell = np.concatenate([background, evoked])
    time = np.concatenate(
        [
            rng.uniform(0.0, t_stop, len(background)),
            STIMULUS_MS + rng.uniform(bins[which, 0], bins[which, 1]),
        ]
    )
    order = np.lexsort((time, cell))
    order = order[time[order] < t_stop]
    return cell[order], time[order]


def _released(
    rng: np.random.Generator, population: Population, cell: NDArray[np.int64], time: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    passed = rng.random((len(cell), population.synapses_per_cell)) < population.release_probability
    spike, branch = np.nonzero(passed)
    synapse = cell[spike] * population.synapses_per_cell + branch
    order = np.lexsort((time[spike], synapse))
    return synapse[order], time[spike][order]


def network_parameters(whisker: str, *, synapse_file: str, connection_file: str) -> dict[str, Any]:
    """The network as a simrun network parameter tree (see `demo_input` for its meaning)."""
    network = {
        population.name: {
            "celltype": {
                "spiketrain": {"interval": population.interval},
                "pointcell": {
                    "distribution": "PSTH",
                    "offset": STIMULUS_MS,
                    "intervals": [[begin, end] for begin, end, _ in population.evoked],
                    "probabilities": [p for _, _, p in population.evoked_by(whisker)],
                },
            },
            "cellNr": population.cells,
            "synapses": {
                "releaseProb": population.release_probability,
                "distributionFile": synapse_file,
                "connectionFile": connection_file,
                "receptors": {"Exp2Syn": _receptor(population.receptor)},
            },
        }
        for population in POPULATIONS
    }
    return {
        "info": {"name": f"demo_{whisker}", "author": "neurolake", "date": "2026"},
        "NMODL_mechanisms": {},
        "network": network,
    }


def _receptor(receptor: Receptor) -> dict[str, Any]:
    return {
        "threshold": 0.0,
        "delay": 0.0,
        "weight": receptor.weight,
        "parameter": {"tau1": receptor.tau1, "tau2": receptor.tau2, "e": receptor.e},
    }
