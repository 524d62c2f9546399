"""Public functions say what they take and what they raise, in numpydoc's sections.

Public is every function and method with no underscore in its dotted name, from the module on; what is defined within a
function is not. A parameter is documented by an entry in a "Parameters" section: of the function, of the class if it is a
constructor's, or of the method that it overrides. The ``help`` of a command's option documents that option. A class
documents the fields of its dataclass in the class or below the field, so only functions are held to this.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("lake", "kernels", "mechanisms", "catalog", "ingest", "query")
FOREIGN = {
    "ZarrStore": "zarr.abc.store:Store",
    "Commands": "typer.core:TyperGroup",
    "RemoteFiles": "fsspec:AbstractFileSystem",
}
"""Classes whose base belongs to another package, which documents what its methods take."""
_SECTION = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
_ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: :.*)?$", re.MULTILINE)
_CLAUSES = {"How", "The", "What", "Where", "Whether", "Which", "Who"}
"""A function is summarised by what it does, or by the noun of what it returns; a property may be a clause."""
_THIRD_PERSON = {
    "Returns",
    "Gives",
    "Makes",
    "Reads",
    "Writes",
    "Checks",
    "Raises",
    "Creates",
    "Computes",
    "Adds",
    "Stores",
}


@dataclass(frozen=True)
class Function:
    """A public function or method, with what documents its parameters."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None

    @property
    def parameters(self) -> list[ast.arg]:
        """Its parameters without `self`, `cls` and those that begin with an underscore."""
        told = self.node.args
        named = [*told.posonlyargs, *told.args, *told.kwonlyargs]
        named += [more for more in (told.vararg, told.kwarg) if more is not None]
        static = any(ast.unparse(one) == "staticmethod" for one in self.node.decorator_list)
        bound = self.owner is not None and not static
        return [one for one in (named[1:] if bound else named) if not one.arg.startswith("_")]

    @property
    def is_property(self) -> bool:
        """Whether it is called like an attribute."""
        names = {ast.unparse(one).split(".")[-1] for one in self.node.decorator_list}
        return bool(names & {"property", "cached_property", "setter"})

    @property
    def own_doc(self) -> str:
        """Its docstring; a constructor's is that of its class."""
        owner = self.owner if self.node.name == "__init__" else None
        return "\n\n".join(ast.get_docstring(one) or "" for one in (self.node, owner) if one is not None)

    @property
    def raised(self) -> set[str]:
        """Errors of ours that its own body raises by name."""
        return {
            name
            for step in own_statements(self.node)
            if isinstance(step, ast.Raise) and step.exc is not None
            for name in [ast.unparse(step.exc.func if isinstance(step.exc, ast.Call) else step.exc)]
            if name in errors()
        }


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, but those of functions and classes that are defined within."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from own_statements(child)


def sections(doc: str) -> dict[str, set[str]]:
    """The entries of each section of a docstring."""
    parts = _SECTION.split(doc)
    return {
        title: {name.strip("* ") for line in _ENTRY.findall(text) for name in line.split(",")}
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def functions(tree: ast.AST, owner: ast.ClassDef | None = None, prefix: str = "") -> Iterator[Function]:
    """The public functions of a module or class."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node, node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name == "__init__" or not node.name.startswith("_"):
                yield Function(prefix + node.name, node, owner)
        elif isinstance(node, ast.If | ast.Try):
            yield from functions(node, owner, prefix)


@cache
def modules() -> dict[str, ast.Module]:
    """The public modules of all rooms, by path."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.stem == "__init__" or not path.stem.startswith("_")
    }


@cache
def classes() -> dict[str, list[ast.ClassDef]]:
    """All classes by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


@cache
def errors() -> dict[str, set[str]]:
    """The errors that are ours, each with those that it is a kind of."""
    return {
        node.name: {node.name, *(base.name for base in ancestors(node))}
        for path in ("lake/errors.py", "mechanisms/errors.py")
        for node in modules()[path].body
        if isinstance(node, ast.ClassDef)
    }


def ancestors(owner: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The classes that one derives from, as far as they are ours."""
    for base in owner.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        for found in classes().get(name, []):
            if found is not owner:
                yield found
                yield from ancestors(found)


def docs(function: Function) -> list[str]:
    """The docstrings that tell of a function: its own, and those of what it overrides."""
    inherited = [
        ast.get_docstring(method) or ""
        for base in ([] if function.owner is None else ancestors(function.owner))
        for method in base.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name == function.node.name
    ]
    if function.node.name == "__init__" and function.owner is not None:
        inherited += [ast.get_docstring(base) or "" for base in ancestors(function.owner)]
    return [function.own_doc, *inherited]


