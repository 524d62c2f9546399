"""Which cells of a population a rule of a simulation configuration means."""

from typing import Any

import numpy as np

from ...catalog.node_sets import known_sets, node_set
from ...lake.errors import InputError, NotFoundError
from ...mechanisms.network.cells import Ids
from .circuit import NetworkSource


def nodes_of(source: NetworkSource, rule: Any, population: str) -> Ids:
    """Return the numbers of the cells of a population that a rule means, int64, ascending.

    Parameters
    ----------
    source
        The circuit.
    rule
        ``"all"``, the name of a node set or of a population, numbers, or a rule as node sets have them.
    population
        The population.

    Raises
    ------
    InputError
        There is no such node set, or the rule is none.
    """
    everything = np.arange(len(source.populations[population]))
    if rule in ("all", None):
        return everything
    known = known_sets(source.snapshot, source.circuit)
    if isinstance(rule, str) and rule not in known and rule in source.populations:
        return everything if rule == population else everything[:0]
    if isinstance(rule, list):
        return everything[np.isin(everything, rule)]
    try:
        return node_set(source.snapshot, source.circuit, rule, population)
    except NotFoundError as error:
        raise InputError(str(error)) from error
