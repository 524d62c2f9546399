"""Every type either comes back by every reader after every change, or is refused with what to use instead."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from type_table import arrays, columns, page

import neurolake as nl
from neurolake.lake.errors import InputError

ROOT = Path(__file__).parents[2]
COLUMNS = dict(columns())
REFUSED = ("month_day_nano_interval", "struct<>", "union")
DISTINCT = [name for name in COLUMNS if name not in REFUSED]
pytestmark = [
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    # DuckDB's own frames of times with a zone.
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return nl.create(tmp_path / "lake", durable=False)


def write(lake: Any, column: Any, **more: Any) -> None:
    with lake.transaction("write") as tx:
        tx.write_table("t", pa.table({"k": range(len(column)), "c": column, **more}))


def values(column: Any) -> list[Any]:
    """Python's values; times as the moments that they are, whatever their zone."""
    found = column.to_pylist()
    return [
        v.timestamp() if isinstance(v, dt.datetime) and v.tzinfo else getattr(v, "bytes", v) for v in found
    ]


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/types.md").read_text(encoding="utf-8") == page(), "run: make docs"


@pytest.mark.parametrize("name", DISTINCT)
def test_a_column_comes_back(lake: Any, name: str) -> None:
    column = COLUMNS[name]
    expected = values(column)
    write(lake, column)
    table = lake["t"]
    assert values(table.to_arrow()["c"]) == expected
    stored = table.to_arrow()["c"].type
    assert table.schema().field("c").type == stored
    # Other readers.
    assert len(table.to_pandas()) == len(table.dask().compute()) == len(lake.sql("from t").df()) == 3
    found = lake.sql("select c from t order by k")
    assert found.fetchall()[2][0] is None
    if not pa.types.is_decimal256(stored) and not pa.types.is_duration(stored) and name != "float16":
        assert values(lake.sql("select c from t order by k").to_arrow_table()["c"].cast(stored)) == expected
    # Filters: the rows, or a refusal in words.
    for scalar in (table.to_arrow()["c"][0], table.to_arrow()["c"][1]):
        try:
            kept = table.to_arrow(where=pds.field("c") == scalar)
        except InputError as error:
            assert "cannot be" in str(error)
            assert pa.types.is_nested(stored) or pa.types.is_null(stored) or pa.types.is_float16(stored)
        else:
            assert values(kept["c"]) == [
                v for v in expected if v == scalar.as_py() or v == values(pa.array([scalar]))[0]
            ]
    # Changes.
    with lake.transaction("append") as tx:
        tx.append_table("t", pa.table({"k": [3], "c": column[:1], "more": [1.5]}))
    with lake.transaction("delete") as tx:
        assert tx.delete_rows("t", pds.field("k") == 1) == 1
    lake.compact()
    with lake.transaction("rename") as tx:
        tx.rename_columns("t", {"c": "d"})
    after = lake["t"].to_arrow().sort_by("k")
    assert values(after["d"]) == [expected[0], expected[2], expected[0]] and after["d"].type == stored
    assert lake["t"].to_arrow()["more"].to_pylist().count(1.5) == 1 and lake.verify()


@pytest.mark.parametrize("name", REFUSED)
def test_a_column_is_refused_by_name(lake: Any, name: str) -> None:
    with pytest.raises(InputError, match=r"column 'c' .*Parquet cannot hold: "):
        write(lake, COLUMNS[name])
    write(lake, pa.array([1]))
    with pytest.raises(InputError, match="column 'd'"), lake.transaction("append") as tx:
        tx.append_table("t", pa.table({"k": range(3), "c": [1, 2, 3], "d": COLUMNS[name]}))
    assert len(lake["t"]) == 1


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (pa.table({}), "at least one column"),
        (pd.DataFrame(), "at least one column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two are called 'a'"),
        (pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), "two are called 'a'"),
        (pd.DataFrame({"ok": [1, 2], "mixed": [1, "a"]}), "mixed"),
        (pd.DataFrame({"half": pd.Series(["\ud800"], dtype=object)}), "no table"),
        (pd.DataFrame({"thing": [object()]}), "thing"),
        ([{"a": 1}], "pyarrow.Table or a pandas.DataFrame, not list"),
    ],
)
def test_what_is_no_table(lake: Any, table: Any, match: str) -> None:
    with pytest.raises(InputError, match=match), lake.transaction("write") as tx:
        tx.write_table("t", table)
    assert "t" not in lake


