"""Ingest of NeuroH5: files of one network together become one circuit, in one commit."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.kinds import Kind
from ...lake import Lake, Transaction
from ...lake.digest import digest_of_file
from ...lake.errors import IngestError, InputError
from ...lake.history.log import MAIN
from ..circuits.registry import put_circuit
from ..hdf5.layout import Item, layout_table
from ..hdf5.reading import SUFFIXES, HDF5File, opened, root_of
from ..source import Ingested, Progress
from .cells import REPEATED, Attribute, Indices, read_namespace, same_content
from .layout import check_links, laid_out
from .namespaces import (
    EVENTS,
    HeldAttribute,
    Namespace,
    doubled_spikes,
    placed,
    write_features,
    write_spikes,
    write_synapses,
)
from .nodes import NodeColumns
from .projections import ROOT as PROJECTIONS
from .projections import Projection, once, read_projection, write_projection
from .results import TRAJECTORY, potentials, write_potentials, write_traces, write_trajectory
from .trees import TREES, Woods, read_trees, stored_names
from .types import CHEMICAL, ELECTRICAL, NAME, NetworkTypes, read_types
from .vertices import ROOT as VERTICES
from .vertices import read_vertices

POPULATIONS = "Populations"


def ingest_neuroh5(
    lake: Lake,
    source: str | Path | Sequence[str | Path],
    *,
    name: str | None = None,
    repeated: str = "error",
    branch: str = MAIN,
    message: str | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring files of NeuroH5 into a lake as one circuit, in one commit.

    What files have in common is stored once. Files that the lake has under that name are recognised by their digests and left
    alone, so running it again does nothing, and further files of the same network add to it. What becomes of what is in
    docs/neuroh5.md.

    Parameters
    ----------
    lake
        The lake to ingest into.
    source
        A file, several, or a folder: all its files of NeuroH5.
    name
        What the circuit is called in the names of nodes; by default the file or its folder.
    repeated
        What becomes of cells that a step of construction wrote several times, because it ran twice: ``"error"``, or the
        ``"first"`` or the ``"last"`` of each is taken. Results come in parts, which belong together.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    IngestError
        A file is damaged or malformed, or says something else than another or than the lake; names file and dataset.
    InputError
        An option is unknown, or h5py is not installed.
    ConflictError
        Another ingest of that name committed meanwhile.
    """
    began = time.perf_counter()
    if repeated not in REPEATED:
        raise InputError(f"repeated is one of {', '.join(REPEATED)}, not {repeated!r}")
    paths = _paths(source)
    report = Ingested("neuroh5", lake.url, name or _name(source, paths))
    transaction = lake.transaction(message or f"Ingest NeuroH5 as {report.name}", branch=branch)
    known = _known(transaction, report.name)
    new = _new(paths, known, report)
    before = set(transaction.drafts)
    if new:
        with ExitStack() as stack:
            intake = Intake(transaction, report.name, repeated, report.notices)
            sources = [stack.enter_context(opened(path)) for path in new]
            intake.take(sources, _advance([*new], progress))
            intake.finish(_called([*new], known), new)
    report.added = [path.name for path in new]
    report.source_bytes = sum(path.stat().st_size for path in new)
    report.nodes = sorted(set(transaction.drafts) - before)
    notes = {"format": "neuroh5", "source": [str(path) for path in new], "name": report.name}
    transaction.notes["ingest"] = {**notes, "files": len(new)}
    return report.finish(transaction.commit() if new else None, began)


# Which files


def is_neuroh5(path: Path) -> bool:
    """Return whether an HDF5 file has the types of NeuroH5.

    Parameters
    ----------
    path
        Any file.
    """
    return NAME in root_of(path)


def files_in(folder: Path) -> list[Path]:
    """Return the files of NeuroH5 in a folder, by name.

    Parameters
    ----------
    folder
        Any folder.
    """
    return [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and is_neuroh5(path)]


