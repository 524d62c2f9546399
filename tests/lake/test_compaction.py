"""Compaction: fewer files, the same content in the same order, beside other writers."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from neurolake.lake import Lake
from neurolake.lake.errors import ConflictError, NotFoundError
from neurolake.lake.history.log import Log
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.upkeep.compaction import MANY

RNG = np.random.default_rng(3)
SCHEMA = pa.schema(
    [
        pa.field("time", pa.float64(), metadata={"unit": "ms"}),
        pa.field("cell", pa.int32(), metadata={"doc": "which"}),
        pa.field("kind", pa.string()),
    ]
)


def rows(first: int, count: int) -> pa.Table:
    times = np.arange(first, first + count, dtype=float) + 0.5
    return pa.table([times, (times % 7).astype(np.int32), pa.array(["a", "b"] * count)[:count]], SCHEMA)


def append(lake: Lake, first: int, count: int, name: str = "t") -> None:
    with lake.transaction(f"append {first}") as tx:
        tx.append_table(name, rows(first, count), sorted_by=["time"], doc="spikes")


def counts(lake: Lake, name: str = "t") -> list[int]:
    return [entry.stats["rows"] for entry in lake.head.tables[name].files]


@pytest.fixture
def table(lake: Lake) -> Lake:
    """A table of 20 files of 10 rows each."""
    for first in range(0, 200, 10):
        append(lake, first, 10)
    return lake


class TestTables:
    def test_join(self, table: Lake) -> None:
        before = table.head
        done = table.compact(target_rows=50)
        assert dict(done.joined) == {"t": (20, 5)} and done.repacked == 0
        assert counts(table) == [50, 50, 50, 40, 10]
        after = table.head.tables["t"]
        assert after.to_arrow() == before["t"].to_arrow() == rows(0, 200)
        assert (after.fields, after.sorted_by, after.doc) == (before["t"].fields, ["time"], "spikes")
        assert after.fields[0]["doc"] == {"unit": "ms"} and not after.evolved
        assert after.files[0].stats["columns"]["time"] == [0.5, 49.5, 0]
        assert table.at("main~1")["t"].to_arrow() == rows(0, 200) and table.verify()

    def test_again_does_nothing(self, table: Lake) -> None:
        table.compact(target_rows=50)
        records = len(table.log())
        done = table.compact(target_rows=50)
        assert done.commits == () and not done.joined and len(table.log()) == records

    def test_large_files_stay(self, lake: Lake) -> None:
        for first, count in ((0, 100), (100, 5), (105, 5), (110, 60), (170, 5), (175, 5), (180, 5)):
            append(lake, first, count)
        files = lake.head.tables["t"].files
        lake.compact(target_rows=100)
        assert counts(lake) == [100, 10, 60, 10, 5]
        after = lake.head.tables["t"].files
        assert [after[at].digest for at in (0, 2, 4)] == [files[at].digest for at in (0, 3, 6)]

    def test_columns_that_came_later(self, lake: Lake) -> None:
        for step in range(4):
            with lake.transaction("append") as tx:
                more = {"y": [f"{step}"]} if step else {}
                tx.append_table("t", pa.table({"x": [step], **more}))
        before = lake["t"].to_arrow()
        lake.compact()
        assert counts(lake) == [1, 2, 1] and lake["t"].to_arrow() == before

    def test_which(self, table: Lake) -> None:
        for first in range(3):
            append(table, first, 1, "other")
        table.compact(tables=["other"])
        assert counts(table, "other") == [2, 1] and len(counts(table)) == 20
        with pytest.raises(NotFoundError, match="no table 'x' to compact"):
            table.compact(tables=["x"])

    def test_another_branch(self, table: Lake) -> None:
        table.branches.create("side")
        table.compact(branch="side")
        assert len(counts(table)) == 20 and len(table.at("side").tables["t"].files) == 2
        append(table, 200, 10)
        assert table.merge("side") is not None
        assert counts(table) == [190, 10, 10] and table["t"].to_arrow() == rows(0, 210)


class TestRaces:
    def test_with_appends(self, table: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was appended meanwhile follows what was joined, and the table stays in order."""
        meanwhile(monkeypatch, lambda: append(table, 200, 10))
        table.compact()
        assert counts(table) == [190, 10, 10]
        assert table["t"].to_arrow() == rows(0, 210) and table["t"].sorted_by == ["time"]

    def test_appends_with_compaction(self, table: Lake) -> None:
        """The other way round: the compaction is there first."""
        tx = table.transaction("append")
        tx.append_table("t", rows(200, 10))
        table.compact()
        tx.commit()
        assert counts(table) == [190, 10, 10] and table["t"].to_arrow() == rows(0, 210)

    def test_with_an_overwrite(self, table: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        def overwrite() -> None:
            with table.transaction("overwrite") as tx:
                tx.write_table("t", rows(0, 3))

        meanwhile(monkeypatch, overwrite)
        with pytest.raises(ConflictError, match="t: both sides rewrote the same rows"):
            table.compact()
        assert table["t"].to_arrow() == rows(0, 3)

    def test_moving_with_other_commits(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        half_dead(lake)

        def write() -> None:
            with lake.transaction("meanwhile") as tx:
                tx.array("a")[1] = np.ones(100)
                tx.put_file("new", RNG.bytes(1000))

        expected = lake["a"][...]
        expected[1] = 1
        meanwhile(monkeypatch, write)
        assert lake.compact().repacked == 1
        assert np.array_equal(lake["a"][...], expected) and len(lake["new"]) == 1000
        assert lake.log()[0].snapshot == lake.log()[1].snapshot and lake.verify()


class TestPlaces:
    @pytest.mark.parametrize("chunks", [30, OVERLAY_SIZE + 30])
    def test_mostly_dead_packs(self, lake: Lake, chunks: int) -> None:
        first = half_dead(lake, chunks)
        before, digest = lake["a"][...], lake.head.tree["a"].digest
        done = lake.compact()
        (commit,) = done.commits
        assert done.repacked == 1 and commit.depth == 0 and commit.snapshot == lake.log()[1].snapshot
        lake = Lake.open(lake.url)
        assert first not in packs(lake) and lake.head.tree["a"].digest == digest
        assert np.array_equal(lake["a"][...], before) and lake.diff("main~1") == [] and lake.verify()
        assert lake.compact().commits == ()
        lake.expire(timedelta(0))
        assert f"packs/{first[:2]}/{first}.pack" in dict(lake.collect_garbage(grace=timedelta(0)).deleted)
        assert np.array_equal(Lake.open(lake.url)["a"][...], before) and lake.verify()

    def test_many_small_packs(self, lake: Lake) -> None:
        for step in range(MANY + 1):
            with lake.transaction("small") as tx:
                tx.put_file(f"f{step}", RNG.bytes(1000))
        before = {name: lake[name] for name in lake}
        assert len(packs(lake)) == MANY + 1
        assert lake.compact().repacked == MANY + 1 and len(packs(lake)) == 1
        assert {name: lake[name] for name in lake} == before and lake.compact().commits == ()

    def test_overlays_are_folded(self, lake: Lake) -> None:
        with lake.transaction("large") as tx:
            tx.write_array("a", RNG.random((OVERLAY_SIZE + 1, 100)), chunks=(1, 100))
        with lake.transaction("change") as tx:
            tx.array("a")[3] = 0
        before, snapshot = lake["a"][...], lake.head.commit.snapshot
        assert lake.head.tree["a"].entries.overlay
        lake.compact()
        lake = Lake.open(lake.url)
        assert not lake.head.tree["a"].entries.overlay and lake.head.commit.snapshot == snapshot
        assert np.array_equal(lake["a"][...], before)

    def test_a_small_lake_is_left_alone(self, lake: Lake) -> None:
        with lake.transaction("small") as tx:
            tx.write_array("a", RNG.random((10, 100)), chunks=(1, 100))
            tx.put_file("f", b"x")
        assert lake.compact().commits == () and len(lake.log()) == 2


def packs(lake: Lake) -> set[str]:
    places = [entry.place for node in lake.head.tree.values() for _, entry in node.entries.items()]
    return {place.pack for place in places if place.pack is not None}


def half_dead(lake: Lake, chunks: int = 30) -> str:
    """Array `a`, of whose first pack only every third chunk is alive; that pack."""
    with lake.transaction("write") as tx:
        tx.write_array("a", RNG.random((chunks, 100)), chunks=(1, 100))
    (pack,) = packs(lake)
    with lake.transaction("overwrite") as tx:
        for row in range(chunks):
            if row % 3:
                tx.array("a")[row] = RNG.random(100)
    assert Path(lake.url, f"packs/{pack[:2]}/{pack}.pack").is_file()
    return pack


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Do something just before the next record is made."""
    make = Log.append

    def late(self: Log, *args: Any) -> Any:
        monkeypatch.setattr(Log, "append", make)
        action()
        return make(self, *args)

    monkeypatch.setattr(Log, "append", late)
