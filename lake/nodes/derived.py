"""Derived results as a snapshot holds them: what they were made of, and whether that still holds.

A result stands at ``derived/<kernel>/<key>``; several that came together stand below, and coordinates beside. Where
results have names of their own, as what a circuit is built of has, each node says which part of the result it is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..digest import Digest, canonical_json, digest_of
from ..errors import MalformedError
from ..names import listed
from .content import DERIVED, attributes, content
from .node import Node, Tree
from .shown import About, Shown

_RESULT = re.compile(r"(?P<result>derived/[^/]+/[0-9a-f]{32})(?:[./].*)?")
_DIGITS = 32

Arguments = str | Sequence[str] | Mapping[str, str]
"""Inputs of a kernel as they are named: one node, several in order, or nodes by argument."""


@dataclass(frozen=True)
class Origin:
    """How a result was made, as its node says in the attribute ``derived``.

    Parameters
    ----------
    kernel, version, code
        Of the function; either a version or a digest of its code.
    function
        ``module:qualified.name`` of it.
    whole
        Whether it was given one snapshot instead of each input.
    arguments
        Names of the inputs, as they were given.
    inputs
        Content of the inputs by node name.
    params
        Its parameters, as `plain.plain` writes them.
    commit
        Id of the commit that the inputs were read from; empty where they were committed together with the result.
    replaces
        Results that this one took the place of, where others still name them as inputs.
    part
        Which part of the result the node is; only of nodes that have a name of their own.
    """

    kernel: str
    version: str | None
    code: str | None
    function: str
    whole: bool
    arguments: Arguments
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    commit: str
    replaces: Sequence[str] = ()
    part: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of the attribute."""
        return {name: value for name, value in vars(self).items() if value not in (None, (), [])}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Origin":
        """Return the origin of JSON from `to_json`, checked.

        Parameters
        ----------
        value
            JSON of the attribute.

        Raises
        ------
        ValueError, KeyError, TypeError
            It is not such an attribute.
        """
        fields = {"version": None, "code": None, **{name: value[name] for name in value}}
        made = cls(**fields)
        texts = [made.kernel, made.function, made.commit, *made.named.values(), *made.inputs]
        texts += [*made.inputs.values(), *made.replaces, made.version or "", made.code or "", made.part or ""]
        if not all(isinstance(text, str) for text in texts) or not isinstance(made.params, dict):
            raise TypeError("names and digests are text, parameters an object")
        if not made.inputs.keys() >= set(made.named.values()) or type(made.whole) is not bool:
            raise ValueError("arguments are names of inputs")
        return made

    @property
    def identity(self) -> dict[str, str]:
        """Name and version, or code, of the kernel."""
        known = {"kernel": self.kernel, "version": self.version, "code": self.code}
        return {key: value for key, value in known.items() if value is not None}

    @property
    def named(self) -> dict[str, str]:
        """Names of the inputs by argument."""
        return named(self.arguments, self.whole)

    @property
    def key(self) -> Digest:
        """Digest of all that decides the result."""
        of = {argument: self.inputs[name] for argument, name in self.named.items()}
        return digest_of(canonical_json([self.identity, self.whole, of, self.params]))

    @property
    def result(self) -> str:
        """Name of the node that holds the result, unless it has a name of its own: its kernel and key."""
        return f"{DERIVED}/{self.kernel}/{self.key[:_DIGITS]}"


def named(arguments: Arguments, whole: bool) -> dict[str, str]:
    """Return the names of inputs by argument.

    Parameters
    ----------
    arguments
        Names of the inputs, alone, in a list or by argument.
    whole
        Whether the kernel takes one snapshot of all inputs.
    """
    if isinstance(arguments, Mapping):
        return dict(arguments)
    listed = [arguments] if isinstance(arguments, str) else list(arguments)
    return {name if whole else str(at): name for at, name in enumerate(listed)}


