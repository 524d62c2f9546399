"""How fast contacts of astrocytes are found, beside ArchNGV's processor seconds, and how it grows to 100 M synapses.

ArchNGV 3.3.0 was timed earlier on another day (user seconds of its commands on a circuit of this size, imports included); its
files are read by its own commands, ours are in memory. Domains are power diagrams of random somata at 16,000 per mm³.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from growth import Growth
from measure import HERE, Figures, Timing, screen, seconds

from neurolake.kernels.glia.domains import power_domains
from neurolake.kernels.glia.growth import GrownCells, grown_cells
from neurolake.kernels.glia.planes import DomainPlanes, domain_planes
from neurolake.kernels.glia.projection import Endfeet, endfeet
from neurolake.kernels.glia.reachout import reached_targets
from neurolake.kernels.glia.synapses import Wrapped, wrapped_synapses
from neurolake.kernels.glia.targets import VesselSegments, targets_in_domains, vessel_targets
from neurolake.kernels.shapes.nearest import nearest_segments
from neurolake.kernels.shapes.segments import PlacedSections
from neurolake.kernels.shapes.touches import touches

# User seconds of one process on 2,000 astrocytes, 35,358 segments and 2 M synapses.
ARCHNGV = {"gliovascular": 16.4, "neuroglial": 11.8}
DENSITY, SYNAPSES, SEGMENTS = 16_000.0, 1000, 17.7  # per mm³; per astrocyte
Work = Callable[[], object]


@dataclass
class Block:
    """A cube of tissue: somata, domains, vessels that wander, and synapses."""

    n: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        self.side = float(np.cbrt(self.n / DENSITY * 1e9))
        self.somata = rng.uniform(0, self.side, (self.n, 3))
        self.radii = rng.normal(5.6, 0.4, self.n)
        self.counts = rng.integers(0, 6, self.n)
        self.vessels = self._vessels(rng)

    def _vessels(self, rng: np.random.Generator) -> VesselSegments:
        """Paths of 50 segments of 8 µm, each a section."""
        paths, n = max(int(self.n * SEGMENTS / 50), 1), 50
        way = np.cumsum(rng.normal(0, 0.3, (paths, n, 3)), axis=1) + rng.normal(0, 1, (paths, 1, 3))
        way *= 8 / np.linalg.norm(way, axis=2, keepdims=True)
        points = rng.uniform(0, self.side, (paths, 1, 3)) + np.concatenate(
            [np.zeros((paths, 1, 3)), np.cumsum(way, axis=1)], axis=1
        )
        points = np.abs(np.mod(points, 2 * self.side) - self.side).astype(np.float32)
        diameter = rng.uniform(4, 8, (paths, n + 1)).astype(np.float32)
        nodes = np.arange(paths * (n + 1)).reshape(paths, n + 1)
        return VesselSegments(
            points[:, :-1].reshape(-1, 3),
            points[:, 1:].reshape(-1, 3),
            diameter[:, :-1].ravel(),
            diameter[:, 1:].ravel(),
            nodes[:, :-1].ravel(),
            nodes[:, 1:].ravel(),
            np.repeat(np.arange(paths), n),
        )

    @cached_property
    def planes(self) -> DomainPlanes:
        found = power_domains(self.somata, self.radii, [0.0] * 3, [self.side] * 3)
        return domain_planes(found.points, found.triangles, found.point_offsets, found.triangle_offsets)

    @cached_property
    def synapses(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        return rng.random((self.n * SYNAPSES, 3), np.float32) * np.float32(self.side)

    @cached_property
    def neurons(self) -> np.ndarray:
        n = self.n * SYNAPSES
        return (np.arange(n) * max(self.n // 2, 1) // n).astype(np.int32)

    def gliovascular(self) -> Endfeet:
        targets = vessel_targets(self.vessels, 0.17)
        reached = reached_targets(targets, targets_in_domains(targets, self.planes), self.planes, self.counts)
        return endfeet(self.somata, targets, reached, self.vessels)

    def neuroglial(self) -> Wrapped:
        return wrapped_synapses(self.planes, self.synapses, self.neurons)

    def grown(self, feet: Endfeet, wrapped: Wrapped) -> GrownCells:
        order = np.argsort(wrapped.astrocyte, kind="stable")
        numbers = np.arange(self.n + 1)
        return grown_cells(
            self.planes,
            self.somata,
            self.radii,
            (feet.surface, np.searchsorted(feet.astrocyte, numbers)),
            (
                self.synapses[wrapped.synapse[order]],
                np.searchsorted(wrapped.astrocyte[order], numbers),
            ),
        )

    def placed(self, cells: GrownCells) -> PlacedSections:
        counts = np.diff(cells.cells)
        cell = np.repeat(np.arange(self.n), counts)
        owner = np.repeat(cell, np.diff(cells.offsets))
        section = np.arange(len(cell)) - np.repeat(cells.cells[:-1], counts)
        return PlacedSections(
            cells.points + self.somata[owner], cells.diameter, cells.offsets, cell, section, cells.type
        )


def processor_seconds(work: Work, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def beside_archngv(figures: Figures, rounds: int) -> None:
    block = Block(2000)
    section = "2,000 astrocytes"
    for name, work in {"gliovascular": block.gliovascular, "neuroglial": block.neuroglial}.items():
        work()  # compiled, and in memory
        used = processor_seconds(work, rounds)
        figures.add_time(section, name, Timing([seconds(work) for _ in range(rounds)]), "ms")
        figures.add(section, f"{name}, of one processor", 1e3 * used, "ms")
        figures.add(section, f"{name}, beside ArchNGV", ARCHNGV[name] / used, "times as fast")
    feet, wrapped = block.gliovascular(), block.neuroglial()
    figures.add(section, "endfeet", len(feet.segment), "endfeet")
    figures.add(section, "pairs of astrocyte and synapse", len(wrapped.synapse), "pairs")
    cells = block.grown(feet, wrapped)
    placed = block.placed(cells)
    figures.add(section, "segments of grown cells", len(cells.points) - len(cells.parent), "segments")
    places = block.synapses[wrapped.synapse]
    works: dict[str, Work] = {
        "growth of cells": lambda: block.grown(feet, wrapped),
        "segments nearest to synapses": lambda: nearest_segments(placed, wrapped.astrocyte, places),
        "gap junctions": lambda: touches(placed),
    }
    for name, work in works.items():
        work()
        figures.add_time(section, name, Timing([seconds(work) for _ in range(rounds)]), "ms")
        figures.add(section, f"{name}, of one processor", 1e3 * processor_seconds(work, rounds), "ms")


def growing(figures: Figures, sizes: list[int]) -> None:
    growth = Growth()
    for n in sizes:
        block = Block(n)
        block.planes  # noqa: B018 - made before the times are taken
        growth.add("gliovascular", n * SYNAPSES, Timing([seconds(block.gliovascular)]))
        block.synapses, block.neurons  # noqa: B018
        growth.add("neuroglial", n * SYNAPSES, Timing([seconds(block.neuroglial)]))
        command = [sys.executable, __file__, "--only", str(n)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        pairs, memory = done.stdout.split()[-2:]
        figures.add("memory", f"neuroglial, {n * SYNAPSES:,} synapses", float(memory), "MB", f"{pairs} pairs")
    growth.report(figures, HERE / "results", 1_000_000_000)


def only(n: int) -> None:
    """Pairs of one size, and the largest resident memory of a process that finds them."""
    found = Block(n).neuroglial()
    screen.print(len(found.synapse), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 20_000, 100_000])
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        only(options.only)
        return
    figures = Figures("contacts")
    beside_archngv(figures, options.rounds)
    growing(figures, options.sizes)
    figures.report()


if __name__ == "__main__":
    main()
