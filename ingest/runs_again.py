"""Stored trials, simulated again: as they were, with something changed, or with another future."""

import json
import tempfile
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
from numpy.typing import NDArray

from ..lake import Lake, Snapshot
from ..lake.errors import InputError, NotFoundError
from ..mechanisms.trial import SYNAPSE_KEYS, Played, Simulation, in_order
from . import simrun_schema as schema
from .runs import BATCH, Progress, RunReport, kept, planned, read_recorded, simulate_jobs
from .runs_model import Given, Model, read_model
from .runs_modify import Modifications, Modify
from .runs_stage import checked_run, simulation_row
from .runs_worker import Job
from .simrun_layout import sim_trial_index
from .simrun_text import parse_synapses

SLICE = 256
"""How many trials' activations are held at a time."""

Row = Mapping[str, Any]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Options:
    """How trials are simulated; see `runs.run`."""

    record: str = "soma,site"
    dt_record: float | None = None
    scheduler: str | None = None
    processes: int | None = None
    batch: int = BATCH
    progress: Progress | None = None


def rerun(
    lake: Lake,
    trials: Sequence[str | int] | None = None,
    *,
    name: str,
    modify: Modify = (),
    t_stop: float | None = None,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] | None = None,
    paths: Sequence[str | Path] = (),
    **options: Any,
) -> list[RunReport]:
    """Simulate stored trials again, with their stored activations: each release happens as it did.

    Parameters
    ----------
    trials
        sim_trial_index or trial_id of each, or names of runs; all by default.
    name
        The new run of a run ``R`` is ``<name>/R``, its trials keep their numbers.
    modify
        What to change, by the names of `runs_modify`, such as ``{"scale_weights": {"factor": 0.5}}``.
    t_stop
        End of a trial in ms; by default as it was, or ``sim.tStop`` of an ingested trial's cell.
    morphology, mechanisms, paths
        See `runs_model.read_model`; files are looked for in the lake as well, and mechanisms are the run's own.
    options
        ``record``, ``dt_record``, ``scheduler``, ``processes``, ``batch``, ``progress`` of `runs.run`.

    Returns
    -------
    list of RunReport
        One for each run that the trials are of.

    Raises
    ------
    NotFoundError
        There is no such trial.
    IngestError, InputError
        See `runs.run`.
    """
    chosen, changes = Options(**options), Modifications.of(modify)
    with _stored(lake) as stored:
        return [
            _rerun(
                lake, stored, rows, f"{name}/{run}", changes, t_stop, chosen, morphology, mechanisms, paths
            )
            for run, rows in stored.chosen(trials).items()
        ]


def _rerun(
    lake: Lake,
    stored: "_Stored",
    rows: Sequence[Row],
    run: str,
    changes: Modifications,
    t_stop: float | None,
    options: Options,
    morphology: str | Path | None,
    mechanisms: Sequence[str | Path] | None,
    paths: Sequence[str | Path],
) -> RunReport:
    began = clock.perf_counter()
    report = RunReport(checked_run(run), rows[0]["seed"] or 0)
    model = stored.model(rows, changes, morphology, mechanisms, paths, connectivity=False)
    recorded = read_recorded(options.record, options.dt_record)

    def jobs(part: Sequence[Row]) -> list[Job]:
        return [
            Job(row["trial_number"], report.seed, row["trial_number"], stored.played(row, changes))
            for row in part
        ]

    def check(simulation: Simulation) -> None:
        for job in jobs(rows[:1]):
            simulation.check_played(job.played)

    settings = {"source": rows[0]["run"], "modify": [list(each) for each in changes.asked]}
    end = t_stop if t_stop is not None else stored.t_stop(rows[0]["run"])
    plan = planned(model, recorded, end, report, kind="rerun", draws=False, check=check, settings=settings)
    with kept(report):
        for first in range(0, len(rows), SLICE):
            part = jobs(rows[first : first + SLICE])
            advance = _advance(options.progress, first, len(rows))
            simulate_jobs(
                lake, plan, recorded, part, report,
                options.scheduler, options.processes, options.batch, advance, draws=False,
            )  # fmt: skip
    report.seconds = clock.perf_counter() - began
    return report


def _advance(progress: Progress | None, before: int, total: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, total)


