"""Parameter files: both dialects, every refusal, and the table that loses nothing."""

import ast
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.ingest.text.parameters import DEEPEST, SCHEMA, flatten, parse_parameters, unflatten
from neurolake.lake.errors import IngestError

DISPLAY = b"""
  # Parameters
  {   # a comment, and a file that begins with an indented line
    'info': {"name": 'a.b', 'date': None,},
    "network": {
        "L5tt_C2": {
            "cellNr": 12,
            'intervals': [(0.0, 1.0), (-2.5, +3)],
            "weights": (1.5, True, False,),
        },
    },
}

"""
PARSED = {
    "info": {"name": "a.b", "date": None},
    "network": {
        "L5tt_C2": {
            "cellNr": 12,
            "intervals": [[0.0, 1.0], [-2.5, 3]],
            "weights": [1.5, True, False],
        }
    },
}


def test_reads_both_dialects() -> None:
    assert parse_parameters(DISPLAY, "a.param") == PARSED
    assert parse_parameters(json.dumps(PARSED, indent=4).encode(), "a.param") == PARSED
    assert parse_parameters(b"\xef\xbb\xbf{}", "a.param") == {}


def test_reads_json_names_among_trailing_commas() -> None:
    values = parse_parameters(b"{'a': null, 'b': true, 'c': false, 'd': Infinity, 'e': -NaN,}", "a.param")
    assert math.isnan(values.pop("e"))
    assert values == {"a": None, "b": True, "c": False, "d": math.inf}


def test_keeps_backslashes_of_windows_paths() -> None:
    assert parse_parameters(rb"{'file': 'C:\data',}", "a.param") == {"file": "C:\\data"}


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "neither JSON nor a Python dictionary"),
        (b"{\n'a': 1\n'b': 2}", 2, "neither JSON nor a Python dictionary"),
        (b"{\n'a': 1,\n", 1, "was never closed"),
        (b"{\n'a': (1,\n2}", 3, "does not match"),
        (b"{'a': 1}\n)", 2, "unmatched"),
        (b"{'a': 1}\n{'b': 2}", 2, "neither JSON nor a Python dictionary"),
        (b"[1, 2]", 1, "expected a dictionary of parameters, found a list"),
        (b"{}), ({}", 1, "unmatched"),
        (b"1.5", 1, "expected a dictionary of parameters, found a float"),
        (b"{'a':\n __import__('os').system('true')}", 2, "expected a number"),
        (b"{'a':\n\n open}", 3, "expected a number"),
        (b"{'a': 1,\n 'b': {1, 2}}", 2, "expected a number"),
        (b"{'a': 1,\n 'b': b'x'}", 2, "expected a number"),
        (b"{'a': 1 + 2j}", 1, "expected a number"),
        (b"{'a': -'x'}", 1, "expected a number"),
        (b"{'a': -True}", 1, "expected a number"),
        (b"{'a': f'{1}'}", 1, "expected a number"),
        (b"{'a': 1,\n 2: 3}", 2, "the name of a parameter must be text"),
        (b"{'a': 1,\n **{}}", 1, "the name of a parameter must be text"),
        (b"{'a': 1,\n'b': '\xff'}", 2, "not UTF-8"),
        (b'{"a": "\\ud800"}', None, "surrogate"),
        (b'{"\\udfff": 1}', None, "surrogate"),
        (b'{"a": [1' + b"0" * 400 + b"]}", None, "beyond the range of float64"),
        (b"{'a': 0x" + b"f" * 5000 + b"}", None, "beyond the range of float64"),
    ],
)
def test_refuses(data: bytes, line: int | None, reason: str) -> None:
    with pytest.raises(IngestError) as caught:
        parse_parameters(data, "folder/a.param")
    assert reason in caught.value.reason
    assert (caught.value.path, caught.value.line) == ("folder/a.param", line)


def test_refuses_null_characters() -> None:
    with pytest.raises(IngestError, match="null bytes"):
        parse_parameters(b"{'a': 1}\x00", "a.param")


@pytest.mark.parametrize("depth", [DEEPEST, 150, 1_000, 100_000])
@pytest.mark.parametrize("end", ["", ","], ids=["json", "display"])
def test_refuses_absurd_nesting(depth: int, end: str) -> None:
    data = ('{"a": ' * depth + "[1" + end + "]" + "}" * depth).encode()
    with pytest.raises(IngestError, match=r"nested|neither"):
        parse_parameters(data, "a.param")


