"""What belongs to a node, and the identity of its content.

A coordinate ``c`` of an array ``x`` is an array ``x.c`` whose dimensions are among those of ``x``. What is below a
group belongs to it. A derived result says in its attribute ``derived`` how it was made, which is no part of
its content: made elsewhere of the same, it is the same.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..digest import Digest, canonical_json, digest_of
from ..errors import NotFoundError
from .node import Node

DERIVED = "derived"


def coordinates(tree: Mapping[str, Node], name: str) -> dict[str, str]:
    """Return the names of the nodes that hold the coordinates of an array, by coordinate.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    name
        Name of an array.
    """
    node = tree.get(name)
    if node is None or node.kind != "array":
        return {}
    own, start = set(node.meta.get("dimension_names") or ()), f"{name}."
    beside = sorted(other for other in tree if other.startswith(start) and tree[other].kind == "array")
    return {other.removeprefix(start): other for other in beside if own.issuperset(_dimensions(tree[other]))}


def _dimensions(node: Node) -> list[Any]:
    return node.meta.get("dimension_names") or [None] * len(node.meta["shape"])


def parts(tree: Mapping[str, Node], name: str) -> list[str]:
    """Return the names of a node and of all its parts.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    name
        Name of the node.

    Raises
    ------
    NotFoundError
        There is no such node.
    """
    if name not in tree:
        raise NotFoundError(f"there is no node {name!r}")
    if tree[name].kind != "group":
        return [name, *coordinates(tree, name).values()]
    return [name, *sorted(other for other in tree if other.startswith(f"{name}/"))]


def content(tree: Mapping[str, Node], name: str) -> Digest:
    """Return the digest of what a node and all its parts hold, however that came to be.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    name
        Name of the node.

    Raises
    ------
    NotFoundError
        There is no such node.
    """
    found = {part.removeprefix(name): _bare(tree[part]).digest for part in parts(tree, name)}
    return found[""] if len(found) == 1 else digest_of(canonical_json(found))


def attributes(node: Node) -> Mapping[str, Any]:
    """Return the attributes of a node of any kind.

    Parameters
    ----------
    node
        The node.
    """
    found = node.meta if node.kind == "file" else node.meta.get("attributes")
    return found if isinstance(found, dict) else {}


def with_attribute(node: Node, key: str, value: Any) -> Node:
    """Return a node with one attribute set or removed.

    Parameters
    ----------
    node
        The node.
    key
        Name of the attribute.
    value
        Its value, as JSON has it; None removes it.
    """
    made = {name: part for name, part in attributes(node).items() if name != key}
    made |= {} if value is None else {key: value}
    return replace(node, meta=made if node.kind == "file" else {**node.meta, "attributes": made})


def _bare(node: Node) -> Node:
    return with_attribute(node, DERIVED, None) if DERIVED in attributes(node) else node
