"""Ingest of SONATA circuits, simulations and files: what a configuration names becomes one commit."""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary import circuits
from ...catalog.vocabulary import reports as report_kinds
from ...catalog.vocabulary.kinds import Kind, TableKind
from ...lake import Lake, Transaction
from ...lake.digest import digest_of_file
from ...lake.errors import IngestError, InputError
from ...lake.history.log import MAIN
from ...lake.nodes.naming import folded
from ..circuits.registry import put_circuit
from ..hdf5.layout import Item, layout_table
from ..hdf5.reading import SUFFIXES, HDF5File, IngestContext, opened
from ..source import Ingested, OnError, Progress
from .config import Config, Named, configuration_in, read_json
from .electrodes import ORIGINS, ingest_weights
from .populations import ingest_edges, ingest_nodes
from .reports import ingest_report, ingest_spikes
from .sets import ingest_compartment_sets
from .types import Types, read_types

GROUPS = {"nodes": "nodes", "edges": "edges", "spikes": "spikes", "inputs": "spikes", "report": "report"}
# What others refer to comes before them.
_ORDER = ("types", "nodes", "hdf5", "edges")


def ingest_sonata(
    lake: Lake,
    source: str | Path,
    *,
    name: str | None = None,
    electrodes: str = "sonata",
    on_error: OnError = "stop",
    branch: str = MAIN,
    message: str | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring a SONATA circuit, simulation or file into a lake, in one commit.

    Both dialects are read: that of libsonata and neurodamus, and that of bmtk. Files that the lake has under
    that name are recognised by their digests and left alone, so running it again does nothing. What the nodes hold
    is in docs/sonata.md.

    Parameters
    ----------
    lake
        The lake to ingest into.
    source
        ``simulation_config.json``, ``circuit_config.json``, a folder that has one, or an HDF5 file of nodes, edges,
        spikes, reports or weights of electrodes.
    name
        What the ingest is called in the names of nodes; by default its folder.
    electrodes
        ``"sonata"``: weights are mV/nA. ``"bluerecording"``: V/nA, before 0.7 in the order of the sorted names.
    on_error
        ``"stop"``: the first thing that is missing or malformed ends the ingest and nothing is stored.
        ``"skip"``: such files, and attributes that do not fit their population, are left out and told.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    IngestError
        A file is missing or malformed; names the file, and the key, line or dataset.
    InputError
        *name* is taken by other content, an option is unknown, or h5py is not installed.
    ConflictError
        Another ingest of that name committed meanwhile.
    """
    began = time.perf_counter()
    if on_error not in ("stop", "skip") or electrodes not in ORIGINS:
        raise InputError(f"on_error is 'stop' or 'skip', electrodes is one of {', '.join(ORIGINS)}")
    path = _file(Path(source).expanduser().resolve())
    report = Ingested("sonata", lake.url, name or path.parent.name)
    skip = on_error == "skip"
    files = _present(_files(path), skip, report)
    transaction = lake.transaction(
        message or f"Ingest SONATA {_legible(path.name)} as {report.name}", branch=branch
    )
    run = _Run(
        report.name,
        _root(files),
        transaction,
        IngestContext(transaction, skip, lambda read: None),
        electrodes,
    )
    run.name_weights(files)
    transaction.depends_on(run.table(circuits.FILES), run.table(circuits.LAYOUT))
    before = set(transaction.drafts)
    new = run.new(files, report)
    _ingest_all(run, new, report, progress)
    made = set(transaction.drafts) - before
    if any(node.startswith((circuits.NODES.folder, circuits.EDGES.folder)) for node in made):
        configuration = next((row["node"] for named, row in new if _has_networks(named)), None)
        put_circuit(transaction, report.name, "sonata", configuration=configuration)
    report.nodes = sorted(made)
    report.notices += run.context.notices
    notes = {
        "format": "sonata",
        "source": _legible(str(path)),
        "name": report.name,
        "files": len(report.added),
    }
    transaction.notes["ingest"] = notes
    return report.finish(transaction.commit() if report.added else None, began)


def _has_networks(named: Named) -> bool:
    """Whether a file is a circuit's configuration: one of its own, or a simulation's that has it, too."""
    if named.kind == "simulation":
        return "networks" in read_json(named.path)
    return named.kind == "circuit"


def _legible(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


# Which files


def _file(path: Path) -> Path:
    found = configuration_in(path) if path.is_dir() else path
    if found is None:
        raise IngestError("there is no SONATA configuration in this folder", path)
    return found


def _files(path: Path) -> list[Named]:
    if path.suffix in SUFFIXES:
        return [Named("hdf5", path)]
    # Several reports may use one file of electrodes, populations one file of types.
    return [*{named.path: named for named in reversed([*Config(path).named()])}.values()][::-1]


def _present(files: Sequence[Named], skip: bool, report: Ingested) -> list[Named]:
    found = []
    errors = {named.path: named.missing() for named in files}
    results = [named.path for named in files if named.made_by_run]
    # A simulation that has none has not run yet; one that has some may have stopped.
    ran = any(errors[path] is None for path in results)
    if results and not ran and not skip:
        report.notices.append(
            f"none of the results is there ({results[0]}): what is simulated is ingested without; ingest it "
            f"again as {report.name!r} after it was run elsewhere"
        )
    for named in files:
        error = errors[named.path]
        if error is None:
            found.append(named)
        elif skip and named.made_by_run:
            report.failures.append((named.path.name, error))
        elif ran or not named.made_by_run:
            raise error
    rank = {kind: at for at, kind in enumerate(_ORDER)}
    return sorted(found, key=lambda named: rank.get(named.kind, len(rank)))


def _root(files: Sequence[Named]) -> Path:
    """The deepest folder that holds all files."""
    return Path(os.path.commonpath([named.path.parent for named in files]))


# One after another


@dataclass
class _Run:
    """An ingest under way."""

    name: str
    root: Path
    transaction: Transaction
    context: IngestContext
    electrodes: str
    types: dict[Path, Types] = field(default_factory=dict)
    layout: list[Item] = field(default_factory=list)
    weights: dict[Path, str] = field(default_factory=dict)

    def name_weights(self, files: Sequence[Named]) -> None:
        """Give each file of electrodes a name: its own without suffix or, where others have that too, with its folders."""
        own = [named for named in files if named.kind == "electrodes"]
        stems = Counter(folded(named.path.stem) for named in own)
        taken: set[str] = set()
        for named in own:
            stem = _legible(named.path.stem)
            name = stem if stems[folded(stem)] == 1 else self._with_folders(named, taken)
            taken.add(folded(name))
            self.weights[named.path] = name
            if name != stem:
                self.context.notices.append(
                    f"{named.path}: it is called {name!r} in the lake, because other files of electrodes are called {stem!r}"
                )

    def _with_folders(self, named: Named, taken: Collection[str]) -> str:
        name = "-".join(PurePosixPath(self.relative(named)).with_suffix("").parts)
        numbered = (f"{name}-{number}" for number in count(2))
        return next(each for each in chain([name], numbered) if folded(each) not in taken)

    def table(self, kind: TableKind) -> str:
        """Return the name of a table that describes the ingest."""
        return kind.of(circuit=self.name)

    def relative(self, named: Named) -> str:
        """How the lake calls a file."""
        return _legible(named.path.relative_to(self.root).as_posix())

    def new(self, files: Sequence[Named], report: Ingested) -> list[tuple[Named, dict[str, Any]]]:
        """Files that the lake does not have under this name, with what the table of files says of them."""
        known = self.transaction.table(self.table(circuits.FILES))
        rows = [] if known is None else known.to_arrow().to_pylist()
        have = {(row["digest"], Path(row["path"]).name) for row in rows}
        digests = {row["path"]: row["digest"] for row in rows}
        for node, draft in self.transaction.drafts.items():
            if node.startswith(f"{circuits.NODES.folder}{self.name}/"):
                attributes = draft.meta["attributes"]
                self.context.sizes[attributes["population"]] = attributes["size"]
        found = []
        for named in files:
            row = _row(named, self.relative(named))
            if (row["digest"], named.path.name) in have:
                report.unchanged.append(row["path"])
            elif row["path"] in digests:
                raise IngestError(
                    f"it changed since it was ingested as {self.name!r}; choose another --name", named.path
                )
            else:
                found.append((named, row))
        return found

    def node(self, name: str, path: Path) -> str:
        """*name* itself, if it is free.

        Raises
        ------
        IngestError
            It is not.
        """
        if name in self.transaction.drafts:
            raise IngestError(f"the lake has a node {name!r} with other content; choose another --name", path)
        return name


def _row(named: Named, relative: str) -> dict[str, Any]:
    try:
        size, digest = named.path.stat().st_size, digest_of_file(named.path)
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", named.path) from error
    return {"path": relative, "kind": named.kind, "size": size, "digest": digest, "node": None}


def _ingest_all(
    run: _Run,
    new: Sequence[tuple[Named, dict[str, Any]]],
    report: Ingested,
    progress: Progress | None,
) -> None:
    total, rows = sum(row["size"] for _, row in new), []
    for named, row in new:
        before, kept = set(run.transaction.drafts), len(run.layout)
        run.context.advance = _advance(report.source_bytes, row["size"], total, progress)
        try:
            row["node"] = _ingest(run, named)
        except IngestError as error:
            if not run.context.skip:
                raise
            report.failures.append((row["path"], error))
            for node in set(run.transaction.drafts) - before:
                run.transaction.delete(node)
            del run.layout[kept:]
            continue
        rows.append(row)
        report.added.append(row["path"])
        report.source_bytes += row["size"]
        run.context.advance(row["size"])
    if rows:
        kind = circuits.FILES
        files = pa.Table.from_pylist(rows, kind.schema)
        run.transaction.append_table(run.table(kind), files, doc=kind.doc)
        layout = layout_table(run.layout)
        run.transaction.append_table(run.table(circuits.LAYOUT), layout, doc=circuits.LAYOUT.doc)


def _advance(done: int, size: int, total: int, progress: Progress | None) -> Callable[[int], None]:
    read = 0

    def advance(amount: int) -> None:
        nonlocal read
        # What is in a file may be larger than the file: it is compressed.
        read = min(read + amount, size)
        if progress is not None:
            progress(done + read, total)

    return advance


def _ingest(run: _Run, named: Named) -> str | None:
    """Ingest a file; the node that holds it as it is, unless it is of HDF5."""
    if named.path.suffix in SUFFIXES:
        with opened(named.path) as source:
            _ingest_hdf5(run, named, source)
            run.layout += source.layout(run.relative(named))
        return None
    node = run.node(circuits.SOURCE_FILE.of(circuit=run.name, path=run.relative(named)), named.path)
    if named.kind == "node_sets":
        read_json(named.path)
    if named.kind == "compartment_sets":
        made = run.node(circuits.COMPARTMENT_SETS.of(circuit=run.name), named.path)
        ingest_compartment_sets(named.path, made, run.context)
    run.transaction.put_file(node, named.path)
    return node


def _ingest_hdf5(run: _Run, named: Named, source: HDF5File) -> None:
    found = [group for group in ("nodes", "edges", "spikes", "report", "electrodes") if group in source.file]
    wanted = GROUPS.get(named.kind, named.kind)
    if wanted not in (*found, "hdf5") or not found:
        what = "nodes, edges, spikes, report or electrodes" if named.kind == "hdf5" else wanted
        raise source.error("/", f"there is no group {what}")
    missing = [name for name in named.populations if name not in source.file[wanted]]
    if missing:
        raise IngestError(f"{named.key}: {named.path} has no population {missing[0]!r}", named.config or "")
    types = _types(run, named)
    for group in found:
        for population, part in _populations(source, group, run.context):
            node = run.node(_node(run, named, group, population), named.path)
            if group == "nodes":
                ingest_nodes(source, part, node, run.context, types)
            elif group == "edges":
                ingest_edges(source, part, node, run.context, types)
            elif group == "spikes":
                ingest_spikes(source, part, node, run.context, population)
            elif group == "report":
                weights = None if named.weights is None else run.weights.get(named.weights)
                ingest_report(source, part, node, run.context, named.settings, weights)
            else:
                ingest_weights(source, population, node, run.context, run.electrodes)
    if lost := source.unclaimed(set(found) - {"electrodes"}):
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        run.context.notices.append(
            f"{named.path}: no table or array was made of {', '.join(lost[:5])}{more}; they are kept for export only"
        )


def _populations(source: HDF5File, group: str, context: IngestContext) -> Iterator[tuple[str, Any]]:
    whole = source.file[group]
    if group == "spikes" and "timestamps" in whole:
        # Before SONATA had populations of spikes: they belong to the circuit's only one, or to an unknown one.
        (population,) = context.sizes if len(context.sizes) == 1 else ("unknown",)
        yield population, whole
        return
    for name, part in source.groups(group).items():
        # Electrodes stand beside the weights of populations.
        if group != "electrodes" or "scaling_factors" in part:
            yield name, part


def _types(run: _Run, named: Named) -> Types | None:
    if named.types is None:
        return None
    if named.types not in run.types:
        run.types[named.types] = read_types(named.types, f"{named.kind[:-1]}_type_id")
    return run.types[named.types]


def _node(run: _Run, named: Named, group: str, population: str) -> str:
    """The name of the node that a population of a file becomes."""
    kind: Kind = {
        "nodes": circuits.NODES,
        "edges": circuits.EDGES,
        "spikes": circuits.INPUTS if named.kind == "inputs" else circuits.SPIKES,
        "report": report_kinds.REPORT,
    }.get(group, report_kinds.WEIGHTS)
    stem = named.path.stem
    return kind.of(
        circuit=run.name,
        population=population,
        input=named.name,
        report=named.name or stem,
        file=run.weights.get(named.path, stem),
    )
