"""Verification: every damage is found, reported with its referrers, and repaired from another lake."""

import math
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from neurolake.lake import Lake
from neurolake.lake.digest import digest_of
from neurolake.lake.errors import InputError
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.objects.packs import pack_key
from neurolake.lake.storage.local import LocalStorage

RNG = np.random.default_rng(1)


def build(path: Path) -> Lake:
    """All kinds of objects, over a few commits and two branches."""
    lake = Lake.create(path, durable=False)
    with lake.transaction("first") as tx:
        tx.put_file("packed", RNG.bytes(1000))
        tx.put_file("packed too", RNG.bytes(2000))
        tx.put_file("alone", RNG.bytes(8 * 2**20))
        tx.write_array("array", RNG.random((40, 30)), chunks=(10, 30))
    with lake.transaction("second") as tx:
        tx.write_array("sharded", RNG.integers(0, 2**60, (OVERLAY_SIZE + 1, 100)), chunks=(1, 100))
        for step in range(200):
            tx.put_file(f"many/{step}", RNG.bytes(400))
    lake.branches.create("side")
    with lake.transaction("third") as tx:
        tx.write_table("table", pa.table({"x": RNG.random(2000)}))
        tx.put_file("packed", b"other")
    with lake.transaction("aside", branch="side") as tx:
        tx.put_file("aside", RNG.bytes(700))
    return lake


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verification") / "lake"
    build(path)
    return path


@pytest.fixture
def lake(sound: Path, tmp_path: Path) -> Lake:
    return Lake.open(shutil.copytree(sound, tmp_path / "copy"))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def pack_of(lake: Lake, name: str) -> tuple[Path, int]:
    entry = lake.head.tree[name].entries.get(0)
    assert entry is not None and entry.place.pack is not None
    return Path(lake.url) / pack_key(entry.place.pack), entry.place.offset


