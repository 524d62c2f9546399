"""Stored trials, simulated again: as they were, with something changed, or with another future."""

import time as clock
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...lake import Lake
from ...lake.errors import InputError
from ...mechanisms.trial.simulation import Played, Recorded, Simulation
from ..lfp.online import Probes, named_probes
from ..simrun.text import parse_synapses
from ..trials.names import checked_run, sim_trial_index
from .model import Given, read_model, require_neuron
from .modify import Modifications, Modify
from .runs import BATCH, Execution, Progress, RunReport, kept, planned, read_recorded, simulate_jobs
from .stage import Plan
from .stored import Row, StoredTrials, columns_of, no_cells, stored_trials
from .worker import Job

SLICE = 256
"""How many trials' activations are held at a time."""


@dataclass(frozen=True)
class Options:
    """How trials are simulated and what is recorded; see `runs.run`."""

    record: str = "soma,site"
    dt_record: float | None = None
    scheduler: str | None = None
    processes: int | None = None
    batch: int = BATCH
    progress: Progress | None = None
    lfp: Probes | None = None

    @property
    def probes(self) -> Mapping[str, str]:
        """What records potentials: nodes by the names of their signals."""
        return named_probes(self.lfp)

    @property
    def recorded(self) -> Recorded:
        """What is recorded."""
        return read_recorded(self.record, self.dt_record, currents=bool(self.probes))

    def work(self, before: int, total: int) -> Execution:
        """Return how the next trials are simulated.

        Parameters
        ----------
        before
            Number of trials done already.
        total
            Number of trials in all.
        """
        told, advance = self.progress, None
        if told is not None:
            advance = lambda done, _: told(before + done, total)
        return Execution(self.scheduler, self.processes, self.batch, advance)


