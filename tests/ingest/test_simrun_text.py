"""Synapse activations and presynaptic spikes: exact tables, exact bytes, every defect on its line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.ingest.simrun import text as simrun_text
from neurolake.ingest.simrun.text import (
    CELL_SCHEMA,
    SYNAPSE_SCHEMA,
    format_cells,
    format_synapses,
    parse_cells,
    parse_synapses,
)
from neurolake.lake.errors import IngestError

SYNAPSE_HEADER = b"# synapse type\tsynapse ID\tsoma distance\tsection ID\tsection pt ID\tdendrite label\tactivation times\n"
SYNAPSES = SYNAPSE_HEADER + (
    b"L1_C1\t19\t1539.71545505\t50\t80\tApicalDendrite\t14.3144635349,\n"
    b"L5tt_C2\t3\t0.0\t0\t1\tSoma\t1e-05,2.5,2.5,\n"
    b"VPM\t3\t1e+16\t0\t1\tDendrite\t7.0,\n"
    b"VPM\t3\t1e+16\t0\t1\tDendrite\t7.0,\n"
)
OLD_SYNAPSES = (
    b"# synapse type\tsoma distance\tsection ID\tsection pt ID\tdendrite label\tactivation times\n"
    b"L1_C1\t1539.71545505\t50\t80\tApicalDendrite\t14.3144635349,15.0,\n"
)
CELL_HEADER = b"# presynaptic cell type\tcell ID\tspike times\n"
CELLS = CELL_HEADER + b"L1_B1\t6\t174.863960609,281.277497845,\nVPM_C2_x\t0\t-1.5,\n"


def test_reads_synapses() -> None:
    table = parse_synapses(SYNAPSES, "a.csv")
    assert table.schema == SYNAPSE_SCHEMA
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("L1_C1", "L1", "C1", 19, 1539.71545505, 50, 80, "ApicalDendrite", 0, 14.3144635349),
        ("L5tt_C2", "L5tt", "C2", 3, 0.0, 0, 1, "Soma", 0, 1e-05),
        ("L5tt_C2", "L5tt", "C2", 3, 0.0, 0, 1, "Soma", 1, 2.5),
        ("L5tt_C2", "L5tt", "C2", 3, 0.0, 0, 1, "Soma", 2, 2.5),
        ("VPM", "VPM", None, 3, 1e16, 0, 1, "Dendrite", 0, 7.0),
        ("VPM", "VPM", None, 3, 1e16, 0, 1, "Dendrite", 0, 7.0),
    ]
    assert format_synapses(table) == SYNAPSES


def test_reads_synapses_without_id() -> None:
    table = parse_synapses(OLD_SYNAPSES, "a.csv")
    assert table.schema == SYNAPSE_SCHEMA
    assert table.column("synapse_id").to_pylist() == [-1, -1]
    assert table.column("activation").to_pylist() == [0, 1]
    assert format_synapses(table, columns=6) == OLD_SYNAPSES


def test_reads_cells() -> None:
    table = parse_cells(CELLS, "a.csv")
    assert table.schema == CELL_SCHEMA
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("L1_B1", "L1", "B1", 6, 0, 174.863960609),
        ("L1_B1", "L1", "B1", 6, 1, 281.277497845),
        ("VPM_C2_x", "VPM", "C2", 0, 0, -1.5),
    ]
    assert format_cells(table) == CELLS


def test_a_header_alone_is_a_trial_without_activity() -> None:
    synapses, cells = parse_synapses(SYNAPSE_HEADER, "a.csv"), parse_cells(CELL_HEADER, "a.csv")
    assert (len(synapses), synapses.schema, len(cells), cells.schema) == (0, SYNAPSE_SCHEMA, 0, CELL_SCHEMA)
    assert (format_synapses(synapses), format_cells(cells)) == (SYNAPSE_HEADER, CELL_HEADER)


@pytest.mark.parametrize(
    "header",
    [b"#Presynaptic  CELL type\tcell id\tspike times \n", b"presynaptic cell type\tcell ID\tspike times\n"],
)
def test_case_and_spacing_of_the_header_may_vary(header: bytes) -> None:
    assert parse_cells(CELLS.replace(CELL_HEADER, header), "a.csv") == parse_cells(CELLS, "a.csv")


def test_line_ends_of_windows_and_lists_without_a_last_comma_are_read() -> None:
    expected = parse_cells(CELLS, "a.csv")
    assert parse_cells(CELLS.replace(b"\n", b"\r\n"), "a.csv").equals(expected)
    assert parse_cells(CELLS.replace(b",\n", b"\n"), "a.csv").to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("token", [b"+1.5", b" 1.5", b"1.5 ", b"15e-1"])
def test_reads_what_python_reads(token: bytes) -> None:
    table = parse_cells(CELLS.replace(b"-1.5", token).replace(b"\t0\t", b"\t+0 \t"), "a.csv")
    assert table.column("time").to_pylist() == [174.863960609, 281.277497845, 1.5]
    assert table.column("cell_id").to_pylist() == [6, 6, 0]


def without(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (SYNAPSES[:-1], 5, "cut short"),
        (SYNAPSES[:-20], 5, "cut short"),
        (without(SYNAPSES, b"Soma", b"S\xffma"), 3, "not UTF-8"),
        (without(SYNAPSES, b"Soma", b"So\rma"), 3, "carriage return"),
        (
            SYNAPSES.removeprefix(SYNAPSE_HEADER),
            1,
            "expected the header '# synapse type<TAB>synapse ID<TAB>soma",
        ),
        (without(SYNAPSES, b"soma distance", b"distance"), 1, "expected the header '# synapse type<TAB>"),
        (CELLS, 1, "expected the header '# synapse type<TAB>"),
        (without(SYNAPSES, b"\tSoma", b""), 3, "expected 7 fields, found 6"),
        (without(SYNAPSES, b"\tSoma", b"\tSoma\tSoma"), 3, "expected 7 fields, found 8"),
        (without(SYNAPSES, b"L5tt_C2", b"\nL5tt_C2"), 3, "expected 7 fields, found 1"),
        (without(SYNAPSES, b"L5tt_C2", b""), 3, "synapse type is empty"),
        (without(SYNAPSES, b"Soma", b""), 3, "dendrite label is empty"),
        (without(SYNAPSES, b"\t19\t", b"\t19.0\t"), 2, "synapse ID is '19.0', expected an integer"),
        (without(SYNAPSES, b"\t19\t", b"\t0x19\t"), 2, "synapse ID is '0x19', expected an integer"),
        (without(SYNAPSES, b"\t19\t", b"\t1_9\t"), 2, "synapse ID is '1_9', expected an integer"),
        (without(SYNAPSES, b"\t19\t", b"\t" + b"9" * 50 + b"\t"), 2, "999...', expected an integer"),
        (without(SYNAPSES, b"\t50\t", b"\t\t"), 2, "section ID is '', expected an integer"),
        (without(SYNAPSES, b"\t80\t", b"\tx\t"), 2, "section pt ID is 'x', expected an integer"),
        (without(SYNAPSES, b"1539.71545505", b"far"), 2, "soma distance: 'far' is not a finite number"),
        (without(SYNAPSES, b"1539.71545505", b"nan"), 2, "soma distance: 'nan' is not a finite number"),
        (without(SYNAPSES, b"14.3144635349,", b""), 2, "no activation times: expected at least one number"),
        (without(SYNAPSES, b"14.3144635349,", b","), 2, "no activation times: expected at least one number"),
        (without(SYNAPSES, b"1e-05,2.5,2.5,", b""), 3, "no activation times: expected at least one number"),
        (without(SYNAPSES, b"1e-05,2.5", b"1e-05,,2.5"), 3, "activation times: '' is not a finite number"),
        (without(SYNAPSES, b"1e-05,2.5", b"1e-05, ,2.5"), 3, "activation times: ' ' is not a finite number"),
        (
            without(SYNAPSES, b"1e-05,2.5,2.5,", b",1e-05,2.5,"),
            3,
            "activation times: '' is not a finite number",
        ),
        (without(SYNAPSES, b"1e-05,2.5", b"1e-05,nan"), 3, "activation times: 'nan' is not a finite number"),
        (
            without(SYNAPSES, b"1e-05,2.5", b"1e-05,1e999"),
            3,
            "activation times: '1e999' is not a finite number",
        ),
        (
            without(SYNAPSES, b"1e-05,2.5", b"1e-05,2.5.1"),
            3,
            "activation times: '2.5.1' is not a finite number",
        ),
        (
            without(SYNAPSES, b"1e-05,2.5", b"1e-05;2.5"),
            3,
            "activation times: '1e-05;2.5' is not a finite number",
        ),
        (without(SYNAPSES, b"2.5,2.5,", b"2.5,2."), 3, "the activation times do not end with a comma"),
        (without(OLD_SYNAPSES, b"\t50\t", b"\t\t"), 2, "section ID is ''"),
        (without(OLD_SYNAPSES, b"L1_C1\t", b"L1_C1\t5\t"), 2, "expected 6 fields, found 7"),
    ],
)
def test_defects_of_synapses(data: bytes, line: int | None, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        parse_synapses(data, "folder/a.csv")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("folder/a.csv", line)


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (CELLS[:-1], 3, "cut short"),
        (SYNAPSES, 1, "expected the header '# presynaptic cell type<TAB>cell ID<TAB>spike times'"),
        (without(CELLS, b"L1_B1", b""), 2, "presynaptic cell type is empty"),
        (without(CELLS, b"\t0\t", b"\t"), 3, "expected 3 fields, found 2"),
        (without(CELLS, b"\t0\t", b"\tO\t"), 3, "cell ID is 'O', expected an integer"),
        (without(CELLS, b"-1.5,", b""), 3, "no spike times: expected at least one number"),
        (without(CELLS, b"-1.5,", b"-1.5"), 3, "the spike times do not end with a comma"),
        (without(CELLS, b"-1.5,", b"-1.5,,"), 3, "spike times: '' is not a finite number"),
        (without(CELLS, b"-1.5,", b"-1.5,inf,"), 3, "spike times: 'inf' is not a finite number"),
        (without(CELLS, b"609,281", b"609\n281"), 2, "the spike times do not end"),
        (CELLS.replace(b",\n", b"\n") + b"a\t1\t2,\n", 2, "the spike times do not end with a comma"),
    ],
)
def test_defects_of_cells(data: bytes, line: int | None, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        parse_cells(data, "folder/a.csv")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("folder/a.csv", line)


labels = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda label: not set(label) & set("\t\r\n")
) | st.sampled_from(["L5tt_C2", "VPM", "_", "a_", "a_b_c"])
ids = st.integers(-(2**63), 2**63 - 1)
reals = st.floats(allow_nan=False, allow_infinity=False)
times = st.lists(reals, min_size=1, max_size=4)


@st.composite
def tables(draw: st.DrawFn, schema: pa.Schema, fields: dict[str, st.SearchStrategy[Any]]) -> pa.Table:
    rows = []
    for line in draw(st.lists(st.fixed_dictionaries(fields | {"times": times}), max_size=6)):
        kind = line[schema.names[0]]
        column = kind.split("_")[1] if "_" in kind else None
        for activation, time in enumerate(line["times"]):
            row = line | {
                "cell_type": kind.split("_")[0],
                "column": column,
                "activation": activation,
                "time": time,
            }
            rows.append({name: row[name] for name in schema.names})
    return pa.Table.from_pylist(rows, schema=schema)


synapse_tables = tables(
    SYNAPSE_SCHEMA,
    {
        "synapse_type": labels,
        "synapse_id": ids,
        "soma_distance": reals,
        "section_id": ids,
        "section_pt_id": ids,
    }
    | {"dendrite_label": labels},
)
cell_tables = tables(CELL_SCHEMA, {"presynaptic_cell_type": labels, "cell_id": ids})


@given(synapse_tables)
def test_synapses_that_are_written_are_read_back(table: pa.Table) -> None:
    data = format_synapses(table)
    read = parse_synapses(data, "a.csv")
    assert read.schema == table.schema
    assert repr(read.to_pylist()) == repr(table.to_pylist())
    old = parse_synapses(format_synapses(table, columns=6), "a.csv")
    assert repr(old.drop_columns("synapse_id").to_pylist()) == repr(
        table.drop_columns("synapse_id").to_pylist()
    )


@given(cell_tables)
def test_cells_that_are_written_are_read_back(table: pa.Table) -> None:
    read = parse_cells(format_cells(table), "a.csv")
    assert read.schema == table.schema
    assert repr(read.to_pylist()) == repr(table.to_pylist())


def test_plain_text_columns_in_chunks_are_written_too() -> None:
    table = parse_synapses(SYNAPSES, "a.csv")
    plain = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    plain = plain.set_column(0, "synapse_type", plain.column(0).cast(pa.string()))
    assert format_synapses(plain) == SYNAPSES


field = st.sampled_from(
    ["L5_C2", "7", "-1", "+3", " 4", "5 ", "1.5", "nan", "", "0x1", "1_0", "\u0661", "\x00", '"', "é"]
)
items = st.sampled_from(
    ["1.5", "-2", "+3", " 4", "5 ", "nan", "1e999", "nan(1)", "0x1p3", "", ".", "é", "\x00"]
)
listed = st.lists(items, max_size=3).map(",".join)
lines = st.tuples(field, field, listed, st.sampled_from([",", "", ",,"]))


@given(
    st.lists(lines | st.tuples(field, st.integers(0, 9).map(str), st.just("1.5,2"), st.just(",")), max_size=4)
)
def test_both_readers_agree(rows: list[tuple[str, str, str, str]]) -> None:
    data = CELL_HEADER + "".join(f"{kind}\t{id_}\t{items}{end}\n" for kind, id_, items, end in rows).encode()

    def outcome() -> tuple[object, ...]:
        try:
            table = parse_cells(data, "a.csv")
        except IngestError as error:
            return error.reason, error.line
        return repr(table.to_pylist()), table.schema

    with pytest.MonkeyPatch.context() as patch:
        either = outcome()
        patch.setattr(simrun_text, "read_columns", lambda *_, **__: None)
        assert either == outcome()


def changed(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    schema = table.schema
    plain = pa.array(values, pa.string() if pa.types.is_dictionary(schema.field(column).type) else None)
    return table.set_column(schema.get_field_index(column), column, plain)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("activation", [1, 0, 0], "must count from 0"),
        ("activation", [0, 2, 0], "must count from 0"),
        ("activation", [0, 1, 1], "must count from 0"),
        ("cell_id", [6, 7, 0], "differ in more than the time"),
        ("presynaptic_cell_type", ["a", "b", "c"], "differ in more than the time"),
        ("presynaptic_cell_type", ["a", "a", ""], "is empty, or has a tab"),
        ("presynaptic_cell_type", ["a\tb", "a\tb", "c"], "is empty, or has a tab"),
        ("presynaptic_cell_type", ["a", "a", "b\nc"], "is empty, or has a tab"),
        ("presynaptic_cell_type", ["a", "a", None], "has nulls"),
        ("time", [1.0, float("nan"), 2.0], "time has values that are not finite"),
    ],
)
def test_tables_that_would_not_read_back_are_not_written(column: str, values: list[Any], reason: str) -> None:
    table = changed(parse_cells(CELLS, "a.csv"), column, values)
    with pytest.raises(ValueError, match=reason):
        format_cells(table)


def test_distances_that_are_not_finite_are_not_written() -> None:
    table = changed(parse_synapses(OLD_SYNAPSES, "a.csv"), "soma_distance", [float("inf")] * 2)
    with pytest.raises(ValueError, match="soma_distance has values that are not finite"):
        format_synapses(table)


def test_real_files_are_written_byte_for_byte(isf_data: Path) -> None:
    readers: dict[str, tuple[Callable[[bytes, Path], pa.Table], Callable[[pa.Table], bytes]]] = {
        "synapses": (parse_synapses, format_synapses),
        "presynaptic_cells": (parse_cells, format_cells),
    }
    for kind, (parse, write) in readers.items():
        files = sorted(isf_data.glob(f"simrun_*/**/*_{kind}.csv"))
        assert len(files) == 14
        for file in files:
            data = file.read_bytes()
            assert write(parse(data, file)) == data


def line_count(table: pa.Table) -> int:
    return table.column("activation").to_pylist().count(0)


def test_real_counts(isf_data: Path) -> None:
    old = sorted((isf_data / "simrun_2015_C2center").glob("*_synapses.csv"))
    counts = [line_count(parse_synapses(file.read_bytes(), file)) for file in old]
    assert sum(counts) + len(counts) == 26_146
    tree = isf_data / "simrun_2026"
    expected = json.loads((tree / "expected.json").read_text())
    for kind, parse in (("synapse", parse_synapses), ("cell", parse_cells)):
        for trial, count in expected[f"{kind}_rows"].items():
            run, number = trial.rsplit("/", 1)
            suffix = "synapses" if kind == "synapse" else "presynaptic_cells"
            file = tree / run / f"simulation_run{number[2:]}_{suffix}.csv"
            assert line_count(parse(file.read_bytes(), file)) == count
