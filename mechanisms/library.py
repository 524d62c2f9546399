"""Mechanisms in NMODL: compiled once per content into the user's cache, and loaded into this process's NEURON.

Our own are in ``mod/``; folders of other people's may be added, and are used instead of ours of the same names. What a folder
compiles to depends on its text, on NEURON's version and on the machine, and these are the name under which the library is
kept. Compilation happens beside that name and ends with a rename; a second process waits for the first.

NEURON ends the process over names and ions that contradict each other, so that these are checked first.
"""

import fcntl
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from ..kernels.places import cache_folder
from .errors import ModelError

OWN = Path(__file__).with_name("mod")
LAST_LINES = 15
"""How much of a failed compilation is shown, from its first error on."""

_INCLUDED = (".inc", ".h", ".hpp")
_COMMENT = re.compile(r"\bCOMMENT\b.*?\bENDCOMMENT\b|\bVERBATIM\b.*?\bENDVERBATIM\b|[:?][^\n]*", re.DOTALL)
_NAME = re.compile(r"\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")

_FUNCTION = re.compile(r"\b(?:FUNCTION|PROCEDURE|FUNCTION_TABLE)\s+(\w+)")
_ION = re.compile(
    r"\bUSEION\s+(?P<ion>\w+)(?:(?!\bUSEION\b)[^}])*?\bVALENCE\s+(?P<charge>[-+]?[\d.]+)", re.DOTALL
)
# What NEURON knows of ions that no mechanism has used yet, and what it has for an ion without a declared charge.
_CHARGES, _NO_CHARGE = {"na": 1.0, "k": 1.0, "ca": 2.0}, -10000.0

_ERROR = re.compile(r"error", re.IGNORECASE)
# Of NEURON's translator, and of the C++ compiler, which shows the line of C++ that it means.
_AT_LINE = re.compile(r"at line (?P<line>\d+) in file (?P<file>\S+\.mod)")
_IN_CODE = re.compile(r"(?P<stem>[^\s/]+)\.cpp:\d+:\d+: error: .*\n\s*\d+ \|(?P<code>.*)")
_END_OF_ERRORS = re.compile(r"^make(\[\d+\])?: \*\*\*")

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
    symbols
        The names that NEURON has after it was loaded, and must not have before.
    charges
        Charges of ions, as the text says.
    """

    name: str
    path: Path
    text: str
    digest: str
    symbols: tuple[str, ...]
    charges: tuple[tuple[str, float], ...]


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
    """Write a line of progress to stderr.

    Parameters
    ----------
    line
        The line.
    """
    print(f"neurolake: {line}", file=sys.stderr, flush=True)


def load(
    *folders: str | Path,
    own: bool = True,
    tell: Callable[[str], None] = tell_stderr,
    cache: Path | None = None,
) -> Library:
    """Make mechanisms known to this process's NEURON, compiling those that never were on this machine.

    Loading twice is loading once. A mechanism that two folders define with the same text is taken from the first. One that NEURON has
    already, from a library in the working folder, is used if it is of the same text.

    Parameters
    ----------
    folders
        Folders of .mod files, besides our own; theirs are used where ours have the same name, and a line of
        progress says so.
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
        A folder without .mod files, a mechanism or function defined twice with different text (in these folders, or in this
        process already), an ion of two charges, no compiler, or a text that does not compile: with its file, line and the
        compiler's words.
    """
    with _lock:
        groups = _new_groups([*map(Path, folders), *([OWN] if own else [])], tell)
        for group in groups:
            _load_new(
                [source for source in group if source.name not in _loaded],
                cache or cache_folder() / "mechanisms",
                tell,
            )
        return Library(tuple(sorted((source for group in groups for source in group), key=lambda s: s.name)))


def read_sources(folder: str | Path) -> tuple[ModFile, ...]:
    """Read the .mod files of a folder, sorted by file name.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    ModelError
        There is no such folder, or it holds no .mod files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError("no such folder of mechanisms", folder)
    included = [_text(file) for file in sorted(folder.iterdir()) if file.suffix in _INCLUDED]
    sources = tuple(_source(file, included) for file in sorted(folder.glob("*.mod")))
    if not sources:
        raise ModelError("no .mod files in this folder of mechanisms", folder)
    return sources


def source_files(folder: str | Path) -> list[Path]:
    """Return the .mod files of a folder and those that they may include, sorted by name.

    Parameters
    ----------
    folder
        The folder.
    """
    suffixes = (".mod", *_INCLUDED)
    return [file for file in sorted(Path(folder).iterdir()) if file.suffix in suffixes]


def _source(path: Path, included: Sequence[str]) -> ModFile:
    text = _text(path)
    said = _COMMENT.sub(" ", text)
    found = _NAME.search(said)
    if not found:
        raise ModelError("no SUFFIX, POINT_PROCESS or ARTIFICIAL_CELL names the mechanism", path)
    charges = tuple((ion["ion"], float(ion["charge"])) for ion in _ION.finditer(said))
    if found[1] == "nothing":
        symbols = tuple(_FUNCTION.findall(said))
        return ModFile(path.stem, path, text, _digest([text, *included]), symbols, charges)
    return ModFile(found[1], path, text, _digest([text, *included]), (found[1],), charges)


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


