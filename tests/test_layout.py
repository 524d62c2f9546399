"""The rules of the house: imports go down between rooms and between the wings of a room, in no circle; every folder ships."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOOR = {"kernels": 0, "lake": 1, "mechanisms": 1, "catalog": 2, "ingest": 3, "query": 3}
# Wings from the ground up; those in one tuple do not know each other. A name is a folder or a module of the room.
WINGS: dict[str, list[tuple[str, ...]]] = {
    "lake": [
        ("errors",),
        ("console", "digest", "extras", "moved", "names", "provenance", "threads"),
        ("storage",),
        ("objects",),
        ("nodes",),
        ("history",),
        ("drafts",),
        ("data",),
        ("snapshot", "transaction"),
        ("versions",),
        ("upkeep",),
        ("core",),
        ("opened",),
        ("commands",),
    ],
    "kernels": [
        ("places",),
        ("compiled",),
        ("jit",),
        ("checks", "draws"),
        ("bins", "grid", "heaps"),
        ("nearby",),
        ("activity", "coding", "glia", "lfp", "network", "points", "shapes", "traces", "trains", "vessels"),
    ],
    "mechanisms": [
        ("errors",),
        ("entries", "hoc_text", "library"),
        ("cell",),
        ("anatomy", "demo", "input"),
        ("trial",),
        ("live",),
        ("network",),
        ("stimuli", "templates"),
    ],
    "catalog": [
        ("answers", "nearest", "pruning", "vocabulary"),
        ("node_sets", "schema"),
        ("httpfs", "tables", "traces"),
        ("build", "connection", "filesystem", "joins"),
        ("views",),
        ("attaching",),
    ],
    "ingest": [
        ("outgoing", "source"),
        ("hdf5", "spatial", "text", "workers"),
        ("circuits", "synthesis", "trials"),
        ("simrun", "sonata"),
        ("lfp", "neuroh5", "ngv"),
        ("building",),
        ("contacts", "glia"),
        ("formats", "records", "runs"),
        ("wiring",),
        ("networks",),
        ("sweeps",),
        ("builds", "demo", "door"),
        ("commands",),
    ],
    "query": [
        ("finding", "plain", "prefetch", "waiting"),
        ("views",),
        ("arrays",),
        ("base",),
        ("located", "noun"),
        ("derive",),
        ("glia",),
        ("circuits", "trials"),
        ("models",),
        ("isf", "plots"),
        ("lfp",),
        ("lake",),
        ("animations",),
        ("notebooks", "serving"),
        ("opening", "prompt"),
        ("commands",),
    ],
}
FILES = {
    str(file.relative_to(ROOT)): file.read_text() for room in FLOOR for file in (ROOT / room).rglob("*.py")
}
TREES = {path: ast.parse(text) for path, text in FILES.items()}


def imported(path: str, tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Files of the package that a file imports, wherever in it, and whether only for types."""
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            places = (
                "/".join(parts) + end
                for parts in ([*base, alias.name], base)
                for end in (".py", "/__init__.py")
            )
            target = next((place for place in places if place in FILES), path)
            if target != path:
                yield target, id(node) in typing


def wing_of(path: str) -> tuple[str, str]:
    """Room and wing of a file; a module of the room itself is a wing of its own."""
    room, second = path.split("/")[:2]
    return room, second.removesuffix(".py")


def rank(room: str, wing: str) -> int:
    return next((at for at, wings in enumerate(WINGS[room]) if wing in wings), -1)


def upward(path: str, tree: ast.AST) -> list[str]:
    """Files that *path* imports although they do not stand below it."""
    room, wing = wing_of(path)
    found = []
    for target, _ in imported(path, tree):
        other, there = wing_of(target)
        if other != room:
            goes_down = FLOOR[other] < FLOOR[room]
        elif "__init__" in (wing, there) or wing == there:
            # The face of a wing is for those above: it imports when it is asked, which may close a circle unseen.
            goes_down = "__init__" in wing or not target.endswith("/__init__.py")
        else:
            goes_down = rank(room, there) < rank(room, wing) and not target.endswith("/__init__.py")
        if not goes_down:
            found.append(target)
    return found


