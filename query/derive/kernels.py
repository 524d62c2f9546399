"""Kernels: functions that derive results, known by name and version."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...lake.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Kernel:
    """A function that derives results.

    Parameters
    ----------
    function
        Called with the opened inputs and the parameters.
    name
        What its results are filed under.
    version
        What tells it from earlier functions of that name; None where its code does.
    whole
        Whether it is called with one snapshot that holds the inputs, rather than with each of them.
    """

    function: Callable[..., Any]
    name: str
    version: str | None = None
    whole: bool = False

    @property
    def home(self) -> str:
        """``module:qualified.name`` of the function."""
        return "{}:{}".format(*(getattr(self.function, key, "?") for key in ("__module__", "__qualname__")))

    def identity(self) -> dict[str, str]:
        """What its results are known by: the version or, without one, the digest of the code as it is now.

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
    *, version: str | None = None, name: str | None = None, whole: bool = False
) -> Callable[[Function], Function]:
    """Register a function for `Lake.derive` and `Lake.refresh`; a decorator that returns the function itself.

    Parameters
    ----------
    version
        A text that is changed whenever the function's results change: results of another version are other
        results. Without one, the function's code decides.
    name
        What its results are filed under; the function's own name by default.
    whole
        Call it with one snapshot that holds nothing but the inputs and answers ``.sql``, instead of with
        each input.

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
        made = Kernel(function, _checked(name or _name(function), "name"), version, whole)
        if version is not None:
            _checked(version, "version")
        remember(made)
        return function

    return register


def kernel_of(function: Callable[..., Any]) -> Kernel:
    """The kernel that a function was registered as; else one without a version, which its code identifies.

    Raises
    ------
    InputError
        It is no function.
    """
    for known in [*reversed(_OTHERS), *_VERSIONED.values()]:
        if known.function is function:
            return known
    if not callable(function):
        raise InputError(f"a kernel is a function, not {type(function).__name__}")
    return Kernel(function, re.sub(r"[^A-Za-z0-9_]", "", _name(function)) or "function")


def remember(made: Kernel) -> None:
    """Let `known_kernel` find a kernel."""
    if made.version is not None:
        _VERSIONED[made.name, made.version] = made
    elif made not in _OTHERS:
        _OTHERS.append(made)


def known_kernel(identity: Mapping[str, str]) -> Kernel | None:
    """The kernel of this process with that ``kernel`` and ``version`` or ``code``."""
    if "version" in identity:
        return _VERSIONED.get((identity["kernel"], identity["version"]))
    alike = (made for made in reversed(_OTHERS) if made.name == identity["kernel"])
    return next((made for made in alike if made.identity() == identity), None)


def versions_of(name: str) -> list[str]:
    """Versions of the kernels of that name that this process knows."""
    return sorted(version for known, version in _VERSIONED if known == name)


def _name(function: Callable[..., Any]) -> str:
    inner = function.func if isinstance(function, functools.partial) else function
    return str(getattr(inner, "__name__", type(inner).__name__))


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InputError(f"the {what} of a kernel is of letters, digits, '_', '.' and '-', not {text!r}")
    return text
