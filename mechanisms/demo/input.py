"""The demo cell's network: which populations connect where, and how they fire, as simrun network parameters.

Presynaptic cells fire as Poisson processes with a mean ``interval``, and additionally, after a stimulus, with a
probability per bin (a ``PSTH``); every synapse lets each spike of its cell through with ``releaseProb``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cell.shapes import Shape
from .shape import demo_morphology

STIMULI = ("C2", "B1")
STIMULUS_MS = 100.0
SURROUND = 0.2
"""Evoked firing of a column whose own whisker is not the deflected one, relative to one whose whisker is."""

_KEY = (0x6E6575726F6C616B, 0)
_TUFT, _OBLIQUE, _TRUNK = "apical_tuft", "apical_oblique", "apical_trunk"
_BASAL, _SOMA = "dend", "soma"

_GLUTAMATE: dict[str, Any] = {
    "glutamate_syn": {
        "threshold": 0.0,
        "delay": 0.0,
        "weight": [1.25, 1.25],
        "parameter": {
            "tau1": 26.0,
            "tau2": 2.0,
            "tau3": 2.0,
            "tau4": 0.1,
            "decayampa": 1.0,
            "decaynmda": 1.0,
        },
    }
}
_GABA: dict[str, Any] = {
    "gaba_syn": {
        "threshold": 0.0,
        "delay": 0.0,
        "weight": 1.0,
        "parameter": {"decaytime": 20.0, "risetime": 1.0, "decaygaba": 1.0, "e": -80.0},
    }
}


@dataclass(frozen=True)
class DemoPopulation:
    """Presynaptic cells of one type in one cortical column.

    Attributes
    ----------
    celltype, column
        For example ``L4ss`` and ``C2``.
    cells, synapses_per_cell
        Sizes; synapse k belongs to cell ``k // synapses_per_cell``.
    domains
        What names of sections begin with where its synapses sit, as many per membrane area on each.
    interval
        Mean interval of background spikes in ms.
    evoked
        Bins (begin, end, probability) of evoked firing, ms after the stimulus.
    inhibitory
        Whether its transmitter is GABA, released with probability 0.25; glutamate with 0.6 otherwise.
    """

    celltype: str
    column: str
    cells: int
    synapses_per_cell: int
    domains: tuple[str, ...]
    interval: float
    evoked: tuple[tuple[float, float, float], ...]
    inhibitory: bool = False

    @property
    def name(self) -> str:
        """``<celltype>_<column>``, the synapse type of simrun results."""
        return f"{self.celltype}_{self.column}"

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return self.cells * self.synapses_per_cell

    def evoked_by(self, whisker: str) -> list[float]:
        """Return the probability of a spike in each bin when a whisker is deflected.

        Parameters
        ----------
        whisker
            Name of the whisker, such as ``C2``.
        """
        gain = 1.0 if self.column == whisker else SURROUND
        return [gain * p for _, _, p in self.evoked]


def _volley(latency: float, *probabilities: float) -> tuple[tuple[float, float, float], ...]:
    """Evoked firing in bins of 5 ms from *latency* on."""
    return tuple((latency + 5 * k, latency + 5 * k + 5, p) for k, p in enumerate(probabilities))


POPULATIONS = (
    DemoPopulation("L1", "C2", 20, 6, (_TUFT,), 160.0, _volley(9, 0.05, 0.1, 0.05), inhibitory=True),
    DemoPopulation("L2", "C2", 40, 5, (_TUFT, _OBLIQUE), 550.0, _volley(11, 0.03, 0.07, 0.07)),
    DemoPopulation("L4ss", "B1", 40, 5, (_BASAL,), 400.0, _volley(12, 0.03, 0.08, 0.08, 0.05)),
    DemoPopulation("L4ss", "C2", 60, 5, (_BASAL, _OBLIQUE), 400.0, _volley(8, 0.07, 0.18, 0.14)),
    DemoPopulation("L5tt", "B1", 30, 6, (_BASAL, _TRUNK), 220.0, _volley(14, 0.03, 0.06, 0.08)),
    DemoPopulation("L5tt", "C2", 40, 6, (_BASAL, _TRUNK), 220.0, _volley(9, 0.07, 0.1, 0.07)),
    DemoPopulation("L6cc", "D2", 40, 5, (_BASAL,), 320.0, _volley(8, 0.1, 0.14, 0.07)),
    DemoPopulation("SymLocal1", "B1", 16, 8, (_SOMA, _BASAL), 140.0, _volley(14, 0.15, 0.2, 0.15), inhibitory=True),
    DemoPopulation("SymLocal1", "C2", 24, 8, (_SOMA, _BASAL), 140.0, _volley(10, 0.2, 0.3, 0.2), inhibitory=True),
    DemoPopulation("VPM", "B1", 20, 6, (_BASAL, _TRUNK), 500.0, _volley(9, 0.08, 0.14, 0.05)),
    DemoPopulation("VPM", "C2", 30, 6, (_BASAL, _TRUNK), 500.0, _volley(6, 0.18, 0.25, 0.1)),
)  # fmt: skip
"""In alphabetical order, the order of simrun's tables."""