def run_existing_activations(
    lake: Lake,
    activations: Sequence[str | Path],
    cell: Given,
    network: Given,
    *,
    name: str,
    t_stop: float | None = None,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] = (),
    paths: Sequence[str | Path] = (),
    **options: Any,
) -> RunReport:
    """Simulate a cell with the activations of files, each release as it is there.

    Parameters
    ----------
    activations
        Files ``…_synapses.csv`` of simrun, one for each trial.
    cell, network, morphology, mechanisms, paths
        See `runs_model.read_model`; the network's receptors and weights are used, its .syn and .con are not.
    name
        The run is called ``<name>/seed0``.
    t_stop, options
        See `rerun`.

    Raises
    ------
    IngestError, InputError
        See `runs.run`.
    """
    began, chosen = clock.perf_counter(), Options(**options)
    model = read_model(
        cell, network, morphology=morphology, mechanisms=mechanisms, paths=paths, connectivity=False
    )
    recorded = read_recorded(chosen.record, chosen.dt_record)
    report = RunReport(checked_run(f"{name}/seed0"), 0)
    files = [Path(path) for path in activations]
    tables = [_columns(parse_synapses(_content(path), path)) for path in files]
    jobs = [Job(number, 0, number, Played(table, _no_cells())) for number, table in enumerate(tables)]

    def check(simulation: Simulation) -> None:
        for job, path in zip(jobs, files, strict=True):
            simulation.check_played(job.played, path)

    settings = {"activations": [path.name for path in files]}
    plan = planned(model, recorded, t_stop, report, kind="rerun", draws=False, check=check, settings=settings)
    with kept(report):
        simulate_jobs(
            lake, plan, recorded, jobs, report,
            chosen.scheduler, chosen.processes, chosen.batch, chosen.progress, draws=False,
        )  # fmt: skip
    report.seconds = clock.perf_counter() - began
    return report


def cross_over(
    lake: Lake,
    trial: str | int,
    time: float,
    *,
    trials: int,
    name: str,
    seed: int = 0,
    modify: Modify = (),
    t_stop: float | None = None,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] | None = None,
    paths: Sequence[str | Path] = (),
    **options: Any,
) -> RunReport:
    """Give a stored trial other futures: its activations up to a time, and drawn ones after it.

    Parameters
    ----------
    trial
        Its sim_trial_index or trial_id.
    time
        In ms: activations at or before it are the trial's.
    trials
        How many futures, numbered from 0.
    name, seed
        The run is called ``<name>/<sim_trial_index>/seed<seed>``; the seed is that of the futures.
    modify, t_stop, morphology, mechanisms, paths, options
        See `rerun`; the network's .syn and .con are needed as well.

    Raises
    ------
    NotFoundError, IngestError, InputError
        See `rerun`.
    """
    began, chosen, changes = clock.perf_counter(), Options(**options), Modifications.of(modify)
    with _stored(lake) as stored:
        [(run, [row])] = stored.chosen([trial]).items()
        index = sim_trial_index(run, row["trial_number"])
        report = RunReport(checked_run(f"{name}/{index}/seed{seed}"), seed)
        model = stored.model([row], changes, morphology, mechanisms, paths, connectivity=True)
        recorded = read_recorded(chosen.record, chosen.dt_record)
        past = stored.played(row, changes, time)

        def check(simulation: Simulation) -> None:
            simulation.check_played(past)

        end = t_stop if t_stop is not None else stored.t_stop(run)
        settings = {"source": index, "time": time, "modify": [list(each) for each in changes.asked]}
        plan = planned(
            model, recorded, end, report, kind="crossing", draws=True, check=check, settings=settings
        )
        jobs = [Job(number, seed, number, past) for number in range(trials)]
        with kept(report):
            simulate_jobs(
                lake, plan, recorded, jobs, report,
                chosen.scheduler, chosen.processes, chosen.batch, chosen.progress, draws=True,
            )  # fmt: skip
    report.seconds = clock.perf_counter() - began
    return report


# What is stored


@contextmanager
def _stored(lake: Lake) -> Iterator["_Stored"]:
    with tempfile.TemporaryDirectory(prefix="neurolake-") as folder:
        yield _Stored(lake.head, Path(folder))