def test_large_unsigned_numbers_are_found_by_every_filter(lake: Any) -> None:
    large = 2**64 - 1
    write(lake, pa.array([1, large, 2**63], pa.uint64()))
    for number in (1, large, 2**63):
        scalar = pa.scalar(number, pa.uint64())
        assert lake["t"].to_arrow(where=pds.field("c") == scalar)["c"].to_pylist() == [number]
        frame = lake["t"].dask()
        assert frame[frame.c == number].compute().c.tolist() == [number]
        assert lake.sql("select c from t where c = $n", n=number).fetchall() == [(number,)]
    with pytest.raises(InputError, match=r"give numbers for c as pyarrow.scalar\(n, 'uint64'\)"):
        lake["t"].to_arrow(where=pds.field("c") == 1)
    with lake.transaction("delete") as tx:
        assert tx.delete_rows("t", pds.field("c") > pa.scalar(2**63, pa.uint64())) == 1
    assert sorted(lake["t"].to_arrow()["c"].to_pylist()) == [1, 2**63]


def test_only_bytes_without_their_digest_are_damaged(lake: Any) -> None:
    moments = np.random.default_rng(0).integers(0, 2**51, 2000)
    write(lake, pa.array(moments, pa.timestamp("us", "UTC")))
    with pytest.raises(InputError, match="cannot be"):
        lake["t"].to_arrow(where=pds.field("c") == dt.datetime(2026, 1, 1))
    (path,) = lake["t"].unverified_paths()
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    with pytest.raises(nl.CorruptObjectError):
        nl.open(lake.url, verification="never")["t"].to_arrow(
            where=pds.field("c") == pa.scalar(dt.datetime(2026, 1, 1), pa.timestamp("us", "UTC"))
        )


# Arrays


@pytest.mark.parametrize(("name", "given"), list(arrays())[:24])
def test_an_array_comes_back(lake: Any, name: str, given: Any) -> None:
    with lake.transaction("write") as tx:
        tx.write_array("a", given)
        tx.write_array("rows", np.asarray(given).reshape(-1)[:0])
        tx.append_array("rows", np.asarray(given).reshape(-1))
    expected = np.asarray(given)
    for found in (lake["a"][...], lake["rows"][...].reshape(expected.shape)):
        assert np.array_equal(found, expected, equal_nan=expected.dtype.kind in "fcmM")
        assert found.dtype == (
            expected.dtype if expected.dtype.kind == "T" else expected.dtype.newbyteorder("=")
        )


@pytest.mark.parametrize(("name", "given"), list(arrays())[24:])
def test_an_array_is_refused(lake: Any, name: str, given: Any) -> None:
    with (
        pytest.raises(InputError, match=r"array 'a' .*: (use|store|fill)|use float64"),
        lake.transaction("write") as tx,
    ):
        tx.write_array("a", given)


# Attributes and notes

PLAIN = {
    "numpy": (np.int64(3), 3),
    "numpy real": (np.float32(1.5), 1.5),
    "numpy truth": (np.bool_(True), True),
    "numpy text": (np.str_("ü"), "ü"),
    "array": (np.array([[1, 2], [3, 4]], np.uint8), [[1, 2], [3, 4]]),
    "date": (dt.date(2026, 1, 2), "2026-01-02"),
    "moment": (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
    "time": (dt.time(1, 2), "01:02:00"),
    "numpy date": (np.datetime64("2026-01-02"), "2026-01-02"),
    "path": (Path("a/b"), "a/b"),
    "tuple": ((1, (2, np.int8(3))), [1, [2, 3]]),
    "keys": ({np.int64(1): "a", 2: "b", Path("p"): "c"}, {"1": "a", "2": "b", "p": "c"}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_are_taken(lake: Any, name: str) -> None:
    given, expected = PLAIN[name]
    with lake.transaction("attributes", notes={"note": given}) as tx:
        tx.write_array("a", [1], attributes={"x": given})
        tx.write_table("t", pa.table({"c": [1]}), attributes={"x": given})
        tx.put_file("f", b"", attributes={"x": given})
    assert lake["a"].attrs["x"] == expected
    assert lake.head.tree["t"].meta["attributes"] == lake.head.tree["f"].meta == {"x": expected}
    assert lake.log()[0].provenance["notes"] == {"note": expected}


@pytest.mark.parametrize(
    "given", [object(), b"x", {1, 2}, 1j, {(1, 2): 3}, "\ud800", {"\ud800": 1}, np.zeros(5000)]
)
def test_other_values_are_refused(lake: Any, given: Any) -> None:
    for write_it in (
        lambda tx: tx.write_array("a", [1], attributes={"x": given}),
        lambda tx: tx.write_table("t", pa.table({"c": [1]}), attributes={"x": given}),
        lambda tx: tx.put_file("f", b"", attributes={"x": given}),
    ):
        with pytest.raises(InputError), lake.transaction("attributes") as tx:
            write_it(tx)
    with pytest.raises(InputError), lake.transaction("doc") as tx:
        tx.write_table("t", pa.table({"c": [1]}), doc="\ud800")
    assert len(lake) == 0
