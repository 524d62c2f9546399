"""Where a simrun result tree keeps its files: discovery without reading any of them.

A run directory holds the trials that one process of the In Silico Framework simulated. Its names have changed
over the years; all of these are understood::

    20261120-2051_seed123_pid456/seed123_pid456_vm_all_traces.csv     today
    20261120-2051_seed_123/seed_123_vm_all_traces.csv
    20150815-1530_20240/20240_vm_all_traces.csv                       the number is the process
    20261120-2051_seed123_pid456/pid456_vm_all_traces.csv             re-run, trials of 7 digits
    any_name/20240_vm_all_traces.csv
"""

import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...lake.errors import IngestError
from ..trials.names import identity, number_of

_TRIAL = re.compile(r"simulation_run([0-9]+)_(synapses|presynaptic_cells)\.csv")
ONE_TRIAL = "synapse_activation.csv"
"""Synapses of the only trial of a directory, as published with its network parameters."""
_SITE = "_vm_dend_traces.csv"
_SUFFIXES = (
    ("_vm_all_traces.csv", "soma"),
    ("_vm_all_traces.npz", "soma"),
    (_SITE, "site"),
    ("_neuron_model.param", "neuron_model.param"),
    ("_network_model.param", "network_model.param"),
)
_MARKERS = ("synapses", "presynaptic_cells", "soma", "site")
_ATTACHED = (".param", ".hoc", ".syn", ".con", ".landmarkascii")


@dataclass(frozen=True)
class TrialFiles:
    """The files of one trial; `cells` is None where no presynaptic spikes were written."""

    number: int
    synapses: Path
    cells: Path | None


