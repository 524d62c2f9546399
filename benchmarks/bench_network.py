"""How fast networks are built, beside NEST, BMTK and NetPyNE on the same cells, and how it grows with size.

Peers run in an interpreter of their own (``--peers``), by turns with ours; those that it lacks are left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from growth import Growth
from measure import HERE, Figures, Timing, interleaved, screen

from neurolake.kernels.network import (
    Box,
    CellTree,
    Density,
    arc_distances,
    box_volume,
    fixed_indegree,
    gaussian,
    input_spikes,
    pairwise_bernoulli,
    placed_synapses,
    population_rows,
    rows_by_node,
    segment_densities,
    segments_by_length,
    soma_positions,
    synapse_populations,
    synapse_sources,
    tree_segments,
)

# Edges a second of one rank of MiV-Simulator 0.3.0, recorded earlier and not in this run.
MIV_RECORDED = (26_000, 41_000)
PEERS = {"nest": "NEST", "bmtk": "BMTK", "netpyne": "NetPyNE"}
LAYERS = [Box((0, 0, 0), (4000, 4000, 100)), Box((0, 0, 100), (4000, 4000, 450))]
Work = Callable[[], object]


class Bench:
    """Figures of things timed by turns, each a rate."""

    def __init__(self, rounds: int) -> None:
        self.figures, self.rounds = Figures("network"), rounds

    def rate(self, section: str, unit: str, works: dict[str, tuple[Work, int]]) -> dict[str, Timing]:
        for work, _ in works.values():
            work()  # compiled, and in memory
        timings = interleaved({name: work for name, (work, _) in works.items()}, self.rounds)
        for name, (_, n) in works.items():
            self.figures.add_time(section, f"{name}, {n:,} {unit}", timings[name], "ms")
            self.figures.add(section, name, n / timings[name].median / 1e6, f"M {unit}/s")
            # What two threads make of a machine that is theirs: a second of processor time is half of one there.
            used = statistics.median(_processor_seconds(works[name][0]) for _ in range(self.rounds))
            self.figures.add(section, f"{name}, of one processor", n / used / 1e6, f"M {unit}/s")
        return timings


def _processor_seconds(work: Work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


class Synapses:
    """Cells with as many synapses each in four layers, and sources about them."""

    def __init__(self, n_cells: int, per_cell: int, n_sources: int, side: float = 1000.0) -> None:
        rng, n = np.random.default_rng(1), n_cells * per_cell
        self.n, self.cells, self.offsets = n, np.arange(n_cells), np.arange(n_cells + 1) * per_cell
        self.layer = rng.integers(0, 4, n, dtype=np.int16)
        self.soma_distance = rng.random(n, dtype=np.float32)
        self.target, self.source = rng.uniform(0, side, (2, n_cells)), rng.uniform(0, side, (2, n_sources))
        self.kind = rng.integers(0, 8, n, dtype=np.int8)
        self.shares = rng.random((8, 4))

    def sources(self, arrangement: str, contacts: int = 1) -> object:
        return synapse_sources(
            self.layer,
            self.soma_distance,
            self.offsets,
            self.cells,
            tuple(self.target),
            tuple(self.source),
            np.tile([1000.0, 1000.0, 0.0, 0.0], (4, 1)),
            seed=1,
            projection="PYR__PYR",
            arrangement=arrangement,
            contacts=contacts,
        )

    def populations(self) -> np.ndarray:
        return synapse_populations(self.kind, self.shares, self.offsets, self.cells, seed=1, population="PYR")


def binary_tree(levels: int, length: float = 100.0) -> CellTree:
    """A soma and dendrites that fork so many times."""
    parents, ends, points = [-1], [np.zeros(3)], [np.linspace([0, 0, 0], [0, 10, 0], 11)]
    rng, tips = np.random.default_rng(1), [0]
    ends[0] = points[0][-1]
    for _ in range(levels):
        grown = []
        for tip in tips:
            for _ in range(2):
                way = rng.normal(size=3)
                end = ends[tip] + length * way / np.linalg.norm(way)
                grown.append(len(parents))
                parents.append(tip)
                points.append(np.linspace(ends[tip], end, 11))
                ends.append(end)
        tips = grown
    n = len(parents)
    return CellTree(
        offsets=np.arange(n + 1) * 11,
        points=np.concatenate(points),
        diameter=np.ones(11 * n),
        layer=np.repeat(np.arange(n) % 4, 11).astype(np.int16),
        parent=np.array(parents, np.int32),
        type=np.where(np.arange(n) == 0, 1, 3).astype(np.int16),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="Python with NEST, BMTK and NetPyNE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of all numbers of cells")
    parser.add_argument("--largest", type=int, default=100_000_000, help="edges in the table of growth")
    arguments = parser.parse_args()
    bench = Bench(arguments.rounds)
    bench.figures.settings = {name: str(value) for name, value in vars(arguments).items()}
    _connections(bench, arguments.scale)
    _steps(bench, arguments.scale)
    _peers(bench, arguments.peers, arguments.scale)
    _growth(bench, arguments.largest)
    bench.figures.report()


def _connections(bench: Bench, scale: float) -> None:
    """The tutorial's pyramidal cells: 80 sources, 16,700 excitatory synapses of each on 80 cells."""
    case = Synapses(int(80 * scale) or 1, 16_700, 80)
    section = "connections by distance, as MiV-Simulator makes them"
    timings = bench.rate(
        section,
        "edges",
        {
            "cable sort and clustered shuffle": (partial(case.sources, "shuffled"), case.n),
            "the same, 3 contacts": (partial(case.sources, "shuffled", 3), case.n),
            "contacts in succession, 3": (partial(case.sources, "clustered", 3), case.n),
            "plain draws": (partial(case.sources, "plain"), case.n),
        },
    )
    ours = case.n / timings["cable sort and clustered shuffle"].median
    for recorded in MIV_RECORDED:
        name = f"shuffled / MiV-Simulator's recorded {recorded:,} edges/s of one rank"
        bench.figures.add(section, name, ours / recorded, "times")
    wide = Synapses(int(2000 * scale) or 1, 1000, 10_000)
    bench.rate(
        "connections among 10,000 sources, 1,000 synapses per cell",
        "edges",
        {
            "cable sort and clustered shuffle": (partial(wide.sources, "shuffled"), wide.n),
            "plain draws": (partial(wide.sources, "plain"), wide.n),
        },
    )


