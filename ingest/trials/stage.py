"""From what workers stored to one transaction: tables, arrays and files of a simrun ingest."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Array, Transaction
from ...lake.data.arrays import append_chunks, create_array
from ...lake.data.codecs import Codec
from ...lake.data.recoding import recoded
from ...lake.errors import IngestError
from ...lake.nodes.entry import Entry
from ...lake.nodes.fields import fields_of
from .rows import CODEC, SOMA, TIME_CHUNK, GroupResult, TraceBlock

_SITE = re.compile(
    r"(?P<landmark>.+)_ID_(?P<landmark_id>[0-9]{1,9})_sec_(?P<section_id>[0-9]{1,9})"
    r"_seg_(?P<segment_id>[0-9]{1,9})_x_(?P<x>[0-9]+\.[0-9]+)_somaDist_(?P<soma_distance>[0-9]+\.[0-9]+)"
)


def stage_results(results: Sequence[GroupResult], transaction: Transaction) -> None:
    """Append tables and traces of results, in order of their trials.

    Parameters
    ----------
    results
        Results of the workers.
    transaction
        Writes the nodes.
    """
    _stage_tables(results, transaction)
    _stage_traces([block for result in results for block in result.traces], transaction)


def _stage_tables(results: Sequence[GroupResult], transaction: Transaction) -> None:
    for kind in (schema.SYNAPSE_ACTIVATION, schema.CELL_ACTIVATION):
        files = [result.large[kind.name] for result in results if kind.name in result.large]
        if files:
            transaction.append_files(
                kind.name, files, fields_of(kind.schema), doc=kind.doc, sorted_by=kind.sorted_by
            )
    for kind in (schema.TRIALS, schema.SPIKE_TIMES, schema.DENDRITIC_SPIKE_TIMES):
        parts = [part for result in results for part in result.small.get(kind.name, ())]
        rows = pa.concat_tables(parts, promote_options="default") if parts else kind.schema.empty_table()
        append_rows(transaction, kind, rows)


def append_rows(transaction: Transaction, kind: TableKind, rows: pa.Table) -> None:
    """Append rows, sorted as the table is; make a table that is missing.

    Parameters
    ----------
    transaction
        Writes the nodes.
    kind
        The kind of table.
    rows
        Rows of that kind.
    """
    keys = [(name, "ascending") for name in kind.sorted_by]
    # A stable order: spikes of one trial stay site by site, in time.
    order = pc.sort_indices(rows, sort_keys=keys) if keys else None
    ordered = rows if order is None else rows.take(order)
    transaction.append_table(kind.name, ordered, doc=kind.doc, sorted_by=kind.sorted_by)


def _stage_traces(blocks: Sequence[TraceBlock], transaction: Transaction) -> None:
    """Append stored traces to the array of their site and time axis, and note where each went."""
    axes: dict[tuple[str, str], list[TraceBlock]] = {}
    for block in blocks:
        axes.setdefault((block.site, block.axis), []).append(block)
    places = []
    for (site, axis), parts in axes.items():
        array = _trace_array(site, axis, parts[0], transaction)
        trial_ids = np.concatenate([part.trial_ids for part in parts])
        first = array.shape[0]
        append_chunks(
            array, len(trial_ids), _suiting(array, [e for part in parts for e in part.entries], transaction)
        )
        transaction.append_array(schema.VOLTAGE_TRIAL.beside(array.path), trial_ids)
        places.append(
            pa.table(
                {
                    "trial_id": trial_ids,
                    "site": pa.repeat(site, len(trial_ids)),
                    "array": pa.repeat(array.path, len(trial_ids)),
                    "row": np.arange(first, first + len(trial_ids)),
                }
            ).cast(schema.TRACES.schema)
        )
    append_rows(transaction, schema.TRACES, pa.concat_tables([schema.TRACES.schema.empty_table(), *places]))
    _stage_sites({block.site for block in blocks}, transaction)


def _suiting(array: Array, entries: Sequence[Entry], transaction: Transaction) -> Sequence[Entry]:
    """Stored chunks as the array has them: that of an older lake may have another codec."""
    meta = transaction.drafts[array.path].meta
    codec = Codec.of(meta)
    if codec is None:
        raise IngestError(
            f"traces cannot be appended to {array.path!r}: its codecs are not neurolake's", array.path
        )
    ours = {**meta, "codecs": [CODEC]}
    if codec == Codec.of(ours):
        return entries
    return list(recoded(entries, ours, codec, transaction.store.objects, transaction.writer))


def _trace_array(site: str, axis: str, block: TraceBlock, transaction: Transaction) -> Array:
    """The array of a site and time axis; the first axis has the site's name, others have a suffix."""
    base = schema.VOLTAGE.of(site=site)
    span = f"{base}@{block.time[0]:g}-{block.time[-1]:g}ms"
    for name in (base, span, f"{span}-{axis[:8]}"):
        node = transaction.drafts.get(name)
        if node is None:
            return _new_trace_array(name, block, transaction)
        if node.meta["attributes"]["time_axis"] == axis:
            return transaction.array(name)
    raise IngestError(f"two time axes of site {site!r} share the name {name}", name)


