"""Fixtures shared by all rooms."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLAKE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def scheduler(cache: None) -> Iterator[str]:
    """Address of a dask scheduler with two processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: ``NEUROLAKE_DATA``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("NEUROLAKE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set NEUROLAKE_DATA, or put it at {folder}")
    return folder


@pytest.fixture(scope="session")
def isf_data(shared_data: Path) -> Path:
    """Real results of the In Silico Framework."""
    return shared_data / "isf"
