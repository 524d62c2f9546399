"""Namespaces of cells as columns of nodes, synapses, spikes and features."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Transaction
from ..circuits.tables import write_blocks
from ..hdf5.reading import Ids
from .cells import Attribute, Index, blocks

PLACES = {
    **{f"{axis} Coordinate": axis.lower() for axis in "XYZUVL"},
    **{f"{axis} Distance": f"{axis.lower()}_distance" for axis in "UV"},
}
"""Columns of nodes by attribute."""
OF_NODES = ("Coordinates", "Generated Coordinates", "Arc Distances")
SYNAPSES = "Synapse Attributes"
OF_SYNAPSES = {
    "syn_ids": "synapse_id",
    "syn_secs": "section_id",
    "syn_locs": "section_pos",
    "syn_layers": "layer",
    "syn_types": "type",
    "swc_types": "swc_type",
    "syn_cdists": "soma_distance",
}
"""Columns of synapses by attribute; any other that has a value for each synapse keeps its name."""
NEEDED = ("syn_ids", "syn_secs", "syn_locs")
TRAIN, TIME, TRIAL = "Spike Train", "t", "Trial Index"
EVENTS = "Spike Events"
_CONSTRUCTION = ("Selectivity Type", "Feature Type", "Peak Rate", "peak_rate")

Attributes = Mapping[str, Attribute]


@dataclass(frozen=True, eq=False)
class Namespace:
    """What one file says of a population under one name.

    Attributes
    ----------
    population, name
        Both names.
    attributes
        By name.
    told
        HDF5 attributes of the group.
    """

    population: str
    name: str
    attributes: Attributes
    told: Mapping[str, Any]

    @property
    def is_of_nodes(self) -> bool:
        """Whether it places cells."""
        return self.name in OF_NODES

    @property
    def is_of_synapses(self) -> bool:
        """Whether it lists the synapses of cells."""
        return self.name == SYNAPSES

    @property
    def is_input(self) -> bool:
        """Whether it has the spike trains of an input."""
        return TRAIN in self.attributes

    @property
    def is_spikes(self) -> bool:
        """Whether it has the spikes that a simulation gave."""
        return (
            not self.is_input
            and TIME in self.attributes
            and (TRIAL in self.attributes or self.name.startswith(EVENTS))
        )

    @property
    def is_traces(self) -> bool:
        """Whether it has recordings over time."""
        return TIME in self.attributes and not self.is_spikes and not self.is_input

    @property
    def is_construction(self) -> bool:
        """Whether a step of construction made it, so that no cell is in it twice."""
        made = self.is_of_nodes or self.is_of_synapses or self.is_input
        return made or any(name in self.attributes for name in _CONSTRUCTION)


@dataclass(frozen=True, eq=False)
class HeldAttribute:
    """An attribute that a node of the lake holds, and the part of that node."""

    attribute: Attribute
    node: str
    part: str


def split(namespace: Namespace, time: str) -> tuple[dict[str, Attribute], dict[str, Attribute]]:
    """Return the attributes that have a value for each value of *time*, and the others.

    Parameters
    ----------
    namespace
        Attributes by name, with their cells.
    time
        Name of the attribute of times.
    """
    shared = namespace.attributes[time].index
    within: dict[str, Attribute] = {}
    beside: dict[str, Attribute] = {}
    for name, one in namespace.attributes.items():
        (within if one.index.equals(shared) else beside)[name] = one
    return within, beside


# Nodes


def placed(namespace: Namespace) -> tuple[dict[str, Attribute], dict[str, Attribute]]:
    """Return the attributes that become columns of nodes, by the column's name; and the others.

    Parameters
    ----------
    namespace
        Attributes by name, with their cells.
    """
    columns, others = {}, {}
    for name, one in namespace.attributes.items():
        if name in PLACES and one.scalar and one.values.dtype.kind == "f":
            columns[PLACES[name]] = one
        else:
            others[name] = one
    return columns, others


# Tables of several values for each cell


def write_synapses(
    transaction: Transaction, namespace: Namespace, node: str
) -> tuple[list[HeldAttribute], dict[str, Attribute]]:
    """Write the table of the synapses; return the attributes without a value for each synapse.

    Parameters
    ----------
    transaction
        Writes the nodes.
    namespace
        Attributes by name, with their cells.
    node
        Name of the node.

    Raises
    ------
    IngestError
        An attribute that synapses must have lacks, or has other rows than their numbers.
    """
    first = next(iter(namespace.attributes.values()), None)
    for name in NEEDED:
        if name not in namespace.attributes:
            assert first is not None, "a namespace without attributes is none"
            raise first.source.error(f"{first.name.rsplit('/', 1)[0]}/{name}", "there is no such group")
    columns, beside = split(namespace, NEEDED[0])
    for name in set(beside) & set(OF_SYNAPSES):
        raise beside[name].source.error(
            beside[name].name, f"its cells or pointers are not those of {NEEDED[0]}"
        )
    named = {OF_SYNAPSES.get(name, name): one for name, one in columns.items()}
    write_columns(transaction, node, circuits.SYNAPSES, named)
    return [HeldAttribute(one, node, name) for name, one in named.items()], beside


def write_spikes(
    transaction: Transaction, namespace: Namespace, node: str, attributes: Mapping[str, Any]
) -> tuple[list[HeldAttribute], dict[str, Attribute]]:
    """Write the table of the spikes; return the attributes without a value for each spike.

    Parameters
    ----------
    transaction
        Writes the nodes.
    namespace
        Attributes by name, with their cells.
    node
        Name of the node.
    attributes
        Attributes of the table.
    """
    kind, time = (circuits.INPUTS, TRAIN) if namespace.is_input else (circuits.SPIKES, TIME)
    columns, beside = split(namespace, time)
    named = {"time": columns.pop(time), **({"trial": columns.pop(TRIAL)} if TRIAL in columns else {})}
    found = write_columns(transaction, node, kind, named, attributes)
    return found, {**columns, **beside}


def doubled_spikes(namespace: Namespace) -> int:
    """Count spikes that repeat one of the same cell, time and trial, as if results were appended twice.

    Parameters
    ----------
    namespace
        Attributes by name, with their cells.
    """
    columns, _ = split(namespace, TIME)
    index = columns[TIME].index
    if not index.repeats:
        return 0
    order, found = index.order, 0
    cells = index.node_id[order]
    first = np.flatnonzero(np.r_[True, np.diff(cells) != 0])
    bounds = np.r_[first, len(order)]
    for part in blocks(np.add.reduceat(index.size[order], first)):
        rows = order[bounds[part.start] : bounds[part.stop]]
        times = columns[TIME].read(rows)
        trials = columns[TRIAL].read(rows) if TRIAL in columns else np.zeros(len(times), np.int8)
        owner = np.repeat(index.node_id[rows], index.size[rows])
        by = np.lexsort((times, trials, owner))
        same = [np.diff(values[by]) == 0 for values in (times, trials, owner)]
        found += int(np.count_nonzero(np.all(same, axis=0)))
    return found


def write_columns(
    transaction: Transaction,
    node: str,
    kind: TableKind,
    columns: Attributes,
    attributes: Mapping[str, Any] | None = None,
) -> list[HeldAttribute]:
    """Write a table with one row for each value of some attributes, which have the same rows, by cell.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    kind
        The vocabulary's, whose columns are in its order and types; any others follow as they are.
    columns
        Attributes by the name of the column.
    attributes
        Attributes of the table.
    """
    known = [field for field in kind.schema if field.name in columns]
    fields = [kind.schema.field("node_id")]
    for field in known:
        single = field.name in kind.single and columns[field.name].values.dtype == np.float32
        fields.append(field.with_type(pa.float32()) if single else field)
    for name in columns.keys() - {field.name for field in known}:
        dtype = pa.from_numpy_dtype(columns[name].values.dtype)
        fields.append(circuits.attribute(name, dtype, columns[name].short))
    index = next(iter(columns.values())).index
    sizes = index.size[index.order]
    tables = (_block(columns, index, index.order[part], pa.schema(fields)) for part in blocks(sizes))
    write_blocks(
        transaction, node, kind, pa.schema(fields), tables, sorted_by=("node_id",), attributes=attributes
    )
    return [HeldAttribute(one, node, name) for name, one in columns.items()]


def _block(columns: Attributes, index: Index, rows: Ids, schema: pa.Schema) -> pa.Table:
    nodes = np.repeat(index.node_id[rows], index.size[rows])
    values = [columns[name].read(rows) for name in schema.names[1:]]
    told = [pa.array(found).cast(field.type) for found, field in zip(values, list(schema)[1:], strict=True)]
    return pa.table([nodes, *told], schema)


# Features


def write_features(
    transaction: Transaction, attributes: Attributes, node: str, told: Mapping[str, Any]
) -> list[HeldAttribute]:
    """Write the table of a namespace about cells: a row for each of its rows, with lists where rows have several values.

    Attributes need not speak of the same cells; what one does not say is null.

    Parameters
    ----------
    transaction
        Writes the nodes.
    attributes
        The attributes of cells, by name.
    node
        Name of the node.
    told
        Attributes of the table.
    """
    nodes, occurrence = _rows(list(attributes.values()))
    places = {name: _found(one.index, nodes, occurrence) for name, one in attributes.items()}
    fields = [circuits.FEATURES.schema.field("node_id")]
    for name, one in attributes.items():
        kind = pa.from_numpy_dtype(one.values.dtype)
        fields.append(circuits.attribute(name, kind if one.scalar else pa.list_(kind), one.short))
    sizes = np.ones(len(nodes), np.int64)
    for name, one in attributes.items():
        sizes += np.where(places[name] < 0, 0, one.index.size[places[name]] if len(one.index.size) else 0)
    schema = pa.schema(fields)

    def tables() -> Iterator[pa.Table]:
        for part in blocks(sizes):
            columns = [_values(one, places[name][part]) for name, one in attributes.items()]
            yield pa.table([nodes[part], *columns], schema)

    write_blocks(transaction, node, circuits.FEATURES, schema, tables(), attributes=told)
    return [HeldAttribute(one, node, name) for name, one in attributes.items()]


def _rows(attributes: Sequence[Attribute]) -> tuple[Ids, Ids]:
    """Cells of all rows that some attributes have, sorted, and how many rows of the cell come before each."""
    indexes = [one.index for one in attributes]
    if all(
        index.equals(indexes[0]) or np.array_equal(index.node_id, indexes[0].node_id) for index in indexes
    ):
        first = indexes[0]
        return first.node_id[first.order], first.occurrence[first.order]
    keys = np.concatenate([np.stack([index.node_id, index.occurrence]) for index in indexes], axis=1)
    found = np.unique(keys, axis=1)
    return found[0], found[1]


def _found(index: Index, nodes: Ids, occurrence: Ids) -> Ids:
    """The row of an attribute that is that occurrence of each cell; -1 where it has none."""
    if not len(index.node_id):
        return np.full(len(nodes), -1)
    cells = index.node_id[index.order]
    at = np.searchsorted(cells, nodes) + occurrence
    safe = np.minimum(at, len(cells) - 1)
    there = (at < len(cells)) & (cells[safe] == nodes)
    return np.where(there, index.order[safe], -1)


def _values(attribute: Attribute, rows: Ids) -> pa.Array:
    there = rows >= 0
    values = attribute.read(rows[there])
    if attribute.scalar:
        found = np.zeros(len(rows), values.dtype)
        found[there] = values
        return pa.array(found, mask=~there)
    sizes = np.zeros(len(rows), np.int64)
    sizes[there] = attribute.index.size[rows[there]]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), mask=pa.array(~there))
