"""Tables and arrays as dask collections: the same values, narrow reads, names by content, on processes too."""

from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from distributed import Client

import neurolake
from neurolake import InputError
from neurolake.query import dasked


@pytest.fixture(autouse=True)
def synchronous() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


def pandas_of(lake: Any, name: str) -> pd.DataFrame:
    return lake[name].to_pandas().set_index("trial_id")


@pytest.mark.parametrize(
    "name",
    ["trials", "synapse_activation", "cell_activation", "spike_times", "dendritic_spike_times", "traces"],
)
def test_a_frame_has_the_rows_of_the_table(simrun_lake: Any, name: str) -> None:
    frame = simrun_lake[name].dask()
    found, expected = frame.compute(), pandas_of(simrun_lake, name)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found.dtypes.to_dict() == frame.dtypes.to_dict()
    for at in range(frame.npartitions):
        assert frame.get_partition(at).compute().dtypes.to_dict() == frame.dtypes.to_dict()


def test_divisions_are_known(simrun_lake: Any) -> None:
    frame = simrun_lake["synapse_activation"].dask()
    assert (frame.npartitions, frame.divisions, frame.index.name) == (2, (0, 5, 6), "trial_id")
    assert (
        len(frame.loc[5:])
        == simrun_lake.sql("select count(*) from synapse_activation where trial_id >= 5").fetchall()[0][0]
    )
    assert frame.loc[5:].npartitions == 1


def test_without_an_order_the_index_is_positions(simrun_lake: Any) -> None:
    frame = simrun_lake["files"].dask()
    assert not frame.known_divisions
    assert frame["path"].compute().tolist() == simrun_lake["files"].to_arrow()["path"].to_pylist()


