"""300 damaged copies of a run directory: a clear error, or a lake of exactly what the damaged files say."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from simrun_trees import Run, read_lake, read_tree, write_run

import neurolake
from neurolake import IngestError
from neurolake.ingest.simrun.ingest import ingest_simrun

COPIES = 300
TRIALS, SAMPLES, LINES = 2, 400, 150
REAL_RUN = "simrun_2026/stim_C2/results/20261120-2051_seed268801449_pid15792"

Files = dict[str, bytes]


def synthetic_run(folder: Path) -> Files:
    run = write_run(folder, Run(samples=SAMPLES))
    return {path.name: path.read_bytes() for path in run.iterdir()}


def real_run(folder: Path) -> Files:
    """The run directory, cut to few trials, samples, lines and populations so that 300 copies take seconds."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = {name for name in files if "_run" not in name or int(name[14:18]) < TRIALS}
    return {name: cut(name, files[name]) for name in kept}


def cut(name: str, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if name.endswith("_traces.csv"):
        return b"".join(b"\t".join(line.split(b"\t")[: TRIALS + 1]) + b"\n" for line in lines[:SAMPLES])
    if name.endswith("network_model.param"):
        value = json.loads(data)
        value["network"] = dict(list(value["network"].items())[:3])
        return json.dumps(value, indent=4).encode()
    return data if name.endswith(".param") else b"".join(lines[:LINES])


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(data))] = rng.choice(
            [rng.randrange(256), *b"\t\n\r,.-+0123456789eEnx {}[]'\""]
        )
    return bytes(changed)


def change_digit(data: bytes, rng: random.Random) -> bytes:
    places = [at for at, byte in enumerate(data) if byte in b"0123456789"]
    at = rng.choice(places) if places else 0
    return data[:at] + rng.choice("0123456789").encode() + data[at + 1 :]


def cut_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return b"\n".join(lines)


def lose_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def repeat_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def truncate_after_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[: rng.randrange(len(lines))])


def swap_columns(data: bytes, rng: random.Random) -> bytes:
    lines = [line.split(b"\t") for line in data.splitlines()]
    one, other = rng.sample(range(max(map(len, lines)) + 1), 2)
    for line in lines[rng.choice([0, 1]) :]:
        if max(one, other) < len(line):
            line[one], line[other] = line[other], line[one]
    return b"\n".join(map(b"\t".join, lines)) + b"\n"


def lose_column(data: bytes, rng: random.Random) -> bytes:
    lines = [line.split(b"\t") for line in data.splitlines()]
    at = rng.randrange(max(map(len, lines)))
    return b"".join(b"\t".join(line[:at] + line[at + 1 :]) + b"\n" for line in lines)


def windows_line_ends(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", b"\r\n", rng.choice([-1, -1, 1]))


def emptied(data: bytes, rng: random.Random) -> bytes:
    return b""


INSIDE = (
    *(flip_bytes, flip_bytes, change_digit, change_digit, cut_line, lose_line, repeat_line, truncate),
    *(truncate_after_line, swap_columns, lose_column, windows_line_ends, emptied),
)


def remove_file(files: Files, rng: random.Random) -> Files:
    name = rng.choice(sorted(files))
    return {other: data for other, data in files.items() if other != name}


def remove_kind(files: Files, rng: random.Random) -> Files:
    kind = rng.choice(["presynaptic_cells.csv", "_dend_traces.csv", "_traces.csv", ".param", "run0001"])
    return {name: data for name, data in files.items() if kind not in name}


def rename_file(files: Files, rng: random.Random) -> Files:
    name = rng.choice(sorted(files))
    at = rng.randrange(len(name))
    renamed = name[:at] + rng.choice("0a_. é") + name[at + 1 :]
    return {renamed if other == name else other: data for other, data in files.items()}


def swap_files(files: Files, rng: random.Random) -> Files:
    one, other = rng.sample(sorted(files), 2)
    return {**files, one: files[other], other: files[one]}


def change_inside(files: Files, rng: random.Random) -> Files:
    name = rng.choice([name for name in sorted(files) if files[name]])
    return {**files, name: rng.choice(INSIDE)(files[name], rng)}


OUTSIDE = (remove_file, remove_kind, rename_file, swap_files)
MUTATIONS: tuple[Callable[[Files, random.Random], Files], ...] = (*[change_inside] * 12, *OUTSIDE)


def outcome(lake: Any, tree: Path) -> str:
    """'refused' or 'read', after checking that the lake is as it was, or holds what the files say."""
    head = lake.head.commit.id
    try:
        ingest_simrun(lake, tree, processes=1)
    except IngestError as error:
        assert str(tree) in error.path and error.reason
        assert lake.head.commit.id == neurolake.open(lake.url).head.commit.id == head
        return "refused"
    assert read_lake(lake.head) == read_tree(tree)
    return "read"


@pytest.mark.parametrize("source", ["synthetic", "real"])
def test_damaged_copies(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if source == "real":
        files = real_run(request.getfixturevalue("isf_data") / REAL_RUN)
    else:
        files = synthetic_run(tmp_path / "source")
    rng = random.Random(20261120)
    outcomes = []
    for number in range(COPIES):
        mutated = files if number == 0 else rng.choice(MUTATIONS)(files, rng)
        run = tmp_path / f"tree{number}" / "stim_C2" / "20261120-2051_seed1_pid2"
        run.mkdir(parents=True)
        for name, data in mutated.items():
            (run / name).write_bytes(data)
        lake = neurolake.create(tmp_path / f"lake{number}", durable=False)
        try:
            outcomes.append(outcome(lake, tmp_path / f"tree{number}"))
        except Exception as error:
            changed = sorted(name for name in {*files, *mutated} if files.get(name) != mutated.get(name))
            raise AssertionError(f"copy {number}, in which {changed} differ: {error!r}") from error
    assert outcomes[0] == "read"
    assert outcomes.count("read") > COPIES / 10 and outcomes.count("refused") > COPIES / 3
