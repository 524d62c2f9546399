"""Lakes in notebooks: reprs, widgets, the cell magic, and the notebooks of the documentation, run to their end."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient
from served_lakes import HOSTILE, add_activations, add_circuit, add_network_run, add_recorded_cell

import neurolake as nl
from neurolake.lake.errors import InputError, QueryError
from neurolake.query.lake import Lake
from neurolake.query.notebooks.magic import ask

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = nl.create(tmp_path_factory.mktemp("notebooks") / "lake", durable=False)
    add_recorded_cell(made)
    add_activations(made, 0)
    with made.transaction(HOSTILE, author=HOSTILE) as tx:
        tx.write_table("odd", pa.table({HOSTILE: [HOSTILE, None], "x": [1.5, 0.1 + 0.2]}))
    return made


class Shell:
    """What the magic needs of a notebook's shell."""

    def __init__(self, **variables: Any) -> None:
        self.user_ns = variables


def run(cells: list[str], folder: Path) -> list[Any]:
    """Run cells in a kernel of their own; the outputs of each."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in book.cells]


def test_an_answer_is_a_table_with_types(lake: Lake) -> None:
    found = lake.sql("select * from odd")._repr_html_()
    root = ElementTree.fromstring(f"<div>{found.replace('<br>', '<br/>')}</div>")
    assert [cell.text for cell in root.iter("td")] == [HOSTILE, "1.5", None, "0.3"]
    assert [cell.text for cell in root.iter("small")] == ["VARCHAR", "DOUBLE"]
    many = lake.sql("select range as n from range(100)")._repr_html_()
    assert many.count("<tr>") == 21 and "the first 20 rows" in many
    with pytest.raises(QueryError):
        lake.sql("select error('no') from odd")._repr_html_()


def test_nouns_and_circuits_tell_what_they_have(tmp_path: Path) -> None:
    made = nl.create(tmp_path / "lake", durable=False)
    add_circuit(made)
    add_network_run(made)
    spikes = made.spikes._repr_html_()
    assert "psth(…)" in spikes and "in spike_times" in spikes
    circuit = nl.circuit(made, "c")
    assert repr(circuit).startswith("<Circuit 'c': nodes cells (3), vessels (2); edges cells__cells (3)")
    assert "<td>cells__cells</td><td>edges</td>" in circuit._repr_html_()
    assert "c</td>" in made.circuits._repr_html_()
    report = made.reports["reports/net/all v/A"]
    assert "0 to 4 ms" in report._repr_html_() and repr(report).startswith("<Report ")


def test_commits_are_a_picture(lake: Lake) -> None:
    lake.branches.create("side", "main~1")
    with lake.transaction("Beside", branch="side") as tx:
        tx.write_table("beside", pa.table({"n": [1]}))
    graph = lake.graph()
    assert [record.message for record in graph.commits][:1] == ["Beside"]
    assert sorted(set(graph.lanes)) == [0, 1]
    picture = ElementTree.fromstring(graph._repr_svg_())
    texts = ["".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert any("[side]" in text and "Beside" in text for text in texts)
    assert any(HOSTILE[:60] in text for text in texts)
    assert "* " in repr(graph) and "[main]" in repr(graph)


def test_lanes_of_a_merge(tmp_path: Path) -> None:
    lake = nl.create(tmp_path / "lake", durable=False)
    lake.branches.create("side")
    for branch in ("side", "main"):
        with lake.transaction(f"On {branch}", branch=branch) as tx:
            tx.write_table(branch, pa.table({"n": [1]}))
    lake.merge("side")
    graph = lake.graph()
    assert len(graph.commits) == 4
    assert graph.lanes[0] == 0 and sorted(graph.lanes[1:3]) == [0, 1] and graph.lanes[3] == 0


def test_widgets_hold_what_is_stored(lake: Lake) -> None:
    pytest.importorskip("anywidget")
    cell = nl.widget(lake, "cell", trial=0, synapses=True)
    assert cell.content["types"] == ["A", "B"] or set(cell.content["types"]) == {"A", "B"}
    assert cell.content["arrays"]["frames"]["shape"] == list(lake["reports/cell/000000/v"].shape)
    assert "WebGLRenderer" not in json.dumps(cell.content) and "loaded(" in cell._esm
    assert ".player" in cell.content["style"] and cell.content["sites"][0]["site"] == "soma"
    # Nothing is loaded from elsewhere, or by a path that a notebook would not know.
    for made in (cell, nl.widget(lake, "traces")):
        assert (
            re.findall(r"\b(?:from|import)\s*\(?[\"'](?!neurolake/)[./h]", made._esm.replace("\\", "")) == []
        )
        assert "fetch(" not in made._esm
    traces = nl.widget(lake, "traces", window=(2.0, 4.0))
    assert traces.content["labels"] == ["trial 0"]
    assert traces.content["arrays"]["values"]["shape"][0] == 1
    with pytest.raises(InputError, match="which trial"):
        nl.widget(lake, "cell")
    with pytest.raises(InputError, match="cell, traces"):
        nl.widget(lake, "pie")  # type: ignore[arg-type]


def test_the_magic_asks_a_lake(lake: Lake) -> None:
    shell = Shell(lake=lake, least=0.5)
    found = ask(shell, "lake --as answer", "select x from odd where x > $least")
    assert found.fetchall() == [(1.5,)] and shell.user_ns["answer"].fetchall() == [(1.5,)]
    assert ask(Shell(), lake.url, "select count(*) from odd").fetchall() == [(2,)]
    assert ask(
        Shell(), f"{lake.url} --at main~1", "select count(*) from nodes where name = 'odd'"
    ).fetchall() == [(0,)]
    with pytest.raises(InputError, match="say which lake"):
        ask(shell, "", "select 1")
    with pytest.raises(InputError, match="--at needs a value"):
        ask(shell, "lake --at", "select 1")


def test_a_bar_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    bar = nl.ProgressBar("Copying <b>")
    assert bar.part == 0.0
    for done in range(1, 5):
        bar(done, 4)
    assert bar.part == 1.0 and repr(bar) == "Copying <b>: 100%, done in 0 s"
    assert 'value="1.0000"' in bar._repr_html_() and "&lt;b&gt;" in bar._repr_html_()
    said = capsys.readouterr().err
    # What comes too soon after the last is left out, but for the end.
    assert said.startswith("\rCopying <b>: 25%") and said.endswith("100%, done in 0 s\x1b[K\n")
    assert "50%" not in said


def test_a_notebook_shows_all_of_it(lake: Lake, tmp_path: Path) -> None:
    place = str(lake.url)
    outputs = run(
        [
            f"import neurolake as nl\nlake = nl.open({place!r})\nlake",
            "%load_ext neurolake",
            "%%neurolake lake --as odd\nselect x from odd",
            "odd.fetchall()",
            "nl.widget(lake, 'cell', trial=0)",
            "lake.graph()",
            "bar = nl.ProgressBar('Working')\nfor done in range(3): bar(done, 2)",
            "try:\n    get_ipython().run_cell_magic('neurolake', 'lake', 'select y from odd')\nexcept Exception as error:\n    print(type(error).__name__, error)",
        ],
        tmp_path,
    )
    data = [[output.get("data", {}) for output in cell] for cell in outputs]
    assert "text/html" in data[0][0]
    assert "DOUBLE" in data[2][0]["text/html"]
    assert data[3][0]["text/plain"].startswith("[(1.5,)")
    assert "application/vnd.jupyter.widget-view+json" in data[4][-1]
    assert "<svg" in data[5][0]["image/svg+xml"]
    # One output that changed, not one for each step.
    assert len(data[6]) == 1 and 'value="1.0000"' in data[6][0]["text/html"]
    assert "UsageError" in outputs[7][0]["text"] and "odd" in outputs[7][0]["text"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebooks_of_the_documentation_run(path: Path, tmp_path: Path) -> None:
    book = nbformat.read(path, 4)
    assert all(not cell.get("outputs") for cell in book.cells)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert shown and not [output for output in shown if output.output_type == "error"]


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["electrodes", "introduction"]
