"""Commits from one lake to another: copy, push and pull."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from neurolake.lake import Lake
from neurolake.lake.errors import ConflictError, CorruptObjectError, InputError
from neurolake.lake.log import IMPORTED, Pointer

RNG = np.random.default_rng(7)


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


class TestPush:
    def test_only_what_is_missing_goes(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        append(copy, 3)
        sent: list[tuple[int, int]] = []
        assert copy.push(source, progress=lambda done, total: sent.append((done, total))) == 2
        assert sent[-1] == (2, 2) and values(source) == [1, 2, 3]
        assert source.head.commit.id == copy.head.commit.id
        assert copy.push(source) == 0

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

    def test_what_was_sent_in_vain_is_not_sent_again(self, source: Lake, tmp_path: Path) -> None:
        copy = source.copy_to(tmp_path / "copy")
        append(copy, 2)
        log = source._history.log
        point, log.point = log.point, lambda *_, **__: False  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            _push_once(copy, source)
        log.point = point  # type: ignore[method-assign]
        assert copy.push(source) == 0 and values(source) == [1, 2]


def _push_once(copy: Lake, source: Lake) -> None:
    """A push whose process ends when it would try again."""
    tries = iter([True, False])
    head = source._history.log.head

    def once(branch: str = "main") -> object:
        if not next(tries):
            source._history.log.head = head  # type: ignore[method-assign]
            raise TimeoutError
        return head(branch)

    source._history.log.head = once  # type: ignore[method-assign,assignment]
    copy.push(source)


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
