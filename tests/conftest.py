"""Fixtures shared by all rooms."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis.internal.entropy import deterministic_PRNG
from simrun_trees import OLD, Run, write_run

import neurolake
from neurolake.kernels.places import cache_folder

ROOT = Path(__file__).parents[1]

pytest_plugins = ["command_line", "s3_places"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave modules and tests, of which nothing goes before the end, out of every search for garbage."""
    # Hypothesis looks once for who holds the generator of numbers that it seeds, and would not find what is left out.
    with deterministic_PRNG():
        pass
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Let Python find them at its end: NEURON tells of each of its own that is left."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def disk() -> Iterator[None]:
    """Do not wait for the disk: no machine stops in a test. What a stop would leave, tests/lake/test_crash_points.py tries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests leave the user's cache alone, but for compiled mechanisms and kernels.

    These are named by their content and take minutes to make: once is enough for tests, demo and user.
    """
    folder, users = tmp_path_factory.mktemp("cache"), cache_folder()
    for name in ("kernels", "mechanisms"):
        (users / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / name).symlink_to(users / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROLAKE_CACHE", str(folder))
        yield


@pytest.fixture
def own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables are written as files of their own, which a test can damage or take away."""
    monkeypatch.setattr("neurolake.lake.objects.store.FILE_INLINE_SIZE", -1)


@pytest.fixture(scope="session")
def scheduler(cache: None) -> Iterator[str]:
    """Address of a dask scheduler with two processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="session")
def simrun_folder(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a lake with two ingests of small simrun trees: C2 (two runs), then D1. For reading only."""
    from neurolake.ingest.simrun.ingest import ingest_simrun

    folder = tmp_path_factory.mktemp("simrun")
    lake = neurolake.create(folder / "lake", durable=False)
    write_run(folder / "first" / "stim_C2", Run(seed=1))
    write_run(folder / "first" / "stim_C2", Run(seed=2, trials=(0, 1, 2), empty=(1,)))
    write_run(folder / "second" / "stim_D1", Run(seed=3, naming=OLD))
    for name in ("first", "second"):
        ingest_simrun(lake, folder / name, processes=1, message=f"Ingest {name}")
    return folder / "lake"


@pytest.fixture
def simrun_lake(simrun_folder: Path) -> Any:
    """That lake, opened anew."""
    return neurolake.open(simrun_folder)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data: ``NEUROLAKE_DATA``, or ``../shared/data`` beside the checkout."""
    folder = Path(os.environ.get("NEUROLAKE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        # In CI the data are there, and a test that does not run would hide what it is for.
        if os.environ.get("NEUROLAKE_REQUIRE_DATA"):
            pytest.fail(f"no real data at {folder}, which NEUROLAKE_REQUIRE_DATA asks for")
        pytest.skip(f"no real data: set NEUROLAKE_DATA, or put it at {folder}")
    return folder


@pytest.fixture(scope="session")
def isf_data(shared_data: Path) -> Path:
    """Real results of the In Silico Framework."""
    return shared_data / "isf"
