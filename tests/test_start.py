"""A new process imports what its answer needs: heavy libraries that it does without stay out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import neurolake

BASE = {"duckdb", "numpy", "pyarrow"}
HEAVY = {
    "asyncio",
    "dask",
    "distributed",
    "fsspec",
    "h5py",
    "matplotlib",
    "neuron",
    "numba",
    "numcodecs",
    "obstore",
    "pandas",
    "prompt_toolkit",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pydantic",
    "scipy",
    "sklearn",
    "xarray",
    "zarr",
}
COMMAND = "import sys; sys.argv[:] = {argv!r}; from neurolake.cli import main; main()"


def imported(code: str) -> set[str]:
    """Names of the modules that a process has at the end of *code*."""
    listing = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "lake"
    with neurolake.create(folder).transaction("Trials and a trace") as transaction:
        transaction.write_table("trials", pa.table({"trial_id": [0, 1, 2]}))
        transaction.write_array("voltage", np.zeros((3, 10)))
    return folder


def test_the_package_alone_imports_nothing_heavy() -> None:
    assert imported("import neurolake") & (HEAVY | BASE) == set()


def test_help_imports_nothing_heavy() -> None:
    assert imported(COMMAND.format(argv=["neurolake", "--help"])) & (HEAVY | BASE) == set()


def test_an_answer_in_sql_imports_what_holds_tables(lake: Path) -> None:
    query = ["neurolake", "sql", "select count(*) from trials", "--lake", str(lake)]
    assert imported(COMMAND.format(argv=query)) & (HEAVY | BASE) == BASE


def test_tables_are_read_without_zarr(lake: Path) -> None:
    code = f"import neurolake; print(neurolake.open({str(lake)!r})['trials'].to_arrow())"
    assert imported(code) & {"dask", "numcodecs", "xarray", "zarr"} == set()


def test_tables_are_written_without_zarr(lake: Path) -> None:
    code = f"""import neurolake, pyarrow
with neurolake.open({str(lake)!r}).transaction("More trials") as transaction:
    transaction.append_table("trials", pyarrow.table({{"trial_id": [3]}}))"""
    assert imported("\n".join(["", *code.splitlines()])) & {"dask", "numcodecs", "xarray", "zarr"} == set()


def test_arrays_are_read_with_zarr(lake: Path) -> None:
    assert "zarr" in imported(f"import neurolake; neurolake.open({str(lake)!r})['voltage']")


def test_an_array_in_dask_does_without_its_data_frames(lake: Path) -> None:
    code = f"import neurolake; neurolake.open({str(lake)!r})['voltage'].dask()"
    found = imported(code)
    assert "dask.array" in found and "dask.dataframe" not in found


def test_a_figure_does_without_dask(simrun_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "raster.png"
    argv = ["neurolake", "plot", "raster", "-o", str(file), "--lake", str(simrun_folder)]
    assert imported(COMMAND.format(argv=argv)) & {"dask", "distributed", "sklearn"} == set()
    assert file.stat().st_size > 0
