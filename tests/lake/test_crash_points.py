"""Crashes and power failures at every point: the lake is what it was before a change, or after it."""

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_storage import Disk, FailingStorage
from lake_contents import Edit, contents, rows

from neurolake.lake import Lake, Transaction, core
from neurolake.lake.errors import NeurolakeError, NotFoundError, StorageError
from neurolake.lake.nodes.entries import OVERLAY_SIZE
from neurolake.lake.storage.base import Storage
from neurolake.lake.storage.local import LocalStorage

State = dict[str, Any] | None


def edit(branch: str, *edits: Edit) -> Callable[[Lake], Any]:
    def step(lake: Lake) -> None:
        with lake.transaction("step", branch=branch) as tx:
            for each in edits:
                each(tx)

    return step


def fold(tx: Transaction) -> None:
    """More than a record holds: the tree is stored whole."""
    for at in range(150):
        tx.put_file(f"many/{at}", np.random.default_rng(at).bytes(450))


STEPS: dict[str, Callable[[Lake], Any]] = {
    "everything": edit(
        "main",
        lambda tx: tx.write_array("a", np.arange(2000), chunks=(500,)),
        lambda tx: tx.write_table("t", rows(1, 2)),
        lambda tx: tx.put_file("inline", b"tiny"),
        lambda tx: tx.put_file("packed", bytes(range(256)) * 4),
    ),
    "append": edit(
        "main",
        lambda tx: tx.append_array("a", np.arange(1000)),
        lambda tx: tx.append_table("t", rows(3)),
    ),
    "branch": lambda lake: lake.branches.create("side", "main~1"),
    "on the branch": edit(
        "side",
        lambda tx: tx.append_table("t", rows(4)),
        lambda tx: tx.put_file("packed", b"side" * 300),
    ),
    "fold": edit("main", fold),
    "shards": edit(
        "main", lambda tx: tx.write_array("s", np.arange(OVERLAY_SIZE + 1, dtype="u2"), chunks=(1,))
    ),
    "merge": lambda lake: lake.merge("side"),
    "forward": lambda lake: lake.merge("main", into="side"),
    "tag": lambda lake: lake.tags.create("v1"),
    "revert": lambda lake: lake.revert("main~1"),
    "move": lambda lake: lake.branches.move("side", "v1~1", force=True),
    "delete": lambda lake: lake.branches.delete("side"),
}


def state(root: Path) -> State:
    """Everything that can be reached, read and verified; None if there is no lake."""
    try:
        lake = Lake.open(root, durable=False, verification="always")
    except NotFoundError:
        return None
    assert not lake.verify(threads=1).damages
    names = {f"branch {name}": record for name, record in lake.branches.items()}
    names |= {f"tag {name}": record for name, record in lake.tags.items()}
    return {
        name: (contents(lake.at(record.id)), [each.message for each in lake.log(record.id)])
        for name, record in names.items()
    }


def copied(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, State]]:
    """The lake and what it holds after no step, one, two …"""
    folder = tmp_path_factory.mktemp("stages")
    lake = Lake.create(folder / "lake", durable=False)
    found = [(copied(folder / "lake", folder / "0"), state(folder / "lake"))]
    for at, step in enumerate(STEPS.values(), 1):
        step(lake)
        found.append((copied(folder / "lake", folder / str(at)), state(folder / "lake")))
    states = [each for _, each in found]
    assert all(one != other for one, other in itertools.pairwise(states))
    return found


def listing(root: Path) -> frozenset[tuple[str, int]]:
    files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != "tmp"]
    return frozenset((path.relative_to(root).as_posix(), path.stat().st_size) for path in files)


@pytest.mark.parametrize("how", ["stop", "half", "late"])
@pytest.mark.parametrize("step", STEPS)
def test_every_operation(stages: list[tuple[Path, State]], tmp_path: Path, step: str, how: str) -> None:
    """Whatever is left behind, the lake holds the old or the new, and the same step can be made again."""
    at = list(STEPS).index(step)
    (before, old), (_, new) = stages[at : at + 2]
    seen = {listing(before)}
    nth, failed = 0, True
    while failed:
        root = copied(before, tmp_path / "lake")
        storage = FailingStorage(LocalStorage(root, durable=False), nth, how)
        try:
            STEPS[step](Lake(storage))
        except NeurolakeError:
            assert storage.failed
        else:
            assert state(root) == new
        failed, nth = storage.failed, nth + 1
        if listing(root) not in seen:
            seen.add(listing(root))
            found = state(root)
            assert found in (old, new)
            if found == old:
                STEPS[step](Lake.open(root, durable=False))
                assert state(root) == new
    # Some steps write nothing but a record, which is there whole or not at all.
    assert (nth > 1 and len(seen) > 1) or how == "half"


