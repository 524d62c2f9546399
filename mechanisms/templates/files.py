"""Files that templates need, found in the folders and among the contents that a search has."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..cell.morphology import Morphology, read_morphology
from ..cell.swc import parse_swc
from ..errors import ModelError
from ..network.cells import NetworkNode, TreeShape
from ..network.templates import Search
from .dynamics import KEY, dynamics_of

_DEEPEST = 3


def hoc_files(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the files of hoc in some folders and in the folders right below them, by relative paths.

    A file whose relative path an earlier folder has with another content is called by a folder of its own, ``+1/cell.hoc``;
    so all of them fit into one folder, in which the same files are found by the same names.

    Parameters
    ----------
    folders
        The folders, in order.
    """
    found: dict[str, Path] = {}
    for at, folder in enumerate(folders):
        for path in sorted({*folder.glob("*.hoc"), *folder.glob("*/*.hoc")}):
            place = path.relative_to(folder)
            other = found.setdefault(place.as_posix(), path)
            if other is not path and other.read_bytes() != path.read_bytes():
                parent = "" if place.parent == Path() else place.parent.name
                found[f"{parent}+{at}/{place.name}"] = path
    return found


def file_named(name: str, search: Search, suffixes: Sequence[str] = ("",)) -> Path | None:
    """Return the file of a name in one of the folders, or somewhere below one; None if there is none.

    Parameters
    ----------
    name
        The name, without folder.
    search
        The folders, in order.
    suffixes
        What is tried after the name, in order.
    """
    if not name or Path(name).name != name:
        return None
    for folder in search.folders:
        for place in (folder, *_below(folder)):
            for suffix in suffixes:
                path = place / f"{name}{suffix}"
                if path.is_file():
                    search.used[path.name] = path
                    return path
    return None


def _below(folder: Path) -> Iterator[Path]:
    """Folders below one, those nearer to it first, a few levels deep."""
    level = [folder]
    for _ in range(_DEEPEST):
        level = [
            each for parent in level if parent.is_dir() for each in sorted(parent.iterdir()) if each.is_dir()
        ]
        yield from level


def content_named(name: str, search: Search) -> bytes | None:
    """Return the content of a file: that which the search holds, else that in its folders; None if there is none.

    Parameters
    ----------
    name
        The file's name, without folder.
    search
        Where to look.
    """
    if name in search.files:
        return search.files[name]
    path = file_named(name, search)
    return None if path is None else path.read_bytes()


def node_dynamics(node: NetworkNode, search: Search) -> dict[str, Any]:
    """Return the ``dynamics_params`` of a node, of the file that it names and of its own.

    Parameters
    ----------
    node
        The node.
    search
        Where files are.

    Raises
    ------
    ModelError
        The file is not there, or is no JSON object.
    """
    said = node.attributes.get(KEY)
    content = content_named(said, search) if isinstance(said, str) else None
    files = {} if content is None else {str(said): content}
    return dynamics_of(node.attributes, files, f"cell {node.population} {node.node_id}")


def node_morphology(node: NetworkNode, search: Search) -> Morphology:
    """Return the morphology that a node names, as NEURON's Import3d makes sections of it.

    Parameters
    ----------
    node
        A node with the attribute ``morphology``.
    search
        Where files are; a lake's own are among its `files`.

    Raises
    ------
    ModelError
        The node names none, the file is not there, or it cannot be read.
    """
    name = node.attributes.get("morphology")
    if not isinstance(name, str) or not name:
        raise ModelError(f"cell {node.population} {node.node_id} names no morphology")
    for suffix in ("", ".swc"):
        if f"{name}{suffix}" in search.files:
            return parse_swc(search.files[f"{name}{suffix}"].decode("utf-8-sig"), f"{name}{suffix}")
    path = file_named(name, search, ("", ".swc"))
    if path is not None:
        return read_morphology(path)
    if node.shape is not None:
        return parse_swc(swc_text(node.shape), name)
    raise ModelError(
        f"the morphology {name} of cell {node.population} {node.node_id} is neither in the lake nor in a folder that was named"
    )


def swc_text(tree: TreeShape) -> str:
    """Return a tree as SWC; its points must come after their parents.

    Parameters
    ----------
    tree
        The tree.
    """
    columns = (tree.type, tree.x, tree.y, tree.z, tree.diameter / 2, tree.parent)
    return "".join(
        f"{at} {kind} {x!r} {y!r} {z!r} {radius!r} {parent + 1 if parent >= 0 else -1}\n"
        for at, (kind, x, y, z, radius, parent) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True), 1
        )
    )
