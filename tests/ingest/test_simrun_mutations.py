"""Damaged files: each is refused, or read exactly as a plain reader reads the damaged text."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from neurolake.ingest.simrun import text as simrun_text
from neurolake.ingest.simrun import traces as simrun_traces
from neurolake.ingest.simrun.text import format_cells, format_synapses, parse_cells, parse_synapses
from neurolake.ingest.simrun.traces import format_traces, parse_traces, trace_header
from neurolake.ingest.text import delimited
from neurolake.ingest.trials.rows import SiteTraces
from neurolake.lake.errors import IngestError

MUTATIONS = 400

Rows = list[list[object]]
Reader = Callable[[bytes], Rows]


def plain_lines(data: bytes, kinds: dict[int, tuple[type, ...]]) -> list[list[object]]:
    """Values of each line after the header; `kinds` has the types of a line by its number of fields."""
    header, *lines = data.decode().replace("\r\n", "\n").split("\n")[:-1]
    types = kinds[len(header.split("\t"))]
    return [[kind(field) for kind, field in zip(types, line.split("\t"), strict=True)] for line in lines]


def plain_events(data: bytes, kinds: dict[int, tuple[type, ...]]) -> Rows:
    rows = []
    for *fields, times in plain_lines(data, kinds):
        items = str(times).removesuffix(",").split(",")
        rows += [[*fields, activation, float(item)] for activation, item in enumerate(items)]
    return rows


def plain_synapses(data: bytes) -> Rows:
    seven = (str, int, float, int, int, str, str)
    rows = plain_events(data, {7: seven, 6: (str, float, int, int, str, str)})
    return [row if len(row) == 8 else [row[0], -1, *row[1:]] for row in rows]


def plain_cells(data: bytes) -> Rows:
    return plain_events(data, {3: (str, int, str)})


def plain_traces(data: bytes) -> Rows:
    width = data.split(b"\n")[0].count(b"\t") + 1
    return plain_lines(data, {width: (float,) * width})


def read_table(parse: Callable[[bytes, str], pa.Table]) -> Reader:
    def read(data: bytes) -> Rows:
        table = parse(data, "a.csv")
        names = [name for name in table.column_names if name not in ("cell_type", "column")]
        return [list(row.values()) for row in table.select(names).to_pylist()]

    return read


def read_traces(data: bytes) -> Rows:
    traces = parse_traces(data, "a.csv")
    return np.vstack([traces.time, traces.voltage]).T.tolist()


def synapses() -> bytes:
    rng = np.random.default_rng(0)
    rows = [
        {"synapse_type": kind, "synapse_id": number, "soma_distance": rng.random() * 1e3, "section_id": 3}
        | {"section_pt_id": 70, "dendrite_label": "ApicalDendrite", "activation": activation, "time": time}
        for number, kind in enumerate(["L1_B1", "L5tt_C2", "VPM"] * 20)
        for activation, time in enumerate(rng.random(2) * 300)
    ]
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        second["soma_distance"] = first["soma_distance"]
    return format_synapses(pa.Table.from_pylist(rows))


def cells() -> bytes:
    rng = np.random.default_rng(0)
    rows = [
        {"presynaptic_cell_type": "L5tt_C2", "cell_id": number, "activation": activation, "time": time}
        for number in range(60)
        for activation, time in enumerate(rng.random(3) * 300)
    ]
    return format_cells(pa.Table.from_pylist(rows))


def traces() -> bytes:
    voltage = np.random.default_rng(0).normal(-70, 5, (3, 200))
    return format_traces(SiteTraces(np.cumsum(np.full(200, 0.025)), voltage, trace_header(3)))


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(data))] = rng.choice([rng.randrange(256), *b"\t\n\r,.-+0123456789eEnx "])
    return bytes(changed)


def change_digit(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    digits = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    changed[rng.choice(digits)] = rng.choice(b"0123456789")
    return bytes(changed)


def drop_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 30) :]


def insert_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return (
        data[:at]
        + rng.choice([b" ", b",", b"\n", b"\t", b"0x", b"nan", b"_", b"\x00", b"\xc3", b"(", b"+"])
        + data[at:]
    )


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def truncate_after_line(data: bytes, rng: random.Random) -> bytes:
    return b"".join(data.splitlines(keepends=True)[: rng.randrange(len(data.splitlines()))])


def cut_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return b"\n".join(lines)


def lose_or_repeat_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    lines[at : at + 1] = rng.choice([[], [lines[at]] * 2])
    return b"\n".join(lines)


def change_field(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    fields = lines[at].split(b"\t")
    one, other = rng.randrange(len(fields)), rng.randrange(len(fields))
    if rng.random() < 0.5:
        fields[one], fields[other] = fields[other], fields[one]
    else:
        fields[one] = rng.choice(
            [b"", b" ", b"nan", b"inf", b"1e999", b"+5", b" 5", b"5 ", b"0x5", b"1_0", fields[other]]
        )
    lines[at] = b"\t".join(fields)
    return b"\n".join(lines)


MUTATORS = [flip_bytes, change_digit, drop_bytes, insert_bytes, truncate, truncate_after_line, cut_line]
MUTATORS += [lose_or_repeat_line, change_field]

FORMATS: dict[str, tuple[Callable[[], bytes], str, Reader, Reader]] = {
    "synapses": (synapses, "_synapses.csv", read_table(parse_synapses), plain_synapses),
    "cells": (cells, "_presynaptic_cells.csv", read_table(parse_cells), plain_cells),
    "traces": (traces, "_traces.csv", read_traces, plain_traces),
}


def check_mutations(data: bytes, read: Reader, read_plainly: Reader, seed: int) -> None:
    assert repr(read(data)) == repr(read_plainly(data))
    rng = random.Random(seed)
    accepted = 0
    for number in range(MUTATIONS):
        mutated = MUTATORS[number % len(MUTATORS)](data, rng)
        try:
            rows = read(mutated)
        except IngestError:
            continue
        accepted += 1
        assert repr(rows) == repr(read_plainly(mutated)), f"mutation {number}"
    assert MUTATIONS // 20 < accepted < MUTATIONS - MUTATIONS // 5


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", [0, 1])
def test_mutations_of_written_files(name: str, seed: int) -> None:
    make, _, read, read_plainly = FORMATS[name]
    check_mutations(make(), read, read_plainly, seed)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("tree", ["simrun_2015_C2center", "simrun_2026"])
def test_mutations_of_real_files(isf_data: Path, tree: str, name: str) -> None:
    _, suffix, read, read_plainly = FORMATS[name]
    file = min((isf_data / tree).rglob(f"*{suffix}"))
    data = b"".join(file.read_bytes().splitlines(keepends=True)[:200])
    check_mutations(data, read, read_plainly, seed=2)


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_of_text_join(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, _, read, read_plainly = FORMATS[name]
    data = make()
    monkeypatch.setattr(delimited, "_BLOCK", 512)
    for module in (simrun_text, simrun_traces):
        monkeypatch.setattr(module, "_read_with_python", None)
    assert repr(read(data)) == repr(read_plainly(data))


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_are_cut_within_a_line_are_refused(name: str) -> None:
    make, _, read, _ = FORMATS[name]
    data = make()
    for end in range(len(data) - 200, len(data)):
        if not data[:end].endswith(b"\n"):
            with pytest.raises(IngestError, match="cut short"):
                read(data[:end])
