"""What files of a circuit are: told by their content, since layouts of ArchNGV have had several names."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...lake.errors import IngestError
from ..hdf5.reading import SUFFIXES, opened
from ..sonata.config import any_json, has_glia
from ..spatial.nrrd import MAGIC as NRRD
from ..spatial.vtk import MAGIC as VTK
from .config import NGVConfig, build_files, missing

LARGEST_FILE = 64 * 2**20
MORPHOLOGIES, DONE = "morphologies", "_DONE"
_TEXT = (".json", ".yaml", ".yml", ".xml", ".mtl", ".geo", ".txt")
_LAYOUTS: tuple[tuple[str, frozenset[str]], ...] = (
    ("vessel_sections", frozenset({"points", "structure", "connectivity"})),
    ("morphology", frozenset({"points", "structure"})),
    ("vessel_graph", frozenset({"points", "edges"})),
    ("placement", frozenset({"positions", "radii"})),
    ("endfeet", frozenset({"attributes", "objects"})),
    ("nodes", frozenset({"nodes"})),
    ("edges", frozenset({"edges"})),
)
# What others refer to comes before them: cells before what is of them, final files before intermediate ones.
ORDER = (
    "config",
    "file",
    "hierarchy",
    "atlas",
    "neurons",
    "nodes",
    "vessel_sections",
    "vessel_graph",
    "vtk",
    "placement",
    "edges",
    "domains",
    "endfeet",
    "mesh",
    "touches",
    "touches_data",
    "morphology",
)


@dataclass(frozen=True)
class Found:
    """A file of a circuit.

    Attributes
    ----------
    kind
        What it is, one of `ORDER`.
    path
        Where it is.
    """

    kind: str
    path: Path

    @property
    def intermediate(self) -> bool:
        """Whether a step of construction wrote it for the next."""
        return any(part.endswith(".tmp") for part in self.path.parts)


@dataclass
class Finds:
    """Files of a circuit.

    Attributes
    ----------
    files
        The files, in the order in which they are ingested.
    root
        The folder that has all of them.
    missing
        What a configuration names and is not there, with the errors.
    left
        Files that are of no kind.
    """

    files: list[Found] = field(default_factory=list)
    root: Path = Path()
    missing: list[tuple[str, IngestError]] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)


def found_in(paths: Sequence[Path], *, neurons: bool) -> Finds:
    """Return the files of a circuit in some folders, configurations and files.

    Parameters
    ----------
    paths
        Where to look.
    neurons
        Whether the lake has the neurons, so that their files need not be there.

    Raises
    ------
    IngestError
        A path is missing, or a file cannot be read.
    """
    finds, kinds = Finds(), dict[Path, str]()
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                kind = kind_of_file(file)
                if kind is None:
                    finds.left.append(file)
                else:
                    kinds.setdefault(file, kind)
                if kind == "config":
                    _add_named(file, kinds, finds, neurons, strict=False)
        elif not path.is_file():
            raise IngestError("there is no such file or folder", path)
        elif (kind := kind_of_file(path)) is None:
            raise IngestError("it is no file of a circuit of neurons, glia and vessels", path)
        else:
            kinds.setdefault(path, kind)
            if kind == "config":
                _add_named(path, kinds, finds, neurons, strict=True)
                for file in build_files(path.parent):
                    kinds.setdefault(file, kind_of_file(file) or "file")
    rank = {kind: at for at, kind in enumerate(ORDER)}
    every = [Found(kind, path) for path, kind in kinds.items()]
    finds.files = sorted(every, key=lambda one: (rank[one.kind], one.intermediate, str(one.path)))
    folders = [path if path.is_dir() else path.parent for path in paths]
    finds.root = Path(os.path.commonpath([*folders, *(one.path.parent for one in every)]))
    return finds


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _add_named(path: Path, kinds: dict[Path, str], finds: Finds, neurons: bool, *, strict: bool) -> None:
    """Add what a configuration names; *strict* if it is what was asked for, and not the folder that it is in."""
    for named in NGVConfig(path).files():
        if named.kind == "neurons" and neurons:
            continue
        error = missing(named)
        if error is not None:
            finds.missing.append((f"{path.name}: {named.key}" if strict else "", error))
        elif named.kind == MORPHOLOGIES:
            for file in sorted(named.path.glob("*.h5")):
                kinds[file] = "morphology"
            if (named.path / DONE).is_file():
                kinds[named.path / DONE] = "file"
        else:
            kind = {"vessels": "", "types": "file"}.get(named.kind, named.kind)
            kinds[named.path] = kind or kind_of_file(named.path) or "file"


def kind_of_file(path: Path) -> str | None:
    """Return what a file is by its content, one of `ORDER`; None if it is of no kind.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    IngestError
        It cannot be read.
    """
    name, suffix = path.name, path.suffix.lower()
    for said, kind in (("touchesData.", "touches_data"), ("touches.", "touches")):
        if name.startswith(said) and name.removeprefix(said).isdecimal():
            return kind
    if suffix in SUFFIXES:
        return "morphology" if path.parent.name == MORPHOLOGIES else kind_of_hdf5(path)
    if suffix == ".json":
        content = any_json(path)
        if isinstance(content, dict) and has_glia(content):
            return "config"
        return "hierarchy" if _is_hierarchy(content) else "file"
    if suffix in (".nrrd", ".vtk"):
        begins = NRRD if suffix == ".nrrd" else VTK
        if not _head(path).startswith(begins):
            raise IngestError(
                f"it does not begin with {begins.decode()!r}, as its name says that it does", path
            )
        return "atlas" if suffix == ".nrrd" else "vtk"
    if suffix == ".obj":
        return "mesh"
    return "file" if suffix in _TEXT or name in (DONE, "_SUCCESS") else None


def _is_hierarchy(content: object) -> bool:
    tree = (
        content["msg"][0]
        if isinstance(content, dict) and isinstance(content.get("msg"), list) and content["msg"]
        else content
    )
    return isinstance(tree, dict) and {"id", "acronym"} <= tree.keys()


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise IngestError(f"cannot be read: {error.strerror}", path) from error


def kind_of_hdf5(path: Path) -> str | None:
    """Return what an HDF5 file is by what stands at its root, one of `ORDER`; None if it is of no kind.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    IngestError
        HDF5 cannot read it.
    """
    with opened(path) as source:
        root = source.file
        names = frozenset(root)
        if {"data", "offsets"} <= names:
            data = root["data"]
            if "triangle_data" in data:
                return "domains"
            return "endfeet" if "triangles" in data else None
        return next((kind for kind, needed in _LAYOUTS if needed <= names), None)


Advance = Callable[[Path], None]
"""Called with the path of each file that was read."""
