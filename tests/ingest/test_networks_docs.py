"""docs/networks.md: its commands, its code and its questions run as they stand."""

import contextlib
import re
from pathlib import Path

import pytest
from printed import blocks, run_commands

import neurolake as nl
from neurolake.ingest.building.reading import network_configuration
from neurolake.ingest.demo import write_demo_network
from neurolake.ingest.text.included import Configuration

GUIDE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands of the page were run."""
    folder = tmp_path_factory.mktemp("guide")
    with contextlib.chdir(folder):
        run_commands(blocks(GUIDE, "console"))
    return folder


def test_the_code_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for block in blocks(GUIDE, "python"):
        exec(compile(block, "docs/networks.md", "exec"), names)
    built, tree = names["built"], names["tree"]
    assert built.commit is None  # type: ignore[attr-defined]
    assert len(tree) > 100  # type: ignore[arg-type]


@pytest.mark.parametrize("query", blocks(GUIDE, "sql"), ids=lambda query: query.split(" from ")[0][:40])
def test_the_questions_have_answers(folder: Path, query: str) -> None:
    rows = nl.open(folder / "my-lake").head.sql(query).fetchall()
    assert rows and all(value is not None for value in rows[0])


def test_questions_and_methods_agree(folder: Path) -> None:
    net = nl.circuit(folder / "my-lake", "example")
    asked = {re.sub(r"\s+", " ", query): query for query in blocks(GUIDE, "sql")}
    pairs = next(query for query in asked.values() if "pairs" in query)
    assert net.snapshot.sql(pairs).fetchall()[0][0] == net.projections["PYR__PYR"].motifs()["both"]
    shared = next(query for query in asked.values() if "intersect" in query)
    found = net.projections["STIM__PYR"].shared_inputs().set_index(["first", "second"])["shared"]
    assert net.snapshot.sql(shared).fetchall()[0][0] == found[0, 1]
    degrees = next(query for query in asked.values() if "in_degree" in query)
    expected = net.projections["STIM__PYR"].degrees().head(5)
    assert net.snapshot.sql(degrees).fetchall() == [tuple(row) for row in expected.to_numpy().tolist()]


def test_every_key_of_the_example_is_described(tmp_path: Path) -> None:
    found = network_configuration(Configuration.read(write_demo_network(tmp_path / "files")))
    keys = {str(part) for place in found.configuration.places for part in place if isinstance(part, str)}
    names = {*found.definitions.populations, *found.definitions.layers, "A", "Diag", "namespace", "attribute"}
    sections = {*found.definitions.swc_types, *found.definitions.synapse_types}
    undescribed = {key for key in keys - names - sections if key not in GUIDE}
    assert undescribed == set()
