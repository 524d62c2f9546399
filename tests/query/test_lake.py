"""A lake as it is asked: snapshots by name and time, SQL from many threads, time travel."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dask.array
import pyarrow as pa
import pytest
import zarr

import neurolake
from neurolake import InputError, NotFoundError, ReadOnlyError


def count(snapshot: Any, table: str = "trials") -> int:
    ((number,),) = snapshot.sql(f"select count(*) from {table}").fetchall()
    return number


def test_a_snapshot_holds_tables_arrays_and_files(simrun_lake: Any) -> None:
    head = simrun_lake.head
    assert head == simrun_lake.at("main") and set(simrun_lake) == set(head)
    assert list(head.tables) == [name for name in head if name in head.tables]
    assert head["trials"].rows == len(head.tables["trials"]) == 7
    assert isinstance(head["voltage/soma"], zarr.Array)
    assert simrun_lake["voltage/soma"][0, 0] == head.arrays["voltage/soma"][0][0]
    (node,) = (name for name, data in head.files.items() if data.startswith(b"{'network'"))
    assert head[node] == head.files[node]
    with pytest.raises(NotFoundError, match="did you mean 'trials'"):
        head["trails"]
    with pytest.raises(NotFoundError, match="there is no table 'voltage/soma'"):
        head.tables["voltage/soma"]


def test_snapshots_cannot_be_written(simrun_lake: Any) -> None:
    with pytest.raises((ReadOnlyError, ValueError)):
        simrun_lake["voltage/soma"][0, 0] = 1.0


def test_a_relation_goes_where_it_is_wanted(simrun_lake: Any) -> None:
    relation = simrun_lake.sql("select trial_id, stimulus from trials order by trial_id")
    assert relation.columns == ["trial_id", "stimulus"]
    assert relation.df()["stimulus"].tolist() == ["C2"] * 5 + ["D1"] * 2
    assert relation.to_arrow_table()["trial_id"].to_pylist() == list(range(7))
    assert relation.filter("stimulus = 'D1'").fetchall() == [(5, "D1"), (6, "D1")]


def test_time_travel(simrun_lake: Any) -> None:
    newest, middle, oldest = simrun_lake.log()
    assert count(simrun_lake.at("main")) == count(simrun_lake.at(newest.id)) == 7
    for ref in ("main~1", middle.id, middle.id[:12], middle.time, middle.time.isoformat()):
        snapshot = simrun_lake.at(ref)
        assert count(snapshot) == 5 and snapshot["voltage/soma"].shape == (5, 200)
        assert snapshot.sql("select count(*) from commits").fetchall() == [(2,)]
    assert list(simrun_lake.at("main~2")) == []
    assert simrun_lake.at(datetime.now(UTC) + timedelta(days=1)) == simrun_lake.head
    for ref in ("main~3", "nobranch", "0" * 64, oldest.time - timedelta(seconds=1)):
        with pytest.raises(NotFoundError):
            simrun_lake.at(ref)
    with pytest.raises(InputError, match="is not a time"):
        simrun_lake.at("2026-13-45")


def test_a_snapshot_stays_while_others_write(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("one") as tx:
        tx.append_table("t", pa.table({"x": [1]}))
    pinned, relation = lake.head, lake.sql("from t")
    with neurolake.open(tmp_path / "lake").transaction("two") as tx:
        tx.append_table("t", pa.table({"x": [2]}))
    assert relation.fetchall() == [(1,)] and count(pinned, "t") == 1
    assert count(lake.head, "t") == count(lake, "t") == 2
    assert len(lake["t"]) == 2


def test_eight_threads_ask(simrun_lake: Any) -> None:
    tables = list(simrun_lake.head.tables)
    rows = {name: table.rows for name, table in simrun_lake.head.tables.items()}

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(10):
            name = rng.choice(tables)
            assert count(simrun_lake, name) == rows[name]
            assert count(simrun_lake.at("main~1")) == 5
            assert simrun_lake.sql("select count(*) from nodes").fetchall() == [(len(simrun_lake),)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))


def test_views_are_made_once_for_a_commit(simrun_lake: Any) -> None:
    assert simrun_lake.at("main") is simrun_lake.head


def test_tables_and_arrays_go_to_dask(simrun_lake: Any) -> None:
    assert len(simrun_lake["trials"].dask()) == 7
    assert isinstance(simrun_lake["voltage/soma"].dask(), dask.array.Array)
