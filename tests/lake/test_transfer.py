"""Commits from one lake to another: copy, push and pull."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from failing_storage import FailingStorage
from lake_contents import age

from neurolake.lake import Lake
from neurolake.lake.errors import ConflictError, CorruptObjectError, ExpiredError, InputError
from neurolake.lake.history.log import FOLD_AFTER, IMPORTED, Log, Pointer
from neurolake.lake.storage.local import LocalStorage
from neurolake.lake.upkeep import garbage
from neurolake.lake.upkeep.garbage import Garbage, collect
from neurolake.lake.upkeep.reachable import Reachable

RNG = np.random.default_rng(7)
NOW, DAYS = timedelta(0), timedelta(days=8)


@pytest.fixture
def source(new_lake: Callable[[str], Lake]) -> Lake:
    lake = new_lake("source")
    with lake.transaction("first") as tx:
        tx.write_table("t", pa.table({"a": [1]}))
        tx.write_array("x", RNG.normal(size=(400, 100)), chunks=(1, 100))
        tx.put_file("f", RNG.bytes(9 * 2**20))
    lake.tags.create("v1")
    lake.branches.create("side")
    return lake


def append(lake: Lake, value: int, branch: str = "main") -> None:
    with lake.transaction(f"append {value}", branch=branch) as tx:
        tx.append_table("t", pa.table({"a": [value]}))


def values(lake: Lake, ref: str = "main") -> list[int]:
    found: list[int] = lake.at(ref)["t"].to_arrow()["a"].to_pylist()
    return found


def objects(lake: Lake) -> set[str]:
    return {
        stored.key for space in ("objects/", "packs/") for stored in lake._history.objects.storage.list(space)
    }


def messages(lake: Lake, ref: str = "main") -> list[str]:
    return [record.message for record in lake.log(ref)]


class TestCopy:
    def test_everything_is_there(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        assert copy.id != source.id
        assert dict(copy.branches) == dict(source.branches) and dict(copy.tags) == dict(source.tags)
        assert copy.log() == source.log() and copy.head.tree.keys() == source.head.tree.keys()
        assert np.array_equal(copy["x"][:], source["x"][:]) and copy["f"] == source["f"]
        assert not copy.verify().damages

    def test_it_goes_on_where_it_was_interrupted(self, source: Lake, tmp_path: Path) -> None:
        source.copy_to(tmp_path / "whole")
        shutil.copytree(tmp_path / "whole", tmp_path / "part")
        (tmp_path / "part" / "neurolake.json").unlink()
        (pack,) = (tmp_path / "part" / "packs").rglob("*.pack")
        pack.unlink()
        sent: list[tuple[int, int]] = []
        copy = source.copy_to(tmp_path / "part", progress=lambda done, total: sent.append((done, total)))
        assert sent == [(1, 1)] and copy["f"] == source["f"]

    def test_it_takes_no_folder_of_something_else(self, source: Lake, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "thesis.tex").touch()
        with pytest.raises(InputError, match="not an empty folder"):
            source.copy_to(tmp_path / "other")

    def test_damage_does_not_travel(self, source: Lake, tmp_path: Path) -> None:
        (pack,) = (Path(source.url) / "packs").rglob("*.pack")
        data = bytearray(pack.read_bytes())
        data[100] ^= 1
        pack.write_bytes(data)
        with pytest.raises(CorruptObjectError, match="is damaged"):
            source.copy_to(tmp_path / "copy")
        assert not (tmp_path / "copy" / "neurolake.json").exists()


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake.create(tmp_path_factory.mktemp("long") / "lake", durable=False)
    with lake.transaction("first") as tx:
        tx.write_table("t", pa.table({"a": [1]}))
        tx.write_array("x", RNG.normal(size=(40, 100)), chunks=(1, 100))
        tx.put_file("f", RNG.bytes(9 * 2**20))
    lake.tags.create("v1")
    for value in range(2, 3 * FOLD_AFTER):
        append(lake, value)
    lake.tags.create("middle", f"main~{FOLD_AFTER + 8}")
    return Path(lake.url)


@pytest.fixture
def long(long_folder: Path, tmp_path: Path) -> Lake:
    shutil.copytree(long_folder, tmp_path / "long")
    return Lake.open(tmp_path / "long", durable=False)


class TestCopyOfTheNewest:
    """What `expire` would drop stays behind."""

    @staticmethod
    def tree(lake: Lake, ref: str) -> dict[str, list[int]]:
        return {name: values(lake, ref) for name in ("t",) if name in lake.at(ref).tree}

    def test_it_is_what_is_left_after_expiry(self, long: Lake, tmp_path: Path) -> None:
        before = sorted(path for path in Path(long.url).rglob("*") if path.is_file())
        copy = long.copy_to(tmp_path / "copy", history=NOW)
        assert sorted(path for path in Path(long.url).rglob("*") if path.is_file()) == before
        assert copy.head.commit.id == long.head.commit.id and copy.verify() and not copy.verify().damages
        for ref in ("main", "v1", "middle"):
            assert self.tree(copy, ref) == self.tree(long, ref), ref
        assert np.array_equal(copy["x"][:], long["x"][:]) and copy["f"] == long["f"]
        long.expire(NOW)
        left = Lake.open(long.url)
        assert copy.log() == left.log() and len(copy.log()) <= FOLD_AFTER + 1
        assert dict(copy.branches) == dict(left.branches) and dict(copy.tags) == dict(left.tags)
        left.collect_garbage(grace=NOW)
        assert objects(copy) == objects(left)
        with pytest.raises(ExpiredError):
            copy.at(f"main~{2 * FOLD_AFTER}")

    def test_nothing_from_before_a_compaction(self, long: Lake, tmp_path: Path) -> None:
        for tag in ("v1", "middle"):
            long.tags.delete(tag)
        assert long.compact().joined
        copy = long.copy_to(tmp_path / "copy", history=NOW)
        assert messages(copy) == ["Compact tables"] and values(copy) == values(long)
        # Tables are one file, an array one pack.
        assert len(objects(copy)) < 5 and not copy.verify().damages

    def test_all_that_is_newer_than_a_time(self, long: Lake, tmp_path: Path) -> None:
        copy = long.copy_to(tmp_path / "copy", history=timedelta(days=1))
        assert copy.log() == long.log() and not list(copy._history.objects.storage.list("expired/"))

    def test_the_copy_and_the_lake_go_on_with_each_other(self, long: Lake, tmp_path: Path) -> None:
        copy = long.copy_to(tmp_path / "copy", history=NOW)
        there = len(copy.log())
        append(long, 1000)
        copy.pull(long)
        assert copy.head.commit.id == long.head.commit.id and len(copy.log()) == there + 1
        append(copy, 1001)
        assert copy.push(long) == 1 and values(long)[-2:] == [1000, 1001]
        append(copy, 1002)
        append(long, 1003)
        copy.pull(long)
        assert sorted(values(copy)[-2:]) == [1002, 1003] and not copy.verify().damages

    def test_more_history_after_an_interrupted_copy_of_less(self, long: Lake, tmp_path: Path) -> None:
        long.copy_to(tmp_path / "copy", history=NOW)
        (tmp_path / "copy" / "neurolake.json").unlink()
        copy = long.copy_to(tmp_path / "copy")
        assert copy.log() == long.log() and not copy.verify().damages

    def test_less_history_after_an_interrupted_copy_of_all(self, long: Lake, tmp_path: Path) -> None:
        long.copy_to(tmp_path / "copy")
        (tmp_path / "copy" / "neurolake.json").unlink()
        copy = long.copy_to(tmp_path / "copy", history=NOW)
        assert values(copy) == values(long) and not copy.verify().damages

    def test_a_branch_begun_meanwhile_stays_behind(
        self, long: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may begin at a commit that was found to stay behind."""
        update = Reachable.update

        def late(self: Reachable, only: Any = None) -> None:
            Lake.open(long.url).branches.create("late", "main~70")
            update(self, only)

        monkeypatch.setattr(Reachable, "update", late)
        copy = long.copy_to(tmp_path / "copy", history=NOW)
        monkeypatch.undo()
        assert "late" not in copy.branches and not copy.verify().damages

    def test_no_time_in_the_future(self, long: Lake, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is in the future"):
            long.copy_to(tmp_path / "copy", history=timedelta(days=-1))


def test_history_may_expire_while_it_is_copied(long: Lake, tmp_path: Path) -> None:
    expired = []

    def expire(done: int, total: int) -> None:
        if not expired:
            expired.append(Lake.open(long.url).expire(NOW).records)

    copy = long.copy_to(tmp_path / "copy", progress=expire)
    assert expired[0] > 0 and not copy.verify().damages and not Lake.open(long.url).verify().damages
    assert copy.log() == Lake.open(long.url).log()
    with pytest.raises(ExpiredError):
        copy.at(f"main~{len(copy.log())}")


def test_a_record_that_is_lost_while_it_is_copied_is_told(long: Lake, tmp_path: Path) -> None:
    record = Path(long.url) / "log/main/000000000003"
    with pytest.raises(CorruptObjectError, match="log/main/000000000003 is missing"):
        long.copy_to(tmp_path / "copy", progress=lambda done, total: record.unlink(missing_ok=True))


@pytest.mark.parametrize("how", ["push", "pull"])
def test_what_comes_from_a_lake_whose_history_expired(
    long: Lake, new_lake: Callable[[str], Lake], how: str
) -> None:
    """It has expired where it arrives, too: that is told, and nothing takes it for damage."""
    last = values(long)
    assert long.expire(NOW).records > 0
    long, there = Lake.open(long.url), new_lake("there")
    if how == "push":
        long.push(there, to="got")
    else:
        there.pull(long, into="got")
    there = Lake.open(there.url)
    assert [one.id for one in there.log("got")] == [one.id for one in long.log()] and values(
        there, "got"
    ) == last
    with pytest.raises(ExpiredError, match="in the lake that it came from"):
        there.at(f"got~{len(long.log())}")
    assert not there.verify().damages
    append(there, -1, "got")
    assert there.push(long, branch="got", to="back") == 1 and values(long, "back") == [*last, -1]
    append(long, -2)
    there.pull(long, into="got")
    assert sorted(values(there, "got")) == sorted([*last, -1, -2])
    assert there.expire(NOW).horizons and values(Lake.open(there.url), "got")
    there.collect_garbage(grace=NOW)
    assert not there.verify().damages


def test_what_came_from_another_lake_and_expired_since(long: Lake, new_lake: Callable[[str], Lake]) -> None:
    there = new_lake("there")
    there.pull(long, into="got")
    assert there.expire(NOW).records > 0
    there = Lake.open(there.url)
    left = there.log("got")
    assert 1 < len(left) < len(long.log())
    with pytest.raises(ExpiredError):
        there.at(f"got~{len(left)}")
    assert there.push(long, branch="got", to="back") == 0 and not there.verify().damages


class TestPush:
    def test_only_what_is_missing_goes(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        for value in (2, 3):
            with copy.transaction("append") as tx:
                tx.append_table("t", pa.table({"a": [value], "b": [RNG.bytes(9000)]}))
        sent: list[tuple[int, int]] = []
        assert copy.push(source, progress=lambda done, total: sent.append((done, total))) == 2
        assert sent[-1] == (2, 2) and values(source) == [1, 2, 3]
        assert source.head.commit.id == copy.head.commit.id
        assert copy.push(source) == 0

    def test_lakes_by_their_folders(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        assert copy.push(source.url) == 1
        append(source, 3)
        assert copy.pull(Path(source.url)) is not None and values(copy) == [1, 2, 3]
        (pack,) = (tmp_path / "copy" / "packs").rglob("*.pack")
        pack.unlink()
        assert copy.verify(repair_from=source.url).repaired

    def test_a_branch_that_is_not_there_is_made(self, source: Lake, new_lake: Callable[[str], Lake]) -> None:
        empty = new_lake("empty")
        assert source.push(empty, to="theirs") == 2
        assert values(empty, "theirs") == [1] and list(empty.branches) == ["main", "theirs"]
        assert messages(empty) == ["Create the lake"]

    def test_commits_of_the_other_are_never_dropped(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        append(source, 3)
        with pytest.raises(ConflictError, match="pull, then push"):
            copy.push(source)
        assert values(source) == [1, 3]

    def test_what_was_sent_in_vain_is_not_sent_again(
        self, source: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        before_append(monkeypatch, lambda fields: fields["message"].startswith("Push"), stop)
        with pytest.raises(TimeoutError):
            copy.push(source)
        assert values(source) == [1]
        assert copy.push(source) == 0 and values(source) == [1, 2]


def stop() -> None:
    """End as a process ends."""
    raise TimeoutError


def second(fields: Any) -> bool:
    """Whether it is the record of the first commit that is sent."""
    return bool(fields["message"] == "second")


class TestGarbageThere:
    """Garbage is collected in the lake that receives, at the worst moments."""

    @pytest.fixture
    def target(self, source: Lake, tmp_path: Path) -> Lake:
        """A copy that lacks a commit with a pack, a large file and a table; and that has garbage of its own."""
        target = source.copy_to(tmp_path / "target")
        with source.transaction("second") as tx:
            tx.append_table("t", pa.table({"a": [2]}))
            tx.append_array("x", RNG.normal(size=(40, 100)))
            tx.put_file("f", RNG.bytes(9 * 2**20))
        append(source, 3)
        target.transaction("never").put_file("garbage", RNG.bytes(9 * 2**20))
        return target

    def check(self, source: Lake, target: Lake) -> None:
        again = Lake.open(target.url, verification="always")
        assert [record.id for record in again.log()] == [record.id for record in source.log()]
        assert values(again) == [1, 2, 3]
        assert np.array_equal(again["x"][:], source["x"][:]) and again["f"] == source["f"]
        assert not again.verify().damages and list(again.branches) == ["main", "side"]
        again.collect_garbage(grace=NOW)
        assert not again.verify().damages

    def refused(self, source: Lake, target: Lake) -> None:
        before = target.log()
        with pytest.raises(ConflictError, match=r"has condemned .* Collect the garbage there then, and send"):
            source.push(target)
        again = Lake.open(target.url)
        assert again.log() == before and list(again.branches) == ["main", "side"]
        assert not again.verify().damages

    def test_deleted_between_upload_and_record(
        self, source: Lake, target: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The fence takes the number of the first record; later the names may be used again."""
        done = before_append(monkeypatch, second, lambda: target.collect_garbage(grace=NOW))
        self.refused(source, target)
        assert len(done[0].deleted) == 3
        self.refused(source, target)
        age(target, DAYS)
        target.collect_garbage(grace=NOW)
        assert source.push(target) == 2
        self.check(source, target)

    def test_condemned_between_upload_and_record(
        self, source: Lake, target: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The records are made with condemned keys: they are reachable then, and stay."""

        def collect() -> Garbage:
            age(target, DAYS)
            return target.collect_garbage()

        done = before_append(monkeypatch, second, collect)
        assert source.push(target) == 2
        assert len(done[0].condemned) == 3
        age(target, DAYS)
        assert len(target.collect_garbage().deleted) == 1
        self.check(source, target)

    @pytest.mark.parametrize(
        "chosen",
        [
            second,
            lambda fields: fields["message"] == "append 3",
            lambda fields: fields.get("target", "commit") is None,
            lambda fields: fields["message"].startswith("Push"),
        ],
        ids=["first", "second", "end", "ref"],
    )
    def test_others_deleted(
        self,
        source: Lake,
        target: Lake,
        monkeypatch: pytest.MonkeyPatch,
        chosen: Callable[[Any], bool],
    ) -> None:
        """Fences between its records do not disturb a sender whose objects are young."""
        age(target, DAYS)
        condemned = target.collect_garbage().condemned
        age(target, DAYS)
        done = before_append(monkeypatch, chosen, target.collect_garbage)
        assert source.push(target) == 2
        assert done[0].deleted == condemned != ()
        self.check(source, target)

    @pytest.mark.parametrize("step", ["publish", "fence"])
    def test_sent_while_it_is_collected(self, source: Lake, target: Lake, step: str) -> None:
        """What was recorded before the fence is seen."""
        pushed: list[int] = []

        def pause(reached: str) -> None:
            if reached == step:
                pushed.append(source.push(target))

        assert len(collect(target._history, grace=NOW, pause=pause).deleted) == 1 and pushed == [2]
        self.check(source, target)

    def test_sent_while_it_is_deleted(
        self, source: Lake, target: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was sent in vain is condemned; nobody builds on it while it goes."""

        before_append(monkeypatch, second, stop)
        with pytest.raises(TimeoutError):
            source.push(target)
        monkeypatch.setattr(garbage, "_AT_ONCE", 1)
        deletions: list[str] = []

        def pause(reached: str) -> None:
            if reached.startswith("delete"):
                self.refused(source, target)
                deletions.append(reached)

        deleted = collect(target._history, grace=NOW, pause=pause).deleted
        assert len(deletions) == len(deleted) == 3

    def test_commits_stand_on_what_was_condemned(self, source: Lake, target: Lake) -> None:
        """Then it stays, and may be built on."""
        tx = target.transaction("equal")
        tx.put_file("equal", source["f"])
        tx.writer.flush()
        age(target, DAYS)
        done = collect(target._history, pause=lambda step: step == "publish" and tx.commit())  # type: ignore[func-returns-value]
        assert len(done.condemned) == 2
        assert source.push(target, to="theirs") == 2
        assert target.at("theirs")["f"] == source["f"] == target["equal"]

    @pytest.mark.parametrize("nth", range(5))
    def test_lost_answers(self, source: Lake, target: Lake, nth: int) -> None:
        """Of the branch's beginning, of two records, of its end and of the pointer of main."""
        storage = FailingStorage(LocalStorage(Path(target.url), durable=False), nth, "lost", dead=False)
        assert source.push(Lake(storage)) == 2 and storage.failed
        self.check(source, target)


def before_append(
    monkeypatch: pytest.MonkeyPatch, chosen: Callable[[Any], bool], action: Callable[[], Any]
) -> list[Any]:
    """Do something once just before the record with the fields *chosen* is made; what it gave."""
    append, done = Log.append, []

    def late(self: Log, name: str, number: int, fields: Any, *space: Any) -> Any:
        if chosen(fields) and not done:
            done.append(None)
            done[0] = action()
        return append(self, name, number, fields, *space)

    monkeypatch.setattr(Log, "append", late)
    return done


class TestPull:
    def test_both_go_on_and_meet(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        append(source, 3)
        merge = copy.pull(source)
        assert merge is not None and len(merge.parents) == 2
        assert values(copy) == [1, 2, 3]
        assert copy.push(source) == 2
        again = Lake.open(source.url)
        assert values(again) == [1, 2, 3] and messages(again) == messages(copy)
        assert copy.pull(source) is None and not again.verify().damages
        append(again, 4)
        assert copy.pull(again) is not None and values(copy) == [1, 2, 3, 4]

    def test_into_a_lake_of_another_origin(self, source: Lake, new_lake: Callable[[str], Lake]) -> None:
        mine = new_lake("mine")
        tip = mine.pull(source, into="theirs")
        assert tip is not None and tip.id == source.head.commit.id
        append(mine, 5, branch="theirs")
        assert values(Lake.open(mine.url), "theirs") == [1, 5]

    def test_changes_of_the_same_node_conflict(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        for lake, content in ((source, b"theirs"), (copy, b"ours")):
            with lake.transaction("change") as tx:
                tx.put_file("f", content)
        with pytest.raises(ConflictError) as caught:
            copy.pull(source)
        assert caught.value.nodes == ("f",) and copy["f"] == b"ours"

    def test_imports_name_nothing(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(source, 2)
        copy.pull(source)
        assert list(copy.branches) == ["main", "side"]
        (name,) = (name for name in copy._history.log.all_names() if name.startswith(IMPORTED))
        last, *_ = copy.branches.reflog(name)
        assert isinstance(last, Pointer) and last.target is None
        assert copy.at(copy.head.commit.id[:10]) == copy.head

    def test_it_can_be_reverted(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(source, 2)
        copy.pull(source)
        copy.revert("main")
        assert values(copy) == [1] and values(copy, "main~1") == [1, 2]
