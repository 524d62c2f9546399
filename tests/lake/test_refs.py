"""Branches, tags, reflog and time travel."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lake_contents import commit, contents

from neurolake.lake import Commit, Lake
from neurolake.lake.digest import canonical_json, digest_of
from neurolake.lake.errors import CorruptObjectError, InputError, NotFoundError
from neurolake.lake.history.ancestry import ancestors, divergence
from neurolake.lake.history.log import Log, Pointer
from neurolake.lake.history.refs import Refs

Clock = Callable[[str], None]


def put(lake: Lake, content: bytes, branch: str = "main", name: str = "f") -> Commit:
    return commit(lake, lambda tx: tx.put_file(name, content), branch, f"put {content!r}")


@pytest.fixture
def three(lake: Lake) -> Lake:
    for content in (b"1", b"2", b"3"):
        put(lake, content)
    return lake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set what time the writers of records believe it is."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return at

    at = datetime.now(UTC)

    def set_time(text: str) -> None:
        nonlocal at
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)

    for module in ("history.log", "transaction"):
        monkeypatch.setattr(f"neurolake.lake.{module}.datetime", Clock)
    return set_time


@pytest.fixture(params=["branches", "tags"])
def refs(three: Lake, request: pytest.FixtureRequest) -> Refs:
    found: Refs = getattr(three, request.param)
    return found


class TestBranchesAndTags:
    def test_create(self, three: Lake, refs: Refs) -> None:
        second = three.at("main~1").commit
        assert refs.create("v1", second.id[:8]) == second
        assert refs["v1"] == three.at("v1").commit == second
        assert contents(Lake.open(three.url).at("v1")) == {"f": b"2"}
        assert "v1" in refs and "v2" not in refs and sorted(refs) == sorted({*refs})
        assert f"v1 {second.id[:8]}" in repr(refs)

    def test_default_is_the_newest_of_main(self, three: Lake, refs: Refs) -> None:
        assert refs.create("here") == three.head.commit

    def test_a_taken_name(self, refs: Refs) -> None:
        refs.create("v1")
        with pytest.raises(InputError, match="'v1' exists; choose another name, or move it"):
            refs.create("v1", "main~1")

    @pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "-x", "x" * 101, "ä", "a\n", "..", "a~1"])
    def test_names(self, refs: Refs, name: str) -> None:
        for use in (refs.create, refs.delete, refs.__getitem__, refs.reflog):
            with pytest.raises(InputError, match="the name of a branch or tag is"):
                use(name)
        refs.create("x" * 100)
        refs.create("2026.1_a-b")

    def test_unknown(self, refs: Refs) -> None:
        for use in (refs.__getitem__, refs.delete, lambda name: refs.move(name, "main")):
            with pytest.raises(NotFoundError, match=r"there is no (branch|tag) 'x'; there are: (main|none)"):
                use("x")
        with pytest.raises(NotFoundError, match="no branch, tag or commit 'nowhere'"):
            refs.create("y", "nowhere")
        assert refs.reflog("x") == [] and "y" not in refs

    def test_move_forward(self, three: Lake, refs: Refs) -> None:
        refs.create("v1", "main~2")
        refs.move("v1", "main~1")
        assert refs["v1"] == three.at("main~1").commit
        refs.move("v1", "v1")
        assert refs["v1"] == three.at("main~1").commit

    def test_move_elsewhere_needs_force(self, three: Lake, refs: Refs) -> None:
        refs.create("v1")
        newest = three.head.commit
        with pytest.raises(InputError, match=f"does not follow {newest.id[:12]}, which .* 'v1' means now"):
            refs.move("v1", "main~1")
        assert refs["v1"] == newest
        refs.move("v1", "main~1", force=True)
        assert refs["v1"] == three.at("main~1").commit and three.head.commit == newest

    def test_delete_and_create_again(self, three: Lake, refs: Refs) -> None:
        refs.create("v1", "main~1")
        refs.delete("v1")
        assert "v1" not in refs and len(refs) == len(list(refs))
        with pytest.raises(NotFoundError):
            three.at("v1")
        with pytest.raises(NotFoundError):
            refs.delete("v1")
        last = refs.reflog("v1")[1]
        assert isinstance(last, Pointer) and last.target is not None
        refs.create("v1", last.target.id)
        assert Lake.open(three.url).at("v1").commit == three.at("main~1").commit

    def test_reflog(self, three: Lake, refs: Refs) -> None:
        one, two = three.at("main~1").commit, three.at("main").commit
        refs.create("v1", one.id)
        refs.move("v1", two.id)
        refs.move("v1", one.id, force=True)
        refs.delete("v1")
        entries = refs.reflog("v1")
        assert all(isinstance(entry, Pointer) for entry in entries)
        kind = "branch" if "main" in refs else "tag"
        assert [entry.message for entry in entries] == [
            f"Delete {kind} v1 at {one.id[:12]}",
            f"Move {kind} v1 from {two.id[:12]}",
            f"Move {kind} v1 from {one.id[:12]}",
            f"Create {kind} v1",
        ]
        targets = [entry.target for entry in entries if isinstance(entry, Pointer)]
        assert targets == [None, one.reference, two.reference, one.reference]

    def test_main_stays(self, three: Lake) -> None:
        with pytest.raises(InputError, match="'main' cannot be deleted"):
            three.branches.delete("main")

    def test_a_branch_goes_before_a_tag(self, three: Lake) -> None:
        three.tags.create("x", "main~1")
        three.branches.create("x", "main")
        assert three.at("x").commit == three.head.commit
        three.branches.delete("x")
        assert three.at("x").commit == three.at("main~1").commit

    def test_a_name_like_a_day(self, three: Lake, refs: Refs) -> None:
        refs.create("2020-01-01", "main~1")
        assert three.at("2020-01-01").commit == three.at("main~1").commit
        with pytest.raises(NotFoundError, match="no commit as early as"):
            three.at("2020-01-01T00:00")

    def test_a_name_like_an_id(self, three: Lake, refs: Refs) -> None:
        refs.create(three.head.commit.id[:8], "main~1")
        assert three.at(three.head.commit.id[:8]).commit == three.at("main~1").commit


class TestWriting:
    def test_branches_are_apart(self, three: Lake) -> None:
        three.branches.create("side", "main~1")
        put(three, b"side", "side")
        put(three, b"main")
        opened = Lake.open(three.url)
        assert [contents(opened.at(ref))["f"] for ref in ("main", "side", "side~1")] == [
            b"main",
            b"side",
            b"2",
        ]
        assert [record.branch for record in opened.log("side")] == ["side", "main", "main", "main"]

    def test_a_deleted_branch_takes_no_commit(self, three: Lake) -> None:
        three.branches.create("side")
        late, later = (three.transaction("late", branch="side") for _ in range(2))
        late.put_file("f", b"late")
        three.branches.delete("side")
        with pytest.raises(NotFoundError, match="there is no branch 'side'"):
            late.commit()
        three.branches.create("side", "main~1")
        later.put_file("g", b"later")
        later.commit()
        assert contents(three.at("side")) == {"f": b"2", "g": b"later"}

    def test_a_commit_meets_a_moved_branch(self, three: Lake) -> None:
        """What it changed is done to what the branch means now."""
        tx = three.transaction("new")
        tx.put_file("g", b"g")
        three.branches.move("main", "main~2", force=True)
        tx.commit()
        assert contents(three.head) == {"f": b"1", "g": b"g"}
        assert len(three.log()) == 3

    def test_a_long_branch_of_a_branch(self, lake: Lake) -> None:
        """Depths go on from branch to branch, over folds."""
        branch = "main"
        for step in range(40):
            put(lake, b"%d" % step, branch, f"f{step}")
            if step % 10 == 9:
                lake.branches.create(f"b{step}", branch)
                branch = f"b{step}"
        assert len(contents(Lake.open(lake.url).at(branch))) == 40
        assert len(contents(Lake.open(lake.url).at("main"))) == 10

    def test_moving_does_not_lose_a_commit(self, three: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that another writer makes between the look and the move."""
        three.branches.create("side", "main~2")
        point = Log.point

        def late(self: Log, name: str, *args: Any, **options: Any) -> bool:
            if not any(record.message == "put b'meanwhile'" for record in three.log("side")):
                put(three, b"meanwhile", "side", "g")
            return point(self, name, *args, **options)

        monkeypatch.setattr(Log, "point", late)
        with pytest.raises(InputError, match="does not follow"):
            three.branches.move("side", "main")
        assert contents(three.at("side")) == {"f": b"1", "g": b"meanwhile"}

    def test_one_of_many_creates(self, three: Lake) -> None:
        start = threading.Barrier(8)

        def create(at: int) -> bool:
            start.wait()
            try:
                Lake.open(three.url, durable=False).branches.create("new", f"main~{at % 3}")
            except InputError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(create, range(8))) == 1
        assert len(three.branches.reflog("new")) == 1


