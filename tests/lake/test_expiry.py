"""Expiry: old history goes, what is asked of it is told so, and everything that stays can be read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from neurolake.lake import Lake
from neurolake.lake.errors import ConflictError, CorruptObjectError, ExpiredError, InputError, NotFoundError
from neurolake.lake.history.log import FOLD_AFTER

RNG = np.random.default_rng(4)
NOW = timedelta(0)
COMMITS = 2 * FOLD_AFTER + 10


def put(lake: Lake, content: str, branch: str = "main") -> None:
    with lake.transaction(f"put {content}", branch=branch) as tx:
        tx.put_file("f", content.encode() + bytes(1000))


def content(lake: Lake, ref: str) -> str:
    return bytes(lake.at(ref)["f"]).rstrip(b"\0").decode()


def records(lake: Lake, branch: str = "main") -> list[int]:
    return sorted(int(path.name) for path in (Path(lake.url) / "log" / branch).iterdir())


@pytest.fixture
def long(lake: Lake) -> Lake:
    """A lake with many commits of one file."""
    for number in range(1, COMMITS + 1):
        put(lake, str(number))
    return lake


class TestWhatStays:
    def test_the_newest_and_what_it_needs(self, long: Lake) -> None:
        before = long.log()
        done = long.expire(NOW)
        (horizon,) = done.horizons.values()
        assert records(long) == list(range(horizon, COMMITS + 1)) and done.records == horizon
        assert COMMITS - FOLD_AFTER <= horizon < COMMITS and done.islands == ()
        for lake in (long, Lake.open(long.url)):
            assert lake.log() == before[: COMMITS + 1 - horizon]
            assert content(lake, "main") == str(COMMITS)
            assert content(lake, f"main~{COMMITS - horizon}") == str(horizon) and lake.verify()
        assert long.expire(NOW).records == 0

    def test_since_a_time(self, long: Lake) -> None:
        """What was current at that time, and everything after it."""
        moment = long.log()[5].time
        assert long.expire(moment).records > 0
        lake = Lake.open(long.url)
        assert content(lake, (moment - timedelta(microseconds=1)).isoformat()) == str(COMMITS - 6)
        with pytest.raises(ExpiredError, match="early history of main has expired"):
            lake.at("2001-01-01")

    def test_nothing_is_that_old(self, long: Lake) -> None:
        done = long.expire(timedelta(days=1))
        assert (done.horizons, done.records) == ({}, 0) and records(long)[0] == 0
        assert not (Path(long.url) / "expired").exists()

    def test_dry_run(self, long: Lake) -> None:
        told = long.expire(NOW, dry_run=True)
        assert told.records and len(records(long)) == COMMITS + 1
        assert not (Path(long.url) / "expired").exists()
        assert long.expire(NOW) == told

    def test_tags(self, long: Lake) -> None:
        tagged = long.tags.create("v1", "main~50")
        old = long.tags.create("v0", "main~30")
        long.tags.delete("v0")
        done = long.expire(NOW)
        assert f"log/main/{tagged.number:012d}" in done.islands
        lake = Lake.open(long.url)
        assert content(lake, "v1") == content(lake, tagged.id[:10]) == str(tagged.number)
        with pytest.raises(
            NotFoundError, match="no commit begins with it; early history of main has expired"
        ):
            lake.at(old.id)
        lake.collect_garbage(grace=NOW)
        assert lake.verify() and content(lake, "v1") == str(tagged.number)
        lake.tags.delete("v1")
        assert lake.expire(NOW).records == len(done.islands)
        assert lake.verify()

    def test_branches(self, long: Lake) -> None:
        """A branch keeps what it began with, and can be merged still."""
        long.branches.create("side", "main~40")
        start = long.branches["side"].number
        with long.transaction("aside", branch="side") as tx:
            tx.put_file("aside", b"x")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert records(lake)[0] <= start and content(lake, "side") == str(start)
        assert lake.merge("side") is not None and lake["aside"] == b"x"
        assert content(lake, "main") == str(COMMITS) and lake.verify()

    def test_long_branches(self, long: Lake) -> None:
        """However much was committed to it since it began."""
        long.branches.create("side", "main~40")
        for number in range(FOLD_AFTER + 5):
            put(long, f"side {number}", "side")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert records(lake, "side")[0] == 1
        with pytest.raises(ConflictError, match="both sides changed f"):
            lake.merge("side")

    def test_long_branches_of_a_name_that_was_used_before(self, long: Lake) -> None:
        long.branches.create("side", "main~30")
        long.branches.delete("side")
        long.expire(NOW)
        long.branches.create("side")
        put(long, "last")
        for _ in range(2 * FOLD_AFTER):
            with long.transaction("aside", branch="side") as tx:
                tx.append_table("t", pa.table({"x": [1]}))
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert lake.merge("side") is not None and len(lake["t"]) == 2 * FOLD_AFTER and lake.verify()

    def test_branches_of_a_branch_that_is_gone(self, long: Lake) -> None:
        """Main went on from what another branch had, where a third one parted from it."""
        long.branches.create("side")
        put(long, "side 1", "side")
        long.branches.create("other", "side")
        put(long, "side 2", "side")
        long.merge("side")
        long.branches.delete("side")
        with long.transaction("aside", branch="other") as tx:
            tx.put_file("aside", b"x")
        for number in range(COMMITS):
            put(long, f"main {number}")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert lake.merge("other") is not None and lake["aside"] == b"x"
        assert content(lake, "main") == f"main {COMMITS - 1}" and lake.verify()

    def test_branches_that_were_merged_crosswise(self, long: Lake) -> None:
        """Two commits are the newest that both follow: what these have in common stays, too."""
        for name in ("one", "other"):
            long.branches.create(name)
            with long.transaction(name, branch=name) as tx:
                tx.put_file(name, b"1")
        tips = {name: long.branches[name].id for name in ("one", "other")}
        long.merge(tips["other"], into="one")
        long.merge(tips["one"], into="other")
        for number in range(COMMITS):
            for name in ("one", "other"):
                with long.transaction(f"{name} {number}", branch=name) as tx:
                    tx.put_file(name, b"%d" % number)
        put(long, "after")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert lake.merge("other", into="one") is not None and lake.verify()
        held = lake.at("one")
        assert held["one"] == held["other"] == b"%d" % (COMMITS - 1)

    def test_branches_that_are_merged_often(self, long: Lake) -> None:
        """What all of them follow is kept for none of them."""
        long.branches.create("side", "main~40")
        for number in range(2 * FOLD_AFTER):
            with long.transaction("aside", branch="side") as tx:
                tx.put_file("aside", b"%d" % number)
        long.merge("side")
        long.merge("main", into="side")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert records(lake)[0] > COMMITS - 40 and records(lake, "side")[0] > 0 and lake.verify()
        put(lake, "last", "side")
        assert lake.merge("side") is not None and content(lake, "main") == "last"

    def test_deleted_branches(self, long: Lake) -> None:
        long.branches.create("side", "main~40")
        for number in range(3):
            put(long, f"side {number}", "side")
        long.branches.delete("side")
        long.expire(NOW)
        assert records(long, "side") == [4] and records(long)[0] > COMMITS - 40
        lake = Lake.open(long.url)
        assert "side" not in lake.branches
        lake.branches.create("side")
        put(lake, "again", "side")
        assert records(lake, "side") == [4, 5, 6] and lake.verify()

    def test_fast_forward_onto_a_deleted_branch(self, long: Lake) -> None:
        """What the tip of main is stands on the other branch, and is based on main."""
        long.branches.create("side")
        put(long, "aside", "side")
        long.merge("side")
        long.branches.delete("side")
        put(long, "after")
        long.expire(NOW)
        lake = Lake.open(long.url)
        assert content(lake, "main") == "after" and lake.verify()
        assert content(lake, "main~1") == "aside"

    def test_what_came_from_another_lake(self, long: Lake, new_lake: Callable[[str], Lake]) -> None:
        """Its place here is not the one that its followers call it by."""
        there = new_lake("there")
        there.pull(long, "main", into="copy")
        put(there, "mine", "copy")
        assert there.expire(NOW).records > 0
        there = Lake.open(there.url)
        assert content(there, "copy") == "mine" and content(there, "copy~1") == str(COMMITS)
        there.collect_garbage(grace=NOW)
        assert there.verify() and content(Lake.open(there.url), "copy~1") == str(COMMITS)

    def test_a_copy(self, long: Lake, tmp_path: Path) -> None:
        long.expire(NOW)
        there = long.copy_to(tmp_path / "there")
        assert there.verify() and there.log() == Lake.open(long.url).log()
        with pytest.raises(ExpiredError):
            there.at(f"main~{COMMITS}")

    def test_gc_takes_the_rest(self, long: Lake) -> None:
        packs = len(list(Path(long.url).rglob("*.pack")))
        long.expire(NOW)
        assert len(long.collect_garbage(grace=NOW).deleted) > FOLD_AFTER
        assert len(list(Path(long.url).rglob("*.pack"))) == packs - records(long)[0] + 1
        for number in records(long)[1:-1]:
            assert content(Lake.open(long.url), f"main~{COMMITS - number}") == str(number)


class TestWhatIsTold:
    def test_steps_back(self, long: Lake) -> None:
        long.expire(NOW)
        left = len(records(long)) - 1
        lake = Lake.open(long.url)
        with pytest.raises(
            ExpiredError, match=f"only {left} commits before main are left; commit .* has expired"
        ):
            lake.at(f"main~{left + 1}")
        with pytest.raises(ExpiredError, match="has expired: its history before"):
            lake.revert(f"main~{left}")

    def test_a_missing_record_after_the_horizon_is_damage(self, long: Lake) -> None:
        long.expire(NOW)
        numbers = records(long)
        (Path(long.url) / f"log/main/{numbers[2]:012d}").unlink()
        lake = Lake.open(long.url)
        with pytest.raises(CorruptObjectError, match="is missing"):
            lake.log()
        assert f"log/main/{numbers[2]:012d}" in {damage.key for damage in lake.verify().damages}

    def test_writers_go_on(self, long: Lake) -> None:
        """A transaction that began before is not disturbed."""
        with long.transaction("began") as tx:
            tx.put_file("f", b"last")
            Lake.open(long.url).expire(NOW)
        assert long["f"] == b"last" and Lake.open(long.url).verify()

    def test_the_future(self, long: Lake) -> None:
        with pytest.raises(InputError, match="in the future"):
            long.expire(datetime.now(UTC) + timedelta(days=1))
        with pytest.raises(InputError, match="in the future"):
            long.expire(timedelta(days=-1))

    def test_damage_comes_first(self, long: Lake) -> None:
        (Path(long.url) / f"log/main/{COMMITS - 3:012d}").write_bytes(b"rubbish")
        before = records(long)
        with pytest.raises(CorruptObjectError):
            Lake.open(long.url).expire(NOW)
        assert records(long) == before
