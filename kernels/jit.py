"""The one place where numba is configured.

Importing this module imports numba (about 0.4 s): import kernels where they are called, not at the top of a
module that belongs to the face of the package.

Compiled code is cached beside the source, in ``__pycache__``; where that is read-only, in numba's folder of the
user (or in ``NUMBA_CACHE_DIR``); where nothing is writable, kernels compile anew in each process.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(kernel: Kernel) -> Kernel:
    """Compile *kernel* on its first call: without the GIL, cached on disk, IEEE division (x/0 is inf)."""
    options: dict[str, bool | str] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder can hold the cache: containers without a home
        return numba.njit(**options)(kernel)  # type: ignore[no-any-return]


def over_rows(kernel: Callable[[int, int], object], n_rows: int) -> None:
    """Call ``kernel(begin, end)`` for slices that cover ``range(n_rows)``, one thread per CPU.

    The thread count is numba's (``NUMBA_NUM_THREADS``, else the CPUs this process may use). numba's own
    ``parallel=True`` is not used: with GNU OpenMP a process that forks after a parallel kernel aborts, and with
    its fallback layer two threads that call kernels at once abort; dask and multiprocessing do both.
    """
    n_threads = max(1, min(numba.config.NUMBA_NUM_THREADS, n_rows))
    bounds = [n_rows * k // n_threads for k in range(n_threads + 1)]
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(kernel, bounds[:-1], bounds[1:]))