def _new_groups(folders: Sequence[Path], tell: Callable[[str], None]) -> list[list[ModFile]]:
    """The sources of each folder, without those that an earlier folder has too; ours come last."""
    known: dict[str, ModFile] = {}
    groups, replaced = [], []
    for folder in folders:
        group = []
        for source in read_sources(folder):
            same = known.setdefault(source.name, source)
            if same is source:
                group.append(source)
            elif folder == OWN and same.digest != source.digest:
                replaced.append(source.name)
            elif same.digest != source.digest:
                raise ModelError(
                    f"mechanism {source.name!r} is also defined, otherwise, in {same.path}", source.path
                )
        groups.append(group)
    if not _loaded.keys() >= set(replaced):
        tell(f"mechanisms used instead of neurolake's own: {', '.join(replaced)}")
    new = [source for source in known.values() if not _is_loaded(source)]
    _check_symbols(new)
    _check_charges(new)
    return groups


def _is_loaded(source: ModFile) -> bool:
    """Whether NEURON has this very mechanism; raises ModelError where it has another of the name."""
    if source.name in _loaded:
        if _loaded[source.name] != source.digest:
            raise ModelError(
                f"another mechanism {source.name!r} has been loaded in this process; use a new process",
                source.path,
            )
        return True
    # A file of functions alone has no name in NEURON.
    there = _in_neuron(source.name) if source.name in source.symbols else None
    if there is None:
        return False
    path, text = there
    if text and text == source.text:
        _loaded[source.name] = source.digest
        return True
    raise ModelError(
        f"NEURON has something called {source.name!r} already ({_origin(path)}); give this one another name, or start from a "
        "folder without such a library",
        source.path,
    )


def _in_neuron(name: str) -> tuple[str, str] | None:
    """The .mod file and the text of a mechanism that NEURON has; both empty for anything else."""
    if not hasattr(_hoc(), name):
        return None
    for kind in (0, 1):
        mechanisms, found = _hoc().MechanismType(kind), _hoc().ref("")
        for number in range(int(mechanisms.count())):
            mechanisms.select(number)
            mechanisms.selected(found)
            if found[0] == name:
                return mechanisms.file() or "", mechanisms.code() or ""
    return "", ""


def _origin(path: str) -> str:
    """Where NEURON has a mechanism from, as far as that is known."""
    import neuron

    here = Path.cwd() / platform.machine()
    libraries = [*neuron.nrn_dll_loaded, *([here] if any(here.glob("**/libnrnmech.*")) else [])]
    if path and Path(path).exists() and libraries:
        return f"{path}, compiled into {libraries[-1]}, which NEURON loads by itself"
    return "built in, or from a library loaded elsewhere"


def _check_symbols(sources: Iterable[ModFile]) -> None:
    """Refuse what NEURON could not load: it ends the process, or stops in the middle, over a name that it already has."""
    known: dict[str, ModFile] = {}
    for source in sources:
        for symbol in source.symbols:
            other = known.setdefault(symbol, source)
            if other is not source:
                raise ModelError(f"{symbol!r} is also defined in {other.path}", source.path)
            if hasattr(_hoc(), symbol):
                raise ModelError(
                    f"NEURON has something called {symbol!r} already ({_origin('')})", source.path
                )


def _check_charges(sources: Iterable[ModFile]) -> None:
    """Refuse ions of two charges: NEURON ends the process over them."""
    h = _hoc()
    known = {ion: (charge, "NEURON itself") for ion, charge in _CHARGES.items()}
    for source in sources:
        for ion, charge in source.charges:
            there = h.ion_charge(f"{ion}_ion") if hasattr(h, f"{ion}_ion") else _NO_CHARGE
            if there != _NO_CHARGE:
                known[ion] = there, "mechanisms loaded in this process"
            before, where = known.setdefault(ion, (charge, str(source.path)))
            if charge != before:
                raise ModelError(
                    f"the ion {ion} has VALENCE {charge:g} here and {before:g} in {where}", source.path
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
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache):
            if not library.exists():
                tell(
                    f"compiling {len(sources)} mechanisms of {sources[0].path.parent} (once; kept in {cache})"
                )
                _make(sources, library)
    return library


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from compiling the same meanwhile; where a folder cannot be locked, both do."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(sources: Sequence[ModFile], library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="build-") as folder:
        made = _compile(sources, Path(folder))
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(library)


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
        raise _not_compiled(run.stdout.replace(str(folder), str(home)), sources)
    return made[0]


def _not_compiled(output: str, sources: Sequence[ModFile]) -> ModelError:
    """The error behind what translator and compiler print, at the file and line that they mean."""
    lines = output.rstrip().splitlines()
    first = next((row for row, line in enumerate(lines) if _ERROR.search(line)), len(lines) - LAST_LINES)
    told = lines[max(first, 0) :][:LAST_LINES]
    end = next((row for row, line in enumerate(told) if _END_OF_ERRORS.match(line)), None)
    reason = "\n".join(["these mechanisms do not compile:", *(told[:end] or told)])
    files = {source.path.name: source for source in sources}
    if (found := _AT_LINE.search(output)) and Path(found["file"]).name in files:
        return ModelError(reason, files[Path(found["file"]).name].path, int(found["line"]))
    if (found := _IN_CODE.search(output)) and f"{found['stem']}.mod" in files:
        source = files[f"{found['stem']}.mod"]
        return ModelError(reason, source.path, _line_of(found["code"], source.text))
    return ModelError(reason, sources[0].path.parent)


def _line_of(code: str, text: str) -> int | None:
    """The line of NMODL that a line of C++ was made of; None where several or none look like it."""
    wanted = _bare(code)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if _bare(line) == wanted]
    return lines[0] if len(lines) == 1 else None


def _bare(line: str) -> str:
    return re.sub(r"[\s;]", "", line)


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


def _hoc() -> Any:
    from neuron import h

    return h
