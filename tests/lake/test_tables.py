"""Tables: Parquet files in one encoding, their fields, statistics and reading."""

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.lake import Lake, Table
from neurolake.lake.data.parquet import ParquetBuffer, add_file
from neurolake.lake.errors import CorruptObjectError, InputError
from neurolake.lake.nodes.entry import Entry
from neurolake.lake.nodes.fields import fields_of
from neurolake.lake.objects.store import ObjectWriter

SPIKES = pa.table(
    {"trial": pa.array([1, 1, 2], pa.int32()), "time": [0.5, 1.5, 2.5], "cell": ["a", "b", "a"]}
)


def reread(lake: Lake, name: str = "t") -> Table:
    found = Lake.open(lake.url)[name]
    assert isinstance(found, Table)
    return found


def write(lake: Lake, table: Any, **keywords: Any) -> Table:
    with lake.transaction("write") as tx:
        tx.write_table("t", table, **keywords)
    return reread(lake)


class TestWriting:
    def test_round_trip(self, lake: Lake) -> None:
        table = write(lake, SPIKES, doc="one spike", sorted_by=["trial"], attributes={"unit": "ms"})
        assert table.to_arrow().equals(SPIKES)
        assert (table.rows, len(table), table.columns) == (3, 3, ["trial", "time", "cell"])
        assert (table.doc, table.sorted_by, table.evolved) == ("one spike", ["trial"], False)
        assert "3 rows, 3 columns, 1 files" in repr(table)
        assert [field["type"] for field in table.fields] == ["int32", "double", "string"]

    def test_every_type(self, lake: Lake) -> None:
        values = pa.table(
            {
                "bool": [True, None],
                "f4": pa.array([1.5, None], pa.float32()),
                "u8": pa.array([2**64 - 1, 0], pa.uint64()),
                "bytes": [b"x", None],
                "day": [date(2026, 11, 20), None],
                "moment": pa.array([1, None], pa.timestamp("us", "UTC")),
                "list": [[1, 2], None],
                "struct": [{"x": 1}, None],
                "decimal": pa.array([None, None], pa.decimal128(10, 2)),
            }
        )
        assert write(lake, values).to_arrow().equals(values)

    def test_equal_content_has_one_form(self, lake: Lake) -> None:
        """Dictionaries, large strings, chunks and pandas' index do not show."""
        frame = SPIKES.to_pandas().set_index(pd.Index([7, 8, 9]))
        variants = [
            SPIKES,
            SPIKES.set_column(2, "cell", SPIKES["cell"].dictionary_encode()),
            SPIKES.set_column(2, "cell", SPIKES["cell"].cast(pa.large_string())),
            pa.concat_tables([SPIKES[:1], SPIKES[1:]]),
            frame,
            frame.assign(cell=frame["cell"].astype("category")),
        ]
        digests = set()
        for variant in variants:
            tx = lake.transaction("never committed")
            tx.write_table("t", variant)
            table = tx.table("t")
            assert table is not None
            digests.add(table.digest)
        assert len(digests) == 1

    def test_documentation_of_fields(self, lake: Lake) -> None:
        field = pa.field("time", pa.float64(), metadata={"unit": "ms", "doc": "of the spike"})
        table = write(lake, pa.table({"time": [1.0]}, schema=pa.schema([field])))
        assert table.fields == [
            {"name": "time", "type": "double", "nullable": True, "doc": {"doc": "of the spike", "unit": "ms"}}
        ]
        assert table.schema().field("time").metadata == {b"unit": b"ms", b"doc": b"of the spike"}

    def test_empty(self, lake: Lake) -> None:
        table = write(lake, SPIKES[:0])
        assert table.rows == 0 and table.to_arrow().equals(SPIKES[:0])
        with lake.transaction("append") as tx:
            tx.append_table("t", SPIKES[:0])
        assert tx.committed is None
        with lake.transaction("append") as tx:
            tx.append_table("t", SPIKES)
        assert reread(lake).to_arrow().equals(SPIKES)

    def test_overwrite(self, lake: Lake) -> None:
        write(lake, SPIKES)
        other = pa.table({"x": [1]})
        assert write(lake, other).to_arrow().equals(other)
        assert lake.at("main~1")["t"].to_arrow().equals(SPIKES)

    @pytest.mark.parametrize("table", [None, {"x": [1]}, [1, 2], np.ones(3)])
    def test_not_a_table(self, lake: Lake, table: Any) -> None:
        with pytest.raises(InputError, match=r"pyarrow\.Table or a pandas.DataFrame"):
            lake.transaction("write").write_table("t", table)

    def test_two_columns_of_one_name(self, lake: Lake) -> None:
        twice = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
        with pytest.raises(InputError, match="different names; two are called 'x'"):
            lake.transaction("write").write_table("t", twice)


