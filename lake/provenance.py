"""What made a commit: versions, the code's git commit, the host."""

import functools
import getpass
import platform
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .checkout import code_version


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
def default_author() -> str:
    """The user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
