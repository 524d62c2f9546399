"""``connection_overrides`` of a simulation configuration: other weights, delays and parameters of synapses between two sets of cells.

They are applied in their order, and a later one replaces what an earlier one says. Semantics: BlueBrain/sonata-extension
("connection_overrides") and neurodamus. Hoc in ``synapse_configure`` is read as assignments of numbers and never run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.traces.noise import poisson_times
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.network.connecting import MINI_DELAY
from ...mechanisms.network.wiring import Connections
from .circuit import NetworkSource
from .faults import Faults
from .rules import nodes_of
from .sonata_edges import EXCITATORY, INHIBITORY

_KEY = "connection_overrides"
_FREQUENCIES = {EXCITATORY: "exc_mini_frequency", INHIBITORY: "inh_mini_frequency"}
_ASSIGNMENT = re.compile(r"\s*%s\.(\w+)\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*;?")
_NOT_READ = ("modoverride", "delay", "neuromodulation_dtc", "neuromodulation_strength")


@dataclass(frozen=True, eq=False)
class ConnectionOverride:
    """One override.

    Attributes
    ----------
    name
        What it is called.
    source, target
        Gids of the cells between which it is.
    weight
        Factor of the weights; None where it says none.
    delay
        In ms; None where it says none.
    minis
        Spontaneous events of each synapse in a second; None where it says none.
    values
        Values of variables of point processes by name.
    """

    name: str
    source: frozenset[int]
    target: frozenset[int]
    weight: float | None
    delay: float | None
    minis: float | None
    values: Mapping[str, float]


def overrides_of(
    source: NetworkSource, settings: Mapping[str, Any], dt: float, faults: Faults
) -> list[ConnectionOverride]:
    """Return the overrides of a simulation configuration.

    Parameters
    ----------
    source
        The circuit.
    settings
        The configuration, as JSON has it.
    dt
        Time step in ms: the shortest delay that there may be.
    faults
        What is wrong is added to it.
    """
    told = settings.get(_KEY) or []
    # Before it was a list, it was a mapping by name.
    listed = [{"name": name, **each} for name, each in told.items()] if isinstance(told, Mapping) else told
    found = []
    for number, each in enumerate(listed):
        name = str(each.get("name", number))
        try:
            found.append(_read(source, name, each, dt))
        except InputError as error:
            faults.add(f"{_KEY} {name}: {error}")
    return found


def _read(source: NetworkSource, name: str, told: Mapping[str, Any], dt: float) -> ConnectionOverride:
    for key in _NOT_READ:
        if told.get(key) is not None:
            what = "a weight from a later time on" if key == "delay" else key
            raise InputError(
                f"{key}: {what} is not supported; there are weight, synapse_delay_override, spont_minis, synapse_configure"
            )
    numbers: dict[str, float | None] = {}
    for key in ("weight", "synapse_delay_override", "spont_minis"):
        value = told.get(key)
        if value is not None and (not is_number(value) or value < 0):
            raise InputError(f"{key} is {value!r}, expected a number of 0 or more")
        numbers[key] = None if value is None else float(value)
    # neurodamus takes 0 for none.
    delay = numbers["synapse_delay_override"] or None
    if delay is not None and delay < dt:
        raise InputError(f"synapse_delay_override is {delay:g} ms, shorter than the time step of {dt:g} ms")
    if numbers["spont_minis"] and dt > MINI_DELAY:
        raise InputError(
            f"spont_minis come with a delay of {MINI_DELAY} ms, shorter than the time step of {dt:g} ms"
        )
    ends = []
    for end in ("source", "target"):
        if told.get(end) is None:
            raise InputError(f"it has no {end}")
        gids = [
            population.gid[nodes_of(source, told[end], each)]
            for each, population in source.populations.items()
        ]
        ends.append(frozenset(np.concatenate(gids).tolist()))
    return ConnectionOverride(
        name,
        ends[0],
        ends[1],
        numbers["weight"],
        delay,
        numbers["spont_minis"],
        _assigned(told.get("synapse_configure")),
    )


def _assigned(text: Any) -> dict[str, float]:
    if text in (None, ""):
        return {}
    found: dict[str, float] = {}
    at = 0
    while isinstance(text, str) and (match := _ASSIGNMENT.match(text, at)):
        found[match[1]] = float(match[2])
        at = match.end()
    if not isinstance(text, str) or text[at:].strip():
        raise InputError(
            f"synapse_configure {text!r}: only assignments such as '%s.Fac = 0' are read; no hoc of a configuration is run. Variables of all "
            "synapses are set by conditions.mechanisms"
        )
    return found


def overridden(
    source: NetworkSource,
    made: Sequence[Connections],
    overrides: Sequence[ConnectionOverride],
    seed: int,
    t_stop: float,
) -> Iterator[Connections]:
    """Yield connections with their overrides, and with spontaneous events.

    Without an override, excitatory and inhibitory synapses of the Blue Brain Project have spontaneous events as often as
    ``exc_mini_frequency`` and ``inh_mini_frequency`` of their cells say.

    Parameters
    ----------
    source
        The circuit.
    made
        Connections of a projection.
    overrides
        All overrides, in their order.
    seed
        Of spontaneous events, which are a function of it, the projection and the edge.
    t_stop
        Until when there are such events, in ms.
    """
    for connections in made:
        parts = [_Part(connections, np.ones(len(connections)), _own_rates(source, connections))]
        for override in overrides:
            parts = [each for part in parts for each in part.under(override)]
        for part in parts:
            yield part.done(seed, t_stop)


@dataclass(frozen=True, eq=False)
class _Part:
    """Connections of which the same overrides are, but for the numbers of each."""

    connections: Connections
    factors: NDArray[np.float64]
    rates: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_]) -> "_Part":
        return _Part(self.connections.take(rows), self.factors[rows], self.rates[rows])

    def under(self, override: ConnectionOverride) -> Iterator["_Part"]:
        """Those that an override is not of, and those that it is of."""
        own = self.connections
        chosen = np.isin(own.source, list(override.source)) & np.isin(own.target, list(override.target))
        if own.kind is None or not chosen.any():
            yield self
            return
        if not chosen.all():
            yield self.take(~chosen)
        yield self.take(chosen)._changed(override)

    def _changed(self, override: ConnectionOverride) -> "_Part":
        made, n = self.connections, len(self.connections)
        if override.delay is not None:
            made = replace(made, delay=np.full(n, override.delay))
        if override.values and made.kind is not None:
            kind = replace(made.kind, parameters={**made.kind.parameters, **override.values})
            rest = {name: values for name, values in made.parameters.items() if name not in override.values}
            made = replace(made, kind=kind, parameters=rest)
        factors = self.factors if override.weight is None else np.full(n, override.weight)
        rates = self.rates if override.minis is None else np.full(n, override.minis)
        return _Part(made, factors, rates)

    def done(self, seed: int, t_stop: float) -> Connections:
        made = self.connections
        if (self.factors != 1).any():
            first = made.weights[:, :1] * self.factors[:, None]
            made = replace(made, weights=np.concatenate([first, made.weights[:, 1:]], axis=1))
        if self.rates.any():
            made = replace(made, minis=_trains(made, self.rates, seed, t_stop))
        return made


def _own_rates(source: NetworkSource, connections: Connections) -> NDArray[np.float64]:
    """How often synapses have spontaneous events by their cells, in Hz."""
    column = "" if connections.kind is None else _FREQUENCIES.get(connections.kind.mechanism, "")
    found = np.zeros(len(connections))
    for population in source.populations.values():
        if column in population.columns:
            rates = np.nan_to_num(population.columns[column].astype(np.float64))
            order = np.argsort(population.gid)
            at = np.minimum(np.searchsorted(population.gid[order], connections.target), len(order) - 1)
            own = population.gid[order][at] == connections.target
            found[own] = rates[order[at[own]]]
    return found


def _trains(
    connections: Connections, rates: NDArray[np.float64], seed: int, t_stop: float
) -> NDArray[np.object_]:
    found = np.empty(len(connections), object)
    for at, (number, rate) in enumerate(zip(connections.number.tolist(), rates.tolist(), strict=True)):
        found[at] = poisson_times(
            rate, t_stop, seed=seed, purpose="minis", population=connections.name, cell=number
        )
    return found
