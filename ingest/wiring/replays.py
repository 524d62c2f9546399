"""Spikes that connections get as if their sources had fired: ``synapse_replay`` of a simulation configuration of the Blue Brain Project.

Cells that only replay spikes send them themselves. Those that are simulated do not fire by it: events come to their connections onto the cells of
``node_set``, besides their own spikes, and so do those of any source where ``node_set`` or ``source`` is only a part. Events before ``delay`` (ms) are
passed over. Semantics: neurodamus (node, connection).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...lake.errors import InputError
from ...mechanisms.entries import is_number
from ...mechanisms.network.cells import Reals
from ...mechanisms.network.wiring import Connections
from .circuit import NetworkSource
from .faults import Faults
from .rules import nodes_of

MODULE = "synapse_replay"


@dataclass(frozen=True, eq=False)
class Replay:
    """Spikes of one population that come to connections.

    Attributes
    ----------
    name
        Of the input.
    population
        Whose spikes they are.
    times
        In ms of the simulation, ascending, by the gid of the source.
    targets
        Gids of the cells whose connections get them.
    """

    name: str
    population: str
    times: Mapping[int, Reals]
    targets: frozenset[int]


def replays_of(
    source: NetworkSource,
    settings: Mapping[str, Any],
    sending: Sequence[str],
    inputs: Sequence[str] | None,
    trial: int,
    shift: float,
    faults: Faults,
) -> list[Replay]:
    """Return the inputs of a simulation configuration that come to connections.

    Parameters
    ----------
    source
        The circuit.
    settings
        The configuration, as JSON has it.
    sending
        Populations of cells that only replay spikes.
    inputs
        Names of inputs; all by default.
    trial
        Number of the trial, where an input has several.
    shift
        What is added to the times of the lake, in ms.
    faults
        What is wrong is added to it.
    """
    found = []
    for name, told in (settings.get("inputs") or {}).items():
        module = str(told.get("module", "")).lower() if isinstance(told, Mapping) else ""
        if module != MODULE or (inputs is not None and name not in inputs):
            continue
        for node in source.snapshot.tables:
            parts = circuits.INPUTS.parts(node)
            if parts is None or (parts["circuit"], parts["input"]) != (source.circuit, name):
                continue
            if parts["population"] not in source.populations:
                continue
            try:
                made = _read(source, node, name, parts["population"], told, trial, shift)
            except InputError as error:
                faults.add(f"input {name}: {error}")
                continue
            if parts["population"] not in sending or _is_part(source, told, parts["population"]):
                found.append(made)
    return found


def _is_part(source: NetworkSource, told: Mapping[str, Any], population: str) -> bool:
    """Whether an input is not of all connections of a population, at all times."""
    ends = {each.target for each in source.projections if each.source == population}
    whole = all(
        len(nodes_of(source, told.get("node_set"), end)) == len(source.populations[end]) for end in ends
    )
    from_all = len(nodes_of(source, told.get("source"), population)) == len(source.populations[population])
    return not (whole and from_all) or bool(told.get("delay"))


def _read(
    source: NetworkSource,
    node: str,
    name: str,
    population: str,
    told: Mapping[str, Any],
    trial: int,
    shift: float,
) -> Replay:
    delay = told.get("delay", 0.0)
    if not is_number(delay):
        raise InputError(f"delay is {delay!r}, expected a number")
    table = source.snapshot.tables[node].to_arrow()
    if "trial" in table.schema.names:
        table = table.filter(pa.array(table["trial"].to_numpy() == trial))
    cell, time = table["node_id"].to_numpy(), table["time"].to_numpy().astype(np.float64)
    gids = source.populations[population].gid
    if ((cell < 0) | (cell >= len(gids)) | ~np.isfinite(time)).any():
        raise InputError(f"{node}: there are spikes of cells that {population} does not have, or at no time")
    own = np.isin(cell, nodes_of(source, told.get("source"), population)) & (time >= delay)
    cell, time = cell[own], time[own] + shift
    times = {int(gids[each]): np.sort(time[cell == each]) for each in np.unique(cell)}
    targets = [
        each.gid[nodes_of(source, told.get("node_set"), end)] for end, each in source.populations.items()
    ]
    return Replay(name, population, times, frozenset(np.concatenate(targets).tolist()))


def replayed(made: Sequence[Connections], replays: Sequence[Replay]) -> Iterator[Connections]:
    """Yield connections with the events that replays bring to them.

    Parameters
    ----------
    made
        Connections of a projection.
    replays
        All replays.
    """
    for connections in made:
        n = len(connections)
        times = [np.empty(0)] * n
        for each in replays:
            own = np.isin(connections.target, list(each.targets)) & np.isin(
                connections.source, list(each.times)
            )
            for at in np.flatnonzero(own).tolist():
                times[at] = np.sort(np.concatenate([times[at], each.times[int(connections.source[at])]]))
        if not any(map(len, times)):
            yield connections
            continue
        found = np.empty(n, object)
        for at, own_times in enumerate(times):
            found[at] = own_times
        yield replace(connections, replays=found)
