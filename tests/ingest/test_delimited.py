"""What readers and writers of tab separated text share."""

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.ingest.text.delimited import integer, number, number_texts, read_columns, unix_lines
from neurolake.lake.errors import IngestError


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "the file is empty"),
        (b"a\nb\nc", 3, "cut short"),
        (b"a", 1, "cut short"),
        (b"a\nb\xff\nc\n", 2, "not UTF-8"),
        (b"a\nb\rc\nd\n", 2, "carriage return"),
        (b"a\nb\r\nd\n", 2, "carriage return"),
        (b"a\r\nb\nd\r\n", 2, "carriage return"),
        (b"a\r\nb\r\nd\r\r\n", 3, "carriage return"),
    ],
)
def test_lines_that_are_refused(data: bytes, line: int | None, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        unix_lines(data, "a.csv")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("a.csv", line)


def test_line_ends_of_windows_are_accepted() -> None:
    assert unix_lines(b"a\r\n\r\nb\r\n", "a.csv") == b"a\n\nb\n"
    assert unix_lines("µ\n".encode(), "a.csv") == "µ\n".encode()


@pytest.mark.parametrize("token", ["", "-", "1_0", "\u0661", "0x1F", "1,5", "nan(1)", "1e", "1 2"])
def test_tokens_that_are_no_numbers(token: str) -> None:
    with pytest.raises(ValueError):
        number(token)
    with pytest.raises(ValueError):
        integer(token)


@pytest.mark.parametrize("token", ["1.0", "nan", "9223372036854775808", "-9223372036854775809"])
def test_tokens_that_are_no_integers(token: str) -> None:
    number(token)
    with pytest.raises(ValueError):
        integer(token)


tokens = st.text("+-.eE01x (naif_\x00", max_size=6) | st.sampled_from(["nan(a)", "0x1F", "-0X1", "1e400"])


def _column(token: str, kind: pa.DataType) -> list[float] | None:
    table = read_columns(f"{token}\t0\n".encode(), {"a": kind, "b": pa.int64()}, header=False)
    return None if table is None else table.column("a").to_pylist()


@given(tokens)
def test_arrow_reads_a_number_as_python_does_or_not_at_all(token: str) -> None:
    read = _column(token, pa.float64())
    if read is not None:
        assert repr(read) == repr([number(token)])
    read = _column(token, pa.int64())
    if read is not None:
        assert read == [integer(token)]


def test_texts_of_numbers_are_their_repr() -> None:
    whole = np.array([0.0, -0.0, 1.0, -75.0, 1e14, 1e15, 1e16, 123456789012345680.0, 1e22, 1e300])
    small = np.array([1e-3, 1e-4, 9.999e-5, 1e-5, 1e-7, 5e-324, 2.2250738585072014e-308])
    large = np.array([999999999999999.9, 4503599627370495.5, 1.7976931348623157e308])
    odd = np.array([np.nan, np.inf, -np.inf])
    values = np.concatenate([whole, small, -small, large, -large, odd])
    assert number_texts(values).to_pylist() == [repr(value) for value in values.tolist()]
    assert number_texts(np.empty(0)).to_pylist() == []


def test_texts_of_many_numbers_are_their_repr() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**64, 20_000, np.uint64).view(np.float64)
    values = np.concatenate(
        [bits, rng.normal(-70, 10, 20_000), rng.uniform(0, 1e-3, 5_000), rng.random(5_000) * 1e15]
    )
    texts = number_texts(values).to_pylist()
    assert texts == [repr(value) for value in values.tolist()]


@given(st.integers(0, 2**64 - 1))
def test_a_text_is_the_repr(bits: int) -> None:
    (value,) = struct.unpack("<d", struct.pack("<Q", bits))
    assert number_texts(np.array([value])).to_pylist() == [repr(value)]
