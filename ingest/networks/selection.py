"""Which cells of a circuit are simulated, and where on them it is recorded."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow.dataset as pds

from ...catalog.node_sets import node_set, node_sets
from ...catalog.vocabulary import circuits
from ...lake.errors import InputError
from ...mechanisms.network.cells import Ids, NetworkNode
from ..building.configuration import SWC_TYPES
from .circuit import NetworkSource
from .faults import Faults
from .records import ALL, SET, SOMA, RecordPlaces, RecordRequest

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


def record_places(
    source: NetworkSource, request: RecordRequest, nodes: Iterable[NetworkNode]
) -> dict[int, RecordPlaces]:
    """Return where each cell of a population is recorded, by gid: sections and positions, None for the request's own place.

    Parameters
    ----------
    source
        The circuit.
    request
        What is recorded.
    nodes
        Cells of one population that have sections.
    """
    cells = list(nodes)
    if not cells:
        return {}
    population = cells[0].population
    wanted = None if request.nodes is None else set(request.nodes)
    if request.population not in (None, population):
        if request.population in source.populations:
            return {}
        ids = node_set(source.snapshot, source.circuit, str(request.population), population)
        wanted = set(ids.tolist()) if wanted is None else wanted & set(ids.tolist())
    cells = [node for node in cells if wanted is None or node.node_id in wanted]
    if request.place in (ALL, SOMA):
        return dict.fromkeys((node.gid for node in cells), None)
    if request.place.startswith(SET):
        compartments = _compartments(source, request.place.removeprefix(SET), population)
        return {node.gid: compartments[node.node_id] for node in cells if node.node_id in compartments}
    number = SWC_TYPES[request.place]
    found: dict[int, RecordPlaces] = {}
    for node in cells:
        if node.shape is not None:
            sections = np.flatnonzero(node.shape.section_types == number).tolist()
            if sections:
                found[node.gid] = [(section, 0.5) for section in sections]
    return found


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
    for request in records:
        if request.population is not None and request.population not in source.populations:
            files = circuits.FILES.of(circuit=source.circuit)
            known = node_sets(source.snapshot, source.circuit) if files in source.snapshot.tables else {}
            if request.population not in known:
                faults.add(
                    f"--record: there is no population {request.population!r}, and no node set of that name; the circuit has "
                    f"{', '.join([*source.populations, *known])}"
                )
        if request.place.startswith(SET):
            name, node = request.place.removeprefix(SET), circuits.COMPARTMENT_SETS.of(circuit=source.circuit)
            there = source.snapshot.tables.get(node)
            known_sets = [] if there is None else there.to_arrow(["name"])["name"].unique().to_pylist()
            if name not in known_sets:
                faults.add(
                    f"--record {request.place}: there is no such compartment set; there are {', '.join(known_sets) or 'none'}"
                )
