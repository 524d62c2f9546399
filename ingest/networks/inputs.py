"""Spike trains that cells of a network replay: inputs of the lake, or spikes of another run."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...mechanisms.network.cells import Ids, Reals
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults

Trains = dict[int, Reals]
"""Times in ms of the simulation, ascending, by gid."""


def trains_of(
    source: NetworkSource,
    populations: Sequence[str],
    inputs: Sequence[str] | None,
    trial: int,
    shift: float,
    faults: Faults,
    without: Collection[tuple[str, str]] = (),
) -> Trains:
    """Return the spike trains of cells that replay inputs of the lake.

    Parameters
    ----------
    source
        The circuit.
    populations
        Populations whose cells replay spikes.
    inputs
        Names of inputs, as in ``inputs/N/<input>/<population>``; by default the only one of each population.
    trial
        Number of the trial, where an input has several.
    shift
        What is added to the times of the lake, in ms.
    faults
        What is wrong is added to it.
    without
        Inputs and populations whose spikes are replayed otherwise.
    """
    found: dict[str, dict[str, str]] = {}
    elsewhere = {name for name, _ in without}
    for node in source.snapshot.tables:
        parts = circuits.INPUTS.parts(node)
        if parts is not None and (parts["input"], parts["population"]) in without:
            continue
        if parts is not None and parts["circuit"] == source.circuit:
            found.setdefault(parts["input"], {})[parts["population"]] = node
    for name in inputs or ():
        if name not in found and name in elsewhere:
            continue
        if name not in found:
            faults.add(
                f"there is no input {name!r} of {source.circuit}; there are {', '.join(found) or 'none'}"
            )
            continue
        for population in found[name]:
            if population not in source.populations:
                faults.add(f"{found[name][population]}: there is no population {population!r} in the circuit")
            elif population not in populations:
                faults.add(f"{found[name][population]}: cells of {population} do not replay spikes")
    trains: Trains = {}
    for population in populations:
        nodes = [
            of[population]
            for name, of in found.items()
            if population in of and (inputs is None or name in inputs)
        ]
        if inputs is None and len(nodes) > 1:
            faults.add(f"{population} has several inputs, {', '.join(nodes)}: name one")
            continue
        for node in nodes:
            table = source.snapshot.tables[node].to_arrow()
            if "trial" in table.schema.names:
                table = table.filter(pa.array(table["trial"].to_numpy() == trial))
            _add(trains, source, population, node, table, shift, faults)
    return trains


def replayed_run(
    source: NetworkSource, run: str, populations: Sequence[str], shift: float, faults: Faults
) -> Trains:
    """Return the spikes of a run as trains.

    Parameters
    ----------
    source
        The circuit; the run was one of it.
    run
        Name of the run.
    populations
        Populations whose spikes are wanted.
    shift
        What is added to the times of the lake, in ms.
    faults
        What is wrong is added to it.
    """
    trains: Trains = {}
    for population in populations:
        node = circuits.SPIKES.of(circuit=run, population=population)
        if node not in source.snapshot.tables:
            faults.add(f"the run {run} has no spikes of {population}: there is no table {node}")
            continue
        _add(trains, source, population, node, source.snapshot.tables[node].to_arrow(), shift, faults)
    return trains


def _add(
    trains: Trains,
    source: NetworkSource,
    population: str,
    node: str,
    table: pa.Table,
    shift: float,
    faults: Faults,
) -> None:
    gids = source.populations[population].gid
    cell, time = table["node_id"].to_numpy(), table["time"].to_numpy().astype(np.float64) + shift
    bad = (cell < 0) | (cell >= len(gids)) | ~np.isfinite(time)
    if bad.any():
        at = int(np.argmax(bad))
        faults.add(
            f"{node}: spike {at} at {time[at]:g} ms of cell {int(cell[at])}: {population} has {len(gids)} cells"
        )
        return
    for gid, times in by_cell(gids[cell], time).items():
        trains[gid] = np.sort(np.concatenate([trains[gid], times])) if gid in trains else times


def by_cell(gid: Ids, time: Reals) -> Mapping[int, Reals]:
    """Return the times of each cell, ascending.

    Parameters
    ----------
    gid, time
        Of each spike.
    """
    order = np.lexsort([time, gid])
    if not len(order):
        return {}
    cells, starts = np.unique(gid[order], return_index=True)
    return dict(zip(cells.tolist(), np.split(time[order], starts[1:]), strict=True))