@dataclass(frozen=True)
class RunDirectory:
    """One run directory and what its names say.

    `name` is its path relative to the results, with slashes; `sites` maps the label of a recording site to
    its trace file; `others` are the files that have no role of their own. Trials are sorted by number, sites
    by label and others by name.
    """

    path: Path
    name: str
    prefix: str
    date: str | None
    seed: int | None
    pid: int | None
    hostname: str | None
    trials: tuple[TrialFiles, ...]
    soma: Path | None
    sites: Mapping[str, Path]
    neuron_parameters: Path | None
    network_parameters: Path | None
    others: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the directory, sorted by name."""
        trials = [file for trial in self.trials for file in (trial.synapses, trial.cells)]
        single = (self.soma, self.neuron_parameters, self.network_parameters)
        return tuple(sorted(file for file in (*trials, *single, *self.sites.values(), *self.others) if file))


@dataclass(frozen=True)
class Survey:
    """A result tree: what can be read, what is still running, and what is amiss.

    `failures` holds (run name, error) of the directories that cannot be used; `attachments` all parameter,
    morphology, synapse, connection and landmark files of the tree. All are sorted by relative path.
    """

    root: Path
    runs: tuple[RunDirectory, ...]
    running: tuple[Path, ...]
    attachments: tuple[Path, ...]
    failures: tuple[tuple[str, IngestError], ...] = ()


@dataclass
class _Tree:
    """Directories (relative name to file names) of a walk, those still running, and those unreadable."""

    directories: dict[str, list[str]] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    failures: dict[str, IngestError] = field(default_factory=dict)


def holds_simrun(path: Path) -> bool:
    """Return whether a folder has files of simrun results, at any depth; stops at the first.

    Parameters
    ----------
    path
        Any path.
    """
    tree = _Tree()
    for _, names in _walk(path, tree) if path.is_dir() else ():
        if any(_by_kind(names)[kind] for kind in _MARKERS):
            return True
    return any(holds_simrun(path / name) for name in tree.running)


def survey(results: Path) -> Survey:
    """Find all run directories at and below `results`.

    A directory is a run directory where it holds synapse, presynaptic-cell or trace files of a simrun.
    Directories with `_running` in their name are left out with all they hold: the framework renames them when
    they are complete. Linked directories are followed, each real directory being visited once.

    Parameters
    ----------
    results
        A folder with run directories at any depth, or one of them.

    Raises
    ------
    IngestError
        `results` is not a directory, or nothing was found. What concerns one run directory is returned in
        `Survey.failures` instead.
    """
    if not results.is_dir():
        raise IngestError("expected a directory of simrun results", results)
    tree = _Tree()
    tree.directories.update(_walk(results, tree))
    runs, failures = [], dict(tree.failures)
    for relative, names in tree.directories.items():
        kinds = _by_kind(names)
        if not any(kinds[kind] for kind in _MARKERS):
            continue
        name = relative or results.resolve().name
        try:
            runs.append(_run_directory(results / relative, name, kinds))
        except IngestError as error:
            failures[name] = error
    if not (runs or failures or tree.running):
        raise IngestError(
            "no simrun results: expected simulation_run<N>_synapses.csv or *_vm_all_traces.csv, or synapse_activation.csv "
            "beside a *_network_model.param",
            results,
        )
    return Survey(
        root=results,
        runs=tuple(sorted(runs, key=lambda run: run.name)),
        running=tuple(results / relative for relative in sorted(tree.running)),
        attachments=_attachments(results, tree.directories),
        failures=tuple(sorted(failures.items(), key=lambda failure: failure[0])),
    )


def _walk(results: Path, tree: _Tree) -> Iterator[tuple[str, list[str]]]:
    """Directories and the names of their files; those still running and those unreadable are put into *tree*."""
    pending, linked = [""], deque[str]()
    visited: set[tuple[int, int]] = set()
    while pending or linked:
        # Links come last, so that a directory that is in the tree itself keeps its own name.
        relative = pending.pop() if pending else linked.popleft()
        try:
            status = (results / relative).stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(results / relative) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            tree.failures[relative] = IngestError(f"cannot be listed: {error.strerror}", results / relative)
            continue
        yield relative, [entry.name for entry in entries if _is_file(entry)]
        for entry in entries:
            if not _is_directory(entry):
                continue
            below = f"{relative}/{entry.name}" if relative else entry.name
            if "_running" in entry.name:
                tree.running.append(below)
            else:
                (linked if entry.is_symlink() else pending).append(below)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    # A broken link counts: a trial must not vanish, reading it will tell.
    return entry.is_file(follow_symlinks=False) or (entry.is_symlink() and not _is_directory(entry))


def _by_kind(names: Sequence[str]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {kind: [] for kind in (*_MARKERS, "other")}
    kinds |= {kind: [] for _, kind in _SUFFIXES}
    for name in names:
        kinds[_kind(name)].append(name)
    if ONE_TRIAL in names and kinds["network_model.param"] and not kinds["synapses"]:
        kinds["other"].remove(ONE_TRIAL)
        kinds["synapses"].append(ONE_TRIAL)
    return kinds


def _kind(name: str) -> str:
    if match := _TRIAL.fullmatch(name):
        return match[2]
    return next((kind for suffix, kind in _SUFFIXES if name.endswith(suffix)), "other")


def _run_directory(path: Path, name: str, kinds: Mapping[str, Sequence[str]]) -> RunDirectory:
    soma = _single(kinds["soma"], "soma trace file", path)
    neuron = _single(kinds["neuron_model.param"], "neuron_model.param", path)
    network = _single(kinds["network_model.param"], "network_model.param", path)
    published = kinds["synapses"] and network
    if soma is None and (kinds["site"] or (neuron and not published)):
        found = kinds["site"][0] if kinds["site"] else "a neuron_model.param"
        raise IngestError(f"no soma traces (*_vm_all_traces.csv or .npz), but {found}", path)
    prefix = _prefix(soma or network)
    date, seed, pid = identity(path, prefix)
    hosts = [other for other in kinds["other"] if other.startswith("hostname_")]
    return RunDirectory(
        path=path,
        name=name,
        prefix=prefix,
        date=date,
        seed=seed,
        pid=pid,
        hostname=hosts[0].removeprefix("hostname_") if hosts else None,
        trials=_trials(kinds, path),
        soma=path / soma if soma else None,
        sites=_sites(kinds["site"], prefix, path),
        neuron_parameters=path / neuron if neuron else None,
        network_parameters=path / network if network else None,
        others=tuple(path / other for other in kinds["other"]),
    )


def _single(names: Sequence[str], what: str, path: Path) -> str | None:
    if len(names) > 1:
        raise IngestError(f"expected one {what}, found {', '.join(names)}", path)
    return names[0] if names else None


def _prefix(name: str | None) -> str:
    for suffix, _ in _SUFFIXES:
        if name is not None and name.endswith(suffix):
            return name.removesuffix(suffix)
    return ""


def _trials(kinds: Mapping[str, Sequence[str]], path: Path) -> tuple[TrialFiles, ...]:
    synapses = _by_number(kinds["synapses"], path)
    cells = _by_number(kinds["presynaptic_cells"], path)
    if lonely := sorted(cells.keys() - synapses.keys()):
        raise IngestError(
            f"presynaptic cells without the synapses file of trial {lonely[0]}", cells[lonely[0]]
        )
    if cells and (bare := sorted(synapses.keys() - cells.keys())):
        raise IngestError(
            f"no presynaptic_cells file for trial {bare[0]}, but for others: expected all or none", path
        )
    return tuple(TrialFiles(number, synapses[number], cells.get(number)) for number in sorted(synapses))


def _by_number(names: Sequence[str], path: Path) -> dict[int, Path]:
    files: dict[int, Path] = {}
    for name in names:
        digits = "0" if name == ONE_TRIAL else name.removeprefix("simulation_run").partition("_")[0]
        number = number_of(digits, path / name)
        if number in files:
            raise IngestError(f"trial {number} is there twice: {files[number].name} and {name}", path)
        files[number] = path / name
    return files


def _sites(names: Sequence[str], prefix: str, path: Path) -> dict[str, Path]:
    sites = {}
    for name in names:
        label = name.removesuffix(_SITE).removeprefix(f"{prefix}_")
        if name != f"{prefix}_{label}{_SITE}" or not label:
            raise IngestError(f"expected the name {prefix}_<recording site>{_SITE}", path / name)
        sites[label] = path / name
    return dict(sorted(sites.items()))


def _attachments(results: Path, directories: Mapping[str, Sequence[str]]) -> tuple[Path, ...]:
    found = [
        f"{relative}/{name}" if relative else name
        for relative, names in directories.items()
        for name in names
        if name.lower().endswith(_ATTACHED)
    ]
    return tuple(results / name for name in sorted(found))
