"""Names that would mean two things: one rule, for every way in which a node gets into a lake.

Below an array, Zarr reads chunks and metadata by their keys, so no node may have a name that is one. Every folder above
an array is a group, whose metadata Zarr reads there. SQL does not tell letters by case, so no two tables may differ by case alone. Lakes from before this rule may hold such names: they
stay readable, each node by its own name, and `verify` tells of them.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import NodeNameError
from ..names import METADATA, ROOT
from .node import Kind, Node

# Keys below an array: of its chunks, in each encoding of the Zarr specification, and of its metadata.
_KEY = re.compile(r"c(\..*)?|[0-9.]+|zarr\.json|\.zarray|\.zattrs|\.zgroup")


def check_names(tree: Mapping[str, Node], before: Mapping[str, Node]) -> None:
    """Refuse a tree that has names which mean two things, unless they did before.

    Parameters
    ----------
    tree
        What a commit, merge or push is about to make of a branch.
    before
        What the branch holds.

    Raises
    ------
    NodeNameError
        Naming both nodes and what to do.
    """
    # Every commit comes here, and most make no node: those that stay are told by themselves.
    new = [
        (name, node.kind)
        for name, node in tree.items()
        if (old := before.get(name)) is not node and (old is None or old.kind != node.kind)
    ]
    if not new:
        return
    kinds, known = _kinds(tree), _kinds(before)
    for concerned, rule in _RULES:
        if any(concerned(name, kind) for name, kind in new) and (
            told := rule(kinds).keys() - rule(known).keys()
        ):
            raise NodeNameError(rule(kinds)[min(told)])


def check_place(name: str, kind_of: Mapping[str, Kind] | Mapping[str, Node]) -> None:
    """Refuse the name of a new node that is a key of an array above it.

    Parameters
    ----------
    name
        Name of the new node.
    kind_of
        Kinds or nodes by name, of all nodes that exist.

    Raises
    ------
    NodeNameError
        Naming both.
    """
    if _looks_like_key(name):
        parts = name.split("/")
        for length in range(len(parts)):
            above = "/".join(parts[:length]) or ROOT
            node = kind_of.get(above)
            if (node.kind if isinstance(node, Node) else node) == "array" and _KEY.fullmatch(parts[length]):
                raise NodeNameError(_told_below(name, above))


def check_file(name: str, content: bytes) -> None:
    """Refuse a file that has the name of Zarr's metadata and is none.

    Zarr reads it whenever it lists the folder above.

    Parameters
    ----------
    name
        Name of the file's node.
    content
        Bytes of the file.

    Raises
    ------
    NodeNameError
        Naming it.
    """
    if not _is_metadata(name):
        return
    try:
        described = json.loads(content)
    except (ValueError, RecursionError):
        described = None
    if not isinstance(described, dict) or described.get("node_type") not in ("array", "group"):
        raise NodeNameError(
            f"{name!r}: Zarr reads files of that name as metadata, which this is not: choose another name"
        )


def collisions(tree: Mapping[str, Node]) -> list[str]:
    """Describe what `check_names` would refuse if all nodes of a tree were new.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    """
    kinds = _kinds(tree)
    return sorted(told for _, rule in _RULES for told in rule(kinds).values())


def folded(name: str) -> str:
    """Return *name* as SQL compares it: without case, in one Unicode form.

    Parameters
    ----------
    name
        Name of the node.
    """
    return unicodedata.normalize("NFC", name).casefold()


def _kinds(tree: Mapping[str, Node]) -> dict[str, Kind]:
    return {name: node.kind for name, node in tree.items()}


def _looks_like_key(name: str) -> bool:
    return any(map(_KEY.fullmatch, name.split("/")))


def _below_arrays(kinds: Mapping[str, Kind]) -> dict[str, str]:
    found = {}
    for name in filter(_looks_like_key, kinds):
        try:
            check_place(name, kinds)
        except NodeNameError as error:
            found[name] = str(error)
    return found


def _metadata(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Arrays and groups that Zarr does not list, and files that it takes for a group's metadata."""
    seen = [name for name, kind in kinds.items() if kind in ("array", "group")]
    found = {
        name: f"{name!r}: {METADATA!r} is where Zarr keeps metadata, so no part of the name of an array or group"
        for name in seen
        if METADATA in name.split("/")
    }
    for name in (name for name, kind in kinds.items() if kind == "file" and _is_metadata(name)):
        inside = next((other for other in seen if f"{other}/".startswith(name.removesuffix(METADATA))), None)
        if inside is not None:
            found[name] = (
                f"file {name!r} stands where Zarr reads the metadata of the group of {inside!r}: choose another name"
            )
    return found


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2] == METADATA


def _by_case(kinds: Mapping[str, Kind]) -> dict[str, str]:
    first: dict[str, str] = {}
    found = {}
    for name in sorted(_tables(kinds)):
        other = first.setdefault(folded(name), name)
        if other != name:
            found[name] = (
                f"tables {other!r} and {name!r} differ by case alone, which SQL cannot tell: rename one of them"
            )
    return found


def _tables(kinds: Mapping[str, Kind]) -> Iterable[str]:
    return (name for name, kind in kinds.items() if kind == "table")


def _told_below(name: str, above: str) -> str:
    array = "the array at the root" if above == ROOT else f"array {above!r}"
    return f"{name!r} is also the name that Zarr gives to a part of {array}: choose another name"


# Which new nodes concern a rule, and what it tells of a whole tree: nodes at fault, and how.
_RULES: Sequence[tuple[Callable[[str, Kind], bool], Callable[[Mapping[str, Kind]], dict[str, str]]]] = (
    (lambda name, kind: kind == "array" or _looks_like_key(name), _below_arrays),
    (lambda name, kind: kind in ("array", "group") or _is_metadata(name), _metadata),
    (lambda _, kind: kind == "table", _by_case),
)
