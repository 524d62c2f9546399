"""Runs of circuits: a network of the lake, simulated by this process or by ranks together, and stored while it runs."""

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ...lake import Lake
from ...lake.errors import INTERRUPTED, InputError, NotFoundError
from ...mechanisms.errors import ModelError
from ...mechanisms.library import Library, load
from ...mechanisms.network.attached import Clamp, Observer
from ...mechanisms.network.cells import NetworkCell, NetworkNode
from ...mechanisms.network.ranks import Ranks, abort
from ...mechanisms.network.simulator import LiveNetwork, Load, NetworkSpikes
from ...mechanisms.network.templates import CellTemplate, GivenTemplate, Search
from ...mechanisms.stimuli.fields import grouped, one_thread
from ..lfp.observed import ContactRecord
from ..lfp.online import Probes, check_probes, named_probes
from ..records.contacts import ContactsOfCells
from ..records.profiles import expanded, sample_seed, told_sample
from ..records.requests import NONE, RecordRequest
from ..records.synapses import SynapseRecord
from ..records.traces import NetworkRecord, TraceRecord
from ..runs.model import require_neuron
from ..trials.kept import MECHANISMS, TEMPLATES, KeptCode, code_files, named_files
from ..trials.names import checked_run
from ..wiring.circuit import NetworkSource
from ..wiring.faults import Faults
from .acting import sonata_clamps
from .known import KnownMechanisms
from .observed import weights_of
from .planning import NetworkOptions, PlannedNetwork, content_of, planned_network, run_settings
from .reports import sonata_records
from .selection import Chosen, cells_of_node_set, record_places
from .sonata import DT, SonataSimulation
from .stored import NetworkPlan, RunWriter, check_name, states_of

Given = CellTemplate | Callable[[NetworkNode], NetworkCell]
_WAITING = 2**26
"""Bytes of frames that may wait for the next commit."""


@dataclass
class NetworkRun:
    """What a run of a circuit did.

    Attributes
    ----------
    run, circuit
        Their names.
    cells, edges
        How many there are.
    spikes
        How many spikes each population had in this call.
    t_start, t_stop
        From when to when it simulated in this call, in ms of the lake.
    load
        What the network costs, and how evenly that is spread; None where nothing was simulated.
    making, seconds
        How long it took to make the network, and to simulate it.
    notices
        What is odd and harmless.
    commit
        The last commit; None where there was nothing to do.
    """

    run: str
    circuit: str
    cells: int = 0
    edges: int = 0
    spikes: dict[str, int] = field(default_factory=dict)
    t_start: float = 0.0
    t_stop: float = 0.0
    load: Load | None = None
    making: float = 0.0
    seconds: float = 0.0
    notices: list[str] = field(default_factory=list)
    commit: str | None = None

    def summary(self, lake: str) -> str:
        """Say in a few lines what was done.

        Parameters
        ----------
        lake
            Path or URL of the lake.
        """
        if self.commit is None:
            return f"{self.run} is in {lake} already, up to {self.t_stop:g} ms. Nothing was simulated."
        counts = ", ".join(f"{name} {count:,}" for name, count in self.spikes.items())
        return (
            f"Simulated {self.circuit} ({self.cells:,} cells, {self.edges:,} edges) from {self.t_start:g} to {self.t_stop:g} ms "
            f"as {self.run} into {lake}\n"
            f"Spikes: {counts or 'none'}\n"
            f"Made in {self.making:.1f} s, simulated in {self.seconds:.1f} s, commit {self.commit[:12]}"
        )


