"""Transactions: all or nothing, history, and many writers at once."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
import zarr

from neurolake.lake import Lake, Transaction
from neurolake.lake.errors import ConflictError, FormatError, InputError, NotFoundError, ReadOnlyError
from neurolake.lake.history.log import Log
from neurolake.lake.history.trees import History
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.nodes.entry import SHARD_SIZE
from neurolake.lake.nodes.node import tree_digest
from neurolake.lake.transaction import FOLD_AFTER, INLINE_CHANGES

ROWS = pa.table({"x": [1, 2]})


def put(lake: Lake, name: str, content: bytes) -> None:
    with lake.transaction(f"put {name}") as tx:
        tx.put_file(name, content)


def files(lake: Lake) -> set[str]:
    return {path.relative_to(lake.url).as_posix() for path in Path(lake.url).rglob("*") if path.is_file()}


class TestAtomicity:
    def test_all_kinds_at_once(self, lake: Lake) -> None:
        before = lake.head
        with lake.transaction("everything") as tx:
            tx.write_array("a", np.arange(3))
            tx.write_table("t", ROWS)
            tx.put_file("f", b"content")
            assert list(lake) == [] and list(Lake.open(lake.url)) == []
        assert list(lake) == ["a", "f", "t"] and list(before) == []
        assert (
            list(lake.head.arrays) == ["a"]
            and list(lake.head.tables) == ["t"]
            and lake.head.files["f"] == b"content"
        )
        assert repr(lake.head.files) == "<1 of kind file: f>"

    def test_an_exception_leaves_nothing_visible(self, lake: Lake) -> None:
        with pytest.raises(ZeroDivisionError), lake.transaction("fails") as tx:
            tx.put_file("f", bytes(1000))
            tx.write_table("t", ROWS)
            raise ZeroDivisionError
        assert len(lake.log()) == 1 and list(Lake.open(lake.url)) == []

    def test_nothing_changed_is_no_commit(self, lake: Lake) -> None:
        with lake.transaction("nothing") as tx:
            pass
        assert tx.committed is None
        put(lake, "f", b"x")
        for again in (b"x",):
            tx = lake.transaction("the same")
            tx.put_file("f", again)
            assert tx.commit() is None
        tx = lake.transaction("there and back")
        tx.put_file("g", b"y")
        tx.delete("g")
        assert tx.commit() is None and len(lake.log()) == 2

    def test_a_transaction_may_go_on(self, lake: Lake) -> None:
        with lake.transaction("in two") as tx:
            tx.put_file("f", b"1")
            first = tx.commit()
            tx.write_table("t", ROWS)
            second = tx.commit()
        assert first is not None and second is not None and second.parents == (first.reference,)
        assert tx.committed == second
        assert sorted(lake) == ["f", "t"] and len(lake.log()) == 3

    def test_delete(self, lake: Lake) -> None:
        put(lake, "f", b"1")
        with lake.transaction("delete") as tx:
            tx.delete("f")
            for name in ("f", "g"):
                with pytest.raises(NotFoundError, match=f"no node '{name}' to delete"):
                    tx.delete(name)
        assert list(Lake.open(lake.url)) == [] and lake.at("main~1")["f"] == b"1"

    def test_put_file_from_a_path(self, lake: Lake, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(bytes(2000))
        with lake.transaction("put") as tx:
            tx.put_file("f", tmp_path / "source", attributes={"from": ("a", 1), 10: 1, 9: 2})
        node = Lake.open(lake.url).head.tree["f"]
        assert Lake.open(lake.url)["f"] == bytes(2000)
        assert node.meta == {"from": ["a", 1], "10": 1, "9": 2}

    @pytest.mark.parametrize("size", [0, 1, 512, 513, 8 * 2**20 - 1, 8 * 2**20])
    def test_sizes(self, lake: Lake, size: int) -> None:
        """Inline, packed and alone."""
        content = np.random.default_rng(size).bytes(size)
        put(lake, "f", content)
        assert Lake.open(lake.url)["f"] == content
        rooms = {path.split("/")[0] for path in files(lake) if not path.endswith((".tree", ".json"))} - {
            "log"
        }
        assert rooms == (set() if size <= 512 else {"packs"} if size < 8 * 2**20 else {"objects"})

    def test_what_is_no_json_is_refused_in_time(self, lake: Lake) -> None:
        tx = lake.transaction("refused")
        with pytest.raises(InputError, match="attributes must be JSON"):
            tx.put_file("f", b"", attributes={"x": object()})
        tx.put_file("f", b"")
        tx.notes["x"] = {1, 2}
        with pytest.raises(InputError, match="notes must be JSON"):
            tx.commit()
        for message in (None, b"x", 3):
            with pytest.raises(InputError, match="are text"):
                lake.transaction(message)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="message and author must be JSON"):
            lake.transaction("\ud800")
        assert len(Lake.open(lake.url).log()) == 1


class TestHistory:
    def test_record(self, lake: Lake) -> None:
        before = datetime.now(UTC)
        with lake.transaction("say why", author="Ada", notes={"source": ("run", 3)}) as tx:
            tx.put_file("f", b"x")
        record = Lake.open(lake.url).head.commit
        assert record == tx.committed
        assert (record.message, record.author, record.number, record.branch) == ("say why", "Ada", 1, "main")
        assert record.changed == ("f",) and record.parents == (lake.log()[1].reference,)
        assert before <= record.time <= datetime.now(UTC)
        found = record.provenance
        assert found["notes"] == {"source": ["run", 3]}
        assert {"neurolake", "python", "host", "code"} <= set(found)

    def test_log_is_newest_first(self, lake: Lake) -> None:
        for name in "abc":
            put(lake, name, b"x")
        messages = [record.message for record in Lake.open(lake.url).log()]
        assert messages == ["put c", "put b", "put a", "Create the lake"]
        assert [record.message for record in lake.log("main~2")] == ["put a", "Create the lake"]
        assert [record.number for record in lake.head.history()] == [3, 2, 1, 0]

    def test_time_travel(self, lake: Lake) -> None:
        for content in (b"1", b"2", b"3"):
            put(lake, "f", content)
        newest, second, first, created = lake.log()
        for opened in (lake, Lake.open(lake.url)):
            assert (
                opened.at(second.id)["f"] == opened.at(second.id[:8])["f"] == opened.at("main~1")["f"] == b"2"
            )
            assert opened.at("main~")["f"] == b"2" and opened.at(f"{second.id[:10]}~1")["f"] == b"1"
            assert opened.at(first.time)["f"] == b"1" and opened.at(first.time.isoformat())["f"] == b"1"
            assert opened.at(newest.time + timedelta(days=1))["f"] == b"3"
            assert opened.at(first.time.replace(tzinfo=None))["f"] == b"1"
            assert list(opened.at("main~3")) == [] and opened.at(created.id) == opened.at("main~3")
            assert len({opened.at(record.id) for record in opened.log()}) == 4

    @pytest.mark.parametrize(
        ("ref", "error", "message"),
        [
            ("nowhere", NotFoundError, "no branch, tag or commit 'nowhere'"),
            ("main~9", NotFoundError, "only 1 commits before main"),
            ("0000", NotFoundError, "no commit begins with it"),
            ("1999-01-01", NotFoundError, "no commit as early as"),
            ("2026-99-99", InputError, "is not a time"),
            ("../x", InputError, "the name of a branch or tag is"),
            ("", InputError, "the name of a branch or tag is"),
            ("~1", InputError, "the name of a branch or tag is"),
        ],
    )
    def test_wrong_refs(self, lake: Lake, ref: str, error: type[Exception], message: str) -> None:
        put(lake, "f", b"x")
        with pytest.raises(error, match=message):
            lake.at(ref)

    def test_ambiguous_prefix(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        record = lake.log()[0]
        monkeypatch.setattr(History, "commits", lambda _: iter([record, record]))
        with pytest.raises(InputError, match="2 commits begin with it; give more digits"):
            lake.at(record.id[:6])

    def test_missing_node_says_what_is_near(self, lake: Lake) -> None:
        put(lake, "soma/voltage", b"x")
        with pytest.raises(NotFoundError, match="did you mean 'soma/voltage'"):
            lake["soma/voltge"]
        with pytest.raises(NotFoundError, match="no array 'x'; there are: none"):
            lake.head.arrays["x"]
        assert isinstance(NotFoundError(), KeyError) and str(NotFoundError()) == ""

    def test_repr(self, lake: Lake) -> None:
        put(lake, "f", b"x")
        assert repr(lake).startswith("<Lake ") and "1 nodes at commit" in repr(lake)
        assert "0 arrays, 0 tables, 1 files" in repr(lake.head)


class TestFolding:
    def test_many_small_commits(self, lake: Lake) -> None:
        """Across folds, each commit read anew is what its writer saw."""
        seen: dict[str, tuple[str, dict[str, bytes]]] = {}
        model: dict[str, bytes] = {}
        for step in range(2 * FOLD_AFTER + 5):
            name, content = f"f{step % 7}", bytes([step]) * (1 + 97 * (step % 11))
            with lake.transaction(str(step)) as tx:
                if step % 5 == 4 and name in model:
                    tx.delete(name)
                    del model[name]
                else:
                    tx.put_file(name, content)
                    model[name] = content
            assert tx.committed is not None
            seen[tx.committed.id] = tx.committed.snapshot, dict(model)
        reopened = Lake.open(lake.url)
        for commit, (digest, content) in seen.items():
            snapshot = reopened.at(commit)
            assert tree_digest(snapshot.tree) == digest
            assert dict(snapshot.items()) == content
        folds = {record.number for record in reopened.log() if record.depth == 0}
        assert folds == {0, FOLD_AFTER, 2 * FOLD_AFTER}

    def test_identity_does_not_tell_how_it_is_stored(self, new_lake: Callable[[str], Lake]) -> None:
        """One commit or many, folded or not, shards or overlay: the same content has the same digest."""
        at_once, in_steps = new_lake("once"), new_lake("steps")
        count = FOLD_AFTER + 3
        with at_once.transaction("all") as tx:
            for step in range(count):
                tx.put_file(f"f{step}", bytes([step]))
            tx.write_array("a", np.arange(3 * OVERLAY_SIZE), chunks=(1,))
        with in_steps.transaction("first") as tx:
            tx.write_array("a", np.arange(OVERLAY_SIZE), chunks=(1,))
        for step in range(count):
            put(in_steps, f"f{step}", bytes([step]))
        for part in (1, 2):
            with in_steps.transaction("more") as tx:
                tx.append_array("a", np.arange(OVERLAY_SIZE) + part * OVERLAY_SIZE)
        assert at_once.head.commit.snapshot == in_steps.head.commit.snapshot
        assert Lake.open(at_once.url).head.commit.snapshot == tree_digest(Lake.open(in_steps.url).head.tree)

    def test_large_changes_are_stored_beside_the_record(self, lake: Lake) -> None:
        with lake.transaction("large") as tx:
            for step in range(200):
                tx.put_file(f"f{step}", np.random.default_rng(step).bytes(500))
        record = lake.head.commit
        assert record.depth == 0 and record.number == 1
        assert (Path(lake.url) / "log/main/000000000001").stat().st_size < INLINE_CHANGES
        assert len(Lake.open(lake.url)) == 200


class TestShards:
    @pytest.fixture
    def large(self, lake: Lake) -> Lake:
        with lake.transaction("write") as tx:
            tx.write_array("a", np.arange(OVERLAY_SIZE + 1), chunks=(1,))
        return lake

    def test_overlay_becomes_a_shard(self, large: Lake) -> None:
        node = Lake.open(large.url).head.tree["a"]
        assert list(node.entries.shards) == [0] and not node.entries.overlay
        assert node.entries.shards[0].count == len(node.entries) == OVERLAY_SIZE + 1
        assert np.array_equal(Lake.open(large.url)["a"][:], np.arange(OVERLAY_SIZE + 1))

    def test_changes_lie_over_shards(self, large: Lake) -> None:
        with large.transaction("change") as tx:
            tx.array("a")[3:5] = -1
            tx.append_array("a", np.array([7]))
        with large.transaction("shrink") as tx:
            tx.array("a").resize(200)
        reopened = Lake.open(large.url)
        assert reopened.at("main~1")["a"][[2, 3, 4, 5, OVERLAY_SIZE + 1]].tolist() == [2, -1, -1, 5, 7]
        node = reopened.head.tree["a"]
        assert len(node.entries) == 200 and sorted(node.entries.overlay) == [
            3,
            4,
            *range(200, OVERLAY_SIZE + 2),
        ]
        with large.transaction("write anew") as tx:
            values = reopened["a"][:]
            tx.write_array("a", values, chunks=(1,))
        assert tx.committed is None

    def test_append_touches_one_shard(self, lake: Lake) -> None:
        count = SHARD_SIZE + OVERLAY_SIZE
        with lake.transaction("write") as tx:
            tx.write_array("a", np.zeros(count, "u1"), chunks=(1,))
        before = lake.head.tree["a"].entries.shards
        with lake.transaction("append") as tx:
            tx.append_array("a", np.ones(OVERLAY_SIZE + 1, "u1"))
        after = Lake.open(lake.url).head.tree["a"].entries.shards
        assert set(before) == set(after) == {0, 1}
        assert before[0] == after[0] and before[1] != after[1]
        assert Lake.open(lake.url)["a"][SHARD_SIZE - 2 :].sum() == OVERLAY_SIZE + 1


APPEND_25 = """
import sys
import pyarrow as pa
from neurolake.lake import Lake
url, at = sys.argv[1], int(sys.argv[2])
lake = Lake.open(url, durable=False)
for step in range(25):
    with lake.transaction(f"{at} {step}") as tx:
        tx.append_table("t", pa.table({"x": [100 * at + step]}))
