"""The one place where numba is configured.

Importing this module imports numba (about 0.4 s): import kernels where they are called, not at the top of a
module that belongs to the face of the package.

Compiled code is cached beside the source, in ``__pycache__``; where that is read-only, in numba's folder of
the user (or in ``NUMBA_CACHE_DIR``); where nothing is writable, kernels are compiled again in each process.
Machine code is found again by all that went into it: numba itself looks at the time and size of the kernel's
own file only.
"""

import contextlib
import hashlib
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core.caching import FunctionCache

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
    # No folder can hold the cache in containers without a home.
    with contextlib.suppress(RuntimeError):
        compiled._cache = _Cache(kernel, options)
    return compiled  # type: ignore[no-any-return]


class _Cache(FunctionCache):  # type: ignore[misc]
    """Machine code on disk, keyed by the kernel's code and all that is compiled into it, in whichever files these are."""

    def __init__(self, kernel: Callable[..., Any], options: dict[str, Any]) -> None:
        super().__init__(kernel)
        self._options = repr(sorted(options.items()))

    def _load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return super()._load_overload(signature, context)
        except (AttributeError, ImportError):
            # The index names classes of arguments as they were when it was written, and one is gone.
            self.flush()
            return None

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        parts = hashlib.sha256(self._options.encode())
        for part in _compiled_in(self._py_func, set()):
            parts.update(part)
        # In place of numba's own hash, which for a closure over a kernel is another one in each process.
        return (signature, codegen.magic_tuple(), parts.hexdigest())


def code_digest(kernel: Callable[..., Any]) -> str:
    """Return the SHA-256, as hexadecimal digits, of all that numba compiles into a kernel: code, constants, other kernels.

    Parameters
    ----------
    kernel
        A compiled kernel, or the function before it is compiled.
    """
    parts = hashlib.sha256()
    for part in _compiled_in(kernel, set()):
        parts.update(part)
    return parts.hexdigest()


def _compiled_in(value: Any, seen: set[int]) -> Iterator[bytes]:
    """What numba compiles into a kernel that refers to *value*: code, frozen constants, and other kernels' the same."""
    function = getattr(value, "py_func", value)
    if isinstance(function, types.FunctionType):
        if id(function) in seen:
            return
        seen.add(id(function))
        yield from _compiled_in(function.__code__, seen)
        yield from _compiled_in(function.__defaults__, seen)
        yield from _compiled_in(tuple(cell.cell_contents for cell in function.__closure__ or ()), seen)
        for name in sorted(set(_names(function.__code__))):
            if name in function.__globals__:
                yield name.encode()
                yield from _of_global(function.__globals__[name], function.__code__, seen)
    elif isinstance(value, types.CodeType):
        yield value.co_code
        yield repr((value.co_names, value.co_varnames, value.co_freevars)).encode()
        yield from _compiled_in(value.co_consts, seen)
    elif isinstance(value, tuple):
        yield b"%d" % len(value)
        for item in value:
            yield from _compiled_in(item, seen)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__}".encode()
    else:
        yield f"{type(value).__name__} {value!r}".encode()


def _of_global(value: Any, code: types.CodeType, seen: set[int]) -> Iterator[bytes]:
    if not isinstance(value, types.ModuleType):
        yield from _compiled_in(value, seen)
    elif value.__name__.split(".")[0] not in ("math", "numba", "numpy"):
        for name in sorted(set(_names(code))):
            if hasattr(value, name):
                yield name.encode()
                yield from _of_global(getattr(value, name), code, seen)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


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
