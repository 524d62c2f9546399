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
Part = TypeVar("Part")

# Below this many elements (one or two ms of work) starting threads costs more than it gains.
SERIAL_SIZE = 1 << 20


def jit(kernel: Kernel) -> Kernel:
    """Compile *kernel* on its first call: without the GIL, cached on disk, IEEE division (x/0 is inf)."""
    return _compiled(kernel)


def jit_contracted(kernel: Kernel) -> Kernel:
    """As `jit`, and ``a * b + c`` may be rounded once, by fused multiply-add where the processor has it."""
    return _compiled(kernel, fastmath={"contract"})


def _compiled(kernel: Kernel, **more: Any) -> Kernel:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", **more}
    try:
        return numba.njit(cache=True, **options)(kernel)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder can hold the cache: containers without a home
        return numba.njit(**options)(kernel)  # type: ignore[no-any-return]


def over_rows(kernel: Callable[[int, int], Part], n_rows: int, size: int | None = None) -> list[Part]:
    """Call ``kernel(begin, end)`` for slices that cover ``range(n_rows)``, one thread per CPU; results in order.

    Where *size* is given, work on fewer than `SERIAL_SIZE` elements is done in one call by the calling thread.

    The thread count is numba's (``NUMBA_NUM_THREADS``, else the CPUs this process may use). numba's own
    ``parallel=True`` is not used: with GNU OpenMP a process that forks after a parallel kernel aborts, and with
    its fallback layer two threads that call kernels at once abort; dask and multiprocessing do both.
    """
    n_threads = min(numba.config.NUMBA_NUM_THREADS, n_rows)
    if n_threads < 2 or (size is not None and size < SERIAL_SIZE):
        return [kernel(0, n_rows)]
    bounds = [n_rows * k // n_threads for k in range(n_threads + 1)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(kernel, bounds[:-1], bounds[1:]))
