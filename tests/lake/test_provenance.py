"""Commits tell the state of the code as it is when they are made, however long the process runs."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from neurolake.lake import Lake
from neurolake.lake.provenance import code_version


class Checkout:
    """A git checkout that tells git's own answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q")
        (folder / "model.py").write_text("a = 1\n")
        self.commit("one")

    def git(self, *arguments: str) -> str:
        user = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        command = ["git", "-C", str(self.folder), *user, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, *arguments: str) -> None:
        self.git("add", ".")
        self.git("commit", "-qm", message, *arguments)

    @property
    def state(self) -> dict[str, Any]:
        return {
            "commit": self.git("rev-parse", "HEAD"),
            "dirty": bool(self.git("status", "--porcelain", "--untracked-files=no")),
        }


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "code"
    folder.mkdir()
    return Checkout(folder)


def test_every_commit_of_the_lake_tells_the_state_of_its_moment(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout.folder)
    lake = Lake.create(tmp_path / "lake", durable=False)
    model = checkout.folder / "model.py"

    def told() -> Any:
        with lake.transaction("say") as tx:
            tx.put_file("x", os.urandom(4))
        return lake.log()[0].provenance["code"]

    assert told() == checkout.state == {**checkout.state, "dirty": False}
    model.write_text("a = 2\n")
    assert told() == checkout.state == {**checkout.state, "dirty": True}
    first = checkout.state["commit"]
    checkout.commit("two")
    assert told() == checkout.state and not checkout.state["dirty"] and checkout.state["commit"] != first
    checkout.commit("nothing", "--allow-empty")
    assert told() == checkout.state
    checkout.git("checkout", "-q", first)
    assert told() == checkout.state and checkout.state["commit"] == first
    model.unlink()
    assert told()["dirty"]
    checkout.git("checkout", "-q", "--", "model.py")
    assert not told()["dirty"]
    (checkout.folder / "untracked.py").write_text("b = 1\n")
    assert not told()["dirty"]
    checkout.git("add", "untracked.py")
    assert told()["dirty"]


def test_an_edit_is_seen_at_once(checkout: Checkout) -> None:
    """Also one that leaves size and, within a tick of the clock, the time of the file as they were."""
    model = checkout.folder / "model.py"
    for number in range(40):
        model.write_text("a = 1\n")
        assert not code_version(checkout.folder)["dirty"], number  # type: ignore[index]
        model.write_text("a = 2\n")
        assert code_version(checkout.folder)["dirty"], number  # type: ignore[index]


def test_folders_below_and_without(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.folder / "below").mkdir()
    assert code_version(checkout.folder / "below") == checkout.state
    assert code_version(tmp_path) is None
    late = tmp_path / "late"
    late.mkdir()
    assert code_version(late) is None
    subprocess.run(["git", "init", "-q", str(late)], check=True)
    assert code_version(late) is None  # before the first commit
    (late / ".git").rename(late / "away")
    Checkout(late)
    assert code_version(late) is not None


def test_git_is_asked_only_where_something_changed(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(checkout.folder / "model.py", (1, 1))
    for path in (checkout.folder / ".git").rglob("*"):
        os.utime(path, (1, 1))
    code_version(checkout.folder)
    monkeypatch.setattr("neurolake.lake.provenance.subprocess.run", lambda *_, **__: pytest.fail("asked git"))
    assert code_version(checkout.folder) is not None
