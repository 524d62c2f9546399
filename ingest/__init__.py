"""Bring results in: one module per source format or writer. The room is also the function that `neurolake` offers."""

import sys
from inspect import signature
from types import ModuleType

from .door import export, ingest


class _Room(ModuleType):
    """The module `neurolake.ingest`, which can be called: a package and a function of one name are the same object."""

    __call__ = staticmethod(ingest)


__doc__ = str(ingest.__doc__)
__signature__ = signature(ingest)
__all__ = ["export", "ingest"]
sys.modules[__name__].__class__ = _Room
