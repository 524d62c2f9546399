"""Garbage collection: what nobody needs goes, and nobody loses anything, whoever writes or reads meanwhile."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from lake_contents import age

from neurolake.lake import Lake
from neurolake.lake.errors import ConflictError, CorruptObjectError, InputError
from neurolake.lake.history.log import Log, Pointer
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects import condemned
from neurolake.lake.objects.store import ObjectStore
from neurolake.lake.upkeep import garbage
from neurolake.lake.upkeep.garbage import collect

RNG = np.random.default_rng(2)
DAYS = timedelta(days=8)
NOW = timedelta(0)
TABLE = pa.table({"x": RNG.random(2000)})
PACKED = RNG.bytes(5000)
ALONE = RNG.bytes(8 * 2**20)
SHARDED = RNG.integers(0, 2**60, (OVERLAY_SIZE + 1, 100))


def stored(lake: Lake) -> set[str]:
    root = Path(lake.url)
    found = (path for folder in ("packs", "objects") for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix() for path in found}


def write(lake: Lake, prefix: str = "") -> Any:
    """A transaction that has written everything but its commit; always of the same content."""
    tx = lake.transaction("everything")
    tx.put_file(f"{prefix}packed", PACKED)
    tx.put_file(f"{prefix}alone", ALONE)
    tx.write_table(f"{prefix}table", TABLE)
    tx.write_array(f"{prefix}sharded", SHARDED, chunks=(1, 100))
    tx.writer.flush()
    return tx


def check(lake: Lake, prefix: str = "") -> None:
    lake = Lake.open(lake.url, verification="always")
    assert lake.verify()
    assert lake[f"{prefix}packed"] == PACKED and lake[f"{prefix}alone"] == ALONE
    assert lake[f"{prefix}table"].to_arrow() == TABLE and np.array_equal(
        lake[f"{prefix}sharded"][...], SHARDED
    )


@pytest.fixture
def littered(lake: Lake) -> Lake:
    """A lake with the objects of a transaction that never committed."""
    write(lake)
    return lake


class TestPhases:
    def test_two_runs(self, littered: Lake) -> None:
        before = stored(littered)
        young = littered.collect_garbage()
        assert (young.condemned, young.deleted) == ((), ()) and not (Path(littered.url) / "gc").exists()
        age(littered, DAYS)
        first = littered.collect_garbage()
        assert {key for key, _ in first.condemned} == before - {
            key for key in before if key.endswith(".tree")
        }
        assert first.deleted == () and stored(littered) == before
        assert first.condemned == tuple(
            sorted((key, (Path(littered.url) / key).stat().st_size) for key, _ in first.condemned)
        )
        second = littered.collect_garbage()
        assert second.condemned == () and set(second.waiting) == {key for key, _ in first.condemned}
        assert second.deleted == () and stored(littered) == before
        age(littered, DAYS)
        third = littered.collect_garbage()
        assert third.deleted == first.condemned and third.waiting == ()
        assert stored(littered) == {key for key in before if key.endswith(".tree")}
        assert littered.verify() and littered.collect_garbage().deleted == ()
        assert "deleted 3 (8," in str(third)

    def test_dry_run(self, littered: Lake) -> None:
        age(littered, DAYS)
        files = sorted(Path(littered.url).rglob("*"))
        told = littered.collect_garbage(dry_run=True)
        assert len(told.condemned) == 3 and told.deleted == ()
        assert littered.collect_garbage(dry_run=True, grace=NOW).deleted == told.condemned
        assert sorted(Path(littered.url).rglob("*")) == files
        assert littered.collect_garbage(grace=NOW).deleted == told.condemned

    def test_temporary_files(self, lake: Lake) -> None:
        """Those that somebody may still be writing are left, even without a grace period."""
        old, young = Path(lake.url) / "tmp/old", Path(lake.url) / "tmp/young"
        old.write_bytes(b"123")
        age(lake, DAYS)
        young.write_bytes(b"123")
        assert lake.collect_garbage(grace=NOW).temporary == (("tmp/old", 3),)
        assert young.exists() and not old.exists()

    def test_what_history_needs_stays(self, lake: Lake) -> None:
        write(lake).commit()
        kept = stored(lake)
        for name in ("packed", "alone", "table", "sharded"):
            tx = lake.transaction("delete")
            tx.delete(name)
            tx.commit()
        lake.branches.create("side", "main~3")
        write(lake, "side/").commit()
        lake.branches.create("gone", "main~1")
        with lake.transaction("gone", branch="gone") as gone:
            gone.put_file("gone", RNG.bytes(1000))
        lake.branches.delete("gone")
        lake.tags.create("v1", "main~2")
        age(lake, DAYS)
        assert lake.collect_garbage(grace=NOW).deleted == () and kept <= stored(lake)
        assert lake.at("main~5")["packed"] == PACKED and lake.verify()

    def test_sets_are_retired_except_for_the_newest_number(self, lake: Lake) -> None:
        for number in range(3):
            tx = lake.transaction("never")
            tx.put_file("f", RNG.bytes(1000))
            tx.writer.flush()
            assert len(lake.collect_garbage(grace=NOW).deleted) == 1
            assert len(list((Path(lake.url) / "gc").iterdir())) == number + 1
        age(lake, DAYS)
        lake.collect_garbage(grace=NOW)
        assert [path.name for path in (Path(lake.url) / "gc").iterdir()] == [f"{3:012d}"]
        age(lake, DAYS)
        lake.collect_garbage(grace=NOW)
        assert [path.name for path in (Path(lake.url) / "gc").iterdir()] == [f"{3:012d}"]

    def test_nothing_is_deleted_when_a_manifest_is_damaged(self, lake: Lake) -> None:
        write(lake).commit()
        before = stored(lake)
        (shard,) = Path(lake.url).rglob("*.shard")
        shard.write_bytes(b"rubbish")
        with pytest.raises(CorruptObjectError, match=r"nothing was deleted.*verify the lake"):
            lake.collect_garbage(grace=NOW)
        (Path(lake.url) / "log/main/000000000000").unlink()
        with pytest.raises(CorruptObjectError, match="nothing was deleted"):
            lake.collect_garbage(grace=NOW)
        assert stored(lake) == before

    def test_negative_grace(self, lake: Lake) -> None:
        with pytest.raises(InputError, match="must not be negative"):
            lake.collect_garbage(grace=timedelta(-1))

    def test_a_hostile_set(self, lake: Lake) -> None:
        (Path(lake.url) / "gc").mkdir()
        path = Path(lake.url) / "gc/000000000000"
        for text in ("", "[]", '{"keys": 3}', '{"keys": [3]}'):
            path.write_text(text)
            with pytest.raises(CorruptObjectError, match="gc/000000000000"):
                write(lake)
        # What says it is condemned is not deleted for that, unless it is garbage.
        path.write_text(json.dumps({"keys": ["neurolake.json", "../x", "log/main/000000000000"]}))
        age(lake, DAYS)
        assert lake.collect_garbage(grace=NOW).deleted == () and Lake.open(lake.url).verify()


class TestWriters:
    def test_condemned_keys_are_not_reused(self, littered: Lake) -> None:
        """A writer that begins after its content was condemned puts it elsewhere, the same place each time."""
        age(littered, DAYS)
        littered.collect_garbage()
        condemned = stored(littered)
        write(littered, "a/").commit()
        copies = stored(littered) - condemned
        assert {key.partition(".")[2] for key in copies if key.startswith("objects")} == {
            "0000",
            "0000.parquet",
            "shard",
        }
        write(littered, "b/").commit()
        assert {key for key in stored(littered) - condemned - copies if not key.endswith(".tree")} == set()
        age(littered, DAYS)
        assert len(littered.collect_garbage().deleted) == 3
        check(littered, "a/")
        check(littered, "b/")

    def test_a_copy_that_was_condemned_too(self, littered: Lake) -> None:
        for expected in ("0000.parquet", "0001.parquet"):
            age(littered, DAYS)
            littered.collect_garbage()
            write(littered)
            assert any(key.endswith(expected) for key in stored(littered))
        write(littered).commit()
        littered.collect_garbage(grace=NOW)
        check(littered)

    @pytest.mark.parametrize("cooperative", [False, True])
    def test_condemned_between_write_and_commit(self, littered: Lake, cooperative: bool) -> None:
        """The writer found its content there, and wrote nothing."""
        tx = write(littered, "a/")
        if cooperative:
            tx = cooperating(littered)
        before = stored(littered)
        age(littered, DAYS)
        littered.collect_garbage()
        tx.commit()
        assert len(stored(littered) - before) >= 2
        age(littered, DAYS)
        assert littered.collect_garbage().deleted
        if cooperative:
            assert littered["t"].to_arrow() == TABLE and littered.verify()
        else:
            check(littered, "a/")

    def test_condemned_between_check_and_record(
        self, littered: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The record is made with condemned keys: they are reachable then, and stay."""
        tx = write(littered, "a/")
        age(littered, DAYS)
        done = before_append(monkeypatch, littered.collect_garbage)
        tx.commit()
        assert len(done[0].condemned) == 3
        age(littered, DAYS)
        assert littered.collect_garbage().deleted == () == littered.collect_garbage(grace=NOW).deleted
        check(littered, "a/")

    def test_deleted_between_check_and_record(self, littered: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fence takes the number that the record was to have."""
        tx = write(littered, "a/")
        before = littered.log()
        done = before_append(monkeypatch, lambda: littered.collect_garbage(grace=NOW))
        with pytest.raises(ConflictError, match=r"longer than the grace period\. Begin a new one"):
            tx.commit()
        assert len(done[0].deleted) == 4
        assert littered.log() == before and littered.verify()
        (fence, *_) = littered.branches.reflog("main")
        assert isinstance(fence, Pointer) and fence.message == "Collect garbage"
        write(littered, "a/").commit()
        check(littered, "a/")

    def test_deleted_while_it_is_copied(self, littered: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        tx, read = write(littered, "a/"), ObjectStore.read
        age(littered, DAYS)
        condemned = littered.collect_garbage().condemned

        def late(self: ObjectStore, *args: Any) -> bytes:
            for key, _ in condemned:
                littered.storage.delete(key)
            return read(self, *args)

        monkeypatch.setattr(ObjectStore, "read", late)
        with pytest.raises(ConflictError, match=r"longer than the grace period\. Begin a new one"):
            tx.commit()

    def test_committed_between_mark_and_publication(self, littered: Lake) -> None:
        """What is condemned and reachable stays."""
        tx = write(littered, "a/")
        age(littered, DAYS)
        done = collect(littered._history, pause=at("publish", tx.commit))
        assert len(done.condemned) == 3
        age(littered, DAYS)
        assert littered.collect_garbage().deleted == ()
        check(littered, "a/")

    def test_committed_between_mark_and_fence(self, littered: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """The writer looked before its keys were condemned, and its record is made just before the fence."""
        tx, append, made = write(littered, "a/"), Log.append, []

        def late(self: Log, *args: Any) -> Any:
            monkeypatch.setattr(Log, "append", append)
            pause = at("fence", lambda: made.append(append(self, *args)))
            assert collect(littered._history, grace=NOW, pause=pause).deleted == ()
            return made[0]

        monkeypatch.setattr(Log, "append", late)
        assert tx.commit() is made[0] is not None
        check(littered, "a/")

    def test_committed_while_it_deletes(self, littered: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(garbage, "_AT_ONCE", 1)
        age(littered, DAYS)
        littered.collect_garbage()
        age(littered, DAYS)
        written: list[str] = []

        def pause(step: str) -> None:
            if step.startswith("delete"):
                written.append(f"{len(written)}/")
                write(littered, written[-1]).commit()

        assert len(collect(littered._history, pause=pause).deleted) == len(written) == 3
        for prefix in written:
            check(littered, prefix)

    @pytest.mark.parametrize("days", [8, 16])
    def test_written_anew_while_it_deletes(self, littered: Lake, days: int) -> None:
        """Another collector was faster, and a writer put the same content there again: it is not garbage any more."""
        age(littered, DAYS)
        littered.collect_garbage()
        age(littered, timedelta(days))

        def others() -> None:
            assert len(littered.collect_garbage().deleted) == 3
            write(littered, "a/").commit()

        done = collect(littered._history, pause=once("delete", others))
        assert len(done.deleted) == 3
        check(littered, "a/")

    def test_a_set_that_goes_while_it_is_read(self, littered: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it condemned is gone, too: no error for a writer, nor for a collector."""
        age(littered, DAYS)
        littered.collect_garbage()
        listed = condemned.sets
        monkeypatch.setattr(condemned, "sets", lambda storage: {**listed(storage), 77: datetime.now(UTC)})
        monkeypatch.setattr(garbage, "sets", condemned.sets)
        write(littered, "a/").commit()
        assert littered.collect_garbage().deleted == ()
        check(littered, "a/")

    def test_long_transactions_fail_cleanly(self, lake: Lake) -> None:
        """Even when the set that told of it is gone."""
        tx = write(lake)
        lake.collect_garbage(grace=NOW)
        write(lake, "other")
        lake.collect_garbage(grace=NOW)
        age(lake, 3 * DAYS)
        lake.collect_garbage()
        assert [path.name for path in (Path(lake.url) / "gc").iterdir()] == [f"{2:012d}"]
        with pytest.raises(ConflictError, match="has removed"):
            tx.commit()
        assert lake.verify()

    def test_readers_of_history(self, lake: Lake) -> None:
        write(lake).commit()
        old = lake.head
        with lake.transaction("delete") as tx:
            tx.delete("packed")
        lake.collect_garbage(grace=NOW)
        assert old["packed"] == PACKED and old["table"].to_arrow() == TABLE


def before_append(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> list[Any]:
    """Do something once just before the next record is made; what it gave."""
    append, done = Log.append, []

    def late(self: Log, *args: Any) -> Any:
        if not done:
            done.append(None)
            done[0] = action()
        return append(self, *args)

    monkeypatch.setattr(Log, "append", late)
    return done


def at(step: str, action: Callable[[], Any]) -> Callable[[str], None]:
    return lambda reached: action() if reached == step else None


def once(step: str, action: Callable[[], Any]) -> Callable[[str], None]:
    """Do something before the first step of a kind."""
    done: list[str] = []

    def pause(reached: str) -> None:
        if reached.startswith(step) and not done:
            done.append(reached)
            action()

    return pause


def cooperating(lake: Lake) -> Any:
    """A transaction whose file another process wrote."""
    from neurolake.lake.data.parquet import write_file
    from neurolake.lake.data.types import plain
    from neurolake.lake.nodes.fields import fields_of
    from neurolake.lake.objects.store import ObjectWriter

    writer = ObjectWriter(ObjectStore(lake.storage).storage)
    entry = write_file(plain(TABLE), writer)
    writer.flush()
    tx = lake.transaction("cooperate")
    tx.append_files("t", [entry], fields_of(TABLE.schema))
    tx.put_file("packed", PACKED)
    return tx
