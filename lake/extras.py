"""Packages that most users do not need: what lacks one says how to install it."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingPackageError


@contextmanager
def needed(what: str, extra: str) -> Iterator[None]:
    """Import optional packages in the block.

    Parameters
    ----------
    what
        What they are for, as the subject of a sentence: ``"figures"``.
    extra
        The extra of neurolake that has them.

    Raises
    ------
    MissingPackageError
        One is not installed; says how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package == __name__.split(".")[0]:
            raise
        raise MissingPackageError(f"{what} need {package}: pip install 'neurolake[{extra}]'") from None
