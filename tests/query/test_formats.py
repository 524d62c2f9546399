"""Results as table, CSV, JSON and Parquet: every value comes back as it was."""

import csv
import io
import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import neurolake
from neurolake import InputError, QueryError
from neurolake.lake.console import Terminal
from neurolake.query.views import formats
from neurolake.query.views.formats import write_relation


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


class Screen(Terminal):
    """Standard output that is a text, as if a person were looking or not."""

    def __init__(self, text: io.StringIO | None = None, *, watched: bool = False) -> None:
        super().__init__()
        self._text, self._watched = text or io.StringIO(), watched

    @property
    def file(self) -> io.StringIO:
        return self._text

    @property
    def is_terminal(self) -> bool:
        return self._watched


def written(relation: Any, form: str, width: int = 10_000) -> str:
    text = io.StringIO()
    write_relation(relation, form, None, Screen(text))
    return text.getvalue()


def csv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def reals(lake: Any) -> Any:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**63, 200_000, np.int64).view(np.float64)
    values = np.concatenate(
        [bits[np.isfinite(bits)], rng.normal(-70, 5, 1000), [5e-324, 0.1 + 0.2, -0.0, 1e22]]
    )
    with lake.transaction("reals") as tx:
        tx.write_table("reals", pa.table({"x": values, "n": np.arange(len(values)) + 2**62}))
    return lake, values


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_reals_come_back_bit_for_bit(reals: Any, form: str, tmp_path: Path) -> None:
    lake, values = reals
    output = tmp_path / "out"
    write_relation(lake.sql("from reals"), form, output, Screen())
    if form == "csv":
        header, *rows = csv_rows(output.read_text())
        assert header == ["x", "n"]
    elif form == "json":
        rows = [list(row.values()) for row in json.loads(output.read_text())]
    else:
        rows = list(zip(*pq.read_table(output).to_pydict().values(), strict=True))
    assert struct.pack(f"{len(values)}d", *(float(row[0]) for row in rows)) == values.tobytes()
    assert [int(row[1]) for row in rows] == [2**62 + at for at in range(len(values))]


TYPES = {
    "true": ("true", True),
    "(-7)::tinyint": ("-7", -7),
    "18446744073709551615::ubigint": ("18446744073709551615", 18446744073709551615),
    "12345678901234567890123456789::hugeint": (
        "12345678901234567890123456789",
        12345678901234567890123456789,
    ),
    "sum(3::bigint)": ("3", 3),
    "1.25": ("1.25", 1.25),
    "0.1::float": ("0.1", 0.1),
    "'nan'::double": ("nan", None),
    "'-inf'::double": ("-inf", None),
    "null": ("", None),
    "null::double[]": ("", None),
    "''": ("", ""),
    "'a,\"b\"\tc\nd µ [red]:fire:'": ('a,"b"\tc\nd µ [red]:fire:', 'a,"b"\tc\nd µ [red]:fire:'),
    "date '2026-11-20'": ("2026-11-20", "2026-11-20"),
    "time '10:00:01.5'": ("10:00:01.5", "10:00:01.5"),
    "timestamp '2026-11-20 10:00:00'": ("2026-11-20 10:00:00", "2026-11-20 10:00:00"),
    "timestamptz '2026-11-20 10:00:00+02'": ("2026-11-20 08:00:00+00", "2026-11-20 08:00:00+00"),
    "interval 90 second": ("00:01:30", "00:01:30"),
    "uuid '00000000-0000-0000-0000-000000000001'": ("00000000-0000-0000-0000-000000000001",) * 2,
    "'a'::enum('a', 'b')": ("a", "a"),
    "'\\xAA'::blob": ("\\xAA", "\\xAA"),
    "'101'::bit": ("101", "101"),
    "[0.1::double, 'nan', null]": ("[0.1, null, null]", [0.1, None, None]),
    "[[1, 2], []]": ("[[1, 2], []]", [[1, 2], []]),
    "[1.5, 2]::double[2]": ("[1.5, 2.0]", [1.5, 2.0]),
    "{'a': 1, 'b': {'c': 'µ'}}": ('{"a": 1, "b": {"c": "µ"}}', {"a": 1, "b": {"c": "µ"}}),
    "map {'a': 1}": ('[["a", 1]]', [["a", 1]]),
    "[interval 1 day]": (None, None),
}


