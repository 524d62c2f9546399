"""``connection_overrides`` of a simulation configuration: other weights, delays and parameters of synapses between two sets of cells.

They are applied in their order. Each says anew, for all of its edges, the factor of weights, the delay and the spontaneous events: what
it does not say is that of the edges and cells again. Values of ``synapse_configure`` add up, later ones over earlier ones. An override
with a ``delay`` (ms) says nothing but the factor of weights from that time on, and takes no part in this. Semantics:
BlueBrain/sonata-extension ("connection_overrides") and neurodamus (connection_manager, connection). Hoc in ``synapse_configure`` is read
as assignments of numbers and never run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.traces.noise import poisson_times
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.network.connecting import MINI_DELAY
from ...mechanisms.network.wiring import Connections, SynapseKind
from .circuit import NetworkSource
from .edges import EdgeRows
from .faults import Faults
from .replaced import KNOWN, own_numbers
from .rules import nodes_of
from .sonata_edges import EXCITATORY, INHIBITORY

_KEY = "connection_overrides"
_FREQUENCIES = {EXCITATORY: "exc_mini_frequency", INHIBITORY: "inh_mini_frequency"}
_ASSIGNMENT = re.compile(r"\s*%s\.(\w+)\s*=\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*;?")
_NOT_READ = ("neuromodulation_dtc", "neuromodulation_strength")
_NOT_LATER = ("spont_minis", "synapse_delay_override", "synapse_configure", "modoverride", *_NOT_READ)


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
        Factor of the weights.
    delay
        Of the connections, in ms; None where it is that of the edges.
    minis
        Spontaneous events of each synapse in a second; None where cells say it.
    values
        Values of variables of point processes by name.
    process
        The point process that is to stand there; None where it is that of the edges.
    since
        When the weights begin to be these, in ms of the simulation; 0 for an override of the connections themselves.
    """

    name: str
    source: frozenset[int]
    target: frozenset[int]
    weight: float = 1.0
    delay: float | None = None
    minis: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    process: str | None = None
    since: float = 0.0