@dataclass(frozen=True, repr=False)
class Derived(Shown):
    """One derived result of a snapshot.

    Parameters
    ----------
    name
        Of the node that holds it.
    origin
        How it was made.
    moved
        Inputs whose content is no longer what it was made of: changed, gone, or stale themselves.
    """

    name: str
    origin: Origin
    moved: tuple[str, ...] = ()

    def _about(self) -> About:
        state = f"stale, for {listed(self.moved)} changed" if self.moved else "up to date"
        facts = {"kernel": f"{self.kernel} {self.version or 'by its code'}", "inputs": listed(self.inputs)}
        return About(f"<Derived {self.name!r}: {state}>", {**facts, **self.params})

    @property
    def stale(self) -> bool:
        """Whether it would come out anew from the inputs as they are now."""
        return bool(self.moved)

    @property
    def kernel(self) -> str:
        """Name of the kernel."""
        return self.origin.kernel

    @property
    def version(self) -> str | None:
        """Version of the kernel; None where its code identifies it."""
        return self.origin.version

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters, as JSON."""
        return self.origin.params

    @property
    def inputs(self) -> Mapping[str, str]:
        """Digests of the inputs' content by node name."""
        return self.origin.inputs


def result_of(name: str) -> str | None:
    """Return the name of the derived result that a node belongs to; None if it belongs to none.

    Parameters
    ----------
    name
        Name of the node.
    """
    match = _RESULT.fullmatch(name)
    return None if match is None else match["result"]


def is_part(node: Node) -> bool:
    """Return whether a node is part of a result and has a name of its own.

    Parameters
    ----------
    node
        The node.
    """
    said = attributes(node).get(DERIVED)
    # An attribute of a user may have this name, too.
    return isinstance(said, dict) and isinstance(said.get("part"), str)


def _holder(name: str) -> str:
    """The node that says how a node was made, if any does."""
    return result_of(name) or name


def origin(tree: Mapping[str, Node], name: str) -> Origin | None:
    """Return how the result that a node belongs to was made; None if it is not a derived result.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.
    name
        Name of the node.

    Raises
    ------
    MalformedError
        What it says of that is malformed.
    """
    result = _holder(name)
    node = tree.get(result)
    if node is None or not (result_of(name) or is_part(node)):
        return None
    value = attributes(node).get(DERIVED)
    if value is None:
        return None
    try:
        return Origin.from_json(value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedError(f"{result}: what it says of its origin cannot be read: {error!r}") from error


def derived(tree: Tree) -> list[Derived]:
    """List all derived results of a tree, each after its inputs.

    Parameters
    ----------
    tree
        Nodes of a snapshot, by name.

    Raises
    ------
    MalformedError
        What one says of its origin is malformed.
    """
    names = [name for name in sorted(tree) if result_of(name) == name or is_part(tree[name])]
    origins = {name: origin(tree, name) for name in names}
    found: dict[str, Derived] = {}
    waiting = {name: made for name, made in origins.items() if made is not None}
    contents: dict[str, Digest | None] = {}

    def _moved(part: str, digest: str) -> bool:
        if part not in contents:
            contents[part] = content(tree, part) if part in tree else None
        before = found.get(_holder(part))
        return contents[part] != digest or (before is not None and before.stale)

    for name in _after_inputs(waiting):
        made = waiting[name]
        moved = [part for part, digest in made.inputs.items() if _moved(part, digest)]
        found[name] = Derived(name, made, tuple(moved))
    return list(found.values())


def _after_inputs(origins: Mapping[str, Origin]) -> Iterator[str]:
    """Names of results, each after those that it was made of; chains may be of any length."""
    begun: set[str] = set()
    for first in origins:
        path = [] if first in begun else [(first, iter(origins[first].inputs))]
        begun.add(first)
        while path:
            # Only a forged record could lead back to itself; then it is listed in some order.
            before = next((r for r in map(_holder, path[-1][1]) if r in origins and r not in begun), None)
            if before is None:
                yield path.pop()[0]
            else:
                begun.add(before)
                path.append((before, iter(origins[before].inputs)))
