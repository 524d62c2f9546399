"""Networks built from MiV-Simulator's configuration: from populations to input spikes, each step computed once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary.kinds import Kind
from ...kernels.network.weighting import Weighting
from ...lake import Lake, Transaction
from ...lake.digest import canonical_json
from ...lake.errors import InputError
from ...lake.history.log import MAIN
from ..circuits.registry import put_circuit
from ..text.asked import Asked, Problem
from ..text.included import Configuration
from .blocks import Workers
from .cells import build_distances, build_nodes, build_positions, projections_of
from .configuration import NetworkConfiguration
from .connections import build_connections, build_rule
from .construction import Construction
from .inputs import build_features, build_spikes
from .junctions import build_junctions
from .reading import network_configuration
from .steps import Build, Outcome, Output, Parts, Step, StepReport
from .synapses import build_synapses
from .trees import SUFFIXES, build_trees

STEPS = (
    "types",
    "positions",
    "distances",
    "trees",
    "nodes",
    "synapses",
    "connections",
    "junctions",
    "features",
    "spikes",
)
FOLDERS = ("morphology", "morphologies", "")
TYPES = Step("network.types", "1")

_MADE: tuple[Kind, ...] = (
    circuits.POPULATIONS,
    circuits.PROJECTIONS,
    circuits.LAYERS,
    circuits.POSITIONS,
    circuits.DISTANCES,
    circuits.NODES,
    circuits.POINTS,
    circuits.SECTIONS,
    circuits.SYNAPSES,
    circuits.EDGES,
    circuits.BY_SOURCE,
    circuits.FEATURES,
    circuits.INPUTS,
)


@dataclass
class Built:
    """What building a circuit did.

    Attributes
    ----------
    lake, name
        URL of the lake, and name of the circuit.
    steps
        What became of each step.
    nodes, edges
        How many cells and how many edges the circuit has, by population.
    problems
        What of the configuration has no effect.
    notices
        What is odd about the result, such as synapses that no axon reaches.
    seconds
        How long it took.
    commit
        Id of the commit; None if nothing is new.
    """

    lake: str
    name: str
    steps: list[StepReport] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)
    edges: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    commit: str | None = None

    def __str__(self) -> str:
        rows = [
            f"  {step.state:9}  {step.seconds:7.2f} s  {step.rows:>13,} rows  {step.step}"
            for step in self.steps
        ]
        cells, edges = sum(self.nodes.values()), sum(self.edges.values())
        commit = "nothing new" if self.commit is None else f"commit {self.commit[:12]}"
        total = f"{self.name}: {cells:,} cells, {edges:,} edges in {self.seconds:.1f} s; {commit}"
        return "\n".join([*map(str, self.problems), *self.notices, *rows, total])

    def __repr__(self) -> str:
        return f"<Built {self.name}: {sum(self.nodes.values()):,} cells, {sum(self.edges.values()):,} edges>"


def check(configuration: str | Path | Mapping[str, Any] | Configuration) -> list[Problem]:
    """Return what is wrong with a network's configuration (errors), and what of it has no effect (notices).

    Parameters
    ----------
    configuration
        A YAML file of MiV-Simulator's, or its content as a mapping.

    Raises
    ------
    IngestError
        A file is missing or is not YAML; names the file and the line.
    """
    return list(network_configuration(Configuration.of(configuration)).problems)


def network(
    lake: Lake | str | Path,
    configuration: str | Path | Mapping[str, Any],
    name: str | None = None,
    *,
    seed: int = 0,
    only: Sequence[str] | None = None,
    reproduce: Literal["miv"] | None = None,
    morphologies: str | Path | None = None,
    maps: Mapping[str, str] | None = None,
    weightings: Mapping[str, Weighting] | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    branch: str = MAIN,
    message: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Built:
    """Build a network in a lake, in one commit.

    Each step is computed once for the part of the configuration that it reads, its seed and the content of its inputs:
    building again takes no time, and a change makes anew only what follows from it. The result does not depend on how many
    workers there are. A build that was stopped goes on where it was.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one, which is made if it is missing.
    configuration
        A YAML file with MiV-Simulator's keys, or its content as a mapping; docs/networks.md lists the keys.
    name
        Of the circuit; ``Model Name`` by default.
    seed
        Of all random numbers, from 0 to 2**31 - 1.
    only
        Steps to build, of `STEPS`; what they need must be there. All by default.
    reproduce
        ``"miv"``: place synapses as MiV-Simulator does, so that statistics of old networks come out again; see the key
        ``Synapse Placement`` in docs/networks.md.
    morphologies
        Folder with a file for each population, such as ``PYR.swc``, where the configuration names none. By default
        ``morphology`` or ``morphologies`` beside the configuration or one folder up.
    weightings
        Functions that rules of projections may name: compiled by numba, of the differences in µm of target minus source
        along u and v and of the projection's ``parameters``, float64[k]; sources are chosen in proportion to what they
        return. Their code is part of the step's key.
    maps
        What beginnings of file names in the configuration become.
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use; by default threads of this process.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with the name of each step as it begins.

    Returns
    -------
    Built
        What became of each step. ``print`` shows it.

    Raises
    ------
    IngestError, InputError
        The configuration cannot be used: names the file, the line and the key.
    NotFoundError
        A step of *only* needs what has not been built.
    ConflictError
        Another process builds the same circuit, or committed a change of it meanwhile.
    """
    began = time.perf_counter()
    read = Configuration.of(configuration)
    found = network_configuration(read, list(weightings or ()))
    Asked(read, list(found.problems)).check()
    if reproduce not in (None, "miv") or (unknown := [step for step in only or () if step not in STEPS]):
        wrong = (
            f"step {unknown[0]!r}; steps are {', '.join(STEPS)}"
            if reproduce in (None, "miv")
            else f"{reproduce!r}"
        )
        raise InputError(f"there is no {wrong}")
    if reproduce == "miv":
        found = found.as_miv()
    target = Lake.of(lake, create=True)
    circuit = name or found.name
    report = Built(target.url, circuit, problems=list(found.problems))
    files = _morphology_files(found, morphologies, maps or {})
    of = Construction(
        Build(target, branch, circuit, f"neurolake build network --name {circuit}"),
        found,
        circuit,
        seed,
        Workers(scheduler, processes),
        dict(weightings or {}),
        report.notices.append,
    )
    run = _Run(of, report, None if only is None else frozenset(only), progress or (lambda step: None))
    run.all(files)
    notes = {"circuit": circuit, "seed": seed, "files": [path.name for path in read.files]}
    report.commit = of.build.finish(
        message or f"Build network {circuit}",
        notes,
        lambda node: only is None and _belongs(node, circuit),
        run.describe,
    )
    report.seconds = time.perf_counter() - began
    return report


def _belongs(node: str, circuit: str) -> bool:
    return any((parts := kind.parts(node)) is not None and parts["circuit"] == circuit for kind in _MADE)


def _morphology_files(
    network: NetworkConfiguration, folder: str | Path | None, maps: Mapping[str, str]
) -> dict[str, list[Path]]:
    """Files of the trees of each population."""
    asked, found = Asked(network.configuration), {}
    for population in network.populations:
        kind = network.cells.get(population)
        if kind is None:
            continue
        keys = ("Cell Types", population, "morphology")
        if kind.morphologies:
            paths = [
                asked.or_default(None, partial(asked.file, keys, name, maps)) for name in kind.morphologies
            ]
            asked.check()
            found[population] = [path for path in paths if path is not None]
            continue
        places = list(_folders(network.configuration, folder))
        file = next(
            (
                place / f"{population}{end}"
                for place in places
                for end in SUFFIXES
                if (place / f"{population}{end}").is_file()
            ),
            None,
        )
        if file is not None:
            found[population] = [file]
        elif kind.density:
            looked = ", ".join(str(place) for place in places)
            raise network.configuration.error(
                keys,
                f"it is missing, and there is no {population}.swc, .asc or .h5 in {looked}: {population} has "
                "densities of synapses, and needs a tree to place them on",
            )
    return found


def _folders(configuration: Configuration, folder: str | Path | None) -> Iterator[Path]:
    if folder is not None:
        yield Path(folder).expanduser()
        return
    here = configuration.files[0].parent if configuration.files else Path()
    for base in (here, here.resolve().parent):
        for name in FOLDERS:
            yield base / name


@dataclass
class _Run:
    """A network under construction, step by step."""

    of: Construction
    report: Built
    only: frozenset[str] | None
    progress: Callable[[str], None]

    def all(self, files: Mapping[str, Sequence[Path]]) -> None:
        """Have all steps, one after another."""
        found = self.of.network
        self.step("types", "populations, projections and layers", _build_types)
        for population in found.populations:
            self.step("positions", f"positions of {population}", build_positions, population)
        for population in found.populations:
            self.step("distances", f"distances of {population}", build_distances, population)
        every = list(dict.fromkeys(path for paths in files.values() for path in paths))
        if every:
            self.step("trees", "trees", build_trees, every)
        self.cells(files)
        self.connections()
        self.inputs()

    def cells(self, files: Mapping[str, Sequence[Path]]) -> None:
        """Have the tables of nodes, and synapses."""
        found = self.of.network
        for population in found.populations:
            paths = files.get(population, ())
            self.step("nodes", f"cells of {population}", build_nodes, population, paths)
        for population in found.populations:
            if population in found.cells and found.cells[population].density:
                self.step("synapses", f"synapses of {population}", build_synapses, population)

    def connections(self) -> None:
        """Have edges and gap junctions."""
        found = self.of.network
        for target in found.populations:
            if any(projection.target == target and projection.places for projection in found.projections):
                self.step("connections", f"edges to {target}", build_connections, target)
        for projection in found.projections:
            if not projection.places:
                what = f"edges from {projection.source} to {projection.target}"
                self.step("connections", what, build_rule, projection)
        for pair in found.junctions:
            what = f"gap junctions of {pair.source} and {pair.target}"
            self.step("junctions", what, build_junctions, pair)

    def inputs(self) -> None:
        """Have features, and spike trains of the cells that replay them."""
        found = self.of.network
        for arena, described in found.stimulus.arenas.items():
            if not described["trajectories"]:
                continue
            for population in found.populations:
                if population not in found.stimulus.types:
                    continue
                self.step(
                    "features", f"features of {population} in {arena}", build_features, arena, population
                )
                if population not in found.cells or not found.cells[population].input:
                    continue
                for path in described["trajectories"]:
                    what = f"input spikes of {population} in {arena} on {path}"
                    self.step("spikes", what, build_spikes, arena, path, population)

    def step(self, step: str, what: str, have: Callable[..., Outcome], *about: Any) -> None:
        """Have a step, unless it is left out, and report it."""
        if self.only is not None and step not in self.only:
            return
        self.progress(what)
        began = time.perf_counter()
        outcome = have(self.of, *about)
        self.report.steps.append(StepReport(what, outcome.state, outcome.rows, time.perf_counter() - began))

    def describe(self, transaction: Transaction) -> None:
        """Write the resolved configuration, and the circuit's row in the table of circuits."""
        build, network, circuit = self.of.build, self.of.network, self.of.circuit
        for population in network.populations:
            node = circuits.NODES.of(circuit=circuit, population=population)
            if node in build.tree:
                self.report.nodes[population] = build.table(node).rows
        for node in sorted(build.tree):
            parts = circuits.EDGES.parts(node)
            if parts and parts["circuit"] == circuit and not node.endswith(circuits.BY_SOURCE.ending):
                self.report.edges[parts["population"]] = build.table(node).rows
        file = circuits.CONFIGURATION.of(circuit=circuit)
        transaction.put_file(file, canonical_json(network.configuration.tree))
        put_circuit(transaction, circuit, "network", configuration=file, seed=self.of.seed)


def _build_types(of: Construction) -> Outcome:
    """Have the tables of populations, projections and layers in the lake."""
    kinds = {
        "populations": circuits.POPULATIONS,
        "projections": circuits.PROJECTIONS,
        "layers": circuits.LAYERS,
    }
    outputs = {part: Output(kind, kind.of(circuit=of.circuit)) for part, kind in kinds.items()}
    found = of.network
    rows: dict[str, list[Mapping[str, Any]]] = {
        "populations": [
            {
                "population": name,
                "label": found.definitions.populations[name],
                "start": found.starts[name],
                "count": found.geometry.count(name),
            }
            for name in found.populations
        ],
        "projections": projections_of(found),
        "layers": [{"layer": name, "label": number} for name, number in found.definitions.layers.items()],
    }

    def make(parts: Parts) -> None:
        for part, kind in kinds.items():
            parts.write(part, pa.Table.from_pylist(rows[part], kind.schema))

    return of.build.run(TYPES, outputs, make, inputs={}, params=rows)
