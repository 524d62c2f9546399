"""Functions that a network parameter file may name under ``network_modify_functions``, by a register of names.

A modifier takes the activations of a trial and where the synapses sit, and returns the rows to keep. Users add
theirs with `network_modifier`; nothing in a file is evaluated.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..entries import ParameterEntry
from .activity import Activations
from .connectivity import Embedding
from .populations import MODIFIERS

Keep = NDArray[np.bool_]
Modifier = Callable[..., Keep]

_known: dict[str, Modifier] = {}


def network_modifier(name: str) -> Callable[[Modifier], Modifier]:
    """Register a function under the name that parameter files use.

    It is called with (`Activations`, `Embedding`) and the file's keyword arguments, and returns for each activation
    whether it stays, bool[n_activations].

    Parameters
    ----------
    name
        The name.
    """

    def register(function: Modifier) -> Modifier:
        _known[name] = function
        return function

    return register


def read_modifiers(
    parameters: Mapping[str, Any], path: str | Path | None = None
) -> tuple[Callable[[Activations, Embedding], Keep], ...]:
    """Return the modifiers that a network parameter tree names, in its order.

    Parameters
    ----------
    parameters
        The parameter tree.
    path
        Its file, for messages.

    Raises
    ------
    ModelError
        A name is not registered, or its function does not take its arguments.
    """
    network = ParameterEntry(parameters, "", path).entry("network")
    if MODIFIERS not in network.tree:
        return ()
    entry = network.entry(MODIFIERS)
    return tuple(_bound(entry, name) for name in entry.tree)


def modified(
    activations: Activations,
    embedding: Embedding,
    modifiers: tuple[Callable[[Activations, Embedding], Keep], ...],
) -> Activations:
    """Return the activations that all modifiers keep; presynaptic spikes stay as they are.

    Parameters
    ----------
    activations
        The activations of a trial.
    embedding
        The synapses that they belong to.
    modifiers
        The modifiers, as of `read_modifiers`.
    """
    for modifier in modifiers:
        keep = modifier(activations, embedding)
        activations = Activations(
            activations.spike_population,
            activations.spike_cell,
            activations.spike_time,
            activations.synapse[keep],
            activations.activation_time[keep],
        )
    return activations


def _bound(entry: ParameterEntry, name: str) -> Callable[[Activations, Embedding], Keep]:
    if name not in _known:
        raise entry.error(f"no such function is registered; known: {', '.join(sorted(_known))}", name)
    function, arguments = _known[name], dict(entry.entry(name).tree)
    try:
        inspect.signature(function).bind(None, None, **arguments)
    except TypeError as error:
        raise entry.error(str(error), name) from None

    def bound(activations: Activations, embedding: Embedding) -> Keep:
        return function(activations, embedding, **arguments)

    return bound


@network_modifier("silence_synapses_by_somadist")
def silence_by_soma_distance(
    activations: Activations, embedding: Embedding, soma_dist_ranges: Mapping[str, tuple[float, float]]
) -> Keep:
    """Silence the synapses of a population whose soma distance in um lies in [begin, end).

    Populations without synapses are passed over, as in the In Silico Framework.

    Parameters
    ----------
    activations
        The activations of a trial.
    embedding
        The synapses that they belong to.
    soma_dist_ranges
        Half-open range of soma distances in um by population.
    """
    silent = np.zeros(len(embedding), bool)
    for name, (begin, end) in soma_dist_ranges.items():
        if name in embedding.populations:
            ours = embedding.population == embedding.populations.index(name)
            silent |= ours & (embedding.soma_distance >= begin) & (embedding.soma_distance < end)
    return ~silent[activations.synapse]
