"""Export of ingested simrun results: the tree they came from, number for number."""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds

from ...catalog.vocabulary import trials as schema
from ...catalog.vocabulary.kinds import TableKind
from ...lake import Snapshot
from ...lake.errors import InputError, NotFoundError
from ..outgoing import new_folder
from ..source import Exported, Progress
from ..trials.rows import SOMA, SiteTraces
from .layout import ONE_TRIAL
from .of_runs import with_written
from .text import format_cells, format_synapses
from .traces import format_traces

_TRIAL = re.compile(r"simulation_run([0-9]+)_")
_SITE_SUFFIX = "_vm_dend_traces.csv"
_OF_TRIALS = ["run", "trial_id", "trial_number", "hostname"]

Row = Mapping[str, Any]


def export_simrun(
    snapshot: Snapshot,
    folder: str | Path,
    *,
    runs: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write ingested runs as a simrun tree whose numbers equal the source's, bit for bit; all files or, on an error, none.

    Parameters
    ----------
    snapshot
        The commit to read.
    folder
        Where to write; empty or not there yet.
    runs
        Which run directories; all, and the files beside them, by default.
    progress
        Called with bytes done and bytes in all.

    Returns
    -------
    Exported
        Number of files and of bytes written.

    Raises
    ------
    NotFoundError
        The snapshot holds no simrun results, or not that run.
    InputError
        The folder holds something already.
    """
    rows = _chosen(snapshot, runs)
    total, done = sum(row["size"] for row in rows), 0
    with new_folder(Path(folder)) as outgoing:
        for run, files in _by_run(rows).items():
            reader = None if run is None else _Run(snapshot, run, files)
            for row in files:
                data = snapshot.files[row["node"]] if row["node"] or reader is None else reader.content(row)
                outgoing.file(row["path"]).write_bytes(data)
                done += len(data)
                if progress is not None:
                    progress(done, total)
    return Exported(len(rows), done)


def _chosen(snapshot: Snapshot, runs: Sequence[str] | None) -> list[Row]:
    tables = snapshot.tables
    files, trials, traces = (tables.get(kind.name) for kind in (schema.FILES, schema.TRIALS, schema.TRACES))
    rows: Sequence[Row] = [] if files is None else files.to_arrow().to_pylist()
    if trials is not None and traces is not None:
        rows = with_written(rows, trials.to_arrow(_OF_TRIALS), traces.to_arrow(["trial_id", "site"]))
    if not rows:
        raise NotFoundError("this snapshot holds no simrun results")
    if runs is None:
        return list(rows)
    missing = set(runs) - {row["run"] for row in rows}
    if missing:
        raise NotFoundError(f"there is no run {min(missing)!r} in this snapshot")
    return [row for row in rows if row["run"] in runs]


def _by_run(rows: Sequence[Row]) -> dict[str | None, list[Row]]:
    grouped: dict[str | None, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["run"], []).append(row)
    return grouped


class _Run:
    """The data of one run directory, and the files they came in."""

    def __init__(self, snapshot: Snapshot, run: str, files: Sequence[Row]) -> None:
        self._snapshot = snapshot
        trials = self._rows(schema.TRIALS, pds.field("run") == run)
        self._ids = dict(zip(trials["trial_number"].to_pylist(), trials["trial_id"].to_pylist(), strict=True))
        self._one_run = pds.field("trial_id").isin(list(self._ids.values()))
        self._traces = self._rows(schema.TRACES, self._one_run)
        self._synapses = self._rows(schema.SYNAPSE_ACTIVATION, self._one_run)
        self._cells = self._rows(schema.CELL_ACTIVATION, self._one_run)
        self._prefix = next(
            (
                PurePosixPath(row["path"]).name.rsplit("_vm_all_traces", 1)[0]
                for row in files
                if row["kind"] == "soma_traces"
            ),
            "",
        )

    def content(self, row: Row) -> bytes:
        """The file that *row* of the table ``files`` describes."""
        name = PurePosixPath(row["path"]).name
        if row["kind"] == "soma_traces":
            return self._trace_file(SOMA, row)
        if row["kind"] == "site_traces":
            return self._trace_file(name.removeprefix(f"{self._prefix}_").removesuffix(_SITE_SUFFIX), row)
        if row["kind"] == "hostname":
            return b""
        match = _TRIAL.match(name)
        if (match is None and name != ONE_TRIAL) or row["kind"] not in ("synapses", "cells"):
            raise InputError(f"the lake's table files describes {row['path']!r} as {row['kind']!r}: unknown")
        trial = pds.field("trial_id") == self._ids[int(match[1]) if match else 0]
        if row["kind"] == "cells":
            return _with_header(format_cells(self._cells.filter(trial)), row["header"])
        rows = self._synapses.filter(trial)
        text = format_synapses(rows, columns=6 if row["header"].count("\t") == 5 else 7)
        return _with_header(text, row["header"])

    def _rows(self, kind: TableKind, where: pds.Expression) -> pa.Table:
        return self._snapshot.tables[kind.name].to_arrow(where=where)

    def _trace_file(self, site: str, row: Row) -> bytes:
        places = self._traces.filter(pds.field("site") == site)
        (name,) = places["array"].unique().to_pylist()
        array, time = (
            self._snapshot.arrays[name],
            self._snapshot.arrays[schema.VOLTAGE_TIME.beside(name)][...],
        )
        rows = dict(zip(places["trial_id"].to_pylist(), places["row"].to_pylist(), strict=True))
        # Trials that were simulated later may have lower numbers.
        voltage = np.stack([array[rows[self._ids[number]]] for number in sorted(self._ids)])
        if row["path"].endswith(".npz"):
            archive = io.BytesIO()
            np.savez(archive, np.column_stack([time, voltage.T]))
            return archive.getvalue()
        return format_traces(SiteTraces(time, voltage, tuple(row["header"].rstrip("\r").split("\t"))))


def _with_header(data: bytes, header: str) -> bytes:
    return header.rstrip("\r").encode() + data[data.index(b"\n") :]
