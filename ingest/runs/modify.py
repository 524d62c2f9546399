"""What may be changed when trials are run again: functions by name, and those of users.

There are three kinds: of the cell's parameters, of the network's, and of the activations of a trial. All are called in
the driver, with what is stored and keyword arguments, and return what to use instead; nothing is changed in place.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...lake.errors import InputError
from ..text.paths import with_values

Kind = Literal["cell", "network", "activations"]
Tree = Mapping[str, Any]
Columns = Mapping[str, NDArray[Any]]
Function = Callable[..., Any]
Modify = Mapping[str, Mapping[str, Any]] | Sequence[tuple[str, Mapping[str, Any]]]
"""Names with keyword arguments; as pairs where a name comes twice."""

_known: dict[str, tuple[Kind, Function]] = {}


def rerun_modifier(kind: Kind) -> Callable[[Function], Function]:
    """Register a function under its own name.

    One of kind ``cell`` or ``network`` takes a parameter tree and returns one. One of ``activations`` takes the columns
    of a trial's ``synapse_activation`` as arrays and returns such columns.

    Parameters
    ----------
    kind
        ``cell``, ``network`` or ``activations``.
    """

    def register(function: Function) -> Function:
        _known[function.__name__] = kind, function
        return function

    return register


@dataclass(frozen=True)
class Modifications:
    """Functions to apply, in order.

    Attributes
    ----------
    asked
        Names and keyword arguments.
    """

    asked: tuple[tuple[str, Mapping[str, Any]], ...]

    @classmethod
    def of(cls, modify: Modify) -> "Modifications":
        """Return the modifications that were asked for.

        Parameters
        ----------
        modify
            Names of registered functions and their arguments: a mapping, or pairs.

        Raises
        ------
        InputError
            A name is not registered, or arguments do not fit its function.
        """
        pairs = modify.items() if isinstance(modify, Mapping) else modify
        for name, arguments in pairs:
            if name not in _known:
                raise InputError(f"modify: no function {name!r} is registered; there are {', '.join(_known)}")
            try:
                inspect.signature(_known[name][1]).bind(None, **arguments)
            except TypeError as error:
                raise InputError(f"modify: {name}: {error}") from error
        return cls(tuple((name, dict(arguments)) for name, arguments in pairs))

    def apply(self, kind: Kind, value: Any) -> Any:
        """Return what the functions of a kind make of a value.

        Parameters
        ----------
        kind
            ``cell``, ``network`` or ``activations``.
        value
            Parameter tree of the cell or network, or columns of the activations.
        """
        for name, arguments in self.asked:
            own, function = _known[name]
            if own == kind:
                value = function(value, **arguments)
        return value


@rerun_modifier("cell")
def set_cell(tree: Tree, values: Mapping[str, Any]) -> Tree:
    """Set parameters of the cell.

    Parameters
    ----------
    tree
        Parameters of the cell.
    values
        New values by path, such as ``neuron.Soma.properties.Ra``.
    """
    return with_values(tree, values)


@rerun_modifier("cell")
def scale_cell(tree: Tree, factors: Mapping[str, float]) -> Tree:
    """Multiply numbers among the parameters of the cell.

    Parameters
    ----------
    tree
        Parameters of the cell.
    factors
        Factor by path.
    """
    return with_values(tree, factors, lambda old, factor: old * factor)


@rerun_modifier("network")
def set_network(tree: Tree, values: Mapping[str, Any]) -> Tree:
    """Set parameters of the network.

    Parameters
    ----------
    tree
        Parameters of the network.
    values
        New values by path, such as ``network.VPM_C2.cellNr``.
    """
    return with_values(tree, values)


@rerun_modifier("network")
def scale_weights(tree: Tree, factor: float, cell_types: Sequence[str] | None = None) -> Tree:
    """Multiply the weights of all receptors, or of those of some cells.

    Parameters
    ----------
    tree
        Parameters of the network.
    factor
        What the weights are multiplied by.
    cell_types
        Cell types (``L5tt``) or populations (``L5tt_C2``); all by default.
    """
    changed = copy.deepcopy(dict(tree))
    for name, population in changed["network"].items():
        chosen = cell_types is None or name in cell_types or name.split("_")[0] in cell_types
        for receptor in population.get("synapses", {}).get("receptors", {}).values() if chosen else ():
            weight = receptor["weight"]
            scaled = [factor * own for own in weight] if isinstance(weight, list) else factor * weight
            receptor["weight"] = scaled
    return changed


@rerun_modifier("activations")
def silence(
    activations: Columns,
    cell_types: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    distance: tuple[float, float] | None = None,
    time: tuple[float, float] | None = None,
) -> Columns:
    """Remove the activations that all given conditions apply to.

    Parameters
    ----------
    activations
        Columns of a trial's ``synapse_activation``.
    cell_types
        Cell types (``L5tt``) or populations (``L5tt_C2``).
    labels
        Dendrite labels.
    distance, time
        [begin, end) in um from the soma, and in ms.
    """
    kind = activations["synapse_type"].astype(str)
    gone = np.ones(len(kind), bool)
    if cell_types is not None:
        gone &= np.isin(kind, cell_types) | np.isin(np.char.partition(kind, "_")[:, 0], cell_types)
    if labels is not None:
        gone &= np.isin(activations["dendrite_label"].astype(str), labels)
    for name, span in (("soma_distance", distance), ("time", time)):
        if span is not None:
            gone &= (activations[name] >= span[0]) & (activations[name] < span[1])
    return {name: column[~gone] for name, column in activations.items()}