@pytest.mark.parametrize("how", ["stop", "half", "late"])
def test_making_a_lake(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, nth, failed = core.new_storage_at, 0, True

    def failing(path: Path, **options: Any) -> Storage:
        nonlocal storage
        storage = FailingStorage(made(path, **options), nth, how)
        return storage

    monkeypatch.setattr(core, "new_storage_at", failing)
    while failed:
        storage: Any = None
        root = tmp_path / str(nth)
        try:
            Lake.create(root, durable=False)
        except NeurolakeError:
            assert storage.failed
            assert state(root) is None or contents(Lake.open(root).head) == {}
        else:
            assert contents(Lake.open(root).head) == {}
        failed, nth = storage.failed, nth + 1
    assert nth > 1


def failing_for(folder: Path, fsync: Callable[[int], None]) -> Callable[[int], None]:
    def fail(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == folder:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    return fail


STORED = [
    *("packs", "objects", "tags", "log/side", "tmp"),
    *(f"{room}/{at:02x}" for room in ("packs", "objects") for at in range(256)),
]


class TestPower:
    @pytest.fixture(params=[0, 1, 2], ids=["nothing else", "by chance", "by another chance"])
    def chance(self, request: pytest.FixtureRequest) -> random.Random | None:
        """What survives of that which nobody flushed."""
        return random.Random(request.param) if request.param else None

    def test_every_moment(self, tmp_path: Path, chance: random.Random | None) -> None:
        """Each step that has returned survives, and whatever survives can be read."""
        root = tmp_path / "lake"
        root.mkdir()
        disk = Disk(root)
        created = {"branch main": ({}, ["Create the lake"])}
        possible: list[State] = [None, created]
        checked = 0

        def moment() -> None:
            nonlocal checked
            if chance is None or chance.random() < 0.5:
                self.check(disk, tmp_path / "survived", possible, chance)
                checked += 1

        with disk.watched(moment):
            lake = Lake.create(root)
        self.check(disk, tmp_path / "survived", [created], chance)
        for step in STEPS.values():
            before = state(copied(root, tmp_path / "copy"))
            rehearsal = Lake.open(tmp_path / "copy", durable=False)
            step(rehearsal)
            possible = [before, state(tmp_path / "copy")]
            with disk.watched(moment):
                step(lake)
            self.check(disk, tmp_path / "survived", possible[1:], chance)
        assert checked > 40

    def check(self, disk: Disk, target: Path, possible: list[State], chance: random.Random | None) -> None:
        shutil.rmtree(target, ignore_errors=True)
        disk.survived(target, chance)
        assert state(target) in possible

    def test_names_for_what_is_not_flushed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A writer that fails between the record and its flush leaves it to those who refer to it."""
        root = tmp_path / "lake"
        root.mkdir()
        disk = Disk(root)
        with disk.watched(lambda: None):
            lake, other = Lake.create(root), Lake.open(root)
            lake.branches.create("side")
            edit("side", lambda tx: tx.put_file("g", bytes(1000)))(lake)
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", failing_for(root / "log/main", os.fsync))
                with pytest.raises(StorageError, match="cannot flush"):
                    edit("main", lambda tx: tx.put_file("f", b"f" * 1000))(lake)
            disk.survived(tmp_path / "before")
            assert len(Lake.open(tmp_path / "before").log()) == 1
            other.branches.create("name")
            disk.survived(tmp_path / "after")
            other.merge("main", into="side")
        disk.survived(tmp_path / "merged")
        assert state(tmp_path / "after") is not None and "name" in Lake.open(tmp_path / "after").branches
        assert state(tmp_path / "merged") == state(root)

    def test_a_folder_that_another_made(self, tmp_path: Path) -> None:
        """A writer that was killed leaves folders without a flushed name; who uses them flushes it."""
        root = tmp_path / "lake"
        root.mkdir()
        disk = Disk(root)
        with disk.watched(lambda: None):
            lake = Lake.create(root)
        for each in [path for path in STORED if not (root / path).exists()]:
            (root / each).mkdir(parents=True)
        with disk.watched(lambda: None):
            STEPS["everything"](lake)
            STEPS["branch"](lake)
        disk.survived(tmp_path / "survived")
        assert state(tmp_path / "survived") == state(root)

    def test_the_folder_of_the_lake(self, tmp_path: Path) -> None:
        disk = Disk(tmp_path)
        with disk.watched(lambda: None):
            STEPS["everything"](Lake.create(tmp_path / "new/folder/lake"))
        disk.survived(tmp_path.parent / f"{tmp_path.name}-survived")
        survived = tmp_path.parent / f"{tmp_path.name}-survived" / "new/folder/lake"
        assert state(survived) == state(tmp_path / "new/folder/lake")

    def test_a_flush_that_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Trying again flushes what was not flushed then."""
        root = tmp_path / "lake"
        root.mkdir()
        disk = Disk(root)
        with disk.watched(lambda: None):
            tx = Lake.create(root).transaction("again")
            tx.put_file("f", bytes(1000))
            for folder in (root, root / "packs", *(root / "packs" / f"{at:02x}" for at in range(256))):
                with monkeypatch.context() as patch, contextlib.suppress(StorageError):
                    patch.setattr(os, "fsync", failing_for(folder, os.fsync))
                    tx.writer.flush()
            tx.commit()
        disk.survived(tmp_path / "survived")
        assert contents(Lake.open(tmp_path / "survived").head) == {"f": bytes(1000)}

    def test_the_disk_forgets(self, tmp_path: Path) -> None:
        """What did not wait for the disk is gone."""
        root = tmp_path / "lake"
        root.mkdir()
        disk = Disk(root)
        with disk.watched(lambda: None):
            lake = Lake.create(root)
            quick = Lake.open(root, durable=False)
            STEPS["everything"](quick)
        disk.survived(tmp_path / "survived")
        assert contents(Lake.open(tmp_path / "survived").head) == {} != contents(lake.head)
