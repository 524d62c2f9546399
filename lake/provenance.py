"""What made a commit: versions, the code's git commit, the host."""

import functools
import getpass
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def provenance(notes: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance of a commit made now by this process; *notes* are the writer's own."""
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
def code_version(folder: Path) -> dict[str, Any] | None:
    """Commit of the git checkout that *folder* lies in, and whether it had uncommitted changes."""
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None
    return {"commit": head.strip(), "dirty": bool(_git(folder, "status", "--porcelain", "-uno"))}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


@functools.cache
def default_author() -> str:
    """The user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
