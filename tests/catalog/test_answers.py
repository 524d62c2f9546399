"""Answers: whatever fails when rows are fetched is neurolake's error, with the query (B4)."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import neurolake as nl
from neurolake.catalog.answers import Answer
from neurolake.lake.errors import MalformedError, NeurolakeError, QueryError
from neurolake.query.lake import Lake

# Fine to plan; fails on the last row.
FAILS = "select if(i = 99999, 'x', '1')::int as n from range(100000) r(i)"

FETCHES: dict[str, Callable[[Any], Any]] = {
    "fetchall": lambda answer: answer.fetchall(),
    "df": lambda answer: answer.df(),
    "fetchnumpy": lambda answer: answer.fetchnumpy(),
    "to_arrow_table": lambda answer: answer.to_arrow_table(),
    "to_arrow_reader": lambda answer: answer.to_arrow_reader().read_all(),
    "batches": lambda answer: list(answer.to_arrow_reader(1000)),
    "materialize": lambda answer: answer.materialize(),
    "filter": lambda answer: answer.filter("n > 0").order("n").fetchall(),
    "aggregate": lambda answer: answer.aggregate("max(n)").df(),
    "show": repr,
    "join": lambda answer: answer.union(answer).fetchall(),
    "column": lambda answer: answer["n"].fetchall(),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake: Lake = nl.create(tmp_path_factory.mktemp("answers") / "lake", durable=False)
    with lake.transaction("some") as tx:
        tx.write_table("t", pa.table({"x": np.arange(1000), "s": ["1"] * 999 + ["x"]}))
        tx.write_array("a", np.zeros((3, 4)), dimension_names=("trial", "time"))
        tx.write_array("a.time", np.arange(4.0), dimension_names=("time",))
    return lake


@pytest.mark.parametrize("fetch", FETCHES)
def test_b4_errors_when_rows_are_fetched(lake: Lake, fetch: str) -> None:
    answer = lake.sql(FAILS)
    if fetch == "show":
        answer = lake.sql("select error('no') as n")
    with pytest.raises(QueryError, match=r"in: select (if\(i = 99999|error)"):
        FETCHES[fetch](answer)


def test_b4_each_question_stands_alone(lake: Lake) -> None:
    for _ in range(3):
        with pytest.raises(QueryError, match="Could not convert string 'x'"):
            lake.sql("select sum(s::int) from t").fetchall()
        assert lake.sql("select count(*), sum(x) from t").fetchall() == [(1000, 499500)]
        assert lake.sql("select count(*) from nodes").fetchall() == [(3,)]


def test_b4_errors_of_our_own_functions_keep_their_kind(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise MalformedError("array 'a': chunk c/0/0 has its digest, but no")

    monkeypatch.setattr(nl.lake.Array, "read_box", broken)
    answer = lake.sql("select sum(value) from trace('a')")
    with pytest.raises((MalformedError, QueryError), match="chunk c/0/0 has its digest"):
        answer.fetchall()


def test_b4_an_interruption_is_an_error_of_the_query(lake: Lake) -> None:
    snapshot = lake.head
    answer = snapshot.sql("select count(*) from range(100000) a, range(100000) b, range(1000) c")
    timer = threading.Timer(0.5, snapshot.interrupt)
    timer.start()
    try:
        with pytest.raises(QueryError, match=r"(?i)interrupt"):
            answer.fetchall()
    finally:
        timer.cancel()


def test_answers_are_what_relations_are(lake: Lake) -> None:
    answer = lake.sql("select x, s from t order by x")
    assert answer.columns == ["x", "s"] and len(answer) == 1000 and "x" in answer
    assert answer.filter("x < 2").fetchall() == [(0, "1"), (1, "1")]
    assert isinstance(answer.limit(1), Answer)
    assert set(dir(duckdb.DuckDBPyRelation)) <= set(dir(answer))
    pd.testing.assert_frame_equal(answer.df(), lake["t"].to_pandas())
    assert answer.to_arrow_table().equals(
        lake["t"].to_arrow().replace_schema_metadata(), check_metadata=False
    )
    reader = lake.sql("select x from t").to_arrow_reader(100)
    assert sum(batch.num_rows for batch in reader) == 1000
    with pytest.raises(AttributeError, match="nothing"):
        _ = answer.nothing


def test_an_answer_outlives_lake_and_reader(tmp_path: Path) -> None:
    lake: Lake = nl.create(tmp_path / "lake", durable=False)
    with lake.transaction("an array") as tx:
        tx.write_array("a", np.ones((3, 4)), dimension_names=("trial", "time"))
        tx.write_array("a.time", np.arange(4.0), dimension_names=("time",))
    reader = lake.sql("select * from trace('a')").filter("value > 0").to_arrow_reader()
    del lake
    assert reader.read_all().num_rows == 12


@pytest.mark.parametrize(
    "query", ["", ";", "select", "\x00", "select 1; select 2", "drop table t", "é\u2028select"]
)
def test_queries_that_are_none(lake: Lake, query: str) -> None:
    with pytest.raises(NeurolakeError):
        lake.sql(query).fetchall()


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, 10**400, b"\xff", float("nan"), np.int64(3), [1, "x"], {1, 2}, lambda: 1],
)
def test_values_of_parameters(lake: Lake, value: Any) -> None:
    try:
        lake.sql("select $value", value=value).fetchall()
    except NeurolakeError as error:
        assert "$value" in str(error)