class TestTimeTravel:
    def test_over_moves_and_merges(self, lake: Lake, clock: Clock) -> None:
        clock("2030-01-01")
        one = put(lake, b"1")
        clock("2030-01-02")
        two = put(lake, b"2")
        clock("2030-01-03")
        lake.branches.move("main", one.id, force=True)
        clock("2030-01-04")
        lake.branches.create("side", two.id)
        other = put(lake, b"side", "side", "g")
        clock("2030-01-05")
        assert lake.merge("side") == other
        clock("2030-01-06")
        last = put(lake, b"last")
        opened = Lake.open(lake.url)
        for day, record in zip(range(1, 8), (one, two, one, one, other, last, last), strict=True):
            assert opened.at(f"2030-01-0{day}T00:00").commit == record
            assert opened.at(f"2030-01-0{day}").commit == record
            assert opened.at(datetime(2030, 1, day, 12, tzinfo=UTC)).commit == record
        assert opened.at("2030-01-02T01:00+02:00").commit == one
        assert opened.at("main~").commit == other and opened.at("main~1~2").commit == one
        assert opened.at("side~").commit == two

    def test_first_parents(self, lake: Lake) -> None:
        put(lake, b"1")
        lake.branches.create("side")
        put(lake, b"side", "side", "g")
        mine = put(lake, b"mine")
        merge = lake.merge("side")
        assert merge is not None
        assert lake.at("main~1").commit == mine and lake.at(f"{merge.id[:10]}~2~").commit.number == 0
        assert lake.at(lake.at("side").commit.id[:6]).commit == lake.at("side").commit

    def test_a_commit_of_a_deleted_branch(self, three: Lake) -> None:
        three.branches.create("side")
        lost = put(three, b"lost", "side")
        three.branches.delete("side")
        assert Lake.open(three.url).at(lost.id[:8])["f"] == b"lost"

    def test_a_time_without_offset_is_damage(self, lake: Lake) -> None:
        fields = put(lake, b"x").fields
        data = canonical_json({**fields, "number": 2, "time": "2030-01-01T00:00"})
        lake.storage.create("log/main/000000000002", digest_of(data).encode() + b"\n" + data + b"\n")
        with pytest.raises(CorruptObjectError, match="a time without offset"):
            lake.at("2030-01-01")