def test_refuses_absurd_signs() -> None:
    with pytest.raises(IngestError):
        parse_parameters(b"{'a': " + b"-" * 100_000 + b"1}", "a.param")


def test_the_deepest_allowed_can_be_a_table() -> None:
    data = ('{"a": ' * (DEEPEST - 1) + "[1]" + "}" * (DEEPEST - 1)).encode()
    parameters = parse_parameters(data, "a.param")
    assert unflatten(flatten(parameters)) == parameters


def test_flatten_gives_a_row_per_leaf() -> None:
    table = flatten(
        PARSED | {"x.y": {"k[0]": 1e300, "back\\slash": {}}, "list": [1, {"a": "b"}, [2]], "e": []}
    )
    assert table.schema == SCHEMA
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("info.name", "text", None, "a.b"),
        ("info.date", "null", None, "null"),
        ("network.L5tt_C2.cellNr", "int", 12.0, "12"),
        ("network.L5tt_C2.intervals", "list", None, "[[0.0, 1.0], [-2.5, 3]]"),
        ("network.L5tt_C2.weights", "list", None, "[1.5, true, false]"),
        (r"x\.y.k\[0]", "float", 1e300, "1e+300"),
        (r"x\.y.back\\slash", "dict", None, "{}"),
        ("list[0]", "int", 1.0, "1"),
        ("list[1].a", "text", None, "b"),
        ("list[2]", "list", None, "[2]"),
        ("e", "list", None, "[]"),
    ]


def test_flatten_refuses_what_no_file_holds() -> None:
    with pytest.raises(ValueError, match="a parameter of type complex"):
        flatten({"a": 1j})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("a[x]", "int", "1")], "not a parameter path"),
        ([("a\\", "int", "1")], "not a parameter path"),
        ([("a", "set", "1")], "not a type of parameter"),
        ([("a", "int", "1"), ("a.b", "int", "1")], "a value and a group"),
        ([("a.b", "int", "1"), ("a", "int", "1")], "given twice"),
        ([("a[1]", "int", "1")], "items of a list are missing"),
        ([("a[0]", "int", "1"), ("a.b", "int", "1")], "items of a list are missing"),
    ],
)
def test_unflatten_refuses_other_tables(rows: list[tuple[str, str, str]], reason: str) -> None:
    table = pa.Table.from_pylist([dict(zip(("path", "type", "text"), row, strict=True)) for row in rows])
    with pytest.raises(ValueError, match=reason):
        unflatten(table)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.text(".[]\\0a", max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
parameter_sets = st.dictionaries(names, values, max_size=4)


def same(left: Any, right: Any) -> bool:
    """Equality that tells 1 from 1.0 and True, and minds the order of names."""
    return repr(left) == repr(right)


@given(parameter_sets)
def test_unflatten_is_the_inverse_of_flatten(parameters: dict[str, Any]) -> None:
    table = flatten(parameters)
    assert same(unflatten(table), parameters)
    paths = table.column("path").to_pylist()
    assert len(set(paths)) == len(paths)


@given(parameter_sets)
def test_what_is_written_in_either_dialect_is_read_back(parameters: dict[str, Any]) -> None:
    assert same(parse_parameters(json.dumps(parameters).encode(), "a.param"), parameters)
    # repr writes inf as a name that is in no dialect
    if "inf" not in repr(parameters):
        assert same(parse_parameters(repr(parameters).encode(), "a.param"), parameters)


@given(st.text(max_size=20) | st.text("{}[]()'\",:1.a#\n-", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        data = ("{" + text + "}").encode()
    except UnicodeEncodeError:
        return
    try:
        parameters = parse_parameters(data, "a.param")
    except IngestError:
        return
    assert same(unflatten(flatten(parameters)), parameters)


def test_nan_survives() -> None:
    assert same(unflatten(flatten({"a": math.nan, "b": [math.nan]})), {"a": math.nan, "b": [math.nan]})


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def test_real_files_agree_with_other_readers(isf_data: Path) -> None:
    files = sorted(isf_data.rglob("*.param"))
    assert len(files) > 100
    dialects = set()
    for file in files[:: len(files) // 40] + [file for file in files if "simrun" in str(file)]:
        text = file.read_text()
        try:
            expected, dialect = json.loads(text), "json"
        except ValueError:
            expected, dialect = ast.literal_eval(text), "display"
        parameters = parse_parameters(file.read_bytes(), file)
        assert same(parameters, _lists(expected))
        assert same(unflatten(flatten(parameters)), parameters)
        dialects.add(dialect)
    assert dialects == {"json", "display"}
