"""Parameters are explicit: help, completion and type checkers see them. Where names are the user's own, it says so here."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("lake", "kernels", "mechanisms", "catalog", "ingest", "query")
FSSPEC = "fsspec calls this with options of any file system"
ALLOWED = {
    "catalog/filesystem.py:RemoteFiles.open": FSSPEC,
    "catalog/filesystem.py:RemoteFiles.info": FSSPEC,
    "catalog/filesystem.py:RemoteFiles.exists": FSSPEC,
    "catalog/filesystem.py:RemoteFiles.glob": FSSPEC,
    "catalog/filesystem.py:RemoteFiles.ls": FSSPEC,
    "catalog/vocabulary/kinds.py:Kind.of": "names are those of the kind's own pattern",
    "ingest/lfp/segments.py:ingest_segments": "the old name passes on the options of the new one, for one version",
    "ingest/text/tree.py:Parameters.update": "names are those of parameters, as of dict.update",
    "lake/console.py:Commands.__init__": "click calls this with options of its own",
    "mechanisms/cell/modify.py:scale_by_detailed_compartment": "names are labels of the user's cell",
    "query/base.py:Snapshot.sql": "names are the parameters of the query",
    "query/base.py:Snapshot.explain": "names are the parameters of the query",
    "query/isf/database.py:Database.update": "names are keys, as of dict.update",
    "query/lake.py:Lake.sql": "names are the parameters of the query",
    "query/lake.py:Lake.derive": "names are the parameters of the function that is given",
    "query/lfp/forward.py:lfp_coefficients": "one input for each of the user's fields",
}
"""Why a public function takes any keyword, by file and name."""


def any_keywords(tree: ast.AST, name: str = "") -> Iterator[str]:
    """Public functions and methods that take keywords of any name and type; those within functions are private."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from any_keywords(node, f"{name}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = node.args.kwarg
            told = "" if found is None or found.annotation is None else ast.unparse(found.annotation)
            dunder = node.name.startswith("__")
            private = any(part.startswith("_") for part in f"{name}{node.name}".split(".")) and not dunder
            if found is not None and not private and not told.endswith(".kwargs"):
                yield f"{name}{node.name}"
        else:
            yield from any_keywords(node, name)


def test_no_options_without_a_name() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")] + [
        ROOT / "cli.py",
        ROOT / "__init__.py",
    ]
    found = {
        f"{path.relative_to(ROOT).as_posix()}:{name}"
        for path in files
        for name in any_keywords(ast.parse(path.read_text()))
    }
    assert found == set(ALLOWED)


def test_what_counts() -> None:
    text = """
def f(**options: Any): ...
def g(**options): ...
def _h(**options: Any): ...
class A:
    def m(self, **more: object): ...
    def n(self, *args: P.args, **kwargs: P.kwargs): ...
    def o(self, *, width: float = 1.0): ...
"""
    assert list(any_keywords(ast.parse(text))) == ["f", "g", "A.m"]
