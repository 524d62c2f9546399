"""Nodes and edges of SONATA as tables: attributes of all groups, enumerations, types, indices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import TableKind, column
from ...catalog.vocabulary.known import kinds_of
from ...lake import Transaction
from ...lake.errors import IngestError
from ..hdf5.layout import hdf5, type_json
from ..hdf5.reading import HDF5File, Ids, IngestContext
from .types import Types

BLOCK_ROWS = 2**21
DYNAMICS, LIBRARY, CODE = "dynamics_params", "@library", ".code"
INDICES = {"source_to_target": "source_node_id", "target_to_source": "target_node_id"}
RANGES, EDGES = ("node_id_to_ranges", "node_id_to_range"), "range_to_edge_id"

Rows = slice | NDArray[np.int64]


@dataclass(frozen=True)
class AttributeColumn:
    """A column of a table, and how its values are read for some rows."""

    field: pa.Field
    read: Callable[[Rows], pa.Array]


@dataclass(frozen=True)
class Group:
    """A group of attributes: rows of the population that it is about, and where it has them (None: as they are)."""

    found: Any
    size: int
    rows: Ids | None = None
    at: Ids | None = None


# Nodes


def ingest_nodes(
    source: HDF5File,
    group: Any,
    node: str,
    context: IngestContext,
    types: Types | None,
) -> None:
    """Write the table of a population of nodes; one without any datasets is left to the layout.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the population.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.
    types
        Types of the nodes; None without a file of types.

    Raises
    ------
    IngestError
        A dataset lacks, has another length than its population, or holds what it may not.
    """
    population = group.name.rsplit("/", 1)[-1]
    if _is_hollow(group):
        context.notices.append(f"{source.path}: {group.name} is empty")
        return
    size = len(source.dataset(group, "node_type_id"))
    columns = _ids(source, group, node, [*circuits.NODE_COLUMNS][1:], circuits.NODE_COLUMNS, size)
    ids = _node_ids(source, group, node, size)
    context.sizes[population] = int(ids.max(initial=-1)) + 1
    columns = [AttributeColumn(circuits.NODE_COLUMNS["node_id"], partial(_given, ids)), *columns]
    columns += _attributes(source, group, node, size, "node", context, types)
    ordered = ("node_id",) if bool(np.all(np.diff(ids) > 0)) else ()
    _write(
        context.transaction,
        node,
        columns,
        size,
        None,
        "one node of a population",
        ordered,
        {"population": population, "size": context.sizes[population]},
    )


def _node_ids(source: HDF5File, group: Any, node: str, size: int) -> Ids:
    if "node_id" not in group:
        return np.arange(size, dtype=np.int64)
    dataset = source.dataset(group, "node_id", length=size)
    ids = source.ids(dataset)
    if len(np.unique(ids)) < size:
        raise source.error(dataset, "an id is there twice")
    source.claim(dataset, node, "node_id")
    return ids


# Edges


def ingest_edges(
    source: HDF5File,
    group: Any,
    node: str,
    context: IngestContext,
    types: Types | None,
) -> None:
    """Write the table of a population of edges, sorted by target, and ``.by_source`` beside it.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the population.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.
    types
        Types of the edges; None without a file of types.

    Raises
    ------
    IngestError
        As `ingest_nodes`; or an edge's node is not in its population, or an index does not tell the truth.
    """
    population = group.name.rsplit("/", 1)[-1]
    if _is_hollow(group):
        context.notices.append(f"{source.path}: {group.name} is empty")
        return
    size = len(source.dataset(group, "target_node_id"))
    ends, joined = _ends(source, group, node, size, context)
    _check_indices(source, group, node, ends, context)
    targets = ends["target_node_id"]
    order = None if bool(np.all(np.diff(targets) >= 0)) else np.argsort(targets, kind="stable")
    numbered = {"edge_id": np.arange(size, dtype=np.int64), **ends}
    columns = [
        AttributeColumn(circuits.EDGE_COLUMNS[name], partial(_given, ids)) for name, ids in numbered.items()
    ]
    columns += _ids(source, group, node, [*circuits.EDGE_COLUMNS][3:], circuits.EDGE_COLUMNS, size)
    columns += _attributes(source, group, node, size, "edge", context, types)
    described = {"population": population, **joined}
    doc = "one edge of a population"
    _write(context.transaction, node, columns, size, order, doc, ("target_node_id",), described)
    _write_by_source(context.transaction, node, numbered)


def _ends(
    source: HDF5File, group: Any, node: str, size: int, context: IngestContext
) -> tuple[dict[str, Ids], dict[str, str]]:
    """The nodes of every edge, and the populations they are of, where the file says so."""
    ends, joined = {}, {}
    for name in INDICES.values():
        dataset = source.dataset(group, name, length=size)
        population = _text(dataset.attrs.get("node_population"))
        below = context.sizes.get(population or "")
        ends[name] = source.ids(dataset, None if context.strays else below)
        strays = 0 if below is None else int(np.count_nonzero(ends[name] >= below))
        if strays:
            context.notices.append(
                f"{source.path}: {dataset.name}: {strays:,} edges are of nodes that {population!r}, of {below}, does not have"
            )
        source.claim(dataset, node, name)
        if population is not None:
            joined[name.replace("node_id", "population")] = population
    return ends, joined


def _write_by_source(transaction: Transaction, node: str, numbered: Mapping[str, Ids]) -> None:
    order = np.lexsort([numbered[name] for name in ("edge_id", "target_node_id", "source_node_id")])
    kind = circuits.BY_SOURCE
    transaction.write_table(
        kind.beside(node),
        pa.table([numbered[name][order] for name in kind.schema.names], kind.schema),
        doc=kind.doc,
        sorted_by=kind.sorted_by,
    )


def _check_indices(
    source: HDF5File, group: Any, node: str, ends: Mapping[str, Ids], context: IngestContext
) -> None:
    for name, end in INDICES.items():
        index = group.get(f"indices/{name}")
        if index is None:
            continue
        first = next((kind for kind in RANGES if kind in index), RANGES[0])
        ranges = source.dataset(index, first, shape=(None, 2))
        edges = source.dataset(index, EDGES, shape=(None, 2))
        told = index_owners(ranges[...], edges[...], len(ends[end]))
        # Writers that were told too few nodes leave out the edges of the others.
        beyond = ends[end] >= len(ranges)
        if told is None or not np.array_equal(told, np.where(beyond, -1, ends[end])):
            raise source.error(index, f"this index does not say what {end} says")
        if beyond.any():
            context.notices.append(
                f"{source.path}: {index.name}: it is of nodes 0 to {len(ranges) - 1} and says nothing of "
                f"{int(beyond.sum()):,} edges whose {end} is higher"
            )
        source.claim(ranges, node, f"@{end}.{RANGES[0]}")
        source.claim(edges, node, f"@{end}.{EDGES}")


def index_owners(ranges: NDArray[Any], edges: NDArray[Any], size: int) -> Ids | None:
    """Return the node of every edge by an index, -1 for edges that it does not have; None where it is not one.

    Parameters
    ----------
    ranges
        Half-open ranges of rows of *edges*, one for each node.
    edges
        Half-open ranges of edges.
    size
        Number of edges.
    """
    rows = _expanded(ranges.astype(np.int64), len(edges))
    if rows is None:
        return None
    at = _expanded(edges.astype(np.int64)[rows[1]], size)
    if at is None or len(np.unique(at[1])) < len(at[1]):
        return None
    owners = np.full(size, -1, np.int64)
    owners[at[1]] = rows[0][at[0]]
    return owners


def _expanded(ranges: Ids, size: int) -> tuple[Ids, Ids] | None:
    """For all numbers in half-open ranges: which range each is of, and the number; None if one is not below *size*."""
    start, stop = ranges[:, 0], ranges[:, 1]
    if (start < 0).any() or (stop < start).any() or (stop > size)[stop > start].any():
        return None
    lengths = stop - start
    if lengths.sum() > size:
        return None
    which = np.repeat(np.arange(len(ranges)), lengths)
    before = np.cumsum(lengths) - lengths
    return which, np.arange(len(which)) - before[which] + start[which]


def made_index(ends: Ids, nodes: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the index of edges by node, as libsonata makes it: ranges of runs for each node, and runs of edges.

    Parameters
    ----------
    ends
        Node of every edge.
    nodes
        Number of nodes in the index.
    """
    starts = np.flatnonzero(np.r_[True, ends[1:] != ends[:-1]]) if len(ends) else np.empty(0, np.int64)
    runs = np.stack([starts, np.r_[starts[1:], len(ends)][: len(starts)]], axis=1)
    order = np.argsort(ends[starts], kind="stable")
    bounds = np.searchsorted(ends[starts][order], np.arange(nodes + 1))
    return np.stack([bounds[:-1], bounds[1:]], axis=1).astype(np.uint64), runs[order].astype(np.uint64)


