"""Projections of NeuroH5: edges in blocks of destinations, and what is said of each edge."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...lake import Transaction
from ..circuits.edges import HELD_EDGES, Ends, write_by_source
from ..circuits.tables import write_blocks
from ..circuits.trees import within
from ..hdf5.reading import HDF5File, Ids
from .cells import Attribute, Index, blocks, check_pointers
from .types import CHEMICAL, ELECTRICAL, NumberedCells

ROOT, EDGES = "Projections", "Edges"
SOURCES, POINTERS = "Source Index", "Destination Pointer"
BLOCK_CELLS, BLOCK_POINTERS = "Destination Block Index", "Destination Block Pointer"
COLUMNS = {
    ("Synapses", "syn_id"): "synapse_id",
    ("Connections", "distance"): "distance",
    ("Location", "Source section"): "efferent_section_id",
    ("Location", "Source position"): "efferent_section_pos",
    ("Location", "Destination section"): "afferent_section_id",
    ("Location", "Destination position"): "afferent_section_pos",
}
"""Columns by namespace and attribute; any other is called <namespace>.<attribute>."""
GAP_JUNCTIONS = "Coupling strength"
"""The namespace that only gap junctions have."""
BLOCK_EDGES = 2**20


@dataclass(frozen=True, eq=False)
class Projection:
    """The edges between two populations in a file.

    Attributes
    ----------
    source, target
        The populations.
    kind
        chemical or electrical.
    cells
        How many cells the source has.
    edges
        Number of the source's cell of each edge, a row for each destination.
    attributes
        What is said of the edges, by the name of the column.
    """

    source: str
    target: str
    kind: str
    cells: int
    edges: Attribute
    attributes: Mapping[str, Attribute]

    @property
    def population(self) -> str:
        """What the edges are called in the lake."""
        joined = f"{self.source}__{self.target}"
        return joined if self.kind == CHEMICAL else f"{joined}__{self.kind}"

    @property
    def everything(self) -> dict[str, Attribute]:
        """Sources and attributes by the name of the column."""
        return {"source_node_id": self.edges, **self.attributes}


def read_projection(
    file: HDF5File,
    group: Any,
    populations: Mapping[str, NumberedCells],
    valid: tuple[tuple[str, str], ...] | None,
) -> Projection:
    """Read the edges of ``/Projections/<target>/<source>``.

    Parameters
    ----------
    file
        The file that is open.
    group
        Group of the projection.
    populations
        Cells by name of the population.
    valid
        Pairs of source and target that may be connected.

    Raises
    ------
    IngestError
        The projection is not valid, a dataset lacks or is of another length, pointers do not ascend within their bounds, or
        a destination is not in its population.
    """
    target, source = group.name.split("/")[-2:]
    file.at = group.name
    for name in (source, target):
        if name not in populations:
            raise file.error(group, f"there is no population {name!r} in /H5Types")
    if valid is None or (source, target) not in valid:
        raise file.error(
            group,
            f"{source} to {target} is none of the valid projections of /H5Types, so that no reader takes it",
        )
    edges = group.get(EDGES)
    if edges is None or hasattr(edges, "dtype"):
        raise file.error(f"{group.name}/{EDGES}", "there is no such group")
    found = _edges(file, edges, populations[target].count)
    kind = ELECTRICAL if GAP_JUNCTIONS in group else CHEMICAL
    return Projection(source, target, kind, populations[source].count, found, _attributes(file, group, found))


def _edges(file: HDF5File, group: Any, count: int) -> Attribute:
    sources = file.dataset(group, SOURCES, shape=(None,))
    bounds = file.dataset(group, POINTERS, shape=(None,))
    first = file.dataset(group, BLOCK_CELLS, shape=(None,))
    blocks_at = file.dataset(
        group, BLOCK_POINTERS, length=len(first) + 1 if len(first) or len(sources) else None
    )
    at = file.ids(bounds)
    check_pointers(file, bounds, at, len(sources))
    size = max(len(at) - 1, 0)
    ends = file.ids(blocks_at)
    # Writers that append count the end of the pointers as a destination.
    check_pointers(
        file, blocks_at, np.r_[ends[:-1], size] if len(ends) and ends[-1] == size + 1 else ends, size
    )
    lengths = np.diff(np.minimum(ends, size))
    cells = (
        np.repeat(file.ids(first, count), lengths) + within(lengths) if len(first) else np.empty(0, np.int64)
    )
    if len(cells) and cells.max() >= count:
        raise file.error(first, f"a block goes to cell {cells.max()}, the population has {count:,}")
    pieces = {"pointers": bounds}
    return Attribute(
        file, group.name, Index(cells, np.diff(at)[: len(cells)]), at[:-1][: len(cells)], sources, pieces
    )


def _attributes(file: HDF5File, group: Any, edges: Attribute) -> dict[str, Attribute]:
    found = {}
    for namespace in group:
        if namespace == EDGES or hasattr(group[namespace], "dtype"):
            continue
        for name in group[namespace]:
            values = file.dataset(group[namespace], name, "iuf", length=len(edges.values))
            column = COLUMNS.get((namespace, name), f"{namespace}.{name}")
            found[column] = Attribute(file, values.name, edges.index, edges.start, values, {})
    return found


def once(projection: Projection, repeated: str) -> Projection:
    """Return a projection without the edges that a step appended when it ran twice: one edge for each synapse.

    Parameters
    ----------
    projection
        The edges as the file has them.
    repeated
        What becomes of synapses that have several edges, as of `Attribute.kept`.

    Raises
    ------
    IngestError
        A synapse has several edges, and they are an error.
    """
    synapses = projection.attributes.get("synapse_id")
    index = projection.edges.index
    if synapses is None or not index.repeats:
        return projection
    # Only cells that were appended to can have a synapse twice.
    again = np.isin(index.node_id, index.node_id[index.occurrence > 0])
    rows = np.flatnonzero(again)
    owners = np.repeat(index.node_id[rows], index.size[rows])
    keys = owners * 2**32 + synapses.read(rows).astype(np.int64)
    if len(np.unique(keys)) == len(keys):
        return projection
    # The same index tells that rows repeat, and which to keep.
    kept = {name: one.kept(repeated) for name, one in projection.everything.items()}
    shared = kept["source_node_id"].index
    kept = {name: replace(one, index=shared) for name, one in kept.items()}
    edges = kept.pop("source_node_id")
    return replace(projection, edges=edges, attributes=kept)


def write_projection(transaction: Transaction, projection: Projection, node: str) -> None:
    """Write the table of the edges, sorted by target, and ``.by_source`` beside it.

    Parameters
    ----------
    transaction
        Writes the nodes.
    projection
        The edges.
    node
        Name of the node.

    Raises
    ------
    IngestError
        A source is not in its population.
    """
    index, order = projection.edges.index, projection.edges.index.order
    fields = [circuits.EDGE_COLUMNS[name] for name in ("edge_id", "source_node_id", "target_node_id")]
    for name, one in projection.attributes.items():
        kind = pa.int64() if name.endswith("_id") else pa.from_numpy_dtype(one.values.dtype)
        fields.append(circuits.attribute(name, kind, one.name.split("/", 4)[-1]))
    columns = pa.schema(fields)
    attributes = {
        "population": projection.population,
        "source_population": projection.source,
        "target_population": projection.target,
    }

    held: list[Ends] = []
    few = int(index.size.sum()) <= HELD_EDGES

    def ends() -> Iterator[Ends]:
        for part in blocks(index.size[order], BLOCK_EDGES):
            rows = order[part]
            yield (
                _sources(projection, rows),
                np.repeat(index.node_id[rows], index.size[rows]),
                _numbers(projection, rows),
            )

    def tables() -> Iterator[pa.Table]:
        for part, (source, target, edge) in zip(blocks(index.size[order], BLOCK_EDGES), ends(), strict=True):
            if few:
                held.append((source, target, edge))
            values = [one.read(order[part]) for one in projection.attributes.values()]
            told = [pa.array(found).cast(kind.type) for found, kind in zip(values, fields[3:], strict=True)]
            yield pa.table([edge, source, target, *told], columns)

    sorted_by = ("target_node_id",)
    write_blocks(
        transaction, node, circuits.EDGES, columns, tables(), sorted_by=sorted_by, attributes=attributes
    )
    write_by_source(transaction, node, (lambda: iter(held)) if few else ends)


def _sources(projection: Projection, rows: Ids) -> Ids:
    """The source's cell of each edge of some destinations; looks whether there is such a cell."""
    found = projection.edges.read(rows)
    wrong = (found < 0) | (found >= projection.cells)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise projection.edges.source.error(
            projection.edges.values,
            f"id {found[at]} at position {_numbers(projection, rows)[at]}, expected 0 to {projection.cells - 1}",
        )
    return found.astype(np.int64)


def _numbers(projection: Projection, rows: Ids) -> Ids:
    size = projection.edges.index.size[rows]
    return within(size) + np.repeat(projection.edges.start[rows], size)