def test_a_value_in_two_files_gives_no_divisions(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    for values in ([1, 2], [2, 3]):
        with lake.transaction("append") as tx:
            tx.append_table("t", pa.table({"key": values, "x": values}), sorted_by=["key"])
    frame = lake["t"].dask()
    assert not frame.known_divisions and "key" in frame.columns
    assert frame["x"].sum().compute() == 8


class Reads:
    """What the reader was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.columns: list[list[str]] = []
        self.rows: list[int] = []
        finish = dasked._ReadFile.finish

        def noted(reader: Any, rows: Any, columns: Any) -> pd.DataFrame:
            self.columns.append(list(rows.column_names))
            self.rows.append(rows.num_rows)
            return finish(reader, rows, columns)

        monkeypatch.setattr(dasked._ReadFile, "finish", noted)


def test_only_needed_columns_are_read(simrun_lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = simrun_lake["synapse_activation"].dask()
    reads = Reads(monkeypatch)
    found = frame.groupby("cell_type")["soma_distance"].mean().compute()
    assert reads.columns and all(
        set(columns) == {"trial_id", "cell_type", "soma_distance"} for columns in reads.columns
    )
    expected = pandas_of(simrun_lake, "synapse_activation").groupby("cell_type")["soma_distance"].mean()
    pd.testing.assert_series_equal(found, expected, check_index_type=False)


def test_filters_are_pushed_into_the_reader(simrun_lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    where = (pds.field("cell_type") == "VPM") & (pds.field("time") < 100)
    frame = simrun_lake["synapse_activation"].dask(["soma_distance"], where)
    reads = Reads(monkeypatch)
    found = frame.compute()
    expected = pandas_of(simrun_lake, "synapse_activation").query("cell_type == 'VPM' and time < 100")
    pd.testing.assert_frame_equal(found, expected[["soma_distance"]])
    assert sum(reads.rows) == len(expected) and list(found.columns) == ["soma_distance"]
    assert all(set(columns) == {"trial_id", "soma_distance"} for columns in reads.columns)


def test_unknown_columns_are_refused(simrun_lake: Any) -> None:
    with pytest.raises(InputError, match="no column 'distance'; it has trial_id, "):
        simrun_lake["synapse_activation"].dask(["distance"])


def test_columns_that_came_later_and_nulls(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    big = 2**60 + 1
    parts = [
        {"key": [1, 2], "n": [big, 2], "ok": [True, False]},
        {"key": [3], "n": pa.array([None], pa.int64()), "ok": pa.array([None], pa.bool_()), "late": ["x"]},
    ]
    for part in parts:
        with lake.transaction("append") as tx:
            tx.append_table("t", pa.table(part), sorted_by=["key"])
    frame = lake["t"].dask()
    found = frame.compute()
    assert found["n"].tolist() == [big, 2, pd.NA] and found["ok"].tolist() == [True, False, pd.NA]
    assert found["late"].isna().tolist() == [True, True, False]
    assert frame.get_partition(0).compute().dtypes.to_dict() == frame.dtypes.to_dict()
    assert lake["t"].dask(["late"], pds.field("n") == big).compute()["late"].isna().tolist() == [True]


def test_a_table_without_rows(tmp_path: Path) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("empty") as tx:
        tx.write_table(
            "t",
            pa.table({"key": pa.array([], pa.int64()), "x": pa.array([], pa.string())}),
            sorted_by=["key"],
        )
    assert lake["t"].dask().compute().empty
    assert list(lake["t"].dask().columns) == ["key", "x"]


def test_equal_content_has_equal_keys(simrun_lake: Any, simrun_folder: Path) -> None:
    other = neurolake.open(simrun_folder)
    table, array = "synapse_activation", "voltage/soma"
    assert simrun_lake[table].dask()._name == other[table].dask()._name
    assert simrun_lake[array].dask().name == other[array].dask().name
    before = simrun_lake.at("main~1")
    assert before[table].dask()._name != other[table].dask()._name
    assert before[array].dask().name != other[array].dask().name
    assert other[table].dask(["time"])._name != other[table].dask()._name
    assert other[table].dask(where=pds.field("time") < 1)._name != other[table].dask()._name
    assert other[array].dask((1, 50)).name != other[array].dask().name


def test_a_dask_array_is_the_array(simrun_lake: Any) -> None:
    array = simrun_lake["voltage/soma"]
    values = array[...]
    for chunks in (None, (2, 30), -1, "auto"):
        lazy = array.dask(chunks)
        assert (lazy.shape, lazy.dtype) == (values.shape, values.dtype)
        np.testing.assert_array_equal(lazy.compute(), values)
        np.testing.assert_array_equal(lazy[3, 7:90].compute(), values[3, 7:90])
    np.testing.assert_allclose(array.dask((2, 50)).mean(axis=0).compute(), values.mean(axis=0))
    np.testing.assert_array_equal(simrun_lake["voltage/soma.trial"].dask().compute(), np.arange(7))


@pytest.mark.parametrize("chunks", [(1,), (1, 5), (2, 3)])
def test_blocks_are_whole_stored_chunks(tmp_path: Path, chunks: tuple[int, ...], monkeypatch: Any) -> None:
    monkeypatch.setattr(dasked, "BLOCK_BYTES", 8 * 12)
    lake = neurolake.create(tmp_path / "lake", durable=False)
    values = np.arange(7.0 * 5).reshape(7, 5) if len(chunks) == 2 else np.arange(7.0)
    with lake.transaction("array") as tx:
        tx.write_array("a", values, chunks=chunks)
        tx.write_array("none", values[:0], chunks=chunks)
        tx.write_array("scalar", np.float64(3))
    lazy = lake["a"].dask()
    assert lazy.chunksize[0] % chunks[0] == 0 and lazy.chunksize[1:] == chunks[1:]
    np.testing.assert_array_equal(lazy.compute(), values)
    assert lake["none"].dask().compute().shape == values[:0].shape
    assert lake["scalar"].dask().compute() == 3


def test_processes_compute_the_same(simrun_lake: Any, scheduler: str) -> None:
    frame, array = simrun_lake["synapse_activation"].dask(), simrun_lake["voltage/soma"]
    with Client(scheduler, set_as_default=False) as client, dask.config.set(scheduler=client):
        found = frame.groupby("trial_id")["time"].count().compute()
        mean = array.dask((2, 200)).mean(axis=0).compute()
        where = frame[frame["cell_type"] == "VPM"].compute()
    expected = pandas_of(simrun_lake, "synapse_activation")
    assert found.sort_index().tolist() == expected.groupby("trial_id")["time"].count().tolist()
    assert len(where) == (expected["cell_type"] == "VPM").sum()
    np.testing.assert_allclose(mean, array[...].mean(axis=0))
