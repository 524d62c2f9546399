"""The demo cell in NEURON: built-in mechanisms only, one trial a call.

A small pyramidal neuron (`demo_shape`) with the squid axon's channels (``hh``, Hodgkin & Huxley 1952) in soma and
apical dendrite receives Poisson input and, at 100 ms, a volley evoked by a whisker (`demo_input`). It stands in
for a real model in examples, tests and benchmarks: a trial takes a fraction of a second and needs no compiler.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .demo_input import POPULATIONS, Input, demo_embedding, demo_input
from .demo_shape import demo_branches, soma_distance

STIMULI = ("C2", "B1")
RECORDED_BRANCH, RECORDED_X = 3, 0.9
"""The dendritic recording site: the upper trunk, below the tuft."""

SIMULATION: dict[str, Any] = {"Vinit": -70.0, "tStart": 0.0, "tStop": 200.0, "dt": 0.025, "T": 12.0}
_IONS = {"ek": -80.0, "ena": 50.0}
BIOPHYSICS: dict[str, dict[str, Any]] = {
    "Soma": {
        "properties": {"Ra": 100.0, "cm": 1.0, "ions": _IONS},
        "mechanisms": {
            "global": {},
            "range": {
                "pas": {"spatial": "uniform", "g": 1e-4, "e": -72.0},
                "hh": {"spatial": "uniform", "gnabar": 0.4, "gkbar": 0.08, "gl": 1e-5, "el": -72.0},
            },
        },
    },
    "Dendrite": {
        "properties": {"Ra": 100.0, "cm": 1.0},
        "mechanisms": {"global": {}, "range": {"pas": {"spatial": "uniform", "g": 6e-5, "e": -72.0}}},
    },
    "ApicalDendrite": {
        "properties": {"Ra": 100.0, "cm": 1.0, "ions": _IONS},
        "mechanisms": {
            "global": {},
            "range": {
                "pas": {"spatial": "uniform", "g": 6e-5, "e": -72.0},
                "hh": {"spatial": "uniform", "gnabar": 0.02, "gkbar": 0.004, "gl": 1e-5, "el": -72.0},
            },
        },
    },
}
"""Passive and active properties per label, in the structure and units of simrun's cell parameters."""

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Trial:
    """What one trial yields, in the vocabulary of simrun results.

    Attributes
    ----------
    time
        Sample times in ms, float64[n_time], as NEURON accumulates them.
    soma_voltage, dendrite_voltage
        Membrane potential in mV at the middle of the soma and at `recording_site`, float64[n_time].
    synapses
        Table of synapse activations, one row each: ``synapse_type``, ``synapse_id``, ``soma_distance`` (um),
        ``section_id``, ``section_pt_id``, ``dendrite_label``, ``activation`` (0 for a synapse's first), ``time``
        (ms). Ordered by type, synapse, time.
    cells
        Table of presynaptic spikes, one row each: ``presynaptic_cell_type``, ``cell_id``, ``activation``
        (0 for a cell's first), ``time``. Ordered by type, cell, time.
    """

    time: NDArray[np.float64]
    soma_voltage: NDArray[np.float64]
    dendrite_voltage: NDArray[np.float64]
    synapses: Table
    cells: Table


@dataclass(frozen=True)
class RecordingSite:
    """Where the dendritic trace is recorded.

    Attributes
    ----------
    section, point
        The branch, and the 3-D point on it that marks the site.
    segment, x
        The compartment whose centre is nearest to that point, and the relative position of that centre.
    soma_distance
        Path length from the soma's 0-end to x in um: NEURON's distance, which the soma's half is part of.
    """

    section: int
    point: int
    segment: int
    x: float
    soma_distance: float


def recording_site() -> RecordingSite:
    """The compartment whose voltage is the dendritic trace."""
    branches = demo_branches()
    branch = branches[RECORDED_BRANCH]
    point = branch.nearest_point(RECORDED_X)
    segment = int(branch.path[point] / branch.length * branch.segments)
    x = (segment + 0.5) / branch.segments
    distance = branches[0].length / 2 + soma_distance(branches, RECORDED_BRANCH, x)
    return RecordingSite(RECORDED_BRANCH, point, segment, x, distance)


def cell_parameters(*, morphology: str, recording_sites: str) -> dict[str, Any]:
    """The model as a simrun cell parameter tree that refers to the two files named."""
    return {
        "info": {"name": "demo_cell", "author": "neurolake", "date": "2026"},
        "NMODL_mechanisms": {},
        "mech_globals": {},
        "neuron": {"filename": morphology, **BIOPHYSICS},
        "sim": {**SIMULATION, "recordingSites": [recording_sites]},
    }


