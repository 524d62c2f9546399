"""Ingest of ArchNGV: a circuit of neurons, glia and vessels becomes one commit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...catalog.vocabulary import glia
from ...lake import Lake, Transaction
from ...lake.digest import digest_of_file
from ...lake.errors import IngestError, InputError
from ...lake.history.log import MAIN
from ...lake.names import listed
from ..circuits.registry import put_circuit
from ..hdf5.layout import Item, layout_table
from ..hdf5.reading import SUFFIXES, IngestContext, opened
from ..source import Ingested, OnError, Progress
from ..spatial.obj import read_obj
from ..text.included import Configuration
from .atlas import ingest_regions, ingest_volume
from .found import LARGEST_FILE, Finds, Found, found_in
from .grouped import ingest_domains, ingest_endfeet, put_scales
from .morphologies import ingest_shapes
from .parts import put_mesh, put_touches
from .populations import Populations
from .registry import put_parts
from .vessels import ingest_graph, ingest_sections, ingest_vtk

REGULAR = "astrocytes.regular"
"""Domains before they were enlarged, which version 1 has in a file of their own."""


def ingest_ngv(
    lake: Lake,
    source: str | Path | Sequence[str | Path],
    *,
    name: str | None = None,
    neurons: str | None = None,
    on_error: OnError = "stop",
    branch: str = MAIN,
    message: str | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring a circuit of neurons, glia and vessels into a lake, in one commit.

    Files that the lake has under that name are recognised by their digests and left alone, so running it again does nothing,
    and further files of the same circuit add to it. What becomes of what is in docs/ngv.md.

    Parameters
    ----------
    lake
        The lake to ingest into.
    source
        ``ngv_config.json``, a folder of a build or of inputs, a file of it, or several of these together.
    name
        What the circuit is called in the names of nodes; by default the folder.
    neurons
        Circuit of the lake that has the neurons and the synapses between them, whose files are then left alone.
    on_error
        ``"stop"``: the first thing that is missing or malformed ends the ingest and nothing is stored. ``"skip"``: such files are
        left out and told.
    branch, message
        The branch to commit to, and the commit's message.
    progress
        Called with bytes done and bytes in all.

    Raises
    ------
    IngestError
        A file is missing, damaged or malformed, or says something else than another or than the lake; names the file, and the
        dataset, line or key.
    InputError
        An option is unknown, or h5py is not installed.
    NotFoundError
        The lake has no circuit *neurons*.
    ConflictError
        Another ingest of that name committed meanwhile.
    """
    began = time.perf_counter()
    if on_error not in ("stop", "skip"):
        raise InputError("on_error is 'stop' or 'skip'")
    paths = _paths(source)
    report = Ingested("ngv", lake.url, name or _name(paths))
    transaction = lake.transaction(message or f"Ingest a circuit of glia as {report.name}", branch=branch)
    finds = found_in(paths, neurons=neurons is not None)
    run = _Run(report, transaction, finds, on_error == "skip", neurons, progress)
    before = set(transaction.drafts)
    run.take()
    report.nodes = sorted(set(transaction.drafts) - before)
    notes = {"format": "ngv", "source": [str(path) for path in paths], "name": report.name}
    transaction.notes["ingest"] = {**notes, "files": len(report.added)}
    return report.finish(transaction.commit() if report.added else None, began)