def rerun(
    lake: Lake | str | Path,
    trials: Sequence[str | int] | None = None,
    *,
    name: str,
    modify: Modify = (),
    t_stop: float | None = None,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] | None = None,
    paths: Sequence[str | Path] = (),
    record: str = "soma,site",
    dt_record: float | None = None,
    lfp: Probes | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> list[RunReport]:
    """Simulate stored trials again, with their stored activations: each release happens as it did.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
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
    record, dt_record, lfp
        What to record, such as ``soma,site,all-segments:v,i_membrane``, the interval of frames in ms, and electrodes or
        coefficients of the lake; see `run`.
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use (by default all cores).
    batch
        How many trials make a commit.
    progress
        Called with trials done and trials in all.

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
    require_neuron()
    chosen = Options(record, dt_record, scheduler, processes, batch, progress, lfp)
    lake, changes = Lake.of(lake), Modifications.of(modify)
    files: dict[str, Any] = {"morphology": morphology, "mechanisms": mechanisms, "paths": paths}
    with stored_trials(lake.head) as stored:
        return [
            _rerun(lake, stored, rows, f"{name}/{run}", changes, t_stop, chosen, files)
            for run, rows in stored.chosen(trials).items()
        ]


def _rerun(
    lake: Lake,
    stored: StoredTrials,
    rows: Sequence[Row],
    run: str,
    changes: Modifications,
    t_stop: float | None,
    options: Options,
    files: Mapping[str, Any],
) -> RunReport:
    began = clock.perf_counter()
    report = RunReport(checked_run(run), rows[0]["seed"] or 0)
    model = stored.model(rows, changes, connectivity=False, **files)

    def jobs(part: Sequence[Row]) -> list[Job]:
        return [
            Job(row["trial_number"], report.seed, row["trial_number"], stored.played(row, changes))
            for row in part
        ]

    def check(simulation: Simulation) -> None:
        for job in jobs(rows[:1]):
            simulation.check_played(job.played)

    plan = planned(
        model,
        options.recorded,
        t_stop if t_stop is not None else stored.t_stop(rows[0]["run"]),
        report,
        kind="rerun",
        draws=False,
        check=check,
        settings={"source": rows[0]["run"], "modify": [list(each) for each in changes.asked]},
        probes=(lake.head, options.probes),
    )
    parts = (jobs(rows[first : first + SLICE]) for first in range(0, len(rows), SLICE))
    return _simulated(lake, plan, report, parts, options, began, total=len(rows))


def _simulated(
    lake: Lake,
    plan: Plan,
    report: RunReport,
    parts: Iterable[Sequence[Job]],
    options: Options,
    began: float,
    *,
    total: int,
    draws: bool = False,
) -> RunReport:
    """Simulate trials, part by part, and say how long it all took."""
    with kept(report):
        before = 0
        for part in parts:
            work = options.work(before, total)
            simulate_jobs(lake, plan, options.recorded, part, report, work, draws=draws)
            before += len(part)
    report.seconds = clock.perf_counter() - began
    return report


def run_existing_activations(
    lake: Lake | str | Path,
    activations: Sequence[str | Path],
    cell: Given,
    network: Given,
    *,
    name: str,
    t_stop: float | None = None,
    morphology: str | Path | None = None,
    mechanisms: Sequence[str | Path] = (),
    paths: Sequence[str | Path] = (),
    record: str = "soma,site",
    dt_record: float | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> RunReport:
    """Simulate a cell with the activations of files, each release as it is there.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
    activations
        Files ``…_synapses.csv`` of simrun, one for each trial.
    cell, network, morphology, mechanisms, paths
        See `runs_model.read_model`; the network's receptors and weights are used, its .syn and .con are not.
    name
        The run is called ``<name>/seed0``.
    t_stop, record, dt_record, scheduler, processes, batch, progress
        See `rerun`.

    Raises
    ------
    IngestError, InputError
        See `runs.run`.
    """
    require_neuron()
    began, lake = clock.perf_counter(), Lake.of(lake, create=True)
    chosen = Options(record, dt_record, scheduler, processes, batch, progress)
    model = read_model(
        cell, network, morphology=morphology, mechanisms=mechanisms, paths=paths, connectivity=False
    )
    report = RunReport(checked_run(f"{name}/seed0"), 0)
    files = [Path(path) for path in activations]
    tables = [columns_of(parse_synapses(_content(path), path)) for path in files]
    jobs = [Job(number, 0, number, Played(table, no_cells())) for number, table in enumerate(tables)]

    def check(simulation: Simulation) -> None:
        for job, path in zip(jobs, files, strict=True):
            simulation.check_played(job.played, path)

    settings = {"activations": [path.name for path in files]}
    plan = planned(
        model, chosen.recorded, t_stop, report, kind="rerun", draws=False, check=check, settings=settings
    )
    return _simulated(lake, plan, report, [jobs], chosen, began, total=len(jobs))


def cross_over(
    lake: Lake | str | Path,
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
    record: str = "soma,site",
    dt_record: float | None = None,
    lfp: Probes | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> RunReport:
    """Give a stored trial other futures: its activations up to a time, and drawn ones after it.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
    trial
        Its sim_trial_index or trial_id.
    time
        In ms: activations at or before it are the trial's.
    trials
        How many futures, numbered from 0.
    name, seed
        The run is called ``<name>/<sim_trial_index>/seed<seed>``; the seed is that of the futures.
    modify, t_stop, morphology, mechanisms, paths, record, dt_record, lfp, scheduler, processes, batch, progress
        See `rerun`; the network's .syn and .con are needed as well.

    Raises
    ------
    NotFoundError, IngestError, InputError
        See `rerun`.
    """
    require_neuron()
    began, lake, changes = clock.perf_counter(), Lake.of(lake), Modifications.of(modify)
    chosen = Options(record, dt_record, scheduler, processes, batch, progress, lfp)
    files: dict[str, Any] = {"morphology": morphology, "mechanisms": mechanisms, "paths": paths}
    with stored_trials(lake.head) as stored:
        [(run, [row])] = stored.chosen([trial]).items()
        index = sim_trial_index(run, row["trial_number"])
        report = RunReport(checked_run(f"{name}/{index}/seed{seed}"), seed)
        model = stored.model([row], changes, connectivity=True, **files)
        past = stored.played(row, changes, time)

        def check(simulation: Simulation) -> None:
            simulation.check_played(past)

        end = t_stop if t_stop is not None else stored.t_stop(run)
        settings = {"source": index, "time": time, "modify": [list(each) for each in changes.asked]}
        plan = planned(
            model,
            chosen.recorded,
            end,
            report,
            kind="crossing",
            draws=True,
            check=check,
            settings=settings,
            probes=(lake.head, chosen.probes),
        )
        jobs = [Job(number, seed, number, past) for number in range(trials)]
    return _simulated(lake, plan, report, [jobs], chosen, began, total=trials, draws=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
