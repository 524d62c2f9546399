"""Machine code of kernels, kept in the user's cache by the content of what it was compiled from.

One file holds the code of one kernel for one signature, and its name is the digest of everything that the code follows from: the
kernel's own code, the constants, classes and other kernels that it refers to, options, signature, processor, and the versions of
what compiles. So there is nothing that could be out of date, all copies of the sources share one cache, and two processes that
write a file write the same. numba's own cache has an index for each kernel, which two processes change at once: then the code of
one signature may be found under another.

Files are pickles, as numba's are: they are read only from a folder that is this user's alone, and with the checksum that they were
written with. Where none can be written, those that are there are read, and the rest is compiled in each process.
"""

import contextlib
import enum
import hashlib
import os
import pickle
import re
import stat
import sys
import time
import types
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import llvmlite
import numba
import numpy as np
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature
from numba.extending import _Intrinsic

from .places import cache_place, is_private

UNUSED_DAYS = 30
"""Files that no process has loaded for so long are deleted."""

_DAY = 24 * 3600
_SUFFIX = ".kernel"
_PART = ".part"
_SWEPT = "swept"
_CHECKSUM = 32
_OF_NUMBA = ("math", "numba", "numpy")
# In what Python shows of a value that has no text of its own: another process may have another value there.
_ADDRESS = re.compile(rb" at 0x[0-9a-f]+")
_VERSIONS = (sys.implementation.cache_tag, numba.__version__, llvmlite.__version__, np.__version__)
_SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "USING_SVML")

# What each function was made of when this process first looked. A kernel that was compiled then has that in its code, and passes
# it on to those that call it, even if a constant was replaced since.
_first: "WeakKeyDictionary[Any, str]" = WeakKeyDictionary()


def code_digest(kernel: Callable[..., Any]) -> str:
    """Return the SHA-256, as hexadecimal digits, of all that numba compiles into a kernel: code, constants, other kernels.

    Parameters
    ----------
    kernel
        A compiled kernel, or the function before it is compiled.
    """
    return _Content().of(getattr(kernel, "py_func", kernel))


