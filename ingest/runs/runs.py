"""Runs: trials of a cell with its network, simulated by processes, and committed to a lake as they finish."""

import contextlib
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...catalog.vocabulary import trials as schema
from ...lake import Lake, Snapshot
from ...lake.errors import InputError
from ...lake.names import listed
from ...mechanisms.trial.simulation import Recorded, Simulation
from ..lfp.online import Contacts, Probes, check_probes, contacts_of, named_probes
from ..trials.names import checked_run, file_node
from ..workers import workers
from .model import Given, Model, Tree, read_model, require_neuron
from .stage import Plan, begun, land, trial_numbers
from .worker import Failure, Finished, Job, Setting, built, forget, geometry_of, simulate

BATCH = 32
"""How many finished trials make a commit, unless they take longer than `PATIENCE`."""
PATIENCE = 60.0
_LARGEST_SEED = 2**63

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Execution:
    """How trials are simulated, which they do not depend on; see `run`."""

    scheduler: str | None = None
    processes: int | None = None
    batch: int = BATCH
    progress: Progress | None = None


@dataclass
class RunReport:
    """What a run did.

    Attributes
    ----------
    run, seed
        Its name in the lake, and its seed.
    trials, unchanged
        How many trials were simulated now, and how many were there already.
    failures
        Trials that were not simulated, with the seed that draws them again; run again to try them again.
    notices
        What was odd and harmless.
    commit
        The last commit; None where there was nothing to do.
    """

    run: str
    seed: int
    trials: int = 0
    unchanged: int = 0
    failures: list[Failure] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    commit: str | None = None
    seconds: float = 0.0

    def summary(self, lake: str) -> str:
        """Say in a few lines what was done.

        Parameters
        ----------
        lake
            Path or URL of the lake.
        """
        there = f"{self.unchanged} trials of {self.run} were there already.\n" if self.unchanged else ""
        if self.commit is None:
            return f"{there}Nothing was simulated."
        rate = f"{self.seconds:,.1f} s, {self.seconds / max(self.trials, 1):.2f} s each"
        done = f"Simulated {self.trials} trials of {self.run} ({rate}) into {lake}"
        return f"{there}{done}\nSeed {self.seed}, commit {self.commit[:12]}"


