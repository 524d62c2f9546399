"""How fast LFP coefficients and signals are, beside LFPykit, BlueRecording and what this machine's arithmetic allows."""

import argparse
import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lfpykit
import numpy as np
import numpy.typing as npt
from bluerecording_parts import line_sources, point_sources
from measure import Figures, Timing, interleaved
from trees import work_folder

from neurolake.kernels.jit import jit_contracted, over_rows
from neurolake.kernels.lfp import line_source_potential, point_source_potential, signal

SIGMA = 0.3
RESIDENT = 1024
TILE = 3000
GIGA, MEGA = 1e9, 1e6
Array = npt.NDArray[Any]
Cases = Mapping[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=100_000, help="of the cells (default: 100000)")
    parser.add_argument("--contacts", type=int, default=384, help="of the probe (default: 384)")
    parser.add_argument("--frames", type=int, default=1000, help="of the report (default: 1000)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each thing is timed (default: 7)")
    parser.add_argument("--work", type=Path, help="a folder to work in, kept; default: a temporary one")
    arguments = parser.parse_args()
    figures = Figures("lfp")
    figures.machine["packages"] |= {name: version(name) for name in ("lfpykit", "bluerecording")}
    figures.settings = {name: value for name, value in vars(arguments).items() if name != "work"}
    figures.settings["threads"] = len(over_rows(lambda begin, end: None, os.cpu_count() or 1, size=1 << 62))
    start, end, diameter = neurites(arguments.segments)
    given = (start, end, diameter, probe(arguments.contacts), SIGMA)
    peers = {
        "line source": (line_source_potential, lfpykit.LineSourcePotential, line_sources, 2),
        "point source": (point_source_potential, lfpykit.PointSourcePotential, point_sources, 1),
    }
    for section, (kernel, model, theirs, n_roots) in peers.items():
        _coefficients(figures, section, kernel, model, theirs, given, n_roots, arguments.rounds)
    with work_folder(arguments.work) as work:
        _signals(figures, work, given, arguments)
    figures.report()