@dataclass(frozen=True)
class Wiring:
    """Places of synapses and the cells that drive them; one row per synapse, populations one after the other.

    Attributes
    ----------
    population
        Index into `POPULATIONS`, int64.
    synapse_id, cell_id
        Running numbers within the population, int64.
    section_id
        Section, int64.
    x
        Relative position on it, float64.
    """

    population: NDArray[np.int64]
    synapse_id: NDArray[np.int64]
    cell_id: NDArray[np.int64]
    section_id: NDArray[np.int64]
    x: NDArray[np.float64]


@cache
def demo_wiring() -> Wiring:
    """Return the demo cell's one wiring diagram, the same for every stimulus, seed and trial."""
    rng = np.random.Generator(np.random.Philox(key=np.array(_KEY, np.uint64)))
    shapes = demo_morphology().shapes
    areas = np.array([_area(shape) for shape in shapes])
    sections = []
    for kind in POPULATIONS:
        share = areas * [shape.name.startswith(kind.domains) for shape in shapes]
        sections.append(rng.choice(len(shapes), kind.synapses, p=share / share.sum()))
    synapse = np.concatenate([np.arange(kind.synapses) for kind in POPULATIONS])
    sizes = [kind.synapses for kind in POPULATIONS]
    fan_out = np.repeat([kind.synapses_per_cell for kind in POPULATIONS], sizes)
    return Wiring(
        population=np.repeat(np.arange(len(POPULATIONS)), sizes),
        synapse_id=synapse,
        cell_id=synapse // fan_out,
        section_id=np.concatenate(sections),
        x=rng.random(len(synapse)),
    )


def _area(shape: Shape) -> float:
    steps = np.linalg.norm(np.diff(shape.points[:, :3], axis=0), axis=1)
    return float(np.pi * steps.sum() * shape.points[:, 3].mean())


def network_parameters(whisker: str, *, synapse_file: str, connection_file: str) -> dict[str, Any]:
    """Return the network as a simrun network parameter tree, for a deflection of a whisker at `STIMULUS_MS`.

    Parameters
    ----------
    whisker
        Name of the whisker, such as ``C2``.
    synapse_file, connection_file
        Paths of the ``.syn`` and the ``.con`` file.
    """
    network = {
        kind.name: {
            "celltype": {
                "spiketrain": {"interval": kind.interval},
                "pointcell": {
                    "distribution": "PSTH",
                    "offset": STIMULUS_MS,
                    "intervals": [[begin, end] for begin, end, _ in kind.evoked],
                    "probabilities": kind.evoked_by(whisker),
                },
            },
            "cellNr": kind.cells,
            "synapses": {
                "releaseProb": 0.25 if kind.inhibitory else 0.6,
                "distributionFile": synapse_file,
                "connectionFile": connection_file,
                "receptors": _GABA if kind.inhibitory else _GLUTAMATE,
            },
        }
        for kind in POPULATIONS
    }
    return {
        "info": {"name": f"demo_{whisker}", "author": "neurolake", "date": "2026"},
        "NMODL_mechanisms": {},
        "network": network,
    }
