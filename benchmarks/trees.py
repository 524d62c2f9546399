"""simrun trees of any size, made from one real run directory."""

import argparse
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from measure import HERE, tree_bytes

from neurolake.ingest.demo import write_demo_tree
from neurolake.ingest.simrun.text import format_cells, format_synapses, parse_cells, parse_synapses
from neurolake.ingest.simrun.traces import format_traces, parse_traces

STIMULI = ("stim_C2", "stim_B1")
_RUN = re.compile(r"(?P<date>[^_]+)_seed(?P<seed>\d+)_pid(?P<pid>\d+)")


@dataclass(frozen=True)
class Tree:
    """A result tree: where it is, what it was made from, and how large it is."""

    root: Path
    source: str
    trials: int

    @property
    def csv_bytes(self) -> int:
        return tree_bytes(self.root, "*.csv")

    @property
    def bytes(self) -> int:
        return tree_bytes(self.root)


@dataclass(frozen=True)
class RunSource:
    """A real run directory to copy from."""

    folder: Path
    origin: str

    @property
    def trials(self) -> int:
        return len(list(self.folder.glob("simulation_run*_synapses.csv")))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that all benchmarks on trees have."""
    parser.add_argument("--trials", type=int, default=160, help="trials of the tree (default: 160)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is timed (default: 5)")
    data = Path(os.environ.get("NEUROLAKE_DATA", HERE.parents[1] / "shared" / "data"))
    parser.add_argument(
        "--data",
        type=Path,
        default=data,
        help="folder of real data with isf/simrun_2026; default: %(default)s",
    )
    parser.add_argument("--work", type=Path, help="a folder to work in, kept; default: a temporary one")


@contextlib.contextmanager
def work_folder(chosen: Path | None) -> Iterator[Path]:
    """The chosen folder, or a temporary one that is removed."""
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="neurolake-bench-") as folder:
        yield Path(folder)


def run_source(data: Path, work: Path) -> RunSource:
    """The run directory of the real data, or one that NEURON makes now."""
    real = data / "isf" / "simrun_2026"
    if real.is_dir():
        folder = next(real.rglob("*_vm_all_traces.csv")).parent
        return RunSource(folder, "real simrun output of the In Silico Framework (isf/simrun_2026)")
    demo = work / "demo"
    runs = sorted(demo.glob("stim_*/seed*")) or write_demo_tree(demo, trials=8)
    return RunSource(runs[0], f"NEURON output of neurolake's demo cell: no real data at {data}")


def make_tree(source: RunSource, root: Path, trials: int, *, distinct: bool) -> Tree:
    """Copies of the run directory under new names, dealt out to two stimuli, until there are *trials*.

    In a *distinct* tree the voltages of copy k are those of the source times 1 + 1e-6 k, and its activation and
    spike times those plus 1e-3 k ms: no trace and no table of it equals another's, while its text has as many
    digits as the source's. Parameter files, and what belongs to the cell (distances, sections), are the same in
    all copies, as they are in real trees.
    """
    copies = -(-trials // source.trials)
    made, what = root.with_suffix(".made"), f"{copies} copies of {source.folder}"
    if not made.exists() or made.read_text() != what:
        shutil.rmtree(root, ignore_errors=True)
        with ProcessPoolExecutor() as pool:
            list(pool.map(partial(_copy, source.folder, root, distinct), range(1, copies + 1)))
        made.write_text(what)
    return Tree(root, source.origin, copies * source.trials)


def _copy(run: Path, root: Path, distinct: bool, k: int) -> None:
    match = _RUN.fullmatch(run.name)
    if match is None:
        raise ValueError(f"{run}: expected a run directory named <date>_seed<n>_pid<n>")
    name = f"seed{int(match['seed']) + k}_pid{int(match['pid']) + k}"
    target = root / STIMULI[k % 2] / "results" / f"{match['date']}_{name}"
    target.mkdir(parents=True)
    old = f"seed{match['seed']}_pid{match['pid']}"
    for path in run.iterdir():
        data = path.read_bytes()
        (target / path.name.replace(old, name)).write_bytes(_changed(path, data, k) if distinct else data)


def _changed(path: Path, data: bytes, k: int) -> bytes:
    if path.name.endswith("_traces.csv"):
        traces = parse_traces(data, path)
        return format_traces(replace(traces, voltage=traces.voltage * (1 + 1e-6 * k)))
    if path.name.endswith("_synapses.csv"):
        return format_synapses(_later(parse_synapses(data, path), k))
    if path.name.endswith("_presynaptic_cells.csv"):
        return format_cells(_later(parse_cells(data, path), k))
    return data


def _later(rows: pa.Table, k: int) -> pa.Table:
    column = rows.schema.get_field_index("time")
    return rows.set_column(column, "time", pc.add(rows["time"], 1e-3 * k))
