"""A worker's part of a simrun ingest: some run directories in, stored objects and small tables out.

A worker writes objects and makes nothing visible; what it returns is enough for one commit by the driver.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import column
from ...lake.data.parquet import add_file
from ...lake.digest import digest_of
from ...lake.errors import IngestError, NodeNameError
from ...lake.names import checked_name
from ...lake.objects.store import ObjectWriter
from ..text.parameters import flatten, parse_parameters
from ..trials.names import sim_trial_index, stimulus
from ..trials.rows import SOMA, GroupResult, Rows, Settings, SiteTraces, store_traces
from .layout import RunDirectory, TrialFiles
from .text import parse_cells, parse_synapses
from .traces import parse_traces, parse_traces_npz


@dataclass(frozen=True)
class Run:
    """One run directory, read: nothing of it is stored before all of it has been understood."""

    directory: RunDirectory
    first_trial: int
    traces: Mapping[str, SiteTraces]
    synapses: Sequence[pa.Table]
    cells: Sequence[pa.Table]
    parameters: Mapping[str, pa.Table]
    files: list[dict[str, Any]]

    @property
    def trial_ids(self) -> npt.NDArray[np.int64]:
        """Numbers of its trials in the lake."""
        return np.arange(self.first_trial, self.first_trial + len(self.directory.trials))


def ingest_group(settings: Settings, runs: Sequence[tuple[RunDirectory, int]]) -> GroupResult:
    """Read run directories and store what they hold.

    Parameters
    ----------
    settings
        Options of the ingest.
    runs
        Run directories, each with the number of its first trial.

    Raises
    ------
    IngestError
        A run directory cannot be read, and failures are not to be skipped.
    """
    writer = ObjectWriter(settings.storage)
    result = GroupResult()
    synapses, cells = Rows(schema.SYNAPSE_ACTIVATION), Rows(schema.CELL_ACTIVATION)
    for directory, first_trial in runs:
        try:
            run = read_run(directory, first_trial)
        except IngestError as error:
            if not settings.skip_failures:
                raise
            result.failures.append((directory.name, error))
            continue
        synapses.add(run.trial_ids, run.synapses)
        cells.add(run.trial_ids, run.cells)
        store_traces(run.traces, run.trial_ids, settings, writer, result)
        result.add(schema.TRIALS, _trials(run, settings.labels))
        result.add(schema.FILES, pa.Table.from_pylist(run.files, schema.FILES.schema))
        result.parameters.update(run.parameters)
        result.trials += len(run.directory.trials)
    for rows in (synapses, cells):
        if result.trials:
            result.large[rows.kind.name] = add_file(rows.finish(), writer)
    writer.flush()
    return result


def read_run(directory: RunDirectory, first_trial: int) -> Run:
    """Read and check everything in a run directory.

    Parameters
    ----------
    directory
        The run directory.
    first_trial
        Number of its first trial in the lake.

    Raises
    ------
    IngestError
        Naming file and line.
    """
    source = _Source(directory)
    traces = dict(_read_traces(directory, source))
    synapses = [_read_rows(source, trial.synapses, "synapses", parse_synapses) for trial in directory.trials]
    cells = [_read_rows(source, trial.cells, "cells", parse_cells) for trial in directory.trials]
    parameters: dict[str, pa.Table] = {}
    for path in (directory.neuron_parameters, directory.network_parameters):
        if path is not None:
            kind = "neuron_parameters" if path == directory.neuron_parameters else "network_parameters"
            data = source.read(path, kind)
            parameters[digest_of(data)] = flat_parameters(data, path)
    for path in directory.others:
        source.read(path, "hostname" if path.name.startswith("hostname_") else "other")
    return Run(directory, first_trial, traces, synapses, cells, parameters, source.files)


class _Source:
    """Reads the files of a run directory, each once, and notes what they are."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self.files: list[dict[str, Any]] = []

    def read(self, path: Path, kind: str, *, header: bool = False) -> bytes:
        data = read_source(path)
        line = data[: data.find(b"\n")].decode(errors="replace") if header else None
        self.files.append(
            {
                "run": self._directory.name,
                "path": run_path(self._directory, path),
                "kind": kind,
                "size": len(data),
                "digest": digest_of(data),
                "header": line,
            }
        )
        return data


def run_path(directory: RunDirectory, path: Path) -> str:
    """Return the name of a run directory's file in the lake and in an export: below the run's name.

    So two run directories, each ingested as the folder itself, keep their files apart.

    Parameters
    ----------
    directory
        The run directory.
    path
        Path of the file.

    Raises
    ------
    IngestError
        The name is not UTF-8.
    """
    return utf8(f"{directory.name}/{path.name}", path)


