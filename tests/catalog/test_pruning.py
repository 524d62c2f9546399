"""Queries get only the files that bounds leave, and the same answers as if they got all."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurolake
from neurolake import CorruptObjectError, QueryError
from neurolake.catalog.pruning import pruned_files

FILES, ROWS = 12, 5


def rows(file: int) -> pa.Table:
    """Five trials to a file; other columns are not in order, one has nulls, one has them in all rows of some files."""
    trials = [10 * file + at * 2 for at in range(ROWS)]
    return pa.table(
        {
            "trial_id": trials,
            "Other": pa.array(
                [None if at == file % ROWS else (7 * at) % 11 - 5 for at in range(ROWS)], pa.int32()
            ),
            "text": [str(trial) for trial in trials],
            "real": [trial / 4 for trial in trials],
            "late": pa.array([trial if file > 6 else None for trial in trials], pa.int16()),
        }
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = neurolake.create(tmp_path_factory.mktemp("pruning") / "lake", durable=False)
    with made.transaction("fill") as tx:
        for file in range(FILES):
            tx.append_table("acts", rows(file))
        tx.write_table("whole", pa.concat_tables(map(rows, range(FILES)), promote_options="permissive"))
        tx.write_table("trials", pa.table({"trial_id": list(range(0, 120, 3)), "seed": list(range(40))}))
    return made


def needed(lake: Any, sql: str, **parameters: Any) -> list[int] | None:
    """Numbers of the files of ``acts`` that a query needs; None for all."""
    table = lake.head.tables["acts"]
    kept = pruned_files(duckdb.connect(), sql, parameters, {"acts": table}).get("acts")
    return None if kept is None else [table.files.index(entry) for entry in kept]


@pytest.mark.parametrize(
    ("condition", "files"),
    [
        ("trial_id = 34", [3]),
        ("34 = trial_id", [3]),
        ("TRIAL_ID = 34", [3]),
        ("acts.trial_id = 34", [3]),
        ("trial_id between 28 and 41", [2, 3, 4]),
        ("trial_id > 98 and trial_id <= 110", [10, 11]),
        ("98 < trial_id", [10, 11]),
        ("trial_id in (5, 18, 8)", [0, 1]),
        ("trial_id = $t", [5]),
        ("trial_id < 20 and other = 3 and real > 1", [0, 1]),
        ("trial_id = 34 and (real > 1 or text = 'a')", [3]),
        ("trial_id = 9", [0]),
        ("late = 80", [0, 1, 2, 3, 4, 5, 6, 8]),
        # Of these it understands nothing, and needs all.
        ("trial_id = 34 or real > 1", None),
        ("not trial_id = 34", None),
        ("trial_id <> 34", None),
        ("trial_id = 34.0", None),
        ("trial_id + 1 = 34", None),
        ("text = '34'", None),
        ("real = 1", None),
        ("trial_id in (1, real)", None),
        ("trial_id = (select 34)", None),
        ("trial_id = 9007199254740993", None),
    ],
)
def test_of_conditions(lake: Any, condition: str, files: list[int] | None) -> None:
    sql = f"select * from acts where {condition}"
    assert needed(lake, sql, t=52) == files
    given_ = {"t": 52} if "$t" in condition else {}
    whole = lake.sql(sql.replace("acts", "whole"), **given_).fetchall()
    assert sorted(map(str, lake.sql(sql, **given_).fetchall())) == sorted(map(str, whole))


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("from acts where trial_id = 34", [3]),
        ("select a.real from acts a where a.trial_id = 34", [3]),
        ("select x from (select real x from acts where trial_id = 34)", [3]),
        (
            "with q as (select * from acts where trial_id = 34) select q.real from q join trials using (trial_id)",
            [3],
        ),
        ("select real from acts join trials using (trial_id) where acts.trial_id = 36", [3]),
        (
            "select count(*) from trials left join acts a on a.trial_id = trials.trial_id where a.trial_id < 20",
            [0, 1],
        ),
        ("select (select max(real) from acts where trial_id = 34)", [3]),
        ("select real from acts where trial_id = 34 union all select 1.5", [3]),
        # A name without a table may be of either; a name may be of two tables, or of none of ours.
        ("select real from acts join trials using (trial_id) where trial_id = 36", None),
        ("select count(*) from acts a, acts b where a.trial_id = 34 and b.trial_id = 50", None),
        ("with acts as (select 34 trial_id) select * from acts where trial_id = 34", None),
        ("select * from main.acts where trial_id = 34", None),
        ("select * from acts a(x) where a.x = 34", None),
        ("select count(*) from acts tablesample 50% (bernoulli, 1) where trial_id = 34", None),
        ("select count(*) from trials semi join acts using (trial_id) where trial_id = 36", None),
        ("select * from acts positional join trials where acts.trial_id = 34", None),
        (
            "select * from acts asof join trials on acts.trial_id >= trials.trial_id where acts.trial_id = 34",
            None,
        ),
        ("select real from acts qualify row_number() over (order by real) = 1", None),
        ("select trial_id from acts group by trial_id having trial_id = 34", None),
    ],
)
def test_of_statements(lake: Any, sql: str, files: list[int] | None) -> None:
    assert needed(lake, sql) == files
    if "tablesample" not in sql:
        theirs = lake.sql(re.sub(r"\bacts\b", "whole", sql)).fetchall()
        assert sorted(map(str, lake.sql(sql).fetchall())) == sorted(map(str, theirs))


NUMBERS = st.integers(-5, 130)
CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(
            st.sampled_from(["trial_id", "other", "late", "real", "t.trial_id"]),
            st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]),
            NUMBERS,
        ).map(lambda parts: f"{parts[0]} {parts[1]} {parts[2]}"),
        st.tuples(NUMBERS, st.sampled_from(["=", "<", ">="])).map(
            lambda parts: f"{parts[0]} {parts[1]} trial_id"
        ),
        st.tuples(NUMBERS, NUMBERS).map(lambda ends: f"trial_id between {ends[0]} and {ends[1]}"),
        st.lists(NUMBERS, min_size=1, max_size=3).map(lambda them: f"other in ({', '.join(map(str, them))})"),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=40)
@given(condition=CONDITIONS)
def test_answers_are_those_of_all_files(lake: Any, condition: str) -> None:
    sql = f"select * from acts t where {condition}"
    ours, theirs = lake.sql(sql).fetchall(), lake.sql(sql.replace("acts", "whole")).fetchall()
    assert sorted(map(str, ours)) == sorted(map(str, theirs))


@pytest.mark.usefixtures("own_files")
def test_other_files_are_not_even_opened(lake: Any, tmp_path: Path) -> None:
    copy = neurolake.create(tmp_path / "copy", durable=False)
    for entry in lake["acts"].files:
        with copy.transaction("the same") as tx:
            tx.append_table("acts", lake["acts"].rows_of(entry))
    paths = copy["acts"].unverified_paths()
    for at, path in enumerate(paths):
        if at != 3:
            path.chmod(0o644)
            path.unlink()
    assert copy.sql("select real from acts where trial_id = 34").fetchall() == [(8.5,)]
    with pytest.raises(CorruptObjectError):
        copy.sql("select count(*) from acts").fetchall()
    with pytest.raises(CorruptObjectError):
        copy.sql("select real from acts where trial_id = 44").fetchall()


def test_tables_that_grew_columns_need_all_files(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("grow") as tx:
        for file in range(6):
            tx.append_table("acts", pa.table({"trial_id": [file], **({"late": [1]} if file > 3 else {})}))
    assert needed(lake, "select * from acts where trial_id = 1") is None
    assert lake.sql("select * from acts where trial_id = 1").fetchall() == [(1, None)]


def test_queries_do_not_see_the_files_of_others(lake: Any) -> None:
    one = lake.sql("select count(*) from acts where trial_id = 34")
    everything = lake.sql("select count(*) from acts")
    other = lake.sql("select count(*) from acts where trial_id between 28 and 41")
    assert [each.fetchall() for each in (other, everything, one, everything)] == [
        [(7,)],
        [(60,)],
        [(1,)],
        [(60,)],
    ]


def test_mistakes_are_told_as_ever(lake: Any) -> None:
    with pytest.raises(QueryError, match="trial_id"):
        lake.sql("select * from acts where trial_od = 34")
    with pytest.raises(QueryError, match="syntax"):
        lake.sql("select * from acts where trial_id = = 34")
    with pytest.raises(QueryError):
        lake.sql("select * from acts where trial_id = $missing").fetchall()
