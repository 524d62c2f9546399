"""The processes that simulate a network together: NEURON's ParallelContext, with or without MPI.

Under ``mpiexec`` each process is a rank. NEURON's wheel has no MPI of its own, and looks for a library: the one that the
loader finds is named to it, unless ``MPI_LIB_NRN_PATH`` names another.
"""

import atexit
import ctypes
import ctypes.util
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

# What Open MPI, MPICH and Intel MPI, and PMIx tell a process of theirs.
_STARTED_BY_MPI = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")
_LIBRARY = "MPI_LIB_NRN_PATH"


def expected_ranks(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many ranks ``mpiexec`` has started; 1 without it.

    Parameters
    ----------
    environment
        Variables of the process's environment.
    """
    for name in _STARTED_BY_MPI[:2]:
        if name in environment:
            return int(environment[name])
    return 1


class Ranks:
    """This process among those that simulate a network.

    Attributes
    ----------
    context
        NEURON's ParallelContext.
    rank, size
        Number of this process, from 0, and how many there are.

    Raises
    ------
    ModelError
        This process was started by ``mpiexec`` with others, and NEURON finds no MPI.
    """

    def __init__(self) -> None:
        os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
        wanted = expected_ranks()
        if wanted > 1 and _LIBRARY not in os.environ:
            library = ctypes.util.find_library("mpi")
            if library is not None:
                os.environ[_LIBRARY] = library
        from neuron import h

        h.load_file("stdrun.hoc")
        if wanted > 1:
            h.nrnmpi_init()
            atexit.unregister(_finalise)
            atexit.register(_finalise)
        self.context = h.ParallelContext()
        self.rank, self.size = int(self.context.id()), int(self.context.nhost())
        if self.size != wanted:
            raise ModelError(
                f"mpiexec has started {wanted} processes, but NEURON sees {self.size}: install an MPI library (on Debian "
                f"openmpi-bin) or name one in {_LIBRARY}"
            )

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which alone writes and talks."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """Return what all ranks have, on rank 0; an empty list on others.

        Parameters
        ----------
        value
            Of this rank: anything that can be pickled.
        """
        if self.size == 1:
            return [value]
        return list(self.context.py_gather(value, 0) or ())

    def share(self, value: Any) -> Any:
        """Return what rank 0 has, on all ranks.

        Parameters
        ----------
        value
            Of rank 0; of other ranks it is not looked at.
        """
        return value if self.size == 1 else self.context.py_broadcast(value, 0)

    def all(self, value: Any) -> list[Any]:
        """Return what all ranks have, on all ranks.

        Parameters
        ----------
        value
            Of this rank.
        """
        return [value] if self.size == 1 else list(self.context.py_allgather(value))

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of the ranks' arrays on rank 0, added in the order of ranks; this rank's own on others.

        Parameters
        ----------
        values
            Of this rank, of the same shape everywhere.
        """
        parts = self.gather(values)
        return values if len(parts) < 2 else np.sum(np.stack(parts), axis=0, dtype=values.dtype)


def _finalise() -> None:
    """Tell MPI that this rank has ended, which it asks of all; NEURON does so only if it ends the process itself."""
    if getattr(sys, "last_value", None) is not None:
        # Something went wrong here, and other ranks may not come to this point.
        return
    library = ctypes.CDLL(os.environ.get(_LIBRARY), mode=ctypes.RTLD_GLOBAL)
    if hasattr(library, "MPI_Finalized"):
        ended = ctypes.c_int()
        library.MPI_Finalized(ctypes.byref(ended))
        if not ended.value:
            library.MPI_Finalize()


def abort(code: int) -> None:
    """End this process at once, so that ``mpiexec`` ends the others, which would wait for it for ever.

    Parameters
    ----------
    code
        Exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
