"""Labelled arrays: coordinates and units come with the values, lazily, and go back as they came."""

from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
import pytest
import xarray as xr

import neurolake
from neurolake import InputError, NotFoundError
from neurolake.query.views.labelled import write_data_array


@pytest.fixture(autouse=True)
def synchronous() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    return neurolake.create(tmp_path / "lake", durable=False)


def test_trials_and_times(simrun_lake: Any) -> None:
    voltage = simrun_lake.head.xarray("voltage/soma")
    stored = simrun_lake["voltage/soma"]
    assert voltage.dims == ("trial", "time") and voltage.name == "soma" and voltage.attrs["units"] == "mV"
    assert dask.is_dask_collection(voltage.data) and voltage.data.dask.keys()
    np.testing.assert_array_equal(voltage.values, stored[...])
    np.testing.assert_array_equal(voltage.time, simrun_lake["voltage/soma.time"][...])
    assert voltage.time.attrs["units"] == "ms"
    trials = simrun_lake["trials"].to_pandas().set_index("trial_id")
    assert voltage.trial.values.tolist() == voltage.trial_id.values.tolist() == trials.index.tolist()
    for column in ("stimulus", "sim_trial_index"):
        assert voltage[column].dims == ("trial",)
        assert voltage[column].values.tolist() == trials[column].tolist()
    chosen = voltage.sel(trial=[5, 6], time=slice(1.0, 2.0))
    rows = (stored[5:7], simrun_lake["voltage/soma.time"][...])
    np.testing.assert_array_equal(chosen.values, rows[0][:, (rows[1] >= 1) & (rows[1] <= 2)])
    means = voltage.groupby("stimulus").mean()
    np.testing.assert_allclose(means.sel(stimulus="D1"), stored[5:7].mean(axis=0))
    assert stored.xarray().identical(voltage)


def test_only_what_is_asked_for_is_read(simrun_lake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    voltage = simrun_lake["voltage/soma"].xarray(chunks=(1, 50))
    reads: list[Any] = []
    from neurolake.lake import Array

    read_box = Array.read_box
    monkeypatch.setattr(
        Array, "read_box", lambda self, box=None: reads.append((self.path, box)) or read_box(self, box)
    )
    voltage.isel(trial=3, time=slice(60, 70)).values  # noqa: B018
    assert reads == [("voltage/soma", [(3, 4), (60, 70)])]


def test_trials_in_another_order_and_trials_unknown(lake: Any) -> None:
    with lake.transaction("write") as tx:
        tx.write_array("v", np.eye(3), dimension_names=["trial", "time"])
        tx.write_array("v.trial", np.array([4, 2, 3]), dimension_names=["trial"])
        tx.write_table("trials", pa.table({"trial_id": [2, 3, 4, 5], "stimulus": ["a", "b", "c", "d"]}))
        tx.write_array("w", np.eye(2), dimension_names=["trial", "time"])
        tx.write_array("w.trial", np.array([2, 99]), dimension_names=["trial"])
        tx.write_array("x", np.eye(2))
    assert lake["v"].xarray().stimulus.values.tolist() == ["c", "a", "b"]
    assert set(lake["w"].xarray().coords) == {"trial"}
    assert lake["x"].xarray().dims == ("dim_0", "dim_1") and not lake["x"].xarray().coords


def test_what_is_no_array(simrun_lake: Any) -> None:
    with pytest.raises(NotFoundError, match="'trials' is a table, not an array"):
        simrun_lake.head.xarray("trials")
    with pytest.raises(NotFoundError, match="there is no array 'nothing', nor any below it"):
        simrun_lake.head.xarray("nothing")


ARRAYS = {
    "units": xr.DataArray(np.eye(2), dims=["a", "b"], attrs={"units": "mV", "edges": np.arange(3)}),
    "texts": xr.DataArray(
        [1, 2], dims=["site"], coords={"site": ["soma", "dend"], "kind": ("site", ["s", "d"]), "cell": 86}
    ),
    "texts inside": xr.DataArray(np.array(["x", "yy"]), dims=["i"]),
    "times": xr.DataArray(
        [1.5], dims=["t"], coords={"t": np.array(["2026-01-02"], "datetime64[ns]")}, name="times"
    ),
    "two axes": xr.DataArray(
        np.zeros((2, 3)), dims=["a", "b"], coords={"where": (("a", "b"), np.arange(6).reshape(2, 3))}
    ),
    "no axes": xr.DataArray(3.0, attrs={"units": "mV"}),
    "lazy": xr.DataArray(np.arange(12).reshape(3, 4), dims=["a", "b"], coords={"a": [3, 2, 1]}).chunk(
        {"a": 2}
    ),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_written_and_read_again(lake: Any, kind: str) -> None:
    array = ARRAYS[kind]
    with lake.transaction("write") as tx:
        write_data_array(tx, "x", array)
    found = lake.head.xarray("x").load()
    xr.testing.assert_equal(found, array)
    assert {key: np.asarray(value).tolist() for key, value in array.attrs.items()} == found.attrs
    with lake.transaction("write again, without coordinates") as tx:
        write_data_array(tx, "x", array.drop_vars(list(array.coords)))
    assert list(lake) == ["x"]


def test_types_that_no_array_has(lake: Any) -> None:
    with (
        pytest.raises(InputError, match="values of type object cannot be stored"),
        lake.transaction("x") as tx,
    ):
        write_data_array(tx, "x", xr.DataArray(np.array([{}, 3], object)))
    assert list(lake) == []


def test_arrays_that_do_not_fit_are_no_dataset(lake: Any) -> None:
    with lake.transaction("write") as tx:
        for name, times in (("g/a", [0.0, 1.0]), ("g/b", [0.0, 2.0])):
            write_data_array(tx, name, xr.DataArray([1, 2], dims=["t"], coords={"t": times}))
    with pytest.raises(InputError, match="the arrays below 'g' make no dataset"):
        lake.head.xarray("g")
    with lake.transaction("mend") as tx:
        write_data_array(tx, "g/b", xr.DataArray([3, 4], dims=["t"], coords={"t": [0.0, 1.0]}))
    dataset = lake.head.xarray("g")
    assert set(dataset) == {"a", "b"} and (dataset.a + dataset.b).sel(t=1.0).compute() == 6