class DemoCell:
    """The demo cell, built in this process's NEURON; runs any number of trials one after the other.

    NEURON simulates all cells of a process together and has one clock: keep to one `DemoCell` per process while
    others are being simulated.
    """

    def __init__(self) -> None:
        from neuron import h

        h.load_file("stdrun.hoc")
        self._h = h
        self.sections = _sections(h)
        # A point process lives as long as its Python object.
        self._synapses, self._connections = _synapses(h, self.sections)

    def trial(self, whisker: str, *, seed: int, trial: int, t_stop: float = SIMULATION["tStop"]) -> Trial:
        """Simulate one trial.

        Parameters
        ----------
        whisker
            The deflected whisker, one of `STIMULI`.
        seed, trial
            Key of all randomness: equal keys give bit-identical trials, in any order and process.
        t_stop
            End of the trial in ms.

        Returns
        -------
        Trial
            Traces from 0 to t_stop inclusive, activations and presynaptic spikes before t_stop.

        Raises
        ------
        ValueError
            If the whisker is none of `STIMULI`.
        """
        if whisker not in STIMULI:
            raise ValueError(f"whisker is {whisker!r}; expected one of {', '.join(STIMULI)}")
        drawn = demo_input(whisker, seed, trial, t_stop)
        time, soma, dendrite = self._simulate(drawn, t_stop)
        return Trial(time, soma, dendrite, _synapse_table(drawn), _cell_table(drawn))

    def _simulate(self, drawn: Input, t_stop: float) -> tuple[NDArray[np.float64], ...]:
        h, site = self._h, recording_site()
        places = (h._ref_t, self.sections[0](0.5)._ref_v, self.sections[site.section](site.x)._ref_v)
        records = [h.Vector().record(place) for place in places]
        h.celsius, h.dt, h.steps_per_ms = SIMULATION["T"], SIMULATION["dt"], 1 / SIMULATION["dt"]
        h.finitialize(SIMULATION["Vinit"])
        for synapse, time in zip(drawn.synapse.tolist(), drawn.activation_time.tolist(), strict=True):
            self._connections[synapse].event(time)
        h.continuerun(t_stop)
        return tuple(record.as_numpy().copy() for record in records)


def _sections(h: Any) -> list[Any]:
    sections: list[Any] = []
    for branch in demo_branches():
        section = h.Section(name=branch.name)
        for point in branch.points.tolist():
            section.pt3dadd(*point)
        section.nseg = branch.segments
        if branch.parent >= 0:
            section.connect(sections[branch.parent](0.5 if branch.parent == 0 else 1.0), 0.0)
        _equip(section, BIOPHYSICS[branch.label])
        sections.append(section)
    return sections


def _equip(section: Any, biophysics: dict[str, Any]) -> None:
    properties = biophysics["properties"]
    section.Ra, section.cm = properties["Ra"], properties["cm"]
    for mechanism, values in biophysics["mechanisms"]["range"].items():
        section.insert(mechanism)
        for name, value in values.items():
            if name != "spatial":
                setattr(section, f"{name}_{mechanism}", value)
    for name, value in properties.get("ions", {}).items():
        setattr(section, name, value)


def _synapses(h: Any, sections: list[Any]) -> tuple[list[Any], list[Any]]:
    """An Exp2Syn for each synapse, and a NetCon for each Exp2Syn."""
    embedding, synapses, connections = demo_embedding(), [], []
    for population, section, x in zip(embedding.population, embedding.section_id, embedding.x, strict=True):
        receptor = POPULATIONS[population].receptor
        synapse = h.Exp2Syn(sections[section](x))
        synapse.tau1, synapse.tau2, synapse.e = receptor.tau1, receptor.tau2, receptor.e
        connection = h.NetCon(None, synapse)
        connection.weight[0] = receptor.weight
        synapses.append(synapse)
        connections.append(connection)
    return synapses, connections


def _synapse_table(drawn: Input) -> Table:
    embedding, row = demo_embedding(), drawn.synapse
    section = embedding.section_id[row]
    return {
        "synapse_type": _names()[embedding.population[row]],
        "synapse_id": embedding.synapse_id[row],
        "soma_distance": embedding.soma_distance[row],
        "section_id": section,
        "section_pt_id": embedding.section_pt_id[row],
        "dendrite_label": np.array([branch.label for branch in demo_branches()])[section],
        "activation": _ordinal(row),
        "time": drawn.activation_time,
    }


def _cell_table(drawn: Input) -> Table:
    return {
        "presynaptic_cell_type": _names()[drawn.spike_population],
        "cell_id": drawn.spike_cell,
        "activation": _ordinal(drawn.spike_population, drawn.spike_cell),
        "time": drawn.spike_time,
    }


def _names() -> NDArray[np.str_]:
    return np.array([population.name for population in POPULATIONS])


def _ordinal(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each row within its run of equal keys."""
    changes = [key[1:] != key[:-1] for key in keys]
    starts = np.concatenate([[0], np.flatnonzero(np.logical_or.reduce(changes)) + 1])
    ordinal: NDArray[np.int64] = np.arange(len(keys[0]))
    ordinal -= np.repeat(starts, np.diff(starts, append=len(ordinal)))
    return ordinal
