"""Tables whose columns grow, widen and change names; rows deleted and replaced by a condition."""

from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurolake.lake import Lake
from neurolake.lake.errors import InputError, NotFoundError
from neurolake.lake.objects.store import ObjectStore

field = pds.field
FIRST = pa.table({"trial": pa.array([1, 2, 3], pa.int32()), "site": ["a", "b", None]})
SECOND = pa.table({"trial": pa.array([10**12, 5], pa.int64()), "site": ["p", "q"]})


@pytest.fixture
def table(lake: Lake) -> Lake:
    with lake.transaction("write") as tx:
        tx.write_table("t", FIRST)
    with lake.transaction("append") as tx:
        tx.append_table("t", SECOND)
    return lake


def rows(lake: Lake) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in lake["t"].to_arrow().to_pylist()]


class TestEvolution:
    def test_a_wider_type_widens_the_column(self, table: Lake) -> None:
        assert rows(table) == [(1, "a"), (2, "b"), (3, None), (10**12, "p"), (5, "q")]
        assert table["t"].schema().field("trial").type == pa.int64()

    def test_a_narrower_type_fits(self, table: Lake) -> None:
        with table.transaction("narrow") as tx:
            tx.append_table("t", pa.table({"trial": pa.array([7], pa.int8()), "site": ["r"]}))
        assert table["t"].schema().field("trial").type == pa.int64()
        assert rows(table)[-1] == (7, "r")

    @pytest.mark.parametrize(
        ("kind", "value"), [(pa.string(), "1"), (pa.float64(), 1.0), (pa.bool_(), True), (pa.uint64(), 1)]
    )
    def test_a_type_that_cannot_widen_is_refused(self, table: Lake, kind: pa.DataType, value: object) -> None:
        other = pa.table({"trial": pa.array([value], kind)})
        with (
            table.transaction("clash") as tx,
            pytest.raises(InputError, match=r"column 'trial' is int64.*neither holds all values"),
        ):
            tx.append_table("t", other)
        assert len(rows(table)) == 5

    def test_a_new_column_is_null_before(self, table: Lake) -> None:
        with table.transaction("grow") as tx:
            tx.append_table("t", pa.table({"trial": [9], "depth": [1.5]}))
        assert table["t"].columns == ["trial", "site", "depth"]
        assert rows(table)[-2:] == [(5, "q", None), (9, None, 1.5)]

    def test_renamed(self, table: Lake) -> None:
        with table.transaction("rename") as tx:
            tx.rename_columns("t", {"trial": "trial_id"})
        assert table["t"].columns == ["trial_id", "site"]
        assert table["t"].to_arrow(["trial_id"])["trial_id"].to_pylist() == [1, 2, 3, 10**12, 5]
        assert table.at("main~1")["t"].columns == ["trial", "site"]

    @pytest.mark.parametrize("names", [{"nowhere": "x"}, {"trial": "site"}])
    def test_wrong_names_are_refused(self, table: Lake, names: dict[str, str]) -> None:
        with table.transaction("rename") as tx, pytest.raises(InputError, match="column"):
            tx.rename_columns("t", names)
        assert tx.committed is None


class TestRows:
    def test_deleted(self, table: Lake) -> None:
        before = {entry.digest for entry in table["t"].files}
        with table.transaction("delete") as tx:
            assert tx.delete_rows("t", field("trial") > 4) == 2
        assert rows(table) == [(1, "a"), (2, "b"), (3, None)]
        assert {entry.digest for entry in table["t"].files} < before

    def test_null_does_not_match(self, table: Lake) -> None:
        with table.transaction("delete") as tx:
            assert tx.delete_rows("t", field("site") != "a") == 3
        assert rows(table) == [(1, "a"), (3, None)]

    def test_nothing_matches(self, table: Lake) -> None:
        with table.transaction("delete") as tx:
            assert tx.delete_rows("t", field("trial") == 99) == 0
        assert tx.committed is None

    def test_all_match(self, table: Lake) -> None:
        with table.transaction("delete") as tx:
            assert tx.delete_rows("t", field("trial") > 0) == 5
        assert rows(table) == [] and table["t"].columns == ["trial", "site"]

    def test_replaced(self, table: Lake) -> None:
        with table.transaction("replace") as tx:
            assert tx.replace_rows("t", pa.table({"trial": [2], "site": ["B"]}), field("trial") == 2) == 1
        assert rows(table) == [(1, "a"), (3, None), (10**12, "p"), (5, "q"), (2, "B")]

    def test_appending_commutes_with_deleting(self, table: Lake) -> None:
        deleting, appending = table.transaction("delete"), table.transaction("append")
        deleting.delete_rows("t", field("trial") == 1)
        appending.append_table("t", pa.table({"trial": [8], "site": ["new"]}))
        appending.commit()
        deleting.commit()
        assert rows(table) == [(2, "b"), (3, None), (10**12, "p"), (5, "q"), (8, "new")]

    def test_no_table(self, table: Lake) -> None:
        with table.transaction("delete") as tx, pytest.raises(NotFoundError, match="no table 'u'"):
            tx.delete_rows("u", field("trial") == 1)

    def test_wrong_condition(self, table: Lake) -> None:
        with (
            table.transaction("delete") as tx,
            pytest.raises(InputError, match="cannot be filtered by this condition"),
        ):
            tx.delete_rows("t", field("nowhere") == 1)


class TestPruning:
    def test_files_that_cannot_match_are_not_opened(
        self, table: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ruled_out, read = table["t"].files[1].digest, ObjectStore.read

        def checked(self: ObjectStore, digest: Any, *where: Any) -> bytes:
            assert digest != ruled_out
            return read(self, digest, *where)

        monkeypatch.setattr(ObjectStore, "read", checked)
        assert table["t"].to_arrow(where=field("trial") < 4).num_rows == 3
        assert table["t"].to_arrow(where=field("site").isin(["a", "zz"])).num_rows == 1

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        files=st.lists(
            st.lists(
                st.tuples(st.none() | st.integers(-5, 5), st.sampled_from([-1.0, 0.5, float("nan"), None]))
            ),
            min_size=1,
            max_size=4,
        ),
        low=st.integers(-6, 6),
        negated=st.booleans(),
    )
    def test_pruning_changes_no_answer(
        self, lake: Lake, files: list[list[tuple[int | None, float | None]]], low: int, negated: bool
    ) -> None:
        schema = pa.schema([("i", pa.int64()), ("x", pa.float64())])
        parts = [pa.Table.from_pylist([{"i": i, "x": x} for i, x in part], schema) for part in files]
        with lake.transaction("write") as tx:
            tx.write_table("t", parts[0])
            for part in parts[1:]:
                tx.append_table("t", part)
        for where in (field("i") >= low, (field("x") > 0) & (field("i") < low), field("i").is_null()):
            condition = ~where if negated else where
            expected = pa.concat_tables(parts).filter(condition)
            assert str(lake["t"].to_arrow(where=condition).to_pylist()) == str(expected.to_pylist())
