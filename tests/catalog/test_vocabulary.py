"""What a lake may hold is described once, and lakes hold what is described."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lake_vocabulary import strangers

from neurolake.catalog.schema import DESCRIPTIONS
from neurolake.catalog.vocabulary import circuits, glia, reports, runs, space, sweeps, trials
from neurolake.catalog.vocabulary.kinds import Kind, TableKind
from neurolake.catalog.vocabulary.known import SECTIONS, kinds_of
from neurolake.catalog.vocabulary.page import page
from neurolake.kernels.lfp.electrodes import TYPES
from neurolake.lake.errors import NodeNameError
from neurolake.query.isf import frames

ROOT = Path(__file__).parents[2]
KINDS = [kind for _, kinds in SECTIONS.values() for kind in kinds]


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/data.md").read_text(encoding="utf-8") == page(), "run: make docs"


def test_every_kind_is_listed() -> None:
    defined = [
        kind
        for module in (circuits, glia, reports, runs, space, sweeps, trials)
        for kind in vars(module).values()
        if isinstance(kind, Kind)
    ]
    assert {id(kind) for kind in defined} == {id(kind) for kind in KINDS}


def test_everything_is_documented() -> None:
    for kind in KINDS:
        assert kind.doc
        if isinstance(kind, TableKind):
            assert all(kind.meanings.values()), kind.name
            assert set(kind.sorted_by) <= set(kind.schema.names)


def test_names_are_made_and_read() -> None:
    assert circuits.NODES.of(circuit="ring", population="cells") == "nodes/ring/cells"
    assert circuits.NODES.parts("nodes/ring/cells") == {"circuit": "ring", "population": "cells"}
    assert circuits.NODES.parts("nodes/ring") is None and circuits.NODES.parts("nodes/a/b/c") is None
    assert runs.SECTIONS.parts("sections/2026/run") == {"run": "2026/run"}
    assert runs.REPORT.parts("reports/a/b/000001/v") == {"run": "a/b", "trial": "000001", "variable": "v"}
    assert reports.ELEMENTS.beside("reports/a/b/c") == "reports/a/b/c.elements"
    assert trials.VOLTAGE.folder == "voltage/" and trials.VOLTAGE_TIME.ending == ".time"
    with pytest.raises(KeyError):
        circuits.NODES.of(circuit="ring")
    assert next(kinds_of("voltage/a b.time", "array")) is trials.VOLTAGE_TIME
    assert list(kinds_of("mine", "table")) == []


def test_a_column_means_one_thing_wherever_it_is_described() -> None:
    """The catalog describes trials, parameters and files for lakes that have none."""
    for kind in (trials.TRIALS, trials.PARAMETERS, trials.FILES):
        columns = DESCRIPTIONS[kind.name].columns
        assert {column.name: (column.meaning, column.unit) for column in columns} == {
            name: (meaning, kind.units[name]) for name, meaning in kind.meanings.items()
        }


def test_electrodes_name_every_way_of_recording() -> None:
    assert all(name in space.ELECTRODES.meanings["type"] for name in TYPES)


# Lakes hold what is described


def test_ingested_trials(simrun_lake: Any) -> None:
    assert list(strangers(simrun_lake)) == []


# Literals


def literals(room: str) -> Iterator[tuple[str, str]]:
    """Texts by which the code of a room names nodes: parts of names, and keys of a snapshot's mappings; with their file."""
    parts = {part for kind in KINDS for part in (kind.ending, kind.folder) if part}
    names = {kind.name for kind in KINDS if "{" not in kind.name}
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            keys: list[ast.expr] = []
            if isinstance(node, ast.Subscript) and _holds_nodes(node.value):
                keys = [node.slice]
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
                keys = [node.left] if _holds_nodes(node.comparators[0]) else []
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
            ):
                keys = node.args[:1] if _holds_nodes(node.func.value) else []
            elif isinstance(node, ast.Call) and _called(node) in ("Result", "tables_read"):
                keys = [key for given in node.args for key in (getattr(given, "elts", None) or [given])]
            elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
                keys = node.iter.elts if _mentions_nodes(node) else []
            elif isinstance(node, ast.Dict):
                # What maps columns of tables by the table's name.
                maps = [isinstance(value, ast.Dict) for value in node.values]
                keys = [key for key, is_map in zip(node.keys, maps, strict=True) if key and is_map]
            elif isinstance(node, ast.Constant) and node.value in parts:
                yield str(path.relative_to(ROOT)), node.value
            for key in keys:
                if isinstance(key, ast.Constant) and key.value in names:
                    yield str(path.relative_to(ROOT)), key.value


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _mentions_nodes(tree: ast.AST) -> bool:
    return any(_holds_nodes(node) for node in ast.walk(tree) if isinstance(node, ast.expr))


def columns_read() -> Iterator[tuple[str, str]]:
    """Columns that conditions of query's code name, with their file."""
    for path in sorted((ROOT / "query").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) == "field" and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield str(path.relative_to(ROOT)), name.value


def test_columns_that_queries_name_are_described() -> None:
    """Conditions of code name columns by literals, and so do the frames of ISF; a renamed column would read nothing."""
    described = {name for kind in KINDS if isinstance(kind, TableKind) for name in kind.schema.names}
    named = set(columns_read())
    assert len(named) >= 4
    assert {pair for pair in named if pair[1] not in described} == set()
    tables = {kind.name: kind for kind in trials.TABLES}
    for table, columns in frames._COLUMNS.items():
        assert set(columns.values()) <= set(tables[table].schema.names), table


def _holds_nodes(value: ast.expr) -> bool:
    return isinstance(value, ast.Attribute) and value.attr in ("tables", "arrays", "tree", "drafts", "small")


@pytest.mark.parametrize("room", ["ingest", "query"])
def test_nodes_are_named_by_the_vocabulary(room: str) -> None:
    """What two rooms mean is written down once, below both."""
    # SONATA's files and configurations have parts of the same names; those are the format's.
    elsewhere = (
        "ingest/sonata/canonical.py",
        "ingest/sonata/config.py",
        "ingest/sonata/electrodes.py",
        "ingest/lfp/weights.py",
    )
    assert {pair for pair in literals(room) if not pair[0].startswith(elsewhere)} == set()


def test_a_name_that_was_made_of_parts_tells_them_again() -> None:
    kind = circuits.NODES
    parts = {"circuit": "a.b c", "population": "cells"}
    assert kind.parts(kind.of(**parts)) == parts
    for part in parts:
        with pytest.raises(NodeNameError, match=f"{part} 'x/y' is one part of a node's name"):
            kind.of(**parts | {part: "x/y"})