def run_network(
    lake: Lake | str | Path,
    circuit: str,
    *,
    t_stop: float | None = None,
    name: str | None = None,
    dt: float | None = None,
    v_init: float | None = None,
    celsius: float | None = None,
    second_order: int | None = None,
    reproduce: Literal["miv"] | None = None,
    equilibration: float | None = None,
    configuration: str | Path | Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    templates: Sequence[str | Path] | Mapping[str, Given] = (),
    mechanisms: Sequence[str | Path] = (),
    inputs: Sequence[str] | None = None,
    trial: int = 0,
    inputs_from: str | None = None,
    cells: Chosen | None = None,
    record: Sequence[str | RecordRequest] = (),
    dt_record: float | None = None,
    lfp: Probes | None = None,
    clamps: Sequence[Clamp] = (),
    observers: Sequence[Observer] = (),
    seed: int = 0,
    threads: int = 1,
    commit_every: float = 100.0,
    save_state: bool = True,
    resume: bool = False,
    trust_templates: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> NetworkRun:
    """Simulate a circuit of a lake on NEURON, and store what it does while it runs.

    Everything is checked before anything is made. Spikes and records are committed as they come: a run that is killed keeps
    what was committed, and goes on with *resume*. Under ``mpiexec`` all ranks call this with the same arguments; rank 0 alone
    writes. The spikes do not depend on how many ranks and threads there are.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one.
    circuit
        Name of the circuit, whatever it came from.
    t_stop
        End in ms; by default that of the simulation configuration that a SONATA circuit was ingested with.
    name
        What to call the run; ``<circuit>-run`` by default.
    dt, v_init, celsius
        Time step in ms, potential at the start in mV, temperature; by default those of the configuration, or else 0.025, -65 and
        35.
    second_order
        NEURON's ``secondorder``: 0 for implicit Euler, the default, or 2 for Crank-Nicolson.
    reproduce
        ``"miv"``: simulate as MiV-Simulator does, so that its results come out again: Crank-Nicolson; what an event adds to a
        synapse decays for the half step that it comes early (``nrn_netrec_state_adjust``); spikes are seen on the axon at
        -30 mV; the temperature is that which templates set, unless *celsius* is given.
    equilibration
        How long to simulate before time 0, in ms; by default ``Stimulus / Equilibration Duration`` of the configuration, or 0.
    configuration
        A configuration with MiV-Simulator's keys instead of that which the lake keeps of the circuit, for one that was
        ingested from files without: a YAML file or a mapping.
    values
        Parameters that are to be others than in the configuration, by path: ``weights.PYR.AMPA`` is the weight of a mechanism at
        all synapses of a population, ``weights.PYR.STIM.AMPA`` at those of one source, and anything else a name in the
        configuration, such as ``Connection Generator.Connection Velocity.PYR``.
    templates
        Folders of templates in hoc, which NEURON runs as code; or templates by name: functions of a node that return a cell
        (`mechanisms.network.cells`), or objects that make cells (`mechanisms.network.templates`).
    mechanisms
        Folders of .mod files besides our own; folders in them are looked through as well.
    inputs, trial
        Names of the inputs that cells replay, by default the only one of each population; and which of their trials. Of a SONATA
        simulation also those that act on cells, such as current clamps: all of them by default.
    inputs_from
        Name of a run of this circuit whose spikes are replayed instead.
    cells
        Numbers of the cells that are simulated, by population (None: all of it); all by default. With *inputs_from*, cells
        that send to these replay their spikes of that run: a network clamp.
    record
        What to record: texts as of `RecordRequest.parse`, or requests. Reports of the simulation configuration that a SONATA
        circuit was ingested with are recorded as well, unless ``"none"`` is among them.
    dt_record
        Interval of potentials, and of records that do not say theirs, in ms; every time step by default.
    lfp
        What records extracellular potentials of all cells while the network runs, without currents being kept: tables of
        electrodes of the lake, by the last parts of their names or by names of yours; or coefficients or weights of one
        population, whose cells alone are recorded. The signal is ``lfp/<run>/<name>``
        [time, group, electrode], a group for each population, and ``segments/<run>/<population>`` says where segments are.
    clamps, observers
        What acts on cells from outside, and what else takes frames while the network runs (`mechanisms.network.attached`).
    seed
        Key of what is random in the run.
    threads
        NEURON's threads of each rank.
    commit_every
        How much time of the model makes a commit, in ms.
    save_state
        Whether commits hold the state, so that the run can be resumed.
    resume
        Go on with a run that was interrupted.
    trust_templates
        Run the templates and compile the .mod files that the lake keeps of a run of this circuit, where no folders are named: of the run of
        this name, or else of *inputs_from*, or of the newest run that has any. They are code of whoever wrote them; without
        this, nothing that a lake keeps is run.
    progress
        Called with the time that was reached and the end, in ms, on rank 0.

    Returns
    -------
    NetworkRun
        What was done.

    Raises
    ------
    InputError
        The network cannot be run: tells everything that is wrong. Or the lake has another run of that name.
    NotFoundError
        There is no such circuit, or no state to go on from.
    IngestError
        The configuration cannot be read.
    """
    require_neuron()
    if reproduce not in (None, "miv"):
        raise InputError(f"there is nothing to reproduce that is called {reproduce!r}; there is miv")
    ranks = process_ranks()
    try:
        target = Lake.of(lake)
        # All ranks read the same commit, whatever is committed meanwhile.
        snapshot = target.at(ranks.share(target.head.commit.id if ranks.first else None))
        source = NetworkSource.read(snapshot, circuit, configuration, values)
        simulation = SonataSimulation.of(snapshot, circuit) or SonataSimulation({})
        faults = Faults()
        t_stop = _said(t_stop, simulation.number("run", "tstop"), None, "t_stop")
        dt = _positive(_said(dt, simulation.number("run", "dt"), DT, "dt"), "dt")
        notices: list[str] = []
        simulation.check([] if inputs_from else inputs, faults, notices)
        if cells is None:
            cells = cells_of_node_set(source, simulation.content.get("node_set"), notices)
        asked = [each for each in record if each != NONE]
        requests = _requests(source, asked, dt_record, reproduce, faults)
        if celsius is None:
            celsius = simulation.number("conditions", "celsius")
        if second_order is None:
            second_order = 2 if reproduce == "miv" else simulation.second_order(faults)
        options = NetworkOptions(
            t_stop=_positive(t_stop, "t_stop"),
            dt=dt,
            v_init=_said(v_init, simulation.number("conditions", "v_init"), -65.0, "v_init"),
            celsius=_temperature(source, celsius),
            own_celsius=reproduce == "miv" and celsius is None,
            second_order=second_order,
            adjust_events=reproduce == "miv",
            equilibration=source.equilibration if equilibration is None else equilibration,
            inputs=simulation.spike_inputs(inputs),
            trial=trial,
            inputs_from=inputs_from,
            cells=cells,
            records=requests,
            probes=named_probes(lfp),
            probe_dt=dt_record,
            seed=seed,
            sample_seed=sample_seed(
                None if source.configuration is None else source.configuration.configuration
            )
            + seed,
            one_more=reproduce == "miv",
            values=simulation.mechanism_values(faults),
        )
        check_probes(snapshot, options.probes)
        clamps = grouped([*clamps, *sonata_clamps(source, simulation, inputs, seed, faults)])
        if threads > 1:
            faults.add(*one_thread(clamps))
        run = checked_run(name or f"{circuit}-run")
        if "/" in run:
            raise InputError(f"a network run is called by one name without '/', not {run!r}")
        code = KeptCode.for_run(snapshot, circuit, run, inputs_from)
        given = [bool(templates), bool(mechanisms)]
        trusted = code.trusted(run, given, trust_templates)
        hint, other_hint = code.hints([] if trust_templates else code.wanted(given))
        report = NetworkRun(run, circuit, t_start=-options.equilibration, t_stop=t_stop, notices=notices)
        with code.written(snapshot, *trusted) as there:
            if there:
                report.notices.append(
                    f"code that the lake keeps of the run {code.run} is used: {code.told(*there)}"
                )
            named = [there[TEMPLATES]] if TEMPLATES in there else templates
            search = replace(_search(source, named, reproduce), settings=simulation.content, hint=hint)
            library, folders = _mechanisms(ranks, [there[MECHANISMS]] if MECHANISMS in there else mechanisms)
            known = KnownMechanisms(folders, other_hint)
            if NONE not in record:
                reports = sonata_records(source, simulation, known, options, faults, notices)
                options = replace(options, records=[*reports, *requests])
            plan = NetworkPlan(
                run=run,
                circuit=circuit,
                content=content_of(source),
                seed=seed,
                t_start=-options.equilibration,
                t_stop=t_stop,
                dt=dt,
                mechanisms=library.digest,
                settings=run_settings(options, search, source, inputs, clamps),
                files=code_files(search.folders, folders),
                ranks=ranks.size,
                threads=threads,
            )
            before = check_name(snapshot, plan)
            if before is not None and before["t_done"] >= t_stop - dt / 2:
                return report
            states = _states(source, plan, before, resume)
            job = _Job(
                target, ranks, source, options, plan, report, search, clamps, observers, progress, faults
            )
            job.run(
                known,
                before,
                states,
                commit_every if commit_every > 0 else math.inf,
                save_state,
            )
            return report
    except ModelError as error:
        raise InputError(str(error)) from error


@contextmanager
def together(ranks: Ranks) -> Iterator[None]:
    """End all ranks if this one fails in the block: they would wait for it for ever.

    Parameters
    ----------
    ranks
        This process among others.
    """
    try:
        yield
    except BaseException as error:
        if ranks.size > 1:
            traceback.print_exc()
            abort(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
        if isinstance(error, KeyboardInterrupt):
            error.add_note(
                "interrupted: what was committed is kept; the same again with --resume goes on with the rest"
            )
        raise


def process_ranks() -> Ranks:
    """Return this process among those that ``mpiexec`` has started, or alone.

    Raises
    ------
    InputError
        NEURON finds no MPI.
    """
    try:
        return Ranks()
    except ModelError as error:
        raise InputError(str(error)) from error


def _requests(
    source: NetworkSource,
    record: Sequence[str | RecordRequest],
    dt: float | None,
    reproduce: str | None,
    faults: Faults,
) -> list[RecordRequest]:
    """What is recorded, profiles as what they say."""
    known = None if source.configuration is None else source.configuration.configuration
    found: list[RecordRequest] = []
    for each in record:
        request = each if isinstance(each, RecordRequest) else RecordRequest.parse(each)
        try:
            made = expanded(request, known, reproduce=reproduce == "miv")
        except InputError as error:
            faults.add(*str(error).splitlines())
            continue
        found += [replace(one, dt=dt if one.dt is None else one.dt) for one in made]
    return found


def _temperature(source: NetworkSource, given: float | None) -> float:
    said = source.celsius if given is None else given
    return 35.0 if said is None else said


def _said(given: float | None, said: float | None, default: float | None, name: str) -> float:
    """What the caller gives, or else what the configuration says, or else a default."""
    found = next((each for each in (given, said, default) if each is not None), None)
    if found is None:
        raise InputError(
            f"{name}: nothing says it, neither the call nor a simulation configuration of the circuit"
        )
    return found


def _positive(value: float, name: str) -> float:
    if not 0 < value < math.inf:
        raise InputError(f"{name} {value}: expected a time in ms above 0")
    return value


def _search(
    source: NetworkSource, templates: Sequence[str | Path] | Mapping[str, Given], reproduce: str | None
) -> Search:
    if isinstance(templates, Mapping):
        given: dict[str, CellTemplate] = {
            name: each if isinstance(each, CellTemplate) else GivenTemplate(name, each)
            for name, each in templates.items()
        }
        return Search((), source.format, settings=source.tree, given=given, reproduce=reproduce)
    folders = tuple(Path(folder).expanduser() for folder in templates)
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder of templates")
    return Search(folders, source.format, settings=source.tree, reproduce=reproduce)


def _mechanisms(ranks: Ranks, given: Sequence[str | Path]) -> tuple[Library, list[Path]]:
    """Load mechanisms; one rank compiles, the others wait for it."""
    folders = []
    for folder in (Path(each).expanduser() for each in given):
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder of mechanisms")
        found = [
            each for each in (folder, *sorted(folder.rglob("*"))) if each.is_dir() and any(each.glob("*.mod"))
        ]
        if not found:
            raise InputError(f"{folder}: there are no .mod files in this folder of mechanisms")
        folders += found
    library, reason = None, None
    if ranks.first:
        try:
            library = load(*folders)
        except ModelError as error:
            reason = str(error)
    reason = ranks.share(reason)
    if reason is not None:
        raise InputError(reason)
    return library or load(*folders, tell=lambda line: None), folders


def _states(
    source: NetworkSource, plan: NetworkPlan, before: Mapping[str, Any] | None, resume: bool
) -> list[bytes]:
    """States that a run goes on from; none for one that begins."""
    if before is None:
        if resume:
            raise NotFoundError(f"there is no run {plan.run!r} to go on with")
        return []
    if not resume:
        raise InputError(
            f"the run {plan.run!r} was interrupted at {before['t_done']:g} ms: go on with resume (--resume), or choose another name"
        )
    states = states_of(source.snapshot, plan.run)
    if not states and before["t_done"] > before["t_start"]:
        raise NotFoundError(
            f"the run {plan.run!r} kept no state at {before['t_done']:g} ms; run it anew under another name"
        )
    if states and (before["ranks"], before["threads"]) != (plan.ranks, plan.threads):
        raise InputError(
            f"the state of {plan.run!r} is of {before['ranks']} ranks with {before['threads']} threads; go on with as many"
        )
    return states


@dataclass
class _Job:
    """A run on this rank."""

    lake: Lake
    ranks: Ranks
    source: NetworkSource
    options: NetworkOptions
    plan: NetworkPlan
    report: NetworkRun
    search: Search
    clamps: Sequence[Clamp]
    observers: Sequence[Observer]
    progress: Callable[[float, float], None] | None
    faults: Faults

    def run(
        self,
        known: KnownMechanisms,
        before: Mapping[str, Any] | None,
        states: Sequence[bytes],
        every: float,
        save: bool,
    ) -> None:
        """Make the network and simulate it."""
        began = time.perf_counter()
        network = planned_network(
            self.source, self.options, self.search, self.ranks, known, self.clamps, self.faults
        )
        self.report.notices += list(network.notices)
        self.report.cells, self.report.edges = len(network.nodes), network.edges
        used = named_files(self.search.folders, self.search.used)
        self.plan = replace(
            self.plan, cells=len(network.nodes), edges=network.edges, files={**self.plan.files, **used}
        )
        records = self._records(network)
        with together(self.ranks), LiveNetwork(self.options.timing, self.ranks, self.plan.threads) as live:
            live.make(network.nodes, lambda node: network.templates[node.gid], network.costs)
            live.connect(network.connections)
            live.join(network.junctions)
            live.attach(self.clamps)
            self.report.load = live.load()
            live.start([*records, *self.observers], states[self.ranks.rank] if states else None)
            self.report.making = time.perf_counter() - began
            self.report.t_start = live.step * self.plan.dt + self.plan.t_start
            populations = [
                self.source.populations[name]
                for name in self.source.populations
                if name in {node.population for node in network.nodes}
            ]
            writer = RunWriter(self.lake, self.plan, populations, records) if self.ranks.first else None
            if writer is not None and before is None:
                writer.begin()
            spent = 0.0 if before is None else float(before["seconds"])
            self._advance(live, records, writer, every, save, spent)
            if writer is not None:
                self.report.spikes, self.report.commit = writer.spikes, writer.commit

    def _records(self, network: PlannedNetwork) -> list[NetworkRecord]:
        found: list[NetworkRecord] = []
        shift, dt, seed = self.options.equilibration, self.plan.dt, self.options.sample_seed
        gids = {} if not any(request.of_synapses for request in self.options.records) else self._cells()
        number = 0
        for request, recorded in zip(self.options.records, network.recorded, strict=True):
            told = told_sample(request, seed)
            for name, numbers in recorded.items():
                own = set(numbers.tolist())
                cells = [node for node in network.nodes if node.population == name and node.node_id in own]
                there = {node.gid: node.node_id for node in cells}
                if request.of_synapses:
                    units = network.units[number]
                    found.append(
                        SynapseRecord(request, name, there, self.ranks, dt, shift, number, gids, units, told)
                    )
                    continue
                if request.contacts:
                    weights, kept = weights_of(self.source, request, name, there, self.report.notices)
                    if weights is not None:
                        found.append(
                            ContactsOfCells(request, name, kept, self.ranks, dt, shift, weights, told)
                        )
                    continue
                places = record_places(self.source, request, cells)
                if places:
                    there = {gid: node_id for gid, node_id in there.items() if gid in places}
                    found.append(TraceRecord(request, name, there, self.ranks, dt, shift, places, told))
            number += request.of_synapses
        nodes = {node.gid: node for node in network.nodes}
        for name, node in self.options.probes.items():
            dt = self.plan.dt if self.options.probe_dt is None else self.options.probe_dt
            found.append(ContactRecord(name, node, self.source.snapshot, nodes, self.ranks, dt, shift))
        return found

    def _cells(self) -> dict[int, tuple[str, int]]:
        """Population and number of every cell of the circuit, by gid."""
        return {
            gid: (name, at)
            for name, each in self.source.populations.items()
            for at, gid in enumerate(each.gid.tolist())
        }

    def _advance(
        self,
        live: LiveNetwork,
        records: Sequence[NetworkRecord],
        writer: RunWriter | None,
        every: float,
        save: bool,
        spent: float,
    ) -> None:
        """Simulate interval by interval, and commit each."""
        began, shift, dt = time.perf_counter(), self.options.equilibration, self.plan.dt

        def full() -> bool:
            return sum(record.waiting for record in records) > _WAITING

        while live.step < live.end:
            mark = (
                (math.floor(live.step * dt / every + 1e-9) + 1) * every if every < math.inf else live.end * dt
            )
            live.advance(mark, full)
            live.check_finite()
            last = live.step >= live.end
            if last:
                live.finish()
            else:
                live.flush()
            parts = self.ranks.gather(live.spikes())
            kept = self.ranks.gather(live.state()) if save and not last else []
            self.report.seconds = time.perf_counter() - began
            done = live.step * dt - shift
            if writer is not None:
                spikes = NetworkSpikes.joined(parts)
                writer.land(done, spikes, shift, kept, spent + self.report.seconds)
                if self.progress is not None:
                    self.progress(done, self.plan.t_stop)
            for record in records:
                record.taken()