def test_imports_go_down() -> None:
    assert {path: found for path, tree in TREES.items() if (found := upward(path, tree))} == {}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("lake/core.py", "def f():\n    from ..query import lake"),
        ("lake/objects/packs.py", "from ..nodes.entry import Entry"),
        ("query/trials/spikes.py", "from ..circuits import reports"),
        ("query/trials/spikes.py", "from . import psth"),
        ("ingest/simrun/text.py", "if True:\n    from ...query.plain import plain"),
    ],
)
def test_the_import_rule_sees_a_violation(path: str, line: str) -> None:
    assert upward(path, ast.parse(line))


def test_imports_within_the_package_are_relative() -> None:
    """Absolute names are for tests and users; ruff's rule for it would ask what the folder of the clone is called."""
    absolute = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and str(node.module).split(".")[0] == "neurolake"
        )
        or (
            isinstance(node, ast.Import)
            and any(alias.name.split(".")[0] == "neurolake" for alias in node.names)
        )
    ]
    assert absolute == []


def test_wings_are_those_of_the_tree() -> None:
    for room, order in WINGS.items():
        named = [wing for wings in order for wing in wings]
        assert sorted(named) == sorted(
            {wing_of(path)[1] for path in FILES if wing_of(path)[0] == room} - {"__init__"}
        )


def test_no_circle() -> None:
    """Imports within functions count; imports for types alone do not."""
    state: dict[str, int] = {}

    def visit(path: str, trail: tuple[str, ...]) -> None:
        assert state.get(path) != 1, " -> ".join((*trail, path))
        if path not in state:
            state[path] = 1
            for target, typing in imported(path, TREES[path]):
                if not typing:
                    visit(target, (*trail, path))
            state[path] = 2

    for path in sorted(FILES):
        visit(path, ())


def test_every_package_is_listed() -> None:
    """What is not listed is there in an editable install, and missing from the wheel."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.rsplit("/", 1)[0] for path in FILES}
    assert listed == sorted(
        ["neurolake", *(".".join(("neurolake", *folder.split("/"))) for folder in folders)]
    )
    assert {folder for folder in folders if f"{folder}/__init__.py" not in FILES} == set()


def lines_of_code(text: str) -> int:
    """Lines without docstrings: what documents a function does not make its file larger."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [
        node.body[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    ]
    return len(text.splitlines()) - sum((doc.end_lineno or 0) - doc.lineno + 1 for doc in docs)


def test_folders_and_files_stay_small() -> None:
    assert {path for path in FILES if path.count("/") > 2} == set(), "a room has wings, a wing has files"
    sizes = Counter(path.rsplit("/", 1)[0] for path in FILES)
    assert {folder: size for folder, size in sizes.items() if size > 16} == {}
    face = {name: (ROOT / name).read_text() for name in ("__init__.py", "cli.py")}
    assert {path for path, text in (FILES | face).items() if lines_of_code(text) > 500} == set()


def test_private_names_stay_in_their_wing() -> None:
    foreign = {
        path: alias.name
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level > 1
        for alias in node.names
        if alias.name.startswith("_")
    }
    assert foreign == {}


def test_root_holds_only_the_face() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


def test_faces_of_wings_offer_what_is_there() -> None:
    for stub in sorted(stub for room in FLOOR for stub in (ROOT / room).rglob("__init__.pyi")):
        face = import_module(".".join(("neurolake", *stub.parent.relative_to(ROOT).parts)))
        assert all(getattr(face, name).__doc__ for name in face.__all__)
        # A module of the same name would take the place of the function once it is imported.
        assert {file.stem for file in stub.parent.glob("*.py")}.isdisjoint(face.__all__), stub


# A class of a room extends that of the room below it, and bears its name.
EXTENDED = {"Array", "Lake", "Snapshot", "Table"}
# Names that two wings use for a thing of their own; there must be no more of them.
KNOWN = {"Cell", "Groups", "Piece", "Recording"}


def test_a_class_has_a_name_of_its_own() -> None:
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} - EXTENDED - KNOWN == set()
