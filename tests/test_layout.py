"""The rules of the house that no other tool holds: imports go down, and every folder ships."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOOR = {"lake": 1, "kernels": 1, "mechanisms": 1, "catalog": 2, "ingest": 3, "query": 3}
MODULES = sorted(file for room in FLOOR for file in (ROOT / room).rglob("*.py"))


def rooms_imported(source: str, depth: int) -> Iterator[str]:
    """Rooms reached by relative imports of a module *depth* folders below the root, wherever they stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
            targets = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (target.split(".")[0] for target in targets)


@pytest.mark.parametrize("module", MODULES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down(module: Path) -> None:
    room = module.relative_to(ROOT).parts[0]
    depth = len(module.relative_to(ROOT).parts) - 1
    for other in set(rooms_imported(module.read_text(), depth)) - {room}:
        assert FLOOR[other] < FLOOR[room], (
            f"{room} (floor {FLOOR[room]}) imports {other} (floor {FLOOR[other]})"
        )


def test_the_import_rule_sees_a_violation() -> None:
    planted = "def f():\n    from ..query import plots\n    from .. import ingest\n"
    assert set(rooms_imported(planted, depth=1)) == {"query", "ingest"}


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert listed == sorted(["neurolake", *(f"neurolake.{room}" for room in FLOOR)])
    assert all((ROOT / room / "__init__.py").is_file() for room in FLOOR)


def test_rooms_have_no_inner_folders() -> None:
    inner = [
        init for room in FLOOR for init in (ROOT / room).rglob("__init__.py") if init.parent.parent != ROOT
    ]
    assert inner == []


def test_root_holds_only_the_face() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "cli.py"}


def test_modules_stay_small() -> None:
    long = {
        str(file.relative_to(ROOT))
        for file in [*MODULES, ROOT / "cli.py"]
        if len(file.read_text().splitlines()) > 500
    }
    assert long == set()
