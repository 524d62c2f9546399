"""The environment that NeuroTS runs in: NeuroTS needs NumPy 1, and neurolake NumPy 2."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ...lake.errors import InputError, StorageError

PLACE = "NEUROLAKE_SYNTHESIS"
"""Variable that says where the environment is, if it is not in the user's cache."""
PACKAGES = ("neurots>=3.7,<4", "diameter-synthesis>=0.7,<1")


def environment() -> Path:
    """Return the folder of the environment, which need not be there: ``NEUROLAKE_SYNTHESIS``, or one in the user's cache."""
    told = os.environ.get(PLACE)
    if told:
        return Path(told).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "neurolake" / "synthesis"


def interpreter() -> Path | None:
    """Return the environment's Python; None where it has not been installed."""
    python = environment() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return python if python.is_file() and (environment() / "installed").is_file() else None


def versions() -> str:
    """Return what the environment has, as ``NeuroTS 3.7.0, numpy 1.26.4 …``, which decides what cells become.

    Raises
    ------
    InputError
        It has not been installed.
    """
    if interpreter() is None:
        raise InputError(
            f"NeuroTS is not installed in {environment()}: run `neurolake synthesis install`, or let cells grow by "
            "space colonisation"
        )
    return (environment() / "installed").read_text(encoding="utf-8").strip()


def install(say: Callable[[str], None] | None = None) -> str:
    """Make the environment, and install NeuroTS in it by pip; one that is there is brought up to date.

    Parameters
    ----------
    say
        Called with what is being done.

    Returns
    -------
    str
        What it has, as of `versions`.

    Raises
    ------
    StorageError
        The environment cannot be made, or pip fails.
    """
    folder, tell = environment(), say or (lambda line: None)
    tell(f"making an environment in {folder}")
    (folder / "installed").unlink(missing_ok=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        _done([sys.executable, "-m", "venv", str(folder)], f"no environment can be made in {folder}")
    tell(f"installing {', '.join(PACKAGES)}: some minutes")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    _done(pip, "pip could not install NeuroTS")
    asked = (
        "from importlib.metadata import version as v\n"
        "names = 'NeuroTS', 'diameter-synthesis', 'numpy', 'morphio'\n"
        "print(', '.join(f'{n} {v(n)}' for n in names))"
    )
    found = _done([str(python), "-c", asked], "the environment does not run").strip()
    (folder / "installed").write_text(f"{found}\n", encoding="utf-8")
    return found


def _done(command: list[str], failed: str) -> str:
    """What a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip and Python, as above
    except OSError as error:
        raise StorageError(f"{failed}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise StorageError(f"{failed}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout
