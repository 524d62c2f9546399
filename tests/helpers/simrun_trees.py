"""Small simrun trees in every layout, and a plain reader of them that shares no code with neurolake."""

import ast
import json
import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurolake.ingest.text.parameters import unflatten

SITE = "sites_ID_000_sec_038_seg_032_x_0.929_somaDist_920.7"
OTHER_SITE = "sites_ID_001_sec_025_seg_001_x_0.500_somaDist_198.1"
TODAY = "20261120-2051_seed{seed}_pid{pid}", "seed{seed}_pid{pid}"
OLD = "20150815-1530_{pid}", "{pid}"
THIRD = "20181120-2051_seed_{seed}", "seed_{seed}"

SYNAPSES = ("synapse type", "synapse ID", "soma distance", "section ID", "section pt ID", "dendrite label")
CELLS = ("presynaptic cell type", "cell ID")


@dataclass(frozen=True)
class Run:
    """What a run directory is to hold."""

    seed: int = 1
    naming: tuple[str, str] = TODAY
    trials: Sequence[int] = (0, 1)
    empty: Sequence[int] = ()
    digits: int = 4
    start: float = 0.0
    samples: int = 200
    sites: Sequence[str] = (SITE,)
    npz: bool = False
    columns: int = 7
    populations: Sequence[str] = ("L5tt_C2", "VPM_C2", "VPM_D1")
    parameters: Mapping[str, str] = field(default_factory=lambda: {"neuron": NEURON, "network": NETWORK})
    others: Mapping[str, str] = field(default_factory=lambda: {"hostname_node7": ""})

    @property
    def directory(self) -> str:
        return self.naming[0].format(seed=self.seed, pid=self.seed + 1000)

    @property
    def prefix(self) -> str:
        return self.naming[1].format(seed=self.seed, pid=self.seed + 1000)


NEURON = '{"info": {"name": "cell", "date": null}, "neuron": {"filename": "cell.hoc", "Soma": {"Ra": 100.0}}}'
NETWORK = "{'network': {'VPM_C2': {'cellNr': 12, 'synapses': {'releaseProb': 0.6, 'weight': (1.5, 1), 'x': None,}}}}"


def write_run(parent: Path, run: Run = Run()) -> Path:
    """Write a run directory below *parent*; the same `run` gives the same bytes."""
    rng = random.Random(repr(run))
    folder = parent / run.directory
    folder.mkdir(parents=True)
    for number in run.trials:
        stem = folder / f"simulation_run{number:0{run.digits}d}"
        lines = 0 if number in run.empty else 12
        Path(f"{stem}_synapses.csv").write_text(synapse_text(rng, run, lines))
        Path(f"{stem}_presynaptic_cells.csv").write_text(cell_text(rng, run, lines))
    for name in ("vm_all_traces", *(f"{site}_vm_dend_traces" for site in run.sites)):
        matrix = trace_matrix(rng, run, height=40 if name == "vm_all_traces" else 20)
        if run.npz and name == "vm_all_traces":
            np.savez(folder / f"{run.prefix}_{name}.npz", matrix)
        else:
            (folder / f"{run.prefix}_{name}.csv").write_text(trace_text(matrix))
    for kind, text in run.parameters.items():
        (folder / f"{run.prefix}_{kind}_model.param").write_text(text)
    for name, text in run.others.items():
        (folder / name).write_text(text)
    return folder


def times_text(rng: random.Random) -> str:
    return "".join(f"{rng.uniform(0, 300)!r}," for _ in range(rng.randint(1, 3)))


def synapse_text(rng: random.Random, run: Run, lines: int) -> str:
    kept = [at for at in range(6) if run.columns == 7 or at != 1]
    text = "# " + "\t".join([*(SYNAPSES[at] for at in kept), "activation times"]) + "\n"
    for number in range(lines):
        name = run.populations[number * len(run.populations) // lines]
        label = rng.choice(["Dendrite", "ApicalDendrite", "Soma"])
        fields = [name, number, rng.uniform(0, 1200), rng.randrange(90), rng.randrange(70), label]
        text += "\t".join([*(str(fields[at]) for at in kept), times_text(rng)]) + "\n"
    return text


def cell_text(rng: random.Random, run: Run, lines: int) -> str:
    rows = [
        f"{run.populations[number * len(run.populations) // lines]}\t{number}\t{times_text(rng)}\n"
        for number in range(lines)
    ]
    return "# presynaptic cell type\tcell ID\tspike times\n" + "".join(rows)


def trace_matrix(rng: random.Random, run: Run, height: float) -> np.ndarray:
    """[n_time, 1 + n_trials]: times with accumulated error, voltages that cross the thresholds."""
    time = np.cumsum([run.start, *[0.025] * (run.samples - 1)])
    voltages = [
        [rng.uniform(-80, -60) if rng.random() < 0.9 else height * rng.uniform(0.5, 1) for _ in time]
        for _ in run.trials
    ]
    return np.column_stack([time, *voltages])


def trace_text(matrix: np.ndarray) -> str:
    header = "\t".join(["t", *(f"Vm run {column:02d}" for column in range(matrix.shape[1] - 1))])
    return "\n".join([header, *("\t".join(map(repr, row)) for row in matrix.tolist())]) + "\n"


# The plain reader


@dataclass
class Trial:
    """What one trial is, in plain values; traces as bytes of (times, voltages), since NaN may occur."""

    run: str
    number: int
    synapses: list[tuple[Any, ...]]
    cells: list[tuple[Any, ...]]
    traces: dict[str, tuple[bytes, bytes]]
    spikes: list[float]
    dendritic: dict[str, list[float]]
    parameters: dict[str, str]


def read_tree(root: Path) -> list[Trial]:
    """All trials of the run directories below *root*, sorted by run and number."""
    folders = {path.parent for path in root.rglob("simulation_run*_synapses.csv")}
    runs = [folder for folder in folders if "_running" not in folder.relative_to(root).as_posix()]
    trials = [trial for folder in runs for trial in read_run(folder, root)]
    return sorted(trials, key=lambda trial: (trial.run, trial.number))


def read_run(folder: Path, root: Path) -> list[Trial]:
    files = {path.name: path for path in folder.iterdir()}
    numbers = sorted(
        int(name.split("_")[1].removeprefix("run")) for name in files if name.endswith("_synapses.csv")
    )
    by_number = {
        (int(name.split("_")[1].removeprefix("run")), kind): path
        for name, path in files.items()
        for kind in ("synapses", "cells")
        if name.startswith("simulation_run") and name.endswith(f"{kind}.csv")
    }
    soma = next((path for name, path in files.items() if "_vm_all_traces." in name), None)
    traces = {} if soma is None else {"soma": read_traces(soma)}
    for name, path in files.items():
        if name.endswith("_vm_dend_traces.csv"):
            prefix = soma.name.split("_vm_all_traces")[0]
            site = name.removeprefix(f"{prefix}_").removesuffix("_vm_dend_traces.csv")
            traces[site] = read_traces(path)
    parameters = {
        kind: read_parameters(path)
        for name, path in sorted(files.items())
        for kind in ("neuron", "network")
        if name.endswith(f"_{kind}_model.param")
    }
    name = folder.relative_to(root).as_posix()
    name = root.name if name == "." else name
    return [
        Trial(
            name,
            number,
            read_synapses(by_number[number, "synapses"]),
            read_cells(by_number[number, "cells"]) if (number, "cells") in by_number else [],
            {site: (floats(times), floats(columns[at])) for site, (times, columns) in traces.items()},
            crossings(*(traces["soma"][0], traces["soma"][1][at]), 0.0) if traces else [],
            {
                site: found
                for site, (times, columns) in traces.items()
                if site != "soma" and (found := crossings(times, columns[at], -30.0))
            },
            parameters,
        )
        for at, number in enumerate(numbers)
    ]


def lines_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_bytes().decode().replace("\r\n", "\n").split("\n")[:-1]]


def read_synapses(path: Path) -> list[tuple[Any, ...]]:
    header, *lines = lines_of(path)
    rows = []
    for fields in lines:
        kind, *rest = fields if len(header) == 7 else [fields[0], "-1", *fields[1:]]
        number, distance, section, point, label, times = rest
        numbers = (int(number), float(distance), int(section), int(point))
        rows += [
            (kind, *parts(kind), *numbers, label, at, float(time))
            for at, time in enumerate(times.removesuffix(",").split(","))
        ]
    return rows


