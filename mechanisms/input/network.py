"""The synapses of a network on one cell in NEURON: point processes that given times activate.

Everything is checked when a `Network` is made, before anything is simulated. Only synapses that are activated in a
trial exist in it: a cell has tens of thousands, a trial uses a few thousand, and each costs time at every step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...kernels.draws import key_word, normal, stream, uniforms
from ..cell.sites import Branches
from ..errors import ModelError
from .populations import Population, Receptor

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]

SOURCE = "VecStim"
"""The artificial cell that plays given times."""


class Placed(Protocol):
    """Synapses with a place on the cell: a `connectivity.Embedding`, or `StoredSynapses`."""

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations."""

    @property
    def population(self) -> Integers:
        """Index into them, int64[n_synapses]."""

    @property
    def synapse_id(self) -> Integers:
        """Number within the population, int64[n_synapses]."""

    @property
    def section_id(self) -> Integers:
        """Section, int64[n_synapses]."""

    @property
    def section_pt_id(self) -> Integers:
        """3-D point of the section, int64[n_synapses]."""


@dataclass(frozen=True)
class StoredSynapses:
    """Synapses of stored activations: one for each row of a simrun file; attributes as in `Placed`."""

    populations: tuple[str, ...]
    population: Integers
    synapse_id: Integers
    section_id: Integers
    section_pt_id: Integers


def stored_synapses(table: Mapping[str, NDArray[Any]]) -> tuple[StoredSynapses, Integers, Reals]:
    """Synapses and activations of one trial from its table, to be played again with forced release.

    Parameters
    ----------
    table
        Columns ``synapse_type``, ``synapse_id``, ``section_id``, ``section_pt_id``, ``time`` (ms), one row per
        activation.

    Returns
    -------
    tuple
        The synapses, ordered by type, ID and place, and for `Network.connect` the rows of synapses (int64) and
        times in ms (float64).
    """
    names, population = np.unique(np.asarray(table["synapse_type"], str), return_inverse=True)
    columns = [np.asarray(table[name], np.int64) for name in ("synapse_id", "section_id", "section_pt_id")]
    rows, synapse = np.unique(np.column_stack([population, *columns]), axis=0, return_inverse=True)
    stored = StoredSynapses(tuple(names.tolist()), *(np.ascontiguousarray(column) for column in rows.T))
    return stored, synapse.astype(np.int64), np.asarray(table["time"], np.float64)


class Network:
    """Synapses of presynaptic populations on the sections of one cell.

    Parameters
    ----------
    sections
        The cell's NEURON sections, in the order of *cell*; further ones are left alone.
    cell
        Their geometry.
    synapses
        Where synapses sit, with section IDs that count *sections*.
    populations
        Parameters of each population by name.
    source
        Name of the mechanism that plays times.

    Raises
    ------
    ModelError
        A population without parameters; a receptor or source that NEURON does not have; a parameter that the
        receptor does not have; more weights than it takes; a section or point that the cell does not have.
    """

    def __init__(
        self,
        sections: Sequence[Any],
        cell: Branches,
        synapses: Placed,
        populations: Mapping[str, Population],
        *,
        source: str = SOURCE,
    ) -> None:
        from neuron import h

        missing = [name for name in synapses.populations if name not in populations]
        if missing:
            raise ModelError(f"populations with synapses but without parameters: {', '.join(missing)}")
        self._receptors = [populations[name].receptors for name in synapses.populations]
        _check_places(sections, cell, synapses)
        _check_mechanisms(h, source, {each for some in self._receptors for each in map(_frozen, some)})
        self.synapses = synapses
        self._sections = sections
        self._x = cell.relative[cell.first[synapses.section_id] + synapses.section_pt_id]
        self._source = getattr(h, source)
        self._h = h

    def connect(self, synapse: Integers, time: Reals, *, seed: int = 0, trial: int = 0) -> "list[Connection]":
        """Create the synapses that are activated in a trial, with sources that play their times.

        They live as long as the list that is returned; delete it before the next trial is connected.

        Parameters
        ----------
        synapse
            Row of the synapses for each activation, int64[n_activations].
        time
            Times in ms, float64[n_activations].
        seed, trial
            Key of weights that are drawn.
        """
        key = key_word(seed, "seed"), key_word(trial, "trial")
        order = np.lexsort((time, synapse))
        active, first = np.unique(synapse[order], return_index=True)
        times = np.split(time[order], first[1:])
        return [self._connection(int(row), at, key) for row, at in zip(active, times, strict=True)]

    def _connection(self, row: int, times: Reals, key: tuple[np.uint64, np.uint64]) -> "Connection":
        played = self._h.Vector(times)
        source = self._source()
        source.play(played)
        section = self._sections[self.synapses.section_id[row]]
        place = section(_inside(float(self._x[row]), section.nseg))
        population = int(self.synapses.population[row])
        processes, netcons = [], []
        for receptor in self._receptors[population]:
            process = getattr(self._h, receptor.mechanism)(place)
            for name, value in receptor.parameters.items():
                setattr(process, name, value)
            netcon = self._h.NetCon(source, process, receptor.threshold, receptor.delay, 0.0)
            for k, weight in enumerate(self._weights(receptor, row, population, key)):
                netcon.weight[k] = weight
            processes.append(process)
            netcons.append(netcon)
        return Connection(row, tuple(processes), tuple(netcons), (source, played))

    def _weights(
        self, receptor: Receptor, row: int, population: int, key: tuple[np.uint64, np.uint64]
    ) -> tuple[float, ...]:
        if not receptor.lognormal:
            return receptor.weights
        name = stream(f"weight/{receptor.mechanism}", self.synapses.populations[population])
        synapse = int(self.synapses.synapse_id[row])
        deviates = [normal(*uniforms(*key, name, synapse, k)) for k in range(len(receptor.weights))]
        return tuple(map(lognormal_weight, receptor.weights, deviates))


