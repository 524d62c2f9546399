"""Parameters by their path in trees, such as ``neuron.Soma.properties.Ra``: found, and set in a copy."""

import copy
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...lake.errors import InputError

Tree = Mapping[str, Any]


def with_values(
    tree: Tree, values: Mapping[str, Any], change: Callable[[Any, Any], Any] = lambda old, new: new
) -> dict[str, Any]:
    """Return a copy of a tree in which some parameters are others.

    Parameters
    ----------
    tree
        Dictionaries and lists of parameters.
    values
        New values by path: names and numbers of list items, joined by dots. Names may have dots themselves.
    change
        What makes the new value of the one that is there and the one that is given.

    Raises
    ------
    InputError
        There is no parameter of such a path; all of them are named, each with the nearest that there is.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(tree))
    unknown = []
    for path, value in values.items():
        found = _place(changed, path)
        if found is None:
            unknown.append(path)
        else:
            at, key = found
            at[key] = change(at[key], value)
    if unknown:
        raise InputError("; ".join(told_unknown(path, paths(tree)) for path in unknown))
    return changed


def told_unknown(path: str, known: list[str]) -> str:
    """Say that there is no parameter of a path, and which is nearest.

    Parameters
    ----------
    path
        The path.
    known
        Paths that there are.
    """
    near = difflib.get_close_matches(path, known, 1, 0.5)
    last = path.rpartition(".")[2]
    near += [name for name in known if name.rpartition(".")[2] == last]
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no parameter {path!r} to change{hint}"


def has(tree: Any, path: str) -> bool:
    """Tell whether a tree has a parameter of a path.

    Parameters
    ----------
    tree
        Dictionaries and lists of parameters.
    path
        Its path.
    """
    return _place(tree, path) is not None


def paths(tree: Any) -> list[str]:
    """Return the paths of all parameters of a tree, in its order, branches before what is in them.

    Parameters
    ----------
    tree
        Dictionaries and lists of parameters.
    """
    return list(_below(tree, ""))


def _below(tree: Any, before: str) -> Iterator[str]:
    items: Any = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    for key, value in items:
        path = f"{before}{key}"
        yield path
        if isinstance(value, Mapping | list):
            yield from _below(value, f"{path}.")


def _place(tree: Any, path: str) -> tuple[Any, Any] | None:
    """What holds a parameter, and its key in that; None where there is none."""
    key: Any = path
    if isinstance(tree, list):
        first, _, rest = path.partition(".")
        if not first.isdigit() or int(first) >= len(tree):
            return None
        return _place(tree[int(first)], rest) if rest else (tree, int(first))
    if not isinstance(tree, Mapping):
        return None
    if key in tree:
        return tree, key
    for at, letter in enumerate(path):
        if letter == "." and path[:at] in tree:
            found = _place(tree[path[:at]], path[at + 1 :])
            if found is not None:
                return found
    return None


class TreeValues:
    """New values of parameters that are in one of several trees, each found by its path.

    Call `changed` with each tree, and `finish` in the end. A path may begin with the name of a tree, which it has to
    where several trees have it.

    Parameters
    ----------
    values
        New values by path.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)
        self._found: dict[str, list[str]] = {path: [] for path in self._values}
        self._known: list[str] = []

    def changed(self, name: str, tree: Tree) -> Tree:
        """Return a tree with those of the new values that it has a parameter for.

        Parameters
        ----------
        name
            What the tree is called.
        tree
            The parameters.
        """
        own = {}
        for path, value in self._values.items():
            inside = path.removeprefix(f"{name}.")
            for candidate in dict.fromkeys([path, inside]):
                if has(tree, candidate):
                    own[candidate] = value
                    self._found[path].append(f"{name}.{candidate}")
                    break
        self._known += paths(tree)
        return with_values(tree, own) if own else tree

    def finish(self) -> None:
        """Make sure that each value found its parameter.

        Raises
        ------
        InputError
            No tree has a parameter of a path, or several have; all such paths are named.
        """
        wrong = [told_unknown(path, self._known) for path, places in self._found.items() if not places]
        wrong += [
            f"{path!r} is in several trees: write {' or '.join(places)}"
            for path, places in self._found.items()
            if len(places) > 1
        ]
        if wrong:
            raise InputError("; ".join(wrong))
