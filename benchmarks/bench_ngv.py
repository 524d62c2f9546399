"""How fast circuits of glia are built, beside ArchNGV's processor seconds and voro++, and how it grows with size.

ArchNGV 3.3.0 was timed earlier on another day (user seconds of its commands on a circuit of this size, imports included): its
release needs an interpreter and libraries of its own. voro++ (multivoro) runs here, by turns with ours.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from growth import Growth
from measure import HERE, Figures, Timing, interleaved, peak_memory, screen

from neurolake.ingest.glia.example import write_example_vessels
from neurolake.ingest.glia.space import read_vessels
from neurolake.kernels.glia.domains import power_domains
from neurolake.kernels.glia.obstacles import segment_obstacles
from neurolake.kernels.glia.placement import placed_somata
from neurolake.kernels.glia.shapes import domain_measures
from neurolake.kernels.vessels.endfeet import endfeet_of
from neurolake.kernels.vessels.fronts import marched_waves, start_vertices
from neurolake.kernels.vessels.surfaces import vessel_surface

# User seconds of one process on 2,000 astrocytes, 35,358 segments, 2 M synapses; of the volumes, of the loop over domains.
ARCHNGV = {"placement": 14.7, "domains": 2.3, "domain volumes": 2.26}
DENSITY = 16_000.0
MOST_SURFACE = 10_000  # astrocytes; their vessels have a surface of 12 million triangles
Work = Callable[[], object]


@dataclass
class Block:
    """A cube of tissue with vessels: what the kernels are given."""

    side: float
    starts: np.ndarray
    ends: np.ndarray
    radii: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, astrocytes: int) -> "Block":
        side = float(np.cbrt(astrocytes / DENSITY * 1e9))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "vasculature.h5"
            write_example_vessels(path, side, np.random.default_rng(7))
            rows = read_vessels(path)
        ends = [np.stack([rows[f"{end}_{axis}"].to_numpy() for axis in "xyz"], 1) for end in ("start", "end")]
        radii = [rows[f"{end}_diameter"].to_numpy() / 2 for end in ("start", "end")]
        return cls(side, *ends, tuple(radii))

    def place(self):
        voxels = np.full((10, 10, 10), DENSITY)
        return placed_somata(
            voxels,
            [0.0] * 3,
            [self.side / 10] * 3,
            (5.6, 0.74, 0.1, 20.0),
            seed=1,
            population="astrocytes",
            potentials={"spring": (32.0, 1.0)},
            obstacles=segment_obstacles(self.starts, self.ends, *self.radii),
        )

    def domains(self, somata):
        return power_domains(somata.points, somata.radii, [0.0] * 3, [self.side] * 3)

    def surface(self):
        return vessel_surface(self.starts, self.ends, *self.radii, 1.0)

    def endfeet(self, mesh, n):
        places = mesh.points[np.random.default_rng(0).choice(len(mesh.points), n, replace=False)]
        waves = marched_waves(mesh, start_vertices(mesh, places), 1000.0)
        areas, thickness = (192.0, 160.0, 0.0, 1000.0), (0.97, 0.1, 0.01, 2.0)
        return endfeet_of(mesh, waves, n, areas, thickness, seed=1)


def processor_seconds(work: Work, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def beside_archngv(figures: Figures, rounds: int) -> None:
    block = Block.of(2000)
    somata = block.place()
    domains = block.domains(somata)
    ours: dict[str, Work] = {
        "placement": block.place,
        "domains": lambda: block.domains(somata),
        "domain volumes": lambda: domain_measures(domains),
    }
    for name, work in ours.items():
        work()  # compiled, and in memory
        used = processor_seconds(work, rounds)
        figures.add("2,000 astrocytes", f"{name}, of one processor", 1e3 * used, "ms")
        figures.add("2,000 astrocytes", f"{name}, beside ArchNGV", ARCHNGV[name] / used, "times as fast")


def beside_voro(figures: Figures, rounds: int) -> None:
    try:
        import multivoro
    except ImportError:
        screen.print("multivoro is not installed: no comparison with voro++")
        return
    for n in (2000, 20_000):
        random = np.random.default_rng(0)
        side = float(np.cbrt(n / DENSITY * 1e9))
        points, radii = random.uniform(0, side, (n, 3)), random.normal(5.6, 0.74, n)
        limits = np.array([[0.0] * 3, [side] * 3])

        def theirs(points=points, radii=radii, limits=limits):
            cells = multivoro.compute_voronoi(points=points, radii=radii, limits=limits, n_threads=1)
            # What ArchNGV asks of each: vertices, neighbours and faces, as arrays.
            return [(cell.get_vertices(), cell.get_neighbors(), cell.get_face_vertices()) for cell in cells]

        def ours(points=points, radii=radii, limits=limits):
            return power_domains(points, radii, *limits)

        ours(), theirs()
        times = interleaved({"neurolake": ours, "voro++": theirs}, rounds)
        used = {
            name: processor_seconds(work, rounds) for name, work in (("neurolake", ours), ("voro++", theirs))
        }
        for name, timing in times.items():
            figures.add_time("domains", f"{name}, {n:,}", timing, "ms")
            figures.add("domains", f"{name}, {n:,}, of one processor", 1e3 * used[name], "ms")


def growing(figures: Figures, sizes: list[int], folder: Path) -> None:
    growth = Growth()

    def timed(name: str, n: int, work: Work):
        began = time.perf_counter()
        made = work()
        growth.add(name, n, Timing([time.perf_counter() - began]))
        return made

    for n in sizes:
        block = Block.of(n)
        somata = timed("placement", n, block.place)
        domains = timed("domains", n, partial(block.domains, somata))
        timed("domain volumes", n, partial(domain_measures, domains))
        figures.add("size", f"{n:,} astrocytes: segments of vessels", len(block.starts), "segments")
        if n <= MOST_SURFACE:
            mesh = timed("surface of vessels", n, block.surface)
            timed("endfeet", n, partial(block.endfeet, mesh, 2 * n))
            figures.add(
                "size", f"{n:,} astrocytes: triangles of the surface", len(mesh.triangles), "triangles"
            )
    growth.report(figures, folder, 1_000_000)


def memory(figures: Figures, sizes: list[int]) -> None:
    """The largest resident memory of a process that does one thing at one size."""
    for thing in ("domains", "endfeet"):
        for n in [size for size in sizes if thing == "domains" or size <= MOST_SURFACE][-1:]:
            command = [sys.executable, __file__, "--only", thing, str(n)]
            figures.add("memory", f"{thing}, {n:,} astrocytes", peak_memory(command) / 1e6, "MB")


def only(thing: str, n: int) -> None:
    block = Block.of(n)
    if thing == "domains":
        block.domains(block.place())
    else:
        block.endfeet(block.surface(), 2 * n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--only", nargs=2, metavar=("THING", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        only(options.only[0], int(options.only[1]))
        return
    figures = Figures("ngv")
    beside_archngv(figures, options.rounds)
    beside_voro(figures, options.rounds)
    growing(figures, options.sizes, HERE / "results")
    memory(figures, options.sizes)
    figures.report()


if __name__ == "__main__":
    main()
