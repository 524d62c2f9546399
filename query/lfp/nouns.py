"""Extracellular potentials of what a snapshot holds."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..base import Snapshot
from ..circuits.nouns import WeightsByName
from ..derive.results import opened
from ..noun import Analysis, Noun
from .forward import coefficients

P = ParamSpec("P")
Result = TypeVar("Result")


def _by_name(function: Callable[P, Result], *nodes: str) -> Callable[Concatenate[Snapshot, P], Result]:
    """A function whose parameters *nodes* may be names of nodes of a snapshot, which comes first."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def ask(snapshot: Snapshot, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        bound = signature.bind(*args, **kwargs)
        for name in nodes:
            if (given := bound.arguments.get(name)) is not None:
                bound.arguments[name] = _opened(snapshot, given)
        return function(*bound.args, **bound.kwargs)

    first = inspect.Parameter("snapshot", inspect.Parameter.POSITIONAL_ONLY)
    ask.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])  # type: ignore[attr-defined]
    return ask


def _opened(snapshot: Snapshot, given: Any) -> Any:
    if isinstance(given, str):
        return opened(snapshot, given)
    if isinstance(given, dict):
        return {key: _opened(snapshot, value) for key, value in given.items()}
    return given


class Lfp(Noun):
    """Electrodes, coefficients and signals; see docs/lfp.md for units.

    ``segments``, ``electrodes``, ``fields``, ``coefficients`` and ``nodes`` may be names of nodes of the snapshot.
    """

    coefficients = Analysis(_by_name(coefficients, "segments", "electrodes", "fields"))

    @property
    def weights(self) -> WeightsByName:
        """Weights of electrodes files, by name."""
        return WeightsByName(self.snapshot)

    @property
    def electrodes(self) -> list[str]:
        """Names of the tables of electrodes."""
        return self._tables("electrodes")

    @property
    def segments(self) -> list[str]:
        """Names of the tables of segments."""
        return self._tables("segments")

    def _tables(self, room: str) -> list[str]:
        # Tables beside an array, such as its nodes, have a dot and its name before that.
        tables = [name for name in self.snapshot.tables if name.startswith(f"{room}/")]
        return [name for name in tables if name.rpartition(".")[0] not in self.snapshot.tree]

    def _contents(self) -> str:
        found = [*self.electrodes, *self.segments, *self.weights]
        return ", ".join(found) or "none"
