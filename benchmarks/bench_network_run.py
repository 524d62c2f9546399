"""What running a network costs beside NEURON alone: the loop, records and potentials, memory, and how evenly cells are spread.

The example network of `neurolake build example` is built with some numbers of cells. The cases simulate one and the same network in one process,
one after another in each round: by hand, which is `ParallelContext.psolve` to the end; the engine's loop; somata recorded at every step; membrane
currents of all segments at every step; 16 contacts. Time is that of the processor, for the machine may have other work.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from measure import Figures

import neurolake
from neurolake.ingest.demo import write_demo_network
from neurolake.ingest.lfp.electrodes import store_electrodes
from neurolake.ingest.lfp.observed import ContactRecord
from neurolake.ingest.networks.known import KnownMechanisms
from neurolake.ingest.networks.planning import NetworkOptions, PlannedNetwork, planned_network
from neurolake.ingest.records.requests import RecordRequest
from neurolake.ingest.records.traces import TraceRecord
from neurolake.ingest.wiring.circuit import NetworkSource
from neurolake.mechanisms.library import load
from neurolake.mechanisms.network.connecting import complexities
from neurolake.mechanisms.network.placement import balance, spread
from neurolake.mechanisms.network.ranks import Ranks
from neurolake.mechanisms.network.simulator import LiveNetwork
from neurolake.mechanisms.network.templates import Search
from neurolake.query import lfp

# Of the example network: input cells, pyramidal cells, basket cells in SP and in SO, for one pyramidal cell.
SHARES = {("STIM", "SP"): 1 / 3, ("PYR", "SP"): 1.0, ("PVBC", "SP"): 0.1, ("PVBC", "SO"): 1 / 30}
# Peak conductances that let all populations fire.
MECHANISMS = {
    "excitatory": {"AMPA": {"tau_rise": 0.5, "tau_decay": 3, "e": 0, "g_unit": 3e-5, "weight": 1}},
    "inhibitory": {"GABA_A": {"tau_rise": 0.3, "tau_decay": 6, "e": -70, "g_unit": 1e-4, "weight": 1}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[50, 200, 1000], help="pyramidal cells")
    parser.add_argument("--tstop", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    figures = Figures("network_run")
    figures.settings = {key: str(value) for key, value in vars(arguments).items()}
    with tempfile.TemporaryDirectory() as scratch:
        for number in arguments.cells:
            one_size(figures, Path(scratch), number, arguments.tstop, arguments.rounds)
    figures.report()


def one_size(figures: Figures, scratch: Path, number: int, t_stop: float, rounds: int) -> None:
    lake = built(scratch, number)
    ranks = Ranks()
    load()
    source = NetworkSource.read(lake.head, "example")
    options = NetworkOptions(
        t_stop=t_stop,
        dt=0.025,
        v_init=-70.0,
        celsius=35.0,
        own_celsius=False,
        second_order=0,
        adjust_events=False,
        equilibration=0.0,
        inputs=None,
        trial=0,
        inputs_from=None,
        cells=None,
        records=(),
    )
    before, began = memory(), time.process_time()
    network = planned_network(source, options, Search(), ranks, KnownMechanisms())
    with LiveNetwork(options.timing, ranks) as live:
        live.make(network.nodes, lambda node: network.templates[node.gid], network.costs)
        cells = memory()
        live.connect(network.connections)
        section = f"{number} pyramidal cells"
        synapses = sum(len(each) for each in network.connections)
        figures.add(section, "edges", network.edges, "")
        figures.add(section, "planned and made", time.process_time() - began, "s")
        figures.add(section, "memory of a cell", (cells - before) / len(network.nodes) / 1e3, "kB")
        figures.add(section, "memory of a synapse", (memory() - cells) / max(synapses, 1) / 1e3, "kB")
        spread_evenly(figures, section, live)
        cases = observers(network, source, ranks)
        times: dict[str, list[float]] = {name: [] for name in ("by hand", *cases)}
        for _ in range(rounds):
            times["by hand"].append(timed(live, [], lambda: live.ranks.context.psolve(t_stop)))
            for name, make in cases.items():
                times[name].append(timed(live, make(), lambda: live.advance(t_stop)))
    hand = times["by hand"]
    figures.add(section, "by hand", statistics.median(hand) / t_stop, "s a ms of the model")
    for name, found in times.items():
        if name != "by hand":
            ratios = np.array(found) / np.array(hand)
            figures.add(section, f"{name}, beside by hand", float(100 * (np.median(ratios) - 1)), "%")


def observers(
    network: PlannedNetwork, source: NetworkSource, ranks: Ranks
) -> dict[str, Callable[[], list[Any]]]:
    nodes = {node.gid: node for node in network.nodes}

    def records(text: str) -> list[Any]:
        found = []
        for name, population in source.populations.items():
            chosen = {
                int(gid): at
                for at, gid in enumerate(population.gid.tolist())
                if not network.templates[gid].artificial
            }
            if chosen:
                found.append(TraceRecord(RecordRequest.parse(text), name, chosen, ranks, 0.025, 0.0))
        return found

    def contacts() -> list[Any]:
        return [ContactRecord("probe", "electrodes/probe", source.snapshot, nodes, ranks, 0.1, 0.0)]

    return {
        "the engine's loop": list,
        "somata": lambda: records("soma"),
        "currents of all segments": lambda: records("all:i_membrane"),
        "currents every 0.1 ms": lambda: records("all:i_membrane@0.1"),
        "16 contacts every 0.1 ms": contacts,
    }


def timed(live: LiveNetwork, observers: list[Any], work: Callable[[], object]) -> float:
    live.rewind()
    live.start(observers)
    began = time.process_time()
    work()
    live.finish()
    return time.process_time() - began


def spread_evenly(figures: Figures, section: str, live: LiveNetwork) -> None:
    cells = [live.cells[gid] for gid in sorted(live.cells)]
    costs = complexities(cells, live.placed)
    for places in (2, 16, 64):
        value = balance(costs, spread(costs, places), places)
        figures.add(section, f"load of {places} ranks, mean over highest", 100 * value, "%")


def built(scratch: Path, number: int) -> Any:
    folder = scratch / str(number)
    file = write_demo_network(folder)
    tree = yaml.safe_load(file.read_text())
    counts = tree["Geometry"]["Cell Distribution"]
    for (population, layer), share in SHARES.items():
        counts[population][layer] = max(1, round(share * number))
    # The volume grows with the cells, and axons reach as many of them.
    scale = (number / 60) ** 0.5
    for box in tree["Geometry"]["Parametric Surface"]["Layer Extents"].values():
        box[1][:2] = [500 * scale, 500 * scale]
    for sources in tree["Connection Generator"]["Synapses"].values():
        for rule in sources.values():
            rule["mechanisms"] = MECHANISMS[rule["type"]]
    lake = neurolake.create(folder / "lake", durable=False)
    file.write_text(yaml.safe_dump(tree))
    neurolake.build.network(lake, file, "example")
    store_electrodes(lake, "probe", lfp.laminar_probe(16, 25.0, first=(250.0, 250.0, 20.0)))
    return lake


def memory() -> int:
    return psutil.Process(os.getpid()).memory_info().rss


if __name__ == "__main__":
    main()
