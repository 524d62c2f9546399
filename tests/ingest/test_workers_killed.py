"""Workers of an ingest are killed (SIGKILL) while they store: the lake becomes what it becomes undisturbed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from deadly_workers import Deadly
from distributed import Client, LocalCluster
from simrun_trees import Run, digests, read_lake, read_tree, write_run

import neurolake
from neurolake import StorageError
from neurolake.ingest.simrun import ingest as simrun
from neurolake.ingest.source import Ingested

QUIET = {"logging": {"distributed": "critical"}}


@pytest.fixture
def client() -> Iterator[Client]:
    """A cluster of its own: its workers die, and others take their place."""
    with (
        dask.config.set(QUIET),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six runs, each a task."""
    for seed in range(1, 7):
        write_run(tmp_path / "tree" / "stim_C2", Run(seed=seed, trials=range(seed % 3 + 1)))
    monkeypatch.setattr(simrun, "_SMALLEST_GROUP", 1)
    monkeypatch.setattr(simrun, "_GROUPS", 6)
    return tmp_path / "tree"


@pytest.fixture
def undisturbed(tree: Path, tmp_path: Path) -> Any:
    lake = neurolake.create(tmp_path / "undisturbed", durable=False)
    simrun.ingest_simrun(lake, tree, processes=1)
    assert len(lake["synapse_activation"].files) == 6
    return lake


def ingest(lake: Any, tree: Path, client: Client) -> Ingested:
    return simrun.ingest_simrun(lake, tree, scheduler=client.scheduler.address)


def assert_equal(lake: Any, undisturbed: Any, tree: Path) -> None:
    assert digests(lake.head) == digests(undisturbed.head)
    assert lake.head.commit.snapshot == undisturbed.head.commit.snapshot
    assert read_lake(lake.head) == read_tree(tree)
    assert lake.verify()


@pytest.mark.parametrize(("method", "count"), [("write", 1), ("write", 2), ("write", 5), ("flush", 2)])
def test_killed_workers_change_nothing(
    tmp_path: Path, tree: Path, undisturbed: Any, client: Client, method: str, count: int
) -> None:
    markers = [str(tmp_path / f"marker {number}") for number in range(2)]
    client.register_plugin(Deadly(method, count, markers))
    lake = neurolake.create(tmp_path / "lake", durable=False)
    report = ingest(lake, tree, client)
    # Both were killed, at work or, what took their place, at more of it.
    assert all(Path(marker).exists() for marker in markers)
    assert (report.trials, report.failures) == (12, [])
    assert_equal(lake, undisturbed, tree)
    assert len(lake.head.history()) == len(undisturbed.head.history())


def test_work_that_kills_all_its_workers_leaves_no_trace(
    tmp_path: Path, tree: Path, undisturbed: Any, client: Client
) -> None:
    lake = neurolake.create(tmp_path / "lake", durable=False)
    client.register_plugin(Deadly("write", 1, [str(tmp_path / f"marker {number}") for number in range(99)]))
    client.cluster.scheduler.allowed_failures = 0
    with pytest.raises(StorageError, match="a process of the ingest died"):
        ingest(lake, tree, client)
    assert list(lake.head) == []
    simrun.ingest_simrun(lake, tree, processes=1)
    assert_equal(lake, undisturbed, tree)