def read_cells(path: Path) -> list[tuple[Any, ...]]:
    return [
        (kind, *parts(kind), int(number), at, float(time))
        for kind, number, times in lines_of(path)[1:]
        for at, time in enumerate(times.removesuffix(",").split(","))
    ]


def parts(kind: str) -> tuple[str, str | None]:
    pieces = kind.split("_")
    return pieces[0], pieces[1] if len(pieces) > 1 else None


def read_traces(path: Path) -> tuple[list[float], list[list[float]]]:
    if path.suffix == ".npz":
        matrix = np.load(path)["arr_0"]
        rows = (matrix if (np.diff(matrix[:, 0]) > 0).all() else matrix.T).tolist()
    else:
        rows = [[float(value) for value in fields] for fields in lines_of(path)[1:]]
    times, *columns = zip(*rows, strict=True)
    return list(times), [list(column) for column in columns]


def floats(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def crossings(times: Sequence[float], voltage: Sequence[float], threshold: float) -> list[float]:
    return [
        times[at] for at in range(1, len(times)) if voltage[at - 1] < threshold and voltage[at] >= threshold
    ]


class _Constants(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        known = {"null": None, "true": True, "false": False}
        return ast.copy_location(ast.Constant(known[node.id]), node) if node.id in known else node


def read_parameters(path: Path) -> str:
    text = path.read_bytes().decode("utf-8-sig")
    try:
        value = json.loads(text)
    except ValueError:
        value = listed(ast.literal_eval(_Constants().visit(ast.parse(text.strip(), mode="eval"))))
    return repr(value)


def listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, list | tuple) else value


# The same from a lake


def read_lake(snapshot: Any) -> list[Trial]:
    """All trials of a snapshot in the form of `read_tree`."""
    if "trials" not in snapshot.tables:
        return []
    tables = {name: snapshot.tables[name].to_arrow().to_pylist() for name in snapshot.tables}
    arrays = {name: snapshot.arrays[name][...] for name in snapshot.arrays}
    files = parameter_files(snapshot)
    trials = {
        row["trial_id"]: Trial(
            row["run"],
            row["trial_number"],
            [],
            [],
            {},
            [],
            {},
            {
                kind: files[row[f"{kind}_parameters"]]
                for kind in ("neuron", "network")
                if row[f"{kind}_parameters"]
            },
        )
        for row in tables["trials"]
    }
    assert len(trials) == len(tables["trials"])
    for name, target in (("synapse_activation", "synapses"), ("cell_activation", "cells")):
        for row in tables[name]:
            trial_id, *values = row.values()
            getattr(trials[trial_id], target).append(tuple(values))
    for row in tables["spike_times"]:
        trials[row["trial_id"]].spikes.append(row["time"])
    for row in tables["dendritic_spike_times"]:
        trials[row["trial_id"]].dendritic.setdefault(row["site"], []).append(row["time"])
    for row in tables["traces"]:
        voltage, time = arrays[row["array"]][row["row"]], arrays[f"{row['array']}.time"]
        assert arrays[f"{row['array']}.trial"][row["row"]] == row["trial_id"]
        assert row["site"] not in trials[row["trial_id"]].traces
        trials[row["trial_id"]].traces[row["site"]] = (time.tobytes(), voltage.tobytes())
    assert sum(array.shape[0] for name, array in arrays.items() if array.ndim == 2) == len(tables["traces"])
    return sorted(trials.values(), key=lambda trial: (trial.run, trial.number))


def parameter_files(snapshot: Any) -> dict[str, str]:
    table = snapshot.tables["parameters"].to_arrow()
    found = {}
    for row in snapshot.tables["files"].to_arrow().to_pylist():
        if row["kind"] in ("neuron_parameters", "network_parameters"):
            mask = np.array(table["file"].to_pylist(), object) == row["digest"]
            found[row["digest"]] = repr(unflatten(table.filter(mask)))
    return found


def digests(snapshot: Any) -> dict[str, str]:
    """Identity of every table, array and file."""
    return {name: node.digest for name, node in snapshot.tree.items()}
