"""A lake that the first release of version 2 of the format wrote is read for ever, by us and by a reader written from the page.

`make_format_v2` wrote it, and what it holds. As long as version 2 has not been released, it may be made anew.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from independent_reader import IndependentReader
from lake_contents import contents
from make_format_v1 import no_chance
from make_format_v2 import FOLDER, expected, make, rows

import neurolake as nl
from neurolake.lake import Lake

KNOWN: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def lake(tmp_path: Path) -> nl.Lake:
    """A copy: questions in SQL put files into the cache of a lake, and tests go on with it."""
    return nl.open(shutil.copytree(FOLDER / "lake", tmp_path / "lake"), verification="always")


def test_read() -> None:
    assert expected(Lake.open(FOLDER / "lake")) == KNOWN


def test_what_it_shows(lake: nl.Lake) -> None:
    places = [entry.place for entry in lake["rows"].files]
    assert sum(place.inline is not None for place in places) == 4
    assert len({place.pack for place in places if place.pack}) == 1
    assert lake.format == 2 and lake["rows"].evolved and not list(Path(lake.url).rglob("*.parquet"))


def test_read_by_the_page() -> None:
    reader = IndependentReader(FOLDER / "lake")
    nodes = reader.tree(reader.newest("log", "main"))
    assert reader.value(nodes["other"]) == {"x": [1.5, None]}
    assert reader.value(nodes["rows"])["n"] == [row["n"] for row in KNOWN["rows"]]


def test_sql(lake: nl.Lake) -> None:
    found = lake.sql("select n, text, list, more from rows where n >= 9").fetchall()
    assert found == [(row["n"], row["text"], row["list"], row["more"]) for row in KNOWN["rows"][9:]]
    assert lake.sql("select x from other").fetchall() == [(1.5,), (None,)]


def test_verify_and_go_on(lake: nl.Lake) -> None:
    assert not lake.verify().damages
    with lake.transaction("more") as tx:
        tx.append_table("rows", rows(99))
    assert [row["n"] for row in contents(Lake.open(lake.url).head)["rows"]][-2:] == [35, 99]
    assert lake.compact().joined and lake["rows"].rows == len(KNOWN["rows"]) + 1


def test_written_again(tmp_path: Path) -> None:
    """Today's writer makes the same content of the same steps."""
    with no_chance():
        assert expected(make(tmp_path / "lake")) == KNOWN
