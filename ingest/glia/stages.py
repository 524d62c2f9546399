"""Circuits of glia built from ArchNGV's manifest: from the atlas to gap junctions, each stage computed once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...catalog.vocabulary import circuits, glia
from ...catalog.vocabulary.kinds import Kind
from ...lake import Lake, Transaction
from ...lake.digest import canonical_json
from ...lake.errors import InputError
from ...lake.history.log import MAIN
from ...lake.names import listed
from ...lake.nodes.content import attributes
from ...lake.nodes.derived import origin
from ...lake.nodes.node import Node
from ..building.blocks import Workers
from ..building.network import Built
from ..building.steps import Build, Outcome, StepReport
from ..circuits.registry import put_circuit
from ..ngv.registry import put_parts
from ..source import Ingested
from ..synthesis.cells import parameter_texts
from ..synthesis.environment import versions
from ..text.asked import Asked, Problem
from .cells import build_astrocytes, build_domains, build_somata
from .construction import GliaConstruction, Neurons
from .contacts import build_endfeet, build_gliovascular, build_neuroglial
from .finishing import build_glialglial_edges, build_gliovascular_edges, build_neuroglial_edges
from .manifest import Manifest, manifest_of
from .shapes import build_shapes
from .space import build_regions, build_surface, build_vessels, build_volume

STAGES = (
    "vessels",
    "atlas",
    "placement",
    "astrocytes",
    "domains",
    "gliovascular",
    "neuroglial",
    "surface",
    "endfeet",
    "shapes",
    "finishing",
    "junctions",
)

_MADE: tuple[Kind, ...] = (
    glia.VASCULATURE,
    glia.VESSEL_POINTS,
    glia.VESSEL_SECTIONS,
    glia.VESSEL_LINKS,
    glia.VOXELS,
    glia.REGIONS,
    glia.STAGES,
    glia.ASTROCYTES,
    glia.DOMAINS,
    glia.DOMAIN_FACES,
    glia.DOMAIN_POINTS,
    glia.DOMAIN_TRIANGLES,
    glia.DOMAIN_NEIGHBOURS,
    glia.MESHES,
    glia.RETICULUM,
    glia.MESH_POINTS,
    glia.MESH_TRIANGLES,
    glia.GLIOVASCULAR,
    glia.NEUROGLIAL,
    glia.GLIALGLIAL,
)
_EDGES = (glia.GLIOVASCULAR, glia.NEUROGLIAL, glia.GLIALGLIAL)
_PLACES = ("efferent_center", "afferent_center")


def check_ngv(source: str | Path | Mapping[str, Any], maps: Mapping[str, str] | None = None) -> list[Problem]:
    """Return what is wrong with a manifest (errors), and what of it has no effect (notices).

    Parameters
    ----------
    source
        ArchNGV's MANIFEST.yaml, or its content as a mapping.
    maps
        What beginnings of file names in the manifest become.

    Raises
    ------
    IngestError
        A file is missing or is not YAML; names the file and the line.
    """
    return list(_read(source, maps or {}, None).problems)


def _read(source: str | Path | Mapping[str, Any], maps: Mapping[str, str], neurons: str | None) -> Manifest:
    found = manifest_of(source, maps, neurons=neurons is None)
    if found.vasculature is None and not any(
        problem.key.endswith("vasculature") and problem.level == "error" for problem in found.problems
    ):
        asked = Asked(found.configuration, list(found.problems))
        top = ("ngv",) if isinstance(found.configuration.tree.get("ngv"), Mapping) else ()
        asked.note((*top, "common", "vasculature"), "it is missing: expected a file of vessels")
        found = replace(found, problems=asked.problems)
    return found


def ngv(
    lake: Lake | str | Path,
    manifest: str | Path | Mapping[str, Any],
    name: str,
    *,
    seed: int | None = None,
    only: Sequence[str] | None = None,
    neurons: str | None = None,
    maps: Mapping[str, str] | None = None,
    scheduler: str | None = None,
    processes: int | None = None,
    branch: str = MAIN,
    message: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Built:
    """Build a circuit of astrocytes between vessels and neurons, in one commit.

    Keys of the manifest are those of ArchNGV 3.3 (Zisis et al. 2021, doi:10.1093/cercor/bhab254). Each stage is kept under a key
    of what decides it: the content of its inputs, its part of the manifest, and the seed. So building again takes no
    time, and a change makes anew only what follows from it. The result does not depend on how many workers there are.

    Parameters
    ----------
    lake
        An open lake, or the path or URL of one, which is made if it is missing.
    manifest
        ArchNGV's MANIFEST.yaml, or its content as a mapping; docs/ngv.md lists the keys.
    name
        Of the circuit.
    seed
        Of all random numbers, from 0 to 2**31 - 1; by default the manifest's.
    only
        Stages to build, of `STAGES`; what they need must be there. All by default.
    neurons
        Circuit of the lake that has the neurons. By default those that the manifest names are ingested with the circuit, in a
        commit before its own.
    maps
        What beginnings of file names in the manifest become.
    scheduler, processes
        Address of a dask scheduler, or how many processes of this machine to use; by default threads of this process.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with the name of each stage as it begins.

    Returns
    -------
    Built
        What became of each stage. ``print`` shows it.

    Raises
    ------
    IngestError, InputError
        The manifest or a file of it cannot be used: names the file, and the line and key or the dataset.
    NotFoundError
        A stage of *only* needs what has not been built, or the lake has no such neurons.
    ConflictError
        Another process builds the same circuit, or committed a change of it meanwhile.
    """
    began = time.perf_counter()
    found = _read(manifest, maps or {}, neurons)
    Asked(found.configuration, list(found.problems)).check()
    if unknown := [stage for stage in only or () if stage not in STAGES]:
        raise InputError(f"there is no stage {unknown[0]!r}; stages are {', '.join(STAGES)}")
    chosen = found.seed if seed is None else seed
    if not 0 <= chosen < 2**31:
        raise InputError(f"a seed is from 0 to 2**31 - 1, not {chosen}")
    if found.shapes.parameters is not None and (only is None or "shapes" in only):
        # What is missing is told before hours of work.
        parameter_texts(found.shapes.parameters)
        versions()
    target = Lake.of(lake, create=True)
    report = Built(target.url, name, problems=[each for each in found.problems if each.level == "notice"])
    _check_trees(target.at(branch).tree, name)
    cells = _neurons(target, branch, found, name, neurons, report.notices.append)
    build = Build(target, branch, name, f"neurolake build ngv --name {name}")
    of = GliaConstruction(
        build, found, name, chosen, Workers(scheduler, processes), cells, report.notices.append
    )
    run = _Stages(of, report, None if only is None else frozenset(only), progress or (lambda stage: None))
    run.all()
    files = [path.name for path in found.configuration.files]
    report.commit = build.finish(
        message or f"Build circuit {name} of glia",
        {"circuit": name, "seed": chosen, "files": files},
        lambda node: only is None and _belongs(node, name),
        lambda transaction: run.describe(transaction, neurons),
    )
    report.seconds = time.perf_counter() - began
    return report


def _belongs(node: str, circuit: str) -> bool:
    if node in {circuits.POINTS.of(circuit=circuit), circuits.SECTIONS.of(circuit=circuit)}:
        return True
    edges = [kind.of(circuit=circuit) for kind in _EDGES]
    if node in edges or node in [circuits.BY_SOURCE.beside(edge) for edge in edges]:
        return True
    return any((parts := kind.parts(node)) is not None and parts["circuit"] == circuit for kind in _MADE)


def _check_trees(tree: Mapping[str, Node], name: str) -> None:
    """Shapes of astrocytes must not replace what is there of neurons."""
    node = circuits.POINTS.of(circuit=name)
    if node not in tree:
        return
    made = origin(tree, node)
    if made is None or not made.kernel.startswith("ngv."):
        raise InputError(
            f"{node!r} has the trees of other cells: give another --name, and --neurons {name} if the neurons are there"
        )


def _neurons(
    lake: Lake,
    branch: str,
    manifest: Manifest,
    name: str,
    neurons: str | None,
    tell: Callable[[str], None],
) -> Neurons | None:
    """The neurons that are in the lake; those of the manifest are ingested first."""
    if neurons is None and not manifest.neurons:
        tell("there are no neurons, so no synapses")
        return None
    if neurons is None:
        for notice in _ingested(lake, branch, manifest.neurons, name).notices:
            tell(notice)
    circuit = neurons or name
    snapshot = lake.at(branch)
    found = []
    for node in snapshot.tables:
        parts = circuits.EDGES.parts(node)
        own = (
            parts is not None and parts["circuit"] == circuit and not node.endswith(circuits.BY_SOURCE.ending)
        )
        if not own or node in [kind.of(circuit=circuit) for kind in _EDGES]:
            continue
        assert parts is not None, "own"
        names = snapshot.tables[node].schema().names
        place = next(
            (prefix for prefix in _PLACES if all(f"{prefix}_{axis}" in names for axis in "xyz")), None
        )
        if place is not None and manifest.edge_population in (None, parts["population"]):
            found.append((node, place))
    if len(found) != 1:
        wanted = f" {manifest.edge_population!r}" if manifest.edge_population else ""
        known = listed(node for node, _ in found) or "none"
        raise InputError(
            f"circuit {circuit!r} has {len(found)} populations of edges{wanted} with places of synapses (efferent_center_x or "
            f"afferent_center_x): {known}; expected one: edge_population_name of the manifest says which"
        )
    node, place = found[0]
    told = attributes(snapshot.tree[node]).get("target_population")
    return Neurons(
        circuit,
        manifest.node_population or (told if isinstance(told, str) else ""),
        node,
        (f"{place}_x", f"{place}_y", f"{place}_z"),
    )


def _ingested(lake: Lake, branch: str, files: Sequence[Path], name: str) -> Ingested:
    """Bring the neurons' circuit into the lake: its configuration, or its files of cells and edges."""
    if len(files) == 1:
        from ..sonata.ingest import ingest_sonata

        return ingest_sonata(lake, files[0], name=name, branch=branch)
    from ..ngv.ingest import ingest_ngv

    return ingest_ngv(lake, list(files), name=name, branch=branch)


