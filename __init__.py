"""neurolake: a versioned, content-addressed data lake for neural simulation.

``create`` and ``open`` give a `Lake`; ``ingest``, ``run``, ``rerun`` and ``record`` bring data in, ``export`` writes them out.
What a lake holds is read through its snapshots and changed through its transactions; ``circuit``, ``plot``, ``animate`` and ``lfp`` ask more.
"""

import lazy_loader

# Zarr, Arrow, DuckDB and NEURON take a while to import, and most of what people do needs few of them.
from . import ingest as ingest
from .lake.moved import install as _install

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
_install()


def load_ipython_extension(ipython: object) -> None:
    """Offer the cell magic ``%%neurolake`` after ``%load_ext neurolake``.

    Parameters
    ----------
    ipython
        The notebook's shell, which calls this.
    """
    from .query.notebooks.magic import load

    load(ipython)
