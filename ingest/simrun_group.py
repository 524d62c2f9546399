"""A worker's part of a simrun ingest: some run directories in, stored objects and small tables out.

A worker writes objects and makes nothing visible; what it returns is enough for one commit by the driver.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..kernels.spikes import threshold_crossings
from ..lake import tables
from ..lake.arrays import encode_chunks
from ..lake.codecs import BLOSC_LZ4, Codec
from ..lake.digest import Digest, digest_of
from ..lake.entry import Entry
from ..lake.errors import IngestError, NodeNameError
from ..lake.names import checked_name
from ..lake.objects import ObjectWriter
from ..lake.storage import Storage
from . import simrun_schema as schema
from .parameters import flatten, parse_parameters
from .simrun_layout import RunDirectory, TrialFiles, sim_trial_index, stimulus
from .simrun_text import parse_cells, parse_synapses
from .simrun_traces import Traces, parse_traces, parse_traces_npz

SOMA = "soma"
TIME_CHUNK = 131072
CODEC = Codec("blosc", {**BLOSC_LZ4["configuration"], "typesize": 8})
_BUFFERED_ROWS = tables.ROW_GROUP


@dataclass(frozen=True)
class Settings:
    """What holds for every run of an ingest.

    Parameters
    ----------
    storage
        The lake's.
    labels
        Columns to add to `trials`: name to regular expression, whose first group, found in
        sim_trial_index, is the value.
    soma_threshold, dendrite_threshold
        What counts as a spike (mV).
    skip_failures
        Whether a run directory that cannot be read is left out instead of ending the ingest.
    """

    storage: Storage
    labels: Mapping[str, Any]
    soma_threshold: float = 0.0
    dendrite_threshold: float = -30.0
    skip_failures: bool = False


@dataclass(frozen=True)
class TraceBlock:
    """The traces of one site of one run, stored: `entries` are chunks of (1, chunk) in row order."""

    site: str
    time: npt.NDArray[np.float64]
    trial_ids: npt.NDArray[np.int64]
    entries: list[Entry]

    @property
    def axis(self) -> Digest:
        """Identity of the time axis."""
        return digest_of(self.time.tobytes())


@dataclass
class GroupResult:
    """What a worker hands back: small tables by name, stored files of the large ones, stored traces."""

    small: dict[str, list[pa.Table]] = field(default_factory=dict)
    large: dict[str, Entry] = field(default_factory=dict)
    traces: list[TraceBlock] = field(default_factory=list)
    parameters: dict[str, pa.Table] = field(default_factory=dict)
    failures: list[tuple[str, IngestError]] = field(default_factory=list)
    trials: int = 0

    def add(self, kind: schema.TableKind, rows: pa.Table) -> None:
        """Add rows of a small table."""
        self.small.setdefault(kind.name, []).append(rows)


@dataclass(frozen=True)
class Run:
    """One run directory, read: nothing of it is stored before all of it has been understood."""

    directory: RunDirectory
    first_trial: int
    traces: Mapping[str, Traces]
    synapses: Sequence[pa.Table]
    cells: Sequence[pa.Table]
    parameters: Mapping[str, pa.Table]
    files: list[dict[str, Any]]

    @property
    def trial_ids(self) -> npt.NDArray[np.int64]:
        """Numbers of its trials in the lake."""
        return np.arange(self.first_trial, self.first_trial + len(self.directory.trials))


def ingest_group(settings: Settings, runs: Sequence[tuple[RunDirectory, int]]) -> GroupResult:
    """Read run directories, each with the number of its first trial, and store what they hold.

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
            result.large[rows.kind.name] = tables.add_file(rows.finish(), writer)
    writer.flush()
    return result


class Rows:
    """The rows of a large table, encoded as they come so that few are held."""

    def __init__(self, kind: schema.TableKind) -> None:
        self.kind = kind
        self._file = tables.ParquetBuffer(kind.schema)
        self._held: list[pa.Table] = []
        self._count = 0

    def add(self, trial_ids: npt.NDArray[np.int64], parts: Sequence[pa.Table]) -> None:
        """Add one table for each trial."""
        for trial, part in zip(trial_ids.tolist(), parts, strict=True):
            key = pa.repeat(pa.scalar(trial, pa.int64()), part.num_rows)
            self._held.append(part.add_column(0, "trial_id", key))
            self._count += part.num_rows
        if self._count >= _BUFFERED_ROWS:
            self._write()

    def finish(self) -> memoryview:
        """The Parquet file."""
        self._write()
        return self._file.finish()

    def _write(self) -> None:
        if self._held:
            # Names stay dictionaries, as they were read, all the way into the file.
            table = pa.concat_tables(self._held).select(self.kind.schema.names)
            self._file.write(table.unify_dictionaries().combine_chunks())
        self._held, self._count = [], 0


def read_run(directory: RunDirectory, first_trial: int) -> Run:
    """Read and check everything of a run directory.

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
    """What a file of a run directory is called in the lake and in an export: below the run's name.

    So two run directories, each ingested as the folder itself, keep their files apart.

    Raises
    ------
    IngestError
        The name is not UTF-8.
    """
    return utf8(f"{directory.name}/{path.name}", path)


def utf8(name: str, path: Path) -> str:
    """*name* of the file at *path*, if it is UTF-8, as names in a lake are.

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
    """Bytes of a source file.

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
    """The flattened parameters of a file; one content is parsed once in a process.

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


def _read_traces(directory: RunDirectory, source: _Source) -> Iterator[tuple[str, Traces]]:
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
        checked_name(f"voltage/{site}.trial")
    except NodeNameError as error:
        raise IngestError(f"its recording site cannot name an array: {error}", path) from error


def _parse_traces(source: _Source, path: Path, kind: str, trials: int) -> Traces:
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


def _check_times(traces: Traces, path: Path, soma: Traces, soma_path: Path) -> None:
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


def store_traces(
    sites: Mapping[str, Traces],
    trial_ids: npt.NDArray[np.int64],
    settings: Settings,
    writer: ObjectWriter,
    result: GroupResult,
) -> None:
    """Store the traces of some trials, by site, and add them and their spikes to the result."""
    for site, traces in sites.items():
        chunks = (1, min(len(traces.time), TIME_CHUNK))
        entries = encode_chunks(traces.voltage, chunks, CODEC, np.nan, writer)
        result.traces.append(TraceBlock(site, traces.time, trial_ids, entries))
        threshold = settings.soma_threshold if site == SOMA else settings.dendrite_threshold
        trial, ordinal, time = threshold_crossings(traces.voltage, traces.time, threshold)
        columns = {
            "trial_id": trial_ids[trial],
            "spike": ordinal,
            "time": time,
            "threshold": np.full(len(time), threshold),
        }
        kind = schema.SPIKE_TIMES if site == SOMA else schema.DENDRITIC_SPIKE_TIMES
        if site != SOMA:
            columns["site"] = pa.repeat(site, len(time))
        result.add(kind, pa.table(columns).select(kind.schema.names).cast(kind.schema))


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
        schema.column(name, pa.string(), f"found in sim_trial_index by {labels[name].pattern}")
        for name in labels
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
