"""How long a trial takes, beside a loop written by hand on the same cell and input, and with all segments recorded.

Each case has a process of its own, for NEURON simulates all cells of a process together. What is timed of neurolake is
all that a trial costs in a run of one process: its input is drawn, it is simulated, its tables and arrays are encoded,
and it is committed, durably, by itself (a run commits 32 trials at a time). The loop by hand is given its input as
arrays and keeps the somatic potential in memory.
"""

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from measure import Figures, Timing, interleaved, tree_bytes

import neurolake
from neurolake.ingest.runs import runs
from neurolake.ingest.runs import stage as runs_stage
from neurolake.ingest.runs import worker as runs_worker
from neurolake.ingest.runs.model import read_model

SEED = 1
CASES = {
    "by hand": None,
    "by hand, cache_efficient": True,
    "neurolake": "soma,site",
    "neurolake, v and i_membrane of all segments": "soma,site,all-segments:v,i_membrane",
    "neurolake, the same every 0.1 ms": "soma,site,all-segments:v,i_membrane@0.1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tstop", type=float, default=300.0)
    parser.add_argument("--trials", type=int, default=0, help="also a whole run of so many, with all cores")
    arguments = parser.parse_args()
    folder = arguments.data / "isf" / "example_86_C2"
    figures = Figures("runs")
    figures.settings = {key: str(value) for key, value in vars(arguments).items()}
    with tempfile.TemporaryDirectory() as scratch:
        times, sizes = trial_times(folder, Path(scratch), arguments.tstop, arguments.rounds)
        for name, timing in times.items():
            figures.add_time("one trial", name, timing)
        for name in list(times)[1:]:
            figures.add("one trial", f"{name}, beside by hand", overhead(times[name], times["by hand"]), "%")
        for name, size in sizes.items():
            figures.add("stored", name, size / 1e6, "MB a trial")
        if arguments.trials:
            whole_run(figures, folder, Path(scratch) / "run", arguments.trials, arguments.tstop)
    figures.report()


def overhead(timing: Timing, peer: Timing) -> float:
    """Median over rounds of the ratio within the round, in per cent above 1."""
    ratios = np.array(timing.seconds) / np.array(peer.seconds)
    return float(100 * (np.median(ratios) - 1))


def trial_times(
    folder: Path, scratch: Path, t_stop: float, rounds: int
) -> tuple[dict[str, Timing], dict[str, float]]:
    pools = {
        name: ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare,
                                  initargs=(case, folder, scratch / str(number), t_stop))
        for number, (name, case) in enumerate(CASES.items())
    }  # fmt: skip
    for pool in pools.values():
        pool.submit(one_trial, 0).result()
    numbers = dict.fromkeys(pools, 0)

    def turn(name: str) -> None:
        numbers[name] += 1
        pools[name].submit(one_trial, numbers[name]).result()

    cases: dict[str, Callable[[], object]] = {name: partial(turn, name) for name in pools}
    times = interleaved(cases, rounds)
    sizes = {
        name: tree_bytes(scratch / str(number)) / (rounds + 1)
        for number, (name, case) in enumerate(CASES.items())
        if isinstance(case, str)
    }
    for pool in pools.values():
        pool.shutdown()
    return times, sizes


# In the process of a case

_prepared: dict[str, Callable[[int], object]] = {}


def prepare(case: Any, folder: Path, place: Path, t_stop: float) -> None:
    model = read_model(
        folder / "biophysical" / "86_C2_center.param", folder / "functional" / "network.param", paths=[folder]
    )
    record, _, interval = case.partition("@") if isinstance(case, str) else ("soma", "", "")
    recorded = runs.read_recorded(record, float(interval) if interval else None)
    lake = neurolake.create(place)
    report = runs.RunReport(f"bench/seed{SEED}", SEED)
    plan = runs.planned(model, recorded, t_stop, report, kind="run", draws=True)
    setting = runs.setting_of(lake, runs_stage.begun(lake, plan), plan, recorded, True)
    if isinstance(case, str):
        _prepared["trial"] = partial(with_neurolake, lake, plan, setting)
        return
    simulation = runs_worker.model_of(setting)
    if case:
        simulation_cache_efficient()
    inputs = [simulation.drawn(SEED, number, t_stop)[0] for number in range(100)]
    _prepared["trial"] = lambda number: by_hand(simulation, inputs[number], t_stop)


def simulation_cache_efficient() -> None:
    from neuron import h

    h.CVode().cache_efficient(True)


def one_trial(number: int) -> None:
    _prepared["trial"](number)


def with_neurolake(lake: Any, plan: Any, setting: Any, number: int) -> None:
    finished = runs_worker.simulate(setting, runs_worker.Job(number, SEED, number))
    assert isinstance(finished, runs_worker.Finished), str(finished)
    runs_stage.land(lake, plan, [finished], {})


def by_hand(simulation: Any, synapses: dict[str, np.ndarray], t_stop: float) -> np.ndarray:
    """What somebody writes who knows the model: a synapse for each that is activated, and continuerun."""
    from neuron import h

    h.load_file("stdrun.hoc")
    cell, populations, kept = simulation.cell, simulation.populations, []
    keys = list(zip(synapses["synapse_type"], synapses["synapse_id"], strict=True))
    starts = [at for at, key in enumerate(keys) if at == 0 or key != keys[at - 1]]
    for at, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        section, point = int(synapses["section_id"][at]), int(synapses["section_pt_id"][at])
        x = float(cell.branches.relative[cell.branches.first[section] + point])
        half = 0.5 / cell.sections[section].nseg
        place = cell.sections[section](min(max(x, half), 1 - half))
        times = h.Vector(synapses["time"][at:end])
        source = h.VecStim()
        source.play(times)
        for receptor in populations[str(synapses["synapse_type"][at])].receptors:
            process = getattr(h, receptor.mechanism)(place)
            for name, value in receptor.parameters.items():
                setattr(process, name, value)
            netcon = h.NetCon(source, process, receptor.threshold, receptor.delay, 0)
            for number, weight in enumerate(receptor.weights):
                netcon.weight[number] = weight
            kept.append((process, netcon, source, times))
    voltage = h.Vector().record(cell.soma(0.5)._ref_v)
    h.celsius, h.dt, h.steps_per_ms = 34.0, 0.025, 40
    h.finitialize(-75.0)
    h.continuerun(t_stop)
    return voltage.as_numpy().copy()


def whole_run(figures: Figures, folder: Path, place: Path, trials: int, t_stop: float) -> None:
    lake = neurolake.create(place)
    report = runs.run(
        lake,
        folder / "biophysical" / "86_C2_center.param",
        folder / "functional" / "network.param",
        trials=trials,
        t_stop=t_stop,
        seed=SEED,
        paths=[folder],
    )
    assert not report.failures
    figures.add("a run", f"{trials} trials on all cores, start of processes included", report.seconds, "s")
    figures.add("a run", "a trial of it", report.seconds / trials, "s")


if __name__ == "__main__":
    main()
