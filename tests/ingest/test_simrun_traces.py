"""Voltage traces: exact values, exact bytes, and every defect on its line."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurolake.ingest.simrun import traces as simrun_traces
from neurolake.ingest.simrun.traces import format_traces, parse_traces, parse_traces_npz, trace_header
from neurolake.ingest.trials.rows import SiteTraces
from neurolake.lake.errors import IngestError

SMALL = b"t\tVm run 00\tVm run 01\n0.0\t-75.0\t-74.5\n0.025\t-75.1\tnan\n0.05\tinf\t-1e-05\n"


def example(n_time: int = 300, n_trials: int = 3) -> SiteTraces:
    rng = np.random.default_rng(0)
    time = np.cumsum(np.full(n_time, 0.025))
    return SiteTraces(time, rng.normal(-70, 5, (n_trials, n_time)), trace_header(n_trials))


def assert_same(left: SiteTraces, right: SiteTraces) -> None:
    assert left.header == right.header
    assert left.time.tobytes() == right.time.tobytes()
    assert left.voltage.shape == right.voltage.shape
    np.testing.assert_array_equal(left.voltage, right.voltage)


def test_reads_values() -> None:
    traces = parse_traces(SMALL, "a.csv")
    assert traces.header == ("t", "Vm run 00", "Vm run 01")
    assert traces.time.tolist() == [0.0, 0.025, 0.05]
    np.testing.assert_array_equal(traces.voltage, [[-75.0, -75.1, np.inf], [-74.5, np.nan, -1e-05]])
    assert traces.voltage.dtype == traces.time.dtype == np.float64
    assert traces.voltage.flags.c_contiguous
    assert format_traces(traces) == SMALL


@pytest.mark.parametrize("token", ["+1.5", " 1.5 ", "1.5e0", "15E-1", "0001.5"])
def test_reads_what_python_reads(token: str) -> None:
    traces = parse_traces(SMALL.replace(b"-74.5", token.encode()), "a.csv")
    assert traces.voltage[1, 0] == 1.5
    assert traces.voltage.flags.c_contiguous


def test_reads_line_ends_of_windows() -> None:
    assert_same(parse_traces(SMALL.replace(b"\n", b"\r\n"), "a.csv"), parse_traces(SMALL, "a.csv"))


LONG = format_traces(example()).decode().split("\n")


def edited(line: int, *replacement: str) -> bytes:
    """The long example with one line (counted from 1) replaced."""
    return "\n".join([*LONG[: line - 1], *replacement, *LONG[line:]]).encode()


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (SMALL[:-1], 4, "cut short"),
        (SMALL[:-8], 4, "cut short"),
        (SMALL.replace(b"run 00", b"run \xff0"), 1, "not UTF-8"),
        (SMALL.replace(b"t\t", b"time\t"), 1, "expected the header 't<TAB>Vm run 00<TAB>...'"),
        (b"0.0\t-75.0\n", 1, "expected the header"),
        (b"t\n0.0\n", 1, "expected the header"),
        (b"t\tVm run 00\n", 2, "no samples"),
        (edited(7, LONG[6] + "\t1.0"), 7, "expected 4 fields, found 5"),
        (edited(7, LONG[6].rpartition("\t")[0]), 7, "expected 4 fields, found 3"),
        (edited(7, ""), 7, "expected 4 fields, found 1"),
        (edited(7, "0.15\t-70.0\t\t-70.0"), 7, "expected a number for 'Vm run 01', found ''"),
        (edited(7, "0.15\t-70.0\t-70.0\t-7O.0"), 7, "expected a number for 'Vm run 02', found '-7O.0'"),
        (edited(7, "0.15\t-70.0\t-70.0\t1_0"), 7, "expected a number for 'Vm run 02', found '1_0'"),
        (edited(7, "0.15\t-70.0\t-70.0\tnan(7)"), 7, "expected a number for 'Vm run 02', found 'nan(7)'"),
        (edited(7, "0.15\t-70.0\t-70.0\t0x1F"), 7, "expected a number for 'Vm run 02', found '0x1F'"),
        (edited(7, "0.15\t-70.0\t-70.0\t" + "z" * 99), 7, "zzz...'"),
        (edited(7, "nan\t-70.0\t-70.0\t-70.0"), 7, "expected a finite time, found nan"),
        (edited(7, "inf\t-70.0\t-70.0\t-70.0"), 7, "expected a finite time, found inf"),
        (edited(7, LONG[5]), 7, "times must increase"),
        (edited(7, LONG[7], LONG[6]), 8, "times must increase"),
        (edited(7), 7, "line missing near time"),
        (edited(299, "7.46\t1.0\t1.0\t1.0"), 299, "line missing near time"),
    ],
)
def test_defects(data: bytes, line: int | None, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        parse_traces(data, "folder/a.csv")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("folder/a.csv", line)


def test_a_recording_may_begin_at_any_time() -> None:
    assert parse_traces(edited(2), "a.csv").time.size == 299


def test_irregular_times_are_accepted() -> None:
    time = np.cumsum(np.random.default_rng(1).exponential(1, 500))
    traces = SiteTraces(time, np.zeros((1, 500)), trace_header(1))
    assert_same(parse_traces(format_traces(traces), "a.csv"), traces)


def test_times_may_be_as_large_as_float64() -> None:
    traces = SiteTraces(np.array([-1.7e308, 1.7e308]), np.zeros((1, 2)), trace_header(1))
    assert_same(parse_traces(format_traces(traces), "a.csv"), traces)


def test_one_sample_is_enough() -> None:
    assert parse_traces(b"t\tVm run 00\n100.0\t-75.0\n", "a.csv").voltage.tolist() == [[-75.0]]


def test_blocks_of_lines_join() -> None:
    traces = example(n_time=10_000, n_trials=2)
    data = format_traces(traces)
    assert data.count(b"\n") == 10_001
    assert_same(parse_traces(data, "a.csv"), traces)


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20, unique=True).map(sorted),
    st.integers(1, 4),
    st.data(),
)
def test_what_is_written_is_read_back(times: list[float], n_trials: int, data: st.DataObject) -> None:
    time = np.unique(np.array(times) + 0.0)
    voltage = data.draw(hnp.arrays(np.float64, (n_trials, time.size)))
    titles = data.draw(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(
                lambda title: not set(title) & set("\t\r\n")
            ),
            min_size=n_trials,
            max_size=n_trials,
        )
    )
    traces = SiteTraces(time, voltage, ("t", *titles))
    assert_same(parse_traces(format_traces(traces), "a.csv"), traces)


numbers = st.sampled_from(
    ["1.5", "-2", "+3", "nan", "-inf", "1e400", " 7", "8 ", "", "0x1", "1_0", "nan(1)", "\u0661", "é", "."]
)


@given(st.lists(st.lists(numbers, min_size=1, max_size=3), max_size=4))
def test_both_readers_agree(rows: list[list[str]]) -> None:
    lines = ["t\tVm run 00\tVm run 01", *("\t".join([str(n), *row]) for n, row in enumerate(rows))]
    data = ("\n".join(lines) + "\n").encode()

    def outcome() -> tuple[object, ...]:
        try:
            traces = parse_traces(data, "a.csv")
        except IngestError as error:
            return error.reason, error.line
        return traces.time.tolist(), repr(traces.voltage.tolist())

    with pytest.MonkeyPatch.context() as patch:
        either = outcome()
        patch.setattr(simrun_traces, "read_columns", lambda *_, **__: None)
        assert either == outcome()


def test_traces_must_agree_with_their_header() -> None:
    with pytest.raises(ValueError, match="do not agree"):
        SiteTraces(np.zeros(3), np.zeros((2, 4)), trace_header(2))
    with pytest.raises(ValueError, match="do not agree"):
        SiteTraces(np.zeros(3), np.zeros((2, 3)), trace_header(3))


@pytest.mark.parametrize("header", [("time", "a"), ("t", "a\tb"), ("t", "a\nb"), ("t", "a\r")])
def test_titles_that_would_not_read_back_are_not_written(header: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="title"):
        format_traces(SiteTraces(np.zeros(1), np.zeros((1, 1)), header))


def archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("transposed", [False, True])
def test_reads_archives(transposed: bool) -> None:
    traces = example()
    matrix = np.column_stack([traces.time, traces.voltage.T])
    read = parse_traces_npz(archive(arr_0=matrix.T if transposed else matrix), "a.npz")
    assert_same(read, traces)
    assert read.voltage.flags.c_contiguous


def test_reads_archives_of_single_precision() -> None:
    read = parse_traces_npz(archive(arr_0=np.array([[0.0, -75.0], [0.5, -74.0]], np.float32)), "a.npz")
    assert read.voltage.tolist() == [[-75.0, -74.0]]
    assert read.voltage.dtype == np.float64


def damaged() -> bytes:
    data = bytearray(archive(arr_0=np.column_stack([np.arange(500.0), np.random.default_rng(0).random(500)])))
    data[len(data) // 2] ^= 255
    return bytes(data)


def with_hole() -> np.ndarray:
    return np.delete(np.column_stack([np.arange(500.0), np.zeros(500)]), 7, axis=0)


def text_archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("arr_0.npy", "not an array")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected a NumPy archive"),
        (b"t\tVm run 00\n", "expected a NumPy archive"),
        (archive(arr_0=np.zeros((9, 3)))[:-30], "expected a NumPy archive"),
        (damaged(), "expected a NumPy archive"),
        (text_archive(), "expected a numeric matrix"),
        (archive(voltage=np.zeros((9, 3))), "expected a NumPy archive with an array 'arr_0'"),
        (archive(arr_0=np.array([[1, None]], dtype=object)), "expected a NumPy archive"),
        (archive(arr_0=np.zeros(9)), "expected a numeric matrix"),
        (archive(arr_0=np.array([["a", "b"]])), "expected a numeric matrix"),
        (archive(arr_0=np.zeros((9, 3))), "neither the first column nor the first row"),
        (archive(arr_0=np.zeros((0, 3))), "neither the first column nor the first row"),
        (archive(arr_0=np.full((9, 3), np.nan)), "neither the first column nor the first row"),
        (archive(arr_0=np.arange(27.0).reshape(9, 3)), "both first column and first row"),
        (archive(arr_0=np.array([[-np.inf, 0.0], [1.0, -5.0]])), "both first column and first row"),
        (archive(arr_0=np.array([[0.0, -5.0], [np.inf, -5.0]])), "sample 1: expected a finite time"),
        (archive(arr_0=with_hole()), "sample 7: line missing near time 8.0"),
    ],
)
def test_archives_that_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        parse_traces_npz(data, "a.npz")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("a.npz", None)


def test_nothing_is_unpickled() -> None:
    with pytest.raises(IngestError, match="NumPy archive"):
        parse_traces_npz(b"cos\nsystem\n(S'true'\ntR.", "a.npz")


def test_real_traces_are_written_byte_for_byte(isf_data: Path) -> None:
    files = sorted(isf_data.glob("simrun_*/**/*_traces.csv"))
    assert len(files) == 5
    for file in files:
        data = file.read_bytes()
        assert format_traces(parse_traces(data, file)) == data


def test_real_traces_have_their_shapes(isf_data: Path) -> None:
    old = parse_traces(*_soma(isf_data / "simrun_2015_C2center"))
    assert (old.voltage.shape, old.time[0], old.time[-1]) == ((6, 9802), 100.0, 345.025)
    today = parse_traces(*_soma(isf_data / "simrun_2026"))
    assert (today.voltage.shape, today.time[4]) == ((8, 12002), 0.09999999999999999)
    expected = json.loads((isf_data / "simrun_2026" / "expected.json").read_text())["spike_times_soma_0mV"]
    for trial, times in expected.items():
        voltage = today.voltage[int(trial[-6:])]
        crossings = np.flatnonzero((voltage[:-1] < 0) & (voltage[1:] >= 0)) + 1
        assert today.time[crossings].tolist() == times


def _soma(tree: Path) -> tuple[bytes, Path]:
    (file,) = tree.rglob("*_vm_all_traces.csv")
    return file.read_bytes(), file
