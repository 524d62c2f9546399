"""Metrics of a graph's vertices, which NeuroH5's own tools write: cells of all populations by their gids."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ..hdf5.reading import HDF5File
from .cells import Attribute, Index, read_attribute
from .types import NumberedCells

ROOT, CELLS = "Nodes", "Node Index"


def read_vertices(
    source: HDF5File, populations: Mapping[str, NumberedCells]
) -> Iterator[tuple[str, str, dict[str, Attribute]]]:
    """Yield namespaces of ``/Nodes`` for each population that they speak of: both names, and attributes of its cells.

    Parameters
    ----------
    source
        The file that is open.
    populations
        Cells by name of the population.

    Raises
    ------
    IngestError
        As of `read_attribute`; or a gid is of no population.
    """
    end = max((one.start + one.count for one in populations.values()), default=0)
    for namespace in source.groups(ROOT):
        group = source.file[f"{ROOT}/{namespace}"]
        found = {
            name: read_attribute(source, group[name], end, cells=CELLS)
            for name in source.groups(f"{ROOT}/{namespace}")
        }
        parts = {
            population: {name: _of(one, numbers) for name, one in found.items()}
            for population, numbers in populations.items()
        }
        for name, one in found.items():
            if sum(len(own[name].start) for own in parts.values()) < len(one.start):
                raise source.error(f"{one.name}/{CELLS}", "a cell is of no population")
        for population, own in parts.items():
            if held := {name: one for name, one in own.items() if len(one.start)}:
                yield namespace, population, held


def _of(attribute: Attribute, numbers: NumberedCells) -> Attribute:
    """The rows of one population, by the numbers that its cells have there."""
    gids = attribute.index.node_id
    rows = np.flatnonzero((gids >= numbers.start) & (gids < numbers.start + numbers.count))
    index = Index(gids[rows] - numbers.start, attribute.index.size[rows])
    return replace(attribute, index=index, start=attribute.start[rows])