def _paths(source: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [source] if isinstance(source, str | Path) else list(source)
    found: list[Path] = []
    for each in given:
        path = Path(each).expanduser().resolve()
        if path.is_dir():
            inside = files_in(path)
            if not inside:
                raise IngestError("there is no file of NeuroH5 in this folder", path)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise IngestError("there is no such file", path)
    if not found:
        raise InputError("give at least one file of NeuroH5")
    return list(dict.fromkeys(found))


def _name(source: str | Path | Sequence[str | Path], paths: Sequence[Path]) -> str:
    alone = len(paths) == 1 and not (isinstance(source, str | Path) and Path(source).expanduser().is_dir())
    return paths[0].stem if alone else paths[0].parent.name


def _known(transaction: Transaction, name: str) -> dict[str, str]:
    """Digests of the files that the lake has, by the name that it gave them."""
    table = circuits.NEUROH5_FILES.of(circuit=name)
    transaction.depends_on(
        table, circuits.NEUROH5_LAYOUT.of(circuit=name), circuits.NEUROH5_ROWS.of(circuit=name)
    )
    files = transaction.table(table)
    rows = [] if files is None else files.to_arrow(["path", "digest"]).to_pylist()
    return {row["path"]: row["digest"] for row in rows}


def _new(paths: Sequence[Path], known: Mapping[str, str], report: Ingested) -> dict[Path, str]:
    """Files that the lake does not have, with their digests."""
    found: dict[Path, str] = {}
    for path in paths:
        try:
            digest = digest_of_file(path)
        except OSError as error:
            raise IngestError(f"cannot be read: {error.strerror}", path) from error
        if digest in known.values() or digest in found.values():
            report.unchanged.append(path.name)
        else:
            found[path] = digest
    return found


def _called(paths: Sequence[Path], known: Iterable[str]) -> dict[Path, str]:
    """How the lake calls files: by their names, with a number where two have the same."""
    taken, found = set(known), {}
    for path in paths:
        name, number = path.name, 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        taken.add(name)
        found[path] = name
    return found


def _advance(paths: Sequence[Path], progress: Progress | None) -> Callable[[int], None]:
    sizes = [path.stat().st_size for path in paths]

    def advance(done: int) -> None:
        if progress is not None:
            progress(sum(sizes[:done]), sum(sizes))

    return advance


# What is in them


@dataclass
class Intake:
    """An ingest under way.

    Parameters
    ----------
    transaction, name
        Where to write, and what the circuit is called.
    repeated
        What becomes of cells that a step of construction wrote several times.
    notices
        Lines for the user.
    """

    transaction: Transaction
    name: str
    repeated: str
    notices: list[str]
    sources: list[HDF5File] = field(default_factory=list)
    made: dict[str, HDF5File] = field(default_factory=dict)
    had: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.transaction.table(circuits.NEUROH5_ROWS.of(circuit=self.name))
        last = -1 if rows is None else int(rows.to_arrow(["index"])["index"].to_numpy().max(initial=-1))
        self.indices = Indices(last + 1)
        self.woods = Woods(stored_names(self.transaction, self.name))
        self.nodes = NodeColumns(self.transaction, self.name)
        self.namespaces: dict[tuple[str, str], tuple[Namespace, list[HeldAttribute]]] = {}
        self.projections: dict[str, Projection] = {}
        for node in self.transaction.drafts:
            self.had[node] = self.transaction.drafts[node].digest

    def take(self, sources: Sequence[HDF5File], advance: Callable[[int], None]) -> None:
        """Write what some files hold.

        Parameters
        ----------
        sources
            Open files.
        advance
            Called with the number of files done.
        """
        self.sources = list(sources)
        for source in sources:
            check_links(source)
        types = [self._types(source) for source in sources]
        for done, (source, own) in enumerate(zip(sources, types, strict=True)):
            for population in source.groups(POPULATIONS):
                self._population(source, population, own)
            for target in source.groups(PROJECTIONS):
                for projection in source.groups(f"{PROJECTIONS}/{target}"):
                    self._projection(source, f"/{PROJECTIONS}/{target}/{projection}", own)
            self._results(source)
            for namespace, population, attributes in read_vertices(source, own.populations):
                node = circuits.FEATURES.of(circuit=self.name, namespace=namespace, population=population)
                write_features(
                    self.transaction, attributes, node, {"population": population, "namespace": namespace}
                )
                self._once_written(source, node, f"{VERTICES}/{namespace}")
            advance(done + 1)
        self.nodes.write()
        for node in self.woods.write(self.transaction, self.name):
            self.had.pop(node, None)

    def finish(self, called: Mapping[Path, str], digests: Mapping[Path, str]) -> None:
        """Write the tables of the files and of the circuit.

        Parameters
        ----------
        called
            Name of each file, by path.
        digests
            Digest of each file, by path.
        """
        items: list[Item] = []
        for source in self.sources:
            found = laid_out(source, called[source.path])
            self._tell_unclaimed(source, found)
            items += found
        rows = [
            {
                "path": called[source.path],
                "kind": "neuroh5",
                "size": source.path.stat().st_size,
                "digest": digests[source.path],
                "node": None,
            }
            for source in self.sources
        ]
        files, layout, index = circuits.NEUROH5_FILES, circuits.NEUROH5_LAYOUT, circuits.NEUROH5_ROWS
        append = self.transaction.append_table
        append(files.of(circuit=self.name), pa.Table.from_pylist(rows, files.schema), doc=files.doc)
        append(layout.of(circuit=self.name), layout_table(items), doc=layout.doc)
        append(self._rows, self._index_table(), doc=index.doc, sorted_by=index.sorted_by)
        put_circuit(self.transaction, self.name, "neuroh5")

    @property
    def _rows(self) -> str:
        return circuits.NEUROH5_ROWS.of(circuit=self.name)

    def _index_table(self) -> pa.Table:
        found = self.indices.found
        numbers = np.repeat(np.arange(len(found)) + self.indices.first, [len(one.node_id) for one in found])
        empty = np.empty(0, np.int64)
        nodes = np.concatenate([empty, *(one.node_id for one in found)])
        sizes = np.concatenate([empty, *(one.size for one in found)])
        return pa.table([numbers, nodes, sizes], circuits.NEUROH5_ROWS.schema)

    # Types

    def _types(self, source: HDF5File) -> NetworkTypes:
        types = read_types(source)

        kind = ELECTRICAL if self._has_gap_junctions(source) else CHEMICAL
        self._put_once(source, circuits.POPULATIONS, types.populations_table(), "/H5Types/Populations")
        if types.projections is not None:
            self._put_projections(source, types.projections_table(kind), kind)
        self.nodes.add_populations(types.populations)
        if types.layers:
            self._put_once(source, circuits.LAYERS, types.layers_table(), "/H5Types/Layer tags")
        return types

    def _has_gap_junctions(self, source: HDF5File) -> bool:
        return any(
            "Coupling strength" in source.file[f"{PROJECTIONS}/{target}/{name}"]
            for target in source.groups(PROJECTIONS)
            for name in source.groups(f"{PROJECTIONS}/{target}")
        )

    def _put_once(self, source: HDF5File, kind: Kind, table: pa.Table, where: str) -> None:
        node = kind.of(circuit=self.name)
        old = self.transaction.table(node)
        if old is None:
            self.transaction.write_table(node, table, doc=kind.doc)
        elif not old.to_arrow().equals(table):
            raise source.error(where, f"it says something else than what {self.name!r} is made of so far")

    def _put_projections(self, source: HDF5File, table: pa.Table, kind: str) -> None:
        node = circuits.PROJECTIONS.of(circuit=self.name)
        old = self.transaction.table(node)
        same = None if old is None else old.to_arrow().filter(pc.field("kind") == kind)
        if same is None or not len(same):
            self.transaction.append_table(node, table, doc=circuits.PROJECTIONS.doc)
        elif not same.equals(table):
            raise source.error(
                "/H5Types/Valid population projections",
                f"it says something else than what {self.name!r} is made of so far",
            )

    # Cells

    def _population(self, source: HDF5File, population: str, types: NetworkTypes) -> None:
        group = source.file[f"{POPULATIONS}/{population}"]
        source.at = group.name
        if population not in types.populations:
            raise source.error(group, f"there is no population {population!r} in /H5Types")
        count = types.populations[population].count
        for name in source.groups(f"{POPULATIONS}/{population}"):
            if name == TREES:
                trees = read_trees(source, group[name], count, self.repeated)
                self.nodes.add_trees(population, trees, self.woods.named(trees), self.indices, self._rows)
                continue
            namespace = Namespace(
                population, name, read_namespace(source, group[name], count), dict(group[name].attrs)
            )
            if namespace.attributes:
                self._namespace(source, self._once(namespace))

    def _once(self, namespace: Namespace) -> Namespace:
        if namespace.is_construction:
            kept = {name: one.kept(self.repeated) for name, one in namespace.attributes.items()}
            return replace(namespace, attributes=kept)
        several = [one for one in namespace.attributes.values() if one.index.repeats]
        if several and not (namespace.is_spikes or namespace.is_traces):
            one = several[0]
            self.notices.append(
                f"{one.source.path}: {one.name}: cells are there more than once; each time is a row of its own"
            )
        return namespace

    def _namespace(self, source: HDF5File, namespace: Namespace) -> None:
        if namespace.is_of_nodes:
            columns, others = placed(namespace)
            self.nodes.add(namespace, columns, self.indices, self._rows)
            if not others:
                return
            namespace = replace(namespace, attributes=others)
        key = namespace.population, namespace.name
        if key in self.namespaces:
            first, parts = self.namespaces[key]
            self._compare(first.attributes, namespace.attributes, source, f"/{POPULATIONS}/{'/'.join(key)}")
            held = {part.attribute.short: part for part in parts}
            parts = [
                HeldAttribute(one, held[name].node, held[name].part)
                for name, one in namespace.attributes.items()
            ]
        else:
            parts = self._written(source, namespace)
            self.namespaces[key] = namespace, parts
        for part in parts:
            part.attribute.claim(self.indices.number(part.attribute.index), self._rows, part.node, part.part)

    def _written(self, source: HDF5File, namespace: Namespace) -> list[HeldAttribute]:
        name, population = namespace.name, namespace.population
        said: Mapping[str, Any] = {"population": population, "namespace": name}
        beside = dict(namespace.attributes)
        parts: list[HeldAttribute] = []
        if namespace.is_of_synapses:
            node = circuits.SYNAPSES.of(circuit=self.name, population=population)
            parts, beside = write_synapses(self.transaction, namespace, node)
        elif namespace.is_input or namespace.is_spikes:
            parts, beside = write_spikes(self.transaction, namespace, self._spikes(namespace), said)
            if namespace.is_spikes and (count := doubled_spikes(namespace)):
                self.notices.append(
                    f"{source.path}: /{POPULATIONS}/{population}/{name}: {count:,} spikes are there again, at the same time of the "
                    "same trial and cell; was the same appended twice?"
                )
        elif namespace.is_traces:
            reports = {
                short: report_kinds.REPORT.of(
                    circuit=self.name, report=f"{name} {short}", population=population
                )
                for short in namespace.attributes
            }
            parts, beside, notices = write_traces(self.transaction, namespace, reports)
            self.notices += notices
        if beside:
            node = circuits.FEATURES.of(circuit=self.name, namespace=name, population=population)
            parts += write_features(self.transaction, beside, node, said)
        for node in {part.node for part in parts}:
            self._check(source, node, f"/{POPULATIONS}/{population}/{name}")
        return parts

    def _spikes(self, namespace: Namespace) -> str:
        """Where spikes go: those of the first results are those of the population, others bear the name of theirs."""
        if namespace.is_input:
            return circuits.INPUTS.of(
                circuit=self.name, input=namespace.name, population=namespace.population
            )
        results = (
            namespace.name.removeprefix(EVENTS).strip()
            if namespace.name.startswith(EVENTS)
            else namespace.name
        )
        population = f"{namespace.population}.{results}" if results else namespace.population
        return circuits.SPIKES.of(circuit=self.name, population=population)

    def _check(self, source: HDF5File, node: str, where: str) -> None:
        """Raise `IngestError` if the lake had the node already, with other content."""
        if node in self.had and self.transaction.drafts[node].digest != self.had[node]:
            raise source.error(
                where,
                f"it says something else than {node!r}, which the lake has of {self.name!r}; choose another --name",
            )

    def _compare(
        self, one: Mapping[str, Attribute], other: Mapping[str, Attribute], source: HDF5File, where: str
    ) -> None:
        """Raise `IngestError` unless two files say the same."""
        if one.keys() != other.keys():
            strange = min(one.keys() ^ other.keys())
            raise source.error(f"{where}/{strange}", "only one of the files has it that have the rest")
        for name, attribute in other.items():
            if not same_content(one[name], attribute):
                raise source.error(
                    attribute.values, f"it says something else than {one[name].source.path} does"
                )

    # Edges

    def _projection(self, source: HDF5File, path: str, types: NetworkTypes) -> None:
        group = source.file[path]
        read = once(read_projection(source, group, types.populations, types.projections), self.repeated)
        node = circuits.EDGES.of(circuit=self.name, population=read.population)
        first = self.projections.get(read.population)
        if first is None:
            self.projections[read.population] = read
            write_projection(self.transaction, read, node)
            self._check(source, node, path)
        else:
            self._compare(first.everything, read.everything, source, path)
        number = self.indices.number(read.edges.index)
        for column, attribute in read.everything.items():
            attribute.claim(number, self._rows, node, column)

    # Results

    def _results(self, source: HDF5File) -> None:
        for probe, names in potentials(source).items():
            node = report_kinds.LFP.of(circuit=self.name, probe=probe)
            write_potentials(self.transaction, source, names, node)
            self._once_written(source, node, names[0])
        for name in source.groups("/"):
            if name.startswith(TRAJECTORY):
                node = circuits.TRAJECTORIES.of(circuit=self.name, trajectory=name.removeprefix(TRAJECTORY))
                write_trajectory(self.transaction, source, name, node)
                self._once_written(source, node, name)

    def _once_written(self, source: HDF5File, node: str, where: str) -> None:
        """Check a node that is small enough to be written again by each file that has it."""
        self._check(source, node, f"/{where}")
        self.had[node] = self.transaction.drafts[node].digest

    def _tell_unclaimed(self, source: HDF5File, items: Sequence[Item]) -> None:
        kept = [item.path for item in items if item.value is not None and item.part is None]
        lost = [path for path in kept if path not in source.used and not path.startswith(f"/{NAME}/")]
        if lost:
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            self.notices.append(
                f"{source.path}: no table or array was made of {', '.join(lost[:5])}{more}; they are kept for export only"
            )
