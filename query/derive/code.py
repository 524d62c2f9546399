"""Identity of a function that has no version: its code and all of the user's that it refers to.

What counts is the compiled code, which is what runs: a source file may have been edited since it was imported.
Comments and layout do not count; another version of Python leads to another digest.
"""

import dis
import functools
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from ...lake.digest import Digest, canonical_json, digest_of, digest_of_file
from ...lake.errors import InputError
from ..plain import plain

_OWN = __name__.split(".")[0]
_CACHED = type(functools.lru_cache(len))
_METHODS = (FunctionType, staticmethod, classmethod, property)


def code_digest(function: Any) -> Digest:
    """Return the digest of a function's code, defaults, closed-over values, and the globals it uses.

    Functions and classes of the user count by their code, modules of the user as a whole, and installed
    packages by name and version.

    Parameters
    ----------
    function
        A Python function, a partial one, or a class.

    Raises
    ------
    InputError
        It refers to a value that cannot be written as JSON, so that its changes cannot be detected.
    """
    return digest_of(canonical_json(_Description().of(function, "the function")))


class _Description:
    """JSON of functions and of what they refer to; each is described once."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def of(self, value: Any, what: str) -> Any:
        """JSON of a function, class, module or plain value."""
        value = getattr(value, "py_func", value)  # numba's
        if isinstance(value, _CACHED):
            value = value.__wrapped__
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
        owner = getattr(value, "__self__", None) or getattr(value, "__objclass__", None)
        home = str(getattr(value, "__module__", None) or getattr(owner, "__module__", None))
        name = getattr(value, "__qualname__", None)
        stateful = owner is not None and not isinstance(owner, ModuleType | type)
        if name is None or stateful or not (_installed(home) or isinstance(value, FunctionType | type)):
            raise InputError(_unclear(what, value))
        if isinstance(value, FunctionType) and (not _installed(home) or "<locals>" in name):
            return self._function(value)
        if isinstance(value, type) and not _installed(home):
            return self._class(value, what)
        return ["installed", f"{home}:{name}", _version(home)]

    def _class(self, kind: type, what: str) -> Any:
        bases = [self.of(base, what) for base in kind.__bases__]
        made = is_dataclass(kind)
        known = [[field.name, self._default(field, what)] for field in fields(kind)] if made else []
        held = {
            key: self._member(part, f"{key!r} of {kind.__name__}")
            for key, part in sorted(vars(kind).items())
            # What the decorator of dataclasses writes follows from the fields.
            if not (made and getattr(getattr(part, "__code__", None), "co_filename", "") == "<string>")
            and not isinstance(part, MemberDescriptorType | GetSetDescriptorType)
            and (not key.startswith("__") or isinstance(part, _METHODS))
        }
        return ["class", kind.__qualname__, bases, known, held]

    def _default(self, field: Field[Any], what: str) -> Any:
        default = field.default_factory if field.default is MISSING else field.default
        return None if default is MISSING else ["default", self.of(default, what)]

    def _member(self, part: Any, what: str) -> Any:
        if isinstance(part, staticmethod | classmethod):
            return [type(part).__name__, self.of(part.__func__, what)]
        if isinstance(part, property):
            return ["property", *(self.of(f, what) for f in (part.fget, part.fset, part.fdel))]
        return self.of(part, what)

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
    """Whether a module came with Python, with a package or with neurolake, so that its version identifies it."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if module.split(".")[0] == _OWN or (file is None and module != "__main__" and module in sys.modules):
        return True
    homes = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return file is not None and any(Path(file).is_relative_to(home) for home in homes)


def _version(module: str) -> str:
    top = sys.modules.get(module.split(".")[0])
    return str(getattr(top, "__version__", sys.version_info[:2]))