class _Stored:
    """Trials of a snapshot, and what is needed to simulate them; files of the lake are written to a folder."""

    def __init__(self, snapshot: Snapshot, folder: Path) -> None:
        self._snapshot = snapshot
        self._folder = folder

    def chosen(self, trials: Sequence[str | int] | None) -> dict[str, list[Row]]:
        """Rows of ``trials`` by run."""
        if schema.TRIALS.name not in self._snapshot.tables:
            raise NotFoundError("this snapshot holds no trials")
        rows = self._snapshot.tables[schema.TRIALS.name].to_arrow().to_pylist()
        keys = ("run", "sim_trial_index", "trial_id")
        wanted = None if trials is None else set(trials)
        found = [row for row in rows if wanted is None or wanted & {row[key] for key in keys}]
        missing = (wanted or set()) - {row[key] for row in found for key in keys}
        if missing or not found:
            raise NotFoundError(f"there is no trial {sorted(map(str, missing))[:3] or 'to run again'}")
        runs: dict[str, list[Row]] = {}
        for row in sorted(found, key=lambda row: (row["run"], row["trial_number"])):
            runs.setdefault(row["run"], []).append(row)
        return runs

    def t_stop(self, run: str) -> float | None:
        """The end of trials of a run of ours."""
        row = simulation_row(self._snapshot, run)
        return None if row is None else row["t_stop"]

    def played(self, row: Row, changes: Modifications, until: float = np.inf) -> Played:
        """The input of a trial, changed."""
        tables = [
            _columns(
                self._snapshot.tables[kind.name].to_arrow(where=pds.field("trial_id") == row["trial_id"])
            )
            for kind in (schema.SYNAPSE_ACTIVATION, schema.CELL_ACTIVATION)
        ]
        changed = changes.apply("activations", tables[0])
        synapses = tables[0] if changed is tables[0] else in_order(changed, SYNAPSE_KEYS)
        return Played(synapses, tables[1], until)

    def model(
        self,
        rows: Sequence[Row],
        changes: Modifications,
        morphology: str | Path | None,
        mechanisms: Sequence[str | Path] | None,
        paths: Sequence[str | Path],
        *,
        connectivity: bool,
    ) -> Model:
        """The model of a run's trials, changed."""
        row = rows[0]
        for key in ("neuron_parameters", "network_parameters"):
            if any(other[key] != row[key] for other in rows):
                raise InputError(f"trials of run {row['run']!r} differ in their {key}")
        cell = self._parameters(row, "neuron")
        if cell is None:
            raise NotFoundError(f"the lake has no parameters of the cell of run {row['run']!r}")
        return read_model(
            cell,
            self._parameters(row, "network"),
            morphology=morphology,
            mechanisms=self._own_mechanisms(row["run"]) if mechanisms is None else mechanisms,
            paths=[*paths, self._files],
            connectivity=connectivity,
            change=changes.apply,
        )

    @cached_property
    def _files(self) -> Path:
        """The folder with all files beside runs that the lake holds."""
        for path, node in self._listed(pds.field("run").is_null(), "path"):
            target = self._folder / path
            # The path comes from a lake, which somebody else may have made.
            if not target.resolve().is_relative_to(self._folder.resolve()):
                raise InputError(f"the lake names a file {path!r}, which lies outside of the folder to write")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._snapshot.files[node])
        return self._folder

    def _parameters(self, row: Row, kind: str) -> Path | None:
        digest = row[f"{kind}_parameters"]
        if digest is None:
            return None
        nodes = [node for _, node in self._listed(pds.field("digest") == digest, "digest")]
        if not nodes:
            return None
        path = self._files / f"{kind}.param"
        path.write_bytes(self._snapshot.files[nodes[0]])
        return path

    def _listed(self, where: pds.Expression, column: str) -> list[tuple[str, str]]:
        rows = self._snapshot.tables[schema.FILES.name].to_arrow(
            [column, "node"], where & pds.field("node").is_valid()
        )
        return list(zip(*(values.to_pylist() for values in rows.columns), strict=True))

    def _own_mechanisms(self, run: str) -> list[Path]:
        row = simulation_row(self._snapshot, run)
        folders = [] if row is None else json.loads(row["settings"]).get("mechanisms", [])
        return [self._files / folder for folder in folders]


def _columns(table: pa.Table) -> Columns:
    return {
        name: np.asarray(table[name].combine_chunks().cast(kind).to_numpy(zero_copy_only=False), dtype)
        for name in table.column_names
        if name not in ("trial_id", "cell_type", "column")
        for kind, dtype in [_kind(table.schema.field(name).type)]
    }


def _kind(kind: pa.DataType) -> tuple[pa.DataType, Any]:
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return pa.string(), str
    return kind, None


def _no_cells() -> Columns:
    return {
        "presynaptic_cell_type": np.zeros(0, str),
        "cell_id": np.zeros(0, np.int64),
        "activation": np.zeros(0, np.int32),
        "time": np.zeros(0),
    }


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