class TestAppend:
    def test_rows_follow(self, lake: Lake) -> None:
        for _ in range(3):
            with lake.transaction("append") as tx:
                tx.append_table("t", SPIKES, doc="one spike")
        table = reread(lake)
        assert table.to_arrow().equals(pa.concat_tables([SPIKES] * 3).combine_chunks())
        assert len(table.files) == 3 and table.doc == "one spike" and not table.evolved

    def test_in_one_transaction(self, lake: Lake) -> None:
        with lake.transaction("append") as tx:
            for _ in range(3):
                tx.append_table("t", SPIKES)
        assert reread(lake).rows == 9

    def test_new_columns_read_as_nulls_before(self, lake: Lake) -> None:
        write(lake, SPIKES)
        wider = pa.table({"weight": [0.1], "trial": pa.array([3], pa.int32())})
        with lake.transaction("append") as tx:
            tx.append_table("t", wider)
        table = reread(lake)
        assert table.evolved and table.columns == ["trial", "time", "cell", "weight"]
        assert table.to_arrow().to_pylist() == [
            *({**row, "weight": None} for row in SPIKES.to_pylist()),
            {"trial": 3, "time": None, "cell": None, "weight": 0.1},
        ]
        found = table.to_arrow(["weight"], pds.field("trial") == 3)
        assert found.to_pylist() == [{"weight": 0.1}]

    def test_type_clash(self, lake: Lake) -> None:
        write(lake, SPIKES)
        clash = SPIKES.set_column(0, "trial", pa.array(["1", "2", "3"]))
        with (
            lake.transaction("append") as tx,
            pytest.raises(InputError, match="column 'trial' is int32, what is appended has string"),
        ):
            tx.append_table("t", clash)
        assert tx.committed is None

    def test_to_what_is_no_table(self, lake: Lake) -> None:
        tx = lake.transaction("append")
        tx.put_file("f", b"x")
        with pytest.raises(InputError, match="'f' is of kind 'file', not a table"):
            tx.append_table("f", SPIKES)
        assert tx.table("f") is None and tx.table("absent") is None

    def test_a_table_has_files(self, lake: Lake) -> None:
        tx = lake.transaction("append")
        with pytest.raises(InputError, match="needs a file to begin with"):
            tx.append_files("t", [], fields_of(SPIKES.schema))
        tx.write_table("t", SPIKES)
        tx.append_files("t", [], fields_of(SPIKES.schema))
        tx.commit()
        assert reread(lake).to_arrow().equals(SPIKES)

    def test_files_of_workers(self, lake: Lake) -> None:
        """A worker writes and flushes; the transaction only learns the entries."""
        writer = ObjectWriter(lake.storage)
        entries = []
        for part in (SPIKES[:1], SPIKES[1:]):
            buffer = ParquetBuffer(SPIKES.schema)
            buffer.write(part)
            entries.append(add_file(buffer.finish(), writer))
        writer.flush()
        sent = [Entry.from_json(entry.to_json(0)) for entry in entries]
        with lake.transaction("gather") as tx:
            tx.append_files("t", sent, fields_of(SPIKES.schema), doc="one spike")
        assert reread(lake).to_arrow().equals(SPIKES) and reread(lake).doc == "one spike"