# Columns


def _is_hollow(group: Any) -> bool:
    found: list[str] = []
    group.visititems(lambda name, item: found.append(name) if hasattr(item, "dtype") else None)
    return not found


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


def _ids(
    source: HDF5File, group: Any, node: str, names: Sequence[str], fields: Mapping[str, pa.Field], size: int
) -> list[AttributeColumn]:
    found = []
    for name in names:
        if name in group:
            dataset = source.dataset(group, name, length=size)
            source.claim(dataset, node, name)
            found.append(AttributeColumn(fields[name], partial(_whole_numbers, dataset)))
    return found


def _whole_numbers(dataset: Any, rows: Rows) -> pa.Array:
    return pa.array(_values(dataset, rows).astype(np.int64))


def _given(values: Ids, rows: Rows) -> pa.Array:
    return pa.array(values[rows])


def _values(dataset: Any, rows: Rows) -> NDArray[Any]:
    """Values at some rows; HDF5 picks single rows one after another, NumPy all at once."""
    text = hdf5().check_string_dtype(dataset.dtype) is not None
    view = dataset.asstr() if text else dataset
    return np.asarray(view[rows] if isinstance(rows, slice) else view[...][rows])


def _groups(source: HDF5File, group: Any, size: int, kind: str) -> list[Group]:
    """The groups of attributes, and the rows that each is about."""
    found = {
        int(name): group[name] for name in group if name.isdecimal() and not hasattr(group[name], "dtype")
    }
    ids, indices = f"{kind}_group_id", f"{kind}_group_index"
    if ids not in group:
        if len(found) > 1:
            raise source.error(group, f"it has {len(found)} groups of attributes and no {ids}")
        return [Group(part, size) for part in found.values()]
    numbers = source.ids(source.dataset(group, ids, length=size))
    at = source.ids(source.dataset(group, indices, length=size))
    strays = np.setdiff1d(numbers, [*found])
    if len(strays):
        raise source.error(f"{group.name}/{ids}", f"there is no group {strays[0]}")
    groups = []
    for number, part in sorted(found.items()):
        rows = np.flatnonzero(numbers == number)
        if not np.array_equal(np.sort(at[rows]), np.arange(len(rows))):
            raise source.error(f"{group.name}/{indices}", f"it does not number the rows of group {number}")
        whole = len(rows) == size and np.array_equal(at, rows)
        groups.append(Group(part, size) if whole else Group(part, len(rows), rows, at[rows]))
    return groups


