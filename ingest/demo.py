"""A demo result tree: trials of the demo cell, written as a simrun of the In Silico Framework writes its own.

::

    anatomy/demo_cell.hoc  demo_cell.syn  demo_cell.con  demo_sites.landmarkAscii
    stim_C2/results/<date>_seed<n>_pid<n>/...
    stim_B1/results/<date>_seed<n>_pid<n>/...
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..lake.errors import IngestError, InputError
from ..mechanisms.demo_cell import STIMULI, DemoCell, Trial, cell_parameters, recording_site
from ..mechanisms.demo_input import POPULATIONS, demo_embedding, network_parameters
from ..mechanisms.demo_shape import demo_branches
from .anatomy_text import format_con, format_landmarks, format_section, format_syn
from .simrun_text import format_cells, format_synapses
from .simrun_traces import Traces, format_traces, trace_header

HOC, SYN, CON = "anatomy/demo_cell.hoc", "anatomy/demo_cell.syn", "anatomy/demo_cell.con"
LANDMARKS = "anatomy/demo_sites.landmarkAscii"
DATE = "20260101-0000"


def write_demo_tree(
    folder: str | Path, *, trials: int = 12, runs: int = 2, seed: int = 1, processes: int | None = None
) -> list[Path]:
    """Simulate the demo cell and write the results.

    The same arguments give the same files, byte for byte, on the same NEURON: time stamp, host name and process
    number in the names are fixed, and the parameter files refer to the anatomy relative to *folder*.

    Parameters
    ----------
    folder
        Where the tree goes; made if it is not there.
    trials
        Trials per stimulus (there are two, C2 and B1), 200 ms each.
    runs
        Run directories per stimulus; the trials are dealt out evenly.
    seed
        Of everything random.
    processes
        Run directories simulated at a time, each in a fresh process; as many as CPUs by default. A script that
        calls this must guard its own work with ``if __name__ == "__main__"``.

    Returns
    -------
    list of Path
        The run directories.

    Raises
    ------
    InputError
        If there is not a trial for each run.
    IngestError
        If one of the run directories is already there; nothing is simulated then.
    """
    if not 1 <= runs <= trials or seed < 0:
        raise InputError(
            f"trials={trials}, runs={runs}, seed={seed}: expected 1 <= runs <= trials, seed >= 0"
        )
    plan = _plan(Path(folder), trials, runs, seed)
    for run in plan:
        for path in (run.path, run.running):
            if path.exists():
                raise IngestError("is already there; remove it or choose another folder", path)
    _write_anatomy(Path(folder))
    # Spawned: a fork would inherit threads, and NEURON's one global model.
    with ProcessPoolExecutor(
        min(processes or os.cpu_count() or 1, len(plan)),
        mp_context=get_context("spawn"),
        initializer=_without_display,
        max_tasks_per_child=1,
    ) as pool:
        return list(pool.map(_simulate, plan))


@dataclass(frozen=True)
class _Run:
    """A run directory to be made."""

    results: Path
    whisker: str
    number: int
    seed: int
    trials: int

    @property
    def prefix(self) -> str:
        return f"seed{self.seed}_pid{self.number}"

    @property
    def path(self) -> Path:
        return self.results / f"{DATE}_{self.prefix}"

    @property
    def running(self) -> Path:
        return self.results / f"{DATE}_{self.prefix}_running"


def _plan(folder: Path, trials: int, runs: int, seed: int) -> list[_Run]:
    seeds = np.random.SeedSequence(seed).generate_state(len(STIMULI) * runs).tolist()
    shares = [trials // runs + (k < trials % runs) for k in range(runs)] * len(STIMULI)
    whiskers = [whisker for whisker in STIMULI for _ in range(runs)]
    return [
        _Run(folder / f"stim_{whisker}" / "results", whisker, number, run_seed, share)
        for number, (whisker, run_seed, share) in enumerate(zip(whiskers, seeds, shares, strict=True), 1)
    ]


def _without_display() -> None:
    # NEURON prints a warning where it looks for a screen and finds none.
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")


def _simulate(run: _Run) -> Path:
    """Simulate the trials of a run; the directory gets its final name when it is complete."""
    run.running.mkdir(parents=True)
    cell = DemoCell()
    trials = [cell.trial(run.whisker, seed=run.seed, trial=number) for number in range(run.trials)]
    for number, trial in enumerate(trials):
        stem = run.running / f"simulation_run{number:04d}"
        stem.with_name(stem.name + "_synapses.csv").write_bytes(format_synapses(pa.table(trial.synapses)))
        stem.with_name(stem.name + "_presynaptic_cells.csv").write_bytes(format_cells(pa.table(trial.cells)))
    _write_traces(run, trials)
    _write_parameters(run)
    (run.running / "hostname_demo").touch()
    return run.running.rename(run.path)


def _write_traces(run: _Run, trials: Sequence[Trial]) -> None:
    sites = {
        "": [trial.soma_voltage for trial in trials],
        f"{_site_label()}_": [trial.dendrite_voltage for trial in trials],
    }
    for site, voltage in sites.items():
        kind = "vm_dend_traces" if site else "vm_all_traces"
        traces = Traces(trials[0].time, np.array(voltage), trace_header(len(trials)))
        (run.running / f"{run.prefix}_{site}{kind}.csv").write_bytes(format_traces(traces))


def _site_label() -> str:
    site = recording_site()
    place = f"sec_{site.section:03d}_seg_{site.segment:03d}_x_{site.x:.3f}_somaDist_{site.soma_distance:.1f}"
    return f"{Path(LANDMARKS).stem}_ID_000_{place}"


def _write_parameters(run: _Run) -> None:
    network = network_parameters(run.whisker, synapse_file=SYN, connection_file=CON)
    neuron = cell_parameters(morphology=HOC, recording_sites=LANDMARKS)
    contents: dict[str, dict[str, Any]] = {"neuron_model": neuron, "network_model": network}
    for name, content in contents.items():
        (run.running / f"{run.prefix}_{name}.param").write_text(json.dumps(content, indent=4) + "\n")


def _write_anatomy(folder: Path) -> None:
    branches, embedding, site = demo_branches(), demo_embedding(), recording_site()
    kinds = [POPULATIONS[number].name for number in embedding.population]
    parents = [None, *(branches[branch.parent].name for branch in branches[1:])]
    sections = [
        format_section(branch.name, branch.points, parent=parent, parent_x=0.5 if branch.parent == 0 else 1.0)
        for branch, parent in zip(branches, parents, strict=True)
    ]
    synapses = zip(kinds, embedding.section_id.tolist(), embedding.x.tolist(), strict=True)
    connections = zip(kinds, embedding.cell_id.tolist(), embedding.synapse_id.tolist(), strict=True)
    (folder / HOC).parent.mkdir(parents=True, exist_ok=True)
    (folder / HOC).write_text("".join(sections))
    (folder / SYN).write_text(format_syn("demo_cell", synapses))
    (folder / CON).write_text(format_con(Path(SYN).name, connections))
    (folder / LANDMARKS).write_text(
        format_landmarks([branches[site.section].points[site.point, :3].tolist()])
    )