def _new_trace_array(name: str, block: TraceBlock, transaction: Transaction) -> Array:
    samples = len(block.time)
    transaction.write_array(
        schema.VOLTAGE_TIME.beside(name),
        block.time,
        dimension_names=schema.VOLTAGE_TIME.axes,
        attributes={"units": schema.VOLTAGE_TIME.unit, "long_name": "time"},
    )
    transaction.write_array(
        schema.VOLTAGE_TRIAL.beside(name),
        np.empty(0, np.int64),
        chunks=[65536],
        dimension_names=schema.VOLTAGE_TRIAL.axes,
        attributes={"long_name": "trial_id"},
    )
    return create_array(
        transaction.store,
        name,
        (0, samples),
        np.float64,
        chunks=(1, min(samples, TIME_CHUNK)),
        dimension_names=schema.VOLTAGE.axes,
        attributes={
            "units": schema.VOLTAGE.unit,
            "long_name": "membrane potential",
            "site": block.site,
            "time_axis": block.axis,
        },
        codec=CODEC,
    )


def _stage_sites(sites: set[str], transaction: Transaction) -> None:
    known = _column(transaction, schema.RECORDING_SITES, "site")
    rows = [_site(site) for site in sorted(sites - known, key=lambda site: (site != SOMA, site))]
    append_rows(
        transaction, schema.RECORDING_SITES, pa.Table.from_pylist(rows, schema.RECORDING_SITES.schema)
    )


def _site(label: str) -> dict[str, Any]:
    match = _SITE.fullmatch(label)
    if match is None:
        return {"site": label}
    numbers = {key: int(match[key]) for key in ("landmark_id", "section_id", "segment_id")}
    reals = {key: float(match[key]) for key in ("x", "soma_distance")}
    return {"site": label, "landmark": match["landmark"], **numbers, **reals}


def _column(transaction: Transaction, kind: TableKind, column: str) -> set[Any]:
    """Distinct values of a column of a small table of the lake, before this ingest."""
    table = transaction.table(kind.name)
    return set() if table is None else set(table.to_arrow([column])[column].to_pylist())


def stage_parameters(parameters: Mapping[str, pa.Table], transaction: Transaction) -> None:
    """Append flattened parameter files that the lake lacks, by digest.

    Parameters
    ----------
    parameters
        Flattened files by digest.
    transaction
        Writes the nodes.
    """
    known = _column(transaction, schema.PARAMETERS, "file")
    new = [
        table.add_column(0, "file", pa.repeat(digest, table.num_rows))
        for digest, table in sorted(parameters.items())
        if digest not in known
    ]
    tables = [table.cast(schema.PARAMETERS.schema) for table in new]
    append_rows(
        transaction, schema.PARAMETERS, pa.concat_tables([schema.PARAMETERS.schema.empty_table(), *tables])
    )


def known_attachments(transaction: Transaction) -> dict[str, str]:
    """Return the digest of each file beside the run directories, by its path.

    Parameters
    ----------
    transaction
        Holds what was ingested before.
    """
    table = transaction.table(schema.FILES.name)
    if table is None:
        return {}
    columns = table.to_arrow(["path", "digest"], pds.field("run").is_null()).columns
    return dict(zip(*(column.to_pylist() for column in columns), strict=True))


def next_trial(transaction: Transaction) -> int:
    """Return the number of the lake's next trial.

    Parameters
    ----------
    transaction
        Holds what was ingested before.
    """
    node = transaction.drafts.get(schema.TRIALS.name)
    bounds = [entry.stats["columns"]["trial_id"] for _, entry in node.entries.items()] if node else []
    return max((high for _, high, _ in bounds), default=-1) + 1
