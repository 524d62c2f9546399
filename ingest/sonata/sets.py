"""Compartment sets of SONATA as a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...lake.errors import IngestError
from ..hdf5.reading import IngestContext
from .config import read_json


def ingest_compartment_sets(path: Path, node: str, context: IngestContext) -> None:
    """Write the table of the sets in a file.

    Parameters
    ----------
    path
        Path of the JSON file.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.

    Raises
    ------
    IngestError
        The file is no JSON, a set is malformed, or one of its nodes is not in its population.
    """
    kind = circuits.COMPARTMENT_SETS
    rows = [row for name, told in read_json(path).items() for row in _rows(path, name, told, context)]
    context.transaction.write_table(node, pa.Table.from_pylist(rows, kind.schema), doc=kind.doc)


def _rows(path: Path, name: str, told: Any, context: IngestContext) -> Iterator[dict[str, Any]]:
    population = told.get("population") if isinstance(told, dict) else None
    compartments = told.get("compartment_set") if isinstance(told, dict) else None
    if not isinstance(population, str) or not isinstance(compartments, list):
        raise IngestError(f"{name}: expected an object of population and compartment_set", path)
    for at, entry in enumerate(compartments):
        if not _is_compartment(entry, context.sizes.get(population)):
            known = f" of {population}" if population in context.sizes else ""
            raise IngestError(
                f"{name}: entry {at} is {entry!r}, expected [node id{known}, section id, offset 0 to 1]", path
            )
        values = (name, population, entry[0], entry[1], float(entry[2]))
        yield dict(zip(circuits.COMPARTMENT_SETS.schema.names, values, strict=True))


def _is_compartment(entry: Any, nodes: int | None) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 3
        and all(type(value) is int and value >= 0 for value in entry[:2])
        and type(entry[2]) in (int, float)
        and 0 <= entry[2] <= 1
        and (nodes is None or entry[0] < nodes)
    )
