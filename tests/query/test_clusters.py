"""The dask half on processes: a cluster of two, a scheduler started by hand, and workers that die."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import derivations
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from distributed import Client, LocalCluster

import neurolake
from neurolake import InputError
from neurolake.lake.data.codecs import Codec
from neurolake.query.views.blocks import _store_block

HELPERS = Path(derivations.__file__).parent


@contextlib.contextmanager
def local_cluster(folder: Path) -> Iterator[str]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@contextlib.contextmanager
def by_hand(folder: Path) -> Iterator[str]:
    """``dask scheduler`` and ``dask worker``, as one types them."""
    path = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false"}
    file = str(folder / "scheduler.json")

    def started(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--scheduler-file", file],
            env=environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    processes = [started("scheduler", "--port", "0", "--no-dashboard")]
    try:
        deadline = time.monotonic() + 60
        while not Path(file).exists():
            assert time.monotonic() < deadline and processes[0].poll() is None, "no scheduler"
            time.sleep(0.05)
        processes.append(started("worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard"))
        with Client(scheduler_file=file, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module", params=[local_cluster, by_hand], ids=["two processes", "by hand"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with request.param(tmp_path_factory.mktemp("cluster")) as address, Client(address) as client:
        yield client


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    with lake.transaction("array") as tx:
        tx.write_array("a", np.arange(40_000.0).reshape(8000, 5), chunks=(500, 5))
    for start in range(0, 8000, 2000):
        with lake.transaction("rows") as tx:
            rows = {"x": np.arange(start, start + 2000), "y": ["odd", "even"] * 1000}
            tx.append_table("t", pa.table(rows), sorted_by=["x"])
    return lake


def copied(lake: Any, folder: Path) -> Any:
    """A lake with the same content by other commits."""
    other = neurolake.create(folder, durable=False)
    with other.transaction("the same") as tx:
        tx.write_array("a", lake["a"][...], chunks=(500, 5))
        for entry in lake["t"].files:
            tx.append_table("t", lake["t"].rows_of(entry), sorted_by=["x"])
    return other


def in_rows(table: Any) -> list[Any]:
    return table.to_arrow().to_pylist()


def test_questions(client: Client, simrun_lake: Any) -> None:
    rows = simrun_lake["synapse_activation"].to_pandas()
    frame, voltage = simrun_lake["synapse_activation"].dask(), simrun_lake["voltage/soma"]
    counts = frame.groupby("trial_id")["time"].count().compute().sort_index()
    pd.testing.assert_series_equal(counts, rows.groupby("trial_id")["time"].count(), check_index_type=False)
    chosen = frame[(frame["cell_type"] == "VPM") & (frame["time"] < 100)]["soma_distance"].compute()
    assert chosen.tolist() == rows.query("cell_type == 'VPM' and time < 100")["soma_distance"].tolist()
    narrow = simrun_lake["synapse_activation"].dask(["time"], [("trial_id", ">=", 5)])
    assert len(narrow) == (rows["trial_id"] >= 5).sum()
    np.testing.assert_allclose(voltage.dask((2, 200)).mean(axis=0).compute(), voltage[...].mean(axis=0))
    means = voltage.xarray(chunks=(2, 200)).groupby("stimulus").mean().compute()
    np.testing.assert_allclose(means.sel(stimulus="D1"), voltage[5:7].mean(axis=0))
    later = simrun_lake.head.xarray("voltage/soma").sel(trial=[6, 2]).max("time").compute()
    assert later.values.tolist() == [voltage[6].max(), voltage[2].max()]


def test_derive_stores_where_it_is_computed(client: Client, lake: Any, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    found = lake.derive(derivations.doubled, "a", marker=str(marker))
    np.testing.assert_array_equal(found[...], 2 * lake["a"][...])
    rows = lake.derive(derivations.even_rows, "t", marker=str(marker))
    assert in_rows(rows) == [{"x": x, "y": "odd"} for x in range(0, 8000, 2)]
    assert rows.sorted_by == ["x"] and rows.dask().divisions == (0, 2000, 4000, 6000, 7998)
    number = lake.derive(lambda t: t.dask().reset_index()["x"].sum(), "t")
    assert number == sum(range(8000))
    with dask.config.set(scheduler="synchronous"):
        assert_alike(lake, tmp_path, found, rows, marker)


def assert_alike(lake: Any, folder: Path, array: Any, rows: Any, marker: Path) -> None:
    """Processes store the same bytes under the same names as this one alone does."""
    alone = copied(lake, folder / "alone")
    other = alone.derive(derivations.doubled, "a", marker=str(marker))
    assert other.path == array.path
    assert [entry.digest for entry in other.entries().values()] == [
        entry.digest for entry in array.entries().values()
    ]
    files = alone.derive(derivations.even_rows, "t", marker=str(marker))
    assert files.name == rows.name and [f.digest for f in files.files] == [f.digest for f in rows.files]


def test_what_comes_back_is_small(client: Client, lake: Any) -> None:
    array = lake["a"]
    codec = Codec.of(array.metadata.to_dict())
    future = client.submit(_store_block, array[:1000], array.dtype, (500, 5), codec, 0.0, lake.storage)
    assert array[:1000].nbytes == 40_000 and len(cloudpickle.dumps(future.result())) < 1_500


def test_processes_that_derive_at_once_make_one_result(client: Client, lake: Any) -> None:
    found = client.gather(client.map(derivations.derive_slow_rows, [lake.url] * 6, range(6), pure=False))
    (made,) = lake.derived()
    assert found == [made.name] * 6 and lake[made.name].rows == 3


def test_a_failing_block_leaves_nothing(client: Client, lake: Any) -> None:
    before = lake.head

    def fails(block: Any) -> Any:
        raise ZeroDivisionError("on a worker")

    with pytest.raises(ZeroDivisionError, match="on a worker"):
        lake.derive(lambda a: a.dask().map_blocks(fails, dtype=float), "a")
    with pytest.raises(InputError, match="the shape of the dask array is not known"):
        lake.derive(lambda a: a.dask()[a.dask()[:, 0] > 3], "a")
    with pytest.raises(InputError, match="a dask array of type object cannot be stored"):
        lake.derive(lambda a: a.dask().astype(object), "a")
    assert lake.head == before


@pytest.mark.parametrize(("kernel", "node"), [("doubled", "a"), ("even_rows", "t")])
def test_a_worker_that_dies_changes_nothing(lake: Any, tmp_path: Path, kernel: str, node: str) -> None:
    marker = tmp_path / "marker"
    function = getattr(derivations, kernel)
    with (
        dask.config.set({"distributed.comm.retry.count": 2, "logging": {"distributed": "critical"}}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        before = set(client.run(os.getpid).values())
        found = lake.derive(function, node, marker=str(marker))
        client.wait_for_workers(2, timeout=60)
        assert marker.exists() and set(client.run(os.getpid).values()) != before
    whole = copied(lake, tmp_path / "whole")
    with dask.config.set(scheduler="synchronous"):
        expected = whole.derive(function, node, marker=str(marker))
    (name,) = (made.name for made in whole.derived())
    there, here = (one.head.tree[name].entries for one in (whole, lake))
    assert here.identity() == there.identity() and len(here) > 1
    if node == "a":
        np.testing.assert_array_equal(found[...], expected[...])
    else:
        assert in_rows(found) == in_rows(expected)
    assert lake.verify()
