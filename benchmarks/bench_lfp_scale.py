"""How coefficients and signals over a lake grow with segments and frames, and what that makes of a large circuit.

    python benchmarks/bench_lfp_scale.py --segments 20000 80000 320000 --frames 1024 --work DIR

Each size runs in a process of its own: its time and its memory beyond that of a lake with hardly any segments. At the
end comes what the last two sizes, continued as straight lines, say of 10 million segments.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench_lfp import neurites, probe
from measure import Figures, emptied, tree_bytes
from trees import work_folder

import neurolake as nl
from neurolake.lake.data.arrays import create_array
from neurolake.query import lfp

REPORT, SEGMENTS, PROBE = "reports/run/i_membrane/cells", "segments/cells", "electrodes/probe"
CHUNKS = (256, 1024)
CELL = 250
LARGE = {"segments": 10_000_000, "contacts": 384, "frames": 100_000}
TINY = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--segments", type=int, nargs="+", default=[20_000, 80_000, 320_000], help="sizes, rising"
    )
    parser.add_argument("--contacts", type=int, default=384, help="of the probe (default: 384)")
    parser.add_argument("--frames", type=int, default=1024, help="of the report (default: 1024)")
    parser.add_argument("--work", type=Path, help="a folder to work in, kept; default: a temporary one")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(_one(arguments.one)))
        return
    figures = Figures("lfp-scale")
    figures.settings = {name: value for name, value in vars(arguments).items() if name not in ("work", "one")}
    found: dict[int, dict[str, float]] = {}
    with work_folder(arguments.work) as work:
        for count in (TINY, *arguments.segments):
            url = emptied(work / "lake")
            _write(url, count, arguments.contacts, arguments.frames)
            command = [sys.executable, __file__, "--one", str(url)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[count] = json.loads(done.stdout) | {"bytes": tree_bytes(url)}
    for count in arguments.segments:
        _add(figures, f"{count:,} segments", found[count], found[TINY], count, arguments)
    _continue(figures, found, arguments)
    figures.report()


def _write(url: Path, count: int, contacts: int, frames: int) -> None:
    """A lake with cells, a probe and a report, whose currents repeat every 256 frames."""
    lake = nl.create(url, durable=False)
    start, end, diameter = neurites(count)
    rows = np.arange(count)
    ids = {"node_id": rows // CELL, "section_id": rows % CELL, "segment_id": np.zeros(count, np.int64)}
    places = {
        f"{name}_{axis}": at[:, i]
        for name, at in (("start", start), ("end", end))
        for i, axis in enumerate("xyz")
    }
    label = np.where(rows % CELL == 0, "Soma", "Dendrite")
    names = {"node_id": "node_id", "element_id": "section_id", "segment_index": "segment_id"}
    with lake.transaction("Write") as transaction:
        transaction.write_table(SEGMENTS, pa.table({**ids, "label": label, **places, "diameter": diameter}))
        contacts_at = probe(contacts)
        columns = {
            "name": [str(i) for i in range(contacts)],
            **{axis: contacts_at[:, i] for i, axis in enumerate("xyz")},
        }
        transaction.write_table(PROBE, pa.table(columns))
        transaction.write_table(f"{REPORT}.elements", pa.table({own: ids[key] for own, key in names.items()}))
        attributes = {"units": "nA", "population": "cells"}
        array = create_array(
            transaction.store,
            REPORT,
            (frames, count),
            np.float32,
            chunks=(CHUNKS[0], min(count, CHUNKS[1])),
            dimension_names=["time", "element"],
            attributes=attributes,
        )
        block = np.random.default_rng(1).normal(0, 1e-3, (CHUNKS[0], count)).astype(np.float32)
        for first in range(0, frames, CHUNKS[0]):
            array.write_rows(block[: min(CHUNKS[0], frames - first)], first)
        transaction.write_array(f"{REPORT}.time", np.arange(frames) * 0.1, dimension_names=["time"])


def _one(url: Path) -> dict[str, float]:
    """Seconds and memory of coefficients and of the signal, once each, after compilation."""
    lake = nl.open(url, durable=False)
    cell = {f"{end}_{axis}": np.zeros(2) for end in ("start", "end") for axis in "xyz"}
    lfp.coefficients(cell, np.ones((2, 3)), "line", minimum_distance=1.0, soma="line")
    before = _peak()
    began = time.perf_counter()
    factors = lfp.coefficients(SEGMENTS, PROBE, dtype="float32", lake=lake)
    made = time.perf_counter()
    middle = _peak()
    signal = lfp.signal(REPORT, factors.path, lake=lake)
    done = time.perf_counter()
    last = _peak()
    _check(lake, factors, signal)
    return {
        "coefficients": made - began,
        "signal": done - made,
        "coefficients_memory": middle - before,
        "signal_memory": last - before,
    }


def _check(lake: Any, factors: Any, signal: Any) -> None:
    expected = factors[:, :] @ lake[REPORT][:3].T
    worst = np.abs(signal[:, :3] - expected).max() / np.abs(expected).max()
    if not worst < 1e-4:
        raise RuntimeError(f"the signal is off by {worst} of its largest value")


def _peak() -> int:
    """The most memory that this process has had so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def _add(
    figures: Figures, section: str, now: Any, tiny: Any, count: int, arguments: argparse.Namespace
) -> None:
    pairs = count * arguments.contacts
    figures.add(section, "coefficients, computed and stored", now["coefficients"], "s")
    figures.add(section, "coefficients, rate", pairs / now["coefficients"] / 1e6, "M/s")
    figures.add(section, "signal, read and stored", now["signal"], "s")
    figures.add(section, "signal, rate", 2e-9 * pairs * arguments.frames / now["signal"], "GFLOP/s")
    figures.add(section, "report read", 4e-9 * count * arguments.frames / now["signal"], "GB/s")
    for kind in ("coefficients", "signal"):
        taken = (now[f"{kind}_memory"] - tiny[f"{kind}_memory"]) / 1e6
        figures.add(section, f"memory of {kind}", taken, "MB", "beyond that of 1,000 segments")
    figures.add(
        section, "lake on disk", now["bytes"] / 1e6, "MB", "the report's currents repeat, and are stored once"
    )


def _continue(figures: Figures, found: dict[int, dict[str, float]], arguments: argparse.Namespace) -> None:
    """What the last two sizes say of a large circuit: straight lines through them."""
    low, high = sorted(found)[-2:]
    slope = {key: (found[high][key] - found[low][key]) / (high - low) for key in found[high]}
    contacts = LARGE["contacts"] / arguments.contacts
    segments, frames = LARGE["segments"], LARGE["frames"]
    section = f"{segments:,} segments x {LARGE['contacts']} contacts x {frames:,} frames, continued"
    seconds = slope["coefficients"] * segments * contacts
    figures.add(section, "coefficients", seconds / 60, "min", "float32, computed and stored")
    figures.add(
        section, "coefficients on disk", 4e-9 * segments * LARGE["contacts"], "GB", "before compression"
    )
    work = slope["signal"] * segments * contacts * frames / arguments.frames
    figures.add(section, "signal", work / 3600, "h")
    figures.add(section, "report", 4e-12 * segments * frames, "TB", "float32, before compression")
    figures.add(section, "signal on disk", 4e-6 * LARGE["contacts"] * frames, "MB", "float32")
    for kind in ("coefficients", "signal"):
        rate = slope[f"{kind}_memory"]
        figures.add(section, f"memory of {kind}", rate * segments / 1e9, "GB", f"{rate:.0f} bytes a segment")


if __name__ == "__main__":
    main()
