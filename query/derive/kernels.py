"""Kernels: functions that derive results, known by name and version."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MethodType
from typing import Any, TypeVar

from ...lake.errors import InputError
from ...lake.nodes.derived import Arguments

Function = TypeVar("Function", bound=Callable[..., Any])

Reads = Callable[[Any, Mapping[str, Any]], Any]
"""Names of the nodes that a kernel reads, given the snapshot and all arguments by name; where another function is used
in its place, a pair of these and of the kernel's parameters."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Kernel:
    """A function that derives results.

    Parameters
    ----------
    function
        Called with the opened inputs and the parameters.
    name
        Name under which its results are kept.
    version
        Text that distinguishes it from earlier functions of that name; None where its code does.
    whole
        Whether it is called with one snapshot that holds the inputs, rather than with each of them.
    reads
        Function that returns the inputs for given arguments; None where `Lake.derive` needs their names.
    asked
        The function that users call, which computes the same from values in memory.
    """

    function: Callable[..., Any]
    name: str
    version: str | None = None
    whole: bool = False
    reads: Reads | None = None

    asked: Callable[..., Any] | None = None

    def reading(self, snapshot: Any, params: Mapping[str, Any]) -> tuple[Arguments, Mapping[str, Any]]:
        """Return the names of the nodes that it reads for some parameters, and the parameters to call it with.

        Parameters
        ----------
        snapshot
            The commit to read.
        params
            Parameters by name, as the user gave them.

        Raises
        ------
        InputError
            It was registered without ``reads``, or has no such parameter.
        """
        if self.reads is None:
            raise InputError(
                f"{self.name} does not tell what it reads: name its inputs, as in lake.derive({self.name}, 'a')"
            )
        function = self.function if self.asked is None else self.asked
        try:
            bound = inspect.signature(function).bind(*([] if self.asked else [snapshot]), **params)
        except TypeError as error:
            raise InputError(f"{_name(function)}: {error}") from None
        bound.apply_defaults()
        found = self.reads(snapshot, bound.arguments)
        return (found, params) if self.asked is None else found

    @property
    def home(self) -> str:
        """``module:qualified.name`` of the function."""
        return "{}:{}".format(*(getattr(self.function, key, "?") for key in ("__module__", "__qualname__")))

    def identity(self) -> dict[str, str]:
        """Return what identifies its results: the version or, without one, the digest of the code as it is now.

        Raises
        ------
        InputError
            As `code.code_digest` does.
        """
        if self.version is not None:
            return {"kernel": self.name, "version": self.version}
        from .code import code_digest

        return {"kernel": self.name, "code": code_digest(self.function)}


_VERSIONED: dict[tuple[str, str], Kernel] = {}
# Those without a version; newest last.
_OTHERS: list[Kernel] = []


def kernel(
    *,
    version: str | None = None,
    name: str | None = None,
    whole: bool = False,
    reads: Reads | None = None,
    asked: Callable[..., Any] | None = None,
) -> Callable[[Function], Function]:
    """Register a function for `Lake.derive` and `Lake.refresh`; a decorator that returns the function itself.

    Parameters
    ----------
    version
        A text that is changed whenever the function's results change: results of another version are other
        results. Without one, the function's code decides.
    name
        Name under which its results are kept; the function's own name by default.
    whole
        Call it with one snapshot that holds nothing but the inputs and answers ``.sql``, instead of with
        each input.
    reads
        Function that returns the names of the nodes that the kernel reads, given the snapshot and the other
        arguments by name, so that `Lake.derive` finds the inputs itself; for kernels of a *whole* snapshot.
        With *asked* it returns a pair: these names, and the parameters of the kernel.
    asked
        Function that users pass to `Lake.derive` in place of this one; *reads* gets its arguments.

    Raises
    ------
    InputError
        The name or version is not allowed: letters, digits, ``_``, ``.`` and ``-``.

    Examples
    --------
    >>> import neurolake
    >>> @neurolake.kernel(version="1")
    ... def peak(voltage, threshold):
    ...     return (voltage[...] > threshold).any(axis=1)
    """

    def register(function: Function) -> Function:
        made = Kernel(function, _checked(name or _name(function), "name"), version, whole, reads, asked)
        if version is not None:
            _checked(version, "version")
        remember(made)
        return function

    return register


def kernel_of(function: Callable[..., Any]) -> Kernel:
    """Return the kernel that a function was registered as; else one without a version, which its code identifies.

    Parameters
    ----------
    function
        A function, or a method of a noun such as ``snapshot.spikes.psth``.

    Raises
    ------
    InputError
        It is not a function.
    """
    # A method of a noun, such as `snapshot.spikes.psth`, is the function that it calls.
    function = function.__func__ if isinstance(function, MethodType) else function
    for known in [*reversed(_OTHERS), *_VERSIONED.values()]:
        if function in (known.function, known.asked):
            return known
    if not callable(function):
        raise InputError(f"a kernel is a function, not {type(function).__name__}")
    return Kernel(function, re.sub(r"[^A-Za-z0-9_]", "", _name(function)) or "function")


def remember(made: Kernel) -> None:
    """Register a kernel, for `known_kernel` to find.

    Parameters
    ----------
    made
        The kernel.
    """
    if made.version is not None:
        _VERSIONED[made.name, made.version] = made
    elif made not in _OTHERS:
        _OTHERS.append(made)


def known_kernel(identity: Mapping[str, str]) -> Kernel | None:
    """Return the kernel of this process with an identity; None if there is none.

    Parameters
    ----------
    identity
        ``kernel``, and ``version`` or ``code``, as of `Kernel.identity`.
    """
    if "version" in identity:
        return _VERSIONED.get((identity["kernel"], identity["version"]))
    alike = (made for made in reversed(_OTHERS) if made.name == identity["kernel"])
    return next((made for made in alike if made.identity() == identity), None)


def versions_of(name: str) -> list[str]:
    """List the versions of a kernel that this process knows.

    Parameters
    ----------
    name
        Name of the kernel.
    """
    return sorted(version for known, version in _VERSIONED if known == name)


def _name(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__name__", type(inner).__name__))


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InputError(f"the {what} of a kernel is of letters, digits, '_', '.' and '-', not {text!r}")
    return text
