"""The SQL prompt, with keys typed by a program."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import neurolake as nl
from neurolake.query.lake import Snapshot
from neurolake.query.prompt import Names, ask


@pytest.fixture
def snapshot(tmp_path: object) -> Snapshot:
    lake = nl.create(f"{tmp_path}/lake")
    with lake.transaction("tables") as tx:
        tx.write_table("trials", pa.table({"trial_id": [0, 1], "stimulus": ["C2", "D1"]}))
        tx.write_table("my/latency", pa.table({"latency": [1.5]}))
    return lake.head


@pytest.fixture
def typed(
    snapshot: Snapshot, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> Iterator[Callable[[str], tuple[str, str]]]:
    monkeypatch.setenv("NEUROLAKE_CACHE", f"{tmp_path}/cache")
    with create_pipe_input() as keys:

        def type_in(text: str) -> tuple[str, str]:
            keys.send_text(text)
            ask(snapshot, keys=keys, screen=DummyOutput())
            return capfd.readouterr()

        yield type_in


def test_answers_and_says_how_long_they_took(typed: Callable[[str], tuple[str, str]]) -> None:
    out, err = typed("select stimulus\rfrom trials where trial_id = 1;\r\\q\r")
    assert "D1" in out and "C2" not in out and " ms\n" in out and not err


def test_lists_tables(typed: Callable[[str], tuple[str, str]]) -> None:
    out, _ = typed("\\d\r\\q\r")
    assert "trials" in out and "my/latency" in out


def test_goes_on_after_a_wrong_question_and_an_interrupt(typed: Callable[[str], tuple[str, str]]) -> None:
    out, err = typed("select nothing_like_it from trials;\rselect 1 as begun\x03select 41 + 1 as sum;\r\x04")
    assert "nothing_like_it" in err and "42" in out and "begun" not in out


def test_remembers_what_was_asked(
    typed: Callable[[str], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("select 40 + 2 as first;\r\\q\r")
    out, _ = typed("\x1b[A\x1b[A\r\\q\r")  # two up: over \q
    assert "42" in out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from tri", {"trials"}),
        ("select * from my", {'"my/latency"'}),
        ("select trials.st", {"stimulus"}),
        ("from trials select tr", {"trial_id"}),
    ],
)
def test_completes_names(snapshot: Snapshot, text: str, expected: set[str]) -> None:
    found = {one.text for one in Names(snapshot).get_completions(Document(text), CompleteEvent())}
    assert expected <= found


def test_offers_columns_of_the_tables_that_are_named(snapshot: Snapshot) -> None:
    document = Document("select  from trials", cursor_position=7)
    found = {one.text for one in Names(snapshot).get_completions(document, CompleteEvent())}
    assert "stimulus" in found and "latency" not in found and "select" in found