@dataclass(frozen=True)
class Connection:
    """One synapse in NEURON.

    Attributes
    ----------
    synapse
        Its row among the synapses.
    processes, netcons
        A point process for each receptor, and the connection that drives it.
    source
        What must outlive them: the artificial cell and the vector that it plays.
    """

    synapse: int
    processes: tuple[Any, ...]
    netcons: tuple[Any, ...]
    source: tuple[Any, Any]


def lognormal_weight(mean: float, deviate: float) -> float:
    """Return a weight of the lognormal distribution with some mean and the standard deviation mean ** 2.

    Parameters
    ----------
    mean
        Mean of the distribution.
    deviate
        A standard normal number.
    """
    variance = np.log1p(mean * mean)
    return float(mean * np.exp(np.sqrt(variance) * deviate - variance / 2))


def _inside(x: float, segments: int) -> float:
    """x between the centres of the first and the last segment."""
    half = 0.5 / segments
    return min(max(x, half), 1 - half)


def _frozen(receptor: Receptor) -> tuple[str, int, tuple[str, ...]]:
    """What NEURON needs of a receptor."""
    return receptor.mechanism, len(receptor.weights), tuple(sorted(receptor.parameters))


def _check_places(sections: Sequence[Any], cell: Branches, synapses: Placed) -> None:
    if len(sections) < len(cell):
        raise ModelError(f"{len(sections)} sections are given, but the cell's geometry has {len(cell)}")
    names = [synapses.populations[code] for code in synapses.population]
    wrong = (synapses.section_id < 0) | (synapses.section_id >= len(cell))
    if wrong.any():
        row = int(wrong.argmax())
        place = f"section {synapses.section_id[row]}: the cell has {len(cell)} sections"
        raise ModelError(f"synapse {synapses.synapse_id[row]} of {names[row]} is on {place}")
    points = np.diff(cell.first)[synapses.section_id]
    wrong = (synapses.section_pt_id < 0) | (synapses.section_pt_id >= points)
    if wrong.any():
        row = int(wrong.argmax())
        place = f"point {synapses.section_pt_id[row]} of section {synapses.section_id[row]}, which has {points[row]}"
        raise ModelError(f"synapse {synapses.synapse_id[row]} of {names[row]} is on {place}")


def _check_mechanisms(h: Any, source: str, receptors: set[tuple[str, int, tuple[str, ...]]]) -> None:
    known, targets, sources = _point_processes(h)
    if source not in sources:
        raise ModelError(f"NEURON knows no artificial cell {source!r}: load the mechanisms first")
    probe = h.Section(name="probe")
    for name, weights, parameters in sorted(receptors):
        if name not in targets:
            what = (
                "takes no events" if name in known else "is not known to NEURON; are its mechanisms loaded?"
            )
            raise ModelError(f"receptor {name!r} {what}")
        process = getattr(h, name)(probe(0.5))
        accepted = int(h.NetCon(None, process).wcnt())
        if weights > accepted:
            raise ModelError(f"receptor {name!r}: {weights} weights are given, it takes {accepted}")
        unknown = [parameter for parameter in parameters if not hasattr(process, parameter)]
        if unknown:
            raise ModelError(f"receptor {name!r} has no parameter {', '.join(map(repr, unknown))}")


def _point_processes(h: Any) -> tuple[set[str], set[str], set[str]]:
    """Names of all point processes, of those that take events, and of artificial cells."""
    kinds, name = h.MechanismType(1), h.ref("")
    known, targets, sources = set(), set(), set()
    for number in range(int(kinds.count())):
        kinds.select(number)
        kinds.selected(name)
        known.add(name[0])
        if kinds.is_artificial(number):
            sources.add(name[0])
        elif kinds.is_netcon_target(number):
            targets.add(name[0])
    return known, targets, sources
