"""Spikes, reports and weights of SONATA as tables and arrays; reports of any length pass through in blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Transaction
from ...lake.data.arrays import create_array, encode_chunks
from ...lake.data.codecs import Codec
from ...lake.data.compression import chosen_codec
from ...lake.nodes.grid import Grid
from ..hdf5.reading import HDF5File, Ids, IngestContext

CHUNK_VALUES = 2**18
CHUNK_ELEMENTS = 1024
BLOCK_VALUES = 2**23
POINTERS = ("index_pointers", "index_pointer")
SORTINGS = ("none", "by_id", "by_time")
SORTED_COLUMN = {"by_id": "node_id", "by_time": "time"}


# Spikes


def ingest_spikes(source: HDF5File, group: Any, node: str, context: IngestContext, population: str) -> None:
    """Write the table of a population's spikes, in the order of the file.

    Ids are in ``node_ids`` or, in files from before SONATA had populations of spikes, in ``gids``.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the spikes.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.
    population
        Name of the population.

    Raises
    ------
    IngestError
        The two datasets differ in length, a node is not in its population, or a time is no number.
    """
    times = source.dataset(group, "timestamps", "f", shape=(None,))
    ids = "gids" if "gids" in group and "node_ids" not in group else "node_ids"
    nodes = source.dataset(group, ids, length=len(times))
    columns = {
        "node_id": source.ids(nodes, context.sizes.get(population)),
        "time": times[...].astype(np.float64),
    }
    if np.isnan(columns["time"]).any():
        raise source.error(times, f"spike {int(np.argmax(np.isnan(columns['time'])))} has no time")
    # The attribute is not to be trusted: bmtk calls files sorted by time which are not.
    order = [name for name in ("time", "node_id") if bool(np.all(np.diff(columns[name]) >= 0))]
    claimed = sorting(group)
    if SORTED_COLUMN.get(claimed, "time") not in order and claimed in SORTED_COLUMN:
        context.notices.append(f"{source.path}: {group.name} says that it is sorted {claimed}, and is not")
    kind = circuits.SPIKES
    context.transaction.write_table(
        node,
        pa.table(columns, kind.schema_of(columns)),
        doc=kind.doc,
        sorted_by=order[:1],
        attributes={"population": population, "sorting": claimed},
    )
    source.claim(times, node, "time")
    source.claim(nodes, node, "node_id")


def sorting(group: Any) -> str:
    """Return a file's order of spikes: from an enumeration (libsonata) or a text (bmtk); ``none`` by default.

    Parameters
    ----------
    group
        Group of the spikes.
    """
    value = group.attrs.get("sorting", "none")
    if isinstance(value, bytes | str):
        return value.decode() if isinstance(value, bytes) else value
    return SORTINGS[int(value)] if 0 <= int(value) < len(SORTINGS) else str(value)


# Reports


def ingest_report(
    source: HDF5File,
    group: Any,
    node: str,
    context: IngestContext,
    config: Mapping[str, Any],
    weights: str | None = None,
) -> None:
    """Write the array [time, element] of a population's report, ``.elements`` and ``.nodes`` beside it.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the report.
    node
        Name of the node.
    context
        What the ingest goes on with: its transaction, notices and options.
    config
        What the simulation's configuration says of the report.
    weights
        How the lake calls the file of weights that an lfp report was made with.

    Raises
    ------
    IngestError
        A dataset lacks, or these do not agree in their lengths, or pointers or times make no sense.
    """
    if not len(group):
        context.notices.append(f"{source.path}: {group.name} is empty")
        return
    population = group.name.rsplit("/", 1)[-1]
    data = source.dataset(group, "data", "f", shape=(None, None))
    mapping = group.get("mapping")
    if mapping is None or hasattr(mapping, "dtype"):
        raise source.error(f"{group.name}/mapping", "there is no such group")
    start, step = _times(source, mapping, len(data))
    pointers = next((name for name in POINTERS if name in mapping), POINTERS[0])
    ranges = node_ranges(source, mapping, ("node_ids", pointers), node, data.shape[1], context, population)
    _elements(source, mapping, node, ranges, context)
    attributes = {
        "population": population,
        "units": _units(data, config),
        "t_start": start,
        "dt": step,
        "report": dict(config),
        **({} if weights is None else {"weights": weights}),
    }
    copy_array(source, data, node, report_kinds.REPORT.axes, attributes, context)
    times = start + np.arange(len(data)) * step
    write_times(context.transaction, node, times)


def write_times(transaction: Transaction, node: str, times: Any) -> None:
    """Write the times of a report's frames beside it.

    Parameters
    ----------
    transaction
        Writes the nodes.
    node
        Name of the node.
    times
        Time of each frame in ms.
    """
    kind = report_kinds.REPORT_TIME
    transaction.write_array(
        kind.beside(node), times, dimension_names=kind.axes, attributes={"units": kind.unit}
    )


def _units(data: Any, config: Mapping[str, Any]) -> str | None:
    """The configuration's word comes before the file's: writers put mV there whatever they wrote."""
    told = config.get("unit", data.attrs.get("units"))
    return told.decode() if isinstance(told, bytes) else None if told is None else str(told)


def _times(source: HDF5File, mapping: Any, frames: int) -> tuple[float, float]:
    dataset = source.dataset(mapping, "time", "fiu", length=3)
    start, stop, step = map(float, dataset[...])
    if not (np.isfinite([start, stop, step]).all() and step > 0):
        raise source.error(dataset, f"start {start}, stop {stop}, step {step}: not times with a step above 0")
    # The stop is exclusive, but for writers that count one more frame.
    if abs((stop - start) / step - frames) > 1.5:
        raise source.error(dataset, f"{start} to {stop} by {step} are not the {frames} frames of the data")
    return start, step


def _elements(
    source: HDF5File, mapping: Any, node: str, ranges: Mapping[str, Ids], context: IngestContext
) -> None:
    """The table of the columns of a report."""
    kind, size = report_kinds.ELEMENTS, int(ranges["stop"].max(initial=0))
    ids = source.dataset(mapping, "element_ids", length=size)
    nodes, elements = np.repeat(ranges["node_id"], ranges["stop"] - ranges["start"]), source.ids(ids)
    source.claim(ids, kind.beside(node), "element_id")
    positions: Any = pa.nulls(size, pa.float64())
    if "element_pos" in mapping:
        dataset = source.dataset(mapping, "element_pos", "f", length=size)
        positions = dataset[...].astype(np.float64)
        source.claim(dataset, kind.beside(node), "element_pos")
    columns = [nodes, elements, ordinals(nodes, elements), positions]
    write_kind(context, kind.beside(node), kind, columns)


def ordinals(nodes: Ids, elements: Ids) -> Ids:
    """Count, for each column, the columns of the same node and element before it.

    Parameters
    ----------
    nodes, elements
        Ids of each column, int64.
    """
    order = np.lexsort((elements, nodes))
    new = np.r_[True, (np.diff(nodes[order]) != 0) | (np.diff(elements[order]) != 0)][: len(order)]
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    found = np.empty(len(order), np.int64)
    found[order] = np.arange(len(order)) - first
    return found


def node_ranges(
    source: HDF5File,
    group: Any,
    names: tuple[str, str],
    node: str,
    size: int,
    context: IngestContext,
    population: str,
) -> dict[str, Ids]:
    """Write the table ``.nodes``: which columns, or rows, belong to which node.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the HDF5 file.
    names
        Datasets of the ids and of the pointers.
    node
        Name of the node.
    size
        Number of columns or rows.
    context
        What the ingest goes on with: its transaction, notices and options.
    population
        Name of the population.

    Raises
    ------
    IngestError
        As `read_ranges` says.
    """
    found = read_ranges(source, group, names, size, context.sizes.get(population))
    table = report_kinds.RANGES.beside(node)
    write_kind(context, table, report_kinds.RANGES, [*found.values()])
    for name, part in zip(names, ("node_id", "@pointers"), strict=True):
        source.claim(group[name], table, part)
    return found


def read_ranges(
    source: HDF5File, group: Any, names: tuple[str, str], size: int, below: int | None = None
) -> dict[str, Ids]:
    """Read which columns, or rows, belong to which node: ``node_id``, ``start`` and ``stop``.

    Parameters
    ----------
    source
        The file that is open.
    group
        Group of the HDF5 file.
    names
        Datasets of the ids and of the pointers.
    size
        Number of columns or rows.
    below
        What ids must be below.

    Raises
    ------
    IngestError
        Pointers do not ascend from 0 to *size*, or a node is there twice or not in its population.
    """
    nodes = source.dataset(group, names[0], shape=(None,))
    bounds = source.dataset(group, names[1], length=len(nodes) + 1)
    at = source.ids(bounds)
    if at[0] != 0 or at[-1] != size or (np.diff(at) < 0).any():
        raise source.error(
            bounds, f"pointers must ascend from 0 to {size}, these go from {at[0]} to {at[-1]}"
        )
    ids = source.ids(nodes, below)
    if len(np.unique(ids)) < len(ids):
        raise source.error(nodes, "a node is there twice")
    return {"node_id": ids, "start": at[:-1], "stop": at[1:]}


def write_kind(context: IngestContext, node: str, kind: TableKind, columns: Sequence[Any]) -> None:
    """Write a table of a kind.

    Parameters
    ----------
    context
        What the ingest goes on with: its transaction, notices and options.
    node
        Name of the node.
    kind
        The kind of table.
    columns
        Values of each column, in the order of the kind's schema.
    """
    context.transaction.write_table(node, pa.table([*columns], kind.schema), doc=kind.doc)


def copy_array(
    source: HDF5File,
    data: Any,
    node: str,
    dims: Sequence[str],
    attributes: Mapping[str, Any],
    context: IngestContext,
) -> None:
    """Copy a dataset of two axes, block by block, into an array whose chunks suit reads of rows and of columns.

    Parameters
    ----------
    source
        The file that is open.
    data
        Dataset of h5py.
    node
        Name of the node.
    dims
        Names of the two axes.
    attributes
        Attributes of the array.
    context
        What the ingest goes on with: its transaction, notices and options.
    """
    rows, columns = data.shape
    wide = max(1, min(columns, CHUNK_ELEMENTS))
    chunks = (max(1, min(rows, CHUNK_VALUES // wide)), wide)
    kind = data.dtype.newbyteorder("=")
    array = create_array(
        context.transaction.store,
        node,
        data.shape,
        kind,
        chunks=chunks,
        dimension_names=dims,
        attributes=attributes,
        codec=chosen_codec("auto", data[: chunks[0], : chunks[1]].astype(kind, copy=False), chunks, dims),
    )
    codec, grid = Codec.of(array.metadata.to_dict()), Grid(array.shape, chunks)
    draft = context.transaction.drafts.edit(node)
    assert codec is not None and draft is not None, "just made with the usual codec"
    source.at = data.name
    step = chunks[1] * max(1, BLOCK_VALUES // (chunks[0] * chunks[1]))
    for top in range(0, rows, chunks[0]):
        for left in range(0, columns, step):
            box = [(top, min(top + chunks[0], rows)), (left, min(left + step, columns))]
            values = data[slice(*box[0]), slice(*box[1])].astype(kind, copy=False)
            entries = encode_chunks(values, chunks, codec, array.fill_value, context.transaction.writer)
            draft.changes.update(zip(map(grid.number, grid.overlapping(box)), entries, strict=True))
            context.advance(values.nbytes)
    source.claim(data, node)
