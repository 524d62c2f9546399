"""The old spelling of keeping a result: ``lake=``, which goes with the next version."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..derive.derivation import derive

P = ParamSpec("P")
Result = TypeVar("Result")


def once_kept(function: Callable[P, Result]) -> Callable[P, Result]:
    """Let a function still take ``lake`` and ``branch``, and derive its result then, with a warning.

    Parameters
    ----------
    function
        A function that is registered as a kernel's ``asked``.
    """

    @functools.wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> Result:
        lake: Any = kwargs.pop("lake", None)
        branch: Any = kwargs.pop("branch", "main")
        if lake is None:
            return function(*args, **kwargs)
        name = function.__name__
        warnings.warn(
            f"{name}(…, lake=lake) goes with the next version: write lake.derive(nl.lfp.{name}, …)",
            FutureWarning,
            stacklevel=2,
        )
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        found: Result = derive(lake, ask, None, branch=branch, at=None, params=given)
        return found

    return ask