def _attributes(
    source: HDF5File, group: Any, node: str, size: int, kind: str, context: IngestContext, types: Types | None
) -> list[AttributeColumn]:
    """Attributes of all groups, and of the types; what a group does not say is null."""
    taken = circuits.NODE_COLUMNS if kind == "node" else circuits.EDGE_COLUMNS
    parts: dict[str, list[tuple[Group, Any]]] = {}
    for one in _groups(source, group, size, kind):
        for name, dataset in _datasets(source, one, context):
            library = one.found.get(f"{LIBRARY}/{name}")
            stored = name if library is None else f"{name}{CODE}"
            if {name, stored} & taken.keys():
                raise source.error(dataset, f"an attribute may not be named {name}")
            source.claim(dataset, node, stored)
            parts.setdefault(stored, []).append((one, dataset))
            if library is not None:
                parts.setdefault(name, []).append((one, _Decoded(source, dataset, library, context)))
    known = [told for told in kinds_of(node, "table") if isinstance(told, TableKind)]
    columns = {name: _joined(source, name, found, size, known) for name, found in parts.items()}
    if types is not None:
        type_ids: Ids = source.dataset(group, f"{kind}_type_id", length=size)[...].astype(np.int64)
        for name in types.columns:
            columns[name] = _typed(types, name, type_ids, columns.get(name))
    return list(columns.values())


def _described(known: Sequence[TableKind], name: str, kind: pa.DataType, source: str) -> pa.Field:
    """The column of an attribute, as the population's own kind of table describes it or else SONATA does."""
    for told in known:
        if name in told.schema.names:
            return column(name, kind, told.meanings[name], told.units[name], source)
    return circuits.attribute(name, kind, source)


def _datasets(source: HDF5File, group: Group, context: IngestContext) -> Iterator[tuple[str, Any]]:
    found = {name: group.found[name] for name in group.found if hasattr(group.found[name], "dtype")}
    dynamics = group.found.get(DYNAMICS)
    if dynamics is not None and not hasattr(dynamics, "dtype"):
        found |= {
            f"{DYNAMICS}.{name}": dynamics[name] for name in dynamics if hasattr(dynamics[name], "dtype")
        }
    for name, dataset in found.items():
        # An attribute without a shape says nothing; it is kept in the layout.
        if dataset.shape is None:
            continue
        try:
            type_json(dataset.dtype)
        except ValueError as error:
            raise source.error(dataset, str(error)) from error
        if dataset.shape == (group.size,):
            yield name, dataset
            continue
        unfit = source.error(dataset, f"its shape is {dataset.shape}, expected ({group.size},)")
        if not context.skip:
            raise unfit
        context.notices.append(f"no column: {unfit}")