class MachineCode(_Cache):  # type: ignore[misc]
    """The cache of one kernel, as numba asks for it.

    Parameters
    ----------
    kernel
        The function before it is compiled.
    options
        What numba compiles it with.
    """

    def __init__(self, kernel: Callable[..., Any], options: dict[str, Any]) -> None:
        self._kernel = kernel
        self._options = _options(options)

    @property
    def cache_path(self) -> str:
        """The folder of the files."""
        return str(_folder())

    def enable(self) -> None:
        """Do nothing: it always is."""

    def disable(self) -> None:
        """Do nothing: it always is enabled."""

    def flush(self) -> None:
        """Do nothing: what was compiled from other code has another name."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return what was compiled for a signature, or None.

        Parameters
        ----------
        signature
            Types of the arguments, as numba gives them.
        context
            What numba compiles for: this processor.
        """
        context.refresh()
        name = self._name(signature, context.codegen())
        data = None if name is None else _read(name)
        if data is None:
            return None
        # A class that the code mentions may be gone: then the kernel is compiled.
        with contextlib.suppress(Exception):
            found = CompileResult._rebuild(context, *pickle.loads(data))  # noqa: S301
            if found.signature.args == tuple(normalize_signature(signature)[0]):
                return found
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled for a signature.

        Parameters
        ----------
        signature
            Types of the arguments, as numba gives them.
        compiled
            What numba made.
        """
        if compiled.library.has_dynamic_globals or any(not loop.can_cache for loop in compiled.lifted):
            return
        name = self._name(signature, compiled.codegen)
        if name is None:
            return
        # Some values cannot be pickled, and some folders not be written: the kernel works all the same.
        with contextlib.suppress(Exception):
            _write(name, dumps(compiled._reduce()))

    def _name(self, signature: Any, codegen: Any) -> str | None:
        """Name of the file; None where not all that the code follows from has a text of its own."""
        content = _Content()
        settings = [(name, getattr(numba.config, name, None)) for name in _SETTINGS]
        known = (_VERSIONS, settings, codegen.magic_tuple(), self._options)
        parts = [
            repr(known).encode(),
            f"{self._kernel.__module__} {self._kernel.__qualname__}".encode(),
            content.of(self._kernel).encode(),
            *content.of_types(normalize_signature(signature)[0]),
        ]
        if not content.lasting or any(map(_ADDRESS.search, parts)):
            return None
        readable = re.sub(r"\W+", ".", self._kernel.__qualname__.replace("<locals>", ""))[:80]
        return f"{readable}-{_digest(parts)}{_SUFFIX}"


class _Content:
    """Digests of functions and of what numba compiles into them: each function's is computed once.

    Attributes
    ----------
    lasting
        Whether all of it is the same in another process, and was so since this process first looked.
    """

    def __init__(self) -> None:
        self.lasting = True
        self._digests: dict[int, str] = {}

    def of(self, function: Any) -> str:
        """Digest of a function."""
        if id(function) not in self._digests:
            self._digests[id(function)] = "called by itself"
            parts = list(self._function(function))
            digest = self._digests[id(function)] = _digest(parts)
            if _first.setdefault(function, digest) != digest or any(map(_ADDRESS.search, parts)):
                self.lasting = False
        return self._digests[id(function)]

    def of_types(self, given: Any) -> Iterator[bytes]:
        """Parts for types of arguments, with the classes that numba's names for them do not tell apart."""
        if isinstance(given, tuple | list):
            for item in given:
                yield from self.of_types(item)
        elif isinstance(given, numba.types.Type):
            yield given.name.encode()
            for held in vars(given).values():
                yield from self.of_types(held)
        elif isinstance(given, type):
            yield from self._parts(given)

    def _function(self, function: types.FunctionType) -> Iterator[bytes]:
        code = function.__code__
        yield from self._parts(code)
        yield from self._parts(function.__defaults__)
        yield from self._parts(tuple(cell.cell_contents for cell in function.__closure__ or ()))
        for name in sorted(set(_names(code))):
            if name in function.__globals__:
                yield name.encode()
                yield from self._global(function.__globals__[name], code)

    def _global(self, value: Any, code: types.CodeType) -> Iterator[bytes]:
        if not isinstance(value, types.ModuleType):
            yield from self._parts(value)
        elif value.__name__.split(".")[0] not in _OF_NUMBA:
            for name in sorted(set(_names(code))):
                if hasattr(value, name):
                    yield name.encode()
                    yield from self._global(getattr(value, name), code)

    def _parts(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, Dispatcher):
            yield _options(value.targetoptions).encode()
            yield self.of(value.py_func).encode()
        elif isinstance(value, _Intrinsic):
            yield from self._parts(value._defn)
        elif isinstance(value, types.FunctionType):
            # numba's own follow from its version.
            if str(value.__module__).split(".")[0] in _OF_NUMBA:
                yield f"{value.__module__}.{value.__qualname__}".encode()
            else:
                yield self.of(value).encode()
        elif isinstance(value, types.CodeType):
            yield value.co_code
            yield value.co_exceptiontable
            arguments = (value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags)
            yield repr((arguments, value.co_names, value.co_varnames, value.co_freevars)).encode()
            yield from self._parts(value.co_consts)
        elif isinstance(value, tuple | list):
            # A tuple may have named fields.
            yield f"{type(value).__name__} {getattr(value, '_fields', '')} {len(value)}".encode()
            for item in value:
                yield from self._parts(item)
        elif isinstance(value, frozenset):
            yield repr(sorted(map(repr, value))).encode()
        elif isinstance(value, np.ndarray):
            yield f"{value.dtype} {value.shape}".encode()
            yield value.tobytes()
        elif isinstance(value, type):
            yield f"{value.__module__}.{value.__qualname__} {getattr(value, '_fields', '')}".encode()
            if issubclass(value, enum.Enum):
                yield repr([(name, member.value) for name, member in value.__members__.items()]).encode()
        else:
            yield f"{type(value).__name__} {value!r}".encode()


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _options(options: dict[str, Any]) -> str:
    return repr(
        [
            (name, sorted(value) if isinstance(value, set) else value)
            for name, value in sorted(options.items())
        ]
    )


def _digest(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _folder() -> Path:
    """Where machine code is kept: where the user wants numba's to be, else in neurolake's cache."""
    chosen = numba.config.CACHE_DIR
    return Path(chosen) / "neurolake" if chosen else cache_place() / "kernels"


def _trusted(folder: Path) -> bool:
    if is_private(folder):
        return True
    warnings.warn(
        f"kernels are compiled in each process: {folder} is another user's, or others may write to it; NEUROLAKE_CACHE names"
        " another place",
        RuntimeWarning,
        stacklevel=2,
    )
    return False


def _read(name: str) -> bytes | None:
    """What was written under a name, or None where there is nothing, or not what was written."""
    path = _folder() / name
    try:
        if not _trusted(path.parent):
            return None
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read()
    except OSError:
        return None
    checksum, data = data[:_CHECKSUM], data[_CHECKSUM:]
    # The folder may be another one than a moment ago.
    if status.st_uid != os.geteuid() or checksum != _checksum(name, data):
        return None
    if time.time() - status.st_mtime > _DAY:
        with contextlib.suppress(OSError):
            os.utime(path)
    return data


def _write(name: str, data: bytes) -> None:
    path = _folder() / name
    path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    if not _trusted(path.parent):
        return
    part = path.with_name(f"{uuid.uuid4().hex}{_PART}")
    try:
        part.write_bytes(_checksum(name, data) + data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sweep(path.parent)


def _checksum(name: str, data: bytes) -> bytes:
    """A file that was renamed is not what its name says, either."""
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


def _sweep(folder: Path) -> None:
    """Delete what was not loaded for long; look for it once a day."""
    swept, now = folder / _SWEPT, time.time()
    with contextlib.suppress(FileNotFoundError):
        if now - swept.stat().st_mtime < _DAY:
            return
    swept.touch()
    for path in folder.iterdir():
        if path.suffix in (_SUFFIX, _PART):
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > UNUSED_DAYS * _DAY:
                    path.unlink()
