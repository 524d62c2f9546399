"""Size and speed of voltages by Blosc as before and by differences, of the same values, by turns in one run."""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from measure import Figures, emptied, interleaved
from signals import voltages
from trees import add_arguments, work_folder

import neurolake as nl
from neurolake.ingest.simrun.traces import parse_traces
from neurolake.lake.data.codecs import Codec
from neurolake.lake.data.compression import chosen_codec
from neurolake.lake.data.differences import configuration
from neurolake.lake.data.types import BLOSC_LZ4

MB = 1e6
CODECS: Mapping[str, Mapping[str, Any]] = {
    "before: Blosc LZ4-5": BLOSC_LZ4,
    "differences, LZ4-9 (auto)": configuration(1),
    "differences, zstd-1 (small)": configuration(1, "zstd", 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--megabytes", type=int, default=400, help="size of the arrays in a lake (default: 400)"
    )
    arguments = parser.parse_args()
    figures = Figures("compression")
    figures.settings = {"rounds": arguments.rounds, "megabytes": arguments.megabytes}
    sources = dict(_sources(arguments.data))
    for name, values in sources.items():
        _codecs(figures, name, values, arguments.rounds)
    with work_folder(arguments.work) as work:
        for name, values in sources.items():
            copies = -(-arguments.megabytes * 10**6 // values.nbytes)
            # Equal chunks would be stored once.
            grown = np.concatenate([values * values.dtype.type(1 + 1e-6 * k) for k in range(copies)])
            if "2026" in name or "same" in name or len(sources) == 1:
                _lakes(figures, name, grown, work / "lakes", arguments.rounds)
    figures.report()


def _sources(data: Path) -> Any:
    """Traces [trial, time] of the real runs, and of a model."""
    for title, folder in (("2026, float64", "simrun_2026"), ("2015, decimal text", "simrun_2015_C2center")):
        files = sorted((data / "isf" / folder).rglob("*_traces.csv"))
        if files:
            read = [parse_traces(path.read_bytes(), path).voltage for path in files]
            yield f"real traces of {title}", np.concatenate(read)
            if "2026" in title:
                yield "the same as float32", np.concatenate(read).astype(np.float32)
    yield "leaky integrators, float32", voltages(32, 12_000)


def _codecs(figures: Figures, name: str, values: npt.NDArray[Any], rounds: int) -> None:
    """One core, from memory to memory, chunk by chunk of one trace."""
    out, stored, cases = np.empty_like(values[:1]), {}, {}
    for title, named in CODECS.items():
        codec = Codec.named(named)
        stored[title] = [codec.encode(values[row : row + 1]) for row in range(len(values))]
        cases[f"{title}: encode"] = partial(_encode, codec, values)
        cases[f"{title}: decode"] = partial(_decode, codec, stored[title], out)
    for title, chunks in stored.items():
        figures.add(f"{name}: one core", title, values.nbytes / sum(map(len, chunks)), ": 1")
    for title, timing in interleaved(cases, 3 * rounds).items():
        figures.add(f"{name}: one core", title, values.nbytes / MB / timing.median, "MB/s")
    chosen = Codec.named(chosen_codec("auto", values, (1, values.shape[1]), ("trial", "time")))
    figures.add(f"{name}: one core", f"auto chooses {chosen.name}", 1, "")


def _encode(codec: Codec, values: npt.NDArray[Any]) -> None:
    for row in range(len(values)):
        codec.encode(values[row : row + 1])


def _decode(codec: Codec, chunks: list[bytes], out: npt.NDArray[Any]) -> None:
    for data in chunks:
        codec.decode_into(data, out)


def _lakes(figures: Figures, name: str, values: npt.NDArray[Any], work: Path, rounds: int) -> None:
    """A durable write of all, and verified reads of it, from memory and from the disk."""
    section = f"{name}, {values.nbytes / MB:.0f} MB in a lake"
    emptied(work)
    lakes = {title: work / f"{at}" for at, title in enumerate(CODECS)}
    for title, folder in lakes.items():
        _write(folder, CODECS[title], values)
    for title, folder in lakes.items():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        figures.add(section, f"{title}: size", size / MB, "MB")
    out = np.empty_like(values)
    fresh = work / "fresh"
    cases: dict[str, dict[str, Callable[[], object]]] = {
        "written, durable": {title: partial(_write, fresh, named, values) for title, named in CODECS.items()},
        "read, verified": {title: partial(_read, folder, out) for title, folder in lakes.items()},
        "read, verified, from a cold disk": {
            title: partial(_read, folder, out) for title, folder in lakes.items()
        },
    }
    for what, each in cases.items():
        between = partial(emptied, fresh)
        if "cold" in what:
            between = partial(_dropped, work)
        timings = interleaved(each, rounds, between=between)
        first = timings[next(iter(CODECS))].median
        for title, timing in timings.items():
            note = f"{first / timing.median:.2f} x before"
            figures.add(section, f"{title}: {what}", values.nbytes / MB / timing.median, "MB/s", note)
    # What the disk and others on the machine do not touch.
    for what in ("written, durable", "read, verified"):
        spent = _processor_seconds(cases[what], rounds, partial(emptied, fresh))
        first = spent[next(iter(CODECS))]
        for title, one in spent.items():
            note = f"{first / one:.2f} x before"
            figures.add(
                f"{section}: by processor time", f"{title}: {what}", values.nbytes / MB / one, "MB/s", note
            )
    if not np.array_equal(out, values):
        raise RuntimeError("what was read is not what was written")


def _processor_seconds(
    cases: Mapping[str, Callable[[], object]], rounds: int, between: Callable[[], object]
) -> dict[str, float]:
    """Median processor time of all threads, in seconds; cases by turns."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, work in cases.items():
            between()
            began = time.process_time()
            work()
            found[name].append(time.process_time() - began)
    return {name: statistics.median(spent) for name, spent in found.items()}


def _write(folder: Path, codec: Mapping[str, Any], values: npt.NDArray[Any]) -> None:
    with nl.create(folder / "lake").transaction("write") as tx:
        tx.write_array("v", values, chunks=(1, values.shape[1]), codec=codec)


def _read(folder: Path, out: npt.NDArray[Any]) -> None:
    nl.open(folder / "lake").head["v"].read_box(out=out)


def _dropped(work: Path) -> None:
    """Take the files out of the system's cache."""
    os.sync()
    for path in work.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


if __name__ == "__main__":
    main()