"""


class TestConcurrency:
    def test_disjoint_nodes_both_commit(self, lake: Lake) -> None:
        first, second = lake.transaction("a"), Lake.open(lake.url).transaction("b")
        first.put_file("a", b"1")
        second.put_file("b", b"2")
        assert first.commit() is not None and second.commit() is not None
        assert dict(lake.items()) == {"a": b"1", "b": b"2"}
        assert [record.message for record in lake.log()] == ["b", "a", "Create the lake"]

    def test_appends_to_one_table_both_commit(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS)
        first, second = lake.transaction("a"), Lake.open(lake.url).transaction("b")
        first.append_table("t", pa.table({"x": [3]}))
        for value in (4, 5):
            second.append_table("t", pa.table({"x": [value]}))
        assert first.commit() is not None and second.commit() is not None
        assert lake["t"].to_arrow()["x"].to_pylist() == [1, 2, 3, 4, 5]

    def test_equal_rows_are_appended_twice(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS)
        both = [lake.transaction("a"), lake.transaction("b")]
        for tx in both:
            tx.append_table("t", ROWS)
        for tx in both:
            tx.commit()
        assert lake["t"].to_arrow()["x"].to_pylist() == [1, 2] * 3

    def test_equal_changes_of_two_writers(self, lake: Lake) -> None:
        """A task that runs twice at once does no harm."""
        both = [lake.transaction("a"), Lake.open(lake.url).transaction("b")]
        for tx in both:
            tx.put_file("f", b"x")
            tx.write_array("a", [1, 2])
        assert both[0].commit() is not None and both[1].commit() is None
        assert len(lake.log()) == 2

    CHANGES: tuple[Callable[[Transaction], Any], ...] = (
        lambda tx: tx.put_file("f", b"new"),
        lambda tx: tx.delete("f"),
        lambda tx: tx.write_table("f", ROWS),
        lambda tx: tx.write_array("f", [1]),
    )

    @pytest.mark.parametrize("first", range(4))
    @pytest.mark.parametrize("second", range(4))
    def test_one_node_is_a_conflict(self, lake: Lake, first: int, second: int) -> None:
        put(lake, "f", b"old")
        if first == second:
            pytest.skip("equal changes are no conflict")
        winner, loser = lake.transaction("a"), Lake.open(lake.url).transaction("b")
        self.CHANGES[first](winner)
        self.CHANGES[second](loser)
        loser.put_file("other", b"x")
        winner.commit()
        with pytest.raises(ConflictError, match="both sides changed f") as caught:
            loser.commit()
        assert caught.value.nodes == ("f",)
        assert "other" not in lake and lake.log()[0].message == "a"

    @pytest.mark.parametrize(
        "change",
        [
            lambda tx: tx.delete("t"),
            lambda tx: tx.write_array("t", [1]),
            lambda tx: tx.put_file("t", b""),
            lambda tx: tx.write_table("t", pa.table({"y": ["other"]})),
            lambda tx: tx.append_table("t", pa.table({"y": ["new"]})),
        ],
        ids=["deleted", "array", "file", "other columns", "clash"],
    )
    def test_append_to_what_is_no_longer_that_table(
        self, lake: Lake, change: Callable[[Transaction], Any]
    ) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS)
        loser = lake.transaction("append")
        loser.append_table("t", ROWS.append_column("y", [[1.5, 2.5]]))
        with lake.transaction("change") as tx:
            change(tx)
        with pytest.raises(ConflictError, match="changed t"):
            loser.commit()

    def test_appends_with_new_columns(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS)
        first, second = lake.transaction("a"), lake.transaction("b")
        first.append_table("t", pa.table({"x": [3], "y": ["new"]}))
        second.append_table("t", pa.table({"x": [4], "z": [0.5]}))
        first.commit()
        second.commit()
        assert Lake.open(lake.url)["t"].to_arrow().to_pylist()[2:] == [
            {"x": 3, "y": "new", "z": None},
            {"x": 4, "y": None, "z": 0.5},
        ]

    @pytest.mark.parametrize(("late", "kept"), [(5, True), (2, False), (None, True)])
    def test_appends_to_a_sorted_table(self, lake: Lake, late: int | None, kept: bool) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS, sorted_by=["x"])
        first, second = lake.transaction("a"), lake.transaction("b")
        first.append_table("t", pa.table({"x": [3, 4]}))
        second.append_table("t", pa.table({"x": pa.array([late], pa.int64())}))
        first.commit()
        if kept:
            second.commit()
            assert lake["t"].rows == 5
        else:
            with pytest.raises(ConflictError, match="x would be out of order"):
                second.commit()

    ON_ARRAYS: Mapping[str, Callable[[Any], Any]] = {
        "first": lambda array: array.__setitem__(slice(0, 4), -1),
        "last": lambda array: array.__setitem__(slice(8, 12), -2),
        "append": lambda array: array.append(np.arange(4)),
        "append two": lambda array: array.append(np.arange(8)),
        "append half": lambda array: array.append(np.arange(2)),
        "cut": lambda array: array.resize(4),
        "cut a bit": lambda array: array.resize(11),
        "grow": lambda array: array.resize(array.shape[0] + 4),
        "describe": lambda array: array.attrs.update(unit="mV"),
        "rename": lambda array: array.attrs.update(unit="V"),
    }

    @pytest.mark.parametrize("one", ON_ARRAYS)
    @pytest.mark.parametrize("other", ON_ARRAYS)
    def test_changes_of_one_array(self, new_lake: Callable[[str], Lake], one: str, other: str) -> None:
        """Either a conflict, or what one change after the other would have made."""
        results = []
        for together in (True, False):
            lake = new_lake(str(together))
            with lake.transaction("write") as tx:
                tx.write_array("a", np.arange(12), chunks=(4,))
            first, second = lake.transaction("one"), lake.transaction("other")
            self.ON_ARRAYS[one](first.array("a"))
            first.commit()
            if not together:
                second = lake.transaction("other")
            self.ON_ARRAYS[other](second.array("a"))
            try:
                second.commit()
            except ConflictError as error:
                assert error.nodes == ("a",)
                commuting = {"first", "last", "append", "append two", "describe"}
                assert one == other or not {one, other} <= commuting
                return
            array = Lake.open(lake.url)["a"]
            results.append((array[:].tolist(), dict(array.attrs)))
        assert results[0] == results[1]

    def test_dependence(self, lake: Lake) -> None:
        """What was computed from a table conflicts even with an append to it."""
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS)
        loser = lake.transaction("append")
        loser.append_table("t", ROWS)
        loser.depends_on("t")
        reader = lake.transaction("derive")
        reader.put_file("sum", b"3")
        reader.depends_on("t")
        with lake.transaction("win") as tx:
            tx.append_table("t", ROWS)
        for tx in (loser, reader):
            with pytest.raises(ConflictError, match="changed t"):
                tx.commit()

    def test_lost_response(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """The storage says 'present' of the record that we created ourselves: no second commit."""
        create = type(lake.storage).create

        def lossy(storage: Any, key: str, data: bytes) -> bool:
            create(storage, key, data)
            return False

        monkeypatch.setattr(type(lake.storage), "create", lossy)
        with lake.transaction("once") as tx:
            tx.put_file("f", b"x")
        assert tx.committed is not None and len(lake.log()) == 2

    def test_attempts_end(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        tx = lake.transaction("never", attempts=3)
        tx.put_file("f", b"x")
        monkeypatch.setattr(Log, "append", lambda *_: None)
        with pytest.raises(ConflictError, match="3 other commits came first"):
            tx.commit()

    def test_threads(self, lake: Lake) -> None:
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS[:0])

        def work(at: int) -> None:
            for step in range(8):
                with lake.transaction(f"{at} {step}") as tx:
                    tx.append_table("t", pa.table({"x": [100 * at + step]}))
                    tx.write_array(f"a{at}/{step}", np.full(300, at))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert len(lake.log()) == 34 and len(lake.head.arrays) == 32
        assert sorted(lake["t"].to_arrow()["x"].to_pylist()) == sorted(
            100 * at + step for at in range(4) for step in range(8)
        )

    def test_processes(self, lake: Lake) -> None:
        """Four processes append 25 times each: every row is there once, and history is one line."""
        with lake.transaction("write") as tx:
            tx.write_table("t", ROWS[:0])
        command = [sys.executable, "-c", APPEND_25, lake.url]
        processes = [subprocess.Popen([*command, str(at)]) for at in range(4)]
        assert [process.wait() for process in processes] == [0] * 4
        records = Lake.open(lake.url).log()
        assert [record.number for record in records] == list(range(101, -1, -1))
        assert all(after.parents == (before.reference,) for after, before in itertools.pairwise(records))
        rows = Lake.open(lake.url)["t"].to_arrow()["x"].to_pylist()
        assert sorted(rows) == sorted(100 * at + step for at in range(4) for step in range(25))

    def test_readers_see_whole_commits(self, lake: Lake) -> None:
        """Two nodes that always move together are never seen apart."""
        done = threading.Event()

        def write() -> None:
            for step in range(60):
                with lake.transaction(str(step)) as tx:
                    tx.put_file("a", b"%d" % step)
                    tx.put_file("b", b"%d" % step)
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            other = Lake.open(lake.url)
            while not done.is_set() and not writing.done():
                found = dict(other.head.items())
                assert found.get("a") == found.get("b")
            writing.result()


def test_a_merge_is_committed_once(lake: Lake) -> None:
    """Also by a transaction that goes on, or ends, after it."""
    lake.branches.create("side")
    with lake.transaction("on the side", branch="side") as tx:
        tx.put_file("f", b"x")
    side = lake.at("side")
    with lake.transaction("merge") as tx:
        tx.merge(lake.head.tree, dict(side.tree), parent=side.commit.reference)
        merged = tx.commit()
        assert merged is not None and len(merged.parents) == 2
        assert tx.commit() is None
    assert lake.head.commit == merged and lake["f"] == b"x"


WRITES: dict[str, Callable[[Transaction], Any]] = {
    "write_array": lambda tx: tx.write_array("new", np.arange(3)),
    "append_array": lambda tx: tx.append_array("a", np.arange(4)),
    "write_table": lambda tx: tx.write_table("new", ROWS),
    "append_table": lambda tx: tx.append_table("t", ROWS),
    "append_table of no rows": lambda tx: tx.append_table("t", ROWS[:0]),
    "append_table of a new one": lambda tx: tx.append_table("new", ROWS),
    "append_files": lambda tx: tx.append_files("t", [], []),
    "delete_rows": lambda tx: tx.delete_rows("t", pds.field("x") == 1),
    "delete_rows of none": lambda tx: tx.delete_rows("t", pds.field("x") == 99),
    "replace_rows": lambda tx: tx.replace_rows("t", ROWS, pds.field("x") == 1),
    "rename_columns": lambda tx: tx.rename_columns("t", {"x": "y"}),
    "put_file": lambda tx: tx.put_file("new", b"x"),
    "delete": lambda tx: tx.delete("t"),
    "merge": lambda tx: tx.merge({}, {}),
    "lay_out": lambda tx: tx.lay_out(lambda tree, writer: tree),
    "depends_on": lambda tx: tx.depends_on("t"),
    "commit": lambda tx: tx.commit(),
    "an array's values": lambda tx: tx.array("a").__setitem__(0, 7),
    "an array's rows": lambda tx: tx.array("a").write_rows(np.arange(4)),
    "an array's shape": lambda tx: tx.array("a").resize((9,)),
    "an array's attributes": lambda tx: tx.array("a").attrs.update(unit="mV"),
    "the Zarr store": lambda tx: zarr.create_array(tx.store, name="new", shape=3, dtype="i4"),
    "a group of the Zarr store": lambda tx: zarr.open_group(tx.store).create_group("new"),
    "a key of the Zarr store": lambda tx: tx.store.delete_sync("a/zarr.json"),
}


class TestAfterTheEnd:
    """What is written after the block of a transaction would be lost: it is refused."""

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_refused(self, lake: Lake, write: Callable[[Transaction], Any]) -> None:
        with lake.transaction("begin") as tx:
            tx.write_array("a", np.arange(4))
            tx.write_table("t", ROWS)
        before = files(lake)
        with pytest.raises(ReadOnlyError, match="has been committed: nothing more can be written"):
            write(tx)
        assert files(lake) == before
        assert tx.array("a")[:].tolist() == [0, 1, 2, 3] and tx.committed == lake.head.commit

    def test_of_a_block_that_failed(self, lake: Lake) -> None:
        with pytest.raises(RuntimeError, match="not now"), lake.transaction("x") as tx:
            raise RuntimeError("not now")
        with pytest.raises(ReadOnlyError, match="was abandoned, because its block failed"):
            tx.put_file("f", b"x")

    def test_held_array_and_store(self, lake: Lake) -> None:
        with lake.transaction("begin") as tx:
            array, store = tx.write_array("a", np.arange(4)), tx.store
        with pytest.raises(ReadOnlyError, match="nothing more can be written"):
            array[1] = 5
        with pytest.raises(ReadOnlyError, match="nothing more can be written"):
            store.with_read_only(False).delete_sync("a/c/0")
        assert lake["a"][:].tolist() == [0, 1, 2, 3]

    def test_a_failed_commit_may_be_tried_again(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(type(lake.storage), "create", lambda *args: (_ for _ in ()).throw(OSError("full")))
            with pytest.raises(OSError, match="full"), lake.transaction("x") as tx:
                tx.put_file("f", b"x")
        tx.commit()
        assert lake["f"] == b"x"

    def test_without_a_block_it_goes_on(self, lake: Lake) -> None:
        tx = lake.transaction("several")
        for n in range(3):
            tx.put_file(f"{n}", b"x")
            tx.commit()
        assert len(lake.log()) == 4


class TestCreateAndOpen:
    def test_durable(self, tmp_path: Path) -> None:
        lake = Lake.create(tmp_path / "lake")
        put(lake, "f", bytes(1000))
        assert Lake.open(f"file://{tmp_path}/lake")["f"] == bytes(1000)

    def test_create_twice(self, tmp_path: Path) -> None:
        Lake.create(tmp_path)
        with pytest.raises(InputError, match="is not an empty folder"):
            Lake.create(tmp_path)

    def test_elsewhere(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gs://: a lake is in a folder, or at"):
            Lake.open("gs://bucket/lake")
        with pytest.raises(NotFoundError, match=r"has no neurolake\.json"):
            Lake.open(tmp_path)

    @pytest.mark.parametrize(
        "marker",
        [
            b"",
            b"[]",
            b"3",
            b"{}",
            b"\xff",
            b'{"format":3,"hash":"blake3-256","id":"x"}',
            b'{"format":0,"hash":"blake3-256","id":"x"}',
            b'{"format":true,"hash":"blake3-256","id":"x"}',
            b'{"format":1,"hash":"md5","id":"x"}',
        ],
    )
    def test_unknown_format(self, lake: Lake, marker: bytes) -> None:
        (Path(lake.url) / "neurolake.json").write_bytes(marker)
        with pytest.raises(FormatError, match=r"cannot be read|install a newer one"):
            Lake.open(lake.url)

    def test_a_hostile_marker_chooses_no_cache_folder(self, lake: Lake) -> None:
        (Path(lake.url) / "neurolake.json").write_bytes(b'{"format":1,"hash":"blake3-256","id":"../../x"}')
        assert "/" not in Lake.open(lake.url).id
