"""xarray's datasets go in and come out as they were."""

import pickle
import traceback

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from distributed import Client

from neurolake.lake import Lake

# That consolidated metadata is no part of Zarr's format 3.
pytestmark = pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")


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


def test_processes_read_a_commit(lake: Lake, dataset: xr.Dataset, scheduler: str) -> None:
    with lake.transaction("write") as tx:
        dataset.chunk(trial=2).to_zarr(tx.store, zarr_format=3)
    store = lake.head.store
    lazy = xr.open_zarr(store)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(lazy)).load(), dataset)
    array = zarr.open_array(store, path="voltage", mode="r")
    total = float(dataset.voltage.sum())
    with Client(scheduler) as client:
        assert float(lazy.voltage.sum().compute()) == pytest.approx(total, rel=1e-12)
        assert client.submit(lambda each: float(each[:].sum()), array).result() == total
        assert client.submit(lambda each: sorted(each.tree), store).result() == sorted(store.tree)


def test_processes_do_not_write_a_transaction(lake: Lake, dataset: xr.Dataset, scheduler: str) -> None:
    chunked = dataset.chunk(trial=2)
    with lake.transaction("write") as tx, Client(scheduler):
        with pytest.raises(TypeError) as told:
            chunked.to_zarr(tx.store, zarr_format=3)
        assert "write by threads of this process" in "".join(traceback.format_exception(told.value))
        with dask.config.set(scheduler="threads"):
            chunked.to_zarr(tx.store, zarr_format=3, mode="w")
    xr.testing.assert_identical(xr.open_zarr(lake.head.store).load(), dataset)


@pytest.mark.parametrize("consolidated", [True, False])
def test_shards_regions_and_appends_by_dask(lake: Lake, dataset: xr.Dataset, consolidated: bool) -> None:
    """Each step is a commit; chunks of dask are shards of Zarr."""
    chunked = dataset.chunk(trial=2, time=100)
    encoding = {"voltage": {"shards": (2, 100), "chunks": (1, 50)}}
    steps = (
        lambda store: chunked.to_zarr(store, zarr_format=3, consolidated=consolidated, encoding=encoding),
        lambda store: (
            (chunked[["voltage"]] + 1)
            .isel(trial=slice(2, 4))
            .drop_vars(["time", "trial"])
            .to_zarr(store, region={"trial": slice(2, 4)}, safe_chunks=True, consolidated=consolidated)
        ),
        lambda store: chunked.assign_coords(trial=chunked.trial + 6).to_zarr(
            store, append_dim="trial", consolidated=consolidated
        ),
    )
    for step in steps:
        with lake.transaction("step") as tx:
            step(tx.store)
    wanted = xr.concat(
        [dataset, dataset.assign_coords(trial=dataset.trial + 6)], "trial", data_vars="minimal"
    )
    wanted.voltage[2:4] += 1
    read = xr.open_zarr(lake.head.store, consolidated=consolidated)
    assert read.voltage.encoding["shards"] == (2, 100)
    xr.testing.assert_identical(read.load(), wanted)
    with pytest.raises(ValueError, match="chunk"), lake.transaction("shards in two") as tx:
        region = {"trial": slice(0, 6), "time": slice(0, 200)}
        dataset.chunk(trial=3).to_zarr(tx.store, region=region, consolidated=consolidated)


def test_trees_of_groups(lake: Lake, dataset: xr.Dataset) -> None:
    tree = xr.DataTree.from_dict(
        {"/": dataset[["spikes"]], "/runs/first": dataset, "/runs/none": xr.Dataset()}
    )
    with lake.transaction("write") as tx:
        tree.to_zarr(tx.store, zarr_format=3)
    xr.testing.assert_identical(xr.open_datatree(lake.head.store, engine="zarr").load(), tree)
    with lake.transaction("take one away") as tx:
        del zarr.open_group(tx.store, mode="r+", use_consolidated=False)["runs/first"]
    assert xr.open_datatree(lake.head.store, engine="zarr").groups == ("/", "/runs", "/runs/none")
