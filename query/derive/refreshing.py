"""Refreshing: stale results are recomputed by the kernels that this process has registered."""

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ...lake.errors import InputError, NotFoundError
from ...lake.nodes.derived import Arguments, Derived, Origin, result_of
from ...lake.nodes.shown import About, Shown
from .builtin import import_built_in
from .derivation import obtained, origin_of
from .kernels import Kernel, kernel_of, known_kernel, versions_of

if TYPE_CHECKING:
    from ..base import Lake


@dataclass(frozen=True, repr=False)
class Refreshed(Shown):
    """What a refresh did.

    Parameters
    ----------
    done
        Names of the new results by those they replace; None where nothing was done, only tried on paper.
    left
        Why results are still stale, by name.
    """

    done: Mapping[str, str | None]
    left: Mapping[str, str]

    def _about(self) -> About:
        rows = [(old, new or "would be computed") for old, new in self.done.items()]
        rows += [(old, f"stale: {why}") for old, why in self.left.items()]
        lines = "".join(f"\n  {old}: {new}" for old, new in rows[:20])
        line = f"<Refreshed {len(self.done)}, left {len(self.left)}>{lines}"
        return About(line, {}, ("result", "now"), rows)


def refresh(
    lake: "Lake",
    names: str | Sequence[str] | None,
    *,
    branch: str,
    modules: Sequence[str],
    dry_run: bool,
) -> Refreshed:
    """Recompute stale results; see `Lake.refresh`.

    Parameters
    ----------
    lake
        The lake that holds the results.
    names, branch, modules, dry_run
        See `Lake.refresh`.
    """
    for module in modules:
        _import(module)
    done: dict[str, str | None] = {}
    left: dict[str, str] = {}
    for result in _chosen(lake.derived(branch), [names] if isinstance(names, str) else names):
        if result.origin.part is not None:
            left[result.name] = (
                f"it is a step of building a circuit: build that again (`{result.origin.function}`)"
            )
            continue
        before = [result_of(name) or name for name in result.inputs]
        if blocked := [name for name in before if name in left]:
            left[result.name] = f"it is made from {blocked[0]}, which could not be computed anew"
            continue
        try:
            made = _kernel(result.origin, modules)
            done[result.name] = None if dry_run else _renewed(lake, made, result, done, branch)
        # A user's function may raise anything, and results that do not need it are still computed.
        except Exception as error:  # noqa: BLE001
            left[result.name] = f"{type(error).__name__}: {error}"
    return Refreshed(done, left)


def _chosen(found: Sequence[Derived], names: Sequence[str] | None) -> list[Derived]:
    """The stale ones of those wanted, and of those they are made of."""
    known = {result.name: result for result in found}
    wanted = set(known) if names is None else set()
    waiting = [] if names is None else list(names)
    while waiting:
        name = result_of(waiting[-1]) or waiting[-1]
        if name not in known:
            raise NotFoundError(f"there is no derived result {waiting[-1]!r}")
        waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += [before for before in known[name].inputs if (result_of(before) or before) in known]
    return [result for result in found if result.name in wanted and result.stale]


def _renewed(lake: "Lake", made: Kernel, result: Derived, done: Mapping[str, str | None], branch: str) -> str:
    snapshot = lake.at(branch)
    successors = {old: new for old, new in done.items() if new is not None}
    if any(name not in snapshot.tree and result_of(name) not in done for name in result.inputs):
        successors |= {old: after.name for after in snapshot.derived for old in after.origin.replaces}
    arguments = _followed(result.origin.arguments, successors)
    origin = origin_of(made, snapshot, arguments, result.params, canonical=True)
    obtained(lake, made, origin, snapshot, branch, instead_of=result.name)
    return origin.result


def _followed(arguments: Arguments, successors: Mapping[str, str]) -> Arguments:
    """The same arguments, with results that were replaced called by their new names."""

    def new(name: str) -> str:
        old = result_of(name)
        return name if old is None or old not in successors else successors[old] + name.removeprefix(old)

    if isinstance(arguments, str):
        return new(arguments)
    if isinstance(arguments, Mapping):
        return {argument: new(name) for argument, name in arguments.items()}
    return [new(name) for name in arguments]


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except (ImportError, ValueError) as error:
        raise InputError(f"module {module!r} cannot be imported: {error}") from error


def _kernel(origin: Origin, modules: Collection[str]) -> Kernel:
    """The kernel that made a result.

    Raises
    ------
    InputError
        This process does not know it.
    """
    module, _, function = origin.function.partition(":")
    # What a lake says is never imported: built-in kernels are found in our own table, others where the user says.
    import_built_in(origin.kernel, origin.version)
    known = known_kernel(origin.identity)
    if known is None and origin.code is not None and module in modules:
        known = _function(module, function)
        if known is not None and known.identity() != origin.identity:
            raise InputError(f"the code of {origin.function} is another now: derive with it anew")
    if known is not None:
        return known
    which = "with the code it had" if origin.version is None else f"version {origin.version}"
    others = ", ".join(versions_of(origin.kernel))
    where = "run the script or notebook" if module == "__main__" else f"import {module}"
    raise InputError(
        f"there is no kernel {origin.kernel!r} {which} in this process"
        + (f", only version {others}" if others else f"; {where}, where it was defined")
    )


def _function(module: str, name: str) -> Kernel | None:
    """A function that a module named by the user itself defines."""
    found: Any = _import(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    defined_there = isinstance(found, FunctionType) and found.__module__ == module
    return kernel_of(found) if defined_there else None
