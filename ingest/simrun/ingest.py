"""Ingest of simrun result trees of the In Silico Framework: a folder becomes one commit."""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.runs import SIMULATIONS
from ...lake import Lake, Table, Transaction
from ...lake.digest import Digest, digest_of
from ...lake.errors import IngestError, InputError
from ...lake.history.log import MAIN
from ..source import Ingested, OnError, Progress
from ..trials.rows import GroupResult, Settings
from ..workers import workers
from .files import stage
from .layout import RunDirectory, Survey, survey
from .worker import ingest_group, read_source, run_path

MB = 10**6
_GROUPS = 8
_LARGEST_GROUP = 256 * MB
_SMALLEST_GROUP = 8 * MB
_SMALL_TREE = 100 * MB
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(schema.TRIALS.schema.names)


def ingest_simrun(
    lake: Lake,
    results: str | Path,
    *,
    labels: Mapping[str, str] | None = None,
    on_error: OnError = "stop",
    scheduler: str | None = None,
    processes: int | None = None,
    soma_threshold: float = 0.0,
    dendrite_threshold: float = -30.0,
    branch: str = MAIN,
    message: str | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring a simrun result tree into a lake, in one commit.

    Run directories that the lake has are recognised by their files' digests and left alone, so running it
    again does nothing; new ones are added; changed ones are reported and left as they were ingested.

    A script that has work shared by processes calls this below ``if __name__ == "__main__":``, because the
    processes import the script.

    Parameters
    ----------
    lake
        The lake to ingest into.
    results
        A folder with run directories at any depth, or one of them. Those still ``_running`` are left out.
    labels
        Columns to add to ``trials``: name to a regular expression, searched in sim_trial_index; its first
        group (or all of it) is the value.
    on_error
        ``"stop"``: the first bad file ends the ingest and nothing is stored. ``"skip"``: run directories
        with bad files are left out and listed in the report.
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use (by default all cores;
        one for less than 100 MB).
    soma_threshold, dendrite_threshold
        Voltages (mV) whose upward crossing is a spike (ISF: 0 and -30).
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    IngestError
        A file cannot be read or is malformed; names file and line.
    InputError
        A label is no column name or no regular expression.
    ConflictError
        Another ingest committed meanwhile; run it again.
    """
    began = time.perf_counter()
    if on_error not in ("stop", "skip"):
        raise InputError(f"on_error is 'stop' or 'skip', not {on_error!r}")
    root = Path(results).expanduser().resolve()
    settings = Settings(
        lake.storage, _patterns(labels or {}), soma_threshold, dendrite_threshold, on_error == "skip"
    )
    found = _surveyed(root)
    if found.failures and not settings.skip_failures:
        raise found.failures[0][1]
    transaction = lake.transaction(
        message or f"Ingest simrun results from {_legible(root.name)}", branch=branch
    )
    transaction.depends_on(*(kind.name for kind in schema.TABLES))
    report = Ingested(
        "simrun",
        lake.url,
        unit="run directories",
        running=[path.relative_to(root).as_posix() for path in found.running],
        failures=[*found.failures],
        notices=[
            f"{run.name}: both parameter files, and no voltages"
            for run in found.runs
            if run.soma is None and run.neuron_parameters
        ],
    )
    before = set(transaction.drafts)
    new = _new_runs(found, transaction, settings, report)
    _store(found, new, settings, transaction, report, scheduler, processes, progress)
    report.nodes = sorted(set(transaction.drafts) - before)
    transaction.notes["ingest"] = {
        "format": "simrun",
        "source": _legible(str(root)),
        "runs": len(report.added),
        "trials": report.trials,
        "left_out": [_legible(name) for name, _ in report.failures],
    }
    return report.finish(transaction.commit(), began)


def _surveyed(root: Path) -> Survey:
    found = survey(root)
    # A folder that is itself a run directory goes by its own name, which one inside may have as well.
    if any(run.path != root / run.name for run in found.runs) and (root / root.name).is_dir():
        raise IngestError(f"it is a run directory and holds {root.name!r}; ingest the folder above it", root)
    return found


def _legible(name: str) -> str:
    # A file's name need not be UTF-8, what a commit says must be.
    return name.encode(errors="backslashreplace").decode()


def _patterns(labels: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    patterns = {}
    for name, expression in labels.items():
        if not _LABEL.fullmatch(name) or name in _RESERVED:
            raise InputError(f"label {name!r}: a new column's name is letters, digits and '_', and not taken")
        try:
            patterns[name] = re.compile(expression)
        except re.error as error:
            raise InputError(f"label {name}={expression}: no regular expression: {error}") from error
    return patterns


# What is there already


def _new_runs(
    found: Survey, transaction: Transaction, settings: Settings, report: Ingested
) -> list[RunDirectory]:
    """Run directories that the lake does not have; the others are noted in the report."""
    files, ours = (transaction.table(kind.name) for kind in (schema.FILES, SIMULATIONS))
    known = {} if files is None else _known_files(files)
    simulated = set() if ours is None else set(ours.to_arrow(["run"])["run"].to_pylist())
    new = []
    for run in found.runs:
        if run.name not in known:
            new.append(run)
            continue
        try:
            digests = _digests(run)
        except IngestError as error:
            if not settings.skip_failures:
                raise
            report.failures.append((run.name, error))
            continue
        # Of a run that was simulated into the lake, only files that are no results are known.
        compared = known[run.name].keys() if run.name in simulated else digests.keys()
        same = known[run.name] == {path: digests.get(path) for path in compared}
        (report.unchanged if same else report.changed).append(run.name)
    return new


def _known_files(files: Table) -> dict[str, dict[str, str]]:
    columns = files.to_arrow(["run", "path", "digest"]).columns
    known: dict[str, dict[str, str]] = {}
    for run, path, digest in zip(*(column.to_pylist() for column in columns), strict=True):
        if run is not None:
            known.setdefault(run, {})[path] = digest
    return known


def _digests(run: RunDirectory) -> dict[str, str]:
    def digest(path: Path) -> tuple[str, str]:
        return run_path(run, path), digest_of(read_source(path))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return dict(threads.map(digest, run.files))


# From run directories to stored objects


def _store(
    found: Survey,
    new: Sequence[RunDirectory],
    settings: Settings,
    transaction: Transaction,
    report: Ingested,
    scheduler: str | None,
    processes: int | None,
    progress: Progress | None,
) -> None:
    sizes = [sum(map(_size, run.files)) for run in new]
    total, done = sum(sizes), 0
    groups = list(_groups(_numbered(new, transaction), sizes))
    results: dict[int, GroupResult] = {}
    parameters: dict[str, pa.Table] = {}
    times: dict[Digest, npt.NDArray[np.float64]] = {}
    # Processes take as long to start as this one takes for a small tree.
    wanted = 1 if processes is None and total < _SMALL_TREE else processes
    with workers(len(groups), scheduler=scheduler, processes=wanted) as each:
        for at, result in each(ingest_group, [(settings, group) for group, _ in groups]):
            # Thousands of runs share a few parameter files and time axes: one copy of each is held.
            parameters = {**result.parameters, **parameters}
            result.parameters = {}
            result.traces = [
                replace(block, time=times.setdefault(block.axis, block.time)) for block in result.traces
            ]
            results[at] = result
            done += groups[at][1]
            if progress is not None:
                progress(done, total)
    merged = [results[at] for at in range(len(groups))]
    report.source_bytes = total
    report.failures += [failure for result in merged for failure in result.failures]
    report.trials = sum(result.trials for result in merged)
    left_out = {name for name, _ in report.failures}
    report.added = [run.name for run in new if run.name not in left_out]
    beside = stage(found, merged, parameters, left_out, transaction, skip_failures=settings.skip_failures)
    report.changed += beside.changed
    report.failures += beside.failures


def _size(path: Path) -> int:
    # What is gone, or cannot be looked at, is reported when it is read.
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _numbered(runs: Sequence[RunDirectory], transaction: Transaction) -> Iterator[tuple[RunDirectory, int]]:
    """Runs with the number of their first trial, which follows on what the lake has."""
    node = transaction.drafts.get(schema.TRIALS.name)
    bounds = [entry.stats["columns"]["trial_id"] for _, entry in node.entries.items()] if node else []
    first = max((high for _, high, _ in bounds), default=-1) + 1
    for run in runs:
        yield run, first
        first += len(run.trials)


def _groups(
    runs: Iterator[tuple[RunDirectory, int]], sizes: Sequence[int]
) -> Iterator[tuple[list[tuple[RunDirectory, int]], int]]:
    """Neighbouring runs in groups of about equal size, each one task and one file of every large table.

    The size depends on the tree alone, so that the same tree makes the same files on any machine.
    """
    target = min(max(sum(sizes) // _GROUPS, _SMALLEST_GROUP), _LARGEST_GROUP)
    group: list[tuple[RunDirectory, int]] = []
    held = 0
    for run, size in zip(runs, sizes, strict=True):
        if group and held + size > target:
            yield group, held
            group, held = [], 0
        group.append(run)
        held += size
    if group:
        yield group, held