@pytest.mark.parametrize("expression", TYPES)
def test_every_type_is_written(lake: Any, expression: str, tmp_path: Path) -> None:
    text, value = TYPES[expression]
    relation = lake.sql(f"select 1 as one, {expression} as v")
    header, row = csv_rows(written(relation, "csv"))
    (found,) = json.loads(written(relation, "json"))
    table = written(relation, "table")
    assert header == ["one", "v"] and set(found) == {"one", "v"} and table.startswith("one  v")
    if text is not None:
        assert row[1] == text
        assert found["v"] == pytest.approx(value, rel=1e-7) if "float" in expression else found["v"] == value
    write_relation(lake.sql("select 1 as one"), "parquet", tmp_path / "p", Screen())
    assert pq.read_table(tmp_path / "p").to_pydict() == {"one": [1]}


def test_null_and_empty_text_differ_in_csv(lake: Any) -> None:
    relation = lake.sql("select * from (values (1, null), (2, ''), (3, 'x')) t(n, v) order by n")
    assert written(relation, "csv") == '"n","v"\n1,\n2,""\n3,"x"\n'


def test_columns_of_one_name_are_told_apart(lake: Any, tmp_path: Path) -> None:
    relation = lake.sql('select 1 as a, 2 as a, 3 as "A", 4 as a_1, 5 as "b ""q"""')
    names = ["a", "a_1", "A_2", "a_1_1", 'b "q"']
    assert csv_rows(written(relation, "csv")) == [names, list("12345")]
    assert json.loads(written(relation, "json")) == [dict(zip(names, range(1, 6), strict=True))]
    assert written(relation, "table").split("\n")[0].split("  ") == [*names[:4], 'b "q"']
    write_relation(relation, "parquet", tmp_path / "p", Screen())
    assert pq.read_table(tmp_path / "p").column_names == names


def test_no_rows(lake: Any, tmp_path: Path) -> None:
    relation = lake.sql("select 1 as a, [1] as b where false")
    assert written(relation, "csv") == '"a","b"\n'
    assert written(relation, "json") == "[]\n"
    assert written(relation, "table").split() == ["a", "b"]
    write_relation(relation, "parquet", tmp_path / "p", Screen())
    assert pq.read_table(tmp_path / "p").column_names == ["a", "b"]


