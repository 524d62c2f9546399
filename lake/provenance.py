"""What made a commit: versions, the host, and the state of the code's git checkout.

Git is asked where something changed; where nothing did, its answer is remembered.
"""

import functools
import getpass
import os
import platform
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias


def provenance(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a commit made now by this process.

    Parameters
    ----------
    notes
        What the writer adds, as JSON has it.
    """
    return {**_process(), "code": code_version(Path.cwd()), **({"notes": dict(notes)} if notes else {})}


@functools.cache
def _process() -> dict[str, Any]:
    return {
        "neurolake": _installed_version(),
        "python": platform.python_version(),
        "host": socket.gethostname(),
    }


def _installed_version() -> str:
    try:
        return version("neurolake")
    except PackageNotFoundError:
        return "unknown"


@functools.cache
def default_author() -> str:
    """Return the name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


# The checkout

# What tells that a file changed, as git's own index does; None for one that is not there.
_Mark: TypeAlias = tuple[int, ...] | None

# Two writes within one tick of a file system's clock leave the same time; ticks of common ones are up to 10 ms.
_TICK_NS = 20_000_000
# Looking at every tracked file takes about 1.3 µs each; commits in a loop spend a tenth of their time on it at most.
_REST = 10


def code_version(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the git checkout that holds a folder, and whether tracked files differ from it.

    Parameters
    ----------
    folder
        Any folder.

    Returns
    -------
    dict or None
        ``commit``, the id, and ``dirty``; None outside of a checkout, without git, or before its first commit.
    """
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    with _LOCK:
        state = _STATES.get(folder)
        if state is None:
            state = _STATES[folder] = _State(folder)
        return state.version()


@dataclass
class _State:
    """What was last seen of one checkout."""

    folder: Path
    answer: dict[str, Any] | None = None
    watched: list[str] = field(default_factory=list)
    marks: list[_Mark] | None = None
    looked: float = 0.0
    rest: float = 0.0

    def version(self) -> dict[str, Any] | None:
        now = time.monotonic()
        if self.marks is not None and now < self.looked + self.rest:
            return self.answer
        if self.marks is None or self.marks != [_mark(path) for path in self.watched]:
            self._ask()
        self.looked = time.monotonic()
        # Git itself takes milliseconds: that it was asked is no reason to look later.
        self.rest = 0.0 if self.marks is None else min(_REST * (self.looked - now), 2e-5 * len(self.watched))
        return self.answer

    def _ask(self) -> None:
        """Ask git, and remember what must not have changed for the answer to hold."""
        self.marks, self.answer = None, None
        head = _git(self.folder, "rev-parse", "HEAD")
        if head is None:
            return
        self.watched = list(_watched(self.folder))
        marks = [_mark(path) for path in self.watched]
        # Its answer is remembered only if git looked after the marks were taken, and no file is so young that a
        # change could leave its mark as it is.
        dirty = _git(self.folder, "status", "--porcelain", "--untracked-files=no")
        youngest = max((mark[0] for mark in marks if mark), default=0)
        self.answer = {"commit": head.strip(), "dirty": bool(dirty)}
        if time.time_ns() - youngest > _TICK_NS and marks == [_mark(path) for path in self.watched]:
            self.marks = marks


_STATES: dict[Path, _State] = {}
_LOCK = threading.Lock()


def _watched(folder: Path) -> Iterator[str]:
    """Files whose change may change the answer: every tracked one, and those that tell where HEAD is."""
    git = (
        _git(folder, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir") or ""
    ).splitlines()
    reference = (_git(folder, "symbolic-ref", "--quiet", "HEAD") or "").strip()
    for place in dict.fromkeys(git):
        names = (
            "HEAD",
            "index",
            "logs/HEAD",
            "packed-refs",
            "reftable/tables.list",
            "config",
            "info/exclude",
        )
        yield from (os.path.join(place, name) for name in (*names, *([reference] if reference else [])))  # noqa: PTH118
    top = (_git(folder, "rev-parse", "--show-toplevel") or "").rstrip("\n")
    for name in (_git(folder, "-C", top, "ls-files", "-z", "--recurse-submodules") or "").split("\0"):
        if name:
            yield os.path.join(top, name)  # noqa: PTH118


def _mark(path: str) -> _Mark:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    # Without optional locks, looking does not rewrite the index, which others may be writing.
    environment: Mapping[str, str] = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=30,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