def neurites(n_segments: int) -> tuple[Array, Array, Array]:
    """Random walks from somata in a column, of 250 segments of about 10 µm."""
    rng = np.random.default_rng(0)
    walk = min(250, n_segments)
    n_walks = -(-n_segments // walk)
    steps = rng.normal(0, 6, (n_walks, walk, 3))
    ends = rng.uniform([-200, -200, -800], [200, 200, 800], (n_walks, 1, 3)) + np.cumsum(steps, axis=1)
    start, end = ((ends - part * steps).reshape(-1, 3)[:n_segments] for part in (1, 0))
    return start, end, rng.uniform(0.3, 3, n_segments)


def probe(n_contacts: int) -> Array:
    """Two columns of pairs of contacts, shifted against each other, every 20 µm, as on Neuropixels 1.0."""
    i = np.arange(n_contacts)
    x = np.array([-27.0, 5.0, -11.0, 21.0])[i % 4]
    return np.stack([x, np.zeros(n_contacts), 20.0 * (i // 2) - 10.0 * n_contacts / 2], axis=1)


def _coefficients(
    figures: Figures,
    section: str,
    kernel: Callable[..., Array],
    model: Callable[..., Any],
    theirs: Callable[..., Callable[[], Array]],
    given: tuple[Array, Array, Array, Array, float],
    n_roots: int,
    rounds: int,
) -> None:
    start, end, diameter, contacts, sigma = given
    ends = (np.stack([start[:, i], end[:, i]], axis=1) for i in range(3))
    peer = model(lfpykit.CellGeometry(*ends, diameter), *contacts.T, sigma=sigma)
    ours = np.empty((len(contacts), len(start)))
    single = np.empty_like(ours, np.float32)
    bluerecording = theirs(start, end, contacts, sigma, np.empty_like(ours))
    _equal(kernel(*given, out=ours), peer.get_transformation_matrix(), "LFPykit")
    # It has no least distance, and V/nA.
    _equal(kernel(*given, minimum_distance=None, out=ours), 1e3 * bluerecording(), "BlueRecording")
    cases: Cases = {
        "neurolake, out= reused": lambda: kernel(*given, out=ours),
        "neurolake, float32 out= reused": lambda: kernel(*given, out=single),
        "neurolake, new memory": lambda: kernel(*given),
        "LFPykit": peer.get_transformation_matrix,
        "BlueRecording, out= reused": bluerecording,
        "roofline: roots and division, in cache": _roofline(n_roots, ours.shape),
        "roofline: writing, out= reused": lambda: over_rows(
            partial(_write, ours), len(contacts), size=1 << 62
        ),
    }
    cases["neurolake, float32 out= reused"]()
    for name in list(cases)[-2:]:
        cases[name]()  # compiled now
    timings = interleaved(cases, rounds)
    for name, timing in timings.items():
        _add_rate(figures, section, name, ours.size / MEGA, "M coefficients/s", timing)
    for other in ("LFPykit", "BlueRecording, out= reused"):
        for name in list(cases)[:3]:
            ratio = statistics.median(_ratios(timings[other], timings[name]))
            called = f"{name} / {other.partition(',')[0]}"
            figures.add(section, called, ratio, "times as fast", "median of the rounds' ratios")
    bound = timings["roofline: roots and division, in cache"]
    share = statistics.median(_ratios(bound, timings["neurolake, out= reused"]))
    figures.add(
        section, "neurolake / roofline", 100 * share, "%", f"of {n_roots} square roots and 1 division each"
    )


def _equal(ours: Array, theirs: Array, whose: str) -> None:
    worst = np.abs(ours / theirs - 1).max()
    if not worst < 1e-9:
        raise RuntimeError(f"coefficients differ from {whose}'s by {worst}")


def _signals(
    figures: Figures,
    work: Path,
    given: tuple[Array, Array, Array, Array, float],
    arguments: argparse.Namespace,
) -> None:
    """Coefficients times a report whose pages the operating system has in memory."""
    section = "signal, float32"
    factors = line_source_potential(*given).astype(np.float32)
    n_contacts, n_segments = factors.shape
    shape = (arguments.frames, n_segments)
    path = work / "report.raw"
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for _ in range(arguments.frames):
            file.write(rng.normal(0, 1e-3, n_segments).astype(np.float32).tobytes())
    report = np.memmap(path, np.float32, "r", shape=shape)
    groups = np.arange(n_segments) * 10 // n_segments
    out, by_group = (np.empty((*lead, n_contacts, arguments.frames), np.float32) for lead in ((), (10,)))
    tile, product = np.full((TILE, TILE), 0.5, np.float32), np.empty((TILE, TILE), np.float32)
    flops = 2.0 * n_contacts * n_segments * arguments.frames
    work_done = {
        "all segments": flops,
        "ten groups": flops,
        "one frame, ten times": flops / arguments.frames * 10,
        "machine: product of square matrices": 2.0 * TILE**3,
    }
    cases: Cases = {
        "all segments": lambda: signal(factors, report, out=out),
        "ten groups": lambda: signal(factors, report, groups, out=by_group),
        "one frame, ten times": lambda: [signal(factors, report[i : i + 1]) for i in range(10)],
        "machine: product of square matrices": lambda: np.matmul(tile, tile, out=product),
    }
    for case in cases.values():
        case()
    timings = interleaved(cases, arguments.rounds)
    for name, timing in timings.items():
        _add_rate(figures, section, name, work_done[name] / GIGA, "GFLOP/s", timing)
    for name in ("all segments", "ten groups"):
        times = _ratios(timings["machine: product of square matrices"], timings[name])
        share = statistics.median(times) * work_done[name] / (2.0 * TILE**3)
        figures.add(section, f"{name} / machine", 100 * share, "%", "median of the rounds' ratios")
    _add_rate(figures, section, "report read", report.nbytes / GIGA, "GB/s", timings["all segments"])


def _add_rate(figures: Figures, section: str, name: str, amount: float, unit: str, timing: Timing) -> None:
    rates = sorted(amount / t for t in timing.seconds)
    note = f"{rates[0]:.4g} to {rates[-1]:.4g} in {len(rates)} rounds"
    figures.add(section, name, amount / timing.median, unit, note)


def _ratios(slow: Timing, fast: Timing) -> Sequence[float]:
    return [a / b for a, b in zip(slow.seconds, fast.seconds, strict=True)]


# The least that a coefficient costs


def _roofline(n_roots: int, shape: tuple[int, int]) -> Callable[[], object]:
    """As many roots and divisions as the kernel does, on a block that stays in the first-level cache."""
    passes = math.prod(shape) // RESIDENT

    def run(begin: int, end: int) -> None:
        a, b = np.full((2, RESIDENT), 2.0)
        _two_roots(a, b, end - begin) if n_roots == 2 else _one_root(a, end - begin)

    return lambda: over_rows(run, passes, size=1 << 62)


@jit_contracted
def _two_roots(a: Array, b: Array, passes: int) -> None:
    for _ in range(passes):
        for i in range(len(a)):
            # The result is the next argument, or the compiler would do it once.
            a[i] = 1.0 + 1.0 / (math.sqrt(a[i]) + math.sqrt(b[i]))


@jit_contracted
def _one_root(a: Array, passes: int) -> None:
    for _ in range(passes):
        for i in range(len(a)):
            a[i] = 1.0 / math.sqrt(a[i])


@jit_contracted
def _write(out: Array, begin: int, end: int) -> None:
    for m in range(begin, end):
        row = out[m]
        for i in range(len(row)):
            row[i] = 1.0


if __name__ == "__main__":
    main()