def _steps(bench: Bench, scale: float) -> None:
    case = Synapses(int(400 * scale) or 1, 20_000, 80)
    chosen = case.populations()
    source = np.random.default_rng(1).integers(0, 100_000, case.n).astype(np.int32)
    bench.rate(
        "around connections",
        "synapses",
        {
            "populations by proportion": (case.populations, case.n),
            "rows of each population": (partial(population_rows, chosen, case.offsets, 4), case.n),
            "index of edges by source": (partial(rows_by_node, source, 100_000), case.n),
        },
    )
    tree = binary_tree(6)
    segments = tree_segments(tree, segments_by_length(tree, 20.0))
    table = segment_densities(segments, [Density(3, kind, None, 1.0, 0.1) for kind in (0, 1)])
    cells = np.arange(int(400 * scale) or 1)
    n = len(placed_synapses(tree, segments, table, cells, seed=1, population="PYR").section_id)
    bench.rate(
        "synapses placed on trees of 127 sections",
        "synapses",
        {
            method: (
                partial(
                    placed_synapses, tree, segments, table, cells, seed=1, population="PYR", method=method
                ),
                n,
            )
            for method in ("poisson", "poisson_miv", "uniform")
        },
    )
    volume, n = box_volume([0, 0, 0], [4000, 4000, 450]), int(1_000_000 * scale)
    bench.rate(
        "positions in two layers",
        "cells",
        {
            f"at least {distance} um apart": (
                partial(
                    soma_positions, LAYERS, [n // 4, n - n // 4], volume, seed=1, population="PYR",
                    minimum_distance=distance,
                ),
                n,
            )
            for distance in (0.0, 5.0)
        },
    )  # fmt: skip
    uvl = np.random.default_rng(1).uniform(0, [4000, 4000, 450], (10 * n, 3))
    bench.rate("distances", "cells", {"in a box": (partial(arc_distances, uvl, volume), 10 * n)})
    time, cells = np.arange(10_001.0), np.arange(int(1000 * scale) or 1)
    rates = 20 + 20 * np.cos(time / 32)
    spikes = partial(input_spikes, time, rates, cells, seed=1, population="STIM", refractory=3.0)
    bench.rate("input spikes", "spikes", {"20 Hz in theta, sampled at 1 ms": (spikes, len(spikes().time))})


def _peers(bench: Bench, python: str, scale: float) -> None:
    """A Gaussian of 167 um within 500 um along both axes: the same in-degree for each target, or a probability."""
    for n_sources, n_targets, degree, side, peers in (
        (10_000, 2000, 1000, 4000.0, ["nest"]),
        (10_000, 2000, 1000, 1000.0, ["nest"]),
        (10_000, 2000, 100, 1000.0, ["nest"]),
        (10_000, 2000, 0, 1000.0, ["nest"]),
        (1000, 500, 100, 1000.0, ["nest", "bmtk", "netpyne"]),
    ):
        rng = np.random.default_rng(1)
        n_sources, n_targets = int(n_sources * scale), int(n_targets * scale)
        source, target = (rng.uniform(-side / 2, side / 2, (2, n)) for n in (n_sources, n_targets))
        about = f"{n_targets:,} cells, {n_sources:,} sources on a side of {side:.0f} um"
        section = f"in-degree {degree:,} of {about}" if degree else f"pairs by probability, {about}"
        rule = partial(fixed_indegree, degree) if degree else pairwise_bernoulli
        ours = partial(
            rule, np.arange(n_targets), tuple(target), tuple(source), seed=1, projection="a__b",
            reach=(500.0, 500.0), weighting=gaussian, parameters=[1000.0, 1000.0, 0.0, 0.0],
        )  # fmt: skip
        n, others = len(ours().distance), {peer: [] for peer in peers}
        edges: dict[str, int] = {}
        mine: list[float] = []
        used: dict[str, list[float]] = {name: [] for name in ("neurolake", *peers)}
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "cells.npz"
            np.savez(data, source=source, target=target, degree=degree, reach=500.0, sd=500.0 / 3)
            for _ in range(bench.rounds):
                mine += interleaved({"ours": ours}, 1)["ours"].seconds
                used["neurolake"].append(_processor_seconds(ours))
                for peer in list(others):
                    found = _peer(python, peer, data)
                    if found is None:
                        screen.print(
                            f"[dim]{PEERS[peer]} is not there: give --peers a Python that has it[/dim]"
                        )
                        del others[peer]
                        continue
                    others[peer] += found["seconds"]
                    used[peer] += found["processor"]
                    edges[peer] = found["edges"]
        rate = n / Timing(mine).median
        bench.figures.add_time(section, f"neurolake, {n:,} edges", Timing(mine), "ms")
        bench.figures.add(section, "neurolake", rate / 1e6, "M edges/s")
        for peer, seconds in others.items():
            bench.figures.add_time(section, f"{PEERS[peer]}, {edges[peer]:,} edges", Timing(seconds), "ms")
            other = edges[peer] / Timing(seconds).median
            bench.figures.add(section, PEERS[peer], other / 1e6, "M edges/s")
            bench.figures.add(section, f"neurolake / {PEERS[peer]}", rate / other, "times")
            ratio = n / edges[peer] * statistics.median(used[peer]) / statistics.median(used["neurolake"])
            bench.figures.add(section, f"neurolake / {PEERS[peer]}, of one processor", ratio, "times")


def _peer(python: str, peer: str, data: Path) -> dict | None:
    """Seconds and edges of one round; nothing where the interpreter lacks the peer."""
    if subprocess.run([python, "-c", f"import {peer}"], check=False, capture_output=True).returncode:
        return None
    threads = str(len(os.sched_getaffinity(0)))
    command = [python, str(HERE / "network_peers.py"), peer, str(data), threads, "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _growth(bench: Bench, largest: int) -> None:
    """1,000 synapses on each cell, as many cells as sources, in a sheet that grows with them: 400 in reach."""
    growth, n = Growth(), 100_000
    while n <= largest:
        n_cells = n // 1000
        case = Synapses(n_cells, 1000, n_cells, side=1000.0 * np.sqrt(n_cells / 400))
        rounds = bench.rounds if n < 10_000_000 else 1
        works: dict[str, Work] = {
            "connections, shuffled": partial(case.sources, "shuffled"),
            "connections, plain": partial(case.sources, "plain"),
            "populations": case.populations,
        }
        for name, timing in interleaved(works, rounds).items():
            growth.add(name, n, timing)
        n *= 10
    growth.report(bench.figures, HERE / "results", 10 * largest)


if __name__ == "__main__":
    main()
