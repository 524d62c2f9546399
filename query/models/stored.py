"""Reduced models as nodes of a lake: a group with what describes the model, arrays below."""

from collections.abc import Mapping
from typing import Any

from ...lake import Snapshot, Transaction
from ...lake.errors import InputError, NotFoundError
from ...lake.nodes.content import attributes
from ..derive.results import MODEL, store
from .cosines import CosineModel
from .lda import LdaModel

Model = LdaModel | CosineModel
_TYPES: dict[str, type[LdaModel] | type[CosineModel]] = {"lda": LdaModel, "raised cosines": CosineModel}


def save_model(
    transaction: Transaction, name: str, model: Model, notes: Mapping[str, Any] | None = None
) -> None:
    """Make *name* hold a fitted model; `open_model` reads it.

    Parameters
    ----------
    transaction, name
        Where it is kept.
    model
        What a fit gave.
    notes
        Attributes of the node besides.

    Raises
    ------
    NodeNameError
        The name is not allowed.
    """
    store(transaction, name, model, notes or {})


def open_model(snapshot: Snapshot, name: str) -> Model:
    """Open the model that a node holds.

    Parameters
    ----------
    snapshot
        The commit to read.
    name
        Name of the model.

    Raises
    ------
    NotFoundError
        There is no model of that name; the message lists those that exist.
    InputError
        The node's attributes are not those that `save_model` writes.
    """
    if name not in (known := model_names(snapshot)):
        raise NotFoundError(f"there is no model {name!r}; there are: {', '.join(known) or 'none'}")
    about = attributes(snapshot.tree[name])
    made = _TYPES[about[MODEL]]
    below = {
        node.removeprefix(f"{name}/"): snapshot.arrays[node][...]
        for node in snapshot.arrays
        if node.startswith(f"{name}/")
    }
    try:
        return made.of(below, about)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name!r} is not a model as save_model writes it: {error!r}") from error


def model_names(snapshot: Snapshot) -> list[str]:
    """Return the names of the models of a snapshot.

    Parameters
    ----------
    snapshot
        The commit to read.
    """
    return [
        name
        for name, node in sorted(snapshot.tree.items())
        if node.kind == "group" and attributes(node).get(MODEL) in _TYPES
    ]
