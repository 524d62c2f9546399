"""The one place where numba is configured.

Importing this module imports numba (about 0.4 s): import kernels where they are called, not at the top of a
module that belongs to the face of the package.

Compiled code is kept in the user's cache (``NEUROLAKE_CACHE``, or ``NUMBA_CACHE_DIR`` where that is set) by the content of all that
went into it: `compiled`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numba

from .compiled import MachineCode

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Part = TypeVar("Part")

# Below this many elements (one or two ms of work) starting threads costs more than it gains.
SERIAL_SIZE = 1 << 20


def jit(kernel: Kernel) -> Kernel:
    """Compile a kernel on its first call: without the GIL, cached on disk, IEEE division (x/0 is inf).

    Parameters
    ----------
    kernel
        A function that numba compiles without objects of Python.
    """
    return _compiled(kernel)


def jit_contracted(kernel: Kernel) -> Kernel:
    """Compile as `jit`, but let ``a * b + c`` be rounded once, by fused multiply-add where the processor has it.

    Parameters
    ----------
    kernel
        A function that numba compiles without objects of Python.
    """
    return _compiled(kernel, fastmath={"contract"})


def _compiled(kernel: Kernel, **more: Any) -> Kernel:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", **more}
    compiled = numba.njit(**options)(kernel)
    compiled._cache = MachineCode(kernel, options)
    return compiled  # type: ignore[no-any-return]


def over_rows(kernel: Callable[[int, int], Part], n_rows: int, size: int | None = None) -> list[Part]:
    """Call ``kernel(begin, end)`` for slices that cover ``range(n_rows)``, one thread per CPU; results in order.

    Where *size* is given, work on fewer than `SERIAL_SIZE` elements is done in one call by the calling thread.

    The thread count is numba's (``NUMBA_NUM_THREADS``, else the CPUs this process may use). numba's own
    ``parallel=True`` is not used: with GNU OpenMP a process that forks after a parallel kernel aborts, and with
    its fallback layer two threads that call kernels at once abort; dask and multiprocessing do both.

    Parameters
    ----------
    kernel
        Called with the begin and end of a slice, from several threads.
    n_rows
        Number of rows to cover.
    size
        Number of elements in all rows; by default always in threads.
    """
    n_threads = min(numba.config.NUMBA_NUM_THREADS, n_rows)
    if n_threads < 2 or (size is not None and size < SERIAL_SIZE):
        return [kernel(0, n_rows)]
    bounds = [n_rows * k // n_threads for k in range(n_threads + 1)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(kernel, bounds[:-1], bounds[1:]))
