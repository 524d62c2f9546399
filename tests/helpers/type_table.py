"""Every type that a column or an array can be given in, what becomes of it, and docs/types.md, which says so.

``python tests/helpers/type_table.py docs/types.md`` writes the page from what a lake does.
"""

import datetime as dt
import decimal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import neurolake

DAY, MOMENT = dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5)
MONEY = decimal.Decimal("1.25")


def columns() -> Iterator[tuple[str, pa.Array]]:
    """Columns of two values and a null, by the name of their type."""
    for bits in (8, 16, 32, 64):
        yield f"int{bits}", pa.array([1, -(2 ** (bits - 1)), None], f"int{bits}")
        yield f"uint{bits}", pa.array([1, 2**bits - 1, None], f"uint{bits}")
    yield "float16", pa.array([np.float16(1.5), np.float16(-0.0), None], pa.float16())
    for kind in (pa.float32(), pa.float64()):
        yield str(kind), pa.array([1.5, float("inf"), None], kind)
    yield "bool", pa.array([True, False, None])
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        yield str(kind), pa.array(["a", "ü" * 70, None], kind)
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)):
        yield str(kind), pa.array([b"ab", b"\x00\xff", None], kind)
    yield "null", pa.nulls(3)
    for kind in (pa.date32(), pa.date64()):
        yield str(kind), pa.array([DAY, dt.date(1900, 1, 1), None], kind)
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "Europe/Berlin"):
            yield (
                str(pa.timestamp(unit, zone)),
                pa.array([MOMENT, dt.datetime(1970, 1, 1), None], pa.timestamp(unit, zone)),
            )
        yield (
            str(pa.duration(unit)),
            pa.array([dt.timedelta(seconds=1), dt.timedelta(days=-1), None], pa.duration(unit)),
        )
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        yield str(kind), pa.array([dt.time(1, 2, 3), dt.time(23), None], kind)
    for kind in (pa.decimal32(5, 2), pa.decimal64(10, 2), pa.decimal128(20, 2), pa.decimal256(50, 2)):
        yield str(kind), pa.array([MONEY, -MONEY, None], kind)
    for kind in (
        *(
            pa.list_(pa.int64()),
            pa.large_list(pa.int64()),
            pa.list_view(pa.int64()),
            pa.large_list_view(pa.int64()),
        ),
        pa.list_(pa.string_view()),
    ):
        texts = "string" in str(kind)
        yield str(kind), pa.array([["a"] if texts else [1, 2], [], None], kind)
    yield "fixed_size_list<double>[2]", pa.array([[1.0, 2.0], [3.0, 4.0], None], pa.list_(pa.float64(), 2))
    yield "struct<x: int64>", pa.array([{"x": 1}, {"x": None}, None], pa.struct([("x", pa.int64())]))
    yield "map<string, int64>", pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64()))
    yield "dictionary of string", pa.array(["a", "b", None]).dictionary_encode()
    yield "dictionary of int64", pa.array([1, 2, None]).dictionary_encode()
    yield "run_end_encoded of int64", pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([7, None]))
    yield "extension uuid", pa.array([b"a" * 16, b"b" * 16, None], pa.uuid())
    yield "extension json", pa.array(['{"a": 1}', "[]", None], pa.json_())
    yield "month_day_nano_interval", pa.array([pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([0, 0, 0]), None])
    yield "struct<>", pa.array([{}, {}, None], pa.struct([]))
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]
    )
    yield "union", union


def arrays() -> Iterator[tuple[str, Any]]:
    """Values of arrays, by the name of their type."""
    yield "bool", np.array([True, False])
    for code in "bhilqBHILQ":
        yield f"{np.dtype(code).name} ({code!r})", np.array([1, 2], code)
    for code in "efd":
        yield np.dtype(code).name, np.array([1.5, np.nan], code)
    yield "complex64", np.array([1 + 2j, 3], "F")
    yield "complex128", np.array([1 + 2j, 3], "D")
    yield "int32, big-endian", np.array([1, 2], ">i4")
    yield "text of one length (U)", np.array(["a", "bcd"])
    yield "bytes of one length (S)", np.array([b"a", b"bc"])
    yield "StringDType", np.array(["a", "ü"], np.dtypes.StringDType())
    yield "datetime64", np.array(["2026-01-01", "NaT"], "M8[ns]")
    yield "timedelta64", np.array([1, 2], "m8[ms]")
    yield "structured", np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")])
    yield "a number", 5.0
    yield "float128", np.array([1.5], np.longdouble)
    yield "object", np.array(["a", None], object)
    yield "rows of different lengths", [[1], [2, 3]]
    yield "masked", np.ma.array([1, 2], mask=[0, 1])


def outcome(lake: Any, column: pa.Array) -> tuple[str, str, str]:
    """How a column is stored, and as what SQL shows it; or the refusal."""
    try:
        with lake.transaction("write") as tx:
            tx.write_table("t", pa.table({"c": column}))
    except neurolake.InputError as error:
        return "refused", "", str(error)
    stored = lake["t"].to_arrow()["c"].type
    shown = lake.sql("select typeof(c) from t limit 1").fetchall()[0][0].lower()
    lossy = "SQL rounds it" if pa.types.is_decimal256(stored) else ""
    return str(stored).replace("element: ", "").replace("item: ", ""), shown, lossy


def page() -> str:
    """The text of docs/types.md."""
    lines = [
        "# Types",
        "",
        "What becomes of a column or an array that is given in some type; tests make this page of what a lake does. Values are the same",
        "in every reader, unless the last column says otherwise. Equal content has one stored form, so that it is stored once.",
        "",
        "## Columns",
        "",
        "| given | stored | SQL | |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        lake = neurolake.create(Path(folder) / "lake", durable=False)
        for name, column in columns():
            cells = (name, *outcome(lake, column))
            lines.append(
                f"| {' | '.join(f'`{cell}`' if cell and at < 3 else cell for at, cell in enumerate(cells))} |"
            )
        lines += [
            "",
            "SQL does not tell letters by case: of columns `a` and `A` of one table the second is called `A_1` there.",
            "",
            "## Arrays",
            "",
            "| given | stored | |",
            "|---|---|---|",
        ]
        for name, values in arrays():
            try:
                with lake.transaction("write") as tx:
                    tx.write_array("a", values)
                lines.append(f"| {name} | `{str(lake['a'].dtype).lstrip('|')}` | |")
            except neurolake.InputError as error:
                lines.append(f"| {name} | refused | {error} |")
    lines += [
        "",
        "## Attributes, notes and parameters",
        "",
        "Text, numbers, truth values, null, lists, and objects whose keys are text or numbers. NumPy's scalars are taken as Python's, small",
        "arrays as lists, dates and times as their ISO 8601 text, paths as text. All else is refused.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
