"""The activity of a network in one trial: presynaptic spikes, and the synapses that they activate.

Meaning as in the In Silico Framework (``create_saved_network2``): cells fire as their population's parameters say,
and each synapse passes each spike of its cell on with the release probability. Unlike there, a trial is a pure
function of (seed, trial): not of the process, nor of the order or number of populations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.draws import key_word, stream
from ..errors import ModelError
from .connectivity import Embedding
from .firing import by_cell, draw, release
from .populations import Population

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Activations:
    """The activity of one trial, in the order of simrun's tables.

    Attributes
    ----------
    spike_population, spike_cell, spike_time
        One row per presynaptic spike: index into the populations, cell ID, ms; ordered by these three.
    synapse, activation_time
        One row per activation of a synapse: row of the `Embedding`, ms; ordered by both.
    """

    spike_population: Integers
    spike_cell: Integers
    spike_time: Reals
    synapse: Integers
    activation_time: Reals


class Activity:
    """Draws the activity of a network, trial by trial.

    Parameters
    ----------
    embedding
        Synapses and their presynaptic cells.
    populations
        Parameters by name, from `read_populations`; those without synapses are left out, as in the framework.

    Attributes
    ----------
    names
        Populations that fire, sorted; indices of `Activations` refer to it.

    Raises
    ------
    ModelError
        A population of the embedding that has no parameters, or fewer cells than are connected.
    """

    def __init__(self, embedding: Embedding, populations: Mapping[str, Population]) -> None:
        check_populations(embedding, populations)
        chosen = [populations[name] for name in embedding.populations]
        self.names = embedding.populations
        self._first = np.cumsum([0, *(population.cells for population in chosen)])
        self._sources = _table(chosen)
        self._release_streams = np.array([stream("release", name) for name in self.names])
        passing = np.array([population.release for population in chosen])[embedding.population]
        silent = (embedding.pruned != 0) | (embedding.cell_id < 0)
        self._release = np.where(silent, 0.0, passing)
        self._population = embedding.population
        self._synapse_id = embedding.synapse_id
        self._cell = self._first[embedding.population] + np.maximum(embedding.cell_id, 0)
        self._expected = 4096

    def trial(self, seed: int, trial: int, t_stop: float) -> Activations:
        """Draw one trial.

        Parameters
        ----------
        seed, trial
            The key of all random numbers, each in ``[0, 2**64)``.
        t_stop
            End of the trial in ms: Poisson trains stop there. Spikes that a distribution puts later are kept.

        Raises
        ------
        ValueError
            A seed or trial out of range, or a t_stop that is not finite.
        """
        if not np.isfinite(t_stop):
            raise ValueError(f"t_stop is {t_stop}, expected a time in ms")
        key = np.array([key_word(seed, "seed"), key_word(trial, "trial"), 0], np.uint64)
        cell, time = self._spikes(key, t_stop)
        first, time = by_cell(cell, time, int(self._first[-1]))
        spikes = np.repeat(np.arange(len(first) - 1), np.diff(first))
        population = np.searchsorted(self._first, spikes, side="right") - 1
        synapse, activation = self._activations(key, first, time)
        return Activations(population, spikes - self._first[population], time, synapse, activation)

    def _spikes(self, key: NDArray[np.uint64], t_stop: float) -> tuple[Integers, Reals]:
        while True:
            cell, time = np.empty(self._expected, np.int64), np.empty(self._expected)
            count = draw(cell, time, key.copy(), t_stop, *self._sources)
            if count <= self._expected:
                return cell[:count], time[:count]
            self._expected = count + count // 4

    def _activations(self, key: NDArray[np.uint64], first: Integers, time: Reals) -> tuple[Integers, Reals]:
        rows = np.diff(first)[self._cell].sum()
        synapse, activation = np.empty(rows, np.int64), np.empty(rows)
        streams, places = self._release_streams, (self._population, self._synapse_id, self._cell)
        count = release(synapse, activation, key, streams, *places, self._release, first, time)
        return synapse[:count], activation[:count]


def check_populations(embedding: Embedding, populations: Mapping[str, Population]) -> None:
    """Check that every population of an embedding has parameters and enough cells.

    Parameters
    ----------
    embedding
        Synapses with their presynaptic populations.
    populations
        Parameters of the populations by name.

    Raises
    ------
    ModelError
        A population has no parameters or too few cells; the message names all populations without parameters.
    """
    missing = [name for name in embedding.populations if name not in populations]
    if missing:
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ModelError(f"populations with synapses but without parameters: {named}")
    for name, connected in zip(embedding.populations, embedding.cells().tolist(), strict=True):
        if connected > populations[name].cells:
            raise ModelError(
                f"{name}: {connected} cells are connected, but cellNr is {populations[name].cells}"
            )


def _table(populations: Sequence[Population]) -> tuple[NDArray[Any], ...]:
    """All sources of all populations as arrays for `firing.draw`."""
    rows = [(number, each, source) for number, each in enumerate(populations) for source in each.sources]
    width = max((len(source.numbers) for _, _, source in rows), default=0)
    numbers = [(*source.numbers, *[0.0] * (width - len(source.numbers))) for _, _, source in rows]
    first_cell = np.cumsum([0, *(each.cells for each in populations)])
    bins = [bin_ for _, _, source in rows for bin_ in source.bins]
    return (
        np.array([source.firing for _, _, source in rows], np.int64),
        np.array([first_cell[number] for number, _, _ in rows], np.int64),
        np.array([each.cells for _, each, _ in rows], np.int64),
        np.array([stream(source.purpose, each.name) for _, each, source in rows], np.uint64),
        np.array(numbers, np.float64).reshape(len(rows), width),
        np.cumsum([0, *(len(source.bins) for _, _, source in rows)]),
        np.ascontiguousarray(np.array(bins, np.float64).reshape(-1, 3).T),
    )