def run(
    lake: Lake | str | Path,
    cell: Given,
    network: Given | None = None,
    *,
    trials: int,
    t_stop: float | None = None,
    name: str | None = None,
    seed: int | None = None,
    record: str = "soma,site",
    dt_record: float | None = None,
    lfp: Probes | None = None,
    morphology: str | Path | None = None,
    synapses: str | Path | None = None,
    connections: str | Path | None = None,
    mechanisms: Sequence[str | Path] = (),
    paths: Sequence[str | Path] = (),
    functions: Mapping[str, Tree] | None = None,
    values: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> RunReport:
    """Simulate trials of a cell and its network, each with input of its own, into a lake.

    Everything is checked before anything is simulated. Trials become the tables and arrays of simrun results; they
    are committed in batches, in the order of their numbers. A trial is a function of the model, the seed and its
    number alone. Called again, it simulates the trials that the lake does not have: those that failed or were
    interrupted, or more of them.

    A script that has work shared by processes calls this below ``if __name__ == "__main__":``, because the
    processes import the script.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one, which is made if it is missing.
    cell, network
        Parameter files of simrun, or their trees; without a network nothing but the cell's own functions drives it.
    trials
        How many the run is to have, numbered from 0.
    t_stop
        End of a trial in ms; by default ``sim.tStop`` of the cell's parameters.
    name
        The run is called ``<name>/seed<seed>``; by default the name of the network's file, or else of the cell's.
    seed
        Key of all that is random; by default that of the run which goes on, or drawn.
    record
        What to record, joined by commas: ``soma``, which always is; ``site``, the landmarks of
        ``sim.recordingSites``; ``all-segments:`` and variables, such as ``v,i_membrane``.
    dt_record
        How far frames of all segments are apart, in ms; every time step by default.
    lfp
        What records extracellular potentials while trials are simulated, without currents being kept: tables of
        electrodes, coefficients or weights of the lake, by the last parts of their names or by names of yours. The signal
        is ``lfp/<run>/<number>/<name>`` [time, electrode], at the times of frames of all segments.
    morphology, synapses, connections, mechanisms, paths, functions
        See `runs_model.read_model`; *functions* of the cell are, for example,
        ``{"soma_current_injection": {"amplitude": 0.8, "delay": 50, "duration": 200}}`` (`mechanisms.modify`).
    values
        Parameters of the cell and the network that are to be others than in their files, by path, such as
        ``{"neuron.Soma.properties.Ra": 150}``. A path that both have begins with ``cell.`` or ``network.``.
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use (by default all cores).
    batch
        How many trials make a commit; they are committed after a minute in any case.
    progress
        Called with trials done and trials in all.

    Raises
    ------
    IngestError
        A file is not found or malformed; names file and line.
    InputError
        The model cannot be built, there is no parameter of a path, or the lake has another run of that name.
    KeyboardInterrupt
        After the trials that are finished were committed.
    """
    require_neuron()
    began = time.perf_counter()
    model = read_model(
        cell,
        network,
        morphology=morphology,
        synapses=synapses,
        connections=connections,
        mechanisms=mechanisms,
        paths=paths,
        functions=functions,
        values=values,
    )
    probes = named_probes(lfp)
    recorded = read_recorded(record, dt_record, currents=bool(probes))
    lake = Lake.of(lake, create=True)
    check_probes(lake.head, probes)
    run_name, chosen = _named(lake, name or _stem(network) or _stem(cell) or "run", seed)
    report = RunReport(run_name, chosen)
    plan = planned(model, recorded, t_stop, report, kind="run", draws=True, probes=(lake.head, probes))
    jobs = [Job(number, chosen, number) for number in range(trials)]
    work = Execution(scheduler, processes, batch, progress)
    with kept(report):
        simulate_jobs(lake, plan, recorded, jobs, report, work, draws=True)
    report.seconds = time.perf_counter() - began
    return report


@contextlib.contextmanager
def kept(report: RunReport) -> Iterator[None]:
    """Add to an interruption which trials of a run are kept.

    Parameters
    ----------
    report
        What the run reports; it is added to.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(
            f"{report.trials} finished trials of {report.run} are kept; the same again, with seed {report.seed}, "
            "goes on with the others."
        )
        raise


def read_recorded(record: str, dt: float | None = None, currents: bool = False) -> Recorded:
    """Parse what to record from a text such as ``soma,site,all-segments:v,i_membrane``.

    Parameters
    ----------
    record
        As of `run`.
    dt
        How far frames of all segments are apart, in ms; every time step by default.
    currents
        Whether potentials are recorded, which membrane currents are needed for.

    Raises
    ------
    InputError
        It asks for something else.
    """
    places, _, variables = record.replace(" ", "").partition("all-segments:")
    asked = {place for place in places.split(",") if place}
    if unknown := asked - {"soma", "site"}:
        raise InputError(f"record={record}: {min(unknown)!r}; write soma, site, all-segments:v,i_membrane")
    segments = tuple(dict.fromkeys(variable for variable in variables.split(",") if variable))
    if "all-segments" in record and not segments:
        raise InputError(
            f"record={record}: say which variables of all segments, as all-segments:v,i_membrane"
        )
    if dt is not None and not (segments or currents):
        raise InputError("a recording interval is for all segments; write all-segments:v, for example")
    return Recorded("site" in asked, segments, dt, currents)


def _stem(given: Given | None) -> str | None:
    return None if given is None or isinstance(given, Mapping) else Path(given).stem


def _named(lake: Lake, name: str, seed: int | None) -> tuple[str, int]:
    """The run's name and seed: those of a run of that name that the lake has, where no seed is given."""
    if seed is not None and not 0 <= seed < _LARGEST_SEED:
        raise InputError(f"seed {seed}: expected a whole number from 0, below 2^63")
    table = lake.head.tables.get(schema.TRIALS.name)
    runs = set() if table is None else set(table.to_arrow(["run"])["run"].to_pylist())
    seeds = [
        int(last[4:])
        for each in runs
        if each is not None
        and (last := PurePosixPath(each).name)
        and each == f"{name}/{last}"
        and last.startswith("seed")
        and last[4:].isdigit()
    ]
    if seed is None and len(seeds) > 1:
        known = listed(sorted(seeds))
        raise InputError(f"the lake has runs {name!r} with the seeds {known}: say which, or a new one")
    chosen = seed if seed is not None else seeds[0] if seeds else secrets.randbelow(2**31)
    return checked_run(f"{name}/seed{chosen}"), chosen


def planned(
    model: Model,
    recorded: Recorded,
    t_stop: float | None,
    report: RunReport,
    *,
    kind: str,
    draws: bool,
    check: Callable[[Simulation], None] = lambda simulation: None,
    settings: Mapping[str, Any] | None = None,
    probes: tuple[Snapshot, Mapping[str, str]] | None = None,
) -> Plan:
    """Build the model once, to see that it can be built, and return what is known of the run.

    Parameters
    ----------
    model
        The cell and its network.
    recorded
        What is recorded.
    t_stop
        End of a trial in ms; by default that of the cell's parameters.
    report
        What the run reports; it is added to.
    kind
        As in the table ``simulations``.
    draws
        Whether input is drawn, for which the network's files are needed.
    check
        Called with the model, to check what it is to play.
    settings
        What else the run depends on, as JSON has it.
    probes
        What records potentials: a commit, and its nodes by the names of their signals.

    Raises
    ------
    IngestError, InputError
        See `run`.
    """
    if t_stop is not None and not 0 < t_stop < float("inf"):
        raise InputError(f"t_stop {t_stop}: expected a time in ms above 0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with built(model, recorded) as simulation:
            if draws:
                simulation.check()
            check(simulation)
            geometry = geometry_of(simulation)
            contacts = _contacts(probes, geometry[1])
            end, digest = simulation.t_stop if t_stop is None else t_stop, simulation.library.digest
            notices = [*simulation.notices, *(str(warning.message) for warning in caught)]
    report.notices += [_translated(notice, model) for notice in notices]
    told = {name: getattr(recorded, name) for name in ("sites", "segments", "dt")}
    told |= {"mechanisms": list(model.mechanisms), **(settings or {})}
    if contacts:
        told["lfp"] = {each.name: [each.node, each.content] for each in contacts}
    return Plan(report.run, kind, report.seed, end, model, digest, told, *geometry, contacts)


def _contacts(
    probes: tuple[Snapshot, Mapping[str, str]] | None, segments: Mapping[str, Any]
) -> list[Contacts]:
    if probes is None:
        return []
    snapshot, nodes = probes
    return [contacts_of(snapshot, name, node, segments) for name, node in nodes.items()]


def _translated(message: str, model: Model) -> str:
    for inside, origin in model.origin.items():
        if "/" in inside and inside in message:
            before, _, after = message.partition(inside)
            # What comes before it is the folder that the model was written to.
            message = f"{before[: before.rfind(' ') + 1]}{origin}{after}"
    return message


def simulate_jobs(
    lake: Lake,
    plan: Plan,
    recorded: Recorded,
    jobs: Sequence[Job],
    report: RunReport,
    work: Execution,
    *,
    draws: bool,
) -> None:
    """Simulate the jobs that the lake lacks, and commit them; the report says what became of them.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    plan
        The run.
    recorded
        What is recorded.
    jobs
        Number and seed of each trial.
    report
        What the run reports; it is added to.
    work
        Processes, batches and progress.
    draws
        Whether trials draw their input, or play stored input.
    """
    setting = setting_of(lake, begun(lake, plan, len(jobs)), plan, recorded, draws)
    there = trial_numbers(lake, plan.run)
    wanted = [job for job in jobs if job.number not in there]
    report.unchanged += len(jobs) - len(wanted)

    def died(position: int) -> Failure:
        return Failure(wanted[position].number, wanted[position].seed, "its process died")

    landing = _Landing(lake, plan, report, work.batch, len(jobs))
    with contextlib.ExitStack() as stack:
        stack.callback(forget)
        each = stack.enter_context(
            workers(len(wanted), scheduler=work.scheduler, processes=work.processes, died=died)
        )
        try:
            for done, (at, outcome) in enumerate(each(simulate, [(setting, job) for job in wanted]), 1):
                landing.add(at, outcome)
                if work.progress is not None:
                    work.progress(done, len(wanted))
        finally:
            landing.finish()


def setting_of(lake: Lake, commit: str, plan: Plan, recorded: Recorded, draws: bool) -> Setting:
    """Return what workers need of a run.

    Parameters
    ----------
    lake
        The lake to read from and commit to.
    commit
        Id of the commit that began the run.
    plan
        The run.
    recorded
        What is recorded.
    draws
        Whether trials draw their input, or play stored input.
    """
    model = plan.model
    assert model is not None and plan.t_stop is not None, "what is simulated is known"
    probes = [f"{each.name}={each.node}@{each.content}" for each in plan.contacts]
    key = "-".join([*model.digests.values(), plan.mechanisms or "", repr(recorded), str(draws), *probes])
    return Setting(
        storage=lake.storage,
        commit=commit,
        key=key,
        parameters={kind: file_node("model.param", text) for kind, text in model.texts.items()},
        files={path: file_node(path, content) for path, content in model.files.items()},
        mechanisms=model.mechanisms,
        draws=draws,
        recorded=recorded,
        t_stop=plan.t_stop,
        probes={each.name: each.node for each in plan.contacts},
    )


class _Landing:
    """Holds finished trials until those before them are done, and commits them in their order."""

    def __init__(self, lake: Lake, plan: Plan, report: RunReport, batch: int, planned: int) -> None:
        self._lake, self._plan, self._report, self._batch = lake, plan, report, batch
        self._planned = planned
        self._held: dict[int, Finished | Failure] = {}
        self._next = 0
        self._ready: list[Finished] = []
        self._last = time.monotonic()

    def add(self, position: int, outcome: Finished | Failure) -> None:
        """Take what became of a job; commit if a batch is complete."""
        self._held[position] = outcome
        while self._next in self._held:
            self._take(self._held.pop(self._next))
            self._next += 1
        if len(self._ready) >= self._batch or time.monotonic() - self._last > PATIENCE:
            self._land()

    def finish(self) -> None:
        """Commit what is left, whatever is missing before it."""
        for position in sorted(self._held):
            self._take(self._held.pop(position))
        self._land()

    def _take(self, outcome: Finished | Failure) -> None:
        if isinstance(outcome, Failure):
            self._report.failures.append(outcome)
        else:
            self._ready.append(outcome)

    def _land(self) -> None:
        ready, self._ready = self._ready, []
        self._last = time.monotonic()
        if ready:
            notes = {
                "seed": self._report.seed,
                "planned": self._planned,
                "failed": len(self._report.failures),
            }
            self._report.commit = land(self._lake, self._plan, ready, notes)
            self._report.trials += len(ready)
