"""The files of a simrun ingest: each is listed, and kept where no table or array holds what it says."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary import trials as schema
from ...lake import Transaction
from ...lake.digest import digest_of
from ...lake.errors import IngestError
from ..trials.rows import GroupResult
from ..trials.stage import append_rows, known_attachments, stage_parameters, stage_results
from .layout import Survey
from .worker import read_source, utf8

PARSED = frozenset({"soma_traces", "site_traces", "synapses", "cells"})


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
    """Add everything new to the transaction.

    Parameters
    ----------
    found
        Run directories that were found.
    results
        What the workers handed back, in order of their runs.
    parameters
        Flattened parameter files by digest.
    left_out
        Run directories of which nothing is to be kept.
    transaction
        Writes the nodes.
    skip_failures
        Whether a file beside the runs that cannot be read is left out instead of ending the ingest.

    Raises
    ------
    IngestError
        A file is missing, or has changed since a worker read it.
    """
    if any(result.trials for result in results):
        stage_results(results, transaction)
        stage_parameters(parameters, transaction)
    return _stage_files(found, results, left_out, transaction, skip_failures=skip_failures)


def _stage_files(
    found: Survey,
    results: Sequence[GroupResult],
    left_out: AbstractSet[str],
    transaction: Transaction,
    *,
    skip_failures: bool,
) -> Beside:
    """List every file, and keep the content of those that no table or array holds; once each."""
    rows = [
        row
        for result in results
        for part in result.small.get(schema.FILES.name, ())
        for row in part.to_pylist()
    ]
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
    name = schema.FILE.of(content=f"{digest}{path.suffix}")
    if name not in transaction.drafts:
        data = read_source(path)
        if digest_of(data) != digest:
            raise IngestError("changed while it was ingested; run it again", path)
        transaction.put_file(name, data)
    return name
