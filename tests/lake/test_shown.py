"""What things say of themselves: right counts, escaped names, nothing from outside, and never an error."""

import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import neurolake
from neurolake.lake.history.diff import Changes
from neurolake.lake.history.log import Commits

NASTY = "<script>alert(1)</script>&\"'"


class Parsed(HTMLParser):
    """Tags and text of HTML whose every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        # Ours alone: nothing of a lake becomes an attribute.
        assert set(attrs) <= {("class", "neurolake"), ("class", "n"), ("open", None)}
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    made = neurolake.create(tmp_path / "lake", durable=False)
    with made.transaction(NASTY, author=NASTY) as tx:
        attributes = {"units": NASTY}
        tx.write_array(
            "a", np.random.default_rng(0).random((9, 8)), dimension_names=["t", "x"], attributes=attributes
        )
        tx.write_table("t", pa.table({"n": [1, 2], "<b>": [1.0, 2.0]}), doc=NASTY)
    with made.transaction("second") as tx:
        tx.append_table("t", pa.table({"n": [3], "<b>": [3.0]}))
    made.tags.create("v1", "main")
    made.derive(rows, "t")
    return made


def rows(table: Any) -> int:
    return int(table.rows)


def things(lake: Any) -> dict[str, Any]:
    tx = lake.transaction("change")
    tx.write_array("new", np.arange(3))
    tx.append_table("t", pa.table({"n": [4], "<b>": [4.0]}))
    tx.delete("a")
    return {
        "lake": lake,
        "snapshot": lake.head,
        "array": lake["a"],
        "table": lake["t"],
        "commit": lake.head.commit,
        "log": lake.log(),
        "diff": lake.diff("main~2"),
        "transaction": tx,
        "status": lake.status(),
        "derived": lake.derived()[0],
        "refreshed": lake.refresh(),
        "verified": lake.verify(),
    }


def test_html_is_escaped_small_and_closed(lake: Any) -> None:
    for name, thing in things(lake).items():
        html = Parsed(thing._repr_html_())
        known = {
            "div",
            "strong",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "p",
            "details",
            "summary",
            "style",
        }
        assert set(html.tags) <= known, name
        assert html.tags[:2] == ["div", "strong"] and len(thing._repr_html_()) < 20_000
        assert not repr(thing).startswith(f"<{type(thing).__name__} that cannot be read"), name
    assert NASTY in Parsed(lake.head._repr_html_()).text or NASTY in Parsed(lake.log()._repr_html_()).text
    assert NASTY in Parsed(lake["t"]._repr_html_()).text and NASTY in Parsed(lake["a"]._repr_html_()).text


def test_what_they_say(lake: Any) -> None:
    said = {name: repr(thing) for name, thing in things(lake).items()}
    assert "2 changed" not in said["diff"] and "added" in said["diff"] and "+1 rows" in said["transaction"]
    assert said["transaction"].startswith("<Transaction on main, 'change': <1 added, 1 changed, 1 removed>")
    assert said["log"].startswith("<4 commits>\n") and "second" in said["log"]
    assert said["array"] == "<Array 'a': (9, 8) of float64, chunks (9, 8)>"
    assert "up to date" in said["derived"] and "all sound" in said["verified"]
    assert isinstance(lake.log(), Commits) and isinstance(lake.diff("main~1"), Changes)
    assert lake.log() == list(lake.log()) and lake.diff("main", "main") == []
    status = lake.status()
    assert status.nodes == {"array": 1, "table": 1, "file": 1} and status.condemned == 0
    assert status.branches["main"] == lake.head.commit == lake.log()[0]
    assert status.tags["v1"] == lake.at("v1").commit


def test_stale(lake: Any) -> None:
    with lake.transaction("one more") as tx:
        tx.append_table("t", pa.table({"n": [5], "<b>": [5.0]}))
    assert "stale, for t changed" in repr(lake.derived()[0])
    assert repr(lake.refresh(dry_run=True)).startswith("<Refreshed 1, left 0>")


def test_many_rows_are_cut(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("many") as tx:
        for n in range(500):
            tx.put_file(f"f{n:03}", b"x")
    html = Parsed(lake.head._repr_html_())
    assert html.tags.count("tr") < 60 and "and 450 more" in html.text


def test_a_lake_that_is_gone_raises_nothing(lake: Any) -> None:
    held, path = things(lake), Path(lake.url)
    fresh = neurolake.open(path)
    shutil.rmtree(path)
    for thing in (*held.values(), fresh):
        assert repr(thing) and Parsed(thing._repr_html_()).text
    assert "cannot be read: NotFoundError" in repr(fresh)


def test_damage_raises_nothing(lake: Any) -> None:
    for record in (Path(lake.url) / "log" / "main").iterdir():
        record.write_bytes(b"damaged")
    fresh = neurolake.open(lake.url)
    assert "cannot be read: CorruptObjectError" in repr(fresh)
    assert Parsed(fresh._repr_html_()).text
