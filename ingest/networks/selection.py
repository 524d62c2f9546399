"""Which cells of a circuit are simulated, and where on them it is recorded."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow.dataset as pds

from ...catalog.node_sets import known_sets, node_set
from ...catalog.vocabulary import circuits
from ...lake.errors import InputError
from ...mechanisms.network.cells import Ids, NetworkNode, TreeShape
from ..records.requests import ALL, ANY, SET, SOMA, OnSection, RecordRequest, sampled, section_places
from ..records.traces import RecordPlaces
from ..wiring.circuit import VIRTUAL, NetworkSource
from ..wiring.faults import Faults
from ..wiring.rules import nodes_of

Chosen = Mapping[str, Sequence[int] | None]
"""Numbers of cells by population; None means all of a population."""

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def parse_cells(texts: Sequence[str]) -> dict[str, Sequence[int] | None]:
    """Read cells from texts such as ``PYR``, ``PYR:12`` or ``PYR:0-3,7``.

    Parameters
    ----------
    texts
        What was given.

    Raises
    ------
    InputError
        One says something else.
    """
    found: dict[str, Sequence[int] | None] = {}
    for text in texts:
        population, colon, numbers = text.partition(":")
        if not population or (colon and not numbers):
            raise InputError(f"--cells {text}: write POPULATION, POPULATION:3 or POPULATION:0-3,7")
        if not colon:
            found[population] = None
            continue
        chosen = list(found.get(population) or ())
        for part in numbers.split(","):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                raise InputError(f"--cells {text}: {part!r} is neither a number nor a range such as 0-3")
            first = int(match[1])
            chosen += range(first, int(match[2] or first) + 1)
        found[population] = sorted(set(chosen))
    return found


def chosen_cells(source: NetworkSource, cells: Chosen | None) -> dict[str, Ids]:
    """Return the numbers of the cells that are simulated, int64 by population.

    Parameters
    ----------
    source
        The circuit.
    cells
        Which; all by default.

    Raises
    ------
    InputError
        A population or a cell is not there.
    """
    everything = {name: np.arange(len(each)) for name, each in source.populations.items()}
    if cells is None:
        return everything
    found: dict[str, Ids] = {}
    for population, numbers in cells.items():
        if population not in everything:
            raise InputError(
                f"there is no population {population!r} in {source.circuit}; it has {', '.join(everything)}"
            )
        own = everything[population]
        wanted = own if numbers is None else np.unique(np.asarray(numbers, np.int64))
        if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(own):
            raise InputError(
                f"{population} has {len(own)} cells, numbered from 0; there is no cell {int(wanted[-1])}"
            )
        found[population] = wanted
    return found


def cells_of_node_set(source: NetworkSource, name: object, notices: list[str]) -> Chosen | None:
    """Return the cells that a simulation configuration says are simulated, by its ``node_set``; None where these are all.

    Cells that only send spikes are always there.

    Parameters
    ----------
    source
        The circuit.
    name
        What the configuration says.
    notices
        That these are not all cells is told there.

    Raises
    ------
    InputError
        There is no such node set.
    """
    if name is None:
        return None
    found: dict[str, list[int]] = {}
    left = 0
    for each, population in source.populations.items():
        kinds = population.columns.get("model_type")
        virtual = np.zeros(len(population), bool) if kinds is None else np.asarray(kinds) == VIRTUAL
        own = np.union1d(nodes_of(source, name, each), np.flatnonzero(virtual))
        left += len(population) - len(own)
        found[each] = own.tolist()
    if not left:
        return None
    notices.append(
        f"{left:,} cells are not simulated, because node_set of the configuration, {name!r}, is without them"
    )
    return found


def recorded_cells(
    source: NetworkSource,
    request: RecordRequest,
    candidates: Mapping[str, Ids],
    seed: int,
    *,
    one_more: bool = False,
) -> Mapping[str, Ids]:
    """Return the numbers of the cells that a request records, int64 by population, in the order of the populations' names.

    Parameters
    ----------
    source
        The circuit.
    request
        What is recorded.
    candidates
        Numbers of all cells of the circuit that could be recorded, by population, ascending.
    seed, one_more
        As of `sampled`.
    """
    found: dict[str, Ids] = {}
    for name in sorted(candidates):
        own = candidates[name]
        if request.population not in (None, name):
            if request.population in source.populations:
                continue
            if request.population not in known_sets(source.snapshot, source.circuit):
                continue
            own = np.intersect1d(
                own, node_set(source.snapshot, source.circuit, str(request.population), name)
            )
        if request.nodes is not None:
            own = np.intersect1d(own, np.array(request.nodes, np.int64))
        found[name] = own
    gids = [np.sort(source.populations[name].gid[own]) for name, own in found.items()]
    drawn = sampled(request, gids, seed, one_more=one_more)
    return {
        name: own[np.isin(source.populations[name].gid[own], chosen)]
        for (name, own), chosen in zip(found.items(), drawn, strict=True)
    }


def record_places(
    source: NetworkSource, request: RecordRequest, nodes: Iterable[NetworkNode]
) -> dict[int, RecordPlaces]:
    """Return where cells are recorded, by gid: sections and positions, None for the request's own place.

    Types of sections are those of the cell's tree; without one, names of sections in NEURON will say them.

    Parameters
    ----------
    source
        The circuit.
    request
        What is recorded.
    nodes
        Cells of one population that have sections and that the request records.
    """
    cells = list(nodes)
    if not cells:
        return {}
    if request.place in (ALL, SOMA):
        return dict.fromkeys((node.gid for node in cells), None)
    if request.place.startswith(SET):
        compartments = _compartments(source, request.place.removeprefix(SET), cells[0].population)
        return {node.gid: compartments[node.node_id] for node in cells if node.node_id in compartments}
    wanted = section_places(request.place)
    layers = numbers_of_layers(source, request.layers)
    found: dict[int, RecordPlaces] = {}
    for node in cells:
        if node.shape is None:
            if not layers:
                found[node.gid] = None
            continue
        places: list[tuple[int, OnSection]] = []
        for section, kind in enumerate(node.shape.section_types.tolist()):
            x = wanted.get(kind, wanted.get(ANY))
            if x is not None and (
                not layers or _layer(node.shape, section, 0.5 if x == ALL else x) in layers
            ):
                places.append((section, x))
        if places:
            found[node.gid] = places
    return found


def numbers_of_layers(source: NetworkSource, names: Sequence[str]) -> set[int]:
    """Return the numbers of layers; names that the configuration does not have are left out.

    Parameters
    ----------
    source
        The circuit.
    names
        Names, or numbers as text.
    """
    known = {} if source.configuration is None else source.configuration.definitions.layers
    return {int(each) for name in names if (each := known.get(name, name)) is not None and _is_number(each)}


def _is_number(value: str | int) -> bool:
    return isinstance(value, int) or value.lstrip("-").isdecimal()


def _layer(shape: TreeShape, section: int, x: float) -> int:
    """Layer of the first point of a section that is at or beyond a position."""
    points = shape.sections[section]
    places = np.stack([shape.x[points], shape.y[points], shape.z[points]])
    arc = np.concatenate([[0.0], np.cumsum(np.sqrt((np.diff(places) ** 2).sum(axis=0)))])
    at = min(int(np.searchsorted(arc, x * arc[-1])), len(points) - 1)
    return int(shape.layer[points[at]])


def _compartments(
    source: NetworkSource, name: str, population: str
) -> Mapping[int, Sequence[tuple[int, float]]]:
    table = source.snapshot.tables[circuits.COMPARTMENT_SETS.of(circuit=source.circuit)]
    rows = table.to_arrow(where=(pds.field("name") == name) & (pds.field("population") == population))
    found: dict[int, list[tuple[int, float]]] = {}
    for row in rows.to_pylist():
        found.setdefault(row["node_id"], []).append((row["section_id"], row["offset"]))
    return found


def check_records(source: NetworkSource, records: Sequence[RecordRequest], faults: Faults) -> None:
    """Note requests of populations, node sets, places and compartment sets that are not there.

    Parameters
    ----------
    source
        The circuit.
    records
        The requests.
    faults
        What is wrong is added to it.
    """
    layers = [] if source.configuration is None else list(source.configuration.definitions.layers)
    for request in records:
        if "/" in request.name:
            faults.add(f"{request.told}: reports are called by a name without '/': say ,name=…")
        for name in (*request.layers, *request.synapses.layers):
            if name not in layers and not _is_number(name):
                faults.add(
                    f"{request.told}: there is no layer {name!r}; the configuration has {', '.join(layers) or 'none'}"
                )
        for name in request.synapses.sources:
            if name not in source.populations:
                faults.add(
                    f"{request.told}: there is no population {name!r}; the circuit has {', '.join(source.populations)}"
                )
        if request.population is not None and request.population not in source.populations:
            known = known_sets(source.snapshot, source.circuit)
            if request.population not in known:
                faults.add(
                    f"{request.told}: there is no population {request.population!r}, and no node set of that name; the circuit has "
                    f"{', '.join([*source.populations, *known])}"
                )
        if request.place.startswith(SET):
            name, node = request.place.removeprefix(SET), circuits.COMPARTMENT_SETS.of(circuit=source.circuit)
            there = source.snapshot.tables.get(node)
            sets = [] if there is None else there.to_arrow(["name"])["name"].unique().to_pylist()
            if name not in sets:
                faults.add(
                    f"{request.told}: there is no such compartment set; there are {', '.join(sets) or 'none'}"
                )


def check_names(
    records: Sequence[RecordRequest], recorded: Sequence[Mapping[str, Ids]], faults: Faults
) -> None:
    """Note requests whose reports would have the same name.

    Parameters
    ----------
    records
        The requests.
    recorded
        Cells of each, by population.
    faults
        What is wrong is added to it.
    """
    seen: dict[tuple[str, str], RecordRequest] = {}
    for request, cells in zip(records, recorded, strict=True):
        for population in (name for name, own in cells.items() if len(own)):
            other = seen.setdefault((request.name, population), request)
            if other is not request:
                faults.add(
                    f"{other.told} and {request.told} both make a report {request.name!r} of {population}: give one "
                    "another name, ,name=…"
                )