class TestAncestry:
    """By parents, not by clocks."""

    def test_wrong_clocks(self, lake: Lake, clock: Clock) -> None:
        clock("2030-06-01")
        below = put(lake, b"below")
        clock("2030-05-01")
        common = put(lake, b"common")
        lake.branches.create("side")
        clock("2030-01-01")
        slow = put(lake, b"slow", "side", "g")
        clock("2030-07-01")
        mine = put(lake, b"mine", "main", "h")
        record = lake.merge("side")
        assert record is not None
        for found in (lake.log(), list(ancestors(Log(lake.storage), record))):
            assert [each.id for each in found[:5]] == [
                each.id for each in (record, mine, slow, common, below)
            ]
        assert lake.head.history() == lake.log()

    def test_a_base_behind_a_later_clock(self, lake: Lake, clock: Clock) -> None:
        """An old common commit that says it is newer than what follows it is not the base."""
        clock("2040-01-01")
        old = put(lake, b"old")
        lake.branches.create("early")
        clock("2030-01-01")
        early = put(lake, b"early", "early", "e")
        lake.merge("early")
        base = put(lake, b"base", "main", "b")
        lake.branches.create("side")
        clock("2031-01-01")
        one = put(lake, b"one", "main", "one")
        other = put(lake, b"other", "side", "other")
        parted = divergence(Log(lake.storage), [one], other)
        assert parted.bases == [base] and parted.one == [one] and parted.other == [other]
        assert [record.id for record in lake.log("side")[1:4]] == [base.id, early.id, old.id]

    def test_crosswise_merges_have_two_bases(self, lake: Lake) -> None:
        lake.branches.create("side")
        one, other = put(lake, b"1", "main", "one"), put(lake, b"2", "side", "other")
        lake.merge(other.id)
        lake.merge(one.id, into="side")
        parted = divergence(Log(lake.storage), [lake.head.commit], lake.at("side").commit)
        assert sorted(base.id for base in parted.bases) == sorted([one.id, other.id])
        assert parted.one == [lake.head.commit] and parted.other == [lake.at("side").commit]

    def test_little_is_read_of_a_long_history(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        for step in range(30):
            put(lake, b"%d" % step)
        lake.branches.create("side")
        put(lake, b"1", "side", "g")
        put(lake, b"2")
        read: list[str] = []
        record = Log.record

        def counted(self: Log, name: str, number: int, *space: Any) -> Any:
            read.append(f"{name} {number}")
            return record(self, name, number, *space)

        newest = [lake.head.commit], lake.at("side").commit
        monkeypatch.setattr(Log, "record", counted)
        assert divergence(Log(lake.storage), *newest).bases[0].number == 30
        assert len(read) <= 4


def test_time_travel_is_exact(lake: Lake) -> None:
    records = [put(lake, b"%d" % step) for step in range(5)]
    for record in records:
        assert lake.at(record.time).commit == record
        assert lake.at(record.time - timedelta(microseconds=1)).commit.number == record.number - 1