def test_rows_keep_their_order_over_many_batches(lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_BATCH_ROWS", 1000)
    relation = lake.sql("select range as n from range(12345) order by n desc")
    assert [int(row[0]) for row in csv_rows(written(relation, "csv"))[1:]] == list(range(12344, -1, -1))
    assert [row["n"] for row in json.loads(written(relation, "json"))] == list(range(12344, -1, -1))


def test_a_table_is_for_the_eye(lake: Any, tmp_path: Path) -> None:
    relation = lake.sql("select pi() as number, '[bold]x[/bold] :fire:' as \"[red]text\", null as nothing")
    header, row, end = written(relation, "table").split("\n")
    assert header == "number       [red]text              nothing"
    assert row.rstrip() == "3.141592654  [bold]x[/bold] :fire:" and end == ""
    write_relation(relation, "table", tmp_path / "file", Screen())
    assert (tmp_path / "file").read_text().split("\n")[1].startswith("3.141592654  [bold]x[/bold] :fire:")


def test_a_long_table_says_that_there_is_more(lake: Any) -> None:
    lines = written(lake.sql("from range(1001)"), "table").splitlines()
    assert len(lines) == 1 + 1000 + 1 and lines[-1] == "… the first 1000 rows; --format csv gives all"
    assert len(written(lake.sql("from range(1000)"), "table").splitlines()) == 1001


def test_a_long_value_is_whole(lake: Any) -> None:
    assert "y" * 3000 in written(lake.sql("select repeat('y', 3000) as v, repeat('z', 3000) as w"), "table")


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_a_row_that_fails_is_a_query_error(lake: Any, form: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="Could not convert string 'x' to INT"):
        write_relation(
            lake.sql("select cast(v as int) from (values ('1'), ('x')) t(v)"), form, tmp_path / "o", Screen()
        )


def test_unknown_format(lake: Any) -> None:
    with pytest.raises(InputError, match="--format xml: choose table, csv, json, parquet"):
        written(lake.sql("select 1"), "xml")
    with pytest.raises(InputError, match="not for the screen"):
        write_relation(lake.sql("select 1"), "parquet", None, Screen(watched=True))


def test_json_has_no_nan(lake: Any) -> None:
    (row,) = json.loads(written(lake.sql("select 'nan'::double a, 'inf'::double b, 1e308::double c"), "json"))
    assert row["a"] is None and row["b"] is None and math.isfinite(row["c"])


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_times_beyond_the_years_of_python(lake: Any, kind: str) -> None:
    """Alone, and as parts of something else."""
    texts = "[x::varchar, y::varchar]"
    days = f"{kind} 'infinity' as x, {kind} '200000-01-02' as y"
    query = f"""select x, [y, null] as l, {{'a "b': [x]}} as s, map([1], [y]) as m, {texts} as t from (select {days})"""
    for form in ("table", "csv", "json"):
        assert "infinity" in written(lake.sql(query), form)
    (row,) = json.loads(written(lake.sql(query), "json"))
    x, y = row["t"]
    assert x == "infinity" and y.startswith("200000-01-02")
    assert row == {"x": x, "l": [y, None], "s": {'a "b': [x]}, "m": [[1, y]], "t": [x, y]}


def test_parts_that_only_databases_have(lake: Any) -> None:
    query = r"select [interval '1 month'] as i, ['\xAA'::blob] as b, array_value(time '10:00', null) as a, row(1, 2) as r"
    (row,) = json.loads(written(lake.sql(query), "json"))
    assert row == {"i": ["1 month"], "b": [r"\xAA"], "a": ["10:00:00", None], "r": "(1, 2)"}


def test_parquet_has_text_for_what_it_lacks(lake: Any, tmp_path: Path) -> None:
    month = "interval '1 month'"
    query = f"select {month} as i, [{month}] as l, union_value(k := 1) as u, row({month}) as r, row(1) as o, 1 as n"
    write_relation(lake.sql(query), "parquet", tmp_path / "x.parquet", Screen())
    (row,) = pq.read_table(tmp_path / "x.parquet").to_pylist()
    (part,) = row.pop("o").values()
    assert row == {"i": "1 month", "l": ["1 month"], "u": "1", "r": "(1 month,)", "n": 1} and part == 1


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_an_answer_that_fails_leaves_what_was_there(lake: Any, tmp_path: Path, form: str) -> None:
    """Also where its first rows were written."""
    output = tmp_path / "out"
    failing = lake.sql("select if(range < 300000, '1', 'x')::integer as n from range(300001)")
    if form == "table":
        failing = lake.sql("select 'x'::integer")
    for before in ("", "what was there"):
        if before:
            output.write_text(before)
        with pytest.raises(QueryError, match="Could not convert"):
            write_relation(failing, form, output, Screen())
        assert [path.read_text() for path in tmp_path.iterdir() if path.is_file()] == [before][: bool(before)]


def test_a_pipe_is_written_as_it_is(lake: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_relation(lake.sql("select 1 as n"), "csv", pipe, Screen())
    assert os.read(reader, 100) == b'"n"\n1\n'
    os.close(reader)


def test_a_file_that_cannot_be_made_is_told_by_its_name(lake: Any, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere/out\.csv'"):
        write_relation(lake.sql("select 1 as n"), "csv", tmp_path / "nowhere" / "out.csv", Screen())
