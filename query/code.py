"""Identity of a function that has no version: its code and all of the user's that it refers to.

What counts is the compiled code, which is what runs: a source file may have been edited since it was imported.
Comments and layout do not matter then; another version of Python gives another digest.
"""

import dis
import functools
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..lake.digest import Digest, canonical_json, digest_of, digest_of_file
from ..lake.errors import InputError
from .plain import plain

_OWN = __name__.split(".")[0]


def code_digest(function: Any) -> Digest:
    """Digest of a function's code, defaults, closed-over values, and the globals it uses.

    Functions and classes of the user's are looked into, their modules count as a whole; what is installed
    counts by name and version.

    Raises
    ------
    InputError
        It refers to a value that has no JSON, so that nobody can tell when that changes.
    """
    return digest_of(canonical_json(_Description().of(function, "the function")))


class _Description:
    """JSON of functions and of what they refer to; each is described once."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def of(self, value: Any, what: str) -> Any:
        """JSON of a function, class, module or plain value."""
        value = getattr(value, "py_func", value)  # numba's
        if isinstance(value, FunctionType | type):
            # Functions may refer to each other, and to themselves.
            if id(value) in self._seen:
                return ["seen", self._seen[id(value)]]
            self._seen[id(value)] = len(self._seen)
        if isinstance(value, functools.partial):
            return ["partial", *(self.of(part, what) for part in (value.func, value.args, value.keywords))]
        if isinstance(value, ModuleType):
            return self._module(value)
        if isinstance(value, type) or callable(value):
            return self._callable(value, what)
        return self._constant(value, what)

    def _module(self, module: ModuleType) -> Any:
        name, file = module.__name__, getattr(module, "__file__", None)
        if _installed(name) or file is None:
            return ["module", name, _version(name)]
        return ["module", name, digest_of_file(Path(file))]

    def _callable(self, value: Any, what: str) -> Any:
        home = str(getattr(value, "__module__", None))
        name = f"{home}:{getattr(value, '__qualname__', None) or getattr(value, '__name__', '?')}"
        if isinstance(value, FunctionType) and not _installed(home):
            return self._function(value)
        if isinstance(value, type) and not _installed(home):
            methods = {key: part for key, part in vars(value).items() if isinstance(part, FunctionType)}
            bases = [self.of(base, what) for base in value.__bases__]
            return ["class", name, bases, {key: self.of(part, what) for key, part in sorted(methods.items())}]
        if home == "None" or not _installed(home):
            raise InputError(_unclear(what, value))
        return ["installed", name, _version(home)]

    def _function(self, function: FunctionType) -> Any:
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        used = {name: cell.cell_contents for name, cell in cells} | {
            name: function.__globals__[name]
            for name in _globals(function.__code__)
            if name in function.__globals__
        }
        return {
            "code": self._code(function.__code__),
            "defaults": self.of(function.__defaults__, f"a default of {function.__name__}"),
            "keywords": self.of(function.__kwdefaults__, f"a default of {function.__name__}"),
            "uses": {
                name: self.of(part, f"{name!r}, which {function.__name__} uses,")
                for name, part in sorted(used.items())
            },
        }

    def _code(self, code: CodeType) -> Any:
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        consts = [self._constant(const, "a constant") for const in code.co_consts]
        counts = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        return [code.co_code.hex(), list(map(list, names)), consts, counts]

    def _constant(self, value: Any, what: str) -> Any:
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, bytes | complex) or value is Ellipsis:
            return [type(value).__name__, repr(value)]
        if isinstance(value, set | frozenset):
            return ["set", sorted(canonical_json(self._constant(part, what)).decode() for part in value)]
        if isinstance(value, tuple | list):
            return [type(value).__name__, *(self.of(part, what) for part in value)]
        if isinstance(value, Mapping):
            return ["mapping", *([self.of(key, what), self.of(part, what)] for key, part in value.items())]
        try:
            return plain(value, what)
        except InputError:
            raise InputError(_unclear(what, value)) from None


def _unclear(what: str, value: Any) -> str:
    return (
        f"{what} is of type {type(value).__name__}, and nobody could tell when it changes: make it a parameter or "
        "an input, or give the function a version with @neurolake.kernel(version=...)"
    )


def _globals(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _globals(const)


def _installed(module: str) -> bool:
    """Whether a module came with Python, with a package or with neurolake, so that its version tells all."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if module.split(".")[0] == _OWN or (file is None and module != "__main__" and module in sys.modules):
        return True
    homes = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return file is not None and any(Path(file).is_relative_to(home) for home in homes)


def _version(module: str) -> str:
    top = sys.modules.get(module.split(".")[0])
    return str(getattr(top, "__version__", sys.version_info[:2]))
