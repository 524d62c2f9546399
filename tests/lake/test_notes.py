"""Notes of upkeep: what was done when, by which command, with what result; nothing depends on them."""

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from neurolake.lake import Lake
from neurolake.lake.errors import StorageError
from neurolake.lake.storage.local import LocalStorage
from neurolake.lake.upkeep.notes import KEPT, note, notes


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake.create(tmp_path / "lake", durable=False)
    for step in range(3):
        with made.transaction(f"step {step}") as tx:
            tx.append_table("t", pa.table({"x": [step]}))
    return made


def test_each_work_is_noted_with_its_command_and_result(lake: Lake) -> None:
    assert lake.upkeep() == ()
    assert lake.verify() and lake.verify("main~1")
    lake.compact()
    lake.collect_garbage()
    lake.collect_garbage(dry_run=True)
    lake.expire(timedelta(days=30))
    told = [(one.work, one.command) for one in lake.upkeep()]
    assert told == [
        ("expire", "neurolake expire --older-than-days 30"),
        ("gc", "neurolake gc"),
        ("compact", "neurolake compact"),
        ("verify", "neurolake verify --at main~1"),
        ("verify", "neurolake verify"),
    ]
    by_work = {one.work: one.result for one in lake.upkeep()}
    assert by_work["verify"].startswith("Verified 4 records") and "all sound" in by_work["verify"]
    assert "t: 3 files are" in by_work["compact"]
    assert all(one.good for one in lake.upkeep())


def test_damage_is_noted_and_notes_are_no_part_of_the_lake(own_files: None, lake: Lake) -> None:
    lake.verify()
    commit, before = lake.head.commit.id, lake.verify()
    (path, *_) = Path(lake.url).glob("objects/*/*.parquet")
    path.write_bytes(b"?" + path.read_bytes()[1:])
    assert not lake.verify()
    assert not lake.upkeep()[0].good and "1 damaged" in lake.upkeep()[0].result
    again = Lake.open(lake.url)
    assert again.head.commit.id == commit and again.verify().records == before.records


def test_a_lake_that_cannot_be_written_is_verified_all_the_same(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LocalStorage, key: str, data: bytes) -> bool:
        raise StorageError("read-only")

    monkeypatch.setattr(LocalStorage, "create", refuse)
    assert lake.verify()
    assert lake.upkeep() == ()


def test_the_newest_stay_and_what_cannot_be_read_is_passed_over(lake: Lake) -> None:
    for step in range(KEPT + 5):
        assert note(lake.storage, "gc", {}, 0.0, True, str(step))
    assert [one.result for one in notes(lake.storage)] == [str(step) for step in range(KEPT + 4, 4, -1)]
    folder = Path(lake.url) / "upkeep"
    newest, *_, oldest = sorted(folder.iterdir(), reverse=True)
    newest.write_text("[1, 2]")
    (folder / "README").write_text("odd")
    oldest.write_text('{"work": "gc"')
    assert len(lake.upkeep()) == KEPT - 2
    shutil.rmtree(folder)
    assert lake.upkeep() == ()