class TestFindings:
    def test_a_sound_lake(self, lake: Lake) -> None:
        told: list[tuple[int, int]] = []
        found = lake.verify(progress=lambda done, total: told.append((done, total)))
        assert found and found.damages == () == found.repaired and found.seconds > 0
        stored = [path for path in Path(lake.url).rglob("*/??/*") if path.is_file()]
        assert found.objects == len(stored) and found.bytes == sum(path.stat().st_size for path in stored)
        assert found.records == len(list(Path(lake.url).glob("log/*/*")))
        assert told[-1][1] == found.bytes and 0.9 * found.bytes < told[-1][0] <= found.bytes

    def test_garbage_is_left_alone(self, lake: Lake) -> None:
        tx = lake.transaction("never")
        tx.put_file("f", RNG.bytes(10_000))
        tx.writer.flush()
        assert lake.verify()

    def test_a_packed_object(self, lake: Lake) -> None:
        """Only the commits that still have it are hurt, and of the pack only this object."""
        first = lake.at("main~2")
        entry = first.tree["packed too"].entries.get(0)
        assert entry is not None and entry.place.pack is not None
        flip(Path(lake.url) / pack_key(entry.place.pack), entry.place.offset + 5)
        (damage,) = lake.verify().damages
        assert (damage.key, damage.digest) == (pack_key(entry.place.pack), entry.digest)
        assert damage.reason == "damaged" and damage.nodes == ("packed too",)
        everything = [record.id for record in [*lake.log(), lake.branches["side"]]]
        assert set(damage.commits) == set(everything) - {lake.log()[-1].id}
        assert "packed too in 4 commits" in str(damage)

    def test_a_replaced_object_hurts_only_earlier_commits(self, lake: Lake) -> None:
        entry = lake.at("main~1").tree["packed"].entries.get(0)
        assert entry is not None and entry.place.pack is not None
        flip(Path(lake.url) / pack_key(entry.place.pack), entry.place.offset)
        (damage,) = lake.verify().damages
        assert lake.head.commit.id not in damage.commits and len(damage.commits) == 3
        assert not lake.verify("main~1") and lake.verify("main~3")
        assert lake.verify("main~1").damages[0].commits == (lake.at("main~1").commit.id,)

    def test_chunks_in_shards(self, lake: Lake) -> None:
        entry = lake.head.tree["sharded"].entries.get(7)
        assert entry is not None and entry.place.pack is not None
        flip(Path(lake.url) / pack_key(entry.place.pack), entry.place.offset)
        (damage,) = lake.verify().damages
        assert damage.nodes == ("sharded",) and damage.digest == entry.digest and len(damage.commits) == 3

    @pytest.mark.parametrize("kind", ["footer", "missing", "cut"])
    def test_a_whole_pack(self, lake: Lake, kind: str) -> None:
        path, _ = pack_of(lake, "packed too")
        data = path.read_bytes()
        match kind:
            case "footer":
                flip(path, len(data) - 30)
            case "missing":
                path.unlink()
            case "cut":
                path.write_bytes(data[:-100])
        (damage,) = lake.verify().damages
        assert damage.reason == ("missing" if kind == "missing" else "damaged")
        assert damage.nodes == ("array", "packed", "packed too") and len(damage.commits) == 4

    def test_manifests(self, lake: Lake) -> None:
        """What cannot be read because of one is told as hurt by it."""
        trees = sorted(Path(lake.url).rglob("*.tree"), key=lambda path: path.stat().st_size)
        trees[-1].unlink()
        damages = lake.verify().damages
        assert [damage.reason for damage in damages] == ["missing"]
        assert damages[0].digest == trees[-1].stem and len(damages[0].commits) == 3

    def test_a_shard(self, lake: Lake) -> None:
        (shard,) = Path(lake.url).rglob("*.shard")
        flip(shard, 100)
        (damage,) = lake.verify().damages
        assert damage.nodes == ("sharded",) and len(damage.commits) == 3 and damage.digest == shard.stem

    def test_records(self, lake: Lake) -> None:
        assert len(lake.log()) == 4
        path = Path(lake.url) / "log/main/000000000001"
        flip(path, 300)
        damages = lake.verify().damages
        assert ("log/main/000000000001", "damaged") in [(damage.key, damage.reason) for damage in damages]
        path.unlink()
        damages = lake.verify().damages
        assert ("log/main/000000000001", "missing") in [(damage.key, damage.reason) for damage in damages]

    def test_unreadable(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        from neurolake.lake.errors import StorageError
        from neurolake.lake.storage.local import LocalStorage

        read = LocalStorage.read

        def fails(self: LocalStorage, key: str, *args: int) -> bytes:
            if key.endswith(".parquet"):
                raise StorageError("the disk says no")
            return read(self, key, *args)

        monkeypatch.setattr(LocalStorage, "read", fails)
        (damage,) = lake.verify().damages
        assert (damage.reason, damage.detail, damage.nodes) == ("unreadable", "the disk says no", ("table",))


class TestSample:
    def test_a_share_of_the_objects_is_read(self, lake: Lake) -> None:
        every = lake.verify().objects
        found = lake.verify(sample=0.3)
        assert found and (found.objects, found.unread) == (math.ceil(0.3 * every), every - found.objects)
        assert "not in the sample" in repr(found._about())

    def test_what_is_missing_is_always_found(self, lake: Lake) -> None:
        path, _ = pack_of(lake, "packed too")
        path.unlink()
        assert [damage.reason for damage in lake.verify(sample=1e-9).damages] == ["missing"]

    def test_what_was_drawn_is_checked_and_repaired(
        self, lake: Lake, sound: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, _ = pack_of(lake, "packed too")
        flip(path, 10)
        monkeypatch.setattr(
            random, "sample", lambda keys, count: [k for k in keys if "packs/" not in k][:count]
        )
        assert lake.verify(sample=0.1)
        monkeypatch.setattr(random, "sample", lambda keys, count: [k for k in keys if path.name in k][:count])
        (damage,) = lake.verify(sample=0.1).damages
        assert damage.key.endswith(path.name) and damage.reason == "damaged"
        found = lake.verify(sample=0.1, repair_from=Lake.open(sound))
        assert found and found.repaired == (damage.key,) and found.unread

    @pytest.mark.parametrize("sample", [0.0, -0.1, 1.1, float("nan")])
    def test_a_share_is_above_0_and_at_most_1(self, lake: Lake, sample: float) -> None:
        with pytest.raises(InputError, match="share"):
            lake.verify(sample=sample)


class TestRepair:
    def test_every_object_in_turn(self, lake: Lake, sound: Path) -> None:
        chance = random.Random(0)
        root = Path(lake.url)
        stored = [path for path in root.rglob("*/*/*") if path.is_file() and path.parent.parent.name != "tmp"]
        assert {path.suffix for path in stored} >= {"", ".pack", ".parquet", ".tree", ".shard"}
        for path in sorted(stored):
            data = path.read_bytes()
            newest = path.parent.parent.name == "log" and path == max(path.parent.iterdir())
            if newest or chance.random() < 0.5:
                flip(path, chance.randrange(len(data)))
            else:
                path.unlink()
            findings = Lake.open(root).verify(repair_from=Lake.open(sound))
            assert findings and path.read_bytes() == data
            assert [str(path.relative_to(root))] == list(findings.repaired)
        assert Lake.open(root).verify()

    def test_from_other_places(self, lake: Lake, tmp_path: Path) -> None:
        """The other lake has the same content, in packs and objects of its own."""
        other = Lake.create(tmp_path / "other", durable=False)
        with other.transaction("this") as tx:
            tx.put_file("f/g", lake.head["packed too"])
        with other.transaction("more") as tx:
            tx.put_file("more", lake.head["alone"])
        first, offset = pack_of(lake, "packed too")
        before = first.read_bytes()
        flip(first, offset + 3)
        alone = lake.head.tree["alone"].entries.get(0)
        assert alone is not None
        (Path(lake.url) / "objects" / alone.digest[:2] / alone.digest).unlink()
        findings = lake.verify(repair_from=other)
        assert findings and len(findings.repaired) == 2
        assert first.read_bytes() == before

    def test_a_missing_pack_is_made_again(self, lake: Lake, tmp_path: Path) -> None:
        """All that is in it is known from what refers to it, and so is its name."""
        path, _ = pack_of(lake, "packed too")
        data = path.read_bytes()
        other = Lake.create(tmp_path / "other", durable=False)
        before = lake.at("main~2")
        for name in ("packed", "packed too"):
            with other.transaction(name) as tx:
                tx.put_file(name, before[name])
        with other.transaction("array") as tx:
            tx.write_array("array", before["array"][...], chunks=(10, 30))
        path.unlink()
        assert lake.verify(repair_from=other).repaired and path.read_bytes() == data

    def test_a_lost_end_that_a_tag_tells_of(self, lake: Lake, sound: Path) -> None:
        lake.tags.create("lost")
        path = max((Path(lake.url) / "log/main").iterdir())
        path.unlink()
        (damage,) = Lake.open(lake.url).verify().damages
        assert damage.key == f"log/main/{path.name}" and "lost means it" in damage.detail
        assert Lake.open(lake.url).verify(repair_from=Lake.open(sound)).repaired == (damage.key,)
        assert Lake.open(lake.url).tags["lost"].number == int(path.name)

    def test_another_record_meanwhile(self, lake: Lake, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A lost record of the end, which a tag tells of, does not overwrite what was committed in its place."""
        lake.tags.create("lost")
        path = max((Path(lake.url) / "log/main").iterdir())
        path.unlink()
        writer, create = Lake.open(lake.url, durable=False), LocalStorage.create

        def late(self: LocalStorage, key: str, data: bytes) -> bool:
            monkeypatch.setattr(LocalStorage, "create", create)
            with writer.transaction("meanwhile") as tx:
                tx.put_file("meanwhile", b"1")
            return create(self, key, data)

        monkeypatch.setattr(LocalStorage, "create", late)
        assert not Lake.open(lake.url).verify(repair_from=Lake.open(sound)).repaired
        assert Lake.open(lake.url)["meanwhile"] == b"1" and writer.head.commit.number == int(path.name)

    def test_what_the_other_lacks_stays_damaged(self, lake: Lake, tmp_path: Path) -> None:
        path, offset = pack_of(lake, "packed too")
        flip(path, offset)
        data = path.read_bytes()
        findings = lake.verify(repair_from=Lake.create(tmp_path / "other"))
        assert not findings and findings.repaired == () and len(findings.damages) == 1
        assert path.read_bytes() == data

    def test_the_other_is_not_believed(self, lake: Lake, sound: Path, tmp_path: Path) -> None:
        """Damaged in the same place, or another commit in the place of ours."""
        other = Lake.open(shutil.copytree(sound, tmp_path / "other"))
        for one in (lake, other):
            flip(next(Path(one.url).rglob("*.parquet")), 50)
        assert not lake.verify(repair_from=other)
        newest = max((Path(lake.url) / "log/side").iterdir())
        flip(newest, 3)
        stranger = Lake.create(tmp_path / "stranger")
        stranger.branches.create("side")
        with stranger.transaction("another", branch="side") as tx:
            tx.put_file("f", b"x")
        damaged = newest.read_bytes()
        assert digest_of(damaged) and not lake.verify(repair_from=stranger).repaired
        assert newest.read_bytes() == damaged
