"""xarray's datasets go in and come out as they were."""

import numpy as np
import pytest
import xarray as xr

from neurolake.lake import Lake


@pytest.fixture
def dataset() -> xr.Dataset:
    random = np.random.default_rng(3)
    return xr.Dataset(
        {
            "voltage": (("trial", "time"), random.normal(-65, 5, (6, 200)), {"units": "mV"}),
            "spikes": (("trial",), random.integers(0, 9, 6)),
        },
        coords={"trial": np.arange(6) + 10, "time": np.arange(200) * 0.025},
        attrs={"cell": "86"},
    )


@pytest.mark.parametrize("group", [None, "runs/first"])
def test_round_trip(lake: Lake, dataset: xr.Dataset, group: str | None) -> None:
    with lake.transaction("write") as tx:
        dataset.to_zarr(tx.store, group=group, zarr_format=3, consolidated=False)
    read = xr.open_zarr(lake.head.store, group=group, consolidated=False, chunks=None)
    xr.testing.assert_identical(read.load(), dataset)
    window = read.sel(trial=[11, 14], time=slice(1.0, 2.0))
    xr.testing.assert_identical(window.load(), dataset.sel(trial=[11, 14], time=slice(1.0, 2.0)))


def test_appending_trials(lake: Lake, dataset: xr.Dataset) -> None:
    more = dataset.assign_coords(trial=dataset.trial + 6)
    for part, how in ((dataset, {"mode": "w"}), (more, {"append_dim": "trial"})):
        with lake.transaction("write") as tx:
            part.to_zarr(tx.store, zarr_format=3, consolidated=False, **how)
    read = xr.open_zarr(lake.head.store, consolidated=False, chunks=None)
    xr.testing.assert_equal(read.load(), xr.concat([dataset, more], "trial"))
    before = xr.open_zarr(lake.at("main~1").store, consolidated=False, chunks=None)
    xr.testing.assert_identical(before.load(), dataset)


def test_through_dask(lake: Lake, dataset: xr.Dataset) -> None:
    with lake.transaction("write") as tx:
        dataset.to_zarr(tx.store, zarr_format=3, consolidated=False)
    lazy = xr.open_zarr(lake.head.store, consolidated=False)
    assert np.array_equal(lazy.voltage.mean("trial").compute(), dataset.voltage.mean("trial"))
