"""Deriving: a function of content, computed once and kept under a key of all that decides it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...lake import Transaction
from ...lake.errors import ConflictError, InputError
from ...lake.nodes.content import DERIVED, content, parts, with_attribute
from ...lake.nodes.derived import Arguments, Origin, named, result_of
from ...lake.nodes.derived import origin as origin_in
from ...lake.nodes.node import Node
from ..base import Selection, Snapshot
from ..plain import plain, restored
from .kernels import Kernel, kernel_of, remember
from .results import opened, store

if TYPE_CHECKING:
    from ..base import Lake


def derive(
    lake: "Lake",
    function: Callable[..., Any],
    inputs: Arguments | None,
    *,
    branch: str,
    at: str | datetime | None,
    params: Mapping[str, Any],
) -> Any:
    """Find or compute a result; see `Lake.derive`.

    Parameters
    ----------
    lake
        The lake that keeps the result.
    function, inputs, branch, at
        See `Lake.derive`.
    params
        Keywords for the function.
    """
    made = kernel_of(function)
    bound = getattr(function, "__self__", None)
    if at is None and isinstance(bound, Snapshot):
        # A method of a noun, such as `snapshot.spikes.psth`, reads its own snapshot.
        at = bound.commit.id
    snapshot = lake.at(branch if at is None else at)
    remember(made)
    if inputs is None:
        inputs, params = made.reading(snapshot, params)
    return obtained(lake, made, origin_of(made, snapshot, inputs, params), snapshot, branch)


def origin_of(
    made: Kernel, snapshot: Snapshot, inputs: Arguments, params: Mapping[str, Any], canonical: bool = False
) -> Origin:
    """Return the record of a result's origin, from which its name follows.

    Parameters
    ----------
    made
        The kernel that computes the result.
    snapshot
        The commit that holds the inputs.
    inputs
        Names of nodes, as of `Lake.derive`.
    params
        Parameters of the kernel by name.
    canonical
        Whether *params* are already as `plain.plain` writes them.

    Raises
    ------
    NotFoundError
        An input is not there.
    InputError
        A parameter cannot be written as JSON, or the inputs are not names.
    """
    arguments = _checked(inputs)
    names = sorted(named(arguments, made.whole).values())
    for name in names:
        if name not in snapshot.tree:
            # Its own error suggests similar names.
            snapshot[name]
    identity = made.identity()
    return Origin(
        kernel=made.name,
        version=identity.get("version"),
        code=identity.get("code"),
        function=made.home,
        whole=made.whole,
        arguments=arguments,
        inputs={name: content(snapshot.tree, name) for name in names},
        params=dict(params) if canonical else {k: plain(v, f"parameter {k!r}") for k, v in params.items()},
        commit=snapshot.commit.id,
    )


def _checked(inputs: Any) -> Arguments:
    """A copy of *inputs*, which are names, as JSON says them."""
    texts: list[Any]
    kept: Any
    if isinstance(inputs, Mapping):
        texts, kept = [*inputs, *inputs.values()], dict(inputs)
    else:
        kept = texts = (
            [inputs] if isinstance(inputs, str) else list(inputs) if isinstance(inputs, Sequence) else []
        )
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError("inputs are the name of a node, a list of names, or names by argument")
    return inputs if isinstance(inputs, str) else kept


def obtained(
    lake: "Lake",
    made: Kernel,
    origin: Origin,
    snapshot: Snapshot,
    branch: str,
    *,
    instead_of: str | None = None,
) -> Any:
    """Return the result of an origin: found on the branch or on another, or computed and committed.

    Parameters
    ----------
    lake
        The lake that keeps the result.
    made
        The kernel that computes it.
    origin
        Record of the result's origin.
    snapshot
        The commit that holds the inputs.
    branch
        The branch to keep the result on.
    instead_of
        A result to remove from the branch in the same commit.
    """
    head = lake.at(branch)
    if origin.result in head.tree and instead_of is None:
        return opened(head, origin.result)
    nodes: Mapping[str, Node] = {} if origin.result in head.tree else _kept(lake, origin.result)
    missing = not nodes and origin.result not in head.tree
    result = _called(made, origin, snapshot) if missing else None
    transaction = lake.transaction(_message(origin), branch=branch)
    transaction.drafts.apply(nodes)
    if missing:
        store(transaction, origin.result, result, {DERIVED: origin.to_json()})
    if instead_of is not None:
        _replace(transaction, origin, instead_of)
    try:
        record = transaction.commit()
    except ConflictError:
        head = lake.at(branch)
        if origin.result not in head.tree:
            raise
        # Another process derived the same meanwhile.
        return opened(head, origin.result)
    return opened(lake.at(branch) if record is None else lake.pinned(record.reference), origin.result)


def _kept(lake: "Lake", result: str) -> dict[str, Node]:
    """The nodes of a result that some branch holds; none if no branch holds it."""
    for record in lake.branches.values():
        tree = lake.pinned(record.reference).tree
        if result in tree:
            return {name: tree[name] for name in parts(tree, result)}
    return {}


def _called(made: Kernel, origin: Origin, snapshot: Snapshot) -> Any:
    """What the function returns for its inputs as they were in the commit that *origin* names."""
    params = {name: restored(value) for name, value in origin.params.items()}
    names = origin.named
    if made.whole:
        return made.function(Selection(snapshot, names), **params)
    chosen = Selection(snapshot, {name: name for name in names.values()})
    given = {argument: opened(chosen, name) for argument, name in names.items()}
    if not isinstance(origin.arguments, Mapping):
        return made.function(*given.values(), **params)
    if both := sorted(given.keys() & params.keys()):
        raise InputError(f"{both[0]!r} is an input and a parameter")
    return made.function(**given, **params)


def _replace(transaction: Transaction, origin: Origin, old: str) -> None:
    """Replace *old* by the result of *origin*, and record that for results that name *old* as an input."""
    drafts = transaction.drafts
    before = origin_in(drafts, old)
    gone = {old, *(before.replaces if before is not None else ())} - {origin.result}
    users = [said for said in (origin_in(drafts, name) for name in drafts if result_of(name) == name) if said]
    named_still = {result_of(name) for said in users for name in said.inputs}
    said = replace(origin, replaces=sorted(gone & named_still))
    removed: dict[str, Node | None] = {}
    if old in drafts and old != origin.result:
        removed = dict.fromkeys(parts(drafts, old))
    node = with_attribute(drafts[origin.result], DERIVED, said.to_json())
    drafts.apply({**removed, origin.result: node})


def _message(origin: Origin) -> str:
    return f"Derive {origin.kernel} from {', '.join(origin.inputs)}"
