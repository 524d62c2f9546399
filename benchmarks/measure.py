"""Repeated timing, peak memory, and figures that are printed and kept as JSON. Nothing here passes or fails."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from neurolake.kernels.places import cache_folder

HERE = Path(__file__).parent
PACKAGES = ("neurolake", "numpy", "pyarrow", "pandas", "duckdb", "dask", "zarr", "numba")
_SAMPLING_SECONDS = 0.02

# Many benchmarks begin with an empty cache of neurolake's, and are not about compiling kernels.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / "benchmarks"))

screen = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


# Time


@dataclass(frozen=True)
class Timing:
    """Wall times in seconds of one thing done several times."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    between: Callable[[], object] = lambda: None,
) -> dict[str, Timing]:
    """Time every case once in each round, so that a busy spell of the machine meets all of them.

    Each round begins with another case. *between* runs, untimed, before every call.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            between()
            found[name].append(seconds(cases[name]))
    return {name: Timing(times) for name, times in found.items()}


def run(command: Sequence[str], **environment: str) -> None:
    """Run a program quietly; what it printed is in the error if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


# Memory and disk


def peak_memory(command: Sequence[str]) -> int:
    """The largest sum, in bytes, of the resident memory of a program and all its descendants.

    Pages that they share count once for each process, so this is an upper bound.
    """
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process))
        time.sleep(_SAMPLING_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr.read()}")
    return peak


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between listing and looking
    return total


def tree_bytes(folder: Path, pattern: str = "*") -> int:
    """Sum of the sizes of the files below *folder* whose name matches."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


def emptied(folder: Path) -> Path:
    """*folder*, made anew, with everything written so far on the disk: it is not on the next one's bill."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()
    return folder


# Figures


@dataclass(frozen=True)
class Figure:
    """One number of a run."""

    section: str
    name: str
    value: float
    unit: str
    note: str = ""


@dataclass
class Figures:
    """The figures of one benchmark, with the machine and the load that they were measured under."""

    benchmark: str
    machine: dict[str, Any] = field(default_factory=lambda: machine())
    figures: list[Figure] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def add(self, section: str, name: str, value: float, unit: str, note: str = "") -> None:
        self.figures.append(Figure(section, name, value, unit, note))
        screen.print(f"[dim]{section}: {name}: {shown(value)} {unit}  {note}[/dim]")

    def add_time(self, section: str, name: str, timing: Timing, unit: str = "s") -> None:
        """The median, and the fastest and slowest as a note."""
        scale = {"s": 1.0, "ms": 1e3}[unit]
        low, high = (scale * extreme(timing.seconds) for extreme in (min, max))
        note = f"{shown(low)} to {shown(high)} {unit} in {len(timing.seconds)} rounds"
        self.add(section, name, scale * timing.median, unit, note)

    def report(self) -> None:
        """Print everything as one table, and write it to ``results/``."""
        self.machine["load_after"] = os.getloadavg()
        for text in (self.machine, self.settings):
            screen.print(", ".join(f"{key}: {value}" for key, value in text.items()), markup=False)
        table = Table("", "figure", "value", "unit", "note", box=None, pad_edge=False)
        table.columns[2].justify = "right"
        last = ""
        for one in self.figures:
            title = f"[bold]{one.section}[/bold]" if one.section != last else ""
            table.add_row(title, one.name, shown(one.value), one.unit, one.note)
            last = one.section
        screen.print(table)
        screen.print(f"Written to {self._write()}")

    def _write(self) -> Path:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.benchmark}-{self.machine['commit']}-{self.machine['time']}.json"
        path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n")
        return path


def shown(value: float) -> str:
    """Three significant digits, and no exponent where a person would write none."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """What the figures of a run depend on besides the code."""
    return {
        "time": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_before": os.getloadavg(),
    }


def _commit() -> str:
    command = ("git", "-C", str(HERE), "describe", "--always", "--dirty", "--exclude=*")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
