"""Nouns: what a snapshot holds of one kind, with the analyses of it as methods."""

from collections.abc import Callable, Mapping
from types import MethodType
from typing import Concatenate, Generic, ParamSpec, TypeVar, overload

from ..lake.nodes.shown import About, Shown
from .base import Snapshot

P = ParamSpec("P")
Result = TypeVar("Result")


class Noun(Shown):
    """What a snapshot holds of one kind.

    Parameters
    ----------
    snapshot
        Which.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def _contents(self) -> str:
        """What there is, in a few words."""
        raise NotImplementedError

    def _about(self) -> About:
        line = f"<{type(self).__name__} of commit {self.snapshot.commit.id[:8]}: {self._contents()}>"
        methods = {name: one for name, one in vars(type(self)).items() if isinstance(one, Analysis)}
        rows = [(f"{name}(…)", one.first_line) for name, one in methods.items()]
        if isinstance(self, Mapping):
            return About(line, {}, ("name",), [(name,) for name in self])
        return About(line, {}, ("analysis", "what it does") if rows else (), rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.snapshot == other.snapshot

    def __hash__(self) -> int:
        return hash((type(self), self.snapshot))


class Analysis(Generic[P, Result]):
    """A function of a snapshot as a method of a noun, with the function's own parameters and documentation.

    `Lake.derive` takes the method as it takes the function.

    Parameters
    ----------
    function
        Takes the snapshot first.
    """

    def __init__(self, function: Callable[Concatenate[Snapshot, P], Result]) -> None:
        self._function = function

    @property
    def first_line(self) -> str:
        """What the function does, in a sentence."""
        return (self._function.__doc__ or "").strip().split("\n")[0].replace("`", "").replace("*", "")

    @overload
    def __get__(self, noun: None, owner: type) -> Callable[Concatenate[Snapshot, P], Result]: ...
    @overload
    def __get__(self, noun: Noun, owner: type) -> Callable[P, Result]: ...
    def __get__(self, noun: Noun | None, owner: type) -> Callable[..., Result]:
        return self._function if noun is None else MethodType(self._function, noun.snapshot)
