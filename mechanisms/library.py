"""Mechanisms in NMODL: compiled once per content into the user's cache, and loaded into this process's NEURON.

Our own are in ``mod/``; folders of other people's may be added. What a folder compiles to depends on its text, on
NEURON's version and on the machine, and these are the name under which the library is kept. Compilation happens
beside that name and ends with a rename: two processes that compile at once both end with a whole library.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from .errors import ModelError

OWN = Path(__file__).with_name("mod")
LAST_LINES = 15
"""How much of a failed compilation is shown, from its first error on."""

_INCLUDED = (".inc", ".h", ".hpp")
_COMMENT = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|\bVERBATIM\b.*?\bENDVERBATIM\b|[:?][^\n]*", re.DOTALL)
_NAME = re.compile(r"\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")

_ERROR = re.compile(r"error", re.IGNORECASE)

_loaded: dict[str, str] = {}  # name of each mechanism that this module loaded, and its digest
_lock = RLock()


@dataclass(frozen=True)
class ModFile:
    """One .mod file.

    Attributes
    ----------
    name
        The mechanism's name in NEURON; the file's for one that only has functions (``SUFFIX nothing``).
    path, text
        The file, and what it says.
    digest
        SHA-256 of the text and of what the folder offers for inclusion, in hexadecimal.
    """

    name: str
    path: Path
    text: str
    digest: str


@dataclass(frozen=True)
class Library:
    """The mechanisms that a model can use.

    Attributes
    ----------
    sources
        Every .mod file, by name of the mechanism.
    """

    sources: tuple[ModFile, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the mechanisms, sorted."""
        return tuple(source.name for source in self.sources)

    @property
    def digest(self) -> str:
        """SHA-256 over names and digests of all sources, in hexadecimal: equal for equal mechanisms."""
        return _digest(part for source in self.sources for part in (source.name, source.digest))


def tell_stderr(line: str) -> None:
    """Show a line of progress."""
    print(f"neurolake: {line}", file=sys.stderr, flush=True)


def load(
    *folders: str | Path,
    own: bool = True,
    tell: Callable[[str], None] = tell_stderr,
    cache: Path | None = None,
) -> Library:
    """Make mechanisms known to this process's NEURON, compiling those that never were on this machine.

    Loading twice is loading once. A mechanism that two folders define with the same text is taken from the first.

    Parameters
    ----------
    folders
        Folders of .mod files, besides our own.
    own
        Whether to load our own as well; a process can only have one mechanism of each name.
    tell
        Called with one line before a compilation, which takes some seconds.
    cache
        Folder for compiled libraries; by default ``mechanisms`` in the cache that `neurolake` uses
        (``NEUROLAKE_CACHE``, or the usual place).

    Returns
    -------
    Library
        The mechanisms of all these folders, sorted by name.

    Raises
    ------
    ModelError
        A folder without .mod files, a mechanism defined twice with different text (in these folders, or in this
        process already), no compiler, or a text that does not compile: with the compiler's last lines.
    """
    with _lock:
        groups = _new_groups([*([OWN] if own else []), *map(Path, folders)])
        for group in groups:
            _load_new([source for source in group if source.name not in _loaded], cache or _cache(), tell)
        return Library(tuple(sorted((source for group in groups for source in group), key=lambda s: s.name)))


