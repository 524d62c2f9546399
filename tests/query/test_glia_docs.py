"""docs/ngv.md: its questions, its code and its figures run as they stand, on a circuit of which every number is known."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_glia import CELLS, SmallGlia, write_small_glia
from typer.testing import CliRunner

import neurolake as nl
from neurolake.cli import app

GUIDE = (Path(__file__).parents[2] / "docs" / "ngv.md").read_text(encoding="utf-8")


def chapter(heading: str) -> str:
    """Text of a chapter, up to the next one."""
    return GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(heading: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", chapter(heading), re.MULTILINE | re.DOTALL)


QUESTIONS = blocks("Questions in SQL", "sql")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guide")


@pytest.fixture(scope="module")
def written(folder: Path) -> tuple[Any, SmallGlia]:
    lake = nl.create(folder / "my-lake", durable=False)
    write_small_glia(lake, "other", seed=4)
    made = write_small_glia(lake, "example")
    with lake.transaction("Write spikes") as tx:
        chance = np.random.default_rng(0)
        columns = {"node_id": chance.integers(0, 5, 200), "time": chance.uniform(0, 200, 200)}
        tx.write_table("spikes/example/neurons", pa.table(columns))
    return lake, made


@pytest.mark.parametrize("query", QUESTIONS, ids=lambda query: query.split("from ")[0][:40])
def test_the_questions_have_answers(written: tuple[Any, SmallGlia], query: str) -> None:
    rows = written[0].sql(query).fetchall()
    assert rows and all(value is not None for value in rows[0])


def answer(lake: Any, start: str) -> Any:
    """The answer to the question whose SQL, on one line, begins so."""
    (query,) = [each for each in QUESTIONS if re.sub(r"\s+", " ", each).startswith(start)]
    return lake.sql(query).df()


def test_answers_are_those_of_what_was_written(written: tuple[Any, SmallGlia]) -> None:
    lake, made = written
    feet = np.bincount(np.bincount(made.endfeet[:, 0], minlength=CELLS))
    found = answer(lake, "select endfeet")
    assert dict(zip(found["endfeet"], found["astrocytes"], strict=True)) == {
        k: n for k, n in enumerate(feet) if n
    }
    times = np.bincount(np.bincount(made.neuroglial[:, 2], minlength=300))
    assert (
        answer(lake, "select domains, count(*) as synapses")["synapses"].tolist() == times[times > 0].tolist()
    )
    coverage = answer(lake, "with feet")
    by_method = nl.circuit(lake, "example").vasculature.coverage()
    np.testing.assert_allclose(coverage["coverage"], by_method["coverage"])
    hops = answer(lake, "with recursive")
    by_method = nl.circuit(lake, "example").astrocytes.syncytium.hops(4, most=2)
    assert hops["node_id"].tolist() == by_method["node_id"].tolist()
    assert hops["hops"].tolist() == by_method["hops"].tolist()
    box = answer(lake, "select 'vessels'").set_index("what")
    inside = nl.circuit(lake, "example").atlas.within([0, 0, 0], [50, 50, 50]).set_index("entity")
    assert box.loc["vessels", "length"] == pytest.approx(inside.loc["vasculature", "length"])
    assert box.loc["astrocytes", "n"] == inside.loc["astrocytes", "count"]
    assert answer(lake, "select count(*) as twice")["twice"].tolist() == [0]


def test_the_code_runs(written: tuple[Any, SmallGlia], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in blocks("Questions in Python", "python"):
        exec(compile(block, "docs/ngv.md", "exec"), names)
    assert (folder / "domain.stl").stat().st_size == 84 + 12 * 50
    assert len(names["cells"]) == CELLS


def test_the_figures_are_drawn(
    written: tuple[Any, SmallGlia], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    for line in "".join(blocks("Figures", "console")).splitlines():
        words = shlex.split(line)
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}"
        assert Path(words[-1]).stat().st_size > 5000


def test_what_stands_beside_archngv_is_there(written: tuple[Any, SmallGlia]) -> None:
    """Names in the table of classes are names of ours."""
    circuit = nl.circuit(written[0], "example")
    named = set(re.findall(r"`circuit((?:\.\w+)+)", chapter("ArchNGV's classes, beside this")))
    assert len(named) > 12
    for path in named:
        at: Any = circuit
        for name in path[1:].split("."):
            at = getattr(at, name)