def _paths(source: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [source] if isinstance(source, str | Path) else list(source)
    if not given:
        raise InputError("give at least one path")
    return list(dict.fromkeys(Path(each).expanduser().resolve() for each in given))


def _name(paths: Sequence[Path]) -> str:
    first = paths[0]
    folder = first if first.is_dir() else first.parent
    return folder.parent.name if folder.name == "build" else folder.name


@dataclass
class _Run:
    """An ingest under way."""

    report: Ingested
    transaction: Transaction
    finds: Finds
    skip: bool
    neurons: str | None
    progress: Progress | None
    items: list[Item] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    layouts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.report.name
        # Circuits that ArchNGV itself is tested with have such edges.
        self.context = IngestContext(
            self.transaction, self.skip, lambda read: None, notices=self.report.notices, strays=True
        )
        self.populations = Populations(self.context, self.name, self.neurons)
        self.files, self.layout = (kind.of(circuit=self.name) for kind in (glia.NGV_FILES, glia.NGV_LAYOUT))
        self.transaction.depends_on(self.files, self.layout)
        known = self.transaction.table(self.files)
        self.known = [] if known is None else known.to_arrow().to_pylist()
        laid = self.transaction.table(self.layout)
        self.templates = (
            0
            if laid is None
            else len({path for path in laid.to_arrow(["file"])["file"].to_pylist() if path.startswith("@")})
        )

    def take(self) -> None:
        """Write everything that is new, and the tables that say what was ingested."""
        self._tell_missing()
        new = self._new()
        total = sum(row["size"] for _, row in new)
        shapes = [(one, row) for one, row in new if one.kind == "morphology"]
        for one, row in new:
            if one.kind == "morphology":
                continue
            before, kept = set(self.transaction.drafts), len(self.items)
            try:
                row["node"] = self._ingest(one, row["path"])
            except IngestError as error:
                if not self.skip:
                    raise
                self.report.failures.append((row["path"], error))
                for node in set(self.transaction.drafts) - before:
                    self.transaction.delete(node)
                del self.items[kept:]
                continue
            self._added(row, total)
        if shapes:
            self._shapes(shapes, total)
        self._check_touches()
        if not self.rows:
            return
        kinds = glia.NGV_FILES, glia.NGV_LAYOUT
        self.transaction.append_table(
            self.files, pa.Table.from_pylist(self.rows, kinds[0].schema), doc=kinds[0].doc
        )
        self.transaction.append_table(self.layout, layout_table(self.items), doc=kinds[1].doc)
        put_parts(self.transaction, self.name, self.neurons)
        configuration = next(
            (row["node"] for row in [*self.known, *self.rows] if row["kind"] == "config"), None
        )
        put_circuit(self.transaction, self.name, "ngv", configuration=configuration)

    # Which files

    def _tell_missing(self) -> None:
        elsewhere = [error for key, error in self.finds.missing if not key]
        if elsewhere:
            self.report.notices.append(
                f"{elsewhere[0]}"
                + (f", and so are {len(elsewhere) - 1} more" if len(elsewhere) > 1 else "")
                + "; what the folder has was taken"
            )
        for key, error in self.finds.missing:
            if key and not self.skip:
                raise IngestError(
                    f"{error.reason}; on_error='skip' leaves it out, and neurons= names a circuit of the lake that has the neurons",
                    error.path,
                )
            if key:
                self.report.failures.append((key, error))
        if self.finds.left:
            left = listed((path.relative_to(self.finds.root) for path in self.finds.left), most=5)
            self.report.notices.append(f"of no kind that is known, left out: {left}")

    def _new(self) -> list[tuple[Found, dict[str, Any]]]:
        have = {(row["path"], row["digest"]) for row in self.known}
        digests = {row["digest"]: row["path"] for row in self.known}
        paths = {row["path"] for row in self.known}
        found = []
        for one in self.finds.files:
            name = _legible(one.path.relative_to(self.finds.root).as_posix())
            try:
                row = {
                    "path": name,
                    "kind": one.kind,
                    "size": one.path.stat().st_size,
                    "digest": digest_of_file(one.path),
                }
            except OSError as error:
                raise IngestError(f"cannot be read: {error.strerror}", one.path) from error
            row |= {"node": None, "layout": None}
            same = digests.get(row["digest"])
            if (name, row["digest"]) in have or (
                same is not None and Path(same).name == one.path.name and row["size"]
            ):
                self.report.unchanged.append(name)
            elif name in paths:
                if row["size"]:
                    raise IngestError(
                        f"it is other than the file {name!r} of {self.name!r}; choose another --name",
                        one.path,
                    )
                self.report.unchanged.append(name)
            else:
                found.append((one, row))
        return found

    def _added(self, row: dict[str, Any], total: int) -> None:
        self.rows.append(row)
        self.report.added.append(row["path"])
        self.report.source_bytes += row["size"]
        if self.progress is not None:
            self.progress(self.report.source_bytes, total)

    # One after another

    def _ingest(self, one: Found, name: str) -> str | None:
        """Ingest a file; the node that holds it as it is, or as its values, unless it is of HDF5."""
        if one.path.suffix.lower() in SUFFIXES:
            self._hdf5(one, name)
            return None
        take: Callable[[Found, str], str | None] = {
            "atlas": lambda one, name: ingest_volume(one.path, self.name, self.transaction),
            "mesh": self._mesh,
            "vtk": self._vtk,
            "touches": lambda one, name: put_touches(one.path, self.name, self.transaction),
            "touches_data": lambda one, name: None,
        }.get(one.kind, self._file)
        return take(one, name)

    def _hdf5(self, one: Found, name: str) -> None:
        with opened(one.path) as source:
            source.check_contents()
            if one.kind in ("nodes", "edges", "neurons"):
                self.populations.take(source, one)
            elif one.kind == "domains":
                regular = "domains" in one.path.name and self._has_overlapping(one)
                size = self.context.sizes.get("astrocytes")
                population = REGULAR if regular else "astrocytes"
                self._free(one, glia.DOMAINS.of(circuit=self.name, population=population))
                ingest_domains(source, self.name, population, self.transaction, size)
                put_scales(self.transaction, self.name, REGULAR, "astrocytes")
            elif one.kind == "endfeet":
                self._free(one, glia.ENDFEET.of(circuit=self.name))
                ingest_endfeet(source, self.name, self.transaction, self.populations.endfeet())
            elif one.kind == "vessel_sections":
                ingest_sections(source, self.name, self.context)
            elif one.kind == "vessel_graph":
                ingest_graph(source, self.name, self.context)
            else:
                self.populations.placement(source)
            self._tell_kept(source)
            self.items += source.layout(name)

    def _has_overlapping(self, one: Found) -> bool:
        """Whether a file of domains is that of version 1 before they were enlarged: another holds them after."""
        beside = {other.path for other in self.finds.files if other.kind == "domains"}
        return (
            "overlapping" not in one.path.name
            and one.path.with_name(f"overlapping_{one.path.name}") in beside
        )

    def _free(self, one: Found, node: str) -> None:
        if node in self.transaction.drafts:
            raise IngestError(
                f"the lake has a node {node!r} already, of another file; choose another --name", one.path
            )

    def _tell_kept(self, source: Any) -> None:
        lost = source.unclaimed(source.file)
        lost = [path for path in lost if "/@library/" not in path]
        if lost:
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            self.report.notices.append(
                f"{source.path}: no table or array was made of {', '.join(lost[:5])}{more}; they are kept for export only"
            )

    def _file(self, one: Found, name: str) -> str:
        size = one.path.stat().st_size
        if size > LARGEST_FILE:
            raise IngestError(
                f"{size:,} bytes, files that are kept as they are have {LARGEST_FILE:,} at most", one.path
            )
        if one.path.suffix.lower() in (".yaml", ".yml"):
            Configuration.read(one.path)
        if one.kind == "hierarchy":
            ingest_regions(one.path, self.name, self.transaction)
        node = glia.NGV_FILE.of(circuit=self.name, path=name)
        self._free(one, node)
        self.transaction.put_file(node, one.path)
        return node

    def _mesh(self, one: Found, name: str) -> str:
        node = glia.MESHES.of(circuit=self.name, mesh="vessels")
        self._free(one, node)
        points, triangles, notices = read_obj(one.path)
        self.report.notices += notices
        put_mesh(self.transaction, self.name, "vessels", points, triangles)
        return node

    def _vtk(self, one: Found, name: str) -> str:
        ingest_vtk(one.path, self.name, self.context)
        return self._file(one, name)

    def _check_touches(self) -> None:
        """Raise `IngestError` if there are records of touches without the file of their cells."""
        names = {row["path"] for row in [*self.known, *self.rows]}
        for row in self.rows:
            if row["kind"] == "touches_data":
                path = Path(row["path"])
                if (
                    str(path.with_name(path.name.replace("touchesData", "touches", 1))) not in names
                    and not self.skip
                ):
                    raise IngestError(
                        "the file of the cells, touches.N, is not beside it", self.finds.root / path
                    )

    def _shapes(self, shapes: Sequence[tuple[Found, dict[str, Any]]], total: int) -> None:
        rows = {one.path: row for one, row in shapes}
        good = list(rows)
        layouts = ingest_shapes(
            self.transaction, self.name, good, lambda path: self._added(rows[path], total), self._unfit(rows)
        )
        # Files that are laid out alike have the same items.
        names: dict[int, str] = {}
        for path, items in layouts:
            if id(items) not in names:
                key = repr(items)
                if key not in self.layouts:
                    self.layouts[key] = f"@{self.templates + len(self.layouts)}"
                    self.items += [replace(item, file=self.layouts[key]) for item in items]
                names[id(items)] = self.layouts[key]
            rows[path]["layout"] = names[id(items)]

    def _unfit(self, rows: dict[Path, dict[str, Any]]) -> Callable[[Path, IngestError], None]:
        def unfit(path: Path, error: IngestError) -> None:
            if not self.skip:
                raise error
            self.report.failures.append((rows[path]["path"], error))

        return unfit


def _legible(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()