def overrides_of(
    source: NetworkSource,
    settings: Mapping[str, Any],
    dt: float,
    faults: Faults,
    notices: list[str] | None = None,
    shift: float = 0.0,
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
    notices
        What users should know is added to it.
    shift
        How long the simulation has run at time 0, in ms.
    """
    told = settings.get(_KEY) or []
    # Before it was a list, it was a mapping by name.
    listed = [{"name": name, **each} for name, each in told.items()] if isinstance(told, Mapping) else told
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        faults.add(f"{_KEY} is {told!r:.80}, expected a list of objects")
        return []
    found = []
    for number, each in enumerate(listed):
        name = str(each.get("name", number))
        try:
            made = _read(source, name, each, dt)
        except InputError as error:
            faults.add(f"{_KEY} {name}: {error}")
            continue
        if made.since:
            passed = [key for key in _NOT_LATER if each.get(key) is not None]
            if passed and notices is not None:
                notices.append(
                    f"{_KEY} {name}: only its weight counts, from {made.since:g} ms on, as it has a delay; {', '.join(passed)} does not"
                )
            made = replace(made, since=made.since + shift)
        found.append(made)
    return found


def _read(source: NetworkSource, name: str, told: Mapping[str, Any], dt: float) -> ConnectionOverride:
    numbers: dict[str, float | None] = {}
    for key in ("weight", "synapse_delay_override", "spont_minis", "delay"):
        value = told.get(key)
        if value is not None and (not is_number(value) or value < 0):
            raise InputError(f"{key} is {value!r}, expected a number of 0 or more")
        numbers[key] = None if value is None else float(value)
    weight = 1.0 if numbers["weight"] is None else numbers["weight"]
    if numbers["delay"]:
        return ConnectionOverride(name, *_ends(source, told), weight, since=numbers["delay"])
    for key in _NOT_READ:
        if told.get(key) is not None:
            raise InputError(
                f"{key} is not supported; there are weight, delay, synapse_delay_override, spont_minis, synapse_configure, modoverride"
            )
    # neurodamus takes 0 for none.
    delay = numbers["synapse_delay_override"] or None
    if delay is not None and delay < dt:
        raise InputError(f"synapse_delay_override is {delay:g} ms, shorter than the time step of {dt:g} ms")
    if numbers["spont_minis"] and dt > MINI_DELAY:
        raise InputError(
            f"spont_minis come with a delay of {MINI_DELAY} ms, shorter than the time step of {dt:g} ms"
        )
    process = told.get("modoverride")
    if process is not None and process not in KNOWN:
        raise InputError(
            f"modoverride is {process!r}; there are {' and '.join(KNOWN)}: other helpers are hoc, and no hoc of a configuration is run"
        )
    values = _assigned(told.get("synapse_configure"))
    minis = numbers["spont_minis"]
    return ConnectionOverride(name, *_ends(source, told), weight, delay, minis, values, process)


def _ends(source: NetworkSource, told: Mapping[str, Any]) -> tuple[frozenset[int], frozenset[int]]:
    """Gids of the cells between which an override is."""
    ends = []
    for end in ("source", "target"):
        if told.get(end) is None:
            raise InputError(f"it has no {end}")
        gids = [
            population.gid[nodes_of(source, told[end], each)]
            for each, population in source.populations.items()
        ]
        ends.append(frozenset(np.concatenate(gids).tolist()))
    return ends[0], ends[1]


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
    rows: EdgeRows,
    made: Sequence[Connections],
    overrides: Sequence[ConnectionOverride],
    t_stop: float,
) -> Iterator[Connections]:
    """Yield connections with their overrides, and with spontaneous events.

    Without an override, excitatory and inhibitory synapses of the Blue Brain Project have spontaneous events as often as
    ``exc_mini_frequency`` and ``inh_mini_frequency`` of their cells say.

    Parameters
    ----------
    rows
        Edges of a projection; what is wrong is added to their faults, and their seed is that of spontaneous events, which are a function of
        it, the projection and the edge.
    made
        Connections of them.
    overrides
        All overrides, in their order.
    t_stop
        Until when there are such events, in ms.
    """
    for connections in made:
        parts = [_Part(connections, _own_rates(rows.source, connections))]
        for override in overrides:
            parts = [each for part in parts for each in part.under(override, rows.faults)]
        for part in parts:
            try:
                yield part.done(rows, t_stop)
            except InputError as error:
                of = "" if part.last is None else part.last.name
                rows.faults.add(f"{_KEY} {of}: {error}")


@dataclass(frozen=True, eq=False)
class _Part:
    """Connections of which the same overrides are.

    Attributes
    ----------
    connections
        As their edges say, but for the values of variables.
    own_rates
        How often they have spontaneous events by their cells, in Hz.
    last
        The last override of them, of those without a delay; None where there is none.
    later
        Factors of weights from times in ms on.
    values, process
        Of all overrides, the later over the earlier ones.
    """

    connections: Connections
    own_rates: NDArray[np.float64]
    last: ConnectionOverride | None = None
    later: Mapping[float, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    process: str | None = None

    def under(self, override: ConnectionOverride, faults: Faults) -> Iterator["_Part"]:
        """Those that an override is not of, and those that it is of."""
        own = self.connections
        chosen = np.isin(own.source, list(override.source)) & np.isin(own.target, list(override.target))
        if not chosen.any():
            yield self
            return
        if own.kind is None and (override.since or override.minis or override.values or override.process):
            faults.add(
                f"{_KEY} {override.name}: edges of {own.name} end at point processes, of which only weight and synapse_delay_override can be "
                "overridden, without delay"
            )
            yield self
            return
        if not chosen.all():
            yield self._take(~chosen)
        yield self._take(chosen)._changed(override)

    def _take(self, rows: NDArray[np.bool_]) -> "_Part":
        return replace(self, connections=self.connections.take(rows), own_rates=self.own_rates[rows])

    def _changed(self, override: ConnectionOverride) -> "_Part":
        if override.since:
            return replace(self, later={**self.later, override.since: override.weight})
        values, process = {**self.values, **override.values}, override.process or self.process
        return replace(self, last=override, values=values, process=process)

    def done(self, rows: EdgeRows, t_stop: float) -> Connections:
        made, last, n = self.connections, self.last, len(self.connections)
        if self.process is not None and made.kind is not None and made.kind.mechanism != self.process:
            kind = SynapseKind(self.process, self.process)
            made = replace(made, kind=kind, parameters=own_numbers(rows, self.process, made.number))
        if self.values and made.kind is not None:
            kind = replace(made.kind, parameters={**made.kind.parameters, **self.values})
            rest = {name: values for name, values in made.parameters.items() if name not in self.values}
            made = replace(made, kind=kind, parameters=rest)
        if self.later:
            made = replace(
                made, later={time: made.weights[:, 0] * factor for time, factor in self.later.items()}
            )
        rates = self.own_rates
        if last is not None:
            if last.weight != 1:
                first = made.weights[:, :1] * last.weight
                made = replace(made, weights=np.concatenate([first, made.weights[:, 1:]], axis=1))
            if last.delay is not None:
                made = replace(made, delay=np.full(n, last.delay))
            if last.minis is not None:
                rates = np.full(n, last.minis)
        if rates.any():
            made = replace(made, minis=_trains(made, rates, rows.targets.seed, t_stop))
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