@dataclass
class _Stages:
    """A circuit under construction, stage by stage."""

    of: GliaConstruction
    report: Built
    only: frozenset[str] | None
    progress: Callable[[str], None]

    def all(self) -> None:
        """Have all stages, one after another."""
        manifest = self.of.manifest
        if manifest.vasculature is not None:
            self.stage("vessels", "vessels", build_vessels, manifest.vasculature)
        for name in manifest.volumes:
            self.stage("atlas", f"volume {name}", build_volume, name)
        if manifest.hierarchy is not None:
            self.stage("atlas", "regions", build_regions, manifest.hierarchy)
        self.stage("placement", "somata", build_somata)
        self.stage("astrocytes", "astrocytes", build_astrocytes)
        self.stage("domains", "domains", build_domains)
        self.stage("gliovascular", "places of endfeet", build_gliovascular)
        if self.of.neurons is not None:
            self.stage("neuroglial", "synapses in domains", build_neuroglial)
        self.stage("surface", "surface of the vessels", build_surface)
        self.stage("endfeet", "endfeet", build_endfeet)
        self.stage("shapes", "shapes", build_shapes)
        self.stage("finishing", "edges to vessels", build_gliovascular_edges)
        if self.of.neurons is not None:
            self.stage("finishing", "edges to synapses", build_neuroglial_edges)
        self.stage("junctions", "gap junctions", build_glialglial_edges)

    def stage(self, stage: str, what: str, have: Callable[..., Outcome], *about: Any) -> None:
        """Have a stage, unless it is left out, and report it."""
        if self.only is not None and stage not in self.only:
            return
        self.progress(what)
        began = time.perf_counter()
        outcome = have(self.of, *about)
        self.report.steps.append(StepReport(what, outcome.state, outcome.rows, time.perf_counter() - began))

    def describe(self, transaction: Transaction, neurons: str | None) -> None:
        """Write the manifest, the circuit's parts, and its row in the table of circuits."""
        of = self.of
        for kind in (glia.ASTROCYTES, glia.VASCULATURE):
            node = of.table(kind)
            if node in of.build.tree:
                self.report.nodes[node.rpartition("/")[2]] = of.build.table(node).rows
        for kind in _EDGES:
            node = of.table(kind)
            if node in of.build.tree:
                self.report.edges[node.rpartition("/")[2]] = of.build.table(node).rows
        file = circuits.CONFIGURATION.of(circuit=of.circuit)
        transaction.put_file(file, canonical_json(of.manifest.configuration.tree))
        put_parts(transaction, of.circuit, neurons)
        put_circuit(transaction, of.circuit, "ngv", configuration=file, seed=of.seed)