@cache
def protocol(name: str) -> frozenset[str]:
    """The methods that the base of another package declares."""
    module, _, base = FOREIGN[name].partition(":")
    return frozenset(dir(getattr(import_module(module), base)))


def is_foreign(function: Function) -> bool:
    """Whether a method's parameters are those of a base that belongs to another package."""
    owner = function.owner
    return owner is not None and owner.name in FOREIGN and function.node.name in protocol(owner.name)


def described(function: Function, title: str) -> set[str]:
    """What the sections of one title name."""
    return {name for doc in docs(function) for name in sections(doc).get(title, set())}


def is_option(parameter: ast.arg, tree: ast.Module) -> bool:
    """Whether a parameter is an option of a command, whose help documents it."""
    return parameter.annotation is not None and "typer." in _spelled(ast.unparse(parameter.annotation), tree)


def _spelled(annotation: str, tree: ast.Module) -> str:
    return _aliases(tree).get(annotation, annotation)


_known: dict[int, dict[str, str]] = {}


def _aliases(tree: ast.Module) -> dict[str, str]:
    if id(tree) not in _known:
        shared = modules()["lake/console.py"]
        _known[id(tree)] = {
            ast.unparse(node.targets[0]): ast.unparse(node.value)
            for module in (shared, tree)
            for node in module.body
            if isinstance(node, ast.Assign)
        }
    return _known[id(tree)]


def undocumented(path: str) -> Iterator[tuple[Function, list[str]]]:
    """Public functions of a module with the parameters that nothing documents."""
    tree = modules()[path]
    for function in functions(tree):
        if is_foreign(function):
            continue
        known = described(function, "Parameters")
        missing = [
            one.arg for one in function.parameters if one.arg not in known and not is_option(one, tree)
        ]
        if missing:
            yield function, missing


def unraised(path: str) -> Iterator[tuple[Function, set[str]]]:
    """Public functions of a module with the errors that their "Raises" sections leave out."""
    for function in functions(modules()[path]):
        named = described(function, "Raises")
        missing = {error for error in function.raised if not named & errors()[error]}
        if missing:
            yield function, missing


def listed(found: Callable[[str], Iterator[tuple[Function, object]]]) -> list[str]:
    """Functions of all rooms, with what is missing."""
    return [
        f"{path}:{function.node.lineno} {function.name}: {missing}"
        for path in modules()
        for function, missing in found(path)
    ]


def test_parameters_are_documented() -> None:
    assert listed(undocumented) == []


def test_errors_are_documented() -> None:
    assert listed(unraised) == []


def test_summaries_are_one_line() -> None:
    """A summary begins with an imperative or a noun, and is one line that ends."""
    wrong = []
    for path in modules():
        for function in functions(modules()[path]):
            doc = ast.get_docstring(function.node)
            if doc is None:
                continue
            summary = doc.split("\n\n")[0]
            first, refused = summary.split()[0], set() if function.is_property else _CLAUSES
            if "\n" in summary or summary[-1] not in ".:?" or first in _THIRD_PERSON | refused:
                wrong.append(f"{path}:{function.node.lineno} {function.name}: {summary}")
    assert wrong == []


def test_foreign_bases_are_bases() -> None:
    for name in FOREIGN:
        (owner,) = classes()[name]
        base = FOREIGN[name].partition(":")[2]
        assert base in {ast.unparse(one).split("[")[0].split(".")[-1] for one in owner.bases}


def test_what_counts() -> None:
    text = '''
class Store:
    """A store.

    Parameters
    ----------
    path
        A folder.
    """

    def __init__(self, path, size): ...
    def read(self, key, *, whole=True):
        """Read.

        Parameters
        ----------
        key, whole : bool
            Documented together.

        Raises
        ------
        NotFoundError
            It is missing.
        """
        raise NotFoundError("missing")
    def _hidden(self, key): ...
    @staticmethod
    def made(key):
        """Make *key*."""
        def within(other): ...
        raise InputError
'''
    found = list(functions(ast.parse(text)))
    missing = [
        [one.arg for one in function.parameters if one.arg not in described(function, "Parameters")]
        for function in found
    ]
    assert [function.name for function in found] == ["Store.__init__", "Store.read", "Store.made"]
    assert missing == [["size"], [], ["key"]]
    assert [function.raised - described(function, "Raises") for function in found] == [
        set(),
        set(),
        {"InputError"},
    ]