def utf8(name: str, path: Path) -> str:
    """Return *name* if it is UTF-8, as names in a lake are.

    Parameters
    ----------
    name
        Name of the file.
    path
        Path of the file, for messages.

    Raises
    ------
    IngestError
        It is not.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise IngestError("its name is not UTF-8; rename it", ascii(str(path))) from error
    return name


def read_source(path: Path) -> bytes:
    """Read the bytes of a source file.

    Parameters
    ----------
    path
        Path of the file.

    Raises
    ------
    IngestError
        It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error


def flat_parameters(data: bytes, path: Path) -> pa.Table:
    """Return the flattened parameters of a file; equal content is parsed once in a process.

    Parameters
    ----------
    data
        Bytes of the file.
    path
        The file, for messages.

    Raises
    ------
    IngestError
        It cannot be read; names the line.
    """
    try:
        return _flat(data)
    except IngestError as error:
        raise IngestError(error.reason, path, error.line) from None


@lru_cache(maxsize=64)
def _flat(data: bytes) -> pa.Table:
    return flatten(parse_parameters(data, ""))


def _read_traces(directory: RunDirectory, source: _Source) -> Iterator[tuple[str, SiteTraces]]:
    if directory.soma is None:
        return
    soma = _parse_traces(source, directory.soma, "soma_traces", len(directory.trials))
    yield SOMA, soma
    for site, path in directory.sites.items():
        _check_site(site, path)
        traces = _parse_traces(source, path, "site_traces", len(directory.trials))
        _check_times(traces, path, soma, directory.soma)
        yield site, traces


def _check_site(site: str, path: Path) -> None:
    if site == SOMA:
        raise IngestError(f"a recording site may not be called {SOMA!r}: the somatic traces are", path)
    try:
        checked_name(schema.VOLTAGE_TRIAL.of(site=site))
    except NodeNameError as error:
        raise IngestError(f"its recording site cannot name an array: {error}", path) from error


def _parse_traces(source: _Source, path: Path, kind: str, trials: int) -> SiteTraces:
    npz = path.suffix == ".npz"
    data = source.read(path, kind, header=not npz)
    traces = parse_traces_npz(data, path) if npz else parse_traces(data, path)
    if len(traces.voltage) != trials:
        raise IngestError(
            f"{len(traces.voltage)} traces for {trials} trials: the run directory has {trials} synapse files",
            path,
            1,
        )
    return traces


def _check_times(traces: SiteTraces, path: Path, soma: SiteTraces, soma_path: Path) -> None:
    if np.array_equal(traces.time, soma.time):
        return
    shared = min(len(traces.time), len(soma.time))
    differ = np.flatnonzero(traces.time[:shared] != soma.time[:shared])
    row = int(differ[0]) if len(differ) else shared
    raise IngestError(f"its times are not those of {soma_path.name} from here on", path, row + 2)


def _read_rows(source: _Source, path: Path | None, kind: str, parse: Any) -> pa.Table:
    if path is None:
        empty = {"synapses": schema.SYNAPSE_ACTIVATION, "cells": schema.CELL_ACTIVATION}[kind]
        return empty.schema.empty_table().drop_columns("trial_id")
    return parse(source.read(path, kind, header=True), path)


def _trials(run: Run, labels: Mapping[str, Any]) -> pa.Table:
    directory = run.directory
    digests = {file["kind"]: file["digest"] for file in run.files}
    time = run.traces[SOMA].time if run.traces else None
    shared = {
        "run": directory.name,
        "date": directory.date,
        "seed": directory.seed,
        "pid": directory.pid,
        "hostname": directory.hostname,
        "dt": None if time is None or len(time) < 2 else round((time[-1] - time[0]) / (len(time) - 1), 9),
        "t_start": None if time is None else time[0],
        "t_stop": None if time is None else time[-1],
        "neuron_parameters": digests.get("neuron_parameters"),
        "network_parameters": digests.get("network_parameters"),
    }
    rows = [
        {"trial_id": trial_id, **_trial(directory, trial, labels), **shared}
        for trial_id, trial in zip(run.trial_ids.tolist(), directory.trials, strict=True)
    ]
    added = [
        column(name, pa.string(), f"found in sim_trial_index by {labels[name].pattern}") for name in labels
    ]
    return pa.Table.from_pylist(rows, pa.schema([*schema.TRIALS.schema, *added]))


def _trial(directory: RunDirectory, trial: TrialFiles, labels: Mapping[str, Any]) -> dict[str, Any]:
    index = sim_trial_index(directory.name, trial.number)
    found = {name: pattern.search(index) for name, pattern in labels.items()}
    values = {name: None if match is None else match[match.re.groups and 1] for name, match in found.items()}
    return {
        "sim_trial_index": index,
        "trial_number": trial.number,
        "stimulus": stimulus(index),
        **values,
    }