def read_sources(folder: str | Path) -> tuple[ModFile, ...]:
    """Read the .mod files of a folder, sorted by file name; raises ModelError where there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError("no such folder of mechanisms", folder)
    included = [_text(file) for file in sorted(folder.iterdir()) if file.suffix in _INCLUDED]
    sources = tuple(_source(file, included) for file in sorted(folder.glob("*.mod")))
    if not sources:
        raise ModelError("no .mod files in this folder of mechanisms", folder)
    return sources


def _source(path: Path, included: Sequence[str]) -> ModFile:
    text = _text(path)
    found = _NAME.search(_COMMENT.sub(" ", text))
    if not found:
        raise ModelError("no SUFFIX, POINT_PROCESS or ARTIFICIAL_CELL names the mechanism", path)
    name = path.stem if found[1] == "nothing" else found[1]
    return ModFile(name, path, text, _digest([text, *included]))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}", path) from error


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _new_groups(folders: Sequence[Path]) -> list[list[ModFile]]:
    """The sources of each folder, without those that an earlier folder has too."""
    known: dict[str, ModFile] = {}
    groups = []
    for folder in folders:
        group = []
        for source in read_sources(folder):
            same = known.setdefault(source.name, source)
            if same.digest != source.digest:
                raise ModelError(
                    f"mechanism {source.name!r} is also defined, otherwise, in {same.path}", source.path
                )
            if same is source:
                group.append(source)
        groups.append(group)
    for source in known.values():
        _check_process(source)
    return groups


def _check_process(source: ModFile) -> None:
    """Refuse what NEURON could not load: it ends the process over a name that it knows."""
    if source.name in _loaded:
        if _loaded[source.name] != source.digest:
            raise ModelError(
                f"another mechanism {source.name!r} has been loaded in this process; use a new process",
                source.path,
            )
    elif hasattr(_hoc(), source.name):
        raise ModelError(
            f"NEURON has something called {source.name!r} already (built in, or from a library loaded elsewhere)",
            source.path,
        )


def _load_new(sources: list[ModFile], cache: Path, tell: Callable[[str], None]) -> None:
    if not sources:
        return
    library = _compiled(sources, cache, tell)
    if not _hoc().nrn_load_dll(str(library)):
        raise ModelError(
            "NEURON cannot load this library of mechanisms; delete it to have it made anew", library
        )
    _loaded.update((source.name, source.digest) for source in sources)


def _compiled(sources: Sequence[ModFile], cache: Path, tell: Callable[[str], None]) -> Path:
    """The library made of these sources, from the cache if it is there."""
    from neuron import __version__ as version

    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    key = _digest(
        [
            version,
            sys.platform,
            platform.machine(),
            *(part for s in sources for part in (s.path.name, s.digest)),
        ]
    )
    library = cache / f"{key[:32]}{suffix}"
    if not library.exists():
        tell(f"compiling {len(sources)} mechanisms of {sources[0].path.parent} (once; kept in {cache})")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder:
            made = _compile(sources, Path(folder))
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(library)
    return library


def _compile(sources: Sequence[ModFile], folder: Path) -> Path:
    home = sources[0].path.parent
    for source in sources:
        (folder / source.path.name).write_text(source.text, encoding="utf-8")
    for file in home.iterdir():
        if file.suffix in _INCLUDED:
            shutil.copy(file, folder)
    # Arguments are of our own making, and no shell reads them.
    run = subprocess.run(  # noqa: S603
        [_tool("nrnivmodl"), "."],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    made = [*folder.glob("*/libnrnmech.*"), *folder.glob("*/.libs/libnrnmech.*")]
    if run.returncode or not made:
        _tool("make")
        _tool(_compiler())
        lines = run.stdout.replace(str(folder), str(home)).rstrip().splitlines()
        first = next((row for row, line in enumerate(lines) if _ERROR.search(line)), len(lines) - LAST_LINES)
        told = lines[max(first, 0) :][:LAST_LINES]
        raise ModelError("\n".join(["these mechanisms do not compile:", *told]), home)
    return made[0]


def _tool(name: str) -> str:
    found = shutil.which(
        name, path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if not found:
        raise ModelError(
            f"no {name!r} on this machine: mechanisms need NEURON's nrnivmodl, make and a C++ compiler"
            " (Debian: apt install g++ make; macOS: xcode-select --install)"
        )
    return found


def _compiler() -> str:
    return (shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++") or ["c++"])[0]


def _cache() -> Path:
    """The lake's rule for a user's cache (rooms of one floor do not import each other)."""
    chosen = os.environ.get("NEUROLAKE_CACHE")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurolake"
    return (Path(chosen) if chosen else usual) / "mechanisms"


def _hoc() -> Any:
    from neuron import h

    return h
