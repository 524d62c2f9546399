"""From what workers stored to one transaction: tables, arrays and files of a simrun ingest."""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from ..lake import Array, Transaction
from ..lake.arrays import append_chunks, create_array
from ..lake.digest import digest_of
from ..lake.errors import IngestError
from ..lake.tables import fields_of
from . import simrun_schema as schema
from .simrun_group import SOMA, TIME_CHUNK, GroupResult, TraceBlock, read_source, utf8
from .simrun_layout import Survey

PARSED = frozenset({"soma_traces", "site_traces", "synapses", "cells"})
_SITE = re.compile(
    r"(?P<landmark>.+)_ID_(?P<landmark_id>[0-9]{1,9})_sec_(?P<section_id>[0-9]{1,9})"
    r"_seg_(?P<segment_id>[0-9]{1,9})_x_(?P<x>[0-9]+\.[0-9]+)_somaDist_(?P<soma_distance>[0-9]+\.[0-9]+)"
)


@dataclass(frozen=True)
class Beside:
    """Files beside the run directories that were left out: changed since their ingest, or unreadable."""

    changed: list[str] = field(default_factory=list)
    failures: list[tuple[str, IngestError]] = field(default_factory=list)


def stage(
    found: Survey,
    results: Sequence[GroupResult],
    parameters: Mapping[str, pa.Table],
    left_out: AbstractSet[str],
    transaction: Transaction,
    *,
    skip_failures: bool,
) -> Beside:
    """Put everything new into the transaction.

    Parameters
    ----------
    results
        What the workers handed back, in order of their runs.
    parameters
        Flattened parameter files by digest.
    left_out
        Run directories of which nothing is to be kept.
    skip_failures
        Whether a file beside the runs that cannot be read is left out instead of ending the ingest.

    Raises
    ------
    IngestError
        A file is gone, or not what it was when a worker read it.
    """
    if any(result.trials for result in results):
        stage_results(results, transaction)
        stage_parameters(parameters, transaction)
    return _stage_files(found, results, left_out, transaction, skip_failures=skip_failures)


def stage_results(results: Sequence[GroupResult], transaction: Transaction) -> None:
    """Append tables and traces of results, in order of their trials."""
    _stage_tables(results, transaction)
    _stage_traces([block for result in results for block in result.traces], transaction)


def _stage_tables(results: Sequence[GroupResult], transaction: Transaction) -> None:
    for kind in (schema.SYNAPSE_ACTIVATION, schema.CELL_ACTIVATION):
        files = [result.large[kind.name] for result in results if kind.name in result.large]
        if files:
            meta = {"doc": kind.doc, "sorted_by": list(kind.sorted_by)}
            transaction.append_files(kind.name, files, fields_of(kind.schema), **meta)
    for kind in (schema.TRIALS, schema.SPIKE_TIMES, schema.DENDRITIC_SPIKE_TIMES):
        parts = [part for result in results for part in result.small.get(kind.name, ())]
        rows = pa.concat_tables(parts, promote_options="default") if parts else kind.schema.empty_table()
        append_rows(transaction, kind, rows)


def append_rows(transaction: Transaction, kind: schema.TableKind, rows: pa.Table) -> None:
    """Append rows, sorted as the table is; one that is not there is made."""
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
        append_chunks(array, len(trial_ids), [entry for part in parts for entry in part.entries])
        transaction.append_array(f"{array.path}.trial", trial_ids)
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


def _trace_array(site: str, axis: str, block: TraceBlock, transaction: Transaction) -> Array:
    """The array of a site and time axis; the first axis has the site's name, others a suffix that tells."""
    base = f"voltage/{site}"
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
        f"{name}.time", block.time, dimension_names=["time"], attributes={"units": "ms", "long_name": "time"}
    )
    transaction.write_array(
        f"{name}.trial",
        np.empty(0, np.int64),
        chunks=[65536],
        dimension_names=["trial"],
        attributes={"long_name": "trial_id"},
    )
    return create_array(
        transaction.store,
        name,
        (0, samples),
        np.float64,
        chunks=(1, min(samples, TIME_CHUNK)),
        dimension_names=["trial", "time"],
        attributes={
            "units": "mV",
            "long_name": "membrane potential",
            "site": block.site,
            "time_axis": block.axis,
        },
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


def _column(transaction: Transaction, kind: schema.TableKind, column: str) -> set[Any]:
    """Distinct values of a column of a small table of the lake, before this ingest."""
    table = transaction.table(kind.name)
    return set() if table is None else set(table.to_arrow([column])[column].to_pylist())


def stage_parameters(parameters: Mapping[str, pa.Table], transaction: Transaction) -> None:
    """Append flattened parameter files, by digest, that the lake does not have."""
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


def _stage_files(
    found: Survey,
    results: Sequence[GroupResult],
    left_out: AbstractSet[str],
    transaction: Transaction,
    *,
    skip_failures: bool,
) -> Beside:
    """List every file, and keep the content of those that no table or array holds; once each."""
    rows = [row for result in results for part in result.small.get("files", ()) for row in part.to_pylist()]
    folders = {run.name: run.path for run in found.runs}
    for row in rows:
        if row["kind"] not in PARSED:
            path = folders[row["run"]] / PurePosixPath(row["path"]).name
            row["node"] = _kept(path, row["digest"], transaction)
    known, beside = known_attachments(transaction), Beside()
    for path in _attachments(found, left_out):
        try:
            row = _attachment(path, found.root)
            if row["path"] not in known:
                rows.append({**row, "node": _kept(path, row["digest"], transaction)})
            elif known[row["path"]] != row["digest"]:
                beside.changed.append(row["path"])
        except IngestError as error:
            if not skip_failures:
                raise
            beside.failures.append((path.relative_to(found.root).as_posix(), error))
    if rows:
        append_rows(transaction, schema.FILES, pa.Table.from_pylist(rows, schema.FILES.schema))
    return beside


def known_attachments(transaction: Transaction) -> dict[str, str]:
    """Digest of each file beside the run directories, by its path."""
    table = transaction.table(schema.FILES.name)
    if table is None:
        return {}
    columns = table.to_arrow(["path", "digest"], pds.field("run").is_null()).columns
    return dict(zip(*(column.to_pylist() for column in columns), strict=True))


def _attachments(found: Survey, left_out: AbstractSet[str]) -> Iterator[Path]:
    """Files beside the run directories, and not below one that is left out."""
    left = {found.root / name for name in left_out}
    # A results folder that is itself a run directory goes by its own name.
    if found.root.name in left_out and not (found.root / found.root.name).is_dir():
        left.add(found.root)
    # What lies in a run directory belongs to it, and is listed with it.
    runs = {run.path for run in found.runs}
    for path in found.attachments:
        if path.parent not in runs and left.isdisjoint(path.parents):
            yield path


def _attachment(path: Path, root: Path) -> dict[str, Any]:
    data = read_source(path)
    name = utf8(path.relative_to(root).as_posix(), path)
    return {"path": name, "kind": "attachment", "size": len(data), "digest": digest_of(data)}


def _kept(path: Path, digest: str, transaction: Transaction) -> str:
    """The node that holds the file's content, named by it."""
    name = f"files/{digest}{path.suffix}"
    if name not in transaction.drafts:
        data = read_source(path)
        if digest_of(data) != digest:
            raise IngestError("changed while it was ingested; run it again", path)
        transaction.put_file(name, data)
    return name