class _Decoded:
    """An attribute that is coded by numbers, as text; codes that mean nothing are null, with a notice."""

    def __init__(self, source: HDF5File, codes: Any, library: Any, context: IngestContext) -> None:
        self.name, self.shape = codes.name, codes.shape
        self.codes = source.dataset(codes.parent, codes.name.rsplit("/", 1)[-1], length=codes.shape[0])
        words = source.dataset(library.parent, library.name.rsplit("/", 1)[-1], "OS", length=library.size)
        self.words = pa.array(words.asstr()[...].tolist(), pa.string())
        stored = codes[...]
        wrong = (stored < 0) | (stored >= len(self.words))
        if wrong.any():
            what = f"{codes.name}: code {stored[wrong][0]} of {len(self.words)} words"
            context.notices.append(f"{source.path}: {what}; null in the lake")

    def read(self, rows: Rows) -> pa.Array:
        codes = _values(self.codes, rows).astype(np.int64)
        return self.words.take(pa.array(codes, mask=(codes < 0) | (codes >= len(self.words))))


def _read(dataset: Any, rows: Rows) -> pa.Array:
    if isinstance(dataset, _Decoded):
        return dataset.read(rows)
    values = _values(dataset, rows)
    names = hdf5().check_enum_dtype(dataset.dtype)
    if names is not None:
        words = {value: name for name, value in names.items()}
        strange = set(values.tolist()) - words.keys()
        if strange:
            raise IngestError(
                f"{dataset.name}: {min(strange)} is not a value of its enumeration", dataset.file.filename
            )
        return pa.array([words[value] for value in values.tolist()], pa.string())
    return pa.array(values.tolist(), pa.string()) if values.dtype.kind == "O" else pa.array(values)


def _joined(
    source: HDF5File,
    name: str,
    parts: Sequence[tuple[Group, Any]],
    size: int,
    known: Sequence[TableKind],
) -> AttributeColumn:
    """An attribute of one group or several as one column."""
    kinds = [_read(dataset, slice(0, 0)).type for _, dataset in parts]
    kind = kinds[0]
    for other, (_, dataset) in zip(kinds[1:], parts[1:], strict=True):
        if pa.types.is_string(kind) != pa.types.is_string(other):
            raise source.error(dataset, f"it is {other} here and {kind} in another group")
        if not pa.types.is_string(kind):
            kind = pa.from_numpy_dtype(np.promote_types(kind.to_pandas_dtype(), other.to_pandas_dtype()))
    places = ", ".join(dataset.name for _, dataset in parts)
    group, dataset = parts[0]
    field = _described(known, name, kind, places)
    if len(parts) == 1 and group.rows is None:
        return AttributeColumn(field, lambda rows: _read(dataset, rows))
    return AttributeColumn(field, lambda rows: _scattered(parts, kind, size, rows))


def _scattered(parts: Sequence[tuple[Group, Any]], kind: pa.DataType, size: int, rows: Rows) -> pa.Array:
    chunks, where, start = [], np.full(size, -1, np.int64), 0
    for group, dataset in parts:
        chunks.append(_read(dataset, slice(None)).cast(kind))
        where[slice(None) if group.rows is None else group.rows] = start + (
            np.arange(size) if group.at is None else group.at
        )
        start += group.size
    wanted = where[rows]
    return pa.concat_arrays(chunks).take(pa.array(wanted, mask=wanted < 0))


def _typed(types: Types, name: str, ids: Ids, own: AttributeColumn | None) -> AttributeColumn:
    """A column of the types; what nodes or edges say themselves comes before."""
    values = types.columns[name]
    if own is None:
        return AttributeColumn(
            circuits.attribute(name, values.type, types.path.name), lambda rows: types.column(name, ids[rows])
        )

    def read(rows: Rows) -> pa.Array:
        return pc.coalesce(own.read(rows), types.column(name, ids[rows]).cast(own.field.type))

    return AttributeColumn(own.field, read)


def _write(
    transaction: Transaction,
    node: str,
    columns: Sequence[AttributeColumn],
    size: int,
    order: Ids | None,
    doc: str,
    sorted_by: Sequence[str],
    attributes: Mapping[str, Any],
) -> None:
    table_schema = pa.schema([one.field for one in columns])
    for start in range(0, max(size, 1), BLOCK_ROWS):
        span = slice(start, min(start + BLOCK_ROWS, size))
        rows: Rows = span if order is None else order[span]
        try:
            block = pa.table([one.read(rows).cast(one.field.type) for one in columns], table_schema)
        except pa.ArrowInvalid as error:
            raise IngestError(f"{node}: {error}", node) from error
        if start:
            transaction.append_table(node, block)
        else:
            transaction.write_table(node, block, doc=doc, sorted_by=sorted_by, attributes=dict(attributes))