class TestReading:
    @pytest.fixture
    def table(self, lake: Lake) -> Table:
        return write(lake, SPIKES)

    @pytest.fixture
    def large(self, lake: Lake) -> Table:
        """One whose file stands in the lake as such."""
        return write(lake, pa.table({"time": np.random.default_rng(0).random(2000)}))

    def test_columns_and_where(self, table: Table) -> None:
        found = table.to_arrow(["cell", "time"], (pds.field("trial") == 1) & (pds.field("time") > 1))
        assert found.to_pylist() == [{"cell": "b", "time": 1.5}]
        assert table.to_arrow(where=pds.field("trial") == 9).num_rows == 0

    def test_pandas(self, table: Table) -> None:
        frame = table.to_pandas(["trial", "time"], pds.field("cell") == "a")
        assert frame["time"].tolist() == [0.5, 2.5] and list(frame.columns) == ["trial", "time"]

    def test_wrong_column(self, table: Table) -> None:
        with pytest.raises(InputError, match="'t' has no column 'tiem'; it has trial, time, cell"):
            table.to_arrow(["tiem"])

    @pytest.mark.parametrize("where", [pds.field("tiem") > 1, pds.field("cell") > 1, "time > 1", 7])
    def test_wrong_where(self, table: Table, where: Any) -> None:
        with pytest.raises(InputError, match="'t' cannot be filtered by this condition"):
            table.to_arrow(where=where)

    @pytest.mark.parametrize("verification", ["first", "always", "never"])
    def test_verification(self, lake: Lake, large: Table, verification: Any) -> None:
        (path,) = map(Path, large.paths())
        data = bytearray(path.read_bytes())
        data[10] ^= 4
        path.write_bytes(data)
        reopened = Lake.open(lake.url, verification=verification)["t"]
        if verification == "never":
            assert reopened.paths() == [str(path)]
        else:
            with pytest.raises(CorruptObjectError, match=path.stem):
                reopened.paths()

    def test_first_reads_a_file_once(self, lake: Lake, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also for other processes of this user: what was verified is noted in the cache."""
        table.paths()
        reopened = Lake.open(lake.url)
        monkeypatch.setattr(type(lake.storage), "read", lambda *_: pytest.fail("read again"))
        (entry,) = table.files
        reopened.objects.verified_path(entry.digest, entry.size, entry.place)

    def test_a_cache_that_cannot_be_written_is_no_error(
        self, lake: Lake, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("NEUROLAKE_CACHE", str(tmp_path / "file"))
        assert reread(lake).to_arrow().equals(SPIKES)

    def test_a_garbled_cache_is_no_error(self, lake: Lake, table: Table) -> None:
        assert lake.objects.cache is not None
        lake.objects.cache.mkdir(parents=True, exist_ok=True)
        (lake.objects.cache / "verified").write_bytes(b"\xff\xfe\n")
        assert reread(lake).to_arrow().equals(SPIKES)

    def test_damage_that_nobody_verified_is_an_error_of_ours(self, lake: Lake, large: Table) -> None:
        (path,) = map(Path, large.paths())
        path.write_bytes(b"PAR1 no longer")
        with pytest.raises(CorruptObjectError):
            Lake.open(lake.url, verification="never")["t"].to_arrow()


class TestStatistics:
    def stats(self, lake: Lake, table: pa.Table) -> dict[str, Any]:
        (entry,) = write(lake, table).files
        assert entry.stats["rows"] == table.num_rows
        return dict(entry.stats["columns"])

    def test_bounds_and_nulls(self, lake: Lake) -> None:
        table = pa.table(
            {"i": [3, None, 1], "f": [0.5, -1.5, None], "s": ["b", "a", None], "b": [True, False, True]}
        )
        assert self.stats(lake, table) == {
            "i": [1, 3, 1],
            "f": [-1.5, 0.5, 1],
            "s": ["a", "b", 1],
            "b": [False, True, 0],
        }

    def test_not_a_number(self, lake: Lake) -> None:
        found = self.stats(lake, pa.table({"f": [math.nan, 2.0, 1.0], "n": [math.nan] * 3, "x": [None] * 3}))
        # Readers would take the bounds of the others for those of all rows.
        assert "f" not in found and "n" not in found

    def test_bounds_that_json_cannot_say(self, lake: Lake) -> None:
        table = pa.table(
            {
                "inf": [math.inf, 1.0],
                "long": ["x" * 65, "y"],
                "day": [date(2026, 1, 1)] * 2,
                "u": pa.array([2**64 - 1, 1], pa.uint64()),
            }
        )
        assert self.stats(lake, table) == {"u": [1, 2**64 - 1, 0]}

    def test_row_group_without_bounds(self, lake: Lake) -> None:
        """Parquet leaves out long bounds; those of the other row groups are not those of the file."""
        buffer = ParquetBuffer(pa.schema([("s", pa.string()), ("f", pa.float64())]))
        buffer.write(pa.table({"s": ["m"], "f": [1.0]}))
        buffer.write(pa.table({"s": ["z" * 10_000], "f": [math.nan]}))
        entry = add_file(buffer.finish(), ObjectWriter(lake.storage))
        assert entry.stats == {"rows": 2, "columns": {"f": [1.0, 1.0, 0]}}

    def test_of_no_rows(self, lake: Lake) -> None:
        assert self.stats(lake, SPIKES[:0]) == {}

    @given(values=st.lists(st.none() | st.floats(width=64) | st.sampled_from([math.nan, math.inf, -0.0])))
    def test_bounds_hold(self, values: list[float | None]) -> None:
        buffer = ParquetBuffer(pa.schema([("x", pa.float64())]))
        buffer.write(pa.table({"x": pa.array(values, pa.float64())}))
        entry = add_file(buffer.finish(), _Nowhere())
        known = [value for value in values if value is not None and not math.isnan(value)]
        for low, high, nulls in entry.stats["columns"].values():
            assert nulls == values.count(None)
            assert (low, high) == ((min(known), max(known)) if known else (None, None))


class _Nowhere(ObjectWriter):
    def __init__(self) -> None:
        pass

    def add_file(self, data: bytes | memoryview) -> Any:
        from neurolake.lake.digest import digest_of
        from neurolake.lake.objects.store import Place

        return digest_of(data), Place()


def test_parquet_is_deterministic(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {"trial": np.repeat(np.arange(100), 50), "time": rng.random(5000), "cell": rng.integers(0, 9, 5000)}
    )
    names = set()
    for run in range(3):
        lake = Lake.create(tmp_path / str(run), durable=False)
        write(lake, table)
        names.add(frozenset(path.name for path in (tmp_path / str(run)).glob("objects/*/*.parquet")))
    assert len(names) == 1 and len(next(iter(names))) == 1


def test_large_tables_are_several_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurolake.lake.data.parquet.FILE_ROWS", 1000)
    rows = pa.table({"number": range(4500)})
    with lake.transaction("write") as tx:
        tx.write_table("t", rows.slice(0, 2500), sorted_by=["number"])
        tx.append_table("t", rows.slice(2500))
    table = lake["t"]
    assert [entry.stats["rows"] for entry in table.files] == [1000, 1000, 500, 1000, 1000]
    assert table.to_arrow().column("number").to_pylist() == list(range(4500))
