"""Three-way merges of branches, reverts and cherry-picks: what commutes is kept once, all else is a conflict."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_contents import Edit, commit, contents, rows

from neurolake.lake import Commit, Lake, Transaction
from neurolake.lake.errors import ConflictError, InputError
from neurolake.lake.history.log import Log, Pointer

NewLake = Callable[[str], Lake]


def xs(lake: Lake, ref: str = "main", name: str = "t") -> list[int]:
    found: list[int] = lake.at(ref)[name].to_arrow()["x"].to_pylist()
    return found


def build(tx: Transaction) -> None:
    tx.write_array("a", np.arange(8), chunks=(2,), attributes={"unit": "mV"})
    tx.write_array("grid", np.zeros((4, 4), "i8"), chunks=(2, 2))
    tx.write_array("scalar", np.array(1.5))
    tx.write_table("t", rows(1, 2), attributes={"unit": "ms"})
    tx.append_table("t", rows(3))
    tx.write_table("sorted", rows(1), sorted_by=["x"])
    tx.append_table("sorted", rows(2))
    for name in ("f", "g", "h"):
        tx.put_file(name, name.encode(), attributes={"n": 1})


@pytest.fixture
def parted(lake: Lake) -> Lake:
    """A lake whose branches main and side hold the same."""
    commit(lake, build)
    lake.branches.create("side")
    return lake


def append(name: str, *values: int) -> Edit:
    return lambda tx: tx.append_array(name, np.array(values))


def rewrite(name: str, **change: Any) -> Edit:
    def edit(tx: Transaction) -> None:
        array = tx.array(name)
        meta = {"chunks": (2,), "attributes": dict(array.attrs), **change}
        tx.write_array(name, array[...].astype(meta.pop("dtype", array.dtype)), **meta)

    return edit


def assign(name: str, where: Any, value: Any) -> Edit:
    return lambda tx: tx.array(name).__setitem__(where, value)


def describe(name: str, **attributes: Any) -> Edit:
    return lambda tx: tx.array(name).attrs.update(attributes)


def where(value: int) -> pds.Expression:
    return pds.field("x") == value


MERGED: Mapping[str, tuple[Edit, Edit, Mapping[str, Any]]] = {
    "disjoint nodes": (
        lambda tx: tx.put_file("f", b"new"),
        lambda tx: tx.delete("g"),
        {"f": b"new", "g": None},
    ),
    "new nodes": (
        lambda tx: tx.put_file("n1", b"1"),
        lambda tx: tx.write_table("n2", rows(1)),
        {"n1": b"1", "n2": [{"x": 1}]},
    ),
    "appends to a table": (
        lambda tx: tx.append_table("t", rows(4)),
        lambda tx: tx.append_table("t", rows(5)),
        {"t": [{"x": x} for x in (1, 2, 3, 4, 5)]},
    ),
    "an append and rows deleted": (
        lambda tx: tx.append_table("t", rows(4)),
        lambda tx: tx.delete_rows("t", where(1)),
        {"t": [{"x": x} for x in (2, 3, 4)]},
    ),
    "rows deleted and an append": (
        lambda tx: tx.delete_rows("t", where(3)),
        lambda tx: tx.append_table("t", rows(4)),
        {"t": [{"x": x} for x in (1, 2, 4)]},
    ),
    "rows of different files deleted": (
        lambda tx: tx.delete_rows("t", where(3)),
        lambda tx: tx.delete_rows("t", where(1)),
        {"t": [{"x": 2}]},
    ),
    "the same rows deleted": (
        lambda tx: tx.delete_rows("t", where(1)),
        lambda tx: tx.delete_rows("t", where(1)),
        {"t": [{"x": 2}, {"x": 3}]},
    ),
    "new columns": (
        lambda tx: tx.append_table("t", pa.table({"x": [4], "y": [0.5]})),
        lambda tx: tx.append_table("t", pa.table({"x": [5], "z": ["z"]})),
        {
            "t": [
                *({"x": x, "y": None, "z": None} for x in (1, 2, 3)),
                {"x": 4, "y": 0.5, "z": None},
                {"x": 5, "y": None, "z": "z"},
            ]
        },
    ),
    "appends in order": (
        lambda tx: tx.append_table("sorted", rows(3, 4)),
        lambda tx: tx.append_table("sorted", rows(4, 5)),
        {"sorted": [{"x": x} for x in (1, 2, 3, 4, 4, 5)]},
    ),
    "an append without rows": (
        lambda tx: tx.append_table("sorted", rows(3, 4)),
        lambda tx: tx.append_table("sorted", pa.table({"x": pa.array([None], pa.int64())})),
        {"sorted": [{"x": x} for x in (1, 2, 3, 4, None)]},
    ),
    "appends along the first axis": (
        append("a", 8, 9),
        append("a", 10, 11, 12),
        {"a": list(range(13))},
    ),
    "appends of equal length": (append("a", 8, 9), append("a", 10, 11), {"a": list(range(12))}),
    "disjoint chunks": (
        assign("a", slice(0, 2), -1),
        assign("a", slice(6, 8), -2),
        {"a": [-1, -1, 2, 3, 4, 5, -2, -2]},
    ),
    "a chunk and an append": (
        assign("a", 7, -1),
        append("a", 8),
        {"a": [0, 1, 2, 3, 4, 5, 6, -1, 8]},
    ),
    "chunks and attributes": (assign("a", 0, 9), describe("a", unit="V"), {"a": [9, 1, 2, 3, 4, 5, 6, 7]}),
    "chunks of two axes": (
        assign("grid", (slice(0, 2), slice(0, 2)), 1),
        assign("grid", (slice(2, 4), slice(0, 2)), 2),
        {"grid": [[1, 1, 0, 0]] * 2 + [[2, 2, 0, 0]] * 2},
    ),
    "appends of rows": (
        lambda tx: tx.append_array("grid", np.ones((2, 4), "i8")),
        lambda tx: tx.append_array("grid", np.full((2, 4), 2)),
        {"grid": [[0] * 4] * 4 + [[1] * 4] * 2 + [[2] * 4] * 2},
    ),
    "a number and its unit": (assign("scalar", (), 2.5), describe("scalar", unit="mV"), {"scalar": 2.5}),
    "equal changes": (
        lambda tx: (tx.put_file("f", b"same"), tx.delete("g"), tx.array("a").__setitem__(0, 7)),
        lambda tx: (tx.put_file("f", b"same"), tx.delete("g"), tx.array("a").__setitem__(0, 7)),
        {"f": b"same", "g": None, "a": [7, 1, 2, 3, 4, 5, 6, 7]},
    ),
    "an equal chunk among others": (
        lambda tx: tx.array("a").__setitem__(slice(0, 3), 7),
        lambda tx: tx.array("a").__setitem__(slice(0, 2), 7),
        {"a": [7, 7, 7, 3, 4, 5, 6, 7]},
    ),
    "equal rows": (
        lambda tx: tx.append_table("t", rows(4)),
        lambda tx: (tx.append_table("t", rows(4)), tx.append_table("t", rows(4))),
        {"t": [{"x": x} for x in (1, 2, 3, 4, 4)]},
    ),
    "equal nodes made": (
        lambda tx: (tx.write_table("n", rows(1)), tx.write_array("m", [1, 2])),
        lambda tx: (tx.write_table("n", rows(1)), tx.write_array("m", [1, 2])),
        {"n": [{"x": 1}], "m": [1, 2]},
    ),
}

CLASHES: Mapping[str, tuple[Edit, Edit, str]] = {
    "f": (lambda tx: tx.put_file("f", b"1"), lambda tx: tx.put_file("f", b"2"), "one content"),
    "g": (lambda tx: tx.delete("g"), lambda tx: tx.put_file("g", b"2"), "made or removed"),
    "h": (
        lambda tx: tx.put_file("h", b"h", attributes={"n": 1.0}),
        lambda tx: tx.put_file("h", b"h", attributes={"n": True}),
        "one content",
    ),
    "n": (lambda tx: tx.put_file("n", b"1"), lambda tx: tx.put_file("n", b"2"), "made or removed"),
    "a": (append("a", 8), append("a", 9), ""),
}

ON_ARRAYS: Mapping[str, tuple[Edit, Edit, str]] = {
    "unaligned appends": (append("a", 8), append("a", 9, 10, 11), "not by whole chunks"),
    "one chunk": (assign("a", 0, 8), assign("a", 1, 9), "the same chunks"),
    "cut and append": (lambda tx: tx.array("a").resize(6), append("a", 8), "cut it short"),
    "cut and change": (assign("a", 0, 5), lambda tx: tx.array("a").resize(6), "cut it short"),
    "other type": (rewrite("a", dtype="f8"), append("a", 8, 9), "changed its data_type"),
    "other chunks": (append("a", 8, 9), rewrite("a", chunks=(4,)), "changed its chunk_grid"),
    "other codec": (
        rewrite("a", codec={"name": "zstd", "configuration": {"level": 1, "checksum": False}}),
        assign("a", 0, 9),
        "changed its codecs",
    ),
    "other axis": (
        lambda tx: tx.array("grid").resize((4, 6)),
        assign("grid", (0, 0), 1),
        "an axis other than the first",
    ),
    "attributes": (describe("a", unit="V"), describe("a", unit="kV"), "both sides changed its attributes"),
    "integer and real": (describe("a", n=1), describe("a", n=1.0), "both sides changed its attributes"),
    "equal appends among others": (append("a", 8, 9), append("a", 8, 9, 10, 11), "appended equal chunks"),
    "delete and append": (lambda tx: tx.delete("a"), append("a", 8), "made or removed"),
    "other kind": (lambda tx: tx.put_file("a", b""), append("a", 8), "made or removed"),
    "a number": (assign("scalar", (), 2.5), assign("scalar", (), 3.5), "the same chunks"),
}

ON_TABLES: Mapping[str, tuple[Edit, Edit, str]] = {
    "overwrite and append": (
        lambda tx: tx.write_table("t", rows(7)),
        lambda tx: tx.append_table("t", rows(4)),
        "replaced the rows, the other appended",
    ),
    "append and overwrite": (
        lambda tx: tx.append_table("t", rows(4)),
        lambda tx: tx.write_table("t", rows(7)),
        "replaced the rows, the other appended",
    ),
    "two overwrites": (
        lambda tx: tx.write_table("t", rows(7)),
        lambda tx: tx.write_table("t", rows(8)),
        "rewrote the same rows",
    ),
    "rows of one file": (
        lambda tx: tx.delete_rows("t", where(1)),
        lambda tx: tx.delete_rows("t", where(2)),
        "rewrote the same rows",
    ),
    "types": (
        lambda tx: tx.append_table("t", pa.table({"x": [4], "y": ["a"]})),
        lambda tx: tx.append_table("t", pa.table({"x": [5], "y": [0.5]})),
        "'y'",
    ),
    "nothing left": (
        lambda tx: tx.delete_rows("t", pds.field("x") < 3),
        lambda tx: tx.delete_rows("t", where(3)),
        "removed all its rows",
    ),
    "delete and append": (
        lambda tx: tx.delete("t"),
        lambda tx: tx.append_table("t", rows(4)),
        "made or removed",
    ),
    "out of order": (
        lambda tx: tx.append_table("sorted", rows(5, 6)),
        lambda tx: tx.append_table("sorted", rows(4, 7)),
        "x would be out of order",
    ),
    "out of order behind": (
        lambda tx: tx.append_table("sorted", rows(3)),
        lambda tx: tx.replace_rows("sorted", rows(5), where(2)),
        "x would be out of order",
    ),
}


@pytest.mark.parametrize("case", MERGED)
def test_what_commutes(parted: Lake, case: str) -> None:
    mine, theirs, expected = MERGED[case]
    before = contents(parted.head)
    commit(parted, mine)
    commit(parted, theirs, "side")
    record = parted.merge("side")
    after = contents(Lake.open(parted.url).head)
    wanted = {name: value for name, value in {**before, **expected}.items() if value is not None}
    assert after == wanted
    assert record is not None and record.parents[1] == parted.at("side").commit.reference
    assert record.parents[0] == parted.at("main~1").commit.reference
    assert parted.merge("side") is None
    assert parted.merge("main", into="side") == record


@pytest.mark.parametrize("case", [*ON_ARRAYS, *(f"table: {case}" for case in ON_TABLES)])
def test_what_does_not_commute(parted: Lake, case: str) -> None:
    mine, theirs, reason = ON_TABLES[case[7:]] if case.startswith("table: ") else ON_ARRAYS[case]
    commit(parted, mine)
    commit(parted, theirs, "side")
    before = {ref: contents(parted.at(ref)) for ref in ("main", "side")}
    for into, source in (("main", "side"), ("side", "main")):
        with pytest.raises(ConflictError, match=reason) as caught:
            parted.merge(source, into=into)
        assert len(caught.value.nodes) == 1 and caught.value.nodes[0] in before["main"] | before["side"]
    opened = Lake.open(parted.url)
    assert {ref: contents(opened.at(ref)) for ref in ("main", "side")} == before


def test_a_conflict_names_all_nodes(parted: Lake) -> None:
    for name, (mine, theirs, _) in CLASHES.items():
        commit(parted, mine, message=name)
        commit(parted, theirs, "side", message=name)
    commit(parted, lambda tx: tx.append_table("t", rows(4)), "side")
    with pytest.raises(ConflictError) as caught:
        parted.merge("side")
    assert caught.value.nodes == tuple(sorted(CLASHES))
    for name, (_, _, reason) in CLASHES.items():
        assert f"{name}: " in str(caught.value) and reason in str(caught.value)
    assert xs(parted) == [1, 2, 3]


def test_bounds_of_which_nothing_is_known(parted: Lake) -> None:
    """A sorted table takes no appends of both sides whose order cannot be told."""
    commit(parted, lambda tx: tx.write_table("s", pa.table({"s": ["a"]}), sorted_by=["s"]))
    parted.branches.move("side", "main")
    commit(parted, lambda tx: tx.append_table("s", pa.table({"s": ["b" * 100]})))
    commit(parted, lambda tx: tx.append_table("s", pa.table({"s": ["c"]})), "side")
    with pytest.raises(ConflictError, match="s would be out of order"):
        parted.merge("side")


def test_a_second_column_of_the_order(parted: Lake) -> None:
    def table(x: int, *y: int) -> pa.Table:
        return pa.table({"x": [x] * len(y), "y": list(y)})

    commit(parted, lambda tx: tx.write_table("s", table(1, 1), sorted_by=["x", "y"]))
    parted.branches.move("side", "main")
    commit(parted, lambda tx: tx.append_table("s", table(2, 1, 9)))
    commit(parted, lambda tx: tx.append_table("s", table(2, 5)), "side")
    with pytest.raises(ConflictError, match="x would be out of order"):
        parted.merge("side")


def test_metadata_keep_their_types(parted: Lake) -> None:
    """1 is not 1.0: the change is seen, and what is read again has the digest it had."""
    commit(parted, lambda tx: tx.put_file("h", b"h", attributes={"n": 1.0}))
    meta = Lake.open(parted.url).head.tree["h"].meta
    assert type(meta["n"]) is float
    commit(parted, describe("a", n=1))
    commit(parted, describe("a", n=True))
    assert contents(Lake.open(parted.url).head) and Lake.open(parted.url)["a"].attrs["n"] is True


def test_metadata_that_went(parted: Lake) -> None:
    commit(parted, rewrite("a", dimension_names=["time"]))
    parted.branches.move("side", "main")
    commit(parted, rewrite("a"), "side")
    commit(parted, append("a", 8, 9))
    assert parted.merge("side") is not None
    assert "dimension_names" not in Lake.open(parted.url).head.tree["a"].meta
    assert parted["a"].shape == (10,)


class TestBranches:
    def test_fast_forward(self, parted: Lake) -> None:
        theirs = commit(parted, lambda tx: tx.put_file("f", b"2"), "side")
        assert parted.merge("side", message="take it", author="Ada") == theirs
        assert parted.head.commit == theirs == Lake.open(parted.url).head.commit
        entry = parted.branches.reflog("main")[0]
        assert isinstance(entry, Pointer) and (entry.message, entry.author) == ("take it", "Ada")
        assert parted.merge("side") is None
        commit(parted, lambda tx: tx.put_file("f", b"3"))
        assert [record.branch for record in parted.log()] == ["main", "side", "main", "main"]

    def test_message_and_author(self, parted: Lake) -> None:
        commit(parted, lambda tx: tx.put_file("f", b"2"), "side")
        commit(parted, lambda tx: tx.put_file("g", b"2"))
        record = parted.merge("side", author="Ada")
        assert record is not None and (record.message, record.author) == ("Merge side into main", "Ada")

    def test_a_merge_without_changes(self, parted: Lake) -> None:
        """Both did the same: the commit says that they are one again."""
        for branch in ("main", "side"):
            commit(parted, lambda tx: tx.put_file("f", b"2"), branch)
        record = parted.merge("side")
        assert record is not None and len(record.parents) == 2 and record.changed == ()
        assert parted.merge("side") is None

    def test_again_and_again(self, parted: Lake) -> None:
        for step in range(4):
            commit(parted, lambda tx, step=step: tx.append_table("t", rows(10 + step)))  # type: ignore[misc]
            commit(parted, lambda tx, step=step: tx.append_table("t", rows(20 + step)), "side")  # type: ignore[misc]
            parted.merge("side")
            parted.merge("main", into="side")
        assert xs(parted) == xs(parted, "side") == [1, 2, 3, 10, 20, 11, 21, 12, 22, 13, 23]

    def test_from_a_third_branch(self, parted: Lake) -> None:
        commit(parted, lambda tx: tx.append_table("t", rows(4)), "side")
        parted.branches.create("third", "side")
        commit(parted, lambda tx: tx.append_table("t", rows(5)), "third")
        commit(parted, lambda tx: tx.append_table("t", rows(6)))
        parted.merge("side")
        parted.merge("third")
        assert xs(parted) == [1, 2, 3, 6, 4, 5]

    def test_a_tag_an_id_and_a_branch_that_is_gone(self, parted: Lake) -> None:
        one = commit(parted, lambda tx: tx.put_file("n", b"1"), "side")
        commit(parted, lambda tx: tx.put_file("f", b"1"))
        parted.branches.delete("side")
        parted.tags.create("v1", one.id)
        record = parted.merge("v1")
        assert record is not None and contents(Lake.open(parted.url).head)["n"] == b"1"

    @pytest.mark.parametrize("into", ["main", "side"])
    def test_crosswise(self, parted: Lake, into: str) -> None:
        """Merges of each other leave two bases; rows of neither come twice."""
        one = commit(parted, lambda tx: (append("a", 10, 10)(tx), tx.append_table("t", rows(10))))
        other = commit(parted, lambda tx: (append("a", 20, 20)(tx), tx.append_table("t", rows(20))), "side")
        parted.merge(other.id)
        parted.merge(one.id, into="side")
        commit(parted, lambda tx: (append("a", 30, 30)(tx), tx.append_table("t", rows(30))))
        commit(parted, lambda tx: (append("a", 40, 40)(tx), tx.append_table("t", rows(40))), "side")
        parted.merge("side" if into == "main" else "main", into=into)
        assert sorted(xs(parted, into)) == [1, 2, 3, 10, 20, 30, 40]
        assert sorted(parted.at(into)["a"][:].tolist()) == sorted([*range(8), 10, 10, 20, 20, 30, 30, 40, 40])

    def test_three_bases(self, parted: Lake) -> None:
        names = ["main", "side", "third"]
        parted.branches.create("third")
        tips = []
        for at, name in enumerate(names, 10):
            tips.append(commit(parted, lambda tx, at=at: tx.append_table("t", rows(at)), name))  # type: ignore[misc]
        for name in names:
            for tip in tips:
                parted.merge(tip.id, into=name)
        commit(parted, lambda tx: tx.append_table("t", rows(20)))
        commit(parted, lambda tx: tx.append_table("t", rows(21)), "third")
        parted.merge("third")
        assert sorted(xs(parted)) == [1, 2, 3, 10, 11, 12, 20, 21]

    def test_unrelated(self, parted: Lake, new_lake: NewLake) -> None:
        other = new_lake("other")
        first = {**other.log()[-1].fields, "branch": "stranger", "number": 0}
        Log(parted.storage).append("stranger", 0, first)
        with pytest.raises(KeyError, match="the two have no commit in common"):
            parted.merge("stranger")


class TestPicked:
    def test_pick(self, parted: Lake) -> None:
        picked = commit(parted, lambda tx: tx.append_table("t", rows(4)), "side", "four")
        commit(parted, lambda tx: tx.append_table("t", rows(5)), "side")
        record = parted.cherry_pick(picked.id)
        assert record is not None and xs(parted) == [1, 2, 3, 4]
        assert record.message == "four" and record.provenance["notes"] == {"picked": picked.id}
        assert record.author == picked.author and record.parents == (parted.at("main~1").commit.reference,)
        assert parted.cherry_pick(picked.id) is None

    @pytest.mark.parametrize("more", ["neither", "mine", "theirs", "both"])
    @pytest.mark.parametrize("again", [False, True])
    def test_merge_of_what_was_picked(self, parted: Lake, more: str, again: bool) -> None:
        """It is one change, wherever it came to stand. (What was appended to an array stays where it was.)"""
        arrays = more in ("neither", "mine") and not again

        def change(value: int) -> Edit:
            return lambda tx: (
                tx.append_table("t", rows(value)),
                arrays and tx.append_array("a", np.array([value, value])),
                tx.put_file(f"n{value}", b"%d" % value),
            )

        if more in ("theirs", "both"):
            commit(parted, change(10), "side")
        picked = commit(parted, change(11), "side")
        if again:
            parted.branches.create("between", "main")
            commit(parted, change(9), "between")
            parted.cherry_pick(picked.id, branch="between")
            picked = parted.at("between").commit
        commit(parted, change(12), "side")
        if more in ("mine", "both"):
            commit(parted, change(20))
        parted.cherry_pick(picked.id)
        commit(parted, change(21))
        parted.merge("side")
        wanted = {11, 12, 21} | ({10} if more in ("theirs", "both") else set())
        wanted |= {20} if more in ("mine", "both") else set()
        assert sorted(xs(parted)) == sorted({1, 2, 3} | wanted)
        assert sorted(parted["a"][8:].tolist()) == (sorted([*wanted, *wanted]) if arrays else [])
        assert {name for name in parted if name.startswith("n")} == {f"n{value}" for value in wanted}

    def test_pick_of_what_is_not_there(self, parted: Lake) -> None:
        commit(parted, lambda tx: tx.write_table("n", rows(1)), "side")
        second = commit(parted, lambda tx: tx.append_table("n", rows(2)), "side")
        with pytest.raises(ConflictError) as caught:
            parted.cherry_pick(second.id)
        assert caught.value.nodes == ("n",)
        with pytest.raises(InputError, match="there is nothing before it"):
            parted.cherry_pick("main~1")

    def test_pick_of_a_merge(self, parted: Lake) -> None:
        """What it brought to its first parent."""
        parted.branches.create("third")
        commit(parted, lambda tx: tx.put_file("n", b"side"), "side")
        commit(parted, lambda tx: tx.put_file("m", b"third"), "third")
        record = parted.merge("third", into="side")
        assert record is not None
        parted.cherry_pick(record.id)
        assert parted["m"] == b"third" and "n" not in parted


class TestReverted:
    def both(self, value: int) -> Edit:
        return lambda tx: (
            tx.append_table("t", rows(value)),
            tx.append_array("a", np.array([value, value])),
            tx.put_file("f", b"%d" % value),
            tx.put_file(f"n{value}", b""),
        )

    def test_the_newest(self, parted: Lake) -> None:
        before = contents(parted.head)
        record = commit(parted, self.both(4), message="four")
        reverted = parted.revert("main")
        assert reverted is not None and reverted.message == f"Revert {record.id[:12]}: four"
        assert contents(Lake.open(parted.url).head) == before
        assert reverted.snapshot == parted.at("main~2").commit.snapshot
        assert parted.revert(record.id) is None

    def test_a_revert(self, parted: Lake) -> None:
        commit(parted, self.both(4))
        after = contents(parted.head)
        parted.revert("main")
        parted.revert("main")
        assert contents(Lake.open(parted.url).head) == after

    def test_an_older_append(self, parted: Lake) -> None:
        old = commit(parted, lambda tx: tx.append_table("t", rows(4)))
        commit(parted, lambda tx: tx.append_table("t", rows(5)))
        parted.revert(old.id)
        assert xs(parted) == [1, 2, 3, 5]
        undone = parted.head.commit
        commit(parted, lambda tx: tx.append_table("t", rows(6)))
        parted.revert(undone.id)
        assert sorted(xs(parted)) == [1, 2, 3, 4, 5, 6]

    def test_an_older_append_to_an_array(self, parted: Lake) -> None:
        """Later rows would have to move: a conflict."""
        old = commit(parted, append("a", 8, 9))
        commit(parted, append("a", 10, 11))
        with pytest.raises(ConflictError, match="a: one side cut it short"):
            parted.revert(old.id)
        assert parted["a"].shape == (12,)

    def test_a_change_of_other_chunks(self, parted: Lake) -> None:
        old = commit(parted, assign("a", 0, 9))
        commit(parted, assign("a", 7, 9))
        parted.revert(old.id)
        assert parted["a"][:].tolist() == [0, 1, 2, 3, 4, 5, 6, 9]

    def test_a_merge(self, parted: Lake) -> None:
        commit(parted, self.both(4), "side")
        commit(parted, lambda tx: tx.append_table("t", rows(5)))
        record = parted.merge("side")
        assert record is not None
        commit(parted, lambda tx: tx.append_table("t", rows(6)))
        parted.revert(record.id)
        assert xs(parted) == [1, 2, 3, 5, 6] and "n4" not in parted and parted["a"].shape == (8,)
        assert parted.merge("side") is None

    def test_on_another_branch(self, parted: Lake) -> None:
        old = commit(parted, self.both(4))
        parted.branches.create("other")
        parted.revert(old.id, branch="other", author="Ada")
        assert xs(parted, "other") == [1, 2, 3] and xs(parted) == [1, 2, 3, 4]
        assert parted.at("other").commit.author == "Ada"

    def test_what_was_changed_since(self, parted: Lake) -> None:
        old = commit(parted, lambda tx: (tx.put_file("f", b"1"), tx.put_file("g", b"1")))
        commit(parted, lambda tx: (tx.put_file("f", b"2"), tx.delete("g")))
        with pytest.raises(ConflictError) as caught:
            parted.revert(old.id)
        assert caught.value.nodes == ("f", "g")

    def test_the_first(self, lake: Lake) -> None:
        with pytest.raises(InputError, match="is the first; there is nothing before it"):
            lake.revert("main")


class TestRaces:
    """Another writer commits while a merge is being made."""

    @pytest.fixture
    def first(self, parted: Lake, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Lake], Any]], None]:
        """Let somebody do something just before the next record of main is created."""

        def arrange(what: Callable[[Lake], Any]) -> None:
            append = Log.append
            waiting = [what]

            def late(self: Log, name: str, number: int, *rest: Any) -> Any:
                while waiting and name == "main":
                    waiting.pop()(Lake.open(parted.url, durable=False))
                return append(self, name, number, *rest)

            monkeypatch.setattr(Log, "append", late)

        return arrange

    @pytest.fixture
    def both(self, parted: Lake) -> Lake:
        commit(parted, lambda tx: (append("a", 10, 10)(tx), tx.append_table("t", rows(10))))
        commit(parted, lambda tx: (append("a", 20, 20)(tx), tx.append_table("t", rows(20))), "side")
        return parted

    def check(self, lake: Lake, *more: int) -> None:
        assert sorted(xs(lake)) == sorted([1, 2, 3, 10, 20, *more])
        assert sorted(lake["a"][8:].tolist()) == sorted([10, 10, 20, 20, *(v for v in more for _ in (1, 2))])

    def test_the_same_merge(self, both: Lake, first: Callable[..., None]) -> None:
        first(lambda other: other.merge("side"))
        assert both.merge("side") is None
        self.check(both)

    def test_a_commit(self, both: Lake, first: Callable[..., None]) -> None:
        first(lambda other: commit(other, lambda tx: (append("a", 7, 7)(tx), tx.append_table("t", rows(7)))))
        record = both.merge("side")
        assert record is not None and len(record.parents) == 2
        self.check(both, 7)

    def test_the_same_pick(self, both: Lake, first: Callable[..., None]) -> None:
        picked = both.at("side").commit.id
        first(lambda other: other.cherry_pick(picked))
        with pytest.raises(ConflictError, match="a: both sides appended equal chunks"):
            both.cherry_pick(picked)
        self.check(both)

    def test_the_same_pick_of_rows(self, parted: Lake, first: Callable[..., None]) -> None:
        picked = commit(parted, lambda tx: tx.append_table("t", rows(4)), "side").id
        commit(parted, lambda tx: tx.append_table("t", rows(5)))
        first(lambda other: other.cherry_pick(picked))
        assert parted.cherry_pick(picked) is None
        assert xs(parted) == [1, 2, 3, 5, 4]

    def test_the_same_revert(self, both: Lake, first: Callable[..., None]) -> None:
        first(lambda other: other.revert("main"))
        assert both.revert(both.head.commit.id) is None
        assert xs(both) == [1, 2, 3]

    def test_a_commit_before_a_fast_forward(self, parted: Lake, first: Callable[..., None]) -> None:
        commit(parted, lambda tx: tx.append_table("t", rows(20)), "side")
        first(lambda other: commit(other, lambda tx: tx.append_table("t", rows(7))))
        record = parted.merge("side")
        assert record is not None and len(record.parents) == 2 and xs(parted) == [1, 2, 3, 7, 20]

    def test_a_transaction_that_merges_is_not_rebased(self, both: Lake, first: Callable[..., None]) -> None:
        side, base = both.at("side"), both.at("main~1").tree
        tx = both.transaction("merge by hand")
        tx.merge(base, {"t": side.tree["t"]}, parent=side.commit.reference)
        first(lambda other: commit(other, lambda tx: tx.put_file("f", b"first")))
        with pytest.raises(ConflictError, match="merge again with its newest commit") as caught:
            tx.commit()
        assert caught.value.nodes == ()

    def test_too_many(self, both: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Log, "append", lambda *_: None)
        monkeypatch.setattr("neurolake.lake.versions._ATTEMPTS", 3)
        for act in (lambda: both.merge("side"), lambda: both.revert("main")):
            with pytest.raises(ConflictError, match="3 other commits came first"):
                act()

    def test_after_a_conflict_nothing_slips_in(self, parted: Lake) -> None:
        tx = parted.transaction("loser")
        tx.put_file("f", b"loser")
        commit(parted, lambda other: other.put_file("f", b"winner"))
        for _ in range(2):
            with pytest.raises(ConflictError):
                tx.commit()
        assert parted["f"] == b"winner"


# A change of one part; those of different parts commute, and so do appends.
PARTS = st.sampled_from(
    ["f", "g", "n1", "n2", "chunk0", "chunk1", "chunk2", "chunk3", "unit", "row1", "row2"]
)
APPENDS = st.lists(st.sampled_from(["t", "a"]), max_size=3)


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    parts = draw(st.lists(PARTS, unique=True, max_size=8))
    cut = draw(st.integers(0, len(parts)))
    both = []
    for side, own in enumerate((parts[:cut], parts[cut:])):
        changes = [*own, *draw(APPENDS)]
        order = draw(st.permutations(changes))
        both.append([(part, 100 * (side + 1) + at) for at, part in enumerate(order)])
    return both[0], both[1]


def make(part: str, value: int) -> Edit:
    match part:
        case "t":
            return lambda tx: tx.append_table("t", rows(value))
        case "a":
            return append("a", value, value)
        case "unit":
            return describe("a", unit=value)
        case "f" if value % 2:
            return lambda tx: tx.delete("f")
    if part.startswith("chunk"):
        return assign("a", 2 * int(part[-1]), value)
    if part.startswith("row"):
        return lambda tx: tx.delete_rows("parts", where(int(part[-1])))
    return lambda tx: tx.put_file(part, b"%d" % value)


def model(changes: list[tuple[str, int]]) -> dict[str, Any]:
    """What the lake holds after these changes in any order; of appends, how often each value was appended."""
    state: dict[str, Any] = {"f": b"f", "g": b"g", "t": Counter(), "a": Counter(), "parts": {1, 2, 3}}
    state |= {"start": list(range(8)), "unit": "mV"}
    for part, value in changes:
        if part in ("t", "a"):
            state[part][value] += 1
        elif part == "unit":
            state["unit"] = value
        elif part.startswith("chunk"):
            state["start"][2 * int(part[-1])] = value
        elif part.startswith("row"):
            state["parts"].discard(int(part[-1]))
        elif part == "f" and value % 2:
            state.pop("f", None)
        else:
            state[part] = b"%d" % value
    return state


def state_of(lake: Lake, ref: str) -> dict[str, Any]:
    found = contents(lake.at(ref))
    values = found.pop("a")
    assert all(values[at] == values[at + 1] for at in range(8, len(values), 2))
    return {
        **found,
        "start": values[:8],
        "a": Counter(values[8::2]),
        "t": Counter(row["x"] for row in found["t"][3:]),
        "parts": {row["x"] for row in found["parts"]},
        "unit": lake.at(ref)["a"].attrs["unit"],
    }


@given(sides=sides(), each=st.booleans())
@settings(max_examples=25)
def test_merges_in_either_order(sides: tuple[list[tuple[str, int]], ...], each: bool) -> None:
    with TemporaryDirectory() as folder:
        lake = Lake.create(Path(folder) / "lake", durable=False)

        def start(tx: Transaction) -> None:
            tx.write_array("a", np.arange(8), chunks=(2,), attributes={"unit": "mV"})
            tx.write_table("t", rows(1, 2, 3))
            tx.write_table("parts", rows(1))
            for value in (2, 3):
                tx.append_table("parts", rows(value))
            for name in ("f", "g"):
                tx.put_file(name, name.encode())

        commit(lake, start)
        for name, changes in zip(("one", "other"), sides, strict=True):
            lake.branches.create(name)
            tx = lake.transaction(name, branch=name)
            for part, value in changes:
                make(part, value)(tx)
                if each:
                    tx.commit()
            tx.commit()
        for name, source in (("there", "one"), ("back", "other")):
            lake.branches.create(name, source)
        lake.merge("other", into="there")
        lake.merge("one", into="back")
        lake = Lake.open(lake.url)
        assert state_of(lake, "there") == state_of(lake, "back") == model([*sides[0], *sides[1]])
        if not any({part for part, _ in sides[0]} & {part for part, _ in sides[1]}):
            assert lake.at("there").commit.snapshot == lake.at("back").commit.snapshot
        lake.branches.create("sequence", "one")
        tx = lake.transaction("all", branch="sequence")
        for part, value in sides[1]:
            make(part, value)(tx)
        tx.commit()
        assert lake.at("sequence").commit.snapshot == lake.at("there").commit.snapshot


def test_records_tell_what_was_merged(parted: Lake) -> None:
    theirs: Commit = commit(parted, lambda tx: tx.put_file("n", b"1"), "side")
    commit(parted, lambda tx: tx.put_file("f", b"1"))
    parted.merge("side")
    assert theirs.id in {record.id for record in parted.log()} and parted.head.commit.changed == ("n",)
